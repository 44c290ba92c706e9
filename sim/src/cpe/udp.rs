//! Connection requests over UDP (TR-069 Annex G): a STUN client that keeps the device's binding alive, and the requests that come
//! in through it. The device's own reading of STUN; the server has another.
//!
//! Not here: what a request or a new binding leads to; the device waits for it with `Device::run`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use percent_encoding::percent_decode_str;
use sha1::Sha1;
use tokio::net::{UdpSocket, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::interval;

use super::connection_request::Signal;
use super::options::Stun;
use super::{Device, DeviceError};
use crate::model::Node;
use crate::value::{Value, XsdType};

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_RESPONSE: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const CONNECTION_REQUEST_BINDING: u16 = 0xC001;
const BINDING_CHANGE: u16 = 0xC002;

/// A device's socket; closes when dropped.
#[derive(Debug)]
pub(super) struct UdpListener(JoinHandle<()>);

impl Drop for UdpListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Device {
    /// Opens the socket for UDP connection requests, if the options ask for one, and begins to announce it.
    pub async fn listen_udp(&mut self) -> Result<(), DeviceError> {
        let Some(options) = self.options.stun.clone() else { return Ok(()) };
        let failed = |source| DeviceError::Listen { address: options.bind.clone(), source };
        let socket = UdpSocket::bind(&options.bind).await.map_err(failed)?;
        let server = lookup_host(&options.server).await.map_err(failed)?.next();
        let server = server.ok_or_else(|| failed(std::io::Error::other("the STUN server has no address")))?;
        // Requests come from the STUN server's address and port, and from nowhere else.
        socket.connect(server).await.map_err(failed)?;
        self.publish_credentials();
        self.udp_listener = Some(UdpListener(tokio::spawn(run(socket, options, Arc::clone(&self.signal)))));
        Ok(())
    }

    /// Parameters that a device has when it does STUN.
    pub(super) fn add_stun_parameters(&mut self) {
        let Some(options) = &self.options.stun else { return };
        let (host, port) = options.server.rsplit_once(':').unwrap_or((&options.server, "3478"));
        let parameters = [
            ("STUNEnable", true, XsdType::Boolean, "true"),
            ("STUNServerAddress", true, XsdType::String, host),
            ("STUNServerPort", true, XsdType::UnsignedInt, port),
            ("STUNUsername", true, XsdType::String, &options.username),
            ("STUNPassword", true, XsdType::String, &options.password),
            ("UDPConnectionRequestAddress", false, XsdType::String, ""),
            ("NATDetected", false, XsdType::Boolean, "false"),
        ];
        for (name, writable, xsd, text) in parameters {
            let path = self.model.under_root(&format!("ManagementServer.{name}"));
            self.model.insert(&path, Node { writable, value: Some(Value { xsd, text: text.into() }) });
        }
    }

    /// Takes over what the STUN server told last: a changed binding is reported to the ACS.
    pub(super) fn take_binding(&mut self) {
        let Some((mapped, is_translated)) = *self.signal.binding.lock() else { return };
        let address = self.model.under_root("ManagementServer.UDPConnectionRequestAddress");
        let detected = self.model.under_root("ManagementServer.NATDetected");
        for (path, text) in [(address, mapped.to_string()), (detected, is_translated.to_string())] {
            if self.model.text(&path) != Some(&text) && self.model.set_text(&path, &text) {
                self.changed.insert(path);
                self.queue_event("4 VALUE CHANGE".into());
            }
        }
    }

    /// Sends these parameters as a lightweight notification (TR-069 Annex M), signed with the password toward the ACS. It is not
    /// answered, and no session comes of it.
    pub async fn notify_lightly(&self, server: &str, paths: &[&str]) -> std::io::Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        let text = self.lightweight_notification(server, paths, chrono::Utc::now().timestamp());
        socket.send_to(text.as_bytes(), server).await.map(|_| ())
    }

    /// The datagram of a lightweight notification.
    pub fn lightweight_notification(&self, server: &str, paths: &[&str], timestamp: i64) -> String {
        let text = |relative: &str| self.model.root_text(relative).unwrap_or_default().to_owned();
        let mut body = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Notification xmlns=\"urn:broadband-forum-org:cwmp:lwnotif-1-0\">",
        );
        let mut element = |name: &str, text: &str| {
            body.push_str(&format!("<{name}>"));
            crate::xml::push_escaped(&mut body, text);
            body.push_str(&format!("</{name}>"));
        };
        element("TS", &timestamp.to_string());
        element("UN", &text("ManagementServer.Username"));
        element("CN", &crate::http::digest::random_token());
        element("OUI", &self.identity.oui);
        element("ProductClass", &self.identity.product_class);
        element("SerialNumber", &self.identity.serial_number);
        for path in paths {
            body.push_str("<Param><Name>");
            crate::xml::push_escaped(&mut body, path);
            body.push_str("</Name><Value>");
            crate::xml::push_escaped(&mut body, self.model.text(path).unwrap_or_default());
            body.push_str("</Value></Param>");
        }
        body.push_str("</Notification>");
        let signature = HEXLOWER.encode(&hmac(&text("ManagementServer.Password"), body.as_bytes())).to_uppercase();
        let length = body.len();
        format!(
            "POST /HTTPS/1.1\r\nHOST: {server}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\nSignature: {signature}\r\n\r\n{body}"
        )
    }
}

/// Announces the binding and takes requests, for as long as the device lives.
async fn run(socket: UdpSocket, options: Stun, signal: Arc<Signal>) {
    let mut ticks = interval(Duration::from_millis(options.keep_alive_milliseconds.max(1)));
    let mut buffer = [0; 2048];
    let mut transaction = [0; 16];
    // The timestamp and number of the last request, so that its repeats are told.
    let mut last = (0, 0);
    let mut is_changed = false;
    loop {
        let count = tokio::select! {
            _ = ticks.tick() => {
                transaction = random();
                let request = binding_request(&transaction, &signal, is_changed, false);
                let _ = socket.send(&request).await;
                continue;
            }
            // The server may not be there yet: then the system reports an error here.
            received = socket.recv(&mut buffer) => received.unwrap_or(0),
        };
        let datagram = &buffer[..count];
        match answer(datagram, &transaction) {
            Some(Answer::Mapped(mapped)) => {
                let is_translated = socket.local_addr().is_ok_and(|local| local != mapped);
                is_changed = signal.set_binding(mapped, is_translated);
            }
            Some(Answer::Error(401)) => {
                transaction = random();
                let _ = socket.send(&binding_request(&transaction, &signal, is_changed, true)).await;
            }
            Some(Answer::Error(_)) => {}
            None => {
                if let Some(request) = std::str::from_utf8(datagram).ok().and_then(Request::parse)
                    && request.is_signed(&signal)
                {
                    let number = (request.timestamp, request.id);
                    if number > last || options.every_datagram {
                        last = number;
                        signal.accept();
                    }
                }
            }
        }
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let token = crate::http::digest::random_token();
    bytes.copy_from_slice(&token.as_bytes()[..16]);
    bytes
}

fn hmac(key: &str, text: &[u8]) -> [u8; 20] {
    // HMAC takes keys of any length.
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(key.as_bytes())
        .unwrap_or_else(|_| <Hmac<Sha1> as Mac>::new(&Default::default()));
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// A Binding Request, signed (RFC 3489 §11.2.8) when the server has asked for it.
fn binding_request(transaction: &[u8; 16], signal: &Signal, is_changed: bool, is_signed: bool) -> Vec<u8> {
    let (username, password) = signal.stun_credentials.lock().clone();
    let mut attributes = Vec::new();
    let mut add = |name: u16, value: &[u8]| {
        let padded = value.len().next_multiple_of(4);
        attributes.extend(name.to_be_bytes());
        attributes.extend((padded as u16).to_be_bytes());
        attributes.extend(value);
        // Filled up with blanks, which are part of the value (TR-069 Annex G).
        attributes.resize(attributes.len() + padded - value.len(), b' ');
    };
    add(CONNECTION_REQUEST_BINDING, b"dslforum.org/TR-111 ");
    if is_changed {
        add(BINDING_CHANGE, b"");
    }
    if !username.is_empty() {
        add(USERNAME, username.as_bytes());
    }
    let length = attributes.len() + if is_signed { 24 } else { 0 };
    let mut message = Vec::from(BINDING_REQUEST.to_be_bytes());
    message.extend((length as u16).to_be_bytes());
    message.extend(transaction);
    message.extend(attributes);
    if is_signed {
        let mut covered = message.clone();
        covered.resize(message.len().next_multiple_of(64), 0);
        message.extend(MESSAGE_INTEGRITY.to_be_bytes());
        message.extend(20u16.to_be_bytes());
        message.extend(hmac(&password, &covered));
    }
    message
}

enum Answer {
    Mapped(SocketAddr),
    Error(u16),
}

/// What the STUN server says to the request with this transaction ID.
fn answer(datagram: &[u8], transaction: &[u8; 16]) -> Option<Answer> {
    let kind = u16::from_be_bytes(datagram.get(..2)?.try_into().ok()?);
    if datagram.get(4..20)? != transaction {
        return None;
    }
    let wanted = match kind {
        BINDING_RESPONSE => MAPPED_ADDRESS,
        BINDING_ERROR => ERROR_CODE,
        _ => return None,
    };
    let mut rest = datagram.get(20..)?;
    loop {
        let name = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?));
        let value = rest.get(4..4 + length)?;
        if name == wanted {
            return match (kind, value) {
                (BINDING_ERROR, [_, _, class, number, ..]) => {
                    Some(Answer::Error(u16::from(*class) * 100 + u16::from(*number)))
                }
                (_, [_, 1, high, low, a, b, c, d]) => {
                    let port = u16::from_be_bytes([*high, *low]);
                    Some(Answer::Mapped(SocketAddr::from(([*a, *b, *c, *d], port))))
                }
                _ => None,
            };
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
}

/// A connection request over UDP.
struct Request<'a> {
    timestamp: u64,
    id: u64,
    parts: [&'a str; 3],
    username: String,
    signature: &'a str,
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Option<Request<'a>> {
        let line = text.split("\r\n").next()?;
        let target = line.strip_prefix("GET http://")?.strip_suffix(" HTTP/1.1")?;
        let query = target.split_once('?')?.1;
        let field = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        let parts = [field("ts")?, field("id")?, field("cn")?];
        Some(Request {
            timestamp: parts[0].parse().ok()?,
            id: parts[1].parse().ok()?,
            parts,
            username: percent_decode_str(field("un")?).decode_utf8_lossy().into_owned(),
            signature: field("sig")?,
        })
    }

    /// Compared to the letter, in lower case, as a known device does it.
    fn is_signed(&self, signal: &Signal) -> bool {
        let (username, password) = signal.credentials();
        let [timestamp, id, client_nonce] = self.parts;
        let covered = format!("{timestamp}{id}{}{client_nonce}", self.username);
        self.username == username && self.signature == HEXLOWER.encode(&hmac(&password, covered.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_is_let_in_when_its_signature_is_right_to_the_letter() {
        let signal = Signal::default();
        signal.set_credentials("an acs", "secret");
        let text = "GET http://192.0.2.7:7547?ts=1700000000&id=1700000001&un=an%20acs&cn=0011223344556677&sig=737e3ae3b95993978a5ed397acebef7a77a311f5 HTTP/1.1\r\nHost: 192.0.2.7:7547\r\n\r\n";
        let request = Request::parse(text).unwrap();
        assert_eq!((request.timestamp, request.id), (1_700_000_000, 1_700_000_001));
        assert!(request.is_signed(&signal));
        let upper = text.replace(
            "737e3ae3b95993978a5ed397acebef7a77a311f5",
            &"737e3ae3b95993978a5ed397acebef7a77a311f5".to_uppercase(),
        );
        assert!(!Request::parse(&upper).unwrap().is_signed(&signal));
        let other = text.replace("id=1700000001", "id=1700000002");
        assert!(!Request::parse(&other).unwrap().is_signed(&signal));
        assert!(Request::parse("GET / HTTP/1.1\r\n\r\n").is_none());
    }

    #[test]
    fn a_binding_request_is_as_annex_g_wants_it() {
        let signal = Signal::default();
        *signal.stun_credentials.lock() = ("box12".into(), "secret".into());
        let plain = binding_request(&[7; 16], &signal, false, false);
        assert_eq!(plain[..4], [0, 1, 0, 36]);
        assert_eq!(&plain[24..44], b"dslforum.org/TR-111 ");
        assert_eq!(&plain[48..], b"box12   ");
        let signed = binding_request(&[7; 16], &signal, true, true);
        assert_eq!((signed.len(), signed.len() - 20), (84, usize::from(signed[3])));
    }
}

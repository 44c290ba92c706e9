//! Connection requests over UDP, and the STUN server: rows U.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use cwmp::udp::stun::{self, BINDING_VALUE, IntegrityForm, MessageType, MessageWriter, attribute};
use cwmp::udp::{Bindings, StunAccount, signature};

use crate::kit::{Device, Server, Setup, eventually};

const TRANSACTION: [u8; 16] = [7; 16];

/// A server with a STUN port, which is also returned.
fn start() -> (Server, SocketAddr) {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = Setup::default().arguments(|arguments| {
        arguments.stun_listen = Some(free);
        arguments.connection_requests_to_this_machine = true;
    });
    (setup.start(), free)
}

/// A device's socket.
struct Socket(UdpSocket);

impl Socket {
    fn open() -> Socket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Socket(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Sends a Binding Request. Returns `mapped` or the error's number; never more comes back than was sent.
    fn ask(&self, server: SocketAddr, request: &[u8]) -> String {
        self.0.send_to(request, server).unwrap();
        let mut buffer = [0; 2048];
        let (count, from) = self.0.recv_from(&mut buffer).unwrap();
        assert_eq!(from, server);
        assert!(count <= request.len(), "{count} bytes in answer to {}", request.len());
        let answer = stun::parse(&buffer[..count]).unwrap();
        assert_eq!(answer.transaction, TRANSACTION);
        match answer.error_code() {
            Some(code) => code.to_string(),
            None => {
                assert_eq!(answer.address(attribute::MAPPED_ADDRESS), Some(self.address()));
                "mapped".to_owned()
            }
        }
    }

    /// The next connection request, and where it comes from.
    fn request(&self) -> (String, SocketAddr) {
        let mut buffer = [0; 2048];
        let (count, from) = self.0.recv_from(&mut buffer).unwrap();
        (String::from_utf8(buffer[..count].to_vec()).unwrap(), from)
    }
}

fn binding_request() -> MessageWriter {
    MessageWriter::new(MessageType::BindingRequest, TRANSACTION)
        .attribute(attribute::CONNECTION_REQUEST_BINDING, BINDING_VALUE)
}

fn named() -> MessageWriter {
    binding_request().attribute(attribute::USERNAME, b"box1")
}

fn signed() -> Vec<u8> {
    named().finish_with_integrity(b"of the box", IntegrityForm::Padded)
}

/// A session in which the device tells these parameters of its management server.
fn tell(device: &mut Device, parameters: &[(&str, &str)]) {
    let full: Vec<(String, &str)> =
        parameters.iter().map(|(name, value)| (format!("Device.ManagementServer.{name}"), *value)).collect();
    let borrowed: Vec<(&str, &str)> = full.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    device.inform(&["2 PERIODIC"], &borrowed).expect("InformResponse");
    device.empty().expect_end();
}

/// A known device with credentials for STUN and for connection requests.
fn registered(server: &Server, serial_number: &str) -> Device {
    let mut device = server.device(serial_number);
    tell(
        &mut device,
        &[
            ("STUNUsername", "box1"),
            ("STUNPassword", "of the box"),
            ("ConnectionRequestUsername", "acs"),
            ("ConnectionRequestPassword", "secret"),
        ],
    );
    device
}

fn wake(server: &Server, device: &Device) {
    server.request("POST", &format!("/devices/{}/tasks?connection_request", device.id()), "").expect_status(200);
}

fn field<'a>(request: &'a str, name: &str) -> &'a str {
    let query = request.split('?').nth(1).unwrap().split(' ').next().unwrap();
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap()
}

#[test]
fn u1_binding_requests_are_answered_with_the_mapped_address() {
    let (_server, stun) = start();
    let socket = Socket::open();
    assert_eq!(socket.ask(stun, &binding_request().finish()), "mapped");
    assert_eq!(socket.ask(stun, &named().finish()), "mapped", "nobody has this name");
    assert_eq!(socket.ask(stun, &named().attribute(attribute::BINDING_CHANGE, b"").finish()), "mapped");
    assert_eq!(socket.ask(stun, &signed()), "mapped");
}

#[test]
fn u2_a_binding_is_to_be_proved_where_credentials_are_set() {
    let (server, stun) = start();
    registered(&server, "U2");
    let socket = Socket::open();
    assert_eq!(socket.ask(stun, &named().finish()), "401");
    let forged = named().finish_with_integrity(b"guess", IntegrityForm::Padded);
    assert_eq!(socket.ask(stun, &forged), "431");
    assert_eq!(socket.ask(stun, &signed()), "mapped");
    assert_eq!(socket.ask(stun, &named().finish()), "mapped", "a sign of life needs no proof");
    let other = Socket::open();
    assert_eq!(other.ask(stun, &named().attribute(attribute::BINDING_CHANGE, b"").finish()), "401");
}

#[test]
fn u3_the_newest_address_counts() {
    let (server, stun) = start();
    let mut device = registered(&server, "U3");
    let (told, learnt, told_later) = (Socket::open(), Socket::open(), Socket::open());
    tell(&mut device, &[("UDPConnectionRequestAddress", &told.address().to_string()), ("NATDetected", "true")]);
    wake(&server, &device);
    told.request();
    tell(&mut device, &[("NATDetected", "true")]);
    assert_eq!(learnt.ask(stun, &signed()), "mapped");
    wake(&server, &device);
    learnt.request();
    // Until the next millisecond, so that it is later.
    std::thread::sleep(Duration::from_millis(5));
    tell(&mut device, &[("UDPConnectionRequestAddress", &told_later.address().to_string())]);
    wake(&server, &device);
    told_later.request();
    // Without a NAT, the plain way is the way.
    tell(&mut device, &[("NATDetected", "false")]);
    let target = format!("/devices/{}/tasks?connection_request", device.id());
    server.request("POST", &target, "").expect_status(504);
}

#[test]
fn u4_the_datagram_is_signed_and_comes_from_the_stun_servers_address() {
    let (server, stun) = start();
    let mut device = registered(&server, "U4");
    let socket = Socket::open();
    socket.ask(stun, &signed());
    wake(&server, &device);
    let (request, from) = socket.request();
    assert_eq!(from, stun);
    let address = socket.address();
    assert!(request.starts_with(&format!("GET http://{address}?ts=")), "{request}");
    assert!(request.ends_with(&format!(" HTTP/1.1\r\nHost: {address}\r\n\r\n")), "{request}");
    let [ts, id, un, cn] = ["ts", "id", "un", "cn"].map(|name| field(&request, name));
    assert_eq!((un, cn.len()), ("acs", 16));
    assert_eq!(field(&request, "sig"), signature("secret", &[ts, id, un, cn]));
    // The next one has a greater number.
    tell(&mut device, &[]);
    wake(&server, &device);
    let next = std::iter::from_fn(|| Some(socket.request().0)).find(|next| field(next, "cn") != cn).unwrap();
    let number = |text: &str| text.parse::<u32>().unwrap();
    assert!(number(field(&next, "id")) > number(id), "{next}");
}

#[test]
fn u5_the_signature_is_in_lower_case() {
    let (server, stun) = start();
    let device = registered(&server, "U5");
    let socket = Socket::open();
    socket.ask(stun, &signed());
    wake(&server, &device);
    let (request, _) = socket.request();
    let signature = field(&request, "sig");
    assert_eq!(signature.len(), 40);
    assert!(signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{signature}");
}

#[test]
fn u6_a_few_repeats_go_out_until_the_device_comes() {
    let (server, stun) = start();
    let mut device = registered(&server, "U6");
    let socket = Socket::open();
    socket.ask(stun, &signed());
    wake(&server, &device);
    let (first, _) = socket.request();
    device.inform(&["6 CONNECTION REQUEST"], &[]).expect("InformResponse");
    device.empty().expect_end();
    wake(&server, &device);
    // This time it does not come.
    let seen = std::iter::from_fn(|| Some(socket.request().0)).skip_while(|request| *request == first);
    let seen: Vec<String> = seen.take(3).collect();
    assert!(seen.iter().all(|request| *request == seen[0] && *request != first), "{first}\n{seen:?}");
    eventually("the Inform to be counted", || {
        let record = server.get(&format!("/devices/{}/connection_requests", device.id()));
        record["methods"]["UDP"]["informed"] == 1
    });
}

#[test]
fn u7_a_binding_expires_without_signs_of_life() {
    let (mut bindings, start) = (Bindings::default(), Instant::now());
    let lifetime = Duration::from_secs(60);
    let account = StunAccount { device_id: "box".into(), password: "of the box".into(), lifetime };
    let from = SocketAddr::from(([192, 0, 2, 7], 61_000));
    let (announced, kept) = (signed(), named().finish());
    let mut ask = |bytes: &[u8], seconds| {
        let message = stun::parse(bytes).unwrap();
        bindings.answer(&message, from, Some(&account), start + Duration::from_secs(seconds), 0).unwrap();
        bindings.of("box", start + Duration::from_secs(seconds + 59)).is_some()
            && bindings.of("box", start + Duration::from_secs(seconds + 60)).is_none()
    };
    assert!(ask(&announced, 0));
    assert!(ask(&kept, 50));
}

#[test]
fn u8_nobody_else_redirects_a_binding_and_no_answer_is_larger_than_its_request() {
    let (server, stun) = start();
    let device = registered(&server, "U8");
    let (own, strange) = (Socket::open(), Socket::open());
    assert_eq!(own.ask(stun, &signed()), "mapped");
    // Every answer's size is checked where it is received.
    assert_eq!(strange.ask(stun, &named().finish()), "401");
    assert_eq!(strange.ask(stun, &named().finish_with_integrity(b"guess", IntegrityForm::Plain)), "431");
    let elsewhere = binding_request().address(attribute::RESPONSE_ADDRESS, own.address()).finish();
    assert_eq!(strange.ask(stun, &elsewhere), "mapped");
    // A bare request is too small for an answer; what follows it is answered.
    let bare = MessageWriter::new(MessageType::BindingRequest, [9; 16]).finish();
    strange.0.send_to(&bare, stun).unwrap();
    assert_eq!(strange.ask(stun, &binding_request().finish()), "mapped");
    wake(&server, &device);
    own.request();
}

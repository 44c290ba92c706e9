//! The connection request over UDP (TR-069 Annex G): one datagram that looks like the head of an HTTP request and is signed.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha1::Sha1;

use crate::connection_request::Credentials;

/// What cannot stand in a query as it is. The rest can, which helps devices that do not decode.
const OUTSIDE_QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>');

/// A connection request over UDP. Repeats are identical, so that devices can tell them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpRequest {
    /// `UDPConnectionRequestAddress`: host, and port if it is not 80.
    pub host: String,
    /// Seconds since the Unix epoch.
    pub timestamp: i64,
    /// Greater than that of every request before to this device.
    pub id: u32,
    /// The nonce: 16 hexadecimal digits.
    pub client_nonce: String,
}

impl UdpRequest {
    /// The datagram, signed with the device's credentials.
    pub fn datagram(&self, credentials: &Credentials) -> String {
        let UdpRequest { host, timestamp, id, client_nonce } = self;
        let username = &credentials.username;
        let signature =
            signature(&credentials.password, &[&timestamp.to_string(), &id.to_string(), username, client_nonce]);
        let username = utf8_percent_encode(username, OUTSIDE_QUERY);
        // Lower case: some devices compare the signature to the letter.
        format!(
            "GET http://{host}?ts={timestamp}&id={id}&un={username}&cn={client_nonce}&sig={signature} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        )
    }
}

/// The HMAC-SHA1 over all parts, keyed with a password, as 40 hexadecimal digits in lower case.
pub fn signature(password: &str, parts: &[&str]) -> String {
    // HMAC takes keys of any length.
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(password.as_bytes())
        .unwrap_or_else(|_| <Hmac<Sha1> as Mac>::new(&Default::default()));
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_and_spelled_as_the_standard_says() {
        let request = UdpRequest {
            host: "192.0.2.7:7547".into(),
            timestamp: 1_700_000_000,
            id: 1_700_000_001,
            client_nonce: "0011223344556677".into(),
        };
        let credentials = Credentials { username: "an acs".into(), password: "secret".into() };
        // Made with: printf '%s' '17000000001700000001an acs0011223344556677' | openssl dgst -sha1 -hmac secret
        let expected = "GET http://192.0.2.7:7547?ts=1700000000&id=1700000001&un=an%20acs&cn=0011223344556677&sig=737e3ae3b95993978a5ed397acebef7a77a311f5 HTTP/1.1\r\nHost: 192.0.2.7:7547\r\n\r\n";
        assert_eq!(request.datagram(&credentials), expected);
    }
}

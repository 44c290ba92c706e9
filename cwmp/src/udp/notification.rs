//! Lightweight notifications (TR-069 Annex M): values that a device tells in one datagram, without a session.
//!
//! Two forms are met. In one a few lines in the manner of HTTP come before the document, and one of them is the signature of the
//! document as it stands. In the other the document is a SOAP envelope whose header holds the signature, made over the
//! header's other texts as in Annex G. Not here: whose they are, and whether they are fresh.

use crate::soap::{Notification, SoapError, parse_notification};

use super::datagram::signature;

/// A notification and what its signature covers.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedNotification {
    /// What it says.
    pub notification: Notification,
    signature: String,
    covered: String,
}

/// A datagram that is no notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// Not text.
    #[error("it is not UTF-8")]
    NotText,
    /// Neither before the document nor in its header.
    #[error("it has no signature")]
    Unsigned,
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] SoapError),
}

/// Reads a datagram.
///
/// # Errors
/// It is no notification.
pub fn parse(datagram: &[u8]) -> Result<SignedNotification, NotificationError> {
    let text = std::str::from_utf8(datagram).map_err(|_| NotificationError::NotText)?;
    let (head, document) = match text.find('<') {
        Some(at) => text.split_at(at),
        None => return Err(NotificationError::Unsigned),
    };
    let notification = parse_notification(document)?;
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("signature").then(|| value.trim().to_owned())
    };
    let (signature, covered) = match (head.lines().find_map(named), &notification.signature) {
        (Some(signature), _) => (signature, document.to_owned()),
        (None, Some(signature)) => (signature.clone(), notification.header_texts.concat()),
        (None, None) => return Err(NotificationError::Unsigned),
    };
    Ok(SignedNotification { notification, signature, covered })
}

impl SignedNotification {
    /// Whether it is signed with this password. Either case of letters is taken.
    pub fn is_signed_with(&self, password: &str) -> bool {
        use subtle::ConstantTimeEq;
        let expected = signature(password, &[&self.covered]);
        let given = self.signature.to_ascii_lowercase();
        expected.len() == given.len() && bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
    }

    /// The signature, by which a repeat is told.
    pub fn signature(&self) -> &str {
        &self.signature
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::value::{TypedValue, Value, XsdType};

    use super::*;

    const BARE: &str = r#"<?xml version="1.0"?><Notification xmlns="urn:broadband-forum-org:cwmp:lwnotif-1-0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><TS>1700000000</TS><UN>box</UN><CN>0011</CN><OUI>0A1B2C</OUI><ProductClass>Box</ProductClass><SerialNumber>7</SerialNumber><Param><Name>Device.A</Name><Value xsi:type="xsd:unsignedInt">5</Value></Param><Param><Name>Device.B</Name><Value>x</Value></Param></Notification>"#;

    fn before(document: &str, signature: &str) -> Vec<u8> {
        format!("POST /HTTPS/1.1 \n HOST: acs \n Content-Type: test/xml; charset=utf-8 \n Content-Lenght: 9\n Signature: {signature}\n\n{document}").into_bytes()
    }

    #[test]
    fn a_signature_before_the_document_covers_the_document() {
        let signature = signature("secret", &[BARE]).to_uppercase();
        let signed = parse(&before(BARE, &signature)).unwrap();
        assert!(signed.is_signed_with("secret") && !signed.is_signed_with("Secret"));
        let Notification { timestamp, username, device_id, values, .. } = signed.notification;
        assert_eq!((timestamp, username.as_str()), (1_700_000_000, "box"));
        assert_eq!(device_id.device_id(), "0A1B2C-Box-7");
        let number = TypedValue(Value::Int(5), XsdType::UnsignedInt);
        assert_eq!(values, [("Device.A".to_owned(), number), ("Device.B".to_owned(), TypedValue::string("x"))]);
        let changed = BARE.replace(">5<", ">6<");
        assert!(!parse(&before(&changed, &signature)).unwrap().is_signed_with("secret"));
    }

    #[test]
    fn a_signature_in_the_header_covers_the_header() {
        let signature = signature("secret", &["1700000000", "box", "0011", "0A1B2C", "Box", "7"]);
        let text = format!(
            r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:l="urn:broadband-forum-org:cwmp:lwnotif-1-0"><e:Header><l:TS>1700000000</l:TS><l:UN>box</l:UN><l:CN>0011</l:CN><l:OUI>0A1B2C</l:OUI><l:ProductClass>Box</l:ProductClass><l:SerialNumber>7</l:SerialNumber><l:SIG>{signature}</l:SIG></e:Header><e:Body><l:Notification><ParameterList><ParameterValueStruct><Name>Device.B</Name><Value>x</Value></ParameterValueStruct></ParameterList></l:Notification></e:Body></e:Envelope>"#
        );
        let signed = parse(text.as_bytes()).unwrap();
        assert!(signed.is_signed_with("secret") && !signed.is_signed_with(""));
        assert_eq!(signed.notification.values, [("Device.B".to_owned(), TypedValue::string("x"))]);
    }

    #[test]
    fn what_is_no_notification_is_refused() {
        for datagram in [
            &b""[..],
            b"hello",
            b"<x/>",
            b"<Notification/>",
            b"\xff<Notification/>",
            BARE.as_bytes(),
            b"Signature: 1\n\n<Notification",
        ] {
            assert!(parse(datagram).is_err(), "{}", String::from_utf8_lossy(datagram));
        }
    }
}

//! STUN in the form of RFC 3489, as TR-069 Annex G uses it: a header with a transaction ID of 128 bits, and attributes.
//!
//! Later clients (RFC 5389) put a magic number into the transaction ID and do not mind. No I/O here, and nothing that a datagram
//! can break.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

/// The length of the header.
const HEADER: usize = 20;
/// Attributes that are read, at most.
const MAX_ATTRIBUTES: usize = 32;
/// The length of MESSAGE-INTEGRITY with its head.
const INTEGRITY: usize = 24;
/// What later clients begin their transaction IDs with (RFC 5389 §6).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// The value of CONNECTION-REQUEST-BINDING.
pub const BINDING_VALUE: &[u8; 20] = b"dslforum.org/TR-111 ";

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// Asks where it comes from.
    BindingRequest,
    /// Says so.
    BindingResponse,
    /// Says why not.
    BindingErrorResponse,
}

impl MessageType {
    const ALL: [(MessageType, u16); 3] = [
        (MessageType::BindingRequest, 0x0001),
        (MessageType::BindingResponse, 0x0101),
        (MessageType::BindingErrorResponse, 0x0111),
    ];
}

/// Attributes by their numbers.
pub mod attribute {
    /// MAPPED-ADDRESS
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    /// RESPONSE-ADDRESS
    pub const RESPONSE_ADDRESS: u16 = 0x0002;
    /// USERNAME
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE
    pub const ERROR_CODE: u16 = 0x0009;
    /// XOR-MAPPED-ADDRESS (RFC 5389)
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// CONNECTION-REQUEST-BINDING (TR-069 Annex G)
    pub const CONNECTION_REQUEST_BINDING: u16 = 0xC001;
    /// BINDING-CHANGE (TR-069 Annex G)
    pub const BINDING_CHANGE: u16 = 0xC002;
}

/// Bytes that are no STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Shorter than a header, or than the header says.
    #[error("the message is cut off")]
    Short,
    /// Not of RFC 3489, or of a type that has no meaning here.
    #[error("no STUN message")]
    Unknown,
    /// Attributes do not fit into each other.
    #[error("an attribute is longer than the message, or there are too many")]
    Attributes,
}

/// A message, as it lies in its datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunMessage<'a> {
    /// What it is.
    pub message_type: MessageType,
    /// The transaction ID, to be echoed.
    pub transaction: [u8; 16],
    bytes: &'a [u8],
    attributes: Vec<(u16, &'a [u8])>,
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
}

/// Over what MESSAGE-INTEGRITY is made: RFC 3489 pads the message to a multiple of 64 bytes, RFC 5389 does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegrityForm {
    /// RFC 3489 §11.2.8
    Padded,
    /// RFC 5389 §15.4
    Plain,
}

/// Reads a message.
///
/// # Errors
/// The bytes are no STUN message. Attributes that are not known are kept.
pub fn parse(bytes: &[u8]) -> Result<StunMessage<'_>, StunError> {
    let head = bytes.get(..HEADER).ok_or(StunError::Short)?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let message_type =
        MessageType::ALL.iter().find(|(_, number)| *number == kind).map(|(message_type, _)| *message_type);
    let message_type = message_type.ok_or(StunError::Unknown)?;
    let end = HEADER + usize::from(u16::from_be_bytes([head[2], head[3]]));
    let bytes = bytes.get(..end).ok_or(StunError::Short)?;
    let transaction: [u8; 16] = head[4..].try_into().map_err(|_| StunError::Short)?;
    let (mut attributes, mut integrity_at, mut at) = (Vec::new(), None, HEADER);
    while at < end {
        let head = bytes.get(at..at + 4).ok_or(StunError::Attributes)?;
        let (name, length) =
            (u16::from_be_bytes([head[0], head[1]]), usize::from(u16::from_be_bytes([head[2], head[3]])));
        let value = bytes.get(at + 4..at + 4 + length).ok_or(StunError::Attributes)?;
        if attributes.len() == MAX_ATTRIBUTES {
            return Err(StunError::Attributes);
        }
        if name == attribute::MESSAGE_INTEGRITY && integrity_at.is_none() {
            integrity_at = Some(at);
        }
        attributes.push((name, value));
        // The next one begins at a multiple of four; the last need not be padded.
        at += 4 + length.next_multiple_of(4);
    }
    Ok(StunMessage { message_type, transaction, bytes, attributes, integrity_at })
}

impl<'a> StunMessage<'a> {
    /// The value of an attribute. What comes behind MESSAGE-INTEGRITY is not protected by it, and does not count.
    pub fn attribute(&self, name: u16) -> Option<&'a [u8]> {
        let protected = self.attributes.iter().take_while(|(known, _)| *known != attribute::MESSAGE_INTEGRITY);
        protected.into_iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// USERNAME, without the blanks or zeros that fill it up.
    pub fn username(&self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.attribute(attribute::USERNAME)?).ok()?;
        Some(text.trim_end_matches(['\0', ' '])).filter(|text| !text.is_empty())
    }

    /// Whether there is a MESSAGE-INTEGRITY.
    pub fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// The form in which MESSAGE-INTEGRITY is right for this key; `None` when it is missing or wrong.
    pub fn integrity(&self, key: &[u8]) -> Option<IntegrityForm> {
        let at = self.integrity_at?;
        let given = self.bytes.get(at + 4..at + INTEGRITY)?;
        let forms = [IntegrityForm::Padded, IntegrityForm::Plain];
        forms.into_iter().find(|form| authenticator(key, &self.bytes[..at], *form).verify_slice(given).is_ok())
    }

    /// MAPPED-ADDRESS or its like.
    pub fn address(&self, name: u16) -> Option<SocketAddr> {
        let value = self.attribute(name)?;
        let port = u16::from_be_bytes([*value.get(2)?, *value.get(3)?]);
        let ip: IpAddr = match (value.get(1)?, value.get(4..)?) {
            (1, rest) => <[u8; 4]>::try_from(rest).ok()?.into(),
            (2, rest) => <[u8; 16]>::try_from(rest).ok()?.into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The class and number of ERROR-CODE, e.g. 401.
    pub fn error_code(&self) -> Option<u16> {
        let value = self.attribute(attribute::ERROR_CODE)?;
        Some(u16::from(*value.get(2)?) * 100 + u16::from(*value.get(3)?))
    }

    /// Whether the client speaks RFC 5389.
    pub fn has_magic_cookie(&self) -> bool {
        self.transaction[..4] == MAGIC_COOKIE
    }

    /// The length of the whole message.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

/// The HMAC-SHA1 over what comes before MESSAGE-INTEGRITY, with the header's length as if it ended behind that.
fn authenticator(key: &[u8], before: &[u8], form: IntegrityForm) -> Hmac<Sha1> {
    // HMAC takes keys of any length.
    let mut mac =
        <Hmac<Sha1> as Mac>::new_from_slice(key).unwrap_or_else(|_| <Hmac<Sha1> as Mac>::new(&Default::default()));
    let length = u16::try_from((before.len() + INTEGRITY).saturating_sub(HEADER)).unwrap_or(u16::MAX);
    mac.update(&before[..2.min(before.len())]);
    mac.update(&length.to_be_bytes());
    mac.update(before.get(4..).unwrap_or_default());
    if form == IntegrityForm::Padded {
        let padding = before.len().next_multiple_of(64) - before.len();
        mac.update(&[0; 64][..padding]);
    }
    mac
}

/// Writes a message.
#[derive(Debug, Clone)]
pub struct MessageWriter(Vec<u8>);

impl MessageWriter {
    /// A message without attributes.
    pub fn new(message_type: MessageType, transaction: [u8; 16]) -> MessageWriter {
        let number = MessageType::ALL.iter().find(|(known, _)| *known == message_type).map_or(0, |(_, number)| *number);
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(number.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(transaction);
        MessageWriter(bytes)
    }

    /// Adds an attribute, filled up with zeros to a multiple of four bytes.
    #[must_use]
    pub fn attribute(mut self, name: u16, value: &[u8]) -> MessageWriter {
        self.0.extend(name.to_be_bytes());
        self.0.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds an address.
    #[must_use]
    pub fn address(self, name: u16, address: SocketAddr) -> MessageWriter {
        let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
        value.extend(address.port().to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => value.extend(ip.octets()),
            IpAddr::V6(ip) => value.extend(ip.octets()),
        }
        if name == attribute::XOR_MAPPED_ADDRESS {
            let transaction: Vec<u8> = self.0[4..HEADER].to_vec();
            value[2] ^= transaction[0];
            value[3] ^= transaction[1];
            value[4..].iter_mut().zip(transaction).for_each(|(byte, mask)| *byte ^= mask);
        }
        self.attribute(name, &value)
    }

    /// Adds ERROR-CODE.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> MessageWriter {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend(reason.as_bytes());
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// The message as it is so far, with its length.
    pub fn finish(mut self) -> Vec<u8> {
        let length = u16::try_from(self.0.len() - HEADER).unwrap_or(u16::MAX);
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }

    /// The message with MESSAGE-INTEGRITY at its end.
    pub fn finish_with_integrity(self, key: &[u8], form: IntegrityForm) -> Vec<u8> {
        let code = authenticator(key, &self.0, form).finalize().into_bytes();
        self.attribute(attribute::MESSAGE_INTEGRITY, &code).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRANSACTION: [u8; 16] = [7; 16];

    fn request() -> MessageWriter {
        MessageWriter::new(MessageType::BindingRequest, TRANSACTION)
            .attribute(attribute::CONNECTION_REQUEST_BINDING, BINDING_VALUE)
            .attribute(attribute::USERNAME, b"box1")
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let bytes = request().finish();
        assert_eq!(bytes[..4], [0, 1, 0, 32]);
        let message = parse(&bytes).unwrap();
        assert_eq!((message.message_type, message.transaction), (MessageType::BindingRequest, TRANSACTION));
        assert_eq!(message.attribute(attribute::CONNECTION_REQUEST_BINDING), Some(&BINDING_VALUE[..]));
        assert_eq!((message.username(), message.has_integrity()), (Some("box1"), false));
        for address in ["192.0.2.7:61000", "[2001:db8::7]:61000"] {
            let address = address.parse().unwrap();
            let bytes = MessageWriter::new(MessageType::BindingResponse, TRANSACTION)
                .address(attribute::MAPPED_ADDRESS, address)
                .finish();
            assert_eq!(parse(&bytes).unwrap().address(attribute::MAPPED_ADDRESS), Some(address));
        }
        let bytes =
            MessageWriter::new(MessageType::BindingErrorResponse, TRANSACTION).error(401, "Unauthorized").finish();
        assert_eq!(parse(&bytes).unwrap().error_code(), Some(401));
    }

    #[test]
    fn integrity_is_right_for_one_key_in_either_form() {
        for form in [IntegrityForm::Padded, IntegrityForm::Plain] {
            let bytes = request().finish_with_integrity(b"secret", form);
            let message = parse(&bytes).unwrap();
            assert_eq!(message.integrity(b"secret"), Some(form));
            assert_eq!(message.integrity(b"Secret"), None);
            let mut changed = bytes.clone();
            changed[30] ^= 1;
            assert_eq!(parse(&changed).unwrap().integrity(b"secret"), None);
        }
        // What is put behind it is not protected.
        let late = request().finish_with_integrity(b"secret", IntegrityForm::Padded);
        let mut writer = MessageWriter(late);
        writer = writer.attribute(attribute::BINDING_CHANGE, b"");
        let bytes = writer.finish();
        let message = parse(&bytes).unwrap();
        assert_eq!(message.attribute(attribute::BINDING_CHANGE), None);
    }

    /// RFC 5769 §2.1: a request of a client of RFC 5389, with attributes of lengths that are no multiples of four.
    #[test]
    fn the_standards_sample_is_authentic() {
        let text = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
                    80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b5\
                    71a280280004e57a3bcf";
        let bytes = data_encoding::HEXLOWER.decode(text.replace(' ', "").as_bytes()).unwrap();
        let message = parse(&bytes).unwrap();
        assert!(message.has_magic_cookie());
        assert_eq!(message.username(), Some("evtj:h6vY"));
        assert_eq!(message.integrity(b"VOkJxbRl1RmTxUk/WvJxBt"), Some(IntegrityForm::Plain));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = request().finish();
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        let mut other = whole.clone();
        other[0] = b'G';
        assert_eq!(parse(&other), Err(StunError::Unknown));
        let mut long = whole;
        long[22] = 0xff;
        assert_eq!(parse(&long), Err(StunError::Attributes));
        let many = (0..=MAX_ATTRIBUTES)
            .fold(MessageWriter::new(MessageType::BindingRequest, TRANSACTION), |writer, _| {
                writer.attribute(0x8022, b"")
            });
        assert_eq!(parse(&many.finish()), Err(StunError::Attributes));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(head in prop::sample::select(vec![[0u8, 1], [1, 1], [1, 17], [9, 9]]), rest in prop::collection::vec(any::<u8>(), 0..120)) {
            let mut bytes = head.to_vec();
            bytes.extend(rest);
            if let Ok(message) = parse(&bytes) {
                let _ = (message.username(), message.integrity(b"k"), message.error_code(), message.address(1));
            }
        }
    }
}

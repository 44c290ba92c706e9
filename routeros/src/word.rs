//! The length prefix of words: one to five bytes, big endian. Pure. Sentences are in [`crate::sentence`].
//!
//! | length | prefix |
//! | --- | --- |
//! | up to 0x7F | one byte |
//! | up to 0x3FFF | two bytes, `length \| 0x8000` |
//! | up to 0x1F_FFFF | three bytes, `length \| 0xC0_0000` |
//! | up to 0xFFF_FFFF | four bytes, `length \| 0xE000_0000` |
//! | above | 0xF0, then the length in four bytes |

/// The longest word that a four-byte prefix can announce. Longer ones are understood, but not every peer does, so they are
/// never sent.
pub const MAX_SENT_WORD: usize = 0x0FFF_FFFF;

/// A first byte that begins no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// 0xF8 to 0xFF: reserved for control bytes, of which none is in use. Nobody can tell where the next word begins.
    #[error("reserved control byte {0:#04X} where a word's length should be")]
    Control(u8),
    /// 0xF1 to 0xF7: without meaning.
    #[error("undefined byte {0:#04X} where a word's length should be")]
    Undefined(u8),
}

/// Appends a word's length in the shortest form.
pub fn encode_length(length: u32, bytes: &mut Vec<u8>) {
    match length {
        0..=0x7F => bytes.push(length as u8),
        0x80..=0x3FFF => bytes.extend_from_slice(&(length as u16 | 0x8000).to_be_bytes()),
        0x4000..=0x1F_FFFF => bytes.extend_from_slice(&(length | 0xC0_0000).to_be_bytes()[1..]),
        0x20_0000..=0x0FFF_FFFF => bytes.extend_from_slice(&(length | 0xE000_0000).to_be_bytes()),
        _ => {
            bytes.push(0xF0);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Reads a word's length: the length, and how many bytes its prefix has. `None` when the prefix is not all there yet. Longer
/// forms than necessary are understood.
pub fn decode_length(bytes: &[u8]) -> Result<Option<(u32, usize)>, LengthError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (size, high) = match first {
        0x00..=0x7F => (1, first),
        0x80..=0xBF => (2, first & 0x3F),
        0xC0..=0xDF => (3, first & 0x1F),
        0xE0..=0xEF => (4, first & 0x0F),
        0xF0 => (5, 0),
        0xF1..=0xF7 => return Err(LengthError::Undefined(first)),
        0xF8..=0xFF => return Err(LengthError::Control(first)),
    };
    let Some(rest) = bytes.get(1..size) else { return Ok(None) };
    let length = rest.iter().fold(u32::from(high), |length, byte| length << 8 | u32::from(*byte));
    Ok(Some((length, size)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(length: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_length(length, &mut bytes);
        bytes
    }

    #[test]
    fn each_length_has_its_shortest_prefix() {
        let vectors: [(u32, &[u8]); 14] = [
            (0, &[0x00]),
            (1, &[0x01]),
            (0x7F, &[0x7F]),
            (0x80, &[0x80, 0x80]),
            (0x87, &[0x80, 0x87]),
            (0x3FFF, &[0xBF, 0xFF]),
            (0x4000, &[0xC0, 0x40, 0x00]),
            (0x1F_FFFF, &[0xDF, 0xFF, 0xFF]),
            (0x20_0000, &[0xE0, 0x20, 0x00, 0x00]),
            (0x0123_4567, &[0xE1, 0x23, 0x45, 0x67]),
            (0x0FFF_FFFF, &[0xEF, 0xFF, 0xFF, 0xFF]),
            (0x1000_0000, &[0xF0, 0x10, 0x00, 0x00, 0x00]),
            (0x89AB_CDEF, &[0xF0, 0x89, 0xAB, 0xCD, 0xEF]),
            (0xFFFF_FFFF, &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]),
        ];
        for (length, prefix) in vectors {
            assert_eq!(encoded(length), prefix, "{length:#X}");
            assert_eq!(decode_length(prefix), Ok(Some((length, prefix.len()))), "{length:#X}");
        }
    }

    #[test]
    fn longer_prefixes_than_necessary_are_understood() {
        let vectors: [&[u8]; 4] = [&[0x80, 5], &[0xC0, 0, 5], &[0xE0, 0, 0, 5], &[0xF0, 0, 0, 0, 5]];
        for prefix in vectors {
            assert_eq!(decode_length(prefix), Ok(Some((5, prefix.len()))));
        }
    }

    #[test]
    fn bytes_that_begin_no_length_are_errors() {
        for first in 0xF1..=0xF7 {
            assert_eq!(decode_length(&[first, 0, 0, 0, 0, 0]), Err(LengthError::Undefined(first)));
        }
        for first in 0xF8..=0xFF {
            assert_eq!(decode_length(&[first]), Err(LengthError::Control(first)));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_and_needs_all_its_bytes(length: u32, shift in 0_u32..32, rest: Vec<u8>) {
            let length = length >> shift;
            let prefix = encoded(length);
            let bytes = [prefix.clone(), rest].concat();
            prop_assert_eq!(decode_length(&bytes), Ok(Some((length, prefix.len()))));
            for cut in 0..prefix.len() {
                prop_assert_eq!(decode_length(&bytes[..cut]), Ok(None));
            }
        }
    }
}

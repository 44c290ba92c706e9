//! Sentences: words closed by one of length zero. Pure: bytes in, sentences out, within limits. What the words mean is in
//! [`crate::reply`] and [`crate::command`].

use bytes::{Buf, Bytes, BytesMut};

use crate::word::{LengthError, decode_length, encode_length};

/// Room for so many bytes is offered to each read.
const READ_SIZE: usize = 8 * 1024;

/// The words of a sentence, without the closing one. Never empty when decoded.
pub type Sentence = Vec<Bytes>;

/// What a peer may make us hold. Lengths are the peer's claims, so memory follows the bytes that came, never the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one word.
    pub word: usize,
    /// Bytes of all words of a sentence.
    pub sentence: usize,
    /// Words of a sentence.
    pub words: usize,
}

/// Bytes that are no sentences, or too much. The stream cannot be used after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No length where one should be.
    #[error(transparent)]
    Length(#[from] LengthError),
    /// A word above the limit.
    #[error("a word of {length} bytes, at most {limit} are accepted")]
    Word {
        /// As announced.
        length: usize,
        /// What is accepted.
        limit: usize,
    },
    /// A sentence above the limit.
    #[error("a sentence of more than {0} bytes")]
    Sentence(usize),
    /// A sentence with more words than the limit.
    #[error("a sentence of more than {0} words")]
    Words(usize),
}

/// Reads sentences from bytes that come in pieces.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buffer: BytesMut,
    words: Sentence,
    size: usize,
    failed: Option<DecodeError>,
}

impl Limits {
    /// For a peer that has not shown who it is.
    pub const BEFORE_LOGIN: Limits = Limits { word: 64 * 1024, sentence: 64 * 1024, words: 64 };
    /// For a router that let us in.
    pub const AFTER_LOGIN: Limits = Limits { word: 64 * 1024 * 1024, sentence: 64 * 1024 * 1024, words: 4096 };
}

impl Decoder {
    /// Begins between two sentences.
    pub fn new(limits: Limits) -> Decoder {
        Decoder { limits, buffer: BytesMut::new(), words: Vec::new(), size: 0, failed: None }
    }

    /// Other limits, from the next word on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Where to put bytes that came. Call [`Self::next_sentence`] until it has nothing before putting more.
    pub fn buffer(&mut self) -> &mut BytesMut {
        // Reading into a buffer without room would make do with a few bytes at a time.
        self.buffer.reserve(READ_SIZE);
        &mut self.buffer
    }

    /// Whether it stands between two sentences, so that a peer may end here.
    pub fn is_between_sentences(&self) -> bool {
        self.buffer.is_empty() && self.words.is_empty()
    }

    /// The next sentence that is all there; empty ones are passed over. `None`: more bytes are needed.
    ///
    /// # Errors
    /// Once it fails, it fails for good.
    pub fn next_sentence(&mut self) -> Result<Option<Sentence>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.decode();
        self.failed = result.as_ref().err().copied();
        result
    }

    fn decode(&mut self) -> Result<Option<Sentence>, DecodeError> {
        while let Some((length, prefix)) = decode_length(&self.buffer)? {
            let length = length as usize;
            if length == 0 {
                self.buffer.advance(prefix);
                self.size = 0;
                if self.words.is_empty() {
                    continue;
                }
                return Ok(Some(std::mem::take(&mut self.words)));
            }
            self.check(length)?;
            let Some(word) = self.buffer.get(prefix..prefix.saturating_add(length)) else { return Ok(None) };
            // A copy, so that a short word that is kept does not keep the whole buffer.
            let word = Bytes::copy_from_slice(word);
            self.buffer.advance(prefix + length);
            self.size += length;
            self.words.push(word);
        }
        Ok(None)
    }

    /// Refuses a word by its announced length, before it comes.
    fn check(&self, length: usize) -> Result<(), DecodeError> {
        let Limits { word, sentence, words } = self.limits;
        if length > word {
            Err(DecodeError::Word { length, limit: word })
        } else if self.size.saturating_add(length) > sentence {
            Err(DecodeError::Sentence(sentence))
        } else if self.words.len() >= words {
            Err(DecodeError::Words(words))
        } else {
            Ok(())
        }
    }
}

/// Appends a sentence. Empty words would end it, so there must be none, and none above 4 GiB.
pub fn encode<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>, bytes: &mut Vec<u8>) {
    for word in words {
        let word = word.as_ref();
        debug_assert!(!word.is_empty(), "an empty word ends the sentence");
        encode_length(word.len() as u32, bytes);
        bytes.extend_from_slice(word);
    }
    bytes.push(0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SMALL: Limits = Limits { word: 100, sentence: 150, words: 4 };

    fn decode_all(pieces: &[&[u8]], limits: Limits) -> Result<Vec<Sentence>, DecodeError> {
        let mut decoder = Decoder::new(limits);
        let mut sentences = Vec::new();
        for piece in pieces {
            decoder.buffer().extend_from_slice(piece);
            while let Some(sentence) = decoder.next_sentence()? {
                sentences.push(sentence);
            }
        }
        Ok(sentences)
    }

    #[test]
    fn a_sentence_is_its_words_and_a_zero() {
        let mut bytes = Vec::new();
        encode(["/login", "=name=admin"], &mut bytes);
        assert_eq!(bytes, b"\x06/login\x0B=name=admin\x00");
        assert_eq!(decode_all(&[&bytes], SMALL).unwrap(), [["/login", "=name=admin"]]);
    }

    #[test]
    fn empty_sentences_are_passed_over() {
        assert_eq!(decode_all(&[b"\x00\x00\x05!done\x00\x00"], SMALL).unwrap(), [["!done"]]);
        assert!(decode_all(&[b"\x00\x80\x00\x00"], SMALL).unwrap().is_empty());
    }

    #[test]
    fn values_are_any_bytes() {
        let value: Vec<u8> = (0..=255).collect();
        let mut bytes = Vec::new();
        encode([&value], &mut bytes);
        assert_eq!(decode_all(&[&bytes], Limits::BEFORE_LOGIN).unwrap(), [[value]]);
    }

    #[test]
    fn an_announced_length_above_a_limit_fails_before_the_bytes_come() {
        let long = DecodeError::Word { length: 101, limit: 100 };
        let cases: [(&[u8], DecodeError); 6] = [
            (&[101], long),
            (&[0x80, 101], long),
            (&[0xEF, 0xFF, 0xFF, 0xFF], DecodeError::Word { length: 0x0FFF_FFFF, limit: 100 }),
            (&[0xF0, 0xFF, 0xFF, 0xFF, 0xFF], DecodeError::Word { length: 0xFFFF_FFFF, limit: 100 }),
            (&[0xF8], DecodeError::Length(LengthError::Control(0xF8))),
            (b"\x01a\x01b\x01c\x01d\x01", DecodeError::Words(4)),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode_all(&[bytes], SMALL), Err(error), "{bytes:?}");
        }
        let mut bytes = vec![100];
        bytes.extend([b'a'; 100]);
        bytes.push(51);
        assert_eq!(decode_all(&[&bytes], SMALL), Err(DecodeError::Sentence(150)));
    }

    #[test]
    fn the_limits_themselves_are_accepted_and_count_anew_for_each_sentence() {
        let words = [vec![b'a'; 100], vec![b'b'; 48], vec![b'c'], vec![b'd']];
        let mut bytes = Vec::new();
        encode(&words, &mut bytes);
        encode(&words, &mut bytes);
        assert_eq!(decode_all(&[&bytes], SMALL).unwrap(), [&words, &words]);
    }

    #[test]
    fn after_an_error_it_stays_failed() {
        let mut decoder = Decoder::new(SMALL);
        decoder.buffer().extend_from_slice(&[0xFF]);
        assert!(decoder.next_sentence().is_err());
        decoder.buffer().clear();
        decoder.buffer().extend_from_slice(b"\x05!done\x00");
        assert!(decoder.next_sentence().is_err());
    }

    #[test]
    fn limits_can_be_raised_in_between() {
        let mut decoder = Decoder::new(SMALL);
        let mut bytes = Vec::new();
        encode([vec![b'x'; 20_000]], &mut bytes);
        decoder.set_limits(Limits::AFTER_LOGIN);
        decoder.buffer().extend_from_slice(&bytes);
        assert_eq!(decoder.next_sentence().unwrap().unwrap()[0].len(), 20_000);
        assert!(decoder.is_between_sentences());
    }

    /// Words whose prefixes have one, two and three bytes.
    fn word() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => vec(any::<u8>(), 1..40),
            2 => vec(any::<u8>(), 120..140),
            1 => vec(any::<u8>(), 0x3FF0..0x4010),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sentences_survive_however_they_are_cut(sentences in vec(vec(word(), 1..5), 0..5), cuts in vec(any::<usize>(), 0..8)) {
            let mut bytes = Vec::new();
            for sentence in &sentences {
                encode(sentence, &mut bytes);
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let decoded = decode_all(&pieces, Limits::AFTER_LOGIN).unwrap();
            prop_assert_eq!(decoded, sentences);
        }

        #[test]
        fn any_bytes_are_sentences_or_an_error_and_cuts_change_nothing(bytes in vec(any::<u8>(), 0..300), cut: usize) {
            let whole = decode_all(&[&bytes], SMALL);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&decode_all(&single, SMALL), &whole);
            let (left, right) = bytes.split_at(cut % (bytes.len() + 1));
            prop_assert_eq!(&decode_all(&[left, right], SMALL), &whole);
            for sentence in whole.into_iter().flatten() {
                prop_assert!(!sentence.is_empty() && sentence.len() <= SMALL.words);
                prop_assert!(sentence.iter().map(Bytes::len).sum::<usize>() <= SMALL.sentence);
            }
        }
    }
}

//! Words and sentences on the wire, the router's side. Shares nothing with the client, so that each checks the other.

/// A word's length in front of it, closed by an empty word. Lengths are what the peer claims.
#[derive(Debug)]
pub struct SentenceReader {
    buffer: Vec<u8>,
    /// Where the next word begins in the buffer.
    position: usize,
    words: Vec<Vec<u8>>,
    held: usize,
    limit: usize,
}

/// Bytes that a router makes no sense of. It closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireMistake {
    /// A first byte that begins no length.
    #[error("byte {0:#04x} begins no length")]
    Length(u8),
    /// More than is accepted.
    #[error("a sentence of more than {0} bytes")]
    TooLong(usize),
}

impl SentenceReader {
    /// Accepts sentences of so many bytes.
    pub fn new(limit: usize) -> SentenceReader {
        SentenceReader { buffer: Vec::new(), position: 0, words: Vec::new(), held: 0, limit }
    }

    /// Accepts other lengths from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes that came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.position);
        self.position = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next sentence that is complete. Empty ones are passed over.
    ///
    /// # Errors
    /// When nobody can tell where the next word begins, or it is too long.
    pub fn next_sentence(&mut self) -> Result<Option<Vec<Vec<u8>>>, WireMistake> {
        while let Some((length, size)) = self.length()? {
            // An empty word counts, too: each takes memory.
            if length > 0 && self.held.saturating_add(length).saturating_add(1) > self.limit {
                return Err(WireMistake::TooLong(self.limit));
            }
            let begin = self.position + size;
            let Some(word) = self.buffer.get(begin..begin.saturating_add(length)) else { return Ok(None) };
            if length > 0 {
                self.words.push(word.to_vec());
                self.held += length + 1;
                self.position = begin + length;
                continue;
            }
            self.position = begin;
            self.held = 0;
            if !self.words.is_empty() {
                return Ok(Some(std::mem::take(&mut self.words)));
            }
        }
        Ok(None)
    }

    /// The length of the next word and how many bytes it takes itself.
    fn length(&self) -> Result<Option<(usize, usize)>, WireMistake> {
        let bytes = &self.buffer[self.position..];
        let Some(first) = bytes.first().copied() else { return Ok(None) };
        let size = match first {
            0x00..0x80 => 1,
            0x80..0xC0 => 2,
            0xC0..0xE0 => 3,
            0xE0..0xF0 => 4,
            0xF0 => 5,
            _ => return Err(WireMistake::Length(first)),
        };
        let Some(prefix) = bytes.get(..size) else { return Ok(None) };
        let whole = prefix.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        // The marking bits of each size.
        let mask: u64 = [0x7F, 0x3FFF, 0x1F_FFFF, 0x0FFF_FFFF, 0xFFFF_FFFF][size - 1];
        Ok(Some(((whole & mask) as usize, size)))
    }
}

/// A sentence for the wire. Empty words would end it and are left out.
pub fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(words.iter().map(|word| word.len() + 5).sum::<usize>() + 1);
    for word in words.iter().filter(|word| !word.is_empty()) {
        let length = word.len() as u32;
        match word.len() {
            0..0x80 => bytes.push(length as u8),
            0x80..0x4000 => bytes.extend((length | 0x8000).to_be_bytes().iter().skip(2)),
            0x4000..0x20_0000 => bytes.extend((length | 0xC0_0000).to_be_bytes().iter().skip(1)),
            0x20_0000..0x1000_0000 => bytes.extend((length | 0xE000_0000).to_be_bytes()),
            _ => {
                bytes.push(0xF0);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend_from_slice(word);
    }
    bytes.push(0);
    bytes
}

/// Any bytes are sentences or a mistake, in whatever pieces they come. For the fuzzer.
#[doc(hidden)]
pub fn check_any_bytes(data: &[u8]) {
    const LIMIT: usize = 4096;
    let read = |piece: usize| {
        let mut reader = SentenceReader::new(LIMIT);
        let mut sentences = Vec::new();
        for bytes in data.chunks(piece.max(1)) {
            reader.feed(bytes);
            loop {
                match reader.next_sentence() {
                    Ok(Some(sentence)) => sentences.push(sentence),
                    Ok(None) => break,
                    Err(mistake) => return (sentences, Some(mistake)),
                }
            }
        }
        (sentences, None)
    };
    let whole = read(data.len());
    assert_eq!(read(1), whole, "pieces do not matter");
    for sentence in whole.0 {
        assert!(sentence.iter().map(Vec::len).sum::<usize>() <= LIMIT);
        let mut reader = SentenceReader::new(LIMIT);
        reader.feed(&encode(&sentence));
        assert_eq!(reader.next_sentence(), Ok(Some(sentence)), "what is written reads back");
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, WireMistake> {
        let mut reader = SentenceReader::new(1024 * 1024 * 1024);
        reader.feed(bytes);
        reader.next_sentence()
    }

    #[test]
    fn every_length_has_its_prefix() {
        let cases: [(usize, &[u8]); 7] = [
            (1, &[1]),
            (0x7F, &[0x7F]),
            (0x80, &[0x80, 0x80]),
            (0x3FFF, &[0xBF, 0xFF]),
            (0x4000, &[0xC0, 0x40, 0x00]),
            (0x1F_FFFF, &[0xDF, 0xFF, 0xFF]),
            (0x20_0000, &[0xE0, 0x20, 0x00, 0x00]),
        ];
        for (length, prefix) in cases {
            let word = vec![b'x'; length];
            let bytes = encode(std::slice::from_ref(&word));
            assert_eq!(&bytes[..prefix.len()], prefix, "{length:#x}");
            assert_eq!(read(&bytes), Ok(Some(vec![word])), "{length:#x}");
        }
    }

    #[test]
    fn the_longest_prefix_is_understood() {
        assert_eq!(read(&[0xF0, 0, 0, 0, 2, b'/', b'x', 0]), Ok(Some(vec![b"/x".to_vec()])));
    }

    #[test]
    fn control_bytes_and_long_sentences_are_refused() {
        for first in 0xF1..=0xFF {
            assert_eq!(read(&[first]), Err(WireMistake::Length(first)));
        }
        let mut reader = SentenceReader::new(8);
        reader.feed(&[4, b'a', b'b', b'c', b'd', 4]);
        assert_eq!(reader.next_sentence(), Err(WireMistake::TooLong(8)));
        // The claim is enough: nothing is waited for.
        let mut reader = SentenceReader::new(64 * 1024);
        reader.feed(&[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(reader.next_sentence(), Err(WireMistake::TooLong(64 * 1024)));
    }

    #[test]
    fn empty_sentences_are_passed_over() {
        assert_eq!(read(&[0, 0, 2, b'/', b'x', 0, 0]), Ok(Some(vec![b"/x".to_vec()])));
        assert_eq!(read(&[0, 0]), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_sentences_or_a_mistake(data in vec(any::<u8>(), 0..600)) {
            check_any_bytes(&data);
        }

        #[test]
        fn what_is_written_reads_back(sentence in vec(vec(any::<u8>(), 1..300), 1..8)) {
            prop_assert_eq!(read(&encode(&sentence)), Ok(Some(sentence)));
        }
    }
}

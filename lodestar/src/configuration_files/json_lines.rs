//! The lines of the parts of a JSON text, by their places as problems of documents name them: `$.configurations[0].type`.

use std::collections::BTreeMap;

/// The line of a place, from 1; that of what is around it when it is not there. The text must be JSON.
pub fn line_of(text: &str, place: &str) -> u32 {
    let mut scanner = Scanner { text: text.as_bytes(), at: 0, line: 1, lines: BTreeMap::new() };
    scanner.value("$");
    let mut place = place;
    loop {
        if let Some(line) = scanner.lines.get(place) {
            return *line;
        }
        match place.rfind(['.', '[']) {
            Some(end) => place = &place[..end],
            None => return 1,
        }
    }
}

/// Walks over a text that has been parsed before, so that nothing in it can be wrong or too deep.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    lines: BTreeMap<String, u32>,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at).copied() {
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.line += u32::from(byte == b'\n');
            self.at += 1;
        }
        None
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self, place: &str) {
        let first = self.peek();
        self.lines.entry(place.to_owned()).or_insert(self.line);
        match first {
            Some(b'{') => {
                self.at += 1;
                while self.peek() == Some(b'"') {
                    let line = self.line;
                    let inner = format!("{place}.{}", self.string());
                    self.skip(b':');
                    self.lines.insert(inner.clone(), line);
                    self.value(&inner);
                    self.skip(b',');
                }
                self.skip(b'}');
            }
            Some(b'[') => {
                self.at += 1;
                let mut index = 0;
                while !matches!(self.peek(), Some(b']') | None) {
                    self.value(&format!("{place}[{index}]"));
                    self.skip(b',');
                    index += 1;
                }
                self.skip(b']');
            }
            Some(b'"') => {
                self.string();
            }
            _ => {
                let is_part = |byte: &&u8| !matches!(byte, b',' | b']' | b'}') && !byte.is_ascii_whitespace();
                // At least one, so that it goes on whatever comes.
                self.at += self.text[self.at.min(self.text.len())..].iter().take_while(is_part).count().max(1);
            }
        }
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_slice(quoted).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_lines() {
        let text = "{\n  \"a\": 1,\n  \"b\\\"\": [\n    {\"c\": \"}\"},\n    -1.5e3,\n    []\n  ],\n  \"d\": null\n}\n";
        for (place, line) in [
            ("$", 1),
            ("$.a", 2),
            ("$.b\"", 3),
            ("$.b\"[0]", 4),
            ("$.b\"[0].c", 4),
            ("$.b\"[1]", 5),
            ("$.b\"[2]", 6),
            ("$.d", 8),
            ("$.b\"[1].not.there", 5),
            ("$.missing", 1),
            ("elsewhere", 1),
        ] {
            assert_eq!(line_of(text, place), line, "{place}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_ends(text in ".{0,60}", place in ".{0,10}") {
            line_of(&text, &place);
        }
    }
}

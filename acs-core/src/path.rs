//! Parameter paths and path patterns (`docs/engine.md`, "Paths").
//!
//! A [`Path`] is a sequence of segments. With names only it is *concrete*; wildcards and aliases make it a *pattern*. Not
//! here: which paths exist ([`crate::tree`]).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest path, in segments.
pub const MAX_SEGMENTS: usize = 32;

/// The root whose second segment is a tag's name, taken verbatim: it may contain dots.
const TAGS: &str = "Tags";

/// One segment of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A literal name.
    Name(Arc<str>),
    /// `*`: exactly one segment of any name.
    Wildcard,
    /// `**`: one or more segments of any name.
    AnyDepth,
    /// `[key:value,…]`: one segment whose instance has those values.
    Alias(Arc<Alias>),
}

/// The conditions of an alias segment, sorted so that equal aliases have equal text. Empty: every instance matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Alias {
    /// Paths relative to the instance, with the value in text form.
    pub pairs: Vec<(Path, String)>,
}

/// A parameter path or pattern. Has no trailing dot; the empty path is the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path {
    segments: Vec<Segment>,
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid parameter path {text:?}: {reason} at character {offset}")]
pub struct PathError {
    /// The whole text.
    pub text: String,
    /// Where the mistake is, in bytes from 0.
    pub offset: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl Path {
    /// The root.
    pub fn root() -> Path {
        Path::default()
    }

    /// Parses a path or pattern.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        Parser { text, offset: 0, nesting: 0 }.path_to_end()
    }

    /// A path of the given segments.
    pub fn from_segments(segments: Vec<Segment>) -> Path {
        Path { segments }
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it has names only.
    pub fn is_concrete(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment, Segment::Name(_)))
    }

    /// The path with one more segment.
    pub fn child(&self, segment: Segment) -> Path {
        let mut segments = Vec::with_capacity(self.segments.len() + 1);
        segments.extend_from_slice(&self.segments);
        segments.push(segment);
        Path { segments }
    }

    /// The path with another's segments behind its own.
    pub fn join(&self, other: &Path) -> Path {
        let mut segments = self.segments.clone();
        segments.extend_from_slice(&other.segments);
        Path { segments }
    }

    /// The path without its last segment; the root's parent is the root.
    pub fn parent(&self) -> Path {
        let end = self.segments.len().saturating_sub(1);
        Path { segments: self.segments[..end].to_vec() }
    }

    /// The first segment's name, when it is one.
    pub fn first_name(&self) -> Option<&str> {
        match self.segments.first() {
            Some(Segment::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether a concrete path is covered by this pattern.
    pub fn covers(&self, concrete: &[&str]) -> bool {
        covers(&self.segments, concrete)
    }
}

fn covers(pattern: &[Segment], names: &[&str]) -> bool {
    match (pattern.first(), names.first()) {
        (None, None) => true,
        (Some(Segment::Name(wanted)), Some(name)) => &**wanted == *name && covers(&pattern[1..], &names[1..]),
        (Some(Segment::Wildcard | Segment::Alias(_)), Some(_)) => covers(&pattern[1..], &names[1..]),
        (Some(Segment::AnyDepth), Some(_)) => covers(&pattern[1..], &names[1..]) || covers(pattern, &names[1..]),
        _ => false,
    }
}

impl FromStr for Path {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Path, PathError> {
        Path::parse(text)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Only a tag can be called so; unencoded it would read as a wildcard.
            Segment::Name(name) if matches!(&**name, "*" | "**") => formatter.write_str(&encode_tag(name)),
            Segment::Name(name) => formatter.write_str(name),
            Segment::Wildcard => formatter.write_str("*"),
            Segment::AnyDepth => formatter.write_str("**"),
            Segment::Alias(alias) => alias.fmt(formatter),
        }
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[")?;
        for (index, (key, value)) in self.pairs.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            let plain =
                value.trim() == value && !value.contains([',', ']', '"', '\\']) && !value.chars().any(char::is_control);
            if plain {
                write!(formatter, "{key}:{value}")?;
            } else {
                let quoted = serde_json::to_string(value).map_err(|_| fmt::Error)?;
                write!(formatter, "{key}:{quoted}")?;
            }
        }
        formatter.write_str("]")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            segment.fmt(formatter)?;
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Path::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The order of sibling segments: plain integers first, by number, then names, by their bytes. Everything that depends on
/// order (the first match, which instances are surplus) uses this one.
pub fn compare_names(left: &str, right: &str) -> std::cmp::Ordering {
    match (instance_number(left), instance_number(right)) {
        (Some(left_number), Some(right_number)) => left_number.cmp(&right_number).then_with(|| left.cmp(right)),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

fn instance_number(name: &str) -> Option<u64> {
    if !name.is_empty() && name.len() <= 18 && name.bytes().all(|byte| byte.is_ascii_digit()) {
        name.parse().ok()
    } else {
        None
    }
}

/// Tag name to path segment: bytes that no segment holds become `0xHH`, and a literal `0x` before two hexadecimal digits is
/// protected. `a.b` is `a0x2Eb`.
pub fn encode_tag(tag: &str) -> String {
    let bytes = tag.as_bytes();
    let mut out = String::with_capacity(tag.len());
    for (index, &byte) in bytes.iter().enumerate() {
        let looks_encoded =
            byte == b'x' && index > 0 && bytes[index - 1] == b'0' && is_upper_hex_pair(&bytes[index + 1..]);
        if (byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') && !looks_encoded {
            out.push(byte as char);
        } else {
            out.push_str(&format!("0x{byte:02X}"));
        }
    }
    out
}

/// The reverse of [`encode_tag`]. Text that is not encoded stays as it is.
pub fn decode_tag(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index..].starts_with(b"0x") && is_upper_hex_pair(&bytes[index + 2..]) {
            let digits = &segment[index + 2..index + 4];
            out.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
            index += 4;
        } else {
            out.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| segment.to_owned())
}

fn is_upper_hex_pair(bytes: &[u8]) -> bool {
    bytes.len() >= 2 && bytes[..2].iter().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte))
}

/// An event code as a path segment below `Events`: runs of white space become `_`, then as a tag (`1 BOOT` is `1_BOOT`).
pub fn event_segment(code: &str) -> String {
    encode_tag(&code.split_whitespace().collect::<Vec<_>>().join("_"))
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    nesting: usize,
}

impl Parser<'_> {
    fn path_to_end(mut self) -> Result<Path, PathError> {
        if self.text.is_empty() {
            return Ok(Path::root());
        }
        let path = self.path()?;
        if self.offset < self.text.len() {
            return Err(self.error("unexpected character"));
        }
        Ok(path)
    }

    /// Reads segments up to the end, or inside an alias up to the colon behind a key.
    fn path(&mut self) -> Result<Path, PathError> {
        let mut segments = Vec::new();
        loop {
            let at_tag = self.nesting == 0 && matches!(segments.as_slice(), [Segment::Name(name)] if &**name == TAGS);
            segments.push(if at_tag { self.tag()? } else { self.segment()? });
            if segments.len() > MAX_SEGMENTS {
                return Err(self.error("more than 32 segments"));
            }
            if self.peek() != Some(b'.') {
                return Ok(Path { segments });
            }
            self.offset += 1;
        }
    }

    fn segment(&mut self) -> Result<Segment, PathError> {
        match self.peek() {
            Some(b'*') => {
                self.offset += 1;
                if self.peek() == Some(b'*') {
                    self.offset += 1;
                    return Ok(Segment::AnyDepth);
                }
                Ok(Segment::Wildcard)
            }
            Some(b'[') => self.alias(),
            _ => {
                let rest = &self.text.as_bytes()[self.offset..];
                let length = rest.iter().take_while(|&&byte| is_name_byte(byte)).count();
                if length == 0 {
                    let at_end = rest.is_empty() || rest[0] == b'.';
                    return Err(self.error(if at_end { "empty segment" } else { "character not allowed in a name" }));
                }
                let name = &self.text[self.offset..self.offset + length];
                self.offset += length;
                Ok(Segment::Name(name.into()))
            }
        }
    }

    /// A tag's name takes the rest of the path, so that it may contain dots.
    fn tag(&mut self) -> Result<Segment, PathError> {
        let rest = &self.text[self.offset..];
        let segment = match rest {
            "" => return Err(self.error("empty segment")),
            "*" => Segment::Wildcard,
            "**" => Segment::AnyDepth,
            _ if rest.chars().any(char::is_control) => return Err(self.error("control character in a tag")),
            _ => Segment::Name(decode_tag(rest).into()),
        };
        self.offset = self.text.len();
        Ok(segment)
    }

    fn alias(&mut self) -> Result<Segment, PathError> {
        if self.nesting >= 4 {
            return Err(self.error("aliases nested too deeply"));
        }
        self.nesting += 1;
        self.offset += 1;
        let mut pairs = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.offset += 1;
        } else {
            loop {
                self.skip_blanks();
                let key = self.path()?;
                self.skip_blanks();
                if self.peek() != Some(b':') {
                    return Err(self.error("expected ':' behind an alias key"));
                }
                self.offset += 1;
                pairs.push((key, self.alias_value()?));
                match self.peek() {
                    Some(b',') => self.offset += 1,
                    Some(b']') => {
                        self.offset += 1;
                        break;
                    }
                    _ => return Err(self.error("expected ',' or ']' in an alias")),
                }
            }
        }
        self.nesting -= 1;
        pairs.sort_by(|left, right| left.0.to_string().cmp(&right.0.to_string()).then_with(|| left.1.cmp(&right.1)));
        pairs.dedup();
        Ok(Segment::Alias(Arc::new(Alias { pairs })))
    }

    fn alias_value(&mut self) -> Result<String, PathError> {
        self.skip_blanks();
        let rest = &self.text[self.offset..];
        if rest.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let value = match stream.next() {
                Some(Ok(value)) => value,
                _ => return Err(self.error("unterminated or invalid quoted value")),
            };
            self.offset += stream.byte_offset();
            self.skip_blanks();
            return Ok(value);
        }
        let Some(length) = rest.find([',', ']']) else {
            return Err(self.error("unterminated alias"));
        };
        self.offset += length;
        Ok(rest[..length].trim().to_owned())
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.offset += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn error(&self, reason: &'static str) -> PathError {
        PathError { text: self.text.to_owned(), offset: self.offset, reason }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Whether a text is a legal literal segment.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_name_byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_text() {
        let cases = [
            ("", ""),
            ("Device.WiFi.SSID.1.SSID", "Device.WiFi.SSID.1.SSID"),
            ("A.*.B.**", "A.*.B.**"),
            ("A.[b:2, a : 1 ].C", "A.[a:1,b:2].C"),
            (r#"A.[k:"a,b]"]"#, r#"A.[k:"a,b]"]"#),
            (r#"A.[k:"plain"]"#, "A.[k:plain]"),
            ("A.[]", "A.[]"),
            ("A.[B.[c:d].E:f g]", "A.[B.[c:d].E:f g]"),
            ("Tags.firmware_3.0", "Tags.firmware_3.0"),
            ("Tags.a0x2Eb", "Tags.a.b"),
            ("Tags.*", "Tags.*"),
        ];
        for (text, canonical) in cases {
            assert_eq!(Path::parse(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            ("A.", 2, "empty segment"),
            (".A", 0, "empty segment"),
            ("A..B", 2, "empty segment"),
            ("A.b c", 3, "unexpected character"),
            ("A.%", 2, "character not allowed in a name"),
            ("A.[k:v", 5, "unterminated alias"),
            ("A.[k]", 4, "expected ':' behind an alias key"),
            ("A.[k:\"v]", 5, "unterminated or invalid quoted value"),
            ("A*", 1, "unexpected character"),
        ];
        for (text, offset, reason) in cases {
            let error = Path::parse(text).unwrap_err();
            assert_eq!((error.offset, error.reason), (offset, reason), "{text}");
        }
        assert!(Path::parse(&vec!["a"; 32].join(".")).is_ok());
        assert!(Path::parse(&vec!["a"; 33].join(".")).is_err());
    }

    #[test]
    fn wildcards_cover() {
        let covers =
            |pattern: &str, path: &str| Path::parse(pattern).unwrap().covers(&path.split('.').collect::<Vec<_>>());
        assert!(covers("A.*", "A.B"));
        assert!(!covers("A.*", "A.B.C"));
        assert!(!covers("A.*", "A"));
        assert!(covers("A.**", "A.B.C"));
        assert!(!covers("A.**", "A"));
        assert!(covers("A.**.C", "A.x.y.C"));
    }

    #[test]
    fn siblings_are_ordered_by_number_first() {
        let mut names = vec!["b", "10", "a", "2", "1", "20", "3"];
        names.sort_by(|left, right| compare_names(left, right));
        assert_eq!(names, ["1", "2", "3", "10", "20", "a", "b"]);
    }

    #[test]
    fn tags_are_encoded_reversibly() {
        for (tag, segment) in
            [("b c", "b0x20c"), ("a.b", "a0x2Eb"), ("plain_-1", "plain_-1"), ("0x41", "00x7841"), ("ü", "0xC30xBC")]
        {
            assert_eq!(encode_tag(tag), segment);
            assert_eq!(decode_tag(segment), tag);
        }
        assert_eq!(event_segment("1  BOOT"), "1_BOOT");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = Path::parse(&text);
        }

        #[test]
        fn what_is_printed_parses_to_the_same(text in r#"[A-Za-z]{1,3}(\.([a-z0-9]{1,3}|\*|\[[a-z]{1,2}:[ -~]{0,6}\])){0,4}"#) {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(&path.to_string()).unwrap(), path);
            }
        }

        #[test]
        fn tags_round_trip(tag in "\\PC{0,12}") {
            prop_assert_eq!(decode_tag(&encode_tag(&tag)), tag);
        }
    }
}

//! The form of values, checked. Whether what a value names exists, only a router knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::BASE64;

use crate::interval;

/// The form of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// The form.
    pub kind: Kind,
    /// A leading `!` means everything else.
    pub negatable: bool,
    /// A number may stand in a word's place.
    pub numbers: bool,
    /// The least value or length.
    pub min: Option<&'static str>,
    /// The greatest value or length.
    pub max: Option<&'static str>,
    /// The menu whose rows a [`Kind::Reference`] names.
    pub target: Option<&'static str>,
    /// Words that are understood.
    pub words: Vec<&'static str>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not known more precisely.
    Any,
    /// Any bytes, perhaps of a certain length.
    Text,
    /// `yes`, `no`, `true`, `false`.
    Boolean,
    /// Is there or is not: an empty value, `yes` or `no`.
    Flag,
    /// One of the words.
    Word,
    /// Some of the words, separated by commas.
    Words,
    /// One of the words, or anything else.
    Open,
    /// The name of a row, or one of the words. Lists of names are separated by commas.
    Reference,
    /// The id of a row.
    Id,
    /// A whole number.
    Integer,
    /// A length of time.
    Interval,
    /// Pairs of hexadecimal digits.
    Hexadecimal,
    /// Six pairs of hexadecimal digits.
    Mac,
    /// 32 bytes in Base64.
    Key,
    /// Port numbers, separated by commas.
    Ports,
    /// An address of IP, either version.
    Address,
    /// Several, separated by commas.
    Addresses,
    /// An address of IPv4, perhaps with a prefix length.
    Address4,
    /// An address of IPv4, a network, or first and last address.
    Range4,
    /// Several, separated by commas.
    Ranges4,
    /// A network, either version.
    Prefix,
    /// A network of IPv4.
    Prefix4,
    /// A network of IPv6.
    Prefix6,
    /// Several networks of either version, separated by commas.
    Prefixes,
    /// A network of IPv4, which the router itself checks for host bits.
    Network4,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMistake {
    /// It is none of the words.
    NoMatch,
    /// It is empty, or the beginning of several words.
    Ambiguous,
    /// It is less or more than it may be.
    OutOfRange(&'static str, &'static str),
    /// It does not have the form; says which would be right.
    Form(&'static str),
}

impl ValueMistake {
    /// In the words of a router.
    pub fn describe(&self, argument: &str) -> String {
        match self {
            ValueMistake::NoMatch => format!("input does not match any value of {argument}"),
            ValueMistake::Ambiguous => {
                format!("ambiguous value of {argument}, more than one possible value matches input")
            }
            ValueMistake::OutOfRange(min, max) => format!("value of {argument} out of range ({min}..{max})"),
            ValueMistake::Form(form) => format!("invalid value of {argument}, {form} required"),
        }
    }
}

impl Type {
    pub(crate) fn new(kind: Kind) -> Type {
        Type { kind, negatable: false, numbers: false, min: None, max: None, target: None, words: Vec::new() }
    }

    /// Whether an empty value means that there is none, as it does for texts and matchers.
    pub fn may_be_empty(&self) -> bool {
        let text =
            matches!(self.kind, Kind::Text | Kind::Any | Kind::Flag | Kind::Open | Kind::Words | Kind::Hexadecimal);
        let list = matches!(self.kind, Kind::Addresses | Kind::Prefixes);
        (text && self.min.is_none()) || list || self.negatable
    }

    /// Checks a value's form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &[u8]) -> Result<(), ValueMistake> {
        if value.is_empty() && self.may_be_empty() {
            return Ok(());
        }
        if self.kind == Kind::Any {
            return Ok(());
        }
        if self.kind == Kind::Text {
            return self.check_size(value.len(), "a text of another length");
        }
        let text = std::str::from_utf8(value).map_err(|_| ValueMistake::Form("text in UTF-8"))?;
        let text = if self.negatable { text.strip_prefix('!').unwrap_or(text) } else { text };
        let is = |right: bool, form: &'static str| if right { Ok(()) } else { Err(ValueMistake::Form(form)) };
        match self.kind {
            Kind::Any | Kind::Text | Kind::Open | Kind::Reference => Ok(()),
            Kind::Flag => is(matches!(text, "yes" | "no" | "true" | "false"), "yes or no"),
            Kind::Boolean => match_word(&["yes", "no", "true", "false"], text),
            Kind::Word if self.numbers && text.parse::<u64>().is_ok() => Ok(()),
            Kind::Word => match_word(&self.words, text),
            Kind::Words => text.split(',').try_for_each(|word| match_word(&self.words, word.trim_start_matches('!'))),
            Kind::Id => is(is_id(text), "an id"),
            _ if self.words.contains(&text) => Ok(()),
            Kind::Integer => self.check_integer(text),
            Kind::Interval => self.check_interval(text),
            Kind::Hexadecimal => {
                is(text.bytes().all(|byte| byte.is_ascii_hexdigit()), "hexadecimal digits")?;
                self.check_size(text.len(), "another number of digits")
            }
            Kind::Mac => is(parse_mac(text).is_some(), "mac address"),
            Kind::Key => is(parse_key(text).is_some(), "a key of 32 bytes in base64"),
            Kind::Ports => is(text.split(',').all(|port| port.parse::<u16>().is_ok()), "ports"),
            Kind::Address => is(text.parse::<IpAddr>().is_ok(), "ip address"),
            Kind::Addresses => is(text.split(',').all(|address| is_address_of_server(address.trim())), "ip addresses"),
            Kind::Address4 => is(is_prefix::<Ipv4Addr>(text, 32), "ip address"),
            Kind::Range4 => check_range4(text),
            Kind::Ranges4 => text.split(',').try_for_each(|range| check_range4(range.trim())),
            Kind::Prefix => is(is_any_prefix(text), "ip prefix"),
            Kind::Prefixes => is(text.split(',').all(|prefix| is_any_prefix(prefix.trim())), "ip prefixes"),
            Kind::Prefix4 | Kind::Network4 => is(is_prefix::<Ipv4Addr>(text, 32), "ip prefix"),
            Kind::Prefix6 => is(is_prefix::<Ipv6Addr>(text, 128), "ipv6 prefix"),
        }
    }

    fn check_size(&self, length: usize, form: &'static str) -> Result<(), ValueMistake> {
        let bound = |text: Option<&str>, open| text.and_then(|text| text.parse::<usize>().ok()).unwrap_or(open);
        let range = bound(self.min, 0)..=bound(self.max, usize::MAX);
        if range.contains(&length) { Ok(()) } else { Err(ValueMistake::Form(form)) }
    }

    fn check_integer(&self, text: &str) -> Result<(), ValueMistake> {
        let number: i128 = text.parse().map_err(|_| ValueMistake::Form("a whole number"))?;
        let bound = |text: Option<&str>| text.and_then(|text| text.parse::<i128>().ok());
        let inside = bound(self.min).is_none_or(|min| min <= number) && bound(self.max).is_none_or(|max| number <= max);
        if inside { Ok(()) } else { Err(self.out_of_range()) }
    }

    fn check_interval(&self, text: &str) -> Result<(), ValueMistake> {
        let length = interval::parse(text).ok_or(ValueMistake::Form("time interval"))?;
        let bound = |text: Option<&str>| text.and_then(interval::parse);
        let inside = bound(self.min).is_none_or(|min| min <= length) && bound(self.max).is_none_or(|max| length <= max);
        if inside { Ok(()) } else { Err(self.out_of_range()) }
    }

    fn out_of_range(&self) -> ValueMistake {
        ValueMistake::OutOfRange(self.min.unwrap_or_default(), self.max.unwrap_or_default())
    }
}

fn match_word(words: &[&str], text: &str) -> Result<(), ValueMistake> {
    if words.contains(&text) {
        Ok(())
    } else if words.iter().filter(|word| word.starts_with(text)).count() > 1 {
        Err(ValueMistake::Ambiguous)
    } else {
        Err(ValueMistake::NoMatch)
    }
}

/// `*` and hexadecimal digits.
pub fn is_id(text: &str) -> bool {
    text.strip_prefix('*')
        .is_some_and(|digits| (1..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Six pairs of hexadecimal digits, separated by colons or dashes.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut pairs = text.split([':', '-']);
    for byte in &mut bytes {
        let pair =
            pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(bytes)
}

/// A key of WireGuard.
pub fn parse_key(text: &str) -> Option<[u8; 32]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// A resolver or time server; its port may stand behind `#`, and an interface behind `%`.
fn is_address_of_server(text: &str) -> bool {
    let address = text.split(['%', '#']).next().unwrap_or_default();
    address.parse::<IpAddr>().is_ok()
}

fn is_any_prefix(text: &str) -> bool {
    is_prefix::<Ipv4Addr>(text, 32) || is_prefix::<Ipv6Addr>(text, 128)
}

fn is_prefix<A: FromStr>(text: &str, bits: u8) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse::<u8>().ok()),
        None => (text, Some(bits)),
    };
    address.parse::<A>().is_ok() && length.is_some_and(|length| length <= bits)
}

fn check_range4(text: &str) -> Result<(), ValueMistake> {
    let form = ValueMistake::Form("range of ip addresses");
    match text.split_once('-') {
        None if is_prefix::<Ipv4Addr>(text, 32) => Ok(()),
        None => Err(form),
        Some((first, last)) => match (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>()) {
            (Ok(first), Ok(last)) if first <= last => Ok(()),
            (Ok(_), Err(_)) => Err(ValueMistake::Form("ip address after '-'")),
            _ => Err(form),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, value: &str) -> Result<(), ValueMistake> {
        Type::new(kind).check(value.as_bytes())
    }

    #[test]
    fn values_have_their_form() {
        let cases: [(Kind, &[&str], &[&str]); 16] = [
            (Kind::Boolean, &["yes", "no", "true", "false"], &["", "maybe", "YES"]),
            (Kind::Flag, &["", "yes", "no"], &["x"]),
            (Kind::Id, &["*0", "*1A", "*80000001"], &["1", "*", "*G", "*123456789"]),
            (Kind::Integer, &["0", "-1", "65535"], &["", "x", "1.5"]),
            (Kind::Interval, &["10s", "1d00:00:00"], &["", "soon"]),
            (Kind::Mac, &["00:0C:42:aa:BB:01", "00-0c-42-aa-bb-01"], &["", "00:0C:42", "00:0C:42:AA:BB:01:02"]),
            (Kind::Key, &["YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="], &["", "abc", "YAnz5TF+lXXJte14tji3zg=="]),
            (Kind::Ports, &["8080", "8080,3128"], &["", "http", "70000"]),
            (Kind::Address, &["192.0.2.1", "2001:db8::1"], &["", "192.0.2.1/24", "host"]),
            (Kind::Addresses, &["", "192.0.2.1,2001:db8::1"], &["host", "192.0.2.1,"]),
            (Kind::Address4, &["192.0.2.1", "192.0.2.1/24"], &["", "192.0.2.1/33", "2001:db8::1"]),
            (Kind::Ranges4, &["192.0.2.1-192.0.2.9,198.51.100.0/24"], &["", "192.0.2.9-192.0.2.1", "192.0.2.1-x"]),
            (Kind::Prefix, &["192.0.2.0/24", "::/0"], &["", "all"]),
            (Kind::Prefix6, &["2001:db8::/48"], &["192.0.2.0/24", "2001:db8::/129"]),
            (Kind::Prefixes, &["", "192.0.2.0/24,2001:db8::/32"], &["192.0.2.0/24,"]),
            (Kind::Hexadecimal, &["", "0aF"], &["xyz"]),
        ];
        for (kind, right, wrong) in cases {
            for value in right {
                assert_eq!(check(kind, value), Ok(()), "{kind:?} {value}");
            }
            for value in wrong {
                assert!(check(kind, value).is_err(), "{kind:?} {value}");
            }
        }
    }

    #[test]
    fn words_are_matched_as_a_router_matches_them() {
        let words = Type { words: vec!["accept", "drop", "jump", "dropped"], ..Type::new(Kind::Word) };
        assert_eq!(words.check(b"drop"), Ok(()));
        assert_eq!(words.check(b"dr"), Err(ValueMistake::Ambiguous));
        assert_eq!(words.check(b""), Err(ValueMistake::Ambiguous));
        assert_eq!(words.check(b"acc"), Err(ValueMistake::NoMatch));
        assert_eq!(words.check(b"6"), Err(ValueMistake::NoMatch));
        let matcher = Type { negatable: true, numbers: true, ..words };
        for value in ["!drop", "6", "!6", ""] {
            assert_eq!(matcher.check(value.as_bytes()), Ok(()), "{value}");
        }
    }

    #[test]
    fn lengths_and_ranges_are_kept() {
        let text = Type { min: Some("2"), max: Some("3"), ..Type::new(Kind::Text) };
        assert!(text.check(b"ab").is_ok() && text.check(b"a").is_err() && text.check(b"abcd").is_err());
        let time = Type { min: Some("1s"), max: Some("1m"), ..Type::new(Kind::Interval) };
        assert!(time.check(b"60").is_ok());
        assert_eq!(time.check(b"2m"), Err(ValueMistake::OutOfRange("1s", "1m")));
        let message = ValueMistake::OutOfRange("1s", "1m").describe("timeout");
        assert_eq!(message, "value of timeout out of range (1s..1m)");
    }

    #[test]
    fn texts_may_be_any_bytes() {
        assert_eq!(Type::new(Kind::Text).check(&[0xFF, 0, b'=']), Ok(()));
        assert!(Type::new(Kind::Address).check(&[0xFF]).is_err());
    }
}

//! Texts inside files, so that they stay texts. Pure.

use std::fmt::Write as _;

use crate::form::is_host;

/// A name for files: what is not a letter or digit of ASCII, `-`, `_` or `.` becomes `_`.
pub(super) fn file_name(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let plain: String =
        name.chars().map(|character| if is_plain(character) { character } else { '_' }).take(100).collect();
    // No hidden file, and no way to another folder.
    plain.trim_start_matches('.').to_owned()
}

/// A text in a comment or title: on one line.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|character| if breaks(character) { ' ' } else { character }).collect::<String>().trim().to_owned()
}

/// The name or address of a host.
pub(super) fn host(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| is_host(text))
}

/// A name that is one word on a command line.
pub(super) fn word(text: &str) -> Option<&str> {
    only(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        .filter(|word| !word.starts_with('-'))
}

/// Addresses and networks, also several.
pub(super) fn addresses(text: &str) -> Option<&str> {
    only(text, |byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'/' | b',' | b' '))
}

/// Servers for names, and domains to search.
pub(super) fn resolvers(text: &str) -> Option<&str> {
    only(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b',' | b' '))
}

/// A key in Base64.
pub(super) fn key(text: &str) -> Option<&str> {
    only(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// Certificates and keys in PEM: nothing in them ends the part of a file in which they stand.
pub(super) fn pem(text: &str) -> Option<&str> {
    let is_plain = |byte: u8| matches!(byte, b'\n' | b'\r' | b' '..=b'~') && !matches!(byte, b'<' | b'>');
    let text = text.trim();
    (text.starts_with("-----BEGIN ") && text.ends_with("-----") && text.bytes().all(is_plain)).then_some(text)
}

fn only(text: &str, is_plain: impl Fn(u8) -> bool) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(is_plain)).then_some(text)
}

/// What some programs take for the end of a line, or do not show.
fn breaks(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// A plain text: a title, and values under their names.
pub(super) struct Page {
    title: String,
    rows: Vec<(&'static str, String)>,
    notes: Vec<String>,
    is_secret: bool,
}

impl Page {
    pub(super) fn new(title: &str) -> Page {
        Page { title: line(title), rows: Vec::new(), notes: Vec::new(), is_secret: false }
    }

    /// A value, unless it is empty. One that is no line of plain text is shown in quotes, with what is not plain escaped.
    pub(super) fn row(mut self, name: &'static str, value: impl AsRef<str>) -> Page {
        let value = value.as_ref();
        if !value.is_empty() {
            let is_plain = !value.chars().any(breaks) && value.trim() == value;
            self.rows.push((name, if is_plain { value.to_owned() } else { format!("{value:?}") }));
        }
        self
    }

    /// A secret.
    pub(super) fn secret(mut self, name: &'static str, value: &str) -> Page {
        self.is_secret |= !value.is_empty();
        self.row(name, value)
    }

    /// A sentence at the end.
    pub(super) fn note(mut self, note: &str) -> Page {
        self.notes.push(line(note));
        self
    }

    /// The text, and whether it holds a secret.
    pub(super) fn finish(self) -> (String, bool) {
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = format!("{}\n\n", self.title);
        for (name, value) in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:width$}  {value}");
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        (text, self.is_secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        for (name, expected) in [
            ("l2tp-alice.txt", "l2tp-alice.txt"),
            ("../etc/passwd", "_etc_passwd"),
            ("a b\n\"c\".conf", "a_b__c_.conf"),
            ("ü.txt", "_.txt"),
        ] {
            assert_eq!(file_name(name), expected);
        }
        assert_eq!(file_name(&"x".repeat(300)).len(), 100);
    }

    #[test]
    fn values_are_one_line() {
        let page = Page::new("a\nb").row("Name", "x\nPassword  y").row("Other", "").secret("Password", " \u{2028} ü");
        let (text, is_secret) = page.note("c\rd").finish();
        assert_eq!(text, "a b\n\nName      \"x\\nPassword  y\"\nPassword  \" \\u{2028} ü\"\n\nc d\n");
        assert!(is_secret);
    }

    #[test]
    fn what_is_not_plain_is_no_value() {
        assert_eq!(host(" vpn.example.com "), Some("vpn.example.com"));
        for text in ["", "a b", "a\nPostUp = x", "a;b", "a#b"] {
            assert_eq!(host(text), None, "{text:?}");
            assert_eq!(key(text), None, "{text:?}");
        }
        assert_eq!(addresses("10.0.0.2/32, fd00::2/128"), Some("10.0.0.2/32, fd00::2/128"));
        assert_eq!(addresses("10.0.0.2\n"), Some("10.0.0.2"));
        assert_eq!(addresses("10.0.0.2\n10.0.0.3"), None);
        assert!(pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_some());
        for text in ["", "AAAA", "-----BEGIN CERTIFICATE-----\n</ca>\nup x\n-----END CERTIFICATE-----"] {
            assert_eq!(pem(text), None, "{text:?}");
        }
        assert_eq!([word("ann-1.x_y"), word("-o"), word("a;b"), word("a b")], [Some("ann-1.x_y"), None, None, None]);
    }
}

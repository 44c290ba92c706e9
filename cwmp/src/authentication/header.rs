//! The Authorization header, read as devices write it (RFC 7616, RFC 7617, and RFC 2069 before them).
//!
//! Devices quote what should not be quoted and the other way round, leave out commas, and put anything into `uri`. What can be
//! understood is; what cannot is as no credentials at all.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use super::digest::{Algorithm, DigestAnswer, Protection};

/// Base64 with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longer headers are none that a device would send.
const LONGEST: usize = 8 * 1024;

/// A password. It shows in no log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// What a request presents.
#[derive(Debug)]
pub(crate) enum Presented {
    /// No credentials, or none that can be read.
    Nothing,
    /// User name and password as they are.
    Basic { username: String, password: Secret },
    /// The proof that the password is known.
    Digest(Box<DigestAnswer>),
}

impl Presented {
    /// Reads the header's value.
    pub(crate) fn read(header: &[u8]) -> Presented {
        if header.len() > LONGEST {
            return Presented::Nothing;
        }
        let text = text_of(header);
        let (scheme, rest) = text.trim().split_once([' ', '\t']).unwrap_or((text.trim(), ""));
        let read = match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(rest),
            "digest" => digest(rest),
            _ => None,
        };
        read.unwrap_or(Presented::Nothing)
    }

    /// The user name that is claimed.
    pub(crate) fn username(&self) -> Option<&str> {
        match self {
            Presented::Nothing => None,
            Presented::Basic { username, .. } => Some(username),
            Presented::Digest(answer) => Some(&answer.username),
        }
    }
}

fn basic(rest: &str) -> Option<Presented> {
    let bytes = LENIENT.decode(rest.trim()).ok()?;
    let text = text_of(&bytes);
    let (username, password) = text.split_once(':')?;
    Some(Presented::Basic { username: username.to_owned(), password: Secret(password.to_owned()) })
}

fn digest(rest: &str) -> Option<Presented> {
    let parameters = parameters(rest);
    let find = |name: &str| parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name));
    let value = |name: &str| find(name).map(|parameter| parameter.value.clone());
    let (username, written) = match (find("username"), find("username*")) {
        (Some(plain), _) => (plain.value.clone(), Some(plain.written.clone())),
        (None, Some(extended)) => (extended_value(&extended.value)?, None),
        (None, None) => return None,
    };
    let algorithm = match value("algorithm") {
        Some(name) => Algorithm::named(&name)?,
        None => Algorithm::Md5,
    };
    let protection = match value("qop") {
        None => Protection::None,
        Some(qop) => {
            let (count, client_nonce) = (value("nc")?, value("cnonce")?);
            u32::from_str_radix(&count, 16).ok()?;
            match qop.trim().to_ascii_lowercase().as_str() {
                "auth" => Protection::Auth { qop, count, client_nonce },
                "auth-int" => Protection::AuthInt { qop, count, client_nonce },
                _ => return None,
            }
        }
    };
    Some(Presented::Digest(Box::new(DigestAnswer {
        written: written.filter(|written| *written != username),
        username,
        realm: value("realm")?,
        nonce: value("nonce")?,
        uri: value("uri").unwrap_or_default(),
        response: value("response")?,
        algorithm,
        protection,
        body_hash: None,
    })))
}

/// One `name=value`.
struct Parameter {
    name: String,
    value: String,
    /// Between the quotes, with its backslashes.
    written: String,
}

/// `name=value` and `name="value"`, separated by commas or blanks.
fn parameters(text: &str) -> Vec<Parameter> {
    let is_separator = |character: char| character == ',' || character.is_whitespace();
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches(is_separator);
        let after = after.trim_start();
        let (value, written);
        (value, written, rest) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, rest) = after.split_at(after.find(is_separator).unwrap_or(after.len()));
                (value.to_owned(), value, rest)
            }
        };
        out.push(Parameter { name: name.to_owned(), value, written: written.to_owned() });
    }
    out
}

/// The text up to the closing quote: without its backslashes, as written, and what follows.
fn unquote(quoted: &str) -> (String, &str, &str) {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[..at], &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, quoted, "")
}

/// `UTF-8''percent%20encoded` (RFC 8187).
fn extended_value(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '\'');
    let (charset, _, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("UTF-8").then(|| decoded.into_owned())
}

/// UTF-8, or Latin-1 when it is not.
fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest_of(header: &str) -> DigestAnswer {
        match Presented::read(header.as_bytes()) {
            Presented::Digest(answer) => *answer,
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn digests_are_read_in_every_spelling() {
        let expected = digest_of(
            r#"Digest username="u", realm="r", nonce="n", uri="/", response="ab", qop="auth", nc=00000001, cnonce="c""#,
        );
        assert_eq!(
            expected.protection,
            Protection::Auth { qop: "auth".into(), count: "00000001".into(), client_nonce: "c".into() }
        );
        for header in [
            r#"digest username=u,realm=r,nonce=n,uri="/",response=ab,qop=auth,nc="00000001",cnonce=c"#,
            r#"Digest  username="u" realm="r" nonce="n" uri="/" response="ab" qop=auth nc=00000001 cnonce="c""#,
            r#"DIGEST USERNAME="u", Realm="r", nonce = "n", uri="/", response="ab", algorithm=MD5, opaque="", qop=auth, nc=00000001, cnonce="c", x"#,
        ] {
            assert_eq!(digest_of(header), expected, "{header}");
        }
        let old = digest_of(r#"Digest username="u", realm="r", nonce="n", uri="", response="ab""#);
        assert_eq!((old.protection, old.uri.as_str()), (Protection::None, ""));
    }

    #[test]
    fn user_names_are_decoded() {
        let username = |text: &str| {
            let answer = digest_of(&format!(r#"Digest {text}, realm="r", nonce="n", uri="/", response="ab""#));
            (answer.username, answer.written)
        };
        assert_eq!(username(r#"username="a b-%20""#), ("a b-%20".into(), None));
        assert_eq!(username(r#"username="a\"b\\c""#), (r#"a"b\c"#.into(), Some(r#"a\"b\\c"#.into())));
        assert_eq!(username("username=\"ü\""), ("ü".into(), None));
        assert_eq!(username("username*=UTF-8''%c3%bc"), ("ü".into(), None));
    }

    #[test]
    fn basic_is_read_with_and_without_padding_in_utf_8_and_latin_1() {
        for (header, expected) in [
            (&b"Basic dTpw"[..], ("u", "p")),
            (b"basic  dTpwOnE=", ("u", "p:q")),
            (b"Basic dTpwOnE", ("u", "p:q")),
            (b"Basic w7w6cA==", ("ü", "p")),
            (b"Basic /Dpw", ("ü", "p")),
            (b"Basic Og==", ("", "")),
        ] {
            let Presented::Basic { username, password } = Presented::read(header) else { panic!("{header:?}") };
            assert_eq!((username.as_str(), password.0.as_str()), expected);
            assert_eq!(format!("{password:?}"), "***");
        }
    }

    #[test]
    fn what_cannot_be_used_is_as_nothing() {
        let long = format!("Digest username=\"{}\", realm=r, nonce=n, uri=u, response=x", "u".repeat(LONGEST));
        for header in [
            "",
            "Basic",
            "Basic !",
            "Basic dXA=",
            "Bearer x",
            "Digest",
            "Digest username=\"u",
            r#"Digest username="u", realm="r", nonce="n", uri="/""#,
            r#"Digest username="u", realm="r", nonce="n", uri="/", response="ab", algorithm=MD5-sess"#,
            r#"Digest username="u", realm="r", nonce="n", uri="/", response="ab", algorithm=SHA-256-sess, qop=auth, nc=1, cnonce=c"#,
            r#"Digest username="u", realm="r", nonce="n", uri="/", response="ab", qop=auth"#,
            r#"Digest username="u", realm="r", nonce="n", uri="/", response="ab", qop=auth, nc=x, cnonce=c"#,
            r#"Digest username="u", realm="r", nonce="n", uri="/", response="ab", qop=other, nc=1, cnonce=c"#,
            r#"Digest username*=latin1''u, realm="r", nonce="n", uri="/", response="ab""#,
            &long,
        ] {
            assert!(matches!(Presented::read(header.as_bytes()), Presented::Nothing), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(header in prop::collection::vec(any::<u8>(), 0..200)) {
            Presented::read(&header);
            Presented::read(&[b"Digest ".as_slice(), &header].concat());
            Presented::read(&[b"Basic ".as_slice(), &header].concat());
        }
    }
}

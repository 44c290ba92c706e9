//! Challenges of devices, and answers to them (RFC 7616, RFC 7617), in the spelling that devices take.

use std::collections::BTreeMap;

use base64::Engine;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// The password as it is.
    Basic,
    /// A digest with MD5.
    Digest {
        /// What the credentials are for.
        realm: String,
        /// Goes into the digest.
        nonce: String,
        /// Given back to the letter, also when empty.
        opaque: Option<String>,
        /// Whether `qop=auth` is offered; without it the answer has the form of RFC 2069.
        qop: bool,
        /// As given, when it is.
        algorithm: Option<String>,
    },
    /// Something else.
    Other,
}

/// Who asks for the session.
pub struct Credentials<'a> {
    /// The name.
    pub username: &'a str,
    /// The secret.
    pub password: &'a str,
}

/// Reads WWW-Authenticate values. Parameters may be separated by commas or blanks. Control characters, which would break the header
/// line of the answer, are blanks, too.
pub fn parse(values: &[String]) -> Vec<Challenge> {
    values.iter().map(|value| parse_one(value)).collect()
}

fn parse_one(value: &str) -> Challenge {
    let value = &value.replace(char::is_control, " ");
    let (scheme, rest) = value.trim().split_once(char::is_whitespace).unwrap_or((value.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Challenge::Basic;
    }
    if !scheme.eq_ignore_ascii_case("digest") {
        return Challenge::Other;
    }
    let mut parameters = parameters(rest);
    let mut take = |name: &str| parameters.remove(name);
    let algorithm = take("algorithm");
    if algorithm.as_deref().is_some_and(|name| !name.eq_ignore_ascii_case("md5")) {
        return Challenge::Other;
    }
    let qop = take("qop").is_some_and(|list| list.split([',', ' ']).any(|one| one.trim().eq_ignore_ascii_case("auth")));
    Challenge::Digest {
        realm: take("realm").unwrap_or_default(),
        nonce: take("nonce").unwrap_or_default(),
        opaque: take("opaque"),
        qop,
        algorithm,
    }
}

/// `name=value` and `name="value"`, names in lower case.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut rest = text;
    while let Some((name, behind)) = rest.split_once('=') {
        let name =
            name.trim_matches(|character: char| character == ',' || character.is_whitespace()).to_ascii_lowercase();
        let behind = behind.trim_start();
        let (value, after) = match behind.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, after)) => (value, after),
                None => (quoted, ""),
            },
            None => behind.split_at(behind.find([',', ' ', '\t']).unwrap_or(behind.len())),
        };
        out.entry(name).or_insert_with(|| value.trim().to_owned());
        rest = after;
    }
    out
}

impl Challenge {
    /// The Authorization header's value; `None` when the challenge cannot be answered.
    pub fn answer(&self, credentials: &Credentials<'_>, method: &str, uri: &str) -> Option<String> {
        match self {
            Challenge::Basic => {
                let plain = format!("{}:{}", credentials.username, credentials.password);
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain)))
            }
            Challenge::Digest { .. } => {
                let mut random = [0; 8];
                getrandom::fill(&mut random).ok()?;
                Some(self.digest(credentials, method, uri, &HEXLOWER.encode(&random)))
            }
            Challenge::Other => None,
        }
    }

    fn digest(&self, credentials: &Credentials<'_>, method: &str, uri: &str, client_nonce: &str) -> String {
        let Challenge::Digest { realm, nonce, opaque, qop, algorithm } = self else { return String::new() };
        let hash = |text: String| HEXLOWER.encode(&Md5::digest(text.as_bytes()));
        let Credentials { username, password } = credentials;
        let who = hash(format!("{username}:{realm}:{password}"));
        let what = hash(format!("{method}:{uri}"));
        let response = if *qop {
            hash(format!("{who}:{nonce}:00000001:{client_nonce}:auth:{what}"))
        } else {
            hash(format!("{who}:{nonce}:{what}"))
        };
        let username = username.replace(['"', '\\'], "");
        let mut out = format!(
            "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
        );
        if *qop {
            // Unquoted: some devices refuse the quoted form.
            out.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{client_nonce}\""));
        }
        if let Some(opaque) = opaque {
            out.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if let Some(algorithm) = algorithm {
            out.push_str(&format!(", algorithm={algorithm}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2617 §3.5.
    #[test]
    fn the_standards_example() {
        let text = r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
        let challenge = parse(&[text.to_owned()]).remove(0);
        let credentials = Credentials { username: "Mufasa", password: "Circle Of Life" };
        let answer = challenge.digest(&credentials, "GET", "/dir/index.html", "0a4f113b");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
    }

    #[test]
    fn challenges_come_in_every_shape() {
        let cases = [
            ("Basic realm=\"x\"", "Basic"),
            ("Negotiate", "Other"),
            ("Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256", "Other"),
            ("Digest realm=\"x\" nonce=\"y\" qop=auth", "Digest"),
            ("digest nonce=y,realm=x", "Digest"),
            ("Digest realm=\"unterminated", "Digest"),
            ("", "Other"),
        ];
        for (text, expected) in cases {
            let challenge = parse_one(text);
            assert!(format!("{challenge:?}").starts_with(expected), "{text}: {challenge:?}");
        }
        let Challenge::Digest { realm, nonce, qop, .. } = parse_one("Digest realm=\"a b\" nonce=\"n,1\" qop=\"auth\"")
        else {
            panic!("no digest")
        };
        assert_eq!((realm.as_str(), nonce.as_str(), qop), ("a b", "n,1", true));
    }

    #[test]
    fn a_device_cannot_add_lines_to_the_answer() {
        let challenge = parse_one("Digest realm=\"a\rX: y\", nonce=\"b\0\", opaque=\"\u{85}\"");
        let credentials = Credentials { username: "user", password: "secret" };
        let answer = challenge.digest(&credentials, "GET", "/", "c");
        assert!(!answer.contains(char::is_control), "{answer:?}");
    }
}

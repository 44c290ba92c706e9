//! HTTP Digest authentication (RFC 7616), both sides: answering a challenge of the ACS or file server, and
//! checking a connection request (TR-069 §3.2.2).

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What a `WWW-Authenticate: Digest` header asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// realm.
    pub realm: String,
    /// nonce.
    pub nonce: String,
    /// opaque, when given.
    pub opaque: Option<String>,
    /// Whether `auth` is among the offered qop values.
    pub qop_auth: bool,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether the nonce was stale rather than the password wrong.
    pub stale: bool,
}

/// The hash of a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// MD5
    #[default]
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-256
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hex(self, data: impl AsRef<[u8]>) -> String {
        match self {
            Self::Md5 => HEXLOWER.encode(&Md5::digest(data)),
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(data)),
        }
    }
}

/// What a digest covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// The request line; in the form of RFC 2069 when the challenge offers no qop.
    #[default]
    Auth,
    /// The body, too.
    AuthInt,
}

/// Why an `Authorization` header does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None, or not Digest.
    Missing,
    /// Another nonce than the one given out.
    Nonce,
    /// The header's uri is not the requested one.
    Uri,
    /// Fields missing, or qop other than `auth`.
    Incomplete,
    /// Unknown user name, or wrong password.
    Credentials,
}

/// Who asks for what: the parts of a request that the digest covers.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// User name.
    pub username: &'a str,
    /// Password.
    pub password: &'a str,
    /// HTTP method.
    pub method: &'a str,
    /// Path with query.
    pub uri: &'a str,
}

impl Challenge {
    /// Reads a challenge header; `None` for other schemes and algorithms.
    pub fn parse(header: &str) -> Option<Self> {
        let fields = Fields::parse(header)?;
        let algorithm = fields.get("algorithm").unwrap_or("MD5");
        let algorithm = [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(algorithm))?;
        let offered = fields.get("qop").unwrap_or_default();
        Some(Self {
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
            qop_auth: offered.split(',').any(|qop| qop.trim() == "auth"),
            algorithm,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The `WWW-Authenticate` header that makes this challenge.
    pub fn header(&self) -> String {
        format!(
            "Digest realm=\"{}\", nonce=\"{}\", qop=\"auth\", algorithm={}",
            self.realm,
            self.nonce,
            self.algorithm.name()
        )
    }

    /// The `Authorization` header for a request; `nc` counts the requests with this nonce, from 1.
    pub fn answer(&self, signed: Signed<'_>, nc: u32, cnonce: &str) -> String {
        self.answer_covering(Protection::Auth, signed, &[], nc, cnonce)
    }

    /// The same, covering this much of a request with this body.
    pub fn answer_covering(
        &self,
        protection: Protection,
        signed: Signed<'_>,
        body: &[u8],
        nc: u32,
        cnonce: &str,
    ) -> String {
        let nc = format!("{nc:08x}");
        let qop = match protection {
            Protection::AuthInt => Some("auth-int"),
            Protection::Auth if self.qop_auth => Some("auth"),
            Protection::Auth => None,
        };
        let qop = qop.map(|qop| (qop, nc.as_str(), cnonce));
        let response = self.response(signed, body, qop);
        let (username, uri, algorithm) = (signed.username, signed.uri, self.algorithm.name());
        let mut header = format!(
            "Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}",
            self.realm, self.nonce
        );
        if let Some((qop, nc, cnonce)) = qop {
            header.push_str(&format!(", qop={qop}, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            header.push_str(&format!(", opaque=\"{opaque}\""));
        }
        header
    }

    fn response(&self, signed: Signed<'_>, body: &[u8], qop: Option<(&str, &str, &str)>) -> String {
        let Signed { username, password, method, uri } = signed;
        let (hex, nonce) = (|text: String| self.algorithm.hex(text), &self.nonce);
        let user = hex(format!("{username}:{}:{password}", self.realm));
        let request = match qop {
            Some(("auth-int", ..)) => hex(format!("{method}:{uri}:{}", self.algorithm.hex(body))),
            _ => hex(format!("{method}:{uri}")),
        };
        match qop {
            Some((qop, nc, cnonce)) => hex(format!("{user}:{nonce}:{nc}:{cnonce}:{qop}:{request}")),
            None => hex(format!("{user}:{nonce}:{request}")),
        }
    }

    /// Checks an `Authorization` header that answers this challenge.
    pub fn verify(&self, header: Option<&str>, signed: Signed<'_>) -> Result<(), Refusal> {
        let fields = header.and_then(Fields::parse).ok_or(Refusal::Missing)?;
        let field = |name| fields.get(name).ok_or(Refusal::Incomplete);
        if field("nonce")? != self.nonce {
            return Err(Refusal::Nonce);
        }
        if field("uri")? != signed.uri {
            return Err(Refusal::Uri);
        }
        let qop = match fields.get("qop") {
            None => None,
            Some("auth") => Some(("auth", field("nc")?, field("cnonce")?)),
            Some(_) => return Err(Refusal::Incomplete),
        };
        let expected = self.response(signed, &[], qop);
        let given = field("response")?;
        if field("username")? == signed.username && given.eq_ignore_ascii_case(&expected) {
            Ok(())
        } else {
            Err(Refusal::Credentials)
        }
    }
}

/// A fresh random token of 32 hexadecimal digits, for nonces.
pub fn random_token() -> String {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // A simulator's nonce need not be secret, only new.
        bytes = chrono::Utc::now()
            .timestamp_nanos_opt()
            .unwrap_or_default()
            .unsigned_abs()
            .to_be_bytes()
            .repeat(2)
            .try_into()
            .unwrap_or(bytes);
    }
    HEXLOWER.encode(&bytes)
}

/// The `name=value` fields after the word Digest.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(header: &str) -> Option<Self> {
        let header = header.trim();
        let (scheme, mut rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', ',', '\t']);
            let Some((name, after)) = rest.split_once('=') else {
                return Some(Self(fields));
            };
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => {
                    let end = after.find([',', ' ']).unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            fields.push((name.trim().to_ascii_lowercase(), value.to_owned()));
            rest = after;
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The worked example of RFC 2617 §3.5.
    const EXAMPLE: Signed<'static> =
        Signed { username: "Mufasa", password: "Circle Of Life", method: "GET", uri: "/dir/index.html" };

    fn challenge() -> Challenge {
        Challenge::parse(
            "Digest realm=\"testrealm@host.com\",qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        )
        .unwrap()
    }

    #[test]
    fn the_answer_is_that_of_the_standard_s_example() {
        let header = challenge().answer(EXAMPLE, 1, "0a4f113b");
        assert!(header.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{header}");
        assert!(header.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
        assert!(header.contains("qop=auth, nc=00000001"));
    }

    #[test]
    fn an_answer_verifies_and_each_wrong_part_is_refused() {
        let challenge = challenge();
        let header = challenge.answer(EXAMPLE, 1, "c");
        assert_eq!(challenge.verify(Some(&header), EXAMPLE), Ok(()));
        let table = [
            (Signed { password: "wrong", ..EXAMPLE }, Refusal::Credentials),
            (Signed { username: "Scar", ..EXAMPLE }, Refusal::Credentials),
            (Signed { method: "POST", ..EXAMPLE }, Refusal::Credentials),
            (Signed { uri: "/other", ..EXAMPLE }, Refusal::Uri),
        ];
        for (signed, refusal) in table {
            assert_eq!(challenge.verify(Some(&header), signed), Err(refusal));
        }
        let newer = Challenge { nonce: "n2".into(), ..challenge.clone() };
        assert_eq!(newer.verify(Some(&header), EXAMPLE), Err(Refusal::Nonce));
        assert_eq!(challenge.verify(None, EXAMPLE), Err(Refusal::Missing));
        assert_eq!(challenge.verify(Some("Basic QTpC"), EXAMPLE), Err(Refusal::Missing));
        let no_count = header.replace("nc=00000001, ", "");
        assert_eq!(challenge.verify(Some(&no_count), EXAMPLE), Err(Refusal::Incomplete));
    }

    #[test]
    fn a_challenge_without_qop_is_answered_in_the_old_form() {
        let challenge = Challenge::parse("Digest realm=\"r\", nonce=\"n\"").unwrap();
        let header = challenge.answer(EXAMPLE, 1, "c");
        assert!(!header.contains("qop") && !header.contains("cnonce"));
        assert_eq!(challenge.verify(Some(&header), EXAMPLE), Ok(()));
    }

    /// The example of RFC 7616 §3.9.1.
    #[test]
    fn sha_256_is_answered_in_kind() {
        let challenge = Challenge::parse(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"",
        )
        .unwrap();
        let signed = Signed { password: "Circle of Life", ..EXAMPLE };
        let header = challenge.answer(signed, 1, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        assert!(header.contains("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"), "{header}");
        let covering = |body: &[u8]| challenge.answer_covering(Protection::AuthInt, signed, body, 1, "c");
        assert!(covering(b"a").contains("qop=auth-int"));
        assert_ne!(covering(b"a"), covering(b"b"), "the body counts");
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_or_ignored(header in "(Digest )?[ -~]{0,60}") {
            if let Some(challenge) = Challenge::parse(&header) {
                let answer = challenge.answer(EXAMPLE, 1, "c");
                let _ = challenge.verify(Some(&answer), EXAMPLE);
            }
            let _ = challenge().verify(Some(&header), EXAMPLE);
        }
    }

    #[test]
    fn other_schemes_and_algorithms_are_not_taken_for_digest() {
        assert_eq!(Challenge::parse("Basic realm=\"r\""), None);
        assert_eq!(Challenge::parse("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess"), None);
        assert!(Challenge::parse("digest realm=r, nonce=n, stale=TRUE").unwrap().stale);
        let own = Challenge { realm: "r".into(), nonce: "n".into(), qop_auth: true, ..Challenge::default() };
        assert_eq!(Challenge::parse(&own.header()), Some(own));
    }
}

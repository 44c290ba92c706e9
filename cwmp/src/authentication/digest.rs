//! What a Digest answer proves (RFC 7616 §3.4): that whoever made it knows the password.
//!
//! Not here: whether its nonce is good (`nonce`), how the header is read (`header`).

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The hash of a digest. The `-sess` variants are not offered and not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `MD5`, the only one that older devices know.
    Md5,
    /// `SHA-256`
    Sha256,
}

impl Algorithm {
    /// The algorithm of this name, in any case.
    pub fn named(name: &str) -> Option<Algorithm> {
        let name = name.trim();
        [Algorithm::Md5, Algorithm::Sha256].into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The name, as challenges have it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The hash of some parts as one, in lower-case hexadecimal digits.
    pub(crate) fn hash(self, parts: &[&[u8]]) -> String {
        fn digest<D: md5::Digest>(parts: &[&[u8]]) -> D {
            parts.iter().fold(D::new(), |digest, part| digest.chain_update(part))
        }
        match self {
            Algorithm::Md5 => HEXLOWER.encode(&digest::<Md5>(parts).finalize()),
            Algorithm::Sha256 => HEXLOWER.encode(&digest::<Sha256>(parts).finalize()),
        }
    }
}

/// What a digest covers beside the request line. Texts are as the device wrote them, since it hashed them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protection {
    /// The form of RFC 2069, without qop.
    None,
    /// `qop=auth`
    Auth { qop: String, count: String, client_nonce: String },
    /// `qop=auth-int`: the body, too.
    AuthInt { qop: String, count: String, client_nonce: String },
}

/// A Digest Authorization header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DigestAnswer {
    pub(crate) username: String,
    /// The user name with its backslashes, when it has any: some devices hash it so.
    pub(crate) written: Option<String>,
    pub(crate) realm: String,
    pub(crate) nonce: String,
    /// Not necessarily what was requested.
    pub(crate) uri: String,
    /// In hexadecimal digits of any case.
    pub(crate) response: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) protection: Protection,
    /// The hash of the request's body, as [`Protection::AuthInt`] needs it.
    pub(crate) body_hash: Option<String>,
}

impl DigestAnswer {
    /// The count of uses of its nonce.
    pub(crate) fn count(&self) -> Option<u32> {
        match &self.protection {
            Protection::None => None,
            Protection::Auth { count, .. } | Protection::AuthInt { count, .. } => u32::from_str_radix(count, 16).ok(),
        }
    }

    /// Whether the body's hash is needed.
    pub(crate) fn covers_body(&self) -> bool {
        matches!(self.protection, Protection::AuthInt { .. })
    }

    /// Whether this password was known.
    pub(crate) fn proves(&self, password: &str, method: &str) -> bool {
        let spellings = [Some(&self.username), self.written.as_ref()];
        let given = self.response.to_ascii_lowercase();
        spellings.into_iter().flatten().any(|username| {
            let expected = self.expected(username, password, method);
            expected.is_some_and(|expected| expected.as_bytes().ct_eq(given.as_bytes()).into())
        })
    }

    fn expected(&self, username: &str, password: &str, method: &str) -> Option<String> {
        let hash = |parts: &[&str]| {
            let bytes: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            self.algorithm.hash(&bytes)
        };
        let user = hash(&[username, ":", &self.realm, ":", password]);
        let request = match (&self.protection, &self.body_hash) {
            (Protection::AuthInt { .. }, None) => return None,
            (Protection::AuthInt { .. }, Some(body)) => hash(&[method, ":", &self.uri, ":", body]),
            _ => hash(&[method, ":", &self.uri]),
        };
        Some(match &self.protection {
            Protection::None => hash(&[&user, ":", &self.nonce, ":", &request]),
            Protection::Auth { qop, count, client_nonce } | Protection::AuthInt { qop, count, client_nonce } => {
                hash(&[&user, ":", &self.nonce, ":", count, ":", client_nonce, ":", qop, ":", &request])
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(realm: &str, nonce: &str, uri: &str, response: &str) -> DigestAnswer {
        DigestAnswer {
            username: "Mufasa".into(),
            written: None,
            realm: realm.into(),
            nonce: nonce.into(),
            uri: uri.into(),
            response: response.into(),
            algorithm: Algorithm::Md5,
            protection: Protection::None,
            body_hash: None,
        }
    }

    /// The examples of RFC 2617 §3.5 and RFC 7616 §3.9.1.
    #[test]
    fn the_standards_examples() {
        let auth = |count: &str, client_nonce: &str| Protection::Auth {
            qop: "auth".into(),
            count: count.into(),
            client_nonce: client_nonce.into(),
        };
        let first = DigestAnswer {
            protection: auth("00000001", "0a4f113b"),
            ..answer(
                "testrealm@host.com",
                "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                "/dir/index.html",
                "6629FAE49393A05397450978507C4EF1",
            )
        };
        assert!(first.proves("Circle Of Life", "GET"), "in upper case, too");
        assert!(!first.proves("Circle of Life", "GET") && !first.proves("Circle Of Life", "POST"));
        let (nonce, client_nonce) =
            ("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let answer = DigestAnswer {
                algorithm,
                protection: auth("00000001", client_nonce),
                ..answer("http-auth@example.org", nonce, "/dir/index.html", response)
            };
            assert!(answer.proves("Circle of Life", "GET"), "{algorithm:?}");
        }
    }

    #[test]
    fn the_body_is_covered_when_it_should_be() {
        let protection = Protection::AuthInt { qop: "auth-int".into(), count: "1".into(), client_nonce: "c".into() };
        let mut answer = DigestAnswer { protection, ..answer("r", "n", "/", "") };
        answer.body_hash = Some(Algorithm::Md5.hash(&[b"body"]));
        answer.response = answer.expected("Mufasa", "p", "POST").unwrap_or_default();
        assert!(answer.proves("p", "POST"));
        answer.body_hash = Some(Algorithm::Md5.hash(&[b"other"]));
        assert!(!answer.proves("p", "POST"));
        answer.body_hash = None;
        answer.response = String::new();
        assert!(!answer.proves("p", "POST"), "an unknown body proves nothing");
    }

    #[test]
    fn a_user_name_is_hashed_with_or_without_its_backslashes() {
        for hashed in [r"a\b", r"a\\b"] {
            let mut answer = answer("r", "n", "/", "");
            (answer.username, answer.written) = (r"a\b".into(), Some(r"a\\b".into()));
            answer.response = answer.expected(hashed, "p", "POST").unwrap_or_default();
            assert!(answer.proves("p", "POST"), "{hashed}");
        }
    }
}

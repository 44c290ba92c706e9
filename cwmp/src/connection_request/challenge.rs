//! Challenges of devices, and answers to them (RFC 7616, RFC 7617), in the spelling that devices take.

use base64::Engine;
use data_encoding::HEXLOWER;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::Credentials;

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// The password as it is.
    Basic,
    /// A digest.
    Digest(DigestChallenge),
    /// Something else.
    Other,
    /// A digest, but it cannot be read what over.
    Unreadable,
}

/// What a digest is to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestChallenge {
    realm: String,
    nonce: String,
    /// Given back to the letter, also when empty.
    opaque: Option<String>,
    qop: Option<Qop>,
    algorithm: Algorithm,
    /// The algorithm as the device spells it, when it does.
    algorithm_as_given: Option<String>,
}

/// The quality of protection: without it the answer has the form of RFC 2069.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Qop {
    Auth,
    AuthInt,
}

/// The stronger the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Md5Session,
    Sha256,
    Sha256Session,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Algorithm> {
        let known = [
            ("md5", Algorithm::Md5),
            ("md5-sess", Algorithm::Md5Session),
            ("sha-256", Algorithm::Sha256),
            ("sha-256-sess", Algorithm::Sha256Session),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, algorithm)| algorithm)
    }

    fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 | Algorithm::Md5Session => HEXLOWER.encode(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 | Algorithm::Sha256Session => HEXLOWER.encode(&Sha256::digest(text.as_bytes())),
        }
    }

    fn is_of_session(self) -> bool {
        matches!(self, Algorithm::Md5Session | Algorithm::Sha256Session)
    }
}

/// Reads WWW-Authenticate values, each of which may hold several challenges. Parameters may be separated by commas or blanks. Control
/// characters, which would break the header line of the answer, are blanks, too.
pub fn parse(values: &[String]) -> Vec<Challenge> {
    let challenges = |value: &String| -> Vec<Challenge> {
        split(&value.replace(char::is_control, " ")).into_iter().map(Parameters::challenge).collect()
    };
    values.iter().flat_map(challenges).collect()
}

/// The best of the challenges that can be answered, the strongest digest first; `None` when there is none.
pub fn strongest(challenges: &[Challenge]) -> Option<&Challenge> {
    let digest = challenges.iter().filter_map(|challenge| match challenge {
        Challenge::Digest(digest) => Some((digest.algorithm, challenge)),
        _ => None,
    });
    // Of equal ones the first.
    let digest = digest.rev().max_by_key(|(algorithm, _)| *algorithm).map(|(_, challenge)| challenge);
    digest.or_else(|| challenges.iter().find(|challenge| **challenge == Challenge::Basic))
}

/// A scheme and its parameters, names in lower case.
#[derive(Default)]
struct Parameters<'a> {
    scheme: &'a str,
    list: Vec<(String, &'a str)>,
}

impl Parameters<'_> {
    fn take(&self, name: &str) -> Option<String> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| (*value).to_owned())
    }

    fn challenge(self) -> Challenge {
        if self.scheme.eq_ignore_ascii_case("basic") {
            return Challenge::Basic;
        }
        if !self.scheme.eq_ignore_ascii_case("digest") {
            return Challenge::Other;
        }
        let algorithm_as_given = self.take("algorithm");
        let Some(algorithm) = algorithm_as_given.as_deref().map_or(Some(Algorithm::Md5), Algorithm::parse) else {
            return Challenge::Other;
        };
        let qop = match self.take("qop") {
            None => None,
            Some(list) => {
                let offered: Vec<String> = list.split([',', ' ']).map(|one| one.trim().to_ascii_lowercase()).collect();
                let offers = |name: &str| offered.iter().any(|one| one == name);
                if offers("auth") {
                    Some(Qop::Auth)
                } else if offers("auth-int") {
                    Some(Qop::AuthInt)
                } else if offered.iter().all(String::is_empty) {
                    None
                } else {
                    return Challenge::Other;
                }
            }
        };
        match self.take("nonce") {
            Some(nonce) => Challenge::Digest(DigestChallenge {
                realm: self.take("realm").unwrap_or_default(),
                nonce,
                opaque: self.take("opaque"),
                qop,
                algorithm,
                algorithm_as_given,
            }),
            None => Challenge::Unreadable,
        }
    }
}

/// Tells challenges and their parameters apart: a word with `=` behind it is a parameter, one without is a scheme.
fn split(value: &str) -> Vec<Parameters<'_>> {
    let is_separator = |character: char| character == ',' || character.is_whitespace();
    let mut out: Vec<Parameters<'_>> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches(is_separator);
        if rest.is_empty() {
            return out;
        }
        let end = rest.find(|character| is_separator(character) || character == '=').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let Some(given) = behind.trim_start().strip_prefix('=') else {
            out.push(Parameters { scheme: word, list: Vec::new() });
            rest = behind;
            continue;
        };
        let given = given.trim_start();
        let (text, after) = match given.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted),
            None => given.split_at(given.find(is_separator).unwrap_or(given.len())),
        };
        if let Some(last) = out.last_mut() {
            last.list.push((word.to_ascii_lowercase(), text));
        }
        rest = after;
    }
}

/// A quoted text as it is, with its escapes, and what follows its end.
fn split_quoted(quoted: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, character) in quoted.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return (&quoted[..at], &quoted[at + 1..]),
            _ => {}
        }
    }
    (quoted, "")
}

impl Challenge {
    /// The Authorization header's value; `None` when the challenge cannot be answered.
    pub fn answer(&self, credentials: &Credentials, method: &str, uri: &str) -> Option<String> {
        match self {
            Challenge::Basic => {
                let plain = format!("{}:{}", credentials.username, credentials.password);
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain)))
            }
            Challenge::Digest(challenge) => {
                let mut random = [0; 8];
                getrandom::fill(&mut random).ok()?;
                Some(challenge.answer(credentials, method, uri, &HEXLOWER.encode(&random)))
            }
            Challenge::Other | Challenge::Unreadable => None,
        }
    }
}

impl DigestChallenge {
    fn answer(&self, credentials: &Credentials, method: &str, uri: &str, client_nonce: &str) -> String {
        let DigestChallenge { realm, nonce, opaque, qop, algorithm, algorithm_as_given } = self;
        // What a header cannot hold cannot have been meant; quotes are escaped, and hashed as they are sent.
        let plain = |text: &str| text.chars().filter(|character| !character.is_control()).collect::<String>();
        let username = plain(&credentials.username).replace('\\', "\\\\").replace('"', "\\\"");
        let hash = |text: String| algorithm.hash(&text);
        let mut who = hash(format!("{username}:{realm}:{}", credentials.password));
        if algorithm.is_of_session() {
            who = hash(format!("{who}:{nonce}:{client_nonce}"));
        }
        let what = match qop {
            // The body is empty.
            Some(Qop::AuthInt) => hash(format!("{method}:{uri}:{}", hash(String::new()))),
            _ => hash(format!("{method}:{uri}")),
        };
        let name = match qop {
            Some(Qop::Auth) => Some("auth"),
            Some(Qop::AuthInt) => Some("auth-int"),
            None => None,
        };
        let response = match name {
            Some(name) => hash(format!("{who}:{nonce}:00000001:{client_nonce}:{name}:{what}")),
            None => hash(format!("{who}:{nonce}:{what}")),
        };
        let mut out = format!(
            "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
        );
        if let Some(name) = name {
            // Unquoted: some devices refuse the quoted form.
            out.push_str(&format!(", qop={name}, nc=00000001"));
        }
        if name.is_some() || algorithm.is_of_session() {
            out.push_str(&format!(", cnonce=\"{client_nonce}\""));
        }
        if let Some(opaque) = opaque {
            out.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if let Some(algorithm) = algorithm_as_given {
            out.push_str(&format!(", algorithm={algorithm}"));
        }
        out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn digest_of(text: &str) -> DigestChallenge {
        match parse(&[text.to_owned()]).remove(0) {
            Challenge::Digest(digest) => digest,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials { username: username.to_owned(), password: password.to_owned() }
    }

    /// RFC 2617 §3.5.
    #[test]
    fn the_old_standards_example() {
        let digest = digest_of(
            r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        );
        let answer = digest.answer(&credentials("Mufasa", "Circle Of Life"), "GET", "/dir/index.html", "0a4f113b");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_new_standards_example() {
        let common = r#"realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let who = credentials("Mufasa", "Circle of Life");
        let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let digest = digest_of(&format!("Digest {common}, algorithm={algorithm}"));
            let answer = digest.answer(&who, "GET", "/dir/index.html", client_nonce);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.ends_with(&format!(", algorithm={algorithm}")), "{answer}");
        }
    }

    #[test]
    fn challenges_come_in_every_shape() {
        let cases: &[(&str, &[&str])] = &[
            ("Basic realm=\"x\"", &["Basic"]),
            ("Negotiate", &["Other"]),
            ("Negotiate YII=", &["Other"]),
            ("Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256", &["Digest"]),
            ("Digest realm=\"x\", nonce=\"y\", algorithm=SHA-512-256", &["Other"]),
            ("Digest realm=\"x\", nonce=\"y\", qop=\"token\"", &["Other"]),
            ("Digest qop=\"auth\" nonce=\"c4ca\" opaque=\"\" realm=\"cwmpd\"", &["Digest"]),
            ("digest nonce=y,realm=x", &["Digest"]),
            ("Digest nonce=\"unterminated", &["Digest"]),
            ("Digest realm=\"x\"", &["Unreadable"]),
            ("Digest", &["Unreadable"]),
            ("Basic realm=\"a, b\", Digest realm=\"x\", nonce=\"y\", Digest nonce=z", &["Basic", "Digest", "Digest"]),
            ("", &[]),
            ("=,=\"", &[]),
        ];
        for (text, expected) in cases {
            let found = parse(&[(*text).to_owned()]);
            let names: Vec<String> = found
                .iter()
                .map(|one| format!("{one:?}").chars().take_while(|letter| letter.is_alphabetic()).collect())
                .collect();
            assert_eq!(names, *expected, "{text}");
        }
        let digest = digest_of("Digest realm=\"a \\\"b\" nonce=\"n,1\" qop=\"auth\"");
        assert_eq!((digest.realm.as_str(), digest.nonce.as_str(), digest.qop), ("a \\\"b", "n,1", Some(Qop::Auth)));
        assert_eq!(digest_of("Digest nonce=n, qop=\"auth-int\"").qop, Some(Qop::AuthInt));
    }

    #[test]
    fn the_strongest_challenge_is_answered() {
        let of = |values: &[&str]| {
            let challenges = parse(&values.iter().map(ToString::to_string).collect::<Vec<_>>());
            strongest(&challenges).and_then(|one| one.answer(&credentials("u", "p"), "GET", "/"))
        };
        let md5 = "Digest realm=r, nonce=n, algorithm=MD5";
        let sha = "Digest realm=r, nonce=n, algorithm=SHA-256";
        assert!(of(&[md5, sha]).unwrap().contains("algorithm=SHA-256"));
        assert!(of(&[&format!("Basic realm=r, {md5}")]).unwrap().contains("algorithm=MD5"));
        assert!(of(&["Basic realm=r"]).unwrap().starts_with("Basic "));
        assert_eq!(of(&["Negotiate"]), None);
    }

    #[test]
    fn a_name_cannot_end_the_header() {
        let digest = digest_of("Digest realm=r, nonce=n");
        let answer = digest.answer(&credentials("a\"b\r\nX: y", "p"), "GET", "/", "c");
        assert!(answer.starts_with("Digest username=\"a\\\"bX: y\", realm="), "{answer}");
    }

    #[test]
    fn a_device_cannot_add_lines_to_the_answer() {
        let digest = digest_of("Digest realm=\"a\rX: y\", nonce=\"b\0\", opaque=\"\u{85}\"");
        let answer = digest.answer(&credentials("user", "secret"), "GET", "/", "c");
        assert!(!answer.contains(char::is_control), "{answer:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_challenge_is_read(text in "(Digest |Basic )?[ -~]{0,80}") {
            for challenge in parse(&[text]) {
                let _ = challenge.answer(&credentials("u", "p"), "GET", "/");
            }
        }
    }
}

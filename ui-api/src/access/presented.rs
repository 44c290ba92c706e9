//! The credentials that a request presents, in any of the ways that clients know.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hyper::header::{AUTHORIZATION, HeaderMap};

/// Credentials, still to be checked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The user's name; empty for a key.
    pub name: String,
    /// The password, or the key.
    pub secret: String,
}

impl Credentials {
    fn key(key: &str) -> Credentials {
        Credentials { name: String::new(), secret: key.to_owned() }
    }

    /// All that a request presents: `X-API-Key: KEY`, `Authorization: Bearer KEY`, or `Authorization: Basic …` with a user's name and
    /// password, or with a key as password and any name.
    pub fn of(headers: &HeaderMap) -> Vec<Credentials> {
        let api_keys = headers.get_all("x-api-key").iter().filter_map(|value| value.to_str().ok());
        let mut presented: Vec<Credentials> = api_keys.map(|key| Credentials::key(key.trim())).collect();
        for value in headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok()) {
            let Some((scheme, credentials)) = value.trim().split_once(' ') else { continue };
            let credentials = credentials.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                presented.push(Credentials::key(credentials));
            } else if scheme.eq_ignore_ascii_case("basic") {
                presented.extend(basic(credentials));
            }
        }
        presented.retain(|credentials| !credentials.secret.is_empty());
        // A request is one guess, or two: not a list of them.
        presented.truncate(2);
        presented
    }
}

/// Name and password of Basic (RFC 7617 §2).
fn basic(credentials: &str) -> Option<Credentials> {
    let bytes = STANDARD.decode(credentials).or_else(|_| STANDARD_NO_PAD.decode(credentials)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some(Credentials { name: name.to_owned(), secret: secret.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_in_every_header() {
        let presented = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (hyper::header::HeaderName::from_static(name), hyper::header::HeaderValue::from_str(value).unwrap())
            });
            let presented = Credentials::of(&headers.collect()).into_iter();
            presented.map(|credentials| format!("{}|{}", credentials.name, credentials.secret)).collect::<Vec<_>>()
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(presented(&[("x-api-key", " k ")]), ["|k"]);
        assert_eq!(presented(&[("authorization", "bearer k")]), ["|k"]);
        assert_eq!(presented(&[("authorization", &basic("anyone:k:with:colons"))]), ["anyone|k:with:colons"]);
        assert_eq!(presented(&[("authorization", &basic(":k")), ("x-api-key", "l")]), ["|l", "|k"]);
        for value in ["Basic !", "Basic", "Digest username=\"x\"", "Bearer ", "k", &basic("no colon"), &basic("name:")]
        {
            assert_eq!(presented(&[("authorization", value)]), [""; 0], "{value}");
        }
    }
}

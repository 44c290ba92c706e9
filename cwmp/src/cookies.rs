//! The session cookie (TR-069 §3.4.5), read as devices send it.
//!
//! They separate cookies by `;` or `,`, keep quotes, and return attributes (`Path`, `Version`) as if they were cookies. So the
//! token is found by its name, wherever it is; a device may return an old one beside the new one.

use data_encoding::HEXLOWER;
use hyper::header::{self, HeaderMap};
use sha2::{Digest, Sha256};

/// The cookie's name.
pub const NAME: &str = "session";

/// What a cookie identifies a session by: 128 random bits, as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub fn random() -> Result<Token, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Token(u128::from_ne_bytes(bytes)))
    }

    /// What stands for the token where others may read it, as 64 hexadecimal digits: it does not continue the session.
    pub fn digest(self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.to_string()))
    }

    /// Reads the form that [`Token`]'s `Display` writes.
    pub fn parse(text: &str) -> Option<Token> {
        let is_token = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_token.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Token)
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Who knows a token can continue its session, so it shows in no log.
impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// The session tokens in a request's Cookie headers, in order.
pub fn tokens_of(headers: &HeaderMap) -> Vec<Token> {
    headers.get_all(header::COOKIE).iter().flat_map(|header| tokens(header.as_bytes())).collect()
}

/// The session tokens in a Cookie header, in order. What is not the form of a token is none of ours.
pub fn tokens(header: &[u8]) -> impl Iterator<Item = Token> {
    header.split(|byte| matches!(byte, b';' | b',')).filter_map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        let (name, value) = pair.split_once('=')?;
        let is_ours = name.trim().eq_ignore_ascii_case(NAME);
        let value = value.trim().trim_matches(['"', '\'']).trim();
        is_ours.then(|| Token::parse(value)).flatten()
    })
}

/// The value of the Set-Cookie header. One plain cookie, without quotes; a path only when it is asked for, since devices
/// return attributes as cookies. A path that is none is left out.
pub fn set_cookie(token: Token, path: Option<&str>) -> String {
    match path {
        Some(path) if is_path(path) => format!("{NAME}={token}; Path={path}"),
        _ => format!("{NAME}={token}"),
    }
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b','))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "00ff00ff00ff00ff00ff00ff00ff00ff";

    #[test]
    fn the_token_is_found_by_its_name_whatever_is_around_it() {
        let found = [
            format!("session={TEXT}"),
            format!("session=\"{TEXT}\""),
            format!("JSESSIONID=1; Path=/acs; session={TEXT}; Path=/; HttpOnly"),
            format!("b=zz;Version=1;Path=/,session={TEXT};Version=1"),
            format!("$Version=1; SESSION = '{TEXT}' "),
            format!("a,session={TEXT}"),
            format!("session=old; session={TEXT}"),
        ];
        for header in found {
            let tokens: Vec<_> = tokens(header.as_bytes()).collect();
            assert_eq!(tokens, [Token::parse(TEXT).unwrap()], "{header}");
        }
    }

    #[test]
    fn what_is_no_token_is_ignored() {
        let none = [
            String::new(),
            "session".to_owned(),
            "session=".to_owned(),
            format!("xsession={TEXT}"),
            format!("session={TEXT}0"),
            format!("session=+{}", &TEXT[1..]),
            "session=éé".to_owned(),
        ];
        for header in none {
            assert_eq!(tokens(header.as_bytes()).count(), 0, "{header}");
        }
        assert_eq!(tokens(b"session=\xff\xfe").count(), 0);
    }

    #[test]
    fn an_old_token_beside_the_new_one_hides_nothing() {
        let header = format!("session={TEXT}; session={}", TEXT.replace('f', "e"));
        assert_eq!(tokens(header.as_bytes()).count(), 2);
    }

    #[test]
    fn the_cookie_is_plain() {
        let token = Token::parse(TEXT).unwrap();
        let plain = format!("session={TEXT}");
        assert_eq!(set_cookie(token, None), plain);
        assert_eq!(set_cookie(token, Some("/acs")), format!("{plain}; Path=/acs"));
        for path in ["", "acs", "/a;b", "/a\r\nX: y", "/ü"] {
            assert_eq!(set_cookie(token, Some(path)), plain, "{path:?}");
        }
    }

    #[test]
    fn tokens_differ_and_read_back() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(Token::parse(&one.to_string()), Some(one));
        assert_eq!(format!("{one:?}"), "Token(…)");
    }
}

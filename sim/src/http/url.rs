//! `http` and `https` URLs, as far as a device needs them.

use super::HttpError;

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub is_encrypted: bool,
    /// Host name or address; IPv6 literals without brackets.
    pub host: String,
    /// Port; when not given 80, or 443 for `https`.
    pub port: u16,
    /// Path with query, at least `/`.
    pub path: String,
}

impl Url {
    /// Parses a URL where TLS is not spoken.
    pub fn parse_plain(text: &str) -> Result<Self, HttpError> {
        let url = Self::parse(text)?;
        if url.is_encrypted {
            return Err(HttpError::Url { url: text.to_owned(), problem: "there is no TLS here" });
        }
        Ok(url)
    }

    /// Parses `http[s]://host[:port][/path]`; a user part and a fragment are dropped.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let error = |problem| HttpError::Url { url: text.to_owned(), problem };
        let (is_encrypted, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(error("not an http URL")),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = match authority.strip_prefix('[') {
            Some(literal) => {
                let (host, port) = literal.split_once(']').ok_or_else(|| error("no ] after the address"))?;
                (host, port.strip_prefix(':'))
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err(error("no host"));
        }
        let port = match port {
            None | Some("") => default_port(is_encrypted),
            Some(port) => port.parse().map_err(|_| error("the port is not a number"))?,
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        // A space or control character would end the request line early.
        if path.bytes().chain(host.bytes()).any(|byte| byte <= b' ') {
            return Err(error("blank or control character in the URL"));
        }
        Ok(Self { is_encrypted, host: host.to_owned(), port, path: format!("{slash}{path}") })
    }

    /// `host:port` for connecting and for the Host header; the header leaves out the default port.
    pub fn authority(&self, for_header: bool) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if for_header && self.port == default_port(self.is_encrypted) { host } else { format!("{host}:{}", self.port) }
    }

    /// Where a `Location` header leads: an absolute URL, or a path on the same server.
    pub fn redirected(&self, location: &str) -> Result<Self, HttpError> {
        if location.starts_with('/') {
            let scheme = if self.is_encrypted { "https" } else { "http" };
            let absolute = format!("{scheme}://{}{location}", self.authority(false));
            return Self::parse(&absolute);
        }
        Self::parse(location)
    }
}

fn default_port(is_encrypted: bool) -> u16 {
    if is_encrypted { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let table = [
            ("http://acs.example.com", "acs.example.com", 80, "/", "acs.example.com"),
            ("http://10.0.0.1:7547/acs?x=1#top", "10.0.0.1", 7547, "/acs?x=1", "10.0.0.1:7547"),
            ("http://user:p@h:81?q", "h", 81, "/?q", "h:81"),
            ("http://[::1]:7547/a", "::1", 7547, "/a", "[::1]:7547"),
            ("http://[::1]", "::1", 80, "/", "[::1]"),
            ("https://h", "h", 443, "/", "h"),
            ("https://h:80/", "h", 80, "/", "h:80"),
        ];
        for (text, host, port, path, header) in table {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path), "{text}");
            assert_eq!(url.authority(true), header, "{text}");
        }
        for text in ["", "h:80", "ftp://h/", "http://", "http://h:x/", "http://[::1", "http://h/a b"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        /// What is accepted as a URL makes a request line of exactly three words.
        #[test]
        fn any_text_is_a_url_or_refused(text in "(http://)?[!-~\u{e4} ]{0,40}") {
            if let Ok(url) = Url::parse(&text) {
                proptest::prop_assert_eq!(format!("GET {} HTTP/1.1", url.path).split_whitespace().count(), 3);
                proptest::prop_assert!(url.path.starts_with('/') && !url.host.is_empty());
            }
        }
    }

    #[test]
    fn redirects_are_absolute_or_on_the_same_server() {
        let url = Url::parse("http://h:81/a").unwrap();
        assert_eq!(url.redirected("/b?c").unwrap(), Url::parse("http://h:81/b?c").unwrap());
        assert_eq!(url.redirected("http://other/").unwrap().host, "other");
        let url = Url::parse("https://h/a").unwrap();
        assert_eq!(url.redirected("/b").unwrap(), Url::parse("https://h/b").unwrap());
        assert!(Url::parse_plain("https://h/").is_err());
    }
}

//! What a connection request URL says.

use super::ConnectionRequestError;

/// The parts of a connection request URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRequestTarget {
    /// Without brackets.
    pub host: String,
    /// From the URL, or 80.
    pub port: u16,
    /// As it goes into the request line, `/` at least.
    pub path: String,
    /// As it goes into the Host header.
    pub authority: String,
}

impl ConnectionRequestTarget {
    /// Reads a URL as devices write it. User information in it is ignored: credentials are the operator's to give.
    ///
    /// # Errors
    /// [`ConnectionRequestError::InvalidUrl`] and [`ConnectionRequestError::UnsupportedProtocol`].
    pub fn parse(url: &str) -> Result<ConnectionRequestTarget, ConnectionRequestError> {
        let invalid = || ConnectionRequestError::InvalidUrl;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(ConnectionRequestError::UnsupportedProtocol);
        }
        if !is_plain(rest) {
            return Err(invalid());
        }
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Some(80), |port| port.parse().ok()).filter(|port| *port != 0).ok_or_else(invalid)?;
        if host.is_empty() || host.contains(['"', '<', '>', '\\']) {
            return Err(invalid());
        }
        let path = path.split('#').next().unwrap_or("");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(ConnectionRequestTarget { host: host.to_owned(), port, path, authority: authority.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_devices_write_them() {
        let target = |host: &str, port, path: &str, authority: &str| {
            Ok(ConnectionRequestTarget { host: host.into(), port, path: path.into(), authority: authority.into() })
        };
        let (invalid, unsupported) = (ConnectionRequestError::InvalidUrl, ConnectionRequestError::UnsupportedProtocol);
        let cases = [
            ("http://192.0.2.1:7547/abc?x=1", target("192.0.2.1", 7547, "/abc?x=1", "192.0.2.1:7547")),
            ("http://192.0.2.1:5400", target("192.0.2.1", 5400, "/", "192.0.2.1:5400")),
            ("HTTP://cpe.example/", target("cpe.example", 80, "/", "cpe.example")),
            ("http://cpe.example?token=1", target("cpe.example", 80, "/?token=1", "cpe.example")),
            ("http://cpe.example#top", target("cpe.example", 80, "/", "cpe.example")),
            ("http://[2001:db8::1]:7547/", target("2001:db8::1", 7547, "/", "[2001:db8::1]:7547")),
            ("http://[2001:db8::1]/", target("2001:db8::1", 80, "/", "[2001:db8::1]")),
            ("http://user:secret@192.0.2.1/x#y", target("192.0.2.1", 80, "/x", "192.0.2.1")),
            (" http://192.0.2.1/ ", target("192.0.2.1", 80, "/", "192.0.2.1")),
            ("https://192.0.2.1/", Err(unsupported.clone())),
            ("file:///etc/passwd", Err(unsupported)),
            ("http://", Err(invalid.clone())),
            ("http://192.0.2.1:0/", Err(invalid.clone())),
            ("http://192.0.2.1:99999/", Err(invalid.clone())),
            ("http://192.0.2.1/a b", Err(invalid.clone())),
            ("http://192.0.2.1/\r\nX: y", Err(invalid.clone())),
            ("192.0.2.1", Err(invalid.clone())),
            ("", Err(invalid)),
        ];
        for (url, expected) in cases {
            assert_eq!(ConnectionRequestTarget::parse(url), expected, "{url}");
        }
    }
}

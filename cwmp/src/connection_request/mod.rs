//! Connection requests over HTTP (TR-069 §3.2.2): asking a device to begin a session.
//!
//! The servers inside devices are worse than their clients: header names matter to the letter, challenges come folded, without
//! commas or without an end, answers are cut off. So this has a reader of its own instead of an HTTP library: lenient in what it
//! reads, exact in what it sends. Not here: where URL and credentials come from, and what is waited for afterwards.

pub mod challenge;
mod guard;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

pub use guard::AddressPolicy;

use challenge::{Challenge, Credentials as Presented};

/// An answer's head is read up to this size.
const MAX_HEAD: usize = 16 * 1024;
/// How long a device that keeps the connection open without ending its answer is listened to.
const QUIET: Duration = Duration::from_millis(500);

/// What a connection request needs.
#[derive(Clone)]
pub struct ConnectionRequest {
    /// `ManagementServer.ConnectionRequestURL`.
    pub url: String,
    /// `ManagementServer.ConnectionRequestUsername`; empty when there is none.
    pub username: String,
    /// `ManagementServer.ConnectionRequestPassword`.
    pub password: String,
    /// Whether the password may go over the wire as it is, when the device asks for Basic.
    pub allow_basic: bool,
    /// How long each exchange may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for ConnectionRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ConnectionRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a device could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionRequestError {
    /// The URL is not one of HTTP.
    #[error("Invalid connection request URL or protocol")]
    InvalidUrl,
    /// The URL leads to where this server must not be sent.
    #[error("Connection request refused: {0} is not an address for devices")]
    AddressRefused(String),
    /// Nobody answers, or the device is busy (503).
    #[error("Device is offline")]
    Offline,
    /// The device asks for what is not allowed.
    #[error("Basic HTTP authentication not allowed")]
    BasicNotAllowed,
    /// The device asks for what is not known.
    #[error("Unrecognized auth method")]
    UnknownMethod,
    /// The device refuses the credentials.
    #[error("Incorrect connection request credentials")]
    WrongCredentials,
    /// The device answers something else.
    #[error("Unexpected status code {0}")]
    UnexpectedStatus(u16),
    /// What came back is no HTTP.
    #[error("Connection request error: {0}")]
    Unreadable(String),
}

/// Asks a device to begin a session. Returns when it has said that it will.
///
/// # Errors
/// See [`ConnectionRequestError`]; the text is what operators see.
pub async fn send(request: &ConnectionRequest, policy: &AddressPolicy) -> Result<(), ConnectionRequestError> {
    let target = ConnectionRequestTarget::parse(&request.url)?;
    let address = resolve(&target, policy).await?;
    let first = exchange(address, &target, None, request.timeout).await?;
    match first.status {
        200 | 204 => return Ok(()),
        401 => {}
        503 => return Err(ConnectionRequestError::Offline),
        other => return Err(ConnectionRequestError::UnexpectedStatus(other)),
    }
    let challenges = challenge::parse(&first.challenges);
    let presented = Presented { username: &request.username, password: &request.password };
    let digest = challenges.iter().find(|challenge| matches!(challenge, Challenge::Digest { .. }));
    let header = match (digest, challenges.first()) {
        (Some(digest), _) => {
            digest.answer(&presented, "GET", &target.path).ok_or(ConnectionRequestError::UnknownMethod)?
        }
        (None, Some(basic @ Challenge::Basic)) if request.allow_basic => {
            basic.answer(&presented, "GET", &target.path).ok_or(ConnectionRequestError::UnknownMethod)?
        }
        (None, Some(Challenge::Basic)) => return Err(ConnectionRequestError::BasicNotAllowed),
        _ => return Err(ConnectionRequestError::UnknownMethod),
    };
    match exchange(address, &target, Some(&header), request.timeout).await?.status {
        200 | 204 => Ok(()),
        401 => Err(ConnectionRequestError::WrongCredentials),
        503 => Err(ConnectionRequestError::Offline),
        other => Err(ConnectionRequestError::UnexpectedStatus(other)),
    }
}

/// The parts of a connection request URL.
#[derive(Debug, PartialEq, Eq)]
pub struct ConnectionRequestTarget {
    /// Without brackets.
    pub host: String,
    /// Not zero.
    pub port: u16,
    /// As it goes into the request line, `/` at least.
    pub path: String,
    /// As it goes into the Host header.
    pub authority: String,
}

impl ConnectionRequestTarget {
    /// Takes a connection request URL apart.
    ///
    /// # Errors
    /// [`ConnectionRequestError::InvalidUrl`].
    pub fn parse(url: &str) -> Result<ConnectionRequestTarget, ConnectionRequestError> {
        let invalid = || ConnectionRequestError::InvalidUrl;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(invalid)?;
        if !scheme.eq_ignore_ascii_case("http") || !is_plain(rest) {
            return Err(invalid());
        }
        let (authority, path) = match rest.find(['/', '?']) {
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
        if host.is_empty() {
            return Err(invalid());
        }
        let path = path.split('#').next().unwrap_or("");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(ConnectionRequestTarget { host: host.to_owned(), port, path, authority: authority.to_owned() })
    }
}

/// Resolves once, and checks what is then connected to, so that a name cannot mean two things.
async fn resolve(
    target: &ConnectionRequestTarget,
    policy: &AddressPolicy,
) -> Result<SocketAddr, ConnectionRequestError> {
    let addresses =
        lookup_host((target.host.as_str(), target.port)).await.map_err(|_| ConnectionRequestError::Offline)?;
    let mut refused = None;
    for address in addresses {
        if policy.allows(address.ip()) {
            return Ok(address);
        }
        refused = Some(address.ip().to_string());
    }
    Err(refused.map_or(ConnectionRequestError::Offline, ConnectionRequestError::AddressRefused))
}

/// What is read of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The values of all WWW-Authenticate headers, unfolded.
    pub challenges: Vec<String>,
}

async fn exchange(
    address: SocketAddr,
    target: &ConnectionRequestTarget,
    authorization: Option<&str>,
    limit: Duration,
) -> Result<Reply, ConnectionRequestError> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.map_err(|_| ConnectionRequestError::Offline)?;
        let mut head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", target.path, target.authority);
        if let Some(authorization) = authorization {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        head.push_str("Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.map_err(|_| ConnectionRequestError::Offline)?;
        let bytes = read_head(&mut stream).await;
        if bytes.is_empty() {
            return Err(ConnectionRequestError::Offline);
        }
        parse_reply(&String::from_utf8_lossy(&bytes))
    };
    timeout(limit, exchange).await.unwrap_or(Err(ConnectionRequestError::Offline))
}

/// Reads to the end of the headers, the end of the connection, or a silence behind the first line.
async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let read = stream.read(&mut buffer);
        let count = if bytes.contains(&b'\n') {
            timeout(QUIET, read).await.unwrap_or(Ok(0)).unwrap_or(0)
        } else {
            read.await.unwrap_or(0)
        };
        bytes.extend_from_slice(&buffer[..count]);
        let is_complete =
            bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(4).any(|four| four == b"\r\n\r\n");
        if count == 0 || is_complete || bytes.len() >= MAX_HEAD {
            return bytes;
        }
    }
}

/// Reads an answer's head. Lines may end in LF or CRLF, headers may be folded, and the end may be missing.
///
/// # Errors
/// [`ConnectionRequestError::Unreadable`]: the first line is none of HTTP.
pub fn parse_reply(text: &str) -> Result<Reply, ConnectionRequestError> {
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let first = lines.next().unwrap_or("");
    let mut words = first.split_whitespace();
    let status = words.next().filter(|word| word.starts_with("HTTP/")).and_then(|_| words.next()?.parse().ok());
    let status =
        status.ok_or_else(|| ConnectionRequestError::Unreadable(format!("{:.60?} is no HTTP answer", first)))?;
    let mut headers: Vec<String> = Vec::new();
    for line in lines {
        if line.is_empty() {
            break;
        }
        match headers.last_mut() {
            Some(header) if line.starts_with([' ', '\t']) => {
                header.push(' ');
                header.push_str(line.trim());
            }
            _ => headers.push(line.to_owned()),
        }
    }
    let challenge = |header: &String| {
        let (name, value) = header.split_once(':')?;
        name.trim().eq_ignore_ascii_case("www-authenticate").then(|| value.trim().to_owned())
    };
    Ok(Reply { status, challenges: headers.iter().filter_map(challenge).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn urls_are_read_as_devices_write_them() {
        let target = |host: &str, port, path: &str, authority: &str| {
            Ok(ConnectionRequestTarget { host: host.into(), port, path: path.into(), authority: authority.into() })
        };
        let cases = [
            ("http://192.0.2.1:7547/abc?x=1", target("192.0.2.1", 7547, "/abc?x=1", "192.0.2.1:7547")),
            ("http://192.0.2.1:5400", target("192.0.2.1", 5400, "/", "192.0.2.1:5400")),
            ("HTTP://cpe.example/", target("cpe.example", 80, "/", "cpe.example")),
            ("http://[2001:db8::1]:7547/", target("2001:db8::1", 7547, "/", "[2001:db8::1]:7547")),
            ("http://user:secret@192.0.2.1/x#y", target("192.0.2.1", 80, "/x", "192.0.2.1")),
            ("https://192.0.2.1/", Err(ConnectionRequestError::InvalidUrl)),
            ("http://", Err(ConnectionRequestError::InvalidUrl)),
            ("http://192.0.2.1:0/", Err(ConnectionRequestError::InvalidUrl)),
            ("http://192.0.2.1/a b", Err(ConnectionRequestError::InvalidUrl)),
            ("http://192.0.2.1/\r\nX: y", Err(ConnectionRequestError::InvalidUrl)),
            ("", Err(ConnectionRequestError::InvalidUrl)),
        ];
        for (url, expected) in cases {
            assert_eq!(ConnectionRequestTarget::parse(url), expected, "{url}");
        }
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let reply = |status, challenges: &[&str]| {
            Ok(Reply { status, challenges: challenges.iter().map(ToString::to_string).collect() })
        };
        let cases = [
            ("HTTP/1.1 200 OK", reply(200, &[])),
            ("HTTP/1.1 204 No Content\r\n\r\n", reply(204, &[])),
            (
                "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm=\"x\",\n  nonce=\"1\"\n",
                reply(401, &["Digest realm=\"x\", nonce=\"1\""]),
            ),
            ("HTTP/1.0 503\r\n", reply(503, &[])),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_reply(text), expected, "{text:?}");
        }
        assert!(matches!(parse_reply("nonsense"), Err(ConnectionRequestError::Unreadable(_))));
        assert!(matches!(parse_reply("HTTP/1.1 two hundred"), Err(ConnectionRequestError::Unreadable(_))));
    }

    /// A device that gives these answers, one per connection, and keeps what it was sent.
    async fn device(answers: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/cr", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = vec![0; 4096];
                let count = stream.read(&mut buffer).await.unwrap();
                requests.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        (url, served)
    }

    fn request(url: String) -> ConnectionRequest {
        ConnectionRequest {
            url,
            username: "user".into(),
            password: "secret".into(),
            allow_basic: false,
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_digest_challenge_without_commas_and_end_is_answered() {
        let (url, served) =
            device(&["HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm=\"cpe\" nonce=\"abc\"\n qop=\"auth\" opaque=\"\"\n", "HTTP/1.1 200 OK"])
                .await;
        send(&request(url), &AddressPolicy::anywhere()).await.unwrap();
        let requests = served.await.unwrap();
        assert!(requests[0].starts_with("GET /cr HTTP/1.1\r\nHost: ") && !requests[0].contains("Authorization"));
        let header = requests[1].lines().find(|line| line.starts_with("Authorization: Digest ")).unwrap();
        for part in [
            "username=\"user\"",
            "realm=\"cpe\"",
            "uri=\"/cr\"",
            "qop=auth,",
            "nc=00000001",
            "cnonce=\"",
            "opaque=\"\"",
        ] {
            assert!(header.contains(part), "{part} is missing in {header}");
        }
        assert!(!requests[1].contains("secret"));
    }

    #[tokio::test]
    async fn failures_have_their_reason() {
        const DIGEST: &str = "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n";
        const BASIC: &str = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\n";
        let cases: [(&'static [&'static str], ConnectionRequestError); 6] = [
            (&[DIGEST, DIGEST], ConnectionRequestError::WrongCredentials),
            (&[BASIC], ConnectionRequestError::BasicNotAllowed),
            (&["HTTP/1.1 503 Busy\r\n\r\n"], ConnectionRequestError::Offline),
            (&["HTTP/1.1 404 Not Found\r\n\r\n"], ConnectionRequestError::UnexpectedStatus(404)),
            (&["HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\n\r\n"], ConnectionRequestError::UnknownMethod),
            (&[""], ConnectionRequestError::Offline),
        ];
        for (answers, expected) in cases {
            let (url, served) = device(answers).await;
            assert_eq!(send(&request(url), &AddressPolicy::anywhere()).await, Err(expected));
            served.await.unwrap();
        }
        let loopback = request("http://127.0.0.1:9/".into());
        let refused = send(&loopback, &AddressPolicy::default()).await;
        assert_eq!(refused, Err(ConnectionRequestError::AddressRefused("127.0.0.1".into())));
        let (url, served) = device(&[BASIC, "HTTP/1.1 200 OK\r\n\r\n"]).await;
        let basic = ConnectionRequest { allow_basic: true, ..request(url) };
        send(&basic, &AddressPolicy::anywhere()).await.unwrap();
        assert!(served.await.unwrap()[1].contains("Authorization: Basic dXNlcjpzZWNyZXQ="));
    }
}

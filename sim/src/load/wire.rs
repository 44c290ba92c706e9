//! One connection of the load generator: raw bytes, reused buffers, and only what a session needs of each answer.

use std::ops::Range;
use std::time::Duration;

use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{HttpError, TlsClient};

const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Sync + Unpin> Stream for S {}

/// Where connections lead, and how.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// Host and port.
    pub(super) address: String,
    /// For the server's certificate.
    pub(super) host: String,
    /// None: plain.
    pub(super) tls: Option<TlsClient>,
}

/// A connection, with what the last answer said.
#[derive(Debug)]
pub(super) struct Wire {
    destination: Destination,
    limit: Duration,
    stream: Option<Box<dyn Stream>>,
    /// TLS handshakes that took up an earlier session, and all.
    pub(super) handshakes: (u64, u64),
    inbox: Vec<u8>,
    /// `name=value` of the session's cookie, empty when there is none.
    pub(super) cookie: Vec<u8>,
}

/// What matters of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where the body is in the inbox.
    pub(super) body: Range<usize>,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u64>,
}

/// What a head says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scanned {
    status: u16,
    length: usize,
    cookie: Option<Range<usize>>,
    close: bool,
    retry_after: Option<u64>,
}

impl Wire {
    pub(super) fn new(destination: Destination, limit: Duration) -> Self {
        let inbox = Vec::with_capacity(8 * 1024);
        Self { destination, limit, stream: None, handshakes: (0, 0), inbox, cookie: Vec::new() }
    }

    async fn connect(&mut self) -> Result<Box<dyn Stream>, HttpError> {
        let Destination { address, host, tls } = &self.destination;
        let stream = TcpStream::connect(address)
            .await
            .map_err(|source| HttpError::Connect { address: address.clone(), source })?;
        stream.set_nodelay(true)?;
        let Some(tls) = tls else { return Ok(Box::new(stream)) };
        let stream = tls.connect(stream, host).await.map_err(|error| HttpError::Tls(error.to_string()))?;
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        self.handshakes.0 += u64::from(is_resumed);
        self.handshakes.1 += 1;
        Ok(Box::new(stream))
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.stream = None;
    }

    /// Gives back the memory of the last answer.
    pub(super) fn forget(&mut self) {
        self.inbox = Vec::new();
    }

    /// Whether a connection is open.
    pub(super) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// The body of the last answer.
    pub(super) fn body(&self, answer: &Answer) -> &[u8] {
        &self.inbox[answer.body.clone()]
    }

    /// Sends a message and reads its answer; connects when needed. The connection is closed after an error.
    pub(super) async fn exchange(&mut self, message: &[u8]) -> Result<Answer, HttpError> {
        let limit = self.limit;
        let result = match timeout(limit, self.exchange_untimed(message)).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))),
        };
        if result.is_err() {
            self.close();
        }
        result
    }

    async fn exchange_untimed(&mut self, message: &[u8]) -> Result<Answer, HttpError> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let stream = self.stream.insert(stream);
        stream.write_all(message).await?;
        stream.flush().await?;
        self.inbox.clear();
        let mut searched = 0;
        let head = loop {
            if let Some(end) = find(&self.inbox[searched..], b"\r\n\r\n") {
                break searched + end;
            }
            searched = self.inbox.len().saturating_sub(3);
            if stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(HttpError::Closed("without an answer"));
            }
        };
        let scanned = scan(&self.inbox[..head])?;
        let body = head + 4..head + 4 + scanned.length;
        while self.inbox.len() < body.end {
            if stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(HttpError::Closed("in the middle of a body"));
            }
        }
        if let Some(cookie) = scanned.cookie {
            self.cookie.clear();
            self.cookie.extend_from_slice(&self.inbox[cookie]);
        }
        if scanned.close {
            self.close();
        }
        Ok(Answer { status: scanned.status, body, retry_after: scanned.retry_after })
    }
}

/// Reads status, Content-Length, Set-Cookie, Connection and Retry-After of a head.
fn scan(head: &[u8]) -> Result<Scanned, HttpError> {
    let digits = head.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
    let status = digits.and_then(|code| code.parse().ok());
    let Some(status) = status.filter(|_| head.starts_with(b"HTTP/1.1 ")) else {
        return Err(HttpError::Malformed("status line"));
    };
    let mut scanned = Scanned { status, ..Scanned::default() };
    let mut start = 0;
    for line in head.split(|byte| *byte == b'\n') {
        let begins = |name: &str| line.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes()));
        if begins("content-length:") {
            let text = std::str::from_utf8(&line[15..]).unwrap_or_default();
            scanned.length = text.trim().parse().map_err(|_| HttpError::Malformed("Content-Length"))?;
        } else if begins("set-cookie:") && scanned.cookie.is_none() {
            let skipped = 11 + line[11..].iter().take_while(|byte| **byte == b' ').count();
            let length = line[skipped..].iter().take_while(|byte| !matches!(byte, b';' | b'\r')).count();
            scanned.cookie = Some(start + skipped..start + skipped + length);
        } else if begins("connection:") {
            scanned.close = find(&line.to_ascii_lowercase(), b"close").is_some();
        } else if begins("retry-after:") {
            let text = std::str::from_utf8(&line[12..]).unwrap_or_default();
            scanned.retry_after = text.trim().parse().ok();
        } else if begins("transfer-encoding:") {
            return Err(HttpError::Malformed("a chunked answer, which the load generator does not read"));
        }
        start += line.len() + 1;
    }
    if scanned.length > MAX_ANSWER {
        return Err(HttpError::TooLarge(MAX_ANSWER));
    }
    Ok(scanned)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_head_is_scanned_or_refused(tail in "(\r\n|[!-~ ]|Content-Length:|Set-Cookie:|Connection:){0,20}") {
            let head = format!("HTTP/1.1 200 OK\r\n{tail}");
            if let Ok(scanned) = scan(head.as_bytes()) {
                proptest::prop_assert!(scanned.cookie.is_none_or(|range| range.end <= head.len()));
            }
        }
    }

    #[test]
    fn a_head_is_scanned_for_what_matters() {
        let head = b"HTTP/1.1 200 OK\r\nset-cookie:  s=1; Path=/\r\nSet-Cookie: t=2\r\ncontent-LENGTH: 12\r\nConnection: Close";
        let scanned = scan(head).unwrap();
        assert_eq!((scanned.status, scanned.length, scanned.close), (200, 12, true));
        assert_eq!(&head[scanned.cookie.unwrap()], b"s=1");
        assert_eq!(scan(b"HTTP/1.1 503 Busy\r\nRetry-After: 12\r\n").unwrap().retry_after, Some(12));
        let bare = Scanned { status: 204, ..Scanned::default() };
        assert_eq!(scan(b"HTTP/1.1 204 No Content").unwrap(), bare);
        for wrong in [
            &b"HTTP/1.1"[..],
            b"ICY 200 OK      ",
            b"HTTP/1.1 200 OK\r\nContent-Length: x",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        ] {
            assert!(scan(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}

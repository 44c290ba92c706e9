//! One TCP connection that carries HTTP messages: heads, and bodies in each of their framings.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::HttpError;

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 256 * 1024 * 1024;

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Sync + Unpin> Stream for S {}

/// A connection with what was read ahead and how much went each way.
#[derive(Debug)]
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    /// Bytes received, heads included.
    pub received: u64,
    /// Bytes sent, heads included.
    pub sent: u64,
}

/// The first line and headers of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub first_line: String,
    /// Names as sent, values trimmed.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Parses a head without its empty line.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let mut lines = text.lines();
        let first_line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').ok_or(HttpError::Malformed("header without a colon"))?;
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_, HttpError>>()?;
        Ok(Self { first_line, headers })
    }

    /// The first header of this name in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a comma-separated header has this token.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
    }

    /// The status code of a status line.
    pub fn status(&self) -> Result<u16, HttpError> {
        let mut words = self.first_line.split(' ');
        let version = words.next().unwrap_or_default();
        let code = words.next().and_then(|code| code.parse().ok());
        match code {
            Some(code) if version.starts_with("HTTP/1.") && (100..600).contains(&code) => Ok(code),
            _ => Err(HttpError::Malformed("status line")),
        }
    }
}

impl Connection {
    /// Wraps a connected stream.
    pub fn new(stream: TcpStream) -> Self {
        // Small messages go both ways in turn; waiting to fill packets would only add delay. Without it all works too.
        let _ = stream.set_nodelay(true);
        Self::over(Box::new(stream))
    }

    /// Wraps a stream after its handshake.
    pub fn encrypted(stream: TlsStream<TcpStream>) -> Self {
        Self::over(Box::new(stream))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: BytesMut::new(), received: 0, sent: 0 }
    }

    /// Sends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.stream.write_all(bytes).await?;
        self.sent += bytes.len() as u64;
        Ok(())
    }

    /// Sends a chunked body.
    pub async fn write_chunked(&mut self, body: &[u8], chunk: usize) -> Result<(), HttpError> {
        for part in body.chunks(chunk.max(1)) {
            self.write(format!("{:x}\r\n", part.len()).as_bytes()).await?;
            self.write(part).await?;
            self.write(b"\r\n").await?;
        }
        self.write(b"0\r\n\r\n").await
    }

    /// Reads on; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, HttpError> {
        let count = self.stream.read_buf(&mut self.buffer).await?;
        self.received += count as u64;
        Ok(count > 0)
    }

    /// Reads a head; `None` when the connection ends before its first byte.
    pub async fn read_head(&mut self) -> Result<Option<Head>, HttpError> {
        let mut searched = 0;
        loop {
            if let Some((end, gap)) = head_end(&self.buffer, searched) {
                let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.advance(end + gap);
                return Head::parse(&text).map(Some);
            }
            searched = self.buffer.len().saturating_sub(3);
            if self.buffer.len() > MAX_HEAD {
                return Err(HttpError::TooLarge(MAX_HEAD));
            }
            if !self.fill().await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(HttpError::Closed("in the middle of a head")),
                };
            }
        }
    }

    /// Reads the body that belongs to a head. Without framing headers: until the end of the stream when
    /// `until_close`, else nothing.
    pub async fn read_body(&mut self, head: &Head, until_close: bool) -> Result<Vec<u8>, HttpError> {
        if head.has_token("Transfer-Encoding", "chunked") {
            return self.read_chunked().await;
        }
        if let Some(length) = head.header("Content-Length") {
            let length = length.parse().map_err(|_| HttpError::Malformed("Content-Length"))?;
            return self.take(length).await;
        }
        if !until_close {
            return Ok(Vec::new());
        }
        while self.fill().await? {
            check_size(self.buffer.len())?;
        }
        Ok(self.buffer.split().to_vec())
    }

    async fn read_chunked(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| HttpError::Malformed("chunk size"))?;
            if size == 0 {
                // Trailers, up to an empty line.
                while !self.read_line().await?.is_empty() {}
                return Ok(body);
            }
            check_size(body.len().saturating_add(size))?;
            body.extend_from_slice(&self.take(size).await?);
            if !self.read_line().await?.is_empty() {
                return Err(HttpError::Malformed("chunk longer than its size"));
            }
        }
    }

    async fn read_line(&mut self) -> Result<String, HttpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.buffer[..end]).trim_end().to_owned();
                self.buffer.advance(end + 1);
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(HttpError::TooLarge(MAX_HEAD));
            }
            if !self.fill().await? {
                return Err(HttpError::Closed("in the middle of a body"));
            }
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, HttpError> {
        check_size(length)?;
        while self.buffer.len() < length {
            if !self.fill().await? {
                return Err(HttpError::Closed("in the middle of a body"));
            }
        }
        Ok(self.buffer.split_to(length).to_vec())
    }

    /// Waits until the other side closes, dropping what it sends.
    pub async fn wait_for_close(&mut self) {
        while matches!(self.fill().await, Ok(true)) {
            self.buffer.clear();
        }
    }
}

/// Where the head ends and how long the empty line is, searching from `from`.
fn head_end(buffer: &[u8], from: usize) -> Option<(usize, usize)> {
    (from..buffer.len()).find_map(|at| {
        let rest = &buffer[at..];
        if rest.starts_with(b"\r\n\r\n") {
            Some((at, 4))
        } else if rest.starts_with(b"\n\n") {
            Some((at, 2))
        } else {
            None
        }
    })
}

fn check_size(length: usize) -> Result<(), HttpError> {
    if length > MAX_BODY {
        return Err(HttpError::TooLarge(MAX_BODY));
    }
    Ok(())
}

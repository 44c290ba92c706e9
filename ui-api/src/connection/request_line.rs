//! Repairs the request line before hyper sees it.
//!
//! Many clients of the NBI write JSON into the request target as it is: `GET /devices/?query={"_id":"x"} HTTP/1.1`, some even
//! with spaces. RFC 9112 §3.2 forbids that, and a strict parser refuses the whole request. So bytes that a target may not have
//! are percent-encoded on the way in. To find the next request line on a connection that is kept alive, the framing of
//! messages (RFC 9112 §6) is followed; whenever that is not plain, everything passes unchanged, and hyper decides.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer request lines pass unchanged; hyper refuses them.
const LONGEST_LINE: usize = 64 * 1024;
/// As much of a header line is kept as is needed to know the framing.
const HEADER_START: usize = 256;

/// What comes next in the bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    RequestLine,
    Header,
    /// So many bytes of a body, or of a chunk with its line end.
    Bytes(u64, AfterBytes),
    ChunkSize,
    Trailer,
    /// The framing was not understood: no further repairs.
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum AfterBytes {
    RequestLine,
    ChunkSize,
}

/// How the current request's body ends, as far as its header has told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Length(u64),
    Chunked,
    Unclear,
}

/// Follows the bytes of one connection and repairs its request lines.
#[derive(Debug)]
pub struct Repair {
    expected: Expected,
    framing: Framing,
    /// The line so far; of header lines only the start.
    line: Vec<u8>,
}

impl Default for Repair {
    fn default() -> Repair {
        Repair { expected: Expected::RequestLine, framing: Framing::Length(0), line: Vec::new() }
    }
}

impl Repair {
    /// Takes in received bytes and appends to `output` what hyper shall read. Request lines are held back until they are whole.
    pub fn feed(&mut self, mut input: &[u8], output: &mut BytesMut) {
        while !input.is_empty() {
            let taken = match self.expected {
                Expected::Anything => {
                    output.extend_from_slice(input);
                    input.len()
                }
                Expected::Bytes(left, after) => {
                    let taken = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    output.extend_from_slice(&input[..taken]);
                    let left = left - taken as u64;
                    self.expected = match (left, after) {
                        (0, AfterBytes::RequestLine) => Expected::RequestLine,
                        (0, AfterBytes::ChunkSize) => Expected::ChunkSize,
                        _ => Expected::Bytes(left, after),
                    };
                    taken
                }
                Expected::RequestLine => self.feed_request_line(input, output),
                Expected::Header | Expected::ChunkSize | Expected::Trailer => self.feed_line(input, output),
            };
            input = &input[taken..];
        }
    }

    /// The connection has ended: gives out what was held back.
    pub fn finish(&mut self, output: &mut BytesMut) {
        if self.expected == Expected::RequestLine {
            output.extend_from_slice(&self.line);
            self.line.clear();
        }
        self.expected = Expected::Anything;
    }

    fn feed_request_line(&mut self, input: &[u8], output: &mut BytesMut) -> usize {
        let end = input.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(input.len(), |end| end + 1);
        self.line.extend_from_slice(&input[..taken]);
        if self.line.len() > LONGEST_LINE {
            self.finish(output);
        } else if end.is_some() {
            output.extend_from_slice(&repair_line(&self.line));
            // Empty lines may precede a request (RFC 9112 §2.2).
            if !is_blank(&self.line) {
                self.expected = Expected::Header;
                self.framing = Framing::Length(0);
            }
            self.line.clear();
        }
        taken
    }

    fn feed_line(&mut self, input: &[u8], output: &mut BytesMut) -> usize {
        let end = input.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(input.len(), |end| end + 1);
        output.extend_from_slice(&input[..taken]);
        let room = HEADER_START.saturating_sub(self.line.len());
        self.line.extend_from_slice(&input[..taken.min(room)]);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.expected = match self.expected {
                Expected::Header if is_blank(&line) => self.after_header(),
                Expected::Header => {
                    self.note_framing(&line);
                    Expected::Header
                }
                Expected::ChunkSize => after_chunk_size(&line),
                Expected::Trailer if is_blank(&line) => Expected::RequestLine,
                other => other,
            };
        }
        taken
    }

    fn after_header(&self) -> Expected {
        match self.framing {
            Framing::Length(0) => Expected::RequestLine,
            Framing::Length(length) => Expected::Bytes(length, AfterBytes::RequestLine),
            Framing::Chunked => Expected::ChunkSize,
            Framing::Unclear => Expected::Anything,
        }
    }

    fn note_framing(&mut self, line: &[u8]) {
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = colon.map_or((line, &[][..]), |colon| (&line[..colon], &line[colon + 1..]));
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let is_coding = name.eq_ignore_ascii_case(b"transfer-encoding");
        let value = value.trim_ascii();
        let told = if is_length {
            let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            length.filter(|_| line.len() < HEADER_START).map_or(Framing::Unclear, Framing::Length)
        } else if is_coding {
            if value.eq_ignore_ascii_case(b"chunked") { Framing::Chunked } else { Framing::Unclear }
        } else {
            return;
        };
        // Two statements about the framing: hyper decides what that means.
        self.framing = if self.framing == Framing::Length(0) { told } else { Framing::Unclear };
    }
}

fn after_chunk_size(line: &[u8]) -> Expected {
    let digits: Vec<u8> = line.iter().copied().take_while(u8::is_ascii_hexdigit).collect();
    let size = std::str::from_utf8(&digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match size {
        Some(0) => Expected::Trailer,
        Some(size) => match size.checked_add(2) {
            Some(with_line_end) => Expected::Bytes(with_line_end, AfterBytes::ChunkSize),
            None => Expected::Anything,
        },
        None => Expected::Anything,
    }
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// A request line in which the target has only bytes that it may have. What does not look like a request line stays as it is.
pub fn repair_line(line: &[u8]) -> Cow<'_, [u8]> {
    let unchanged = Cow::Borrowed(line);
    let content = line.strip_suffix(b"\n").unwrap_or(line);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    let line_end = &line[content.len()..];
    // Other control characters are an attack or an accident: hyper shall see them.
    if content.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return unchanged;
    }
    let first_space = content.iter().position(|&byte| byte == b' ');
    let last_space = content.iter().rposition(|&byte| byte == b' ');
    let (Some(first), Some(last)) = (first_space, last_space) else { return unchanged };
    let version = &content[last + 1..];
    if first >= last || !version.starts_with(b"HTTP/") {
        return unchanged;
    }
    let target = content[first..last].trim_ascii();
    if target.is_empty() || (target.iter().all(|&byte| is_allowed(byte)) && target.len() == last - first - 1) {
        return unchanged;
    }
    let mut repaired = Vec::with_capacity(line.len() + 64);
    repaired.extend_from_slice(&content[..=first]);
    let authority = authority_length(target);
    repaired.extend_from_slice(&target[..authority]);
    for &byte in &target[authority..] {
        if is_allowed(byte) {
            repaired.push(byte);
        } else {
            repaired.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
        }
    }
    repaired.push(b' ');
    repaired.extend_from_slice(version);
    repaired.extend_from_slice(line_end);
    Cow::Owned(repaired)
}

/// The length of `http://host:port` at the start of a target in absolute form, where brackets are no mistake.
fn authority_length(target: &[u8]) -> usize {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    for scheme in schemes {
        if target.len() >= scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme) {
            let rest = &target[scheme.len()..];
            let length = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
            return scheme.len() + length;
        }
    }
    0
}

/// The bytes of `pchar`, `/`, `?` and `%` (RFC 3986 §3.3, §3.4).
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

/// A connection whose request lines are repaired as they are read.
#[derive(Debug)]
pub struct RepairingStream<S> {
    inner: S,
    repair: Repair,
    ready: BytesMut,
    ended: bool,
}

impl<S> RepairingStream<S> {
    /// A connection from its beginning.
    pub fn new(inner: S) -> RepairingStream<S> {
        RepairingStream { inner, repair: Repair::default(), ready: BytesMut::new(), ended: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RepairingStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.ready.is_empty() && !this.ended {
            let mut received = [0; 8 * 1024];
            let mut received = ReadBuf::new(&mut received);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut received))?;
            if received.filled().is_empty() {
                this.ended = true;
                this.repair.finish(&mut this.ready);
            } else {
                this.repair.feed(received.filled(), &mut this.ready);
            }
        }
        let length = this.ready.len().min(buffer.remaining());
        buffer.put_slice(&this.ready[..length]);
        this.ready.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RepairingStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(line: &str) -> String {
        String::from_utf8(repair_line(line.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn targets_are_repaired() {
        let cases = [
            ("GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n"),
            (
                "GET /devices/?query={\"_id\":\"x\"} HTTP/1.1\r\n",
                "GET /devices/?query=%7B%22_id%22:%22x%22%7D HTTP/1.1\r\n",
            ),
            ("GET /d?q={\"a\": 1} HTTP/1.1\r\n", "GET /d?q=%7B%22a%22:%201%7D HTTP/1.1\r\n"),
            ("GET  /d?q=[]  HTTP/1.0\n", "GET /d?q=%5B%5D HTTP/1.0\n"),
            ("GET /d?q=a\tb#c HTTP/1.1\r\n", "GET /d?q=a%09b%23c HTTP/1.1\r\n"),
            ("GET /d?q=é|^`<>\\ HTTP/1.1\r\n", "GET /d?q=%C3%A9%7C%5E%60%3C%3E%5C HTTP/1.1\r\n"),
            ("GET /d?q=%7B%25 HTTP/1.1\r\n", "GET /d?q=%7B%25 HTTP/1.1\r\n"),
            ("GET http://[::1]:7557/d?q={} HTTP/1.1\r\n", "GET http://[::1]:7557/d?q=%7B%7D HTTP/1.1\r\n"),
            // Not request lines, or not ours to mend.
            ("GET /d?q={}\r\n", "GET /d?q={}\r\n"),
            ("GET /d?q={\0} HTTP/1.1\r\n", "GET /d?q={\0} HTTP/1.1\r\n"),
            ("nonsense\r\n", "nonsense\r\n"),
            ("GET HTTP/1.1\r\n", "GET HTTP/1.1\r\n"),
            ("\r\n", "\r\n"),
        ];
        for (line, expected) in cases {
            assert_eq!(repaired(line), expected);
        }
    }

    fn pass(input: &[u8], pieces: &[usize]) -> Vec<u8> {
        let mut repair = Repair::default();
        let mut output = BytesMut::new();
        let mut rest = input;
        for &piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at(piece.clamp(1, rest.len().max(1)).min(rest.len()));
            repair.feed(now, &mut output);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        repair.finish(&mut output);
        output.to_vec()
    }

    #[test]
    fn bodies_are_left_alone_and_the_next_line_is_found() {
        let line = "POST /?{} HTTP/1.1\r\n";
        let mended = "POST /?%7B%7D HTTP/1.1\r\n";
        let body_like = "GET /?{} HTTP/1.1\r\n";
        let with_length = format!("content-LENGTH: {}\r\nA: b\r\n\r\n{body_like}", body_like.len());
        let chunked =
            format!("Transfer-Encoding: chunked\r\n\r\n{:x};x=y\r\n{body_like}\r\n0\r\nT: u\r\n\r\n", body_like.len());
        let none = "Host: h\r\n\r\n".to_owned();
        let messages = [with_length, chunked, none];
        let input: String = messages.iter().map(|rest| format!("{line}{rest}")).collect();
        let expected: String = messages.iter().map(|rest| format!("{mended}{rest}")).collect();
        for piece in 1..=input.len() {
            assert_eq!(String::from_utf8(pass(input.as_bytes(), &[piece])).unwrap(), expected);
        }
    }

    #[test]
    fn unclear_framing_ends_the_repairs() {
        let headers = [
            "Content-Length: 1\r\nContent-Length: 1",
            "Transfer-Encoding: gzip",
            "Content-Length: x",
            "Content-Length: 1, 1",
        ];
        for header in headers {
            let rest = format!("{header}\r\n\r\nGET /?{{}} HTTP/1.1\r\n\r\n");
            let input = format!("POST / HTTP/1.1\r\n{rest}");
            assert_eq!(pass(input.as_bytes(), &[7]), input.as_bytes());
        }
        let endless = vec![b'{'; LONGEST_LINE + 10];
        assert_eq!(pass(&endless, &[4_000]), endless);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            input in "((GET|POST) /[{}\" a]{0,5} HTTP/1.1\r\n|Content-Length: [0-9]{1,2}\r\n|\r\n|[a-f0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n|.{0,8}){0,20}",
            pieces in prop::collection::vec(1usize..20, 1..8),
        ) {
            prop_assert_eq!(pass(input.as_bytes(), &pieces), pass(input.as_bytes(), &[usize::MAX]));
        }

        #[test]
        fn a_repaired_line_stays_as_it_is(target in "[ -~é]{0,40}") {
            let once = repair_line(format!("GET /{target} HTTP/1.1\r\n").as_bytes()).into_owned();
            prop_assert_eq!(repair_line(&once).into_owned(), once);
        }
    }
}

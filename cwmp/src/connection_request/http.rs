//! Connection requests over HTTP (TR-069 §3.2.2).
//!
//! The servers inside devices are worse than their clients: header names matter to the letter, challenges come folded, without
//! commas or without an end, answers are cut off. So this has a reader of its own instead of an HTTP library: lenient in what it
//! reads, exact in what it sends. Redirects are not followed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::challenge::{self, Challenge};
use super::reply::{self, Reply};
use super::target::ConnectionRequestTarget;
use super::{AddressPolicy, ConnectionRequestError, Credentials, Silence};

/// An answer's head is read up to this size.
const MAX_HEAD: usize = 16 * 1024;
/// A body up to this size is read, so that the connection can be used again.
const MAX_BODY: usize = 64 * 1024;
/// How long a device that keeps the connection open without ending its answer is listened to.
const QUIET: Duration = Duration::from_millis(500);
/// Addresses that are tried, at most.
const MAX_ADDRESSES: usize = 6;
/// How long one address is waited for before the next is tried beside it (RFC 8305 §8).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// How a device is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long each exchange may take.
    pub timeout: Duration,
    /// Whether the password may go over the wire as it is, when the device asks for Basic.
    pub allow_basic: bool,
}

/// What a device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It will begin a session.
    Accepted,
    /// It wants credentials, or others.
    Unauthorized,
}

/// A connection request, with as many exchanges as credentials need.
#[derive(Debug)]
pub struct HttpRequest {
    target: ConnectionRequestTarget,
    addresses: Vec<SocketAddr>,
    options: HttpOptions,
    /// Kept by the device after the last answer.
    stream: Option<TcpStream>,
    challenges: Vec<Challenge>,
}

impl HttpRequest {
    /// Reads the URL and resolves its name, once: what is checked is what is connected to, so a name cannot mean two things.
    ///
    /// # Errors
    /// What is wrong with the URL, or why its addresses are refused.
    pub async fn prepare(
        url: &str,
        policy: &AddressPolicy,
        options: HttpOptions,
    ) -> Result<HttpRequest, ConnectionRequestError> {
        let target = ConnectionRequestTarget::parse(url)?;
        let found = resolve(&target, options.timeout).await.map_err(ConnectionRequestError::Offline)?;
        let mut refusal = ConnectionRequestError::Offline(Silence::UnknownName);
        let mut addresses = Vec::new();
        for address in found {
            match policy.check(address) {
                Ok(()) => addresses.push(address),
                Err(error) => refusal = error,
            }
        }
        if addresses.is_empty() {
            return Err(refusal);
        }
        let addresses = interleaved(addresses);
        Ok(HttpRequest { target, addresses, options, stream: None, challenges: Vec::new() })
    }

    /// Where the request goes: the first address that answers.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Asks without credentials.
    ///
    /// # Errors
    /// Why the device does not accept.
    pub async fn ask(&mut self) -> Result<Verdict, ConnectionRequestError> {
        self.verdict(None).await
    }

    /// Asks with credentials, after a challenge. When the device drops the connection meanwhile, it is asked once more.
    ///
    /// # Errors
    /// Why the device does not accept.
    pub async fn present(&mut self, credentials: &Credentials) -> Result<Verdict, ConnectionRequestError> {
        let challenge = challenge::strongest(&self.challenges);
        let header = match challenge {
            Some(Challenge::Basic) if !self.options.allow_basic => return Err(ConnectionRequestError::BasicNotAllowed),
            Some(challenge) => challenge.answer(credentials, "GET", &self.target.path),
            None if self.challenges.is_empty() || self.challenges.contains(&Challenge::Unreadable) => {
                return Err(ConnectionRequestError::UnreadableChallenge);
            }
            None => None,
        };
        let header = header.ok_or(ConnectionRequestError::UnknownMethod)?;
        match self.verdict(Some(&header)).await {
            Err(ConnectionRequestError::Offline(Silence::Dropped)) => self.verdict(Some(&header)).await,
            verdict => verdict,
        }
    }

    async fn verdict(&mut self, authorization: Option<&str>) -> Result<Verdict, ConnectionRequestError> {
        let reply = self.exchange(authorization).await?;
        match reply.status {
            200 | 204 => Ok(Verdict::Accepted),
            401 => {
                self.challenges = challenge::parse(&reply.challenges);
                Ok(Verdict::Unauthorized)
            }
            503 => Err(ConnectionRequestError::Offline(Silence::Busy)),
            other => Err(ConnectionRequestError::UnexpectedStatus(other)),
        }
    }

    /// Sends one request and reads the answer, on the connection that was kept if there is one.
    async fn exchange(&mut self, authorization: Option<&str>) -> Result<Reply, ConnectionRequestError> {
        let mut head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", self.target.path, self.target.authority);
        if let Some(authorization) = authorization {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        let deadline = Instant::now() + self.options.timeout;
        if let Some(stream) = self.stream.take() {
            // It may have been closed meanwhile: then nothing comes back, and a new one is opened.
            match self.exchange_on(stream, &head, deadline).await {
                Err(ConnectionRequestError::Offline(Silence::Dropped)) => {}
                other => return other,
            }
        }
        let stream = timeout_at(deadline, connect(&self.addresses)).await;
        let stream = stream.unwrap_or(Err(Silence::TimedOut)).map_err(ConnectionRequestError::Offline)?;
        self.exchange_on(stream, &head, deadline).await
    }

    async fn exchange_on(
        &mut self,
        mut stream: TcpStream,
        head: &str,
        deadline: Instant,
    ) -> Result<Reply, ConnectionRequestError> {
        let offline = |silence| ConnectionRequestError::Offline(silence);
        let sent = timeout_at(deadline, stream.write_all(head.as_bytes())).await;
        sent.map_err(|_| offline(Silence::TimedOut))?.map_err(|error| offline(Silence::from(&error)))?;
        let (bytes, silence) = read_head(&mut stream, deadline).await;
        if bytes.is_empty() {
            return Err(offline(silence));
        }
        let reply = reply::parse_reply(&bytes)?;
        let behind = reply::head_length(&bytes).map_or(0, |length| bytes.len() - length);
        if let Some(length) = reply.reusable_after.filter(|length| *length <= MAX_BODY && behind <= *length) {
            let mut rest = vec![0; length - behind];
            if timeout(QUIET, stream.read_exact(&mut rest)).await.is_ok_and(|read| read.is_ok()) {
                self.stream = Some(stream);
            }
        }
        Ok(reply)
    }
}

async fn resolve(target: &ConnectionRequestTarget, limit: Duration) -> Result<Vec<SocketAddr>, Silence> {
    match timeout(limit, lookup_host((target.host.as_str(), target.port))).await {
        Ok(Ok(found)) => Ok(found.take(MAX_ADDRESSES).collect()),
        Ok(Err(_)) => Err(Silence::UnknownName),
        Err(_) => Err(Silence::TimedOut),
    }
}

/// Reads to the end of the headers, the end of the connection, or a silence behind the first line. Also why it ended.
async fn read_head(stream: &mut TcpStream, deadline: Instant) -> (Vec<u8>, Silence) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let until = if reply::has_status(&bytes) { deadline.min(Instant::now() + QUIET) } else { deadline };
        let count = match timeout_at(until, stream.read(&mut buffer)).await {
            Ok(Ok(count)) => count,
            Ok(Err(error)) => return (bytes, Silence::from(&error)),
            Err(_) => return (bytes, Silence::TimedOut),
        };
        bytes.extend_from_slice(&buffer[..count]);
        if count == 0 || reply::head_length(&bytes).is_some() || bytes.len() >= MAX_HEAD {
            return (bytes, Silence::Dropped);
        }
    }
}

/// Families in turn, beginning with the first address's (RFC 8305 §4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut out = Vec::new();
    loop {
        let pair = (one.next(), other.next());
        out.extend(pair.0.into_iter().chain(pair.1));
        if pair == (None, None) {
            return out;
        }
    }
}

/// Connects to the first address that takes the connection: each is tried when the one before has failed or is slow.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Silence> {
    let mut waiting = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut silence = Silence::Unreachable;
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            attempts.spawn(TcpStream::connect(address));
        }
        let ended = match (next, waiting.len()) {
            (None, _) if attempts.is_empty() => return Err(silence),
            // Another is to be tried after a while.
            (_, more) if more > 0 => timeout(NEXT_ADDRESS, attempts.join_next()).await.unwrap_or(None),
            _ => attempts.join_next().await,
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => silence = Silence::from(&error),
            Some(Err(_)) | None => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(connect(&[closed, open]).await.unwrap().peer_addr().unwrap(), open);
        assert_eq!(connect(&[closed, closed]).await.unwrap_err(), Silence::Refused);
    }

    #[test]
    fn families_take_turns() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = addresses(&["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1", "192.0.2.2:1"]);
        let expected = addresses(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1"]);
        assert_eq!(interleaved(given), expected);
    }
}

//! A connection's state: which session it stands for, and how long it may stay as it is.
//!
//! Time is kept by phase. A silent connection may be so for as long as its session may; from a request's first byte its head must
//! come quickly; while the server has the turn there is no limit here (bodies and sessions have their own).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tls::ClientCertificate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::listener::ListenerPolicy;
use crate::sessions::LiveSession;

/// One connection.
pub(crate) struct Connection {
    /// Tells it from all others since the start.
    pub(crate) id: u64,
    pub(crate) policy: Arc<ListenerPolicy>,
    /// The peer's address.
    pub(crate) address: IpAddr,
    /// The address as text.
    pub(crate) remote: Arc<str>,
    pub(crate) is_encrypted: bool,
    /// The peer's, when it has shown one.
    pub(crate) certificate: Option<ClientCertificate>,
    /// How often the peer was asked for credentials in a row.
    challenges: AtomicU32,
    session: Mutex<Weak<LiveSession>>,
    started: Instant,
    /// Milliseconds since `started`; [`NEVER`] while the server has the turn.
    deadline: AtomicU64,
    /// Nothing of the next request has come.
    is_idle: AtomicBool,
    /// The peer will send no more.
    is_half_closed: AtomicBool,
    header_time: Duration,
}

const NEVER: u64 = u64::MAX;

/// Who is at the other end of a connection, and where it came to.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) policy: Arc<ListenerPolicy>,
    pub(crate) is_encrypted: bool,
    pub(crate) certificate: Option<ClientCertificate>,
}

impl Connection {
    pub(crate) fn new(peer: Peer, idle_time: Duration, header_time: Duration) -> Connection {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        let address = peer.address.ip().to_canonical();
        let connection = Connection {
            id: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            policy: peer.policy,
            address,
            remote: address.to_string().into(),
            is_encrypted: peer.is_encrypted,
            certificate: peer.certificate,
            challenges: AtomicU32::new(0),
            session: Mutex::default(),
            started: Instant::now(),
            deadline: AtomicU64::new(NEVER),
            is_idle: AtomicBool::new(true),
            is_half_closed: AtomicBool::new(false),
            header_time,
        };
        connection.set_idle(idle_time);
        connection
    }

    /// The session that was spoken of last.
    pub(crate) fn session(&self) -> Option<Arc<LiveSession>> {
        self.session.lock().upgrade()
    }

    pub(crate) fn bind(&self, live: &Arc<LiveSession>) {
        live.set_connection(self.id);
        *self.session.lock() = Arc::downgrade(live);
    }

    /// The connection stands for a session no more.
    pub(crate) fn unbind(&self) {
        *self.session.lock() = Weak::new();
    }

    /// The peer is asked for credentials. Returns how often that was in a row.
    pub(crate) fn count_challenge(&self) -> u32 {
        self.challenges.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// The peer has given credentials.
    pub(crate) fn forget_challenges(&self) {
        self.challenges.store(0, Ordering::Relaxed);
    }

    /// A plain connection that nothing comes through.
    #[cfg(test)]
    pub(crate) fn test(address: SocketAddr, policy: ListenerPolicy) -> Connection {
        let peer = Peer { address, policy: policy.into(), is_encrypted: false, certificate: None };
        Connection::new(peer, Duration::from_secs(1), Duration::from_secs(1))
    }

    /// The server has the turn.
    pub(crate) fn set_busy(&self) {
        self.is_idle.store(false, Ordering::Relaxed);
        self.deadline.store(NEVER, Ordering::Relaxed);
    }

    /// The peer has the turn: to take the answer, and to send the next request's first byte.
    pub(crate) fn set_idle(&self, time: Duration) {
        self.deadline.store(self.after(time), Ordering::Relaxed);
        self.is_idle.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_half_closed(&self) -> bool {
        self.is_half_closed.load(Ordering::Relaxed)
    }

    /// When the connection is to be closed as things stand.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Ordering::Relaxed) {
            NEVER => None,
            milliseconds => Some(self.started + Duration::from_millis(milliseconds)),
        }
    }

    fn bytes_came(&self, count: usize) {
        if count == 0 {
            self.is_half_closed.store(true, Ordering::Relaxed);
        } else if self.is_idle.swap(false, Ordering::Relaxed) {
            self.deadline.store(self.after(self.header_time), Ordering::Relaxed);
        }
    }

    fn after(&self, time: Duration) -> u64 {
        let milliseconds = (self.started.elapsed().saturating_add(time)).as_millis();
        // Far enough, and no overflow of Instant.
        milliseconds.min(u128::from(u32::MAX)) as u64
    }
}

/// A stream that tells its connection when bytes come.
pub(crate) struct Observed<S> {
    pub(crate) stream: S,
    pub(crate) connection: Arc<Connection>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if room > 0 && matches!(result, Poll::Ready(Ok(()))) {
            self.connection.bytes_came(buffer.filled().len() - before);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! How much and how long: every bound that the endpoint keeps. A breach is an answer (400, 408, 413, 503) or a closed connection,
//! never more memory.

use std::time::Duration;

use crate::encoding::BodyLimits;

/// The endpoint's bounds. The defaults suit a server with some tens of thousands of devices.
#[derive(Debug, Clone)]
pub struct EndpointLimits {
    /// Open connections. Further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Sessions at a time. Further Informs are answered with 503; running sessions go on.
    pub max_sessions: usize,
    /// How long the first answer of a new session may have to wait for a thread. When the work that waits takes longer, Informs
    /// are answered with 503, those of costly kinds from a part of it on.
    pub max_queue_time: Duration,
    /// Work that running sessions are still owed, as time of each thread. When they are owed more, Informs are answered with 503. As
    /// long as sessions last no longer than this, it keeps no thread idle.
    pub max_promised_time: Duration,
    /// Sessions that are over but not written yet. With more of them Informs are answered with 503.
    pub max_unwritten: usize,
    /// The shortest `Retry-After` of a 503. Chance adds up to a half.
    pub retry_after: Duration,
    /// The longest, before chance. In between it is as long as the server needs for those that were refused before.
    pub max_retry_after: Duration,
    /// From a connection to the end of its TLS handshake.
    pub handshake_time: Duration,
    /// A request's head, in bytes; at least 8,192.
    pub max_head: usize,
    /// Header fields of a request.
    pub max_headers: usize,
    /// From a request's first byte to the end of its head.
    pub header_time: Duration,
    /// Bodies, plain and decompressed.
    pub body: BodyLimits,
    /// How long a body may take, however short it is.
    pub body_time: Duration,
    /// Bytes per second by which a long body may take longer than [`EndpointLimits::body_time`].
    pub body_rate: usize,
    /// Bytes of all bodies that are being received. A body that finds no room is answered with 503.
    pub body_memory: usize,
    /// How long a connection without a session may be silent. One with a session may be as long as the session's timeout.
    pub idle_time: Duration,
    /// The longest session timeout that a device's SessionTimeout header can ask for.
    pub max_session_timeout: Duration,
    /// How long extension calls may hold up one answer: less than what devices wait (about 30 s).
    pub extension_time: Duration,
    /// How long running requests may take after the shutdown has begun.
    pub shutdown_time: Duration,
    /// Whether a connection stands for its session when a device returns no cookie. To be switched off behind a proxy that
    /// sends requests of several devices over one connection.
    pub connection_sessions: bool,
    /// Whether sessions whose connection is gone are kept in the store, so that they go on on whichever node shares it.
    pub shared_sessions: bool,
}

impl Default for EndpointLimits {
    fn default() -> EndpointLimits {
        EndpointLimits {
            max_connections: 20_000,
            max_sessions: 100_000,
            max_queue_time: Duration::from_secs(1),
            max_promised_time: Duration::from_secs(20),
            max_unwritten: 4_000,
            retry_after: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(600),
            handshake_time: Duration::from_secs(10),
            max_head: 64 * 1024,
            max_headers: 100,
            header_time: Duration::from_secs(10),
            body: BodyLimits::default(),
            body_time: Duration::from_secs(30),
            body_rate: 4 * 1024,
            body_memory: 512 * 1024 * 1024,
            idle_time: Duration::from_secs(30),
            max_session_timeout: Duration::from_secs(3_600),
            extension_time: Duration::from_secs(25),
            shutdown_time: Duration::from_secs(10),
            connection_sessions: true,
            shared_sessions: false,
        }
    }
}

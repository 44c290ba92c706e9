//! What the endpoint counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::repairs::RepairBook;

use serde::Serialize;

/// Counters since the start. All only grow but [`CwmpStatistics::live_sessions`], [`CwmpStatistics::unwritten_sessions`] and
/// [`CwmpStatistics::connections`].
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CwmpStatistics {
    /// Open connections now.
    pub connections: AtomicU64,
    /// HTTP requests.
    pub requests: AtomicU64,
    /// TLS handshakes that came to nothing; connections that were closed without a byte are not among them.
    pub handshake_failures: AtomicU64,
    /// Requests that were answered with 401.
    pub challenges: AtomicU64,
    /// Informs with wrong credentials.
    pub authentication_failures: AtomicU64,
    /// Requests and Informs that were refused for want of room (503).
    pub refused: AtomicU64,
    /// Bodies that could not be read: size, compression, character set, XML, SOAP.
    pub unreadable: AtomicU64,
    /// Sessions now.
    pub live_sessions: AtomicU64,
    /// Sessions that are over and are being written.
    pub unwritten_sessions: AtomicU64,
    /// Sessions that began.
    pub sessions_started: AtomicU64,
    /// Sessions that came to their end.
    pub sessions_finished: AtomicU64,
    /// Sessions that were broken off, timeouts among them.
    pub sessions_failed: AtomicU64,
    /// Sessions whose device fell silent.
    pub session_timeouts: AtomicU64,
    /// Sessions whose changes could not be written.
    pub commit_failures: AtomicU64,
    /// Requests sent to devices.
    pub acs_requests: AtomicU64,
    /// Calls of devices: Inform, TransferComplete and so on.
    pub cpe_requests: AtomicU64,
    /// Faults that devices answered.
    pub cpe_faults: AtomicU64,
    /// Requests that were left unanswered, or answered with something else.
    pub unanswered: AtomicU64,
    /// What had to be forgiven in messages, per model.
    #[serde(skip)]
    pub repairs: RepairBook,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Takes one away.
pub(crate) fn uncount(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}

//! What the endpoint counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::counts::{Durations, NamedCounts};
use crate::repairs::RepairBook;

/// Methods of the ACS (TR-069 §A.3, §A.4).
const ACS_METHODS: &[&str] = &[
    "GetRPCMethods",
    "GetParameterNames",
    "GetParameterValues",
    "SetParameterValues",
    "GetParameterAttributes",
    "SetParameterAttributes",
    "AddObject",
    "DeleteObject",
    "Download",
    "Reboot",
    "FactoryReset",
    "Upload",
    "ScheduleInform",
    "ScheduleDownload",
    "CancelTransfer",
    "GetQueuedTransfers",
    "GetAllQueuedTransfers",
    "ChangeDUState",
    "SetVouchers",
    "GetOptions",
];

/// Methods of the CPE.
const CPE_METHODS: &[&str] = &[
    "Inform",
    "TransferComplete",
    "AutonomousTransferComplete",
    "DUStateChangeComplete",
    "AutonomousDUStateChangeComplete",
    "RequestDownload",
    "Kicked",
    "GetRPCMethods",
];

/// Fault codes of the CPE (TR-069 §A.5.1).
const FAULT_CODES: &[&str] = &[
    "9000", "9001", "9002", "9003", "9004", "9005", "9006", "9007", "9008", "9009", "9010", "9011", "9012", "9013",
    "9014", "9015", "9016", "9017", "9018", "9019", "9020", "9021", "9022", "9023", "9024", "9025", "9026", "9027",
    "9028", "9029", "9030", "9031", "9032",
];

/// Kinds of events that sessions bring about.
const EVENTS: &[&str] = &[
    "device.registered",
    "fault.created",
    "fault.cleared",
    "task.queued",
    "task.in_session",
    "task.done",
    "task.faulted",
    "task.accepted",
    "task.unknown",
    "task.expired",
    "task.cancelled",
    "transfer.requested",
    "transfer.completed",
    "transfer.failed",
    "transfer.cancelled",
    "transfer.autonomous",
];

/// Counters since the start. All only grow but [`CwmpStatistics::live_sessions`], [`CwmpStatistics::unwritten_sessions`] and
/// [`CwmpStatistics::connections`].
#[derive(Debug, Serialize)]
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
    /// Sessions that were kept in the store for whichever node their device comes to.
    pub sessions_suspended: AtomicU64,
    /// Kept sessions that went on here.
    pub sessions_resumed: AtomicU64,
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
    /// Requests sent to devices, by method.
    #[serde(skip)]
    pub acs_methods: NamedCounts,
    /// Calls of devices, by method.
    #[serde(skip)]
    pub cpe_methods: NamedCounts,
    /// Faults that devices answered, by code.
    #[serde(skip)]
    pub fault_codes: NamedCounts,
    /// Events that sessions brought about, by kind; counted when they are written.
    #[serde(skip)]
    pub events: NamedCounts,
    /// How long sessions took, until what they changed was written.
    #[serde(skip)]
    pub durations: Durations,
    /// What had to be forgiven in messages, per model.
    #[serde(skip)]
    pub repairs: RepairBook,
}

impl Default for CwmpStatistics {
    fn default() -> CwmpStatistics {
        let zero = || AtomicU64::new(0);
        CwmpStatistics {
            connections: zero(),
            requests: zero(),
            handshake_failures: zero(),
            challenges: zero(),
            authentication_failures: zero(),
            refused: zero(),
            unreadable: zero(),
            live_sessions: zero(),
            unwritten_sessions: zero(),
            sessions_started: zero(),
            sessions_suspended: zero(),
            sessions_resumed: zero(),
            sessions_finished: zero(),
            sessions_failed: zero(),
            session_timeouts: zero(),
            commit_failures: zero(),
            acs_requests: zero(),
            cpe_requests: zero(),
            cpe_faults: zero(),
            unanswered: zero(),
            acs_methods: NamedCounts::new(ACS_METHODS),
            cpe_methods: NamedCounts::new(CPE_METHODS),
            fault_codes: NamedCounts::new(FAULT_CODES),
            events: NamedCounts::new(EVENTS),
            durations: Durations::default(),
            repairs: RepairBook::default(),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Takes one away.
pub(crate) fn uncount(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}

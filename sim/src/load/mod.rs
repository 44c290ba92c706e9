//! The load generator: as many sessions as the server can take, at the least cost on this side.
//!
//! A `quiet` session is Inform, empty POST, 204. A `read` session answers whatever the server asks from one shared
//! model, each distinct question rendered once. Messages are pre-rendered with places for serial number, sequence and
//! time; of the answers only status, Content-Length and Set-Cookie are looked at. No two sessions of one device run
//! at a time. A storm ([`storm()`]) is the same sessions, but of devices that all want one at about the same time and come again when
//! they are refused. Real devices, with state of their own, are in `cpe` and `fleet`.

mod answers;
mod histogram;
mod storm;
mod template;
mod wire;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::http::{HttpError, TlsOptions};
use crate::model::{Identity, ModelKind};
use histogram::Histogram;
pub use storm::{Held, StormOptions, StormReport, hold, storm};
use worker::{Plan, Worker};

/// What a session does after Inform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadKind {
    /// Nothing is expected of the device; a request of the server is an error.
    #[default]
    Quiet,
    /// Requests of the server are answered from the model; nothing that it sets is kept.
    Read,
}

/// What load to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadOptions {
    /// URL of the ACS.
    pub url: String,
    /// What sessions do.
    pub kind: LoadKind,
    /// Connections at the same time, each with one session at a time; no more than devices.
    pub connections: u32,
    /// Stop after this many sessions; none: only `duration_milliseconds` or the stop token ends the run.
    pub sessions: Option<u64>,
    /// Stop after this time, in milliseconds.
    pub duration_milliseconds: Option<u64>,
    /// Number of devices, which take turns.
    pub devices: u64,
    /// Number of the first device.
    pub first_serial: u64,
    /// Manufacturer, OUI and product class; its serial number is the text before the eight-digit device number.
    pub identity: Identity,
    /// Kind of the data model.
    pub model: ModelKind,
    /// Number of parameters of the data model.
    pub parameters: usize,
    /// Seed of the data model.
    pub seed: u64,
    /// Event of each Inform.
    pub event: String,
    /// Put the session's sequence number into DeviceInfo.ProvisioningCode of the Inform, as ten digits.
    pub stamp: bool,
    /// A new connection for each session.
    pub reconnect: bool,
    /// For an `https` URL. A new connection takes up the TLS session of the one that it replaces.
    pub tls: TlsOptions,
    /// User name for Basic authentication, sent unasked; empty is none.
    pub username: String,
    /// Password for Basic authentication.
    pub password: String,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_milliseconds: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:7547/".into(),
            kind: LoadKind::Quiet,
            connections: 64,
            sessions: Some(10_000),
            duration_milliseconds: None,
            devices: 1_000,
            first_serial: 1,
            identity: Identity { serial_number: "LOAD".into(), ..Identity::default() },
            model: ModelKind::Tr098,
            parameters: 200,
            seed: 1,
            event: "2 PERIODIC".into(),
            stamp: false,
            reconnect: false,
            tls: TlsOptions::default(),
            username: String::new(),
            password: String::new(),
            timeout_milliseconds: 30_000,
        }
    }
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Connecting, sending or reading failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Another status than expected at this step.
    #[error("HTTP status {status} in answer to {step}")]
    Status {
        /// The status.
        status: u16,
        /// `Inform`, `empty` or `response`.
        step: &'static str,
        /// `Retry-After` in seconds.
        retry_after: Option<u64>,
    },
    /// The server asked for something in a quiet session, or something unreadable.
    #[error("the server sent {0}")]
    Unexpected(String),
}

/// One session's result.
#[derive(Debug)]
pub struct SessionOutcome<'a> {
    /// The device's serial number.
    pub serial_number: &'a str,
    /// The session's number in this run, from 1; in the Inform when `stamp` is set.
    pub sequence: u64,
    /// Requests of the server that were answered.
    pub answered: u32,
    /// From the first byte sent to the last answer.
    pub duration: Duration,
    /// Why the session failed; `None` when the last answer (204) arrived.
    pub error: Option<LoadError>,
}

impl SessionOutcome<'_> {
    /// Whether the last answer arrived: from now on the server must not lose what the session told it.
    pub fn acknowledged(&self) -> bool {
        self.error.is_none()
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Sessions whose last answer arrived.
    pub acknowledged: u64,
    /// Sessions that failed.
    pub failed: u64,
    /// Requests answered in `read` sessions.
    pub answered: u64,
    /// TLS handshakes.
    pub handshakes: u64,
    /// Those that took up an earlier TLS session.
    pub resumed: u64,
    /// Length of the run in seconds.
    pub seconds: f64,
    /// Acknowledged sessions per second.
    pub sessions_per_second: f64,
    /// Median session length in milliseconds.
    pub p50_milliseconds: f64,
    /// 99th percentile.
    pub p99_milliseconds: f64,
    /// Longest.
    pub max_milliseconds: f64,
    /// The first few errors.
    pub errors: Vec<String>,
}

/// Most errors kept in a report.
const MOST_ERRORS: usize = 10;

/// Makes load until the options' end or `stop`, and tells `on_session` each session's result from the workers' tasks.
pub async fn run<F>(options: LoadOptions, stop: CancellationToken, on_session: F) -> Result<LoadReport, HttpError>
where
    F: Fn(&SessionOutcome<'_>) + Send + Sync + 'static,
{
    let connections = u64::from(options.connections).clamp(1, options.devices.max(1));
    let duration = options.duration_milliseconds.map(Duration::from_millis);
    let plan = Arc::new(Plan::new(options, connections)?);
    let on_session = Arc::new(on_session);
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let deadline = duration.map(|duration| begun + duration);
    let mut tasks = JoinSet::new();
    for index in 0..connections {
        let worker = Worker::new(Arc::clone(&plan), index);
        tasks.spawn(worker.work(Arc::clone(&next), deadline, stop.clone(), Arc::clone(&on_session)));
    }
    let mut total = Tally::default();
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(tally) => total.add(tally),
            Err(error) => tracing::error!(%error, "load worker ended abnormally"),
        }
    }
    Ok(total.report(begun.elapsed()))
}

/// What one worker counts.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    failed: u64,
    answered: u64,
    handshakes: u64,
    resumed: u64,
    durations: Histogram,
    errors: Vec<String>,
}

impl Tally {
    fn count(&mut self, outcome: &SessionOutcome<'_>) {
        self.answered += u64::from(outcome.answered);
        match &outcome.error {
            None => {
                self.acknowledged += 1;
                self.durations.add(outcome.duration);
            }
            Some(error) => {
                self.failed += 1;
                if self.errors.len() < MOST_ERRORS {
                    self.errors.push(format!("{}: {error}", outcome.serial_number));
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.answered += other.answered;
        self.handshakes += other.handshakes;
        self.resumed += other.resumed;
        self.durations.merge(&other.durations);
        self.errors.extend(other.errors);
        self.errors.truncate(MOST_ERRORS);
    }

    #[allow(clippy::cast_precision_loss)] // Counts of sessions are far below 2^52.
    fn report(self, elapsed: Duration) -> LoadReport {
        let seconds = elapsed.as_secs_f64();
        let milliseconds = |quantile| self.durations.quantile(quantile).as_secs_f64() * 1_000.0;
        LoadReport {
            acknowledged: self.acknowledged,
            failed: self.failed,
            answered: self.answered,
            handshakes: self.handshakes,
            resumed: self.resumed,
            seconds,
            sessions_per_second: self.acknowledged as f64 / seconds.max(f64::EPSILON),
            p50_milliseconds: milliseconds(0.5),
            p99_milliseconds: milliseconds(0.99),
            max_milliseconds: milliseconds(1.0),
            errors: self.errors,
        }
    }
}

#[cfg(test)]
mod tests;

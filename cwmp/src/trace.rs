//! What a session leaves behind for whoever asks later what happened in it: when it was, how it ended, what was said, who wanted
//! what, where the time went (`docs/sessions.md`).
//!
//! Every session is traced, so what is noted of a quiet one costs a few bytes and no formatting; the content of messages is noted only
//! where the configuration says so. What lives here: what is noted, and that no secret is. What does not: who keeps it, and for how
//! long ([`crate::SessionObserver::session_traced`]).

mod describe;
mod secrets;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use acs_core::change::SessionChange;
use acs_core::expression::Scalar;
use acs_core::rpc::{AcsRequest, CpeFault, CpeResponse};
use acs_core::session::{LogKind, Session, SessionLog};
use acs_core::task::TaskState;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::masking::mask_secrets;
use secrets::Secrets;

/// Steps that are noted of a session; more are counted.
const MAX_STEPS: usize = 2_000;
/// Bytes of messages' content that are kept of a session.
const MAX_CONTENT: usize = 512 * 1024;
/// Bytes of a text that are kept: of a line of the log, of what a message says in a few words.
const MAX_TEXT: usize = 4 * 1024;
/// Bytes of all such texts together: they come from devices and scripts.
const MAX_TEXTS: usize = 256 * 1024;
/// Letters of a method's, an event's or an extension's name.
const MAX_NAME: usize = 128;
/// What a text ends in that has lost its end.
const CUT: char = '…';
/// Events of an Inform, and extensions of a step, that are told.
const MAX_NAMES: usize = 64;

/// `cwmp.trace`: which sessions of a device are to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TraceLevel {
    /// `false`: none.
    Nothing,
    /// `'failed'`: those that failed, or in which something faulted.
    #[default]
    Failed,
    /// `true` or `'all'`: all.
    All,
    /// `'messages'`: all, with what was said.
    Messages,
}

impl TraceLevel {
    /// The level that a configuration value stands for.
    pub fn of(value: &Scalar) -> Option<TraceLevel> {
        match value {
            Scalar::Bool(false) => Some(TraceLevel::Nothing),
            Scalar::Bool(true) => Some(TraceLevel::All),
            Scalar::Text(text) => match text.as_str() {
                "failed" => Some(TraceLevel::Failed),
                "all" => Some(TraceLevel::All),
                "messages" => Some(TraceLevel::Messages),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A session that is over, or that is being traced.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionTrace {
    /// 24 hexadecimal digits; greater than those of the device's earlier sessions.
    pub id: u128,
    /// The device.
    pub device: Arc<str>,
    /// Its address.
    pub remote: Arc<str>,
    /// When its Inform arrived, in milliseconds since the Unix epoch.
    pub began: i64,
    /// How long it took, until what it changed was written.
    pub took: Duration,
    /// The events of its Inform.
    pub events: Vec<String>,
    /// Whether it was the device's first.
    pub registered: bool,
    /// Why it did not come to its end; `None` when it did.
    pub failure: Option<String>,
    /// How much was said.
    pub counts: TraceCounts,
    /// Where the time went.
    pub times: TraceTimes,
    /// Channels that faulted, and those that did no longer (`None`).
    pub faults: Vec<(String, Option<TraceFault>)>,
    /// What became of tasks.
    pub tasks: Vec<(String, TaskState)>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// Further steps that are not kept.
    pub steps_left_out: u32,
    /// As configured for the device.
    pub level: TraceLevel,
}

/// How much was said in a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceCounts {
    /// Requests to the device.
    pub acs_requests: u32,
    /// Calls of the device, its Inform among them.
    pub cpe_requests: u32,
    /// Faults that the device answered.
    pub cpe_faults: u32,
    /// Bytes of its messages, as they came.
    pub bytes_received: u64,
    /// Bytes of the answers, as they went.
    pub bytes_sent: u64,
}

/// Where a session's time went; what is missing of the whole was spent in queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceTimes {
    /// Waiting for the device, network included.
    pub device: Duration,
    /// Reading messages, running scripts, planning, writing answers.
    pub engine: Duration,
    /// Waiting for extensions.
    pub extensions: Duration,
    /// Waiting for the store.
    pub store: Duration,
}

/// A channel's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceFault {
    /// As in the stored fault.
    pub code: String,
    /// As in the stored fault, without secret values.
    pub message: String,
}

/// Something that happened in a session.
#[derive(Debug, Serialize, Deserialize)]
pub struct Step {
    /// How long after the Inform's arrival.
    pub at: Duration,
    /// What happened.
    pub kind: StepKind,
}

/// What happened in a session.
#[derive(Debug, Serialize, Deserialize)]
pub enum StepKind {
    /// The device said something.
    Received(TracedMessage),
    /// The server said something.
    Sent(TracedMessage),
    /// The engine or a script had something to say.
    Log {
        /// What it is about.
        kind: LogKind,
        /// For people, without secret values.
        message: String,
        /// The script, if it is one's.
        provision: Option<String>,
    },
    /// Extensions were called.
    Extensions {
        /// The first arguments, which name them.
        names: Vec<String>,
    },
}

/// A message.
#[derive(Debug, Serialize, Deserialize)]
pub struct TracedMessage {
    /// The element in the SOAP body; empty when there is none.
    pub method: Cow<'static, str>,
    /// Bytes, as they went over the network.
    pub bytes: usize,
    /// More, for messages that say something.
    pub detail: Option<Box<MessageDetail>>,
}

/// More of a message.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDetail {
    /// What it says, in a few words.
    pub summary: String,
    /// Of a request: who wants it.
    pub causes: Vec<String>,
    /// The message without secrets, where it is to be kept.
    pub content: Option<String>,
}

/// What a session is traced with.
pub(crate) struct Beginning {
    pub(crate) id: u128,
    pub(crate) device: Arc<str>,
    pub(crate) remote: Arc<str>,
    /// When its Inform arrived.
    pub(crate) began: i64,
    pub(crate) arrived: Instant,
    pub(crate) events: Vec<String>,
    pub(crate) registered: bool,
    pub(crate) level: TraceLevel,
}

/// A trace that is being made. It goes with its session, wherever that goes on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Trace {
    trace: SessionTrace,
    #[serde(with = "ago")]
    arrived: Instant,
    /// Since when the device has the turn.
    #[serde(with = "ago")]
    answered: Instant,
    content_left: usize,
    texts_left: usize,
    secrets: Secrets,
}

/// An instant as how long ago it was.
mod ago {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tokio::time::Instant;

    pub fn serialize<S: Serializer>(instant: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
        instant.elapsed().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        let (now, ago) = (Instant::now(), Duration::deserialize(deserializer)?);
        Ok(now.checked_sub(ago).unwrap_or(now))
    }
}

/// A session's name: the time, and what is different of sessions that begin at the same time, here or on other nodes.
pub(crate) fn session_id(began: i64, mark: u64) -> u128 {
    let time = u128::from(began.max(0).unsigned_abs() & 0xffff_ffff_ffff);
    time << 48 | u128::from(mark >> 16)
}

/// What is different of sessions: by their names as owners of leases, which are random. Always the same of the same name.
pub(crate) fn mark_of(owner: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    owner.hash(&mut hasher);
    hasher.finish()
}

impl Trace {
    pub(crate) fn begin(beginning: Beginning) -> Trace {
        let Beginning { id, device, remote, began, arrived, mut events, registered, level } = beginning;
        events.truncate(MAX_NAMES);
        events.iter_mut().for_each(|event| shorten(event, MAX_NAME));
        let trace = SessionTrace {
            id,
            device,
            remote,
            began,
            took: Duration::ZERO,
            events,
            registered,
            failure: None,
            counts: TraceCounts::default(),
            times: TraceTimes::default(),
            faults: Vec::new(),
            tasks: Vec::new(),
            // Inform, InformResponse and the empty POST: a quiet session has no more.
            steps: Vec::with_capacity(3),
            steps_left_out: 0,
            level,
        };
        let content_left = if level == TraceLevel::Messages { MAX_CONTENT } else { 0 };
        let (texts_left, secrets) = (MAX_TEXTS, Secrets::default());
        Trace { trace, arrived, answered: arrived, content_left, texts_left, secrets }
    }

    /// The device has spoken.
    pub(crate) fn has_spoken(&mut self) {
        self.trace.times.device += self.answered.elapsed();
    }

    /// The device has its answer.
    pub(crate) fn has_answered(&mut self) {
        self.answered = Instant::now();
    }

    pub(crate) fn spent_in_engine(&mut self, time: Duration) {
        self.trace.times.engine += time;
    }

    pub(crate) fn waited_for_store(&mut self, time: Duration) {
        self.trace.times.store += time;
    }

    /// Extensions have been called, and this is what their first arguments name.
    pub(crate) fn called_extensions(&mut self, mut names: Vec<String>, time: Duration) {
        self.trace.times.extensions += time;
        names.truncate(MAX_NAMES);
        names.iter_mut().for_each(|name| shorten(name, MAX_NAME));
        self.step(StepKind::Extensions { names });
    }

    pub(crate) fn received_inform(&mut self, bytes: usize, text: &str) {
        self.trace.counts.cpe_requests += 1;
        self.received("Inform", bytes, String::new(), text);
    }

    /// An empty message.
    pub(crate) fn received_nothing(&mut self, bytes: usize) {
        self.received("", bytes, String::new(), "");
    }

    /// A call of the device.
    pub(crate) fn received_call(&mut self, method: &str, bytes: usize, text: &str) {
        self.trace.counts.cpe_requests += 1;
        self.received(method.to_owned(), bytes, String::new(), text);
    }

    pub(crate) fn received_response(&mut self, response: &CpeResponse, bytes: usize, text: &str) {
        self.secrets.learn_response(response);
        self.received(response.name().to_owned(), bytes, describe::response(response), text);
    }

    pub(crate) fn received_fault(&mut self, fault: &CpeFault, bytes: usize, text: &str) {
        self.trace.counts.cpe_faults += 1;
        self.received("Fault", bytes, describe::fault(fault), text);
    }

    /// A message that could not be read, or does not belong here.
    pub(crate) fn received_unreadable(&mut self, bytes: usize, reason: String, text: &str) {
        self.received("", bytes, reason, text);
    }

    fn received(&mut self, method: impl Into<Cow<'static, str>>, bytes: usize, summary: String, text: &str) {
        self.trace.counts.bytes_received += bytes as u64;
        let message = self.message(method.into(), bytes, summary, Vec::new(), text);
        self.step(StepKind::Received(message));
    }

    /// An answer to a call of the device; its size follows.
    pub(crate) fn sends(&mut self, method: impl Into<Cow<'static, str>>, text: &str) {
        let message = self.message(method.into(), 0, String::new(), Vec::new(), text);
        self.step(StepKind::Sent(message));
    }

    /// A request; its size follows. What it sets that is secret is known from now on.
    pub(crate) fn sends_request(&mut self, request: &AcsRequest, session: &Session, text: &str) {
        self.trace.counts.acs_requests += 1;
        self.secrets.learn_request(request, session);
        let (method, summary) = (request.name().to_owned(), describe::request(request));
        let message = self.message(method.into(), 0, summary, session.causes(), text);
        self.step(StepKind::Sent(message));
    }

    /// The size of what was written last.
    pub(crate) fn sent_bytes(&mut self, bytes: usize) {
        self.trace.counts.bytes_sent += bytes as u64;
        if let Some(Step { kind: StepKind::Sent(message), .. }) = self.trace.steps.last_mut() {
            message.bytes = bytes;
        }
    }

    /// What the engine had to say.
    pub(crate) fn log(&mut self, lines: Vec<SessionLog>, session: &Session) {
        if lines.is_empty() {
            return;
        }
        self.secrets.learn_tree(session);
        for SessionLog { kind, message, fields } in lines {
            let message = self.told(message);
            let provision = fields.get("provision").and_then(Json::as_str).map(str::to_owned);
            self.step(StepKind::Log { kind, message, provision });
        }
    }

    /// The session is over, for this reason if it did not come to its end.
    pub(crate) fn over(&mut self, change: &SessionChange, session: &Session, failure: Option<String>) {
        self.trace.failure = failure.map(|reason| self.told(reason));
        self.trace.tasks = change.tasks.iter().map(|task| (task.id.clone(), task.state)).collect();
        for (channel, record) in &change.faults {
            let fault = record.as_ref().map(|record| {
                self.secrets.learn_tree(session);
                TraceFault { code: record.fault.code.clone(), message: self.told(record.fault.message.clone()) }
            });
            self.trace.faults.push((channel.clone(), fault));
        }
        self.mask_late();
    }

    /// Masks what was a secret all along, and is known to be one only now: scripts log values before they set them.
    fn mask_late(&mut self) {
        if self.secrets.is_empty() {
            return;
        }
        let mask = |text: &mut String| *text = self.secrets.masked(std::mem::take(text));
        for step in &mut self.trace.steps {
            match &mut step.kind {
                StepKind::Received(message) | StepKind::Sent(message) => {
                    if let Some(detail) = &mut message.detail {
                        mask(&mut detail.summary);
                        detail.content.iter_mut().for_each(mask);
                    }
                }
                StepKind::Log { message, .. } => mask(message),
                StepKind::Extensions { names } => names.iter_mut().for_each(mask),
            }
        }
        self.trace.failure.iter_mut().for_each(mask);
        self.trace.faults.iter_mut().filter_map(|(_, fault)| fault.as_mut()).for_each(|fault| mask(&mut fault.message));
    }

    /// Ends it. `failure` is why what the session changed is lost, if it is.
    pub(crate) fn end(mut self, failure: Option<&str>) -> SessionTrace {
        self.trace.took = self.arrived.elapsed();
        if let Some(failure) = failure {
            self.trace.failure.get_or_insert_with(|| failure.to_owned());
        }
        self.trace
    }

    fn step(&mut self, kind: StepKind) {
        if self.trace.steps.len() < MAX_STEPS {
            self.trace.steps.push(Step { at: self.arrived.elapsed(), kind });
        } else {
            self.trace.steps_left_out += 1;
        }
    }

    fn message(
        &mut self,
        mut method: Cow<'static, str>,
        bytes: usize,
        summary: String,
        causes: Vec<String>,
        text: &str,
    ) -> TracedMessage {
        if method.len() > MAX_NAME {
            shorten(method.to_mut(), MAX_NAME);
        }
        let (summary, content) = (self.told(summary), self.content(text));
        let says_nothing = summary.is_empty() && causes.is_empty() && content.is_none();
        let detail = (!says_nothing).then(|| Box::new(MessageDetail { summary, causes, content }));
        TracedMessage { method, bytes, detail }
    }

    /// A text as it may be kept: without the secrets that are known, and not too long.
    fn told(&mut self, text: String) -> String {
        if text.is_empty() {
            return text;
        }
        let mut text = self.secrets.masked(text);
        shorten(&mut text, MAX_TEXT.min(self.texts_left));
        self.texts_left = self.texts_left.saturating_sub(text.len());
        text
    }

    fn content(&mut self, text: &str) -> Option<String> {
        if text.is_empty() || self.content_left == 0 {
            return None;
        }
        let mut kept = self.secrets.masked(mask_secrets(text).into_owned());
        shorten(&mut kept, self.content_left);
        self.content_left = self.content_left.saturating_sub(kept.len());
        Some(kept)
    }
}

/// Leaves the beginning of a long text.
fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_letters() {
        for (text, limit, expected) in [("abc", 3, "abc"), ("abcd", 3, "abc…"), ("aéb", 2, "a…"), ("é", 0, "…")]
        {
            let mut text = text.to_owned();
            shorten(&mut text, limit);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn sessions_are_named_by_time_and_owner() {
        let named = |time, owner| session_id(time, mark_of(owner));
        let id = named(1_700_000_000_000, "a-1");
        assert_eq!(id, named(1_700_000_000_000, "a-1"));
        assert_ne!(id, named(1_700_000_000_000, "a-2"));
        assert!(id < named(1_700_000_000_001, "a-1"));
        assert_eq!(format!("{id:024x}").len(), 24);
    }
}

//! A session's next turn: from the bytes of a device's message to what is to be done about it. Runs on the pool's threads, from
//! decompression to the answer's compression, so that a message costs one hop.
//!
//! Not here: waiting for anything. Extensions and the store are the caller's to ask.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use acs_core::change::SessionChange;
use acs_core::rpc::{AcsRequest, CpeFault, CpeRequest, CpeResponse, Inform};
use acs_core::script::{ExtensionCall, ScriptFault};
use acs_core::session::{Input, Output, Session};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::admission::Promise;
use crate::answer::Answer;
use crate::body::Body;
use crate::encoding::{BodyError, BodyLimits, ContentCoding, decode_body, encode_body};
use crate::log::{self, Subject};
use crate::ports::{PinnedConfiguration, SessionRecording};
use crate::repairs::Model;
use crate::soap::write::{
    write_empty_response, write_fault, write_get_rpc_methods_response, write_kicked_response,
    write_must_understand_fault, write_request,
};
use crate::soap::{
    CwmpNamespace, Envelope, FaultCode, Message, ParseOptions, SoapError, WriteOptions, glance, parse, parse_with,
};
use crate::statistics::{CwmpStatistics, count};
use crate::trace::Trace;

/// How many calls a device may make in a session; more is an endless loop.
const MAX_CALLS: u32 = 1_000;
/// How often a request is sent again after the device called something instead of answering it.
const MAX_REPEATS: u32 = 3;

/// A session with what its turns need.
pub(crate) struct Visit {
    pub(crate) session: Session,
    pub(crate) terms: Terms,
    pub(crate) configuration: Arc<dyn PinnedConfiguration>,
    pub(crate) recording: Option<Box<dyn SessionRecording>>,
    pub(crate) trace: Trace,
    pub(crate) statistics: Arc<CwmpStatistics>,
    /// The compression of the message that is being answered.
    pub(crate) coding: Option<ContentCoding>,
    /// When its lease was renewed last.
    pub(crate) lease_renewed: Instant,
    /// Its claim on the threads.
    pub(crate) promise: Promise,
}

/// How a session is held. It goes with the session wherever that goes on.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) namespace: CwmpNamespace,
    pub(crate) write: WriteOptions,
    pub(crate) debug: bool,
    /// Where users are sent by KickedResponse; empty when Kicked is not offered.
    pub(crate) kicked_next_url: String,
    /// The HTTP status of SOAP faults.
    #[serde(with = "status_code")]
    pub(crate) fault_status: StatusCode,
    /// Whose messages they are.
    pub(crate) model: Model,
    pub(crate) remote: Arc<str>,
    /// The task that the store knows to be in session.
    pub(crate) task_in_session: Option<String>,
    /// How long the device waits for an answer, when it has said so.
    pub(crate) device_patience: Option<Duration>,
    /// Calls of the device so far.
    pub(crate) calls: u32,
    /// The device called something while a request was outstanding, so that request is to be sent again.
    pub(crate) interrupted: bool,
    /// How often the outstanding request was sent again.
    pub(crate) repeats: u32,
}

/// A status as a number.
mod status_code {
    use hyper::StatusCode;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(status.as_u16())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A message as it came, for the trace.
#[derive(Clone, Copy)]
struct Received<'m> {
    /// Bytes on the network.
    bytes: usize,
    text: &'m str,
}

/// What is to be done after a turn.
pub(crate) enum Turn {
    /// Answer with this.
    Say(Answer),
    /// Make these calls, then go on with their results.
    Call(Vec<ExtensionCall>),
    /// The device begins anew. This session is as it was.
    Inform(Box<(Envelope, Inform)>),
    /// The session is over: write this, then answer 204, or the refusal.
    Over(Box<SessionChange>, Result<(), Refusal>),
}

/// Why a session was broken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn bad_request(reason: impl Into<String>) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, reason: reason.into() }
    }

    /// The store does not take what must be kept.
    pub(crate) fn no_store() -> Refusal {
        Refusal { status: StatusCode::SERVICE_UNAVAILABLE, reason: "503 Service Unavailable".to_owned() }
    }

    fn bad_state() -> Refusal {
        Refusal::bad_request("Bad session state")
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        let status = match &error {
            BodyError::UnsupportedCoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyError::TooLarge { .. } | BodyError::TooCompressed { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Damaged { .. } | BodyError::UnknownCharset(_) => StatusCode::BAD_REQUEST,
        };
        Refusal { status, reason: error.to_string() }
    }
}

impl Visit {
    /// Takes in a message.
    pub(crate) fn take(&mut self, body: &Body, limits: &BodyLimits) -> Turn {
        let decoded = match decode_body(&body.bytes, body.content_type(), body.content_encoding(), limits) {
            Ok(decoded) => decoded,
            Err(error) => {
                count(&self.statistics.unreadable);
                self.trace.received_unreadable(body.bytes.len(), error.to_string(), "");
                return self.abort(error.into());
            }
        };
        self.coding = decoded.coding;
        let text = &*decoded.text;
        log::body(self.subject(), "received", text, self.terms.debug);
        let received = Received { bytes: body.bytes.len(), text };
        if text.trim_ascii().is_empty() {
            self.trace.received_nothing(received.bytes);
            return self.nothing_more();
        }
        match self.parse(text) {
            Ok(envelope) => self.take_envelope(envelope, received),
            Err(error) => self.unreadable(received, &error),
        }
    }

    /// Goes on with the results of extension calls.
    pub(crate) fn take_results(&mut self, results: Vec<(ExtensionCall, Result<Json, ScriptFault>)>) -> Turn {
        self.step(Input::Extensions(results))
    }

    /// Ends the session before its time; the device hears the refusal.
    pub(crate) fn abort(&mut self, refusal: Refusal) -> Turn {
        let Subject { device, remote } = self.subject();
        warn!(target: "cwmp", device, remote, status = refusal.status.as_u16(), "the session is broken off: {}", refusal.reason);
        let input = Input::Gone { reason: refusal.reason.clone() };
        // It can only be finished now, or have been before.
        self.advance(input);
        self.over(Err(refusal))
    }

    fn subject(&self) -> Subject<'_> {
        Subject { device: self.session.device_id(), remote: &self.terms.remote }
    }

    /// A prefix that a device forgets to declare must not cost the answer to a request.
    fn parse(&self, text: &str) -> Result<Envelope, SoapError> {
        match parse(text) {
            Err(SoapError::UndeclaredPrefix { .. }) if self.session.outstanding().is_some() => {
                parse_with(text, &ParseOptions { allow_undeclared_prefixes: true })
            }
            other => other,
        }
    }

    fn unreadable(&mut self, received: Received<'_>, error: &SoapError) -> Turn {
        count(&self.statistics.unreadable);
        self.trace.received_unreadable(received.bytes, error.to_string(), received.text);
        if !error.is_invalid_arguments() {
            return self.abort(Refusal::bad_request(error.to_string()));
        }
        let glance = glance(received.text);
        if glance.is_answer() {
            // A fault cannot be the answer to an answer.
            return self.unanswered(error.to_string());
        }
        let Subject { device, remote } = self.subject();
        warn!(target: "cwmp", device, remote, request = glance.name, "refused: {error}");
        let namespace = self.terms.namespace;
        self.refuse(|out| {
            write_fault(out, namespace, &glance.id, FaultCode::InvalidArguments, &error.to_string());
        })
    }

    fn take_envelope(&mut self, envelope: Envelope, received: Received<'_>) -> Turn {
        let name = envelope.body.name();
        // An Inform's belong to the session that it begins.
        if name != "Inform" {
            log::repairs(self.subject(), &self.terms.model, &self.statistics.repairs, name, &envelope.repairs);
        }
        match envelope.body {
            Message::Request(CpeRequest::Inform(_)) => match inform_of(envelope) {
                Some(inform) => Turn::Inform(inform),
                None => self.abort(Refusal::bad_state()),
            },
            Message::Request(request) => {
                self.trace.received_call(request.name(), received.bytes, received.text);
                self.take_request(request, envelope.id, envelope.not_understood)
            }
            Message::Response(response) => {
                self.trace.received_response(&response, received.bytes, received.text);
                self.take_response(response, envelope.id.as_deref())
            }
            Message::Fault(fault) => {
                self.trace.received_fault(&fault, received.bytes, received.text);
                self.take_fault(fault, envelope.id.as_deref())
            }
            Message::UnknownResponse { name } => {
                let reason = format!("{name} came instead of an answer");
                self.trace.received_unreadable(received.bytes, reason.clone(), received.text);
                self.unanswered(reason)
            }
        }
    }

    fn take_request(&mut self, request: CpeRequest, id: Option<String>, not_understood: Option<String>) -> Turn {
        count(&self.statistics.cpe_requests);
        self.statistics.cpe_methods.count(request.name());
        let id = id.unwrap_or_default();
        let Subject { device, remote } = self.subject();
        info!(target: "cwmp", device, remote, id, request = request.name(), "CPE request");
        let namespace = self.terms.namespace;
        if let Some(header) = not_understood {
            return self.refuse(|out| write_must_understand_fault(out, namespace, &id, &header));
        }
        let offers_kicked = !self.terms.kicked_next_url.is_empty();
        match request {
            CpeRequest::TransferComplete(message) => {
                self.report(Input::TransferComplete(message), "TransferComplete", &id)
            }
            CpeRequest::AutonomousTransferComplete(message) => {
                self.report(Input::AutonomousTransferComplete(message), "AutonomousTransferComplete", &id)
            }
            CpeRequest::DUStateChangeComplete(message) => {
                self.report(Input::DUStateChangeComplete(message), "DUStateChangeComplete", &id)
            }
            CpeRequest::AutonomousDUStateChangeComplete(message) => {
                self.report(Input::AutonomousDUStateChangeComplete(message), "AutonomousDUStateChangeComplete", &id)
            }
            CpeRequest::RequestDownload(message) => {
                self.report(Input::RequestDownload(message), "RequestDownload", &id)
            }
            CpeRequest::Kicked(message) if offers_kicked => {
                if let Err(refused) = self.acknowledged(Input::Kicked(message)) {
                    return refused;
                }
                let next_url = self.terms.kicked_next_url.clone();
                self.call("KickedResponse", |out| write_kicked_response(out, namespace, &id, &next_url))
            }
            CpeRequest::GetRPCMethods => {
                let write = |out: &mut String| write_get_rpc_methods_response(out, namespace, &id, offers_kicked);
                self.call("GetRPCMethodsResponse", write)
            }
            CpeRequest::Kicked(_) | CpeRequest::Unsupported { .. } => {
                let method = request.name();
                let code = FaultCode::MethodNotSupported;
                let message = format!("{}: {method}", code.text());
                self.refuse(|out| write_fault(out, namespace, &id, code, &message))
            }
            // Told apart before.
            CpeRequest::Inform(_) => self.abort(Refusal::bad_state()),
        }
    }

    /// Takes in a report of the device, which has an empty answer.
    fn report(&mut self, input: Input, method: &str, id: &str) -> Turn {
        let namespace = self.terms.namespace;
        match self.acknowledged(input) {
            Ok(()) => self.call(format!("{method}Response"), |out| write_empty_response(out, namespace, id, method)),
            Err(refused) => refused,
        }
    }

    fn acknowledged(&mut self, input: Input) -> Result<(), Turn> {
        match self.advance(input) {
            Output::Acknowledged => {
                self.flush_log();
                Ok(())
            }
            _ => Err(self.abort(Refusal::bad_state())),
        }
    }

    /// Answers a call of the device.
    fn call(&mut self, method: impl Into<Cow<'static, str>>, write: impl FnOnce(&mut String)) -> Turn {
        self.terms.calls += 1;
        if self.terms.calls > MAX_CALLS {
            return self.abort(Refusal::bad_request(format!("more than {MAX_CALLS} calls in one session")));
        }
        self.terms.interrupted = self.session.outstanding().is_some();
        let mut out = String::with_capacity(1_024);
        write(&mut out);
        log::body(self.subject(), "sent", &out, self.terms.debug);
        self.trace.sends(method, &out);
        self.answer(out)
    }

    /// Answers a call of the device with a fault.
    fn refuse(&mut self, write: impl FnOnce(&mut String)) -> Turn {
        match self.call("Fault", write) {
            Turn::Say(answer) => Turn::Say(answer.with_status(self.terms.fault_status)),
            other => other,
        }
    }

    fn take_response(&mut self, response: CpeResponse, id: Option<&str>) -> Turn {
        if !self.expects_answer(response.name(), id) {
            return self.abort(Refusal::bad_state());
        }
        let answers = self.session.outstanding().is_some_and(|(_, request)| response.answers(request));
        if !answers {
            count(&self.statistics.unanswered);
        }
        self.step(Input::Response(response))
    }

    fn take_fault(&mut self, fault: CpeFault, id: Option<&str>) -> Turn {
        if !self.expects_answer("Fault", id) {
            return self.abort(Refusal::bad_state());
        }
        count(&self.statistics.cpe_faults);
        self.statistics.fault_codes.count(&fault.code);
        let Subject { device, remote } = self.subject();
        let request = self.session.outstanding().map_or("", |(_, request)| request.name());
        warn!(target: "cwmp", device, remote, request, code = fault.code, "CPE fault: {}", fault.message);
        self.step(Input::Fault(fault))
    }

    /// Whether a request is outstanding. One at a time is, so an answer belongs to it whatever its ID says.
    fn expects_answer(&self, name: &str, id: Option<&str>) -> bool {
        let Some((expected, request)) = self.session.outstanding() else { return false };
        if id != Some(expected) {
            let Subject { device, remote } = self.subject();
            info!(
                target: "cwmp", device, remote, expected, found = id.unwrap_or_default(), request = request.name(),
                "{name} has the wrong cwmp:ID; taken all the same"
            );
        }
        true
    }

    /// The empty POST.
    fn nothing_more(&mut self) -> Turn {
        if self.session.is_informed_only() {
            return self.step(Input::Ready);
        }
        if !self.terms.interrupted || self.terms.repeats >= MAX_REPEATS {
            return self.unanswered("an empty POST came instead of an answer".to_owned());
        }
        self.terms.interrupted = false;
        self.terms.repeats += 1;
        match self.session.outstanding().map(|(id, request)| (id.to_owned(), request.clone())) {
            Some((id, request)) => self.send_request(&id, request),
            None => self.abort(Refusal::bad_state()),
        }
    }

    fn unanswered(&mut self, reason: String) -> Turn {
        let Some((_, request)) = self.session.outstanding() else {
            return self.abort(Refusal::bad_state());
        };
        count(&self.statistics.unanswered);
        let Subject { device, remote } = self.subject();
        warn!(target: "cwmp", device, remote, request = request.name(), "unanswered: {reason}");
        self.step(Input::Unanswered { reason })
    }

    fn step(&mut self, input: Input) -> Turn {
        let output = self.advance(input);
        self.flush_log();
        match output {
            Output::Request { id, request } => {
                (self.terms.interrupted, self.terms.repeats) = (false, 0);
                count(&self.statistics.acs_requests);
                self.statistics.acs_methods.count(request.name());
                let Subject { device, remote } = self.subject();
                info!(target: "cwmp", device, remote, id, request = request.name(), "ACS request");
                self.send_request(&id, request)
            }
            Output::Extensions(calls) => Turn::Call(calls),
            Output::Finished => self.over(Ok(())),
            Output::Acknowledged | Output::Refused { .. } => self.abort(Refusal::bad_state()),
        }
    }

    fn advance(&mut self, input: Input) -> Output {
        if let Some(recording) = &mut self.recording {
            recording.input(&input);
        }
        let output = self.session.step(input, &*self.configuration);
        if let Some(recording) = &mut self.recording {
            recording.output(&output);
        }
        output
    }

    fn over(&mut self, verdict: Result<(), Refusal>) -> Turn {
        self.flush_log();
        let change = self.session.change();
        if let Some(recording) = self.recording.take() {
            recording.end(&change);
        }
        let failure = verdict.as_ref().err().map(|refusal| refusal.reason.clone());
        self.trace.over(&change, &self.session, failure);
        Turn::Over(Box::new(change), verdict)
    }

    fn send_request(&mut self, id: &str, mut request: AcsRequest) -> Turn {
        let mut out = String::with_capacity(1_024);
        write_request(&mut out, self.terms.namespace, id, &request, &self.terms.write);
        log::body(self.subject(), "sent", &out, self.terms.debug);
        self.trace.sends_request(&request, &self.session, &out);
        if request.transfer_address().is_some() {
            // A signed URL opens a file: it is not for the log.
            self.configuration.sign_urls(&mut request, &self.session.context());
            out.clear();
            write_request(&mut out, self.terms.namespace, id, &request, &self.terms.write);
        }
        self.answer(out)
    }

    fn answer(&mut self, envelope: String) -> Turn {
        let (bytes, coding) = compressed(envelope, self.coding);
        self.trace.sent_bytes(bytes.len());
        Turn::Say(Answer::envelope(bytes, coding))
    }

    fn flush_log(&mut self) {
        let lines = log::session_lines(&self.terms.remote, &mut self.session);
        self.trace.log(lines, &self.session);
    }
}

/// An envelope in its request's compression. Uncompressed is always right, so a failure is no matter.
pub(crate) fn compressed(envelope: String, coding: Option<ContentCoding>) -> (Vec<u8>, Option<ContentCoding>) {
    match coding.map(|coding| (encode_body(&envelope, coding), coding)) {
        Some((Ok(bytes), coding)) => (bytes, Some(coding)),
        _ => (envelope.into_bytes(), None),
    }
}

/// The Inform in an envelope, and the envelope without it.
pub(crate) fn inform_of(mut envelope: Envelope) -> Option<Box<(Envelope, Inform)>> {
    let taken = Message::UnknownResponse { name: String::new() };
    match std::mem::replace(&mut envelope.body, taken) {
        Message::Request(CpeRequest::Inform(inform)) => Some(Box::new((envelope, inform))),
        _ => None,
    }
}

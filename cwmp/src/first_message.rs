//! A message that belongs to no session here: an Inform begins one, anything else may be of a session that is kept in the store.

use std::sync::Arc;

use acs_core::rpc::{CpeRequest, Inform};
use tracing::warn;

use crate::answer::Answer;
use crate::body::Body;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::cookies::Token;
use crate::encoding::{BodyLimits, ContentCoding, decode_body};
use crate::endpoint::{Endpoint, Found, internal_error};
use crate::log::{self, Subject};
use crate::opening::Opening;
use crate::pool::{Priority, WorkFailed};
use crate::soap::write::write_fault;
use crate::soap::{Envelope, FaultCode, Message, glance, parse};
use crate::statistics::{CwmpStatistics, count};
use crate::visit::{Refusal, compressed, inform_of};

/// First messages up to this length are read where they arrive; longer and compressed ones on the pool.
pub(crate) const SMALL_BODY: usize = 32 * 1024;

impl Endpoint {
    /// Answers a message that belongs to no session here.
    pub(crate) async fn first(
        self: &Arc<Endpoint>,
        connection: &Arc<Connection>,
        channel: Channel,
        body: Body,
        tokens: &[Token],
    ) -> Answer {
        if let Some(answer) = self.go_on(connection, &channel, &body, tokens).await {
            return answer;
        }
        let limits = self.limits().body;
        let (remote, statistics) = (channel.remote.clone(), self.statistics.clone());
        let read_body = body.clone();
        let message = self.read(&body, move || FirstMessage::read(&read_body, &limits, &remote, &statistics)).await;
        match message {
            Ok(FirstMessage::Inform(inform, coding)) => {
                self.begin(connection, channel, Opening { inform, body, coding }, None).await
            }
            Ok(FirstMessage::Nothing) => self.greet(connection, &channel),
            Ok(FirstMessage::Fault(answer)) => answer.with_status(self.fault_status()),
            Ok(FirstMessage::Other(answer)) => answer,
            Err(_) => internal_error(),
        }
    }

    /// Answers a message of a session that is kept in the store, since another connection was its device's. An Inform needs none:
    /// it begins a session, and devices send old cookies with it.
    async fn go_on(
        self: &Arc<Endpoint>,
        connection: &Arc<Connection>,
        channel: &Channel,
        body: &Body,
        tokens: &[Token],
    ) -> Option<Answer> {
        if tokens.is_empty() || !self.limits().shared_sessions {
            return None;
        }
        let (limits, read_body) = (self.limits().body, body.clone());
        if self.read(body, move || is_inform(&read_body, &limits)).await.unwrap_or(true) {
            return None;
        }
        for token in tokens {
            let Some(live) = self.resume(*token, connection).await else { continue };
            if let Err(answer) = self.may_resume(&live, connection, channel, body).await {
                let place = live.visit.lock().await;
                self.suspend(&live, place).await;
                return Some(answer);
            }
            let found = Found { live, by_cookie: true };
            return Some(Box::pin(self.proceed(connection, channel.clone(), found, body.clone())).await);
        }
        None
    }

    /// Reads a first message: where it arrives, or on the pool.
    async fn read<T: Send + 'static>(
        &self,
        body: &Body,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkFailed> {
        let is_small = body.bytes.len() <= SMALL_BODY && body.content_encoding().is_none();
        if is_small { Ok(read()) } else { self.parts.pool.run(Priority::Opening, read).await }
    }
}

/// Whether a message is an Inform, as far as a glance shows.
fn is_inform(body: &Body, limits: &BodyLimits) -> bool {
    let decoded = decode_body(&body.bytes, body.content_type(), body.content_encoding(), limits);
    decoded.is_ok_and(|decoded| glance(&decoded.text).name == "Inform")
}

/// A message outside of any session.
enum FirstMessage {
    Inform(Box<(Envelope, Inform)>, Option<ContentCoding>),
    /// An empty one. Some devices begin each connection so.
    Nothing,
    /// What cannot be an Inform has its SOAP fault.
    Fault(Answer),
    /// Anything else has its answer at once.
    Other(Answer),
}

impl FirstMessage {
    fn read(body: &Body, limits: &BodyLimits, remote: &str, statistics: &CwmpStatistics) -> FirstMessage {
        let refuse = |refusal: Refusal| FirstMessage::Other(Answer::refusal(refusal.status, refusal.reason));
        let decoded = match decode_body(&body.bytes, body.content_type(), body.content_encoding(), limits) {
            Ok(decoded) => decoded,
            Err(error) => {
                count(&statistics.unreadable);
                warn!(target: "cwmp", remote, "{error}");
                return refuse(error.into());
            }
        };
        let text = &*decoded.text;
        if text.trim_ascii().is_empty() {
            return FirstMessage::Nothing;
        }
        let subject = Subject { device: "", remote };
        log::body(subject, "received", text, false);
        let envelope = match parse(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                count(&statistics.unreadable);
                warn!(target: "cwmp", remote, "{error}");
                let glance = glance(text);
                if !error.is_invalid_arguments() || glance.is_answer() {
                    return refuse(Refusal::bad_request(error.to_string()));
                }
                let (code, message) = (FaultCode::InvalidArguments, error.to_string());
                return fault(decoded.coding, |out| {
                    write_fault(out, glance.namespace, &glance.id, code, &message);
                });
            }
        };
        if !matches!(envelope.body, Message::Request(CpeRequest::Inform(_))) {
            warn!(target: "cwmp", remote, message = envelope.body.name(), "Invalid session");
            return refuse(Refusal::bad_request("Invalid session"));
        }
        match inform_of(envelope) {
            Some(inform) => FirstMessage::Inform(inform, decoded.coding),
            None => refuse(Refusal::bad_request("Invalid session")),
        }
    }
}

fn fault(coding: Option<ContentCoding>, write: impl FnOnce(&mut String)) -> FirstMessage {
    let mut out = String::new();
    write(&mut out);
    let (bytes, coding) = compressed(out, coding);
    FirstMessage::Fault(Answer::envelope(bytes, coding))
}

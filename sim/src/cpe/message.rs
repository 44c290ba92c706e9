//! Messages of a session on their way: what is about to be sent, what came back, and whether it was expected.
//!
//! Not here: the order of messages (`session`), how they are written (`soap`).

use serde_json::{Value as Json, json};

use super::handle::{Reply, cut_off};
use super::report::{Answer, SessionError};
use crate::fault::FaultAction;
use crate::http::Response;
use crate::soap::{ArgumentError, Incoming, Request};

/// What the device is about to send.
pub(super) struct Outgoing {
    /// RPC or response name, `empty` for an empty POST.
    pub(super) name: String,
    /// For the transcript.
    pub(super) arguments: Json,
    pub(super) body: String,
    pub(super) action: Option<FaultAction>,
    /// The device's own call: an injected `close` or `hang` comes after sending it, not instead.
    pub(super) call: bool,
}

/// What the ACS answered.
pub(super) struct Received {
    pub(super) response: Response,
    pub(super) message: Option<(Incoming, Result<Request, ArgumentError>)>,
}

impl Outgoing {
    pub(super) fn empty() -> Self {
        Self { name: "empty".into(), arguments: Json::Null, body: String::new(), action: None, call: false }
    }

    pub(super) fn call(rpc: &str, arguments: Json, body: String, action: Option<FaultAction>) -> Self {
        let body = match action {
            Some(FaultAction::Malformed) => cut_off(&body),
            Some(FaultAction::EmptyPost) => String::new(),
            _ => body,
        };
        Self { name: rpc.to_owned(), arguments, body, action, call: true }
    }

    pub(super) fn reply(reply: Reply) -> Self {
        let rpc = match &reply.exchange.request {
            Ok(request) => request.rpc().to_owned(),
            Err(error) => error.rpc.clone(),
        };
        let (name, arguments) = match reply.exchange.answer {
            Answer::Response => (format!("{rpc}Response"), Json::Null),
            Answer::Fault(code) => ("Fault".into(), json!({"FaultCode": code, "to": rpc})),
            Answer::Injected(action) => (format!("{rpc}Response"), json!({"injected": action.to_string()})),
        };
        Self { name, arguments, body: reply.body, action: reply.action, call: false }
    }
}

impl Received {
    /// Whether the ACS answered fault 8005, "retry request".
    pub(super) fn asks_to_repeat(&self) -> bool {
        let fault = self.message.as_ref().and_then(|(incoming, _)| incoming.fault());
        fault.is_some_and(|(code, _)| code == 8005)
    }

    /// The answer to a call of the device, when it is the one expected.
    pub(super) fn expect(self, call: &str, response: &str) -> Result<Incoming, SessionError> {
        let status = self.response.status;
        match self.message {
            Some((incoming, _)) => match incoming.fault() {
                Some((code, text)) => Err(SessionError::Fault { code, text, message: call.to_owned() }),
                None if status != 200 => Err(SessionError::Status { status, message: call.to_owned() }),
                None if incoming.name() == response => Ok(incoming),
                None => Err(unexpected(call, format!("{} instead of {response}", incoming.name()))),
            },
            None if matches!(status, 200 | 204) => Err(unexpected(call, "an empty message".into())),
            None => Err(SessionError::Status { status, message: call.to_owned() }),
        }
    }
}

/// The transcript's arguments of a received message.
pub(super) fn received_arguments(incoming: &Incoming, request: &Result<Request, ArgumentError>) -> Json {
    if let Some((code, text)) = incoming.fault() {
        return json!({"FaultCode": code, "FaultString": text});
    }
    match request {
        Ok(Request::Other(_)) => Json::Null,
        Ok(request) => request.arguments(),
        Err(error) => json!({"error": error.to_string()}),
    }
}

pub(super) fn unexpected(message: &str, problem: String) -> SessionError {
    SessionError::Unexpected { message: message.to_owned(), problem }
}

/// An HTTP status that ends the session where a request of the ACS or its end was due.
pub(super) fn refused(status: u16) -> SessionError {
    SessionError::Status { status, message: "an empty POST or a response".into() }
}

//! What happened in a session, for tests, transcripts and counters.

use std::time::Duration;

use crate::fault::FaultAction;
use crate::http::HttpError;
use crate::soap::{ArgumentError, Event, ParameterValue, Request};

/// How the device answered a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With the RPC's response.
    Response,
    /// With a CWMP fault of this code.
    Fault(u32),
    /// With something injected.
    Injected(FaultAction),
}

/// A request of the ACS and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The request; `Err` when its arguments could not be decoded.
    pub request: Result<Request, ArgumentError>,
    /// The answer.
    pub answer: Answer,
}

/// Why a session did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The HTTP exchange failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The ACS answered with a status that ends the session.
    #[error("HTTP status {status} in answer to {message}")]
    Status {
        /// The status.
        status: u16,
        /// What the device had sent.
        message: String,
    },
    /// The ACS answered Inform or another call of the device with a fault.
    #[error("fault {code} ({text}) in answer to {message}")]
    Fault {
        /// 8000 to 8899, 0 when the fault has no code.
        code: u32,
        /// FaultString.
        text: String,
        /// What the device had sent.
        message: String,
    },
    /// The ACS sent something that does not belong there.
    #[error("in answer to {message}: {problem}")]
    Unexpected {
        /// What the device had sent.
        message: String,
        /// What is wrong.
        problem: String,
    },
    /// A fault rule ended the session.
    #[error("ended by the injected fault {0}")]
    Injected(FaultAction),
    /// More requests than the options allow.
    #[error("gave up after {0} requests in one session")]
    RequestLimit(u32),
}

/// One session, or the last of several attempts at it.
#[derive(Debug)]
pub struct SessionReport {
    /// `OUI-ProductClass-SerialNumber`, percent-encoded.
    pub device_id: String,
    /// The events of the Inform.
    pub events: Vec<Event>,
    /// Attempts made, at least 1.
    pub attempts: u32,
    /// Whether the ACS acknowledged the Inform.
    pub informed: bool,
    /// The requests of the ACS in order of arrival.
    pub exchanges: Vec<Exchange>,
    /// The device's own calls after Inform that the ACS answered, by RPC name.
    pub own_calls: Vec<String>,
    /// Calls of the device that the ACS refused, with the fault codes; the session went on.
    pub refused_calls: Vec<(String, u32)>,
    /// Status of the last HTTP answer; `None` when there was none.
    pub final_status: Option<u16>,
    /// Bytes sent, HTTP heads included.
    pub bytes_sent: u64,
    /// Bytes received, HTTP heads included.
    pub bytes_received: u64,
    /// From connecting to the last answer.
    pub duration: Duration,
    /// Where the ACS departed from the letter of the standard.
    pub violations: Vec<String>,
    /// Why the session broke; `None` when it ended properly.
    pub error: Option<SessionError>,
}

impl SessionReport {
    /// Whether the session ended properly: the ACS said that it has nothing more.
    pub fn completed(&self) -> bool {
        self.error.is_none()
    }

    /// The decoded requests in order of arrival.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.exchanges.iter().filter_map(|exchange| exchange.request.as_ref().ok())
    }

    /// The requests' RPC names in order of arrival, undecodable ones included.
    pub fn rpcs(&self) -> Vec<&str> {
        self.exchanges
            .iter()
            .map(|exchange| match &exchange.request {
                Ok(request) => request.rpc(),
                Err(error) => error.rpc.as_str(),
            })
            .collect()
    }

    /// All values that the ACS set, in order, as `(name, value)`.
    pub fn values_set(&self) -> Vec<(&str, &str)> {
        self.requests()
            .flat_map(Request::values)
            .map(|ParameterValue { name, value, .. }| (name.as_str(), value.as_str()))
            .collect()
    }

    /// All parameters and partial paths that the ACS read values of, in order.
    pub fn names_read(&self) -> Vec<&str> {
        self.requests()
            .filter(|request| matches!(request, Request::GetParameterValues { .. }))
            .flat_map(Request::paths)
            .collect()
    }
}

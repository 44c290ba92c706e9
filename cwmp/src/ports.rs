//! What the endpoint needs of others beside the store: how devices are configured, who runs extensions, who wants to know of
//! sessions. The binary puts them together.

use std::sync::Arc;
use std::time::Duration;

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::expression::{Context, Expression};
use acs_core::rpc::{AcsRequest, Inform};
use acs_core::script::{ExtensionCall, ScriptFault};
use acs_core::session::configuration::Configuration;
use acs_core::session::settings::{ConfigValues, Settings};
use acs_core::session::{Input, Output};
use async_trait::async_trait;
use hyper::StatusCode;
use serde_json::Value as Json;

use crate::authentication::AuthenticationOptions;
use crate::soap::WriteOptions;
use crate::trace::{SessionTrace, TraceLevel};

/// Where configuration snapshots come from.
pub trait ConfigurationSource: Send + Sync {
    /// The newest snapshot. A session keeps the one that it began with.
    fn current(&self) -> Arc<dyn PinnedConfiguration>;
}

/// A snapshot of the configuration.
pub trait PinnedConfiguration: Configuration {
    /// The options of a device's session. The context knows the stored device and what its Inform says.
    fn session_options(&self, context: &dyn Context) -> SessionOptions;

    /// Makes the URL of a transfer's request one that only this device can use, for this transfer. In the session, and so in its
    /// log and its recording, URLs are plain: they open nothing.
    fn sign_urls(&self, _request: &mut AcsRequest, _context: &dyn Context) {}

    /// `cwmp.auth`: who is let in. `None` when everybody is.
    fn authentication(&self) -> Option<&Expression> {
        None
    }

    /// How a device may authenticate itself. The context knows as much of it as is known so far.
    fn authentication_options(&self, context: &dyn Context) -> AuthenticationOptions {
        let _ = context;
        AuthenticationOptions::default()
    }

    /// What it was made of, for recordings; null when it cannot be told.
    fn documents(&self) -> Json {
        Json::Null
    }
}

/// How a device's session is held, evaluated when it begins (`docs/configuration.md`).
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// What the engine follows.
    pub settings: Settings,
    /// `cwmp.sessionTimeout`: how long the device may be silent, unless it says itself.
    pub session_timeout: Duration,
    /// `cwmp.booleanLiteral`, `cwmp.datetimeMilliseconds`.
    pub write: WriteOptions,
    /// `cwmp.cookiesPath`
    pub cookies_path: Option<String>,
    /// `cwmp.debug`: log the messages, with secrets masked.
    pub debug: bool,
    /// `cwmp.trace`: which sessions are stored, and with what.
    pub trace: TraceLevel,
    /// `cwmp.kickedNextUrl`: where users are sent who came by Kicked; empty: the method is not offered.
    pub kicked_next_url: String,
    /// `cwmp.faultStatus`: the HTTP status of SOAP faults, 200 or 500.
    pub fault_status: StatusCode,
    /// `cwmp.redirect`: the URL to which the device is sent, instead of a session here (TR-069 §3.4.6).
    pub redirect: Option<String>,
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            settings: Settings::default(),
            session_timeout: Duration::from_secs(30),
            write: WriteOptions::default(),
            cookies_path: None,
            debug: false,
            trace: TraceLevel::default(),
            kicked_next_url: String::new(),
            fault_status: StatusCode::OK,
            redirect: None,
        }
    }
}

impl SessionOptions {
    /// Evaluates the `cwmp.…` keys of the config collection for a device. Times are configured in seconds.
    pub fn evaluate(values: &ConfigValues, context: &dyn Context) -> SessionOptions {
        let default = SessionOptions::default();
        let seconds = default.session_timeout.as_secs() as i64;
        let seconds = values.number("cwmp.sessionTimeout", context, seconds, 1);
        let boolean = |key, default| values.boolean(key, context, default);
        let text = |key| Some(values.text(key, context, "")).filter(|text| !text.is_empty());
        // SOAP 1.1 wants 500, CWMP speaks of 200, and devices differ; anything else would be no fault.
        let fault_status = match values.number("cwmp.faultStatus", context, 200, 200) {
            500 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        };
        SessionOptions {
            settings: Settings::evaluate(values, context),
            session_timeout: Duration::from_secs(seconds.unsigned_abs()),
            write: WriteOptions {
                boolean_literal: boolean("cwmp.booleanLiteral", default.write.boolean_literal),
                datetime_milliseconds: boolean("cwmp.datetimeMilliseconds", default.write.datetime_milliseconds),
            },
            cookies_path: text("cwmp.cookiesPath"),
            debug: boolean("cwmp.debug", default.debug),
            trace: TraceLevel::of(&values.evaluate("cwmp.trace", context)).unwrap_or_default(),
            kicked_next_url: values.text("cwmp.kickedNextUrl", context, ""),
            fault_status,
            redirect: text("cwmp.redirect"),
        }
    }
}

/// Runs the extensions that scripts call.
#[async_trait]
pub trait ExtensionCaller: Send + Sync {
    /// Makes one call. Calls of a session run at the same time.
    ///
    /// # Errors
    /// What the script, or its channel, is told.
    async fn call(&self, call: ExtensionCall) -> Result<Json, ScriptFault>;
}

/// Wants to know who is in session. Called on the endpoint's way, so it must be quick.
pub trait SessionObserver: Send + Sync {
    /// A device's Inform was taken in.
    fn session_started(&self, device_id: &str);

    /// A device's session is over, and what it changed is written (or lost, when it says so).
    fn session_ended(&self, device_id: &str, end: SessionEnd);

    /// What happened in a session, once it is over. Sessions whose work panics leave no trace.
    fn session_traced(&self, trace: SessionTrace) {
        drop(trace);
    }
}

/// Records sessions, so that they can be replayed. Called on the pool's threads.
pub trait SessionRecorder: Send + Sync {
    /// A session begins with this. `None`: it is not recorded.
    fn begin(
        &self,
        snapshot: &DeviceSnapshot,
        inform: &Inform,
        timestamp: i64,
        settings: &Settings,
        configuration: &dyn PinnedConfiguration,
    ) -> Option<Box<dyn SessionRecording>>;
}

/// A session's recording. It takes in plain secrets, and must not let them out.
pub trait SessionRecording: Send {
    /// Something happens to the session.
    fn input(&mut self, input: &Input);

    /// What the session says to that.
    fn output(&mut self, output: &Output);

    /// The session is over.
    fn end(self: Box<Self>, change: &SessionChange);
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnd {
    /// It came to its end, and its changes are written.
    pub completed: bool,
    /// Channels or tasks faulted in it.
    pub had_faults: bool,
}

/// The time in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| chrono::Utc::now().timestamp_millis())
}

//! One simulated device: its state, what it answers, and the sessions it holds (TR-069 §3.7).
//!
//! ```text
//! Device::session ── Inform, own calls, empty POST ──► ACS
//!        ▲                                              │ request
//!        └── delivers the reply ◄── handle (pure) ◄─────┘
//! after it: follow_up (reboot, transfer, …) ── further sessions
//! ```
//!
//! `handle` changes the device and makes the answer, without I/O; `session` delivers it; `follow_up` does what was
//! promised for later. Not here: how messages look (`soap`), how they travel (`http`), many devices (`fleet`).

mod calls;
mod connection_request;
mod follow_up;
mod handle;
mod message;
mod objects;
mod options;
mod parameters;
mod report;
mod session;
mod software;
mod transfer;
mod udp;
mod vouchers;
#[cfg(feature = "xmpp")]
mod xmpp;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use calls::{AutonomousOperation, OwnCall};
pub use connection_request::ConnectionRequestServer;
pub use handle::Reply;
#[cfg(feature = "xmpp")]
pub use options::Xmpp;
pub use options::{Behaviour, ConnectionRequest, ConnectionRequestMode, Options, Retry, Stun, TransferMode};
pub use report::{Answer, Exchange, SessionError, SessionReport};
pub use software::DeploymentUnit;
pub use transfer::TransferredFile;

use crate::http::{CookieJar, TlsClient};
use crate::model::{DataModel, Identity, ModelError};
use crate::soap::{Attributes, Event, Transfer, UnitOperation};
use crate::transcript::Transcript;
use crate::value::XsdType;
use calls::{CompletedChange, CompletedTransfer};
use connection_request::Signal;

/// Why a device cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The data model file cannot be read.
    #[error("{path}: {source}")]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data model file is not a data model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The connection-request listener cannot be opened.
    #[error("connection requests on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// A simulated device.
#[derive(Debug)]
pub struct Device {
    options: Arc<Options>,
    identity: Identity,
    device_id: String,
    model: DataModel,
    attributes: BTreeMap<Box<str>, Attributes>,
    /// Events not yet delivered.
    events: Vec<Event>,
    /// What was promised for after the session.
    pending: VecDeque<Pending>,
    /// Transfers that are done and not yet reported.
    completed: Vec<CompletedTransfer>,
    /// Operations on deployment units that are done and not yet reported.
    changed_units: Vec<CompletedChange>,
    /// Calls to be made in the next session.
    own: Vec<OwnCall>,
    /// Deployment units that are installed.
    units: Vec<DeploymentUnit>,
    /// Names of options that vouchers have unlocked.
    unlocked: Vec<String>,
    files: Vec<TransferredFile>,
    /// How often each fault rule's conditions have held.
    rule_counts: Vec<u32>,
    /// Values to apply when the session ends.
    deferred: Vec<(String, String)>,
    /// Parameters of instances made by AddObject, with their first values.
    made: Vec<(String, String)>,
    /// Parameters changed on the device that the next Inform reports.
    changed: BTreeSet<String>,
    retry_count: u32,
    /// Sequence number of the device's own calls, for `cwmp:ID`.
    calls: u64,
    /// When the device started, and what UpTime was then.
    started: (Instant, u64),
    signal: Arc<Signal>,
    listener: Option<Arc<ConnectionRequestServer>>,
    udp_listener: Option<udp::UdpListener>,
    #[cfg(feature = "xmpp")]
    xmpp_listener: Option<xmpp::XmppListener>,
    connection_request_url: Option<String>,
    transcript: Option<Transcript>,
    /// Of the session before, for devices that keep them.
    cookies: CookieJar,
    /// Kept from one session to the next, so that TLS sessions are resumed.
    tls: Option<TlsClient>,
}

/// Work that an RPC left for after the session.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pending {
    Reboot {
        command_key: String,
    },
    FactoryReset,
    Transfer(Transfer),
    UnitChange {
        operations: Vec<UnitOperation>,
        command_key: String,
    },
    ScheduledInform {
        delay_seconds: u32,
        command_key: String,
    },
    /// ManagementServer.URL has changed: the new ACS gets a BOOTSTRAP.
    Bootstrap,
}

impl Device {
    /// Makes a device and loads or generates its data model. No I/O besides reading the model file.
    pub fn new(options: Options) -> Result<Self, DeviceError> {
        let options = options.settled();
        let model = options.load_model()?;
        let identity = options.identity.clone();
        Ok(Self::with_model(Arc::new(options), identity, model))
    }

    /// Makes a device with a data model that it shares with others, and with its own identity in place of the options'.
    /// The model as given is the factory state; one with changes of its own is copied first, and then not shared.
    pub fn with_model(options: Arc<Options>, identity: Identity, model: DataModel) -> Self {
        let model = match model.own_nodes() {
            0 => model,
            _ => model.into_base(),
        };
        let mut device = Self {
            device_id: identity.device_id(),
            rule_counts: vec![0; options.faults.len()],
            identity,
            model,
            attributes: BTreeMap::new(),
            events: Vec::new(),
            pending: VecDeque::new(),
            completed: Vec::new(),
            changed_units: Vec::new(),
            own: options.calls.clone(),
            units: Vec::new(),
            unlocked: Vec::new(),
            files: Vec::new(),
            deferred: Vec::new(),
            made: Vec::new(),
            changed: BTreeSet::new(),
            retry_count: 0,
            calls: 0,
            started: (Instant::now(), 3_600),
            signal: Arc::new(Signal::default()),
            listener: None,
            udp_listener: None,
            #[cfg(feature = "xmpp")]
            xmpp_listener: None,
            connection_request_url: None,
            transcript: None,
            cookies: CookieJar::default(),
            tls: None,
            options,
        };
        device.set_factory_values();
        device
    }

    /// Records all messages.
    pub fn set_transcript(&mut self, transcript: Transcript) {
        self.transcript = Some(transcript);
    }

    /// `OUI-ProductClass-SerialNumber`, percent-encoded.
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// The device's options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The data model as it is now.
    pub fn model(&self) -> &DataModel {
        &self.model
    }

    /// The data model, to change it without anybody noticing: no events, no notifications.
    pub fn model_mut(&mut self) -> &mut DataModel {
        &mut self.model
    }

    /// Files downloaded and uploaded so far.
    pub fn files(&self) -> &[TransferredFile] {
        &self.files
    }

    /// Whether an RPC left something to do after the session, see [`Device::follow_up`].
    pub fn has_follow_up(&self) -> bool {
        !self.pending.is_empty() || !self.completed.is_empty() || !self.changed_units.is_empty()
    }

    /// Changes a parameter as the device itself or its user would: passive notification puts it into the next Inform,
    /// active notification adds the event `4 VALUE CHANGE`. False when there is no such parameter.
    pub fn change_value(&mut self, path: &str, text: &str) -> bool {
        if self.model.text(path) == Some(text) {
            return true;
        }
        if !self.model.set_text(path, text) {
            return false;
        }
        let notification = self.attributes_of(path).notification;
        if notification > 0 {
            self.changed.insert(path.to_owned());
        }
        if notification == 2 {
            self.queue_event(Event::from("4 VALUE CHANGE"));
        }
        self.publish_credentials();
        true
    }

    /// Puts a parameter into the next Inform.
    pub fn report_value(&mut self, path: &str) {
        self.changed.insert(path.to_owned());
    }

    fn attributes_of(&self, path: &str) -> Attributes {
        self.attributes.get(path).cloned().unwrap_or_default()
    }

    /// Adds an event to the next Inform, once.
    fn queue_event(&mut self, event: Event) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// The state after a factory reset: the shared model with this device's identity and configuration.
    fn set_factory_values(&mut self) {
        self.model.reset();
        self.attributes.clear();
        self.deferred.clear();
        self.made.clear();
        self.changed.clear();
        self.model.personalise(&self.identity);
        self.add_stun_parameters();
        let options = Arc::clone(&self.options);
        for (relative, text) in [
            ("ManagementServer.URL", &options.acs_url),
            ("ManagementServer.Username", &options.username),
            ("ManagementServer.Password", &options.password),
        ]
        .into_iter()
        .chain(options.values.iter().map(|(relative, text)| (relative.as_str(), text)))
        {
            self.model.set_root_text(relative, text);
        }
        if let Some(url) = &self.connection_request_url {
            self.model.set_root_text("ManagementServer.ConnectionRequestURL", url);
        }
        self.publish_credentials();
    }

    /// Lets the connection-request listener know the credentials of the model.
    fn publish_credentials(&self) {
        let text = |relative| self.model.root_text(relative).unwrap_or_default();
        self.signal.set_credentials(
            text("ManagementServer.ConnectionRequestUsername"),
            text("ManagementServer.ConnectionRequestPassword"),
        );
        let stun = ["ManagementServer.STUNUsername", "ManagementServer.STUNPassword"].map(|name| text(name).to_owned());
        *self.signal.stun_credentials.lock() = stun.into();
    }

    fn restart_clock(&mut self) {
        self.started = (Instant::now(), 0);
    }

    /// Brings the parameters that run by themselves up to date.
    fn refresh_clock(&mut self) {
        let (since, uptime) = self.started;
        let uptime = (uptime + since.elapsed().as_secs()).to_string();
        self.model.set_root_text("DeviceInfo.UpTime", &uptime);
        let clock = self.model.under_root("Time.CurrentLocalTime");
        let is_time = self
            .model
            .get(&clock)
            .and_then(|node| node.value.as_ref())
            .is_some_and(|value| value.xsd == XsdType::DateTime);
        if is_time {
            self.model.set_text(&clock, &now());
        }
    }
}

/// The current time as TR-069 writes it, in UTC.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Whether a path begins with one of the prefixes.
fn any_prefix(prefixes: &[String], path: &str) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests;

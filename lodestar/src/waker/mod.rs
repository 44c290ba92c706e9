//! Waking devices: what `?connection_request` on the NBI does.
//!
//! ```text
//!  wake ── one request per device at a time; others wait for its outcome
//!    ├ facts        what the device has told
//!    ├ methods      in which order it is tried how
//!    ├ credentials  what it is given
//!    ├ limits       how often this server asks
//!    ├ record       what came of it
//!    ├ counts       how often what came of it
//!    ├ udp          through a NAT
//!    ├ xmpp         through a server of messages
//!    └ directory    the devices, as the UDP port asks for them
//! ```
//!
//! Not here: what goes over the wire (`cwmp::connection_request`), and what is waited for afterwards (`ui_api`).

mod counts;
mod credentials;
mod directory;
mod facts;
mod limits;
mod methods;
mod record;
mod udp;
mod xmpp;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_core::change::OutboxEvent;
use acs_core::device::DeviceHead;
use acs_core::expression::{Expression, parse};
use acs_core::session::settings::ConfigValues;
use async_trait::async_trait;
use cwmp::ExtensionCaller;
use cwmp::connection_request::{
    AddressPolicy, ConnectionRequestError, Credentials, HttpOptions, HttpRequest, Silence, Verdict,
};
use cwmp::udp::UdpPort;
use serde_json::{Value as Json, json};
use store::{Collection, Store, StoreError};
use tokio::sync::watch;
use ui_api::{DeviceWaker, SessionBoard, SessionPhase, SessionWatch};

use crate::live::LiveConfiguration;
use credentials::{CredentialSource, Presenting};
use limits::Limiter;
use methods::{DEFAULT_ORDER, Method, parse_order};
use record::WakingRecord;
use udp::{UDP_WAIT, UdpParts, UdpTarget};
use xmpp::OverXmpp;

pub use counts::RequestCounts;
pub use directory::Directory;
pub(crate) use facts::DeviceFacts;
pub use limits::RequestRates;
pub use xmpp::XmppRequests;

/// Devices that are being woken at the same time, at most.
const MOST_PENDING: usize = 1_000;
/// How long a running session is waited for: a device in session does not want to be asked.
const SESSION_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked whether the session is over.
const SESSION_LOOK: Duration = Duration::from_millis(200);
/// How long a device that has accepted may take to begin its session; meanwhile it is not asked again.
const INFORM_WAIT: Duration = Duration::from_secs(20);
/// When a device that says that it is busy is asked again.
const BUSY_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// The credentials when none are configured.
const DEFAULT_CREDENTIALS: &str = "AUTH(USERNAME(), PASSWORD())";

type Outcome = Result<(), ConnectionRequestError>;

/// What a waker needs of others.
pub struct WakerParts {
    /// Where devices are.
    pub store: Arc<dyn Store>,
    /// How they are configured.
    pub configuration: Arc<LiveConfiguration>,
    /// For `EXT()`.
    pub extensions: Arc<dyn ExtensionCaller>,
    /// Who comes and goes.
    pub sessions: Arc<SessionBoard>,
    /// For requests over UDP, when there is a port for them.
    pub udp: Option<Arc<UdpPort>>,
    /// For requests over XMPP, when this server is on it.
    pub xmpp: Option<Arc<dyn XmppRequests>>,
    /// Where devices may be.
    pub policy: AddressPolicy,
    /// How often they are asked.
    pub rates: RequestRates,
}

/// Sends connection requests.
pub struct Waker(Arc<Inner>);

struct Inner {
    parts: WakerParts,
    limiter: Limiter,
    /// Devices that are being woken, and what will come of it.
    pending: Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>,
    /// When devices accepted that have not come yet, in milliseconds since the Unix epoch.
    accepted: Mutex<HashMap<String, i64>>,
    /// Held while a record is read and written back.
    records: tokio::sync::Mutex<()>,
    counts: Arc<RequestCounts>,
}

/// What came of one method: accepted, with these credentials if any were asked for.
type Attempt = (Method, Result<Option<Credentials>, ConnectionRequestError>);

impl Waker {
    /// A waker of the store's devices.
    pub fn new(parts: WakerParts) -> Waker {
        let limiter = Limiter::new(parts.rates);
        let (pending, accepted) = (Mutex::default(), Mutex::default());
        let (records, counts) = (tokio::sync::Mutex::default(), Arc::default());
        Waker(Arc::new(Inner { parts, limiter, pending, accepted, records, counts }))
    }

    /// How many requests came to what.
    pub fn counts(&self) -> &Arc<RequestCounts> {
        &self.0.counts
    }
}

#[async_trait]
impl DeviceWaker for Waker {
    async fn wake(&self, device_id: &str) -> Result<(), String> {
        self.0.wake(device_id).await.map_err(|error| error.to_string())
    }

    async fn connection_requests(&self, device_id: &str) -> Result<Json, StoreError> {
        Ok(self.0.record(device_id).await?.document(device_id))
    }
}

impl Inner {
    /// Asks a device, or waits for the outcome of the request that is under way.
    async fn wake(self: &Arc<Inner>, device_id: &str) -> Outcome {
        let mut receiver = self.enter(device_id)?;
        match receiver.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(ConnectionRequestError::Failed("it was broken off".to_owned())),
        }
    }

    fn enter(self: &Arc<Inner>, device_id: &str) -> Result<watch::Receiver<Option<Outcome>>, ConnectionRequestError> {
        let Ok(mut pending) = self.pending.lock() else { return Err(ConnectionRequestError::TooMany) };
        if let Some(receiver) = pending.get(device_id) {
            return Ok(receiver.clone());
        }
        if pending.len() >= MOST_PENDING {
            return Err(ConnectionRequestError::TooMany);
        }
        let (sender, receiver) = watch::channel(None);
        pending.insert(device_id.to_owned(), receiver.clone());
        drop(pending);
        // On its own: whoever asked first may go away, and others wait for the outcome.
        let (inner, device_id) = (self.clone(), device_id.to_owned());
        tokio::spawn(async move {
            let place = Place { inner: &inner, device_id: &device_id };
            let outcome = inner.ask(&device_id).await;
            match &outcome {
                Ok(()) => tracing::info!(target: "cwmp", device = device_id, "connection request accepted"),
                Err(error) => {
                    let reason = error.code();
                    tracing::info!(target: "cwmp", device = device_id, reason, "connection request failed: {error}");
                }
            }
            drop(place);
            sender.send_replace(Some(outcome));
        });
        Ok(receiver)
    }

    async fn ask(self: &Arc<Inner>, device_id: &str) -> Outcome {
        let store = &self.parts.store;
        let failed = |error: StoreError| ConnectionRequestError::Failed(error.to_string());
        self.wait_for_session_end(device_id).await?;
        let device = store.get_device(device_id).await.map_err(failed)?.ok_or(ConnectionRequestError::NoSuchDevice)?;
        let now = now();
        if self.is_expected(device_id, &device.head, now) {
            return Ok(());
        }
        let facts = DeviceFacts::of(&device, now);
        let record = self.record(device_id).await.map_err(failed)?;
        let snapshot = self.parts.configuration.snapshot();
        let settings = WakingSettings::evaluate(snapshot.config(), &facts, record.accepted_credentials());
        let follower = self.parts.sessions.follow(device_id);
        let mut attempts = Vec::new();
        let mut steps = settings.order.iter().peekable();
        while let Some(step) = steps.next() {
            let mut made = self.step(device_id, step, &facts, &settings, &follower).await;
            if let [(Method::Udp, sent @ Ok(_))] = made.as_mut_slice()
                && steps.peek().is_some()
                && !has_begun(follower.clone(), UDP_WAIT).await
            {
                *sent = Err(ConnectionRequestError::Offline(Silence::TimedOut));
            }
            let is_over = made.iter().any(|(_, result)| result.is_ok()) || has_begun_already(&follower);
            attempts.extend(made);
            if is_over {
                break;
            }
        }
        self.note(device_id, &attempts, now).await;
        // What has answered counts for more than what was only sent.
        let accepted = attempts.iter().filter(|(_, result)| result.is_ok()).map(|(method, _)| *method);
        match accepted.min_by_key(|method| *method == Method::Udp) {
            Some(method) => {
                self.expect(device_id, now);
                self.clone().await_inform(device_id.to_owned(), method, follower, now);
                Ok(())
            }
            None if has_begun_already(&follower) => Ok(()),
            None => match attempts.pop() {
                Some((_, Err(error))) => Err(error),
                _ => Err(ConnectionRequestError::NoAddress),
            },
        }
    }

    /// Uses the methods of one step that the device has told what is needed for.
    async fn step(
        &self,
        device_id: &str,
        step: &[Method],
        facts: &DeviceFacts,
        settings: &WakingSettings,
        follower: &watch::Receiver<SessionPhase>,
    ) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        let wants = |method, name| step.contains(&method) && facts.supports(name);
        if let Some(port) = self.parts.udp.as_ref().filter(|_| wants(Method::Udp, "STUN"))
            && let Some(target) = UdpTarget::of(device_id, facts, port)
        {
            attempts.push((Method::Udp, self.by_udp(device_id, target, port, facts, settings, follower).await));
        }
        if let Some(requests) = self.parts.xmpp.as_deref().filter(|_| wants(Method::Xmpp, "XMPP"))
            && let Some(jabber_id) = facts.jabber_id.as_deref()
        {
            attempts.push((Method::Xmpp, self.by_xmpp(requests, jabber_id, facts, settings).await));
        }
        if let Some(url) = facts.url.as_deref().filter(|_| wants(Method::Http, "HTTP")) {
            tokio::select! {
                result = self.by_http_patiently(url, facts, settings) => attempts.push((Method::Http, result)),
                // It has come meanwhile: there is nothing more to be asked.
                true = has_begun(follower.clone(), INFORM_WAIT) => {}
            }
        }
        attempts
    }

    async fn by_udp(
        &self,
        device_id: &str,
        target: UdpTarget,
        port: &Arc<UdpPort>,
        facts: &DeviceFacts,
        settings: &WakingSettings,
        follower: &watch::Receiver<SessionPhase>,
    ) -> Result<Option<Credentials>, ConnectionRequestError> {
        let (mut id, timestamp) = (0, now() / 1_000);
        self.change(device_id, |record| id = record.next_udp_id(timestamp)).await;
        let (policy, limiter, follower) = (&self.parts.policy, &self.limiter, follower.clone());
        let parts = UdpParts { port, policy, limiter, id, timestamp, follower };
        udp::send(target, &settings.source(facts, &*self.parts.extensions), parts).await.map(|()| None)
    }

    /// A busy device is asked again after a while: it is in a session that this server knows nothing of, or just starting.
    async fn by_http_patiently(
        &self,
        url: &str,
        facts: &DeviceFacts,
        settings: &WakingSettings,
    ) -> Result<Option<Credentials>, ConnectionRequestError> {
        for wait in BUSY_WAITS {
            match self.by_http(url, facts, settings).await {
                Err(ConnectionRequestError::Offline(Silence::Busy)) => tokio::time::sleep(wait).await,
                other => return other,
            }
        }
        self.by_http(url, facts, settings).await
    }

    async fn by_xmpp(
        &self,
        requests: &dyn XmppRequests,
        jabber_id: &str,
        facts: &DeviceFacts,
        settings: &WakingSettings,
    ) -> Result<Option<Credentials>, ConnectionRequestError> {
        self.limiter.enter([], Instant::now())?;
        let mut over_xmpp = OverXmpp { requests, jabber_id, limit: settings.http.timeout };
        settings.source(facts, &*self.parts.extensions).try_in_turn(&mut over_xmpp).await.map(Some)
    }

    async fn by_http(
        &self,
        url: &str,
        facts: &DeviceFacts,
        settings: &WakingSettings,
    ) -> Result<Option<Credentials>, ConnectionRequestError> {
        let mut request = HttpRequest::prepare(url, &self.parts.policy, settings.http).await?;
        self.limiter.enter(request.addresses().iter().map(|address| address.ip().to_canonical()), Instant::now())?;
        match request.ask().await? {
            Verdict::Accepted => Ok(None),
            Verdict::Unauthorized => {
                settings.source(facts, &*self.parts.extensions).try_in_turn(&mut OverHttp(request)).await.map(Some)
            }
        }
    }

    /// Waits until the device is not in session, for a while.
    async fn wait_for_session_end(&self, device_id: &str) -> Outcome {
        let deadline = tokio::time::Instant::now() + SESSION_WAIT;
        loop {
            match self.parts.store.lease_owner(device_id).await {
                Ok(None) => return Ok(()),
                Ok(Some(_)) if tokio::time::Instant::now() >= deadline => {
                    return Err(ConnectionRequestError::InSession);
                }
                Ok(Some(_)) => tokio::time::sleep(SESSION_LOOK).await,
                Err(error) => return Err(ConnectionRequestError::Failed(error.to_string())),
            }
        }
    }

    /// Whether the device has accepted a short while ago, and not come since.
    fn is_expected(&self, device_id: &str, head: &DeviceHead, now: i64) -> bool {
        let Ok(mut accepted) = self.accepted.lock() else { return false };
        let wait = INFORM_WAIT.as_millis() as i64;
        accepted.retain(|_, at| now - *at < wait);
        accepted.get(device_id).is_some_and(|at| head.last_inform < *at)
    }

    fn expect(&self, device_id: &str, at: i64) {
        if let Ok(mut accepted) = self.accepted.lock() {
            accepted.insert(device_id.to_owned(), at);
        }
    }

    /// Counts the device's Inform if it comes and says that it was asked for.
    fn await_inform(
        self: Arc<Inner>,
        device_id: String,
        method: Method,
        mut follower: watch::Receiver<SessionPhase>,
        since: i64,
    ) {
        tokio::spawn(async move {
            let deadline = tokio::time::Instant::now() + INFORM_WAIT;
            // A session that the device was about to begin anyway may come first.
            while has_begun(follower.clone(), deadline.saturating_duration_since(tokio::time::Instant::now())).await {
                let next = self.parts.sessions.follow(&device_id);
                if follower.wait_for(|phase| *phase == SessionPhase::Ended).await.is_err() {
                    return;
                }
                let Ok(Some(device)) = self.parts.store.get_device(&device_id).await else { return };
                // `6 CONNECTION REQUEST`; some devices spell the rest another way.
                let was_asked = device.head.events.iter().any(|event| event.starts_with("6 "));
                if was_asked && device.head.last_inform >= since {
                    self.change(&device_id, |record| record.note_informed(method, device.head.last_inform)).await;
                    return;
                }
                follower = next;
            }
        });
    }

    async fn record(&self, device_id: &str) -> Result<WakingRecord, StoreError> {
        let stored = self.parts.store.get(Collection::ConnectionRequests, device_id).await?;
        // What cannot be read is begun anew: it is only figures.
        Ok(stored.and_then(|document| serde_json::from_value(document).ok()).unwrap_or_default())
    }

    async fn change(&self, device_id: &str, change: impl FnOnce(&mut WakingRecord)) {
        let _held = self.records.lock().await;
        let written = async {
            let mut record = self.record(device_id).await?;
            change(&mut record);
            let document = serde_json::to_value(&record).unwrap_or_default();
            self.parts.store.put(Collection::ConnectionRequests, device_id, document).await
        };
        if let Err(error) = written.await {
            tracing::warn!(target: "cwmp", device = device_id, %error, "the outcome of a connection request is not kept");
        }
    }

    async fn note(&self, device_id: &str, attempts: &[Attempt], at: i64) {
        attempts.iter().for_each(|(method, result)| self.counts.count(*method, result));
        self.change(device_id, |record| {
            for (method, result) in attempts {
                match result {
                    Ok(credentials) => record.note_accepted(*method, credentials.as_ref(), at),
                    Err(error) => record.note_failed(*method, error, at),
                }
            }
        })
        .await;
        let event = |(method, result): &Attempt| {
            let (kind, detail) = match result {
                Ok(_) => ("connection_request.accepted", json!({ "method": method })),
                Err(error) => {
                    let detail = json!({ "method": method, "reason": error.code(), "text": error.to_string() });
                    ("connection_request.failed", detail)
                }
            };
            OutboxEvent { kind: kind.to_owned(), device: device_id.to_owned(), at, detail }
        };
        if let Err(error) = self.parts.store.add_events(attempts.iter().map(event).collect()).await {
            tracing::warn!(target: "cwmp", device = device_id, %error, "the outcome of a connection request is not told");
        }
    }
}

/// A device's place among those that are being woken, left also when the work panics.
struct Place<'a> {
    inner: &'a Inner,
    device_id: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Ok(mut pending) = self.inner.pending.lock() {
            pending.remove(self.device_id);
        }
    }
}

/// How a device is woken, evaluated from the config collection (`docs/configuration.md`).
struct WakingSettings {
    order: Vec<Vec<Method>>,
    http: HttpOptions,
    credentials: Expression,
    /// What the device took last.
    accepted: Option<Credentials>,
}

impl WakingSettings {
    fn evaluate(values: &ConfigValues, facts: &DeviceFacts, accepted: Option<Credentials>) -> WakingSettings {
        let milliseconds = values.number("cwmp.connectionRequestTimeout", facts, 2_000, 1);
        let order = values.text("cwmp.connectionRequestMethods", facts, DEFAULT_ORDER);
        let order = parse_order(&order).unwrap_or_else(|| {
            tracing::warn!(target: "cwmp", order, "cwmp.connectionRequestMethods has an unknown method; the default is used");
            parse_order(DEFAULT_ORDER).unwrap_or_default()
        });
        let credentials = values.get("cwmp.connectionRequestAuth").cloned();
        WakingSettings {
            order,
            http: HttpOptions {
                timeout: Duration::from_millis(milliseconds.unsigned_abs()),
                allow_basic: values.boolean("cwmp.connectionRequestAllowBasicAuth", facts, false),
            },
            credentials: credentials
                .unwrap_or_else(|| parse(DEFAULT_CREDENTIALS).unwrap_or_else(|_| Expression::literal(false))),
            accepted,
        }
    }

    fn source<'a>(&'a self, facts: &'a DeviceFacts, extensions: &'a dyn ExtensionCaller) -> CredentialSource<'a> {
        CredentialSource { expression: &self.credentials, context: facts, extensions, accepted: self.accepted.clone() }
    }
}

struct OverHttp(HttpRequest);

#[async_trait]
impl Presenting for OverHttp {
    async fn present(&mut self, credentials: &Credentials) -> Result<bool, ConnectionRequestError> {
        Ok(self.0.present(credentials).await? == Verdict::Accepted)
    }
}

/// Waits until the device's session begins, for a while. Returns whether it did.
async fn has_begun(mut follower: watch::Receiver<SessionPhase>, limit: Duration) -> bool {
    let began = follower.wait_for(|phase| *phase != SessionPhase::Awaited);
    matches!(tokio::time::timeout(limit, began).await, Ok(Ok(_)))
}

fn has_begun_already(follower: &watch::Receiver<SessionPhase>) -> bool {
    *follower.borrow() != SessionPhase::Awaited
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

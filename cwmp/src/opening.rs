//! An Inform becomes a session: the device's old one is ended, what is stored is read, and the device hears InformResponse.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_core::change::DeviceSnapshot;
use acs_core::device::StoredDevice;
use acs_core::expression::{Context, Scalar};
use acs_core::rpc::{CwmpVersion, Inform};
use acs_core::session::Session;
use hyper::header::HeaderValue;
use store::Lease;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::admission::{Promise, SessionKind};
use crate::answer::Answer;
use crate::authentication::{Claim, Rejected};
use crate::body::{Body, unavailable, unavailable_for};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::cookies::{self, Token};
use crate::encoding::{ContentCoding, decode_body};
use crate::endpoint::{Endpoint, lease_time};
use crate::log::{self, Subject};
use crate::pool::Priority;
use crate::ports::{PinnedConfiguration, SessionOptions};
use crate::repairs::Model;
use crate::sessions::{LiveSession, Origin, SessionTable};
use crate::soap::write::{
    write_fault, write_inform_response, write_inform_response_with_version, write_must_understand_fault,
};
use crate::soap::{Envelope, FaultCode, highest_common_version};
use crate::statistics::count;
use crate::trace::{Beginning, Trace, TraceLevel, mark_of, session_id};
use crate::visit::{Refusal, Terms, Visit, compressed};

/// The lease that is asked for before the session's own timeout is known.
pub(crate) const FIRST_LEASE: Duration = Duration::from_secs(30);

/// An Inform as it came.
pub(crate) struct Opening {
    pub(crate) inform: Box<(Envelope, Inform)>,
    /// For the log of devices that are debugged.
    pub(crate) body: Body,
    pub(crate) coding: Option<ContentCoding>,
}

/// What becomes of an Inform.
enum Start {
    Session(Box<Opened>),
    /// The device is to go elsewhere.
    Redirected(HeaderValue),
}

/// An Inform for which a session may begin.
struct Admitted {
    opening: Opening,
    channel: Channel,
    configuration: Arc<dyn PinnedConfiguration>,
    /// The CWMP version to name in the answer.
    version: Option<&'static str>,
    promise: Promise,
    arrived: Instant,
    /// Tells the session from others that begin at the same time.
    mark: u64,
}

/// A session that has begun, with what the device hears of it.
struct Opened {
    visit: Box<Visit>,
    answer: Answer,
    cookies_path: Option<String>,
    timeout: Duration,
}

impl Endpoint {
    /// Begins a session, if the Inform is the device's. `replaced` is another device's session whose cookie came with it: it is
    /// over then.
    pub(crate) async fn begin(
        self: &Arc<Endpoint>,
        connection: &Arc<Connection>,
        channel: Channel,
        opening: Opening,
        replaced: Option<Arc<LiveSession>>,
    ) -> Answer {
        let arrived = Instant::now();
        count(&self.statistics.cpe_requests);
        self.statistics.cpe_methods.count("Inform");
        let (envelope, inform) = &*opening.inform;
        let version = match version_or_fault(envelope) {
            Ok(version) => version,
            Err(fault) => {
                let (bytes, coding) = compressed(fault, opening.coding);
                return Answer::envelope(bytes, coding).with_status(self.fault_status());
            }
        };
        let kind = SessionKind::of(inform);
        let Some(promise) = self.admit(kind) else {
            count(&self.statistics.refused);
            return unavailable_for(self.admission.retry_after(kind, self.limits()));
        };
        let device_id: Arc<str> = inform.device_id.device_id().into();
        let configuration = self.parts.configuration.current();
        let claim = Claim { connection, channel: &channel, body: &opening.body, device: &device_id };
        let authenticated = match self.authenticate(claim, inform, &*configuration).await {
            Ok(authenticated) => authenticated,
            Err(Rejected::Answer(answer)) => return answer,
            Err(Rejected::RequestDenied) => {
                let (mut out, id, code) = (String::new(), envelope.id.as_deref(), FaultCode::RequestDenied);
                write_fault(&mut out, envelope.namespace, id.unwrap_or_default(), code, code.text());
                let (bytes, coding) = compressed(out, opening.coding);
                return Answer::envelope(bytes, coding);
            }
        };
        if let Some(replaced) = replaced {
            self.terminate(&replaced, Refusal::bad_request("another device began with its cookie")).await;
        }
        let token = match Token::random() {
            Ok(token) => token,
            Err(error) => {
                error!(target: "cwmp", "no random numbers: {error}");
                return unavailable(self.limits());
            }
        };
        let origin = Origin { policy: connection.policy.clone(), authenticated };
        let live = LiveSession::new(token, device_id, origin);
        // Held until the session has begun, so that whoever supersedes it waits.
        let mut place = live.visit.lock().await;
        let previous = self.table.insert(&live);
        let entry = Entry { table: &self.table, live: &live, stays: false };
        if let Some(previous) = previous {
            let refusal = Refusal::bad_request("the device has begun another session");
            self.terminate(&previous, refusal).await;
        }
        let asked = Instant::now();
        let Some((lease, snapshot)) = self.take_device(&live.device_id, &token.digest()).await else {
            return unavailable(self.limits());
        };
        let store_time = asked.elapsed();
        let opened = if snapshot.device.is_none() && self.refuses_new_devices.load(Ordering::Relaxed) {
            count(&self.statistics.refused);
            None
        } else {
            let mark = mark_of(&lease.owner);
            let admitted = Admitted { opening, channel, configuration, version, promise, arrived, mark };
            self.open(admitted, &live, snapshot).await
        };
        let opened = match opened {
            Some(Start::Session(opened)) => *opened,
            Some(Start::Redirected(url)) => {
                self.release_lease(&lease).await;
                return Answer::redirect(url);
            }
            None => {
                self.release_lease(&lease).await;
                return unavailable(self.limits());
            }
        };
        self.prolong(&lease, opened.timeout).await;
        let cookie = cookies::set_cookie(token, opened.cookies_path.as_deref());
        match HeaderValue::try_from(cookie) {
            Ok(cookie) => live.set_terms(cookie, lease, opened.timeout),
            Err(_) => return unavailable(self.limits()),
        }
        let mut visit = opened.visit;
        visit.trace.waited_for_store(store_time);
        visit.trace.has_answered();
        *place = Some(visit);
        entry.stay();
        count(&self.statistics.sessions_started);
        count(&self.statistics.live_sessions);
        if let Some(observer) = &self.parts.observer {
            observer.session_started(&live.device_id);
        }
        connection.bind(&live);
        self.table.start_waiting(&live);
        self.table.watch(&live);
        opened.answer.with_cookie(live.cookie.get())
    }

    /// Room for a new session. `None`: there is none.
    fn admit(&self, kind: SessionKind) -> Option<Promise> {
        if self.is_full() { None } else { self.admission.admit(kind, self.parts.pool.expected_wait(), self.limits()) }
    }

    /// Whether there is no room for a session of any kind, whatever it costs.
    pub(crate) fn is_full(&self) -> bool {
        let limits = self.limits();
        self.is_closing.load(Ordering::SeqCst)
            || self.statistics.live_sessions.load(Ordering::Relaxed) >= limits.max_sessions as u64
            || self.statistics.unwritten_sessions.load(Ordering::Relaxed) >= limits.max_unwritten as u64
    }

    /// The right to a session with the device, and what it starts from. `None`: it is not to be had; that is logged already.
    async fn take_device(self: &Arc<Endpoint>, device: &str, owner: &str) -> Option<(Lease, DeviceSnapshot)> {
        let (store, time) = (&self.parts.store, lease_time(FIRST_LEASE));
        let mut begun = store.begin_session(device, owner, time).await;
        if matches!(begun, Ok(None)) && self.limits().shared_sessions {
            // It has begun anew: what it has on another node is over.
            self.end_elsewhere(device).await;
            begun = store.seize_session(device, owner, time).await.map(Some);
        }
        match begun {
            Ok(Some(begun)) => Some(begun),
            Ok(None) => {
                warn!(target: "cwmp", device, "the device is in session elsewhere");
                count(&self.statistics.refused);
                None
            }
            Err(error) => {
                error!(target: "cwmp", device, "no session: {error}");
                None
            }
        }
    }

    /// A session's timeout is known now: its lease is to last as long.
    pub(crate) async fn prolong(&self, lease: &Lease, timeout: Duration) {
        if timeout > FIRST_LEASE
            && let Err(error) = self.parts.store.renew_lease(lease, lease_time(timeout)).await
        {
            warn!(target: "cwmp", device = lease.device, "the lease is not prolonged: {error}");
        }
    }

    /// The part of the work that is the pool's. `None`: it failed.
    async fn open(&self, admitted: Admitted, live: &LiveSession, snapshot: DeviceSnapshot) -> Option<Start> {
        let Admitted { opening, channel, configuration, version, mut promise, arrived, mark } = admitted;
        let timestamp = (self.parts.clock)();
        let (remote, statistics) = (channel.remote.clone(), self.statistics.clone());
        let (device_id, recorder) = (live.device_id.clone(), self.recorder.clone());
        let (longest, limits) = (self.limits().max_session_timeout, self.limits().body);
        let work = move || {
            let begun = Instant::now();
            let Opening { inform, body, coding } = opening;
            let (envelope, inform) = *inform;
            let subject = Subject { device: &device_id, remote: &remote };
            log::informed(subject, &inform, snapshot.device.is_none());
            let model = Model::of(&inform);
            log::repairs(subject, &model, &statistics.repairs, "Inform", &envelope.repairs);
            let device = snapshot.device.as_ref();
            let context = InformContext { id: &device_id, inform: &inform, device, timestamp, channel: &channel };
            let options = configuration.session_options(&context);
            if let Some(url) = redirection(subject, options.redirect.as_deref()) {
                return Start::Redirected(url);
            }
            let SessionOptions {
                mut settings,
                session_timeout,
                write,
                cookies_path,
                debug,
                trace: level,
                kicked_next_url,
                fault_status,
                redirect: _,
            } = options;
            // Whoever wants to see the Inform pays for decoding it again.
            let decoded = if debug || level == TraceLevel::Messages {
                decode_body(&body.bytes, body.content_type(), body.content_encoding(), &limits).ok()
            } else {
                None
            };
            let informed = decoded.as_ref().map_or("", |body| &*body.text);
            if debug && !informed.is_empty() {
                log::body(subject, "received", informed, true);
            }
            settings.remote_address = remote.to_string();
            settings.cwmp_version = version.and_then(CwmpVersion::parse).unwrap_or(envelope.namespace.version());
            let recording =
                recorder.and_then(|recorder| recorder.begin(&snapshot, &inform, timestamp, &settings, &*configuration));
            let registered = snapshot.device.is_none();
            let session = Session::open(snapshot, &inform, timestamp, settings);
            let mut trace = Trace::begin(Beginning {
                id: session_id(timestamp, mark),
                device: device_id.clone(),
                remote: remote.clone(),
                began: timestamp,
                arrived,
                events: inform.events.into_iter().map(|event| event.code).collect(),
                registered,
                level,
            });
            trace.received_inform(body.bytes.len(), informed);
            let (text, id) = (&mut String::with_capacity(640), envelope.id.as_deref().unwrap_or_default());
            match version {
                Some(version) => write_inform_response_with_version(text, envelope.namespace, id, version),
                None => write_inform_response(text, envelope.namespace, id),
            }
            log::body(subject, "sent", text, debug);
            trace.sends("InformResponse", text);
            promise.spend(begun.elapsed());
            promise.begin();
            // A device that can wait long may be waited for as long.
            let asked = envelope.session_timeout.map(|seconds| Duration::from_secs(seconds.into()));
            let terms = Terms {
                namespace: envelope.namespace,
                write,
                debug,
                kicked_next_url,
                fault_status,
                model,
                remote: remote.clone(),
                device_patience: asked,
                ..Terms::default()
            };
            let lease_renewed = Instant::now();
            let mut visit =
                Visit { session, terms, configuration, recording, trace, statistics, coding, lease_renewed, promise };
            let (bytes, coding) = compressed(std::mem::take(text), coding);
            visit.trace.sent_bytes(bytes.len());
            let lines = log::session_lines(&remote, &mut visit.session);
            visit.trace.log(lines, &visit.session);
            visit.trace.spent_in_engine(begun.elapsed());
            Start::Session(Box::new(Opened {
                visit: Box::new(visit),
                answer: Answer::envelope(bytes, coding),
                cookies_path,
                timeout: session_timeout.max(asked.unwrap_or_default().min(longest)),
            }))
        };
        self.parts.pool.run(Priority::Opening, work).await.ok()
    }
}

/// Where the device is to go, if it is to go elsewhere. A URL that cannot be written is as none.
fn redirection(subject: Subject<'_>, url: Option<&str>) -> Option<HeaderValue> {
    let url = url?;
    let Subject { device, remote } = subject;
    match HeaderValue::from_str(url) {
        Ok(value) => {
            info!(target: "cwmp", device, remote, url, "redirected");
            Some(value)
        }
        Err(error) => {
            warn!(target: "cwmp", device, remote, url, "cwmp.redirect is no URL: {error}");
            None
        }
    }
}

/// The CWMP version to name in the answer, or the fault that refuses the Inform before any state is made.
fn version_or_fault(envelope: &Envelope) -> Result<Option<&'static str>, String> {
    let id = envelope.id.as_deref().unwrap_or_default();
    let mut out = String::new();
    if let Some(header) = &envelope.not_understood {
        write_must_understand_fault(&mut out, envelope.namespace, id, header);
        return Err(out);
    }
    let Some(supported) = &envelope.supported_cwmp_versions else { return Ok(None) };
    match highest_common_version(supported) {
        Some(version) => Ok(Some(version)),
        None => {
            let code = FaultCode::VersionIncompatible;
            write_fault(&mut out, envelope.namespace, id, code, code.text());
            Err(out)
        }
    }
}

/// A session's place in the table, given up again unless it has begun.
struct Entry<'a> {
    table: &'a SessionTable,
    live: &'a Arc<LiveSession>,
    stays: bool,
}

impl Entry<'_> {
    fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.stays {
            self.table.remove(self.live);
        }
    }
}

/// What expressions about a device that begins a session are evaluated against: what is stored, and what this Inform says.
pub(crate) struct InformContext<'a> {
    pub(crate) id: &'a str,
    pub(crate) inform: &'a Inform,
    pub(crate) device: Option<&'a StoredDevice>,
    pub(crate) timestamp: i64,
    pub(crate) channel: &'a Channel,
}

impl Context for InformContext<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        let device_id = &self.inform.device_id;
        let identity = match path {
            "DeviceID.ID" => Some(self.id),
            "DeviceID.Manufacturer" => Some(&*device_id.manufacturer),
            "DeviceID.OUI" => Some(&*device_id.oui),
            "DeviceID.ProductClass" => Some(&*device_id.product_class),
            "DeviceID.SerialNumber" => Some(&*device_id.serial_number),
            _ => None,
        };
        if let Some(text) = identity {
            return Scalar::from(text);
        }
        if let Some((_, value)) = self.inform.parameter_list.iter().find(|(name, _)| name == path) {
            return Scalar::from(&value.0);
        }
        let Some(device) = self.device else { return Scalar::Null };
        if let Some(tag) = path.strip_prefix("Tags.") {
            return device.tags.get(tag).map_or(Scalar::Null, Scalar::from);
        }
        if let Some(informed) = device.head.informed.iter().find(|informed| informed.path == path) {
            return Scalar::from(&informed.value.0);
        }
        let node = device.tree.find(path).map(|id| device.tree.node(id));
        node.and_then(|node| node.typed_value()).map_or(Scalar::Null, |value| Scalar::from(&value.0))
    }

    fn now(&self) -> i64 {
        self.timestamp
    }

    fn called_host(&self) -> Option<&str> {
        self.channel.host.as_deref()
    }

    fn remote_address(&self) -> Option<&str> {
        Some(&self.channel.remote)
    }
}

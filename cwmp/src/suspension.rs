//! Sessions that go on elsewhere. Where several nodes share a store, a session whose connection is gone is kept there, for the node
//! that its device comes to next, which may be the same one.
//!
//! A session is found by its cookie; its lease's owner is the cookie's digest. While a connection lasts nothing is kept: it leads to
//! one node. So a session on one connection costs the store nothing more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use acs_core::session::Session;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};
use store::{Lease, Resumption, StoreError};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep};
use tracing::{debug, error, warn};

use crate::admission::Spent;
use crate::authentication::{Authenticated, KeptIdentity};
use crate::connection::Connection;
use crate::cookies::Token;
use crate::endpoint::{Endpoint, lease_time};
use crate::listener::ListenerPolicy;
use crate::opening::FIRST_LEASE;
use crate::pool::Priority;
use crate::sessions::{LiveSession, Origin};
use crate::statistics::{count, uncount};
use crate::trace::Trace;
use crate::visit::{Refusal, Terms, Visit};

/// How long a session waits here for its device to come back, before it is kept for all nodes.
const STAY: Duration = Duration::from_millis(200);
/// How long a session is waited for that another node has not let go of: it may not know yet that the connection is gone.
const ELSEWHERE_WAIT: Duration = Duration::from_secs(3);
/// How often it is looked for meanwhile.
const ELSEWHERE_LOOK: Duration = Duration::from_millis(50);
/// The form of what is kept. Nodes that know another form leave it alone.
const FORM: u32 = 1;

/// A session as it is kept.
#[derive(Serialize, Deserialize)]
struct Suspended {
    form: u32,
    device_id: String,
    /// The listener's name: a session stays with listeners of its name.
    listener: String,
    identity: Option<KeptIdentity>,
    /// The Set-Cookie header.
    cookie: String,
    age: Duration,
    timeout: Duration,
    terms: Terms,
    trace: Trace,
    spent: Spent,
    session: Session,
}

impl Suspended {
    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        serde_json::to_writer(&mut encoder, self)?;
        encoder.finish()
    }

    fn decode(content: &[u8]) -> serde_json::Result<Suspended> {
        /// What comes first, so that another form is recognised whatever follows.
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }
        let mut text = Vec::new();
        std::io::copy(&mut ZlibDecoder::new(content), &mut text).map_err(serde_json::Error::io)?;
        match serde_json::from_slice::<Form>(&text)?.form {
            FORM => serde_json::from_slice(&text),
            form => Err(serde::de::Error::custom(format!("form {form} of a kept session is not known here"))),
        }
    }
}

impl Endpoint {
    /// A connection is gone. If its session does not go on here soon, it is kept for whoever its device comes to.
    pub(crate) fn disconnected(self: &Arc<Endpoint>, connection: &Connection) {
        if !self.limits().shared_sessions {
            return;
        }
        let Some(live) = connection.session() else { return };
        let (endpoint, id) = (self.clone(), connection.id);
        if live.connection() != id {
            return;
        }
        tokio::spawn(async move {
            sleep(STAY).await;
            let place = live.visit.lock().await;
            if live.connection() == id {
                endpoint.suspend(&live, place).await;
            }
        });
    }

    /// Keeps a session for whoever its device comes to, and lets go of it. When that fails it stays here.
    pub(crate) async fn suspend(
        self: &Arc<Endpoint>,
        live: &Arc<LiveSession>,
        mut place: MutexGuard<'_, Option<Box<Visit>>>,
    ) {
        let Some(lease) = live.lease.get() else { return };
        let Some(visit) = place.take() else { return };
        let Visit { session, terms, trace, promise, recording, .. } = *visit;
        // A recording is of what happens here.
        drop(recording);
        let suspended = Suspended {
            form: FORM,
            device_id: live.device_id.to_string(),
            listener: live.origin.policy.name.clone(),
            identity: live.origin.authenticated.as_deref().map(KeptIdentity::from),
            cookie: live.cookie.get().and_then(|cookie| cookie.to_str().ok()).unwrap_or_default().to_owned(),
            age: live.started.elapsed(),
            timeout: live.timeout(),
            terms,
            trace,
            spent: promise.hand_over(),
            session,
        };
        let encoded = self.parts.pool.run(Priority::Running, move || (suspended.encode(), suspended)).await;
        let Ok((content, suspended)) = encoded else { return self.lost(live).await };
        let device = &*live.device_id;
        let kept = match content {
            Ok(content) => self.parts.store.suspend_session(lease, content, lease_time(live.timeout())).await,
            Err(error) => Err(StoreError::Damaged { what: "a session".to_owned(), reason: error.to_string() }),
        };
        match kept {
            Ok(()) => {
                debug!(target: "cwmp", device, "the session is kept for the node that its device comes to");
                self.table.remove(live);
                uncount(&self.statistics.live_sessions);
                count(&self.statistics.sessions_suspended);
                self.expire_later(live.token.digest(), live.timeout());
            }
            Err(StoreError::LeaseLost(_)) => {
                self.tell_trace(suspended.trace, Some("its lease has passed to another session"));
                self.lost(live).await;
            }
            Err(error) => {
                warn!(target: "cwmp", device, "the session cannot be kept for other nodes; it goes on only here: {error}");
                *place = Some(self.visit(suspended));
            }
        }
    }

    /// The session of a cookie that is not live here, if it is to be had.
    pub(crate) async fn resume(
        self: &Arc<Endpoint>,
        token: Token,
        connection: &Connection,
    ) -> Option<Arc<LiveSession>> {
        let deadline = Instant::now() + ELSEWHERE_WAIT;
        let owner = token.digest();
        loop {
            if let Some(live) = self.table.by_token(token) {
                return Some(live).filter(|live| Arc::ptr_eq(&live.origin.policy, &connection.policy));
            }
            match self.parts.store.resume_session(&owner, lease_time(FIRST_LEASE)).await {
                Ok(Resumption::Resumed { lease, content }) => {
                    let live = self.revive(token, lease, content, Some(&connection.policy)).await?;
                    if let Some(previous) = self.table.insert(&live) {
                        let refusal = Refusal::bad_request("the device goes on with another session");
                        self.terminate(&previous, refusal).await;
                    }
                    count(&self.statistics.sessions_resumed);
                    if let Some(observer) = &self.parts.observer {
                        observer.session_started(&live.device_id);
                    }
                    self.table.start_waiting(&live);
                    self.table.watch(&live);
                    return Some(live);
                }
                Ok(Resumption::Elsewhere) if Instant::now() < deadline => sleep(ELSEWHERE_LOOK).await,
                Ok(_) => return None,
                Err(error) => {
                    error!(target: "cwmp", remote = &*connection.remote, "kept sessions cannot be read: {error}");
                    return None;
                }
            }
        }
    }

    /// Ends the session that a device has elsewhere, if it is kept, as one that its device has left.
    pub(crate) async fn end_elsewhere(self: &Arc<Endpoint>, device_id: &str) {
        let owner = match self.parts.store.lease_owner(device_id).await {
            Ok(Some(owner)) => owner,
            Ok(None) => return,
            Err(error) => {
                return warn!(target: "cwmp", device = device_id, "the device's session elsewhere is not known: {error}");
            }
        };
        self.break_off_kept(&owner, Refusal::bad_request("the device has begun another session")).await;
    }

    /// Ends a kept session when its device does not come to any node in time.
    fn expire_later(self: &Arc<Endpoint>, owner: String, timeout: Duration) {
        let endpoint = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(timeout).await;
            let Some(endpoint) = endpoint.upgrade() else { return };
            let reason = format!("no message for {} s", timeout.as_secs_f32());
            let refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, reason };
            if endpoint.break_off_kept(&owner, refusal).await {
                endpoint.statistics.session_timeouts.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// Ends a kept session, and writes what it learnt. Returns whether there was one.
    async fn break_off_kept(self: &Arc<Endpoint>, owner: &str, refusal: Refusal) -> bool {
        let resumed = self.parts.store.resume_session(owner, lease_time(FIRST_LEASE)).await;
        let (lease, content) = match resumed {
            Ok(Resumption::Resumed { lease, content }) => (lease, content),
            Ok(_) => return false,
            Err(error) => {
                warn!(target: "cwmp", "a kept session cannot be ended: {error}");
                return false;
            }
        };
        // Its cookie is not known here, and leads nowhere any more.
        let Ok(token) = Token::random() else { return false };
        let Some(live) = self.revive(token, lease, content, None).await else { return false };
        self.terminate(&live, refusal).await;
        true
    }

    /// Makes a kept session live; it is not in the table yet. One that does not belong here is kept again. `policy`: that of the
    /// listener where its device is; without, the session is only to be ended.
    async fn revive(
        self: &Arc<Endpoint>,
        token: Token,
        lease: Lease,
        content: Vec<u8>,
        policy: Option<&Arc<ListenerPolicy>>,
    ) -> Option<Arc<LiveSession>> {
        let work = move || (Suspended::decode(&content), content);
        let Ok((decoded, content)) = self.parts.pool.run(Priority::Running, work).await else {
            self.release_lease(&lease).await;
            return None;
        };
        // A device that is slow to come has as long as it had where it was.
        let timeout = decoded.as_ref().map_or(FIRST_LEASE, |suspended| suspended.timeout);
        let strange = match &decoded {
            Ok(suspended) => policy
                .filter(|policy| policy.name != suspended.listener)
                .map(|policy| format!("it belongs to listener {:?}, not {:?}", suspended.listener, policy.name)),
            Err(error) => Some(error.to_string()),
        };
        let suspended = match (strange, decoded) {
            (None, Ok(suspended)) => suspended,
            (strange, _) => {
                let reason = strange.unwrap_or_default();
                warn!(target: "cwmp", device = lease.device, "a kept session does not go on here: {reason}");
                if let Err(error) = self.parts.store.suspend_session(&lease, content, lease_time(timeout)).await {
                    warn!(target: "cwmp", device = lease.device, "it is not kept again: {error}");
                }
                return None;
            }
        };
        self.prolong(&lease, timeout).await;
        let authenticated = suspended.identity.clone().map(|identity| Arc::new(Authenticated::from(identity)));
        let origin = Origin { policy: policy.cloned().unwrap_or_default(), authenticated };
        let (device_id, age) = (suspended.device_id.as_str().into(), suspended.age);
        let live = LiveSession::begun(token, device_id, origin, age);
        let cookie = HeaderValue::try_from(suspended.cookie.as_str()).ok()?;
        live.set_terms(cookie, lease, suspended.timeout);
        *live.visit.lock().await = Some(self.visit(suspended));
        count(&self.statistics.live_sessions);
        Some(live)
    }

    fn visit(&self, suspended: Suspended) -> Box<Visit> {
        let Suspended { terms, trace, spent, session, .. } = suspended;
        Box::new(Visit {
            session,
            terms,
            configuration: self.parts.configuration.current(),
            recording: None,
            trace,
            statistics: self.statistics.clone(),
            coding: None,
            lease_renewed: Instant::now(),
            promise: self.admission.take_over(spent),
        })
    }
}

//! One HTTP request of a device to one answer: which session it belongs to, and who has to do something about it.
//!
//! A session is found by its cookie or, since some devices return none, by its connection. An Inform always begins a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use acs_core::expression::{Context, Scalar};
use acs_core::script::{ExtensionCall, ScriptFault};
use acs_core::starstate::StarStateCall;
use acs_core::task::TaskState;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde_json::Value as Json;
use store::Store;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::admission::Admission;
use crate::answer::Answer;
use crate::authentication::{Memory, Offer};
use crate::body::{self, Body, BodyFailure};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::cookies::{self, Token};
use crate::handshakes::Handshakes;
use crate::limits::EndpointLimits;
use crate::opening::Opening;
use crate::pool::{Pool, Priority};
use crate::ports::{Clock, ConfigurationSource, ExtensionCaller, SessionObserver, SessionRecorder};
use crate::sessions::{LiveSession, SessionTable};
use crate::statistics::{CwmpStatistics, count};
use crate::visit::{Refusal, Turn, Visit};

/// What an endpoint is made of.
pub struct EndpointParts {
    /// Where devices are kept.
    pub store: Arc<dyn Store>,
    /// How they are configured.
    pub configuration: Arc<dyn ConfigurationSource>,
    /// Runs extensions.
    pub extensions: Arc<dyn ExtensionCaller>,
    /// Is told of sessions.
    pub observer: Option<Arc<dyn SessionObserver>>,
    /// Gives sessions their time.
    pub clock: Clock,
    /// Does the work of sessions.
    pub pool: Pool,
    /// The bounds.
    pub limits: EndpointLimits,
}

/// The HTTP endpoint that devices visit. It may serve several listeners; a session can go from one to another.
pub struct Endpoint {
    pub(crate) parts: EndpointParts,
    pub(crate) recorder: Option<Arc<dyn SessionRecorder>>,
    pub(crate) table: SessionTable,
    pub(crate) statistics: Arc<CwmpStatistics>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) memory: Memory,
    pub(crate) handshakes: Handshakes,
    connections: Arc<Semaphore>,
    body_memory: Arc<Semaphore>,
    listeners: AtomicUsize,
    pub(crate) is_closing: AtomicBool,
    pub(crate) refuses_new_devices: AtomicBool,
    is_swept: AtomicBool,
}

impl Endpoint {
    /// Makes an endpoint. It does nothing before it is served (see [`crate::serve`]).
    pub fn new(parts: EndpointParts) -> Arc<Endpoint> {
        Endpoint::recorded(parts, None)
    }

    /// Makes an endpoint whose sessions are offered to a recorder.
    pub fn recorded(parts: EndpointParts, recorder: Option<Arc<dyn SessionRecorder>>) -> Arc<Endpoint> {
        let permits = parts.limits.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Endpoint {
            table: SessionTable::new(),
            statistics: Arc::default(),
            admission: Admission::new(parts.pool.threads()),
            memory: Memory::default(),
            handshakes: Handshakes::default(),
            connections: Arc::new(Semaphore::new(permits)),
            body_memory: body::memory(&parts.limits),
            listeners: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            refuses_new_devices: AtomicBool::new(false),
            is_swept: AtomicBool::new(false),
            recorder,
            parts,
        })
    }

    /// The counters.
    pub fn statistics(&self) -> &Arc<CwmpStatistics> {
        &self.statistics
    }

    /// The bounds.
    pub fn limits(&self) -> &EndpointLimits {
        &self.parts.limits
    }

    /// Whether a device is in session here and now.
    pub fn is_in_session(&self, device_id: &str) -> bool {
        self.table.has_device(device_id)
    }

    /// Says whether devices that are not known yet are answered with 503. Known ones are served all the same.
    pub fn refuse_new_devices(&self, refused: bool) {
        self.refuses_new_devices.store(refused, Ordering::Relaxed);
    }

    pub(crate) fn connection_permits(&self) -> &Arc<Semaphore> {
        &self.connections
    }

    pub(crate) fn listener_opened(self: &Arc<Endpoint>) {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        self.is_closing.store(false, Ordering::SeqCst);
        if !self.is_swept.swap(true, Ordering::SeqCst) {
            tokio::spawn(Endpoint::sweep(Arc::downgrade(self)));
        }
    }

    pub(crate) async fn listener_closed(self: &Arc<Endpoint>) {
        if self.listeners.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.is_closing.store(true, Ordering::SeqCst);
            self.end_all().await;
        }
    }

    /// Answers a request.
    pub(crate) async fn answer(
        self: &Arc<Endpoint>,
        connection: &Arc<Connection>,
        request: Request<Incoming>,
    ) -> Answer {
        count(&self.statistics.requests);
        if request.method() != Method::POST {
            let allow = HeaderValue::from_static("POST");
            return Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed")
                .with(header::ALLOW, allow);
        }
        let channel = Channel::of(connection, request.headers());
        let tokens = cookies::tokens_of(request.headers());
        let found = self.find(connection, &channel, &tokens);
        let body = match Body::receive(request, self.limits(), &self.body_memory).await {
            Ok(body) => body,
            Err(failure) => return self.no_body(connection, found, failure).await,
        };
        match found {
            Some(found) => {
                let is_here = connection.session().is_some_and(|live| Arc::ptr_eq(&live, &found.live));
                if (!is_here || channel.is_forwarded)
                    && let Err(answer) = self.may_resume(&found.live, connection, &channel, &body).await
                {
                    return answer;
                }
                self.proceed(connection, channel, found, body).await
            }
            None => self.first(connection, channel, body, &tokens).await,
        }
    }

    /// The session that a request belongs to. A cookie that is unknown is as none, and one of another listener, too.
    fn find(&self, connection: &Connection, channel: &Channel, tokens: &[Token]) -> Option<Found> {
        for token in tokens {
            if let Some(live) = self.table.by_token(*token)
                && Arc::ptr_eq(&live.origin.policy, &connection.policy)
            {
                return Some(Found { live, by_cookie: true });
            }
        }
        let may_stand_for_it = self.limits().connection_sessions && !channel.is_forwarded;
        let live = connection.session().filter(|_| may_stand_for_it)?;
        // Only one that is still live.
        let live = self.table.by_token(live.token)?;
        Some(Found { live, by_cookie: false })
    }

    async fn no_body(
        self: &Arc<Endpoint>,
        connection: &Connection,
        found: Option<Found>,
        failure: BodyFailure,
    ) -> Answer {
        debug!(target: "cwmp", remote = &*connection.remote, "no body: {failure:?}");
        match failure {
            BodyFailure::NoRoom => count(&self.statistics.refused),
            _ => count(&self.statistics.unreadable),
        }
        // The device would send the same again.
        if let (BodyFailure::TooLarge { limit }, Some(Found { live, .. })) = (failure, found) {
            let refusal =
                Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, reason: format!("the body exceeds {limit} bytes") };
            self.terminate(&live, refusal).await;
            connection.unbind();
        }
        failure.answer(self.limits())
    }

    /// Answers a message of a session.
    pub(crate) async fn proceed(
        self: &Arc<Endpoint>,
        connection: &Arc<Connection>,
        channel: Channel,
        found: Found,
        body: Body,
    ) -> Answer {
        let live = found.live;
        let mut place = live.visit.lock().await;
        let Some(mut visit) = place.take() else {
            // It ended while this request waited for its turn.
            drop(place);
            let tokens = found.by_cookie.then_some(live.token);
            return self.first(connection, channel, body, tokens.as_slice()).await;
        };
        connection.bind(&live);
        live.set_busy();
        visit.trace.has_spoken();
        let limits = self.limits().body;
        let read_body = body.clone();
        let deadline = Instant::now() + self.extension_time(visit.terms.device_patience);
        let mut turn = self.turn(visit, move |visit| visit.take(&read_body, &limits)).await;
        loop {
            match turn {
                Some((mut visit, Turn::Say(answer))) => {
                    let asked = Instant::now();
                    self.tell_running_task(&mut visit).await;
                    let offer = visit.session.outstanding().and_then(|(_, request)| Offer::in_request(request));
                    if let Some(offer) = offer
                        && let Err(error) = self.keep_offer(&live, offer).await
                    {
                        error!(target: "cwmp", device = &*live.device_id, "new credentials are not kept, and not sent: {error}");
                        turn = self.turn(visit, |visit| visit.abort(Refusal::no_store())).await;
                        continue;
                    }
                    let Some(mut visit) = self.keep_lease(&live, visit).await else {
                        connection.unbind();
                        return Answer::refusal(StatusCode::BAD_REQUEST, "Invalid session");
                    };
                    visit.trace.waited_for_store(asked.elapsed());
                    visit.trace.has_answered();
                    *place = Some(visit);
                    self.table.start_waiting(&live);
                    return answer.with_cookie(live.cookie.get());
                }
                Some((mut visit, Turn::Call(calls))) => {
                    let (asked, names) = (Instant::now(), extension_names(&calls));
                    let results = tokio::select! {
                        results = self.call_extensions(calls, deadline) => results,
                        () = live.superseded.cancelled() => {
                            *place = Some(visit);
                            connection.unbind();
                            return Answer::refusal(StatusCode::BAD_REQUEST, "Invalid session");
                        }
                    };
                    visit.trace.called_extensions(names, asked.elapsed());
                    turn = self.turn(visit, move |visit| visit.take_results(results)).await;
                }
                Some((visit, Turn::Inform(inform))) => {
                    let coding = visit.coding;
                    *place = Some(visit);
                    self.table.start_waiting(&live);
                    drop(place);
                    let is_same_device = inform.1.device_id.device_id() == *live.device_id;
                    let replaced = Some(live).filter(|_| found.by_cookie && !is_same_device);
                    return self.begin(connection, channel, Opening { inform, body, coding }, replaced).await;
                }
                Some((visit, Turn::Over(change, verdict))) => {
                    let written = self.close(&live, visit, *change, verdict.is_ok()).await;
                    connection.unbind();
                    return match (verdict, written) {
                        (Err(Refusal { status, reason }), _) => Answer::refusal(status, reason),
                        (Ok(()), true) => Answer::empty().with_cookie(live.cookie.get()),
                        (Ok(()), false) => body::unavailable(self.limits()),
                    };
                }
                None => {
                    self.lost(&live).await;
                    connection.unbind();
                    return internal_error();
                }
            }
        }
    }

    /// Lets operators see which task is being done. Its outcome comes with the session's change.
    async fn tell_running_task(&self, visit: &mut Visit) {
        let running = visit.session.running_task();
        if running == visit.terms.task_in_session.as_deref() {
            return;
        }
        visit.terms.task_in_session = running.map(str::to_owned);
        let Some(task) = &visit.terms.task_in_session else { return };
        let at = (self.parts.clock)();
        let (store, from) = (&self.parts.store, TaskState::OPEN);
        if let Err(error) = store.move_task(task, &from, TaskState::InSession, "", at).await {
            warn!(target: "cwmp", device = visit.session.device_id(), task, "the task's state is not written: {error}");
        }
    }

    /// Does a turn's work on the pool. `None`: it panicked, and the session with it is lost.
    pub(crate) async fn turn(
        &self,
        mut visit: Box<Visit>,
        work: impl FnOnce(&mut Visit) -> Turn + Send + 'static,
    ) -> Option<(Box<Visit>, Turn)> {
        let work = move || {
            let begun = Instant::now();
            let turn = work(&mut visit);
            let time = begun.elapsed();
            visit.promise.spend(time);
            visit.trace.spent_in_engine(time);
            (visit, turn)
        };
        self.parts.pool.run(Priority::Running, work).await.ok()
    }

    /// The HTTP status of SOAP faults where no session tells it.
    pub(crate) fn fault_status(&self) -> StatusCode {
        self.parts.configuration.current().session_options(&NoDevice).fault_status
    }

    /// How long extension calls may hold up an answer: less than what the device waits, so that the answer arrives.
    fn extension_time(&self, device_patience: Option<Duration>) -> Duration {
        let time = self.limits().extension_time;
        device_patience.map_or(time, |patience| time.min(patience * 3 / 4))
    }

    /// Makes calls at the same time. Those that are not done at the deadline have timed out.
    pub(crate) async fn call_extensions(
        &self,
        calls: Vec<ExtensionCall>,
        deadline: Instant,
    ) -> Vec<(ExtensionCall, Result<Json, ScriptFault>)> {
        let mut running = JoinSet::new();
        for (index, call) in calls.iter().cloned().enumerate() {
            let extensions = self.parts.extensions.clone();
            running.spawn(async move { (index, extensions.call(call).await) });
        }
        let mut results: Vec<Option<Result<Json, ScriptFault>>> = vec![None; calls.len()];
        // A call that panics leaves its place empty, too.
        while let Ok(Some(done)) = tokio::time::timeout_at(deadline, running.join_next()).await {
            if let Ok((index, result)) = done {
                results[index] = Some(result);
            }
        }
        let timed_out = !running.is_empty();
        let missing = || {
            let (code, message) = match timed_out {
                true => ("timeout", "Extension timed out"),
                false => ("ext", "The extension failed unexpectedly"),
            };
            Err(ScriptFault { code: code.to_owned(), message: message.to_owned(), detail: None })
        };
        let results = results.into_iter().map(|result| result.unwrap_or_else(missing));
        calls.into_iter().zip(results).collect()
    }

    /// Renews a session's lease when it is time. `None`: another process has it now, and nothing may be written.
    async fn keep_lease(&self, live: &Arc<LiveSession>, mut visit: Box<Visit>) -> Option<Box<Visit>> {
        const OFTEN_ENOUGH: Duration = Duration::from_secs(10);
        if visit.lease_renewed.elapsed() < OFTEN_ENOUGH {
            return Some(visit);
        }
        let Some(lease) = live.lease.get() else { return Some(visit) };
        match self.parts.store.renew_lease(lease, lease_time(live.timeout())).await {
            Ok(true) => visit.lease_renewed = Instant::now(),
            Ok(false) => {
                warn!(target: "cwmp", device = &*live.device_id, "the session's lease has passed to another");
                self.tell_trace(visit.trace, Some("its lease has passed to another session"));
                self.lost(live).await;
                return None;
            }
            // The lease outlasts a short failure of the store; a long one shows at the commit.
            Err(error) => warn!(target: "cwmp", device = &*live.device_id, "the lease is not renewed: {error}"),
        }
        Some(visit)
    }
}

/// What extension calls are told apart by: their first arguments.
fn extension_names(calls: &[ExtensionCall]) -> Vec<String> {
    let name = |call: &ExtensionCall| {
        let own = StarStateCall::name_of(call).or_else(|| call.arguments.first().and_then(Json::as_str));
        own.unwrap_or_default().to_owned()
    };
    calls.iter().map(name).collect()
}

/// A lease outlasts its session's timeout, so that a slow commit is still covered.
pub(crate) fn lease_time(timeout: Duration) -> Duration {
    timeout + Duration::from_secs(20)
}

pub(crate) fn internal_error() -> Answer {
    Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error")
}

/// What options are evaluated against where no device is known.
struct NoDevice;

impl Context for NoDevice {
    fn parameter(&self, _: &str) -> Scalar {
        Scalar::Null
    }

    fn now(&self) -> i64 {
        0
    }

    fn remote_address(&self) -> Option<&str> {
        None
    }
}

/// A request's session.
pub(crate) struct Found {
    pub(crate) live: Arc<LiveSession>,
    pub(crate) by_cookie: bool,
}

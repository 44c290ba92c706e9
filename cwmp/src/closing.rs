//! The end of sessions: what they changed is written before anyone hears that they are over.
//!
//! Sessions that are broken off (silence, nonsense, a newer Inform, the shutdown) keep what they learnt, too.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use acs_core::change::SessionChange;
use hyper::StatusCode;
use store::{Lease, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::endpoint::Endpoint;
use crate::ports::SessionEnd;
use crate::sessions::{LiveSession, SWEEP_INTERVAL};
use crate::statistics::{count, uncount};
use crate::trace::Trace;
use crate::visit::{Refusal, Turn, Visit};

/// How many sessions are ended at a time at the shutdown.
const ENDED_AT_A_TIME: usize = 256;

impl Endpoint {
    /// Writes what a finished session changed, and takes it out of the table. Returns whether it is written.
    pub(crate) async fn close(
        &self,
        live: &Arc<LiveSession>,
        mut visit: Box<Visit>,
        change: SessionChange,
        completed: bool,
    ) -> bool {
        let had_faults = change.faults.iter().any(|(_, fault)| fault.is_some());
        let kinds: Vec<String> = change.events.iter().map(|event| event.kind.clone()).collect();
        let device = &*live.device_id;
        let store = &self.parts.store;
        count(&self.statistics.unwritten_sessions);
        let asked = Instant::now();
        let committed = match live.lease.get() {
            Some(lease) => store.end_session(lease, change).await,
            None => store.commit_session(change).await,
        };
        let holds_lease = committed.is_err();
        uncount(&self.statistics.unwritten_sessions);
        visit.trace.waited_for_store(asked.elapsed());
        let is_gone = matches!(committed, Err(StoreError::NoSuchDevice(_)));
        let written = match committed {
            Ok(()) => {
                kinds.iter().for_each(|kind| self.statistics.events.count(kind));
                true
            }
            Err(StoreError::NoSuchDevice(_)) => {
                info!(target: "cwmp", device, "the device was deleted during its session; nothing is written");
                true
            }
            Err(error) => {
                error!(target: "cwmp", device, "the session's changes are lost: {error}");
                count(&self.statistics.commit_failures);
                false
            }
        };
        let Visit { trace, terms, .. } = *visit;
        if !is_gone {
            self.tell_trace(trace, (!written).then_some("what it changed could not be written"));
        }
        self.left(live, SessionEnd { completed: completed && written, had_faults }, holds_lease).await;
        info!(target: "cwmp", device, remote = &*terms.remote, completed, written, had_faults, "session ended");
        written
    }

    /// Gives a lease back. One that cannot be given back ends by itself.
    pub(crate) async fn release_lease(&self, lease: &Lease) {
        if let Err(error) = self.parts.store.release_lease(lease).await {
            warn!(target: "cwmp", device = lease.device, "the lease is not given back: {error}");
        }
    }

    /// Hands on what happened in a session. `failure` is why it failed, if the trace does not know it yet.
    pub(crate) fn tell_trace(&self, trace: Trace, failure: Option<&str>) {
        if let Some(observer) = &self.parts.observer {
            observer.session_traced(trace.end(failure));
        }
    }

    /// A session of which nothing is left to be written.
    pub(crate) async fn lost(&self, live: &Arc<LiveSession>) {
        error!(target: "cwmp", device = &*live.device_id, "the session is lost");
        self.left(live, SessionEnd { completed: false, had_faults: false }, true).await;
    }

    async fn left(&self, live: &Arc<LiveSession>, end: SessionEnd, holds_lease: bool) {
        if let Some(lease) = live.lease.get().filter(|_| holds_lease) {
            self.release_lease(lease).await;
        }
        self.table.remove(live);
        uncount(&self.statistics.live_sessions);
        let ended = if end.completed { &self.statistics.sessions_finished } else { &self.statistics.sessions_failed };
        count(ended);
        self.statistics.durations.count(live.started.elapsed());
        if let Some(observer) = &self.parts.observer {
            observer.session_ended(&live.device_id, end);
        }
    }

    /// Breaks a session off, once whoever works on it is done. One that is over already is left alone.
    pub(crate) async fn terminate(&self, live: &Arc<LiveSession>, refusal: Refusal) {
        let mut place = live.visit.lock().await;
        if let Some(visit) = place.take() {
            self.break_off(live, visit, refusal).await;
        }
    }

    async fn break_off(&self, live: &Arc<LiveSession>, visit: Box<Visit>, refusal: Refusal) {
        match self.turn(visit, |visit| visit.abort(refusal)).await {
            Some((visit, Turn::Over(change, _))) => {
                self.close(live, visit, *change, false).await;
            }
            _ => self.lost(live).await,
        }
    }

    /// Ends all sessions, for the shutdown. Where other nodes can go on with them, they do.
    pub(crate) async fn end_all(self: &Arc<Endpoint>) {
        let mut ending = JoinSet::new();
        for live in self.table.all() {
            if ending.len() >= ENDED_AT_A_TIME {
                ending.join_next().await;
            }
            let endpoint = self.clone();
            ending.spawn(async move {
                let refusal = Refusal {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    reason: "the server is shutting down".to_owned(),
                };
                if endpoint.limits().shared_sessions {
                    let place = live.visit.lock().await;
                    endpoint.suspend(&live, place).await;
                }
                endpoint.terminate(&live, refusal).await;
            });
        }
        while ending.join_next().await.is_some() {}
    }

    /// Ends sessions whose devices have fallen silent, for as long as the endpoint lives.
    pub(crate) async fn sweep(endpoint: Weak<Endpoint>) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let Some(endpoint) = endpoint.upgrade() else { return };
            for live in endpoint.table.expired() {
                let endpoint = endpoint.clone();
                tokio::spawn(async move { endpoint.expire(&live).await });
            }
        }
    }

    async fn expire(&self, live: &Arc<LiveSession>) {
        let mut place = live.visit.lock().await;
        if !self.table.is_expired(live) {
            // The device spoke at the last moment.
            self.table.watch(live);
            return;
        }
        let Some(visit) = place.take() else { return };
        self.statistics.session_timeouts.fetch_add(1, Ordering::Relaxed);
        let seconds = live.timeout().as_secs_f32();
        let refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: format!("no message for {seconds} s") };
        self.break_off(live, visit, refusal).await;
    }
}

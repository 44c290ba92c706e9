//! What provisioning sessions tell: into the stream of events, into what is shown of those at work, and into figures.
//!
//! Sessions must not wait for this: what they tell is queued, and a task writes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use acs_core::change::OutboxEvent;
use parking_lot::Mutex;
use serde_json::Value as Json;
use starstate::orchestrator::{OperationState, Progress};
use starstate::session::{SessionEvent, SessionEventKind};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that are written together, at most.
const BATCH: usize = 100;

/// What most failures are; they are counted from 0 on, others once there are some.
const USUAL: [&str; 2] = ["starstate.step_failed", "starstate.failed"];

/// Counts, since the start.
#[derive(Debug)]
pub struct RouterCounts {
    /// Operations on routers that were done, that failed and did not matter, that failed.
    pub operations: [AtomicU64; 3],
    /// Sessions whose document was applied.
    pub applied: AtomicU64,
    /// Sessions that were taken back on demand.
    pub rolled_back: AtomicU64,
    /// Failures by code.
    pub failures: Mutex<HashMap<String, u64>>,
    /// How long applying took, in milliseconds, over all sessions that were applied.
    pub milliseconds: AtomicU64,
    /// Jobs that wait or are at work now.
    pub open: AtomicU64,
}

impl Default for RouterCounts {
    fn default() -> RouterCounts {
        RouterCounts {
            operations: Default::default(),
            applied: AtomicU64::default(),
            rolled_back: AtomicU64::default(),
            failures: Mutex::new(USUAL.map(|code| (code.to_owned(), 0)).into()),
            milliseconds: AtomicU64::default(),
            open: AtomicU64::default(),
        }
    }
}

impl RouterCounts {
    /// Counts a failure.
    pub fn fail(&self, code: &str) {
        *self.failures.lock().entry(code.to_owned()).or_default() += 1;
    }
}

/// Takes in what sessions tell.
#[derive(Clone)]
pub struct Teller {
    queue: mpsc::UnboundedSender<OutboxEvent>,
    moving: Arc<Mutex<HashMap<String, (String, u8)>>>,
    counts: Arc<RouterCounts>,
    ended: CancellationToken,
}

impl Teller {
    /// A teller, and the task that writes.
    pub fn new(
        store: Arc<dyn Store>,
        counts: Arc<RouterCounts>,
    ) -> (Teller, impl Future<Output = ()> + Send + 'static) {
        let (queue, receiver) = mpsc::unbounded_channel();
        let ended = CancellationToken::new();
        let writing = write(store, receiver, ended.clone());
        (Teller { queue, moving: Arc::default(), counts, ended }, writing)
    }

    /// Nothing more will be told: what was is written, and then the task ends.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// The phase and the percentage of a session that is at work here.
    pub fn moving(&self, session: &str) -> Option<(String, u8)> {
        self.moving.lock().get(session).cloned()
    }

    /// Takes in an event.
    pub fn tell(&self, event: SessionEvent) {
        self.count(&event);
        self.follow(&event);
        let at = i64::try_from(event.timestamp).unwrap_or(i64::MAX);
        let device = event.router_id.clone();
        let Ok(Json::Object(mut detail)) = serde_json::to_value(&event) else { return };
        let Some(Json::String(kind)) = detail.remove("type") else { return };
        for known in ["routerId", "timestamp"] {
            detail.remove(known);
        }
        // When the server stops, nobody is left to be told.
        let _ = self.queue.send(OutboxEvent { kind, device, at, detail: detail.into() });
    }

    fn follow(&self, event: &SessionEvent) {
        let mut moving = self.moving.lock();
        match &event.kind {
            SessionEventKind::Started { .. } => {
                moving.insert(event.session_id.clone(), (String::new(), 0));
            }
            SessionEventKind::Progress { percent_complete, progress } => {
                let place = moving.entry(event.session_id.clone()).or_default();
                match progress {
                    Progress::Phase { phase, .. } => place.0 = phase.name().to_owned(),
                    Progress::Operation { .. } => place.1 = *percent_complete,
                    Progress::RollingBack { .. } => place.0 = "ROLLBACK".to_owned(),
                    _ => {}
                }
            }
            _ => {
                moving.remove(&event.session_id);
            }
        }
    }

    fn count(&self, event: &SessionEvent) {
        let counts = &self.counts;
        match &event.kind {
            SessionEventKind::Progress { progress: Progress::Operation { state, .. }, .. } => {
                let place = match state {
                    OperationState::Done => 0,
                    OperationState::Warning => 1,
                    OperationState::Failed => 2,
                };
                counts.operations[place].fetch_add(1, Ordering::Relaxed);
            }
            SessionEventKind::ProvisioningSessionAppliedEvent { duration, .. } => {
                counts.applied.fetch_add(1, Ordering::Relaxed);
                counts.milliseconds.fetch_add(*duration, Ordering::Relaxed);
            }
            SessionEventKind::ProvisioningSessionFailedEvent { failed_step, .. } => {
                counts.fail(if failed_step.is_some() { "starstate.step_failed" } else { "starstate.failed" });
            }
            SessionEventKind::RolledBack { .. } => {
                counts.rolled_back.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

async fn write(store: Arc<dyn Store>, mut queue: mpsc::UnboundedReceiver<OutboxEvent>, ended: CancellationToken) {
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            biased;
            received = queue.recv_many(&mut batch, BATCH) => received,
            () = ended.cancelled() => 0,
        };
        if received == 0 {
            return;
        }
        if let Err(error) = store.add_events(std::mem::take(&mut batch)).await {
            tracing::error!(target: "starstate", %error, "events of provisioning sessions are lost");
        }
    }
}

//! What devices' last sessions were, for operators (`docs/sessions.md`): every session for a while in memory, those that are worth it
//! in the store.
//!
//! What lives here: which sessions are kept where, and for how long. What happened in a session is noted by `cwmp` ([`cwmp::trace`]);
//! how it is asked for is the REST API's.

mod document;
mod keeper;
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cwmp::{SessionTrace, TraceLevel};
use serde::Deserialize;
use serde_json::Value as Json;
use store::{Collection, Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use document::Kept;
use keeper::Keeper;
use memory::Memory;

/// Sessions that wait to be stored; more stay in memory only.
const QUEUE: usize = 1_024;
/// Sessions that are listed of a device.
const LISTED: usize = 100;

/// The configuration file's `[sessions]`: how much of them is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HistoryOptions {
    /// Memory for sessions that are not stored, in MiB; 0 for none.
    pub memory_mib: usize,
    /// Stored sessions of a device.
    pub stored_per_device: usize,
    /// Days after which stored sessions go.
    pub stored_days: u32,
    /// All stored sessions of all devices together, in MiB.
    pub stored_mib: u64,
}

impl Default for HistoryOptions {
    fn default() -> HistoryOptions {
        HistoryOptions { memory_mib: 64, stored_per_device: 20, stored_days: 14, stored_mib: 256 }
    }
}

impl HistoryOptions {
    fn age(&self) -> Duration {
        Duration::from_secs(u64::from(self.stored_days) * 86_400)
    }
}

/// The last sessions.
pub struct SessionHistory {
    /// Which of several servers on one database this is.
    node: String,
    memory: Memory,
    store: Arc<dyn Store>,
    queue: mpsc::Sender<Arc<SessionTrace>>,
    /// Sessions that should have been stored, and were too many.
    left_out: AtomicU64,
}

impl SessionHistory {
    /// A history, and who keeps what is to be stored (see [`SessionKeeper::run`]).
    pub fn new(store: Arc<dyn Store>, options: HistoryOptions) -> (Arc<SessionHistory>, SessionKeeper) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let memory = Memory::new(options.memory_mib.saturating_mul(1 << 20));
        let history =
            Arc::new(SessionHistory { node, memory, store: store.clone(), queue, left_out: AtomicU64::new(0) });
        let keeper = Keeper::new(store, options);
        (history.clone(), SessionKeeper { history, keeper, waiting })
    }

    /// Takes in a session that is over. It does not wait.
    pub fn take(&self, trace: SessionTrace) {
        let wanted = is_worth_storing(&trace);
        let trace = Arc::new(trace);
        self.memory.add(trace.clone());
        if wanted && self.queue.try_send(trace).is_err() {
            let left_out = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            if left_out.is_power_of_two() {
                tracing::warn!(
                    left_out,
                    "more sessions end than can be stored with their traces; these are in memory only"
                );
            }
        }
    }

    async fn stored(&self, device: &str) -> Result<Vec<Kept>, StoreError> {
        let document = self.store.get(Collection::SessionTraces, device).await?;
        Ok(document.as_ref().map(document::read).unwrap_or_default())
    }
}

/// Whether a session is to be stored by its device's configuration.
fn is_worth_storing(trace: &SessionTrace) -> bool {
    match trace.level {
        TraceLevel::Nothing => false,
        TraceLevel::Failed => trace.failure.is_some() || trace.faults.iter().any(|(_, fault)| fault.is_some()),
        TraceLevel::All | TraceLevel::Messages => true,
    }
}

#[async_trait]
impl ui_api::SessionHistory for SessionHistory {
    async fn sessions(&self, device: &str) -> Result<Vec<Json>, StoreError> {
        let mut sessions: BTreeMap<String, Json> = BTreeMap::new();
        for kept in self.stored(device).await? {
            let mut summary = document::parse(&kept.summary);
            summary["stored"] = true.into();
            sessions.insert(kept.id, summary);
        }
        for trace in self.memory.of_device(device) {
            let id = document::id(&trace);
            sessions.entry(id).or_insert_with(|| document::summary(&trace, &self.node));
        }
        Ok(sessions.into_values().rev().take(LISTED).collect())
    }

    async fn session(&self, device: &str, id: &str) -> Result<Option<Json>, StoreError> {
        let whole = |mut summary: Json, steps: Json| {
            summary["steps"] = steps;
            summary
        };
        if let Some(trace) = self.memory.of_device(device).into_iter().find(|trace| document::id(trace) == id) {
            return Ok(Some(whole(document::summary(&trace, &self.node), document::steps(&trace))));
        }
        let stored = self.stored(device).await?.into_iter().find(|kept| kept.id == id);
        Ok(stored.map(|kept| {
            let mut summary = document::parse(&kept.summary);
            summary["stored"] = true.into();
            whole(summary, document::parse(&kept.steps))
        }))
    }

    fn forget(&self, device: &str) {
        self.memory.forget(device);
    }
}

/// Stores what is to be stored.
pub struct SessionKeeper {
    history: Arc<SessionHistory>,
    keeper: Keeper,
    waiting: mpsc::Receiver<Arc<SessionTrace>>,
}

impl SessionKeeper {
    /// Stores sessions as they end, and removes old ones, until stopped; what waits then is still stored.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        self.keeper.sweep().await;
        loop {
            tokio::select! {
                count = self.waiting.recv_many(&mut batch, keeper::BATCH) => {
                    if count == 0 {
                        return;
                    }
                    let stored = self.keeper.store(std::mem::take(&mut batch), &self.history.node).await;
                    // From now on they are found in the store.
                    stored.iter().for_each(|trace| self.history.memory.remove(trace));
                    self.keeper.sweep_if_grown().await;
                }
                () = tokio::time::sleep(keeper::SWEEP_EVERY) => self.keeper.sweep().await,
                () = stop.cancelled() => break,
            }
        }
        // Sessions that the shutdown ends come until their endpoint is done.
        while let Ok(Some(trace)) = tokio::time::timeout(keeper::LAST_WAIT, self.waiting.recv()).await {
            self.keeper.store(vec![trace], &self.history.node).await;
        }
    }
}

//! Sessions in the store: of each device the newest, not too many, not too old, and not too much of all together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cwmp::SessionTrace;
use store::{Collection, Find, Listing, Store, StoreError};
use tokio::task::JoinSet;

use super::HistoryOptions;
use super::document::{self, Kept};

/// Sessions that are stored together.
pub const BATCH: usize = 64;
/// How often old ones are looked for.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How long the last sessions are waited for at the shutdown.
pub const LAST_WAIT: Duration = Duration::from_secs(2);
/// Bytes of a device's stored sessions.
const DEVICE_BYTES: usize = 4 << 20;

/// Stores sessions, and removes old ones.
pub struct Keeper {
    store: Arc<dyn Store>,
    options: HistoryOptions,
    /// Bytes written since old ones were looked for.
    written: u64,
}

impl Keeper {
    pub fn new(store: Arc<dyn Store>, options: HistoryOptions) -> Keeper {
        Keeper { store, options, written: 0 }
    }

    /// Stores sessions. Returns those that are stored.
    pub async fn store(&mut self, traces: Vec<Arc<SessionTrace>>, node: &str) -> Vec<Arc<SessionTrace>> {
        let mut of_device: BTreeMap<Arc<str>, Vec<Arc<SessionTrace>>> = BTreeMap::new();
        for trace in traces {
            of_device.entry(trace.device.clone()).or_default().push(trace);
        }
        // At the same time, so that they share a commit.
        let mut writing = JoinSet::new();
        for (device, traces) in of_device {
            let (store, options) = (self.store.clone(), self.options);
            let new: Vec<Kept> = traces.iter().map(|trace| Kept::of(trace, node)).collect();
            let bytes = new.iter().map(|kept| kept.bytes() as u64).sum::<u64>();
            writing.spawn(async move {
                let written = add(&*store, &device, new, &options).await;
                written.map(|()| (traces, bytes)).inspect_err(|error| {
                    tracing::warn!(device = &*device, "a session is not stored with its trace: {error}");
                })
            });
        }
        let mut stored = Vec::new();
        while let Some(done) = writing.join_next().await {
            if let Ok(Ok((traces, bytes))) = done {
                self.written += bytes;
                stored.extend(traces);
            }
        }
        stored
    }

    /// Removes what is old or too much, when a good part has been written since the last time.
    pub async fn sweep_if_grown(&mut self) {
        if self.written > self.limit() / 8 {
            self.sweep().await;
        }
    }

    /// Removes what is old or too much.
    pub async fn sweep(&mut self) {
        self.written = 0;
        let now = chrono::Utc::now().timestamp_millis();
        if let Err(error) = self.remove_old(now).await {
            tracing::warn!("old stored sessions are not removed: {error}");
        }
    }

    fn limit(&self) -> u64 {
        self.options.stored_mib.saturating_mul(1 << 20)
    }

    async fn remove_old(&self, now: i64) -> Result<(), StoreError> {
        let oldest = now.saturating_sub(i64::try_from(self.options.age().as_millis()).unwrap_or(i64::MAX));
        let mut devices: Vec<(i64, u64, String)> = Vec::new();
        let listing = Listing::Documents(Collection::SessionTraces);
        let mut documents = self.store.find(listing, Find::default()).await?;
        while let Some(document) = documents.next().await {
            let document = document?;
            let Some(device) = document["_id"].as_str().map(str::to_owned) else { continue };
            let mut sessions = document::read(&document);
            let before = sessions.len();
            sessions.retain(|kept| kept.began >= oldest);
            let Some(newest) = sessions.iter().map(|kept| kept.began).max() else {
                self.store.delete(Collection::SessionTraces, &device).await?;
                continue;
            };
            if sessions.len() < before {
                self.store.put(Collection::SessionTraces, &device, document::write(&sessions)).await?;
            }
            devices.push((newest, sessions.iter().map(|kept| kept.bytes() as u64).sum(), device));
        }
        let mut bytes: u64 = devices.iter().map(|(_, bytes, _)| bytes).sum();
        devices.sort_unstable();
        // The devices go first that have had none for the longest time.
        for (_, its_bytes, device) in devices {
            if bytes <= self.limit() {
                break;
            }
            self.store.delete(Collection::SessionTraces, &device).await?;
            bytes -= its_bytes;
        }
        Ok(())
    }
}

/// Adds sessions to those of a device; the oldest go that are too many or too much.
async fn add(store: &dyn Store, device: &str, mut new: Vec<Kept>, options: &HistoryOptions) -> Result<(), StoreError> {
    let before = store.get(Collection::SessionTraces, device).await?;
    new.extend(before.as_ref().map(document::read).unwrap_or_default());
    new.sort_by(|left, right| right.id.cmp(&left.id));
    new.dedup_by(|left, right| left.id == right.id);
    new.truncate(options.stored_per_device);
    let mut bytes = 0;
    new.retain(|kept| {
        bytes += kept.bytes();
        bytes <= DEVICE_BYTES
    });
    store.put(Collection::SessionTraces, device, document::write(&new)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use store::EmbeddedStore;

    use super::*;
    use crate::session_history::document::tests::trace;

    async fn ids(store: &dyn Store, device: &str) -> Vec<String> {
        let document = store.get(Collection::SessionTraces, device).await.unwrap();
        let sessions = document.as_ref().map(document::read).unwrap_or_default();
        sessions.into_iter().map(|kept| kept.id.trim_start_matches('0').to_owned()).collect()
    }

    fn keeper(options: HistoryOptions) -> (tempfile::TempDir, Keeper) {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap());
        (directory, Keeper::new(store, options))
    }

    #[tokio::test]
    async fn the_newest_sessions_of_a_device_are_stored() {
        let (_directory, mut keeper) = keeper(HistoryOptions { stored_per_device: 3, ..HistoryOptions::default() });
        for ids in [vec![1, 3], vec![2], vec![5, 4]] {
            let traces = ids.into_iter().map(|id| Arc::new(trace("a", id))).collect();
            keeper.store(traces, "node").await;
        }
        assert_eq!(ids(&*keeper.store, "a").await, ["5", "4", "3"]);
    }

    #[tokio::test]
    async fn old_sessions_go_and_then_those_of_the_quietest_devices() {
        let (_directory, mut keeper) = keeper(HistoryOptions::default());
        let day = 86_400_000;
        for (device, days) in [("a", vec![1, 20]), ("b", vec![30]), ("c", vec![40])] {
            let traces = days.into_iter().map(|days| Arc::new(trace(device, days * day))).collect();
            keeper.store(traces, "node").await;
        }
        let now = trace("x", 41 * day).began;
        keeper.remove_old(now).await.unwrap();
        assert_eq!(ids(&*keeper.store, "a").await.len(), 0, "1 and 20 days are older than 14");
        assert_eq!((ids(&*keeper.store, "b").await.len(), ids(&*keeper.store, "c").await.len()), (1, 1));
        keeper.options.stored_mib = 0;
        keeper.remove_old(now).await.unwrap();
        assert_eq!((ids(&*keeper.store, "b").await.len(), ids(&*keeper.store, "c").await.len()), (0, 0));
    }
}

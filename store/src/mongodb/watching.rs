//! What a node hears of the others, and what it finishes for those that ended too early.

use std::sync::Weak;
use std::time::Duration;

use acs_core::value::format_date_time;
use mongodb::bson::doc;
use mongodb::bson::oid::ObjectId;

use super::events::{last_cursor, tell};
use super::journal::Entry;
use super::shared::Shared;
use super::values::id_of;
use super::{MongoStore, documents, failed, now};
use crate::StoreError;

/// How often a node asks what others have changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Journals are looked through after so many of those.
const LOOKS_PER_SWEEP: u32 = 60;
/// A journal's entry that is this old was left over, in milliseconds.
const LEFT_OVER_AFTER: i64 = 60_000;

/// Looks and sweeps for as long as the store is in use.
pub async fn watch(shared: Weak<Shared>) {
    let mut looks = 0;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(store) = shared.upgrade().map(MongoStore) else { return };
        looks += 1;
        let looked = match looks % LOOKS_PER_SWEEP {
            0 => store.sweep().await,
            _ => store.look().await,
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "what other nodes have changed is not known");
        }
    }
}

impl MongoStore {
    /// Looks what has changed, and tells those who watch here.
    pub(super) async fn look(&self) -> Result<(), StoreError> {
        tell(&self.configuration, self.read_count(documents::REVISION).await?);
        tell(&self.events, last_cursor(&self.outbox, &self.counters).await?);
        Ok(())
    }

    /// Brings about what journals still say, and cleans up.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let doing = "looking through journals";
        let before = now() - LEFT_OVER_AFTER;
        let old = ObjectId::from_parts(u32::try_from(before / 1_000).unwrap_or(0), [0; 5], [0; 3]);
        let filter = doc! { "_lodestar.journal.id": { "$lt": old } };
        let mut found = self.devices.find(filter).await.map_err(failed(doing))?;
        while found.advance().await.map_err(failed(doing))? {
            let device = found.deserialize_current().map_err(failed(doing))?;
            let id = id_of(&device);
            for entry in Entry::all_in(&device)?.iter().filter(|entry| entry.id < old) {
                tracing::warn!(
                    device = id,
                    at = format_date_time(entry.id.timestamp().timestamp_millis()),
                    "finishing what a node has left undone"
                );
                self.bring_about(&id, entry, None).await?;
            }
        }
        self.retire_left_over().await?;
        self.bucket(false).tidy(now()).await?;
        self.bucket(true).tidy(now()).await?;
        self.read_chosen().await.map(|_| ())
    }
}

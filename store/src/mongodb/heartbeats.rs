//! Devices of which a sign of life is overdue.

use acs_core::change::OutboxEvent;
use acs_core::value::format_date_time;
use mongodb::bson::{Document, doc};
use serde_json::json;

use super::devices::read_heartbeat;
use super::journal::{Effect, Entry};
use super::leases::is_held;
use super::values::{date, id_of, time_of};
use super::{MongoStore, failed};
use crate::StoreError;

impl MongoStore {
    /// Marks devices that are overdue and not in session, the longest first, and tells of each. Returns who is marked now.
    pub(super) async fn mark_missing(&self, now: i64, since: i64, limit: usize) -> Result<Vec<String>, StoreError> {
        let doing = "looking for missing heartbeats";
        let overdue = doc! {
            "_heartbeat._due": { "$lte": date(now) },
            "_heartbeat._patience": { "$lte": now.saturating_sub(since) },
            "_heartbeat._missed": null,
        };
        let pipeline = [
            doc! { "$match": overdue },
            doc! { "$match": { "$expr": { "$not": [is_held()] } } },
            doc! { "$sort": { "_heartbeat._due": 1 } },
            doc! { "$limit": i64::try_from(limit.max(1)).unwrap_or(i64::MAX) },
            doc! { "$project": { "_heartbeat": 1, "_lastInform": 1 } },
        ];
        let mut found = self.devices.aggregate(pipeline).await.map_err(failed(doing))?;
        let mut marked = Vec::new();
        while found.advance().await.map_err(failed(doing))? {
            let device = found.deserialize_current().map_err(failed(doing))?;
            if self.mark_one(&device, now).await? {
                marked.push(id_of(&device));
            }
        }
        Ok(marked)
    }

    /// Marks a device, unless it has given a sign of life meanwhile.
    async fn mark_one(&self, device: &Document, now: i64) -> Result<bool, StoreError> {
        let Some(heartbeat) = device.get_document("_heartbeat").ok().and_then(read_heartbeat) else { return Ok(false) };
        let id = id_of(device);
        let last_inform = time_of(device, "_lastInform").unwrap_or(0);
        let detail = json!({ "due": format_date_time(heartbeat.due), "lastInform": format_date_time(last_inform) });
        let kind = "device.heartbeat_missed".to_owned();
        let event = OutboxEvent { kind, device: id.clone(), at: now, detail };
        let entry = Entry::of(vec![Effect::Tell { event }]);
        let update = doc! {
            "$set": { "_heartbeat._missed": date(now) },
            "$push": { "_lodestar.journal": entry.to_document()? },
            "$inc": { "_lodestar.revision": 1_i64 },
        };
        let filter = doc! { "_id": &id, "_heartbeat._due": date(heartbeat.due), "_heartbeat._missed": null };
        let written = self.devices.update_one(filter, update).await;
        if written.map_err(failed("marking a missing heartbeat"))?.matched_count == 0 {
            return Ok(false);
        }
        self.bring_about(&id, &entry, None).await.map(|()| true)
    }
}

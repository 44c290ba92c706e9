//! Transfer records: `{_id: "<device>:<CommandKey>", device, commandKey, at, watched, record, movement}`. Sessions write
//! `record`, the file server `movement`; `moves` counts the latter's writes, so that two of them do not undo each other's.

use acs_core::change::OutboxEvent;
use acs_core::transfer::{Movement, MovementReport, Transfer, document};
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value as Json, json};

use super::journal::{bson_record, record_bson};
use super::values::{id_of, time_or_number};
use super::{MongoStore, date, failed};
use crate::StoreError;

/// Reads a session's half of a record.
pub fn read_transfer(record: &Document) -> Result<Option<Transfer>, StoreError> {
    record.get("record").map(|half| bson_record(&id_of(record), half)).transpose()
}

/// The document that lists show.
pub fn listed_transfer(record: &Document) -> Result<Json, StoreError> {
    let id = id_of(record);
    let transfer = read_transfer(record)?;
    let movement = record.get("movement").map(|half| bson_record::<Movement>(&id, half)).transpose()?;
    // Device IDs have no colon.
    let (device, command_key) = id.split_once(':').unwrap_or((&id, ""));
    Ok(document(device, command_key, transfer.as_ref(), movement.as_ref()))
}

/// Records of a device's transfers of which there may be news, in a filter.
pub fn watched_transfers(device: &str) -> Document {
    doc! { "device": device, "watched": true }
}

impl MongoStore {
    /// Stores a session's half.
    pub(super) async fn put_transfer(&self, device: &str, command_key: &str, record: &Bson) -> Result<(), StoreError> {
        let transfer: Transfer = bson_record("a transfer", record)?;
        let update = doc! {
            "$set": { "record": record.clone(), "watched": !transfer.is_settled },
            "$setOnInsert": { "device": device, "commandKey": command_key, "at": date(transfer.requested_at) },
        };
        let filter = doc! { "_id": format!("{device}:{command_key}") };
        self.transfers.update_one(filter, update).upsert(true).await.map_err(failed("writing a transfer"))?;
        self.prune_transfers(device, transfer.requested_at).await
    }

    /// Adds to the file server's half.
    pub(super) async fn add_movement(
        &self,
        device: &str,
        command_key: &str,
        report: &MovementReport,
    ) -> Result<(), StoreError> {
        let doing = "writing a transfer";
        let id = format!("{device}:{command_key}");
        loop {
            let known = self.transfers.find_one(doc! { "_id": &id }).await.map_err(failed(doing))?;
            let half = known.as_ref().and_then(|record| record.get("movement"));
            let mut movement: Movement = half.map(|half| bson_record(&id, half)).transpose()?.unwrap_or_default();
            let is_completed = movement.take(report);
            let moves = known.as_ref().and_then(|record| record.get("moves")).and_then(time_or_number);
            let update = doc! {
                "$set": { "movement": record_bson(&movement)?, "moves": moves.unwrap_or(0) + 1 },
                "$setOnInsert": { "device": device, "commandKey": command_key, "at": date(report.at), "watched": false },
            };
            let filter = doc! { "_id": &id, "moves": moves.map_or(Bson::Null, Bson::Int64) };
            let written = self.transfers.update_one(filter, update).upsert(known.is_none()).await;
            match written {
                Ok(result) if result.matched_count > 0 || result.upserted_id.is_some() => {}
                // Somebody else was quicker.
                Ok(_) => continue,
                Err(error) if super::is_duplicate(&error) => continue,
                Err(error) => return Err(failed(doing)(error)),
            }
            self.prune_transfers(device, report.at).await?;
            if is_completed {
                let kind = if report.is_upload { "transfer.received" } else { "transfer.fetched" };
                let detail = json!({ "transfer": id, "bytes": movement.bytes() });
                let event = OutboxEvent { kind: kind.to_owned(), device: device.to_owned(), at: report.at, detail };
                self.tell(vec![event]).await?;
            }
            return Ok(());
        }
    }

    /// Removes the oldest records of a device beyond their number, and all that are too old.
    async fn prune_transfers(&self, device: &str, now: i64) -> Result<(), StoreError> {
        let doing = "pruning transfers";
        let newest_first = doc! { "at": -1, "commandKey": -1 };
        let beyond = self.transfers.find(doc! { "device": device }).sort(newest_first).projection(doc! { "_id": 1 });
        let mut beyond = beyond.skip(u64::from(self.options.transfers_per_device)).await.map_err(failed(doing))?;
        let mut ids = Vec::new();
        while beyond.advance().await.map_err(failed(doing))? {
            ids.push(id_of(&beyond.deserialize_current().map_err(failed(doing))?));
        }
        let age = i64::try_from(self.options.transfer_retention.as_millis()).unwrap_or(i64::MAX);
        let old = doc! { "at": { "$lt": date(now.saturating_sub(age)) } };
        let gone = if ids.is_empty() {
            old
        } else {
            doc! { "$or": [{ "_id": { "$in": ids } }, old] }
        };
        self.transfers.delete_many(gone).await.map(|_| ()).map_err(failed(doing))
    }
}

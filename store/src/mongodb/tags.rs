//! Tags that operators set, and the end of devices.

use acs_core::value::Value;
use mongodb::bson::{Bson, Document, doc};

use super::devices::{read_tags, tag_text_changes};
use super::tree::Difference;
use super::{MongoStore, failed};
use crate::{Collection, StoreError};

impl MongoStore {
    /// Sets and removes tags in one update, which is tried again when another one was quicker.
    pub(super) async fn change_tags(
        &self,
        device: &str,
        changes: &[(String, Option<Value>)],
    ) -> Result<(), StoreError> {
        let doing = "writing tags";
        loop {
            let known = self.devices.find_one(doc! { "_id": device }).projection(doc! { "_tags": 1 });
            let known =
                known.await.map_err(failed(doing))?.ok_or_else(|| StoreError::NoSuchDevice(device.to_owned()))?;
            let mut tags = read_tags(&known);
            for (tag, value) in changes {
                match value {
                    Some(value) => tags.insert(tag.clone(), value.clone()),
                    None => tags.remove(tag),
                };
            }
            let mut difference = Difference::default();
            tag_text_changes(&mut difference, changes);
            difference.set.insert("_tags", tags.into_keys().collect::<Vec<_>>());
            let mut update = doc! { "$set": difference.set };
            if !difference.unset.is_empty() {
                update.insert("$unset", difference.unset);
            }
            let filter = doc! { "_id": device, "_tags": known.get("_tags").cloned().unwrap_or(Bson::Null) };
            if self.devices.update_one(filter, update).await.map_err(failed(doing))?.matched_count > 0 {
                return Ok(());
            }
        }
    }

    /// Removes a device with everything that belongs to it. What belongs to it goes first, so that a deletion that was broken off
    /// can be done again; and once more, for what came meanwhile.
    pub(super) async fn remove_device(&self, device: &str) -> Result<bool, StoreError> {
        self.remove_belongings(device).await?;
        let removed = self.devices.delete_one(doc! { "_id": device }).await.map_err(failed("deleting a device"))?;
        if removed.deleted_count > 0 {
            self.remove_belongings(device).await?;
        }
        Ok(removed.deleted_count > 0)
    }

    async fn remove_belongings(&self, device: &str) -> Result<(), StoreError> {
        // Device IDs have no colon.
        let by_id = doc! { "_id": { "$gte": format!("{device}:"), "$lt": format!("{device};") } };
        let by_device = doc! { "device": device };
        let its_own = doc! { "_id": device };
        let all: [(mongodb::Collection<Document>, Document); 8] = [
            (self.tasks.clone(), by_device.clone()),
            (self.ended_tasks.clone(), by_device.clone()),
            (self.faults.clone(), by_id.clone()),
            (self.operations.clone(), by_id.clone()),
            (self.transfers.clone(), by_id),
            (self.documents(Collection::ConnectionRequests), its_own.clone()),
            (self.documents(Collection::DeviceCredentials), its_own.clone()),
            (self.documents(Collection::SessionTraces), its_own),
        ];
        for (collection, filter) in all {
            collection.delete_many(filter).await.map_err(failed("deleting a device"))?;
        }
        self.remove_uploads(device).await
    }
}

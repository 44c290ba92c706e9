//! The [`Store`] trait on the embedded database.

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::device::StoredDevice;
use acs_core::query::Query;
use acs_core::task::{Task, TaskState};
use acs_core::value::Value;
use async_trait::async_trait;
use serde_json::Value as Json;

use super::devices::{self, EncodedChange};
use super::{EmbeddedStore, documents, failed, lists, tasks};
use crate::{Collection, Find, Listing, Records, Statistics, Store, StoreError, StoredEvent};

#[async_trait]
impl Store for EmbeddedStore {
    async fn open_device(&self, device_id: &str) -> Result<DeviceSnapshot, StoreError> {
        let id = device_id.to_owned();
        self.read(move |connection| devices::read_snapshot(connection, &id)).await
    }

    async fn commit_session(&self, change: SessionChange) -> Result<(), StoreError> {
        let encoded = EncodedChange::encode(change)?;
        self.write(move |connection| encoded.write(connection)).await
    }

    async fn find_devices(&self, find: Find) -> Result<Records<StoredDevice>, StoreError> {
        Ok(lists::find_devices(self.readers.clone(), find))
    }

    async fn count_devices(&self, filter: Query) -> Result<u64, StoreError> {
        let readers = self.readers.clone();
        let counted = tokio::task::spawn_blocking(move || lists::count_devices(&readers, &filter)).await;
        counted.unwrap_or(Err(StoreError::Closed))
    }

    async fn get_device(&self, device_id: &str) -> Result<Option<StoredDevice>, StoreError> {
        let id = device_id.to_owned();
        self.read(move |connection| devices::read_device(connection, &id)).await
    }

    async fn delete_device(&self, device_id: &str) -> Result<bool, StoreError> {
        let id = device_id.to_owned();
        self.write(move |connection| devices::delete_device(connection, &id)).await
    }

    async fn set_tag(&self, device_id: &str, tag: &str, value: Option<Value>) -> Result<(), StoreError> {
        let (id, tag) = (device_id.to_owned(), tag.to_owned());
        let value = value.map(|value| devices::to_text(&value)).transpose()?;
        self.write(move |connection| {
            let no = devices::device_number(connection, &id)?.ok_or(StoreError::NoSuchDevice(id))?;
            devices::write_tag(connection, no, &tag, value.as_deref())
        })
        .await
    }

    async fn find(&self, listing: Listing, find: Find) -> Result<Records<Json>, StoreError> {
        Ok(lists::find_documents(self.readers.clone(), listing, find))
    }

    async fn count(&self, listing: Listing, filter: Query) -> Result<u64, StoreError> {
        let readers = self.readers.clone();
        let counted = tokio::task::spawn_blocking(move || lists::count_documents(&readers, listing, &filter)).await;
        counted.unwrap_or(Err(StoreError::Closed))
    }

    async fn get(&self, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| documents::get(connection, collection, &id)).await
    }

    async fn put(&self, collection: Collection, id: &str, document: Json) -> Result<(), StoreError> {
        let id = id.to_owned();
        let revision = self.write(move |connection| documents::put(connection, collection, &id, document)).await?;
        self.set_revision(revision);
        Ok(())
    }

    async fn delete(&self, collection: Collection, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let revision = self.write(move |connection| documents::delete(connection, collection, &id)).await?;
        if let Some(revision) = revision {
            self.set_revision(revision);
        }
        Ok(revision.is_some())
    }

    async fn configuration_revision(&self) -> Result<i64, StoreError> {
        // This process is the only writer, so its own count is the truth.
        Ok(self.revision.load(std::sync::atomic::Ordering::Acquire))
    }

    async fn insert_task(&self, task: Task) -> Result<(), StoreError> {
        self.write(move |connection| tasks::insert_task(connection, &task)).await
    }

    async fn get_task(&self, id: &str) -> Result<Option<Task>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| tasks::read_task(connection, &id)).await
    }

    async fn set_task_state(&self, id: &str, state: TaskState, reason: &str, at: i64) -> Result<bool, StoreError> {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        self.write(move |connection| tasks::write_state(connection, &id, state, &reason, at)).await
    }

    async fn cancel_task(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| tasks::cancel_task(connection, &id, at)).await
    }

    async fn delete_fault(&self, device_id: &str, channel: &str, at: i64) -> Result<bool, StoreError> {
        let (device, channel) = (device_id.to_owned(), channel.to_owned());
        self.write(move |connection| tasks::delete_fault(connection, &device, &channel, at)).await
    }

    async fn retry_task(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| tasks::retry_task(connection, &id, at)).await
    }

    async fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(move |connection| {
            let doing = failed("reading events");
            let mut statement = connection
                .prepare_cached("SELECT cursor, event FROM outbox WHERE cursor > ?1 ORDER BY cursor LIMIT ?2")
                .map_err(&doing)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query([cursor, limit]).map_err(&doing)?;
            let mut out = Vec::new();
            while let Some(row) = rows.next().map_err(&doing)? {
                let text: String = row.get(1).map_err(&doing)?;
                out.push(StoredEvent {
                    cursor: row.get(0).map_err(&doing)?,
                    event: devices::from_text("an event", &text)?,
                });
            }
            Ok(out)
        })
        .await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.read(|connection| {
            connection.query_row("SELECT 1", [], |_| Ok(())).map_err(failed("checking the database"))
        })
        .await
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        let this = self.clone();
        self.read(move |connection| this.read_statistics(connection)).await
    }
}

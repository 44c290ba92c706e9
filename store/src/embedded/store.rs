//! The [`Store`] trait on the embedded database.

use std::time::Duration;

use acs_core::change::{DeviceSnapshot, OutboxEvent, SessionChange};
use acs_core::device::StoredDevice;
use acs_core::fault::FaultRecord;
use acs_core::query::Query;
use acs_core::task::{Task, TaskState};
use acs_core::transfer::MovementReport;
use acs_core::value::Value;
use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::Value as Json;
use tokio::sync::watch;

use super::devices::{self, EncodedChange};
use super::readers::Lane;
use super::{EmbeddedStore, documents, failed, files, heartbeats, index, ledgers, lists, scan, tasks, transfers};
use crate::index_names::{field_of_name, name_of_field};
use crate::ledger::check_entries;
use crate::{
    Collection, FileInfo, FileMetadata, FileWriter, Find, Lease, Listing, Records, Resumption, Statistics, Store,
    StoreError, StoredEvent, UploadUsage,
};

#[async_trait]
impl Store for EmbeddedStore {
    async fn open_device(&self, device_id: &str) -> Result<DeviceSnapshot, StoreError> {
        let id = device_id.to_owned();
        self.read(move |connection| devices::read_snapshot(connection, &id)).await
    }

    async fn commit_session(&self, change: SessionChange) -> Result<(), StoreError> {
        let (encoded, bounds) = (EncodedChange::encode(change)?, self.transfer_bounds());
        self.write(move |connection| encoded.write(connection, bounds)).await
    }

    async fn commit_session_under(&self, lease: &Lease, change: SessionChange) -> Result<(), StoreError> {
        if lease.device != change.head.id {
            let reason = format!("the lease is on device {}", lease.device);
            return Err(StoreError::Invalid { what: format!("a session of device {}", change.head.id), reason });
        }
        let committing = self.leases.begin_commit(lease)?;
        let (encoded, bounds) = (EncodedChange::encode(change)?, self.transfer_bounds());
        // The lease is handed back with the answer, after the commit, so that it cannot pass to another session before.
        self.write(move |connection| encoded.write(connection, bounds).map(|()| committing)).await.map(|_| ())
    }

    async fn acquire_lease(&self, device_id: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        self.leases.acquire(device_id, owner, ttl)
    }

    async fn seize_lease(&self, device_id: &str, owner: &str, ttl: Duration) -> Result<Lease, StoreError> {
        self.leases.seize(device_id, owner, ttl).await
    }

    async fn suspend_session(&self, lease: &Lease, content: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        self.leases.suspend(lease, content, ttl)
    }

    async fn resume_session(&self, owner: &str, ttl: Duration) -> Result<Resumption, StoreError> {
        self.leases.resume(owner, ttl)
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        self.leases.renew(lease, ttl)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.leases.release(lease)
    }

    async fn lease_owner(&self, device_id: &str) -> Result<Option<String>, StoreError> {
        self.leases.owner(device_id)
    }

    async fn find_devices(&self, find: Find) -> Result<Records<StoredDevice>, StoreError> {
        Ok(scan::find_devices(self.readers.clone(), find))
    }

    async fn count_devices(&self, filter: Query) -> Result<u64, StoreError> {
        scan::count_devices(&self.readers, filter).await
    }

    async fn get_device(&self, device_id: &str) -> Result<Option<StoredDevice>, StoreError> {
        let id = device_id.to_owned();
        self.read(move |connection| devices::read_device(connection, &id)).await
    }

    async fn miss_heartbeats(&self, now: i64, since: i64, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut overdue = self.read(move |connection| heartbeats::overdue(connection, now, since, limit)).await?;
        overdue.retain(|id| !self.leases.owner(id).is_ok_and(|owner| owner.is_some()));
        if overdue.is_empty() {
            return Ok(overdue);
        }
        self.write(move |connection| {
            let mut marked = Vec::new();
            for id in overdue {
                if heartbeats::mark(connection, &id, now)? {
                    marked.push(id);
                }
            }
            Ok(marked)
        })
        .await
    }

    async fn delete_device(&self, device_id: &str) -> Result<bool, StoreError> {
        let id = device_id.to_owned();
        self.write(move |connection| devices::delete_device(connection, &id)).await
    }

    async fn set_tag(&self, device_id: &str, tag: &str, value: Option<Value>) -> Result<(), StoreError> {
        self.set_tags(device_id, vec![(tag.to_owned(), value)]).await
    }

    async fn set_tags(&self, device_id: &str, tags: Vec<(String, Option<Value>)>) -> Result<(), StoreError> {
        let id = device_id.to_owned();
        let encode = |value: Option<Value>| value.map(|value| devices::to_text(&value)).transpose();
        let tags = tags.into_iter().map(|(tag, value)| Ok((tag, encode(value)?))).collect::<Result<Vec<_>, _>>()?;
        self.write(move |connection| {
            let no = devices::device_number(connection, &id)?.ok_or(StoreError::NoSuchDevice(id))?;
            tags.iter().try_for_each(|(tag, value)| devices::write_tag(connection, no, tag, value.as_deref()))
        })
        .await
    }

    async fn set_indexed_parameters(&self, names: &[String]) -> Result<(), StoreError> {
        let fields = names.iter().map(|name| field_of_name(name)).collect::<Result<Vec<_>, _>>()?;
        if !self.write(move |connection| index::choose_fields(connection, &fields)).await? {
            return Ok(());
        }
        // Sessions keep the new entries up to date from here on; this adds those of devices that are silent.
        let mut behind = 0;
        while let Some(last) = self.write(move |connection| index::build_step(connection, behind)).await? {
            behind = last;
        }
        Ok(())
    }

    async fn indexed_parameters(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let fields = index::indexed_fields(connection, true)?;
            Ok(fields.iter().map(|field| name_of_field(&field.name).to_owned()).collect())
        })
        .await
    }

    async fn find(&self, listing: Listing, find: Find) -> Result<Records<Json>, StoreError> {
        Ok(lists::find_documents(self.readers.clone(), listing, find))
    }

    async fn count(&self, listing: Listing, filter: Query) -> Result<u64, StoreError> {
        lists::count_documents(&self.readers, listing, filter).await
    }

    async fn get(&self, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| documents::get(connection, collection, &id)).await
    }

    async fn put(&self, collection: Collection, id: &str, document: Json) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |connection| documents::put(connection, collection, &id, document)).await
    }

    async fn delete(&self, collection: Collection, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| documents::delete(connection, collection, &id)).await
    }

    async fn change_documents(&self, changes: Vec<(Collection, String, Option<Json>)>) -> Result<(), StoreError> {
        self.write(move |connection| {
            changes.into_iter().try_for_each(|(collection, id, document)| match document {
                Some(document) => documents::put(connection, collection, &id, document),
                None => documents::delete(connection, collection, &id).map(|_| ()),
            })
        })
        .await
    }

    async fn configuration_revision(&self) -> Result<i64, StoreError> {
        // This process is the only writer, so its own count is the truth.
        Ok(*self.configuration.borrow())
    }

    fn watch_configuration(&self) -> watch::Receiver<i64> {
        self.configuration.subscribe()
    }

    async fn insert_task(&self, task: Task) -> Result<(), StoreError> {
        let retention = i64::try_from(self.options.task_retention.as_millis()).unwrap_or(i64::MAX);
        self.write(move |connection| tasks::insert_task(connection, &task, retention)).await
    }

    async fn get_task(&self, id: &str) -> Result<Option<Task>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| tasks::read_task(connection, &id)).await
    }

    async fn move_task(
        &self,
        id: &str,
        from: &[TaskState],
        to: TaskState,
        reason: &str,
        at: i64,
    ) -> Result<bool, StoreError> {
        let (id, from, reason) = (id.to_owned(), from.to_vec(), reason.to_owned());
        self.write(move |connection| tasks::move_task(connection, &id, &from, to, &reason, at)).await
    }

    async fn cancel_task(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| tasks::cancel_task(connection, &id, at)).await
    }

    async fn get_fault(&self, device_id: &str, channel: &str) -> Result<Option<FaultRecord>, StoreError> {
        let (device, channel) = (device_id.to_owned(), channel.to_owned());
        self.read(move |connection| tasks::read_fault(connection, &device, &channel)).await
    }

    async fn delete_fault(&self, device_id: &str, channel: &str, at: i64) -> Result<bool, StoreError> {
        let (device, channel) = (device_id.to_owned(), channel.to_owned());
        self.write(move |connection| tasks::delete_fault(connection, &device, &channel, at)).await
    }

    async fn retry_task(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |connection| tasks::retry_task(connection, &id, at)).await
    }

    async fn add_events(&self, events: Vec<OutboxEvent>) -> Result<(), StoreError> {
        self.write(move |connection| events.iter().try_for_each(|event| devices::add_event(connection, event))).await
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

    fn watch_events(&self) -> watch::Receiver<i64> {
        self.events.subscribe()
    }

    async fn prune_events(&self, up_to: i64) -> Result<u64, StoreError> {
        self.write(move |connection| {
            let rows = connection.execute("DELETE FROM outbox WHERE cursor <= ?1", [up_to]);
            rows.map(|rows| rows as u64).map_err(failed("pruning events"))
        })
        .await
    }

    async fn create_file(&self, metadata: FileMetadata) -> Result<Box<dyn FileWriter>, StoreError> {
        files::create_file(self.writer()?.clone(), metadata).await
    }

    async fn get_file(&self, name: &str) -> Result<Option<FileInfo>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| files::get_file(connection, &name)).await
    }

    async fn read_file(&self, file: &FileInfo, offset: u64, length: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let file = file.clone();
        let read = move |connection: &Connection| files::read_file(connection, &file, offset, length);
        self.readers.run(Lane::Lists, read).await
    }

    async fn delete_file(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| files::delete_file(connection, &name)).await
    }

    async fn upload_usage(&self, device_id: &str) -> Result<UploadUsage, StoreError> {
        let device = device_id.to_owned();
        self.read(move |connection| files::upload_usage(connection, &device)).await
    }

    async fn note_movement(
        &self,
        device_id: &str,
        command_key: &str,
        report: MovementReport,
    ) -> Result<(), StoreError> {
        let (device, key, bounds) = (device_id.to_owned(), command_key.to_owned(), self.transfer_bounds());
        self.write(move |connection| transfers::add_movement(connection, &device, &key, &report, bounds)).await
    }

    async fn record_entries(&self, ledger: &str, entries: Vec<(u64, Vec<u8>)>) -> Result<(), StoreError> {
        check_entries(ledger, &entries)?;
        let ledger = ledger.to_owned();
        self.write(move |connection| ledgers::record(connection, &ledger, &entries)).await
    }

    async fn ledger_entries(&self, ledger: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let ledger = ledger.to_owned();
        self.read(move |connection| ledgers::entries(connection, &ledger)).await
    }

    async fn forget_ledger(&self, ledger: &str) -> Result<u64, StoreError> {
        let ledger = ledger.to_owned();
        self.write(move |connection| ledgers::forget(connection, &ledger)).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        if self.writer.is_some() {
            self.write(|connection| documents::count(connection, documents::CHECKS)).await?;
        }
        self.read(|connection| documents::read_count(connection, documents::CHECKS)).await.map(|_| ())
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        let this = self.clone();
        self.read(move |connection| this.read_statistics(connection)).await
    }
}

//! The [`Store`] trait on a MongoDB server.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use acs_core::change::{DeviceSnapshot, OutboxEvent, SessionChange, TaskChange};
use acs_core::device::StoredDevice;
use acs_core::fault::FaultRecord;
use acs_core::query::Query;
use acs_core::task::{Task, TaskState};
use acs_core::transfer::MovementReport;
use acs_core::value::Value;
use async_trait::async_trait;
use mongodb::bson::doc;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::devices::read_device;
use super::leases::Claim;
use super::records::read_fault;
use super::tasks::UNDECIDED;
use super::values::{object_id, time_or_number};
use super::{MongoStore, documents, failed};
use crate::ledger::check_entries;
use crate::{
    Collection, FileInfo, FileMetadata, FileWriter, Find, Lease, LeaseState, Listing, Records, Resumption, Statistics,
    Store, StoreError, StoredEvent, UploadUsage,
};

impl MongoStore {
    /// Writes a session and counts that.
    async fn commit_counted(
        &self,
        change: SessionChange,
        lease: Option<&Lease>,
        is_end: bool,
    ) -> Result<(), StoreError> {
        if let Some(lease) = lease
            && lease.device != change.head.id
        {
            let reason = format!("the lease is on device {}", lease.device);
            return Err(StoreError::Invalid { what: format!("a session of device {}", change.head.id), reason });
        }
        let begun = Instant::now();
        self.commit(change, lease, is_end).await?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.commit_microseconds.fetch_add(microseconds, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Store for MongoStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn open_device(&self, device_id: &str) -> Result<DeviceSnapshot, StoreError> {
        self.open(device_id).await
    }

    async fn commit_session(&self, change: SessionChange) -> Result<(), StoreError> {
        self.commit_counted(change, None, false).await
    }

    async fn commit_session_under(&self, lease: &Lease, change: SessionChange) -> Result<(), StoreError> {
        self.commit_counted(change, Some(lease), false).await
    }

    async fn begin_session(
        &self,
        device_id: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<(Lease, DeviceSnapshot)>, StoreError> {
        self.open_under_lease(Claim { device: device_id, owner, ttl, seizes: false }).await
    }

    async fn seize_session(
        &self,
        device_id: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<(Lease, DeviceSnapshot), StoreError> {
        let begun = self.open_under_lease(Claim { device: device_id, owner, ttl, seizes: true }).await?;
        // Who seizes gets it, so this is for a document that cannot be.
        begun.ok_or_else(|| StoreError::LeaseLost(device_id.to_owned()))
    }

    async fn suspend_session(&self, lease: &Lease, content: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        self.suspend(lease, content, ttl).await
    }

    async fn resume_session(&self, owner: &str, ttl: Duration) -> Result<Resumption, StoreError> {
        self.resume(owner, ttl).await
    }

    async fn end_session(&self, lease: &Lease, change: SessionChange) -> Result<(), StoreError> {
        self.commit_counted(change, Some(lease), true).await
    }

    async fn acquire_lease(&self, device_id: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        self.take_lease(Claim { device: device_id, owner, ttl, seizes: false }).await
    }

    async fn seize_lease(&self, device_id: &str, owner: &str, ttl: Duration) -> Result<Lease, StoreError> {
        let taken = self.take_lease(Claim { device: device_id, owner, ttl, seizes: true }).await?;
        taken.ok_or_else(|| StoreError::LeaseLost(device_id.to_owned()))
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        self.prolong(lease, ttl).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.free(lease).await
    }

    async fn lease_states(&self, device_ids: &[String]) -> Result<Vec<(String, LeaseState)>, StoreError> {
        self.states_of_leases(device_ids).await
    }

    async fn lease_owner(&self, device_id: &str) -> Result<Option<String>, StoreError> {
        self.holder(device_id).await
    }

    async fn find_devices(&self, find: Find) -> Result<Records<StoredDevice>, StoreError> {
        Ok(self.list_devices(find))
    }

    async fn count_devices(&self, filter: Query) -> Result<u64, StoreError> {
        self.number_of_devices(filter).await
    }

    async fn get_device(&self, device_id: &str) -> Result<Option<StoredDevice>, StoreError> {
        self.device_document(device_id).await?.as_ref().map(read_device).transpose()
    }

    async fn miss_heartbeats(&self, now: i64, since: i64, limit: usize) -> Result<Vec<String>, StoreError> {
        self.mark_missing(now, since, limit).await
    }

    async fn delete_device(&self, device_id: &str) -> Result<bool, StoreError> {
        self.remove_device(device_id).await
    }

    async fn set_tag(&self, device_id: &str, tag: &str, value: Option<Value>) -> Result<(), StoreError> {
        self.change_tags(device_id, &[(tag.to_owned(), value)]).await
    }

    async fn set_tags(&self, device_id: &str, tags: Vec<(String, Option<Value>)>) -> Result<(), StoreError> {
        self.change_tags(device_id, &tags).await
    }

    async fn set_indexed_parameters(&self, names: &[String]) -> Result<(), StoreError> {
        self.choose_indexes(names).await
    }

    async fn indexed_parameters(&self) -> Result<Vec<String>, StoreError> {
        self.chosen_names().await
    }

    async fn find(&self, listing: Listing, find: Find) -> Result<Records<Json>, StoreError> {
        Ok(self.list_documents(listing, find))
    }

    async fn count(&self, listing: Listing, filter: Query) -> Result<u64, StoreError> {
        self.number_of_documents(listing, filter).await
    }

    async fn get(&self, collection: Collection, id: &str) -> Result<Option<Json>, StoreError> {
        self.get_document(collection, id).await
    }

    async fn put(&self, collection: Collection, id: &str, document: Json) -> Result<(), StoreError> {
        self.put_document(collection, id, document).await
    }

    async fn delete(&self, collection: Collection, id: &str) -> Result<bool, StoreError> {
        self.delete_document(collection, id).await
    }

    async fn configuration_revision(&self) -> Result<i64, StoreError> {
        self.read_count(documents::REVISION).await
    }

    fn watch_configuration(&self) -> watch::Receiver<i64> {
        self.configuration.subscribe()
    }

    async fn insert_task(&self, task: Task) -> Result<(), StoreError> {
        self.queue_task(task).await
    }

    async fn get_task(&self, id: &str) -> Result<Option<Task>, StoreError> {
        self.find_task(&object_id(id)).await
    }

    async fn move_task(
        &self,
        id: &str,
        from: &[TaskState],
        to: TaskState,
        reason: &str,
        at: i64,
    ) -> Result<bool, StoreError> {
        let change = TaskChange { id: id.to_owned(), state: to, reason: reason.to_owned(), at, result: None };
        Ok(self.change_state(from, &change).await?.is_some())
    }

    async fn cancel_task(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        self.give_up_task(&object_id(id), &UNDECIDED, "Cancelled by an operator", at).await
    }

    async fn get_fault(&self, device_id: &str, channel: &str) -> Result<Option<FaultRecord>, StoreError> {
        let filter = doc! { "_id": format!("{device_id}:{channel}") };
        let found = self.faults.find_one(filter).await.map_err(failed("reading a fault"))?;
        found.as_ref().map(read_fault).transpose()
    }

    async fn delete_fault(&self, device_id: &str, channel: &str, at: i64) -> Result<bool, StoreError> {
        if !self.remove_fault(device_id, channel).await? {
            return Ok(false);
        }
        if let Some(id) = channel.strip_prefix("task_") {
            self.cancel_task(id, at).await?;
        }
        let detail = json!({ "channel": channel });
        let event = OutboxEvent { kind: "fault.deleted".to_owned(), device: device_id.to_owned(), at, detail };
        self.tell(vec![event]).await?;
        Ok(true)
    }

    async fn retry_task(&self, id: &str, at: i64) -> Result<bool, StoreError> {
        self.queue_again(id, at).await
    }

    async fn add_events(&self, events: Vec<OutboxEvent>) -> Result<(), StoreError> {
        self.tell(events).await
    }

    async fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.read_events(cursor, limit).await
    }

    fn watch_events(&self) -> watch::Receiver<i64> {
        self.events.subscribe()
    }

    async fn prune_events(&self, up_to: i64) -> Result<u64, StoreError> {
        self.remove_events(up_to).await
    }

    async fn create_file(&self, metadata: FileMetadata) -> Result<Box<dyn FileWriter>, StoreError> {
        self.begin_file(metadata)
    }

    async fn get_file(&self, name: &str) -> Result<Option<FileInfo>, StoreError> {
        self.describe_file(name).await
    }

    async fn read_file(&self, file: &FileInfo, offset: u64, length: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_part(file, offset, length).await
    }

    async fn delete_file(&self, name: &str) -> Result<bool, StoreError> {
        self.remove_file(name).await
    }

    async fn upload_usage(&self, device_id: &str) -> Result<UploadUsage, StoreError> {
        self.read_usage(device_id).await
    }

    async fn note_movement(
        &self,
        device_id: &str,
        command_key: &str,
        report: MovementReport,
    ) -> Result<(), StoreError> {
        self.add_movement(device_id, command_key, &report).await
    }

    async fn shared_secret(&self, name: &str, proposal: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.agree_on(name, proposal).await
    }

    async fn record_entries(&self, ledger: &str, entries: Vec<(u64, Vec<u8>)>) -> Result<(), StoreError> {
        check_entries(ledger, &entries)?;
        self.record_all(ledger, entries).await
    }

    async fn ledger_entries(&self, ledger: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read_ledger(ledger).await
    }

    async fn forget_ledger(&self, ledger: &str) -> Result<u64, StoreError> {
        self.forget_all(ledger).await
    }

    async fn free_disk(&self) -> Result<Option<u64>, StoreError> {
        let doing = "asking for the free disk space";
        let sizes = self.database().run_command(doc! { "dbStats": 1 }).await.map_err(failed(doing))?;
        let size = |name: &str| sizes.get(name).and_then(time_or_number).and_then(|size| u64::try_from(size).ok());
        Ok(size("fsTotalSize").zip(size("fsUsedSize")).map(|(total, used)| total.saturating_sub(used)))
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.count_one(documents::CHECKS).await.map(|_| ())
    }

    async fn statistics(&self) -> Result<Statistics, StoreError> {
        let doing = "reading statistics";
        let devices = self.devices.estimated_document_count().await.map_err(failed(doing))?;
        let sizes = self.database().run_command(doc! { "dbStats": 1 }).await.map_err(failed(doing))?;
        let size = |name: &str| sizes.get(name).and_then(time_or_number).and_then(|size| u64::try_from(size).ok());
        let commits = self.commits.load(Ordering::Relaxed);
        Ok(Statistics {
            commits,
            changes: commits,
            largest_batch: commits.min(1),
            commit_microseconds: self.commit_microseconds.load(Ordering::Relaxed),
            queued_changes: 0,
            devices,
            database_bytes: size("storageSize").unwrap_or(0) + size("indexSize").unwrap_or(0),
            log_bytes: 0,
        })
    }
}

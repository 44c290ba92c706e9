//! The `Store` trait: what every store does, in terms that fit an embedded database and a shared one alike.
//!
//! One call is one round trip where possible. Lists take the query tree; what somebody may see is joined to it by
//! [`crate::ScopedStore`]. Documents are JSON as the NBI shows them; devices have their own type, since a session works on them.

use std::time::Duration;

use acs_core::change::{DeviceSnapshot, OutboxEvent, SessionChange};
use acs_core::device::StoredDevice;
use acs_core::fault::FaultRecord;
use acs_core::query::Query;
use acs_core::task::{Task, TaskState};
use acs_core::transfer::MovementReport;
use acs_core::value::Value;
use async_trait::async_trait;
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::file::{FileInfo, FileMetadata, FileWriter, UploadUsage};
use crate::find::{Find, Records};

/// Why a store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The device is not there, or no longer.
    #[error("no such device: {0}")]
    NoSuchDevice(String),
    /// What is stored cannot be read.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which record.
        what: String,
        /// Why it does not decode.
        reason: String,
    },
    /// The database failed.
    #[error("the database failed while {doing}: {reason}")]
    Database {
        /// What it was to do.
        doing: &'static str,
        /// What it says.
        reason: String,
    },
    /// The session's lease has passed to another owner: what it wanted to write may be out of date.
    #[error("the lease on device {0} has passed to another session")]
    LeaseLost(String),
    /// What was given cannot be stored.
    #[error("{what} cannot be stored: {reason}")]
    Invalid {
        /// What was given.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The store is shutting down, or has failed for good.
    #[error("the store is closed")]
    Closed,
}

/// Tasks that may be open for one device. More are refused: a device reads all of its open tasks in each session.
pub const MAX_OPEN_TASKS: usize = 500;

/// The largest entry of a ledger, in bytes.
pub const MAX_LEDGER_ENTRY: usize = 8 * 1024 * 1024;

/// Collections of documents that operators write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    /// `presets`
    Presets,
    /// `provisions`: `{_id, script}`
    Provisions,
    /// `virtualParameters`: `{_id, script}`
    VirtualParameters,
    /// `objects`
    Objects,
    /// `config`: `{_id, value}`, the value an expression in text form
    Config,
    /// `users`; never readable over the NBI
    Users,
    /// `apiKeys`; never readable over the NBI
    ApiKeys,
    /// `apiKeyUses`: when each key was used last, by its id; never readable as documents
    ApiKeyUses,
    /// `permissions`; never readable over the NBI
    Permissions,
    /// `connectionRequests`: what came of each device's, by device ID; never readable as documents. Goes with its device.
    ConnectionRequests,
    /// `deviceCredentials`: what devices authenticate with, by device ID; never readable over the NBI. Goes with its device.
    DeviceCredentials,
    /// `sessionTraces`: what happened in each device's last sessions, by device ID; never readable as documents. Goes with its device.
    SessionTraces,
    /// `starstateDocuments`: what routers are to be, by name. Sealed by whoever writes them; never readable as they are stored.
    StarstateDocuments,
    /// `starstateSessions`: documents on their way to routers, the heads `{_id, device, status, holds, …}`, what they
    /// hold is in ledgers; never readable as they are stored. They stay when their device is deleted, since they tell what is on the router.
    StarstateSessions,
    /// `starstateJobs`: what is wanted of each router, by device ID; never readable as documents.
    StarstateJobs,
}

impl Collection {
    /// All of them.
    pub const ALL: [Collection; 15] = [
        Collection::Presets,
        Collection::Provisions,
        Collection::VirtualParameters,
        Collection::Objects,
        Collection::Config,
        Collection::Users,
        Collection::ApiKeys,
        Collection::ApiKeyUses,
        Collection::Permissions,
        Collection::ConnectionRequests,
        Collection::DeviceCredentials,
        Collection::SessionTraces,
        Collection::StarstateDocuments,
        Collection::StarstateSessions,
        Collection::StarstateJobs,
    ];

    /// The collection's name.
    pub fn name(self) -> &'static str {
        match self {
            Collection::Presets => "presets",
            Collection::Provisions => "provisions",
            Collection::VirtualParameters => "virtualParameters",
            Collection::Objects => "objects",
            Collection::Config => "config",
            Collection::Users => "users",
            Collection::ApiKeys => "apiKeys",
            Collection::ApiKeyUses => "apiKeyUses",
            Collection::Permissions => "permissions",
            Collection::ConnectionRequests => "connectionRequests",
            Collection::DeviceCredentials => "deviceCredentials",
            Collection::SessionTraces => "sessionTraces",
            Collection::StarstateDocuments => "starstateDocuments",
            Collection::StarstateSessions => "starstateSessions",
            Collection::StarstateJobs => "starstateJobs",
        }
    }

    /// The collection of this name, with or without underscores, in any case: `virtual_parameters`, `virtualParameters`.
    pub fn parse(name: &str) -> Option<Collection> {
        let plain = name.replace('_', "");
        Collection::ALL.into_iter().find(|collection| collection.name().eq_ignore_ascii_case(&plain))
    }

    /// Whether a change of it changes what sessions do.
    pub fn is_configuration(self) -> bool {
        !matches!(
            self,
            Collection::Users
                | Collection::ApiKeys
                | Collection::ApiKeyUses
                | Collection::Permissions
                | Collection::ConnectionRequests
                | Collection::DeviceCredentials
                | Collection::SessionTraces
                | Collection::StarstateDocuments
                | Collection::StarstateSessions
                | Collection::StarstateJobs
        )
    }
}

/// Collections that lists are taken of, as documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    /// Open tasks.
    Tasks,
    /// Stored faults.
    Faults,
    /// Pending downloads.
    Operations,
    /// Records of what devices fetched and sent.
    Transfers,
    /// Descriptions of files for devices.
    Files,
    /// Descriptions of files from devices.
    Uploads,
    /// Documents that operators write.
    Documents(Collection),
}

/// An outbox event with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Grows with each event, across restarts.
    pub cursor: i64,
    /// The event.
    pub event: OutboxEvent,
}

/// For metrics. Counts are since the start, unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Durable commits so far.
    pub commits: u64,
    /// Changes in them; more than commits when a crowd shares them.
    pub changes: u64,
    /// The most changes that shared a commit.
    pub largest_batch: u64,
    /// Time spent on all commits together, in microseconds.
    pub commit_microseconds: u64,
    /// Changes that wait now.
    pub queued_changes: u64,
    /// Devices stored now.
    pub devices: u64,
    /// The database's size now, in bytes.
    pub database_bytes: u64,
    /// The size of its write-ahead log now, in bytes; 0 for stores that have none.
    pub log_bytes: u64,
}

/// How much a store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// How long ended tasks are kept.
    pub task_retention: Duration,
    /// How many outbox events are kept, about.
    pub outbox_length: u32,
    /// How many transfer records are kept of each device.
    pub transfers_per_device: u32,
    /// How long they are kept.
    pub transfer_retention: Duration,
}

impl Default for StoreOptions {
    /// A week; 100,000 events; 100 transfers and 90 days.
    fn default() -> Self {
        StoreOptions {
            task_retention: Duration::from_secs(7 * 86_400),
            outbox_length: 100_000,
            transfers_per_device: 100,
            transfer_retention: Duration::from_secs(90 * 86_400),
        }
    }
}

/// The right to run a device's session. It has no effect on reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The device.
    pub device: String,
    /// Who holds it, e.g. a session's id.
    pub owner: String,
    /// Greater than that of every earlier lease on the device.
    pub token: u64,
}

/// Where the lease on a device stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseState {
    /// The last session's.
    pub token: u64,
    /// Who holds it now.
    pub owner: Option<String>,
}

/// What became of a suspended session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumption {
    /// Its owner holds no lease, or no longer.
    Unknown,
    /// Its owner holds a lease and no content is kept: the session is live, on another node perhaps.
    Elsewhere,
    /// It is the caller's.
    Resumed {
        /// The lease, with a new token.
        lease: Lease,
        /// What [`Store::suspend_session`] was given.
        content: Vec<u8>,
    },
}

/// A store.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whether several nodes share this store, so that sessions are kept for whoever their device comes to next.
    fn is_shared(&self) -> bool {
        false
    }

    /// Everything that a device's session starts from.
    async fn open_device(&self, device_id: &str) -> Result<DeviceSnapshot, StoreError>;

    /// Writes what a session changed, as a whole; durable when it returns.
    /// [`StoreError::NoSuchDevice`] when the device was known to the session and is gone.
    async fn commit_session(&self, change: SessionChange) -> Result<(), StoreError>;

    /// The same under a lease. [`StoreError::LeaseLost`], and nothing is written, when another session has got it since.
    async fn commit_session_under(&self, lease: &Lease, change: SessionChange) -> Result<(), StoreError>;

    /// Takes the lease on a device and reads everything that its session starts from: [`Store::acquire_lease`] and then
    /// [`Store::open_device`], at once where the store can. `None` when another owner holds the lease.
    async fn begin_session(
        &self,
        device_id: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<(Lease, DeviceSnapshot)>, StoreError> {
        let Some(lease) = self.acquire_lease(device_id, owner, ttl).await? else { return Ok(None) };
        match self.open_device(device_id).await {
            Ok(snapshot) => Ok(Some((lease, snapshot))),
            Err(error) => {
                self.release_lease(&lease).await?;
                Err(error)
            }
        }
    }

    /// The same, whoever holds the lease: the device has begun anew. What the earlier session wants to write afterwards is
    /// [`StoreError::LeaseLost`]; what it wrote before is read.
    async fn seize_session(
        &self,
        device_id: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<(Lease, DeviceSnapshot), StoreError> {
        let lease = self.seize_lease(device_id, owner, ttl).await?;
        match self.open_device(device_id).await {
            Ok(snapshot) => Ok((lease, snapshot)),
            Err(error) => {
                self.release_lease(&lease).await?;
                Err(error)
            }
        }
    }

    /// Keeps a running session, about `ttl` long, for whoever asks for it next. Its owner holds the lease on, prolonged.
    /// [`StoreError::LeaseLost`] when another session has got that; [`StoreError::Invalid`] when the content is too large to be
    /// stored, and then nothing has changed.
    async fn suspend_session(&self, lease: &Lease, content: Vec<u8>, ttl: Duration) -> Result<(), StoreError>;

    /// Takes out what was kept of an owner's session, and gives its lease a new token and `ttl`. Of several callers one gets it.
    async fn resume_session(&self, owner: &str, ttl: Duration) -> Result<Resumption, StoreError>;

    /// Writes what a session changed and gives its lease back: [`Store::commit_session_under`] and then
    /// [`Store::release_lease`], at once where the store can. When it fails nothing is written, and the lease is as it was.
    async fn end_session(&self, lease: &Lease, change: SessionChange) -> Result<(), StoreError> {
        self.commit_session_under(lease, change).await?;
        if let Err(error) = self.release_lease(lease).await {
            // The change is written all the same, and the lease ends by itself.
            tracing::warn!(device = lease.device, %error, "a lease is not given back");
        }
        Ok(())
    }

    /// Takes the lease on a device, which need not be known, for a time. `None` when another owner holds it. The same owner gets
    /// its own lease again, prolonged.
    async fn acquire_lease(&self, device_id: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError>;

    /// Takes the lease on a device, which need not be known, whoever holds it. It has a new token in any case.
    async fn seize_lease(&self, device_id: &str, owner: &str, ttl: Duration) -> Result<Lease, StoreError>;

    /// Prolongs a lease, counted from now. Returns whether it was still held; an expired one is, when nobody has got it since.
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError>;

    /// Gives a lease back. Returns whether it was still held.
    async fn release_lease(&self, lease: &Lease) -> Result<bool, StoreError>;

    /// Who holds the lease on a device now: whether it is in session.
    async fn lease_owner(&self, device_id: &str) -> Result<Option<String>, StoreError>;

    /// Where the leases on some devices stand; devices that never had one may be left out. Only a shared store knows of leases that
    /// were taken elsewhere, so others say nothing.
    async fn lease_states(&self, _device_ids: &[String]) -> Result<Vec<(String, LeaseState)>, StoreError> {
        Ok(Vec::new())
    }

    /// Devices. Those whose stored data is damaged are left out and logged.
    async fn find_devices(&self, find: Find) -> Result<Records<StoredDevice>, StoreError>;

    /// How many devices there are.
    async fn count_devices(&self, filter: Query) -> Result<u64, StoreError>;

    /// One device.
    async fn get_device(&self, device_id: &str) -> Result<Option<StoredDevice>, StoreError>;

    /// Marks devices whose heartbeat is overdue (`DeviceHead::heartbeat`), the longest first, and adds `device.heartbeat_missed` for each
    /// to the outbox. A device that is in session is not missing, nor is one whose patience has not passed from `since` on, the time
    /// when signs of life could be heard again. Returns who is marked now and was not before.
    async fn miss_heartbeats(&self, now: i64, since: i64, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Removes a device with its tasks, faults, operations, transfers, uploads, credentials, traces of its sessions and what came of its
    /// connection requests.
    /// Returns whether it was there.
    async fn delete_device(&self, device_id: &str) -> Result<bool, StoreError>;

    /// Sets (`Some`) or removes (`None`) a tag.
    async fn set_tag(&self, device_id: &str, tag: &str, value: Option<Value>) -> Result<(), StoreError>;

    /// Sets (`Some`) and removes (`None`) tags, all or none. [`StoreError::NoSuchDevice`] when the device is not there.
    async fn set_tags(&self, device_id: &str, tags: Vec<(String, Option<Value>)>) -> Result<(), StoreError>;

    /// Says which fields of devices are to be indexed, besides those that always are (`_id`, `_deviceId._SerialNumber`, `_tags`,
    /// `_registered`, `_lastInform`); indexes on others are dropped. Names are parameters
    /// (`Device.DeviceInfo.SoftwareVersion`), `_deviceId._Manufacturer`, `_deviceId._OUI`, `_deviceId._ProductClass`, `_lastBoot`
    /// or `_lastBootstrap`; [`StoreError::Invalid`] for others. Returns when new indexes are built, which other calls do not wait
    /// for. To be called at each start, too: it finishes what was interrupted.
    async fn set_indexed_parameters(&self, names: &[String]) -> Result<(), StoreError>;

    /// The names whose indexes are built, in order.
    async fn indexed_parameters(&self) -> Result<Vec<String>, StoreError>;

    /// Documents of a listing.
    async fn find(&self, listing: Listing, find: Find) -> Result<Records<Json>, StoreError>;

    /// How many documents of a listing there are.
    async fn count(&self, listing: Listing, filter: Query) -> Result<u64, StoreError>;

    /// One document with its `_id`.
    async fn get(&self, collection: Collection, id: &str) -> Result<Option<Json>, StoreError>;

    /// Stores a document under an id, whatever was there.
    async fn put(&self, collection: Collection, id: &str, document: Json) -> Result<(), StoreError>;

    /// Removes a document. Returns whether it was there.
    async fn delete(&self, collection: Collection, id: &str) -> Result<bool, StoreError>;

    /// Stores (`Some`) and removes (`None`) documents, in this order: all or none where the store has transactions.
    async fn change_documents(&self, changes: Vec<(Collection, String, Option<Json>)>) -> Result<(), StoreError> {
        for (collection, id, document) in changes {
            match document {
                Some(document) => self.put(collection, &id, document).await?,
                None => self.delete(collection, &id).await.map(|_| ())?,
            }
        }
        Ok(())
    }

    /// Grows with each change of the configuration collections, and of files.
    async fn configuration_revision(&self) -> Result<i64, StoreError>;

    /// The configuration's revision, as it changes.
    fn watch_configuration(&self) -> watch::Receiver<i64>;

    /// Queues a task. Open tasks of the device with the same unique key are cancelled.
    async fn insert_task(&self, task: Task) -> Result<(), StoreError>;

    /// A task in any state; ended ones are kept for a while.
    async fn get_task(&self, id: &str) -> Result<Option<Task>, StoreError>;

    /// Changes a task's state, if it is one of `from`. Returns whether it was.
    async fn move_task(
        &self,
        id: &str,
        from: &[TaskState],
        to: TaskState,
        reason: &str,
        at: i64,
    ) -> Result<bool, StoreError>;

    /// Cancels a task that is open, or whose device is still to report, and removes its fault. Returns whether there was one.
    async fn cancel_task(&self, id: &str, at: i64) -> Result<bool, StoreError>;

    /// One fault.
    async fn get_fault(&self, device_id: &str, channel: &str) -> Result<Option<FaultRecord>, StoreError>;

    /// Removes a fault, so that its channel is tried again in the next session; a task's fault takes its task along.
    async fn delete_fault(&self, device_id: &str, channel: &str, at: i64) -> Result<bool, StoreError>;

    /// Removes a task's fault, so that the task is tried again. Returns whether the task is there.
    async fn retry_task(&self, id: &str, at: i64) -> Result<bool, StoreError>;

    /// Adds events that no change of a session brings about.
    async fn add_events(&self, events: Vec<OutboxEvent>) -> Result<(), StoreError>;

    /// Events behind a cursor; 0 is the beginning.
    async fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;

    /// The last event's cursor, as it changes; 0 before the first.
    fn watch_events(&self) -> watch::Receiver<i64>;

    /// Removes events up to and including a cursor. Returns how many. Old ones go by themselves, too.
    async fn prune_events(&self, up_to: i64) -> Result<u64, StoreError>;

    /// Begins to write a file. It takes the place of one with the same name when it is finished, not before.
    async fn create_file(&self, metadata: FileMetadata) -> Result<Box<dyn FileWriter>, StoreError>;

    /// A file's description.
    async fn get_file(&self, name: &str) -> Result<Option<FileInfo>, StoreError>;

    /// Reads at most `length` bytes, and at most [`crate::file::CHUNK`], from an offset on; fewer at the end of the file or
    /// where that is cheaper, none only at the end. `None` when the file has been replaced or deleted since it was described.
    async fn read_file(&self, file: &FileInfo, offset: u64, length: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes a file. Returns whether it was there.
    async fn delete_file(&self, name: &str) -> Result<bool, StoreError>;

    /// How much the files take that devices sent.
    async fn upload_usage(&self, device_id: &str) -> Result<UploadUsage, StoreError>;

    /// Adds to a transfer's record what the file server sent or received. The device need not be known: it may fetch a file before
    /// its first session is written.
    async fn note_movement(&self, device_id: &str, command_key: &str, report: MovementReport)
    -> Result<(), StoreError>;

    /// Keeps entries of a ledger by their sequence; what is kept under one already is replaced. Durable when it returns. An entry is up
    /// to whoever writes it, and at most [`MAX_LEDGER_ENTRY`] bytes: [`StoreError::Invalid`] for a larger one, and then none is kept.
    async fn record_entries(&self, ledger: &str, entries: Vec<(u64, Vec<u8>)>) -> Result<(), StoreError>;

    /// A ledger's entries in the order of their sequence; none of one that is not known.
    async fn ledger_entries(&self, ledger: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Forgets a ledger. Returns how many entries it had.
    async fn forget_ledger(&self, ledger: &str) -> Result<u64, StoreError>;

    /// A secret that all nodes of a shared store have in common: what is stored under this name, or else the proposal, which is
    /// stored then. Other stores keep none.
    async fn shared_secret(&self, _name: &str, proposal: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(proposal)
    }

    /// The bytes that are free where a shared store's data lie, if its server tells.
    async fn free_disk(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// Whether the store can write and read.
    async fn health(&self) -> Result<(), StoreError>;

    /// For metrics.
    async fn statistics(&self) -> Result<Statistics, StoreError>;
}

//! The `Store` trait: what every store does, in terms that fit an embedded database and a shared one alike.
//!
//! One call is one round trip where possible. Lists take the query tree, and an access filter is part of it, so that no caller can
//! forget it. Documents are JSON as the NBI shows them; devices have their own type, since a session works on them.

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::device::StoredDevice;
use acs_core::query::{Query, Sort};
use acs_core::task::{Task, TaskState};
use acs_core::value::Value;
use async_trait::async_trait;
use serde_json::Value as Json;
use tokio::sync::mpsc;

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
    /// The store is shutting down, or has failed for good.
    #[error("the store is closed")]
    Closed,
}

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
    /// `permissions`; never readable over the NBI
    Permissions,
}

impl Collection {
    /// All of them.
    pub const ALL: [Collection; 8] = [
        Collection::Presets,
        Collection::Provisions,
        Collection::VirtualParameters,
        Collection::Objects,
        Collection::Config,
        Collection::Users,
        Collection::ApiKeys,
        Collection::Permissions,
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
            Collection::Permissions => "permissions",
        }
    }

    /// Whether a change of it changes what sessions do.
    pub fn is_configuration(self) -> bool {
        !matches!(self, Collection::Users | Collection::ApiKeys | Collection::Permissions)
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
    /// Documents that operators write.
    Documents(Collection),
}

/// Which records, in which order.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// What they must satisfy.
    pub filter: Query,
    /// Fields to order by; records that compare equal, and all when empty, are ordered by `_id`.
    pub sort: Vec<Sort>,
    /// How many to leave out.
    pub skip: usize,
    /// How many to give at most.
    pub limit: Option<usize>,
}

impl Default for Find {
    fn default() -> Self {
        Find { filter: Query::True, sort: Vec::new(), skip: 0, limit: None }
    }
}

/// Records as they are read, a few ahead at most.
#[derive(Debug)]
pub struct Records<T>(mpsc::Receiver<Result<T, StoreError>>);

impl<T> Records<T> {
    /// Wraps the receiving end of a reader.
    pub fn new(receiver: mpsc::Receiver<Result<T, StoreError>>) -> Records<T> {
        Records(receiver)
    }

    /// The next record; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T, StoreError>> {
        self.0.recv().await
    }

    /// All of them.
    pub async fn collect(mut self) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        while let Some(record) = self.next().await {
            out.push(record?);
        }
        Ok(out)
    }
}

/// An outbox event with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Grows with each event, across restarts.
    pub cursor: i64,
    /// The event.
    pub event: acs_core::change::OutboxEvent,
}

/// For metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Durable commits so far.
    pub commits: u64,
    /// Changes in them; more than commits when a crowd shares them.
    pub changes: u64,
    /// Devices stored.
    pub devices: u64,
}

/// A store.
#[async_trait]
pub trait Store: Send + Sync {
    /// Everything that a device's session starts from.
    async fn open_device(&self, device_id: &str) -> Result<DeviceSnapshot, StoreError>;

    /// Writes what a session changed, as a whole; durable when it returns.
    /// [`StoreError::NoSuchDevice`] when the device was known to the session and is gone.
    async fn commit_session(&self, change: SessionChange) -> Result<(), StoreError>;

    /// Devices. Those whose stored data is damaged are left out and logged.
    async fn find_devices(&self, find: Find) -> Result<Records<StoredDevice>, StoreError>;

    /// How many devices there are.
    async fn count_devices(&self, filter: Query) -> Result<u64, StoreError>;

    /// One device.
    async fn get_device(&self, device_id: &str) -> Result<Option<StoredDevice>, StoreError>;

    /// Removes a device with its tasks, faults and operations. Returns whether it was there.
    async fn delete_device(&self, device_id: &str) -> Result<bool, StoreError>;

    /// Sets (`Some`) or removes (`None`) a tag.
    async fn set_tag(&self, device_id: &str, tag: &str, value: Option<Value>) -> Result<(), StoreError>;

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

    /// Grows with each change of the configuration collections.
    async fn configuration_revision(&self) -> Result<i64, StoreError>;

    /// Queues a task. Open tasks of the device with the same unique key are cancelled.
    async fn insert_task(&self, task: Task) -> Result<(), StoreError>;

    /// A task in any state; ended ones are kept for a while.
    async fn get_task(&self, id: &str) -> Result<Option<Task>, StoreError>;

    /// Changes an open task's state.
    async fn set_task_state(&self, id: &str, state: TaskState, reason: &str, at: i64) -> Result<bool, StoreError>;

    /// Cancels an open task and removes its fault. Returns whether there was one.
    async fn cancel_task(&self, id: &str, at: i64) -> Result<bool, StoreError>;

    /// Removes a fault, so that its channel is tried again in the next session; a task's fault takes its task along.
    async fn delete_fault(&self, device_id: &str, channel: &str, at: i64) -> Result<bool, StoreError>;

    /// Removes a task's fault, so that the task is tried again. Returns whether the task is there.
    async fn retry_task(&self, id: &str, at: i64) -> Result<bool, StoreError>;

    /// Events behind a cursor; 0 is the beginning.
    async fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;

    /// Whether the store answers.
    async fn health(&self) -> Result<(), StoreError>;

    /// For metrics.
    async fn statistics(&self) -> Result<Statistics, StoreError>;
}

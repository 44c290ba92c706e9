//! The store on a MongoDB server, which several nodes share.
//!
//! Collections and documents are those of the incumbent, read as any version of it wrote them, so that its database can be taken
//! over as it is. What it does not know is in fields and collections of its own: `_lodestar` in devices, `lodestar` in faults and
//! operations, `state` and its kin in tasks; `endedTasks`, `transfers`, `outbox`, `counters`, `leases`,
//! `suspendedSessions`, `secrets`, `ledgerEntries`, the bucket `uploads`.
//!
//! # What is written together
//!
//! No transactions are used: a server without a replica set has none. One update of one document is all or nothing, and
//! everything is arranged around that:
//!
//! * What a session changes of its device, the check that its lease is still held, and what it brings about elsewhere (faults,
//!   operations, transfers, states of tasks, events) are one update: the latter stands in the device's document as a journal. Then
//!   it is brought about, and the journal forgotten. Whoever opens the device, and a sweep on every node, finishes a journal whose
//!   node has ended. Each effect can be brought about twice.
//! * Until the journal is forgotten the session keeps its lease, so that no other one reads what is half done.
//! * A tree is compared with the document as it was read; a revision in the update's filter sees to it that it still is that one.
//! * A new task is written by way of the journal, too. Other changes of operators (states of tasks, faults) decide by one update
//!   and then follow it up; a node that ends in between leaves at worst the fault of a task that is no more, or an event untold.
//!
//! Writes wait for a majority of the replica set and its journals, unless the address says otherwise. Reads go to the primary.

mod connecting;
mod devices;
mod documents;
mod events;
mod files;
mod filter;
mod heartbeats;
mod indexes;
mod journal;
mod leases;
mod ledgers;
mod lists;
mod names;
mod records;
mod sessions;
mod shared;
mod store;
mod suspended;
mod tags;
mod tasks;
mod transfers;
mod tree;
mod values;
mod watching;

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use mongodb::Database;
use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use tokio::sync::watch;

use crate::{StoreError, StoreOptions};
use events::Outbox;
use files::Bucket;
use shared::Shared;
use values::date;

/// The database that is used when the address names none: the incumbent's.
pub const DEFAULT_DATABASE: &str = "genieacs";
/// The server's code for a value that a unique index has already.
const DUPLICATE_KEY: i32 = 11_000;

/// The store on a MongoDB server.
#[derive(Clone)]
pub struct MongoStore(Arc<Shared>);

impl Deref for MongoStore {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

pub(crate) fn failed(doing: &'static str) -> impl Fn(Error) -> StoreError + Copy {
    move |error| StoreError::Database { doing, reason: error.to_string() }
}

/// Whether a write was refused because of a unique index.
fn is_duplicate(error: &Error) -> bool {
    has_code(error, DUPLICATE_KEY)
}

/// Whether a command or a write was refused with this code.
fn has_code(error: &Error, code: i32) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == code,
        ErrorKind::Command(error) => error.code == code,
        _ => false,
    }
}

/// Milliseconds since the Unix epoch, by this node's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl MongoStore {
    /// Connects to a server (`mongodb://…` or `mongodb+srv://…`), and makes what indexes are missing. The address's path names
    /// the database.
    pub async fn connect(address: &str) -> Result<MongoStore, StoreError> {
        MongoStore::connect_with(address, StoreOptions::default()).await
    }

    /// The same with options.
    pub async fn connect_with(address: &str, options: StoreOptions) -> Result<MongoStore, StoreError> {
        let store = MongoStore::connect_for_reading(address).await?.with_options(options);
        store.make_indexes().await?;
        store.retire_left_over().await?;
        store.count_one(documents::REVISION).await?;
        store.look().await?;
        tokio::spawn(watching::watch(Arc::downgrade(&store.0)));
        Ok(store)
    }

    /// Connects to look at what is stored: nothing is written by itself, and what changes is not told.
    pub async fn connect_for_reading(address: &str) -> Result<MongoStore, StoreError> {
        let commands = Arc::new(AtomicU64::new(0));
        let client = connecting::client(address, &commands).await?;
        let database = client.default_database().unwrap_or_else(|| client.database(DEFAULT_DATABASE));
        connecting::check_server(&database).await?;
        let store = MongoStore::on(database, StoreOptions::default(), commands);
        store.read_chosen().await?;
        Ok(store)
    }

    fn with_options(self, options: StoreOptions) -> MongoStore {
        MongoStore::on(self.database.clone(), options, self.commands.clone())
    }

    fn on(database: Database, options: StoreOptions, commands: Arc<AtomicU64>) -> MongoStore {
        let collection = |name: &str| database.collection::<Document>(name);
        let events = watch::Sender::new(0);
        let outbox_writer =
            Outbox::start(collection("outbox"), collection("counters"), events.clone(), options.outbox_length);
        MongoStore(Arc::new(Shared {
            devices: collection("devices"),
            tasks: collection("tasks"),
            ended_tasks: collection("endedTasks"),
            faults: collection("faults"),
            operations: collection("operations"),
            transfers: collection("transfers"),
            outbox: collection("outbox"),
            counters: collection("counters"),
            leases: collection("leases"),
            suspended: collection("suspendedSessions"),
            file_bucket: Bucket::new(&database, "fs"),
            upload_bucket: Bucket::new(&database, "uploads"),
            outbox_writer,
            chosen: RwLock::default(),
            configuration: watch::Sender::new(0),
            events,
            options,
            commands,
            commits: AtomicU64::new(0),
            commit_microseconds: AtomicU64::new(0),
            database,
        }))
    }

    /// How many commands this node has sent to the server.
    pub fn commands_sent(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// The database itself, for what no store does: dropping it, or looking at what is stored.
    pub fn database(&self) -> &Database {
        &self.0.database
    }
}

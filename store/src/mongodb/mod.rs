//! The store on a MongoDB server, which several nodes share.
//!
//! Collections and documents are those of the incumbent, read as any version of it wrote them, so that its database can be taken
//! over as it is. What it does not know is in fields and collections of its own: `_lodestar` in devices, `lodestar` in faults and
//! operations, `state` and its kin in tasks; `endedTasks`, `transfers`, `outbox`, `counters`, `leases`,
//! `suspendedSessions`, the bucket `uploads`.
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

mod devices;
mod documents;
mod events;
mod files;
mod filter;
mod heartbeats;
mod indexes;
mod journal;
mod leases;
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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Database};
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
/// How long a server is looked for before an operation fails.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(10);

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
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// Milliseconds since the Unix epoch, by this node's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An address without what is secret in it, for logs and messages.
pub fn public_address(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{}", host.split('?').next().unwrap_or_default()),
        _ => address.split('?').next().unwrap_or_default().to_owned(),
    }
}

impl MongoStore {
    /// Connects to a server (`mongodb://…` or `mongodb+srv://…`), and makes what indexes are missing. The address's path names
    /// the database.
    pub async fn connect(address: &str) -> Result<MongoStore, StoreError> {
        MongoStore::connect_with(address, StoreOptions::default()).await
    }

    /// The same with options.
    pub async fn connect_with(address: &str, options: StoreOptions) -> Result<MongoStore, StoreError> {
        let doing = "reading the database's address";
        let mut client_options = ClientOptions::parse(address).await.map_err(failed(doing))?;
        let commands = Arc::new(AtomicU64::new(0));
        let counted = commands.clone();
        client_options.command_event_handler = Some(EventHandler::callback(move |event| {
            if matches!(event, CommandEvent::Started(_)) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }));
        client_options.app_name.get_or_insert_with(|| "lodestar".to_owned());
        client_options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
        let durable = || WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        client_options.write_concern.get_or_insert_with(durable);
        let name = client_options.default_database.clone().unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        let client = Client::with_options(client_options).map_err(failed("connecting to the database"))?;
        let store = MongoStore::on(client.database(&name), options, commands);
        store.make_indexes().await?;
        store.retire_left_over().await?;
        store.count_one(documents::REVISION).await?;
        store.look().await?;
        tokio::spawn(watching::watch(Arc::downgrade(&store.0)));
        Ok(store)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        for (address, shown) in [
            (
                "mongodb://user:p%40ss@a.example:27017,b.example/acs?tls=true&tlsCertificateKeyFilePassword=x",
                "mongodb://a.example:27017,b.example/acs",
            ),
            ("mongodb+srv://u:p@cluster.example/", "mongodb+srv://cluster.example/"),
            ("mongodb://127.0.0.1:21001/acs", "mongodb://127.0.0.1:21001/acs"),
        ] {
            assert_eq!(public_address(address), shown);
        }
    }
}

//! The embedded store: one SQLite file, one writer that commits in groups, a few readers.
//!
//! Every change goes through the writer's queue; what waits there together is committed together, so a lone session commits at
//! once and a crowd shares its `fsync`s. Commits are synchronous to the disk (`synchronous=FULL`): what was acknowledged survives
//! `kill -9` and power loss. Lists are read page by page, never in one long transaction, so that the write-ahead log can be reset.
//!
//! One process at a time has the file open for writing; a lock file beside it sees to that. Leases and the configuration's revision
//! can therefore live in memory.

mod devices;
mod documents;
mod files;
mod heartbeats;
mod index;
mod leases;
mod ledgers;
mod lists;
mod maintenance;
mod plan;
mod readers;
mod restore;
mod scan;
mod schema;
mod store;
mod tasks;
mod transfers;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use crate::{StoreError, StoreOptions};
use leases::Leases;
use readers::{Lane, Readers};
use writer::Writer;

pub use restore::Restored;

/// The store inside the binary.
#[derive(Clone)]
pub struct EmbeddedStore {
    path: Arc<PathBuf>,
    /// None when the store is open for reading only.
    writer: Option<Arc<Writer>>,
    readers: Arc<Readers>,
    leases: Arc<Leases>,
    configuration: Arc<watch::Sender<i64>>,
    events: Arc<watch::Sender<i64>>,
    options: StoreOptions,
}

pub(crate) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + Copy {
    move |error| StoreError::Database { doing, reason: error.to_string() }
}

impl EmbeddedStore {
    /// Opens the database file, and creates it when it is not there. An error when another process has it open.
    pub fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
        EmbeddedStore::open_with(path, StoreOptions::default())
    }

    /// The same with options.
    pub fn open_with(path: &Path, options: StoreOptions) -> Result<EmbeddedStore, StoreError> {
        let lock = lock(path)?;
        create_private(path)?;
        let connection = Connection::open(path).map_err(failed("opening the database"))?;
        schema::prepare(&connection)?;
        files::remove_unfinished(&connection)?;
        tasks::requeue_interrupted(&connection)?;
        let epoch = documents::count(&connection, documents::STARTS)?;
        let mut store = EmbeddedStore::for_reading(path, &connection, epoch)?;
        let (configuration, events) = (store.configuration.clone(), store.events.clone());
        let outbox_length = i64::from(options.outbox_length);
        let after_commit = move |connection: &Connection| {
            let told = maintenance::tell(connection, &configuration, &events)
                .and_then(|()| maintenance::prune_outbox(connection, *events.borrow(), outbox_length));
            if let Err(error) = told {
                tracing::error!(%error, "what follows a commit failed");
            }
        };
        store.options = options;
        store.writer = Some(Arc::new(Writer::start(connection, lock, after_commit)?));
        Ok(store)
    }

    /// Opens a database for reading, also while another process writes to it. Every change is refused; the configuration's revision
    /// and the last event stay those of the moment of opening.
    pub fn open_read_only(path: &Path) -> Result<EmbeddedStore, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed("opening the database"))?;
        schema::tune(&connection)?;
        schema::check_current(&connection)?;
        EmbeddedStore::for_reading(path, &connection, 0)
    }

    fn for_reading(path: &Path, connection: &Connection, epoch: i64) -> Result<EmbeddedStore, StoreError> {
        let store = EmbeddedStore {
            path: Arc::new(path.to_owned()),
            writer: None,
            readers: Arc::new(Readers::start(path)?),
            leases: Arc::new(Leases::new(u32::try_from(epoch).unwrap_or(u32::MAX))),
            configuration: Arc::new(watch::Sender::new(0)),
            events: Arc::new(watch::Sender::new(0)),
            options: StoreOptions::default(),
        };
        maintenance::tell(connection, &store.configuration, &store.events)?;
        Ok(store)
    }

    fn transfer_bounds(&self) -> transfers::Bounds {
        let age = i64::try_from(self.options.transfer_retention.as_millis()).unwrap_or(i64::MAX);
        transfers::Bounds { most: self.options.transfers_per_device, age }
    }

    fn writer(&self) -> Result<&Arc<Writer>, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::Database {
            doing: "writing",
            reason: "the store is open for reading only".to_owned(),
        })
    }

    /// Runs a change in the writer's next transaction; returns when that is on disk.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer()?.submit(change).await
    }

    /// Runs a short read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run(Lane::Sessions, read).await
    }
}

/// Takes the lock file beside the database. It is held until the writer has ended.
fn lock(path: &Path) -> Result<File, StoreError> {
    let refused = |reason: String| StoreError::Database { doing: "locking the database", reason };
    let lock_path = with_suffix(path, ".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let lock = options.open(&lock_path).map_err(|error| refused(format!("{}: {error}", lock_path.display())))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(refused(format!("another process has {} open; stop it first", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(refused(format!("{}: {error}", lock_path.display()))),
    }
}

/// Creates a file that only its owner may read: the database holds what devices and users keep secret. SQLite gives its log the
/// same permissions.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(StoreError::Database { doing: "creating the database", reason: format!("{}: {error}", path.display()) })
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

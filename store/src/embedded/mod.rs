//! The embedded store: one SQLite file, one writer that commits in groups, a few readers.
//!
//! Every change goes through the writer's queue; what waits there together is committed together, so a lone session commits at
//! once and a crowd shares its `fsync`s. Commits are synchronous to the disk (`synchronous=FULL`): what was acknowledged survives
//! `kill -9` and power loss. Lists are read page by page, never in one long transaction, so that the write-ahead log can be reset.

mod devices;
mod documents;
mod lists;
mod schema;
mod store;
mod tasks;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::{Connection, OpenFlags};
use std::sync::Mutex;

use crate::{Statistics, StoreError};
use writer::Writer;

/// Readers that are kept open between calls.
const IDLE_READERS: usize = 8;
/// How long ended tasks are kept, in milliseconds.
const TASK_RETENTION: i64 = 7 * 86_400_000;
/// How many outbox events are kept.
const OUTBOX_LENGTH: i64 = 100_000;

/// The store inside the binary.
#[derive(Clone)]
pub struct EmbeddedStore {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    revision: Arc<AtomicI64>,
}

struct Readers {
    path: std::path::PathBuf,
    idle: Mutex<Vec<Connection>>,
}

pub(crate) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| StoreError::Database { doing, reason: error.to_string() }
}

impl EmbeddedStore {
    /// Opens the database file, and creates it when it is not there.
    pub fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
        let connection = Connection::open(path).map_err(failed("opening the database"))?;
        schema::prepare(&connection)?;
        let revision = documents::read_revision(&connection)?;
        let readers = Readers { path: path.to_owned(), idle: Mutex::new(Vec::new()) };
        Ok(EmbeddedStore {
            writer: Arc::new(Writer::start(connection)?),
            readers: Arc::new(readers),
            revision: Arc::new(AtomicI64::new(revision)),
        })
    }

    /// Runs a change in the writer's next transaction; returns when that is on disk.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.submit(change).await
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.readers.clone();
        let result = tokio::task::spawn_blocking(move || readers.with(read)).await;
        result.unwrap_or(Err(StoreError::Closed))
    }

    fn set_revision(&self, revision: i64) {
        self.revision.fetch_max(revision, Ordering::AcqRel);
    }

    /// Copies the database while it is in use.
    pub async fn backup_to(&self, target: &Path) -> Result<(), StoreError> {
        let target = target.to_string_lossy().into_owned();
        self.read(move |connection| {
            connection.execute("VACUUM INTO ?1", [target]).map_err(failed("backing up"))?;
            Ok(())
        })
        .await
    }

    fn read_statistics(&self, connection: &Connection) -> Result<Statistics, StoreError> {
        let devices: i64 = connection
            .query_row("SELECT count(*) FROM device", [], |row| row.get(0))
            .map_err(failed("counting devices"))?;
        let (commits, changes) = self.writer.counts();
        Ok(Statistics { commits, changes, devices: devices.max(0) as u64 })
    }
}

impl Readers {
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags).map_err(failed("opening a reader"))?;
                schema::tune(&connection)?;
                connection
            }
        };
        let result = read(&connection);
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE_READERS
        {
            idle.push(connection);
        }
        result
    }
}

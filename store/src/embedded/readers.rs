//! Connections that only read. WAL readers never wait for the writer, nor it for them.
//!
//! Sessions and lists have lanes of their own, so that however many lists are being read, sessions open without waiting for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{failed, schema};
use crate::StoreError;

/// Reads for sessions at a time.
const SESSION_READERS: usize = 8;
/// Reads for lists at a time.
const LIST_READERS: usize = 4;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Sessions, and what takes as little.
    Sessions,
    /// Lists, counts, files: whatever looks at many records or moves many bytes.
    Lists,
}

pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    sessions: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: &Path) -> Readers {
        Readers {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
            sessions: Arc::new(Semaphore::new(SESSION_READERS)),
            lists: Arc::new(Semaphore::new(LIST_READERS)),
        }
    }

    /// Runs a read on a thread that may block.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        lane: Lane,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let places = match lane {
            Lane::Sessions => &self.sessions,
            Lane::Lists => &self.lists,
        };
        let place = places.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            readers.with(read)
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => {
                Err(StoreError::Database { doing: "reading", reason: "the read panicked; see the log".to_owned() })
            }
            Err(_) => Err(StoreError::Closed),
        }
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = read(&connection);
        // One that is left within a transaction would keep the log from being reset.
        if connection.is_autocommit()
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(connection);
        }
        result
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let doing = failed("opening a reader");
        // Not read-only for SQLite: readers of a log share memory in a file of their own.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(&doing)?;
        schema::tune(&connection)?;
        connection.execute_batch("PRAGMA query_only = ON").map_err(&doing)?;
        Ok(connection)
    }
}

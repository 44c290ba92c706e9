//! Connections that only read. WAL readers never wait for the writer, nor it for them.
//!
//! Sessions and lists have lanes of their own, so that however many lists are being read, sessions open without waiting for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

use super::{failed, schema};
use crate::StoreError;

/// Reads for sessions at a time. Threads of their own, since what a session reads takes less than it takes to wake one of many; more than
/// there are processors, for those that wait for the disk.
const SESSION_READERS: usize = 4;
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

/// A read on its way. It gives its own answer.
type Job = Box<dyn FnOnce(&mut Reader) + Send>;

pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    lists: Arc<Semaphore>,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// What waits for one of the threads.
#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    ready: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    is_closed: bool,
}

/// A thread's connection, opened when it is needed first.
struct Reader {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Readers {
    /// Starts the threads for sessions.
    pub fn start(path: &Path) -> Result<Readers, StoreError> {
        let queue = Arc::new(Queue::default());
        let mut readers = Readers {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
            lists: Arc::new(Semaphore::new(LIST_READERS)),
            queue,
            threads: Vec::new(),
        };
        for index in 0..SESSION_READERS {
            let queue = readers.queue.clone();
            let mut reader = Reader { path: path.to_owned(), connection: None };
            let thread = std::thread::Builder::new()
                .name(format!("store-reader-{index}"))
                .spawn(move || {
                    while let Some(job) = queue.next() {
                        job(&mut reader);
                    }
                })
                .map_err(|error| StoreError::Database { doing: "starting a reader", reason: error.to_string() })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs a read on a thread that may block.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        lane: Lane,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match lane {
            Lane::Sessions => self.run_for_session(read).await,
            Lane::Lists => self.run_for_list(read).await,
        }
    }

    async fn run_for_session<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, receiver) = oneshot::channel();
        let job = move |reader: &mut Reader| {
            let result = catch_unwind(AssertUnwindSafe(|| reader.run(read))).unwrap_or_else(|_| {
                // Who knows what state it is in.
                reader.connection = None;
                Err(panicked())
            });
            // A caller that has gone away does not want to know.
            let _ = caller.send(result);
        };
        self.queue.push(Box::new(job));
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn run_for_list<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.lists.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            readers.with(read)
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(panicked()),
            Err(_) => Err(StoreError::Closed),
        }
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = open(&self.path)?;
                // Lists and files are read from front to back: what is behind is not needed again.
                connection.execute_batch("PRAGMA cache_size = -2000").map_err(failed("opening a reader"))?;
                connection
            }
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
}

impl Drop for Readers {
    /// Lets the threads finish what waits, and waits for them: the database is closed when this returns.
    fn drop(&mut self) {
        if let Ok(mut jobs) = self.queue.jobs.lock() {
            jobs.is_closed = true;
        }
        self.queue.ready.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn push(&self, job: Job) {
        // No job runs under the lock, so nothing can have panicked there.
        if let Ok(mut jobs) = self.jobs.lock() {
            jobs.waiting.push_back(job);
            self.ready.notify_one();
        }
    }

    /// Waits for a job; `None` when there will be none.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().ok()?;
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if jobs.is_closed {
                return None;
            }
            jobs = self.ready.wait(jobs).ok()?;
        }
    }
}

impl Reader {
    fn run<T>(&mut self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.path)?,
        };
        let result = read(&connection);
        self.connection = connection.is_autocommit().then_some(connection);
        result
    }
}

fn panicked() -> StoreError {
    StoreError::Database { doing: "reading", reason: "the read panicked; see the log".to_owned() }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let doing = failed("opening a reader");
    // Not read-only for SQLite: readers of a log share memory in a file of their own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&doing)?;
    schema::tune(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(&doing)?;
    Ok(connection)
}

//! The one writer: a thread with a queue, which commits in one transaction what waits there together.
//!
//! Each change has a savepoint of its own, so one that fails takes no other along. Nobody is told that a change was made before
//! the transaction is on disk, and nobody is told that it failed when it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failed;
use crate::StoreError;

/// Changes in one transaction, at most.
const BATCH: usize = 256;
/// Changes that may wait; more callers wait for a place, which is the back-pressure that a slow disk needs.
const QUEUE: usize = 1_024;

pub struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

/// What the writer has done so far.
#[derive(Default)]
pub struct Counts {
    pub commits: AtomicU64,
    pub changes: AtomicU64,
    pub largest_batch: AtomicU64,
    pub commit_microseconds: AtomicU64,
}

/// A change on its way through the writer.
trait Job: Send {
    /// Makes the change within a transaction. Returns whether it succeeded.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells the caller how it went, once the transaction's fate is known.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Change<F, T> {
    change: Option<F>,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Change<F, T>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(change) = self.change.take() else { return Ok(()) };
        let result = savepoint(connection, change);
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Change { caller, result, .. } = *self;
        // A caller that has gone away does not want to know.
        let _ = caller.send(outcome.and_then(|()| result.unwrap_or(Err(StoreError::Closed))));
    }
}

impl Writer {
    /// Starts the thread. `lock` is held until it has ended; `after_commit` runs between a commit and its answers.
    pub fn start<L: Send + 'static>(
        connection: Connection,
        lock: L,
        after_commit: impl Fn(&Connection) + Send + 'static,
    ) -> Result<Writer, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                run(&connection, receiver, &shared, after_commit);
                // The database first, then the right to it.
                drop(connection);
                drop(lock);
            })
            .map_err(|error| StoreError::Database { doing: "starting the writer", reason: error.to_string() })?;
        Ok(Writer { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), counts })
    }

    /// Makes a change in the next transaction, and returns when that is on disk. A change is made even if its caller gives up
    /// waiting.
    pub async fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, receiver) = oneshot::channel();
        let job = Box::new(Change { change: Some(change), result: None, caller });
        let queue = self.queue().ok_or(StoreError::Closed)?;
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Makes a change if there is room in the queue, and does not wait for it: for cleaning up where nothing can be awaited.
    pub fn submit_and_forget(&self, change: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static) {
        let (caller, _) = oneshot::channel();
        if let Some(queue) = self.queue() {
            // What finds no room is cleaned up at the next start.
            let _ = queue.try_send(Box::new(Change { change: Some(change), result: None, caller }));
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many changes wait.
    pub fn queued(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.max_capacity().saturating_sub(queue.capacity()) as u64)
    }

    fn queue(&self) -> Option<mpsc::Sender<Box<dyn Job>>> {
        self.queue.lock().ok().and_then(|queue| queue.clone())
    }
}

impl Drop for Writer {
    /// Closes the queue and waits until what is in it is on disk.
    fn drop(&mut self) {
        if let Ok(mut queue) = self.queue.lock() {
            queue.take();
        }
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join();
        }
    }
}

/// A change that fails, or panics, must not take its companions along.
fn savepoint<T>(
    connection: &Connection,
    change: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let doing = failed("writing");
    execute(connection, "SAVEPOINT change").map_err(&doing)?;
    let result = catch_unwind(AssertUnwindSafe(|| change(connection))).unwrap_or_else(|_| {
        Err(StoreError::Database { doing: "writing", reason: "the change panicked; see the log".to_owned() })
    });
    if connection.is_autocommit() {
        // Disk full and I/O errors end the whole transaction, and the savepoint with it.
        return result;
    }
    if result.is_err() {
        execute(connection, "ROLLBACK TO change").map_err(&doing)?;
    }
    execute(connection, "RELEASE change").map_err(&doing)?;
    result
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn run(
    connection: &Connection,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    counts: &Counts,
    after_commit: impl Fn(&Connection),
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let started = Instant::now();
        let outcome = write(connection, &mut batch);
        if let Err(error) = &outcome {
            tracing::error!(%error, changes = batch.len(), "a transaction failed; none of its changes was made");
        }
        if !connection.is_autocommit()
            && let Err(error) = execute(connection, "ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
        let elapsed = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        counts.commits.fetch_add(1, Ordering::Relaxed);
        counts.changes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        counts.largest_batch.fetch_max(batch.len() as u64, Ordering::Relaxed);
        counts.commit_microseconds.fetch_add(elapsed, Ordering::Relaxed);
        if outcome.is_ok() {
            after_commit(connection);
        }
        for job in batch.drain(..) {
            job.answer(outcome.clone());
        }
    }
}

/// Makes all changes of a batch in one transaction.
fn write(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE").map_err(failed("beginning a transaction"))?;
    for job in batch.iter_mut() {
        let outcome = job.run(connection);
        if connection.is_autocommit() {
            let reason = outcome.err().map_or_else(|| "the transaction is gone".to_owned(), |error| error.to_string());
            return Err(StoreError::Database { doing: "writing", reason });
        }
    }
    execute(connection, "COMMIT").map_err(failed("committing"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER UNIQUE)").unwrap();
        Writer::start(connection, (), |_| {}).unwrap()
    }

    async fn insert(writer: &Writer, x: i64) -> Result<(), StoreError> {
        let doing = failed("inserting");
        writer
            .submit(move |connection| connection.execute("INSERT INTO t VALUES (?1)", [x]).map(|_| ()).map_err(doing))
            .await
    }

    async fn count(writer: &Writer) -> i64 {
        let doing = failed("counting");
        let count = |connection: &Connection| connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        writer.submit(move |connection| count(connection).map_err(doing)).await.unwrap()
    }

    /// Holds the writer until the returned sender is dropped, so that what is submitted meanwhile shares a transaction.
    async fn hold(writer: &Arc<Writer>) -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (entered, is_entered) = oneshot::channel();
        let holder = writer.clone();
        let task = tokio::spawn(async move {
            let wait = move |_: &Connection| {
                let _ = entered.send(());
                let _ = held.recv();
                Ok(())
            };
            holder.submit(wait).await.unwrap();
        });
        is_entered.await.unwrap();
        (release, task)
    }

    #[tokio::test]
    async fn a_failing_change_takes_none_of_its_batch_along() {
        let writer = Arc::new(writer());
        insert(&writer, 1).await.unwrap();
        let (release, held) = hold(&writer).await;
        let (good, doubled, panicking, also_good) = tokio::join!(
            insert(&writer, 2),
            insert(&writer, 1),
            writer.submit(|_| -> Result<(), StoreError> { panic!("a defect in a change") }),
            async {
                let last = insert(&writer, 3);
                // All four are queued once this one has been polled.
                let release = async { drop(release) };
                tokio::join!(last, release).0
            },
        );
        held.await.unwrap();
        assert!(good.is_ok() && also_good.is_ok());
        assert!(doubled.unwrap_err().to_string().contains("UNIQUE"));
        assert!(panicking.unwrap_err().to_string().contains("panicked"));
        assert_eq!(writer.counts().largest_batch.load(Ordering::Relaxed), 4);
        assert_eq!(count(&writer).await, 3);
    }

    #[tokio::test]
    async fn a_change_that_fails_half_way_leaves_nothing() {
        let writer = writer();
        let half = |connection: &Connection| {
            connection.execute("INSERT INTO t VALUES (1)", []).map_err(failed("inserting"))?;
            Err::<(), _>(StoreError::NoSuchDevice("d".to_owned()))
        };
        assert!(matches!(writer.submit(half).await, Err(StoreError::NoSuchDevice(_))));
        assert_eq!(count(&writer).await, 0);
    }

    #[tokio::test]
    async fn a_lost_transaction_fails_for_all_of_its_batch() {
        let writer = Arc::new(writer());
        let (release, held) = hold(&writer).await;
        // What SQLite itself does when the disk is full.
        let lose = writer.submit(|connection| {
            connection.execute_batch("ROLLBACK").map_err(failed("losing the transaction"))?;
            Err::<(), _>(StoreError::Database { doing: "writing", reason: "the disk is full".to_owned() })
        });
        let (before, lost, after, ()) =
            tokio::join!(insert(&writer, 1), lose, insert(&writer, 2), async { drop(release) });
        held.await.unwrap();
        for outcome in [before, lost, after] {
            assert!(outcome.unwrap_err().to_string().contains("the disk is full"));
        }
        assert_eq!(count(&writer).await, 0);
        insert(&writer, 1).await.unwrap();
        assert_eq!(count(&writer).await, 1);
    }
}

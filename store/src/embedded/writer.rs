//! The one writer: a thread with a queue, which commits in one transaction what waits there together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failed;
use crate::StoreError;

/// Changes in one transaction, at most.
const BATCH: usize = 256;
/// Changes that may wait; more callers wait for a place, which is the back-pressure that a slow disk needs.
const QUEUE: usize = 1_024;

/// Tells a change's caller how it went, once the transaction's fate is known.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;

pub struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    commits: AtomicU64,
    changes: AtomicU64,
}

impl Writer {
    pub fn start(connection: Connection) -> Result<Writer, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, receiver, &shared))
            .map_err(|error| StoreError::Database { doing: "starting the writer", reason: error.to_string() })?;
        Ok(Writer { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), counts })
    }

    pub async fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = savepoint(connection, change);
            Box::new(move |committed| {
                // A caller that has gone away does not want to know.
                let _ = sender.send(committed.and(result));
            })
        });
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone()).ok_or(StoreError::Closed)?;
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    pub fn counts(&self) -> (u64, u64) {
        (self.counts.commits.load(Ordering::Relaxed), self.counts.changes.load(Ordering::Relaxed))
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

/// A change that fails must not take its companions along.
fn savepoint<T>(
    connection: &Connection,
    change: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let doing = failed("writing");
    connection.execute_batch("SAVEPOINT change").map_err(&doing)?;
    let result = change(connection);
    let end = if result.is_ok() { "RELEASE change" } else { "ROLLBACK TO change; RELEASE change" };
    connection.execute_batch(end).map_err(&doing)?;
    result
}

fn run(connection: &Connection, mut queue: mpsc::Receiver<Job>, counts: &Counts) {
    while let Some(first) = queue.blocking_recv() {
        let mut answers: Vec<Answer> = Vec::new();
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(failed("beginning a transaction"));
        let mut next = Some(first);
        while let Some(job) = next {
            answers.push(job(connection));
            next = if answers.len() < BATCH { queue.try_recv().ok() } else { None };
        }
        let committed = begun.and_then(|()| connection.execute_batch("COMMIT").map_err(failed("committing")));
        if let Err(error) = &committed {
            tracing::error!(%error, "a transaction failed");
            // Without a transaction there is nothing to roll back, and that is fine.
            let _ = connection.execute_batch("ROLLBACK");
        }
        counts.commits.fetch_add(1, Ordering::Relaxed);
        counts.changes.fetch_add(answers.len() as u64, Ordering::Relaxed);
        for answer in answers {
            answer(committed.clone());
        }
    }
}

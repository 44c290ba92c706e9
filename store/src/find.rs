//! Lists: what to find, the records as they come, and what it took to find them.

use std::sync::{Arc, Mutex};

use acs_core::query::{Query, Sort};
use tokio::sync::mpsc;

use crate::StoreError;

/// Fields of documents, devices apart, that are dates.
pub const DATE_FIELDS: [&str; 14] = [
    "timestamp",
    "expiry",
    "retryAt",
    "stateTimestamp",
    "uploadDate",
    "requestedAt",
    "acceptedAt",
    "endedAt",
    "startTime",
    "completeTime",
    "versionSeenAt",
    "bootedAt",
    "movement.firstAt",
    "movement.lastAt",
];

/// Which records, in which order.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// What they must satisfy.
    pub filter: Query,
    /// Fields to order by; records that compare equal, and all when empty, are ordered by `_id`. A list is read page by page, so
    /// a record whose sort field changes meanwhile may be missed or come twice: export in the order of `_id`.
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

/// What it took to answer a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryReport {
    /// Records that were looked at one by one, so far.
    pub scanned: u64,
    /// Whether an index narrowed down which records had to be looked at.
    pub used_index: bool,
    /// A parameter that is worth an index if the query is asked often.
    pub suggestion: Option<String>,
}

/// Records as they are read, a few ahead at most.
#[derive(Debug)]
pub struct Records<T> {
    receiver: mpsc::Receiver<Result<T, StoreError>>,
    report: Arc<Mutex<QueryReport>>,
}

impl<T> Records<T> {
    /// Wraps the receiving end of a reader.
    pub fn new(receiver: mpsc::Receiver<Result<T, StoreError>>) -> Records<T> {
        Records::with_report(receiver, Arc::default())
    }

    /// The same for a reader that keeps a report.
    pub fn with_report(receiver: mpsc::Receiver<Result<T, StoreError>>, report: Arc<Mutex<QueryReport>>) -> Records<T> {
        Records { receiver, report }
    }

    /// The next record; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T, StoreError>> {
        self.receiver.recv().await
    }

    /// All of them.
    pub async fn collect(mut self) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        while let Some(record) = self.next().await {
            out.push(record?);
        }
        Ok(out)
    }

    /// What it took so far; complete when [`Records::next`] has given `None`.
    pub fn report(&self) -> QueryReport {
        self.report.lock().map(|report| report.clone()).unwrap_or_default()
    }
}

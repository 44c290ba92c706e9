//! What happened last, read once for all who follow.

use std::collections::VecDeque;
use std::sync::Arc;

use acs_core::change::OutboxEvent;
use store::{Store, StoreError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Events that are read at a time.
const PAGE: usize = 256;
/// Events that are kept for those who follow.
const RECENT: usize = 2_048;
/// Streams at a time: the REST API's connections are for others, too.
const MOST_STREAMS: usize = 512;

/// An event with its place.
#[derive(Debug)]
pub struct Line {
    /// The store's cursor.
    pub cursor: i64,
    /// What happened.
    pub event: OutboxEvent,
}

/// The events that happened last, for all streams.
#[derive(Debug)]
pub struct EventFeed {
    recent: Mutex<Recent>,
    places: Arc<Semaphore>,
    closing: CancellationToken,
}

/// The events behind `base`, up to the last that was read.
#[derive(Debug, Default)]
struct Recent {
    base: i64,
    lines: VecDeque<Arc<Line>>,
}

impl Default for EventFeed {
    fn default() -> EventFeed {
        EventFeed {
            recent: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST_STREAMS)),
            closing: CancellationToken::new(),
        }
    }
}

impl EventFeed {
    /// A place for a stream; `None` when there are too many.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// How many streams there are now.
    pub fn streams(&self) -> usize {
        MOST_STREAMS - self.places.available_permits()
    }

    /// Ends all streams, for good.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Whether [`EventFeed::close`] was called.
    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Returns once [`EventFeed::close`] was called.
    pub async fn closed(&self) {
        self.closing.cancelled().await;
    }

    /// The events behind a cursor, a page at most; none when there are none yet.
    pub async fn after(&self, store: &dyn Store, cursor: i64) -> Result<Vec<Arc<Line>>, StoreError> {
        let mut recent = self.recent.lock().await;
        if cursor < recent.base {
            // Somebody catches up: what he reads is of no use to the others.
            drop(recent);
            return Ok(read(store, cursor).await?.collect());
        }
        if cursor > recent.last() {
            // Nobody has followed for a while.
            *recent = Recent { base: cursor, lines: VecDeque::new() };
        }
        if cursor == recent.last() {
            // The others wait for the lock, and find what is read here.
            let lines = read(store, cursor).await?;
            recent.lines.extend(lines);
            recent.trim();
        }
        Ok(recent.after(cursor))
    }
}

async fn read(store: &dyn Store, cursor: i64) -> Result<impl Iterator<Item = Arc<Line>>, StoreError> {
    let events = store.events_after(cursor, PAGE).await?;
    Ok(events.into_iter().map(|stored| Arc::new(Line { cursor: stored.cursor, event: stored.event })))
}

impl Recent {
    fn last(&self) -> i64 {
        self.lines.back().map_or(self.base, |line| line.cursor)
    }

    fn trim(&mut self) {
        while self.lines.len() > RECENT {
            if let Some(oldest) = self.lines.pop_front() {
                self.base = oldest.cursor;
            }
        }
    }

    fn after(&self, cursor: i64) -> Vec<Arc<Line>> {
        let begin = self.lines.partition_point(|line| line.cursor <= cursor);
        self.lines.iter().skip(begin).take(PAGE).cloned().collect()
    }
}

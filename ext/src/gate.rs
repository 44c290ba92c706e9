//! How many calls of one extension run at once, so that a flood of calls harms nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};

use acs_core::script::ScriptFault;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::fault;

/// So many calls may wait for each that may run; more are refused at once.
const WAITING_PER_RUNNING: usize = 32;

#[derive(Debug)]
pub(crate) struct Gate {
    places: Semaphore,
    max_concurrent: usize,
    waiting: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(max_concurrent: usize) -> Gate {
        let max_concurrent = max_concurrent.min(Semaphore::MAX_PERMITS);
        Gate { places: Semaphore::new(max_concurrent), max_concurrent, waiting: AtomicUsize::new(0) }
    }

    /// Waits for a place until the deadline.
    pub(crate) async fn enter(&self, extension: &str, deadline: Instant) -> Result<SemaphorePermit<'_>, ScriptFault> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let running = self.max_concurrent;
        let _waiting = Waiting::new(&self.waiting);
        if self.waiting.load(Ordering::Relaxed) > running.saturating_mul(WAITING_PER_RUNNING) {
            return Err(fault::of(extension, format_args!("too many calls: {running} are running and too many wait")));
        }
        match timeout_at(deadline, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(fault::of(extension, "no calls are taken any more")),
            Err(_) => {
                let message = format_args!("too many calls: {running} are running and none ended in time");
                Err(fault::of(extension, message))
            }
        }
    }
}

/// Counts a waiting call for as long as it waits, also when its caller gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Waiting<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Threads for the work between two messages, which may run scripts: with stacks that scripts cannot overflow, as many as there
//! are processors. Waiting for sockets and the store is not done here.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Builder;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Bytes of stack per thread. Scripts nest values deeply; only touched pages cost memory.
pub const STACK_SIZE: usize = 16 * 1024 * 1024;

/// Called once at the start of each thread, on it.
pub type ThreadStart = Arc<dyn Fn() + Send + Sync>;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. Dropping it lets them finish what is queued, then end.
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// The work panicked; what was moved into it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's work failed unexpectedly")]
pub struct WorkFailed;

impl Pool {
    /// Starts `threads` threads, at least one. `on_start` is called on each.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(threads: usize, on_start: Option<ThreadStart>) -> std::io::Result<Pool> {
        let pool = Pool { shared: Arc::default() };
        for index in 0..threads.max(1) {
            let (shared, on_start) = (pool.shared.clone(), on_start.clone());
            Builder::new().name(format!("session-{index}")).stack_size(STACK_SIZE).spawn(move || {
                if let Some(on_start) = on_start {
                    on_start();
                }
                shared.work();
            })?;
        }
        Ok(pool)
    }

    /// Does work on one of the threads.
    ///
    /// # Errors
    /// The work panicked. The thread lives on.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkFailed> {
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.lock().jobs.push_back(Box::new(move || {
            // Without a receiver nobody wants the result any more.
            let _ = sender.send(work());
        }));
        self.shared.ready.notify_one();
        receiver.await.map_err(|_| WorkFailed)
    }

    /// How many jobs wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.ready.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next_job() {
            // The job owns all that it touches, so nothing half-changed is left to be seen.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(target: "cwmp", "a session's work panicked; the session is lost");
            }
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            self.ready.wait(&mut queue);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn work_is_done_on_threads_that_were_prepared() {
        let started = Arc::new(AtomicUsize::new(0));
        let counter = started.clone();
        let on_start: ThreadStart = Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let pool = Pool::start(1, Some(on_start)).unwrap();
        let name = pool.run(|| std::thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("session-0".to_owned())));
        assert_eq!(started.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_costs_one_piece_of_work_and_no_thread() {
        let pool = Pool::start(1, None).unwrap();
        let failed = pool.run(|| -> i32 { panic!("broken") }).await;
        assert_eq!(failed, Err(WorkFailed));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}

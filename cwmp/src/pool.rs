//! Threads for the work between two messages, which may run scripts: with stacks that scripts cannot overflow, as many as there
//! are processors. Waiting for sockets and the store is not done here.
//!
//! Sessions that run go before sessions that begin: the former have been promised to be served. How long work takes and waits is
//! measured, so that nobody is let in who would wait for too long (see `admission`).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Bytes of stack per thread. Scripts nest values deeply; only touched pages cost memory.
pub const STACK_SIZE: usize = 16 * 1024 * 1024;

/// After so many jobs of running sessions one of a session that begins is done: it has been let in, and its device waits.
pub const TURNS: u32 = 8;

/// Called once at the start of each thread, on it.
pub type ThreadStart = Arc<dyn Fn() + Send + Sync>;

/// Whose work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A session that has begun.
    Running,
    /// One that is about to begin. Among many of the others it gets its turn all the same (see [`TURNS`]).
    Opening,
}

struct Job {
    work: Box<dyn FnOnce() + Send>,
    queued: Instant,
}

/// The threads. Dropping it lets them finish what is queued, then end.
pub struct Pool {
    shared: Arc<Shared>,
    threads: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// The jobs of one priority.
#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    /// The mean time that one takes, in microseconds.
    cost: f64,
}

#[derive(Default)]
struct Queue {
    running: Line,
    opening: Line,
    /// Jobs of running sessions since the last one of a session that begins.
    turns: u32,
    /// The mean time that jobs waited, in microseconds.
    wait: f64,
    closed: bool,
}

impl Queue {
    fn line(&mut self, priority: Priority) -> &mut Line {
        match priority {
            Priority::Running => &mut self.running,
            Priority::Opening => &mut self.opening,
        }
    }

    fn next(&mut self) -> Option<(Priority, Job)> {
        let is_openings_turn = self.turns >= TURNS && !self.opening.jobs.is_empty();
        let priority = match self.running.jobs.is_empty() || is_openings_turn {
            true => Priority::Opening,
            false => Priority::Running,
        };
        let job = self.line(priority).jobs.pop_front()?;
        self.turns = if priority == Priority::Opening { 0 } else { self.turns.saturating_add(1) };
        learn(&mut self.wait, job.queued.elapsed());
        Some((priority, job))
    }
}

/// Moves a mean towards a new measurement.
fn learn(mean: &mut f64, time: Duration) {
    *mean += (time.as_secs_f64() * 1e6 - *mean) / 16.0;
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
        let pool = Pool { shared: Arc::default(), threads: threads.max(1) };
        for index in 0..pool.threads {
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
    pub async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkFailed> {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move || {
            // Without a receiver nobody wants the result any more.
            let _ = sender.send(work());
        });
        self.shared.queue.lock().line(priority).jobs.push_back(Job { work, queued: Instant::now() });
        self.shared.ready.notify_one();
        receiver.await.map_err(|_| WorkFailed)
    }

    /// How many jobs wait for a thread.
    pub fn waiting(&self) -> usize {
        let queue = self.shared.queue.lock();
        queue.running.jobs.len() + queue.opening.jobs.len()
    }

    /// How long work that comes now will wait, by what waits already.
    pub fn expected_wait(&self) -> Duration {
        let queue = self.shared.queue.lock();
        let work = |line: &Line| line.jobs.len() as f64 * line.cost;
        Duration::from_secs_f64((work(&queue.running) + work(&queue.opening)) / self.threads as f64 / 1e6)
    }

    /// How long work has waited lately.
    pub fn recent_wait(&self) -> Duration {
        Duration::from_secs_f64(self.shared.queue.lock().wait / 1e6)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
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
        let mut done = None;
        while let Some((priority, job)) = self.next_job(done) {
            let begun = Instant::now();
            // The job owns all that it touches, so nothing half-changed is left to be seen.
            if catch_unwind(AssertUnwindSafe(job.work)).is_err() {
                tracing::error!(target: "cwmp", "a session's work panicked; the session is lost");
            }
            done = Some((priority, begun.elapsed()));
        }
    }

    /// Takes in how long the last job took, and waits for the next.
    fn next_job(&self, done: Option<(Priority, Duration)>) -> Option<(Priority, Job)> {
        let mut queue = self.queue.lock();
        if let Some((priority, time)) = done {
            learn(&mut queue.line(priority).cost, time);
        }
        loop {
            if let Some(next) = queue.next() {
                return Some(next);
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

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn work_is_done_on_threads_that_were_prepared() {
        let started = Arc::new(AtomicUsize::new(0));
        let counter = started.clone();
        let on_start: ThreadStart = Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let pool = Pool::start(1, Some(on_start)).unwrap();
        let name = pool.run(Priority::Running, || std::thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("session-0".to_owned())));
        assert_eq!(started.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_costs_one_piece_of_work_and_no_thread() {
        let pool = Pool::start(1, None).unwrap();
        let failed = pool.run(Priority::Running, || -> i32 { panic!("broken") }).await;
        assert_eq!(failed, Err(WorkFailed));
        assert_eq!(pool.run(Priority::Running, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn running_sessions_go_first_and_those_that_begin_are_not_forgotten() {
        let pool = Arc::new(Pool::start(1, None).unwrap());
        let (gate, opened) = std::sync::mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(String::new()));
        let mut jobs = JoinSet::new();
        let first = pool.clone();
        let (begun, has_begun) = oneshot::channel();
        jobs.spawn(async move {
            let block = move || {
                begun.send(()).unwrap();
                opened.recv().unwrap();
            };
            first.run(Priority::Running, block).await
        });
        has_begun.await.unwrap();
        for letter in "ooorrrrrrrrrrrrrrrrrrrr".chars() {
            let priority = if letter == 'o' { Priority::Opening } else { Priority::Running };
            let (pool, order) = (pool.clone(), order.clone());
            jobs.spawn(async move { pool.run(priority, move || order.lock().push(letter)).await });
        }
        while pool.waiting() < 23 {
            tokio::task::yield_now().await;
        }
        gate.send(()).unwrap();
        while jobs.join_next().await.is_some() {}
        // The one that blocked was of a running session, too.
        assert_eq!(*order.lock(), "rrrrrrrorrrrrrrrorrrrro");
    }
}

//! Threads with stacks large enough for scripts.
//!
//! A script can nest values some ten thousand levels deep within its limits; dropping such a value recurses. A stack overflow
//! ends the process, so scripts only ever run on threads with [`STACK_SIZE`] bytes (only touched pages cost memory).

use std::cell::Cell;
use std::io;
use std::thread::{Builder, JoinHandle};

/// Bytes of stack that a script thread needs.
pub const STACK_SIZE: usize = 16 * 1024 * 1024;

thread_local! {
    static IS_SCRIPT_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Tells that the current thread's stack has at least [`STACK_SIZE`] bytes, so that scripts run on it directly. To be called
/// at the start of a worker thread that was made with such a stack; a false claim lets scripts end the process.
pub fn mark_script_thread() {
    IS_SCRIPT_THREAD.with(|mark| mark.set(true));
}

/// Starts a named, marked thread with a large stack, for a pool of script workers.
pub fn spawn_script_thread<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name).stack_size(STACK_SIZE).spawn(move || {
        mark_script_thread();
        work()
    })
}

/// Runs work on a thread with a large stack: the current one when it is marked, else a new one that this call waits for.
///
/// # Errors
/// When no thread can be started; the work was not done then.
///
/// # Panics
/// When the work panics.
pub fn on_script_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    if IS_SCRIPT_THREAD.with(Cell::get) {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread =
            Builder::new().name("script".to_owned()).stack_size(STACK_SIZE).spawn_scoped(scope, move || {
                mark_script_thread();
                work()
            })?;
        thread.join().or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn marked_threads_run_work_in_place() {
        let here = std::thread::current().id();
        assert_ne!(on_script_thread(|| std::thread::current().id()).unwrap(), here);
        let same = spawn_script_thread("worker".into(), || {
            let outer = std::thread::current().id();
            on_script_thread(move || std::thread::current().id() == outer).unwrap()
        });
        assert!(same.unwrap().join().unwrap());
    }
}

//! Threads that a part of the server has for itself.

use std::future::Future;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

/// As many threads: they wait for the store most of the time.
const THREADS: usize = 2;

/// An async runtime beside the main one.
pub struct OwnThreads(Option<Runtime>);

impl OwnThreads {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn start(name: &str) -> Result<OwnThreads> {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name(name).enable_all().build();
        Ok(OwnThreads(Some(runtime.with_context(|| format!("starting the threads of {name}"))?)))
    }

    /// Runs on these threads, which end with it.
    pub async fn run(self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = &self.0 else { return };
        if let Err(error) = runtime.spawn(work).await {
            tracing::error!(%error, "a part of the server ended unexpectedly");
        }
    }
}

impl Drop for OwnThreads {
    fn drop(&mut self) {
        // A runtime may not be waited for by another one's threads.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

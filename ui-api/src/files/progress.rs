//! Telling a transfer's record what was sent, while it is sent.

use std::sync::Arc;

use acs_core::transfer::MovementReport;
use store::Store;

/// Bytes after which the record is told, though the answer has not ended.
const STEP: u64 = 16 << 20;

/// What has been sent of an answer's body. When it is dropped, at the end or because the connection broke, the record is told the rest.
pub struct Progress {
    store: Arc<dyn Store>,
    device_id: String,
    command_key: String,
    clock: fn() -> i64,
    /// The part that was sent since the record was told.
    report: MovementReport,
}

impl Progress {
    /// Of an answer that begins now: tells the record so. `report` has an empty part where the body begins.
    pub async fn begin(
        store: Arc<dyn Store>,
        (device_id, command_key): (String, String),
        clock: fn() -> i64,
        report: MovementReport,
    ) -> Progress {
        let mut progress = Progress { store, device_id, command_key, clock, report };
        progress.tell().await;
        progress.report.is_new_request = false;
        progress
    }

    /// The connection has taken further bytes.
    pub async fn advance(&mut self, bytes: u64) {
        self.report.part.1 += bytes;
        if self.report.part.1 - self.report.part.0 >= STEP {
            self.tell().await;
        }
    }

    async fn tell(&mut self) {
        let report = MovementReport { at: (self.clock)(), ..self.report.clone() };
        self.report.part.0 = self.report.part.1;
        note(&*self.store, &self.device_id, &self.command_key, report).await;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let (first, behind) = self.report.part;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if behind > first {
            let report = MovementReport { at: (self.clock)(), ..self.report.clone() };
            let (store, device, key) = (self.store.clone(), self.device_id.clone(), self.command_key.clone());
            runtime.spawn(async move { note(&*store, &device, &key, report).await });
        }
    }
}

/// Tells a transfer's record. Nobody can do anything about a failure, and the file goes its way all the same.
pub async fn note(store: &dyn Store, device: &str, command_key: &str, report: MovementReport) {
    if let Err(error) = store.note_movement(device, command_key, report).await {
        tracing::error!(target: "files", device, command_key, %error, "a transfer's record could not be written");
    }
}

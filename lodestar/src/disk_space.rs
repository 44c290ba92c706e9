//! Sees to it that the disk does not fill up with devices that nobody knows: while little is free, only known ones are served.
//!
//! Anybody can make up device identities where devices need no credentials. A full disk would keep the known ones from being written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cwmp::Endpoint;
use store::Store;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where the data lie.
pub struct Disk {
    /// On this machine.
    pub directory: PathBuf,
    /// A shared one has disks of its own.
    pub store: Arc<dyn Store>,
}

impl Disk {
    /// The bytes that are free; `None` when the store's server does not tell.
    async fn free(&self) -> Result<Option<u64>, String> {
        if self.store.is_shared() {
            return self.store.free_disk().await.map_err(|error| error.to_string());
        }
        let disk = rustix::fs::statvfs(&self.directory).map_err(|error| error.to_string())?;
        Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }
}

/// Looks until it is told to stop. `least` is in bytes.
pub async fn watch(endpoint: Arc<Endpoint>, disk: Disk, least: u64, stop: CancellationToken) {
    if least == 0 {
        return;
    }
    let mut was_low = false;
    loop {
        match disk.free().await {
            Ok(None) => {}
            Ok(Some(free)) => {
                let is_low = free < least;
                endpoint.refuse_new_devices(is_low);
                if is_low && !was_low {
                    tracing::warn!(
                        free,
                        least,
                        "little disk space is left: devices that are not known yet are refused"
                    );
                } else if was_low && !is_low {
                    tracing::info!(free, "there is disk space again: devices that are not known yet are taken");
                }
                was_low = is_low;
            }
            Err(error) => tracing::warn!(error, "the free disk space is not known"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

//! Sees to it that the disk does not fill up with devices that nobody knows: while little is free, only known ones are served.
//!
//! Anybody can make up device identities where devices need no credentials. A full disk would keep the known ones from being written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cwmp::Endpoint;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks until it is told to stop. `least` is in bytes.
pub async fn watch(endpoint: Arc<Endpoint>, directory: PathBuf, least: u64, stop: CancellationToken) {
    if least == 0 {
        return;
    }
    let mut was_low = false;
    loop {
        match rustix::fs::statvfs(&directory) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
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
            Err(error) => tracing::warn!(%error, "the free disk space is not known"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

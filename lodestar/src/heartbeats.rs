//! Tells when devices that promised heartbeats (TR-181 `Device.ManagementServer.HeartbeatPolicy.`) fall silent.
//!
//! When the next sign of life of a device is due is stored with it. That the server was not there to hear it is no device's fault:
//! after a start, each gets its whole patience again.

use std::sync::Arc;
use std::time::Duration;

use store::Store;
use tokio_util::sync::CancellationToken;

/// How often it is looked. Devices are given a minute more than they promised, at least.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Devices marked in one step.
const AT_A_TIME: usize = 500;

/// Looks until it is told to stop.
pub async fn watch(store: Arc<dyn Store>, stop: CancellationToken) {
    let now = || chrono::Utc::now().timestamp_millis();
    let since = now();
    loop {
        let missing = match store.miss_heartbeats(now(), since, AT_A_TIME).await {
            Ok(missing) => missing,
            Err(error) => {
                tracing::warn!(%error, "missing heartbeats are not looked for");
                Vec::new()
            }
        };
        if !missing.is_empty() {
            let first: Vec<&str> = missing.iter().take(10).map(String::as_str).collect();
            tracing::warn!(devices = missing.len(), ?first, "no heartbeat came within the promised time");
        }
        if missing.len() >= AT_A_TIME {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

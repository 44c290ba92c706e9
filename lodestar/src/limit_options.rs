//! The configuration file's `[limits]`: what devices may take of this server (`docs/overload.md`).

use std::time::Duration;

use anyhow::{Result, bail};
use cwmp::EndpointLimits;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Deserialize;

/// Files that are not connections of devices: the database's, logs, and the connections of operators and to extensions.
const OTHER_FILES: u64 = 2_048;

/// The keys. What is absent keeps its default.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitOptions {
    /// Open connections of devices.
    pub max_connections: Option<usize>,
    /// Sessions at a time.
    pub max_sessions: Option<usize>,
    /// How long a new session may have to wait, in milliseconds.
    pub max_queue_ms: Option<u64>,
    /// Work that running sessions may be owed, in milliseconds of each thread.
    pub max_promised_ms: Option<u64>,
    /// Sessions that are over but not written.
    pub max_unwritten: Option<usize>,
    /// The shortest `Retry-After` of a 503, in seconds.
    pub retry_after_s: Option<u64>,
    /// The longest.
    pub max_retry_after_s: Option<u64>,
    /// Bytes of a body, before and after decompression.
    pub max_body_bytes: Option<usize>,
    /// How many times larger than its compressed form a body may be.
    pub max_compression: Option<usize>,
    /// Bytes of all bodies that are being received.
    pub body_memory_bytes: Option<usize>,
    /// Seconds that a body may take.
    pub body_time_s: Option<u64>,
    /// Seconds that a request's head may take.
    pub header_time_s: Option<u64>,
    /// Seconds that a connection without a session may be silent.
    pub idle_time_s: Option<u64>,
    /// MiB that must be free where the data lie, or devices that are not known yet are refused; 0: whatever is free.
    pub min_free_disk_mib: Option<u64>,
}

/// What must be free for devices that are not known yet, in MiB.
const MIN_FREE_DISK_MIB: u64 = 1_024;

impl LimitOptions {
    /// Bytes that must be free where the data lie for devices that are not known yet.
    pub fn min_free_disk(&self) -> u64 {
        self.min_free_disk_mib.unwrap_or(MIN_FREE_DISK_MIB).saturating_mul(1 << 20)
    }

    /// The limits of the endpoint.
    ///
    /// # Errors
    /// A limit is zero, or the shortest wait exceeds the longest.
    pub fn resolve(&self) -> Result<EndpointLimits> {
        let mut limits = EndpointLimits::default();
        let milliseconds = |given: Option<u64>| given.map(Duration::from_millis);
        let seconds = |given: Option<u64>| given.map(Duration::from_secs);
        set(&mut limits.max_connections, self.max_connections, "max-connections")?;
        set(&mut limits.max_sessions, self.max_sessions, "max-sessions")?;
        set(&mut limits.max_queue_time, milliseconds(self.max_queue_ms), "max-queue-ms")?;
        set(&mut limits.max_promised_time, milliseconds(self.max_promised_ms), "max-promised-ms")?;
        set(&mut limits.max_unwritten, self.max_unwritten, "max-unwritten")?;
        set(&mut limits.retry_after, seconds(self.retry_after_s), "retry-after-s")?;
        set(&mut limits.max_retry_after, seconds(self.max_retry_after_s), "max-retry-after-s")?;
        set(&mut limits.body.max_bytes, self.max_body_bytes, "max-body-bytes")?;
        set(&mut limits.body.max_ratio, self.max_compression, "max-compression")?;
        set(&mut limits.body_memory, self.body_memory_bytes, "body-memory-bytes")?;
        set(&mut limits.body_time, seconds(self.body_time_s), "body-time-s")?;
        set(&mut limits.header_time, seconds(self.header_time_s), "header-time-s")?;
        set(&mut limits.idle_time, seconds(self.idle_time_s), "idle-time-s")?;
        if limits.retry_after > limits.max_retry_after {
            bail!("[limits] retry-after-s exceeds max-retry-after-s");
        }
        Ok(limits)
    }
}

fn set<T: Default + PartialEq>(limit: &mut T, given: Option<T>, key: &str) -> Result<()> {
    let Some(given) = given else { return Ok(()) };
    if given == T::default() {
        bail!("[limits] {key} is 0, which would allow nothing");
    }
    *limit = given;
    Ok(())
}

/// Lets the process have as many open files as the system allows it, and no more connections than that: at the limit nothing else could
/// be opened, neither by operators nor by the database.
pub fn fit_open_files(limits: &mut EndpointLimits) {
    let mut allowed = getrlimit(Resource::Nofile);
    if allowed.current != allowed.maximum {
        let raised = rustix::process::Rlimit { current: allowed.maximum, maximum: allowed.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            allowed.current = allowed.maximum;
        }
    }
    let Some(files) = allowed.current else { return };
    let room = usize::try_from(files.saturating_sub(OTHER_FILES).max(files / 2)).unwrap_or(usize::MAX).max(1);
    if room < limits.max_connections {
        tracing::warn!(
            files,
            connections = room,
            "the limit of open files allows fewer connections than are configured"
        );
        limits.max_connections = room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_counts_and_nothing_may_be_zero() {
        let options: LimitOptions =
            toml::from_str("max-sessions = 7\nmax-queue-ms = 1500\nretry-after-s = 20").unwrap();
        let limits = options.resolve().unwrap();
        assert_eq!((limits.max_sessions, limits.max_queue_time), (7, Duration::from_millis(1_500)));
        assert_eq!(limits.retry_after, Duration::from_secs(20));
        assert_eq!(limits.max_unwritten, EndpointLimits::default().max_unwritten);
        for (text, key) in [("max-connections = 0", "max-connections"), ("retry-after-s = 9999", "retry-after-s")] {
            let error = toml::from_str::<LimitOptions>(text).unwrap().resolve().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        assert!(toml::from_str::<LimitOptions>("max-conections = 1").is_err());
    }

    #[test]
    fn there_are_fewer_connections_than_files() {
        let mut limits = EndpointLimits { max_connections: usize::MAX, ..EndpointLimits::default() };
        fit_open_files(&mut limits);
        let files = getrlimit(Resource::Nofile).current;
        assert!(files.is_none_or(|files| (limits.max_connections as u64) < files), "{files:?}");
    }
}

//! How the endpoint does, for operators: what it has counted, and how near it is to its limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use crate::admission::SessionKind;
use crate::endpoint::Endpoint;
use crate::statistics::CwmpStatistics;

/// The endpoint's state now. Times are milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// The counters.
    #[serde(flatten)]
    pub statistics: Arc<CwmpStatistics>,
    /// Whether an Inform without special events would be answered with 503 now.
    pub is_full: bool,
    /// Whether devices that are not known yet are answered with 503.
    pub refuses_new_devices: bool,
    /// How the threads do.
    pub load: Load,
}

/// What the threads have to do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// The threads.
    pub threads: usize,
    /// Messages that wait for a thread.
    pub waiting: usize,
    /// How long a session that comes now will wait until it has begun, by those that come before it.
    pub opening_wait_milliseconds: f64,
    /// How long a message that comes now will wait for a thread.
    pub expected_wait_milliseconds: f64,
    /// How long messages have waited lately.
    pub recent_wait_milliseconds: f64,
    /// Work that running sessions are still owed.
    pub promised_milliseconds: f64,
    /// What a session with `0 BOOTSTRAP` costs.
    pub first_contact_milliseconds: f64,
    /// What a session with `1 BOOT` costs.
    pub boot_milliseconds: f64,
    /// What any other session costs.
    pub ordinary_milliseconds: f64,
}

impl Endpoint {
    /// The state now.
    pub fn status(&self) -> EndpointStatus {
        let pool = &self.parts.pool;
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let cost = |kind| milliseconds(self.admission.cost(kind));
        EndpointStatus {
            statistics: self.statistics.clone(),
            is_full: self.is_full()
                || !self.admission.has_room(SessionKind::Ordinary, pool.expected_wait(), self.limits()),
            refuses_new_devices: self.refuses_new_devices.load(Ordering::Relaxed),
            load: Load {
                threads: pool.threads(),
                waiting: pool.waiting(),
                opening_wait_milliseconds: milliseconds(self.admission.opening_wait()),
                expected_wait_milliseconds: milliseconds(pool.expected_wait()),
                recent_wait_milliseconds: milliseconds(pool.recent_wait()),
                promised_milliseconds: milliseconds(self.admission.promised()),
                first_contact_milliseconds: cost(SessionKind::FirstContact),
                boot_milliseconds: cost(SessionKind::Boot),
                ordinary_milliseconds: cost(SessionKind::Ordinary),
            },
        }
    }
}

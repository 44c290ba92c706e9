//! Metrics for Prometheus: what the parts of the server have counted, gathered when somebody asks. Nothing is counted here.

mod exposition;
mod process;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cwmp::Endpoint;
use store::Store;
use ui_api::{MetricsSource, Nbi};

use crate::live::LiveConfiguration;
use crate::routers::RouterCounts;
use crate::waker::RequestCounts;
use exposition::Samples;

pub use exposition::{Metric, MetricType};
pub use table::METRICS;

/// Who has counted.
pub struct Metrics {
    /// Devices' sessions.
    pub endpoint: Arc<Endpoint>,
    /// The REST API.
    pub nbi: Arc<Nbi>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Scripts.
    pub configuration: Arc<LiveConfiguration>,
    /// Connection requests.
    pub requests: Arc<RequestCounts>,
    /// Routers, when they are configured here.
    pub routers: Option<Arc<RouterCounts>>,
}

#[async_trait]
impl MetricsSource for Metrics {
    async fn metrics(&self) -> String {
        let mut samples = Samples::default();
        samples.add_with("lodestar_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        self.add_sessions(&mut samples);
        self.add_messages(&mut samples);
        self.add_work(&mut samples);
        self.add_store(&mut samples).await;
        self.add_nbi(&mut samples);
        self.add_routers(&mut samples);
        process::add(&mut samples);
        samples.text(METRICS)
    }
}

fn read(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

impl Metrics {
    fn add_sessions(&self, samples: &mut Samples) {
        let status = self.endpoint.status();
        let counts = &status.statistics;
        samples.add("lodestar_sessions_started_total", read(&counts.sessions_started));
        for (outcome, counter) in [("finished", &counts.sessions_finished), ("failed", &counts.sessions_failed)] {
            samples.add_with("lodestar_sessions_ended_total", &[("outcome", outcome)], read(counter));
        }
        samples.add("lodestar_session_timeouts_total", read(&counts.session_timeouts));
        samples.add("lodestar_sessions_suspended_total", read(&counts.sessions_suspended));
        samples.add("lodestar_sessions_resumed_total", read(&counts.sessions_resumed));
        samples.add("lodestar_sessions_refused_total", read(&counts.refused));
        samples.add("lodestar_sessions_in_flight", read(&counts.live_sessions));
        samples.add("lodestar_sessions_unwritten", read(&counts.unwritten_sessions));
        samples.add("lodestar_session_commit_failures_total", read(&counts.commit_failures));
        let durations = counts.durations.read();
        samples.add_histogram("lodestar_session_duration_seconds", &durations.buckets, durations.count, durations.sum);
        samples.add("lodestar_full", f64::from(u8::from(status.is_full)));
        samples.add("lodestar_worker_threads", status.load.threads as f64);
        samples.add("lodestar_worker_queue", status.load.waiting as f64);
        samples.add("lodestar_worker_wait_seconds", status.load.recent_wait_milliseconds / 1e3);
    }

    fn add_messages(&self, samples: &mut Samples) {
        let counts = self.endpoint.statistics();
        samples.add("lodestar_connections", read(&counts.connections));
        samples.add("lodestar_http_requests_total", read(&counts.requests));
        samples.add("lodestar_unreadable_messages_total", read(&counts.unreadable));
        samples.add("lodestar_tls_handshake_failures_total", read(&counts.handshake_failures));
        samples.add("lodestar_unanswered_rpcs_total", read(&counts.unanswered));
        for (sender, list) in [("acs", counts.acs_methods.list()), ("cpe", counts.cpe_methods.list())] {
            for (method, count) in list {
                samples.add_with("lodestar_rpcs_total", &[("sender", sender), ("method", method)], count as f64);
            }
        }
        for (code, count) in counts.fault_codes.list() {
            samples.add_with("lodestar_cpe_faults_total", &[("code", code)], count as f64);
        }
    }

    /// What came of sessions, scripts and connection requests.
    fn add_work(&self, samples: &mut Samples) {
        for (kind, count) in self.endpoint.statistics().events.list() {
            let count = count as f64;
            match kind.split_once('.') {
                Some(("task", state)) => samples.add_with("lodestar_task_changes_total", &[("state", state)], count),
                Some(("fault", change)) => {
                    samples.add_with("lodestar_fault_changes_total", &[("change", change)], count)
                }
                Some(("transfer", change)) => {
                    samples.add_with("lodestar_transfers_total", &[("change", change)], count)
                }
                Some(("device", "registered")) => samples.add("lodestar_devices_registered_total", count),
                _ => {}
            }
        }
        for (outcome, count) in self.configuration.script_counts().list() {
            samples.add_with("lodestar_script_steps_total", &[("outcome", outcome)], count as f64);
        }
        for ((method, result), count) in self.requests.list() {
            let labels = [("method", method.as_str()), ("result", result)];
            samples.add_with("lodestar_connection_requests_total", &labels, count as f64);
        }
    }

    async fn add_store(&self, samples: &mut Samples) {
        samples.add("lodestar_events_last", *self.store.watch_events().borrow() as f64);
        let statistics = match self.store.statistics().await {
            Ok(statistics) => statistics,
            Err(error) => {
                tracing::error!(%error, "the store's metrics are missing");
                return;
            }
        };
        samples.add("lodestar_store_devices", statistics.devices as f64);
        samples.add("lodestar_store_commits_total", statistics.commits as f64);
        samples.add("lodestar_store_changes_total", statistics.changes as f64);
        samples.add("lodestar_store_commit_seconds_total", statistics.commit_microseconds as f64 / 1e6);
        samples.add("lodestar_store_queued_changes", statistics.queued_changes as f64);
        for (file, bytes) in [("database", statistics.database_bytes), ("log", statistics.log_bytes)] {
            samples.add_with("lodestar_store_bytes", &[("file", file)], bytes as f64);
        }
    }

    fn add_routers(&self, samples: &mut Samples) {
        let Some(counts) = &self.routers else { return };
        for (result, counter) in ["done", "warning", "failed"].into_iter().zip(&counts.operations) {
            samples.add_with("lodestar_starstate_operations_total", &[("result", result)], read(counter));
        }
        samples.add("lodestar_starstate_applied_total", read(&counts.applied));
        samples.add("lodestar_starstate_applied_seconds_total", read(&counts.milliseconds) / 1e3);
        for (code, count) in counts.failures.lock().iter() {
            samples.add_with("lodestar_starstate_failures_total", &[("code", code)], *count as f64);
        }
        samples.add("lodestar_starstate_rollbacks_total", read(&counts.rolled_back));
        samples.add("lodestar_starstate_jobs", read(&counts.open));
    }

    fn add_nbi(&self, samples: &mut Samples) {
        let nbi = self.nbi.statistics();
        for (class, count) in nbi.answers() {
            samples.add_with("lodestar_nbi_answers_total", &[("class", class)], count as f64);
        }
        let devices = read(&self.endpoint.statistics().authentication_failures);
        for (interface, count) in [("cwmp", devices), ("nbi", nbi.authentication_failures() as f64)] {
            samples.add_with("lodestar_authentication_failures_total", &[("interface", interface)], count);
        }
        samples.add("lodestar_event_streams", self.nbi.event_streams() as f64);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_documentation_lists_what_there_is() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring.md");
        let text = std::fs::read_to_string(file).unwrap();
        let listed: Vec<&str> =
            text.lines().filter(|line| line.starts_with("| `lodestar_") || line.starts_with("| `process_")).collect();
        let row = |metric: &Metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{}` | {} | {} | {} |", metric.name, metric.kind.name(), labels.join(", "), metric.help)
        };
        let expected: Vec<String> = METRICS.iter().map(row).collect();
        assert_eq!(listed, expected);
    }
}

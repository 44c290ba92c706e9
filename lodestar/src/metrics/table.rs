//! All metrics; `docs/monitoring.md` lists the same.

use super::exposition::Metric;
use super::exposition::MetricType::{self, Counter, Gauge, Histogram};

const fn metric(name: &'static str, kind: MetricType, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

/// In the order in which they are shown.
pub const METRICS: &[Metric] = &[
    metric("lodestar_build_info", Gauge, &["version"], "1, with the version."),
    metric("lodestar_sessions_started_total", Counter, &[], "Sessions of devices that began."),
    metric(
        "lodestar_sessions_ended_total",
        Counter,
        &["outcome"],
        "Sessions that ended: finished, or failed because they were broken off.",
    ),
    metric(
        "lodestar_session_timeouts_total",
        Counter,
        &[],
        "Sessions whose device fell silent; they are among the failed.",
    ),
    metric(
        "lodestar_sessions_suspended_total",
        Counter,
        &[],
        "Sessions that were kept in a store of several nodes for the one that their device comes to.",
    ),
    metric("lodestar_sessions_resumed_total", Counter, &[], "Kept sessions that went on here."),
    metric("lodestar_sessions_refused_total", Counter, &[], "Requests that were refused for want of room (503)."),
    metric("lodestar_sessions_in_flight", Gauge, &[], "Sessions now."),
    metric("lodestar_sessions_unwritten", Gauge, &[], "Sessions that are over and are being written."),
    metric(
        "lodestar_session_duration_seconds",
        Histogram,
        &[],
        "How long sessions took, from Inform to what they changed being on disk.",
    ),
    metric("lodestar_session_commit_failures_total", Counter, &[], "Sessions whose changes could not be written."),
    metric("lodestar_full", Gauge, &[], "1 when an Inform without special events would be answered with 503."),
    metric("lodestar_connections", Gauge, &[], "Open connections of devices."),
    metric("lodestar_http_requests_total", Counter, &[], "HTTP requests of devices."),
    metric(
        "lodestar_unreadable_messages_total",
        Counter,
        &[],
        "Bodies that could not be read: size, compression, character set, XML, SOAP.",
    ),
    metric("lodestar_tls_handshake_failures_total", Counter, &[], "TLS handshakes of devices that came to nothing."),
    metric(
        "lodestar_authentication_failures_total",
        Counter,
        &["interface"],
        "Wrong credentials: of devices (cwmp), of operators (nbi).",
    ),
    metric(
        "lodestar_rpcs_total",
        Counter,
        &["sender", "method"],
        "RPCs by who sent them (acs, cpe) and name; those of vendors are `other`.",
    ),
    metric(
        "lodestar_cpe_faults_total",
        Counter,
        &["code"],
        "Faults that devices answered, by code; those of vendors are `other`.",
    ),
    metric(
        "lodestar_unanswered_rpcs_total",
        Counter,
        &[],
        "RPCs that devices left unanswered, or answered with something else.",
    ),
    metric(
        "lodestar_task_changes_total",
        Counter,
        &["state"],
        "Tasks that sessions brought into a state: done, faulted, accepted, expired, …",
    ),
    metric("lodestar_fault_changes_total", Counter, &["change"], "Faults of channels: created, cleared."),
    metric(
        "lodestar_transfers_total",
        Counter,
        &["change"],
        "Transfers of files: requested, completed, failed, cancelled, autonomous.",
    ),
    metric("lodestar_devices_registered_total", Counter, &[], "Devices that came for the first time."),
    metric(
        "lodestar_connection_requests_total",
        Counter,
        &["method", "result"],
        "Connection requests by method and `accepted` or why they failed.",
    ),
    metric(
        "lodestar_script_steps_total",
        Counter,
        &["outcome"],
        "Scripts that were run up to their end, a commit, an extension call, or a fault.",
    ),
    metric("lodestar_worker_threads", Gauge, &[], "Threads that run sessions."),
    metric("lodestar_worker_queue", Gauge, &[], "Messages that wait for a thread."),
    metric("lodestar_worker_wait_seconds", Gauge, &[], "How long messages have waited for a thread lately."),
    metric("lodestar_store_devices", Gauge, &[], "Devices in the store."),
    metric("lodestar_store_commits_total", Counter, &[], "Transactions that are on disk."),
    metric("lodestar_store_changes_total", Counter, &[], "Changes in them."),
    metric("lodestar_store_commit_seconds_total", Counter, &[], "Time spent on them."),
    metric("lodestar_store_queued_changes", Gauge, &[], "Changes that wait to be written."),
    metric("lodestar_store_bytes", Gauge, &["file"], "Bytes of the database and of its log."),
    metric("lodestar_events_last", Gauge, &[], "The id of the last event."),
    metric("lodestar_event_streams", Gauge, &[], "Clients that follow events."),
    metric("lodestar_nbi_answers_total", Counter, &["class"], "Answers of the REST API by class of status."),
    metric(
        "lodestar_starstate_operations_total",
        Counter,
        &["result"],
        "Commands that change routers: done, failed without harm (warning), failed.",
    ),
    metric("lodestar_starstate_applied_total", Counter, &[], "StarState documents that routers became."),
    metric("lodestar_starstate_applied_seconds_total", Counter, &[], "Time spent on those."),
    metric(
        "lodestar_starstate_failures_total",
        Counter,
        &["code"],
        "StarState documents that came to nothing, by the code of the fault.",
    ),
    metric("lodestar_starstate_rollbacks_total", Counter, &[], "Provisioning sessions that were taken back on demand."),
    metric("lodestar_starstate_jobs", Gauge, &[], "Provisioning sessions that wait or are at work now."),
    metric("process_resident_memory_bytes", Gauge, &[], "Memory that is in use."),
    metric("process_virtual_memory_bytes", Gauge, &[], "Memory that is mapped."),
    metric("process_cpu_seconds_total", Counter, &[], "Processor time."),
    metric("process_start_time_seconds", Gauge, &[], "When the process began, in seconds since the Unix epoch."),
    metric("process_open_fds", Gauge, &[], "Open files and sockets."),
];

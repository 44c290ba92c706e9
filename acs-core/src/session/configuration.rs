//! What a session needs to know of the configuration: presets, scripts, files, settings. Implemented where they are put
//! together; pinned for the whole session.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::expression::Expression;
use crate::fault::RetryPolicy;
use crate::script::{ScriptKind, ScriptRunner};

/// A snapshot of everything that operators configure.
pub trait Configuration: ScriptRunner {
    /// The presets whose events and schedule fit. Preconditions are the session's to evaluate, since they may need values that
    /// the device must be asked for first.
    fn select_presets(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset>;

    /// The names of all virtual parameters.
    fn virtual_parameters(&self) -> &[Arc<str>];

    /// A number that changes when the script changes; `None` when there is no such script or built-in.
    fn script_fingerprint(&self, kind: ScriptKind, name: &str) -> Option<u64>;

    /// A stored file's length in bytes.
    fn file_size(&self, file_name: &str) -> Option<u64>;
}

/// What presets match against.
#[derive(Debug)]
pub struct PresetFacts<'a> {
    /// Names of the events that occurred in this session, as path segments (`1_BOOT`), with `Inform` always and `Registered`
    /// in a device's first session.
    pub events: &'a BTreeSet<String>,
    /// The session's timestamp in milliseconds since the Unix epoch.
    pub timestamp: i64,
}

/// A preset whose events and schedule fit.
#[derive(Debug, Clone)]
pub struct SelectedPreset {
    /// Its name.
    pub name: Arc<str>,
    /// Higher goes first and wins.
    pub weight: i64,
    /// The fault domain.
    pub channel: Arc<str>,
    /// Must evaluate to true; absent means that it does.
    pub precondition: Option<Arc<Expression>>,
    /// What to run.
    pub provisions: Vec<SelectedProvision>,
}

/// A provision with arguments still to be evaluated for the device.
#[derive(Debug, Clone)]
pub struct SelectedProvision {
    /// A stored script's name, or a built-in's.
    pub name: Arc<str>,
    /// Evaluated per device.
    pub arguments: Vec<Arc<Expression>>,
}

/// The settings that a session follows, evaluated for its device when it opens (`docs/configuration.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `cwmp.retryDelay`, `cwmp.retryDelayMax`, `cwmp.maxRetries`.
    pub retry: RetryPolicy,
    /// `cwmp.maxCommitIterations`: rounds per cycle.
    pub max_commit_iterations: u32,
    /// `cwmp.maxRpcCount`: answers of the device per cycle.
    pub max_rpc_count: u32,
    /// `cwmp.gpvBatchSize`: parameters per request, of every kind.
    pub batch_size: usize,
    /// `cwmp.gpnNextLevel`: objects less deep than this are always listed level by level.
    pub gpn_next_level: usize,
    /// `cwmp.skipWritableCheck`: try to set what claims to be read-only.
    pub skip_writable_check: bool,
    /// `cwmp.skipRootGpn`: never ask for the names of the roots.
    pub skip_root_gpn: bool,
    /// `cwmp.downloadTimeout` in milliseconds.
    pub download_timeout: i64,
    /// `cwmp.downloadSuccessOnTimeout`.
    pub download_success_on_timeout: bool,
    /// Where devices fetch files, ending in a slash.
    pub file_url_prefix: String,
    /// The address that the device connected from; `REMOTE_ADDRESS()` in expressions.
    pub remote_address: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            retry: RetryPolicy::default(),
            max_commit_iterations: 32,
            max_rpc_count: 255,
            batch_size: 32,
            gpn_next_level: 0,
            skip_writable_check: false,
            skip_root_gpn: false,
            download_timeout: 3_600_000,
            download_success_on_timeout: false,
            file_url_prefix: String::new(),
            remote_address: String::new(),
        }
    }
}

//! What a session needs to know of the configuration: presets, scripts, files. Implemented where they are put
//! together; pinned for the whole session.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::expression::Expression;
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

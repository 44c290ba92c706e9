//! A snapshot of everything that operators configure, compiled once and shared by all sessions that begin while it is current.
//!
//! A broken document harms only itself: it is left out or faults where it is used, and is reported.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use acs_core::expression::{Context, Expression, FunctionSet};
use acs_core::rpc::AcsRequest;
use acs_core::script::{Outcome, ScriptKind, ScriptRun, ScriptRunner};
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset};
use acs_core::session::settings::ConfigValues;
use cwmp::NamedCounts;
use presets::PresetSet;
use provisions::Builtins;
use sandbox::{Limits, ScriptSource, Scripts};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::file_urls::{FileUrls, UrlPolicy};

/// How long a device may fetch what it was told to, in seconds.
const DEFAULT_URL_VALIDITY: i64 = 86_400;

/// The documents that a snapshot is made of, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Documents {
    /// Preset documents.
    pub presets: BTreeMap<String, Json>,
    /// Object templates of old `add_object` configurations.
    pub objects: BTreeMap<String, Json>,
    /// Rhai sources.
    pub provisions: BTreeMap<String, String>,
    /// Rhai sources.
    pub virtual_parameters: BTreeMap<String, String>,
    /// Expressions in text form. They are evaluated when a session opens, so that recordings need none.
    #[serde(skip)]
    pub config: BTreeMap<String, String>,
    /// Stored files.
    pub files: BTreeMap<String, FileFacts>,
    /// Makes the URLs from which devices fetch files.
    #[serde(skip)]
    pub file_urls: Option<FileUrls>,
}

/// What a session needs to know of a stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// In bytes.
    pub length: u64,
    /// The SHA-256 of its content in hexadecimal digits.
    pub sha256: String,
}

/// A compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    documents: Documents,
    presets: PresetSet,
    scripts: Scripts,
    fingerprints: BTreeMap<(ScriptKind, String), u64>,
    virtual_parameters: Vec<Arc<str>>,
    files: BTreeMap<String, FileFacts>,
    config: ConfigValues,
    authentication: Option<Expression>,
    file_urls: Option<FileUrls>,
    script_counts: Arc<NamedCounts>,
}

/// How a step of a script ends.
const OUTCOMES: &[&str] = &["finished", "suspended", "waiting_for_extension", "failed"];

impl Snapshot {
    /// Compiles documents. Scripts that have not changed since `previous` are taken from it. Returns what is wrong with them,
    /// one line each.
    pub fn build(documents: &Documents, previous: Option<&Snapshot>, limits: &Limits) -> (Snapshot, Vec<String>) {
        let mut problems = Vec::new();
        let pairs = |map: &'_ BTreeMap<String, Json>| -> Vec<(String, Json)> {
            map.iter().map(|(name, document)| (name.clone(), document.clone())).collect()
        };
        let (preset_documents, object_documents) = (pairs(&documents.presets), pairs(&documents.objects));
        let (presets, preset_problems) = PresetSet::build(
            preset_documents.iter().map(|(name, document)| (name.as_str(), document)),
            object_documents.iter().map(|(name, document)| (name.as_str(), document)),
        );
        problems.extend(preset_problems.iter().map(ToString::to_string));

        let mut sources = Vec::new();
        let mut fingerprints = BTreeMap::new();
        for (kind, map) in [
            (ScriptKind::Provision, &documents.provisions),
            (ScriptKind::VirtualParameter, &documents.virtual_parameters),
        ] {
            for (name, source) in map {
                let mut hasher = DefaultHasher::new();
                source.hash(&mut hasher);
                fingerprints.insert((kind, name.clone()), hasher.finish());
                sources.push(ScriptSource { kind, name: name.as_str().into(), source: source.as_str().into() });
            }
        }
        let empty = Scripts::empty(limits.clone());
        let scripts = Scripts::build(sources, Some(previous.map_or(&empty, |previous| &previous.scripts)));
        problems.extend(scripts.broken().into_iter().map(|(_, error)| error.to_string()));

        let (config, config_errors) =
            ConfigValues::parse(documents.config.iter().map(|(key, text)| (key.as_str(), text.as_str())));
        problems.extend(config_errors.iter().map(ToString::to_string));

        let authentication = authentication(documents.config.get("cwmp.auth"), &config, &mut problems);

        let virtual_parameters = documents.virtual_parameters.keys().map(|name| name.as_str().into()).collect();
        let files = documents.files.clone();
        let file_urls = documents.file_urls.clone();
        let documents = documents.clone();
        let snapshot = Snapshot {
            documents,
            presets,
            scripts,
            fingerprints,
            virtual_parameters,
            files,
            config,
            authentication,
            file_urls,
            script_counts: previous
                .map_or_else(|| Arc::new(NamedCounts::new(OUTCOMES)), |previous| previous.script_counts.clone()),
        };
        (snapshot, problems)
    }

    /// What it was compiled from.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The config collection.
    pub fn config(&self) -> &ConfigValues {
        &self.config
    }

    /// `cwmp.auth`: who is let in; `None` for everybody.
    pub fn authentication(&self) -> Option<&Expression> {
        self.authentication.as_ref()
    }

    /// The URL below which a device reaches the file server; empty when none is known.
    pub fn file_url_prefix(&self, device: &dyn Context) -> String {
        self.file_urls.as_ref().map(|urls| urls.base(device)).unwrap_or_default()
    }

    /// Signs the URL of a transfer's request.
    pub fn sign_urls(&self, request: &mut AcsRequest, device: &dyn Context) {
        let Some(urls) = &self.file_urls else { return };
        let seconds = self.config.number("files.urlValidity", device, DEFAULT_URL_VALIDITY, 1);
        let policy = UrlPolicy {
            plain: self.config.boolean("files.plainUrls", device, true),
            validity: seconds.saturating_mul(1_000),
        };
        urls.sign(request, device, policy, |name| self.files.get(name).map(|file| file.sha256.as_str()));
    }

    /// How steps of scripts ended, in this snapshot and those before it.
    pub fn script_counts(&self) -> &Arc<NamedCounts> {
        &self.script_counts
    }

    /// The presets.
    pub fn presets(&self) -> &PresetSet {
        &self.presets
    }
}

/// What `cwmp.auth` says. When that cannot be told nobody is let in, rather than everybody.
fn authentication(text: Option<&String>, config: &ConfigValues, problems: &mut Vec<String>) -> Option<Expression> {
    text?;
    let Some(expression) = config.get("cwmp.auth") else {
        problems.push("config cwmp.auth: it is no expression, so no device is let in".to_owned());
        return Some(Expression::literal(false));
    };
    let expression = expression.with_legacy_names();
    let mistakes = expression.check(FunctionSet::AUTHENTICATION);
    problems.extend(mistakes.iter().map(|mistake| format!("config cwmp.auth: {mistake}")));
    Some(expression)
}

impl ScriptRunner for Snapshot {
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        // A stored script takes precedence over a built-in provision of the same name.
        let (run, outcome) = if self.scripts.contains(kind, name) {
            self.scripts.run(kind, name, run)
        } else {
            Builtins.run(kind, name, run)
        };
        self.script_counts.count(match outcome {
            Some(Outcome::Finished(_)) => "finished",
            Some(Outcome::Suspended) => "suspended",
            Some(Outcome::WaitingForExtension) => "waiting_for_extension",
            Some(Outcome::Failed(_)) => "failed",
            // There is no such script.
            None => "other",
        });
        (run, outcome)
    }
}

impl Configuration for Snapshot {
    fn select_presets(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        self.presets.select(facts)
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        &self.virtual_parameters
    }

    fn script_fingerprint(&self, kind: ScriptKind, name: &str) -> Option<u64> {
        let stored = self.fingerprints.get(&(kind, name.to_owned())).copied();
        stored.or_else(|| (kind == ScriptKind::Provision && provisions::is_builtin(name)).then_some(0))
    }

    fn file_size(&self, file_name: &str) -> Option<u64> {
        self.files.get(file_name).map(|file| file.length)
    }
}

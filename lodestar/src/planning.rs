//! Planning a session of a stored device, for the command `plan` and for the NBI. Nothing is sent or written.
//!
//! Here is what a plan runs, with which configuration, and what of it may be told. What a session would do with that is
//! `acs_core::plan`.

use std::sync::Arc;

use acs_core::change::DeviceSnapshot;
use acs_core::path::Path;
use acs_core::plan::{Plan, plan};
use acs_core::rpc::{AcsRequest, DeviceIdStruct, Event, Inform};
use acs_core::script::{ExtensionCall, Outcome, ScriptFault, ScriptKind, ScriptRun, ScriptRunner, SessionFacts};
use acs_core::secret::is_secret;
use acs_core::session::TreeContext;
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset, SelectedProvision};
use acs_core::session::settings::Settings;
use acs_core::starstate::{StarStateCall, StarStateReport};
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value};
use async_trait::async_trait;
use cwmp::PinnedConfiguration;
use sandbox::{Limits, ScriptSource, Scripts};
use serde_json::{Value as Json, json};
use store::Store;
use tokio::sync::Semaphore;
use ui_api::{PlanError, PlanRequest, PlanSubject, Planner};

use crate::live::{LiveConfiguration, read_documents};
use crate::snapshot::{Documents, Snapshot};

/// The provision that a script is run as.
const SCRIPT: &str = "script";
/// The provision that declares single values.
const SET: &str = "set";
/// The running server signs URLs for the moment, and they open files; a plan only says that there would be one.
const FILE_URL_PREFIX: &str = "http://<file server>/";
/// What stands for a secret value.
const MASK: &str = "***";
/// Shorter secrets are not looked for in messages: they would be found everywhere.
const SHORTEST_SECRET: usize = 4;
/// Plans that the server makes at the same time; sessions need the processors, too.
const CONCURRENT_PLANS: usize = 2;

/// Plans for the NBI, from the store and what is compiled already.
pub struct StoredPlanner {
    store: Arc<dyn Store>,
    configuration: Arc<LiveConfiguration>,
    limits: Limits,
    permits: Semaphore,
}

impl StoredPlanner {
    /// A planner of a running server.
    pub fn new(store: Arc<dyn Store>, configuration: Arc<LiveConfiguration>, limits: Limits) -> StoredPlanner {
        StoredPlanner { store, configuration, limits, permits: Semaphore::new(CONCURRENT_PLANS) }
    }
}

#[async_trait]
impl Planner for StoredPlanner {
    async fn plan(&self, device_id: &str, request: PlanRequest) -> Result<Json, PlanError> {
        let _permit = self.permits.acquire().await.map_err(|error| PlanError::Failed(error.to_string()))?;
        let compiled = self.configuration.snapshot();
        let planned = plan_session(&*self.store, Some(&compiled), &self.limits, device_id, request).await?;
        Ok(to_json(&planned.plan))
    }
}

/// A plan, and what was found on the way.
#[derive(Debug)]
pub struct PlannedSession {
    /// What would happen.
    pub plan: Plan,
    /// What is wrong with the stored configuration, one line each.
    pub problems: Vec<String>,
}

/// Plans a session of a device with the configuration as it is stored now; scripts that `compiled` has need not be compiled again.
///
/// Without [`PlanRequest::reveal`], what the client itself wants to run sees a mask in the place of secret values, and messages of
/// stored scripts that quote one are masked. What the plan tells by parameter is not: that is the NBI's part.
///
/// # Errors
/// [`PlanError`]
pub async fn plan_session(
    store: &dyn Store,
    compiled: Option<&Snapshot>,
    limits: &Limits,
    device_id: &str,
    request: PlanRequest,
) -> Result<PlannedSession, PlanError> {
    let documents = read_documents(store).await?;
    let mut snapshot = store.open_device(device_id).await?;
    let PlanRequest { subject, set, events, reveal } = request;
    let (configuration, problems) = Snapshot::build(&documents, compiled, limits);
    let is_own = matches!(subject, PlanSubject::Script(_) | PlanSubject::Values) || !set.is_empty();
    let configuration = PlanConfiguration::new(configuration, &documents, subject, &set, limits)?;
    let Some(device) = &mut snapshot.device else { return Err(PlanError::NoSuchDevice(device_id.to_owned())) };
    let secrets = if reveal { Vec::new() } else { secret_texts(&device.full_tree()) };
    if !reveal && is_own {
        mask_secrets(&mut snapshot);
    }
    if !configuration.runs_presets {
        // Only the provisions are asked about: tasks and faults of the device do not matter.
        snapshot.tasks.clear();
        snapshot.faults.clear();
    }
    let work = move || run(snapshot, &events, &configuration);
    // Scripts need a large stack, and take their time.
    let done = tokio::task::spawn_blocking(move || sandbox::on_script_thread(work)).await;
    let mut plan = match done {
        Ok(Ok(Some(plan))) => plan,
        Ok(Ok(None)) => return Err(PlanError::NoSuchDevice(device_id.to_owned())),
        Ok(Err(error)) => return Err(PlanError::Failed(format!("no thread for scripts: {error}"))),
        Err(error) => return Err(PlanError::Failed(error.to_string())),
    };
    if !reveal {
        scrub(&mut plan, secrets);
    }
    Ok(PlannedSession { plan, problems })
}

/// `None`: the snapshot has no device.
fn run(snapshot: DeviceSnapshot, events: &[String], configuration: &PlanConfiguration) -> Option<Plan> {
    let device = snapshot.device.as_ref()?;
    let inform = inform_of(&device.head.identity, events);
    let now = chrono::Utc::now().timestamp_millis();
    let facts = SessionFacts { device_id: device.head.id.clone(), timestamp: now };
    let context = TreeContext { tree: &device.full_tree(), facts: &facts, settings: &Settings::default() };
    let mut settings = configuration.configuration.session_options(&context).settings;
    settings.file_url_prefix = FILE_URL_PREFIX.to_owned();
    let mut call_extension = |call: &ExtensionCall| {
        if StarStateCall::name_of(call).is_some() {
            // Nothing is put on its way; a plan of a provisioning session tells what would happen on the router.
            let message = "the router would be made what the document says".to_owned();
            return Ok(serde_json::json!(StarStateReport { message, ..StarStateReport::default() }));
        }
        let message = format!("extensions are not called while planning: {}", Json::from(call.arguments.clone()));
        Err(ScriptFault { code: "ext".to_owned(), message, detail: None })
    };
    Some(plan(snapshot, &inform, now, settings, configuration, &mut call_extension))
}

fn inform_of(identity: &DeviceIdStruct, events: &[String]) -> Inform {
    let events = events.iter().map(|code| Event { code: code.clone(), command_key: String::new() });
    Inform { device_id: identity.clone(), events: events.collect(), max_envelopes: 1, ..Inform::default() }
}

/// A configuration in which chosen provisions are selected, instead of presets or besides them.
struct PlanConfiguration {
    configuration: Snapshot,
    own: Scripts,
    runs_presets: bool,
    selected: Vec<Arc<str>>,
}

impl PlanConfiguration {
    fn new(
        configuration: Snapshot,
        documents: &Documents,
        subject: PlanSubject,
        set: &[(String, Value)],
        limits: &Limits,
    ) -> Result<PlanConfiguration, PlanError> {
        let runs_presets = subject == PlanSubject::Presets;
        let mut own = Vec::new();
        let mut selected = Vec::new();
        let mut add = |name: &str, source: String| -> Result<Arc<str>, PlanError> {
            sandbox::compile(name, &source).map_err(|error| PlanError::Script(error.to_string()))?;
            // Not a name that a stored script has.
            let mut name = name.to_owned();
            while configuration.script_fingerprint(ScriptKind::Provision, &name).is_some() {
                name = format!("({name})");
            }
            let name: Arc<str> = name.into();
            own.push(ScriptSource { kind: ScriptKind::Provision, name: name.clone(), source: source.into() });
            Ok(name)
        };
        match subject {
            PlanSubject::Presets | PlanSubject::Values => {}
            PlanSubject::Provision(name) => {
                if configuration.script_fingerprint(ScriptKind::Provision, &name).is_none() {
                    let known = documents.provisions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    return Err(PlanError::Invalid(format!("no such provision: {name}; there are: {known}")));
                }
                selected.push(name.into());
            }
            PlanSubject::Script(source) => selected.push(add(SCRIPT, source)?),
        }
        if !set.is_empty() {
            selected.push(add(SET, declarations(set)?)?);
        }
        let own = Scripts::build(own, Some(&Scripts::empty(limits.clone())));
        Ok(PlanConfiguration { configuration, own, runs_presets, selected })
    }
}

impl ScriptRunner for PlanConfiguration {
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        if self.own.contains(kind, name) {
            self.own.run(kind, name, run)
        } else {
            self.configuration.run(kind, name, run)
        }
    }
}

impl Configuration for PlanConfiguration {
    fn select_presets(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        let mut presets = if self.runs_presets { self.configuration.select_presets(facts) } else { Vec::new() };
        if !self.selected.is_empty() {
            let provision = |name: &Arc<str>| SelectedProvision { name: name.clone(), arguments: Vec::new() };
            presets.push(SelectedPreset {
                name: "plan".into(),
                weight: 0,
                channel: "plan".into(),
                precondition: None,
                provisions: self.selected.iter().map(provision).collect(),
            });
        }
        presets
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        self.configuration.virtual_parameters()
    }

    fn script_fingerprint(&self, kind: ScriptKind, name: &str) -> Option<u64> {
        if self.own.contains(kind, name) { Some(0) } else { self.configuration.script_fingerprint(kind, name) }
    }

    fn file_size(&self, file_name: &str) -> Option<u64> {
        self.configuration.file_size(file_name)
    }
}

/// A script that declares values, one per line.
fn declarations(set: &[(String, Value)]) -> Result<String, PlanError> {
    let mut source = String::new();
    for (path, value) in set {
        Path::parse(path).map_err(|error| PlanError::Invalid(error.to_string()))?;
        let value = match value {
            Value::Bool(value) => value.to_string(),
            Value::Int(number) if *number > i64::MIN => number.to_string(),
            Value::Float(number) if number.is_finite() => format!("{number:?}"),
            other => rhai_text(&other.to_text()),
        };
        source.push_str(&format!("declare({}, (), #{{value: {value}}});\n", rhai_text(path)));
    }
    Ok(source)
}

/// A text as a Rhai literal.
fn rhai_text(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Replaces the secret values that a device is known to have, so that no script can tell them in another form.
fn mask_secrets(snapshot: &mut DeviceSnapshot) {
    let Some(device) = &mut snapshot.device else { return };
    let mask = |value: &TypedValue| TypedValue(Value::Text(MASK.to_owned()), value.1.clone());
    for informed in device.head.informed.iter_mut().filter(|informed| is_secret(&informed.path)) {
        informed.value = mask(&informed.value);
    }
    let mut tree = (*device.tree).clone();
    for id in tree.descendants(DeviceTree::ROOT) {
        if let Some(stored) = tree.node(id).value.clone().filter(|_| is_secret(tree.name(id))) {
            tree.set_written_value(id, mask(&stored.value), stored.at, stored.writer);
        }
    }
    device.tree = Arc::new(tree);
}

/// The texts of all secret values of a tree that are long enough to be recognised.
fn secret_texts(tree: &DeviceTree) -> Vec<String> {
    let secret = |id: &_| is_secret(tree.name(*id));
    let text = |id| tree.node(id).typed_value().map(|value| value.0.to_text().into_owned());
    tree.descendants(DeviceTree::ROOT).into_iter().filter(secret).filter_map(text).collect()
}

/// Masks secret values where scripts quote them: in other parameters' values, in messages, and in what is logged.
fn scrub(plan: &mut Plan, mut secrets: Vec<String>) {
    let set = plan.requests.iter().filter_map(|request| match request {
        AcsRequest::SetParameterValues { parameter_list, .. } => Some(parameter_list),
        _ => None,
    });
    let set = set.flatten().filter(|(name, _)| is_secret(name));
    secrets.extend(set.map(|(_, value)| value.0.to_text().into_owned()));
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET && secret != MASK);
    // A secret may be part of another one.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    if secrets.is_empty() {
        return;
    }
    let scrub_value = |value: &mut TypedValue| {
        if let Value::Text(text) = &mut value.0 {
            scrub_text(text, &secrets);
        }
    };
    for request in &mut plan.requests {
        if let AcsRequest::SetParameterValues { parameter_list, .. } = request {
            parameter_list.iter_mut().for_each(|(_, value)| scrub_value(value));
        }
    }
    for change in &mut plan.changes {
        change.before.iter_mut().chain(&mut change.after).for_each(scrub_value);
    }
    for fault in &mut plan.faults {
        scrub_text(&mut fault.fault.message, &secrets);
        fault.fault.detail.iter_mut().for_each(|detail| scrub_json(detail, &secrets));
    }
    for line in &mut plan.log {
        scrub_text(&mut line.message, &secrets);
        scrub_json(&mut line.fields, &secrets);
    }
}

fn scrub_text(text: &mut String, secrets: &[String]) {
    for secret in secrets {
        if text.contains(secret) {
            *text = text.replace(secret, MASK);
        }
    }
}

fn scrub_json(json: &mut Json, secrets: &[String]) {
    match json {
        Json::String(text) => scrub_text(text, secrets),
        Json::Array(list) => list.iter_mut().for_each(|item| scrub_json(item, secrets)),
        Json::Object(map) => map.values_mut().for_each(|item| scrub_json(item, secrets)),
        _ => {}
    }
}

/// The requests as JSON: `{rpc, arguments}`.
fn request_json(request: &AcsRequest) -> Json {
    match serde_json::to_value(request) {
        Ok(Json::Object(map)) => {
            json!({ "rpc": request.name(), "arguments": map.into_iter().next().map(|(_, arguments)| arguments) })
        }
        _ => json!({ "rpc": request.name() }),
    }
}

/// A plan as the NBI and `--json` give it (`docs/plan.md`).
pub fn to_json(plan: &Plan) -> Json {
    json!({
        "requests": plan.requests.iter().map(request_json).collect::<Vec<_>>(),
        "changes": plan.changes,
        "faults": plan.faults,
        "log": plan.log,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! `lodestar plan`: what a session would ask and tell a device, and what would be different afterwards. Nothing is sent or written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use acs_core::plan::{Plan, plan};
use acs_core::rpc::{AcsRequest, DeviceIdStruct, Event, Inform};
use acs_core::script::{ExtensionCall, Outcome, ScriptFault, ScriptKind, ScriptRun, ScriptRunner, SessionFacts};
use acs_core::session::TreeContext;
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset, SelectedProvision};
use acs_core::session::settings::Settings;
use acs_core::value::TypedValue;
use anyhow::{Context, Result, bail};
use cwmp::PinnedConfiguration;
use sandbox::Limits;
use serde_json::{Value as Json, json};
use store::{EmbeddedStore, Store};

use crate::command_line::PlanArguments;
use crate::live::read_documents;
use crate::snapshot::{Documents, Snapshot};

/// The provision that a script file is run as.
const SCRIPT: &str = "script";

/// What is planned.
enum What {
    /// Every preset that would match.
    Presets,
    /// One provision, as if a preset had selected it.
    Provision(Arc<str>),
}

/// A configuration in which at most one provision is selected.
struct Planned {
    snapshot: Snapshot,
    what: What,
}

impl ScriptRunner for Planned {
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        self.snapshot.run(kind, name, run)
    }
}

impl Configuration for Planned {
    fn select_presets(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        match &self.what {
            What::Presets => self.snapshot.select_presets(facts),
            What::Provision(name) => vec![SelectedPreset {
                name: "plan".into(),
                weight: 0,
                channel: "plan".into(),
                precondition: None,
                provisions: vec![SelectedProvision { name: name.clone(), arguments: Vec::new() }],
            }],
        }
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        self.snapshot.virtual_parameters()
    }

    fn script_fingerprint(&self, kind: ScriptKind, name: &str) -> Option<u64> {
        self.snapshot.script_fingerprint(kind, name)
    }

    fn file_size(&self, file_name: &str) -> Option<u64> {
        self.snapshot.file_size(file_name)
    }
}

/// Plans and prints. Returns whether no channel would fault.
pub async fn run(arguments: PlanArguments, limits: Limits) -> Result<bool> {
    let data_dir = arguments.data_dir.clone().unwrap_or_else(|| PathBuf::from("./lodestar-data"));
    let database = data_dir.join("lodestar.db");
    if !database.exists() {
        bail!("there is no database in {}; name the server's directory with --data-dir", data_dir.display());
    }
    let store = EmbeddedStore::open_read_only(&database).with_context(|| format!("opening {}", database.display()))?;
    let mut documents = read_documents(&store).await?;
    let what = what_to_plan(&arguments, &mut documents)?;
    let snapshot = store.open_device(&arguments.device).await?;
    let Some(device) = &snapshot.device else { bail!("no such device: {}", arguments.device) };
    let inform = inform_of(&device.head.identity, &arguments.event);
    let (compiled, problems) = Snapshot::build(&documents, None, &limits);
    for problem in problems {
        eprintln!("lodestar: {problem}");
    }
    let now = chrono::Utc::now().timestamp_millis();
    let facts = SessionFacts { device_id: device.head.id.clone(), timestamp: now };
    let context = TreeContext { tree: &device.full_tree(), facts: &facts, settings: &Settings::default() };
    let mut settings = compiled.session_options(&context).settings;
    if settings.file_url_prefix.is_empty() {
        // The running server signs URLs for the moment; a plan only says that there would be one.
        settings.file_url_prefix = "http://<file server>/".to_owned();
    }
    let planned = Planned { snapshot: compiled, what };
    let mut snapshot = snapshot;
    if matches!(planned.what, What::Provision(_)) {
        // One provision is asked about: tasks and faults of the device do not matter.
        snapshot.tasks.clear();
        snapshot.faults.clear();
    }
    let mut calls = Vec::new();
    let mut call_extension = |call: &ExtensionCall| {
        calls.push(call.arguments.clone());
        let message = format!("extensions are not called while planning: {}", Json::from(call.arguments.clone()));
        Err(ScriptFault { code: "ext".to_owned(), message, detail: None })
    };
    // Scripts need a large stack.
    let plan = sandbox::on_script_thread(|| plan(snapshot, &inform, now, settings, &planned, &mut call_extension))
        .context("starting a thread for scripts")?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&to_json(&plan))?);
    } else {
        print!("{}", to_text(&plan));
    }
    Ok(plan.faults.is_empty())
}

fn what_to_plan(arguments: &PlanArguments, documents: &mut Documents) -> Result<What> {
    for assignment in &arguments.set {
        let (path, value) =
            assignment.split_once('=').with_context(|| format!("--set needs PATH=VALUE, not {assignment}"))?;
        acs_core::path::Path::parse(path)?;
        let source = documents.provisions.entry(SCRIPT.to_owned()).or_default();
        source.push_str(&format!("declare({}, (), #{{value: {}}});\n", rhai_text(path), rhai_text(value)));
    }
    if let Some(path) = &arguments.script {
        let source = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        sandbox::compile(&path.display().to_string(), &source)?;
        let before = documents.provisions.remove(SCRIPT).unwrap_or_default();
        documents.provisions.insert(SCRIPT.to_owned(), format!("{source}\n{before}"));
        return Ok(What::Provision(SCRIPT.into()));
    }
    if let Some(name) = &arguments.provision {
        if !documents.provisions.contains_key(name) && !provisions::is_builtin(name) {
            let known: Vec<_> = documents.provisions.keys().map(String::as_str).collect();
            bail!("no such provision: {name}; there are: {}", known.join(", "));
        }
        return Ok(What::Provision(name.as_str().into()));
    }
    if arguments.presets || arguments.set.is_empty() { Ok(What::Presets) } else { Ok(What::Provision(SCRIPT.into())) }
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

fn inform_of(identity: &DeviceIdStruct, events: &[String]) -> Inform {
    let events = events.iter().map(|code| Event { code: code.clone(), command_key: String::new() });
    Inform { device_id: identity.clone(), events: events.collect(), max_envelopes: 1, ..Inform::default() }
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

fn to_json(plan: &Plan) -> Json {
    json!({
        "requests": plan.requests.iter().map(request_json).collect::<Vec<_>>(),
        "changes": plan.changes,
        "faults": plan.faults,
        "log": plan.log,
    })
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn value_text(value: &Option<TypedValue>) -> String {
    value.as_ref().map_or_else(|| "-".to_owned(), |value| value.0.to_text().into_owned())
}

fn to_text(plan: &Plan) -> String {
    let mut out = String::new();
    out.push_str(&format!("{}\n", counted(plan.requests.len(), "request")));
    for request in &plan.requests {
        out.push_str(&format!("  {}", request.name()));
        match request {
            AcsRequest::GetParameterNames { parameter_path, next_level } => {
                out.push_str(&format!(" {parameter_path:?}{}\n", if *next_level { "" } else { ", the whole subtree" }));
            }
            AcsRequest::GetParameterValues { parameter_names }
            | AcsRequest::GetParameterAttributes { parameter_names } => {
                out.push('\n');
                out.extend(parameter_names.iter().map(|name| format!("    {name}\n")));
            }
            AcsRequest::SetParameterValues { parameter_list, .. } => {
                out.push('\n');
                let line = |(name, value): &(String, TypedValue)| {
                    format!("    {name} = {:?} ({})\n", value.0.to_text(), value.1)
                };
                out.extend(parameter_list.iter().map(line));
            }
            AcsRequest::AddObject { object_name, .. } | AcsRequest::DeleteObject { object_name, .. } => {
                out.push_str(&format!(" {object_name}\n"));
            }
            AcsRequest::Download(download) => out.push_str(&format!(" {} from {}\n", download.file_type, download.url)),
            _ => out.push('\n'),
        }
    }
    let shown: BTreeMap<&str, _> = plan.changes.iter().map(|change| (change.path.as_str(), change)).collect();
    out.push_str(&format!("{}\n", counted(shown.len(), "change")));
    for change in shown.values() {
        out.push_str(&format!(
            "  {}: {:?} -> {:?}",
            change.path,
            value_text(&change.before),
            value_text(&change.after)
        ));
        if !change.origin.is_empty() {
            out.push_str(&format!("  ({})", change.origin));
        }
        out.push('\n');
    }
    for fault in &plan.faults {
        out.push_str(&format!("channel {} would fault: {} {}\n", fault.channel, fault.fault.code, fault.fault.message));
    }
    for line in &plan.log {
        out.push_str(&format!("log: {}\n", line.message));
    }
    out
}

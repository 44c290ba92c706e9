//! Runs a case: its sessions one after the other, each recorded and replayed.

use std::cell::RefCell;
use std::path::Path;

use acs_core::device::StoredDevice;
use acs_core::rpc::{CpeFault, CwmpVersion, DeviceIdStruct, TransferComplete};
use acs_core::script::{ExtensionCall, ScriptFault, SessionFacts};
use acs_core::session::TreeContext;
use acs_core::session::settings::Settings;
use acs_core::task::Task;
use acs_core::value::{Value, parse_date_time};
use lodestar::snapshot::{FileFacts, Snapshot};
use serde_json::Value as Json;

use super::directory;
use super::document::{Case, Documents, Extension, Step, Transfer, duration};
use super::expect::Actual;
use crate::bench::Scenario;
use crate::kit::Visit;
use crate::recording::{Tape, limits, replayed};

/// Runs a case. `Err` is what went another way than it says.
pub fn play(case: &Case, recordings: &Path) -> Result<(), String> {
    let mut scenario = begin(case);
    let mut texts = Vec::new();
    for (number, step) in (1..).zip(&case.sessions) {
        prepare(&mut scenario, step);
        let started_at = scenario.world.clock;
        let calls = RefCell::new(Vec::new());
        let answer = |call: &ExtensionCall| {
            calls.borrow_mut().push(Json::Array(call.arguments.clone()));
            answer(&case.extensions, call)
        };
        let (snapshot, problems) = Snapshot::build(&scenario.documents, None, &limits());
        let events: Vec<&str> = step.events.iter().map(String::as_str).collect();
        let transfers: Vec<_> = step.transfers.iter().map(|transfer| transfer_complete(&scenario, transfer)).collect();
        scenario.world.settings = settings(&scenario, &snapshot, case);
        let folder = recordings.join(number.to_string());
        let mut tape = Tape::new(&snapshot, &folder);
        let visit =
            scenario.world.session_with(&mut scenario.device, &events, &snapshot, &answer, &transfers, &mut tape);
        let mut differences =
            Actual { scenario: &scenario, visit: &visit, extension_calls: calls.into_inner() }.differences(step);
        if !differences.is_empty() {
            // What is wrong with the configuration is often the cause.
            differences.extend(problems.iter().map(|problem| format!("configuration: {problem}")));
            differences.push(shown(&visit));
        }
        differences.extend(replayed(&folder));
        texts.extend(differences.into_iter().map(|text| format!("session {number}, {text}")));
        let next = case.sessions.get(number).and_then(|next| next.after.as_deref());
        if let Some(after) = next {
            scenario.world.clock = started_at + duration(after);
        }
    }
    if texts.is_empty() { Ok(()) } else { Err(texts.join("\n")) }
}

/// The device and its configuration, before the first session.
fn begin(case: &Case) -> Scenario {
    let file = directory("models").join(format!("{}.model", case.device));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let model = format!("{text}\n{}", case.model);
    let mut scenario = Scenario::of(&model);
    if let Some([oui, product_class, serial_number]) = case.identity.clone() {
        let manufacturer = "ExampleCorp".to_owned();
        scenario.device.identity = DeviceIdStruct { manufacturer, oui, product_class, serial_number };
    }
    if let Some(informs) = &case.informs {
        scenario.device.informs = informs.clone();
    }
    if case.known {
        scenario = scenario.known();
    }
    if !case.tags.is_empty() {
        if scenario.world.snapshot.device.is_none() {
            scenario.periodic();
        }
        let device = scenario.world.snapshot.device.as_mut().unwrap();
        for (tag, value) in &case.tags {
            device.tags.insert(tag.clone(), serde_json::from_value(value.clone()).unwrap());
        }
    }
    if let Some(behaviour) = &case.behaviour {
        scenario.device.behaviour = behaviour.clone();
    }
    adopt(&mut scenario, &case.documents());
    match &case.script {
        Some(script) => scenario.script(script),
        None => scenario,
    }
}

/// What happens before a session.
fn prepare(scenario: &mut Scenario, step: &Step) {
    if let Some(at) = &step.at {
        scenario.world.clock = parse_date_time(at).unwrap_or_else(|| panic!("{at:?} is no time"));
    }
    scenario.device.change(&step.changes);
    if let Some(behaviour) = &step.behaviour {
        scenario.device.behaviour = behaviour.clone();
    }
    for name in &step.removed {
        let (collection, name) = name.split_once('.').expect("removed: collection.name");
        match collection {
            "presets" => drop(scenario.documents.presets.remove(name)),
            "provisions" => drop(scenario.documents.provisions.remove(name)),
            "virtual_parameters" => drop(scenario.documents.virtual_parameters.remove(name)),
            other => panic!("removed: no collection {other:?}"),
        }
    }
    adopt(scenario, &step.documents);
    for document in &step.tasks {
        let id = document["_id"].as_str().expect("a task needs an _id").to_owned();
        let device = scenario.device.identity.device_id();
        let task = Task::from_document(document, &device, id, scenario.world.clock - 1);
        scenario.world.snapshot.tasks.push(task.unwrap_or_else(|error| panic!("{document}: {error}")));
    }
    scenario.world.snapshot.faults.retain(|fault| !step.deleted_faults.contains(&fault.channel));
}

fn adopt(scenario: &mut Scenario, documents: &Documents) {
    let own = &mut scenario.documents;
    own.presets.extend(documents.presets.clone());
    own.provisions.extend(documents.provisions.clone());
    own.virtual_parameters.extend(documents.virtual_parameters.clone());
    own.objects.extend(documents.objects.clone());
    own.config.extend(documents.config.clone());
    let facts = |(name, length): (&String, &u64)| (name.clone(), FileFacts { length: *length, sha256: String::new() });
    own.files.extend(documents.files.iter().map(facts));
}

/// The settings as a session of the server has them.
fn settings(scenario: &Scenario, snapshot: &Snapshot, case: &Case) -> Settings {
    let version = |text: &String| CwmpVersion::parse(text).unwrap_or_else(|| panic!("{text:?} is no version"));
    let remote_address = "192.0.2.7".to_owned();
    let outside = Settings { remote_address, ..Settings::default() };
    let device_id = scenario.device.identity.device_id();
    let facts = SessionFacts { device_id, timestamp: scenario.world.clock };
    let tree = scenario.world.snapshot.device.as_ref().map(StoredDevice::full_tree).unwrap_or_default();
    let context = TreeContext { tree: &tree, facts: &facts, settings: &outside };
    Settings {
        file_url_prefix: case.file_url_prefix.clone(),
        cwmp_version: case.cwmp_version.as_ref().map(version).unwrap_or_default(),
        ..Settings::evaluate(snapshot.config(), &context)
    }
}

fn transfer_complete(scenario: &Scenario, transfer: &Transfer) -> TransferComplete {
    let oldest = scenario.world.snapshot.operations.first().map(|operation| operation.command_key.clone());
    let fault = transfer.fault.clone().map(|(code, message)| CpeFault {
        code,
        message,
        set_parameter_values_faults: Vec::new(),
    });
    TransferComplete {
        command_key: transfer.command_key.clone().or(oldest).expect("no download is pending"),
        fault,
        start_time: transfer.start_time,
        complete_time: transfer.complete_time,
    }
}

fn answer(extensions: &[Extension], call: &ExtensionCall) -> Result<Json, ScriptFault> {
    let Some(extension) = extensions.iter().find(|extension| call.arguments.starts_with(&extension.call)) else {
        return Ok(Json::Null);
    };
    match extension.fails.clone() {
        Some((code, message)) => Err(ScriptFault { code, message, detail: None }),
        None => Ok(extension.returns.clone().unwrap_or(Json::Null)),
    }
}

/// All of a session, for a case that goes another way.
fn shown(visit: &Visit) -> String {
    let mut text = String::from("all of it:");
    for request in &visit.requests {
        text.push_str(&format!("\n    {request}"));
    }
    for line in &visit.log {
        text.push_str(&format!("\n    log {:?}: {} {}", line.kind, line.message, line.fields));
    }
    for (channel, fault) in &visit.change.faults {
        let code = fault.as_ref().map_or("(cleared)", |record| &record.fault.code);
        text.push_str(&format!("\n    channel {channel}: {code}"));
    }
    text
}

/// A stored or read value, as cases write it.
pub fn plain(value: &Value) -> Json {
    serde_json::to_value(value).unwrap()
}

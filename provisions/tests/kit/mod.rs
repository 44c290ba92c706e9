//! A device that answers from a list of parameters, and a configuration made of presets, scripts and built-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::device::StoredDevice;
use acs_core::fault::FaultRecord;
use acs_core::rpc::{AcsRequest, CpeFault, CpeResponse, DeviceIdStruct, Event, Inform, ParameterInfo};
use acs_core::script::{Outcome, ScriptKind, ScriptRun, ScriptRunner};
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset};
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output, Session};
use acs_core::value::{TypedValue, Value, XsdType};
use presets::PresetSet;
use provisions::Builtins;
use provisions::seeds::SeedProvision;
use sandbox::{ScriptSource, Scripts};
use serde_json::Value as Json;

/// Presets, scripts and built-ins.
pub struct TestConfiguration {
    presets: PresetSet,
    scripts: Scripts,
}

impl TestConfiguration {
    /// All must be free of problems.
    pub fn new(provisions: &[SeedProvision], presets: &[(&str, Json)]) -> TestConfiguration {
        let documents = presets.iter().map(|(name, document)| (*name, document));
        let (presets, problems) = PresetSet::build(documents, []);
        assert_eq!(problems, []);
        let sources = provisions.iter().map(|provision| ScriptSource {
            kind: ScriptKind::Provision,
            name: provision.name.into(),
            source: provision.script.into(),
        });
        let scripts = Scripts::build(sources, None);
        assert!(scripts.broken().is_empty(), "{:?}", scripts.broken());
        TestConfiguration { presets, scripts }
    }

    /// What a new installation has.
    pub fn seeds() -> TestConfiguration {
        let presets = provisions::seeds::PRESETS.map(|preset| (preset.name, preset.document().unwrap()));
        TestConfiguration::new(&provisions::seeds::PROVISIONS, &presets)
    }
}

impl ScriptRunner for TestConfiguration {
    fn run(&self, kind: ScriptKind, name: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        match self.scripts.run(kind, name, run) {
            (run, None) => Builtins.run(kind, name, run),
            done => done,
        }
    }
}

impl Configuration for TestConfiguration {
    fn select_presets(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        self.presets.select(facts)
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        &[]
    }

    fn script_fingerprint(&self, _: ScriptKind, _: &str) -> Option<u64> {
        None
    }

    fn file_size(&self, _: &str) -> Option<u64> {
        None
    }
}

/// A device, with what the server has stored of it.
pub struct Device {
    pub identity: DeviceIdStruct,
    parameters: BTreeMap<String, (TypedValue, bool)>,
    informed: Vec<&'static str>,
    stored: Option<StoredDevice>,
    faults: BTreeMap<String, FaultRecord>,
}

/// What happened in a session.
pub struct Visit {
    /// The requests, in order.
    pub requests: Vec<AcsRequest>,
    /// Everything that is known afterwards.
    pub known: BTreeMap<String, Value>,
    /// The faults that are stored afterwards.
    pub faults: Vec<FaultRecord>,
}

impl Device {
    /// Parameters are `(name, value, writable)`; each Inform tells of those in `informed`.
    pub fn new(serial: &str, parameters: &[(&str, TypedValue, bool)], informed: &[&'static str]) -> Device {
        Device {
            identity: DeviceIdStruct {
                manufacturer: "ExampleCorp".into(),
                oui: "0A1B2C".into(),
                product_class: "Gateway".into(),
                serial_number: serial.into(),
            },
            parameters: parameters
                .iter()
                .map(|(name, value, writable)| ((*name).into(), (value.clone(), *writable)))
                .collect(),
            informed: informed.to_vec(),
            stored: None,
            faults: BTreeMap::new(),
        }
    }

    pub fn value(&self, name: &str) -> &TypedValue {
        &self.parameters[name].0
    }

    /// Becomes the device that the server remembers another one to be: the same device after a reset.
    pub fn take_memory(&mut self, other: &mut Device) {
        self.stored = other.stored.take();
        self.faults = std::mem::take(&mut other.faults);
    }

    /// One session at a time in milliseconds.
    pub fn visit(&mut self, configuration: &TestConfiguration, events: &[&str], timestamp: i64) -> Visit {
        let inform = Inform {
            device_id: self.identity.clone(),
            events: events.iter().map(|code| Event { code: (*code).into(), command_key: String::new() }).collect(),
            max_envelopes: 1,
            parameter_list: self.informed.iter().map(|name| ((*name).to_owned(), self.value(name).clone())).collect(),
            ..Inform::default()
        };
        let snapshot = DeviceSnapshot {
            device: self.stored.clone(),
            faults: self.faults.values().cloned().collect(),
            ..DeviceSnapshot::default()
        };
        let mut session = Session::open(snapshot, &inform, timestamp, Settings::default());
        let mut requests = Vec::new();
        let mut input = Input::Ready;
        loop {
            match session.step(input, configuration) {
                Output::Request { request, .. } => {
                    input = self.answer(&request);
                    requests.push(request);
                    assert!(requests.len() < 200, "{requests:#?}");
                }
                Output::Finished => break,
                other => panic!("{other:?}"),
            }
        }
        self.store(session.change());
        let tree = session.tree();
        let known = tree.descendants(acs_core::tree::DeviceTree::ROOT).into_iter();
        let known = known.filter_map(|id| Some((tree.path_text(id), tree.node(id).typed_value()?.0.clone())));
        Visit { requests, known: known.collect(), faults: self.faults.values().cloned().collect() }
    }

    fn store(&mut self, change: SessionChange) {
        let before = self.stored.take();
        let mut tags = before.as_ref().map(|stored| stored.tags.clone()).unwrap_or_default();
        for (tag, value) in change.tags {
            match value {
                Some(value) => tags.insert(tag, value),
                None => tags.remove(&tag),
            };
        }
        for (channel, record) in change.faults {
            match record {
                Some(record) => self.faults.insert(channel, record),
                None => self.faults.remove(&channel),
            };
        }
        let tree = change.tree.or_else(|| before.map(|stored| stored.tree)).unwrap_or_default();
        self.stored = Some(StoredDevice { head: change.head, tags, tree });
    }

    fn answer(&mut self, request: &AcsRequest) -> Input {
        match request {
            AcsRequest::GetParameterNames { parameter_path, next_level } => self.list(parameter_path, *next_level),
            AcsRequest::GetParameterValues { parameter_names } => {
                let unknown = parameter_names.iter().any(|name| !self.parameters.contains_key(name));
                if unknown {
                    return fault("9005", "Invalid parameter name");
                }
                let values = parameter_names.iter().map(|name| (name.clone(), self.value(name).clone()));
                Input::Response(CpeResponse::GetParameterValuesResponse(values.collect()))
            }
            AcsRequest::SetParameterValues { parameter_list, .. } => {
                for (name, value) in parameter_list {
                    match self.parameters.get_mut(name) {
                        Some((stored, true)) if stored.1 == value.1 => *stored = value.clone(),
                        _ => return fault("9003", "Invalid arguments"),
                    }
                }
                Input::Response(CpeResponse::SetParameterValuesResponse { status: 0 })
            }
            other => panic!("{other:?}"),
        }
    }

    fn list(&self, path: &str, next_level: bool) -> Input {
        let mut names = BTreeSet::new();
        for name in self.parameters.keys().filter_map(|name| name.strip_prefix(path)) {
            for (index, _) in name.match_indices('.') {
                names.insert((name[..=index].to_owned(), false));
            }
            names.insert((name.to_owned(), self.parameters[&format!("{path}{name}")].1));
        }
        if names.is_empty() {
            return fault("9005", "Invalid parameter name");
        }
        let is_next = |name: &str| name.trim_end_matches('.').split('.').count() == 1;
        let names = names.into_iter().filter(|(name, _)| !next_level || is_next(name));
        let infos = names.map(|(name, writable)| ParameterInfo { name: format!("{path}{name}"), writable });
        Input::Response(CpeResponse::GetParameterNamesResponse(infos.collect()))
    }
}

impl Visit {
    /// The paths that GetParameterNames asked for; those of whole subtrees with an asterisk behind them.
    pub fn listed(&self) -> Vec<String> {
        let listed = self.requests.iter().filter_map(|request| match request {
            AcsRequest::GetParameterNames { parameter_path, next_level: true } => Some(parameter_path.clone()),
            AcsRequest::GetParameterNames { parameter_path, .. } => Some(format!("{parameter_path}*")),
            _ => None,
        });
        listed.collect()
    }

    /// What SetParameterValues set.
    pub fn set(&self) -> Vec<(String, TypedValue)> {
        let set = self.requests.iter().filter_map(|request| match request {
            AcsRequest::SetParameterValues { parameter_list, .. } => Some(parameter_list.clone()),
            _ => None,
        });
        set.flatten().collect()
    }
}

fn fault(code: &str, message: &str) -> Input {
    Input::Fault(CpeFault { code: code.into(), message: message.into(), set_parameter_values_faults: Vec::new() })
}

pub fn text(value: &str) -> TypedValue {
    TypedValue::string(value)
}

pub fn number(value: i64) -> TypedValue {
    TypedValue(Value::Int(value), XsdType::UnsignedInt)
}

pub fn flag(value: bool) -> TypedValue {
    TypedValue(Value::Bool(value), XsdType::Boolean)
}

pub fn date(milliseconds: i64) -> TypedValue {
    TypedValue(Value::Int(milliseconds), XsdType::DateTime)
}

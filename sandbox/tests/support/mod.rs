//! A small world for scripts: a device's tree, and a session that satisfies commits by letting the script go on.

#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use acs_core::declaration::Declaration;
use acs_core::script::{
    LogEntry, Memory, Outcome, RunRecord, ScriptFault, ScriptKind, ScriptRun, ScriptRunner, SessionFacts,
};
use acs_core::tree::{DeviceTree, StoredAttributes};
use acs_core::value::{TypedValue, Value, XsdType};
use sandbox::{Limits, ScriptSource, Scripts};
use serde_json::{Value as Json, json};

pub const DEVICE: &str = "001122-PC-SN1";
pub const NOW: i64 = 1_700_000_000_000;

/// What the session knows of the device.
pub fn tree() -> DeviceTree {
    let mut tree = DeviceTree::new();
    let texts = [
        ("DeviceID.SerialNumber", "SN1"),
        ("Device.DeviceInfo.SoftwareVersion", "2.0.1"),
        ("Device.DeviceInfo.Status", "Up"),
        ("Device.Hosts.Host.1.MACAddress", "02:00:00:00:00:01"),
        ("Device.Hosts.Host.2.MACAddress", "02:00:00:00:00:02"),
        ("Device.Hosts.Host.10.MACAddress", "02:00:00:00:00:0A"),
        ("Device.WiFi.SSID.1.SSID", "home"),
    ];
    for (path, text) in texts {
        let id = tree.ensure(path);
        tree.set_read_value(id, TypedValue::string(text), 1_000);
    }
    let typed = [
        ("Device.DeviceInfo.UpTime", Value::Int(90_000), XsdType::UnsignedInt),
        ("Device.WiFi.SSID.1.Enable", Value::Bool(true), XsdType::Boolean),
        ("Device.Time.CurrentLocalTime", Value::Int(NOW - 5_000), XsdType::DateTime),
        (
            "Device.IP.Interface.1.Stats.BytesReceived",
            Value::Text("18446744073709551615".into()),
            XsdType::UnsignedLong,
        ),
        ("Device.IP.Interface.1.Stats.BytesSent", Value::Text("7".into()), XsdType::UnsignedLong),
        ("Tags.known", Value::Bool(true), XsdType::Boolean),
    ];
    for (path, value, xsd_type) in typed {
        let id = tree.ensure(path);
        tree.set_read_value(id, TypedValue(value, xsd_type), 1_000);
    }
    let id = tree.ensure("Device.WiFi.SSID.1.SSID");
    tree.set_listed(id, false, true, 1_000);
    tree.set_attributes(
        id,
        StoredAttributes { notification: 2, access_list: vec!["Subscriber".into()], at: 1_000, plain_only: false },
    );
    tree
}

/// A script in its world.
pub struct World {
    pub scripts: Scripts,
    pub kind: ScriptKind,
    pub arguments: Arc<[Json]>,
    pub tree: Arc<DeviceTree>,
    pub memory: Memory,
}

impl World {
    pub fn new(source: &str) -> World {
        World::with(ScriptKind::Provision, source, Limits::default())
    }

    pub fn virtual_parameter(source: &str) -> World {
        World::with(ScriptKind::VirtualParameter, source, Limits::default())
    }

    pub fn with(kind: ScriptKind, source: &str, limits: Limits) -> World {
        let script = ScriptSource { kind, name: "test".into(), source: source.into() };
        World {
            scripts: Scripts::build([script], Some(&Scripts::empty(limits))),
            kind,
            arguments: Arc::new([json!("first"), json!({"key": [1, 2.5, null]})]),
            tree: Arc::new(tree()),
            memory: Memory::default(),
        }
    }

    /// One execution.
    pub fn step(&mut self) -> (RunRecord, Outcome) {
        let facts = SessionFacts { device_id: DEVICE.into(), timestamp: NOW };
        let memory = self.memory.clone();
        let run = ScriptRun::new(
            "test".into(),
            "preset".into(),
            self.arguments.clone(),
            Arc::new(facts),
            self.tree.clone(),
            memory,
        );
        let (run, outcome) = self.scripts.run(self.kind, "test", run);
        let record = run.into_record();
        self.memory = record.memory.clone();
        (record, outcome.unwrap())
    }

    /// Runs to the end, satisfying each commit at once. Panics when it does not end or waits for an extension.
    pub fn finish(&mut self) -> Finished {
        let mut finished =
            Finished { declarations: Vec::new(), logs: Vec::new(), commits: 0, outcome: Outcome::Suspended };
        for _ in 0..40 {
            let (record, outcome) = self.step();
            finished.declarations.extend(record.declarations);
            finished.logs.extend(record.logs);
            match outcome {
                Outcome::Suspended => {
                    finished.commits += 1;
                    self.memory.advance();
                }
                Outcome::WaitingForExtension => panic!("waits for {:?}", record.extensions),
                outcome => {
                    finished.outcome = outcome;
                    return finished;
                }
            }
        }
        panic!("does not end");
    }
}

/// All that a script did.
#[derive(Debug)]
pub struct Finished {
    pub declarations: Vec<Declaration>,
    pub logs: Vec<LogEntry>,
    pub commits: usize,
    pub outcome: Outcome,
}

impl Finished {
    pub fn messages(&self) -> Vec<&str> {
        self.logs.iter().map(|entry| entry.message.as_str()).collect()
    }

    pub fn fault(&self) -> &ScriptFault {
        match &self.outcome {
            Outcome::Failed(fault) => fault,
            other => panic!("not failed: {other:?}"),
        }
    }
}

/// Runs a provision to its end, which must be a good one.
pub fn run(source: &str) -> Finished {
    let finished = World::new(source).finish();
    assert_eq!(finished.outcome, Outcome::Finished(Json::Null), "{source}");
    finished
}

/// What a script's expression is, as JSON.
pub fn value_of(expression: &str) -> Json {
    match World::virtual_parameter(expression).finish().outcome {
        Outcome::Finished(json) => json,
        other => panic!("{expression}: {other:?}"),
    }
}

/// A script's fault.
pub fn fault_of(source: &str) -> ScriptFault {
    match World::new(source).finish().outcome {
        Outcome::Failed(fault) => fault,
        other => panic!("{source}: {other:?}"),
    }
}

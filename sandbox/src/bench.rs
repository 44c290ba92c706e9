//! What compiling and running a script costs: the sample and the measurement that benchmarks share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_core::script::{Memory, Outcome, ScriptKind, ScriptRun, ScriptRunner, SessionFacts};
use acs_core::tree::DeviceTree;
use acs_core::value::TypedValue;
use serde_json::json;

use crate::scripts::{ScriptSource, Scripts};

/// 50 lines with 20 declarations, as a script for a residential gateway has them.
pub const SAMPLE_SCRIPT: &str = include_str!("sample.rhai");

/// Average times.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Compiling [`SAMPLE_SCRIPT`] into a set.
    pub compile: Duration,
    /// Running it to its end, all values being known. On a thread marked by
    /// [`mark_script_thread`](crate::mark_script_thread) this includes no thread switch.
    pub run: Duration,
}

/// Measures on the current thread. `None` when the sample does not run as it should.
pub fn measure(rounds: u32) -> Option<Cost> {
    let source = ScriptSource { kind: ScriptKind::Provision, name: "sample".into(), source: SAMPLE_SCRIPT.into() };
    let start = Instant::now();
    let mut scripts = Scripts::default();
    for _ in 0..rounds {
        scripts = Scripts::build([source.clone()], None);
    }
    let compile = start.elapsed() / rounds.max(1);

    let tree = Arc::new(sample_tree());
    let facts = Arc::new(SessionFacts { device_id: "0A1B2C-Gateway-1".into(), timestamp: 1_700_000_000_000 });
    let arguments: Arc<[_]> = Arc::new([json!("example.net"), json!(11)]);
    let execute = |memory: Memory| {
        let run = ScriptRun::new("sample".into(), "".into(), arguments.clone(), facts.clone(), tree.clone(), memory);
        let (run, outcome) = scripts.run(ScriptKind::Provision, "sample", run);
        (run.into_record(), outcome)
    };
    let mut memory = Memory::default();
    while let (record, Some(Outcome::Suspended)) = execute(memory.clone()) {
        memory = record.memory;
        memory.advance();
    }
    let start = Instant::now();
    for _ in 0..rounds {
        if !matches!(execute(memory.clone()).1, Some(Outcome::Finished(_))) {
            return None;
        }
    }
    Some(Cost { compile, run: start.elapsed() / rounds.max(1) })
}

fn sample_tree() -> DeviceTree {
    let mut tree = DeviceTree::new();
    let values = [
        ("Device.DeviceInfo.SoftwareVersion", "2.1.0"),
        ("Device.DeviceInfo.Manufacturer", "ExampleCorp"),
        ("Device.DeviceInfo.UpTime", "4711"),
        ("Device.WiFi.SSID.1.SSID", "home"),
        ("Device.WiFi.SSID.2.SSID", "guest"),
        ("Device.Hosts.Host.1.MACAddress", "02:00:00:00:00:01"),
        ("Device.Hosts.Host.2.MACAddress", "02:00:00:00:00:02"),
        ("DeviceID.SerialNumber", "1"),
    ];
    for (path, text) in values {
        let id = tree.ensure(path);
        tree.set_read_value(id, TypedValue::string(text), 1_600_000_000_000);
    }
    tree
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_runs() {
        assert!(super::measure(1).is_some());
        assert_eq!(crate::check("sample", super::SAMPLE_SCRIPT), []);
    }
}

//! Any script ends within its limits, whatever it does.
#![no_main]

use std::sync::Arc;

use acs_core::script::{Memory, ScriptKind, ScriptRun, ScriptRunner, SessionFacts};
use acs_core::tree::DeviceTree;
use libfuzzer_sys::fuzz_target;
use sandbox::{ScriptSource, Scripts};

fuzz_target!(|source: &str| {
    let name: Arc<str> = "fuzz".into();
    let scripts = Scripts::build([ScriptSource { kind: ScriptKind::Provision, name: name.clone(), source: source.into() }], None);
    let facts = SessionFacts { device_id: "0A1B2C-Box-1".into(), timestamp: 1_700_000_000_000 };
    let tree = Arc::new(DeviceTree::new());
    let run = ScriptRun::new(name, "".into(), Arc::new([]), Arc::new(facts), tree, Memory::default());
    scripts.run(ScriptKind::Provision, "fuzz", run);
});

//! Micro-benchmarks of the hot path's parts: `cargo bench -p lodestar`. Whole sessions are measured by `lodestar bench`.

use std::sync::Arc;

use acs_core::change::DeviceSnapshot;
use acs_core::device::{DeviceHead, StoredDevice};
use acs_core::rpc::{AcsRequest, CpeResponse, Inform, ParameterInfo};
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output, Session};
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use divan::{Bencher, black_box};
use lodestar::snapshot::{Documents, Snapshot};
use sandbox::Limits;
use serde_json::json;

fn main() {
    sandbox::mark_script_thread();
    // Benchmarks run on a stack as large as a script may need.
    let bench = std::thread::Builder::new().stack_size(sandbox::STACK_SIZE).spawn(|| {
        sandbox::mark_script_thread();
        divan::main();
    });
    if let Ok(thread) = bench {
        let _ = thread.join();
    }
}

const NOW: i64 = 1_700_000_000_000;

/// A known device with so many parameters in rows of ten.
fn tree(parameters: usize) -> DeviceTree {
    let mut tree = DeviceTree::new();
    tree.set_enumerated(DeviceTree::ROOT, NOW - 10_000);
    for index in 0..parameters {
        let path = format!("Device.Table.{}.Parameter{}", index / 10 + 1, index % 10);
        let id = tree.ensure(&path);
        tree.set_listed(id, false, true, NOW - 10_000);
        tree.set_read_value(id, TypedValue(Value::Int(index as i64), XsdType::UnsignedInt), NOW - 10_000);
        let mut parent = tree.parent(id);
        while parent != DeviceTree::ROOT {
            tree.set_listed(parent, true, true, NOW - 10_000);
            tree.set_enumerated(parent, NOW - 10_000);
            parent = tree.parent(parent);
        }
    }
    tree
}

fn snapshot(tree: DeviceTree) -> DeviceSnapshot {
    let head = DeviceHead { id: "0A1B2C-Box-1".into(), registered: 1, last_inform: NOW - 10_000, ..Default::default() };
    let device = StoredDevice { head, tags: Default::default(), tree: Arc::new(tree) };
    DeviceSnapshot { device: Some(device), ..Default::default() }
}

fn inform() -> Inform {
    let mut inform = Inform::default();
    inform.device_id.oui = "0A1B2C".into();
    inform.device_id.product_class = "Box".into();
    inform.device_id.serial_number = "1".into();
    inform
}

fn configuration(script: &str) -> Snapshot {
    let mut documents = Documents::default();
    documents.provisions.insert("p".into(), script.into());
    documents.presets.insert("p".into(), json!({ "provisions": ["p"] }));
    Snapshot::build(&documents, None, &Limits::default()).0
}

#[divan::bench(args = [200, 600, 2000])]
fn encode_tree(bencher: Bencher<'_, '_>, parameters: usize) {
    let tree = tree(parameters);
    bencher.bench(|| black_box(&tree).encode());
}

#[divan::bench(args = [200, 600, 2000])]
fn decode_tree(bencher: Bencher<'_, '_>, parameters: usize) {
    let bytes = tree(parameters).encode();
    bencher.bench(|| DeviceTree::decode(black_box(&bytes)));
}

/// A session in which nothing is to be done: open, one script run, finished.
#[divan::bench]
fn quiet_session(bencher: Bencher<'_, '_>) {
    let configuration = configuration(r#"declare("Device.Table.1.Parameter1", #{value: 1}, #{value: 1});"#);
    let inform = inform();
    bencher.with_inputs(|| snapshot(tree(200))).bench_values(|snapshot| {
        let mut session = Session::open(snapshot, &inform, NOW, Settings::default());
        session.step(Input::Ready, &configuration)
    });
}

/// Planning a thousand declarations over a tree of 5,000 parameters, all satisfied.
#[divan::bench]
fn plan_1000_declarations(bencher: Bencher<'_, '_>) {
    let script = "for i in 1..101 { for p in 0..10 { declare(`Device.Table.${i}.Parameter${p}`, #{value: 1}); } }";
    let configuration = configuration(script);
    let inform = inform();
    bencher.with_inputs(|| snapshot(tree(5_000))).bench_values(|snapshot| {
        let mut session = Session::open(snapshot, &inform, NOW, Settings::default());
        assert_eq!(session.step(Input::Ready, &configuration), Output::Finished);
    });
}

/// Refreshing 5,000 parameters: names, values in batches of 32, planning after each answer. Without XML and network.
#[divan::bench(sample_count = 10)]
fn refresh_5000_parameters(bencher: Bencher<'_, '_>) {
    let configuration = configuration(r#"declare("Device.**", #{path: now(), value: now()});"#);
    let inform = inform();
    let known = tree(5_000);
    let names: Vec<ParameterInfo> = known
        .descendants(DeviceTree::ROOT)
        .into_iter()
        .map(|id| {
            let dot = if known.node(id).object { "." } else { "" };
            ParameterInfo { name: format!("{}{dot}", known.path_text(id)), writable: true }
        })
        .collect();
    bencher.with_inputs(|| snapshot(tree(5_000))).bench_values(|snapshot| {
        let mut session = Session::open(snapshot, &inform, NOW, Settings::default());
        let mut output = session.step(Input::Ready, &configuration);
        while let Output::Request { request, .. } = output {
            let response = match request {
                AcsRequest::GetParameterNames { .. } => CpeResponse::GetParameterNamesResponse(names.clone()),
                AcsRequest::GetParameterValues { parameter_names } => CpeResponse::GetParameterValuesResponse(
                    parameter_names
                        .into_iter()
                        .map(|name| (name, TypedValue(Value::Int(7), XsdType::UnsignedInt)))
                        .collect(),
                ),
                other => unreachable!("a refresh only reads, not {}", other.name()),
            };
            output = session.step(Input::Response(response), &configuration);
        }
    });
}

/// One run of a script of 50 lines with 20 declarations, and its compilation.
#[divan::bench]
fn script_run(bencher: Bencher<'_, '_>) {
    bencher.bench(|| sandbox::measure(1));
}

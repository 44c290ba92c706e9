//! What a device tells is kept up to a limit, and the device is marked when it tells more.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::declaration::{Freshness, Named, Wanted};
use acs_core::device::StoredDevice;
use acs_core::rpc::{AcsRequest, CpeResponse, DeviceIdStruct, Event, Inform, ParameterInfo};
use acs_core::script::{Outcome, ScriptKind, ScriptRun, ScriptRunner};
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset, SelectedProvision};
use acs_core::session::quota::{MAX_BYTES, MAX_NAME, MAX_NODES};
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output, Session};
use acs_core::tree::DeviceTree;
use acs_core::value::TypedValue;
use serde_json::Value as Json;

/// A device that only informs.
#[derive(Default)]
struct World {
    device: Option<StoredDevice>,
    now: i64,
}

impl World {
    /// A session of nothing but an Inform. Returns its change and the number of lines that it logged.
    fn inform(&mut self, event: &str, values: Vec<(String, TypedValue)>) -> (SessionChange, usize) {
        self.now += 1_000;
        let device_id = DeviceIdStruct { oui: "0A1B2C".into(), serial_number: "1".into(), ..Default::default() };
        let events = vec![Event { code: event.into(), command_key: String::new() }];
        let inform = Inform { device_id, events, parameter_list: values, ..Default::default() };
        let snapshot = DeviceSnapshot { device: self.device.take(), ..Default::default() };
        let before = snapshot.device.as_ref().map(|device| device.tree.clone()).unwrap_or_default();
        let mut session = Session::open(snapshot, &inform, self.now, Settings::default());
        let change = session.change();
        let tree = change.tree.clone().unwrap_or(before);
        self.device = Some(StoredDevice { head: change.head.clone(), tags: Default::default(), tree });
        (change, session.take_log().len())
    }

    fn tree(&self) -> DeviceTree {
        self.device.as_ref().unwrap().full_tree()
    }
}

/// One provision that asks for the names and values below a root.
struct Everything;

impl ScriptRunner for Everything {
    fn run(&self, _: ScriptKind, _: &str, mut run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        let fresh = Freshness { path: run.now(), value: run.now(), ..Freshness::default() };
        run.declare("Device.**", fresh, Wanted::default(), Named::default(), 1, 1).unwrap();
        (run, Some(Outcome::Finished(Json::Null)))
    }
}

impl Configuration for Everything {
    fn select_presets(&self, _: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        let provisions = vec![SelectedProvision { name: "everything".into(), arguments: Vec::new() }];
        vec![SelectedPreset { name: "p".into(), weight: 0, channel: "c".into(), precondition: None, provisions }]
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        &[]
    }

    fn script_fingerprint(&self, _: ScriptKind, _: &str) -> Option<u64> {
        Some(1)
    }

    fn file_size(&self, _: &str) -> Option<u64> {
        None
    }
}

fn values(names: impl Iterator<Item = String>, value: &str) -> Vec<(String, TypedValue)> {
    names.map(|name| (name, TypedValue::string(value))).collect()
}

#[test]
fn informs_with_ever_new_names_do_not_fill_a_device() {
    let mut world = World::default();
    let (change, _) = world.inform("2 PERIODIC", values((0..10).map(|index| format!("Device.P{index}")), ""));
    assert_eq!(change.head.overflow, None);
    for round in 0..6 {
        let names = (0..MAX_NODES / 4).map(|index| format!("Device.X_{round}.P{index}"));
        let (change, lines) = world.inform("2 PERIODIC", values(names, "x"));
        assert!(lines <= 2, "{lines} lines");
        assert!(change.head.informed.is_empty(), "they are in the tree, where they count");
    }
    let tree = world.tree();
    // The server's own roots are beside the device's.
    assert!(tree.len() > MAX_NODES / 2 && tree.len() < MAX_NODES + 50, "{}", tree.len());
    let overflow = world.device.as_ref().unwrap().head.overflow.clone().unwrap();
    assert_eq!(overflow.at, world.now);
    assert!(overflow.reason.contains("parameters"), "{}", overflow.reason);

    let (change, _) = world.inform("2 PERIODIC", values((0..10).map(|index| format!("Device.P{index}")), "new"));
    assert_eq!(change.head.overflow.unwrap().at, overflow.at, "the mark stays, with its time");
    assert_eq!(change.head.informed.len(), 10, "what is known is still heard");
    let (change, _) = world.inform("0 BOOTSTRAP", Vec::new());
    assert_eq!(change.head.overflow, None, "a device that starts afresh has no mark");
}

/// A session with a device that answers GetParameterNames with `names`, and each value with `value`.
fn discovered(names: impl Iterator<Item = String>, value: &str) -> SessionChange {
    let device_id = DeviceIdStruct { oui: "0A1B2C".into(), serial_number: "1".into(), ..Default::default() };
    let inform = Inform { device_id, ..Default::default() };
    let settings = Settings { batch_size: 10_000, ..Settings::default() };
    let mut session = Session::open(DeviceSnapshot::default(), &inform, 1_000, settings);
    let list: Vec<_> = names.map(|name| ParameterInfo { name, writable: true }).collect();
    let mut input = Input::Ready;
    loop {
        let response = match session.step(input, &Everything) {
            Output::Request { request: AcsRequest::GetParameterNames { .. }, .. } => {
                CpeResponse::GetParameterNamesResponse(list.clone())
            }
            Output::Request { request: AcsRequest::GetParameterValues { parameter_names }, .. } => {
                CpeResponse::GetParameterValuesResponse(values(parameter_names.into_iter(), value))
            }
            Output::Finished => return session.change(),
            other => panic!("{other:?}"),
        };
        input = Input::Response(response);
    }
}

#[test]
fn a_flood_of_names_is_kept_in_part_whatever_their_order() {
    let names = ["Device.".to_owned()]
        .into_iter()
        .chain((0..MAX_NODES + 10_000).rev().map(|index| format!("Device.T.{index}.")));
    let change = discovered(names, "");
    let tree = change.tree.unwrap();
    assert!(tree.len() > MAX_NODES - 50 && tree.len() < MAX_NODES + 50, "{}", tree.len());
    assert!(tree.find("Device.T.0").is_some(), "the first in the tree's order are kept");
    assert_eq!(change.head.overflow.unwrap().at, 1_000);
}

#[test]
fn a_flood_of_bytes_is_kept_in_part_and_the_rest_counts_as_unanswered() {
    let large = "x".repeat(MAX_BYTES / 10);
    let change = discovered((0..40).map(|index| format!("Device.P{index}")), &large);
    let tree = change.tree.unwrap();
    let read =
        |index: &i32| tree.find(&format!("Device.P{index}")).and_then(|id| tree.node(id).typed_value()).is_some();
    let count = (0..40).filter(read).count();
    assert!((5..=10).contains(&count), "{count}");
    assert!(change.head.overflow.unwrap().reason.contains("bytes"));
}

#[test]
fn values_of_any_size_do_not_fill_a_device() {
    let mut world = World::default();
    let large = "x".repeat(MAX_BYTES / 4);
    for round in 0..8 {
        world.inform("2 PERIODIC", values([format!("Device.P{round}")].into_iter(), &large));
    }
    let bytes: usize = world.tree().encode().len();
    assert!(bytes <= MAX_BYTES, "{bytes}");
    let overflow = world.device.as_ref().unwrap().head.overflow.clone().unwrap();
    assert!(overflow.reason.contains("bytes"), "{}", overflow.reason);
    assert!(world.tree().find("Device.P1").is_some() && world.tree().find("Device.P7").is_none());
}

#[test]
fn what_is_no_name_is_ignored_in_one_line() {
    let mut world = World::default();
    let names = (0..10_000).map(|index| format!("Device.no name {index}")).chain(["x".repeat(MAX_NAME + 1)]);
    let (change, lines) = world.inform("2 PERIODIC", values(names, "x"));
    assert_eq!((change.head.informed.len(), lines), (0, 1));
    assert_eq!(change.head.overflow, None);
}

#[test]
fn children_are_removed_together_and_the_others_stay_in_order() {
    let mut tree = DeviceTree::new();
    for index in 1..=10 {
        tree.ensure(&format!("Device.Table.{index}.Name"));
    }
    let table = tree.find("Device.Table").unwrap();
    let even: Vec<_> =
        tree.children(table).iter().copied().filter(|&id| tree.name(id).parse::<u32>().unwrap() % 2 == 0).collect();
    let before = tree.len();
    tree.remove_children(table, &even);
    assert_eq!(tree.len(), before - 10);
    let left: Vec<Arc<str>> = tree.children(table).iter().map(|&id| tree.name(id).clone()).collect();
    assert_eq!(left.iter().map(|name| &**name).collect::<Vec<_>>(), ["1", "3", "5", "7", "9"]);
    assert!(tree.find("Device.Table.4.Name").is_none() && tree.find("Device.Table.5.Name").is_some());
}

//! What each built-in declares, and what it refuses.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use acs_core::clock::now_interval;
use acs_core::declaration::Declaration;
use acs_core::script::{Memory, RunRecord, SessionFacts};
use acs_core::starstate::StarStateCall;
use acs_core::tree::DeviceTree;
use acs_core::value::TypedValue;
use serde_json::{Value as Json, json};

use super::*;

const NOW: i64 = 1_700_000_000_000;
const DEVICE: &str = "0A1B2C-Router-SN1";

fn run(name: &str, arguments: &Json, tree: &Arc<DeviceTree>, memory: Memory) -> (RunRecord, Option<Outcome>) {
    let facts = SessionFacts { device_id: DEVICE.into(), timestamp: NOW };
    let arguments: Arc<[Json]> = arguments.as_array().unwrap().clone().into();
    let run = ScriptRun::new(name.into(), "".into(), arguments, facts.into(), tree.clone(), memory);
    let (run, outcome) = Builtins.run(ScriptKind::Provision, name, run);
    (run.into_record(), outcome)
}

/// What a built-in declares at its first run, which must finish.
fn declared(name: &str, arguments: &Json) -> Vec<String> {
    let (record, outcome) = run(name, arguments, &DeviceTree::new().into(), Memory::default());
    assert_eq!(outcome, Some(Outcome::Finished(Json::Null)), "{name}{arguments}");
    record.declarations.iter().map(shown).collect()
}

/// A declaration in one line. Times are shown as how many milliseconds they lie before now; "1" stays.
fn shown(declaration: &Declaration) -> String {
    let mut text = declaration.path.to_string();
    let fresh = &declaration.fresh;
    let times = [
        ("path", fresh.path),
        ("value", fresh.value),
        ("object", fresh.object),
        ("writable", fresh.writable),
        ("notification", fresh.notification),
        ("accessList", fresh.access_list),
    ];
    for (attribute, time) in times {
        match time {
            0 => {}
            1 => text.push_str(&format!(" {attribute}:known")),
            _ => text.push_str(&format!(" {attribute}:-{}", NOW - time)),
        }
    }
    let wanted = &declaration.wanted;
    if let Some((value, xsd_type)) = &wanted.value {
        text.push_str(&format!(" = {value:?}"));
        text.extend(xsd_type.iter().map(|xsd_type| format!(" as {xsd_type}")));
    }
    text.extend(wanted.notification.iter().map(|notification| format!(" notify {notification}")));
    text.extend(wanted.access_list.iter().map(|list| format!(" access {list:?}")));
    text.extend(wanted.instances.iter().map(|count| match count.max {
        u32::MAX => format!(" x{}+", count.min),
        max => format!(" x{}-{max}", count.min),
    }));
    text
}

fn tree(paths: &[&str]) -> Arc<DeviceTree> {
    let mut tree = DeviceTree::new();
    for path in paths {
        let id = tree.ensure(path);
        tree.set_read_value(id, TypedValue::string("x"), 5);
    }
    Arc::new(tree)
}

#[test]
fn refresh_wants_fresh_knowledge() {
    let before = |interval: i64| NOW - now_interval(NOW, DEVICE, interval, interval).unwrap();
    let all = |age: i64| format!("path:-{age} value:-{age} object:known writable:known");
    let with_children = |path: &str, age: i64| vec![format!("{path} {}", all(age)), format!("{path}.** {}", all(age))];
    let cases = [
        (json!(["Device.WiFi"]), with_children("Device.WiFi", before(1_000))),
        (json!(["Device.WiFi."]), with_children("Device.WiFi", before(1_000))),
        (json!(["Device.WiFi", null]), with_children("Device.WiFi", before(1_000))),
        (json!(["Device.WiFi", 3600]), with_children("Device.WiFi", before(3_600_000))),
        (json!(["Device.WiFi", "3600"]), with_children("Device.WiFi", before(3_600_000))),
        (json!(["Device.WiFi", 0]), with_children("Device.WiFi", 0)),
        (json!(["*.WiFi.*", 0]), with_children("*.WiFi.*", 0)),
        (json!(["Device.WiFi", 0, false, "value"]), vec!["Device.WiFi path:known value:-0".to_owned()]),
        (json!(["Device.WiFi", 0, false]), vec!["Device.WiFi path:known".to_owned()]),
        (
            json!(["Device.WiFi", 0, "true", "path", "notification", "accessList"]),
            vec![
                "Device.WiFi path:-0 notification:-0 accessList:-0".to_owned(),
                "Device.WiFi.** path:-0 notification:-0 accessList:-0".to_owned(),
            ],
        ),
        (
            json!(["Device.WiFi", 0, 0, "object", "writable"]),
            vec!["Device.WiFi path:known object:-0 writable:-0".to_owned()],
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(declared("refresh", &arguments), expected, "{arguments}");
    }
    // The whole tree.
    assert_eq!(declared("refresh", &json!(["", 0])), [format!(" {}", all(0)), format!("** {}", all(0))]);
}

#[test]
fn the_others_want_something_to_be_true() {
    let known = "path:known value:known";
    let now = format!("{known} = Int({NOW})");
    let set = |value: &str| vec![format!("Device.A.B {known} = {value}")];
    let entry = |pairs: &str| {
        vec![format!("Downloads.[{pairs}] path:known x1-1"), format!("Downloads.[{pairs}].Download {now}")]
    };
    let cases = [
        ("value", json!(["Device.A.B", "x"]), set(r#"Text("x")"#)),
        ("value", json!(["Device.A.B", 5]), set("Int(5)")),
        ("value", json!(["Device.A.B", 1.5]), set("Float(1.5)")),
        ("value", json!(["Device.A.B", 18446744073709551615u64]), set(r#"Text("18446744073709551615")"#)),
        ("value", json!(["Device.A.B", "value", true]), set("Bool(true)")),
        ("value", json!(["Device.A.B", "value", "x", null]), set(r#"Text("x")"#)),
        ("value", json!(["Device.A.B", "value", "5", "xsd:unsignedInt"]), set(r#"Text("5") as xsd:unsignedInt"#)),
        (
            "value",
            json!(["Device.A.B", "notification", 2]),
            vec!["Device.A.B path:known notification:known notify 2".to_owned()],
        ),
        (
            "value",
            json!(["Device.A.B", "notification", "0"]),
            vec!["Device.A.B path:known notification:known notify 0".to_owned()],
        ),
        (
            "value",
            json!(["Device.A.B", "accessList", "Subscriber, other,"]),
            vec![r#"Device.A.B path:known accessList:known access ["Subscriber", "other"]"#.to_owned()],
        ),
        (
            "value",
            json!(["Device.A.B", "accessList", ""]),
            vec!["Device.A.B path:known accessList:known access []".to_owned()],
        ),
        ("tag", json!(["lab", true]), vec![format!("Tags.lab {known} = Bool(true)")]),
        ("tag", json!(["lab", "false"]), vec![format!("Tags.lab {known} = Bool(false)")]),
        ("tag", json!(["lab", null]), vec![format!("Tags.lab {known} = Bool(false)")]),
        ("tag", json!(["lab", ""]), vec![format!("Tags.lab {known} = Bool(false)")]),
        ("tag", json!(["lab", 1]), vec![format!("Tags.lab {known} = Bool(true)")]),
        ("tag", json!(["site", "Lodz 4"]), vec![format!(r#"Tags.site {known} = Text("Lodz 4")"#)]),
        ("tag", json!(["a0x2Eb", true]), vec![format!("Tags.a.b {known} = Bool(true)")]),
        ("tag", json!(["a.b", true]), vec![format!("Tags.a.b {known} = Bool(true)")]),
        ("reboot", json!([]), vec![format!("Reboot {now}")]),
        ("reset", json!([]), vec![format!("FactoryReset {now}")]),
        ("download", json!(["1 Firmware Upgrade Image", "fw.bin"]), {
            entry("FileName:fw.bin,FileType:1 Firmware Upgrade Image,TargetFileName:")
        }),
        ("download", json!(["3 Vendor Configuration File", "a,b.cfg", "run]"]), {
            entry(r#"FileName:"a,b.cfg",FileType:3 Vendor Configuration File,TargetFileName:"run]""#)
        }),
        ("instances", json!(["Device.A.*", 3]), vec!["Device.A.* path:known x3-3".to_owned()]),
        ("instances", json!(["Device.A.[K:v]", "1"]), vec!["Device.A.[K:v] path:known x1-1".to_owned()]),
        ("instances", json!(["Device.A.2.", 0]), vec!["Device.A.2 path:known x0-0".to_owned()]),
    ];
    for (name, arguments, expected) in cases {
        assert_eq!(declared(name, &arguments), expected, "{name}{arguments}");
    }
}

#[test]
fn a_relative_count_is_relative_to_the_start_however_often_it_runs() {
    let start = ["Device.A.1.K", "Device.A.2.K"];
    let grown = ["Device.A.1.K", "Device.A.2.K", "Device.A.3.K"];
    let cases = [
        ("+1", "Device.A.* path:known", "Device.A.* path:known x3+"),
        ("+0", "Device.A.* path:known", "Device.A.* path:known x2+"),
        ("-1", "Device.A.* path:-0", "Device.A.* path:known x0-1"),
        ("-5", "Device.A.* path:-0", "Device.A.* path:known x0-0"),
    ];
    for (count, read, wanted) in cases {
        let arguments = json!(["Device.A.*", count]);
        let (mut record, outcome) = run("instances", &arguments, &tree(&start), Memory::default());
        assert_eq!(outcome, Some(Outcome::Suspended), "it reads first");
        assert_eq!(record.declarations.iter().map(shown).collect::<Vec<_>>(), [read], "{count}");
        record.memory.advance();
        for now_there in [&start[..], &grown, &start[..1]] {
            let (again, outcome) = run("instances", &arguments, &tree(now_there), record.memory.clone());
            assert_eq!(outcome, Some(Outcome::Finished(Json::Null)));
            assert_eq!(again.declarations.iter().map(shown).collect::<Vec<_>>(), [wanted], "{count}");
            record = again;
        }
    }
}

#[test]
fn wrong_arguments_are_explained() {
    let cases = [
        ("refresh", json!([]), "expected a path, optionally seconds"),
        ("refresh", json!([5]), "argument 1 must be a path, not 5"),
        ("refresh", json!(["a..b"]), r#"invalid parameter path "a..b": empty segment at character 2"#),
        ("refresh", json!(["a", -1]), "argument 2 must be a number of seconds, not -1"),
        ("refresh", json!(["a", "soon"]), r#"argument 2 must be a number of seconds, not "soon""#),
        ("refresh", json!(["a", 1, "maybe"]), r#"argument 3 must be true or false, not "maybe""#),
        ("refresh", json!(["a", 1, true, "colour"]), "argument 4 must be one of path, value"),
        ("value", json!(["a"]), "expected a path and a value"),
        ("value", json!(["a", null]), "argument 2 must be a value, not null"),
        ("value", json!(["a", ["x"]]), r#"argument 2 must be a value, not ["x"]"#),
        ("value", json!(["a", "colour", 1]), "argument 2 must be value, notification or accessList"),
        ("value", json!(["a", "notification", 7]), "argument 3 must be a number from 0 to 6, not 7"),
        ("value", json!(["a", "notification", 1, "xsd:int"]), "argument 4 must be absent"),
        ("value", json!(["a", "accessList", 1]), "argument 3 must be names separated by commas, not 1"),
        ("value", json!(["a", "value", 1, 2]), "argument 4 must be a type, not 2"),
        ("value", json!(["a", "value", 1, "xsd:int", 1]), "expected a path and a value"),
        ("tag", json!(["lab"]), "expected a tag's name and a value; got 1"),
        ("tag", json!([1, true]), "argument 1 must be a tag's name, not 1"),
        ("tag", json!(["*", false]), r#"argument 1 must be the name of one tag, not "*""#),
        ("tag", json!(["lab", [1]]), "argument 2 must be true or false, not [1]"),
        ("reboot", json!([1]), "expected none; got 1"),
        ("reset", json!([1]), "expected none; got 1"),
        ("download", json!(["1 Firmware Upgrade Image"]), "expected a file type, a file name"),
        ("download", json!([1, "x"]), "argument 1 must be a file type, not 1"),
        ("download", json!(["1", "x", 5]), "argument 3 must be a target file name, not 5"),
        ("instances", json!(["a.*"]), "expected a path and a count; got 1"),
        ("instances", json!(["a.*", "many"]), "argument 2 must be a count from 0 to 1000"),
        ("instances", json!(["a.*", -1]), "argument 2 must be a count from 0 to 1000"),
        ("instances", json!(["a.*", 1001]), "argument 2 must be a count from 0 to 1000"),
        ("instances", json!(["a.*", "+-1"]), "argument 2 must be a count from 0 to 1000"),
    ];
    for (name, arguments, expected) in cases {
        let (record, outcome) = run(name, &arguments, &tree(&[]), Memory::default());
        let Some(Outcome::Failed(fault)) = outcome else { panic!("{name}{arguments}: {outcome:?}") };
        assert_eq!(fault.code, "script.Error");
        let start = format!("{name}: Invalid arguments: {expected}");
        assert!(fault.message.starts_with(&start), "{name}{arguments}: {}", fault.message);
        assert_eq!(fault.detail.unwrap()["script"], name);
        assert!(record.declarations.is_empty(), "{name}{arguments}");
    }
}

#[test]
fn what_the_engine_refuses_is_a_fault_too() {
    for (name, arguments, expected) in [
        ("instances", json!(["Device.A.**", 1]), "instances: Device.A.**: an instance count needs a path"),
        ("tag", json!(["a\u{7}", true]), "tag: invalid parameter path"),
    ] {
        let (_, outcome) = run(name, &arguments, &tree(&[]), Memory::default());
        let Some(Outcome::Failed(fault)) = outcome else { panic!("{name}{arguments}: {outcome:?}") };
        assert_eq!(fault.code, "script.Error");
        assert!(fault.message.starts_with(expected), "{}", fault.message);
    }
}

#[test]
fn there_are_no_others() {
    let facts = Arc::new(SessionFacts { device_id: DEVICE.into(), timestamp: NOW });
    let new = || ScriptRun::new("x".into(), "".into(), Arc::new([]), facts.clone(), tree(&[]), Memory::default());
    for name in BUILTIN_NAMES {
        assert!(is_builtin(name) && Builtins.run(ScriptKind::Provision, name, new()).1.is_some(), "{name}");
        assert!(Builtins.run(ScriptKind::VirtualParameter, name, new()).1.is_none(), "{name}");
    }
    assert!(!is_builtin("wifi") && Builtins.run(ScriptKind::Provision, "wifi", new()).1.is_none());
}

#[test]
fn a_document_is_asked_for_and_its_failure_is_the_provisions() {
    let tree: Arc<DeviceTree> = DeviceTree::new().into();
    let asked = |arguments: &Json| {
        let (record, outcome) = run("starstate", arguments, &tree, Memory::default());
        assert_eq!(outcome, Some(Outcome::WaitingForExtension), "{arguments}");
        record
    };
    let asks =
        |record: &RunRecord| serde_json::to_value(StarStateCall::of(&record.extensions[0]).unwrap().ask).unwrap();
    for (arguments, document, options) in [
        (json!(["home"]), json!("home"), Json::Null),
        (json!(["home", null]), json!("home"), Json::Null),
        (json!([{"choose": {}}, {"port": 8728}]), json!({"choose": {}}), json!({"port": 8728})),
        (json!([" {\"choose\": {}}", "{\"port\": 8728}"]), json!({"choose": {}}), json!({"port": 8728})),
    ] {
        let expected = json!({"ensure": {"document": document, "options": options}});
        assert_eq!(asks(&asked(&arguments)), expected, "{arguments}");
    }
    let call = asked(&json!(["home"])).extensions.remove(0);
    let answered = |answer: Json| {
        let mut memory = asked(&json!(["home"])).memory;
        memory.set_extension_result(call.arguments.clone(), Ok(answer));
        run("starstate", &json!(["home"]), &tree, memory).1.unwrap()
    };
    assert_eq!(answered(json!({"status": "applying"})), Outcome::Finished(Json::Null));
    let fault = json!({"code": "starstate.step_failed", "message": "refused", "detail": null});
    let Outcome::Failed(fault) = answered(json!({"status": "failed", "fault": fault})) else { panic!("no fault") };
    assert_eq!((fault.code.as_str(), fault.message.as_str()), ("starstate.step_failed", "starstate: refused"));
    for arguments in [json!([]), json!([5]), json!([" "]), json!(["{"]), json!(["a", "b"]), json!(["a", {}, 1])] {
        let (_, outcome) = run("starstate", &arguments, &tree, Memory::default());
        assert!(matches!(outcome, Some(Outcome::Failed(_))), "{arguments}");
    }
}

//! Presets, channels, weights, tasks, faults and limits (docs/engine.md, "Rounds" and "Faults").

use acs_core::task::TaskState;
use serde_json::json;

use crate::bench::{Scenario, only};

const CODE: &str = "Device.DeviceInfo.ProvisioningCode";

fn set(value: &str) -> String {
    format!(r#"declare("{CODE}", (), #{{value: "{value}"}});"#)
}

#[test]
fn presets_match_by_events_schedule_and_precondition() {
    let cases = [
        (json!({}), &["2 PERIODIC"][..], true),
        (json!({"events": {"1 BOOT": true}}), &["2 PERIODIC"], false),
        (json!({"events": {"1 BOOT": true}}), &["0 BOOTSTRAP", "1 BOOT"], true),
        (json!({"events": {"1 BOOT": true, "0 BOOTSTRAP": false}}), &["0 BOOTSTRAP", "1 BOOT"], false),
        (json!({"events": {"X 0A1B2C Thing": true}}), &["X 0A1B2C Thing"], true),
        (json!({"events": {"Registered": true}}), &["2 PERIODIC"], false),
        (json!({"precondition": "DeviceID.OUI = '0A1B2C'"}), &["2 PERIODIC"], true),
        (json!({"precondition": "Device.DeviceInfo.UpTime > 1000"}), &["2 PERIODIC"], false),
        (json!({"precondition": "Device.DeviceInfo.Nothing = 1"}), &["2 PERIODIC"], false),
        (json!({"precondition": "Tags.none IS NULL"}), &["2 PERIODIC"], true),
        (json!({"precondition": "{\"_tags\": \"none\"}"}), &["2 PERIODIC"], false),
        // The clock stands at 22:13 and 23:03 UTC on a Tuesday.
        (json!({"schedule": "7200 0 22 * * *"}), &["2 PERIODIC"], true),
        (json!({"schedule": "600 0 22 * * *"}), &["2 PERIODIC"], false),
        (json!({"schedule": {"h": [22, 23]}}), &["2 PERIODIC"], true),
        (json!({"schedule": {"h": [1]}}), &["2 PERIODIC"], false),
    ];
    for (document, events, runs) in cases {
        let mut scenario = Scenario::router().preset("p", document.clone(), &set("x")).known();
        let visit = scenario.session(events);
        scenario.expect_no_fault();
        assert_eq!(only(&visit, "SPV").len() == 1, runs, "{document} in {events:?}: {:?}", visit.requests);
    }
}

#[test]
fn a_precondition_fetches_what_it_mentions() {
    let mut scenario =
        Scenario::router().preset("p", json!({"precondition": "Device.DeviceInfo.UpTime < 1000"}), &set("x"));
    let visit = scenario.periodic();
    assert_eq!(visit.requests[..2], ["GPN Device.DeviceInfo. next", "GPV Device.DeviceInfo.UpTime"]);
    assert_eq!(only(&visit, "SPV").len(), 1);
}

#[test]
fn arguments_are_evaluated_for_the_device() {
    let preset = json!({ "configurations": [{"type": "provision", "name": "p", "args": [5, ["PARAM", "DeviceID.SerialNumber"]]}] });
    let mut scenario = Scenario::router()
        .provision("p", &format!(r#"declare("{CODE}", (), #{{value: args[1] + args[0]}});"#))
        .preset_document("p", preset);
    scenario.periodic();
    scenario.expect_no_fault();
    assert_eq!(scenario.device.value(CODE), Some(&"S15".into()));
}

#[test]
fn old_configuration_types_still_work() {
    let preset = json!({ "configurations": [
        {"type": "value", "name": CODE, "value": "old"},
        {"type": "add_tag", "tag": "seen"},
        {"type": "age", "name": "Device.DeviceInfo.UpTime", "age": "60"},
    ]});
    let mut scenario = Scenario::router().preset_document("p", preset);
    scenario.periodic();
    scenario.expect_no_fault();
    assert_eq!(scenario.device.value(CODE), Some(&"old".into()));
    assert_eq!(scenario.stored("Tags.seen"), Some(true.into()));
    assert_eq!(scenario.stored("Device.DeviceInfo.UpTime"), Some(120.into()));
}

#[test]
fn equal_calls_of_two_presets_run_once() {
    let preset = |channel: &str| json!({"channel": channel, "provisions": ["p"]});
    let mut scenario = Scenario::router()
        .provision("p", r#"log("ran");"#)
        .preset_document("a", preset("x"))
        .preset_document("b", preset("y"));
    let visit = scenario.periodic();
    assert_eq!(visit.log.iter().filter(|line| line.message == "ran").count(), 1);
}

#[test]
fn a_faulted_channel_waits_and_the_others_go_on() {
    let mut scenario = Scenario::router()
        .preset("bad", json!({"channel": "bad"}), "throw \"no\";")
        .preset("also-bad", json!({"channel": "bad"}), r#"declare("Tags.never", (), #{value: true});"#)
        .preset("good", json!({"channel": "good"}), &set("x"));
    scenario.world.settings.retry.delay = 10_000_000;
    scenario.periodic();
    assert_eq!(scenario.device.value(CODE), Some(&"x".into()));
    assert_eq!(scenario.fault().channel, "bad");
    assert_eq!(scenario.stored("Tags.never"), None, "the whole channel waits");
    let before = scenario.fault().clone();
    scenario.periodic();
    assert_eq!(scenario.fault().retries, before.retries, "not due yet");
}

#[test]
fn success_clears_a_fault() {
    let mut scenario = Scenario::router()
        .script(&format!(r#"if declare("{CODE}", #{{value: now()}}).value[0] != "fixed" {{ throw "not fixed"; }}"#));
    scenario.periodic();
    assert!(scenario.fault().fault.message.contains("not fixed"), "{}", scenario.fault().fault.message);
    scenario.device.parameters.get_mut(CODE).unwrap().1 = crate::kit::string("fixed");
    scenario.periodic();
    scenario.expect_no_fault();
}

#[test]
fn a_given_up_fault_waits_for_its_script_to_change() {
    let mut scenario = Scenario::router().script("throw \"no\";");
    for _ in 0..5 {
        scenario.periodic();
    }
    assert!(scenario.fault().is_given_up());
    scenario.documents.provisions.insert("main".into(), set("repaired"));
    scenario.periodic();
    scenario.expect_no_fault();
    assert_eq!(scenario.device.value(CODE), Some(&"repaired".into()));
}

#[test]
fn a_script_that_does_not_compile_faults_where_it_is_used() {
    let mut scenario = Scenario::router().preset("broken", json!({"channel": "broken"}), "let = 1;").preset(
        "fine",
        json!({"channel": "fine"}),
        &set("x"),
    );
    scenario.periodic();
    assert_eq!(scenario.fault().fault.code, "script.SyntaxError");
    assert!(scenario.fault().fault.message.contains("line 1"));
    assert_eq!(scenario.device.value(CODE), Some(&"x".into()));
}

#[test]
fn hostile_scripts_harm_only_their_channel() {
    let hostile = [
        "loop {}",
        "fn f(n) { f(n + 1) } f(0);",
        "let s = \"x\"; loop { s += s; }",
        "let a = []; loop { a.push(a); }",
        "for i in 0..20000 { declare(`Device.A.B${i}`, #{value: 1}); }",
        "loop { try { throw 1; } catch { } }",
        "loop { commit(); }",
        "let d = declare(\"Device.DeviceInfo.UpTime\", #{value: now()}); loop { try { [1].map(|x| d.value); commit(); } catch { } }",
    ];
    for script in hostile {
        let mut scenario = Scenario::router().preset("hostile", json!({"channel": "hostile"}), script).preset(
            "fine",
            json!({"channel": "fine"}),
            &set("x"),
        );
        scenario.periodic();
        assert_eq!(scenario.fault().channel, "hostile", "{script}");
        assert_eq!(scenario.device.value(CODE), Some(&"x".into()), "{script}");
    }
}

#[test]
fn tasks_run_in_order_before_presets_each_by_itself() {
    let mut scenario = Scenario::router().script(&set("preset")).known();
    scenario.task("a", json!({"name": "setParameterValues", "parameterValues": [[CODE, "task a"]]}));
    scenario.task("b", json!({"name": "setParameterValues", "parameterValues": [[CODE, "task b"]]}));
    scenario.task("c", json!({"name": "reboot"}));
    let visit = scenario.periodic();
    let sets: Vec<_> = visit.requests.iter().map(|request| request.replace(CODE, "Code")).collect();
    assert_eq!(sets, ["SPV Code=task a:string", "SPV Code=task b:string", "Reboot", "SPV Code=preset:string"]);
    assert!(scenario.world.snapshot.tasks.is_empty());
    let states: Vec<_> = visit.change.tasks.iter().map(|change| change.state).collect();
    assert_eq!(states, [TaskState::Done, TaskState::Done, TaskState::Accepted], "the restart is still to be confirmed");
}

// Rule: limit-cycles.
#[test]
fn more_tasks_than_a_session_has_cycles_wait_for_the_next() {
    let mut scenario = Scenario::router().known();
    for number in 0..300 {
        let provisions = json!([["tag", format!("t{number}"), true]]);
        scenario.task(&format!("{number:03}"), json!({"name": "provisions", "provisions": provisions}));
    }
    let visit = scenario.periodic();
    assert_eq!(visit.change.tasks.len(), 255);
    assert!(visit.log.iter().any(|line| line.message.contains("255")), "{:?}", visit.log);
    assert_eq!(scenario.world.snapshot.tasks.len(), 45);
    scenario.periodic();
    assert!(scenario.world.snapshot.tasks.is_empty());
    assert_eq!(scenario.stored("Tags.t299"), Some(true.into()));
}

#[test]
fn a_failed_task_is_tried_again_and_the_others_are_done() {
    let mut scenario = Scenario::router().known().device(|device| {
        device.behaviour.faults.push(("Reboot".into(), String::new(), "9002".into()));
    });
    scenario.task("a", json!({"name": "reboot"}));
    scenario.task("b", json!({"name": "setParameterValues", "parameterValues": [[CODE, "b"]]}));
    scenario.periodic();
    assert_eq!(scenario.fault().channel, "task_a");
    assert_eq!(scenario.device.value(CODE), Some(&"b".into()));
    scenario.device.behaviour.faults.clear();
    let visit = scenario.periodic();
    assert_eq!(visit.requests, ["Reboot"]);
    scenario.expect_no_fault();
    assert!(scenario.world.snapshot.tasks.is_empty());
}

#[test]
fn an_expired_task_is_not_done() {
    let mut scenario = Scenario::router().known();
    scenario.task("a", json!({"name": "reboot", "expiry": 1}));
    scenario.world.clock += 10_000;
    let visit = scenario.periodic();
    assert!(visit.requests.is_empty());
    assert_eq!(visit.change.tasks[0].state, TaskState::Expired);
}

#[test]
fn every_task_type_does_what_it_says() {
    let cases = [
        (
            json!({"name": "getParameterValues", "parameterNames": ["Device.DeviceInfo.UpTime"]}),
            "GPV Device.DeviceInfo.UpTime",
        ),
        (json!({"name": "refreshObject", "objectName": "Device.WiFi.Radio"}), "GPV Device.WiFi.Radio.1.Channel"),
        (json!({"name": "addObject", "objectName": "Device.NAT.PortMapping"}), "AddObject Device.NAT.PortMapping."),
        (json!({"name": "deleteObject", "objectName": "Device.WiFi.SSID.1"}), "DeleteObject Device.WiFi.SSID.1."),
        (json!({"name": "factoryReset"}), "FactoryReset"),
        (
            json!({"name": "download", "fileType": "1 Firmware Upgrade Image", "fileName": "f"}),
            "Download 1 Firmware Upgrade Image http://files.example/f",
        ),
        (
            json!({"name": "provisions", "provisions": [["value", CODE, "p"]]}),
            "SPV Device.DeviceInfo.ProvisioningCode=p:string",
        ),
    ];
    for (document, expected) in cases {
        let mut scenario = Scenario::router().known();
        scenario.task("a", document.clone());
        let visit = scenario.periodic();
        scenario.expect_no_fault();
        assert!(visit.requests.iter().any(|request| request == expected), "{document}: {:?}", visit.requests);
        assert!(scenario.world.snapshot.tasks.is_empty(), "{document}");
    }
}

#[test]
fn an_added_object_gets_its_values() {
    let mut scenario = Scenario::router().known();
    let values = json!([["ExternalPort", 22], ["InternalPort", 2222]]);
    scenario.task("a", json!({"name": "addObject", "objectName": "Device.NAT.PortMapping", "parameterValues": values}));
    scenario.periodic();
    scenario.expect_no_fault();
    assert_eq!(scenario.device.value("Device.NAT.PortMapping.100.InternalPort"), Some(&2222.into()));
}

#[test]
fn too_many_requests_are_a_fault_that_says_so() {
    let mut scenario = Scenario::router().script(r#"declare("Device.**", #{path: now(), value: now()});"#);
    scenario.world.settings.batch_size = 1;
    scenario.world.settings.max_rpc_count = 5;
    scenario.periodic();
    assert_eq!(scenario.fault().fault.code, "too_many_rpcs");
    assert!(scenario.fault().fault.message.contains('5'));
}

#[test]
fn nested_virtual_parameters_have_a_limit() {
    let mut scenario = Scenario::router().script(r#"declare("VirtualParameters.v1", #{value: 1});"#);
    for level in 1..10 {
        let next = level + 1;
        let script = format!(
            r#"let below = declare("VirtualParameters.v{next}", #{{value: 1}}).value; #{{writable: false, value: "x"}}"#
        );
        scenario = scenario.virtual_parameter(&format!("v{level}"), &script);
    }
    scenario.periodic();
    assert_eq!(scenario.fault().fault.code, "deeply_nested_vparams");
}

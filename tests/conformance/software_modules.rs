//! Software modules: rows D.

use serde_json::{Value as Json, json};

use crate::kit::{Answer, Device, Inform, Server};

const CWMP_1_2: &str = "urn:dslforum-org:cwmp-1-2";
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

/// A device of CWMP 1.2 that is known.
fn device(server: &Server, serial_number: &str) -> Device {
    let mut device = server.device(serial_number);
    begin(&mut device, &["2 PERIODIC"]).expect_end();
    device
}

fn begin(device: &mut Device, events: &[&str]) -> Answer {
    let inform = Inform::of(&device.serial_number).events(events).namespace(CWMP_1_2);
    device.send_inform(&inform).expect("InformResponse");
    device.empty()
}

fn operations() -> Json {
    json!([
        {"operation": "Install", "url": "http://files.example/unit-1.pkg", "executionEnvRef": "Device.SoftwareModules.ExecEnv.1."},
        {"operation": "Update", "uuid": UUID, "url": "http://files.example/unit-2.pkg"},
        {"operation": "Uninstall", "uuid": UUID, "version": "1"},
    ])
}

/// A task of three operations that the device has accepted: the task, and the request.
fn accepted(server: &Server, device: &mut Device) -> (String, Answer) {
    let task = server.task(&device.id(), json!({"name": "changeDUState", "operations": operations()}));
    let request = begin(device, &["2 PERIODIC"]).expect("ChangeDUState");
    device.answer(&request, "<cwmp:ChangeDUStateResponse/>").expect_end();
    (task, request)
}

/// DUStateChangeComplete with a result per fault code.
fn complete(key: &str, codes: &[&str]) -> String {
    let results: String = codes
        .iter()
        .map(|code| {
            format!(
                "<OpResultStruct><UUID>{UUID}</UUID><DeploymentUnitRef/><Version>1</Version>\
                 <CurrentState>Installed</CurrentState><Resolved>1</Resolved><ExecutionUnitRefList/>\
                 <StartTime>2026-01-01T00:00:00Z</StartTime><CompleteTime>2026-01-01T00:00:01Z</CompleteTime>\
                 <Fault><FaultCode>{code}</FaultCode><FaultString/></Fault></OpResultStruct>"
            )
        })
        .collect();
    format!(
        "<cwmp:DUStateChangeComplete><Results>{results}</Results><CommandKey>{key}</CommandKey>\
         </cwmp:DUStateChangeComplete>"
    )
}

fn report(device: &mut Device, request: &Answer, codes: &[&str]) {
    let inform = Inform::of(&device.serial_number).events(&["11 DU STATE CHANGE COMPLETE"]).namespace(CWMP_1_2);
    device.send_inform(&inform).expect("InformResponse");
    let key = request.element("CommandKey").unwrap();
    device.call(&complete(&key, codes)).expect("DUStateChangeCompleteResponse");
}

#[test]
fn d1_operations_of_each_kind_are_typed_and_in_the_schemas_order() {
    let server = Server::start();
    let mut device = device(&server, "D1");
    let (_, request) = accepted(&server, &mut device);
    let document = request.document();
    let rpc = document.descendants().find(|node| node.has_tag_name((CWMP_1_2, "ChangeDUState"))).unwrap();
    let names: Vec<&str> = rpc.children().map(|child| child.tag_name().name()).collect();
    assert_eq!(names, ["Operations", "Operations", "Operations", "CommandKey"]);
    let xsi = "http://www.w3.org/2001/XMLSchema-instance";
    let operations: Vec<(&str, Vec<&str>)> = rpc
        .children()
        .filter_map(|child| {
            let fields = child.children().map(|field| field.tag_name().name()).collect();
            Some((child.attribute((xsi, "type"))?, fields))
        })
        .collect();
    let expected = [
        ("cwmp:InstallOpStruct", vec!["URL", "UUID", "Username", "Password", "ExecutionEnvRef"]),
        ("cwmp:UpdateOpStruct", vec!["UUID", "Version", "URL", "Username", "Password"]),
        ("cwmp:UninstallOpStruct", vec!["UUID", "Version", "ExecutionEnvRef"]),
    ];
    assert_eq!(operations, expected);
    let key = request.element("CommandKey").unwrap();
    assert!(!key.is_empty() && key.len() <= 32, "{key}");
}

#[test]
fn d2_the_task_waits_for_the_report() {
    let server = Server::start();
    let mut device = device(&server, "D2");
    let (task, request) = accepted(&server, &mut device);
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "accepted", "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains("DUStateChangeComplete"), "{stored}");
    begin(&mut device, &["2 PERIODIC"]).expect_end();
    report(&mut device, &request, &["0", "0", "0"]);
    device.empty().expect_end();
    assert_eq!(server.task_state(&task), "done");
}

#[test]
fn d3_each_operation_has_its_result() {
    let server = Server::start();
    let mut device = device(&server, "D3");
    let (task, request) = accepted(&server, &mut device);
    report(&mut device, &request, &["0", "9032", "0"]);
    device.empty().expect_end();
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "faulted", "{stored}");
    let results = stored["result"]["results"].as_array().unwrap();
    let codes: Vec<&Json> = results.iter().map(|result| &result["fault"]["faultCode"]).collect();
    assert_eq!(codes, [&Json::Null, &json!("9032"), &Json::Null]);
    assert!(stored["reason"].as_str().unwrap().starts_with("Update"), "{stored}");
    assert_eq!(server.value(&device.id(), "DUStateChanges.1.FaultCode"), "0");
    assert_eq!(server.value(&device.id(), "DUStateChanges.2.FaultCode"), "9032");
}

#[test]
fn d4_what_a_results_fault_code_means_is_shown() {
    let server = Server::start();
    for (code, text) in [
        ("9012", "authentication"),
        ("9017", "unable to complete"),
        ("9022", "UUID"),
        ("9026", "Duplicate"),
        ("9032", "already exists"),
    ] {
        let mut device = device(&server, &format!("D4{code}"));
        let (task, request) = accepted(&server, &mut device);
        report(&mut device, &request, &[code, "0", "0"]);
        // What may pass is tried again some time later.
        while device.empty().status == 200 {}
        let stored = server.stored_task(&task);
        assert!(stored["reason"].as_str().unwrap().contains(text), "{code}: {stored}");
        assert!(stored["result"]["results"][0]["fault"]["faultString"].as_str().unwrap().contains(text), "{stored}");
    }
}

#[test]
fn d5_changes_that_nobody_asked_for_are_answered_and_kept() {
    let server = Server::start();
    let mut device = device(&server, "D5");
    let inform = Inform::of("D5").events(&["12 AUTONOMOUS DU STATE CHANGE COMPLETE"]).namespace(CWMP_1_2);
    device.send_inform(&inform).expect("InformResponse");
    let message = complete("", &["0"])
        .replace("DUStateChangeComplete>", "AutonomousDUStateChangeComplete>")
        .replace("OpResultStruct>", "AutonOpResultStruct>")
        .replace("</Fault>", "</Fault><OperationPerformed>Uninstall</OperationPerformed>");
    device.call(&message).expect("AutonomousDUStateChangeCompleteResponse");
    device.empty().expect_end();
    let event = server.outbox("deploymentUnits.autonomous").pop().expect("an event");
    assert_eq!(event["results"][0]["operationPerformed"], "Uninstall");
    assert_eq!(event["results"][0]["uuid"], UUID);
}

#[test]
fn d6_a_change_of_which_nothing_is_heard_is_given_up() {
    let server = crate::kit::Setup::default().config("cwmp.duStateChangeTimeout", "0").start();
    let mut device = device(&server, "D6");
    let (task, _) = accepted(&server, &mut device);
    while begin(&mut device, &["2 PERIODIC"]).status == 200 {}
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "faulted", "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains("no DUStateChangeComplete came"), "{stored}");
    let default = acs_core::session::settings::Settings::default();
    assert_eq!(default.du_state_change_timeout, 24 * 3_600_000, "unless an operator says otherwise");
}

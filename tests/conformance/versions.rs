//! Versions and namespaces: rows V.

use crate::kit::{Answer, Inform, Server, Setup, parameter};

const UP_TIME: &str = "Device.DeviceInfo.UpTime";

fn reading_server() -> Server {
    Setup::default().reading(&[UP_TIME]).start()
}

fn whole_session_in(server: &Server, version: &str) {
    let namespace = format!("urn:dslforum-org:{version}");
    let mut device = server.device(version);
    device.inform(&["2 PERIODIC"], &[(UP_TIME, "1")]).expect("InformResponse");
    device.empty().expect_end();
    let answer = device.send_inform(&Inform::of(version).namespace(&namespace)).expect("InformResponse");
    assert_eq!(answer.namespace(), namespace);
    let methods = device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    assert_eq!(methods.namespace(), namespace);
    let refusal = device.call("<cwmp:Nonsense/>").expect_fault("8000");
    assert!(refusal.text().contains(&format!("xmlns:cwmp=\"{namespace}\"")), "{}", refusal.text());
    let request = device.empty().expect("GetParameterValues");
    assert_eq!(request.namespace(), namespace);
    device.answer_values(&request, &[parameter(UP_TIME, version)]).expect_end();
    assert_eq!(server.value(&device.id(), UP_TIME), version);
}

#[test]
fn v1_the_whole_session_is_in_the_namespace_of_its_inform() {
    let server = reading_server();
    for version in ["cwmp-1-0", "cwmp-1-1", "cwmp-1-2"] {
        whole_session_in(&server, version);
    }
}

#[test]
fn v2_namespaces_that_no_schema_has_are_answered_in_kind() {
    let server = reading_server();
    for version in ["cwmp-1-3", "cwmp-1-4"] {
        whole_session_in(&server, version);
    }
}

fn informed_with_versions(server: &Server, serial_number: &str, versions: &str) -> Answer {
    let header =
        format!("<cwmp:SupportedCWMPVersions soap-env:mustUnderstand=\"0\">{versions}</cwmp:SupportedCWMPVersions>");
    let inform = Inform::of(serial_number).namespace("urn:dslforum-org:cwmp-1-2").header(&header);
    server.device(serial_number).send_inform(&inform)
}

#[test]
fn v3_the_highest_common_version_is_named_and_must_be_understood() {
    let server = Server::start();
    let cases = [("1.4,1.3,1.2,1.1,1.0", "1.4"), ("1.0,1.1,1.2", "1.2"), ("1.0", "1.0")];
    for (supported, chosen) in cases {
        let answer = informed_with_versions(&server, "V3", supported).expect("InformResponse");
        assert_eq!(answer.element("UseCWMPVersion").as_deref(), Some(chosen), "{supported}");
        let header = format!("<cwmp:UseCWMPVersion soap-env:mustUnderstand=\"1\">{chosen}<");
        assert!(answer.text().contains(&header), "{}", answer.text());
    }
}

#[test]
fn v4_who_does_not_ask_is_told_no_version() {
    let server = Server::start();
    for version in ["cwmp-1-0", "cwmp-1-1", "cwmp-1-2"] {
        let inform = Inform::of("V4").namespace(&format!("urn:dslforum-org:{version}"));
        let answer = server.device("V4").send_inform(&inform).expect("InformResponse");
        assert_eq!(answer.element("UseCWMPVersion"), None);
    }
}

#[test]
fn v5_unknown_unordered_and_spaced_entries_do_not_matter() {
    let server = Server::start();
    let cases = [("1.9, 1.4 ,1.2", "1.4"), ("1.1,\n1.3", "1.3"), (" 1.0 , 7 , ,nonsense", "1.0")];
    for (supported, chosen) in cases {
        let answer = informed_with_versions(&server, "V5", supported).expect("InformResponse");
        assert_eq!(answer.element("UseCWMPVersion").as_deref(), Some(chosen), "{supported}");
    }
}

#[test]
fn v6_without_a_common_version_the_inform_is_refused_and_nothing_kept() {
    let server = Server::start();
    for supported in ["2.0", "", "1.9,1.8"] {
        let refusal = informed_with_versions(&server, "V6", supported).expect_fault("8006");
        assert_eq!(refusal.cookie(), None);
    }
    assert!(server.stored("0A1B2C-Box-V6").is_null());
}

#[test]
fn v8_an_unknown_header_that_must_be_understood_is_refused() {
    let server = Server::start();
    let (must, may) = ("soap-env:mustUnderstand=\"1\"", "soap-env:mustUnderstand=\"0\"");
    let unknown = |attribute: &str| format!("<x:Novelty xmlns:x=\"urn:x\" {attribute}>1</x:Novelty>");
    let mut device = server.device("V8");
    let refusal = device.send_inform(&Inform::of("V8").header(&unknown(must))).expect("Fault");
    assert_eq!(refusal.element("faultcode").as_deref(), Some("soap-env:MustUnderstand"));
    assert_eq!(refusal.cookie(), None);
    assert!(server.stored(&device.id()).is_null());

    device.send_inform(&Inform::of("V8").header(&unknown(may))).expect("InformResponse");
    let call = device
        .envelope("1", "<cwmp:GetRPCMethods/>")
        .replace("</soap-env:Header>", &(unknown(must) + "</soap-env:Header>"));
    let refusal = device.post(&call).expect("Fault");
    assert_eq!(refusal.element("faultcode").as_deref(), Some("soap-env:MustUnderstand"));
    device.empty().expect_end();
}

#[test]
fn v7_an_rpc_that_the_version_lacks_is_not_sent_unless_the_device_lists_it() {
    let server = Server::start();
    let task =
        serde_json::json!({"name": "changeDUState", "operations": [{"operation": "Install", "url": "http://h/u"}]});
    let mut device = server.device("V7");
    device.register();
    let refused = server.task(&device.id(), task.clone());
    let methods = device.begin().expect("GetRPCMethods");
    let list =
        "<cwmp:GetRPCMethodsResponse><MethodList><string>Reboot</string></MethodList></cwmp:GetRPCMethodsResponse>";
    device.answer(&methods, list).expect_end();
    let stored = server.stored_task(&refused);
    assert_eq!(stored["state"], "faulted", "{stored}");
    let reason = stored["reason"].as_str().unwrap();
    assert!(reason.contains("CWMP 1.2") && reason.contains("1.0") && reason.contains("ChangeDUState"), "{reason}");

    let mut device = server.device("V7b");
    device.register();
    let sent = server.task(&device.id(), task);
    let methods = device.begin().expect("GetRPCMethods");
    let request = device.answer(&methods, &list.replace("Reboot", "ChangeDUState")).expect("ChangeDUState");
    device.answer(&request, "<cwmp:ChangeDUStateResponse/>").expect_end();
    assert_eq!(server.task_state(&sent), "accepted");
}

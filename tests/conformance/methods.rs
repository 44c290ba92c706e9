//! The methods that devices may call, and those that they are called by: rows M.

use crate::kit::Server;

/// What the standard lets a device call (TR-069 Annex A.3 and A.4).
const ACS_METHODS: [&str; 8] = [
    "Inform",
    "GetRPCMethods",
    "TransferComplete",
    "AutonomousTransferComplete",
    "RequestDownload",
    "Kicked",
    "DUStateChangeComplete",
    "AutonomousDUStateChangeComplete",
];

#[test]
fn m1_get_rpc_methods_lists_exactly_what_is_implemented() {
    let server = Server::start();
    let mut device = server.device("M1");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let answer = device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    let listed = answer.elements("string");
    for method in ["Inform", "GetRPCMethods", "TransferComplete"] {
        assert!(listed.iter().any(|name| name == method), "{method} is not in {listed:?}");
    }
    let array_type = format!("arrayType=\"xsd:string[{}]\"", listed.len());
    assert!(answer.text().contains(&array_type), "{}", answer.text());

    for method in ACS_METHODS.into_iter().filter(|method| *method != "Inform") {
        let is_offered = device.call(&format!("<cwmp:{method}/>")).fault_code().as_deref() != Some("8000");
        assert_eq!(is_offered, listed.iter().any(|name| name == method), "{method}");
    }
    let later = device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    assert_eq!(later.elements("string"), listed);
    device.empty().expect_end();
}

#[test]
fn m2_get_rpc_methods_before_an_inform_begins_no_session() {
    let server = Server::start();
    let mut device = server.device("M2");
    let refusal = device.call("<cwmp:GetRPCMethods/>").expect_status(400);
    assert_eq!(refusal.cookie(), None);
    assert_eq!(server.get("/devices"), serde_json::json!([]));
    device.reconnect();
    device.register();
}

#[test]
fn m3_an_unknown_method_is_refused_and_the_session_goes_on() {
    let server = Server::start();
    let mut device = server.device("M3");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    for method in ["X_0A1B2C_Frobnicate", "Nonsense", "GetParameterValues", "SetParameterValues"] {
        let refusal = device.call(&format!("<cwmp:{method}><A>1</A></cwmp:{method}>")).expect_fault("8000");
        assert_eq!(refusal.status, 200);
        assert!(refusal.element("FaultString").unwrap().contains(method), "{}", refusal.text());
    }
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    device.empty().expect_end();
}

#[test]
fn m4_missing_arguments_are_refused_and_the_session_goes_on() {
    let server = Server::start();
    let mut device = server.device("M4");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let calls = [
        ("<cwmp:Inform/>", "DeviceId"),
        ("<cwmp:Inform><DeviceId><OUI>0A1B2C</OUI></DeviceId></cwmp:Inform>", "SerialNumber"),
        ("<cwmp:TransferComplete/>", "FaultStruct"),
        ("<cwmp:TransferComplete><CommandKey>k</CommandKey></cwmp:TransferComplete>", "FaultStruct"),
    ];
    for (call, missing) in calls {
        let refusal = device.call(call).expect_fault("8003");
        assert_eq!(refusal.element("faultcode").as_deref(), Some("Client"));
        assert!(refusal.element("FaultString").unwrap().contains(missing), "{call}: {}", refusal.text());
    }
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    device.empty().expect_end();
}

#[test]
fn m5_every_request_is_as_the_schema_wants_it() {
    let server = Server::start();
    // The simulator compares each request with the schema's elements, their order, and the counts of lists.
    let mut device = server.simulated("M5", |options| {
        options.cwmp_namespace = "urn:dslforum-org:cwmp-1-2".to_owned();
    });
    server.session(&mut device, &["2 PERIODIC"]);
    let window = serde_json::json!([{"windowStart": 0, "windowEnd": 60}]);
    let url = "http://127.0.0.1:9/f";
    let tasks = [
        serde_json::json!({"name": "getParameterValues", "parameterNames": ["Device.DeviceInfo"]}),
        serde_json::json!({"name": "setParameterValues",
            "parameterValues": [["Device.DeviceInfo.ProvisioningCode", "new"]]}),
        serde_json::json!({"name": "addObject", "objectName": "Device.NAT.PortMapping"}),
        serde_json::json!({"name": "deleteObject", "objectName": "Device.NAT.PortMapping.1"}),
        serde_json::json!({"name": "download", "fileType": "2 Web Content", "fileName": url}),
        serde_json::json!({"name": "upload", "fileType": "2 Vendor Log File", "fileName": url}),
        serde_json::json!({"name": "scheduleDownload", "fileType": "2 Web Content", "fileName": url, "timeWindows": window}),
        serde_json::json!({"name": "changeDUState", "operations": [{"operation": "Install", "url": url}]}),
        serde_json::json!({"name": "cancelTransfer", "commandKey": "k"}),
        serde_json::json!({"name": "getQueuedTransfers"}),
        serde_json::json!({"name": "getRPCMethods"}),
        serde_json::json!({"name": "getOptions"}),
        serde_json::json!({"name": "setVouchers", "voucherList": ["QUJD"]}),
        serde_json::json!({"name": "scheduleInform", "delaySeconds": 60}),
        serde_json::json!({"name": "reboot"}),
        serde_json::json!({"name": "factoryReset"}),
    ];
    let provision = serde_json::json!({"name": "provisions",
        "provisions": [["value", "Device.DeviceInfo.ProvisioningCode", "notification", 1]]});
    for task in tasks.into_iter().chain([provision]) {
        server.task(device.device_id(), task);
    }
    let report = server.session(&mut device, &["2 PERIODIC"]);
    assert_eq!(report.violations, Vec::<String>::new());
    for rpc in [
        "GetParameterNames",
        "GetParameterValues",
        "SetParameterValues",
        "GetParameterAttributes",
        "SetParameterAttributes",
        "AddObject",
        "DeleteObject",
        "Download",
        "Upload",
        "ScheduleDownload",
        "ChangeDUState",
        "CancelTransfer",
        "GetAllQueuedTransfers",
        "GetRPCMethods",
        "GetOptions",
        "SetVouchers",
        "ScheduleInform",
        "Reboot",
        "FactoryReset",
    ] {
        assert!(report.rpcs().contains(&rpc), "{rpc} is not among {:?}", report.rpcs());
    }
}

#[test]
fn m6_texts_that_are_too_long_are_refused_when_the_task_is_made() {
    let server = Server::start();
    let mut device = server.device("M6");
    device.register();
    let long = |length: usize| "a".repeat(length);
    let unit = |key: &str, length: usize| {
        let mut operation = serde_json::json!({"operation": "Update", "url": "http://h/u",
            "uuid": "00112233-4455-6677-8899-aabbccddeeff"});
        operation[key] = long(length).into();
        serde_json::json!({"name": "changeDUState", "operations": [operation]})
    };
    for (task, is_allowed) in [
        (serde_json::json!({"name": "cancelTransfer", "commandKey": long(32)}), true),
        (serde_json::json!({"name": "cancelTransfer", "commandKey": long(33)}), false),
        (serde_json::json!({"name": "getParameterValues", "parameterNames": [long(256)]}), true),
        (serde_json::json!({"name": "getParameterValues", "parameterNames": [long(257)]}), false),
        (serde_json::json!({"name": "addObject", "objectName": long(257)}), false),
        (
            serde_json::json!({"name": "download", "fileType": "2 Web Content", "fileName": "f", "targetFileName": long(257)}),
            false,
        ),
        (serde_json::json!({"name": "download", "fileType": format!("X 0A1B2C {}", long(64)), "fileName": "f"}), false),
        (unit("version", 32), true),
        (unit("version", 33), false),
        (unit("username", 257), false),
        (unit("url", 1025), false),
    ] {
        let answer = server.request("POST", &format!("/devices/{}/tasks", device.id()), &task.to_string());
        let answer = answer.expect_status(if is_allowed { 202 } else { 400 });
        assert!(is_allowed || answer.text().contains("at most"), "{}", answer.text());
    }
}

#[test]
fn m7_what_xml_can_hold_is_carried_unchanged_and_the_rest_refused() {
    let server = Server::start();
    let code = "Device.DeviceInfo.ProvisioningCode";
    let mut device = server.device("M7");
    device.inform(&["2 PERIODIC"], &[(code, "before")]).expect("InformResponse");
    device.empty().expect_end();
    let odd = "  &<>\"' \t\n\r äöü €𝄞 \u{fffd} ";
    server.task(&device.id(), serde_json::json!({"name": "setParameterValues", "parameterValues": [[code, odd]]}));
    let mut answer = device.begin();
    while answer.rpc() == "GetParameterNames" {
        answer = device.answer_names(&answer, &[(code, true)]);
    }
    let request = answer.expect("SetParameterValues");
    assert_eq!(request.element("Value").unwrap(), odd);
    let done = "<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>";
    device.answer(&request, done).expect_end();
    // And back.
    server.task(&device.id(), serde_json::json!({"name": "provisions", "provisions": [["refresh", code, 0]]}));
    let request = device.begin().expect("GetParameterValues");
    let written = odd.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;");
    device.answer_values(&request, &[crate::kit::parameter(code, &format!("{written}!"))]).expect_end();
    assert_eq!(server.value(&device.id(), code), format!("{odd}!"));
    for unfit in ["a\u{0}", "\u{1b}[m", "\u{fffe}"] {
        let task = serde_json::json!({"name": "setParameterValues", "parameterValues": [[code, unfit]]});
        let target = format!("/devices/{}/tasks", device.id());
        let answer = server.request("POST", &target, &task.to_string()).expect_status(400);
        assert!(answer.text().contains("XML"), "{}", answer.text());
    }
}

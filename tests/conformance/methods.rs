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

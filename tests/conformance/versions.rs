//! Versions and namespaces: rows V.

use crate::kit::{Inform, Server};

#[test]
fn v1_the_whole_session_is_in_the_namespace_of_its_inform() {
    let server = Server::start();
    for version in ["cwmp-1-0", "cwmp-1-1", "cwmp-1-2"] {
        whole_session_in(&server, version);
    }
}

#[test]
fn v2_namespaces_that_no_schema_has_are_answered_in_kind() {
    let server = Server::start();
    for version in ["cwmp-1-3", "cwmp-1-4"] {
        whole_session_in(&server, version);
    }
}

fn whole_session_in(server: &Server, version: &str) {
    let namespace = format!("urn:dslforum-org:{version}");
    let mut device = server.device(version);
    device.register();
    let task = serde_json::json!({"name": "getParameterValues", "parameterNames": ["Device.DeviceInfo.UpTime"]});
    server.task(&device.id(), task);
    let inform = Inform::of(version).namespace(&namespace);
    let answer = device.send_inform(&inform).expect("InformResponse");
    assert_eq!(answer.namespace(), namespace);
    let methods = device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    assert_eq!(methods.namespace(), namespace);
    let request = device.empty();
    assert_eq!(request.namespace(), namespace, "{}", request.rpc());
}

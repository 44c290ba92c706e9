//! Devices are provisioned, and what happened can be read over the REST API.

use serde_json::json;

use crate::kit::{Server, eventually};

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";

#[tokio::test(flavor = "multi_thread")]
async fn a_first_contact_shows_a_useful_device_on_both_data_models() {
    let server = Server::start_with(&[]);
    for (model, serial, root) in
        [(sim::ModelKind::Tr181, "E2E1", "Device"), (sim::ModelKind::Tr098, "E2E2", "InternetGatewayDevice")]
    {
        let mut device = server.device(serial, |options| options.model = model);
        assert!(device.change_value(&format!("{root}.ManagementServer.PeriodicInformInterval"), "77"));
        let report = device.session(["0 BOOTSTRAP", "1 BOOT"]).await;
        assert!(report.completed(), "{:?}", report.error);
        assert_eq!(report.violations, [] as [String; 0]);
        let asked: Vec<_> = report.names_read().into_iter().filter(|name| !name.starts_with(root)).collect();
        assert!(asked.is_empty(), "a root that the device did not announce: {asked:?}");
        let set: Vec<_> = report.values_set().into_iter().map(|(name, _)| name.rsplit('.').next().unwrap()).collect();
        assert!(set.contains(&"PeriodicInformInterval") && set.contains(&"PeriodicInformTime"), "{set:?}");
        let document = &server.get(&format!("/devices/?query={{\"_deviceId._SerialNumber\":\"{serial}\"}}"))[0];
        assert!(document[root]["DeviceInfo"]["SoftwareVersion"]["_value"].is_string(), "{document:#}");
        let text = document.to_string();
        assert!(text.contains("SSID") && text.contains("IPAddress"), "{document:#}");
        let again = device.session(["2 PERIODIC"]).await;
        assert!(again.completed() && again.rpcs().is_empty(), "{:?}", again.rpcs());
    }
    assert_eq!(server.get("/faults"), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_sets_a_value_and_says_who_did() {
    let server = Server::start();
    server.preset("wifi", json!({}), r#"declare("Device.DeviceInfo.ProvisioningCode", (), #{value: "from preset"});"#);
    let mut device = server.device("E2E1", |_| {});
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!(report.values_set(), [("Device.DeviceInfo.ProvisioningCode", "from preset")]);
    let node = &server.get(&format!("/devices/{DEVICE}"))["Device"]["DeviceInfo"]["ProvisioningCode"];
    assert_eq!(node["_value"], "from preset");
    assert_eq!(node["_writer"], "preset wifi, provision wifi, line 1:1");
    let again = device.session(["2 PERIODIC"]).await;
    assert!(again.rpcs().is_empty(), "{:?}", again.rpcs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_says_where_it_stands() {
    let server = Server::start();
    let slow = sim::FaultRule::parse("SetParameterValues=slow:1500").unwrap();
    let mut device = server.device("E2E1", |options| options.faults.push(slow));
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let task = r#"{"name":"setParameterValues","parameterValues":[["Device.DeviceInfo.ProvisioningCode","x"]]}"#;
    let queued = server.request("POST", &format!("/devices/{DEVICE}/tasks"), task).json();
    assert_eq!(queued["state"], "queued");
    let target = format!("/tasks/{}", queued["_id"].as_str().unwrap());
    let session = tokio::spawn(async move { device.session(["2 PERIODIC"]).await.completed() });
    eventually("the task to be done", || {
        let task = server.get(&target);
        assert!(task["stateTimestamp"].as_str() >= queued["stateTimestamp"].as_str(), "{task:#}");
        task["state"] == "in_session"
    });
    assert!(session.await.unwrap());
    assert_eq!(server.get(&target)["state"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulting_script_names_its_line_and_leaves_the_others_alone() {
    let server = Server::start();
    server.preset("broken", json!({"channel": "broken"}), "let a = 1;\nlet b = a.nothing;\n");
    server.preset("fine", json!({"channel": "fine"}), r#"declare("Tags.fine", (), #{value: true});"#);
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let faults = server.get("/faults");
    assert_eq!(faults.as_array().unwrap().len(), 1, "{faults:#}");
    let fault = &faults[0];
    assert_eq!(fault["_id"], format!("{DEVICE}:broken"));
    assert!(fault["message"].as_str().unwrap().contains("line 2"), "{fault:#}");
    assert_eq!(fault["detail"]["line"], 2);
    assert_eq!(server.get(&format!("/devices/{DEVICE}"))["_tags"], json!(["fine"]));

    server.put("/provisions/broken", "let a = 1;");
    let answer = server.request("DELETE", &format!("/faults/{DEVICE}:broken"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.get("/faults"), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_done_in_the_next_session() {
    let server = Server::start();
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let task = r#"{"name":"setParameterValues","parameterValues":[["Device.DeviceInfo.ProvisioningCode","task"]]}"#;
    let answer = server.request("POST", &format!("/devices/{DEVICE}/tasks"), task);
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.json()["_id"].as_str().unwrap().to_owned();
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(report.values_set(), [("Device.DeviceInfo.ProvisioningCode", "task")]);
    assert_eq!(server.get("/tasks"), json!([]));
    assert_eq!(server.get(&format!("/tasks/{id}"))["state"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syntax_error_is_refused_with_its_place() {
    let server = Server::start();
    let answer = server.request("PUT", "/provisions/wrong", "let a = 1;\nlet = 2;\n");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("line 2"), "{answer:?}");
    let answer = server.request("PUT", "/provisions/js", "const now = Date.now(); declare('x', null, {value: now});");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("JavaScript"), "{answer:?}");
    assert_eq!(server.request("GET", "/provisions/wrong", "").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_or_writes_without_a_key() {
    let server = Server::start();
    for (method, target) in [("GET", "/devices"), ("PUT", "/provisions/x"), ("DELETE", "/presets/x"), ("GET", "/users")]
    {
        let answer = server.request_with(method, target, "", "");
        assert_eq!(answer.status, 401, "{method} {target}: {answer:?}");
    }
    assert_eq!(server.request_with("GET", "/devices", "X-API-Key: wrong\r\n", "").status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_value_is_isolated_over_the_wire() {
    let server = Server::start();
    server.preset(
        "two",
        json!({"channel": "two"}),
        r#"declare("Device.DeviceInfo.ProvisioningCode", (), #{value: "good"});
           declare("Device.ManagementServer.PeriodicInformInterval", (), #{value: 60});"#,
    );
    let rule = sim::FaultRule::parse("SetParameterValues@Device.ManagementServer.PeriodicInformInterval=9007").unwrap();
    let mut device = server.device("E2E1", |options| options.faults = vec![rule]);
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!(device.model().text("Device.DeviceInfo.ProvisioningCode"), Some("good"));
    let fault = &server.get("/faults")[0];
    assert_eq!(fault["channel"], "two");
    let message = fault["message"].as_str().unwrap();
    assert!(
        message.contains("PeriodicInformInterval") && message.contains("60") && message.contains("line 2"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn awkward_devices_end_their_sessions_and_the_server_goes_on() {
    let server = Server::start();
    server.preset("read", json!({}), r#"declare("Device.DeviceInfo.*", #{path: now(), value: now()});"#);
    for action in [
        "hang",
        "close",
        "malformed",
        "empty",
        "soap-fault",
        "wrong-id",
        "wrong-response",
        "chunked",
        "9002",
        "slow:50",
    ] {
        let rule = sim::FaultRule::parse(&format!("GetParameterValues#1={action}")).unwrap();
        let mut device = server.device(&format!("ODD{}", action.len()), |options| {
            options.faults = vec![rule];
            options.hang_milliseconds = 200;
        });
        let _ = device.session(["2 PERIODIC"]).await;
        let mut healthy = server.device("WELL", |_| {});
        let report = healthy.session(["2 PERIODIC"]).await;
        assert!(report.completed(), "after {action}: {:?}", report.error);
        let again = device.session(["2 PERIODIC"]).await;
        assert!(again.completed(), "{action}: {:?}", again.error);
    }
}

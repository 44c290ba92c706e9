//! A task with `?connection_request` is done at once: the device is woken, comes, and is waited for.

use std::sync::Arc;

use sim::cpe::{ConnectionRequest, ConnectionRequestMode};

use crate::kit::{Answer, RunningDevice, Server, eventually};

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";
const TASK: &str = r#"{"name":"setParameterValues","parameterValues":[["Device.DeviceInfo.ProvisioningCode","now"]]}"#;

/// A POST to the device's tasks, with a connection request.
async fn post(server: &Arc<Server>, body: &'static str) -> Answer {
    let server = server.clone();
    let target = format!("/devices/{DEVICE}/tasks?connection_request&timeout=20000");
    tokio::task::spawn_blocking(move || server.request("POST", &target, body)).await.unwrap()
}

fn http_record(server: &Server) -> serde_json::Value {
    server.get(&format!("/devices/{DEVICE}/connection_requests"))["methods"]["HTTP"].clone()
}

fn set_credentials(server: &Server, username: &str, password: &str) {
    server.preset(
        "credentials",
        serde_json::json!({}),
        &format!(
            r#"declare("Device.ManagementServer.ConnectionRequestUsername", (), #{{value: "{username}"}});
               declare("Device.ManagementServer.ConnectionRequestPassword", (), #{{value: "{password}"}});"#
        ),
    );
}

fn listening(options: &mut sim::Options) {
    options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Digest, ..Default::default() };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_woken_device_does_its_task_before_the_answer() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    // The device asks for these credentials once the server has set them.
    set_credentials(&server, "acs", "s3cret");
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let _running = RunningDevice::start(device).await;
    let answer = post(&server, TASK).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let value = &server.get(&format!("/devices/{DEVICE}"))["Device"]["DeviceInfo"]["ProvisioningCode"]["_value"];
    assert_eq!(value, "now");
    eventually("the Inform to be counted", || http_record(&server)["informed"] == 1);
    let record = http_record(&server);
    assert_eq!((&record["tried"], &record["accepted"]), (&1.into(), &1.into()), "{record}");
    assert!(!record.to_string().contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inform_that_was_asked_for_counts_also_after_one_that_was_not() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    assert_eq!(post(&server, "").await.status, 200);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    assert!(device.session(["6 CONNECTION REQUEST"]).await.completed());
    eventually("the Inform to be counted", || http_record(&server)["informed"] == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_cannot_be_woken_keeps_its_task() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    drop(device);
    let answer = post(&server, TASK).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let tasks = server.get("/tasks");
    let task = &tasks.as_array().unwrap()[0];
    assert_eq!((&task["state"], &task["reason"]), (&"queued".into(), &"Device is offline".into()));
    assert_eq!(http_record(&server)["lastFailure"]["reason"], "connection_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devices_url_does_not_lead_the_server_to_itself() {
    let server = Arc::new(Server::start_with(&[]));
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let asked = server.clone();
    let answer = tokio::task::spawn_blocking(move || {
        asked.request("POST", &format!("/devices/{DEVICE}/tasks?connection_request"), "")
    })
    .await
    .unwrap();
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.body.contains("127.0.0.1"), "{answer:?}");
}

/// A factory reset, or a value that did not reach the device, leaves it with credentials that the server has replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_old_credentials_is_woken_by_what_it_took_last() {
    const PASSWORD: &str = "Device.ManagementServer.ConnectionRequestPassword";
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    set_credentials(&server, "acs", "first");
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    assert_eq!(post(&server, "").await.status, 200);
    set_credentials(&server, "acs", "second");
    assert!(device.session(["6 CONNECTION REQUEST"]).await.completed());
    assert!(device.change_value(PASSWORD, "first"));
    let answer = post(&server, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(device.connection_requests(), 2);
    assert!(device.session(["6 CONNECTION REQUEST"]).await.completed());
    assert!(device.change_value(PASSWORD, "third"));
    let answer = post(&server, "").await;
    assert_eq!((answer.status, answer.body.as_str()), (504, "Incorrect connection request credentials"));
    assert_eq!(http_record(&server)["lastFailure"]["reason"], "wrong_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_credentials_are_tried_in_turn() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    let refused = server.request("PUT", "/config/cwmp.connectionRequestAuth", r#"{"value": "Q('a', 'b')"}"#);
    assert_eq!(refused.status, 400, "{refused:?}");
    set_credentials(&server, "acs", "of-the-device");
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let value = r#"{"value": "AUTH('acs', 'of-the-factory') OR AUTH(USERNAME(), PASSWORD())"}"#;
    server.put("/config/cwmp.connectionRequestAuth", value);
    assert_eq!(post(&server, "").await.status, 200);
    assert_eq!(device.connection_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_being_woken_is_not_asked_again() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let answers = futures_of(&server, 5).await;
    assert_eq!(answers, [200; 5]);
    // It has said that it will come, and has not come yet.
    assert_eq!(post(&server, "").await.status, 200);
    assert_eq!(device.connection_requests(), 1);
    assert!(device.session(["6 CONNECTION REQUEST"]).await.completed());
    assert_eq!(post(&server, "").await.status, 200);
    assert_eq!(device.connection_requests(), 2);
}

async fn futures_of(server: &Arc<Server>, count: usize) -> Vec<u16> {
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..count {
        let server = server.clone();
        asking.spawn(async move { post(&server, "").await.status });
    }
    asking.join_all().await
}

//! A task with `?connection_request` is done at once: the device is woken, comes, and is waited for.

use std::sync::Arc;

use sim::cpe::{ConnectionRequest, ConnectionRequestMode};
use tokio_util::sync::CancellationToken;

use crate::kit::Server;

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";
const TASK: &str = r#"{"name":"setParameterValues","parameterValues":[["Device.DeviceInfo.ProvisioningCode","now"]]}"#;

fn listening(options: &mut sim::Options) {
    options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Digest, ..Default::default() };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_woken_device_does_its_task_before_the_answer() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    // The device asks for these credentials once the server has set them.
    server.preset(
        "credentials",
        serde_json::json!({}),
        r#"declare("Device.ManagementServer.ConnectionRequestUsername", (), #{value: "acs"});
           declare("Device.ManagementServer.ConnectionRequestPassword", (), #{value: "s3cret"});"#,
    );
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let stop = CancellationToken::new();
    let running = {
        let stop = stop.clone();
        tokio::spawn(async move {
            device.run(Vec::<String>::new(), None, stop, |_| {}).await;
            device
        })
    };
    // The device begins with a session of its own; the task comes when it is over.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let asked = server.clone();
    let answer = tokio::task::spawn_blocking(move || {
        asked.request("POST", &format!("/devices/{DEVICE}/tasks?connection_request&timeout=20000"), TASK)
    })
    .await
    .unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let value = &server.get(&format!("/devices/{DEVICE}"))["Device"]["DeviceInfo"]["ProvisioningCode"]["_value"];
    assert_eq!(value, "now");
    stop.cancel();
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_cannot_be_woken_keeps_its_task() {
    let server = Arc::new(Server::start_with(&["--connection-requests-to-this-machine"]));
    let mut device = server.device("E2E1", listening);
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    drop(device);
    let asked = server.clone();
    let answer = tokio::task::spawn_blocking(move || {
        asked.request("POST", &format!("/devices/{DEVICE}/tasks?connection_request"), TASK)
    })
    .await
    .unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(server.get("/tasks").as_array().unwrap().len(), 1);
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

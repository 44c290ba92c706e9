//! A file's way: uploaded over the REST API, requested by a task, fetched by the device, completed in its next session.

use serde_json::json;

use crate::kit::Server;

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_requested_fetched_and_completed() {
    let server = Server::start();
    let content = "firmware ".repeat(60_000);
    let headers = format!("X-API-Key: {}\r\nfileType: 1 Firmware Upgrade Image\r\n", crate::kit::KEY);
    assert_eq!(server.request_with("PUT", "/files/fw%201.bin", &headers, &content).status, 201);

    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let task = r#"{"name":"download","fileType":"1 Firmware Upgrade Image","fileName":"fw 1.bin"}"#;
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), task).status, 202);
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(report.rpcs(), ["Download"], "{:?}", server.get("/faults"));
    // TR-069 A.3.2.8: the device may check whether there is room before it fetches the file.
    let told = report.requests().find_map(|request| match request {
        sim::soap::Request::Transfer(transfer) => Some(transfer.file_size),
        _ => None,
    });
    assert_eq!(told, Some(content.len() as u64));
    assert_eq!(server.get("/operations").as_array().unwrap().len(), 1);

    let following = device.follow_ups().await;
    assert!(following.iter().all(|report| report.completed()), "{following:?}");
    assert_eq!(device.files().len(), 1);
    assert_eq!(device.files()[0].size, content.len() as u64);
    assert_eq!(server.get("/operations"), json!([]));
    assert_eq!(server.get("/faults"), json!([]));
    let downloads = &server.get(&format!("/devices/{DEVICE}"))["Downloads"]["1"];
    assert_eq!(downloads["LastFileName"]["_value"], "fw 1.bin", "{downloads:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_a_fault_with_the_devices_words() {
    let server = Server::start();
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let task = r#"{"name":"download","fileType":"1 Firmware Upgrade Image","fileName":"nothing.bin"}"#;
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), task).status, 202);
    device.session(["2 PERIODIC"]).await;
    device.follow_ups().await;
    let fault = &server.get("/faults")[0];
    assert!(fault["code"].as_str().unwrap().starts_with("cwmp.90"), "{fault:#}");
    assert!(fault["message"].as_str().unwrap().contains("nothing.bin"), "{fault:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fetches_a_file_without_a_signed_url() {
    let server = Server::start();
    let headers = format!("X-API-Key: {}\r\n", crate::kit::KEY);
    assert_eq!(server.request_with("PUT", "/files/secret.cfg", &headers, "password").status, 201);
    for (path, status) in [
        ("/secret.cfg", 404),
        ("/d/0A1B2C-SimCPE-E2E1/key/fffffffffff..AAAAAAAAAAAAAAAAAAAAAA/secret.cfg", 403),
        ("/d/x/y/../../secret.cfg", 404),
    ] {
        let answer = server.fetch(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(!answer.body.contains("password"));
    }
}

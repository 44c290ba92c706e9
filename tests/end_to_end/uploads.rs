//! A file's way from a device: asked for by a task, sent once, kept, saved by an operator, given back to the device.

use serde_json::{Value as Json, json};

use crate::kit::Server;

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";

fn ask(server: &Server, task: Json) {
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), &task.to_string()).status, 202, "{task}");
}

fn upload_task() -> Json {
    json!({"name": "upload", "fileType": "1 Vendor Configuration File", "fileName": "backup.cfg"})
}

/// The record of the only transfer of a kind.
fn record(server: &Server, kind: &str) -> Json {
    let list = server.get(&format!("/transfers?query={{\"kind\":\"{kind}\"}}"));
    assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
    list[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_sends_its_configuration_once_and_gets_it_back() {
    let server = Server::start();
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    ask(&server, upload_task());
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(report.rpcs(), ["Upload"], "{:?}", server.get("/faults"));
    let url = report.requests().find_map(|request| match request {
        sim::soap::Request::Transfer(transfer) => Some(transfer.url.clone()),
        _ => None,
    });
    assert_eq!((&record(&server, "Upload")["state"], server.get("/uploads")), (&json!("accepted"), json!([])));
    assert!(device.follow_ups().await.iter().all(|report| report.completed()));

    let sent = device.files()[0].clone();
    let done = record(&server, "Upload");
    assert_eq!((&done["state"], &done["movement"]["complete"]), (&json!("completed"), &json!(true)), "{done:#}");
    assert_eq!(
        (&done["movement"]["bytes"], &done["movement"]["lastStatus"]),
        (&json!(sent.size), &json!(201)),
        "{done:#}"
    );
    let file = &server.get(&format!("/uploads?query={{\"device\":\"{DEVICE}\"}}"))[0];
    assert_eq!((&file["_id"], &file["length"]), (&done["_id"], &json!(sent.size)), "{file:#}");
    assert_eq!(file["metadata"]["fileType"], "1 Vendor Configuration File");
    let id = file["_id"].as_str().unwrap();
    let saved = server.request("GET", &format!("/uploads/{id}/content"), "");
    assert_eq!((saved.status, saved.body.len() as u64), (200, sent.size));
    assert!(serde_json::from_str::<Json>(&saved.body).is_ok(), "the simulator's configuration is its model as JSON");

    // The URL is used up, and so it stays.
    let url = url.unwrap();
    let path = &url[url.match_indices('/').nth(2).unwrap().0..];
    assert_eq!(server.send_file(path, "another").status, 403);
    assert_eq!(server.request("GET", &format!("/uploads/{id}/content"), "").body, saved.body);

    let restore = json!({"name": "download", "fileType": "3 Vendor Configuration File", "fileName": file["filename"]});
    ask(&server, restore);
    assert_eq!(device.session(["2 PERIODIC"]).await.rpcs(), ["Download"], "{:?}", server.get("/faults"));
    assert!(device.follow_ups().await.iter().all(|report| report.completed()));
    assert_eq!(device.files()[1].md5, sent.md5);

    assert_eq!(server.request("DELETE", &format!("/devices/{DEVICE}"), "").status, 200);
    assert_eq!((server.get("/uploads"), server.get("/transfers")), (json!([]), json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_too_large_is_refused_and_shows() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("lodestar.toml");
    std::fs::write(&config, "[uploads]\nfile-bytes = 1000\n").unwrap();
    let server = Server::start_with(&["--config", config.to_str().unwrap()]);
    for name in ["bootstrap", "default", "inform"] {
        server.request("DELETE", &format!("/presets/{name}"), "");
    }
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    ask(&server, upload_task());
    assert_eq!(device.session(["2 PERIODIC"]).await.rpcs(), ["Upload"]);
    device.follow_ups().await;
    let list = server.get("/transfers?sort={\"requestedAt\":1}");
    let failed = &list[0];
    assert_eq!((&failed["state"], &failed["faultCode"]), (&json!("failed"), &json!("cwmp.9011")), "{list:#}");
    assert_eq!((&failed["movement"]["lastStatus"], &failed["movement"]["bytes"]), (&json!(413), &json!(0)), "{list:#}");
    assert_eq!(server.get("/uploads"), json!([]));
    let fault = &server.get("/faults")[0];
    assert!(fault["message"].as_str().unwrap().contains("backup.cfg"), "{fault:#}");
}

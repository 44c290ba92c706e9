//! Transfers from the request to the new software version, as their records tell them (docs/transfers.md).

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use crate::kit::{KEY, Server, eventually};

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";

fn put_firmware(server: &Server, name: &str, content: &str) {
    let headers = format!("X-API-Key: {KEY}\r\nfileType: 1 Firmware Upgrade Image\r\n");
    assert_eq!(server.request_with("PUT", &format!("/files/{name}"), &headers, content).status, 201);
}

fn ask_for_download(server: &Server, name: &str) {
    let task = json!({"name": "download", "fileType": "1 Firmware Upgrade Image", "fileName": name});
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), &task.to_string()).status, 202);
}

/// The only record.
fn record(server: &Server) -> Json {
    let list = server.get("/transfers");
    assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
    list[0].clone()
}

/// The record when the file server has told it how much was sent.
fn record_with_bytes(server: &Server, bytes: usize) -> Json {
    eventually("the record of what was sent", || record(server)["movement"]["bytes"] == bytes);
    record(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_download_has_every_stage() {
    let server = Server::start();
    let content = "firmware ".repeat(80_000);
    put_firmware(&server, "gateway-v2.0.1.bin", &content);
    // The device fetches in pieces, as one that goes on after a break.
    let mut device = server.device("E2E1", |options| options.fetch_piece_bytes = Some(250_000));
    assert!(device.session(["2 PERIODIC"]).await.completed());
    ask_for_download(&server, "gateway-v2.0.1.bin");
    assert_eq!(device.session(["2 PERIODIC"]).await.rpcs(), ["Download"]);
    let accepted = record(&server);
    assert_eq!((&accepted["kind"], &accepted["state"]), (&json!("Download"), &json!("accepted")), "{accepted:#}");
    assert_eq!((&accepted["fileName"], &accepted["fileSize"]), (&json!("gateway-v2.0.1.bin"), &json!(content.len())));
    assert_eq!((&accepted["status"], &accepted["requestedAt"]), (&json!(1), &accepted["acceptedAt"]));
    assert!(accepted.get("movement").is_none() && accepted.get("versionAfter").is_none(), "{accepted:#}");
    let before = accepted["versionBefore"].as_str().unwrap();
    assert_ne!(before, "2.0.1");

    assert!(device.follow_ups().await.iter().all(|report| report.completed()));
    let done = record_with_bytes(&server, content.len());
    assert_eq!(done["_id"], format!("{DEVICE}:{}", done["commandKey"].as_str().unwrap()));
    assert_eq!((&done["state"], &done["versionBefore"]), (&json!("completed"), &json!(before)), "{done:#}");
    assert_eq!((&done["versionAfter"], &done["versionSeenAt"]), (&json!("2.0.1"), &done["bootedAt"]), "{done:#}");
    assert!(done["startTime"].as_str().unwrap() <= done["completeTime"].as_str().unwrap());
    let movement = &done["movement"];
    assert_eq!((&movement["complete"], &movement["requests"]), (&json!(true), &json!(3)), "{movement:#}");
    assert_eq!((&movement["lastStatus"], &movement["remoteAddress"]), (&json!(206), &json!("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_is_not_served_under_the_old_url() {
    let server = Server::start();
    put_firmware(&server, "fw.bin", "first");
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    ask_for_download(&server, "fw.bin");
    device.session(["2 PERIODIC"]).await;
    put_firmware(&server, "fw.bin", "second");
    device.follow_ups().await;
    let list = server.get("/transfers?sort={\"requestedAt\":1}");
    let failed = &list[0];
    assert_eq!((&failed["state"], &failed["faultCode"]), (&json!("failed"), &json!("cwmp.9016")), "{list:#}");
    assert_eq!((&failed["movement"]["lastStatus"], &failed["movement"]["bytes"]), (&json!(404), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_urls_are_for_servers_that_serve_them_and_devices_that_get_them() {
    let server = Server::start_with(&["--plain-file-urls"]);
    put_firmware(&server, "fw.bin", "content");
    assert_eq!(server.fetch("/fw.bin").body, "content");
    for (plain, path) in [("true", "/fw.bin"), ("DeviceID.ProductClass = 'Other'", "/d/")] {
        server.put("/config/files.plainUrls", &json!({ "value": plain }).to_string());
        let mut device = server.device("E2E1", |_| {});
        assert!(device.session(["2 PERIODIC"]).await.completed());
        ask_for_download(&server, "fw.bin");
        let url = told_url(&device.session(["2 PERIODIC"]).await);
        assert!(path_of(&url).starts_with(path), "{plain}: {url}");
        assert!(device.follow_ups().await.iter().all(|report| report.completed()));
        assert_eq!(device.files().len(), 1, "{plain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_costs_little_memory() {
    // So large that what a busy allocator holds back does not count beside it.
    const LENGTH: usize = 192 << 20;
    let server = Server::start();
    put_firmware(&server, "large.bin", &"0123456789abcdef".repeat(LENGTH / 16));
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    ask_for_download(&server, "large.bin");
    let url = told_url(&device.session(["2 PERIODIC"]).await);
    let before = server.own_memory();
    let mut stream = TcpStream::connect(url.split('/').nth(2).unwrap()).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n\r\n", path_of(&url)).unwrap();
    let (mut received, mut most) = (0, 0);
    let mut piece = vec![0; 64 << 10];
    for count in 0.. {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            length => received += length,
        }
        if count % 64 == 0 {
            most = most.max(server.own_memory());
        }
    }
    assert!(received > LENGTH, "{received}");
    let grown = most.saturating_sub(before);
    assert!(grown < LENGTH / 6, "{grown} bytes more while {LENGTH} were sent");
    record_with_bytes(&server, LENGTH);
}

/// The URL in a session's Download.
fn told_url(report: &sim::SessionReport) -> String {
    let urls = report.requests().filter_map(|request| match request {
        sim::soap::Request::Transfer(transfer) => Some(transfer.url.clone()),
        _ => None,
    });
    urls.last().unwrap_or_else(|| panic!("no Download in {:?}", report.rpcs()))
}

fn path_of(url: &str) -> &str {
    let authority = url.find("://").unwrap() + 3;
    &url[authority + url[authority..].find('/').unwrap()..]
}

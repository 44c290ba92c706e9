//! Files from devices: how they are received, and how operators get them.

use std::sync::Arc;

use acs_core::change::SessionChange;
use acs_core::transfer::{Transfer, TransferKind};
use serde_json::{Value as Json, json};
use store::{FileInfo, FileMetadata, Find, Listing, Store, UploadOrigin, UploadUsage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use ui_api::{Direction, Grant, Scopes, UploadLimits};

use crate::file_server::{DEVICE, NOW, Server, eventually, path, transfer};
use crate::fixture::{Fixture, HOME_BOX, HOME_BOX_URL, OFFLINE, REGISTERED};

fn grant(command_key: &str) -> Grant {
    Grant {
        direction: Direction::Send,
        device_id: DEVICE.into(),
        command_key: command_key.into(),
        expires_at: NOW,
        content: String::new(),
        file_name: "backup.cfg".into(),
    }
}

async fn uploads(store: &dyn Store) -> Vec<Json> {
    store.find(Listing::Uploads, Find::default()).await.unwrap().collect().await.unwrap()
}

async fn content(store: &dyn Store, name: &str) -> Vec<u8> {
    let file: FileInfo = store.get_file(name).await.unwrap().unwrap();
    store.read_file(&file, 0, file.length).await.unwrap().unwrap()
}

/// Sends bytes as they are, and returns the head of the last answer.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    read_head(&mut stream).await
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn put(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("PUT {path} HTTP/1.1\r\nHost: files\r\n{headers}\r\n{body}").into_bytes()
}

fn sized(path: &str, body: &str) -> Vec<u8> {
    put(path, &format!("Content-Length: {}\r\n", body.len()), body)
}

#[tokio::test]
async fn a_device_sends_a_file_once() {
    let server = Server::start(|files| files).await;
    let path = path(&grant("k1"));
    assert!(raw(&server, &sized(&path, "the backup")).await.starts_with("HTTP/1.1 201"));
    let name = "uploads/0A1B2C-Box%20X-1/k1/backup.cfg";
    assert_eq!(content(&*server.store, name).await, b"the backup");
    let list = uploads(&*server.store).await;
    assert_eq!((&list[0]["_id"], &list[0]["filename"]), (&json!("0A1B2C-Box%20X-1:k1"), &json!(name)));
    let movement = &transfer(&*server.store).await["movement"];
    assert_eq!(
        (&movement["bytes"], &movement["complete"], &movement["lastStatus"]),
        (&json!(10), &json!(true), &json!(201))
    );
    let events = server.store.events_after(0, 10).await.unwrap();
    assert!(events.iter().any(|stored| stored.event.kind == "transfer.received"));

    assert!(raw(&server, &sized(&path, "another")).await.starts_with("HTTP/1.1 403"));
    assert_eq!(content(&*server.store, name).await, b"the backup");
    // The URL is used up even when the file is gone.
    assert!(server.store.delete_file(name).await.unwrap());
    assert!(raw(&server, &sized(&path, "another")).await.starts_with("HTTP/1.1 403"));
    assert_eq!(transfer(&*server.store).await["movement"]["lastStatus"], 201);
}

#[tokio::test]
async fn a_file_may_come_in_any_framing() {
    let server = Server::start(|files| files).await;
    let chunks = put(&path(&grant("k1")), "Transfer-Encoding: chunked\r\n", "4\r\nthe \r\n6\r\nbackup\r\n0\r\n\r\n");
    assert!(raw(&server, &chunks).await.starts_with("HTTP/1.1 201"));
    let post = sized(&path(&grant("k2")), "the backup");
    let post = String::from_utf8(post).unwrap().replacen("PUT", "POST", 1);
    assert!(raw(&server, post.as_bytes()).await.starts_with("HTTP/1.1 201"));
    assert!(raw(&server, &sized(&path(&grant("k3")), "")).await.starts_with("HTTP/1.1 201"));

    // A device that asks first is told to go on.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = put(&path(&grant("k4")), "Content-Length: 10\r\nExpect: 100-continue\r\n", "");
    stream.write_all(&head).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 100"));
    stream.write_all(b"the backup").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 201"));

    let lengths: Vec<_> = uploads(&*server.store).await.iter().map(|file| file["length"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [10, 10, 0, 10]);
}

#[tokio::test]
async fn what_is_not_wanted_is_refused_and_leaves_nothing() {
    let limits = UploadLimits { file_bytes: 100, device_bytes: 150, total_bytes: 180 };
    let server = Server::start(|files| files.with_upload_limits(limits)).await;
    let at = |key: &str| path(&grant(key));
    let long = "x".repeat(101);
    let chunked = |key: &str, body: &str| {
        put(&at(key), "Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
    };
    // Nothing of the body is sent: what is too large by its own word is refused before.
    let announced =
        |key: &str, length: u64| put(&at(key), &format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"), "");
    let other = Grant { device_id: "0A1B2C-Other".into(), ..grant("k1") };
    let expired = Grant { expires_at: NOW - 1, ..grant("k9") };
    let fetch = path(&server.grant("fw 1.bin").await);
    assert!(raw(&server, &sized(&at("first"), &"x".repeat(80))).await.starts_with("HTTP/1.1 201"));
    let cases = [
        (announced("k1", 101), 413),
        (announced("k1", 1 << 62), 413),
        (chunked("k1", &long), 413),
        (announced("k1", 71), 507),
        (chunked("k1", &"x".repeat(71)), 507),
        (put(&at("k1"), "Content-Length: 4\r\nContent-Range: bytes 0-3/8\r\n", "half"), 400),
        (put(&at("k1"), "Content-Length: 4\r\nContent-Type: multipart/form-data; boundary=x\r\n", "form"), 415),
        (put(&at("k1"), "Transfer-Encoding: chunked\r\n", "zz\r\n"), 400),
        (sized(&path(&expired), "x"), 403),
        (sized(&at("k1").replace("Box", "Bax"), "x"), 403),
        (sized(&at("k1").replace("backup.cfg", "../backup.cfg"), "x"), 403),
        (sized("/u/0A1B2C/k1/zz/x", "x"), 404),
        (sized(&fetch, "x"), 405),
        (sized("/fw%201.bin", "x"), 405),
    ];
    for (request, status) in cases {
        let answer = raw(&server, &request).await;
        let case = String::from_utf8(request).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{case}: {answer}");
        assert_eq!(uploads(&*server.store).await.len(), 1, "{case}");
    }
    // Each device has its own space, and all together have another.
    assert!(raw(&server, &sized(&path(&other), &"x".repeat(100))).await.starts_with("HTTP/1.1 201"));
    assert!(raw(&server, &sized(&at("k1"), "x")).await.starts_with("HTTP/1.1 507"));
    let used = UploadUsage { device_bytes: 80, total_bytes: 180 };
    assert_eq!(server.store.upload_usage(DEVICE).await.unwrap(), used);
    let get = server.request("GET", &at("k1"), &[]).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("PUT, POST")));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_may_be_tried_again() {
    let server = Server::start(|files| files).await;
    let path = path(&grant("k1"));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let half = "x".repeat(600_000);
    stream.write_all(&put(&path, "Content-Length: 1000000\r\n", &half)).await.unwrap();
    // While it is under way, nobody else sends it.
    eventually("the upload to begin", async || {
        let second = raw(&server, &put(&path, "Content-Length: 2000000000\r\nExpect: 100-continue\r\n", "")).await;
        second.starts_with("HTTP/1.1 409").then_some(())
    })
    .await;
    drop(stream);
    eventually("the record of the break", async || {
        (transfer(&*server.store).await["movement"]["lastStatus"] == 400).then_some(())
    })
    .await;
    eventually("the place to be free", async || {
        raw(&server, &sized(&path, "whole")).await.starts_with("HTTP/1.1 201").then_some(())
    })
    .await;
    assert_eq!(content(&*server.store, "uploads/0A1B2C-Box%20X-1/k1/backup.cfg").await, b"whole");
    assert_eq!(server.store.upload_usage(DEVICE).await.unwrap().total_bytes, 5);
}

#[tokio::test]
async fn what_a_device_sent_can_be_given_back_to_it() {
    let server = Server::start(|files| files).await;
    assert!(raw(&server, &sized(&path(&grant("k1")), "the backup")).await.starts_with("HTTP/1.1 201"));
    let file_name = "uploads/0A1B2C-Box%20X-1/k1/backup.cfg".to_owned();
    let restore = Grant { direction: Direction::Fetch, file_name, ..grant("k2") };
    assert_eq!(server.request("GET", &path(&restore), &[]).await.body, "the backup");
}

async fn sent(store: &Arc<dyn Store>, device: &str, name: &str, body: &str) {
    let origin = UploadOrigin { device: device.into(), command_key: "k1".into() };
    let metadata = FileMetadata {
        name: format!("{}{name}", origin.folder()),
        file_type: "1 Vendor Configuration File".into(),
        uploaded_at: REGISTERED,
        upload: Some(origin),
        ..FileMetadata::default()
    };
    let mut file = store.create_file(metadata).await.unwrap();
    file.write(body.as_bytes()).await.unwrap();
    file.finish().await.unwrap();
}

#[tokio::test]
async fn operators_save_what_devices_sent() {
    let fixture = Fixture::start().await;
    let page = "<script>alert(1)</script>";
    sent(&fixture.store, HOME_BOX, "bäckup \".html", page).await;
    let list = fixture.request("GET", "/uploads?query={\"device\":\"0A1B2C-Home Box-2-SN-0.1\"}", "").await;
    assert_eq!(list.ids(), [format!("{HOME_BOX}:k1")]);
    assert_eq!(list.json()[0]["metadata"]["fileType"], "1 Vendor Configuration File");
    assert_eq!(fixture.request("GET", "/files", "").await.ids(), Vec::<String>::new());

    let target = format!("/uploads/{HOME_BOX_URL}:k1");
    assert_eq!(fixture.request("GET", &target, "").await.json()["length"], page.len());
    let saved = fixture.request("GET", &format!("{target}/content"), "").await;
    assert_eq!((saved.status, saved.body.as_str()), (200, page));
    let expected = [
        ("content-type", "application/octet-stream"),
        ("content-disposition", "attachment; filename*=UTF-8''b%C3%A4ckup%20%22%2Ehtml"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("content-length", "25"),
    ];
    for (name, value) in expected {
        assert_eq!(saved.header(name), Some(value), "{name}");
    }
    let head = fixture.request("HEAD", &format!("{target}/content"), "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("25"), ""));

    // It may hold secrets, and another collection is another scope.
    let blind = fixture.new_key(&Scopes { reveal: false, ..Scopes::all() }, None).await;
    let files = fixture.new_key(&Scopes { collections: vec!["files".into()], ..Scopes::all() }, None).await;
    for (key, target, status) in
        [(&blind, format!("{target}/content"), 403), (&blind, target.clone(), 200), (&files, target.clone(), 403)]
    {
        let answer = fixture.request_with("GET", &target, &[("X-API-Key", key)], "").await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
    for (method, target, status) in [
        ("PUT", target.clone(), 405),
        ("PUT", "/files/uploads%2Fx%2Fk1%2Fforged.cfg".to_owned(), 400),
        ("GET", "/uploads/nothing:k1/content".to_owned(), 404),
        ("DELETE", target.clone(), 200),
        ("DELETE", target.clone(), 404),
        ("GET", format!("{target}/content"), 404),
    ] {
        assert_eq!(fixture.request(method, &target, "").await.status, status, "{method} {target}");
    }
}

#[tokio::test]
async fn transfers_are_listed_and_go_with_their_device() {
    let fixture = Fixture::start().await;
    let head = fixture.store.get_device(OFFLINE).await.unwrap().unwrap().head;
    let transfer = |key: &str, at: i64| Transfer {
        file_name: "fw.bin".into(),
        ..Transfer::requested(key, TransferKind::Download, at)
    };
    let transfers = vec![transfer("k1", REGISTERED), transfer("k2", REGISTERED + 86_400_000)];
    fixture.store.commit_session(SessionChange { head, transfers, ..SessionChange::default() }).await.unwrap();
    sent(&fixture.store, OFFLINE, "log.txt", "lines").await;

    let since = "/transfers?query={\"device\":\"0A1B2C-Radio-0002\",\"requestedAt\":{\"$gt\":\"2023-11-15\"}}";
    assert_eq!(fixture.request("GET", since, "").await.ids(), ["0A1B2C-Radio-0002:k2"]);
    let latest = "/transfers?sort={\"requestedAt\":-1}&limit=1&projection=state,fileName";
    let expected = json!([{"_id": "0A1B2C-Radio-0002:k2", "state": "requested", "fileName": "fw.bin"}]);
    assert_eq!(fixture.request("GET", latest, "").await.json(), expected);
    let one = fixture.request("GET", "/transfers/0A1B2C-Radio-0002:k1", "").await.json();
    assert_eq!((&one["kind"], &one["requestedAt"]), (&json!("Download"), &json!("2023-11-14T22:13:20.000Z")));
    for (method, target, status) in [
        ("GET", "/transfers/0A1B2C-Radio-0002:k3", 404),
        ("DELETE", "/transfers/0A1B2C-Radio-0002:k1", 405),
        ("DELETE", "/devices/0A1B2C-Radio-0002", 200),
    ] {
        assert_eq!(fixture.request(method, target, "").await.status, status, "{method} {target}");
    }
    assert_eq!(fixture.request("GET", "/transfers", "").await.json(), json!([]));
    assert_eq!(fixture.request("GET", "/uploads", "").await.json(), json!([]));
}

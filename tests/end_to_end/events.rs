//! The stream of events, followed by a client that loses its server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::kit::{KEY, Server};
use crate::test_store::DataDir;

/// A stream of events that is being read.
struct Following(BufReader<TcpStream>);

impl Following {
    fn open(server: &Server, target: &str, headers: &str) -> Following {
        let mut stream = TcpStream::connect(server.nbi).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {KEY}\r\n{headers}\r\n", server.nbi);
        stream.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        Following(reader)
    }

    /// The next event; `None` when the stream is cut.
    fn next(&mut self) -> Option<Json> {
        loop {
            let mut line = String::new();
            // What stands between pieces, and the sizes of chunks, are no fields.
            match self.0.read_line(&mut line) {
                Ok(length) if length > 0 => {}
                _ => return None,
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Reads on until an event of a kind has come.
    fn until(&mut self, kind: &str, seen: &mut Vec<Json>) {
        while seen.last().is_none_or(|event| event["kind"] != kind) {
            seen.push(self.next().expect("the stream goes on"));
        }
    }
}

/// All events that are kept, without waiting for more.
fn kept(server: &Server) -> Vec<Json> {
    let text = server.request("GET", "/events?after=0&wait=0", "").body;
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_behind_a_restart_without_loss_or_repetition() {
    const DEVICE: &str = "0A1B2C-SimCPE-EV1";
    let directory = DataDir::new();
    let mut server = Server::start_on(directory.path());
    let mut following = Following::open(&server, "/events", "");
    let mut seen = Vec::new();
    assert!(server.device("EV1", |_| {}).session(["1 BOOT"]).await.completed());
    following.until("device.registered", &mut seen);
    assert_eq!(seen.last().unwrap()["device"], DEVICE);
    let task = json!({"name": "getParameterValues", "parameterNames": ["Device.DeviceInfo.UpTime"]}).to_string();
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), &task).status, 202);
    following.until("task.queued", &mut seen);
    server.kill();
    while let Some(event) = following.next() {
        seen.push(event);
    }

    let server = Server::start_on(directory.path());
    let last = seen.last().unwrap()["cursor"].as_i64().unwrap();
    let mut following = Following::open(&server, "/events?kinds=*", &format!("Last-Event-ID: {last}\r\n"));
    assert!(server.device("EV1", |_| {}).session(["2 PERIODIC"]).await.completed());
    following.until("task.done", &mut seen);
    let of_task = |event: &&Json| event["kind"].as_str().unwrap().starts_with("task.");
    let kinds: Vec<&str> = seen.iter().filter(of_task).map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"task.queued"), Some(&"task.done")));
    let mut stored = kept(&server);
    stored.truncate(seen.len());
    assert_eq!(seen, stored, "every event once, in order");

    let only = server.request("GET", "/events?after=0&wait=0&kinds=task.done", "").body;
    assert_eq!(only.matches("data: ").count(), 1, "{only}");
}

#[test]
fn events_want_credentials_and_say_what_is_wrong() {
    let server = Server::start();
    assert_eq!(server.request_with("GET", "/events", "", "").status, 401);
    let answer = server.request("GET", "/events?after=yesterday", "");
    assert_eq!((answer.status, answer.body.contains("after")), (400, true), "{answer:?}");
    assert_eq!(server.request("POST", "/events", "").status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_as_many_as_configured() {
    let server = Server::start_with(&["--events-kept", "1"]);
    let mut device = server.device("EV2", |_| {});
    assert!(device.session(["1 BOOT"]).await.completed());
    let path = "/devices/0A1B2C-SimCPE-EV2/tasks";
    let cursor = || kept(&server).last().map_or(0, |event| event["cursor"].as_i64().unwrap());
    let first = cursor();
    // Replacing a task cancels the one before: two events for each.
    while cursor() < first + 1_100 {
        for _ in 0..50 {
            assert_eq!(server.request("POST", path, r#"{"name":"reboot","uniqueKey":"k"}"#).status, 202);
        }
    }
    let left = kept(&server).len();
    assert!(left <= 1_002, "{left} are kept");
    let answer = server.request("GET", &format!("/events?after={first}&wait=0"), "");
    assert!(answer.body.contains("event: gap\n") && answer.body.contains("pruned"), "{}", answer.body);
}

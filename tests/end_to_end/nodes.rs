//! Servers that share one MongoDB database.
//!
//! The database server is the one at `LODESTAR_TEST_MONGODB_URL`; without the variable the tests say that they are skipped.

use std::net::SocketAddr;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};
use sim::cpe::{ConnectionRequest, ConnectionRequestMode};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{RunningDevice, Server, eventually, free_address};
use crate::test_store::{database, drop_database};

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";
const INTERVAL: &str = "Device.ManagementServer.PeriodicInformInterval";

/// A database that is dropped at the end.
struct Database(String);

impl Database {
    /// `None` when there is no server.
    fn new(name: &str) -> Option<Database> {
        database(&format!("lodestar_nodes_{}_{name}", std::process::id())).map(Database)
    }

    /// A node on it, without the seed presets.
    fn node(&self) -> Server {
        self.node_with(&[])
    }

    fn node_with(&self, arguments: &[&str]) -> Server {
        Server::start_bare_with(&[&["--store", &self.0], arguments].concat())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop_database(self.0.clone());
    }
}

fn ids(documents: &Json) -> Vec<&str> {
    documents.as_array().unwrap().iter().map(|document| document["_id"].as_str().unwrap()).collect()
}

fn set_interval(seconds: i64) -> String {
    json!({"name": "setParameterValues", "parameterValues": [[INTERVAL, seconds]]}).to_string()
}

fn interval(device: &Json) -> &Json {
    &device["Device"]["ManagementServer"]["PeriodicInformInterval"]["_value"]
}

/// Two nodes serve one device in turns, each with what the other has learnt and been told.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_serve_a_device_in_turns() {
    let Some(database) = Database::new("turns") else { return };
    let nodes = [database.node(), database.node()];
    // The same device, as it speaks to either.
    let mut devices = [nodes[0].device("E2E1", |_| {}), nodes[1].device("E2E1", |_| {})];
    for turn in 0..6 {
        let there = &nodes[(turn + 1) % 2];
        let wanted = 1_000 + turn as i64;
        if turn > 0 {
            let answer = there.request("POST", &format!("/devices/{DEVICE}/tasks"), &set_interval(wanted));
            assert_eq!(answer.status, 202, "{answer:?}");
        }
        let report = devices[turn % 2].session(["2 PERIODIC"]).await;
        assert!(report.completed(), "{report:?}");
        let stored = there.get(&format!("/devices/{DEVICE}"));
        if turn > 0 {
            assert_eq!(*interval(&stored), wanted);
            assert!(ids(&there.get("/tasks/")).is_empty());
        }
    }
    let registered = |server: &Server| server.request("GET", "/devices/?projection=_id", "").json();
    assert_eq!((ids(&registered(&nodes[0])), ids(&registered(&nodes[1]))), (vec![DEVICE], vec![DEVICE]));
}

/// A load balancer that gives each connection to the next node.
async fn balancer(nodes: &[Server]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let targets: Vec<SocketAddr> = nodes.iter().map(|node| node.cwmp).collect();
    tokio::spawn(async move {
        for target in targets.iter().cycle() {
            let (mut from, _) = listener.accept().await.unwrap();
            let mut to = TcpStream::connect(target).await.unwrap();
            // Either side may break off.
            tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
        }
    });
    address
}

/// A session goes on on whichever node its device comes to, message by message.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_moves_from_node_to_node() {
    let Some(database) = Database::new("moving") else { return };
    let nodes = [database.node(), database.node()];
    nodes[0].preset(
        "interval",
        json!({"weight": 1}),
        r#"let model = declare("Device.DeviceInfo.ModelName", #{value: now()}).value[0];
           declare("Device.ManagementServer.PeriodicInformInterval", #{value: now()}, #{value: 1234});
           declare("Tags.met", (), #{value: model});"#,
    );
    let address = balancer(&nodes).await;
    let mut device = nodes[1].device("E2E1", |options| {
        options.acs_url = format!("http://{address}/");
        options.habits.http.connection_per_request = true;
    });
    // The other node follows the configuration soon.
    loop {
        let report = device.session(["2 PERIODIC"]).await;
        assert!(report.completed(), "{report:?}");
        if report.rpcs().len() > 2 {
            break;
        }
    }
    let stored = nodes[0].get(&format!("/devices/{DEVICE}"));
    assert_eq!(*interval(&stored), 1_234);
    assert!(stored["_tagValues"]["met"].is_string(), "{stored}");
    for node in &nodes {
        let status = node.get("/status");
        let count = |name: &str| status["cwmp"][name].as_u64().unwrap();
        assert!(count("sessionsSuspended") > 0 && count("sessionsResumed") > 0, "{status}");
        assert_eq!(count("sessionsFailed"), 0, "{status}");
    }
}

/// What is configured at one node is done by the other one soon.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_hear_of_each_others_configuration() {
    let Some(database) = Database::new("configuration") else { return };
    let nodes = [database.node(), database.node()];
    nodes[0].preset("tag", json!({"weight": 1}), r#"declare("Tags.heard", (), #{value: true});"#);
    let mut device = nodes[1].device("E2E1", |_| {});
    loop {
        assert!(device.session(["2 PERIODIC"]).await.completed());
        if nodes[1].get(&format!("/devices/{DEVICE}"))["_tags"] == json!(["heard"]) {
            return;
        }
    }
}

/// A task that is queued at one node with a connection request is done by the other one, where the device has its session; who queued
/// it is told when it is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_awaited_that_another_node_does() {
    let Some(database) = Database::new("waking") else { return };
    let here = database.node_with(&["--connection-requests-to-this-machine"]);
    let there = database.node();
    let mut device = there.device("E2E1", |options| {
        options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Open, ..Default::default() };
    });
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let _running = RunningDevice::start(device).await;
    for wanted in [1_001, 1_002] {
        let target = format!("/devices/{DEVICE}/tasks?connection_request&timeout=30000");
        let answer = here.request("POST", &target, &set_interval(wanted));
        assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("done")), "{answer:?}");
        assert_eq!(*interval(&here.get(&format!("/devices/{DEVICE}"))), wanted);
    }
}

/// Each node's stream of events has those of all, with one order of cursors.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_all_nodes_are_one_stream() {
    let Some(database) = Database::new("events") else { return };
    let nodes = [database.node(), database.node()];
    for (number, node) in nodes.iter().enumerate() {
        assert!(node.device(&format!("E2E{number}"), |_| {}).session(["1 BOOT"]).await.completed());
    }
    let events = |node: &Server| node.request("GET", "/events?after=0&wait=0&kinds=device.registered", "").body;
    eventually("both nodes to tell of both devices", || {
        let told = [events(&nodes[0]), events(&nodes[1])];
        told[0].matches("SimCPE-E2E").count() == 2 && told[0] == told[1]
    });
}

/// URLs of files that one node has signed are served by the other, whose data directory has another key or none.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_served_by_any_node() {
    let Some(database) = Database::new("files") else { return };
    let nodes = [database.node(), database.node()];
    assert_eq!(nodes[0].request("PUT", "/files/notes.txt", "what is in it").status, 201);
    let mut device = nodes[0].device("E2E1", |_| {});
    assert!(device.session(["1 BOOT"]).await.completed());
    let task = r#"{"name":"download","fileType":"3 Vendor Configuration File","fileName":"notes.txt"}"#;
    assert_eq!(nodes[0].request("POST", &format!("/devices/{DEVICE}/tasks"), task).status, 202);
    let report = device.session(["2 PERIODIC"]).await;
    let told = report.requests().find_map(|request| match request {
        sim::soap::Request::Transfer(transfer) => Some(transfer.url.clone()),
        _ => None,
    });
    let url = told.unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    assert_eq!(nodes[1].fetch(&format!("/{path}")).body, "what is in it", "{url}");
    assert_eq!(nodes[1].fetch("/notes.txt").status, 404, "not without a signature");
}

fn serve(arguments: &[&str], store: Option<&str>) -> Output {
    let data = tempfile::tempdir().unwrap();
    let free = free_address().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
    command.arg("serve").arg("--data-dir").arg(data.path()).args(["--cwmp-listen", &free]).args(arguments);
    command.envs(store.map(|store| ("LODESTAR_STORE", store))).output().unwrap()
}

/// Why a store cannot be used is said at once, and without the password.
#[test]
fn a_start_without_its_store_says_why() {
    let nowhere = free_address();
    let options = "?serverSelectionTimeoutMS=300";
    for (store, problem) in [
        (format!("mongodb://acs:s3cret@{nowhere}/acs{options}"), "no server answers"),
        ("http://acs:s3cret@db.example/acs".to_owned(), "begins with mongodb://"),
        (format!("mongodb://acs:s3cret%zz@{nowhere}/acs"), "two hexadecimal digits"),
        (format!("mongodb://acs:s3cret/x@{nowhere}/acs"), "two hexadecimal digits"),
        (format!("mongodb://acs:s3cret@{nowhere}:x/acs"), "port"),
    ] {
        let output = serve(&[], Some(&store));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert!(error.contains(problem) && !error.contains("s3cret"), "{problem}: {error}");
    }
    let output = serve(&["--store", &format!("mongodb://acs:s3cret@{nowhere}/acs")], None);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--store-file") && !error.contains("s3cret"), "{error}");
}

/// What is of the embedded store alone says so.
#[test]
fn backups_are_of_the_embedded_store() {
    for (command, instead) in [("backup", "mongodump"), ("restore", "mongorestore")] {
        let mut lodestar = Command::new(env!("CARGO_BIN_EXE_lodestar"));
        let output = lodestar.args([command, "/nowhere/file", "--store", "mongodb://db.example/acs"]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("embedded store") && error.contains(instead), "{error}");
    }
}

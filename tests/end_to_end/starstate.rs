//! A router behind a device becomes what a StarState document says, because the device informed over TR-069.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use sim::cpe::{ConnectionRequest, ConnectionRequestMode};
use sim::{RouterFault, RouterOptions, Simulator, SimulatorOptions};

use crate::kit::{RunningDevice, Server, eventually};

const DEVICE: &str = "0A1B2C-SimCPE-ROUTER1";
const PASSWORD: &str = "open sesame";

fn document(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../provisions/starstate/tests/documents");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

async fn router(latency: Duration) -> Simulator {
    let options = SimulatorOptions { latency, ..SimulatorOptions::new(RouterOptions::new("admin", PASSWORD)) };
    Simulator::start(options).await.unwrap()
}

/// How the router is reached, and a document that is wanted on it at each Inform with one of these events.
fn prepare(server: &Server, router: &Simulator, events: Json) {
    let port = router.address().port().to_string();
    for (key, value) in [
        ("username", "'admin'"),
        ("password", "'open sesame'"),
        ("port", port.as_str()),
        ("tls", "false"),
        ("allowPlain", "true"),
    ] {
        server.put(&format!("/config/starstate.{key}"), &json!({ "value": value }).to_string());
    }
    store(server, "09-minimal.json");
    want(server, events, json!(["starstate", "home"]));
}

/// Stores a document as `home`.
fn store(server: &Server, name: &str) {
    let stored = server.request("PUT", "/starstate/documents/home", &document(name));
    assert!(matches!(stored.status, 200 | 201), "{stored:?}");
}

fn want(server: &Server, events: Json, provision: Json) {
    let precondition = "DeviceID.Manufacturer = 'MikroTik'";
    let preset =
        json!({ "channel": "router", "events": events, "precondition": precondition, "provisions": [provision] });
    server.put("/presets/router", &preset.to_string());
}

fn mikrotik(server: &Server) -> sim::Device {
    server.device("ROUTER1", |options| {
        options.identity.manufacturer = "MikroTik".to_owned();
        options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Open, ..Default::default() };
    })
}

/// What the device's tree says of a document.
fn told(server: &Server, field: &str) -> Json {
    let device = server.get(&format!("/devices/{DEVICE}?projection=StarState"));
    device["StarState"][field]["_value"].clone()
}

fn start() -> Server {
    Server::start_bare_with(&["--connection-requests-to-this-machine"])
}

/// Wakes the device and waits until its session is over.
fn inform(server: &Server) {
    let answer = server.request("POST", &format!("/devices/{DEVICE}/tasks?connection_request&timeout=20000"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_fresh_from_the_factory_is_configured_by_its_first_inform() {
    let router = router(Duration::ZERO).await;
    let before = router.configuration();
    let server = start();
    prepare(&server, &router, json!({ "0 BOOTSTRAP": true }));
    let mut device = mikrotik(&server);
    device.listen().await.unwrap();
    assert!(device.session(["0 BOOTSTRAP"]).await.completed());
    let _running = RunningDevice::start(device).await;
    eventually("the tree to say that it is done", || told(&server, "Status") == "applied");

    let session = told(&server, "Session").as_str().unwrap().to_owned();
    assert!(router.configuration().contains(&format!("nnc-provisioned-{session}")));
    assert_eq!((told(&server, "Document"), told(&server, "Percent")), (json!("home"), json!(100)));
    assert_eq!((server.get("/faults"), server.get("/operations")), (json!([]), json!([])));
    let shown = server.get(&format!("/devices/{DEVICE}/starstate?drift"));
    assert_eq!((&shown["session"]["status"], &shown["drift"]["isClean"]), (&json!("applied"), &json!(true)), "{shown}");
    let kinds = server.request("GET", &format!("/events?after=0&wait=1&device={DEVICE}"), "").body;
    for kind in ["validated", "started", "progress", "applied"] {
        assert!(kinds.contains(&format!("provisioning.session.{kind}")), "{kind}: {kinds}");
    }

    // Wanted at every Inform from now on: nothing is sent for what is so already.
    let writes = router.counts().writes;
    want(&server, json!({}), json!(["starstate", "home"]));
    inform(&server);
    inform(&server);
    assert_eq!((router.counts().writes, told(&server, "Session")), (writes, json!(session)));

    // By hand, and back.
    let taken_back = server.request("POST", &format!("/starstate/sessions/{session}/rollback"), "");
    assert_eq!(taken_back.status, 202, "{taken_back:?}");
    eventually("the router to be as before", || {
        server.get(&format!("/starstate/sessions/{session}"))["status"] == "validated"
    });
    assert_eq!(router.configuration(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_refuses_is_left_as_it_was_and_its_channel_faults_until_it_is_tried_again() {
    let router = router(Duration::ZERO).await;
    router.set_faults(vec![RouterFault::refuse_write(12)]);
    let before = router.configuration();
    let server = start();
    prepare(&server, &router, json!({}));
    let mut device = mikrotik(&server);
    device.listen().await.unwrap();
    assert!(device.session(["0 BOOTSTRAP"]).await.completed());
    let _running = RunningDevice::start(device).await;
    let fault = || server.get("/faults")[0].clone();
    eventually("the channel's fault", || fault()["code"] == "starstate.step_failed");
    assert_eq!((&fault()["channel"], &fault()["retries"]), (&json!("router"), &json!(0)), "{}", fault());
    assert_eq!(fault()["detail"]["rolledBack"], true, "{}", fault());
    assert_eq!(router.configuration(), before);
    assert_eq!(told(&server, "Status"), "failed");
    let failed = told(&server, "Session");

    // A session before its time changes nothing; an operator's word does.
    inform(&server);
    assert_eq!(told(&server, "Session"), failed);
    router.set_faults(Vec::new());
    assert_eq!(server.request("DELETE", &format!("/faults/{DEVICE}:router"), "").status, 200);
    inform(&server);
    eventually("another attempt to succeed", || told(&server, "Status") == "applied");
    assert_ne!(told(&server, "Session"), failed);
    assert_eq!(server.get("/faults"), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_document_faults_at_once_and_nothing_is_sent() {
    let router = router(Duration::ZERO).await;
    let server = start();
    prepare(&server, &router, json!({}));
    for (provision, code) in [
        (json!(["starstate", "missing"]), "starstate.no_document"),
        (json!(["starstate", r#"{ "choose": { "firmware": "Other" } }"#]), "starstate.invalid_document"),
        (json!(["starstate", "home", r#"{ "adress": "192.0.2.1" }"#]), "starstate.options"),
        (json!(["starstate", 5]), "script.Error"),
    ] {
        want(&server, json!({}), provision.clone());
        let mut device = mikrotik(&server);
        assert!(device.session(["2 PERIODIC"]).await.completed());
        assert_eq!(server.get("/faults")[0]["code"], code, "{provision}: {}", server.get("/faults"));
        assert_eq!(server.request("DELETE", &format!("/faults/{DEVICE}:router"), "").status, 200);
    }
    assert_eq!(router.counts().writes, 0);
    let refused = server.request("PUT", "/starstate/documents/bad", r#"{"choose": {"firmware": "Other"}}"#);
    assert_eq!(refused.status, 400);
    assert!(refused.json()["issues"][0]["path"].as_str().unwrap().starts_with("$."), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_goes_on_where_it_was() {
    let router = router(Duration::from_millis(20)).await;
    let directory = crate::test_store::DataDir::new();
    let arguments = ["--connection-requests-to-this-machine"];
    let mut server = Server::start_on_with(directory.path(), &arguments);
    prepare(&server, &router, json!({ "0 BOOTSTRAP": true }));
    store(&server, "01-home-dual-wan-split.json");
    let mut device = mikrotik(&server);
    device.listen().await.unwrap();
    assert!(device.session(["0 BOOTSTRAP"]).await.completed());
    eventually("a write", || router.counts().writes > 0);
    server.kill();
    drop(server);
    let server = Server::start_on_with(directory.path(), &arguments);
    let state = || server.get(&format!("/devices/{DEVICE}/starstate"));
    eventually("the session to end", || state()["job"]["isOpen"] == false);
    assert_eq!(state()["session"]["status"], "applied", "{}", state());
    // Secrets are not where they could be read.
    let stored = std::fs::read(directory.path().join("lodestar.db")).unwrap_or_default();
    assert!(!stored.windows(9).any(|bytes| bytes == b"\"wanLink\""));
    let mut device = mikrotik(&server);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    assert_eq!(told(&server, "Status"), "applied");
    assert_eq!(server.get("/operations"), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_asks_for_a_document_too() {
    let router = router(Duration::ZERO).await;
    let server = start();
    prepare(&server, &router, json!({}));
    server.preset(
        "router",
        json!({ "channel": "router" }),
        r#"let report = starstate("home"); declare("Tags.router_" + report.status, (), #{value: true});"#,
    );
    let mut device = mikrotik(&server);
    device.listen().await.unwrap();
    assert!(device.session(["0 BOOTSTRAP"]).await.completed());
    let _running = RunningDevice::start(device).await;
    let tags = || server.get(&format!("/devices/{DEVICE}"))["_tags"].to_string();
    eventually("the script to see the end", || tags().contains("router_applied"));
    assert!(tags().contains("router_applying"), "{}", tags());
}

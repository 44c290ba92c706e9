//! Limits of the configuration file hold in the binary, and operators see how near the server is to them.

use serde_json::Value as Json;
use sim::Identity;
use sim::load::{LoadOptions, StormOptions, storm};
use tokio_util::sync::CancellationToken;

use crate::kit::{Server, eventually, free_address};
use crate::test_store::is_embedded_or_skips;

fn status(server: &Server) -> Json {
    server.request("GET", "/status", "").json()
}

#[test]
fn in_a_storm_all_devices_are_served_in_the_end_and_operators_see_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lodestar.toml");
    // One session at a time: most devices are refused at first.
    std::fs::write(&file, "[limits]\nmax-sessions = 1\nretry-after-s = 1\n").unwrap();
    let server = Server::start_with(&["--config", file.to_str().unwrap()]);
    assert_eq!(status(&server)["cwmp"]["isFull"], false);
    let load = LoadOptions {
        url: format!("http://{}/", server.cwmp),
        devices: 12,
        parameters: 80,
        kind: sim::load::LoadKind::Read,
        event: "1 BOOT".into(),
        identity: Identity { serial_number: "STORM".into(), ..Identity::default() },
        ..LoadOptions::default()
    };
    let options = StormOptions { load, within_milliseconds: 1, patience_milliseconds: 600_000 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(storm(options, CancellationToken::new())).unwrap();
    assert_eq!((report.served, report.given_up, report.errors), (12, 0, 0), "{report:?}");
    let status = status(&server);
    let cwmp = &status["cwmp"];
    assert_eq!(cwmp["sessionsFinished"], 12, "{status}");
    assert_eq!(cwmp["refused"].as_u64(), Some(report.refused), "{status}");
    assert!(cwmp["load"]["bootMilliseconds"].as_f64().unwrap() > 0.0, "{status}");
}

#[test]
fn devices_that_nobody_knows_are_refused_when_the_disk_is_nearly_full() {
    // Which disk is looked at, is the store's.
    if !is_embedded_or_skips() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let session = |server: &Server, serial: &str| {
        let mut device = server.device(serial, |_| {});
        tokio::runtime::Runtime::new().unwrap().block_on(device.session(["2 PERIODIC"]))
    };
    {
        let server = Server::start_on(data.path());
        assert!(session(&server, "KNOWN").completed());
    }
    let file = data.path().join("lodestar.toml");
    // More than any disk has.
    std::fs::write(&file, "[limits]\nmin-free-disk-mib = 1000000000000\n").unwrap();
    let server = Server::start_on_with(data.path(), &["--config", file.to_str().unwrap()]);
    eventually("the disk to be looked at", || status(&server)["cwmp"]["refusesNewDevices"] == true);
    let refused = session(&server, "STRANGER");
    assert_eq!(refused.final_status, Some(503), "{refused:?}");
    assert!(session(&server, "KNOWN").completed());
    let devices = server.get("/devices/?projection=_id");
    assert_eq!(devices.as_array().unwrap().len(), 1, "{devices}");
}

#[test]
fn a_limit_of_nothing_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lodestar.toml");
    std::fs::write(&file, "[limits]\nmax-sessions = 0\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lodestar"))
        .args(["serve", "--config"])
        .arg(&file)
        .arg("--data-dir")
        .arg(directory.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("max-sessions"), "{error}");
}

#[test]
fn new_connections_take_up_earlier_tls_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("certificate.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let address = free_address();
    let server = Server::start_with(&[
        "--cwmp-tls-listen",
        &address.to_string(),
        "--tls-certificate",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    // Of presets nothing is asked, so that the sessions are quiet.
    for name in ["bootstrap", "default", "inform"] {
        server.request("DELETE", &format!("/presets/{name}"), "");
    }
    let load = LoadOptions {
        url: format!("https://{address}/"),
        tls: sim::http::TlsOptions { ca: Some(certificate), ..Default::default() },
        connections: 1,
        sessions: Some(20),
        devices: 3,
        parameters: 80,
        reconnect: true,
        ..LoadOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(sim::load::run(load, CancellationToken::new(), |_| {})).unwrap();
    assert_eq!((report.acknowledged, report.failed, report.handshakes), (20, 0, 20), "{report:?}");
    assert_eq!(report.resumed, 19, "all but the first: {report:?}");
}

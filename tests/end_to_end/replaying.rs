//! `serve --record` and `lodestar replay`: a recording replays equal, shows what a changed script would do, and tells no secret.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::kit::Server;

const DEVICE: &str = "0A1B2C-SimCPE-REC1";
const PASSWORD: &str = "Device.ManagementServer.ConnectionRequestPassword";
const CODE: &str = "Device.DeviceInfo.ProvisioningCode";

/// A server without seed presets that records.
fn recording_server(directory: &Path, arguments: &[&str]) -> Server {
    let mut all = vec!["--record", directory.to_str().unwrap()];
    all.extend(arguments);
    let server = Server::start_with(&all);
    for name in ["bootstrap", "default", "inform"] {
        server.request("DELETE", &format!("/presets/{name}"), "");
    }
    server
}

/// The recordings, the oldest first, once there are so many.
fn recordings(directory: &Path, number: usize) -> Vec<PathBuf> {
    let list =
        || -> Vec<PathBuf> { std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect() };
    crate::kit::eventually("the recordings", || list().len() >= number);
    let mut files = list();
    files.sort();
    assert_eq!(files.len(), number, "{files:?}");
    files
}

fn replay(files: &[PathBuf], arguments: &[&str]) -> (String, Option<i32>) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_lodestar")).arg("replay").args(files).args(arguments).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (String::from_utf8(output.stdout).unwrap() + errors.as_str(), output.status.code())
}

fn assert_equal(files: &[PathBuf]) -> String {
    let (printed, code) = replay(files, &[]);
    assert_eq!(printed.matches("as recorded").count(), files.len(), "{printed}");
    assert_eq!(code, Some(0), "{printed}");
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_all_kinds_replay_as_they_were() {
    let directory = TempDir::new().unwrap();
    // With the seed presets: a first contact discovers, sets and notes.
    let server = Server::start_with(&["--record", directory.path().to_str().unwrap()]);
    let mut number = 0;
    for (model, serial) in [(sim::ModelKind::Tr181, "REC1"), (sim::ModelKind::Tr098, "REC2")] {
        let mut device = server.device(serial, |options| options.model = model);
        for events in [&["0 BOOTSTRAP", "1 BOOT"][..], &["2 PERIODIC"]] {
            assert!(device.session(events.iter().copied()).await.completed());
            number += 1;
        }
    }
    let task = json!({"name": "setParameterValues", "parameterValues": [[CODE, "from a task"]]});
    let mut device = server.device("REC1", |_| {});
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), &task.to_string()).status, 202);
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.values_set().contains(&(CODE, "from a task")), "{:?}", report.values_set());
    server.preset("broken", json!({"channel": "broken"}), "let a = 1;\nlet b = a.nothing;\n");
    assert!(device.session(["2 PERIODIC"]).await.completed());
    server.preset("read", json!({}), r#"declare("Device.DeviceInfo.*", #{path: now(), value: now()});"#);
    for action in ["9002", "empty", "wrong-response", "malformed"] {
        let rule = sim::FaultRule::parse(&format!("GetParameterValues#1={action}")).unwrap();
        let mut device = server.device("REC3", |options| options.faults = vec![rule]);
        let _ = device.session(["2 PERIODIC"]).await;
    }
    let files = recordings(directory.path(), number + 2 + 4);
    assert_equal(&files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_script_shows_the_step_that_it_changes() {
    let directory = TempDir::new().unwrap();
    let server = recording_server(directory.path(), &[]);
    let script = |value: &str| {
        format!(
            "declare(\"Device.DeviceInfo.*\", #{{value: now()}});\ncommit();\ndeclare(\"{CODE}\", (), #{{value: \"{value}\"}});"
        )
    };
    server.preset("code", json!({}), &script("first"));
    let mut device = server.device("REC1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let files = recordings(directory.path(), 1);
    assert_equal(&files);

    let changed = directory.path().join("changed.rhai");
    std::fs::write(&changed, script("second")).unwrap();
    let replacement = format!("code={}", changed.display());
    let (printed, code) = replay(&files, &["--provision", &replacement]);
    assert_eq!(code, Some(1), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].contains("is different, after GetParameterValuesResponse"), "{printed}");
    assert!(lines[1].contains("recorded: SetParameterValues") && lines[1].contains("first"), "{printed}");
    assert!(lines[2].contains("replayed: SetParameterValues") && lines[2].contains("second"), "{printed}");

    let (printed, code) = replay(&files, &["--provision", &replacement, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let difference = &report[0]["difference"];
    assert_eq!((code, &difference["input"]), (Some(1), &json!("GetParameterValuesResponse")), "{printed}");
    assert!(difference["step"].as_u64().unwrap() <= report[0]["steps"].as_u64().unwrap(), "{printed}");

    // What is only noted, and not asked of the device, counts too.
    std::fs::write(&changed, script("first") + "\ndeclare(\"Tags.new\", (), #{value: true});").unwrap();
    let (printed, code) = replay(&files, &["--provision", &replacement]);
    assert!(printed.contains("the end is different") && printed.contains("new"), "{printed}");
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_recording_and_it_replays_all_the_same() {
    let canary = "canary-Wx7#q9";
    let computed = "computed-Kz4-secret";
    let directory = TempDir::new().unwrap();
    let server = recording_server(directory.path(), &[]);
    let mut device = server.device("REC1", |options| options.behaviour.show_passwords = true);
    // The device tells it, a script reads it and keeps it elsewhere, another makes one up, a task sets one.
    assert!(device.change_value("Device.WiFi.AccessPoint.1.Security.KeyPassphrase", canary));
    assert!(device.change_value(CODE, canary));
    server.preset(
        "secrets",
        json!({}),
        &format!(
            "declare(\"Device.WiFi.AccessPoint.*.Security.KeyPassphrase\", #{{value: now()}});\n\
             declare(\"{CODE}\", #{{value: now()}});\n\
             let made = \"computed-\" + \"Kz4-secret\";\n\
             declare(\"{PASSWORD}\", (), #{{value: made}});\n\
             declare(\"Device.ManagementServer.Username\", (), #{{value: \"literal-user\"}});"
        ),
    );
    let sets_password = device.session(["2 PERIODIC"]).await;
    assert!(sets_password.values_set().contains(&(PASSWORD, computed)), "{:?}", sets_password.values_set());
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let task = json!({"name": "setParameterValues", "parameterValues": [[PASSWORD, canary]]});
    assert_eq!(server.request("POST", &format!("/devices/{DEVICE}/tasks"), &task.to_string()).status, 202);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    server.preset("literal", json!({"weight": 1}), &format!("declare(\"{PASSWORD}\", (), #{{value: \"{canary}\"}});"));
    assert!(device.session(["2 PERIODIC"]).await.completed());

    let files = recordings(directory.path(), 4);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(canary), "{}", file.display());
        assert!(!text.contains(computed), "{}", file.display());
        assert!(text.contains("***1"), "{}", file.display());
    }
    assert!(assert_equal(&files).contains("taken for what the scripts set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn single_devices_can_be_recorded() {
    let directory = TempDir::new().unwrap();
    let server = recording_server(directory.path(), &["--record-device", DEVICE]);
    for serial in ["REC2", "REC1", "REC3"] {
        assert!(server.device(serial, |_| {}).session(["2 PERIODIC"]).await.completed());
    }
    let files = recordings(directory.path(), 1);
    assert!(files[0].file_name().unwrap().to_str().unwrap().starts_with(DEVICE));
    assert_equal(&files);
}

#[test]
fn what_is_no_recording_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("x.jsonl");
    let cases = [
        ("", "no recording"),
        ("{}\n", "no recording"),
        ("nothing", "line 1: no JSON"),
        ("{\"recording\":99}\n", "version 99"),
        ("{\"recording\":1}\n{\"input\":\"Ready\",\"output\":\"Finished\"}\n", "cut off"),
        ("{\"recording\":1}\n{\"input\":\"Ready\"}\n{\"end\":{}}\n", "line 2: no step"),
    ];
    for (text, expected) in cases {
        std::fs::write(&file, text).unwrap();
        let (printed, code) = replay(std::slice::from_ref(&file), &[]);
        assert!(printed.contains(expected), "{text:?}: {printed}");
        assert_eq!(code, Some(3));
    }
}

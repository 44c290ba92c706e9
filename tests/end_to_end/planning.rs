//! Plans, as the command prints them and as the REST API answers them.

use std::process::Command;

use serde_json::json;

use crate::kit::{Server, store_of};

const DEVICE: &str = "0A1B2C-SimCPE-DEMO00000001";

fn plan(server: &Server, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_lodestar"))
        .arg("plan")
        .arg("--data-dir")
        .arg(server.data_dir())
        .envs(store_of(server.data_dir()))
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (String::from_utf8(output.stdout).unwrap() + errors.as_str(), output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_plan_is_what_is_printed() {
    let documentation = include_str!("../../docs/plan.md");
    let example = documentation.split("```text\n$ lodestar plan ").nth(1).unwrap().split("```").next().unwrap();
    let (command, expected) = example.split_once('\n').unwrap();
    let arguments: Vec<&str> = command.split(' ').collect();

    let server = Server::start();
    let mut device = server.device("DEMO00000001", |_| {});
    server.preset("read", serde_json::json!({}), r#"declare("Device.DeviceInfo.*", #{value: 1});"#);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let (printed, code) = plan(&server, &arguments);
    assert_eq!((printed.as_str(), code), (expected, Some(0)));
    assert_ne!(device.model().text("Device.DeviceInfo.ProvisioningCode"), Some("new"), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named() {
    let server = Server::start();
    let mut device = server.device("DEMO00000001", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let (text, code) = plan(&server, &["--device", "nobody"]);
    assert!(text.contains("no such device: nobody") && code == Some(3), "{text}");
    let (text, code) = plan(&server, &["--device", DEVICE, "--provision", "nothing"]);
    assert!(text.contains("no such provision: nothing") && code == Some(3), "{text}");
    server.put("/provisions/throws", "throw \"no\";");
    let (text, code) = plan(&server, &["--device", DEVICE, "--provision", "throws"]);
    assert!(text.contains("channel plan would fault") && text.contains("line 1") && code == Some(1), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_api_plans_what_the_next_session_does() {
    let server = Server::start();
    let mut device = server.device("DEMO00000001", |_| {});
    server.preset("read", json!({}), r#"declare("Device.DeviceInfo.*", #{value: 1});"#);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let script =
        "let code = \"planned\";\ndeclare(\"Device.DeviceInfo.ProvisioningCode\", (), #{value: code});\nlog(\"here\");";
    let target = format!("/devices/{DEVICE}/plan");
    let plan = |body: serde_json::Value| server.request("POST", &target, &body.to_string());

    let of_script = plan(json!({ "script": script })).json();
    let sets = json!([["Device.DeviceInfo.ProvisioningCode", ["planned", "xsd:string"]]]);
    assert_eq!(of_script["requests"].as_array().unwrap().len(), 1, "{of_script}");
    assert_eq!(of_script["requests"][0]["rpc"], "SetParameterValues");
    assert_eq!(of_script["requests"][0]["arguments"]["parameter_list"], sets);
    let change = &of_script["changes"][0];
    assert_eq!(
        *change,
        json!({
            "path": "Device.DeviceInfo.ProvisioningCode",
            "before": ["", "xsd:string"],
            "after": ["planned", "xsd:string"],
            "origin": "preset plan, provision script, line 2:1",
        })
    );
    assert_eq!(of_script["log"][0]["message"], "here", "{of_script}");

    // Stored just now: a plan is made with what is stored, not with what the last session had.
    server.put("/provisions/code", script);
    let of_provision = plan(json!({ "provision": "code" })).json();
    assert_eq!(of_provision["requests"], of_script["requests"]);
    server.preset("code", json!({"events": {"1 BOOT": true}}), script);
    assert_eq!(plan(json!({})).json()["requests"], json!([]), "the preset is for another event");
    let of_presets = plan(json!({"events": ["1 BOOT"]})).json();
    assert_eq!(of_presets["requests"], of_script["requests"]);
    assert_eq!(of_presets["changes"][0]["origin"], "preset code, provision code, line 2:1");

    let before = server.get(&format!("/devices/{DEVICE}"));
    plan(json!({"set": {"Device.DeviceInfo.ProvisioningCode": 7}}));
    assert_eq!(server.get(&format!("/devices/{DEVICE}")), before, "nothing is written");
    assert_ne!(device.model().text("Device.DeviceInfo.ProvisioningCode"), Some("planned"), "nothing was sent");
    assert!(device.session(["1 BOOT"]).await.completed());
    assert_eq!(
        device.model().text("Device.DeviceInfo.ProvisioningCode"),
        Some("planned"),
        "the session does what was planned"
    );
    assert_eq!(plan(json!({"events": ["1 BOOT"]})).json()["requests"], json!([]), "and has nothing left to do");

    for (body, status, part) in [
        (json!({"script": "log(1);\nlet x = ;"}), 400, "line 2, column 9"),
        (
            json!({"provision": "nothing"}),
            400,
            "Error: no such provision: nothing; there are: bootstrap, code, default, inform, read",
        ),
        (json!({"set": {"Device..X": 1}}), 400, "Error: $.set: invalid parameter path"),
    ] {
        let answer = plan(body);
        assert!(answer.status == status && answer.body.contains(part), "{answer:?}");
    }
    assert_eq!(server.request("POST", "/devices/nobody/plan", "").status, 404);
}

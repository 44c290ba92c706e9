//! `lodestar plan`: the documented example is what the program prints.

use std::process::Command;

use crate::kit::Server;

fn plan(server: &Server, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_lodestar"))
        .arg("plan")
        .arg("--data-dir")
        .arg(server.data_dir())
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (String::from_utf8(output.stdout).unwrap() + &errors, output.status.code())
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
    let (text, code) = plan(&server, &["--device", "0A1B2C-SimCPE-DEMO00000001", "--provision", "nothing"]);
    assert!(text.contains("no such provision: nothing") && code == Some(3), "{text}");
    server.put("/provisions/throws", "throw \"no\";");
    let (text, code) = plan(&server, &["--device", "0A1B2C-SimCPE-DEMO00000001", "--provision", "throws"]);
    assert!(text.contains("channel plan would fault") && text.contains("line 1") && code == Some(1), "{text}");
}

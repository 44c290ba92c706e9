//! Accounts from the command line, and the examples of the reference as they stand there.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sim::cpe::{ConnectionRequest, ConnectionRequestMode};

use crate::kit::{KEY, PASSWORD, RunningDevice, Server, store_of};
use crate::test_store::{DataDir, is_embedded};

fn lodestar(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
    command.args(arguments).arg("--data-dir").arg(data_dir).envs(store_of(data_dir)).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn accounts_are_made_while_the_server_is_stopped() {
    let directory = DataDir::new();
    let data = directory.path();
    let server = Server::start_on(data);
    if is_embedded() {
        let missing = lodestar(&data.join("nowhere"), &["user", "list"]);
        assert_eq!(missing.status.code(), Some(3));
        assert!(text(&missing.stderr).contains("there is no database"), "{missing:?}");
        let refused = lodestar(data, &["user", "list"]);
        assert!(text(&refused.stderr).contains("is its server stopped?"), "{refused:?}");
    }
    drop(server);

    let file = data.join("password");
    std::fs::write(&file, "correct horse\n").unwrap();
    let file = file.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = lodestar(data, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    };
    run(&["user", "add", "sue", "--roles", "support,admin", "--password-file", file]);
    assert_eq!(run(&["user", "list"]), "admin\tadmin\nsue\tsupport,admin\n");
    let scope = ["--methods", "GET", "--collections", "devices", "--devices", "Tags.lab IS NOT NULL"];
    let key = run(&[&["key", "add", "billing"], &scope[..]].concat());
    let listed = run(&["key", "list"]);
    assert!(listed.contains("\tbilling\tGET\tdevices\tdevices Tags.lab IS NOT NULL\n"), "{listed}");
    assert!(!listed.contains(key.trim()), "{listed}");
    let short = lodestar(data, &["key", "add", "x", "--devices", "A ="]);
    assert!(text(&short.stderr).contains("devices: "), "{short:?}");

    let server = Server::start_on(data);
    let status = |headers: &str, target: &str| server.request_with("GET", target, headers, "").status;
    let basic = |login: &str| format!("Authorization: Basic {}\r\n", STANDARD.encode(login));
    assert_eq!(status(&basic("sue:correct horse"), "/users"), 200);
    assert_eq!(status(&basic("sue:correct"), "/users"), 401);
    assert_eq!(status(&format!("X-API-Key: {key}\r\n", key = key.trim()), "/devices"), 200);
    assert_eq!(status(&format!("X-API-Key: {key}\r\n", key = key.trim()), "/users"), 403);
    drop(server);

    run(&["user", "remove", "sue"]);
    let again = lodestar(data, &["user", "remove", "sue"]);
    assert_eq!((again.status.code(), text(&again.stderr).as_str()), (Some(1), "lodestar: there is no user \"sue\"\n"));
}

/// The shell examples of a page, without those that stand for what only the reader knows, and those that need a stopped server.
fn examples(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs").join(page);
    let page = std::fs::read_to_string(path).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter(|line| {
        let needs_reader = line.contains('…') || line.contains("$COMMAND_KEY") || line.starts_with("NBI=");
        !needs_reader && !line.contains("lodestar ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_reference_work() {
    let server = Server::start_bare_with(&["--connection-requests-to-this-machine"]);
    let mut device = server.device("S1", |options| {
        options.identity.product_class = "Home Box".to_owned();
        options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Open, ..Default::default() };
    });
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    let _running = RunningDevice::start(device).await;
    let nbi = server.nbi;
    tokio::task::spawn_blocking(move || {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("firmware.bin"), "firmware").unwrap();
        for page in ["nbi.md", "access.md"] {
            let script = format!(
                "set -eu\ntrap 'echo \"failed: $BASH_COMMAND\" >&2' ERR\ncurl() {{ command curl --fail --show-error \"$@\"; }}\n{}\n",
                examples(page)
            );
            assert!(script.matches("\ncurl -s").count() > 5, "{script}");
            let output = Command::new("bash")
                .args(["-c", &script])
                .current_dir(directory.path())
                .env("NBI", format!("http://{nbi}"))
                .env("KEY", KEY)
                .env("ADMIN", format!("admin:{PASSWORD}"))
                .output()
                .unwrap();
            assert!(output.status.success(), "{page}: {}", text(&output.stderr));
        }
    })
    .await
    .unwrap();
}

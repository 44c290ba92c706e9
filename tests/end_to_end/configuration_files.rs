//! `lodestar export` and `lodestar apply`, on a running server and on its data directory.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use crate::kit::{KEY, Server};

fn lodestar(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
    command.args(arguments).arg(directory).env_remove("LODESTAR_API_KEY").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn succeed(arguments: &[&str], directory: &Path) -> String {
    let output = lodestar(arguments, directory);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
    text(&output)
}

#[test]
fn a_configuration_goes_through_git_from_one_server_to_another() {
    let work = tempfile::tempdir().unwrap();
    let (files, key_file) = (work.path().join("files"), work.path().join("key"));
    std::fs::write(&key_file, format!("{KEY}\n")).unwrap();
    let first = Server::start_with(&[]);
    first.put("/provisions/a%2Fb", "// no line break at the end");
    first.put("/virtual_parameters/Uptime", "1\n");
    first.put("/config/cwmp.retryDelay", r#"{"value": "30"}"#);
    first.put("/presets/lab", r#"{"weight": 5, "precondition": "Tags.lab IS NOT NULL", "provisions": ["a/b"]}"#);
    let url = format!("http://{}", first.nbi);
    let key = key_file.to_str().unwrap();
    let on_first = ["export", "--url", &url, "--api-key-file", key];
    succeed(&on_first, &files);
    assert!(succeed(&on_first, &files).contains(" 0 files changed"));
    assert_eq!(std::fs::read_to_string(files.join("provisions/a%2Fb.rhai")).unwrap(), "// no line break at the end");

    let unauthorised = lodestar(&["export", "--url", &url], &work.path().join("nothing"));
    assert!(unauthorised.status.code() == Some(3) && text(&unauthorised).contains("401"), "{}", text(&unauthorised));

    // Another server gets it, first as a plan only.
    let directory = tempfile::tempdir().unwrap();
    let mut second = Server::start_on(directory.path());
    second.put("/presets/left-over", "{}");
    let url = format!("http://{}/", second.nbi);
    let on_second = |arguments: &[&'static str]| {
        let mut all = vec!["apply", "--url", &url, "--api-key-file", key];
        all.extend(arguments);
        succeed(&all, &files)
    };
    let plan = on_second(&["--dry-run", "--prune"]);
    for piece in ["add     presets/lab", "remove  presets/left-over", "4 to add, 0 to change, 1 to remove"] {
        assert!(plan.contains(piece), "{plan}");
    }
    assert_eq!(second.request("GET", "/presets/lab", "").status, 404);
    let kept = on_second(&[]);
    assert!(kept.contains("kept    presets/left-over"), "{kept}");
    let plan: Json = serde_json::from_str(&on_second(&["--prune", "--json"])).unwrap();
    assert_eq!((&plan["applied"], plan["changes"].as_array().unwrap().len()), (&json!(true), 1), "{plan}");
    for collection in ["presets", "provisions", "virtual_parameters", "config", "objects"] {
        assert_eq!(second.get(&format!("/{collection}")), first.get(&format!("/{collection}")), "{collection}");
    }

    // Without a server, its directory will do; with one, that is told.
    let data = ["--data-dir", directory.path().to_str().unwrap()];
    std::fs::write(files.join("provisions/a%2Fb.rhai"), "let a = 1;\n").unwrap();
    let in_use = lodestar(&["apply", data[0], data[1]], &files);
    assert!(in_use.status.code() == Some(3) && text(&in_use).contains("--url"), "{}", text(&in_use));
    second.kill();
    let applied = succeed(&["apply", data[0], data[1]], &files);
    assert!(applied.contains("-// no line break at the end") && applied.contains("+let a = 1;"), "{applied}");
    assert!(succeed(&["apply", data[0], data[1]], &files).contains("0 to add, 0 to change, 0 to remove"));
    let again = tempfile::tempdir().unwrap();
    succeed(&["export", data[0], data[1]], again.path());
    let same = Command::new("diff").arg("-r").args([again.path(), &files]).output().unwrap();
    assert!(same.status.success(), "{}", text(&same));
}

#[test]
fn nothing_is_written_when_anything_is_wrong() {
    let files = tempfile::tempdir().unwrap();
    let server = Server::start();
    std::fs::create_dir_all(files.path().join("provisions")).unwrap();
    std::fs::write(files.path().join("provisions/good.rhai"), "1").unwrap();
    std::fs::write(files.path().join("provisions/bad.rhai"), "let a = 1;\nlet b = ;\n").unwrap();
    std::fs::write(files.path().join("config.json"), "{\n  \"cwmp.retryDelay\": \"1 +\"\n}\n").unwrap();
    let url = format!("http://{}", server.nbi);
    let output = Command::new(env!("CARGO_BIN_EXE_lodestar"))
        .args(["apply", "--url", &url])
        .arg(files.path())
        .env("LODESTAR_API_KEY", KEY)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for place in ["config.json:2: error: ", "provisions/bad.rhai:2:"] {
        assert!(text(&output).contains(place), "{}", text(&output));
    }
    assert_eq!(server.request("GET", "/provisions/good", "").status, 404);
}

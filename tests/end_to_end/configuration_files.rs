//! `lodestar export` and `lodestar apply`, on a running server and on its data directory.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tls::{TlsOptions, TlsServer};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{KEY, Server, store_of};
use crate::test_store::{DataDir, is_embedded};

/// Works on a directory of files; the store of a data directory in the arguments is named, too.
fn lodestar(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
    if let [.., "--data-dir", data] = arguments {
        command.envs(store_of(Path::new(data)));
    }
    command.args(arguments).arg(directory).env_remove("LODESTAR_API_KEY").output().unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
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
    let directory = DataDir::new();
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
    if is_embedded() {
        let in_use = lodestar(&["apply", data[0], data[1]], &files);
        assert!(in_use.status.code() == Some(3) && text(&in_use).contains("--url"), "{}", text(&in_use));
    }
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

#[test]
fn what_would_lose_credentials_is_refused() {
    let work = tempfile::tempdir().unwrap();
    let (files, key_file) = (work.path().join("files"), work.path().join("key"));
    let server = Server::start_with(&[]);
    server.put("/config/cwmp.auth", r#"{"value": "AUTH('a', 'hush')"}"#);
    let scopes = json!({"name": "git", "methods": ["*"], "collections": ["*"]});
    let made = server.request("POST", "/api_keys", &scopes.to_string());
    assert_eq!(made.status, 201, "{made:?}");
    std::fs::write(&key_file, made.json()["key"].as_str().unwrap()).unwrap();
    let (url, key) = (format!("http://{}", server.nbi), key_file.to_str().unwrap());
    std::fs::create_dir_all(files.join("presets")).unwrap();
    std::fs::write(files.join("presets/new.json"), "{}").unwrap();
    for command in ["export", "apply"] {
        let refused = lodestar(&[command, "--url", &url, "--api-key-file", key], &files);
        assert!(text(&refused).contains("the API key has no `reveal`"), "{}", text(&refused));
        assert_eq!(refused.status.code(), Some(3));
    }
    assert!(!files.join("config.json").exists(), "nothing was exported");
    assert_eq!(server.request("GET", "/presets/new", "").status, 404, "nothing was applied");
}

/// The REST API speaks no TLS itself: whoever has it do so puts a proxy before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_reached_over_https_by_the_certificate_that_is_named() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("private.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("key"), KEY).unwrap();
    let server = Server::start_with(&[]);
    server.put("/provisions/over-tls", "log(1);");
    let proxy = tls_before(server.nbi, &path("certificate.pem"), &path("private.pem")).await;
    let (url, key) = (format!("https://{proxy}"), path("key"));
    let (files, certificate) = (path("files"), path("certificate.pem"));
    let arguments = |command: &'static str, trusted: bool| {
        let mut all = vec![command, "--url", &url, "--api-key-file", key.to_str().unwrap()];
        all.extend(trusted.then_some(["--ca", certificate.to_str().unwrap()]).into_iter().flatten());
        lodestar(&all, &files)
    };
    let distrusted = arguments("export", false);
    assert_eq!(distrusted.status.code(), Some(3), "{}", text(&distrusted));
    assert!(!files.exists());
    let exported = arguments("export", true);
    assert_eq!(exported.status.code(), Some(0), "{}", text(&exported));
    std::fs::write(files.join("provisions/over-tls.rhai"), "log(2);").unwrap();
    let applied = arguments("apply", true);
    assert_eq!(applied.status.code(), Some(0), "{}", text(&applied));
    assert_eq!(server.get("/provisions/over-tls")["script"], "log(2);");
}

/// Takes TLS off, and hands on what is said.
async fn tls_before(nbi: SocketAddr, certificate: &Path, key: &Path) -> SocketAddr {
    let tls = TlsServer::load(TlsOptions::new(certificate, key)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                // Who distrusts the certificate goes away.
                let Ok(mut outside) = tls.accept(stream, Duration::from_secs(20)).await else { return };
                let mut inside = TcpStream::connect(nbi).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address
}

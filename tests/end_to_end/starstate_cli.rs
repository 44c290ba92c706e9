//! `lodestar starstate`: documents and a simulated router, from the command line, also when the process is killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sim::routeros::{RouterFault, RouterOptions, Simulator, SimulatorOptions};

use crate::kit::eventually;

/// A router, a folder for sessions, and who works on it.
struct Bench {
    router: Simulator,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let mut options = RouterOptions::new("admin", "sesame");
        options.default_configuration = true;
        options.sign_time = Duration::ZERO;
        let router = Simulator::start(SimulatorOptions::new(options)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "sesame\n").unwrap();
        Bench { router, folder }
    }

    fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut process = starstate();
        process
            .arg(command)
            .args(arguments)
            .args(["--router", &self.router.address().to_string(), "--user", "admin", "--password-file"])
            .arg(self.folder.path().join("password"))
            .arg("--data-dir")
            .arg(self.folder.path());
        process
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Ran {
        Ran::from(self.command(command, arguments).output().unwrap())
    }

    fn start(&self, command: &str, arguments: &[&str]) -> Child {
        self.command(command, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The configuration, without the port at which this router happens to listen.
    fn configuration(&self) -> String {
        self.router.configuration().replace(&self.router.address().port().to_string(), "API")
    }
}

/// What a command said.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }
}

impl Ran {
    /// Its last line, as JSON.
    #[track_caller]
    fn json(&self) -> Json {
        serde_json::from_str(self.out.lines().next_back().unwrap_or_default()).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

fn starstate() -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_lodestar"));
    process.args(["--log", "warn", "starstate"]);
    process
}

fn document(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../provisions/starstate/tests/documents");
    let file = folder.join(format!("{name}.json"));
    assert!(file.exists(), "{}", file.display());
    file
}

/// The commands of the documentation, on another port.
#[test]
fn the_documented_commands_work() {
    let documentation = include_str!("../../docs/starstate-cli.md");
    let block = documentation.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let port = crate::kit::free_address().port().to_string();
    let script = block
        .replace("127.0.0.1:8728", &format!("127.0.0.1:{port}"))
        .replace("--router 127.0.0.1 ", &format!("--router 127.0.0.1:{port} "))
        .replace("echo secret > password", "echo secret > password; sleep 1");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(document("09-minimal"), folder.path().join("router.json")).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_lodestar")).parent().unwrap();
    let output = Command::new("sh")
        .args(["-e", "-c", &format!("trap 'kill $!' EXIT; {script}")])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in ["the document can be applied", "fingerprint: ", "is applied", "nothing to do", "is validated"] {
        assert!(ran.out.contains(part), "{part}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_checked_planned_applied_and_taken_back() {
    let bench = Bench::new().await;
    let before = bench.configuration();
    let file = document("01-home-dual-wan-split");
    let file = file.to_str().unwrap();

    let valid = Ran::from(starstate().args(["validate", file, "--json"]).output().unwrap());
    assert_eq!((valid.code, &valid.json()["valid"]), (Some(0), &json!(true)), "{valid:?}");

    let plan = bench.run("plan", &[file, "--json"]).json();
    assert_eq!(plan["empty"], false);
    assert_eq!(bench.router.counts().writes, 0, "a plan writes nothing");
    let shown = bench.run("plan", &[file]);
    for part in ["phase 1: Interface Setup", "phase 8", "fingerprint: "] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    for secret in ["Fixture-", "woodsmoke-81"] {
        assert!(!shown.out.contains(secret), "{}", shown.out);
    }

    let stale = bench.run("apply", &[file, "--reviewed", "0000"]);
    assert_eq!(stale.code, Some(3), "{stale:?}");
    assert!(stale.error.contains("has changed since it was reviewed"), "{stale:?}");
    assert_eq!(bench.router.counts().writes, 0);
    let reviewed = plan["fingerprint"].as_str().unwrap();
    let applied = bench.run("apply", &[file, "--reviewed", reviewed]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.error.contains("phase 1: Interface Setup"), "{applied:?}");
    assert!(applied.out.trim_end().ends_with("is applied"), "{applied:?}");

    assert_eq!(bench.run("plan", &[file, "--json"]).json()["empty"], true);
    let writes = bench.router.counts().writes;
    let again = bench.run("apply", &[file]);
    assert_eq!((again.code, again.out.trim()), (Some(0), "nothing to do"), "{again:?}");
    assert_eq!(bench.router.counts().writes, writes);
    let drift = bench.run("drift", &[file, "--json"]);
    assert_eq!((drift.code, &drift.json()["empty"]), (Some(0), &json!(true)), "{drift:?}");

    // Somebody changes something by hand.
    bench.router.run(&["/system/identity/set", "=name=somebody"]).unwrap();
    let drift = bench.run("drift", &["--json"]);
    assert_eq!(
        (drift.code, &drift.json()["operations"][0]["path"]),
        (Some(1), &json!("/system/identity")),
        "{drift:?}"
    );
    assert_eq!(bench.run("apply", &[file]).code, Some(0));
    assert_eq!(bench.run("drift", &[]).code, Some(0));

    let other = document("09-minimal");
    let mistaken = bench.run("rollback", &[other.to_str().unwrap()]);
    assert_eq!(mistaken.code, Some(3), "{mistaken:?}");
    assert!(mistaken.error.contains("is not the document"), "{mistaken:?}");
    // The second attempt only mended what somebody had changed; behind it is the first.
    assert_eq!(bench.run("rollback", &[file]).code, Some(0));
    let back = bench.run("rollback", &[file, "--json"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    assert_eq!(bench.configuration(), before);
    let none = bench.run("rollback", &[]);
    assert!(none.error.contains("nothing was applied"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_named_and_nothing_is_left_of_it() {
    let bench = Bench::new().await;
    let before = bench.configuration();
    let file = document("01-home-dual-wan-split");
    bench.router.set_faults(vec![RouterFault::refuse_write(3)]);
    let failed = bench.run("apply", &[file.to_str().unwrap()]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for part in ["failed: phase ", "injected by the simulator", "taken back: ", "is failed"] {
        assert!(failed.out.contains(part), "{part}: {failed:?}");
    }
    assert_eq!(bench.configuration(), before);
}

/// What a document leaves open is filled in, and what it says stays.
#[test]
fn a_document_is_completed() {
    let ran = Ran::from(starstate().arg("complete").arg(document("09-minimal")).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let completed: Json = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(completed["choose"]["networks"]["baseNetworks"]["foreign"], true, "{completed}");
    assert!(completed["lan"]["subnets"]["baseSubnets"]["foreign"]["subnet"].is_string(), "{completed}");
    assert_eq!(completed["wan"]["wanLink"]["foreign"]["wanConfigs"][0]["name"], "Up");
}

/// Whoever is to call the router's servers gets what it takes, with the keys that the router made.
#[tokio::test(flavor = "multi_thread")]
async fn files_for_those_who_call_are_written() {
    let bench = Bench::new().await;
    let folder = bench.folder.path().join("files");
    let file = document("07-all-vpn-servers");
    let file = file.to_str().unwrap();
    let arguments = [file, "--client-files", folder.to_str().unwrap(), "--public-address", "vpn.example"];
    let applied = bench.run("apply", &arguments);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let read = || -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    let files = read();
    let with =
        |ending: &str| files.iter().find(|(name, _)| name.ends_with(ending)).unwrap_or_else(|| panic!("{files:?}"));
    let rows = bench.router.run(&["/interface/wireguard/print"]).unwrap();
    let keys = rows.iter().map(|row| String::from_utf8(row["public-key"].clone()).unwrap());
    let (_, wireguard) = with(".conf");
    assert!(keys.into_iter().any(|key| wireguard.contains(&format!("PublicKey = {key}"))), "{wireguard}");
    assert!(wireguard.contains("Endpoint = vpn.example:"), "{wireguard}");
    let (_, openvpn) = with(".ovpn");
    assert!(openvpn.contains("remote vpn.example ") && openvpn.contains("-----BEGIN CERTIFICATE-----"), "{openvpn}");
    // Once more, without anything to do.
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(bench.run("apply", &arguments).out.trim(), "nothing to do");
    assert_eq!(read(), files);
}

/// Killed at any moment, the next command goes on, or takes back what was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_leaves_what_the_next_one_needs() {
    let file = document("01-home-dual-wan-split");
    let file = file.to_str().unwrap();
    let mut goes_on = true;
    for writes in [1, 17, 40] {
        let bench = Bench::new().await;
        let before = bench.configuration();
        bench.router.set_latency(Duration::from_millis(15));
        let mut process = bench.start("apply", &[file]);
        eventually("some writes", || bench.router.counts().writes >= writes);
        process.kill().unwrap();
        process.wait().unwrap();
        bench.router.set_latency(Duration::ZERO);
        if goes_on {
            let other = document("09-minimal");
            let mistaken = bench.run("apply", &[other.to_str().unwrap()]);
            assert!(mistaken.error.contains("was interrupted"), "{mistaken:?}");
            let resumed = bench.run("apply", &[file]);
            assert_eq!(resumed.code, Some(0), "{resumed:?}");
            assert!(resumed.error.contains("going on with what was interrupted"), "{resumed:?}");
            assert_eq!(bench.run("plan", &[file, "--json"]).json()["empty"], true);
        }
        assert_eq!(bench.run("rollback", &[]).code, Some(0));
        assert_eq!(bench.configuration(), before, "{writes}");
        goes_on = !goes_on;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named() {
    let bench = Bench::new().await;
    let folder = bench.folder.path();
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let text = std::fs::read_to_string(document("09-minimal")).unwrap();
    let mut wrong: Json = serde_json::from_str(&text).unwrap();
    wrong["wan"]["wanLink"]["foreign"]["wanConfigs"][0]["connectionConfig"] = json!({});
    let wrong = write("wrong.json", &wrong.to_string());
    for command in ["plan", "apply"] {
        let ran = bench.run(command, &[&wrong]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.out.contains("error: $.wan.wanLink.foreign.wanConfigs[0].connectionConfig: no connection"),
            "{ran:?}"
        );
    }
    let no_json = bench.run("plan", &[&write("no.json", "{")]);
    assert!(no_json.code == Some(3) && no_json.error.contains("is no JSON"), "{no_json:?}");
    let good = document("09-minimal");
    let good = good.to_str().unwrap();
    std::fs::write(folder.join("password"), "guess").unwrap();
    let stranger = bench.run("plan", &[good]);
    assert!(stranger.code == Some(3) && stranger.error.contains("user name or password"), "{stranger:?}");
    assert!(!stranger.error.contains("guess"), "{stranger:?}");
    let drift = bench.run("drift", &[]);
    assert!(drift.error.contains("no document is applied"), "{drift:?}");
    let far = starstate()
        .args(["plan", good, "--router", "192.0.2.1", "--user", "admin", "--password-file"])
        .arg(folder.join("password"))
        .output()
        .unwrap();
    assert!(String::from_utf8(far.stderr).unwrap().contains("--tls-fingerprint"));
}

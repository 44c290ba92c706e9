//! `lodestar sim routeros`: the examples of `docs/simulator.md` as they stand, on free ports.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use routeros::{
    Client, ClientOptions, Command as RouterCommand, ErrorClass, Fingerprint, RouterPort, TlsConnector, Trust,
};

const DOCUMENTATION: &str = include_str!("../../docs/simulator.md");

/// A router that is a process of its own, and what it says about where it listens.
struct Router {
    process: Child,
    api: String,
    tls: Option<String>,
    _folder: tempfile::TempDir,
}

impl Router {
    /// Runs an example, on free ports and in a folder of its own.
    fn start(example: &str) -> Router {
        let folder = tempfile::tempdir().unwrap();
        let free = example.replace(":8728", ":0").replace(":8729", ":0").replace("\\\n", " ");
        let words = split(&free);
        assert_eq!(words[..3], ["lodestar", "sim", "routeros"]);
        let mut process = Command::new(env!("CARGO_BIN_EXE_lodestar"))
            .args(&words[1..])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let api = lines.next().unwrap().strip_prefix("api ").unwrap().to_owned();
        let tls = words.iter().any(|word| word == "--tls-listen").then(|| lines.next().unwrap());
        Router { process, api, tls, _folder: folder }
    }

    async fn client(&self) -> Client {
        Client::connect(self.api.as_str(), &ClientOptions::new("admin", "secret".into())).await.unwrap()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Words between blanks; what stands in single quotes is one.
fn split(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn examples() -> Vec<&'static str> {
    let section = DOCUMENTATION.split("## A MikroTik router").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    block.split("\n\n").map(|example| example.trim().split_once('\n').unwrap().1).collect()
}

async fn names(client: &Client, menu: &str) -> Vec<String> {
    let rows = client.rows(RouterCommand::print(menu)).await.unwrap();
    rows.iter().filter_map(|row| row.text("name")).map(|name| name.into_owned()).collect()
}

fn pool(name: &str) -> RouterCommand {
    RouterCommand::add("/ip/pool").argument("name", name.to_owned()).argument("ranges", "192.0.2.10-192.0.2.20")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_example_is_a_router_as_described() {
    let [fresh, home, small, faulty] = examples()[..] else { panic!("other examples than four: {:?}", examples()) };

    let router = Router::start(fresh);
    let client = router.client().await;
    assert!(names(&client, "/interface").await.contains(&"wifi1".to_owned()));
    assert!(names(&client, "/interface/bridge").await.is_empty() && router.tls.is_none());

    let router = Router::start(home);
    let listening = router.tls.as_deref().unwrap().strip_prefix("api-ssl 127.0.0.1:").unwrap();
    let (port, fingerprint) = listening.split_once(" sha256 ").unwrap();
    let trust = Trust::Fingerprint(fingerprint.parse::<Fingerprint>().unwrap());
    let tls = TlsConnector::new("127.0.0.1", port.parse().unwrap(), &trust).unwrap();
    let client = Client::connect_by(&tls, &ClientOptions::new("admin", "secret".into())).await.unwrap();
    assert_eq!(names(&client, "/interface/bridge").await, ["bridge"]);
    let scheduler = RouterCommand::add("/system/scheduler").argument("name", "s").argument("on-event", "x");
    let error = client.run(scheduler).await.unwrap_err();
    assert!(error.to_string().ends_with("not allowed by device-mode"), "{error}");

    let router = Router::start(small);
    let client = router.client().await;
    assert_eq!(names(&client, "/interface").await, ["ether1", "ether2", "ether3", "ether4", "ether5"]);
    assert!(client.run(RouterCommand::print("/zerotier")).await.is_err());

    let router = Router::start(faulty);
    let client = router.client().await;
    let file = RouterCommand::add("/file").argument("name", "f").argument("contents", "x");
    assert!(client.run(file).await.unwrap_err().to_string().contains("not enough space"));
    client.run(pool("second")).await.unwrap();
    assert!(client.run(pool("third")).await.unwrap_err().to_string().ends_with("failure: out of memory"));
    client.run(pool("fourth")).await.unwrap();
    assert_eq!(client.run(pool("fifth")).await.unwrap_err().class(), ErrorClass::Transient);
    assert_eq!(names(&router.client().await, "/ip/pool").await, ["second", "fourth", "fifth"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_option_is_one() {
    let help = Command::new(env!("CARGO_BIN_EXE_lodestar")).args(["sim", "routeros", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let section = DOCUMENTATION.split("## A MikroTik router").nth(1).unwrap();
    let named = section.split(|character: char| !(character.is_ascii_lowercase() || character == '-'));
    let mut count = 0;
    for option in named.filter(|word| word.starts_with("--") && word.len() > 3) {
        assert!(help.contains(option), "{option}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}

//! The REST API from outside, as data: `tests/nbi/cases/*.toml`, against the binary. Each file has a server of its own with a few
//! simulated devices; its cases follow one another.
//!
//! A case:
//!
//! * `rule`: what it shows. `rows`: the rows of the tables in `docs/nbi.md` and `docs/access.md` that it stands for, by their first cell.
//! * `request`: method and target, sent as they are; `headers`; `body`, or the `length` of one that does not matter; `times`: how often,
//!   of which the last answer counts.
//! * `as`: `admin`, a user; `nobody`; else a key that may do everything.
//! * `status`, `reason` (the phrase), `answer` (headers), `absent` (headers), `is` (the body exactly), `json` (the body as JSON), `has` and
//!   `lacks` (parts of the body), `ids` (of a list, in order).
//! * `keep`: names for parts of the answer, by JSON pointer; `$name` stands for them in later cases.
//! * `eventually`: asked again until it is so, for what a device does meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value as Json;
use sim::cpe::{ConnectionRequest, ConnectionRequestMode};

use crate::kit::{Answer, KEY, PASSWORD, RunningDevice, Server, eventually};

/// How rows begin that no request can show from outside on every machine.
const NOT_SHOWN: [(&str, &str); 4] = [
    ("`unknown`", "takes as long as `cwmp.confirmationTimeout`; shown by the scenarios of operations"),
    ("500, 503", "needs a database that fails"),
    ("503 while the device is in session", "needs a session that stands still; shown by the tests of sessions"),
    ("`/ping/<host>`", "what may be pinged depends on the machine"),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    #[serde(default)]
    rows: Vec<String>,
    request: String,
    #[serde(default, rename = "as")]
    who: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    length: usize,
    #[serde(default)]
    times: usize,
    status: u16,
    reason: Option<String>,
    #[serde(default)]
    answer: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
    is: Option<String>,
    json: Option<String>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    ids: Option<Vec<String>>,
    #[serde(default)]
    keep: BTreeMap<String, String>,
    #[serde(default)]
    eventually: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/nbi/cases")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str::<Cases>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).case
}

/// A box that comes when it is woken, and whose ID has every trap; a radio that cannot be reached; two whose IDs look
/// alike once their escapes are lost.
async fn fleet(server: &Server) -> RunningDevice {
    for (product_class, serial) in [("Radio", "0002"), ("A-B", "C"), ("A", "B-C")] {
        let mut device = server.device(serial, |options| {
            options.identity.product_class = product_class.to_owned();
            listening(options);
        });
        device.listen().await.unwrap();
        assert!(device.session(["1 BOOT"]).await.completed());
    }
    let mut device = server.device("SN-0.1", |options| {
        options.identity.product_class = "Home Box-2".to_owned();
        listening(options);
    });
    device.listen().await.unwrap();
    assert!(device.session(["1 BOOT"]).await.completed());
    RunningDevice::start(device).await
}

fn listening(options: &mut sim::Options) {
    options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Open, ..Default::default() };
}

fn ask(server: &Server, case: &Case) -> Answer {
    let mut headers = String::new();
    match case.who.as_str() {
        "nobody" => {}
        "admin" => {
            let basic = STANDARD.encode(format!("admin:{PASSWORD}"));
            headers.push_str(&format!("Authorization: Basic {basic}\r\n"));
        }
        _ => headers.push_str(&format!("X-API-Key: {KEY}\r\n")),
    }
    for (name, value) in &case.headers {
        headers.push_str(&format!("{name}: {value}\r\n"));
    }
    let (method, target) = case.request.split_once(' ').unwrap();
    let padding = " ".repeat(case.length);
    let body = if case.length > 0 { &padding } else { &case.body };
    for _ in 1..case.times {
        server.request_with(method, target, &headers, body);
    }
    server.request_with(method, target, &headers, body)
}

/// What is not as it should be.
fn difference(case: &Case, answer: &Answer) -> Option<String> {
    if answer.status != case.status {
        return Some(format!("the status is not {}", case.status));
    }
    if case.reason.as_ref().is_some_and(|reason| *reason != answer.reason) {
        return Some(format!("the reason phrase is not {:?}", case.reason));
    }
    if let Some((name, value)) = case.answer.iter().find(|(name, value)| answer.header(name) != Some(value.as_str())) {
        return Some(format!("the header {name} is not {value:?}"));
    }
    if let Some(name) = case.absent.iter().find(|name| answer.header(name).is_some()) {
        return Some(format!("the header {name} is there"));
    }
    if case.is.as_ref().is_some_and(|body| *body != answer.body) {
        return Some(format!("the body is not {:?}", case.is));
    }
    if let Some(json) = &case.json {
        let expected: Json = serde_json::from_str(json).unwrap();
        if serde_json::from_str::<Json>(&answer.body).ok().as_ref() != Some(&expected) {
            return Some(format!("the body is not {expected}"));
        }
    }
    if let Some(part) = case.has.iter().find(|part| !answer.body.contains(*part)) {
        return Some(format!("{part} is missing"));
    }
    if let Some(part) = case.lacks.iter().find(|part| answer.body.contains(*part)) {
        return Some(format!("{part} is there"));
    }
    let expected = case.ids.as_ref()?;
    let list = answer.json();
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|document| document["_id"].as_str().unwrap()).collect();
    (ids != *expected).then(|| format!("the ids are {ids:?}, not {expected:?}"))
}

async fn run(name: &str) {
    let server = Server::start_bare_with(&["--connection-requests-to-this-machine"]);
    let fleet = fleet(&server).await;
    let path = root().join("tests/nbi/cases").join(name);
    let cases = read(&path);
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        for case in cases {
            let case = filled_in(case, &kept);
            let place = || format!("{name}: {} ({})", case.rule, case.request);
            let mut answer = ask(&server, &case);
            if case.eventually {
                eventually(&place(), || {
                    answer = ask(&server, &case);
                    difference(&case, &answer).is_none()
                });
            }
            if let Some(difference) = difference(&case, &answer) {
                panic!("{}: {difference}\n{answer:#?}", place());
            }
            for (name, pointer) in &case.keep {
                let json = answer.json();
                let value = json.pointer(pointer).unwrap_or_else(|| panic!("{}: no {pointer} in {json}", place()));
                kept.insert(name.clone(), value.as_str().unwrap().to_owned());
            }
        }
    })
    .await
    .unwrap();
    drop(fleet);
}

fn filled_in(case: Case, kept: &BTreeMap<String, String>) -> Case {
    let fill = |text: &mut String| {
        for (name, value) in kept.iter().rev() {
            *text = text.replace(&format!("${name}"), value);
        }
    };
    let mut case = case;
    fill(&mut case.request);
    fill(&mut case.body);
    case.headers.values_mut().for_each(fill);
    case.json.iter_mut().chain(case.is.iter_mut()).for_each(fill);
    case.has.iter_mut().chain(case.lacks.iter_mut()).chain(case.ids.iter_mut().flatten()).for_each(fill);
    case
}

macro_rules! conversations {
    ($($name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            run(concat!(stringify!($name), ".toml")).await;
        })+

        #[test]
        fn every_file_is_run() {
            let known: BTreeSet<&str> = BTreeSet::from([$(concat!(stringify!($name), ".toml")),+]);
            let files = files();
            let files: BTreeSet<&str> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
            assert_eq!(files, known);
        }
    };
}

conversations!(routes, lists, tasks, documents, files_and_transfers, traps, clients, accounts, starstate);

/// The first cells of all rows in the tables of a page.
fn rows(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
    // The last row needs a line behind it, too.
    let lines: Vec<&str> = text.lines().chain([""]).collect();
    let is_row = |line: &str| line.starts_with("| ");
    let cell = |line: &str| line.split('|').nth(1).unwrap().trim().to_owned();
    let body = lines.windows(2).enumerate().filter(|(_, pair)| {
        // Neither the head, which the dashes follow, nor the dashes.
        is_row(pair[0]) && !pair[0].starts_with("| ---") && !pair[1].starts_with("| ---")
    });
    let mut rows: Vec<String> = body.map(|(_, pair)| cell(pair[0])).collect();
    rows.dedup();
    rows
}

#[test]
fn every_row_of_the_reference_has_a_case() {
    let cases: Vec<Case> = files().iter().flat_map(|file| read(file)).collect();
    let shown: BTreeSet<&str> = cases.iter().flat_map(|case| case.rows.iter().map(String::as_str)).collect();
    let documented: Vec<String> = ["nbi.md", "access.md"].iter().flat_map(|page| rows(page)).collect();
    let exempt = |row: &str| NOT_SHOWN.iter().any(|(known, _)| row.starts_with(known)) || row.starts_with("`lodestar ");
    let missing: Vec<&String> = documented.iter().filter(|row| !shown.contains(row.as_str()) && !exempt(row)).collect();
    assert!(missing.is_empty(), "rows without a case: {missing:#?}");
    let unknown: Vec<&&str> = shown.iter().filter(|row| !documented.iter().any(|known| known == **row)).collect();
    assert!(unknown.is_empty(), "cases for rows that there are not: {unknown:#?}");
}

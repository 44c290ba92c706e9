//! Conversations as data. Each file of `cases/` has a server of its own; its steps follow one another.
//!
//! A step:
//!
//! * `rule`: what it shows.
//! * `request`: method and target, sent as they are; `headers`; `body` (text as it is, anything else as JSON).
//! * `key`: `none`, `reader` (GET only, no secrets), `blind` (everything but secrets) or `tasks` (the collection `tasks` only);
//!   else one that may do everything.
//! * `status`, `reason` (of the status line), `answer` (headers; `null`: absent), `is` (the body: text exactly, anything else as
//!   JSON), `has` and `lacks` (parts of the body), `ids` (of a list, in order).
//! * `keep`: the `_id` of the answer replaces this name, with `$` before it, in later steps.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;
use ui_api::Scopes;

use crate::client::{self, Answer};
use crate::fixture::Fixture;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    rule: String,
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Json,
    #[serde(default)]
    key: String,
    status: u16,
    reason: Option<String>,
    #[serde(default)]
    answer: BTreeMap<String, Option<String>>,
    is: Option<Json>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    ids: Option<Vec<String>>,
    keep: Option<String>,
}

async fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nbi/cases").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let steps: Vec<Json> = serde_json::from_str(&text).unwrap();
    let fixture = Fixture::start().await;
    let reader = fixture.new_key(&Scopes::read_only(), None).await;
    let blind = fixture.new_key(&Scopes { reveal: false, ..Scopes::all() }, None).await;
    let tasks = fixture.new_key(&Scopes { collections: vec!["tasks".into()], ..Scopes::all() }, None).await;
    let mut kept: Vec<(String, String)> = Vec::new();
    for step in steps {
        let mut text = step.to_string();
        for (name, value) in &kept {
            text = text.replace(&format!("${name}"), value);
        }
        let step: Step = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        let mut headers: Vec<(String, String)> = step.headers.clone().into_iter().collect();
        let key = match step.key.as_str() {
            "none" => None,
            "reader" => Some(&reader),
            "blind" => Some(&blind),
            "tasks" => Some(&tasks),
            _ => Some(&fixture.key),
        };
        headers.extend(key.map(|key| ("X-API-Key".to_owned(), key.clone())));
        let body = match &step.body {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            json => json.to_string(),
        };
        let (method, target) = step.request.split_once(' ').unwrap();
        let answer = client::request(fixture.address, method, target, &headers, body.as_bytes()).await;
        check(name, &step, &answer);
        if let Some(variable) = &step.keep {
            kept.push((variable.clone(), answer.json()["_id"].as_str().unwrap().to_owned()));
        }
    }
}

fn check(name: &str, step: &Step, answer: &Answer) {
    let place = format!("{name}: {} ({})\n{answer:?}\n", step.rule, step.request);
    assert_eq!(answer.status, step.status, "{place}");
    if let Some(reason) = &step.reason {
        assert_eq!(&answer.reason, reason, "{place}");
    }
    for (header, value) in &step.answer {
        assert_eq!(answer.header(header), value.as_deref(), "{header} of {place}");
    }
    match &step.is {
        Some(Json::String(text)) => assert_eq!(&answer.body, text, "{place}"),
        Some(json) => assert_eq!(&answer.json(), json, "{place}"),
        None => {}
    }
    for part in &step.has {
        assert!(answer.body.contains(part), "{part} is missing: {place}");
    }
    for part in &step.lacks {
        assert!(!answer.body.contains(part), "{part} is there: {place}");
    }
    if let Some(ids) = &step.ids {
        assert_eq!(&answer.ids(), ids, "{place}");
    }
}

macro_rules! conversations {
    ($($name:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            run(concat!(stringify!($name), ".json")).await;
        })*

        #[test]
        fn every_file_is_run() {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nbi/cases");
            let mut files: Vec<_> = std::fs::read_dir(directory).unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let mut known = vec![$(concat!(stringify!($name), ".json")),*];
            known.sort_unstable();
            assert_eq!(files, known);
        }
    };
}

conversations!(
    routes,
    lists,
    device_ids,
    documents,
    scripts,
    tasks,
    connection_requests,
    credentials,
    faults,
    plans,
    files,
    scopes,
    browsers,
    accounts,
);

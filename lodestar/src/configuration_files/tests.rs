//! Files of documents, and documents of files.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::files::{read, text_of, write};
use super::plan::Plan;
use super::{Documents, Kind, check};

fn documents_in(directory: &Path) -> Documents {
    let read = read(directory).unwrap();
    assert_eq!(read.problems, []);
    read.documents.into_iter().map(|(key, source)| (key, source.document)).collect()
}

fn put(directory: &Path, file: &str, text: &str) {
    let path = directory.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Files relative to a directory, with their bytes.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter("JSON has no such number", |number| number.is_finite()).prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(".{0,8}", inner, 0..5).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Json> {
    let key = ".{0,8}".prop_filter("the name is not in the document", |key| key != "_id");
    prop::collection::btree_map(key, any_json(), 0..6).prop_map(|map| Json::Object(map.into_iter().collect()))
}

fn any_document() -> impl Strategy<Value = (Kind, Json)> {
    let script = "(?s).{0,200}".prop_map(|text| json!({ "script": text }));
    let value = prop_oneof![
        ".{0,30}".prop_map(|text| json!({ "value": text })),
        // What other programs may have stored.
        any_object(),
    ];
    prop_oneof![
        script.clone().prop_map(|document| (Kind::Provision, document)),
        script.prop_map(|document| (Kind::VirtualParameter, document)),
        any_object().prop_map(|document| (Kind::Object, document)),
        any_object().prop_map(|document| (Kind::Preset, document)),
        value.prop_map(|document| (Kind::Config, document)),
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![".{1,20}", "[aA][bB]?", "[./\\\\%: ]{1,4}", "(con|NUL|x)(\\.y)?"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_written_is_read_back(list in prop::collection::vec((any_name(), any_document()), 0..20)) {
        let documents: Documents = list.into_iter().map(|(name, (kind, document))| ((kind, name), document)).collect();
        let (directory, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(directory.path(), &documents).unwrap();
        let back = documents_in(directory.path());
        prop_assert_eq!(&back, &documents);
        // The same documents are the same files, wherever and whenever; and nothing is left to do.
        write(again.path(), &back).unwrap();
        prop_assert_eq!(tree(again.path()), tree(directory.path()));
        prop_assert_eq!(write(directory.path(), &back).unwrap().changes, Vec::<String>::new());
        let plan = Plan::make(&documents, &back, &BTreeSet::from(Kind::ALL), true);
        prop_assert_eq!(plan, Plan::default());
    }
}

#[test]
fn files_are_as_people_read_them() {
    let document = json!({"weight": 10, "events": {"1 BOOT": true, "0 BOOTSTRAP": false}, "provisions": ["wifi"]});
    let expected = "{\n  \"events\": {\n    \"0 BOOTSTRAP\": false,\n    \"1 BOOT\": true\n  },\n  \"provisions\": [\n    \"wifi\"\n  ],\n  \"weight\": 10\n}\n";
    assert_eq!(text_of(Kind::Preset, &document), expected);
    let directory = tempfile::tempdir().unwrap();
    let documents = Documents::from([
        ((Kind::Config, "cwmp.retryDelay".to_owned()), json!({"value": "30"})),
        ((Kind::Config, "a".to_owned()), json!({"value": 5, "more": 1})),
        ((Kind::Provision, "a/b".to_owned()), json!({"script": "log(\"x\");\r\n"})),
    ]);
    write(directory.path(), &documents).unwrap();
    let files = tree(directory.path());
    let config = "{\n  \"a\": {\n    \"more\": 1,\n    \"value\": 5\n  },\n  \"cwmp.retryDelay\": \"30\"\n}\n";
    let expected: [(String, Vec<u8>); 2] =
        [("config.json".into(), config.into()), ("provisions/a%2Fb.rhai".into(), "log(\"x\");\r\n".into())];
    assert_eq!(files, expected);
}

#[test]
fn files_of_documents_that_are_gone_go_and_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let provision = |name: &str| ((Kind::Provision, name.to_owned()), json!({"script": "1"}));
    write(directory.path(), &Documents::from([provision("a"), provision("b")])).unwrap();
    put(directory.path(), "provisions/README.md", "ours");
    put(directory.path(), "notes.txt", "ours");
    let written = write(directory.path(), &Documents::from([provision("b")])).unwrap();
    assert_eq!(written.changes, ["removed  provisions/a.rhai"]);
    let names: Vec<String> = tree(directory.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["config.json", "notes.txt", "provisions/README.md", "provisions/b.rhai"]);
}

#[tokio::test]
async fn every_problem_has_its_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("presets/broken.json", "{\n  \"weight\": 1,\n}\n"),
        ("presets/list.json", "[]"),
        ("presets/wrong.json", "{\n  \"weight\": 1,\n  \"precondition\": \"a +\"\n}\n"),
        ("presets/old.yaml", "weight: 1"),
        ("provisions/mistake.rhai", "let a = 1;\n\nlet b = ;\n"),
        ("provisions/%FF.rhai", "1"),
        ("virtual_parameters/no name.rhai", "1"),
        ("config.json", "{\n  \"cwmp.retryDelay\": \"30\",\n  \"cwmp.maxRetries\": \"1 +\",\n  \"b\": [1]\n}\n"),
    ] {
        put(directory.path(), file, text);
    }
    std::fs::write(directory.path().join("provisions/latin.rhai"), b"let a = 1;\n// caf\xE9\n").unwrap();
    let read = read(directory.path()).unwrap();
    let mut problems = read.problems;
    problems.extend(check::check(&read.documents).await);
    problems.sort();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (line, expected) in lines.iter().zip([
        "config.json:3: error: $.cwmp.maxRetries: ",
        "config.json:4: error: $.b: must be an expression in text form",
        "presets/broken.json:3:1: error: no JSON: trailing comma",
        "presets/list.json:1: error: it must be a JSON object",
        "presets/old.yaml: error: it is not read: files of presets end in .json",
        "presets/wrong.json:3: error: $.precondition: ",
        "provisions/%FF.rhai: error: its name stands for none of a document",
        "provisions/latin.rhai:2: error: the text is no UTF-8",
        "provisions/mistake.rhai:3:",
        "virtual_parameters/no name.rhai: error: the name of a virtual parameter",
    ]) {
        assert!(line.starts_with(expected), "{line}\nis not {expected}\namong {lines:#?}");
    }
    assert_eq!(lines.len(), 10, "{lines:#?}");
}

#[test]
fn a_plan_stores_what_others_need_first_and_removes_it_last() {
    let key = |kind, name: &str| (kind, name.to_owned());
    let stored = Documents::from([
        (key(Kind::Provision, "old"), json!({"script": "1"})),
        (key(Kind::Provision, "same"), json!({"script": "1"})),
        (key(Kind::Provision, "wifi"), json!({"script": "let a = 1;\nlet b = 2;\n"})),
        (key(Kind::Preset, "old"), json!({"provisions": ["old"]})),
        (key(Kind::Config, "a"), json!({"value": "1"})),
    ]);
    let wanted = Documents::from([
        (key(Kind::Preset, "new"), json!({"provisions": ["new"]})),
        (key(Kind::Provision, "new"), json!({"script": "1"})),
        (key(Kind::Provision, "same"), json!({"script": "1"})),
        (key(Kind::Provision, "wifi"), json!({"script": "let a = 1;\nlet b = 3;\n"})),
    ]);
    // The directory has no config.json, so config is none of its business.
    let kinds = BTreeSet::from([Kind::Provision, Kind::Preset]);
    let titles = |plan: &Plan| -> Vec<String> {
        plan.changes.iter().map(|change| format!("{} {}", change.action(), change.title())).collect()
    };
    let plan = Plan::make(&stored, &wanted, &kinds, true);
    let expected = [
        "add provisions/new",
        "change provisions/wifi",
        "add presets/new",
        "remove presets/old",
        "remove provisions/old",
    ];
    assert_eq!(titles(&plan), expected);
    assert_eq!(plan.kept, [key(Kind::Config, "a")]);
    let text = plan.text();
    for piece in ["-let b = 2;\n", "+let b = 3;\n", "2 to add, 1 to change, 2 to remove\n"] {
        assert!(text.contains(piece), "{text}");
    }
    let careful = Plan::make(&stored, &wanted, &kinds, false);
    assert_eq!(titles(&careful), expected[..3]);
    assert_eq!(careful.kept.len(), 3);
    assert_eq!(careful.to_json()["kept"][0], json!({"collection": "provisions", "name": "old"}));
}

//! Scenarios that are data: `cases/<topic>/<name>.toml`, each naming the rules of `docs/rules.md` that it shows.
//!
//! Every session of every case is also serialised between all of its steps, recorded, and replayed. What lives here: finding the
//! cases, and the reports. [`document`] is their form, [`play`] runs them, [`expect`] compares. The models that they share are in
//! `models/`. `SCENARIO=<part of a name>` runs only some.

mod document;
mod expect;
mod play;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use document::Case;

/// A case that cannot be read or does not go as it says.
struct Failure {
    name: String,
    text: String,
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/scenarios").join(name)
}

/// All cases by name (`topic/name`), in order.
fn cases() -> BTreeMap<String, Result<Case, String>> {
    let mut out = BTreeMap::new();
    for topic in files(&directory("cases")) {
        for file in files(&topic) {
            let name = format!("{}/{}", stem(&topic), stem(&file));
            let text = std::fs::read_to_string(&file).unwrap();
            out.insert(name, Case::parse(&text));
        }
    }
    out
}

fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_case_goes_as_it_says() {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let chosen: Vec<_> = cases().into_iter().filter(|(name, _)| name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "no case is named like {only:?}");
    let failures: Vec<Failure> = sandbox::on_script_thread(|| {
        let recordings = tempfile::tempdir().unwrap();
        let run = |(name, case): &(String, Result<Case, String>)| {
            let text = match case {
                Ok(case) => play::play(case, &recordings.path().join(name.replace('/', "-"))),
                Err(error) => Err(error.clone()),
            };
            text.err().map(|text| Failure { name: name.clone(), text })
        };
        chosen.iter().filter_map(run).collect()
    })
    .unwrap();
    for Failure { name, text } in &failures {
        println!("\n──── cases/{name}.toml\n{text}");
    }
    let names: Vec<_> = failures.iter().map(|failure| &failure.name).collect();
    assert!(failures.is_empty(), "{} of {} cases do not go as they say: {names:#?}", failures.len(), chosen.len());
}

/// The rules of `docs/rules.md`: lines of a list that begin with a name in backquotes.
fn rules() -> Vec<String> {
    let text = std::fs::read_to_string(directory("../../docs/rules.md")).unwrap();
    let name = |line: &str| Some(line.strip_prefix("- `")?.split_once('`')?.0.to_owned());
    text.lines().filter_map(name).collect()
}

/// Rules that tests in Rust show: `Rule: name, name` in their comments.
fn rules_of_other_tests() -> Vec<(String, String)> {
    let root = directory("../..");
    let mut out = Vec::new();
    for room in ["tests", "acs-core", "sandbox", "presets", "provisions", "store", "ext"] {
        for file in sources(&root.join(room)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for line in text.lines() {
                let Some(names) = line.trim_start().strip_prefix("// Rule: ") else { continue };
                let place = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
                out.extend(names.trim_end_matches('.').split(", ").map(|name| (place.clone(), name.to_owned())));
            }
        }
    }
    out
}

/// All Rust files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for path in files(directory) {
        if path.is_dir() {
            out.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
    out
}

#[test]
fn every_rule_is_shown_and_every_case_names_rules_that_there_are() {
    let rules = rules();
    let known: BTreeSet<&String> = rules.iter().collect();
    assert_eq!(known.len(), rules.len(), "docs/rules.md has a rule twice");
    let cases = cases();
    let mut shown = BTreeSet::new();
    let mut unknown = Vec::new();
    let named = cases.iter().flat_map(|(name, case)| {
        let rules = case.as_ref().map(|case| case.rules.clone()).unwrap_or_default();
        rules.into_iter().map(move |rule| (name.clone(), rule))
    });
    for (place, rule) in named.chain(rules_of_other_tests()) {
        if !known.contains(&rule) {
            unknown.push(format!("{rule} ({place})"));
        }
        shown.insert(rule);
    }
    let missing: Vec<_> = rules.iter().filter(|rule| !shown.contains(*rule)).collect();
    assert!(unknown.is_empty(), "docs/rules.md does not have {unknown:#?}");
    assert!(missing.is_empty(), "no case shows {missing:#?}");
    let is_bare = |case: &Case| case.rules.is_empty() || case.about.is_empty();
    let bare: Vec<_> =
        cases.iter().filter(|(_, case)| case.as_ref().is_ok_and(is_bare)).map(|(name, _)| name).collect();
    assert!(bare.is_empty(), "cases that do not say what they show: {bare:#?}");
    assert!(cases.len() >= 150, "only {} cases", cases.len());
}

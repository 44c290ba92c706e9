//! The rules of the house that no compiler checks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// This machine's target: what only other platforms depend on does not count.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn metadata() -> Json {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host()])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Normal dependencies by package id, and names by id.
fn graph(metadata: &Json) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, String>) {
    let mut edges = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let normal =
            |dependency: &&Json| dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
        let to = node["deps"].as_array().unwrap().iter().filter(normal).map(|d| d["pkg"].as_str().unwrap().to_owned());
        edges.insert(node["id"].as_str().unwrap().to_owned(), to.collect());
    }
    let packages = metadata["packages"].as_array().unwrap().iter();
    let names = packages.map(|p| (p["id"].as_str().unwrap().to_owned(), p["name"].as_str().unwrap().to_owned()));
    (edges, names.collect())
}

#[test]
fn the_core_depends_on_no_runtime_network_xml_or_database() {
    let metadata = metadata();
    let (edges, names) = graph(&metadata);
    let core = names.iter().find(|(_, name)| *name == "acs-core").unwrap().0.clone();
    let mut seen = BTreeSet::new();
    let mut pending = vec![core];
    while let Some(id) = pending.pop() {
        if seen.insert(id.clone()) {
            pending.extend(edges[&id].iter().cloned());
        }
    }
    let reached: BTreeSet<&str> = seen.iter().map(|id| names[id].as_str()).collect();
    let forbidden = [
        "tokio",
        "async-std",
        "smol",
        "futures-util",
        "async-trait",
        "hyper",
        "axum",
        "http",
        "reqwest",
        "quick-xml",
        "roxmltree",
        "rusqlite",
        "libsqlite3-sys",
        "mongodb",
        "rhai",
        "rand",
        "getrandom",
        "sandbox",
        "presets",
        "provisions",
        "store",
        "cwmp",
        "ui-api",
        "ext",
        "sim",
        "lodestar",
    ];
    let found: Vec<_> = forbidden.iter().filter(|name| reached.contains(**name)).collect();
    assert!(found.is_empty(), "acs-core must not depend on {found:?}");
}

#[test]
fn arrows_point_one_way() {
    let metadata = metadata();
    let (edges, names) = graph(&metadata);
    let id = |name: &str| names.iter().find(|(_, known)| *known == name).unwrap().0.clone();
    let depends = |from: &str, to: &str| edges[&id(from)].contains(&id(to));
    for (from, to) in [
        ("cwmp", "ui-api"),
        ("ui-api", "cwmp"),
        ("store", "cwmp"),
        ("store", "ui-api"),
        ("sandbox", "store"),
        ("presets", "store"),
        ("sim", "cwmp"),
        ("sim", "acs-core"),
    ] {
        assert!(!depends(from, to), "{from} must not know {to}");
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What devices and operators send must never become part of a command line: whoever serves them starts no program at all.
#[test]
fn programs_are_started_for_extensions_and_measurements_only() {
    let mut found = Vec::new();
    for room in [
        "acs-core",
        "sandbox",
        "presets",
        "provisions",
        "routeros",
        "store",
        "tls",
        "cwmp",
        "ui-api",
        "sim",
        "lodestar",
    ] {
        sources(&root().join(room).join("src"), &mut found);
    }
    let starts: Vec<_> = found
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("Command::new(") && (text.contains("std::process") || text.contains("tokio::process"))
        })
        .map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap())
        .filter(|path| !path.starts_with("lodestar/src/bench/"))
        .collect();
    assert_eq!(starts, [] as [&str; 0]);
}

#[test]
fn unsafe_code_lives_in_one_small_crate() {
    for member in metadata()["packages"].as_array().unwrap() {
        let manifest = Path::new(member["manifest_path"].as_str().unwrap());
        if !manifest.starts_with(root()) || member["name"] == "allocation-account" {
            continue;
        }
        let text = std::fs::read_to_string(manifest).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{} does not take the workspace's lints",
            manifest.display()
        );
    }
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
}

//! The document and the tests agree: each row has a test in the file of its section, and each test a row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many rows there are: 176 of the checklist, 32 quirks.
const ROWS: usize = 208;

struct Row {
    id: String,
    file: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let mut file = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            file = line.split('`').nth(1).unwrap_or_else(|| panic!("no file in {line:?}")).to_owned();
            continue;
        }
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(id), Some(_)) = (cells.next(), cells.next()) else { continue };
        if id == "id" || id.starts_with("---") {
            continue;
        }
        rows.push(Row { id: id.to_owned(), file: file.clone() });
    }
    rows
}

/// The tests that are named by a row: the row's id in lower case, with the files they are in.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/conformance")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        // Tests beside the rows.
        if !file.ends_with(".rs") || matches!(file.as_str(), "checklist.rs" | "tolerance.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[test]") {
            let name = pair[1].strip_prefix("fn ").unwrap_or_else(|| panic!("{file}: no function after #[test]"));
            let id = name.split('_').next().unwrap().to_owned();
            found.entry(id).or_default().insert(file.clone());
        }
    }
    found
}

#[test]
fn every_row_has_its_test_and_every_test_its_row() {
    let (rows, tests) = (rows(), tests());
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for row in &rows {
        if !seen.insert(row.id.to_lowercase()) {
            wrong.push(format!("{} is there twice", row.id));
        }
        match tests.get(&row.id.to_lowercase()) {
            None => wrong.push(format!("{} has no test", row.id)),
            Some(files) if files.iter().any(|file| *file != row.file) => {
                wrong.push(format!("the test of {} is in {files:?}, not in {}", row.id, row.file));
            }
            Some(_) => {}
        }
    }
    for (id, files) in tests.iter().filter(|(id, _)| !seen.contains(*id)) {
        wrong.push(format!("{files:?} has a test of {id}, which is no row"));
    }
    assert!(wrong.is_empty(), "docs/conformance.md and tests/conformance differ:\n{}", wrong.join("\n"));
    assert_eq!(rows.len(), ROWS);
}

//! The documents, as texts.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::Path;

/// Beginnings and whole values of the secrets in the documents.
pub const SECRETS: [&str; 5] =
    ["Fixture-", "woodsmoke-81", "maple-tree-22", "sh1gfG/7JiUtvwgceuNEb9", "VQ/dKRmbEzSSPERytuni"];

/// All documents, by name.
pub fn documents() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    let mut documents: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    documents.sort();
    assert_eq!(documents.len(), 10);
    documents
}

//! The query tree's rules, a table for each, and its laws, checked on random queries and documents.
#![allow(clippy::unwrap_used)]

mod filters;
mod laws;
mod matching;
mod northbound;
mod preconditions;
mod shaping;

use serde_json::{Value as Json, json};

use super::*;

/// The fields that hold dates in the tests' documents.
const DATES: &[&str] = &["timestamp", "expiry", "_lastInform", "_registered"];

fn record(document: &Json) -> JsonRecord<'_> {
    JsonRecord::with_dates(document, DATES)
}

/// Asserts for each plain query which of the documents match, by their number.
fn assert_matches(documents: &[Json], cases: &[(Json, &[usize])]) {
    for (query, expected) in cases {
        let parsed = mongo::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(matching(&parsed, documents), *expected, "{query}");
    }
}

fn matching(query: &Query, documents: &[Json]) -> Vec<usize> {
    (0..documents.len()).filter(|index| query.matches(&record(&documents[*index]))).collect()
}

//! The documents of `documents/`, read.

mod texts;

use starstate::issue::Severity;
use starstate::state::{self, Secrets};

#[test]
fn every_document_is_read_without_mistakes() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        let errors: Vec<_> = document.issues.iter().filter(|issue| issue.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn no_field_of_a_document_is_unknown() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        let unknown: Vec<_> = document.issues.iter().filter(|issue| issue.message.contains("no such field")).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        let written = document.state.to_json(Secrets::Shown);
        let again = state::read(&written);
        assert_eq!(again.state, document.state, "{name}");
        assert_eq!(again.state.to_json(Secrets::Shown), written, "{name}");
    }
}

#[test]
fn a_masked_document_has_no_secret() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        for text in [document.state.to_json(Secrets::Masked).to_string(), format!("{document:?}")] {
            for secret in texts::SECRETS {
                assert!(!text.contains(secret), "{name}: {secret}");
            }
        }
    }
}

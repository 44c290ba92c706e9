//! Whether what the files say may be stored, each problem with its file and line.

use std::collections::BTreeMap;

use ui_api::{DocumentPlace, check_document};

use super::Kind;
use super::files::{CONFIG, Problem, Source};
use super::json_lines::line_of;

/// Looks at all documents.
pub async fn check(documents: &BTreeMap<(Kind, String), Source>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ((kind, name), source) in documents {
        for found in check_document(kind.collection(), name, &source.document).await {
            let (line, column) = match &found.place {
                DocumentPlace::Whole => (0, 0),
                DocumentPlace::Script { line, column } => (*line, *column),
                DocumentPlace::Json(path) => (line_of(&source.text, &in_file(&source.file, name, path)), 0),
            };
            let message = match &found.place {
                DocumentPlace::Json(path) => format!("{}: {}", in_file(&source.file, name, path), found.message),
                _ => found.message,
            };
            problems.push(Problem { file: source.file.clone(), line, column, message, is_error: found.is_error });
        }
    }
    problems
}

/// A place in a document as one in its file: in that of the config keys, each is one field.
fn in_file(file: &str, name: &str, path: &str) -> String {
    if file == CONFIG { format!("$.{name}") } else { path.to_owned() }
}

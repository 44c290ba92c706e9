//! Whether a document may be stored: all that is wrong with it, each with its place. What cannot work is an error, what is only odd is
//! none.

use acs_core::expression::{self, FunctionSet};
use acs_core::path::is_name;
use presets::{ObjectTemplate, Preset, PresetProblem, Problems, Severity};
use serde_json::Value as Json;
use store::Collection;

/// Something wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentProblem {
    /// Where.
    pub place: DocumentPlace,
    /// What, with advice.
    pub message: String,
    /// Whether the document cannot be stored.
    pub is_error: bool,
    kind: ProblemKind,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentPlace {
    /// None in particular.
    Whole,
    /// In its JSON, from `$`: `$.configurations[0].type`.
    Json(String),
    /// In its script; 0 when unknown.
    Script {
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
    },
}

/// What the NBI puts before a message, as clients expect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProblemKind {
    Plain,
    Error,
    Syntax,
}

impl DocumentProblem {
    fn error(place: DocumentPlace, kind: ProblemKind, message: impl Into<String>) -> DocumentProblem {
        DocumentProblem { place, message: message.into(), is_error: true, kind }
    }

    /// The problem of a document of this name in one line, for answers and headers.
    pub(super) fn line(&self, name: &str) -> String {
        let kind = match self.kind {
            ProblemKind::Error => "Error: ",
            ProblemKind::Syntax => "SyntaxError: ",
            ProblemKind::Plain => "",
        };
        let place = match &self.place {
            DocumentPlace::Whole => String::new(),
            DocumentPlace::Json(path) => format!("{path}: "),
            DocumentPlace::Script { line: 0, .. } => format!("{name}: "),
            DocumentPlace::Script { line, column } => format!("{name}: line {line}, column {column}: "),
        };
        let note = if self.kind == ProblemKind::Plain && !self.is_error && matches!(self.place, DocumentPlace::Json(_))
        {
            " (warning)"
        } else {
            ""
        };
        format!("{kind}{place}{}{note}", self.message)
    }
}

/// Looks at a document without its `_id` as it would be stored.
pub async fn check_document(collection: Collection, name: &str, document: &Json) -> Vec<DocumentProblem> {
    if name.trim().is_empty() {
        return vec![DocumentProblem::error(DocumentPlace::Whole, ProblemKind::Error, "the name is empty")];
    }
    match collection {
        Collection::Presets => match Preset::from_document(name, document) {
            Ok(preset) => preset.warnings.into_iter().map(of_preset).collect(),
            Err(problems) => problems.into_iter().map(of_preset).collect(),
        },
        Collection::Objects => {
            let mut problems = Problems::default();
            ObjectTemplate::from_document(document, "$", &mut problems);
            problems.into_list().into_iter().map(of_preset).collect()
        }
        Collection::Config => check_config(name, document).err().into_iter().collect(),
        Collection::VirtualParameters if !is_name(name) => {
            let message = "the name of a virtual parameter has only letters, digits, - and _";
            vec![DocumentProblem::error(DocumentPlace::Whole, ProblemKind::Error, message)]
        }
        Collection::Provisions | Collection::VirtualParameters => check_script(name, document).await,
        Collection::Users
        | Collection::ApiKeys
        | Collection::ApiKeyUses
        | Collection::Permissions
        | Collection::ConnectionRequests
        | Collection::DeviceCredentials
        | Collection::SessionTraces
        | Collection::StarstateDocuments
        | Collection::StarstateSessions
        | Collection::StarstateJobs => Vec::new(),
    }
}

fn of_preset(problem: PresetProblem) -> DocumentProblem {
    DocumentProblem {
        place: DocumentPlace::Json(problem.path),
        message: problem.message,
        is_error: problem.severity == Severity::Error,
        kind: ProblemKind::Plain,
    }
}

fn check_config(name: &str, document: &Json) -> Result<(), DocumentProblem> {
    let wrong =
        |kind, message: String| DocumentProblem::error(DocumentPlace::Json("$.value".to_owned()), kind, message);
    let Some(text) = document.get("value").and_then(Json::as_str) else {
        return Err(wrong(ProblemKind::Plain, "must be an expression in text form".to_owned()));
    };
    let parsed = expression::parse(text).map_err(|error| wrong(ProblemKind::Syntax, error.to_string()))?;
    let functions = match name {
        "cwmp.auth" => FunctionSet::AUTHENTICATION,
        "cwmp.connectionRequestAuth" => FunctionSet::CONNECTION_REQUEST,
        _ => return Ok(()),
    };
    match parsed.check(functions).into_iter().next() {
        Some(problem) => Err(wrong(ProblemKind::Error, problem.to_string())),
        None => Ok(()),
    }
}

async fn check_script(name: &str, document: &Json) -> Vec<DocumentProblem> {
    let Some(source) = document.get("script").and_then(Json::as_str) else {
        let place = DocumentPlace::Json("$.script".to_owned());
        return vec![DocumentProblem::error(place, ProblemKind::Plain, "must be a text")];
    };
    let (name, source) = (name.to_owned(), source.to_owned());
    // Compiling takes its time, and waits for a thread with a large stack.
    let examined = tokio::task::spawn_blocking(move || examine(&name, &source)).await;
    examined.unwrap_or_else(|_| {
        vec![DocumentProblem::error(DocumentPlace::Whole, ProblemKind::Error, "the script could not be examined")]
    })
}

fn examine(name: &str, source: &str) -> Vec<DocumentProblem> {
    if let Err(error) = sandbox::compile(name, source) {
        let place = DocumentPlace::Script { line: error.line, column: error.column };
        return vec![DocumentProblem::error(place, ProblemKind::Syntax, error.message)];
    }
    let mut problems: Vec<DocumentProblem> = Vec::new();
    for finding in sandbox::check(name, source) {
        let place = DocumentPlace::Script { line: finding.line, column: finding.column };
        let is_error = finding.severity == sandbox::Severity::Error;
        let kind = if is_error { ProblemKind::Error } else { ProblemKind::Plain };
        problems.push(DocumentProblem { place, message: finding.message, is_error, kind });
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn problems_have_places() {
        let script = |source: &str| json!({ "script": source });
        let cases = [
            (Collection::Provisions, "p", script("let x = 1;\n  let y = ;"), "SyntaxError: p: line 2, column "),
            (Collection::Provisions, "p", json!({}), "$.script: must be a text"),
            (Collection::VirtualParameters, "a b", script("1"), "Error: the name of a virtual parameter"),
            (Collection::Config, "cwmp.retryDelay", json!({"value": "1 +"}), "SyntaxError: $.value: "),
            (
                Collection::Config,
                "cwmp.retryDelay",
                json!({"value": [1]}),
                "$.value: must be an expression in text form",
            ),
            (Collection::Presets, "p", json!({"weight": []}), "$.weight: "),
            (Collection::Presets, " ", json!({}), "Error: the name is empty"),
        ];
        for (collection, name, document, expected) in cases {
            let problems = check_document(collection, name, &document).await;
            let lines: Vec<String> = problems.iter().map(|problem| problem.line(name)).collect();
            assert!(problems.iter().any(|problem| problem.is_error), "{name} {document}: {lines:?}");
            assert!(lines.iter().any(|line| line.starts_with(expected)), "{name} {document}: {lines:?}");
        }
        assert_eq!(check_document(Collection::Provisions, "p", &script("let x = 1;")).await, []);
    }
}

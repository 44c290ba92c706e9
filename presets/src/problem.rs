//! What is wrong with a document, and where in it.

use std::fmt;

/// How bad a [`PresetProblem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document can be used, but something in it has no effect, or hardly the intended one.
    Warning,
}

/// Something wrong with a preset document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetProblem {
    /// Where in the JSON, from `$`: `$.configurations[0].args[1]`.
    pub path: String,
    /// What is wrong, and where it helps, what to write instead.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for PresetProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// Collects the problems of one document, so that all are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<PresetProblem>);

impl Problems {
    /// Adds what makes the document unusable.
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.push(path, message.into(), Severity::Error);
    }

    /// Adds what does not.
    pub fn warning(&mut self, path: &str, message: impl Into<String>) {
        self.push(path, message.into(), Severity::Warning);
    }

    /// Warns of each key of an object that is not among the known ones.
    pub fn unknown_keys(&mut self, path: &str, object: &serde_json::Map<String, serde_json::Value>, known: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = format!("unknown field, it is kept without effect; known are {}", known.join(", "));
            self.warning(&format!("{path}.{key}"), message);
        }
    }

    /// Whether any problem makes the document unusable.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// All problems, in the order in which they were found.
    pub fn into_list(self) -> Vec<PresetProblem> {
        self.0
    }

    fn push(&mut self, path: &str, message: String, severity: Severity) {
        self.0.push(PresetProblem { path: path.to_owned(), message, severity });
    }
}

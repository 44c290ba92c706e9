//! What is wrong with a document, or worth knowing, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that is wrong with a document, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Where: a JSON path such as `$.wan.wanLink.foreign.wanConfigs[0].name`, in the document's canonical spelling.
    pub path: String,
    /// How bad.
    pub severity: Severity,
    /// What, in words. Never the value of a secret.
    pub message: String,
}

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the document can be applied.
    Warning,
    /// The document cannot be applied.
    Error,
}

impl Issue {
    /// An error.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Issue {
        Issue { path: path.into(), severity: Severity::Error, message: message.into() }
    }

    /// A warning.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Issue {
        Issue { path: path.into(), severity: Severity::Warning, message: message.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(formatter, "{severity}: {}: {}", self.path, self.message)
    }
}

/// Whether nothing forbids to apply the document.
pub fn permits(issues: &[Issue]) -> bool {
    issues.iter().all(|issue| issue.severity != Severity::Error)
}

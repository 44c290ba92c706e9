//! What documents mean to sessions.

use serde_json::Value as Json;

use super::{Compiled, Facts, compile};
use crate::issue::{Issue, permits};
use crate::role::Role;
use crate::session::Compile;
use crate::state;
use crate::validation::validate;

/// Reads, checks and compiles documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Documents;

impl Compile for Documents {
    /// What is wrong with a document on the newest router that is known; what an older one lacks is found out once it is asked.
    fn validate(&self, document: &Json) -> Vec<Issue> {
        let read = state::read(document);
        let mut issues = read.issues;
        issues.extend(validate(&read.state));
        let compiled = compile(&read.state, Role::Master, &Facts::newest());
        issues.extend(compiled.issues);
        issues
    }

    fn steps(&self, document: &Json, facts: &Facts) -> Compiled {
        let read = state::read(document);
        let compiled = compile(&read.state, Role::Master, facts);
        match permits(&read.issues) {
            true => compiled,
            false => Compiled { issues: [read.issues, compiled.issues].concat(), ..compiled },
        }
    }
}

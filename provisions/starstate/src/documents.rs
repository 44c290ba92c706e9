//! What documents mean to sessions: read, checked and compiled.

use serde_json::Value as Json;

use crate::compile::{Compiled, Facts, compile};
use crate::connections::connections;
use crate::issue::{Issue, Severity, permits};
use crate::orchestrator::Generated;
use crate::role::Role;
use crate::session::{Compile, SessionEventKind};
use crate::state::{self, StarState};
use crate::validation::validate;

/// Reads, checks and compiles documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Documents;

impl Compile for Documents {
    /// What is wrong with a document on the newest router that is known; what an older one lacks is found out once it is asked.
    fn validate(&self, document: &Json) -> Vec<Issue> {
        let read = state::read(document);
        let known = [read.issues, validate(&read.state)].concat();
        let mut in_parts = compile_for_its_router(&read.state, &Facts::newest()).issues;
        in_parts.retain(|issue| !known.iter().any(|known| follows_from(issue, known)));
        [known, in_parts].concat()
    }

    fn steps(&self, document: &Json, facts: &Facts) -> Compiled {
        let read = state::read(document);
        let compiled = compile_for_its_router(&read.state, facts);
        match permits(&read.issues) {
            true => compiled,
            false => Compiled { issues: [read.issues, compiled.issues].concat(), ..compiled },
        }
    }

    fn connections(&self, document: &Json, generated: &[Generated], applied_at: u64) -> Vec<SessionEventKind> {
        let state = state::read(document).state;
        match Role::of_document(&state) {
            Ok(role) => connections(&state, role, generated, applied_at),
            Err(_) => Vec::new(),
        }
    }
}

fn compile_for_its_router(state: &StarState, facts: &Facts) -> Compiled {
    match Role::of_document(state) {
        Ok(role) => compile(state, role, facts),
        Err(issue) => Compiled { steps: Vec::new(), issues: vec![issue] },
    }
}

/// Whether something cannot be made of a part because of an error in it that is known.
fn follows_from(issue: &Issue, known: &Issue) -> bool {
    let is_in_it = known.path.strip_prefix(&issue.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    known.severity == Severity::Error && is_in_it && issue.path != "$"
}

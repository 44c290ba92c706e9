//! What is told while a plan is carried out. Data.

use serde::{Deserialize, Serialize};

use crate::phase::Phase;
use crate::plan::{Operation, Verb};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Progress {
    /// The plan is made.
    Planned {
        /// How many operations it has.
        total: usize,
    },
    /// A phase begins.
    Phase {
        /// Which.
        phase: Phase,
        /// Its number.
        number: u8,
    },
    /// An operation is over.
    Operation {
        /// The step.
        step: String,
        /// The resource of the document.
        resource: String,
        /// The phase of its menu.
        phase: Phase,
        /// The menu.
        path: String,
        /// What was done.
        verb: Verb,
        /// What came of it.
        state: OperationState,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Operations that are over.
        done: usize,
        /// Operations of the plan.
        total: usize,
    },
    /// The connection was lost; it is made again.
    Reconnecting {
        /// Why.
        reason: String,
    },
    /// What was done is taken back.
    RollingBack {
        /// How many entries.
        total: usize,
    },
    /// An entry was taken back, or could not be.
    TakenBack {
        /// The step.
        step: String,
        /// The menu.
        path: String,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Entries that are over.
        done: usize,
        /// All entries.
        total: usize,
    },
}

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// It is done.
    Done,
    /// It failed, and does not matter.
    Warning,
    /// It failed.
    Failed,
}

impl Progress {
    pub(super) fn operation(
        operation: &Operation,
        state: OperationState,
        message: Option<String>,
        done: usize,
        total: usize,
    ) -> Progress {
        Progress::Operation {
            step: operation.step.clone(),
            resource: operation.resource.clone(),
            phase: operation.phase,
            path: operation.path.clone(),
            verb: operation.verb(),
            state,
            message,
            done,
            total,
        }
    }
}

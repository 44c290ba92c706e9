//! A plan as an operator reads it, with secrets masked. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Change, Operation, Plan, RowRef};
use crate::ledger::Kept;
use crate::phase::{Phase, phase_order};

/// An operation for people and for JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The phase in whose turn it runs.
    pub turn: Phase,
    /// The phase of its menu; later than its turn when it is pulled forward.
    pub phase: Phase,
    /// The step.
    pub step: String,
    /// The resource of the document.
    pub resource: String,
    /// Where in the document it comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What happens.
    pub verb: Verb,
    /// The menu.
    pub path: String,
    /// What identifies the row.
    pub key: String,
    /// What changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ShownValue>,
    /// It runs early, because this step needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_for: Option<String>,
    /// Whether all is taken back when it fails.
    pub critical: bool,
    /// Why it cannot be done, or may cut the way to the router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Nothing.
    Keep,
    /// It is added.
    Add,
    /// It is changed.
    Change,
    /// It is removed.
    Remove,
    /// It is moved.
    Move,
    /// A command is run.
    Run,
    /// Nothing can be done.
    Blocked,
}

/// A value that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownValue {
    /// The argument.
    pub name: String,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What shall be there; none for unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Plan {
    /// What would be done, and what cannot be done, phase by phase.
    pub fn shown(&self) -> Vec<Shown> {
        let mut shown: Vec<&Operation> =
            self.operations.iter().filter(|operation| !matches!(operation.change, Change::Keep { .. })).collect();
        shown.sort_by_key(|operation| (operation.stage, operation.turn));
        shown.into_iter().map(Operation::shown).collect()
    }
}

impl Operation {
    /// What happens.
    pub fn verb(&self) -> Verb {
        match &self.change {
            Change::Keep { .. } => Verb::Keep,
            Change::Add { .. } => Verb::Add,
            Change::Set { .. } => Verb::Change,
            Change::Remove { .. } => Verb::Remove,
            Change::Move { .. } => Verb::Move,
            Change::Run { .. } => Verb::Run,
            Change::Blocked { .. } => Verb::Blocked,
        }
    }

    /// The operation with secrets masked.
    pub fn shown(&self) -> Shown {
        let after = |values: &[(String, Kept)]| -> Vec<ShownValue> {
            let value = |(name, value): &(String, Kept)| ShownValue {
                name: name.clone(),
                before: None,
                after: Some(value.shown()),
            };
            values.iter().map(value).collect()
        };
        let values = match &self.change {
            Change::Add { values, .. } | Change::Run { values, .. } => after(values),
            Change::Set { values, .. } => {
                let shown = values.iter().map(|it| ShownValue {
                    name: it.name.clone(),
                    before: it.before.as_ref().map(Kept::shown),
                    after: it.after.as_ref().map(Kept::shown),
                });
                shown.collect()
            }
            Change::Keep { .. } | Change::Remove { .. } | Change::Move { .. } | Change::Blocked { .. } => Vec::new(),
        };
        let blocked = match &self.change {
            Change::Blocked { reason } => Some(reason.clone()),
            _ => None,
        };
        let is_pulled = self.turn < self.phase && !self.gives_back;
        Shown {
            turn: if self.gives_back { self.phase } else { self.turn },
            phase: self.phase,
            step: self.step.clone(),
            resource: self.resource.clone(),
            source: self.source.clone(),
            verb: self.verb(),
            path: match &self.change {
                Change::Run { command, .. } => format!("{}/{command}", self.path),
                _ => self.path.clone(),
            },
            key: self.shown_key(),
            values,
            early_for: self.early_for.clone().filter(|_| is_pulled),
            critical: self.critical,
            reason: blocked.or_else(|| self.cuts.clone()),
        }
    }

    fn shown_key(&self) -> String {
        let key: Vec<String> = self.key.iter().map(|(name, value)| format!("{name}={}", value.shown())).collect();
        match (&self.change, key.is_empty()) {
            (Change::Remove { id, .. }, true) => id.clone(),
            (Change::Set { row: RowRef::Id(id), .. }, true) => id.clone(),
            _ => key.join(" "),
        }
    }
}

/// Phase by phase; secrets are masked.
impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown();
        if shown.is_empty() {
            writeln!(formatter, "nothing to do")?;
        }
        for phase in phase_order() {
            let mut of_phase = shown.iter().filter(|operation| operation.turn == phase).peekable();
            if of_phase.peek().is_some() {
                writeln!(formatter, "phase {}: {}", phase.number(), phase.definition().title)?;
            }
            of_phase.try_for_each(|operation| write!(formatter, "{operation}"))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(formatter, "note: {}: {}", note.step, note.message))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verb {
            Verb::Keep => ' ',
            Verb::Add => '+',
            Verb::Change => '~',
            Verb::Remove => '-',
            Verb::Move => '^',
            Verb::Run => '>',
            Verb::Blocked => '!',
        };
        write!(formatter, "  {mark} {} {}", self.path, self.key)?;
        if let Some(who) = &self.early_for {
            write!(formatter, "  (of phase {}, needed by {who})", self.phase.number())?;
        }
        if let Some(reason) = &self.reason {
            write!(formatter, "  ({reason})")?;
        }
        writeln!(formatter)?;
        for value in &self.values {
            let before = value.before.as_deref().map(|before| format!("{before:?} -> ")).unwrap_or_default();
            let after = value.after.as_deref().map_or_else(|| "unset".to_owned(), |after| format!("{after:?}"));
            writeln!(formatter, "      {}: {before}{after}", value.name)?;
        }
        Ok(())
    }
}

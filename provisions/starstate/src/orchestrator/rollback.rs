//! Takes back what the ledger says was done: last first, and as much of it as possible, whatever fails.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use routeros::{Command, ErrorClass};
use serde::{Deserialize, Serialize};

use super::{ApplyError, Orchestrator, Progress, command, files, rows};
use crate::ledger::{Deed, Entry, EntryState, Kept};
use crate::plan::Difference;
use crate::snapshot::Snapshot;

/// What came of taking back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackResult {
    /// What was to be taken back: rows that were added, values that were set, rows that were removed or moved.
    pub total: usize,
    /// What is as it was before.
    pub removed: usize,
    /// What is not.
    pub failed: usize,
    /// Why not.
    pub errors: Vec<RollbackError>,
}

/// Something that could not be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackError {
    /// The step.
    pub step: String,
    /// The menu.
    pub path: String,
    /// The row; `None` for settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why.
    pub error: String,
}

/// Why something could not be taken back.
struct Failure {
    class: ErrorClass,
    message: String,
}

impl Orchestrator<'_> {
    /// Takes back all that stands on the router of these entries: 8 to 1, in reverse order of creation. Rows that were added are removed,
    /// values that were set get what was read before, rows that were removed come back. Also after an interruption.
    ///
    /// # Errors
    /// When the router cannot be read at all, or the ledger not be kept. What cannot be taken back otherwise is in the result.
    pub async fn roll_back(&self, entries: &mut [Entry]) -> Result<RollbackResult, ApplyError> {
        self.reconcile(entries).await?;
        let mut result = RollbackResult {
            total: entries.iter().filter(|entry| is_to_undo(entry)).count(),
            ..RollbackResult::default()
        };
        (self.progress)(Progress::RollingBack { total: result.total });
        let mut done = 0;
        let mut in_use = Vec::new();
        let waves: BTreeSet<u32> = entries.iter().filter(|entry| may_be_there(entry)).map(|entry| entry.wave).collect();
        for wave in waves.into_iter().rev() {
            let numbers: Vec<usize> = (0..entries.len())
                .filter(|number| entries[*number].wave == wave && may_be_there(&entries[*number]))
                .collect();
            let again = self.undo_wave(entries, &numbers, &mut result, &mut done, false).await?;
            in_use.extend(again);
        }
        // What was in use may not be any more.
        for number in in_use {
            self.undo_wave(entries, &[number], &mut result, &mut done, true).await?;
        }
        Ok(result)
    }

    /// Undoes entries that do not depend on each other. Gives those that something else still uses, unless they are tried for the
    /// last time.
    async fn undo_wave(
        &self,
        entries: &mut [Entry],
        numbers: &[usize],
        result: &mut RollbackResult,
        done: &mut usize,
        is_last: bool,
    ) -> Result<Vec<usize>, ApplyError> {
        let of_wave: Vec<&Entry> = numbers.iter().map(|number| &entries[*number]).collect();
        // Read anew for each wave: taking back the later ones has changed rows and their ids.
        let router = self.read_for(&of_wave).await?;
        let undoing = of_wave.iter().map(|entry| {
            let (router, others) = (&router, others_than(entry, entries));
            async move { self.undo(entry, router, &others).await }
        });
        let undone = join_all(undoing).await;
        let mut again = Vec::new();
        for (number, outcome) in numbers.iter().zip(undone) {
            let entry = &mut entries[*number];
            let counts = is_to_undo(entry);
            let is_in_use = outcome.as_ref().is_err_and(|failure| failure.class == ErrorClass::InUse);
            if is_in_use && !is_last {
                again.push(*number);
                continue;
            }
            let message = outcome.as_ref().err().map(|failure| failure.message.clone());
            match outcome {
                Ok(()) => entry.state = EntryState::Undone,
                Err(failure) => {
                    entry.state = EntryState::NotUndone;
                    result.errors.push(RollbackError {
                        step: entry.step.clone(),
                        path: entry.path.clone(),
                        id: entry.id.clone(),
                        error: failure.message,
                    });
                }
            }
            if counts {
                *done += 1;
                match message {
                    None => result.removed += 1,
                    Some(_) => result.failed += 1,
                }
                let (step, path, total) = (entry.step.clone(), entry.path.clone(), result.total);
                (self.progress)(Progress::TakenBack { step, path, message, done: *done, total });
            }
        }
        let settled: Vec<Entry> = numbers.iter().map(|number| entries[*number].clone()).collect();
        self.sink.record(&settled).await?;
        Ok(again)
    }

    /// Undoes one entry, reading before.
    pub(super) async fn undo_one(&self, entry: &Entry) -> Result<(), String> {
        let router = self.read_for(&[entry]).await.map_err(|error| error.to_string())?;
        self.undo(entry, &router, &[]).await.map_err(|failure| failure.message)
    }

    async fn undo_once(&self, entry: &Entry, router: &Snapshot, others: &[String]) -> Result<(), Failure> {
        let path = entry.path.as_str();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let command = match &entry.deed {
            Deed::Add { .. } => {
                let ids: Vec<&str> =
                    rows::all_added(entry, router, &others).iter().filter_map(|row| row.id.as_deref()).collect();
                (!ids.is_empty()).then(|| Command::remove(path, &ids.join(",")))
            }
            Deed::Set { before, .. } => rows::worked_on(entry, router).and_then(|row| {
                let changed: Vec<(&str, Option<&Kept>)> =
                    before.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
                let id = row.id.as_deref();
                let is_back = rows::is_as_before(entry, row);
                (!is_back).then(|| command::set(path, id, changed.into_iter()))
            }),
            Deed::Remove { row, next } => {
                let next = next.as_deref().filter(|next| router.row(path, Some(next)).is_some());
                let is_back = router.rows(path).iter().any(|found| {
                    row.iter()
                        .all(|(name, value)| crate::compare::is_same(path, name, value.bytes(), found.value(name)))
                });
                let add = command::add(path, row);
                let add = if let Some(next) = next { add.place_before(next) } else { add };
                (!is_back).then_some(add)
            }
            Deed::Move { next } => {
                let next = next.as_deref().filter(|next| router.row(path, Some(next)).is_some());
                let id = rows::worked_on(entry, router).and_then(|row| row.id.as_deref());
                id.map(|id| Command::move_items(path, &[id], next))
            }
            // What else it did goes with the row on which it was run.
            Deed::Run { .. } => match (files::removal(entry, router), files::removal_of_import(entry, router)) {
                (Some(file), Some(imported)) => {
                    self.port.run(file).await.map_err(Failure::refused)?;
                    Some(imported)
                }
                (file, imported) => file.or(imported),
            },
        };
        let Some(command) = command else { return check_hidden(entry) };
        match self.port.run(command).await {
            Ok(_) => check_hidden(entry),
            Err(error) if error.class() == ErrorClass::MissingItem && matches!(entry.deed, Deed::Add { .. }) => Ok(()),
            Err(error) => Err(Failure::refused(error)),
        }
    }

    /// Undoes one entry. When the connection is lost, it reads again how far it came, and goes on.
    async fn undo(&self, entry: &Entry, router: &Snapshot, others: &[String]) -> Result<(), Failure> {
        let mut result = self.undo_once(entry, router, others).await;
        for _ in 1..super::carry::ATTEMPTS {
            let Err(failure) = &result else { break };
            if failure.class != ErrorClass::Transient {
                break;
            }
            let lost = routeros::Error::Lost { reason: failure.message.clone() };
            let reached = match port_before(entry) {
                Some(port) => self.port.reconnect(Some(port)).await.is_ok(),
                None => false,
            };
            if !reached {
                self.connect_again(&lost).await.map_err(Failure::lost)?;
            }
            let router = self.read_for(&[entry]).await.map_err(|error| Failure::lost(error.to_string()))?;
            result = self.undo_once(entry, &router, others).await;
        }
        result
    }
}

impl Failure {
    fn refused(error: routeros::Error) -> Failure {
        Failure { class: error.class(), message: error.to_string() }
    }

    fn lost(message: String) -> Failure {
        Failure { class: ErrorClass::Transient, message }
    }
}

/// What could not be read could not be written back.
fn check_hidden(entry: &Entry) -> Result<(), Failure> {
    let Deed::Set { before, written } = &entry.deed else { return Ok(()) };
    let is_hidden = |name: &&String| !before.iter().any(|(known, _)| known == *name);
    let hidden: Vec<&str> = written.iter().map(|(name, _)| name).filter(is_hidden).map(String::as_str).collect();
    if hidden.is_empty() {
        return Ok(());
    }
    let message = format!("what {} was before is not known: the user may not see secrets", hidden.join(", "));
    Err(Failure { class: ErrorClass::Forbidden, message })
}

/// The rows that other entries of the menu are about.
fn others_than(entry: &Entry, entries: &[Entry]) -> Vec<String> {
    let others = entries.iter().filter(|other| other.path == entry.path && other.sequence != entry.sequence);
    others.filter_map(|other| other.id.clone()).filter(|id| entry.id.as_ref() != Some(id)).collect()
}

/// Whether something of it may be on the router. A command that was interrupted may have written its files.
fn may_be_there(entry: &Entry) -> bool {
    entry.is_effective() || entry.state == EntryState::Failed && !files::names(entry).is_empty()
}

/// Whether it is counted; commands that were run leave nothing behind that would be taken back by itself.
fn is_to_undo(entry: &Entry) -> bool {
    entry.is_effective() && !matches!(entry.deed, Deed::Run { .. })
}

/// The port at which the router was reached before its service was changed.
fn port_before(entry: &Entry) -> Option<u16> {
    let Deed::Set { before, .. } = &entry.deed else { return None };
    let values: Vec<Difference> = before
        .iter()
        .map(|(name, value)| Difference { name: name.clone(), before: None, after: value.clone(), is_hidden: false })
        .collect();
    command::port_after(&entry.path, &values)
}

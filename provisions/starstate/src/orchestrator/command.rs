//! The commands of operations and of their undoing, and the entries that tell of them. Pure.

use std::time::Duration;

use routeros::{Command, Secret};
use routeros_schema::Schema;

use crate::ledger::{Deed, Entry, EntryState, Fingerprints, Kept, Written};
use crate::plan::{Change, Difference, Operation, RowRef};

/// How long commands may take that do more than change a row: signing a certificate takes minutes on small routers.
const LONG: Duration = Duration::from_secs(180);

/// The entry of an operation that is about to be sent.
pub(super) fn entry_of(
    operation: &Operation,
    sequence: u64,
    wave: u32,
    id: Option<String>,
    fingerprints: &Fingerprints,
) -> Entry {
    let written = |name: &str, value: &Kept| (name.to_owned(), fingerprints.written(&operation.path, name, value));
    let all = |values: &[(String, Kept)]| -> Vec<(String, Written)> {
        values.iter().map(|(name, value)| written(name, value)).collect()
    };
    let deed = match &operation.change {
        Change::Add { values, .. } => Deed::Add { written: all(values) },
        Change::Set { values, .. } => Deed::Set {
            before: values.iter().filter(|it| !it.is_hidden).map(|it| (it.name.clone(), it.before.clone())).collect(),
            written: values.iter().map(|it| written(&it.name, it.after.as_ref().unwrap_or(&Kept::plain("")))).collect(),
        },
        Change::Remove { row, next, .. } => Deed::Remove { row: row.clone(), next: next.clone() },
        Change::Move { next, .. } => Deed::Move { next: next.clone() },
        Change::Run { command, values, files, .. } => {
            Deed::Run { command: command.clone(), written: all(values), files: files.clone() }
        }
        Change::Keep { .. } | Change::Blocked { .. } => {
            Deed::Run { command: String::new(), written: Vec::new(), files: Vec::new() }
        }
    };
    Entry {
        sequence,
        wave,
        step: operation.step.clone(),
        resource: operation.resource.clone(),
        phase: operation.phase,
        path: operation.path.clone(),
        key: operation.key.clone(),
        id,
        comment: operation.comment.clone(),
        deed,
        gives_back: operation.gives_back,
        state: EntryState::Sent,
        error: None,
    }
}

/// The command of an operation. `id` is the row that it works on, `before` the row in front of which it puts one. `None` when there is no
/// such row: without an id, a command might work on others.
pub(super) fn command_of(operation: &Operation, id: Option<&str>, before: Option<&str>) -> Option<Command> {
    let path = operation.path.as_str();
    let command = match &operation.change {
        Change::Add { values, .. } => {
            let command = add(path, values);
            let command = match operation.comment.as_deref().filter(|_| !operation.gives_back) {
                Some(comment) => command.argument("comment", comment.to_owned()),
                None => command,
            };
            match before {
                Some(before) => command.place_before(before),
                None => command,
            }
        }
        Change::Set { row, .. } | Change::Run { row: Some(row), .. } if id.is_none() && *row != RowRef::Settings => {
            return None;
        }
        Change::Set { values, .. } => set(path, id, values.iter().map(|it| (it.name.as_str(), it.after.as_ref()))),
        Change::Remove { .. } => Command::remove(path, id?),
        Change::Move { .. } => Command::move_items(path, &[id?], before),
        Change::Run { command, values, .. } => {
            let run = Command::new(path, command.as_str()).timeout(LONG);
            let run = if let Some(id) = id { run.item(id) } else { run };
            with_values(run, values.iter().map(|(name, value)| (name.as_str(), value)))
        }
        Change::Keep { .. } | Change::Blocked { .. } => return None,
    };
    Some(command)
}

/// Adds a row.
pub(super) fn add(path: &str, values: &[(String, Kept)]) -> Command {
    with_values(Command::add(path), values.iter().map(|(name, value)| (name.as_str(), value)))
}

/// Changes a row; without an id the one row of a menu of settings. `None` unsets a value.
pub(super) fn set<'a>(
    path: &str,
    id: Option<&str>,
    values: impl Iterator<Item = (&'a str, Option<&'a Kept>)>,
) -> Command {
    let menu = Schema::get().menu(path);
    let may_be_empty =
        |name: &str| menu.and_then(|menu| menu.argument(name)).is_some_and(|argument| argument.kind.may_be_empty());
    let mut command = Command::set(path);
    if let Some(id) = id {
        command = command.item(id);
    }
    for (name, value) in values {
        command = match value {
            Some(value) => with_values(command, std::iter::once((name, value))),
            None if may_be_empty(name) => command.argument(name, ""),
            None => command.argument(format!("!{name}"), ""),
        };
    }
    command
}

fn with_values<'a>(command: Command, values: impl Iterator<Item = (&'a str, &'a Kept)>) -> Command {
    values.fold(command, |command, (name, value)| match std::str::from_utf8(value.bytes()) {
        Ok(text) if value.is_secret() => command.secret(name, Secret::from(text)),
        _ => command.argument(name, value.bytes().to_vec()),
    })
}

/// The row that an operation works on.
pub(super) fn row_of(change: &Change) -> Option<&RowRef> {
    match change {
        Change::Keep { row, .. } | Change::Set { row, .. } | Change::Move { row, .. } => Some(row),
        Change::Run { row, .. } => row.as_ref(),
        Change::Add { .. } | Change::Remove { .. } | Change::Blocked { .. } => None,
    }
}

/// The row in front of which an operation puts one.
pub(super) fn place_of(change: &Change) -> Option<&RowRef> {
    match change {
        Change::Add { before, .. } | Change::Move { before, .. } => before.as_ref(),
        _ => None,
    }
}

/// The port at which the router will be reached after a change to the service by which it is.
pub(super) fn port_after(path: &str, values: &[Difference]) -> Option<u16> {
    let port = values.iter().find(|it| it.name == "port").filter(|_| path == "/ip/service")?;
    std::str::from_utf8(port.after.as_ref()?.bytes()).ok()?.parse().ok()
}

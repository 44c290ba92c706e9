//! One operation with all that may go wrong with it: lost replies, lost connections, rows that somebody else added meanwhile.

use std::time::Duration;

use routeros::{Command, Error, ErrorClass, Reply};
use tokio::time::Instant;

use super::{Orchestrator, Progress, command, files, rows};
use crate::ledger::{Deed, Entry, EntryState};
use crate::plan::{Change, Operation};
use crate::snapshot::{Found, Reading, Snapshot, SnapshotError};

/// How often a command is sent that did nothing because the connection was lost.
pub(super) const ATTEMPTS: usize = 3;
/// How long a router may need to finish a command of a connection that has ended.
const FINISHING: Duration = Duration::from_millis(200);
/// Why something is not even sent.
pub(super) const NO_ROW: &str = "the row that it works on was not added";
/// Between attempts to connect.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Orchestrator<'_> {
    /// Carries out one operation and says in its entry what came of it. Gives the id of a row that was added. `known` are ids of
    /// rows of the menu that are other entries'.
    pub(super) async fn carry(
        &self,
        operation: &Operation,
        entry: &mut Entry,
        before: Option<String>,
        known: &[&str],
    ) -> Result<Option<String>, String> {
        let mut attempt = 1;
        let mut was_lost = false;
        loop {
            let with_comment = Operation { comment: entry.comment.clone(), ..operation.clone() };
            let Some(command) = command::command_of(&with_comment, entry.id.as_deref(), before.as_deref()) else {
                let message = NO_ROW.to_owned();
                (entry.state, entry.error) = (EntryState::Failed, Some(message.clone()));
                return Err(message);
            };
            let error = match self.port.run(command).await {
                Ok(reply) => {
                    let id = self.confirm(entry, &reply, known).await?;
                    self.fetch_files(entry).await?;
                    return Ok(id);
                }
                Err(error) => error,
            };
            let is_comment_unknown = error.class() == ErrorClass::Unsupported && names_comment(&error);
            if is_comment_unknown && entry.comment.take().is_some() {
                continue;
            }
            if error.class() == ErrorClass::MissingItem && matches!(entry.deed, Deed::Remove { .. }) {
                entry.state = EntryState::Confirmed;
                return Ok(None);
            }
            if error.class() == ErrorClass::Transient {
                let is_unknown = error.is_state_unknown();
                if let Err(reason) = self.connect_again(&error).await {
                    // Nobody knows; the entry says so.
                    entry.error = Some(reason.clone());
                    return Err(reason);
                }
                if is_unknown && self.was_done(operation, entry, known).await.map_err(|error| error.to_string())? {
                    entry.state = EntryState::Confirmed;
                    return Ok(entry.id.clone());
                }
                was_lost |= is_unknown;
                attempt += 1;
                if attempt <= ATTEMPTS {
                    continue;
                }
            }
            return self.judge(operation, entry, error, known, was_lost).await;
        }
    }

    /// It was carried out; the id of a row that was added may have to be looked up.
    async fn confirm(&self, entry: &mut Entry, reply: &Reply, known: &[&str]) -> Result<Option<String>, String> {
        if matches!(entry.deed, Deed::Add { .. }) {
            entry.id = match reply.ret() {
                Some(id) => Some(id.into_owned()),
                None => {
                    let router = self.read_for(&[&*entry]).await.map_err(|error| error.to_string())?;
                    rows::added(entry, &router, known).and_then(|row| row.id.clone())
                }
            };
        }
        entry.state = EntryState::Confirmed;
        Ok(entry.id.clone())
    }

    /// Whether a command whose reply was lost was carried out. A router may finish it after the connection has ended.
    async fn was_done(&self, operation: &Operation, entry: &mut Entry, known: &[&str]) -> Result<bool, SnapshotError> {
        if self.find_done(operation, entry, known).await? {
            return Ok(true);
        }
        tokio::time::sleep(FINISHING).await;
        self.find_done(operation, entry, known).await
    }

    /// Whether a command was carried out, as far as can be seen now. The row that an add made is found by tag and key.
    async fn find_done(&self, operation: &Operation, entry: &mut Entry, known: &[&str]) -> Result<bool, SnapshotError> {
        let router = self.read_for(&[&*entry]).await?;
        let (is_done, id) = match (&entry.deed, &operation.change) {
            (Deed::Add { .. }, _) => {
                let row = rows::added(entry, &router, known);
                (row.is_some(), row.and_then(|row| row.id.clone()))
            }
            (Deed::Set { written, .. }, _) => {
                let row = rows::worked_on(entry, &router);
                (row.is_some_and(|row| rows::has_written(&entry.path, written, row)), entry.id.clone())
            }
            (Deed::Remove { .. }, _) => (rows::worked_on(entry, &router).is_none(), entry.id.clone()),
            (Deed::Run { .. }, Change::Run { until: Some(until), .. }) => {
                let row = router.row(&entry.path, entry.id.as_deref());
                let has = |row: &Found| row.value(until).is_some_and(|value| !value.is_empty());
                (row.is_some_and(has), entry.id.clone())
            }
            // Moving a row once more changes nothing.
            (Deed::Run { .. } | Deed::Move { .. }, _) => (false, entry.id.clone()),
        };
        entry.id = id.or(entry.id.take());
        Ok(is_done)
    }

    /// The router refused it. That does not prove that it did nothing.
    async fn judge(
        &self,
        operation: &Operation,
        entry: &mut Entry,
        error: Error,
        known: &[&str],
        was_lost: bool,
    ) -> Result<Option<String>, String> {
        let message = error.to_string();
        entry.error = Some(message.clone());
        entry.state = EntryState::Failed;
        if matches!(error, Error::Command(_) | Error::NotConnected { .. } | Error::Connect { .. }) {
            return Err(message);
        }
        let Ok(router) = self.read_for(&[&*entry]).await else {
            entry.state = EntryState::Sent;
            return Err(message);
        };
        match &entry.deed {
            Deed::Add { written } => {
                let written = written.clone();
                let is_already = error.class() == ErrorClass::Already;
                if let Some(row) = rows::added(entry, &router, known).filter(|_| entry.comment.is_some()) {
                    entry.id.clone_from(&row.id);
                    entry.state = EntryState::Confirmed;
                    // It is from the first time that it was sent.
                    if is_already && rows::has_written(&entry.path, &written, row) {
                        entry.error = None;
                        return Ok(entry.id.clone());
                    }
                } else if is_already && was_lost {
                    // In a menu without comments nobody else will have added the same just then.
                    let row = rows::added(entry, &router, known);
                    if let Some(row) = row.filter(|row| rows::has_written(&entry.path, &written, row)) {
                        entry.id.clone_from(&row.id);
                        entry.state = EntryState::Confirmed;
                        entry.error = None;
                        return Ok(entry.id.clone());
                    }
                } else if is_already {
                    // Somebody else was faster. When it is what is wanted, it is as if it had been there.
                    let untagged = Entry { comment: None, ..entry.clone() };
                    let theirs = rows::added(&untagged, &router, known);
                    if let Some(row) = theirs.filter(|row| rows::has_written(&entry.path, &written, row)) {
                        return Ok(row.id.clone());
                    }
                }
            }
            Deed::Set { .. } => {
                let is_changed = rows::worked_on(entry, &router).is_some_and(|row| !rows::is_as_before(entry, row));
                if is_changed {
                    entry.state = EntryState::Confirmed;
                }
            }
            Deed::Remove { .. } => {
                if rows::worked_on(entry, &router).is_none() {
                    entry.state = EntryState::Confirmed;
                    return Ok(None);
                }
            }
            Deed::Move { .. } => {}
            Deed::Run { .. } => {
                let is_done = match &operation.change {
                    Change::Run { until: Some(until), .. } => router
                        .row(&entry.path, entry.id.as_deref())
                        .and_then(|row| row.value(until))
                        .is_some_and(|value| !value.is_empty()),
                    _ => false,
                };
                if is_done {
                    entry.state = EntryState::Confirmed;
                    return Ok(entry.id.clone());
                }
            }
        }
        Err(message)
    }

    /// Reads the menus of entries.
    pub(super) async fn read_for(&self, entries: &[&Entry]) -> Result<Snapshot, SnapshotError> {
        let mut reading = Reading::default();
        for entry in entries {
            let key = |name: &str| entry.key.iter().find(|(known, _)| known == name).map(|(_, value)| value.bytes());
            let key = |name: &str| key(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
            reading.row(&entry.path, key);
            entry.key.iter().for_each(|(name, _)| reading.property(&entry.path, name));
            files::names(entry).iter().for_each(|file| reading.row("/file", |_| Some(file)));
        }
        reading.property("/certificate", "name");
        // Whether a command has run to its end shows in what a certificate has then.
        reading.property("/certificate", "fingerprint");
        self.read(&reading).await
    }

    /// Reads menus, once more when the connection is lost meanwhile.
    pub(super) async fn read(&self, reading: &Reading) -> Result<Snapshot, SnapshotError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Snapshot::read(self.port, reading).await {
                Err(SnapshotError::Router(error)) if error.class() == ErrorClass::Transient && attempt < ATTEMPTS => {
                    let given_up = |reason: String| SnapshotError::Router(Error::NotConnected { reason });
                    self.connect_again(&error).await.map_err(given_up)?;
                }
                result => return result,
            }
        }
    }

    /// Makes a new connection, with growing pauses, as long as patience lasts. When there is one already, since somebody else lost
    /// the same one, that will do.
    pub(super) async fn connect_again(&self, error: &Error) -> Result<(), String> {
        let _one = self.connecting.lock().await;
        let is_hanging = matches!(error, Error::Timeout { .. });
        let ask = Command::print("/system/identity").properties(["name"]);
        if !is_hanging && self.port.run(ask).await.is_ok() {
            return Ok(());
        }
        (self.progress)(Progress::Reconnecting { reason: error.to_string() });
        let deadline = Instant::now() + self.options.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(failure) = self.port.reconnect(None).await else { return Ok(()) };
            if failure.class() == ErrorClass::Login || Instant::now() + pause > deadline {
                return Err(format!("{error}; {failure}"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn names_comment(error: &Error) -> bool {
    match error {
        Error::Trap { traps, .. } => traps.iter().any(|trap| trap.argument() == Some("comment")),
        _ => false,
    }
}

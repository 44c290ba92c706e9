//! An operation that may cut the way to the router: it is made while the router is in safe mode, kept when a new connection can be
//! made afterwards, and taken back otherwise. When the change itself ends the connection, the router takes it back.
//!
//! Routers before RouterOS 7.18 have no safe mode on the API. There, and when the operator says that the way is to be cut, the change
//! is made only with his consent, and confirmed by connecting again.

use routeros::{Error, ErrorClass};
use tokio::time::Instant;

use super::{ApplyError, Job, Orchestrator, Outcome, command, next_sequence, resolve_row, rows};
use crate::ledger::{Deed, Entry, EntryState};
use crate::plan::{Change, Operation, Plan};
use crate::port::{release_safe_mode, take_safe_mode, unroll_safe_mode};

type Results = Vec<(usize, Result<Option<String>, String>)>;

impl Orchestrator<'_> {
    /// Carries out one operation that may cut the way.
    pub(super) async fn carry_guarded(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        number: usize,
        outcomes: &[Outcome],
        entries: &mut Vec<Entry>,
        wave: u32,
    ) -> Result<Results, ApplyError> {
        let operation = &plan.operations[number];
        if operation.cuts.is_none() {
            // It only comes so late because it needs one that may.
            return self.carry_wave(job, plan, &[number], outcomes, entries, wave).await;
        }
        let is_guarded = !self.options.allow_cut && take_safe_mode(self.port).await.unwrap_or(false);
        if !is_guarded && !self.options.allow_cut {
            let why = operation.cuts.as_deref().unwrap_or_default();
            let message = format!("left out: {why}, and the router has no safe mode to take it back by itself");
            return Ok(vec![(number, Err(message))]);
        }
        let id = resolve_row(operation, outcomes);
        let mut entry = command::entry_of(operation, next_sequence(entries), wave, id, job.fingerprints);
        self.sink.record(std::slice::from_ref(&entry)).await?;
        let result = match is_guarded {
            true => self.send_guarded(operation, &mut entry).await,
            false => self.send_with_consent(operation, &mut entry).await,
        };
        if let Err(message) = &result {
            entry.error = Some(message.clone());
        }
        self.sink.record(std::slice::from_ref(&entry)).await?;
        entries.push(entry);
        Ok(vec![(number, result)])
    }

    async fn send_guarded(&self, operation: &Operation, entry: &mut Entry) -> Result<Option<String>, String> {
        let port = new_port(operation);
        let failure = match self.send_once(operation, entry).await {
            Ok(()) => match self.port.probe(port).await {
                Ok(()) => match release_safe_mode(self.port).await {
                    Ok(()) => return self.settle(entry, port).await,
                    Err(error) => error,
                },
                Err(error) => error,
            },
            Err(error) => error,
        };
        entry.state = EntryState::Failed;
        let undone = unroll_safe_mode(self.port).await;
        if undone.is_err() {
            // The connection is gone, and the router undoes it as soon as it notices.
            self.connect_again(&failure).await?;
        }
        self.wait_until_undone(entry).await?;
        let why = operation.cuts.as_deref().unwrap_or_default();
        Err(format!("undone: {why}; afterwards no connection could be made: {failure}"))
    }

    async fn send_with_consent(&self, operation: &Operation, entry: &mut Entry) -> Result<Option<String>, String> {
        let port = new_port(operation);
        let result = self.send_once(operation, entry).await;
        if let Err(error) = result
            && error.class() != ErrorClass::Transient
        {
            entry.state = EntryState::Failed;
            return Err(error.to_string());
        }
        let deadline = Instant::now() + self.options.patience;
        let mut reached = self.port.reconnect(port).await;
        while reached.is_err() && Instant::now() < deadline {
            tokio::time::sleep(super::carry::FIRST_PAUSE).await;
            reached = self.port.reconnect(port).await;
        }
        if let Err(error) = reached {
            // The old way may still be open, and then it is taken back.
            self.port.reconnect(None).await.map_err(|_| format!("the router cannot be reached any more: {error}"))?;
            let undone = self.undo_one(entry).await;
            entry.state = if undone.is_ok() { EntryState::Undone } else { EntryState::NotUndone };
            return Err(format!("undone: afterwards no connection could be made: {error}"));
        }
        self.settle(entry, None).await
    }

    /// Sends it just once: a second time would be on another connection, outside of safe mode.
    async fn send_once(&self, operation: &Operation, entry: &mut Entry) -> Result<(), Error> {
        let missing = || Error::NotConnected { reason: "the row that it works on was not added".to_owned() };
        let command = command::command_of(operation, entry.id.as_deref(), None).ok_or_else(missing)?;
        let reply = self.port.run(command).await?;
        if matches!(entry.deed, Deed::Add { .. }) {
            entry.id = reply.ret().map(|id| id.into_owned());
        }
        Ok(())
    }

    /// It shall stay. Whether it did is read from the router, over the way that later commands take.
    async fn settle(&self, entry: &mut Entry, port: Option<u16>) -> Result<Option<String>, String> {
        if port.is_some() {
            self.port.reconnect(port).await.map_err(|error| error.to_string())?;
        }
        let router = self.read_for(&[&*entry]).await.map_err(|error| error.to_string())?;
        let is_there = match &entry.deed {
            Deed::Add { .. } => rows::added(entry, &router, &[]).is_some(),
            Deed::Set { written, .. } => {
                rows::worked_on(entry, &router).is_some_and(|row| rows::has_written(&entry.path, written, row))
            }
            Deed::Remove { .. } => rows::worked_on(entry, &router).is_none(),
            Deed::Move { .. } | Deed::Run { .. } => true,
        };
        entry.state = if is_there { EntryState::Confirmed } else { EntryState::Failed };
        match is_there {
            true => Ok(entry.id.clone()),
            false => Err("undone: the connection ended with it, and the router took it back".to_owned()),
        }
    }

    async fn wait_until_undone(&self, entry: &mut Entry) -> Result<(), String> {
        let deadline = Instant::now() + self.options.patience;
        loop {
            let router = self.read_for(&[&*entry]).await.map_err(|error| error.to_string())?;
            let is_undone = match &entry.deed {
                Deed::Add { .. } => rows::added(entry, &router, &[]).is_none(),
                Deed::Set { .. } => rows::worked_on(entry, &router).is_some_and(|row| rows::is_as_before(entry, row)),
                Deed::Remove { .. } => rows::worked_on(entry, &router).is_some(),
                Deed::Move { .. } | Deed::Run { .. } => true,
            };
            if is_undone {
                return Ok(());
            }
            if Instant::now() >= deadline {
                entry.state = EntryState::Confirmed;
                return Err("the router did not take it back".to_owned());
            }
            tokio::time::sleep(super::carry::FIRST_PAUSE).await;
        }
    }
}

fn new_port(operation: &Operation) -> Option<u16> {
    match &operation.change {
        Change::Set { values, .. } => command::port_after(&operation.path, values),
        _ => None,
    }
}

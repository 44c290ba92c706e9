//! An operation that may cut the way to the router: it is made while the router is in safe mode, kept when a new connection can be
//! made afterwards, and taken back otherwise. When the change itself ends the connection, the router takes it back.
//!
//! Routers before RouterOS 7.18 have no safe mode on the API. There, and when the operator says that the way is to be cut, the change
//! is made only with his consent, and confirmed by connecting again.

use routeros::{Error, ErrorClass};
use tokio::time::Instant;

use super::carry::{FIRST_PAUSE, NO_ROW};
use super::{
    ApplyError, Job, Orchestrator, Outcome, Refused, Results, command, next_sequence, resolve, resolve_row, rows,
};
use crate::ledger::{Deed, Entry, EntryState};
use crate::plan::{Change, Operation, Plan};
use crate::port::{release_safe_mode, take_safe_mode, unroll_safe_mode};

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
            return Ok(vec![(number, Err(Refused { message, is_left_out: true }))]);
        }
        let id = resolve_row(operation, outcomes);
        let mut entry = command::entry_of(operation, next_sequence(entries), wave, id, job.fingerprints);
        self.sink.record(std::slice::from_ref(&entry)).await?;
        let before = command::place_of(&operation.change).and_then(|row| resolve(row, outcomes));
        let sent = self.send_once(operation, &mut entry, before.as_deref()).await;
        let result = match is_guarded {
            true => self.keep_or_unroll(operation, &mut entry, sent).await,
            false => self.confirm_by_connecting(operation, &mut entry, sent).await,
        };
        if let Err(refused) = &result {
            entry.error = Some(refused.message.clone());
        }
        self.sink.record(std::slice::from_ref(&entry)).await?;
        entries.push(entry);
        Ok(vec![(number, result)])
    }

    /// In safe mode: it stays when a new connection can be made.
    async fn keep_or_unroll(
        &self,
        operation: &Operation,
        entry: &mut Entry,
        sent: Result<(), Error>,
    ) -> Result<Option<String>, Refused> {
        let port = new_port(operation);
        let failure = match sent {
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
            self.connect_again(&failure).await.map_err(Refused::by_router)?;
        }
        self.wait_until_undone(entry).await.map_err(Refused::by_router)?;
        if failure.class() != ErrorClass::Transient && failure.class() != ErrorClass::Login {
            return Err(Refused::by_router(failure.to_string()));
        }
        let why = operation.cuts.as_deref().unwrap_or_default();
        let message = format!("undone: {why}; afterwards no connection could be made: {failure}");
        Err(Refused { message, is_left_out: true })
    }

    /// With consent: it stays when the router can be reached again, also when the connection ended with it.
    async fn confirm_by_connecting(
        &self,
        operation: &Operation,
        entry: &mut Entry,
        sent: Result<(), Error>,
    ) -> Result<Option<String>, Refused> {
        let port = new_port(operation);
        if let Err(error) = sent
            && error.class() != ErrorClass::Transient
        {
            entry.state = EntryState::Failed;
            return Err(Refused::by_router(error.to_string()));
        }
        let deadline = Instant::now() + self.options.patience;
        let mut reached = self.port.reconnect(port).await;
        while reached.is_err() && Instant::now() < deadline {
            tokio::time::sleep(FIRST_PAUSE).await;
            reached = self.port.reconnect(port).await;
        }
        if let Err(error) = reached {
            // The old way may still be open, and then it is taken back.
            let lost = |_| Refused::by_router(format!("the router cannot be reached any more: {error}"));
            self.port.reconnect(None).await.map_err(lost)?;
            let undone = self.undo_one(entry).await;
            entry.state = if undone.is_ok() { EntryState::Undone } else { EntryState::NotUndone };
            let message = format!("undone: afterwards no connection could be made: {error}");
            return Err(Refused { message, is_left_out: true });
        }
        self.settle(entry, None).await
    }

    /// Sends it just once: a second time would be on another connection, outside of safe mode.
    async fn send_once(&self, operation: &Operation, entry: &mut Entry, before: Option<&str>) -> Result<(), Error> {
        let missing = || Error::NotConnected { reason: NO_ROW.to_owned() };
        let command = command::command_of(operation, entry.id.as_deref(), before).ok_or_else(missing)?;
        let reply = self.port.run(command).await?;
        if matches!(entry.deed, Deed::Add { .. }) {
            entry.id = reply.ret().map(|id| id.into_owned());
        }
        Ok(())
    }

    /// It shall stay. Whether it did is read from the router, over the way that later commands take.
    async fn settle(&self, entry: &mut Entry, port: Option<u16>) -> Result<Option<String>, Refused> {
        if port.is_some() {
            self.port.reconnect(port).await.map_err(|error| Refused::by_router(error.to_string()))?;
        }
        let router = self.read_for(&[&*entry]).await.map_err(|error| Refused::by_router(error.to_string()))?;
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
            false => {
                let message = "undone: the connection ended with it, and the router took it back".to_owned();
                Err(Refused { message, is_left_out: true })
            }
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
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }
}

fn new_port(operation: &Operation) -> Option<u16> {
    match &operation.change {
        Change::Set { values, .. } => command::port_after(&operation.path, values),
        _ => None,
    }
}

//! Carries plans out: what is independent in flight together, each change in the ledger before and after it is sent, and all of it
//! taken back when something that matters fails.
//!
//! [`Orchestrator::plan`] only reads. [`Orchestrator::apply`] finds out first what of an interrupted attempt is on the router, plans the
//! rest, and carries it out wave by wave: a wave is what needs nothing that is not done yet, of the earliest phase that has any.
//! [`Orchestrator::roll_back`] undoes entries of the ledger, last first. `carry` is one operation with all that may go wrong, `guard`
//! one that may cut the way to the router.
//!
//! Not here: who may apply what when ([`crate::session`]), and what is to be done ([`crate::plan`]).

mod carry;
mod command;
mod files;
mod guard;
mod progress;
mod reconcile;
mod rollback;
mod rows;

use std::time::Duration;

use data_encoding::HEXLOWER;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Entry, EntryState, Fingerprints, Held, Holding, Kept, LedgerSink, SinkError, Written, fold};
use crate::management::{self, Management};
use crate::phase::Phase;
use crate::plan::{Change, Note, Operation, Plan, PlanError, RowRef, Stage, Wanted, make};
use crate::port::Reach;
use crate::snapshot::{Reading, Snapshot, SnapshotError};
use crate::step::{Action, Step};
use crate::tag;

pub use progress::{OperationState, Progress};
pub use rollback::{RollbackError, RollbackResult};

/// How plans are carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Commands that may be in flight together.
    pub in_flight: usize,
    /// How long the router may be away, for instance to restart, before an attempt is given up.
    pub patience: Duration,
    /// Rows of others that are in the way are changed instead of being obstacles.
    pub take_over: bool,
    /// Changes that may cut the way to the router are made although nothing would take them back, and the service by which it is
    /// reached is closed or moved.
    pub allow_cut: bool,
}

/// What is applied.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// What should be there.
    pub steps: &'a [Step],
    /// What of ours was there before this session.
    pub base: &'a [Holding],
    /// The session whose tag new rows carry.
    pub session: &'a str,
    /// Tells secrets apart.
    pub fingerprints: &'a Fingerprints,
    /// How the router is reached.
    pub management: &'a Management,
}

/// Carries plans out on one router.
pub struct Orchestrator<'a> {
    port: &'a dyn Reach,
    sink: &'a dyn LedgerSink,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
    cancel: &'a CancellationToken,
    options: Options,
    /// Files that commands wrote.
    fetched: parking_lot::Mutex<Vec<Generated>>,
    /// Of several commands that lost the connection only one makes a new one.
    connecting: Mutex<()>,
}

/// What came of an attempt to apply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Commands that changed something.
    pub changes: usize,
    /// What did not matter, or was left out.
    pub warnings: Vec<Note>,
    /// What the router made itself.
    pub generated: Vec<Generated>,
    /// What of ours is on the router now.
    pub holdings: Vec<Holding>,
}

/// A value that the router made itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Generated {
    /// The step that asked for it.
    pub step: String,
    /// The resource of the document.
    pub resource: String,
    /// The property.
    pub name: String,
    /// Its value.
    pub value: Kept,
}

impl Generated {
    /// The value as it may be shown.
    #[must_use]
    pub fn masked(&self) -> Generated {
        let mut masked = self.clone();
        masked.value.mask();
        masked
    }
}

/// Why nothing, or not all, was applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// The steps contradict each other.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The router cannot be read.
    #[error(transparent)]
    Router(#[from] SnapshotError),
    /// The router cannot have what is wanted. Nothing was sent.
    #[error("the router does not permit it: {}", show(.0))]
    Blocked(Vec<Note>),
    /// A step that matters failed.
    #[error("phase {phase} failed: step {step}: {message}")]
    Step {
        /// Which.
        step: String,
        /// Its resource.
        resource: String,
        /// In which phase.
        phase: Phase,
        /// Why.
        message: String,
    },
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] SinkError),
    /// Somebody wanted it to stop.
    #[error("cancelled")]
    Cancelled,
}

fn show(notes: &[Note]) -> String {
    notes.iter().map(|note| format!("{}: {}", note.step, note.message)).collect::<Vec<_>>().join("; ")
}

/// What an operation gave: the id of a row that it added, or why it did nothing.
type Results = Vec<(usize, Result<Option<String>, Refused>)>;

/// Why an operation did nothing.
struct Refused {
    message: String,
    /// It was left out, so that the way to the router stays open: no failure of the router's.
    is_left_out: bool,
}

/// What came of an operation.
enum Outcome {
    /// Not yet.
    Pending,
    /// Done, or nothing to do; with the id of the row that was added.
    Settled(Option<String>),
}

impl Default for Options {
    fn default() -> Options {
        Options { in_flight: 16, patience: Duration::from_secs(120), take_over: false, allow_cut: false }
    }
}

impl<'a> Orchestrator<'a> {
    /// `progress` is called in between and must not take long.
    pub fn new(
        port: &'a dyn Reach,
        sink: &'a dyn LedgerSink,
        progress: &'a (dyn Fn(Progress) + Send + Sync),
        cancel: &'a CancellationToken,
        options: Options,
    ) -> Orchestrator<'a> {
        Orchestrator {
            port,
            sink,
            progress,
            cancel,
            options,
            fetched: parking_lot::Mutex::default(),
            connecting: Mutex::new(()),
        }
    }

    /// What has to be done. Only reads.
    ///
    /// # Errors
    /// When the router cannot be read, or the steps contradict each other.
    pub async fn plan(&self, job: &Job<'_>, holdings: &[Holding]) -> Result<Plan, ApplyError> {
        Ok(self.read_and_plan(job, holdings).await?.1)
    }

    /// Tells plans apart: what was reviewed can be compared with what would be done now. Secrets count, too, by their fingerprints.
    pub fn fingerprint_of(plan: &Plan, fingerprints: &Fingerprints) -> String {
        let mut hash = Sha256::new();
        for (number, operation) in plan.changes() {
            let row = command::row_of(&operation.change);
            let mut entry = command::entry_of(operation, number as u64, 0, None, fingerprints).masked();
            // Under which session's tag it is made does not matter: who reviewed it had no session yet.
            entry.comment = entry.comment.as_deref().and_then(tag::label_of).map(str::to_owned);
            // Entries are plain data.
            hash.update(serde_json::to_vec(&entry).unwrap_or_default());
            hash.update(format!("{row:?} {:?}", command::place_of(&operation.change)));
        }
        HEXLOWER.encode(&hash.finalize())
    }

    /// Carries out what has to be done, and adds to the ledger what is done. `entries` are those of an attempt that was interrupted.
    ///
    /// # Errors
    /// When a step that matters fails. What was done until then is in the ledger and on the router.
    pub async fn apply(&self, job: &Job<'_>, entries: &mut Vec<Entry>) -> Result<Applied, ApplyError> {
        self.reconcile(entries).await?;
        let holdings = fold(job.base, entries);
        let (_, plan) = self.read_and_plan(job, &holdings).await?;
        let obstacles: Vec<Note> = plan.obstacles().collect();
        if !obstacles.is_empty() {
            return Err(ApplyError::Blocked(obstacles));
        }
        let mut applied = Applied { warnings: plan.notes.clone(), ..Applied::default() };
        self.carry_out(job, &plan, entries, &mut applied).await?;
        let mut holdings = fold(job.base, entries);
        let (router, after) = self.read_and_plan(job, &holdings).await?;
        let is_known = |operation: &Operation| applied.warnings.iter().any(|note| note.step == operation.step);
        let left: Vec<Note> = after
            .changes()
            .filter(|(_, operation)| !is_known(operation))
            .map(|(_, operation)| Note {
                step: operation.step.clone(),
                message: format!("not as wanted afterwards: {}", operation.shown().to_string().trim()),
            })
            .collect();
        applied.warnings.extend(left);
        applied.generated = generated(job.steps, &after, &router);
        applied.generated.append(&mut self.fetched.lock());
        drop_numbers(&mut holdings, &after.gone);
        applied.holdings = holdings;
        Ok(applied)
    }

    async fn read_and_plan(&self, job: &Job<'_>, holdings: &[Holding]) -> Result<(Snapshot, Plan), ApplyError> {
        let router = self.read(&reading_for(job.steps, holdings)).await?;
        let wanted = Wanted {
            steps: job.steps,
            holdings,
            session: job.session,
            fingerprints: job.fingerprints,
            management: job.management,
            take_over: self.options.take_over,
            allow_cut: self.options.allow_cut,
        };
        let plan = make(&wanted, &router)?;
        Ok((router, plan))
    }

    async fn carry_out(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        entries: &mut Vec<Entry>,
        applied: &mut Applied,
    ) -> Result<(), ApplyError> {
        let total = plan.changes().count();
        (self.progress)(Progress::Planned { total });
        let mut outcomes: Vec<Outcome> = plan.operations.iter().map(settled_already).collect();
        let mut wave = entries.iter().map(|entry| entry.wave).max().map_or(0, |wave| wave + 1);
        let mut turn = None;
        let mut done = 0;
        loop {
            if self.cancel.is_cancelled() {
                return Err(ApplyError::Cancelled);
            }
            let next = next_wave(plan, &outcomes, self.options.in_flight);
            let Some(first) = next.first().map(|number| &plan.operations[*number]) else { break };
            if turn.replace((first.stage, first.turn)) != Some((first.stage, first.turn)) {
                (self.progress)(Progress::Phase { phase: first.turn, number: first.turn.number() });
            }
            let results = match first.stage {
                Stage::Cutting => self.carry_guarded(job, plan, next[0], &outcomes, entries, wave).await?,
                Stage::Wanted | Stage::Obsolete => self.carry_wave(job, plan, &next, &outcomes, entries, wave).await?,
            };
            wave += 1;
            let mut failure = None;
            for (number, result) in results {
                let operation = &plan.operations[number];
                done += 1;
                let state = match &result {
                    Ok(_) => OperationState::Done,
                    Err(refused) if operation.critical && !refused.is_left_out => OperationState::Failed,
                    Err(_) => OperationState::Warning,
                };
                let message = result.as_ref().err().map(|refused| refused.message.clone());
                (self.progress)(Progress::operation(operation, state, message, done, total));
                applied.changes += usize::from(result.is_ok());
                outcomes[number] = Outcome::Settled(result.as_ref().ok().cloned().flatten());
                match result {
                    Ok(_) => {}
                    Err(refused) if operation.critical && !refused.is_left_out => {
                        failure.get_or_insert(failed(operation, refused.message));
                    }
                    Err(refused) => {
                        applied.warnings.push(Note { step: operation.step.clone(), message: refused.message });
                    }
                }
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
        let waiting = outcomes.iter().position(|outcome| matches!(outcome, Outcome::Pending));
        match waiting.map(|number| &plan.operations[number]) {
            Some(operation) => Err(failed(operation, "it waits for something that is never done".to_owned())),
            None => Ok(()),
        }
    }

    /// Sends independent operations together. The ledger has them before the router, and what came of them before anything else.
    async fn carry_wave(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        numbers: &[usize],
        outcomes: &[Outcome],
        entries: &mut Vec<Entry>,
        wave: u32,
    ) -> Result<Results, ApplyError> {
        let start = entries.len();
        for number in numbers {
            let operation = &plan.operations[*number];
            let id = resolve_row(operation, outcomes);
            let sequence = next_sequence(entries);
            entries.push(command::entry_of(operation, sequence, wave, id, job.fingerprints));
        }
        self.sink.record(&entries[start..]).await?;
        let (earlier, now) = entries.split_at_mut(start);
        let earlier = &*earlier;
        let sent = numbers.iter().zip(now.iter_mut()).map(|(number, entry)| {
            let operation = &plan.operations[*number];
            let before = command::place_of(&operation.change).and_then(|row| resolve(row, outcomes));
            // Ids count by menu.
            let same_menu = earlier.iter().filter(|other| other.path == entry.path);
            let known: Vec<&str> = same_menu.filter_map(|other| other.id.as_deref()).collect();
            async move { self.carry(operation, entry, before, &known).await }
        });
        let results = join_all(sent).await;
        self.sink.record(&entries[start..]).await?;
        let results = results.into_iter().map(|result| result.map_err(Refused::by_router));
        Ok(numbers.iter().copied().zip(results).collect())
    }
}

impl Refused {
    fn by_router(message: String) -> Refused {
        Refused { message, is_left_out: false }
    }
}

fn settled_already(operation: &Operation) -> Outcome {
    match &operation.change {
        Change::Keep { row: RowRef::Id(id), .. } => Outcome::Settled(Some(id.clone())),
        _ if operation.is_change() => Outcome::Pending,
        _ => Outcome::Settled(None),
    }
}

/// The operations that need nothing that is not done, of the first part of the plan that has any.
fn next_wave(plan: &Plan, outcomes: &[Outcome], most: usize) -> Vec<usize> {
    let is_settled = |number: &usize| matches!(outcomes[*number], Outcome::Settled(_));
    let ready = |number: &usize| {
        matches!(outcomes[*number], Outcome::Pending) && plan.operations[*number].needs.iter().all(is_settled)
    };
    let ready: Vec<usize> = (0..outcomes.len()).filter(ready).collect();
    let part = |number: usize| (plan.operations[number].stage, plan.operations[number].turn);
    let Some(first) = ready.iter().map(|number| part(*number)).min() else { return Vec::new() };
    ready.into_iter().filter(|number| part(*number) == first).take(most.max(1)).collect()
}

fn resolve(row: &RowRef, outcomes: &[Outcome]) -> Option<String> {
    match row {
        RowRef::Settings => None,
        RowRef::Id(id) => Some(id.clone()),
        RowRef::Of(operation) => match outcomes.get(*operation) {
            Some(Outcome::Settled(id)) => id.clone(),
            Some(Outcome::Pending) | None => None,
        },
    }
}

fn resolve_row(operation: &Operation, outcomes: &[Outcome]) -> Option<String> {
    match &operation.change {
        Change::Remove { id, .. } => Some(id.clone()),
        change => command::row_of(change).and_then(|row| resolve(row, outcomes)),
    }
}

fn next_sequence(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.sequence).max().unwrap_or(0) + 1
}

fn failed(operation: &Operation, message: String) -> ApplyError {
    let (step, resource) = (operation.step.clone(), operation.resource.clone());
    ApplyError::Step { step, resource, phase: operation.phase, message }
}

/// What must be read to compare a router with steps.
fn reading_for(steps: &[Step], holdings: &[Holding]) -> Reading {
    let mut reading = Reading::default();
    management::MENUS.into_iter().for_each(|path| reading.menu(path));
    management::ALSO.into_iter().for_each(|(path, name)| reading.property(path, name));
    for step in steps {
        // Commands such as `/system/reboot` are in menus without rows.
        if matches!(step.action, Action::Run { .. }) && step.target.is_empty() {
            continue;
        }
        let target = |name: &str| step.target.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        reading.row(&step.path, |name| step.text(name).or_else(|| target(name)));
        step.target.iter().for_each(|(name, _)| reading.property(&step.path, name));
        let properties = step.read_back.iter().filter(|name| !name.starts_with("file:"));
        properties.for_each(|name| reading.property(&step.path, name));
        if let Action::Run { until: Some(until), .. } = &step.action {
            reading.property(&step.path, until);
        }
    }
    for holding in holdings {
        if let Held::Ran { .. } = holding.held {
            // What was imported goes when it is not wanted any longer.
            if holding.imported().is_some() {
                reading.menu(&holding.path);
            }
            continue;
        }
        reading.row(&holding.path, |name| holding.written.get(name).map(Written::shown));
        holding.key.iter().for_each(|(name, _)| reading.property(&holding.path, name));
    }
    reading
}

/// What the router made itself, of the rows of the steps that ask for it.
fn generated(steps: &[Step], plan: &Plan, router: &Snapshot) -> Vec<Generated> {
    let mut all = Vec::new();
    for step in steps.iter().filter(|step| !step.read_back.is_empty()) {
        let operation = plan.operations.iter().find(|operation| operation.step == step.id);
        let row = match operation.and_then(|operation| command::row_of(&operation.change)) {
            Some(RowRef::Id(id)) => router.row(&step.path, Some(id)),
            Some(RowRef::Settings) => router.row(&step.path, None),
            Some(RowRef::Of(_)) | None => None,
        };
        for name in &step.read_back {
            let Some(value) = row.and_then(|row| row.value(name)).filter(|value| !value.is_empty()) else { continue };
            // Files are keys and configurations with keys.
            let is_secret = step.path == "/file" || crate::snapshot::is_secret(&step.path, name);
            let value = Kept::new(value, is_secret);
            all.push(Generated { step: step.id.clone(), resource: step.resource.clone(), name: name.clone(), value });
        }
    }
    all
}

fn drop_numbers(holdings: &mut Vec<Holding>, gone: &[usize]) {
    let mut number = 0;
    holdings.retain(|_| {
        number += 1;
        !gone.contains(&(number - 1))
    });
}

/// Whether an entry may have been carried out.
fn is_open(entry: &Entry) -> bool {
    entry.state == EntryState::Sent
}

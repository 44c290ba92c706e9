//! One cycle: a set of provisions run until what they declare is satisfied.
//!
//! All scripts advance together: each runs to its next commit, then everything declared is satisfied, reads before writes, then
//! they run on. Nested levels hold virtual parameters' scripts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::planner::{self, Ledger, Purpose, Situation, Sources, Step, VirtualParameterSet};
use crate::rpc::AcsRequest;
use crate::script::{ExtensionCall, Outcome, ScriptFault, ScriptRun};

use super::commands::Prepared;
use super::configuration::Configuration;
use super::level::{Level, LevelPurpose, SetDemand, Source, SourceState, WriteNote, explain};
use super::{Output, Outstanding, Session, State};

/// How many extension calls a cycle may make.
const MAX_EXTENSION_CALLS: u32 = 255;

/// Why a cycle runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CycleKind {
    /// A queued task.
    Task {
        /// The task's id.
        id: String,
    },
    /// The parameters that preconditions and arguments mention are fetched.
    Preconditions,
    /// The provisions of all matching presets.
    Presets,
    /// A faulted channel is tried again, alone.
    Retry {
        /// Which.
        channel: String,
    },
}

/// A set of provisions on its way to being satisfied.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cycle {
    pub(super) kind: CycleKind,
    /// The provisions, then nested levels of virtual parameters.
    pub(super) levels: Vec<Level>,
    pub(super) ledger: Ledger,
    /// How often scripts were let past a commit.
    pub(super) rounds: u32,
    /// How many answers the device has given.
    pub(super) answers: u32,
    /// In how many requests each source of the lowest level took part.
    #[serde(default)]
    pub(super) requests_of: BTreeMap<u32, u32>,
    /// How many more answers are allowed, since the busiest channels have been faulted for the limit.
    #[serde(default)]
    pub(super) allowance: u32,
    pub(super) extension_calls: u32,
    /// The tree's change count at the start.
    pub(super) changes_before: u64,
    /// What was written, for explaining endless loops: path, value and origin.
    pub(super) writes: Vec<WriteNote>,
    /// Everyone's channels, dropped sources included: those that took part.
    pub(super) channels: BTreeSet<String>,
    /// Channels that have faulted in this cycle.
    pub(super) faulted: BTreeSet<String>,
}

impl Cycle {
    pub(super) fn new(kind: CycleKind, sources: Vec<Source>, changes_before: u64) -> Cycle {
        let channels = sources.iter().flat_map(|source| source.channels.iter().cloned()).collect();
        Cycle {
            kind,
            levels: vec![Level { sources, purpose: LevelPurpose::Provisions }],
            ledger: Ledger::default(),
            rounds: 1,
            answers: 0,
            requests_of: BTreeMap::new(),
            allowance: 0,
            extension_calls: 0,
            changes_before,
            writes: Vec::new(),
            channels,
            faulted: BTreeSet::new(),
        }
    }

    /// All sources of the lowest level.
    pub(super) fn all_sources(&self) -> Sources {
        (0..self.levels.first().map_or(0, |level| level.sources.len()) as u32).collect()
    }

    /// The sources of the lowest level behind sources of the uppermost.
    pub(super) fn lowest_sources(&self, sources: &Sources) -> Sources {
        let mut sources = sources.clone();
        for level in self.levels.iter().skip(1).rev() {
            sources = sources
                .iter()
                .filter_map(|&index| level.sources.get(index as usize))
                .flat_map(|source| source.demanders.iter().copied())
                .collect();
        }
        sources
    }

    /// The task whose cycle it is.
    pub(super) fn task(&self) -> Option<&str> {
        match &self.kind {
            CycleKind::Task { id } => Some(id),
            CycleKind::Retry { channel } => channel.strip_prefix("task_"),
            CycleKind::Preconditions | CycleKind::Presets => None,
        }
    }

    /// The sources of the lowest level that a request is sent for.
    pub(super) fn sources_of(&self, purpose: &Purpose) -> Sources {
        let sources = match purpose {
            Purpose::Read { sources } => sources.clone(),
            Purpose::SetValues(sets) | Purpose::CreationSet(sets) => sets.iter().map(|set| set.source).collect(),
            Purpose::SetAttributes(wishes) => wishes.iter().map(|wish| wish.source).collect(),
            Purpose::Change(change) => Sources::from([change.source()]),
            Purpose::Command { sources, .. } => sources.clone(),
            Purpose::Direct { source } => Sources::from([*source]),
            Purpose::Methods => Sources::new(),
            Purpose::CreationRead | Purpose::CreationUndo => {
                self.ledger.creation.iter().map(|creation| creation.source).collect()
            }
        };
        self.lowest_sources(&sources)
    }

    /// The sources that still take part and for which most requests were sent; all of them when there were none.
    fn busiest_sources(&self) -> Sources {
        let all = self.all_sources();
        let Some(level) = self.levels.first() else { return all };
        let takes_part =
            |index: &u32| level.sources.get(*index as usize).is_some_and(|source| source.state != SourceState::Dropped);
        let most = self.requests_of.iter().filter(|(index, _)| takes_part(index)).map(|(_, count)| *count).max();
        let Some(most) = most else { return all };
        let is_busiest = |index: &u32| takes_part(index) && self.requests_of.get(index) == Some(&most);
        all.into_iter().filter(is_busiest).collect()
    }

    pub(super) fn note_write(&mut self, path: &str, value: String, origin: &str, source: u32) {
        const MOST_NOTES: usize = 100;
        let source = self.lowest_sources(&Sources::from([source])).into_iter().next().unwrap_or(source);
        if self.writes.len() < MOST_NOTES {
            self.writes.push(WriteNote { path: path.to_owned(), value, origin: origin.to_owned(), source });
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is not stored")]
enum Progress {
    /// Something changed; look again.
    Again,
    /// Send a request.
    Send(AcsRequest, Purpose),
    /// Wait for extensions.
    Extensions(Vec<ExtensionCall>),
    /// The cycle is over.
    Done,
}

impl Session {
    /// Goes on until the device or an extension is needed, or nothing is left to do.
    pub(super) fn advance(&mut self, configuration: &dyn Configuration) -> Output {
        loop {
            if self.cycle.is_none() && !self.begin_cycle(configuration) {
                return self.finish();
            }
            match self.progress(configuration) {
                Progress::Again => {}
                Progress::Send(request, purpose) => return self.send(request, purpose),
                Progress::Extensions(calls) => {
                    self.state = State::Waiting;
                    return Output::Extensions(self.with_address(calls));
                }
                Progress::Done => self.end_cycle(configuration),
            }
        }
    }

    fn send(&mut self, mut request: AcsRequest, purpose: Purpose) -> Output {
        let answers = self.cycle.as_ref().map_or(0, |cycle| cycle.answers);
        let id = format!("{:x}{:02x}{answers:02x}", self.facts.timestamp, self.cycles & 0xff);
        self.give_command_key(&mut request, &id);
        if let Some(key) = request.parameter_key_mut() {
            key.clone_from(&id);
        }
        self.record_request(&request);
        self.outstanding = Some(Outstanding { id: id.clone(), request: request.clone(), purpose });
        Output::Request { id, request }
    }

    fn progress(&mut self, configuration: &dyn Configuration) -> Progress {
        let Some(cycle) = &self.cycle else { return Progress::Done };
        if cycle.levels[0].sources.iter().all(|source| source.state == SourceState::Dropped) {
            return Progress::Done;
        }
        if self.run_ready_scripts(configuration) {
            return Progress::Again;
        }
        if let Some(progress) = self.wanted_extensions(configuration) {
            return progress;
        }
        if let Some((request, purpose)) = self.next_direct() {
            return self.prepared_request(request, purpose, configuration);
        }
        let Some(cycle) = &self.cycle else { return Progress::Done };
        let Some(level) = cycle.levels.last() else { return Progress::Done };
        let declarations = level.effective();
        let step = planner::next_step(Situation {
            tree: &self.tree,
            declarations: &declarations,
            settings: &self.settings,
            ledger: &cycle.ledger,
            virtual_parameters: configuration.virtual_parameters(),
            timestamp: self.facts.timestamp,
        });
        drop(declarations);
        match step {
            Step::Request(AcsRequest::SetParameterValues { parameter_list, .. }, Purpose::CreationSet(_))
                if parameter_list.is_empty() =>
            {
                self.finish_creation();
                Progress::Again
            }
            Step::Request(request, purpose) => self.prepared_request(request, purpose, configuration),
            Step::Queue(changes) => {
                self.queue_changes(changes);
                Progress::Again
            }
            Step::Local(changes) => {
                self.apply_local(changes);
                Progress::Again
            }
            Step::GetVirtualParameters(demands) => {
                self.begin_virtual_gets(demands, configuration);
                Progress::Again
            }
            Step::SetVirtualParameters(sets) => {
                self.begin_virtual_sets(sets, configuration);
                Progress::Again
            }
            Step::Satisfied => self.satisfied(configuration),
        }
    }

    fn prepared_request(
        &mut self,
        request: AcsRequest,
        purpose: Purpose,
        configuration: &dyn Configuration,
    ) -> Progress {
        match self.prepare(request, purpose, configuration) {
            Prepared::Send(request, purpose) => self.checked_request(request, purpose, configuration),
            Prepared::Refused => Progress::Again,
        }
    }

    /// Limits the number of requests per cycle. Those for whom most of them were sent fault, and the others go on.
    fn checked_request(
        &mut self,
        request: AcsRequest,
        purpose: Purpose,
        configuration: &dyn Configuration,
    ) -> Progress {
        let most = self.settings.max_rpc_count;
        let Some(cycle) = &mut self.cycle else { return Progress::Done };
        if cycle.answers < most.saturating_add(cycle.allowance) {
            for source in cycle.sources_of(&purpose) {
                *cycle.requests_of.entry(source).or_default() += 1;
            }
            return Progress::Send(request, purpose);
        }
        cycle.allowance = cycle.answers;
        let fault = Fault {
            code: "too_many_rpcs".to_owned(),
            message: format!(
                "Too many RPC requests: {most} in one cycle, and a {} would be next (cwmp.maxRpcCount)",
                request.name()
            ),
            detail: Some(serde_json::json!({ "writes": explain(&cycle.writes) })),
        };
        let guilty = cycle.busiest_sources();
        self.fault_sources(&guilty, fault, configuration);
        Progress::Again
    }

    /// All that may be done is done: scripts at commits go on, or the level is over.
    fn satisfied(&mut self, configuration: &dyn Configuration) -> Progress {
        let Some(cycle) = &mut self.cycle else { return Progress::Done };
        let Some(level) = cycle.levels.last_mut() else { return Progress::Done };
        let suspended = |source: &&Source| source.state == SourceState::Suspended;
        let Some(barrier) = level.sources.iter().filter(suspended).map(|source| source.weight).max() else {
            if cycle.levels.len() == 1 {
                return Progress::Done;
            }
            self.end_virtual_level(configuration);
            return Progress::Again;
        };
        cycle.rounds += 1;
        if cycle.rounds > self.settings.max_commit_iterations {
            self.fault_endless_commits(configuration);
            return Progress::Again;
        }
        for source in &mut level.sources {
            let may_go_on = source.weight == barrier || source.wants_nothing();
            if source.state == SourceState::Suspended && may_go_on {
                let wanted = source.declarations.drain(..).filter(|declaration| !declaration.wanted.is_empty());
                source.satisfied.extend(wanted);
                source.memory.advance();
                source.state = SourceState::Ready;
            }
        }
        Progress::Again
    }

    fn fault_endless_commits(&mut self, configuration: &dyn Configuration) {
        let Some(cycle) = &self.cycle else { return };
        let Some(level) = cycle.levels.last() else { return };
        let guilty: Sources =
            (0u32..).zip(&level.sources).filter(|(_, source)| source.is_unfinished()).map(|(index, _)| index).collect();
        let waiting: Vec<String> = guilty
            .iter()
            .flat_map(|&index| &level.sources[index as usize].declarations)
            .map(|declaration| format!("{} ({})", declaration.path, declaration.origin))
            .take(20)
            .collect();
        let names: Vec<&str> = guilty.iter().map(|&index| &*level.sources[index as usize].name).collect();
        let most = self.settings.max_commit_iterations;
        let fault = Fault {
            code: "too_many_commits".to_owned(),
            message: format!(
                "Too many commit iterations: {most} in one cycle (cwmp.maxCommitIterations); still declaring: {}",
                if waiting.is_empty() { names.join(", ") } else { waiting.join("; ") }
            ),
            detail: Some(serde_json::json!({ "waiting": waiting, "writes": explain(&cycle.writes) })),
        };
        let guilty = cycle.lowest_sources(&guilty);
        self.fault_sources(&guilty, fault, configuration);
    }

    /// Runs every script of the uppermost level that can go on. Returns whether there was one.
    fn run_ready_scripts(&mut self, configuration: &dyn Configuration) -> bool {
        let Some(level) = self.cycle.as_mut().and_then(|cycle| cycle.levels.last_mut()) else { return false };
        let mut failures: Vec<(u32, ScriptFault)> = Vec::new();
        let mut clears = Vec::new();
        let mut logs = Vec::new();
        let mut any = false;
        for (index, source) in (0u32..).zip(&mut level.sources) {
            if source.state != SourceState::Ready {
                continue;
            }
            any = true;
            let run = ScriptRun::new(
                source.name.clone(),
                source.presets.clone(),
                source.arguments.clone(),
                self.facts.clone(),
                self.tree.clone(),
                std::mem::take(&mut source.memory),
            );
            let (run, outcome) = configuration.run(source.kind, &source.name, run);
            let record = run.into_record();
            source.memory = record.memory;
            source.declarations = record.declarations;
            source.requests = record.requests.into();
            clears.extend(record.clears);
            logs.extend(record.logs);
            source.state = match outcome {
                // Names that nobody knows are ignored, as the incumbent does.
                None => SourceState::Finished(Json::Null),
                Some(Outcome::Finished(value)) => SourceState::Finished(value),
                Some(Outcome::Suspended) => SourceState::Suspended,
                Some(Outcome::WaitingForExtension) => SourceState::WaitingForExtension(record.extensions),
                Some(Outcome::Failed(fault)) => {
                    failures.push((index, fault));
                    SourceState::Dropped
                }
            };
        }
        self.log_scripts(logs);
        for clear in clears {
            self.tree_mut().clear(&clear.path, clear.timestamp, clear.attributes);
        }
        for (index, fault) in failures {
            self.fault_script(index, fault, configuration);
        }
        any
    }

    fn wanted_extensions(&mut self, configuration: &dyn Configuration) -> Option<Progress> {
        if self.answer_known_documents() {
            return Some(Progress::Again);
        }
        let cycle = self.cycle.as_mut()?;
        let mut calls: Vec<ExtensionCall> = Vec::new();
        let mut waiting = Sources::new();
        for (index, source) in (0u32..).zip(&cycle.levels.last()?.sources) {
            if let SourceState::WaitingForExtension(wanted) = &source.state {
                waiting.insert(index);
                for call in wanted {
                    if !calls.contains(call) {
                        calls.push(call.clone());
                    }
                }
            }
        }
        if calls.is_empty() {
            return None;
        }
        cycle.extension_calls += calls.len() as u32;
        if cycle.extension_calls > MAX_EXTENSION_CALLS {
            let guilty = cycle.lowest_sources(&waiting);
            let message = format!("More than {MAX_EXTENSION_CALLS} extension calls in one cycle");
            self.fault_sources(&guilty, Fault::new("ext", message), configuration);
            return Some(Progress::Again);
        }
        Some(Progress::Extensions(calls))
    }

    pub(super) fn take_extension_results(&mut self, results: Vec<(ExtensionCall, Result<Json, ScriptFault>)>) {
        self.note_documents(&results);
        let Some(level) = self.cycle.as_mut().and_then(|cycle| cycle.levels.last_mut()) else { return };
        for source in &mut level.sources {
            let SourceState::WaitingForExtension(wanted) = &source.state else { continue };
            for call in wanted {
                let result = results.iter().find(|(known, _)| known == call).map(|(_, result)| result.clone());
                let result = result.unwrap_or_else(|| {
                    let message = "The extension gave no answer".to_owned();
                    Err(ScriptFault { code: "ext".to_owned(), message, detail: None })
                });
                source.memory.set_extension_result(call.arguments.clone(), result);
            }
            source.state = SourceState::Ready;
        }
    }

    pub(super) fn set_demands(sets: Vec<VirtualParameterSet>) -> Vec<SetDemand> {
        sets.into_iter().map(|set| SetDemand { name: set.name, value: set.value, origin: set.origin }).collect()
    }
}

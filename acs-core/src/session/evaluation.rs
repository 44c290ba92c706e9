//! What runs next: due tasks one by one, then the presets, until nothing changes any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::change::TaskChange;
use crate::declaration::{Declaration, Freshness, Origin, Wanted};
use crate::expression::{Context, Scalar};
use crate::fault::{Fault, ProvisionCall};
use crate::path::Path;
use crate::planner::{Refusal, Sources};
use crate::script::SessionFacts;
use crate::task::TaskState;
use crate::tree::DeviceTree;

use super::configuration::{Configuration, PresetFacts, SelectedPreset};
use super::cycle::{Cycle, CycleKind};
use super::faults::{fingerprint, merge_calls};
use super::level::{Source, explain};
use super::settings::Settings;
use super::{Session, event};

/// How often presets are evaluated in a session before changing data again is taken for an endless loop.
const MAX_EVALUATIONS: u32 = 4;
/// How many cycles a session may have.
const MAX_CYCLES: u32 = 255;

/// Where the evaluation of presets stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Evaluation {
    /// The channel that is tried again, alone; `None`: all that are healthy.
    channel: Option<String>,
    /// Whether what preconditions mention has been fetched.
    fetched: bool,
    /// Whether a normal evaluation has changed nothing.
    settled: bool,
}

/// A device's tree as expressions see it.
pub struct TreeContext<'a> {
    /// What is known.
    pub tree: &'a DeviceTree,
    /// The session's time.
    pub facts: &'a SessionFacts,
    /// For `REMOTE_ADDRESS()`.
    pub settings: &'a Settings,
}

impl Context for TreeContext<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        let node = self.tree.find(path).map(|id| self.tree.node(id));
        node.and_then(|node| node.typed_value()).map_or(Scalar::Null, |value| Scalar::from(&value.0))
    }

    fn now(&self) -> i64 {
        self.facts.timestamp
    }

    fn remote_address(&self) -> Option<&str> {
        Some(&self.settings.remote_address)
    }
}

impl Evaluation {
    /// An event has occurred, which may select further presets.
    pub(super) fn occurred(&mut self) {
        self.settled = false;
    }
}

impl Session {
    /// Starts the next cycle. Returns whether there is one.
    pub(super) fn begin_cycle(&mut self, configuration: &dyn Configuration) -> bool {
        if self.is_heartbeat() {
            return false;
        }
        if self.cycles >= MAX_CYCLES {
            self.note(format!("Too many provision cycles: {MAX_CYCLES} in one session"), Json::Null);
            return false;
        }
        let cycle = match self.next_task() {
            Some(cycle) => Some(cycle),
            None => self.next_presets(configuration),
        };
        self.cycles += u32::from(cycle.is_some());
        self.cycle = cycle.map(|mut cycle| {
            cycle.ledger.unreadable.clone_from(&self.unanswered);
            cycle
        });
        self.cycle.is_some()
    }

    /// Whether the device only says that it is there (`14 HEARTBEAT` alone): such sessions are not for work.
    fn is_heartbeat(&self) -> bool {
        self.events.iter().all(|event| matches!(event.as_str(), "Inform" | "14_HEARTBEAT")) && self.events.len() == 2
    }

    fn next_task(&mut self) -> Option<Cycle> {
        let now = self.facts.timestamp;
        loop {
            let place = self.tasks.iter().position(|task| {
                task.state.is_open() && task.timestamp <= now && !self.faults.contains_key(&task.channel())
                    || task.state.is_open() && task.expiry.is_some_and(|expiry| expiry <= now)
            })?;
            let task = self.tasks[place].clone();
            if task.expiry.is_some_and(|expiry| expiry <= now) {
                self.change_task(&task.id, TaskState::Expired, "Its time had passed when the device came".to_owned());
                self.clear_fault(&task.channel());
                continue;
            }
            let presets: Arc<str> = format!("task {}", task.id).into();
            let channels = BTreeSet::from([task.channel()]);
            let calls = task.kind.provisions();
            let sources = calls.iter().map(|call| Source::provision(call, presets.clone(), channels.clone())).collect();
            let kind = CycleKind::Task { id: task.id };
            return Some(Cycle::new(kind, sources, self.tree.changes()));
        }
    }

    /// A task's cycle has done what it could. When the device is still to report, the task is not done yet.
    pub(super) fn end_task_of(&mut self, channel: &str) {
        let task = self.tasks.iter().find(|task| task.channel() == channel && task.state.is_open());
        let Some(id) = task.map(|task| task.id.clone()) else { return };
        match self.pending_of(channel).map(|operation| operation.kind) {
            Some(kind) => {
                let reason = format!("The device was told; {} is to come", kind.report());
                self.change_task(&id, TaskState::Accepted, reason);
            }
            None => self.change_task(&id, TaskState::Done, String::new()),
        }
    }

    pub(super) fn change_task(&mut self, id: &str, state: TaskState, reason: String) {
        let at = self.facts.timestamp;
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) {
            task.state = state;
        }
        self.task_changes.retain(|change| change.id != id);
        let kind = format!("task.{}", state.as_str());
        self.outbox.push(event(&kind, &self.facts.device_id, at, json!({ "task": id, "reason": reason })));
        let result = self.results.get(id).cloned();
        self.task_changes.push(TaskChange { id: id.to_owned(), state, reason, at, result });
    }

    fn next_presets(&mut self, configuration: &dyn Configuration) -> Option<Cycle> {
        loop {
            if self.evaluation.channel.as_ref().is_some_and(|channel| self.blocked.contains(channel)) {
                // What its preconditions mention could not be fetched: there is nothing to try.
                self.evaluation.channel = None;
                self.evaluation.fetched = false;
            }
            if self.evaluation.channel.is_none() && !self.evaluation.fetched {
                self.evaluation.channel = self.due_channel(configuration);
                if let Some(channel) = &self.evaluation.channel {
                    self.retried.insert(channel.clone());
                } else if self.evaluation.settled {
                    return None;
                }
            }
            let facts = PresetFacts { events: &self.events, timestamp: self.facts.timestamp };
            let mut selected = configuration.select_presets(&facts);
            match &self.evaluation.channel {
                Some(channel) => selected.retain(|preset| *preset.channel == **channel),
                None => selected.retain(|preset| !self.blocked.contains(&*preset.channel)),
            }
            if !self.evaluation.fetched {
                self.evaluation.fetched = true;
                let fetchable = selected.iter().filter(|preset| !self.waits_for_preconditions(&preset.channel));
                let sources = self.mentioned_parameters(fetchable);
                if !sources.is_empty() {
                    return Some(Cycle::new(CycleKind::Preconditions, sources, self.tree.changes()));
                }
            }
            let sources = self.preset_sources(&selected, configuration);
            let channel = self.evaluation.channel.clone();
            if !sources.is_empty() {
                let kind = channel.map_or(CycleKind::Presets, |channel| CycleKind::Retry { channel });
                return Some(Cycle::new(kind, sources, self.tree.changes()));
            }
            match channel {
                // Nothing is left to be tried again.
                Some(channel) => self.clear_fault(&channel),
                None => self.evaluation.settled = true,
            }
            self.evaluation.channel = None;
            self.evaluation.fetched = false;
        }
    }

    /// The faulted channel that has waited longest beyond its time. A given-up fault is due when its scripts have changed.
    fn due_channel(&self, configuration: &dyn Configuration) -> Option<String> {
        let now = self.facts.timestamp;
        let is_due = |record: &&crate::fault::FaultRecord| match record.retry_at {
            _ if self.retried.contains(&record.channel) || record.timestamp >= now => false,
            Some(time) => time <= now,
            None => fingerprint(&record.provisions, configuration) != record.fingerprint,
        };
        let due = self.faults.values().filter(is_due);
        due.min_by_key(|record| record.retry_at.unwrap_or(now)).map(|record| record.channel.clone())
    }

    /// Whether a channel could not fetch what its preconditions mention, and is not yet to be tried again.
    fn waits_for_preconditions(&self, channel: &str) -> bool {
        self.evaluation.channel.is_none() && self.faults.get(channel).is_some_and(|fault| fault.provisions.is_empty())
    }

    /// One source per preset that mentions parameters which are not known yet.
    fn mentioned_parameters<'p>(&self, selected: impl Iterator<Item = &'p SelectedPreset>) -> Vec<Source> {
        let mut sources = Vec::new();
        for preset in selected {
            let arguments = preset.provisions.iter().flat_map(|provision| &provision.arguments);
            let expressions = preset.precondition.iter().chain(arguments);
            let mut declarations = Vec::new();
            for name in expressions.flat_map(|expression| expression.parameters()) {
                // A name that is no path is never known: it evaluates to null.
                let Ok(path) = Path::parse(name) else { continue };
                if !path.is_concrete() || self.tree.find(name).is_some_and(|id| self.tree.node(id).value.is_some()) {
                    continue;
                }
                let fresh = Freshness { path: 1, value: 1, ..Freshness::default() };
                let presets: Arc<str> = format!("preset {}", preset.name).into();
                let origin = Origin { provision: "precondition".into(), presets, line: 0, column: 0 };
                declarations.push(Declaration { path, fresh, wanted: Wanted::default(), origin });
            }
            if !declarations.is_empty() {
                sources.push(Source::fixed(declarations, BTreeSet::from([preset.channel.to_string()])));
            }
        }
        sources
    }

    /// The provisions of the presets whose preconditions hold. Equal calls are run once, at the later place, for all their
    /// channels. Those of faulted channels are kept for their retry instead.
    fn preset_sources(&mut self, selected: &[SelectedPreset], configuration: &dyn Configuration) -> Vec<Source> {
        let mut calls: Vec<(ProvisionCall, BTreeSet<String>, BTreeSet<Arc<str>>)> = Vec::new();
        let mut kept: BTreeMap<String, Vec<ProvisionCall>> = BTreeMap::new();
        let mut add = |call: ProvisionCall, channel: &str, preset: Option<&Arc<str>>| {
            let mut channels = BTreeSet::from([channel.to_owned()]);
            let mut presets: BTreeSet<Arc<str>> = preset.into_iter().cloned().collect();
            let mut weight = call.weight;
            if let Some(place) = calls.iter().position(|(known, _, _)| known.is_same_call(&call)) {
                let (known, known_channels, known_presets) = calls.remove(place);
                weight = weight.max(known.weight);
                channels.extend(known_channels);
                presets.extend(known_presets);
            }
            calls.push((ProvisionCall { weight, ..call }, channels, presets));
        };
        if let Some(channel) = &self.evaluation.channel
            && let Some(record) = self.faults.get(channel)
        {
            for call in &record.provisions {
                add(call.clone(), channel, None);
            }
        }
        let context = TreeContext { tree: &self.tree, facts: &self.facts, settings: &self.settings };
        for preset in selected {
            if preset.precondition.as_ref().is_some_and(|condition| !condition.evaluate(&context).is_true()) {
                continue;
            }
            for provision in &preset.provisions {
                let arguments =
                    provision.arguments.iter().map(|argument| argument.evaluate(&context).to_json()).collect();
                let call = ProvisionCall { name: provision.name.to_string(), arguments, weight: preset.weight };
                if self.evaluation.channel.is_none() && self.faults.contains_key(&*preset.channel) {
                    kept.entry(preset.channel.to_string()).or_default().push(call);
                } else {
                    add(call, &preset.channel, Some(&preset.name));
                }
            }
        }
        for (channel, calls) in kept {
            self.keep_for_retry(&channel, calls, configuration);
        }
        calls
            .into_iter()
            .map(|(call, channels, presets)| {
                let names = presets.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
                let presets: Arc<str> =
                    if names.is_empty() { "retry".into() } else { format!("preset {names}").into() };
                Source::provision(&call, presets, channels)
            })
            .collect()
    }

    /// Adds what matches now to a blocked channel's fault. A given-up fault gets another chance when something new matches.
    fn keep_for_retry(&mut self, channel: &str, calls: Vec<ProvisionCall>, configuration: &dyn Configuration) {
        let now = self.facts.timestamp;
        let Some(record) = self.faults.get_mut(channel) else { return };
        let was_given_up = record.is_given_up();
        if merge_calls(&mut record.provisions, calls) {
            record.fingerprint = fingerprint(&record.provisions, configuration);
            if was_given_up && record.timestamp < now {
                record.retries = 0;
                record.retry_at = Some(now);
            }
            self.changed_faults.insert(channel.to_owned());
        }
    }

    /// Draws the conclusions from a cycle that has nothing left to do.
    pub(super) fn end_cycle(&mut self, configuration: &dyn Configuration) {
        self.fault_refused(configuration);
        let Some(cycle) = &self.cycle else { return };
        let changed = self.tree.changes() != cycle.changes_before;
        if cycle.kind == CycleKind::Presets && changed {
            self.evaluations += 1;
            self.preset_writes.extend(cycle.writes.iter().cloned());
            if self.evaluations >= MAX_EVALUATIONS {
                self.fault_preset_loop(configuration);
            }
        }
        let Some(cycle) = self.cycle.take() else { return };
        if cycle.kind != CycleKind::Preconditions {
            for channel in cycle.channels.difference(&cycle.faulted) {
                self.clear_fault(channel);
                self.end_task_of(channel);
            }
        }
        match cycle.kind {
            CycleKind::Task { .. } | CycleKind::Preconditions => {}
            CycleKind::Presets => {
                let settled = !changed || self.evaluations >= MAX_EVALUATIONS;
                self.evaluation = Evaluation { settled, ..Evaluation::default() };
            }
            CycleKind::Retry { .. } => {
                let settled = self.evaluation.settled && !changed;
                self.evaluation = Evaluation { settled, ..Evaluation::default() };
            }
        }
    }

    /// Turns what the device refused into faults of the channels concerned, now that everything else is done.
    fn fault_refused(&mut self, configuration: &dyn Configuration) {
        let Some(cycle) = &mut self.cycle else { return };
        let refusals = std::mem::take(&mut cycle.ledger.refusals);
        let Some(level) = cycle.levels.first() else { return };
        let mut by_channel: BTreeMap<String, Vec<&Refusal>> = BTreeMap::new();
        for refusal in &refusals {
            let sources = refusal.sources.iter().filter_map(|&index| level.sources.get(index as usize));
            let channels: BTreeSet<&String> = sources.flat_map(|source| &source.channels).collect();
            for channel in channels {
                by_channel.entry(channel.clone()).or_default().push(refusal);
            }
        }
        let mut faults = Vec::new();
        for (channel, refusals) in by_channel {
            let guilty: Sources = (0u32..)
                .zip(&level.sources)
                .filter(|(_, source)| source.channels.contains(&channel))
                .map(|(index, _)| index)
                .collect();
            // What fetches for preconditions is no provision that could be run again.
            let fetching = cycle.kind == CycleKind::Preconditions;
            let calls =
                guilty.iter().filter(|_| !fetching).map(|&index| level.sources[index as usize].call()).collect();
            faults.push((channel, combined(&refusals), calls));
        }
        for (channel, fault, calls) in faults {
            if let Some(cycle) = &mut self.cycle {
                cycle.faulted.insert(channel.clone());
                if cycle.kind == CycleKind::Preconditions {
                    self.blocked.insert(channel.clone());
                }
            }
            self.record_fault(&channel, fault, calls, None, configuration);
        }
    }

    fn fault_preset_loop(&mut self, configuration: &dyn Configuration) {
        let Some(cycle) = &self.cycle else { return };
        let writers: Sources = cycle.writes.iter().map(|note| note.source).collect();
        let guilty = if writers.is_empty() { cycle.all_sources() } else { writers };
        let lines = explain(&self.preset_writes);
        let fault = Fault {
            code: "preset_loop".to_owned(),
            message: format!(
                "The presets are stuck in an endless configuration loop: after {MAX_EVALUATIONS} evaluations they still change: {}",
                lines.join("; ")
            ),
            detail: Some(json!({ "writes": lines })),
        };
        self.fault_sources(&guilty, fault, configuration);
    }
}

/// One fault for all that a channel was refused: the first one's code, everyone's message.
fn combined(refusals: &[&Refusal]) -> Fault {
    let code = refusals.first().map_or_else(String::new, |refusal| refusal.code.clone());
    let message = refusals.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; ");
    let mut detail = refusals.first().map_or(Json::Null, |refusal| refusal.detail.clone());
    if refusals.len() > 1 {
        let all: Vec<Json> = refusals
            .iter()
            .map(|refusal| json!({ "code": refusal.code, "message": refusal.message, "detail": refusal.detail }))
            .collect();
        if let Some(map) = detail.as_object_mut() {
            map.insert("all".to_owned(), all.into());
        }
    }
    Fault { code, message, detail: Some(detail) }
}

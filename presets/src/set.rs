//! All presets together: which fit a session, in the order in which they apply.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use acs_core::session::configuration::{PresetFacts, SelectedPreset};
use serde_json::Value as Json;

use crate::events::{EventRule, EventRules};
use crate::object::ObjectTemplate;
use crate::preset::Preset;
use crate::problem::{PresetProblem, Problems, Severity};
use crate::schedule::Schedule;

/// The presets of a configuration snapshot. Immutable.
#[derive(Debug, Clone, Default)]
pub struct PresetSet {
    /// By descending weight, then by ascending name.
    presets: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    events: EventRules,
    schedule: Option<Schedule>,
    selected: SelectedPreset,
}

/// Something wrong with a stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetProblem {
    /// `preset` or `object`.
    pub kind: &'static str,
    /// The document's name.
    pub name: String,
    /// What is wrong. An error leaves a preset out of the set.
    pub problem: PresetProblem,
}

impl fmt::Display for SetProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.kind, self.name, self.problem)
    }
}

/// Whether a preset's events and schedule fit, and if not, what stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The preset.
    pub name: Arc<str>,
    /// `None`: it fits, as far as its precondition allows.
    pub mismatch: Option<Mismatch>,
}

/// Why a preset does not fit a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A wanted event has not occurred.
    #[error("event {0:?} has not occurred in this session")]
    EventMissing(String),
    /// An unwanted event has occurred.
    #[error("event {0:?} has occurred in this session")]
    EventPresent(String),
    /// The time is not within the schedule.
    #[error("the schedule does not cover the time of the session")]
    Schedule,
}

impl PresetSet {
    /// Puts together the stored presets, with the object templates that they name; each is a name and a document. A preset with
    /// errors is left out and reported, the others are not affected.
    pub fn build<'d>(
        presets: impl IntoIterator<Item = (&'d str, &'d Json)>,
        objects: impl IntoIterator<Item = (&'d str, &'d Json)>,
    ) -> (PresetSet, Vec<SetProblem>) {
        let mut reported = Vec::new();
        let mut templates = HashMap::new();
        for (name, document) in objects {
            let mut problems = Problems::default();
            let template = ObjectTemplate::from_document(document, "$", &mut problems);
            if !problems.has_errors() {
                templates.insert(name, template);
            }
            report("object", name, problems.into_list(), &mut reported);
        }
        let mut members = Vec::new();
        for (name, document) in presets {
            match Preset::from_document(name, document).and_then(|preset| Member::new(preset, &templates)) {
                Ok((member, warnings)) => {
                    members.push(member);
                    report("preset", name, warnings, &mut reported);
                }
                Err(problems) => report("preset", name, problems, &mut reported),
            }
        }
        members.sort_by(|left, right| {
            let (left, right) = (&left.selected, &right.selected);
            right.weight.cmp(&left.weight).then_with(|| left.name.cmp(&right.name))
        });
        (PresetSet { presets: members }, reported)
    }

    /// The presets whose events and schedule fit, by descending weight, then by ascending name.
    pub fn select(&self, facts: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        let fitting = self.presets.iter().filter(|member| member.mismatch(facts).is_none());
        fitting.map(|member| member.selected.clone()).collect()
    }

    /// For each preset, in the same order, whether it fits, or why not.
    pub fn explain(&self, facts: &PresetFacts<'_>) -> Vec<Explanation> {
        let explain =
            |member: &Member| Explanation { name: member.selected.name.clone(), mismatch: member.mismatch(facts) };
        self.presets.iter().map(explain).collect()
    }

    /// All presets, whatever the session, in the order in which they apply.
    pub fn all(&self) -> impl Iterator<Item = &SelectedPreset> {
        self.presets.iter().map(|member| &member.selected)
    }
}

impl Member {
    fn new(
        preset: Preset,
        templates: &HashMap<&str, ObjectTemplate>,
    ) -> Result<(Member, Vec<PresetProblem>), Vec<PresetProblem>> {
        let mut problems = Problems::default();
        let template = |name: &str| templates.get(name);
        let configurations = preset.configurations.iter();
        let provisions =
            configurations.flat_map(|configuration| configuration.resolve(&template, &mut problems)).collect();
        if problems.has_errors() {
            return Err(preset.warnings.into_iter().chain(problems.into_list()).collect());
        }
        let selected = SelectedPreset {
            name: preset.name,
            weight: preset.weight,
            channel: preset.channel,
            precondition: preset.precondition,
            provisions,
        };
        Ok((Member { events: preset.events, schedule: preset.schedule, selected }, preset.warnings))
    }

    fn mismatch(&self, facts: &PresetFacts<'_>) -> Option<Mismatch> {
        if let Some(EventRule { name, occurred, .. }) = self.events.first_mismatch(facts.events) {
            let name = name.clone();
            return Some(if *occurred { Mismatch::EventMissing(name) } else { Mismatch::EventPresent(name) });
        }
        match &self.schedule {
            Some(schedule) if !schedule.covers(facts.timestamp) => Some(Mismatch::Schedule),
            _ => None,
        }
    }
}

impl SetProblem {
    /// Whether it leaves its document out of the set.
    pub fn is_error(&self) -> bool {
        self.problem.severity == Severity::Error
    }
}

fn report(kind: &'static str, name: &str, problems: Vec<PresetProblem>, reported: &mut Vec<SetProblem>) {
    reported.extend(problems.into_iter().map(|problem| SetProblem { kind, name: name.to_owned(), problem }));
}

//! What runs together in a cycle: provisions, or virtual parameters' scripts that others have asked for.
//!
//! Not here: how they advance ([`super::cycle`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::declaration::{Declaration, Freshness};
use crate::fault::ProvisionCall;
use crate::planner::{Effective, Role, Sources};
use crate::rpc::AcsRequest;
use crate::script::{ExtensionCall, Memory, ScriptKind};

/// Scripts that run together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Level {
    pub(super) sources: Vec<Source>,
    pub(super) purpose: LevelPurpose,
}

/// What a level is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LevelPurpose {
    /// Provisions.
    Provisions,
    /// Get scripts of virtual parameters: what is demanded of each.
    Get(BTreeMap<Arc<str>, Freshness>),
    /// Set scripts of virtual parameters.
    Set(Vec<SetDemand>),
}

/// A virtual parameter that is being set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetDemand {
    /// Its name.
    pub name: Arc<str>,
    /// What it should become.
    pub value: crate::value::TypedValue,
    /// Where that was declared.
    pub origin: String,
}

/// A provision or a virtual parameter's script within a level.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Source {
    pub(super) name: Arc<str>,
    pub(super) kind: ScriptKind,
    /// Who selected it, for people.
    pub(super) presets: Arc<str>,
    pub(super) arguments: Arc<[Json]>,
    pub(super) weight: i64,
    /// Empty in nested levels.
    pub(super) channels: BTreeSet<String>,
    /// In nested levels: which sources of the level below asked for it.
    pub(super) demanders: Sources,
    pub(super) memory: Memory,
    /// Since its last satisfied commit.
    pub(super) declarations: Vec<Declaration>,
    /// What it wanted before that, so that lower weights do not undo it.
    pub(super) satisfied: Vec<Declaration>,
    pub(super) state: SourceState,
    /// Requests that it makes as they are, to be sent one after the other.
    pub(super) requests: VecDeque<AcsRequest>,
}

/// Where a script stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SourceState {
    /// To be run.
    Ready,
    /// At a commit.
    Suspended,
    /// Waits for these.
    WaitingForExtension(Vec<ExtensionCall>),
    /// Ran to its end, with what it returned.
    Finished(Json),
    /// Out of the cycle: its channels have faulted.
    Dropped,
}

impl Source {
    /// A provision that is to be run.
    pub(super) fn provision(call: &ProvisionCall, presets: Arc<str>, channels: BTreeSet<String>) -> Source {
        Source {
            name: call.name.as_str().into(),
            kind: ScriptKind::Provision,
            presets,
            arguments: call.arguments.clone().into(),
            weight: call.weight,
            channels,
            demanders: Sources::new(),
            memory: Memory::default(),
            declarations: Vec::new(),
            satisfied: Vec::new(),
            state: SourceState::Ready,
            requests: VecDeque::new(),
        }
    }

    /// Declarations without a script.
    pub(super) fn fixed(declarations: Vec<Declaration>, channels: BTreeSet<String>) -> Source {
        let call = ProvisionCall { name: "preconditions".to_owned(), arguments: Vec::new(), weight: 0 };
        Source {
            declarations,
            state: SourceState::Finished(Json::Null),
            ..Source::provision(&call, "".into(), channels)
        }
    }

    pub(super) fn call(&self) -> ProvisionCall {
        ProvisionCall { name: self.name.to_string(), arguments: self.arguments.to_vec(), weight: self.weight }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        matches!(self.state, SourceState::Ready | SourceState::Suspended | SourceState::WaitingForExtension(_))
    }

    pub(super) fn wants_nothing(&self) -> bool {
        self.declarations.iter().all(|declaration| declaration.wanted.is_empty())
    }
}

impl Level {
    /// The declarations as they count now: by ascending weight, then in order, so that the last one wins. What a finished script
    /// declared waits while others of its weight are at a commit; lower weights wait for higher ones.
    pub(super) fn effective(&self) -> Vec<Effective<'_>> {
        let unfinished = |source: &&Source| source.is_unfinished();
        let barrier = self.sources.iter().filter(unfinished).map(|source| source.weight).max();
        let one_weight = self.sources.iter().all(|source| source.weight == self.sources[0].weight);
        let mut order: Vec<usize> = (0..self.sources.len()).collect();
        order.sort_by_key(|&index| self.sources[index].weight);
        let mut out = Vec::new();
        for index in order {
            let source = &self.sources[index];
            let active = match barrier {
                None => true,
                Some(barrier) if source.weight > barrier => true,
                Some(barrier) => source.weight == barrier && source.is_unfinished(),
            };
            if source.state == SourceState::Dropped {
                continue;
            }
            let effective =
                |declaration, role| Effective { declaration, source: index as u32, weight: source.weight, role };
            // With one weight there is nobody to be kept from undoing it.
            let satisfied = if one_weight { &[][..] } else { &source.satisfied };
            out.extend(satisfied.iter().map(|declaration| effective(declaration, Role::Satisfied)));
            let role = if active { Role::Active } else { Role::Deferred };
            out.extend(source.declarations.iter().map(|declaration| effective(declaration, role)));
        }
        out
    }
}

/// Something that a cycle wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteNote {
    /// The parameter.
    pub path: String,
    /// What it became.
    pub value: String,
    /// Where that was declared.
    pub origin: String,
    /// Who declared it, at the lowest level.
    pub source: u32,
}

/// What was written more than once, or everything that was, one per line: the explanation of an endless loop.
pub fn explain(writes: &[WriteNote]) -> Vec<String> {
    let describe = |note: &WriteNote| format!("{} := {:?} ({})", note.path, note.value, note.origin);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for note in writes {
        *counts.entry(&note.path).or_default() += 1;
    }
    let repeated: Vec<_> = writes.iter().filter(|note| counts[note.path.as_str()] > 1).map(describe).collect();
    let mut lines = if repeated.is_empty() { writes.iter().map(describe).collect() } else { repeated };
    // Evaluation by evaluation the same is written.
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines.truncate(20);
    lines
}

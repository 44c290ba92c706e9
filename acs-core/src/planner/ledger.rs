//! What a cycle remembers between plans: refusals, changes that are under way, and what must be looked at again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::rpc::AcsRequest;
use crate::value::{TypedValue, Value, XsdType};

use super::writes::PendingSet;
use super::{Purpose, Situation, Sources, Step};

/// The cycle's memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// What the device refused; reported when everything else is done.
    pub refusals: Vec<Refusal>,
    /// Parameters not to be read again in this cycle.
    pub unreadable: BTreeSet<String>,
    /// Parameters whose attributes are not to be read again in this cycle.
    pub unreadable_attributes: BTreeSet<String>,
    /// Objects not to be listed again in this cycle.
    pub unlistable: BTreeSet<String>,
    /// Parameters not to be set again in this cycle.
    pub unsettable: BTreeSet<String>,
    /// Parameters whose attributes are not to be set again in this cycle.
    pub unsettable_attributes: BTreeSet<String>,
    /// Objects below which nothing is added or deleted again in this cycle.
    pub unchangeable: BTreeSet<String>,
    /// Commands (`Reboot`, `FactoryReset`, `Downloads.1`) not to be sent again in this cycle.
    pub refused_commands: BTreeSet<String>,
    /// Objects to be listed again whatever is known of them.
    pub relist: BTreeSet<String>,
    /// Names that the device has called invalid although it had listed them, with how often.
    pub suspects: BTreeMap<String, u32>,
    /// Groups of names to read apart, to find the one that fails the others.
    pub split_reads: VecDeque<Vec<String>>,
    /// Groups of names whose attributes are to be read apart, likewise.
    #[serde(default)]
    pub split_attribute_reads: VecDeque<Vec<String>>,
    /// Groups of names to set apart, to find the one that fails the others.
    pub split_sets: VecDeque<Vec<String>>,
    /// Groups of names whose attributes are to be set apart, likewise.
    #[serde(default)]
    pub split_attribute_sets: VecDeque<Vec<String>>,
    /// DeleteObject and AddObject to send one after the other.
    pub queue: VecDeque<QueuedChange>,
    /// The instance whose keys are being set.
    pub creation: Option<Creation>,
    /// Instances added in this cycle: the path, and what for.
    pub created: BTreeMap<String, String>,
    /// Instances deleted in this cycle.
    pub deleted: BTreeSet<String>,
}

/// Something that the device refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose channels fault.
    pub sources: Sources,
    /// The fault's code, e.g. `cwmp.9007`.
    pub code: String,
    /// For people: what was refused, why, and where it was declared.
    pub message: String,
    /// The same for machines.
    pub detail: serde_json::Value,
}

/// A DeleteObject or AddObject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum QueuedChange {
    /// Delete an instance.
    Delete {
        /// Without a trailing dot.
        instance: String,
        /// Who wants it.
        source: u32,
        /// Where that was declared.
        origin: String,
    },
    /// Add an instance, then set its keys.
    Add {
        /// The multi-instance object, without a trailing dot.
        object: String,
        /// Parameters relative to the instance, with their values in text form.
        keys: Vec<(String, String)>,
        /// Who wants it.
        source: u32,
        /// Where that was declared.
        origin: String,
    },
}

impl QueuedChange {
    /// Whether it adds an instance to this object.
    pub fn adds_to(&self, object: &str) -> bool {
        matches!(self, QueuedChange::Add { object: same, .. } if same == object)
    }

    /// Whether it deletes an instance.
    pub fn is_delete(&self) -> bool {
        matches!(self, QueuedChange::Delete { .. })
    }

    /// The instance that goes, or the object that grows.
    pub fn path(&self) -> &str {
        match self {
            QueuedChange::Delete { instance, .. } => instance,
            QueuedChange::Add { object, .. } => object,
        }
    }

    /// Who wants it.
    pub fn source(&self) -> u32 {
        match self {
            QueuedChange::Delete { source, .. } | QueuedChange::Add { source, .. } => *source,
        }
    }

    /// Where that was declared.
    pub fn origin(&self) -> &str {
        match self {
            QueuedChange::Delete { origin, .. } | QueuedChange::Add { origin, .. } => origin,
        }
    }
}

/// A new instance whose keys are being set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Creation {
    /// The instance, without a trailing dot.
    pub instance: String,
    /// Parameters relative to it, with their values in text form.
    pub keys: Vec<(String, String)>,
    /// Who wants it.
    pub source: u32,
    /// Where that was declared.
    pub origin: String,
    /// How far it is.
    pub stage: CreationStage,
}

/// The stages of a [`Creation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreationStage {
    /// The keys' present values and types are being read.
    ReadKeys,
    /// The keys that differ are being set.
    SetKeys,
    /// A key was refused: the instance is deleted again, lest the next session adds one more.
    Undo,
}

/// The next step of a change that must not be interrupted, if there is one.
pub(super) fn unfinished_change(situation: &Situation<'_>) -> Option<Step> {
    if let Some(creation) = &situation.ledger.creation {
        return Some(creation_step(situation, creation));
    }
    let change = situation.ledger.queue.front()?;
    let request = match change {
        QueuedChange::Delete { instance, .. } => {
            AcsRequest::DeleteObject { object_name: format!("{instance}."), parameter_key: String::new() }
        }
        QueuedChange::Add { object, .. } => {
            AcsRequest::AddObject { object_name: format!("{object}."), parameter_key: String::new() }
        }
    };
    Some(Step::Request(request, Purpose::Change(change.clone())))
}

fn creation_step(situation: &Situation<'_>, creation: &Creation) -> Step {
    let full_name = |key: &str| format!("{}.{key}", creation.instance);
    match creation.stage {
        CreationStage::ReadKeys => {
            let parameter_names = creation.keys.iter().map(|(key, _)| full_name(key)).collect();
            Step::Request(AcsRequest::GetParameterValues { parameter_names }, Purpose::CreationRead)
        }
        CreationStage::SetKeys => {
            let sets: Vec<PendingSet> = creation
                .keys
                .iter()
                .filter_map(|(key, text)| {
                    let path = full_name(key);
                    let node = situation.tree.node(situation.tree.find(&path)?);
                    let TypedValue(current, xsd_type) = node.typed_value()?;
                    let value = TypedValue(Value::from(text.as_str()).coerce(xsd_type), xsd_type.clone());
                    let is_text = matches!(xsd_type, XsdType::String);
                    // Numbers and booleans are written even when equal: some devices keep a default only once it is set.
                    let differs = current.to_text() != text.as_str() || !is_text && *current != value.0;
                    differs.then(|| PendingSet {
                        path,
                        value,
                        source: creation.source,
                        origin: creation.origin.clone(),
                    })
                })
                .collect();
            let parameter_list = sets.iter().map(|set| (set.path.clone(), set.value.clone())).collect();
            let request = AcsRequest::SetParameterValues { parameter_list, parameter_key: String::new() };
            Step::Request(request, Purpose::CreationSet(sets))
        }
        CreationStage::Undo => {
            let object_name = format!("{}.", creation.instance);
            Step::Request(AcsRequest::DeleteObject { object_name, parameter_key: String::new() }, Purpose::CreationUndo)
        }
    }
}

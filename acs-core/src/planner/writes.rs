//! What to write: local changes, virtual parameters, and the device's parameters, instances and commands.
//!
//! Writes of lower weights wait until those of higher weights are done.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::entries::{EntryKind, field_of};
use crate::rpc::{AcsRequest, CwmpVersion, SetParameterAttributesStruct, plain_notification};
use crate::tree::NodeId;
use crate::value::{TypedValue, Value};

use super::{AttributesWish, LocalChange, Planner, Purpose, QueuedChange, Step, VirtualParameterSet};

/// A value to be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingSet {
    /// The parameter.
    pub path: String,
    /// Coerced.
    pub value: TypedValue,
    /// Who wants it.
    pub source: u32,
    /// Where that was declared.
    pub origin: String,
}

impl Planner<'_> {
    /// The next write, local ones first.
    pub(super) fn next_write(&mut self) -> Step {
        let local = self.local_changes();
        if !local.is_empty() {
            return Step::Local(local);
        }
        let sets = self.virtual_parameter_sets();
        if !sets.is_empty() {
            return Step::SetVirtualParameters(sets);
        }
        let mut weights = self.pending_weights();
        weights.sort_unstable_by(|left, right| right.cmp(left));
        weights.dedup();
        weights.into_iter().find_map(|weight| self.write_of_weight(weight)).unwrap_or(Step::Satisfied)
    }

    /// The weights of all declarations that may be written.
    fn pending_weights(&self) -> Vec<i64> {
        self.situation
            .declarations
            .iter()
            .filter(|e| e.is_active() && !e.declaration.wanted.is_empty())
            .map(|e| e.weight)
            .collect()
    }

    fn write_of_weight(&self, weight: i64) -> Option<Step> {
        self.change_instances(weight)
            .or_else(|| self.set_values(weight))
            .or_else(|| self.set_attributes(weight))
            .or_else(|| self.next_command(weight))
    }

    /// All that is to be deleted, then all that is to be added. What lies below a deleted instance goes with it.
    fn change_instances(&self, weight: i64) -> Option<Step> {
        let parents = self.count_order.iter().filter(|&&parent| !self.situation.tree.is_local(parent));
        let changes = parents.flat_map(|&parent| self.queued_changes(parent, weight));
        let (deletes, adds): (Vec<_>, Vec<_>) = changes.partition(QueuedChange::is_delete);
        let goes_with = |change: &QueuedChange| {
            deletes.iter().any(|delete| {
                let rest = change.path().strip_prefix(delete.path());
                rest.is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let changes: Vec<_> = deletes.iter().chain(&adds).filter(|change| !goes_with(change)).cloned().collect();
        (!changes.is_empty()).then_some(Step::Queue(changes))
    }

    fn set_values(&self, weight: i64) -> Option<Step> {
        let pending = self.pending_sets(weight);
        if pending.is_empty() {
            return None;
        }
        let batch = self.batch(pending, &self.situation.ledger.split_sets, |set| &set.path);
        let parameter_list = batch.iter().map(|set| (set.path.clone(), set.value.clone())).collect();
        let request = AcsRequest::SetParameterValues { parameter_list, parameter_key: String::new() };
        Some(Step::Request(request, Purpose::SetValues(batch)))
    }

    /// What of the pending changes goes into the next request: the first group that is to stand apart, or as many as fit.
    fn batch<T>(&self, mut pending: Vec<T>, apart: &VecDeque<Vec<String>>, path: impl Fn(&T) -> &String) -> Vec<T> {
        let is_pending = |group: &&Vec<String>| pending.iter().any(|change| group.contains(path(change)));
        match apart.iter().find(is_pending) {
            Some(group) => pending.retain(|change| group.contains(path(change))),
            None => pending.truncate(self.situation.settings.batch_size.max(1)),
        }
        pending
    }

    /// Values of one weight that differ from what is known, may be set, and have not been refused.
    fn pending_sets(&self, weight: i64) -> Vec<PendingSet> {
        let mut out = Vec::new();
        for &id in &self.target_order {
            let Some(index) = self.targets[&id].value else { continue };
            let effective = self.effective(index);
            if effective.weight != weight || self.situation.tree.is_local(id) {
                continue;
            }
            let Some(value) = self.wanted_value(id, index) else { continue };
            let node = self.situation.tree.node(id);
            if node.writable != Some(true) && !self.situation.settings.skip_writable_check {
                continue;
            }
            let path = self.situation.tree.path_text(id);
            if self.situation.ledger.unsettable.contains(&path) {
                continue;
            }
            let origin = effective.declaration.origin.to_string();
            out.push(PendingSet { path, value, source: effective.source, origin });
        }
        out
    }

    /// The value that a node should get, when it differs from the known one. Nothing is set of which nothing is known.
    fn wanted_value(&self, id: NodeId, index: usize) -> Option<TypedValue> {
        let (value, explicit_type) = self.effective(index).declaration.wanted.value.as_ref()?;
        let stored = self.situation.tree.node(id).value.as_ref()?;
        let TypedValue(current, current_type) = &stored.value;
        let xsd_type = explicit_type.as_ref().unwrap_or(current_type);
        let wanted = TypedValue(value.clone().coerce(xsd_type), xsd_type.clone());
        // A device that keeps a value under a type of its own has done what it can.
        let is_kept = stored.written.as_deref() == Some(&wanted) && wanted.0.clone().coerce(current_type) == *current;
        (wanted != stored.value && !is_kept).then_some(wanted)
    }

    fn set_attributes(&self, weight: i64) -> Option<Step> {
        let mut pending: Vec<(SetParameterAttributesStruct, AttributesWish)> = Vec::new();
        for &id in &self.target_order {
            let target = self.targets[&id];
            let path = || self.situation.tree.path_text(id);
            let Some(known) = &self.situation.tree.node(id).attributes else { continue };
            let of_weight = |index: Option<usize>| index.filter(|&index| self.effective(index).weight == weight);
            let wanted =
                of_weight(target.notification).and_then(|index| self.effective(index).declaration.wanted.notification);
            let is_plain = known.plain_only || self.situation.settings.cwmp_version < CwmpVersion::V1_4;
            let notification = wanted
                .map(|wanted| if is_plain { plain_notification(wanted) } else { wanted })
                .filter(|notification| *notification != known.notification);
            let access_list = of_weight(target.access_list)
                .and_then(|index| self.effective(index).declaration.wanted.access_list.clone())
                .filter(|wanted| *wanted != known.access_list);
            if notification.is_none() && access_list.is_none() {
                continue;
            }
            if self.situation.ledger.unsettable_attributes.contains(&path()) {
                continue;
            }
            let index = if notification.is_some() { target.notification } else { target.access_list };
            let source = index.map_or(0, |index| self.effective(index).source);
            let is_plainer = notification.is_some() && notification != wanted;
            let wish = AttributesWish { source, is_plainer };
            pending.push((SetParameterAttributesStruct { name: path(), notification, access_list }, wish));
        }
        if pending.is_empty() {
            return None;
        }
        let batch = self.batch(pending, &self.situation.ledger.split_attribute_sets, |(change, _)| &change.name);
        let (parameter_list, wishes) = batch.into_iter().unzip();
        Some(Step::Request(AcsRequest::SetParameterAttributes { parameter_list }, Purpose::SetAttributes(wishes)))
    }

    fn local_changes(&self) -> Vec<LocalChange> {
        let tree = self.situation.tree;
        let mut out = Vec::new();
        for (tag, &index) in &self.tags {
            let effective = self.effective(index);
            let Some((value, _)) = effective.declaration.wanted.value.as_ref().filter(|_| effective.is_active()) else {
                continue;
            };
            let wanted = tag_value(value);
            let current =
                tree.find("Tags").and_then(|tags| tree.child(tags, tag)).and_then(|id| tree.node(id).typed_value());
            if wanted.as_ref() != current.map(|TypedValue(value, _)| value) {
                let origin = effective.declaration.origin.to_string();
                out.push(LocalChange::Tag(tag.clone(), wanted, effective.source, origin));
            }
        }
        for &parent in &self.count_order {
            let kind = tree.top_level_name(parent).and_then(EntryKind::of_root);
            if let Some(kind) = kind.filter(|_| tree.depth(parent) == 1) {
                out.extend(self.local_instances(parent, kind));
            }
        }
        if !out.is_empty() {
            return out;
        }
        for &id in &self.target_order {
            let Some(index) = self.targets[&id].value else { continue };
            let is_settable = field_of(tree, id).is_some_and(|(kind, _, name)| kind.arguments.contains(&name.as_str()));
            if is_settable && let Some(value) = self.wanted_value(id, index) {
                let origin: Arc<str> = self.effective(index).declaration.origin.to_string().into();
                out.push(LocalChange::SetEntryField(id, value, origin));
            }
        }
        out
    }

    fn virtual_parameter_sets(&self) -> Vec<VirtualParameterSet> {
        let tree = self.situation.tree;
        let mut out = Vec::new();
        for (name, &index) in &self.virtual_sets {
            let effective = self.effective(index);
            let refused = self.situation.ledger.unsettable.contains(&format!("VirtualParameters.{name}"));
            if !effective.is_active() || refused {
                continue;
            }
            let Some(id) = tree.find("VirtualParameters").and_then(|root| tree.child(root, name)) else { continue };
            if tree.node(id).writable != Some(true) {
                continue;
            }
            if let Some(value) = self.wanted_value(id, index) {
                let origin = effective.declaration.origin.to_string();
                out.push(VirtualParameterSet { name: name.clone(), value, source: effective.source, origin });
            }
        }
        out
    }
}

/// What a tag becomes: `None` for false, 0 and the empty text, a text as it is, `true` for anything else.
fn tag_value(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(false) | Value::Int(0) => None,
        Value::Text(text) if text.is_empty() => None,
        Value::Text(text) => Some(Value::Text(text.clone())),
        _ => Some(Value::Bool(true)),
    }
}

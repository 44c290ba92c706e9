//! Instance counts: which instances of an object are surplus, and which are missing.

use std::sync::Arc;

use crate::declaration::InstanceCount;
use crate::entries::EntryKind;
use crate::path::{Alias, Segment};
use crate::tree::{DeviceTree, NodeId};

use super::{LocalChange, Planner, QueuedChange};

/// What the counts of one object come to.
#[derive(Debug, Default)]
pub(super) struct InstancePlan {
    /// Instances to delete, with the declaration that says so.
    pub deletes: Vec<(NodeId, usize)>,
    /// Instances to add, each with its keys.
    pub adds: Vec<(Arc<Alias>, usize)>,
}

impl<'a> Planner<'a> {
    /// Adding needs to know whether the object may grow. When only an Inform has told of it, its parent must be listed first.
    pub(super) fn plan_instance_reads(&mut self) {
        let tree = self.situation.tree;
        for parent in self.count_order.clone() {
            let unknown = tree.node(parent).writable.is_none() && !tree.is_local(parent) && parent != DeviceTree::ROOT;
            let grandparent = tree.parent(parent);
            if unknown && grandparent != DeviceTree::ROOT && !self.instance_plan(parent).adds.is_empty() {
                let source = self.counts[&parent].first().map_or(u32::MAX, |&index| self.effective(index).source);
                self.add_need(grandparent, &[], source);
            }
        }
    }

    /// Combines the counts declared for one object, in order: each keeps the first `max` of its matches, deletes the others,
    /// takes back deletions of earlier ones, and adds what is missing.
    ///
    /// Counts that wait take part once something is to be changed anyway, so that nothing is added only to be deleted again.
    pub(super) fn instance_plan(&self, parent: NodeId) -> InstancePlan {
        let all = self.counts.get(&parent).map_or(&[][..], Vec::as_slice);
        let (active, waiting): (Vec<usize>, Vec<usize>) =
            all.iter().partition(|&&index| self.effective(index).is_active());
        let plan = self.combined_counts(parent, &active);
        if waiting.is_empty() || plan.deletes.is_empty() && plan.adds.is_empty() {
            return plan;
        }
        let weights: Vec<i64> = active.iter().map(|&index| self.effective(index).weight).collect();
        let counted = |index: &usize| {
            let effective = self.effective(*index);
            effective.is_active() || weights.contains(&effective.weight)
        };
        let counted: Vec<usize> = all.iter().copied().filter(counted).collect();
        self.combined_counts(parent, &counted)
    }

    fn combined_counts(&self, parent: NodeId, counts: &[usize]) -> InstancePlan {
        let tree = self.situation.tree;
        let mut doomed: Vec<(NodeId, Option<usize>)> = tree.children(parent).iter().map(|&id| (id, None)).collect();
        let mut adds: Vec<(Arc<Alias>, usize)> = Vec::new();
        let nothing: Arc<Alias> = Arc::new(Alias { pairs: Vec::new() });
        for &index in counts {
            let declaration = self.effective(index).declaration;
            let Some(InstanceCount { min, max }) = declaration.wanted.instances else { continue };
            let (name, alias) = match declaration.path.segments().last() {
                Some(Segment::Wildcard) => (None, nothing.clone()),
                Some(Segment::Alias(alias)) => (None, alias.clone()),
                Some(Segment::Name(name)) => (Some(name), nothing.clone()),
                _ => continue,
            };
            let is_match = |id: NodeId| match name {
                Some(name) => tree.name(id) == name,
                None => self.is_instance(id, &alias),
            };
            let matching: Vec<usize> = (0..doomed.len()).filter(|&place| is_match(doomed[place].0)).collect();
            let counts_for = |keys: &Alias| name.is_none() && alias.pairs.iter().all(|pair| keys.pairs.contains(pair));
            let mut kept = matching.iter().filter(|&&place| doomed[place].1.is_none()).count();
            let mut count = kept + adds.iter().filter(|(keys, _)| counts_for(keys)).count();
            // Too many: what is only planned goes first, then the last instances.
            while count > max as usize {
                let Some(place) = adds.iter().rposition(|(keys, _)| counts_for(keys)) else { break };
                adds.remove(place);
                count -= 1;
            }
            for &place in matching.iter().rev() {
                if count <= max as usize {
                    break;
                }
                if doomed[place].1.is_none() {
                    doomed[place].1 = Some(index);
                    kept -= 1;
                    count -= 1;
                }
            }
            // Too few: what an earlier declaration would delete is kept, then new ones are added.
            for &place in &matching {
                if count >= min as usize {
                    break;
                }
                if doomed[place].1.is_some() {
                    doomed[place].1 = None;
                    count += 1;
                }
            }
            // A concrete instance cannot be brought about: the device chooses the numbers.
            if name.is_none() {
                while count < min as usize {
                    adds.push((alias.clone(), index));
                    count += 1;
                }
            }
        }
        let deletes = doomed.into_iter().filter_map(|(id, index)| Some((id, index?))).collect();
        InstancePlan { deletes, adds }
    }

    /// The changes that the device must make for one object, as far as it may be changed.
    pub(super) fn queued_changes(&self, parent: NodeId, weight: i64) -> Vec<QueuedChange> {
        let tree = self.situation.tree;
        let settings = self.situation.settings;
        let object = tree.path_text(parent);
        if self.situation.ledger.unchangeable.contains(&object) {
            return Vec::new();
        }
        let plan = self.instance_plan(parent);
        let describe = |index: usize| {
            let effective = self.effective(index);
            (effective.source, effective.declaration.origin.to_string())
        };
        let mut out = Vec::new();
        for (id, index) in plan.deletes {
            let deletable = settings.skip_writable_check || tree.node(id).writable != Some(false);
            if deletable && self.effective(index).weight == weight {
                let (source, origin) = describe(index);
                out.push(QueuedChange::Delete { instance: tree.path_text(id), source, origin });
            }
        }
        let growable = settings.skip_writable_check || tree.node(parent).writable == Some(true);
        for (keys, index) in plan.adds {
            if growable && self.effective(index).weight == weight {
                let (source, origin) = describe(index);
                let keys = keys.pairs.iter().map(|(key, text)| (key.to_string(), text.clone())).collect();
                out.push(QueuedChange::Add { object: object.clone(), keys, source, origin });
            }
        }
        out
    }

    /// The same for a root with entries, which the server keeps itself.
    pub(super) fn local_instances(&self, parent: NodeId, kind: &'static EntryKind) -> Vec<LocalChange> {
        let plan = self.instance_plan(parent);
        let removals = plan.deletes.into_iter().map(|(id, _)| LocalChange::RemoveEntry(id));
        let additions = plan.adds.into_iter().map(|(keys, _)| {
            let fields = keys.pairs.iter().map(|(key, text)| (key.to_string(), text.clone())).collect();
            LocalChange::AddEntry(kind, fields)
        });
        removals.chain(additions).collect()
    }
}

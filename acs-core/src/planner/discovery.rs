//! Walking declared patterns through the tree: what must be listed, what must be read, and which nodes are meant.

use std::collections::BTreeMap;

use crate::declaration::Freshness;
use crate::entries::EntryKind;
use crate::path::{Path, Segment};
use crate::rpc::AcsRequest;
use crate::tree::{DeviceTree, LOCAL_ROOTS, NodeId};

use super::{Need, Planner, Purpose, Role, Step, Target};

/// What a walk asks of the nodes that it reaches.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// How fresh.
    pub fresh: Freshness,
    /// Who asks.
    pub source: u32,
    /// The declaration, when the nodes are its targets; `None` for the keys of an alias.
    pub declaration: Option<usize>,
}

/// Undiscovered levels deeper than this are not counted when the size of a subtree is estimated.
const ESTIMATE_DEPTH: usize = 8;

impl<'a> Planner<'a> {
    /// Walks all declarations.
    pub(super) fn discover(&mut self) {
        for index in 0..self.situation.declarations.len() {
            let effective = self.situation.declarations[index];
            let declaration = effective.declaration;
            if effective.role == Role::Satisfied {
                self.shield(index);
                continue;
            }
            let mut fresh = declaration.fresh;
            if declaration.wanted.value.is_some()
                || declaration.wanted.notification.is_some()
                || declaration.wanted.access_list.is_some()
            {
                fresh.writable = fresh.writable.max(1);
            }
            let demand = Demand { fresh, source: effective.source, declaration: Some(index) };
            self.walk_declaration(&declaration.path, demand);
        }
        for path in &self.situation.ledger.relist {
            if let Some(id) = self.situation.tree.find(path) {
                self.add_need(id, &[], u32::MAX);
            }
        }
    }

    /// What a higher weight has set in an earlier round of this cycle is not for lower weights to change.
    fn shield(&mut self, index: usize) {
        let effective = *self.effective(index);
        let tree = self.situation.tree;
        let is_lower = |other: Option<usize>| {
            other.is_some_and(|other| self.situation.declarations[other].weight < effective.weight)
        };
        let wanted = &effective.declaration.wanted;
        let mut cleared = Vec::new();
        for id in tree.matches(&effective.declaration.path) {
            let Some(target) = self.targets.get(&id) else { continue };
            let mut target = *target;
            if wanted.value.is_some() && is_lower(target.value) {
                target.value = None;
            }
            if wanted.notification.is_some() && is_lower(target.notification) {
                target.notification = None;
            }
            if wanted.access_list.is_some() && is_lower(target.access_list) {
                target.access_list = None;
            }
            cleared.push((id, target));
        }
        if let [Segment::Name(root), Segment::Name(tag)] = effective.declaration.path.segments()
            && &**root == "Tags"
            && is_lower(self.tags.get(tag).copied())
        {
            self.tags.remove(tag);
        }
        self.targets.extend(cleared);
    }

    fn walk_declaration(&mut self, path: &'a Path, demand: Demand) {
        let segments = path.segments();
        match path.first_name() {
            Some("Reboot") if segments.len() == 1 => {
                if self.wants_value(demand.declaration) {
                    self.reboot = demand.declaration;
                }
            }
            Some("FactoryReset") if segments.len() == 1 => {
                if self.wants_value(demand.declaration) {
                    self.factory_reset = demand.declaration;
                }
            }
            Some("ScheduleInform") if segments.len() == 1 => {
                if self.wants_value(demand.declaration) {
                    self.schedule_inform = demand.declaration;
                }
            }
            Some("Tags") => self.walk_tags(path, demand),
            Some("VirtualParameters") => self.walk_virtual_parameters(path, demand),
            Some(name) if EntryKind::of_root(name).is_some() && self.situation.tree.find(name).is_none() => {
                if demand.declaration.is_some_and(|index| self.effective(index).is_active()) {
                    self.missing_local_root = EntryKind::of_root(name).map(|kind| kind.root);
                }
            }
            Some(name) if LOCAL_ROOTS.contains(&name) => self.walk(DeviceTree::ROOT, segments, demand, true),
            _ => self.walk(DeviceTree::ROOT, segments, demand, false),
        }
    }

    fn wants_value(&self, declaration: Option<usize>) -> bool {
        declaration.is_some_and(|index| self.effective(index).declaration.wanted.value.is_some())
    }

    fn walk_tags(&mut self, path: &Path, demand: Demand) {
        if !self.wants_value(demand.declaration) {
            return;
        }
        let Some(index) = demand.declaration else { return };
        match path.segments() {
            [_, Segment::Name(tag)] => {
                self.tags.insert(tag.clone(), index);
            }
            [_, _] => {
                for id in self.situation.tree.matches(path) {
                    self.tags.insert(self.situation.tree.name(id).clone(), index);
                }
            }
            _ => {}
        }
    }

    fn walk_virtual_parameters(&mut self, path: &Path, demand: Demand) {
        let [_, segment] = path.segments() else { return };
        let names: Vec<_> = match segment {
            Segment::Name(name) => {
                self.situation.virtual_parameters.iter().filter(|known| *known == name).cloned().collect()
            }
            _ => self.situation.virtual_parameters.to_vec(),
        };
        for name in names {
            let node =
                self.situation.tree.find("VirtualParameters").and_then(|root| self.situation.tree.child(root, &name));
            let value_at =
                node.and_then(|id| self.situation.tree.node(id).value.as_ref()).map_or(0, |stored| stored.at);
            let listed_at = node.map_or(0, |id| self.situation.tree.node(id).listed_at);
            let mut stale = Freshness::default();
            if demand.fresh.value > value_at {
                stale.value = demand.fresh.value;
            }
            if demand.fresh.writable > listed_at {
                stale.writable = demand.fresh.writable;
            }
            if !stale.is_empty() {
                let (fresh, sources) = self.virtual_gets.entry(name.clone()).or_default();
                fresh.value = fresh.value.max(stale.value);
                fresh.writable = fresh.writable.max(stale.writable);
                sources.insert(demand.source);
            }
            if let Some(index) = demand.declaration
                && self.wants_value(demand.declaration)
            {
                self.virtual_sets.insert(name, index);
            }
        }
    }

    /// Follows a pattern's segments from a node. `local` says that the server keeps what is below.
    fn walk(&mut self, at: NodeId, segments: &'a [Segment], demand: Demand, local: bool) {
        let Some((segment, rest)) = segments.split_first() else {
            self.reach(at, demand, local);
            return;
        };
        if rest.is_empty()
            && let Some(index) = demand.declaration
            && self.effective(index).declaration.wanted.instances.is_some()
        {
            self.add_count(at, index);
        }
        let tree = self.situation.tree;
        let wanted_at = demand.fresh.path.max(1);
        match segment {
            Segment::Name(name) => match tree.child(at, name) {
                Some(child) => {
                    if rest.is_empty() && !local {
                        let node = tree.node(child);
                        let read_anyway =
                            !node.object && demand.fresh.value > node.value.as_ref().map_or(0, |stored| stored.at);
                        if node.seen_at() < wanted_at && !read_anyway && at != DeviceTree::ROOT {
                            self.add_need(at, segments, demand.source);
                        }
                    }
                    self.walk(child, rest, demand, local);
                }
                None => {
                    if !local && tree.node(at).enumerated_at < wanted_at && self.may_have(at, segments) {
                        self.add_need(at, segments, demand.source);
                    }
                }
            },
            Segment::Wildcard | Segment::AnyDepth => {
                if !local && tree.node(at).enumerated_at < wanted_at && self.may_have(at, segments) {
                    self.add_need(at, segments, demand.source);
                }
                for &child in tree.children(at) {
                    if tree.is_hidden_root(at, child) {
                        continue;
                    }
                    self.walk(child, rest, demand, local);
                    if matches!(segment, Segment::AnyDepth) {
                        self.walk(child, segments, demand, local);
                    }
                }
            }
            Segment::Alias(alias) => {
                if !local && tree.node(at).enumerated_at < wanted_at && self.may_have(at, segments) {
                    self.add_need(at, segments, demand.source);
                }
                let fresh = Freshness { path: demand.fresh.path, value: wanted_at, ..Freshness::default() };
                let key_demand = Demand { fresh, source: demand.source, declaration: None };
                for &child in tree.children(at) {
                    if !local {
                        for (key, _) in &alias.pairs {
                            self.walk(child, key.segments(), key_demand, local);
                        }
                    }
                    if self.is_instance(child, alias) {
                        self.walk(child, rest, demand, local);
                    }
                }
            }
        }
    }

    /// Whether asking the device for the children of a node makes sense: parameters have none, and the names of the roots are
    /// asked for only when a root is named that is not known, or none is.
    fn may_have(&self, at: NodeId, segments: &[Segment]) -> bool {
        let tree = self.situation.tree;
        if at != DeviceTree::ROOT {
            let node = tree.node(at);
            return node.object || node.value.is_none() && node.writable.is_none();
        }
        if self.situation.settings.skip_root_gpn {
            return false;
        }
        let one_level = matches!(segments.first(), Some(Segment::Wildcard | Segment::Alias(_)));
        let knows_a_root = tree.children(at).iter().any(|&child| !tree.is_hidden_root(at, child));
        !(one_level && knows_a_root)
    }

    /// A node that a walk ends at.
    fn reach(&mut self, id: NodeId, demand: Demand, local: bool) {
        let tree = self.situation.tree;
        let node = tree.node(id);
        let fresh = demand.fresh;
        if !local && id != DeviceTree::ROOT {
            let parent = tree.parent(id);
            let known_at = node.value.as_ref().map_or(0, |stored| stored.at);
            if fresh.value > 0
                && !node.object
                && known_at < fresh.value
                && !self.is_listed_in(&self.situation.ledger.unreadable, id)
            {
                self.values.add(id, demand.source);
            }
            let kind_known_at = node.seen_at();
            // Below the root nothing more can be learnt of a node that is known to be there.
            let unlisted = node.writable.is_none() || node.listed_at < fresh.writable;
            if parent != DeviceTree::ROOT && (fresh.object > kind_known_at || fresh.writable > 0 && unlisted) {
                self.add_need(parent, &[], demand.source);
            }
            let attributes_at = node.attributes.as_ref().map_or(0, |attributes| attributes.at);
            let attributes_wanted = fresh.notification.max(fresh.access_list);
            if attributes_wanted > attributes_at && !self.is_listed_in(&self.situation.ledger.unreadable_attributes, id)
            {
                self.attributes.add(id, demand.source);
            }
        }
        let Some(index) = demand.declaration else { return };
        let effective = *self.effective(index);
        let wanted = &effective.declaration.wanted;
        if wanted.value.is_none() && wanted.notification.is_none() && wanted.access_list.is_none() {
            return;
        }
        if !effective.is_active() {
            self.overrule(id, index);
            return;
        }
        let order = &mut self.target_order;
        let target = self.targets.entry(id).or_insert_with(|| {
            order.push(id);
            Target::default()
        });
        // Declarations come by ascending weight and in order, so the later one wins.
        if wanted.value.is_some() {
            target.value = Some(index);
        }
        if wanted.notification.is_some() {
            target.notification = Some(index);
        }
        if wanted.access_list.is_some() {
            target.access_list = Some(index);
        }
    }

    /// A declaration that waits still counts where something is written now that it would overwrite afterwards. Written once,
    /// with the last word's value, the parameter comes to rest; written in turns, it never would.
    fn overrule(&mut self, id: NodeId, index: usize) {
        let effective = *self.effective(index);
        let Some(mut target) = self.targets.get(&id).copied() else { return };
        let is_equal = |other: Option<usize>| {
            other.is_some_and(|other| self.situation.declarations[other].weight == effective.weight)
        };
        let wanted = &effective.declaration.wanted;
        if wanted.value.is_some() && is_equal(target.value) {
            target.value = Some(index);
        }
        if wanted.notification.is_some() && is_equal(target.notification) {
            target.notification = Some(index);
        }
        if wanted.access_list.is_some() && is_equal(target.access_list) {
            target.access_list = Some(index);
        }
        self.targets.insert(id, target);
    }

    fn is_listed_in(&self, names: &std::collections::BTreeSet<String>, id: NodeId) -> bool {
        !names.is_empty() && names.contains(&self.situation.tree.path_text(id))
    }

    pub(super) fn add_need(&mut self, id: NodeId, below: &'a [Segment], source: u32) {
        if self.is_listed_in(&self.situation.ledger.unlistable, id) {
            return;
        }
        let order = &mut self.need_order;
        let need = self.needs.entry(id).or_insert_with(|| {
            order.push(id);
            Need::default()
        });
        if !below.is_empty() {
            need.below.push(below);
        }
        if source != u32::MAX {
            need.sources.insert(source);
        }
    }

    fn add_count(&mut self, parent: NodeId, index: usize) {
        let order = &mut self.count_order;
        self.counts
            .entry(parent)
            .or_insert_with(|| {
                order.push(parent);
                Vec::new()
            })
            .push(index);
    }

    /// The next GetParameterNames: the shallowest object that must be listed.
    pub(super) fn next_listing(&mut self) -> Option<Step> {
        let tree = self.situation.tree;
        let (depth, id) = self.need_order.iter().map(|&id| (tree.depth(id), id)).min_by_key(|&(depth, _)| depth)?;
        let sources = self.needs.get(&id).map(|need| need.sources.clone()).unwrap_or_default();
        let next_level = self.lists_one_level(id, depth);
        let mut parameter_path = tree.path_text(id);
        if id != DeviceTree::ROOT {
            parameter_path.push('.');
        }
        Some(Step::Request(AcsRequest::GetParameterNames { parameter_path, next_level }, Purpose::Read { sources }))
    }

    /// Decides between one level and the whole subtree: by how many requests going level by level would take.
    fn lists_one_level(&self, id: NodeId, depth: usize) -> bool {
        if depth < self.situation.settings.gpn_next_level {
            return true;
        }
        let estimate = self.estimate(id);
        let wants_all = self
            .needs
            .get(&id)
            .is_some_and(|need| need.below.iter().any(|below| matches!(below.first(), Some(Segment::AnyDepth))));
        if wants_all && estimate >= 2 {
            return false;
        }
        estimate < 1 << 8usize.saturating_sub(depth)
    }

    /// How many requests it would take to list everything wanted at and below a node, one level each.
    fn estimate(&self, id: NodeId) -> usize {
        let tree = self.situation.tree;
        let mut sum = 0usize;
        for (&need_id, need) in &self.needs {
            if !self.is_at_or_below(need_id, id) {
                continue;
            }
            let mut unknown: Vec<&[Segment]> = Vec::new();
            let has_children = !tree.children(need_id).is_empty();
            for &below in &need.below {
                match below.first() {
                    Some(Segment::Name(name)) if tree.child(need_id, name).is_some() => {}
                    Some(Segment::Name(_)) => unknown.push(below),
                    Some(_) if has_children => {}
                    Some(_) => unknown.push(below),
                    None => {}
                }
            }
            sum = sum.saturating_add(1 + estimate_below(&unknown, ESTIMATE_DEPTH));
        }
        sum
    }

    fn is_at_or_below(&self, mut id: NodeId, ancestor: NodeId) -> bool {
        loop {
            if id == ancestor {
                return true;
            }
            if id == DeviceTree::ROOT {
                return false;
            }
            id = self.situation.tree.parent(id);
        }
    }
}

/// The cost of what lies below a level that is being listed: each named child that wants to be listed costs 1, an unknown
/// number of children counts as two.
fn estimate_below<'s>(patterns: &[&'s [Segment]], depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let mut named: BTreeMap<&str, Vec<&'s [Segment]>> = BTreeMap::new();
    let mut any: Vec<&'s [Segment]> = Vec::new();
    for pattern in patterns {
        match pattern.split_first() {
            None => {}
            Some((Segment::Name(name), rest)) => named.entry(name).or_default().push(rest),
            Some((Segment::Wildcard, rest)) => any.push(rest),
            Some((Segment::AnyDepth, rest)) => {
                any.push(pattern);
                any.push(rest);
            }
            Some((Segment::Alias(alias), rest)) => {
                any.push(rest);
                any.extend(alias.pairs.iter().map(|(key, _)| key.segments()));
            }
        }
    }
    let level = |rests: &[&'s [Segment]]| -> usize {
        if rests.iter().all(|rest| rest.is_empty()) { 0 } else { 1 + estimate_below(rests, depth - 1) }
    };
    let named_cost: usize = named.values().map(|rests| level(rests)).sum();
    named_cost + 2 * level(&any)
}

//! What the device refuses: narrowing a refusal down to what caused it, so that the rest still happens.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use crate::fault::{Fault, cpe_fault_detail};
use crate::planner::{AttributesWish, CreationStage, PendingSet, Purpose, QueuedChange, Refusal, Sources};
use crate::rpc::{AcsRequest, CpeFault, SetParameterAttributesStruct, is_lightweight};
use crate::tree::{StoredAttributes, StoredValue};

use super::answers::alias_text;
use super::commands::command_names;
use super::configuration::Configuration;
use super::{Outstanding, Session};

/// Invalid arguments (TR-069 A.5.1).
const INVALID_ARGUMENTS: &str = "9003";
/// Invalid Parameter Name (TR-069 A.5.1).
const INVALID_PARAMETER_NAME: &str = "9005";
/// Invalid Parameter Value (TR-069 A.5.1).
const INVALID_PARAMETER_VALUE: &str = "9007";

impl Session {
    pub(super) fn take_fault(&mut self, outstanding: Outstanding, fault: CpeFault, configuration: &dyn Configuration) {
        let Some(cycle) = &mut self.cycle else { return };
        cycle.answers += 1;
        let Outstanding { mut request, purpose, .. } = outstanding;
        self.record_refusal(&mut request, &fault);
        let Some(cycle) = &mut self.cycle else { return };
        match (request, purpose) {
            (AcsRequest::GetParameterNames { parameter_path, .. }, Purpose::Read { sources }) => {
                self.names_refused(&parameter_path, &sources, &fault);
            }
            (AcsRequest::GetParameterValues { parameter_names }, Purpose::Read { sources }) => {
                self.values_refused(parameter_names, &sources, &fault);
            }
            (AcsRequest::GetParameterAttributes { parameter_names }, Purpose::Read { sources }) => {
                self.attributes_refused(parameter_names, &sources, &fault);
            }
            (AcsRequest::SetParameterValues { .. }, Purpose::SetValues(sets)) => self.sets_refused(sets, &fault),
            (AcsRequest::SetParameterAttributes { parameter_list }, Purpose::SetAttributes(wishes)) => {
                self.attribute_sets_refused(&parameter_list, &wishes, &fault);
            }
            (
                AcsRequest::GetParameterValues { .. } | AcsRequest::SetParameterValues { .. },
                Purpose::CreationRead | Purpose::CreationSet(_),
            ) => {
                self.creation_refused(&fault);
            }
            (_, Purpose::Change(change)) => self.change_refused(change, &fault),
            (_, Purpose::CreationUndo) => self.creation_undone(),
            (request, Purpose::Command { sources, instances }) => {
                let names = command_names(&request, &instances);
                let what = format!("{}: the device refused it", names.join(", "));
                cycle.ledger.refused_commands.extend(names);
                self.refuse(&sources, &fault, &what, json!({}));
            }
            (request, Purpose::Direct { source }) => {
                let mut fault = Fault::from_cpe(&fault);
                fault.message = format!("{}: {}", request.name(), fault.message);
                self.fault_sources(&Sources::from([source]), fault, configuration);
            }
            (_, Purpose::Methods) => self.learn_methods(&[]),
            (request, _) => {
                let all = cycle.all_sources();
                let mut fault = Fault::from_cpe(&fault);
                fault.message = format!("{}: {}", request.name(), fault.message);
                self.fault_sources(&all, fault, configuration);
            }
        }
    }

    /// The device said nothing, or something else. The request is not repeated.
    pub(super) fn take_unanswered(
        &mut self,
        outstanding: Outstanding,
        reason: &str,
        configuration: &dyn Configuration,
    ) {
        if let Some(cycle) = &mut self.cycle {
            cycle.answers += 1;
        }
        if outstanding.purpose == Purpose::Methods {
            return self.learn_methods(&[]);
        }
        let name = outstanding.request.name().to_owned();
        let Some(outstanding) = self.unsent_restart(outstanding, configuration) else {
            return self.note(format!("The device did not answer {name}: {reason}"), Json::Null);
        };
        let Outstanding { mut request, purpose, .. } = outstanding;
        self.record_silence(&mut request, reason);
        let Some(cycle) = &mut self.cycle else { return };
        let lowest = cycle.sources_of(&purpose);
        cycle.ledger.creation = None;
        cycle.ledger.queue.clear();
        let lowest = if lowest.is_empty() { cycle.all_sources() } else { lowest };
        let message = format!("The device did not answer {}: {reason}", request.name());
        self.fault_sources(&lowest, Fault::new("invalid_response", message), configuration);
    }

    fn names_refused(&mut self, parameter_path: &str, sources: &Sources, fault: &CpeFault) {
        let path = parameter_path.trim_end_matches('.').to_owned();
        let at = self.stamp;
        if path.is_empty() {
            // Some devices cannot list their roots. That is asked once and then taken as it is.
            let root = crate::tree::DeviceTree::ROOT;
            self.tree_mut().set_enumerated(root, at);
            self.note(format!("the device does not list its roots ({} {})", fault.code, fault.message), Json::Null);
            return;
        }
        let Some(cycle) = &mut self.cycle else { return };
        let suspicion = cycle.ledger.suspects.entry(path.clone()).or_default();
        *suspicion += 1;
        if fault.code == INVALID_PARAMETER_NAME && *suspicion == 1 {
            self.forget(&path);
            return;
        }
        cycle.ledger.unlistable.insert(path.clone());
        cycle.ledger.relist.remove(&path);
        self.refuse(
            sources,
            fault,
            &format!("{path}: the device lists it, but not what is below"),
            json!({ "parameter": path }),
        );
    }

    fn values_refused(&mut self, names: Vec<String>, sources: &Sources, fault: &CpeFault) {
        let Some(cycle) = &mut self.cycle else { return };
        let was_split = cycle.ledger.split_reads.front().is_some_and(|group| *group == names);
        if was_split {
            cycle.ledger.split_reads.pop_front();
        }
        let first_time = names.iter().all(|name| !cycle.ledger.suspects.contains_key(name));
        if fault.code == INVALID_PARAMETER_NAME && first_time {
            for name in &names {
                cycle.ledger.suspects.insert(name.clone(), 1);
            }
            if let [name] = names.as_slice() {
                let name = name.clone();
                self.forget(&name);
            } else {
                let parents =
                    names.iter().filter_map(|name| name.rsplit_once('.')).map(|(parent, _)| parent.to_owned());
                cycle.ledger.relist.extend(parents);
            }
            return;
        }
        if names.len() > 1 {
            let half = names.len() / 2;
            cycle.ledger.split_reads.push_front(names[half..].to_vec());
            cycle.ledger.split_reads.push_front(names[..half].to_vec());
            return;
        }
        cycle.ledger.unreadable.extend(names.iter().cloned());
        let name = names.into_iter().next().unwrap_or_default();
        self.refuse(
            sources,
            fault,
            &format!("{name}: the device refused to tell its value"),
            json!({ "parameter": name }),
        );
    }

    fn attributes_refused(&mut self, names: Vec<String>, sources: &Sources, fault: &CpeFault) {
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.split_attribute_reads.pop_front_if(|group| *group == names);
        }
        if fault.code == INVALID_PARAMETER_NAME && self.look_again(names.iter()) {
            return;
        }
        let Some(cycle) = &mut self.cycle else { return };
        if names.len() > 1 {
            let (first, second) = names.split_at(names.len() / 2);
            cycle.ledger.split_attribute_reads.push_front(second.to_vec());
            cycle.ledger.split_attribute_reads.push_front(first.to_vec());
            return;
        }
        cycle.ledger.unreadable_attributes.extend(names.iter().cloned());
        let name = names.into_iter().next().unwrap_or_default();
        self.refuse(
            sources,
            fault,
            &format!("{name}: the device refused to tell its attributes"),
            json!({ "parameter": name }),
        );
    }

    fn sets_refused(&mut self, sets: Vec<PendingSet>, fault: &CpeFault) {
        let named: Vec<&PendingSet> = sets
            .iter()
            .filter(|set| fault.set_parameter_values_faults.iter().any(|entry| entry.parameter_name == set.path))
            .collect();
        if named.is_empty() && sets.len() > 1 {
            let Some(cycle) = &mut self.cycle else { return };
            let paths: Vec<String> = sets.iter().map(|set| set.path.clone()).collect();
            split_groups(&mut cycle.ledger.split_sets, &paths);
            return;
        }
        let guilty: Vec<PendingSet> = if named.is_empty() { sets } else { named.into_iter().cloned().collect() };
        for set in guilty {
            let entry = fault.set_parameter_values_faults.iter().find(|entry| entry.parameter_name == set.path);
            let (code, text) = entry.map_or((&fault.code, &fault.message), |entry| (&entry.code, &entry.message));
            if code == INVALID_PARAMETER_NAME && self.look_again([&set.path].into_iter()) {
                continue;
            }
            if let Some(cycle) = &mut self.cycle {
                cycle.ledger.unsettable.insert(set.path.clone());
            }
            let value = set.value.0.to_text();
            let what = format!(
                "{}: the device refused {value:?} as {} (fault {code} {text}); declared at {}",
                set.path, set.value.1, set.origin
            );
            let detail = json!({
                "parameter": set.path,
                "value": set.value,
                "code": code,
                "message": text,
                "origin": set.origin,
            });
            self.refuse_verbatim(&Sources::from([set.source]), fault, what, detail);
        }
    }

    /// A refusal of SetParameterAttributes names no parameter: the list is halved until the guilty one stands alone.
    fn attribute_sets_refused(
        &mut self,
        changes: &[SetParameterAttributesStruct],
        wishes: &[AttributesWish],
        fault: &CpeFault,
    ) {
        let names: Vec<String> = changes.iter().map(|change| change.name.clone()).collect();
        if fault.code == INVALID_PARAMETER_NAME && self.look_again(names.iter()) {
            return;
        }
        let Some(cycle) = &mut self.cycle else { return };
        let groups = &mut cycle.ledger.split_attribute_sets;
        if [INVALID_ARGUMENTS, INVALID_PARAMETER_VALUE].contains(&fault.code.as_str()) {
            let (lightweight, others): (Vec<_>, Vec<_>) =
                changes.iter().partition(|change| change.notification.is_some_and(is_lightweight));
            let names_of =
                |part: &[&SetParameterAttributesStruct]| part.iter().map(|change| change.name.clone()).collect();
            match (lightweight.is_empty(), others.is_empty()) {
                (true, _) => {}
                (false, true) => return self.lightweight_refused(&names, fault),
                // Which of the two it was shows when they stand apart.
                (false, false) => return replace_groups(groups, &names, [names_of(&lightweight), names_of(&others)]),
            }
        }
        split_groups(groups, &names);
        let ([name], [wish]) = (names.as_slice(), wishes) else { return };
        cycle.ledger.unsettable_attributes.insert(name.clone());
        let what = format!("{name}: the device refused to change its attributes");
        self.refuse(&Sources::from([wish.source]), fault, &what, json!({ "parameter": name }));
    }

    /// All that was refused are notifications of CWMP 1.4: the device does not know them. It gets plain ones from now on, which is no
    /// fault.
    fn lightweight_refused(&mut self, names: &[String], fault: &CpeFault) {
        for name in names {
            let Some(node) = self.tree.find(name) else { continue };
            let Some(known) = self.tree.node(node).attributes.clone() else { continue };
            self.tree_mut().set_attributes(node, StoredAttributes { plain_only: true, ..known });
        }
        let reason = format!("the device does not take notifications 3 to 6 ({} {})", fault.code, fault.text());
        self.note_plain_notifications(reason, names);
    }

    fn creation_refused(&mut self, fault: &CpeFault) {
        let Some(cycle) = &mut self.cycle else { return };
        let Some(creation) = &mut cycle.ledger.creation else { return };
        creation.stage = CreationStage::Undo;
        let keys: Vec<_> = creation.keys.iter().map(|(key, text)| format!("{key} = {text:?}")).collect();
        let message = format!(
            "{}: the device refused the keys {} of the new instance (fault {} {}); declared at {}",
            creation.instance,
            keys.join(", "),
            fault.code,
            fault.message,
            creation.origin
        );
        let source = creation.source;
        self.refuse_creation(source, &format!("cwmp.{}", fault.code), message, cpe_fault_detail(fault));
    }

    fn change_refused(&mut self, change: QueuedChange, fault: &CpeFault) {
        let Some(cycle) = &mut self.cycle else { return };
        cycle.ledger.queue.pop_front();
        if fault.code == INVALID_PARAMETER_NAME {
            match &change {
                // It is gone already, which is what was wanted.
                QueuedChange::Delete { instance, .. } if self.look_again([instance].into_iter()) => {
                    return self.instance_deleted(instance);
                }
                QueuedChange::Add { object, .. } if self.look_again([object].into_iter()) => {
                    if let Some(cycle) = &mut self.cycle {
                        cycle.ledger.queue.retain(|other| !other.adds_to(object));
                    }
                    return;
                }
                _ => {}
            }
        }
        let Some(cycle) = &mut self.cycle else { return };
        let (object, what) = match &change {
            QueuedChange::Delete { instance, .. } => (
                instance.rsplit_once('.').map_or("", |(object, _)| object).to_owned(),
                format!("{instance}: the device refused to delete it"),
            ),
            QueuedChange::Add { object, .. } => {
                (object.clone(), format!("{object}: the device refused to add an instance"))
            }
        };
        cycle.ledger.queue.retain(|other| match other {
            QueuedChange::Delete { instance, .. } => instance.rsplit_once('.').is_none_or(|(same, _)| same != object),
            QueuedChange::Add { object: same, .. } => *same != object,
        });
        cycle.ledger.unchangeable.insert(object.clone());
        let message = format!("{what}; declared at {}", change.origin());
        self.refuse(&Sources::from([change.source()]), fault, &message, json!({ "object": object }));
    }

    /// Takes in what is to be added and deleted. When an instance was added in this cycle for the very alias that again has too
    /// few matches, something else declared here has changed its keys; when one that was added earlier tells other keys than were
    /// set, the device does not keep them. In both cases adding one more would go on for ever.
    pub(super) fn queue_changes(&mut self, changes: Vec<QueuedChange>) {
        for change in changes {
            if self.refuse_addition(&change) {
                continue;
            }
            let Some(cycle) = &mut self.cycle else { return };
            let spoilt = match &change {
                QueuedChange::Add { object, keys, .. } if !keys.is_empty() => {
                    let tree = &self.tree;
                    cycle.ledger.created.iter().find(|(instance, alias)| {
                        **alias == alias_text(keys)
                            && instance.rsplit_once('.').is_some_and(|(parent, _)| parent == object)
                            && keys.iter().any(|(key, text)| {
                                let node = tree.find(&format!("{instance}.{key}"));
                                node.is_some_and(|id| !tree.node(id).value_equals_text(text))
                            })
                    })
                }
                _ => None,
            };
            let (Some((instance, alias)), QueuedChange::Add { object, source, origin, .. }) = (spoilt, &change) else {
                cycle.ledger.queue.push_back(change);
                continue;
            };
            let message = format!(
                "{instance}: it was added for [{alias}], but another declaration has changed its keys; no more are added; \
                 declared at {origin}"
            );
            let detail = json!({ "instance": instance, "alias": alias });
            cycle.ledger.unchangeable.insert(object.clone());
            let sources = cycle.lowest_sources(&Sources::from([*source]));
            cycle.ledger.refusals.push(Refusal { sources, code: "instance_key_changed".to_owned(), message, detail });
        }
    }

    /// Refuses an addition for an alias whose last instance did not keep its keys.
    fn refuse_addition(&mut self, change: &QueuedChange) -> bool {
        let QueuedChange::Add { object, keys, source, origin } = change else { return false };
        let Some((parameter, stored)) = self.lost_key(object, keys) else { return false };
        let (Some(cycle), Some(written)) = (&mut self.cycle, stored.written) else { return false };
        let alias = alias_text(keys);
        let message = format!(
            "{parameter}: the device acknowledged {:?} as key of an instance that was added for [{alias}], but tells {:?}; no \
             more are added; declared at {origin}",
            written.0.to_text(),
            stored.value.0.to_text(),
        );
        let detail = json!({ "parameter": parameter, "set": written, "read": stored.value, "origin": origin });
        cycle.ledger.unchangeable.insert(object.clone());
        let sources = cycle.lowest_sources(&Sources::from([*source]));
        cycle.ledger.refusals.push(Refusal { sources, code: "value_not_kept".to_owned(), message, detail });
        true
    }

    /// The key that an instance, added for these keys before, has not kept.
    fn lost_key(&self, object: &str, keys: &[(String, String)]) -> Option<(String, StoredValue)> {
        let alias = alias_text(keys);
        let tree = &self.tree;
        let instances = tree.children(tree.find(object)?).iter();
        let added = instances.filter(|&&id| tree.node(id).created_for.as_deref() == Some(alias.as_str()));
        let mut parameters =
            added.flat_map(|&id| keys.iter().map(move |(key, _)| format!("{}.{key}", tree.path_text(id))));
        parameters.find_map(|parameter| {
            let stored = tree.node(tree.find(&parameter)?).value.clone()?;
            let is_lost = stored.written.as_ref().is_some_and(|written| **written != stored.value);
            is_lost.then_some((parameter, stored))
        })
    }

    /// A name that the device no longer knows: it and what is below is forgotten, and its parent listed again.
    fn forget(&mut self, path: &str) {
        self.relist_parent(path);
        if let Some(node) = self.tree.find(path) {
            self.tree_mut().remove(node);
        }
    }

    /// Names that the device calls invalid are listed again: those that are gone drop out by themselves, which is no fault.
    /// Returns false when they have all been called invalid before.
    fn look_again<'n>(&mut self, names: impl Iterator<Item = &'n String>) -> bool {
        let mut any = false;
        for name in names {
            let Some(cycle) = &mut self.cycle else { return false };
            let suspicion = cycle.ledger.suspects.entry(name.clone()).or_default();
            *suspicion += 1;
            if *suspicion == 1 {
                any = true;
                self.relist_parent(name);
            }
        }
        any
    }

    fn relist_parent(&mut self, path: &str) {
        let Some((parent, _)) = path.rsplit_once('.') else { return };
        if let Some(node) = self.tree.find(parent) {
            self.tree_mut().set_enumerated(node, 0);
        }
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.relist.insert(parent.to_owned());
        }
    }

    /// Remembers a refusal with the device's code and words behind what was tried.
    fn refuse(&mut self, sources: &Sources, fault: &CpeFault, what: &str, detail: Json) {
        let message = format!("{what} (fault {} {})", fault.code, fault.text());
        self.refuse_verbatim(sources, fault, message, detail);
    }

    fn refuse_verbatim(&mut self, sources: &Sources, fault: &CpeFault, message: String, refused: Json) {
        let Some(cycle) = &mut self.cycle else { return };
        let sources = cycle.lowest_sources(sources);
        let sources = if sources.is_empty() { cycle.all_sources() } else { sources };
        let mut detail = cpe_fault_detail(fault);
        detail["refused"] = refused;
        cycle.ledger.refusals.push(Refusal { sources, code: format!("cwmp.{}", fault.code), message, detail });
    }

    /// After reading: values that this server has set, that the device acknowledged, and that it now tells otherwise, although
    /// the same value is still wanted. Setting them again would go on for ever.
    pub(super) fn check_kept_values(&mut self, names: &[String]) {
        let Some(cycle) = &self.cycle else { return };
        let Some(level) = cycle.levels.last() else { return };
        let mut refusals = Vec::new();
        for name in names {
            let Some(node) = self.tree.find(name) else { continue };
            let Some(stored) = &self.tree.node(node).value else { continue };
            let Some(written) = &stored.written else { continue };
            if written.0.clone().coerce(&stored.value.1) == stored.value.0 {
                continue;
            }
            let segments: Vec<&str> = name.split('.').collect();
            let wanting = (0u32..).zip(&level.sources).filter_map(|(index, source)| {
                let declaration = source.declarations.iter().rev().find(|declaration| {
                    let wanted = declaration.wanted.value.as_ref();
                    declaration.path.covers(&segments)
                        && wanted.is_some_and(|(value, _)| value.clone().coerce(&written.1) == written.0)
                })?;
                Some((index, declaration.origin.to_string()))
            });
            let Some((index, origin)) = wanting.last() else { continue };
            let set_at = stored.writer.as_deref().unwrap_or("");
            let message = format!(
                "{name}: the device acknowledged {:?} (set by {set_at}) but tells {:?}; it is not set again. If it hides this \
                 value, declare it without a freshness of the value; declared at {origin}",
                written.0.to_text(),
                stored.value.0.to_text(),
            );
            let detail = json!({ "parameter": name, "set": written, "read": stored.value, "origin": origin });
            refusals.push((index, name.clone(), message, detail));
        }
        for (index, name, message, detail) in refusals {
            let Some(cycle) = &mut self.cycle else { return };
            cycle.ledger.unsettable.insert(name);
            let sources = cycle.lowest_sources(&Sources::from([index]));
            cycle.ledger.refusals.push(Refusal { sources, code: "value_not_kept".to_owned(), message, detail });
        }
    }
}

/// Puts the two halves of what was refused together in its place; one alone is no group any more.
fn split_groups(groups: &mut VecDeque<Vec<String>>, refused: &[String]) {
    if refused.len() > 1 {
        let (first, second) = refused.split_at(refused.len() / 2);
        replace_groups(groups, refused, [first.to_vec(), second.to_vec()]);
    } else {
        groups.retain(|group| !group.iter().any(|path| refused.contains(path)));
    }
}

/// Puts two parts of what was refused together in its place.
fn replace_groups(groups: &mut VecDeque<Vec<String>>, refused: &[String], [first, second]: [Vec<String>; 2]) {
    groups.retain(|group| !group.iter().any(|path| refused.contains(path)));
    groups.push_front(second);
    groups.push_front(first);
}

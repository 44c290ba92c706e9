//! What to write: local changes, virtual parameters, and the device's parameters, instances and commands.
//!
//! Writes of lower weights wait until those of higher weights are done.

use std::collections::VecDeque;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::rpc::{AcsRequest, Download, SetParameterAttributesStruct};
use crate::tree::{DeviceTree, NodeId};
use crate::value::{TypedValue, Value, XsdType};

use super::{LocalChange, Planner, Purpose, QueuedChange, Step, VirtualParameterSet};

/// What of a file name is percent-encoded in a URL: all but unreserved characters (RFC 3986 §2.3), and slashes.
const OUTSIDE_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

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
            .or_else(|| self.download(weight))
            .or_else(|| self.command(weight, self.reboot, "Reboot", AcsRequest::Reboot { command_key: String::new() }))
            .or_else(|| self.command(weight, self.factory_reset, "FactoryReset", AcsRequest::FactoryReset))
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
        let mut pending: Vec<(SetParameterAttributesStruct, u32)> = Vec::new();
        for &id in &self.target_order {
            let target = self.targets[&id];
            let path = || self.situation.tree.path_text(id);
            let Some(known) = &self.situation.tree.node(id).attributes else { continue };
            let of_weight = |index: Option<usize>| index.filter(|&index| self.effective(index).weight == weight);
            let notification = of_weight(target.notification)
                .and_then(|index| self.effective(index).declaration.wanted.notification)
                .filter(|wanted| *wanted != known.notification);
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
            pending.push((SetParameterAttributesStruct { name: path(), notification, access_list }, source));
        }
        if pending.is_empty() {
            return None;
        }
        let batch = self.batch(pending, &self.situation.ledger.split_attribute_sets, |(change, _)| &change.name);
        let (parameter_list, sources) = batch.into_iter().unzip();
        Some(Step::Request(AcsRequest::SetParameterAttributes { parameter_list }, Purpose::SetAttributes(sources)))
    }

    fn download(&self, weight: i64) -> Option<Step> {
        let tree = self.situation.tree;
        for &id in &self.target_order {
            let Some(index) = self.targets[&id].value else { continue };
            let effective = self.effective(index);
            if effective.weight != weight || !is_download_field(tree, id, "Download") {
                continue;
            }
            let entry = tree.parent(id);
            let instance = tree.name(entry).to_string();
            if self.situation.ledger.refused_commands.contains(&format!("Downloads.{instance}")) {
                continue;
            }
            let Some(wanted) = self.wanted_time(index) else { continue };
            let stored = tree.node(id).typed_value().and_then(as_time).unwrap_or(0);
            if wanted <= 0 || wanted > self.situation.timestamp || wanted <= stored {
                continue;
            }
            let field = |name: &str| {
                let id = tree.child(entry, name)?;
                Some(tree.node(id).typed_value()?.0.to_text().into_owned())
            };
            let file_name = field("FileName").unwrap_or_default();
            let download = Download {
                file_type: field("FileType").unwrap_or_default(),
                url: file_url(&self.situation.settings.file_url_prefix, &file_name),
                target_file_name: field("TargetFileName").unwrap_or_default(),
                ..Download::default()
            };
            return Some(Step::Request(
                AcsRequest::Download(download),
                Purpose::Command { source: effective.source, instance },
            ));
        }
        None
    }

    fn command(&self, weight: i64, declaration: Option<usize>, name: &str, request: AcsRequest) -> Option<Step> {
        let index = declaration?;
        let effective = self.effective(index);
        if !effective.is_active() || effective.weight != weight || self.situation.ledger.refused_commands.contains(name)
        {
            return None;
        }
        let wanted = self.wanted_time(index)?;
        let tree = self.situation.tree;
        let stored = tree.find(name).and_then(|id| tree.node(id).typed_value()).and_then(as_time).unwrap_or(0);
        if wanted <= 0 || wanted > self.situation.timestamp || stored >= wanted {
            return None;
        }
        Some(Step::Request(request, Purpose::Command { source: effective.source, instance: String::new() }))
    }

    fn wanted_time(&self, index: usize) -> Option<i64> {
        let (value, _) = self.effective(index).declaration.wanted.value.as_ref()?;
        as_time(&TypedValue(value.clone().coerce(&XsdType::DateTime), XsdType::DateTime))
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
            if tree.top_level_name(parent) == Some("Downloads") && tree.depth(parent) == 1 {
                out.extend(self.local_instances(parent));
            }
        }
        if !out.is_empty() {
            return out;
        }
        for &id in &self.target_order {
            let Some(index) = self.targets[&id].value else { continue };
            let settable =
                ["FileType", "FileName", "TargetFileName"].iter().any(|field| is_download_field(tree, id, field));
            if settable && let Some(value) = self.wanted_value(id, index) {
                let origin: Arc<str> = self.effective(index).declaration.origin.to_string().into();
                out.push(LocalChange::SetDownloadField(id, value, origin));
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

fn is_download_field(tree: &DeviceTree, id: NodeId, field: &str) -> bool {
    &**tree.name(id) == field && tree.depth(id) == 3 && tree.top_level_name(id) == Some("Downloads")
}

fn as_time(value: &TypedValue) -> Option<i64> {
    match value.0 {
        Value::Int(time) => Some(time),
        Value::Float(time) => Some(time as i64),
        _ => None,
    }
}

/// Where a file is fetched: a name that is a URL already says it itself.
fn file_url(prefix: &str, file_name: &str) -> String {
    if file_name.contains("://") {
        file_name.to_owned()
    } else {
        format!("{prefix}{}", utf8_percent_encode(file_name, OUTSIDE_PATH))
    }
}

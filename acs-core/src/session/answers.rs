//! What the device's answers teach.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::planner::{AttributesWish, Creation, CreationStage, PendingSet, Purpose, QueuedChange, Refusal, Sources};
use crate::rpc::{AcsRequest, CpeResponse, ParameterAttributes, ParameterInfo, SetParameterAttributesStruct};
use crate::tree::{DeviceTree, NodeId, StoredAttributes};
use crate::value::TypedValue;

use super::configuration::Configuration;
use super::quota::{in_order, shortened, value_bytes};
use super::{Outstanding, Session, is_storable_name};

impl Session {
    pub(super) fn take_response(
        &mut self,
        outstanding: Outstanding,
        response: CpeResponse,
        configuration: &dyn Configuration,
    ) {
        if let Some(cycle) = &mut self.cycle {
            cycle.answers += 1;
        }
        let Outstanding { id, mut request, purpose } = outstanding;
        self.record_response(&mut request, &response);
        self.record_parameter_key(&mut request, &response);
        match (request, response, purpose) {
            (
                AcsRequest::GetParameterNames { parameter_path, next_level },
                CpeResponse::GetParameterNamesResponse(list),
                _,
            ) => {
                self.learn_names(&parameter_path, next_level, &list);
            }
            (
                AcsRequest::GetParameterValues { parameter_names },
                CpeResponse::GetParameterValuesResponse(list),
                purpose,
            ) => {
                self.learn_values(&parameter_names, list);
                if purpose == Purpose::CreationRead {
                    self.creation_read();
                }
            }
            (
                AcsRequest::GetParameterAttributes { parameter_names },
                CpeResponse::GetParameterAttributesResponse(list),
                _,
            ) => self.learn_attributes(&parameter_names, list),
            (
                AcsRequest::SetParameterValues { .. },
                CpeResponse::SetParameterValuesResponse { status },
                Purpose::SetValues(sets),
            ) => {
                self.values_set(&sets, status);
            }
            (
                AcsRequest::SetParameterValues { .. },
                CpeResponse::SetParameterValuesResponse { status },
                Purpose::CreationSet(sets),
            ) => {
                self.values_set(&sets, status);
                self.finish_creation();
            }
            (
                AcsRequest::SetParameterAttributes { parameter_list },
                CpeResponse::SetParameterAttributesResponse,
                Purpose::SetAttributes(wishes),
            ) => self.attributes_set(parameter_list, &wishes),
            (_, CpeResponse::AddObjectResponse { instance_number, status }, Purpose::Change(change)) => {
                self.instance_added(change, instance_number, status);
            }
            (
                _,
                CpeResponse::DeleteObjectResponse { .. },
                Purpose::Change(QueuedChange::Delete { instance, origin, source }),
            ) => {
                self.instance_deleted(&instance);
                if let Some(cycle) = &mut self.cycle {
                    cycle.ledger.queue.pop_front();
                    cycle.ledger.created.remove(&instance);
                    cycle.ledger.deleted.insert(instance.clone());
                    cycle.note_write(&instance, "(deleted)".to_owned(), &origin, source);
                }
            }
            (_, CpeResponse::DeleteObjectResponse { .. }, Purpose::CreationUndo) => self.creation_undone(),
            (request, response, Purpose::Command { sources, instances }) => {
                let done = match response {
                    CpeResponse::DownloadResponse { status: 0, start_time, complete_time }
                    | CpeResponse::UploadResponse { status: 0, start_time, complete_time } => {
                        Some((start_time, complete_time))
                    }
                    _ => None,
                };
                self.accepted(request, &id, &sources, instances, done, configuration);
            }
            (request, response, Purpose::Direct { source }) => self.direct_answered(&request, response, source),
            (_, CpeResponse::GetRPCMethodsResponse(methods), Purpose::Methods) => self.learn_methods(&methods),
            (request, response, purpose) => {
                let outstanding = Outstanding { id, request, purpose };
                let reason = format!("{} does not fit", response.name());
                self.take_unanswered(outstanding, &reason, configuration);
            }
        }
    }

    fn learn_names(&mut self, parameter_path: &str, next_level: bool, list: &[ParameterInfo]) {
        let at = self.stamp;
        let mut ignored: Vec<&str> = Vec::new();
        let mut room = self.room();
        let mut overflow = None;
        let tree = Arc::make_mut(&mut self.tree);
        let base = tree.ensure(parameter_path);
        tree.set_object(base, true);
        let mut objects = Vec::new();
        for info in in_order(list) {
            let is_object = info.name.ends_with('.');
            let inside =
                info.name.starts_with(parameter_path) || info.name.as_str() == parameter_path.trim_end_matches('.');
            if !inside || info.name.is_empty() || !is_storable_name(&info.name) {
                ignored.push(&info.name);
                continue;
            }
            let node = match tree.find(info.name.trim_end_matches('.')) {
                Some(node) => node,
                None => {
                    if let Err(reason) = room.take(tree, &info.name, 0) {
                        overflow.get_or_insert((reason, &info.name));
                        continue;
                    }
                    tree.ensure(&info.name)
                }
            };
            tree.set_listed(node, is_object, info.writable, at);
            if node == base {
                continue;
            }
            if is_object {
                objects.push(node);
            }
            // Parents that the device left out exist all the same.
            let mut parent = tree.parent(node);
            while parent != base && parent != DeviceTree::ROOT && tree.node(parent).listed_at < at {
                tree.set_listed(parent, true, true, at);
                objects.push(parent);
                parent = tree.parent(parent);
            }
        }
        let mut complete = vec![base];
        if !next_level {
            complete.extend(objects);
        }
        let mut has_removed = false;
        for node in complete {
            // A parameter's children would be a contradiction; only objects are complete lists.
            let vanished: Vec<_> = tree
                .children(node)
                .iter()
                .copied()
                .filter(|&child| tree.node(child).listed_at < at && !tree.is_hidden_root(node, child))
                .collect();
            has_removed |= !vanished.is_empty();
            tree.remove_children(node, &vanished);
            tree.set_enumerated(node, at);
        }
        let listed = parameter_path.trim_end_matches('.').to_owned();
        if let Some(cycle) = &mut self.cycle {
            let inside = |path: &String| *path == listed || !next_level && path.starts_with(parameter_path);
            cycle.ledger.relist.retain(|path| !inside(path));
        }
        if !ignored.is_empty() {
            let message = format!(
                "GetParameterNamesResponse for {parameter_path:?} has {} names that are ignored",
                ignored.len()
            );
            let names: Vec<String> = ignored.iter().take(10).map(|name| shortened(name)).collect();
            self.note(message, json!({ "names": names }));
        }
        self.room = Some(room).filter(|_| !has_removed);
        if let Some((reason, name)) = overflow {
            self.overflowed(reason, name);
        }
        self.check_instances(&listed);
    }

    /// After a list of an object: instances that were added must be there, and those that were deleted must be gone.
    fn check_instances(&mut self, object: &str) {
        let Some(cycle) = &mut self.cycle else { return };
        let below = |path: &str| path.rsplit_once('.').is_some_and(|(parent, _)| parent == object);
        let missing: Vec<_> =
            cycle.ledger.created.keys().filter(|path| below(path) && self.tree.find(path).is_none()).cloned().collect();
        let staying: Vec<_> =
            cycle.ledger.deleted.iter().filter(|path| below(path) && self.tree.find(path).is_some()).cloned().collect();
        let sources: Sources = cycle.all_sources();
        for path in &missing {
            cycle.ledger.created.remove(path);
        }
        for path in &staying {
            cycle.ledger.deleted.remove(path);
        }
        if missing.is_empty() && staying.is_empty() {
            return;
        }
        cycle.ledger.unchangeable.insert(object.to_owned());
        let writers: Sources = cycle
            .writes
            .iter()
            .filter(|note| missing.contains(&note.path) || staying.contains(&note.path))
            .map(|note| note.source)
            .collect();
        let sources = if writers.is_empty() { sources } else { writers };
        for (path, code, what) in missing
            .iter()
            .map(|path| {
                (path, "instance_not_kept", "the device answered AddObject with this instance, but does not list it")
            })
            .chain(staying.iter().map(|path| {
                (path, "instance_not_deleted", "the device acknowledged DeleteObject, but still lists the instance")
            }))
        {
            cycle.ledger.refusals.push(Refusal {
                sources: sources.clone(),
                code: code.to_owned(),
                message: format!("{path}: {what}"),
                detail: json!({ "instance": path }),
            });
        }
    }

    fn learn_values(&mut self, requested: &[String], list: Vec<(String, TypedValue)>) {
        let at = self.stamp;
        let mut unexpected: Vec<String> = Vec::new();
        let mut missing: std::collections::HashSet<&str> = requested.iter().map(String::as_str).collect();
        let mut room = self.room();
        let mut overflow = None;
        let tree = Arc::make_mut(&mut self.tree);
        for (name, value) in list {
            if !missing.contains(name.as_str()) {
                unexpected.push(shortened(&name));
                continue;
            }
            let node = tree.find(&name);
            let taken = match node {
                // What was known of it makes room.
                Some(node) => {
                    let known = tree.node(node).typed_value().map_or(0, value_bytes);
                    room.take_bytes(value_bytes(&value).saturating_sub(known))
                }
                None => room.take(tree, &name, value_bytes(&value)),
            };
            if let Err(reason) = taken {
                overflow = Some((reason, name));
                continue;
            }
            missing.remove(name.as_str());
            self.head.pending.remove(&name);
            let node = node.unwrap_or_else(|| tree.ensure(&name));
            tree.set_read_value(node, value, at);
        }
        let missing: Vec<String> = requested.iter().filter(|name| missing.contains(name.as_str())).cloned().collect();
        self.unanswered.extend(missing.iter().cloned());
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.unreadable.extend(missing.iter().cloned());
            if cycle.ledger.split_reads.front().is_some_and(|group| group.as_slice() == requested) {
                cycle.ledger.split_reads.pop_front();
            }
        }
        self.room = Some(room);
        if let Some((reason, name)) = overflow {
            self.overflowed(reason, &name);
        }
        if !unexpected.is_empty() {
            let message = format!("GetParameterValuesResponse has {} values that were not asked for", unexpected.len());
            unexpected.truncate(10);
            self.note(message, json!({ "names": unexpected }));
        }
        if !missing.is_empty() {
            let message = format!("GetParameterValuesResponse lacks {} of the values asked for", missing.len());
            self.note(message, json!({ "names": missing.iter().take(10).collect::<Vec<_>>() }));
        }
        self.check_kept_values(requested);
    }

    fn attributes_set(&mut self, changes: Vec<SetParameterAttributesStruct>, wishes: &[AttributesWish]) {
        let at = self.stamp + 1;
        let mut plainer = Vec::new();
        for (change, wish) in changes.into_iter().zip(wishes) {
            let Some(node) = self.tree.find(&change.name) else { continue };
            let Some(known) = self.tree.node(node).attributes.clone() else { continue };
            // What the device has refused is noted already.
            if wish.is_plainer && !known.plain_only {
                plainer.push(change.name);
            }
            let attributes = StoredAttributes {
                notification: change.notification.unwrap_or(known.notification),
                access_list: change.access_list.unwrap_or(known.access_list),
                at,
                plain_only: known.plain_only,
            };
            self.tree_mut().set_attributes(node, attributes);
        }
        if !plainer.is_empty() {
            let version = self.settings.cwmp_version.as_str();
            self.note_plain_notifications(format!("CWMP {version} has no notifications 3 to 6"), &plainer);
        }
    }

    /// Notes that 1 and 2 stand for notifications of CWMP 1.4, and why.
    pub(super) fn note_plain_notifications(&mut self, reason: String, names: &[String]) {
        let message = format!("{reason}; {} parameters get 1 or 2 instead", names.len());
        self.note(message, json!({ "names": names.iter().take(10).collect::<Vec<_>>() }));
    }

    fn attributes_read(&mut self, node: NodeId, notification: u8, access_list: Vec<String>) {
        let known = self.tree.node(node).attributes.as_ref();
        let plain_only = known.is_some_and(|known| known.plain_only);
        let attributes = StoredAttributes { notification, access_list, at: self.stamp, plain_only };
        self.tree_mut().set_attributes(node, attributes);
    }

    fn learn_attributes(&mut self, requested: &[String], list: Vec<ParameterAttributes>) {
        for entry in &list {
            let Some(node) = self.tree.find(&entry.name) else { continue };
            self.attributes_read(node, entry.notification, entry.access_list.clone());
        }
        // What a device leaves out are attributes that it keeps at their defaults.
        let missing: Vec<&String> =
            requested.iter().filter(|name| !list.iter().any(|entry| entry.name == **name)).collect();
        for name in &missing {
            let Some(node) = self.tree.find(name) else { continue };
            self.attributes_read(node, 0, Vec::new());
        }
        if !missing.is_empty() {
            let message = format!("GetParameterAttributesResponse lacks {} of the parameters asked for", missing.len());
            self.note(message, json!({ "names": missing.iter().take(10).collect::<Vec<_>>() }));
        }
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.split_attribute_reads.pop_front_if(|group| group.as_slice() == requested);
        }
    }

    /// Status 0: applied; 1: will be applied later, which shows until the parameters are read again.
    fn values_set(&mut self, sets: &[PendingSet], status: u32) {
        const MOST_PENDING: usize = 1_000;
        let at = self.stamp + 1;
        for set in sets {
            if status == 0 {
                self.head.pending.remove(&set.path);
            } else if self.head.pending.len() < MOST_PENDING {
                self.head.pending.insert(set.path.clone());
            }
            let Some(node) = self.tree.find(&set.path) else { continue };
            let writer: Arc<str> = set.origin.as_str().into();
            self.tree_mut().set_sent_value(node, set.value.clone(), at, writer);
            if let Some(cycle) = &mut self.cycle {
                cycle.note_write(&set.path, set.value.0.to_text().into_owned(), &set.origin, set.source);
            }
        }
        // A group that went through need not be kept apart any longer.
        if let Some(cycle) = &mut self.cycle {
            let done = |path: &String| sets.iter().any(|set| set.path == *path);
            for group in &mut cycle.ledger.split_sets {
                group.retain(|path| !done(path));
            }
            cycle.ledger.split_sets.retain(|group| !group.is_empty());
        }
    }

    fn instance_added(&mut self, change: QueuedChange, instance_number: i64, status: u32) {
        let QueuedChange::Add { object, keys, source, origin } = change else { return };
        let at = self.stamp + 1;
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.queue.pop_front();
        }
        let instance = format!("{object}.{instance_number}");
        if instance_number < 1 || self.tree.find(&instance).is_some() {
            let reason = if instance_number < 1 { "is no instance number" } else { "exists already" };
            let message = format!(
                "{object}: the device answered AddObject with instance {instance_number} (Status {status}), which {reason}; {origin}"
            );
            if let Some(cycle) = &mut self.cycle {
                cycle
                    .ledger
                    .queue
                    .retain(|other| !matches!(other, QueuedChange::Add { object: same, .. } if *same == object));
                cycle.ledger.unchangeable.insert(object);
                let sources = cycle.lowest_sources(&Sources::from([source]));
                let detail = json!({ "instanceNumber": instance_number, "status": status });
                cycle.ledger.refusals.push(Refusal { sources, code: "instance_not_added".to_owned(), message, detail });
            }
            return;
        }
        let alias = alias_text(&keys);
        let tree = self.tree_mut();
        let node = tree.ensure(&instance);
        tree.set_listed(node, true, true, at);
        if !keys.is_empty() {
            tree.set_created_for(node, Some(alias.as_str().into()));
        }
        let parent = tree.parent(node);
        // The device may have added more than it says: the list is no longer known to be complete.
        tree.set_enumerated(parent, 0);
        if let Some(cycle) = &mut self.cycle {
            cycle.note_write(&instance, "(added)".to_owned(), &origin, source);
            // A device may give a number again that was deleted before.
            cycle.ledger.deleted.remove(&instance);
            cycle.ledger.created.insert(instance.clone(), alias);
            if !keys.is_empty() {
                cycle.ledger.creation =
                    Some(Creation { instance, keys, source, origin, stage: CreationStage::ReadKeys });
            }
        }
    }

    fn creation_read(&mut self) {
        let Some(cycle) = &mut self.cycle else { return };
        let Some(creation) = &mut cycle.ledger.creation else { return };
        let unknown = creation.keys.iter().map(|(key, _)| format!("{}.{key}", creation.instance));
        let unknown: Vec<_> = unknown
            .filter(|path| self.tree.find(path).and_then(|id| self.tree.node(id).typed_value()).is_none())
            .collect();
        if unknown.is_empty() {
            creation.stage = CreationStage::SetKeys;
            return;
        }
        creation.stage = CreationStage::Undo;
        let (source, origin) = (creation.source, creation.origin.clone());
        let message = format!("the new instance has no {}; {origin}", unknown.join(", "));
        self.refuse_creation(source, "instance_key_missing", message, json!({ "parameters": unknown }));
    }

    pub(super) fn finish_creation(&mut self) {
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.creation = None;
        }
    }

    pub(super) fn creation_undone(&mut self) {
        let Some(creation) = self.cycle.as_mut().and_then(|cycle| cycle.ledger.creation.take()) else { return };
        if let Some(cycle) = &mut self.cycle {
            cycle.ledger.created.remove(&creation.instance);
        }
        self.instance_deleted(&creation.instance);
    }

    /// Reports what is wrong with a new instance, and adds no more below its object in this cycle.
    pub(super) fn refuse_creation(&mut self, source: u32, code: &str, message: String, detail: Json) {
        let Some(cycle) = &mut self.cycle else { return };
        if let Some(creation) = &cycle.ledger.creation
            && let Some((object, _)) = creation.instance.rsplit_once('.')
        {
            let object = object.to_owned();
            cycle
                .ledger
                .queue
                .retain(|other| !matches!(other, QueuedChange::Add { object: same, .. } if *same == object));
            cycle.ledger.unchangeable.insert(object);
        }
        let sources = cycle.lowest_sources(&Sources::from([source]));
        cycle.ledger.refusals.push(Refusal { sources, code: code.to_owned(), message, detail });
    }

    pub(super) fn instance_deleted(&mut self, instance: &str) {
        let Some(node) = self.tree.find(instance) else { return };
        let tree = self.tree_mut();
        let parent = tree.parent(node);
        tree.remove(node);
        tree.set_enumerated(parent, 0);
    }
}

/// An instance's keys as text, as they are remembered with what was added for them.
pub(super) fn alias_text(keys: &[(String, String)]) -> String {
    keys.iter().map(|(key, text)| format!("{key}:{text}")).collect::<Vec<_>>().join(",")
}

//! The device tree: what is known of a device's data model, with the time at which each thing became known.
//!
//! Nodes live in one vector and refer to each other by [`NodeId`], which stays valid until the node is removed. Times are
//! milliseconds since the Unix epoch; 0 means never. Not here: what a device should look like ([`crate::declaration`]), how a
//! tree is stored ([`codec`]), and which nodes a pattern matches ([`lookup`]).

pub mod codec;
pub mod lookup;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::{Path, Segment, compare_names};
use crate::value::{TypedValue, Value, XsdType};

/// A node's place in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(u32);

/// What is known of one parameter or object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    name: Arc<str>,
    parent: NodeId,
    /// Ordered by [`compare_names`].
    children: Vec<NodeId>,
    /// Whether it is an object rather than a parameter.
    pub object: bool,
    /// Whether GetParameterNames said that it may be set, grown or deleted; `None` when it has not told yet.
    pub writable: Option<bool>,
    /// When a GetParameterNames last listed it.
    pub listed_at: i64,
    /// Objects: when its children were last listed completely.
    pub enumerated_at: i64,
    /// Parameters: the value, when it was ever read or set.
    pub value: Option<StoredValue>,
    /// Notification and access list, when they were ever read or set.
    pub attributes: Option<StoredAttributes>,
    /// Instances that an alias declaration has added: that alias, so that a device that does not keep its keys is recognised.
    pub created_for: Option<Arc<str>>,
}

/// A value with its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredValue {
    /// The value as last read or set.
    pub value: TypedValue,
    /// When it was read or set.
    pub at: i64,
    /// Who set it last through this server: preset, provision, script line, or task.
    pub writer: Option<Arc<str>>,
    /// What that writer set, until the device has told the same. What it tells otherwise after that is a change of its own.
    pub written: Option<Box<TypedValue>>,
}

/// Parameter attributes (TR-069 A.3.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAttributes {
    /// 0 off, 1 passive, 2 active, 3 to 6 since CWMP 1.4.
    pub notification: u8,
    /// Who else may write.
    pub access_list: Vec<String>,
    /// When they were read or set.
    pub at: i64,
    /// Whether the device has refused the notifications of CWMP 1.4 for it.
    #[serde(default)]
    pub plain_only: bool,
}

/// The attributes that [`DeviceTree::clear`] forgets: those known before the given times. All 0: everything older than its
/// `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClearAttributes {
    /// The value.
    pub value: i64,
    /// Whether it is an object; implies the value.
    pub object: i64,
    /// Whether it is writable.
    pub writable: i64,
    /// Notification.
    pub notification: i64,
    /// Access list.
    pub access_list: i64,
}

/// Roots that the server itself keeps: nothing below them is ever asked of the device, nor removed by its answers.
pub const LOCAL_ROOTS: [&str; 13] = [
    "DeviceID",
    "Events",
    "Tags",
    "Reboot",
    "FactoryReset",
    "ScheduleInform",
    "Downloads",
    "Uploads",
    "ScheduledDownloads",
    "DUStateChanges",
    "RequestDownload",
    "StarState",
    "VirtualParameters",
];

/// A device's tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceTree {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    /// Counts changes, so that "did anything change" is one comparison.
    changes: u64,
}

impl Default for DeviceTree {
    fn default() -> Self {
        DeviceTree::new()
    }
}

impl DeviceTree {
    /// The root's id.
    pub const ROOT: NodeId = NodeId(0);

    /// A tree that knows nothing.
    pub fn new() -> DeviceTree {
        DeviceTree { nodes: vec![Node::new("".into(), NodeId(0), true)], free: Vec::new(), changes: 0 }
    }

    /// A node. The id must come from this tree and not have been removed.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// How often the tree has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many nodes there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// A node's name.
    pub fn name(&self, id: NodeId) -> &Arc<str> {
        &self.node(id).name
    }

    /// A node's parent; the root is its own.
    pub fn parent(&self, id: NodeId) -> NodeId {
        self.node(id).parent
    }

    /// A node's children in [`compare_names`] order.
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        &self.node(id).children
    }

    /// A child by name.
    pub fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let children = &self.node(id).children;
        children
            .binary_search_by(|&child| compare_names(&self.node(child).name, name))
            .ok()
            .map(|index| children[index])
    }

    /// How many segments a node's path has.
    pub fn depth(&self, mut id: NodeId) -> usize {
        let mut depth = 0;
        while id != Self::ROOT {
            depth += 1;
            id = self.node(id).parent;
        }
        depth
    }

    /// A node's path as text, without a trailing dot.
    pub fn path_text(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while at != Self::ROOT {
            names.push(&*self.node(at).name);
            at = self.node(at).parent;
        }
        names.reverse();
        names.join(".")
    }

    /// A node's path.
    pub fn path(&self, id: NodeId) -> Path {
        let mut segments = Vec::new();
        let mut at = id;
        while at != Self::ROOT {
            segments.push(Segment::Name(self.node(at).name.clone()));
            at = self.node(at).parent;
        }
        segments.reverse();
        Path::from_segments(segments)
    }

    /// The name of the root that a node lies below, e.g. `Device`; `None` for the tree's own root.
    pub fn top_level_name(&self, mut id: NodeId) -> Option<&str> {
        if id == Self::ROOT {
            return None;
        }
        while self.node(id).parent != Self::ROOT {
            id = self.node(id).parent;
        }
        Some(&self.node(id).name)
    }

    /// Whether a node lies below one of the [`LOCAL_ROOTS`].
    pub fn is_local(&self, id: NodeId) -> bool {
        self.top_level_name(id).is_some_and(|name| LOCAL_ROOTS.contains(&name))
    }

    /// Walks to the node of a dotted name (a trailing dot is ignored), if it is known.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        let path = path.strip_suffix('.').unwrap_or(path);
        if path.is_empty() {
            return Some(Self::ROOT);
        }
        if let Some(tag) = path.strip_prefix("Tags.") {
            return self.child(self.child(Self::ROOT, "Tags")?, tag);
        }
        path.split('.').try_fold(Self::ROOT, |at, name| self.child(at, name))
    }

    /// Makes sure that a child exists. New ones are parameters of which nothing is known.
    pub fn ensure_child(&mut self, parent: NodeId, name: &str) -> NodeId {
        let found = {
            let children = &self.node(parent).children;
            children.binary_search_by(|&child| compare_names(&self.node(child).name, name)).map(|index| children[index])
        };
        let index = match found {
            Ok(child) => return child,
            Err(index) => index,
        };
        let node = Node::new(name.into(), parent, false);
        let id = match self.free.pop() {
            Some(id) => {
                *self.node_mut(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                NodeId((self.nodes.len() - 1) as u32)
            }
        };
        self.changes += 1;
        let parent_node = self.node_mut(parent);
        parent_node.children.insert(index, id);
        if !parent_node.object {
            parent_node.become_object();
        }
        id
    }

    /// Makes sure that a dotted name exists, its ancestors as objects.
    pub fn ensure(&mut self, path: &str) -> NodeId {
        let path = path.strip_suffix('.').unwrap_or(path);
        if path.is_empty() {
            return Self::ROOT;
        }
        if let Some(tag) = path.strip_prefix("Tags.") {
            let tags = self.ensure_child(Self::ROOT, "Tags");
            return self.ensure_child(tags, tag);
        }
        path.split('.').fold(Self::ROOT, |at, name| self.ensure_child(at, name))
    }

    /// Records that a node is an object or a parameter. Becoming an object loses the value, becoming a parameter the children.
    pub fn set_object(&mut self, id: NodeId, object: bool) {
        if self.node(id).object == object {
            return;
        }
        self.changes += 1;
        if object {
            self.node_mut(id).become_object();
        } else {
            for child in self.node(id).children.clone() {
                self.remove(child);
            }
            let node = self.node_mut(id);
            node.object = false;
            node.enumerated_at = 0;
        }
    }

    /// Records what GetParameterNames says of a node.
    pub fn set_listed(&mut self, id: NodeId, object: bool, writable: bool, at: i64) {
        // A parameter that has children in the same list is an object, whatever its own entry says.
        let object = object || self.node(id).children.iter().any(|&child| self.node(child).listed_at >= at);
        self.set_object(id, object);
        let node = self.node_mut(id);
        if at < node.listed_at {
            return;
        }
        if node.writable != Some(writable) || node.listed_at != at {
            node.writable = Some(writable);
            node.listed_at = at;
            self.changes += 1;
        }
    }

    /// Records that all children of an object are known as of a time; 0 takes that knowledge back.
    pub fn set_enumerated(&mut self, id: NodeId, at: i64) {
        if self.node(id).enumerated_at != at {
            self.node_mut(id).enumerated_at = at;
            self.changes += 1;
        }
    }

    /// Records a value that was read. Older knowledge than what is stored is ignored. The last writer stays known; what it
    /// wrote is kept when the device now says otherwise.
    pub fn set_read_value(&mut self, id: NodeId, value: TypedValue, at: i64) {
        self.set_object(id, false);
        let node = self.node_mut(id);
        let (writer, written) = match node.value.take() {
            Some(before) if before.at > at => {
                node.value = Some(before);
                return;
            }
            Some(before) => (before.writer, before.written.filter(|written| **written != value)),
            None => (None, None),
        };
        node.value = Some(StoredValue { value, at, writer, written });
        self.changes += 1;
    }

    /// Records a value that was set, and by whom.
    pub fn set_written_value(&mut self, id: NodeId, value: TypedValue, at: i64, writer: Option<Arc<str>>) {
        self.set_object(id, false);
        self.node_mut(id).value = Some(StoredValue { value, at, writer, written: None });
        self.changes += 1;
    }

    /// Records a value that the device has acknowledged, and who set it. Whether the device keeps it, it has yet to tell.
    pub fn set_sent_value(&mut self, id: NodeId, value: TypedValue, at: i64, writer: Arc<str>) {
        let written = Some(Box::new(value.clone()));
        self.set_written_value(id, value, at, Some(writer));
        if let Some(stored) = &mut self.node_mut(id).value {
            stored.written = written;
        }
    }

    /// Records attributes that were read or set.
    pub fn set_attributes(&mut self, id: NodeId, attributes: StoredAttributes) {
        let node = self.node_mut(id);
        if node.attributes.as_ref().is_some_and(|before| before.at > attributes.at) {
            return;
        }
        node.attributes = Some(attributes);
        self.changes += 1;
    }

    /// Marks an instance as added for an alias.
    pub fn set_created_for(&mut self, id: NodeId, alias: Option<Arc<str>>) {
        self.node_mut(id).created_for = alias;
        self.changes += 1;
    }

    /// Removes a node with all below it.
    pub fn remove(&mut self, id: NodeId) {
        if id == Self::ROOT {
            for child in self.children(id).to_vec() {
                self.remove(child);
            }
            return;
        }
        self.remove_children(self.node(id).parent, &[id]);
    }

    /// Removes some of a node's children with everything below them. They are given in the order of [`DeviceTree::children`].
    pub fn remove_children(&mut self, parent: NodeId, removed: &[NodeId]) {
        if removed.is_empty() {
            return;
        }
        let mut next = removed.iter().peekable();
        self.node_mut(parent).children.retain(|child| next.next_if_eq(&child).is_none());
        let mut pending = removed.to_vec();
        while let Some(removed) = pending.pop() {
            pending.append(&mut self.node_mut(removed).children);
            let node = self.node_mut(removed);
            node.value = None;
            node.attributes = None;
            self.free.push(removed);
        }
        self.changes += 1;
    }

    /// All nodes below a node, parents before children, in order.
    pub fn descendants(&self, id: NodeId) -> Vec<NodeId> {
        let mut out = Vec::new();
        let mut pending: Vec<NodeId> = self.children(id).iter().rev().copied().collect();
        while let Some(at) = pending.pop() {
            out.push(at);
            pending.extend(self.children(at).iter().rev());
        }
        out
    }

    /// Forgets what is older than `timestamp`: every known node that matches the pattern or lies below a match, with its
    /// enumeration marks. With attributes given, only those of exact matches are forgotten. Local roots other than those named
    /// in the pattern are not touched.
    pub fn clear(&mut self, pattern: &Path, timestamp: i64, attributes: ClearAttributes) {
        let matches = self.matches(pattern);
        if attributes != ClearAttributes::default() {
            for id in matches {
                self.clear_attributes(id, attributes);
            }
            return;
        }
        for id in matches {
            if id == Self::ROOT {
                for child in self.children(id).to_vec() {
                    if !self.is_local(child) {
                        self.clear_subtree(child, timestamp);
                    }
                }
            } else {
                self.clear_subtree(id, timestamp);
            }
        }
        self.stale_parent_marks(pattern, timestamp);
    }

    /// Removes old knowledge below a node; returns whether anything younger keeps it alive.
    fn clear_subtree(&mut self, id: NodeId, timestamp: i64) -> bool {
        let mut alive = false;
        for child in self.children(id).to_vec() {
            alive |= self.clear_subtree(child, timestamp);
        }
        let node = self.node_mut(id);
        if node.enumerated_at != 0 && node.enumerated_at < timestamp {
            node.enumerated_at = 0;
            self.changes += 1;
        }
        let node = self.node_mut(id);
        if node.listed_at < timestamp && node.writable.is_some() {
            node.writable = None;
            node.listed_at = 0;
            self.changes += 1;
        }
        let node = self.node_mut(id);
        if node.value.as_ref().is_some_and(|value| value.at < timestamp) {
            node.value = None;
            self.changes += 1;
        }
        let node = self.node_mut(id);
        if node.attributes.as_ref().is_some_and(|attributes| attributes.at < timestamp) {
            node.attributes = None;
            self.changes += 1;
        }
        let node = self.node(id);
        alive |= node.value.is_some() || node.attributes.is_some() || node.enumerated_at != 0 || node.listed_at != 0;
        if !alive {
            self.remove(id);
        }
        alive
    }

    /// A cleared node must be found again, so the enumeration that would prove its absence no longer counts.
    fn stale_parent_marks(&mut self, pattern: &Path, timestamp: i64) {
        if pattern.segments().is_empty() {
            self.set_enumerated(Self::ROOT, 0);
            return;
        }
        for parent in self.matches(&pattern.parent()) {
            let enumerated_at = self.node(parent).enumerated_at;
            if enumerated_at != 0 && enumerated_at < timestamp {
                self.set_enumerated(parent, 0);
            }
        }
    }

    fn clear_attributes(&mut self, id: NodeId, older_than: ClearAttributes) {
        let value_before = older_than.value.max(older_than.object);
        let attributes_before = older_than.notification.max(older_than.access_list);
        let node = self.node_mut(id);
        let mut changed = false;
        if node.value.as_ref().is_some_and(|value| value.at < value_before) {
            node.value = None;
            changed = true;
        }
        if node.writable.is_some() && node.listed_at < older_than.writable.max(older_than.object) {
            node.writable = None;
            changed = true;
        }
        if node.attributes.as_ref().is_some_and(|attributes| attributes.at < attributes_before) {
            node.attributes = None;
            changed = true;
        }
        self.changes += u64::from(changed);
    }
}

impl Node {
    fn new(name: Arc<str>, parent: NodeId, object: bool) -> Node {
        Node {
            name,
            parent,
            children: Vec::new(),
            object,
            writable: None,
            listed_at: 0,
            enumerated_at: 0,
            value: None,
            attributes: None,
            created_for: None,
        }
    }

    fn become_object(&mut self) {
        self.object = true;
        self.value = None;
    }

    /// When the node's existence was last confirmed by the device.
    pub fn seen_at(&self) -> i64 {
        self.listed_at.max(self.enumerated_at).max(self.value.as_ref().map_or(0, |value| value.at))
    }

    /// The value, when known.
    pub fn typed_value(&self) -> Option<&TypedValue> {
        self.value.as_ref().map(|stored| &stored.value)
    }

    /// Whether an alias' text, read as this parameter's type, is its value.
    pub fn value_equals_text(&self, text: &str) -> bool {
        match self.typed_value() {
            Some(TypedValue(value, xsd_type)) => Value::from(text).coerce(xsd_type) == *value,
            None => false,
        }
    }

    /// The value's type, `xsd:string` when unknown.
    pub fn xsd_type(&self) -> XsdType {
        self.typed_value().map_or(XsdType::String, |TypedValue(_, xsd_type)| xsd_type.clone())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn becoming_an_object_loses_the_value_and_the_reverse_the_children() {
        let mut tree = DeviceTree::new();
        let a = tree.ensure("A");
        tree.set_read_value(a, TypedValue::string("x"), 5);
        tree.ensure("A.B.C");
        assert!(tree.node(a).object && tree.node(a).value.is_none());
        tree.set_object(a, false);
        assert!(tree.find("A.B").is_none());
        assert_eq!(tree.len(), 2);
    }

    #[test]
    fn older_knowledge_does_not_replace_newer() {
        let mut tree = DeviceTree::new();
        let a = tree.ensure("A.B");
        tree.set_read_value(a, TypedValue::string("new"), 10);
        tree.set_read_value(a, TypedValue::string("old"), 9);
        assert_eq!(tree.node(a).typed_value(), Some(&TypedValue::string("new")));
    }

    #[test]
    fn a_value_that_the_device_did_not_keep_is_remembered() {
        let mut tree = DeviceTree::new();
        let a = tree.ensure("A.B");
        tree.set_sent_value(a, TypedValue::string("secret"), 10, "preset p".into());
        tree.set_read_value(a, TypedValue::string(""), 20);
        let stored = tree.node(a).value.clone().unwrap();
        assert_eq!(stored.written.as_deref(), Some(&TypedValue::string("secret")));
        tree.set_read_value(a, TypedValue::string("secret"), 30);
        assert!(tree.node(a).value.as_ref().unwrap().written.is_none());
        tree.set_read_value(a, TypedValue::string("changed by someone"), 40);
        assert!(tree.node(a).value.as_ref().unwrap().written.is_none(), "it was kept once");
    }

    #[test]
    fn clear_forgets_what_is_older_and_keeps_what_is_not() {
        let mut tree = DeviceTree::new();
        let old = tree.ensure("Device.A.Old");
        tree.set_read_value(old, TypedValue::string("x"), 5);
        let new = tree.ensure("Device.A.New");
        tree.set_read_value(new, TypedValue::string("y"), 50);
        let device = tree.find("Device").unwrap();
        tree.set_enumerated(device, 5);
        tree.set_enumerated(DeviceTree::ROOT, 5);
        tree.clear(&Path::parse("Device").unwrap(), 50, ClearAttributes::default());
        assert!(tree.find("Device.A.Old").is_none());
        assert!(tree.find("Device.A.New").is_some());
        assert_eq!(tree.node(tree.find("Device").unwrap()).enumerated_at, 0);
        assert_eq!(tree.node(DeviceTree::ROOT).enumerated_at, 0);
    }

    #[test]
    fn clear_with_attributes_forgets_only_those() {
        let mut tree = DeviceTree::new();
        let id = tree.ensure("Device.A");
        tree.set_read_value(id, TypedValue::string("x"), 5);
        tree.set_listed(id, false, true, 5);
        tree.clear(&Path::parse("Device.A").unwrap(), 0, ClearAttributes { value: 6, ..Default::default() });
        assert!(tree.node(id).value.is_none());
        assert_eq!(tree.node(id).writable, Some(true));
    }
}

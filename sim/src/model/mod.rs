//! The device's data model: a tree of objects and parameters (TR-106), shared between devices and copied on write.
//!
//! A [`DataModel`] is a handle: an immutable base behind an `Arc`, plus this device's own changes. A fleet of
//! thousands shares one base; each device costs only what differs. Objects have paths that end in a dot, parameters
//! have not. Templates say what a new instance of a multi-instance object looks like; their paths have `{i}` in place
//! of instance numbers (TR-106 §2.3.1), in the JSON form too.
//!
//! Here: the types, look-up and changes. `json` reads and writes files, `generate` makes realistic models. Not here:
//! what a device refuses and why (`cpe`).

mod generate;
mod json;
mod walk;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub use generate::{Identity, ModelKind};
pub use json::ModelError;
pub use walk::Walk;

use crate::value::Value;

/// An object or a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Parameter: may be set. Multi-instance object: instances may be added. Instance: may be deleted.
    pub writable: bool,
    /// The value of a parameter; `None` for an object.
    pub value: Option<Value>,
}

/// The part of a model that many devices share.
#[derive(Debug, Default)]
struct BaseModel {
    nodes: BTreeMap<Box<str>, Node>,
    /// Nodes of instances yet to be made, by path with `{i}` for every instance number.
    templates: BTreeMap<Box<str>, Node>,
}

/// A device's tree of objects and parameters. Cloning is cheap: the base is shared.
#[derive(Clone, Debug, Default)]
pub struct DataModel {
    base: Arc<BaseModel>,
    /// This device's own nodes; `None` hides a node of the base.
    changes: BTreeMap<Box<str>, Option<Node>>,
    /// The highest instance number ever given, per object: numbers are not used twice.
    last_instance: BTreeMap<Box<str>, u32>,
}

impl Node {
    /// An object.
    pub fn object(writable: bool) -> Self {
        Self { writable, value: None }
    }

    /// A parameter.
    pub fn parameter(writable: bool, value: Value) -> Self {
        Self { writable, value: Some(value) }
    }
}

impl DataModel {
    fn from_parts(nodes: BTreeMap<Box<str>, Node>, templates: BTreeMap<Box<str>, Node>) -> Self {
        Self {
            base: Arc::new(BaseModel { nodes, templates }),
            changes: BTreeMap::new(),
            last_instance: BTreeMap::new(),
        }
    }

    /// The root object: `InternetGatewayDevice.` or `Device.` (or what the file began with).
    pub fn root(&self) -> &str {
        self.walk("").next().map_or("Device.", |(path, _)| path)
    }

    /// The node at exactly this path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        match self.changes.get(path) {
            Some(changed) => changed.as_ref(),
            None => self.base.nodes.get(path),
        }
    }

    /// The value of the parameter at this path, as text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.value.as_ref().map(|value| &*value.text)
    }

    /// The value of a parameter given relative to the root, e.g. `ManagementServer.URL`.
    pub fn root_text(&self, relative: &str) -> Option<&str> {
        self.text(&self.under_root(relative))
    }

    /// A path below the root.
    pub fn under_root(&self, relative: &str) -> String {
        format!("{}{relative}", self.root())
    }

    /// All nodes whose path begins with `prefix`, in path order; with an object's path: the object and all below.
    pub fn walk<'a>(&'a self, prefix: &'a str) -> Walk<'a> {
        Walk::new(&self.base.nodes, &self.changes, prefix)
    }

    /// The direct children of the object `prefix`, in path order.
    pub fn children<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.walk(prefix).one_level()
    }

    /// Number of parameters, objects not counted.
    pub fn parameter_count(&self) -> usize {
        self.walk("").filter(|(_, node)| node.value.is_some()).count()
    }

    /// Number of nodes in which this device differs from the shared base.
    pub fn own_nodes(&self) -> usize {
        self.changes.len()
    }

    /// Gives an existing parameter a new text, type and writability unchanged. False when there is no such parameter.
    pub fn set_text(&mut self, path: &str, text: &str) -> bool {
        let Some(node) = self.get(path) else {
            return false;
        };
        let Some(value) = &node.value else {
            return false;
        };
        if *value.text != *text {
            let changed = Node::parameter(node.writable, Value::new(text, value.xsd.clone()));
            self.changes.insert(path.into(), Some(changed));
        }
        true
    }

    /// As [`DataModel::set_text`], with a path relative to the root.
    pub fn set_root_text(&mut self, relative: &str, text: &str) -> bool {
        self.set_text(&self.under_root(relative), text)
    }

    /// Adds or replaces a node.
    pub fn insert(&mut self, path: &str, node: Node) {
        self.changes.insert(path.into(), Some(node));
    }

    /// Whether instances can be made below this object: it is writable and not itself an instance.
    pub fn can_add_instance(&self, object: &str) -> bool {
        object.ends_with('.')
            && instance_number(object).is_none()
            && self.get(object).is_some_and(|node| node.writable && node.value.is_none())
    }

    /// Number of instances of a multi-instance object.
    pub fn instance_count(&self, object: &str) -> usize {
        self.children(object).filter(|(path, _)| instance_number(path).is_some()).count()
    }

    /// Makes an instance from the template (or else like the first sibling, emptied) and corrects
    /// `…NumberOfEntries`. Returns the new instance number. The caller has checked that this is allowed.
    pub fn add_instance(&mut self, object: &str) -> u32 {
        let highest = match self.last_instance.get(object) {
            Some(last) => *last,
            None => self.children(object).filter_map(|(path, _)| instance_number(path)).max().unwrap_or(0),
        };
        let number = highest.saturating_add(1);
        self.last_instance.insert(object.into(), number);
        let instance = format!("{object}{number}.");
        for (relative, node) in self.template_of(object, number) {
            self.insert(&format!("{instance}{relative}"), node);
        }
        self.count_entries(object, 1);
        number
    }

    /// Removes an instance and all below it, and corrects `…NumberOfEntries`. False when it does not exist.
    pub fn delete_instance(&mut self, instance: &str) -> bool {
        let Some(number) = instance_number(instance) else {
            return false;
        };
        let object = parent(instance).to_owned();
        if self.get(instance).is_none() {
            return false;
        }
        let last = self.children(&object).filter_map(|(path, _)| instance_number(path)).max().unwrap_or(number);
        let known = self.last_instance.entry(object.as_str().into()).or_insert(last);
        *known = (*known).max(last);
        let doomed: Vec<Box<str>> = self.walk(instance).map(|(path, _)| path.into()).collect();
        for path in doomed {
            self.remove(&path);
        }
        self.count_entries(&object, -1);
        true
    }

    fn remove(&mut self, path: &str) {
        if self.base.nodes.contains_key(path) {
            self.changes.insert(path.into(), None);
        } else {
            self.changes.remove(path);
        }
    }

    /// Forgets all changes of this device: the factory state of the shared base.
    pub fn reset(&mut self) {
        self.changes.clear();
        self.last_instance.clear();
    }

    /// Makes this device's state the shared base of its future clones.
    pub fn into_base(self) -> Self {
        let nodes = self.walk("").map(|(path, node)| (path.into(), node.clone())).collect();
        let templates = self.base.templates.clone();
        Self::from_parts(nodes, templates)
    }

    /// Relative paths and nodes of a new instance, the instance object first under the empty path.
    fn template_of(&self, object: &str, number: u32) -> Vec<(String, Node)> {
        let pattern = format!("{}{{i}}.", generic(object));
        let mut nodes: Vec<(String, Node)> = self
            .base
            .templates
            .range::<str, _>((Bound::Included(pattern.as_str()), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(&pattern))
            .map(|(path, node)| (path[pattern.len()..].to_owned(), node.clone()))
            .filter(|(relative, _)| !relative.contains("{i}"))
            .map(|(relative, node)| (relative, numbered(node, number)))
            .collect();
        if nodes.is_empty() {
            nodes = self.emptied_sibling(object);
        }
        if nodes.first().is_none_or(|(relative, _)| !relative.is_empty()) {
            nodes.insert(0, (String::new(), Node::object(true)));
        }
        nodes
    }

    fn emptied_sibling(&self, object: &str) -> Vec<(String, Node)> {
        let sibling = self.children(object).find(|(path, _)| instance_number(path).is_some());
        let Some((sibling, _)) = sibling else {
            return Vec::new();
        };
        self.walk(sibling)
            .map(|(path, node)| (path[sibling.len()..].to_owned(), node))
            // Grand-children instances do not come with a new instance.
            .filter(|(relative, _)| !relative.split('.').any(is_number))
            .map(|(relative, node)| (relative, emptied(node)))
            .collect()
    }

    fn count_entries(&mut self, object: &str, by: i64) {
        let counter = format!("{}NumberOfEntries", object.trim_end_matches('.'));
        let Some(count) = self.text(&counter).and_then(|text| text.parse::<i64>().ok()) else {
            return;
        };
        self.set_text(&counter, &(count + by).max(0).to_string());
    }
}

/// The instance number when `path` is an instance (`….7.`).
pub fn instance_number(path: &str) -> Option<u32> {
    let last = path.strip_suffix('.')?.rsplit('.').next()?;
    is_number(last).then(|| last.parse().ok()).flatten()
}

/// The object that contains `path`; empty for the root.
pub fn parent(path: &str) -> &str {
    let trimmed = path.strip_suffix('.').unwrap_or(path);
    trimmed.rfind('.').map_or("", |dot| &trimmed[..=dot])
}

/// The path with `{i}` for every instance number.
fn generic(path: &str) -> String {
    path.split('.').map(|segment| if is_number(segment) { "{i}" } else { segment }).collect::<Vec<_>>().join(".")
}

fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}

fn numbered(mut node: Node, number: u32) -> Node {
    if let Some(value) = &mut node.value
        && value.text.contains("{i}")
    {
        value.text = value.text.replace("{i}", &number.to_string()).into();
    }
    node
}

fn emptied(node: &Node) -> Node {
    let value = node.value.as_ref().map(|value| Value::new(value.xsd.default_text(), value.xsd.clone()));
    Node { writable: node.writable, value }
}

#[cfg(test)]
mod tests;

//! A device's tree as a nested document: keys are path segments, bookkeeping is in keys that begin with `_`.
//!
//! | key | meaning |
//! | --- | --- |
//! | `_object`, `_writable` | what GetParameterNames said |
//! | `_value`, `_type`, `_timestamp` | a parameter's value, and when it was read or set |
//! | `_timestamp` | of an object: when its children were last listed completely |
//! | `_notification`, `_accessList`, `_attributesTimestamp` | attributes |
//! | `_writer`, `_written`, `_createdFor`, `_plainNotification` | what only this program keeps: who set the value last, what that was, for which alias, whether it takes only plain notifications |

use std::cmp::Ordering;
use std::sync::Arc;

use acs_core::path::compare_names;
use acs_core::tree::codec::HEAD_ROOTS;
use acs_core::tree::{DeviceTree, NodeId, StoredAttributes};
use acs_core::value::{TypedValue, XsdType};
use mongodb::bson::{Bson, Document, doc};

use super::names::{segment_key, segment_name};
use super::values::{bson_value, date, time_of, time_or_number, value_bson};

/// What turns one stored document into another.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Paths and their new values.
    pub set: Document,
    /// Paths that are no longer there.
    pub unset: Document,
}

impl Difference {
    /// Sets a path, or removes it.
    pub fn put(&mut self, path: impl Into<String>, value: Option<Bson>) {
        match value {
            Some(value) => self.set.insert(path, value),
            None => self.unset.insert(path, ""),
        };
    }
}

/// The roots of a tree that are stored as nodes.
fn roots(tree: &DeviceTree) -> Vec<NodeId> {
    let children = tree.children(DeviceTree::ROOT).iter().copied();
    children.filter(|&child| !HEAD_ROOTS.contains(&&**tree.name(child))).collect()
}

/// Adds a tree to a device's document.
pub fn write_tree(document: &mut Document, tree: &DeviceTree) {
    let enumerated_at = tree.node(DeviceTree::ROOT).enumerated_at;
    if enumerated_at > 0 {
        document.insert("_timestamp", date(enumerated_at));
    }
    for root in roots(tree) {
        document.insert(segment_key(tree.name(root)), node_document(tree, root));
    }
}

fn node_document(tree: &DeviceTree, id: NodeId) -> Document {
    let mut document = own_fields(tree, id);
    for &child in tree.children(id) {
        document.insert(segment_key(tree.name(child)), node_document(tree, child));
    }
    document
}

/// A node without its children.
fn own_fields(tree: &DeviceTree, id: NodeId) -> Document {
    let node = tree.node(id);
    let mut document = doc! { "_object": node.object };
    if let Some(writable) = node.writable {
        document.insert("_writable", writable);
    }
    if let Some(stored) = &node.value {
        document.insert("_value", value_bson(&stored.value));
        document.insert("_type", stored.value.1.as_str());
        document.insert("_timestamp", date(stored.at));
        if let Some(writer) = &stored.writer {
            document.insert("_writer", &**writer);
        }
        if let Some(written) = &stored.written {
            // The time tells a value that was only sent from one that the device has confirmed since.
            let sent_at = if **written == stored.value { stored.at } else { 0 };
            document.insert("_written", vec![value_bson(written), written.1.as_str().into(), date(sent_at)]);
        }
    } else if node.enumerated_at > 0 {
        document.insert("_timestamp", date(node.enumerated_at));
    }
    if let Some(attributes) = &node.attributes {
        document.insert("_notification", i32::from(attributes.notification));
        document.insert("_accessList", attributes.access_list.clone());
        document.insert("_attributesTimestamp", date(attributes.at));
        if attributes.plain_only {
            document.insert("_plainNotification", true);
        }
    }
    if let Some(alias) = &node.created_for {
        document.insert("_createdFor", &**alias);
    }
    document
}

/// The tree in a device's document, also in one that another program wrote.
pub fn read_tree(document: &Document) -> DeviceTree {
    let mut tree = DeviceTree::new();
    tree.set_enumerated(DeviceTree::ROOT, time_of(document, "_timestamp").unwrap_or(0));
    read_children(&mut tree, DeviceTree::ROOT, document);
    tree
}

fn read_children(tree: &mut DeviceTree, parent: NodeId, document: &Document) {
    for (key, value) in document {
        if let (Some(name), Bson::Document(child)) = (segment_name(key), value)
            && !(parent == DeviceTree::ROOT && HEAD_ROOTS.contains(&&*name))
        {
            let id = tree.ensure_child(parent, &name);
            read_node(tree, id, child);
        }
    }
}

fn read_node(tree: &mut DeviceTree, id: NodeId, document: &Document) {
    let has_children = document.iter().any(|(key, value)| !key.starts_with('_') && matches!(value, Bson::Document(_)));
    // What does not say what it is has been an object when it has children.
    let is_object = document.get_bool("_object").unwrap_or(has_children);
    // A node's own listing is as fresh as its parent's last complete enumeration; 1 means "at some time".
    let listed_at = tree.node(tree.parent(id)).enumerated_at.max(1);
    tree.set_object(id, is_object);
    if let Ok(writable) = document.get_bool("_writable") {
        tree.set_listed(id, is_object, writable, listed_at);
    }
    let at = time_of(document, "_timestamp");
    if is_object {
        tree.set_enumerated(id, at.unwrap_or(0));
    } else if let Some(value) = document.get("_value").and_then(bson_value) {
        let xsd_type = document.get_str("_type").map_or_else(|_| XsdType::of(&value), XsdType::parse);
        read_value(tree, id, document, TypedValue(value, xsd_type), at.unwrap_or(1));
    }
    if let Some(attributes) = attributes_of(document) {
        tree.set_attributes(id, attributes);
    }
    if let Ok(alias) = document.get_str("_createdFor") {
        tree.set_created_for(id, Some(alias.into()));
    }
    // A parameter has nothing below it, whatever is left from when it was an object.
    if is_object {
        read_children(tree, id, document);
    }
}

fn read_value(tree: &mut DeviceTree, id: NodeId, document: &Document, value: TypedValue, at: i64) {
    let writer: Option<Arc<str>> = document.get_str("_writer").ok().map(Arc::from);
    match (written_of(document), writer) {
        (Some((written, sent_at)), Some(writer)) if written != value || sent_at == at => {
            tree.set_sent_value(id, written.clone(), at, writer);
            if written != value {
                tree.set_read_value(id, value, at);
            }
        }
        (_, writer) => tree.set_written_value(id, value, at, writer),
    }
}

fn written_of(document: &Document) -> Option<(TypedValue, i64)> {
    match document.get_array("_written").ok()?.as_slice() {
        [value, Bson::String(xsd_type), at] => {
            Some((TypedValue(bson_value(value)?, XsdType::parse(xsd_type)), time_or_number(at)?))
        }
        _ => None,
    }
}

fn attributes_of(document: &Document) -> Option<StoredAttributes> {
    let list = document.get_array("_accessList").ok();
    let notification = document.get("_notification").and_then(time_or_number);
    if list.is_none() && notification.is_none() {
        return None;
    }
    Some(StoredAttributes {
        notification: u8::try_from(notification.unwrap_or(0)).unwrap_or(0),
        access_list: list.into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect(),
        at: time_of(document, "_attributesTimestamp").unwrap_or(1),
        plain_only: document.get_bool("_plainNotification").unwrap_or(false),
    })
}

/// What an Inform told: the value of a parameter that is known already, or one below objects that are.
pub fn inform_value(difference: &mut Difference, path: &str, value: &TypedValue, at: i64) {
    let keys: Vec<_> = path.split('.').map(segment_key).collect();
    for depth in 1..keys.len() {
        difference.put(format!("{}._object", keys[..depth].join(".")), Some(true.into()));
    }
    let path = keys.join(".");
    difference.put(format!("{path}._object"), Some(false.into()));
    difference.put(format!("{path}._value"), Some(value_bson(value)));
    difference.put(format!("{path}._type"), Some(value.1.as_str().into()));
    difference.put(format!("{path}._timestamp"), Some(date(at)));
}

/// Adds what turns the document of one tree into that of another.
pub fn compare_trees(difference: &mut Difference, before: &DeviceTree, after: &DeviceTree) {
    let enumerated_at = after.node(DeviceTree::ROOT).enumerated_at;
    if before.node(DeviceTree::ROOT).enumerated_at != enumerated_at {
        difference.put("_timestamp", (enumerated_at > 0).then(|| date(enumerated_at)));
    }
    compare_children(difference, "", (before, &roots(before)), (after, &roots(after)));
}

/// Some children of a node.
type Children<'t> = (&'t DeviceTree, &'t [NodeId]);

/// Both lists are in order, so that one walk finds the pairs.
fn compare_children(difference: &mut Difference, path: &str, before: Children<'_>, after: Children<'_>) {
    let ((before, mut left), (after, mut right)) = (before, after);
    let key = |tree: &DeviceTree, id: NodeId| format!("{path}{}", segment_key(tree.name(id)));
    loop {
        let order = match (left.first(), right.first()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(&left), Some(&right)) => compare_names(before.name(left), after.name(right)),
        };
        match (order, left, right) {
            (Ordering::Less, &[gone, ref rest @ ..], _) => {
                difference.put(key(before, gone), None);
                left = rest;
            }
            (Ordering::Greater, _, &[new, ref rest @ ..]) => {
                difference.put(key(after, new), Some(node_document(after, new).into()));
                right = rest;
            }
            (_, &[old, ref left_rest @ ..], &[new, ref right_rest @ ..]) => {
                compare_nodes(difference, &key(after, new), (before, old), (after, new));
                (left, right) = (left_rest, right_rest);
            }
            _ => return,
        }
    }
}

fn compare_nodes(difference: &mut Difference, path: &str, before: (&DeviceTree, NodeId), after: (&DeviceTree, NodeId)) {
    let ((before, old), (after, new)) = (before, after);
    if !is_same(before, old, after, new) {
        let (mut old_fields, new_fields) = (own_fields(before, old), own_fields(after, new));
        for (key, value) in new_fields {
            if old_fields.remove(&key).as_ref() != Some(&value) {
                difference.put(format!("{path}.{key}"), Some(value));
            }
        }
        for key in old_fields.keys() {
            difference.put(format!("{path}.{key}"), None);
        }
    }
    let (left, right) = (before.children(old), after.children(new));
    compare_children(difference, &format!("{path}."), (before, left), (after, right));
}

/// Whether two nodes have the same fields, without writing them out.
fn is_same(before: &DeviceTree, old: NodeId, after: &DeviceTree, new: NodeId) -> bool {
    let (old, new) = (before.node(old), after.node(new));
    old.object == new.object
        && old.writable == new.writable
        && old.enumerated_at == new.enumerated_at
        && old.value == new.value
        && old.attributes == new.attributes
        && old.created_for == new.created_for
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::value::Value;
    use proptest::prelude::*;

    use super::*;

    fn stored(tree: &DeviceTree) -> Document {
        let mut document = doc! { "_id": "d" };
        write_tree(&mut document, tree);
        document
    }

    /// Does to a document what the server does.
    fn apply(document: &mut Document, difference: &Difference) {
        fn at<'d>(document: &'d mut Document, path: &str) -> (&'d mut Document, String) {
            match path.split_once('.') {
                None => (document, path.to_owned()),
                Some((first, rest)) => {
                    let inner = document.entry(first.to_owned()).or_insert_with(|| Document::new().into());
                    at(inner.as_document_mut().unwrap(), rest)
                }
            }
        }
        for (path, value) in &difference.set {
            let (inner, key) = at(document, path);
            inner.insert(key, value.clone());
        }
        for path in difference.unset.keys() {
            let (inner, key) = at(document, path);
            inner.remove(key);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Read(TypedValue),
        Sent(TypedValue),
        Listed(bool, bool),
        Enumerated,
        Attributes,
        CreatedFor,
        Removed,
    }

    fn value() -> impl Strategy<Value = TypedValue> {
        prop_oneof![
            any::<i64>().prop_map(|number| TypedValue(Value::Int(number), XsdType::Long)),
            (-9i64..9).prop_map(|time| TypedValue(Value::Int(time), XsdType::DateTime)),
            "[ab]{0,2}".prop_map(TypedValue::string),
            any::<bool>().prop_map(|value| TypedValue(Value::Bool(value), XsdType::Boolean)),
            Just(TypedValue(Value::Float(0.5), XsdType::Other("vendor:thing".into()))),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            value().prop_map(Step::Read),
            value().prop_map(Step::Sent),
            any::<(bool, bool)>().prop_map(|(object, writable)| Step::Listed(object, writable)),
            Just(Step::Enumerated),
            Just(Step::Attributes),
            Just(Step::CreatedFor),
            Just(Step::Removed),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<(usize, Step, i64)>> {
        prop::collection::vec((0usize..9, step(), 1i64..99), 0..12)
    }

    fn walk(tree: &mut DeviceTree, steps: Vec<(usize, Step, i64)>) {
        let paths = ["D", "D.A", "D.A.1", "D.A.2.B", "D.A.10", "D.A.10._C", "D.$E", "D.%F.G", "VirtualParameters.V"];
        for (path, step, at) in steps {
            let id = tree.ensure(paths[path]);
            match step {
                Step::Read(value) => tree.set_read_value(id, value, at),
                Step::Sent(value) => tree.set_sent_value(id, value, at, "preset p".into()),
                Step::Listed(object, writable) => tree.set_listed(id, object, writable, at),
                Step::Enumerated if tree.node(id).object => tree.set_enumerated(id, at),
                Step::Enumerated => tree.set_enumerated(DeviceTree::ROOT, at),
                Step::Attributes => {
                    let access_list = vec!["Subscriber".to_owned()];
                    tree.set_attributes(
                        id,
                        StoredAttributes { notification: 1, access_list, at, plain_only: at % 2 == 0 },
                    );
                }
                Step::CreatedFor => tree.set_created_for(id, Some("[A:b]".into())),
                Step::Removed => tree.remove(id),
            }
        }
    }

    proptest! {
        #[test]
        fn a_tree_comes_back_as_it_was(steps in steps()) {
            let mut tree = DeviceTree::new();
            walk(&mut tree, steps);
            prop_assert_eq!(read_tree(&stored(&tree)).encode(), tree.encode());
        }

        #[test]
        fn a_difference_makes_the_other_document(first in steps(), second in steps()) {
            let mut before = DeviceTree::new();
            walk(&mut before, first);
            let mut after = before.clone();
            walk(&mut after, second);
            let mut difference = Difference::default();
            compare_trees(&mut difference, &before, &after);
            let mut document = stored(&before);
            apply(&mut document, &difference);
            prop_assert_eq!(read_tree(&document).encode(), after.encode());
            let mut none = Difference::default();
            compare_trees(&mut none, &after, &read_tree(&document));
            prop_assert_eq!(none, Difference::default());
        }
    }

    #[test]
    fn documents_of_another_program_are_read() {
        let document = doc! {
            "_id": "d", "_timestamp": date(500), "_tags": ["a"], "_deviceId": { "_OUI": "x" },
            "InternetGatewayDevice": {
                "_object": true, "_writable": false, "_timestamp": date(600),
                "Time": { "Now": { "_value": date(7_000), "_type": "xsd:dateTime", "_timestamp": date(700), "_writable": false, "_object": false } },
                "Number": { "_value": 4_294_967_295.0, "_type": "xsd:unsignedInt", "_writable": true },
            },
        };
        let tree = read_tree(&document);
        let node = |path: &str| tree.node(tree.find(path).unwrap());
        assert_eq!(tree.node(DeviceTree::ROOT).enumerated_at, 500);
        assert_eq!(node("InternetGatewayDevice").enumerated_at, 600);
        assert_eq!(
            (node("InternetGatewayDevice").writable, node("InternetGatewayDevice").listed_at),
            (Some(false), 500)
        );
        assert!(node("InternetGatewayDevice.Time").object, "it has children");
        let now = node("InternetGatewayDevice.Time.Now").value.clone().unwrap();
        assert_eq!((now.value, now.at), (TypedValue(Value::Int(7_000), XsdType::DateTime), 700));
        let number = node("InternetGatewayDevice.Number").value.clone().unwrap();
        assert_eq!((number.value.0, number.at), (Value::Int(4_294_967_295), 1), "known at some time");
        assert!(tree.find("_deviceId").is_none());
    }

    #[test]
    fn what_an_inform_tells_is_as_if_it_had_been_read() {
        let mut tree = DeviceTree::new();
        walk(&mut tree, vec![(3, Step::Sent(TypedValue::string("a")), 5), (6, Step::Listed(false, true), 6)]);
        let mut document = stored(&tree);
        for (path, told, at) in [("D.A.2.B", "b", 9), ("D.N.1.New", "c", 9), ("D.$E", "d", 9), ("D.A.2.B", "a", 10)] {
            let mut difference = Difference::default();
            inform_value(&mut difference, path, &TypedValue::string(told), at);
            apply(&mut document, &difference);
            let id = tree.ensure(path);
            tree.set_read_value(id, TypedValue::string(told), at);
            assert_eq!(read_tree(&document).encode(), tree.encode(), "{path} is {told}");
        }
    }
}

//! Devices as queries see them: fields named as in their documents. The tree is decoded only when a field of it is asked for.

use std::borrow::Cow;
use std::cell::OnceCell;

use acs_core::device::{DeviceHead, Tags};
use acs_core::query::{FieldValue, Record};
use acs_core::tree::{DeviceTree, Node};
use acs_core::value::{TypedValue, Value, XsdType};

/// A stored device to be asked about.
pub struct DeviceRecord<'a> {
    head: &'a DeviceHead,
    tags: &'a Tags,
    encoded_tree: &'a [u8],
    tree: OnceCell<DeviceTree>,
}

impl<'a> DeviceRecord<'a> {
    /// A device's parts as they are stored.
    pub fn new(head: &'a DeviceHead, tags: &'a Tags, encoded_tree: &'a [u8]) -> DeviceRecord<'a> {
        DeviceRecord { head, tags, encoded_tree, tree: OnceCell::new() }
    }

    fn tree(&self) -> &DeviceTree {
        self.tree.get_or_init(|| {
            // A damaged tree answers as an empty one here; reading the device itself reports it.
            let mut tree = DeviceTree::decode(self.encoded_tree).unwrap_or_default();
            for informed in &self.head.informed {
                let id = tree.ensure(&informed.path);
                tree.set_read_value(id, informed.value.clone(), informed.at);
            }
            tree
        })
    }
}

impl Record for DeviceRecord<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let text = |text: &'_ str| FieldValue::Text(Cow::Owned(text.to_owned()));
        let date = |time: Option<i64>| time.map_or(FieldValue::Missing, FieldValue::Date);
        match name {
            "_id" => return text(&self.head.id),
            "_deviceId._Manufacturer" => return text(&self.head.identity.manufacturer),
            "_deviceId._OUI" => return text(&self.head.identity.oui),
            "_deviceId._ProductClass" => return text(&self.head.identity.product_class),
            "_deviceId._SerialNumber" => return text(&self.head.identity.serial_number),
            "_registered" => return FieldValue::Date(self.head.registered),
            "_lastInform" => return FieldValue::Date(self.head.last_inform),
            "_lastBoot" => return date(self.head.last_boot),
            "_lastBootstrap" => return date(self.head.last_bootstrap),
            "_tags" => return FieldValue::List(self.tags.keys().map(|tag| text(tag)).collect()),
            "_deviceId" => return FieldValue::Object(None),
            _ => {}
        }
        if let Some(tag) = name.strip_prefix("_tagValues.") {
            return match self.tags.get(tag) {
                Some(Value::Text(value)) => text(value),
                _ => FieldValue::Missing,
            };
        }
        let (path, attribute) = match name.rsplit_once('.') {
            Some((path, attribute)) if attribute.starts_with('_') => (path, attribute),
            None if name.starts_with('_') => ("", name),
            _ => (name, ""),
        };
        let tree = self.tree();
        match tree.find(path) {
            Some(id) => node_field(tree.node(id), attribute, id == DeviceTree::ROOT),
            None => FieldValue::Missing,
        }
    }
}

fn node_field<'n>(node: &'n Node, attribute: &str, is_root: bool) -> FieldValue<'n> {
    let stored = node.value.as_ref();
    let time = |time: i64| if time > 0 { FieldValue::Date(time) } else { FieldValue::Missing };
    match attribute {
        "" if is_root => FieldValue::Missing,
        "" => FieldValue::Object(None),
        "_value" => stored.map_or(FieldValue::Missing, |stored| value_field(&stored.value)),
        "_type" => stored.map_or(FieldValue::Missing, |stored| FieldValue::Text(stored.value.1.as_str().into())),
        "_timestamp" => time(stored.map_or(node.enumerated_at, |stored| stored.at)),
        "_object" if !is_root => FieldValue::Bool(node.object),
        "_writable" => node.writable.map_or(FieldValue::Missing, FieldValue::Bool),
        "_notification" => {
            node.attributes.as_ref().map_or(FieldValue::Missing, |a| FieldValue::Number(f64::from(a.notification)))
        }
        "_accessList" => node.attributes.as_ref().map_or(FieldValue::Missing, |a| {
            FieldValue::List(a.access_list.iter().map(|entry| FieldValue::Text(entry.as_str().into())).collect())
        }),
        "_attributesTimestamp" => node.attributes.as_ref().map_or(FieldValue::Missing, |a| time(a.at)),
        "_writer" => stored
            .and_then(|stored| stored.writer.as_deref())
            .map_or(FieldValue::Missing, |writer| FieldValue::Text(writer.into())),
        _ => FieldValue::Missing,
    }
}

fn value_field(TypedValue(value, xsd_type): &TypedValue) -> FieldValue<'_> {
    match value {
        Value::Int(time) if *xsd_type == XsdType::DateTime => FieldValue::Date(*time),
        Value::Int(number) => FieldValue::Number(*number as f64),
        Value::Float(number) => FieldValue::Number(*number),
        Value::Bool(value) => FieldValue::Bool(*value),
        Value::Text(text) => FieldValue::Text(text.as_str().into()),
    }
}

//! Devices as queries see them: fields named as in their documents. The tree is decoded only when a field of it is asked for.

use std::borrow::Cow;
use std::cell::OnceCell;

use acs_core::device::{DeviceHead, InformedValue, StoredDevice, Tags};
use acs_core::query::{FieldValue, Record};
use acs_core::tree::codec::{CodecError, HEAD_ROOTS, Selection};
use acs_core::tree::{DeviceTree, Node};
use acs_core::value::{TypedValue, Value, XsdType};

/// A stored device to be asked about.
pub struct DeviceRecord<'a> {
    head: &'a DeviceHead,
    tags: &'a Tags,
    source: Source<'a>,
}

/// Where the tree comes from.
enum Source<'a> {
    Encoded { bytes: &'a [u8], selection: &'a Selection, tree: OnceCell<Result<DeviceTree, CodecError>> },
    Decoded(&'a DeviceTree),
    None,
}

/// What a path leads to, with the Informs' values on top of the tree's.
enum Known<'r> {
    Node(&'r Node),
    /// A value of the head, and the node of the same path if there is one.
    Informed(&'r InformedValue, Option<&'r Node>),
    /// An object that is known only because something below it is; the node of the same path if there is one.
    Object(Option<&'r Node>),
    Nothing,
}

impl<'a> DeviceRecord<'a> {
    /// A device's parts as they are stored; no bytes mean that no tree was ever written.
    pub fn new(head: &'a DeviceHead, tags: &'a Tags, encoded_tree: &'a [u8]) -> DeviceRecord<'a> {
        static EVERYTHING: Selection = Selection::everything();
        DeviceRecord::selecting(head, tags, encoded_tree, &EVERYTHING)
    }

    /// The same, where only some fields will be asked for: see [`selection_of`].
    pub fn selecting(
        head: &'a DeviceHead,
        tags: &'a Tags,
        encoded_tree: &'a [u8],
        selection: &'a Selection,
    ) -> DeviceRecord<'a> {
        let source = match encoded_tree {
            [] => Source::None,
            bytes => Source::Encoded { bytes, selection, tree: OnceCell::new() },
        };
        DeviceRecord { head, tags, source }
    }

    /// A device's parts with the tree decoded.
    pub fn with_tree(head: &'a DeviceHead, tags: &'a Tags, tree: &'a DeviceTree) -> DeviceRecord<'a> {
        DeviceRecord { head, tags, source: Source::Decoded(tree) }
    }

    /// A device.
    pub fn of(device: &'a StoredDevice) -> DeviceRecord<'a> {
        DeviceRecord::with_tree(&device.head, &device.tags, &device.tree)
    }

    /// Why the tree does not decode, if that was tried and failed: then what was answered about parameters is not true.
    pub fn damage(&self) -> Option<&CodecError> {
        match &self.source {
            Source::Encoded { tree, .. } => tree.get().and_then(|tree| tree.as_ref().err()),
            _ => None,
        }
    }

    /// The tree, if all of it was decoded here.
    pub(crate) fn into_tree(self) -> Option<DeviceTree> {
        match self.source {
            Source::Encoded { tree, selection, .. } if selection.is_everything() => {
                tree.into_inner().and_then(Result::ok)
            }
            _ => None,
        }
    }

    fn tree(&self) -> Option<&DeviceTree> {
        match &self.source {
            Source::Encoded { bytes, selection, tree } => {
                tree.get_or_init(|| DeviceTree::decode_selected(bytes, selection)).as_ref().ok()
            }
            Source::Decoded(tree) => Some(tree),
            Source::None => None,
        }
    }

    /// What [`DeviceHead::apply_to`] would make of the tree at this path, without copying the tree. Informs tell values of
    /// parameters, so none of the head's paths is below another.
    fn known(&self, path: &str) -> Known<'_> {
        let informed = &self.head.informed;
        if informed.iter().any(|informed| is_below(path, &informed.path)) {
            // A parameter has nothing below it.
            return Known::Nothing;
        }
        let node = self.tree().and_then(|tree| tree.find(path).map(|id| tree.node(id)));
        if let Some(informed) = newest_informed(self.head, path) {
            let stored = node.and_then(|node| node.value.as_ref());
            return match node {
                Some(node) if stored.is_some_and(|stored| stored.at > informed.at) => Known::Node(node),
                node => Known::Informed(informed, node),
            };
        }
        let has_informed_below = informed.iter().any(|informed| is_below(&informed.path, path));
        match node {
            Some(node) if !node.object && has_informed_below => Known::Object(Some(node)),
            Some(node) => Known::Node(node),
            None if has_informed_below => Known::Object(None),
            None => Known::Nothing,
        }
    }

    fn tag_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().filter_map(|(tag, value)| match value {
            Value::Text(value) => Some((tag.as_str(), value.as_str())),
            _ => None,
        })
    }
}

impl Record for DeviceRecord<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let identity = &self.head.identity;
        match name {
            "_id" => return text(&self.head.id),
            "_deviceId" => return FieldValue::Object(None),
            "_deviceId._Manufacturer" => return text(&identity.manufacturer),
            "_deviceId._OUI" => return text(&identity.oui),
            "_deviceId._ProductClass" => return text(&identity.product_class),
            "_deviceId._SerialNumber" => return text(&identity.serial_number),
            "_registered" => return FieldValue::Date(self.head.registered),
            "_lastInform" => return FieldValue::Date(self.head.last_inform),
            "_lastBoot" => return self.head.last_boot.map_or(FieldValue::Missing, FieldValue::Date),
            "_lastBootstrap" => return self.head.last_bootstrap.map_or(FieldValue::Missing, FieldValue::Date),
            "_overflow" if self.head.overflow.is_some() => return FieldValue::Object(None),
            "_overflow._timestamp" => {
                return self
                    .head
                    .overflow
                    .as_ref()
                    .map_or(FieldValue::Missing, |overflow| FieldValue::Date(overflow.at));
            }
            "_overflow._reason" => {
                return self.head.overflow.as_ref().map_or(FieldValue::Missing, |overflow| text(&overflow.reason));
            }
            "_heartbeat" if self.head.heartbeat.is_some() => return FieldValue::Object(None),
            "_heartbeat._due" => {
                return self.head.heartbeat.map_or(FieldValue::Missing, |heartbeat| FieldValue::Date(heartbeat.due));
            }
            "_heartbeat._missed" => {
                let missed = self.head.heartbeat.and_then(|heartbeat| heartbeat.missed_at);
                return missed.map_or(FieldValue::Missing, FieldValue::Date);
            }
            "_tags" => return FieldValue::List(self.tags.keys().map(|tag| text(tag)).collect()),
            "_tagValues" if self.tag_texts().next().is_some() => return FieldValue::Object(None),
            "_timestamp" => return date(self.tree().map_or(0, |tree| tree.node(DeviceTree::ROOT).enumerated_at)),
            _ => {}
        }
        if let Some(tag) = name.strip_prefix("_tagValues.") {
            return self
                .tag_texts()
                .find(|(name, _)| *name == tag)
                .map_or(FieldValue::Missing, |(_, value)| text(value));
        }
        let (path, attribute) = path_and_attribute(name);
        let root = path.split('.').next().unwrap_or_default();
        if root.is_empty() || root.starts_with('_') || path.ends_with('.') || HEAD_ROOTS.contains(&root) {
            return FieldValue::Missing;
        }
        field_of(&self.known(path), attribute)
    }
}

/// What is needed of a stored tree to answer for these fields.
pub fn selection_of<'f>(fields: impl IntoIterator<Item = &'f str>) -> Selection {
    Selection::of(fields.into_iter().map(|field| path_and_attribute(field).0))
}

fn path_and_attribute(field: &str) -> (&str, &str) {
    match field.rsplit_once('.') {
        Some((path, attribute)) if attribute.starts_with('_') => (path, attribute),
        _ => (field, ""),
    }
}

fn field_of<'r>(known: &Known<'r>, attribute: &str) -> FieldValue<'r> {
    // What the node of this path says apart from its value, and when its children or value became known.
    let (node, value, is_object, at) = match known {
        Known::Nothing => return FieldValue::Missing,
        Known::Node(node) => {
            let stored = node.value.as_ref();
            let at = stored.map_or(node.enumerated_at, |stored| stored.at);
            (Some(*node), stored.map(|stored| &stored.value), node.object, at)
        }
        Known::Informed(informed, node) => (*node, Some(&informed.value), false, informed.at),
        Known::Object(node) => (*node, None, true, 0),
    };
    let attributes = node.and_then(|node| node.attributes.as_ref());
    match attribute {
        "" => FieldValue::Object(None),
        "_value" => value.map_or(FieldValue::Missing, value_field),
        "_type" => value.map_or(FieldValue::Missing, |value| text(value.1.as_str())),
        "_timestamp" => date(at),
        "_object" => FieldValue::Bool(is_object),
        "_writable" => node.and_then(|node| node.writable).map_or(FieldValue::Missing, FieldValue::Bool),
        "_writer" if value.is_some() => node
            .and_then(|node| node.value.as_ref())
            .and_then(|stored| stored.writer.as_deref())
            .map_or(FieldValue::Missing, text),
        "_notification" => {
            attributes.map_or(FieldValue::Missing, |known| FieldValue::Number(f64::from(known.notification)))
        }
        "_accessList" => attributes.map_or(FieldValue::Missing, |known| {
            FieldValue::List(known.access_list.iter().map(|entry| text(entry)).collect())
        }),
        "_attributesTimestamp" => date(attributes.map_or(0, |known| known.at)),
        _ => FieldValue::Missing,
    }
}

/// A value as queries compare it: times as dates.
pub(crate) fn value_field(TypedValue(value, xsd_type): &TypedValue) -> FieldValue<'_> {
    match value {
        Value::Int(time) if *xsd_type == XsdType::DateTime => FieldValue::Date(*time),
        Value::Int(number) => FieldValue::Number(*number as f64),
        Value::Float(number) => FieldValue::Number(*number),
        Value::Bool(value) => FieldValue::Bool(*value),
        Value::Text(value) => text(value),
    }
}

/// What an Inform told last about a parameter.
pub(crate) fn newest_informed<'h>(head: &'h DeviceHead, path: &str) -> Option<&'h InformedValue> {
    head.informed.iter().filter(|informed| informed.path == path).max_by_key(|informed| informed.at)
}

/// 0 means never.
fn date(time: i64) -> FieldValue<'static> {
    if time > 0 { FieldValue::Date(time) } else { FieldValue::Missing }
}

fn text(text: &str) -> FieldValue<'_> {
    FieldValue::Text(Cow::Borrowed(text))
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use acs_core::device::Overflow;
    use acs_core::query::JsonRecord;
    use acs_core::tree::StoredAttributes;
    use proptest::prelude::*;

    use super::*;
    use crate::device_document;

    const PATHS: [&str; 6] = ["Device", "Device.A", "Device.A.B", "Device.A.B.C", "Device.A.D", "VirtualParameters.V"];
    const ATTRIBUTES: [&str; 10] = [
        "",
        "._value",
        "._type",
        "._timestamp",
        "._object",
        "._writable",
        "._writer",
        "._notification",
        "._accessList",
        "._attributesTimestamp",
    ];
    const DATES: [&str; 6] =
        ["_registered", "_lastInform", "_lastBoot", "_lastBootstrap", "_timestamp", "_attributesTimestamp"];

    fn value() -> impl Strategy<Value = TypedValue> {
        prop_oneof![
            (-3i64..3).prop_map(|number| TypedValue(Value::Int(number), XsdType::Int)),
            "[ab]{0,2}".prop_map(TypedValue::string),
            any::<bool>().prop_map(|value| TypedValue(Value::Bool(value), XsdType::Boolean)),
        ]
    }

    /// What can have happened to a node of a tree.
    #[derive(Debug, Clone)]
    enum Step {
        Read(TypedValue),
        Written(TypedValue),
        Listed(bool),
        Enumerated,
        Attributes,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            value().prop_map(Step::Read),
            value().prop_map(Step::Written),
            any::<bool>().prop_map(Step::Listed),
            Just(Step::Enumerated),
            Just(Step::Attributes),
        ]
    }

    fn device() -> impl Strategy<Value = StoredDevice> {
        let steps = prop::collection::vec((0..PATHS.len(), step(), 1i64..9), 0..8);
        let informed = prop::collection::vec((0..PATHS.len(), value(), 1i64..9), 0..4);
        (steps, informed, prop::option::of(1i64..9)).prop_map(|(steps, informed, last_boot)| {
            let mut tree = DeviceTree::new();
            for (path, step, at) in steps {
                let id = tree.ensure(PATHS[path]);
                match step {
                    Step::Read(value) => tree.set_read_value(id, value, at),
                    Step::Written(value) => tree.set_written_value(id, value, at, Some("preset p".into())),
                    Step::Listed(is_object) => tree.set_listed(id, is_object, at % 2 == 0, at),
                    Step::Enumerated if tree.node(id).object => tree.set_enumerated(id, at),
                    Step::Enumerated => tree.set_enumerated(DeviceTree::ROOT, at),
                    Step::Attributes => {
                        let access_list = vec!["Subscriber".to_owned()];
                        tree.set_attributes(
                            id,
                            StoredAttributes { notification: 1, access_list, at, plain_only: false },
                        );
                    }
                }
            }
            let mut told: Vec<InformedValue> = Vec::new();
            for (path, value, at) in informed {
                let path = PATHS[path];
                if !told.iter().any(|other| is_below(&other.path, path) || is_below(path, &other.path)) {
                    told.push(InformedValue { path: path.to_owned(), value, at });
                }
            }
            let head = DeviceHead {
                id: "0A1B2C-1".into(),
                registered: 1,
                last_inform: 2,
                last_boot,
                overflow: last_boot.map(|at| Overflow { at, reason: "r".into() }),
                informed: told,
                ..DeviceHead::default()
            };
            let tags = [("t".to_owned(), Value::Bool(true)), ("u".to_owned(), Value::Text("x".into()))].into();
            StoredDevice { head, tags, tree: Arc::new(tree) }
        })
    }

    /// Objects are told apart by presence only.
    fn comparable(value: FieldValue<'_>) -> FieldValue<'_> {
        if matches!(value, FieldValue::Object(_)) { FieldValue::Object(None) } else { value }
    }

    proptest! {
        #[test]
        fn a_record_has_the_fields_of_its_document(device in device()) {
            let document = device_document(&device);
            let by_document = JsonRecord::with_dates(&document, &DATES);
            let encoded = device.tree.encode();
            for record in [DeviceRecord::of(&device), DeviceRecord::new(&device.head, &device.tags, &encoded)] {
                let tops = ["_id", "_deviceId", "_deviceId._OUI", "_registered", "_lastInform", "_lastBoot", "_lastBootstrap",
                    "_tags", "_tagValues", "_tagValues.u", "_tagValues.t", "_timestamp", "_nothing",
                    "_overflow", "_overflow._timestamp", "_overflow._reason", "Device.Missing._value"];
                let below = PATHS.iter().flat_map(|path| ATTRIBUTES.iter().map(move |name| format!("{path}{name}")));
                for name in tops.into_iter().map(str::to_owned).chain(below) {
                    let expected = comparable(by_document.field(&name));
                    prop_assert_eq!(comparable(record.field(&name)), expected, "{} of {}", name, document);
                }
                prop_assert!(record.damage().is_none());
            }
        }
    }
}

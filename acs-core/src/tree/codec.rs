//! How a tree is stored: nodes in order, each with its depth and own name (so common prefixes are not repeated), times as
//! differences, postcard, lz4. The first byte is the format's version; old versions keep decoding here.
//!
//! Local nodes that belong to the device's head row (`DeviceID`, `Events`, `Tags`) are not part of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{TypedValue, Value, XsdType};

use super::{DeviceTree, NodeId, StoredAttributes, StoredValue};

/// The version that [`DeviceTree::encode`] writes.
const VERSION: u8 = 1;

/// Roots that live in the head row.
pub const HEAD_ROOTS: [&str; 3] = ["DeviceID", "Events", "Tags"];

/// Larger trees than this do not decode: a guard against damaged data, far above any device.
const MAX_DECODED_BYTES: usize = 1 << 30;

/// Bytes that are no stored tree.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// No bytes at all.
    #[error("the stored tree is empty")]
    Empty,
    /// Written by a newer release, or damaged.
    #[error("the stored tree has format version {0}, this release reads up to {VERSION}")]
    Version(u8),
    /// The compressed block does not unpack.
    #[error("the stored tree does not decompress: {0}")]
    Compression(String),
    /// The unpacked bytes are not what this version writes.
    #[error("the stored tree does not decode: {0}")]
    Format(String),
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    depth: u8,
    name: &'a str,
    object: bool,
    writable: Option<bool>,
    enumerated: Option<i64>,
    #[serde(borrow)]
    value: Option<EncodedValue<'a>>,
    #[serde(borrow)]
    rare: Option<Box<Rare<'a>>>,
}

#[derive(Serialize, Deserialize)]
struct EncodedValue<'a> {
    #[serde(borrow)]
    content: Content<'a>,
    xsd_type: u8,
    at: i64,
}

#[derive(Serialize, Deserialize)]
enum Content<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

/// What few nodes have.
#[derive(Serialize, Deserialize)]
struct Rare<'a> {
    other_type: Option<&'a str>,
    writer: Option<&'a str>,
    #[serde(borrow)]
    written: Option<(Content<'a>, &'a str)>,
    attributes: Option<(u8, Vec<String>, i64)>,
    created_for: Option<&'a str>,
}

impl Entry<'_> {
    /// Leaves the node out: the next one's times are relative to its.
    fn pass(&self, base: &mut i64) {
        let times = self.enumerated.into_iter().chain(self.value.as_ref().map(|value| value.at));
        *base = times.fold(*base, i64::wrapping_add);
    }
}

const TYPES: [XsdType; 9] = [
    XsdType::String,
    XsdType::Int,
    XsdType::UnsignedInt,
    XsdType::Long,
    XsdType::UnsignedLong,
    XsdType::Boolean,
    XsdType::DateTime,
    XsdType::Base64,
    XsdType::HexBinary,
];
const OTHER_TYPE: u8 = 255;

impl DeviceTree {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut plain = Vec::with_capacity(self.len() * 24);
        let mut base = 0i64;
        let ids = self.stored_nodes();
        let root_enumerated = self.node(Self::ROOT).enumerated_at;
        push(&mut plain, &(ids.len() as u32, root_enumerated));
        for &(id, depth) in &ids {
            push(&mut plain, &self.entry(id, depth, &mut base));
        }
        let mut out = vec![VERSION];
        out.extend_from_slice(&lz4_flex::compress_prepend_size(&plain));
        out
    }

    /// Reads a stored form of any version.
    pub fn decode(bytes: &[u8]) -> Result<DeviceTree, CodecError> {
        DeviceTree::decode_selected(bytes, &Selection::everything())
    }

    /// Reads what is selected of a stored form, and what is above it.
    pub fn decode_selected(bytes: &[u8], selection: &Selection) -> Result<DeviceTree, CodecError> {
        match bytes.split_first() {
            None => Err(CodecError::Empty),
            Some((&VERSION, block)) => decode_version_1(block, selection),
            Some((&version, _)) => Err(CodecError::Version(version)),
        }
    }

    fn stored_nodes(&self) -> Vec<(NodeId, u8)> {
        let mut out = Vec::with_capacity(self.len());
        let mut pending: Vec<(NodeId, u8)> = self.children(Self::ROOT).iter().rev().map(|&id| (id, 1)).collect();
        while let Some((id, depth)) = pending.pop() {
            if depth == 1 && HEAD_ROOTS.contains(&&**self.name(id)) {
                continue;
            }
            out.push((id, depth));
            pending.extend(self.children(id).iter().rev().map(|&child| (child, depth.saturating_add(1))));
        }
        out
    }

    fn entry(&self, id: NodeId, depth: u8, base: &mut i64) -> Entry<'_> {
        let node = self.node(id);
        let mut relative = |time: i64| {
            let difference = time - *base;
            *base = time;
            difference
        };
        let enumerated = (node.enumerated_at != 0).then(|| relative(node.enumerated_at));
        let value = node.value.as_ref().map(|stored| EncodedValue {
            content: content(&stored.value.0),
            xsd_type: TYPES.iter().position(|known| *known == stored.value.1).map_or(OTHER_TYPE, |index| index as u8),
            at: relative(stored.at),
        });
        let other_type = node.value.as_ref().and_then(|stored| match &stored.value.1 {
            XsdType::Other(name) => Some(&**name),
            _ => None,
        });
        let writer = node.value.as_ref().and_then(|stored| stored.writer.as_deref());
        let written = node.value.as_ref().and_then(|stored| stored.written.as_deref());
        let rare =
            if other_type.is_some() || writer.is_some() || node.attributes.is_some() || node.created_for.is_some() {
                Some(Box::new(Rare {
                    other_type,
                    writer,
                    written: written.map(|TypedValue(value, xsd_type)| (content(value), xsd_type.as_str())),
                    attributes: node.attributes.as_ref().map(|a| (packed_notification(a), a.access_list.clone(), a.at)),
                    created_for: node.created_for.as_deref(),
                }))
            } else {
                None
            };
        Entry { depth, name: &node.name, object: node.object, writable: node.writable, enumerated, value, rare }
    }
}

/// Which nodes of a stored tree are wanted. To look for a few in many trees costs a fraction of making the trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The wanted paths, in segments; `None`: all there are.
    paths: Option<Vec<Vec<String>>>,
}

impl Selection {
    /// Paths are told apart by the bits of a mask.
    const MOST: usize = u64::BITS as usize;

    /// Every node.
    pub const fn everything() -> Selection {
        Selection { paths: None }
    }

    /// The nodes of these paths; every node when they are very many.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p str>) -> Selection {
        let segments = |path: &str| path.split('.').map(str::to_owned).collect();
        let paths: Vec<Vec<String>> = paths.into_iter().map(segments).collect();
        Selection { paths: (paths.len() <= Selection::MOST).then_some(paths) }
    }

    /// Whether every node is wanted.
    pub fn is_everything(&self) -> bool {
        self.paths.is_none()
    }

    /// The paths, of those in the mask, that lead to this name or through it. Depths begin at 1.
    fn through(&self, mask: u64, depth: usize, name: &str) -> u64 {
        let Some(paths) = &self.paths else { return mask };
        let leads = |index: &usize| paths[*index].get(depth - 1).is_some_and(|segment| segment == name);
        (0..paths.len()).filter(|index| mask & 1 << index != 0).filter(leads).fold(0, |mask, index| mask | 1 << index)
    }
}

/// The highest bit of a stored notification is [`StoredAttributes::plain_only`]: so this format, which came before it, has room for it.
const PLAIN_ONLY: u8 = 0x80;

/// A notification with its mark. The standard's are 0 to 6; what devices tell beyond 127 is 127.
fn packed_notification(attributes: &StoredAttributes) -> u8 {
    attributes.notification.min(!PLAIN_ONLY) | if attributes.plain_only { PLAIN_ONLY } else { 0 }
}

fn push<T: Serialize>(out: &mut Vec<u8>, item: &T) {
    let taken = std::mem::take(out);
    // Writing into a vector cannot fail, and no type here refuses to be serialised.
    if let Ok(extended) = postcard::to_extend(item, taken) {
        *out = extended;
    }
}

fn content(value: &Value) -> Content<'_> {
    match value {
        Value::Bool(value) => Content::Bool(*value),
        Value::Int(value) => Content::Int(*value),
        Value::Float(value) => Content::Float(*value),
        Value::Text(value) => Content::Text(value),
    }
}

impl Content<'_> {
    fn into_value(self) -> Value {
        match self {
            Content::Bool(value) => Value::Bool(value),
            Content::Int(value) => Value::Int(value),
            Content::Float(value) => Value::Float(value),
            Content::Text(value) => Value::Text(value.to_owned()),
        }
    }
}

fn decode_version_1(block: &[u8], selection: &Selection) -> Result<DeviceTree, CodecError> {
    let format = |error: postcard::Error| CodecError::Format(error.to_string());
    let (size, packed) =
        lz4_flex::block::uncompressed_size(block).map_err(|e| CodecError::Compression(e.to_string()))?;
    // LZ4 cannot expand by more than 255; a larger claim is damage, and must not be allocated.
    if size > MAX_DECODED_BYTES || size > packed.len().saturating_mul(256).saturating_add(64) {
        return Err(CodecError::Compression(format!("claims {size} bytes")));
    }
    let plain = lz4_flex::decompress(packed, size).map_err(|e| CodecError::Compression(e.to_string()))?;
    let ((count, root_enumerated), mut rest) = postcard::take_from_bytes::<(u32, i64)>(&plain).map_err(format)?;
    let mut tree = DeviceTree::new();
    if selection.is_everything() {
        tree.nodes.reserve((count as usize).min(plain.len()));
    }
    tree.nodes[0].enumerated_at = root_enumerated;
    // The node of each level, and the selected paths that lead through it: none through a node that is left out.
    let mut ancestors: Vec<(NodeId, u64)> = vec![(DeviceTree::ROOT, u64::MAX)];
    let mut base = 0i64;
    for _ in 0..count {
        let (entry, after) = postcard::take_from_bytes::<Entry<'_>>(rest).map_err(format)?;
        rest = after;
        let depth = usize::from(entry.depth);
        if depth == 0 || depth > ancestors.len() {
            return Err(CodecError::Format(format!("{:?} has no parent", entry.name)));
        }
        ancestors.truncate(depth);
        let (parent, mask) = ancestors[depth - 1];
        let mask = selection.through(mask, depth, entry.name);
        let id = match mask {
            0 => {
                entry.pass(&mut base);
                DeviceTree::ROOT
            }
            _ => tree.append(parent, entry, &mut base),
        };
        ancestors.push((id, mask));
    }
    tree.changes = 0;
    Ok(tree)
}

impl DeviceTree {
    /// Adds a decoded node behind its siblings: stored trees are in order.
    fn append(&mut self, parent: NodeId, entry: Entry<'_>, base: &mut i64) -> NodeId {
        let mut absolute = |difference: i64| {
            *base = base.wrapping_add(difference);
            *base
        };
        let enumerated_at = entry.enumerated.map_or(0, &mut absolute);
        let rare = entry.rare;
        let value = entry.value.map(|encoded| {
            let other = rare.as_ref().and_then(|rare| rare.other_type).unwrap_or("");
            let xsd_type =
                TYPES.get(usize::from(encoded.xsd_type)).cloned().unwrap_or_else(|| XsdType::Other(other.into()));
            StoredValue {
                value: TypedValue(encoded.content.into_value(), xsd_type),
                at: absolute(encoded.at),
                writer: rare.as_ref().and_then(|rare| rare.writer).map(Arc::from),
                written: None,
            }
        });
        let id = self.ensure_child(parent, entry.name);
        // An object's own listing is as fresh as its parent's last complete enumeration; 1 means "at some time".
        let parent_enumerated = self.node(parent).enumerated_at.max(1);
        let node = self.node_mut(id);
        node.object = entry.object;
        node.writable = entry.writable;
        node.listed_at = if entry.writable.is_some() { parent_enumerated } else { 0 };
        node.enumerated_at = enumerated_at;
        node.value = value;
        if let Some(rare) = rare {
            if let (Some(stored), Some((content, xsd_type))) = (node.value.as_mut(), rare.written) {
                stored.written = Some(Box::new(TypedValue(content.into_value(), XsdType::parse(xsd_type))));
            }
            node.attributes = rare.attributes.map(|(packed, access_list, at)| StoredAttributes {
                notification: packed & !PLAIN_ONLY,
                access_list,
                at,
                plain_only: packed & PLAIN_ONLY != 0,
            });
            node.created_for = rare.created_for.map(Arc::from);
        }
        id
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> DeviceTree {
        let mut tree = DeviceTree::new();
        tree.set_enumerated(DeviceTree::ROOT, 900);
        for (path, value, at) in [
            ("Device.A.1.Name", TypedValue::string("eins"), 1000),
            ("Device.A.2.Name", TypedValue(Value::Int(-5), XsdType::Int), 1001),
            ("Device.A.10.Flag", TypedValue(Value::Bool(true), XsdType::Boolean), 5),
            ("Device.B", TypedValue(Value::Text("x".into()), XsdType::Other("vendor:thing".into())), 7),
            ("Downloads.1.FileType", TypedValue::string("1 Firmware Upgrade Image"), 8),
        ] {
            let id = tree.ensure(path);
            tree.set_read_value(id, value, at);
        }
        let a = tree.find("Device.A").unwrap();
        tree.set_listed(a, true, true, 900);
        tree.set_enumerated(a, 950);
        let name = tree.find("Device.A.1.Name").unwrap();
        tree.set_sent_value(name, TypedValue::string("zwei"), 1005, "wifi, line 3".into());
        tree.set_read_value(name, TypedValue::string(""), 1010);
        let access_list = vec!["Subscriber".into()];
        tree.set_attributes(name, StoredAttributes { notification: 2, access_list, at: 77, plain_only: false });
        let first = tree.find("Device.A.1").unwrap();
        tree.set_created_for(first, Some("[Name:zwei]".into()));
        tree
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let tree = sample();
        let decoded = DeviceTree::decode(&tree.encode()).unwrap();
        assert_eq!(decoded.encode(), tree.encode());
        assert_eq!(decoded.len(), tree.len());
        let name = decoded.find("Device.A.1.Name").unwrap();
        let stored = decoded.node(name).value.clone().unwrap();
        assert_eq!(stored.value, TypedValue::string(""));
        assert_eq!(stored.written.as_deref(), Some(&TypedValue::string("zwei")));
        assert_eq!(stored.writer.as_deref(), Some("wifi, line 3"));
        assert_eq!(decoded.node(name).attributes.as_ref().unwrap().at, 77);
        let other = decoded.node(decoded.find("Device.B").unwrap()).xsd_type();
        assert_eq!(other.as_str(), "vendor:thing");
        assert_eq!(decoded.node(decoded.find("Device.A").unwrap()).enumerated_at, 950);
    }

    #[test]
    fn what_is_selected_decodes_as_in_the_whole_tree() {
        let tree = sample();
        let whole = DeviceTree::decode(&tree.encode()).unwrap();
        let paths: Vec<String> = whole.descendants(DeviceTree::ROOT).iter().map(|id| whole.path_text(*id)).collect();
        let decode = |wanted: &[&str]| {
            DeviceTree::decode_selected(&tree.encode(), &Selection::of(wanted.iter().copied())).unwrap()
        };
        for path in &paths {
            let part = decode(&["Elsewhere.A", path]);
            let alone = |tree: &DeviceTree| {
                let mut node = tree.node(tree.find(path).unwrap()).clone();
                (node.parent, node.children) = (DeviceTree::ROOT, Vec::new());
                node
            };
            assert_eq!(alone(&part), alone(&whole), "{path}");
            assert_eq!(part.len(), path.split('.').count() + 1, "{path}");
        }
        assert_eq!(decode(&[]).len(), 1);
        assert_eq!(decode(&[]).node(DeviceTree::ROOT).enumerated_at, 900);
        assert_eq!(decode(&["Device.A.2.Name"; 65]), whole);
    }

    #[test]
    fn notifications_keep_their_mark_and_their_range() {
        for (notification, plain_only, decoded) in [(6, false, 6), (0, true, 0), (2, true, 2), (255, false, 127)] {
            let mut tree = sample();
            let id = tree.find("Device.A.1.Name").unwrap();
            tree.set_attributes(id, StoredAttributes { notification, access_list: Vec::new(), at: 78, plain_only });
            let tree = DeviceTree::decode(&tree.encode()).unwrap();
            let attributes = tree.node(tree.find("Device.A.1.Name").unwrap()).attributes.clone().unwrap();
            assert_eq!((attributes.notification, attributes.plain_only), (decoded, plain_only));
        }
    }

    #[test]
    #[ignore = "writes the golden file of a new format version"]
    fn write_golden() {
        std::fs::write("tests/golden/tree-version-1.bin", sample().encode()).unwrap();
    }

    #[test]
    fn head_roots_are_left_out() {
        let mut tree = sample();
        tree.ensure("Tags.a.b");
        tree.ensure("Events.Inform");
        let decoded = DeviceTree::decode(&tree.encode()).unwrap();
        assert!(decoded.find("Tags").is_none() && decoded.find("Events").is_none());
        assert!(decoded.find("Downloads.1").is_some());
    }

    /// The bytes of the first release: they must decode for ever.
    #[test]
    fn version_1_stays_readable() {
        let golden = include_bytes!("../../tests/golden/tree-version-1.bin");
        let decoded = DeviceTree::decode(golden).unwrap();
        assert_eq!(decoded.encode(), sample().encode());
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused_not_trusted(position in 0usize..200, byte in any::<u8>()) {
            let mut bytes = sample().encode();
            let index = position % bytes.len();
            bytes[index] = byte;
            let _ = DeviceTree::decode(&bytes);
        }
    }
}

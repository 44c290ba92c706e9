//! A device's document: what is in it besides the tree, and what a session changes of it.
//!
//! What other programs know is where they look for it: `_deviceId`, `_registered`, `_lastInform`, `_lastBoot`, `_lastBootstrap`,
//! `_tags`. Texts of tags are in `_tagValues`. The rest of the head is in `_lodestar`, with the lease and the journal.
//!
//! What Informs tell goes into the tree's nodes at once, so that a device read from here has nothing in
//! [`DeviceHead::informed`](acs_core::device::DeviceHead).

use std::collections::BTreeSet;
use std::sync::Arc;

use acs_core::device::{DeviceHead, Overflow, StoredDevice, Tags};
use acs_core::heartbeat::Heartbeat;
use acs_core::rpc::DeviceIdStruct;
use acs_core::tree::DeviceTree;
use acs_core::value::Value;
use mongodb::bson::{Bson, Document, doc};

use super::names::tag_key;
use super::tree::{Difference, inform_value, read_tree, write_tree};
use super::values::{bson_value, damaged, date, plain_bson, time_of, time_or_number, whole};
use crate::StoreError;

/// What no list and no session needs to read.
pub const WITHOUT_LEASE: [&str; 2] = ["_lodestar.lease", "_lodestar.journal"];

/// Reads a device's document.
pub fn read_device(document: &Document) -> Result<StoredDevice, StoreError> {
    let head = read_head(document)?;
    Ok(StoredDevice { head, tags: read_tags(document), tree: Arc::new(read_tree(document)) })
}

fn read_head(document: &Document) -> Result<DeviceHead, StoreError> {
    let id = document.get_str("_id").map_err(|error| damaged("a device", error))?.to_owned();
    let empty = Document::new();
    let part = |name: &str| document.get_document(name).unwrap_or(&empty);
    let (identity, own) = (part("_deviceId"), part("_lodestar"));
    let text = |name: &str| identity.get_str(name).unwrap_or_default().to_owned();
    let number = |name: &str| own.get(name).and_then(time_or_number);
    let overflow = document.get_document("_overflow").ok();
    Ok(DeviceHead {
        id,
        identity: DeviceIdStruct {
            manufacturer: text("_Manufacturer"),
            oui: text("_OUI"),
            product_class: text("_ProductClass"),
            serial_number: text("_SerialNumber"),
        },
        registered: time_of(document, "_registered").unwrap_or(0),
        last_inform: time_of(document, "_lastInform").unwrap_or(0),
        last_boot: time_of(document, "_lastBoot"),
        last_bootstrap: time_of(document, "_lastBootstrap"),
        events: texts(own, "events").unwrap_or_default(),
        retry_count: number("retryCount").and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        clock_skew: number("clockSkew"),
        informed: Vec::new(),
        overflow: overflow.map(|overflow| Overflow {
            at: time_of(overflow, "_timestamp").unwrap_or(0),
            reason: overflow.get_str("_reason").unwrap_or_default().to_owned(),
        }),
        rpc_methods: texts(own, "rpcMethods"),
        parameter_key: own.get_str("parameterKey").ok().map(str::to_owned),
        pending: texts::<BTreeSet<_>>(own, "pending").unwrap_or_default(),
        heartbeat: document.get_document("_heartbeat").ok().and_then(read_heartbeat),
    })
}

/// `{_due, _patience, _missed?}`
pub fn read_heartbeat(document: &Document) -> Option<Heartbeat> {
    Some(Heartbeat {
        patience: document.get("_patience").and_then(time_or_number)?,
        due: time_of(document, "_due")?,
        missed_at: time_of(document, "_missed"),
    })
}

fn heartbeat_document(heartbeat: Heartbeat) -> Document {
    let mut document = doc! { "_due": date(heartbeat.due), "_patience": whole(heartbeat.patience) };
    if let Some(time) = heartbeat.missed_at {
        document.insert("_missed", date(time));
    }
    document
}

fn texts<C: FromIterator<String>>(document: &Document, name: &str) -> Option<C> {
    let list = document.get_array(name).ok()?;
    Some(list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}

/// The tags in a device's document.
pub fn read_tags(document: &Document) -> Tags {
    let values = document.get_document("_tagValues").ok();
    let tags: Vec<String> = texts(document, "_tags").unwrap_or_default();
    let value = |tag: &str| values.and_then(|values| values.get(tag_key(tag))).and_then(bson_value);
    tags.into_iter()
        .map(|tag| (value(&tag).unwrap_or(Value::Bool(true)), tag))
        .map(|(value, tag)| (tag, value))
        .collect()
}

/// How often something that sessions depend on was written.
pub fn revision_of(document: &Document) -> i64 {
    document.get_document("_lodestar").ok().and_then(|own| own.get("revision")).and_then(time_or_number).unwrap_or(0)
}

/// Sets what a head says.
fn write_head(difference: &mut Difference, head: &DeviceHead) {
    let identity = &head.identity;
    difference.put(
        "_deviceId",
        Some(Bson::Document(doc! {
            "_Manufacturer": &identity.manufacturer,
            "_OUI": &identity.oui,
            "_ProductClass": &identity.product_class,
            "_SerialNumber": &identity.serial_number,
        })),
    );
    let list = |list: Vec<String>| Bson::from(list);
    let overflow = head.overflow.as_ref();
    let overflow = overflow.map(|overflow| doc! { "_timestamp": date(overflow.at), "_reason": &overflow.reason });
    for (name, value) in [
        ("_registered", Some(date(head.registered))),
        ("_lastInform", Some(date(head.last_inform))),
        ("_lastBoot", head.last_boot.map(date)),
        ("_lastBootstrap", head.last_bootstrap.map(date)),
        ("_overflow", overflow.map(Bson::Document)),
        ("_heartbeat", head.heartbeat.map(heartbeat_document).map(Bson::Document)),
        ("_lodestar.events", Some(list(head.events.clone()))),
        ("_lodestar.retryCount", Some(whole(i64::from(head.retry_count)))),
        ("_lodestar.clockSkew", head.clock_skew.map(whole)),
        ("_lodestar.rpcMethods", head.rpc_methods.clone().map(list)),
        ("_lodestar.parameterKey", head.parameter_key.clone().map(Bson::String)),
        ("_lodestar.pending", (!head.pending.is_empty()).then(|| list(head.pending.iter().cloned().collect()))),
    ] {
        difference.put(name, value);
    }
}

/// What a session that is not the device's first changes of the document, apart from tags.
pub fn head_changes(head: &DeviceHead) -> Difference {
    let mut difference = Difference::default();
    write_head(&mut difference, head);
    for informed in &head.informed {
        inform_value(&mut difference, &informed.path, &informed.value, informed.at);
    }
    difference
}

/// Tags that are set, with their texts, and tags that are removed.
pub type TagChanges = [(String, Option<Value>)];

/// Adds what becomes of tags' texts. The tags themselves are in a list.
pub fn tag_text_changes(difference: &mut Difference, tags: &TagChanges) {
    for (tag, value) in tags {
        let text = value.as_ref().filter(|value| **value != Value::Bool(true));
        difference.put(format!("_tagValues.{}", tag_key(tag)), text.map(plain_bson));
    }
}

/// The document of a device that was unknown.
pub fn new_device(head: &DeviceHead, tree: Option<&DeviceTree>, tags: &TagChanges) -> Document {
    let mut difference = Difference::default();
    write_head(&mut difference, head);
    let mut document = doc! { "_id": &head.id };
    for (path, value) in difference.set {
        match path.strip_prefix("_lodestar.") {
            None => document.insert(path, value),
            Some(name) => {
                let own = document.entry("_lodestar".to_owned()).or_insert_with(|| Document::new().into());
                own.as_document_mut().and_then(|own| own.insert(name, value))
            }
        };
    }
    let set: Tags = tags.iter().filter_map(|(tag, value)| Some((tag.clone(), value.clone()?))).collect();
    document.insert("_tags", set.keys().cloned().collect::<Vec<_>>());
    let texts: Document = set
        .iter()
        .filter(|(_, value)| **value != Value::Bool(true))
        .map(|(tag, value)| (tag_key(tag), plain_bson(value)))
        .collect();
    if !texts.is_empty() {
        document.insert("_tagValues", texts);
    }
    let mut tree = tree.cloned().unwrap_or_default();
    for informed in &head.informed {
        let id = tree.ensure(&informed.path);
        tree.set_read_value(id, informed.value.clone(), informed.at);
    }
    write_tree(&mut document, &tree);
    document
}

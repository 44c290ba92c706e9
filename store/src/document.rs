//! A device as the NBI shows it: one nested document whose keys are path segments, bookkeeping in keys that begin with `_`.

use acs_core::device::StoredDevice;
use acs_core::tree::{DeviceTree, NodeId};
use acs_core::value::{TypedValue, Value, XsdType, format_date_time};
use serde_json::{Map, Value as Json, json};

/// The document of a device. Dates are ISO 8601 text.
pub fn device_document(device: &StoredDevice) -> Json {
    let head = &device.head;
    let mut tree = (*device.tree).clone();
    for informed in &head.informed {
        let id = tree.ensure(&informed.path);
        tree.set_read_value(id, informed.value.clone(), informed.at);
    }
    let mut map = Map::new();
    map.insert("_id".into(), head.id.as_str().into());
    map.insert(
        "_deviceId".into(),
        json!({
            "_Manufacturer": head.identity.manufacturer,
            "_OUI": head.identity.oui,
            "_ProductClass": head.identity.product_class,
            "_SerialNumber": head.identity.serial_number,
        }),
    );
    map.insert("_registered".into(), format_date_time(head.registered).into());
    map.insert("_lastInform".into(), format_date_time(head.last_inform).into());
    if let Some(time) = head.last_boot {
        map.insert("_lastBoot".into(), format_date_time(time).into());
    }
    if let Some(time) = head.last_bootstrap {
        map.insert("_lastBootstrap".into(), format_date_time(time).into());
    }
    if let Some(overflow) = &head.overflow {
        let mark = json!({ "_timestamp": format_date_time(overflow.at), "_reason": overflow.reason });
        map.insert("_overflow".into(), mark);
    }
    if let Some(heartbeat) = &head.heartbeat {
        let mut shown = Map::from_iter([("_due".to_owned(), format_date_time(heartbeat.due).into())]);
        if let Some(time) = heartbeat.missed_at {
            shown.insert("_missed".into(), format_date_time(time).into());
        }
        map.insert("_heartbeat".into(), shown.into());
    }
    map.insert("_events".into(), json!(head.events));
    map.insert("_retryCount".into(), head.retry_count.into());
    if let Some(skew) = head.clock_skew {
        map.insert("_clockSkew".into(), (skew / 1_000).into());
    }
    map.insert("_tags".into(), device.tags.keys().map(|tag| Json::from(tag.as_str())).collect());
    let texts: Map<String, Json> = device
        .tags
        .iter()
        .filter_map(|(tag, value)| match value {
            Value::Text(text) => Some((tag.clone(), text.as_str().into())),
            _ => None,
        })
        .collect();
    if !texts.is_empty() {
        map.insert("_tagValues".into(), texts.into());
    }
    let root_enumerated = tree.node(DeviceTree::ROOT).enumerated_at;
    if root_enumerated > 0 {
        map.insert("_timestamp".into(), format_date_time(root_enumerated).into());
    }
    for &child in tree.children(DeviceTree::ROOT) {
        if acs_core::tree::codec::HEAD_ROOTS.contains(&&**tree.name(child)) {
            continue;
        }
        map.insert(tree.name(child).to_string(), node_document(&tree, child));
    }
    for path in &head.pending {
        mark_pending(&mut map, path);
    }
    Json::Object(map)
}

/// Shows that a parameter's value is still to be applied by the device.
fn mark_pending(map: &mut Map<String, Json>, path: &str) {
    let parameter = path.split('.').try_fold(map, |at, name| at.get_mut(name).and_then(Json::as_object_mut));
    if let Some(parameter) = parameter {
        parameter.insert("_pending".into(), true.into());
    }
}

fn node_document(tree: &DeviceTree, id: NodeId) -> Json {
    let node = tree.node(id);
    let mut map = Map::new();
    map.insert("_object".into(), node.object.into());
    if let Some(writable) = node.writable {
        map.insert("_writable".into(), writable.into());
    }
    if let Some(stored) = &node.value {
        map.insert("_value".into(), value_json(&stored.value));
        map.insert("_type".into(), stored.value.1.as_str().into());
        map.insert("_timestamp".into(), format_date_time(stored.at).into());
        if let Some(writer) = &stored.writer {
            map.insert("_writer".into(), (&**writer).into());
        }
    } else if node.enumerated_at > 0 {
        map.insert("_timestamp".into(), format_date_time(node.enumerated_at).into());
    }
    if let Some(attributes) = &node.attributes {
        map.insert("_notification".into(), attributes.notification.into());
        map.insert("_accessList".into(), json!(attributes.access_list));
        map.insert("_attributesTimestamp".into(), format_date_time(attributes.at).into());
    }
    for &child in tree.children(id) {
        map.insert(tree.name(child).to_string(), node_document(tree, child));
    }
    Json::Object(map)
}

/// A value as documents show it: times as ISO 8601 text.
pub fn value_json(TypedValue(value, xsd_type): &TypedValue) -> Json {
    match (value, xsd_type) {
        (Value::Int(time), XsdType::DateTime) => format_date_time(*time).into(),
        (Value::Bool(value), _) => (*value).into(),
        (Value::Int(number), _) => (*number).into(),
        (Value::Float(number), _) => json!(number),
        (Value::Text(text), _) => text.as_str().into(),
    }
}

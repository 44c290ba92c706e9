//! Names as keys of stored documents, and the fields of queries as paths in them.
//!
//! Nearly every name is its own key. Those that would be taken for something else are written with a percent sign: a parameter's
//! name that begins with `_` (bookkeeping does), what begins with `$` (operators do), tags with dots.

use std::borrow::Cow;

use acs_core::tree::codec::HEAD_ROOTS;

/// A name below which nothing is stored.
const EMPTY: &str = "%";

/// The key of a node of the tree.
pub fn segment_key(name: &str) -> Cow<'_, str> {
    match name.as_bytes().first() {
        None => EMPTY.into(),
        Some(b'_') => format!("%5F{}", &name[1..]).into(),
        _ => json_key(name),
    }
}

/// The node's name of a key; `None` for bookkeeping.
pub fn segment_name(key: &str) -> Option<Cow<'_, str>> {
    match key.strip_prefix("%5F") {
        _ if key.starts_with('_') => None,
        _ if key == EMPTY => Some("".into()),
        Some(rest) => Some(format!("_{rest}").into()),
        None => Some(json_name(key)),
    }
}

/// A key of a JSON document as a key of a stored one: the server keeps `$` at the beginning for itself.
pub fn json_key(key: &str) -> Cow<'_, str> {
    match key.as_bytes().first() {
        Some(b'$') => format!("%24{}", &key[1..]).into(),
        Some(b'%') => format!("%25{}", &key[1..]).into(),
        _ => key.into(),
    }
}

/// The opposite of [`json_key`].
pub fn json_name(key: &str) -> Cow<'_, str> {
    match (key.strip_prefix("%24"), key.strip_prefix("%25")) {
        (Some(rest), _) => format!("${rest}").into(),
        (_, Some(rest)) => format!("%{rest}").into(),
        _ => key.into(),
    }
}

/// The key of a tag's text: no dots, and nothing that begins like an operator.
pub fn tag_key(tag: &str) -> String {
    if tag.is_empty() {
        return EMPTY.to_owned();
    }
    tag.replace('%', "%25").replace('.', "%2E").replace('$', "%24").replace('\0', "%00")
}

/// The path of a node in its device's document.
pub fn node_path(path: &str) -> String {
    path.split('.').map(segment_key).collect::<Vec<_>>().join(".")
}

/// Where a field of a query on devices is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// At this path.
    At(String),
    /// Nowhere: no device has such a field.
    Nowhere,
    /// What is stored does not say it by itself.
    Derived,
}

/// Where a field of a query on devices is stored; [`crate::DeviceRecord`] says what fields there are.
pub fn device_place(name: &str) -> Place {
    match name {
        "_id"
        | "_deviceId"
        | "_deviceId._Manufacturer"
        | "_deviceId._OUI"
        | "_deviceId._ProductClass"
        | "_deviceId._SerialNumber"
        | "_registered"
        | "_lastInform"
        | "_lastBoot"
        | "_lastBootstrap"
        | "_overflow"
        | "_overflow._timestamp"
        | "_overflow._reason"
        | "_heartbeat"
        | "_heartbeat._due"
        | "_heartbeat._missed"
        | "_tags"
        | "_timestamp" => return Place::At(name.to_owned()),
        // There may be an empty one.
        "_tagValues" => return Place::Derived,
        _ => {}
    }
    if let Some(tag) = name.strip_prefix("_tagValues.") {
        return Place::At(format!("_tagValues.{}", tag_key(tag)));
    }
    let (path, attribute) = match name.rsplit_once('.') {
        Some((path, attribute)) if attribute.starts_with('_') => (path, Some(attribute)),
        _ => (name, None),
    };
    let root = path.split('.').next().unwrap_or_default();
    if root.is_empty() || root.starts_with('_') || path.ends_with('.') || HEAD_ROOTS.contains(&root) {
        return Place::Nowhere;
    }
    match attribute {
        None => Place::At(node_path(path)),
        Some(
            known @ ("_value"
            | "_type"
            | "_timestamp"
            | "_object"
            | "_writable"
            | "_writer"
            | "_notification"
            | "_accessList"
            | "_attributesTimestamp"),
        ) => Place::At(format!("{}.{known}", node_path(path))),
        Some(_) => Place::Nowhere,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_key_of_its_own() {
        let names = ["", "A", "1", "_A", "$A", "%A", "%5FA", "%24A", "A_", "A$", "A%"];
        let keys: std::collections::BTreeSet<_> = names.iter().map(|name| segment_key(name).into_owned()).collect();
        assert_eq!(keys.len(), names.len());
        for name in names {
            let key = segment_key(name);
            assert!(!key.is_empty() && !key.starts_with(['_', '$']), "{name}: {key}");
            assert_eq!(segment_name(&key).unwrap(), name);
        }
        assert_eq!(segment_name("_value"), None);
        for (tag, key) in [("a", "a"), ("a.b", "a%2Eb"), ("$a%", "%24a%25"), ("", "%")] {
            assert_eq!(tag_key(tag), key);
        }
    }

    #[test]
    fn fields_are_where_documents_have_them() {
        for (field, place) in [
            ("_id", Place::At("_id".into())),
            ("_tagValues.a.b", Place::At("_tagValues.a%2Eb".into())),
            ("_tagValues", Place::Derived),
            ("Device.A.1._value", Place::At("Device.A.1._value".into())),
            ("Device._A._value", Place::At("Device.%5FA._value".into())),
            ("Device._A", Place::Nowhere),
            ("_events", Place::Nowhere),
            ("_lodestar.revision", Place::Nowhere),
            ("DeviceID.ID._value", Place::Nowhere),
            ("Device.A._written", Place::Nowhere),
            ("Device..A", Place::At("Device.%.A".into())),
        ] {
            assert_eq!(device_place(field), place, "{field}");
        }
    }
}

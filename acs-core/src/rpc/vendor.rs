//! Methods that only a vendor knows: named `X_<OUI>_<name>` (TR-069 §3.1), passed through as they are given.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A vendor's method with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorRequest {
    /// Begins with `X_`.
    pub method: String,
    /// The elements in the method's element, in order.
    pub arguments: Vec<VendorArgument>,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorArgument {
    /// Its local name.
    pub name: String,
    /// What is in it.
    pub value: VendorValue,
}

/// The content of an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VendorValue {
    /// Text.
    Text(String),
    /// Further elements.
    Elements(Vec<VendorArgument>),
}

impl VendorArgument {
    /// The elements that a JSON object stands for: one per key, one per item where the value is an array, nested where it is an
    /// object. Numbers and booleans are their text, null is an empty element.
    pub fn from_json(map: &Map<String, Json>) -> Vec<VendorArgument> {
        let element = |name: &str, value: &Json| VendorArgument { name: name.to_owned(), value: value_of(value) };
        map.iter()
            .flat_map(|(name, value)| match value {
                Json::Array(items) => items.iter().map(|item| element(name, item)).collect(),
                other => vec![element(name, other)],
            })
            .collect()
    }
}

fn value_of(json: &Json) -> VendorValue {
    match json {
        Json::Null => VendorValue::Text(String::new()),
        Json::String(text) => VendorValue::Text(text.clone()),
        Json::Object(map) => VendorValue::Elements(VendorArgument::from_json(map)),
        // An array in an array has no element of its own to be named after.
        Json::Bool(_) | Json::Number(_) | Json::Array(_) => VendorValue::Text(json.to_string()),
    }
}

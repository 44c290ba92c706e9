//! Data models as JSON files: `{path: [writable]}` for objects and `{path: [writable, value, type]}` for parameters.
//!
//! Paths with `{i}` are templates for new instances. Objects that are not listed but implied by a path below them are
//! added as not writable.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{DataModel, Node, parent};
use crate::value::{Value, XsdType};

/// Why a data model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The text is not JSON, or not an object at the top.
    #[error("the data model is not a JSON object: {0}")]
    Syntax(#[from] serde_json::Error),
    /// An entry has another shape than described in this module's head.
    #[error("{path}: expected [writable] or [writable, value, type], got {got}")]
    Entry {
        /// The entry's path.
        path: String,
        /// The entry as found.
        got: String,
    },
    /// A value does not fit its type.
    #[error("{path}: {text:?} is not a {xsd}")]
    Value {
        /// The parameter.
        path: String,
        /// The value as found.
        text: String,
        /// The type as found.
        xsd: String,
    },
    /// The file has no object or parameter.
    #[error("the data model is empty")]
    Empty,
    /// Paths begin with different root objects.
    #[error("the data model has two roots, {first} and {second}")]
    Roots {
        /// The root of the first path.
        first: String,
        /// Another root.
        second: String,
    },
}

impl DataModel {
    /// Reads a model from JSON text.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let entries: Map<String, Json> = serde_json::from_str(text)?;
        let mut nodes = BTreeMap::new();
        let mut templates = BTreeMap::new();
        for (path, entry) in &entries {
            let node = node_of(path, entry)?;
            let target = if path.contains("{i}") { &mut templates } else { &mut nodes };
            target.insert(Box::from(path.as_str()), node);
        }
        complete_parents(&mut nodes);
        let first = match nodes.keys().next() {
            Some(path) => root_of(path).to_owned(),
            None => return Err(ModelError::Empty),
        };
        if let Some(other) = nodes.keys().find(|path| root_of(path) != first) {
            let second = root_of(other).to_owned();
            return Err(ModelError::Roots { first, second });
        }
        Ok(Self::from_parts(nodes, templates))
    }

    /// Writes the model, templates included, as JSON text with one entry per line.
    pub fn to_json(&self) -> String {
        let templates = self.base.templates.iter().map(|(path, node)| (&**path, node));
        let lines: Vec<String> = self
            .walk("")
            .chain(templates)
            .map(|(path, node)| format!("{}: {}", json!(path), entry_of(path, node)))
            .collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}

fn node_of(path: &str, entry: &Json) -> Result<Node, ModelError> {
    let wrong = || ModelError::Entry { path: path.to_owned(), got: entry.to_string() };
    let parts = entry.as_array().ok_or_else(wrong)?;
    let writable = parts.first().and_then(Json::as_bool).ok_or_else(wrong)?;
    if path.is_empty() || path.starts_with('.') || path.contains("..") {
        return Err(wrong());
    }
    if path.ends_with('.') {
        return Ok(Node::object(writable));
    }
    let text = match parts.get(1) {
        Some(Json::String(text)) => text.clone(),
        Some(scalar @ (Json::Bool(_) | Json::Number(_))) => scalar.to_string(),
        _ => return Err(wrong()),
    };
    let xsd = match parts.get(2) {
        None => XsdType::String,
        Some(Json::String(name)) => XsdType::parse(name),
        Some(_) => return Err(wrong()),
    };
    if !path.contains("{i}") && !xsd.accepts(&text) {
        return Err(ModelError::Value { path: path.to_owned(), text, xsd: xsd.name().into_owned() });
    }
    Ok(Node::parameter(writable, Value::new(&text, xsd)))
}

fn entry_of(path: &str, node: &Node) -> Json {
    debug_assert_eq!(path.ends_with('.'), node.value.is_none());
    match &node.value {
        None => json!([node.writable]),
        Some(value) => json!([node.writable, &*value.text, &*value.xsd.name()]),
    }
}

fn complete_parents(nodes: &mut BTreeMap<Box<str>, Node>) {
    let mut missing = BTreeMap::new();
    for path in nodes.keys() {
        let mut object = parent(path);
        while !object.is_empty() && !nodes.contains_key(object) && !missing.contains_key(object) {
            missing.insert(Box::from(object), Node::object(false));
            object = parent(object);
        }
    }
    nodes.append(&mut missing);
}

fn root_of(path: &str) -> &str {
    path.find('.').map_or(path, |dot| &path[..=dot])
}

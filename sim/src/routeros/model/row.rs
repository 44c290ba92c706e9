//! What a router keeps: tables of rows, whose values are bytes or links to other rows.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// Everything that is configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Rows by menu. The one row of a menu of settings has the id 0, which is not shown.
    pub tables: BTreeMap<String, Vec<Row>>,
    /// The last id given out, by [`space`]. Ids are not used again.
    last_ids: BTreeMap<String, u32>,
}

/// A row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its id within its space.
    pub id: u32,
    /// What can be written, by argument.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// What is kept and only shown; names that begin with a dot are not even shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// It was there from the beginning and cannot be removed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub builtin: bool,
    /// It came by itself and goes by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dynamic: bool,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum Value {
    /// Any bytes.
    Bytes(Vec<u8>),
    /// Names of rows, kept by id: a new name shows everywhere, and a row that is gone leaves its id.
    Links {
        /// A matcher of everything else.
        negated: bool,
        /// In order.
        items: Vec<Link>,
    },
}

/// One of the things that a value names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Link {
    /// A row.
    Row {
        /// Where its id counts.
        space: String,
        /// Its id.
        id: u32,
    },
    /// A word with a meaning of its own, such as `all`.
    Word(String),
}

/// A value in the state file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Links {
        links: Vec<Link>,
        #[serde(default)]
        negated: bool,
    },
    Bytes {
        base64: String,
    },
}

impl From<Stored> for Value {
    fn from(stored: Stored) -> Value {
        match stored {
            Stored::Text(text) => Value::Bytes(text.into_bytes()),
            Stored::Links { links, negated } => Value::Links { negated, items: links },
            Stored::Bytes { base64 } => Value::Bytes(BASE64_STANDARD.decode(base64).unwrap_or_default()),
        }
    }
}

impl From<Value> for Stored {
    fn from(value: Value) -> Stored {
        match value {
            Value::Links { negated, items } => Stored::Links { links: items, negated },
            Value::Bytes(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Stored::Text(text),
                Err(error) => Stored::Bytes { base64: BASE64_STANDARD.encode(error.as_bytes()) },
            },
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }
}

/// Where a menu's ids count: those of all interfaces count together.
pub fn space(menu: &str) -> &str {
    if super::interfaces::kind_of(menu).is_some() { "/interface" } else { menu }
}

/// An id as it is written.
pub fn write_id(id: u32) -> String {
    format!("*{id:X}")
}

/// The number of a written id.
pub fn read_id(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix('*').filter(|digits| !digits.starts_with('+'))?, 16).ok()
}

fn is_false(value: &bool) -> bool {
    !value
}

impl State {
    /// The rows of a menu; none when nothing was ever added.
    pub fn rows(&self, menu: &str) -> &[Row] {
        self.tables.get(menu).map_or(&[], Vec::as_slice)
    }

    /// The rows of a menu, to change them.
    pub fn rows_mut(&mut self, menu: &str) -> &mut Vec<Row> {
        self.tables.entry(menu.to_owned()).or_default()
    }

    /// A row by its id.
    pub fn row(&self, menu: &str, id: u32) -> Option<&Row> {
        self.rows(menu).iter().find(|row| row.id == id)
    }

    /// A row by its id, to change it.
    pub fn row_mut(&mut self, menu: &str, id: u32) -> Option<&mut Row> {
        self.tables.get_mut(menu)?.iter_mut().find(|row| row.id == id)
    }

    /// The first row whose argument or fact has this value.
    pub fn find(&self, menu: &str, name: &str, value: &str) -> Option<&Row> {
        self.rows(menu).iter().find(|row| row.text(name).as_deref() == Some(value))
    }

    /// The settings of a menu with one row.
    pub fn settings(&self, menu: &str) -> Option<&Row> {
        self.rows(menu).first()
    }

    /// Ids that another state gave out are not given out again.
    pub fn keep_ids_of(&mut self, other: &State) {
        for (space, last) in &other.last_ids {
            let own = self.last_ids.entry(space.clone()).or_default();
            *own = (*own).max(*last);
        }
    }

    /// The next id of a menu.
    pub fn next_id(&mut self, menu: &str) -> u32 {
        let last = self.last_ids.entry(space(menu).to_owned()).or_default();
        *last += 1;
        *last
    }
}

impl Row {
    /// A value or fact that is no link, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name) {
            Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Some(Value::Links { .. }) => None,
            None => self.facts.get(name).cloned(),
        }
    }

    /// Whether an argument is set to true.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("true" | "yes"))
    }

    /// Whether it is disabled.
    pub fn is_disabled(&self) -> bool {
        self.is_on("disabled")
    }

    /// Puts a text.
    pub fn put(&mut self, name: &str, text: &str) {
        self.values.insert(name.to_owned(), text.into());
    }

    /// Keeps something that is only shown.
    pub fn note(&mut self, name: &str, text: impl Into<String>) {
        self.facts.insert(name.to_owned(), text.into());
    }

    /// The row that an argument links to, when it is the only one.
    pub fn link(&self, name: &str) -> Option<(&str, u32)> {
        match self.values.get(name) {
            Some(Value::Links { items, .. }) => match items.as_slice() {
                [Link::Row { space, id }] => Some((space, *id)),
                _ => None,
            },
            _ => None,
        }
    }
}

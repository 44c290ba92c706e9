//! JSON documents as records.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{FieldValue, Record};
use crate::value::parse_date_time;

/// A JSON document as a [`Record`]. Dotted names lead through objects; through lists they reach every object in it, and
/// elements by their number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JsonRecord<'a> {
    document: &'a Json,
    dates: &'a [&'a str],
}

impl<'a> JsonRecord<'a> {
    /// A document without dates.
    pub fn new(document: &'a Json) -> JsonRecord<'a> {
        JsonRecord { document, dates: &[] }
    }

    /// A document in which fields with these names (last segments, as `timestamp` or `expiry`) hold dates: ISO 8601 text, or
    /// milliseconds since the Unix epoch. Text that is neither stays text.
    pub fn with_dates(document: &'a Json, dates: &'a [&'a str]) -> JsonRecord<'a> {
        JsonRecord { document, dates }
    }

    /// The value of a field; it may outlive the record, though not the document.
    pub fn value(&self, name: &str) -> FieldValue<'a> {
        let last = name.rsplit('.').next().unwrap_or(name);
        let is_date = self.dates.contains(&last);
        self.reach(self.document, name, is_date)
    }

    fn reach(&self, document: &'a Json, name: &str, is_date: bool) -> FieldValue<'a> {
        let (first, rest) = match name.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (name, None),
        };
        let Some(inner) = document.as_object().and_then(|object| object.get(first)) else {
            return FieldValue::Missing;
        };
        self.follow(inner, rest, is_date)
    }

    /// What remains of the name, from a value on.
    fn follow(&self, value: &'a Json, rest: Option<&str>, is_date: bool) -> FieldValue<'a> {
        let Some(rest) = rest else {
            return self.leaf(value, is_date);
        };
        let Json::Array(items) = value else {
            return self.reach(value, rest, is_date);
        };
        let mut reached: Vec<FieldValue<'a>> =
            items.iter().filter(|item| item.is_object()).map(|item| self.reach(item, rest, is_date)).collect();
        let (first, after) = match rest.split_once('.') {
            Some((first, after)) => (first, Some(after)),
            None => (rest, None),
        };
        if let Some(item) = first.parse::<usize>().ok().and_then(|index| items.get(index)) {
            reached.push(self.follow(item, after, is_date));
        }
        FieldValue::Each(reached)
    }

    fn leaf(&self, value: &'a Json, is_date: bool) -> FieldValue<'a> {
        match value {
            Json::Null => FieldValue::Null,
            Json::Bool(value) => FieldValue::Bool(*value),
            Json::Number(number) => match number.as_f64() {
                Some(milliseconds) if is_date => FieldValue::Date(milliseconds as i64),
                Some(number) => FieldValue::Number(number),
                None => FieldValue::Missing,
            },
            Json::String(text) => match is_date.then(|| parse_date_time(text)).flatten() {
                Some(milliseconds) => FieldValue::Date(milliseconds),
                None => FieldValue::Text(Cow::Borrowed(text)),
            },
            Json::Array(items) => FieldValue::List(items.iter().map(|item| self.leaf(item, is_date)).collect()),
            Json::Object(_) => FieldValue::Object(Some(JsonRecord { document: value, dates: self.dates })),
        }
    }
}

impl Record for JsonRecord<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        self.value(name)
    }
}

//! Values on their way between JSON, the tree, and stored documents.

use acs_core::value::{TypedValue, Value, XsdType, format_date_time, parse_date_time};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document};
use serde_json::{Map, Number, Value as Json};

use super::names::{json_key, json_name};
use crate::StoreError;

/// The largest number up to which every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number in the narrowest form, as other programs write it.
pub fn whole(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

/// A time in milliseconds since the Unix epoch.
pub fn date(time: i64) -> Bson {
    Bson::DateTime(DateTime::from_millis(time))
}

/// A parameter's value: times as dates.
pub fn value_bson(TypedValue(value, xsd_type): &TypedValue) -> Bson {
    match value {
        Value::Int(time) if *xsd_type == XsdType::DateTime => date(*time),
        value => plain_bson(value),
    }
}

/// A value without a type.
pub fn plain_bson(value: &Value) -> Bson {
    match value {
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Int(number) => whole(*number),
        Value::Float(number) => Bson::Double(*number),
        Value::Text(text) => Bson::String(text.clone()),
    }
}

/// A parameter's value as this program or another one stored it; `None` for null.
pub fn bson_value(bson: &Bson) -> Option<Value> {
    Some(match bson {
        Bson::Null | Bson::Undefined => return None,
        Bson::Boolean(value) => Value::Bool(*value),
        Bson::String(text) => Value::Text(text.clone()),
        Bson::Double(number) if !is_whole(*number) => Value::Float(*number),
        other => match time_or_number(other) {
            Some(number) => Value::Int(number),
            None => Value::Text(other.to_string()),
        },
    })
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() <= EXACT
}

/// A whole number of any kind, or a date in milliseconds.
pub fn time_or_number(bson: &Bson) -> Option<i64> {
    match bson {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) if is_whole(*number) => Some(*number as i64),
        Bson::DateTime(time) => Some(time.timestamp_millis()),
        _ => None,
    }
}

/// A time of a document: a date, a number, or text.
pub fn time_of(document: &Document, key: &str) -> Option<i64> {
    match document.get(key)? {
        Bson::String(text) => parse_date_time(text),
        other => time_or_number(other),
    }
}

/// JSON as it is stored. Fields with the names in `dates` that are dates in text become dates.
pub fn json_bson(json: &Json, dates: &[&str]) -> Bson {
    match json {
        Json::Null => Bson::Null,
        Json::Bool(value) => Bson::Boolean(*value),
        Json::Number(number) => number_bson(number),
        Json::String(text) => Bson::String(text.clone()),
        Json::Array(items) => items.iter().map(|item| json_bson(item, &[])).collect::<Vec<_>>().into(),
        Json::Object(map) => json_document(map, dates).into(),
    }
}

/// The same for an object; `dates` are names of its own fields.
pub fn json_document(map: &Map<String, Json>, dates: &[&str]) -> Document {
    let field = |(key, value): (&String, &Json)| {
        let time = value.as_str().filter(|_| dates.contains(&key.as_str())).and_then(parse_date_time);
        (json_key(key).into_owned(), time.map_or_else(|| json_bson(value, &[]), date))
    };
    map.iter().map(field).collect()
}

fn number_bson(number: &Number) -> Bson {
    match number.as_i64() {
        Some(number) => whole(number),
        None => Bson::Double(number.as_f64().unwrap_or_default()),
    }
}

/// What is stored, as JSON: dates as ISO 8601 text, object ids as their digits.
pub fn bson_json(bson: &Bson) -> Json {
    match bson {
        Bson::Null | Bson::Undefined => Json::Null,
        Bson::Boolean(value) => Json::Bool(*value),
        Bson::String(text) => Json::String(text.clone()),
        Bson::DateTime(time) => format_date_time(time.timestamp_millis()).into(),
        Bson::ObjectId(id) => id.to_hex().into(),
        Bson::Array(items) => items.iter().map(bson_json).collect(),
        Bson::Document(document) => document_json(document).into(),
        Bson::Double(number) if !is_whole(*number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        other => match time_or_number(other) {
            Some(number) => number.into(),
            None => other.to_string().into(),
        },
    }
}

/// The same for a document.
pub fn document_json(document: &Document) -> Map<String, Json> {
    document.iter().map(|(key, value)| (json_name(key).into_owned(), bson_json(value))).collect()
}

/// An id as it is stored: 24 hexadecimal digits are an object id.
pub fn object_id(id: &str) -> Bson {
    let is_hexadecimal =
        id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match ObjectId::parse_str(id) {
        Ok(object_id) if is_hexadecimal => Bson::ObjectId(object_id),
        _ => Bson::String(id.to_owned()),
    }
}

/// The text of an id.
pub fn id_text(bson: &Bson) -> String {
    match bson {
        Bson::String(text) => text.clone(),
        Bson::ObjectId(id) => id.to_hex(),
        other => other.to_string(),
    }
}

/// The text of a document's id.
pub fn id_of(document: &Document) -> String {
    document.get("_id").map(id_text).unwrap_or_default()
}

/// What cannot be read, by its id.
pub fn damaged(what: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { what: what.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_back_as_it_was() {
        let document = json!({
            "_id": "a", "n": [0, -1, 4_294_967_295u64, 1.5, 9_007_199_254_740_993i64], "$where": {"$x": null, "%24": true},
            "%": "percent", "a.b": {"": "empty"}, "timestamp": "2024-05-06T07:08:09.000Z", "text": "2024-05-06T07:08:09.000Z",
        });
        let stored = json_bson(&document, &["timestamp"]);
        let fields = stored.as_document().cloned().unwrap_or_default();
        assert!(matches!(fields.get("timestamp"), Some(Bson::DateTime(_))));
        assert!(matches!(fields.get("text"), Some(Bson::String(_))));
        assert!(fields.keys().all(|key| !key.starts_with('$')));
        assert_eq!(bson_json(&stored), document);
    }

    #[test]
    fn values_of_other_programs_are_understood() {
        let time = DateTime::from_millis(1_700_000_000_000);
        for (stored, value) in [
            (Bson::Double(4_294_967_295.0), Some(Value::Int(4_294_967_295))),
            (Bson::Double(0.5), Some(Value::Float(0.5))),
            (Bson::Int32(7), Some(Value::Int(7))),
            (Bson::DateTime(time), Some(Value::Int(1_700_000_000_000))),
            (Bson::String("x".into()), Some(Value::Text("x".into()))),
            (Bson::Null, None),
        ] {
            assert_eq!(bson_value(&stored), value, "{stored}");
        }
    }

    #[test]
    fn ids_are_object_ids_when_they_look_like_it() {
        let id = "0123456789abcdef01234567";
        assert!(matches!(object_id(id), Bson::ObjectId(_)));
        for text in ["a", "0123456789ABCDEF01234567", "0123456789abcdef0123456"] {
            assert_eq!(object_id(text), Bson::String(text.into()));
        }
        assert_eq!(id_text(&object_id(id)), id);
    }
}

//! Parameter values, their xsd types, and coercion between them (`docs/engine.md`, "Coercion").
//!
//! Not here: how values look on the wire (`cwmp`), or in scripts (`sandbox`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A parameter's value. `xsd:dateTime` values are [`Value::Int`] in milliseconds since the Unix epoch, once parsed.
///
/// Text that does not parse as its declared type stays [`Value::Text`]: nothing that a device says is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `xsd:boolean`.
    Bool(bool),
    /// Any integer type that fits, and `xsd:dateTime` in milliseconds.
    Int(i64),
    /// Only from scripts and expressions; no xsd type of TR-106 is a float.
    Float(f64),
    /// Everything else.
    Text(String),
}

/// The type of a value, as the data models spell it (TR-106 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum XsdType {
    /// `xsd:string`
    String,
    /// `xsd:int`
    Int,
    /// `xsd:unsignedInt`
    UnsignedInt,
    /// `xsd:long`
    Long,
    /// `xsd:unsignedLong`
    UnsignedLong,
    /// `xsd:boolean`
    Boolean,
    /// `xsd:dateTime`
    DateTime,
    /// `xsd:base64`
    Base64,
    /// `xsd:hexBinary`
    HexBinary,
    /// Any other type, exactly as the device or the script spelled it.
    Other(Box<str>),
}

impl XsdType {
    /// The type's name with the canonical `xsd:` prefix.
    pub fn as_str(&self) -> &str {
        match self {
            XsdType::String => "xsd:string",
            XsdType::Int => "xsd:int",
            XsdType::UnsignedInt => "xsd:unsignedInt",
            XsdType::Long => "xsd:long",
            XsdType::UnsignedLong => "xsd:unsignedLong",
            XsdType::Boolean => "xsd:boolean",
            XsdType::DateTime => "xsd:dateTime",
            XsdType::Base64 => "xsd:base64",
            XsdType::HexBinary => "xsd:hexBinary",
            XsdType::Other(name) => name,
        }
    }

    /// Reads a type's name. Any prefix (`xs:`, `xsd:`, `s:`, none) of a known local name gives the known type; anything else
    /// is kept as it is. `base64Binary`, the schema's name, is [`XsdType::Base64`].
    pub fn parse(text: &str) -> XsdType {
        let local = text.rsplit(':').next().unwrap_or(text);
        match local {
            "string" => XsdType::String,
            "int" => XsdType::Int,
            "unsignedInt" => XsdType::UnsignedInt,
            "long" => XsdType::Long,
            "unsignedLong" => XsdType::UnsignedLong,
            "boolean" => XsdType::Boolean,
            "dateTime" => XsdType::DateTime,
            "base64" | "base64Binary" => XsdType::Base64,
            "hexBinary" => XsdType::HexBinary,
            _ => XsdType::Other(text.into()),
        }
    }

    /// The type that a value has when nobody says: boolean, int (also for fractions), string.
    pub fn of(value: &Value) -> XsdType {
        match value {
            Value::Bool(_) => XsdType::Boolean,
            Value::Int(_) | Value::Float(_) => XsdType::Int,
            Value::Text(_) => XsdType::String,
        }
    }
}

impl fmt::Display for XsdType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for XsdType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for XsdType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(XsdType::parse(&text))
    }
}

/// A value with its type, written `[value, type]` in JSON and in scripts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypedValue(pub Value, pub XsdType);

impl TypedValue {
    /// A value with the type that [`XsdType::of`] infers.
    pub fn inferred(value: Value) -> TypedValue {
        let xsd_type = XsdType::of(&value);
        TypedValue(value, xsd_type)
    }

    /// A string value.
    pub fn string(text: impl Into<String>) -> TypedValue {
        TypedValue(Value::Text(text.into()), XsdType::String)
    }
}

impl Value {
    /// The value as text: booleans as `true`/`false`, numbers in decimal, text as it is.
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Value::Bool(true) => "true".into(),
            Value::Bool(false) => "false".into(),
            Value::Int(number) => number.to_string().into(),
            Value::Float(number) => number.to_string().into(),
            Value::Text(text) => text.as_str().into(),
        }
    }

    /// Coerces the value to a type. What cannot be coerced stays as it is; range errors are the device's to report.
    ///
    /// | type | rule |
    /// | --- | --- |
    /// | boolean | `true/TRUE/True/1`, `false/FALSE/False/0`, numbers 0 and 1 |
    /// | int, unsignedInt | numbers as they are; text by its leading integer (`"600abc"` is 600) |
    /// | dateTime | numbers and numeric text are milliseconds; other text is read as ISO 8601 |
    /// | others | converted to text |
    pub fn coerce(self, xsd_type: &XsdType) -> Value {
        match xsd_type {
            XsdType::Boolean => match &self {
                Value::Text(text) => parse_boolean(text).map_or(self, Value::Bool),
                Value::Int(0) => Value::Bool(false),
                Value::Int(1) => Value::Bool(true),
                _ => self,
            },
            XsdType::Int | XsdType::UnsignedInt => match &self {
                Value::Text(text) => parse_leading_integer(text).map_or(self, Value::Int),
                Value::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => Value::Int(*number as i64),
                _ => self,
            },
            XsdType::DateTime => match &self {
                Value::Text(text) => match text.trim().parse::<i64>() {
                    Ok(milliseconds) => Value::Int(milliseconds),
                    Err(_) => parse_date_time(text).map_or(self, Value::Int),
                },
                Value::Float(number) => Value::Int(*number as i64),
                _ => self,
            },
            _ => match self {
                Value::Text(_) => self,
                other => Value::Text(other.to_text().into_owned()),
            },
        }
    }
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "true" | "TRUE" | "True" | "1" => Some(true),
        "false" | "FALSE" | "False" | "0" => Some(false),
        _ => None,
    }
}

fn parse_leading_integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let digits_from = usize::from(text.starts_with(['-', '+']));
    let length = text[digits_from..].bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return None;
    }
    text[..digits_from + length].trim_start_matches('+').parse().ok()
}

/// Reads an ISO 8601 date and time, to milliseconds since the Unix epoch. A missing zone means UTC (a device's habit), a
/// missing time of day midnight, fractions of any length are cut to milliseconds.
pub fn parse_date_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(with_zone) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(with_zone.timestamp_millis());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"] {
        if let Ok(with_zone) = chrono::DateTime::parse_from_str(text, format) {
            return Some(with_zone.timestamp_millis());
        }
    }
    let naive_text = text.trim_end_matches(['Z', 'z']);
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(naive) = chrono::NaiveDateTime::parse_from_str(naive_text, format) {
            return Some(naive.and_utc().timestamp_millis());
        }
    }
    let date = chrono::NaiveDate::parse_from_str(naive_text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// Writes milliseconds since the Unix epoch as `YYYY-MM-DDTHH:MM:SS.mmmZ`. Times that the calendar cannot hold are written as
/// the plain number.
pub fn format_date_time(milliseconds: i64) -> String {
    match chrono::DateTime::from_timestamp_millis(milliseconds) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        None => milliseconds.to_string(),
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.into())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coercion_follows_the_table() {
        let cases: &[(Value, XsdType, Value)] = &[
            ("True".into(), XsdType::Boolean, true.into()),
            ("0".into(), XsdType::Boolean, false.into()),
            (1.into(), XsdType::Boolean, true.into()),
            ("maybe".into(), XsdType::Boolean, "maybe".into()),
            ("600abc".into(), XsdType::UnsignedInt, 600.into()),
            (" -7".into(), XsdType::Int, (-7).into()),
            ("abc".into(), XsdType::Int, "abc".into()),
            (Value::Float(3.0), XsdType::Int, 3.into()),
            ("081".into(), XsdType::UnsignedInt, 81.into()),
            ("1000".into(), XsdType::DateTime, 1000.into()),
            ("1970-01-01T00:00:01Z".into(), XsdType::DateTime, 1000.into()),
            ("1970-01-01T00:00:01.5".into(), XsdType::DateTime, 1500.into()),
            ("1970-01-01T01:00:01+01:00".into(), XsdType::DateTime, 1000.into()),
            (5.into(), XsdType::String, "5".into()),
            (true.into(), XsdType::UnsignedLong, "true".into()),
        ];
        for (value, xsd_type, expected) in cases {
            assert_eq!(&value.clone().coerce(xsd_type), expected, "{value:?} as {xsd_type}");
        }
    }

    #[test]
    fn types_are_found_by_local_name() {
        assert_eq!(XsdType::parse("xs:unsignedInt"), XsdType::UnsignedInt);
        assert_eq!(XsdType::parse("boolean"), XsdType::Boolean);
        assert_eq!(XsdType::parse("object").as_str(), "object");
    }
}

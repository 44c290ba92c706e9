//! The values on both sides of a query: those of records ([`FieldValue`]) and those written in the query ([`Operand`]).

use std::borrow::Cow;

use super::JsonRecord;
use crate::expression::Scalar;

/// What a record has in a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// The field is not there.
    Missing,
    /// Present and null.
    Null,
    /// A boolean.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Milliseconds since the Unix epoch.
    Date(i64),
    /// A list, such as tags. Its elements are tried one by one, and the list as a whole.
    List(Vec<FieldValue<'a>>),
    /// What a dotted name reaches through a list of objects, one per object: matches when any does. No list by itself.
    Each(Vec<FieldValue<'a>>),
    /// An object. Only its presence and its type can be asked for, unless it is JSON.
    Object(Option<JsonRecord<'a>>),
}

/// A value in a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Null; as an equality it also matches missing fields.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// Milliseconds since the Unix epoch.
    Date(i64),
    /// A whole list, for equality only.
    List(Vec<Operand>),
}

/// The types that `$type` tells apart.
///
/// All numbers are alike here; of MongoDB's three, a number counts as `int` when it is whole and fits 32 bits, as `long` when it
/// is whole and does not, and as `double` otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// `double`, 1
    Double,
    /// `string`, 2
    String,
    /// `object`, 3
    Object,
    /// `array`, 4
    Array,
    /// `bool`, 8
    Bool,
    /// `date`, 9
    Date,
    /// `null`, 10
    Null,
    /// `int`, 16
    Int,
    /// `long`, 18
    Long,
    /// `number`: any of the three.
    Number,
}

impl FieldValue<'_> {
    /// Whether the value itself, not its elements, is of this type.
    pub fn is_of(&self, wanted: FieldType) -> bool {
        match self {
            FieldValue::Missing | FieldValue::Each(_) => false,
            FieldValue::Null => wanted == FieldType::Null,
            FieldValue::Bool(_) => wanted == FieldType::Bool,
            FieldValue::Text(_) => wanted == FieldType::String,
            FieldValue::Date(_) => wanted == FieldType::Date,
            FieldValue::List(_) => wanted == FieldType::Array,
            FieldValue::Object(_) => wanted == FieldType::Object,
            FieldValue::Number(number) => {
                let narrow = if number.fract() != 0.0 {
                    FieldType::Double
                } else if (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(number) {
                    FieldType::Int
                } else {
                    FieldType::Long
                };
                wanted == FieldType::Number || wanted == narrow
            }
        }
    }

    /// Whether the value itself, not one of its elements, equals an operand.
    pub fn equals(&self, operand: &Operand) -> bool {
        match (self, operand) {
            (FieldValue::Missing | FieldValue::Null, Operand::Null) => true,
            (FieldValue::List(left), Operand::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            _ => self.order(operand).is_some_and(std::cmp::Ordering::is_eq),
        }
    }

    /// The order of the value itself and an operand of the same type, `None` for different types. Text compares by code point.
    pub fn order(&self, operand: &Operand) -> Option<std::cmp::Ordering> {
        match (self, operand) {
            (FieldValue::Missing | FieldValue::Null, Operand::Null) => Some(std::cmp::Ordering::Equal),
            (FieldValue::Bool(left), Operand::Bool(right)) => Some(left.cmp(right)),
            (FieldValue::Number(left), Operand::Number(right)) => left.partial_cmp(right),
            (FieldValue::Text(left), Operand::Text(right)) => Some(left.as_ref().cmp(right.as_str())),
            (FieldValue::Date(left), Operand::Date(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }
}

impl FieldType {
    /// The type that a name or a number of `$type` means.
    pub fn parse(json: &serde_json::Value) -> Option<FieldType> {
        const NAMES: [(FieldType, &str, u64); 9] = [
            (FieldType::Double, "double", 1),
            (FieldType::String, "string", 2),
            (FieldType::Object, "object", 3),
            (FieldType::Array, "array", 4),
            (FieldType::Bool, "bool", 8),
            (FieldType::Date, "date", 9),
            (FieldType::Null, "null", 10),
            (FieldType::Int, "int", 16),
            (FieldType::Long, "long", 18),
        ];
        if json.as_str() == Some("number") {
            return Some(FieldType::Number);
        }
        let found =
            NAMES.iter().find(|(_, name, number)| json.as_str() == Some(name) || json.as_f64() == Some(*number as f64));
        found.map(|(field_type, _, _)| *field_type)
    }
}

impl From<bool> for Operand {
    fn from(value: bool) -> Operand {
        Operand::Bool(value)
    }
}

impl From<f64> for Operand {
    fn from(value: f64) -> Operand {
        Operand::Number(value)
    }
}

impl From<&str> for Operand {
    fn from(value: &str) -> Operand {
        Operand::Text(value.into())
    }
}

impl From<String> for Operand {
    fn from(value: String) -> Operand {
        Operand::Text(value)
    }
}

impl From<&Scalar> for Operand {
    fn from(value: &Scalar) -> Operand {
        match value {
            Scalar::Null => Operand::Null,
            Scalar::Bool(value) => Operand::Bool(*value),
            Scalar::Number(number) => Operand::Number(*number),
            Scalar::Text(text) => Operand::Text(text.clone()),
        }
    }
}

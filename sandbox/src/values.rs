//! Conversions between script values, parameter values and JSON. All are bounded in depth and size, because a script may
//! nest values deeper than any recursion should follow.

use acs_core::value::{TypedValue, Value};
use rhai::{Array, Dynamic, Map};
use serde_json::{Number, Value as Json};

use crate::api::Declared;

/// Deepest nesting that leaves a script.
const MAX_DEPTH: usize = 64;

/// A value that cannot leave the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconvertible {
    /// Says what is wrong with it.
    Kind(String),
    /// More bytes than allowed.
    TooLarge,
}

/// A scalar as a parameter's value; `None` for everything else.
pub fn to_scalar(value: &Dynamic) -> Option<Value> {
    if let Ok(flag) = value.as_bool() {
        return Some(Value::Bool(flag));
    }
    if let Ok(number) = value.as_int() {
        return Some(Value::Int(number));
    }
    if let Ok(number) = value.as_float() {
        return Some(Value::Float(number));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Some(Value::Text(text.to_string()));
    }
    value.as_char().ok().map(|letter| Value::Text(letter.to_string()))
}

/// A parameter's value in a script.
pub fn from_scalar(value: &Value) -> Dynamic {
    match value {
        Value::Bool(flag) => Dynamic::from(*flag),
        Value::Int(number) => Dynamic::from(*number),
        Value::Float(number) => Dynamic::from(*number),
        Value::Text(text) => text.as_str().into(),
    }
}

/// `[value, type]`, as scripts see a parameter's value.
pub fn from_typed(TypedValue(value, xsd_type): &TypedValue) -> Dynamic {
    Dynamic::from_array(vec![from_scalar(value), xsd_type.as_str().into()])
}

/// A number of milliseconds or the like: integers, and floats without their fraction.
pub fn to_integer(value: &Dynamic) -> Option<i64> {
    value.as_int().ok().or_else(|| value.as_float().ok().map(|number| number as i64))
}

/// JSON as a script value. Numbers beyond 64-bit integers become floats.
pub fn from_json(json: &Json) -> Dynamic {
    match json {
        Json::Null => Dynamic::UNIT,
        Json::Bool(flag) => Dynamic::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Dynamic::from(integer),
            None => Dynamic::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(list) => Dynamic::from_array(list.iter().map(from_json).collect::<Array>()),
        Json::Object(entries) => Dynamic::from_map(
            entries.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect::<Map>(),
        ),
    }
}

/// A script value as JSON of at most `max_bytes` (roughly). Whole floats stay floats; numbers that JSON lacks become null.
pub fn to_json(value: &Dynamic, max_bytes: u64) -> Result<Json, Unconvertible> {
    let mut left = max_bytes;
    convert(value, MAX_DEPTH, &mut left)
}

fn convert(value: &Dynamic, depth: usize, left: &mut u64) -> Result<Json, Unconvertible> {
    if depth == 0 {
        return Err(Unconvertible::Kind(format!("a value nested deeper than {MAX_DEPTH} levels")));
    }
    let mut take = |bytes: usize| match left.checked_sub(bytes as u64 + 16) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(Unconvertible::TooLarge),
    };
    if value.is_unit() {
        return Ok(Json::Null);
    }
    if let Some(scalar) = to_scalar(value) {
        return Ok(match scalar {
            Value::Bool(flag) => Json::Bool(flag),
            Value::Int(number) => Json::from(number),
            Value::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
            Value::Text(text) => {
                take(text.len())?;
                Json::String(text)
            }
        });
    }
    if let Ok(list) = value.as_array_ref() {
        take(list.len() * 16)?;
        return list.iter().map(|item| convert(item, depth - 1, left)).collect::<Result<Vec<_>, _>>().map(Json::Array);
    }
    if let Ok(map) = value.as_map_ref() {
        let mut object = serde_json::Map::new();
        for (key, item) in map.iter() {
            *left = left.checked_sub(key.len() as u64 + 32).ok_or(Unconvertible::TooLarge)?;
            object.insert(key.to_string(), convert(item, depth - 1, left)?);
        }
        return Ok(Json::Object(object));
    }
    Err(Unconvertible::Kind(describe(value)))
}

/// What a value is, for messages: `a text`, `a map`.
pub fn describe(value: &Dynamic) -> String {
    let text = match () {
        () if value.is_unit() => "() (nothing)",
        () if value.is_bool() => "a boolean",
        () if value.is_int() || value.is_float() => "a number",
        () if value.is_string() || value.is_char() => "a text",
        () if value.is_array() => "an array",
        () if value.is_map() => "a map",
        () if value.is_fnptr() => "a function",
        () if value.is::<Declared>() => "a declare() result (use its .value[0], or .path)",
        () => value.type_name(),
    };
    text.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn json_round_trips() {
        let json = json!({"a": [1, -2.5, true, null, "x"], "b": {"c": 9_007_199_254_740_993_i64}, "d": 1.0});
        assert_eq!(to_json(&from_json(&json), 10_000).unwrap(), json);
        assert_eq!(from_json(&json!(18_446_744_073_709_551_615_u64)).as_float().unwrap(), 18_446_744_073_709_551_615.0);
    }

    #[test]
    fn what_leaves_a_script_is_bounded() {
        let mut deep = Dynamic::UNIT;
        for _ in 0..100 {
            deep = Dynamic::from_array(vec![deep]);
        }
        assert!(matches!(to_json(&deep, 100_000), Err(Unconvertible::Kind(_))));
        let long: Dynamic = "x".repeat(1_000).into();
        assert_eq!(to_json(&long, 999), Err(Unconvertible::TooLarge));
        assert!(to_json(&long, 1_016).is_ok());
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "[ -~äß]{0,8}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                proptest::collection::btree_map("[a-z]{1,4}", inner, 0..6).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_round_trips(json in any_json()) {
            prop_assert_eq!(to_json(&from_json(&json), 1_000_000).unwrap(), json);
        }
    }
}

//! The values of the expression language, and how they compare and convert.
//!
//! Not here: values of parameters with their xsd types (`crate::value`).

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::value::Value;

/// The largest magnitude up to which every integer is exact as a 64-bit float.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// A value of the expression language. Numbers are 64-bit floats, so integers are exact up to 2⁵³; times are milliseconds since
/// the Unix epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Unknown or absent.
    Null,
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// Finite; whatever would not be is [`Scalar::Null`] instead.
    Number(f64),
    /// Text.
    Text(String),
}

impl Scalar {
    /// A number; [`Scalar::Null`] when it is infinite or not a number.
    pub fn number(number: f64) -> Scalar {
        if number.is_finite() { Scalar::Number(number) } else { Scalar::Null }
    }

    /// Whether this is [`Scalar::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Scalar::Null)
    }

    /// What the value means as a condition: `None` for null; numbers other than zero and text other than empty are true.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(*value),
            Scalar::Number(number) => Some(*number != 0.0),
            Scalar::Text(text) => Some(!text.is_empty()),
        }
    }

    /// Whether a condition holds: null does not.
    pub fn is_true(&self) -> bool {
        self.truth() == Some(true)
    }

    /// The value as `||` sees it: booleans are `1` and `0`, integers have no fraction, null has no text.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(if *value { "1".into() } else { "0".into() }),
            Scalar::Number(number) => Some(format_number(*number).into()),
            Scalar::Text(text) => Some(text.as_str().into()),
        }
    }

    /// The value as arithmetic sees it: booleans are 1 and 0, text counts by its leading number or 0, null has no number.
    pub fn to_number(&self) -> Option<f64> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(f64::from(u8::from(*value))),
            Scalar::Number(number) => Some(*number),
            Scalar::Text(text) => Some(leading_number(text)),
        }
    }

    /// The order of two values, `None` when either is null. Booleans are 1 and 0; any text is greater than any number; texts
    /// compare by UTF-16 code unit.
    pub fn compare(&self, other: &Scalar) -> Option<Ordering> {
        match (self, other) {
            (Scalar::Null, _) | (_, Scalar::Null) => None,
            (Scalar::Text(left), Scalar::Text(right)) => Some(left.encode_utf16().cmp(right.encode_utf16())),
            (Scalar::Text(_), _) => Some(Ordering::Greater),
            (_, Scalar::Text(_)) => Some(Ordering::Less),
            (left, right) => left.to_number()?.partial_cmp(&right.to_number()?),
        }
    }

    /// The value for a parameter, `None` for null. Numbers without a fraction become integers.
    pub fn to_value(&self) -> Option<Value> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(Value::Bool(*value)),
            Scalar::Number(number) => Some(match exact_integer(*number) {
                Some(integer) => Value::Int(integer),
                None => Value::Float(*number),
            }),
            Scalar::Text(text) => Some(Value::Text(text.clone())),
        }
    }

    /// The value in JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Scalar::Null => serde_json::Value::Null,
            Scalar::Bool(value) => (*value).into(),
            Scalar::Number(number) => match exact_integer(*number) {
                Some(integer) => integer.into(),
                None => (*number).into(),
            },
            Scalar::Text(text) => text.as_str().into(),
        }
    }

    /// A JSON value that is no list and no object; `None` for those.
    pub fn from_json(json: &serde_json::Value) -> Option<Scalar> {
        match json {
            serde_json::Value::Null => Some(Scalar::Null),
            serde_json::Value::Bool(value) => Some(Scalar::Bool(*value)),
            serde_json::Value::Number(number) => number.as_f64().map(Scalar::number),
            serde_json::Value::String(text) => Some(Scalar::Text(text.clone())),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
        }
    }
}

impl From<&Value> for Scalar {
    fn from(value: &Value) -> Scalar {
        match value {
            Value::Bool(value) => Scalar::Bool(*value),
            Value::Int(number) => Scalar::Number(*number as f64),
            Value::Float(number) => Scalar::number(*number),
            Value::Text(text) => Scalar::Text(text.clone()),
        }
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Scalar {
        Scalar::Bool(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Scalar {
        Scalar::Number(value as f64)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Scalar {
        Scalar::number(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Scalar {
        Scalar::Text(value.into())
    }
}

impl From<String> for Scalar {
    fn from(value: String) -> Scalar {
        Scalar::Text(value)
    }
}

impl From<Option<Scalar>> for Scalar {
    fn from(value: Option<Scalar>) -> Scalar {
        value.unwrap_or(Scalar::Null)
    }
}

fn exact_integer(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT_INTEGERS).then_some(number as i64)
}

/// Writes a number as JavaScript would, which is what stored values and people's habits were made with: the shortest digits that
/// read back as the same number, no fraction for integers, an exponent from 10²¹ and below 10⁻⁶.
pub(super) fn format_number(number: f64) -> String {
    let magnitude = number.abs();
    if number == 0.0 {
        return "0".into();
    }
    if (1e-6..1e21).contains(&magnitude) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// The number at the start of a text, after white space; 0 when there is none.
fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0.0;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent_sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + exponent_sign);
        if exponent > 0 {
            end += 1 + exponent_sign + exponent;
        }
    }
    text[..end].parse().unwrap_or(0.0)
}

//! Reading the arguments of built-in provisions: scalars in JSON, numbers and booleans also as text.

use std::ops::RangeBounds;

use acs_core::declaration::{Freshness, MAX_INSTANCES};
use acs_core::path::Path;
use acs_core::value::Value;
use serde_json::Value as Json;

use super::{BuiltinError, Stop};

/// The arguments of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arguments<'a>(pub &'a [Json]);

/// How many instances are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    /// So many.
    Absolute(u32),
    /// So many more than there are.
    Added(u32),
    /// So many fewer than there are.
    Removed(u32),
}

/// The highest notification attribute (TR-069 A.3.2.4, since CWMP 1.4).
const MAX_NOTIFICATION: i64 = 6;

impl<'a> Arguments<'a> {
    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is an argument that is not null: what an expression has no value for counts as left out.
    pub(super) fn is_given(self, index: usize) -> bool {
        !self.json(index).is_null()
    }

    pub(super) fn count(self, expected: &str, range: impl RangeBounds<usize>) -> Result<(), Stop> {
        if range.contains(&self.len()) {
            return Ok(());
        }
        Err(BuiltinError::Arguments(format!("expected {expected}; got {}", self.len())).into())
    }

    /// An error that names the argument, what it should be, and what it is.
    pub(super) fn wrong(self, index: usize, expected: &str) -> Stop {
        let message = format!("argument {} must be {expected}, not {}", index + 1, self.json(index));
        BuiltinError::Arguments(message).into()
    }

    /// A path; one trailing dot is allowed, as objects are often written with it.
    pub(super) fn path(self, index: usize) -> Result<Path, Stop> {
        let text = self.json(index).as_str().ok_or_else(|| self.wrong(index, "a path"))?;
        let path = Path::parse(text.strip_suffix('.').unwrap_or(text));
        path.map_err(|error| BuiltinError::Arguments(error.to_string()).into())
    }

    /// A text as it is, a number or a boolean as text; nothing when it is left out.
    pub(super) fn plain(self, index: usize) -> String {
        match self.json(index) {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    pub(super) fn text(self, index: usize, expected: &str) -> Result<&'a str, Stop> {
        self.json(index).as_str().ok_or_else(|| self.wrong(index, expected))
    }

    /// A StarState document, or the name of one.
    pub(super) fn document(self, index: usize) -> Result<Json, Stop> {
        match self.json(index) {
            Json::String(name) if !name.trim().is_empty() && !name.trim().starts_with('{') => Ok(name.as_str().into()),
            _ => self.object(index, "a document or its name"),
        }
    }

    /// An object, also as text: presets have no other arguments.
    pub(super) fn object(self, index: usize, expected: &str) -> Result<Json, Stop> {
        let object = match self.json(index) {
            Json::String(text) => serde_json::from_str(text).unwrap_or_default(),
            json => json.clone(),
        };
        if object.is_object() { Ok(object) } else { Err(self.wrong(index, expected)) }
    }

    pub(super) fn value(self, index: usize) -> Result<Value, Stop> {
        match self.json(index) {
            Json::Bool(value) => Ok(Value::Bool(*value)),
            Json::String(text) => Ok(Value::Text(text.clone())),
            Json::Number(number) => Ok(match (number.as_i64(), number.is_u64(), number.as_f64()) {
                (Some(integer), _, _) => Value::Int(integer),
                (None, false, Some(float)) => Value::Float(float),
                // Only unsigned values beyond 63 bits; they keep their digits as text.
                _ => Value::Text(number.to_string()),
            }),
            _ => Err(self.wrong(index, "a value")),
        }
    }

    /// A tag's value: booleans and what stands for them, or text.
    pub(super) fn tag_value(self, index: usize) -> Result<Value, Stop> {
        match self.json(index) {
            Json::Null => Ok(Value::Bool(false)),
            Json::String(text) if text.is_empty() => Ok(Value::Bool(false)),
            Json::String(text) if truth(text).is_none() => Ok(Value::Text(text.clone())),
            _ => self.flag(index).map(Value::Bool),
        }
    }

    pub(super) fn flag(self, index: usize) -> Result<bool, Stop> {
        let flag = match self.json(index) {
            Json::Bool(flag) => Some(*flag),
            Json::Number(number) => Some(number.as_f64() != Some(0.0)),
            Json::String(text) => truth(text),
            _ => None,
        };
        flag.ok_or_else(|| self.wrong(index, "true or false"))
    }

    /// Seconds as milliseconds; `default` when left out.
    pub(super) fn milliseconds(self, index: usize, default: i64) -> Result<i64, Stop> {
        if !self.is_given(index) {
            return Ok(default);
        }
        let seconds = match self.json(index) {
            Json::Number(number) => number.as_f64(),
            Json::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match seconds.map(|seconds: f64| seconds * 1_000.0) {
            Some(milliseconds) if (0.0..9.0e15).contains(&milliseconds) => Ok(milliseconds as i64),
            _ => Err(self.wrong(index, "a number of seconds")),
        }
    }

    pub(super) fn notification(self, index: usize) -> Result<u8, Stop> {
        let number = self.integer(index).filter(|number| (0..=MAX_NOTIFICATION).contains(number));
        let number = number.and_then(|number| u8::try_from(number).ok());
        number.ok_or_else(|| self.wrong(index, "a number from 0 to 6"))
    }

    /// Names separated by commas; none in empty text.
    pub(super) fn names(self, index: usize) -> Result<Vec<String>, Stop> {
        let text = self.text(index, "names separated by commas")?;
        Ok(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// The attributes named from an index on, each as fresh as `time`.
    pub(super) fn freshness(self, from: usize, time: i64) -> Result<Freshness, Stop> {
        let mut fresh = Freshness::default();
        for index in from..self.len() {
            let attribute = match self.json(index).as_str() {
                Some("path") => &mut fresh.path,
                Some("value") => &mut fresh.value,
                Some("object") => &mut fresh.object,
                Some("writable") => &mut fresh.writable,
                Some("notification") => &mut fresh.notification,
                Some("accessList") => &mut fresh.access_list,
                _ => return Err(self.wrong(index, "one of path, value, object, writable, notification, accessList")),
            };
            *attribute = time;
        }
        Ok(fresh)
    }

    pub(super) fn instances(self, index: usize) -> Result<Instances, Stop> {
        let number = |text: &str| text.parse::<u32>().ok().filter(|&number| number <= MAX_INSTANCES);
        let count = match self.json(index) {
            Json::String(text) => {
                let text = text.trim();
                match (text.strip_prefix('+'), text.strip_prefix('-')) {
                    (Some(more), _) => number(more).map(Instances::Added),
                    (_, Some(fewer)) => number(fewer).map(Instances::Removed),
                    _ => number(text).map(Instances::Absolute),
                }
            }
            _ => self.integer(index).and_then(|count| number(&count.to_string())).map(Instances::Absolute),
        };
        let expected = format!("a count from 0 to {MAX_INSTANCES}, or text like \"+1\" or \"-1\"");
        count.ok_or_else(|| self.wrong(index, &expected))
    }

    fn integer(self, index: usize) -> Option<i64> {
        match self.json(index) {
            Json::Number(number) => number.as_i64(),
            Json::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn json(self, index: usize) -> &'a Json {
        self.0.get(index).unwrap_or(&Json::Null)
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

//! Queries, sort orders and their fields as the northbound interface takes them: each collection has its own rules.
//!
//! | collection | rules |
//! | --- | --- |
//! | `devices` | Names whose last segment does not begin with `_` are parameters: `._value` is appended. Text operands are tried as text, as a regular expression when written `/re/flags`, as a number, as a date, and as a glob when they contain `*`. `$ne` and `$not` stand alone. |
//! | `tasks`, `faults`, `transfers`, `uploads` | `timestamp`, `expiry`, `uploadDate` and what ends in `At` or `Time` are dates, `retries` is a number, and these take only comparisons, `$in`, `$nin`, `$exists` and `$type`. |
//! | others | as they are |

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::mongo::{self, Dialect, Meaning, date, invalid, plain_operand, regex};
use super::{LikePattern, Operand, Query, QueryError, Sort};
use crate::value::parse_date_time;

/// Text is tried as a date only from 1984 on and from this length on: shorter or earlier, it is more likely something else.
const SHORTEST_DATE: usize = 8;
/// 1984-01-01T00:00:00Z in milliseconds since the Unix epoch.
const EARLIEST_DATE: i64 = 441_763_200_000;

/// Reads a query on a collection (`devices`, `tasks`, `faults`, …).
pub fn parse(collection: &str, query: &Json) -> Result<Query, QueryError> {
    match collection {
        "devices" => mongo::parse_with(query, &Devices),
        "tasks" | "faults" | "transfers" | "uploads" => mongo::parse_with(query, &Queued),
        _ => mongo::parse(query),
    }
}

/// The same from text; empty text means every record.
pub fn parse_text(collection: &str, text: &str) -> Result<Query, QueryError> {
    match json_of(text)? {
        Some(json) => parse(collection, &json),
        None => Ok(Query::True),
    }
}

/// Reads a sort order, `{"field": 1}` or `-1`; the first field counts most. The collection's rules for names apply.
pub fn parse_sort(collection: &str, sort: &Json) -> Result<Vec<Sort>, QueryError> {
    let Some(fields) = sort.as_object() else {
        return Err(QueryError::NotAnObject { path: "$".into() });
    };
    fields
        .iter()
        .map(|(field, direction)| {
            let descending = match direction.as_f64() {
                Some(1.0) => false,
                Some(-1.0) => true,
                _ => return Err(invalid(&format!("$.{field}"), "1 or -1")),
            };
            let field = if collection == "devices" { device_field(field) } else { field.into() };
            Ok(Sort { field: field.into_owned(), descending })
        })
        .collect()
}

/// The same from text; empty text means no order.
pub fn parse_sort_text(collection: &str, text: &str) -> Result<Vec<Sort>, QueryError> {
    match json_of(text)? {
        Some(json) => parse_sort(collection, &json),
        None => Ok(Vec::new()),
    }
}

/// The field of a device document that a name in a query means: `._value` is appended to the names of parameters.
pub fn device_field(name: &str) -> Cow<'_, str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.starts_with('_') { Cow::Borrowed(name) } else { Cow::Owned(format!("{name}._value")) }
}

fn json_of(text: &str) -> Result<Option<Json>, QueryError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|error| QueryError::Json(error.to_string()))
}

struct Devices;

impl Dialect for Devices {
    fn field<'n>(&self, field: &'n str) -> Cow<'n, str> {
        device_field(field)
    }

    fn check_operators(&self, _field: &str, operators: &Map<String, Json>, path: &str) -> Result<(), QueryError> {
        let negates = operators.contains_key("$ne") || operators.contains_key("$not");
        if negates && operators.len() > 1 {
            return Err(QueryError::MixedNegation { path: path.into() });
        }
        Ok(())
    }

    fn meanings(&self, _field: &str, operand: &Json, path: &str) -> Result<Vec<Meaning>, QueryError> {
        let mut meanings = vec![Meaning::Value(plain_operand(operand, path)?)];
        let Some(text) = operand.as_str() else {
            return Ok(meanings);
        };
        if let Some((source, flags)) = regex_literal(text) {
            meanings.push(Meaning::Regex(regex(source, flags, path)?));
        }
        match number(text) {
            Some(number) => meanings.push(Meaning::Value(Operand::Number(number))),
            None => {
                meanings.extend(date_within_text(text).map(|milliseconds| Meaning::Value(Operand::Date(milliseconds))))
            }
        }
        if text.contains('*') {
            meanings.push(Meaning::Like(LikePattern::glob(text)));
        }
        Ok(meanings)
    }
}

/// `/source/flags`
fn regex_literal(text: &str) -> Option<(&str, &str)> {
    let (source, flags) = text.strip_prefix('/')?.rsplit_once('/')?;
    let are_flags = flags.chars().all(|flag| "gimsux".contains(flag));
    (!source.is_empty() && are_flags).then_some((source, flags))
}

/// A number, when the whole text is one in decimal.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_decimal {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn date_within_text(text: &str) -> Option<i64> {
    if text.len() < SHORTEST_DATE {
        return None;
    }
    let parsed = parse_date_time(text).or_else(|| {
        let time = chrono::DateTime::parse_from_rfc2822(text).ok()?;
        Some(time.timestamp_millis())
    });
    parsed.filter(|milliseconds| *milliseconds >= EARLIEST_DATE)
}

/// Tasks, faults and transfers.
struct Queued;

impl Dialect for Queued {
    fn check_operators(&self, field: &str, operators: &Map<String, Json>, path: &str) -> Result<(), QueryError> {
        const ALLOWED: [&str; 10] = ["$in", "$nin", "$eq", "$gt", "$gte", "$lt", "$lte", "$ne", "$exists", "$type"];
        if !is_date(field) && field != "retries" {
            return Ok(());
        }
        match operators.keys().find(|operator| !ALLOWED.contains(&operator.as_str())) {
            None => Ok(()),
            Some(operator) => Err(QueryError::OperatorNotForField {
                operator: operator.clone(),
                field: field.into(),
                path: path.into(),
            }),
        }
    }

    fn meanings(&self, field: &str, operand: &Json, path: &str) -> Result<Vec<Meaning>, QueryError> {
        let value = match (field, operand) {
            (_, Json::Null) => Operand::Null,
            (field, Json::String(_) | Json::Number(_)) if is_date(field) => {
                let expected = "a date: ISO 8601 text, or milliseconds since 1970";
                Operand::Date(date(operand).ok_or_else(|| invalid(path, expected))?)
            }
            ("retries", Json::String(text)) => Operand::Number(number(text).ok_or_else(|| invalid(path, "a number"))?),
            _ => plain_operand(operand, path)?,
        };
        Ok(vec![Meaning::Value(value)])
    }
}

fn is_date(field: &str) -> bool {
    matches!(field, "timestamp" | "expiry" | "uploadDate") || field.ends_with("At") || field.ends_with("Time")
}

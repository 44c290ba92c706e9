//! Queries as filters of the server.
//!
//! What the server would answer otherwise than [`Query::matches`] is not translated: regular expressions, whose dialect and cost
//! differ, folded patterns, lists as a whole, and the types of numbers, of which stored values have several. It is answered here,
//! on each device that satisfies the rest.

use std::borrow::Cow;

use acs_core::query::{CompareOperator, FieldType, FieldValue, LikePattern, LikeToken, Operand, Query, Record, Sort};
use mongodb::bson::{Bson, Document, doc};

use super::names::{Place, device_place};
use super::values::date;

/// Patterns with more wildcards than this are matched here: the server's regular expressions backtrack.
const MOST_WILDCARDS: usize = 2;

/// How a query on devices is answered.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// What the server answers; true of every match.
    pub filter: Document,
    /// What is left to be asked of each device.
    pub rest: Query,
    /// The server's order.
    pub sort: Document,
    /// Whether that is the order asked for; if not, it is by `_id`.
    pub is_sorted: bool,
    /// Whether an index leads to what satisfies the filter.
    pub used_index: bool,
    /// A parameter that is worth an index.
    pub suggestion: Option<String>,
}

impl Plan {
    /// The best plan when these fields are indexed.
    pub fn of(filter: &Query, sort: &[Sort], indexed: &[String]) -> Plan {
        let conjuncts = match filter {
            Query::And(queries) => queries.as_slice(),
            other => std::slice::from_ref(other),
        };
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        let (mut used_index, mut suggestion) = (false, None);
        for conjunct in conjuncts {
            match translate(conjunct) {
                Some(part) => {
                    let is_indexed = narrows(conjunct, indexed);
                    used_index |= is_indexed;
                    if !is_indexed {
                        suggestion = suggestion.or_else(|| worth_an_index(conjunct));
                    }
                    parts.push(part);
                }
                None => rest.push(conjunct.clone()),
            }
        }
        let (sort, is_sorted) = sort_document(sort);
        Plan { filter: all(parts), rest: Query::all(rest), sort, is_sorted, used_index, suggestion }
    }
}

/// The order with `_id` as the last field. False: the server would order otherwise, so that it is asked for the order of `_id`.
fn sort_document(sort: &[Sort]) -> (Document, bool) {
    let mut document = Document::new();
    let mut lists = 0;
    for Sort { field, descending } in sort {
        let path = match device_place(field) {
            Place::At(path) if !document.contains_key(&path) => path,
            // No device differs from another in it, or only in what came before.
            Place::At(_) | Place::Nowhere => continue,
            Place::Derived => return (doc! { "_id": 1 }, false),
        };
        let attribute = path.rsplit('.').next().unwrap_or_default();
        lists += usize::from(matches!(attribute, "_tags" | "_accessList"));
        // Here all objects are alike, to the server they are not; and it takes one list in an order.
        let is_object = !attribute.starts_with('_') && !path.starts_with("_tagValues.");
        if is_object || matches!(path.as_str(), "_deviceId" | "_overflow" | "_heartbeat") || lists > 1 {
            return (doc! { "_id": 1 }, false);
        }
        document.insert(path, if *descending { -1 } else { 1 });
    }
    if !document.contains_key("_id") {
        document.insert("_id", 1);
    }
    (document, true)
}

/// Fields that always have an index.
const ALWAYS_INDEXED: [&str; 5] = ["_id", "_deviceId._SerialNumber", "_tags", "_registered", "_lastInform"];

/// Whether an index leads to what satisfies a query.
fn narrows(query: &Query, indexed: &[String]) -> bool {
    let is_indexed = |field: &String| ALWAYS_INDEXED.contains(&field.as_str()) || indexed.contains(field);
    match query {
        Query::And(queries) => queries.iter().any(|query| narrows(query, indexed)),
        Query::Or(queries) => queries.iter().all(|query| narrows(query, indexed)),
        Query::Compare { operator: CompareOperator::NotEqual, .. } => false,
        Query::Compare { field, .. } | Query::In { field, .. } => is_indexed(field),
        Query::Like { field, pattern, .. } => {
            is_indexed(field) && matches!(pattern.tokens().first(), Some(LikeToken::Character(_)))
        }
        Query::False => true,
        _ => false,
    }
}

/// The parameter of a comparison that few devices may satisfy.
fn worth_an_index(query: &Query) -> Option<String> {
    let parameter = |field: &str| field.strip_suffix("._value").map(str::to_owned);
    match query {
        Query::And(queries) | Query::Or(queries) => queries.iter().find_map(worth_an_index),
        Query::Compare { operator: CompareOperator::NotEqual, .. } => None,
        Query::Compare { field, .. } | Query::In { field, .. } | Query::Like { field, .. } => parameter(field),
        _ => None,
    }
}

fn all(mut parts: Vec<Document>) -> Document {
    parts.retain(|part| !part.is_empty());
    match parts.len() {
        0 => Document::new(),
        1 => parts.swap_remove(0),
        _ => doc! { "$and": parts },
    }
}

fn never() -> Document {
    doc! { "_id": { "$in": [] } }
}

/// A query on devices as a filter with the same answers; `None` when there is none.
fn translate(query: &Query) -> Option<Document> {
    let each = |queries: &[Query]| queries.iter().map(translate).collect::<Option<Vec<_>>>();
    let field = match query {
        Query::True => return Some(Document::new()),
        Query::False => return Some(never()),
        Query::And(queries) => return each(queries).map(all),
        Query::Or(queries) if queries.is_empty() => return Some(never()),
        Query::Or(queries) => return Some(doc! { "$or": each(queries)? }),
        Query::Not(query) => return Some(doc! { "$nor": [translate(query)?] }),
        Query::Compare { field, .. }
        | Query::In { field, .. }
        | Query::Exists { field, .. }
        | Query::Like { field, .. }
        | Query::Regex { field, .. }
        | Query::Type { field, .. }
        | Query::Size { field, .. }
        | Query::ElementMatch { field, .. } => field,
    };
    let path = match device_place(field) {
        Place::At(path) => path,
        Place::Nowhere => return Some(if query.matches(&Nothing) { Document::new() } else { never() }),
        Place::Derived => return None,
    };
    condition(query).map(|condition| doc! { path: condition })
}

/// A record without fields.
struct Nothing;

impl Record for Nothing {
    fn field(&self, _: &str) -> FieldValue<'_> {
        FieldValue::Missing
    }
}

/// What the server is to ask of the field of a query.
fn condition(query: &Query) -> Option<Document> {
    Some(match query {
        Query::Compare { operator, value, .. } => doc! { symbol(*operator)?: operand(value)? },
        Query::In { values, .. } => doc! { "$in": values.iter().map(operand).collect::<Option<Vec<_>>>()? },
        Query::Exists { exists, .. } => doc! { "$exists": *exists },
        Query::Like { pattern, fold_case: false, .. } => doc! { "$regex": like_source(pattern)?, "$options": "s" },
        Query::Type { types, .. } => {
            doc! { "$type": types.iter().map(|kind| type_name(*kind)).collect::<Option<Vec<_>>>()? }
        }
        Query::Size { size, .. } => doc! { "$size": i32::try_from(*size).ok()? },
        _ => return None,
    })
}

fn symbol(operator: CompareOperator) -> Option<&'static str> {
    Some(match operator {
        CompareOperator::Equal => "$eq",
        CompareOperator::NotEqual => "$ne",
        CompareOperator::Less => "$lt",
        CompareOperator::LessOrEqual => "$lte",
        CompareOperator::Greater => "$gt",
        CompareOperator::GreaterOrEqual => "$gte",
    })
}

fn operand(value: &Operand) -> Option<Bson> {
    Some(match value {
        Operand::Null => Bson::Null,
        Operand::Bool(value) => Bson::Boolean(*value),
        // The server takes it for equal to itself.
        Operand::Number(number) if number.is_nan() => return None,
        Operand::Number(number) => Bson::Double(*number),
        Operand::Text(text) => Bson::String(text.clone()),
        Operand::Date(time) => date(*time),
        // The server's tags are in the order in which they were set.
        Operand::List(_) => return None,
    })
}

fn type_name(kind: FieldType) -> Option<&'static str> {
    Some(match kind {
        FieldType::String => "string",
        FieldType::Object => "object",
        FieldType::Array => "array",
        FieldType::Bool => "bool",
        FieldType::Date => "date",
        FieldType::Null => "null",
        FieldType::Number => "number",
        FieldType::Int | FieldType::Long | FieldType::Double => return None,
    })
}

/// A pattern as a regular expression that every version of the server reads alike. The end is no `$`: that would leave room for
/// a line end.
fn like_source(pattern: &LikePattern) -> Option<String> {
    let wildcards = pattern.tokens().iter().filter(|token| matches!(token, LikeToken::AnyRun)).count();
    if wildcards > MOST_WILDCARDS {
        return None;
    }
    let mut source = String::from("^");
    for token in pattern.tokens() {
        match token {
            LikeToken::AnyRun => source.push_str(".*"),
            LikeToken::AnyCharacter => source.push('.'),
            LikeToken::Character(character) => source.push_str(&escaped(*character)),
        }
    }
    source.push_str(r"(?![\s\S])");
    Some(source)
}

fn escaped(character: char) -> Cow<'static, str> {
    if r"\^$.|?*+()[]{}-#&~/".contains(character) {
        format!("\\{character}").into()
    } else {
        character.to_string().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::query::{RegexPattern, nbi};
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_become_filters() {
        for (query, filter) in [
            (json!({}), doc! {}),
            (json!({"_id": "a"}), doc! { "_id": { "$eq": "a" } }),
            (json!({"Device.A": {"$ne": 1}}), doc! { "$nor": [{ "Device.A._value": { "$eq": 1.0 } }] }),
            (json!({"_tags": {"$in": ["a", null]}}), doc! { "_tags": { "$in": ["a", null] } }),
            (
                json!({"_lastInform": {"$lt": "2024-01-01T00:00:00Z"}}),
                doc! { "$or": [
                    { "_lastInform": { "$lt": "2024-01-01T00:00:00Z" } }, { "_lastInform": { "$lt": date(1_704_067_200_000) } },
                ] },
            ),
            (json!({"_secret": 1}), never()),
            (json!({"_secret": {"$exists": false}}), doc! {}),
            (
                json!({"Device.A": "x.*"}),
                doc! { "$or": [
                    { "Device.A._value": { "$eq": "x.*" } },
                    { "Device.A._value": { "$regex": r"^x\..*(?![\s\S])", "$options": "s" } },
                ] },
            ),
        ] {
            let plan = Plan::of(&nbi::parse("devices", &query).unwrap(), &[], &[]);
            assert_eq!((&plan.filter, &plan.rest), (&filter, &Query::True), "{query}");
        }
    }

    #[test]
    fn what_the_server_would_answer_otherwise_is_left() {
        let left = |query: &Query| Plan::of(query, &[], &[]).rest == *query;
        let field = || "Device.A._value".to_owned();
        let like =
            |pattern, fold_case| Query::Like { field: field(), pattern: LikePattern::parse(pattern, None), fold_case };
        assert!(left(&Query::Regex { field: field(), pattern: RegexPattern::new("a", "").unwrap() }));
        assert!(left(&like("a%", true)) && left(&like("%a%b%", false)) && !left(&like("%a%", false)));
        assert!(left(&Query::Type { field: field(), types: vec![FieldType::Int] }));
        assert!(left(&Query::equal("_tags", Operand::List(vec![]))));
    }

    #[test]
    fn orders_that_the_server_cannot_have_are_said() {
        let order = |fields: &[&str]| {
            let sort: Vec<_> = fields.iter().map(|field| Sort { field: (*field).into(), descending: true }).collect();
            sort_document(&sort)
        };
        assert_eq!(order(&["_lastInform", "_nowhere"]), (doc! { "_lastInform": -1, "_id": 1 }, true));
        assert_eq!(order(&["_id", "_tags"]), (doc! { "_id": -1, "_tags": -1 }, true));
        for fields in [&["Device"][..], &["_tagValues"], &["_tags", "Device.A._accessList"]] {
            assert!(!order(fields).1, "{fields:?}");
        }
    }
}

//! What lists of documents have in common, whatever store they are read from.

use acs_core::expression::CompareOperator;
use acs_core::operation::Operation;
use acs_core::query::{JsonRecord, Operand, Query, Sort, compare_records};
use acs_core::value::format_date_time;
use serde_json::{Value as Json, json};

use crate::DATE_FIELDS;

/// A document and what it is ordered by last.
pub(crate) type Found = (String, Json);

/// Whether an order is that of `_id`, in which lists are read.
pub(crate) fn is_by_id(sort: &[Sort]) -> bool {
    sort.first().is_none_or(|first| first.field == "_id" && !first.descending)
}

/// Adds documents to those that are to be put in order, of which no more are kept than are worth it.
pub(crate) fn gather(gathered: &mut Vec<Found>, page: Vec<Found>, sort: &[Sort], wanted: usize) {
    gathered.extend(page);
    if gathered.len() > wanted.saturating_mul(2).saturating_add(1_000) {
        put_in_order(gathered, sort, wanted);
    }
}

/// The texts of which a field must have one, when the query says so.
pub(crate) fn pinned<'q>(query: &'q Query, name: &str) -> Option<Vec<&'q str>> {
    let text = |operand: &'q Operand| match operand {
        Operand::Text(text) => Some(text.as_str()),
        _ => None,
    };
    match query {
        Query::And(queries) => queries.iter().find_map(|query| pinned(query, name)),
        Query::Compare { field, operator: CompareOperator::Equal, value } if field == name => {
            text(value).map(|text| vec![text])
        }
        Query::In { field, values } if field == name => values.iter().map(text).collect(),
        _ => None,
    }
}

/// Puts documents in order, and drops those behind the wanted ones.
pub(crate) fn put_in_order(found: &mut Vec<Found>, sort: &[Sort], wanted: usize) {
    found.sort_by(|(left_key, left), (right_key, right)| {
        let (left, right) = (JsonRecord::with_dates(left, &DATE_FIELDS), JsonRecord::with_dates(right, &DATE_FIELDS));
        compare_records(sort, &left, &right).then_with(|| left_key.cmp(right_key))
    });
    found.truncate(wanted);
}

/// An operation as lists show it.
pub(crate) fn operation_document(id: &str, operation: &Operation) -> Json {
    // Device IDs have no colon.
    let device = id.split(':').next().unwrap_or_default();
    json!({
        "_id": id,
        "device": device,
        "name": operation.kind.rpc(),
        "timestamp": format_date_time(operation.timestamp),
        "channels": json!(operation.channels.keys().collect::<Vec<_>>()).to_string(),
        "args": json!({
            "instance": operation.instances.join(","),
            "fileType": operation.file_type,
            "fileName": operation.file_name,
            "targetFileName": operation.target_file_name,
        })
        .to_string(),
    })
}

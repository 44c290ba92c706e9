//! Sort orders.

use std::cmp::Ordering;

use super::{FieldValue, Record};

/// One field of a sort order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The field's dotted name.
    pub field: String,
    /// From the greatest to the least.
    pub descending: bool,
}

/// Compares two records by several fields, the first that differs decides. Records that compare equal are for the store to order
/// (by `_id`), so that pages do not overlap.
pub fn compare_records(order: &[Sort], left: &dyn Record, right: &dyn Record) -> Ordering {
    for Sort { field, descending } in order {
        let left = left.field(field);
        let right = right.field(field);
        let ordering = if *descending {
            compare_keys(greatest(&right), greatest(&left))
        } else {
            compare_keys(least(&left), least(&right))
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The order of values of all types, as MongoDB's ascending sort: empty lists < missing and null < numbers < text < objects
/// < booleans < dates; within a type as usual, text by code point. A list stands at its least element (in a descending sort, at
/// its greatest; see [`compare_records`]). Objects are all alike.
pub fn compare_for_sort(left: &FieldValue<'_>, right: &FieldValue<'_>) -> Ordering {
    compare_keys(least(left), least(right))
}

/// What a value sorts by: a value that is no list, or an empty one.
type Key<'v, 'a> = &'v FieldValue<'a>;

fn compare_keys(left: Key<'_, '_>, right: Key<'_, '_>) -> Ordering {
    match (left, right) {
        (FieldValue::Bool(left), FieldValue::Bool(right)) => left.cmp(right),
        (FieldValue::Number(left), FieldValue::Number(right)) => {
            // Zero has no sign here; what is no number comes first, so that the order stays total.
            left.partial_cmp(right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
        }
        (FieldValue::Text(left), FieldValue::Text(right)) => left.cmp(right),
        (FieldValue::Date(left), FieldValue::Date(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(key: Key<'_, '_>) -> u8 {
    match key {
        FieldValue::List(_) | FieldValue::Each(_) => 0,
        FieldValue::Missing | FieldValue::Null => 1,
        FieldValue::Number(_) => 2,
        FieldValue::Text(_) => 3,
        FieldValue::Object(_) => 4,
        FieldValue::Bool(_) => 5,
        FieldValue::Date(_) => 6,
    }
}

fn least<'v, 'a>(value: &'v FieldValue<'a>) -> Key<'v, 'a> {
    extreme(value, Ordering::Less)
}

fn greatest<'v, 'a>(value: &'v FieldValue<'a>) -> Key<'v, 'a> {
    extreme(value, Ordering::Greater)
}

fn extreme<'v, 'a>(value: &'v FieldValue<'a>, wanted: Ordering) -> Key<'v, 'a> {
    let (FieldValue::List(items) | FieldValue::Each(items)) = value else {
        return value;
    };
    let mut keys = items.iter().map(|item| extreme(item, wanted));
    let Some(first) = keys.next() else {
        return if matches!(value, FieldValue::Each(_)) { &FieldValue::Missing } else { value };
    };
    keys.fold(first, |best, key| if compare_keys(key, best) == wanted { key } else { best })
}

//! Whether a record satisfies a query.

use super::{CompareOperator, FieldValue, LikePattern, Operand, Query, Record};

impl Query {
    /// Whether the record satisfies the query.
    pub fn matches(&self, record: &dyn Record) -> bool {
        match self {
            Query::True => true,
            Query::False => false,
            Query::And(queries) => queries.iter().all(|query| query.matches(record)),
            Query::Or(queries) => queries.iter().any(|query| query.matches(record)),
            Query::Not(query) => !query.matches(record),
            Query::Compare { field, operator, value } => compare(&record.field(field), *operator, value),
            Query::In { field, values } => {
                any(&record.field(field), &|candidate| values.iter().any(|value| candidate.equals(value)))
            }
            Query::Exists { field, exists } => {
                let is_present = |value: &FieldValue<'_>| !matches!(value, FieldValue::Missing);
                any_whole(&record.field(field), &is_present) == *exists
            }
            Query::Like { field, pattern, fold_case } => like(&record.field(field), pattern, *fold_case),
            Query::Regex { field, pattern } => any(
                &record.field(field),
                &|candidate| matches!(candidate, FieldValue::Text(text) if pattern.is_match(text)),
            ),
            Query::Type { field, types } => {
                any(&record.field(field), &|candidate| types.iter().any(|wanted| candidate.is_of(*wanted)))
            }
            Query::Size { field, size } => any_whole(
                &record.field(field),
                &|candidate| matches!(candidate, FieldValue::List(items) if items.len() == *size),
            ),
            Query::ElementMatch { field, query } => any_whole(&record.field(field), &|candidate| match candidate {
                FieldValue::List(items) => items.iter().any(|item| matches_element(item, query)),
                _ => false,
            }),
        }
    }
}

/// An element of a list as a record: the empty name is the element itself.
struct Element<'a>(&'a FieldValue<'a>);

impl Record for Element<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match (name, self.0) {
            ("", value) => value.clone(),
            (name, FieldValue::Object(Some(object))) => object.field(name),
            _ => FieldValue::Missing,
        }
    }
}

fn matches_element(item: &FieldValue<'_>, query: &Query) -> bool {
    query.matches(&Element(item))
}

fn compare(value: &FieldValue<'_>, operator: CompareOperator, operand: &Operand) -> bool {
    match operator {
        CompareOperator::Equal => any(value, &|candidate| candidate.equals(operand)),
        CompareOperator::NotEqual => !any(value, &|candidate| candidate.equals(operand)),
        _ => any(value, &|candidate| candidate.order(operand).is_some_and(|ordering| operator.holds(ordering))),
    }
}

fn like(value: &FieldValue<'_>, pattern: &LikePattern, fold_case: bool) -> bool {
    let folded = fold_case.then(|| pattern.map_characters(char::to_lowercase));
    any(value, &|candidate| match (candidate, &folded) {
        (FieldValue::Text(text), Some(folded)) => {
            // Character by character, as the pattern was: `str::to_lowercase` looks at neighbours.
            folded.matches(&text.chars().flat_map(char::to_lowercase).collect::<String>())
        }
        (FieldValue::Text(text), None) => pattern.matches(text),
        _ => false,
    })
}

/// Whether a value, or an element of it when it is a list, passes a test.
fn any(value: &FieldValue<'_>, test: &dyn Fn(&FieldValue<'_>) -> bool) -> bool {
    match value {
        FieldValue::Each(values) => values.iter().any(|value| any(value, test)),
        FieldValue::List(items) => items.iter().any(test) || test(value),
        value => test(value),
    }
}

/// The same for tests of whole lists.
fn any_whole(value: &FieldValue<'_>, test: &dyn Fn(&FieldValue<'_>) -> bool) -> bool {
    match value {
        FieldValue::Each(values) => values.iter().any(|value| any_whole(value, test)),
        value => test(value),
    }
}

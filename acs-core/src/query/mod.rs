//! The query tree: one form for every filter, whether it was written as JSON for the northbound interface or as an expression.
//!
//! What lives here: the tree ([`Query`]) and its meaning for a [`Record`]; the readers of the NBI's JSON ([`mongo`], [`nbi`]),
//! of expressions ([`from_expression`]) and of old presets' preconditions; sort orders and projections. What does not: how a
//! store answers or translates a query, and who may ask what. [`Query::fields`] tells which fields a query looks at, so that
//! secret ones can be refused.
//!
//! Meaning follows MongoDB, since the NBI's users write its query language:
//!
//! * Values compare only with values of their own type: numbers with numbers, text with text, dates with dates.
//! * Equality with null matches null and missing fields.
//! * A list matches when any of its elements does; negations (`$ne`, `$nin`, `$not`, `$nor`) when none does.
//!
//! Fields have dotted names as documents show them: `_id`, `_tags`, `_lastInform`, `_deviceId._SerialNumber`,
//! `Device.DeviceInfo.UpTime._value`.

mod filter;
mod json_record;
mod matching;
pub mod mongo;
pub mod nbi;
mod precondition;
mod projection;
mod regex_pattern;
mod sort;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;

pub use crate::expression::{CompareOperator, LikePattern, LikeToken};
pub use filter::{FieldNames, FilterError, from_expression};
pub use json_record::JsonRecord;
pub use precondition::{PreconditionError, precondition_from_json, read_precondition};
pub use projection::{Inclusion, Projection};
pub use regex_pattern::{MAXIMUM_PATTERN_LENGTH, RegexPattern};
pub use sort::{Sort, compare_for_sort, compare_records};
pub use value::{FieldType, FieldValue, Operand};

/// How deeply a query may nest.
pub const MAXIMUM_DEPTH: usize = 32;
/// How many conditions a query may have.
pub const MAXIMUM_CLAUSES: usize = 1_000;
/// How many values a list of a query (`$in` and its kin) may have.
pub const MAXIMUM_LIST: usize = 10_000;
/// How many regular expressions a query may have.
pub const MAXIMUM_PATTERNS: usize = 32;

/// A condition on a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Every record.
    True,
    /// No record.
    False,
    /// All of these; every record when there are none.
    And(Vec<Query>),
    /// Any of these; no record when there are none.
    Or(Vec<Query>),
    /// The records that do not match.
    Not(Box<Query>),
    /// A comparison with a value of the same type. `NotEqual` is exactly `Not` of `Equal`, so it matches missing fields.
    Compare {
        /// The field's dotted name.
        field: String,
        /// How to compare.
        operator: CompareOperator,
        /// The value on the right.
        value: Operand,
    },
    /// Equal to any of these.
    In {
        /// The field's dotted name.
        field: String,
        /// The values; null also matches missing.
        values: Vec<Operand>,
    },
    /// Whether the field is there, be it null.
    Exists {
        /// The field's dotted name.
        field: String,
        /// `false`: the field is missing.
        exists: bool,
    },
    /// Text that matches a pattern of `LIKE`; `%` and `_` match line ends too.
    Like {
        /// The field's dotted name.
        field: String,
        /// What the whole text must match.
        pattern: LikePattern,
        /// Upper and lower case are the same.
        fold_case: bool,
    },
    /// Text in which a regular expression is found.
    Regex {
        /// The field's dotted name.
        field: String,
        /// What to find.
        pattern: RegexPattern,
    },
    /// A value of one of these types.
    Type {
        /// The field's dotted name.
        field: String,
        /// The types.
        types: Vec<FieldType>,
    },
    /// A list of exactly this length.
    Size {
        /// The field's dotted name.
        field: String,
        /// The number of elements.
        size: usize,
    },
    /// A list with an element that satisfies a query of its own. In it, the empty field name is the element itself.
    ElementMatch {
        /// The field's dotted name.
        field: String,
        /// What the element must satisfy.
        query: Box<Query>,
    },
}

/// Something with named fields that a query can be asked about.
pub trait Record {
    /// The value of the field with this dotted name; [`FieldValue::Missing`] when there is none.
    fn field(&self, name: &str) -> FieldValue<'_>;
}

impl Query {
    /// All of these, in the simplest form.
    pub fn all(queries: Vec<Query>) -> Query {
        let mut kept = Vec::with_capacity(queries.len());
        for query in queries {
            match query {
                Query::True => {}
                Query::False => return Query::False,
                Query::And(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Query::True,
            1 => kept.swap_remove(0),
            _ => Query::And(kept),
        }
    }

    /// Any of these, in the simplest form.
    pub fn any(queries: Vec<Query>) -> Query {
        let mut kept = Vec::with_capacity(queries.len());
        for query in queries {
            match query {
                Query::False => {}
                Query::True => return Query::True,
                Query::Or(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Query::False,
            1 => kept.swap_remove(0),
            _ => Query::Or(kept),
        }
    }

    /// The opposite, in the simplest form.
    pub fn negated(self) -> Query {
        match self {
            Query::True => Query::False,
            Query::False => Query::True,
            Query::Not(inner) => *inner,
            other => Query::Not(Box::new(other)),
        }
    }

    /// A comparison.
    pub fn compare(field: impl Into<String>, operator: CompareOperator, value: impl Into<Operand>) -> Query {
        Query::Compare { field: field.into(), operator, value: value.into() }
    }

    /// `field = value`
    pub fn equal(field: impl Into<String>, value: impl Into<Operand>) -> Query {
        Query::compare(field, CompareOperator::Equal, value)
    }

    /// The dotted names of all fields that the query looks at. Those within an [`Query::ElementMatch`] follow its own name.
    pub fn fields(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.collect_fields("", &mut names);
        names
    }

    fn collect_fields(&self, prefix: &str, names: &mut BTreeSet<String>) {
        let mut add = |field: &String| {
            names.insert(match (prefix, field.as_str()) {
                ("", field) => field.to_owned(),
                (prefix, "") => prefix.to_owned(),
                (prefix, field) => format!("{prefix}.{field}"),
            })
        };
        match self {
            Query::True | Query::False => {}
            Query::And(queries) | Query::Or(queries) => {
                for query in queries {
                    query.collect_fields(prefix, names);
                }
            }
            Query::Not(query) => query.collect_fields(prefix, names),
            Query::Compare { field, .. }
            | Query::In { field, .. }
            | Query::Exists { field, .. }
            | Query::Like { field, .. }
            | Query::Regex { field, .. }
            | Query::Type { field, .. }
            | Query::Size { field, .. } => {
                add(field);
            }
            Query::ElementMatch { field, query } => {
                add(field);
                let inner = if prefix.is_empty() { field.clone() } else { format!("{prefix}.{field}") };
                query.collect_fields(&inner, names);
            }
        }
    }
}

/// A query, sort order or projection that cannot be used. Paths say where in the JSON, from `$`: `$.$or[1].name.$gt`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// The text is no JSON.
    #[error("invalid JSON: {0}")]
    Json(String),
    /// Something that must be an object is not.
    #[error("{path} must be an object")]
    NotAnObject {
        /// Where.
        path: String,
    },
    /// An operator that does not exist, or not here.
    #[error("unknown operator {operator} at {path}")]
    UnknownOperator {
        /// With its dollar sign.
        operator: String,
        /// Where.
        path: String,
    },
    /// An operator that MongoDB has and that is not offered: it would run code, or needs what no store here has.
    #[error("operator {operator} at {path} is not allowed")]
    RefusedOperator {
        /// With its dollar sign.
        operator: String,
        /// Where.
        path: String,
    },
    /// An operator that this field does not take.
    #[error("operator {operator} cannot be used on {field} (at {path})")]
    OperatorNotForField {
        /// With its dollar sign.
        operator: String,
        /// The field.
        field: String,
        /// Where.
        path: String,
    },
    /// An operand of the wrong kind.
    #[error("{path} must be {expected}")]
    Operand {
        /// Where.
        path: String,
        /// What it must be, in words.
        expected: &'static str,
    },
    /// `$ne` or `$not` beside other operators of the same field.
    #[error("Cannot mix $ne or $not with other operators (at {path})")]
    MixedNegation {
        /// Where.
        path: String,
    },
    /// A regular expression that cannot be used.
    #[error("the regular expression at {path} cannot be used: {message}")]
    Regex {
        /// Where.
        path: String,
        /// Why not.
        message: String,
    },
    /// Nested more than [`MAXIMUM_DEPTH`] levels.
    #[error("{path} is nested more than {MAXIMUM_DEPTH} levels deep")]
    TooDeep {
        /// Where.
        path: String,
    },
    /// More than a limit allows.
    #[error("more than {limit} {what} in one query")]
    TooMany {
        /// Of what, in words.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

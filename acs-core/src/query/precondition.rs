//! Preconditions of presets as older databases hold them: MongoDB's JSON, turned into expressions.

use serde_json::Value as Json;

use super::CompareOperator;
use super::filter::UNDERSCORE_FIELDS;
use crate::expression::{Expression, ExpressionError, Scalar, parse};
use crate::path::encode_tag;

/// A precondition that is no expression.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PreconditionError {
    /// The text is neither JSON nor an expression.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// JSON of the wrong shape.
    #[error("precondition: {path} must be {expected}")]
    Shape {
        /// Where in the JSON, from `$`.
        path: String,
        /// What it must be, in words.
        expected: &'static str,
    },
    /// An operator that old preconditions do not have.
    #[error("precondition: operator {operator} at {path} cannot be converted; write the condition as an expression")]
    Operator {
        /// With its dollar sign.
        operator: String,
        /// Where in the JSON, from `$`.
        path: String,
    },
}

/// Reads a precondition in any form that clients send: an expression, old JSON as an object or as text, a boolean. Null and empty
/// text are no condition, so `TRUE`.
pub fn read_precondition(json: &Json) -> Result<Expression, PreconditionError> {
    match json {
        Json::Null => Ok(Expression::literal(true)),
        Json::Bool(value) => Ok(Expression::literal(*value)),
        Json::String(text) if text.trim().is_empty() => Ok(Expression::literal(true)),
        Json::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(object @ Json::Object(_)) => precondition_from_json(&object),
            // An expression may begin with a brace too, as a fragment of a name.
            _ => Ok(parse(text)?),
        },
        other => precondition_from_json(other),
    }
}

/// Converts an old precondition: equality, `$eq $ne $lt $lte $gt $gte`, `$and`, `$or`; `_tags` with text, `$eq` and `$ne`;
/// `Tags.x` with a boolean, `$eq`, `$ne` and `$exists`. As in MongoDB, `$ne` also holds where there is no value.
pub fn precondition_from_json(json: &Json) -> Result<Expression, PreconditionError> {
    document(json, "$", 0)
}

/// JSON nests less deeply than this by the limit of its reader; the result must print and parse again, too.
const MAXIMUM_DEPTH: usize = 32;

fn document(json: &Json, path: &str, depth: usize) -> Result<Expression, PreconditionError> {
    let object = match json.as_object() {
        Some(object) if depth < MAXIMUM_DEPTH => object,
        Some(_) => return Err(shape(path, "nested less deeply")),
        None => return Err(shape(path, "an object")),
    };
    let mut conditions = Vec::with_capacity(object.len());
    for (key, value) in object {
        let path = format!("{path}.{key}");
        conditions.push(match key.as_str() {
            "$and" => Expression::all(documents(value, &path, depth)?),
            "$or" => Expression::any(documents(value, &path, depth)?),
            operator if operator.starts_with('$') => return Err(not_convertible(operator, &path)),
            name => field(name, value, &path)?,
        });
    }
    Ok(Expression::all(conditions))
}

fn documents(json: &Json, path: &str, depth: usize) -> Result<Vec<Expression>, PreconditionError> {
    let Some(items) = json.as_array() else {
        return Err(shape(path, "a list"));
    };
    items.iter().enumerate().map(|(index, item)| document(item, &format!("{path}[{index}]"), depth + 1)).collect()
}

fn field(name: &str, json: &Json, path: &str) -> Result<Expression, PreconditionError> {
    let Json::Object(operators) = json else {
        return condition(name, "$eq", json, path);
    };
    let conditions: Result<Vec<_>, _> = operators
        .iter()
        .map(|(operator, operand)| condition(name, operator, operand, &format!("{path}.{operator}")))
        .collect();
    Ok(Expression::all(conditions?))
}

fn condition(name: &str, operator: &str, operand: &Json, path: &str) -> Result<Expression, PreconditionError> {
    let scalar = || Scalar::from_json(operand).ok_or_else(|| shape(path, "text, a number, a boolean or null"));
    if name == "_tags" {
        let Scalar::Text(tag) = scalar()? else {
            return Err(shape(path, "text"));
        };
        let parameter = Expression::parameter(format!("Tags.{}", encode_tag(&tag)));
        return match operator {
            "$eq" => Ok(Expression::is_null(parameter, true)),
            "$ne" => Ok(Expression::is_null(parameter, false)),
            _ => Err(not_convertible(operator, path)),
        };
    }
    let parameter = Expression::parameter(parameter_name(name));
    if name.starts_with("Tags.") {
        let wanted = match operand {
            Json::Bool(value) => *value,
            _ => return Err(shape(path, "true or false")),
        };
        return match operator {
            "$eq" | "$exists" => Ok(Expression::is_null(parameter, wanted)),
            "$ne" => Ok(Expression::is_null(parameter, !wanted)),
            _ => Err(not_convertible(operator, path)),
        };
    }
    let compare_operator = match operator {
        "$eq" => CompareOperator::Equal,
        "$ne" => CompareOperator::NotEqual,
        "$lt" => CompareOperator::Less,
        "$lte" => CompareOperator::LessOrEqual,
        "$gt" => CompareOperator::Greater,
        "$gte" => CompareOperator::GreaterOrEqual,
        _ => return Err(not_convertible(operator, path)),
    };
    match (compare_operator, scalar()?) {
        (CompareOperator::Equal, Scalar::Null) => Ok(Expression::is_null(parameter, false)),
        (CompareOperator::NotEqual, Scalar::Null) => Ok(Expression::is_null(parameter, true)),
        (_, Scalar::Null) => Err(shape(path, "text, a number or a boolean")),
        (CompareOperator::NotEqual, value) => Ok(Expression::any(vec![
            Expression::compare(parameter.clone(), compare_operator, Expression::Literal(value)),
            Expression::is_null(parameter, false),
        ])),
        (_, value) => Ok(Expression::compare(parameter, compare_operator, Expression::Literal(value))),
    }
}

/// The parameter that a field of a device document holds.
fn parameter_name(field: &str) -> &str {
    match UNDERSCORE_FIELDS.iter().find(|(_, underscore)| *underscore == field) {
        Some((parameter, _)) => parameter,
        None => field.strip_suffix("._value").unwrap_or(field),
    }
}

fn shape(path: &str, expected: &'static str) -> PreconditionError {
    PreconditionError::Shape { path: path.into(), expected }
}

fn not_convertible(operator: &str, path: &str) -> PreconditionError {
    PreconditionError::Operator { operator: operator.into(), path: path.into() }
}

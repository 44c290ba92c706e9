//! The expression language: preset preconditions, provision arguments, configuration values, permission filters and
//! validators, columns and filters of the user interface.
//!
//! What lives here: the syntax tree ([`Expression`]), its text form (parser and printer, each the inverse of the other),
//! evaluation with three-valued logic, partial evaluation, and checks before use. What does not: the translation of filters
//! into queries of stored documents (`query`), and the functions that need the outside world, which a [`Context`] answers.
//!
//! The grammar, from loosest to tightest; keywords and function names are read in any case, everything is left-associative:
//!
//! | level | forms |
//! | --- | --- |
//! | 1 | `a OR b` |
//! | 2 | `a AND b` |
//! | 3 | `NOT a` |
//! | 4 | `= <> > >= < <=`, `a [NOT] LIKE p [ESCAPE c]`, `a IS [NOT] NULL`; these do not chain |
//! | 5 | `a \|\| b` |
//! | 6 | `a + b`, `a - b` |
//! | 7 | `a * b`, `a / b`, `a % b` |
//! | 8 | numbers, `"text"` (escapes of JSON), `'text'` (`''` for a quote), `TRUE FALSE NULL`, parameter names, `NAME(args)`, `CASE WHEN c THEN v … [ELSE v] END`, `(a)` |
//!
//! A parameter name consists of letters, digits and `_ . * -`, and of fragments `{expression}` whose values become part of
//! the name. Since `-` and `*` may be part of a name, operators after names want a space before them. Empty text is `NULL`.

mod check;
mod evaluate;
mod functions;
mod like;
mod outside;
mod parser;
mod printer;
mod scalar;
mod scanner;
mod simplify;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

pub use check::Problem;
pub use evaluate::Context;
pub use functions::{Function, FunctionSet};
pub use like::{LikePattern, LikeToken};
pub use outside::{Evaluated, OutsideAnswers, OutsideCall};
pub use parser::{MAXIMUM_HEIGHT, MAXIMUM_LENGTH, MAXIMUM_NESTING, parse};
pub use scalar::Scalar;
pub use simplify::Known;

/// An expression, parsed. Its [`std::fmt::Display`] is text that parses to an equal expression.
///
/// In serde it is its text. Formats that describe themselves (JSON) may also give a boolean, a number or null instead.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A constant.
    Literal(Scalar),
    /// The value of a parameter, [`Scalar::Null`] when there is none.
    Parameter(String),
    /// A parameter whose name is computed. Built by [`Expression::parameter_of_parts`], which keeps it in its normal form.
    ComputedParameter(Vec<NamePart>),
    /// `NOT a`
    Not(Box<Expression>),
    /// `a AND b AND …`, two or more.
    And(Vec<Expression>),
    /// `a OR b OR …`, two or more.
    Or(Vec<Expression>),
    /// `a = b` and its kin.
    Compare(CompareOperator, Box<Expression>, Box<Expression>),
    /// `a + b` and its kin.
    Arithmetic(ArithmeticOperator, Box<Expression>, Box<Expression>),
    /// `a || b || …`, two or more.
    Concatenate(Vec<Expression>),
    /// `value [NOT] LIKE pattern [ESCAPE escape]`
    Like {
        /// What is tested.
        value: Box<Expression>,
        /// `%` is any run of characters, `_` one character.
        pattern: Box<Expression>,
        /// The character that makes the next one of the pattern stand for itself.
        escape: Option<Box<Expression>>,
        /// `NOT LIKE`
        negated: bool,
    },
    /// `value IS [NOT] NULL`
    IsNull {
        /// What is tested.
        value: Box<Expression>,
        /// `IS NOT NULL`
        negated: bool,
    },
    /// `NAME(arguments)`; the name is in upper case.
    Call {
        /// The function's name in upper case.
        name: String,
        /// The arguments in order.
        arguments: Vec<Expression>,
    },
    /// `CASE WHEN condition THEN value … [ELSE otherwise] END`; `NULL` when nothing applies.
    Case {
        /// Condition and value, one pair or more.
        branches: Vec<(Expression, Expression)>,
        /// The value when no condition is true.
        otherwise: Option<Box<Expression>>,
    },
}

/// A piece of a computed parameter name.
#[derive(Debug, Clone, PartialEq)]
pub enum NamePart {
    /// Taken as it is.
    Text(String),
    /// `{expression}`: its value as text; when it is `NULL`, so is the parameter.
    Fragment(Expression),
}

/// The operators that compare two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOperator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// The operators on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero `NULL`.
    Divide,
    /// `%`; the divisor's fraction is dropped, the sign is the dividend's, by zero `NULL`.
    Remainder,
}

/// Text that is not an expression: what was wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ExpressionError {
    /// What was wrong, and where it helps, what to write instead.
    pub message: String,
    /// Bytes from the start of the text.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Expression {
    /// A constant.
    pub fn literal(value: impl Into<Scalar>) -> Expression {
        Expression::Literal(value.into())
    }

    /// A parameter of this name.
    pub fn parameter(name: impl Into<String>) -> Expression {
        Expression::Parameter(name.into())
    }

    /// A parameter whose name is these parts, one after the other. Constant parts are joined; when all are, the result is an
    /// [`Expression::Parameter`].
    pub fn parameter_of_parts(parts: Vec<NamePart>) -> Expression {
        let mut joined: Vec<NamePart> = Vec::with_capacity(parts.len());
        for part in parts {
            let text = match part {
                NamePart::Fragment(Expression::Literal(value)) => match value.to_text() {
                    Some(text) => text.into_owned(),
                    None => {
                        joined.push(NamePart::Fragment(Expression::Literal(value)));
                        continue;
                    }
                },
                NamePart::Fragment(fragment) => {
                    joined.push(NamePart::Fragment(fragment));
                    continue;
                }
                NamePart::Text(text) => text,
            };
            match joined.last_mut() {
                Some(NamePart::Text(before)) => before.push_str(&text),
                _ if text.is_empty() => {}
                _ => joined.push(NamePart::Text(text)),
            }
        }
        match joined.as_mut_slice() {
            [] => Expression::Parameter(String::new()),
            [NamePart::Text(name)] => Expression::Parameter(std::mem::take(name)),
            _ => Expression::ComputedParameter(joined),
        }
    }

    /// All of these: `TRUE` for none, the operand itself for one.
    pub fn all(operands: Vec<Expression>) -> Expression {
        Expression::joined(operands, true, Expression::And)
    }

    /// Any of these: `FALSE` for none, the operand itself for one.
    pub fn any(operands: Vec<Expression>) -> Expression {
        Expression::joined(operands, false, Expression::Or)
    }

    fn joined(mut operands: Vec<Expression>, neutral: bool, join: fn(Vec<Expression>) -> Expression) -> Expression {
        match operands.pop() {
            None => Expression::literal(neutral),
            Some(only) if operands.is_empty() => only,
            Some(last) => {
                operands.push(last);
                join(operands)
            }
        }
    }

    /// A comparison.
    pub fn compare(left: Expression, operator: CompareOperator, right: Expression) -> Expression {
        Expression::Compare(operator, Box::new(left), Box::new(right))
    }

    /// `value IS NULL`, or `value IS NOT NULL` when negated.
    pub fn is_null(value: Expression, negated: bool) -> Expression {
        Expression::IsNull { value: Box::new(value), negated }
    }

    /// The direct parts, in the order in which they are evaluated.
    pub fn children(&self) -> Vec<&Expression> {
        match self {
            Expression::Literal(_) | Expression::Parameter(_) => Vec::new(),
            Expression::ComputedParameter(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    NamePart::Text(_) => None,
                    NamePart::Fragment(fragment) => Some(fragment),
                })
                .collect(),
            Expression::Not(operand) | Expression::IsNull { value: operand, .. } => vec![operand],
            Expression::And(operands)
            | Expression::Or(operands)
            | Expression::Concatenate(operands)
            | Expression::Call { arguments: operands, .. } => operands.iter().collect(),
            Expression::Compare(_, left, right) | Expression::Arithmetic(_, left, right) => {
                vec![left, right]
            }
            Expression::Like { value, pattern, escape, .. } => {
                [value, pattern].into_iter().chain(escape).map(Box::as_ref).collect()
            }
            Expression::Case { branches, otherwise } => {
                branches.iter().flat_map(|(condition, value)| [condition, value]).chain(otherwise.as_deref()).collect()
            }
        }
    }

    /// The same expression with each direct part replaced.
    pub fn map_children(&self, map: &mut dyn FnMut(&Expression) -> Expression) -> Expression {
        match self {
            Expression::Literal(_) | Expression::Parameter(_) => self.clone(),
            Expression::ComputedParameter(parts) => Expression::parameter_of_parts(
                parts
                    .iter()
                    .map(|part| match part {
                        NamePart::Text(text) => NamePart::Text(text.clone()),
                        NamePart::Fragment(fragment) => NamePart::Fragment(map(fragment)),
                    })
                    .collect(),
            ),
            Expression::Not(operand) => Expression::Not(Box::new(map(operand))),
            Expression::And(operands) => Expression::And(operands.iter().map(map).collect()),
            Expression::Or(operands) => Expression::Or(operands.iter().map(map).collect()),
            Expression::Concatenate(operands) => Expression::Concatenate(operands.iter().map(map).collect()),
            Expression::Compare(operator, left, right) => {
                Expression::Compare(*operator, Box::new(map(left)), Box::new(map(right)))
            }
            Expression::Arithmetic(operator, left, right) => {
                Expression::Arithmetic(*operator, Box::new(map(left)), Box::new(map(right)))
            }
            Expression::Like { value, pattern, escape, negated } => Expression::Like {
                value: Box::new(map(value)),
                pattern: Box::new(map(pattern)),
                escape: escape.as_ref().map(|escape| Box::new(map(escape))),
                negated: *negated,
            },
            Expression::IsNull { value, negated } => Expression::is_null(map(value), *negated),
            Expression::Call { name, arguments } => {
                Expression::Call { name: name.clone(), arguments: arguments.iter().map(map).collect() }
            }
            Expression::Case { branches, otherwise } => Expression::Case {
                branches: branches.iter().map(|(condition, value)| (map(condition), map(value))).collect(),
                otherwise: otherwise.as_ref().map(|otherwise| Box::new(map(otherwise))),
            },
        }
    }

    /// The parameters that the expression names, each once, in order of appearance. Computed names are not among them (see
    /// [`Expression::has_computed_names`]); the parameters within their fragments are.
    pub fn parameters(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut seen = std::collections::HashSet::new();
        self.visit(&mut |expression| {
            if let Expression::Parameter(name) = expression
                && seen.insert(name.as_str())
            {
                names.push(name.as_str());
            }
        });
        names
    }

    /// Whether a parameter's name depends on values; [`Expression::simplify`] resolves it once they are known.
    pub fn has_computed_names(&self) -> bool {
        let mut found = false;
        self.visit(&mut |expression| found |= matches!(expression, Expression::ComputedParameter(_)));
        found
    }

    /// Shows every node to `see`, parents first, left to right.
    pub fn visit<'e>(&'e self, see: &mut dyn FnMut(&'e Expression)) {
        see(self);
        for child in self.children() {
            child.visit(see);
        }
    }

    /// The expression with each parameter for which `substitute` has an answer replaced by it.
    pub fn replace_parameters(&self, substitute: &dyn Fn(&str) -> Option<Expression>) -> Expression {
        match self {
            Expression::Parameter(name) => substitute(name).unwrap_or_else(|| self.clone()),
            _ => self.map_children(&mut |child| child.replace_parameters(substitute)),
        }
    }

    /// The expression with the short names that older configuration values use spelled out: `id serialNumber productClass oui`
    /// are parameters below `DeviceID`, `remoteAddress username password` are functions.
    pub fn with_legacy_names(&self) -> Expression {
        let call = |name: &str| Expression::Call { name: name.into(), arguments: Vec::new() };
        self.replace_parameters(&|name| {
            Some(match name {
                "id" => Expression::parameter("DeviceID.ID"),
                "serialNumber" => Expression::parameter("DeviceID.SerialNumber"),
                "productClass" => Expression::parameter("DeviceID.ProductClass"),
                "oui" => Expression::parameter("DeviceID.OUI"),
                "remoteAddress" => call("REMOTE_ADDRESS"),
                "username" => call("USERNAME"),
                "password" => call("PASSWORD"),
                _ => return None,
            })
        })
    }
}

impl CompareOperator {
    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            CompareOperator::Equal => "=",
            CompareOperator::NotEqual => "<>",
            CompareOperator::Less => "<",
            CompareOperator::LessOrEqual => "<=",
            CompareOperator::Greater => ">",
            CompareOperator::GreaterOrEqual => ">=",
        }
    }

    /// Whether it holds for two values in this order.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            CompareOperator::Equal => ordering.is_eq(),
            CompareOperator::NotEqual => ordering.is_ne(),
            CompareOperator::Less => ordering.is_lt(),
            CompareOperator::LessOrEqual => ordering.is_le(),
            CompareOperator::Greater => ordering.is_gt(),
            CompareOperator::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// The operator that says the same of the operands exchanged: `a < b` is `b > a`.
    pub fn exchanged(self) -> CompareOperator {
        match self {
            CompareOperator::Less => CompareOperator::Greater,
            CompareOperator::LessOrEqual => CompareOperator::GreaterOrEqual,
            CompareOperator::Greater => CompareOperator::Less,
            CompareOperator::GreaterOrEqual => CompareOperator::LessOrEqual,
            same => same,
        }
    }
}

impl ArithmeticOperator {
    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ArithmeticOperator::Add => "+",
            ArithmeticOperator::Subtract => "-",
            ArithmeticOperator::Multiply => "*",
            ArithmeticOperator::Divide => "/",
            ArithmeticOperator::Remainder => "%",
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Expression, ExpressionError> {
        parse(text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expression, D::Error> {
        // Compact formats do not say what comes next; there it is always the text that `serialize` wrote.
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(ExpressionVisitor)
        } else {
            deserializer.deserialize_str(ExpressionVisitor)
        }
    }
}

struct ExpressionVisitor;

impl Visitor<'_> for ExpressionVisitor {
    type Value = Expression;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an expression as text, or a boolean, a number or null")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expression, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Expression, E> {
        Ok(Expression::literal(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Expression, E> {
        Ok(Expression::literal(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Expression, E> {
        Ok(Expression::literal(value as f64))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Expression, E> {
        Ok(Expression::literal(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Expression, E> {
        Ok(Expression::Literal(Scalar::Null))
    }
}

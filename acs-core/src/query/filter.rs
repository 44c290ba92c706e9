//! Filters written in the expression language, as queries.
//!
//! A record satisfies the query exactly when the expression is true for it; null is not true, also under `NOT`. So each condition
//! is translated for the answer that is wanted: `NOT a` is true where `a` is false, and a comparison is false only where the
//! field has a value.
//!
//! What can be translated: comparisons of one parameter with a literal, on either side, also through `+ - * /` with literals;
//! `LIKE` with a literal pattern, also over `UPPER` and `LOWER`; `IS NULL`; a parameter alone as a condition; `AND OR NOT`.
//! [`crate::expression::Expression::simplify`] comes first, so that `NOW()` and permissions' own values are literals.

use super::{CompareOperator, FieldType, LikePattern, LikeToken, Operand, Query};
use crate::expression::{ArithmeticOperator, Expression, Scalar};
use crate::path::decode_tag;

/// What the names in a filter stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldNames {
    /// Parameters of devices: `Tags.x` is an element of `_tags`; `DeviceID.*` and the stored `Events.*` are fields with an
    /// underscore; others are `<path>._value`.
    Devices,
    /// Fields of other documents, as they are.
    Documents,
}

/// A filter that no query can express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// What is compared with is not constant.
    #[error("Right-hand operand must be a literal value: {expression}")]
    RightNotLiteral {
        /// The comparison.
        expression: String,
    },
    /// What is compared is not a parameter.
    #[error("Left-hand operand must be a parameter: {expression}")]
    LeftNotParameter {
        /// The comparison, or the condition.
        expression: String,
    },
    /// A name with `*` stands for several parameters, and one with fragments for an unknown one.
    #[error("a filter cannot use the parameter name {name}")]
    Name {
        /// The name.
        name: String,
    },
}

/// The parameters that device documents hold in fields of their own, and those fields.
pub(super) const UNDERSCORE_FIELDS: [(&str, &str); 9] = [
    ("DeviceID.ID", "_id"),
    ("DeviceID.Manufacturer", "_deviceId._Manufacturer"),
    ("DeviceID.OUI", "_deviceId._OUI"),
    ("DeviceID.ProductClass", "_deviceId._ProductClass"),
    ("DeviceID.SerialNumber", "_deviceId._SerialNumber"),
    ("Events.Inform", "_lastInform"),
    ("Events.Registered", "_registered"),
    ("Events.0_BOOTSTRAP", "_lastBootstrap"),
    ("Events.1_BOOT", "_lastBoot"),
];

/// Translates a filter. A record matches the query when the filter is true for it.
pub fn from_expression(filter: &Expression, names: FieldNames) -> Result<Query, FilterError> {
    Translator { names }.condition(&filter.simplify(&()), true)
}

/// What a parameter is in documents.
enum Target {
    Field(String),
    /// An element of `_tags`: true or null.
    Tag(String),
}

struct Translator {
    names: FieldNames,
}

impl Translator {
    /// The records for which the condition is `wanted`.
    fn condition(&self, condition: &Expression, wanted: bool) -> Result<Query, FilterError> {
        let each = |operands: &[Expression]| -> Result<Vec<Query>, FilterError> {
            operands.iter().map(|operand| self.condition(operand, wanted)).collect()
        };
        match condition {
            Expression::Literal(value) => Ok(constant(value.truth() == Some(wanted))),
            Expression::Not(operand) => self.condition(operand, !wanted),
            Expression::And(operands) if wanted => Ok(Query::all(each(operands)?)),
            Expression::And(operands) => Ok(Query::any(each(operands)?)),
            Expression::Or(operands) if wanted => Ok(Query::any(each(operands)?)),
            Expression::Or(operands) => Ok(Query::all(each(operands)?)),
            Expression::IsNull { value, negated } => {
                let target = self.target(value, condition)?;
                let is_null = target.is_known().negated();
                Ok(if *negated == wanted { is_null.negated() } else { is_null })
            }
            Expression::Compare(operator, left, right) => self.comparison(condition, *operator, left, right, wanted),
            Expression::Like { value, pattern, escape, negated } => {
                self.like(condition, value, pattern, escape.as_deref(), *negated != wanted)
            }
            Expression::Parameter(_) | Expression::ComputedParameter(_) => {
                let target = self.target(condition, condition)?;
                Ok(answered(target.is_truthy(), target.is_known(), wanted))
            }
            other => Err(FilterError::LeftNotParameter { expression: other.to_string() }),
        }
    }

    fn comparison(
        &self,
        condition: &Expression,
        operator: CompareOperator,
        left: &Expression,
        right: &Expression,
        wanted: bool,
    ) -> Result<Query, FilterError> {
        let (side, operator, value) = match (left, right) {
            (left, Expression::Literal(value)) => (left, operator, value),
            (Expression::Literal(value), right) => (right, operator.exchanged(), value),
            _ => {
                return Err(FilterError::RightNotLiteral { expression: condition.to_string() });
            }
        };
        if let Some(query) = self.folded_equality(side, operator, value, condition, wanted)? {
            return Ok(query);
        }
        if let Expression::Arithmetic(..) = side {
            let (parameter, line) = linear(side).ok_or_else(|| not_a_parameter(condition))?;
            let target = self.target(parameter, condition)?;
            let (holds, known) = target.compare_line(line, operator, value);
            return Ok(answered(holds, known, wanted));
        }
        let target = self.target(side, condition)?;
        Ok(answered(target.compare(operator, value), target.is_known(), wanted))
    }

    /// `UPPER(p) = 'TEXT'` and its kin; `None` when it is something else.
    fn folded_equality(
        &self,
        side: &Expression,
        operator: CompareOperator,
        value: &Scalar,
        condition: &Expression,
        wanted: bool,
    ) -> Result<Option<Query>, FilterError> {
        let (Some((parameter, case)), Scalar::Text(text)) = (folded(side), value) else {
            return Ok(None);
        };
        let negated = match operator {
            CompareOperator::Equal => false,
            CompareOperator::NotEqual => true,
            _ => return Err(not_a_parameter(condition)),
        };
        let pattern = LikePattern::exactly(text);
        self.pattern(parameter, pattern, Some(case), condition, negated != wanted).map(Some)
    }

    fn like(
        &self,
        condition: &Expression,
        value: &Expression,
        pattern: &Expression,
        escape: Option<&Expression>,
        wanted: bool,
    ) -> Result<Query, FilterError> {
        let not_literal = || FilterError::RightNotLiteral { expression: condition.to_string() };
        let text = literal_text(pattern).ok_or_else(not_literal)?;
        let escape = match escape {
            None => None,
            Some(escape) => literal_text(escape).ok_or_else(not_literal)?.chars().next(),
        };
        let (parameter, case) = match folded(value) {
            Some((parameter, case)) => (parameter, Some(case)),
            None => (value, None),
        };
        self.pattern(parameter, LikePattern::parse(&text, escape), case, condition, wanted)
    }

    /// The records for which "the parameter, in this case, matches the pattern" is `wanted`.
    fn pattern(
        &self,
        parameter: &Expression,
        pattern: LikePattern,
        case: Option<Case>,
        condition: &Expression,
        wanted: bool,
    ) -> Result<Query, FilterError> {
        let target = self.target(parameter, condition)?;
        let matches = match &target {
            // A tag is true, which is no text.
            Target::Tag(_) => Query::False,
            // Upper-case text never matches a pattern with lower-case letters.
            Target::Field(_) if case.is_some_and(|case| !case.keeps(&pattern)) => Query::False,
            Target::Field(field) => Query::Like { field: field.clone(), pattern, fold_case: case.is_some() },
        };
        Ok(answered(matches, target.is_known(), wanted))
    }

    fn target(&self, expression: &Expression, condition: &Expression) -> Result<Target, FilterError> {
        match expression {
            Expression::Parameter(name) => self.named(name),
            Expression::ComputedParameter(_) => Err(FilterError::Name { name: expression.to_string() }),
            _ => Err(not_a_parameter(condition)),
        }
    }

    fn named(&self, name: &str) -> Result<Target, FilterError> {
        if self.names == FieldNames::Documents {
            return Ok(Target::Field(name.to_owned()));
        }
        if let Some(tag) = name.strip_prefix("Tags.") {
            return Ok(Target::Tag(decode_tag(tag)));
        }
        if name.contains('*') {
            return Err(FilterError::Name { name: name.to_owned() });
        }
        let underscore = UNDERSCORE_FIELDS.iter().find(|(parameter, _)| *parameter == name);
        Ok(Target::Field(match underscore {
            Some((_, field)) => (*field).to_owned(),
            None => format!("{name}._value"),
        }))
    }
}

impl Target {
    /// The records in which it is not null.
    fn is_known(&self) -> Query {
        match self {
            Target::Field(field) => Query::equal(field.clone(), Operand::Null).negated(),
            Target::Tag(tag) => Query::equal("_tags", tag.as_str()),
        }
    }

    /// The records in which it is true as a condition.
    fn is_truthy(&self) -> Query {
        match self {
            Target::Field(field) => {
                let falsy = [Operand::Bool(false), Operand::Number(0.0), Operand::Date(0), "".into()];
                let is_falsy = Query::In { field: field.clone(), values: falsy.to_vec() };
                Query::all(vec![self.is_known(), is_falsy.negated()])
            }
            Target::Tag(_) => self.is_known(),
        }
    }

    /// The records in which `it operator value` holds; types compare as in expressions: booleans are 0 and 1, dates are
    /// milliseconds, and text is greater than all of these.
    fn compare(&self, operator: CompareOperator, value: &Scalar) -> Query {
        let field = match self {
            Target::Field(field) => field,
            Target::Tag(_) => return self.compare_line(Line::PLAIN, operator, value).0,
        };
        if operator == CompareOperator::NotEqual {
            let equal = self.compare(CompareOperator::Equal, value);
            return Query::all(vec![self.is_known(), equal.negated()]);
        }
        let of_types = |types: &[FieldType]| Query::Type { field: field.clone(), types: types.into() };
        let mut queries = match value {
            Scalar::Text(text) => vec![Query::compare(field.clone(), operator, text.as_str())],
            number => compare_numeric(field, Line::PLAIN, operator, number),
        };
        // Values of other types stand wholly on one side.
        match (operator, value) {
            (CompareOperator::Less | CompareOperator::LessOrEqual, Scalar::Text(_)) => {
                queries.push(of_types(&NUMERIC));
            }
            (CompareOperator::Greater | CompareOperator::GreaterOrEqual, Scalar::Bool(_) | Scalar::Number(_)) => {
                queries.push(of_types(&[FieldType::String]))
            }
            _ => {}
        }
        Query::any(queries)
    }

    /// The records in which `scale × it + offset operator value` holds, and those in which that is not null. Text, which
    /// arithmetic would read as a number if it could, counts as null here: no store can do that.
    fn compare_line(&self, line: Line, operator: CompareOperator, value: &Scalar) -> (Query, Query) {
        let holds_for = |number: f64| {
            let ordering = line.at(number).compare(value);
            ordering.is_some_and(|ordering| operator.holds(ordering))
        };
        match self {
            Target::Tag(_) => {
                let known = self.is_known();
                (if holds_for(1.0) { known.clone() } else { Query::False }, known)
            }
            Target::Field(field) => {
                let known = Query::Type { field: field.clone(), types: NUMERIC.into() };
                let holds = match (operator, value) {
                    // Every number is less than any text.
                    (_, Scalar::Text(_)) if holds_for(0.0) => known.clone(),
                    (_, Scalar::Text(_) | Scalar::Null) => Query::False,
                    (CompareOperator::NotEqual, value) => {
                        let equal = compare_numeric(field, line, CompareOperator::Equal, value);
                        Query::all(vec![known.clone(), Query::any(equal).negated()])
                    }
                    (operator, value) => Query::any(compare_numeric(field, line, operator, value)),
                };
                (holds, known)
            }
        }
    }
}

/// The types that count as numbers in expressions.
const NUMERIC: [FieldType; 3] = [FieldType::Number, FieldType::Date, FieldType::Bool];

/// `scale × x + offset`
#[derive(Clone, Copy)]
struct Line {
    scale: f64,
    offset: f64,
}

impl Line {
    const PLAIN: Line = Line { scale: 1.0, offset: 0.0 };

    fn at(self, x: f64) -> Scalar {
        Scalar::number(self.scale * x + self.offset)
    }
}

/// The one parameter of a sum or product with literals, and how the value depends on its value.
fn linear(expression: &Expression) -> Option<(&Expression, Line)> {
    let (operator, inner, literal, literal_first) = match expression {
        Expression::Parameter(_) | Expression::ComputedParameter(_) => {
            return Some((expression, Line::PLAIN));
        }
        Expression::Arithmetic(operator, left, right) => match (&**left, &**right) {
            (inner, Expression::Literal(literal)) => (operator, inner, literal, false),
            (Expression::Literal(literal), inner) => (operator, inner, literal, true),
            _ => return None,
        },
        _ => return None,
    };
    let number = literal.to_number()?;
    let (parameter, Line { scale, offset }) = linear(inner)?;
    let line = match (operator, literal_first) {
        (ArithmeticOperator::Add, _) => Line { scale, offset: offset + number },
        (ArithmeticOperator::Subtract, false) => Line { scale, offset: offset - number },
        (ArithmeticOperator::Subtract, true) => Line { scale: -scale, offset: number - offset },
        (ArithmeticOperator::Multiply, _) => Line { scale: scale * number, offset: offset * number },
        (ArithmeticOperator::Divide, false) => Line { scale: scale / number, offset: offset / number },
        (ArithmeticOperator::Divide, true) | (ArithmeticOperator::Remainder, _) => return None,
    };
    let usable = line.scale.is_finite() && line.scale != 0.0 && line.offset.is_finite();
    usable.then_some((parameter, line))
}

/// The numbers, dates and booleans of a field for which `line operator value` holds; any of the queries.
fn compare_numeric(field: &str, line: Line, operator: CompareOperator, value: &Scalar) -> Vec<Query> {
    let Some(number) = value.to_number() else {
        return Vec::new();
    };
    let limit = (number - line.offset) / line.scale;
    let on_field = if line.scale < 0.0 { operator.exchanged() } else { operator };
    let mut queries = vec![Query::compare(field, on_field, limit)];
    queries.extend(compare_date(field, on_field, limit));
    for boolean in [false, true] {
        let ordering = line.at(f64::from(u8::from(boolean))).compare(value);
        if ordering.is_some_and(|ordering| operator.holds(ordering)) {
            queries.push(Query::equal(field, boolean));
        }
    }
    queries
}

/// A comparison of a date with a number of milliseconds, which may have a fraction.
fn compare_date(field: &str, operator: CompareOperator, limit: f64) -> Option<Query> {
    let whole = match operator {
        CompareOperator::LessOrEqual | CompareOperator::Greater => limit.floor(),
        CompareOperator::Less | CompareOperator::GreaterOrEqual => limit.ceil(),
        CompareOperator::Equal | CompareOperator::NotEqual if limit.fract() != 0.0 => return None,
        CompareOperator::Equal | CompareOperator::NotEqual => limit,
    };
    Some(Query::compare(field, operator, Operand::Date(whole as i64)))
}

/// `UPPER` or `LOWER`.
#[derive(Clone, Copy)]
enum Case {
    Upper,
    Lower,
}

impl Case {
    /// Whether the pattern's letters are all of this case.
    fn keeps(self, pattern: &LikePattern) -> bool {
        pattern.tokens().iter().all(|token| match (token, self) {
            (LikeToken::Character(letter), Case::Upper) => letter.to_uppercase().eq([*letter]),
            (LikeToken::Character(letter), Case::Lower) => letter.to_lowercase().eq([*letter]),
            _ => true,
        })
    }
}

/// The operand of `UPPER` or `LOWER`.
fn folded(expression: &Expression) -> Option<(&Expression, Case)> {
    let Expression::Call { name, arguments } = expression else {
        return None;
    };
    match (name.as_str(), arguments.as_slice()) {
        ("UPPER", [operand]) => Some((operand, Case::Upper)),
        ("LOWER", [operand]) => Some((operand, Case::Lower)),
        _ => None,
    }
}

/// Among the records in which a condition is known, those in which it holds or, unless wanted, does not.
fn answered(holds: Query, known: Query, wanted: bool) -> Query {
    if wanted { holds } else { Query::all(vec![known, holds.negated()]) }
}

fn constant(truth: bool) -> Query {
    if truth { Query::True } else { Query::False }
}

fn literal_text(expression: &Expression) -> Option<String> {
    match expression {
        Expression::Literal(value) => value.to_text().map(|text| text.into_owned()),
        _ => None,
    }
}

fn not_a_parameter(condition: &Expression) -> FilterError {
    FilterError::LeftNotParameter { expression: condition.to_string() }
}

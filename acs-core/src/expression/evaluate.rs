//! The value of an expression: three-valued logic, in which null is "unknown".

use super::{ArithmeticOperator, CompareOperator, Expression, Function, LikePattern, NamePart, Scalar};

/// What an expression is evaluated against.
pub trait Context {
    /// The value of a parameter, [`Scalar::Null`] when there is none.
    fn parameter(&self, path: &str) -> Scalar;

    /// `NOW()`: milliseconds since the Unix epoch.
    fn now(&self) -> i64;

    /// `REMOTE_ADDRESS()`: where the device's connection comes from, if there is one.
    fn remote_address(&self) -> Option<&str> {
        None
    }

    /// The host by which the device has called the server, if it is known.
    fn called_host(&self) -> Option<&str> {
        None
    }

    /// The functions that need the outside world (`EXT`, `AUTH`, `USERNAME`, `Q`, …), by their name in upper case.
    /// `None` when the context does not have the function; it is null then.
    fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
        let _ = (name, arguments);
        None
    }
}

impl Expression {
    /// The value of the expression. Never fails: what makes no sense is null; [`Expression::check`] finds it beforehand.
    pub fn evaluate(&self, context: &dyn Context) -> Scalar {
        match self {
            Expression::Literal(value) => value.clone(),
            Expression::Parameter(name) => context.parameter(name),
            Expression::ComputedParameter(parts) => {
                computed_name(parts, context).map(|name| context.parameter(&name)).into()
            }
            Expression::Not(operand) => truth_value(operand.evaluate(context).truth().map(|truth| !truth)),
            Expression::And(operands) => connective(operands, false, context),
            Expression::Or(operands) => connective(operands, true, context),
            Expression::Compare(operator, left, right) => {
                compare(*operator, &left.evaluate(context), &right.evaluate(context))
            }
            Expression::Arithmetic(operator, left, right) => {
                arithmetic(*operator, &left.evaluate(context), &right.evaluate(context))
            }
            Expression::Concatenate(operands) => concatenate(operands, context),
            Expression::Like { value, pattern, escape, negated } => {
                let escape = escape.as_ref().map(|escape| escape.evaluate(context));
                let matched = like(&value.evaluate(context), &pattern.evaluate(context), escape.as_ref());
                truth_value(matched.map(|matched| matched != *negated))
            }
            Expression::IsNull { value, negated } => Scalar::Bool(value.evaluate(context).is_null() != *negated),
            Expression::Call { name, arguments } => call(name, arguments, context),
            Expression::Case { branches, otherwise } => {
                let chosen = branches
                    .iter()
                    .find(|(condition, _)| condition.evaluate(context).is_true())
                    .map(|(_, value)| value)
                    .or(otherwise.as_deref());
                chosen.map(|value| value.evaluate(context)).into()
            }
        }
    }

    /// Whether the expression, as a condition, holds: its value is true, and not null.
    pub fn holds(&self, context: &dyn Context) -> bool {
        self.evaluate(context).is_true()
    }
}

/// `AND` (decided by a false operand) and `OR` (decided by a true one): null when undecided and some operand is null.
fn connective(operands: &[Expression], decisive: bool, context: &dyn Context) -> Scalar {
    let mut result = Some(!decisive);
    for operand in operands {
        match operand.evaluate(context).truth() {
            Some(truth) if truth == decisive => return Scalar::Bool(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    truth_value(result)
}

fn concatenate(operands: &[Expression], context: &dyn Context) -> Scalar {
    let mut joined = String::new();
    for operand in operands {
        match operand.evaluate(context).to_text() {
            Some(text) => joined.push_str(&text),
            None => return Scalar::Null,
        }
    }
    Scalar::Text(joined)
}

fn call(name: &str, arguments: &[Expression], context: &dyn Context) -> Scalar {
    let function = Function::by_name(name);
    if function == Some(Function::Coalesce) {
        let mut values = arguments.iter().map(|argument| argument.evaluate(context));
        return values.find(|value| !value.is_null()).into();
    }
    let values: Vec<Scalar> = arguments.iter().map(|argument| argument.evaluate(context)).collect();
    match function {
        Some(function) if !function.accepts(values.len()) => Scalar::Null,
        Some(Function::Now) => context.now().into(),
        Some(Function::RemoteAddress) => context.remote_address().map(Scalar::from).into(),
        Some(function) => match function.pure_value(&values) {
            Some(value) => value,
            None => context.call(name, &values).into(),
        },
        None => context.call(name, &values).into(),
    }
}

fn computed_name(parts: &[NamePart], context: &dyn Context) -> Option<String> {
    let mut name = String::new();
    for part in parts {
        match part {
            NamePart::Text(text) => name.push_str(text),
            NamePart::Fragment(fragment) => name.push_str(&fragment.evaluate(context).to_text()?),
        }
    }
    Some(name)
}

fn truth_value(truth: Option<bool>) -> Scalar {
    truth.map(Scalar::Bool).into()
}

/// `left operator right`; null when either is.
pub(crate) fn compare(operator: CompareOperator, left: &Scalar, right: &Scalar) -> Scalar {
    truth_value(left.compare(right).map(|ordering| operator.holds(ordering)))
}

/// `left operator right`; null when either is, on division by zero, and beyond the range of numbers.
pub(crate) fn arithmetic(operator: ArithmeticOperator, left: &Scalar, right: &Scalar) -> Scalar {
    let (Some(left), Some(right)) = (left.to_number(), right.to_number()) else {
        return Scalar::Null;
    };
    // Division by zero gives an infinity or no number at all, and neither is a `Scalar`.
    Scalar::number(match operator {
        ArithmeticOperator::Add => left + right,
        ArithmeticOperator::Subtract => left - right,
        ArithmeticOperator::Multiply => left * right,
        ArithmeticOperator::Divide => left / right,
        ArithmeticOperator::Remainder => left % right.trunc(),
    })
}

/// Whether a value matches a pattern: unknown when anything is null. Only text matches, as `=` never equates text and numbers.
fn like(value: &Scalar, pattern: &Scalar, escape: Option<&Scalar>) -> Option<bool> {
    if value.is_null() {
        return None;
    }
    let escape = match escape {
        None => None,
        Some(escape) => escape.to_text()?.chars().next(),
    };
    let pattern = LikePattern::parse(&pattern.to_text()?, escape);
    Some(match value {
        Scalar::Text(text) => pattern.matches_within_lines(text),
        _ => false,
    })
}

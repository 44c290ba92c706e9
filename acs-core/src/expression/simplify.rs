//! Partial evaluation: what is known is put in, what then is constant is folded, what cannot matter is dropped.
//!
//! A driver uses it to answer functions that take time (`EXT`): simplify, answer [`Expression::next_call`], simplify again, until
//! an [`Expression::Literal`] is left. Filters are simplified before they become queries, so that `NOW() - 1000` is a literal.

use super::{Context, Expression, Function, NamePart, Scalar};

/// What is known already. The answer `None` means "not yet"; a parameter known to have no value is [`Scalar::Null`].
pub trait Known {
    /// The value of a parameter.
    fn parameter(&self, path: &str) -> Option<Scalar> {
        let _ = path;
        None
    }

    /// `NOW()`: milliseconds since the Unix epoch.
    fn now(&self) -> Option<i64> {
        None
    }

    /// `REMOTE_ADDRESS()`
    fn remote_address(&self) -> Option<Scalar> {
        None
    }

    /// The functions that need the outside world, by their name in upper case.
    fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
        let _ = (name, arguments);
        None
    }
}

/// Nothing is known: only constants fold.
impl Known for () {}

/// Constants need no context.
struct Constants;

impl Context for Constants {
    fn parameter(&self, _path: &str) -> Scalar {
        Scalar::Null
    }

    fn now(&self) -> i64 {
        0
    }
}

impl Expression {
    /// The expression with what is known put in. In any context that agrees with `known` it has the same value as before.
    pub fn simplify(&self, known: &dyn Known) -> Expression {
        let node = self.map_children(&mut |child| child.simplify(known));
        match node {
            Expression::Parameter(name) => match known.parameter(&name) {
                Some(value) => Expression::Literal(value),
                None => Expression::Parameter(name),
            },
            Expression::ComputedParameter(parts)
                if parts.contains(&NamePart::Fragment(Expression::Literal(Scalar::Null))) =>
            {
                Expression::Literal(Scalar::Null)
            }
            Expression::And(operands) => connective(operands, false),
            Expression::Or(operands) => connective(operands, true),
            Expression::Case { branches, otherwise } => case(branches, otherwise),
            Expression::Call { name, arguments } => call(name, arguments, known),
            Expression::Compare(..)
            | Expression::Arithmetic(..)
            | Expression::Concatenate(_)
            | Expression::Like { .. }
            | Expression::Not(_)
                if node.children().into_iter().any(is_null) =>
            {
                Expression::Literal(Scalar::Null)
            }
            Expression::Literal(_) | Expression::ComputedParameter(_) => node,
            _ if node.children().into_iter().all(is_literal) => Expression::Literal(node.evaluate(&Constants)),
            _ => node,
        }
    }

    /// The first call, in the order of evaluation, of a function that only the outside world can answer and whose arguments are
    /// all known: its name and arguments. Calls that may turn out not to matter come after those that decide that.
    pub fn next_call(&self) -> Option<(&str, Vec<Scalar>)> {
        for child in self.children() {
            if let Some(call) = child.next_call() {
                return Some(call);
            }
        }
        let Expression::Call { name, arguments } = self else {
            return None;
        };
        let answered_here = Function::by_name(name).is_some_and(|function| {
            function.pure_value(&[]).is_some() || matches!(function, Function::Now | Function::RemoteAddress)
        });
        let arguments = literals(arguments)?;
        (!answered_here).then_some((name.as_str(), arguments))
    }

    /// Whether the value can only be true, false or null.
    fn is_condition(&self) -> bool {
        match self {
            Expression::Literal(value) => matches!(value, Scalar::Bool(_) | Scalar::Null),
            Expression::Not(_)
            | Expression::And(_)
            | Expression::Or(_)
            | Expression::Compare(..)
            | Expression::Like { .. }
            | Expression::IsNull { .. } => true,
            _ => false,
        }
    }
}

/// `AND` and `OR`: operands that cannot decide are dropped, one that does decides, one null stands for all.
fn connective(operands: Vec<Expression>, decisive: bool) -> Expression {
    let mut kept: Vec<Expression> = Vec::with_capacity(operands.len());
    for operand in operands {
        match &operand {
            Expression::Literal(value) => match value.truth() {
                Some(truth) if truth == decisive => return Expression::literal(decisive),
                Some(_) => {}
                None if kept.iter().any(is_null) => {}
                None => kept.push(operand),
            },
            _ => kept.push(operand),
        }
    }
    // A lone operand must still be read as a condition: `TRUE AND 5` is true, not 5.
    if let [only] = kept.as_slice()
        && !only.is_condition()
    {
        kept.insert(0, Expression::literal(!decisive));
    }
    if decisive { Expression::any(kept) } else { Expression::all(kept) }
}

fn case(branches: Vec<(Expression, Expression)>, mut otherwise: Option<Box<Expression>>) -> Expression {
    let mut kept = Vec::with_capacity(branches.len());
    for (condition, value) in branches {
        match &condition {
            Expression::Literal(known) if known.is_true() => {
                otherwise = Some(Box::new(value));
                break;
            }
            Expression::Literal(_) => {}
            _ => kept.push((condition, value)),
        }
    }
    match otherwise {
        otherwise if !kept.is_empty() => Expression::Case { branches: kept, otherwise },
        Some(value) => *value,
        None => Expression::Literal(Scalar::Null),
    }
}

fn call(name: String, mut arguments: Vec<Expression>, known: &dyn Known) -> Expression {
    let function = Function::by_name(&name);
    if function == Some(Function::Coalesce) {
        arguments.retain(|argument| !is_null(argument));
        if let Some(first_certain) = arguments.iter().position(is_literal) {
            arguments.truncate(first_certain + 1);
        }
        return match arguments.len() {
            0 => Expression::Literal(Scalar::Null),
            1 => arguments.swap_remove(0),
            _ => Expression::Call { name, arguments },
        };
    }
    let value = match function {
        Some(function) if !function.accepts(arguments.len()) => Some(Scalar::Null),
        Some(Function::Now) => known.now().map(Scalar::from),
        Some(Function::RemoteAddress) => known.remote_address(),
        _ => literals(&arguments).and_then(|values| {
            function.and_then(|function| function.pure_value(&values)).or_else(|| known.call(&name, &values))
        }),
    };
    match value {
        Some(value) => Expression::Literal(value),
        None => Expression::Call { name, arguments },
    }
}

fn is_literal(expression: &Expression) -> bool {
    matches!(expression, Expression::Literal(_))
}

fn is_null(expression: &Expression) -> bool {
    matches!(expression, Expression::Literal(Scalar::Null))
}

fn literals(expressions: &[Expression]) -> Option<Vec<Scalar>> {
    expressions
        .iter()
        .map(|expression| match expression {
            Expression::Literal(value) => Some(value.clone()),
            _ => None,
        })
        .collect()
}

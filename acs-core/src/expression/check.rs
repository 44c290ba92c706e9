//! What is certainly wrong in an expression, found before it is used.

use super::{Expression, Function, FunctionSet, Scalar};

/// A mistake in an expression that parses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No function has this name.
    #[error("there is no function {name}")]
    UnknownFunction {
        /// As the expression calls it, in upper case.
        name: String,
    },
    /// The function exists, but not where this expression is used.
    #[error("{name}() cannot be used here")]
    FunctionNotAllowed {
        /// The function's name.
        name: &'static str,
    },
    /// Too few or too many arguments.
    #[error("{name}() takes {expected}, not {given}")]
    Arguments {
        /// The function's name.
        name: &'static str,
        /// In words: `1 argument`, `2 or more arguments`.
        expected: String,
        /// How many it was given.
        given: usize,
    },
    /// Comparing with `NULL` is neither true nor false.
    #[error("{expression} is always NULL; write IS NULL or IS NOT NULL")]
    ComparedWithNull {
        /// The comparison.
        expression: String,
    },
    /// Text and numbers are never equal, and text is always greater.
    #[error("{expression} compares text with a number, which are never equal; quote both or neither")]
    ComparedTypes {
        /// The comparison.
        expression: String,
    },
    /// Arithmetic on text that is no number counts it as its leading digits or 0.
    #[error("{text} in {expression} is not a number")]
    NotANumber {
        /// The operand.
        text: String,
        /// The operation.
        expression: String,
    },
    /// A pattern must be text.
    #[error("the pattern of {expression} is not text")]
    PatternNotText {
        /// The comparison.
        expression: String,
    },
    /// `ESCAPE` wants one character.
    #[error("ESCAPE in {expression} wants exactly one character")]
    EscapeNotOneCharacter {
        /// The comparison.
        expression: String,
    },
}

impl Expression {
    /// Lists what is certainly wrong: functions that do not exist or are not among the allowed ones, numbers of arguments, and
    /// mistakes between literals. Empty when nothing is.
    pub fn check(&self, allowed: FunctionSet) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.visit(&mut |expression| match expression {
            Expression::Call { name, arguments } => {
                problems.extend(check_call(name, arguments.len(), allowed));
            }
            Expression::Compare(_, left, right) => {
                problems.extend(check_comparison(expression, left, right));
            }
            Expression::Arithmetic(_, left, right) => {
                for operand in [left, right] {
                    problems.extend(check_number(expression, operand));
                }
            }
            Expression::Like { pattern, escape, .. } => {
                if let Expression::Literal(Scalar::Bool(_) | Scalar::Number(_) | Scalar::Null) = **pattern {
                    problems.push(Problem::PatternNotText { expression: expression.to_string() });
                }
                if let Some(Expression::Literal(escape)) = escape.as_deref() {
                    let one = matches!(escape, Scalar::Text(text) if text.chars().count() == 1);
                    if !one {
                        let expression = expression.to_string();
                        problems.push(Problem::EscapeNotOneCharacter { expression });
                    }
                }
            }
            _ => {}
        });
        problems
    }
}

fn check_call(name: &str, given: usize, allowed: FunctionSet) -> Option<Problem> {
    let Some(function) = Function::by_name(name) else {
        return Some(Problem::UnknownFunction { name: name.to_owned() });
    };
    let name = function.name();
    if !allowed.contains(function) {
        return Some(Problem::FunctionNotAllowed { name });
    }
    if function.accepts(given) {
        return None;
    }
    let expected = match function.arity() {
        (fewest, None) => format!("{fewest} or more arguments"),
        (0, Some(0)) => "no arguments".to_owned(),
        (1, Some(1)) => "1 argument".to_owned(),
        (fewest, Some(most)) if fewest == most => format!("{fewest} arguments"),
        (fewest, Some(most)) => format!("{fewest} to {most} arguments"),
    };
    Some(Problem::Arguments { name, expected, given })
}

fn check_comparison(expression: &Expression, left: &Expression, right: &Expression) -> Option<Problem> {
    let null = Expression::Literal(Scalar::Null);
    if *left == null || *right == null {
        return Some(Problem::ComparedWithNull { expression: expression.to_string() });
    }
    let (Expression::Literal(left), Expression::Literal(right)) = (left, right) else {
        return None;
    };
    let is_text = |value: &Scalar| matches!(value, Scalar::Text(_));
    (is_text(left) != is_text(right)).then(|| Problem::ComparedTypes { expression: expression.to_string() })
}

fn check_number(expression: &Expression, operand: &Expression) -> Option<Problem> {
    let Expression::Literal(Scalar::Text(text)) = operand else {
        return None;
    };
    let is_number = text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    (!is_number).then(|| Problem::NotANumber { text: operand.to_string(), expression: expression.to_string() })
}

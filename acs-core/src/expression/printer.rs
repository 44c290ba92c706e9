//! [`Expression`] to text, with as few parentheses as the grammar allows. The text parses to an equal expression.

use std::fmt::{self, Display, Formatter, Write};

use super::parser::is_reserved;
use super::scalar::format_number;
use super::scanner::is_name_character;
use super::{ArithmeticOperator, Expression, NamePart, Scalar};

/// How tightly a form binds; an operand that binds less tightly than its place wants is put in parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Comparison,
    Concatenation,
    Sum,
    Product,
    Primary,
}

impl Expression {
    fn binding(&self) -> Binding {
        match self {
            Expression::Or(_) => Binding::Or,
            Expression::And(_) => Binding::And,
            Expression::Not(_) => Binding::Not,
            Expression::Compare(..) | Expression::Like { .. } | Expression::IsNull { .. } => Binding::Comparison,
            Expression::Concatenate(_) => Binding::Concatenation,
            Expression::Arithmetic(ArithmeticOperator::Add | ArithmeticOperator::Subtract, ..) => Binding::Sum,
            Expression::Arithmetic(..) => Binding::Product,
            Expression::Literal(_)
            | Expression::Parameter(_)
            | Expression::ComputedParameter(_)
            | Expression::Call { .. }
            | Expression::Case { .. } => Binding::Primary,
        }
    }
}

/// An operand in a place that wants at least this binding.
struct Operand<'e>(&'e Expression, Binding);

impl Display for Operand<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.0.binding() < self.1 { write!(formatter, "({})", self.0) } else { self.0.fmt(formatter) }
    }
}

impl Display for Expression {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Literal(value) => value.fmt(formatter),
            Expression::Parameter(name) => {
                let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                    && name.chars().all(is_name_character)
                    && !is_reserved(name);
                if plain { formatter.write_str(name) } else { write_fragment(formatter, name) }
            }
            Expression::ComputedParameter(parts) => write_computed_name(formatter, parts),
            Expression::Not(operand) => write!(formatter, "NOT {}", Operand(operand, Binding::Not)),
            Expression::And(operands) => write_list(formatter, operands, " AND ", Binding::Not),
            Expression::Or(operands) => write_list(formatter, operands, " OR ", Binding::And),
            Expression::Concatenate(operands) => write_list(formatter, operands, " || ", Binding::Sum),
            Expression::Compare(operator, left, right) => write!(
                formatter,
                "{} {} {}",
                Operand(left, Binding::Concatenation),
                operator.as_str(),
                Operand(right, Binding::Concatenation)
            ),
            Expression::Arithmetic(operator, left, right) => {
                let (left_binding, right_binding) = match self.binding() {
                    Binding::Sum => (Binding::Sum, Binding::Product),
                    _ => (Binding::Product, Binding::Primary),
                };
                let operator = operator.as_str();
                let (left, right) = (Operand(left, left_binding), Operand(right, right_binding));
                write!(formatter, "{left} {operator} {right}")
            }
            Expression::Like { value, pattern, escape, negated } => {
                let value = Operand(value, Binding::Concatenation);
                let pattern = Operand(pattern, Binding::Concatenation);
                let not = if *negated { "NOT " } else { "" };
                write!(formatter, "{value} {not}LIKE {pattern}")?;
                match escape {
                    Some(escape) => {
                        write!(formatter, " ESCAPE {}", Operand(escape, Binding::Concatenation))
                    }
                    None => Ok(()),
                }
            }
            Expression::IsNull { value, negated } => {
                let not = if *negated { "NOT " } else { "" };
                write!(formatter, "{} IS {not}NULL", Operand(value, Binding::Concatenation))
            }
            Expression::Call { name, arguments } => {
                write!(formatter, "{name}(")?;
                write_list(formatter, arguments, ", ", Binding::Or)?;
                formatter.write_char(')')
            }
            Expression::Case { branches, otherwise } => {
                formatter.write_str("CASE")?;
                for (condition, value) in branches {
                    write!(formatter, " WHEN {condition} THEN {value}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(formatter, " ELSE {otherwise}")?;
                }
                formatter.write_str(" END")
            }
        }
    }
}

impl Display for Scalar {
    /// The value as a literal of the expression language.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(true) => formatter.write_str("TRUE"),
            Scalar::Bool(false) => formatter.write_str("FALSE"),
            Scalar::Number(number) if number.is_finite() => formatter.write_str(&format_number(*number)),
            Scalar::Null | Scalar::Number(_) => formatter.write_str("NULL"),
            Scalar::Text(text) => write_quoted(formatter, text),
        }
    }
}

fn write_list(
    formatter: &mut Formatter<'_>,
    operands: &[Expression],
    separator: &str,
    binding: Binding,
) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            formatter.write_str(separator)?;
        }
        Operand(operand, binding).fmt(formatter)?;
    }
    Ok(())
}

fn write_computed_name(formatter: &mut Formatter<'_>, parts: &[NamePart]) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        match part {
            NamePart::Fragment(fragment) => write!(formatter, "{{{fragment}}}")?,
            NamePart::Text(text) => {
                // At the start of a name, `5` or `-` could be read as something else.
                let begins_plainly =
                    index > 0 || text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
                if begins_plainly && text.chars().all(is_name_character) {
                    formatter.write_str(text)?;
                } else {
                    write_fragment(formatter, text)?;
                }
            }
        }
    }
    Ok(())
}

/// A piece of a name that cannot be written plainly.
fn write_fragment(formatter: &mut Formatter<'_>, text: &str) -> fmt::Result {
    formatter.write_char('{')?;
    write_quoted(formatter, text)?;
    formatter.write_char('}')
}

fn write_quoted(formatter: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
    formatter.write_str(&quoted)
}

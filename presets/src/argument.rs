//! Arguments of provisions: constants, or expressions that the session evaluates for its device.
//!
//! Deployed documents hold them in several forms, all of which are read:
//!
//! | in `args` | is |
//! | --- | --- |
//! | a number, a boolean, null | itself |
//! | text | itself, except the two kinds below |
//! | `"'text'"`, text in quotes | an expression: the quoted text |
//! | `"NOW()"`, `"ROUND(x) + 1"`, text that calls a function of the expression language | an expression |
//! | `["PARAM", "DeviceID.ID"]`, `["FUNC", "NOW"]`, `["+", 1, 2]`, … | the syntax tree of an expression |
//! | `{"expression": "DeviceID.ID"}` | an expression |
//!
//! `args` may also be one text instead of a list: expressions separated by commas, as one would write them in a call.

use std::sync::Arc;

use acs_core::expression::{
    ArithmeticOperator, CompareOperator, Expression, ExpressionError, FunctionSet, NamePart, Problem, Scalar, parse,
};
use acs_core::path::Path;
use serde_json::Value as Json;

use crate::problem::Problems;

/// How deeply a syntax tree in JSON may nest.
const MAXIMUM_DEPTH: usize = 64;

/// Stands before a list of expressions, so that the parser reads it as the arguments of one call.
const CALL: &str = "COALESCE(";

/// Reads `args`: absent, a list, or one text.
pub fn read_arguments(json: &Json, path: &str, problems: &mut Problems) -> Vec<Arc<Expression>> {
    match json {
        Json::Null => Vec::new(),
        Json::Array(list) => {
            let arguments =
                list.iter().enumerate().map(|(index, json)| read_argument(json, &format!("{path}[{index}]"), problems));
            arguments.collect()
        }
        Json::String(text) if text.trim().is_empty() => Vec::new(),
        Json::String(text) => match parse_list(text) {
            Ok(list) => list.into_iter().map(|expression| checked(expression, path, problems)).collect(),
            Err(error) => {
                problems.error(path, error);
                Vec::new()
            }
        },
        _ => {
            problems.error(path, "must be a list, or text with expressions separated by commas");
            Vec::new()
        }
    }
}

/// Reads one argument. What cannot be read is reported, and null.
pub fn read_argument(json: &Json, path: &str, problems: &mut Problems) -> Arc<Expression> {
    let read = match json {
        Json::String(text) => Ok(read_text(text)),
        Json::Object(map) => match (map.get("expression"), map.len()) {
            (Some(Json::String(text)), 1) => {
                parse(text).map_err(|error| (format!("{path}.expression"), error.to_string()))
            }
            _ => Err((path.to_owned(), r#"an object must be {"expression": "<text>"}"#.to_owned())),
        },
        other => read_tree(other, path, 0),
    };
    match read {
        Ok(expression) => checked(expression, path, problems),
        Err((path, message)) => {
            problems.error(&path, message);
            Arc::new(Expression::Literal(Scalar::Null))
        }
    }
}

/// Reports what [`Expression::check`] finds: calls that can never work as errors, the rest as warnings, since it has a value.
pub(crate) fn checked(expression: Expression, path: &str, problems: &mut Problems) -> Arc<Expression> {
    for problem in expression.check(FunctionSet::SESSION) {
        match problem {
            Problem::UnknownFunction { .. } | Problem::FunctionNotAllowed { .. } | Problem::Arguments { .. } => {
                problems.error(path, problem.to_string());
            }
            _ => problems.warning(path, problem.to_string()),
        }
    }
    for name in expression.parameters() {
        if let Err(error) = Path::parse(name) {
            problems.warning(path, format!("{error}; it is always NULL"));
        }
    }
    Arc::new(expression)
}

fn read_text(text: &str) -> Expression {
    let literal = || Expression::literal(text);
    let Ok(expression) = parse(text) else {
        return literal();
    };
    let is_quoted = matches!(&expression, Expression::Literal(Scalar::Text(_)));
    let mut calls = false;
    expression.visit(&mut |node| calls |= matches!(node, Expression::Call { .. }));
    if is_quoted || calls && expression.check(FunctionSet::ALL).is_empty() { expression } else { literal() }
}

fn parse_list(text: &str) -> Result<Vec<Expression>, String> {
    let shown = |error: ExpressionError| {
        // What stands before the text is not the reader's.
        let column = if error.line == 1 { error.column.saturating_sub(CALL.len()).max(1) } else { error.column };
        format!("line {}, column {column}: {}", error.line, error.message)
    };
    match parse(&format!("{CALL}{text})")).map_err(shown)? {
        Expression::Call { arguments, .. } => Ok(arguments),
        _ => Err("must be expressions separated by commas".to_owned()),
    }
}

/// A place and what is wrong there.
type Misread = (String, String);

/// Reads the syntax tree of an expression: a constant, or `[operator, operands…]`.
fn read_tree(json: &Json, path: &str, depth: usize) -> Result<Expression, Misread> {
    let wrong = |message: &str| (path.to_owned(), message.to_owned());
    if depth > MAXIMUM_DEPTH {
        return Err(wrong("nested too deeply"));
    }
    if let Some(constant) = Scalar::from_json(json) {
        return Ok(Expression::Literal(constant));
    }
    let Some([Json::String(operator), operands @ ..]) = json.as_array().map(Vec::as_slice) else {
        return Err(wrong("must be a constant or an expression like [\"PARAM\", \"DeviceID.ID\"]"));
    };
    let operand_at = |index: usize| read_tree(&operands[index], &format!("{path}[{}]", index + 1), depth + 1);
    let all = |from: usize| (from..operands.len()).map(operand_at).collect::<Result<Vec<_>, _>>();
    let counted = |least: usize, most: usize| {
        if (least..=most).contains(&operands.len()) {
            return all(0);
        }
        Err(wrong(&format!(
            "{operator} takes {least}{} operands, not {}",
            if least == most { "" } else { " or more" },
            operands.len()
        )))
    };
    let any_number = || counted(1, usize::MAX);
    if let Some(compare) = compare_operator(operator) {
        counted(2, 2)?;
        return Ok(Expression::compare(operand_at(0)?, compare, operand_at(1)?));
    }
    if let Some(arithmetic) = arithmetic_operator(operator) {
        let joined = counted(2, usize::MAX)?
            .into_iter()
            .reduce(|left, right| Expression::Arithmetic(arithmetic, Box::new(left), Box::new(right)));
        return joined.ok_or_else(|| wrong("needs operands"));
    }
    match operator.as_str() {
        "PARAM" => match operands {
            [Json::String(name)] => Ok(Expression::parameter(name)),
            [_] => Ok(Expression::parameter_of_parts(name_parts(operand_at(0)?))),
            _ => Err(wrong("PARAM takes the name of a parameter")),
        },
        "FUNC" => match operands.first() {
            Some(Json::String(name)) => Ok(Expression::Call { name: name.to_ascii_uppercase(), arguments: all(1)? }),
            _ => Err(wrong("FUNC takes the name of a function, then its arguments")),
        },
        "AND" => Ok(Expression::all(any_number()?)),
        "OR" => Ok(Expression::any(any_number()?)),
        "NOT" => {
            counted(1, 1)?;
            Ok(Expression::Not(Box::new(operand_at(0)?)))
        }
        "||" => {
            let mut operands = any_number()?;
            Ok(if operands.len() == 1 { operands.swap_remove(0) } else { Expression::Concatenate(operands) })
        }
        "LIKE" | "NOT LIKE" => {
            counted(2, 3)?;
            Ok(Expression::Like {
                value: Box::new(operand_at(0)?),
                pattern: Box::new(operand_at(1)?),
                escape: if operands.len() == 3 { Some(Box::new(operand_at(2)?)) } else { None },
                negated: operator == "NOT LIKE",
            })
        }
        "IS NULL" | "IS NOT NULL" => {
            counted(1, 1)?;
            Ok(Expression::is_null(operand_at(0)?, operator == "IS NOT NULL"))
        }
        "CASE" => {
            let mut operands = counted(2, usize::MAX)?.into_iter();
            let mut branches = Vec::new();
            let mut otherwise = None;
            while let Some(condition) = operands.next() {
                match operands.next() {
                    Some(value) => branches.push((condition, value)),
                    None => otherwise = Some(Box::new(condition)),
                }
            }
            Ok(Expression::Case { branches, otherwise })
        }
        _ => Err(wrong(&format!("{operator:?} is no operator of the expression language"))),
    }
}

/// The parts of a computed name: those of a concatenation, or the one expression.
fn name_parts(name: Expression) -> Vec<NamePart> {
    match name {
        Expression::Concatenate(operands) => operands.into_iter().map(NamePart::Fragment).collect(),
        other => vec![NamePart::Fragment(other)],
    }
}

fn compare_operator(text: &str) -> Option<CompareOperator> {
    use CompareOperator::*;
    [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual].into_iter().find(|operator| operator.as_str() == text)
}

fn arithmetic_operator(text: &str) -> Option<ArithmeticOperator> {
    Some(match text {
        "+" => ArithmeticOperator::Add,
        "-" => ArithmeticOperator::Subtract,
        "*" => ArithmeticOperator::Multiply,
        "/" => ArithmeticOperator::Divide,
        "%" => ArithmeticOperator::Remainder,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The arguments as expression text, and the problems.
    fn read(json: &Json) -> (Vec<String>, Vec<String>) {
        let mut problems = Problems::default();
        let arguments = read_arguments(json, "$.args", &mut problems);
        (
            arguments.iter().map(ToString::to_string).collect(),
            problems.into_list().iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn every_form_is_read() {
        let cases: &[(Json, &[&str])] = &[
            (json!(null), &[]),
            (json!([]), &[]),
            (json!(""), &[]),
            (json!([1, 1.5, true, null]), &["1", "1.5", "TRUE", "NULL"]),
            (
                json!(["Device.WiFi.SSID.1.SSID", "", "Guest WiFi", "a - b"]),
                &[r#""Device.WiFi.SSID.1.SSID""#, r#""""#, r#""Guest WiFi""#, r#""a - b""#],
            ),
            (json!(["'quoted'", "\"double\""]), &[r#""quoted""#, r#""double""#]),
            (json!(["NOW()", "now() - 1000", "FROBNICATE(1)"]), &["NOW()", "NOW() - 1000", r#""FROBNICATE(1)""#]),
            (json!([["PARAM", "DeviceID.ID"], ["FUNC", "NOW"]]), &["DeviceID.ID", "NOW()"]),
            (json!([["FUNC", "round", ["PARAM", "a"], 2]]), &["ROUND(a, 2)"]),
            (json!([["||", "a", ["PARAM", "DeviceID.OUI"]], ["||", "x"]]), &[r#""a" || DeviceID.OUI"#, r#""x""#]),
            (json!([["-", ["FUNC", "NOW"], 1000], ["+", 1, 2, 3]]), &["NOW() - 1000", "1 + 2 + 3"]),
            (json!([["AND", ["=", ["PARAM", "a"], 1], ["NOT", ["PARAM", "b"]]]]), &["a = 1 AND NOT b"]),
            (
                json!([["OR", ["IS NULL", ["PARAM", "a"]], ["IS NOT NULL", ["PARAM", "b"]]]]),
                &["a IS NULL OR b IS NOT NULL"],
            ),
            (
                json!([["LIKE", ["PARAM", "a"], "x%"], ["NOT LIKE", ["PARAM", "a"], "x", "!"]]),
                &[r#"a LIKE "x%""#, r#"a NOT LIKE "x" ESCAPE "!""#],
            ),
            (
                json!([["CASE", ["PARAM", "a"], 1, ["PARAM", "b"], 2, 3], ["CASE", ["PARAM", "a"], 1]]),
                &["CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END", "CASE WHEN a THEN 1 END"],
            ),
            (
                json!([["PARAM", ["||", "Device.", ["PARAM", "VirtualParameters.name"]]]]),
                &["Device.{VirtualParameters.name}"],
            ),
            (json!([{"expression": "DeviceID.ID"}, {"expression": ""}]), &["DeviceID.ID", "NULL"]),
            (json!("DeviceID.ID, 'a, b', NOW()"), &["DeviceID.ID", r#""a, b""#, "NOW()"]),
            (json!("3600"), &["3600"]),
        ];
        for (json, expected) in cases {
            let (arguments, problems) = read(json);
            assert_eq!(problems, Vec::<String>::new(), "{json}");
            assert_eq!(&arguments, expected, "{json}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (json!(5), "$.args: must be a list"),
            (json!({}), "$.args: must be a list"),
            (json!([[]]), "$.args[0]: must be a constant or an expression"),
            (json!([1, [2]]), "$.args[1]: must be a constant or an expression"),
            (json!([["PARM", "x"]]), r#"$.args[0]: "PARM" is no operator"#),
            (json!([["PARAM"]]), "$.args[0]: PARAM takes"),
            (json!([["FUNC"]]), "$.args[0]: FUNC takes"),
            (json!([["=", 1]]), "$.args[0]: = takes 2 operands, not 1"),
            (json!([["NOT"]]), "$.args[0]: NOT takes 1 operands, not 0"),
            (json!([["AND"]]), "$.args[0]: AND takes 1 or more operands, not 0"),
            (json!([["||", "a", ["=", 1, {}]]]), "$.args[0][2][2]: must be a constant"),
            (json!([["FUNC", "FROBNICATE"]]), "$.args[0]: there is no function FROBNICATE"),
            (json!([["FUNC", "USERNAME"]]), "$.args[0]: USERNAME() cannot be used here"),
            (json!([["FUNC", "NOW", 1]]), "$.args[0]: NOW() takes no arguments, not 1"),
            (json!([["PARAM", "a..b"]]), r#"$.args[0]: invalid parameter path "a..b""#),
            (json!([{"expression": "1 +"}]), "$.args[0].expression: line 1, column"),
            (json!([{"expr": "1"}]), "$.args[0]: an object must be"),
            (json!("a, "), "$.args: line 1, column"),
            (json!("a b"), "$.args: line 1, column 3:"),
            (json!("a) || COALESCE(b"), "$.args: must be expressions separated by commas"),
        ];
        for (json, expected) in cases {
            let (_, problems) = read(&json);
            assert_eq!(problems.len(), 1, "{json}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{json}: {}", problems[0]);
        }
    }

    #[test]
    fn deep_trees_are_refused_without_harm() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!(["NOT", deep]);
        }
        assert!(read(&json!([deep])).1[0].ends_with("nested too deeply"));
    }
}

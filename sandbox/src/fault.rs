//! What went wrong in a script, as a fault with code, script, line and column.

use acs_core::script::{HostError, ScriptFault};
use rhai::{Dynamic, EvalAltResult, Position};
use serde_json::{Value as Json, json};

use crate::engine;
use crate::hints;
use crate::values;

/// The kind of a failure; its name follows `script.` in the fault's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A thrown value, or a wrong call of a host function.
    Error,
    /// It does not compile.
    SyntaxError,
    /// A value of the wrong type.
    TypeError,
    /// A name that does not exist.
    ReferenceError,
    /// An index or a number out of range.
    RangeError,
    /// Too much processor time.
    Timeout,
    /// Too many operations.
    TooManyOperations,
    /// Calls nested too deeply.
    TooDeep,
    /// A text, an array or a map that is too large.
    TooLarge,
    /// Too much memory.
    OutOfMemory,
    /// A defect of the server.
    Internal,
}

impl Kind {
    /// As in the fault's code.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Error => "Error",
            Kind::SyntaxError => "SyntaxError",
            Kind::TypeError => "TypeError",
            Kind::ReferenceError => "ReferenceError",
            Kind::RangeError => "RangeError",
            Kind::Timeout => "Timeout",
            Kind::TooManyOperations => "TooManyOperations",
            Kind::TooDeep => "TooDeep",
            Kind::TooLarge => "TooLarge",
            Kind::OutOfMemory => "OutOfMemory",
            Kind::Internal => "InternalError",
        }
    }
}

/// A failure, before it is known whose.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub kind: Kind,
    pub message: String,
    pub position: Position,
    /// The thrown value, when it is more than a text.
    pub thrown: Option<Json>,
    /// The calls that led to it, innermost first: `name at line:column`.
    pub calls: Vec<String>,
    /// An extension's fault, which keeps its own code.
    pub extension: Option<(String, Option<Json>)>,
}

impl Problem {
    pub fn new(kind: Kind, message: impl Into<String>, position: Position) -> Problem {
        Problem { kind, message: message.into(), position, thrown: None, calls: Vec::new(), extension: None }
    }

    /// What a host function refused.
    pub fn of_host(error: HostError, position: Position) -> Problem {
        let message = error.to_string();
        let extension = match error {
            HostError::Extension { code, detail, .. } => Some((code, detail)),
            _ => None,
        };
        Problem { extension, ..Problem::new(Kind::Error, message, position) }
    }

    /// The fault, with the script's name.
    pub fn into_fault(self, script: &str) -> ScriptFault {
        let (line, column) = line_and_column(self.position);
        let message = format!("{}: {}", place(script, line, column), self.message);
        let mut detail = json!({"name": self.kind.name(), "message": self.message, "script": script, "line": line, "column": column});
        if let Some(thrown) = self.thrown {
            detail["thrown"] = thrown;
        }
        if !self.calls.is_empty() {
            detail["calls"] = json!(self.calls);
        }
        let code = match self.extension {
            Some((code, extension_detail)) => {
                detail["name"] = json!(code);
                if let Some(extension_detail) = extension_detail {
                    detail["extension"] = extension_detail;
                }
                code
            }
            None => format!("script.{}", self.kind.name()),
        };
        ScriptFault { code, message, detail: Some(detail) }
    }
}

/// `wifi: line 3, column 8`, or only the name when the place is unknown.
pub fn place(script: &str, line: u32, column: u32) -> String {
    if line == 0 { script.to_owned() } else { format!("{script}: line {line}, column {column}") }
}

/// Line and column from 1; 0 when unknown.
pub fn line_and_column(position: Position) -> (u32, u32) {
    let number = |place: Option<usize>| place.and_then(|place| u32::try_from(place).ok()).unwrap_or(0);
    (number(position.line()), number(position.position()))
}

/// Says what an error of the script engine means to the script's author.
pub fn explain(error: Box<EvalAltResult>) -> Problem {
    let mut calls = Vec::new();
    let mut error = error;
    let mut position = error.position();
    while let EvalAltResult::ErrorInFunctionCall(name, _, inner, at) | EvalAltResult::ErrorInModule(name, inner, at) =
        *error
    {
        if !name.contains('$') {
            let (line, column) = line_and_column(at);
            calls.insert(0, format!("{name} at {line}:{column}"));
        }
        if !inner.position().is_none() {
            position = inner.position();
        }
        error = inner;
    }
    Problem { calls, position, ..explain_inner(*error) }
}

fn explain_inner(error: EvalAltResult) -> Problem {
    use EvalAltResult as E;
    if let E::ErrorRuntime(thrown, _) = &error {
        return explain_thrown(thrown);
    }
    let kind = match &error {
        E::ErrorParsing(..) => Kind::SyntaxError,
        E::ErrorVariableNotFound(..)
        | E::ErrorPropertyNotFound(..)
        | E::ErrorModuleNotFound(..)
        | E::ErrorIndexNotFound(..) => Kind::ReferenceError,
        E::ErrorFunctionNotFound(signature, _) => {
            if engine::known_functions().has_name(called_name(signature)) {
                Kind::TypeError
            } else {
                Kind::ReferenceError
            }
        }
        E::ErrorUnboundThis(..)
        | E::ErrorMismatchDataType(..)
        | E::ErrorMismatchOutputType(..)
        | E::ErrorIndexingType(..)
        | E::ErrorFor(..)
        | E::ErrorDotExpr(..)
        | E::ErrorNonPureMethodCallOnConstant(..)
        | E::ErrorAssignmentToConstant(..) => Kind::TypeError,
        E::ErrorArrayBounds(..) | E::ErrorStringBounds(..) | E::ErrorBitFieldBounds(..) | E::ErrorArithmetic(..) => {
            Kind::RangeError
        }
        E::ErrorTooManyOperations(..) => Kind::TooManyOperations,
        E::ErrorStackOverflow(..) => Kind::TooDeep,
        E::ErrorDataTooLarge(..) | E::ErrorTooManyVariables(..) | E::ErrorTooManyModules(..) => Kind::TooLarge,
        _ => Kind::Error,
    };
    let hint = match &error {
        E::ErrorVariableNotFound(name, _) => hints::for_name(name),
        E::ErrorFunctionNotFound(signature, _) => hints::for_name(called_name(signature)),
        E::ErrorDotExpr(text, _) => hints::for_property(text),
        E::ErrorMismatchDataType(wanted, _, _) if wanted == "bool" => {
            Some("conditions must be true or false; compare, as in `x != ()` or `x != \"\"`")
        }
        E::ErrorFor(_) => Some("`for` goes over arrays, ranges, texts and declare() results"),
        _ => None,
    };
    let mut error = error;
    error.clear_position();
    let mut message = error.to_string();
    if let Some(hint) = hint {
        message = format!("{message} ({hint})");
    }
    Problem::new(kind, message, Position::NONE)
}

/// A thrown text is the message; of a thrown map its `message`.
fn explain_thrown(thrown: &Dynamic) -> Problem {
    if let Ok(text) = thrown.as_immutable_string_ref() {
        return Problem::new(Kind::Error, text.to_string(), Position::NONE);
    }
    let json = values::to_json(thrown, 64 * 1024).unwrap_or(Json::Null);
    let message = match json.get("message") {
        Some(Json::String(text)) => text.clone(),
        _ if json.is_null() => format!("threw {}", values::describe(thrown)),
        _ => format!("threw {json}"),
    };
    Problem { thrown: Some(json), ..Problem::new(Kind::Error, message, Position::NONE) }
}

/// The name in a signature as the engine writes it: `name (types)`.
fn called_name(signature: &str) -> &str {
    signature.split([' ', '(']).next().unwrap_or(signature)
}

//! Compiling scripts, and what to say when one does not compile.

use std::sync::Arc;

use rhai::{AST, OptimizationLevel, ParseError};

use crate::engine;
use crate::fault::{self, Kind, Problem};
use crate::hints;
use crate::limits::Limits;
use crate::thread::on_script_thread;

/// A script that can run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CompiledScript(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    name: Arc<str>,
    ast: AST,
}

/// A script that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", fault::place(script, *line, *column))]
pub struct ScriptError {
    /// The script's name.
    pub script: Arc<str>,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// From 1; 0 when unknown.
    pub column: u32,
    /// What is wrong, with advice when the script looks like JavaScript.
    pub message: String,
}

impl CompiledScript {
    /// The script's name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    pub(crate) fn ast(&self) -> &AST {
        &self.0.ast
    }
}

impl ScriptError {
    pub(crate) fn to_problem(&self) -> Problem {
        let position = match (u16::try_from(self.line), u16::try_from(self.column)) {
            (Ok(line), Ok(column)) if line > 0 => rhai::Position::new(line, column),
            _ => rhai::Position::NONE,
        };
        Problem::new(Kind::SyntaxError, self.message.clone(), position)
    }
}

/// Compiles a script, under the default limits.
///
/// # Errors
/// When it is not valid Rhai, or exceeds the limits on nesting and on the number of functions.
pub fn compile(name: &str, source: &str) -> Result<CompiledScript, ScriptError> {
    on_script_thread(|| compile_here(name, source, &Limits::default())).unwrap_or_else(|error| {
        Err(ScriptError {
            script: name.into(),
            line: 0,
            column: 0,
            message: format!("no thread for the compiler: {error}"),
        })
    })
}

/// Like [`compile`], on the current thread, which must have a large stack.
pub fn compile_here(name: &str, source: &str, limits: &Limits) -> Result<CompiledScript, ScriptError> {
    let engine = engine::for_compilation(limits, OptimizationLevel::Simple);
    let ast = engine.compile(source).map_err(|error| script_error(name, source, &error))?;
    Ok(CompiledScript(Arc::new(Compiled { name: name.into(), ast })))
}

/// Says what a parser's error means, with its place.
pub fn script_error(name: &str, source: &str, error: &ParseError) -> ScriptError {
    let (line, column) = fault::line_and_column(error.position());
    let mut message = error.err_type().to_string();
    if let Some(hint) = hints::for_source(source, line) {
        message = format!("{message}; {hint}");
    }
    ScriptError { script: name.into(), line, column, message }
}

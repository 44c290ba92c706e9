//! What can be found wrong with a script without running it: for `lodestar check`, and for the moment a script is saved.

use std::collections::BTreeSet;

use acs_core::entries::EntryKind;
use acs_core::path::Path;
use acs_core::script::HostError;
use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, Map, OptimizationLevel, ParseErrorType, Position, Scope, Stmt};

use crate::api::{FRESHNESS_KEYS, WANTED_KEYS, parse_clear_attributes, parse_freshness, parse_wanted};
use crate::compile::{self, ScriptError};
use crate::engine::{self, ARGUMENTS};
use crate::fault::line_and_column;
use crate::hints;
use crate::limits::Limits;
use crate::thread::on_script_thread;

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The script does not work.
    Error,
    /// The script works, probably not as meant, or slowly.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// From 1; 0 when unknown.
    pub line: u32,
    /// From 1; 0 when unknown.
    pub column: u32,
    /// How bad.
    pub severity: Severity,
    /// What, with advice.
    pub message: String,
}

/// Properties of a `declare()` result; reading one may wait for the device.
const READS: [&str; 8] = ["value", "values", "path", "size", "object", "writable", "notification", "accessList"];

/// At most so many undefined variables are looked for.
const MAX_UNDEFINED: usize = 20;

/// Examines a script, in the order of its lines.
///
/// Found are: syntax errors; variables and functions that do not exist; paths, keys and values in the literals of
/// `declare()` and `clear()` calls that would fail; `try` blocks that cannot catch what they enclose; and loops that wait for
/// the device in each turn.
pub fn check(name: &str, source: &str) -> Vec<Finding> {
    on_script_thread(|| check_here(name, source)).unwrap_or_else(|error| {
        vec![Finding {
            line: 0,
            column: 0,
            severity: Severity::Error,
            message: format!("no thread for the compiler: {error}"),
        }]
    })
}

fn check_here(name: &str, source: &str) -> Vec<Finding> {
    let limits = Limits::default();
    if let Err(ScriptError { line, column, message, .. }) = compile::compile_here(name, source, &limits) {
        return vec![Finding { line, column, severity: Severity::Error, message }];
    }
    let engine = engine::for_compilation(&limits, OptimizationLevel::None);
    let mut checker = Checker { findings: undefined_variables(source, &limits), functions: BTreeSet::new() };
    if let Ok(ast) = engine.compile(source) {
        checker.script(&ast);
    }
    checker.findings.sort();
    checker.findings.dedup();
    checker.findings
}

/// Compiles in strict mode, which stops at the first variable that is not defined, until none is left.
fn undefined_variables(source: &str, limits: &Limits) -> Vec<Finding> {
    let mut engine = engine::for_compilation(limits, OptimizationLevel::None);
    engine.set_strict_variables(true);
    let mut scope = Scope::new();
    scope.push_constant(ARGUMENTS, Dynamic::UNIT);
    let mut findings = Vec::new();
    while findings.len() < MAX_UNDEFINED {
        let Err(error) = engine.compile_with_scope(&scope, source) else { break };
        let ParseErrorType::VariableUndefined(variable) = error.err_type() else { break };
        let (line, column) = line_and_column(error.position());
        let mut message = format!("there is no variable {variable}");
        if let Some(hint) = hints::for_name(variable) {
            message = format!("{message}: {hint}");
        }
        findings.push(Finding { line, column, severity: Severity::Error, message });
        scope.push_constant(variable.clone(), Dynamic::UNIT);
    }
    findings
}

struct Checker {
    findings: Vec<Finding>,
    /// The script's own functions with their numbers of parameters.
    functions: BTreeSet<(String, usize)>,
}

impl Checker {
    fn script(&mut self, ast: &AST) {
        self.functions =
            ast.iter_functions().map(|function| (function.name.to_owned(), function.params.len())).collect();
        ast.walk(&mut |path| {
            self.node(path);
            true
        });
    }

    fn node(&mut self, path: &[ASTNode]) {
        if let Some((call, at, is_method)) = call_of(path) {
            return self.call(path, call, at, is_method);
        }
        match path.last() {
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => self.loop_body(parts.2.body.statements()),
            Some(ASTNode::Stmt(Stmt::While(parts, _) | Stmt::Do(parts, ..))) => self.loop_body(parts.body.statements()),
            _ => {}
        }
    }

    fn call(&mut self, path: &[ASTNode], call: &FnCallExpr, at: Position, is_method: bool) {
        if call.is_operator_call() {
            return;
        }
        let name = call.name.as_str();
        if call.is_qualified() {
            self.error(at, format!("{name}: scripts have no modules"));
            return;
        }
        self.callee(call, at, is_method);
        match name {
            "declare" if !is_method => self.declaration(&call.args),
            "clear" if !is_method => self.clearing(&call.args),
            _ => {}
        }
        if !is_method && matches!(name, "declare" | "commit" | "ext" | "clear" | "starstate") && is_inside_try(path) {
            let message = format!(
                "{name}() inside try: a wrong call and an extension's fault fail the script, catch does not see them"
            );
            self.warn(at, message);
        }
    }

    /// Whether the function exists.
    fn callee(&mut self, call: &FnCallExpr, at: Position, is_method: bool) {
        let name = call.name.as_str();
        let given = call.args.len();
        let own = |count: usize| self.functions.contains(&(name.to_owned(), count));
        let arity = given + usize::from(is_method);
        let known = engine::known_functions().arities(name);
        if own(given) || known.is_some_and(|arities| arities.contains(&arity)) {
            return;
        }
        let hint = hints::for_name(name).map(|hint| format!(": {hint}")).unwrap_or_default();
        let message = match known {
            Some(arities) => {
                let wanted: Vec<String> =
                    arities.iter().map(|count| (count - usize::from(is_method && *count > 0)).to_string()).collect();
                format!("{name}() takes {} arguments, not {given}", wanted.join(" or "))
            }
            None if self.functions.iter().any(|(own, _)| own == name) => {
                format!("the function {name} of this script does not take {given} arguments")
            }
            None => format!("there is no function {name}{hint}"),
        };
        // A map's entry can be a function, and is called like a method.
        if is_method && known.is_none() && hint.is_empty() { self.warn(at, message) } else { self.error(at, message) }
    }

    fn declaration(&mut self, arguments: &[Expr]) {
        self.path(arguments.first());
        let fresh = arguments.get(1);
        self.map(fresh, &FRESHNESS_KEYS, |map| parse_freshness(map).map(|_| ()));
        let is_entry = match arguments.first() {
            Some(Expr::StringConstant(path, _)) => {
                path.split_once('.').is_some_and(|(root, _)| EntryKind::of_root(root).is_some())
            }
            _ => false,
        };
        self.map(arguments.get(2), &WANTED_KEYS, |map| match parse_wanted(map)?.triggered_at {
            Some(count) if !is_entry => {
                Err(HostError::Argument(format!("{count} instances wanted; a time belongs into the second argument")))
            }
            _ => Ok(()),
        });
    }

    fn clearing(&mut self, arguments: &[Expr]) {
        self.path(arguments.first());
        let keys = ["value", "object", "writable", "notification", "accessList"];
        self.map(arguments.get(2), &keys, |map| parse_clear_attributes(map).map(|_| ()));
    }

    fn path(&mut self, argument: Option<&Expr>) {
        if let Some(Expr::StringConstant(text, at)) = argument
            && let Err(error) = Path::parse(text)
        {
            self.error(*at, error.to_string());
        }
    }

    /// Checks a literal map's entries one by one, to say where a mistake is; values that are not literals are unknown.
    fn map(&mut self, argument: Option<&Expr>, keys: &[&str], parse: impl Fn(&Map) -> Result<(), HostError>) {
        match argument {
            Some(Expr::Map(parts, _)) => {
                for (key, value) in &parts.0 {
                    let is_known = keys.contains(&key.name.as_str());
                    let Some(literal) = value.get_literal_value(None).or((!is_known).then_some(Dynamic::UNIT)) else {
                        continue;
                    };
                    let one = Map::from([(key.name.as_str().into(), literal)]);
                    if let Err(error) = parse(&one) {
                        self.error(key.pos, error.to_string());
                    }
                }
            }
            Some(literal) if !matches!(literal, Expr::Unit(_)) && literal.is_constant() => {
                self.error(literal.start_position(), "expected a map as #{value: 1}, or ()".to_owned());
            }
            _ => {}
        }
    }

    /// Warns of loops that wait for the device in each turn.
    fn loop_body(&mut self, body: &[Stmt]) {
        let mut declared: BTreeSet<String> = BTreeSet::new();
        let mut waits: Vec<(Position, &'static str)> = Vec::new();
        let mut path = Vec::new();
        for statement in body {
            statement.walk(&mut path, &mut |path: &[ASTNode]| {
                match path.last() {
                    Some(ASTNode::Stmt(Stmt::Var(variable, ..))) if is_declare(&variable.1) => {
                        declared.insert(variable.0.name.to_string());
                    }
                    Some(ASTNode::Stmt(Stmt::FnCall(call, at)) | ASTNode::Expr(Expr::FnCall(call, at))) if call.name == "commit" => {
                        waits.push((*at, "commit() in a loop waits for the device in each turn"));
                    }
                    Some(ASTNode::Expr(Expr::Dot(parts, ..))) => {
                        let of_result = match &parts.lhs {
                            Expr::Variable(variable, ..) => declared.contains(variable.1.as_str()),
                            other => is_declare(other),
                        };
                        if of_result && reads(&parts.rhs) {
                            let message = "declaring and reading in a loop waits for the device in each turn; declare all first, in a \
                                           loop or with a wildcard, and read then";
                            waits.push((parts.lhs.start_position(), message));
                        }
                    }
                    _ => {}
                }
                true
            });
        }
        for (at, message) in waits {
            self.warn(at, message.to_owned());
        }
    }

    fn error(&mut self, at: Position, message: String) {
        self.find(Severity::Error, at, message);
    }

    fn warn(&mut self, at: Position, message: String) {
        self.find(Severity::Warning, at, message);
    }

    fn find(&mut self, severity: Severity, at: Position, message: String) {
        let (line, column) = line_and_column(at);
        self.findings.push(Finding { line, column, severity, message });
    }
}

/// The call that the innermost node is: its parts, its place, and whether it is written `value.name()`.
pub fn call_of<'a>(path: &[ASTNode<'a>]) -> Option<(&'a FnCallExpr, Position, bool)> {
    match path.last()? {
        ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)) => Some((call, *at, false)),
        ASTNode::Expr(Expr::MethodCall(call, at)) => Some((call, *at, true)),
        _ => None,
    }
}

fn is_declare(expression: &Expr) -> bool {
    matches!(expression, Expr::FnCall(call, _) if call.name == "declare")
}

/// Whether an access begins with reading a result's property.
fn reads(access: &Expr) -> bool {
    match access {
        Expr::Property(property, _) => READS.contains(&property.2.as_str()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => reads(&parts.lhs),
        _ => false,
    }
}

/// Whether the innermost node lies in the part of a `try` that is protected.
fn is_inside_try(path: &[ASTNode]) -> bool {
    path.windows(2).any(|pair| match pair {
        [ASTNode::Stmt(Stmt::TryCatch(parts, _)), ASTNode::Stmt(child)] => {
            parts.body.statements().iter().any(|statement| std::ptr::eq(statement, *child))
        }
        _ => false,
    })
}

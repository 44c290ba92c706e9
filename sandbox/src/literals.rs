//! The paths that stand literally in a script's `declare()` and `clear()` calls, to be compared with what devices have.

use acs_core::path::Path;
use acs_core::value::{Value, XsdType};
use rhai::{Dynamic, Expr, FnCallExpr, Map, OptimizationLevel};

use crate::api::parse_wanted;
use crate::check::call_of;
use crate::engine;
use crate::fault::line_and_column;
use crate::limits::Limits;
use crate::thread::on_script_thread;

/// A `declare()` or `clear()` whose path is a literal.
#[derive(Debug, Clone, PartialEq)]
pub struct LiteralDeclaration {
    /// The path or pattern.
    pub path: Path,
    /// The wanted value, when that is a literal, too, with its type if the script says one.
    pub value: Option<(Value, Option<XsdType>)>,
    /// Of the path; from 1, 0 when unknown.
    pub line: u32,
    /// Of the path; from 1, 0 when unknown.
    pub column: u32,
}

/// Finds all literal declarations of a script, in the order of its lines. A script that does not compile has none, and texts that
/// are no paths are left out: [`check`](crate::check) finds those.
pub fn literal_declarations(source: &str) -> Vec<LiteralDeclaration> {
    on_script_thread(|| declarations_here(source)).unwrap_or_default()
}

fn declarations_here(source: &str) -> Vec<LiteralDeclaration> {
    let engine = engine::for_compilation(&Limits::default(), OptimizationLevel::None);
    let Ok(ast) = engine.compile(source) else { return Vec::new() };
    let mut found = Vec::new();
    ast.walk(&mut |path| {
        if let Some((call, _, false)) = call_of(path) {
            found.extend(declaration(call));
        }
        true
    });
    found.sort_by_key(|declaration| (declaration.line, declaration.column));
    found
}

fn declaration(call: &FnCallExpr) -> Option<LiteralDeclaration> {
    let is_declare = call.name == "declare";
    if call.is_qualified() || !is_declare && call.name != "clear" {
        return None;
    }
    let Some(Expr::StringConstant(text, at)) = call.args.first() else { return None };
    let path = Path::parse(text).ok()?;
    let value = call.args.get(2).filter(|_| is_declare).and_then(wanted_value);
    let (line, column) = line_and_column(*at);
    Some(LiteralDeclaration { path, value, line, column })
}

/// The literal `value` of a wanted state.
fn wanted_value(wanted: &Expr) -> Option<(Value, Option<XsdType>)> {
    let literal: Dynamic = match wanted {
        Expr::Map(parts, _) => parts.0.iter().find(|(key, _)| key.name == "value")?.1.get_literal_value(None)?,
        constant => constant.get_literal_value(None)?.read_lock::<Map>()?.get("value")?.clone(),
    };
    parse_wanted(&Map::from([("value".into(), literal)])).ok()?.wanted.value
}

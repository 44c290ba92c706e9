//! `lodestar check`: what is wrong with scripts, without running them.

use anyhow::{Context, Result};
use sandbox::{Finding, Severity};
use serde_json::json;

use crate::command_line::CheckArguments;

/// Prints the findings. Returns whether there is no error among them.
pub fn run(arguments: &CheckArguments) -> Result<bool> {
    let mut clean = true;
    let mut list = Vec::new();
    for path in &arguments.files {
        let name = path.display().to_string();
        let source = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
        for Finding { severity, message, line, column, .. } in sandbox::check(&name, &source) {
            let word = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            clean &= severity != Severity::Error;
            if arguments.json {
                list.push(
                    json!({ "file": name, "severity": word, "message": message, "line": line, "column": column }),
                );
            } else {
                println!("{name}:{line}:{column}: {word}: {message}");
            }
        }
    }
    if arguments.json {
        println!("{}", serde_json::Value::from(list));
    }
    Ok(clean)
}

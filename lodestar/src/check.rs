//! `lodestar check`: what is wrong with scripts, without running them.

use anyhow::{Context, Result};
use sandbox::{Finding, Severity};
use serde_json::json;

use crate::command_line::CheckArguments;
use crate::known_paths::{MOST_DEVICES, compare};

/// A script and what was found.
struct Checked {
    name: String,
    source: String,
    findings: Vec<Finding>,
}

/// Prints the findings. Returns whether there is no error among them.
pub async fn run(arguments: CheckArguments) -> Result<bool> {
    let mut scripts = Vec::new();
    for path in &arguments.files {
        let name = path.display().to_string();
        let source = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
        let findings = sandbox::check(&name, &source);
        scripts.push(Checked { name, source, findings });
    }
    if arguments.data_dir.is_some() || arguments.store.address()?.is_some() {
        compare_with_devices(&arguments, &mut scripts).await?;
    }
    let mut list = Vec::new();
    for Checked { name, findings, .. } in &scripts {
        for Finding { severity, message, line, column, .. } in findings {
            let severity = word(*severity);
            if arguments.json {
                list.push(
                    json!({ "file": name, "severity": severity, "message": message, "line": line, "column": column }),
                );
            } else {
                println!("{name}:{line}:{column}: {severity}: {message}");
            }
        }
    }
    if arguments.json {
        println!("{}", serde_json::Value::from(list));
    }
    Ok(scripts.iter().flat_map(|script| &script.findings).all(|finding| finding.severity != Severity::Error))
}

/// Adds what does not fit the stored devices.
async fn compare_with_devices(arguments: &CheckArguments, scripts: &mut [Checked]) -> Result<()> {
    let store = arguments.store.open_for_reading(arguments.data_dir.as_deref()).await?;
    let declarations: Vec<_> = scripts.iter().map(|script| sandbox::literal_declarations(&script.source)).collect();
    let comparison = compare(&*store, &declarations, MOST_DEVICES).await?;
    for (script, findings) in scripts.iter_mut().zip(comparison.findings) {
        script.findings.extend(findings);
        script.findings.sort();
        script.findings.dedup();
    }
    if comparison.is_partial {
        eprintln!("lodestar: only the first {MOST_DEVICES} devices were looked at");
    } else if comparison.is_empty {
        eprintln!("lodestar: no device is stored, so paths were compared with nothing");
    }
    Ok(())
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

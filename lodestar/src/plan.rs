//! `lodestar plan`: what a session would ask and tell a device, and what would be different afterwards, printed.

use std::collections::BTreeMap;

use acs_core::path::Path;
use acs_core::plan::Plan;
use acs_core::rpc::AcsRequest;
use acs_core::value::{TypedValue, Value};
use anyhow::{Context, Result};
use sandbox::Limits;
use ui_api::{PlanRequest, PlanSubject};

use crate::command_line::PlanArguments;
use crate::planning::{plan_session, to_json};

/// Plans and prints. Returns whether no channel would fault.
pub async fn run(arguments: PlanArguments, limits: Limits) -> Result<bool> {
    let request = request_of(&arguments)?;
    let store = arguments.store.open_for_reading(arguments.data_dir.as_deref()).await?;
    let planned = plan_session(&*store, None, &limits, &arguments.device, request).await?;
    for problem in planned.problems {
        eprintln!("lodestar: {problem}");
    }
    let plan = planned.plan;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&to_json(&plan))?);
    } else {
        print!("{}", to_text(&plan));
    }
    Ok(plan.faults.is_empty())
}

fn request_of(arguments: &PlanArguments) -> Result<PlanRequest> {
    let mut set = Vec::new();
    for assignment in &arguments.set {
        let (path, value) = split(assignment).with_context(|| format!("--set needs PATH=VALUE, not {assignment}"))?;
        Path::parse(path)?;
        set.push((path.to_owned(), Value::Text(value.to_owned())));
    }
    let subject = if let Some(path) = &arguments.script {
        let source = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        // Compiled here once more, so that a mistake is told with the file's name.
        sandbox::compile(&path.display().to_string(), &source)?;
        PlanSubject::Script(source)
    } else if let Some(name) = &arguments.provision {
        PlanSubject::Provision(name.clone())
    } else if arguments.presets || set.is_empty() {
        PlanSubject::Presets
    } else {
        PlanSubject::Values
    };
    Ok(PlanRequest { subject, set, events: arguments.event.clone(), reveal: true })
}

/// The path ends at the first `=` that is not inside brackets.
fn split(assignment: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let end = assignment.find(|letter| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == '=' && depth == 0
    })?;
    Some((&assignment[..end], &assignment[end + 1..]))
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn value_text(value: &Option<TypedValue>) -> String {
    value.as_ref().map_or_else(|| "-".to_owned(), |value| value.0.to_text().into_owned())
}

fn to_text(plan: &Plan) -> String {
    let mut out = String::new();
    out.push_str(&format!("{}\n", counted(plan.requests.len(), "request")));
    for request in &plan.requests {
        out.push_str(&format!("  {}", request.name()));
        match request {
            AcsRequest::GetParameterNames { parameter_path, next_level } => {
                out.push_str(&format!(" {parameter_path:?}{}\n", if *next_level { "" } else { ", the whole subtree" }));
            }
            AcsRequest::GetParameterValues { parameter_names }
            | AcsRequest::GetParameterAttributes { parameter_names } => {
                out.push('\n');
                out.extend(parameter_names.iter().map(|name| format!("    {name}\n")));
            }
            AcsRequest::SetParameterValues { parameter_list, .. } => {
                out.push('\n');
                let line = |(name, value): &(String, TypedValue)| {
                    format!("    {name} = {:?} ({})\n", value.0.to_text(), value.1)
                };
                out.extend(parameter_list.iter().map(line));
            }
            AcsRequest::AddObject { object_name, .. } | AcsRequest::DeleteObject { object_name, .. } => {
                out.push_str(&format!(" {object_name}\n"));
            }
            AcsRequest::Download(download) => out.push_str(&format!(" {} from {}\n", download.file_type, download.url)),
            _ => out.push('\n'),
        }
    }
    let shown: BTreeMap<&str, _> = plan.changes.iter().map(|change| (change.path.as_str(), change)).collect();
    out.push_str(&format!("{}\n", counted(shown.len(), "change")));
    for change in shown.values() {
        out.push_str(&format!(
            "  {}: {:?} -> {:?}",
            change.path,
            value_text(&change.before),
            value_text(&change.after)
        ));
        if !change.origin.is_empty() {
            out.push_str(&format!("  ({})", change.origin));
        }
        out.push('\n');
    }
    for fault in &plan.faults {
        out.push_str(&format!("channel {} would fault: {} {}\n", fault.channel, fault.fault.code, fault.fault.message));
    }
    for line in &plan.log {
        out.push_str(&format!("log: {}\n", line.message));
    }
    out
}

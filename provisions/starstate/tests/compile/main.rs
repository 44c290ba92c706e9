//! Documents compiled: which steps they mean.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod air;
mod behind;
mod connections;
mod extra;
mod granted;
#[path = "../kit/mod.rs"]
mod kit;
mod lan;
mod servers;
mod sites;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../texts/mod.rs"]
mod texts;
mod wan;

use serde_json::Value as Json;
use starstate::compile::{Compiled, Facts, compile};
use starstate::issue::{Issue, Severity};
use starstate::role::Role;
use starstate::state;
use starstate::step::{Action, Position, Step};

/// Compiles a document, or a part of one, for the master, a router of the newest release.
pub fn compiled(document: &Json) -> Compiled {
    compiled_for(document, Role::Master, &Facts::newest())
}

/// Compiles a document, or a part of one.
pub fn compiled_for(document: &Json, role: Role, facts: &Facts) -> Compiled {
    compile(&state::read(document).state, role, facts)
}

/// The steps, one per line, in their order: `+` is there, `=` has these values, `-` is not there, `>` was run. Secrets are not
/// shown, labels stand behind ` | `.
pub fn show(steps: &[Step]) -> String {
    steps.iter().map(|step| show_step(step) + "\n").collect()
}

fn show_step(step: &Step) -> String {
    let (mark, command) = match &step.action {
        Action::Add => ('+', String::new()),
        Action::Set => ('=', String::new()),
        Action::Remove => ('-', String::new()),
        Action::Run { command, until: None } => ('>', format!(" {command}")),
        Action::Run { command, until: Some(until) } => ('>', format!(" {command} until {until}")),
    };
    let target: Vec<String> = step.target.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let target = if target.is_empty() { String::new() } else { format!(" [{}]", target.join(" ")) };
    let arguments = step.arguments.iter().map(|(name, value)| format!(" {name}={}", shown(value.shown())));
    let label = step.label.iter().map(|label| format!(" | {label}"));
    let place = step.place.iter().map(|Position::Before(condition)| match condition {
        None => " (first)".to_owned(),
        Some((name, value)) => format!(" (before {name}={value})"),
    });
    let needs = (!step.needs.is_empty()).then(|| format!(" (needs {})", step.needs.join(" ")));
    let optional = (!step.critical).then(|| " (optional)".to_owned());
    let notes: String = arguments.chain(label).chain(place).chain(needs).chain(optional).collect();
    format!("{mark} {}{command}{target}{notes}", step.path)
}

/// In quotes when it is not one word.
fn shown(value: &str) -> String {
    if value.contains([' ', '"', '\n']) { format!("{value:?}") } else { value.to_owned() }
}

/// The steps of resources whose types begin like this.
pub fn of(compiled: &Compiled, resource: &str) -> Vec<Step> {
    compiled.steps.iter().filter(|step| step.resource.starts_with(resource)).cloned().collect()
}

/// Compares line by line; blanks at the beginnings of expected lines are not meant.
#[track_caller]
pub fn assert_shown(steps: &[Step], expected: &str) {
    let expected: String =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    similar(&show(steps), &expected);
}

#[track_caller]
fn similar(found: &str, expected: &str) {
    if found != expected {
        let only = |these: &str, those: &str| {
            these.lines().filter(|line| !those.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n")
        };
        panic!("found:\n{found}\nnot expected:\n{}\n\nmissing:\n{}\n", only(found, expected), only(expected, found));
    }
}

/// The issues of a severity, as `path: message`.
pub fn issues(compiled: &Compiled, severity: Severity) -> Vec<String> {
    let found = compiled.issues.iter().filter(|issue| issue.severity == severity);
    found.map(|Issue { path, message, .. }| format!("{path}: {message}")).collect()
}

/// Nothing forbids to apply it.
#[track_caller]
pub fn assert_no_errors(compiled: &Compiled) {
    assert_eq!(issues(compiled, Severity::Error), [""; 0]);
}

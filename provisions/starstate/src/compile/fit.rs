//! Steps fitted to a release: what its menus do not have is left out, and every step is checked.

use routeros_schema::{Mistake, Release, Schema};

use crate::issue::Issue;
use crate::step::{Action, Step, Value};

/// The steps that a release can have. What cannot be, and why, is reported.
pub(super) fn fit(steps: Vec<Step>, release: Release, issues: &mut Vec<Issue>) -> Vec<Step> {
    let mut left_out: Vec<String> = Vec::new();
    let mut fitting: Vec<Step> = Vec::with_capacity(steps.len());
    for mut step in steps {
        leave_out_arguments(&mut step, release, issues);
        match check(&step, release) {
            Ok(()) => fitting.push(step),
            Err(mistake) => {
                let message = format!("{mistake} (step {})", step.id);
                let is_missing = matches!(mistake, Mistake::Menu(_) | Mistake::Command { .. });
                issues.push(match step.critical || !is_missing {
                    true => Issue::error(step.source.clone(), message),
                    false => Issue::warning(step.source.clone(), message),
                });
                left_out.push(step.id);
            }
        }
    }
    for step in &mut fitting {
        step.needs.retain(|need| !left_out.contains(need));
    }
    fitting
}

/// Arguments that other releases have.
fn leave_out_arguments(step: &mut Step, release: Release, issues: &mut Vec<Issue>) {
    let Some(menu) = Schema::get().menu(&step.path).filter(|menu| menu.is_in(release)) else { return };
    let command = command_of(step).to_owned();
    let (id, source, key) = (step.id.clone(), step.source.clone(), step.key.clone());
    step.arguments.retain(|(name, _)| {
        let is_known = menu.argument(name).is_some() && !key.contains(name);
        let keeps = !is_known || menu.argument_of(&command, name, release).is_some();
        if !keeps {
            let message =
                format!("{} {name} does not exist in release {release}; it is left out (step {id})", menu.path);
            issues.push(Issue::warning(source.clone(), message));
        }
        keeps
    });
}

fn check(step: &Step, release: Release) -> Result<(), Mistake> {
    let arguments = step.arguments.iter().map(|(name, value)| (name.as_str(), Value::text(value).as_bytes()));
    Schema::get().check(release, &step.path, command_of(step), arguments)
}

fn command_of(step: &Step) -> &str {
    match &step.action {
        Action::Add => "add",
        Action::Set => "set",
        Action::Remove => "remove",
        Action::Run { command, .. } => command,
    }
}

//! What documents take for granted on a router: certificates that somebody has brought there.

use super::Facts;
use crate::issue::Issue;
use crate::step::{Action, Step, imported_certificate};

const CERTIFICATES: &str = "/certificate";
/// Menus of tunnels that also work without a certificate of their own.
const WORK_WITHOUT: [&str; 2] = ["/interface/ovpn-client", "/interface/sstp-client"];

/// Steps that name a certificate which is neither on the router nor made by a step: a tunnel is made without it, with a warning;
/// anything else cannot be.
pub(super) fn check_certificates(steps: &mut [Step], facts: &Facts, issues: &mut Vec<Issue>) {
    let Some(known) = &facts.certificates else { return };
    let is_made = |step: &&Step| step.path == CERTIFICATES && step.action == Action::Add;
    let made: Vec<String> = steps
        .iter()
        .filter(is_made)
        .filter_map(|step| step.text("name").map(str::to_owned))
        .chain(steps.iter().filter_map(imported))
        .collect();
    for step in steps.iter_mut().filter(|step| step.path != CERTIFICATES) {
        let Some(name) = step.text("certificate").map(str::to_owned) else { continue };
        if matches!(name.as_str(), "none" | "") || known.contains(&name) || made.contains(&name) {
            continue;
        }
        let message = format!("there is no certificate {name} on the router: import it there");
        if WORK_WITHOUT.contains(&step.path.as_str()) {
            step.arguments.retain(|(argument, _)| argument != "certificate");
            issues.push(Issue::warning(step.source.clone(), format!("{message}; until then the tunnel is without")));
        } else {
            issues.push(Issue::error(step.source.clone(), message));
        }
    }
}

/// The certificate that a step imports: the first one in the file.
fn imported(step: &Step) -> Option<String> {
    let is_import =
        matches!(&step.action, Action::Run { command, .. } if step.path == CERTIFICATES && command == "import");
    step.text("file-name").filter(|_| is_import).map(imported_certificate)
}

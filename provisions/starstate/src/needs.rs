//! What each step needs of the others, and the order that follows. Pure.
//!
//! A step names what it needs; besides, the menus' schema knows which arguments name rows of other menus, so a step that names
//! what another one adds, or gives its name, needs that one, whether it says so or not.
//!
//! Not here: the order itself ([`crate::phase`]).

use std::collections::BTreeMap;

use routeros_schema::{Argument, Schema};

use crate::phase::{self, Cycle, Phase, Place, Placing};
use crate::step::{Action, Step};

/// Steps in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arranged {
    /// Place by place.
    pub places: Vec<Place>,
    /// By the number of the step: the steps that must have run before it.
    pub needs: Vec<Vec<usize>>,
    /// By the number of the step: the phase in whose turn it runs, which is earlier than its own when it was pulled forward.
    pub turns: Vec<Phase>,
}

/// Why steps have no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrangeError {
    /// A step needs what nothing provides.
    #[error("step {step} needs {need}, which is no step")]
    Unknown {
        /// Who.
        step: String,
        /// What.
        need: String,
    },
    /// Two steps have the same name.
    #[error("two steps are called {0}")]
    Twice(String),
    /// Steps that need each other.
    #[error("steps need each other in a circle: {}", .0.join(" needs "))]
    Cycle(Vec<String>),
}

/// Puts steps in order. Those that `is_last` names, and what needs them, come after all others.
///
/// # Errors
/// When there is no such order; names the steps.
pub fn arrange(steps: &[Step], is_last: impl Fn(&Step) -> bool) -> Result<Arranged, ArrangeError> {
    let needs = find_needs(steps)?;
    let placings: Vec<Placing> = steps
        .iter()
        .zip(&needs)
        .map(|(step, needs)| Placing { phase: phase::phase_of(&step.path), needs: needs.clone(), last: is_last(step) })
        .collect();
    let places = phase::order(&placings).map_err(|Cycle(members)| {
        let names = members.iter().chain(members.first()).map(|member| steps[*member].id.clone());
        ArrangeError::Cycle(names.collect())
    })?;
    let mut turns: Vec<Phase> = placings.iter().map(|placing| placing.phase).collect();
    // Who pulled it forward may have been pulled forward himself, but comes later.
    for place in places.iter().rev() {
        if let Some(who) = place.early_for {
            turns[place.step] = turns[place.step].min(turns[who]);
        }
    }
    Ok(Arranged { places, needs, turns })
}

fn find_needs(steps: &[Step]) -> Result<Vec<Vec<usize>>, ArrangeError> {
    let mut by_id = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        if by_id.insert(step.id.as_str(), number).is_some() {
            return Err(ArrangeError::Twice(step.id.clone()));
        }
    }
    let named = Named::new(steps);
    let mut all = Vec::with_capacity(steps.len());
    for (number, step) in steps.iter().enumerate() {
        let mut needs = Vec::new();
        for need in &step.needs {
            let unknown = || ArrangeError::Unknown { step: step.id.clone(), need: need.clone() };
            needs.push(*by_id.get(need.as_str()).ok_or_else(unknown)?);
        }
        needs.extend(named.references(step).filter(|need| *need != number));
        needs.sort_unstable();
        needs.dedup();
        all.push(needs);
    }
    Ok(all)
}

/// Which step adds the row of this name, or gives a row this name.
struct Named<'a> {
    rows: BTreeMap<(&'a str, &'a str), usize>,
}

impl<'a> Named<'a> {
    fn new(steps: &'a [Step]) -> Named<'a> {
        let mut rows = BTreeMap::new();
        for (number, step) in steps.iter().enumerate().filter(|(_, step)| names_a_row(step)) {
            if let Some(name) = step.text("name") {
                rows.entry((step.path.as_str(), name)).or_insert(number);
                if is_interface(&step.path) {
                    rows.entry(("/interface", name)).or_insert(number);
                }
            }
        }
        Named { rows }
    }

    /// The steps whose rows this step names.
    fn references(&self, step: &Step) -> impl Iterator<Item = usize> {
        let menu = Schema::get().menu(&step.path);
        let mut found = Vec::new();
        for (name, value) in &step.arguments {
            let Some(argument) = menu.and_then(|menu| menu.argument(name)) else { continue };
            for target in menus_of(argument) {
                let parts = value.text().split([',', '%']).map(|part| part.trim().trim_start_matches('!'));
                found.extend(parts.filter_map(|part| self.rows.get(&(target, part)).copied()));
            }
        }
        found.into_iter()
    }
}

fn names_a_row(step: &Step) -> bool {
    step.action == Action::Add || step.action == Action::Set && !step.target.is_empty()
}

/// The menus whose rows an argument names.
pub(crate) fn menus_of(argument: &'static Argument) -> impl Iterator<Item = &'static str> {
    let referred = argument.reference.iter().flat_map(|reference| &reference.menus);
    referred.chain(argument.kind.target.iter()).copied()
}

/// Whether the rows of a menu are interfaces.
pub(crate) fn is_interface(path: &str) -> bool {
    const OTHERS: [&str; 2] = ["/interface/list", "/interface/detect-internet"];
    let own = path.strip_prefix("/interface/").is_some_and(|rest| !rest.contains('/'));
    let binding = matches!(path, "/interface/ovpn-server/server");
    own && !binding && !OTHERS.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Value;

    fn add(id: &str, path: &str, arguments: &[(&str, &str)]) -> Step {
        let arguments = arguments.iter().map(|(name, value)| ((*name).into(), Value::from(*value))).collect();
        Step { arguments, ..Step::new(id, path, Action::Add) }
    }

    fn order(steps: &[Step]) -> Vec<&str> {
        let arranged = arrange(steps, |_| false).unwrap();
        arranged.places.iter().map(|place| steps[place.step].id.as_str()).collect()
    }

    #[test]
    fn what_another_step_adds_is_needed_by_whoever_names_it() {
        let steps = [
            add("client", "/interface/pppoe-client", &[("name", "p"), ("interface", "vlan7"), ("profile", "wan")]),
            add("vlan", "/interface/vlan", &[("name", "vlan7"), ("interface", "ether1"), ("vlan-id", "7")]),
            add("profile", "/ppp/profile", &[("name", "wan"), ("remote-address", "pool")]),
            add("pool", "/ip/pool", &[("name", "pool"), ("ranges", "192.0.2.1-192.0.2.9")]),
            add("route", "/ip/route", &[("gateway", "192.0.2.1%p"), ("routing-table", "t")]),
            add("table", "/routing/table", &[("name", "t"), ("fib", "")]),
            add(
                "rule",
                "/ip/firewall/mangle",
                &[("chain", "prerouting"), ("in-interface", "!p"), ("new-routing-mark", "t")],
            ),
        ];
        assert_eq!(order(&steps), ["vlan", "pool", "profile", "client", "table", "route", "rule"]);
    }

    #[test]
    fn what_another_step_renames_is_needed_by_whoever_uses_the_new_name() {
        let mut radio = add("radio", "/interface/wifi", &[("name", "wifi5")]);
        radio.action = Action::Set;
        radio.target = vec![("default-name".into(), "wifi1".into())];
        let steps = [add("slave", "/interface/wifi", &[("name", "guests"), ("master-interface", "wifi5")]), radio];
        assert_eq!(order(&steps), ["radio", "slave"]);
    }

    #[test]
    fn a_name_alone_is_no_reference() {
        // A comment, and a pool of the same name as an interface.
        let steps = [
            add("a", "/interface/bridge", &[("name", "x"), ("comment", "y")]),
            add("b", "/ip/pool", &[("name", "y"), ("ranges", "192.0.2.1"), ("next-pool", "x")]),
        ];
        let arranged = arrange(&steps, |_| false).unwrap();
        assert_eq!(arranged.needs, [Vec::<usize>::new(), Vec::new()]);
    }

    #[test]
    fn mistakes_are_named() {
        let mut steps = [add("a", "/ip/pool", &[("name", "x")]), add("b", "/ip/pool", &[("name", "y")])];
        steps[0].needs = vec!["c".into()];
        let error = |steps: &[Step]| arrange(steps, |_| false).unwrap_err().to_string();
        assert_eq!(error(&steps), "step a needs c, which is no step");
        steps[0].needs = vec!["b".into()];
        steps[1].needs = vec!["a".into()];
        assert_eq!(error(&steps), "steps need each other in a circle: a needs b needs a");
        steps[1].id = "a".into();
        assert_eq!(error(&steps), "two steps are called a");
    }

    #[test]
    fn what_is_pulled_forward_runs_in_the_turn_of_who_needs_it() {
        let steps = [
            add("client", "/interface/pppoe-client", &[("name", "p"), ("interface", "ether1"), ("profile", "wan")]),
            add("profile", "/ppp/profile", &[("name", "wan"), ("remote-address", "pool")]),
            add("pool", "/ip/pool", &[("name", "pool"), ("ranges", "192.0.2.1-192.0.2.9")]),
            add("other", "/ip/pool", &[("name", "other"), ("ranges", "192.0.3.1-192.0.3.9")]),
        ];
        let arranged = arrange(&steps, |_| false).unwrap();
        assert_eq!(arranged.turns.iter().map(|phase| phase.number()).collect::<Vec<_>>(), [1, 1, 1, 3]);
    }
}

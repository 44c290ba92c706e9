//! Which events a preset waits for.

use std::collections::{BTreeMap, BTreeSet};

use acs_core::path::event_segment;
use serde_json::Value as Json;

use crate::problem::Problems;

/// One event that must, or must not, have occurred in the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRule {
    /// The event's name as the document spells it: `1 BOOT`, `X 0A1B2C Alarm`, `Inform`, `Registered`.
    pub name: String,
    /// Whether it must have occurred.
    pub occurred: bool,
    /// The name as a path segment, as sessions know it.
    segment: String,
}

/// All of a preset's events; they hold when each single one does. Without any, every session fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventRules(Vec<EventRule>);

impl EventRules {
    /// Reads a map from name to boolean, or the text form: names separated by commas, a leading `-` for "must not have
    /// occurred".
    pub fn read(json: &Json, path: &str, problems: &mut Problems) -> EventRules {
        match json {
            Json::Null => EventRules::default(),
            Json::Object(map) => {
                let mut rules = Vec::with_capacity(map.len());
                for (name, flag) in map {
                    let at = format!("{path}[{name:?}]");
                    match flag {
                        Json::Bool(_) if name.trim().is_empty() => problems.error(&at, "an event needs a name"),
                        Json::Bool(occurred) => rules.push(EventRule::new(name, *occurred)),
                        _ => problems.error(&at, "must be true (has occurred) or false (has not)"),
                    }
                }
                EventRules::checked(rules, path, problems)
            }
            Json::String(text) => {
                let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                let rules = names.map(|name| match name.strip_prefix('-') {
                    Some(negated) => EventRule::new(negated, false),
                    None => EventRule::new(name, true),
                });
                EventRules::checked(rules.collect(), path, problems)
            }
            _ => {
                let expected = r#"must be an object like {"1 BOOT": true, "0 BOOTSTRAP": false}, or text like "1 BOOT, -0 BOOTSTRAP""#;
                problems.error(path, expected);
                EventRules::default()
            }
        }
    }

    /// The rules in the document's order.
    pub fn rules(&self) -> &[EventRule] {
        &self.0
    }

    /// The first rule that does not hold for the events of a session, given as path segments.
    pub fn first_mismatch(&self, events: &BTreeSet<String>) -> Option<&EventRule> {
        self.0.iter().find(|rule| !rule.holds(events))
    }

    /// Refuses what can never hold.
    fn checked(rules: Vec<EventRule>, path: &str, problems: &mut Problems) -> EventRules {
        let mut flags = BTreeMap::new();
        for rule in &rules {
            if rule.segment.is_empty() {
                problems.error(path, "an event needs a name");
            } else if flags.insert(&rule.segment, rule.occurred).is_some_and(|before| before != rule.occurred) {
                problems.error(path, format!("event {:?} is both wanted and not wanted", rule.name));
            }
        }
        EventRules(rules)
    }
}

impl EventRule {
    fn new(name: &str, occurred: bool) -> EventRule {
        EventRule { name: name.trim().to_owned(), occurred, segment: event_segment(name) }
    }

    fn holds(&self, events: &BTreeSet<String>) -> bool {
        // A document may also give the name in the encoded form in which device documents show it below `Events`.
        (events.contains(&self.segment) || events.contains(&self.name)) == self.occurred
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `Ok`: whether the rules hold. `Err`: the first problem.
    fn holds(rules: &Json, events: &[&str]) -> Result<bool, String> {
        let mut problems = Problems::default();
        let rules = EventRules::read(rules, "$.events", &mut problems);
        match problems.into_list().first() {
            Some(problem) => Err(problem.to_string()),
            None => Ok(rules.first_mismatch(&events.iter().map(|event| event_segment(event)).collect()).is_none()),
        }
    }

    #[test]
    fn every_rule_must_hold() {
        let session = ["Inform", "1 BOOT", "M Reboot", "X 0A1B2C Over.Heat"];
        let cases = [
            (json!(null), true),
            (json!({}), true),
            (json!(""), true),
            (json!({"1 BOOT": true}), true),
            (json!({"1  BOOT": true}), true),
            (json!({"1_BOOT": true}), true),
            (json!({"1 BOOT": false}), false),
            (json!({"0 BOOTSTRAP": true}), false),
            (json!({"0 BOOTSTRAP": false}), true),
            (json!({"1 BOOT": true, "0 BOOTSTRAP": true}), false),
            (json!({"1 BOOT": true, "0 BOOTSTRAP": false}), true),
            (json!({"Inform": true}), true),
            (json!({"Registered": true}), false),
            (json!({"M Reboot": true}), true),
            (json!({"X 0A1B2C Over.Heat": true}), true),
            (json!({"X_0A1B2C_Over0x2EHeat": true}), true),
            (json!("1 BOOT"), true),
            (json!("1 BOOT,-0 BOOTSTRAP"), true),
            (json!(" 1 BOOT , - M Reboot "), false),
            (json!("-0 BOOTSTRAP,"), true),
        ];
        for (rules, expected) in cases {
            assert_eq!(holds(&rules, &session), Ok(expected), "{rules}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (json!({"1 BOOT": "yes"}), r#"$.events["1 BOOT"]: must be true (has occurred) or false (has not)"#),
            (json!({" ": true}), r#"$.events[" "]: an event needs a name"#),
            (json!("1 BOOT,-"), "$.events: an event needs a name"),
            (json!("1 BOOT,-1 BOOT"), r#"$.events: event "1 BOOT" is both wanted and not wanted"#),
            (
                json!(["1 BOOT"]),
                r#"$.events: must be an object like {"1 BOOT": true, "0 BOOTSTRAP": false}, or text like "1 BOOT, -0 BOOTSTRAP""#,
            ),
        ];
        for (rules, problem) in cases {
            assert_eq!(holds(&rules, &[]), Err(problem.to_owned()), "{rules}");
        }
    }
}

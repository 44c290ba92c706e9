//! What applying would change, and how that is shown.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use similar::TextDiff;

use super::files::text_of;
use super::{Documents, Kind};

/// One document that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What is stored.
    pub before: Option<Json>,
    /// What is to be stored; nothing when it is removed.
    pub after: Option<Json>,
}

/// What changes, in the order in which it is written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
    /// What is stored, has no file, and stays.
    pub kept: Vec<(Kind, String)>,
}

impl Plan {
    /// Compares what is stored with what is wanted. With `prune`, what is not wanted is removed, of those kinds that are there.
    ///
    /// Presets come last when documents are stored and first when they are removed, so that none refers to what is not there.
    pub fn make(stored: &Documents, wanted: &Documents, kinds: &BTreeSet<Kind>, prune: bool) -> Plan {
        let mut plan = Plan::default();
        for ((kind, name), document) in wanted {
            let before = stored.get(&(*kind, name.clone()));
            if before != Some(document) {
                let (before, after) = (before.cloned(), Some(document.clone()));
                plan.changes.push(Change { kind: *kind, name: name.clone(), before, after });
            }
        }
        for ((kind, name), document) in stored.iter().rev() {
            if wanted.contains_key(&(*kind, name.clone())) {
                continue;
            }
            if prune && kinds.contains(kind) {
                let change = Change { kind: *kind, name: name.clone(), before: Some(document.clone()), after: None };
                plan.changes.push(change);
            } else {
                plan.kept.push((*kind, name.clone()));
            }
        }
        plan.kept.sort();
        plan
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for change in &self.changes {
            out.push_str(&format!("{:<7} {}\n", change.action(), change.title()));
            out.push_str(&change.diff());
        }
        for (kind, name) in &self.kept {
            out.push_str(&format!("kept    {}/{name}, which has no file\n", kind.folder()));
        }
        let count = |action: &str| self.changes.iter().filter(|change| change.action() == action).count();
        let (added, changed, removed) = (count("add"), count("change"), count("remove"));
        out.push_str(&format!("{added} to add, {changed} to change, {removed} to remove\n"));
        out
    }

    /// For machines.
    pub fn to_json(&self) -> Json {
        let changes = self.changes.iter().map(|change| {
            json!({
                "action": change.action(),
                "collection": change.kind.folder(),
                "name": change.name,
                "before": change.before,
                "after": change.after,
            })
        });
        let kept = self.kept.iter().map(|(kind, name)| json!({ "collection": kind.folder(), "name": name }));
        json!({ "changes": changes.collect::<Json>(), "kept": kept.collect::<Json>() })
    }
}

impl Change {
    /// `add`, `change` or `remove`.
    pub fn action(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "add",
            (Some(_), Some(_)) => "change",
            (Some(_), None) => "remove",
        }
    }

    /// Which document.
    pub fn title(&self) -> String {
        format!("{}/{}", self.kind.folder(), self.name)
    }

    /// The lines that differ.
    fn diff(&self) -> String {
        let text = |document: &Option<Json>| {
            document.as_ref().map(|document| text_of(self.kind, document)).unwrap_or_default()
        };
        let (before, after) = (text(&self.before), text(&self.after));
        let diff = TextDiff::from_lines(&before, &after);
        let mut out = String::new();
        for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
            out.extend(hunk.to_string().lines().map(|line| format!("        {line}\n")));
        }
        out
    }
}

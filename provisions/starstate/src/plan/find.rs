//! Which row of the router is the one that a step means. Pure.

use std::collections::BTreeMap;

use routeros_schema::Schema;

use crate::compare::is_same;
use crate::ledger::{Fingerprints, Held, Holding, Kept, Written};
use crate::snapshot::{Found, Snapshot, is_secret};
use crate::step::{Action, Step, Value};
use crate::tag;

/// Finds rows, each at most once.
pub(super) struct Finder<'a> {
    holdings: &'a [Holding],
    fingerprints: &'a Fingerprints,
    /// Rows that are some step's, by menu and id.
    taken: BTreeMap<(String, String), String>,
}

/// A row that a step means.
pub(super) struct Match {
    /// The row as it is.
    pub row: Found,
    /// It is ours.
    pub ours: bool,
    /// What we know of it from earlier, by the number of the holding.
    pub holding: Option<usize>,
}

impl<'a> Finder<'a> {
    /// Rows of ours belong to the steps that want just them, whoever else could use them.
    pub(super) fn new<'s>(
        steps: impl Iterator<Item = &'s Step>,
        snapshot: &Snapshot,
        holdings: &'a [Holding],
        fingerprints: &'a Fingerprints,
    ) -> Finder<'a> {
        let mut finder = Finder { holdings, fingerprints, taken: BTreeMap::new() };
        let steps: Vec<&Step> = steps.filter(|step| step.action == Action::Add).collect();
        // Rows that show little of themselves are left to those who find no other.
        let without = finder.reserve(&steps, snapshot, Sight::Full);
        finder.reserve(&without, snapshot, Sight::Partial);
        finder
    }

    /// Keeps rows of ours for the steps that mean them. Gives the steps without one.
    fn reserve<'s>(&mut self, steps: &[&'s Step], snapshot: &Snapshot, sight: Sight) -> Vec<&'s Step> {
        let mut without = Vec::new();
        for step in steps {
            let found = self.free_with_key(step, snapshot, sight).find(|row| self.is_ours(&step.path, row));
            match found.and_then(|row| row.id.clone()) {
                Some(id) => drop(self.taken.insert((step.path.clone(), id), step.id.clone())),
                None => without.push(*step),
            }
        }
        without
    }

    /// The row that is there for an add: the one of ours that is as wanted, then the one that the step made when it wanted
    /// something else, then somebody else's.
    pub(super) fn find(&mut self, step: &Step, snapshot: &Snapshot) -> Option<Match> {
        let rows = snapshot.rows(&step.path);
        let reserved = self.taken.iter().find(|((path, _), owner)| *path == step.path && **owner == step.id);
        let reserved = reserved.and_then(|((_, id), _)| snapshot.row(&step.path, Some(id)));
        let own = || {
            let (_, holding) = self.holding_of(step).filter(|(_, holding)| holding.is_created())?;
            rows.iter().filter(|row| self.is_free(&step.path, row)).find(|row| holding.identity().is(row))
        };
        let others = || self.free_with_key(step, snapshot, Sight::Full).next();
        let found = reserved.or_else(own).or_else(others)?.clone();
        let id = found.id.clone().unwrap_or_default();
        self.taken.insert((step.path.clone(), id), step.id.clone());
        Some(self.known(&step.path, found))
    }

    fn free_with_key<'s>(
        &self,
        step: &'s Step,
        snapshot: &'s Snapshot,
        sight: Sight,
    ) -> impl Iterator<Item = &'s Found> + use<'s, '_, 'a> {
        snapshot.rows(&step.path).iter().filter(move |row| self.is_free(&step.path, row) && has_key(step, row, sight))
    }

    fn is_free(&self, path: &str, row: &Found) -> bool {
        row.id.as_ref().is_some_and(|id| !self.taken.contains_key(&(path.to_owned(), id.clone())))
    }

    /// A row that a step adds is nobody else's.
    pub(super) fn keep(&mut self, step: &Step, id: &str) {
        self.taken.insert((step.path.clone(), id.to_owned()), step.id.clone());
    }

    /// The rows that a step works on.
    pub(super) fn targets(&self, step: &Step, snapshot: &Snapshot) -> Vec<Match> {
        let rows = snapshot.rows(&step.path).iter();
        let meant = rows.filter(|row| {
            step.target.iter().all(|(name, value)| is_same(&step.path, name, value.as_bytes(), row.value(name)))
        });
        meant.map(|row| self.known(&step.path, row.clone())).collect()
    }

    fn known(&self, path: &str, row: Found) -> Match {
        let holding = self.holdings.iter().position(|holding| {
            let has_row = matches!(holding.held, Held::Created | Held::Changed { .. });
            has_row && holding.path == path && holding.identity().is(&row)
        });
        Match { ours: self.is_ours(path, &row), holding, row }
    }

    /// The values of a row that are not as wanted. `None` as value stands for unset.
    pub(super) fn differences(&self, step: &Step, found: &Match) -> Vec<super::Difference> {
        let holding = found.holding.map(|number| &self.holdings[number]);
        let mut differences = Vec::new();
        let compared = step.arguments.iter().filter(|(name, _)| !step.initial.contains(name));
        for (name, wanted) in compared {
            if !self.is_wanted(&step.path, name, wanted, &found.row, holding) {
                let before = found.row.value(name).map(|value| Kept::new(value, is_secret(&step.path, name)));
                differences.push(super::Difference::new(name.as_str(), before, Some(kept(&step.path, name, wanted))));
            }
        }
        differences.extend(self.switched_off(step, found));
        // What a step no longer names of a row that it made falls back to what the router makes of it.
        // Unless it only ever made it, as a certificate, which nothing changes once it is signed.
        let is_initial = |(name, _): &(String, Value)| step.key.contains(name) || step.initial.contains(name);
        let only_makes = !step.initial.is_empty() && step.arguments.iter().all(is_initial);
        let is_own = |holding: &&Holding| holding.is_created() && holding.step == step.id && !only_makes;
        if let Some(holding) = holding.filter(is_own) {
            for name in holding
                .written
                .keys()
                .filter(|name| step.argument(name).is_none() && !["comment", "disabled"].contains(&name.as_str()))
            {
                if let Some(value) = found.row.value(name) {
                    let before = Some(Kept::new(value, is_secret(&step.path, name)));
                    differences.push(super::Difference::new(name.as_str(), before, None));
                }
            }
        }
        differences
    }

    /// A row of ours that somebody has switched off by hand, though nothing says that it should be.
    fn switched_off(&self, step: &Step, found: &Match) -> Option<super::Difference> {
        let is_meant = step.action == Action::Add && found.ours && step.argument("disabled").is_none();
        let value = found.row.value("disabled").filter(|value| is_meant && matches!(*value, b"true" | b"yes"))?;
        Some(super::Difference::new("disabled", Some(Kept::plain(value)), Some(Kept::plain("no"))))
    }

    fn is_wanted(&self, path: &str, name: &str, wanted: &Value, row: &Found, holding: Option<&Holding>) -> bool {
        let found = row.value(name);
        if is_same(path, name, wanted.text().as_bytes(), found) || is_unseen(path, name, row) {
            return true;
        }
        // Routers show secrets only to users who may see them.
        let is_hidden = is_secret(path, name) && found.is_none_or(<[u8]>::is_empty);
        let known = holding.and_then(|holding| holding.written.get(name));
        is_hidden && known.is_some_and(|known| *known == self.fingerprints.of(path, name, wanted.text()))
    }

    /// Whether a row has what we once wrote.
    pub(super) fn has_written(&self, path: &str, name: &str, written: &Written, row: &Found) -> bool {
        let found = row.value(name);
        match written {
            Written::Plain(text) => is_same(path, name, text.as_bytes(), found),
            Written::Secret { .. } => match found.filter(|found| !found.is_empty()) {
                Some(found) => *written == self.fingerprints.of(path, name, &String::from_utf8_lossy(found)),
                // It is hidden; nobody can say that it is another one.
                None => true,
            },
        }
    }

    /// Its comment says so, or, in a menu without comments, what we know from earlier.
    fn is_ours(&self, path: &str, row: &Found) -> bool {
        let is_virtual = row.id.as_deref().is_some_and(|id| id.starts_with('@'));
        is_virtual
            || row.text("comment").is_some_and(|comment| tag::session_of(&comment).is_some())
            || self
                .holdings
                .iter()
                .any(|holding| holding.path == path && holding.is_created() && holding.identity().is(row))
    }

    /// Whether the row of a step was added at some time.
    pub(super) fn has_made(&self, step: &Step) -> bool {
        self.holding_of(step).is_some_and(|(_, holding)| holding.is_created())
    }

    fn holding_of(&self, step: &Step) -> Option<(usize, &'a Holding)> {
        self.holdings.iter().enumerate().find(|(_, holding)| holding.step == step.id && holding.path == step.path)
    }
}

/// How much of a row counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// What it does not show it does not have.
    Full,
    /// What it does not show it may have.
    Partial,
}

fn has_key(step: &Step, row: &Found, sight: Sight) -> bool {
    let mut names = key_names(step).peekable();
    let is_right = |name: &str| {
        let wanted = step.argument(name).map_or("", Value::text);
        let may_be = sight == Sight::Partial && is_unseen(&step.path, name, row);
        may_be || is_same(&step.path, name, wanted.as_bytes(), row.value(name))
    };
    names.peek().is_some() && names.all(is_right) && is_not_another(step, row, is_right) && !has_more(step, row)
}

/// A rule with one more condition is another rule.
fn has_more(step: &Step, row: &Found) -> bool {
    const NO_CONDITIONS: [&str; 5] = ["comment", "disabled", "log", "log-prefix", "passthrough"];
    let Some(menu) = Schema::get().menu(&step.path).filter(|_| step.path.starts_with("/ip/firewall/")) else {
        return false;
    };
    let is_condition = |name: &str| menu.argument(name).is_some() && !NO_CONDITIONS.contains(&name);
    step.key.is_empty()
        && row
            .values
            .iter()
            .any(|(name, value)| !value.is_empty() && is_condition(name) && step.argument(name).is_none())
}

/// What the router changes tells nothing of rows of ours: there the label does.
fn is_not_another(step: &Step, row: &Found, is_right: impl Fn(&str) -> bool) -> bool {
    let comment = row.text("comment");
    match comment.as_deref().filter(|comment| tag::session_of(comment).is_some()) {
        Some(comment) => !step.is_told_by_label() || tag::label_of(comment) == step.label.as_deref(),
        // A row that is known by its key serves as it is.
        None => !step.key.is_empty() || step.initial.iter().all(|name| is_right(name)),
    }
}

/// A route that is switched off shows little more than where it leads.
fn is_unseen(path: &str, name: &str, row: &Found) -> bool {
    let is_off = || row.value("disabled").is_some_and(|value| matches!(value, b"true" | b"yes"));
    path == "/ip/route" && row.value(name).is_none() && is_off()
}

/// The arguments that identify what a step adds.
pub(super) fn key_names(step: &Step) -> impl Iterator<Item = &str> {
    let all = step.key.is_empty();
    let is_key = move |name: &&str| all && !step.initial.iter().any(|initial| initial == name);
    let arguments = step.arguments.iter().map(|(name, _)| name.as_str()).filter(is_key);
    step.key.iter().map(String::as_str).chain(arguments)
}

/// A wanted value as it is kept.
pub(super) fn kept(path: &str, name: &str, value: &Value) -> Kept {
    let is_secret = matches!(value, Value::Secret(_)) || is_secret(path, name);
    Kept::new(value.text(), is_secret)
}

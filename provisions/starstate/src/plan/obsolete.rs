//! What of ours a router still has although nothing wants it any more. Pure.
//!
//! Rows that we added go, values that we changed get back what was there before, unless somebody else has changed them since, and
//! rows that we removed come back. In the reverse of the order in which they were made.

use std::collections::BTreeSet;

use super::find::Finder;
use super::make::{is_ordered, value_of};
use super::{Change, Difference, Note, Operation, Plan, RowRef, Stage, Wanted};
use crate::compare::is_same;
use crate::ledger::{Held, Holding, Kept};
use crate::snapshot::{Found, Snapshot};
use crate::step::{Action, Step};
use crate::tag;

/// Adds the operations that take it away.
pub(super) fn take_back(plan: &mut Plan, wanted: &Wanted<'_>, router: &Snapshot, finder: &Finder<'_>) {
    let mut order: Vec<usize> = (0..wanted.holdings.len()).collect();
    order.sort_by_key(|number| (std::cmp::Reverse(wanted.holdings[*number].rank), std::cmp::Reverse(*number)));
    let mut before: Vec<usize> = Vec::new();
    let mut together: Vec<usize> = Vec::new();
    let mut rank = None;
    for number in order {
        let holding = &wanted.holdings[number];
        let change = match change_for(plan, wanted, router, finder, holding) {
            Fate::Stays => continue,
            Fate::Gone => {
                plan.gone.push(number);
                continue;
            }
            Fate::Goes(change) => change,
        };
        if rank.replace(holding.rank) != Some(holding.rank) {
            before = std::mem::take(&mut together);
        }
        together.push(plan.operations.len());
        let cuts = wanted.management.danger_of_change(&holding.path, holding.id.as_deref(), &change, router);
        plan.operations.push(Operation {
            step: holding.step.clone(),
            resource: holding.resource.clone(),
            source: String::new(),
            path: holding.path.clone(),
            phase: holding.phase,
            turn: holding.phase,
            early_for: None,
            key: holding.key.clone(),
            critical: false,
            change,
            needs: before.clone(),
            stage: if cuts.is_some() { Stage::Cutting } else { Stage::Obsolete },
            cuts,
            comment: holding.comment.clone(),
            gives_back: true,
        });
    }
    remove_strays(plan, wanted, router);
    // Reverse order counts here, not phases.
    for operation in plan.operations.iter_mut().filter(|operation| operation.gives_back) {
        operation.turn = crate::phase::Phase::InterfaceSetup;
    }
}

/// Rows with the tag of this session that nothing knows: a command whose reply was lost may have been carried out twice.
fn remove_strays(plan: &mut Plan, wanted: &Wanted<'_>, router: &Snapshot) {
    let mut strays = Vec::new();
    for (path, row) in router.all_rows() {
        let is_tagged = row.text("comment").as_deref().and_then(tag::session_of) == Some(wanted.session);
        let is_held = wanted.holdings.iter().any(|holding| holding.path == path && holding.identity().is(row));
        if is_tagged && !is_held && !is_used(plan, path, row) {
            strays.push((path, row));
        }
    }
    for (path, row) in strays {
        let Fate::Goes(change) = remove(path, row, router) else { continue };
        let comment = row.text("comment").map(|comment| comment.into_owned());
        plan.operations.push(Operation {
            step: "stray".to_owned(),
            resource: String::new(),
            source: String::new(),
            path: path.to_owned(),
            phase: crate::phase::phase_of(path),
            turn: crate::phase::Phase::InterfaceSetup,
            early_for: None,
            key: Vec::new(),
            critical: false,
            cuts: wanted.management.danger_of_change(path, row.id.as_deref(), &change, router),
            change,
            needs: Vec::new(),
            comment,
            gives_back: true,
            stage: Stage::Obsolete,
        });
    }
}

enum Fate {
    /// It is still wanted.
    Stays,
    /// It is not on the router any more, or nothing of ours is in it.
    Gone,
    /// This takes it away.
    Goes(Change),
}

fn change_for(plan: &mut Plan, wanted: &Wanted<'_>, router: &Snapshot, finder: &Finder<'_>, holding: &Holding) -> Fate {
    let is_wanted = |step: &&Step| step.id == holding.step && step.path == holding.path;
    let wanting = wanted.steps.iter().find(is_wanted);
    let row = router.rows(&holding.path).iter().find(|row| holding.identity().is(row));
    match &holding.held {
        Held::Ran { .. } if wanting.is_some_and(|step| matches!(step.action, Action::Run { .. })) => Fate::Stays,
        Held::Ran { .. } => {
            let imported = holding.imported();
            let rows = router.rows(&holding.path).iter();
            let mut rows = rows.filter(|row| imported.is_some() && row.text("name").as_deref() == imported.as_deref());
            rows.next().map_or(Fate::Gone, |row| remove(&holding.path, row, router))
        }
        Held::Removed { .. } if wanting.is_some_and(|step| step.action == Action::Remove) => Fate::Stays,
        Held::Removed { row } => {
            let is_back = router.rows(&holding.path).iter().any(|found| {
                holding.key.iter().all(|(name, value)| is_same(&holding.path, name, value.bytes(), found.value(name)))
                    && !is_to_go(plan, &holding.path, found)
            });
            if is_back { Fate::Gone } else { Fate::Goes(Change::Add { values: row.clone(), before: None }) }
        }
        Held::Created => match row {
            None if wanting.is_some_and(|step| step.once) => Fate::Stays,
            None => Fate::Gone,
            Some(row) if is_used(plan, &holding.path, row) => Fate::Stays,
            Some(row) => remove(&holding.path, row, router),
        },
        Held::Changed { originals } => match row {
            None => Fate::Gone,
            Some(row) => {
                let names = names_wanted(plan, wanted, &holding.path, row);
                let obsolete = originals.iter().filter(|(name, _)| !names.contains(name.as_str()));
                restore(plan, finder, holding, row, obsolete.collect(), names.is_empty())
            }
        },
    }
}

fn remove(path: &str, row: &Found, router: &Snapshot) -> Fate {
    let Some(id) = row.id.clone() else { return Fate::Gone };
    let rows = router.rows(path);
    let place = rows.iter().position(|other| other.id == row.id).unwrap_or(rows.len());
    let next = rows.get(place + 1).and_then(|row| row.id.clone()).filter(|_| is_ordered(path));
    Fate::Goes(Change::Remove { id, row: row.writable(path), next })
}

fn restore(
    plan: &mut Plan,
    finder: &Finder<'_>,
    holding: &Holding,
    row: &Found,
    obsolete: Vec<(&String, &Option<Kept>)>,
    is_all: bool,
) -> Fate {
    let path = &holding.path;
    let mut values = Vec::new();
    for (name, original) in obsolete {
        let now = value_of(path, name, row);
        let is_back = match original {
            Some(original) => is_same(path, name, original.bytes(), row.value(name)),
            None => now.is_none(),
        };
        let is_ours = holding.written.get(name).is_some_and(|written| finder.has_written(path, name, written, row));
        if is_back {
            continue;
        }
        if is_ours {
            values.push(Difference::new(name.as_str(), now, original.clone()));
        } else {
            let message = format!("{path}: somebody has changed {name} since; it is left as it is");
            plan.notes.push(Note { step: holding.step.clone(), message });
        }
    }
    match (values.is_empty(), is_all) {
        (true, true) => Fate::Gone,
        (true, false) => Fate::Stays,
        (false, _) => Fate::Goes(Change::Set { row: RowRef::from_id(row.id.as_deref()), values }),
    }
}

/// Whether an operation of a step has to do with a row that stays.
fn is_used(plan: &Plan, path: &str, row: &Found) -> bool {
    let row = RowRef::from_id(row.id.as_deref());
    plan.operations.iter().filter(|operation| operation.path == path && !operation.gives_back).any(|operation| {
        match &operation.change {
            Change::Keep { row: used, .. } | Change::Set { row: used, .. } | Change::Move { row: used, .. } => {
                *used == row
            }
            Change::Run { row: used, .. } => used.as_ref() == Some(&row),
            Change::Add { .. } | Change::Remove { .. } | Change::Blocked { .. } => false,
        }
    })
}

fn is_to_go(plan: &Plan, path: &str, row: &Found) -> bool {
    plan.operations
        .iter()
        .filter(|operation| operation.path == path)
        .any(|operation| matches!(&operation.change, Change::Remove { id, .. } if row.id.as_ref() == Some(id)))
}

/// The arguments that steps want of a row that is not ours.
fn names_wanted<'a>(plan: &Plan, wanted: &Wanted<'a>, path: &str, row: &Found) -> BTreeSet<&'a str> {
    let row = RowRef::from_id(row.id.as_deref());
    let on_row = plan.operations.iter().filter(|operation| operation.path == path).filter(|operation| {
        matches!(&operation.change, Change::Keep { row: used, .. } | Change::Set { row: used, .. } if *used == row)
    });
    let steps = on_row.filter_map(|operation| wanted.steps.iter().find(|step| step.id == operation.step));
    steps.flat_map(|step| step.arguments.iter().map(|(name, _)| name.as_str())).collect()
}

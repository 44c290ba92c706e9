//! The order of rows in menus where it means something, and the order of operations. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::make::is_ordered;
use super::{Change, Operation, Plan, RowRef};
use crate::compare::is_same;
use crate::needs::Arranged;
use crate::snapshot::Snapshot;
use crate::step::{Position, Step};

/// A row of ours in a menu with an order.
struct Member<'a> {
    step: usize,
    row: RowRef,
    place: Option<&'a Position>,
    /// Where it stands now, when it is there.
    now: Option<usize>,
    /// It need not be moved.
    is_fixed: bool,
}

/// Rows of ours stand in the order of their steps: new ones are added where they belong, those that stand elsewhere are moved,
/// as few as possible.
pub(super) fn put_in_order(
    plan: &mut Plan,
    router: &Snapshot,
    arranged: &Arranged,
    steps: &[Step],
    added_by: &[Option<RowRef>],
) {
    let paths: BTreeSet<&str> = steps.iter().map(|step| step.path.as_str()).filter(|path| is_ordered(path)).collect();
    for path in paths {
        let theirs = rows_of_others(plan, path);
        let in_order = arranged.places.iter().map(|place| place.step).filter(|step| steps[*step].path == path);
        let mut members: Vec<Member<'_>> = in_order
            .filter_map(|step| {
                let row = added_by[step].clone().filter(|row| !theirs.contains(row))?;
                let now = match &row {
                    RowRef::Id(id) => router.rows(path).iter().position(|row| row.id.as_ref() == Some(id)),
                    RowRef::Of(_) | RowRef::Settings => None,
                };
                Some(Member { step, row, place: steps[step].place.as_ref(), now, is_fixed: false })
            })
            .collect();
        let places: BTreeSet<usize> = (0..members.len()).collect();
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for member in places {
            match classes.iter_mut().find(|class| members[class[0]].place == members[member].place) {
                Some(class) => class.push(member),
                None => classes.push(vec![member]),
            }
        }
        for class in classes {
            settle(plan, router, path, &mut members, &class, steps);
        }
    }
}

/// Sees to the rows that have the same place.
fn settle(plan: &mut Plan, router: &Snapshot, path: &str, members: &mut [Member<'_>], class: &[usize], steps: &[Step]) {
    let there: Vec<usize> = class.iter().copied().filter(|member| members[*member].now.is_some()).collect();
    let positions: Vec<usize> = there.iter().filter_map(|member| members[*member].now).collect();
    for kept in longest_rising(&positions) {
        members[there[kept]].is_fixed = true;
    }
    let rows = router.rows(path);
    for (turn, member) in class.iter().enumerate() {
        if members[*member].is_fixed {
            continue;
        }
        let later = class[turn + 1..].iter().find(|later| members[**later].is_fixed);
        let before = match later {
            Some(later) => Some(members[*later].row.clone()),
            None => anchor_of(members, &class[..turn], router, path, members[*member].place),
        };
        match (&members[*member].row, members[*member].now) {
            (RowRef::Of(operation), _) => {
                if let Change::Add { before: place, .. } = &mut plan.operations[*operation].change {
                    *place = before;
                }
            }
            (RowRef::Id(_), Some(now)) => {
                let next = rows.get(now + 1).and_then(|row| row.id.clone());
                let row = members[*member].row.clone();
                push_move(plan, &steps[members[*member].step], Change::Move { row, before, next });
            }
            _ => {}
        }
    }
}

/// In front of which row something goes that no row of ours stands behind.
fn anchor_of(
    members: &[Member<'_>],
    earlier: &[usize],
    router: &Snapshot,
    path: &str,
    place: Option<&Position>,
) -> Option<RowRef> {
    let rows = router.rows(path);
    let is_loose = |place: usize| members.iter().any(|member| member.now == Some(place) && !member.is_fixed);
    let last = earlier.iter().rev().find(|member| members[**member].is_fixed).and_then(|member| members[*member].now);
    let found = match (last, place) {
        // Behind the last of ours.
        (Some(last), _) => (last + 1..rows.len()).find(|place| !is_loose(*place)),
        (None, Some(Position::Before(condition))) => (0..rows.len()).find(|place| {
            let is_ours = members.iter().any(|member| member.now == Some(*place));
            let is_meant = condition
                .as_ref()
                .is_none_or(|(name, value)| is_same(path, name, value.as_bytes(), rows[*place].value(name)));
            !is_ours && is_meant
        }),
        (None, None) => None,
    };
    found.and_then(|place| rows[place].id.clone()).map(RowRef::Id)
}

fn rows_of_others(plan: &Plan, path: &str) -> BTreeSet<RowRef> {
    let others = plan.operations.iter().filter(|operation| operation.path == path).filter_map(|operation| {
        match &operation.change {
            Change::Keep { row, ours: false } => Some(row.clone()),
            Change::Set { row: row @ RowRef::Id(_), .. } if operation.comment.is_none() => Some(row.clone()),
            _ => None,
        }
    });
    others.collect()
}

fn push_move(plan: &mut Plan, step: &Step, change: Change) {
    let Some(like) = plan.operations.iter().find(|operation| operation.step == step.id).cloned() else { return };
    plan.operations.push(Operation { change, ..like });
}

/// The places of a longest rising part.
fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    // For each length the end of the part of this length that ends lowest.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; numbers.len()];
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before[place] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(place);
        } else {
            ends[length] = place;
        }
    }
    let mut part = Vec::new();
    let mut place = ends.last().copied();
    while let Some(here) = place {
        part.push(here);
        place = before[here];
    }
    part.reverse();
    part
}

/// Which operations must be done before each: those of the steps that its step needs, those on the same row, and in menus with
/// an order all before it. `made` operations come from steps; the others are chained already.
pub(super) fn find_needs(plan: &mut Plan, made: usize, arranged: &Arranged, of_step: &[Vec<usize>]) {
    let mut needs: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.operations.len()];
    for (step, operations) in of_step.iter().enumerate() {
        for operation in operations {
            needs[*operation].extend(arranged.needs[step].iter().flat_map(|need| &of_step[*need]));
        }
    }
    let mut menus: BTreeMap<&str, Traffic> = BTreeMap::new();
    for (number, operation) in plan.operations.iter().enumerate().filter(|(_, operation)| operation.is_change()) {
        needs[number].extend(rows_of(&operation.change).into_iter().filter_map(|row| match row {
            RowRef::Of(other) => Some(*other),
            RowRef::Id(_) | RowRef::Settings => None,
        }));
        if number < made {
            let traffic = menus.entry(&operation.path).or_default();
            traffic.pass(number, operation, &mut needs[number]);
        }
    }
    for (operation, needs) in plan.operations.iter_mut().zip(needs) {
        operation.needs.extend(needs);
    }
}

/// What went on in a menu so far.
#[derive(Default)]
struct Traffic {
    /// The last operation that nothing may pass.
    barrier: Option<usize>,
    /// Those after it, which may be done together.
    since: Vec<(usize, Option<RowRef>)>,
}

impl Traffic {
    fn pass(&mut self, number: usize, operation: &Operation, needs: &mut BTreeSet<usize>) {
        needs.extend(self.barrier);
        let row = match &operation.change {
            Change::Add { .. } if !is_ordered(&operation.path) => None,
            Change::Set { row, .. } => Some(row.clone()),
            _ => {
                needs.extend(self.since.drain(..).map(|(number, _)| number));
                self.barrier = Some(number);
                return;
            }
        };
        let same_row = self.since.iter().filter(|(_, other)| row.is_some() && *other == row);
        needs.extend(same_row.map(|(number, _)| *number));
        self.since.push((number, row));
    }
}

fn rows_of(change: &Change) -> Vec<&RowRef> {
    match change {
        Change::Keep { row, .. } | Change::Set { row, .. } => vec![row],
        Change::Add { before, .. } => before.iter().collect(),
        Change::Move { row, before, .. } => std::iter::once(row).chain(before).collect(),
        Change::Run { row, .. } => row.iter().collect(),
        Change::Remove { .. } | Change::Blocked { .. } => Vec::new(),
    }
}

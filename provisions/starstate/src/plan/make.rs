//! The comparison itself: step by step against a copy of the snapshot that follows what earlier steps will have done. Pure.

use std::collections::BTreeMap;

use routeros_schema::Schema;

use super::find::{Finder, Match, kept, key_names};
use super::{Change, Difference, Note, Operation, Plan, RowRef, Stage, Wanted, obsolete, order};
use crate::ledger::Kept;
use crate::needs::{ArrangeError, Arranged, arrange, is_interface, menus_of};
use crate::snapshot::{Found, Snapshot, is_secret, is_single};
use crate::step::{Action, Step, Value};
use crate::tag;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The steps have no order.
    #[error(transparent)]
    Order(#[from] ArrangeError),
}

/// What has to be done so that the router has what is wanted.
///
/// # Errors
/// When the steps contradict each other. What the router does not permit is in the plan.
pub fn make(wanted: &Wanted<'_>, router: &Snapshot) -> Result<Plan, PlanError> {
    let (steps, withheld) = withhold(wanted, router);
    let wanted = &Wanted { steps: &steps, ..*wanted };
    let cuts: Vec<Option<String>> = wanted.steps.iter().map(|step| wanted.management.danger_of(step, router)).collect();
    let by_id: BTreeMap<&str, usize> =
        wanted.steps.iter().enumerate().map(|(number, step)| (step.id.as_str(), number)).collect();
    let is_last = |step: &Step| by_id.get(step.id.as_str()).is_some_and(|number| cuts[*number].is_some());
    let arranged = arrange(wanted.steps, is_last)?;
    let in_order = || arranged.places.iter().map(|place| &wanted.steps[place.step]);
    let mut maker = Maker {
        wanted,
        arranged: &arranged,
        cuts: &cuts,
        finder: Finder::new(in_order(), router, wanted.holdings, wanted.fingerprints),
        router: router.clone(),
        sees_secrets: wanted.management.sees_secrets(router),
        plan: Plan::default(),
        of_step: vec![Vec::new(); wanted.steps.len()],
        added_by: vec![None; wanted.steps.len()],
    };
    for place in &arranged.places {
        maker.step(place.step, place.early_for);
    }
    order::put_in_order(&mut maker.plan, router, &arranged, wanted.steps, &maker.added_by);
    let made = maker.plan.operations.len();
    let Maker { finder, mut plan, of_step, .. } = maker;
    obsolete::take_back(&mut plan, wanted, router, &finder);
    order::find_needs(&mut plan, made, &arranged, &of_step);
    plan.notes.extend(plan.left_out().collect::<Vec<_>>());
    plan.notes.extend(withheld);
    Ok(plan)
}

/// Steps without the values that would close the way by which the router is reached, unless there is consent.
fn withhold(wanted: &Wanted<'_>, router: &Snapshot) -> (Vec<Step>, Vec<Note>) {
    let (mut steps, mut notes) = (wanted.steps.to_vec(), Vec::new());
    for step in steps.iter_mut().filter(|_| !wanted.allow_cut) {
        for (name, what) in wanted.management.closing(step, router) {
            step.arguments.retain(|(known, _)| *known != name);
            let message = format!("left out: {what}; it takes consent (allow_cut), or another service to come by");
            notes.push(Note { step: step.id.clone(), message });
        }
    }
    (steps, notes)
}

struct Maker<'a> {
    wanted: &'a Wanted<'a>,
    arranged: &'a Arranged,
    cuts: &'a [Option<String>],
    finder: Finder<'a>,
    /// The router as it will be after the operations so far.
    router: Snapshot,
    /// Whether the router shows secrets.
    sees_secrets: bool,
    plan: Plan,
    /// The operations of each step.
    of_step: Vec<Vec<usize>>,
    /// The row of each step that adds one.
    added_by: Vec<Option<RowRef>>,
}

impl Maker<'_> {
    fn step(&mut self, number: usize, early_for: Option<usize>) {
        let step = &self.wanted.steps[number];
        if !self.router.has_menu(&step.path) && step.action != Action::Remove && !is_command(step) {
            return self.push(
                number,
                early_for,
                Vec::new(),
                blocked(format!("the router has no menu {} for this user", step.path)),
            );
        }
        match &step.action {
            Action::Add => self.add(number, early_for),
            Action::Set => self.set(number, early_for),
            Action::Remove => self.remove(number, early_for),
            Action::Run { .. } => self.run(number, early_for),
        }
    }

    fn add(&mut self, number: usize, early_for: Option<usize>) {
        let step = &self.wanted.steps[number];
        let key: Vec<(String, Kept)> = key_names(step)
            .filter_map(|name| Some((name.to_owned(), kept(&step.path, name, step.argument(name)?))))
            .collect();
        let Some(found) = self.finder.find(step, &self.router) else {
            return match step.once && self.finder.has_made(step) {
                true => self.push(number, early_for, key, Change::Keep { row: RowRef::Settings, ours: true }),
                false => self.add_row(number, early_for, key),
            };
        };
        let row = RowRef::from_id(found.row.id.as_deref());
        self.added_by[number] = Some(row.clone());
        let differences = self.differences(step, &found);
        if !differences.is_empty() && !found.ours && !step.takes_over && !self.wanted.take_over {
            let names: Vec<&str> = differences.iter().map(|difference| difference.name.as_str()).collect();
            let reason = format!("somebody else's row has this {}, but another {}", shown(&key), names.join(", "));
            return self.push(number, early_for, key, blocked(reason));
        }
        self.change(number, early_for, key, &found, differences);
    }

    fn add_row(&mut self, number: usize, early_for: Option<usize>, key: Vec<(String, Kept)>) {
        let step = &self.wanted.steps[number];
        let values: Vec<(String, Kept)> =
            step.arguments.iter().map(|(name, value)| (name.clone(), kept(&step.path, name, value))).collect();
        let id = RowRef::virtual_id(self.plan.operations.len());
        let comment = self.has_comment(&step.path).then(|| tag::comment(self.wanted.session, step.label.as_deref()));
        if let Some(mistake) = self.mistake(step, "add", &values) {
            return self.push(number, early_for, key, blocked(mistake));
        }
        let mut row = Found { id: Some(id.clone()), ..Found::default() };
        row.values.extend(values.iter().map(|(name, value)| (name.clone(), value.bytes().to_vec())));
        row.values.extend(comment.iter().map(|comment| ("comment".to_owned(), comment.clone().into_bytes())));
        self.router.rows_mut(&step.path).push(row);
        self.finder.keep(step, &id);
        self.added_by[number] = Some(RowRef::from_id(Some(&id)));
        self.push(number, early_for, key, Change::Add { values, before: None });
        if let Some(operation) = self.plan.operations.last_mut() {
            operation.comment = comment;
        }
    }

    fn set(&mut self, number: usize, early_for: Option<usize>) {
        let step = &self.wanted.steps[number];
        let key: Vec<(String, Kept)> =
            step.target.iter().map(|(name, value)| (name.clone(), Kept::plain(value.as_str()))).collect();
        let targets = self.finder.targets(step, &self.router);
        // A step that wants no values only reads them back.
        if targets.is_empty() && !step.arguments.is_empty() {
            return self.push(number, early_for, key.clone(), blocked(format!("there is no row with {}", shown(&key))));
        }
        for found in targets {
            let differences = self.differences(step, &found);
            self.change(number, early_for, key.clone(), &found, differences);
        }
    }

    fn change(
        &mut self,
        number: usize,
        early_for: Option<usize>,
        key: Vec<(String, Kept)>,
        found: &Match,
        differences: Vec<Difference>,
    ) {
        let step = &self.wanted.steps[number];
        let row = RowRef::from_id(found.row.id.as_deref());
        let comment = found.row.text("comment").filter(|comment| tag::session_of(comment).is_some());
        let mut comment = comment.map(|comment| comment.into_owned());
        let change = if differences.is_empty() {
            Change::Keep { row, ours: found.ours }
        } else {
            let after: Vec<(String, Kept)> =
                differences.iter().filter_map(|it| Some((it.name.clone(), it.after.clone()?))).collect();
            if let Some(mistake) = self.mistake(step, "set", &after) {
                return self.push(number, early_for, key, blocked(mistake));
            }
            if let Some((_, new)) = after.iter().find(|(name, _)| name == "comment") {
                comment = Some(new.shown());
            }
            self.follow(&step.path, found.row.id.as_deref(), &differences);
            Change::Set { row, values: differences }
        };
        self.push(number, early_for, key, change);
        if let Some(operation) = self.plan.operations.last_mut() {
            operation.comment = comment;
        }
    }

    /// What is not as wanted, the label in the comment of a row of ours, too.
    fn differences(&self, step: &Step, found: &Match) -> Vec<Difference> {
        let mut differences = self.finder.differences(step, found);
        for difference in &mut differences {
            let is_blank = difference.before.as_ref().is_none_or(|before| before.bytes().is_empty());
            difference.is_hidden = !self.sees_secrets && is_blank && is_secret(&step.path, &difference.name);
        }
        let comment = found.row.text("comment");
        let session = comment.as_deref().and_then(tag::session_of);
        if let (Action::Add, Some(session)) = (&step.action, session) {
            let wanted = tag::comment(session, step.label.as_deref());
            if comment.as_deref() != Some(wanted.as_str()) {
                let before = found.row.value("comment").map(Kept::plain);
                let after = Some(Kept::plain(wanted));
                differences.push(Difference::new("comment", before, after));
            }
        }
        differences
    }

    /// Rows of others go; rows of ours are other steps' matter.
    fn remove(&mut self, number: usize, early_for: Option<usize>) {
        let step = &self.wanted.steps[number];
        let key: Vec<(String, Kept)> =
            step.target.iter().map(|(name, value)| (name.clone(), Kept::plain(value.as_str()))).collect();
        for found in self.finder.targets(step, &self.router) {
            let Some(id) = found.row.id.clone().filter(|_| !found.ours && !found.row.is_builtin()) else { continue };
            let rows = self.router.rows_mut(&step.path);
            let place = rows.iter().position(|row| row.id.as_ref() == Some(&id));
            let next = place.and_then(|place| rows.get(place + 1)).and_then(|row| row.id.clone());
            let next = next.filter(|next| is_ordered(&step.path) && !next.starts_with('@'));
            rows.retain(|row| row.id.as_ref() != Some(&id));
            let row = found.row.writable(&step.path);
            self.push(number, early_for, key.clone(), Change::Remove { id, row, next });
        }
    }

    fn run(&mut self, number: usize, early_for: Option<usize>) {
        let step = &self.wanted.steps[number];
        let Action::Run { command, until } = &step.action else { return };
        let values: Vec<(String, Kept)> =
            step.arguments.iter().map(|(name, value)| (name.clone(), kept(&step.path, name, value))).collect();
        let key: Vec<(String, Kept)> =
            step.target.iter().map(|(name, value)| (name.clone(), Kept::plain(value.as_str()))).collect();
        let has_row = !step.target.is_empty();
        let target = self.finder.targets(step, &self.router).into_iter().next().filter(|_| has_row);
        if has_row && target.is_none() {
            return self.push(number, early_for, key.clone(), blocked(format!("there is no row with {}", shown(&key))));
        }
        let row = target.as_ref().map(|found| RowRef::from_id(found.row.id.as_deref()));
        let is_done = match (until, &target) {
            (Some(until), Some(found)) => found.row.value(until).is_some_and(|value| !value.is_empty()),
            _ => self.has_run(step),
        };
        let change = match is_done {
            true => Change::Keep { row: row.unwrap_or(RowRef::Settings), ours: true },
            false => {
                let files = step.files().map(str::to_owned).collect();
                Change::Run { command: command.clone(), row, values, until: until.clone(), files }
            }
        };
        self.push(number, early_for, key, change);
    }

    /// Whether the command was run before with just these arguments.
    fn has_run(&self, step: &Step) -> bool {
        let ran = |holding: &&crate::ledger::Holding| {
            matches!(holding.held, crate::ledger::Held::Ran { .. }) && holding.step == step.id
        };
        let same = |holding: &crate::ledger::Holding| {
            let written = step.arguments.iter().map(|(name, value)| (name, self.written(&step.path, name, value)));
            holding.written.len() == step.arguments.len()
                && written.into_iter().all(|(name, value)| holding.written.get(name) == Some(&value))
        };
        self.wanted.holdings.iter().filter(ran).any(same)
    }

    fn written(&self, path: &str, name: &str, value: &Value) -> crate::ledger::Written {
        self.wanted.fingerprints.written(path, name, &kept(path, name, value))
    }

    /// The router as it will be.
    fn follow(&mut self, path: &str, id: Option<&str>, differences: &[Difference]) {
        let text = |kept: &Option<Kept>| String::from_utf8(kept.as_ref()?.bytes().to_vec()).ok();
        let renamed = differences.iter().find(|difference| difference.name == "name");
        if let Some((before, after)) = renamed.and_then(|it| Some((text(&it.before)?, text(&it.after)?))) {
            self.rename(path, &before, &after);
        }
        let Some(row) = self.router.rows_mut(path).iter_mut().find(|row| row.id.as_deref() == id) else { return };
        for difference in differences {
            match &difference.after {
                Some(value) => drop(row.values.insert(difference.name.clone(), value.bytes().to_vec())),
                None => drop(row.values.remove(&difference.name)),
            }
        }
    }

    /// Rows that name another row show its new name.
    fn rename(&mut self, path: &str, before: &str, after: &str) {
        let refers = |menu: &str, name: &str| {
            let argument = Schema::get().menu(menu).and_then(|menu| menu.argument(name));
            let mut menus = argument.into_iter().flat_map(menus_of);
            menus.any(|menu| menu == path || menu == "/interface" && is_interface(path))
        };
        for (menu, row) in self.router.all_rows_mut() {
            for (name, value) in &mut row.values {
                let Some(text) = std::str::from_utf8(value).ok().filter(|text| text.contains(before)) else { continue };
                if refers(menu, name) {
                    let parts = text.split(',').map(|part| if part == before { after } else { part });
                    *value = parts.collect::<Vec<_>>().join(",").into_bytes();
                }
            }
        }
    }

    /// What every router of this release would refuse.
    fn mistake(&self, step: &Step, command: &str, values: &[(String, Kept)]) -> Option<String> {
        let arguments = values.iter().map(|(name, value)| (name.as_str(), value.bytes()));
        let checked = Schema::get().check(self.router.release, &step.path, command, arguments);
        checked.err().map(|mistake| mistake.to_string())
    }

    fn has_comment(&self, path: &str) -> bool {
        Schema::get().menu(path).is_some_and(|menu| menu.has_comment(self.router.release) && !is_single(path))
    }

    fn push(&mut self, number: usize, early_for: Option<usize>, key: Vec<(String, Kept)>, change: Change) {
        let step = &self.wanted.steps[number];
        let cuts = self.cuts[number].clone();
        let stage = if cuts.is_some() || self.waits_for_cutting(number) { Stage::Cutting } else { Stage::Wanted };
        self.of_step[number].push(self.plan.operations.len());
        self.plan.operations.push(Operation {
            step: step.id.clone(),
            resource: step.resource.clone(),
            source: step.source.clone(),
            path: step.path.clone(),
            phase: crate::phase::phase_of(&step.path),
            turn: self.arranged.turns[number],
            early_for: early_for.map(|who| self.wanted.steps[who].id.clone()),
            key,
            critical: step.critical,
            change,
            needs: Vec::new(),
            cuts,
            comment: None,
            gives_back: false,
            stage,
        });
        if self.cuts[number].is_some() {
            let message =
                format!("may cut the way to the router: {}", self.cuts[number].as_deref().unwrap_or_default());
            let note = Note { step: step.id.clone(), message };
            if self.plan.operations.last().is_some_and(Operation::is_change) && !self.plan.notes.contains(&note) {
                self.plan.notes.push(note);
            }
        }
    }

    /// Whether a step needs one that may cut the way.
    fn waits_for_cutting(&self, number: usize) -> bool {
        self.arranged.needs[number].iter().any(|need| {
            self.of_step[*need].iter().any(|operation| self.plan.operations[*operation].stage == Stage::Cutting)
        })
    }
}

fn blocked(reason: String) -> Change {
    Change::Blocked { reason }
}

/// Commands such as `/system/reboot` are in menus without rows.
fn is_command(step: &Step) -> bool {
    matches!(step.action, Action::Run { .. }) && step.target.is_empty()
}

/// Whether the order of a menu's rows means something.
pub(super) fn is_ordered(path: &str) -> bool {
    Schema::get().menu(path).is_some_and(|menu| menu.ordered)
}

fn shown(key: &[(String, Kept)]) -> String {
    key.iter().map(|(name, value)| format!("{name}={}", value.shown())).collect::<Vec<_>>().join(" ")
}

/// What a row has, with secrets marked.
pub(super) fn value_of(path: &str, name: &str, row: &Found) -> Option<Kept> {
    row.value(name).map(|value| Kept::new(value, is_secret(path, name)))
}

//! Puts steps together: names them, drops what is wanted twice, reports what is wanted in two ways.
//!
//! Parts of a document often need the same thing, such as an interface list. Each asks for it; the first one adds it. Not here: what
//! is asked for.

use std::collections::BTreeMap;

use routeros::Secret;

use crate::compile::facts::{Facts, Radio};
use crate::compile::world::World;
use crate::decompose::{Resource, full_name};
use crate::issue::Issue;
use crate::state::Hidden;
use crate::step::{Action, Position, Step, Value};

/// Where the rules of a part stand among all of ours in a menu with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rank {
    /// Traffic that stays here.
    Local,
    /// Marks of connections that come in from outside, so that the replies leave where they came in.
    Inbound,
    /// Traffic of the router itself.
    Output,
    /// Games.
    Games,
    /// Networks that are split by where the traffic goes.
    Split,
    /// Balancing over several links.
    Balance,
    /// What everything else does.
    #[default]
    Common,
    /// What closes a list.
    Last,
}

/// The steps of a document, while they are put together.
#[derive(Debug)]
pub struct Builder<'a> {
    /// What the document is about.
    pub world: &'a World<'a>,
    /// What the router is.
    pub facts: &'a Facts,
    steps: Vec<(Rank, Step)>,
    issues: Vec<Issue>,
    /// The step of each row or setting.
    rows: BTreeMap<String, usize>,
    /// The full name of the current resource; names of its steps begin so.
    prefix: String,
    source: String,
}

/// A step that is being put together; [`Draft::done`] makes it one.
#[must_use = "a draft is no step before it is done"]
#[derive(Debug)]
pub struct Draft<'b, 'a> {
    builder: &'b mut Builder<'a>,
    rank: Rank,
    step: Step,
}

impl<'a> Builder<'a> {
    /// Without steps.
    pub fn new(world: &'a World<'a>, facts: &'a Facts) -> Builder<'a> {
        let (prefix, source) = (String::new(), String::new());
        Builder { world, facts, steps: Vec::new(), issues: Vec::new(), rows: BTreeMap::new(), prefix, source }
    }

    /// The steps that follow belong to this resource.
    pub fn begin(&mut self, resource: &Resource<'_>) {
        self.begin_at(&resource.resource_type, &resource.name, &resource.source);
    }

    /// The steps that follow belong to the resource of this type and name, from this place in the document.
    pub fn begin_at(&mut self, resource_type: &str, name: &str, source: &str) {
        source.clone_into(&mut self.source);
        self.prefix = full_name(resource_type, name);
    }

    /// The steps so far that are like this, by their names.
    pub fn like(&self, is_it: impl Fn(&Step) -> bool) -> Vec<String> {
        self.steps.iter().map(|(_, step)| step).filter(|step| is_it(step)).map(|step| step.id.clone()).collect()
    }

    /// Where in the document the current resource is.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A row that is wanted. `what` tells it from the others of the resource; `key` are the arguments that identify the row, none
    /// for all.
    pub fn add(&mut self, what: &str, path: &str, key: &[&str]) -> Draft<'_, 'a> {
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        self.draft(what, path, Action::Add, key, Vec::new())
    }

    /// Settings of a menu.
    pub fn set(&mut self, what: &str, path: &str) -> Draft<'_, 'a> {
        self.draft(what, path, Action::Set, Vec::new(), Vec::new())
    }

    /// Values of the rows that are there and have these values.
    pub fn set_row(&mut self, what: &str, path: &str, target: &[(&str, &str)]) -> Draft<'_, 'a> {
        self.draft(what, path, Action::Set, Vec::new(), owned(target))
    }

    /// Rows with these values are not wanted.
    pub fn remove(&mut self, what: &str, path: &str, target: &[(&str, &str)]) -> Draft<'_, 'a> {
        self.draft(what, path, Action::Remove, Vec::new(), owned(target))
    }

    /// A command that is to have been run on the row with these values, as long as it lacks the property `until`.
    pub fn run(
        &mut self,
        what: &str,
        path: &str,
        command: &str,
        target: &[(&str, &str)],
        until: Option<&str>,
    ) -> Draft<'_, 'a> {
        let action = Action::Run { command: command.to_owned(), until: until.map(str::to_owned) };
        self.draft(what, path, action, Vec::new(), owned(target))
    }

    /// An interface list, which is added when somebody needs it. Gives the step.
    pub fn list(&mut self, name: &str) -> String {
        let id = format!("interface-list/{name}");
        self.add("", "/interface/list", &["name"]).id(&id).arg("name", name).done()
    }

    /// Puts an interface on a list. Gives the step.
    pub fn member(&mut self, list: &str, interface: &str) -> String {
        self.list(list);
        let what = format!("member-{list}-{interface}");
        let draft = self.add(&what, "/interface/list/member", &["list", "interface"]);
        draft.arg("list", list).arg("interface", interface).done()
    }

    /// A routing table, which is added when somebody needs it. Gives the step.
    pub fn table(&mut self, name: &str) -> String {
        let id = format!("routing-table/{name}");
        self.add("", "/routing/table", &["name"]).id(&id).arg("name", name).arg("fib", "").done()
    }

    /// What the router reaches without a default route stays out of the tables of uplinks. Stands before every other routing rule;
    /// whoever adds one asks for it. Gives the step.
    pub fn main_rule(&mut self) -> String {
        let rule = self.add("", "/routing/rule", &[]).id("routing-rule/main").first().rank(Rank::Local);
        rule.arg("action", "lookup").arg("table", "main").arg("min-prefix", "0").done()
    }

    /// A radio gets the name by which documents and everything else call it, and is switched on; it is one row with whatever else is
    /// set of a radio with this default name. Gives the step.
    pub fn radio(&mut self, radio: &Radio) -> String {
        let name = radio.band.interface();
        let target = [("default-name", radio.default_name.as_str())];
        let draft = self.set_row("", "/interface/wifi", &target).id(&format!("radio/{name}"));
        draft.arg("name", name).flag("disabled", false).done()
    }

    /// An address, network or host name on an address list of the firewall. Gives the step.
    pub fn address(&mut self, list: &str, address: &str) -> String {
        let what = format!("address-{list}-{address}");
        let draft = self.add(&what, "/ip/firewall/address-list", &["list", "address"]);
        draft.arg("list", list).arg("address", address).done()
    }

    /// Something is wrong with the document, or worth knowing.
    pub fn report(&mut self, issue: Issue) {
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    /// The current resource is wrong.
    pub fn error(&mut self, message: impl Into<String>) {
        self.report(Issue::error(self.source.clone(), message));
    }

    /// Something about the current resource is worth knowing.
    pub fn warning(&mut self, message: impl Into<String>) {
        self.report(Issue::warning(self.source.clone(), message));
    }

    /// The steps, rules by rank, and what is wrong.
    pub fn finish(self) -> (Vec<Step>, Vec<Issue>) {
        let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, (_, step)) in self.steps.iter().enumerate() {
            by_path.entry(step.path.clone()).or_default().push(number);
        }
        // Within a menu the steps change places; the menus keep theirs.
        let mut order: Vec<usize> = (0..self.steps.len()).collect();
        for places in by_path.values() {
            let mut ranked = places.clone();
            ranked.sort_by_key(|number| self.steps[*number].0);
            for (place, number) in places.iter().zip(ranked) {
                order[*place] = number;
            }
        }
        let mut steps: Vec<Option<Step>> = self.steps.into_iter().map(|(_, step)| Some(step)).collect();
        (order.into_iter().filter_map(|number| steps[number].take()).collect(), self.issues)
    }

    fn draft(
        &mut self,
        what: &str,
        path: &str,
        action: Action,
        key: Vec<String>,
        target: Vec<(String, String)>,
    ) -> Draft<'_, 'a> {
        let step = Step {
            resource: self.prefix.clone(),
            source: self.source.clone(),
            key,
            target,
            ..Step::new(format!("{}/{what}", self.prefix), path, action)
        };
        Draft { builder: self, rank: Rank::default(), step }
    }

    fn push(&mut self, rank: Rank, mut step: Step) -> String {
        let row = row_of(&step);
        if let Some(known) = row.as_ref().and_then(|row| self.rows.get(row)) {
            let known = *known;
            return self.merge(known, rank, step);
        }
        let taken = |id: &str| self.steps.iter().any(|(_, step)| step.id == id);
        if taken(&step.id) {
            let wanted = step.id.clone();
            let numbered = (2..).map(|number| format!("{wanted}-{number}")).find(|id| !taken(id));
            step.id = numbered.unwrap_or(wanted);
        }
        if let Some(row) = row {
            self.rows.insert(row, self.steps.len());
        }
        let id = step.id.clone();
        self.steps.push((rank, step));
        id
    }

    /// Somebody else wants something of the same row.
    fn merge(&mut self, known: usize, rank: Rank, step: Step) -> String {
        let mut contradictions = Vec::new();
        let (known_rank, first) = &mut self.steps[known];
        for (name, value) in step.arguments {
            match first.arguments.iter().find(|(known, _)| *known == name) {
                Some((_, same)) if *same == value => {}
                Some(_) => contradictions.push(name),
                None => first.arguments.push((name, value)),
            }
        }
        first.critical |= step.critical;
        first.takes_over |= step.takes_over;
        for need in step.needs {
            if !first.needs.contains(&need) && need != first.id {
                first.needs.push(need);
            }
        }
        for name in step.read_back {
            if !first.read_back.contains(&name) {
                first.read_back.push(name);
            }
        }
        first.label = first.label.take().or(step.label);
        *known_rank = rank.min(*known_rank);
        let (id, path, source) = (first.id.clone(), first.path.clone(), first.source.clone());
        for name in contradictions {
            let message = format!("{path} cannot have two values of {name}: {source} wants another one");
            self.report(Issue::error(step.source.clone(), message));
        }
        id
    }
}

impl Draft<'_, '_> {
    /// A name of its own, for what belongs to no resource alone.
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.step.id);
        self
    }

    /// An argument.
    pub fn arg(mut self, name: &str, value: impl Into<String>) -> Self {
        self.step.arguments.push((name.to_owned(), Value::Plain(value.into())));
        self
    }

    /// An argument, unless the text is empty.
    pub fn text(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.arg(name, value) }
    }

    /// An argument, if there is a value.
    pub fn some<T: ToString>(self, name: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.arg(name, value.to_string()),
            None => self,
        }
    }

    /// `yes` or `no`.
    pub fn flag(self, name: &str, value: bool) -> Self {
        self.arg(name, if value { "yes" } else { "no" })
    }

    /// `yes` or `no`, if that is said.
    pub fn some_flag(self, name: &str, value: Option<bool>) -> Self {
        match value {
            Some(value) => self.flag(name, value),
            None => self,
        }
    }

    /// A secret, if there is one.
    pub fn secret(mut self, name: &str, value: &Hidden) -> Self {
        if let Some(secret) = &value.0 {
            self.step.arguments.push((name.to_owned(), Value::Secret(secret.clone())));
        }
        self
    }

    /// When it fails, the others go on.
    pub fn optional(mut self) -> Self {
        self.step.critical = false;
        self
    }

    /// A step that must have been carried out before.
    pub fn needs(mut self, step: impl Into<String>) -> Self {
        self.step.needs.push(step.into());
        self
    }

    /// A label behind the tag in the comment.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.step.label = Some(label.into()).filter(|label| !label.is_empty());
        self
    }

    /// Somebody else's row with the same key is changed.
    pub fn take_over(mut self) -> Self {
        self.step.takes_over = true;
        self
    }

    /// In front of the rows of others, in a menu with an order.
    pub fn first(mut self) -> Self {
        self.step.place = Some(Position::Before(None));
        self
    }

    /// In front of the rows of others that have this value.
    pub fn before(mut self, name: &str, value: &str) -> Self {
        self.step.place = Some(Position::Before(Some((name.to_owned(), value.to_owned()))));
        self
    }

    /// Among our rules.
    pub fn rank(mut self, rank: Rank) -> Self {
        self.rank = rank;
        self
    }

    /// An argument matters only when the row is added: the router changes it itself.
    pub fn initial(mut self, name: &str) -> Self {
        self.step.initial.push(name.to_owned());
        self
    }

    /// The row goes by itself when its work is done, and is not added again then.
    pub fn once(mut self) -> Self {
        self.step.once = true;
        self
    }

    /// A text that contains a secret.
    pub fn secret_text(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.step.arguments.push((name.to_owned(), Value::Secret(value.into())));
        self
    }

    /// A property that the router makes, or `file:NAME`: read when all is done.
    pub fn read_back(mut self, name: impl Into<String>) -> Self {
        self.step.read_back.push(name.into());
        self
    }

    /// Where in the document it comes from, when that is more exact than the resource.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.step.source = source.into();
        self
    }

    /// It is a step now. Gives its name, which is another one when the same row is wanted already.
    pub fn done(self) -> String {
        self.builder.push(self.rank, self.step)
    }
}

/// What tells a row, or a setting, from others; `None` for what is never the same as something else.
fn row_of(step: &Step) -> Option<String> {
    let mut parts = vec![step.path.clone()];
    match &step.action {
        Action::Add => {
            parts.push("add".to_owned());
            let is_key = |name: &String| step.key.is_empty() || step.key.contains(name);
            let mut values: Vec<String> = step
                .arguments
                .iter()
                .filter(|(name, _)| is_key(name) && !step.initial.contains(name))
                .map(|(name, value)| format!("{name}={}", value.text()))
                .collect();
            values.sort_unstable();
            parts.extend(values);
            if step.is_told_by_label() {
                parts.extend(step.label.clone());
            }
        }
        Action::Set => {
            parts.push("set".to_owned());
            parts.extend(step.target.iter().map(|(name, value)| format!("{name}={value}")));
        }
        // The same command on the same row is wanted once.
        Action::Run { command, .. } => {
            parts.push(format!("run {command}"));
            parts.extend(step.target.iter().map(|(name, value)| format!("{name}={value}")));
            parts.extend(step.arguments.iter().map(|(name, value)| format!("{name}={}", value.text())));
        }
        Action::Remove => return None,
    }
    Some(parts.join("\0"))
}

fn owned(target: &[(&str, &str)]) -> Vec<(String, String)> {
    target.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

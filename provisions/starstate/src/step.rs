//! One thing that a document wants of a router: a row that should be there, settings, a row that should not be there, a command.
//!
//! Steps are what `compile` gives and what the plan compares with the router. A step says what should be true, not what to send: a
//! row that is already there is not added again, a value that is already right is not set.
//!
//! Not here: the order of steps ([`crate::needs`], [`crate::phase`]) and how they are carried out ([`crate::orchestrator`]).

use std::fmt;

use routeros::Secret;

/// One thing that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name, the same whenever the same thing is wanted: `wan.link.foreign/fiber/dhcp-client`. Unique among all steps.
    pub id: String,
    /// The resource that it belongs to, such as `wan.link.foreign/fiber`.
    pub resource: String,
    /// Where in the document it comes from, as a JSON path.
    pub source: String,
    /// The menu, without the action.
    pub path: String,
    /// What is wanted of the menu.
    pub action: Action,
    /// The values that are wanted. Arguments that are not named are left alone.
    pub arguments: Vec<(String, Value)>,
    /// For [`Action::Add`] the arguments that identify the row; none for all of them. For the others which rows are meant, by
    /// the values of `target`.
    pub key: Vec<String>,
    /// The rows that [`Action::Set`], [`Action::Remove`] and [`Action::Run`] work on: those that have these values. Empty for the one row of
    /// a menu of settings.
    pub target: Vec<(String, String)>,
    /// When it fails, everything is taken back; otherwise there is a warning and the others go on.
    pub critical: bool,
    /// The names of the steps that must have been carried out before.
    pub needs: Vec<String>,
    /// A label that stands in the comment behind the tag.
    pub label: Option<String>,
    /// Where a new row stands in a menu with an order; at the end of our rows when `None`.
    pub place: Option<Position>,
    /// A row of somebody else that has the key is changed, although nobody said that such rows may be: a port that moves to another
    /// bridge. What it was before is given back like everything else.
    pub takes_over: bool,
    /// Arguments that matter only when the row is added, because the router changes them itself afterwards: the gateway of a route
    /// that follows a lease. They are not compared; among rows of ours the label tells which one is meant.
    pub initial: Vec<String>,
    /// A row that goes by itself when its work is done: once it was added, it is not added again.
    pub once: bool,
    /// Properties to read when all is done: what the router made itself. For [`Action::Run`] also `file:NAME`: the contents of a file
    /// that the command writes, which is removed from the router then; one that it imports is only removed.
    pub read_back: Vec<String>,
}

/// What is wanted of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// There is a row with these values.
    Add,
    /// The row has these values.
    Set,
    /// There is no such row.
    Remove,
    /// The command was run, with the arguments.
    Run {
        /// Its name, such as `sign`.
        command: String,
        /// It is not run when the row has this property, not empty; otherwise until it has.
        until: Option<String>,
    },
}

/// Where a row stands in a menu with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// In front of all rows of others that have this value of this property; of all rows at all when there is none.
    Before(Option<(String, String)>),
}

/// A value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// May be seen.
    Plain(String),
    /// May not.
    Secret(Secret),
}

impl Step {
    /// A step that matters and says nothing more yet.
    pub fn new(id: impl Into<String>, path: impl Into<String>, action: Action) -> Step {
        Step {
            id: id.into(),
            resource: String::new(),
            source: String::new(),
            path: path.into(),
            action,
            arguments: Vec::new(),
            key: Vec::new(),
            target: Vec::new(),
            critical: true,
            needs: Vec::new(),
            label: None,
            place: None,
            takes_over: false,
            initial: Vec::new(),
            once: false,
            read_back: Vec::new(),
        }
    }

    /// The value of an argument, as text; secrets, too.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.argument(name).map(Value::text)
    }

    /// Whether rows of ours that are the same but for what the router changes are told apart by their labels.
    pub fn is_told_by_label(&self) -> bool {
        !self.initial.is_empty() && self.label.is_some()
    }

    /// The files that a command writes and whose contents are read back.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.read_back.iter().filter_map(|name| name.strip_prefix("file:"))
    }

    /// The value of an argument.
    pub fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.iter().find(|(argument, _)| argument == name).map(|(_, value)| value)
    }
}

/// The name of the first certificate that `/certificate/import` takes from a file, unless it is told another one.
pub fn imported_certificate(file: &str) -> String {
    format!("{file}_0")
}

impl Value {
    /// The text, for the router.
    pub fn text(&self) -> &str {
        match self {
            Value::Plain(text) => text,
            Value::Secret(secret) => secret.reveal(),
        }
    }

    /// For people.
    pub fn shown(&self) -> &str {
        match self {
            Value::Plain(text) => text,
            Value::Secret(_) => "<secret>",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.shown(), formatter)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Plain(text.to_owned())
    }
}

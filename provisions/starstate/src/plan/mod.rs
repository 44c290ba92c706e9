//! What has to be done so that a router has what a document wants: the comparison of steps with a snapshot. Pure.
//!
//! [`make`] compares, [`order`] sees to the order of rows in menus where it means something, [`obsolete`] takes back what is no
//! longer wanted, [`show`] is what an operator reads. Nothing is sent here: an empty plan is the proof that nothing would be.

mod find;
mod make;
mod obsolete;
mod order;
mod show;

use crate::ledger::{Fingerprints, Held, Holding, Kept};
use crate::management::Management;
use crate::phase::Phase;
use crate::step::Step;

pub use make::{PlanError, make};
pub use show::{Shown, ShownValue, Verb};

/// What a plan is made of, besides the router.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What should be there.
    pub steps: &'a [Step],
    /// What of ours is there, from earlier.
    pub holdings: &'a [Holding],
    /// The session whose tag new rows carry.
    pub session: &'a str,
    /// Tells whether secrets are the same that cannot be read.
    pub fingerprints: &'a Fingerprints,
    /// How the router is reached.
    pub management: &'a Management,
    /// Rows of others that are in the way are changed; otherwise they are conflicts.
    pub take_over: bool,
    /// The service by which the router is reached may be closed or moved; otherwise such values are left out.
    pub allow_cut: bool,
}

/// What has to be done, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// One for each step and more, also where nothing is to be done.
    pub operations: Vec<Operation>,
    /// What an operator should know.
    pub notes: Vec<Note>,
    /// Of the holdings that were given, those whose rows are no longer on the router, by number.
    pub gone: Vec<usize>,
}

/// What has to be done for one step on one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The step.
    pub step: String,
    /// Its resource.
    pub resource: String,
    /// Where in the document it comes from; empty for what is no longer wanted.
    pub source: String,
    /// The menu.
    pub path: String,
    /// The phase of the menu.
    pub phase: Phase,
    /// The phase in whose turn it runs.
    pub turn: Phase,
    /// It is pulled forward for this step.
    pub early_for: Option<String>,
    /// What identifies the row.
    pub key: Vec<(String, Kept)>,
    /// Whether all is taken back when it fails.
    pub critical: bool,
    /// What is to be done.
    pub change: Change,
    /// The operations that must be done before, by number.
    pub needs: Vec<usize>,
    /// Why it may cut the way to the router.
    pub cuts: Option<String>,
    /// The comment with our tag that the row has, or gets.
    pub comment: Option<String>,
    /// It gives back what was there before us.
    pub gives_back: bool,
    /// When: what is wanted, then what is no longer wanted, then what may cut the way.
    pub stage: Stage,
}

/// Parts of a plan that run one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What is wanted.
    Wanted,
    /// What is no longer wanted is taken away.
    Obsolete,
    /// What may cut the way to the router.
    Cutting,
}

/// What is to be done with a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing: it is as wanted.
    Keep {
        /// The row.
        row: RowRef,
        /// It is ours, not somebody else's that happens to be right.
        ours: bool,
    },
    /// It is added.
    Add {
        /// With these values, without the comment.
        values: Vec<(String, Kept)>,
        /// In front of this row; at the end when `None`.
        before: Option<RowRef>,
    },
    /// It is changed.
    Set {
        /// The row.
        row: RowRef,
        /// What was there and what shall be; `None` for unset.
        values: Vec<Difference>,
    },
    /// It is removed.
    Remove {
        /// Its id.
        id: String,
        /// What is in it.
        row: Vec<(String, Kept)>,
        /// The id of the row behind it, in a menu with an order.
        next: Option<String>,
    },
    /// It is moved.
    Move {
        /// The row.
        row: RowRef,
        /// In front of this one; to the end when `None`.
        before: Option<RowRef>,
        /// The id of the row that is behind it now.
        next: Option<String>,
    },
    /// A command is run.
    Run {
        /// Its name.
        command: String,
        /// The row that it works on; `None` for commands without one.
        row: Option<RowRef>,
        /// Its arguments.
        values: Vec<(String, Kept)>,
        /// It is done when the row has this property.
        until: Option<String>,
        /// The files that it writes, which are fetched and removed.
        files: Vec<String>,
    },
    /// It cannot be done.
    Blocked {
        /// Why.
        reason: String,
    },
}

/// A value that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The argument.
    pub name: String,
    /// What is there.
    pub before: Option<Kept>,
    /// What shall be there.
    pub after: Option<Kept>,
    /// What is there is a secret that the user may not see, so that it cannot be written back.
    pub is_hidden: bool,
}

impl Difference {
    fn new(name: impl Into<String>, before: Option<Kept>, after: Option<Kept>) -> Difference {
        Difference { name: name.into(), before, after, is_hidden: false }
    }
}

/// A row, perhaps one that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowRef {
    /// The one row of a menu of settings.
    Settings,
    /// A row of the router, by its id.
    Id(String),
    /// The row that an operation adds, by its number.
    Of(usize),
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// The step that it is about.
    pub step: String,
    /// In words.
    pub message: String,
}

impl Plan {
    /// Whether nothing would be sent.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }

    /// The operations that would send something.
    pub fn changes(&self) -> impl Iterator<Item = (usize, &Operation)> {
        let changes = |(_, operation): &(usize, &Operation)| operation.is_change();
        self.operations.iter().enumerate().filter(changes)
    }

    /// What cannot be done and has to be; while there is any, nothing is applied.
    pub fn obstacles(&self) -> impl Iterator<Item = Note> + '_ {
        self.operations.iter().filter(|operation| operation.critical).filter_map(Operation::obstacle)
    }

    /// What cannot be done and is left out.
    pub fn left_out(&self) -> impl Iterator<Item = Note> + '_ {
        self.operations.iter().filter(|operation| !operation.critical).filter_map(Operation::obstacle)
    }
}

impl Operation {
    /// Whether it sends something.
    pub fn is_change(&self) -> bool {
        !matches!(self.change, Change::Keep { .. } | Change::Blocked { .. })
    }

    fn obstacle(&self) -> Option<Note> {
        match &self.change {
            Change::Blocked { reason } => Some(Note { step: self.step.clone(), message: reason.clone() }),
            _ => None,
        }
    }
}

impl RowRef {
    /// How rows are called while a plan is made: by id, and those that are to be added by the number of the operation.
    fn from_id(id: Option<&str>) -> RowRef {
        match id {
            None => RowRef::Settings,
            Some(id) => match id.strip_prefix('@').and_then(|number| number.parse().ok()) {
                Some(number) => RowRef::Of(number),
                None => RowRef::Id(id.to_owned()),
            },
        }
    }

    fn virtual_id(operation: usize) -> String {
        format!("@{operation}")
    }
}

impl Holding {
    /// Whether we added the row.
    fn is_created(&self) -> bool {
        self.held == Held::Created
    }
}

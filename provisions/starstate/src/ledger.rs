//! What was done on a router, written down before and after each command, so that the truth can be found after a crash at any
//! moment, and taken back. Pure, but for the [`LedgerSink`] that keeps it.
//!
//! An [`Entry`] is one command that changes something. Entries of one wave were sent together and are independent of each other.
//! Folding entries gives the [`Holding`]s: what of ours is on the router now, and what stood there before.
//!
//! Values that may be seen are kept as they are, wanted secrets only as a fingerprint. Old values are kept in full, also secret
//! ones, since they must be written back: whoever stores a ledger stores secrets, and [`Entry::masked`] is what may be shown.

mod fold;
mod identity;
mod kept;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use fold::{Held, Holding, fold};
pub use kept::{Fingerprints, Kept, Written};

use crate::phase::Phase;
use crate::step::imported_certificate;

/// One command that changes something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its place in the order of sending, from 1.
    pub sequence: u64,
    /// Entries of one wave were sent together.
    pub wave: u32,
    /// The step that it carries out; what removes something that is no longer wanted has the step that once made it.
    pub step: String,
    /// The resource of the document.
    pub resource: String,
    /// The phase of its path.
    pub phase: Phase,
    /// The menu.
    pub path: String,
    /// What identifies the row besides its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<(String, Kept)>,
    /// The row's id, as far as known. For the one row of a menu of settings `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The comment by which the row can be found, when it carries our tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What it does, and what it needs to be undone.
    pub deed: Deed,
    /// Afterwards the row is no longer ours: it gives back what was there before us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gives_back: bool,
    /// How far it came.
    pub state: EntryState,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Deed {
    /// Adds a row.
    Add {
        /// With these values.
        written: Vec<(String, Written)>,
    },
    /// Changes a row.
    Set {
        /// What was there; `None` for what was unset.
        before: Vec<(String, Option<Kept>)>,
        /// What is there now.
        written: Vec<(String, Written)>,
    },
    /// Removes a row.
    Remove {
        /// All of it that can be written.
        row: Vec<(String, Kept)>,
        /// The id of the row behind it, where the order means something.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Moves a row in front of another one.
    Move {
        /// The id of the row that was behind it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Runs another command, which cannot be undone by itself.
    Run {
        /// Its name.
        command: String,
        /// What it was given.
        written: Vec<(String, Written)>,
        /// The files that it writes on the router.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<String>,
    },
}

/// How far an entry came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// It is about to be sent, or was: nobody knows whether the router did it.
    Sent,
    /// The router did it.
    Confirmed,
    /// The router refused it, and it did nothing.
    Failed,
    /// It was taken back.
    Undone,
    /// It could not be taken back.
    NotUndone,
}

/// Keeps entries: by sequence, a later one replaces an earlier one. They must be durable when it returns.
#[async_trait]
pub trait LedgerSink: Send + Sync {
    /// Keeps these.
    ///
    /// # Errors
    /// When they could not be kept; nothing more is sent to the router then.
    async fn record(&self, entries: &[Entry]) -> Result<(), SinkError>;
}

/// Entries could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be kept: {0}")]
pub struct SinkError(pub String);

impl Entry {
    /// Whether it stands on the router, as far as is known.
    pub fn is_effective(&self) -> bool {
        matches!(self.state, EntryState::Sent | EntryState::Confirmed | EntryState::NotUndone)
    }

    /// The entry as it may be shown: without old secrets.
    #[must_use]
    pub fn masked(&self) -> Entry {
        let mask = |values: &mut Vec<(String, Kept)>| values.iter_mut().for_each(|(_, value)| value.mask());
        let mut entry = self.clone();
        mask(&mut entry.key);
        match &mut entry.deed {
            Deed::Set { before, .. } => before.iter_mut().filter_map(|(_, value)| value.as_mut()).for_each(Kept::mask),
            Deed::Remove { row, .. } => mask(row),
            Deed::Add { .. } | Deed::Move { .. } | Deed::Run { .. } => {}
        }
        entry
    }
}

impl Deed {
    /// What the command wrote.
    pub fn written(&self) -> &[(String, Written)] {
        match self {
            Deed::Add { written } | Deed::Set { written, .. } | Deed::Run { written, .. } => written,
            Deed::Remove { .. } | Deed::Move { .. } => &[],
        }
    }
}

/// The certificate that a command has imported, by its name: that of the file, which is ours, and that it is the first one in it.
/// It goes when what the command did is taken back.
pub(crate) fn imported<'w>(
    path: &str,
    command: &str,
    mut written: impl Iterator<Item = (&'w str, &'w Written)>,
) -> Option<String> {
    let (_, file) =
        written.find(|(name, _)| *name == "file-name").filter(|_| (path, command) == ("/certificate", "import"))?;
    Some(imported_certificate(file.shown()))
}

//! The document: what a wizard or an operator says about a whole router.
//!
//! [`read`] takes both spellings, the canonical one (camelCase) and the wizard's own (PascalCase, other shapes; [`dialect`] moves
//! those to their canonical place). It reports every mistake with its place and goes on. Not here: whether what the document says makes
//! sense together, and what follows from it ([`crate::decompose`]).

mod choose;
mod clients;
mod dialect;
mod extra;
mod ikev2;
mod lan;
pub mod part;
mod root;
mod servers;
mod tunnels;
mod wan;
mod words;

use serde_json::Value as Json;

pub use choose::*;
pub use clients::*;
pub use extra::*;
pub use ikev2::*;
pub use lan::*;
pub use part::{Hidden, Secrets, Unused, Word};
pub use root::*;
pub use servers::*;
pub use tunnels::*;
pub use wan::*;
pub use words::*;

use crate::issue::Issue;
use part::{Part, Reader};

/// Why a text is no document at all.
#[derive(Debug, thiserror::Error)]
#[error("the document is no JSON: {0}")]
pub struct ParseError(#[from] serde_json::Error);

/// A document that was read, and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it says.
    pub state: StarState,
    /// Fields of a wrong form, words that are unknown, fields without effect. What the values mean together is not checked.
    pub issues: Vec<Issue>,
}

/// Reads a document from text.
///
/// # Errors
/// When the text is no JSON. All else is in the issues.
pub fn parse(text: &str) -> Result<Document, ParseError> {
    Ok(read(&serde_json::from_str(text)?))
}

/// Reads a document.
pub fn read(json: &Json) -> Document {
    let mut reader = Reader::default();
    let canonical = dialect::canonical(json);
    let state = StarState::read(&canonical, "$", &mut reader);
    Document { state, issues: reader.issues }
}

impl StarState {
    /// In the canonical spelling. Masked, it can be shown to people but not be applied.
    pub fn to_json(&self, secrets: Secrets) -> Json {
        self.write(secrets).unwrap_or_default()
    }
}

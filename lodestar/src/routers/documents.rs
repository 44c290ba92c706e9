//! Named StarState documents in the store, sealed.

use data_encoding::BASE64;
use serde_json::{Value as Json, json};
use starstate::issue::Issue;
use store::{Collection, Store, StoreError};

use super::date;
use super::vault::Vault;

/// The most letters of a name.
const MOST_LETTERS: usize = 100;

/// A document that is stored.
pub struct StoredDocument {
    /// What it says.
    pub content: Json,
    /// When it was stored, as a date.
    pub updated_at: String,
    /// What was odd when it was stored.
    pub warnings: Vec<Issue>,
}

/// Reads and writes documents.
pub struct StoredDocuments<'a> {
    /// Where they are.
    pub store: &'a dyn Store,
    /// What they are sealed with.
    pub vault: &'a Vault,
}

impl StoredDocuments<'_> {
    /// The document of a name.
    pub async fn get(&self, name: &str) -> Result<Option<StoredDocument>, StoreError> {
        let stored = self.store.get(Collection::StarstateDocuments, name).await?;
        stored.map(|stored| self.open(name, &stored)).transpose()
    }

    /// Stores a document, whatever was there.
    pub async fn put(&self, name: &str, content: &Json, warnings: &[Issue], at: u64) -> Result<(), StoreError> {
        let sealed = self.vault.seal(&what(name), content.to_string().as_bytes());
        let sealed = sealed.map_err(|error| StoreError::Invalid { what: what(name), reason: error.to_string() })?;
        let document = json!({ "updatedAt": date(at), "warnings": warnings, "sealed": BASE64.encode(&sealed) });
        self.store.put(Collection::StarstateDocuments, name, document).await
    }

    /// Removes a document. Returns whether it was there.
    pub async fn delete(&self, name: &str) -> Result<bool, StoreError> {
        self.store.delete(Collection::StarstateDocuments, name).await
    }

    fn open(&self, name: &str, stored: &Json) -> Result<StoredDocument, StoreError> {
        let damaged = |reason: String| StoreError::Damaged { what: what(name), reason };
        let sealed = stored["sealed"].as_str().and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let sealed = sealed.ok_or_else(|| damaged("it has no content".to_owned()))?;
        let plain = self.vault.unseal(&what(name), &sealed).map_err(|error| damaged(error.to_string()))?;
        Ok(StoredDocument {
            content: serde_json::from_slice(&plain).map_err(|error| damaged(error.to_string()))?,
            updated_at: stored["updatedAt"].as_str().unwrap_or_default().to_owned(),
            warnings: serde_json::from_value(stored["warnings"].clone()).unwrap_or_default(),
        })
    }
}

/// Whether a document may have this name.
///
/// # Errors
/// Why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_good = |letter: char| letter.is_alphanumeric() || " ._-".contains(letter);
    if name.trim() != name || name.is_empty() || name.chars().count() > MOST_LETTERS || !name.chars().all(is_good) {
        let rule = format!("1 to {MOST_LETTERS} letters, digits, blanks, points, hyphens and underscores");
        return Err(format!("{name:?} is no name of a document: {rule}"));
    }
    Ok(())
}

fn what(name: &str) -> String {
    format!("the StarState document {name:?}")
}

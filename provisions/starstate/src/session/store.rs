//! What sessions need of a store.

use async_trait::async_trait;

use super::Session;
use crate::ledger::Entry;

/// Keeps sessions. What it has promised to keep survives a crash.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// A session; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn load(&self, id: &str) -> Result<Option<Session>, StoreError>;

    /// Keeps a session as a whole, in place of what was kept under its id.
    ///
    /// # Errors
    /// When it was not kept.
    async fn save(&self, session: &Session) -> Result<(), StoreError>;

    /// Keeps entries of a session's ledger; by sequence, a later one replaces an earlier one.
    ///
    /// # Errors
    /// When they were not kept.
    async fn record(&self, session: &str, entries: &[Entry]) -> Result<(), StoreError>;

    /// The sessions of a router, or of all, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self, router: Option<&str>) -> Result<Vec<Session>, StoreError>;

    /// Reserves a router for a session, for as long as whoever asked lives; once more for the same session is no error. Gives the
    /// session that has it when it is another one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn claim(&self, router: &str, session: &str) -> Result<Option<String>, StoreError>;

    /// Ends a reservation of this session.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn release(&self, router: &str, session: &str) -> Result<(), StoreError>;
}

/// The store does not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store of sessions: {0}")]
pub struct StoreError(pub String);

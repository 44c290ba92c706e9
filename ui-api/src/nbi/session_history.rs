//! What happened in a device's last sessions. Here are the requests; the binary, which sees the sessions, knows the answers.

use async_trait::async_trait;
use hyper::StatusCode;
use serde_json::Value as Json;
use store::{ScopedStore, StoreError};

use super::device_id;
use super::target::Segment;
use crate::answer::{Answer, Refusal};

/// Knows what sessions were (`docs/sessions.md`). No secret value is in what it tells. The binary brings it, see
/// [`super::Nbi::with_session_history`].
#[async_trait]
pub trait SessionHistory: Send + Sync {
    /// A device's last sessions, the newest first.
    async fn sessions(&self, device_id: &str) -> Result<Vec<Json>, StoreError>;

    /// One of them with its steps.
    async fn session(&self, device_id: &str, id: &str) -> Result<Option<Json>, StoreError>;

    /// The device is deleted: what is not in the store is to be forgotten, too.
    fn forget(&self, device_id: &str);
}

/// GET `/devices/<id>/sessions`
pub async fn list(
    store: &ScopedStore,
    history: Option<&dyn SessionHistory>,
    given: &Segment,
) -> Result<Answer, Refusal> {
    let found = device_id::require(store, given).await?;
    let sessions = history.ok_or(Refusal::NotFound)?.sessions(&found.id).await?;
    Ok(Answer::json(StatusCode::OK, &sessions.into()).warnings(found.warning()))
}

/// GET `/devices/<id>/sessions/<session>`
pub async fn get(
    store: &ScopedStore,
    history: Option<&dyn SessionHistory>,
    given: &Segment,
    id: &str,
) -> Result<Answer, Refusal> {
    let found = device_id::require(store, given).await?;
    let session = history.ok_or(Refusal::NotFound)?.session(&found.id, id).await?;
    let session = session.ok_or(Refusal::Missing("No such session"))?;
    Ok(Answer::json(StatusCode::OK, &session).warnings(found.warning()))
}

//! The credentials by which devices authenticate themselves: written and forgotten, never shown.

use acs_core::credentials::{CredentialRecord, OwnCredentials};
use hyper::StatusCode;
use serde::Deserialize;
use store::ScopedStore;

use super::device_id;
use super::documents::read_json;
use super::target::Segment;
use crate::answer::{Answer, Refusal};

/// What a PUT says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    username: String,
    password: String,
}

/// PUT `/devices/<id>/credentials`: the device has these and no others. It need not be known yet.
pub async fn put(store: &ScopedStore, given: &Segment, body: &[u8]) -> Result<Answer, Refusal> {
    let bad = |reason: String| Refusal::BadRequest(format!("Error: {reason}"));
    let Given { username, password } =
        serde_json::from_value(read_json(body)?).map_err(|error| bad(error.to_string()))?;
    if username.is_empty() || password.is_empty() {
        return Err(bad("the user name or the password is empty".to_owned()));
    }
    let (id, warning) = id_of(store, given).await?;
    let own = OwnCredentials { username, password, seen: true };
    let record = CredentialRecord { identity: None, credentials: vec![own] };
    let document = serde_json::to_value(record).map_err(|error| bad(error.to_string()))?;
    store.write_credentials(&id, Some(document)).await?;
    Ok(Answer::empty(StatusCode::OK).warnings(warning))
}

/// DELETE `/devices/<id>/credentials`: the device has those of a new one, and belongs to nobody. What is not there need not be
/// forgotten.
pub async fn delete(store: &ScopedStore, given: &Segment) -> Result<Answer, Refusal> {
    let Some(found) = device_id::resolve(store, given).await? else {
        store.write_credentials(&given.text, None).await?;
        return Ok(Answer::empty(StatusCode::OK));
    };
    // An empty record: without one, those among the device's parameters would count.
    let document = serde_json::to_value(CredentialRecord::default()).unwrap_or_default();
    store.write_credentials(&found.id, Some(document)).await?;
    Ok(Answer::empty(StatusCode::OK).warnings(found.warning()))
}

/// The ID of a known device, or the given one.
async fn id_of(store: &ScopedStore, given: &Segment) -> Result<(String, Option<String>), Refusal> {
    Ok(match device_id::resolve(store, given).await? {
        Some(found) => (found.id.clone(), found.warning()),
        None => (given.text.clone(), None),
    })
}

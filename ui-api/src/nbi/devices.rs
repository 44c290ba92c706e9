//! Single devices, their tags, and what belongs to them: faults, operations, transfers.

use acs_core::value::Value;
use hyper::{Method, StatusCode};
use store::{Listing, ScopedStore, device_document};

use super::device_id::{self, Found};
use super::lists::View;
use super::session_history::SessionHistory;
use super::sessions::DeviceWaker;
use super::target::{Segment, decode};
use crate::answer::{Answer, Refusal};

/// GET `/devices/<id>`
pub async fn get(store: &ScopedStore, given: &Segment, view: &View) -> Result<Answer, Refusal> {
    let found = device_id::require(store, given).await?;
    let device = store.get_device(&found.id).await?.ok_or(Refusal::Missing("No such device"))?;
    Ok(Answer::json(StatusCode::OK, &view.show(device_document(&device))).warnings(found.warning()))
}

/// GET `/devices/<id>/connection_requests`: what came of them.
pub async fn connection_requests(
    store: &ScopedStore,
    waker: &dyn DeviceWaker,
    given: &Segment,
) -> Result<Answer, Refusal> {
    let found = device_id::require(store, given).await?;
    Ok(Answer::json(StatusCode::OK, &waker.connection_requests(&found.id).await?).warnings(found.warning()))
}

/// DELETE `/devices/<id>`: with its tasks, faults and operations. A session that is under way loses what it learnt.
pub async fn delete(
    store: &ScopedStore,
    history: Option<&dyn SessionHistory>,
    given: &Segment,
) -> Result<Answer, Refusal> {
    let found = device_id::require(store, given).await?;
    if store.delete_device(&found.id).await?
        && let Some(history) = history
    {
        history.forget(&found.id);
    }
    Ok(Answer::empty(StatusCode::OK).warnings(found.warning()))
}

/// POST or DELETE `/devices/<id>/tags/<tag>`
pub async fn tag(store: &ScopedStore, given: &Segment, tag: &str, method: &Method) -> Result<Answer, Refusal> {
    if tag.trim().is_empty() {
        return Err(Refusal::BadRequest("Error: the tag is empty".to_owned()));
    }
    let found = device_id::require(store, given).await?;
    let value = (*method == Method::POST).then_some(Value::Bool(true));
    store.set_tags(&found.id, vec![(tag.to_owned(), value)]).await?;
    Ok(Answer::empty(StatusCode::OK).warnings(found.warning()))
}

/// GET on a document of a listing that has no read by name of its own.
pub async fn get_listed(store: &ScopedStore, listing: Listing, id: &str, view: &View) -> Result<Answer, Refusal> {
    match store.find_one(listing, id).await? {
        Some(document) => Ok(Answer::json(StatusCode::OK, &view.show(document))),
        None => Err(Refusal::NotFound),
    }
}

/// GET `/faults/<device>:<channel>`, `/transfers/<device>:<command key>` and the like.
pub async fn get_part(store: &ScopedStore, listing: Listing, given: &Segment, view: &View) -> Result<Answer, Refusal> {
    let (found, part) = split_id(store, given).await?.ok_or(Refusal::NotFound)?;
    let answer = get_listed(store, listing, &format!("{}:{part}", found.id), view).await?;
    Ok(answer.warnings(found.warning()))
}

/// DELETE `/faults/<device>:<channel>`: the channel is tried again in the next session; a task's fault takes its task along. A
/// fault that is not there, perhaps because a session has just got over it, need not be deleted.
pub async fn delete_fault(store: &ScopedStore, given: &Segment) -> Result<Answer, Refusal> {
    let answer = Answer::empty(StatusCode::OK);
    let Some((found, channel)) = split_id(store, given).await? else {
        return if given.text.contains(':') { Ok(answer) } else { Err(Refusal::NotFound) };
    };
    store.delete_fault(&found.id, &channel, chrono::Utc::now().timestamp_millis()).await?;
    Ok(answer.warnings(found.warning()))
}

/// The device and the rest of an ID that begins with a device's. Neither has to be free of colons once a client has decoded it, so
/// the first colon with a device before it counts.
pub async fn split_id(store: &ScopedStore, given: &Segment) -> Result<Option<(Found, String)>, Refusal> {
    // The colon itself may have been encoded.
    let colons = |text: &str| text.match_indices(':').map(|(place, _)| place).take(8).collect::<Vec<_>>();
    for text in [given.text.clone(), decode(&given.text)] {
        for colon in colons(&text) {
            let device = text[..colon].to_owned();
            if let Some(found) = device_id::resolve(store, &Segment { raw: device.clone(), text: device }).await? {
                return Ok(Some((found, text[colon + 1..].to_owned())));
            }
        }
    }
    Ok(None)
}

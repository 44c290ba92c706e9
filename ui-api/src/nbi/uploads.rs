//! Files that devices sent. What is in them is the device's: it may be anything, and it may be secret.

use std::sync::Arc;

use acs_core::query::Query;
use hyper::StatusCode;
use serde_json::Value as Json;
use store::{FileInfo, Find, Listing, Store};

use super::devices::split_id;
use super::target::Segment;
use crate::answer::{Answer, Refusal};
use crate::files::content::{self, StoredFile};

/// GET `/uploads/<device>:<command key>/content`
pub async fn content(store: &Arc<dyn Store>, id: &Segment, reveal: bool, is_head: bool) -> Result<Answer, Refusal> {
    if !reveal {
        let message = "this API key may not read what devices sent, which may hold secrets: it has no `reveal`";
        return Err(Refusal::Forbidden(message.to_owned()));
    }
    let file = find(&**store, id).await?;
    let (length, name) = (file.length, file.metadata.name.clone());
    let sent_as = name.rsplit('/').next().unwrap_or_default().to_owned();
    // hyper sends no body in answer to HEAD.
    let wanted = if is_head { 0 } else { length };
    let body = content::body(StoredFile { store: store.clone(), file }, name, 0, wanted, None);
    Ok(Answer::attachment(body, &sent_as, length))
}

/// DELETE `/uploads/<device>:<command key>`
pub async fn delete(store: &dyn Store, id: &Segment) -> Result<Answer, Refusal> {
    let file = find(store, id).await?;
    store.delete_file(&file.metadata.name).await?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn find(store: &dyn Store, id: &Segment) -> Result<FileInfo, Refusal> {
    // The device may be gone, or not be there yet: then the ID must be exact.
    let id = match split_id(store, id).await? {
        Some((found, command_key)) => format!("{}:{command_key}", found.id),
        None => id.text.clone(),
    };
    let find = Find { filter: Query::equal("_id", id), limit: Some(1), ..Find::default() };
    let document = store.find(Listing::Uploads, find).await?.next().await.ok_or(Refusal::NotFound)??;
    let name = document.get("filename").and_then(Json::as_str).ok_or(Refusal::NotFound)?;
    store.get_file(name).await?.ok_or(Refusal::NotFound)
}

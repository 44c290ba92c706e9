//! Files that devices sent. What is in them is the device's: it may be anything, and it may be secret.

use hyper::StatusCode;
use store::ScopedStore;

use super::devices::split_id;
use super::target::Segment;
use crate::answer::{Answer, Refusal};
use crate::files::content::{self, StoredFile};

/// GET `/uploads/<device>:<command key>/content`
pub async fn content(store: &ScopedStore, id: &Segment, reveal: bool, is_head: bool) -> Result<Answer, Refusal> {
    if !reveal {
        let message = "what devices sent may hold secrets: it is for those with `reveal`";
        return Err(Refusal::Forbidden(message.to_owned()));
    }
    let id = upload_id(store, id).await?;
    let file = store.get_upload(&id).await?.ok_or(Refusal::NotFound)?;
    let (length, name) = (file.length, file.metadata.name.clone());
    let sent_as = name.rsplit('/').next().unwrap_or_default().to_owned();
    // hyper sends no body in answer to HEAD.
    let wanted = if is_head { 0 } else { length };
    let body = content::body(StoredFile { store: store.unscoped().clone(), file }, name, 0, wanted, None);
    Ok(Answer::attachment(body, &sent_as, length))
}

/// DELETE `/uploads/<device>:<command key>`
pub async fn delete(store: &ScopedStore, id: &Segment) -> Result<Answer, Refusal> {
    let id = upload_id(store, id).await?;
    if store.delete_upload(&id).await? { Ok(Answer::empty(StatusCode::OK)) } else { Err(Refusal::NotFound) }
}

async fn upload_id(store: &ScopedStore, id: &Segment) -> Result<String, Refusal> {
    // The device may be gone, or not be there yet: then the ID must be exact.
    Ok(match split_id(store, id).await? {
        Some((found, command_key)) => format!("{}:{command_key}", found.id),
        None => id.text.clone(),
    })
}

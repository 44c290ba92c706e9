//! Files for devices: stored as they arrive, described by headers. Devices fetch them from the file server, not from here.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body as HttpBody;
use hyper::header::HeaderMap;
use store::{FileMetadata, ScopedStore};

use super::lists::View;
use super::{BODY_TIMEOUT, BodyError};
use crate::answer::{Answer, Refusal};

/// GET `/files/<name>`: the description.
pub async fn get(store: &ScopedStore, name: &str, view: &View) -> Result<Answer, Refusal> {
    match store.get_file(name).await? {
        Some(file) => Ok(Answer::json(StatusCode::OK, &view.show(file.document()))),
        None => Err(Refusal::NotFound),
    }
}

/// PUT `/files/<name>`, with the headers `fileType`, `oui`, `productClass` and `version`. A file of that name is replaced, once
/// the new one is complete.
pub async fn put<B>(
    store: &ScopedStore,
    name: &str,
    headers: &HeaderMap,
    mut body: B,
    limit: u64,
) -> Result<Answer, Refusal>
where
    B: HttpBody<Data = Bytes, Error: BodyError> + Unpin,
{
    if name.trim().is_empty() {
        return Err(Refusal::BadRequest("Error: the name is empty".to_owned()));
    }
    let text = |header: &str| {
        let value = headers.get(header).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        value.unwrap_or_default()
    };
    let metadata = FileMetadata {
        name: name.to_owned(),
        file_type: text("filetype"),
        oui: text("oui"),
        product_class: text("productclass"),
        version: text("version"),
        uploaded_at: chrono::Utc::now().timestamp_millis(),
        upload: None,
    };
    let mut file = store.create_file(metadata).await?;
    let mut length = 0;
    loop {
        let frame = tokio::time::timeout(BODY_TIMEOUT, body.frame()).await.map_err(|_| Refusal::Timeout)?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Refusal::BadRequest(format!("Error: the file ended early: {error}")))?;
        let Ok(bytes) = frame.into_data() else { continue };
        length += bytes.len() as u64;
        if length > limit {
            return Err(Refusal::TooLarge(limit));
        }
        file.write(&bytes).await?;
    }
    file.finish().await?;
    Ok(Answer::empty(StatusCode::CREATED))
}

/// DELETE `/files/<name>`
pub async fn delete(store: &ScopedStore, name: &str) -> Result<Answer, Refusal> {
    match store.delete_file(name).await? {
        true => Ok(Answer::empty(StatusCode::OK)),
        false => Err(Refusal::NotFound),
    }
}

//! Receiving files from devices: once per transfer, no larger than allowed, and within the space that is set apart for them.
//!
//! A file is stored when it is whole; of one that breaks off nothing remains. What devices send is never served from here.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acs_core::query::Query;
use acs_core::transfer::MovementReport;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body as HttpBody;
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use serde_json::Value as Json;
use store::{FileMetadata, Find, Listing, Store, StoreError, UploadOrigin, UploadUsage};
use tokio::time::{Instant, timeout, timeout_at};

use super::Grant;
use super::progress::note;

/// How long a device may be silent while it sends.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take for a whole file.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How much devices may send, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// The largest file.
    pub file_bytes: u64,
    /// All stored files of a device together.
    pub device_bytes: u64,
    /// All stored files of all devices together.
    pub total_bytes: u64,
}

impl Default for UploadLimits {
    /// 64 MiB, 256 MiB, 10 GiB.
    fn default() -> UploadLimits {
        UploadLimits { file_bytes: 64 << 20, device_bytes: 256 << 20, total_bytes: 10 << 30 }
    }
}

/// Why a file is not received.
#[derive(Debug, thiserror::Error)]
pub enum Unwanted {
    /// 403
    #[error("the transfer has brought a file already")]
    AlreadySent,
    /// 409
    #[error("the file is being sent at this moment")]
    UnderWay,
    /// 400
    #[error("a part of a file cannot be sent alone (Content-Range)")]
    Partial,
    /// 415
    #[error("the file must be the body itself, not a part of a form")]
    Form,
    /// 413
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// 507
    #[error("the files of the device would be larger than {0} bytes together; delete some")]
    DeviceIsFull(u64),
    /// 507
    #[error("the files of all devices would be larger than {0} bytes together; delete some")]
    StoreIsFull(u64),
    /// 408
    #[error("the device stopped sending, or took too long")]
    TooSlow,
    /// 400
    #[error("the file ended early: {0}")]
    Broken(String),
    /// 500
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unwanted {
    /// How a device is told.
    pub fn status(&self) -> StatusCode {
        match self {
            Unwanted::AlreadySent => StatusCode::FORBIDDEN,
            Unwanted::UnderWay => StatusCode::CONFLICT,
            Unwanted::Partial | Unwanted::Broken(_) => StatusCode::BAD_REQUEST,
            Unwanted::Form => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Unwanted::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Unwanted::DeviceIsFull(_) | Unwanted::StoreIsFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            Unwanted::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Unwanted::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Receives files.
pub struct Receiver {
    store: Arc<dyn Store>,
    limits: UploadLimits,
    /// Bytes that came so far of files that are under way, by device and command key.
    under_way: Mutex<HashMap<(String, String), u64>>,
}

impl Receiver {
    /// Into this store.
    pub fn new(store: Arc<dyn Store>, limits: UploadLimits) -> Receiver {
        Receiver { store, limits, under_way: Mutex::default() }
    }

    /// Receives a file, and notes it in the transfer's record. Returns its length. `now` is in milliseconds since the Unix epoch.
    pub async fn receive<B>(
        &self,
        grant: &Grant,
        headers: &HeaderMap,
        body: B,
        remote_address: String,
        now: i64,
    ) -> Result<u64, Unwanted>
    where
        B: HttpBody<Data = Bytes, Error: Error> + Unpin,
    {
        let outcome = self.store_file(grant, headers, body, now).await;
        let (status, length) = match &outcome {
            Ok(length) => (StatusCode::CREATED, Some(*length)),
            Err(unwanted) => (unwanted.status(), None),
        };
        // A used URL that comes again must not spoil the record of its use.
        if !matches!(outcome, Err(Unwanted::AlreadySent | Unwanted::UnderWay)) {
            let report = MovementReport {
                at: now,
                is_upload: true,
                is_new_request: true,
                status: status.as_u16(),
                remote_address,
                part: (0, length.unwrap_or(0)),
                length,
            };
            note(&*self.store, &grant.device_id, &grant.command_key, report).await;
        }
        outcome
    }

    async fn store_file<B>(&self, grant: &Grant, headers: &HeaderMap, mut body: B, now: i64) -> Result<u64, Unwanted>
    where
        B: HttpBody<Data = Bytes, Error: Error> + Unpin,
    {
        check_headers(headers)?;
        let place = self.begin(grant)?;
        let origin = UploadOrigin { device: grant.device_id.clone(), command_key: grant.command_key.clone() };
        let name = format!("{}{}", origin.folder(), grant.file_name);
        let record = self.record(grant).await?;
        if self.store.get_file(&name).await?.is_some() || record["movement"]["complete"] == true {
            return Err(Unwanted::AlreadySent);
        }
        let usage = self.store.upload_usage(&grant.device_id).await?;
        // What says beforehand that it is too large need not be sent at all.
        place.grow(body.size_hint().exact().unwrap_or(0), usage)?;
        place.set(0);
        let metadata = FileMetadata {
            name,
            file_type: record["fileType"].as_str().unwrap_or_default().to_owned(),
            uploaded_at: now,
            upload: Some(origin),
            ..FileMetadata::default()
        };
        let mut file = self.store.create_file(metadata).await?;
        let deadline = Instant::now() + LONGEST;
        loop {
            let frame = timeout_at(deadline, timeout(SILENCE, body.frame())).await;
            let Some(frame) = frame.map_err(|_| Unwanted::TooSlow)?.map_err(|_| Unwanted::TooSlow)? else { break };
            let frame = frame.map_err(|error| Unwanted::Broken(error.to_string()))?;
            let Ok(bytes) = frame.into_data() else { continue };
            place.grow(bytes.len() as u64, usage)?;
            file.write(&bytes).await?;
        }
        // Others may have ended meanwhile.
        place.grow(0, self.store.upload_usage(&grant.device_id).await?)?;
        Ok(file.finish().await?.length)
    }

    /// What is known of the transfer; null when the session that asked for the file is not over yet.
    async fn record(&self, grant: &Grant) -> Result<Json, StoreError> {
        let id = format!("{}:{}", grant.device_id, grant.command_key);
        let find = Find { filter: Query::equal("_id", id), limit: Some(1), ..Find::default() };
        let found = self.store.find(Listing::Transfers, find).await?.next().await;
        found.unwrap_or(Ok(Json::Null))
    }

    fn begin(&self, grant: &Grant) -> Result<Place<'_>, Unwanted> {
        let key = (grant.device_id.clone(), grant.command_key.clone());
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.contains_key(&key) {
            return Err(Unwanted::UnderWay);
        }
        under_way.insert(key.clone(), 0);
        Ok(Place { receiver: self, key })
    }
}

/// A file under way. It counts until it is dropped.
struct Place<'a> {
    receiver: &'a Receiver,
    key: (String, String),
}

impl Place<'_> {
    /// Takes further bytes, if there is room beside what is stored and what else is under way.
    fn grow(&self, bytes: u64, stored: UploadUsage) -> Result<(), Unwanted> {
        let UploadLimits { file_bytes, device_bytes, total_bytes } = self.receiver.limits;
        let mut under_way = self.receiver.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let length = under_way.get(&self.key).copied().unwrap_or(0).saturating_add(bytes);
        under_way.insert(self.key.clone(), length);
        if length > file_bytes {
            return Err(Unwanted::TooLarge(file_bytes));
        }
        let of_device: u64 =
            under_way.iter().filter(|((device, _), _)| *device == self.key.0).map(|(_, bytes)| bytes).sum();
        if stored.device_bytes.saturating_add(of_device) > device_bytes {
            return Err(Unwanted::DeviceIsFull(device_bytes));
        }
        if stored.total_bytes.saturating_add(under_way.values().sum()) > total_bytes {
            return Err(Unwanted::StoreIsFull(total_bytes));
        }
        Ok(())
    }

    fn set(&self, bytes: u64) {
        let mut under_way = self.receiver.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(self.key.clone(), bytes);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.receiver.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Unwanted> {
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Unwanted::Partial);
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Err(Unwanted::Form);
    }
    Ok(())
}

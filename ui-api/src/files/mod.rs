//! The file server, from which devices fetch firmware and configuration files.
//!
//! Files are streamed from the store, never held in memory. Only signed paths are served ([`signature`]); without a good one every
//! path answers 404, so that names cannot be guessed. Not here: uploading (`nbi`), and telling devices to fetch (the engine).

mod range;
mod signature;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use store::{FileInfo, Store, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::answer::Body;
use crate::connection;
use range::Wanted;
pub use signature::{Grant, PathRefusal, UrlSigner};

/// Serves a store's files.
pub struct FileServer {
    store: Arc<dyn Store>,
    signer: UrlSigner,
    clock: fn() -> i64,
}

impl FileServer {
    /// `clock` gives the time in milliseconds since the Unix epoch.
    pub fn new(store: Arc<dyn Store>, signer: UrlSigner, clock: fn() -> i64) -> FileServer {
        FileServer { store, signer, clock }
    }

    async fn answer<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED);
            refused.headers_mut().insert(hyper::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let grant = match self.signer.read(request.uri().path(), (self.clock)()) {
            Ok(grant) => grant,
            Err(reason) => {
                tracing::info!(target: "files", %peer, %reason, "refused");
                return plain(StatusCode::NOT_FOUND);
            }
        };
        let file = match self.store.get_file(&grant.file_name).await {
            Ok(Some(file)) => file,
            Ok(None) => {
                tracing::warn!(target: "files", %peer, device = grant.device_id, file = grant.file_name, "no such file");
                return plain(StatusCode::NOT_FOUND);
            }
            Err(error) => {
                tracing::error!(target: "files", %peer, %error, "the file could not be looked up");
                return plain(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        let response = self.file(&file, request.method() == Method::HEAD, request.headers());
        tracing::info!(
            target: "files", %peer, device = grant.device_id, file = grant.file_name, status = response.status().as_u16(), "request"
        );
        response
    }

    fn file(&self, file: &FileInfo, is_head: bool, headers: &HeaderMap) -> Response<Body> {
        let tag = format!("\"{}\"", file.sha256);
        let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let is_listed =
            |list: &str| list.split(',').any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == tag);
        if header(IF_MATCH).is_some_and(|list| !is_listed(list)) {
            return plain(StatusCode::PRECONDITION_FAILED);
        }
        if header(IF_NONE_MATCH).is_some_and(is_listed) {
            return with_tag(plain(StatusCode::NOT_MODIFIED), &tag);
        }
        // A range of a file that has changed since would not fit what the device has.
        let is_current = header(IF_RANGE).is_none_or(|expected| expected == tag);
        let wanted = header(RANGE).filter(|_| is_current).map_or(Wanted::Whole, |text| range::read(text, file.length));
        let (status, first, length) = match wanted {
            Wanted::Whole => (StatusCode::OK, 0, file.length),
            Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Wanted::Unsatisfiable => {
                let mut refused = with_tag(plain(StatusCode::RANGE_NOT_SATISFIABLE), &tag);
                insert(refused.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", file.length));
                return refused;
            }
        };
        let body = if is_head {
            Empty::new().map_err(|never| match never {}).boxed_unsync()
        } else {
            self.content(file, first, length)
        };
        let mut response = with_tag(Response::new(body), &tag);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert(headers, CONTENT_LENGTH, &length.to_string());
        if status == StatusCode::PARTIAL_CONTENT {
            insert(headers, CONTENT_RANGE, &format!("bytes {first}-{}/{}", first + length - 1, file.length));
        }
        if let Some(time) = chrono::DateTime::from_timestamp_millis(file.metadata.uploaded_at) {
            insert(headers, LAST_MODIFIED, &time.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        response
    }

    /// The bytes, read from the store as the connection takes them.
    fn content(&self, file: &FileInfo, first: u64, length: u64) -> Body {
        let store = self.store.clone();
        let state = (store, file.clone(), first, length);
        let frames = stream::try_unfold(state, |(store, file, at, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let bytes = store.read_file(&file, at, left).await?.filter(|bytes| !bytes.is_empty());
            // Replaced while it was being sent: the device must not get a mixture.
            let bytes = bytes.ok_or_else(|| StoreError::Damaged {
                what: file.metadata.name.clone(),
                reason: "it was replaced while it was being sent".to_owned(),
            })?;
            let count = bytes.len() as u64;
            let frame = Frame::data(Bytes::from(bytes));
            Ok::<_, StoreError>(Some((frame, (store, file, at + count, left.saturating_sub(count)))))
        });
        StreamBody::new(frames).boxed_unsync()
    }
}

/// Serves files until `shutdown`.
///
/// # Errors
/// The listener has no address.
pub async fn serve_files(
    listener: TcpListener,
    files: Arc<FileServer>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    connection::serve(listener, shutdown, move |request, peer| {
        let files = files.clone();
        async move { files.answer(request, peer).await }
    })
    .await
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn with_tag(mut response: Response<Body>, tag: &str) -> Response<Body> {
    insert(response.headers_mut(), ETAG, tag);
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

//! The file server, from which devices fetch firmware and configuration files, and to which they send theirs.
//!
//! ```text
//!  signature    what a path allows, and until when
//!    └ mod        one request: who, what, and the answer's headers
//!        ├ conditions   is what the device has still current
//!        ├ range        which part it wants
//!        ├ content      the bytes, chunk by chunk
//!        │   └ progress   what of them went out, for the transfer's record
//!        └ receive      files from devices
//! ```
//!
//! A path that is not signed is answered 404 whether there is such a file or not, so that names cannot be guessed; unless plain paths
//! are allowed. Paths are names: there are no directories, and nothing is read but the store. Not here: where files come from (`nbi`),
//! and telling devices to fetch and to send (the engine).

mod conditions;
pub(crate) mod content;
mod progress;
mod range;
mod receive;
mod signature;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use acs_core::transfer::MovementReport;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Body as HttpBody;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use store::{FileInfo, Store, StoreError};
use tls::TlsServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::answer::Body;
use crate::connection;
use conditions::{Verdict, Version};
use content::StoredFile;
use progress::Progress;
use range::Wanted;
pub use receive::UploadLimits;
use receive::{Receiver, Unwanted};
pub use signature::{Direction, Grant, PathRefusal, UrlSigner, content_mark};

/// Serves a store's files, and receives devices'.
pub struct FileServer {
    store: Arc<dyn Store>,
    signer: UrlSigner,
    receiver: Receiver,
    serves_plain_paths: bool,
    clock: fn() -> i64,
}

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
enum Denial {
    #[error(transparent)]
    Path(#[from] PathRefusal),
    #[error("the method is not allowed here; {0} would be")]
    Method(&'static str),
    #[error("there is no such file")]
    Missing,
    #[error("the file has been replaced, or came to be, since the path was made")]
    Replaced,
    #[error(transparent)]
    Unwanted(#[from] Unwanted),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Denial {
    fn response(&self) -> Response<Body> {
        let status = match self {
            Denial::Path(PathRefusal::Forged | PathRefusal::Expired) => StatusCode::FORBIDDEN,
            Denial::Path(PathRefusal::Unsigned) | Denial::Missing | Denial::Replaced => StatusCode::NOT_FOUND,
            Denial::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Denial::Unwanted(unwanted) => unwanted.status(),
            Denial::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut response = empty(status);
        match self {
            Denial::Method(allowed) => insert(response.headers_mut(), ALLOW, allowed),
            // What remains of the body is not read.
            Denial::Unwanted(_) => insert(response.headers_mut(), CONNECTION, "close"),
            _ => {}
        }
        response
    }
}

impl FileServer {
    /// `clock` gives the time in milliseconds since the Unix epoch.
    pub fn new(store: Arc<dyn Store>, signer: UrlSigner, clock: fn() -> i64) -> FileServer {
        let receiver = Receiver::new(store.clone(), UploadLimits::default());
        FileServer { store, signer, receiver, serves_plain_paths: false, clock }
    }

    /// The same that also serves `/<file name>` to whoever asks.
    #[must_use]
    pub fn with_plain_paths(self) -> FileServer {
        FileServer { serves_plain_paths: true, ..self }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_upload_limits(self, limits: UploadLimits) -> FileServer {
        FileServer { receiver: Receiver::new(self.store.clone(), limits), ..self }
    }

    async fn answer<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Error> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let grant = self.signer.read(parts.uri.path(), (self.clock)());
        let (device, file) = match &grant {
            Ok(grant) => (grant.device_id.as_str(), grant.file_name.as_str()),
            Err(_) => ("", ""),
        };
        let method = &parts.method;
        match self.handle(&parts, body, &grant, peer).await {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::info!(target: "files", %peer, device, file, %method, status, "request");
                response
            }
            Err(denial) => {
                let response = denial.response();
                let status = response.status().as_u16();
                match denial {
                    Denial::Store(_) | Denial::Unwanted(Unwanted::Store(_)) => {
                        tracing::error!(target: "files", %peer, device, file, %method, status, "failed: {denial}")
                    }
                    // The noise of a public address.
                    Denial::Path(PathRefusal::Unsigned) | Denial::Method(_) => {
                        tracing::info!(target: "files", %peer, %method, status, "refused: {denial}");
                    }
                    _ => tracing::warn!(target: "files", %peer, device, file, %method, status, "refused: {denial}"),
                }
                response
            }
        }
    }

    async fn handle<B>(
        &self,
        parts: &Parts,
        body: B,
        grant: &Result<Grant, PathRefusal>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Denial>
    where
        B: HttpBody<Data = Bytes, Error: Error> + Unpin,
    {
        let is_upload = match grant {
            Ok(grant) => grant.direction == Direction::Send,
            Err(_) => parts.uri.path().starts_with("/u/") && !self.serves_plain_paths,
        };
        let is_allowed = match parts.method {
            Method::GET | Method::HEAD => !is_upload,
            Method::PUT | Method::POST => is_upload,
            _ => false,
        };
        match grant {
            _ if !is_allowed => Err(Denial::Method(if is_upload { "PUT, POST" } else { "GET, HEAD" })),
            Ok(grant) if is_upload => {
                let remote = peer.ip().to_canonical().to_string();
                let length = self.receiver.receive(grant, &parts.headers, body, remote, (self.clock)()).await?;
                tracing::info!(target: "files", %peer, device = grant.device_id, length, "received {:?}", grant.file_name);
                Ok(empty(StatusCode::CREATED))
            }
            Ok(grant) => self.serve(parts, Some(grant), &grant.file_name, peer).await,
            Err(PathRefusal::Unsigned) if self.serves_plain_paths => {
                let name = percent_decode_str(parts.uri.path().trim_start_matches('/')).decode_utf8();
                self.serve(parts, None, &name.map_err(|_| PathRefusal::Unsigned)?, peer).await
            }
            Err(refusal) => Err((*refusal).into()),
        }
    }

    /// Answers GET and HEAD.
    async fn serve(
        &self,
        parts: &Parts,
        grant: Option<&Grant>,
        name: &str,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Denial> {
        // HEAD fetches nothing: there is nothing to record.
        let fetching = grant.filter(|_| parts.method != Method::HEAD);
        let file = match self.find(grant, name).await {
            Ok(file) => file,
            Err(denial) => {
                let report = report(denial.response().status(), peer, 0, None);
                let _ = self.progress(fetching, report).await;
                return Err(denial);
            }
        };
        let (mut response, part) = reply(&file, parts);
        let first = part.map_or(0, |(first, _)| first);
        let progress = self.progress(fetching, report(response.status(), peer, first, Some(file.length))).await;
        if let Some((first, length)) = part {
            let name = file.metadata.name.clone();
            let source = StoredFile { store: self.store.clone(), file };
            *response.body_mut() = content::body(source, name, first, length, progress);
        }
        Ok(response)
    }

    async fn find(&self, grant: Option<&Grant>, name: &str) -> Result<FileInfo, Denial> {
        let file = self.store.get_file(name).await?.ok_or(Denial::Missing)?;
        // What a device sent is never replaced.
        let mark = if file.metadata.upload.is_some() { "" } else { content_mark(&file.sha256) };
        if grant.is_some_and(|grant| grant.content != mark) { Err(Denial::Replaced) } else { Ok(file) }
    }

    /// Tells the transfer's record that an answer begins.
    async fn progress(&self, grant: Option<&Grant>, report: MovementReport) -> Option<Progress> {
        let grant = grant?;
        let transfer = (grant.device_id.clone(), grant.command_key.clone());
        Some(Progress::begin(self.store.clone(), transfer, self.clock, report).await)
    }
}

/// An answer that begins at a place of a file.
fn report(status: StatusCode, peer: SocketAddr, first: u64, length: Option<u64>) -> MovementReport {
    MovementReport {
        at: 0,
        is_upload: false,
        is_new_request: true,
        status: status.as_u16(),
        remote_address: peer.ip().to_canonical().to_string(),
        part: (first, first),
        length,
    }
}

/// The answer for a file, still without a body, and what that is to be: where it begins, and its length.
fn reply(file: &FileInfo, parts: &Parts) -> (Response<Body>, Option<(u64, u64)>) {
    let version = Version::new(&file.sha256, file.metadata.uploaded_at);
    let (mut response, part) = match version.judge(&parts.headers) {
        Verdict::Proceed => content_reply(file.length, parts, version.is_continued(&parts.headers)),
        Verdict::NotModified => (empty(StatusCode::NOT_MODIFIED), None),
        Verdict::Failed => (empty(StatusCode::PRECONDITION_FAILED), None),
    };
    insert(response.headers_mut(), ETAG, &version.tag);
    insert(response.headers_mut(), LAST_MODIFIED, &httpdate::fmt_http_date(version.modified));
    (response, part)
}

fn content_reply(whole: u64, parts: &Parts, is_continued: bool) -> (Response<Body>, Option<(u64, u64)>) {
    let is_head = parts.method == Method::HEAD;
    // Only GET has ranges (RFC 9110 §14.2), and a range of another version would not fit what the device has.
    let range = parts.headers.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| is_continued && !is_head);
    let (status, first, length) = match range.map_or(Wanted::Whole, |text| range::read(text, whole)) {
        Wanted::Whole => (StatusCode::OK, 0, whole),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Unsatisfiable => {
            let mut refused = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            insert(refused.headers_mut(), CONTENT_RANGE, &format!("bytes */{whole}"));
            return (refused, None);
        }
    };
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, CONTENT_LENGTH, &length.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        insert(headers, CONTENT_RANGE, &format!("bytes {first}-{}/{whole}", first + length - 1));
    }
    (response, (!is_head).then_some((first, length)))
}

/// Serves files until `shutdown`, by TLS when there is a certificate.
///
/// # Errors
/// The listener has no address.
pub async fn serve_files(
    listener: TcpListener,
    tls: Option<Arc<TlsServer>>,
    files: Arc<FileServer>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    connection::serve(listener, tls, shutdown, move |request, peer| {
        let files = files.clone();
        async move { files.answer(request, peer).await }
    })
    .await
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

//! The file server, from which devices fetch firmware and configuration files.
//!
//! ```text
//!  signature    what a path allows, and until when
//!    └ mod        one request: who, what, and the answer's headers
//!        ├ conditions   is what the device has still current
//!        ├ range        which part it wants
//!        └ content      the bytes, chunk by chunk
//! ```
//!
//! A path that is not signed is answered 404 whether there is such a file or not, so that names cannot be guessed; unless plain paths
//! are allowed. Paths are names: there are no directories, and nothing is read but the store. Not here: where files come from (`nbi`),
//! and telling devices to fetch (the engine).

mod conditions;
mod content;
mod range;
mod signature;

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use store::{FileInfo, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::answer::Body;
use crate::connection;
use conditions::{Verdict, Version};
use content::StoredFile;
use range::Wanted;
pub use signature::{Direction, Grant, PathRefusal, UrlSigner, content_mark};

/// Serves a store's files.
pub struct FileServer {
    store: Arc<dyn Store>,
    signer: UrlSigner,
    serves_plain_paths: bool,
    clock: fn() -> i64,
}

/// Why a file is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Denial {
    #[error(transparent)]
    Path(#[from] PathRefusal),
    #[error("the path is for sending a file, not for fetching one")]
    OtherDirection,
    #[error("there is no such file")]
    Missing,
    #[error("the file has been replaced since the path was made")]
    Replaced,
}

impl Denial {
    fn status(self) -> StatusCode {
        match self {
            Denial::Path(PathRefusal::Forged | PathRefusal::Expired) | Denial::OtherDirection => StatusCode::FORBIDDEN,
            Denial::Path(PathRefusal::Unsigned) | Denial::Missing | Denial::Replaced => StatusCode::NOT_FOUND,
        }
    }
}

impl FileServer {
    /// `clock` gives the time in milliseconds since the Unix epoch.
    pub fn new(store: Arc<dyn Store>, signer: UrlSigner, clock: fn() -> i64) -> FileServer {
        FileServer { store, signer, serves_plain_paths: false, clock }
    }

    /// The same that also serves `/<file name>` to whoever asks.
    #[must_use]
    pub fn with_plain_paths(self) -> FileServer {
        FileServer { serves_plain_paths: true, ..self }
    }

    async fn answer<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let allowed = self.allow(request.uri().path());
        let (device, name) = match &allowed {
            Ok((grant, name)) => (grant.as_ref().map_or("", |grant| grant.device_id.as_str()), name.as_str()),
            Err(_) => ("", ""),
        };
        let found = match &allowed {
            Ok((grant, name)) => self.find(grant.as_ref(), name).await,
            Err(refusal) => Ok(Err(Denial::Path(*refusal))),
        };
        let response = match found {
            Ok(Ok(file)) => self.serve(file, request.method() == Method::HEAD, request.headers()),
            Ok(Err(denial)) => {
                tracing::warn!(target: "files", %peer, device, file = name, "refused: {denial}");
                empty(denial.status())
            }
            Err(error) => {
                tracing::error!(target: "files", %peer, device, file = name, %error, "the file could not be looked up");
                empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        let status = response.status().as_u16();
        tracing::info!(target: "files", %peer, device, file = name, method = %request.method(), status, "request");
        response
    }

    /// The file that a path names, and what a signed one says.
    fn allow(&self, path: &str) -> Result<(Option<Grant>, String), PathRefusal> {
        match self.signer.read(path, (self.clock)()) {
            Ok(grant) => {
                let name = grant.file_name.clone();
                Ok((Some(grant), name))
            }
            Err(PathRefusal::Unsigned) if self.serves_plain_paths => {
                let name = percent_decode_str(path.trim_start_matches('/')).decode_utf8();
                Ok((None, name.map_err(|_| PathRefusal::Unsigned)?.into_owned()))
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn find(&self, grant: Option<&Grant>, name: &str) -> Result<Result<FileInfo, Denial>, store::StoreError> {
        if grant.is_some_and(|grant| grant.direction == Direction::Send) {
            return Ok(Err(Denial::OtherDirection));
        }
        let Some(file) = self.store.get_file(name).await? else { return Ok(Err(Denial::Missing)) };
        let is_other = grant.is_some_and(|grant| grant.content != content_mark(&file.sha256));
        Ok(if is_other { Err(Denial::Replaced) } else { Ok(file) })
    }

    fn serve(&self, file: FileInfo, is_head: bool, headers: &HeaderMap) -> Response<Body> {
        let version = Version::new(&file.sha256, file.metadata.uploaded_at);
        let mut response = match version.judge(headers) {
            Verdict::Proceed => self.content(file, is_head, headers, version.is_continued(headers)),
            Verdict::NotModified => empty(StatusCode::NOT_MODIFIED),
            Verdict::Failed => empty(StatusCode::PRECONDITION_FAILED),
        };
        insert(response.headers_mut(), ETAG, &version.tag);
        insert(response.headers_mut(), LAST_MODIFIED, &httpdate::fmt_http_date(version.modified));
        response
    }

    fn content(&self, file: FileInfo, is_head: bool, headers: &HeaderMap, is_continued: bool) -> Response<Body> {
        let whole = file.length;
        // Only GET has ranges (RFC 9110 §14.2), and a range of another version would not fit what the device has.
        let range = headers.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| is_continued && !is_head);
        let (status, first, length) = match range.map_or(Wanted::Whole, |text| range::read(text, whole)) {
            Wanted::Whole => (StatusCode::OK, 0, whole),
            Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Wanted::Unsatisfiable => {
                let mut refused = empty(StatusCode::RANGE_NOT_SATISFIABLE);
                insert(refused.headers_mut(), CONTENT_RANGE, &format!("bytes */{whole}"));
                return refused;
            }
        };
        let mut response = empty(status);
        if !is_head {
            let name = file.metadata.name.clone();
            *response.body_mut() = content::body(StoredFile { store: self.store.clone(), file }, name, first, length);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert(headers, CONTENT_LENGTH, &length.to_string());
        if status == StatusCode::PARTIAL_CONTENT {
            insert(headers, CONTENT_RANGE, &format!("bytes {first}-{}/{whole}", first + length - 1));
        }
        response
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

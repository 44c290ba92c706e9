//! Answers of the HTTP interfaces: bodies, reason phrases, and refusals.

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use store::{ScopedError, StoreError};

/// A body, at once or as a stream. A stream that fails cuts the connection, so that nobody takes half an answer for a whole one.
pub type Body = UnsyncBoxBody<Bytes, StoreError>;

/// Says again, as a header, what the reason phrase says; HTTP libraries often hide the phrase.
pub const REASON_HEADER: HeaderName = HeaderName::from_static("lodestar-reason");

/// An answer while it is built.
#[derive(Debug)]
pub struct Answer(Response<Body>);

impl Answer {
    /// A status without a body.
    pub fn empty(status: StatusCode) -> Answer {
        Answer::with(status, None, Bytes::new())
    }

    /// Text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Answer {
        Answer::with(status, Some("text/plain; charset=utf-8"), text.into().into())
    }

    /// A JSON document.
    pub fn json(status: StatusCode, document: &Json) -> Answer {
        Answer::with(status, Some("application/json"), document.to_string().into())
    }

    /// Bytes that are written while they are read, as a file to be saved: never to be shown or run.
    pub fn attachment(body: Body, name: &str, length: u64) -> Answer {
        let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
        Answer(Response::new(body))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, &length.to_string())
            .header(header::CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{encoded}"))
            .header(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'")
    }

    /// What is written while it is read.
    pub fn stream(
        content_type: &'static str,
        stream: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static,
    ) -> Answer {
        use futures_util::StreamExt;
        let body = StreamBody::new(stream.map(|piece| piece.map(Frame::data)));
        Answer(Response::new(UnsyncBoxBody::new(body))).header(header::CONTENT_TYPE, content_type)
    }

    fn with(status: StatusCode, content_type: Option<&'static str>, bytes: Bytes) -> Answer {
        let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let answer = Answer(response);
        match content_type {
            Some(content_type) => answer.header(header::CONTENT_TYPE, content_type),
            None => answer,
        }
    }

    /// Adds a header. What a header cannot hold is replaced by `?`.
    pub fn header(mut self, name: HeaderName, value: &str) -> Answer {
        if let Ok(value) = HeaderValue::from_str(&plain(value)) {
            self.0.headers_mut().append(name, value);
        }
        self
    }

    /// Adds a warning (RFC 7234 §5.5, code 199: for people).
    pub fn warning(self, text: &str) -> Answer {
        let quoted = text.replace(['"', '\\'], "'");
        self.header(header::WARNING, &format!("199 Lodestar \"{quoted}\""))
    }

    /// Adds warnings, the first few of them.
    pub fn warnings(self, texts: impl IntoIterator<Item = String>) -> Answer {
        texts.into_iter().take(10).fold(self, |answer, text| answer.warning(&text))
    }

    /// Sets the reason phrase of the status line, and the header that repeats it.
    pub fn reason(mut self, phrase: &str) -> Answer {
        let phrase = plain(phrase);
        if let Ok(reason) = ReasonPhrase::try_from(phrase.as_bytes()) {
            self.0.extensions_mut().insert(reason);
        }
        self.header(REASON_HEADER, &phrase)
    }

    /// The response for hyper.
    pub fn into_response(self) -> Response<Body> {
        self.0
    }
}

/// One line of visible ASCII, not too long.
fn plain(text: &str) -> String {
    let visible = |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }).map(visible).take(400).collect()
}

/// Why a request is not done.
#[derive(Debug)]
pub enum Refusal {
    /// 400, with what is wrong.
    BadRequest(String),
    /// 400, with a list of `{path, severity, message}`.
    Issues(Json),
    /// 401
    Unauthorized,
    /// 403, with what would be needed.
    Forbidden(String),
    /// 404: no such route, or nothing of that name.
    NotFound,
    /// 404, with what is missing: `No such device`, `Task not found`.
    Missing(&'static str),
    /// 405, with what is allowed.
    MethodNotAllowed(String),
    /// 408: the body took too long.
    Timeout,
    /// 409, with what collides.
    Conflict(String),
    /// 413, with the limit in bytes.
    TooLarge(u64),
    /// 415: what a browser must not send.
    UnsupportedMediaType(String),
    /// 421: the Host header names nobody that is known here.
    Misdirected(String),
    /// 429, with the seconds to wait.
    TooManyFailures(u64),
    /// 503: too much at once, of what takes its time.
    Busy,
    /// 504, with what failed.
    NotReached(String),
    /// 500 or 503: the store's failure.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::NoSuchDevice(_) => Refusal::Missing("No such device"),
            StoreError::Invalid { .. } => Refusal::BadRequest(format!("Error: {error}")),
            error => Refusal::Store(error),
        }
    }
}

impl From<ScopedError> for Refusal {
    fn from(error: ScopedError) -> Refusal {
        match error {
            ScopedError::Store(error) => error.into(),
            ScopedError::Denied => Refusal::Forbidden(
                "this change is not permitted: see `validate` and `filter` of the permissions".to_owned(),
            ),
        }
    }
}

impl Refusal {
    /// The answer that says so.
    pub fn into_answer(self) -> Answer {
        match self {
            Refusal::BadRequest(message) => Answer::text(StatusCode::BAD_REQUEST, message),
            Refusal::Issues(issues) => {
                Answer::json(StatusCode::BAD_REQUEST, &serde_json::json!({ "issues": issues }))
            }
            Refusal::Unauthorized => Answer::text(
                StatusCode::UNAUTHORIZED,
                "401 Unauthorized: credentials are required: a user and password by Basic authentication, or an API key as X-API-Key, as Bearer token, or as password of Basic authentication",
            )
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"Lodestar\", charset=\"UTF-8\"")
            .header(header::WWW_AUTHENTICATE, "Bearer realm=\"Lodestar\""),
            Refusal::Forbidden(message) => Answer::text(StatusCode::FORBIDDEN, format!("403 Forbidden: {message}")),
            Refusal::NotFound => Answer::text(StatusCode::NOT_FOUND, "404 Not Found"),
            Refusal::Missing(message) => Answer::text(StatusCode::NOT_FOUND, message),
            Refusal::MethodNotAllowed(allowed) => {
                Answer::text(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed").header(header::ALLOW, &allowed)
            }
            Refusal::Timeout => Answer::text(StatusCode::REQUEST_TIMEOUT, "408 Request Timeout"),
            Refusal::Conflict(message) => Answer::text(StatusCode::CONFLICT, message),
            Refusal::TooLarge(limit) => Answer::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("413 Content Too Large: at most {limit} bytes are accepted"),
            )
            // What remains of the body is not read.
            .header(header::CONNECTION, "close"),
            Refusal::UnsupportedMediaType(message) => Answer::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message),
            Refusal::Misdirected(message) => Answer::text(StatusCode::MISDIRECTED_REQUEST, message),
            Refusal::TooManyFailures(seconds) => Answer::text(
                StatusCode::TOO_MANY_REQUESTS,
                "429 Too Many Requests: too many wrong credentials from this address, or for this user",
            )
            .header(header::RETRY_AFTER, &seconds.to_string()),
            Refusal::Busy => {
                Answer::text(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable: too many logins at once")
                    .header(header::RETRY_AFTER, "1")
            }
            Refusal::NotReached(message) => {
                Answer::text(StatusCode::GATEWAY_TIMEOUT, message.as_str()).reason(&message)
            }
            Refusal::Store(error) => {
                tracing::error!(target: "nbi", %error, "the store failed");
                let status = match error {
                    StoreError::Closed => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Answer::text(status, format!("StoreError: {error}"))
            }
        }
    }
}

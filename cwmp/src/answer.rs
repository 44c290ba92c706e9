//! Answers to devices, in the house style: Content-Length always, one plain cookie, the connection kept open unless something
//! is wrong.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::encoding::ContentCoding;

/// What the Server header says.
const SERVER: HeaderValue = HeaderValue::from_static(concat!("Lodestar/", env!("CARGO_PKG_VERSION")));
/// Answers with an envelope.
const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=\"utf-8\"");
/// Answers with a reason.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// An envelope.
    pub(crate) fn envelope(body: Vec<u8>, coding: Option<ContentCoding>) -> Answer {
        let mut headers = vec![(header::CONTENT_TYPE, XML)];
        if let Some(coding) = coding {
            headers.push((header::CONTENT_ENCODING, HeaderValue::from_static(coding.name())));
        }
        Answer { status: StatusCode::OK, body: body.into(), headers }
    }

    /// The same with another status: SOAP faults may have one of two.
    pub(crate) fn with_status(self, status: StatusCode) -> Answer {
        Answer { status, ..self }
    }

    /// Sends the device to another URL with the same request (TR-069 §3.4.6). The connection stays open.
    pub(crate) fn redirect(url: HeaderValue) -> Answer {
        Answer { status: StatusCode::TEMPORARY_REDIRECT, body: Bytes::new(), headers: vec![(header::LOCATION, url)] }
    }

    /// The end of a session, or nothing to say. The connection stays open: some devices take its end for a failure.
    pub(crate) fn empty() -> Answer {
        Answer { status: StatusCode::NO_CONTENT, body: Bytes::new(), headers: Vec::new() }
    }

    /// A refusal with its reason, after which the connection is closed.
    pub(crate) fn refusal(status: StatusCode, reason: impl Into<String>) -> Answer {
        let headers = vec![(header::CONTENT_TYPE, TEXT), (header::CONNECTION, HeaderValue::from_static("close"))];
        Answer { status, body: reason.into().into(), headers }
    }

    /// A request for credentials. The connection stays open unless this does not help.
    pub(crate) fn unauthorized(closes: bool) -> Answer {
        let mut answer = Answer::refusal(StatusCode::UNAUTHORIZED, "Unauthorized");
        if !closes {
            answer.headers.retain(|(name, _)| name != header::CONNECTION);
        }
        answer
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.push((name, value));
        self
    }

    /// The session's cookie, on each of its answers: some devices only remember the last answer's.
    pub(crate) fn with_cookie(self, cookie: Option<&HeaderValue>) -> Answer {
        match cookie {
            Some(cookie) => self.with(header::SET_COOKIE, cookie.clone()),
            None => self,
        }
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::SERVER, SERVER);
        headers.extend(self.headers);
        response
    }
}

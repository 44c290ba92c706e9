//! The router's REST interface: HTTP requests become the requests of an API session of their own, and its answers JSON.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::model::Caller;
use super::request::Request;
use super::server::Shared;
use super::session::{Said, Session};

/// What is accepted of a body.
const LARGEST: usize = 1024 * 1024;

/// Serves a connection until it ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { answer(shared, request).await }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the simulated router's REST interface has ended");
        },
        _ = cuts.changed() => {}
    }
}

/// The connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

async fn answer(
    shared: Arc<Shared>,
    request: HttpRequest<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let Some(caller) = caller(&shared, &request) else { return Ok(refused(StatusCode::UNAUTHORIZED, None)) };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Ok(body) = Limited::new(request.into_body(), LARGEST).collect().await else {
        return Ok(refused(StatusCode::BAD_REQUEST, None));
    };
    let Some(path) = path.strip_prefix("/rest").filter(|path| path.len() > 1) else {
        return Ok(refused(StatusCode::NOT_FOUND, None));
    };
    let words = match words(&method, path, &query, &body.to_bytes()) {
        Ok(words) => words,
        Err(detail) => return Ok(refused(StatusCode::BAD_REQUEST, Some(&detail))),
    };
    run(shared, caller, &method, words).await
}

/// Who asks, if the router lets them in.
fn caller(shared: &Shared, request: &HttpRequest<hyper::body::Incoming>) -> Option<Caller> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    let session = shared.next_session();
    let may = shared.router.lock().may_use_rest(user, password.as_bytes());
    may.then(|| Caller { user: user.to_owned(), session, local: false })
}

/// The words of the API that mean the same.
fn words(method: &Method, path: &str, query: &str, body: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let body: Map<String, Json> = match body {
        [] => Map::new(),
        body => serde_json::from_slice(body).map_err(|error| format!("the body is no JSON object: {error}"))?,
    };
    let (menu, item) = match path.rsplit_once('/') {
        Some((menu, item)) if item.starts_with('*') => (menu, Some(item)),
        _ => (path, None),
    };
    let verb = match (method.as_str(), item) {
        ("POST", None) => None,
        ("GET", _) => Some("print"),
        ("PUT", None) => Some("add"),
        ("PATCH", Some(_)) => Some("set"),
        ("DELETE", Some(_)) => Some("remove"),
        _ => return Err(format!("{method} is not possible there")),
    };
    let mut words = vec![verb.map_or_else(|| menu.to_owned(), |verb| format!("{menu}/{verb}")).into_bytes()];
    match (item, verb) {
        (Some(item), Some("print")) => words.push(format!("?.id={item}").into_bytes()),
        (Some(item), _) => words.push(format!("=.id={item}").into_bytes()),
        (None, _) => {}
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let decoded = percent_encoding::percent_decode_str(pair).decode_utf8_lossy().into_owned();
        words.push(if decoded.starts_with('.') { format!("={decoded}") } else { format!("?{decoded}") }.into_bytes());
    }
    for (name, value) in &body {
        match (name.as_str(), value) {
            (".query", Json::Array(queries)) => {
                words.extend(queries.iter().filter_map(Json::as_str).map(|word| format!("?{word}").into_bytes()));
            }
            (".proplist", Json::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
                words.push(format!("=.proplist={}", names.join(",")).into_bytes());
            }
            (_, Json::String(text)) => words.push(format!("={name}={text}").into_bytes()),
            (_, Json::Bool(_) | Json::Number(_)) => words.push(format!("={name}={value}").into_bytes()),
            _ => return Err(format!("{name} is no text")),
        }
    }
    Ok(words)
}

async fn run(
    shared: Arc<Shared>,
    caller: Caller,
    method: &Method,
    words: Vec<Vec<u8>>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (replies, mut said) = mpsc::unbounded_channel();
    let session = Session::of_rest(shared, caller.session, replies);
    let request = Request::read(&words);
    if !session.run_once(&caller, &request) {
        return Err(Cut);
    }
    drop(session);
    let (mut rows, mut trap) = (Vec::new(), None);
    while let Some(Said { at, sentence }) = said.recv().await {
        tokio::time::sleep_until(at).await;
        let mut words = sentence.iter();
        match words.next().map(Vec::as_slice) {
            Some(b"!re") => rows.push(object(words)),
            Some(b"!trap") => {
                trap.get_or_insert(object(words));
            }
            Some(b"!done") => {
                let end = object(words);
                let status = if *method == Method::PUT { StatusCode::CREATED } else { StatusCode::OK };
                return Ok(match trap {
                    Some(trap) => {
                        let detail = trap.get("message").and_then(Json::as_str).unwrap_or_default();
                        match detail {
                            "no such item" => refused(StatusCode::NOT_FOUND, None),
                            detail => refused(StatusCode::BAD_REQUEST, Some(detail)),
                        }
                    }
                    None if end.is_empty() => json_answer(status, &rows.into()),
                    None => json_answer(status, &Json::Object(end)),
                });
            }
            _ => {}
        }
    }
    // It restarts, for example.
    Err(Cut)
}

fn object<'w>(words: impl Iterator<Item = &'w Vec<u8>>) -> Map<String, Json> {
    let attributes = words.filter_map(|word| {
        let text = String::from_utf8_lossy(word.strip_prefix(b"=")?).into_owned();
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.into()))
    });
    attributes.collect()
}

fn refused(status: StatusCode, detail: Option<&str>) -> Response<Full<Bytes>> {
    let mut body = json!({"error": status.as_u16(), "message": status.canonical_reason().unwrap_or_default()});
    if let Some(detail) = detail {
        body["detail"] = detail.into();
    }
    json_answer(status, &body)
}

fn json_answer(status: StatusCode, body: &Json) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

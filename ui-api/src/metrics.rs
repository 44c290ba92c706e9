//! `GET /metrics`, on a listener of its own: what monitoring fetches has no credentials and must not reach anything else.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Body};
use crate::connection;

/// The content type of Prometheus' text format.
const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Knows the metrics.
#[async_trait]
pub trait MetricsSource: Send + Sync {
    /// All of them now, in Prometheus' text format.
    async fn metrics(&self) -> String;
}

/// Serves metrics until `shutdown`.
///
/// # Errors
/// The listener has no address.
pub async fn serve_metrics(
    listener: TcpListener,
    source: Arc<dyn MetricsSource>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    connection::serve(listener, None, shutdown, move |request, _| {
        let source = source.clone();
        async move { answer(&request, &*source).await }
    })
    .await
}

async fn answer(request: &Request<Incoming>, source: &dyn MetricsSource) -> Response<Body> {
    if request.uri().path().trim_end_matches('/') != "/metrics" {
        return Answer::text(StatusCode::NOT_FOUND, "404 Not Found: there is /metrics").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refused = Answer::text(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed");
        return refused.header(ALLOW, "GET, HEAD").into_response();
    }
    let mut response = Answer::text(StatusCode::OK, source.metrics().await).into_response();
    response.headers_mut().insert(CONTENT_TYPE, TEXT_FORMAT);
    response
}

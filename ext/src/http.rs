//! Extensions behind HTTP endpoints. One connection per call; redirects are not followed, so that data goes nowhere but to where
//! the configuration says. Whom `https` trusts is in `tls`.

use std::error::Error;
use std::time::Duration;

use acs_core::script::ScriptFault;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::config::{ConfigError, HttpEndpoint};
use crate::fault;
use crate::tls::Tls;

/// How much of an answer that is no success is shown.
const MAX_SHOWN: usize = 300;

/// An endpoint whose configuration was checked. `Debug` shows no header values.
#[derive(Debug)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    /// For `https`.
    tls: Option<Tls>,
    authority: HeaderValue,
    /// Path and query.
    target: Target,
    method: Method,
    headers: HeaderMap,
    timeout: Duration,
    max_output: usize,
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What follows the host in the URL; a query may hold a secret.
struct Target(String);

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.0.split('?').next().unwrap_or_default(), formatter)
    }
}

impl Endpoint {
    pub(crate) fn new(
        name: &str,
        endpoint: HttpEndpoint,
        timeout: Duration,
        max_output: usize,
    ) -> Result<Endpoint, ConfigError> {
        let bad_url = |reason: String| ConfigError::Url { endpoint: name.to_owned(), reason };
        let uri: Uri = endpoint.url.parse().map_err(|error| bad_url(format!("{error}")))?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(scheme) => return Err(bad_url(format!("the scheme must be http or https, not {scheme}"))),
            None => return Err(bad_url("it must begin with http:// or https://".to_owned())),
        };
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return Err(bad_url("it has no host".to_owned()));
        };
        if authority.as_str().contains('@') {
            return Err(bad_url("credentials belong into a header".to_owned()));
        }
        let method = match endpoint.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            _ => return Err(ConfigError::Method { endpoint: name.to_owned(), method: endpoint.method }),
        };
        let mut headers = HeaderMap::new();
        for (header, value) in &endpoint.headers {
            let bad = |reason| ConfigError::Header { endpoint: name.to_owned(), header: header.clone(), reason };
            let key = HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad("not a header name"))?;
            if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&key) {
                return Err(bad("this one cannot be set"));
            }
            let mut value = HeaderValue::from_str(value.reveal())
                .map_err(|_| bad("its value has characters that a header cannot have"))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let defaults = [(CONTENT_TYPE, "application/json"), (ACCEPT, "application/json")];
        for (key, value) in defaults {
            headers.entry(key).or_insert(HeaderValue::from_static(value));
        }
        let timeout = endpoint.timeout.unwrap_or(timeout);
        if timeout.is_zero() {
            return Err(ConfigError::Zero { limit: "timeout of an endpoint" });
        }
        // An IPv6 address stands in brackets in a URL, but not in an address to connect to.
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tls = is_https
            .then(|| Tls::new(&host, endpoint.ca_file.as_deref()))
            .transpose()
            .map_err(|reason| ConfigError::Trust { endpoint: name.to_owned(), reason })?;
        Ok(Endpoint {
            host,
            port: authority.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            tls,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|error| bad_url(error.to_string()))?,
            target: Target(uri.path_and_query().map_or("/", |target| target.as_str()).to_owned()),
            method,
            headers,
            timeout,
            max_output,
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends `{"arguments": […]}`; gives what came back.
    pub(crate) async fn call(&self, name: &str, arguments: &[Json], deadline: Instant) -> Result<Json, ScriptFault> {
        let body = json!({ "arguments": arguments }).to_string();
        match timeout_at(deadline, self.exchange(name, body)).await {
            Ok(result) => result,
            Err(_) => Err(fault::timeout(name, self.timeout)),
        }
    }

    async fn exchange(&self, name: &str, body: String) -> Result<Json, ScriptFault> {
        let fail =
            |what: &str, error: &dyn Error| fault::of(name, format_args!("its endpoint {what}: {}", chain(error)));
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| fail("cannot be reached", &error))?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => Box::new(tls.connect(stream).await.map_err(|error| fail("is not trusted", &error))?),
            None => Box::new(stream),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| fail("cannot be reached", &error))?;
        let mut request = Request::builder().method(self.method.clone()).uri(self.target.0.as_str());
        if let Some(headers) = request.headers_mut() {
            *headers = self.headers.clone();
            headers.insert(HOST, self.authority.clone());
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| fail("cannot be asked", &error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| fail("did not answer", &error))?;
            let (head, body) = response.into_parts();
            match Limited::new(body, self.max_output).collect().await {
                Ok(body) => Ok((head.status, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => {
                    let message = format_args!("its endpoint sent an answer of more than {} bytes", self.max_output);
                    Err(fault::of(name, message))
                }
                Err(error) => Err(fail("broke off its answer", &*error)),
            }
        };
        // The connection moves the bytes; it is dropped, and so closed, with this future.
        let mut answer = std::pin::pin!(answer);
        let (status, body) = tokio::select! {
            answer = &mut answer => answer?,
            // It may end first and leave what it read.
            _ = connection => answer.await?,
        };
        read_answer(name, status, &body)
    }
}

fn read_answer(name: &str, status: StatusCode, body: &[u8]) -> Result<Json, ScriptFault> {
    if status.is_success() {
        if body.trim_ascii().is_empty() {
            return Ok(Json::Null);
        }
        return serde_json::from_slice(body)
            .map_err(|error| fault::of(name, format_args!("its endpoint sent an answer that is not JSON: {error}")));
    }
    if let Ok(Json::Object(mut fields)) = serde_json::from_slice(body)
        && let Some(error @ Json::Object(_)) = fields.remove("error")
    {
        return Err(fault::reported(name, error));
    }
    let note = if status.is_redirection() { " (redirects are not followed)" } else { "" };
    let mut fault = fault::of(name, format_args!("its endpoint answered {status}{note}"));
    let shown: String = String::from_utf8_lossy(body).chars().take(MAX_SHOWN).collect();
    fault.detail = Some(json!({ "extension": name, "status": status.as_u16(), "body": shown }));
    Err(fault)
}

/// An error with its causes, which say more than the error itself.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

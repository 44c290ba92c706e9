//! A client of a running server's REST API, for commands that work on its configuration.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use ext::Tls;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the API is, and the right to use it.
pub struct NbiClient {
    host: String,
    port: u16,
    authority: String,
    /// What the URL has before the API's paths, without a slash at the end.
    prefix: String,
    tls: Option<Tls>,
    key: Option<HeaderValue>,
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl NbiClient {
    /// A client of the API at a URL. Nothing is connected to yet.
    ///
    /// # Errors
    /// The URL, the key or the certificates cannot be used.
    pub fn new(url: &str, key: Option<String>, ca: Option<&Path>) -> Result<NbiClient> {
        let uri: Uri = url.parse().with_context(|| format!("--url {url}"))?;
        let is_encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("--url {url}: it must begin with http:// or https://"),
        };
        let authority = uri.authority().ok_or_else(|| anyhow!("--url {url}: it has no host"))?;
        if authority.as_str().contains('@') {
            bail!("--url must hold no credentials: they belong into --api-key-file");
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tls = is_encrypted.then(|| Tls::new(&host, ca)).transpose().map_err(|reason| anyhow!("--url: {reason}"))?;
        let key =
            key.map(|key| HeaderValue::try_from(key).map_err(|_| anyhow!("the API key has characters that none has")));
        let mut key = key.transpose()?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(NbiClient {
            port: authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            host,
            tls,
            key,
        })
    }

    /// All documents of a collection.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, or the key may not see secrets: `***` in their place would be taken for them.
    pub async fn list(&self, collection: &str) -> Result<Vec<Json>> {
        let (headers, body) = self.request(Method::GET, &format!("/{collection}"), Bytes::new()).await?;
        if headers.contains_key("lodestar-masked") {
            bail!("the API key has no `reveal`: credentials in {collection} would be lost");
        }
        serde_json::from_slice(&body).with_context(|| format!("the answer to GET /{collection}"))
    }

    /// Stores a document.
    ///
    /// # Errors
    /// As [`NbiClient::list`]
    pub async fn put(&self, collection: &str, name: &str, document: &Json) -> Result<()> {
        self.request(Method::PUT, &path(collection, name), document.to_string().into()).await.map(|_| ())
    }

    /// Removes a document.
    ///
    /// # Errors
    /// As [`NbiClient::list`]
    pub async fn delete(&self, collection: &str, name: &str) -> Result<()> {
        self.request(Method::DELETE, &path(collection, name), Bytes::new()).await.map(|_| ())
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<(HeaderMap, Bytes)> {
        let what = format!("{method} {path} at {}", self.authority);
        let exchanged = tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await;
        let (status, headers, body) =
            exchanged.map_err(|_| anyhow!("{what}: no answer in time"))?.context(what.clone())?;
        if status.is_success() {
            return Ok((headers, body));
        }
        let text: String = String::from_utf8_lossy(&body).chars().take(2_000).collect();
        let hint = match status {
            StatusCode::UNAUTHORIZED => " (give the key with --api-key-file or LODESTAR_API_KEY)",
            _ => "",
        };
        bail!("{what}: {status}{hint}: {text}");
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => Box::new(tls.connect(stream).await?),
            None => Box::new(stream),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.prefix));
        request = request.header(HOST, self.authority.as_str()).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        let request = request.body(Full::new(body))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            Ok((head.status, head.headers, body.collect().await?.to_bytes()))
        };
        let mut answer = std::pin::pin!(answer);
        // The connection moves the bytes; it may end first and leave what it read.
        tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }
}

fn path(collection: &str, name: &str) -> String {
    format!("/{collection}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

//! A keep-alive HTTP client for one server: cookies, authentication on demand, reconnecting when the server closed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::digest::{Algorithm, Challenge, Protection, Signed, random_token};
use super::{Connection, CookieJar, Head, HttpError, TlsClient, Url};
use crate::habits::{HeaderHabit, HttpHabits};

/// User name and password; no authentication is tried when the user name is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// How a device authenticates itself, beside its habits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authentication {
    /// The hash that is preferred when several are offered.
    pub algorithm: Algorithm,
    /// What the digest covers.
    pub protection: Protection,
}

/// HTTP methods a device uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// CWMP.
    Post,
    /// Download.
    Get,
    /// Upload.
    Put,
}

/// A request's body and how it is framed.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// No body and no framing header at all.
    Unframed,
    /// With Content-Length; the content type is left out when the body is empty.
    Sized(&'a [u8]),
    /// In chunks.
    Chunked(&'a [u8]),
}

/// An answer with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Head.
    pub head: Head,
    /// Body, with chunked encoding undone.
    pub body: Vec<u8>,
}

/// The client side of one session with one server.
#[derive(Debug)]
pub struct Client {
    url: Url,
    credentials: Credentials,
    limit: Duration,
    connection: Option<Connection>,
    /// Further headers of each request.
    pub headers: Vec<(&'static str, String)>,
    /// Cookies to send.
    pub cookies: CookieJar,
    /// Whether cookies are sent back at all.
    pub send_cookies: bool,
    /// How requests are authenticated.
    pub authentication: Authentication,
    /// For `https` URLs.
    pub tls: Option<TlsClient>,
    authorization: Authorization,
    habits: HttpHabits,
    finished_sent: u64,
    finished_received: u64,
}

/// How requests are authenticated so far.
#[derive(Debug, Default)]
enum Authorization {
    #[default]
    None,
    Basic,
    Digest {
        challenge: Challenge,
        count: u32,
    },
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

impl Body<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Unframed => &[],
            Self::Sized(bytes) | Self::Chunked(bytes) => bytes,
        }
    }
}

impl Response {
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// A client for one URL; `limit` is the longest wait for connecting and for each answer.
    pub fn new(url: Url, credentials: Credentials, limit: Duration) -> Self {
        Self {
            url,
            credentials,
            limit,
            connection: None,
            headers: Vec::new(),
            cookies: CookieJar::default(),
            send_cookies: true,
            authentication: Authentication::default(),
            tls: None,
            authorization: Authorization::None,
            habits: HttpHabits::default(),
            finished_sent: 0,
            finished_received: 0,
        }
    }

    /// How it speaks from now on.
    pub fn set_habits(&mut self, habits: HttpHabits) {
        self.cookies.habit = habits.cookies;
        self.habits = habits;
    }

    /// Whether it has credentials, and no challenge to use them for yet.
    pub fn is_unchallenged(&self) -> bool {
        !self.credentials.username.is_empty() && matches!(self.authorization, Authorization::None)
    }

    /// Opens a connection and closes it again without a byte. The server has to close it in silence, too.
    pub async fn knock(&self) -> Result<(), HttpError> {
        let address = self.url.authority(false);
        in_time(self.limit, async {
            let connecting = TcpStream::connect(&address).await;
            let mut stream = connecting.map_err(|source| HttpError::Connect { address: address.clone(), source })?;
            stream.shutdown().await?;
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await?;
            if heard.is_empty() { Ok(()) } else { Err(HttpError::Malformed("bytes on a connection that said nothing")) }
        })
        .await
    }

    /// Bytes sent and received so far, over all connections.
    pub fn traffic(&self) -> (u64, u64) {
        let (sent, received) =
            self.connection.as_ref().map_or((0, 0), |connection| (connection.sent, connection.received));
        (self.finished_sent + sent, self.finished_received + received)
    }

    /// Sends the following requests to another URL, with a new connection, authentication and cookies.
    pub fn redirect(&mut self, location: &str) -> Result<(), HttpError> {
        self.url = self.url.redirected(location)?;
        self.close();
        self.cookies.clear();
        self.authorization = Authorization::None;
        Ok(())
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        let (sent, received) = self.traffic();
        (self.finished_sent, self.finished_received) = (sent, received);
        self.connection = None;
    }

    /// Sends a request and reads its answer; a 401 is answered with credentials once (twice when the nonce was stale).
    pub async fn send(&mut self, method: Method, body: Body<'_>) -> Result<Response, HttpError> {
        let mut tries = 0;
        loop {
            let response = self.send_once(method, body).await?;
            tries += 1;
            if response.status != 401 || tries > 2 || !self.authorise(&response.head) {
                return Ok(response);
            }
        }
    }

    /// Sends a request without reading an answer.
    pub async fn send_only(&mut self, method: Method, body: Body<'_>) -> Result<(), HttpError> {
        let head = self.request_head(method, &body);
        let limit = self.limit;
        let connection = self.connected().await?;
        in_time(limit, async { connection.write(&[head.as_bytes(), body.bytes()].concat()).await }).await
    }

    /// Leaves the connection open without sending, until the server closes it or `limit` is over.
    pub async fn wait_for_close(&mut self, limit: Duration) {
        if let Some(connection) = &mut self.connection {
            let _ = timeout(limit, connection.wait_for_close()).await;
        }
    }

    async fn send_once(&mut self, method: Method, body: Body<'_>) -> Result<Response, HttpError> {
        let reused = self.connection.is_some();
        match self.exchange(method, body).await {
            // A kept-alive connection may have been closed by the server meanwhile: one new try on a fresh one.
            Err(HttpError::Closed(UNANSWERED) | HttpError::Io(_)) if reused => {
                self.close();
                self.exchange(method, body).await
            }
            result => result,
        }
    }

    async fn exchange(&mut self, method: Method, body: Body<'_>) -> Result<Response, HttpError> {
        let head = self.request_head(method, &body);
        let (limit, waits) = (self.limit, self.habits.expect_continue);
        let connection = self.connected().await?;
        let result = in_time(limit, exchange_on(connection, &head, body, waits)).await;
        match &result {
            Ok(response) => {
                self.cookies.store_all(response.head.all("Set-Cookie"));
                let old = response.head.first_line.starts_with("HTTP/1.0");
                let kept = response.head.has_token("Connection", "keep-alive");
                let alone = self.habits.connection_per_request;
                if response.head.has_token("Connection", "close") || (old && !kept) || alone {
                    self.close();
                }
            }
            Err(_) => self.close(),
        }
        result
    }

    async fn connected(&mut self) -> Result<&mut Connection, HttpError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let address = self.url.authority(false);
                let connecting = async {
                    TcpStream::connect(&address)
                        .await
                        .map_err(|source| HttpError::Connect { address: address.clone(), source })
                };
                let stream = in_time(self.limit, connecting).await?;
                match (self.url.is_encrypted, &self.tls) {
                    (false, _) => Connection::new(stream),
                    (true, None) => return Err(HttpError::Tls("not set up".to_owned())),
                    (true, Some(tls)) => {
                        let host = &self.url.host;
                        let handshake = async {
                            tls.connect(stream, host).await.map_err(|error| HttpError::Tls(error.to_string()))
                        };
                        Connection::encrypted(in_time(self.limit, handshake).await?)
                    }
                }
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn request_head(&mut self, method: Method, body: &Body<'_>) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: lodestar-sim\r\n",
            method.name(),
            self.url.path,
            self.url.authority(true)
        );
        let is_empty = body.bytes().is_empty();
        if method == Method::Post && !is_empty {
            push_header(&mut head, "Content-Type", &self.habits.content_type, Some("text/xml; charset=\"utf-8\""));
            push_header(&mut head, "SOAPAction", &self.habits.soap_action, Some("\"\""));
        } else if method == Method::Post {
            push_header(&mut head, "Content-Type", &self.habits.empty_content_type, None);
        }
        if self.habits.expect_continue && !is_empty {
            head.push_str("Expect: 100-continue\r\n");
        }
        if self.habits.connection_per_request {
            head.push_str("Connection: close\r\n");
        }
        match body {
            Body::Unframed => {}
            // GET has no body, so no length either.
            Body::Sized([]) if method == Method::Get => {}
            Body::Sized(bytes) => {
                let length = match std::str::from_utf8(bytes) {
                    Ok(text) if self.habits.length_in_utf16 => text.encode_utf16().count(),
                    _ => bytes.len(),
                };
                head.push_str(&format!("Content-Length: {length}\r\n"));
            }
            Body::Chunked(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(cookies) = self.cookies.header().filter(|_| self.send_cookies) {
            head.push_str(&format!("Cookie: {cookies}\r\n"));
        }
        let is_bare = self.habits.bodies_only_authorization && is_empty;
        if let Some(authorization) = self.authorization_header(method, body.bytes()).filter(|_| !is_bare) {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    fn authorization_header(&mut self, method: Method, body: &[u8]) -> Option<String> {
        let Credentials { username, password } = &self.credentials;
        match &mut self.authorization {
            Authorization::None if !self.habits.basic_unasked || username.is_empty() => None,
            Authorization::None | Authorization::Basic => {
                Some(format!("Basic {}", BASE64.encode(format!("{username}:{password}"))))
            }
            Authorization::Digest { challenge, count } => {
                *count = if self.habits.digest_frozen_count { 1 } else { *count + 1 };
                let uri = if self.habits.digest_empty_uri { "" } else { self.url.path.as_str() };
                let signed = Signed { username, password, method: method.name(), uri };
                let protection = self.authentication.protection;
                Some(challenge.answer_covering(protection, signed, body, *count, &random_token()))
            }
        }
    }

    /// Takes up a challenge; false when it cannot be answered, or was answered already.
    fn authorise(&mut self, head: &Head) -> bool {
        if self.credentials.username.is_empty() {
            return false;
        }
        let mut digests: Vec<Challenge> = head.all("WWW-Authenticate").filter_map(Challenge::parse).collect();
        let preferred = digests.iter().position(|challenge| challenge.algorithm == self.authentication.algorithm);
        let mut digest = (!digests.is_empty()).then(|| digests.swap_remove(preferred.unwrap_or(0)));
        if let Some(challenge) = digest.as_mut().filter(|_| self.habits.digest_without_qop) {
            challenge.qop_auth = false;
        }
        let basic = head
            .all("WWW-Authenticate")
            .any(|value| value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic")));
        match (digest, &self.authorization) {
            (Some(challenge), Authorization::None) => {
                self.authorization = Authorization::Digest { challenge, count: 0 };
            }
            (Some(challenge), Authorization::Digest { .. }) if challenge.stale => {
                self.authorization = Authorization::Digest { challenge, count: 0 };
            }
            (None, Authorization::None) if basic => self.authorization = Authorization::Basic,
            _ => return false,
        }
        true
    }
}

const UNANSWERED: &str = "without an answer";

fn push_header(head: &mut String, name: &str, habit: &HeaderHabit, usual: Option<&str>) {
    let value = match habit {
        HeaderHabit::Usual => usual,
        HeaderHabit::Absent => None,
        HeaderHabit::Value(value) => Some(value.as_str()),
    };
    if let Some(value) = value {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// `waits`: the body goes out after `100 Continue`.
async fn exchange_on(
    connection: &mut Connection,
    head: &str,
    body: Body<'_>,
    waits: bool,
) -> Result<Response, HttpError> {
    if waits && !body.bytes().is_empty() {
        connection.write(head.as_bytes()).await?;
        let interim = connection.read_head().await?.ok_or(HttpError::Closed(UNANSWERED))?;
        let status = interim.status()?;
        if status != 100 {
            // The server does not want the body.
            let body = connection.read_body(&interim, true).await?;
            return Ok(Response { status, head: interim, body });
        }
        connection.write(body.bytes()).await?;
    } else if let Body::Chunked(bytes) = body {
        connection.write(head.as_bytes()).await?;
        // Odd-sized chunks, so that multi-byte characters and tags are split.
        connection.write_chunked(bytes, 1021).await?;
    } else {
        connection.write(&[head.as_bytes(), body.bytes()].concat()).await?;
    }
    loop {
        let head = connection.read_head().await?.ok_or(HttpError::Closed(UNANSWERED))?;
        let status = head.status()?;
        if (100..200).contains(&status) {
            continue;
        }
        let body = match status {
            204 | 304 => Vec::new(),
            _ => connection.read_body(&head, true).await?,
        };
        return Ok(Response { status, head, body });
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(HttpError::Timeout(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))),
    }
}

#[cfg(test)]
mod tests;

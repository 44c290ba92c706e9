//! The same commands over the router's REST interface (RouterOS 7.1 and later), for where only HTTP passes.
//!
//! Each command is a POST of its arguments to its path; texts, ids and errors are those of the API. What the API has and REST lacks:
//! listening, safe mode (it belongs to a connection), commands of more than a minute, and values that are no UTF-8.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::client::ClientOptions;
use crate::command::{Command, CommandError};
use crate::error::Error;
use crate::port::RouterPort;
use crate::reply::{Reply, Row};
use crate::router::Connector;
use crate::trap::Trap;

/// The port of REST without TLS (RouterOS 7.9 and later).
pub const REST_PORT: u16 = 80;
/// The port of REST with TLS.
pub const REST_TLS_PORT: u16 = 443;
/// The router ends every request after this.
const LONGEST: Duration = Duration::from_secs(60);

/// A router over REST. Connections are made when they are needed, one for each command in flight.
pub struct RestRouter {
    connector: Arc<dyn Connector>,
    options: ClientOptions,
    host: HeaderValue,
    authorization: HeaderValue,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    places: Semaphore,
}

impl RestRouter {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the address cannot be in a request.
    pub fn new(connector: impl Connector + 'static, options: ClientOptions) -> Result<RestRouter, Error> {
        let address = connector.address();
        let host = HeaderValue::try_from(&address);
        let host = host.map_err(|error| Error::Connect { address, reason: error.to_string() })?;
        let credentials = STANDARD.encode(format!("{}:{}", options.user, options.password.reveal()));
        // Base64 fits in a header.
        let mut authorization =
            HeaderValue::try_from(format!("Basic {credentials}")).unwrap_or(HeaderValue::from_static(""));
        authorization.set_sensitive(true);
        let places = Semaphore::new(options.max_in_flight);
        let connector: Arc<dyn Connector> = Arc::new(connector);
        Ok(RestRouter { connector, options, host, authorization, idle: Mutex::default(), places })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let failed = |reason: String| Error::Connect { address: self.connector.address(), reason };
        let connecting = async {
            let stream = self.connector.connect().await.map_err(|error| failed(error.to_string()))?;
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.to_string()))?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to a router's REST interface has ended");
                }
            });
            Ok(sender)
        };
        let after = self.options.connect_timeout;
        match timeout(after, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(failed(format!("no answer within {} ms", after.as_millis()))),
        }
    }

    fn request(&self, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Error> {
        let request = Request::post(format!("/rest{path}"))
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body));
        request.map_err(|_| CommandError::Path(path.to_owned()).into())
    }

    /// Sends a request on a connection that is there, or on a new one, and gives the answer.
    async fn exchange(&self, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Error> {
        let lost = |error: hyper::Error| Error::Lost { reason: error.to_string() };
        let mut request = self.request(path, body.clone())?;
        let (mut sender, answer) = loop {
            let Some(mut sender) = self.idle.lock().pop() else {
                let mut sender = self.connect().await?;
                let answer = sender.send_request(request).await.map_err(lost)?;
                break (sender, answer);
            };
            match sender.try_send_request(request).await {
                Ok(answer) => break (sender, answer),
                // The router had closed it before anything was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(lost(error.into_error())),
                },
            }
        };
        let status = answer.status();
        let read = Limited::new(answer.into_body(), self.options.max_reply).collect().await;
        let body = match read {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Error::TooLarge { command: path.to_owned(), limit: self.options.max_reply });
            }
            Err(error) => return Err(Error::Lost { reason: error.to_string() }),
        };
        if sender.ready().await.is_ok() {
            self.idle.lock().push(sender);
        }
        Ok((status, body))
    }
}

#[async_trait]
impl RouterPort for RestRouter {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        let path = command.path();
        let body = body_of(&command)?;
        // It is never closed.
        let _place = self.places.acquire().await;
        let after = command.own_timeout().unwrap_or(self.options.timeout).min(LONGEST);
        match timeout(after, self.exchange(&path, body)).await {
            Ok(answer) => {
                let (status, body) = answer?;
                read_answer(&command, &self.options.user, status, &body)
            }
            Err(_) => Err(Error::Timeout { command: path, after, sent: true }),
        }
    }
}

impl std::fmt::Debug for RestRouter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RestRouter").field("address", &self.connector.address()).finish_non_exhaustive()
    }
}

/// A command's arguments as JSON. All values are texts.
fn body_of(command: &Command) -> Result<Bytes, Error> {
    // What the API would refuse to send is refused here, too.
    command.words()?;
    let mut body = Map::new();
    for (name, value) in command.arguments() {
        let text = std::str::from_utf8(value.bytes())
            .map_err(|_| CommandError::Text { path: command.path(), name: name.to_owned() })?;
        body.insert(name.to_owned(), text.into());
    }
    if !command.wanted_properties().is_empty() {
        body.insert(".proplist".to_owned(), command.wanted_properties().into());
    }
    if let Some(query) = command.query_words() {
        let words = query.words().into_iter().map(|word| {
            let text = String::from_utf8(word)
                .map_err(|_| CommandError::Text { path: command.path(), name: "a query".to_owned() })?;
            // `?=name=value` is `name=value`; the other words keep what stands behind the question mark.
            let bare = text.strip_prefix("?=").or(text.strip_prefix('?'));
            Ok(Json::from(bare.unwrap_or(&text)))
        });
        body.insert(".query".to_owned(), words.collect::<Result<Vec<Json>, CommandError>>()?.into());
    }
    Ok(Json::Object(body).to_string().into())
}

fn read_answer(command: &Command, user: &str, status: StatusCode, body: &[u8]) -> Result<Reply, Error> {
    let trap = |message: &str| Error::Trap {
        command: command.path(),
        traps: vec![Trap { message: message.to_owned(), category: None }],
    };
    if status == StatusCode::UNAUTHORIZED {
        let reason = "invalid user name or password".to_owned();
        return Err(Error::Login { user: user.to_owned(), reason });
    }
    let answer: Option<Json> =
        if body.is_empty() { Some(Json::Array(Vec::new())) } else { serde_json::from_slice(body).ok() };
    if !status.is_success() {
        let says = |name: &str| answer.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let message = match (says("detail"), status) {
            (Some(detail), _) => detail,
            (None, StatusCode::NOT_FOUND) => "no such item".to_owned(),
            (None, _) => says("message").unwrap_or_else(|| format!("HTTP status {status}")),
        };
        return Err(trap(&message));
    }
    match answer {
        Some(Json::Array(rows)) => Ok(Reply { rows: rows.iter().filter_map(row).collect(), done: Row::default() }),
        Some(object @ Json::Object(_)) => {
            let only = row(&object).into_iter();
            // What the API says at the end stands alone.
            match command.is_read() {
                true => Ok(Reply { rows: only.collect(), done: Row::default() }),
                false => Ok(Reply { rows: Vec::new(), done: only.last().unwrap_or_default() }),
            }
        }
        _ => Err(Error::Lost { reason: "the answer is no JSON".to_owned() }),
    }
}

fn row(json: &Json) -> Option<Row> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = json.as_object()?.iter().filter(|(_, value)| !value.is_null());
    Some(fields.map(|(name, value)| (name.clone(), text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;
    use crate::trap::ErrorClass;

    #[test]
    fn arguments_are_texts_and_queries_stand_beside_them() {
        let print = Command::print("/ip/address")
            .properties([".id", "address"])
            .query(Query::equals("interface", "ether1").and(Query::Has("address".to_owned())));
        let body: Json = serde_json::from_slice(&body_of(&print).unwrap()).unwrap();
        let expected =
            serde_json::json!({".proplist": [".id", "address"], ".query": ["interface=ether1", "address", "#&"]});
        assert_eq!(body, expected);
        let set = Command::set("/user").item("*1").secret("password", "p\"4".into());
        let body: Json = serde_json::from_slice(&body_of(&set).unwrap()).unwrap();
        assert_eq!(body, serde_json::json!({".id": "*1", "password": "p\"4"}));
        let bytes = Command::add("/ip/pool").argument("comment", vec![0xFF]);
        assert!(body_of(&bytes).unwrap_err().to_string().contains("comment"));
    }

    #[test]
    fn answers_are_those_of_the_api() {
        let (print, add) = (Command::print("/ip/pool"), Command::add("/ip/pool"));
        let read = |command: &Command, status: u16, body: &str| {
            read_answer(command, "admin", StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        let reply = read(&print, 200, r#"[{".id":"*1","name":"a"},{".id":"*2","name":"b"}]"#).unwrap();
        assert_eq!(reply.rows.iter().filter_map(Row::id).collect::<Vec<_>>(), ["*1", "*2"]);
        assert_eq!(read(&print, 200, r#"{"name":"router"}"#).unwrap().rows.len(), 1);
        assert_eq!(read(&add, 200, r#"{"ret":"*5"}"#).unwrap().ret().as_deref(), Some("*5"));
        assert_eq!(read(&add, 200, "[]").unwrap(), Reply::default());
        let class = |status, body: &str| read(&add, status, body).unwrap_err().class();
        let taken = r#"{"error":400,"message":"Bad Request","detail":"failure: already have such name"}"#;
        assert_eq!(class(400, taken), ErrorClass::Already);
        assert_eq!(class(404, r#"{"error":404,"message":"Not Found"}"#), ErrorClass::MissingItem);
        assert_eq!(class(401, r#"{"error":401,"message":"Unauthorized"}"#), ErrorClass::Login);
        assert_eq!(class(502, "<html>"), ErrorClass::Other);
        assert!(read(&print, 200, "<html>").is_err());
    }
}

//! Connection requests over XMPP (TR-069 Annex K): an IQ to the device's Jabber ID, and its answer.
//!
//! One connection to the XMPP server serves all devices; it is kept, and made again when it breaks. Not here: which device is asked,
//! and with which credentials.

mod connector;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_xmpp::jid::Jid;
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::stanza_error::DefinedCondition;
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, Event, IqRequest, IqResponse};
use tracing::{info, warn};

use crate::connection_request::{ConnectionRequestError, Credentials, Silence, Verdict};
use connector::Connector;

/// The namespace of connection requests.
const NAMESPACE: &str = "urn:broadband-forum-org:cwmp:xmppConnReq-1-0";
/// Requests that wait to be sent.
const MOST_WAITING: usize = 64;
/// How long a request may wait for the connection to take it.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// How this server is on XMPP.
#[derive(Clone)]
pub struct XmppOptions {
    /// `user@domain`, with a resource if it matters.
    pub jid: String,
    /// The password.
    pub password: String,
    /// `host:port`; the domain's port 5222 when none is given.
    pub server: Option<String>,
    /// Who may have signed the server's certificate (PEM), instead of those whom the system trusts.
    pub certificate_authority: Option<PathBuf>,
    /// Goes without TLS. The password and those of devices can be read on the way.
    pub without_tls: bool,
}

impl std::fmt::Debug for XmppOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("XmppOptions")
            .field("jid", &self.jid)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Options that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum XmppOptionsError {
    /// Not `user@domain`.
    #[error("{0:?} is no Jabber ID with a user: one looks like acs@example.com")]
    Jid(String),
    /// The certificates cannot be had.
    #[error("the certificates to trust: {0}")]
    Certificates(String),
}

/// The connection to the XMPP server.
#[derive(Debug)]
pub struct XmppClient {
    commands: mpsc::Sender<Command>,
    server: String,
}

#[derive(Debug)]
struct Command {
    to: Jid,
    payload: Element,
    limit: Duration,
    reply: oneshot::Sender<Result<Verdict, ConnectionRequestError>>,
}

impl XmppClient {
    /// Connects, and stays connected until stopped. Returns before the connection is there.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn start(options: XmppOptions, stop: CancellationToken) -> Result<Arc<XmppClient>, XmppOptionsError> {
        let invalid = || XmppOptionsError::Jid(options.jid.clone());
        let jid = Jid::new(&options.jid).map_err(|_| invalid())?;
        if jid.node().is_none() {
            return Err(invalid());
        }
        let connector = Connector::new(&options, jid.domain().as_str())?;
        let server = connector.server().to_owned();
        let client = Client::new_with_connector(jid, options.password, connector, Timeouts::tight());
        let (commands, receiver) = mpsc::channel(MOST_WAITING);
        tokio::spawn(run(client, receiver, server.clone(), stop));
        Ok(Arc::new(XmppClient { commands, server }))
    }

    /// Asks a device to begin a session.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn request(
        &self,
        jabber_id: &str,
        credentials: &Credentials,
        limit: Duration,
    ) -> Result<Verdict, ConnectionRequestError> {
        let to = Jid::new(jabber_id.trim())
            .map_err(|error| ConnectionRequestError::Failed(format!("{jabber_id:?} is no Jabber ID: {error}")))?;
        let (reply, answer) = oneshot::channel();
        let command = Command { to, payload: payload(credentials), limit, reply };
        let lost = || ConnectionRequestError::Failed(format!("no XMPP connection to {}", self.server));
        self.commands.try_send(command).map_err(|_| lost())?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// What is asked (TR-069 Annex K, xmppConnReq-1-0).
fn payload(credentials: &Credentials) -> Element {
    let child = |name: &str, text: &str| Element::builder(name, NAMESPACE).append(text.to_owned()).build();
    Element::builder("connectionRequest", NAMESPACE)
        .append(child("username", &credentials.username))
        .append(child("password", &credentials.password))
        .build()
}

async fn run(mut client: Client, mut commands: mpsc::Receiver<Command>, server: String, stop: CancellationToken) {
    let mut is_online = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = client.next() => match event {
                Some(Event::Online { bound_jid, .. }) => {
                    is_online = true;
                    info!(target: "cwmp", server, jid = %bound_jid, "connected to XMPP");
                }
                Some(Event::Disconnected(error)) => {
                    is_online = false;
                    warn!(target: "cwmp", server, %error, "disconnected from XMPP");
                }
                // Nobody has anything else to say to this server.
                Some(Event::Stanza(_)) => {}
                None => break,
            },
            command = commands.recv() => match command {
                Some(command) => send(&mut client, command, is_online, &server).await,
                None => break,
            },
        }
    }
}

async fn send(client: &mut Client, command: Command, is_online: bool, server: &str) {
    let Command { to, payload, limit, reply } = command;
    let token = if is_online {
        timeout(SEND_LIMIT, client.send_iq(Some(to), IqRequest::Get(payload))).await.ok()
    } else {
        None
    };
    let Some(token) = token else {
        // Whoever asked may be gone.
        let _ = reply.send(Err(ConnectionRequestError::Failed(format!("no XMPP connection to {server}"))));
        return;
    };
    tokio::spawn(async move {
        let verdict = match timeout(limit, token).await {
            Ok(Ok(response)) => verdict(response),
            Ok(Err(failure)) => Err(ConnectionRequestError::Failed(failure.to_string())),
            Err(_) => Err(ConnectionRequestError::Offline(Silence::TimedOut)),
        };
        let _ = reply.send(verdict);
    });
}

/// What an answer means (TR-069 Annex K.2.3).
fn verdict(response: IqResponse) -> Result<Verdict, ConnectionRequestError> {
    let error = match response {
        IqResponse::Result(_) => return Ok(Verdict::Accepted),
        IqResponse::Error(error) => error,
    };
    Err(match error.defined_condition {
        DefinedCondition::NotAuthorized => return Ok(Verdict::Unauthorized),
        DefinedCondition::ServiceUnavailable
        | DefinedCondition::RecipientUnavailable
        | DefinedCondition::ItemNotFound
        | DefinedCondition::RemoteServerNotFound => ConnectionRequestError::Offline(Silence::Unavailable),
        DefinedCondition::RemoteServerTimeout => ConnectionRequestError::Offline(Silence::TimedOut),
        DefinedCondition::ResourceConstraint => ConnectionRequestError::Offline(Silence::Busy),
        other => ConnectionRequestError::Failed(format!("XMPP {other:?}")),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio_xmpp::parsers::stanza_error::{ErrorType, StanzaError};

    use super::*;

    #[test]
    fn a_request_has_the_schemas_form() {
        let payload = payload(&Credentials { username: "acs".into(), password: "a<b".into() });
        let text = String::from(&payload);
        let expected = "<connectionRequest xmlns='urn:broadband-forum-org:cwmp:xmppConnReq-1-0'><username>acs</username><password>a&lt;b</password></connectionRequest>";
        assert_eq!(text.replace('"', "'"), expected);
    }

    #[test]
    fn errors_mean_what_they_mean_over_http() {
        let of = |condition| verdict(IqResponse::Error(StanzaError::new(ErrorType::Cancel, condition, "en", "")));
        assert_eq!(verdict(IqResponse::Result(None)), Ok(Verdict::Accepted));
        assert_eq!(of(DefinedCondition::NotAuthorized), Ok(Verdict::Unauthorized));
        let offline = |silence| Err(ConnectionRequestError::Offline(silence));
        assert_eq!(of(DefinedCondition::ServiceUnavailable), offline(Silence::Unavailable));
        assert_eq!(of(DefinedCondition::RemoteServerTimeout), offline(Silence::TimedOut));
        assert!(matches!(of(DefinedCondition::BadRequest), Err(ConnectionRequestError::Failed(_))));
    }

    #[test]
    fn options_that_cannot_work_are_refused() {
        let options = |jid: &str| XmppOptions {
            jid: jid.into(),
            password: "secret".into(),
            server: None,
            certificate_authority: Some("/nowhere/ca.pem".into()),
            without_tls: false,
        };
        for jid in ["", "example.com", "@example.com"] {
            assert!(matches!(XmppClient::start(options(jid), CancellationToken::new()), Err(XmppOptionsError::Jid(_))));
        }
        let error = XmppClient::start(options("acs@example.com"), CancellationToken::new()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
        assert!(!format!("{:?}", options("acs@example.com")).contains("secret"));
    }
}

//! One connection to a router, on which any number of commands run at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::command::Command;
use crate::connection::Connection;
use crate::error::Error;
use crate::listener::Listener;
use crate::login::login;
use crate::port::RouterPort;
use crate::reply::Reply;
use crate::router::Connector;
use crate::secret::Secret;
use crate::sentence::{Decoder, Limits};

/// How long the router may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Who logs in, and within which limits.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The user's name on the router.
    pub user: String,
    /// The user's password. Without TLS it is sent in clear.
    pub password: Secret,
    /// How long connecting and login may take, together.
    pub connect_timeout: Duration,
    /// How long a command may take that has no timeout of its own.
    pub timeout: Duration,
    /// Commands that may run at once; further ones wait. Listeners do not count.
    pub max_in_flight: usize,
    /// What a single answer may have, in sentences.
    pub limits: Limits,
    /// About how many bytes of memory all rows of one answer may take.
    pub max_reply: usize,
}

/// A connection to a router. Clones share it; it ends when all are gone, and their listeners too.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) connection: Arc<Connection>,
    places: Semaphore,
    timeout: Duration,
}

impl ClientOptions {
    /// Ten seconds for everything, 16 commands at once, 64 MiB.
    pub fn new(user: impl Into<String>, password: Secret) -> ClientOptions {
        ClientOptions {
            user: user.into(),
            password,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            max_in_flight: 16,
            limits: Limits::AFTER_LOGIN,
            max_reply: 64 * 1024 * 1024,
        }
    }
}

impl Client {
    /// Connects by TCP, without TLS, and logs in.
    ///
    /// # Errors
    /// [`Error::Connect`], and those of [`Self::login`].
    pub async fn connect(
        address: impl ToSocketAddrs + std::fmt::Display,
        options: &ClientOptions,
    ) -> Result<Client, Error> {
        let deadline = Instant::now() + options.connect_timeout;
        let failed = |reason: String| Error::Connect { address: address.to_string(), reason };
        let stream = match timeout_at(deadline, TcpStream::connect(&address)).await {
            Ok(connected) => connected.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("no answer within {} ms", options.connect_timeout.as_millis()))),
        };
        // Commands are small and each waits for its answer.
        let _ = stream.set_nodelay(true);
        Client::login_until(stream, options, deadline).await
    }

    /// Connects as a connector does, for example with TLS, and logs in.
    ///
    /// # Errors
    /// [`Error::Connect`], and those of [`Self::login`].
    pub async fn connect_by(connector: &dyn Connector, options: &ClientOptions) -> Result<Client, Error> {
        let deadline = Instant::now() + options.connect_timeout;
        let failed = |reason: String| Error::Connect { address: connector.address(), reason };
        let stream = match timeout_at(deadline, connector.connect()).await {
            Ok(connected) => connected.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("no answer within {} ms", options.connect_timeout.as_millis()))),
        };
        Client::login_until(stream, options, deadline).await
    }

    /// Logs in over any stream: a tunnel, a pipe in a test.
    ///
    /// # Errors
    /// [`Error::Login`] when the router does not let the user in; [`Error::Timeout`], [`Error::Lost`], [`Error::Fatal`] or
    /// [`Error::Protocol`] when it does not come so far.
    pub async fn login<S>(stream: S, options: &ClientOptions) -> Result<Client, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Client::login_until(stream, options, Instant::now() + options.connect_timeout).await
    }

    async fn login_until<S>(mut stream: S, options: &ClientOptions, deadline: Instant) -> Result<Client, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut decoder = Decoder::new(Limits::BEFORE_LOGIN);
        let logging_in = login(&mut stream, &mut decoder, &options.user, &options.password);
        match timeout_at(deadline, logging_in).await {
            Ok(result) => result?,
            Err(_) => {
                let after = options.connect_timeout;
                return Err(Error::Timeout { command: "/login".to_owned(), after, sent: true });
            }
        }
        decoder.set_limits(options.limits);
        let connection = Connection::start(stream, decoder, options.max_reply, options.timeout);
        let places = Semaphore::new(options.max_in_flight.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Client { shared: Arc::new(Shared { connection, places, timeout: options.timeout }) })
    }

    /// Runs a command and gives all that came. When the future is dropped, the router is told to stop the command; what it did
    /// until then stays.
    ///
    /// # Errors
    /// [`Error::Trap`] when the router refuses it. See [`Error::is_state_unknown`] for the others.
    pub async fn run(&self, command: Command) -> Result<Reply, Error> {
        let after = command.own_timeout().unwrap_or(self.shared.timeout);
        let deadline = Instant::now() + after;
        let words = command.words()?;
        let path = command.path();
        let timed_out = |sent| Error::Timeout { command: command.path(), after, sent };
        let Ok(place) = timeout_at(deadline, self.shared.places.acquire()).await else {
            return Err(timed_out(false));
        };
        // The semaphore is never closed.
        let _place = place.ok();
        let connection = &self.shared.connection;
        let (tag, reply) = connection.send(path, words)?;
        let _abandon = AbandonOnDrop { connection, tag };
        match timeout_at(deadline, reply).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Lost { reason: "it was given up".to_owned() }),
            Err(_) => {
                connection.watch();
                Err(timed_out(true))
            }
        }
    }

    /// Runs a command that gives rows as they come: `listen`, `monitor`, `ping`. A timeout of its own does not apply.
    ///
    /// # Errors
    /// When it cannot be sent. What the router says to it comes from the listener.
    pub fn listen(&self, command: &Command) -> Result<Listener, Error> {
        let (tag, rows) = self.shared.connection.send_for_rows(command.path(), command.words()?)?;
        Ok(Listener::new(self.shared.clone(), tag, rows))
    }

    /// Whether commands can be sent.
    pub fn is_open(&self) -> bool {
        self.shared.connection.ended().is_none()
    }

    /// Done when the connection has ended; tells why.
    pub async fn closed(&self) -> Error {
        self.shared.connection.closed().await;
        let lost = || Error::Lost { reason: "closed".to_owned() };
        self.shared.connection.ended().unwrap_or_else(lost)
    }

    /// Says goodbye and ends the connection. Commands under way fail.
    pub async fn close(&self) {
        self.shared.connection.quit();
        let _ = timeout(GOODBYE, self.shared.connection.closed()).await;
        self.shared.connection.end(Error::Lost { reason: "closed".to_owned() });
    }
}

#[async_trait]
impl RouterPort for Client {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        Client::run(self, command).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.connection.end(Error::Lost { reason: "closed".to_owned() });
    }
}

/// Stops a command whose caller has gone. Does nothing for one that is over.
struct AbandonOnDrop<'a> {
    connection: &'a Connection,
    tag: u64,
}

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.connection.abandon(self.tag);
    }
}

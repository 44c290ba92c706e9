//! What the pipeline needs of a router beyond running commands: to connect again, and to see whether others could connect.
//!
//! [`RouterPort`] is the port of the RouterOS client. [`Reach`] adds what only somebody can do who knows how the router is reached.
//! Safe mode is here, too: changes that the router itself takes back when the connection ends before they are released.
//!
//! Not here: which commands are sent, and what their failures mean.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use routeros::{Client, ClientOptions, Command, Connector, Error, ErrorClass, Reply, RestRouter, Router, TcpConnector};

pub use routeros::RouterPort;

/// A router that can be reached again. `None` for a port means the port at which it was reached last.
#[async_trait]
pub trait Reach: RouterPort {
    /// Gives up the connection and makes a new one, which later commands use.
    ///
    /// # Errors
    /// Why it cannot be made. The next command tries again.
    async fn reconnect(&self, port: Option<u16>) -> Result<(), Error>;

    /// Makes another connection, logs in, and ends it: the proof that the way to the router is open. The connection of commands
    /// is left alone.
    ///
    /// # Errors
    /// Why it cannot be made.
    async fn probe(&self, port: Option<u16>) -> Result<(), Error>;
}

/// Makes connectors to one router, at any of its ports.
pub type ConnectorAt = dyn Fn(u16) -> Box<dyn Connector> + Send + Sync;

/// A router reached over TCP, or whatever the given connectors do.
pub struct ReachableRouter {
    connector_at: Arc<ConnectorAt>,
    options: ClientOptions,
    current: RwLock<(u16, Arc<Router>)>,
}

struct AnyConnector(Box<dyn Connector>);

#[async_trait]
impl Connector for AnyConnector {
    async fn connect(&self) -> std::io::Result<Box<dyn routeros::Transport>> {
        self.0.connect().await
    }

    fn address(&self) -> String {
        self.0.address()
    }
}

impl ReachableRouter {
    /// Connects to nothing yet.
    pub fn new(
        port: u16,
        options: ClientOptions,
        connector_at: impl Fn(u16) -> Box<dyn Connector> + Send + Sync + 'static,
    ) -> ReachableRouter {
        let connector_at: Arc<ConnectorAt> = Arc::new(connector_at);
        let router = Arc::new(Router::new(AnyConnector(connector_at(port)), options.clone()));
        ReachableRouter { connector_at, options, current: RwLock::new((port, router)) }
    }

    /// Over TCP without TLS: whoever is on the way sees passwords and keys.
    pub fn over_tcp(host: impl Into<String>, port: u16, options: ClientOptions) -> ReachableRouter {
        let host = host.into();
        ReachableRouter::new(port, options, move |port| Box::new(TcpConnector::new(host.clone(), port)))
    }

    fn current(&self) -> (u16, Arc<Router>) {
        self.current.read().clone()
    }
}

#[async_trait]
impl RouterPort for ReachableRouter {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        self.current().1.run(command).await
    }
}

#[async_trait]
impl Reach for ReachableRouter {
    async fn reconnect(&self, port: Option<u16>) -> Result<(), Error> {
        let (last, old) = self.current();
        let port = port.unwrap_or(last);
        // A new one, since the old one pauses after failures.
        let router = Arc::new(Router::new(AnyConnector((self.connector_at)(port)), self.options.clone()));
        let connected = router.client().await.map(drop);
        if connected.is_ok() || port == last {
            *self.current.write() = (port, router);
            old.disconnect().await;
        }
        connected
    }

    async fn probe(&self, port: Option<u16>) -> Result<(), Error> {
        let router =
            Router::new(AnyConnector((self.connector_at)(port.unwrap_or(self.current().0))), self.options.clone());
        router.client().await?;
        router.disconnect().await;
        Ok(())
    }
}

/// A router reached over REST. Nothing holds changes back there: REST has no safe mode.
pub struct RestReachable {
    connector_at: Arc<ConnectorAt>,
    options: ClientOptions,
    current: RwLock<(u16, Arc<RestRouter>)>,
}

impl RestReachable {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the address cannot be in a request.
    pub fn new(
        port: u16,
        options: ClientOptions,
        connector_at: impl Fn(u16) -> Box<dyn Connector> + Send + Sync + 'static,
    ) -> Result<RestReachable, Error> {
        let connector_at: Arc<ConnectorAt> = Arc::new(connector_at);
        let router = Arc::new(RestRouter::new(AnyConnector(connector_at(port)), options.clone())?);
        Ok(RestReachable { connector_at, options, current: RwLock::new((port, router)) })
    }

    fn another(&self, port: u16) -> Result<RestRouter, Error> {
        RestRouter::new(AnyConnector((self.connector_at)(port)), self.options.clone())
    }
}

#[async_trait]
impl RouterPort for RestReachable {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        let router = self.current.read().1.clone();
        router.run(command).await
    }
}

#[async_trait]
impl Reach for RestReachable {
    async fn reconnect(&self, port: Option<u16>) -> Result<(), Error> {
        let last = self.current.read().0;
        let port = port.unwrap_or(last);
        let router = Arc::new(self.another(port)?);
        let answer = router.run(Command::print("/system/identity")).await.map(drop);
        if answer.is_ok() || port == last {
            *self.current.write() = (port, router);
        }
        answer
    }

    async fn probe(&self, port: Option<u16>) -> Result<(), Error> {
        let port = port.unwrap_or(self.current.read().0);
        self.another(port)?.run(Command::print("/system/identity")).await.map(drop)
    }
}

/// A single connection cannot be made again; it is as good as its end is far.
#[async_trait]
impl Reach for Client {
    async fn reconnect(&self, _: Option<u16>) -> Result<(), Error> {
        if self.is_open() { Ok(()) } else { Err(self.closed().await) }
    }

    async fn probe(&self, _: Option<u16>) -> Result<(), Error> {
        RouterPort::run(self, Command::print("/system/identity")).await.map(drop)
    }
}

/// This machine's address on the way to another one. Nothing is sent to find out.
pub fn own_address(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Begins to hold changes back. `false` when the router has no safe mode on its API (before RouterOS 7.18), or does not give it:
/// somebody else may have it.
///
/// # Errors
/// When the router cannot be asked.
pub async fn take_safe_mode(port: &dyn RouterPort) -> Result<bool, Error> {
    match port.run(Command::new("/safe-mode", "take")).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error, Error::Trap { .. }) => {
            tracing::debug!(%error, class = ?error.class(), "no safe mode");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Keeps what was changed since [`take_safe_mode`].
///
/// # Errors
/// When the router refuses, or the connection is gone and with it what was held back.
pub async fn release_safe_mode(port: &dyn RouterPort) -> Result<(), Error> {
    port.run(Command::new("/safe-mode", "release")).await.map(drop)
}

/// Takes back what was changed since [`take_safe_mode`].
///
/// # Errors
/// As for [`release_safe_mode`].
pub async fn unroll_safe_mode(port: &dyn RouterPort) -> Result<(), Error> {
    port.run(Command::new("/safe-mode", "unroll")).await.map(drop)
}

/// The rows of a menu; `None` when the router has no such menu, or does not let the user read it.
///
/// # Errors
/// When it cannot be read.
pub async fn read_menu(port: &dyn RouterPort, print: Command) -> Result<Option<Vec<routeros::Row>>, Error> {
    match port.rows(print).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if matches!(error.class(), ErrorClass::Unsupported | ErrorClass::Forbidden) => Ok(None),
        Err(error) => Err(error),
    }
}

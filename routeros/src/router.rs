//! A router that is connected to when it is needed, and again when the connection was lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::{Client, ClientOptions};
use crate::command::Command;
use crate::error::Error;
use crate::port::RouterPort;
use crate::reply::Reply;

/// After the first failure the next attempt waits so long, after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A stream to a router.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Makes streams to one router: TCP, TLS, a tunnel.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects, without login.
    ///
    /// # Errors
    /// What the system, or the handshake, says.
    async fn connect(&self) -> std::io::Result<Box<dyn Transport>>;

    /// Where to, for messages.
    fn address(&self) -> String;
}

/// Connects by TCP, without TLS.
#[derive(Debug, Clone)]
pub struct TcpConnector {
    host: String,
    port: u16,
}

/// A router that is connected to when needed.
///
/// While attempts to connect fail, they come less and less often, and commands in between fail at once with
/// [`Error::NotConnected`]. A print that was under way when the connection was lost is sent once more; anything else is not,
/// since the router may have done it.
pub struct Router {
    connector: Arc<dyn Connector>,
    options: ClientOptions,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    client: Option<Client>,
    failures: u32,
    /// No attempt before this, because of that.
    pause: Option<(Instant, Error)>,
}

impl TcpConnector {
    /// `port` is usually [`crate::PORT`].
    pub fn new(host: impl Into<String>, port: u16) -> TcpConnector {
        TcpConnector { host: host.into(), port }
    }
}

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self) -> std::io::Result<Box<dyn Transport>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Router {
    /// Connects to nothing yet.
    pub fn new(connector: impl Connector + 'static, options: ClientOptions) -> Router {
        Router { connector: Arc::new(connector), options, slot: Mutex::default() }
    }

    /// The connection; made when there is none. Also for [`Client::listen`].
    ///
    /// # Errors
    /// Why it cannot be made.
    pub async fn client(&self) -> Result<Client, Error> {
        let mut slot = self.slot.lock().await;
        if let Some(client) = slot.client.as_ref().filter(|client| client.is_open()) {
            return Ok(client.clone());
        }
        slot.client = None;
        if let Some((until, error)) = &slot.pause {
            let now = Instant::now();
            if *until > now {
                let wait = until.duration_since(now).as_secs_f32();
                return Err(Error::NotConnected { reason: format!("{error}; next attempt in {wait:.1} s") });
            }
        }
        match Client::connect_by(self.connector.as_ref(), &self.options).await {
            Ok(client) => {
                *slot = Slot { client: Some(client.clone()), failures: 0, pause: None };
                Ok(client)
            }
            Err(error) => {
                slot.pause = Some((Instant::now() + pause(slot.failures), error.clone()));
                slot.failures = slot.failures.saturating_add(1);
                Err(error)
            }
        }
    }

    /// Ends the connection when there is one. The next command makes another.
    pub async fn disconnect(&self) {
        let client = self.slot.lock().await.client.take();
        if let Some(client) = client {
            client.close().await;
        }
    }
}

#[async_trait]
impl RouterPort for Router {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        let client = self.client().await?;
        match client.run(command.clone()).await {
            // It ended between the two lines above, so nothing was sent.
            Err(Error::NotConnected { .. }) => self.client().await?.run(command).await,
            Err(Error::Lost { .. } | Error::Fatal { .. }) if command.is_read() => {
                self.client().await?.run(command).await
            }
            result => result,
        }
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Router").field("address", &self.connector.address()).finish_non_exhaustive()
    }
}

fn pause(failures: u32) -> Duration {
    let factor = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let seconds = [0, 1, 5, 6, 40].map(|failures| pause(failures).as_secs());
        assert_eq!(seconds, [1, 2, 32, 60, 60]);
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(TcpConnector::new("2001:db8::1", 8728).address(), "[2001:db8::1]:8728");
        assert_eq!(TcpConnector::new("router.example", 8728).address(), "router.example:8728");
    }
}

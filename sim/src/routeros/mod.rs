//! A simulated MikroTik router: it speaks the RouterOS API and behaves like one, in what a provisioning engine meets.
//!
//! - `wire`, `request`, `query`: the protocol, the router's side. Shares nothing with the client in `routeros/`.
//! - `session`, `server`: connections, and the services `api` and `api-ssl` as `/ip/service` has them.
//! - `model`: what the router is configured to, and what commands do to it. Which menus and arguments there are, it knows from
//!   `routeros-schema`.
//! - [`options`], [`fault`]: what kind of router, and what goes wrong on demand.
//!
//! Not here: packets. Nothing is routed, translated or encrypted, and scripts are kept but not run.

pub mod fault;
mod model;
pub mod options;
mod query;
mod request;
mod rest;
mod server;
mod session;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use fault::{Counts, RouterFault};
pub use model::{Fields, Refusal, Trap};
pub use options::RouterOptions;
#[doc(hidden)]
pub use wire::check_any_bytes;

use model::{Caller, Outcome, Router};
use request::Request;
use server::{Service, Shared};

/// Where a simulated router listens, and what goes wrong.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Without TLS.
    pub listen: SocketAddr,
    /// With TLS.
    pub tls_listen: Option<SocketAddr>,
    /// REST, without TLS.
    pub rest_listen: Option<SocketAddr>,
    /// The router has no certificate for TLS, as out of the box: only anonymous ciphers, which hardly any client has.
    pub without_certificate: bool,
    /// What kind of router it is.
    pub router: RouterOptions,
    /// How long each reply is on its way.
    pub latency: Duration,
    /// What goes wrong.
    pub faults: Vec<RouterFault>,
}

/// A simulated router that runs. It stops when this is dropped.
///
/// ```
/// use sim::{RouterFault, RouterOptions, Simulator, SimulatorOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let router = RouterOptions::new("admin", "open sesame");
/// let simulator = Simulator::start(SimulatorOptions::new(router)).await?;
/// // Clients log in at this address, with that user and password.
/// assert_ne!(simulator.address().port(), 0);
///
/// let before = simulator.configuration();
/// // As if somebody sat at the router; the words are those of the API.
/// simulator.run(&["/ip/pool/add", "=name=lan", "=ranges=192.0.2.10-192.0.2.99"]).unwrap();
/// assert_ne!(simulator.configuration(), before);
/// simulator.run(&["/ip/pool/remove", "=.id=lan"]).unwrap();
/// assert_eq!(simulator.configuration(), before);
///
/// // The third write from now on is refused. `counts` tells how many came over the API.
/// simulator.set_faults(vec![RouterFault::refuse_write(3)]);
/// assert_eq!(simulator.counts().writes, 0);
/// # Ok(())
/// # }
/// ```
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    rest_address: Option<SocketAddr>,
    stop: CancellationToken,
}

impl SimulatorOptions {
    /// On a free port of this machine, without TLS and faults.
    pub fn new(router: RouterOptions) -> SimulatorOptions {
        SimulatorOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls_listen: None,
            rest_listen: None,
            without_certificate: false,
            router,
            latency: Duration::ZERO,
            faults: Vec::new(),
        }
    }
}

impl Simulator {
    /// Starts a router.
    ///
    /// # Errors
    /// When it cannot listen, or its state cannot be read.
    pub async fn start(options: SimulatorOptions) -> io::Result<Simulator> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let tls = match options.tls_listen {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let tls_address = tls.as_ref().map(TcpListener::local_addr).transpose()?;
        let rest = match options.rest_listen {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let rest_address = rest.as_ref().map(TcpListener::local_addr).transpose()?;
        let mut router = Router::new(options.router)?;
        router.set_service(Service::Plain.name(), Some(address.port()));
        router.set_service(Service::Tls.name(), tls_address.map(|address| address.port()));
        if let Some(address) = rest_address {
            router.set_service(Service::Rest.name(), Some(address.port()));
        }
        if tls_address.is_some() && !options.without_certificate {
            router.give_api_a_certificate().map_err(|refusal| io::Error::other(refusal.message().to_owned()))?;
        }
        let stop = CancellationToken::new();
        let shared = Shared::new(router, options.latency, options.faults, stop.clone());
        server::start(&shared, Service::Plain, listener, address);
        if let Some((listener, address)) = tls.zip(tls_address) {
            server::start(&shared, Service::Tls, listener, address);
        }
        if let Some((listener, address)) = rest.zip(rest_address) {
            server::start(&shared, Service::Rest, listener, address);
        }
        Ok(Simulator { shared, address, tls_address, rest_address, stop })
    }

    /// Where it listens without TLS, unless its configuration was changed.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens with TLS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where its REST interface listens.
    pub fn rest_address(&self) -> Option<SocketAddr> {
        self.rest_address
    }

    /// The SHA-256 of its certificate, in hexadecimal digits.
    pub fn fingerprint(&self) -> Option<String> {
        use sha2::{Digest, Sha256};
        let identity = self.shared.router.lock().api_identity()?;
        Some(data_encoding::HEXLOWER.encode(&Sha256::digest(&identity.certificate)))
    }

    /// Does something at the router itself, past the API: `["/ip/dns/set", "=servers=192.0.2.53"]`. Gives the rows.
    ///
    /// # Errors
    /// Why it is refused; commands that go on are.
    pub fn run(&self, words: &[&str]) -> Result<Vec<Fields>, Refusal> {
        match self.shared.router.lock().run(&Caller::local(), &Request::from_words(words))? {
            Outcome::Done(reply) => Ok(reply.rows),
            Outcome::Follow(_) | Outcome::Work(_) | Outcome::Restart => Err(Refusal::plain("only over the API")),
        }
    }

    /// The whole configuration as text, without ids and what comes by itself, with all secrets. Equal texts are equal routers: what
    /// was rolled back is compared with this.
    pub fn configuration(&self) -> String {
        self.shared.router.lock().dump()
    }

    /// Other faults from now on; counting begins again.
    pub fn set_faults(&self, faults: Vec<RouterFault>) {
        self.shared.set_faults(faults);
    }

    /// How many commands came since it started or the faults were set.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// How long each reply is on its way from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Restarts it: connections end, and for a while nobody answers.
    pub fn reboot(&self) {
        self.shared.restart();
    }

    /// Stops it and waits until it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.shared.ended().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

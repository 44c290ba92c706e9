//! The router on the network: its two API services and REST, as `/ip/service` has them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fault::{Counts, FaultAction, RouterFault};
use super::model::{Identity, Router};
use super::session::serve;

/// How long a peer may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long somebody who is not let in waits for nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// What a router without a certificate says to everybody who wants to know who it is: the fatal alert `handshake_failure`.
const NO_COMMON_CIPHER: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
/// The first release that says so when a print has no rows.
const SAYS_EMPTY: routeros_schema::Release = routeros_schema::Release { major: 7, minor: 18 };

/// A service by which programs configure it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Plain,
    Tls,
    Rest,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) router: Mutex<Router>,
    pub(super) says_empty: bool,
    /// Counts; each cuts all connections.
    pub(super) cuts: watch::Sender<u64>,
    /// It restarts.
    away: watch::Sender<bool>,
    faults: Mutex<(Counts, Vec<RouterFault>)>,
    latency: AtomicU64,
    sessions: AtomicU64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::Plain => "api",
            Service::Tls => "api-ssl",
            Service::Rest => "www",
        }
    }
}

impl Shared {
    pub(super) fn new(
        router: Router,
        latency: Duration,
        faults: Vec<RouterFault>,
        stop: CancellationToken,
    ) -> Arc<Shared> {
        let shared = Shared {
            says_empty: router.options.release >= SAYS_EMPTY,
            router: Mutex::new(router),
            cuts: watch::Sender::new(0),
            away: watch::Sender::new(false),
            faults: Mutex::new((Counts::default(), faults)),
            latency: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop,
        };
        shared.set_latency(latency);
        Arc::new(shared)
    }

    /// Connections have numbers, from 1.
    pub(super) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a command and tells what goes wrong with it.
    pub(super) fn count(&self, path: &str) -> Option<FaultAction> {
        let (counts, faults) = &mut *self.faults.lock();
        counts.count(path);
        counts.fault(faults, path).cloned()
    }

    /// How many commands came since the faults were set.
    pub(super) fn counts(&self) -> Counts {
        self.faults.lock().0
    }

    /// Other faults from now on; counting begins again.
    pub(super) fn set_faults(&self, faults: Vec<RouterFault>) {
        *self.faults.lock() = (Counts::default(), faults);
    }

    pub(super) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency.load(Ordering::Relaxed))
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.latency.store(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Cuts all connections.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Goes away for a while and starts again.
    pub(super) fn restart(self: &Arc<Self>) {
        self.away.send_replace(true);
        let shared = self.clone();
        self.tasks.spawn(async move {
            let time = {
                let mut router = shared.router.lock();
                router.reboot();
                router.options.reboot_time
            };
            // Replies on their way arrive.
            tokio::task::yield_now().await;
            shared.cut();
            tokio::select! {
                () = sleep(time) => {}
                () = shared.stop.cancelled() => {}
            }
            shared.away.send_replace(false);
        });
    }

    /// Waits for all connections to end.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Listens where the router's service says, beginning with a listener that is bound already, until it is stopped.
pub(super) fn start(shared: &Arc<Shared>, service: Service, listener: TcpListener, address: SocketAddr) {
    let serving = run(shared.clone(), service, listener, address);
    shared.tasks.spawn(serving);
}

async fn run(shared: Arc<Shared>, service: Service, listener: TcpListener, address: SocketAddr) {
    let mut changes = shared.router.lock().changes();
    let mut away = shared.away.subscribe();
    let mut bound = Some((address.port(), listener));
    loop {
        let wanted = shared.router.lock().service_port(service.name()).filter(|_| !*away.borrow());
        if bound.as_ref().map(|(port, _)| *port) != wanted {
            bound = None;
            if let Some(port) = wanted {
                match TcpListener::bind((address.ip(), port)).await {
                    Ok(listener) => bound = Some((port, listener)),
                    Err(error) => tracing::error!(%error, port, "the simulated router cannot listen"),
                }
            }
        }
        let accept = async {
            match &bound {
                Some((_, listener)) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            changed = away.changed() => if changed.is_err() { return },
            accepted = accept => match accepted {
                Ok((stream, peer)) => {
                    let connection = connect(shared.clone(), service, stream, peer.ip());
                    let stop = shared.stop.clone();
                    shared.tasks.spawn(async move {
                        tokio::select! {
                            () = connection => {}
                            () = stop.cancelled() => {}
                        }
                    });
                }
                // Out of file descriptors, for example; a pause lets others end.
                Err(error) => {
                    tracing::warn!(%error, "the simulated router cannot accept a connection");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

async fn connect(shared: Arc<Shared>, service: Service, mut stream: TcpStream, peer: IpAddr) {
    let permitted = move |shared: &Shared| shared.router.lock().permits(service.name(), peer);
    if !permitted(&shared) {
        // To somebody from elsewhere it looks as if nobody was there.
        sleep(SILENCE).await;
        return;
    }
    let _ = stream.set_nodelay(true);
    match service {
        Service::Plain => return serve(stream, shared, permitted).await,
        Service::Rest => return super::rest::serve(stream, shared).await,
        Service::Tls => {}
    }
    let identity = shared.router.lock().api_identity();
    let Some(identity) = identity else {
        // What came is taken first: closing on it would look like a lost connection.
        let _ = timeout(HANDSHAKE, stream.read(&mut [0; 4096])).await;
        let _ = stream.write_all(&NO_COMMON_CIPHER).await;
        let _ = stream.shutdown().await;
        return;
    };
    match timeout(HANDSHAKE, handshake(identity, stream)).await {
        Ok(Ok(stream)) => serve(stream, shared, permitted).await,
        Ok(Err(error)) => tracing::debug!(%error, "no handshake with the simulated router"),
        Err(_) => tracing::debug!("a handshake with the simulated router took too long"),
    }
}

async fn handshake(identity: Identity, stream: TcpStream) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)
        .map_err(io::Error::other)?;
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

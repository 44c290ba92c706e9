//! Handshakes, and certificates that are renewed while connections go on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::files::{Files, TlsOptions};
use crate::{ClientCertificate, TlsError};

/// A connection after its handshake.
pub type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Sessions that clients without tickets can resume.
const REMEMBERED_SESSIONS: usize = 20_000;
/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The server's side of TLS on a listener.
pub struct TlsServer {
    options: TlsOptions,
    current: ArcSwap<ServerConfig>,
    loaded: Mutex<Loaded>,
}

/// What the current configuration was made of.
struct Loaded {
    files: Files,
    /// Of files that were found wanting, so that they are complained about once.
    refused: Option<[u8; 32]>,
    resumption: Resumption,
}

/// What lets clients resume sessions. It outlives a renewed certificate, but not a change of who is let in.
#[derive(Clone)]
struct Resumption {
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

/// Why a connection did not come to its first byte.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeFailure {
    /// The peer closed without a word. Nothing was sent to it.
    #[error("closed before the handshake")]
    Silent,
    /// It took too long.
    #[error("the handshake took too long")]
    TooSlow,
    /// The peer speaks something else, an older version, or has no certificate that is taken.
    #[error("{0}")]
    Refused(io::Error),
}

impl TlsServer {
    /// Reads the files.
    pub fn load(options: TlsOptions) -> Result<Arc<TlsServer>, TlsError> {
        let files = options.read()?;
        let resumption = Resumption::new()?;
        let config = resumption.put_into(options.configure(&files)?);
        let loaded = Mutex::new(Loaded { files, refused: None, resumption });
        Ok(Arc::new(TlsServer { options, current: ArcSwap::from_pointee(config), loaded }))
    }

    /// Reads the files again. Returns whether they have changed; when they are wrong what was before stays, and they are an error
    /// once. Connections go on as they are.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = self.options.read()?;
        let fingerprint = files.fingerprint();
        let mut loaded = self.loaded.lock();
        if fingerprint == loaded.files.fingerprint() || loaded.refused == Some(fingerprint) {
            return Ok(false);
        }
        let config = match self.options.configure(&files) {
            Ok(config) => config,
            Err(error) => {
                loaded.refused = Some(fingerprint);
                return Err(error);
            }
        };
        if !files.has_same_clients(&loaded.files) {
            loaded.resumption = Resumption::new()?;
        }
        self.current.store(Arc::new(loaded.resumption.put_into(config)));
        (loaded.files, loaded.refused) = (files, None);
        Ok(true)
    }

    /// Does a connection's handshake. A peer that closes without having sent anything is not sent anything either: some devices
    /// try their connections so, and take an alert for a failure.
    pub async fn accept(&self, stream: TcpStream, limit: Duration) -> Result<TlsStream, HandshakeFailure> {
        let handshake = async {
            match stream.peek(&mut [0]).await {
                Ok(0) => return Err(HandshakeFailure::Silent),
                Ok(_) => {}
                Err(_) => return Err(HandshakeFailure::Silent),
            }
            TlsAcceptor::from(self.current.load_full()).accept(stream).await.map_err(HandshakeFailure::Refused)
        };
        timeout(limit, handshake).await.unwrap_or(Err(HandshakeFailure::TooSlow))
    }

    /// The files' names, for people.
    fn name(&self) -> String {
        self.options.certificate.display().to_string()
    }
}

impl Resumption {
    fn new() -> Result<Resumption, TlsError> {
        let tickets = rustls::crypto::ring::Ticketer::new()
            .map_err(|_| TlsError::Options("the system gives no random numbers for session tickets"))?;
        Ok(Resumption { tickets, sessions: ServerSessionMemoryCache::new(REMEMBERED_SESSIONS) })
    }

    fn put_into(&self, mut config: ServerConfig) -> ServerConfig {
        config.ticketer = self.tickets.clone();
        config.session_storage = self.sessions.clone();
        config
    }
}

/// What the client has shown of itself, verified.
pub fn client_certificate(stream: &TlsStream) -> Option<ClientCertificate> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates()?.first().map(|der| ClientCertificate::from_der(der))
}

/// Takes up changed files until stopped. `now` says when not to wait for the next look.
pub async fn follow(servers: Vec<Arc<TlsServer>>, now: Arc<tokio::sync::Notify>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = now.notified() => {}
            () = sleep(LOOK_EVERY) => {}
        }
        for server in &servers {
            let reloading = server.clone();
            match tokio::task::spawn_blocking(move || reloading.reload()).await {
                Ok(Ok(true)) => tracing::info!(certificate = server.name(), "the certificate was renewed"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::error!(%error, "a certificate cannot be renewed; the one before stays"),
                Err(error) => tracing::error!(%error, "a certificate could not be looked at"),
            }
        }
    }
}

//! The connection-request listener (TR-069 §3.2.2): HTTP GET with Digest that makes the device open a session.
//!
//! One listener serves any number of devices, each under its own path. What a request leads to is not here; the device
//! waits for it with `Device::connection_request`.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::options::{ConnectionRequest, ConnectionRequestMode};
use super::{Device, DeviceError};
use crate::http::digest::{Challenge, Signed, random_token};
use crate::http::{Connection, Head};

const REALM: &str = "cpe";
/// Nonces given out and not yet used; older ones are forgotten.
const MOST_NONCES: usize = 1_024;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(10);

/// What a device and its listener share.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// User name and password that a request needs.
    credentials: Mutex<(String, String)>,
    in_session: AtomicBool,
    notify: Notify,
    accepted: AtomicU64,
    /// User name and password toward the STUN server.
    pub(super) stun_credentials: Mutex<(String, String)>,
    /// How the STUN server sees the device, and whether that differs from how it sees itself.
    pub(super) binding: Mutex<Option<(SocketAddr, bool)>>,
    binding_changed: Notify,
}

impl Signal {
    pub(super) fn set_credentials(&self, username: &str, password: &str) {
        let mut credentials = self.credentials.lock();
        if credentials.0 != username || credentials.1 != password {
            *credentials = (username.to_owned(), password.to_owned());
        }
    }

    pub(super) fn set_in_session(&self, in_session: bool) {
        self.in_session.store(in_session, Ordering::Relaxed);
    }

    pub(super) fn credentials(&self) -> (String, String) {
        self.credentials.lock().clone()
    }

    /// A request is let in. Kept until the device asks, so a request during a session leads to another session; several make one.
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// Takes over what the STUN server says. Returns whether the binding is another one than before.
    pub(super) fn set_binding(&self, mapped: SocketAddr, is_translated: bool) -> bool {
        let before = self.binding.lock().replace((mapped, is_translated));
        if before != Some((mapped, is_translated)) {
            self.binding_changed.notify_one();
        }
        before.is_some_and(|(address, _)| address != mapped)
    }

    pub(super) async fn binding_changed(&self) {
        self.binding_changed.notified().await;
    }

    pub(super) async fn requested(&self) {
        self.notify.notified().await;
    }
}

/// A listener for the connection requests of one or many devices; closes when dropped.
#[derive(Debug)]
pub struct ConnectionRequestServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    options: ConnectionRequest,
    devices: Mutex<HashMap<String, Arc<Signal>>>,
    nonces: Mutex<VecDeque<String>>,
}

impl ConnectionRequestServer {
    /// Opens the listener.
    pub async fn bind(options: &ConnectionRequest) -> Result<Self, DeviceError> {
        let failed = |source| DeviceError::Listen { address: options.listen.clone(), source };
        let listener = TcpListener::bind(&options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            options: options.clone(),
            devices: Mutex::new(HashMap::new()),
            nonces: Mutex::new(VecDeque::new()),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Where the listener is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ConnectionRequestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Device {
    /// Opens listeners of its own, for HTTP and UDP, as far as the options ask for them, and writes the URL into the model.
    pub async fn listen(&mut self) -> Result<(), DeviceError> {
        self.listen_udp().await?;
        #[cfg(feature = "xmpp")]
        self.listen_xmpp().await?;
        if self.options.connection_request.mode == ConnectionRequestMode::Off {
            return Ok(());
        }
        let server = ConnectionRequestServer::bind(&self.options.connection_request).await?;
        self.attach(Arc::new(server));
        Ok(())
    }

    /// Takes connection requests from a listener shared with other devices.
    pub fn attach(&mut self, server: Arc<ConnectionRequestServer>) {
        let path = format!("/{}", self.device_id);
        let url = format!("http://{}{path}", server.address);
        server.shared.devices.lock().insert(path, Arc::clone(&self.signal));
        self.model.set_root_text("ManagementServer.ConnectionRequestURL", &url);
        self.connection_request_url = Some(url);
        self.listener = Some(server);
        self.publish_credentials();
    }

    /// Connection requests let in so far.
    pub fn connection_requests(&self) -> u64 {
        self.signal.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(server) = &self.listener {
            server.shared.devices.lock().remove(&format!("/{}", self.device_id));
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::debug!(%error, "connection request not accepted");
                // Out of file descriptors, most likely: give others time to close.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut connection = Connection::new(stream);
    loop {
        let Ok(Ok(Some(head))) = timeout(IDLE, connection.read_head()).await else {
            return;
        };
        let Ok(Ok(_)) = timeout(IDLE, connection.read_body(&head, false)).await else {
            return;
        };
        let answer = shared.answer(&head);
        let last = head.has_token("Connection", "close") || head.first_line.ends_with("HTTP/1.0");
        if connection.write(answer.as_bytes()).await.is_err() || last {
            return;
        }
    }
}

impl Shared {
    /// The whole answer to a request.
    fn answer(&self, head: &Head) -> String {
        let mut words = head.first_line.split(' ');
        let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if method != "GET" {
            return message("405 Method Not Allowed", "Allow: GET\r\n");
        }
        let path = uri.split('?').next().unwrap_or_default();
        let Some(signal) = self.devices.lock().get(path).cloned() else {
            return message("404 Not Found", "");
        };
        if !self.lets_in(&signal, head, method, uri) {
            let challenge = Challenge { realm: REALM.into(), nonce: self.new_nonce(), ..Challenge::default() };
            let header = format!("WWW-Authenticate: {}\r\n", challenge.header());
            return message("401 Unauthorized", &header);
        }
        if self.options.busy_while_in_session && signal.in_session.load(Ordering::Relaxed) {
            return message("503 Service Unavailable", "Retry-After: 5\r\n");
        }
        signal.accept();
        message("200 OK", "")
    }

    fn lets_in(&self, signal: &Signal, head: &Head, method: &str, uri: &str) -> bool {
        if self.options.mode != ConnectionRequestMode::Digest {
            return true;
        }
        let (username, password) = signal.credentials();
        if username.is_empty() {
            return true;
        }
        let header = head.header("Authorization");
        let mut nonces = self.nonces.lock();
        let used = nonces.iter().position(|nonce| header.is_some_and(|header| header.contains(nonce.as_str())));
        let Some(used) = used else {
            return false;
        };
        let challenge = Challenge { realm: REALM.into(), nonce: nonces[used].clone(), ..Challenge::default() };
        let signed = Signed { username: &username, password: &password, method, uri };
        let accepted = challenge.verify(header, signed).is_ok();
        if accepted {
            // Each nonce lets in once, so that a recorded request cannot be played again.
            nonces.remove(used);
        }
        accepted
    }

    fn new_nonce(&self) -> String {
        let nonce = random_token();
        let mut nonces = self.nonces.lock();
        if nonces.len() >= MOST_NONCES {
            nonces.pop_front();
        }
        nonces.push_back(nonce.clone());
        nonce
    }
}

fn message(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n")
}

//! The socket: what comes in is told apart and answered, connection requests go out.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::accounts::Accounts;
use super::bindings::{Binding, Bindings, StunAccount};
use super::stun::{self, StunMessage};

/// Datagrams up to this size are read; longer ones are cut off, and then make no sense.
const MAX_DATAGRAM: usize = 8 * 1024;
/// Questions to the directory at the same time. More datagrams that need one are dropped: their senders repeat them.
const MOST_QUESTIONS: usize = 16;

/// Who knows the devices.
#[async_trait]
pub trait UdpDirectory: Send + Sync {
    /// The device with this `ManagementServer.STUNUsername`; `None` when there is none, or more than one.
    async fn stun_account(&self, username: &str) -> Option<StunAccount>;

    /// A datagram came that may be a lightweight notification (TR-069 Annex M). It is never answered.
    async fn notified(&self, datagram: Vec<u8>, from: SocketAddr);
}

/// The port.
pub struct UdpPort {
    socket: UdpSocket,
    is_v6: bool,
    bindings: Mutex<Bindings>,
    accounts: Mutex<Accounts>,
    directory: Arc<dyn UdpDirectory>,
    questions: Arc<Semaphore>,
}

impl UdpPort {
    /// Opens the socket.
    ///
    /// # Errors
    /// The system's reason.
    pub async fn bind(address: SocketAddr, directory: Arc<dyn UdpDirectory>) -> io::Result<Arc<UdpPort>> {
        let socket = UdpSocket::bind(address).await?;
        Ok(Arc::new(UdpPort {
            socket,
            is_v6: address.is_ipv6(),
            bindings: Mutex::default(),
            accounts: Mutex::default(),
            directory,
            questions: Arc::new(Semaphore::new(MOST_QUESTIONS)),
        }))
    }

    /// Where it is.
    ///
    /// # Errors
    /// The system's reason.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Where a device has announced that it can be reached, unless that is too long ago.
    pub fn binding(&self, device_id: &str) -> Option<Binding> {
        self.bindings.lock().of(device_id, Instant::now())
    }

    /// Sends a datagram from the port.
    ///
    /// # Errors
    /// The system's reason.
    pub async fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = match (self.is_v6, to.ip()) {
            (true, IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        self.socket.send_to(datagram, to).await.map(|_| ())
    }

    /// Answers until stopped.
    pub async fn serve(self: Arc<Self>, stop: CancellationToken) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((count, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    self.take(&buffer[..count], from).await;
                }
                // That nobody was there for an earlier datagram is reported here, too.
                Err(error) => debug!(target: "cwmp", %error, "a datagram could not be received"),
            }
        }
    }

    async fn take(self: &Arc<Self>, datagram: &[u8], from: SocketAddr) {
        match datagram.first() {
            // The first two bits of STUN are zero, and so are more in the messages that exist.
            Some(0..=1) => match stun::parse(datagram) {
                Ok(message) => self.take_stun(&message, datagram, from).await,
                Err(error) => debug!(target: "cwmp", %from, %error, "not a STUN message"),
            },
            Some(_) => {
                let Ok(permit) = self.questions.clone().try_acquire_owned() else { return };
                let (this, datagram) = (self.clone(), datagram.to_vec());
                tokio::spawn(async move {
                    this.directory.notified(datagram, from).await;
                    drop(permit);
                });
            }
            None => {}
        }
    }

    async fn take_stun(self: &Arc<Self>, message: &StunMessage<'_>, datagram: &[u8], from: SocketAddr) {
        let Some(username) = message.username() else { return self.answer(message, from, None).await };
        let fits = |account: &StunAccount| {
            !message.has_integrity() || message.integrity(account.password.as_bytes()).is_some()
        };
        let known = self.accounts.lock().get(username, Instant::now(), fits);
        if let Some(account) = known {
            return self.answer(message, from, account.as_deref()).await;
        }
        let Ok(permit) = self.questions.clone().try_acquire_owned() else { return };
        let (this, datagram, username) = (self.clone(), datagram.to_vec(), username.to_owned());
        tokio::spawn(async move {
            let account = this.directory.stun_account(&username).await.map(Arc::new);
            this.accounts.lock().put(&username, account.clone(), Instant::now());
            drop(permit);
            if let Ok(message) = stun::parse(&datagram) {
                this.answer(&message, from, account.as_deref()).await;
            }
        });
    }

    async fn answer(&self, message: &StunMessage<'_>, from: SocketAddr, account: Option<&StunAccount>) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let answer = self.bindings.lock().answer(message, from, account, Instant::now(), time);
        if let Some(answer) = answer
            && let Err(error) = self.send(&answer, from).await
        {
            warn!(target: "cwmp", %from, %error, "a STUN answer could not be sent");
        }
    }
}

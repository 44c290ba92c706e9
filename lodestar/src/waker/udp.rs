//! Waking over UDP (TR-069 Annex G): a few identical datagrams, until the device comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cwmp::connection_request::{AddressPolicy, ConnectionRequestError, Credentials, Silence};
use cwmp::udp::{UdpPort, UdpRequest};
use tokio::net::lookup_host;
use tokio::sync::watch;
use ui_api::SessionPhase;

use super::credentials::{CredentialSource, Presenting};
use super::facts::DeviceFacts;
use super::limits::Limiter;

/// When the repeats go out, after the first.
const REPEATS: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1_500)];
/// How long the device may take to come before another method is tried.
pub const UDP_WAIT: Duration = Duration::from_secs(4);

/// Where a device can be reached over UDP.
pub struct UdpTarget {
    /// As the request names it.
    host: String,
    /// Known from the device's own Binding Requests; else the name is still to be resolved.
    address: Option<SocketAddr>,
}

impl UdpTarget {
    /// The newest of what the device has announced by STUN and what it has told in an Inform.
    pub fn of(device_id: &str, facts: &DeviceFacts, port: &UdpPort) -> Option<UdpTarget> {
        let binding = port.binding(device_id).filter(|_| facts.uses_udp);
        match (binding, &facts.udp_address) {
            (Some(binding), told) if told.as_ref().is_none_or(|(_, at)| binding.seen_at >= *at) => {
                Some(UdpTarget { host: binding.address.to_string(), address: Some(binding.address) })
            }
            (_, Some((host, _))) => Some(UdpTarget { host: host.clone(), address: None }),
            _ => None,
        }
    }

    async fn resolve(&self, policy: &AddressPolicy) -> Result<SocketAddr, ConnectionRequestError> {
        if let Some(address) = self.address {
            return policy.check_address(address).map(|()| address);
        }
        let is_plain =
            self.host.bytes().all(|byte| byte.is_ascii_graphic()) && !self.host.contains(['/', '?', '#', '@']);
        if !is_plain {
            return Err(ConnectionRequestError::InvalidUrl);
        }
        let has_port = self.host.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let name = if has_port { self.host.clone() } else { format!("{}:80", self.host) };
        let unknown = |_| ConnectionRequestError::Offline(Silence::UnknownName);
        let address = lookup_host(&name).await.map_err(unknown)?.next();
        let address = address.ok_or(ConnectionRequestError::Offline(Silence::UnknownName))?;
        policy.check_address(address).map(|()| address)
    }
}

/// What a request needs besides its target.
pub struct UdpParts<'a> {
    /// The socket.
    pub port: &'a Arc<UdpPort>,
    /// Where requests may go.
    pub policy: &'a AddressPolicy,
    /// How often.
    pub limiter: &'a Limiter,
    /// The number of the request.
    pub id: u32,
    /// The time in seconds since the Unix epoch.
    pub timestamp: i64,
    /// Tells when the device has come.
    pub follower: watch::Receiver<SessionPhase>,
}

/// Sends the request, signed with all credentials that may be right; repeats follow until the device comes. Whether it has got
/// there is not known.
pub async fn send(
    target: UdpTarget,
    source: &CredentialSource<'_>,
    parts: UdpParts<'_>,
) -> Result<(), ConnectionRequestError> {
    let to = target.resolve(parts.policy).await?;
    parts.limiter.enter([to.ip().to_canonical()], Instant::now())?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| ConnectionRequestError::Failed(error.to_string()))?;
    let request = UdpRequest {
        host: target.host,
        timestamp: parts.timestamp,
        id: parts.id,
        client_nonce: format!("{:016x}", u64::from_be_bytes(random)),
    };
    let mut over_udp = OverUdp { port: parts.port.clone(), to, request, sent: Vec::new() };
    match source.try_in_turn(&mut over_udp).await {
        // No device says at once that it takes them.
        Ok(_) | Err(ConnectionRequestError::WrongCredentials) => {}
        Err(error) => return Err(error),
    }
    if over_udp.sent.is_empty() {
        return Err(ConnectionRequestError::WrongCredentials);
    }
    tokio::spawn(over_udp.repeat(parts.follower));
    Ok(())
}

struct OverUdp {
    port: Arc<UdpPort>,
    to: SocketAddr,
    request: UdpRequest,
    sent: Vec<String>,
}

#[async_trait]
impl Presenting for OverUdp {
    async fn present(&mut self, credentials: &Credentials) -> Result<bool, ConnectionRequestError> {
        let datagram = self.request.datagram(credentials);
        let sent = self.port.send(datagram.as_bytes(), self.to).await;
        sent.map_err(|error| ConnectionRequestError::Failed(error.to_string()))?;
        self.sent.push(datagram);
        Ok(false)
    }
}

impl OverUdp {
    async fn repeat(self, mut follower: watch::Receiver<SessionPhase>) {
        for wait in REPEATS {
            let came = follower.wait_for(|phase| *phase != SessionPhase::Awaited);
            if tokio::time::timeout(wait, came).await.is_ok() {
                return;
            }
            for datagram in &self.sent {
                // That a repeat cannot be sent is no more news than that the first could.
                let _ = self.port.send(datagram.as_bytes(), self.to).await;
            }
        }
    }
}

//! Pings hosts for operators. The right to do so is no right to look around in the server's own network: only addresses are pinged
//! that connection requests may go to, a few at a time. No program is started for it.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cwmp::connection_request::AddressPolicy;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::lookup_host;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use ui_api::{HostPinger, PingError};

/// Hosts at a time.
const MOST_AT_A_TIME: usize = 4;
/// How long a name may take to be looked up.
const LOOKUP_TIME: Duration = Duration::from_secs(5);
/// Echo requests to one host.
const REQUESTS: u16 = 3;
/// Bytes in each, besides its header.
const PAYLOAD: usize = 56;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between an answer and the next request.
const INTERVAL: Duration = Duration::from_millis(200);
/// The longest name there is (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;

/// Sends echo requests.
pub struct Pinger {
    policy: AddressPolicy,
    places: Semaphore,
}

impl Pinger {
    /// One that pings where devices may be.
    pub fn new(policy: AddressPolicy) -> Pinger {
        Pinger { policy, places: Semaphore::new(MOST_AT_A_TIME) }
    }

    /// An address of a host, if devices may be there.
    async fn address(&self, host: &str) -> Result<IpAddr, PingError> {
        let unknown = || PingError::UnknownName(host.to_owned());
        let plain = host.trim_matches(['[', ']']);
        let addresses: Vec<SocketAddr> = match plain.parse::<IpAddr>() {
            Ok(address) => vec![(address, 0).into()],
            Err(_) if plain.is_empty() || plain.len() > MAX_NAME => return Err(unknown()),
            Err(_) => match timeout(LOOKUP_TIME, lookup_host((plain, 0))).await {
                Ok(Ok(addresses)) => addresses.collect(),
                _ => return Err(unknown()),
            },
        };
        if addresses.is_empty() {
            return Err(unknown());
        }
        // The port is that of the discard protocol: the policy looks at the address, and nothing is sent there.
        let allowed =
            addresses.iter().map(SocketAddr::ip).find(|ip| self.policy.check_address((*ip, 9).into()).is_ok());
        allowed.ok_or_else(|| PingError::Refused(host.to_owned()))
    }
}

#[async_trait]
impl HostPinger for Pinger {
    async fn ping(&self, host: &str) -> Result<String, PingError> {
        let _place = self.places.try_acquire().map_err(|_| PingError::TooMany)?;
        let address = self.address(host).await?;
        let pinged = tokio::task::spawn_blocking(move || exchange(address)).await;
        match pinged {
            Ok(Ok(report)) => Ok(report.text()),
            Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => Err(PingError::Failed(
                "this system does not let the server send pings; its group must be in net.ipv4.ping_group_range"
                    .to_owned(),
            )),
            Ok(Err(error)) => Err(PingError::Failed(format!("ping: {error}"))),
            Err(_) => Err(PingError::Failed("the ping was broken off".to_owned())),
        }
    }
}

/// What came back.
struct Report {
    address: IpAddr,
    /// By request: how long the answer took.
    answers: Vec<Option<Duration>>,
}

/// Sends echo requests one after the other. Blocks.
fn exchange(address: IpAddr) -> io::Result<Report> {
    let socket = open(address)?;
    socket.connect(&SocketAddr::from((address, 0)).into())?;
    let mut payload = [0; PAYLOAD];
    getrandom::fill(&mut payload).map_err(|error| io::Error::other(error.to_string()))?;
    let mut answers = Vec::new();
    for sequence in 1..=REQUESTS {
        let sent = Instant::now();
        // Where there is no way, that is told here; the next may find one.
        let is_sent = socket.send(&request(address, sequence, &payload)).is_ok();
        answers.push(if is_sent { wait(&socket, address, sequence, &payload, sent)? } else { None });
        std::thread::sleep(INTERVAL);
    }
    Ok(Report { address, answers })
}

/// A socket for echo requests: of the kind that needs no privilege, or else of the kind that does.
fn open(address: IpAddr) -> io::Result<Socket> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    Socket::new(domain, Type::DGRAM, Some(protocol)).or_else(|_| Socket::new(domain, Type::RAW, Some(protocol)))
}

/// Waits for an answer. Returns how long it took; `None` when none came in time.
fn wait(
    mut socket: &Socket,
    address: IpAddr,
    sequence: u16,
    payload: &[u8],
    sent: Instant,
) -> io::Result<Option<Duration>> {
    let mut buffer = [0; 512];
    loop {
        let Some(left) = PATIENCE.checked_sub(sent.elapsed()).filter(|left| !left.is_zero()) else { return Ok(None) };
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut buffer) {
            Ok(length) if is_answer(address, &buffer[..length], sequence, payload) => return Ok(Some(sent.elapsed())),
            // Another's, or an older one.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            // What a router tells: there is no way.
            Err(_) => return Ok(None),
        }
    }
}

/// An echo request (RFC 792, RFC 4443 §4.1).
fn request(address: IpAddr, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let kind = if address.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0, 0x4C, 0x4F];
    message.extend(sequence.to_be_bytes());
    message.extend(payload);
    if address.is_ipv4() {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// Whether a message is the answer to a request. Sockets with privilege give IPv4 packets with their header.
fn is_answer(address: IpAddr, message: &[u8], sequence: u16, payload: &[u8]) -> bool {
    let header = match message.first() {
        Some(first) if address.is_ipv4() && first >> 4 == 4 => usize::from(first & 0xF) * 4,
        _ => 0,
    };
    let kind = if address.is_ipv4() { 0 } else { 129 };
    let Some(message) = message.get(header..) else { return false };
    message.first() == Some(&kind)
        && message.get(6..8) == Some(&sequence.to_be_bytes())
        && message.get(8..) == Some(payload)
}

/// The sum of RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
    let sum: u32 = message.chunks(2).map(word).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !((folded & 0xFFFF) + (folded >> 16)) as u16
}

impl Report {
    /// As `ping` prints it, for programs that read that.
    fn text(&self) -> String {
        let Report { address, answers } = self;
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1e3;
        let mut out = format!("PING {address} ({address}) {PAYLOAD} bytes of data.\n");
        for (place, time) in answers.iter().enumerate() {
            if let Some(time) = time {
                let (bytes, sequence, time) = (PAYLOAD + 8, place + 1, milliseconds(time));
                out.push_str(&format!("{bytes} bytes from {address}: icmp_seq={sequence} time={time:.3} ms\n"));
            }
        }
        let times: Vec<f64> = answers.iter().flatten().map(milliseconds).collect();
        let (sent, received) = (answers.len(), times.len());
        let lost = (sent - received) * 100 / sent.max(1);
        out.push_str(&format!("\n--- {address} ping statistics ---\n"));
        out.push_str(&format!("{sent} packets transmitted, {received} received, {lost}% packet loss\n"));
        if received > 0 {
            let mean = times.iter().sum::<f64>() / received as f64;
            let deviation = (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / received as f64).sqrt();
            let (least, most) =
                times.iter().fold((f64::MAX, 0.0), |(least, most), time| (time.min(least), time.max(most)));
            out.push_str(&format!("rtt min/avg/max/mdev = {least:.3}/{mean:.3}/{most:.3}/{deviation:.3} ms\n"));
        }
        out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_hosts_at_which_devices_may_be_are_pinged() {
        let pinger = Pinger::new(AddressPolicy::default().with_networks(vec!["192.0.2.0/24".parse().unwrap()]));
        let refused = |host: &str| Err(PingError::Refused(host.to_owned()));
        let unknown = |host: &str| Err(PingError::UnknownName(host.to_owned()));
        let long = "a".repeat(300);
        for (host, expected) in [
            ("192.0.2.7", Ok("192.0.2.7".parse().unwrap())),
            ("198.51.100.1", refused("198.51.100.1")),
            ("127.0.0.1", refused("127.0.0.1")),
            ("localhost", refused("localhost")),
            ("[::1]", refused("[::1]")),
            ("::ffff:127.0.0.1", refused("::ffff:127.0.0.1")),
            ("169.254.169.254", refused("169.254.169.254")),
            ("0.0.0.0", refused("0.0.0.0")),
            ("", unknown("")),
            ("-c 1000000", unknown("-c 1000000")),
            ("192.0.2.7 192.0.2.8", unknown("192.0.2.7 192.0.2.8")),
            (long.as_str(), unknown(&long)),
        ] {
            assert_eq!(pinger.address(host).await, expected, "{host}");
        }
    }

    #[tokio::test]
    async fn a_few_are_pinged_at_a_time() {
        let pinger = Pinger::new(AddressPolicy::default());
        let _places = pinger.places.acquire_many(MOST_AT_A_TIME as u32).await.unwrap();
        assert_eq!(pinger.ping("192.0.2.7").await, Err(PingError::TooMany));
    }

    #[test]
    fn answers_belong_to_their_requests() {
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
        let payload = [7; PAYLOAD];
        let message = request(v4, 2, &payload);
        assert_eq!(checksum(&message), 0, "a message with its sum has none");
        let mut answer = message.clone();
        answer[0] = 0;
        let with_header = [&[0x45; 20][..], &answer].concat();
        assert!(is_answer(v4, &answer, 2, &payload) && is_answer(v4, &with_header, 2, &payload));
        for (message, sequence, payload) in [(&message, 2, payload), (&answer, 3, payload), (&answer, 2, [8; PAYLOAD])]
        {
            assert!(!is_answer(v4, message, sequence, &payload));
        }
        let mut answer = request(v6, 1, &payload);
        answer[0] = 129;
        assert!(is_answer(v6, &answer, 1, &payload));
        for length in 0..answer.len() {
            assert!(
                !is_answer(v6, &answer[..length], 1, &payload) && !is_answer(v4, &with_header[..length], 2, &payload)
            );
        }
    }

    #[test]
    fn a_report_reads_like_pings() {
        let answers = vec![Some(Duration::from_micros(1_000)), None, Some(Duration::from_micros(3_000))];
        let text = Report { address: "192.0.2.7".parse().unwrap(), answers }.text();
        let expected = "PING 192.0.2.7 (192.0.2.7) 56 bytes of data.\n\
            64 bytes from 192.0.2.7: icmp_seq=1 time=1.000 ms\n\
            64 bytes from 192.0.2.7: icmp_seq=3 time=3.000 ms\n\n\
            --- 192.0.2.7 ping statistics ---\n\
            3 packets transmitted, 2 received, 33% packet loss\n\
            rtt min/avg/max/mdev = 1.000/2.000/3.000/1.000 ms\n";
        assert_eq!(text, expected);
    }
}

//! Where connection requests may go. Addresses come from devices, so they must not lead this server to its own machine, to the
//! services of its host, or to strangers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

use ipnet::IpNet;

use super::ConnectionRequestError;

/// Where clouds keep their metadata services and agents, apart from the link-local addresses.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Ports from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first > 0 && first <= last => Ok(PortRange { first, last }),
            _ => Err(format!("{text:?} is no port or range of ports; one looks like 7547 or 1024-65535")),
        }
    }
}

/// Which addresses are devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPolicy {
    this_machine: bool,
    networks: Vec<IpNet>,
    ports: Vec<PortRange>,
    own_listeners: Vec<SocketAddr>,
}

impl Default for AddressPolicy {
    /// Every network; port 80 and those that need no privilege. Nothing on this machine.
    fn default() -> AddressPolicy {
        let ports = vec![PortRange { first: 80, last: 80 }, PortRange { first: 1_024, last: u16::MAX }];
        AddressPolicy { this_machine: false, networks: Vec::new(), ports, own_listeners: Vec::new() }
    }
}

impl AddressPolicy {
    /// This machine is allowed, too: for demonstrations and tests.
    #[must_use]
    pub fn with_this_machine(self) -> AddressPolicy {
        AddressPolicy { this_machine: true, ..self }
    }

    /// Devices are in these networks only; in any when there are none.
    #[must_use]
    pub fn with_networks(self, networks: Vec<IpNet>) -> AddressPolicy {
        AddressPolicy { networks, ..self }
    }

    /// Devices listen on these ports only; as by default when there are none.
    #[must_use]
    pub fn with_ports(self, ports: Vec<PortRange>) -> AddressPolicy {
        if ports.is_empty() { self } else { AddressPolicy { ports, ..self } }
    }

    /// Where this server listens: never a device, even when this machine is allowed.
    #[must_use]
    pub fn with_own_listeners(self, own_listeners: Vec<SocketAddr>) -> AddressPolicy {
        AddressPolicy { own_listeners, ..self }
    }

    /// Whether a device may be at an address and port.
    ///
    /// # Errors
    /// [`ConnectionRequestError::AddressRefused`] and [`ConnectionRequestError::PortRefused`].
    pub fn check(&self, target: SocketAddr) -> Result<(), ConnectionRequestError> {
        self.check_address(target)?;
        if self.ports.iter().any(|range| (range.first..=range.last).contains(&target.port())) {
            Ok(())
        } else {
            Err(ConnectionRequestError::PortRefused(target.port()))
        }
    }

    /// Whether a device may be at an address, on whatever port: behind a NAT, it does not choose its port.
    ///
    /// # Errors
    /// [`ConnectionRequestError::AddressRefused`]
    pub fn check_address(&self, target: SocketAddr) -> Result<(), ConnectionRequestError> {
        let is_refused = !self.allows(target.ip())
            || self.is_own_listener(target)
            || (!self.this_machine && is_this_machine(target));
        if is_refused { Err(ConnectionRequestError::AddressRefused(target.ip().to_string())) } else { Ok(()) }
    }

    /// Whether a device may be at an address. Never this machine, link-local and metadata addresses, multicast, broadcast, reserved
    /// or unspecified ones, in whatever form they are written.
    fn allows(&self, address: IpAddr) -> bool {
        let address = embedded_v4(address);
        if address.is_loopback() {
            return self.this_machine;
        }
        if address.is_unspecified() || address.is_multicast() || METADATA.contains(&address) {
            return false;
        }
        let ordinary = match address {
            // 0.0.0.0/8 is this network, 240.0.0.0/4 is reserved and ends with the broadcast address.
            IpAddr::V4(v4) => !v4.is_link_local() && v4.octets()[0] != 0 && v4.octets()[0] < 240,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        };
        ordinary && (self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address)))
    }

    fn is_own_listener(&self, target: SocketAddr) -> bool {
        let address = embedded_v4(target.ip());
        self.own_listeners.iter().filter(|own| own.port() == target.port()).any(|own| {
            let own = embedded_v4(own.ip());
            own == address || (own.is_unspecified() && (address.is_loopback() || is_this_machine(target)))
        })
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (RFC 6052), compatible, or of 6to4.
fn embedded_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let of = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        _ => address,
    }
}

/// Whether an address is one of this machine's own: then a packet there would carry that address as its source, too. Nothing is
/// sent to find out.
fn is_this_machine(target: SocketAddr) -> bool {
    let any: SocketAddr = match target.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let source = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(target)?;
        socket.local_addr()
    });
    // Without a way there, the connection will fail, too.
    source.is_ok_and(|source| source.ip() == target.ip())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn verdict(policy: &AddressPolicy, address: &str, port: u16) -> bool {
        policy.check(SocketAddr::new(address.parse().unwrap(), port)).is_ok()
    }

    #[test]
    fn devices_are_not_at_the_servers_own_addresses() {
        let cases = [
            ("192.0.2.1", true),
            ("10.1.2.3", true),
            ("100.64.0.1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("::ffff:192.0.2.1", true),
            ("127.0.0.1", false),
            ("127.8.9.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("2002:7f00:1::", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("fd00:ec2::254", false),
            ("100.100.100.200", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("224.0.0.1", false),
            ("ff02::1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
        ];
        for (address, expected) in cases {
            assert_eq!(verdict(&AddressPolicy::default(), address, 7547), expected, "{address}");
        }
        let anywhere = AddressPolicy::default().with_this_machine();
        assert!(verdict(&anywhere, "127.0.0.1", 7547));
        assert!(!verdict(&anywhere, "169.254.169.254", 7547));
    }

    #[test]
    fn a_policy_names_networks_and_ports() {
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let policy = AddressPolicy::default().with_networks(networks);
        for (address, port, expected) in [
            ("10.255.0.1", 7547, true),
            ("::ffff:10.255.0.1", 7547, true),
            ("11.0.0.1", 7547, false),
            ("2001:db8:1::1", 80, true),
            ("2001:db9::1", 80, false),
            ("10.0.0.1", 22, false),
            ("10.0.0.1", 443, false),
            ("10.0.0.1", 1_024, true),
        ] {
            assert_eq!(verdict(&policy, address, port), expected, "{address} {port}");
        }
        let ports = AddressPolicy::default().with_ports(vec!["7547".parse().unwrap(), "30000-30010".parse().unwrap()]);
        for (port, expected) in [(7547, true), (30_005, true), (80, false), (30_011, false)] {
            assert_eq!(verdict(&ports, "192.0.2.1", port), expected, "{port}");
        }
        for text in ["0", "2-1", "x", "1-70000", ""] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_servers_listeners_are_no_devices_even_where_this_machine_is_allowed() {
        let listeners = vec!["0.0.0.0:7547".parse().unwrap(), "127.0.0.1:7557".parse().unwrap()];
        let policy = AddressPolicy::default().with_this_machine().with_own_listeners(listeners);
        for (address, port, expected) in [
            ("127.0.0.1", 7547, false),
            ("127.0.0.2", 7547, false),
            ("127.0.0.1", 7557, false),
            ("::ffff:127.0.0.1", 7557, false),
            ("127.0.0.1", 7558, true),
        ] {
            assert_eq!(verdict(&policy, address, port), expected, "{address} {port}");
        }
    }

    /// The address by which this machine reaches others is its own as much as loopback is.
    #[test]
    fn this_machines_other_addresses_are_found() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_err() {
            eprintln!("skipped: this machine has no way to other networks");
            return;
        }
        let own = socket.local_addr().unwrap().ip();
        assert!(AddressPolicy::default().check(SocketAddr::new(own, 7547)).is_err(), "{own}");
    }
}

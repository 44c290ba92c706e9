//! Where connection requests may go. The URL comes from the device, so it must not lead this server to its own machine or to
//! the services of its host.

use std::net::IpAddr;

/// Which addresses are devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressPolicy {
    loopback: bool,
}

impl AddressPolicy {
    /// Everything, this machine included: for demonstrations and tests.
    pub fn anywhere() -> AddressPolicy {
        AddressPolicy { loopback: true }
    }

    /// Whether a device may be at an address. Never this machine, link-local (where clouds keep their metadata services),
    /// multicast, broadcast or unspecified addresses, in whatever form they are written.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        if address.is_loopback() {
            return self.loopback;
        }
        if address.is_unspecified() || address.is_multicast() {
            return false;
        }
        match address {
            IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_broadcast() && v4.octets()[0] != 0,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_not_at_the_servers_own_addresses() {
        let cases = [
            ("192.0.2.1", true),
            ("10.1.2.3", true),
            ("100.64.0.1", true),
            ("2001:db8::1", true),
            ("127.0.0.1", false),
            ("127.8.9.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
        ];
        for (address, expected) in cases {
            assert_eq!(AddressPolicy::default().allows(address.parse().unwrap()), expected, "{address}");
        }
        assert!(AddressPolicy::anywhere().allows("127.0.0.1".parse().unwrap()));
        assert!(!AddressPolicy::anywhere().allows("169.254.169.254".parse().unwrap()));
    }
}

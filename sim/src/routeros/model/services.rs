//! The services of the router itself that the simulator offers: on which port, and to whom.

use std::net::IpAddr;

use super::Router;

impl Router {
    /// The port of a service; `None` when it is switched off.
    pub(crate) fn service_port(&self, name: &str) -> Option<u16> {
        let service = self.state.find("/ip/service", "name", name).filter(|row| !row.is_disabled())?;
        service.text("port")?.parse().ok()
    }

    /// Says where a service really is, or that it is nowhere.
    pub(crate) fn set_service(&mut self, name: &str, port: Option<u16>) {
        let id = self.state.find("/ip/service", "name", name).map(|row| row.id);
        let Some(row) = id.and_then(|id| self.state.row_mut("/ip/service", id)) else { return };
        row.put("disabled", if port.is_some() { "false" } else { "true" });
        if let Some(port) = port {
            row.put("port", &port.to_string());
        }
        self.changed();
    }

    /// Whether a service is there for a peer.
    pub(crate) fn permits(&self, name: &str, peer: IpAddr) -> bool {
        let Some(service) = self.state.find("/ip/service", "name", name) else { return false };
        let networks = service.text("address").unwrap_or_default();
        !service.is_disabled() && (networks.is_empty() || networks.split(',').any(|network| contains(network, peer)))
    }
}

fn contains(network: &str, peer: IpAddr) -> bool {
    let (address, length) = network.split_once('/').unwrap_or((network, "128"));
    let length: u32 = length.parse().unwrap_or(128);
    match (address.parse::<IpAddr>(), peer.to_canonical()) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(peer)) => {
            let shift = 32 - length.min(32);
            u32::from(network).checked_shr(shift) == u32::from(peer).checked_shr(shift)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(peer)) => {
            let shift = 128 - length.min(128);
            u128::from(network).checked_shr(shift) == u128::from(peer).checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.7", true),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("192.0.2.0/24", "192.0.3.7", false),
            ("192.0.2.7/32", "192.0.2.7", true),
            ("0.0.0.0/0", "192.0.2.7", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:db8::/32", "192.0.2.7", false),
        ];
        for (network, peer, expected) in cases {
            assert_eq!(contains(network, peer.parse().unwrap()), expected, "{network} {peer}");
        }
    }
}

//! The eight phases, which phase a menu belongs to, and the order of steps: what others need first, phases order the rest. Pure.
//!
//! The phases alone are no order of dependence: a PPP profile (phase 4) is named by a PPPoE client (phase 1), a certificate (8) by
//! servers (4), a routing table (6) by rules of many phases. So steps say what they need, and what is needed is pulled forward.
//!
//! Not here: what a step needs ([`crate::step`] and [`crate::needs`]), and running it.

mod order;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use order::{Cycle, Place, Placing, order};

/// A phase. Its number is its place in the order of execution; rollback goes the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// 1: interfaces.
    InterfaceSetup,
    /// 2: WireGuard peers and the parts of IPsec.
    TunnelPeers,
    /// 3: pools and addresses.
    IpAddressPools,
    /// 4: PPP profiles and secrets, servers, IPsec identities and policies.
    PppVpnServers,
    /// 5: DHCP, ports of bridges, members of lists.
    DhcpNetworking,
    /// 6: tables, routes, rules.
    Routing,
    /// 7: address lists, mangle, NAT, filter, raw, UPnP, NAT-PMP.
    Firewall,
    /// 8: DNS, identity, time, scripts, services, certificates.
    SystemDns,
}

/// What a phase is, and which menus are its own.
#[derive(Debug)]
pub struct PhaseDefinition {
    /// Which.
    pub phase: Phase,
    /// For people.
    pub title: &'static str,
    /// What happens in it.
    pub description: &'static str,
    /// Menus, which stand for all that is below them unless a longer path is named elsewhere.
    pub paths: &'static [&'static str],
}

/// The phases and their menus, in order.
pub const PHASES: [PhaseDefinition; 8] = [
    PhaseDefinition {
        phase: Phase::InterfaceSetup,
        title: "Interface Setup",
        description: "create interfaces",
        paths: &[
            "/interface/bridge",
            "/interface/wireguard",
            "/interface/pppoe-client",
            "/interface/l2tp-client",
            "/interface/sstp-client",
            "/interface/pptp-client",
            "/interface/ovpn-client",
            "/interface/wifi/security",
            "/interface/wifi/configuration",
            "/interface/wifi",
            "/interface/ipip",
            "/interface/eoip",
            "/interface/gre",
            "/interface/vxlan",
            "/interface/vlan",
            "/interface/macvlan",
            "/interface/lte",
            "/interface/list",
        ],
    },
    PhaseDefinition {
        phase: Phase::TunnelPeers,
        title: "Tunnel Peers",
        description: "WireGuard peers and the parts of IPsec",
        paths: &[
            "/interface/wireguard/peers",
            "/ip/ipsec/profile",
            "/ip/ipsec/peer",
            "/ip/ipsec/proposal",
            "/ip/ipsec/mode-config",
        ],
    },
    PhaseDefinition {
        phase: Phase::IpAddressPools,
        title: "IP Address Pools",
        description: "pools and addresses",
        paths: &["/ip/pool", "/ip/address"],
    },
    PhaseDefinition {
        phase: Phase::PppVpnServers,
        title: "PPP/VPN Servers",
        description: "PPP profiles and secrets, servers, IPsec identities and policies",
        paths: &[
            "/ppp/profile",
            "/ppp/secret",
            "/interface/pptp-server",
            "/interface/l2tp-server",
            "/interface/sstp-server",
            "/interface/ovpn-server",
            "/ip/ipsec/identity",
            "/ip/ipsec/policy",
        ],
    },
    PhaseDefinition {
        phase: Phase::DhcpNetworking,
        title: "DHCP Networking",
        description: "DHCP, ports of bridges, members of interface lists",
        paths: &[
            "/interface/wifi/provisioning",
            "/ip/dhcp-server/network",
            "/ip/dhcp-server",
            "/ip/dhcp-client",
            "/interface/bridge/port",
            "/interface/list/member",
        ],
    },
    PhaseDefinition {
        phase: Phase::Routing,
        title: "Routing",
        description: "routing tables, routes and rules",
        paths: &["/routing/table", "/ip/route", "/routing/rule"],
    },
    PhaseDefinition {
        phase: Phase::Firewall,
        title: "Firewall",
        description: "address lists, mangle, NAT, filter, raw, UPnP and NAT-PMP",
        paths: &[
            "/ip/firewall/address-list",
            "/ip/firewall/mangle",
            "/ip/firewall/nat",
            "/ip/firewall/filter",
            "/ip/firewall/raw",
            "/ip/upnp/interfaces",
            "/ip/nat-pmp/interfaces",
            "/ip/upnp",
            "/ip/nat-pmp",
        ],
    },
    PhaseDefinition {
        phase: Phase::SystemDns,
        title: "System/DNS",
        description: "DNS, identity, time, scripts, services and certificates",
        paths: &[
            "/system/routerboard/settings",
            "/system/package/update",
            "/system/logging/action",
            "/tool/graphing/interface",
            "/tool/graphing/resource",
            "/tool/graphing/queue",
            "/certificate/settings",
            "/ip/dns",
            "/ip/ssh",
            "/ip/socks",
            "/system/identity",
            "/system/ntp/client",
            "/system/scheduler",
            "/system/script",
            "/system/logging",
            "/system/clock",
            "/ip/service",
            "/ip/cloud",
            "/tool/romon",
            "/certificate",
        ],
    },
];

/// Menus whose phase by [`classify_resource_path`] would be the first for want of a better one.
const ELSEWHERE: [(&str, Phase); 5] = [
    ("/tool/netwatch", Phase::Firewall),
    ("/user", Phase::SystemDns),
    ("/ip/proxy", Phase::SystemDns),
    ("/ipv6/firewall", Phase::Firewall),
    ("/ipv6", Phase::SystemDns),
];

impl Phase {
    /// 1 to 8.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its definition.
    pub fn definition(self) -> &'static PhaseDefinition {
        &PHASES[self as usize]
    }

    /// The name in comments, logs and errors: `INTERFACE_SETUP`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::InterfaceSetup => "INTERFACE_SETUP",
            Phase::TunnelPeers => "TUNNEL_PEERS",
            Phase::IpAddressPools => "IP_ADDRESS_POOLS",
            Phase::PppVpnServers => "PPP_VPN_SERVERS",
            Phase::DhcpNetworking => "DHCP_NETWORKING",
            Phase::Routing => "ROUTING",
            Phase::Firewall => "FIREWALL",
            Phase::SystemDns => "SYSTEM_DNS",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// All phases in the order of execution.
pub fn phase_order() -> [Phase; 8] {
    PHASES.map(|definition| definition.phase)
}

/// The phase of a menu: that of the longest path of [`PHASES`] with which it begins, else the first.
pub fn classify_resource_path(path: &str) -> Phase {
    longest(path, PHASES.iter().flat_map(|definition| definition.paths.iter().map(|path| (*path, definition.phase))))
        .unwrap_or(Phase::InterfaceSetup)
}

/// The phase in which a step works on this menu. As [`classify_resource_path`], but menus that no phase names have a place that
/// makes sense.
pub fn phase_of(path: &str) -> Phase {
    longest(path, ELSEWHERE.iter().copied()).unwrap_or_else(|| classify_resource_path(path))
}

fn longest(path: &str, phases: impl Iterator<Item = (&'static str, Phase)>) -> Option<Phase> {
    // Of paths of the same length only one can be the beginning, so their order does not matter.
    phases.filter(|(known, _)| path.starts_with(known)).max_by_key(|(known, _)| known.len()).map(|(_, phase)| phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_table_is_in_its_phase() {
        for definition in &PHASES {
            for path in definition.paths {
                assert_eq!(classify_resource_path(path), definition.phase, "{path}");
            }
        }
        assert_eq!(PHASES.iter().map(|definition| definition.paths.len()).sum::<usize>(), 71);
        assert_eq!(phase_order().map(Phase::number), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn the_longest_path_decides() {
        let cases = [
            ("/interface/list", 1),
            ("/interface/list/member", 5),
            ("/interface/wifi", 1),
            ("/interface/wifi/datapath", 1),
            ("/interface/wifi/provisioning", 5),
            ("/interface/wireguard/peers", 2),
            ("/interface/bridge/port", 5),
            ("/interface/lte/apn", 1),
            ("/interface/pptp-server/server", 4),
            ("/ip/ipsec/policy/group", 4),
            ("/ip/dns/static", 8),
            ("/ip/dhcp-server/lease", 5),
            ("/ip/socks/users", 8),
            ("/certificate/settings", 8),
            // No phase names them.
            ("/ip/proxy", 1),
            ("/user", 1),
            ("/tool/netwatch", 1),
            ("/zerotier", 1),
            ("/interface/ethernet", 1),
            ("", 1),
        ];
        for (path, number) in cases {
            assert_eq!(classify_resource_path(path).number(), number, "{path}");
        }
    }

    #[test]
    fn menus_that_no_phase_names_have_a_sensible_one() {
        let cases = [
            ("/tool/netwatch", 7),
            ("/user", 8),
            ("/user/group", 8),
            ("/ip/proxy", 8),
            ("/zerotier", 1),
            ("/interface/ethernet", 1),
            ("/ipv6/firewall/filter", 7),
            ("/ipv6/settings", 8),
            ("/ip/address", 3),
        ];
        for (path, number) in cases {
            assert_eq!(phase_of(path).number(), number, "{path}");
        }
    }

    #[test]
    fn phases_are_named_as_in_comments_and_errors() {
        for phase in phase_order() {
            assert_eq!(serde_json::to_value(phase).ok(), Some(phase.name().into()), "{phase:?}");
        }
    }
}

//! What is behind the router: addresses, wireless networks, ports, the trunk.

use ipnet::Ipv4Net;

use super::links::subnet_of;
use crate::compile::{Connection, World};
use crate::decompose::planned_networks;
use crate::issue::Issue;
use crate::state::{NetworkType, RouterMode, Subnet, Subnets, WifiTarget, Wireless};

/// The most bytes of an SSID (IEEE 802.11 §9.4.2.2).
const SSID: usize = 32;
/// The longest name of a band behind an SSID: `-2.4`.
const BAND: usize = 4;

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    subnets(world, issues);
    let Some(lan) = &world.state.lan else { return };
    for (number, wireless) in lan.wireless.iter().enumerate().filter(|(_, wireless)| !wireless.is_disabled) {
        self::wireless(world, &format!("$.lan.wireless[{number}]"), wireless, issues);
    }
    for (number, port) in lan.interface.iter().enumerate() {
        let path = format!("$.lan.interface[{number}].bridge");
        if let Some(issue) = bridge(world, path, port.bridge.trim()) {
            issues.push(issue);
        }
    }
    if world.state.choose.router_mode == RouterMode::Trunk {
        trunk(world, issues);
    }
}

/// Networks that are there, private, and apart from each other.
fn subnets(world: &World<'_>, issues: &mut Vec<Issue>) {
    let mut known: Vec<(Ipv4Net, String)> = Vec::new();
    for link in &world.links {
        if let Connection::Static(config) = link.connection {
            known.extend(subnet_of(config).map(|subnet| (subnet, format!("{}.connectionConfig.static", link.source))));
        }
    }
    let plan = world.state.lan.as_ref().and_then(|lan| lan.subnets.as_ref());
    let networks = planned_networks(world.state).into_iter();
    let networks = networks.map(|planned| (planned.subnet.subnet.as_str(), format!("{}.subnet", planned.source)));
    let others = plan.map(other_subnets).unwrap_or_default();
    for (text, path) in networks {
        let text = text.trim();
        if text.is_empty() {
            issues.push(Issue::warning(path, "is empty: the network is not made"));
        } else if let Ok(subnet) = text.parse::<Ipv4Net>() {
            one_subnet(text, subnet, path, &mut known, issues);
        }
    }
    for (text, path) in others {
        if let Ok(subnet) = text.trim().parse::<Ipv4Net>() {
            one_subnet(text.trim(), subnet, path, &mut known, issues);
        }
    }
}

fn one_subnet(text: &str, subnet: Ipv4Net, path: String, known: &mut Vec<(Ipv4Net, String)>, issues: &mut Vec<Issue>) {
    let network = subnet.trunc();
    if network != subnet {
        issues.push(Issue::warning(
            path.clone(),
            format!("{text} is an address in the network {network}, which is taken"),
        ));
    }
    if !network.network().is_private() || !network.broadcast().is_private() {
        issues.push(Issue::warning(path.clone(), format!("{network} is not private: it belongs to somebody")));
    }
    let other = known.iter().find(|(other, _)| other.contains(&network) || network.contains(other));
    if let Some((other, where_)) = other {
        issues.push(Issue::error(path.clone(), format!("{network} overlaps with {other} of {where_}")));
    }
    known.push((network, path));
}

/// Addresses of those who call servers, and of tunnels.
pub(crate) fn other_subnets(subnets: &Subnets) -> Vec<(&str, String)> {
    let mut lists: Vec<(String, &[Subnet])> = Vec::new();
    let mut singles: Vec<(String, &Option<Subnet>)> = Vec::new();
    if let Some(servers) = &subnets.vpn_server_subnets {
        let at = |key: &str| format!("$.lan.subnets.vpnServerSubnets.{key}");
        lists.extend([(at("wireguard"), &*servers.wireguard), (at("openVpn"), &*servers.open_vpn)]);
        singles.extend([
            (at("l2tp"), &servers.l2tp),
            (at("pptp"), &servers.pptp),
            (at("sstp"), &servers.sstp),
            (at("ikev2"), &servers.ikev2),
            (at("socks5"), &servers.socks5),
            (at("ssh"), &servers.ssh),
            (at("httpProxy"), &servers.http_proxy),
            (at("backToHome"), &servers.back_to_home),
            (at("zeroTier"), &servers.zero_tier),
        ]);
    }
    if let Some(tunnels) = &subnets.tunnel_subnets {
        let at = |key: &str| format!("$.lan.subnets.tunnelSubnets.{key}");
        lists.extend([
            (at("ipip"), &*tunnels.ipip),
            (at("eoip"), &*tunnels.eoip),
            (at("gre"), &*tunnels.gre),
            (at("vxlan"), &*tunnels.vxlan),
        ]);
    }
    let of_lists = lists.into_iter().flat_map(|(path, list)| {
        list.iter().enumerate().map(move |(number, it)| (it.subnet.as_str(), format!("{path}[{number}].subnet")))
    });
    let of_singles = singles
        .into_iter()
        .filter_map(|(path, subnet)| subnet.as_ref().map(|subnet| (subnet.subnet.as_str(), format!("{path}.subnet"))));
    of_lists.chain(of_singles).collect()
}

fn wireless(world: &World<'_>, at: &str, wireless: &Wireless, issues: &mut Vec<Issue>) {
    let most = if wireless.split_band { SSID - BAND } else { SSID };
    if !(1..=most).contains(&wireless.ssid.len()) {
        let why = if wireless.split_band { ", with room for the band" } else { "" };
        let message =
            format!("{:?} has {} bytes; a network name has 1 to {most}{why}", wireless.ssid, wireless.ssid.len());
        issues.push(Issue::error(format!("{at}.ssid"), message));
    }
    let length = wireless.password.reveal().len();
    if !(8..=63).contains(&length) {
        issues
            .push(Issue::error(format!("{at}.password"), format!("has {length} characters; a passphrase has 8 to 63")));
    }
    let name = target(wireless);
    if world.network(&name).is_none() {
        let key = if name.contains('-') { "networkName" } else { "wifiTarget" };
        issues.push(Issue::error(format!("{at}.{key}"), format!("there is no network {name} with addresses")));
    }
}

/// The network that a wireless network belongs to.
fn target(wireless: &Wireless) -> String {
    let kind = match wireless.wifi_target {
        WifiTarget::Split => NetworkType::Split,
        WifiTarget::Domestic | WifiTarget::SingleDomestic => NetworkType::Domestic,
        WifiTarget::Foreign | WifiTarget::SingleForeign => NetworkType::Foreign,
        WifiTarget::Vpn | WifiTarget::SingleVpn => NetworkType::Vpn,
    };
    let (word, name) = (kind.word(), wireless.network_name.trim());
    match name.is_empty() || name.eq_ignore_ascii_case(word) {
        true => word.to_owned(),
        false => format!("{word}-{name}"),
    }
}

/// What a port's bridge is not.
fn bridge(world: &World<'_>, path: String, word: &str) -> Option<Issue> {
    if word.is_empty() {
        return Some(Issue::error(path, "is needed: the network that the port belongs to"));
    }
    let bridge = world.bridge(word);
    if world.networks.iter().any(|network| network.bridge() == *bridge) {
        return None;
    }
    let kind = word.strip_prefix("LANBridge").unwrap_or(word).split('-').next().unwrap_or(word);
    // Other bridges may be on the router, whoever made them.
    Some(match NetworkType::from_word(kind) {
        Some(_) => Issue::error(path, format!("there is no network {word} with addresses")),
        None => {
            Issue::warning(path, format!("{word:?} is no network of this document; the router must have this bridge"))
        }
    })
}

/// VLANs of the trunk are called by the third number of the addresses.
fn trunk(world: &World<'_>, issues: &mut Vec<Issue>) {
    let mut known: Vec<(u8, &str)> = Vec::new();
    for network in &world.networks {
        let vlan = network.subnet.network().octets()[2];
        let path = format!("{}.subnet", network.source);
        if vlan == 0 {
            let message =
                format!("{} has no number for a VLAN: the third one is 0; it is not on the trunk", network.subnet);
            issues.push(Issue::warning(path, message));
        } else if let Some((_, other)) = known.iter().find(|(other, _)| *other == vlan) {
            issues.push(Issue::error(path, format!("has the VLAN {vlan}, and so has {other}")));
        }
        known.push((vlan, &network.source));
    }
}

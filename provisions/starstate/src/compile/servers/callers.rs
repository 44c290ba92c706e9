//! Those who call the servers: who they are, which addresses they get, which network they belong to. Pure.
//!
//! Not here: what is made of it on the router.

use ipnet::Ipv4Net;

use crate::compile::World;
use crate::decompose::{Content, Resource, decompose};
use crate::issue::Issue;
use crate::role::Role;
use crate::state::{NetworkType, ServerNetwork, StarState, Subnet, User, VpnServers, WireguardServer};

/// Where the callers of Back to Home are unless the document says otherwise.
const BACK_TO_HOME: &str = "10.99.0.1/24";

/// The ports of servers when the document says nothing.
pub mod usual_port {
    #![allow(missing_docs, reason = "each is the port of the server of its name")]
    pub const SSTP: u16 = 443;
    pub const OPENVPN: u16 = 1194;
    pub const SOCKS5: u16 = 1080;
    pub const SSH: u16 = 22;
    pub const HTTP_PROXY: u16 = 8080;
    /// The document cannot say another one.
    pub const BACK_TO_HOME: u16 = 13_231;
}

/// The servers of a document.
pub fn servers(state: &StarState) -> Option<&VpnServers> {
    state.lan.as_ref()?.vpn_server.as_ref()
}

/// The servers that are switched on, as resources. Only the router that has all networks has servers.
pub fn resources(state: &StarState) -> impl Iterator<Item = Resource<'_>> {
    decompose(state, Role::Master).into_iter().filter(|resource| resource.resource_type.ends_with(".server"))
}

/// Those who may use a server. `kind` is its word in the document; who names no kind of server may use all of PPP.
pub fn users<'a>(state: &'a StarState, kind: &str, is_ppp: bool) -> impl Iterator<Item = (usize, &'a User)> {
    let users = servers(state).map(|servers| servers.users.as_slice()).unwrap_or_default();
    let may = move |user: &User| match user.vpn_type.is_empty() {
        true => is_ppp,
        false => user.vpn_type.iter().any(|word| word.trim().eq_ignore_ascii_case(kind)),
    };
    users.iter().enumerate().filter(move |(_, user)| may(user))
}

/// What the document says of the network to which a server's callers belong.
pub fn network_of(content: Content<'_>) -> Option<&ServerNetwork> {
    match content {
        Content::WireguardServer(it) => it.interface.vs_network.as_ref(),
        Content::PptpServer(it) => it.base.network.as_ref(),
        Content::L2tpServer(it) => it.base.network.as_ref(),
        Content::SstpServer(it) => it.base.network.as_ref(),
        Content::OpenVpnServer(it) => it.base.network.as_ref(),
        Content::Ikev2Server(it) => it.base.network.as_ref(),
        Content::Socks5Server(it) => it.network.as_ref(),
        Content::SshServer(it) => it.network.as_ref(),
        Content::HttpProxyServer(it) => it.network.as_ref(),
        Content::BackToHomeServer(it) => it.network.as_ref(),
        Content::ZeroTierServer(it) => it.network.as_ref(),
        _ => None,
    }
}

/// The network to which a server's callers belong; that of VPN clients when nothing is said.
///
/// # Errors
/// When there is no such network; gives the word.
pub fn target<'a>(world: &World<'_>, content: Content<'a>) -> Result<String, &'a str> {
    let said = network_of(content).map(|network| match network.kind.trim() {
        "" => network.name.trim(),
        kind => kind,
    });
    let Some(word) = said.filter(|word| !word.is_empty()) else { return Ok(NetworkType::Vpn.word().to_owned()) };
    if let Some(kind) = NetworkType::from_word(word) {
        return Ok(kind.word().to_owned());
    }
    let names = NetworkType::ALL.map(|kind| format!("{}-{word}", kind.word()));
    let found = world.network(word).or_else(|| names.iter().find_map(|name| world.network(name)));
    found.map(|network| network.name.clone()).ok_or(word)
}

/// The list of the interfaces and of the addresses of a network.
pub fn lan_of(target: &str) -> String {
    format!("{target}-LAN")
}

/// The addresses that a server's callers get: those of the server, those of the address plan, or usual ones. `None` when it gives
/// none.
///
/// # Errors
/// When they are no network.
pub fn subnet(state: &StarState, resource: &Resource<'_>) -> Result<Option<Ipv4Net>, Issue> {
    if let Content::WireguardServer(server) = resource.content {
        return Ok(Some(wireguard_address(state, resource, server)?.trunc()));
    }
    if let Content::BackToHomeServer(server) = resource.content {
        let (text, path) = (server.client_subnet.trim(), format!("{}.clientSubnet", resource.source));
        return parse(if text.is_empty() { BACK_TO_HOME } else { text }, &path).map(|net| Some(net.trunc()));
    }
    said_subnet(state, resource)?.map_or_else(|| usual_subnet(state, resource), |subnet| Ok(Some(subnet)))
}

/// The addresses that the document gives a server's callers.
pub fn said_subnet(state: &StarState, resource: &Resource<'_>) -> Result<Option<Ipv4Net>, Issue> {
    let own = network_of(resource.content).map(|network| network.subnet.trim());
    let (text, path) = match own.filter(|text| !text.is_empty()) {
        Some(own) => (own, format!("{}.network.subnet", resource.source)),
        None => match planned(state, resource.content) {
            Some((subnet, path)) if !subnet.subnet.trim().is_empty() => (subnet.subnet.trim(), path),
            _ => return Ok(None),
        },
    };
    parse(text, &path).map(|subnet| Some(subnet.trunc()))
}

/// The router's own address in the network of a WireGuard server, with the length of the network.
///
/// # Errors
/// When nothing says it, or it is none.
pub fn wireguard_address(
    state: &StarState,
    resource: &Resource<'_>,
    server: &WireguardServer,
) -> Result<Ipv4Net, Issue> {
    let path = format!("{}.interface.address", resource.source);
    let text = server.interface.address.trim();
    if !text.is_empty() {
        return parse(text, &path);
    }
    let subnet = said_subnet(state, resource)?;
    let subnet = subnet.ok_or_else(|| Issue::error(path, "is needed: the router's address among those who call"))?;
    Ok(first_host(subnet))
}

/// The first address of a network, with its length: the router's own.
pub fn first_host(subnet: Ipv4Net) -> Ipv4Net {
    let address = subnet.hosts().next().unwrap_or_else(|| subnet.addr());
    // The length is that of a network.
    Ipv4Net::new(address, subnet.prefix_len()).unwrap_or(subnet)
}

/// The router's own address in the network of Back to Home.
pub fn back_to_home_address(text: &str, path: &str) -> Result<Ipv4Net, Issue> {
    let address = parse(if text.trim().is_empty() { BACK_TO_HOME } else { text.trim() }, path)?;
    Ok(if address.addr() == address.network() { first_host(address) } else { address })
}

/// All addresses of a network: its own, and those of the callers who belong to it.
pub fn addresses_of(world: &World<'_>, target: &str) -> Vec<Ipv4Net> {
    let mut all: Vec<Ipv4Net> =
        world.networks.iter().filter(|network| network.name == target).map(|network| network.subnet).collect();
    for resource in resources(world.state) {
        let belongs = self::target(world, resource.content).is_ok_and(|found| found == target);
        // What is wrong with it is said where the server is made.
        let subnet = subnet(world.state, &resource).ok().flatten().filter(|_| belongs);
        all.extend(subnet.filter(|subnet| !all.contains(subnet)));
    }
    all
}

/// What the address plan says, and where.
fn planned<'a>(state: &'a StarState, content: Content<'_>) -> Option<(&'a Subnet, String)> {
    let plan = state.lan.as_ref()?.subnets.as_ref()?.vpn_server_subnets.as_ref()?;
    let path = |key: &str| format!("$.lan.subnets.vpnServerSubnets.{key}.subnet");
    let named = |list: &'a [Subnet], name: &str, key: &str| {
        let place = list.iter().position(|subnet| subnet.name.trim().eq_ignore_ascii_case(name.trim()))?;
        Some((&list[place], path(&format!("{key}[{place}]"))))
    };
    match content {
        Content::WireguardServer(it) => named(&plan.wireguard, &it.name, "wireguard"),
        Content::OpenVpnServer(it) => named(&plan.open_vpn, &it.name, "openVpn"),
        Content::PptpServer(_) => Some((plan.pptp.as_ref()?, path("pptp"))),
        Content::L2tpServer(_) => Some((plan.l2tp.as_ref()?, path("l2tp"))),
        Content::SstpServer(_) => Some((plan.sstp.as_ref()?, path("sstp"))),
        Content::Ikev2Server(_) => Some((plan.ikev2.as_ref()?, path("ikev2"))),
        _ => None,
    }
}

fn usual_subnet(state: &StarState, resource: &Resource<'_>) -> Result<Option<Ipv4Net>, Issue> {
    let text = match resource.content {
        Content::PptpServer(_) => "192.168.70.0/24".to_owned(),
        Content::L2tpServer(_) => "192.168.80.0/24".to_owned(),
        Content::SstpServer(_) => "192.168.90.0/24".to_owned(),
        Content::OpenVpnServer(server) => {
            let all = servers(state).map(|servers| servers.open_vpn_server.as_slice()).unwrap_or_default();
            let place = all.iter().position(|other| std::ptr::eq(other, server)).unwrap_or_default();
            format!("192.168.{}.0/24", 60 + place)
        }
        Content::Ikev2Server(_) => "10.10.10.0/24".to_owned(),
        _ => return Ok(None),
    };
    parse(&text, &resource.source).map(Some)
}

fn parse(text: &str, path: &str) -> Result<Ipv4Net, Issue> {
    match text.parse::<Ipv4Net>() {
        Ok(subnet) if subnet.prefix_len() <= 30 => Ok(subnet),
        Ok(_) => Err(Issue::error(path, "a network needs two addresses for hosts")),
        Err(_) => Err(Issue::error(path, format!("{text:?} is no network such as 192.168.70.0/24"))),
    }
}

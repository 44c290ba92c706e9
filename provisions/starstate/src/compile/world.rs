//! What a document is about as a whole: its networks, uplinks and tunnels, with the names that they have on the router. Pure.
//!
//! Parts of a document refer to each other by these; so they are found out once, before any step is made.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::decompose::{PlannedNetwork, planned_networks};
use crate::issue::Issue;
use crate::role::Role;
use crate::state::{
    ClientBase, Ikev2Client, L2tpClient, NetworkType, OpenVpnClient, PppoeConfig, PptpClient, SstpClient, StarState,
    StaticConfig, Subnet, WanLink, WanType, WireguardClient,
};

/// Foreign addresses that answer pings, one for each link and tunnel.
const FOREIGN_CHECKS: [Ipv4Addr; 10] = [
    Ipv4Addr::new(4, 2, 2, 1),
    Ipv4Addr::new(4, 2, 2, 2),
    Ipv4Addr::new(4, 2, 2, 3),
    Ipv4Addr::new(4, 2, 2, 4),
    Ipv4Addr::new(9, 9, 9, 9),
    Ipv4Addr::new(149, 112, 112, 112),
    Ipv4Addr::new(208, 67, 222, 222),
    Ipv4Addr::new(208, 67, 220, 220),
    Ipv4Addr::new(8, 26, 56, 26),
    Ipv4Addr::new(8, 20, 247, 20),
];
/// Domestic ones.
const DOMESTIC_CHECKS: [Ipv4Addr; 5] = [
    Ipv4Addr::new(217, 218, 127, 127),
    Ipv4Addr::new(217, 218, 155, 155),
    Ipv4Addr::new(5, 200, 200, 200),
    Ipv4Addr::new(178, 22, 122, 100),
    Ipv4Addr::new(185, 51, 200, 2),
];

/// What a document is about.
#[derive(Debug)]
pub struct World<'a> {
    /// The document.
    pub state: &'a StarState,
    /// Which of its routers is meant.
    pub role: Role,
    /// Networks of the address plan, those without addresses left out; base networks first.
    pub networks: Vec<Network>,
    /// Uplinks: the domestic ones, then the foreign ones, each in the order of the document.
    pub links: Vec<Link<'a>>,
    /// Tunnels from the router to somewhere else, by protocol, in the order of the document.
    pub clients: Vec<Client<'a>>,
}

/// A network behind the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Of which type.
    pub kind: NetworkType,
    /// `Foreign` for a base network, else `Foreign-Guest`.
    pub name: String,
    /// How names of VLANs call it: `Foreign-Guest`, `L2TP-Client-exit`.
    pub vlan_name: String,
    /// Whether it is the base network of its type.
    pub is_base: bool,
    /// Its addresses.
    pub subnet: Ipv4Net,
    /// Where it stands in the document.
    pub source: String,
}

/// An uplink.
#[derive(Debug)]
pub struct Link<'a> {
    /// Its group; never [`WanType::Vpn`].
    pub group: WanType,
    /// Its part of the document.
    pub link: &'a WanLink,
    /// The interface that everything else uses.
    pub interface: String,
    /// How it connects.
    pub connection: Connection<'a>,
    /// An address that is pinged through it; no other link has the same one, as long as there are enough.
    pub check: Ipv4Addr,
    /// Where it stands in the document.
    pub source: String,
}

/// How an uplink connects.
#[derive(Debug, Clone, Copy)]
pub enum Connection<'a> {
    /// It asks a DHCP server.
    Dhcp,
    /// It logs in.
    Pppoe(&'a PppoeConfig),
    /// It has a fixed address.
    Static(&'a StaticConfig),
    /// A modem, with this access point name, which may be empty.
    Lte(&'a str),
}

/// A tunnel from the router to somewhere else.
#[derive(Debug)]
pub struct Client<'a> {
    /// What all protocols have.
    pub base: &'a ClientBase,
    /// Its part of the document.
    pub config: ClientConfig<'a>,
    /// Its interface; IKEv2 has none, only a name.
    pub interface: String,
    /// The host name or address of the other end; may be empty in a document with mistakes.
    pub host: &'a str,
    /// An address that is pinged through it.
    pub check: Ipv4Addr,
    /// Where it stands in the document.
    pub source: String,
}

/// A tunnel's part of the document.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the variants are named like what they hold")]
pub enum ClientConfig<'a> {
    Wireguard(&'a WireguardClient),
    OpenVpn(&'a OpenVpnClient),
    Pptp(&'a PptpClient),
    L2tp(&'a L2tpClient),
    Sstp(&'a SstpClient),
    Ikev2(&'a Ikev2Client),
}

impl<'a> World<'a> {
    /// What a document is about, and what of it cannot be.
    pub fn new(state: &'a StarState, role: Role) -> (World<'a>, Vec<Issue>) {
        let mut issues = Vec::new();
        let networks = networks(state, &mut issues);
        let links = links(state, &mut issues);
        let foreign = links.iter().filter(|link| link.group == WanType::Foreign).count();
        let clients = clients(state, foreign);
        (World { state, role, networks, links, clients }, issues)
    }

    /// Whether there is anything of a type of network: addresses, a link, a tunnel, or the wizard's word.
    pub fn exists(&self, kind: NetworkType) -> bool {
        let said = self.state.choose.networks.base_networks.as_ref().and_then(|base| match kind {
            NetworkType::Split => base.split,
            NetworkType::Domestic => base.domestic,
            NetworkType::Foreign => base.foreign,
            NetworkType::Vpn => base.vpn,
        });
        said == Some(true)
            || self.base(kind).is_some()
            || match kind {
                NetworkType::Split => false,
                NetworkType::Domestic => self.links_of(WanType::Domestic).next().is_some(),
                NetworkType::Foreign => self.links_of(WanType::Foreign).next().is_some(),
                NetworkType::Vpn => !self.clients.is_empty(),
            }
    }

    /// The base network of a type.
    pub fn base(&self, kind: NetworkType) -> Option<&Network> {
        self.networks.iter().find(|network| network.is_base && network.kind == kind)
    }

    /// The network of a name such as `Foreign` or `Foreign-Guest`.
    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.name.eq_ignore_ascii_case(name))
    }

    /// The links of a group, in the order of the document.
    pub fn links_of(&self, group: WanType) -> impl Iterator<Item = &Link<'a>> {
        self.links.iter().filter(move |link| link.group == group)
    }

    /// A link by its name.
    pub fn link(&self, group: WanType, name: &str) -> Option<&Link<'a>> {
        self.links_of(group).find(|link| link.link.name == name)
    }

    /// The tunnels with an interface.
    pub fn tunnels(&self) -> impl Iterator<Item = &Client<'a>> {
        self.clients.iter().filter(|client| client.has_interface())
    }

    /// The bridge that a document means by a word: a type of network, `<Type>-<name>`, the name of a link or a tunnel, or that of a
    /// bridge that is no affair of ours.
    pub fn bridge<'w>(&self, word: &'w str) -> std::borrow::Cow<'w, str> {
        let candidates =
            [word.to_owned(), format!("Foreign-{word}"), format!("Domestic-{word}"), format!("VPN-{word}")];
        match candidates.iter().find_map(|name| self.network(name)) {
            Some(network) => network.bridge().into(),
            None => word.into(),
        }
    }
}

impl Network {
    /// Its bridge.
    pub fn bridge(&self) -> String {
        format!("LANBridge{}", self.name)
    }

    /// The table by which its traffic is routed.
    pub fn table(&self) -> String {
        format!("to-{}", self.name)
    }

    /// The list of its interfaces and of its addresses.
    pub fn lan(&self) -> String {
        format!("{}-LAN", self.name)
    }

    /// The router's own address: the first host.
    pub fn gateway(&self) -> Ipv4Addr {
        self.subnet.hosts().next().unwrap_or_else(|| self.subnet.network())
    }
}

impl Link<'_> {
    /// The port that it is plugged into.
    pub fn port(&self) -> &str {
        self.link.interface_config.interface_name.trim()
    }

    /// The interface on which its connection is made: the port itself, or one of its own on it.
    pub fn parent(&self) -> String {
        match self.connection {
            Connection::Lte(_) => self.port().to_owned(),
            _ => parent_of(self.link),
        }
    }

    /// Its VLAN: the name of the interface, and the tag.
    pub fn vlan(&self) -> Option<(String, &str)> {
        let tag = self.link.interface_config.vlan_id.trim();
        let has_one = !tag.is_empty() && self.parent() != self.port();
        has_one.then(|| (format!("VLAN{tag}-{}-{}", self.port(), self.link.name), tag))
    }

    /// Its type of network.
    pub fn kind(&self) -> NetworkType {
        self.group.into()
    }

    /// `Foreign-fiber`.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.kind().word(), self.link.name)
    }

    /// The table that leads through it alone.
    pub fn table(&self) -> String {
        format!("to-{}", self.full_name())
    }

    /// The label of routes whose gateway follows its lease.
    pub fn route_label(&self) -> String {
        format!("Route-to-{}", self.full_name())
    }

    /// The gateway of routes through it. That of a link with DHCP is only there until the lease says a better one.
    pub fn gateway(&self) -> String {
        match self.connection {
            Connection::Pppoe(_) | Connection::Lte(_) => self.interface.clone(),
            Connection::Static(config) => format!("{}%{}", config.gateway.trim(), self.interface),
            Connection::Dhcp => {
                let placeholder = if self.group == WanType::Domestic { "192.168.2.1" } else { "100.64.0.1" };
                format!("{placeholder}%{}", self.interface)
            }
        }
    }

    /// Whether its gateway follows a lease.
    pub fn is_leased(&self) -> bool {
        matches!(self.connection, Connection::Dhcp)
    }
}

impl Client<'_> {
    /// Whether it has an interface.
    pub fn has_interface(&self) -> bool {
        !matches!(self.config, ClientConfig::Ikev2(_))
    }

    /// The table that leads through it.
    pub fn table(&self) -> String {
        format!("to-VPN-{}", self.base.name)
    }
}

fn networks(state: &StarState, issues: &mut Vec<Issue>) -> Vec<Network> {
    planned_networks(state)
        .into_iter()
        .filter_map(|planned| {
            let PlannedNetwork { network: kind, base: is_base, client, source, .. } = planned;
            let Subnet { name, subnet, .. } = planned.subnet;
            let text = subnet.trim();
            if text.is_empty() {
                return None;
            }
            let vlan_name = client.map(|client| format!("{client}-Client-{name}"));
            let name = if is_base { kind.word().to_owned() } else { format!("{}-{name}", kind.word()) };
            let vlan_name = vlan_name.unwrap_or_else(|| name.clone());
            match text.parse::<Ipv4Net>() {
                Ok(subnet) if subnet.prefix_len() <= 30 => {
                    Some(Network { kind, name, vlan_name, is_base, subnet: subnet.trunc(), source })
                }
                Ok(_) => {
                    issues.push(Issue::error(format!("{source}.subnet"), "a network needs two addresses for hosts"));
                    None
                }
                Err(_) => {
                    let message = format!("{text:?} is no network such as 192.168.10.0/24");
                    issues.push(Issue::error(format!("{source}.subnet"), message));
                    None
                }
            }
        })
        .collect()
}

fn links<'a>(state: &'a StarState, issues: &mut Vec<Issue>) -> Vec<Link<'a>> {
    let groups = &state.wan.wan_link;
    let mut links = Vec::new();
    for (group, word, found, checks) in [
        (WanType::Domestic, "domestic", &groups.domestic, &DOMESTIC_CHECKS[..]),
        (WanType::Foreign, "foreign", &groups.foreign, &FOREIGN_CHECKS[..]),
    ] {
        let Some(found) = found else { continue };
        for (number, link) in found.wan_configs.iter().enumerate() {
            let source = format!("$.wan.wanLink.{word}.wanConfigs[{number}]");
            match connection(link) {
                Ok(connection) => links.push(Link {
                    group,
                    link,
                    interface: interface_of(link, connection),
                    connection,
                    check: checks[number % checks.len()],
                    source,
                }),
                Err(message) => issues.push(Issue::error(format!("{source}.connectionConfig"), message)),
            }
        }
    }
    links
}

fn connection(link: &WanLink) -> Result<Connection<'_>, &'static str> {
    const NONE: &str = "no connection configuration: one of isDhcp, pppoe, static, lteSettings is needed";
    let config = link.connection_config.as_ref().ok_or(NONE)?;
    let kinds = [
        config.is_dhcp.unwrap_or_default().then_some(Connection::Dhcp),
        config.pppoe.as_ref().map(Connection::Pppoe),
        config.fixed.as_ref().map(Connection::Static),
        config.lte_settings.as_ref().map(|lte| Connection::Lte(lte.apn.trim())),
    ];
    let mut found = kinds.into_iter().flatten();
    let first = found.next().ok_or(NONE)?;
    match found.next() {
        None => Ok(first),
        Some(_) => Err("only one of isDhcp, pppoe, static, lteSettings is possible"),
    }
}

fn interface_of(link: &WanLink, connection: Connection<'_>) -> String {
    match connection {
        Connection::Pppoe(_) => format!("pppoe-client-{}", link.name),
        Connection::Lte(_) => link.interface_config.interface_name.trim().to_owned(),
        Connection::Dhcp | Connection::Static(_) => parent_of(link),
    }
}

/// The interface on which the connection of a link is made.
fn parent_of(link: &WanLink) -> String {
    let config = &link.interface_config;
    let (port, name, vlan) = (config.interface_name.trim(), &link.name, config.vlan_id.trim());
    let starts = |word: &str| port.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let has_own_address = !config.mac_address.trim().is_empty();
    match vlan {
        _ if starts("lte") => port.to_owned(),
        "" if has_own_address || ["ether", "wifi", "wlan", "sfp"].into_iter().any(starts) => {
            format!("MacVLAN-{port}-{name}")
        }
        "" => port.to_owned(),
        vlan => format!("MacVLAN-VLAN{vlan}-{port}-{name}-{name}"),
    }
}

fn clients<'a>(state: &'a StarState, foreign: usize) -> Vec<Client<'a>> {
    let Some(found) = &state.wan.vpn_client else { return Vec::new() };
    let mut clients: Vec<Client<'a>> = Vec::new();
    let mut push = |config, base: &'a ClientBase, prefix: &str, host, key: &str, number: usize| {
        let check = FOREIGN_CHECKS[(foreign + clients.len()) % FOREIGN_CHECKS.len()];
        let source = format!("$.wan.vpnClient.{key}[{number}]");
        let interface = format!("{prefix}-client-{}", base.name);
        clients.push(Client { base, config, interface, host, check, source });
    };
    for (number, it) in found.wireguard.iter().enumerate() {
        push(ClientConfig::Wireguard(it), &it.base, "wireguard", it.peer_endpoint_address.trim(), "wireguard", number);
    }
    for (number, it) in found.open_vpn.iter().enumerate() {
        push(ClientConfig::OpenVpn(it), &it.base, "ovpn", it.server.address.trim(), "openVpn", number);
    }
    for (number, it) in found.pptp.iter().enumerate() {
        let server = it.connect_to.as_ref().map_or("", |server| server.address.trim());
        let host = if server.is_empty() { it.connect_to_address.trim() } else { server };
        push(ClientConfig::Pptp(it), &it.base, "pptp", host, "pptp", number);
    }
    for (number, it) in found.l2tp.iter().enumerate() {
        push(ClientConfig::L2tp(it), &it.base, "l2tp", it.server.address.trim(), "l2tp", number);
    }
    for (number, it) in found.sstp.iter().enumerate() {
        push(ClientConfig::Sstp(it), &it.base, "sstp", it.server.address.trim(), "sstp", number);
    }
    for (number, it) in found.ikev2.iter().enumerate() {
        let plain = it.server_address.trim();
        let host = match &it.server {
            Some(server) if plain.is_empty() => server.address.trim(),
            _ => plain,
        };
        push(ClientConfig::Ikev2(it), &it.base, "ike2", host, "ikev2", number);
    }
    clients
}

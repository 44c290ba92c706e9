//! A document completed: which networks there are, and addresses for them. Pure.
//!
//! What a document says is kept; what it leaves open follows from its links, VPN clients, servers and tunnels, by the wizard's
//! plan: networks of 192.168.0.0/16, each with its number. A number that is taken is passed over. Not here: anything that would be a
//! guess about the operator's wishes, such as a time zone or a name.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::compile::{Connection, World};
use crate::role::Role;
use crate::state::{
    BaseNetworks, ClientNetworks, ClientSubnets, LanState, ServerNetworks, ServerSubnets, StarState, Subnet, Subnets,
    TunnelNetworks, TunnelSubnets, VpnClients, VpnServers, WanLinkGroup, WanLinkType,
};
use crate::validation::{other_subnets, subnet_of};

/// The length of a network behind the router.
const NETWORK: u8 = 24;
/// The length of a tunnel between two routers.
const TUNNEL: u8 = 30;

/// The document with the networks and addresses that it leaves open.
pub fn complete(state: &StarState) -> StarState {
    let mut completed = state.clone();
    networks(&mut completed);
    let mut plan = Plan { taken: taken(&completed) };
    subnets(&mut completed, &mut plan);
    completed
}

/// Which networks there are.
fn networks(state: &mut StarState) {
    let has_domestic = state.choose.wan_link_type != WanLinkType::Foreign;
    let foreign = state.wan.wan_link.foreign.as_ref();
    let has_foreign = foreign.is_some_and(|group| !group.wan_configs.is_empty());
    let clients = state.wan.vpn_client.as_ref().map(client_names).unwrap_or_default();
    let has_vpn = clients.iter().any(|names| !names.is_empty());
    let networks = &mut state.choose.networks;

    let base = networks.base_networks.get_or_insert_with(BaseNetworks::default);
    base.domestic.get_or_insert(has_domestic);
    base.foreign.get_or_insert(has_foreign);
    base.vpn.get_or_insert(has_vpn);
    base.split.get_or_insert(has_domestic && (has_foreign || has_vpn));

    fill(&mut networks.foreign_networks, || link_names("Foreign", foreign));
    if has_domestic {
        let domestic = state.wan.wan_link.domestic.as_ref();
        fill(&mut networks.domestic_networks, || link_names("Domestic", domestic));
    }
    if has_vpn {
        let known = networks.vpn_client_networks.get_or_insert_with(ClientNetworks::default);
        let [wireguard, open_vpn, pptp, l2tp, sstp, ikev2] = clients;
        fill(&mut known.wireguard, || wireguard);
        fill(&mut known.open_vpn, || open_vpn);
        fill(&mut known.pptp, || pptp);
        fill(&mut known.l2tp, || l2tp);
        fill(&mut known.sstp, || sstp);
        fill(&mut known.ikev2, || ikev2);
    }
    let Some(lan) = &state.lan else { return };
    if let Some(servers) = &lan.vpn_server {
        server_networks(&mut networks.vpn_server_networks, servers);
    }
    let Some(tunnels) = &lan.tunnel else { return };
    let names = [
        tunnels.ipip.iter().map(|it| it.base.name.clone()).collect::<Vec<_>>(),
        tunnels.eoip.iter().map(|it| it.base.name.clone()).collect(),
        tunnels.gre.iter().map(|it| it.base.name.clone()).collect(),
        tunnels.vxlan.iter().map(|it| it.base.name.clone()).collect(),
    ];
    if names.iter().any(|names| !names.is_empty()) {
        let known = networks.tunnel_networks.get_or_insert_with(TunnelNetworks::default);
        let [ipip, eoip, gre, vxlan] = names;
        fill(&mut known.ipip, || ipip);
        fill(&mut known.eoip, || eoip);
        fill(&mut known.gre, || gre);
        fill(&mut known.vxlan, || vxlan);
    }
}

/// A list that says something is kept.
fn fill(names: &mut Vec<String>, found: impl FnOnce() -> Vec<String>) {
    if names.is_empty() {
        *names = found();
    }
}

fn link_names(kind: &str, group: Option<&WanLinkGroup>) -> Vec<String> {
    let links = group.map_or(&[][..], |group| &group.wan_configs);
    numbered(&format!("{kind}-Link"), links.iter().map(|link| link.name.as_str()))
}

/// Names; those that are empty become `<prefix>-<n>`, counted from 1.
fn numbered<'n>(prefix: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let name = |(number, name): (usize, &str)| match name.trim() {
        "" => format!("{prefix}-{}", number + 1),
        name => name.to_owned(),
    };
    names.enumerate().map(name).collect()
}

/// The names of VPN clients: WireGuard, OpenVPN, PPTP, L2TP, SSTP, IKEv2.
fn client_names(clients: &VpnClients) -> [Vec<String>; 6] {
    [
        numbered("Wireguard", clients.wireguard.iter().map(|it| it.base.name.as_str())),
        numbered("OpenVPN", clients.open_vpn.iter().map(|it| it.base.name.as_str())),
        numbered("PPTP", clients.pptp.iter().map(|it| it.base.name.as_str())),
        numbered("L2TP", clients.l2tp.iter().map(|it| it.base.name.as_str())),
        numbered("SSTP", clients.sstp.iter().map(|it| it.base.name.as_str())),
        numbered("IKev2", clients.ikev2.iter().map(|it| it.base.name.as_str())),
    ]
}

fn server_networks(known: &mut Option<ServerNetworks>, servers: &VpnServers) {
    let on = Enabled::of(servers);
    if on.is_none() {
        return;
    }
    let known = known.get_or_insert_with(ServerNetworks::default);
    fill(&mut known.wireguard, || on.wireguard);
    fill(&mut known.open_vpn, || on.open_vpn);
    for (flag, is_on) in [
        (&mut known.pptp, on.pptp),
        (&mut known.l2tp, on.l2tp),
        (&mut known.sstp, on.sstp),
        (&mut known.ikev2, on.ikev2),
        (&mut known.socks5, on.socks5),
        (&mut known.ssh, on.ssh),
        (&mut known.http_proxy, on.http_proxy),
        (&mut known.back_to_home, on.back_to_home),
        (&mut known.zero_tier, on.zero_tier),
    ] {
        if is_on {
            flag.get_or_insert(true);
        }
    }
}

/// The servers that are switched on.
struct Enabled {
    wireguard: Vec<String>,
    open_vpn: Vec<String>,
    pptp: bool,
    l2tp: bool,
    sstp: bool,
    ikev2: bool,
    socks5: bool,
    ssh: bool,
    http_proxy: bool,
    back_to_home: bool,
    zero_tier: bool,
}

impl Enabled {
    fn of(servers: &VpnServers) -> Enabled {
        let open_vpn = servers.open_vpn_server.iter().filter(|it| it.base.enabled);
        Enabled {
            wireguard: servers.wireguard_servers.iter().map(|it| it.name.clone()).collect(),
            open_vpn: open_vpn.map(|it| it.name.clone()).collect(),
            pptp: servers.pptp_server.as_ref().is_some_and(|it| it.base.enabled),
            l2tp: servers.l2tp_server.as_ref().is_some_and(|it| it.base.enabled),
            sstp: servers.sstp_server.as_ref().is_some_and(|it| it.base.enabled),
            ikev2: servers.ikev2_server.as_ref().is_some_and(|it| it.base.enabled),
            socks5: servers.socks5_server.as_ref().is_some_and(|it| it.enabled),
            ssh: servers.ssh_server.as_ref().is_some_and(|it| it.enabled),
            http_proxy: servers.http_proxy_server.as_ref().is_some_and(|it| it.enabled),
            back_to_home: servers.back_to_home_server.as_ref().is_some_and(|it| it.enabled),
            zero_tier: servers.zero_tier_server.as_ref().is_some_and(|it| it.enabled),
        }
    }

    fn is_none(&self) -> bool {
        let flags = [self.pptp, self.l2tp, self.sstp, self.ikev2, self.socks5, self.ssh];
        let more = [self.http_proxy, self.back_to_home, self.zero_tier];
        self.wireguard.is_empty() && self.open_vpn.is_empty() && flags.iter().chain(&more).all(|flag| !flag)
    }
}

/// Addresses that are given away.
struct Plan {
    taken: Vec<Ipv4Net>,
}

impl Plan {
    /// A network whose third number is this one, or the next that is free; empty when there is none.
    fn take(&mut self, wanted: usize, length: u8) -> String {
        let wanted = u8::try_from(wanted).unwrap_or(u8::MAX).clamp(1, 254);
        let free = (wanted..=254).chain(1..wanted).find_map(|number| {
            let network = Ipv4Net::new(Ipv4Addr::new(192, 168, number, 0), length).ok()?;
            let is_taken = self.taken.iter().any(|other| other.contains(&network) || network.contains(other));
            (!is_taken).then_some(network)
        });
        self.taken.extend(free);
        free.map(|network| network.to_string()).unwrap_or_default()
    }

    /// One network of a name.
    fn one(&mut self, entry: &mut Option<Subnet>, name: &str, number: usize) {
        let entry = entry.get_or_insert_with(|| Subnet { name: name.to_owned(), ..Subnet::default() });
        if entry.subnet.trim().is_empty() {
            entry.subnet = self.take(number, NETWORK);
        }
    }

    /// A network for each name, with numbers from this one on.
    fn each(&mut self, entries: &mut Vec<Subnet>, names: &[String], number: usize, length: u8) {
        for (place, name) in names.iter().enumerate() {
            let known = entries.iter().position(|entry| entry.name.trim().eq_ignore_ascii_case(name.trim()));
            let known = known.unwrap_or_else(|| {
                entries.push(Subnet { name: name.clone(), ..Subnet::default() });
                entries.len() - 1
            });
            if entries[known].subnet.trim().is_empty() {
                entries[known].subnet = self.take(number + place, length);
            }
        }
    }
}

/// What the document uses already.
fn taken(state: &StarState) -> Vec<Ipv4Net> {
    let (world, _) = World::new(state, Role::Master);
    let mut taken: Vec<Ipv4Net> = world.networks.iter().map(|network| network.subnet).collect();
    taken.extend(world.links.iter().filter_map(|link| match link.connection {
        Connection::Static(config) => subnet_of(config),
        _ => None,
    }));
    let Some(lan) = &state.lan else { return taken };
    let others = lan.subnets.as_ref().map(other_subnets).unwrap_or_default();
    taken.extend(others.iter().filter_map(|(text, _)| text.trim().parse::<Ipv4Net>().ok()));
    if let Some(servers) = &lan.vpn_server {
        let addresses = servers.wireguard_servers.iter().map(|it| it.interface.address.as_str());
        taken.extend(addresses.chain(own_subnets(servers)).filter_map(|text| text.trim().parse::<Ipv4Net>().ok()));
    }
    taken.iter().map(Ipv4Net::trunc).collect()
}

/// The networks that servers name themselves.
fn own_subnets(servers: &VpnServers) -> impl Iterator<Item = &str> {
    let of_bases = [
        servers.pptp_server.as_ref().map(|it| &it.base),
        servers.l2tp_server.as_ref().map(|it| &it.base),
        servers.sstp_server.as_ref().map(|it| &it.base),
        servers.ikev2_server.as_ref().map(|it| &it.base),
    ];
    let bases = of_bases.into_iter().flatten().chain(servers.open_vpn_server.iter().map(|it| &it.base));
    bases.filter_map(|base| base.network.as_ref()).map(|network| network.subnet.as_str())
}

/// Addresses for the networks that have none.
fn subnets(state: &mut StarState, plan: &mut Plan) {
    let networks = state.choose.networks.clone();
    let base = networks.base_networks.unwrap_or_default();
    let lan = state.lan.get_or_insert_with(LanState::default);
    let has = |flag: Option<bool>| flag == Some(true);
    let known = lan.subnets.get_or_insert_with(Subnets::default);

    // Where everything leaves through a tunnel, its network is the usual one.
    let is_vpn_alone = has(base.foreign) && !has(base.split) && !has(base.domestic);
    let of_base = &mut known.base_subnets;
    for (entry, flag, name, number) in [
        (&mut of_base.split, base.split, "Split", 10),
        (&mut of_base.domestic, base.domestic, "Domestic", 20),
        (&mut of_base.foreign, base.foreign, "Foreign", 30),
        (&mut of_base.vpn, base.vpn, "VPN", if is_vpn_alone { 10 } else { 40 }),
    ] {
        if has(flag) {
            plan.one(entry, name, number);
        }
    }
    plan.each(&mut known.domestic_subnets, &networks.domestic_networks, 21, NETWORK);
    plan.each(&mut known.foreign_subnets, &networks.foreign_networks, 31, NETWORK);
    if let Some(names) = &networks.vpn_client_networks {
        let clients = known.vpn_client_subnets.get_or_insert_with(ClientSubnets::default);
        let mut number = 41;
        for (entries, names) in [
            (&mut clients.wireguard, &names.wireguard),
            (&mut clients.open_vpn, &names.open_vpn),
            (&mut clients.pptp, &names.pptp),
            (&mut clients.l2tp, &names.l2tp),
            (&mut clients.sstp, &names.sstp),
            (&mut clients.ikev2, &names.ikev2),
        ] {
            plan.each(entries, names, number, NETWORK);
            number += names.len();
        }
    }
    if let Some(servers) = &lan.vpn_server {
        server_subnets(&mut known.vpn_server_subnets, servers, plan);
    }
    if let Some(names) = &networks.tunnel_networks {
        let tunnels = known.tunnel_subnets.get_or_insert_with(TunnelSubnets::default);
        plan.each(&mut tunnels.ipip, &names.ipip, 170, TUNNEL);
        plan.each(&mut tunnels.eoip, &names.eoip, 180, TUNNEL);
        plan.each(&mut tunnels.gre, &names.gre, 190, TUNNEL);
        plan.each(&mut tunnels.vxlan, &names.vxlan, 210, TUNNEL);
    }
}

/// Addresses for those who call servers that name no network themselves.
fn server_subnets(known: &mut Option<ServerSubnets>, servers: &VpnServers, plan: &mut Plan) {
    let on = Enabled::of(servers);
    if on.is_none() {
        return;
    }
    let known = known.get_or_insert_with(ServerSubnets::default);
    let names_none =
        |base: &crate::state::ServerBase| base.network.as_ref().is_none_or(|network| network.subnet.trim().is_empty());
    let wireguard = servers.wireguard_servers.iter().filter(|it| it.interface.address.trim().is_empty());
    let wireguard: Vec<String> = wireguard.map(|it| it.name.clone()).collect();
    plan.each(&mut known.wireguard, &wireguard, 110, NETWORK);
    let open_vpn = servers.open_vpn_server.iter().filter(|it| it.base.enabled && names_none(&it.base));
    let open_vpn: Vec<String> = open_vpn.map(|it| it.name.clone()).collect();
    plan.each(&mut known.open_vpn, &open_vpn, 120, NETWORK);
    let wants = |base: Option<&crate::state::ServerBase>| base.is_some_and(|base| base.enabled && names_none(base));
    for (entry, is_wanted, name, number) in [
        (&mut known.pptp, wants(servers.pptp_server.as_ref().map(|it| &it.base)), "PPTP", 130),
        (&mut known.sstp, wants(servers.sstp_server.as_ref().map(|it| &it.base)), "SSTP", 140),
        (&mut known.l2tp, wants(servers.l2tp_server.as_ref().map(|it| &it.base)), "L2TP", 150),
        (&mut known.ssh, on.ssh, "SSH", 155),
        (&mut known.http_proxy, on.http_proxy, "HTTPProxy", 156),
        (&mut known.back_to_home, on.back_to_home, "BackToHome", 157),
        (&mut known.zero_tier, on.zero_tier, "ZeroTier", 158),
        (&mut known.ikev2, wants(servers.ikev2_server.as_ref().map(|it| &it.base)), "IKEv2", 160),
        (&mut known.socks5, on.socks5, "Socks5", 165),
    ] {
        if is_wanted {
            plan.one(entry, name, number);
        }
    }
}

//! Names: they become parts of names on the router, in lists with commas and in gateways with `%`.

use std::collections::BTreeMap;

use crate::compile::World;
use crate::decompose::{PlannedNetwork, planned_networks};
use crate::issue::Issue;
use crate::state::{StarState, WanType};

/// The most characters of a name; what is made of it has more.
const LENGTH: usize = 32;
/// What no name can have.
const MARKS: [char; 5] = ['"', '\\', ',', ';', '%'];

/// A name, and where it stands.
struct Named {
    name: String,
    path: String,
}

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    for (what, names) in groups(world) {
        for named in &names {
            issues.extend(mistake(named));
        }
        twins(&what, &names, issues);
    }
    generated(world, issues);
}

/// The names that must differ from each other.
fn groups(world: &World<'_>) -> Vec<(String, Vec<Named>)> {
    let mut groups: Vec<(String, Vec<Named>)> = Vec::new();
    let links = &world.state.wan.wan_link;
    for (group, key, found) in
        [(WanType::Domestic, "domestic", &links.domestic), (WanType::Foreign, "foreign", &links.foreign)]
    {
        let links = found.iter().flat_map(|found| &found.wan_configs).enumerate();
        let named = links.map(|(number, link)| Named {
            name: link.name.clone(),
            path: format!("$.wan.wanLink.{key}.wanConfigs[{number}].name"),
        });
        groups.push((format!("{} link", group.word()), named.collect()));
    }
    let clients = world.clients.iter();
    let named = clients.map(|it| Named { name: it.base.name.clone(), path: format!("{}.name", it.source) });
    groups.push(("VPN client".to_owned(), named.collect()));
    groups.push(("tunnel".to_owned(), tunnels(world.state)));
    groups.push(("WireGuard server".to_owned(), wireguard_servers(world.state)));
    groups.extend(networks(world.state));
    groups
}

fn networks(state: &StarState) -> impl Iterator<Item = (String, Vec<Named>)> {
    let mut by_kind: BTreeMap<&str, Vec<Named>> = BTreeMap::new();
    for PlannedNetwork { network, base, subnet, source, .. } in planned_networks(state) {
        // A base network is called like its type, whatever its entry says.
        if !base && !subnet.subnet.trim().is_empty() {
            let named = Named { name: subnet.name.clone(), path: format!("{source}.name") };
            by_kind.entry(network.word()).or_default().push(named);
        }
    }
    by_kind.into_iter().map(|(kind, names)| (format!("{kind} network"), names))
}

fn tunnels(state: &StarState) -> Vec<Named> {
    let Some(tunnels) = state.lan.as_ref().and_then(|lan| lan.tunnel.as_ref()) else { return Vec::new() };
    let bases = |key: &'static str, bases: Vec<&crate::state::TunnelBase>| {
        let named = |(number, base): (usize, &crate::state::TunnelBase)| Named {
            name: base.name.clone(),
            path: format!("$.lan.tunnel.{key}[{number}].name"),
        };
        bases.into_iter().enumerate().map(named).collect::<Vec<_>>()
    };
    [
        bases("ipip", tunnels.ipip.iter().map(|it| &it.base).collect()),
        bases("eoip", tunnels.eoip.iter().map(|it| &it.base).collect()),
        bases("gre", tunnels.gre.iter().map(|it| &it.base).collect()),
        bases("vxlan", tunnels.vxlan.iter().map(|it| &it.base).collect()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn wireguard_servers(state: &StarState) -> Vec<Named> {
    let servers = state.lan.as_ref().and_then(|lan| lan.vpn_server.as_ref());
    let servers = servers.map_or(&[][..], |servers| &servers.wireguard_servers).iter().enumerate();
    let named = |(number, server): (usize, &crate::state::WireguardServer)| Named {
        name: server.name.clone(),
        path: format!("$.lan.vpnServer.wireguardServers[{number}].name"),
    };
    servers.map(named).collect()
}

fn mistake(named: &Named) -> Option<Issue> {
    let Named { name, path } = named;
    let length = name.chars().count();
    let mark = name.chars().find(|mark| mark.is_control() || MARKS.contains(mark));
    let message = if name.trim().is_empty() {
        "is needed: a name".to_owned()
    } else if length > LENGTH {
        format!("{name:?} has {length} characters; a name has {LENGTH} at most")
    } else {
        format!("{name:?} has the character {:?}, which no name can have", mark?)
    };
    Some(Issue::error(path, message))
}

fn twins(what: &str, names: &[Named], issues: &mut Vec<Issue>) {
    for (number, Named { name, path }) in names.iter().enumerate() {
        // Networks are found by their names in any case.
        let first = names[..number].iter().find(|other| other.name.eq_ignore_ascii_case(name));
        if let Some(first) = first.filter(|_| !name.trim().is_empty()) {
            issues.push(Issue::error(path, format!("another {what} is called {:?}, too: {}", first.name, first.path)));
        }
    }
}

/// Interfaces that are made must not be called like others that are made.
fn generated(world: &World<'_>, issues: &mut Vec<Issue>) {
    let networks = world.networks.iter().map(|network| (network.bridge(), network.source.clone()));
    let clients = world.tunnels().map(|client| (client.interface.clone(), client.source.clone()));
    let is_made = |link: &&crate::compile::Link<'_>| link.interface != link.link.interface_config.interface_name.trim();
    let links = world.links.iter().filter(is_made).map(|link| (link.interface.clone(), link.source.clone()));
    let tunnels = tunnels(world.state).into_iter().map(|named| (named.name, named.path));
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (name, source) in networks.chain(clients).chain(links).chain(tunnels) {
        let Some(first) = known.get(&name) else {
            known.insert(name, source);
            continue;
        };
        // Twins in a group have been reported already.
        let parent = |path: &str| path.trim_end_matches(".name").rsplit_once('[').map(|(parent, _)| parent.to_owned());
        if parent(first) != parent(&source) || parent(first).is_none() {
            let message = format!("makes an interface {name:?}, and so does {first}");
            issues.push(Issue::error(source, message));
        }
    }
}

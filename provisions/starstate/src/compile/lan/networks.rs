//! A network of the address plan: its bridge with an address, the DHCP server, and which way its traffic leaves.

use std::net::Ipv4Addr;

use crate::compile::{Builder, Network, Rank, wan};
use crate::decompose::Resource;
use crate::state::NetworkType;

/// Where the traffic of split networks goes, by lists of destinations, and in this order.
const STEERING: [(&str, NetworkType); 4] = [
    ("SplitDOMAddList", NetworkType::Domestic),
    ("SplitVPNAddList", NetworkType::Vpn),
    ("SplitFRNAddList", NetworkType::Foreign),
    ("DOMAddList", NetworkType::Domestic),
];

/// All that a network is made of.
pub(super) fn network(builder: &mut Builder<'_>, resource: &Resource<'_>) {
    let world = builder.world;
    // One that is none was reported when it was read.
    let Some(network) = world.networks.iter().find(|network| network.source == resource.source) else { return };
    addresses(builder, network);
    lists(builder, network);
    match network.kind {
        NetworkType::Split => steering(builder, network),
        _ => one_way(builder, network),
    }
}

/// A table. While it has no other route, what looks into it does not leave by another table.
fn table(builder: &mut Builder<'_>, name: &str) {
    builder.table(name);
    let route = builder.add(&format!("no-way-out-{name}"), "/ip/route", &[]).arg("dst-address", "0.0.0.0/0");
    route.arg("blackhole", "").arg("distance", "99").arg("routing-table", name).optional().done();
}

/// The bridge, its address, and addresses for those who ask.
fn addresses(builder: &mut Builder<'_>, network: &Network) {
    let (bridge, gateway) = (network.bridge(), network.gateway().to_string());
    let (pool, server) = (format!("DHCP-pool-{}", network.name), format!("DHCP-{}", network.name));
    builder.add("bridge", "/interface/bridge", &["name"]).arg("name", &bridge).done();
    let address = builder.add("address", "/ip/address", &["address", "interface"]);
    address.arg("address", format!("{gateway}/{}", network.subnet.prefix_len())).arg("interface", &bridge).done();
    let (first, last) = leases(network);
    let ranges = builder.add("pool", "/ip/pool", &["name"]).arg("name", &pool);
    ranges.arg("ranges", format!("{first}-{last}")).done();
    let dhcp = builder.add("dhcp-server", "/ip/dhcp-server", &["name"]).arg("name", server).arg("interface", bridge);
    dhcp.arg("address-pool", pool).arg("lease-time", "1d").flag("disabled", false).done();
    let options = builder.add("dhcp-network", "/ip/dhcp-server/network", &["address"]);
    options
        .arg("address", network.subnet.to_string())
        .arg("gateway", &gateway)
        .arg("dns-server", gateway.as_str())
        .done();
}

/// The second host to the last; where there are only two, it is one address.
fn leases(network: &Network) -> (Ipv4Addr, Ipv4Addr) {
    let (first, end) = (u32::from(network.subnet.network()), u32::from(network.subnet.broadcast()));
    (Ipv4Addr::from(first + 2), Ipv4Addr::from(end - 1))
}

fn lists(builder: &mut Builder<'_>, network: &Network) {
    let (bridge, lan, subnet) = (network.bridge(), network.lan(), network.subnet.to_string());
    builder.list(&format!("{}-WAN", network.name));
    builder.member("LAN", &bridge);
    builder.member(&lan, &bridge);
    let of_type = builder.add("address-of-type", "/ip/firewall/address-list", &["list", "address"]);
    of_type.arg("list", network.kind.word()).arg("address", &subnet).optional().done();
    builder.address(&lan, &subnet);
}

/// Everything leaves by one table.
fn one_way(builder: &mut Builder<'_>, network: &Network) {
    let (name, subnet) = (network.table(), network.subnet.to_string());
    table(builder, &name);
    builder.main_rule();
    let rule = builder.add("rule", "/routing/rule", &[]).arg("src-address", &subnet);
    rule.arg("action", "lookup").arg("table", &name).done();
    // Where marks say which connection takes which link, another mark would send them all by one.
    if wan::is_marked(builder.world, network.kind) {
        return;
    }
    let mark = builder.add("mark", "/ip/firewall/mangle", &[]).arg("chain", "prerouting").arg("src-address", subnet);
    mark.arg("action", "mark-routing").arg("new-routing-mark", name).flag("passthrough", true).optional().done();
}

/// Every destination has its way: the lists of destinations that are in the document's networks, then what is domestic, then the rest.
fn steering(builder: &mut Builder<'_>, network: &Network) {
    let world = builder.world;
    table(builder, &network.table());
    let rest = [NetworkType::Vpn, NetworkType::Foreign, NetworkType::Domestic].into_iter().find(|it| world.exists(*it));
    let listed = STEERING.iter().filter(|(_, target)| world.exists(*target));
    let rules = listed.map(|(list, target)| ((*list).to_owned(), *target));
    let rules: Vec<(String, NetworkType)> =
        rules.chain(rest.map(|target| ("!DOMAddList".to_owned(), target))).collect();
    for (list, target) in rules {
        let name = format!("to-{}", target.word());
        table(builder, &name);
        let rule = builder.add(&format!("steer-{list}"), "/ip/firewall/mangle", &[]).rank(Rank::Split);
        rule.arg("chain", "prerouting")
            .arg("src-address-list", network.lan())
            .arg("dst-address-list", list)
            .arg("action", "mark-routing")
            .arg("new-routing-mark", name)
            .flag("passthrough", false)
            .done();
    }
}

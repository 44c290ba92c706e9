//! Tunnels from the router to somewhere else: their interfaces, and what all of them need around that.

mod ikev2;
mod openvpn;
mod ppp;
mod wireguard;

use std::net::{IpAddr, Ipv4Addr};

use super::hop::{ANYWHERE, all};
use crate::compile::{Builder, Client, ClientConfig, Draft, Rank, World};
use crate::issue::Issue;
use crate::state::{ClientBase, Credentials, NetworkType, WanInterface, WanType};

/// A tunnel.
pub(super) fn client(builder: &mut Builder<'_>, base: &ClientBase) {
    let world: &World<'_> = builder.world;
    let Some(client) = world.clients.iter().find(|known| std::ptr::eq(known.base, base)) else { return };
    match client.config {
        ClientConfig::Wireguard(config) => wireguard::client(builder, client, config),
        ClientConfig::OpenVpn(config) => openvpn::client(builder, client, config),
        ClientConfig::Pptp(config) => ppp::pptp(builder, client, config),
        ClientConfig::L2tp(config) => ppp::l2tp(builder, client, config),
        ClientConfig::Sstp(config) => ppp::sstp(builder, client, config),
        ClientConfig::Ikev2(config) => ikev2::client(builder, client, config),
    }
    if client.has_interface() {
        way(builder, client);
    }
    endpoint(builder, client);
}

/// An interface that dials, with what all protocols have that do.
fn dialer<'b, 'a>(
    builder: &'b mut Builder<'a>,
    client: &Client<'_>,
    path: &str,
    credentials: &Credentials,
) -> Draft<'b, 'a> {
    let row = builder.add("interface", path, &["name"]).arg("name", &*client.interface).text("connect-to", client.host);
    let row = row.text("user", &credentials.username).secret("password", &credentials.password);
    row.flag("add-default-route", false).flag("disabled", false)
}

/// A number of the document; 0 is none.
fn number(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value != 0)
}

/// Traffic that leaves through it is masqueraded, and a table leads through it alone.
fn way(builder: &mut Builder<'_>, client: &Client<'_>) {
    builder.member("VPN-WAN", &client.interface);
    builder.member("WAN", &client.interface);
    let world: &World<'_> = builder.world;
    let Some(hop) = all(world).into_iter().find(|hop| hop.interface == client.interface) else { return };
    builder.table(&hop.table);
    hop.route(builder, "route", &hop.table, ANYWHERE).arg("distance", "1").done();
    hop.check_alone(builder, "route-check", &hop.table);
}

/// What the tunnel itself sends must not go through a tunnel, and leaves by its link when it has one.
fn endpoint(builder: &mut Builder<'_>, client: &Client<'_>) {
    if client.host.is_empty() {
        return;
    }
    if let Ok(IpAddr::V6(address)) = client.host.parse() {
        builder.warning(format!("{address} is reached by what IPv6 routes there are: only IPv4 is routed"));
        return;
    }
    let add = |builder: &mut Builder<'_>, list: &str, label: String| {
        let what = format!("endpoint-{list}");
        let entry = builder.add(&what, "/ip/firewall/address-list", &["list", "address"]).label(label);
        entry.arg("list", list).arg("address", client.host).optional().done();
    };
    let Some(wanted) = &client.base.wan_interface else { return add(builder, "VPNE", String::new()) };
    let link = format!("{}-{}", wanted.wan_type.word(), wanted.wan_name);
    let label = format!("WanInterface:{link}");
    add(builder, "VPNE", label.clone());
    let Some(table) = table_of(builder.world, client, wanted) else {
        let path = format!("{}.wanInterface.wanName", client.source);
        let message = format!("there is no {} link {:?}", wanted.wan_type.word(), wanted.wan_name);
        builder.report(Issue::error(path, message));
        return;
    };
    builder.table(&table);
    if let Ok(address) = client.host.parse::<Ipv4Addr>() {
        let main = builder.main_rule();
        let rule = builder.add("endpoint-rule", "/routing/rule", &[]).rank(Rank::Output).label(label.clone());
        rule.arg("dst-address", format!("{address}/32"))
            .arg("action", "lookup")
            .arg("table", &*table)
            .needs(main)
            .done();
    }
    // Rules know no names, and marks come before rules: those of all endpoints would win.
    let list = format!("VPNE-{link}");
    add(builder, &list, label);
    let rule = builder.add("endpoint-route", "/ip/firewall/mangle", &[]).rank(Rank::Output);
    rule.arg("chain", "output")
        .arg("dst-address-list", list)
        .arg("action", "mark-routing")
        .arg("new-routing-mark", table)
        .flag("passthrough", false)
        .done();
}

/// The table that leads through a link or another tunnel alone.
fn table_of(world: &World<'_>, client: &Client<'_>, wanted: &WanInterface) -> Option<String> {
    let kind = NetworkType::from(wanted.wan_type);
    let is_it = |name: &str| name == wanted.wan_name;
    let is_itself = wanted.wan_type == WanType::Vpn && is_it(&client.base.name);
    let hop = all(world).into_iter().find(|hop| hop.kind == kind && is_it(hop.name));
    hop.filter(|_| !is_itself).map(|hop| hop.table)
}

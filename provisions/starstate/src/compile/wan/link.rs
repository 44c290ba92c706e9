//! An uplink: its interfaces, its lists, its connection, and the table that leads through it alone.

use std::net::Ipv4Addr;

use super::group::Group;
use super::hop::{ANYWHERE, MAIN};
use super::script;
use crate::compile::sharing::Sharing;
use crate::compile::{Band, Builder, Connection, Link, World};
use crate::form;
use crate::issue::Issue;
use crate::state::{PppoeConfig, StaticConfig, WanLink, WanType};

/// An uplink. One without a connection that makes sense was reported before and gets nothing.
pub(super) fn link(builder: &mut Builder<'_>, group: WanType, link: &WanLink) {
    let world = builder.world;
    let Some(link) = world.links_of(group).find(|known| std::ptr::eq(known.link, link)) else { return };
    if link.port().is_empty() {
        let path = format!("{}.interfaceConfig.interfaceName", builder.source());
        builder.report(Issue::error(path, "is needed: the port that the link is plugged into"));
        return;
    }
    interfaces(builder, link);
    builder.member("WAN", &link.interface);
    builder.member(&format!("{}-WAN", link.kind().word()), &link.interface);
    match link.connection {
        // Its client comes when there are routes that can follow its lease.
        Connection::Dhcp => {}
        Connection::Pppoe(config) => pppoe(builder, link, config),
        Connection::Static(config) => fixed(builder, link, config),
        Connection::Lte(apn) => modem(builder, link, apn),
    }
    routes(builder, link);
}

/// Asks for a lease, once the routes are there that follow it.
pub(super) fn dhcp_client(builder: &mut Builder<'_>, link: &Link<'_>) {
    let label = link.route_label();
    let routes = builder.like(|step| {
        let is_labelled = step.label.as_ref().is_some_and(|found| found.ends_with(&label));
        step.path == "/ip/route" && is_labelled && step.initial.iter().any(|name| name == "gateway")
    });
    let others = builder.remove("other-dhcp-clients", "/ip/dhcp-client", &[("interface", &link.interface)]).done();
    let client = builder.add("dhcp-client", "/ip/dhcp-client", &["interface"]).needs(others);
    let client = routes.into_iter().fold(client, |client, route| client.needs(route));
    client
        .arg("interface", &*link.interface)
        .arg("add-default-route", "no")
        .flag("use-peer-dns", false)
        .flag("use-peer-ntp", false)
        .flag("disabled", false)
        .arg("script", script::follow_lease(&label, &link.interface))
        .done();
}

/// What is made on the port.
fn interfaces(builder: &mut Builder<'_>, link: &Link<'_>) {
    let (port, parent) = (link.port(), link.parent());
    let radio = station(builder, link);
    name_port(builder, link);
    let below = match link.vlan() {
        Some((name, tag)) => {
            let vlan = builder.add("vlan", "/interface/vlan", &["name"]);
            let vlan = vlan.arg("name", &*name).arg("interface", port).arg("vlan-id", tag);
            radio.iter().fold(vlan, |vlan, radio| vlan.needs(radio)).done();
            name
        }
        None => port.to_owned(),
    };
    if parent != port {
        let macvlan = builder.add("macvlan", "/interface/macvlan", &["name"]);
        let macvlan = macvlan
            .arg("name", parent)
            .arg("interface", below)
            .arg("mode", "private")
            .text("mac-address", link.link.interface_config.mac_address.trim());
        radio.iter().fold(macvlan, |macvlan, radio| macvlan.needs(radio)).done();
    }
}

/// A radio that joins somebody else's network. Gives the step after which it has the name that the document knows.
fn station(builder: &mut Builder<'_>, link: &Link<'_>) -> Option<String> {
    let credentials = link.link.interface_config.wireless_credentials.as_ref();
    let band = Band::of_interface(link.port());
    if let (Some(_), None) = (credentials, band) {
        let message = format!("{:?} is no radio: one of wifi2.4, wifi5, wifi5-2 joins a wireless network", link.port());
        let path = format!("{}.interfaceConfig.interfaceName", builder.source());
        builder.report(Issue::error(path, message));
        return None;
    }
    let facts = builder.facts;
    let Some(radio) = facts.radios.iter().find(|radio| Some(radio.band) == band) else {
        if let Some(band) = band {
            let path = format!("{}.interfaceConfig.interfaceName", builder.source());
            builder.report(Issue::error(path, format!("the router has no radio for {} GHz", band.word())));
        }
        return None;
    };
    let named = builder.radio(radio);
    if let Some(credentials) = credentials {
        let row = builder.set_row("station", "/interface/wifi", &[("default-name", &radio.default_name)]);
        row.arg("configuration.mode", "station-pseudobridge")
            .arg("configuration.ssid", &*credentials.ssid)
            .arg("configuration.station-roaming", "yes")
            .arg("configuration.multicast-enhance", "enabled")
            .secret("security.passphrase", &credentials.password)
            .flag("security.ft", true)
            .flag("security.ft-over-ds", true)
            .flag("steering.rrm", true)
            .flag("steering.wnm", true)
            .done();
    }
    Some(named)
}

/// Whoever looks at the ports of the router sees what is plugged in.
fn name_port(builder: &mut Builder<'_>, link: &Link<'_>) {
    let port = link.port();
    if !["ether", "sfp"].iter().any(|word| port.starts_with(word)) {
        return;
    }
    let links = builder.world.links.iter().filter(|other| other.port() == port);
    let names: Vec<String> = links.map(|link| format!("{}({})", link.link.name, link.kind().word())).collect();
    let row = builder.set_row("port", "/interface/ethernet", &[("name", port)]);
    row.arg("comment", format!("WAN - {}", names.join(", "))).optional().done();
}

fn pppoe(builder: &mut Builder<'_>, link: &Link<'_>, config: &PppoeConfig) {
    let client = builder.add("pppoe-client", "/interface/pppoe-client", &["name"]);
    client
        .arg("name", &*link.interface)
        .arg("interface", link.parent())
        .arg("user", &*config.username)
        .secret("password", &config.password)
        .flag("dial-on-demand", true)
        .flag("add-default-route", false)
        .arg("allow", "chap,pap,mschap1,mschap2")
        .flag("disabled", false)
        .done();
}

fn fixed(builder: &mut Builder<'_>, link: &Link<'_>, config: &StaticConfig) {
    let field = |name: &str| format!("{}.connectionConfig.static.{name}", link.source);
    let mut address = |name: &str, text: &str| {
        let found = text.trim().parse::<Ipv4Addr>().ok();
        if found.is_none() {
            builder.report(Issue::error(field(name), format!("{text:?} is no address such as 192.0.2.1")));
        }
        found
    };
    let own = address("ipAddress", &config.ip_address);
    let gateway = address("gateway", &config.gateway);
    let length = form::prefix_length(&config.subnet);
    if let Err(message) = &length {
        builder.report(Issue::error(field("subnet"), message));
    }
    if let (Some(own), Some(_), Ok(length)) = (own, gateway, length) {
        let row = builder.add("address", "/ip/address", &["address", "interface"]);
        row.arg("address", format!("{own}/{length}")).arg("interface", &*link.interface).done();
    }
    resolvers(builder);
}

/// The resolvers of all links with a fixed address, unless the document says elsewhere which are used.
fn resolvers(builder: &mut Builder<'_>) {
    let world = builder.world;
    if world.state.wan.dns_config.is_some() {
        return;
    }
    let mut servers: Vec<&str> = Vec::new();
    for link in &world.links {
        let Connection::Static(config) = link.connection else { continue };
        for server in config.dns.split(',').map(str::trim).filter(|server| !server.is_empty()) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
    }
    if !servers.is_empty() {
        builder.set("resolvers", "/ip/dns").arg("servers", servers.join(",")).optional().done();
    }
}

fn modem(builder: &mut Builder<'_>, link: &Link<'_>, apn: &str) {
    let row = |builder: &mut Builder<'_>, apn: Option<&str>| {
        let row = builder.set_row("modem", "/interface/lte", &[("name", link.port())]);
        row.some("apn-profiles", apn).flag("allow-roaming", true).done();
    };
    if apn.is_empty() {
        return row(builder, None);
    }
    let profile = builder.add("apn", "/interface/lte/apn", &["name"]);
    profile
        .arg("name", apn)
        .arg("apn", apn)
        .flag("add-default-route", false)
        .flag("use-network-apn", true)
        .flag("use-peer-dns", false)
        .done();
    row(builder, Some(apn));
}

/// The table that leads through it alone, and the default route of the router when there is no other link.
fn routes(builder: &mut Builder<'_>, link: &Link<'_>) {
    let world: &World<'_> = builder.world;
    let group = Group::of(world, link.kind());
    let Some(place) = group.hops.iter().position(|hop| hop.name == link.link.name) else { return };
    let hop = &group.hops[place];
    builder.table(&hop.table);
    match group.sharing {
        Sharing::Both(probe) => {
            hop.default_route(builder, "route", &hop.table, 1, probe.is_some()).done();
            let next = &group.hops[(place + 1) % group.hops.len()];
            next.default_route(builder, "route-instead", &hop.table, 2, probe.is_some()).done();
        }
        _ => drop(hop.route(builder, "route", &hop.table, ANYWHERE).arg("distance", "1").done()),
    }
    hop.check_alone(builder, "route-check", &hop.table);
    if world.links.len() == 1 {
        hop.route(builder, "route-main", MAIN, ANYWHERE).arg("distance", "1").done();
    }
}

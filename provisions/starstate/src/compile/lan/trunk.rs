//! The trunk between a master and its slaves: a VLAN for each network, by a cable or by the radios.
//!
//! The VLAN of a network has the number of the third part of its addresses. On the master the port itself carries a network, too,
//! without a tag; on a slave it must not, or there would be a loop.

use routeros::Secret;

use super::wireless::{AccessPoint, first};
use super::{bridge_port, join};
use crate::compile::{Builder, Network, World};
use crate::issue::Issue;
use crate::state::{Hidden, NetworkType, RouterModel};

/// The most bytes of an SSID (IEEE 802.11 §9.4.2.2).
const LONGEST_SSID: usize = 32;
/// The most characters of a passphrase.
const LONGEST_PASSWORD: usize = 63;

/// Whether routers are connected by their radios.
pub(super) fn is_wireless(world: &World<'_>) -> bool {
    world.state.choose.trunk_interface_type.trim().eq_ignore_ascii_case("wireless")
}

/// The master's end.
pub(super) fn master(builder: &mut Builder<'_>, model: &RouterModel) {
    let Some(ports) = ports_of_master(builder, model) else { return };
    let world = builder.world;
    let vlans = vlans(world);
    let untagged = world.base(NetworkType::Split).or(world.base(NetworkType::Vpn)).map(Network::bridge);
    for port in &ports {
        for (id, network) in &vlans {
            vlan(builder, port, *id, network);
        }
        if let Some(bridge) = &untagged {
            bridge_port(builder, port, bridge).optional().done();
        }
    }
}

/// A slave's end: a bridge for each network of the master, where the slave is a host like others.
pub(super) fn slave(builder: &mut Builder<'_>, model: &RouterModel) {
    let Some(port) = port_of_slave(builder, model) else { return };
    let world = builder.world;
    for network in &world.networks {
        let bridge = network.bridge();
        let draft =
            builder.add(&format!("bridge-{}", network.name), "/interface/bridge", &["name"]).arg("name", &bridge);
        let draft = if network.is_base { draft } else { draft.optional() };
        draft.done();
        join(builder, "LAN", &bridge);
        join(builder, &network.lan(), &bridge);
    }
    let vlans = vlans(world);
    for (id, network) in &vlans {
        vlan(builder, &port, *id, network);
    }
    let main = main_network(&vlans);
    for (_, network) in &vlans {
        let is_main = main.is_some_and(|main| main.name == network.name);
        let client = builder.add(&format!("dhcp-client-{}", network.name), "/ip/dhcp-client", &["interface"]);
        let client = client.arg("interface", network.bridge()).flag("add-default-route", is_main);
        client.flag("use-peer-dns", is_main).flag("disabled", false).optional().done();
    }
}

/// The network by which a slave itself reaches everything.
fn main_network<'w>(vlans: &[(u8, &'w Network)]) -> Option<&'w Network> {
    let base = |kind| vlans.iter().find(move |(_, network)| network.is_base && network.kind == kind);
    let main = base(NetworkType::Split).or_else(|| base(NetworkType::Vpn)).or(vlans.first());
    main.map(|(_, network)| *network)
}

/// The networks that have a VLAN, and its number: the third one of their addresses, unless it is 0.
fn vlans<'w>(world: &'w World<'_>) -> Vec<(u8, &'w Network)> {
    let numbered = world.networks.iter().map(|network| (network.subnet.network().octets()[2], network));
    numbered.filter(|(id, _)| *id != 0).collect()
}

/// The VLAN of a network on a port, bridged into it.
fn vlan(builder: &mut Builder<'_>, port: &str, id: u8, network: &Network) {
    let name = format!("VLAN{id}-{port}-{}", network.vlan_name);
    let draft = builder.add(&name, "/interface/vlan", &["name"]).arg("name", &name);
    let draft = draft.arg("vlan-id", id.to_string()).arg("interface", port);
    if network.is_base { draft } else { draft.optional() }.done();
    let draft = bridge_port(builder, &name, &network.bridge());
    if network.is_base { draft } else { draft.optional() }.done();
}

/// The interfaces that lead to the slaves.
fn ports_of_master(builder: &mut Builder<'_>, model: &RouterModel) -> Option<Vec<String>> {
    if is_wired(builder)? {
        let port = model.master_slave_interface.trim();
        comment(builder, port);
        return Some(vec![port.to_owned()]);
    }
    let (ssid, password) = air(builder)?;
    let facts = builder.facts;
    if facts.radios.is_empty() {
        builder.error("the trunk is wireless, but this router has no radios that /interface/wifi knows");
        return None;
    }
    let mut ports = Vec::new();
    for radio in &facts.radios {
        let access_point = AccessPoint {
            radio,
            interface: Some(format!("{}-Trunk", radio.band.interface())),
            names: format!("Trunk-{}", radio.band.word()),
            ssid: ssid.clone(),
            password: &password,
            is_hidden: true,
        };
        ports.push(access_point.steps(builder));
    }
    Some(ports)
}

/// The interface that leads to the master.
fn port_of_slave(builder: &mut Builder<'_>, model: &RouterModel) -> Option<String> {
    let port = model.master_slave_interface.trim();
    if is_wired(builder)? {
        comment(builder, port);
        builder.remove("no-loop", "/interface/bridge/port", &[("interface", port)]).done();
        return Some(port.to_owned());
    }
    let facts = builder.facts;
    let Some(radio) = facts.radios.iter().find(|radio| radio.is_called(port)) else {
        builder.error(format!("the trunk is wireless, but this router has no radio {port:?}"));
        return None;
    };
    let (ssid, password) = air(builder)?;
    builder.radio(radio);
    let target = [("default-name", radio.default_name.as_str())];
    let station = builder.set_row("station", "/interface/wifi", &target).arg("configuration.mode", "station-bridge");
    let station = station.arg("configuration.ssid", ssid).arg("security.authentication-types", "wpa2-psk,wpa3-psk");
    station.secret("security.passphrase", &password).done();
    Some(radio.band.interface())
}

/// The name and the passphrase by which routers find each other: both are made of the first wireless network's.
fn air(builder: &mut Builder<'_>) -> Option<(String, Hidden)> {
    let Some(first) = first(builder.world) else {
        builder.error("a wireless trunk is named like the first wireless network, but there is none");
        return None;
    };
    let ssid = format!("{}!", first.ssid);
    if ssid.len() > LONGEST_SSID {
        builder.error(format!("the trunk's SSID {ssid:?} would be longer than {LONGEST_SSID} bytes"));
        return None;
    }
    let password = format!("{}!", first.password.reveal());
    if password.len() > LONGEST_PASSWORD {
        builder.error(format!("the trunk's password would have more than {LONGEST_PASSWORD} characters"));
        return None;
    }
    Some((ssid, Hidden(Some(Secret::from(password)))))
}

fn is_wired(builder: &mut Builder<'_>) -> Option<bool> {
    let kind = builder.world.state.choose.trunk_interface_type.trim();
    if is_wireless(builder.world) {
        return Some(false);
    }
    if kind.is_empty() || kind.eq_ignore_ascii_case("wired") {
        return Some(true);
    }
    let message = format!("{kind:?} is no kind of trunk, wired and wireless are");
    builder.report(Issue::error("$.choose.trunkInterfaceType", message));
    None
}

fn comment(builder: &mut Builder<'_>, port: &str) {
    let draft = builder.set_row("comment", "/interface/ethernet", &[("name", port)]);
    draft.arg("comment", "Trunk Interface").optional().done();
}

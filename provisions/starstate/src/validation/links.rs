//! Uplinks: their ports, and what they need to connect.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use routeros_schema::value::parse_mac;

use crate::compile::{Connection, Link, World};
use crate::form;
use crate::issue::Issue;
use crate::state::StaticConfig;

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    for (number, link) in world.links.iter().enumerate() {
        port(world, &world.links[..number], link, issues);
        connection(link, issues);
    }
}

fn port(world: &World<'_>, before: &[Link<'_>], link: &Link<'_>, issues: &mut Vec<Issue>) {
    let config = &link.link.interface_config;
    let (port, vlan, mac) = (config.interface_name.trim(), config.vlan_id.trim(), config.mac_address.trim());
    let at = |key: &str| format!("{}.interfaceConfig.{key}", link.source);
    let same = before.iter().find(|other| {
        let other = &other.link.interface_config;
        other.interface_name.trim() == port && other.vlan_id.trim() == vlan
    });
    if let Some(same) = same.filter(|_| !port.is_empty()) {
        let how = if vlan.is_empty() { "without a VLAN".to_owned() } else { format!("with the VLAN {vlan}") };
        issues.push(Issue::error(at("interfaceName"), format!("{port} {how} is already used by {}", same.source)));
    }
    let ports = world.state.lan.as_ref().map_or(&[][..], |lan| &lan.interface);
    if let Some(number) = ports.iter().position(|other| other.name.trim() == port && !port.is_empty()) {
        let message = format!("{port} is also a port of a network: $.lan.interface[{number}]");
        issues.push(Issue::error(at("interfaceName"), message));
    }
    if !vlan.is_empty() && !vlan.parse::<u16>().is_ok_and(|vlan| (1..=4094).contains(&vlan)) {
        issues.push(Issue::error(at("vlanId"), format!("{vlan:?} is no VLAN: 1 to 4094")));
    }
    let message = match parse_mac(mac) {
        _ if mac.is_empty() => return,
        None => format!("{mac:?} is no MAC address such as 02:00:5E:10:00:01"),
        Some(bytes) if bytes[0] & 1 == 1 => format!("{mac} is the MAC address of a group, not of one device"),
        Some(_) => return,
    };
    issues.push(Issue::error(at("macAddress"), message));
}

fn connection(link: &Link<'_>, issues: &mut Vec<Issue>) {
    let at = |key: &str| format!("{}.connectionConfig.{key}", link.source);
    match link.connection {
        Connection::Dhcp => {}
        Connection::Pppoe(config) => {
            if config.username.trim().is_empty() {
                issues.push(Issue::error(at("pppoe.username"), "is needed"));
            }
            if config.password.is_empty() {
                issues.push(Issue::error(at("pppoe.password"), "is needed"));
            }
        }
        Connection::Static(config) => {
            let gateway = config.gateway.trim().parse::<Ipv4Addr>().ok();
            if let (Some(subnet), Some(gateway)) = (subnet_of(config), gateway)
                && !subnet.contains(&gateway)
            {
                issues.push(Issue::warning(at("static.gateway"), format!("{gateway} is not in {subnet}")));
            }
        }
        Connection::Lte("") => {
            issues.push(Issue::warning(at("lteSettings.apn"), "is empty: the modem keeps its own access point"));
        }
        Connection::Lte(_) => {}
    }
}

/// The subnet of a fixed address; `None` when it is no address, which is reported where it is used.
pub(crate) fn subnet_of(config: &StaticConfig) -> Option<Ipv4Net> {
    let address = config.ip_address.trim().parse::<Ipv4Addr>().ok()?;
    let length = form::prefix_length(&config.subnet).ok()?;
    Ipv4Net::new(address, length).ok().map(|subnet| subnet.trunc())
}

//! Devices behind the router that open ports by themselves: UPnP and NAT-PMP.

use crate::compile::{Builder, World};
use crate::issue::Issue;
use crate::state::{NatPmpConfig, UpnpConfig, WanType};

/// UPnP.
pub(super) fn upnp(builder: &mut Builder<'_>, config: &UpnpConfig) {
    switch(builder, "/ip/upnp", config.enabled, &config.link_type, "");
}

/// NAT-PMP.
pub(super) fn nat_pmp(builder: &mut Builder<'_>, config: &NatPmpConfig) {
    switch(builder, "/ip/nat-pmp", config.enabled, &config.link_type, &config.interface_name);
}

fn switch(builder: &mut Builder<'_>, menu: &str, enabled: Option<bool>, link_type: &str, name: &str) {
    let world = builder.world;
    let (link_type, name) = (link_type.trim(), name.trim());
    let says_where = !link_type.is_empty() || !name.is_empty();
    let enabled = enabled.unwrap_or(says_where);
    if !enabled || !says_where {
        builder.set("switch", menu).flag("enabled", enabled).done();
        return;
    }
    let outside = match name {
        "" => outside_of(world, link_type),
        name => Ok(vec![interface_of(world, name)]),
    };
    let outside = match outside {
        Ok(outside) => outside,
        Err(message) => {
            let path = format!("{}.linkType", builder.source());
            return builder.report(Issue::error(path, message));
        }
    };
    builder.set("switch", menu).flag("enabled", true).done();
    let inside = world.networks.iter().map(|network| network.bridge());
    let rows = outside.into_iter().map(|interface| (interface, "external"));
    for (interface, side) in rows.chain(inside.map(|bridge| (bridge, "internal"))) {
        let row = builder.add(&format!("{side}-{interface}"), &format!("{menu}/interfaces"), &["interface"]);
        row.arg("interface", interface).arg("type", side).done();
    }
}

/// The interfaces of a group of links.
fn outside_of(world: &World<'_>, link_type: &str) -> Result<Vec<String>, String> {
    let links = |group| world.links_of(group).map(|link| link.interface.clone()).collect::<Vec<_>>();
    let found = match link_type.to_ascii_lowercase().as_str() {
        "domestic" => links(WanType::Domestic),
        "foreign" => links(WanType::Foreign),
        "vpn" => world.tunnels().map(|tunnel| tunnel.interface.clone()).collect(),
        _ => return Err(format!("{link_type:?} is none of domestic, foreign, vpn")),
    };
    if found.is_empty() { Err(format!("there is no {link_type} link")) } else { Ok(found) }
}

/// The interface of a link or a tunnel, or the one that is called so.
fn interface_of(world: &World<'_>, name: &str) -> String {
    let link = world.links.iter().find(|link| link.link.name == name).map(|link| &link.interface);
    let tunnel = || world.tunnels().find(|tunnel| tunnel.base.name == name).map(|tunnel| &tunnel.interface);
    link.or_else(tunnel).map_or_else(|| name.to_owned(), Clone::clone)
}

//! Which network a port belongs to.

use super::bridge_port;
use crate::compile::Builder;
use crate::role::Role;
use crate::state::{NetworkType, Port, RouterModel};

/// Beginnings of names of ports that are in `/interface/ethernet`.
const ETHERNET: [&str; 4] = ["ether", "sfp", "qsfp", "combo"];

/// The port becomes one of the network's bridge.
pub(super) fn port(builder: &mut Builder<'_>, port: &Port) {
    let world = builder.world;
    let (name, word) = (port.name.trim(), port.bridge.trim());
    if name.is_empty() || word.is_empty() {
        return builder.error("a port needs a name and a bridge");
    }
    let slave = world.role.model(world.state).filter(|_| world.role != Role::Master);
    if let Some(reason) = slave.and_then(|(_, model)| not_of_slave(model, name)) {
        return builder.warning(format!("{name} is left out on this router: {reason}"));
    }
    let bridge = world.bridge(word).into_owned();
    if NetworkType::from_word(word).is_some() && bridge == word {
        return builder.error(format!("there is no network {word}: lan.subnets has no addresses for it"));
    }
    bridge_port(builder, name, &bridge).done();
    let network = world.networks.iter().find(|network| network.bridge() == bridge);
    if let Some(network) = network.filter(|_| ETHERNET.iter().any(|kind| name.starts_with(kind))) {
        let comment = format!("{} Network", network.name);
        builder.set_row("comment", "/interface/ethernet", &[("name", name)]).arg("comment", comment).optional().done();
    }
}

/// The ports of a document are the master's; a slave has those of the same names.
fn not_of_slave(model: &RouterModel, name: &str) -> Option<&'static str> {
    if model.master_slave_interface.trim() == name {
        return Some("it leads to the master");
    }
    let names = &model.interfaces.interfaces;
    let mut known = [&names.ethernet, &names.sfp, &names.wireless, &names.lte].into_iter().flatten().peekable();
    (known.peek().is_some() && !known.any(|known| known == name)).then_some("it is none of its interfaces")
}

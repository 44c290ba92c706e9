//! What is behind the router: lists and rules that every router has, networks, wireless, ports, the trunk between routers, tunnels
//! between sites.

mod base;
mod networks;
mod ports;
mod trunk;
mod tunnels;
mod wireless;

use super::{Builder, Draft};
use crate::decompose::{Content, Resource};

/// The steps of a resource, if it is one of these.
pub(super) fn steps(builder: &mut Builder<'_>, resource: &Resource<'_>) -> bool {
    match resource.content {
        Content::Base => base::base(builder),
        Content::Security => base::security(builder),
        Content::Network { .. } => networks::network(builder, resource),
        Content::TrunkMaster(model) => trunk::master(builder, model),
        Content::TrunkSlave(model) => trunk::slave(builder, model),
        Content::Ipip(tunnel) => tunnels::ipip(builder, tunnel),
        Content::Eoip(tunnel) => tunnels::eoip(builder, tunnel),
        Content::Gre(tunnel) => tunnels::gre(builder, tunnel),
        Content::Vxlan(tunnel) => tunnels::vxlan(builder, tunnel),
        Content::Wireless(network) => wireless::wireless(builder, network),
        Content::Port(port) => ports::port(builder, port),
        _ => return false,
    }
    true
}

/// An interface becomes a port of a bridge, also when it is one of another bridge.
fn bridge_port<'b, 'a>(builder: &'b mut Builder<'a>, interface: &str, bridge: &str) -> Draft<'b, 'a> {
    let draft = builder.add(&format!("port-{interface}"), "/interface/bridge/port", &["interface"]).take_over();
    draft.arg("interface", interface).arg("bridge", bridge)
}

/// Puts an interface on a list; the rest does not depend on it.
fn join(builder: &mut Builder<'_>, list: &str, interface: &str) {
    builder.list(list);
    let draft = builder.add(&format!("member-{list}-{interface}"), "/interface/list/member", &["list", "interface"]);
    draft.arg("list", list).arg("interface", interface).optional().done();
}

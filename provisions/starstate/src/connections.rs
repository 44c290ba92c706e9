//! What a document connects a router to, to tell when the router has it. Pure.

use crate::compile::{ClientConfig, Connection, World};
use crate::decompose::{Content, Resource, decompose};
use crate::form::with_port;
use crate::orchestrator::Generated;
use crate::role::Role;
use crate::session::SessionEventKind;
use crate::state::{StarState, TunnelBase};

/// The uplinks and tunnels of a router, in the order of the document.
pub(crate) fn connections(
    state: &StarState,
    role: Role,
    generated: &[Generated],
    applied_at: u64,
) -> Vec<SessionEventKind> {
    // What is wrong with the document was said before it was applied.
    let (world, _) = World::new(state, role);
    let told = |resource: &Resource<'_>| match resource.content {
        Content::Link { .. } => link(&world, resource, applied_at),
        Content::WireguardClient(_) => wireguard(&world, resource, generated),
        Content::Ipip(it) => Some(tunnel(resource, "ipip", &it.base, applied_at)),
        Content::Eoip(it) => Some(tunnel(resource, "eoip", &it.base, applied_at)),
        Content::Gre(it) => Some(tunnel(resource, "gre", &it.base, applied_at)),
        Content::Vxlan(it) => Some(tunnel(resource, "vxlan", &it.base, applied_at)),
        _ => None,
    };
    decompose(state, role).iter().filter_map(told).collect()
}

fn link(world: &World<'_>, resource: &Resource<'_>, applied_at: u64) -> Option<SessionEventKind> {
    let link = world.links.iter().find(|link| link.source == resource.source)?;
    let connection_type = match link.connection {
        Connection::Dhcp => "dhcp",
        Connection::Pppoe(_) => "pppoe",
        Connection::Static(_) => "static",
        Connection::Lte(_) => "lte",
    };
    Some(SessionEventKind::WanLinkApplied {
        resource_id: resource.full_name(),
        interface_name: link.interface.clone(),
        connection_type: connection_type.to_owned(),
        wan_type: link.group.word().to_owned(),
        applied_at,
    })
}

fn wireguard(world: &World<'_>, resource: &Resource<'_>, generated: &[Generated]) -> Option<SessionEventKind> {
    let client = world.clients.iter().find(|client| client.source == resource.source)?;
    let ClientConfig::Wireguard(config) = client.config else { return None };
    let name = resource.full_name();
    let step = format!("{name}/interface");
    let public_key = generated.iter().find(|made| made.step == step && made.name == "public-key");
    Some(SessionEventKind::WireguardClientApplied {
        resource_id: name,
        interface_name: client.interface.clone(),
        peer_endpoint: match config.peer_endpoint_port {
            Some(port) => with_port(client.host, port),
            None => client.host.to_owned(),
        },
        public_key: public_key.map(|made| made.value.shown()),
        wan_type: client.base.wan_interface.as_ref().map(|wan| wan.wan_type.word().to_owned()),
    })
}

fn tunnel(resource: &Resource<'_>, tunnel_type: &str, base: &TunnelBase, applied_at: u64) -> SessionEventKind {
    SessionEventKind::TunnelApplied {
        resource_id: resource.full_name(),
        tunnel_type: tunnel_type.to_owned(),
        interface_name: base.name.clone(),
        local_address: base.local_address.trim().to_owned(),
        remote_address: base.remote_address.trim().to_owned(),
        applied_at,
    }
}

//! Uplinks, how they share the traffic, tunnels to somewhere else, and the routes through all of them.

mod clients;
mod fabric;
mod group;
mod hop;
mod link;
mod multilink;
mod script;

use super::{Builder, World};
use crate::decompose::{Content, Resource};
use crate::state::NetworkType;

pub(super) use fabric::fabric;

/// Whether the traffic of a type's networks is spread by marks, so that nothing else may mark it.
pub(super) fn is_marked(world: &World<'_>, kind: NetworkType) -> bool {
    group::Group::of(world, kind).is_marked()
}

/// The steps of a resource, if it is one of these.
pub(super) fn steps(builder: &mut Builder<'_>, resource: &Resource<'_>) -> bool {
    match resource.content {
        Content::Link { group, link } => link::link(builder, group, link),
        Content::MultiLink { group, .. } => multilink::multilink(builder, group),
        Content::WireguardClient(config) => clients::client(builder, &config.base),
        Content::OpenVpnClient(config) => clients::client(builder, &config.base),
        Content::PptpClient(config) => clients::client(builder, &config.base),
        Content::L2tpClient(config) => clients::client(builder, &config.base),
        Content::SstpClient(config) => clients::client(builder, &config.base),
        Content::Ikev2Client(config) => clients::client(builder, &config.base),
        _ => return false,
    }
    true
}

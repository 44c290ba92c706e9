//! A document compiled into steps. Pure: the same document, the router's role in it and the facts about the router give the same
//! steps.
//!
//! [`World`] is what the document is about as a whole, [`Facts`] what the router is, [`Builder`] puts the steps together. One module per
//! kind of resource says which steps it needs. At the end every step is checked against the menus of the router's release:
//! what that does not have is left out with a warning where it may be, and an error where not.
//!
//! Names of objects carry no name of a session: the same document gives the same names whenever it is applied.
//!
//! Not here: rules about the document as such ([`crate::validation`]), and the order of steps ([`crate::needs`]).

mod builder;
mod extra;
mod facts;
mod fit;
mod granted;
mod lan;
pub(crate) mod servers;
mod sharing;
pub(crate) mod spelling;
mod wan;
mod world;

pub use builder::{Builder, Draft, Rank};
pub use facts::{Band, Facts, Radio};
pub use world::{Client, ClientConfig, Connection, Link, Network, World};

use crate::decompose::{Content, Resource, decompose};
use crate::issue::Issue;
use crate::role::Role;
use crate::state::StarState;
use crate::step::Step;

/// Networks that are nobody's on the Internet (RFC 1918).
const LOCAL: [&str; 3] = ["192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8"];

/// What a document means for a router.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What is wanted. With errors among the issues it is not all.
    pub steps: Vec<Step>,
    /// What is wrong, or worth knowing.
    pub issues: Vec<Issue>,
}

/// Compiles a document for one of its routers.
pub fn compile(state: &StarState, role: Role, facts: &Facts) -> Compiled {
    if let Err(issue) = role.check(state) {
        return Compiled { steps: Vec::new(), issues: vec![issue] };
    }
    let (world, mut issues) = World::new(state, role);
    let mut builder = Builder::new(&world, facts);
    let mut resources = decompose(state, role);
    resources.sort_by_key(|resource| stage(&resource.content));
    for resource in &resources {
        builder.begin(resource);
        resource_steps(&mut builder, resource);
    }
    if role == Role::Master {
        wan::fabric(&mut builder);
        extra::resolvers(&mut builder);
    }
    let (steps, found) = builder.finish();
    issues.extend(found);
    let mut steps = fit::fit(steps, facts.release, &mut issues);
    granted::check_certificates(&mut steps, facts, &mut issues);
    Compiled { steps, issues }
}

/// The steps of one resource.
fn resource_steps(builder: &mut Builder<'_>, resource: &Resource<'_>) {
    let is_done = lan::steps(builder, resource)
        || wan::steps(builder, resource)
        || servers::steps(builder, resource)
        || extra::steps(builder, resource);
    if !is_done {
        builder.error(format!("nothing is known of resources of type {}", resource.resource_type));
    }
}

/// When its turn is, so that rules of different resources come in an order that makes sense.
fn stage(content: &Content<'_>) -> u8 {
    match content {
        Content::Base => 1,
        Content::Security => 2,
        Content::Certificate(_) => 3,
        Content::Network { .. } => 4,
        Content::TrunkMaster(_) | Content::TrunkSlave(_) => 5,
        Content::Link { .. } => 6,
        Content::MultiLink { .. } => 7,
        Content::WireguardClient(_)
        | Content::OpenVpnClient(_)
        | Content::PptpClient(_)
        | Content::L2tpClient(_)
        | Content::SstpClient(_)
        | Content::Ikev2Client(_) => 8,
        Content::WireguardServer(_)
        | Content::PptpServer(_)
        | Content::L2tpServer(_)
        | Content::SstpServer(_)
        | Content::OpenVpnServer(_)
        | Content::Ikev2Server(_)
        | Content::Socks5Server(_)
        | Content::SshServer(_)
        | Content::HttpProxyServer(_)
        | Content::BackToHomeServer(_)
        | Content::ZeroTierServer(_) => 9,
        Content::Ipip(_) | Content::Eoip(_) | Content::Gre(_) | Content::Vxlan(_) => 10,
        Content::Wireless(_) => 11,
        Content::Port(_) => 12,
        Content::Services(_) => 14,
        _ => 13,
    }
}

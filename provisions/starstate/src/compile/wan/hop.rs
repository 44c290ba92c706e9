//! What a route leads through: an uplink or a tunnel, alike for all that routes. Pure but for the routes that it begins.

use std::net::Ipv4Addr;

use crate::compile::{Builder, Client, ClientConfig, Draft, Link, World};
use crate::state::NetworkType;

/// The default route's destination.
pub(super) const ANYWHERE: &str = "0.0.0.0/0";
/// Routes of the main table name it, so that they are not taken for those of others.
pub(super) const MAIN: &str = "main";

/// An uplink or a tunnel.
#[derive(Debug)]
pub(super) struct Hop<'w> {
    /// Its type of network.
    pub kind: NetworkType,
    /// Its name among those of its type.
    pub name: &'w str,
    /// Its interface.
    pub interface: &'w str,
    /// The gateway of routes through it.
    pub gateway: String,
    /// Whether that follows a lease.
    pub is_leased: bool,
    /// An address that is pinged through it; `None` when another one has it already.
    pub check: Option<Ipv4Addr>,
    /// The table that leads through it alone.
    pub table: String,
    /// Lower is preferred.
    pub priority: i64,
    /// The type of its resource.
    pub resource: String,
    /// Where it stands in the document.
    pub source: &'w str,
}

/// All uplinks and tunnels: domestic, foreign, tunnels.
pub(super) fn all<'w>(world: &'w World<'_>) -> Vec<Hop<'w>> {
    let links = world.links.iter().map(of_link);
    let mut hops: Vec<Hop<'w>> = links.chain(world.tunnels().map(of_client)).collect();
    for number in 1..hops.len() {
        let (before, after) = hops.split_at_mut(number);
        if before.iter().any(|hop| hop.check == after[0].check) {
            after[0].check = None;
        }
    }
    hops
}

fn of_link<'w>(link: &'w Link<'_>) -> Hop<'w> {
    Hop {
        kind: link.kind(),
        name: &link.link.name,
        interface: &link.interface,
        gateway: link.gateway(),
        is_leased: link.is_leased(),
        check: Some(link.check),
        table: link.table(),
        priority: link.link.priority.unwrap_or_default(),
        resource: format!("wan.link.{}", link.kind().word().to_ascii_lowercase()),
        source: &link.source,
    }
}

fn of_client<'w>(client: &'w Client<'_>) -> Hop<'w> {
    Hop {
        kind: NetworkType::Vpn,
        name: &client.base.name,
        interface: &client.interface,
        gateway: client.interface.clone(),
        is_leased: false,
        check: Some(client.check),
        table: client.table(),
        priority: client.base.priority.unwrap_or_default(),
        resource: resource_of(client),
        source: &client.source,
    }
}

/// The type of a client's resource.
pub(super) fn resource_of(client: &Client<'_>) -> String {
    let protocol = match client.config {
        ClientConfig::Wireguard(_) => "wireguard",
        ClientConfig::OpenVpn(_) => "openvpn",
        ClientConfig::Pptp(_) => "pptp",
        ClientConfig::L2tp(_) => "l2tp",
        ClientConfig::Sstp(_) => "sstp",
        ClientConfig::Ikev2(_) => "ikev2",
    };
    format!("vpn.{protocol}.client")
}

impl Hop<'_> {
    /// The label of routes through it: `Route-to-Foreign-fiber`. Those whose gateway follows a lease are found by it.
    pub fn label(&self) -> String {
        format!("Route-to-{}-{}", self.kind.word(), self.name)
    }

    /// The label of routes that are there only as long as its check address answers.
    pub fn check_label(&self) -> String {
        format!("CheckIP-{}", self.label())
    }

    /// The steps that follow belong to it.
    pub fn begin(&self, builder: &mut Builder<'_>) {
        builder.begin_at(&self.resource, self.name, self.source);
    }

    /// A route through it.
    pub fn route<'b, 'a>(&self, builder: &'b mut Builder<'a>, what: &str, table: &str, to: &str) -> Draft<'b, 'a> {
        let draft = builder.add(what, "/ip/route", &[]).label(self.label());
        let draft = draft.arg("dst-address", to).arg("gateway", &*self.gateway).arg("routing-table", table);
        if self.is_leased { draft.initial("gateway") } else { draft }
    }

    /// A default route through it that Netwatch switches off and on when it is probed, and that asks for the gateway itself
    /// otherwise.
    pub fn default_route<'b, 'a>(
        &self,
        builder: &'b mut Builder<'a>,
        what: &str,
        table: &str,
        distance: usize,
        is_probed: bool,
    ) -> Draft<'b, 'a> {
        let draft = self.route(builder, what, table, ANYWHERE).arg("distance", distance.to_string());
        let draft = draft.arg("check-gateway", "ping");
        if is_probed && self.check.is_some() { switched(draft).label(self.check_label()) } else { draft }
    }

    /// The route to its check address in a table that leads nowhere but through it.
    pub fn check_alone(&self, builder: &mut Builder<'_>, what: &str, table: &str) {
        if let Some(check) = self.check {
            let route = self.route(builder, what, table, &format!("{check}/32"));
            route.arg("check-gateway", "ping").arg("distance", "1").arg("target-scope", "11").done();
        }
    }

    /// The route to its check address, for other routes to rest on.
    pub fn route_to_check(&self, builder: &mut Builder<'_>, what: &str, table: &str) {
        if let Some(check) = self.check {
            let draft = self.route(builder, what, table, &format!("{check}/32"));
            draft.arg("distance", "1").arg("scope", "10").done();
        }
    }

    /// A default route that is there as long as its check address answers: by way of that address, or, where it has none of its own,
    /// by its gateway.
    pub fn route_by_check(&self, builder: &mut Builder<'_>, what: &str, table: &str, distance: usize, is_probed: bool) {
        let Some(check) = self.check else {
            self.default_route(builder, what, table, distance, false).done();
            return;
        };
        let draft = builder.add(what, "/ip/route", &[]).label(self.check_label());
        let draft = draft
            .arg("dst-address", ANYWHERE)
            .arg("gateway", check.to_string())
            .arg("routing-table", table)
            .arg("distance", distance.to_string())
            .arg("target-scope", "11");
        // Both would switch it at once.
        if is_probed {
            switched(draft).done()
        } else {
            draft.arg("check-gateway", "ping").done()
        };
    }
}

/// Netwatch switches it off and on.
fn switched<'b, 'a>(draft: Draft<'b, 'a>) -> Draft<'b, 'a> {
    draft.flag("disabled", false).initial("disabled")
}

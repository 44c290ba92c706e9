//! The routes through all uplinks and tunnels together: the tables of networks, the router's own, and what follows from them.

use super::group::Group;
use super::hop::{ANYWHERE, MAIN, resource_of};
use super::link;
use crate::compile::sharing::Sharing;
use crate::compile::{Builder, Network, Rank, World};
use crate::state::{NetworkType, WanType};

/// Groups in the order in which the router itself prefers them.
const ORDER: [NetworkType; 3] = [NetworkType::Vpn, NetworkType::Domestic, NetworkType::Foreign];

/// The routes through all uplinks and tunnels.
pub(in crate::compile) fn fabric(builder: &mut Builder<'_>) {
    let world: &World<'_> = builder.world;
    let groups = ORDER.map(|kind| Group::of(world, kind));
    for group in &groups {
        for table in tables(world, group) {
            group_table(builder, group, &table);
        }
    }
    main_table(builder, &groups);
    endpoints(builder);
    for link in world.links.iter().filter(|link| link.is_leased()) {
        let resource = format!("wan.link.{}", link.kind().word().to_ascii_lowercase());
        builder.begin_at(&resource, &link.link.name, &link.source);
        link::dhcp_client(builder, link);
    }
}

/// The tables that lead through a group: its own, and those of further networks that no link is the own of.
fn tables(world: &World<'_>, group: &Group<'_>) -> Vec<String> {
    let is_own = |network: &&Network| {
        let has_link = group.hops.iter().any(|hop| hop.table == network.table());
        let has_policy = world.clients.iter().any(|client| client.table() == network.table());
        network.kind == group.kind && !network.is_base && !has_link && !has_policy
    };
    let more = world.networks.iter().filter(is_own).map(Network::table);
    let tables = std::iter::once(group.table()).chain(more);
    if group.hops.is_empty() { Vec::new() } else { tables.collect() }
}

/// A table that leads through a group, the first link that works first.
fn group_table(builder: &mut Builder<'_>, group: &Group<'_>, table: &str) {
    if let [hop] = &group.hops[..] {
        hop.begin(builder);
        builder.table(table);
        let what = format!("route-{table}");
        hop.route(builder, &what, table, ANYWHERE).arg("distance", "1").done();
        hop.check_alone(builder, &format!("{what}-check"), table);
        return;
    }
    for (number, hop) in group.hops.iter().enumerate() {
        hop.begin(builder);
        builder.table(table);
        let distance = if group.sharing == Sharing::Ecmp { 1 } else { step_of(number) };
        by_check(builder, group, number, table, distance);
    }
}

/// A default route in a table, and the route that it rests on.
fn by_check(builder: &mut Builder<'_>, group: &Group<'_>, place: usize, table: &str, distance: usize) {
    let hop = &group.hops[place];
    let what = format!("route-{table}");
    hop.route_to_check(builder, &format!("{what}-check"), table);
    hop.route_by_check(builder, &what, table, distance, group.probe().is_some());
}

/// 1, 5, 10, 15 …
fn step_of(number: usize) -> usize {
    (5 * number).max(1)
}

/// The way of the router's own traffic. A link alone has it from elsewhere. Groups whose strategy says which link comes first come
/// before the others.
fn main_table(builder: &mut Builder<'_>, groups: &[Group<'_>]) {
    let world: &World<'_> = builder.world;
    // Tunnels carry the router's traffic when their own has another way.
    let has_way = groups.iter().any(|group| group.kind == NetworkType::Foreign && !group.hops.is_empty());
    let is_main = |group: &&Group<'_>| world.links.len() > 1 && (group.kind != NetworkType::Vpn || has_way);
    let (ruling, others): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        groups.iter().filter(is_main).partition(|group| group.rules_main());
    let mut distance = 0;
    for group in ruling {
        let is_probed = group.probe().is_some();
        for hop in &group.hops {
            distance += 1;
            builder.begin_at(&group.resource(), "", &group.source);
            let what = format!("route-main-{}", hop.name);
            let route = hop.default_route(builder, &what, MAIN, distance, is_probed);
            if matches!(group.sharing, Sharing::Both(_)) {
                route.optional().done()
            } else {
                route.done()
            };
            if is_probed {
                hop.route_to_check(builder, &format!("{what}-check"), MAIN);
            }
        }
    }
    let mut number = if distance == 0 { 0 } else { distance / 5 + 1 };
    for group in others {
        for place in 0..group.hops.len() {
            group.hops[place].begin(builder);
            by_check(builder, group, place, MAIN, step_of(number));
            number += 1;
        }
    }
    // A tunnel is probed through itself, whatever way the router's traffic takes.
    for group in groups.iter().filter(|group| !is_main(group) && group.probe().is_some()) {
        for hop in &group.hops {
            hop.begin(builder);
            hop.route_to_check(builder, "route-main-check", MAIN);
        }
    }
}

/// What the tunnels send leaves by foreign links: it must not go through tunnels.
fn endpoints(builder: &mut Builder<'_>) {
    let world: &World<'_> = builder.world;
    let Some(client) = world.clients.first() else { return };
    if world.links_of(WanType::Foreign).next().is_none() {
        return;
    }
    builder.begin_at(&resource_of(client), &client.base.name, &client.source);
    builder.table("to-Foreign");
    let rule = |builder: &mut Builder<'_>, what: &str, arguments: &[(&str, &str)]| {
        let rule = builder.add(what, "/ip/firewall/mangle", &[]).rank(Rank::Output).arg("chain", "output");
        arguments.iter().fold(rule, |rule, (name, value)| rule.arg(name, *value)).done();
    };
    let list = ("dst-address-list", "VPNE");
    let mark = [("action", "mark-connection"), list, ("new-connection-mark", "conn-VPNE"), ("passthrough", "yes")];
    rule(builder, "endpoints-mark", &mark);
    let route = [("action", "mark-routing"), list, ("new-routing-mark", "to-Foreign"), ("passthrough", "no")];
    let marked: Vec<_> = [("connection-mark", "conn-VPNE")].into_iter().chain(route).collect();
    rule(builder, "endpoints-route-marked", &marked);
    rule(builder, "endpoints-route", &route);
}

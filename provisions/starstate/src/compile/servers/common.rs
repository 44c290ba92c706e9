//! What servers have in common: ways in from outside, the network to which callers belong, numbers within their limits.

use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use super::callers;
use crate::compile::{Builder, Rank};
use crate::decompose::Resource;
use crate::issue::Issue;
use crate::state::{User, WanType};

/// Connections from outside to servers, so that the replies leave by the domestic links by which they came in.
const MARK: &str = "conn-vpn-server";

/// Ports that a server may have.
pub(super) const PORTS: RangeInclusive<i64> = 1..=65_535;

/// The network to which the callers belong. A word that is none is reported.
pub(super) fn target(builder: &mut Builder<'_>, resource: &Resource<'_>) -> String {
    callers::target(builder.world, resource.content).unwrap_or_else(|word| {
        let path = format!("{}.network", resource.source);
        builder.report(Issue::error(path, format!("{word:?} is no network of this document")));
        word.to_owned()
    })
}

/// The addresses of the callers. What is wrong with them is reported.
pub(super) fn subnet(builder: &mut Builder<'_>, resource: &Resource<'_>) -> Option<Ipv4Net> {
    callers::subnet(builder.world.state, resource).unwrap_or_else(|issue| {
        builder.report(issue);
        None
    })
}

/// The addresses that a pool may give away: all but that of the router, which is the first.
pub(super) fn pool_of(subnet: Ipv4Net) -> String {
    let mut hosts = subnet.hosts();
    let router = hosts.next().unwrap_or_else(|| subnet.addr());
    match (hosts.next(), hosts.next_back()) {
        (Some(first), Some(last)) => format!("{first}-{last}"),
        (only, _) => only.unwrap_or(router).to_string(),
    }
}

/// Opens ports of the router, or whole protocols, to those outside who call.
pub(super) fn open(builder: &mut Builder<'_>, ways: &[(&str, Option<u16>)]) {
    let has_domestic = builder.world.links_of(WanType::Domestic).next().is_some();
    let from = if has_domestic { "Domestic-WAN" } else { "WAN" };
    builder.list(from);
    for (protocol, port) in ways {
        let way = port.map_or_else(|| (*protocol).to_owned(), |port| format!("{protocol}-{port}"));
        accept(builder, &way, ("in-interface-list", from), protocol, *port);
        if has_domestic {
            let rule = builder.add(&format!("mark-{way}"), "/ip/firewall/mangle", &[]);
            rule.arg("action", "mark-connection")
                .arg("chain", "input")
                .arg("connection-state", "new")
                .arg("in-interface-list", from)
                .arg("protocol", *protocol)
                .some("dst-port", *port)
                .arg("new-connection-mark", MARK)
                .arg("passthrough", "yes")
                .rank(Rank::Inbound)
                .optional()
                .done();
        }
    }
    if has_domestic {
        let table = builder.table("to-Domestic");
        let rule = builder.add("replies", "/ip/firewall/mangle", &[]);
        rule.arg("action", "mark-routing")
            .arg("chain", "output")
            .arg("connection-mark", MARK)
            .arg("new-routing-mark", "to-Domestic")
            .arg("passthrough", "no")
            .rank(Rank::Inbound)
            .needs(table)
            .optional()
            .done();
    }
}

/// Opens a port to a network behind the router.
pub(super) fn open_inside(builder: &mut Builder<'_>, target: &str, port: u16) {
    let list = callers::lan_of(target);
    builder.list(&list);
    accept(builder, &format!("{target}-tcp-{port}"), ("in-interface-list", &list), "tcp", Some(port));
}

/// Lets in those who come from somewhere. Gives the step.
pub(super) fn accept(
    builder: &mut Builder<'_>,
    what: &str,
    (matcher, from): (&str, &str),
    protocol: &str,
    port: Option<u16>,
) -> String {
    let rule = builder.add(&format!("accept-{what}"), "/ip/firewall/filter", &[]);
    rule.arg("action", "accept")
        .arg("chain", "input")
        .arg(matcher, from)
        .arg("protocol", protocol)
        .some("dst-port", port)
        .before("chain", "input")
        .optional()
        .done()
}

/// An interface of callers belongs to a network, and to what is behind the router.
pub(super) fn join(builder: &mut Builder<'_>, interface: &str, target: &str) {
    for list in ["LAN".to_owned(), callers::lan_of(target)] {
        builder.list(&list);
        let member = builder.add(&format!("member-{list}"), "/interface/list/member", &["list", "interface"]);
        member.arg("list", list).arg("interface", interface).optional().done();
    }
}

/// The addresses of callers belong to a network.
pub(super) fn join_addresses(builder: &mut Builder<'_>, addresses: &str, target: &str) {
    builder.address(&callers::lan_of(target), addresses);
}

/// A number of the document, if it is there and within limits.
pub(super) fn number(
    builder: &mut Builder<'_>,
    field: &str,
    value: Option<i64>,
    limits: RangeInclusive<i64>,
) -> Option<i64> {
    let value = value?;
    if limits.contains(&value) {
        return Some(value);
    }
    let path = format!("{}.{field}", builder.source());
    let message = format!("{value} is not within {} and {}", limits.start(), limits.end());
    builder.report(Issue::error(path, message));
    None
}

/// A port of the document; 0 is none.
pub(super) fn port(builder: &mut Builder<'_>, value: Option<i64>, usual: u16) -> u16 {
    let value = number(builder, "listenPort", value.filter(|port| *port != 0), PORTS);
    value.and_then(|port| u16::try_from(port).ok()).unwrap_or(usual)
}

/// Users of a server who have a name and a password; that others have none is reported.
pub(super) fn users<'a>(builder: &mut Builder<'a>, kind: &str, is_ppp: bool, target: Option<&str>) -> Vec<&'a User> {
    let mut complete = Vec::new();
    for (number, user) in callers::users(builder.world.state, kind, is_ppp) {
        let path = format!("$.lan.vpnServer.users[{number}]");
        let wanted = user.network.trim();
        let is_elsewhere = target.is_some_and(|target| !wanted.is_empty() && !wanted.eq_ignore_ascii_case(target));
        if is_elsewhere {
            let message = format!("has no effect: who calls by {kind} belongs to the network of that server");
            builder.report(Issue::warning(format!("{path}.network"), message));
        }
        if user.username.trim().is_empty() {
            builder.report(Issue::error(format!("{path}.username"), "is needed"));
        } else if user.password.is_empty() {
            builder.report(Issue::error(format!("{path}.password"), "is needed"));
        } else {
            complete.push(user);
        }
    }
    complete
}

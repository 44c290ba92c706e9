//! How several links share the traffic: marks, routes of equal cost, probes.

use super::group::Group;
use super::hop::{Hop, all};
use super::script;
use crate::compile::sharing::{Probe, Sharing};
use crate::compile::{Builder, Draft, Rank, World};
use crate::issue::Issue;
use crate::state::{NetworkType, WanType};

/// How the links of a group share the traffic. The routes of the router itself are not here: they are those of all groups.
pub(super) fn multilink(builder: &mut Builder<'_>, group: WanType) {
    let world: &World<'_> = builder.world;
    let group = Group::of(world, group.into());
    if let Some(mistake) = &group.mistake {
        builder.error(mistake.clone());
        return;
    }
    match group.sharing {
        Sharing::Unsaid | Sharing::Failover(_) => {}
        Sharing::Pcc | Sharing::Both(_) => balance(builder, &group, "pcc", by_addresses),
        Sharing::Nth => balance(builder, &group, "nth", in_turn),
        Sharing::Ecmp => equal_cost(builder, &group),
    }
    if let Some(probe) = group.probe() {
        probes(builder, &group, probe);
    }
}

/// Marks new connections, and routes what is marked.
fn balance(builder: &mut Builder<'_>, group: &Group<'_>, prefix: &str, share: Share) {
    let world: &World<'_> = builder.world;
    let marks: Vec<String> = group.hops.iter().map(|hop| mark(world, prefix, hop)).collect();
    for (hop, mark) in group.hops.iter().zip(&marks) {
        let rule = builder.add(&format!("inbound-{}", hop.name), "/ip/firewall/mangle", &[]).rank(Rank::Inbound);
        rule.arg("chain", "prerouting")
            .arg("in-interface", hop.interface)
            .arg("connection-state", "new")
            .arg("action", "mark-connection")
            .arg("new-connection-mark", &**mark)
            .flag("passthrough", true)
            .done();
        let rule = builder.add(&format!("output-{}", hop.name), "/ip/firewall/mangle", &[]).rank(Rank::Output);
        rule.arg("chain", "output")
            .arg("connection-mark", &**mark)
            .arg("action", "mark-routing")
            .arg("new-routing-mark", &*hop.table)
            .flag("passthrough", true)
            .done();
    }
    let Some(whose) = whose_traffic(world, group.kind) else {
        let message = format!("there is no {} network whose traffic could be shared", group.kind.word());
        builder.warning(message);
        return;
    };
    for (number, (hop, mark)) in group.hops.iter().zip(&marks).enumerate() {
        let rule = from_inside(builder, &format!("share-{}", hop.name), whose);
        let rule = rule.arg("connection-state", "new");
        share(rule, group.hops.len(), number)
            .arg("action", "mark-connection")
            .arg("new-connection-mark", &**mark)
            .flag("passthrough", true)
            .done();
    }
    for (hop, mark) in group.hops.iter().zip(&marks) {
        let rule = from_inside(builder, &format!("route-{}", hop.name), whose);
        rule.arg("connection-mark", &**mark)
            .arg("action", "mark-routing")
            .arg("new-routing-mark", &*hop.table)
            .flag("passthrough", true)
            .done();
    }
}

/// Which of `n` connections a rule takes; the first one is number 0.
type Share = for<'b, 'a> fn(Draft<'b, 'a>, usize, usize) -> Draft<'b, 'a>;

fn by_addresses<'b, 'a>(rule: Draft<'b, 'a>, of: usize, number: usize) -> Draft<'b, 'a> {
    let classifier = format!("both-addresses:{of}/{number}");
    // What came in from outside keeps its mark.
    rule.arg("connection-mark", "no-mark").arg("per-connection-classifier", classifier)
}

/// Every rule counts all connections, also those that another one has marked.
fn in_turn<'b, 'a>(rule: Draft<'b, 'a>, of: usize, number: usize) -> Draft<'b, 'a> {
    rule.arg("nth", format!("{of},{}", number + 1))
}

/// By what the traffic of a group's networks is known.
#[derive(Clone, Copy)]
enum Whose {
    /// By its source.
    Network(NetworkType),
    /// There are no others.
    Everybody,
}

fn whose_traffic(world: &World<'_>, kind: NetworkType) -> Option<Whose> {
    match world.base(kind) {
        Some(_) => Some(Whose::Network(kind)),
        None => world.networks.iter().all(|network| network.kind == kind).then_some(Whose::Everybody),
    }
}

/// A rule for what comes from inside and leaves.
fn from_inside<'b, 'a>(builder: &'b mut Builder<'a>, what: &str, whose: Whose) -> Draft<'b, 'a> {
    if let Whose::Everybody = whose {
        builder.list("LAN");
    }
    let rule = builder.add(what, "/ip/firewall/mangle", &[]).rank(Rank::Balance).arg("chain", "prerouting");
    let rule = match whose {
        Whose::Network(kind) => rule.arg("src-address-list", format!("{}-LAN", kind.word())),
        Whose::Everybody => rule.arg("in-interface-list", "LAN"),
    };
    rule.arg("dst-address-list", "!LOCAL-IP")
}

/// `pcc-fiber`; with its type when there is such a link in another group.
fn mark(world: &World<'_>, prefix: &str, hop: &Hop<'_>) -> String {
    let is_ambiguous = all(world).iter().any(|other| other.name == hop.name && other.kind != hop.kind);
    match is_ambiguous {
        true => format!("{prefix}-{}-{}", hop.kind.word(), hop.name),
        false => format!("{prefix}-{}", hop.name),
    }
}

/// A table with a route through each link, and the networks that use it.
fn equal_cost(builder: &mut Builder<'_>, group: &Group<'_>) {
    let world: &World<'_> = builder.world;
    let kinds = [NetworkType::Domestic, NetworkType::Foreign, NetworkType::Vpn];
    let is_alone = kinds.iter().filter(|kind| Group::of(world, **kind).sharing == Sharing::Ecmp).count() == 1;
    let table = if is_alone { "ecmp-balance".to_owned() } else { format!("ecmp-balance-{}", group.kind.word()) };
    builder.table(&table);
    for hop in &group.hops {
        hop.default_route(builder, &format!("route-{}", hop.name), &table, 1, false).done();
    }
    let main = builder.main_rule();
    let subnets: Vec<String> = match world.networks.is_empty() {
        true => vec![String::new()],
        false => world.base(group.kind).map(|network| network.subnet.to_string()).into_iter().collect(),
    };
    for subnet in subnets {
        let rule = builder.add("rule", "/routing/rule", &[]).rank(Rank::Balance);
        rule.text("src-address", &subnet).arg("action", "lookup").arg("table", &*table).needs(&main).done();
    }
}

/// Each link's check address is pinged through it, and its routes are there as long as that answers.
fn probes(builder: &mut Builder<'_>, group: &Group<'_>, probe: Probe) {
    for hop in &group.hops {
        let Some(check) = hop.check else {
            let message = format!("{} is not probed: there are more links than addresses that answer", hop.name);
            builder.report(Issue::warning(group.source.clone(), message));
            continue;
        };
        let label = hop.check_label();
        let row = builder.add(&format!("probe-{}", hop.name), "/tool/netwatch", &["host"]);
        row.arg("host", check.to_string())
            .arg("interval", format!("{}s", probe.interval))
            .arg("timeout", format!("{}s", probe.timeout))
            .flag("ignore-initial-up", true)
            .arg("start-delay", "0s")
            .arg("startup-delay", "0s")
            .arg("up-script", script::switch_routes(&label, true))
            .arg("down-script", script::switch_routes(&label, false))
            .label(label)
            .optional()
            .done();
    }
}

//! Games whose traffic takes a network of its own: where it goes is learnt from its ports, and marked from then on.

use crate::compile::{Builder, Rank, World};
use crate::form;
use crate::issue::Issue;
use crate::state::{Game, NetworkType};

/// The most ports, or ranges, that a rule takes.
const PORTS: usize = 15;

/// The rules for a game.
pub(super) fn game(builder: &mut Builder<'_>, game: &Game) {
    let world = builder.world;
    let path = format!("{}.network", builder.source());
    let Some(table) = table_of(world, game.network.trim()) else {
        let message = format!("there is no network {:?} for the game {:?}", game.network, game.name);
        return builder.report(Issue::error(path, message));
    };
    let Some(from) = from(world) else {
        return builder.report(Issue::error(path, "there is no network behind the router whose games could go there"));
    };
    let list = format!("{}-IP-Games", table.trim_start_matches("to-"));
    let Some(ports) = &game.ports else { return builder.warning("no ports of the game are named") };
    let mut has_rule = false;
    for (protocol, ports) in [("tcp", &ports.tcp), ("udp", &ports.udp)] {
        let ports = valid(builder, protocol, ports);
        for (number, some) in ports.chunks(PORTS).enumerate() {
            has_rule = true;
            let rule = builder.add(&format!("{protocol}-{number}"), "/ip/firewall/raw", &[]);
            rule.arg("action", "add-dst-to-address-list")
                .arg("chain", "prerouting")
                .arg("protocol", protocol)
                .arg("dst-port", some.join(","))
                .arg("src-address-list", &from)
                .arg("dst-address-list", "!LOCAL-IP")
                .arg("address-list", &list)
                .arg("address-list-timeout", "1d")
                .rank(Rank::Games)
                .label(label(&game.name))
                .done();
        }
    }
    if !has_rule {
        return builder.warning("no ports of the game are named");
    }
    let needs = builder.table(&table);
    let rule = builder.add("route", "/ip/firewall/mangle", &[]);
    rule.arg("action", "mark-routing")
        .arg("chain", "prerouting")
        .arg("src-address-list", from)
        .arg("dst-address-list", list)
        .arg("new-routing-mark", table)
        .arg("passthrough", "no")
        .rank(Rank::Games)
        .needs(needs)
        .done();
}

/// The ports of a list; those that are none are reported.
fn valid<'p>(builder: &mut Builder<'_>, protocol: &str, ports: &'p [String]) -> Vec<&'p str> {
    let mut valid = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        let port = port.trim();
        if form::is_port_range(port) {
            valid.push(port);
        } else if !port.is_empty() {
            let path = format!("{}.ports.{protocol}[{number}]", builder.source());
            builder.report(Issue::error(path, format!("{port:?} is neither a port nor a range of ports")));
        }
    }
    valid
}

/// The table by which a network, a link or a tunnel is reached: `to-Foreign`, `to-Foreign-fiber`.
fn table_of(world: &World<'_>, word: &str) -> Option<String> {
    if let Some(kind) = NetworkType::from_word(word) {
        let is_way = kind != NetworkType::Split && world.exists(kind);
        return is_way.then(|| format!("to-{}", kind.word()));
    }
    let network = world.network(word).map(|network| network.table());
    let link = || world.links.iter().find(|link| link.full_name().eq_ignore_ascii_case(word)).map(|link| link.table());
    let tunnel = || {
        let mut tables = world.tunnels().map(|tunnel| tunnel.table());
        tables.find(|table| table.trim_start_matches("to-").eq_ignore_ascii_case(word))
    };
    network.or_else(link).or_else(tunnel)
}

/// The list of those who play: the split network, else the domestic one, else the first that there is.
fn from(world: &World<'_>) -> Option<String> {
    let order = [NetworkType::Split, NetworkType::Domestic, NetworkType::Foreign, NetworkType::Vpn];
    let kind = order.into_iter().find(|kind| world.base(*kind).is_some());
    kind.or_else(|| order.into_iter().find(|kind| world.exists(*kind))).map(|kind| format!("{}-LAN", kind.word()))
}

/// A name as it can stand in a comment.
fn label(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).collect::<String>().trim().to_owned()
}

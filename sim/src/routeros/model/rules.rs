//! What a router checks before it keeps a row: duplicates, and what single menus ask for.

use std::net::{IpAddr, Ipv4Addr};

use routeros_schema::Schema;

use super::links::text_of;
use super::refusal::Refusal;
use super::row::{Row, State};
use super::{canonical, interfaces, keys};
use crate::routeros::options::RouterOptions;

/// Rows of a menu that cannot be there twice.
struct Unique {
    menu: &'static str,
    keys: &'static [&'static str],
    /// A disabled twin does not count.
    only_enabled: bool,
    message: &'static str,
}

const fn unique(menu: &'static str, keys: &'static [&'static str], message: &'static str) -> Unique {
    Unique { menu, keys, only_enabled: false, message }
}

const fn unique_enabled(menu: &'static str, keys: &'static [&'static str], message: &'static str) -> Unique {
    Unique { menu, keys, only_enabled: true, message }
}

const UNIQUE: [Unique; 18] = [
    unique("/interface/bridge/port", &["interface"], "failure: device already added as bridge port"),
    unique("/interface/list/member", &["list", "interface"], "failure: already have such entry"),
    unique("/interface/wireguard/peers", &["interface", "public-key"], "failure: already have such entry"),
    unique_enabled("/ip/address", &["address", "interface"], "failure: already have such address"),
    unique("/ip/dhcp-client", &["interface"], "failure: dhcp-client on that interface already exists"),
    unique("/ip/dhcp-server", &["interface"], "server or relay with such interface already exists"),
    unique_enabled(
        "/ip/dhcp-server/lease",
        &["mac-address", "server"],
        "failure: already have static lease for this client",
    ),
    unique_enabled(
        "/ip/dhcp-server/lease",
        &["address", "server"],
        "failure: already have static lease with this IP address",
    ),
    unique("/ip/dhcp-server/network", &["address"], "failure: such network already exists"),
    unique_enabled(
        "/ip/dns/static",
        &["name", "regexp", "type", "address", "cname", "forward-to", "text"],
        "failure: entry already exists",
    ),
    unique_enabled("/ip/firewall/address-list", &["list", "address"], "failure: already have such entry"),
    unique("/ip/nat-pmp/interfaces", &["interface"], "failure: already have such entry"),
    unique("/ip/socks/users", &["name"], "failure: user with the same name already exists"),
    unique("/ip/upnp/interfaces", &["interface"], "failure: already have such entry"),
    unique("/ppp/secret", &["name", "service"], "failure: secret with the same name already exists"),
    unique("/tool/graphing/interface", &["interface"], "failure: already have such entry"),
    unique("/tool/graphing/queue", &["simple-queue"], "failure: already have such entry"),
    unique("/tool/graphing/resource", &["allow-address"], "failure: already have such entry"),
];

/// Menus whose rows may share their name.
const SHARED_NAMES: [&str; 5] =
    ["/interface/wireguard/peers", "/ip/dns/static", "/ip/socks/users", "/ppp/secret", "/tool/netwatch"];

/// Menus that a feature of the device-mode governs.
const FEATURES: [(&str, &str); 9] = [
    ("/system/scheduler", "scheduler"),
    ("/ip/socks", "socks"),
    ("/ip/proxy", "proxy"),
    ("/tool/romon", "romon"),
    ("/zerotier", "zerotier"),
    ("/ip/hotspot", "hotspot"),
    ("/tool/e-mail", "email"),
    ("/tool/bandwidth-server", "bandwidth-test"),
    ("/tool/sniffer", "sniffer"),
];

/// Checks a row that is about to be kept, and completes it.
///
/// # Errors
/// Why it is not.
pub fn check(state: &State, options: &RouterOptions, menu: &str, row: &mut Row) -> Result<(), Refusal> {
    check_device_mode(options, menu, row)?;
    check_name(state, menu, row)?;
    match menu {
        "/interface/wireguard" => keys::complete(row)?,
        "/interface/bridge/port" => check_bridge_port(state, row)?,
        "/ip/dhcp-server/network" => check_network(row)?,
        "/ip/dns/static" => check_static_name(row)?,
        "/ip/ipsec/identity" => check_identity(state, row)?,
        "/ip/route" => check_route(state, row)?,
        "/file" => check_file(options, row)?,
        "/user/group" => complete_policies(row),
        "/certificate" => check_certificate(row)?,
        _ => {}
    }
    // Rows that were completed can be twins, too.
    check_duplicates(state, menu, row)
}

/// The name that a router makes up for a new row.
pub fn made_up_name(state: &State, menu: &str) -> Option<String> {
    let prefix = match menu {
        "/ip/dhcp-server" => "dhcp",
        "/ip/ipsec/peer" | "/interface/wireguard/peers" => "peer",
        "/ip/ipsec/proposal" => "proposal",
        "/system/script" => "script",
        "/system/scheduler" => "schedule",
        "/queue/simple" => "queue",
        menu => interfaces::prefix_of(menu)?,
    };
    let taken = |name: &String| {
        let is_interface = interfaces::kind_of(menu).is_some();
        if is_interface { interfaces::is_taken(state, name) } else { state.find(menu, "name", name).is_some() }
    };
    (1_u32..).map(|number| format!("{prefix}{number}")).find(|name| !taken(name))
}

fn check_device_mode(options: &RouterOptions, menu: &str, row: &Row) -> Result<(), Refusal> {
    let Some((_, feature)) = FEATURES.iter().find(|(above, _)| super::factory::is_below(menu, above)) else {
        return Ok(());
    };
    let is_switch = row.values.contains_key("enabled");
    let wanted = if is_switch { row.is_on("enabled") } else { !row.is_disabled() };
    if wanted && options.device_mode.forbids(feature) {
        return Err(Refusal::failure("not allowed by device-mode"));
    }
    Ok(())
}

fn check_name(state: &State, menu: &str, row: &Row) -> Result<(), Refusal> {
    let has_name = Schema::get().menu(menu).is_some_and(|menu| menu.argument("name").is_some());
    let Some(name) = row.text("name").filter(|_| has_name && !SHARED_NAMES.contains(&menu)) else { return Ok(()) };
    if interfaces::kind_of(menu).is_some() {
        let taken =
            interfaces::all(state).any(|(_, other)| other.id != row.id && other.text("name") == row.text("name"));
        return if taken { Err(Refusal::failure("already have interface with such name")) } else { Ok(()) };
    }
    if !state.rows(menu).iter().any(|other| other.id != row.id && other.text("name").as_ref() == Some(&name)) {
        return Ok(());
    }
    Err(Refusal::failure(match menu {
        "/ip/pool" => "pool with such name exists",
        "/ip/dhcp-server" => "server with such name already exists",
        "/ppp/profile" => "profile with the same name already exists",
        "/user" => "user with the same name already exists",
        "/user/group" => "group with the same name already exists",
        "/system/script" | "/system/scheduler" => "item with this name already exists",
        _ => "already have such name",
    }))
}

fn check_duplicates(state: &State, menu: &str, row: &Row) -> Result<(), Refusal> {
    for rule in UNIQUE.iter().filter(|rule| rule.menu == menu) {
        let key = |row: &Row| rule.keys.iter().map(|key| text_of(state, row, key)).collect::<Vec<_>>();
        let own = key(row);
        if own.first().is_none_or(Option::is_none) && rule.keys.len() < 3 || rule.only_enabled && row.is_disabled() {
            continue;
        }
        let twin = state
            .rows(menu)
            .iter()
            .any(|other| other.id != row.id && !(rule.only_enabled && other.is_disabled()) && key(other) == own);
        if twin {
            return Err(Refusal::plain(rule.message));
        }
    }
    Ok(())
}

fn check_bridge_port(state: &State, row: &Row) -> Result<(), Refusal> {
    let is_bridge = row.link("interface").is_some_and(|(_, id)| state.row("/interface/bridge", id).is_some());
    if is_bridge { Err(Refusal::failure("can not add bridge as bridge port")) } else { Ok(()) }
}

fn check_network(row: &Row) -> Result<(), Refusal> {
    let Some(address) = row.text("address") else { return Ok(()) };
    match canonical::network_of(&address) {
        Some((network, _)) if address.split('/').next().and_then(|text| text.parse().ok()) == Some(network) => Ok(()),
        _ => Err(Refusal::failure("invalid network")),
    }
}

fn check_static_name(row: &mut Row) -> Result<(), Refusal> {
    if row.text("name").is_some() == row.text("regexp").is_some() {
        return Err(Refusal::failure("only name or regexp allowed"));
    }
    if row.text("type").is_none() {
        let kind = match row.text("address").and_then(|address| address.parse::<IpAddr>().ok()) {
            Some(IpAddr::V6(_)) => "AAAA",
            _ if row.text("cname").is_some() => "CNAME",
            _ if row.text("forward-to").is_some() => "FWD",
            _ => "A",
        };
        row.put("type", kind);
    }
    Ok(())
}

fn check_identity(state: &State, row: &Row) -> Result<(), Refusal> {
    let same = |name: &str, other: &Row| text_of(state, row, name) == text_of(state, other, name);
    let twin = state
        .rows("/ip/ipsec/identity")
        .iter()
        .any(|other| other.id != row.id && !other.is_disabled() && same("peer", other) && same("remote-id", other));
    if twin && !row.is_disabled() { Err(Refusal::failure("identity already exists")) } else { Ok(()) }
}

/// A gateway is an address, an interface, or both; several make a route of equal costs.
fn check_route(state: &State, row: &Row) -> Result<(), Refusal> {
    let Some(gateway) = text_of(state, row, "gateway").filter(|_| row.link("gateway").is_none()) else {
        let leads = row.link("gateway").is_some() || row.values.contains_key("blackhole");
        return if leads { Ok(()) } else { Err(Refusal::missing(&["gateway"])) };
    };
    for hop in gateway.split(',') {
        let (address, interface) = match hop.split_once(['%', '@']) {
            Some((address, interface)) => (address, Some(interface)),
            None => (hop, None),
        };
        let known =
            |name: &str| interfaces::is_taken(state, name) || state.find("/routing/table", "name", name).is_some();
        let right = match interface {
            Some(interface) => address.parse::<IpAddr>().is_ok() && known(interface),
            None => address.parse::<IpAddr>().is_ok() || known(address),
        };
        if !right {
            return Err(Refusal::plain("invalid or unexpected argument base"));
        }
    }
    Ok(())
}

/// About what fits into one argument on a router.
const FILE_CONTENTS: usize = 60 * 1024;

fn check_file(options: &RouterOptions, row: &mut Row) -> Result<(), Refusal> {
    let size = match row.values.get("contents") {
        Some(super::row::Value::Bytes(bytes)) => bytes.len(),
        _ => 0,
    };
    if size > FILE_CONTENTS {
        return Err(Refusal::failure("contents too long"));
    }
    if options.full_disk {
        return Err(Refusal::failure("not enough space on disk"));
    }
    row.note("size", size.to_string());
    Ok(())
}

/// What a certificate says is fixed by its signature; only its name and the trust in it are not.
fn check_certificate(row: &Row) -> Result<(), Refusal> {
    let signed = row.facts.contains_key("fingerprint");
    let changed = |name: &&str| row.facts.get(&format!(".signed-{name}")) != row.text(name).as_ref();
    let fixed =
        ["common-name", "country", "days-valid", "key-size", "key-usage", "organization", "subject-alt-name", "unit"];
    match fixed.iter().find(|name| signed && changed(name)) {
        Some(_) => Err(Refusal::failure("can't change signed certificate")),
        None => Ok(()),
    }
}

/// A group's policies are shown all, those that it lacks with a `!`.
fn complete_policies(row: &mut Row) {
    let given = row.text("policy").unwrap_or_default();
    let given: Vec<&str> = given.split(',').collect();
    let has = |policy: &&str| given.contains(policy);
    let shown: Vec<String> = super::users::POLICIES
        .iter()
        .map(|policy| if has(policy) { (*policy).to_owned() } else { format!("!{policy}") })
        .collect();
    row.put("policy", &shown.join(","));
}

/// How many addresses a pool has.
pub fn pool_size(ranges: &str) -> u64 {
    let number = |text: &str| text.parse::<Ipv4Addr>().map(|address| u64::from(u32::from(address)));
    let sizes = ranges.split(',').map(|range| match range.split_once('-') {
        Some((first, last)) => match (number(first), number(last)) {
            (Ok(first), Ok(last)) => last.saturating_sub(first) + 1,
            _ => 0,
        },
        None => canonical::network_of(range).map_or(0, |(_, length)| 1 << (32 - u64::from(length))),
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_have_the_size_of_their_ranges() {
        for (ranges, size) in [("192.0.2.10-192.0.2.19", 10), ("192.0.2.0/24,198.51.100.1", 257), ("x", 0)] {
            assert_eq!(pool_size(ranges), size, "{ranges}");
        }
    }
}

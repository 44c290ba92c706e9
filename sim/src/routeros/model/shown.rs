//! Rows as print shows them: what is configured, what follows from it, and what comes by itself.

use routeros_schema::{Menu, MenuKind};

use super::links::{show, text_of};
use super::row::{Row, State, write_id};
use super::users::{Caller, has_policy};
use super::{Fields, Router, canonical, dynamic, interfaces, keys, rules};

/// All rows of a menu.
pub fn rows_of(router: &Router, menu: &Menu, caller: &Caller) -> Vec<Fields> {
    if menu.path == "/interface" {
        return interfaces::all(&router.state).map(|(home, row)| interface_row(router, home, row)).collect();
    }
    let sees_secrets = caller.local || has_policy(&router.state, &caller.user, "sensitive");
    let mut rows: Vec<Fields> = Vec::new();
    for row in router.state.rows(menu.path) {
        rows.push(shown(router, menu, row, sees_secrets));
    }
    if rows.is_empty() && menu.kind_in(router.release()) == MenuKind::Single {
        rows.push(shown(router, menu, &Row::default(), sees_secrets));
    }
    rows.extend(dynamic::rows_of(&router.state, menu.path, router.options.leases));
    rows
}

fn shown(router: &Router, menu: &Menu, row: &Row, sees_secrets: bool) -> Fields {
    let mut fields = Fields::new();
    for (name, fact) in row.facts.iter().filter(|(name, _)| !name.starts_with('.')) {
        fields.insert(name.clone(), fact.clone().into_bytes());
    }
    for (name, value) in &row.values {
        let secret = menu.argument(name).is_some_and(|argument| argument.secret);
        if secret && (!sees_secrets || menu.path == "/user") {
            continue;
        }
        fields.insert(name.clone(), show(&router.state, value));
    }
    let mut put = |name: &str, value: String| drop(fields.insert(name.to_owned(), value.into_bytes()));
    if menu.kind_in(router.release()) == MenuKind::Table {
        put(".id", write_id(row.id));
        if menu.shows.contains(&"dynamic") {
            put("dynamic", row.dynamic.to_string());
        }
        if menu.shows.contains(&"invalid") {
            put("invalid", is_broken(router, row).to_string());
        }
        if menu.shows.contains(&"bytes") && menu.shows.contains(&"packets") {
            put("bytes", "0".to_owned());
            put("packets", "0".to_owned());
        }
    }
    if interfaces::kind_of(menu.path).is_some() {
        put("running", interfaces::is_running(&router.state, menu.path, row).to_string());
        if menu.shows.contains(&"mac-address") {
            put("mac-address", mac_of(&router.state, row));
        }
    }
    computed(router, menu.path, row).into_iter().for_each(|(name, value)| put(name, value));
    if menu.path == "/ip/route" && row.is_disabled() {
        fields.retain(|name, _| !HIDDEN_OF_DISABLED_ROUTE.contains(&name.as_str()));
    }
    fields
}

/// A link that leads to nothing, or to something that is switched off.
fn is_broken(router: &Router, row: &Row) -> bool {
    let Some((_, id)) = row.link("interface") else { return false };
    interfaces::home_of(&router.state, id).is_none()
}

/// What follows from the row and the rest.
fn computed(router: &Router, menu: &str, row: &Row) -> Vec<(&'static str, String)> {
    let state = &router.state;
    let text = |name: &str| text_of(state, row, name).unwrap_or_default();
    match menu {
        "/interface/wireguard" => {
            let public = keys::public_of(&text("private-key"));
            public.map(|key| ("public-key", key)).into_iter().collect()
        }
        "/interface/bridge" => vec![("actual-mtu", "1500".to_owned()), ("l2mtu", "1514".to_owned())],
        "/interface/bridge/port" => {
            let inactive = row.is_disabled() || is_broken(router, row);
            vec![
                ("inactive", inactive.to_string()),
                ("status", if inactive { "inactive" } else { "in-bridge" }.to_owned()),
            ]
        }
        "/ip/address" => {
            let network = canonical::network_of(&text("address")).map(|(network, _)| ("network", network.to_string()));
            let own = (!row.values.contains_key("network")).then_some(network).flatten();
            [Some(("actual-interface", actual_interface(state, row))), own].into_iter().flatten().collect()
        }
        "/ip/dhcp-client" => dhcp_client(router, row),
        "/ip/dhcp-server/lease" => vec![("status", "waiting".to_owned()), ("radius", "false".to_owned())],
        "/ip/pool" => {
            let total = rules::pool_size(&text("ranges"));
            vec![("total", total.to_string()), ("used", "0".to_owned()), ("available", total.to_string())]
        }
        "/ip/route" => route(state, row),
        "/ip/cloud" if text("ddns-enabled") == "yes" => vec![("public-address", "198.51.100.1".to_owned())],
        "/system/clock" => {
            let now = router.now();
            vec![
                ("date", now.format("%Y-%m-%d").to_string()),
                ("time", now.format("%H:%M:%S").to_string()),
                ("gmt-offset", "+00:00".to_owned()),
            ]
        }
        "/system/resource" => resource(router),
        "/system/device-mode" => device_mode(router),
        "/system/package/update" => vec![("installed-version", router.version())],
        "/system/scheduler" => vec![
            ("owner", "admin".to_owned()),
            ("run-count", "0".to_owned()),
            ("next-run", next_run(&text("start-date"), &text("start-time"))),
        ],
        "/system/script" => {
            let count = row.facts.get("run-count").cloned().unwrap_or_else(|| "0".to_owned());
            vec![("run-count", count), ("invalid", "false".to_owned())]
        }
        "/tool/netwatch" => vec![("status", if row.is_disabled() { "unknown" } else { "up" }.to_owned())],
        "/safe-mode" => router.safe_mode_fields(),
        "/system/routerboard" => vec![
            ("routerboard", "true".to_owned()),
            ("model", "Lodestar simulated router".to_owned()),
            ("serial-number", "SIM00000001".to_owned()),
            ("current-firmware", router.options.release.to_string()),
        ],
        _ => Vec::new(),
    }
}

/// A bridge takes the place of its ports.
fn actual_interface(state: &State, row: &Row) -> String {
    let own = text_of(state, row, "interface").unwrap_or_default();
    let port = state.rows("/interface/bridge/port").iter().find(|port| {
        !port.is_disabled() && port.link("interface").is_some() && port.link("interface") == row.link("interface")
    });
    port.and_then(|port| text_of(state, port, "bridge")).unwrap_or(own)
}

fn dhcp_client(router: &Router, row: &Row) -> Vec<(&'static str, String)> {
    let lease = dynamic::lease_of(&router.state, row).filter(|_| router.options.leases);
    match lease {
        None if row.is_disabled() => vec![("status", "stopped".to_owned())],
        None => vec![("status", "searching...".to_owned())],
        Some(lease) => vec![
            ("status", "bound".to_owned()),
            ("address", lease.address),
            ("gateway", lease.gateway.clone()),
            ("dhcp-server", lease.gateway.clone()),
            ("primary-dns", lease.gateway),
            ("expires-after", "9m30s".to_owned()),
        ],
    }
}

/// A disabled route shows little of itself.
const HIDDEN_OF_DISABLED_ROUTE: [&str; 4] = ["distance", "routing-table", "scope", "target-scope"];

fn route(state: &State, row: &Row) -> Vec<(&'static str, String)> {
    let mut shown = vec![("static", "true".to_owned())];
    if row.is_disabled() {
        shown.push(("inactive", "true".to_owned()));
        return shown;
    }
    let gateway = text_of(state, row, "gateway");
    shown.extend([("active", "true".to_owned()), ("inactive", "false".to_owned())]);
    shown.extend(gateway.map(|gateway| ("immediate-gw", gateway)));
    shown
}

fn resource(router: &Router) -> Vec<(&'static str, String)> {
    vec![
        ("uptime", routeros_schema::interval::format(std::time::Duration::from_secs(router.uptime().as_secs()))),
        ("version", format!("{} (stable)", router.version())),
        ("board-name", "Lodestar simulated router".to_owned()),
        ("platform", "MikroTik".to_owned()),
        ("architecture-name", if router.options.hardware.arm64 { "arm64" } else { "x86_64" }.to_owned()),
        ("cpu-count", "4".to_owned()),
        ("cpu-load", "1".to_owned()),
        ("total-memory", "1073741824".to_owned()),
        ("free-memory", "858993459".to_owned()),
        ("total-hdd-space", "134217728".to_owned()),
        ("free-hdd-space", if router.options.full_disk { "0" } else { "100663296" }.to_owned()),
    ]
}

fn device_mode(router: &Router) -> Vec<(&'static str, String)> {
    const FEATURES: [&str; 14] = [
        "scheduler",
        "socks",
        "fetch",
        "pptp",
        "l2tp",
        "bandwidth-test",
        "traffic-gen",
        "sniffer",
        "ipsec",
        "romon",
        "proxy",
        "hotspot",
        "email",
        "zerotier",
    ];
    let mode = router.options.device_mode;
    let mut shown = vec![("mode", mode.name().to_owned()), ("flagged", "false".to_owned())];
    shown.extend(FEATURES.map(|feature| (feature, (!mode.forbids(feature)).to_string())));
    shown
}

fn next_run(date: &str, time: &str) -> String {
    if time == "startup" { String::new() } else { format!("{date} {time}") }
}

/// What an interface has under `/interface`, whatever kind it is of.
fn interface_row(router: &Router, home: &str, row: &Row) -> Fields {
    const COMMON: [&str; 6] = ["name", "comment", "disabled", "mtu", "l2mtu", "default-name"];
    let state = &router.state;
    let mut fields = Fields::new();
    for name in COMMON {
        if let Some(text) = row.text(name) {
            fields.insert(name.to_owned(), text.into_bytes());
        }
    }
    let slave = state
        .rows("/interface/bridge/port")
        .iter()
        .any(|port| port.link("interface").is_some_and(|(_, id)| id == row.id));
    fields.extend(dynamic::fields([
        (".id", write_id(row.id)),
        ("type", interfaces::kind_of(home).unwrap_or_default().to_owned()),
        ("running", interfaces::is_running(state, home, row).to_string()),
        ("dynamic", row.dynamic.to_string()),
        ("slave", slave.to_string()),
        ("actual-mtu", row.text("mtu").filter(|mtu| mtu.parse::<u32>().is_ok()).unwrap_or_else(|| "1500".to_owned())),
        ("rx-byte", "0".to_owned()),
        ("tx-byte", "0".to_owned()),
    ]));
    let without_mac = ["wg", "pppoe-out", "pptp-out", "l2tp-out", "sstp-out", "lte", "gre-tunnel", "ipip-tunnel"];
    if !without_mac.contains(&interfaces::kind_of(home).unwrap_or_default()) {
        fields.insert("mac-address".to_owned(), mac_of(state, row).into_bytes());
    }
    fields
}

/// An interface's MAC address: its own, that of what it sits on, or one of the router's.
fn mac_of(state: &State, row: &Row) -> String {
    let own = row.text("mac-address").or_else(|| row.text("admin-mac"));
    let below = || {
        let (_, id) = row.link("interface")?;
        let (menu, other) = interfaces::all(state).find(|(_, other)| other.id == id)?;
        (menu == "/interface/ethernet" && interfaces::home_of(state, row.id) == Some("/interface/vlan"))
            .then(|| other.text("mac-address"))
            .flatten()
    };
    own.or_else(below).unwrap_or_else(|| interfaces::mac_of(row.id))
}

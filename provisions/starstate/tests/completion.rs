//! Documents completed: networks and addresses by the wizard's plan.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[allow(dead_code, reason = "each test binary uses its part")]
mod texts;

use serde_json::{Value as Json, json};
use starstate::completion::complete;
use starstate::issue::Severity;
use starstate::state::{self, Secrets};
use starstate::validation::validate;

fn completed(document: &Json) -> Json {
    complete(&state::read(document).state).to_json(Secrets::Shown)
}

fn links(names: &[&str], first: usize) -> Json {
    let link = |(number, name): (usize, &&str)| {
        json!({
            "name": name, "interfaceConfig": { "interfaceName": format!("ether{}", first + number) },
            "connectionConfig": { "isDhcp": true },
        })
    };
    json!({ "wanConfigs": names.iter().enumerate().map(link).collect::<Vec<_>>() })
}

/// Networks with their addresses, one per line: `baseSubnets.split Split 192.168.10.0/24`.
fn plan(document: &Json) -> Vec<String> {
    fn walk(at: &str, json: &Json, lines: &mut Vec<String>) {
        match json {
            Json::Object(map) if map.contains_key("subnet") || map.contains_key("name") => {
                let text = |key: &str| map.get(key).and_then(Json::as_str).unwrap_or_default();
                lines.push(format!("{at} {} {}", text("name"), text("subnet")));
            }
            Json::Object(map) => {
                for (key, value) in map {
                    let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                    walk(&below, value, lines);
                }
            }
            Json::Array(items) => items.iter().for_each(|item| walk(at, item, lines)),
            _ => {}
        }
    }
    let mut lines = Vec::new();
    walk("", &document["lan"]["subnets"], &mut lines);
    lines.sort();
    lines
}

#[test]
fn networks_follow_from_links_and_clients() {
    let clients = json!({ "wireguard": [{ "name": "wg" }, { "name": "" }], "ikev2": [{ "name": "" }] });
    for (kind, domestic, foreign, clients, expected) in [
        (
            "domestic",
            &["a"][..],
            &[][..],
            json!({}),
            json!({ "split": false, "domestic": true, "foreign": false, "vpn": false }),
        ),
        (
            "foreign",
            &[],
            &["a"],
            json!({}),
            json!({ "split": false, "domestic": false, "foreign": true, "vpn": false }),
        ),
        ("both", &["a"], &["b"], json!({}), json!({ "split": true, "domestic": true, "foreign": true, "vpn": false })),
        (
            "domestic",
            &["a"],
            &[],
            clients.clone(),
            json!({ "split": true, "domestic": true, "foreign": false, "vpn": true }),
        ),
        (
            "foreign",
            &[],
            &["a"],
            clients.clone(),
            json!({ "split": false, "domestic": false, "foreign": true, "vpn": true }),
        ),
    ] {
        let document = completed(&json!({
            "choose": { "wanLinkType": kind },
            "wan": {
                "wanLink": { "domestic": links(domestic, 1), "foreign": links(foreign, 5) },
                "vpnClient": clients,
            },
        }));
        assert_eq!(document["choose"]["networks"]["baseNetworks"], expected, "{kind} {domestic:?} {foreign:?}");
    }
    let document = completed(&json!({
        "choose": { "wanLinkType": "both" },
        "wan": { "wanLink": { "domestic": links(&["", "x"], 1), "foreign": links(&["y", ""], 5) }, "vpnClient": clients },
    }));
    assert_eq!(
        document["choose"]["networks"],
        json!({
            "baseNetworks": { "split": true, "domestic": true, "foreign": true, "vpn": true },
            "domesticNetworks": ["Domestic-Link-1", "x"],
            "foreignNetworks": ["y", "Foreign-Link-2"],
            "vpnClientNetworks": { "wireguard": ["wg", "Wireguard-2"], "ikev2": ["IKev2-1"] },
        })
    );
}

#[test]
fn without_a_domestic_side_no_domestic_networks_are_listed() {
    let document = completed(&json!({
        "choose": { "wanLinkType": "foreign" },
        "wan": { "wanLink": { "domestic": links(&["a"], 1), "foreign": links(&["b"], 2) } },
    }));
    assert_eq!(document["choose"]["networks"].get("domesticNetworks"), None);
}

#[test]
fn addresses_are_those_of_the_plan() {
    let server = json!({ "enabled": true });
    let document = completed(&json!({
        "choose": { "wanLinkType": "both" },
        "wan": {
            "wanLink": { "domestic": links(&["a", "b"], 1), "foreign": links(&["c", "d"], 3) },
            "vpnClient": {
                "wireguard": [{ "name": "w" }], "openVpn": [{ "name": "o" }], "pptp": [{ "name": "p" }],
                "l2tp": [{ "name": "l" }], "sstp": [{ "name": "s" }], "ikev2": [{ "name": "i" }],
            },
        },
        "lan": {
            "vpnServer": {
                "wireguardServers": [{ "name": "r1", "interface": {} }, { "name": "r2", "interface": {} }],
                "openVpnServer": [{ "enabled": true, "name": "o1" }, { "enabled": false, "name": "o2" }, { "enabled": true, "name": "o3" }],
                "pptpServer": server, "sstpServer": server, "l2tpServer": server, "sshServer": server,
                "httpProxyServer": server, "backToHomeServer": server, "zeroTierServer": server, "ikev2Server": server,
                "socks5Server": server,
            },
            "tunnel": {
                "ipip": [{ "name": "i1" }, { "name": "i2" }], "eoip": [{ "name": "e1" }], "gre": [{ "name": "g1" }],
                "vxlan": [{ "name": "v1" }],
            },
        },
    }));
    let mut expected = [
        "baseSubnets.split Split 192.168.10.0/24",
        "baseSubnets.domestic Domestic 192.168.20.0/24",
        "baseSubnets.foreign Foreign 192.168.30.0/24",
        "baseSubnets.vpn VPN 192.168.40.0/24",
        "domesticSubnets a 192.168.21.0/24",
        "domesticSubnets b 192.168.22.0/24",
        "foreignSubnets c 192.168.31.0/24",
        "foreignSubnets d 192.168.32.0/24",
        "vpnClientSubnets.wireguard w 192.168.41.0/24",
        "vpnClientSubnets.openVpn o 192.168.42.0/24",
        "vpnClientSubnets.pptp p 192.168.43.0/24",
        "vpnClientSubnets.l2tp l 192.168.44.0/24",
        "vpnClientSubnets.sstp s 192.168.45.0/24",
        "vpnClientSubnets.ikev2 i 192.168.46.0/24",
        "vpnServerSubnets.wireguard r1 192.168.110.0/24",
        "vpnServerSubnets.wireguard r2 192.168.111.0/24",
        "vpnServerSubnets.openVpn o1 192.168.120.0/24",
        "vpnServerSubnets.openVpn o3 192.168.121.0/24",
        "vpnServerSubnets.pptp PPTP 192.168.130.0/24",
        "vpnServerSubnets.sstp SSTP 192.168.140.0/24",
        "vpnServerSubnets.l2tp L2TP 192.168.150.0/24",
        "vpnServerSubnets.ssh SSH 192.168.155.0/24",
        "vpnServerSubnets.httpProxy HTTPProxy 192.168.156.0/24",
        "vpnServerSubnets.backToHome BackToHome 192.168.157.0/24",
        "vpnServerSubnets.zeroTier ZeroTier 192.168.158.0/24",
        "vpnServerSubnets.ikev2 IKEv2 192.168.160.0/24",
        "vpnServerSubnets.socks5 Socks5 192.168.165.0/24",
        "tunnelSubnets.ipip i1 192.168.170.0/30",
        "tunnelSubnets.ipip i2 192.168.171.0/30",
        "tunnelSubnets.eoip e1 192.168.180.0/30",
        "tunnelSubnets.gre g1 192.168.190.0/30",
        "tunnelSubnets.vxlan v1 192.168.210.0/30",
    ];
    expected.sort_unstable();
    assert_eq!(plan(&document), expected);
    let networks = &document["choose"]["networks"];
    assert_eq!(networks["vpnServerNetworks"]["wireguard"], json!(["r1", "r2"]));
    assert_eq!(networks["vpnServerNetworks"]["zeroTier"], json!(true));
    assert_eq!(networks["tunnelNetworks"]["ipip"], json!(["i1", "i2"]));
}

#[test]
fn where_everything_leaves_through_a_tunnel_its_network_is_the_usual_one() {
    let document = completed(&json!({
        "choose": { "wanLinkType": "foreign" },
        "wan": { "wanLink": { "foreign": links(&["c"], 1) }, "vpnClient": { "wireguard": [{ "name": "w" }] } },
    }));
    let expected = [
        "baseSubnets.foreign Foreign 192.168.30.0/24",
        "baseSubnets.vpn VPN 192.168.10.0/24",
        "foreignSubnets c 192.168.31.0/24",
        "vpnClientSubnets.wireguard w 192.168.41.0/24",
    ];
    assert_eq!(plan(&document), expected);
}

#[test]
fn what_is_said_is_kept_and_its_numbers_are_passed_over() {
    let document = completed(&json!({
        "choose": {
            "wanLinkType": "both",
            "networks": { "baseNetworks": { "vpn": false }, "foreignNetworks": ["Guest"] },
        },
        "wan": { "wanLink": {
            "domestic": { "wanConfigs": [{
                "name": "a", "interfaceConfig": { "interfaceName": "ether1" },
                "connectionConfig": { "static": { "ipAddress": "192.168.20.7", "subnet": "24", "gateway": "192.168.20.1" } },
            }] },
            "foreign": links(&["c"], 2),
        } },
        "lan": {
            "subnets": {
                "baseSubnets": { "split": { "name": "Home", "subnet": "10.8.0.0/22" }, "foreign": { "name": "F", "subnet": "" } },
                "foreignSubnets": [{ "name": "guest", "subnet": "" }, { "name": "Old", "subnet": "192.168.31.0/24" }],
            },
            "vpnServer": {
                "pptpServer": { "enabled": true, "network": { "name": "Split", "subnet": "192.168.130.0/24" } },
                "wireguardServers": [{ "name": "r", "interface": { "address": "192.168.140.1/24" } }],
                "sstpServer": { "enabled": true },
            },
        },
    }));
    let expected = [
        "baseSubnets.domestic Domestic 192.168.21.0/24",
        "baseSubnets.foreign F 192.168.30.0/24",
        "baseSubnets.split Home 10.8.0.0/22",
        "domesticSubnets a 192.168.22.0/24",
        "foreignSubnets Old 192.168.31.0/24",
        "foreignSubnets guest 192.168.32.0/24",
        "vpnServerSubnets.sstp SSTP 192.168.141.0/24",
    ];
    assert_eq!(plan(&document), expected);
    let networks = &document["choose"]["networks"];
    assert_eq!(networks["foreignNetworks"], json!(["Guest"]));
    assert_eq!(networks["baseNetworks"], json!({ "split": true, "domestic": true, "foreign": true, "vpn": false }));
}

/// All that is in the first is in the second, too.
fn is_kept(before: &Json, after: &Json) -> bool {
    match (before, after) {
        (Json::Object(before), Json::Object(after)) => {
            before.iter().all(|(key, value)| after.get(key).is_some_and(|after| is_kept(value, after)))
        }
        (Json::Array(before), Json::Array(after)) => {
            before.iter().zip(after).all(|(before, after)| is_kept(before, after)) && before.len() <= after.len()
        }
        _ => before == after,
    }
}

#[test]
fn documents_keep_what_they_say_and_need_nothing_more() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap().state;
        let completed = complete(&document);
        assert!(is_kept(&document.to_json(Secrets::Shown), &completed.to_json(Secrets::Shown)), "{name}");
        assert_eq!(complete(&completed), completed, "{name}: twice is once");
        let issues = validate(&completed);
        assert!(issues.iter().all(|issue| issue.severity != Severity::Error), "{name}: {issues:#?}");
    }
}

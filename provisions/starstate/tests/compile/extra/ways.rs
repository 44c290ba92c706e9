//! Ways that traffic takes: games, and ports that devices open.

use serde_json::json;

use super::super::{assert_no_errors, compiled, of, show};
use super::{check, check_with_links, with_links};

#[test]
fn games_take_their_own_way() {
    let tcp: Vec<String> = (1..=16).map(|number| format!("{number}00-{number}09")).collect();
    let games = json!([
        { "name": "A\nB", "network": "foreign", "ports": { "tcp": tcp, "udp": ["", "9000"] } },
        { "name": "C", "network": "Domestic", "ports": { "udp": ["9001"] } },
        { "name": "D", "network": "Foreign", "ports": { "udp": ["9002"] } },
    ]);
    check(
        &json!({ "games": games }),
        "system.game",
        "+ /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=tcp dst-port=100-109,200-209,300-309,400-409,500-509,600-609,700-709,800-809,900-909,1000-1009,1100-1109,1200-1209,1300-1309,1400-1409,1500-1509 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | AB
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=tcp dst-port=1600-1609 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | AB
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=udp dst-port=9000 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | AB
         + /routing/table name=to-Foreign fib=
         + /ip/firewall/mangle action=mark-routing chain=prerouting src-address-list=Split-LAN dst-address-list=Foreign-IP-Games new-routing-mark=to-Foreign passthrough=no (needs routing-table/to-Foreign)
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=udp dst-port=9001 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Domestic-IP-Games address-list-timeout=1d | C
         + /routing/table name=to-Domestic fib=
         + /ip/firewall/mangle action=mark-routing chain=prerouting src-address-list=Split-LAN dst-address-list=Domestic-IP-Games new-routing-mark=to-Domestic passthrough=no (needs routing-table/to-Domestic)
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=udp dst-port=9002 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | D",
    );
}

#[test]
fn nat_pmp_on_an_interface() {
    for (config, expected) in [
        (
            json!({ "enabled": true, "linkType": "vpn", "interfaceName": "ether1" }),
            "= /ip/nat-pmp enabled=yes
             + /ip/nat-pmp/interfaces interface=ether1 type=external",
        ),
        (json!({ "enabled": true }), "= /ip/nat-pmp enabled=yes"),
        (json!({ "enabled": false, "interfaceName": "ether1" }), "= /ip/nat-pmp enabled=no"),
        (json!({ "linkType": "" }), "= /ip/nat-pmp enabled=no"),
    ] {
        check(&json!({ "natpmpConfig": config }), "system.natpmp", expected);
    }
}

#[test]
fn devices_open_ports_from_the_inside() {
    for (config, expected) in [
        (json!({ "enabled": true, "linkType": "domestic" }), "MacVLAN-ether1-Fiber"),
        (json!({ "linkType": "Foreign" }), "MacVLAN-ether2-Sat"),
        (json!({ "linkType": "vpn" }), "wireguard-client-wg"),
    ] {
        check_with_links(
            |document| document["extra"] = json!({ "upnpConfig": config }),
            "system.upnp",
            &format!(
                "= /ip/upnp enabled=yes
                 + /ip/upnp/interfaces interface={expected} type=external
                 + /ip/upnp/interfaces interface=LANBridgeSplit type=internal
                 + /ip/upnp/interfaces interface=LANBridgeForeign type=internal
                 + /ip/upnp/interfaces interface=LANBridgeVPN-wg type=internal"
            ),
        );
    }
    for (name, expected) in [
        ("Fiber", "MacVLAN-ether1-Fiber"),
        ("Sat", "MacVLAN-ether2-Sat"),
        ("wg", "wireguard-client-wg"),
        ("ether9", "ether9"),
    ] {
        let document = with_links(|document| {
            document["extra"] = json!({ "natpmpConfig": { "interfaceName": name, "linkType": "vpn" } })
        });
        let shown = show(&of(&compiled(&document), "system.natpmp"));
        assert!(shown.contains(&format!("interface={expected} type=external")), "{shown}");
    }
}

#[test]
fn games_may_take_a_single_link_or_tunnel() {
    for (network, table) in
        [("VPN", "to-VPN"), ("Foreign-Sat", "to-Foreign-Sat"), ("VPN-wg", "to-VPN-wg"), ("domestic", "to-Domestic")]
    {
        let game = json!({ "name": "A", "network": network, "ports": { "udp": ["9000"] } });
        let compiled = compiled(&with_links(|document| document["extra"] = json!({ "games": [game] })));
        assert_no_errors(&compiled);
        let shown = show(&compiled.steps);
        let list = table.trim_start_matches("to-");
        let mark = format!(
            "src-address-list=Split-LAN dst-address-list={list}-IP-Games new-routing-mark={table} passthrough=no"
        );
        assert!(shown.contains(&mark), "{shown}");
        // In front of what steers the split network.
        let place = |part: &str| {
            shown.lines().position(|line| line.starts_with("+ /ip/firewall/mangle") && line.contains(part))
        };
        assert!(place("-IP-Games") < place("dst-address-list=SplitDOMAddList"), "{shown}");
    }
}

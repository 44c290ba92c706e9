//! What is behind the router: what every router has, networks, ports.

use serde_json::{Value as Json, json};
use starstate::issue::Severity;

use super::{assert_no_errors, assert_shown, compiled, issues, of};

/// Base networks of all types.
pub fn subnets() -> Json {
    json!({
        "split": {"name": "Split", "subnet": "192.168.10.0/24"},
        "domestic": {"name": "Domestic", "subnet": "192.168.20.0/24"},
        "foreign": {"name": "Foreign", "subnet": "192.168.30.0/24"},
        "vpn": {"name": "VPN", "subnet": "192.168.40.0/24"},
    })
}

#[test]
fn every_router_gets_lists_and_rules() {
    let compiled = compiled(&json!({}));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "system."),
        "+ /interface/list name=WAN
         + /interface/list name=LAN
         + /ip/firewall/address-list list=LOCAL-IP address=192.168.0.0/16
         + /ip/firewall/address-list list=LOCAL-IP address=172.16.0.0/12
         + /ip/firewall/address-list list=LOCAL-IP address=10.0.0.0/8
         + /ip/firewall/mangle action=accept chain=prerouting src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=postrouting src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=output src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=input src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=forward src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/nat action=masquerade chain=srcnat out-interface-list=WAN
         + /ip/firewall/filter action=drop chain=input protocol=udp dst-port=53 in-interface-list=WAN (before chain=input)
         + /ip/firewall/filter action=drop chain=input protocol=tcp dst-port=53 in-interface-list=WAN (before chain=input)",
    );
}

#[test]
fn a_network_has_addresses_and_one_way_out() {
    let subnets = json!({"baseSubnets": {}, "foreignSubnets": [{"name": "Guest", "subnet": "10.20.4.0/22"}]});
    let compiled = compiled(&json!({"lan": {"subnets": subnets}}));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "lan.network.foreign"),
        "+ /interface/bridge name=LANBridgeForeign-Guest
         + /ip/address address=10.20.4.1/22 interface=LANBridgeForeign-Guest
         + /ip/pool name=DHCP-pool-Foreign-Guest ranges=10.20.4.2-10.20.7.254
         + /ip/dhcp-server name=DHCP-Foreign-Guest interface=LANBridgeForeign-Guest address-pool=DHCP-pool-Foreign-Guest lease-time=1d disabled=no
         + /ip/dhcp-server/network address=10.20.4.0/22 gateway=10.20.4.1 dns-server=10.20.4.1
         + /interface/list name=Foreign-Guest-WAN
         + /interface/list/member list=LAN interface=LANBridgeForeign-Guest
         + /interface/list name=Foreign-Guest-LAN
         + /interface/list/member list=Foreign-Guest-LAN interface=LANBridgeForeign-Guest
         + /ip/firewall/address-list list=Foreign address=10.20.4.0/22 (optional)
         + /ip/firewall/address-list list=Foreign-Guest-LAN address=10.20.4.0/22
         + /routing/table name=to-Foreign-Guest fib=
         + /ip/route dst-address=0.0.0.0/0 blackhole= distance=99 routing-table=to-Foreign-Guest (optional)
         + /routing/rule action=lookup table=main min-prefix=0 (first)
         + /routing/rule src-address=10.20.4.0/22 action=lookup table=to-Foreign-Guest
         + /ip/firewall/mangle chain=prerouting src-address=10.20.4.0/22 action=mark-routing new-routing-mark=to-Foreign-Guest passthrough=yes (optional)",
    );
}

#[test]
fn a_split_network_has_a_way_for_each_list_of_destinations() {
    let rules = |exist: &[&str]| -> Vec<String> {
        let mut base = subnets();
        base.as_object_mut().unwrap().retain(|kind, _| exist.contains(&kind.as_str()));
        let compiled = compiled(&json!({"lan": {"subnets": {"baseSubnets": base}}}));
        assert_no_errors(&compiled);
        let steps = of(&compiled, "lan.network.split");
        assert!(!steps.iter().any(|step| step.path == "/routing/rule"));
        let closed = |table: &str| {
            compiled
                .steps
                .iter()
                .any(|step| step.argument("blackhole").is_some() && step.text("routing-table") == Some(table))
        };
        assert!(closed("to-Split") && steps.iter().filter_map(|step| step.text("new-routing-mark")).all(closed));
        let rules = steps.iter().filter(|step| step.path == "/ip/firewall/mangle");
        rules
            .map(|step| {
                let fixed = ["chain", "src-address-list", "action", "passthrough"].map(|name| step.text(name).unwrap());
                assert_eq!(fixed, ["prerouting", "Split-LAN", "mark-routing", "no"]);
                format!("{} {}", step.text("dst-address-list").unwrap(), step.text("new-routing-mark").unwrap())
            })
            .collect()
    };
    let all = [
        "SplitDOMAddList to-Domestic",
        "SplitVPNAddList to-VPN",
        "SplitFRNAddList to-Foreign",
        "DOMAddList to-Domestic",
        "!DOMAddList to-VPN",
    ];
    assert_eq!(rules(&["split", "domestic", "foreign", "vpn"]), all);
    assert_eq!(
        rules(&["split", "domestic", "foreign"]),
        [
            "SplitDOMAddList to-Domestic",
            "SplitFRNAddList to-Foreign",
            "DOMAddList to-Domestic",
            "!DOMAddList to-Foreign"
        ]
    );
    assert_eq!(
        rules(&["split", "domestic"]),
        ["SplitDOMAddList to-Domestic", "DOMAddList to-Domestic", "!DOMAddList to-Domestic"]
    );
    assert_eq!(rules(&["split"]), [""; 0]);
}

#[test]
fn marks_come_after_what_stays_here_and_the_split_ones_first() {
    let compiled = compiled(&json!({"lan": {"subnets": {"baseSubnets": subnets()}}}));
    let rules: Vec<String> = compiled
        .steps
        .iter()
        .filter(|step| step.path == "/ip/firewall/mangle")
        .map(|step| step.text("src-address").or(step.text("src-address-list")).unwrap().to_owned())
        .collect();
    let expected =
        [&["LOCAL-IP"; 5][..], &["Split-LAN"; 5], &["192.168.20.0/24", "192.168.30.0/24", "192.168.40.0/24"]];
    assert_eq!(rules, expected.concat());
    let rule = compiled.steps.iter().find(|step| step.path == "/routing/rule").unwrap();
    assert_eq!(rule.text("min-prefix"), Some("0"), "it comes before all other routing rules");
}

#[test]
fn nothing_else_marks_what_is_balanced_by_marks() {
    let links = |count: usize| -> Vec<Json> {
        let link = |number| {
            json!({
                "name": format!("l{number}"), "interfaceConfig": {"interfaceName": format!("ether{number}")},
                "connectionConfig": {"isDhcp": true},
            })
        };
        (1..=count).map(link).collect()
    };
    for (strategy, method, count, is_marked) in [
        ("LoadBalance", "PCC", 2, false),
        ("LoadBalance", "NTH", 2, false),
        ("LoadBalance", "ECMP", 2, true),
        ("RoundRobin", "", 2, false),
        ("Both", "ECMP", 2, false),
        ("Failover", "PCC", 2, true),
        ("LoadBalance", "PCC", 1, true),
    ] {
        let mut config = json!({"strategy": strategy});
        if !method.is_empty() {
            config["loadBalanceMethod"] = json!(method);
        }
        let group = json!({"wanConfigs": links(count), "multiLinkConfig": config});
        let compiled = compiled(&json!({
            "wan": {"wanLink": {"foreign": group}},
            "lan": {"subnets": {"baseSubnets": subnets()}},
        }));
        for (kind, expected) in [("foreign", is_marked), ("domestic", true)] {
            let steps = of(&compiled, &format!("lan.network.{kind}"));
            let found = steps.iter().any(|step| step.text("action") == Some("mark-routing"));
            assert_eq!(found, expected, "{strategy} {method} {count} {kind}");
            assert!(steps.iter().any(|step| step.path == "/routing/rule"), "{strategy} {method} {count} {kind}");
        }
    }
}

#[test]
fn small_networks_have_a_lease_to_give() {
    for (subnet, ranges) in [
        ("192.168.5.0/30", "192.168.5.2-192.168.5.2"),
        ("192.168.5.0/29", "192.168.5.2-192.168.5.6"),
        ("192.168.5.9/24", "192.168.5.2-192.168.5.254"),
        ("10.0.0.0/8", "10.0.0.2-10.255.255.254"),
    ] {
        let document = json!({"lan": {"subnets": {"baseSubnets": {"vpn": {"name": "VPN", "subnet": subnet}}}}});
        let compiled = compiled(&document);
        assert_no_errors(&compiled);
        let pool = compiled.steps.iter().find(|step| step.path == "/ip/pool").unwrap();
        assert_eq!(pool.text("ranges"), Some(ranges), "{subnet}");
    }
    for subnet in ["192.168.5.0/31", "192.168.5.0", "x", "fd00::/64"] {
        let document = json!({"lan": {"subnets": {"baseSubnets": {"vpn": {"name": "VPN", "subnet": subnet}}}}});
        let compiled = compiled(&document);
        let found = issues(&compiled, Severity::Error);
        assert!(found[0].starts_with("$.lan.subnets.baseSubnets.vpn.subnet: "), "{subnet}: {found:?}");
        assert!(of(&compiled, "lan.network").is_empty(), "{subnet}");
    }
}

#[test]
fn ports_go_to_the_bridges_that_the_document_means() {
    let ports = [
        ("ether2", "split"),
        ("ether3", "Foreign-Guest"),
        ("ether4", "Guest"),
        ("sfp-sfpplus1", "exit"),
        ("bonding1", "LANBridgeVPN"),
        ("ether5", "mine"),
    ];
    let interface: Vec<Json> = ports.iter().map(|(name, bridge)| json!({"name": name, "bridge": bridge})).collect();
    let document = json!({"lan": {"interface": interface, "subnets": {
        "baseSubnets": subnets(),
        "foreignSubnets": [{"name": "Guest", "subnet": "192.168.31.0/24"}],
        "vpnClientSubnets": {"l2tp": [{"name": "exit", "subnet": "192.168.44.0/24"}]},
    }}});
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    let steps = of(&compiled, "lan.interface");
    assert_shown(
        &steps,
        r#"+ /interface/bridge/port interface=ether2 bridge=LANBridgeSplit
           = /interface/ethernet [name=ether2] comment="Split Network" (optional)
           + /interface/bridge/port interface=ether3 bridge=LANBridgeForeign-Guest
           = /interface/ethernet [name=ether3] comment="Foreign-Guest Network" (optional)
           + /interface/bridge/port interface=ether4 bridge=LANBridgeForeign-Guest
           = /interface/ethernet [name=ether4] comment="Foreign-Guest Network" (optional)
           + /interface/bridge/port interface=sfp-sfpplus1 bridge=LANBridgeVPN-exit
           = /interface/ethernet [name=sfp-sfpplus1] comment="VPN-exit Network" (optional)
           + /interface/bridge/port interface=bonding1 bridge=LANBridgeVPN
           + /interface/bridge/port interface=ether5 bridge=mine"#,
    );
    assert!(steps.iter().filter(|step| step.path.ends_with("port")).all(|step| step.takes_over));
}

#[test]
fn ports_without_a_place_are_mistakes() {
    for (port, message) in [
        (
            json!({"name": "ether2", "bridge": "Foreign"}),
            "there is no network Foreign: lan.subnets has no addresses for it",
        ),
        (json!({"name": "ether2", "bridge": ""}), "a port needs a name and a bridge"),
        (json!({"name": " ", "bridge": "Split"}), "a port needs a name and a bridge"),
    ] {
        let compiled = compiled(&json!({"lan": {"interface": [port]}}));
        assert_eq!(issues(&compiled, Severity::Error), [format!("$.lan.interface[0]: {message}")]);
    }
    let twice = json!([{"name": "ether2", "bridge": "Split"}, {"name": "ether2", "bridge": "VPN"}]);
    let compiled = compiled(&json!({"lan": {"interface": twice, "subnets": {"baseSubnets": subnets()}}}));
    assert!(issues(&compiled, Severity::Error)[0].contains("cannot have two values of bridge"));
}

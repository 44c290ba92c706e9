//! Uplinks, and networks behind the router.

use serde_json::json;
use starstate::issue::Issue;

use super::{changed, check, validated};

#[test]
fn uplinks() {
    let config = "/wan/wanLink/foreign/wanConfigs/1/interfaceConfig";
    let at = "$.wan.wanLink.foreign.wanConfigs[1]";
    let connection = "/wan/wanLink/foreign/wanConfigs/1/connectionConfig";
    for (pointer, value, severity, path, message) in [
        (
            format!("{config}/interfaceName"),
            json!("ether2"),
            "error",
            format!("{at}.interfaceConfig.interfaceName"),
            "ether2 without a VLAN is already used by $.wan.wanLink.foreign.wanConfigs[0]",
        ),
        (
            config.to_owned(),
            json!({ "interfaceName": "ether1", "vlanId": "35" }),
            "error",
            format!("{at}.interfaceConfig.interfaceName"),
            "ether1 with the VLAN 35 is already used by $.wan.wanLink.domestic.wanConfigs[0]",
        ),
        (
            format!("{config}/vlanId"),
            json!(4095),
            "error",
            format!("{at}.interfaceConfig.vlanId"),
            "\"4095\" is no VLAN: 1 to 4094",
        ),
        (
            format!("{config}/vlanId"),
            json!("x"),
            "error",
            format!("{at}.interfaceConfig.vlanId"),
            "\"x\" is no VLAN: 1 to 4094",
        ),
        (
            format!("{config}/macAddress"),
            json!("02:00"),
            "error",
            format!("{at}.interfaceConfig.macAddress"),
            "\"02:00\" is no MAC address such as 02:00:5E:10:00:01",
        ),
        (
            format!("{config}/macAddress"),
            json!("03:00:5E:10:00:01"),
            "error",
            format!("{at}.interfaceConfig.macAddress"),
            "03:00:5E:10:00:01 is the MAC address of a group, not of one device",
        ),
        (
            connection.to_owned(),
            json!({ "pppoe": { "password": "p" } }),
            "error",
            format!("{at}.connectionConfig.pppoe.username"),
            "is needed",
        ),
        (
            connection.to_owned(),
            json!({ "pppoe": { "username": "u" } }),
            "error",
            format!("{at}.connectionConfig.pppoe.password"),
            "is needed",
        ),
        (
            connection.to_owned(),
            json!({ "lteSettings": { "apn": "" } }),
            "warning",
            format!("{at}.connectionConfig.lteSettings.apn"),
            "is empty: the modem keeps its own access point",
        ),
        (
            connection.to_owned(),
            json!({ "static": { "ipAddress": "203.0.113.2", "subnet": "/30", "gateway": "203.0.113.5" } }),
            "warning",
            format!("{at}.connectionConfig.static.gateway"),
            "203.0.113.5 is not in 203.0.113.0/30",
        ),
    ] {
        check(&[(&pointer, value)], &[&format!("{severity}: {path}: {message}")]);
    }
}

#[test]
fn a_port_is_for_an_uplink_or_for_a_network() {
    let issues =
        validated(&changed(&[("/wan/wanLink/foreign/wanConfigs/1/interfaceConfig/interfaceName", json!("ether4"))]));
    let path = "$.wan.wanLink.foreign.wanConfigs[1].interfaceConfig.interfaceName";
    assert!(
        issues.contains(&Issue::error(path, "ether4 is also a port of a network: $.lan.interface[0]")),
        "{issues:#?}"
    );
}

#[test]
fn networks_behind_the_router() {
    let subnet = "/lan/subnets/baseSubnets/foreign/subnet";
    let at = "$.lan.subnets.baseSubnets.foreign.subnet";
    for (pointer, value, expected) in [
        (subnet, json!("8.8.8.0/24"), format!("warning: {at}: 8.8.8.0/24 is not private: it belongs to somebody")),
        (subnet, json!("192.168.30.5/24"), format!("warning: {at}: 192.168.30.5/24 is an address in the network 192.168.30.0/24, which is taken")),
        (subnet, json!("192.168.8.0/21"), format!("error: {at}: 192.168.8.0/21 overlaps with 192.168.10.0/24 of $.lan.subnets.baseSubnets.split.subnet")),
        ("/lan/subnets/baseSubnets/vpn/subnet", json!(""), "warning: $.lan.subnets.baseSubnets.vpn.subnet: is empty: the network is not made".to_owned()),
        ("/lan/subnets/vpnServerSubnets/l2tp/subnet", json!("192.168.41.0/24"), "error: $.lan.subnets.vpnServerSubnets.l2tp.subnet: 192.168.41.0/24 overlaps with 192.168.41.0/24 of $.lan.subnets.vpnClientSubnets.wireguard[0].subnet".to_owned()),
        ("/lan/subnets/tunnelSubnets/gre/0/subnet", json!("192.168.150.8/30"), "error: $.lan.subnets.vpnServerSubnets.l2tp.subnet: 192.168.150.0/24 overlaps with 192.168.150.8/30 of $.lan.subnets.tunnelSubnets.gre[0].subnet".to_owned()),
        ("/wan/wanLink/domestic/wanConfigs/0/connectionConfig/static", json!({ "ipAddress": "192.168.20.7", "subnet": "24", "gateway": "192.168.20.1" }), "error: $.lan.subnets.baseSubnets.domestic.subnet: 192.168.20.0/24 overlaps with 192.168.20.0/24 of $.wan.wanLink.domestic.wanConfigs[0].connectionConfig.static".to_owned()),
        ("/lan/wireless/0/ssid", json!(""), "error: $.lan.wireless[0].ssid: \"\" has 0 bytes; a network name has 1 to 32".to_owned()),
        ("/lan/wireless/0/ssid", json!("ü".repeat(17)), format!("error: $.lan.wireless[0].ssid: {:?} has 34 bytes; a network name has 1 to 32", "ü".repeat(17))),
        ("/lan/wireless/0/password", json!("1234567"), "error: $.lan.wireless[0].password: has 7 characters; a passphrase has 8 to 63".to_owned()),
        ("/lan/wireless/0/networkName", json!("Moon"), "error: $.lan.wireless[0].networkName: there is no network Split-Moon with addresses".to_owned()),
        ("/lan/interface/0/bridge", json!("Foreign-Moon"), "error: $.lan.interface[0].bridge: there is no network Foreign-Moon with addresses".to_owned()),
        ("/lan/interface/0/bridge", json!(""), "error: $.lan.interface[0].bridge: is needed: the network that the port belongs to".to_owned()),
        ("/lan/interface/0/bridge", json!("bridge1"), "warning: $.lan.interface[0].bridge: \"bridge1\" is no network of this document; the router must have this bridge".to_owned()),
    ] {
        check(&[(pointer, value)], &[&expected]);
    }
    for (changes, expected) in [
        // A name that has to take a band behind it.
        (
            vec![("/lan/wireless/0/ssid", json!("x".repeat(29))), ("/lan/wireless/0/splitBand", json!(true))],
            vec![format!("error: $.lan.wireless[0].ssid: {:?} has 29 bytes; a network name has 1 to 28, with room for the band", "x".repeat(29))],
        ),
        // What is switched off may be anything.
        (vec![("/lan/wireless/0/ssid", json!("")), ("/lan/wireless/0/isDisabled", json!(true))], vec![]),
        (
            vec![("/lan/wireless/0/wifiTarget", json!("SingleForeign")), ("/lan/wireless/0/networkName", json!("Guest"))],
            vec![],
        ),
        (
            vec![
                ("/choose/routerMode", json!("Trunk Mode")),
                ("/lan/subnets/baseSubnets/vpn/subnet", json!("10.9.0.0/24")),
                ("/lan/subnets/baseSubnets/split/subnet", json!("10.8.30.0/24")),
            ],
            vec![
                "error: $.lan.subnets.baseSubnets.foreign.subnet: has the VLAN 30, and so has $.lan.subnets.baseSubnets.split".to_owned(),
                "warning: $.lan.subnets.baseSubnets.vpn.subnet: 10.9.0.0/24 has no number for a VLAN: the third one is 0; it is not on the trunk".to_owned(),
            ],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(&changes, &expected);
    }
}

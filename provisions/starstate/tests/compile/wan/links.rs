//! One uplink: its interfaces, its connection, its table.

use serde_json::{Value as Json, json};
use starstate::issue::Severity;

use super::{dhcp, fixed, group, pppoe, with_links};
use crate::{assert_no_errors, assert_shown, issues, of};

/// The only uplink of a document.
#[track_caller]
fn assert_link(interface: Json, connection: Json, expected: &str) {
    let link = json!({ "name": "up", "interfaceConfig": interface, "connectionConfig": connection });
    let compiled = with_links(Json::Null, json!({ "wanConfigs": [link] }));
    assert_no_errors(&compiled);
    let steps: Vec<_> = of(&compiled, "wan.").into_iter().filter(|step| !step.path.starts_with("/routing")).collect();
    let steps: Vec<_> = steps.into_iter().filter(|step| step.path != "/ip/route").collect();
    assert_shown(&steps, expected);
}

#[test]
fn pppoe_runs_on_the_interface_that_is_made_on_the_port() {
    assert_link(
        json!({ "interfaceName": "ether1", "vlanId": 35, "macAddress": "02:00:5E:00:00:11" }),
        pppoe(),
        "= /interface/ethernet [name=ether1] comment=\"WAN - up(Foreign)\" (optional)
         + /interface/vlan name=VLAN35-ether1-up interface=ether1 vlan-id=35
         + /interface/macvlan name=MacVLAN-VLAN35-ether1-up-up interface=VLAN35-ether1-up mode=private mac-address=02:00:5E:00:00:11
         + /interface/list/member list=WAN interface=pppoe-client-up
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=pppoe-client-up
         + /interface/pppoe-client name=pppoe-client-up interface=MacVLAN-VLAN35-ether1-up-up user=u password=<secret> dial-on-demand=yes add-default-route=no allow=chap,pap,mschap1,mschap2 disabled=no",
    );
    assert_link(
        json!({ "interfaceName": "bridge1" }),
        pppoe(),
        "+ /interface/list/member list=WAN interface=pppoe-client-up
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=pppoe-client-up
         + /interface/pppoe-client name=pppoe-client-up interface=bridge1 user=u password=<secret> dial-on-demand=yes add-default-route=no allow=chap,pap,mschap1,mschap2 disabled=no",
    );
}

#[test]
fn a_fixed_address_has_a_length_and_brings_its_resolvers() {
    assert_link(
        json!({ "interfaceName": "sfp-sfpplus1", "macAddress": "02:00:5E:00:00:11" }),
        json!({ "static": { "ipAddress": "198.51.100.18", "subnet": "255.255.255.240", "gateway": "198.51.100.17", "dns": "9.9.9.9, 1.1.1.1" } }),
        "= /interface/ethernet [name=sfp-sfpplus1] comment=\"WAN - up(Foreign)\" (optional)
         + /interface/macvlan name=MacVLAN-sfp-sfpplus1-up interface=sfp-sfpplus1 mode=private mac-address=02:00:5E:00:00:11
         + /interface/list/member list=WAN interface=MacVLAN-sfp-sfpplus1-up
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=MacVLAN-sfp-sfpplus1-up
         + /ip/address address=198.51.100.18/28 interface=MacVLAN-sfp-sfpplus1-up
         = /ip/dns servers=9.9.9.9,1.1.1.1 (optional)",
    );
}

#[test]
fn resolvers_of_links_are_those_of_all_unless_the_document_names_others() {
    let link = |name: &str, port: &str, address: &str, dns: &str| {
        json!({ "name": name, "interfaceConfig": { "interfaceName": port }, "connectionConfig":
            { "static": { "ipAddress": address, "subnet": "24", "gateway": "192.0.2.1", "dns": dns } } })
    };
    let links = json!({ "foreign": { "wanConfigs": [
        link("a", "ether1", "192.0.2.2", "9.9.9.9,1.1.1.1"), link("b", "ether2", "192.0.2.3", "1.1.1.1,8.8.8.8"),
    ] } });
    let resolvers = |wan: Json| {
        let compiled = crate::compiled(&json!({ "wan": wan }));
        assert_no_errors(&compiled);
        let steps = of(&compiled, "wan.link").into_iter().filter(|step| step.path == "/ip/dns").collect::<Vec<_>>();
        crate::show(&steps)
    };
    assert_eq!(resolvers(json!({ "wanLink": links })), "= /ip/dns servers=9.9.9.9,1.1.1.1,8.8.8.8 (optional)\n");
    assert_eq!(resolvers(json!({ "wanLink": links, "dnsConfig": { "foreignDns": "4.4.4.4" } })), "");
}

#[test]
fn a_modem_uses_a_profile_of_its_access_point() {
    assert_link(
        json!({ "interfaceName": "lte1" }),
        json!({ "lteSettings": { "apn": "internet.example" } }),
        "+ /interface/list/member list=WAN interface=lte1
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=lte1
         + /interface/lte/apn name=internet.example apn=internet.example add-default-route=no use-network-apn=yes use-peer-dns=no
         = /interface/lte [name=lte1] apn-profiles=internet.example allow-roaming=yes",
    );
    assert_link(
        json!({ "interfaceName": "lte1" }),
        json!({ "lteSettings": { "apn": "" } }),
        "+ /interface/list/member list=WAN interface=lte1
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=lte1
         = /interface/lte [name=lte1] allow-roaming=yes",
    );
}

#[test]
fn a_radio_joins_another_network() {
    assert_link(
        json!({ "interfaceName": "wifi2.4", "wirelessCredentials": { "ssid": "Neighbour Net", "password": "Fixture-w" } }),
        json!({ "static": { "ipAddress": "192.0.2.2", "subnet": "/24", "gateway": "192.0.2.1" } }),
        "= /interface/wifi [default-name=wifi2] name=wifi2.4 disabled=no configuration.mode=station-pseudobridge configuration.ssid=\"Neighbour Net\" configuration.station-roaming=yes configuration.multicast-enhance=enabled security.passphrase=<secret> security.ft=yes security.ft-over-ds=yes steering.rrm=yes steering.wnm=yes
         + /interface/macvlan name=MacVLAN-wifi2.4-up interface=wifi2.4 mode=private (needs radio/wifi2.4)
         + /interface/list/member list=WAN interface=MacVLAN-wifi2.4-up
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=MacVLAN-wifi2.4-up
         + /ip/address address=192.0.2.2/24 interface=MacVLAN-wifi2.4-up",
    );
}

#[test]
fn a_client_of_dhcp_waits_for_the_routes_that_follow_its_lease() {
    let compiled = with_links(Json::Null, group(&[("up", "ether1", dhcp())], Json::Null));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "wan."),
        r#"= /interface/ethernet [name=ether1] comment="WAN - up(Foreign)" (optional)
         + /interface/macvlan name=MacVLAN-ether1-up interface=ether1 mode=private
         + /interface/list/member list=WAN interface=MacVLAN-ether1-up
         + /interface/list name=Foreign-WAN
         + /interface/list/member list=Foreign-WAN interface=MacVLAN-ether1-up
         + /routing/table name=to-Foreign-up fib=
         + /ip/route dst-address=0.0.0.0/0 gateway=100.64.0.1%MacVLAN-ether1-up routing-table=to-Foreign-up distance=1 | Route-to-Foreign-up
         + /ip/route dst-address=4.2.2.1/32 gateway=100.64.0.1%MacVLAN-ether1-up routing-table=to-Foreign-up check-gateway=ping distance=1 target-scope=11 | Route-to-Foreign-up
         + /ip/route dst-address=0.0.0.0/0 gateway=100.64.0.1%MacVLAN-ether1-up routing-table=main distance=1 | Route-to-Foreign-up
         + /routing/table name=to-Foreign fib=
         + /ip/route dst-address=0.0.0.0/0 gateway=100.64.0.1%MacVLAN-ether1-up routing-table=to-Foreign distance=1 | Route-to-Foreign-up
         + /ip/route dst-address=4.2.2.1/32 gateway=100.64.0.1%MacVLAN-ether1-up routing-table=to-Foreign check-gateway=ping distance=1 target-scope=11 | Route-to-Foreign-up
         - /ip/dhcp-client [interface=MacVLAN-ether1-up]
         + /ip/dhcp-client interface=MacVLAN-ether1-up add-default-route=no use-peer-dns=no use-peer-ntp=no disabled=no script=":if ($bound = 1) do={ :local gateway ($\"gateway-address\" . \"%MacVLAN-ether1-up\"); :foreach route in=[/ip/route/find where comment~\"Route\\5B-\\5Dto\\5B-\\5DForeign\\5B-\\5Dup\\$\"] do={ :local now [:tostr [/ip/route/get $route gateway]]; :if (([:typeof [:find $now \"%MacVLAN-ether1-up\"]] = \"num\") && ($now != $gateway)) do={ /ip/route/set $route gateway=$gateway } } }" (needs wan.link.foreign/up/other-dhcp-clients wan.link.foreign/up/route wan.link.foreign/up/route-check wan.link.foreign/up/route-main wan.link.foreign/up/route-to-Foreign wan.link.foreign/up/route-to-Foreign-check)"#,
    );
}

#[test]
fn gateways_are_what_leads_out() {
    let cases = [
        ("ether1", pppoe(), "pppoe-client-up"),
        ("lte1", json!({ "lteSettings": { "apn": "a" } }), "lte1"),
        ("ether1", fixed("192.0.2.2", "192.0.2.1"), "192.0.2.1%MacVLAN-ether1-up"),
        ("bridge1", dhcp(), "192.168.2.1%bridge1"),
    ];
    for (port, connection, gateway) in cases {
        let compiled = with_links(group(&[("up", port, connection)], Json::Null), Json::Null);
        assert_no_errors(&compiled);
        let routes = of(&compiled, "wan.").into_iter().filter(|step| step.path == "/ip/route").collect::<Vec<_>>();
        assert_eq!(routes.len(), 5);
        for route in &routes {
            assert_eq!(route.text("gateway"), Some(gateway));
            assert_eq!(route.initial.iter().any(|name| name == "gateway"), port == "bridge1");
        }
    }
}

#[test]
fn two_links_on_one_port_do_not_contradict_each_other() {
    let link = |name: &str, vlan: u32| {
        json!({ "name": name, "interfaceConfig": { "interfaceName": "ether1", "vlanId": vlan.to_string() },
            "connectionConfig": { "isDhcp": true } })
    };
    let compiled = with_links(json!({ "wanConfigs": [link("a", 7)] }), json!({ "wanConfigs": [link("b", 8)] }));
    assert_no_errors(&compiled);
    let ports = of(&compiled, "wan.").into_iter().filter(|step| step.path == "/interface/ethernet").collect::<Vec<_>>();
    assert_shown(&ports, "= /interface/ethernet [name=ether1] comment=\"WAN - a(Domestic), b(Foreign)\" (optional)");
}

#[test]
fn what_makes_no_sense_is_named() {
    let at = "$.wan.wanLink.foreign.wanConfigs[0]";
    let cases = [
        ("", dhcp(), ".interfaceConfig.interfaceName: is needed: the port that the link is plugged into"),
        (
            "ether1",
            json!({ "static": { "ipAddress": "192.0.2", "subnet": "24", "gateway": "192.0.2.1" } }),
            ".connectionConfig.static.ipAddress: \"192.0.2\" is no address such as 192.0.2.1",
        ),
        (
            "ether1",
            json!({ "static": { "ipAddress": "192.0.2.2", "subnet": "255.0.255.0", "gateway": "192.0.2.1" } }),
            ".connectionConfig.static.subnet: \"255.0.255.0\" is no mask: its ones must stand together in front",
        ),
        (
            "ether1",
            json!({ "static": { "ipAddress": "192.0.2.2", "subnet": "24", "gateway": "" } }),
            ".connectionConfig.static.gateway: \"\" is no address such as 192.0.2.1",
        ),
        ("wifi5-2", dhcp(), ".interfaceConfig.interfaceName: the router has no radio for 5-2 GHz"),
    ];
    for (port, connection, message) in cases {
        let compiled = with_links(Json::Null, group(&[("up", port, connection)], Json::Null));
        assert_eq!(issues(&compiled, Severity::Error), [format!("{at}{message}")]);
    }
    let credentials = json!({ "interfaceName": "ether1", "wirelessCredentials": { "ssid": "x", "password": "y" } });
    let link = json!({ "name": "up", "interfaceConfig": credentials, "connectionConfig": { "isDhcp": true } });
    let compiled = with_links(Json::Null, json!({ "wanConfigs": [link] }));
    let message = "\"ether1\" is no radio: one of wifi2.4, wifi5, wifi5-2 joins a wireless network";
    assert_eq!(issues(&compiled, Severity::Error), [format!("{at}.interfaceConfig.interfaceName: {message}")]);
}

//! Wireless networks, and the trunk between routers.

use routeros_schema::Release;
use serde_json::{Value as Json, json};
use starstate::compile::{Band, Compiled, Facts, Radio};
use starstate::documents::Documents;
use starstate::issue::Severity;
use starstate::role::Role;
use starstate::session::Compile;
use starstate::step::Step;

use super::{assert_no_errors, assert_shown, compiled, compiled_for, issues, lan, of, show};

fn wireless(ssid: &str, more: Json) -> Json {
    let mut network = json!({"ssid": ssid, "password": "a-good-password", "wifiTarget": "Split"});
    for (name, value) in more.as_object().unwrap() {
        network[name] = value.clone();
    }
    network
}

fn document(networks: &[Json]) -> Json {
    json!({"lan": {"wireless": networks, "subnets": {
        "baseSubnets": lan::subnets(),
        "foreignSubnets": [{"name": "Guest", "subnet": "192.168.31.0/24"}],
    }}})
}

fn facts(radios: &[(&str, Band)]) -> Facts {
    let radios = radios.iter().map(|(name, band)| Radio { default_name: (*name).to_owned(), band: *band });
    Facts { radios: radios.collect(), ..Facts::newest() }
}

const ONE: &[(&str, Band)] = &[("wifi1", Band::Two)];

fn in_menu(steps: &[Step], path: &str) -> Vec<Step> {
    steps.iter().filter(|step| step.path == path).cloned().collect()
}

#[test]
fn the_first_network_is_the_radios_own_and_others_are_virtual() {
    let networks = [
        wireless("Off", json!({"isDisabled": true})),
        wireless("Home", json!({})),
        wireless("Guests", json!({"wifiTarget": "SingleForeign", "networkName": "Guest", "isHide": true})),
    ];
    let compiled = compiled_for(&document(&networks), Role::Master, &facts(ONE));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "system.wireless"),
        r#"+ /interface/wifi/security name=sec-Home-2.4 authentication-types=wpa2-psk,wpa3-psk passphrase=<secret>
           + /interface/wifi/configuration name=cfg-Home-2.4 ssid=Home security=sec-Home-2.4 hide-ssid=no mode=ap installation=indoor
           = /interface/wifi [default-name=wifi1] name=wifi2.4 disabled=no configuration=cfg-Home-2.4 security=sec-Home-2.4
           + /interface/bridge/port interface=wifi2.4 bridge=LANBridgeSplit
           + /interface/list/member list=LAN interface=wifi2.4 (optional)
           + /interface/list/member list=Split-LAN interface=wifi2.4 (optional)
           + /interface/wifi/security name=sec-Guests-2.4-slave authentication-types=wpa2-psk,wpa3-psk passphrase=<secret>
           + /interface/wifi/configuration name=cfg-Guests-2.4-slave ssid=Guests security=sec-Guests-2.4-slave hide-ssid=yes mode=ap installation=indoor
           + /interface/wifi name=wifi2.4-Guests master-interface=wifi2.4 configuration=cfg-Guests-2.4-slave security=sec-Guests-2.4-slave disabled=no
           + /interface/bridge/port interface=wifi2.4-Guests bridge=LANBridgeForeign-Guest
           + /interface/list/member list=LAN interface=wifi2.4-Guests (optional)
           + /interface/list/member list=Foreign-Guest-LAN interface=wifi2.4-Guests (optional)"#,
    );
}

#[test]
fn every_band_is_used_and_named_where_it_is_split() {
    let radios = [("wifi1", Band::Five), ("wifi2", Band::Two), ("wifi3", Band::SecondFive)];
    let compiled =
        compiled_for(&document(&[wireless("Home", json!({"splitBand": true}))]), Role::Master, &facts(&radios));
    assert_no_errors(&compiled);
    let steps = of(&compiled, "system.wireless");
    assert_shown(
        &in_menu(&steps, "/interface/wifi"),
        "= /interface/wifi [default-name=wifi1] name=wifi5 disabled=no configuration=cfg-Home-5 security=sec-Home-5
         = /interface/wifi [default-name=wifi2] name=wifi2.4 disabled=no configuration=cfg-Home-2.4 security=sec-Home-2.4
         = /interface/wifi [default-name=wifi3] name=wifi5-2 disabled=no configuration=cfg-Home-5-2 security=sec-Home-5-2",
    );
    let names = in_menu(&steps, "/interface/wifi/configuration");
    let names: Vec<_> = names.iter().map(|step| step.text("ssid").unwrap()).collect();
    assert_eq!(names, ["Home-5", "Home-2.4", "Home-5-2"]);
}

#[test]
fn networks_are_meant_by_target_and_name() {
    for (target, name, bridge) in [
        ("Split", "", "LANBridgeSplit"),
        ("Domestic", "domestic", "LANBridgeDomestic"),
        ("VPN", "", "LANBridgeVPN"),
        ("Foreign", "Guest", "LANBridgeForeign-Guest"),
        ("SingleForeign", "Guest", "LANBridgeForeign-Guest"),
        ("SingleForeign", "Foreign-Guest", "LANBridgeForeign-Guest"),
        ("SingleForeign", "", "LANBridgeForeign"),
    ] {
        let network = wireless("x", json!({"wifiTarget": target, "networkName": name}));
        let compiled = compiled_for(&document(&[network]), Role::Master, &facts(ONE));
        assert_no_errors(&compiled);
        let ports = in_menu(&of(&compiled, "system.wireless"), "/interface/bridge/port");
        assert_eq!(ports[0].text("bridge"), Some(bridge), "{target} {name}");
        assert!(ports[0].takes_over, "radios are ports of the bridge that routers come with");
    }
}

#[test]
fn wireless_networks_that_cannot_be_are_mistakes() {
    let error = |network: Json, facts: &Facts| {
        issues(&compiled_for(&document(&[network]), Role::Master, facts), Severity::Error).join("; ")
    };
    let here = "$.lan.wireless[0]: ";
    let elsewhere = wireless("x", json!({"networkName": "Guest", "wifiTarget": "VPN"}));
    assert_eq!(
        error(elsewhere, &facts(ONE)),
        format!("{here}there is no network VPN-Guest: lan.subnets has no addresses for it")
    );
    assert_eq!(
        error(wireless("x", json!({})), &facts(&[])),
        format!("{here}this router has no radios that /interface/wifi knows")
    );
    let old = Facts { release: Release { major: 7, minor: 12 }, ..facts(&[]) };
    assert_eq!(
        error(wireless("x", json!({})), &old),
        format!("{here}RouterOS 7.12 has no /interface/wifi, which wireless networks need")
    );
    assert_eq!(error(wireless("x", json!({"isDisabled": true})), &facts(&[])), "");
}

#[test]
fn older_releases_are_not_asked_what_they_do_not_know() {
    let facts = Facts { release: Release { major: 7, minor: 14 }, ..facts(ONE) };
    let compiled = compiled_for(&document(&[wireless("x", json!({}))]), Role::Master, &facts);
    assert_eq!(compiled.issues, []);
    assert!(!show(&compiled.steps).contains("installation"));
}

#[test]
fn a_radio_that_is_an_uplink_has_virtual_networks_alone() {
    for name in ["wifi2.4", "WiFi2.4", "wifi2"] {
        let mut document = document(&[wireless("Home", json!({}))]);
        document["wan"] = json!({"wanLink": {"foreign": {"wanConfigs": [{
            "name": "up",
            "interfaceConfig": {"interfaceName": name, "wirelessCredentials": {"ssid": "theirs", "password": "theirs-too"}},
            "connectionConfig": {"isDhcp": true},
        }]}}});
        let facts = facts(&[("wifi1", Band::Five), ("wifi2", Band::Two)]);
        let compiled = compiled_for(&document, Role::Master, &facts);
        let steps = of(&compiled, "system.wireless");
        let own = in_menu(&steps, "/interface/wifi/configuration");
        let own: Vec<_> = own.iter().map(|step| step.text("name").unwrap()).collect();
        assert_eq!(own, ["cfg-Home-5", "cfg-Home-2.4-slave"], "{name}");
        let interfaces = show(&in_menu(&steps, "/interface/wifi"));
        assert!(interfaces.contains("+ /interface/wifi name=wifi2.4-Home master-interface=wifi2.4 "), "{interfaces}");
    }
}

/// The document of a master with a slave, without uplinks.
fn trunk(kind: &str, ports: [&str; 2]) -> Json {
    let mut document = document(&[wireless("Home", json!({}))]);
    let subnets = &mut document["lan"]["subnets"];
    subnets["baseSubnets"] = json!({"split": {"name": "Split", "subnet": "192.168.10.0/24"}});
    subnets["vpnClientSubnets"] = json!({"l2tp": [{"name": "Exit", "subnet": "192.168.44.0/24"}]});
    subnets["domesticSubnets"] = json!([{"name": "Flat", "subnet": "10.20.0.0/24"}]);
    document["choose"] = json!({"routerMode": "Trunk Mode", "trunkInterfaceType": kind, "routerModels": [
        {"isMaster": true, "masterSlaveInterface": ports[0], "interfaces": {"interfaces": {"ethernet": ["ether2", "ether8"]}}},
        {"isMaster": false, "masterSlaveInterface": ports[1],
         "interfaces": {"interfaces": {"ethernet": ["ether1", "ether2"], "wireless": ["wifi2.4"]}}},
    ]});
    document
}

fn trunk_steps(compiled: &Compiled) -> Vec<Step> {
    of(compiled, "lan.trunk")
}

#[test]
fn a_master_has_a_vlan_for_each_network_on_its_trunk_port() {
    let compiled = compiled_for(&trunk("wired", ["ether8", "ether1"]), Role::Master, &facts(ONE));
    assert_no_errors(&compiled);
    assert_shown(
        &trunk_steps(&compiled),
        r#"= /interface/ethernet [name=ether8] comment="Trunk Interface" (optional)
           + /interface/vlan name=VLAN10-ether8-Split vlan-id=10 interface=ether8
           + /interface/bridge/port interface=VLAN10-ether8-Split bridge=LANBridgeSplit
           + /interface/vlan name=VLAN31-ether8-Foreign-Guest vlan-id=31 interface=ether8 (optional)
           + /interface/bridge/port interface=VLAN31-ether8-Foreign-Guest bridge=LANBridgeForeign-Guest (optional)
           + /interface/vlan name=VLAN44-ether8-L2TP-Client-Exit vlan-id=44 interface=ether8 (optional)
           + /interface/bridge/port interface=VLAN44-ether8-L2TP-Client-Exit bridge=LANBridgeVPN-Exit (optional)
           + /interface/bridge/port interface=ether8 bridge=LANBridgeSplit (optional)"#,
    );
    let warning = Documents.validate(&trunk("wired", ["ether8", "ether1"]));
    let path = "$.lan.subnets.domesticSubnets[0].subnet";
    assert!(warning.iter().any(|issue| issue.path == path && issue.severity == Severity::Warning), "{warning:?}");
}

#[test]
fn a_slave_is_a_host_of_every_network_and_bridges_them() {
    let document = trunk("", ["ether8", "ether1"]);
    let compiled = compiled_for(&document, Role::Slave(1), &facts(ONE));
    assert_no_errors(&compiled);
    assert_shown(
        &trunk_steps(&compiled),
        r#"= /interface/ethernet [name=ether1] comment="Trunk Interface" (optional)
           - /interface/bridge/port [interface=ether1]
           + /interface/bridge name=LANBridgeSplit
           + /interface/list name=LAN
           + /interface/list/member list=LAN interface=LANBridgeSplit (optional)
           + /interface/list name=Split-LAN
           + /interface/list/member list=Split-LAN interface=LANBridgeSplit (optional)
           + /interface/bridge name=LANBridgeForeign-Guest (optional)
           + /interface/list/member list=LAN interface=LANBridgeForeign-Guest (optional)
           + /interface/list name=Foreign-Guest-LAN
           + /interface/list/member list=Foreign-Guest-LAN interface=LANBridgeForeign-Guest (optional)
           + /interface/bridge name=LANBridgeDomestic-Flat (optional)
           + /interface/list/member list=LAN interface=LANBridgeDomestic-Flat (optional)
           + /interface/list name=Domestic-Flat-LAN
           + /interface/list/member list=Domestic-Flat-LAN interface=LANBridgeDomestic-Flat (optional)
           + /interface/bridge name=LANBridgeVPN-Exit (optional)
           + /interface/list/member list=LAN interface=LANBridgeVPN-Exit (optional)
           + /interface/list name=VPN-Exit-LAN
           + /interface/list/member list=VPN-Exit-LAN interface=LANBridgeVPN-Exit (optional)
           + /interface/vlan name=VLAN10-ether1-Split vlan-id=10 interface=ether1
           + /interface/bridge/port interface=VLAN10-ether1-Split bridge=LANBridgeSplit
           + /interface/vlan name=VLAN31-ether1-Foreign-Guest vlan-id=31 interface=ether1 (optional)
           + /interface/bridge/port interface=VLAN31-ether1-Foreign-Guest bridge=LANBridgeForeign-Guest (optional)
           + /interface/vlan name=VLAN44-ether1-L2TP-Client-Exit vlan-id=44 interface=ether1 (optional)
           + /interface/bridge/port interface=VLAN44-ether1-L2TP-Client-Exit bridge=LANBridgeVPN-Exit (optional)
           + /ip/dhcp-client interface=LANBridgeSplit add-default-route=yes use-peer-dns=yes disabled=no (optional)
           + /ip/dhcp-client interface=LANBridgeForeign-Guest add-default-route=no use-peer-dns=no disabled=no (optional)
           + /ip/dhcp-client interface=LANBridgeVPN-Exit add-default-route=no use-peer-dns=no disabled=no (optional)"#,
    );
    let others = compiled.steps.iter().filter(|step| !step.resource.starts_with("lan.trunk"));
    assert!(others.clone().all(|step| step.resource == "system.wireless.0"), "{:?}", others.collect::<Vec<_>>());
}

#[test]
fn a_slave_has_the_ports_that_it_has() {
    let mut document = trunk("wired", ["ether8", "ether1"]);
    document["lan"]["interface"] = json!([
        {"name": "ether1", "bridge": "Split"}, {"name": "ether2", "bridge": "Split"}, {"name": "ether3", "bridge": "Split"},
    ]);
    let compiled = compiled_for(&document, Role::Slave(1), &facts(ONE));
    assert_no_errors(&compiled);
    assert_shown(
        &in_menu(&of(&compiled, "lan.interface"), "/interface/bridge/port"),
        "+ /interface/bridge/port interface=ether2 bridge=LANBridgeSplit",
    );
    let warnings = issues(&compiled, Severity::Warning);
    for expected in [
        "$.lan.interface[0]: ether1 is left out on this router: it leads to the master",
        "$.lan.interface[2]: ether3 is left out on this router: it is none of its interfaces",
    ] {
        assert!(warnings.contains(&expected.to_owned()), "{warnings:?}");
    }
}

#[test]
fn a_trunk_by_radio_is_a_hidden_network_that_the_slave_joins() {
    let document = trunk("wireless", ["wifi5", "wifi2.4"]);
    let master = compiled_for(&document, Role::Master, &facts(ONE));
    assert_no_errors(&master);
    let steps = trunk_steps(&master);
    assert_shown(
        &steps[..6],
        r#"+ /interface/wifi/security name=sec-Trunk-2.4 authentication-types=wpa2-psk,wpa3-psk passphrase=<secret>
           + /interface/wifi/configuration name=cfg-Trunk-2.4 ssid=Home! security=sec-Trunk-2.4 hide-ssid=yes mode=ap installation=indoor
           = /interface/wifi [default-name=wifi1] name=wifi2.4 disabled=no configuration=cfg-Home-2.4 security=sec-Home-2.4
           + /interface/wifi name=wifi2.4-Trunk master-interface=wifi2.4 configuration=cfg-Trunk-2.4 security=sec-Trunk-2.4 disabled=no
           + /interface/vlan name=VLAN10-wifi2.4-Trunk-Split vlan-id=10 interface=wifi2.4-Trunk
           + /interface/bridge/port interface=VLAN10-wifi2.4-Trunk-Split bridge=LANBridgeSplit"#,
    );
    assert_eq!(steps[0].text("passphrase"), Some("a-good-password!"));
    assert_shown(
        &steps[steps.len() - 1..],
        "+ /interface/bridge/port interface=wifi2.4-Trunk bridge=LANBridgeSplit (optional)",
    );

    let slave = compiled_for(&document, Role::Slave(1), &facts(ONE));
    assert_no_errors(&slave);
    let steps = trunk_steps(&slave);
    assert_shown(
        &steps[..1],
        "= /interface/wifi [default-name=wifi1] name=wifi2.4 disabled=no configuration.mode=station-bridge configuration.ssid=Home! \
         security.authentication-types=wpa2-psk,wpa3-psk security.passphrase=<secret>",
    );
    assert_eq!(steps[0].text("security.passphrase"), Some("a-good-password!"));
    assert!(show(&steps).contains("+ /interface/vlan name=VLAN10-wifi2.4-Split vlan-id=10 interface=wifi2.4\n"));
    // The radio is the master's guest, so the network of its own is virtual.
    let own = in_menu(&of(&slave, "system.wireless"), "/interface/wifi");
    assert_shown(
        &own,
        "+ /interface/wifi name=wifi2.4-Home master-interface=wifi2.4 configuration=cfg-Home-2.4-slave security=sec-Home-2.4-slave disabled=no",
    );
}

#[test]
fn a_master_without_radios_leaves_the_air_to_its_slaves() {
    let compiled = compiled_for(&trunk("wired", ["ether8", "ether1"]), Role::Master, &facts(&[]));
    assert_no_errors(&compiled);
    assert!(of(&compiled, "system.wireless").is_empty());
    let expected = "$.lan.wireless[0]: this router has no radios; the wireless network is on its slaves alone";
    assert!(issues(&compiled, Severity::Warning).contains(&expected.to_owned()));
}

#[test]
fn trunks_that_cannot_be_are_mistakes() {
    let errors = |document: &Json, role: Role| issues(&compiled_for(document, role, &facts(ONE)), Severity::Error);
    let wired = trunk("wired", ["ether8", "ether1"]);
    assert!(errors(&wired, Role::Slave(2))[0].starts_with("$.choose.routerModels[2]: "));
    assert!(errors(&wired, Role::Slave(0))[0].contains("is the master"));
    assert_eq!(
        errors(&trunk("string", ["ether8", "ether1"]), Role::Master),
        ["$.choose.trunkInterfaceType: \"string\" is no kind of trunk, wired and wireless are"]
    );
    let by_air = trunk("wireless", ["wifi5", "wifi2.4"]);
    let elsewhere = trunk("wireless", ["wifi5", "wifi5"]);
    assert!(errors(&elsewhere, Role::Slave(1))[0].contains("this router has no radio \"wifi5\""));
    let mut long = by_air.clone();
    long["lan"]["wireless"][0]["ssid"] = json!("a".repeat(32));
    assert!(errors(&long, Role::Master)[0].contains("longer than 32 bytes"));
    let mut secret = by_air.clone();
    secret["lan"]["wireless"][0]["password"] = json!("p".repeat(63));
    assert!(errors(&secret, Role::Slave(1))[0].contains("more than 63 characters"));
    let mut silent = by_air;
    silent["lan"]["wireless"] = json!([]);
    assert!(errors(&silent, Role::Master)[0].contains("but there is none"));
}

#[test]
fn a_document_says_which_router_it_is_for() {
    let mut document = trunk("wired", ["ether8", "ether1"]);
    let resources = |document: &Json| -> Vec<String> {
        let compiled = Documents.steps(document, &facts(ONE));
        compiled.steps.iter().map(|step| step.resource.clone()).filter(|kind| kind.starts_with("lan.trunk")).collect()
    };
    assert!(resources(&document).iter().all(|kind| kind == "lan.trunk.master"));
    document["choose"]["router"] = json!(1);
    let slave = resources(&document);
    assert!(!slave.is_empty() && slave.iter().all(|kind| kind == "lan.trunk.slave"));
    document["choose"]["router"] = json!(2);
    let found = Documents.validate(&document);
    assert!(found.iter().any(|issue| issue.path == "$.choose.routerModels[2]" && issue.severity == Severity::Error));
    assert_eq!(Documents.steps(&document, &facts(ONE)).steps, []);
}

#[test]
fn without_a_trunk_port_there_is_no_trunk() {
    let document = trunk("wired", ["", "ether1"]);
    assert!(trunk_steps(&compiled(&document)).is_empty());
    let mut alone = trunk("wired", ["ether8", "ether1"]);
    alone["choose"]["routerMode"] = json!("AP Mode");
    assert!(trunk_steps(&compiled(&alone)).is_empty());
}

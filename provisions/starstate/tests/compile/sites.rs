//! Tunnels between sites.

use serde_json::{Value as Json, json};
use starstate::compile::{Compiled, Facts};
use starstate::issue::Severity;
use starstate::role::Role;

use super::{assert_no_errors, assert_shown, compiled, compiled_for, issues, lan, of};

fn document(kind: &str, tunnel: Json, subnet: &str) -> Json {
    let planned = json!([{"name": tunnel["name"].as_str().unwrap().to_uppercase(), "subnet": subnet}]);
    json!({"lan": {
        "tunnel": {kind: [tunnel]},
        "subnets": {"baseSubnets": lan::subnets(), "tunnelSubnets": {kind: planned}},
    }})
}

fn with(kind: &str, more: Json) -> Compiled {
    let mut tunnel = json!({"name": "site", "remoteAddress": "203.0.113.9", "networkType": "Foreign"});
    for (name, value) in more.as_object().unwrap() {
        tunnel[name] = value.clone();
    }
    compiled(&document(kind, tunnel, "192.168.170.0/30"))
}

#[test]
fn a_tunnel_has_an_address_and_belongs_to_a_network() {
    let compiled = with("ipip", json!({"comment": " to the cabin "}));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "tunnel."),
        "+ /interface/ipip name=site remote-address=203.0.113.9 disabled=no | to the cabin
         + /ip/address address=192.168.170.1/30 interface=site
         + /interface/list/member list=LAN interface=site (optional)
         + /interface/list/member list=Foreign-LAN interface=site (optional)
         + /ip/firewall/address-list list=Foreign-LAN address=192.168.170.0/30",
    );
}

/// The arguments of the interface behind the remote address, or behind the name, and the address.
fn interface(compiled: &Compiled) -> String {
    let shown = super::show(&of(compiled, "tunnel."));
    let lines: Vec<&str> = shown.lines().collect();
    let first = lines[0].split_once("remote-address=203.0.113.9").map_or(lines[0], |(_, rest)| rest.trim());
    let address = lines.iter().find_map(|line| line.split_once("/ip/address address=")).map_or("", |(_, rest)| rest);
    format!("{first}; {}", address.split(' ').next().unwrap_or_default())
}

#[test]
fn options_of_tunnels_over_ip() {
    let base = "192.168.170.1/30";
    let secret = "a secret of both sites";
    for kind in ["ipip", "gre"] {
        for (more, expected) in [
            (json!({"localAddress": "192.0.2.50"}), format!("local-address=192.0.2.50 disabled=no; {base}")),
            (json!({"localAddress": "192.168.170.2/30"}), "disabled=no; 192.168.170.2/30".to_owned()),
            (json!({"mtu": 1400, "enabled": false}), format!("mtu=1400 disabled=yes; {base}")),
            (json!({"enabled": true, "disabled": true}), format!("disabled=yes; {base}")),
            (json!({"allowFastPath": true}), format!("allow-fast-path=yes disabled=no; {base}")),
            (
                json!({"allowFastPath": true, "ipsecSecret": secret}),
                format!("allow-fast-path=no ipsec-secret=<secret> disabled=no; {base}"),
            ),
            (json!({"keepAlive": 10}), format!("keepalive=10s,10 disabled=no; {base}")),
            (json!({"keepalive": "90,5"}), format!("keepalive=1m30s,5 disabled=no; {base}")),
            (
                json!({"clampTcpMss": false, "dscp": 46, "dontFragment": "inherit"}),
                format!("clamp-tcp-mss=no dscp=46 dont-fragment=inherit disabled=no; {base}"),
            ),
        ] {
            let compiled = with(kind, more.clone());
            assert_no_errors(&compiled);
            assert_eq!(interface(&compiled), expected, "{kind} {more}");
            assert!(!format!("{compiled:?}").contains(secret));
        }
    }
}

#[test]
fn options_of_eoip() {
    let more = json!({
        "tunnelId": 77, "mtu": 1458, "macAddress": "02:00:5E:10:00:01", "arp": "proxy-arp", "arpTimeout": 90,
        "loopProtect": "on", "loopProtectDisableTime": 300, "loopProtectSendInterval": 5,
    });
    let compiled = with("eoip", more);
    assert_no_errors(&compiled);
    assert_eq!(
        interface(&compiled),
        "mtu=1458 disabled=no tunnel-id=77 mac-address=02:00:5E:10:00:01 arp=proxy-arp arp-timeout=1m30s loop-protect=on \
         loop-protect-disable-time=5m loop-protect-send-interval=5s; 192.168.170.1/30"
    );
}

#[test]
fn a_vxlan_knows_its_other_ends() {
    let ends = |more: Json| {
        let compiled = with("vxlan", more);
        assert_no_errors(&compiled);
        let mut steps = of(&compiled, "tunnel.");
        steps.retain(|step| step.path.starts_with("/interface/vxlan"));
        super::show(&steps)
    };
    assert_eq!(
        ends(json!({"vni": 100})),
        "+ /interface/vxlan name=site vni=100 disabled=no\n+ /interface/vxlan/vteps interface=site remote-ip=203.0.113.9\n"
    );
    assert_eq!(
        ends(
            json!({"vni": 100, "port": 8472, "vteps": ["203.0.113.14", {"remoteAddress": "203.0.113.15", "comment": "east"}]})
        ),
        "+ /interface/vxlan name=site vni=100 port=8472 disabled=no\n\
         + /interface/vxlan/vteps interface=site remote-ip=203.0.113.14\n\
         + /interface/vxlan/vteps interface=site remote-ip=203.0.113.15 | east\n"
    );
    assert_eq!(
        ends(
            json!({"vni": 100, "bumMode": "multicast", "group": "239.1.1.1", "interface": "ether5", "localAddress": "192.0.2.5"})
        ),
        "+ /interface/vxlan name=site vni=100 local-address=192.0.2.5 interface=ether5 group=239.1.1.1 disabled=no\n"
    );
    let all = json!({
        "vni": 7, "mtu": 1450, "hw": false, "learning": true, "arp": "enabled", "macAddress": "02:00:5E:10:00:02",
        "maxFdbSize": 512, "checkSum": true, "ttl": 32, "vrf": "main", "vtepsIpVersion": "ipv4", "bridge": "Foreign",
        "bridgePvid": 1,
    });
    assert_eq!(
        ends(all.clone()).lines().next().unwrap(),
        "+ /interface/vxlan name=site vni=7 mtu=1450 hw=no learning=yes arp=enabled mac-address=02:00:5E:10:00:02 \
         max-fdb-size=512 checksum=yes ttl=32 vtep-vrf=main vteps-ip-version=ipv4 bridge=LANBridgeForeign bridge-pvid=1 \
         disabled=no"
    );
    let mut tunnel = all;
    tunnel["name"] = json!("site");
    tunnel["remoteAddress"] = json!("203.0.113.9");
    let facts = Facts { release: "7.19".parse().unwrap(), ..Facts::newest() };
    let older = compiled_for(&document("vxlan", tunnel, ""), Role::Master, &facts);
    assert_no_errors(&older);
    let interface = older.steps.iter().find(|step| step.path == "/interface/vxlan").unwrap();
    assert_eq!((interface.text("vrf"), interface.text("vtep-vrf")), (Some("main"), None));
}

#[test]
fn tunnels_that_cannot_be_are_mistakes() {
    for (kind, more, message) in [
        ("ipip", json!({"remoteAddress": ""}), "a tunnel needs a remoteAddress"),
        ("ipip", json!({"localAddress": "x"}), "localAddress \"x\" is no address"),
        ("gre", json!({"keepalive": "often"}), "\"often\" is no keepalive such as 10, or 10s,10"),
        ("gre", json!({"dscp": 64}), "\"64\" is no dscp, inherit and 0 to 63 are"),
        ("ipip", json!({"dontFragment": "yes"}), "\"yes\" is no dontFragment, inherit and no are"),
        ("eoip", json!({"tunnelId": 1, "arpTimeout": -1}), "arpTimeout is less than 0"),
        ("vxlan", json!({"vni": 1, "bumMode": "anycast"}), "\"anycast\" is no bumMode, unicast and multicast are"),
        (
            "vxlan",
            json!({"vni": 1, "bumMode": "multicast", "group": "10.0.0.1"}),
            "a VXLAN by multicast needs an interface, and a multicast address as group",
        ),
        ("vxlan", json!({"vni": 1, "vteps": ["far"]}), "\"far\" is no address of another end of the VXLAN"),
        ("vxlan", json!({"vni": 1, "remoteAddress": ""}), "a VXLAN needs a remoteAddress or vteps"),
    ] {
        let found = issues(&with(kind, more.clone()), Severity::Error);
        assert_eq!(found, [format!("$.lan.tunnel.{kind}[0]: {message}")], "{more}");
    }
    let found = issues(&with("gre", json!({"networkType": "Mars"})), Severity::Error);
    assert_eq!(found, ["$.lan.tunnel.gre[0].networkType: there is no network \"Mars\""]);
    let planned = document("gre", json!({"name": "site", "remoteAddress": "203.0.113.9"}), "192.168.170.0/33");
    assert!(issues(&compiled(&planned), Severity::Error)[0].contains("192.168.170.0/33"));
    for kind in ["eoip", "vxlan"] {
        assert!(!issues(&with(kind, json!({})), Severity::Error).is_empty(), "{kind} without a number");
    }
}

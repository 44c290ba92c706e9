//! Whether what documents say makes sense together: one mistake after the other in a document without any.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod fields;
mod networks;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../texts/mod.rs"]
mod texts;
mod vpn;

use serde_json::{Value as Json, json};
use starstate::documents::Documents;
use starstate::issue::{Issue, Severity};
use starstate::session::Compile as _;
use starstate::state;

const KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

const OTHER_KEY: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

/// A document that is right.
fn good() -> Json {
    let link = |name: &str, port: &str| json!({ "name": name, "interfaceConfig": { "interfaceName": port }, "connectionConfig": { "isDhcp": true } });
    let subnet = |name: &str, subnet: &str| json!({ "name": name, "subnet": subnet });
    json!({
        "choose": {
            "mode": "advance", "firmware": "MikroTik", "wanLinkType": "both", "routerMode": "AP Mode",
            "routerModels": [
                { "isMaster": true, "model": "a", "masterSlaveInterface": "ether5", "interfaces": {} },
                { "isMaster": false, "model": "b", "masterSlaveInterface": "ether1", "interfaces": {} },
            ],
        },
        "wan": {
            "wanLink": {
                "domestic": { "wanConfigs": [{
                    "name": "Fiber",
                    "interfaceConfig": { "interfaceName": "ether1", "vlanId": 35, "macAddress": "02:00:5E:10:00:01" },
                    "connectionConfig": { "static": { "ipAddress": "192.0.2.10", "subnet": "255.255.255.0", "gateway": "192.0.2.1" } },
                }] },
                "foreign": { "wanConfigs": [
                    link("Sat", "ether2"),
                    {
                        "name": "Dsl", "interfaceConfig": { "interfaceName": "ether3" },
                        "connectionConfig": { "pppoe": { "username": "u", "password": "p" } },
                    },
                ] },
            },
            "vpnClient": {
                "wireguard": [{
                    "name": "wg", "interfacePrivateKey": KEY, "interfaceAddress": "10.66.0.2/32", "interfaceListenPort": 13240,
                    "peerPublicKey": OTHER_KEY, "peerPresharedKey": KEY, "peerEndpointAddress": "vpn.example.com",
                    "peerEndpointPort": 51820, "peerAllowedIps": "0.0.0.0/0, ::/0",
                    "wanInterface": { "wanType": "Foreign", "wanName": "Sat" },
                }],
                "l2tp": [{
                    "name": "l2", "server": { "address": "192.0.2.200", "port": 1701 },
                    "credentials": { "username": "u", "password": "p" }, "useIpsec": true, "ipsecSecret": "s",
                }],
                "ikev2": [{
                    "name": "ik", "serverAddress": "ike.example.com", "authMethod": "pre-shared-key", "presharedKey": "s",
                }],
            },
        },
        "lan": {
            "wireless": [{
                "ssid": "Home", "password": "maple-tree-22", "isHide": false, "isDisabled": false, "splitBand": false,
                "wifiTarget": "Split", "networkName": "",
            }],
            "interface": [{ "name": "ether4", "bridge": "Foreign-Guest" }],
            "subnets": {
                "baseSubnets": {
                    "split": subnet("Split", "192.168.10.0/24"), "domestic": subnet("Domestic", "192.168.20.0/24"),
                    "foreign": subnet("Foreign", "192.168.30.0/24"), "vpn": subnet("VPN", "192.168.40.0/24"),
                },
                "foreignSubnets": [subnet("Guest", "192.168.31.0/24"), subnet("Sat", "192.168.32.0/24")],
                "vpnClientSubnets": { "wireguard": [subnet("wg", "192.168.41.0/24")] },
                "vpnServerSubnets": { "l2tp": subnet("l2tp", "192.168.150.0/24") },
                "tunnelSubnets": { "gre": [subnet("g1", "192.168.190.0/30")] },
            },
            "tunnel": {
                "gre": [{ "name": "g1", "localAddress": "", "remoteAddress": "192.0.2.77" }],
                "ipip": [{ "name": "i1", "localAddress": "", "remoteAddress": "192.0.2.78" }],
            },
            "vpnServer": {
                "certificatePassphrase": "s",
                "users": [{ "username": "ann", "password": "p", "vpnType": ["SSTP", "L2TP", "OpenVPN", "PPTP"] }],
                "l2tpServer": { "enabled": true, "useIpsec": "required", "ipsecSecret": "s" },
                "sstpServer": { "enabled": true, "certificate": "own", "listenPort": 4443 },
                "openVpnServer": [{ "enabled": true, "protocol": "UDP", "name": "a", "certificates": { "cert": "own" } }],
                "pptpServer": { "enabled": false },
                "ikev2Server": { "enabled": true, "ipsecIdentity": { "type": "psk", "content": "s" } },
                "wireguardServers": [{
                    "name": "road", "interface": { "privateKey": KEY, "address": "10.10.10.1/24", "listenPort": 13231 },
                    "peers": [{ "publicKey": OTHER_KEY, "allowedIps": "10.10.10.2/32" }],
                }],
            },
        },
        "extra": {
            "certificateConfig": { "enabled": false, "selfSigned": true },
            "serviceConfig": { "services": { "winbox": { "type": "Local" }, "webSsl": { "type": "Disable", "port": 4443 } } },
        },
    })
}

/// Writes a value to the place that a JSON pointer names, and makes what is missing on the way.
fn put(document: &mut Json, pointer: &str, value: Json) {
    let mut place = document;
    for key in pointer.split('/').skip(1) {
        let number = key.parse::<usize>();
        if place.is_null() && number.is_ok() {
            *place = json!([]);
        }
        place = match place {
            Json::Array(items) => {
                let number = number.unwrap();
                items.resize(items.len().max(number + 1), Json::Null);
                &mut items[number]
            }
            object => &mut object[key],
        };
    }
    *place = value;
}

fn changed(changes: &[(&str, Json)]) -> Json {
    let mut document = good();
    changes.iter().for_each(|(pointer, value)| put(&mut document, pointer, value.clone()));
    document
}

/// All that a session says about a document: its reader, the rules for all of it, and what makes steps of its parts.
fn validated(document: &Json) -> Vec<Issue> {
    Documents.validate(document)
}

#[track_caller]
fn check(changes: &[(&str, Json)], expected: &[&str]) {
    let found: Vec<String> = validated(&changed(changes)).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{changes:?}");
}

#[test]
fn a_good_document_is_good() {
    let document = good();
    let read = state::read(&document);
    assert_eq!(read.issues, []);
    check(&[], &[]);
}

#[test]
fn the_documents_are_good() {
    let mut found = String::new();
    for (name, text) in texts::documents() {
        for issue in validated(&serde_json::from_str(&text).unwrap()) {
            assert_ne!(issue.severity, Severity::Error, "{name}: {issue}");
            let line = match issue.message.as_str() {
                "has no effect on the router" => format!("{} without effect", issue.path),
                _ => issue.to_string(),
            };
            found.push_str(&format!("{} {line}\n", &name[..2]));
        }
    }
    let expected = [
        "04 $.wan.wanLink.domestic.wanConfigs[0].weight without effect",
        "04 $.wan.wanLink.domestic.wanConfigs[1].weight without effect",
        "04 $.wan.wanLink.domestic.wanConfigs[2].weight without effect",
        "05 $.wan.vpnClient.openVpn[0].authType without effect",
        "07 warning: $.lan.vpnServer.pptpServer: PPTP can be broken by whoever listens; L2TP with IPsec, SSTP, OpenVPN and WireGuard cannot",
        "07 warning: $.lan.vpnServer.openVpnServer[1].network: users get addresses of ovpn-udp, whichever OpenVPN server they call",
        "08 $.wan.wanLink.domestic.wanConfigs[0].weight without effect",
        "08 $.wan.wanLink.domestic.wanConfigs[1].weight without effect",
        "08 $.wan.vpnClient.openVpn[0].authType without effect",
        "08 $.wan.vpnClient.ikev2[0].requestAddressPool without effect",
        "08 $.extra.routerIdentity.routerComment without effect",
        "08 $.extra.ruiConfig.enabled without effect",
        "08 $.extra.ruiConfig.port without effect",
        "08 $.extra.ruiConfig.theme without effect",
        "08 $.extra.ruiConfig.languageCode without effect",
        "08 $.extra.ruiConfig.sessionTimeout without effect",
        "08 $.extra.certificateConfig.autoRenew without effect",
        "08 $.extra.certificateConfig.renewalDaysBefore without effect",
        "08 $.extra.ntpConfig.interval without effect",
        "08 $.extra.ntpConfig.synchronize without effect",
        "08 warning: $.lan.vpnServer.pptpServer: PPTP can be broken by whoever listens; L2TP with IPsec, SSTP, OpenVPN and WireGuard cannot",
        "08 warning: $.wan.vpnClient.sstp[0].tlsVersion: RouterOS knows no version \"only-1.3\"; it is only-1.2",
        "08 warning: $.wan.vpnClient.ikev2[0]: no route leads through IKEv2: what the network VPN-ik-a sends is dropped",
        "08 warning: $.lan.vpnServer.openVpnServer[1].network: users get addresses of ovpn-udp, whichever OpenVPN server they call",
        "08 warning: $.lan.tunnel.ipip[0]: allowFastPath has no effect on a tunnel with an ipsecSecret",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn first_choices() {
    let one = json!([{ "isMaster": true, "model": "a", "masterSlaveInterface": "ether5", "interfaces": {} }]);
    let trunk = ("/choose/routerMode", json!("Trunk Mode"));
    for (changes, expected) in [
        (
            vec![("/choose/firmware", json!("OpenWRT"))],
            "error: $.choose.firmware: OpenWRT is not configured here, only MikroTik",
        ),
        (
            vec![("/choose/wanLinkType", json!("foreign"))],
            "warning: $.choose.wanLinkType: says foreign, but there is a Domestic link",
        ),
        (
            vec![("/choose/wanLinkType", json!("domestic"))],
            "warning: $.choose.wanLinkType: says domestic, but there is a Foreign link",
        ),
        (
            vec![("/wan/wanLink/domestic", Json::Null)],
            "warning: $.choose.wanLinkType: says both, but there is no Domestic link",
        ),
        (
            vec![trunk.clone(), ("/choose/routerModels", Json::Null)],
            "error: $.choose.routerModels: Trunk Mode needs the routers and the interfaces between them",
        ),
        (
            vec![trunk.clone(), ("/choose/routerModels/0/masterSlaveInterface", json!(" "))],
            "error: $.choose.routerModels[0].masterSlaveInterface: is needed in Trunk Mode: the master's interface to the slaves",
        ),
        (
            vec![trunk, ("/choose/routerModels", one)],
            "warning: $.choose.routerModels: there is no slave at the other end of the trunk",
        ),
    ] {
        // Nothing else shall need the links.
        let changes = [changes, vec![("/wan/vpnClient/wireguard/0/wanInterface", Json::Null)]].concat();
        check(&changes, &[expected]);
    }
}

#[test]
fn names() {
    let long = "x".repeat(33);
    for (pointer, name, path, message) in [
        (
            "/wan/wanLink/foreign/wanConfigs/0/name",
            "",
            "$.wan.wanLink.foreign.wanConfigs[0].name",
            "is needed: a name".to_owned(),
        ),
        (
            "/wan/wanLink/foreign/wanConfigs/0/name",
            "a\"b",
            "$.wan.wanLink.foreign.wanConfigs[0].name",
            r#""a\"b" has the character '"', which no name can have"#.to_owned(),
        ),
        (
            "/wan/wanLink/foreign/wanConfigs/0/name",
            "a\nb",
            "$.wan.wanLink.foreign.wanConfigs[0].name",
            r#""a\nb" has the character '\n', which no name can have"#.to_owned(),
        ),
        (
            "/wan/wanLink/foreign/wanConfigs/0/name",
            "a\\b",
            "$.wan.wanLink.foreign.wanConfigs[0].name",
            r#""a\\b" has the character '\\', which no name can have"#.to_owned(),
        ),
        (
            "/wan/wanLink/foreign/wanConfigs/0/name",
            "a,b",
            "$.wan.wanLink.foreign.wanConfigs[0].name",
            r#""a,b" has the character ',', which no name can have"#.to_owned(),
        ),
        (
            "/wan/wanLink/domestic/wanConfigs/0/name",
            long.as_str(),
            "$.wan.wanLink.domestic.wanConfigs[0].name",
            format!("{long:?} has 33 characters; a name has 32 at most"),
        ),
        (
            "/wan/wanLink/foreign/wanConfigs/1/name",
            "sat",
            "$.wan.wanLink.foreign.wanConfigs[1].name",
            r#"another Foreign link is called "Sat", too: $.wan.wanLink.foreign.wanConfigs[0].name"#.to_owned(),
        ),
        (
            "/wan/vpnClient/ikev2/0/name",
            "wg",
            "$.wan.vpnClient.ikev2[0].name",
            r#"another VPN client is called "wg", too: $.wan.vpnClient.wireguard[0].name"#.to_owned(),
        ),
        (
            "/lan/tunnel/gre/0/name",
            "i1",
            "$.lan.tunnel.gre[0].name",
            r#"another tunnel is called "i1", too: $.lan.tunnel.ipip[0].name"#.to_owned(),
        ),
        (
            "/lan/tunnel/gre/0/name",
            "a;b",
            "$.lan.tunnel.gre[0].name",
            r#""a;b" has the character ';', which no name can have"#.to_owned(),
        ),
        (
            "/lan/subnets/foreignSubnets/1/name",
            "Guest",
            "$.lan.subnets.foreignSubnets[1].name",
            r#"another Foreign network is called "Guest", too: $.lan.subnets.foreignSubnets[0].name"#.to_owned(),
        ),
        (
            "/lan/subnets/vpnClientSubnets/wireguard/0/name",
            "",
            "$.lan.subnets.vpnClientSubnets.wireguard[0].name",
            "is needed: a name".to_owned(),
        ),
        (
            "/lan/vpnServer/wireguardServers/0/name",
            "a%b",
            "$.lan.vpnServer.wireguardServers[0].name",
            r#""a%b" has the character '%', which no name can have"#.to_owned(),
        ),
        (
            "/lan/tunnel/gre/0/name",
            "pppoe-client-Dsl",
            "$.lan.tunnel.gre[0].name",
            r#"makes an interface "pppoe-client-Dsl", and so does $.wan.wanLink.foreign.wanConfigs[1]"#.to_owned(),
        ),
    ] {
        let changes = [(pointer, json!(name)), ("/wan/vpnClient/wireguard/0/wanInterface", Json::Null)];
        let found = validated(&changed(&changes));
        assert!(found.contains(&Issue::error(path, &*message)), "{pointer} {name:?}: {found:#?}");
    }
}

#[test]
fn what_a_router_has_besides() {
    for (changes, expected) in [
        (
            vec![("/extra/certificateConfig", json!({ "selfSigned": true, "letsEncrypt": true }))],
            "error: $.extra.certificateConfig: a certificate is either selfSigned or from letsEncrypt, not both",
        ),
        (
            vec![("/extra/serviceConfig/services/webSsl/type", json!("Enable"))],
            "error: $.extra.serviceConfig.services.webSsl.port: the service webSsl listens on tcp port 4443, and so does the SSTP server: $.lan.vpnServer.sstpServer.listenPort",
        ),
        (
            vec![("/extra/serviceConfig/services/api", json!({ "enabled": true, "port": 8291 }))],
            "error: $.extra.serviceConfig.services.winbox.port: the service winbox listens on tcp port 8291, and so does the service api: $.extra.serviceConfig.services.api.port",
        ),
        (
            vec![
                ("/extra/serviceConfig/services/web", json!({ "type": "Local", "port": 8080 })),
                ("/extra/usefulServices", json!({ "proxyEnabled": true })),
            ],
            "error: $.extra.usefulServices.proxyEnabled: the web proxy listens on tcp port 8080, and so does the service web: $.extra.serviceConfig.services.web.port",
        ),
    ] {
        check(&changes, &[expected]);
    }
}

#[test]
fn what_a_part_cannot_be_made_of_is_said_once() {
    let foreign = "/wan/wanLink/foreign";
    let at = "$.wan.wanLink.foreign";
    for (pointer, value, expected) in [
        (
            format!("{foreign}/wanConfigs/1/connectionConfig"),
            json!({}),
            format!(
                "error: {at}.wanConfigs[1].connectionConfig: no connection configuration: one of isDhcp, pppoe, static, lteSettings is needed"
            ),
        ),
        (
            format!("{foreign}/wanConfigs/1/connectionConfig/lteSettings"),
            json!({ "apn": "x" }),
            format!(
                "error: {at}.wanConfigs[1].connectionConfig: only one of isDhcp, pppoe, static, lteSettings is possible"
            ),
        ),
        (
            format!("{foreign}/wanConfigs/1/interfaceConfig/interfaceName"),
            json!(""),
            format!(
                "error: {at}.wanConfigs[1].interfaceConfig.interfaceName: is needed: the port that the link is plugged into"
            ),
        ),
        (
            format!("{foreign}/wanConfigs/1/connectionConfig"),
            json!({ "static": { "ipAddress": "x", "subnet": "24", "gateway": "192.0.2.1" } }),
            format!(
                "error: {at}.wanConfigs[1].connectionConfig.static.ipAddress: \"x\" is no address such as 192.0.2.1"
            ),
        ),
        (
            format!("{foreign}/multiLinkConfig"),
            json!({ "strategy": "Wheel" }),
            format!(
                "error: {at}.multiLinkConfig.strategy: \"Wheel\" is none of LoadBalance, Failover, RoundRobin, Both"
            ),
        ),
        (
            format!("{foreign}/multiLinkConfig"),
            json!({ "strategy": "LoadBalance" }),
            format!("error: {at}.multiLinkConfig: strategy LoadBalance needs a loadBalanceMethod"),
        ),
        (
            format!("{foreign}/multiLinkConfig"),
            json!({ "strategy": "LoadBalance", "loadBalanceMethod": "Bonding" }),
            format!("error: {at}.multiLinkConfig: loadBalanceMethod Bonding is not implemented"),
        ),
        (
            "/wan/wanLink/domestic/multiLinkConfig".to_owned(),
            json!({ "strategy": "Failover" }),
            "error: $.wan.wanLink.domestic.multiLinkConfig: several links are needed to share the traffic, but there are 1".to_owned(),
        ),
        (
            "/lan/subnets/baseSubnets/vpn/subnet".to_owned(),
            json!("x"),
            "error: $.lan.subnets.baseSubnets.vpn.subnet: \"x\" is no network such as 192.168.10.0/24".to_owned(),
        ),
        (
            "/lan/interface/0/bridge".to_owned(),
            json!("Foreign-Moon"),
            "error: $.lan.interface[0].bridge: there is no network Foreign-Moon".to_owned(),
        ),
        (
            "/extra/ruiConfig".to_owned(),
            json!({ "reboot": { "interval": "Daily", "time": "4 a.m." } }),
            "error: $.extra.ruiConfig.reboot.time: \"4 a.m.\" is no time of day such as 04:30".to_owned(),
        ),
        (
            "/extra/serviceConfig/services/winbox/port".to_owned(),
            json!(0),
            "error: $.extra.serviceConfig.services.winbox.port: 0 is no port".to_owned(),
        ),
    ] {
        let found: Vec<String> = validated(&changed(&[(&pointer, value)])).iter().map(ToString::to_string).collect();
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{pointer}: {found:#?}");
    }
}

#[test]
fn no_secret_is_in_a_message() {
    for (pointer, value) in [
        ("/wan/vpnClient/wireguard/0/interfacePrivateKey", json!("Fixture-key")),
        ("/wan/vpnClient/wireguard/0/peerPresharedKey", json!("Fixture-key")),
        ("/lan/wireless/0/password", json!("Fixture")),
        ("/lan/vpnServer/wireguardServers/0/interface/privateKey", json!("Fixture-key")),
    ] {
        let issues = validated(&changed(&[(pointer, value)]));
        assert_eq!(issues.len(), 1, "{pointer}");
        assert!(!format!("{issues:?}").contains("Fixture"), "{issues:?}");
    }
}

#[test]
fn a_session_hears_of_it() {
    let document = json!({
        "choose": { "mode": "easy", "firmware": "OpenWRT", "wanLinkType": "foreign", "routerMode": "AP Mode", "colour": 1 },
        "extra": { "ntpConfig": { "servers": ["a b"] } },
    });
    let issues: Vec<String> = Documents.validate(&document).iter().map(ToString::to_string).collect();
    let expected = [
        "warning: $.choose.colour: there is no such field; it has no effect",
        "error: $.choose.firmware: OpenWRT is not configured here, only MikroTik",
        "warning: $.choose.wanLinkType: says foreign, but there is no Foreign link",
        "error: $.extra.ntpConfig: \"a b\" is neither the name nor the address of a time server",
    ];
    assert_eq!(issues, expected);
}

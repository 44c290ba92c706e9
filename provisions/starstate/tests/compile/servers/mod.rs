//! VPN servers, their users, certificates.

mod certificates;
mod others;
mod ppp;

use serde_json::{Value as Json, json};
use starstate::compile::{Compiled, Facts};
use starstate::issue::Severity;
use starstate::role::Role;
use starstate::step::Step;

use super::{assert_no_errors, compiled, compiled_for, issues, of};
use crate::kit::{self, Attempt};
use crate::texts::documents;

/// A document with a server, and users for it.
fn with_server(key: &str, server: Json) -> Json {
    let users = json!([
        { "username": "ann", "password": "pass-ann", "vpnType": ["pptp", "Socks5", "SSH"] },
        { "username": "ben", "password": "pass-ben" },
        { "username": "cleo", "password": "pass-cleo", "vpnType": ["HTTPProxy"] },
    ]);
    json!({ "lan": { "vpnServer": { "users": users, key: server } } })
}

/// The servers of a document, and nothing else of it.
fn servers_of(name: &str) -> Json {
    let (_, text) = documents().into_iter().find(|(document, _)| document.starts_with(name)).unwrap();
    let document: Json = serde_json::from_str(&text).unwrap();
    json!({
        "lan": {
            "vpnServer": document["lan"]["vpnServer"],
            "subnets": { "vpnServerSubnets": document["lan"]["subnets"]["vpnServerSubnets"] },
        },
        "extra": { "certificateConfig": document["extra"]["certificateConfig"] },
    })
}

fn release(text: &str) -> Facts {
    Facts { release: text.parse().unwrap(), ..Facts::newest() }
}

/// The steps of servers but for certificates, which all make in the same way.
fn without_certificates(compiled: &Compiled) -> Vec<Step> {
    of(compiled, "vpn.").into_iter().filter(|step| step.path != "/certificate").collect()
}

#[test]
fn mistakes_are_named_with_their_place() {
    let mut document = with_server("pptpServer", json!({ "enabled": true }));
    let cases = [
        (
            "pptpServer",
            json!({ "network": { "name": "VPN", "subnet": "x" } }),
            ".network.subnet: \"x\" is no network such as 192.168.70.0/24",
        ),
        (
            "pptpServer",
            json!({ "network": { "name": "VPN", "subnet": "10.0.0.0/31" } }),
            ".network.subnet: a network needs two addresses for hosts",
        ),
        (
            "pptpServer",
            json!({ "network": { "name": "nowhere" } }),
            ".network: \"nowhere\" is no network of this document",
        ),
        ("pptpServer", json!({ "encryption": "rot13" }), ".encryption: \"rot13\" is none of required, yes, no"),
        ("pptpServer", json!({ "keepaliveTimeout": -1 }), ".keepaliveTimeout: -1 is not within 1 and 65535"),
        ("l2tpServer", json!({ "cookieLength": 5 }), ".cookieLength: 5 is none of 0, 4, 8"),
        ("sstpServer", json!({ "listenPort": 70000 }), ".listenPort: 70000 is not within 1 and 65535"),
        (
            "openVpnServer",
            json!({ "netmask": "abc" }),
            "[0].netmask: \"abc\" is no mask: 255.255.255.0, 24 and /24 are",
        ),
        (
            "openVpnServer",
            json!({ "ipv6Config": { "enabled": true, "subnet": "y" } }),
            "[0].ipv6Config.subnet: \"y\" is no network such as fd00:1::/64",
        ),
        (
            "openVpnServer",
            json!({ "certificates": { "cert": "-----BEGIN CERTIFICATE-----\nMII" } }),
            "[0].certificates.cert: must be the name of a certificate, not the certificate",
        ),
        (
            "ikev2Server",
            json!({}),
            ": nothing says how callers prove who they are: ipsecIdentity or certificate is needed",
        ),
        (
            "ikev2Server",
            json!({ "ipsecIdentity": { "type": "psk" } }),
            ".ipsecIdentity.content: is needed: the secret of those who call",
        ),
        (
            "ikev2Server",
            json!({ "certificate": { "name": "c" }, "ipPool": { "startIp": "1.2.3.4", "endIp": "z" } }),
            ".ipPool: startIp and endIp must be addresses",
        ),
        (
            "ikev2Server",
            json!({ "certificate": { "name": "c" }, "ipPool": { "startIp": "1.2.3.4", "endIp": "1.2.3.3" } }),
            ".ipPool: 1.2.3.4 comes after 1.2.3.3",
        ),
        (
            "httpProxyServer",
            json!({ "allowedIpAddresses": ["everybody"] }),
            ".allowedIpAddresses[0]: \"everybody\" is neither an address nor a network",
        ),
        (
            "backToHomeServer",
            json!({ "clientSubnet": "home" }),
            ".clientSubnet: \"home\" is no network such as 192.168.70.0/24",
        ),
        ("zeroTierServer", json!({ "networkId": "12" }), ".networkId: must be the 16 hexadecimal digits of a network"),
    ];
    for (key, mut server, expected) in cases {
        server["enabled"] = true.into();
        let compiled = compiled(&with_server(key, server));
        assert_eq!(issues(&compiled, Severity::Error), [format!("$.lan.vpnServer.{key}{expected}")]);
    }
    document["lan"]["vpnServer"]["users"] = json!([{ "username": "", "password": "p" }, { "username": "x" }]);
    assert_eq!(
        issues(&compiled(&document), Severity::Error),
        ["$.lan.vpnServer.users[0].username: is needed", "$.lan.vpnServer.users[1].password: is needed"]
    );
    let wireguard = json!([{ "name": "w", "interface": { "privateKey": "" } }]);
    assert_eq!(
        issues(&compiled(&with_server("wireguardServers", wireguard)), Severity::Error),
        [
            "$.lan.vpnServer.wireguardServers[0].interface.listenPort: is needed: those who call must know it",
            "$.lan.vpnServer.wireguardServers[0].interface.address: is needed: the router's address among those who call",
        ]
    );
}

#[test]
fn every_release_can_have_servers() {
    // Document 03 has what all releases have; 07 has several OpenVPN servers, and ZeroTier.
    for (name, text) in [("03", "7.9"), ("03", "7.12"), ("03", "7.15"), ("07", "7.17"), ("07", "7.20")] {
        assert_no_errors(&compiled_for(&servers_of(name), Role::Master, &release(text)));
    }
}

#[tokio::test]
async fn servers_are_applied_and_taken_back() {
    for (name, release) in [("03", "7.24"), ("03", "7.16"), ("07", "7.24")] {
        let facts = self::release(release);
        let compiled = compiled_for(&servers_of(name), Role::Master, &facts);
        assert_no_errors(&compiled);
        let router = kit::start_with(|options| options.release = facts.release).await;
        let port = kit::reach(&router);
        let before = kit::configuration(&router);
        let attempt = Attempt::new(&port, compiled.steps);
        let applied = attempt.apply().await.unwrap();
        assert_eq!(applied.warnings, [], "{name}");
        assert!(attempt.plan().await.is_empty(), "{name}: {}", attempt.plan().await);
        let made = |name: &str| applied.generated.iter().filter(|made| made.name == name).count();
        assert_eq!(made("file:nnc-ca.crt"), 1, "those who call must know the authority");
        assert_eq!(made("file:nnc-client.key"), usize::from(name == "03"));
        assert_eq!(made("public-key"), if name == "07" { 2 } else { 0 });
        assert_eq!(attempt.roll_back().await.errors, []);
        kit::assert_same(&kit::configuration(&router), &before, format_args!("{name} on {release}"));
    }
}

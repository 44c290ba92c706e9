//! VPN servers, their users, certificates.

use routeros::{Command, RouterPort};
use serde_json::{Value as Json, json};
use starstate::compile::{Compiled, Facts};
use starstate::issue::Severity;
use starstate::role::Role;
use starstate::step::Step;

use super::{assert_no_errors, assert_shown, compiled, compiled_for, issues, of};
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
fn wireguard_servers() {
    let network = json!({ "name": "VPN", "subnet": "192.168.110.0/24", "type": "VPN" });
    let document = with_server(
        "wireguardServers",
        json!([{
            "name": "road",
            "interface": {
                "privateKey": "HNmYvd+nV0YBXg4BXaawEUxP8XLnXlJKiX2DK7sidtA=",
                "address": "192.168.110.1/24",
                "listenPort": 51820,
                "mtu": 1420,
                "vsNetwork": network,
            },
            "peers": [
                {
                    "publicKey": "qSYlx0s3D4NWVgtiuSzUWlAXd9k5iDdJfG0MR4imjko=",
                    "allowedIps": "192.168.110.2/32",
                    "persistentKeepalive": 90,
                    "endpoint": { "address": "phone.example.com", "port": 1234 },
                    "responder": true,
                    "comment": "phone",
                },
                {
                    "publicKey": "9ufCpEnO5Y6DzV4oFJD4HOoctIh9sk2lVdKe+cSmAdU=",
                    "allowedIps": "192.168.110.3/32",
                    "presharedKey": "txQRMKwh4vbcgs+HvfB9gd5+5Mfd3LDKh8kqmATWNqw=",
                },
            ],
        }]),
    );
    let newest = compiled(&document);
    assert_no_errors(&newest);
    assert_shown(
        &of(&newest, "vpn."),
        "+ /interface/wireguard name=wireguard-server-road private-key=<secret> listen-port=51820 mtu=1420
         + /ip/address address=192.168.110.1/24 interface=wireguard-server-road
         + /ip/firewall/address-list list=VPN-LAN address=192.168.110.0/24
         + /interface/wireguard/peers interface=wireguard-server-road public-key=qSYlx0s3D4NWVgtiuSzUWlAXd9k5iDdJfG0MR4imjko= allowed-address=192.168.110.2/32 persistent-keepalive=1m30s endpoint-address=phone.example.com endpoint-port=1234 responder=yes | phone
         + /interface/wireguard/peers interface=wireguard-server-road public-key=9ufCpEnO5Y6DzV4oFJD4HOoctIh9sk2lVdKe+cSmAdU= allowed-address=192.168.110.3/32 preshared-key=<secret>
         + /interface/list/member list=LAN interface=wireguard-server-road (optional)
         + /interface/list name=VPN-LAN
         + /interface/list/member list=VPN-LAN interface=wireguard-server-road (optional)
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=udp dst-port=51820 (before chain=input) (optional)",
    );
    assert_eq!(of(&newest, "vpn.")[0].read_back, ["public-key"]);
    let old = compiled_for(&document, Role::Master, &release("7.16"));
    assert_no_errors(&old);
    assert_eq!(of(&old, "vpn.")[3].text("is-responder"), Some("yes"));
}

#[test]
fn servers_of_ppp_have_a_pool_a_profile_and_secrets() {
    let server = json!({ "enabled": true, "keepaliveTimeout": 30, "mrru": "disabled", "authentication": "mschapv2" });
    let compiled = compiled(&with_server("pptpServer", server));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "vpn."),
        "+ /ip/pool name=pptp-pool ranges=192.168.70.2-192.168.70.254
         + /interface/list name=VPN-LAN
         + /ppp/profile name=nnc-pptp local-address=192.168.70.1 remote-address=pptp-pool dns-server=192.168.70.1 use-encryption=yes interface-list=VPN-LAN address-list=VPN-LAN use-ipv6=no use-upnp=yes
         + /ip/firewall/address-list list=VPN-LAN address=192.168.70.0/24
         + /ppp/secret name=ann service=pptp password=<secret> profile=nnc-pptp
         + /ppp/secret name=ben service=pptp password=<secret> profile=nnc-pptp
         = /interface/pptp-server/server enabled=yes default-profile=nnc-pptp authentication=mschap2 keepalive-timeout=30 mrru=disabled
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=tcp dst-port=1723 (before chain=input) (optional)
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=gre (before chain=input) (optional)",
    );
}

#[test]
fn what_is_switched_off_is_not_there() {
    for key in ["pptpServer", "l2tpServer", "sstpServer", "socks5Server", "sshServer", "zeroTierServer"] {
        assert_shown(&of(&compiled(&with_server(key, json!({ "enabled": false }))), "vpn."), "");
    }
}

#[test]
fn l2tp_servers() {
    let cases = [
        (
            json!({ "enabled": true, "useIpsec": false, "ipsecSecret": "psk", "allowFastPath": true }),
            " use-ipsec=no allow-fast-path=yes",
        ),
        (
            json!({ "enabled": true, "useIpsec": true, "ipsecSecret": "psk", "allowFastPath": true }),
            " use-ipsec=yes allow-fast-path=no ipsec-secret=<secret>",
        ),
        (
            json!({ "enabled": true, "useIpsec": "required", "ipsecSecret": "psk", "maxSessions": "unlimited" }),
            " use-ipsec=required allow-fast-path=no max-sessions=unlimited ipsec-secret=<secret>",
        ),
        (
            json!({ "enabled": true, "oneSessionPerHost": true, "acceptProtoVersion": "l2tpv3", "callerIdType": "number" }),
            " one-session-per-host=yes accept-proto-version=l2tpv3 caller-id-type=number",
        ),
        (
            json!({ "enabled": true, "cookieLength": 4, "circuitId": "c", "digestHash": "sha1",
                 "l2tpv3Config": { "etherInterfaceList": "LAN", "cookieLength": 8, "circuitId": "d" } }),
            " l2tpv3-cookie-length=4-bytes l2tpv3-circuit-id=c l2tpv3-digest-hash=sha1 l2tpv3-ether-interface-list=LAN",
        ),
        (
            json!({ "enabled": true, "l2tpv3Config": { "cookieLength": 0, "circuitId": "d", "digestHash": "md5" } }),
            " l2tpv3-cookie-length=0 l2tpv3-circuit-id=d l2tpv3-digest-hash=md5",
        ),
    ];
    for (server, expected) in cases {
        let compiled = compiled(&with_server("l2tpServer", server));
        assert_no_errors(&compiled);
        let settings: Vec<Step> =
            of(&compiled, "vpn.").into_iter().filter(|step| step.path == "/interface/l2tp-server/server").collect();
        assert_shown(
            &settings,
            &format!("= /interface/l2tp-server/server enabled=yes default-profile=nnc-l2tp{expected}"),
        );
    }
}

#[test]
fn l2tp_servers_are_reached_with_and_without_ipsec() {
    let ways = |use_ipsec: &str| -> Vec<String> {
        let server = json!({ "enabled": true, "useIpsec": use_ipsec, "ipsecSecret": "psk" });
        let rules = of(&compiled(&with_server("l2tpServer", server)), "vpn.");
        let rules = rules.iter().filter(|step| step.path == "/ip/firewall/filter");
        rules
            .map(|rule| {
                [rule.text("protocol"), rule.text("dst-port")].into_iter().flatten().collect::<Vec<_>>().join(" ")
            })
            .collect()
    };
    assert_eq!(ways("no"), ["udp 1701"]);
    assert_eq!(ways("yes"), ["udp 1701", "udp 500", "udp 4500", "ipsec-esp", "ipsec-ah"]);
}

#[test]
fn sstp_servers() {
    let server = json!({
        "enabled": true,
        "certificate": "server-cert",
        "listenPort": 4443,
        "tlsVersion": "1.3",
        "ciphers": "AES256-SHA",
        "pfs": true,
        "verifyClientCertificate": false,
        "network": { "name": "VPN", "subnet": "10.0.0.0/29" },
    });
    let compiled = compiled(&with_server("sstpServer", server));
    assert_no_errors(&compiled);
    assert_shown(
        &without_certificates(&compiled),
        "+ /ip/pool name=sstp-pool ranges=10.0.0.2-10.0.0.6
         + /interface/list name=VPN-LAN
         + /ppp/profile name=nnc-sstp local-address=10.0.0.1 remote-address=sstp-pool dns-server=10.0.0.1 use-encryption=yes interface-list=VPN-LAN address-list=VPN-LAN use-ipv6=no use-upnp=yes
         + /ip/firewall/address-list list=VPN-LAN address=10.0.0.0/29
         + /ppp/secret name=ben service=sstp password=<secret> profile=nnc-sstp
         = /interface/sstp-server/server enabled=yes default-profile=nnc-sstp certificate=server-cert tls-version=only-1.2 ciphers=aes256-sha port=4443 pfs=yes verify-client-certificate=no (needs certificate/server-cert/sign)
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=tcp dst-port=4443 (before chain=input) (optional)",
    );
    assert_eq!(
        issues(&compiled, Severity::Warning),
        ["$.lan.vpnServer.sstpServer.tlsVersion: RouterOS does not know \"1.3\"; it is only-1.2"]
    );
}

fn openvpn() -> Json {
    json!({
        "enabled": true,
        "name": "staff",
        "listenPort": 1195,
        "protocol": "UDP",
        "cipher": "AES-256-CBC",
        "auth": "SHA256",
        "tlsVersion": "only-1.2",
        "certificates": { "cert": "server-cert" },
        "mode": "p2p",
        "netmask": "255.255.255.0",
        "vrf": "main",
        "redirectGateway": true,
        "pushRoutes": ["10.1.0.0 255.255.0.0", "10.2.0.0 255.255.0.0"],
        "renegSec": 3600,
        "keepaliveTimeout": 60,
        "maxMtu": 1450,
        "authentication": "mschapv2",
        "ipv6Config": { "enabled": true, "subnet": "fd00:1::/64" },
    })
}

#[test]
fn openvpn_servers_are_rows() {
    let compiled = compiled(&with_server("openVpnServer", openvpn()));
    assert_no_errors(&compiled);
    assert_shown(
        &without_certificates(&compiled),
        "+ /ip/pool name=ovpn-pool-staff ranges=192.168.60.2-192.168.60.254
         + /interface/list name=VPN-LAN
         + /ppp/profile name=nnc-ovpn-staff local-address=192.168.60.1 remote-address=ovpn-pool-staff dns-server=192.168.60.1 use-encryption=yes interface-list=VPN-LAN address-list=VPN-LAN use-ipv6=no use-upnp=yes
         + /ip/firewall/address-list list=VPN-LAN address=192.168.60.0/24
         + /ppp/secret name=ben service=ovpn password=<secret> profile=nnc-ovpn-staff
         + /interface/ovpn-server/server name=staff disabled=no vrf=main user-auth-method=mschap2 certificate=server-cert default-profile=nnc-ovpn-staff protocol=udp port=1195 cipher=aes256-cbc auth=sha256 tls-version=only-1.2 mode=ip netmask=24 keepalive-timeout=60 max-mtu=1450 redirect-gateway=def1 push-routes=\"10.1.0.0 255.255.0.0,10.2.0.0 255.255.0.0\" reneg-sec=3600 enable-tun-ipv6=yes tun-server-ipv6=fd00:1:: ipv6-prefix-len=64 (needs certificate/server-cert/sign)
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=udp dst-port=1195 (before chain=input) (optional)",
    );
}

#[test]
fn an_openvpn_server_of_older_releases_is_the_only_one() {
    let document = with_server("openVpnServer", openvpn());
    let one = compiled_for(&document, Role::Master, &release("7.16"));
    assert_no_errors(&one);
    let server: Vec<Step> =
        of(&one, "vpn.").into_iter().filter(|step| step.path == "/interface/ovpn-server/server").collect();
    assert_shown(
        &server,
        "= /interface/ovpn-server/server enabled=yes certificate=server-cert default-profile=nnc-ovpn-staff protocol=udp port=1195 cipher=aes256-cbc auth=sha256 tls-version=only-1.2 mode=ip netmask=24 keepalive-timeout=60 max-mtu=1450 redirect-gateway=def1 push-routes=\"10.1.0.0 255.255.0.0,10.2.0.0 255.255.0.0\" reneg-sec=3600 enable-tun-ipv6=yes tun-server-ipv6=fd00:1:: ipv6-prefix-len=64 (needs certificate/server-cert/sign)",
    );
    let two = with_server("openVpnServer", json!([openvpn(), { "enabled": true, "name": "other" }]));
    let two = compiled_for(&two, Role::Master, &release("7.16"));
    assert_eq!(
        issues(&two, Severity::Error),
        ["$.lan.vpnServer.openVpnServer[1]: release 7.16 has one OpenVPN server; several need 7.17"]
    );
}

#[test]
fn a_user_has_one_secret_for_all_openvpn_servers() {
    let compiled = compiled(&with_server("openVpnServer", json!([openvpn(), { "enabled": true, "name": "other" }])));
    assert_no_errors(&compiled);
    let secrets: Vec<Step> = of(&compiled, "vpn.").into_iter().filter(|step| step.path == "/ppp/secret").collect();
    assert_shown(&secrets, "+ /ppp/secret name=ben service=ovpn password=<secret> profile=nnc-ovpn-staff");
    let warning = "users get addresses of staff, whichever OpenVPN server they call";
    assert_eq!(issues(&compiled, Severity::Warning), [format!("$.lan.vpnServer.openVpnServer[1].network: {warning}")]);
}

#[test]
fn a_user_of_several_protocols_has_a_secret_for_each() {
    let document = json!({ "lan": { "vpnServer": {
        "users": [{ "username": "ann", "password": "p", "vpnType": ["L2TP", "PPTP"] }],
        "pptpServer": { "enabled": true },
        "l2tpServer": { "enabled": true },
        "sstpServer": { "enabled": true, "certificate": "c" },
    } } });
    let compiled = compiled(&document);
    let secrets: Vec<Step> = of(&compiled, "vpn.").into_iter().filter(|step| step.path == "/ppp/secret").collect();
    assert_shown(
        &secrets,
        "+ /ppp/secret name=ann service=pptp password=<secret> profile=nnc-pptp
         + /ppp/secret name=ann service=l2tp password=<secret> profile=nnc-l2tp",
    );
}

#[test]
fn profiles_and_pools_that_the_document_names_are_used_as_they_are() {
    let server = |profile: &str| json!({ "enabled": true, "defaultProfile": profile });
    let compiled_ = compiled(&with_server("pptpServer", server("vpn")));
    assert_no_errors(&compiled_);
    let profile = of(&compiled_, "vpn.").into_iter().find(|step| step.path == "/ppp/profile").unwrap();
    assert_eq!((profile.text("name"), profile.initial.len()), (Some("vpn"), profile.arguments.len() - 1));
    let built_in = compiled(&with_server("pptpServer", server("default-encryption")));
    assert_shown(
        &of(&built_in, "vpn.")[..3],
        "+ /ppp/secret name=ann service=pptp password=<secret> profile=default-encryption
         + /ppp/secret name=ben service=pptp password=<secret> profile=default-encryption
         = /interface/pptp-server/server enabled=yes default-profile=default-encryption",
    );
    let both = json!({ "lan": { "vpnServer": {
        "pptpServer": { "enabled": true, "defaultProfile": "vpn" },
        "l2tpServer": { "enabled": true, "defaultProfile": "vpn" },
    } } });
    assert_no_errors(&compiled(&both));
    let mut with_pool = openvpn();
    with_pool["addressPool"] = "guests".into();
    let pool = of(&compiled(&with_server("openVpnServer", with_pool)), "vpn.").remove(0);
    assert_eq!((pool.text("name"), &*pool.initial), (Some("guests"), &["ranges".to_owned()][..]));
}

#[test]
fn ikev2_servers() {
    let server = json!({
        "enabled": true,
        "ipsecIdentity": { "type": "psk", "content": "psk" },
        "network": { "name": "VPN", "subnet": "192.168.160.0/24" },
    });
    let usual = compiled(&with_server("ikev2Server", server));
    assert_no_errors(&usual);
    assert_shown(
        &of(&usual, "vpn."),
        "+ /ip/pool name=ikev2-server-pool ranges=192.168.160.2-192.168.160.254
         + /ip/ipsec/profile name=ike2-server-profile-ikev2-server nat-traversal=yes enc-algorithm=aes-256 hash-algorithm=sha256 dh-group=modp2048 lifetime=8h dpd-interval=30s
         + /ip/ipsec/proposal name=ike2-server-proposal-ikev2-server enc-algorithms=aes-256-cbc auth-algorithms=sha256 pfs-group=modp2048 lifetime=30m
         + /ip/ipsec/policy/group name=ike2-ikev2-server-server
         + /ip/ipsec/peer name=ike2-server-peer-ikev2-server address=0.0.0.0/0 passive=yes profile=ike2-server-profile-ikev2-server exchange-mode=ike2
         + /ip/ipsec/mode-config name=ike2-server-modeconf-ikev2-server responder=yes address-pool=ikev2-server-pool address-prefix-length=32 system-dns=yes
         + /ip/ipsec/identity peer=ike2-server-peer-ikev2-server mode-config=ike2-server-modeconf-ikev2-server generate-policy=port-strict policy-template-group=ike2-ikev2-server-server auth-method=pre-shared-key secret=<secret>
         + /ip/ipsec/policy group=ike2-ikev2-server-server template=yes src-address=0.0.0.0/0 dst-address=0.0.0.0/0 protocol=all action=encrypt level=require ipsec-protocols=esp proposal=ike2-server-proposal-ikev2-server
         + /ip/firewall/address-list list=VPN-LAN address=192.168.160.0/24
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=udp dst-port=500 (before chain=input) (optional)
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=udp dst-port=4500 (before chain=input) (optional)
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=ipsec-esp (before chain=input) (optional)",
    );
}

#[test]
fn ikev2_servers_with_everything_named() {
    let server = json!({
        "enabled": true,
        "certificate": { "name": "ike-cert", "commonName": "vpn.example.com" },
        "listenPort": 4501,
        "encryptionAlgorithm": "aes-128",
        "integrityAlgorithm": "SHA512",
        "dhGroupIke": "modp4096",
        "dhGroupEsp": "none",
        "childSaLifetime": 5400,
        "ikeLifetime": 100,
        "dpdTimeout": 60,
        "ipsecProfile": { "name": "one", "encAlgorithm": "aes-256,aes-192", "dhGroup": ["ecp256"], "lifetime": "1d",
            "natTraversal": false, "dpdInterval": "2m", "dpdMaximumFailures": 3, "lifebytes": 0, "proposalCheck": "strict" },
        "ipsecProposal": { "name": "two", "encryptionAlgorithm": ["aes-256-gcm", "aes-192"], "dhGroup": "ecp384" },
        "ipsecPolicyGroup": { "name": "three" },
        "ipsecPolicyTemplate": { "sourceSubnet": "10.0.0.0/8", "destSubnet": "192.168.160.0/24" },
        "ipPool": { "name": "callers", "startIp": "192.168.160.10", "endIp": "192.168.160.20", "dnsServer": "9.9.9.9" },
    });
    let compiled = compiled(&with_server("ikev2Server", server));
    assert_no_errors(&compiled);
    assert_shown(
        &without_certificates(&compiled)[..9],
        "+ /ip/pool name=callers ranges=192.168.160.10-192.168.160.20
         + /ip/ipsec/profile name=ike2-server-profile-one nat-traversal=no enc-algorithm=aes-256,aes-192 hash-algorithm=sha512 dh-group=ecp256 lifetime=1d dpd-interval=2m dpd-maximum-failures=3 lifebytes=0 proposal-check=strict
         + /ip/ipsec/proposal name=ike2-server-proposal-two enc-algorithms=aes-256-gcm,aes-192-cbc auth-algorithms=sha512 pfs-group=ecp384 lifetime=1h30m
         + /ip/ipsec/policy/group name=ike2-three-server
         + /ip/ipsec/peer name=ike2-server-peer-ikev2-server address=0.0.0.0/0 passive=yes profile=ike2-server-profile-one exchange-mode=ike2 port=4501
         + /ip/ipsec/mode-config name=ike2-server-modeconf-ikev2-server responder=yes address-pool=callers address-prefix-length=32 system-dns=no static-dns=9.9.9.9
         + /ip/ipsec/identity peer=ike2-server-peer-ikev2-server mode-config=ike2-server-modeconf-ikev2-server generate-policy=port-strict policy-template-group=ike2-three-server auth-method=digital-signature certificate=ike-cert (needs certificate/ike-cert/sign)
         + /ip/ipsec/policy group=ike2-three-server template=yes src-address=10.0.0.0/8 dst-address=192.168.160.0/24 protocol=all action=encrypt level=require ipsec-protocols=esp proposal=ike2-server-proposal-two
         + /ip/firewall/address-list list=VPN-LAN address=192.168.160.10-192.168.160.20",
    );
}

#[test]
fn proxies_are_for_the_network_of_their_server() {
    let socks = json!({ "enabled": true, "listenPort": 1085, "network": { "name": "Guest", "type": "Foreign" } });
    let document = json!({ "lan": {
        "vpnServer": {
            "users": [
                { "username": "ann", "password": "p", "vpnType": ["Socks5"] },
                { "username": "ben", "password": "p" },
            ],
            "socks5Server": socks,
            "pptpServer": { "enabled": true, "network": { "name": "Foreign", "subnet": "192.168.71.0/24" } },
        },
    } });
    let compiled_ = compiled(&document);
    assert_no_errors(&compiled_);
    assert_shown(
        &of(&compiled_, "vpn.socks5"),
        "= /ip/socks enabled=yes port=1085 version=5 auth-method=password connection-idle-timeout=2m
         + /ip/socks/users name=ann password=<secret>
         + /ip/socks/access action=allow src-address=192.168.71.0/24
         + /ip/socks/access action=deny src-address=0.0.0.0/0
         + /ip/firewall/filter action=accept chain=input in-interface-list=Foreign-LAN protocol=tcp dst-port=1085 (before chain=input) (optional)",
    );
    let proxy = json!({ "enabled": true, "allowedIpAddresses": ["203.0.113.7/32", "198.51.100.9/24", " "] });
    let proxy = compiled(&with_server("httpProxyServer", proxy));
    assert_no_errors(&proxy);
    assert_shown(
        &of(&proxy, "vpn."),
        "= /ip/proxy enabled=yes port=8080
         + /ip/proxy/access action=allow src-address=203.0.113.7
         + /ip/proxy/access action=allow src-address=198.51.100.0/24
         + /ip/proxy/access action=deny src-address=0.0.0.0/0
         + /interface/list name=VPN-LAN
         + /ip/firewall/filter action=accept chain=input in-interface-list=VPN-LAN protocol=tcp dst-port=8080 (before chain=input) (optional)
         + /ip/firewall/filter action=accept chain=input src-address=203.0.113.7 protocol=tcp dst-port=8080 (before chain=input) (optional)
         + /ip/firewall/filter action=accept chain=input src-address=198.51.100.0/24 protocol=tcp dst-port=8080 (before chain=input) (optional)",
    );
}

#[test]
fn who_forwards_by_ssh_may_do_nothing_else() {
    let compiled_ = compiled(&with_server("sshServer", json!({ "enabled": true, "listenPort": 2222 })));
    assert_no_errors(&compiled_);
    assert_shown(
        &of(&compiled_, "vpn."),
        "= /ip/service [name=ssh] disabled=no port=2222
         = /ip/ssh forwarding-enabled=both
         + /user/group name=SSH policy=ssh
         + /user name=ann group=SSH password=<secret>
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=tcp dst-port=2222 (before chain=input) (optional)",
    );
    let allowed = compiled(&with_server("sshServer", json!({ "enabled": true, "allowedUsers": ["ben"] })));
    assert!(of(&allowed, "vpn.").iter().all(|step| step.path != "/user"));
    assert_eq!(
        issues(&allowed, Severity::Warning),
        ["$.lan.vpnServer.sshServer.allowedUsers: \"ben\" is no user for SSH"]
    );
}

#[test]
fn back_to_home_and_zerotier() {
    for (subnet, address) in [("", "10.99.0.1/24"), ("10.98.0.5/24", "10.98.0.5/24"), ("10.97.0.0/24", "10.97.0.1/24")]
    {
        let server = json!({ "enabled": true, "clientSubnet": subnet });
        let compiled = compiled(&with_server("backToHomeServer", server));
        assert_no_errors(&compiled);
        let network = format!("{}.0/24", address.rsplit_once('.').unwrap().0);
        assert_shown(
            &of(&compiled, "vpn."),
            &format!(
                "+ /interface/wireguard name=bth-server listen-port=13231
                 + /ip/address address={address} interface=bth-server
                 + /ip/firewall/nat action=masquerade chain=srcnat src-address={network}
                 + /interface/list/member list=LAN interface=bth-server (optional)
                 + /interface/list name=VPN-LAN
                 + /interface/list/member list=VPN-LAN interface=bth-server (optional)
                 + /ip/firewall/address-list list=VPN-LAN address={network}
                 + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=udp dst-port=13231 (before chain=input) (optional)"
            ),
        );
    }
    let zerotier = json!({ "enabled": true, "networkId": "8056C2E21C000001" });
    assert_shown(
        &of(&compiled(&with_server("zeroTierServer", zerotier)), "vpn."),
        "= /zerotier [name=zt1] disabled=no
         + /zerotier/interface name=zt-8056c2 instance=zt1 network=8056c2e21c000001 disabled=no (needs vpn.zerotier.server/zerotier/instance)
         + /interface/list/member list=LAN interface=zt-8056c2 (optional)
         + /interface/list name=VPN-LAN
         + /interface/list/member list=VPN-LAN interface=zt-8056c2 (optional)",
    );
}

#[test]
fn replies_leave_by_the_domestic_links_by_which_callers_came() {
    let mut document = with_server("sstpServer", json!({ "enabled": true, "certificate": "c" }));
    let link = json!({ "ipAddress": "203.0.113.130", "subnet": "/25", "gateway": "203.0.113.129" });
    document["wan"] = json!({ "wanLink": { "domestic": { "wanConfigs": [{
        "name": "Line",
        "interfaceConfig": { "interfaceName": "ether1" },
        "connectionConfig": { "static": link },
    }] } } });
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    let of_server = of(&compiled, "vpn.");
    let rules: Vec<Step> = of_server
        .iter()
        .filter(|step| step.path.starts_with("/ip/firewall/") && step.argument("chain").is_some())
        .cloned()
        .collect();
    assert_shown(
        &rules,
        "+ /ip/firewall/filter action=accept chain=input in-interface-list=Domestic-WAN protocol=tcp dst-port=443 (before chain=input) (optional)
         + /ip/firewall/mangle action=mark-connection chain=input connection-state=new in-interface-list=Domestic-WAN protocol=tcp dst-port=443 new-connection-mark=conn-vpn-server passthrough=yes (optional)
         + /ip/firewall/mangle action=mark-routing chain=output connection-mark=conn-vpn-server new-routing-mark=to-Domestic passthrough=no (needs routing-table/to-Domestic) (optional)",
    );
    let certificate = of_server.iter().find(|step| step.id == "certificate/c").unwrap();
    assert_eq!(certificate.text("subject-alt-name"), Some("IP:203.0.113.130"), "callers may use the fixed address");
}

#[test]
fn certificates_that_servers_ask_for_are_made() {
    let mut document =
        with_server("sstpServer", json!({ "enabled": true, "certificate": "c1", "verifyClientCertificate": true }));
    document["lan"]["vpnServer"]["certificatePassphrase"] = "long enough".into();
    document["lan"]["vpnServer"]["ikev2Server"] = json!({
        "enabled": true,
        "ipsecIdentity": { "type": "psk", "content": "psk" },
        "certificate": {
            "name": "c1", "commonName": "vpn.example.com", "country": "DE", "state": "B", "city": "Berlin",
            "org": "Example", "unit": "Net", "email": "net@example.com", "validTo": "400",
        },
    });
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    let certificates: Vec<Step> =
        of(&compiled, "vpn.").into_iter().filter(|step| step.path == "/certificate").collect();
    assert_shown(
        &certificates,
        "+ /certificate name=nnc-ca common-name=\"router CA\" key-usage=key-cert-sign,crl-sign key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-ca] ca-crl-host=127.0.0.1 (needs certificate/nnc-ca)
         > /certificate export-certificate [name=nnc-ca] type=pem file-name=nnc-ca (needs certificate/nnc-ca/sign) (optional)
         + /certificate name=c1 common-name=vpn.example.com key-usage=digital-signature,key-encipherment,tls-server key-size=2048 days-valid=400 subject-alt-name=DNS:vpn.example.com,email:net@example.com country=DE state=B locality=Berlin organization=Example unit=Net
         > /certificate sign until fingerprint [name=c1] ca=nnc-ca (needs certificate/c1 certificate/nnc-ca/sign)
         + /certificate name=nnc-client common-name=\"router client\" key-usage=digital-signature,key-encipherment,tls-client key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-client] ca=nnc-ca (needs certificate/nnc-client certificate/nnc-ca/sign)
         > /certificate export-certificate [name=nnc-client] type=pem file-name=nnc-client export-passphrase=<secret> (needs certificate/nnc-client/sign) (optional)",
    );
    for step in certificates.iter().filter(|step| step.id.matches('/').count() == 1) {
        assert_eq!(step.initial.len(), step.arguments.len() - 1, "one that is there is not changed: {}", step.id);
    }
}

#[test]
fn the_certificate_of_the_router() {
    let certificate = |config: Json| {
        let compiled = compiled(&json!({ "extra": { "certificateConfig": config } }));
        (of(&compiled, "system.certificate"), issues(&compiled, Severity::Error))
    };
    let own = "+ /certificate name=nnc-ca common-name=\"router CA\" key-usage=key-cert-sign,crl-sign key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-ca] ca-crl-host=127.0.0.1 (needs certificate/nnc-ca)
         > /certificate export-certificate [name=nnc-ca] type=pem file-name=nnc-ca (needs certificate/nnc-ca/sign) (optional)
         + /certificate name=nnc-cert common-name=router key-usage=digital-signature,key-encipherment,tls-server key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-cert] ca=nnc-ca (needs certificate/nnc-cert certificate/nnc-ca/sign)";
    let lets_encrypt = "= /ip/cloud ddns-enabled=yes
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=tcp dst-port=80 (before chain=input) (optional)
         > /certificate enable-ssl-certificate (needs system.certificate/cloud system.certificate/accept-tcp-80) (optional)";
    let cases = [
        (json!({ "enabled": true, "selfSigned": true }), own),
        (json!({ "enabled": true }), own),
        (json!({ "enabled": true, "certificateProvider": "Self-Signed" }), own),
        (json!({ "enabled": true, "letsEncrypt": true }), lets_encrypt),
        (json!({ "enabled": true, "certificateProvider": "Let's Encrypt", "selfSigned": false }), lets_encrypt),
        (json!({ "enabled": true, "selfSigned": false }), ""),
        (json!({ "enabled": false, "selfSigned": true }), ""),
    ];
    for (config, expected) in cases {
        let (steps, errors) = certificate(config);
        assert_eq!(errors, [""; 0]);
        assert_shown(&steps, expected);
    }
    let (_, errors) = certificate(json!({ "enabled": true, "certificateProvider": "acme corp" }));
    assert_eq!(
        errors,
        ["$.extra.certificateConfig.certificateProvider: \"acme corp\" is none of self-signed, letsencrypt"]
    );
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
            "[0].netmask: \"abc\" is no netmask such as 24 or 255.255.255.0",
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

#[tokio::test]
async fn a_certificate_that_is_there_serves_as_it_is() {
    let router = kit::start().await;
    router.run(&["/certificate/add", "=name=mine", "=common-name=theirs", "=key-usage=tls-server"]).unwrap();
    let port = kit::reach(&router);
    port.run(Command::new("/certificate", "sign").item("mine")).await.unwrap();
    let server = json!({ "enabled": true, "certificate": "mine" });
    let compiled = compiled(&with_server("sstpServer", server));
    let attempt = Attempt::new(&port, compiled.steps);
    assert_eq!(attempt.apply().await.unwrap().warnings, []);
    assert!(router.configuration().contains("common-name=\"theirs\""));
    assert!(attempt.plan().await.is_empty());
    attempt.roll_back().await;
    assert!(router.configuration().contains("common-name=\"theirs\""), "it stays");
}

#[tokio::test]
async fn a_certificate_that_was_made_stays_as_it_is() {
    let router = kit::start().await;
    let port = kit::reach(&router);
    let document = |certificate: Json| {
        let server = json!({ "enabled": true, "certificate": certificate });
        compiled(&with_server("ikev2Server", server)).steps
    };
    let first = document(json!({ "name": "c", "commonName": "a.example.com", "org": "Example" }));
    let applied = Attempt::new(&port, first).apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    // Neither another name nor less of it: a signature is for what was signed.
    let second = document(json!({ "name": "c", "commonName": "b.example.com" }));
    let attempt = Attempt { base: applied.holdings, ..Attempt::new(&port, second) };
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
}

//! PPTP, L2TP, SSTP, OpenVPN.

use serde_json::{Value as Json, json};
use starstate::issue::Severity;
use starstate::role::Role;
use starstate::step::Step;

use super::{release, with_server, without_certificates};
use crate::{assert_no_errors, assert_shown, compiled, compiled_for, issues, of};

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

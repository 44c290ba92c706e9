//! WireGuard, IKEv2, proxies, SSH, Back to Home, ZeroTier.

use serde_json::json;
use starstate::issue::Severity;
use starstate::role::Role;
use starstate::step::Step;

use super::{release, with_server, without_certificates};
use crate::{assert_no_errors, assert_shown, compiled, compiled_for, issues, of};

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

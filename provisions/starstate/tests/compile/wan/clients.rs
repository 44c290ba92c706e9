//! Tunnels to somewhere else.

use routeros_schema::Release;
use serde_json::{Value as Json, json};
use starstate::compile::{Compiled, Facts};
use starstate::issue::Severity;
use starstate::role::Role;
use starstate::step::Step;

use super::{dhcp, group};
use crate::{assert_no_errors, assert_shown, compiled, compiled_for, issues, show};

/// A document with one foreign link `up`, and these tunnels.
pub(super) fn with_clients(clients: Json) -> Compiled {
    let foreign = group(&[("up", "bridge1", dhcp())], Json::Null);
    compiled(&json!({ "wan": { "wanLink": { "foreign": foreign }, "vpnClient": clients } }))
}

/// What a client is besides its lists, routes and endpoint.
#[track_caller]
fn assert_client(clients: Json, expected: &str) {
    let compiled = with_clients(clients);
    assert_no_errors(&compiled);
    assert_shown(&own(&compiled), expected);
}

fn own(compiled: &Compiled) -> Vec<Step> {
    const COMMON: [&str; 7] = [
        "/interface/list",
        "/interface/list/member",
        "/routing/table",
        "/routing/rule",
        "/ip/route",
        "/ip/firewall/address-list",
        "/ip/firewall/mangle",
    ];
    let steps = compiled.steps.iter().filter(|step| step.resource.contains(".client/"));
    steps.filter(|step| !COMMON.contains(&step.path.as_str())).cloned().collect()
}

fn login() -> Json {
    json!({ "username": "u", "password": "Fixture-p" })
}

/// A client with these members besides its name, its server and its login.
fn client(more: Json) -> Json {
    let mut client =
        json!({ "name": "x", "server": { "address": "vpn.example.net", "port": 0 }, "credentials": login() });
    if let (Some(client), Json::Object(more)) = (client.as_object_mut(), more) {
        client.extend(more);
    }
    json!([client])
}

fn wireguard(more: Json) -> Json {
    let mut client = json!({
        "name": "x",
        "interfacePrivateKey": "TAXp20q0EUoS38k0JU3rVwQR4dSgJH8OcRRvKxFKHTw=",
        "interfaceAddress": "10.66.0.2/24",
        "peerPublicKey": "L867Fvzi0JUNwVQ1WvWpMclapHuAYnCbjXC/cemU2vw=",
        "peerEndpointAddress": "198.51.100.201",
        "peerEndpointPort": 51820,
        "peerAllowedIps": "0.0.0.0/0, 10.0.0.0/8",
    });
    if let (Some(client), Json::Object(more)) = (client.as_object_mut(), more) {
        client.extend(more);
    }
    json!({ "wireguard": [client] })
}

#[test]
fn wireguard_is_an_interface_with_one_peer() {
    assert_client(
        wireguard(json!({})),
        "+ /interface/wireguard name=wireguard-client-x private-key=<secret> disabled=no
         + /interface/wireguard/peers interface=wireguard-client-x public-key=L867Fvzi0JUNwVQ1WvWpMclapHuAYnCbjXC/cemU2vw= endpoint-address=198.51.100.201 endpoint-port=51820 allowed-address=0.0.0.0/0,10.0.0.0/8 persistent-keepalive=25s
         + /ip/address address=10.66.0.2/24 interface=wireguard-client-x",
    );
    assert_client(
        wireguard(json!({ "interfaceListenPort": 13232, "interfaceMtu": 1420, "interfaceAddress": "10.66.0.2/32",
            "peerPresharedKey": "KwblHBKPuVPR0PpQccLQYcDdLPW2SzyMIFk08IpYars=", "peerPersistentKeepalive": 10 })),
        "+ /interface/wireguard name=wireguard-client-x private-key=<secret> listen-port=13232 mtu=1420 disabled=no
         + /interface/wireguard/peers interface=wireguard-client-x public-key=L867Fvzi0JUNwVQ1WvWpMclapHuAYnCbjXC/cemU2vw= endpoint-address=198.51.100.201 endpoint-port=51820 allowed-address=0.0.0.0/0,10.0.0.0/8 preshared-key=<secret> persistent-keepalive=10s
         + /ip/address address=10.66.0.2/32 interface=wireguard-client-x",
    );
    let compiled = with_clients(wireguard(json!({})));
    let interface = compiled.steps.iter().find(|step| step.path == "/interface/wireguard").unwrap();
    assert_eq!(interface.read_back, ["public-key"]);
}

#[test]
fn openvpn_is_spelled_as_on_routers() {
    assert_client(
        json!({ "openVpn": client(json!({ "server": { "address": "203.0.113.80", "port": 1194 }, "mode": "p2p", "protocol": "TCP",
            "auth": "SHA256", "cipher": "AES-256-GCM", "tlsVersion": "1.2", "verifyServerCertificate": false, "routeNoPull": true,
            "certificates": { "ca": "", "cert": "client-cert", "key": "" } })) }),
        "+ /interface/ovpn-client name=ovpn-client-x connect-to=203.0.113.80 user=u password=<secret> add-default-route=no disabled=no port=1194 protocol=tcp mode=ip auth=sha256 cipher=aes256-gcm tls-version=only-1.2 verify-server-certificate=no certificate=client-cert route-nopull=yes",
    );
    assert_client(
        json!({ "openVpn": client(json!({ "mode": "ethernet", "protocol": "UDP", "auth": "none", "cipher": "none",
            "certificates": { "ca": "", "cert": "other", "key": "", "clientCertificateName": "mine" } })) }),
        "+ /interface/ovpn-client name=ovpn-client-x connect-to=vpn.example.net user=u password=<secret> add-default-route=no disabled=no protocol=udp mode=ethernet auth=null cipher=null certificate=mine",
    );
}

#[test]
fn certificates_in_a_document_are_brought_to_the_router() {
    let certificates = json!({ "ca": "", "cert": "ignored", "key": "", "clientCertificateContent": "-----BEGIN CERTIFICATE-----\nx\n",
        "clientKeyContent": "-----BEGIN PRIVATE KEY-----\nFixture-key\n" });
    let more = json!({ "certificates": certificates, "keyPassphrase": "Fixture-phrase" });
    let compiled = with_clients(json!({ "openVpn": client(more) }));
    assert_no_errors(&compiled);
    assert_shown(
        &own(&compiled),
        "+ /file name=nnc-4acbce55b08581bc.pem contents=<secret>
         > /certificate import file-name=nnc-4acbce55b08581bc.pem passphrase=<secret> (needs vpn.openvpn.client/x/certificate-4acbce55b08581bc-file)
         + /interface/ovpn-client name=ovpn-client-x connect-to=vpn.example.net user=u password=<secret> add-default-route=no disabled=no mode=ip certificate=nnc-4acbce55b08581bc.pem_0 (needs vpn.openvpn.client/x/certificate-4acbce55b08581bc)",
    );
    let key_alone = json!({ "certificates": { "ca": "", "cert": "", "key": "", "clientKeyContent": "-----BEGIN PRIVATE KEY-----\n" } });
    let compiled = with_clients(json!({ "openVpn": client(key_alone) }));
    let message =
        "$.wan.vpnClient.openVpn[0].certificates.clientCertificateContent: is needed: the certificate of the key";
    assert_eq!(issues(&compiled, Severity::Error), [message]);
}

#[test]
fn pptp_has_no_port() {
    assert_client(
        json!({ "pptp": [{ "name": "x", "connectTo": { "address": "vpn.example.net", "port": 1723 }, "credentials": login(),
            "authMethods": ["mschapv2", "none", "eap"], "keepaliveTimeout": 30, "dialOnDemand": false }] }),
        "+ /interface/pptp-client name=pptp-client-x connect-to=vpn.example.net user=u password=<secret> add-default-route=no disabled=no allow=mschap2 keepalive-timeout=30 dial-on-demand=no",
    );
    assert_client(
        json!({ "pptp": [{ "name": "x", "connectToAddress": "192.0.2.9", "credentials": login() }] }),
        "+ /interface/pptp-client name=pptp-client-x connect-to=192.0.2.9 user=u password=<secret> add-default-route=no disabled=no",
    );
}

#[test]
fn l2tp_has_ipsec_or_the_fast_path() {
    let cases = [
        (
            json!({ "useIpsec": true, "ipsecSecret": "Fixture-s", "authMethod": "mschap2", "protoVersion": 2, "keepAlive": 30 }),
            "allow=mschap2 use-ipsec=yes allow-fast-path=no random-source-port=yes keepalive-timeout=30 l2tp-proto-version=l2tpv2 ipsec-secret=<secret>",
        ),
        (
            json!({ "useIpsec": false, "ipsecSecret": "Fixture-s", "fastPath": false, "dialOnDemand": true }),
            "use-ipsec=no allow-fast-path=no random-source-port=yes dial-on-demand=yes",
        ),
        (
            json!({ "protoVersion": 3, "cookieLength": 8, "digestHash": "sha1", "circuitId": "c" }),
            "allow-fast-path=yes random-source-port=yes l2tp-proto-version=l2tpv3-udp l2tpv3-cookie-length=8-bytes l2tpv3-digest-hash=sha1 l2tpv3-circuit-id=c",
        ),
        (
            json!({ "protoVersion": 3, "protoVersionStr": "l2tpv3-ip", "cookieLength": 0 }),
            "allow-fast-path=yes random-source-port=yes l2tp-proto-version=l2tpv3-ip l2tpv3-cookie-length=0",
        ),
    ];
    for (more, expected) in cases {
        let common =
            "name=l2tp-client-x connect-to=vpn.example.net user=u password=<secret> add-default-route=no disabled=no";
        assert_client(json!({ "l2tp": client(more) }), &format!("+ /interface/l2tp-client {common} {expected}"));
    }
}

#[test]
fn sstp_takes_what_routers_have() {
    assert_client(
        json!({ "sstp": client(json!({ "server": { "address": "vpn.example.net", "port": 443 }, "authMethod": "mschapv2",
            "ciphers": "aes256-gcm-sha384", "tlsVersion": "only-1.2", "proxy": { "address": "10.9.9.9", "port": 3128 }, "pfs": true,
            "sni": "vpn.example.net", "keepAlive": 60, "dialOnDemand": true, "verifyServerCertificate": true,
            "verifyServerAddressFromCertificate": false, "clientCertificateName": "mine" })) }),
        "+ /interface/sstp-client name=sstp-client-x connect-to=vpn.example.net user=u password=<secret> add-default-route=no disabled=no authentication=mschap2 port=443 ciphers=aes256-gcm-sha384 tls-version=only-1.2 pfs=yes dial-on-demand=yes keepalive-timeout=60 verify-server-certificate=yes verify-server-address-from-certificate=no certificate=mine add-sni=yes http-proxy=10.9.9.9 proxy-port=3128",
    );
    let newer = with_clients(
        json!({ "sstp": client(json!({ "tlsVersion": "only-1.3", "pfsStr": "required", "sniEnabled": false })) }),
    );
    assert_shown(
        &own(&newer),
        "+ /interface/sstp-client name=sstp-client-x connect-to=vpn.example.net user=u password=<secret> add-default-route=no disabled=no tls-version=only-1.2 pfs=required",
    );
    let warning = "$.wan.vpnClient.sstp[0].tlsVersion: RouterOS knows no version \"only-1.3\"; it is only-1.2";
    assert!(issues(&newer, Severity::Warning).contains(&warning.to_owned()));
}

#[test]
fn ikev2_is_seven_parts_of_ipsec() {
    assert_client(
        json!({ "ikev2": client(json!({ "authMethod": "psk", "presharedKey": "Fixture-k" })) }),
        "+ /ip/ipsec/policy/group name=ike2-x-client
         + /ip/ipsec/profile name=ike2-profile-x nat-traversal=yes enc-algorithm=aes-256 hash-algorithm=sha256 dh-group=modp2048 lifetime=8h dpd-interval=30s
         + /ip/ipsec/proposal name=ike2-proposal-x enc-algorithms=aes-256-cbc auth-algorithms=sha256 pfs-group=modp2048 lifetime=30m
         + /ip/ipsec/mode-config name=ike2-modeconf-x responder=no src-address-list=VPN-LAN
         + /ip/ipsec/peer name=ike2-peer-x address=vpn.example.net profile=ike2-profile-x exchange-mode=ike2
         + /ip/ipsec/identity peer=ike2-peer-x mode-config=ike2-modeconf-x generate-policy=port-strict policy-template-group=ike2-x-client auth-method=pre-shared-key secret=<secret>
         + /ip/ipsec/policy group=ike2-x-client template=yes src-address=0.0.0.0/0 dst-address=0.0.0.0/0 proposal=ike2-proposal-x action=encrypt level=require",
    );
    assert_client(
        json!({ "ikev2": client(json!({
            "serverAddress": "192.0.2.9", "port": 4500, "sendInitialContact": false, "localAddress": "192.0.2.1",
            "authMethod": "rsa", "clientCertificateName": "mine", "caCertificateName": "theirs",
            "encAlgorithm": ["aes-256", "3des"], "hashAlgorithm": ["sha512"], "dhGroup": ["ecp256", "modp3072"], "lifetime": "1d",
            "natTraversal": false, "dpdInterval": "1m", "pfsGroup": "ecp384", "proposalLifetime": "1h",
            "encryptionAlgorithm": "aes-128", "integrityAlgorithm": "sha1", "dhGroupIke": "modp1024", "dhGroupEsp": "modp1024",
            "lifetimeIke": 60, "lifetimeEsp": 60, "dpdTimeout": 5,
            "policySrcAddress": "10.1.0.0/16", "policyDstAddress": "10.2.0.0/16", "allowedSubnet": "10.3.0.0/16", "policyLevel": "unique",
            "srcAddressList": "mine", "connectionMark": "marked",
            "myIdType": "fqdn", "myId": "me.example", "remoteId": "192.0.2.9", "generatePolicy": "port-override",
            "profileName": "p1", "proposalName": "p2", "policyGroupName": "g", "modeConfigName": "m", "peerName": "p",
        })) }),
        "+ /ip/ipsec/policy/group name=g
         + /ip/ipsec/profile name=p1 nat-traversal=no enc-algorithm=aes-256,3des hash-algorithm=sha512 dh-group=ecp256,modp3072 lifetime=1d dpd-interval=1m
         + /ip/ipsec/proposal name=p2 enc-algorithms=aes-256-cbc,3des auth-algorithms=sha1 pfs-group=ecp384 lifetime=1h
         + /ip/ipsec/mode-config name=m responder=no src-address-list=mine connection-mark=marked
         + /ip/ipsec/peer name=p address=192.0.2.9 profile=p1 exchange-mode=ike2 port=4500 send-initial-contact=no local-address=192.0.2.1
         + /ip/ipsec/identity peer=p mode-config=m generate-policy=port-override policy-template-group=g my-id=fqdn:me.example remote-id=address:192.0.2.9 auth-method=digital-signature certificate=mine remote-certificate=theirs
         + /ip/ipsec/policy group=g template=yes src-address=10.1.0.0/16 dst-address=10.2.0.0/16 proposal=p2 action=encrypt level=unique",
    );
    assert_client(
        json!({ "ikev2": client(json!({
            "server": { "address": "vpn.example.net", "port": 500 }, "authMethod": "eap", "enableModeConfig": false,
            "encryptionAlgorithm": "AES-128", "integrityAlgorithm": "SHA1", "dhGroupIke": "modp1024", "dhGroupEsp": "none",
            "lifetimeIke": 1800, "lifetimeEsp": 90, "dpdTimeout": 10, "allowedSubnet": "10.3.0.0/16",
            "localIdentity": "me@example.net", "remoteIdentity": "key-id:them", "initialContactEnabled": true,
        })) }),
        "+ /ip/ipsec/policy/group name=ike2-x-client
         + /ip/ipsec/profile name=ike2-profile-x nat-traversal=yes enc-algorithm=aes-128 hash-algorithm=sha1 dh-group=modp1024 lifetime=30m dpd-interval=10s
         + /ip/ipsec/proposal name=ike2-proposal-x enc-algorithms=aes-128-cbc auth-algorithms=sha1 pfs-group=none lifetime=1m30s
         + /ip/ipsec/peer name=ike2-peer-x address=vpn.example.net profile=ike2-profile-x exchange-mode=ike2 send-initial-contact=yes
         + /ip/ipsec/identity peer=ike2-peer-x generate-policy=port-strict policy-template-group=ike2-x-client my-id=user-fqdn:me@example.net remote-id=key-id:them auth-method=eap eap-methods=eap-mschapv2 username=u password=<secret>
         + /ip/ipsec/policy group=ike2-x-client template=yes src-address=0.0.0.0/0 dst-address=10.3.0.0/16 proposal=ike2-proposal-x action=encrypt level=require",
    );
    let unusual = with_clients(
        json!({ "ikev2": client(json!({ "authMethod": "psk", "presharedKey": "k", "encryptionAlgorithm": "blowfish" })) }),
    );
    assert_eq!(issues(&unusual, Severity::Error).len(), 1, "{:?}", unusual.issues);
}

#[test]
fn what_a_tunnel_needs_around_it() {
    let compiled = with_clients(wireguard(json!({})));
    let steps: Vec<Step> = compiled.steps.iter().filter(|step| step.resource.contains(".client/")).cloned().collect();
    let around: Vec<Step> = steps.into_iter().filter(|step| !own(&compiled).contains(step)).collect();
    assert_shown(
        &around,
        "+ /interface/list name=VPN-WAN
         + /interface/list/member list=VPN-WAN interface=wireguard-client-x
         + /interface/list/member list=WAN interface=wireguard-client-x
         + /routing/table name=to-VPN-x fib=
         + /ip/route dst-address=0.0.0.0/0 gateway=wireguard-client-x routing-table=to-VPN-x distance=1 | Route-to-VPN-x
         + /ip/route dst-address=4.2.2.2/32 gateway=wireguard-client-x routing-table=to-VPN-x check-gateway=ping distance=1 target-scope=11 | Route-to-VPN-x
         + /ip/firewall/address-list list=VPNE address=198.51.100.201 (optional)
         + /routing/table name=to-VPN fib=
         + /ip/route dst-address=0.0.0.0/0 gateway=wireguard-client-x routing-table=to-VPN distance=1 | Route-to-VPN-x
         + /ip/route dst-address=4.2.2.2/32 gateway=wireguard-client-x routing-table=to-VPN check-gateway=ping distance=1 target-scope=11 | Route-to-VPN-x
         + /ip/firewall/mangle chain=output action=mark-connection dst-address-list=VPNE new-connection-mark=conn-VPNE passthrough=yes
         + /ip/firewall/mangle chain=output connection-mark=conn-VPNE action=mark-routing dst-address-list=VPNE new-routing-mark=to-Foreign passthrough=no
         + /ip/firewall/mangle chain=output action=mark-routing dst-address-list=VPNE new-routing-mark=to-Foreign passthrough=no",
    );
}

#[test]
fn a_tunnel_leaves_by_its_link() {
    let link = |name: &str| json!({ "wanInterface": { "wanType": "Foreign", "wanName": name } });
    let pinned = |document: Json| {
        let compiled = with_clients(document);
        assert_no_errors(&compiled);
        let is_about = |step: &&Step| {
            let menus = ["/ip/firewall/address-list", "/routing/rule", "/ip/firewall/mangle"];
            step.resource.contains(".client/") && menus.contains(&step.path.as_str())
        };
        show(&compiled.steps.iter().filter(is_about).cloned().collect::<Vec<_>>())
    };
    let before = "+ /ip/firewall/mangle chain=output action=mark-connection";
    let addressed = pinned(wireguard(link("up")));
    assert_eq!(
        addressed.split(before).next().unwrap(),
        "+ /ip/firewall/address-list list=VPNE address=198.51.100.201 | WanInterface:Foreign-up (optional)\n\
         + /routing/rule action=lookup table=main min-prefix=0 (first)\n\
         + /routing/rule dst-address=198.51.100.201/32 action=lookup table=to-Foreign-up | WanInterface:Foreign-up (needs routing-rule/main)\n\
         + /ip/firewall/address-list list=VPNE-Foreign-up address=198.51.100.201 | WanInterface:Foreign-up (optional)\n\
         + /ip/firewall/mangle chain=output dst-address-list=VPNE-Foreign-up action=mark-routing new-routing-mark=to-Foreign-up passthrough=no\n"
    );
    let mut named = link("up");
    named["peerEndpointAddress"] = json!("vpn.example.net");
    let named = pinned(wireguard(named));
    assert_eq!(
        named.split(before).next().unwrap(),
        "+ /ip/firewall/address-list list=VPNE address=vpn.example.net | WanInterface:Foreign-up (optional)\n\
         + /ip/firewall/address-list list=VPNE-Foreign-up address=vpn.example.net | WanInterface:Foreign-up (optional)\n\
         + /ip/firewall/mangle chain=output dst-address-list=VPNE-Foreign-up action=mark-routing new-routing-mark=to-Foreign-up passthrough=no\n"
    );
}

#[test]
fn what_makes_no_sense_is_named() {
    let at = "$.wan.vpnClient";
    let link = json!({ "wanInterface": { "wanType": "Foreign", "wanName": "other" } });
    let cases = [
        (
            wireguard(json!({ "interfaceAddress": "10.66" })),
            ".wireguard[0].interfaceAddress: \"10.66\" is no address such as 10.66.0.2/32",
        ),
        (
            wireguard(json!({ "interfaceAddress": "" })),
            ".wireguard[0].interfaceAddress: is needed: the address inside the tunnel",
        ),
        (wireguard(link), ".wireguard[0].wanInterface.wanName: there is no Foreign link \"other\""),
        (
            json!({ "l2tp": client(json!({ "protoVersion": 3, "cookieLength": 5 })) }),
            ".l2tp[0].cookieLength: 5 is none of 0, 4, 8",
        ),
        (
            json!({ "ikev2": client(json!({ "authMethod": "magic" })) }),
            ".ikev2[0].authMethod: \"magic\" is none of pre-shared-key, digital-signature, eap",
        ),
        (
            json!({ "ikev2": client(json!({ "presharedKey": "k", "lifetimeEsp": -1 })) }),
            ".ikev2[0].lifetimeEsp: must not be negative",
        ),
    ];
    for (clients, message) in cases {
        assert_eq!(issues(&with_clients(clients), Severity::Error), [format!("{at}{message}")]);
    }
}

#[test]
fn older_releases_get_what_they_have() {
    let clients = json!({
        "l2tp": client(json!({ "useIpsec": false })),
        "sstp": client(json!({ "name": "y", "ciphers": "aes256-sha", "sni": "a" })),
        "multiLinkConfig": { "strategy": "Failover", "failoverConfig": {} },
    });
    let foreign = group(&[("up", "ether1", dhcp())], Json::Null);
    let document = json!({ "wan": { "wanLink": { "foreign": foreign }, "vpnClient": clients } });
    let facts = Facts { release: Release { major: 7, minor: 13 }, ..Facts::newest() };
    let compiled = compiled_for(&document, Role::Master, &facts);
    assert_no_errors(&compiled);
    let warnings = issues(&compiled, Severity::Warning);
    for name in ["random-source-port", "ciphers", "add-sni", "ignore-initial-up"] {
        assert!(warnings.iter().any(|warning| warning.contains(name)), "{name}: {warnings:?}");
        assert!(compiled.steps.iter().all(|step| step.text(name).is_none()), "{name}");
    }
}

#[test]
fn a_network_behind_ikev2_has_no_way_out_and_that_is_said() {
    let document = json!({
        "wan": { "vpnClient": { "ikev2": client(json!({ "presharedKey": "Fixture-k" })) } },
        "lan": { "subnets": { "vpnClientSubnets": { "ikev2": [{ "name": "x", "subnet": "192.168.60.0/24" }] } } },
    });
    let compiled = compiled(&document);
    let warning = "$.wan.vpnClient.ikev2[0]: no route leads through IKEv2: what the network VPN-x sends is dropped";
    assert!(issues(&compiled, Severity::Warning).contains(&warning.to_owned()), "{:?}", compiled.issues);
    let routes: Vec<Step> = compiled.steps.iter().filter(|step| step.path == "/ip/route").cloned().collect();
    assert!(routes.iter().all(|step| step.text("routing-table") != Some("to-VPN-x") || step.text("gateway").is_none()));
}

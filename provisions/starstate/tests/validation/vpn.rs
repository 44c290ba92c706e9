//! VPN clients and servers.

use serde_json::{Value as Json, json};

use super::check;

#[test]
fn vpn_clients() {
    let wg = |key: &str| (format!("/wan/vpnClient/wireguard/0/{key}"), format!("$.wan.vpnClient.wireguard[0].{key}"));
    for (key, value, message) in [
        ("interfacePrivateKey", json!("c2hvcnQ="), "is no key of WireGuard: 32 bytes in base64"),
        ("interfacePrivateKey", json!(""), "is needed: a key of WireGuard"),
        ("peerPublicKey", json!("x"), "is no key of WireGuard: 32 bytes in base64"),
        ("peerPresharedKey", json!("x"), "is no key of WireGuard: 32 bytes in base64"),
        (
            "interfaceAddress",
            json!("10.66.0.2"),
            "\"10.66.0.2\" is no address with a prefix length such as 10.66.0.2/32",
        ),
        ("interfaceAddress", json!(""), "is needed: the address inside the tunnel"),
        ("peerAllowedIps", json!(""), "is needed: what goes through the tunnel, such as 0.0.0.0/0"),
        ("peerAllowedIps", json!("0.0.0.0/0,all"), "\"all\" is no network such as 0.0.0.0/0"),
        ("peerEndpointAddress", json!(""), "is needed: whom to call"),
        ("peerEndpointAddress", json!("a b"), "\"a b\" is neither a host name nor an address"),
        ("peerEndpointPort", json!(0), "is needed"),
        ("peerEndpointPort", json!(70000), "70000 is no port"),
        ("interfaceListenPort", json!(-1), "-1 is no port"),
    ] {
        let (pointer, path) = wg(key);
        check(&[(&pointer, value)], &[&format!("error: {path}: {message}")]);
    }
    let ikev2 = "/wan/vpnClient/ikev2/0";
    let credentials = json!({ "username": "u", "password": "p" });
    for (changes, expected) in [
        (
            vec![("/wan/vpnClient/wireguard/0/wanInterface/wanName", json!("Moon"))],
            vec!["error: $.wan.vpnClient.wireguard[0].wanInterface.wanName: there is no Foreign link \"Moon\""],
        ),
        (
            vec![("/wan/vpnClient/wireguard/0/wanInterface", json!({ "wanType": "VPN", "wanName": "wg" }))],
            vec!["error: $.wan.vpnClient.wireguard[0].wanInterface.wanName: there is no VPN link \"wg\""],
        ),
        (vec![("/wan/vpnClient/wireguard/0/wanInterface", json!({ "wanType": "VPN", "wanName": "l2" }))], vec![]),
        (
            vec![("/wan/vpnClient/wireguard/0/interfaceListenPort", json!(13231))],
            vec![
                "error: $.wan.vpnClient.wireguard[0].interfaceListenPort: a WireGuard client listens on udp port 13231, and so does a WireGuard server: $.lan.vpnServer.wireguardServers[0].interface.listenPort",
            ],
        ),
        (
            vec![("/wan/vpnClient/l2tp/0/ipsecSecret", json!(""))],
            vec!["error: $.wan.vpnClient.l2tp[0].ipsecSecret: is needed for IPsec"],
        ),
        (
            vec![("/wan/vpnClient/l2tp/0/server/port", json!(65536))],
            vec!["error: $.wan.vpnClient.l2tp[0].server.port: 65536 is no port"],
        ),
        (
            vec![("/wan/vpnClient/ikev2/0/presharedKey", json!(""))],
            vec!["error: $.wan.vpnClient.ikev2[0].presharedKey: is needed: the secret of both ends"],
        ),
        (
            vec![
                ("/wan/vpnClient/ikev2/0/presharedKey", json!("")),
                ("/wan/vpnClient/ikev2/0/credentials", credentials.clone()),
            ],
            vec![],
        ),
        (
            vec![("/wan/vpnClient/ikev2/0/authMethod", json!("digital-signature"))],
            vec![
                "error: $.wan.vpnClient.ikev2[0].clientCertificateName: is needed: the certificate by which the router proves who it is",
            ],
        ),
        (
            vec![("/wan/vpnClient/ikev2/0/authMethod", json!("eap"))],
            vec!["error: $.wan.vpnClient.ikev2[0].credentials.username: is needed: the login for EAP"],
        ),
        (
            vec![(
                ikev2,
                json!({ "name": "ik", "serverAddress": "x.y", "authMethod": "eap", "credentials": { "username": "u" } }),
            )],
            vec!["error: $.wan.vpnClient.ikev2[0].credentials.password: is needed: the login for EAP"],
        ),
    ] {
        check(&changes, &expected);
    }
}

#[test]
fn vpn_servers() {
    let servers = "/lan/vpnServer";
    let at = "$.lan.vpnServer";
    let certificate = "is needed: the name of a certificate, unless $.extra.certificateConfig says how one is made";
    for (key, value, expected) in [
        ("users/0/vpnType", json!(["L2TP", "OpenVPN"]), format!("warning: {at}.sstpServer: there is no user for SSTP")),
        (
            "users/0/vpnType",
            json!(["L2TP", "sstp"]),
            format!("warning: {at}.openVpnServer[0]: there is no user for OpenVPN"),
        ),
        (
            "users/0/vpnType",
            json!(["SSTP", "L2TP", "OpenVPN", "Telepathy"]),
            format!(
                "warning: {at}.users[0].vpnType[3]: \"Telepathy\" is none of Wireguard, OpenVPN, PPTP, L2TP, SSTP, IKeV2, Socks5, SSH, HTTPProxy, BackToHome, ZeroTier; it has no effect"
            ),
        ),
        ("users/0/vpnType", json!([]), String::new()),
        ("sstpServer/certificate", json!(""), format!("error: {at}.sstpServer.certificate: {certificate}")),
        (
            "openVpnServer/0/certificates",
            Json::Null,
            format!("error: {at}.openVpnServer[0].certificates.cert: {certificate}"),
        ),
        (
            "ikev2Server/ipsecIdentity/type",
            json!("certificate"),
            format!("error: {at}.ikev2Server.certificate.name: {certificate}"),
        ),
        ("l2tpServer/ipsecSecret", json!(""), format!("error: {at}.l2tpServer.ipsecSecret: is needed for IPsec")),
        (
            "pptpServer/enabled",
            json!(true),
            format!(
                "warning: {at}.pptpServer: PPTP can be broken by whoever listens; L2TP with IPsec, SSTP, OpenVPN and WireGuard cannot"
            ),
        ),
        (
            "wireguardServers/0/peers/0/publicKey",
            json!("x"),
            format!("error: {at}.wireguardServers[0].peers[0].publicKey: is no key of WireGuard: 32 bytes in base64"),
        ),
        (
            "wireguardServers/0/peers/0/presharedKey",
            json!("x"),
            format!(
                "error: {at}.wireguardServers[0].peers[0].presharedKey: is no key of WireGuard: 32 bytes in base64"
            ),
        ),
        (
            "wireguardServers/0/interface/privateKey",
            json!("x"),
            format!("error: {at}.wireguardServers[0].interface.privateKey: is no key of WireGuard: 32 bytes in base64"),
        ),
        (
            "wireguardServers/0/interface/listenPort",
            json!(4500),
            format!(
                "error: {at}.wireguardServers[0].interface.listenPort: a WireGuard server listens on udp port 4500, and so does the IKEv2 server: {at}.ikev2Server"
            ),
        ),
        (
            "socks5Server",
            json!({ "enabled": true, "listenPort": 4443 }),
            format!(
                "error: {at}.socks5Server.listenPort: the SOCKS5 server listens on tcp port 4443, and so does the SSTP server: {at}.sstpServer.listenPort"
            ),
        ),
        (
            "backToHomeServer",
            json!({ "enabled": true }),
            format!(
                "error: {at}.wireguardServers[0].interface.listenPort: a WireGuard server listens on udp port 13231, and so does Back to Home: {at}.backToHomeServer"
            ),
        ),
    ] {
        let expected: Vec<&str> = [&*expected].into_iter().filter(|line| !line.is_empty()).collect();
        check(&[(&format!("{servers}/{key}"), value)], &expected);
    }
    // The router's own certificate serves, too.
    check(
        &[("/lan/vpnServer/sstpServer/certificate", json!("")), ("/extra/certificateConfig/enabled", json!(true))],
        &[],
    );
}

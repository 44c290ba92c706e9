//! The files for those who call a router's VPN servers.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;
#[allow(dead_code, reason = "each test binary uses its part")]
mod texts;

use kit::Attempt;
use serde_json::{Value as Json, json};
use starstate::client_files::{ClientFile, client_files};
use starstate::compile::{Facts, compile};
use starstate::ledger::Kept;
use starstate::orchestrator::Generated;
use starstate::role::Role;
use starstate::state;

const ROUTER: &str = "vpn.example.com";

fn made(step: &str, name: &str, value: &str) -> Generated {
    let value = Kept::new(value, name.starts_with("file:"));
    Generated { step: step.into(), resource: step.split('/').next().unwrap().into(), name: name.into(), value }
}

/// What a session reads back.
fn generated() -> Vec<Generated> {
    let pem = |what: &str| format!("-----BEGIN {what}-----\nMIIB\n-----END {what}-----\n");
    vec![
        made("vpn.wireguard.server/road/interface", "public-key", "RnvAS7jxiNfjuNMl5zM2gBqEsG4lcl50y6FQllMzEjY="),
        made(
            "vpn.backtohome.server/backtohome/interface",
            "public-key",
            "8rv+n+SXrW1T/oMrXiA1ImB53K7FWqp5Pg0E4AboRVM=",
        ),
        made("certificate/server-cert", "ca", "nnc-ca"),
        made("certificate/nnc-ca/export", "file:nnc-ca.crt", &pem("CERTIFICATE")),
        made("certificate/nnc-client/export", "file:nnc-client.crt", &pem("CERTIFICATE")),
        made("certificate/nnc-client/export", "file:nnc-client.key", &pem("ENCRYPTED PRIVATE KEY")),
    ]
}

fn files(servers: Json, generated: &[Generated], router: &str) -> Vec<ClientFile> {
    client_files(&state::read(&json!({ "lan": { "vpnServer": servers } })).state, generated, router)
}

fn content<'f>(files: &'f [ClientFile], name: &str) -> &'f str {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("{name} of {names:?}")).content.reveal()
}

fn content_of(servers: Json, name: &str) -> String {
    content(&files(servers, &[], ROUTER), name).to_owned()
}

fn user(name: &str, kinds: &[&str]) -> Json {
    json!({ "username": name, "password": format!("pass of {name}"), "vpnType": kinds })
}

/// Lines as they stand in a test.
fn text(lines: &str) -> String {
    lines.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

fn wireguard() -> Json {
    json!({ "wireguardServers": [{
        "name": "road",
        "interface": { "privateKey": "HNmYvd+nV0YBXg4BXaawEUxP8XLnXlJKiX2DK7sidtA=", "address": "192.168.110.1/24",
            "listenPort": 51820, "mtu": 1420 },
        "peers": [
            { "publicKey": "qSYlx0s3D4NWVgtiuSzUWlAXd9k5iDdJfG0MR4imjko=", "allowedIps": "192.168.110.2/32",
              "persistentKeepalive": 25, "comment": "phone" },
            { "publicKey": "9ufCpEnO5Y6DzV4oFJD4HOoctIh9sk2lVdKe+cSmAdU=", "allowedIps": "192.168.110.3/32",
              "presharedKey": "txQRMKwh4vbcgs+HvfB9gd5+5Mfd3LDKh8kqmATWNqw=",
              "client": { "name": "office", "address": "192.168.110.3/24", "dns": "9.9.9.9, lan", "listenPort": 5000,
                  "endpoint": "[2001:db8::1]:443", "keepalive": 15 } },
            { "publicKey": "x", "allowedIps": "192.168.110.4/32", "client": { "name": "old", "enabled": false } },
        ],
    }] })
}

#[test]
fn each_peer_of_wireguard_gets_a_configuration() {
    let files = files(wireguard(), &generated(), ROUTER);
    let about: Vec<(&str, &str, bool)> =
        files.iter().map(|file| (&*file.name, file.media_type, file.is_secret)).collect();
    let plain = "text/plain; charset=utf-8";
    assert_eq!(
        about,
        [("wireguard-road-phone.conf", plain, false), ("wireguard-road-office.conf", plain, true)],
        "none for a peer that wants none"
    );
    assert_eq!(
        content(&files, "wireguard-road-phone.conf"),
        text(
            "# road: phone
            [Interface]
            # The private key that belongs to the public key qSYlx0s3D4NWVgtiuSzUWlAXd9k5iDdJfG0MR4imjko=
            PrivateKey = <PRIVATE KEY OF THIS DEVICE>
            Address = 192.168.110.2/32
            DNS = 192.168.110.1
            MTU = 1420

            [Peer]
            PublicKey = RnvAS7jxiNfjuNMl5zM2gBqEsG4lcl50y6FQllMzEjY=
            AllowedIPs = 0.0.0.0/0
            Endpoint = vpn.example.com:51820
            PersistentKeepalive = 25"
        )
    );
    assert_eq!(
        content(&files, "wireguard-road-office.conf"),
        text(
            "# road: office
            [Interface]
            # The private key that belongs to the public key 9ufCpEnO5Y6DzV4oFJD4HOoctIh9sk2lVdKe+cSmAdU=
            PrivateKey = <PRIVATE KEY OF THIS DEVICE>
            Address = 192.168.110.3/24
            DNS = 9.9.9.9, lan
            ListenPort = 5000
            MTU = 1420

            [Peer]
            PublicKey = RnvAS7jxiNfjuNMl5zM2gBqEsG4lcl50y6FQllMzEjY=
            PresharedKey = txQRMKwh4vbcgs+HvfB9gd5+5Mfd3LDKh8kqmATWNqw=
            AllowedIPs = 0.0.0.0/0
            Endpoint = [2001:db8::1]:443
            PersistentKeepalive = 15"
        )
    );
}

#[test]
fn what_nobody_knows_is_a_marked_place() {
    let wireguard = files(wireguard(), &[], " ");
    let lines = content(&wireguard, "wireguard-road-phone.conf");
    assert!(lines.contains("PublicKey = <PUBLIC KEY OF THE ROUTER>\n"), "{lines}");
    assert!(lines.contains("Endpoint = <ADDRESS OF THE ROUTER>:51820\n"), "{lines}");
    let openvpn = json!({ "openVpnServer": { "enabled": true, "name": "x", "certificates": { "cert": "c" },
        "requireClientCertificate": true } });
    let openvpn = files(openvpn, &[], "");
    let profile = content(&openvpn, "openvpn-x.ovpn");
    for line in [
        "remote \"<ADDRESS OF THE ROUTER>\" 1194\n",
        "# The certificate of the authority that signed the server's belongs here: <ca> ... </ca>\n",
        "# The certificate of whoever calls belongs here: <cert> ... </cert>\n",
        "# Its key belongs here: <key> ... </key>\n",
    ] {
        assert!(profile.contains(line), "{line} of {profile}");
    }
}

#[test]
fn names_make_no_lines() {
    let evil = "x\nPostUp = reboot\r#\u{2028}";
    let mut servers = wireguard();
    servers["wireguardServers"][0]["name"] = evil.into();
    let peer = &mut servers["wireguardServers"][0]["peers"][1];
    for field in ["publicKey", "allowedIps", "presharedKey"] {
        peer[field] = evil.into();
    }
    for field in ["name", "address", "dns", "endpoint"] {
        peer["client"][field] = evil.into();
    }
    servers["openVpnServer"] = json!({ "enabled": true, "name": evil, "cipher": evil, "auth": evil, "mode": evil,
        "protocol": evil, "tlsVersion": evil });
    servers["users"] = json!([user(evil, &[]), user(evil, &["SSH", "Socks5"])]);
    for key in [
        "pptpServer",
        "l2tpServer",
        "sstpServer",
        "ikev2Server",
        "socks5Server",
        "sshServer",
        "httpProxyServer",
        "backToHomeServer",
        "zeroTierServer",
    ] {
        servers[key] = json!({ "enabled": true, "certificate": evil, "networkId": evil, "useIpsec": "yes",
            "ipsecSecret": evil, "authentication": evil, "allowedIpAddresses": [evil], "clientSubnet": evil });
    }
    servers["sstpServer"]["certificate"] = evil.into();
    servers["ikev2Server"]["certificate"] = json!({ "name": evil, "commonName": evil });
    let evil_generated = [made(&format!("vpn.wireguard.server/{evil}/interface"), "public-key", evil)];
    for router in [evil, ROUTER, "a b", "x; reboot"] {
        let files = files(servers.clone(), &evil_generated, router);
        assert!(files.len() > 10);
        for file in files {
            assert!(file.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{file:?}");
            let lines = file.content.reveal();
            assert!(!lines.contains(['\r', '\u{2028}']), "{}: {lines:?}", file.name);
            let is_own =
                |line: &str| !line.trim_start().starts_with("PostUp") && !line.trim_start().starts_with("reboot");
            assert!(lines.lines().all(is_own), "{}: {lines}", file.name);
            assert!(!lines.contains("ssh -N"), "no command of a name that is none: {lines}");
        }
    }
}

#[test]
fn openvpn_servers_have_a_profile_and_their_users_a_text() {
    let servers = json!({
        "users": [user("ann", &["OpenVPN"]), user("ben", &["L2TP"])],
        "certificatePassphrase": "long enough",
        "openVpnServer": {
            "enabled": true, "name": "staff", "listenPort": 1195, "protocol": "UDP", "cipher": "AES-256-CBC",
            "auth": "SHA256", "tlsVersion": "only-1.2", "renegSec": 3600, "requireClientCertificate": true,
            "certificates": { "cert": "server-cert" },
        },
    });
    let files = files(servers, &generated(), ROUTER);
    let about: Vec<(&str, &str, bool)> =
        files.iter().map(|file| (&*file.name, file.media_type, file.is_secret)).collect();
    assert_eq!(
        about,
        [
            ("openvpn-staff.ovpn", "application/x-openvpn-profile", true),
            ("openvpn-staff-ann.txt", "text/plain; charset=utf-8", true),
            ("nnc-ca.crt", "application/x-pem-file", false),
            ("nnc-client.crt", "application/x-pem-file", false),
            ("nnc-client.key", "application/x-pem-file", true),
        ]
    );
    assert_eq!(
        content(&files, "openvpn-staff.ovpn"),
        text(
            "# staff
            client
            dev tun
            proto udp
            remote vpn.example.com 1195
            nobind
            persist-key
            persist-tun
            remote-cert-tls server
            auth-user-pass
            cipher AES-256-CBC
            data-ciphers AES-256-CBC
            auth SHA256
            tls-version-min 1.2
            reneg-sec 3600
            <ca>
            -----BEGIN CERTIFICATE-----
            MIIB
            -----END CERTIFICATE-----
            </ca>
            <cert>
            -----BEGIN CERTIFICATE-----
            MIIB
            -----END CERTIFICATE-----
            </cert>
            <key>
            -----BEGIN ENCRYPTED PRIVATE KEY-----
            MIIB
            -----END ENCRYPTED PRIVATE KEY-----
            </key>"
        )
    );
    assert_eq!(
        content(&files, "openvpn-staff-ann.txt"),
        text(
            "OpenVPN staff: ann

            Profile                openvpn-staff.ovpn
            User                   ann
            Password               pass of ann
            Passphrase of the key  long enough"
        )
    );
}

#[test]
fn words_of_openvpn_are_those_of_its_own_programs() {
    let cases = [
        (json!({}), "proto tcp-client", "cipher AES-128-CBC\ndata-ciphers AES-128-CBC\nauth SHA1\n"),
        (
            json!({ "cipher": ["aes128-gcm", "aes256-cbc"], "auth": "none", "mode": "ethernet" }),
            "dev tap",
            "cipher AES-128-GCM\ndata-ciphers AES-128-GCM:AES-256-CBC\nauth none\n",
        ),
        (json!({ "cipher": "none", "auth": "sha512" }), "dev tun", "cipher none\ndata-ciphers none\nauth SHA512\n"),
        (
            json!({ "cipher": "blowfish128", "auth": "md5" }),
            "dev tun",
            "cipher BF-CBC\ndata-ciphers BF-CBC\nauth MD5\n",
        ),
    ];
    for (mut server, first, second) in cases {
        server["enabled"] = true.into();
        let files = files(json!({ "openVpnServer": server }), &[], ROUTER);
        let profile = content(&files, "openvpn-openvpn.ovpn");
        assert!(profile.contains(first) && profile.contains(second), "{profile}");
    }
}

#[test]
fn other_servers_have_texts() {
    let servers = json!({
        "users": [
            user("ann", &["PPTP", "L2TP", "SSTP"]),
            user("ben", &["SSH", "Socks5"]),
            user("cleo", &["SSH", "Socks5"]),
        ],
        "pptpServer": { "enabled": true, "authentication": "mschapv2" },
        "l2tpServer": { "enabled": true, "useIpsec": "required", "ipsecSecret": "shared" },
        "sstpServer": { "enabled": true, "certificate": "server-cert", "listenPort": 4443, "tlsVersion": "1.2" },
        "ikev2Server": { "enabled": true, "ipsecIdentity": { "type": "psk", "content": "ike secret" } },
        "socks5Server": { "enabled": true, "allowedUsers": ["ben"], "network": { "name": "VPN" } },
        "sshServer": { "enabled": true, "listenPort": 2222, "allowedUsers": ["ben"] },
        "httpProxyServer": { "enabled": true, "allowedIpAddresses": ["203.0.113.0/24"] },
        "backToHomeServer": { "enabled": true },
        "zeroTierServer": { "enabled": true, "networkId": "8056C2E21C000001" },
    });
    let files = files(servers, &generated(), ROUTER);
    let cases = [
        (
            "pptp-ann.txt",
            "PPTP: ann\n\nServer    vpn.example.com\nUser      ann\nPassword  pass of ann\nMethods   mschap2\n",
        ),
        (
            "l2tp-ann.txt",
            "L2TP with IPsec: ann\n\nServer         vpn.example.com\nUser           ann\nPassword       pass of ann\nIPsec          required\nShared secret  shared\n",
        ),
        (
            "sstp-ann.txt",
            "SSTP: ann\n\nServer    vpn.example.com\nPort      4443\nUser      ann\nPassword  pass of ann\nTLS       only-1.2\n\nnnc-ca.crt must be among the authorities that your device trusts.\n",
        ),
        (
            "ikev2.txt",
            "IKEv2\n\nServer         vpn.example.com\nProof          shared secret\nShared secret  ike secret\n",
        ),
        (
            "socks5-ben.txt",
            "SOCKS5: ben\n\nServer    192.168.70.1\nPort      1080\nUser      ben\nPassword  pass of ben\n\nFor devices in the network VPN, and those who have called the router and belong to it.\n",
        ),
        (
            "ssh-ben.txt",
            "SSH: ben\n\nServer    vpn.example.com\nPort      2222\nUser      ben\nPassword  pass of ben\n\nSOCKS on port 1080 of your own device: ssh -N -D 1080 -p 2222 ben@vpn.example.com\n",
        ),
        (
            "http-proxy.txt",
            "HTTP proxy\n\nProxy  192.168.70.1\nPort   8080\n\nFor devices in the network VPN, and those who have called the router and belong to it.\n\nAlso for 203.0.113.0/24, who reach it at vpn.example.com.\n",
        ),
        (
            "back-to-home.txt",
            "Back to Home (WireGuard)\n\nEndpoint    vpn.example.com:13231\nPublic key  8rv+n+SXrW1T/oMrXiA1ImB53K7FWqp5Pg0E4AboRVM=\nNetwork     10.99.0.0/24\nResolver    10.99.0.1\n\nEach device needs a peer on the router, with the device's public key and an address of the network.\n",
        ),
        (
            "zerotier.txt",
            "ZeroTier\n\nNetwork  8056c2e21c000001\n\nA device joins by: zerotier-cli join 8056c2e21c000001\n\nThe router and each device must be permitted in the network's controller.\n",
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(content(&files, name), expected, "{name}");
    }
    let open: Vec<&str> = files.iter().filter(|file| !file.is_secret).map(|file| file.name.as_str()).collect();
    assert_eq!(open, ["http-proxy.txt", "back-to-home.txt", "zerotier.txt", "nnc-ca.crt"]);
    assert_eq!(files.len(), cases.len() + 1, "nothing for users who may not");
    assert!(!format!("{files:?}").contains("pass of"), "not in what is logged");
}

#[test]
fn certificates_of_somebody_else_are_not_explained_by_our_authority() {
    let servers = json!({
        "users": [user("ann", &[])],
        "sstpServer": { "enabled": true, "certificate": "mine" },
    });
    let theirs = files(servers, &generated(), ROUTER);
    assert!(content(&theirs, "sstp-ann.txt").contains("The authority that signed mine must be among those"));
    assert!(theirs.iter().all(|file| file.name != "nnc-ca.crt"));
    let ikev2 = json!({
        "certificatePassphrase": "long enough",
        "ikev2Server": { "enabled": true, "certificate": { "name": "server-cert", "commonName": "vpn.example.com" } },
    });
    let own = files(ikev2, &generated(), ROUTER);
    assert_eq!(
        content(&own, "ikev2.txt"),
        "IKEv2\n\nServer                 vpn.example.com\nProof                  certificates\nName of the server     vpn.example.com\nPassphrase of the key  long enough\n\nnnc-ca.crt must be among the authorities that your device trusts.\n\nYour device shows nnc-client.crt, with the key in nnc-client.key.\n\nBoth in one file: openssl pkcs12 -export -in nnc-client.crt -inkey nnc-client.key -out nnc-client.p12\n"
    );
    assert_eq!(
        own.iter().map(|file| &*file.name).collect::<Vec<_>>(),
        ["ikev2.txt", "nnc-ca.crt", "nnc-client.crt", "nnc-client.key"]
    );
}

#[test]
fn names_of_files_are_unique() {
    let servers = json!({
        "users": [user("a/b", &[]), user("a_b", &[]), user("A_B", &[])],
        "pptpServer": { "enabled": true },
    });
    let files = files(servers, &[], ROUTER);
    assert_eq!(
        files.iter().map(|file| &*file.name).collect::<Vec<_>>(),
        ["pptp-a_b.txt", "pptp-a_b-2.txt", "pptp-A_B-3.txt"]
    );
    let servers = json!({
        "users": [user("ann", &[])],
        "openVpnServer": [{ "enabled": true, "name": "a/b" }, { "enabled": true, "name": "a_b" }],
    });
    let second = content_of(servers, "openvpn-a_b-ann-2.txt");
    assert!(second.contains("openvpn-a_b-2.ovpn\n"), "a text names the profile that it is for: {second}");
}

#[tokio::test]
async fn what_a_router_gives_back_is_in_the_files() {
    let (_, text) = texts::documents().into_iter().find(|(name, _)| name.starts_with("07")).unwrap();
    let whole: Json = serde_json::from_str(&text).unwrap();
    let document = state::read(&json!({ "lan": { "vpnServer": whole["lan"]["vpnServer"] } })).state;
    let router = kit::start().await;
    let port = kit::reach(&router);
    let compiled = compile(&document, Role::Master, &Facts::read(&port).await.unwrap());
    let applied = Attempt::new(&port, compiled.steps).apply().await.unwrap();
    let files = client_files(&document, &applied.generated, ROUTER);
    assert!(
        content(&files, "wireguard-road-phone.conf")
            .contains("PublicKey = RnvAS7jxiNfjuNMl5zM2gBqEsG4lcl50y6FQllMzEjY=")
    );
    assert!(content(&files, "openvpn-ovpn-udp.ovpn").contains("<ca>\n-----BEGIN CERTIFICATE-----\n"));
    let places: Vec<&str> = files
        .iter()
        .flat_map(|file| file.content.reveal().lines())
        .filter(|line| line.contains("<PUBLIC KEY"))
        .collect();
    assert_eq!(places, [""; 0]);
}

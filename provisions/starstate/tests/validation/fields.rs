//! Fields that change nothing on a router.

use serde_json::json;
use starstate::issue::Issue;
use starstate::state;

use super::{good, put};

/// Objects of a document, and those of their fields that change nothing on a router.
const WITHOUT_EFFECT: [(&str, &str); 37] = [
    ("/wan/wanLink/domestic/wanConfigs/0", "weight"),
    ("/wan/wanLink/domestic/multiLinkConfig", "roundRobinInterval"),
    ("/wan/vpnClient/multiLinkConfig", "roundRobinInterval"),
    ("/wan/vpnClient/wireguard/0", "weight"),
    ("/wan/vpnClient/openVpn/0", "weight authType ovpnFileContent"),
    ("/wan/vpnClient/openVpn/0/certificates", "ca key"),
    (
        "/wan/vpnClient/ikev2/0",
        "requestAddressPool version prfAlgorithm rekeyInterval mobikeEnabled eagerModeEnabled childSaLifetime childSaRekeyMargin \
         childSaRekeyFuzz forceEncapsulation installPolicy privateKeyPassword dialOnDemand",
    ),
    ("/lan/vpnServer/pptpServer", "packetSize listenAddress mppeKeySize"),
    ("/lan/vpnServer/l2tpServer", "packetSize listenAddress l2tpVersion"),
    ("/lan/vpnServer/l2tpServer/l2tpv3Config", "sessionId l3Encapsulation"),
    ("/lan/vpnServer/sstpServer", "packetSize listenAddress requireEncryption compressData forceAes"),
    ("/lan/vpnServer/openVpnServer/0", "packetSize listenAddress tlsAuth compressData allowedSubnets encryption"),
    ("/lan/vpnServer/openVpnServer/0/certificates", "ca key dh"),
    ("/lan/vpnServer/wireguardServers/0/interface", "name publicKey"),
    ("/lan/vpnServer/socks5Server", "listenAddress"),
    ("/lan/vpnServer/sshServer", "listenAddress"),
    ("/lan/vpnServer/httpProxyServer", "listenAddress allowedUsers"),
    ("/lan/vpnServer/backToHomeServer", "allowedDevices"),
    ("/lan/vpnServer/zeroTierServer", "allowedMembers"),
    (
        "/lan/vpnServer/ikev2Server",
        "listenAddress version prfAlgorithm rekeyInterval mobikeEnabled forceEncapsulation installPolicy ipsecPeers ipsecModeConfig",
    ),
    ("/lan/vpnServer/ikev2Server/ipsecProfile", "phase1 phase2"),
    (
        "/lan/vpnServer/ikev2Server/ipsecPolicyGroup",
        "direction sourceSubnet destinationSubnet protocol sourcePort destinationPort",
    ),
    ("/lan/vpnServer/ikev2Server/ipsecPolicyTemplate", "name sourceSubnetType destSubnetType"),
    ("/lan/vpnServer/ikev2Server/ipPool", "ntpServer"),
    ("/lan/vpnServer/ikev2Server/certificate", "validFrom"),
    ("/lan/tunnel/gre/0", "type keyId"),
    ("/lan/tunnel/vxlan/0", "vxlanId fdb multicastInterface allowFastPath arpTimeout dontFragment"),
    ("/extra/routerIdentity", "routerComment"),
    ("/extra/ruiConfig", "enabled port theme languageCode sessionTimeout"),
    ("/extra/games/0", "wan2wan dosProtection netflowEnabled"),
    ("/extra/certificateConfig", "autoRenew renewalDaysBefore"),
    ("/extra/ntpConfig", "interval synchronize"),
    ("/extra/graphingConfig", "retention"),
    ("/extra/cloudDdnsConfig/entries/0", "interface"),
    ("/extra/upnpConfig", "allowDevice2Device externalIpAddress allowedPorts leaseTime"),
    ("/extra/natpmpConfig", "externalIp lifetime"),
    ("/extra/usefulServices", "smtpRelayEnabled dhcpRelayEnabled bandwidthLimit"),
];

/// `/a/0/b` is `$.a[0].b`.
fn path_of(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| match part.parse::<usize>() {
        Ok(number) => format!("[{number}]"),
        Err(_) => format!(".{part}"),
    });
    format!("${}", parts.collect::<String>())
}

#[test]
fn fields_without_effect_are_named() {
    for (object, fields) in WITHOUT_EFFECT {
        for field in fields.split_whitespace() {
            let mut document = good();
            put(&mut document, &format!("{object}/{field}"), json!("x"));
            let path = format!("{}.{field}", path_of(object));
            let warning = Issue::warning(&*path, "has no effect on the router");
            assert!(state::read(&document).issues.contains(&warning), "{path}");
            // What says nothing is no matter.
            put(&mut document, &format!("{object}/{field}"), json!(false));
            assert!(!state::read(&document).issues.contains(&warning), "{path}");
        }
    }
}

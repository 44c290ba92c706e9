//! Resolvers.

use routeros_schema::Release;
use serde_json::{Value as Json, json};
use starstate::compile::Facts;
use starstate::role::Role;

use super::super::{assert_no_errors, assert_shown, compiled, compiled_for, of, show};
use super::{check_with_links, with_links};

#[test]
fn resolvers_by_the_document() {
    let networks = json!({ "baseNetworks": { "domestic": true, "foreign": true } });
    let document = json!({
        "choose": { "firmware": "MikroTik", "networks": networks },
        "wan": { "dnsConfig": {
            "vpnDns": "10.66.0.1", "domesticDns": "203.0.113.53, 192.0.2.1", "foreignDns": "192.0.2.1",
            "doh": { "domain": "dns.example.com/dns-query", "bindingIp": "2001:db8::1" },
        } },
        "extra": { "ntpConfig": { "servers": ["time.example.com", "192.0.2.9"] } },
    });
    let newest = compiled(&document);
    assert_no_errors(&newest);
    assert_shown(
        &of(&newest, "system.dns"),
        r"+ /ip/dns/static name=dns.example.com address=2001:db8::1 type=AAAA
          = /ip/dns allow-remote-requests=yes servers=10.66.0.1,203.0.113.53,192.0.2.1 use-doh-server=https://dns.example.com/dns-query verify-doh-cert=no max-concurrent-queries=500 max-concurrent-tcp-sessions=50 cache-size=20480KiB cache-max-ttl=7d
          + /ip/dns/forwarders name=Domestic dns-servers=203.0.113.53,192.0.2.1 verify-doh-cert=no
          + /ip/dns/forwarders name=Foreign dns-servers=192.0.2.1 verify-doh-cert=no
          + /ip/dns/static regexp=\.ir$ type=FWD forward-to=Domestic (needs system.dns/forwarder-Domestic)
          + /ip/dns/static name=upgrade.mikrotik.com type=FWD forward-to=Foreign (needs system.dns/forwarder-Foreign)
          + /ip/dns/static name=download.mikrotik.com type=FWD forward-to=Foreign (needs system.dns/forwarder-Foreign)
          + /ip/dns/forwarders name=General dns-servers=10.66.0.1,203.0.113.53,192.0.2.1 verify-doh-cert=no
          + /ip/dns/static name=time.example.com type=FWD forward-to=General (needs system.dns/forwarder-General)
          + /ip/firewall/nat action=redirect chain=dstnat protocol=udp dst-port=53 in-interface-list=LAN
          + /ip/firewall/nat action=redirect chain=dstnat protocol=tcp dst-port=53 in-interface-list=LAN",
    );
    let facts = Facts { release: Release { major: 7, minor: 16 }, ..Facts::newest() };
    let mut document = document;
    document["extra"]["region"] = json!({ "domains": [".co.example"] });
    let older = compiled_for(&document, Role::Master, &facts);
    assert_no_errors(&older);
    let names: Vec<_> = of(&older, "system.dns").into_iter().filter(|step| step.text("type") == Some("FWD")).collect();
    assert_shown(
        &names,
        r"+ /ip/dns/static regexp=\.co\.example$ type=FWD forward-to=203.0.113.53
          + /ip/dns/static name=upgrade.mikrotik.com type=FWD forward-to=192.0.2.1
          + /ip/dns/static name=download.mikrotik.com type=FWD forward-to=192.0.2.1
          + /ip/dns/static name=time.example.com type=FWD forward-to=10.66.0.1",
    );
}

#[test]
fn networks_ask_the_router_whatever_they_want_to_ask() {
    check_with_links(
        |document| document["wan"]["dnsConfig"] = json!({ "foreignDns": "192.0.2.53", "vpnDns": "10.66.0.3" }),
        "system.dns",
        r"= /ip/dns allow-remote-requests=yes servers=10.66.0.3,10.66.0.1,192.0.2.53 max-concurrent-queries=500 max-concurrent-tcp-sessions=50 cache-size=20480KiB cache-max-ttl=7d mdns-repeat-ifaces=LANBridgeSplit,LANBridgeForeign,LANBridgeVPN-wg
          + /ip/dns/forwarders name=Domestic dns-servers=217.218.127.127 verify-doh-cert=no
          + /ip/dns/forwarders name=Foreign dns-servers=192.0.2.53 verify-doh-cert=no
          + /ip/dns/forwarders name=VPN dns-servers=10.66.0.3,10.66.0.1 verify-doh-cert=no
          + /ip/dns/static regexp=\.ir$ type=FWD forward-to=Domestic (needs system.dns/forwarder-Domestic)
          + /ip/dns/static name=vpn.example.com type=FWD forward-to=Foreign (needs system.dns/forwarder-Foreign)
          + /ip/dns/static name=upgrade.mikrotik.com type=FWD forward-to=Foreign (needs system.dns/forwarder-Foreign)
          + /ip/dns/static name=download.mikrotik.com type=FWD forward-to=Foreign (needs system.dns/forwarder-Foreign)
          + /ip/dns/forwarders name=General dns-servers=10.66.0.3,10.66.0.1,192.0.2.53 verify-doh-cert=no
          + /ip/firewall/nat action=dst-nat chain=dstnat protocol=udp dst-port=53 src-address-list=Split-LAN to-addresses=10.66.0.3 disabled=yes
          + /ip/firewall/nat action=dst-nat chain=dstnat protocol=tcp dst-port=53 src-address-list=Split-LAN to-addresses=10.66.0.3 disabled=yes
          + /ip/firewall/nat action=dst-nat chain=dstnat protocol=udp dst-port=53 src-address-list=Foreign-LAN to-addresses=192.0.2.53 disabled=yes
          + /ip/firewall/nat action=dst-nat chain=dstnat protocol=tcp dst-port=53 src-address-list=Foreign-LAN to-addresses=192.0.2.53 disabled=yes
          + /ip/firewall/nat action=dst-nat chain=dstnat protocol=udp dst-port=53 src-address-list=VPN-wg-LAN to-addresses=10.66.0.3 disabled=yes
          + /ip/firewall/nat action=dst-nat chain=dstnat protocol=tcp dst-port=53 src-address-list=VPN-wg-LAN to-addresses=10.66.0.3 disabled=yes
          + /ip/firewall/nat action=redirect chain=dstnat protocol=udp dst-port=53 in-interface-list=LAN
          + /ip/firewall/nat action=redirect chain=dstnat protocol=tcp dst-port=53 in-interface-list=LAN",
    );
}

#[test]
fn without_resolvers_in_the_document_there_are_usual_ones() {
    let fixed =
        json!({ "static": { "ipAddress": "192.0.2.10", "subnet": "24", "gateway": "192.0.2.1", "dns": "192.0.2.53" } });
    check_with_links(|_| {}, "system.dns", "= /ip/dns allow-remote-requests=yes servers=10.66.0.1,10.66.0.3");
    check_with_links(
        |document| document["wan"]["vpnClient"] = Json::Null,
        "system.dns",
        "= /ip/dns allow-remote-requests=yes servers=217.218.127.127,4.2.2.1",
    );
    // A fixed link brings its own.
    let document = with_links(|document| {
        document["wan"]["wanLink"]["domestic"]["wanConfigs"][0]["connectionConfig"] = fixed.clone();
    });
    let steps: Vec<_> = compiled(&document).steps.into_iter().filter(|step| step.path == "/ip/dns").collect();
    assert_shown(&steps, "= /ip/dns servers=192.0.2.53 allow-remote-requests=yes");
    // Where others are named, they are those of its type of network.
    let document = with_links(|document| {
        document["wan"]["wanLink"]["domestic"]["wanConfigs"][0]["connectionConfig"] = fixed;
        document["wan"]["dnsConfig"] = json!({ "foreignDns": "198.51.100.53" });
    });
    let shown = show(&of(&compiled(&document), "system.dns"));
    assert!(shown.contains("/ip/dns/forwarders name=Domestic dns-servers=192.0.2.53 "), "{shown}");
}

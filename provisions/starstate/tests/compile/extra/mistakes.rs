//! What makes no sense is said, and where.

use routeros_schema::Release;
use serde_json::{Value as Json, json};
use starstate::compile::Facts;
use starstate::issue::Severity;
use starstate::role::Role;

use super::super::{compiled, compiled_for, issues};
use super::with_extra;

#[test]
fn what_makes_no_sense_is_said() {
    use Severity::{Error, Warning};
    let ddns = |entry: Json| json!({ "cloudDdnsConfig": { "entries": [entry] } });
    let rui = |schedule: Json| json!({ "ruiConfig": { "reboot": schedule } });
    for (extra, severity, expected) in [
        (
            json!({ "ntpConfig": { "servers": ["a b"] } }),
            Error,
            "$.extra.ntpConfig: \"a b\" is neither the name nor the address of a time server",
        ),
        (json!({ "ntpConfig": { "enabled": true } }), Warning, "$.extra.ntpConfig: no time server is named"),
        (
            json!({ "serviceConfig": { "services": { "api": { "type": "On" } } } }),
            Error,
            "$.extra.serviceConfig.services.api.type: \"On\" is none of Enable, Disable, Local",
        ),
        (
            json!({ "serviceConfig": { "services": { "web": { "port": 70000 } } } }),
            Error,
            "$.extra.serviceConfig.services.web.port: 70000 is no port",
        ),
        (
            json!({ "graphingConfig": { "interface": true, "storage": "tape" } }),
            Error,
            "$.extra.graphingConfig.storage: \"tape\" is neither disk nor memory",
        ),
        (
            json!({ "graphingConfig": { "interface": true, "interval": 7 } }),
            Warning,
            "$.extra.graphingConfig.interval: 7 is none of 5, 60, 1440 minutes; the router's own interval stays",
        ),
        (
            rui(json!({ "interval": "Yearly", "time": "04:00" })),
            Error,
            "$.extra.ruiConfig.reboot.interval: \"Yearly\" is none of Daily, Weekly, Monthly",
        ),
        (
            rui(json!({ "interval": "Daily", "time": "25:00" })),
            Error,
            "$.extra.ruiConfig.reboot.time: \"25:00\" is no time of day such as 04:30",
        ),
        (
            json!({ "ruiConfig": { "timezone": "Europe/Berlin\"" } }),
            Error,
            "$.extra.ruiConfig.timezone: \"Europe/Berlin\\\"\" is no time zone such as Europe/Berlin",
        ),
        (
            json!({ "upnpConfig": { "linkType": "foreign" } }),
            Error,
            "$.extra.upnpConfig.linkType: there is no foreign link",
        ),
        (
            json!({ "upnpConfig": { "linkType": "moon" } }),
            Error,
            "$.extra.upnpConfig.linkType: \"moon\" is none of domestic, foreign, vpn",
        ),
        (
            json!({ "games": [{ "name": "A", "network": "VPN", "ports": { "tcp": ["1"] } }] }),
            Error,
            "$.extra.games[0].network: there is no network \"VPN\" for the game \"A\"",
        ),
        (
            json!({ "games": [{ "name": "A", "network": "Foreign", "ports": { "tcp": ["1", "x"] } }] }),
            Error,
            "$.extra.games[0].ports.tcp[1]: \"x\" is neither a port nor a range of ports",
        ),
        (
            json!({ "games": [{ "name": "A", "network": "Foreign" }] }),
            Warning,
            "$.extra.games[0]: no ports of the game are named",
        ),
        (
            ddns(json!({ "hostname": "a b" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].hostname: \"a b\" is no host name",
        ),
        (
            ddns(json!({ "hostname": "a.b", "provider": "x" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].provider: \"x\" is none of no-ip, dyndns, duckdns, cloudflare, custom",
        ),
        (
            ddns(json!({ "hostname": "a.b", "provider": "no-ip", "password": "p" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].username: this provider wants a login",
        ),
        (
            ddns(json!({ "hostname": "a.b", "provider": "duckdns" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].password: this provider wants a password or token",
        ),
        (
            ddns(json!({ "hostname": "a.b", "provider": "cloudflare", "password": "a,b" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].password: a token has letters, digits, - and _ only",
        ),
        (
            ddns(json!({ "hostname": "a.b", "provider": "custom", "customServerURL": "x" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].customServerURL: \"x\" is no URL",
        ),
        (
            ddns(json!({ "hostname": "a.b", "customServerURL": "http://x.y/", "username": "u", "password": "p" })),
            Warning,
            "$.extra.cloudDdnsConfig.entries[0].customServerURL: the password goes to the provider without encryption: the URL should begin with https",
        ),
        (
            ddns(json!({ "hostname": "a.b", "customServerURL": "https://x.y/", "updateInterval": "5" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].updateInterval: \"5\" is less than a minute",
        ),
        (
            ddns(json!({ "hostname": "a.b", "customServerURL": "https://x.y/", "updateInterval": "often" })),
            Error,
            "$.extra.cloudDdnsConfig.entries[0].updateInterval: \"often\" is no length of time such as 10m",
        ),
    ] {
        assert_eq!(issues(&compiled(&with_extra(&extra)), severity), [expected]);
    }
    for (dns, expected) in [
        (json!({ "foreignDns": "1.1.1.1, dns" }), "$.wan.dnsConfig.foreignDns: \"dns\" is no address of a resolver"),
        (
            json!({ "doh": { "domain": "http://x" } }),
            "$.wan.dnsConfig.doh.domain: \"http://x\" is neither a host name nor an https URL",
        ),
        (json!({ "doh": { "domain": "x.y", "bindingIp": "z" } }), "$.wan.dnsConfig.doh.bindingIp: \"z\" is no address"),
    ] {
        let document = json!({ "choose": { "firmware": "MikroTik" }, "wan": { "dnsConfig": dns } });
        assert_eq!(issues(&compiled(&document), Error), [expected]);
    }
    let document = json!({
        "choose": { "firmware": "MikroTik", "networks": { "baseNetworks": { "domestic": true } } },
        "wan": { "dnsConfig": { "domesticDns": "192.0.2.1" } },
        "extra": { "region": { "domains": ["co.example", "x y"] } },
    });
    assert_eq!(
        issues(&compiled(&document), Error),
        ["$.extra.region.domains[1]: \"x y\" is no end of names such as example or co.example"]
    );
    let older = Facts { release: Release { major: 7, minor: 12 }, ..Facts::newest() };
    let cloudflare = with_extra(&ddns(json!({ "hostname": "a.b", "provider": "cloudflare", "password": "p" })));
    assert_eq!(
        issues(&compiled_for(&cloudflare, Role::Master, &older), Error),
        ["$.extra.cloudDdnsConfig.entries[0].provider: cloudflare needs release 7.13; the router has 7.12"]
    );
}

#[test]
fn on_an_older_router_nat_pmp_is_a_mistake() {
    let older = Facts { release: Release { major: 7, minor: 12 }, ..Facts::newest() };
    let document = with_extra(&json!({ "natpmpConfig": { "enabled": true } }));
    let found = issues(&compiled_for(&document, Role::Master, &older), Severity::Error);
    assert!(
        found.len() == 1 && found[0].starts_with("$.extra.natpmpConfig: ") && found[0].contains("/ip/nat-pmp"),
        "{found:?}"
    );
}

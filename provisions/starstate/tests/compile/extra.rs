//! What a router has besides: name, time, services, resolvers, schedules, games.

use routeros_schema::Release;
use serde_json::{Value as Json, json};
use starstate::compile::{Compiled, Facts};
use starstate::issue::Severity;
use starstate::role::Role;

use super::kit::{Attempt, assert_same, configuration, reach, start};
use super::{assert_no_errors, assert_shown, compiled, compiled_for, issues, of, show};

/// A document with this in it, about a router with all types of networks.
fn with_extra(extra: &Json) -> Json {
    let networks = json!({ "baseNetworks": { "split": true, "domestic": true, "foreign": true } });
    json!({
        "choose": { "firmware": "MikroTik", "networks": networks },
        "extra": extra,
    })
}

#[track_caller]
fn check(extra: &Json, resource: &str, expected: &str) -> Compiled {
    let compiled = compiled(&with_extra(extra));
    assert_no_errors(&compiled);
    assert_shown(&of(&compiled, resource), expected);
    compiled
}

#[test]
fn identity() {
    for (config, expected) in [
        (json!({ "routerIdentity": "edge", "routerName": "other" }), "= /system/identity name=edge"),
        (json!({ "routerName": "other" }), "= /system/identity name=other"),
        (json!({ "romonEnabled": false }), "= /tool/romon enabled=no"),
        (json!({ "romonEnabled": true, "romonSecret": "s" }), "= /tool/romon enabled=yes secrets=<secret>"),
        (json!({}), ""),
    ] {
        check(&json!({ "routerIdentity": config }), "system.identity", expected);
    }
}

#[test]
fn time_servers() {
    for (config, expected) in [
        (
            json!({ "enabled": true, "servers": ["pool.ntp.org", " ", "192.0.2.1"] }),
            "= /system/ntp/client enabled=yes
             + /system/ntp/client/servers address=pool.ntp.org
             + /system/ntp/client/servers address=192.0.2.1",
        ),
        (json!({ "enabled": false }), "= /system/ntp/client enabled=no"),
        (
            json!({ "servers": ["a"] }),
            "= /system/ntp/client enabled=yes
             + /system/ntp/client/servers address=a",
        ),
        (json!({}), ""),
    ] {
        check(&json!({ "ntpConfig": config }), "system.ntp", expected);
    }
}

#[test]
fn services() {
    let services = json!({
        "api": { "type": "Enable" },
        "apiSsl": { "type": "local", "port": 8729 },
        "ftp": { "type": "Disable", "port": 21, "enabled": true },
        "telnet": { "enabled": false },
        "winbox": { "enabled": true, "port": 9291 },
        "web": { "port": 8081 },
        "webSsl": {},
    });
    check(
        &json!({ "serviceConfig": { "services": services } }),
        "system.services",
        "= /ip/service [name=api] disabled=no
         = /ip/service [name=api-ssl] disabled=no port=8729 address=192.168.0.0/16,172.16.0.0/12,10.0.0.0/8
         = /ip/service [name=ftp] disabled=yes port=21
         = /ip/service [name=telnet] disabled=yes
         = /ip/service [name=winbox] disabled=no port=9291
         = /ip/service [name=www] port=8081",
    );
}

#[test]
fn graphs() {
    let all = "+ /tool/graphing/interface interface=all
               + /tool/graphing/queue simple-queue=all
               + /tool/graphing/resource allow-address=0.0.0.0/0";
    for (config, expected) in [
        (json!({ "interface": true, "queue": false }), "+ /tool/graphing/interface interface=all"),
        (json!({ "enabled": true }), all),
        (json!({ "enabled": true, "queue": false }), ""),
        (json!({ "enabled": false, "interface": true }), ""),
        (
            json!({ "resources": true, "interval": 60, "storage": "memory" }),
            "+ /tool/graphing/resource allow-address=0.0.0.0/0 store-on-disk=no
             = /tool/graphing store-every=hour",
        ),
        (
            json!({ "resources": true, "interval": 86400, "storage": "disk" }),
            "+ /tool/graphing/resource allow-address=0.0.0.0/0 store-on-disk=yes
             = /tool/graphing store-every=24hours",
        ),
    ] {
        check(&json!({ "graphingConfig": config }), "system.graphing", expected);
    }
}

#[test]
fn resolver_and_proxy_for_others() {
    let proxy = "= /ip/proxy enabled=yes
                 + /ip/proxy/access action=allow src-address=192.168.0.0/16
                 + /ip/proxy/access action=allow src-address=172.16.0.0/12
                 + /ip/proxy/access action=allow src-address=10.0.0.0/8
                 + /ip/proxy/access action=deny";
    for (config, expected) in [
        (json!({ "dnsRelayEnabled": true }), "= /ip/dns allow-remote-requests=yes"),
        (
            json!({ "dnsRelayEnabled": false, "proxyEnabled": false }),
            "= /ip/dns allow-remote-requests=no\n= /ip/proxy enabled=no",
        ),
        (json!({ "proxyEnabled": true }), proxy),
    ] {
        check(&json!({ "usefulServices": config }), "system.usefulServices", expected);
    }
}

#[test]
fn schedules() {
    let config = json!({
        "timezone": "America/Port-au-Prince",
        "reboot": { "interval": "Monthly", "time": "0:00" },
        "update": { "interval": "daily", "time": "04:30" },
        "ipAddressUpdate": { "interval": "", "time": "" },
    });
    let compiled = check(
        &json!({ "ruiConfig": config }),
        "system.scheduler",
        r#"= /system/clock time-zone-autodetect=no time-zone-name=America/Port-au-Prince
           + /system/scheduler name=reboot-00:00 interval=30d start-time=00:00:00 on-event="/system reboot" policy=reboot,read,write,policy,test
           + /system/scheduler name=update-04:30 interval=1d start-time=04:30:00 on-event="/system/package/update/check-for-updates once\n:delay 9s\n:if ([/system/package/update/get status] = \"New version is available\") do={ /system/package/update/install }" policy=reboot,read,write,policy,test"#,
    );
    assert_shown(&of(&compiled, "system.domesticips"), "");
}

#[test]
fn domestic_addresses_are_renewed() {
    let document =
        with_extra(&json!({ "ruiConfig": { "ipAddressUpdate": { "interval": "Weekly", "time": "03:00" } } }));
    let mut compiled = compiled(&document);
    assert_no_errors(&compiled);
    let script = |name: &str| {
        let steps = compiled.steps.iter();
        let step = steps.clone().find(|step| step.path == "/system/script" && step.text("name") == Some(name)).unwrap();
        step.text("source").unwrap().to_owned()
    };
    let (body, first) = (script("DomesticIPUpdate"), script("DomesticIPUpdate-OneTime"));
    for part in [
        r#":local url "https://s4i.co/irip\?format=addresses\26limit=1000\26offset=""#,
        r#":local holder "192.168.39.12""#,
        r#":local usual [:tonum "38000"]"#,
        r#":local least [:tonum "35000"]"#,
    ] {
        assert!(body.contains(part), "{part} is not in\n{body}");
    }
    assert!(!body.contains("user_id"), "nobody is tracked");
    assert!(!body.contains("{{") && !body.starts_with('#'));
    assert_eq!(
        first,
        format!(
            ":delay 120s\n{body}\n/system/scheduler/remove [find where name=\"DomesticIPUpdate-OneTime-schedule\"]"
        )
    );
    for step in &mut compiled.steps {
        step.arguments.retain(|(name, _)| name != "source");
    }
    assert_shown(
        &of(&compiled, "system.domesticips"),
        "+ /system/script name=DomesticIPUpdate policy=ftp,read,test,write
         + /system/scheduler name=DomesticIPUpdate-schedule on-event=DomesticIPUpdate policy=ftp,read,test,write interval=7d start-time=03:00:00 (needs system.domesticips/regular-script)
         + /system/script name=DomesticIPUpdate-OneTime policy=ftp,read,test,write (optional)
         + /system/scheduler name=DomesticIPUpdate-OneTime-schedule on-event=DomesticIPUpdate-OneTime policy=ftp,read,test,write start-time=startup (needs system.domesticips/one-time-script) (optional)
         + /interface/bridge name=FTAH
         + /ip/address address=192.168.39.12/32 interface=FTAH
         + /routing/table name=to-Foreign fib=
         + /ip/firewall/mangle action=mark-routing chain=output src-address=192.168.39.12 new-routing-mark=to-Foreign passthrough=no (needs routing-table/to-Foreign)",
    );
}

#[test]
fn the_address_for_requests_is_only_where_there_is_a_foreign_way() {
    let update = json!({ "ruiConfig": { "ipAddressUpdate": { "interval": "Daily", "time": "03:00" } } });
    let compiled = compiled(&json!({ "choose": { "firmware": "MikroTik" }, "extra": update }));
    assert_no_errors(&compiled);
    let steps = of(&compiled, "system.domesticips");
    assert_eq!(steps.len(), 4);
    assert!(show(&steps).contains(r#":local holder \"\""#));
}

#[test]
fn the_list_can_be_elsewhere() {
    let document = |region: Json| {
        let update = json!({ "interval": "Daily", "time": "03:00" });
        with_extra(&json!({ "ruiConfig": { "ipAddressUpdate": update }, "region": region }))
    };
    for (region, expected) in [
        (
            json!({ "addresses": "http://x.example/" }),
            "$.extra.region.addresses: \"http://x.example/\" is no https URL",
        ),
        (json!({ "addresses": "https://x.example/\n" }), ""),
        (
            json!({ "addresses": "https://x.example/ /system reset" }),
            "$.extra.region.addresses: \"https://x.example/ /system reset\" is no https URL",
        ),
        (json!({ "least": -1 }), "$.extra.region.least: -1 is no number of entries"),
    ] {
        let found = issues(&compiled(&document(region)), Severity::Error);
        assert_eq!(found.first().map_or("", String::as_str), expected);
    }
    let region = json!({ "addresses": "https://lists.example.com/$x?of=all", "usual": 500, "least": 400 });
    let shown = show(&compiled(&document(region)).steps);
    for part in [
        r#":local url \"https://lists.example.com/\\$x\\?of=all\\26format=addresses"#,
        r#":local usual [:tonum \"500\"]"#,
        r#":local least [:tonum \"400\"]"#,
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

#[test]
fn games_take_their_own_way() {
    let tcp: Vec<String> = (1..=16).map(|number| format!("{number}00-{number}09")).collect();
    let games = json!([
        { "name": "A\nB", "network": "foreign", "ports": { "tcp": tcp, "udp": ["", "9000"] } },
        { "name": "C", "network": "Domestic", "ports": { "udp": ["9001"] } },
        { "name": "D", "network": "Foreign", "ports": { "udp": ["9002"] } },
    ]);
    check(
        &json!({ "games": games }),
        "system.game",
        "+ /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=tcp dst-port=100-109,200-209,300-309,400-409,500-509,600-609,700-709,800-809,900-909,1000-1009,1100-1109,1200-1209,1300-1309,1400-1409,1500-1509 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | AB
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=tcp dst-port=1600-1609 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | AB
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=udp dst-port=9000 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | AB
         + /routing/table name=to-Foreign fib=
         + /ip/firewall/mangle action=mark-routing chain=prerouting src-address-list=Split-LAN dst-address-list=Foreign-IP-Games new-routing-mark=to-Foreign passthrough=no (needs routing-table/to-Foreign)
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=udp dst-port=9001 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Domestic-IP-Games address-list-timeout=1d | C
         + /routing/table name=to-Domestic fib=
         + /ip/firewall/mangle action=mark-routing chain=prerouting src-address-list=Split-LAN dst-address-list=Domestic-IP-Games new-routing-mark=to-Domestic passthrough=no (needs routing-table/to-Domestic)
         + /ip/firewall/raw action=add-dst-to-address-list chain=prerouting protocol=udp dst-port=9002 src-address-list=Split-LAN dst-address-list=!LOCAL-IP address-list=Foreign-IP-Games address-list-timeout=1d | D",
    );
}

#[test]
fn nat_pmp_on_an_interface() {
    for (config, expected) in [
        (
            json!({ "enabled": true, "linkType": "vpn", "interfaceName": "ether1" }),
            "= /ip/nat-pmp enabled=yes
             + /ip/nat-pmp/interfaces interface=ether1 type=external",
        ),
        (json!({ "enabled": true }), "= /ip/nat-pmp enabled=yes"),
        (json!({ "enabled": false, "interfaceName": "ether1" }), "= /ip/nat-pmp enabled=no"),
        (json!({ "linkType": "" }), "= /ip/nat-pmp enabled=no"),
    ] {
        check(&json!({ "natpmpConfig": config }), "system.natpmp", expected);
    }
}

#[test]
fn names_follow_the_address() {
    let cloud = "= /ip/cloud ddns-enabled=yes ddns-update-interval=1m";
    for (config, expected) in [
        (json!({ "enabled": true }), cloud.to_owned()),
        (json!({ "entries": [{ "enabled": false }] }), cloud.to_owned()),
        (json!({ "enabled": false }), String::new()),
        (
            json!({ "entries": [{ "provider": "no-ip", "hostname": "a.example.com", "username": "u", "password": "p", "updateInterval": "1h" }] }),
            format!(
                r#"{cloud}
                   + /system/script name=DDNS-a.example.com policy=ftp,read,test,write source=<secret>
                   + /system/scheduler name=DDNS-a.example.com on-event="/system/script/run \"DDNS-a.example.com\"" policy=ftp,read,test,write interval=1h (needs system.ddns/name-a.example.com-script)"#
            ),
        ),
    ] {
        check(&json!({ "cloudDdnsConfig": config }), "system.ddns", &expected);
    }
}

#[test]
fn providers_are_told_in_their_own_way() {
    for (entry, parts) in [
        (
            json!({ "provider": "no-ip", "username": "me\"$x", "password": "p[/x]" }),
            &[
                "url=\"https://dynupdate.no-ip.com/nic/update\\?hostname=a.example.com\"",
                r#"user="me\"\$x""#,
                r#"password="p\5B/x\5D""#,
            ][..],
        ),
        (
            json!({ "service": "dyndns", "username": "me", "password": "p" }),
            &["url=\"https://members.dyndns.org/nic/update\\?hostname=a.example.com\"", "user=\"me\""],
        ),
        (
            json!({ "provider": "duckdns", "password": "token-1" }),
            &["url=\"https://www.duckdns.org/update\\?domains=a.example.com\\26token=token-1\"", "~ \"\\5EOK\""],
        ),
        (
            json!({ "provider": "cloudflare", "password": "token-1" }),
            &["Authorization: Bearer \" . \"token-1\")", ":deserialize"],
        ),
        (
            json!({ "customServerURL": "https://ddns.example.net/update", "interval": 300 }),
            &["url=\"https://ddns.example.net/update\\?hostname=a.example.com\""],
        ),
        (
            json!({ "provider": "custom", "customServerURL": "http://ddns.example.net/{hostname}/set" }),
            &["url=\"http://ddns.example.net/a.example.com/set\""],
        ),
        (
            json!({ "provider": "custom", "customServerURL": "https://ddns.example.net/?k=1" }),
            &["url=\"https://ddns.example.net/\\?k=1\\26hostname=a.example.com\""],
        ),
    ] {
        let mut entry = entry;
        entry["hostname"] = json!("a.example.com");
        let compiled = compiled(&with_extra(&json!({ "cloudDdnsConfig": { "entries": [entry] } })));
        assert_no_errors(&compiled);
        let script = compiled.steps.iter().find(|step| step.path == "/system/script").unwrap().text("source").unwrap();
        for part in parts {
            assert!(script.contains(part), "{part} is not in\n{script}");
        }
        assert!(script.starts_with(":local host \"a.example.com\"\n") && !script.contains("{{"), "{script}");
    }
}

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

#[tokio::test]
async fn all_of_it_comes_and_goes_on_a_router() {
    let mut document = with_extra(&json!({
        "routerIdentity": { "routerIdentity": "edge \"1\"; [x] $y", "romonEnabled": true, "romonSecret": "Fixture-romon" },
        "ntpConfig": { "enabled": true, "servers": ["pool.ntp.org", "192.0.2.1"] },
        "serviceConfig": { "services": { "telnet": { "type": "Disable" }, "winbox": { "type": "Local", "port": 9291 } } },
        "cloudDdnsConfig": { "enabled": true, "entries": [
            { "provider": "no-ip", "hostname": "a.example.com", "username": "u", "password": "Fixture-ddns" },
            { "provider": "cloudflare", "hostname": "b.example.com", "password": "token" },
            { "customServerURL": "https://ddns.example.net/", "hostname": "c.example.com" },
        ] },
        "upnpConfig": { "enabled": true },
        "natpmpConfig": { "interfaceName": "ether1" },
        "graphingConfig": { "enabled": true, "interval": 60, "storage": "disk" },
        "usefulServices": { "dnsRelayEnabled": true, "proxyEnabled": true },
        "games": [{ "name": "A", "network": "Foreign", "ports": { "tcp": ["1-9", "80"], "udp": ["9000"] } }],
        "ruiConfig": {
            "timezone": "Europe/Berlin",
            "reboot": { "interval": "Weekly", "time": "04:00" },
            "update": { "interval": "Weekly", "time": "04:30" },
            "ipAddressUpdate": { "interval": "Daily", "time": "03:00" },
        },
    }));
    document["wan"]["dnsConfig"] =
        json!({ "domesticDns": "192.0.2.53", "doh": { "domain": "dns.example.com", "bindingIp": "192.0.2.54" } });
    let compiled = compiled(&document);
    assert_no_errors(&compiled);

    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let attempt = Attempt::new(&port, compiled.steps);
    let applied = attempt.apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    // The first update has run and its scheduler has removed itself.
    router.run(&["/system/scheduler/remove", "=.id=DomesticIPUpdate-OneTime-schedule"]).unwrap();
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    let rolled_back = attempt.roll_back().await;
    assert_eq!(rolled_back.failed, 0);
    assert_same(&configuration(&router), &before, "after the roll back");
}

/// A document with a link of each kind, networks, and a WireGuard client.
fn with_links(change: impl FnOnce(&mut Json)) -> Json {
    let dhcp = |name: &str, port: &str| json!({ "name": name, "interfaceConfig": { "interfaceName": port }, "connectionConfig": { "isDhcp": true } });
    let mut document = json!({
        "choose": { "firmware": "MikroTik", "wanLinkType": "both", "routerMode": "AP Mode", "mode": "easy" },
        "wan": {
            "wanLink": {
                "domestic": { "wanConfigs": [dhcp("Fiber", "ether1")] },
                "foreign": { "wanConfigs": [dhcp("Sat", "ether2")] },
            },
            "vpnClient": { "wireguard": [{
                "name": "wg", "interfacePrivateKey": "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "interfaceAddress": "10.66.0.2/32",
                "interfaceDns": "10.66.0.1, 10.66.0.3", "peerPublicKey": "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
                "peerEndpointAddress": "vpn.example.com", "peerEndpointPort": 51820, "peerAllowedIps": "0.0.0.0/0",
            }] },
        },
        "lan": { "subnets": {
            "baseSubnets": {
                "split": { "name": "Split", "subnet": "192.168.10.0/24" },
                "foreign": { "name": "Foreign", "subnet": "192.168.30.0/24" },
            },
            "vpnClientSubnets": { "wireguard": [{ "name": "wg", "subnet": "192.168.41.0/24" }] },
        } },
    });
    change(&mut document);
    document
}

#[track_caller]
fn check_with_links(change: impl FnOnce(&mut Json), resource: &str, expected: &str) {
    let compiled = compiled(&with_links(change));
    assert_no_errors(&compiled);
    assert_shown(&of(&compiled, resource), expected);
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

#[test]
fn devices_open_ports_from_the_inside() {
    for (config, expected) in [
        (json!({ "enabled": true, "linkType": "domestic" }), "MacVLAN-ether1-Fiber"),
        (json!({ "linkType": "Foreign" }), "MacVLAN-ether2-Sat"),
        (json!({ "linkType": "vpn" }), "wireguard-client-wg"),
    ] {
        check_with_links(
            |document| document["extra"] = json!({ "upnpConfig": config }),
            "system.upnp",
            &format!(
                "= /ip/upnp enabled=yes
                 + /ip/upnp/interfaces interface={expected} type=external
                 + /ip/upnp/interfaces interface=LANBridgeSplit type=internal
                 + /ip/upnp/interfaces interface=LANBridgeForeign type=internal
                 + /ip/upnp/interfaces interface=LANBridgeVPN-wg type=internal"
            ),
        );
    }
    for (name, expected) in [
        ("Fiber", "MacVLAN-ether1-Fiber"),
        ("Sat", "MacVLAN-ether2-Sat"),
        ("wg", "wireguard-client-wg"),
        ("ether9", "ether9"),
    ] {
        let document = with_links(|document| {
            document["extra"] = json!({ "natpmpConfig": { "interfaceName": name, "linkType": "vpn" } })
        });
        let shown = show(&of(&compiled(&document), "system.natpmp"));
        assert!(shown.contains(&format!("interface={expected} type=external")), "{shown}");
    }
}

#[test]
fn games_may_take_a_single_link_or_tunnel() {
    for (network, table) in
        [("VPN", "to-VPN"), ("Foreign-Sat", "to-Foreign-Sat"), ("VPN-wg", "to-VPN-wg"), ("domestic", "to-Domestic")]
    {
        let game = json!({ "name": "A", "network": network, "ports": { "udp": ["9000"] } });
        let compiled = compiled(&with_links(|document| document["extra"] = json!({ "games": [game] })));
        assert_no_errors(&compiled);
        let shown = show(&compiled.steps);
        let list = table.trim_start_matches("to-");
        let mark = format!(
            "src-address-list=Split-LAN dst-address-list={list}-IP-Games new-routing-mark={table} passthrough=no"
        );
        assert!(shown.contains(&mark), "{shown}");
        // In front of what steers the split network.
        let place = |part: &str| {
            shown.lines().position(|line| line.starts_with("+ /ip/firewall/mangle") && line.contains(part))
        };
        assert!(place("-IP-Games") < place("dst-address-list=SplitDOMAddList"), "{shown}");
    }
}

#[test]
fn networks_with_addresses_have_a_resolver_whatever_the_switch_says() {
    let document = with_links(|document| document["extra"] = json!({ "usefulServices": { "dnsRelayEnabled": false } }));
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    assert_shown(&of(&compiled, "system.usefulServices"), "");
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

#[test]
fn servers_for_users_decide_about_their_services() {
    let document = with_links(|document| {
        document["lan"]["vpnServer"] = json!({
            "users": [{ "username": "ann", "password": "p", "vpnType": ["SSH", "HTTPProxy"] }],
            "sshServer": { "enabled": true, "listenPort": 2222, "network": { "name": "Split" } },
            "httpProxyServer": { "enabled": true, "network": { "name": "Split" } },
        });
        document["extra"] = json!({
            "serviceConfig": { "services": { "ssh": { "type": "Local", "port": 22 } } },
            "usefulServices": { "proxyEnabled": false },
        });
    });
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    assert_shown(&of(&compiled, "system.services"), "");
    assert_shown(&of(&compiled, "system.usefulServices"), "");
    let expected = "$.extra.serviceConfig.services.ssh: the SSH server for users decides: open on port 2222";
    assert!(issues(&compiled, Severity::Warning).iter().any(|issue| issue == expected), "{:#?}", compiled.issues);
}

#[test]
fn scripts_have_balanced_brackets_and_no_open_places() {
    let entry = |provider: &str, host: &str| json!({ "provider": provider, "hostname": host, "username": "u", "password": "p", "customServerURL": "https://x.example/" });
    let document = with_extra(&json!({
        "cloudDdnsConfig": { "entries": [entry("no-ip", "a.b"), entry("duckdns", "c.d"), entry("cloudflare", "e.f"), entry("custom", "g.h")] },
        "ruiConfig": { "ipAddressUpdate": { "interval": "Daily", "time": "03:00" }, "update": { "interval": "Daily", "time": "04:00" } },
    }));
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    let sources: Vec<&str> =
        compiled.steps.iter().filter_map(|step| step.text("source").or(step.text("on-event"))).collect();
    assert_eq!(sources.len(), 4 * 2 + 4 + 1);
    for source in sources {
        assert_eq!(unclosed(source), "", "{source}");
        assert!(!source.contains("{{"), "{source}");
    }
}

/// The brackets that are still open at the end of a script, text and comments left out.
fn unclosed(script: &str) -> String {
    let mut open = String::new();
    for line in script.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut characters = line.chars();
        let mut is_text = false;
        while let Some(character) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                '"' => is_text = !is_text,
                '(' | '[' | '{' if !is_text => open.push(character),
                ')' | ']' | '}' if !is_text => {
                    let opening = match character {
                        ')' => '(',
                        ']' => '[',
                        _ => '{',
                    };
                    assert_eq!(open.pop(), Some(opening), "{line}");
                }
                _ => {}
            }
        }
        assert!(!is_text, "a text goes on behind its line: {line}");
    }
    open
}

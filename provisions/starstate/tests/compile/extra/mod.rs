//! What a router has besides: name, time, services, schedules. In the modules: resolvers, scripts, ways of games and devices, mistakes.

mod dns;
mod mistakes;
mod scripts;
mod ways;

use serde_json::{Value as Json, json};
use starstate::compile::Compiled;
use starstate::issue::Severity;

use super::kit::{Attempt, assert_same, configuration, reach, start};
use super::{assert_no_errors, assert_shown, compiled, issues, of};

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
fn networks_with_addresses_have_a_resolver_whatever_the_switch_says() {
    let document = with_links(|document| document["extra"] = json!({ "usefulServices": { "dnsRelayEnabled": false } }));
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    assert_shown(&of(&compiled, "system.usefulServices"), "");
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

//! Scripts that run on the router: domestic addresses, and names that follow its address.

use serde_json::{Value as Json, json};
use starstate::issue::Severity;

use super::super::{assert_no_errors, assert_shown, compiled, issues, of, show};
use super::{check, with_extra};

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

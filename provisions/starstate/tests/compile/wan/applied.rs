//! Uplinks on a simulated router.

use serde_json::json;

use super::{dhcp, fixed, group, pppoe, with_links};
use crate::assert_no_errors;
use crate::kit::{Attempt, assert_same, configuration, reach, start};
use starstate::compile::Compiled;

/// Every kind of connection, and every way to share.
fn everything() -> Compiled {
    let both = json!({ "strategy": "Both", "failoverConfig": { "failoverCheckInterval": 10 } });
    let ecmp = json!({ "strategy": "LoadBalance", "loadBalanceMethod": "ECMP" });
    let domestic = group(&[("a", "ether1", dhcp()), ("b", "ether2", pppoe()), ("c", "ether3", dhcp())], both);
    let foreign = group(
        &[("d", "ether4", fixed("192.0.2.2", "192.0.2.1")), ("e", "ether5", dhcp()), ("f", "ether5", dhcp())],
        ecmp,
    );
    let compiled = with_links(domestic, foreign);
    assert_no_errors(&compiled);
    compiled
}

#[tokio::test]
async fn uplinks_are_applied_once_and_taken_back() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let attempt = Attempt::new(&port, everything().steps);
    let applied = attempt.apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    let forgetful = Attempt::new(&port, everything().steps);
    assert!(forgetful.plan().await.is_empty(), "{}", forgetful.plan().await);
    attempt.roll_back().await;
    assert_same(&configuration(&router), &before, "taken back");
}

/// What the scripts on the router do when a lease comes and when a link fails.
#[tokio::test]
async fn what_the_router_changes_of_its_routes_is_left_alone() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let attempt = Attempt::new(&port, everything().steps);
    attempt.apply().await.unwrap();
    let text = |row: &sim::routeros::Fields, name: &str| {
        row.get(name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let (mut moved, mut switched) = (0, 0);
    for row in router.run(&["/ip/route/print"]).unwrap() {
        let (id, comment, gateway) = (text(&row, ".id"), text(&row, "comment"), text(&row, "gateway"));
        let id = format!("=.id={id}");
        if let Some((_, interface)) = gateway.split_once('%').filter(|_| comment.ends_with("Route-to-Domestic-a")) {
            router.run(&["/ip/route/set", &id, &format!("=gateway=203.0.113.1%{interface}")]).unwrap();
            moved += 1;
        }
        if comment.ends_with("CheckIP-Route-to-Domestic-a") {
            router.run(&["/ip/route/disable", &id]).unwrap();
            switched += 1;
        }
    }
    assert_eq!((moved, switched), (6, 4));
    for attempt in [&attempt, &Attempt::new(&port, everything().steps)] {
        assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    }
    attempt.roll_back().await;
    assert_same(&configuration(&router), &before, "taken back");
}

#[tokio::test]
async fn somebody_elses_default_route_is_not_taken_for_one_that_follows_a_lease() {
    let router = start().await;
    let port = reach(&router);
    let own = ["/ip/route/add", "=dst-address=0.0.0.0/0", "=gateway=192.0.2.99", "=distance=1"];
    router.run(&own).unwrap();
    let compiled = with_links(json!(null), group(&[("a", "ether1", dhcp())], json!(null)));
    let attempt = Attempt::new(&port, compiled.steps);
    attempt.apply().await.unwrap();
    let main = router
        .configuration()
        .lines()
        .filter(|line| line.contains("dst-address=\"0.0.0.0/0\"") && line.contains("routing-table=\"main\""))
        .count();
    assert_eq!(main, 2, "{}", router.configuration());
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
}

#[tokio::test]
async fn tunnels_are_applied_once_and_taken_back() {
    let router = start().await;
    router.run(&["/interface/bridge/add", "=name=bridge1"]).unwrap();
    let port = reach(&router);
    let before = configuration(&router);
    let (_, text) = crate::texts::documents().into_iter().find(|(name, _)| name == "08-everything-on").unwrap();
    let mut clients = serde_json::from_str::<serde_json::Value>(&text).unwrap()["wan"]["vpnClient"].take();
    clients["openVpn"][0]["certificates"] = json!(null);
    clients["wireguard"][0]["wanInterface"] = json!({ "wanType": "Foreign", "wanName": "up" });
    let steps = super::clients::with_clients(clients).steps;
    let attempt = Attempt::new(&port, steps.clone());
    let applied = attempt.apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    let key = applied.generated.iter().find(|value| value.name == "public-key").unwrap();
    assert_eq!(key.value.bytes().len(), 44);
    for attempt in [&attempt, &Attempt { base: applied.holdings.clone(), ..Attempt::new(&port, steps) }] {
        assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    }
    attempt.roll_back().await;
    assert_same(&configuration(&router), &before, "taken back");
}

/// A certificate and its key, as PEM: made by one router for the other.
async fn certificate() -> (String, String) {
    let router = start().await;
    router.run(&["/certificate/add", "=name=c", "=common-name=c", "=key-usage=tls-client"]).unwrap();
    let port = reach(&router);
    let sign = routeros::Command::new("/certificate", "sign").item("*1");
    routeros::RouterPort::run(&port, sign).await.unwrap();
    router.run(&["/certificate/export-certificate", "=.id=c", "=export-passphrase=x", "=file-name=c"]).unwrap();
    let contents = |file: &str| {
        let rows = router.run(&["/file/read", &format!("=file={file}")]).unwrap();
        String::from_utf8(rows[0]["data"].clone()).unwrap()
    };
    (contents("c.crt"), contents("c.key"))
}

#[tokio::test]
async fn certificates_are_imported_once_and_go_with_their_tunnel() {
    let (certificate, key) = certificate().await;
    let router = start().await;
    router.run(&["/interface/bridge/add", "=name=bridge1"]).unwrap();
    let port = reach(&router);
    let before = configuration(&router);
    let client = |certificates: serde_json::Value| {
        let login = json!({ "username": "u", "password": "Fixture-p" });
        let server = json!({ "address": "192.0.2.9", "port": 1194 });
        let client = json!({ "name": "x", "server": server, "credentials": login, "certificates": certificates });
        super::clients::with_clients(json!({ "openVpn": [client] })).steps
    };
    let steps = client(json!({ "clientCertificateContent": certificate, "clientKeyContent": key }));
    let attempt = Attempt::new(&port, steps.clone());
    let applied = attempt.apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    let dump = router.configuration();
    let used = dump.lines().find(|line| line.contains("certificate=\"nnc-")).unwrap();
    assert!(used.contains("ovpn-client-x"), "{used}");
    assert_eq!(router.run(&["/certificate/print"]).unwrap()[0]["private-key"], b"true");
    assert!(applied.generated.is_empty(), "the router made nothing");
    let files = router.run(&["/file/print"]).unwrap();
    assert!(files.iter().all(|file| !file["name"].starts_with(b"nnc-")), "the file does not stay on the router");
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    let again =
        Attempt { base: applied.holdings.clone(), session: "01JLATER".into(), ..Attempt::new(&port, steps.clone()) };
    assert_eq!(again.apply().await.unwrap().changes, 0);

    let without = Attempt { base: applied.holdings, ..Attempt::new(&port, client(json!(null))) };
    let holdings = without.apply().await.unwrap().holdings;
    assert!(router.run(&["/certificate/print"]).unwrap().is_empty(), "nothing wants it any longer");
    let back = Attempt { base: holdings, ..Attempt::new(&port, steps) };
    back.apply().await.unwrap();
    assert_eq!(router.run(&["/certificate/print"]).unwrap().len(), 1);
    back.roll_back().await;
    assert!(router.run(&["/certificate/print"]).unwrap().is_empty());
    without.roll_back().await;
    attempt.roll_back().await;
    assert_same(&configuration(&router), &before, "taken back");
}

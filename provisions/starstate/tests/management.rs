//! Changes to the way by which the router is reached: they come last, and stay only when the router can be reached afterwards.

#![allow(clippy::unwrap_used)]

mod kit;

use std::net::TcpListener;

use kit::*;
use routeros_schema::Release;
use sim::routeros::Simulator;
use starstate::management::Management;
use starstate::orchestrator::{Applied, Progress};
use starstate::port::ReachableRouter;
use starstate::step::{Step, Value};

const PEER: &str = "127.0.0.1";

fn attempt<'a>(router: &Simulator, port: &'a ReachableRouter, steps: Vec<Step>) -> Attempt<'a> {
    let mut attempt = Attempt::new(port, steps);
    attempt.management = Management {
        service: "api".into(),
        port: router.address().port(),
        user: USER.into(),
        router: None,
        peer: Some(PEER.parse().unwrap()),
    };
    attempt
}

/// A step that cuts the way, in front of one that does not.
fn with(cutting: Step) -> Vec<Step> {
    vec![cutting, set("identity", "/system/identity", &[], &[("name", "edge")])]
}

fn api(arguments: &[(&str, &str)]) -> Step {
    set("api", "/ip/service", &[("name", "api")], arguments)
}

fn done(attempt: &Attempt<'_>) -> Vec<String> {
    let progress = attempt.progress.lock();
    let steps = progress.iter().filter_map(|progress| match progress {
        Progress::Operation { step, .. } => Some(step.clone()),
        _ => None,
    });
    steps.collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn messages(applied: &Applied) -> String {
    applied.warnings.iter().map(|note| format!("{}: {}\n", note.step, note.message)).collect()
}

#[tokio::test]
async fn what_would_lock_us_out_is_undone_and_the_rest_stays() {
    let other_password = {
        let mut step = set("user", "/user", &[("name", USER)], &[]);
        step.arguments.push(("password".into(), Value::Secret("other".into())));
        step
    };
    let cases = [
        // Whether it closes the way is not known when our address is not.
        ("api", api(&[("address", "192.0.2.0/24")]), None, "is closed to this address"),
        ("user", other_password, Some(PEER.parse().unwrap()), "is the user who logs in"),
    ];
    for (id, cutting, peer, why) in cases {
        let router = start().await;
        let port = reach(&router);
        let before = configuration(&router);
        let mut attempt = attempt(&router, &port, with(cutting));
        attempt.management.peer = peer;
        let applied = attempt.apply().await.unwrap();
        assert_eq!(done(&attempt), ["identity", id], "what may cut the way comes last");
        let messages = messages(&applied);
        assert!(messages.contains("undone: ") && messages.contains(why), "{messages}");
        let left: Vec<String> = configuration(&router).into_iter().filter(|line| !before.contains(line)).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("name=\"edge\""), "{left:?}");
        let text = router.run(&["/safe-mode/print"]).unwrap();
        assert_eq!(text[0]["enabled"], b"false", "nothing is left held back");
    }
}

#[tokio::test]
async fn the_service_in_use_is_closed_or_moved_only_with_consent() {
    for (arguments, why) in [
        ([("disabled", "yes")], "is switched off"),
        ([("port", "8700")], "gets another port"),
        ([("address", "192.0.2.0/24")], "is closed to this address"),
    ] {
        let router = start().await;
        let port = reach(&router);
        let before = configuration(&router);
        let attempt = attempt(&router, &port, with(api(&arguments)));
        let applied = attempt.apply().await.unwrap();
        assert_eq!(messages(&applied).lines().count(), 1, "{}", messages(&applied));
        assert!(messages(&applied).starts_with(&format!("api: left out: api, by which the router is reached, {why}")));
        let plan = attempt.plan().await;
        assert!(plan.is_empty() && plan.notes.len() == 1, "it is not missed either, but told: {plan}");
        attempt.roll_back().await;
        assert_same(&configuration(&router), &before, why);
    }
}

#[tokio::test]
async fn with_consent_another_port_is_followed() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let other = free_port();
    let mut attempt = attempt(&router, &port, with(api(&[("port", &other.to_string())])));
    attempt.options.allow_cut = true;
    let applied = attempt.apply().await.unwrap();
    assert!(!messages(&applied).contains("undone"), "{}", messages(&applied));
    assert!(attempt.plan().await.is_empty());
    port_is(&router, other);
    // Back again, over the new port.
    let result = attempt.roll_back().await;
    assert_eq!(result.errors, []);
    assert_same(&configuration(&router), &before, "");
    assert!(!attempt.plan().await.is_empty(), "over the old port");
}

fn port_is(router: &Simulator, port: u16) {
    let rows = router.run(&["/ip/service/print", "?name=api"]).unwrap();
    assert_eq!(rows[0]["port"], port.to_string().into_bytes());
}

#[tokio::test]
async fn a_restriction_that_lets_us_in_is_an_ordinary_change() {
    let router = start().await;
    let port = reach(&router);
    let attempt = attempt(&router, &port, with(api(&[("address", "127.0.0.0/8,192.0.2.0/24")])));
    let applied = attempt.apply().await.unwrap();
    assert_eq!(messages(&applied), "");
    assert_eq!(applied.changes, 2);
}

#[tokio::test]
async fn without_safe_mode_it_takes_consent() {
    let old = |options: &mut sim::routeros::RouterOptions| options.release = Release { major: 7, minor: 16 };
    let router = start_with(old).await;
    let port = reach(&router);
    let other = free_port();
    let mut attempt = attempt(&router, &port, with(api(&[("port", &other.to_string())])));
    let applied = attempt.apply().await.unwrap();
    assert!(messages(&applied).contains("left out: "), "{}", messages(&applied));
    port_is(&router, router.address().port());

    attempt.options.allow_cut = true;
    let applied = attempt.apply().await.unwrap();
    assert_eq!(applied.changes, 1, "{}", messages(&applied));
    port_is(&router, other);
    assert!(attempt.plan().await.is_empty());
}

#[tokio::test]
async fn rules_that_drop_the_connection_are_recognised() {
    let router = start().await;
    let port = reach(&router);
    let own_port = router.address().port().to_string();
    let rule = |id: &str, arguments: &[(&str, &str)]| {
        let mut all = vec![("chain", "input"), ("action", "drop")];
        all.extend_from_slice(arguments);
        add(id, "/ip/firewall/filter", &[], &all)
    };
    let steps = vec![
        rule("all", &[]),
        rule("own-port", &[("protocol", "tcp"), ("dst-port", &own_port)]),
        rule("dns", &[("protocol", "udp"), ("dst-port", "53")]),
        rule("other-port", &[("protocol", "tcp"), ("dst-port", "1")]),
        rule("other-peer", &[("src-address", "192.0.2.0/24")]),
        rule("invalid", &[("connection-state", "invalid")]),
    ];
    let plan = attempt(&router, &port, steps).plan().await;
    let cutting: Vec<&str> = plan
        .operations
        .iter()
        .filter(|operation| operation.cuts.is_some())
        .map(|operation| operation.step.as_str())
        .collect();
    assert_eq!(cutting, ["all", "own-port"]);
    assert_eq!(plan.operations.last().unwrap().step, "own-port");
}

#[tokio::test]
async fn changes_to_what_carries_the_address_are_recognised() {
    let router = start().await;
    let port = reach(&router);
    let steps = vec![
        remove("address", "/ip/address", &[("interface", "bridge")]),
        remove("other-address", "/ip/address", &[("interface", "ether5")]),
        set("bridge", "/interface/bridge", &[("name", "bridge")], &[("disabled", "yes")]),
        set("bridge-comment", "/interface/bridge", &[("name", "bridge")], &[("mtu", "1400")]),
        add("port", "/interface/bridge/port", &["interface"], &[("bridge", "bridge"), ("interface", "sfp-sfpplus1")]),
        add("away", "/interface/bridge/port", &["interface"], &[("bridge", "other"), ("interface", "ether3")]),
        add("stays", "/interface/bridge/port", &["interface"], &[("bridge", "bridge"), ("interface", "ether4")]),
    ];
    let mut attempt = attempt(&router, &port, steps);
    attempt.management.router = Some("192.168.88.1".parse().unwrap());
    let plan = attempt.plan().await;
    let cutting: Vec<&str> = plan
        .operations
        .iter()
        .filter(|operation| operation.cuts.is_some())
        .map(|operation| operation.step.as_str())
        .collect();
    assert_eq!(cutting, ["bridge", "address", "away"]);
    let text = plan.to_string();
    assert!(text.contains("bridge carries the address of the router"), "{text}");
    assert!(text.contains("the router is reached at this address"), "{text}");
}

#[tokio::test]
async fn a_dangerous_rule_that_lets_us_in_goes_where_it_belongs() {
    let router = start().await;
    let port = reach(&router);
    // The simulated router carries no packets, so nothing is cut; what counts is that it is tried, kept and in its place.
    let rule = add("rule", "/ip/firewall/filter", &[], &[("chain", "input"), ("action", "drop"), ("protocol", "tcp")]);
    let attempt = attempt(&router, &port, with(at(rule, Some(("chain", "input")))));
    attempt.apply().await.unwrap();
    assert_eq!(done(&attempt), ["identity", "rule"]);
    let rows = router.run(&["/ip/firewall/filter/print", "?chain=input"]).unwrap();
    assert_eq!(rows[0]["protocol"], b"tcp", "in front of the rules of others");
    assert!(attempt.plan().await.is_empty());
}

#[tokio::test]
async fn a_refused_change_to_the_way_is_a_failure_like_any_other() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    router.set_faults(vec![sim::routeros::RouterFault::refuse_write(2)]);
    let attempt = attempt(&router, &port, with(api(&[("tls-version", "only-1.2")])));
    let error = attempt.apply().await.unwrap_err().to_string();
    assert!(error.contains("step api") && error.contains("injected"), "{error}");
    router.set_faults(Vec::new());
    attempt.roll_back().await;
    assert_same(&configuration(&router), &before, "");
}

//! Several uplinks together.

use serde_json::{Value as Json, json};
use starstate::issue::Severity;
use starstate::step::Step;

use super::{dhcp, fixed, group, pppoe, with_links};
use crate::{assert_no_errors, assert_shown, issues, of, show};

fn two(sharing: Json) -> Json {
    group(&[("a", "ether1", fixed("192.0.2.2", "192.0.2.1")), ("b", "ether2", pppoe())], sharing)
}

fn of_menu(steps: &[Step], path: &str) -> Vec<Step> {
    steps.iter().filter(|step| step.path == path).cloned().collect()
}

/// The routes of a table.
fn of_table(steps: &[Step], table: &str) -> Vec<Step> {
    of_menu(steps, "/ip/route").into_iter().filter(|step| step.text("routing-table") == Some(table)).collect()
}

#[test]
fn without_a_strategy_the_first_that_works_carries_all() {
    let compiled = with_links(two(Json::Null), group(&[("c", "ether3", dhcp())], Json::Null));
    assert_no_errors(&compiled);
    assert_shown(
        &of_table(&compiled.steps, "to-Domestic"),
        "+ /ip/route dst-address=217.218.127.127/32 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=to-Domestic distance=1 scope=10 | Route-to-Domestic-a
         + /ip/route dst-address=0.0.0.0/0 gateway=217.218.127.127 routing-table=to-Domestic distance=1 target-scope=11 check-gateway=ping | CheckIP-Route-to-Domestic-a
         + /ip/route dst-address=217.218.155.155/32 gateway=pppoe-client-b routing-table=to-Domestic distance=1 scope=10 | Route-to-Domestic-b
         + /ip/route dst-address=0.0.0.0/0 gateway=217.218.155.155 routing-table=to-Domestic distance=5 target-scope=11 check-gateway=ping | CheckIP-Route-to-Domestic-b",
    );
    assert_shown(
        &of_table(&compiled.steps, "to-Foreign"),
        "+ /ip/route dst-address=0.0.0.0/0 gateway=100.64.0.1%MacVLAN-ether3-c routing-table=to-Foreign distance=1 | Route-to-Foreign-c
         + /ip/route dst-address=4.2.2.1/32 gateway=100.64.0.1%MacVLAN-ether3-c routing-table=to-Foreign check-gateway=ping distance=1 target-scope=11 | Route-to-Foreign-c",
    );
    assert_shown(
        &of_table(&compiled.steps, "main"),
        "+ /ip/route dst-address=217.218.127.127/32 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=main distance=1 scope=10 | Route-to-Domestic-a
         + /ip/route dst-address=0.0.0.0/0 gateway=217.218.127.127 routing-table=main distance=1 target-scope=11 check-gateway=ping | CheckIP-Route-to-Domestic-a
         + /ip/route dst-address=217.218.155.155/32 gateway=pppoe-client-b routing-table=main distance=1 scope=10 | Route-to-Domestic-b
         + /ip/route dst-address=0.0.0.0/0 gateway=217.218.155.155 routing-table=main distance=5 target-scope=11 check-gateway=ping | CheckIP-Route-to-Domestic-b
         + /ip/route dst-address=4.2.2.1/32 gateway=100.64.0.1%MacVLAN-ether3-c routing-table=main distance=1 scope=10 | Route-to-Foreign-c
         + /ip/route dst-address=0.0.0.0/0 gateway=4.2.2.1 routing-table=main distance=10 target-scope=11 check-gateway=ping | CheckIP-Route-to-Foreign-c",
    );
    assert_eq!(show(&of_menu(&compiled.steps, "/tool/netwatch")), "");
}

#[test]
fn failover_orders_the_links_of_the_router_and_probes_each_when_asked() {
    let plain = with_links(two(json!({ "strategy": "Failover" })), Json::Null);
    assert_no_errors(&plain);
    assert_shown(
        &of_table(&plain.steps, "main"),
        "+ /ip/route dst-address=0.0.0.0/0 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=main distance=1 check-gateway=ping | Route-to-Domestic-a
         + /ip/route dst-address=0.0.0.0/0 gateway=pppoe-client-b routing-table=main distance=2 check-gateway=ping | Route-to-Domestic-b",
    );
    let sharing = json!({ "strategy": "Failover", "failoverConfig": { "failoverCheckInterval": 15 } });
    let probed = with_links(two(sharing), Json::Null);
    assert_no_errors(&probed);
    assert_shown(
        &of_table(&probed.steps, "main"),
        "+ /ip/route dst-address=0.0.0.0/0 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=main distance=1 check-gateway=ping disabled=no | CheckIP-Route-to-Domestic-a
         + /ip/route dst-address=217.218.127.127/32 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=main distance=1 scope=10 | Route-to-Domestic-a
         + /ip/route dst-address=0.0.0.0/0 gateway=pppoe-client-b routing-table=main distance=2 check-gateway=ping disabled=no | CheckIP-Route-to-Domestic-b
         + /ip/route dst-address=217.218.155.155/32 gateway=pppoe-client-b routing-table=main distance=1 scope=10 | Route-to-Domestic-b",
    );
    let switched = of_table(&probed.steps, "to-Domestic");
    assert!(
        switched
            .iter()
            .filter(|step| step.text("dst-address") == Some("0.0.0.0/0"))
            .all(|step| { step.text("check-gateway").is_none() && step.initial == ["disabled"] })
    );
    assert_shown(
        &of_menu(&probed.steps, "/tool/netwatch")[..1],
        r#"+ /tool/netwatch host=217.218.127.127 interval=15s timeout=2s ignore-initial-up=yes start-delay=0s startup-delay=0s up-script="/ip/route/enable [/ip/route/find where comment~\"CheckIP\\5B-\\5DRoute\\5B-\\5Dto\\5B-\\5DDomestic\\5B-\\5Da\\$\"]" down-script="/ip/route/disable [/ip/route/find where comment~\"CheckIP\\5B-\\5DRoute\\5B-\\5Dto\\5B-\\5DDomestic\\5B-\\5Da\\$\"]" | CheckIP-Route-to-Domestic-a (optional)"#,
    );
}

#[test]
fn groups_that_order_their_links_come_first_and_domestic_before_foreign() {
    let foreign = |sharing: Json| group(&[("c", "ether3", pppoe()), ("d", "ether4", pppoe())], sharing);
    let main = |domestic: Json, foreign: Json| -> Vec<(String, String)> {
        let compiled = with_links(domestic, foreign);
        assert_no_errors(&compiled);
        let routes = of_table(&compiled.steps, "main");
        let defaults = routes.iter().filter(|step| step.text("dst-address") == Some("0.0.0.0/0"));
        let text = |step: &Step, name| step.text(name).unwrap_or_default().to_owned();
        defaults.map(|step| (text(step, "distance"), text(step, "gateway"))).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(distance, gateway)| ((*distance).to_owned(), (*gateway).to_owned())).collect()
    };
    let failover = || json!({ "strategy": "Failover" });
    let a = "192.0.2.1%MacVLAN-ether1-a";
    assert_eq!(
        main(two(failover()), foreign(failover())),
        pairs(&[("1", a), ("2", "pppoe-client-b"), ("3", "pppoe-client-c"), ("4", "pppoe-client-d")])
    );
    assert_eq!(
        main(two(json!({ "strategy": "RoundRobin" })), foreign(failover())),
        pairs(&[("1", "pppoe-client-c"), ("2", "pppoe-client-d"), ("5", "217.218.127.127"), ("10", "217.218.155.155")])
    );
}

#[test]
fn connections_are_spread_by_their_addresses() {
    let compiled = with_links(two(json!({ "strategy": "LoadBalance", "loadBalanceMethod": "PCC" })), Json::Null);
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "wan.multilink"),
        "+ /ip/firewall/mangle chain=prerouting in-interface=MacVLAN-ether1-a connection-state=new action=mark-connection new-connection-mark=pcc-a passthrough=yes
         + /ip/firewall/mangle chain=prerouting in-interface=pppoe-client-b connection-state=new action=mark-connection new-connection-mark=pcc-b passthrough=yes
         + /ip/firewall/mangle chain=output connection-mark=pcc-a action=mark-routing new-routing-mark=to-Domestic-a passthrough=yes
         + /ip/firewall/mangle chain=output connection-mark=pcc-b action=mark-routing new-routing-mark=to-Domestic-b passthrough=yes
         + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-state=new connection-mark=no-mark per-connection-classifier=both-addresses:2/0 action=mark-connection new-connection-mark=pcc-a passthrough=yes
         + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-state=new connection-mark=no-mark per-connection-classifier=both-addresses:2/1 action=mark-connection new-connection-mark=pcc-b passthrough=yes
         + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-mark=pcc-a action=mark-routing new-routing-mark=to-Domestic-a passthrough=yes
         + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-mark=pcc-b action=mark-routing new-routing-mark=to-Domestic-b passthrough=yes",
    );
    assert_eq!(of_table(&compiled.steps, "to-Domestic-a")[0].text("gateway"), Some("192.0.2.1%MacVLAN-ether1-a"));
}

#[test]
fn connections_go_round() {
    for sharing in
        [json!({ "strategy": "RoundRobin" }), json!({ "strategy": "LoadBalance", "loadBalanceMethod": "NTH" })]
    {
        let compiled = with_links(Json::Null, two(sharing));
        assert_no_errors(&compiled);
        assert_shown(
            &of(&compiled, "wan.multilink")[4..],
            "+ /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-state=new nth=2,1 action=mark-connection new-connection-mark=nth-a passthrough=yes
             + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-state=new nth=2,2 action=mark-connection new-connection-mark=nth-b passthrough=yes
             + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-mark=nth-a action=mark-routing new-routing-mark=to-Foreign-a passthrough=yes
             + /ip/firewall/mangle chain=prerouting in-interface-list=LAN dst-address-list=!LOCAL-IP connection-mark=nth-b action=mark-routing new-routing-mark=to-Foreign-b passthrough=yes",
        );
    }
}

#[test]
fn marks_of_links_with_one_name_differ() {
    let sharing = || json!({ "strategy": "RoundRobin" });
    let foreign = group(&[("a", "ether3", pppoe()), ("c", "ether4", pppoe())], sharing());
    let domestic = group(&[("a", "ether1", dhcp()), ("b", "ether2", pppoe())], sharing());
    let compiled = with_links(domestic, foreign);
    let mut marks: Vec<&str> = compiled.steps.iter().filter_map(|step| step.text("new-connection-mark")).collect();
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks, ["nth-Domestic-a", "nth-Foreign-a", "nth-b", "nth-c"]);
}

#[test]
fn routes_of_equal_cost_stand_in_a_table_of_their_own() {
    let leased = group(
        &[("a", "ether1", dhcp()), ("b", "ether2", dhcp())],
        json!({ "strategy": "LoadBalance", "loadBalanceMethod": "ECMP" }),
    );
    let compiled = with_links(Json::Null, leased);
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "wan.multilink"),
        "+ /routing/table name=ecmp-balance fib=
         + /ip/route dst-address=0.0.0.0/0 gateway=100.64.0.1%MacVLAN-ether1-a routing-table=ecmp-balance distance=1 check-gateway=ping | Route-to-Foreign-a
         + /ip/route dst-address=0.0.0.0/0 gateway=100.64.0.1%MacVLAN-ether2-b routing-table=ecmp-balance distance=1 check-gateway=ping | Route-to-Foreign-b
         + /routing/rule action=lookup table=main min-prefix=0 (first)
         + /routing/rule action=lookup table=ecmp-balance (needs routing-rule/main)",
    );
    let distances: Vec<_> =
        of_table(&compiled.steps, "to-Foreign").iter().map(|step| step.text("distance").map(str::to_owned)).collect();
    assert!(distances.iter().all(|distance| distance.as_deref() == Some("1")), "{distances:?}");
}

#[test]
fn both_balances_and_falls_back() {
    let sharing =
        json!({ "strategy": "Both", "failoverConfig": { "failoverCheckInterval": 10, "failoverTimeout": 3 } });
    let compiled = with_links(two(sharing), Json::Null);
    assert_no_errors(&compiled);
    assert_shown(
        &of_table(&compiled.steps, "to-Domestic-a"),
        "+ /ip/route dst-address=0.0.0.0/0 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=to-Domestic-a distance=1 check-gateway=ping disabled=no | CheckIP-Route-to-Domestic-a
         + /ip/route dst-address=0.0.0.0/0 gateway=pppoe-client-b routing-table=to-Domestic-a distance=2 check-gateway=ping disabled=no | CheckIP-Route-to-Domestic-b
         + /ip/route dst-address=217.218.127.127/32 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=to-Domestic-a check-gateway=ping distance=1 target-scope=11 | Route-to-Domestic-a",
    );
    assert_shown(
        &of_table(&compiled.steps, "main"),
        "+ /ip/route dst-address=0.0.0.0/0 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=main distance=1 check-gateway=ping disabled=no | CheckIP-Route-to-Domestic-a (optional)
         + /ip/route dst-address=217.218.127.127/32 gateway=192.0.2.1%MacVLAN-ether1-a routing-table=main distance=1 scope=10 | Route-to-Domestic-a
         + /ip/route dst-address=0.0.0.0/0 gateway=pppoe-client-b routing-table=main distance=2 check-gateway=ping disabled=no | CheckIP-Route-to-Domestic-b (optional)
         + /ip/route dst-address=217.218.155.155/32 gateway=pppoe-client-b routing-table=main distance=1 scope=10 | Route-to-Domestic-b",
    );
    let marks = of_menu(&of(&compiled, "wan.multilink"), "/ip/firewall/mangle").len();
    assert_eq!((marks, of_menu(&compiled.steps, "/tool/netwatch").len()), (8, 2));
}

#[test]
fn what_cannot_be_shared_is_named() {
    let one = |sharing: Json| group(&[("a", "ether1", dhcp())], sharing);
    let cases = [
        (one(json!({ "strategy": "Failover" })), "several links are needed to share the traffic, but there are 1"),
        (two(json!({ "strategy": "LoadBalance" })), "strategy LoadBalance needs a loadBalanceMethod"),
        (
            two(json!({ "strategy": "LoadBalance", "loadBalanceMethod": "Bonding" })),
            "loadBalanceMethod Bonding is not implemented",
        ),
        (
            two(json!({ "strategy": "Failover", "failoverConfig": { "failoverTimeout": -1 } })),
            "failoverConfig.failoverTimeout must be 1 to 86400 seconds, but is -1",
        ),
    ];
    for (links, message) in cases {
        let compiled = with_links(Json::Null, links);
        assert_eq!(issues(&compiled, Severity::Error), [format!("$.wan.wanLink.foreign.multiLinkConfig: {message}")]);
    }
}

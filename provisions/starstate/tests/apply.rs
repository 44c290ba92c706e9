//! Applying, applying again, changing, taking away and taking back, on a simulated router.

#![allow(clippy::unwrap_used)]

mod kit;

use kit::*;
use routeros::RouterPort;
use starstate::management::Management;
use starstate::plan::Verb;
use starstate::port::Reach;

#[tokio::test]
async fn what_is_applied_is_there_and_applying_again_sends_nothing() {
    let router = start().await;
    let port = reach(&router);
    let attempt = Attempt::new(&port, steps());
    let applied = attempt.apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    let key = applied.generated.iter().find(|value| value.name == "public-key").unwrap();
    assert_eq!((key.step.as_str(), key.value.bytes().len()), ("vpn/wg", 44));
    let certificate = applied.generated.iter().find(|value| value.name == "file:exported-ca.crt").unwrap();
    assert!(certificate.value.bytes().starts_with(b"-----BEGIN CERTIFICATE-----"));
    assert!(certificate.value.is_secret(), "files may be keys");
    assert!(!router.configuration().contains("exported-ca"), "the file does not stay on the router");
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);

    router.set_faults(Vec::new());
    let again = Attempt { base: applied.holdings.clone(), session: "01JLATER".into(), ..Attempt::new(&port, steps()) };
    let second = again.apply().await.unwrap();
    assert_eq!((second.changes, router.counts().writes), (0, 0));
    assert_eq!(second.warnings, []);
    assert_eq!(second.holdings.len(), applied.holdings.len());

    // Also without any memory of the first time, except for a command of which nothing on the router tells that it was run.
    let forgetful = Attempt::new(&port, steps()).plan().await.shown();
    assert_eq!(forgetful.iter().map(|shown| shown.step.as_str()).collect::<Vec<_>>(), ["certificate/export"]);
}

#[tokio::test]
async fn rows_are_tagged_where_a_menu_has_comments() {
    let router = start().await;
    let port = reach(&router);
    Attempt::new(&port, steps()).apply().await.unwrap();
    let dump = router.configuration();
    let tagged = |name: &str| dump.lines().any(|line| line.contains(name) && line.contains("nnc-provisioned-01JTEST"));
    for name in ["LANBridgeForeign", "pppoe-client-fiber", "to-Foreign", "wg-home", "alice"] {
        assert!(tagged(name), "{name}");
    }
    assert!(dump.contains("comment=\"nnc-provisioned-01JTEST | Route-to-Foreign-fiber\""));
    assert!(!tagged("common-name"), "certificates have no comments");
}

#[tokio::test]
async fn rows_stand_where_they_belong() {
    let router = start().await;
    let port = reach(&router);
    Attempt::new(&port, steps()).apply().await.unwrap();
    let rows = router.run(&["/ip/firewall/filter/print"]).unwrap();
    let text = |row: &sim::routeros::Fields, name: &str| {
        row.get(name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let input: Vec<String> =
        rows.iter().filter(|row| text(row, "chain") == "input").map(|row| text(row, "protocol")).collect();
    assert_eq!(input[..2], ["udp", "tcp"], "in front of the rules of others");
    let marks: Vec<String> = router
        .run(&["/ip/firewall/mangle/print"])
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", text(row, "chain"), text(row, "action")))
        .collect();
    assert_eq!(marks, ["prerouting accept", "input accept", "forward accept", "prerouting mark-routing"]);
}

#[tokio::test]
async fn taking_back_leaves_the_router_as_it_was() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let attempt = Attempt::new(&port, steps());
    attempt.apply().await.unwrap();
    let result = attempt.roll_back().await;
    assert_eq!(result.errors, []);
    assert_eq!((result.failed, result.removed), (0, result.total));
    assert_same(&configuration(&router), &before, "");
    // Once more: there is nothing left.
    assert_eq!(attempt.roll_back().await.total, 0);
}

#[tokio::test]
async fn one_changed_value_is_one_write() {
    let router = start().await;
    let port = reach(&router);
    let applied = Attempt::new(&port, steps()).apply().await.unwrap();
    let mut changed = steps();
    // A value of a row, one that is part of its key, and a secret that cannot be compared when it is not shown.
    let changes = [
        ("lan/server", "lease-time", "2h"),
        ("lan/rule", "src-address", "192.168.11.0/24"),
        ("vpn/user", "password", "looking-glass"),
    ];
    for (id, name, value) in changes {
        let step = changed.iter_mut().find(|step| step.id == id).unwrap();
        let argument = step.arguments.iter_mut().find(|(argument, _)| argument == name).unwrap();
        argument.1 = match argument.1 {
            starstate::step::Value::Plain(_) => value.into(),
            starstate::step::Value::Secret(_) => starstate::step::Value::Secret(value.into()),
        };
    }
    let attempt = Attempt { base: applied.holdings, ..Attempt::new(&port, changed) };
    let plan = attempt.plan().await;
    let shown: Vec<(Verb, String, usize)> =
        plan.shown().into_iter().map(|shown| (shown.verb, shown.step, shown.values.len())).collect();
    let expected = [("vpn/user", 1), ("lan/server", 1), ("lan/rule", 1)]
        .map(|(step, values)| (Verb::Change, step.to_owned(), values));
    assert_eq!(shown, expected);
    assert!(!plan.to_string().contains("looking-glass") && !plan.to_string().contains("wonderland"), "{plan}");
    router.set_faults(Vec::new());
    attempt.apply().await.unwrap();
    assert_eq!(router.counts().writes, 3);
    assert!(attempt.plan().await.is_empty());
}

#[tokio::test]
async fn what_is_no_longer_wanted_goes_and_nothing_else() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let applied = Attempt::new(&port, steps()).apply().await.unwrap();

    // What somebody does by hand meanwhile is his.
    router.run(&["/ip/firewall/nat/add", "=chain=srcnat", "=action=accept", "=comment=mine"]).unwrap();
    router.run(&["/ip/dns/set", "=servers=198.51.100.53"]).unwrap();
    let by_hand = {
        let mut lines = before.clone();
        lines.retain(|line| !line.starts_with("/ip/dns ") && !line.starts_with("/ip/firewall/nat "));
        lines
    };

    let nothing = Attempt { base: applied.holdings, ..Attempt::new(&port, Vec::new()) };
    let removed = nothing.apply().await.unwrap();
    assert_eq!(removed.holdings, []);
    let notes: Vec<&str> = removed.warnings.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(notes, ["/ip/dns: somebody has changed servers since; it is left as it is"]);
    let mut after = configuration(&router);
    assert!(after.iter().any(|line| line.contains("comment=\"mine\"")));
    assert!(after.iter().any(|line| line.contains("servers=\"198.51.100.53\"")));
    after.retain(|line| !line.starts_with("/ip/dns ") && !line.starts_with("/ip/firewall/nat "));
    assert_same(&after, &by_hand, "");
}

#[tokio::test]
async fn a_step_that_is_left_out_is_taken_away_alone() {
    let router = start().await;
    let port = reach(&router);
    let applied = Attempt::new(&port, steps()).apply().await.unwrap();
    let fewer: Vec<_> =
        steps().into_iter().filter(|step| !["lan/mark", "extra/telnet"].contains(&step.id.as_str())).collect();
    let attempt = Attempt { base: applied.holdings, ..Attempt::new(&port, fewer) };
    let verbs: Vec<(Verb, String)> =
        attempt.plan().await.shown().into_iter().map(|shown| (shown.verb, shown.step)).collect();
    assert_eq!(verbs.len(), 2, "{verbs:?}");
    assert!(verbs.contains(&(Verb::Remove, "lan/mark".to_owned())));
    assert!(verbs.contains(&(Verb::Change, "extra/telnet".to_owned())));
    attempt.apply().await.unwrap();
    assert!(attempt.plan().await.is_empty());
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_seen() {
    let router = start().await;
    let port = reach(&router);
    let applied = Attempt::new(&port, steps()).apply().await.unwrap();
    let id_of = |menu: &str, name: &str, value: &str| {
        let rows = router.run(&[&format!("{menu}/print"), &format!("?{name}={value}")]).unwrap();
        format!("=.id={}", String::from_utf8_lossy(&rows[0][".id"]))
    };
    router.run(&["/ip/dhcp-server/set", &id_of("/ip/dhcp-server", "name", "DHCP-Foreign"), "=lease-time=10m"]).unwrap();
    router.run(&["/routing/rule/remove", &id_of("/routing/rule", "table", "to-Foreign")]).unwrap();
    router.run(&["/system/identity/set", "=name=somebody"]).unwrap();
    router.run(&["/ip/pool/set", &id_of("/ip/pool", "name", "wan-pool"), "=ranges=192.168.99.2-192.168.99.3"]).unwrap();
    router.run(&["/interface/bridge/disable", &id_of("/interface/bridge", "name", "LANBridgeForeign")]).unwrap();
    let mangle = router.run(&["/ip/firewall/mangle/print"]).unwrap();
    let id = |place: usize| String::from_utf8_lossy(&mangle[place][".id"]).into_owned();
    router.run(&["/ip/firewall/mangle/move", &format!("=numbers={}", id(0))]).unwrap();

    let attempt = Attempt { base: applied.holdings, ..Attempt::new(&port, steps()) };
    let verbs: Vec<(Verb, String)> =
        attempt.plan().await.shown().into_iter().map(|shown| (shown.verb, shown.step)).collect();
    let expected = [
        (Verb::Change, "wan/pool"),
        (Verb::Change, "lan/bridge"),
        (Verb::Change, "lan/server"),
        (Verb::Add, "lan/rule"),
        (Verb::Move, "base/accept-prerouting"),
        (Verb::Change, "extra/identity"),
    ];
    assert_eq!(verbs, expected.map(|(verb, step)| (verb, step.to_owned())));
    let unmended = configuration(&router);
    attempt.apply().await.unwrap();
    assert!(attempt.plan().await.is_empty());
    attempt.roll_back().await;
    assert_same(&configuration(&router), &unmended, "");
}

#[tokio::test]
async fn rows_of_others_are_used_when_right_and_otherwise_in_the_way() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let wanted = vec![
        add("a", "/interface/list", &["name"], &[("name", "WAN")]),
        add("b", "/ip/pool", &["name"], &[("name", "dhcp"), ("ranges", "192.168.88.20-192.168.88.30")]),
    ];
    let attempt = Attempt::new(&port, wanted.clone());
    let error = attempt.apply().await.unwrap_err().to_string();
    assert!(error.contains("b: somebody else's row has this name=dhcp, but another ranges"), "{error}");
    assert_same(&configuration(&router), &before, "");

    let mut taking = Attempt::new(&port, wanted);
    taking.options.take_over = true;
    let applied = taking.apply().await.unwrap();
    assert_eq!(applied.changes, 1);
    let nothing = Attempt { base: applied.holdings, ..Attempt::new(&port, Vec::new()) };
    nothing.apply().await.unwrap();
    assert_same(&configuration(&router), &before, "");
}

#[tokio::test]
async fn a_rule_with_one_more_condition_is_another_rule() {
    let router = start().await;
    let port = reach(&router);
    let of_others = ["/ip/firewall/filter/add", "=chain=input", "=action=drop", "=protocol=udp", "=dst-port=53"];
    router.run(&[&of_others[..], &["=src-address=192.0.2.1"]].concat()).unwrap();
    let rule = |more: &[(&'static str, &'static str)]| {
        let rule = [("chain", "input"), ("action", "drop"), ("protocol", "udp"), ("dst-port", "53")];
        [&rule[..], more].concat()
    };
    // The first has all that the second has.
    let steps = vec![
        add("a", "/ip/firewall/filter", &[], &rule(&[("in-interface-list", "LAN")])),
        add("b", "/ip/firewall/filter", &[], &rule(&[])),
    ];
    let attempt = Attempt::new(&port, steps);
    assert_eq!(attempt.apply().await.unwrap().changes, 2);
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
}

#[tokio::test]
async fn secrets_are_compared_also_when_the_router_does_not_show_them() {
    let router = start().await;
    router.run(&["/user/group/add", "=name=blind", "=policy=api,read,write,policy,test,ftp,reboot"]).unwrap();
    router.run(&["/user/add", "=name=blind", "=group=blind", "=password=sesame"]).unwrap();
    let mut options = routeros::ClientOptions::new("blind", "sesame".into());
    options.timeout = std::time::Duration::from_secs(20);
    let port = starstate::port::ReachableRouter::over_tcp("127.0.0.1", router.address().port(), options);
    let applied = Attempt::new(&port, steps()).apply().await.unwrap();
    let same = Attempt { base: applied.holdings.clone(), ..Attempt::new(&port, steps()) };
    assert!(same.plan().await.is_empty(), "{}", same.plan().await);
    let mut other = steps();
    let user = other.iter_mut().find(|step| step.id == "vpn/user").unwrap();
    user.arguments.last_mut().unwrap().1 = starstate::step::Value::Secret("looking-glass".into());
    let other = Attempt { base: applied.holdings, ..Attempt::new(&port, other) };
    assert_eq!(other.plan().await.shown().len(), 1);

    // What cannot be read cannot be written back; it is not wiped, and the report says so.
    let other = Attempt { management: Management { user: "blind".into(), ..other.management.clone() }, ..other };
    other.apply().await.unwrap();
    let result = other.roll_back().await;
    assert_eq!((result.total, result.failed), (1, 1));
    assert!(result.errors[0].error.contains("what password was before is not known"), "{:?}", result.errors);
    assert!(router.configuration().contains("looking-glass"));
}

#[tokio::test]
async fn the_plan_is_by_phase_and_says_why_a_step_runs_early() {
    let router = start().await;
    let port = reach(&router);
    let text = Attempt::new(&port, steps()).plan().await.to_string();
    let line =
        |part: &str| text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(
        line("phase 1: Interface Setup") < line("+ /ppp/profile name=wan-profile  (of phase 4, needed by wan/pppoe)")
    );
    assert!(
        line("+ /ip/pool name=wan-pool  (of phase 3, needed by wan/profile)") < line("+ /ppp/profile name=wan-profile")
    );
    assert!(line("+ /ppp/profile name=wan-profile") < line("+ /interface/pppoe-client"));
    assert!(line("phase 8: System/DNS") < line("~ /ip/dns"));
    for secret in ["p4ss", "wonderland", "romon-secret", "yAnz5TF"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn what_does_not_matter_is_a_warning() {
    let router = start().await;
    let port = reach(&router);
    let mut wanted = vec![
        add("a", "/interface/list/member", &["list", "interface"], &[("list", "WAN"), ("interface", "ether77")]),
        set("b", "/interface/wifi", &[("default-name", "wifi9")], &[("disabled", "no")]),
        add("c", "/ip/pool", &["name"], &[("name", "p"), ("ranges", "192.168.70.2-192.168.70.3")]),
    ];
    for step in &mut wanted[..2] {
        step.critical = false;
    }
    let applied = Attempt::new(&port, wanted).apply().await.unwrap();
    let steps: Vec<&str> = applied.warnings.iter().map(|note| note.step.as_str()).collect();
    assert_eq!(steps, ["b", "a"]);
    assert_eq!(applied.changes, 1);
}

#[tokio::test]
async fn what_works_on_a_row_that_was_not_added_is_not_sent() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let mut wanted = vec![
        add("a", "/interface/vlan", &["name"], &[("name", "v"), ("interface", "ether77"), ("vlan-id", "7")]),
        needs(set("b", "/interface/vlan", &[("name", "v")], &[("mtu", "1400")]), &["a"]),
    ];
    wanted.iter_mut().for_each(|step| step.critical = false);
    let attempt = Attempt::new(&port, wanted);
    let applied = attempt.apply().await.unwrap();
    let steps: Vec<&str> = applied.warnings.iter().map(|note| note.step.as_str()).collect();
    assert_eq!((steps, router.counts().writes), (vec!["a", "b"], 1));
    assert_eq!(applied.holdings, []);
    assert_same(&configuration(&router), &before, "");
}

/// A port of a user who may not read some menus.
struct Forbidding<'a>(&'a starstate::port::ReachableRouter, &'a str);

#[async_trait::async_trait]
impl RouterPort for Forbidding<'_> {
    async fn run(&self, command: routeros::Command) -> Result<routeros::Reply, routeros::Error> {
        if command.is_read() && command.menu().starts_with(self.1) {
            let message = "not enough permissions (9)".to_owned();
            let traps = vec![routeros::Trap { message, category: None }];
            return Err(routeros::Error::Trap { command: command.path(), traps });
        }
        self.0.run(command).await
    }
}

#[async_trait::async_trait]
impl Reach for Forbidding<'_> {
    async fn reconnect(&self, port: Option<u16>) -> Result<(), routeros::Error> {
        self.0.reconnect(port).await
    }

    async fn probe(&self, port: Option<u16>) -> Result<(), routeros::Error> {
        self.0.probe(port).await
    }
}

#[tokio::test]
async fn menus_that_the_user_may_not_read_are_in_the_way_only_when_they_matter() {
    let router = start().await;
    let port = reach(&router);
    let users = Forbidding(&port, "/user");
    Attempt::new(&users, steps()).apply().await.unwrap();

    let pools = Forbidding(&port, "/ip/pool");
    let error = Attempt::new(&pools, steps()).apply().await.unwrap_err().to_string();
    assert!(error.contains("lan/pool: the router has no menu /ip/pool for this user"), "{error}");
}

#[tokio::test]
async fn a_row_that_goes_by_itself_is_not_added_again() {
    let router = start().await;
    let port = reach(&router);
    let row = add("job/once", "/system/scheduler", &["name"], &[("name", "once"), ("on-event", "x")]);
    let steps = vec![starstate::step::Step { once: true, ..row }];
    let attempt = Attempt::new(&port, steps.clone());
    let applied = attempt.apply().await.unwrap();
    router.run(&["/system/scheduler/remove", "=.id=once"]).unwrap();
    assert!(attempt.plan().await.is_empty());

    let again = Attempt { base: applied.holdings, session: "01JLATER".into(), ..Attempt::new(&port, steps) };
    let second = again.apply().await.unwrap();
    assert_eq!((second.changes, second.warnings.len()), (0, 0));
    assert_eq!(second.holdings.len(), 1, "it is remembered");
    let without = Attempt { base: second.holdings, session: "01JLAST".into(), ..Attempt::new(&port, Vec::new()) };
    let last = without.apply().await.unwrap();
    assert_eq!((last.changes, last.holdings.len()), (0, 0));
}

#[tokio::test]
async fn a_port_moves_to_our_bridge_also_when_it_gets_another_name_and_goes_back() {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let mut steps = vec![
        set("lan/radio", "/interface/wifi", &[("default-name", "wifi1")], &[("name", "wifi5"), ("disabled", "no")]),
        add("lan/bridge", "/interface/bridge", &["name"], &[("name", "LANBridgeForeign")]),
        add(
            "lan/port-radio",
            "/interface/bridge/port",
            &["interface"],
            &[("interface", "wifi5"), ("bridge", "LANBridgeForeign")],
        ),
        add(
            "lan/port",
            "/interface/bridge/port",
            &["interface"],
            &[("interface", "ether3"), ("bridge", "LANBridgeForeign")],
        ),
    ];
    let refused = Attempt::new(&port, steps.clone()).plan().await;
    assert_eq!(refused.obstacles().count(), 2, "rows of others are not touched unless the step says so: {refused}");
    for step in &mut steps {
        step.takes_over = true;
    }
    let attempt = Attempt::new(&port, steps);
    attempt.apply().await.unwrap();
    let rows = router.run(&["/interface/bridge/port/print", "?bridge=LANBridgeForeign"]).unwrap();
    let names: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(&row["interface"]).into_owned()).collect();
    assert_eq!(names, ["ether3", "wifi5"]);
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
    assert_eq!(attempt.roll_back().await.errors, []);
    assert_same(&configuration(&router), &before, "");
}

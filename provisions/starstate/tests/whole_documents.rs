//! Each document on a simulated router: applied, applied again, changed by hand, taken back; and whatever goes wrong at any moment,
//! the router becomes what the document says, or is as it was.
//!
//! With `STARSTATE_EVERY_WRITE` in the environment, things go wrong at each write; otherwise at some, spread over all of them.

#![allow(clippy::unwrap_used)]

mod kit;
#[allow(dead_code, reason = "each test binary uses its part")]
mod texts;

use futures_util::StreamExt;
use kit::*;
use routeros::{ClientOptions, Connector, TcpConnector};
use sim::routeros::fault::{Counted, FaultAction};
use sim::routeros::{RouterFault, RouterOptions, Simulator, SimulatorOptions};
use starstate::compile::{Facts, compile};
use starstate::issue::permits;
use starstate::ledger::{Deed, EntryState};
use starstate::management::Management;
use starstate::orchestrator::{Applied, ApplyError};
use starstate::plan::Note;
use starstate::port::{Reach, RestReachable};
use starstate::role::Role;
use starstate::state;
use starstate::step::Step;

/// So many routers at once.
const TOGETHER: usize = 4;
/// So many moments at which something goes wrong, unless it is each.
const MOMENTS: u64 = 6;

fn text_of(name: &str) -> String {
    texts::documents().into_iter().find(|(known, _)| known == name).unwrap().1
}

/// What a document wants of a router; behind a `/` may stand which of its routers.
async fn steps_for(name: &str, port: &dyn Reach) -> Vec<Step> {
    let (name, entry) = name.split_once('/').map_or((name, None), |(name, entry)| (name, Some(entry.parse().unwrap())));
    let document = state::parse(&text_of(name)).unwrap();
    let role = Role::of_entry(&document.state, entry).unwrap();
    let compiled = compile(&document.state, role, &Facts::read(port).await.unwrap());
    assert!(permits(&document.issues) && permits(&compiled.issues), "{name}: {:#?}", compiled.issues);
    compiled.steps
}

/// Whoever comes by the API is told that a document that closes it has to wait.
fn warnings(applied: &Applied) -> Vec<Note> {
    let is_own_way = |note: &&Note| note.message.starts_with("left out: api, by which the router is reached,");
    applied.warnings.iter().filter(|note| !is_own_way(note)).cloned().collect()
}

/// The moments of so many at which something goes wrong.
fn moments(writes: u64) -> Vec<u64> {
    match std::env::var_os("STARSTATE_EVERY_WRITE") {
        Some(_) => (1..=writes).collect(),
        // The first and the last, and some in between.
        None => (0..MOMENTS).map(|number| 1 + number * writes.saturating_sub(1) / (MOMENTS - 1)).collect(),
    }
}

async fn at_each(moments: Vec<u64>, check: impl AsyncFn(u64)) {
    futures_util::stream::iter(moments).for_each_concurrent(TOGETHER, |number| check(number)).await;
}

/// How many writes applying a document takes, and the configuration then.
async fn writes(name: &str) -> (u64, Vec<String>) {
    let router = start_at_usual_port().await;
    let port = reach(&router);
    Attempt::new(&port, steps_for(name, &port).await).apply().await.unwrap();
    (router.counts().writes, settled(&router))
}

/// Without what a router makes anew each time: certificates, the key of the interface for which documents have none, and ports that it
/// chooses.
fn settled(router: &Simulator) -> Vec<String> {
    let mut lines = configuration(router);
    lines.retain(|line| !line.starts_with("/certificate"));
    let chosen = [("name=\"bth-server\"", " private-key=\""), ("name=\"wireguard-client-", " listen-port=\"")];
    for (row, property) in chosen {
        for line in lines.iter_mut().filter(|line| line.contains(row)) {
            let Some(begin) = line.find(property) else { continue };
            let value = begin + property.len();
            let end = line[value..].find('"').map_or(line.len(), |end| value + end + 1);
            line.replace_range(begin..end, "");
        }
    }
    lines
}

async fn applies_and_is_taken_back(name: &str) {
    let router = start_at_usual_port().await;
    let port = reach(&router);
    let before = configuration(&router);
    let steps = steps_for(name, &port).await;
    let attempt = Attempt::new(&port, steps.clone());
    assert!(attempt.plan().await.changes().count() > 0, "{name}");
    let applied = attempt.apply().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(warnings(&applied), [], "{name}");
    let plan = attempt.plan().await;
    assert!(plan.is_empty(), "{name}: {plan}");

    // Later, with what is known of the first time: nothing is sent.
    router.set_faults(Vec::new());
    let later = Attempt { base: applied.holdings.clone(), ..Attempt::new(&port, steps.clone()) };
    assert_eq!(later.apply().await.unwrap().changes, 0, "{name}");

    // Somebody removes rows of ours: each is missed, and comes back.
    let added = attempt.ledger.entries().into_iter().filter(|entry| matches!(entry.deed, Deed::Add { .. }));
    let loose = ["/ip/firewall/mangle", "/ip/firewall/address-list", "/interface/list/member", "/ip/firewall/filter"];
    let mut gone: Vec<String> = Vec::new();
    for path in loose {
        let Some(entry) = added.clone().find(|entry| entry.path == path && entry.id.is_some()) else { continue };
        router.run(&[&format!("{path}/remove"), &format!("=.id={}", entry.id.unwrap())]).unwrap();
        gone.push(entry.step);
    }
    let drift = attempt.plan().await.shown();
    for step in &gone {
        assert!(drift.iter().any(|shown| shown.step == *step), "{name}: {step} is not missed");
    }
    assert!(drift.iter().all(|shown| gone.contains(&shown.step)), "{name}: {drift:#?}");
    attempt.apply().await.unwrap();
    assert!(attempt.plan().await.is_empty(), "{name}");

    let result = attempt.roll_back().await;
    assert_eq!(result.failed, 0, "{name}: {:?}", result.errors);
    assert_same(&configuration(&router), &before, name);
}

/// A step that matters fails: it is named, and everything is taken back. One that does not is a warning.
async fn survives_refusals(name: &str) {
    let (writes, _) = writes(name).await;
    at_each(moments(writes), async |number| {
        let router = start_at_usual_port().await;
        let port = reach(&router);
        let before = configuration(&router);
        let steps = steps_for(name, &port).await;
        router.set_faults(vec![RouterFault::refuse_write(number)]);
        let attempt = Attempt::new(&port, steps.clone());
        let (step, message) = match attempt.apply().await {
            Err(ApplyError::Step { step, message, .. }) => (step, message),
            Err(error) => panic!("{name} {number}: {error}"),
            Ok(applied) => {
                let warnings = warnings(&applied);
                let warning = warnings.first().unwrap_or_else(|| panic!("{name} {number}: nothing failed"));
                (warning.step.clone(), warning.message.clone())
            }
        };
        assert!(steps.iter().any(|known| known.id == step), "{name} {number}: {step}");
        assert!(message.contains("injected by the simulator"), "{name} {number}: {message}");
        router.set_faults(Vec::new());
        let result = attempt.roll_back().await;
        assert_eq!(result.failed, 0, "{name} {number}: {:?}", result.errors);
        assert_same(&configuration(&router), &before, format!("{name} {number}: {step}"));
    })
    .await;
}

async fn survives_lost_connections(name: &str) {
    let (writes, wanted) = writes(name).await;
    at_each(moments(writes), async |number| {
        let action = if number % 2 == 0 { FaultAction::CutBefore } else { FaultAction::CutAfter };
        let router = start_at_usual_port().await;
        let port = reach(&router);
        let before = configuration(&router);
        let steps = steps_for(name, &port).await;
        router.set_faults(vec![RouterFault { counted: Counted::Writes, number, action: action.clone() }]);
        let attempt = Attempt::new(&port, steps);
        let applied = attempt.apply().await.unwrap_or_else(|error| panic!("{name} {number} {action:?}: {error}"));
        assert_eq!(warnings(&applied), [], "{name} {number} {action:?}");
        assert_same(&settled(&router), &wanted, format!("{name} {number} {action:?}"));
        assert!(attempt.ledger.entries().iter().all(|entry| entry.state != EntryState::Sent), "{name} {number}");
        attempt.roll_back().await;
        assert_same(&configuration(&router), &before, format!("{name} {number} {action:?}"));
    })
    .await;
}

/// Everything stops at a write, before or after the router has it; then it goes on, or back.
async fn survives_crashes(name: &str) {
    let (writes, wanted) = writes(name).await;
    at_each(moments(writes), async |number| {
        for (after, goes_on) in [(false, true), (true, true), (false, false), (true, false)] {
            let context = format!("{name} {number} after {after}, goes on {goes_on}");
            let router = start_at_usual_port().await;
            let port = reach(&router);
            let before = configuration(&router);
            let steps = steps_for(name, &port).await;
            let crashing = Crashing::at(&port, number, after);
            let crashed = Attempt::new(&crashing, steps.clone());
            tokio::select! {
                result = crashed.apply() => panic!("{context}: it did not crash: {result:?}"),
                () = crashing.stopped.notified() => {}
            }
            let ledger = MemoryLedger::with(crashed.ledger.entries());
            let next = Attempt { ledger, ..Attempt::new(&port, if goes_on { steps } else { Vec::new() }) };
            if goes_on {
                let applied = next.apply().await.unwrap_or_else(|error| panic!("{context}: {error}"));
                assert_eq!(warnings(&applied), [], "{context}");
                assert_same(&settled(&router), &wanted, &context);
                assert!(next.plan().await.is_empty(), "{context}");
            }
            let result = next.roll_back().await;
            assert_eq!(result.failed, 0, "{context}: {:?}", result.errors);
            assert_same(&configuration(&router), &before, &context);
        }
    })
    .await;
}

/// The same over REST, where there is neither a tag nor safe mode.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_applied_over_rest() {
    let mut options = SimulatorOptions::new(RouterOptions::new(USER, PASSWORD));
    options.rest_listen = Some(([127, 0, 0, 1], 0).into());
    let router = Simulator::start(options).await.unwrap();
    let rest = router.rest_address().unwrap().port();
    let connector = |port| -> Box<dyn Connector> { Box::new(TcpConnector::new("127.0.0.1", port)) };
    let port = RestReachable::new(rest, ClientOptions::new(USER, PASSWORD.into()), connector).unwrap();
    let before = configuration(&router);
    let steps = steps_for("09-minimal", &port).await;
    let management = Management { service: "www".into(), port: rest, user: USER.into(), ..Management::default() };
    let attempt = Attempt { management, ..Attempt::new(&port, steps) };
    assert_eq!(attempt.apply().await.unwrap().warnings, []);
    assert!(attempt.plan().await.is_empty());
    assert_eq!(attempt.roll_back().await.failed, 0);
    assert_same(&configuration(&router), &before, "");
}

macro_rules! documents {
    ($($module:ident: $name:literal;)*) => {
        $(mod $module {
            const NAME: &str = $name;

            #[tokio::test(flavor = "multi_thread")]
            async fn applies_and_is_taken_back() {
                super::applies_and_is_taken_back(NAME).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn survives_refusals() {
                super::survives_refusals(NAME).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn survives_lost_connections() {
                super::survives_lost_connections(NAME).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn survives_crashes() {
                super::survives_crashes(NAME).await;
            }
        })*
    };
}

documents! {
    home: "01-home-dual-wan-split";
    cabin: "02-cabin-single-lte";
    office: "03-office-pppoe-wireguard-openvpn";
    multi_wan: "04-multi-wan-pcc";
    wifi: "05-wifi-multi-ssid";
    trunk: "06-trunk-master-and-slave";
    slave: "06-trunk-master-and-slave/1";
    vpn_servers: "07-all-vpn-servers";
    everything: "08-everything-on";
    minimal: "09-minimal";
    wizard: "10-wizard-spelling";
}

//! What goes wrong on demand.

use routeros::{Command, ErrorClass};
use sim::RouterFault;
use sim::RouterOptions;
use sim::routeros::fault::{Counted, FaultAction};

use crate::kit::{add, column, command, connect, fresh, refusal, router, rows, start};

#[tokio::test]
async fn the_nth_write_is_refused() {
    let (simulator, client) = fresh().await;
    simulator.set_faults(vec![RouterFault::refuse_write(2)]);
    add(&client, "/ip/pool/add name=a ranges=192.0.2.0/28").await;
    rows(&client, "/ip/pool").await;
    let message = refusal(&client, "/ip/pool/add name=b ranges=192.0.2.0/28").await;
    assert_eq!(message, "failure: injected by the simulator");
    add(&client, "/ip/pool/add name=c ranges=192.0.2.0/28").await;
    assert_eq!(column(&rows(&client, "/ip/pool").await, "name"), ["a", "c"]);
    assert_eq!((simulator.counts().commands, simulator.counts().writes), (5, 3));
}

#[tokio::test]
async fn the_connection_is_cut_before_or_after_a_write_took_effect() {
    for (action, effect) in [(FaultAction::CutBefore, 0), (FaultAction::CutAfter, 1)] {
        let (simulator, client) = fresh().await;
        simulator.set_faults(vec![RouterFault { counted: Counted::Writes, number: 1, action }]);
        let error = client.run(command("/ip/pool/add name=a ranges=192.0.2.0/28")).await.unwrap_err();
        assert!(error.is_state_unknown() && error.class() == ErrorClass::Transient, "{error:?}");
        let again = connect(&simulator).await;
        assert_eq!(rows(&again, "/ip/pool").await.len(), effect);
    }
}

#[tokio::test]
async fn a_full_disk_takes_no_files() {
    let (_simulator, client) = start(RouterOptions { full_disk: true, ..router() }).await;
    assert!(refusal(&client, "/file/add name=a contents=x").await.contains("not enough space"));
    let id = add(&client, "/certificate/add name=c common-name=c").await;
    assert!(refusal(&client, &format!("/certificate/sign .id={id}")).await.contains("not enough space"));
}

#[tokio::test]
async fn what_is_done_at_the_router_itself_is_seen_over_the_api() {
    let (simulator, client) = fresh().await;
    let before = simulator.configuration();
    simulator.run(&["/ip/dns/set", "=servers=192.0.2.53"]).unwrap();
    let settings = client.run(Command::print("/ip/dns")).await.unwrap();
    assert_eq!(settings.single().unwrap().text("servers").as_deref(), Some("192.0.2.53"));
    assert_ne!(simulator.configuration(), before);
    simulator.run(&["/ip/dns/set", "=servers="]).unwrap();
    assert_eq!(simulator.configuration(), before);
}

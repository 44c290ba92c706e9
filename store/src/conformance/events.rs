//! The outbox.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::change::OutboxEvent;
use serde_json::Value as Json;

use super::{change, quiet};
use crate::Store;

/// Events come in the order of their commits.
pub async fn events_are_in_order(store: &impl Store) {
    let mut first = change("1", 1_000, &[]);
    for kind in ["device.registered", "device.session"] {
        let event = OutboxEvent { kind: kind.into(), device: "d".into(), at: 1_000, detail: Json::Null };
        first.events.push(event);
    }
    store.commit_session(first).await.unwrap();
    let events = store.events_after(0, 10).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|stored| stored.event.kind.as_str()).collect();
    assert_eq!(kinds, ["device.registered", "device.session"]);
    assert!(events[0].cursor < events[1].cursor);
    assert_eq!(store.events_after(events[0].cursor, 10).await.unwrap().len(), 1);
}

/// Some events report what changed nothing.
pub async fn events_come_without_a_session(store: &impl Store) {
    let event = |device: &str| OutboxEvent {
        kind: "connection_request.failed".into(),
        device: device.into(),
        at: 1_000,
        detail: serde_json::json!({"reason": "timed_out"}),
    };
    let mut watch = store.watch_events();
    store.add_events(vec![event("1"), event("2")]).await.unwrap();
    watch.changed().await.unwrap();
    let stored: Vec<_> = store.events_after(0, 10).await.unwrap().into_iter().map(|stored| stored.event).collect();
    assert_eq!(stored, [event("1"), event("2")]);
}

/// An event and the change that it reports are one.
pub async fn a_failed_change_tells_nothing(store: &impl Store) {
    let mut late = quiet("1", 1_000);
    late.events.push(OutboxEvent { kind: "device.session".into(), device: "d".into(), at: 1_000, detail: Json::Null });
    assert!(store.commit_session(late).await.is_err());
    assert!(store.events_after(0, 10).await.unwrap().is_empty());
    assert_eq!(*store.watch_events().borrow(), 0);
}

/// Cursors grow on, and who watches hears of them.
pub async fn pruned_events_do_not_come_back(store: &impl Store) {
    let mut watch = store.watch_events();
    let session = |at| {
        let mut change = change("1", at, &[]);
        change.events.push(OutboxEvent { kind: "device.session".into(), device: "d".into(), at, detail: Json::Null });
        change
    };
    for at in [1_000, 2_000, 3_000] {
        store.commit_session(session(at)).await.unwrap();
    }
    watch.changed().await.unwrap();
    let last = *watch.borrow_and_update();
    let events = store.events_after(0, 10).await.unwrap();
    assert_eq!(events.last().unwrap().cursor, last);
    assert_eq!(store.prune_events(events[1].cursor).await.unwrap(), 2);
    assert_eq!(store.events_after(0, 10).await.unwrap(), events[2..]);
    assert_eq!(store.prune_events(last).await.unwrap(), 1);
    store.commit_session(session(4_000)).await.unwrap();
    let events = store.events_after(0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert!(events[0].cursor > last);
}

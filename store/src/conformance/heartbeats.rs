//! Missing heartbeats.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use std::time::Duration;

use acs_core::change::SessionChange;
use acs_core::heartbeat::Heartbeat;
use acs_core::query::nbi;
use serde_json::json;

use super::{change, quiet};
use crate::{Find, Store};

const PATIENCE: i64 = 90_000;

fn promised(mut change: SessionChange) -> SessionChange {
    let due = change.head.last_inform + PATIENCE;
    change.head.heartbeat = Some(Heartbeat { patience: PATIENCE, due, missed_at: None });
    change
}

/// One event and one mark, until the device comes back.
pub async fn a_missing_heartbeat_is_told_once(store: &impl Store) {
    store.commit_session(promised(change("1", 1_000, &[]))).await.unwrap();
    store.commit_session(promised(change("2", 50_000, &[]))).await.unwrap();
    store.commit_session(change("3", 1_000, &[])).await.unwrap();
    assert!(store.miss_heartbeats(90_999, 0, 10).await.unwrap().is_empty());
    let id = change("1", 0, &[]).head.id;
    assert_eq!(store.miss_heartbeats(91_000, 0, 10).await.unwrap(), [&*id]);
    assert!(store.miss_heartbeats(92_000, 0, 10).await.unwrap().is_empty());
    let events = store.events_after(0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    let event = &events[0].event;
    assert_eq!((event.kind.as_str(), &*event.device, event.at), ("device.heartbeat_missed", &*id, 91_000));
    assert_eq!(event.detail, json!({"due": "1970-01-01T00:01:31.000Z", "lastInform": "1970-01-01T00:00:01.000Z"}));
    let missing = nbi::parse("devices", &json!({"_heartbeat._missed": {"$exists": true}})).unwrap();
    let find = Find { filter: missing, ..Find::default() };
    let found = store.find_devices(find).await.unwrap().collect().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].head.heartbeat.unwrap().missed_at, Some(91_000));

    store.commit_session(promised(quiet("1", 100_000))).await.unwrap();
    assert_eq!(store.get_device(&id).await.unwrap().unwrap().head.heartbeat.unwrap().missed_at, None);
    assert_eq!(store.miss_heartbeats(1_000_000, 0, 1).await.unwrap(), [change("2", 0, &[]).head.id]);
    assert_eq!(store.miss_heartbeats(1_000_000, 0, 1).await.unwrap(), [&*id]);
    assert!(store.miss_heartbeats(1_000_000, 0, 1).await.unwrap().is_empty());
}

/// Those in session are there; and while nobody could be heard, nobody was missing.
pub async fn nobody_is_missing_before_his_time(store: &impl Store) {
    let first = promised(change("1", 1_000, &[]));
    let id = first.head.id.clone();
    store.commit_session(first).await.unwrap();
    assert!(store.miss_heartbeats(200_000, 110_001, 10).await.unwrap().is_empty());
    let lease = store.acquire_lease(&id, "session", Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(store.miss_heartbeats(200_000, 110_000, 10).await.unwrap().is_empty());
    assert!(store.release_lease(&lease).await.unwrap());
    // A promise that is taken back.
    store.commit_session(quiet("1", 150_000)).await.unwrap();
    assert!(store.miss_heartbeats(200_000, 110_000, 10).await.unwrap().is_empty());
    store.commit_session(promised(quiet("1", 100_000))).await.unwrap();
    assert_eq!(store.miss_heartbeats(200_000, 110_000, 10).await.unwrap(), [id]);
}

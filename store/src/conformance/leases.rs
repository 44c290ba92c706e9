//! Leases: one session per device.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use std::time::Duration;

use acs_core::query::Query;

use super::{change, quiet};
use crate::{Lease, Store, StoreError};

/// Far longer than any test.
pub(super) const LONG: Duration = Duration::from_secs(3_600);

async fn acquire(store: &impl Store, device: &str, owner: &str, ttl: Duration) -> Option<Lease> {
    store.acquire_lease(device, owner, ttl).await.unwrap()
}

/// Waits until an expired lease has passed to another owner, which may take a while in a store with clocks of its own.
async fn acquire_expired(store: &impl Store, device: &str, owner: &str) -> Lease {
    loop {
        if let Some(lease) = acquire(store, device, owner, LONG).await {
            return lease;
        }
        tokio::task::yield_now().await;
    }
}

/// Others wait until it is given back; tokens grow.
pub async fn one_owner_at_a_time(store: &impl Store) {
    assert_eq!(store.lease_owner("d").await.unwrap(), None);
    let first = acquire(store, "d", "a", LONG).await.unwrap();
    assert_eq!((first.device.as_str(), first.owner.as_str()), ("d", "a"));
    assert_eq!(acquire(store, "d", "b", LONG).await, None);
    assert_eq!(store.lease_owner("d").await.unwrap().as_deref(), Some("a"));
    assert_eq!(acquire(store, "d", "a", LONG).await.as_ref(), Some(&first), "one's own lease is prolonged");
    assert!(acquire(store, "e", "b", LONG).await.is_some(), "another device is another lease");
    assert!(store.renew_lease(&first, LONG).await.unwrap());
    assert!(store.release_lease(&first).await.unwrap());
    assert!(!store.release_lease(&first).await.unwrap());
    let second = acquire(store, "d", "b", LONG).await.unwrap();
    assert!(second.token > first.token);
    assert!(!store.renew_lease(&first, LONG).await.unwrap());
    assert!(!store.release_lease(&first).await.unwrap());
    assert_eq!(store.lease_owner("d").await.unwrap().as_deref(), Some("b"));
}

/// A session that was too slow cannot write over what its successor has read.
pub async fn a_lease_that_has_passed_on_writes_nothing(store: &impl Store) {
    let session = change("1", 1_000, &[]);
    let device = session.head.id.clone();
    let slow = acquire(store, &device, "slow", Duration::ZERO).await.unwrap();
    let quick = acquire_expired(store, &device, "quick").await;
    let error = store.commit_session_under(&slow, session.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost(_)), "{error}");
    assert_eq!(store.count_devices(Query::True).await.unwrap(), 0);
    store.commit_session_under(&quick, session).await.unwrap();
    assert_eq!(store.count_devices(Query::True).await.unwrap(), 1);
    let other = change("2", 1_000, &[]);
    assert!(matches!(store.commit_session_under(&quick, other).await, Err(StoreError::Invalid { .. })));
}

/// Expired, and not taken by anybody: it still counts.
pub async fn expired_leases_pass_on(store: &impl Store) {
    let first = acquire(store, "d", "a", Duration::ZERO).await.unwrap();
    assert!(store.renew_lease(&first, Duration::ZERO).await.unwrap());
    let second = acquire_expired(store, "d", "b").await;
    assert!(second.token > first.token);
    assert!(!store.renew_lease(&first, LONG).await.unwrap());
}

/// The earlier session writes nothing any more; what it has written is read.
pub async fn who_begins_anew_takes_the_lease(store: &impl Store) {
    let first = change("1", 1_000, &[]);
    let device = first.head.id.clone();
    // A device that is not known, and then one that is.
    let (unknown, _) = store.begin_session(&device, "unknown", LONG).await.unwrap().unwrap();
    let (known, snapshot) = store.seize_session(&device, "known", LONG).await.unwrap();
    assert!(known.token > unknown.token && snapshot.device.is_none());
    assert!(matches!(store.commit_session_under(&unknown, first.clone()).await, Err(StoreError::LeaseLost(_))));
    store.commit_session_under(&known, first).await.unwrap();
    let (next, snapshot) = store.seize_session(&device, "next", LONG).await.unwrap();
    assert!(next.token > known.token && next.owner == "next");
    assert_eq!(snapshot.device.unwrap().head.last_inform, 1_000);
    assert!(matches!(store.end_session(&known, quiet("1", 2_000)).await, Err(StoreError::LeaseLost(_))));
    assert!(!store.renew_lease(&known, LONG).await.unwrap());
    let same = store.seize_lease(&device, "next", LONG).await.unwrap();
    assert!(same.token > next.token, "the same owner begins anew, too");
    assert!(matches!(store.end_session(&next, quiet("1", 2_000)).await, Err(StoreError::LeaseLost(_))));
    store.end_session(&same, quiet("1", 3_000)).await.unwrap();
    assert_eq!(store.get_device(&device).await.unwrap().unwrap().head.last_inform, 3_000);
    assert_eq!(store.lease_owner(&device).await.unwrap(), None);
}

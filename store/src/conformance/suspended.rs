//! Sessions that are kept between two requests of their device.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use std::time::Duration;

use super::leases::LONG;
use super::{change, quiet};
use crate::{Lease, Resumption, Store, StoreError};

async fn begin(store: &impl Store, device: &str, owner: &str) -> Lease {
    store.begin_session(device, owner, LONG).await.unwrap().expect("the lease is free").0
}

async fn resume(store: &impl Store, owner: &str) -> Resumption {
    store.resume_session(owner, LONG).await.unwrap()
}

async fn resumed(store: &impl Store, owner: &str) -> (Lease, Vec<u8>) {
    match resume(store, owner).await {
        Resumption::Resumed { lease, content } => (lease, content),
        other => panic!("{owner}: {other:?}"),
    }
}

/// It is live, kept, live, kept again, and at last it ends.
pub async fn a_session_goes_on_elsewhere(store: &impl Store) {
    let first = change("1", 1_000, &[]);
    let device = first.head.id.clone();
    assert_eq!(resume(store, "a").await, Resumption::Unknown);
    // A first contact, which has no document yet, and then a device that is known.
    for change in [first, quiet("1", 2_000)] {
        let lease = begin(store, &device, "a").await;
        assert_eq!(resume(store, "a").await, Resumption::Elsewhere);
        store.suspend_session(&lease, b"one".to_vec(), LONG).await.unwrap();
        assert_eq!(store.lease_owner(&device).await.unwrap().as_deref(), Some("a"), "the lease stays");
        assert!(store.begin_session(&device, "b", LONG).await.unwrap().is_none());
        assert_eq!(resume(store, "b").await, Resumption::Unknown);
        let (second, content) = resumed(store, "a").await;
        assert_eq!((second.device.as_str(), second.owner.as_str(), &content[..]), (device.as_str(), "a", &b"one"[..]));
        assert!(second.token > lease.token);
        store.suspend_session(&second, b"two".to_vec(), LONG).await.unwrap();
        let (third, content) = resumed(store, "a").await;
        assert_eq!(content, b"two");
        assert_eq!(resume(store, "a").await, Resumption::Elsewhere);
        store.end_session(&third, change).await.unwrap();
        assert_eq!(resume(store, "a").await, Resumption::Unknown);
    }
    assert_eq!(store.get_device(&device).await.unwrap().unwrap().head.last_inform, 2_000);
}

/// All at once: one gets it, and the others learn that it is live.
pub async fn one_of_a_crowd_resumes(store: &impl Store) {
    for turn in 0..5u8 {
        let owner = format!("owner {turn}");
        let lease = begin(store, &format!("d{turn}"), &owner).await;
        store.suspend_session(&lease, vec![turn], LONG).await.unwrap();
        let (a, b, c, d) =
            tokio::join!(resume(store, &owner), resume(store, &owner), resume(store, &owner), resume(store, &owner));
        let (got, others): (Vec<_>, Vec<_>) =
            [a, b, c, d].into_iter().partition(|resumption| matches!(resumption, Resumption::Resumed { .. }));
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!(others, vec![Resumption::Elsewhere; 3]);
    }
}

/// Whoever had it before can neither write nor keep nor end it.
pub async fn a_session_that_went_on_is_written_by_its_successor(store: &impl Store) {
    let first = change("1", 1_000, &[]);
    let device = first.head.id.clone();
    store.commit_session(first).await.unwrap();
    let before = begin(store, &device, "a").await;
    store.suspend_session(&before, b"before".to_vec(), LONG).await.unwrap();
    let (after, _) = resumed(store, "a").await;
    let lost =
        |outcome: Result<(), StoreError>| assert!(matches!(outcome, Err(StoreError::LeaseLost(_))), "{outcome:?}");
    lost(store.commit_session_under(&before, quiet("1", 2_000)).await);
    lost(store.end_session(&before, quiet("1", 2_000)).await);
    lost(store.suspend_session(&before, b"too late".to_vec(), LONG).await);
    assert!(!store.renew_lease(&before, LONG).await.unwrap());
    assert!(!store.release_lease(&before).await.unwrap());
    store.suspend_session(&after, b"after".to_vec(), LONG).await.unwrap();
    lost(store.suspend_session(&before, b"too late".to_vec(), LONG).await);
    let (last, content) = resumed(store, "a").await;
    assert_eq!(content, b"after");
    store.end_session(&last, quiet("1", 3_000)).await.unwrap();
    assert_eq!(store.get_device(&device).await.unwrap().unwrap().head.last_inform, 3_000);
}

/// The device has begun another session meanwhile.
pub async fn nobody_resumes_what_began_anew(store: &impl Store) {
    let first = change("1", 1_000, &[]);
    let device = first.head.id.clone();
    store.commit_session(first).await.unwrap();
    let before = begin(store, &device, "a").await;
    store.suspend_session(&before, b"before".to_vec(), LONG).await.unwrap();
    let (after, _) = store.seize_session(&device, "b", LONG).await.unwrap();
    assert_eq!(resume(store, "a").await, Resumption::Unknown);
    assert_eq!(resume(store, "b").await, Resumption::Elsewhere);
    store.end_session(&after, quiet("1", 2_000)).await.unwrap();
}

/// Nobody has come for it in time.
pub async fn an_expired_session_is_not_resumed(store: &impl Store) {
    let lease = store.begin_session("d", "a", Duration::ZERO).await.unwrap().unwrap().0;
    store.suspend_session(&lease, b"one".to_vec(), Duration::ZERO).await.unwrap();
    // A store's clock may be coarse: others get the lease once it has expired.
    while store.lease_owner("d").await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(resume(store, "a").await, Resumption::Unknown);
    assert!(store.begin_session("d", "b", LONG).await.unwrap().is_some());
}

/// A device's tree is part of it.
pub async fn large_sessions_are_kept(store: &impl Store) {
    let large: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let lease = begin(store, "d", "a").await;
    store.suspend_session(&lease, large.clone(), LONG).await.unwrap();
    let (_, content) = resumed(store, "a").await;
    assert!(content == large);
}

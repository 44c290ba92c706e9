//! Ledgers: what is done is written down entry by entry.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use crate::{MAX_LEDGER_ENTRY, Store, StoreError};

fn entry(sequence: u64, text: &str) -> (u64, Vec<u8>) {
    (sequence, text.as_bytes().to_vec())
}

/// They come back in the order of their sequence, and a later one of the same sequence counts.
pub async fn entries_are_kept_by_sequence(store: &impl Store) {
    assert_eq!(store.ledger_entries("a").await.unwrap(), []);
    store.record_entries("a", vec![entry(10, "ten"), entry(2, "two")]).await.unwrap();
    store.record_entries("b", vec![entry(2, "other")]).await.unwrap();
    store.record_entries("a", vec![entry(2, "two, again"), entry(1, "")]).await.unwrap();
    store.record_entries("a", Vec::new()).await.unwrap();
    let expected = [entry(1, ""), entry(2, "two, again"), entry(10, "ten")];
    assert_eq!(store.ledger_entries("a").await.unwrap(), expected);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    store.record_entries("a", vec![(3, bytes.clone())]).await.unwrap();
    assert_eq!(store.ledger_entries("a").await.unwrap()[2], (3, bytes));
}

/// Others are not touched.
pub async fn a_ledger_is_forgotten_as_a_whole(store: &impl Store) {
    store.record_entries("a", vec![entry(1, "one"), entry(2, "two")]).await.unwrap();
    store.record_entries("a/b", vec![entry(1, "one")]).await.unwrap();
    assert_eq!(store.forget_ledger("a").await.unwrap(), 2);
    assert_eq!(store.forget_ledger("a").await.unwrap(), 0);
    assert_eq!(store.ledger_entries("a").await.unwrap(), []);
    assert_eq!(store.ledger_entries("a/b").await.unwrap(), [entry(1, "one")]);
}

/// What cannot be kept takes its companions along.
pub async fn entries_that_are_too_large_are_refused(store: &impl Store) {
    for wrong in [(2, vec![0; MAX_LEDGER_ENTRY + 1]), (u64::MAX, vec![0])] {
        let error = store.record_entries("a", vec![entry(1, "one"), wrong]).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    }
    assert_eq!(store.ledger_entries("a").await.unwrap(), []);
    store.record_entries("a", vec![(7, vec![5; MAX_LEDGER_ENTRY])]).await.unwrap();
    assert_eq!(store.ledger_entries("a").await.unwrap().len(), 1);
}

//! Transfer records.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::change::SessionChange;
use acs_core::query::{Query, nbi};
use acs_core::transfer::{MovementReport, Transfer, TransferKind};
use serde_json::{Value as Json, json};

use super::{change, quiet};
use crate::{Find, Listing, Store};

const DEVICE: &str = "0A1B2C-Box-1";

fn transfer(key: &str, at: i64) -> Transfer {
    Transfer { file_name: "fw.bin".into(), ..Transfer::requested(key, TransferKind::Download, at) }
}

fn report(at: i64, part: (u64, u64)) -> MovementReport {
    MovementReport {
        at,
        is_upload: false,
        is_new_request: true,
        status: 200,
        remote_address: "192.0.2.7".into(),
        part,
        length: Some(100),
    }
}

async fn commit(store: &impl Store, at: i64, transfers: Vec<Transfer>) {
    store.commit_session(SessionChange { transfers, ..quiet("1", at) }).await.unwrap();
}

async fn listed(store: &impl Store) -> Vec<Json> {
    store.find(Listing::Transfers, Find::default()).await.unwrap().collect().await.unwrap()
}

/// The session and the file server write halves of one record, in any order.
pub async fn both_halves_of_a_transfer_are_one_record(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    store.note_movement(DEVICE, "a", report(1_500, (0, 40))).await.unwrap();
    assert_eq!(listed(store).await[0]["movement"]["bytes"], 40);
    commit(store, 2_000, vec![transfer("a", 1_400), transfer("b", 1_600)]).await;
    store.note_movement(DEVICE, "a", report(2_500, (40, 100))).await.unwrap();
    let [a, b] = &listed(store).await[..] else { panic!("two transfers") };
    assert_eq!((&a["_id"], &a["fileName"]), (&json!("0A1B2C-Box-1:a"), &json!("fw.bin")));
    assert_eq!((&a["movement"]["bytes"], &a["movement"]["complete"]), (&json!(100), &json!(true)));
    assert!(b.get("movement").is_none());

    let fetched = store.events_after(0, 100).await.unwrap();
    let fetched: Vec<_> = fetched.iter().filter(|stored| stored.event.kind == "transfer.fetched").collect();
    assert_eq!(fetched.len(), 1);
    assert_eq!(fetched[0].event.detail, json!({"transfer": "0A1B2C-Box-1:a", "bytes": 100}));

    let query = nbi::parse("transfers", &json!({"requestedAt": {"$gt": "1970-01-01T00:00:01.5Z"}})).unwrap();
    assert_eq!(store.count(Listing::Transfers, query).await.unwrap(), 1);
    assert_eq!(store.count(Listing::Transfers, Query::equal("device", DEVICE)).await.unwrap(), 2);
}

/// A session gets those of which there may be news.
pub async fn settled_transfers_are_not_opened_again(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    let settled = Transfer { is_settled: true, ..transfer("b", 1_000) };
    commit(store, 2_000, vec![transfer("a", 1_000), settled]).await;
    store.note_movement(DEVICE, "c", report(2_500, (0, 40))).await.unwrap();
    assert_eq!(store.open_device(DEVICE).await.unwrap().transfers, [transfer("a", 1_000)]);
}

/// The oldest go, and those of a deleted device.
pub async fn transfers_are_bounded(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    store.commit_session(change("2", 1_000, &[])).await.unwrap();
    for number in 0..130 {
        commit(store, 2_000 + number, vec![transfer(&format!("k{number:03}"), 2_000 + number)]).await;
    }
    let list = listed(store).await;
    assert_eq!((list.len(), &list[0]["commandKey"]), (100, &json!("k030")));

    let year = 366 * 86_400_000;
    store.note_movement("0A1B2C-Box-2", "late", report(year, (0, 40))).await.unwrap();
    let list = listed(store).await;
    assert_eq!((list.len(), &list[0]["commandKey"]), (1, &json!("late")));
    assert!(store.delete_device("0A1B2C-Box-2").await.unwrap());
    assert_eq!(listed(store).await, Vec::<Json>::new());
}

//! Scopes: what is outside is not there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use std::sync::Arc;

use acs_core::query::{Operand, Query};
use acs_core::task::TaskState;
use acs_core::value::Value;
use serde_json::{Value as Json, json};

use super::{change, fault, task};
use crate::{
    Change, ChangeKind, Collection, FileMetadata, Find, Guard, Listing, Object, Scope, ScopedError, ScopedStore, Store,
    StoreError,
};

/// Devices with odd serial numbers are tagged; each device has a fault and a task.
async fn fleet<S: Store + Clone + 'static>(store: &S, devices: u32) -> Arc<dyn Store> {
    for number in 0..devices {
        let mut change = change(&format!("{number:03}"), 1_000, &[]);
        let id = change.head.id.clone();
        if number % 2 == 1 {
            change.tags.push(("odd".into(), Some(Value::Bool(true))));
        }
        change.faults.push(("wifi".into(), Some(fault(&id, "wifi", if number < 4 { "early" } else { "late" }))));
        store.commit_session(change).await.unwrap();
        store.insert_task(task(&format!("task{number:03}"), &id, None)).await.unwrap();
    }
    Arc::new(store.clone())
}

fn device(number: u32) -> String {
    format!("0A1B2C-Box-{number:03}")
}

fn odd() -> Query {
    Query::equal("_tags", "odd")
}

fn ids(documents: &[Json]) -> Vec<&str> {
    documents.iter().map(|document| document["_id"].as_str().unwrap()).collect()
}

/// Lists, counts and single reads show what the scope covers, whatever was asked for.
pub async fn only_what_is_within_a_scope_is_read<S: Store + Clone + 'static>(store: &S) {
    let scoped = ScopedStore::new(fleet(store, 8).await, Scope::of(odd(), Query::True));
    assert_eq!(scoped.count_devices(Query::True).await.unwrap(), 4);
    let either = Query::In { field: "_id".into(), values: [device(2), device(3)].map(Operand::Text).to_vec() };
    let found = scoped.find_devices(Find { filter: either, ..Find::default() }).await.unwrap().collect().await.unwrap();
    assert_eq!(found.iter().map(|device| device.head.id.as_str()).collect::<Vec<_>>(), [device(3)]);
    for (number, seen) in [(2, false), (3, true), (9, false)] {
        assert_eq!(scoped.get_device(&device(number)).await.unwrap().is_some(), seen, "{number}");
        assert_eq!(scoped.sees_device(&device(number)).await.unwrap(), seen, "{number}");
        let task = scoped.get_task(&format!("task{number:03}")).await.unwrap();
        assert_eq!(task.is_some(), seen, "{number}");
        let fault = scoped.find_one(Listing::Faults, &format!("{}:wifi", device(number))).await.unwrap();
        assert_eq!(fault.is_some(), seen, "{number}");
    }
    assert!(scoped.get_upload(&format!("{}:k", device(2))).await.unwrap().is_none());
}

/// Faults and tasks are seen with their device. `skip` and `limit` count what is seen.
pub async fn what_belongs_to_a_device_is_seen_with_it<S: Store + Clone + 'static>(store: &S) {
    let all = fleet(store, 230).await;
    let scoped = ScopedStore::new(all.clone(), Scope::of(odd(), Query::equal("code", "late")));
    assert_eq!(scoped.count(Listing::Faults, Query::True).await.unwrap(), 113);
    let find = |skip, limit| Find { skip, limit, ..Find::default() };
    let page = scoped.find(Listing::Faults, find(1, Some(2))).await.unwrap().collect().await.unwrap();
    assert_eq!(ids(&page), [format!("{}:wifi", device(7)), format!("{}:wifi", device(9))]);
    let rest = scoped.find(Listing::Faults, find(110, None)).await.unwrap().collect().await.unwrap();
    assert_eq!(rest.len(), 3);
    assert!(scoped.find(Listing::Faults, find(0, Some(0))).await.unwrap().next().await.is_none());

    let tasks = ScopedStore::new(all.clone(), Scope::of(Query::False, Query::True));
    assert_eq!(tasks.count(Listing::Tasks, Query::True).await.unwrap(), 0);
    assert!(tasks.find(Listing::Tasks, Find::default()).await.unwrap().next().await.is_none());
    let everything = ScopedStore::new(all, Scope::everything());
    assert_eq!(everything.count(Listing::Tasks, Query::True).await.unwrap(), 230);
}

/// Changes of what is outside change nothing.
pub async fn nothing_outside_a_scope_is_changed<S: Store + Clone + 'static>(store: &S) {
    let all = fleet(store, 4).await;
    let scoped = ScopedStore::new(all.clone(), Scope::of(odd(), Query::True));
    let (hidden, seen) = (device(2), device(3));
    let gone = |error: &ScopedError| matches!(error, ScopedError::Store(StoreError::NoSuchDevice(_)));
    assert!(gone(&scoped.set_tags(&hidden, vec![("x".into(), Some(Value::Bool(true)))]).await.unwrap_err()));
    assert!(gone(&scoped.insert_task(task("new", &hidden, None)).await.unwrap_err()));
    assert!(!scoped.delete_device(&hidden).await.unwrap());
    assert!(!scoped.cancel_task("task002", 2_000).await.unwrap());
    assert!(!scoped.retry_task("task002", 2_000).await.unwrap());
    assert!(!scoped.delete_fault(&hidden, "wifi", 2_000).await.unwrap());
    for device in [hidden.as_str(), "unknown"] {
        let written = scoped.write_credentials(device, Some(json!({"credentials": []}))).await;
        assert!(matches!(written, Err(ScopedError::Denied)), "{device}");
    }
    assert!(store.get(Collection::DeviceCredentials, &hidden).await.unwrap().is_none());
    assert_eq!(store.get_task("task002").await.unwrap().unwrap().state, TaskState::Queued);
    assert!(store.get_fault(&hidden, "wifi").await.unwrap().is_some());
    assert!(store.get_device(&hidden).await.unwrap().unwrap().tags.is_empty());

    scoped.set_tags(&seen, vec![("x".into(), Some(Value::Bool(true)))]).await.unwrap();
    scoped.write_credentials(&seen, Some(json!({"credentials": []}))).await.unwrap();
    assert!(scoped.cancel_task("task003", 2_000).await.unwrap());
    assert!(scoped.delete_fault(&seen, "wifi", 2_000).await.unwrap());
    assert!(scoped.delete_device(&seen).await.unwrap());
}

/// Documents and files are within a scope before and after a change.
pub async fn documents_stay_within_a_scope<S: Store + Clone + 'static>(store: &S) {
    let all: Arc<dyn Store> = Arc::new(store.clone());
    let mine = Query::equal("channel", "mine");
    let scoped = ScopedStore::new(all, Scope::of(Query::True, mine));
    store.put(Collection::Presets, "other", json!({"channel": "other"})).await.unwrap();
    let put = async |name: &str, channel: &str| {
        scoped.put(Collection::Presets, name, json!({"channel": channel})).await.is_ok()
    };
    assert!(put("new", "mine").await);
    assert!(!put("other", "mine").await, "what others have is not taken");
    assert!(!put("new", "other").await, "nor given away");
    assert!(scoped.get(Collection::Presets, "other").await.unwrap().is_none());
    assert!(!scoped.delete(Collection::Presets, "other").await.unwrap());
    assert!(scoped.delete(Collection::Presets, "new").await.unwrap());
    assert_eq!(store.get(Collection::Presets, "other").await.unwrap().unwrap()["channel"], "other");

    let file =
        FileMetadata { name: "f".into(), file_type: "1 Firmware Upgrade Image".into(), ..FileMetadata::default() };
    store.create_file(file.clone()).await.unwrap().finish().await.unwrap();
    assert!(scoped.get_file("f").await.unwrap().is_none());
    assert!(!scoped.delete_file("f").await.unwrap());
    assert!(matches!(scoped.create_file(file).await, Err(ScopedError::Denied)));
}

/// Permits changes of one kind, and remembers nothing.
struct Only(ChangeKind);

impl Guard for Only {
    fn permits(&self, change: &Change<'_>) -> bool {
        let is_known = match change.object {
            Object::Device(device) => device.tags.contains_key("odd"),
            Object::Document(document) => document.get("_id").is_some(),
            Object::None => true,
        };
        change.kind == self.0 && is_known
    }
}

/// Each change is put before the guard, with what it is done to.
pub async fn a_guard_decides_on_each_change<S: Store + Clone + 'static>(store: &S) {
    let all = fleet(store, 2).await;
    let guarded = |kind| ScopedStore::new(all.clone(), Scope::everything().guarded_by(Arc::new(Only(kind))));
    let denied = |result: Result<(), ScopedError>| matches!(result, Err(ScopedError::Denied));
    let tag = || vec![("x".to_owned(), Some(Value::Bool(true)))];
    let (even, odd) = (device(0), device(1));

    let tagging = guarded(ChangeKind::Tags);
    tagging.set_tags(&odd, tag()).await.unwrap();
    assert!(denied(tagging.set_tags(&even, tag()).await));
    assert!(denied(tagging.insert_task(task("new", &odd, None)).await));
    assert!(denied(tagging.delete_device(&odd).await.map(|_| ())));
    assert!(denied(tagging.cancel_task("task001", 2_000).await.map(|_| ())));
    assert!(denied(tagging.retry_task("task001", 2_000).await.map(|_| ())));
    assert!(denied(tagging.delete_fault(&odd, "wifi", 2_000).await.map(|_| ())));
    assert!(denied(tagging.write_credentials(&odd, None).await));
    assert!(denied(tagging.write_credentials("unknown", None).await));
    assert!(denied(tagging.put(Collection::Presets, "p", json!({})).await));
    assert!(denied(tagging.create_file(FileMetadata::default()).await.map(|_| ())));

    guarded(ChangeKind::Put).put(Collection::Presets, "p", json!({})).await.unwrap();
    assert!(denied(tagging.delete(Collection::Presets, "p").await.map(|_| ())));
    guarded(ChangeKind::Task).insert_task(task("new", &odd, None)).await.unwrap();
    assert!(guarded(ChangeKind::Task).retry_task("task001", 2_000).await.unwrap());
    let deleting = guarded(ChangeKind::Delete);
    assert!(deleting.delete(Collection::Presets, "p").await.unwrap());
    assert!(deleting.cancel_task("task001", 2_000).await.unwrap());
    assert!(deleting.delete_fault(&odd, "wifi", 2_000).await.unwrap());
    assert!(deleting.delete_device(&odd).await.unwrap());
    assert!(!deleting.delete_device("unknown").await.unwrap());
}

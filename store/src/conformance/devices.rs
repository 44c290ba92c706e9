//! Sessions, devices and tags.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use acs_core::operation::Operation;
use acs_core::query::Query;
use acs_core::value::{TypedValue, Value};

use super::{change, fault, task};
use crate::{Collection, Listing, Store, StoreError};

/// A session writes what it changed, and nothing else.
pub async fn devices_are_stored_as_a_whole(store: &impl Store) {
    let mut first = change("1", 1_000, &[("Device.A", TypedValue::string("x"))]);
    let id = first.head.id.clone();
    first.faults.push(("default".into(), Some(fault(&id, "default", "cwmp.9002"))));
    first.operations.push((
        "key".into(),
        Some(Operation {
            command_key: "key".into(),
            timestamp: 1_000,
            instances: vec!["1".into()],
            file_type: "1 Firmware Upgrade Image".into(),
            file_name: "fw".into(),
            channels: [("default".to_owned(), vec![])].into(),
            ..Operation::default()
        }),
    ));
    store.commit_session(first.clone()).await.unwrap();
    let snapshot = store.open_device(&id).await.unwrap();
    let device = snapshot.device.unwrap();
    assert_eq!(device.head, first.head);
    assert_eq!(device.tree.encode(), first.tree.as_ref().unwrap().encode());
    assert_eq!((snapshot.faults.len(), snapshot.operations.len()), (1, 1));
    assert_eq!(snapshot.faults[0], fault(&id, "default", "cwmp.9002"));

    let mut quiet = change("1", 2_000, &[]);
    quiet.is_new = false;
    quiet.tree = None;
    quiet.faults.push(("default".into(), None));
    quiet.operations.push(("key".into(), None));
    store.commit_session(quiet).await.unwrap();
    let snapshot = store.open_device(&id).await.unwrap();
    let device = snapshot.device.unwrap();
    assert_eq!(device.head.last_inform, 2_000);
    assert!(device.tree.find("Device.A").is_some(), "a session that gives no tree leaves it alone");
    assert!(snapshot.faults.is_empty() && snapshot.operations.is_empty());
    assert!(store.open_device("unknown").await.unwrap().device.is_none());
}

/// What was deleted meanwhile stays deleted.
pub async fn a_deleted_device_is_not_written(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    let id = change("1", 0, &[]).head.id;
    store.insert_task(task("a", &id, None)).await.unwrap();
    assert!(store.delete_device(&id).await.unwrap());
    assert!(!store.delete_device(&id).await.unwrap());
    assert!(store.get_task("a").await.unwrap().is_none());
    let mut late = change("1", 2_000, &[]);
    late.is_new = false;
    late.faults.push(("default".into(), Some(fault(&id, "default", "script"))));
    assert!(matches!(store.commit_session(late).await, Err(StoreError::NoSuchDevice(_))));
    assert_eq!(store.count(Listing::Faults, Query::True).await.unwrap(), 0, "nothing of it was written");
}

/// A device that was deleted may come back as a new one.
pub async fn what_is_kept_of_a_device_goes_with_it(store: &impl Store) {
    for collection in [Collection::ConnectionRequests, Collection::SessionTraces] {
        let id = change("1", 0, &[]).head.id;
        store.commit_session(change("1", 1_000, &[])).await.unwrap();
        for id in [id.as_str(), "other"] {
            store.put(collection, id, serde_json::json!({"kept": {}})).await.unwrap();
        }
        assert!(store.delete_device(&id).await.unwrap());
        assert!(store.get(collection, &id).await.unwrap().is_none());
        assert!(store.get(collection, "other").await.unwrap().is_some());
    }
}

/// A device that was deleted may come back as a new one, with the credentials of a new one.
pub async fn a_devices_credentials_go_with_it(store: &impl Store) {
    let id = change("1", 0, &[]).head.id;
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    for id in [id.as_str(), "other"] {
        store.put(Collection::DeviceCredentials, id, serde_json::json!({"identity": "user:a"})).await.unwrap();
    }
    assert!(store.delete_device(&id).await.unwrap());
    assert!(store.get(Collection::DeviceCredentials, &id).await.unwrap().is_none());
    assert!(store.get(Collection::DeviceCredentials, "other").await.unwrap().is_some());
}

/// Sessions and operators do not undo each other's tags.
pub async fn tags_are_changed_one_by_one(store: &impl Store) {
    let mut first = change("1", 1_000, &[]);
    first.tags.push(("from.session".into(), Some(Value::Bool(true))));
    let id = first.head.id.clone();
    store.commit_session(first).await.unwrap();
    store.set_tag(&id, "from operator", Some(Value::Text("text".into()))).await.unwrap();
    let mut second = change("1", 2_000, &[]);
    second.is_new = false;
    second.tags.push(("from.session".into(), None));
    store.commit_session(second).await.unwrap();
    let tags = store.get_device(&id).await.unwrap().unwrap().tags;
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("from operator".to_owned(), Value::Text("text".into()))]);
    assert!(matches!(store.set_tag("unknown", "t", None).await, Err(StoreError::NoSuchDevice(_))));
}

/// Two sessions that both took themselves for the first one make one device.
pub async fn a_first_contact_that_came_twice_is_one_device(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[("Device.A", TypedValue::string("x"))])).await.unwrap();
    let mut second = change("1", 2_000, &[]);
    second.tree = None;
    let id = second.head.id.clone();
    store.commit_session(second).await.unwrap();
    assert_eq!(store.count_devices(Query::True).await.unwrap(), 1);
    let device = store.get_device(&id).await.unwrap().unwrap();
    assert_eq!((device.head.registered, device.head.last_inform), (2_000, 2_000));
    assert!(device.tree.find("Device.A").is_some());
    // What the head says is what is found by it.
    let registered = |time| Query::equal("_registered", acs_core::query::Operand::Date(time));
    assert_eq!(store.count_devices(registered(2_000)).await.unwrap(), 1);
    assert_eq!(store.count_devices(registered(1_000)).await.unwrap(), 0);
}

/// Several tags, with and without text.
pub async fn tags_are_changed_together_or_not_at_all(store: &impl Store) {
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    let id = change("1", 0, &[]).head.id;
    let text = Value::Text("x".into());
    store.set_tag(&id, "old", Some(Value::Bool(true))).await.unwrap();
    let changes = vec![
        ("a".to_owned(), Some(Value::Bool(true))),
        ("b.c".to_owned(), Some(text.clone())),
        ("old".to_owned(), None),
    ];
    store.set_tags(&id, changes.clone()).await.unwrap();
    let tags = store.get_device(&id).await.unwrap().unwrap().tags;
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("a".to_owned(), Value::Bool(true)), ("b.c".to_owned(), text)]);
    assert!(matches!(store.set_tags("unknown", changes).await, Err(StoreError::NoSuchDevice(_))));
}

//! The suite that every store must pass, one function per topic, over any [`Store`].
//!
//! Each function panics with what differs. Give each a store of its own that is empty.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite reports by panicking")]

use std::sync::Arc;

use acs_core::change::{OutboxEvent, SessionChange, TaskChange};
use acs_core::device::DeviceHead;
use acs_core::fault::{Fault, FaultRecord, ProvisionCall};
use acs_core::operation::Operation;
use acs_core::query::{Query, nbi};
use acs_core::rpc::DeviceIdStruct;
use acs_core::task::{Task, TaskState};
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use serde_json::{Value as Json, json};

use crate::{Collection, Find, Listing, Store, StoreError, device_document};

/// Runs all topics; `make` gives an empty store each time.
pub async fn run_all<S: Store, F: AsyncFn() -> S>(make: F) {
    devices_are_stored_as_a_whole(&make().await).await;
    a_deleted_device_is_not_written(&make().await).await;
    tags_are_changed_one_by_one(&make().await).await;
    devices_are_found(&make().await).await;
    documents_are_kept(&make().await).await;
    tasks_live_and_end(&make().await).await;
    faults_are_kept_per_channel(&make().await).await;
    events_are_in_order(&make().await).await;
}

/// A session's change for a device with a serial number and some values.
pub fn change(serial: &str, at: i64, values: &[(&str, TypedValue)]) -> SessionChange {
    let identity = DeviceIdStruct {
        manufacturer: "ExampleCorp".into(),
        oui: "0A1B2C".into(),
        product_class: "Box".into(),
        serial_number: serial.into(),
    };
    let mut tree = DeviceTree::new();
    for (path, value) in values {
        let id = tree.ensure(path);
        tree.set_read_value(id, value.clone(), at);
    }
    let head = DeviceHead { id: identity.device_id(), identity, registered: at, last_inform: at, ..Default::default() };
    SessionChange {
        head,
        is_new: true,
        tree: Some(Arc::new(tree)),
        tags: Vec::new(),
        faults: Vec::new(),
        operations: Vec::new(),
        tasks: Vec::new(),
        events: Vec::new(),
    }
}

fn number(value: i64) -> TypedValue {
    TypedValue(Value::Int(value), XsdType::UnsignedInt)
}

fn fault(device: &str, channel: &str, code: &str) -> FaultRecord {
    FaultRecord {
        device: device.into(),
        channel: channel.into(),
        fault: Fault::new(code, "what was wrong"),
        timestamp: 1_000,
        retries: 1,
        expiry: None,
        provisions: vec![ProvisionCall { name: "p".into(), arguments: vec![json!(1)], weight: 3 }],
        retry_at: Some(61_000),
        fingerprint: 7,
    }
}

async fn devices_are_stored_as_a_whole(store: &impl Store) {
    let mut first = change("1", 1_000, &[("Device.A", TypedValue::string("x"))]);
    let id = first.head.id.clone();
    first.faults.push(("default".into(), Some(fault(&id, "default", "cwmp.9002"))));
    first.operations.push((
        "key".into(),
        Some(Operation {
            command_key: "key".into(),
            timestamp: 1_000,
            instance: "1".into(),
            file_type: "1 Firmware Upgrade Image".into(),
            file_name: "fw".into(),
            target_file_name: String::new(),
            channels: [("default".to_owned(), vec![])].into(),
            retries: Default::default(),
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

async fn a_deleted_device_is_not_written(store: &impl Store) {
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

async fn tags_are_changed_one_by_one(store: &impl Store) {
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

async fn devices_are_found(store: &impl Store) {
    for index in 0..450 {
        let serial = format!("{index:03}");
        let version = TypedValue::string(format!("{}.0", index % 3));
        let mut change = change(&serial, 1_000 + index, &[("Device.V", version), ("Device.N", number(index % 10))]);
        if index % 50 == 0 {
            change.tags.push(("fifty".into(), Some(Value::Bool(true))));
        }
        store.commit_session(change).await.unwrap();
    }
    let all: Vec<_> = store.find_devices(Find::default()).await.unwrap().collect().await.unwrap();
    let cases = [
        json!({}),
        json!({"_id": "0A1B2C-Box-007"}),
        json!({"_id": {"$in": ["0A1B2C-Box-007", "0A1B2C-Box-009", "nobody"]}}),
        json!({"_tags": "fifty"}),
        json!({"_tags": {"$ne": "fifty"}, "Device.N": 0}),
        json!({"Device.V": "1.0"}),
        json!({"Device.N": {"$gte": 8}}),
        json!({"Device.Missing": {"$exists": false}, "Device.V": {"$in": ["0.0", "2.0"]}}),
        json!({"$or": [{"Device.N": 3}, {"_deviceId._SerialNumber": "011"}]}),
        json!({"_lastInform": {"$gt": "1970-01-01T00:00:01.200Z"}}),
        json!({"Device.V": {"$ne": "1.0"}}),
    ];
    let sorts = [json!({}), json!({"_id": -1}), json!({"Device.N": 1, "_id": -1}), json!({"_lastInform": -1})];
    for case in &cases {
        for sort in &sorts {
            let filter = nbi::parse("devices", case).unwrap();
            let sort = nbi::parse_sort("devices", sort).unwrap();
            let mut expected: Vec<_> = all
                .iter()
                .filter(|device| {
                    filter.matches(&crate::DeviceRecord::new(&device.head, &device.tags, &device.tree.encode()))
                })
                .collect();
            expected.sort_by(|left, right| {
                let (left_tree, right_tree) = (left.tree.encode(), right.tree.encode());
                let left_record = crate::DeviceRecord::new(&left.head, &left.tags, &left_tree);
                let right_record = crate::DeviceRecord::new(&right.head, &right.tags, &right_tree);
                acs_core::query::compare_records(&sort, &left_record, &right_record)
                    .then_with(|| left.head.id.cmp(&right.head.id))
            });
            let expected: Vec<_> = expected.iter().skip(2).take(5).map(|device| device.head.id.as_str()).collect();
            let find = Find { filter: filter.clone(), sort: sort.clone(), skip: 2, limit: Some(5) };
            let found = store.find_devices(find).await.unwrap().collect().await.unwrap();
            let found: Vec<_> = found.iter().map(|device| device.head.id.as_str()).collect();
            assert_eq!(found, expected, "{case} sorted by {sort:?}");
        }
        let filter = nbi::parse("devices", case).unwrap();
        let count = all
            .iter()
            .filter(|device| {
                filter.matches(&crate::DeviceRecord::new(&device.head, &device.tags, &device.tree.encode()))
            })
            .count();
        assert_eq!(store.count_devices(filter).await.unwrap(), count as u64, "{case}");
    }
    let document = device_document(&all[7]);
    assert_eq!(document["Device"]["V"]["_value"], "1.0");
    assert_eq!(document["_deviceId"]["_SerialNumber"], "007");
    assert_eq!(document["_lastInform"], "1970-01-01T00:00:01.007Z");
}

async fn documents_are_kept(store: &impl Store) {
    let before = store.configuration_revision().await.unwrap();
    store.put(Collection::Presets, "b", json!({"weight": 1})).await.unwrap();
    store.put(Collection::Presets, "a", json!({"weight": 2, "_id": "ignored"})).await.unwrap();
    store.put(Collection::ApiKeys, "k", json!({"hash": "x"})).await.unwrap();
    let after = store.configuration_revision().await.unwrap();
    assert!(after > before);
    let list =
        store.find(Listing::Documents(Collection::Presets), Find::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(list, [json!({"_id": "a", "weight": 2}), json!({"_id": "b", "weight": 1})]);
    assert_eq!(store.get(Collection::Presets, "a").await.unwrap().unwrap()["weight"], 2);
    assert!(store.get(Collection::Provisions, "a").await.unwrap().is_none());
    assert!(store.delete(Collection::Presets, "a").await.unwrap());
    assert!(!store.delete(Collection::Presets, "a").await.unwrap());
    assert!(store.configuration_revision().await.unwrap() > after);
    let filter = nbi::parse("presets", &json!({"weight": {"$lt": 2}})).unwrap();
    assert_eq!(store.count(Listing::Documents(Collection::Presets), filter).await.unwrap(), 1);
}

fn task(id: &str, device: &str, key: Option<&str>) -> Task {
    let mut document = json!({"name": "reboot"});
    if let Some(key) = key {
        document["uniqueKey"] = key.into();
    }
    Task::from_document(&document, device, id.into(), 1_000).unwrap()
}

async fn tasks_live_and_end(store: &impl Store) {
    let id = change("1", 0, &[]).head.id;
    assert!(matches!(store.insert_task(task("a", &id, None)).await, Err(StoreError::NoSuchDevice(_))));
    store.commit_session(change("1", 1_000, &[])).await.unwrap();
    store.insert_task(task("a", &id, Some("k"))).await.unwrap();
    store.insert_task(task("b", &id, Some("k"))).await.unwrap();
    store.insert_task(task("c", &id, None)).await.unwrap();
    assert_eq!(store.get_task("a").await.unwrap().unwrap().state, TaskState::Cancelled);
    let open: Vec<_> = store.open_device(&id).await.unwrap().tasks.into_iter().map(|task| task.id).collect();
    assert_eq!(open, ["b", "c"]);
    let mut session = change("1", 2_000, &[]);
    session.is_new = false;
    session.tasks.push(TaskChange { id: "b".into(), state: TaskState::Done, reason: String::new(), at: 2_000 });
    session.faults.push(("task_c".into(), Some(fault(&id, "task_c", "cwmp.9002"))));
    session.tasks.push(TaskChange { id: "c".into(), state: TaskState::Faulted, reason: "refused".into(), at: 2_000 });
    store.commit_session(session).await.unwrap();
    assert_eq!(store.get_task("b").await.unwrap().unwrap().state, TaskState::Done);
    let listed = store.find(Listing::Tasks, Find::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["_id"], &listed[0]["state"]), (&json!("c"), &json!("faulted")));
    assert!(store.retry_task("c", 3_000).await.unwrap());
    assert_eq!(store.get_task("c").await.unwrap().unwrap().state, TaskState::Queued);
    assert_eq!(store.count(Listing::Faults, Query::True).await.unwrap(), 0);
    assert!(store.cancel_task("c", 3_000).await.unwrap());
    assert!(!store.cancel_task("c", 3_000).await.unwrap());
    assert!(!store.retry_task("unknown", 3_000).await.unwrap());
    assert_eq!(store.count(Listing::Tasks, Query::True).await.unwrap(), 0);
}

async fn faults_are_kept_per_channel(store: &impl Store) {
    let mut first = change("1", 1_000, &[]);
    let id = first.head.id.clone();
    for channel in ["default", "wifi"] {
        first.faults.push((channel.into(), Some(fault(&id, channel, "script.Error"))));
    }
    store.commit_session(first).await.unwrap();
    let filter = nbi::parse("faults", &json!({"channel": "wifi"})).unwrap();
    let found = store.find(Listing::Faults, Find { filter, ..Find::default() }).await.unwrap().collect().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["_id"], format!("{id}:wifi"));
    assert_eq!(found[0]["provisions"], "[[\"p\",1]]");
    assert!(store.delete_fault(&id, "wifi", 2_000).await.unwrap());
    assert!(!store.delete_fault(&id, "wifi", 2_000).await.unwrap());
    assert_eq!(store.open_device(&id).await.unwrap().faults.len(), 1);
}

async fn events_are_in_order(store: &impl Store) {
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

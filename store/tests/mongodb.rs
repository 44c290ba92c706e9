//! The store on a MongoDB server: the conformance suite, and what is its own.
//!
//! The server is the one at `LODESTAR_TEST_MONGODB_URL`; each test has a database of its own there, which is dropped. Without the
//! variable the tests say that they are skipped.
#![cfg(feature = "mongodb")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acs_core::change::{OutboxEvent, SessionChange, TaskChange};
use acs_core::device::{DeviceHead, InformedValue};
use acs_core::task::TaskState;
use acs_core::value::{TypedValue, Value};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use serde_json::json;
use store::{Collection, MongoStore, Resumption, Store, StoreError, StoreOptions, conformance};
use tokio::task::JoinSet;

/// A database that is dropped at the end.
struct Scratch {
    address: String,
}

impl Scratch {
    /// `None` when there is no server.
    fn new() -> Option<Scratch> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("LODESTAR_TEST_MONGODB_URL") else {
            eprintln!("skipped: LODESTAR_TEST_MONGODB_URL names no MongoDB server");
            return None;
        };
        let name = format!("lodestar_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (server, options) = server.split_once('?').unwrap_or((&server, ""));
        Some(Scratch { address: format!("{}/{name}?{options}", server.trim_end_matches('/')) })
    }

    /// A node on it.
    async fn connect(&self) -> MongoStore {
        MongoStore::connect_with(&self.address, StoreOptions::default()).await.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let address = self.address.clone();
        // The test's runtime may be at its end.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { MongoStore::connect(&address).await.unwrap().database().drop().await.unwrap() });
        });
        dropped.join().unwrap();
    }
}

store::conformance!(async || {
    let scratch = Scratch::new()?;
    Some((scratch.connect().await, scratch))
});

/// Far longer than any test.
const LONG: Duration = Duration::from_secs(3_600);

async fn session(store: &MongoStore, device: &str, change: SessionChange) -> u64 {
    let before = store.commands_sent();
    let (lease, snapshot) = store.begin_session(device, "owner", LONG).await.unwrap().unwrap();
    assert_eq!(snapshot.device.is_none(), change.is_new);
    store.end_session(&lease, change).await.unwrap();
    store.commands_sent() - before
}

/// Taking the lease with the device, what waits for it at the same time, and one update that gives the lease back.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_session_takes_two_round_trips() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.connect().await;
    let first = conformance::change("1", 1_000, &[("Device.A", conformance::number(1))]);
    let device = first.head.id.clone();
    session(&store, &device, first).await;
    let mut commands = Vec::new();
    for at in 2_000..2_010 {
        let mut quiet = conformance::quiet("1", at);
        let informed = InformedValue { path: "Device.A".into(), value: conformance::number(at), at };
        quiet.head.informed.push(informed);
        commands.push(session(&store, &device, quiet).await);
    }
    // Now and then the store looks what other nodes have changed, too.
    assert_eq!(commands.iter().min(), Some(&3), "{commands:?}");
    let stored = store.get_device(&device).await.unwrap().unwrap();
    let value = stored.tree.node(stored.tree.find("Device.A").unwrap()).typed_value().cloned();
    assert_eq!((stored.head.last_inform, value), (2_009, Some(conformance::number(2_009))));
    assert_eq!(store.lease_owner(&device).await.unwrap(), None);
}

/// What other programs have written stays as it is, but for what a session changed.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_database_is_taken_over() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.connect().await;
    let time = |milliseconds| Bson::DateTime(DateTime::from_millis(milliseconds));
    let collection = |name: &str| store.database().collection::<Document>(name);
    let device = doc! {
        "_id": "0A1B2C-Box-1",
        "_deviceId": { "_Manufacturer": "ExampleCorp", "_OUI": "0A1B2C", "_ProductClass": "Box", "_SerialNumber": "1" },
        "_registered": time(1_000), "_lastInform": time(2_000), "_lastBoot": time(1_500), "_tags": ["a b"], "_timestamp": time(1_900),
        "Device": {
            "_object": true, "_writable": false, "_timestamp": time(1_900),
            "A": { "_object": false, "_writable": true, "_value": "x", "_type": "xsd:string", "_timestamp": time(1_900) },
            "T": { "_object": false, "_writable": false, "_value": time(5), "_type": "xsd:dateTime", "_timestamp": time(1_900), "_theirs": 7 },
        },
    };
    collection("devices").insert_one(&device).await.unwrap();
    let task_id = "0123456789abcdef01234567";
    let task = doc! { "_id": ObjectId::parse_str(task_id).unwrap(), "device": "0A1B2C-Box-1", "name": "reboot", "timestamp": time(1_000) };
    collection("tasks").insert_one(&task).await.unwrap();
    let fault = doc! {
        "_id": "0A1B2C-Box-1:default", "device": "0A1B2C-Box-1", "channel": "default", "timestamp": time(2_000), "code": "cwmp.9002",
        "message": "Internal error", "retries": 1, "provisions": "[[\"p\"]]",
    };
    collection("faults").insert_one(fault).await.unwrap();
    collection("presets").insert_one(doc! { "_id": "p", "weight": 0, "events": { "1 BOOT": true } }).await.unwrap();
    let file = doc! {
        "_id": "fw.bin", "filename": "fw.bin", "length": 5, "chunkSize": 3, "uploadDate": time(1_000),
        "metadata": { "fileType": "1 Firmware Upgrade Image", "oui": "0A1B2C", "productClass": "Box", "version": "1" },
    };
    collection("fs.files").insert_one(file).await.unwrap();
    for (n, bytes) in [(0, &b"abc"[..]), (1, b"de")] {
        let data = Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
        collection("fs.chunks").insert_one(doc! { "files_id": "fw.bin", "n": n, "data": data }).await.unwrap();
    }

    let (lease, snapshot) = store.begin_session("0A1B2C-Box-1", "owner", LONG).await.unwrap().unwrap();
    let stored = snapshot.device.unwrap();
    assert_eq!((stored.head.last_boot, stored.tags.contains_key("a b")), (Some(1_500), true));
    assert_eq!((snapshot.tasks[0].id.as_str(), snapshot.tasks[0].state), (task_id, TaskState::Queued));
    assert_eq!(snapshot.faults[0].provisions[0].name, "p");
    assert_eq!(store.get(Collection::Presets, "p").await.unwrap().unwrap()["events"]["1 BOOT"], true);
    let file = store.get_file("fw.bin").await.unwrap().unwrap();
    for (offset, bytes) in [(0, &b"abc"[..]), (2, b"c"), (3, b"de"), (5, b"")] {
        assert_eq!(store.read_file(&file, offset, 9).await.unwrap().unwrap(), bytes, "from {offset}");
    }

    let mut change = conformance::quiet("1", 3_000);
    change.head = DeviceHead { last_inform: 3_000, ..stored.head };
    let mut tree = (*stored.tree).clone();
    let id = tree.ensure("Device.A");
    tree.set_read_value(id, TypedValue::string("y"), 3_000);
    change.tree = Some(tree.into());
    change.faults.push(("default".into(), None));
    change.tasks.push(TaskChange {
        id: task_id.into(),
        state: TaskState::Done,
        reason: String::new(),
        at: 3_000,
        result: None,
    });
    store.end_session(&lease, change).await.unwrap();
    let mut after = collection("devices").find_one(doc! {}).await.unwrap().unwrap();
    let own = after.remove("_lodestar").unwrap();
    let mut expected = device;
    expected.insert("_lastInform", time(3_000));
    let a = expected.get_document_mut("Device").unwrap().get_document_mut("A").unwrap();
    a.extend(doc! { "_value": "y", "_timestamp": time(3_000) });
    assert_eq!(after, expected);
    assert_eq!(own.as_document().unwrap().get_array("journal").unwrap().len(), 0);
    assert_eq!(collection("tasks").count_documents(doc! {}).await.unwrap(), 0, "what is done has left the queue");
    assert_eq!(store.get_task(task_id).await.unwrap().unwrap().state, TaskState::Done);
    assert_eq!(collection("faults").count_documents(doc! {}).await.unwrap(), 0);
}

/// A node that ended between a session's update and what it brings about leaves that to the next one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_has_left_undone_is_done_once() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.connect().await;
    let mut first = conformance::change("1", 1_000, &[]);
    let device = first.head.id.clone();
    first.faults.push(("default".into(), Some(conformance::fault(&device, "default", "script"))));
    store.commit_session(first).await.unwrap();
    let entry = doc! { "id": ObjectId::new(), "effects": [
        { "remove": "faults", "id": format!("{device}:default") },
        { "tell": { "kind": "fault.cleared", "device": &device, "at": 2_000_i64, "detail": {} } },
    ] };
    let devices = store.database().collection::<Document>("devices");
    for _ in 0..2 {
        let left = doc! { "$push": { "_lodestar.journal": entry.clone() } };
        devices.update_one(doc! { "_id": &device }, left).await.unwrap();
        assert!(store.open_device(&device).await.unwrap().faults.is_empty());
        let events = store.events_after(0, 10).await.unwrap();
        assert_eq!(events.iter().map(|stored| stored.event.kind.as_str()).collect::<Vec<_>>(), ["fault.cleared"]);
    }
}

/// Configuration, events and leases are of the database, not of the node.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_hear_of_each_other() {
    let Some(scratch) = Scratch::new() else { return };
    let (one, other) = (scratch.connect().await, scratch.connect().await);
    let mut watch = other.watch_configuration();
    let before = *watch.borrow_and_update();
    one.put(Collection::Presets, "p", json!({"weight": 1})).await.unwrap();
    let after = one.configuration_revision().await.unwrap();
    watch.wait_for(|revision| *revision >= after).await.unwrap();
    assert!(after > before);

    let event = |node: &str, number: i64| OutboxEvent {
        kind: node.into(),
        device: String::new(),
        at: number,
        detail: json!(null),
    };
    let tell = async |store: &MongoStore, node: &'static str| {
        for number in 0..40 {
            store.add_events(vec![event(node, number), event(node, number)]).await.unwrap();
        }
    };
    tokio::join!(tell(&one, "one"), tell(&other, "other"));
    let events = one.events_after(0, 1_000).await.unwrap();
    let cursors: Vec<i64> = events.iter().map(|stored| stored.cursor).collect();
    assert_eq!(cursors, (1..=160).collect::<Vec<_>>(), "no gap in which an event could appear later");
    for node in ["one", "other"] {
        let times: Vec<_> =
            events.iter().filter(|stored| stored.event.kind == node).map(|stored| stored.event.at).collect();
        assert!(times.is_sorted() && times.len() == 80, "{times:?}");
    }
    other.watch_events().wait_for(|cursor| *cursor == 160).await.unwrap();
}

/// Sessions of one device follow each other, on whatever nodes they are; one that was too slow writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_one_session_on_all_nodes() {
    let Some(scratch) = Scratch::new() else { return };
    let nodes = [scratch.connect().await, scratch.connect().await];
    let device = conformance::change("1", 0, &[]).head.id;
    for turn in 0..6 {
        let (here, there) = (&nodes[turn % 2], &nodes[(turn + 1) % 2]);
        let (lease, snapshot) = here.begin_session(&device, "here", LONG).await.unwrap().unwrap();
        assert!(there.begin_session(&device, "there", LONG).await.unwrap().is_none());
        let at = 1_000 * (turn as i64 + 1);
        let known = snapshot.device.as_ref().map(|device| device.head.last_inform);
        assert_eq!(known, (turn > 0).then_some(at - 1_000));
        let change = if turn == 0 { conformance::change("1", at, &[]) } else { conformance::quiet("1", at) };
        here.end_session(&lease, change).await.unwrap();
        assert!(matches!(here.end_session(&lease, conformance::quiet("1", 1)).await, Err(StoreError::LeaseLost(_))));
    }
    // All at once: one at a time gets through, and each knows what the one before has written.
    let mut crowd = JoinSet::new();
    for number in 0..16usize {
        let (store, device) = (nodes[number % 2].clone(), device.clone());
        crowd.spawn(async move {
            let owner = number.to_string();
            loop {
                let Some((lease, snapshot)) = store.begin_session(&device, &owner, LONG).await.unwrap() else {
                    continue;
                };
                let head = snapshot.device.unwrap().head;
                let mut change = conformance::quiet("1", head.last_inform + 1);
                change.tags.push((owner, Some(Value::Bool(true))));
                return store.end_session(&lease, change).await.unwrap();
            }
        });
    }
    crowd.join_all().await;
    let stored = nodes[0].get_device(&device).await.unwrap().unwrap();
    assert_eq!((stored.head.last_inform, stored.tags.len()), (6_016, 16));
}

/// A first contact on two nodes at once is one device, and one of the two sessions is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_contact_has_one_session_on_all_nodes() {
    let Some(scratch) = Scratch::new() else { return };
    let nodes = [scratch.connect().await, scratch.connect().await];
    for serial in 0..8 {
        let change = conformance::change(&serial.to_string(), 1_000, &[]);
        let device = change.head.id.clone();
        let begin = |node: usize, owner: &'static str| nodes[node].begin_session(&device, owner, LONG);
        let (one, other) = tokio::join!(begin(0, "one"), begin(1, "other"));
        let begun: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
        assert_eq!(begun.len(), 1, "{begun:?}");
        nodes[0].end_session(&begun[0].0, change).await.unwrap();
        let next = begin(1, "next").await.unwrap().unwrap();
        assert!(next.0.token > begun[0].0.token && next.1.device.is_some());
    }
}

/// A session may be taken out as soon as it is there, before who keeps it has heard that it is kept. It is kept then, not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_resumed_at_once_was_kept() {
    let Some(scratch) = Scratch::new() else { return };
    let nodes = [scratch.connect().await, scratch.connect().await];
    let mut lease = nodes[0].acquire_lease("d", "a", LONG).await.unwrap().unwrap();
    for turn in 0..200_u8 {
        let [here, there] = [&nodes[usize::from(turn) % 2], &nodes[usize::from(turn + 1) % 2]];
        let resume = async {
            loop {
                match there.resume_session("a", LONG).await.unwrap() {
                    Resumption::Resumed { lease, content } => break (lease, content),
                    other => assert_eq!(other, Resumption::Elsewhere),
                }
            }
        };
        let (kept, (resumed, content)) = tokio::join!(here.suspend_session(&lease, vec![turn], LONG), resume);
        assert_eq!((kept.map_err(|error| error.to_string()), content), (Ok(()), vec![turn]));
        lease = resumed;
    }
}

/// A document has its limit; what is beyond is refused, and the session goes on where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_too_large_is_not_kept() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.connect().await;
    let lease = store.acquire_lease("d", "a", LONG).await.unwrap().unwrap();
    let error = store.suspend_session(&lease, vec![0; 16 * 1024 * 1024], LONG).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid { .. }), "{error}");
    assert!(error.to_string().contains("the session of device d"), "{error}");
    assert_eq!(store.resume_session("a", LONG).await.unwrap(), Resumption::Elsewhere);
    assert!(store.renew_lease(&lease, LONG).await.unwrap());
}

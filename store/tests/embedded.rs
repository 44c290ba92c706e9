//! The embedded store: the conformance suite, and what is its own: durability.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use acs_core::change::OutboxEvent;
use acs_core::device::InformedValue;
use acs_core::query::nbi;
use acs_core::task::{Task, TaskState};
use acs_core::value::{TypedValue, Value, XsdType};
use serde_json::json;
use store::{Collection, EmbeddedStore, Find, Store, StoreError, StoreOptions, conformance};

store::conformance!(async || {
    let directory = tempfile::tempdir().unwrap();
    Some((EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap(), directory))
});

#[tokio::test(flavor = "multi_thread")]
async fn crowds_share_commits_and_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lodestar.db");
    let store = Arc::new(EmbeddedStore::open(&path).unwrap());
    let mut tasks = Vec::new();
    for serial in 0..500 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let change = conformance::change(&serial.to_string(), 1_000, &[("Device.A", TypedValue::string("x"))]);
            store.commit_session(change).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let statistics = store.statistics().await.unwrap();
    assert_eq!(statistics.devices, 500);
    assert!(statistics.commits < statistics.changes, "{statistics:?}");
    drop(store);
    let reopened = EmbeddedStore::open(&path).unwrap();
    assert_eq!(reopened.statistics().await.unwrap().devices, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_were_being_done_are_queued_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lodestar.db");
    let store = EmbeddedStore::open(&path).unwrap();
    let change = conformance::change("1", 1_000, &[]);
    let device = change.head.id.clone();
    store.commit_session(change).await.unwrap();
    for (id, state) in [("a", TaskState::InSession), ("b", TaskState::Waking), ("c", TaskState::Faulted)] {
        let task = Task::from_document(&json!({"name": "reboot"}), &device, id.into(), 1_000).unwrap();
        store.insert_task(task).await.unwrap();
        assert!(store.move_task(id, &[TaskState::Queued], state, "before", 2_000).await.unwrap());
    }
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    for (id, state) in [("a", TaskState::Queued), ("b", TaskState::Queued), ("c", TaskState::Faulted)] {
        let task = store.get_task(id).await.unwrap().unwrap();
        assert_eq!((task.state, task.state_at), (state, 2_000), "{id}: {}", task.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_device_does_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lodestar.db");
    let store = EmbeddedStore::open(&path).unwrap();
    for serial in ["1", "2", "3"] {
        store
            .commit_session(conformance::change(serial, 1_000, &[("Device.A", TypedValue::string("x"))]))
            .await
            .unwrap();
    }
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE device_tree SET doc = x'01ff' WHERE no = 2", []).unwrap();
    let devices = store.find_devices(Default::default()).await.unwrap().collect().await.unwrap();
    assert_eq!(devices.len(), 2);
    let error = store.open_device("0A1B2C-Box-2").await.unwrap_err();
    assert!(error.to_string().contains("0A1B2C-Box-2"), "{error}");
    // What cannot be read must not pass for a device without parameters.
    let missing = nbi::parse("devices", &json!({"Device.A": {"$exists": false}})).unwrap();
    assert_eq!(store.count_devices(missing).await.unwrap(), 0);
    let sort = nbi::parse_sort("devices", &json!({"Device.A": -1})).unwrap();
    let devices = store.find_devices(Find { sort, ..Find::default() }).await.unwrap().collect().await.unwrap();
    assert_eq!(devices.len(), 2);
    let problems = store.check_integrity().await.unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("0A1B2C-Box-2"));
    // It can be removed, and comes back whole with its next session.
    assert!(store.delete_device("0A1B2C-Box-2").await.unwrap());
    assert!(store.check_integrity().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("a.db")).unwrap();
    store.commit_session(conformance::change("1", 1_000, &[])).await.unwrap();
    let copy = directory.path().join("b.db");
    store.backup_to(&copy).await.unwrap();
    assert_eq!(EmbeddedStore::open(&copy).unwrap().statistics().await.unwrap().devices, 1);
    let error = store.backup_to(&copy).await.unwrap_err();
    assert!(error.to_string().contains("b.db"), "an existing file is not overwritten: {error}");
    assert_eq!(names(directory.path()), ["a.db", "a.db-shm", "a.db-wal", "a.db.lock", "b.db", "b.db.lock"]);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("a.db")).unwrap();
    store.commit_session(conformance::change("1", 1_000, &[])).await.unwrap();
    store.backup_to(&directory.path().join("b.db")).await.unwrap();
    for name in ["a.db", "a.db-wal", "b.db"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn one_process_writes_and_others_may_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lodestar.db");
    assert!(EmbeddedStore::open_read_only(&path).is_err(), "reading does not create a database");
    let store = EmbeddedStore::open(&path).unwrap();
    let error = EmbeddedStore::open(&path).err().unwrap();
    assert!(error.to_string().contains("another process"), "{error}");
    let reader = EmbeddedStore::open_read_only(&path).unwrap();
    store.commit_session(conformance::change("1", 1_000, &[])).await.unwrap();
    assert!(reader.get_device("0A1B2C-Box-1").await.unwrap().is_some());
    let error = reader.commit_session(conformance::change("2", 1_000, &[])).await.unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
    reader.health().await.unwrap();
    store.health().await.unwrap();
    drop(store);
    EmbeddedStore::open(&path).unwrap();
}

#[tokio::test]
async fn ended_tasks_and_old_events_go_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { task_retention: Duration::from_secs(10), outbox_length: 5, ..StoreOptions::default() };
    let store = EmbeddedStore::open_with(&directory.path().join("lodestar.db"), options).unwrap();
    let mut session = conformance::change("1", 1_000, &[]);
    let device = session.head.id.clone();
    let event = OutboxEvent { kind: "device.session".into(), device: device.clone(), at: 0, detail: json!(null) };
    session.events = vec![event; 1_001];
    store.commit_session(session).await.unwrap();
    assert_eq!(store.events_after(0, 2_000).await.unwrap().len(), 1_001, "a few more wait to be removed together");
    let at = |id: &str, state_at| Task { state_at, ..conformance::task(id, &device, None) };
    store.insert_task(at("a", 1_000)).await.unwrap();
    store.cancel_task("a", 2_000).await.unwrap();
    store.insert_task(at("b", 12_000)).await.unwrap();
    assert!(store.get_task("a").await.unwrap().is_some(), "ended 10 seconds before");
    store.insert_task(at("c", 12_001)).await.unwrap();
    assert!(store.get_task("a").await.unwrap().is_none());
    assert!(store.get_task("b").await.unwrap().is_some(), "it waits, however long");
    let mut more = conformance::quiet("1", 2_000);
    more.events = vec![OutboxEvent { kind: "last".into(), device, at: 0, detail: json!(null) }];
    store.commit_session(more).await.unwrap();
    let events = store.events_after(0, 2_000).await.unwrap();
    assert_eq!((events.len(), events.last().unwrap().event.kind.as_str()), (5, "last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_go_on_while_an_index_is_built() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
    let number = |value| TypedValue(Value::Int(value), XsdType::Int);
    for serial in 0..600 {
        store
            .commit_session(conformance::change(&serial.to_string(), 1_000, &[("Device.A", number(1))]))
            .await
            .unwrap();
    }
    let builder = store.clone();
    let build = tokio::spawn(async move { builder.set_indexed_parameters(&["Device.A".to_owned()]).await });
    for serial in (0..600).step_by(3) {
        let mut change = conformance::quiet(&serial.to_string(), 2_000);
        let informed = InformedValue { path: "Device.A".into(), value: number(2), at: 2_000 };
        change.head.informed.push(informed);
        store.commit_session(change).await.unwrap();
    }
    store.delete_device("0A1B2C-Box-1").await.unwrap();
    store.commit_session(conformance::change("new", 2_000, &[])).await.unwrap();
    build.await.unwrap().unwrap();
    for (query, expected) in [(json!(1), 399), (json!(2), 200), (json!({"$exists": false}), 1)] {
        let filter = nbi::parse("devices", &json!({"Device.A": query})).unwrap();
        assert_eq!(store.count_devices(filter).await.unwrap(), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_nobody_reads_do_not_keep_sessions_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
    for serial in 0..200 {
        store.commit_session(conformance::change(&serial.to_string(), 1_000, &[])).await.unwrap();
    }
    let mut lists = Vec::new();
    for _ in 0..1_000 {
        lists.push(store.find_devices(Find::default()).await.unwrap());
    }
    // Each list has begun, and waits for its reader.
    for list in &mut lists {
        list.next().await.unwrap().unwrap();
    }
    assert!(store.open_device("0A1B2C-Box-7").await.unwrap().device.is_some());
    assert_eq!(lists.remove(0).collect().await.unwrap().len(), 199);
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_queries_than_the_database_takes_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
    for serial in 0..5 {
        store.commit_session(conformance::change(&serial.to_string(), 1_000, &[])).await.unwrap();
    }
    let id = |number: usize| format!("0A1B2C-Box-{number}");
    let each: Vec<_> = (1..450).map(|number| json!({"_id": id(number)})).collect();
    let list: Vec<_> = (1..10_000).map(id).collect();
    let lists: Vec<_> = (0..5).map(|_| json!({"_id": {"$in": list}})).collect();
    let not: Vec<_> = (1..450).map(|number| json!({"_id": {"$ne": id(number)}})).collect();
    for (query, expected) in [
        (json!({"$or": each}), 4),
        (json!({"_id": {"$in": list}}), 4),
        (json!({"$and": lists}), 4),
        (json!({"$and": not}), 1),
    ] {
        let filter = nbi::parse("devices", &query).unwrap();
        assert_eq!(store.count_devices(filter).await.unwrap(), expected);
    }
}

/// The child of the test below: commits for ever and says what was acknowledged. Does nothing when run with the others.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Ok(path) = std::env::var("STORE_TEST_DATABASE") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(EmbeddedStore::open(path.as_ref()).unwrap());
        let from = std::process::id() as u64 * 1_000_000;
        for lane in 0..8 {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (from + lane * 100_000).. {
                    let serial = number.to_string();
                    let change = conformance::change(&serial, 1_000, &[("Device.A", TypedValue::string(&*serial))]);
                    store.commit_session(change).await.unwrap();
                    println!("acknowledged {serial}");
                }
            });
        }
        std::future::pending::<()>().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lodestar.db");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_commits_until_it_is_killed", "--exact", "--nocapture"])
            .env("STORE_TEST_DATABASE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let target = acknowledged.len() + 100 + round * 37;
        while acknowledged.len() < target {
            let line = lines.next().unwrap().unwrap();
            acknowledged.extend(line.strip_prefix("acknowledged ").map(str::to_owned));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died counts too.
        for line in lines.map_while(Result::ok) {
            acknowledged
                .extend(line.strip_prefix("acknowledged ").filter(|serial| serial.len() > 6).map(str::to_owned));
        }
        let store = EmbeddedStore::open(&path).unwrap();
        for serial in &acknowledged {
            let device = store.get_device(&format!("0A1B2C-Box-{serial}")).await.unwrap();
            assert!(device.is_some(), "{serial} was acknowledged in round {round} or before");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_changed_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
    let changes = vec![
        (Collection::Presets, "good".to_owned(), Some(json!({}))),
        (Collection::Presets, "bad".to_owned(), Some(json!("no object"))),
    ];
    assert!(matches!(store.change_documents(changes).await, Err(StoreError::Invalid { .. })));
    assert!(store.get(Collection::Presets, "good").await.unwrap().is_none());
}

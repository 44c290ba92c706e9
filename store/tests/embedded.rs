//! The embedded store: the conformance suite, and what is its own: durability.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use acs_core::value::TypedValue;
use store::{EmbeddedStore, Store, conformance};

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_suite() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    conformance::run_all(async || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        EmbeddedStore::open(&directory.path().join(format!("{number}.db"))).unwrap()
    })
    .await;
}

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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("a.db")).unwrap();
    store.commit_session(conformance::change("1", 1_000, &[])).await.unwrap();
    let copy = directory.path().join("b.db");
    store.backup_to(&copy).await.unwrap();
    assert_eq!(EmbeddedStore::open(&copy).unwrap().statistics().await.unwrap().devices, 1);
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

//! Measures the embedded store: commits per second of concurrent sessions, bytes written, the cost of opening a device, and
//! queries with and without an index.
//!
//! ```text
//! cargo run --release -p store --example measure -- DIRECTORY [DEVICES] [PARAMETERS] [SESSIONS] [keep]
//! ```
//!
//! The directory should be on the disk that the store will use. `lodestar.db` is created in it, and removed in the end unless it is to
//! be kept: then `lodestar serve --data-dir DIRECTORY` serves a fleet to ask.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program for developers")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use acs_core::change::SessionChange;
use acs_core::device::InformedValue;
use acs_core::query::nbi;
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use serde_json::json;
use store::{EmbeddedStore, Find, Store, conformance};

/// Sessions at a time.
const CONCURRENT: usize = 64;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(directory) = arguments.first().map(Path::new) else {
        eprintln!("usage: measure DIRECTORY [DEVICES] [PARAMETERS] [SESSIONS] [keep]");
        std::process::exit(2);
    };
    let number = |index: usize, default: usize| arguments.get(index).map_or(default, |text| text.parse().unwrap());
    let (devices, parameters, sessions) = (number(1, 10_000), number(2, 600), number(3, 20_000));
    let path = directory.join("lodestar.db");
    if path.exists() {
        eprintln!("{} exists already", path.display());
        std::process::exit(2);
    }
    let store = EmbeddedStore::open(&path).unwrap();

    let template = tree(parameters);
    let fill = template.clone();
    run("register devices", &store, devices, move |number| {
        let mut tree = (*fill).clone();
        let id = tree.find(&name(0)).unwrap();
        tree.set_read_value(id, TypedValue::string(format!("1.{}", number % 100)), 1_700_000_000_000);
        session(number, 1_000, Some(Arc::new(tree)), true)
    })
    .await;
    let statistics = store.statistics().await.unwrap();
    println!("{:>34}: {:.1} KB", "on disk per device", statistics.database_bytes as f64 / devices as f64 / 1e3);

    run("head only", &store, sessions, move |number| session(scattered(number, devices), 2_000, None, false)).await;
    let changed = template.clone();
    run("tree changed", &store, sessions, move |number| {
        let mut tree = (*changed).clone();
        for index in 0..8 {
            let id = tree.find(&name((number + index * 31) % parameters)).unwrap();
            tree.set_read_value(id, TypedValue::string(number.to_string()), 3_000);
        }
        session(scattered(number, devices), 3_000, Some(Arc::new(tree)), false)
    })
    .await;

    let opened = 5_000;
    let started = Instant::now();
    for index in 0..opened {
        let id = session(scattered(index, devices), 0, None, false).head.id;
        assert!(store.open_device(&id).await.unwrap().device.is_some());
    }
    report("open_device, one after another", started, opened);
    let started = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..CONCURRENT).map(|_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            while let index = next.fetch_add(1, Ordering::Relaxed)
                && index < opened
            {
                store.open_device(&session(scattered(index, devices), 0, None, false).head.id).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    report("open_device, 64 at a time", started, opened);

    let parameter = name(0);
    let filter = nbi::parse("devices", &json!({parameter.clone(): {"$in": ["1.3", "1.4"]}})).unwrap();
    let started = Instant::now();
    let found = store.count_devices(filter.clone()).await.unwrap();
    report(&format!("filter without index ({found})"), started, devices);
    let started = Instant::now();
    store.set_indexed_parameters(&[parameter]).await.unwrap();
    report("build an index", started, devices);
    let started = Instant::now();
    let found = store.count_devices(filter).await.unwrap();
    println!("{:>34}: {:.2} ms", format!("filter with index ({found})"), started.elapsed().as_secs_f64() * 1e3);
    let sort = nbi::parse_sort("devices", &json!({"_lastInform": -1})).unwrap();
    let started = Instant::now();
    let find = Find { sort, skip: 1_000, limit: Some(50), ..Find::default() };
    let page = store.find_devices(find).await.unwrap().collect().await.unwrap();
    let elapsed = started.elapsed().as_secs_f64() * 1e3;
    println!("{:>34}: {elapsed:.2} ms", format!("page of {} by last inform", page.len()));
    let started = Instant::now();
    let mut all = store.find_devices(Find::default()).await.unwrap();
    let mut count = 0;
    while let Some(device) = all.next().await {
        device.unwrap();
        count += 1;
    }
    report("read all devices", started, count);
    drop((all, store));
    if arguments.get(4).is_some_and(|argument| argument == "keep") {
        return;
    }
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

/// Runs sessions that each wait for their own commit, and reports on them.
async fn run(
    what: &str,
    store: &EmbeddedStore,
    count: usize,
    session: impl Fn(usize) -> SessionChange + Send + Sync + 'static,
) {
    let session = Arc::new(session);
    let next = Arc::new(AtomicUsize::new(0));
    let before = store.statistics().await.unwrap();
    let bytes_before = written_bytes();
    let started = Instant::now();
    let workers = (0..CONCURRENT).map(|_| {
        let (store, session, next) = (store.clone(), session.clone(), next.clone());
        tokio::spawn(async move {
            while let number = next.fetch_add(1, Ordering::Relaxed)
                && number < count
            {
                store.commit_session(session(number)).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    report(what, started, count);
    let after = store.statistics().await.unwrap();
    let commits = (after.commits - before.commits).max(1);
    println!(
        "{:>34}  {:.1} sessions per commit, {:.2} ms per commit, {:.1} KB written per session, log {:.1} MB",
        "",
        (after.changes - before.changes) as f64 / commits as f64,
        (after.commit_microseconds - before.commit_microseconds) as f64 / commits as f64 / 1e3,
        (written_bytes() - bytes_before) as f64 / count as f64 / 1e3,
        after.log_bytes as f64 / 1e6,
    );
}

fn report(what: &str, started: Instant, count: usize) {
    let seconds = started.elapsed().as_secs_f64();
    let each = seconds / count as f64 * 1e6;
    println!("{what:>34}: {:.0} per second, {each:.0} µs each, {seconds:.2} s", count as f64 / seconds);
}

/// What this process has caused to be written to the disk so far; 0 where the system does not tell.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn name(index: usize) -> String {
    format!("Device.Group.{}.Entry.{}.Parameter{}", index / 60 + 1, index / 10 % 6 + 1, index % 10)
}

/// A device's parameters: text, numbers and booleans.
fn tree(parameters: usize) -> Arc<DeviceTree> {
    let mut tree = DeviceTree::new();
    for index in 0..parameters {
        let id = tree.ensure(&name(index));
        let value = match index % 3 {
            0 => TypedValue::string(format!("value {index}")),
            1 => TypedValue(Value::Int(index as i64 * 977), XsdType::UnsignedInt),
            _ => TypedValue(Value::Bool(index % 2 == 0), XsdType::Boolean),
        };
        tree.set_read_value(id, value, 1_700_000_000_000 + index as i64);
        tree.set_listed(id, false, index % 2 == 0, 1_700_000_000_000);
    }
    Arc::new(tree)
}

/// The device of a session: neighbours in time are not neighbours in the database.
fn scattered(number: usize, devices: usize) -> usize {
    (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(32) as usize % devices
}

/// A session whose Inform told eight values.
fn session(number: usize, at: i64, tree: Option<Arc<DeviceTree>>, is_new: bool) -> SessionChange {
    let mut change = conformance::change(&format!("{number:08}"), at, &[]);
    change.head.registered = 1_700_000_000_000;
    change.head.last_inform = 1_700_000_000_000 + at + number as i64;
    change.head.events = vec!["2 PERIODIC".to_owned()];
    change.head.informed = (1..9)
        .map(|index| InformedValue {
            path: name(index * 60),
            value: TypedValue::string(format!("http://192.0.2.{index}:7547/{at}")),
            at: change.head.last_inform,
        })
        .collect();
    change.is_new = is_new;
    change.tree = tree;
    change
}

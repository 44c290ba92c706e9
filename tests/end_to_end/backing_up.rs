//! A backup that is taken under load, and put back.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::load::{self, LoadKind, LoadOptions};
use tokio_util::sync::CancellationToken;

use crate::kit::{Server, stored_sequences};
use crate::test_store::is_embedded_or_skips;

fn lodestar(arguments: &[&str], paths: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lodestar")).args(arguments).args(paths).output().unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_backup_is_in_it() {
    if !is_embedded_or_skips() {
        return;
    }
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (backup, restored) = (elsewhere.path().join("backup.db"), elsewhere.path().join("data"));
    let mut server = Server::start_on(directory.path());
    let stop = CancellationToken::new();
    let options = LoadOptions {
        url: format!("http://{}/", server.cwmp),
        kind: LoadKind::Read,
        connections: 8,
        devices: 100,
        sessions: None,
        stamp: true,
        parameters: 80,
        ..LoadOptions::default()
    };
    let acknowledged: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let seen = acknowledged.clone();
    let load = tokio::spawn(load::run(options, stop.clone(), move |outcome| {
        if outcome.acknowledged() {
            seen.lock().unwrap().insert(outcome.serial_number.to_owned(), outcome.sequence);
        }
    }));
    while acknowledged.lock().unwrap().len() < 50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = acknowledged.lock().unwrap().clone();
    let (data, file) = (directory.path().to_owned(), backup.clone());
    let output =
        tokio::task::spawn_blocking(move || lodestar(&["backup", "--data-dir"], &[&data, &file])).await.unwrap();
    assert!(output.status.success(), "{}", text(&output));
    stop.cancel();
    load.await.unwrap().unwrap();

    let again = lodestar(&["backup", "--data-dir"], &[directory.path(), &backup]);
    assert_eq!(again.status.code(), Some(3), "{}", text(&again));

    // Neither a directory that is in use, nor one that holds data, is overwritten by mistake.
    let in_use = lodestar(&["restore", "--replace", "--data-dir"], &[directory.path(), &backup]);
    assert!(in_use.status.code() == Some(3) && text(&in_use).contains("another process"), "{}", text(&in_use));
    server.kill();
    let holds_data = lodestar(&["restore", "--data-dir"], &[directory.path(), &backup]);
    assert!(holds_data.status.code() == Some(3) && text(&holds_data).contains("--replace"), "{}", text(&holds_data));

    let output = lodestar(&["restore", "--data-dir"], &[&restored, &backup]);
    assert!(output.status.success(), "{}", text(&output));
    let server = Server::start_on(&restored);
    let stored = stored_sequences(&server);
    for (serial, sequence) in &before {
        let found = stored.get(serial);
        assert!(found >= Some(sequence), "{serial}: {sequence} was acknowledged before, {found:?} is restored");
    }
    let told = server.request("GET", "/events?after=0&wait=0&kinds=store.restored", "").body;
    assert_eq!(told.matches("data: ").count(), 1, "{told}");
}

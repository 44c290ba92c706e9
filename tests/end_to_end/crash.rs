//! What a device was told is stored, whatever happens to the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sim::load::{self, LoadKind, LoadOptions};
use tokio_util::sync::CancellationToken;

use crate::kit::{Server, eventually, stored_sequences};
use crate::test_store::DataDir;

#[tokio::test(flavor = "multi_thread")]
async fn every_session_that_got_its_last_answer_survives_kill_9() {
    let directory = DataDir::new();
    let acknowledged: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    for round in 0..3 {
        let mut server = Server::start_on(directory.path());
        let stop = CancellationToken::new();
        let options = LoadOptions {
            url: format!("http://{}/", server.cwmp),
            kind: LoadKind::Read,
            connections: 16,
            devices: 200,
            sessions: None,
            stamp: true,
            parameters: 80,
            timeout_milliseconds: 5_000,
            ..LoadOptions::default()
        };
        let seen = acknowledged.clone();
        let load = tokio::spawn(load::run(options, stop.clone(), move |outcome| {
            if outcome.acknowledged() {
                // Sequence numbers begin anew with each run; rounds keep them apart.
                seen.lock().unwrap().insert(outcome.serial_number.to_owned(), round * 10_000_000 + outcome.sequence);
            }
        }));
        eventually("sessions to be acknowledged", || {
            let of_this_round = |sequence: &&u64| **sequence / 10_000_000 == round;
            acknowledged.lock().unwrap().values().filter(of_this_round).count() >= 50
        });
        server.kill();
        stop.cancel();
        load.await.unwrap().unwrap();

        let server = Server::start_on(directory.path());
        let stored = stored_sequences(&server);
        for (serial, sequence) in acknowledged.lock().unwrap().iter() {
            if sequence / 10_000_000 == round {
                let found = stored.get(serial).copied();
                assert!(
                    found >= Some(sequence % 10_000_000),
                    "{serial}: {sequence} was acknowledged, {found:?} is stored"
                );
            } else {
                assert!(stored.contains_key(serial), "{serial} was acknowledged in an earlier round");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_tasks_and_faults_survive_a_restart() {
    let directory = DataDir::new();
    let mut server = Server::start_on(directory.path());
    server.preset("broken", json!({"channel": "broken"}), "throw \"no\";");
    let mut device = server.device("E2E1", |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());
    let path = "/devices/0A1B2C-SimCPE-E2E1/tasks";
    assert_eq!(server.request("POST", path, r#"{"name":"reboot"}"#).status, 202);
    server.kill();
    let server = Server::start_on(directory.path());
    assert_eq!(server.get("/faults").as_array().unwrap().len(), 1);
    assert_eq!(server.get("/tasks")[0]["name"], "reboot");
    assert_eq!(server.get("/provisions/broken")["script"], "throw \"no\";");
}

//! Transfer records, stage by stage, and what they say when something goes wrong (docs/transfers.md).

use acs_core::rpc::{CpeFault, TransferComplete};
use acs_core::transfer::{Transfer, TransferState};
use serde_json::json;

use crate::bench::{Scenario, only};
use crate::kit::{Visit, string};

const VERSION: &str = "Device.DeviceInfo.SoftwareVersion";

/// A known router with a task to download `fw.bin`, which is 1,000 bytes long.
fn asked() -> Scenario {
    let mut scenario = Scenario::router();
    let file = json!({"length": 1_000, "sha256": "00"});
    scenario.documents.files = serde_json::from_value(json!({ "fw.bin": file })).unwrap();
    scenario.periodic();
    scenario.task("t1", json!({"name": "download", "fileType": "1 Firmware Upgrade Image", "fileName": "fw.bin"}));
    scenario
}

fn completed(scenario: &Scenario, fault: Option<(&str, &str)>) -> TransferComplete {
    TransferComplete {
        command_key: record(scenario).command_key,
        fault: fault.map(|(code, message)| CpeFault {
            code: code.into(),
            message: message.into(),
            set_parameter_values_faults: vec![],
        }),
        start_time: 5_000,
        complete_time: 6_000,
    }
}

/// The last record.
fn record(scenario: &Scenario) -> Transfer {
    scenario.world.transfers.values().max_by_key(|transfer| transfer.requested_at).unwrap().clone()
}

fn told(visit: &Visit) -> Vec<&str> {
    let kinds = visit.change.events.iter().map(|event| event.kind.as_str());
    kinds.filter(|kind| kind.starts_with("transfer.")).collect()
}

fn install(scenario: &mut Scenario, version: &str) {
    scenario.device.parameters.insert(VERSION.into(), (false, string(version)));
}

#[test]
fn a_record_follows_a_download_to_the_new_version() {
    let mut scenario = asked();
    let requested_at = scenario.world.clock;
    let visit = scenario.periodic();
    assert_eq!(only(&visit, "Download"), ["Download 1 Firmware Upgrade Image http://files.example/fw.bin 1000 bytes"]);
    assert_eq!(told(&visit), ["transfer.requested"]);
    let accepted = record(&scenario);
    assert_eq!((accepted.state, accepted.status), (TransferState::Accepted, Some(1)));
    assert_eq!((accepted.requested_at, accepted.accepted_at), (requested_at, Some(requested_at)));
    assert_eq!((accepted.file_name.as_str(), accepted.file_size), ("fw.bin", 1_000));
    assert_eq!(accepted.version_before.as_deref(), Some("2.0.1"));

    // The transfer first, then the restart, as some devices do it.
    let message = completed(&scenario, None);
    scenario.transfer(message);
    let visit = scenario.session(&["7 TRANSFER COMPLETE", "M Download"]);
    assert_eq!(told(&visit), ["transfer.completed"]);
    let done = record(&scenario);
    assert_eq!((done.state, done.is_settled), (TransferState::Completed, false));
    assert_eq!((done.start_time, done.complete_time), (Some(5_000), Some(6_000)));
    assert_eq!(done.version_after.as_deref(), Some("2.0.1"));

    install(&mut scenario, "3.0.0");
    let booted_at = scenario.world.clock;
    scenario.session(&["1 BOOT"]);
    let settled = record(&scenario);
    assert_eq!((settled.version_after.as_deref(), settled.version_seen_at), (Some("3.0.0"), Some(booted_at)));
    assert_eq!((settled.booted_at, settled.is_settled), (Some(booted_at), true));
    assert!(scenario.periodic().change.transfers.is_empty(), "nothing is left to say");
}

#[test]
fn a_download_that_is_done_at_once_is_recorded_as_done() {
    let mut scenario = asked().device(|device| device.behaviour.download_status = 0);
    let visit = scenario.periodic();
    assert_eq!(told(&visit), ["transfer.requested", "transfer.completed"]);
    assert_eq!((record(&scenario).state, record(&scenario).status), (TransferState::Completed, Some(0)));
}

#[test]
fn the_devices_fault_is_in_the_record() {
    // What went wrong, and the device's fault: the file server was not reached, the connection broke, the size was wrong.
    for (code, message) in [
        ("9010", "Download failure"),
        ("9017", "File transfer failure: unable to complete"),
        ("9018", "File corrupted"),
    ] {
        let mut scenario = asked();
        scenario.world.settings.retry.delay = 10_000_000;
        scenario.periodic();
        let complete = completed(&scenario, Some((code, message)));
        scenario.transfer(complete);
        let visit = scenario.session(&["7 TRANSFER COMPLETE", "M Download"]);
        assert_eq!(told(&visit), ["transfer.failed"], "{code}");
        let failed = record(&scenario);
        let fault = failed.fault.unwrap();
        assert_eq!((failed.state, fault.code), (TransferState::Failed, format!("cwmp.{code}")));
        assert_eq!((fault.message.as_str(), failed.is_settled), (message, true));
        let event = visit.change.events.iter().find(|event| event.kind == "transfer.failed").unwrap();
        assert_eq!(event.detail["faultCode"], format!("cwmp.{code}"));
    }
}

#[test]
fn a_refused_request_has_a_record_too() {
    let mut scenario = asked().device(|device| {
        device.behaviour.faults.push(("Download".into(), "fw.bin".into(), "9000".into()));
    });
    let visit = scenario.periodic();
    assert_eq!(told(&visit), ["transfer.requested", "transfer.failed"]);
    let refused = record(&scenario);
    assert_eq!((refused.state, refused.accepted_at), (TransferState::Failed, None));
    assert_eq!(refused.fault.unwrap().code, "cwmp.9000");
}

#[test]
fn a_transfer_complete_that_never_comes_is_told_apart_from_one_that_comes_late() {
    let mut scenario = asked();
    scenario.world.settings.retry.delay = 80_000_000;
    scenario.periodic();
    scenario.world.clock += 3_600_000;
    let visit = scenario.periodic();
    assert_eq!(told(&visit), ["transfer.failed"]);
    assert_eq!(record(&scenario).fault.unwrap().code, "timeout");

    // The upgrade has happened all the same, and shows.
    install(&mut scenario, "3.0.0");
    scenario.session(&["1 BOOT"]);
    let seen = record(&scenario);
    assert_eq!((seen.state, seen.version_after.as_deref()), (TransferState::Failed, Some("3.0.0")));

    let message = completed(&scenario, None);
    scenario.transfer(message);
    assert_eq!(told(&scenario.session(&["7 TRANSFER COMPLETE"])), ["transfer.completed"]);
    assert_eq!((record(&scenario).state, record(&scenario).fault), (TransferState::Completed, None));
}

#[test]
fn a_timeout_that_counts_as_success_is_recorded_as_one() {
    let mut scenario = asked();
    scenario.world.settings.download_success_on_timeout = true;
    scenario.periodic();
    scenario.world.clock += 3_600_000;
    assert_eq!(told(&scenario.periodic()), ["transfer.completed"]);
    assert_eq!(record(&scenario).complete_time, None);
}

#[test]
fn an_early_restart_shows_while_the_transfer_is_awaited() {
    let mut scenario = asked();
    scenario.periodic();
    let booted_at = scenario.world.clock;
    scenario.session(&["1 BOOT"]);
    let waiting = record(&scenario);
    assert_eq!((waiting.state, waiting.booted_at), (TransferState::Accepted, Some(booted_at)));
    assert_eq!(waiting.version_after.as_deref(), Some("2.0.1"), "it came back without the new version");

    let message = completed(&scenario, None);
    scenario.transfer(message);
    install(&mut scenario, "3.0.0");
    scenario.session(&["1 BOOT", "7 TRANSFER COMPLETE", "M Download"]);
    let done = record(&scenario);
    assert_eq!((done.version_after.as_deref(), done.is_settled), (Some("3.0.0"), true));
}

#[test]
fn sessions_without_news_write_no_records() {
    let mut scenario = asked();
    scenario.world.settings.download_timeout = 80_000_000;
    scenario.periodic();
    assert_eq!(scenario.periodic().change.transfers.len(), 1, "the version was seen");
    assert!(scenario.periodic().change.transfers.is_empty());
}

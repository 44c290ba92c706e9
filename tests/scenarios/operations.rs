//! What goes on after the answer: transfers, deployment units, restarts, and what devices report by themselves.

use acs_core::operation::OperationKind;
use acs_core::rpc::*;
use acs_core::session::{Input, Output, Session};
use acs_core::task::TaskState;
use acs_core::value::Value;
use lodestar::snapshot::Snapshot;
use sandbox::Limits;
use serde_json::{Value as Json, json};

use crate::bench::{Scenario, only};
use crate::kit::Visit;

const TASK: &str = "0123456789abcdef01234567";
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn task_scenario(document: Json) -> Scenario {
    let mut scenario = Scenario::router();
    scenario.task(TASK, document);
    scenario
}

/// What became of the task in a session, with its reason and result.
fn outcome(visit: &Visit) -> (TaskState, String, Json) {
    let change =
        visit.change.tasks.last().unwrap_or_else(|| panic!("nothing became of the task: {:?}", visit.requests));
    (change.state, change.reason.clone(), change.result.clone().unwrap_or_default())
}

fn key(scenario: &Scenario) -> String {
    scenario.world.snapshot.operations[0].command_key.clone()
}

fn fault(code: &str) -> CpeFault {
    CpeFault { code: code.into(), message: String::new(), set_parameter_values_faults: vec![] }
}

fn transfer_complete(scenario: &Scenario, fault: Option<CpeFault>) -> Input {
    Input::TransferComplete(TransferComplete {
        command_key: key(scenario),
        fault,
        start_time: 5_000,
        complete_time: 6_000,
    })
}

fn results(scenario: &Scenario, codes: &[&str]) -> Input {
    let result = |code: &&str| OperationResult {
        uuid: UUID.into(),
        version: "2".into(),
        current_state: if *code == "0" { "Installed".into() } else { "Failed".into() },
        start_time: 5_000,
        complete_time: 6_000,
        fault: (*code != "0").then(|| fault(code)),
        ..OperationResult::default()
    };
    let results = codes.iter().map(result).collect();
    Input::DUStateChangeComplete(DUStateChangeComplete { command_key: key(scenario), results })
}

#[test]
fn each_task_is_one_request() {
    let windows = json!([{"windowStart": 0, "windowEnd": 60}, {"windowStart": 60, "windowEnd": 90}]);
    let cases = [
        (
            json!({"name": "upload", "fileType": "1 Vendor Configuration File", "fileName": "a b.cfg"}),
            "Upload 1 Vendor Configuration File http://files.example/a%20b.cfg",
            TaskState::Accepted,
        ),
        (
            json!({"name": "scheduleDownload", "fileType": "2 Web Content", "fileName": "f", "timeWindows": windows}),
            "ScheduleDownload 2 Web Content http://files.example/f 0-60 60-90",
            TaskState::Accepted,
        ),
        (json!({"name": "scheduleInform", "delaySeconds": 60}), "ScheduleInform 60", TaskState::Accepted),
        (
            json!({"name": "changeDUState", "operations": [
                {"operation": "Install", "url": "http://h/u-1.pkg"},
                {"operation": "Update", "uuid": UUID, "url": "http://h/u-2.pkg"},
                {"operation": "Uninstall", "uuid": UUID, "version": "1"},
            ]}),
            &format!("ChangeDUState Install http://h/u-1.pkg Update {UUID}  http://h/u-2.pkg Uninstall {UUID} 1"),
            TaskState::Accepted,
        ),
        (json!({"name": "cancelTransfer", "commandKey": "k"}), "CancelTransfer k", TaskState::Done),
        (json!({"name": "getQueuedTransfers"}), "GetAllQueuedTransfers", TaskState::Done),
        (json!({"name": "getRPCMethods"}), "GetRPCMethods", TaskState::Done),
        (json!({"name": "getOptions"}), "GetOptions ", TaskState::Done),
        (json!({"name": "setVouchers", "voucherList": ["QUJD"]}), "SetVouchers QUJD", TaskState::Done),
        (json!({"name": "X_0A1B2C_Probe", "arguments": {"Host": "h"}}), "X_0A1B2C_Probe", TaskState::Done),
        (json!({"name": "reboot"}), "Reboot", TaskState::Accepted),
        (json!({"name": "factoryReset"}), "FactoryReset", TaskState::Accepted),
    ];
    for (document, request, state) in cases {
        let mut scenario = task_scenario(document);
        let visit = scenario.periodic();
        assert_eq!(visit.requests, [request]);
        assert_eq!(outcome(&visit).0, state, "{request}");
        scenario.expect_no_fault();
        assert!(scenario.periodic().requests.is_empty(), "{request}: once");
    }
}

#[test]
fn answers_are_kept_with_the_task() {
    let cases = [
        (json!({"name": "getRPCMethods"}), json!({"methods": ["Inform"]})),
        (json!({"name": "getQueuedTransfers"}), json!({"transfers": []})),
        (json!({"name": "getOptions"}), json!({"options": []})),
        (json!({"name": "X_0A1B2C_Probe"}), json!({"response": "X_0A1B2C_ProbeResponse", "xml": "<Result>1</Result>"})),
        (json!({"name": "setVouchers", "voucherList": []}), Json::Null),
    ];
    for (document, expected) in cases {
        let mut scenario = task_scenario(document.clone());
        assert_eq!(outcome(&scenario.periodic()).2, expected, "{document}");
    }
}

#[test]
fn a_task_ends_with_the_report_of_the_device() {
    let mut scenario = task_scenario(json!({"name": "upload", "fileType": "2 Vendor Log File", "fileName": "log"}));
    let visit = scenario.periodic();
    let (_, reason, result) = outcome(&visit);
    assert!(reason.contains("TransferComplete"), "{reason}");
    assert_eq!(result, json!({ "commandKey": key(&scenario) }));
    let report = transfer_complete(&scenario, None);
    scenario.world.reports.push(report);
    let visit = scenario.session(&["7 TRANSFER COMPLETE", "M Upload"]);
    let (state, _, result) = outcome(&visit);
    assert_eq!((state, &result["completeTime"]), (TaskState::Done, &json!("1970-01-01T00:00:06.000Z")));
    assert_eq!(scenario.stored("Uploads.1.LastFileName"), Some("log".into()));
    assert!(visit.change.events.iter().any(|event| event.kind == "transfer.completed"));
}

#[test]
fn what_a_device_refuses_for_good_is_not_tried_again_by_a_task() {
    let upload = json!({"name": "upload", "fileType": "2 Vendor Log File", "fileName": "log"});
    let cases = [
        ("9000", false),
        ("9002", true),
        ("9003", false),
        ("9004", true),
        ("9007", false),
        ("9011", true),
        ("9013", false),
        ("9020", true),
        ("9032", false),
        ("9800", true),
    ];
    for (code, is_retried) in cases {
        let mut scenario = task_scenario(upload.clone());
        scenario.device.behaviour.faults.push(("Upload".into(), String::new(), code.into()));
        assert_eq!(outcome(&scenario.periodic()).0, TaskState::Faulted);
        assert_eq!(scenario.fault().retry_at.is_some(), is_retried, "{code} in the answer");

        let mut scenario = task_scenario(upload.clone());
        scenario.world.settings.retry.delay = 10_000_000;
        scenario.periodic();
        let report = transfer_complete(&scenario, Some(fault(code)));
        scenario.world.reports.push(report);
        assert_eq!(outcome(&scenario.periodic()).0, TaskState::Faulted);
        assert_eq!(scenario.fault().retry_at.is_some(), is_retried, "{code} in the report");
        let text = fault_text(code).unwrap_or_default();
        assert!(scenario.fault().fault.message.contains(text), "{}", scenario.fault().fault.message);
    }
}

#[test]
fn scripts_declare_entries_of_every_kind() {
    let cases = [
        (
            r#"declare("Uploads.[FileType:1 Vendor Configuration File,FileName:a.cfg]", #{path: 1}, #{path: now()});"#,
            "Upload 1 Vendor Configuration File http://files.example/a.cfg",
            "Uploads.1.Upload",
        ),
        (
            r#"
            let entry = "ScheduledDownloads.[FileType:1 Firmware Upgrade Image,FileName:fw.bin]";
            declare(entry, #{path: 1}, #{path: 1});
            declare(entry + ".TimeWindow.1.WindowStart", (), #{value: 3600});
            declare(entry + ".TimeWindow.1.WindowEnd", (), #{value: 7200});
            declare(entry + ".ScheduleDownload", (), #{value: now()});
            "#,
            "ScheduleDownload 1 Firmware Upgrade Image http://files.example/fw.bin 3600-7200",
            "ScheduledDownloads.1.ScheduleDownload",
        ),
        (
            r#"
            let first = "DUStateChanges.[Operation:Install,URL:\"http://h/a\"]";
            let second = "DUStateChanges.[Operation:Install,URL:\"http://h/b\"]";
            for entry in [first, second] {
                declare(entry, #{path: 1}, #{path: now()});
            }
            "#,
            "ChangeDUState Install http://h/a Install http://h/b",
            "DUStateChanges.2.ChangeDUState",
        ),
        (r#"declare("ScheduleInform", (), #{value: now() + 90500});"#, "ScheduleInform 91", "ScheduleInform"),
    ];
    for (script, request, trigger) in cases {
        let mut scenario = Scenario::router().script(script);
        let visit = scenario.periodic();
        assert_eq!(visit.requests, [request], "{:?}", scenario.world.snapshot.faults);
        assert!(scenario.stored(trigger).is_some(), "{trigger}");
        assert_eq!(scenario.world.snapshot.operations.len(), 1);
    }
    let mut past = Scenario::router().script(r#"declare("ScheduleInform", (), #{value: now()});"#);
    assert!(past.periodic().requests.is_empty(), "a delay of 0 would be fault 9003");
}

#[test]
fn arguments_that_no_device_takes_are_not_sent() {
    let cases = [
        (r#"declare("Downloads.[FileType:firmware,FileName:fw.bin]", #{path: 1}, #{path: now()});"#, "FileType"),
        (
            r#"
            let entry = "ScheduledDownloads.[FileType:2 Web Content,FileName:f]";
            declare(entry, #{path: 1}, #{path: now()});
            "#,
            "time windows",
        ),
        (r#"declare("DUStateChanges.[Operation:Uninstall]", #{path: 1}, #{path: now()});"#, "UUID"),
    ];
    for (script, what) in cases {
        let mut scenario = Scenario::router().script(script);
        assert!(scenario.periodic().requests.is_empty(), "{what}");
        assert_eq!(scenario.fault().fault.code, "invalid_arguments");
        assert!(scenario.fault().fault.message.contains(what), "{}", scenario.fault().fault.message);
    }
}

#[test]
fn of_several_deployment_units_only_those_that_failed_are_tried_again() {
    let install = |url: &str| json!({"operation": "Install", "url": url});
    let operations = [install("http://h/a"), install("http://h/b"), install("http://h/c")];
    let mut scenario = task_scenario(json!({"name": "changeDUState", "operations": operations}));
    scenario.periodic();
    let report = results(&scenario, &["0", "9015", "9017"]);
    scenario.world.reports.push(report);
    let visit = scenario.session(&["11 DU STATE CHANGE COMPLETE", "M ChangeDUState"]);
    let faulted = visit.change.tasks.iter().find(|change| change.state == TaskState::Faulted).unwrap();
    assert!(faulted.reason.contains("http://h/b: 9015") && faulted.reason.contains("http://h/c: 9017"), "{faulted:?}");
    let result = faulted.result.as_ref().unwrap();
    assert_eq!(result["results"][1]["fault"]["faultString"], fault_text("9015").unwrap());
    // The fault carries the time of the request: its retry is due at once.
    assert_eq!(visit.requests, ["ChangeDUState Install http://h/b Install http://h/c"]);
    assert_eq!(scenario.stored("DUStateChanges.1.CurrentState"), Some("Installed".into()));
    assert_eq!(scenario.stored("DUStateChanges.2.FaultCode"), Some("9015".into()));
    let report = results(&scenario, &["0", "0"]);
    scenario.world.reports.push(report);
    assert_eq!(outcome(&scenario.periodic()).0, TaskState::Done);
    scenario.expect_no_fault();
}

#[test]
fn a_change_of_deployment_units_has_a_day_and_a_report_that_lacks_results_is_no_success() {
    let document = json!({"name": "changeDUState", "operations": [{"operation": "Uninstall", "uuid": UUID}]});
    let mut scenario = task_scenario(document.clone());
    scenario.periodic();
    scenario.world.clock += 80_000_000;
    assert!(scenario.periodic().change.tasks.is_empty());
    scenario.world.clock += 6_400_000;
    let (state, reason, _) = outcome(&scenario.periodic());
    assert_eq!(state, TaskState::Faulted);
    assert!(reason.contains("no DUStateChangeComplete came"), "{reason}");

    let mut scenario = task_scenario(document);
    scenario.world.settings.retry.delay = 10_000_000;
    scenario.periodic();
    let report = results(&scenario, &[]);
    scenario.world.reports.push(report);
    assert_eq!(outcome(&scenario.periodic()).0, TaskState::Faulted);
    assert_eq!(scenario.fault().fault.code, "invalid_response");
}

#[test]
fn restarts_are_confirmed_by_events() {
    let cases: [(Json, &[&str], Option<&str>, &str); 5] = [
        (json!({"name": "reboot"}), &["1 BOOT"], Some("M Reboot"), "1 BOOT, M Reboot"),
        (json!({"name": "reboot"}), &["1 BOOT"], None, "without its M Reboot"),
        (json!({"name": "factoryReset"}), &["0 BOOTSTRAP", "1 BOOT"], None, "0 BOOTSTRAP"),
        (
            json!({"name": "scheduleInform", "delaySeconds": 60}),
            &["3 SCHEDULED"],
            Some("M ScheduleInform"),
            "as scheduled",
        ),
        (json!({"name": "reboot"}), &["2 PERIODIC"], Some("M Reboot"), "M Reboot"),
    ];
    for (document, events, with_key, reason) in cases {
        let mut scenario = task_scenario(document.clone());
        scenario.periodic();
        if let Some(code) = with_key {
            let key = key(&scenario);
            scenario.world.event_keys.insert(code.into(), key);
        }
        scenario.world.clock -= 2_999_000;
        let visit = scenario.session(events);
        let (state, told, _) = outcome(&visit);
        assert_eq!(state, TaskState::Done, "{document} {events:?}");
        assert!(told.contains(reason), "{told}");
        assert!(visit.requests.is_empty() && scenario.world.snapshot.operations.is_empty());
    }
}

#[test]
fn a_restart_that_nothing_confirms_is_unknown_and_never_repeated() {
    for document in [json!({"name": "reboot"}), json!({"name": "scheduleInform", "delaySeconds": 60})] {
        let mut scenario = task_scenario(document);
        scenario.periodic();
        scenario.world.clock -= 2_999_000;
        assert!(scenario.periodic().change.tasks.is_empty(), "there is time yet");
        let visit = scenario.periodic();
        let (state, reason, _) = outcome(&visit);
        assert_eq!(state, TaskState::Unknown);
        assert!(reason.contains("did not come in time"), "{reason}");
        assert!(visit.requests.is_empty());
        scenario.expect_no_fault();
    }
}

#[test]
fn a_reboot_in_a_session_that_breaks_off_is_not_sent_again() {
    let configuration = Snapshot::build(&Scenario::router().documents, None, &Limits::default()).0;
    for how in ["gone", "unanswered"] {
        let mut scenario = task_scenario(json!({"name": "reboot"}));
        let inform = scenario.device.inform(&["2 PERIODIC"]);
        let world = &mut scenario.world;
        let mut session = Session::open(world.snapshot.clone(), &inform, world.clock, world.settings.clone());
        let Output::Request { request, .. } = session.step(Input::Ready, &configuration) else { panic!("no request") };
        assert_eq!(request, AcsRequest::Reboot { command_key: TASK.into() }, "known by its task");
        let reason = "silence".to_owned();
        let broken = if how == "gone" { Input::Gone { reason } } else { Input::Unanswered { reason } };
        assert_eq!(session.step(broken, &configuration), Output::Finished, "{how}");
        let change = session.change();
        assert_eq!(change.tasks.last().map(|task| task.state), Some(TaskState::Accepted), "{how}");
        world.store(&change);
        world.clock += 1_000;
        scenario.expect_no_fault();
        assert!(scenario.session(&["2 PERIODIC"]).requests.is_empty(), "{how}");
    }
}

#[test]
fn a_reboot_of_which_the_server_lost_the_session_is_known_by_its_key() {
    let mut scenario = task_scenario(json!({"name": "reboot"}));
    scenario.world.event_keys.insert("M Reboot".into(), TASK.into());
    let visit = scenario.session(&["1 BOOT"]);
    assert!(visit.requests.is_empty(), "{:?}", visit.requests);
    assert_eq!(outcome(&visit).0, TaskState::Done);
}

#[test]
fn a_report_may_come_before_the_answer() {
    let configuration = Snapshot::build(&Scenario::router().documents, None, &Limits::default()).0;
    let mut scenario = task_scenario(json!({"name": "download", "fileType": "2 Web Content", "fileName": "page"}));
    let inform = scenario.device.inform(&["2 PERIODIC"]);
    let world = &scenario.world;
    let mut session = Session::open(world.snapshot.clone(), &inform, world.clock, world.settings.clone());
    let Output::Request { request: AcsRequest::Download(download), .. } = session.step(Input::Ready, &configuration)
    else {
        panic!("no Download")
    };
    let report = TransferComplete { command_key: download.command_key, fault: None, start_time: 1, complete_time: 2 };
    assert_eq!(session.step(Input::TransferComplete(report), &configuration), Output::Acknowledged);
    let response = CpeResponse::DownloadResponse { status: 1, start_time: UNKNOWN_TIME, complete_time: UNKNOWN_TIME };
    assert_eq!(session.step(Input::Response(response), &configuration), Output::Finished);
    let change = session.change();
    assert_eq!(change.tasks.last().map(|task| task.state), Some(TaskState::Done));
    assert!(change.operations.iter().all(|(_, operation)| operation.is_none()));
    scenario.world.store(&change);
    assert_eq!(scenario.stored("Downloads.1.CompleteTime"), Some(Value::Int(2)));
}

#[test]
fn an_rpc_that_the_version_lacks_is_sent_only_when_the_device_lists_it() {
    let schedule = json!({"name": "scheduleDownload", "fileType": "2 Web Content", "fileName": "f",
        "timeWindows": [{"windowStart": 0, "windowEnd": 60}]});
    type Case<'a> = (CwmpVersion, &'a Json, &'a [&'a str], &'a [&'a str], TaskState);
    let cases: [Case<'_>; 4] = [
        (CwmpVersion::V1_2, &schedule, &[], &["ScheduleDownload"], TaskState::Accepted),
        (CwmpVersion::V1_1, &schedule, &["Download"], &["GetRPCMethods"], TaskState::Faulted),
        (
            CwmpVersion::V1_0,
            &schedule,
            &["ScheduleDownload"],
            &["GetRPCMethods", "ScheduleDownload"],
            TaskState::Accepted,
        ),
        (
            CwmpVersion::V1_0,
            &json!({"name": "getQueuedTransfers"}),
            &[],
            &["GetRPCMethods", "GetQueuedTransfers"],
            TaskState::Done,
        ),
    ];
    for (version, document, methods, requests, state) in cases {
        let mut scenario = task_scenario(document.clone());
        scenario.world.settings.cwmp_version = version;
        scenario.device.behaviour.methods = methods.iter().map(ToString::to_string).collect();
        let visit = scenario.periodic();
        let names: Vec<&str> = visit.requests.iter().filter_map(|request| request.split(' ').next()).collect();
        assert_eq!(names, requests, "{version:?}");
        let (found, reason, _) = outcome(&visit);
        assert_eq!(found, state, "{reason}");
        if state == TaskState::Faulted {
            assert!(reason.contains("CWMP 1.2") && reason.contains("speaks 1.1"), "{reason}");
            assert_eq!(scenario.fault().fault.code, "unsupported_rpc");
            // What the device said is remembered.
            scenario.world.clock += 100_000_000;
            assert!(only(&scenario.periodic(), "GetRPCMethods").is_empty());
        }
    }
}

#[test]
fn old_devices_get_notifications_that_they_know() {
    for (version, wanted, sent) in
        [(CwmpVersion::V1_4, 5, 5), (CwmpVersion::V1_2, 5, 2), (CwmpVersion::V1_2, 3, 1), (CwmpVersion::V1_0, 2, 2)]
    {
        let script = format!(r#"declare("Device.WiFi.SSID.1.SSID", (), #{{notification: {wanted}}});"#);
        let mut scenario = Scenario::router().script(&script).known();
        scenario.world.settings.cwmp_version = version;
        let visit = scenario.periodic();
        assert_eq!(only(&visit, "SPA"), [format!("SPA Device.WiFi.SSID.1.SSID n{sent}")], "{version:?} {wanted}");
        assert!(scenario.periodic().requests.is_empty());
    }
}

#[test]
fn a_device_that_asks_for_a_file_gets_it_in_the_same_session() {
    let script = r#"
        let name = declare("RequestDownload.FileTypeArg.1.Value", #{value: 1}).value[0];
        declare(`Downloads.[FileType:1 Firmware Upgrade Image,FileName:fw-${name}.bin]`, #{path: 1}, #{path: now()});
    "#;
    let mut scenario = Scenario::router().preset("asked", json!({"events": {"RequestDownload": true}}), script);
    assert!(scenario.periodic().requests.is_empty());
    scenario.world.reports.push(Input::RequestDownload(RequestDownload {
        file_type: "1 Firmware Upgrade Image".into(),
        file_type_arg: vec![("Version".into(), "2".into())],
    }));
    let visit = scenario.session(&["9 REQUEST DOWNLOAD"]);
    assert_eq!(visit.requests, ["Download 1 Firmware Upgrade Image http://files.example/fw-2.bin"]);
    assert_eq!(scenario.stored("RequestDownload.FileType"), Some("1 Firmware Upgrade Image".into()));
    let asked = visit.change.events.iter().find(|event| event.kind == "download.requested").unwrap();
    assert_eq!(asked.detail["fileTypeArg"][0]["value"], "2");
    assert!(scenario.periodic().requests.is_empty(), "asked once");
}

#[test]
fn what_nobody_asked_for_is_kept_as_events() {
    let transfer = AutonomousTransferComplete {
        announce_url: "a".into(),
        transfer_url: "t".into(),
        is_download: false,
        file_type: "2 Vendor Log File".into(),
        file_size: 9,
        target_file_name: String::new(),
        fault: Some(fault("9011")),
        start_time: 5_000,
        complete_time: 6_000,
    };
    let units = AutonomousDUStateChangeComplete {
        results: vec![OperationResult {
            uuid: UUID.into(),
            operation_performed: Some("Uninstall".into()),
            ..OperationResult::default()
        }],
    };
    let mut scenario = Scenario::router();
    scenario.world.reports = vec![
        Input::AutonomousTransferComplete(transfer),
        Input::AutonomousDUStateChangeComplete(units),
        Input::Kicked(Kicked { command: "c".into(), ..Kicked::default() }),
    ];
    let visit = scenario.session(&["10 AUTONOMOUS TRANSFER COMPLETE"]);
    let detail = |kind: &str| visit.change.events.iter().find(|event| event.kind == kind).unwrap().detail.clone();
    let transfer = detail("transfer.autonomous");
    assert_eq!((&transfer["isDownload"], &transfer["transferURL"]), (&json!(false), &json!("t")));
    assert_eq!(transfer["fault"]["faultString"], "Upload failure");
    assert_eq!(detail("deploymentUnits.autonomous")["results"][0]["operationPerformed"], "Uninstall");
    assert_eq!(detail("device.kicked")["command"], "c");
    assert_eq!(visit.log.len(), 3, "{:?}", visit.log);
}

#[test]
fn a_cancelled_transfer_ends_its_task() {
    let mut scenario = task_scenario(json!({"name": "download", "fileType": "2 Web Content", "fileName": "page"}));
    scenario.periodic();
    let command_key = key(&scenario);
    scenario.task("fedcba987654321001234567", json!({"name": "cancelTransfer", "commandKey": command_key}));
    let visit = scenario.periodic();
    let states: Vec<_> = visit.change.tasks.iter().map(|change| (change.id.as_str(), change.state)).collect();
    assert_eq!(states, [(TASK, TaskState::Cancelled), ("fedcba987654321001234567", TaskState::Done)]);
    assert!(scenario.world.snapshot.operations.is_empty());
}

#[test]
fn keys_of_transfers_are_unique() {
    let script = r#"
        for number in 0..20 {
            declare(`Downloads.[FileType:2 Web Content,FileName:f${number}]`, #{path: 1}, #{path: now()});
        }
    "#;
    let mut scenario = Scenario::router().script(script);
    let visit = scenario.periodic();
    assert_eq!(only(&visit, "Download").len(), 20);
    let operations = &scenario.world.snapshot.operations;
    assert_eq!(operations.len(), 20, "one per key");
    assert!(operations.iter().all(|operation| operation.kind == OperationKind::Download));
    assert!(operations.iter().all(|operation| operation.command_key.len() <= 32));
}

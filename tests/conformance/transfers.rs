//! File transfers: rows F.

use lodestar::file_urls;
use serde_json::{Value as Json, json};
use ui_api::{Direction, Grant, content_mark};

use crate::kit::{Answer, Connection, Device, Inform, Server, Setup};
use crate::test_store;

const FIRMWARE: &str = "1 Firmware Upgrade Image";
const CWMP_1_2: &str = "urn:dslforum-org:cwmp-1-2";

fn known(server: &Server, serial_number: &str) -> Device {
    let mut device = server.device(serial_number);
    device.register();
    device
}

fn download(server: &Server, device: &Device) -> String {
    let url = "http://files.example/fw.bin";
    server.task(&device.id(), json!({"name": "download", "fileType": FIRMWARE, "fileName": url}))
}

fn response(status: u32) -> String {
    let (start, complete) = match status {
        0 => ("2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"),
        _ => ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    };
    format!(
        "<cwmp:DownloadResponse><Status>{status}</Status><StartTime>{start}</StartTime>\
         <CompleteTime>{complete}</CompleteTime></cwmp:DownloadResponse>"
    )
}

fn complete(key: &str, code: &str) -> String {
    format!(
        "<cwmp:TransferComplete><CommandKey>{key}</CommandKey><FaultStruct><FaultCode>{code}</FaultCode><FaultString/>\
         </FaultStruct><StartTime>2026-01-01T00:00:00Z</StartTime><CompleteTime>2026-01-01T00:00:05Z</CompleteTime>\
         </cwmp:TransferComplete>"
    )
}

/// A download that the device has accepted: its task and its key.
fn accepted(server: &Server, device: &mut Device) -> (String, String) {
    let task = download(server, device);
    let request = device.begin().expect("Download");
    device.answer(&request, &response(1)).expect_end();
    (task, request.element("CommandKey").unwrap())
}

/// A session of a device of CWMP 1.2.
fn begin(device: &mut Device) -> Answer {
    device.send_inform(&Inform::of(&device.serial_number).namespace(CWMP_1_2)).expect("InformResponse");
    device.empty()
}

fn refused(server: &Server, device: &Device, task: Json) -> String {
    let answer = server.request("POST", &format!("/devices/{}/tasks", device.id()), &task.to_string());
    answer.expect_status(400).text().to_owned()
}

/// A request to the file server on a connection of its own.
fn ask(server: &Server, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n{headers}\r\n{body}");
    Connection::open(server.addresses().files).send(head)
}

/// A path that the server would have signed for a device.
fn signed(server: &Server, direction: Direction, file_name: &str, content: &str) -> String {
    let directory = server.data_dir();
    let signer =
        server.run(async { file_urls::signer(directory, &*test_store::look_at(directory).await).await.unwrap() });
    let grant = Grant {
        direction,
        device_id: "0A1B2C-Box-F7".to_owned(),
        command_key: file_name.to_owned(),
        expires_at: i64::MAX,
        content: content.to_owned(),
        file_name: file_name.to_owned(),
    };
    format!("/{}", signer.path(&grant))
}

#[test]
fn f1_status_0_is_done() {
    let server = Server::start();
    let mut device = known(&server, "F1");
    let task = download(&server, &device);
    let request = device.begin().expect("Download");
    device.answer(&request, &response(0)).expect_end();
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "done", "{stored}");
    assert_eq!(stored["result"]["completeTime"], "2026-01-01T00:00:05.000Z");
    assert_eq!(server.get("/operations"), json!([]));
}

#[test]
fn f2_status_1_waits_for_the_report_of_this_session_or_a_later_one() {
    let server = Server::start();
    let mut device = known(&server, "F2");
    let (task, key) = accepted(&server, &mut device);
    assert_eq!(server.task_state(&task), "accepted");
    device.inform(&["7 TRANSFER COMPLETE"], &[]).expect("InformResponse");
    device.call(&complete(&key, "0")).expect("TransferCompleteResponse");
    device.empty().expect_end();
    assert_eq!(server.task_state(&task), "done");

    // Within the session: the device reports when it has another request to answer.
    let mut device = known(&server, "F2b");
    let task = download(&server, &device);
    server.task(
        &device.id(),
        json!({"name": "getParameterValues", "parameterNames": ["Device.DeviceInfo.SoftwareVersion"]}),
    );
    let request = device.begin().expect("Download");
    let key = request.element("CommandKey").unwrap();
    assert_eq!(device.answer(&request, &response(1)).status, 200);
    device.call(&complete(&key, "0")).expect("TransferCompleteResponse");
    while device.empty().status == 200 {}
    assert_eq!(server.task_state(&task), "done");
}

#[test]
fn f3_every_report_is_answered_and_matched_when_it_can() {
    let server = Server::start();
    let mut device = known(&server, "F3");
    // Unknown.
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    device.call(&complete("unknown", "0")).expect("TransferCompleteResponse");
    device.empty().expect_end();
    // Failed, then once more the same; both without the event.
    let (task, key) = accepted(&server, &mut device);
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    device.call(&complete(&key, "9016")).expect("TransferCompleteResponse");
    device.call(&complete(&key, "9016")).expect("TransferCompleteResponse");
    device.empty().expect_end();
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "faulted", "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains("unable to access file"), "{stored}");
    // Before the answer to its request.
    let mut device = known(&server, "F3b");
    let task = download(&server, &device);
    let request = device.begin().expect("Download");
    let key = request.element("CommandKey").unwrap();
    device.call(&complete(&key, "0")).expect("TransferCompleteResponse");
    device.answer(&request, &response(1)).expect_end();
    assert_eq!(server.task_state(&task), "done");
}

#[test]
fn f4_a_transfer_of_which_nothing_is_heard_is_given_up() {
    let server = Setup::default().config("cwmp.downloadTimeout", "0").start();
    let mut device = known(&server, "F4");
    let (task, _) = accepted(&server, &mut device);
    while device.begin().status == 200 {}
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "faulted", "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains("no TransferComplete came"), "{stored}");
}

#[test]
fn f5_only_the_schemas_file_types_are_sent() {
    let server = Server::start();
    let device = known(&server, "F5");
    for (name, file_type, is_allowed) in [
        ("download", "1 Firmware Upgrade Image", true),
        ("download", "3 Vendor Configuration File", true),
        ("download", "X 0A1B2C Splash Screen", true),
        ("download", "firmware", false),
        ("download", "X 0a1b2c lower case", false),
        ("upload", "1 Vendor Configuration File", true),
        ("upload", "4 Vendor Log File 2", true),
        ("upload", "3 Vendor Configuration File", false),
        ("upload", "1 Firmware Upgrade Image", false),
    ] {
        let task = json!({"name": name, "fileType": file_type, "fileName": "f"});
        if is_allowed {
            server.task(&device.id(), task);
        } else {
            let why = refused(&server, &device, task);
            assert!(why.contains("FileType"), "{why}");
        }
    }
}

#[test]
fn f6_what_is_unknown_or_unused_is_empty_or_0() {
    let server = Server::start();
    let mut device = known(&server, "F6");
    let url = "http://me:secret@files.example/fw.bin";
    server.task(&device.id(), json!({"name": "download", "fileType": FIRMWARE, "fileName": url}));
    let request = device.begin().expect("Download");
    assert_eq!(request.element("URL").unwrap(), "http://files.example/fw.bin", "no user information");
    assert_eq!(
        (request.element("Username").unwrap(), request.element("Password").unwrap()),
        ("me".into(), "secret".into())
    );
    let request = device.fault(&request, "9010");
    request.expect_end();
    download(&server, &device);
    let request = device.begin().expect("Download");
    for name in ["Username", "Password", "TargetFileName", "SuccessURL", "FailureURL"] {
        assert_eq!(request.element(name).as_deref(), Some(""), "{name}");
    }
    assert_eq!(request.element("FileSize").as_deref(), Some("0"));
    device.fault(&request, "9010").expect_end();
}

#[test]
fn f7_files_are_served_in_parts_and_received_in_any_framing() {
    let server = Server::start();
    server.request("PUT", "/files/fw.bin", "0123456789").expect_status(201);
    let sha256 = server.get("/files/fw.bin")["sha256"].as_str().unwrap().to_owned();
    let fetch = signed(&server, Direction::Fetch, "fw.bin", content_mark(&sha256));
    let whole = ask(&server, "GET", &fetch, "", "").expect_status(200);
    assert_eq!((whole.text(), whole.header("Accept-Ranges")), ("0123456789", Some("bytes")));
    let part = ask(&server, "GET", &fetch, "Range: bytes=-4\r\n", "").expect_status(206);
    assert_eq!((part.text(), part.header("Content-Range")), ("6789", Some("bytes 6-9/10")));
    let mut connection = Connection::open(server.addresses().files);
    connection.write(format!("HEAD {fetch} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n\r\n"));
    let head = String::from_utf8(connection.closed()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    // Nobody else gets it: 403 becomes the device's fault 9012, 404 its 9016.
    ask(&server, "GET", &fetch.replace("Box-F7", "Box-F8"), "", "").expect_status(403);
    ask(&server, "GET", "/fw.bin", "", "").expect_status(404);

    let chunks = signed(&server, Direction::Send, "chunks.cfg", "");
    let chunked = "Transfer-Encoding: chunked\r\n";
    ask(&server, "PUT", &chunks, chunked, "5\r\nfirst\r\n7\r\n second\r\n0\r\n\r\n").expect_status(201);
    ask(&server, "PUT", &chunks, chunked, "5\r\nagain\r\n0\r\n\r\n").expect_status(403);
    let asked = signed(&server, Direction::Send, "asked.cfg", "");
    let mut connection = Connection::open(server.addresses().files);
    let head = format!("PUT {asked} HTTP/1.1\r\nHost: files\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    connection.send(head).expect_status(100);
    connection.send("asked").expect_status(201);
    let uploads = server.get("/uploads");
    assert_eq!(uploads.as_array().unwrap().len(), 2, "{uploads:#}");
    for upload in uploads.as_array().unwrap() {
        let id = upload["_id"].as_str().unwrap();
        let content = server.request("GET", &format!("/uploads/{id}/content"), "").expect_status(200);
        assert!(["first second", "asked"].contains(&content.text()), "{upload:#}");
    }
}

#[test]
fn f8_a_transfer_that_nobody_asked_for_is_answered_and_kept() {
    let server = Server::start();
    let mut device = known(&server, "F8");
    device.inform(&["10 AUTONOMOUS TRANSFER COMPLETE"], &[]).expect("InformResponse");
    let message = "<cwmp:AutonomousTransferComplete><AnnounceURL>http://a.example/</AnnounceURL>\
        <TransferURL>http://t.example/f</TransferURL><IsDownload>1</IsDownload><FileType>1 Firmware Upgrade Image</FileType>\
        <FileSize>77</FileSize><TargetFileName>f</TargetFileName><FaultStruct><FaultCode>9018</FaultCode><FaultString/>\
        </FaultStruct><StartTime>2026-01-01T00:00:00Z</StartTime><CompleteTime>2026-01-01T00:00:05Z</CompleteTime>\
        </cwmp:AutonomousTransferComplete>";
    device.call(message).expect("AutonomousTransferCompleteResponse");
    device.empty().expect_end();
    let kept = server.outbox("transfer.autonomous").pop().unwrap();
    let expected = json!({
        "announceURL": "http://a.example/", "transferURL": "http://t.example/f", "isDownload": true, "fileType": FIRMWARE,
        "fileSize": 77, "targetFileName": "f", "startTime": "2026-01-01T00:00:00.000Z",
        "completeTime": "2026-01-01T00:00:05.000Z",
        "fault": {"faultCode": "9018", "faultString": "File transfer failure: file corrupted or otherwise unusable"},
    });
    assert_eq!(kept, expected);
}

#[test]
fn f9_a_request_for_a_file_is_answered_at_once_and_a_preset_may_send_it() {
    let script = r#"
        let version = declare("RequestDownload.FileTypeArg.1.Value", #{value: 1}).value[0];
        let entry = `Downloads.[FileType:1 Firmware Upgrade Image,FileName:"http://files.example/${version}.bin"]`;
        declare(entry, #{path: 1}, #{path: now()});
    "#;
    let server = Setup::default().preset("asked", json!({"events": {"RequestDownload": true}}), script).start();
    let mut device = known(&server, "F9");
    device.inform(&["9 REQUEST DOWNLOAD"], &[]).expect("InformResponse");
    let message = "<cwmp:RequestDownload><FileType>1 Firmware Upgrade Image</FileType>\
        <FileTypeArg soap-enc:arrayType=\"cwmp:ArgStruct[1]\"><ArgStruct><Name>Version</Name><Value>2.0</Value></ArgStruct>\
        </FileTypeArg></cwmp:RequestDownload>";
    let answer = device.call(message).expect("RequestDownloadResponse");
    assert!(answer.text().contains("RequestDownloadResponse/>"), "empty: {}", answer.text());
    let request = device.empty().expect("Download");
    assert_eq!(request.element("URL").unwrap(), "http://files.example/2.0.bin");
    device.answer(&request, &response(0)).expect_end();
    device.begin().expect_end();
    assert_eq!(server.outbox("download.requested")[0]["fileTypeArg"], json!([{"name": "Version", "value": "2.0"}]));
}

#[test]
fn f10_the_transfers_that_a_device_has_queued_are_shown() {
    let server = Server::start();
    let mut device = known(&server, "F10");
    let list = |item: &str, rest: &str| {
        format!("<TransferList><{item}><CommandKey>k</CommandKey><State>2</State>{rest}</{item}></TransferList>")
    };
    let task = server.task(&device.id(), json!({"name": "getQueuedTransfers"}));
    let request = begin(&mut device).expect("GetAllQueuedTransfers");
    let rest = "<IsDownload>1</IsDownload><FileType>2 Web Content</FileType><FileSize>5</FileSize><TargetFileName/>";
    let response = list("AllQueuedTransferStruct", rest);
    device
        .answer(
            &request,
            &format!("<cwmp:GetAllQueuedTransfersResponse>{response}</cwmp:GetAllQueuedTransfersResponse>"),
        )
        .expect_end();
    let shown = server.stored_task(&task)["result"]["transfers"].clone();
    let expected = json!([{"commandKey": "k", "state": 2, "isDownload": true, "fileType": "2 Web Content", "fileSize": 5,
        "targetFileName": ""}]);
    assert_eq!(shown, expected);

    // A device of CWMP 1.0 has only the older list.
    let task = server.task(&device.id(), json!({"name": "getQueuedTransfers"}));
    let methods = device.begin().expect("GetRPCMethods");
    let request = device
        .answer(&methods, "<cwmp:GetRPCMethodsResponse><MethodList/></cwmp:GetRPCMethodsResponse>")
        .expect("GetQueuedTransfers");
    let response = list("QueuedTransferStruct", "");
    device
        .answer(&request, &format!("<cwmp:GetQueuedTransfersResponse>{response}</cwmp:GetQueuedTransfersResponse>"))
        .expect_end();
    assert_eq!(server.stored_task(&task)["result"], json!({"transfers": [{"commandKey": "k", "state": 2}]}));
}

#[test]
fn f11_scheduled_downloads_have_one_or_two_windows() {
    let server = Server::start();
    let mut device = known(&server, "F11");
    let task = |windows: Json| json!({"name": "scheduleDownload", "fileType": FIRMWARE, "fileName": "http://files.example/f", "timeWindows": windows});
    let window = |start: u32, end: u32| json!({"windowStart": start, "windowEnd": end, "windowMode": "3 When Idle"});
    for windows in [
        json!([]),
        json!([window(5, 5)]),
        json!([window(0, 10), window(9, 20)]),
        json!([window(0, 1), window(1, 2), window(2, 3)]),
        json!([{"windowStart": 0, "windowEnd": 1, "windowMode": "sometime"}]),
        json!([{"windowStart": 0, "windowEnd": 1, "maxRetries": -2}]),
    ] {
        refused(&server, &device, task(windows));
    }
    let id = server.task(&device.id(), task(json!([window(0, 60), window(3600, 7200)])));
    let request = begin(&mut device).expect("ScheduleDownload");
    assert_eq!(request.elements("WindowStart"), ["0", "3600"]);
    assert_eq!(request.elements("WindowMode"), ["3 When Idle", "3 When Idle"]);
    device.answer(&request, "<cwmp:ScheduleDownloadResponse/>").expect_end();
    assert_eq!(server.task_state(&id), "accepted");
    let key = request.element("CommandKey").unwrap();
    let inform = Inform::of("F11").events(&["7 TRANSFER COMPLETE"]).event("M ScheduleDownload", &key);
    device.send_inform(&inform.namespace(CWMP_1_2)).expect("InformResponse");
    device.call(&complete(&key, "9020")).expect("TransferCompleteResponse");
    device.empty();
    let stored = server.stored_task(&id);
    assert!(stored["reason"].as_str().unwrap().contains("within specified time windows"), "{stored}");
}

#[test]
fn f12_a_transfer_is_cancelled_by_its_key_and_a_refusal_shown() {
    let server = Server::start();
    let mut device = known(&server, "F12");
    let (transfer, key) = accepted(&server, &mut device);
    let refused = server.task(&device.id(), json!({"name": "cancelTransfer", "commandKey": key}));
    let request = begin(&mut device).expect("CancelTransfer");
    assert_eq!(request.element("CommandKey").unwrap(), key);
    device.fault(&request, "9021").expect_end();
    let stored = server.stored_task(&refused);
    assert_eq!((&stored["state"], server.task_state(&transfer)), (&json!("faulted"), "accepted".to_owned()));
    server.request("DELETE", &format!("/tasks/{refused}"), "").expect_status(200);

    let cancel = server.task(&device.id(), json!({"name": "cancelTransfer", "commandKey": key}));
    let request = begin(&mut device).expect("CancelTransfer");
    device.answer(&request, "<cwmp:CancelTransferResponse/>").expect_end();
    assert_eq!((server.task_state(&cancel), server.task_state(&transfer)), ("done".into(), "cancelled".into()));
    assert_eq!(server.get("/operations"), json!([]));
}

#[test]
fn f13_what_a_device_sends_is_kept_with_its_transfer_within_a_limit() {
    let server = Setup::default().config_file("[uploads]\nfile-bytes = 1000000\n").start();
    let mut device = server.simulated("F13", |_| {});
    server.session(&mut device, &["2 PERIODIC"]);
    let upload = json!({"name": "upload", "fileType": "1 Vendor Configuration File", "fileName": "backup.cfg"});
    let task = server.task(device.device_id(), upload);
    server.session(&mut device, &["2 PERIODIC"]);
    server.run(device.follow_ups());
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "done", "{stored}");
    let key = stored["result"]["commandKey"].as_str().unwrap();
    let content =
        server.request("GET", &format!("/uploads/{}:{key}/content", device.device_id()), "").expect_status(200);
    assert_eq!(content.body.len() as u64, device.files()[0].size);

    let small = Setup::default().config_file("[uploads]\nfile-bytes = 10\n").start();
    let mut device = small.simulated("F13", |_| {});
    small.session(&mut device, &["2 PERIODIC"]);
    let upload = json!({"name": "upload", "fileType": "1 Vendor Configuration File", "fileName": "backup.cfg"});
    let task = small.task(device.device_id(), upload);
    small.session(&mut device, &["2 PERIODIC"]);
    small.run(device.follow_ups());
    assert_eq!(small.task_state(&task), "faulted");
    assert_eq!(small.get("/uploads"), json!([]));
}

#[test]
fn f14_several_transfers_are_told_apart_by_their_keys() {
    let server = Server::start();
    let mut device = known(&server, "F14");
    let file = |number: u32| format!("http://files.example/{number}.bin");
    let task = |number| json!({"name": "download", "fileType": FIRMWARE, "fileName": file(number)});
    let tasks: Vec<String> = (0..3).map(|number| server.task(&device.id(), task(number))).collect();
    let mut request = device.begin();
    let mut keys = Vec::new();
    while request.status == 200 {
        keys.push(request.expect("Download").element("CommandKey").unwrap());
        let message = device.envelope(&format!("a{}", keys.len()), &response(1));
        request = device.post(&message);
    }
    let different: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert_eq!(different.len(), 3, "{keys:?}");
    device.inform(&["7 TRANSFER COMPLETE"], &[]).expect("InformResponse");
    device.call(&complete(&keys[1], "0")).expect("TransferCompleteResponse");
    device.empty().expect_end();
    let states: Vec<String> = tasks.iter().map(|task| server.task_state(task)).collect();
    assert_eq!(states, ["accepted", "done", "accepted"]);
}

#[test]
fn f15_a_report_after_a_restart_of_the_server_is_still_matched() {
    let mut server = Server::start();
    let mut device = known(&server, "F15");
    let (task, key) = accepted(&server, &mut device);
    server.restart();
    device.address = server.cwmp();
    device.reconnect();
    device.cookie = None;
    device.inform(&["7 TRANSFER COMPLETE"], &[]).expect("InformResponse");
    device.call(&complete(&key, "0")).expect("TransferCompleteResponse");
    device.empty().expect_end();
    assert_eq!(server.task_state(&task), "done");
}

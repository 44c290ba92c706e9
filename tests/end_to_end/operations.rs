//! What devices do after a session, end to end: files sent and fetched at a time, deployment units, restarts, and their own calls.

use serde_json::{Value as Json, json};

use crate::kit::Server;

const DEVICE: &str = "0A1B2C-SimCPE-E2E1";

fn queue(server: &Server, task: Json) -> String {
    let answer = server.request("POST", &format!("/devices/{DEVICE}/tasks"), &task.to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["_id"].as_str().unwrap().to_owned()
}

fn device(server: &Server, change: impl FnOnce(&mut sim::Options)) -> sim::Device {
    server.device("E2E1", |options| {
        options.cwmp_namespace = "urn:dslforum-org:cwmp-1-2".to_owned();
        options.reboot_milliseconds = 0;
        options.delay_limit_milliseconds = Some(0);
        change(options);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_does_what_tasks_ask_and_reports_it() {
    let server = Server::start();
    let headers = format!("X-API-Key: {}\r\nfileType: 3 Vendor Configuration File\r\n", crate::kit::KEY);
    assert_eq!(server.request_with("PUT", "/files/new.cfg", &headers, "configuration").status, 201);
    let mut device = device(&server, |_| {});
    assert!(device.session(["2 PERIODIC"]).await.completed());

    let upload =
        queue(&server, json!({"name": "upload", "fileType": "1 Vendor Configuration File", "fileName": "b.cfg"}));
    let schedule = queue(
        &server,
        json!({"name": "scheduleDownload", "fileType": "3 Vendor Configuration File", "fileName": "new.cfg",
            "timeWindows": [{"windowStart": 60, "windowEnd": 120}]}),
    );
    let units = queue(
        &server,
        json!({"name": "changeDUState", "operations": [{"operation": "Install", "url": "http://127.0.0.1:1/unit-1.0.pkg"}]}),
    );
    let inform = queue(&server, json!({"name": "scheduleInform", "delaySeconds": 60}));
    let vendor = queue(&server, json!({"name": "X_0A1B2C_Blink"}));
    let reboot = queue(&server, json!({"name": "reboot"}));
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(
        report.rpcs(),
        ["Upload", "ScheduleDownload", "ChangeDUState", "ScheduleInform", "X_0A1B2C_Blink", "Reboot"]
    );
    assert_eq!(report.violations, Vec::<String>::new());
    for task in [&upload, &schedule, &units, &inform, &reboot] {
        assert_eq!(server.get(&format!("/tasks/{task}"))["state"], "accepted");
    }
    let following = device.follow_ups().await;
    assert!(following.iter().all(|report| report.completed()), "{following:?}");

    let task = |id: &str| server.get(&format!("/tasks/{id}"));
    for id in [&upload, &schedule, &inform, &reboot] {
        assert_eq!(task(id)["state"], "done", "{:#}", task(id));
    }
    let key = task(&upload)["result"]["commandKey"].as_str().unwrap().to_owned();
    let sent = server.request("GET", &format!("/uploads/{DEVICE}:{key}/content"), "");
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(sent.body.len() as u64, device.files().iter().find(|file| file.upload).unwrap().size);
    assert!(device.files().iter().any(|file| !file.upload && file.size == "configuration".len() as u64));
    let units = task(&units);
    assert_eq!(
        (&units["state"], &units["result"]["results"][0]["fault"]["faultCode"]),
        (&json!("faulted"), &json!("9015"))
    );
    assert_eq!(task(&vendor)["state"], "faulted");
    assert!(task(&vendor)["reason"].as_str().unwrap().contains("Method not supported"));
    assert_eq!(server.get("/operations"), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_asks_for_a_file_is_sent_it() {
    let server = Server::start();
    let headers = format!("X-API-Key: {}\r\n", crate::kit::KEY);
    assert_eq!(server.request_with("PUT", "/files/web-2.0.bin", &headers, "pages").status, 201);
    let script = r#"
        let wanted = declare("RequestDownload.FileType", #{value: 1}).value[0];
        declare(`Downloads.[FileType:${wanted},FileName:web-2.0.bin]`, #{path: 1}, #{path: now()});
    "#;
    server.preset("asked", json!({"events": {"RequestDownload": true}}), script);
    let mut device = device(&server, |options| {
        options.calls = vec![
            sim::cpe::OwnCall::RequestDownload { file_type: "2 Web Content".to_owned(), arguments: vec![] },
            sim::cpe::OwnCall::Kicked {
                command: "c".to_owned(),
                referer: "r".to_owned(),
                arg: "a".to_owned(),
                next: "n".to_owned(),
            },
        ];
    });
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{report:?}");
    assert_eq!(report.own_calls, ["RequestDownload"]);
    assert_eq!(report.refused_calls, [("Kicked".to_owned(), 8000)], "not offered");
    assert_eq!(report.rpcs(), ["Download"]);
    device.follow_ups().await;
    assert_eq!(device.files().len(), 1);
    assert_eq!(server.get("/faults"), json!([]));
}

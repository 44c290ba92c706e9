//! Devices that lie, flood or never end: each is answered, and nobody else notices.

use std::time::Duration;

use acs_core::operation::Operation;
use cwmp::{EndpointLimits, SessionOptions};
use store::Store;
use tokio::io::AsyncWriteExt;

use super::kit::*;

#[tokio::test]
async fn a_transfer_that_is_reported_by_another_device_is_not_ended_by_it() {
    let server = Server::start(Scripts::none()).await;
    let mut owner = server.device("owner").await;
    assert_eq!(owner.begin().await.status, 204);
    let operation = Operation {
        command_key: "key".into(),
        timestamp: 1,
        instances: vec!["1".into()],
        file_type: "1 Firmware Upgrade Image".into(),
        file_name: "firmware.bin".into(),
        target_file_name: String::new(),
        channels: Default::default(),
        retries: Default::default(),
        ..Operation::default()
    };
    let mut change = acs_core::change::SessionChange {
        head: server.stored(&owner).await.device.unwrap().head,
        ..Default::default()
    };
    change.operations = vec![("key".into(), Some(operation))];
    server.store.commit_session(change).await.unwrap();

    let mut forger = server.device("forger").await;
    assert_eq!(forger.inform().await.rpc(), "InformResponse");
    for key in ["key", "unknown", "", &"k".repeat(100_000)] {
        let forged = transfer_complete().replace("unknown", key);
        assert_eq!(forger.post(&forged).await.rpc(), "TransferCompleteResponse", "a device could not go on otherwise");
    }
    assert_eq!(forger.post("").await.status, 204);
    assert_eq!(server.stored(&owner).await.operations.len(), 1, "the owner's transfer is still under way");
    assert!(server.stored(&forger).await.operations.is_empty());
    assert!(server.faults(&forger).await.is_empty());
}

#[tokio::test]
async fn messages_out_of_order_end_their_session_and_no_other() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut good = server.device("good").await;
    let request = good.begin().await;
    let response = envelope("1", "<cwmp:RebootResponse/>");
    // Each is said after the Inform, where only calls and the empty POST have a place, or after the end.
    for (name, messages) in [
        ("an answer before any request", vec![response.as_str()]),
        ("a fault before any request", vec![&fault("1", "9001")]),
        ("an answer after the end", vec!["", &response, &response]),
        ("a call after the end", vec!["", &response, &transfer_complete()]),
    ] {
        let mut device = server.device("bad").await;
        assert_eq!(device.inform().await.rpc(), "InformResponse");
        let mut last = 200;
        for message in messages {
            last = device.post(message).await.status;
        }
        assert_eq!(last, 400, "{name}");
        assert!(!server.endpoint.is_in_session(&device.id()), "{name}");
    }
    assert_eq!(good.respond(&request).await.status, 204);
}

#[tokio::test]
async fn an_inform_of_events_without_end_is_cut_to_those_of_the_standard() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let many: String = (0..10_000)
        .map(|index| format!("<EventStruct><EventCode>X {index}</EventCode><CommandKey/></EventStruct>"))
        .collect();
    let long = format!("<EventStruct><EventCode>{}</EventCode><CommandKey/></EventStruct>", "x".repeat(100_000));
    let inform = inform("1")
        .replace("<EventStruct><EventCode>2 PERIODIC", &format!("{long}{many}<EventStruct><EventCode>2 PERIODIC"));
    assert_eq!(device.post(&inform).await.rpc(), "InformResponse");
    assert_eq!(device.post("").await.status, 204);
    let events = server.stored(&device).await.device.unwrap().head.events;
    assert_eq!(events.len(), cwmp::soap::MAX_EVENTS);
    assert!(events.iter().all(|code| code.len() < 10));
}

#[tokio::test]
async fn an_identity_of_any_length_is_fault_8003() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let answer = device.post(&inform(&"9".repeat(100_000))).await;
    assert_eq!((answer.status, answer.fault_code()), (200, Some("8003")));
    assert!(answer.text().len() < 2_000, "it is not repeated");
    assert!(answer.text().contains("SerialNumber"));
}

#[tokio::test]
async fn long_texts_are_not_repeated() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let long = "x".repeat(1_000_000);
    // The ID is given back, the method is named.
    let call = format!("<cwmp:{}/>", &long[..4_000]);
    assert_eq!(device.inform().await.rpc(), "InformResponse");
    let answer = device.post(&envelope(&long, &call)).await;
    assert!(answer.body.len() < 10_000, "{} bytes", answer.body.len());
    let request = device.post("").await;
    let told = fault(request.cwmp_id(), "9001").replace("<FaultString>no", &format!("<FaultString>{long}"));
    assert_eq!(device.post(&told).await.status, 204);
    let faults = server.stored(&device).await.faults;
    assert_eq!(faults.len(), 1);
    assert!(faults[0].fault.message.len() < 10_000, "{} bytes", faults[0].fault.message.len());
}

#[tokio::test]
async fn two_hundred_slow_devices_disturb_nobody() {
    let limits = EndpointLimits { header_time: Duration::from_secs(5), ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none().with("reboot", reboot), limits).await;
    let mut slow = Vec::new();
    for index in 0..200 {
        let mut device = server.device("slow").await;
        let whole = format!("POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(500));
        // Some in the middle of the head, some in the middle of the body.
        let length = if index % 2 == 0 { 20 } else { 300 };
        device.stream.write_all(&whole.as_bytes()[..length]).await.unwrap();
        slow.push(device);
    }
    for number in 0..10 {
        let mut good = server.device(&number.to_string()).await;
        let request = good.begin().await;
        assert_eq!(good.respond(&request).await.status, 204);
    }
    assert_eq!(server.endpoint.statistics().sessions_finished.load(std::sync::atomic::Ordering::Relaxed), 10);
}

#[tokio::test]
async fn with_its_threads_promised_away_the_server_refuses_before_it_makes_anything() {
    let limits = EndpointLimits { max_promised_time: Duration::from_micros(1), ..EndpointLimits::default() };
    // The first session stays in its beginning, with all its work still owed to it, until the gate opens.
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let waiting = std::sync::Mutex::new(Some((begun, opened)));
    let scripts = Scripts::none().options(move |_| {
        if let Some((begun, opened)) = waiting.lock().unwrap().take() {
            begun.send(()).unwrap();
            opened.recv().unwrap();
        }
        SessionOptions::default()
    });
    let server = Server::start_with(scripts, limits).await;
    let mut running = server.device("running").await;
    let mut refused = server.device("refused").await;
    let meanwhile = async {
        has_begun.await.unwrap();
        let status = server.endpoint.status();
        assert!(status.is_full && status.load.promised_milliseconds > 0.0, "{status:?}");
        let answer = refused.inform().await;
        assert_eq!((answer.status, answer.closes()), (503, true));
        let seconds: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
        assert!((10..=15).contains(&seconds), "{seconds}");
        assert!(answer.cookie().is_none() && !server.endpoint.is_in_session(&refused.id()));
        assert!(server.stored(&refused).await.device.is_none(), "nothing is stored");
        gate.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(running.inform(), meanwhile);

    // The one that runs is served to its end.
    assert_eq!(answer.rpc(), "InformResponse");
    assert_eq!(running.post("").await.status, 204);
    let status = server.endpoint.status();
    assert!(!status.is_full && status.load.promised_milliseconds == 0.0, "{status:?}");
    refused.reconnect().await;
    assert_eq!(refused.inform().await.rpc(), "InformResponse");
}

#[tokio::test]
async fn the_status_is_a_document() {
    let server = Server::start(Scripts::none()).await;
    assert_eq!(server.device("1").await.begin().await.status, 204);
    let document = serde_json::to_value(server.endpoint.status()).unwrap();
    assert_eq!((&document["sessionsFinished"], &document["isFull"]), (&1.into(), &false.into()));
    assert_eq!(document["load"]["threads"], 2);
    assert!(document["load"]["bootMilliseconds"].as_f64().unwrap() > 0.0, "{document}");
}

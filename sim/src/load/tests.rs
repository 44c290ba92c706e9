//! The load generator against the miniature ACS.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::*;
use crate::testing::{MiniAcs, get_names, get_values, http};

fn options(acs: &MiniAcs) -> LoadOptions {
    LoadOptions {
        url: acs.url.clone(),
        connections: 1,
        sessions: Some(6),
        devices: 3,
        parameters: 80,
        ..LoadOptions::default()
    }
}

/// Runs and collects serial number, sequence and whether acknowledged of each session.
async fn collected(options: LoadOptions) -> (LoadReport, Vec<(String, u64, bool)>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let report = run(options, CancellationToken::new(), move |outcome| {
        let serial_number = outcome.serial_number.to_owned();
        sink.lock().push((serial_number, outcome.sequence, outcome.acknowledged()));
    })
    .await
    .unwrap();
    let seen = seen.lock().clone();
    (report, seen)
}

#[tokio::test]
async fn quiet_sessions_are_inform_and_empty_post_on_one_connection() {
    let acs = MiniAcs::start(&[]).await;
    let (report, outcomes) = collected(LoadOptions { stamp: true, ..options(&acs) }).await;
    assert_eq!((report.acknowledged, report.failed, report.answered), (6, 0, 0), "{:?}", report.errors);
    let expected: Vec<_> = (1..=6).map(|n| (format!("LOAD{:08}", (n - 1) % 3 + 1), n, true)).collect();
    assert_eq!(outcomes, expected);
    assert_eq!(acs.names(), ["Inform", "empty"].repeat(6));
    for (pair, (serial, sequence, _)) in acs.seen().chunks(2).zip(&outcomes) {
        assert_eq!(pair[0].rpc().child("DeviceId").unwrap().child_text("SerialNumber"), Some(serial.as_str()));
        assert!(pair[0].body.contains(&format!("<Value xsi:type=\"xsd:string\">{sequence:010}</Value>")));
        assert!(pair[0].body.contains(&format!("http://192.0.2.1:7548/{serial}")));
        assert_eq!(pair[0].head.header("Cookie"), None, "a session's cookie ends with it");
        assert!(pair[1].head.header("Cookie").unwrap().starts_with("session="));
    }
}

#[tokio::test]
async fn several_connections_share_the_devices_out() {
    let acs = MiniAcs::start(&[]).await;
    let wide = LoadOptions { connections: 8, devices: 5, sessions: Some(40), ..options(&acs) };
    let (report, outcomes) = collected(wide).await;
    assert_eq!(report.acknowledged, 40, "{:?}", report.errors);
    let sequences: BTreeSet<u64> = outcomes.iter().map(|(_, sequence, _)| *sequence).collect();
    assert_eq!(sequences, (1..=40).collect());
    assert!(outcomes.iter().all(|(serial, _, _)| ("LOAD00000001".."LOAD00000006").contains(&serial.as_str())));
}

#[tokio::test]
async fn read_sessions_answer_what_is_asked() {
    let rpcs = [get_names("InternetGatewayDevice.", false), get_values(&["InternetGatewayDevice.DeviceInfo."])];
    let session: &[&str] = &[&rpcs[0], &rpcs[1]];
    let acs = MiniAcs::start(&[session; 6]).await;
    let (report, _) = collected(LoadOptions { kind: LoadKind::Read, ..options(&acs) }).await;
    assert_eq!((report.acknowledged, report.answered), (6, 12), "{:?}", report.errors);
    let session = ["Inform", "empty", "GetParameterNamesResponse", "GetParameterValuesResponse"];
    assert_eq!(acs.names(), session.repeat(6));
    let last = acs.seen().pop().unwrap();
    assert!(last.body.contains(">LOAD00000003</Value>"), "{}", last.body);
    assert!(last.body.contains(">acs-12</cwmp:ID>"));
}

#[tokio::test]
async fn what_goes_wrong_is_counted_and_not_acknowledged() {
    let acs = MiniAcs::start(&[&[&get_values(&["InternetGatewayDevice."])]]).await;
    let (report, outcomes) = collected(options(&acs)).await;
    assert_eq!((report.acknowledged, report.failed), (5, 1), "a request in a quiet session");
    assert!(!outcomes[0].2 && outcomes[1].2);

    let acs = MiniAcs::start(&[]).await;
    acs.answer_next(&http("503 Service Unavailable", "", ""));
    let (report, _) = collected(options(&acs)).await;
    assert_eq!((report.acknowledged, report.failed), (5, 1));
    assert_eq!(report.errors, ["LOAD00000001: HTTP status 503 in answer to Inform"]);
}

#[tokio::test]
async fn a_closed_connection_between_sessions_is_no_failure_but_in_mid_session_it_is() {
    let acs = MiniAcs::start(&[]).await;
    let close = "Connection: close\r\n";
    acs.answer_next(&http("200 OK", close, ""));
    acs.answer_next(&http("204 No Content", close, ""));
    acs.answer_next(&http("200 OK", "", ""));
    acs.answer_next("");
    let (report, outcomes) = collected(options(&acs)).await;
    assert_eq!((report.acknowledged, report.failed), (5, 1), "{:?}", report.errors);
    assert!(!outcomes[1].2);
}

#[tokio::test]
async fn a_stopped_run_ends_and_an_unusable_url_is_refused() {
    let acs = MiniAcs::start(&[]).await;
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let endless = LoadOptions { sessions: None, ..options(&acs) };
    let report = run(endless, stop, move |outcome| {
        if outcome.sequence == 4 {
            stopper.cancel();
        }
    })
    .await
    .unwrap();
    assert_eq!(report.acknowledged, 4);
    let wrong = LoadOptions { url: "https://h/".into(), ..options(&acs) };
    assert!(run(wrong, CancellationToken::new(), |_| {}).await.is_err());
}

#[tokio::test]
async fn in_a_storm_each_device_comes_until_it_is_served() {
    let acs = MiniAcs::start(&[]).await;
    acs.answer_next("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    let load = LoadOptions { event: "1 BOOT".into(), ..options(&acs) };
    let options = StormOptions { load, within_milliseconds: 10, patience_milliseconds: 60_000 };
    let report = storm(options, CancellationToken::new()).await.unwrap();
    let counts = (report.served, report.refused, report.retries, report.errors, report.given_up);
    assert_eq!(counts, (3, 1, 1, 0, 0), "{:?}", report.first_errors);
    let informs: Vec<_> = acs.seen().into_iter().filter(|message| message.name == "Inform").collect();
    let retries = |message: &crate::testing::Message| message.rpc().child_text("RetryCount").unwrap().to_owned();
    assert_eq!(informs.iter().filter(|message| retries(message) == "1").count(), 1, "the retry says that it is one");
    let devices: BTreeSet<_> = informs
        .iter()
        .map(|message| message.rpc().child("DeviceId").unwrap().child_text("SerialNumber").unwrap().to_owned())
        .collect();
    assert_eq!(devices.len(), 3);
}

#[tokio::test]
async fn sessions_are_held_with_a_request_outstanding() {
    let request = get_names("InternetGatewayDevice.", true);
    let acs = MiniAcs::start(&[&[&request]]).await;
    let held = hold(LoadOptions { devices: 1, ..options(&acs) }).await.unwrap();
    assert_eq!((held.len(), held.is_empty()), (1, false));
    assert_eq!(acs.names(), ["Inform", "empty"]);
    let idle = MiniAcs::start(&[]).await;
    assert!(hold(options(&idle)).await.is_err(), "a server that asks nothing holds nobody");
}

//! Download and Upload, in each way of carrying them out (TR-069 Annex A.3.2.8, A.4.1.5, A.3.3.2).

use super::*;
use crate::testing::{MiniAcs, UPLOAD, download, get_values};

const FIRMWARE: &str = "1 Firmware Upgrade Image";
const CONFIG: &str = "3 Vendor Configuration File";

fn device_at(acs: &MiniAcs, transfers: TransferMode) -> Device {
    Device::new(Options { acs_url: acs.url.clone(), transfers, ..options() }).unwrap()
}

/// Message names in order.
async fn transferred(rpc: &str, transfers: TransferMode) -> (Device, MiniAcs, Vec<SessionReport>) {
    let acs = MiniAcs::start(&[&[rpc]]).await;
    let mut device = device_at(&acs, transfers);
    let mut reports = vec![device.session(["2 PERIODIC"]).await];
    reports.extend(device.follow_ups().await);
    assert!(reports.iter().all(SessionReport::completed), "{reports:?}");
    (device, acs, reports)
}

fn response(acs: &MiniAcs, name: &str, field: &str) -> String {
    let message = acs.seen().into_iter().rfind(|message| message.name == name).unwrap();
    message.rpc().child_text(field).unwrap().to_owned()
}

#[tokio::test]
async fn firmware_is_fetched_and_reported_in_a_following_session() {
    let rpc = download(FIRMWARE, "$ACSfiles/gateway-9.8.7.bin", 8);
    let (device, acs, _) = transferred(&rpc, TransferMode::FollowingSession).await;
    assert_eq!(acs.names(), ["Inform", "empty", "DownloadResponse", "GET", "Inform", "TransferComplete", "empty"]);
    assert_eq!(response(&acs, "DownloadResponse", "Status"), "1");
    assert_eq!(acs.events(1), ["1 BOOT", "7 TRANSFER COMPLETE", "M Download"]);
    assert_eq!(response(&acs, "TransferComplete", "CommandKey"), "dl");
    assert!(acs.seen()[5].body.contains("<FaultCode>0</FaultCode>"));
    assert_eq!(device.model().root_text("DeviceInfo.SoftwareVersion"), Some("9.8.7"));
    let file = &device.files()[0];
    assert_eq!((file.size, file.upload), (8, false));
    // MD5 of the text that the miniature ACS serves.
    assert_eq!(file.md5, "74b5b5e9570efc5c0553bb327cd41940");
}

#[tokio::test]
async fn a_file_is_reported_in_the_same_session_when_the_acs_has_no_more_requests() {
    let rpc = download(CONFIG, "$ACSfiles/config", 0);
    let acs = MiniAcs::start(&[&[&rpc, &get_values(&["Device.Time."])]]).await;
    let mut device = device_at(&acs, TransferMode::SameSession);
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!(
        acs.names(),
        ["Inform", "empty", "DownloadResponse", "GetParameterValuesResponse", "GET", "TransferComplete", "empty"]
    );
    assert!(!device.has_follow_up());
}

#[tokio::test]
async fn an_immediate_transfer_has_status_0_or_is_a_fault() {
    let rpc = download(CONFIG, "$ACSfiles/config", 0);
    let (device, acs, reports) = transferred(&rpc, TransferMode::Immediate).await;
    assert_eq!(acs.names(), ["Inform", "empty", "GET", "DownloadResponse"]);
    assert_eq!(response(&acs, "DownloadResponse", "Status"), "0");
    assert_eq!((reports.len(), device.files().len()), (1, 1));

    let rpc = download(CONFIG, "$ACSfiles/missing", 0);
    let (_, acs, reports) = transferred(&rpc, TransferMode::Immediate).await;
    assert_eq!(acs.names(), ["Inform", "empty", "GET", "Fault"]);
    assert_eq!(reports[0].exchanges[0].answer, Answer::Fault(9016));
}

#[tokio::test]
async fn a_failed_download_reports_its_fault_code() {
    let table = [
        (download(FIRMWARE, "$ACSfiles/missing-1.2.3.bin", 0), 9016),
        (download(FIRMWARE, "$ACSfiles/fw-1.2.3.bin", 9), 9018),
        (download(FIRMWARE, "http://127.0.0.1:1/fw-1.2.3.bin", 0), 9015),
    ];
    for (rpc, code) in table {
        let (device, acs, _) = transferred(&rpc, TransferMode::FollowingSession).await;
        let complete = acs.seen().into_iter().rfind(|message| message.name == "TransferComplete").unwrap();
        assert!(complete.body.contains(&format!("<FaultCode>{code}</FaultCode>")), "{}", complete.body);
        assert_eq!(device.model().root_text("DeviceInfo.SoftwareVersion"), Some("4.0.7"));
        assert_eq!(acs.events(1), ["7 TRANSFER COMPLETE", "M Download"], "no restart");
    }
}

#[tokio::test]
async fn an_upload_sends_the_configuration() {
    let (device, acs, _) = transferred(UPLOAD, TransferMode::FollowingSession).await;
    let put = acs.seen().into_iter().find(|message| message.name == "PUT").unwrap();
    assert_eq!(put.head.first_line, "PUT /put/config HTTP/1.1");
    let sent = DataModel::from_json(&put.body).unwrap();
    assert_eq!(sent.root_text("DeviceInfo.SerialNumber"), Some("SIM00000001"));
    assert_eq!(acs.events(1), ["7 TRANSFER COMPLETE", "M Upload"]);
    assert!(device.files()[0].upload);
}

#[tokio::test]
async fn an_unreported_transfer_is_reported_in_the_next_session() {
    let rpc = download(CONFIG, "$ACSfiles/config", 0);
    let acs = MiniAcs::start(&[&[&rpc]]).await;
    let mut device = device_at(&acs, TransferMode::FollowingSession);
    device.session(["2 PERIODIC"]).await;
    acs.answer_next("");
    let reports = device.follow_ups().await;
    assert!(!reports[0].completed());
    assert!(device.has_follow_up());
    assert!(device.follow_up().await.unwrap().completed());
    assert_eq!(acs.events(2), ["7 TRANSFER COMPLETE", "M Download"]);
    assert!(!device.has_follow_up());
}

#[test]
fn urls_and_arguments_are_checked_before_anything_is_promised() {
    let table = [
        (download(FIRMWARE, "ftp://h/f", 0), 9013),
        (download(FIRMWARE, "https://h/f", 0), 9013),
        (download(FIRMWARE, "http://user:pass@h/f", 0), 9003),
        (download(FIRMWARE, "http:///f", 0), 9003),
        (download("", "http://h/f", 0), 9003),
    ];
    for (rpc, code) in table {
        let mut device = device();
        assert_eq!(plain_fault(&ask(&mut device, &rpc)), code, "{rpc}");
        assert!(!device.has_follow_up());
    }
}

#[test]
fn queued_transfers_are_listed_until_they_begin() {
    let mut device = device();
    let count = |device: &mut Device| {
        let answer = ask(device, "<cwmp:GetAllQueuedTransfers/>");
        answer.child("TransferList").unwrap().children.clone()
    };
    assert_eq!(count(&mut device).len(), 0);
    ask(&mut device, &download(FIRMWARE, "http://h/f", 0));
    let listed = count(&mut device);
    let fields = ["CommandKey", "State", "IsDownload", "FileType"];
    let values: Vec<_> = fields.iter().map(|field| listed[0].child_text(field).unwrap()).collect();
    assert_eq!(values, ["dl", "1", "1", FIRMWARE]);
    let brief = ask(&mut device, "<cwmp:GetQueuedTransfers/>");
    assert_eq!(brief.child("TransferList").unwrap().children[0].children.len(), 2);
    assert!(matches!(device.pending.front(), Some(Pending::Transfer(_))));
    let reply = device.handle(&envelope("1", "<cwmp:GetAllQueuedTransfers/>")).unwrap();
    assert_eq!(reply.exchange.request, Ok(Request::GetAllQueuedTransfers));
}

#[tokio::test]
async fn an_acs_that_has_closed_the_session_hears_of_the_transfer_in_the_next() {
    let rpc = download(CONFIG, "$ACSfiles/config", 0);
    let acs = MiniAcs::start(&[&[&rpc]]).await;
    let mut device = device_at(&acs, TransferMode::SameSession);
    acs.refuse_transfer_complete_once();
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!((report.final_status, report.own_calls.len()), (Some(400), 0));
    assert!(device.has_follow_up());
    assert_eq!(device.follow_up().await.unwrap().own_calls, ["TransferComplete"]);
    assert_eq!(acs.events(1), ["7 TRANSFER COMPLETE", "M Download"]);
}

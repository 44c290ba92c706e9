//! Scheduled downloads, deployment units, vouchers, and calls that nobody has asked for (TR-069 Annex A.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::soap::{AutonomousTransfer, UnitOperationKind};
use crate::testing::{MiniAcs, download};

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn schedule_download(url: &str, windows: &[(u32, u32)]) -> String {
    let list: String = windows
        .iter()
        .map(|(start, end)| {
            format!(
                "<TimeWindowStruct><WindowStart>{start}</WindowStart><WindowEnd>{end}</WindowEnd>\
                 <WindowMode>1 At Any Time</WindowMode><UserMessage/><MaxRetries>0</MaxRetries></TimeWindowStruct>"
            )
        })
        .collect();
    format!(
        "<cwmp:ScheduleDownload><CommandKey>sd</CommandKey><FileType>3 Vendor Configuration File</FileType><URL>{url}</URL>\
         <Username/><Password/><FileSize>0</FileSize><TargetFileName/>\
         <TimeWindowList soap-enc:arrayType=\"cwmp:TimeWindowStruct[{}]\">{list}</TimeWindowList></cwmp:ScheduleDownload>",
        windows.len()
    )
}

fn install(url: &str, uuid: &str) -> String {
    format!(
        "<Operations xsi:type=\"cwmp:InstallOpStruct\"><URL>{url}</URL><UUID>{uuid}</UUID><Username/><Password/>\
         <ExecutionEnvRef/></Operations>"
    )
}

fn update(uuid: &str, url: &str) -> String {
    format!(
        "<Operations xsi:type=\"cwmp:UpdateOpStruct\"><UUID>{uuid}</UUID><Version/><URL>{url}</URL><Username/><Password/>\
         </Operations>"
    )
}

fn uninstall(uuid: &str) -> String {
    format!(
        "<Operations xsi:type=\"cwmp:UninstallOpStruct\"><UUID>{uuid}</UUID><Version/><ExecutionEnvRef/></Operations>"
    )
}

fn change(operations: &[String]) -> String {
    format!("<cwmp:ChangeDUState>{}<CommandKey>du</CommandKey></cwmp:ChangeDUState>", operations.concat())
}

#[test]
fn windows_that_are_empty_or_overlap_are_refused() {
    let table: [&[(u32, u32)]; 4] = [&[], &[(5, 5)], &[(0, 10), (9, 20)], &[(0, 1), (2, 3), (4, 5)]];
    for windows in table {
        let mut device = device();
        assert_eq!(plain_fault(&ask(&mut device, &schedule_download("http://h/f", windows))), 9003, "{windows:?}");
        assert!(!device.has_follow_up());
    }
}

#[tokio::test]
async fn a_scheduled_download_is_reported_with_its_own_event() {
    let rpc = schedule_download("$ACSfiles/config", &[(60, 120)]);
    let acs = MiniAcs::start(&[&[&rpc]]).await;
    let mut device = Device::new(Options { acs_url: acs.url.clone(), ..options() }).unwrap();
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(report.rpcs(), ["ScheduleDownload"]);
    assert_eq!(report.violations, Vec::<String>::new());
    device.follow_ups().await;
    assert_eq!(acs.events(1), ["7 TRANSFER COMPLETE", "M ScheduleDownload"]);
    assert_eq!(device.files().len(), 1);
}

#[test]
fn a_cancelled_transfer_is_forgotten_and_one_that_is_done_cannot_be_cancelled() {
    let mut device = device();
    ask(&mut device, &download("1 Firmware Upgrade Image", "http://h/f", 0));
    let cancel = "<cwmp:CancelTransfer><CommandKey>dl</CommandKey></cwmp:CancelTransfer>";
    assert_eq!(ask(&mut device, cancel).name, "CancelTransferResponse");
    assert!(!device.has_follow_up());
    device.completed.push(CompletedTransfer {
        event: "M Download",
        report: crate::soap::TransferComplete::done("dl", String::new(), String::new()),
    });
    assert_eq!(plain_fault(&ask(&mut device, cancel)), 9021);
}

#[tokio::test]
async fn deployment_units_are_installed_updated_and_uninstalled() {
    let first = change(&[
        install("$ACSfiles/unit-1.0.pkg", UUID),
        install("$ACSfiles/unit-1.0.pkg", UUID),
        install("$ACSfiles/missing", ""),
        install("$ACSfiles/unit-1.0.pkg", "odd"),
        update(UUID, "$ACSfiles/unit-1.0.pkg"),
        update(UUID, "$ACSfiles/unit-2.0.pkg"),
        update(UUID, "$ACSfiles/unit-1.5.pkg"),
    ]);
    let second = change(&[uninstall(UUID), uninstall(UUID)]);
    let acs = MiniAcs::start(&[&[&first], &[&second]]).await;
    let mut device = Device::new(Options { acs_url: acs.url.clone(), ..options() }).unwrap();
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(report.rpcs(), ["ChangeDUState"]);
    assert_eq!(report.violations, Vec::<String>::new());
    let codes = |acs: &MiniAcs| {
        let message = acs.seen().into_iter().rfind(|message| message.name == "DUStateChangeComplete").unwrap();
        let rpc = message.rpc();
        assert_eq!(rpc.child_text("CommandKey"), Some("du"));
        let code = |result: &Element| result.child("Fault").unwrap().child_text("FaultCode").unwrap().to_owned();
        rpc.child("Results").unwrap().children.iter().map(code).collect::<Vec<_>>()
    };
    device.follow_up().await.unwrap();
    assert_eq!(acs.events(1), ["11 DU STATE CHANGE COMPLETE", "M ChangeDUState"]);
    assert_eq!(codes(&acs), ["0", "9026", "9016", "9022", "9032", "0", "9030"]);
    assert_eq!(device.deployment_units()[0].version, "2.0");
    device.follow_up().await.unwrap();
    assert_eq!(codes(&acs), ["0", "9028"]);
    assert_eq!(device.deployment_units(), []);
}

#[test]
fn operations_are_decoded_by_their_type() {
    let mut device = device();
    let reply = device.handle(&envelope("1", &change(&[update(UUID, "http://h/f"), uninstall(UUID)]))).unwrap();
    assert_eq!(reply.violations, Vec::<String>::new());
    let Ok(Request::ChangeDUState { operations, .. }) = reply.exchange.request else { panic!("not decoded") };
    let kinds: Vec<_> = operations.iter().map(|operation| operation.kind).collect();
    assert_eq!(kinds, [UnitOperationKind::Update, UnitOperationKind::Uninstall]);
    let untyped = change(&["<Operations><UUID/></Operations>".to_owned()]);
    assert_eq!(plain_fault(&ask(&mut device, &untyped)), 9003);
}

#[test]
fn arguments_in_another_order_are_noticed() {
    let mut device = device();
    let rpc = "<cwmp:ScheduleInform><CommandKey>k</CommandKey><DelaySeconds>1</DelaySeconds></cwmp:ScheduleInform>";
    let reply = device.handle(&envelope("1", rpc)).unwrap();
    assert_eq!(reply.violations, ["ScheduleInform: has CommandKey DelaySeconds, not DelaySeconds CommandKey"]);
}

#[test]
fn vouchers_unlock_options() {
    let mut device = device();
    let voucher = STANDARD.encode("<Signature><Option><OptionIdent>IPTV</OptionIdent></Option></Signature>");
    let set = |voucher: &str| {
        format!(
            "<cwmp:SetVouchers><VoucherList soap-enc:arrayType=\"xsd:base64[1]\"><base64>{voucher}</base64></VoucherList>\
             </cwmp:SetVouchers>"
        )
    };
    assert_eq!(ask(&mut device, &set(&voucher)).name, "SetVouchersResponse");
    assert_eq!(plain_fault(&ask(&mut device, &set("no voucher"))), 9003);
    let names = |device: &mut Device, name: &str| {
        let answer = ask(device, &format!("<cwmp:GetOptions><OptionName>{name}</OptionName></cwmp:GetOptions>"));
        let options = answer.child("OptionList").unwrap().children.clone();
        options.iter().map(|option| option.child_text("OptionName").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut device, ""), ["IPTV"]);
    assert_eq!(names(&mut device, "VOIP"), Vec::<String>::new());
}

#[tokio::test]
async fn calls_that_nobody_asked_for_are_made_once_and_a_refused_one_does_not_end_the_session() {
    let acs = MiniAcs::start(&[]).await;
    let options = Options {
        acs_url: acs.url.clone(),
        calls: vec![
            OwnCall::AutonomousTransferComplete(AutonomousTransfer::default()),
            OwnCall::AutonomousDUStateChangeComplete {
                operation: AutonomousOperation::Uninstall,
                uuid: UUID.into(),
                version: "1".into(),
            },
            OwnCall::RequestDownload {
                file_type: "1 Firmware Upgrade Image".into(),
                arguments: vec![("Version".into(), "2".into())],
            },
            OwnCall::Other("Refused".into()),
        ],
        ..options()
    };
    let mut device = Device::new(options).unwrap();
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!(report.own_calls, ["AutonomousTransferComplete", "AutonomousDUStateChangeComplete", "RequestDownload"]);
    assert_eq!(report.refused_calls, [("Refused".to_owned(), 8000)]);
    let events = [
        "2 PERIODIC",
        "10 AUTONOMOUS TRANSFER COMPLETE",
        "12 AUTONOMOUS DU STATE CHANGE COMPLETE",
        "9 REQUEST DOWNLOAD",
    ];
    assert_eq!(acs.events(0), events);
    assert_eq!(device.session(["2 PERIODIC"]).await.own_calls, Vec::<String>::new());
}

//! What devices call beside Inform, and the headers that their envelopes carry.

use super::kit::*;

fn rpc_methods() -> String {
    envelope("79", "<cwmp:GetRPCMethods/>")
}

#[tokio::test]
async fn calls_after_the_inform_are_answered_each_and_the_first_request_follows_the_empty_post() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let answer = device.post(&rpc_methods()).await;
    assert_eq!((answer.rpc(), answer.cwmp_id()), ("GetRPCMethodsResponse".into(), "79"));
    for method in ["Inform", "GetRPCMethods", "TransferComplete"] {
        assert!(answer.text().contains(&format!("<string>{method}</string>")));
    }
    let answer = device.post(&transfer_complete()).await;
    assert_eq!((answer.rpc(), answer.cwmp_id()), ("TransferCompleteResponse".into(), "78"));
    let answer = device.post(&envelope("80", "<cwmp:Kicked/>")).await;
    assert_eq!((answer.status, answer.fault_code(), answer.cwmp_id()), (200, Some("8000"), "80"));
    assert_eq!(device.post("").await.rpc(), "Reboot");
}

#[tokio::test]
async fn a_call_instead_of_an_answer_is_answered_and_the_request_is_sent_again() {
    for call in [transfer_complete(), rpc_methods(), envelope("80", "<cwmp:X_Vendor/>")] {
        let server = Server::start(Scripts::none().with("reboot", reboot)).await;
        let mut device = server.device("1").await;
        let request = device.begin().await;
        assert_ne!(device.post(&call).await.rpc(), "Reboot");
        let again = device.post("").await;
        assert_eq!(again.text(), request.text());
        assert_eq!(device.respond(&again).await.status, 204);
        assert_eq!(server.faults(&device).await, [], "{call}");
    }
}

#[tokio::test]
async fn a_call_between_a_request_and_its_answer_changes_nothing() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    assert_eq!(device.post(&transfer_complete()).await.rpc(), "TransferCompleteResponse");
    assert_eq!(device.respond(&request).await.status, 204);
    assert_eq!(server.faults(&device).await, []);
}

#[tokio::test]
async fn a_device_that_calls_and_never_answers_gets_to_an_end() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let mut answer = device.begin().await;
    let mut rounds = 0;
    while answer.status == 200 {
        device.post(&transfer_complete()).await;
        answer = device.post("").await;
        rounds += 1;
        assert!(rounds < 20);
    }
    assert_eq!(answer.status, 204);
    assert_eq!(server.faults(&device).await.len(), 1);
}

#[tokio::test]
async fn a_device_that_only_calls_gets_to_an_end() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let mut calls = 0;
    while device.post(&rpc_methods()).await.status == 200 {
        calls += 1;
        assert!(calls <= 1_000);
    }
    assert!(!server.endpoint.is_in_session(&device.id()));
}

#[tokio::test]
async fn missing_arguments_are_fault_8003_and_the_session_stays_usable() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    // Before the session: an Inform that does not say who it is.
    let nobody = envelope("5", "<cwmp:Inform><DeviceId><OUI>0A1B2C</OUI></DeviceId></cwmp:Inform>");
    let answer = device.post(&nobody).await;
    assert_eq!((answer.status, answer.fault_code(), answer.cwmp_id()), (200, Some("8003"), "5"));
    assert!(answer.cookie().is_none());
    // Within it: two calls at once.
    device.inform().await;
    let answer = device.post(&envelope("6", "<cwmp:GetRPCMethods/><cwmp:Kicked/>")).await;
    assert_eq!((answer.status, answer.fault_code(), answer.cwmp_id()), (200, Some("8003"), "6"));
    assert!(answer.text().contains("<faultcode>Client</faultcode>"));
    assert_eq!(device.post("").await.status, 204);
}

#[tokio::test]
async fn a_header_that_must_be_understood_and_is_not_is_a_soap_fault() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let header = "<cwmp:ID>1</cwmp:ID><x:Strange xmlns:x=\"urn:x\" soap-env:mustUnderstand=\"1\">1</x:Strange>";
    let answer = device.post(&envelope_with(header, &inform_rpc("1"))).await;
    assert!(answer.text().contains("<faultcode>soap-env:MustUnderstand</faultcode>"));
    assert!(!server.endpoint.is_in_session(&device.id()));
    device.inform().await;
    let answer = device.post(&envelope_with(header, "<cwmp:GetRPCMethods/>")).await;
    assert!(answer.text().contains("MustUnderstand"));
    assert_eq!(device.post("").await.status, 204);
}

#[tokio::test]
async fn the_highest_common_version_is_chosen() {
    let cases = [("1.4,1.3,1.2,1.1,1.0", Some("1.4")), ("1.9, 1.2 ,1.1", Some("1.2")), ("2.0", None)];
    let server = Server::start(Scripts::none()).await;
    for (supported, chosen) in cases {
        let mut device = server.device("1").await;
        let header =
            format!("<cwmp:ID>1</cwmp:ID><cwmp:SupportedCWMPVersions>{supported}</cwmp:SupportedCWMPVersions>");
        let answer = device.post(&envelope_with(&header, &inform_rpc("1"))).await;
        match chosen {
            Some(version) => {
                let element =
                    format!("<cwmp:UseCWMPVersion soap-env:mustUnderstand=\"1\">{version}</cwmp:UseCWMPVersion>");
                assert!(answer.text().contains(&element), "{supported}");
                assert_eq!(device.post("").await.status, 204);
            }
            None => {
                assert_eq!(answer.fault_code(), Some("8006"));
                assert!(answer.cookie().is_none() && !server.endpoint.is_in_session(&device.id()));
            }
        }
    }
    let mut device = server.device("1").await;
    assert!(!device.inform().await.text().contains("UseCWMPVersion"), "never unasked");
}

//! Injected faults, in the answers and in sessions.

use super::*;
use crate::fault::{FaultAction, FaultRule};
use crate::testing::{MiniAcs, REBOOT, get_values, object, set_values};

fn faulty(rules: &[&str]) -> Device {
    let faults = rules.iter().map(|rule| FaultRule::parse(rule).unwrap()).collect();
    Device::new(Options { faults, ..options() }).unwrap()
}

fn faulty_at(acs: &MiniAcs, rules: &[&str]) -> Device {
    let faults = rules.iter().map(|rule| FaultRule::parse(rule).unwrap()).collect();
    let acs_url = acs.url.clone();
    Device::new(Options { faults, acs_url, hang_milliseconds: 50, ..options() }).unwrap()
}

#[test]
fn a_fault_code_replaces_the_answer_and_nothing_is_done() {
    let mut device = faulty(&["AddObject=9002", "Reboot=9001"]);
    let before = device.model().to_json();
    assert_eq!(plain_fault(&ask(&mut device, &object("AddObject", "Device.NAT.PortMapping."))), 9002);
    assert_eq!(plain_fault(&ask(&mut device, REBOOT)), 9001);
    assert_eq!(device.model().to_json(), before);
    assert!(!device.has_follow_up());
}

#[test]
fn the_n_th_time_only_and_only_for_the_path() {
    let mut device = faulty(&["GetParameterValues#2@Device.WiFi.=9002"]);
    let wifi = get_values(&["Device.WiFi.SSID.1.SSID"]);
    let time = get_values(&["Device.Time."]);
    let names: Vec<String> = [&wifi, &time, &wifi, &wifi].map(|rpc| ask(&mut device, rpc).name).into();
    let response = "GetParameterValuesResponse";
    assert_eq!(names, [response, response, "Fault", response]);
}

#[test]
fn a_value_fault_with_a_path_names_the_parameters() {
    let mut device = faulty(&["SetParameterValues@Device.WiFi.=9007", "SetParameterValues=9007"]);
    let name = "Device.WiFi.SSID.1.SSID";
    let code = "Device.DeviceInfo.ProvisioningCode";
    let both = [(code, "xsd:string", "a"), (name, "xsd:string", "b")];
    let answer = ask(&mut device, &set_values(&both));
    assert_eq!(fault_of(&answer), (9003, vec![(name.to_owned(), 9007)]));
    assert_eq!(device.model().text(code), Some(""));
    let answer = ask(&mut device, &set_values(&both[..1]));
    assert_eq!(fault_of(&answer), (9007, vec![]), "a rule without a path gives the bare fault");
}

#[test]
fn answers_can_be_distorted_in_every_way() {
    let request = envelope("id-1", &get_values(&["Device.Time."]));
    let body = |rule: &str| faulty(&[rule]).handle(&request).unwrap();
    let id = |reply: &Reply| {
        let header = Element::parse(&reply.body).unwrap().child("Header").unwrap().clone();
        header.child_text("ID").map(str::to_owned)
    };
    assert_eq!(body("*=empty").body, "");
    assert!(Element::parse(&body("*=malformed").body).is_err());
    assert_eq!(id(&body("*=wrong-id")).as_deref(), Some("not-your-id"));
    assert_eq!(id(&body("*=no-id")), None);
    assert!(body("*=wrong-response").body.contains("<cwmp:SetParameterValuesResponse>"));
    let bare = body("*=soap-fault").body;
    assert!(bare.contains("Fault>") && !bare.contains("detail"));
    for rule in ["*=slow:5", "*=chunked"] {
        let reply = body(rule);
        assert!(reply.action.is_some());
        assert_eq!(reply.exchange.answer, Answer::Response);
    }
}

#[test]
fn closing_and_hanging_come_after_the_work_is_done() {
    for rule in ["AddObject=close", "AddObject=hang"] {
        let mut device = faulty(&[rule]);
        let before = device.model().instance_count("Device.NAT.PortMapping.");
        device.handle(&envelope("1", &object("AddObject", "Device.NAT.PortMapping."))).unwrap();
        assert_eq!(device.model().instance_count("Device.NAT.PortMapping."), before + 1, "{rule}");
    }
}

#[tokio::test]
async fn a_session_ends_at_an_injected_close_and_the_next_one_repeats_its_events() {
    let rpc = get_values(&["Device.Time."]);
    for (rule, action) in
        [("GetParameterValues#1=close", FaultAction::Close), ("GetParameterValues#1=hang", FaultAction::Hang)]
    {
        let acs = MiniAcs::start(&[&[&rpc], &[&rpc]]).await;
        let mut device = faulty_at(&acs, &[rule]);
        let report = device.session(["1 BOOT"]).await;
        assert!(matches!(report.error, Some(SessionError::Injected(found)) if found == action));
        assert_eq!(report.rpcs(), ["GetParameterValues"]);
        let report = device.session(["2 PERIODIC"]).await;
        assert!(report.completed(), "{:?}", report.error);
        assert_eq!(acs.events(1), ["1 BOOT", "2 PERIODIC"]);
        let retry = acs.seen().iter().rfind(|message| message.name == "Inform").unwrap().rpc();
        assert_eq!(retry.child_text("RetryCount"), Some("1"));
    }
}

#[tokio::test]
async fn distorted_answers_reach_the_acs_and_the_session_goes_on() {
    let rpc = get_values(&["Device.Time."]);
    for (rule, seen) in [
        ("GetParameterValues=empty", "empty"),
        ("GetParameterValues=chunked", "GetParameterValuesResponse"),
        ("GetParameterValues=slow:1", "GetParameterValuesResponse"),
        ("GetParameterValues=wrong-id", "GetParameterValuesResponse"),
        ("GetParameterValues=wrong-response", "SetParameterValuesResponse"),
        ("GetParameterValues=soap-fault", "Fault"),
    ] {
        let acs = MiniAcs::start(&[&[&rpc]]).await;
        let report = faulty_at(&acs, &[rule]).session(["2 PERIODIC"]).await;
        assert!(report.completed(), "{rule}: {:?}", report.error);
        assert_eq!(acs.names(), ["Inform", "empty", seen], "{rule}");
        let chunked = acs.seen()[2].head.header("Transfer-Encoding") == Some("chunked");
        assert_eq!(chunked, rule.ends_with("chunked"), "{rule}");
    }
    let acs = MiniAcs::start(&[&[&rpc]]).await;
    let report = faulty_at(&acs, &["GetParameterValues=malformed"]).session(["2 PERIODIC"]).await;
    assert_eq!(acs.names(), ["Inform", "empty", "unreadable"]);
    assert!(matches!(report.error, Some(SessionError::Status { status: 400, .. })));
}

#[tokio::test]
async fn the_inform_can_be_distorted_too() {
    let table = [("Inform=malformed", vec!["unreadable"]), ("Inform=close", vec!["Inform"])];
    for (rule, seen) in table {
        let acs = MiniAcs::start(&[]).await;
        let report = faulty_at(&acs, &[rule]).session(["2 PERIODIC"]).await;
        assert!(!report.completed() && !report.informed);
        // A closed message may still be on its way.
        while acs.names().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(acs.names(), seen, "{rule}");
    }
}

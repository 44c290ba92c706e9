//! Whole sessions (TR-069 §3.7.1) against a miniature ACS.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{MiniAcs, REBOOT, envelope, get_names, get_values, http, object, set_values};
use crate::transcript::Transcript;

fn device_at(acs: &MiniAcs) -> Device {
    Device::new(Options { acs_url: acs.url.clone(), ..options() }).unwrap()
}

#[tokio::test]
async fn a_full_session_is_held_and_reported() {
    let set = set_values(&[("Device.WiFi.SSID.1.SSID", "xsd:string", "guest")]);
    let acs = MiniAcs::start(&[&[
        "<cwmp:GetRPCMethods/>",
        &get_names("Device.", true),
        &get_values(&["Device.DeviceInfo."]),
        &set,
        &object("AddObject", "Device.NAT.PortMapping."),
        "<cwmp:X_0A1B2C_Blink/>",
    ]])
    .await;
    let mut device = device_at(&acs);
    let report = device.session(["0 BOOTSTRAP", "1 BOOT"]).await;
    assert!(report.completed() && report.informed, "{:?}", report.error);
    assert_eq!(
        report.rpcs(),
        [
            "GetRPCMethods",
            "GetParameterNames",
            "GetParameterValues",
            "SetParameterValues",
            "AddObject",
            "X_0A1B2C_Blink"
        ]
    );
    assert_eq!(report.values_set(), [("Device.WiFi.SSID.1.SSID", "guest")]);
    assert_eq!(report.names_read(), ["Device.DeviceInfo."]);
    assert_eq!(report.exchanges.last().unwrap().answer, Answer::Fault(9000));
    assert_eq!(report.final_status, Some(204));
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.bytes_sent > 2_000 && report.bytes_received > 2_000);
    assert_eq!(report.device_id, "0A1B2C-SimCPE-SIM00000001");

    let seen = acs.seen();
    assert_eq!(acs.events(0), ["0 BOOTSTRAP", "1 BOOT"]);
    assert!(seen[1..].iter().all(|message| message.head.header("Cookie") == Some("session=1")));
    let parameters = seen[0].rpc().child("ParameterList").unwrap().clone();
    let names: Vec<&str> = parameters.children.iter().map(|item| item.child_text("Name").unwrap()).collect();
    assert_eq!(
        names,
        [
            "Device.RootDataModelVersion",
            "Device.DeviceInfo.HardwareVersion",
            "Device.DeviceInfo.SoftwareVersion",
            "Device.DeviceInfo.ProvisioningCode",
            "Device.ManagementServer.ConnectionRequestURL",
            "Device.ManagementServer.ParameterKey",
        ]
    );
}

#[tokio::test]
async fn an_acs_that_departs_from_the_standard_is_told_on() {
    let sloppy = "<cwmp:GetParameterValues><ParameterNames><string>Device.Time.</string></ParameterNames></cwmp:GetParameterValues>";
    let acs = MiniAcs::start(&[&[sloppy]]).await;
    let response = envelope("other-id", "<cwmp:InformResponse/>");
    acs.answer_next(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{response}", response.len()));
    let report = device_at(&acs).session(["2 PERIODIC"]).await;
    assert!(report.completed());
    for part in ["content type", "other-id", "MaxEnvelopes"] {
        assert!(report.violations.iter().any(|text| text.contains(part)), "{part}: {:?}", report.violations);
    }
    let acs = MiniAcs::start(&[&[sloppy]]).await;
    let report = device_at(&acs).session(["2 PERIODIC"]).await;
    assert_eq!(report.violations, ["GetParameterValues: ParameterNames has no arrayType"]);
}

#[tokio::test]
async fn answers_that_end_a_session_say_why() {
    let fault = envelope(
        "1",
        "<soap-env:Fault><faultstring>x</faultstring><detail><cwmp:Fault><FaultCode>8001</FaultCode><FaultString>no</FaultString></cwmp:Fault></detail></soap-env:Fault>",
    );
    let table = [
        (http("503 Service Unavailable", "Retry-After: 9\r\n", ""), "HTTP status 503 in answer to Inform"),
        (http("200 OK", "", &fault), "fault 8001 (no) in answer to Inform"),
        (http("500 Internal Server Error", "", &fault), "fault 8001 (no) in answer to Inform"),
        (http("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", ""), "HTTP status 401"),
        (http("204 No Content", "", ""), "an empty message"),
        (http("200 OK", "", &envelope("1", REBOOT)), "Reboot instead of InformResponse"),
        (http("200 OK", "", "<html>"), "exactly one complete root element"),
        (String::new(), "closed without an answer"),
    ];
    for (answer, expected) in table {
        let acs = MiniAcs::start(&[]).await;
        acs.answer_next(&answer);
        let report = device_at(&acs).session(["2 PERIODIC"]).await;
        let message = report.error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{answer}: {message}");
        assert!(!report.informed);
    }
}

#[tokio::test]
async fn fault_8005_repeats_the_call_and_redirects_are_followed() {
    let retry = envelope(
        "1",
        "<soap-env:Fault><detail><cwmp:Fault><FaultCode>8005</FaultCode><FaultString/></cwmp:Fault></detail></soap-env:Fault>",
    );
    let acs = MiniAcs::start(&[]).await;
    let other = MiniAcs::start(&[]).await;
    acs.answer_next(&http("200 OK", "", &retry));
    acs.answer_next(&http("307 Temporary Redirect", &format!("Location: {}\r\n", other.url), ""));
    let report = device_at(&acs).session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!(acs.names(), ["Inform", "Inform"]);
    assert_eq!(other.names(), ["Inform", "empty"]);
}

#[tokio::test]
async fn a_failed_session_is_tried_again_as_often_as_wanted() {
    let acs = MiniAcs::start(&[]).await;
    for _ in 0..2 {
        acs.answer_next(&http("503 Service Unavailable", "", ""));
    }
    let retry = Retry { attempts: 3, minimum_wait_milliseconds: 1, interval_multiplier: 1_000 };
    let mut device = Device::new(Options { acs_url: acs.url.clone(), retry, ..options() }).unwrap();
    let report = device.session(["1 BOOT"]).await;
    assert!(report.completed());
    assert_eq!(report.attempts, 3);
    let counts: Vec<String> = acs
        .seen()
        .iter()
        .filter(|message| message.name == "Inform")
        .map(|message| message.rpc().child_text("RetryCount").unwrap().to_owned())
        .collect();
    assert_eq!(counts, ["0", "1", "2"]);
    device.session(["2 PERIODIC"]).await;
    assert_eq!(acs.events(3), ["2 PERIODIC"]);
    let next = acs.seen().into_iter().rfind(|message| message.name == "Inform").unwrap().rpc();
    assert_eq!(next.child_text("RetryCount"), Some("0"), "a session that ended well starts the count anew");
}

#[tokio::test]
async fn reboot_factory_reset_and_schedule_inform_lead_to_further_sessions() {
    let set = set_values(&[("Device.DeviceInfo.ProvisioningCode", "xsd:string", "x")]);
    let schedule =
        "<cwmp:ScheduleInform><DelaySeconds>60</DelaySeconds><CommandKey>si</CommandKey></cwmp:ScheduleInform>";
    let acs = MiniAcs::start(&[&[&set, REBOOT, schedule], &["<cwmp:FactoryReset/>"]]).await;
    let mut device = device_at(&acs);
    device.session(["2 PERIODIC"]).await;
    assert_eq!(device.model().root_text("DeviceInfo.ProvisioningCode"), Some("x"));
    let reports = device.follow_ups().await;
    assert!(reports.iter().all(SessionReport::completed));
    let events: Vec<Vec<String>> = (1..=reports.len()).map(|inform| acs.events(inform)).collect();
    assert_eq!(
        events,
        [vec!["1 BOOT", "M Reboot"], vec!["3 SCHEDULED", "M ScheduleInform"], vec!["0 BOOTSTRAP", "1 BOOT"]]
    );
    let keys: Vec<&str> = reports.iter().map(|report| report.events[1].command_key.as_str()).collect();
    assert_eq!(keys, ["rb", "si", ""]);
    assert_eq!(device.model().root_text("DeviceInfo.ProvisioningCode"), Some(""));
    assert_eq!(device.model().root_text("DeviceInfo.SerialNumber"), Some("SIM00000001"));
    assert!(!device.has_follow_up());
}

#[tokio::test]
async fn a_new_acs_url_is_informed_with_bootstrap() {
    let other = MiniAcs::start(&[]).await;
    let set = set_values(&[("Device.ManagementServer.URL", "xsd:string", &other.url)]);
    let acs = MiniAcs::start(&[&[&set]]).await;
    let mut device = device_at(&acs);
    device.session(["2 PERIODIC"]).await;
    assert_eq!(device.follow_ups().await.len(), 1);
    assert_eq!(other.events(0), ["0 BOOTSTRAP"]);
}

#[tokio::test]
async fn changed_values_are_reported_as_their_notification_says() {
    let attributes = "<cwmp:SetParameterAttributes><ParameterList soap-enc:arrayType=\"cwmp:SetParameterAttributesStruct[1]\">\
        <SetParameterAttributesStruct><Name>Device.Time.Status</Name><NotificationChange>1</NotificationChange>\
        <Notification>2</Notification><AccessListChange>0</AccessListChange><AccessList soap-enc:arrayType=\"xsd:string[0]\"/>\
        </SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>";
    let acs = MiniAcs::start(&[&[attributes]]).await;
    let mut device = device_at(&acs);
    device.session(["2 PERIODIC"]).await;
    assert!(device.change_value("Device.Time.Status", "Unsynchronized"));
    assert!(device.change_value("Device.Time.NTPServer1", "unnoticed"));
    assert!(!device.change_value("Device.Nope", "x"));
    let report = device.session(Vec::<Event>::new()).await;
    assert_eq!(report.events, [Event::from("4 VALUE CHANGE")]);
    let inform = acs.seen().into_iter().rfind(|message| message.name == "Inform").unwrap();
    assert!(inform.body.contains("<Name>Device.Time.Status</Name>"));
    assert!(!inform.body.contains("NTPServer1"));
    assert_eq!(device.session(["2 PERIODIC"]).await.events, [Event::from("2 PERIODIC")]);
}

#[tokio::test]
async fn values_can_apply_late_and_new_instances_forget() {
    let acs = MiniAcs::start(&[&[&set_values(&[("Device.WiFi.SSID.1.SSID", "xsd:string", "late")])]]).await;
    let behaviour = Behaviour { apply_after_session: true, ..Behaviour::default() };
    let mut device = Device::new(Options { acs_url: acs.url.clone(), behaviour, ..options() }).unwrap();
    device.session(["2 PERIODIC"]).await;
    let response = acs.seen().into_iter().rfind(|message| message.name == "SetParameterValuesResponse").unwrap();
    assert_eq!(response.rpc().child_text("Status"), Some("1"));
    assert_eq!(device.model().text("Device.WiFi.SSID.1.SSID"), Some("late"));

    let mut plain = self::device();
    let number = plain.model_mut().add_instance("Device.NAT.PortMapping.");
    let port = format!("Device.NAT.PortMapping.{number}.ExternalPort");
    let rpcs = [object("AddObject", "Device.NAT.PortMapping."), set_values(&[(&port, "xsd:unsignedInt", "8080")])];
    let acs = MiniAcs::start(&[&[&rpcs[0], &rpcs[1]]]).await;
    let behaviour = Behaviour { reset_new_instances: true, ..Behaviour::default() };
    let mut device = Device::new(Options { acs_url: acs.url.clone(), behaviour, ..options() }).unwrap();
    let report = device.session(["2 PERIODIC"]).await;
    assert_eq!(report.values_set(), [(port.as_str(), "8080")]);
    assert_eq!(device.model().text(&port), Some("0"));
}

#[tokio::test]
async fn habits_of_odd_clients_show_on_the_wire() {
    let acs = MiniAcs::start(&[&[&get_values(&["Device.Time."])]]).await;
    let behaviour = Behaviour {
        call_get_rpc_methods: true,
        empty_post_first: true,
        unframed_empty_post: true,
        no_cookies: true,
        untyped: true,
        no_xml_declaration: true,
        constant_id: Some("00001".into()),
        ..Behaviour::default()
    };
    let acs_url = acs.url.clone();
    let mut device = Device::new(Options { acs_url, behaviour, ..options() }).unwrap();
    let report = device.session(["2 PERIODIC"]).await;
    assert!(report.completed(), "{:?}", report.error);
    assert_eq!(report.own_calls, ["GetRPCMethods"]);
    assert_eq!(acs.names(), ["empty", "Inform", "GetRPCMethods", "empty", "GetParameterValuesResponse"]);
    let seen = acs.seen();
    assert!(seen.iter().all(|message| message.head.header("Cookie").is_none()));
    assert_eq!(seen[0].head.header("Content-Length"), None);
    assert!(seen[1].body.starts_with("<SOAP-ENV:Envelope"));
    assert!(!seen[4].body.contains("xsi:type="));
    assert!(seen[4].body.contains(">00001</cwmp:ID>"));
}

#[tokio::test]
async fn an_endless_acs_is_given_up_on() {
    let rpc = get_values(&["Device.Time."]);
    let acs = MiniAcs::start(&[&[rpc.as_str(); 5]]).await;
    let mut device = Device::new(Options { acs_url: acs.url.clone(), request_limit: 3, ..options() }).unwrap();
    let report = device.session(["2 PERIODIC"]).await;
    assert!(matches!(report.error, Some(SessionError::RequestLimit(3))));
    assert_eq!(report.rpcs().len(), 3);
}

/// A writer whose text a test can read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_transcript_shows_names_and_values() {
    let acs = MiniAcs::start(&[&[&set_values(&[("Device.WiFi.SSID.1.SSID", "xsd:string", "guest")])]]).await;
    for bodies in [false, true] {
        let text = Shared::default();
        let mut device = device_at(&acs);
        device.set_transcript(Transcript::new(text.clone(), bodies));
        device.session(["1 BOOT"]).await;
        let text = String::from_utf8(text.0.lock().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let steps: Vec<(&str, &str)> =
            lines.iter().map(|line| (line["direction"].as_str().unwrap(), line["rpc"].as_str().unwrap())).collect();
        assert_eq!(steps[..3], [("sent", "Inform"), ("received", "InformResponse"), ("sent", "empty")]);
        assert_eq!(lines[0]["arguments"]["Event"], serde_json::json!(["1 BOOT"]));
        assert_eq!(lines[0]["device"], "0A1B2C-SimCPE-SIM00000001");
        assert_eq!(lines[0].get("body").is_some(), bodies);
        if !bodies {
            assert_eq!(
                steps[3..],
                [("received", "SetParameterValues"), ("sent", "SetParameterValuesResponse"), ("received", "empty"),]
            );
            let list = &lines[3]["arguments"]["ParameterList"];
            assert_eq!(*list, serde_json::json!([["Device.WiFi.SSID.1.SSID", "guest", "xsd:string"]]));
            assert_eq!(lines[5]["status"], 204);
        }
    }
}

#[tokio::test]
async fn a_running_device_informs_periodically_until_stopped() {
    let acs = MiniAcs::start(&[]).await;
    let mut device = device_at(&acs);
    let stop = CancellationToken::new();
    let mut events = Vec::new();
    let interval = std::time::Duration::from_millis(1);
    device
        .run(["1 BOOT"], Some(interval), stop.clone(), |report| {
            events.push(report.events[0].code.clone());
            if events.len() == 3 {
                stop.cancel();
            }
        })
        .await;
    assert_eq!(events, ["1 BOOT", "2 PERIODIC", "2 PERIODIC"]);
}

//! Sessions from Inform to 204, and all the ways in which they end before (S).

use std::collections::BTreeSet;
use std::time::Duration;

use cwmp::{EndpointLimits, SessionEnd, SessionOptions};

use super::kit::*;

fn completed(device: &Device) -> Seen {
    Seen::Ended(device.id(), SessionEnd { completed: true, had_faults: false })
}

fn broken_off(device: &Device, had_faults: bool) -> Seen {
    Seen::Ended(device.id(), SessionEnd { completed: false, had_faults })
}

fn impatient() -> SessionOptions {
    SessionOptions { session_timeout: Duration::from_millis(300), ..SessionOptions::default() }
}

#[tokio::test]
async fn with_nothing_to_do_the_empty_post_ends_the_session_and_the_device_is_stored() {
    let mut server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    assert_eq!(device.inform().await.rpc(), "InformResponse");
    assert_eq!(server.seen().await, Seen::Started(device.id()));
    assert!(server.stored(&device).await.device.is_none(), "nothing is written before the end");
    assert_eq!(device.post("").await.status, 204);
    // It is written when the device hears of the end.
    assert!(server.stored(&device).await.device.is_some());
    assert_eq!(server.seen().await, completed(&device));
    assert!(!server.endpoint.is_in_session(&device.id()));
}

#[tokio::test]
async fn requests_follow_one_another_in_the_answers_to_responses() {
    let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
    let mut device = server.device("1").await;
    let first = device.begin().await;
    assert_eq!(first.rpc(), "Reboot");
    let second = device.respond(&first).await;
    assert_eq!(second.rpc(), "FactoryReset");
    assert_ne!(first.cwmp_id(), second.cwmp_id());
    assert_eq!(device.respond(&second).await.status, 204);
    assert_eq!(server.faults(&device).await, []);
}

#[tokio::test]
async fn what_is_read_is_stored() {
    let path = "Device.DeviceInfo.UpTime";
    let server = Server::start(Scripts::none().with("read", read(path))).await;
    let mut device = server.device("1").await;
    let mut answer = device.begin().await;
    while answer.status == 200 {
        let next_level = answer.text().contains("<NextLevel>1<");
        let info = |name: &str| {
            format!("<ParameterInfoStruct><Name>{name}</Name><Writable>0</Writable></ParameterInfoStruct>")
        };
        let response = match &*answer.rpc() {
            "GetParameterNames" => {
                let objects = if next_level && answer.text().contains("<ParameterPath>Device.<") {
                    info("Device.DeviceInfo.")
                } else {
                    info("Device.DeviceInfo.") + &info(path)
                };
                format!(
                    "<cwmp:GetParameterNamesResponse><ParameterList>{objects}</ParameterList></cwmp:GetParameterNamesResponse>"
                )
            }
            "GetParameterValues" => format!(
                "<cwmp:GetParameterValuesResponse><ParameterList><ParameterValueStruct><Name>{path}</Name><Value>17</Value>\
                 </ParameterValueStruct></ParameterList></cwmp:GetParameterValuesResponse>"
            ),
            other => panic!("{other}"),
        };
        answer = device.post(&envelope(answer.cwmp_id(), &response)).await;
    }
    assert_eq!(answer.status, 204);
    let tree = server.stored(&device).await.device.unwrap().full_tree();
    assert_eq!(tree.node(tree.find(path).unwrap()).typed_value().unwrap().0.to_text(), "17");
}

#[tokio::test]
async fn a_fault_concerns_its_request_only() {
    let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
    let mut device = server.device("1").await;
    let first = device.begin().await;
    let second = device.post(&fault(first.cwmp_id(), "9001")).await;
    assert_eq!(second.rpc(), "FactoryReset");
    assert_eq!(device.respond(&second).await.status, 204);
    assert_eq!(server.faults(&device).await, [("a".to_owned(), "cwmp.9001".to_owned())]);
}

#[tokio::test]
async fn an_answer_with_the_wrong_id_is_taken_since_one_request_is_outstanding() {
    for id in ["", "00001", "77"] {
        let server = Server::start(Scripts::none().with("reboot", reboot)).await;
        let mut device = server.device("1").await;
        assert_eq!(device.begin().await.rpc(), "Reboot");
        assert_eq!(device.post(&envelope(id, "<cwmp:RebootResponse/>")).await.status, 204, "{id:?}");
        assert_eq!(server.faults(&device).await, [], "{id:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_leaves_the_request_unanswered_and_the_next_one_follows() {
    let instead = [
        String::new(),
        envelope("1", "<cwmp:FactoryResetResponse/>"),
        envelope("1", "<cwmp:GetOptionsResponse/>"),
        envelope("1", "<cwmp:SetParameterValuesResponse><ParameterList/></cwmp:SetParameterValuesResponse>"),
        envelope("1", "<cwmp:GetParameterValuesResponse/>"),
        envelope("1", "<cwmp:RebootResponse/><cwmp:RebootResponse/>"),
    ];
    for instead in instead {
        let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
        let mut device = server.device("1").await;
        assert_eq!(device.begin().await.rpc(), "Reboot");
        let next = device.post(&instead).await;
        assert_eq!(next.rpc(), "FactoryReset", "{instead}");
        assert_eq!(device.respond(&next).await.status, 204);
        let faults = server.faults(&device).await;
        assert_eq!(faults.len(), 1, "{instead}: {faults:?}");
        assert_eq!(faults[0].0, "a");
    }
}

#[tokio::test]
async fn a_second_inform_ends_the_old_session_on_the_same_connection_and_on_another() {
    for same_connection in [true, false] {
        let mut server = Server::start(Scripts::none().with("reboot", reboot)).await;
        let mut old = server.device("1").await;
        let request = old.begin().await;
        assert_eq!(server.seen().await, Seen::Started(old.id()));
        let old_cookie = old.cookie.clone();
        let mut new = if same_connection { old } else { server.device("1").await };
        assert_eq!(new.inform().await.rpc(), "InformResponse");
        assert_ne!(new.cookie, old_cookie);
        assert_eq!(server.seen().await, broken_off(&new, true));
        assert_eq!(server.seen().await, Seen::Started(new.id()));
        // The old session cannot be continued.
        let mut stranger = server.device("1").await;
        stranger.cookie = old_cookie;
        let answer = stranger.respond(&request).await;
        assert_eq!((answer.status, answer.text()), (400, "Invalid session"));
        // Its request has failed; the retry is not due yet.
        assert_eq!(new.post("").await.status, 204);
        assert_eq!(server.faults(&new).await, [("reboot".to_owned(), "session_terminated".to_owned())]);
        assert_eq!(server.seen().await, completed(&new));
    }
}

#[tokio::test]
async fn a_session_goes_on_by_cookie_when_its_connection_breaks() {
    let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
    let mut device = server.device("1").await;
    device.inform().await;
    device.reconnect().await;
    let first = device.post("").await;
    assert_eq!(first.rpc(), "Reboot");
    device.reconnect().await;
    let second = device.respond(&first).await;
    assert_eq!(second.rpc(), "FactoryReset");
    device.reconnect().await;
    assert_eq!(device.respond(&second).await.status, 204);
    assert_eq!(server.faults(&device).await, []);
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_request_harms_no_session() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    let cookie = device.cookie.clone().unwrap();
    for cut in [10, 60, 150, 200] {
        let response = envelope(request.cwmp_id(), "<cwmp:RebootResponse/>");
        let whole = format!(
            "POST / HTTP/1.1\r\nHost: acs\r\nCookie: {cookie}\r\nContent-Length: {}\r\n\r\n{response}",
            response.len()
        );
        device.write(&whole.as_bytes()[..cut]).await;
        device.reconnect().await;
    }
    assert_eq!(device.respond(&request).await.status, 204);
    assert_eq!(server.faults(&device).await, []);
}

#[tokio::test]
async fn without_its_cookie_a_session_cannot_go_on_elsewhere() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    let mut other = server.device("1").await;
    let answer = other.respond(&request).await;
    assert_eq!((answer.status, answer.text(), answer.closes()), (400, "Invalid session", true));
    let mut other = server.device("1").await;
    assert_eq!(other.post("").await.status, 204, "an empty POST before an Inform means nothing");
    assert_eq!(device.respond(&request).await.status, 204, "the session was not disturbed");
}

#[tokio::test]
async fn devices_do_not_mix() {
    let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
    let (mut one, mut two) = (server.device("1").await, server.device("2").await);
    let first_of_one = one.begin().await;
    let first_of_two = two.begin().await;
    let second_of_two = two.post(&fault(first_of_two.cwmp_id(), "9002")).await;
    let second_of_one = one.respond(&first_of_one).await;
    assert_eq!((second_of_one.rpc(), second_of_two.rpc()), ("FactoryReset".into(), "FactoryReset".into()));
    assert_eq!(one.post(&fault(second_of_one.cwmp_id(), "9003")).await.status, 204);
    assert_eq!(two.respond(&second_of_two).await.status, 204);
    assert_eq!(server.faults(&one).await, [("b".to_owned(), "cwmp.9003".to_owned())]);
    assert_eq!(server.faults(&two).await, [("a".to_owned(), "cwmp.9002".to_owned())]);
}

#[tokio::test]
async fn a_silent_device_is_given_up_and_may_come_again_at_once() {
    let scripts = Scripts::none().with("reboot", reboot).options(|_| impatient());
    let mut server = Server::start(scripts).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    assert_eq!(server.seen().await, Seen::Started(device.id()));
    assert_eq!(server.seen().await, broken_off(&device, true));
    assert_eq!(server.faults(&device).await, [("reboot".to_owned(), "session_terminated".to_owned())]);
    let answer = device.respond(&request).await;
    assert_eq!((answer.status, answer.text()), (400, "Invalid session"));
    device.reconnect().await;
    assert_eq!(device.begin().await.status, 204);
}

#[tokio::test]
async fn a_device_that_only_informs_is_known_all_the_same() {
    let mut server = Server::start(Scripts::none().options(|_| impatient())).await;
    let mut device = server.device("1").await;
    device.inform().await;
    assert_eq!(server.seen().await, Seen::Started(device.id()));
    assert_eq!(server.seen().await, broken_off(&device, false));
    assert!(server.stored(&device).await.device.is_some());
}

#[tokio::test]
async fn a_device_that_asks_for_a_longer_timeout_gets_it() {
    let mut server = Server::start(Scripts::none().options(|_| impatient())).await;
    let (mut patient, mut silent) = (server.device("patient").await, server.device("silent").await);
    let header = "<cwmp:ID>1</cwmp:ID><cwmp:SessionTimeout>60</cwmp:SessionTimeout>";
    patient.post(&envelope_with(header, &inform_rpc("patient"))).await;
    silent.inform().await;
    assert_eq!(server.seen().await, Seen::Started(patient.id()));
    assert_eq!(server.seen().await, Seen::Started(silent.id()));
    assert_eq!(server.seen().await, broken_off(&silent, false));
    assert_eq!(patient.post("").await.status, 204);
    assert_eq!(server.seen().await, completed(&patient));
}

#[tokio::test]
async fn the_options_know_the_inform_and_what_is_stored() {
    let scripts = Scripts::none().options(|context| {
        let text = |path| context.parameter(path).to_text().map(|text| text.into_owned()).unwrap_or_default();
        let known = [
            text("DeviceID.ID"),
            text("DeviceID.SerialNumber"),
            text("Device.DeviceInfo.SoftwareVersion"),
            context.remote_address().unwrap_or_default().to_owned(),
            text("Device.Unknown"),
        ];
        SessionOptions { cookies_path: Some(format!("/{}", known.join("/"))), ..SessionOptions::default() }
    });
    let server = Server::start(scripts).await;
    let mut device = server.device("1").await;
    let answer = device.inform().await;
    let path = answer.cookie().unwrap().split_once("; ").unwrap().1;
    assert_eq!(path, "Path=/0A1B2C-Box-1/1/1.0/127.0.0.1/");
}

#[tokio::test]
async fn at_the_shutdown_sessions_are_ended_and_written() {
    let mut server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let (mut asked, mut informed) = (server.device("1").await, server.device("2").await);
    asked.begin().await;
    informed.inform().await;
    for _ in 0..2 {
        assert!(matches!(server.seen().await, Seen::Started(_)));
    }
    let (asked_id, informed_id, address) = (asked.id(), informed.id(), server.address);
    let (store, _directory) = server.stop().await;
    assert!(asked.closed().await.is_empty() && informed.closed().await.is_empty());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    use store::Store;
    assert_eq!(store.open_device(&asked_id).await.unwrap().faults[0].fault.code, "session_terminated");
    assert!(store.open_device(&informed_id).await.unwrap().device.is_some());
}

#[tokio::test]
async fn extensions_are_called_and_their_results_used() {
    let mut server = Server::start(Scripts::none().with("extension", extension)).await;
    let mut device = server.device("1").await;
    device.inform().await;
    assert_eq!(server.answering("gold", device.post("")).await.status, 204);
    assert!(server.stored(&device).await.device.unwrap().tags.contains_key("gold"));
}

#[tokio::test]
async fn an_extension_that_fails_or_takes_too_long_faults_its_channel() {
    for drops in [true, false] {
        let limits = EndpointLimits { extension_time: Duration::from_millis(300), ..EndpointLimits::default() };
        let mut server = Server::start_with(Scripts::none().with("extension", extension), limits).await;
        let mut device = server.device("1").await;
        device.inform().await;
        let calls = &mut server.extension_calls;
        let (answer, held) = tokio::join!(device.post(""), async {
            let call = calls.recv().await.unwrap();
            if drops { None } else { Some(call) }
        });
        drop(held);
        assert_eq!(answer.status, 204);
        assert_eq!(server.faults(&device).await, [("extension".to_owned(), "ext".to_owned())]);
    }
}

#[tokio::test]
async fn a_device_that_begins_anew_does_not_wait_for_its_old_sessions_extensions() {
    let mut server = Server::start(Scripts::none().with("extension", extension)).await;
    let mut old = server.device("1").await;
    old.inform().await;
    let mut new = server.device("1").await;
    let calls = &mut server.extension_calls;
    let (answer, (informed, held)) = tokio::join!(old.post(""), async {
        let call = calls.recv().await.unwrap();
        (new.inform().await, call)
    });
    assert_eq!((answer.status, answer.text()), (400, "Invalid session"));
    assert_eq!(informed.rpc(), "InformResponse");
    drop(held);
    assert_eq!(server.answering("gold", new.post("")).await.status, 204);
}

#[tokio::test]
async fn of_many_informs_at_a_time_one_session_is_left_and_none_overlap() {
    let mut server = Server::start(Scripts::none()).await;
    let informs: Vec<_> = (0..20)
        .map(|_| {
            let address = server.address;
            tokio::spawn(async move {
                let mut device = Device::connect(address, "1").await;
                let answer = device.inform().await;
                (device, answer.status)
            })
        })
        .collect();
    let mut devices = Vec::new();
    for inform in informs {
        let (device, status) = inform.await.unwrap();
        assert_eq!(status, 200);
        devices.push(device);
    }
    for _ in 0..19 {
        assert!(matches!(server.seen().await, Seen::Started(_)));
        assert_eq!(server.seen().await, broken_off(&devices[0], false), "the old one ends before the new one starts");
    }
    assert!(matches!(server.seen().await, Seen::Started(_)));
    let mut ended = BTreeSet::new();
    for device in &mut devices {
        assert_eq!(device.post("").await.status, 204, "the end, or nothing to say");
        ended.insert(server.endpoint.is_in_session(&device.id()));
    }
    assert!(ended.contains(&false));
    assert_eq!(server.seen().await, completed(&devices[0]));
}

//! Sessions: rows S, and H for the envelopes around them.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::kit::{Answer, Connection, Device, Inform, Server, Setup, envelope, eventually, parameter};

const UP_TIME: &str = "Device.DeviceInfo.UpTime";
const CODE: &str = "Device.DeviceInfo.ProvisioningCode";

/// A server that reads both parameters in each session, one after the other.
fn reading_twice() -> Server {
    Setup::default().config("cwmp.gpvBatchSize", "1").reading(&[CODE, UP_TIME]).start()
}

/// A device that has told of both parameters in an earlier session.
fn known(server: &Server, serial_number: &str) -> Device {
    let mut device = server.device(serial_number);
    device.inform(&["2 PERIODIC"], &[(UP_TIME, "1"), (CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    device
}

/// Answers a GetParameterValues: each name has this value.
fn tell(device: &mut Device, request: &Answer, value: &str) -> Answer {
    let values: Vec<String> = request.elements("string").iter().map(|name| parameter(name, value)).collect();
    device.answer_values(request, &values)
}

const TRANSFER_COMPLETE: &str = "<cwmp:TransferComplete><CommandKey>unknown</CommandKey><FaultStruct><FaultCode>0</FaultCode>\
     <FaultString></FaultString></FaultStruct><StartTime>0001-01-01T00:00:00Z</StartTime>\
     <CompleteTime>0001-01-01T00:00:00Z</CompleteTime></cwmp:TransferComplete>";

#[test]
fn s1_what_is_no_inform_begins_no_session() {
    let server = Server::start();
    let mut known = server.device("S1");
    known.register();
    server.task(&known.id(), json!({"name": "reboot"}));
    let first_messages = [
        envelope("1", "<cwmp:RebootResponse/>"),
        envelope("1", TRANSFER_COMPLETE),
        envelope("1", "<cwmp:GetRPCMethods/>"),
        envelope("1", "<cwmp:Nonsense/>"),
        envelope("1", "<soap-env:Fault><faultcode>Client</faultcode></soap-env:Fault>"),
        "<html>no SOAP</html>".to_owned(),
        "garbage".to_owned(),
        "<soap-env:Envelope".to_owned(),
    ];
    for message in first_messages {
        let mut stranger = server.device("S1");
        let refusal = stranger.post(&message);
        assert!(refusal.status == 400 || refusal.rpc() == "Fault", "{message}: {refusal:?}");
        assert_eq!(refusal.cookie(), None, "{message}");
        assert!(!refusal.text().contains("cwmp:Reboot>"), "{message}: {}", refusal.text());
    }
    assert_eq!(server.get("/devices").as_array().unwrap().len(), 1);
}

#[test]
fn s2_an_empty_post_before_the_inform_begins_no_session() {
    let server = Server::start();
    let mut device = server.device("S2");
    let answer = device.empty().expect_status(204);
    assert_eq!(answer.cookie(), None);
    assert!(!answer.closes());
    assert_eq!(server.get("/devices"), json!([]));
    device.register();
}

#[test]
fn s3_an_inform_is_answered_with_inform_response_alone() {
    let server = reading_twice();
    let mut device = server.device("S3");
    let inform = Inform::of("S3").parameter(UP_TIME, "1").envelope("the id &amp; more");
    let answer = device.post(&inform).expect("InformResponse");
    assert_eq!(answer.element("MaxEnvelopes").as_deref(), Some("1"));
    assert_eq!(answer.id(), "the id & more");
    assert!(answer.text().contains("<cwmp:ID soap-env:mustUnderstand=\"1\">"), "{}", answer.text());
    assert_eq!(answer.headers("Set-Cookie").len(), 1);
    let document = answer.document();
    let body = document.descendants().find(|node| node.has_tag_name((SOAP, "Body"))).unwrap();
    assert_eq!(body.children().count(), 1);
}

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

#[test]
fn s4_max_envelopes_does_not_matter() {
    let server = reading_twice();
    for (index, said) in ["0", "1", "5", "", "many", "-1"].into_iter().enumerate() {
        let mut device = known(&server, &format!("S4{index}"));
        let mut inform = Inform::of(&device.serial_number);
        inform.max_envelopes = said.to_owned();
        let mut message = inform.envelope("1");
        if said.is_empty() {
            message = message.replace("<MaxEnvelopes></MaxEnvelopes>", "");
        }
        device.post(&message).expect("InformResponse");
        let first = device.empty().expect("GetParameterValues");
        assert_eq!(first.text().matches("Envelope ").count(), 1, "{said}");
        let second = tell(&mut device, &first, "2").expect("GetParameterValues");
        tell(&mut device, &second, "2").expect_end();
    }
}

#[test]
fn s5_the_server_asks_nothing_before_the_empty_post() {
    let server = reading_twice();
    let mut device = known(&server, "S5");
    device.inform(&["7 TRANSFER COMPLETE"], &[]).expect("InformResponse");
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    device.call(TRANSFER_COMPLETE).expect("TransferCompleteResponse");
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    device.empty().expect("GetParameterValues");
}

#[test]
fn s6_with_nothing_to_do_the_session_ends_at_the_empty_post() {
    let server = Server::start();
    let mut device = server.device("S6");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    device.empty().expect_end();
    device.call("<cwmp:GetRPCMethods/>").expect_status(400);
}

#[test]
fn s7_one_request_is_outstanding_at_a_time_and_the_next_comes_with_the_answer() {
    let server = reading_twice();
    let mut device = known(&server, "S7");
    let first = device.begin().expect("GetParameterValues");
    assert_eq!(first.elements("string").len(), 1);
    let second = tell(&mut device, &first, "one").expect("GetParameterValues");
    assert_ne!(second.id(), first.id());
    assert_ne!(second.elements("string"), first.elements("string"));
    tell(&mut device, &second, "two").expect_end();
    assert_eq!(server.value(&device.id(), &first.elements("string")[0]), "one");
    assert_eq!(server.value(&device.id(), &second.elements("string")[0]), "two");
}

#[test]
fn s8_a_fault_answers_its_request_alone() {
    let server = Server::start();
    let mut device = server.device("S8");
    device.register();
    let refused = server.task(&device.id(), json!({"name": "reboot"}));
    let done = server.task(&device.id(), json!({"name": "factoryReset"}));
    let request = device.begin().expect("Reboot");
    let next = device.fault(&request, "9001").expect("FactoryReset");
    device.answer(&next, "<cwmp:FactoryResetResponse/>").expect_end();
    assert_eq!((server.task_state(&refused), server.task_state(&done)), ("faulted".into(), "accepted".into()));
    assert_eq!(server.faults(&device.id()), [(format!("task_{refused}"), "cwmp.9001".to_owned())]);
}

#[test]
fn s9_a_device_that_calls_instead_of_answering_is_answered_and_asked_again() {
    let server = reading_twice();
    let mut device = known(&server, "S9");
    let request = device.begin().expect("GetParameterValues");
    device.call(TRANSFER_COMPLETE).expect("TransferCompleteResponse");
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    let again = device.empty().expect("GetParameterValues");
    assert_eq!((again.id(), again.text()), (request.id(), request.text()));
    // It may as well answer at once after its call.
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    let next = tell(&mut device, &again, "told").expect("GetParameterValues");
    tell(&mut device, &next, "told").expect_end();
    assert_eq!(server.value(&device.id(), UP_TIME), "told");
    assert_eq!(server.value(&device.id(), CODE), "told");
    assert_eq!(server.faults(&device.id()), []);
}

#[test]
fn s10_an_empty_post_is_no_answer_and_does_not_loop() {
    let server = Server::start();
    let mut device = server.device("S10");
    device.register();
    let unanswered = server.task(&device.id(), json!({"name": "X_0A1B2C_Blink"}));
    let done = server.task(&device.id(), json!({"name": "factoryReset"}));
    device.begin().expect("X_0A1B2C_Blink");
    let next = device.empty().expect("FactoryReset");
    device.answer(&next, "<cwmp:FactoryResetResponse/>").expect_end();
    assert_eq!((server.task_state(&unanswered), server.task_state(&done)), ("faulted".into(), "accepted".into()));

    // One that calls each time instead of answering is not asked for ever either.
    let called = server.task(&device.id(), json!({"name": "X_0A1B2C_Blink", "uniqueKey": "again"}));
    let mut answer = device.begin().expect("X_0A1B2C_Blink");
    let mut asked = 0;
    while answer.rpc() == "X_0A1B2C_Blink" {
        asked += 1;
        assert!(asked < 10, "the same request comes for ever");
        device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
        answer = device.empty();
    }
    answer.expect_end();
    assert_eq!(server.task_state(&called), "faulted");
}

#[test]
fn s11_an_answer_with_a_wrong_id_or_none_is_taken() {
    let server = reading_twice();
    let mut device = known(&server, "S11");
    let mut request = device.begin().expect("GetParameterValues");
    for header in ["<cwmp:ID soap-env:mustUnderstand=\"1\">wrong</cwmp:ID>", ""] {
        let name = &request.elements("string")[0];
        let response = format!(
            "<cwmp:GetParameterValuesResponse><ParameterList>{}</ParameterList></cwmp:GetParameterValuesResponse>",
            parameter(name, "taken")
        );
        let message = crate::kit::envelope_with("urn:dslforum-org:cwmp-1-0", header, &response);
        request = device.post(&message);
    }
    request.expect_end();
    assert_eq!(server.value(&device.id(), UP_TIME), "taken");
    assert_eq!(server.value(&device.id(), CODE), "taken");
}

#[test]
fn s12_the_answer_to_another_request_is_none() {
    let server = Server::start();
    let mut device = server.device("S12");
    device.register();
    let task = server.task(&device.id(), json!({"name": "X_0A1B2C_Blink"}));
    let request = device.begin().expect("X_0A1B2C_Blink");
    let stray = [parameter(UP_TIME, "stray")];
    device.answer_values(&request, &stray).expect_end();
    assert_eq!(server.task_state(&task), "faulted");
    assert!(server.value(&device.id(), UP_TIME).is_null());
}

#[test]
fn s13_a_second_inform_ends_the_old_session() {
    let server = Server::start();
    for by_cookie in [true, false] {
        let mut device = server.device(&format!("S13{by_cookie}"));
        device.returns_cookies = by_cookie;
        device.register();
        let task = server.task(&device.id(), json!({"name": "X_0A1B2C_Blink"}));
        let request = device.begin().expect("X_0A1B2C_Blink");
        let old_cookie = device.cookie.clone();
        device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
        assert_ne!(device.cookie, old_cookie);
        // The request was under way: whether the device did it is not known. It is tried again later.
        let stored = server.stored_task(&task);
        assert_eq!(stored["state"], "faulted", "{stored}");
        assert!(stored["reason"].as_str().unwrap().contains("begun another session"), "{stored}");
        let fault = &server.get(&format!("/faults/{}:task_{task}", device.id()));
        assert!(fault["retryAt"].is_string(), "{fault}");
        device.empty().expect_end();
        device.answer(&request, "<cwmp:X_0A1B2C_BlinkResponse/>").expect_status(400);
    }
}

#[test]
fn s14_the_newest_session_of_a_device_wins() {
    let server = reading_twice();
    let (mut old, mut new) = (known(&server, "S14"), server.device("S14"));
    old.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let first = new.begin().expect("GetParameterValues");
    old.empty().expect_status(204);
    let second = tell(&mut new, &first, "new").expect("GetParameterValues");
    old.answer_values(&first, &[parameter(&first.elements("string")[0], "old")]).expect_status(400);
    tell(&mut new, &second, "new").expect_end();
    assert_eq!(server.value(&new.id(), UP_TIME), "new");
    assert_eq!(server.value(&new.id(), CODE), "new");

    // All at the same time: a task is done once.
    let task = server.task(&new.id(), json!({"name": "factoryReset"}));
    let inform = Inform::of("S14").envelope("1");
    let mut devices: Vec<Device> = (0..8).map(|_| server.device("S14")).collect();
    for device in &mut devices {
        let request = device.request("", inform.as_bytes());
        device.connection.write(request);
    }
    for device in &mut devices {
        device.receive().expect("InformResponse");
    }
    let mut resets = 0;
    for device in &mut devices {
        let mut answer = device.empty();
        while answer.status == 200 {
            answer = match answer.rpc().as_str() {
                "FactoryReset" => {
                    resets += 1;
                    device.answer(&answer, "<cwmp:FactoryResetResponse/>")
                }
                _ => tell(device, &answer, "x"),
            };
        }
    }
    assert_eq!((resets, server.task_state(&task)), (1, "accepted".to_owned()));
}

#[test]
fn s15_a_session_goes_on_by_its_cookie_on_another_connection() {
    let server = reading_twice();
    let mut device = known(&server, "S15");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    device.reconnect();
    let first = device.empty().expect("GetParameterValues");
    device.reconnect();
    let second = tell(&mut device, &first, "moved").expect("GetParameterValues");
    device.reconnect();
    tell(&mut device, &second, "moved").expect_end();
    assert_eq!(server.value(&device.id(), UP_TIME), "moved");
}

#[test]
fn s16_a_new_connection_without_the_cookie_is_a_stranger() {
    let server = Setup::default().config("cwmp.sessionTimeout", "1").start();
    let mut device = server.device("S16");
    device.register();
    let task = server.task(&device.id(), json!({"name": "X_0A1B2C_Blink"}));
    let request = device.begin().expect("X_0A1B2C_Blink");
    device.returns_cookies = false;
    device.reconnect();
    device.answer(&request, "<cwmp:X_0A1B2C_BlinkResponse/>").expect_status(400);
    device.reconnect();
    device.empty().expect_status(204);
    eventually("the old session to expire", || server.task_state(&task) == "faulted");
}

#[test]
fn s17_a_silent_device_loses_its_session_and_may_inform_at_once() {
    let server = Setup::default().config("cwmp.sessionTimeout", "1").start();
    let (mut patient, mut silent) = (server.device("S17P"), server.device("S17"));
    for device in [&mut patient, &mut silent] {
        device.register();
    }
    let task = server.task(&silent.id(), json!({"name": "X_0A1B2C_Blink"}));
    let longer = "<cwmp:SessionTimeout soap-env:mustUnderstand=\"0\">600</cwmp:SessionTimeout>";
    patient.send_inform(&Inform::of("S17P").header(longer)).expect("InformResponse");
    let request = silent.begin().expect("X_0A1B2C_Blink");
    eventually("the silent device's session to end", || server.task_state(&task) == "faulted");
    silent.reconnect();
    silent.answer(&request, "<cwmp:X_0A1B2C_BlinkResponse/>").expect_status(400);
    silent.reconnect();
    silent.register();
    // Who has asked for more time has it.
    patient.empty().expect_end();
}

/// An extension that takes a connection and never answers, with the script that calls it.
fn silent_extension(timeout_ms: u64) -> (TcpListener, Setup) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let script = "let told = ext(\"oracle\", \"lookup\"); declare(\"Tags.told\", (), #{value: true});";
    let extensions =
        format!("[extensions]\ntimeout-ms = {timeout_ms}\n[extensions.endpoints.oracle]\nurl = \"{url}\"\n");
    (listener, Setup::default().script("oracle", script).config_file(&extensions))
}

#[test]
fn s18_the_server_is_not_silent_for_longer_than_the_device_allows() {
    let (_listener, setup) = silent_extension(600_000);
    let server = setup.start();
    let mut device = server.device("S18");
    let shorter = "<cwmp:SessionTimeout soap-env:mustUnderstand=\"0\">2</cwmp:SessionTimeout>";
    device.send_inform(&Inform::of("S18").header(shorter)).expect("InformResponse");
    device.connection.set_patience(Duration::from_secs(2));
    device.empty().expect_end();
    assert_eq!(server.faults(&device.id()), [("default".to_owned(), "timeout".to_owned())]);
}

#[test]
fn s19_a_slow_extension_costs_its_script_and_not_the_session() {
    let (_listener, setup) = silent_extension(300);
    let server = setup.start();
    let mut device = server.device("S19");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    device.empty().expect_end();
    assert_eq!(server.faults(&device.id()).len(), 1, "{:?}", server.faults(&device.id()));
    assert_eq!(server.stored(&device.id())["_tags"], json!([]));
}

#[test]
fn s20_large_answers_are_taken_within_limits() {
    const PARAMETERS: usize = 20_000;
    let script = "declare(\"Device.Log.*.Text\", #{value: 1});";
    let server = Setup::default().config("cwmp.gpvBatchSize", "100000").script("log", script).start();
    let mut device = server.device("S20");
    device.inform(&["2 PERIODIC"], &[("Device.Log.1.Text", "x")]).expect("InformResponse");
    let mut request = device.empty();
    let padding = "x".repeat(100);
    while request.rpc() == "GetParameterNames" {
        let mut names = vec![("Device.Log.".to_owned(), true)];
        for index in 1..=PARAMETERS {
            names.push((format!("Device.Log.{index}."), true));
            names.push((format!("Device.Log.{index}.Text"), false));
        }
        let names: Vec<(&str, bool)> = names.iter().map(|(name, writable)| (name.as_str(), *writable)).collect();
        request = device.answer_names(&request, &names);
    }
    let mut told = 0;
    while request.rpc() == "GetParameterValues" {
        let asked = request.elements("string");
        told += asked.len();
        let values: Vec<String> = asked.iter().map(|name| parameter(name, &padding)).collect();
        request = device.answer_values(&request, &values);
    }
    request.expect_end();
    assert_eq!(told, PARAMETERS - 1, "all but the one that the Inform told");
    assert_eq!(server.value(&device.id(), &format!("Device.Log.{PARAMETERS}.Text")), padding);

    // A body that is announced larger than any limit is refused at once, and its session is over.
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let cookie = device.cookie.clone().unwrap();
    let head = format!("POST /acs HTTP/1.1\r\nHost: acs\r\nCookie: {cookie}\r\nContent-Length: 10000000000\r\n\r\n");
    let refusal = device.connection.send(head).expect_status(413);
    assert!(refusal.text().contains("exceeds"), "{}", refusal.text());
    device.reconnect();
    device.call("<cwmp:GetRPCMethods/>").expect_status(400);
}

#[test]
fn s21_after_a_restart_old_cookies_are_worth_nothing_and_no_task_is_lost() {
    let mut server = Server::start();
    let mut device = server.device("S21");
    device.register();
    let under_way = server.task(&device.id(), json!({"name": "reboot"}));
    let waiting = server.task(&device.id(), json!({"name": "factoryReset"}));
    let request = device.begin().expect("Reboot");
    server.restart();
    device.address = server.cwmp();
    device.reconnect();
    device.answer(&request, "<cwmp:RebootResponse/>").expect_status(400);
    device.reconnect();
    // Whether the device rebooted is not known: it is not sent again; the other one runs now.
    let next = device.begin().expect("FactoryReset");
    device.answer(&next, "<cwmp:FactoryResetResponse/>").expect_end();
    assert_eq!((server.task_state(&under_way), server.task_state(&waiting)), ("accepted".into(), "accepted".into()));
    device.begin().expect_end();
}

#[test]
fn s22_the_closing_empty_post_gets_204_and_the_connection_stays() {
    let server = reading_twice();
    let mut device = known(&server, "S22");
    let first = device.begin().expect("GetParameterValues");
    let second = tell(&mut device, &first, "x").expect("GetParameterValues");
    let end = tell(&mut device, &second, "x").expect_status(204);
    assert!(!end.closes());
    // A device that sends one empty POST more to close hears the same.
    device.empty().expect_status(204);
    device.begin();
}

#[test]
fn h1_the_server_never_asks_a_device_to_hold_its_requests() {
    let server = reading_twice();
    let mut device = known(&server, "H1");
    let mut heard = vec![device.inform(&["2 PERIODIC"], &[])];
    heard.push(device.call("<cwmp:GetRPCMethods/>"));
    let request = device.empty().expect("GetParameterValues");
    heard.push(device.call("<cwmp:GetRPCMethods/>"));
    heard.push(device.empty());
    heard.push(tell(&mut device, &request, "x"));
    for answer in heard {
        assert!(!answer.text().contains("HoldRequests"), "{}", answer.text());
    }
}

#[test]
fn h2_hold_requests_from_a_device_is_ignored() {
    let server = reading_twice();
    let mut device = known(&server, "H2");
    let hold = "<cwmp:HoldRequests soap-env:mustUnderstand=\"1\">1</cwmp:HoldRequests>";
    let inform = Inform::of("H2").header(hold);
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect("GetParameterValues");
}

#[test]
fn h3_no_more_requests_is_ignored() {
    let server = reading_twice();
    let mut device = known(&server, "H3");
    let no_more = "<cwmp:NoMoreRequests soap-env:mustUnderstand=\"1\">1</cwmp:NoMoreRequests>";
    let inform = Inform::of("H3").header(no_more);
    device.send_inform(&inform).expect("InformResponse");
    // It even may call all the same.
    device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse");
    device.empty().expect("GetParameterValues");
}

#[test]
fn h4_several_envelopes_in_one_body_are_refused() {
    let server = Server::start();
    let inform = Inform::of("H4").envelope("1");
    server.device("H4").post(&inform.repeat(2)).expect_status(400);
    let mut device = server.device("H4");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let call = device.envelope("1", "<cwmp:GetRPCMethods/>");
    device.post(&call.repeat(2)).expect_status(400);
    device.reconnect();
    device.register();
}

#[test]
fn h5_a_body_with_two_rpcs_is_refused() {
    let server = Server::start();
    let two = format!("{}<cwmp:GetRPCMethods/>", Inform::of("H5").rpc());
    let refusal = server.device("H5").post(&envelope("1", &two)).expect_fault("8003");
    assert_eq!(refusal.cookie(), None);
    let mut device = server.device("H5");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    device.call("<cwmp:GetRPCMethods/><cwmp:GetRPCMethods/>").expect_fault("8003");
    device.empty().expect_end();
    // Nothing of that disturbs who comes next on a plain connection.
    Connection::open(server.cwmp());
    device.register();
}

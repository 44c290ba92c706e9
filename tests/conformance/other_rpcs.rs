//! Other RPCs: rows O.

use serde_json::json;

use crate::kit::{Device, Inform, Server, Setup};

fn known(server: &Server, serial_number: &str) -> Device {
    let mut device = server.device(serial_number);
    device.register();
    device
}

#[test]
fn o1_a_reboot_is_sent_once_and_confirmed_by_its_events() {
    let server = Setup::default().config("cwmp.confirmationTimeout", "1").start();
    // Sent, answered, confirmed.
    let mut device = known(&server, "O1");
    let task = server.task(&device.id(), json!({"name": "reboot"}));
    let request = device.begin().expect("Reboot");
    let key = request.element("CommandKey").unwrap();
    assert!(!key.is_empty());
    device.answer(&request, "<cwmp:RebootResponse/>").expect_end();
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "accepted", "{stored}");
    let inform = Inform::of("O1").events(&["1 BOOT"]).event("M Reboot", &key);
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect_end();
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "done", "{stored}");
    assert!(stored["reason"].as_str().unwrap().contains("M Reboot"), "{stored}");

    // Sent, and the session breaks off before the answer: never a second time.
    let mut device = known(&server, "O1b");
    let task = server.task(&device.id(), json!({"name": "reboot"}));
    device.begin().expect("Reboot");
    device.reconnect();
    device.begin().expect_end();
    // Nothing confirms it in time.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    device.begin().expect_end();
    let stored = server.stored_task(&task);
    assert_eq!(stored["state"], "unknown", "{stored}");
    assert_eq!(server.faults(&device.id()), []);
}

#[test]
fn o2_a_factory_reset_has_no_key_and_ends_with_a_bootstrap() {
    let server = Server::start();
    let mut device = known(&server, "O2");
    let task = server.task(&device.id(), json!({"name": "factoryReset"}));
    let request = device.begin().expect("FactoryReset");
    assert_eq!(request.elements("CommandKey"), Vec::<String>::new());
    device.answer(&request, "<cwmp:FactoryResetResponse/>").expect_end();
    assert_eq!(server.task_state(&task), "accepted");
    device.inform(&["0 BOOTSTRAP", "1 BOOT"], &[]).expect("InformResponse");
    device.empty().expect_end();
    assert_eq!(server.task_state(&task), "done");
}

#[test]
fn o3_a_scheduled_inform_is_confirmed_by_its_event() {
    let server = Server::start();
    let mut device = known(&server, "O3");
    let none = json!({"name": "scheduleInform", "delaySeconds": 0}).to_string();
    server.request("POST", &format!("/devices/{}/tasks", device.id()), &none).expect_status(400);
    let task = server.task(&device.id(), json!({"name": "scheduleInform", "delaySeconds": 30}));
    let request = device.begin().expect("ScheduleInform");
    assert_eq!(request.element("DelaySeconds").unwrap(), "30");
    device.answer(&request, "<cwmp:ScheduleInformResponse/>").expect_end();
    assert_eq!(server.task_state(&task), "accepted");
    let key = request.element("CommandKey").unwrap();
    let inform = Inform::of("O3").events(&["3 SCHEDULED"]).event("M ScheduleInform", &key);
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect_end();
    assert_eq!(server.task_state(&task), "done");
}

#[test]
fn o4_kicked_is_offered_only_when_it_is_configured() {
    let kicked = "<cwmp:Kicked><Command>c</Command><Referer>r</Referer><Arg>a</Arg><Next>n</Next></cwmp:Kicked>";
    let listed = |device: &mut Device| {
        let methods = device.call("<cwmp:GetRPCMethods/>").expect("GetRPCMethodsResponse").elements("string");
        methods.contains(&"Kicked".to_owned())
    };
    let server = Server::start();
    let mut device = server.device("O4");
    device.inform(&["5 KICKED"], &[]).expect("InformResponse");
    device.call(kicked).expect_fault("8000");
    assert!(!listed(&mut device));
    device.empty().expect_end();

    let server = Setup::default().config("cwmp.kickedNextUrl", "'http://portal.example/'").start();
    let mut device = server.device("O4");
    device.inform(&["5 KICKED"], &[]).expect("InformResponse");
    let answer = device.call(kicked).expect("KickedResponse");
    assert_eq!(answer.element("NextURL").unwrap(), "http://portal.example/");
    assert!(listed(&mut device));
    device.empty().expect_end();
    assert_eq!(server.outbox("device.kicked")[0]["command"], "c");
}

#[test]
fn o5_vouchers_and_options_are_sent_and_their_refusal_is_tolerated() {
    let server = Server::start();
    let mut device = known(&server, "O5");
    let vouchers = server.task(&device.id(), json!({"name": "setVouchers", "voucherList": ["QUJD", "REVG"]}));
    let options = server.task(&device.id(), json!({"name": "getOptions", "optionName": "IPTV"}));
    let request = device.begin().expect("SetVouchers");
    assert_eq!(request.elements("base64"), ["QUJD", "REVG"]);
    let request = device.answer(&request, "<cwmp:SetVouchersResponse/>").expect("GetOptions");
    let response = "<cwmp:GetOptionsResponse><OptionList soap-enc:arrayType=\"cwmp:OptionStruct[1]\"><OptionStruct>\
        <OptionName>IPTV</OptionName><VoucherSN>7</VoucherSN><State>1</State><Mode>2</Mode>\
        <StartDate>2026-01-01T00:00:00Z</StartDate><IsTransferable>0</IsTransferable></OptionStruct></OptionList>\
        </cwmp:GetOptionsResponse>";
    device.answer(&request, response).expect_end();
    assert_eq!(server.task_state(&vouchers), "done");
    let stored = server.stored_task(&options);
    assert_eq!((&stored["state"], &stored["result"]["options"][0]["voucherSN"]), (&json!("done"), &json!(7)));

    let refused = server.task(&device.id(), json!({"name": "getOptions"}));
    let request = device.begin().expect("GetOptions");
    device.fault(&request, "9000").expect_end();
    assert_eq!(server.task_state(&refused), "faulted");
    device.begin().expect_end();
}

#[test]
fn o6_a_vendors_rpc_is_passed_through_and_its_raw_answer_shown() {
    let server = Server::start();
    let mut device = known(&server, "O6");
    let arguments = json!({"Host": "a<b", "Options": {"Count": 3, "Item": ["x", "y"]}});
    let task = server.task(&device.id(), json!({"name": "X_0A1B2C_Probe", "arguments": arguments}));
    let request = device.begin().expect("X_0A1B2C_Probe");
    let expected = "<Host>a&lt;b</Host><Options><Count>3</Count><Item>x</Item><Item>y</Item></Options>";
    assert!(request.text().contains(expected), "{}", request.text());
    let answer = "<Trip unit=\"ms\">5</Trip><Note>a &amp; b</Note>";
    device
        .answer(&request, &format!("<cwmp:X_0A1B2C_ProbeResponse>{answer}</cwmp:X_0A1B2C_ProbeResponse>"))
        .expect_end();
    let stored = server.stored_task(&task);
    assert_eq!((&stored["state"], &stored["result"]["xml"]), (&json!("done"), &json!(answer)), "{stored}");
    for name in ["Y_Probe", "X_0A1B2C Probe"] {
        let task = json!({ "name": name }).to_string();
        server.request("POST", &format!("/devices/{}/tasks", device.id()), &task).expect_status(400);
    }
}

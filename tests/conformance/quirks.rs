//! Habits of real devices: each is played by a simulated device, which goes through discovery, sets and a task; then what is stored is
//! looked at.

use serde_json::json;
use sim::habits::clients::Client;
use sim::habits::quirks::Quirk;

use crate::kit::{Server, Setup, eventually};

const CODE: &str = "Device.DeviceInfo.ProvisioningCode";
const INTERVAL: &str = "Device.ManagementServer.PeriodicInformInterval";

/// The presets of a new installation, and one that sets a value.
fn setup() -> Setup {
    let script = format!("declare(\"{INTERVAL}\", (), #{{value: [1234, \"xsd:unsignedInt\"]}});");
    Setup::default().seeds().script("interval", &script)
}

fn serial(quirk: Quirk) -> String {
    quirk.to_string().replace('.', "v").to_uppercase()
}

fn id(quirk: Quirk) -> String {
    format!("0A1B2C-SimCPE-{}", serial(quirk))
}

fn device(server: &Server, quirk: Quirk, change: impl FnOnce(&mut sim::Options)) -> sim::Device {
    server.simulated(&serial(quirk), |options| {
        options.quirks = vec![quirk];
        options.reboot_milliseconds = 1;
        change(options);
    })
}

/// First contact, a task that sets, and a reboot: all must work as with any other device.
fn journey(server: &Server, quirk: Quirk, device: &mut sim::Device) {
    let id = id(quirk);
    let first = server.session(device, &["0 BOOTSTRAP", "1 BOOT"]);
    assert!(!first.names_read().is_empty(), "{quirk}: nothing was discovered");
    for path in ["Device.DeviceInfo.SoftwareVersion", "Device.WiFi.SSID.1.SSID", "Device.DeviceInfo.ModelName"] {
        let (stored, real) = (server.value(&id, path), device.model().text(path).map(str::to_owned));
        assert_eq!(stored.as_str(), real.as_deref(), "{quirk}: {path}");
    }
    assert_eq!(device.model().text(INTERVAL), Some("1234"), "{quirk}");

    let set = server.task(&id, json!({"name": "setParameterValues", "parameterValues": [[CODE, "Köln & <b>"]]}));
    let reboot = server.task(&id, json!({"name": "reboot"}));
    server.session(device, &["2 PERIODIC"]);
    assert_eq!(device.model().text(CODE), Some("Köln & <b>"), "{quirk}");
    assert_eq!(server.value(&id, CODE), "Köln & <b>", "{quirk}");
    let states = (server.task_state(&set), server.task_state(&reboot));
    assert_eq!(states, ("done".to_owned(), "accepted".to_owned()), "{quirk}");
    assert_eq!(server.faults(&id), [], "{quirk}");
}

/// All variants of a quirk that disturb nothing.
fn harmless(number: u8) {
    let server = setup().start();
    for quirk in Quirk::variants(number) {
        let mut device = device(&server, quirk, |_| {});
        journey(&server, quirk, &mut device);
    }
}

/// The same at a server that wants credentials by Digest.
fn authenticated(number: u8) {
    let server = setup().config("cwmp.auth", "AUTH('acs', 'sesame')").start();
    for quirk in Quirk::variants(number) {
        let mut device = device(&server, quirk, |options| {
            (options.username, options.password) = ("acs".into(), "sesame".into());
        });
        journey(&server, quirk, &mut device);
        // Who does not know the password is still kept out.
        let mut stranger = server.simulated("STRANGER", |options| {
            options.quirks = vec![quirk];
            (options.username, options.password) = ("acs".into(), "guess".into());
        });
        let report = server.run(stranger.session(["1 BOOT"]));
        assert!(!report.completed(), "{quirk}");
        assert!(server.stored("0A1B2C-SimCPE-STRANGER").is_null(), "{quirk}");
    }
}

fn rule(text: &str) -> sim::FaultRule {
    sim::FaultRule::parse(text).unwrap()
}

fn one(number: u8) -> Quirk {
    Quirk::variants(number).next().unwrap()
}

#[test]
fn q01_empty_posts_without_framing() {
    harmless(1);
}

#[test]
fn q02_an_empty_post_before_the_inform() {
    harmless(2);
    authenticated(2);
}

#[test]
fn q03_an_empty_post_before_each_message_until_a_challenge_comes() {
    authenticated(3);
    // Without a challenge the device throws away what it is asked: requests count as unanswered, but nothing breaks.
    let server = setup().start();
    let mut device = device(&server, one(3), |options| options.username = "acs".into());
    server.run(device.session(["1 BOOT"]));
    assert_eq!(server.value(&id(one(3)), "Device.DeviceInfo.SoftwareVersion"), "4.0.7");
    server.device("Q03").begin();
}

#[test]
fn q04_an_empty_post_instead_of_an_answer() {
    let script = format!("declare(\"{CODE}\", #{{notification: now()}}, #{{notification: 1}});");
    let server = setup().preset("notify", json!({"channel": "notify"}), &script).start();
    let mut device = device(&server, one(4), |_| {});
    let report = server.session(&mut device, &["0 BOOTSTRAP", "1 BOOT"]);
    let asked = report.rpcs().iter().filter(|rpc| rpc.ends_with("ParameterAttributes")).count();
    assert!((1..=4).contains(&asked), "{:?}", report.rpcs());
    // The channel that asked has failed; everything else was done.
    let faults = server.faults(&id(one(4)));
    assert!(faults.iter().all(|(channel, _)| channel == "notify") && faults.len() <= 1, "{faults:?}");
    assert_eq!(device.model().text(INTERVAL), Some("1234"));
    assert_eq!(server.value(&id(one(4)), "Device.DeviceInfo.SoftwareVersion"), "4.0.7");
}

#[test]
fn q05_credentials_with_bodies_only() {
    authenticated(5);
}

#[test]
fn q06_odd_digests() {
    authenticated(6);
}

#[test]
fn q07_basic_credentials_that_nobody_asked_for() {
    let server = setup().start();
    let mut device = device(&server, one(7), |options| options.username = "anyone".into());
    journey(&server, one(7), &mut device);
    authenticated(7);
}

#[test]
fn q08_cookies_in_all_their_states() {
    harmless(8);
}

#[test]
fn q09_any_content_type() {
    harmless(9);
}

#[test]
fn q10_any_soap_action() {
    harmless(10);
}

#[test]
fn q11_a_content_length_that_is_too_small() {
    let server = setup().start();
    let mut device = device(&server, one(11), |_| {});
    let report = server.run(device.session(["1 BOOT"]));
    assert!(!report.completed(), "{report:?}");
    assert!(server.stored(&id(one(11))).is_null());
    // The same device with text that its arithmetic can bear.
    assert!(device.change_value(CODE, "plain"));
    server.session(&mut device, &["1 BOOT"]);
    assert_eq!(server.value(&id(one(11)), CODE), "plain");
}

#[test]
fn q12_bodies_that_wait_for_100_continue() {
    harmless(12);
}

#[test]
fn q13_connections_without_a_byte() {
    harmless(13);
}

#[test]
fn q14_a_connection_per_request() {
    harmless(14);
}

#[test]
fn q15_death_in_mid_session() {
    let server = setup().config("cwmp.retryDelay", "1").start();
    let mut device = device(&server, one(15), |_| {});
    let died = server.run(device.session(["1 BOOT"]));
    assert!(!died.completed());
    // It is back at once, as if nothing had been.
    let back = server.session(&mut device, &["1 BOOT"]);
    assert!(back.informed);
    let stored = server.stored(&id(one(15)));
    assert_eq!(stored["_retryCount"], 0);
    // What was running is tried again when its time has come.
    eventually("the interrupted presets to be done", || {
        server.session(&mut device, &["2 PERIODIC"]);
        device.model().text(INTERVAL) == Some("1234")
    });
    assert_eq!(server.faults(&id(one(15))), []);
    assert!(server.value(&id(one(15)), "Device.WiFi.SSID.1.SSID").is_string());
}

#[test]
fn q16_any_prefixes() {
    harmless(16);
}

#[test]
fn q17_namespaces_that_are_missing_or_wrong() {
    harmless(17);
    // The fault with an undeclared prefix.
    let server = setup().start();
    let quirk: Quirk = "q17.4".parse().unwrap();
    let mut device = device(&server, quirk, |options| options.faults.push(rule("Reboot=9001")));
    server.session(&mut device, &["1 BOOT"]);
    let task = server.task(&id(quirk), json!({"name": "reboot"}));
    server.session(&mut device, &["2 PERIODIC"]);
    assert_eq!(server.faults(&id(quirk)), [(format!("task_{task}"), "cwmp.9001".to_owned())]);
}

#[test]
fn q18_xml_schema_of_1999() {
    harmless(18);
}

#[test]
fn q19_array_types_that_are_missing_or_wrong() {
    harmless(19);
}

#[test]
fn q20_value_types_that_are_missing_or_meaningless() {
    harmless(20);
}

#[test]
fn q21_ids_that_are_missing_or_constant() {
    harmless(21);
}

#[test]
fn q22_text_without_escapes() {
    let server = setup().start();
    let mut device = device(&server, one(22), |_| {});
    // The Inform tells the value: it cannot be read, and nothing is kept of it.
    let report = server.run(device.session(["1 BOOT"]));
    assert!(!report.completed(), "{report:?}");
    assert!(server.stored(&id(one(22))).is_null());
    // Then the value is one that only is read: that fails, and is not repeated for ever.
    let ssid = "Device.WiFi.SSID.1.SSID";
    assert!(device.change_value(CODE, "plain") && device.change_value(ssid, "A&B <x>"));
    let mut sessions = 0;
    loop {
        let report = server.run(device.session(["2 PERIODIC"]));
        sessions += 1;
        assert!(sessions < 10 && report.rpcs().len() < 100, "{report:?}");
        if report.completed() {
            break;
        }
    }
    assert_eq!(server.value(&id(one(22)), CODE), "plain");
    assert!(!server.faults(&id(one(22))).is_empty());
    server.device("Q22").begin();
}

#[test]
fn q23_white_space_and_declarations() {
    harmless(23);
}

#[test]
fn q24_empty_elements() {
    harmless(24);
}

#[test]
fn q25_elements_in_another_order() {
    harmless(25);
    download(one(25));
}

#[test]
fn q26_events_that_are_missing_or_odd() {
    harmless(26);
    for variant in ["q26.4", "q26.5"] {
        download(variant.parse().unwrap());
    }
    let server = setup().start();
    let quirk: Quirk = "q26.2".parse().unwrap();
    let mut device = device(&server, quirk, |_| {});
    server.session(&mut device, &["1 BOOT"]);
    assert_eq!(server.stored(&id(quirk))["_events"], json!(["1 Boot"]));
}

#[test]
fn q27_times_in_every_spelling() {
    harmless(27);
    download("q27.4".parse().unwrap());
    // Without a zone UTC is meant; all spellings are the same time.
    let server = setup().start();
    for quirk in Quirk::variants(27) {
        let mut device = device(&server, quirk, |_| {});
        server.session(&mut device, &["1 BOOT"]);
        let stored = server.stored(&id(quirk));
        assert!(
            stored["_clockSkew"].as_i64().is_some_and(|skew| skew.abs() < 600),
            "{quirk}: {}",
            stored["_clockSkew"]
        );
    }
}

#[test]
fn q28_booleans_in_every_spelling() {
    harmless(28);
    let server = setup().start();
    for quirk in Quirk::variants(28) {
        let mut device = device(&server, quirk, |_| {});
        server.session(&mut device, &["1 BOOT"]);
        assert_eq!(server.value(&id(quirk), "Device.ManagementServer.PeriodicInformEnable"), true, "{quirk}");
    }
}

#[test]
fn q29_faults_in_odd_places() {
    for quirk in Quirk::variants(29) {
        let server = setup().start();
        let mut device = device(&server, quirk, |options| {
            options.faults.push(rule(&format!("SetParameterValues@{CODE}=9007")));
        });
        server.session(&mut device, &["1 BOOT"]);
        let task = server.task(&id(quirk), json!({"name": "setParameterValues", "parameterValues": [[CODE, "x"]]}));
        server.session(&mut device, &["2 PERIODIC"]);
        let faults = server.faults(&id(quirk));
        assert_eq!(faults.len(), 1, "{quirk}: {faults:?}");
        assert_eq!(faults[0], (format!("task_{task}"), "cwmp.9003".to_owned()), "{quirk}");
        let fault = server.get(&format!("/faults/{}:task_{task}", id(quirk)));
        assert!(fault["message"].as_str().unwrap().contains(CODE), "{quirk}: {fault}");
    }
}

#[test]
fn q30_answers_that_belong_to_something_else() {
    let server = setup().start();
    let quirk = one(30);
    let mut set = device(&server, quirk, |_| {});
    // The value is set, but the answer does not say so: the request has failed, and the session goes on.
    server.session(&mut set, &["1 BOOT"]);
    assert_eq!(server.value(&id(quirk), "Device.DeviceInfo.SoftwareVersion"), "4.0.7");
    assert!(!server.faults(&id(quirk)).is_empty());
    for variant in ["q30.2", "q30.3"] {
        let quirk: Quirk = variant.parse().unwrap();
        let mut device = device(&server, quirk, |_| {});
        server.session(&mut device, &["1 BOOT"]);
        let task = server.task(&id(quirk), json!({"name": "addObject", "objectName": "Device.NAT.PortMapping"}));
        server.session(&mut device, &["2 PERIODIC"]);
        assert_eq!(server.task_state(&task), "faulted", "{quirk}");
        let faults = server.faults(&id(quirk));
        assert_eq!(faults, [(format!("task_{task}"), "instance_not_added".to_owned())], "{quirk}");
        for number in ["0", "-7"] {
            assert!(server.parameter(&id(quirk), &format!("Device.NAT.PortMapping.{number}")).is_null(), "{quirk}");
        }
    }
}

#[test]
fn q31_responses_of_later_versions_in_the_namespace_of_1_0() {
    harmless(31);
    for response in ["GetAllQueuedTransfersResponse", "ScheduleDownloadResponse", "CancelTransferResponse"] {
        let list = if response.starts_with("GetAll") { "<TransferList/>" } else { "" };
        let message = crate::kit::envelope("1", &format!("<cwmp:{response}>{list}</cwmp:{response}>"));
        let read = cwmp::soap::parse(&message).unwrap();
        assert!(matches!(read.body, cwmp::soap::Message::Response(_)), "{response}: {:?}", read.body);
        assert_eq!(read.body.name(), response);
    }
}

#[test]
fn q32_a_request_that_is_never_answered() {
    let server = setup().config("cwmp.sessionTimeout", "1").start();
    let quirk = one(32);
    let mut device = device(&server, quirk, |options| options.hang_milliseconds = 20_000);
    server.session(&mut device, &["1 BOOT"]);
    let task = server.task(&id(quirk), json!({"name": "getOptions"}));
    let report = server.run(device.session(["2 PERIODIC"]));
    assert!(!report.completed());
    eventually("the session's end", || server.task_state(&task) == "faulted");
    assert_eq!(server.faults(&id(quirk)), [(format!("task_{task}"), "session_terminated".to_owned())]);
    server.session(&mut device, &["2 PERIODIC"]);
}

/// A download that the device reports in its own way is known to be done.
fn download(quirk: Quirk) {
    let server = setup().start();
    server.request("PUT", "/files/settings.cfg", "content").expect_status(201);
    let mut device = device(&server, quirk, |_| {});
    server.session(&mut device, &["1 BOOT"]);
    let task = server.task(
        &id(quirk),
        json!({"name": "download", "fileType": "3 Vendor Configuration File", "fileName": "settings.cfg"}),
    );
    server.session(&mut device, &["2 PERIODIC"]);
    while let Some(report) = server.run(device.follow_up()) {
        assert!(report.completed(), "{quirk}: {report:?}");
    }
    assert_eq!(device.files().len(), 1, "{quirk}");
    assert_eq!(server.task_state(&task), "done", "{quirk}");
    assert_eq!(server.faults(&id(quirk)), [], "{quirk}");
    assert_eq!(server.get("/operations"), json!([]), "{quirk}: the TransferComplete was not matched");
}

/// Every known program goes on the same journey.
#[test]
fn q16_and_all_others_together_in_known_programs() {
    let server = setup().config("cwmp.sessionTimeout", "5").start();
    for client in Client::ALL {
        let serial = client.name().replace('-', "");
        let mut device = server.simulated(&serial, |options| {
            options.client = Some(client);
            options.behaviour.lenient_types = true;
        });
        let report = server.run(device.session(["0 BOOTSTRAP", "1 BOOT"]));
        assert!(report.completed(), "{client}: {report:?}");
        let stored = server.value(&format!("0A1B2C-SimCPE-{serial}"), "Device.DeviceInfo.SoftwareVersion");
        assert_eq!(stored, "4.0.7", "{client}");
        let ssid = server.value(&format!("0A1B2C-SimCPE-{serial}"), "Device.WiFi.SSID.1.SSID");
        assert!(ssid.is_string(), "{client}");
    }
}

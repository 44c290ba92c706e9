//! Inform and its events: rows E.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value as Json, json};
use sim::model::Node;
use sim::value::{Value, XsdType};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::kit::{Connection, Inform, Server, Setup, eventually, parameter};

const CODE: &str = "Device.DeviceInfo.ProvisioningCode";

/// Tags the device in the sessions that a preset is for.
fn tagging(setup: Setup, name: &str, preset: Json) -> Setup {
    setup.preset(name, preset, &format!("declare(\"Tags.{name}\", (), #{{value: true}});"))
}

fn tags(server: &Server, device: &str) -> Vec<String> {
    let tags = server.stored(device)["_tags"].clone();
    let mut tags: Vec<String> = serde_json::from_value(tags).unwrap();
    tags.sort();
    tags
}

#[test]
fn e1_oui_product_class_and_serial_number_are_the_identity() {
    let server = Server::start();
    let mut cases = vec![(Inform::of("E1"), "0A1B2C-Box-E1")];
    let change = |change: fn(&mut Inform)| {
        let mut inform = Inform::of("E1");
        change(&mut inform);
        inform
    };
    cases.push((change(|inform| inform.product_class = String::new()), "0A1B2C-E1"));
    cases.push((change(|inform| inform.product_class = "Box 2".into()), "0A1B2C-Box%202-E1"));
    cases.push((change(|inform| inform.oui = "0A1B2D".into()), "0A1B2D-Box-E1"));
    cases.push((change(|inform| inform.serial_number = "E-1".into()), "0A1B2C-Box-E%2D1"));
    cases.push((change(|inform| inform.manufacturer = "Another".into()), "0A1B2C-Box-E1"));
    // An OUI is a number: its case does not matter.
    cases.push((change(|inform| inform.oui = "0a1b2c".into()), "0A1B2C-Box-E1"));
    for (inform, id) in &cases {
        let mut device = server.device(&inform.serial_number);
        device.send_inform(inform).expect("InformResponse");
        device.empty().expect_end();
        let found = server.get("/devices?sort={\"_lastInform\":-1}&limit=1");
        assert_eq!(found[0]["_id"], *id);
    }
    assert_eq!(server.get("/devices").as_array().unwrap().len(), 5);
    for missing in ["<OUI>0A1B2C</OUI>", "<SerialNumber>E1</SerialNumber>"] {
        let message = Inform::of("E1").envelope("1").replace(missing, "");
        server.device("E1").post(&message).expect_fault("8003");
    }
}

#[test]
fn e2_any_number_of_events_in_any_order_is_taken() {
    let server = Setup::default().start();
    let many: Vec<String> = (0..64).map(|index| format!("X 0A1B2C EVENT {index}")).collect();
    let lists: [Vec<&str>; 4] = [
        vec![],
        vec!["6 CONNECTION REQUEST", "4 VALUE CHANGE", "1 BOOT", "0 BOOTSTRAP"],
        vec!["1 BOOT", "1 BOOT"],
        many.iter().map(String::as_str).collect(),
    ];
    for events in lists {
        let mut device = server.device("E2");
        device.inform(&events, &[]).expect("InformResponse");
        device.empty().expect_end();
        let stored = server.stored(&device.id());
        let stored: Vec<String> = serde_json::from_value(stored["_events"].clone()).unwrap();
        assert_eq!(stored, events);
    }
}

#[test]
fn e3_bootstrap_is_a_new_beginning() {
    let setup = tagging(Setup::default().seeds(), "first", json!({"events": {"0 BOOTSTRAP": true}}));
    let server = setup.start();
    let mut device = server.simulated("E3", |_| {});
    server.session(&mut device, &["0 BOOTSTRAP", "1 BOOT"]);
    let id = "0A1B2C-SimCPE-E3";
    assert_eq!(tags(&server, id), ["first"]);
    server.request("DELETE", &format!("/devices/{id}/tags/first"), "").expect_status(200);
    let quiet = server.session(&mut device, &["2 PERIODIC"]);
    assert!(quiet.names_read().is_empty(), "{:?}", quiet.names_read());

    let again = server.session(&mut device, &["0 BOOTSTRAP", "1 BOOT"]);
    assert!(!again.names_read().is_empty(), "what was known is read anew");
    assert_eq!(tags(&server, id), ["first"], "and provisioning starts again");
    assert!(server.stored(id)["_lastBootstrap"].is_string());
}

#[test]
fn e4_boot_ends_a_reboot_and_asks_for_what_may_have_changed() {
    let setup = Setup::default().preset(
        "boot",
        json!({"events": {"1 BOOT": true}}),
        &format!("declare(\"{CODE}\", #{{value: now()}});"),
    );
    let server = tagging(setup, "rebooted", json!({"events": {"M Reboot": true}})).start();
    let mut device = server.device("E4");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();

    let task = server.task(&device.id(), json!({"name": "reboot"}));
    let request = device.begin().expect("Reboot");
    let key = request.element("CommandKey").unwrap();
    device.answer(&request, "<cwmp:RebootResponse/>").expect_end();
    assert_eq!(server.task_state(&task), "accepted");
    device.reconnect();
    device.cookie = None;
    let inform = Inform::of("E4").events(&["1 BOOT"]).event("M Reboot", &key);
    device.send_inform(&inform).expect("InformResponse");
    let read = device.empty().expect("GetParameterValues");
    device.answer_values(&read, &[parameter(CODE, "after")]).expect_end();
    assert_eq!(server.value(&device.id(), CODE), "after");
    assert_eq!(server.task_state(&task), "done");
    assert_eq!(tags(&server, &device.id()), ["rebooted"]);
    let stored = server.stored(&device.id());
    assert_eq!(stored["_lastBoot"], stored["_lastInform"]);
}

#[test]
fn e5_events_start_what_presets_say() {
    let events = [
        ("periodic", "2 PERIODIC"),
        ("scheduled", "3 SCHEDULED"),
        ("summoned", "6 CONNECTION REQUEST"),
        ("diagnosed", "8 DIAGNOSTICS COMPLETE"),
    ];
    let setup = events
        .iter()
        .fold(Setup::default(), |setup, (name, event)| tagging(setup, name, json!({"events": {*event: true}})));
    let server = setup.start();
    for (name, event) in events {
        let mut device = server.device(&format!("E5{name}"));
        device.inform(&[event], &[]).expect("InformResponse");
        device.empty().expect_end();
        assert_eq!(tags(&server, &device.id()), [name]);
    }
}

#[test]
fn e6_changed_values_are_stored_with_the_time_of_receipt() {
    let server = Server::start();
    let mut device = server.device("E6");
    device.register();
    let mut inform = Inform::of("E6").events(&["4 VALUE CHANGE"]).parameter(CODE, "changed");
    inform.current_time = "1999-12-31T23:59:59Z".into();
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect_end();
    let stored = server.stored(&device.id());
    let node = &stored["Device"]["DeviceInfo"]["ProvisioningCode"];
    assert_eq!(node["_value"], "changed");
    let (told, informed) = (node["_timestamp"].as_str().unwrap(), stored["_lastInform"].as_str().unwrap());
    assert!(told >= informed && told[..16] == informed[..16], "{told} {informed}");
}

#[test]
fn e7_an_event_without_its_call_is_tolerated() {
    let server = Server::start();
    let mut device = server.device("E7");
    for event in [
        "5 KICKED",
        "7 TRANSFER COMPLETE",
        "9 REQUEST DOWNLOAD",
        "10 AUTONOMOUS TRANSFER COMPLETE",
        "11 DU STATE CHANGE COMPLETE",
        "12 AUTONOMOUS DU STATE CHANGE COMPLETE",
    ] {
        device.inform(&[event], &[]).expect("InformResponse");
        device.empty().expect_end();
    }
    assert_eq!(server.faults(&device.id()), []);
}

#[test]
fn e8_a_device_that_wakes_up_gets_its_work_at_once() {
    let server = Server::start();
    let mut device = server.device("E8");
    device.register();
    let task = server.task(&device.id(), json!({"name": "reboot"}));
    device.inform(&["13 WAKEUP"], &[]).expect("InformResponse");
    let request = device.empty().expect("Reboot");
    device.answer(&request, "<cwmp:RebootResponse/>").expect_end();
    assert_eq!(server.task_state(&task), "accepted");
}

#[test]
fn e9_a_heartbeat_only_says_that_the_device_is_there() {
    let server = Setup::default().reading(&[CODE]).start();
    let mut device = server.device("E9");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    let before = server.stored(&device.id())["_lastInform"].clone();
    device.inform(&["14 HEARTBEAT"], &[]).expect("InformResponse");
    device.empty().expect_end();
    assert_ne!(server.stored(&device.id())["_lastInform"], before);
    assert_eq!(server.faults(&device.id()), []);
    // With another event beside it, it is a session like any other.
    device.inform(&["14 HEARTBEAT", "4 VALUE CHANGE"], &[]).expect("InformResponse");
    device.empty().expect("GetParameterValues");
}

#[test]
fn e10_unknown_and_odd_events_are_kept_verbatim() {
    let server = tagging(Setup::default(), "booted", json!({"events": {"1 BOOT": true}})).start();
    let mut device = server.device("E10");
    let events = ["X 0A1B2C Custom Thing", "M X_0A1B2C_Frob", "99 NEW", "1 Boot", "6 REQUEST"];
    device.inform(&events, &[]).expect("InformResponse");
    device.empty().expect_end();
    let stored = server.stored(&device.id());
    assert_eq!(stored["_events"], json!(events));
    assert_eq!(tags(&server, &device.id()), [] as [String; 0], "odd spellings are another event");
}

#[test]
fn e11_the_retry_count_is_shown_and_events_are_not_acted_upon_twice() {
    let setup = Setup::default().preset(
        "boot",
        json!({"events": {"1 BOOT": true}}),
        "declare(\"Reboot\", (), #{value: now()});",
    );
    let server = setup.start();
    let mut device = server.device("E11");
    let mut inform = Inform::of("E11").events(&["1 BOOT"]);
    for count in [0_u32, 1, 12] {
        inform.retry_count = count.to_string();
        // The device does not hear the answer, and says the same again.
        device.send_inform(&inform).expect("InformResponse");
        device.reconnect();
    }
    device.send_inform(&inform).expect("InformResponse");
    let request = device.empty().expect("Reboot");
    device.answer(&request, "<cwmp:RebootResponse/>").expect_end();
    assert_eq!(server.stored(&device.id())["_retryCount"], 12);
    device.register();
    assert_eq!(server.stored(&device.id())["_retryCount"], 0);
}

/// A way to the server that can be cut: while it is, connections are closed at once.
struct Outage {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

impl Outage {
    fn before(server: &Server) -> Outage {
        let (is_over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (target, over, count) = (server.cwmp(), is_over.clone(), refused.clone());
        let address = server.run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                loop {
                    let (mut device, _) = listener.accept().await.unwrap();
                    if !over.load(Ordering::SeqCst) {
                        count.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    tokio::spawn(async move {
                        let mut server = TcpStream::connect(target).await.unwrap();
                        // Either side may end it.
                        let _ = copy_bidirectional(&mut device, &mut server).await;
                    });
                }
            });
            address
        });
        Outage { address, is_over, refused }
    }
}

#[test]
fn e12_a_wave_of_devices_after_an_outage_is_served_and_can_be_spread() {
    const DEVICES: usize = 50;
    let spread = "declare(\"Device.ManagementServer.CWMPRetryMinimumWaitInterval\", (), #{value: 30});
                  declare(\"Device.ManagementServer.CWMPRetryIntervalMultiplier\", (), #{value: 3000});";
    let server = Setup::default().script("spread", spread).start();
    let outage = Outage::before(&server);
    let url = format!("http://{}/", outage.address);
    let mut sessions = JoinSet::new();
    server.run(async {
        for index in 0..DEVICES {
            let mut device = server.simulated(&format!("E12{index}"), |options| {
                options.acs_url.clone_from(&url);
                options.parameters = 80;
                options.retry.attempts = 1_000;
                options.retry.minimum_wait_milliseconds = 10;
                options.retry.interval_multiplier = 1_000;
            });
            for (name, value) in [("MinimumWaitInterval", "5"), ("IntervalMultiplier", "2000")] {
                let path = format!("Device.ManagementServer.CWMPRetry{name}");
                device.model_mut().insert(&path, Node::parameter(true, Value::new(value, XsdType::UnsignedInt)));
            }
            sessions.spawn(async move {
                let report = device.session(["1 BOOT"]).await;
                (report, device)
            });
        }
    });
    eventually("all devices to be refused", || outage.refused.load(Ordering::SeqCst) >= DEVICES);
    outage.is_over.store(true, Ordering::SeqCst);
    let finished = server.run(sessions.join_all());
    for (report, device) in &finished {
        assert!(report.completed(), "{report:?}");
        let minimum = device.model().root_text("ManagementServer.CWMPRetryMinimumWaitInterval");
        assert_eq!(minimum, Some("30"));
    }
    assert_eq!(server.get("/devices?projection=_id").as_array().unwrap().len(), DEVICES);
    assert_eq!(server.get("/faults"), json!([]));
}

#[test]
fn e13_an_inform_that_comes_again_in_its_session_is_taken_once() {
    let setup = Setup::default().preset(
        "boot",
        json!({"events": {"1 BOOT": true}}),
        "declare(\"Reboot\", (), #{value: now()});",
    );
    let server = setup.start();
    let mut device = server.device("E13");
    let message = Inform::of("E13").events(&["1 BOOT"]).envelope("same");
    for _ in 0..3 {
        assert_eq!(device.post(&message).expect("InformResponse").id(), "same");
    }
    let request = device.empty().expect("Reboot");
    device.answer(&request, "<cwmp:RebootResponse/>").expect_end();
    assert_eq!(server.faults(&device.id()), []);
}

#[test]
fn e14_a_refused_inform_has_changed_nothing() {
    let server = Server::start();
    let mut device = server.device("E14");
    device.inform(&["2 PERIODIC"], &[(CODE, "before")]).expect("InformResponse");
    device.empty().expect_end();
    let before = server.stored(&device.id());
    let inform = Inform::of("E14").events(&["0 BOOTSTRAP"]).parameter(CODE, "after");
    let refused = [
        inform.clone().header("<cwmp:SupportedCWMPVersions>9.9</cwmp:SupportedCWMPVersions>").envelope("1"),
        inform.clone().header("<x:New xmlns:x=\"urn:x\" soap-env:mustUnderstand=\"1\"/>").envelope("1"),
        inform.envelope("1").replace("</cwmp:Inform>", "</cwmp:Inform><cwmp:GetRPCMethods/>"),
        inform.envelope("1").replace("</SerialNumber>", "&unknown;</SerialNumber>"),
    ];
    for message in refused {
        let mut stranger = server.device("E14");
        let refusal = stranger.post(&message);
        assert!(refusal.status == 400 || refusal.rpc() == "Fault", "{refusal:?}");
    }
    assert_eq!(server.stored(&device.id()), before);
    device.register();
}

#[test]
fn e15_the_device_s_clock_is_not_trusted_and_its_skew_is_shown() {
    let server = Server::start();
    for (time, skewed) in [
        ("0001-01-01T00:00:00Z", false),
        ("", false),
        ("yesterday", false),
        ("1970-01-01T00:00:10Z", true),
        ("1970-01-01T00:00:10", true),
        ("9999-12-31T23:59:59Z", true),
        ("2150-06-01T12:00:00+02:00", true),
    ] {
        let mut device = server.device("E15");
        let mut inform = Inform::of("E15");
        inform.current_time = time.to_owned();
        device.send_inform(&inform).expect("InformResponse");
        device.empty().expect_end();
        let stored = server.stored(&device.id());
        assert!(stored["_lastInform"].as_str().unwrap().starts_with("20"), "{time}");
        assert_eq!(stored["_clockSkew"].is_number(), skewed, "{time}: {}", stored["_clockSkew"]);
    }
}

#[test]
fn e16_odd_parameter_lists_are_taken_and_a_new_root_is_discovered() {
    let server = Server::start();
    let mut device = server.device("E16");
    let mut inform = Inform::of("E16");
    inform.parameters.clear();
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect_end();
    let mut inform = Inform::of("E16").parameter(CODE, "first").parameter(CODE, "last");
    for index in 0..500 {
        inform = inform.parameter(&format!("Device.X_0A1B2C_Extra.{index}.A"), "1");
    }
    device.send_inform(&inform).expect("InformResponse");
    device.empty().expect_end();
    assert_eq!(server.value(&device.id(), CODE), "last");
    assert_eq!(server.value(&device.id(), "Device.X_0A1B2C_Extra.499.A"), "1");

    let server = Setup::default().seeds().start();
    // The same device with another data model after an upgrade.
    let id = "0A1B2C-SimCPE-E16";
    let mut old = server.simulated("E16", |options| options.model = sim::ModelKind::Tr098);
    server.session(&mut old, &["1 BOOT"]);
    assert!(server.value(id, "InternetGatewayDevice.DeviceInfo.SoftwareVersion").is_string());
    let mut new = server.simulated("E16", |options| options.model = sim::ModelKind::Tr181);
    server.session(&mut new, &["1 BOOT"]);
    assert!(server.value(id, "Device.DeviceInfo.SoftwareVersion").is_string());
    let quiet = server.session(&mut new, &["2 PERIODIC"]);
    assert!(quiet.rpcs().is_empty(), "{:?}", quiet.rpcs());
    assert_eq!(server.faults(id), []);
}

#[test]
fn e17_a_new_connection_request_url_is_used_from_then_on() {
    let server = Setup::default().arguments(|arguments| arguments.connection_requests_to_this_machine = true).start();
    let mut device = server.device("E17");
    for _ in 0..2 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/wake", listener.local_addr().unwrap());
        device
            .inform(&["4 VALUE CHANGE"], &[("Device.ManagementServer.ConnectionRequestURL", &url)])
            .expect("InformResponse");
        device.empty().expect_end();
        let woken = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let count = stream.read(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&head[..count]).into_owned()
        });
        server.request("POST", &format!("/devices/{}/tasks?connection_request", device.id()), "").expect_status(200);
        assert!(woken.join().unwrap().starts_with("GET /wake "));
    }
}

#[test]
fn e18_the_same_inform_twice_does_no_harm() {
    let server = tagging(Setup::default(), "booted", json!({"events": {"1 BOOT": true}})).start();
    let message = Inform::of("E18").events(&["1 BOOT"]).parameter(CODE, "x").envelope("1");
    let mut device = server.device("E18");
    for _ in 0..2 {
        // The device never sees this answer.
        Connection::open(server.cwmp()).send(device.request("", message.as_bytes())).expect("InformResponse");
    }
    device.post(&message).expect("InformResponse");
    device.empty().expect_end();
    assert_eq!(server.get("/devices").as_array().unwrap().len(), 1);
    assert_eq!(server.value(&device.id(), CODE), "x");
    assert_eq!(tags(&server, &device.id()), ["booted"]);
    assert_eq!(server.faults(&device.id()), []);
}

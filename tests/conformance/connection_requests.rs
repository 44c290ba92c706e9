//! Connection requests over HTTP: rows K.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use sim::cpe::{ConnectionRequest, ConnectionRequestMode};

use crate::kit::{Answer, Device, Server, Setup, eventually};

const DIGEST: &str = "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n\r\n";
const BASIC: &str = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// The server inside a device: gives these answers, one per connection, and keeps what it was asked.
struct Cpe {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Cpe {
    fn answering(answers: &'static [&'static str]) -> Cpe {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/cr", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = vec![0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                seen.lock().unwrap().push(String::from_utf8_lossy(&buffer[..count]).into_owned());
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Cpe { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn setup() -> Setup {
    Setup::default().arguments(|arguments| arguments.connection_requests_to_this_machine = true)
}

/// A device that has told this URL, and its credentials.
fn registered(server: &Server, serial_number: &str, url: &str) -> Device {
    let mut device = server.device(serial_number);
    let parameters = [
        ("Device.ManagementServer.ConnectionRequestURL", url),
        ("Device.ManagementServer.ConnectionRequestUsername", "user"),
        ("Device.ManagementServer.ConnectionRequestPassword", "secret"),
    ];
    device.inform(&["2 PERIODIC"], &parameters).expect("InformResponse");
    device.empty().expect_end();
    device
}

fn wake(server: &Server, device: &str) -> Answer {
    server.request("POST", &format!("/devices/{device}/tasks?connection_request"), "")
}

/// The text of a refusal, and the reason that is kept.
fn failure(server: &Server, device: &str) -> (String, String) {
    let answer = wake(server, device).expect_status(504);
    let record = server.get(&format!("/devices/{device}/connection_requests"));
    let reason = record["methods"]["HTTP"]["lastFailure"]["reason"].as_str().unwrap().to_owned();
    (String::from_utf8(answer.body).unwrap(), reason)
}

#[test]
fn k1_a_device_is_woken_by_get_with_digest_and_basic_only_if_allowed() {
    let server = setup().config("cwmp.connectionRequestAuth", "AUTH('user', 'secret')").start();
    let mut device = server.simulated("K1", |options| {
        options.connection_request = ConnectionRequest { mode: ConnectionRequestMode::Digest, ..Default::default() };
    });
    server.run(device.listen()).unwrap();
    for (name, text) in [("Username", "user"), ("Password", "secret")] {
        device.change_value(&format!("Device.ManagementServer.ConnectionRequest{name}"), text);
    }
    server.session(&mut device, &["1 BOOT"]);
    wake(&server, device.device_id()).expect_status(200);
    assert_eq!(device.connection_requests(), 1);

    let cpe = Cpe::answering(&[BASIC]);
    registered(&server, "K1b", &cpe.url);
    let refused = ("Basic HTTP authentication not allowed".to_owned(), "basic_not_allowed".to_owned());
    assert_eq!(failure(&server, "0A1B2C-Box-K1b"), refused);
    let allowing = setup().config("cwmp.connectionRequestAllowBasicAuth", "true").start();
    let cpe = Cpe::answering(&[BASIC, OK]);
    registered(&allowing, "K1c", &cpe.url);
    wake(&allowing, "0A1B2C-Box-K1c").expect_status(200);
    assert!(cpe.requests()[1].contains("\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
}

#[test]
fn k2_the_request_is_spelled_as_the_strictest_devices_want_it() {
    let server = setup().start();
    let cpe = Cpe::answering(&[DIGEST, OK]);
    registered(&server, "K2", &cpe.url);
    wake(&server, "0A1B2C-Box-K2").expect_status(200);
    let requests = cpe.requests();
    let host = cpe.url.trim_start_matches("http://").trim_end_matches("/cr");
    assert_eq!(requests[0], format!("GET /cr HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let start = format!(
        "GET /cr HTTP/1.1\r\nHost: {host}\r\nAuthorization: Digest username=\"user\", realm=\"r\", nonce=\"n\", uri=\"/cr\", response=\""
    );
    assert!(requests[1].starts_with(&start), "{}", requests[1]);
    assert!(requests[1].contains(", qop=auth, nc=00000001, cnonce=\""), "{}", requests[1]);
}

#[test]
fn k3_challenges_are_read_in_every_spelling() {
    let server = setup().start();
    let cases: [&'static [&'static str]; 4] = [
        &["HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest\n   realm=\"r\",\n   qop=\"auth\",\n   nonce=\"n\"", OK],
        &["HTTP/1.1 401 No\r\nWWW-Authenticate: Digest qop=\"auth\" nonce=\"n\" opaque=\"\" realm=\"r\"\r\n\r\n", OK],
        &[
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n",
            OK,
        ],
        &["HTTP/1.1 200 OK"],
    ];
    for (number, answers) in cases.into_iter().enumerate() {
        let cpe = Cpe::answering(answers);
        let device = registered(&server, &format!("K3{number}"), &cpe.url);
        wake(&server, &device.id()).expect_status(200);
        assert_eq!(cpe.requests().len(), answers.len(), "case {number}");
    }
}

#[test]
fn k4_a_second_401_means_wrong_credentials() {
    let server = setup().start();
    let cpe = Cpe::answering(&[DIGEST, DIGEST, OK]);
    registered(&server, "K4", &cpe.url);
    let expected = ("Incorrect connection request credentials".to_owned(), "wrong_credentials".to_owned());
    assert_eq!(failure(&server, "0A1B2C-Box-K4"), expected);
    assert_eq!(cpe.requests().len(), 2, "there is nothing else to try");
}

#[test]
fn k5_a_busy_device_is_asked_again_later() {
    const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
    let server = setup().start();
    let cpe = Cpe::answering(&[BUSY, OK, BUSY, BUSY, BUSY]);
    let mut device = registered(&server, "K5", &cpe.url);
    wake(&server, &device.id()).expect_status(200);
    assert_eq!(cpe.requests().len(), 2);
    device.register();
    assert_eq!(failure(&server, &device.id()), ("Device is offline".to_owned(), "busy".to_owned()));
}

#[test]
fn k6_a_task_waits_for_the_next_inform_and_says_why() {
    let server = setup().start();
    // A port that nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut device = registered(&server, "K6", &format!("http://{closed}/"));
    let task = serde_json::json!({"name": "getParameterValues", "parameterNames": ["Device.DeviceInfo.UpTime"]});
    let target = format!("/devices/{}/tasks?connection_request", device.id());
    let answer = server.request("POST", &target, &task.to_string()).expect_status(202);
    let id = answer.json()["_id"].as_str().unwrap().to_owned();
    let stored = server.stored_task(&id);
    assert_eq!((&stored["state"], &stored["reason"]), (&"queued".into(), &"Device is offline".into()));
    let record = server.get(&format!("/devices/{}/connection_requests", device.id()));
    assert_eq!(record["methods"]["HTTP"]["lastFailure"]["reason"], "connection_refused");
    device.begin().expect("GetParameterNames");
}

#[test]
fn k7_several_wishes_are_one_request() {
    let server = setup().start();
    let cpe = Cpe::answering(&[OK, OK]);
    let mut device = registered(&server, "K7", &cpe.url);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| wake(&server, "0A1B2C-Box-K7").expect_status(200));
        }
    });
    // It has said that it will come.
    wake(&server, &device.id()).expect_status(200);
    assert_eq!(cpe.requests().len(), 1);
    device.inform(&["6 CONNECTION REQUEST"], &[]).expect("InformResponse");
    device.empty().expect_end();
    wake(&server, &device.id()).expect_status(200);
    assert_eq!(cpe.requests().len(), 2);
}

#[test]
fn k8_odd_urls_are_taken_or_refused_clearly_and_redirects_not_followed() {
    let server = setup().start();
    let cpe = Cpe::answering(&[OK]);
    let with_user = cpe.url.replace("http://", "http://somebody:secret@");
    let device = registered(&server, "K8", &with_user);
    wake(&server, &device.id()).expect_status(200);
    assert!(cpe.requests()[0].starts_with("GET /cr HTTP/1.1\r\nHost: 127.0.0.1:"));
    let elsewhere = Cpe::answering(&["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n"]);
    for (number, (url, text, reason)) in [
        ("https://192.0.2.1/", "Invalid connection request URL or protocol", "unsupported_protocol"),
        ("nonsense", "Invalid connection request URL", "invalid_url"),
        ("http://192.0.2.1:99999/", "Invalid connection request URL", "invalid_url"),
        (elsewhere.url.as_str(), "Unexpected status code 302", "unexpected_status"),
    ]
    .into_iter()
    .enumerate()
    {
        let device = registered(&server, &format!("K8{number}"), url);
        assert_eq!(failure(&server, &device.id()), (text.to_owned(), reason.to_owned()), "{url}");
    }
}

#[test]
fn k9_requests_go_only_where_policy_allows() {
    let server = Setup::default().arguments(|arguments| {
        arguments.connection_request_networks = vec!["10.0.0.0/8".to_owned()];
    });
    let server = server.start();
    let own = format!("http://{}/", server.addresses().nbi);
    for (number, (url, reason)) in [
        (own.as_str(), "address_refused"),
        ("http://localhost:7557/", "address_refused"),
        ("http://[::ffff:127.0.0.1]:7557/", "address_refused"),
        ("http://2130706433:7557/", "address_refused"),
        ("http://169.254.169.254/", "address_refused"),
        ("http://192.0.2.1/", "address_refused"),
        ("http://10.0.0.1:22/", "port_refused"),
    ]
    .into_iter()
    .enumerate()
    {
        let device = registered(&server, &format!("K9{number}"), url);
        assert_eq!(failure(&server, &device.id()).1, reason, "{url}");
    }
}

#[test]
fn k10_a_request_that_meets_a_session_waits_for_its_end() {
    let server = setup().start();
    let cpe = Cpe::answering(&[OK]);
    let mut device = registered(&server, "K10", &cpe.url);
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let task = serde_json::json!({"name": "getParameterValues", "parameterNames": ["Device.ManagementServer.ConnectionRequestURL"]});
    let target = format!("/devices/{}/tasks?connection_request&timeout=20000", device.id());
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.request("POST", &target, &task.to_string()));
        eventually("the task to be queued", || server.get("/tasks").as_array().unwrap().len() == 1);
        assert!(cpe.requests().is_empty(), "a device in session is not asked");
        device.empty().expect_end();
        eventually("the device to be asked", || cpe.requests().len() == 1);
        device.inform(&["6 CONNECTION REQUEST"], &[]).expect("InformResponse");
        let mut request = device.empty();
        while request.status == 200 {
            request = match request.rpc().as_str() {
                "GetParameterValues" => {
                    let value = crate::kit::parameter("Device.ManagementServer.ConnectionRequestURL", &cpe.url);
                    device.answer_values(&request, &[value])
                }
                _ => device.answer_names(&request, &[("Device.ManagementServer.ConnectionRequestURL", false)]),
            };
        }
        let answer = asked.join().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["state"], "done");
    });
}

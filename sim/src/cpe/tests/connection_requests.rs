//! The connection-request listener (TR-069 §3.2.2).

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::http::{Body, Client, Credentials, Method, Url};
use crate::testing::MiniAcs;

const SOON: Duration = Duration::from_secs(20);

async fn listening(mode: ConnectionRequestMode, acs_url: &str) -> Device {
    let connection_request = ConnectionRequest { mode, ..ConnectionRequest::default() };
    let acs_url = acs_url.to_owned();
    let mut device = Device::new(Options { connection_request, acs_url, ..options() }).unwrap();
    device.listen().await.unwrap();
    device
}

fn url_of(device: &Device) -> String {
    device.model().root_text("ManagementServer.ConnectionRequestURL").unwrap().to_owned()
}

async fn status(url: &str, method: Method, username: &str, password: &str) -> u16 {
    let credentials = Credentials { username: username.into(), password: password.into() };
    let mut client = Client::new(Url::parse(url).unwrap(), credentials, SOON);
    client.send(method, Body::Sized(&[])).await.unwrap().status
}

fn set_credentials(device: &mut Device, username: &str, password: &str) {
    device.change_value("Device.ManagementServer.ConnectionRequestUsername", username);
    device.change_value("Device.ManagementServer.ConnectionRequestPassword", password);
}

#[tokio::test]
async fn digest_lets_in_the_right_credentials_only() {
    let mut device = listening(ConnectionRequestMode::Digest, "http://127.0.0.1:1/").await;
    set_credentials(&mut device, "acs", "s3cret");
    let url = url_of(&device);
    let table = [("acs", "s3cret", 200), ("acs", "wrong", 401), ("other", "s3cret", 401), ("", "", 401)];
    for (username, password, expected) in table {
        assert_eq!(status(&url, Method::Get, username, password).await, expected, "{username}:{password}");
    }
    assert_eq!(device.connection_requests(), 1);
    timeout(SOON, device.connection_request()).await.unwrap();
    // Credentials that the ACS sets count from then on.
    let name = "Device.ManagementServer.ConnectionRequestPassword";
    ask(&mut device, &crate::testing::set_values(&[(name, "xsd:string", "newer")]));
    assert_eq!(status(&url, Method::Get, "acs", "s3cret").await, 401);
    assert_eq!(status(&url, Method::Get, "acs", "newer").await, 200);
}

#[tokio::test]
async fn a_recorded_request_does_not_let_in_again() {
    let mut device = listening(ConnectionRequestMode::Digest, "http://127.0.0.1:1/").await;
    set_credentials(&mut device, "acs", "s3cret");
    let url = Url::parse(&url_of(&device)).unwrap();
    let stream = tokio::net::TcpStream::connect(url.authority(false)).await.unwrap();
    let mut connection = crate::http::Connection::new(stream);
    let ask = |header: String| format!("GET {} HTTP/1.1\r\nHost: h\r\n{header}\r\n", url.path);
    connection.write(ask(String::new()).as_bytes()).await.unwrap();
    let head = connection.read_head().await.unwrap().unwrap();
    let challenge = crate::http::digest::Challenge::parse(head.header("WWW-Authenticate").unwrap()).unwrap();
    let signed = crate::http::digest::Signed { username: "acs", password: "s3cret", method: "GET", uri: &url.path };
    let header = format!("Authorization: {}\r\n", challenge.answer(signed, 1, "c"));
    let mut statuses = Vec::new();
    for _ in 0..2 {
        connection.write(ask(header.clone()).as_bytes()).await.unwrap();
        statuses.push(connection.read_head().await.unwrap().unwrap().status().unwrap());
    }
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn without_credentials_or_in_open_mode_everybody_is_let_in() {
    for mode in [ConnectionRequestMode::Digest, ConnectionRequestMode::Open] {
        let mut device = listening(mode, "http://127.0.0.1:1/").await;
        if mode == ConnectionRequestMode::Open {
            set_credentials(&mut device, "acs", "s3cret");
        }
        assert_eq!(status(&url_of(&device), Method::Get, "", "").await, 200, "{mode:?}");
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let device = listening(ConnectionRequestMode::Open, "http://127.0.0.1:1/").await;
    let url = url_of(&device);
    assert_eq!(status(&url, Method::Put, "", "").await, 405);
    assert_eq!(status(&format!("{url}x"), Method::Get, "", "").await, 404);
    assert_eq!(device.connection_requests(), 0);
}

#[tokio::test]
async fn a_busy_device_answers_503_when_told_to() {
    let connection_request = ConnectionRequest {
        mode: ConnectionRequestMode::Open,
        busy_while_in_session: true,
        ..ConnectionRequest::default()
    };
    let mut device = Device::new(Options { connection_request, ..options() }).unwrap();
    device.listen().await.unwrap();
    device.signal.set_in_session(true);
    assert_eq!(status(&url_of(&device), Method::Get, "", "").await, 503);
    device.signal.set_in_session(false);
    assert_eq!(status(&url_of(&device), Method::Get, "", "").await, 200);
}

#[tokio::test]
async fn one_listener_serves_many_devices() {
    let options = Arc::new(Options {
        connection_request: ConnectionRequest { mode: ConnectionRequestMode::Open, ..ConnectionRequest::default() },
        ..options()
    });
    let server = Arc::new(ConnectionRequestServer::bind(&options.connection_request).await.unwrap());
    let model = options.load_model().unwrap();
    let mut devices: Vec<Device> = ["S1", "S2"]
        .map(|serial| {
            let identity = Identity { serial_number: serial.into(), ..Identity::default() };
            let mut device = Device::with_model(Arc::clone(&options), identity, model.clone());
            device.attach(Arc::clone(&server));
            device
        })
        .into();
    assert!(url_of(&devices[0]).starts_with(&format!("http://{}/", server.address())));
    assert_eq!(status(&url_of(&devices[1]), Method::Get, "", "").await, 200);
    let counts: Vec<u64> = devices.iter().map(Device::connection_requests).collect();
    assert_eq!(counts, [0, 1]);
    let url = url_of(&devices[1]);
    devices.pop();
    assert_eq!(status(&url, Method::Get, "", "").await, 404, "a device that is gone");
}

#[tokio::test]
async fn a_running_device_opens_a_session_for_a_request() {
    let acs = MiniAcs::start(&[]).await;
    let mut device = listening(ConnectionRequestMode::Open, &acs.url).await;
    let url = url_of(&device);
    let stop = CancellationToken::new();
    let mut events = Vec::new();
    let running = device.run(["1 BOOT"], None, stop.clone(), |report| {
        events.push(report.events[0].code.clone());
        if events.len() == 2 {
            stop.cancel();
        }
    });
    let (_, status) = tokio::join!(running, status(&url, Method::Get, "", ""));
    assert_eq!(status, 200);
    assert_eq!(events, ["1 BOOT", "6 CONNECTION REQUEST"]);
}

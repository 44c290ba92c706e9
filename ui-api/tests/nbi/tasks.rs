//! Tasks whose waiting matters.

use std::sync::{Arc, Mutex};

use acs_core::task::TaskState;
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use store::StoreError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use ui_api::{DeviceWaker, Nbi, NbiOptions, SessionPhase, SessionWatch, serve};

use crate::client;
use crate::fixture::{Fixture, HOME_BOX, HOME_BOX_URL, OFFLINE};

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_task() {
    let fixture = Fixture::start().await;
    let target = format!("/devices/{OFFLINE}/tasks");
    let answer = fixture.request("POST", &target, "{\"name\":\"reboot\"}").await;
    let id = answer.json()["_id"].as_str().unwrap().to_owned();
    let task = fixture.store.get_task(&id).await.unwrap().unwrap();
    assert_eq!((task.device.as_str(), task.state), (OFFLINE, TaskState::Queued));
    assert_eq!(id.len(), 24);
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[tokio::test]
async fn values_are_stored_as_they_are_sent() {
    let fixture = Fixture::start().await;
    let values = json!([
        ["A.On", "True"],
        ["A.On", 1],
        ["A.Port", "80"],
        ["A.Ratio", 0.5],
        ["A.Name", "x", null],
        ["A.Typed", "1", "xsd:int"]
    ]);
    let task = json!({"name": "setParameterValues", "parameterValues": values});
    let answer = fixture.request("POST", &format!("/devices/{HOME_BOX_URL}/tasks"), &task.to_string()).await;
    assert_eq!(answer.status, 202);
    let expected = json!([
        ["A.On", "True"],
        ["A.On", 1],
        ["A.Port", "80"],
        ["A.Ratio", 0.5],
        ["A.Name", "x"],
        ["A.Typed", "1", "xsd:int"]
    ]);
    assert_eq!(answer.json()["parameterValues"], expected);
}

#[tokio::test]
async fn without_a_waker_the_reason_says_so() {
    let fixture = Fixture::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let nbi = Arc::new(Nbi::new(fixture.store.clone(), NbiOptions::default()));
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, nbi, stop.clone()));
    let headers = [("X-API-Key".to_owned(), fixture.key.clone())];
    let target = format!("/devices/{HOME_BOX_URL}/tasks?connection_request");
    let answer = client::request(address, "POST", &target, &headers, b"{\"name\":\"reboot\"}").await;
    assert_eq!((answer.status, answer.reason.as_str()), (202, "Connection requests are not available"));
    let answer = client::request(address, "POST", &target, &headers, b"").await;
    assert_eq!((answer.status, answer.reason.as_str()), (504, "Connection requests are not available"));
    stop.cancel();
    server.await.unwrap().unwrap();
    assert_eq!(fixture.store.open_device(HOME_BOX).await.unwrap().tasks.len(), 1);
}

/// Writes down what it is asked, and lets every session be over at once.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

#[async_trait]
impl DeviceWaker for Diary {
    async fn wake(&self, device_id: &str) -> Result<(), String> {
        self.0.lock().unwrap().push(format!("wake {device_id}"));
        Ok(())
    }

    async fn connection_requests(&self, _device_id: &str) -> Result<Json, StoreError> {
        Ok(Json::Null)
    }
}

impl SessionWatch for Diary {
    fn follow(&self, device_id: &str) -> watch::Receiver<SessionPhase> {
        self.0.lock().unwrap().push(format!("follow {device_id}"));
        watch::channel(SessionPhase::Ended).1
    }
}

#[tokio::test]
async fn a_session_is_followed_before_the_device_is_woken() {
    let fixture = Fixture::start().await;
    let diary = Arc::new(Diary::default());
    let nbi = Nbi::new(fixture.store.clone(), NbiOptions::default()).with_sessions(diary.clone(), diary.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(nbi), CancellationToken::new()));
    let headers = [("X-API-Key".to_owned(), fixture.key.clone())];
    let target = format!("/devices/{OFFLINE}/tasks?connection_request");
    client::request(address, "POST", &target, &headers, b"{\"name\":\"reboot\"}").await;
    assert_eq!(*diary.0.lock().unwrap(), [format!("follow {OFFLINE}"), format!("wake {OFFLINE}")]);
}

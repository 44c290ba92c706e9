//! A server with a few devices, whose sessions are made up.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use acs_core::change::{SessionChange, TaskChange};
use acs_core::device::DeviceHead;
use acs_core::fault::{Fault, FaultRecord, ProvisionCall};
use acs_core::operation::Operation;
use acs_core::rpc::DeviceIdStruct;
use acs_core::task::TaskState;
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use store::{EmbeddedStore, Store, StoreError};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use ui_api::{
    ApiKeys, DeviceWaker, Nbi, NbiOptions, PlanError, PlanRequest, PlanSubject, Planner, Scopes, SessionBoard, serve,
};

use crate::client::{self, Answer};

/// 2023-11-14T22:13:20Z
pub const REGISTERED: i64 = 1_700_000_000_000;
/// A device whose ID has every trap: spaces, hyphens and dots in its parts. Its sessions do their tasks.
pub const HOME_BOX: &str = "0A1B2C-Home%20Box%2D2-SN%2D0%2E1";
/// The same, as it belongs into a URL.
pub const HOME_BOX_URL: &str = "0A1B2C-Home%2520Box%252D2-SN%252D0%252E1";
/// Cannot be woken.
pub const OFFLINE: &str = "0A1B2C-Radio-0002";
/// Says that it will come, and does not.
pub const SILENT: &str = "0A1B2C-0003";
/// Its tasks fail. It is one of two that `0A1B2C-A-B-C` may mean.
pub const FAULTY: &str = "0A1B2C-A%2DB-C";

/// A running server. It stops when this is dropped.
pub struct Fixture {
    pub address: SocketAddr,
    pub store: Arc<dyn Store>,
    /// May do everything.
    pub key: String,
    _stop: DropGuard,
    _directory: TempDir,
}

impl Fixture {
    pub async fn start() -> Fixture {
        Fixture::start_with(NbiOptions::default()).await
    }

    pub async fn start_with(options: NbiOptions) -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&directory.path().join("store.db")).unwrap());
        for device in devices() {
            store.commit_session(device).await.unwrap();
        }
        let key = ApiKeys::ensure_initial(&*store, None).await.unwrap().unwrap();
        let board = Arc::new(SessionBoard::default());
        let waker = Arc::new_cyclic(|this| Waker { store: store.clone(), board: board.clone(), this: this.clone() });
        let nbi = Nbi::new(store.clone(), options).with_sessions(waker, board);
        let nbi = Arc::new(nbi.with_planner(Arc::new(MadeUpPlanner)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, nbi, stop.clone()));
        Fixture { address, store, key, _stop: stop.drop_guard(), _directory: directory }
    }

    /// A request with the key that may do everything.
    pub async fn request(&self, method: &str, target: &str, body: &str) -> Answer {
        let headers = [("X-API-Key".to_owned(), self.key.clone())];
        client::request(self.address, method, target, &headers, body.as_bytes()).await
    }

    /// A request with these headers only.
    pub async fn request_with(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        client::request(self.address, method, target, &headers, body.as_bytes()).await
    }

    pub async fn new_key(&self, scopes: &Scopes, expires_at: Option<i64>) -> String {
        ApiKeys::create(&*self.store, "test", scopes, expires_at).await.unwrap().key
    }
}

/// Wakes devices as their constants say.
struct Waker {
    store: Arc<dyn Store>,
    board: Arc<SessionBoard>,
    this: Weak<Waker>,
}

#[async_trait]
impl DeviceWaker for Waker {
    async fn wake(&self, device_id: &str) -> Result<(), String> {
        match device_id {
            OFFLINE => return Err("Device is offline".to_owned()),
            // Over before the answer of the connection request is read.
            HOME_BOX => self.session(device_id, TaskState::Done).await,
            FAULTY => {
                let waker = self.this.upgrade().unwrap();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    waker.session(FAULTY, TaskState::Faulted).await;
                });
            }
            _ => {}
        }
        Ok(())
    }

    async fn connection_requests(&self, device_id: &str) -> Result<Json, StoreError> {
        Ok(json!({ "_id": device_id, "methods": { "HTTP": { "tried": 2, "accepted": 1, "informed": 1 } } }))
    }
}

impl Waker {
    /// A session that brings all tasks of a device into a state.
    async fn session(&self, device_id: &str, state: TaskState) {
        self.board.session_started(device_id);
        let snapshot = self.store.open_device(device_id).await.unwrap();
        let at = REGISTERED + 200_000;
        let reason = String::new();
        let tasks = snapshot.tasks.iter().map(|task| TaskChange {
            id: task.id.clone(),
            state,
            reason: reason.clone(),
            at,
            result: None,
        });
        let faults = snapshot.tasks.iter().filter(|_| state == TaskState::Faulted);
        let faults = faults.map(|task| (task.channel(), Some(fault(device_id, &task.channel()))));
        let change = SessionChange {
            head: snapshot.device.unwrap().head,
            tasks: tasks.collect(),
            faults: faults.collect(),
            ..SessionChange::default()
        };
        self.store.commit_session(change).await.unwrap();
        self.board.session_ended(device_id);
    }
}

/// Plans that set a password and a name, and log what was asked for.
struct MadeUpPlanner;

#[async_trait]
impl Planner for MadeUpPlanner {
    async fn plan(&self, device_id: &str, request: PlanRequest) -> Result<Json, PlanError> {
        match &request.subject {
            PlanSubject::Provision(name) if name == "missing" => {
                return Err(PlanError::Invalid("no such provision: missing; there are: wifi".to_owned()));
            }
            PlanSubject::Script(source) => {
                sandbox::compile("script", source).map_err(|error| PlanError::Script(error.to_string()))?;
            }
            _ => {}
        }
        let typed = |text: &str| json!([text, "xsd:string"]);
        let change =
            |path: &str, after: &str| json!({"path": path, "before": null, "after": typed(after), "origin": ""});
        Ok(json!({
            "requests": [{"rpc": "SetParameterValues", "arguments": {
                "parameter_list": [["Device.Users.User.1.Password", typed("hush")], ["Device.Name", typed("seen")]],
                "parameter_key": "",
            }}],
            "changes": [change("Device.Users.User.1.Password", "hush"), change("Device.Name", "seen")],
            "faults": [],
            "log": [format!("{device_id} {request:?}")],
        }))
    }
}

pub fn fault(device: &str, channel: &str) -> FaultRecord {
    FaultRecord {
        device: device.to_owned(),
        channel: channel.to_owned(),
        fault: Fault::new("cwmp.9003", "Invalid arguments"),
        timestamp: REGISTERED + 100_000,
        retries: 1,
        expiry: None,
        provisions: vec![ProvisionCall { name: "wifi".to_owned(), arguments: vec![5.into()], weight: 0 }],
        retry_at: Some(REGISTERED + 300_000),
        fingerprint: 0,
    }
}

/// A first session: the device's parts, and what it told.
pub fn first_session(identity: [&str; 3], at: i64, values: &[(&str, TypedValue)]) -> SessionChange {
    let [oui, product_class, serial_number] = identity.map(str::to_owned);
    let identity = DeviceIdStruct { manufacturer: "ExampleCorp".to_owned(), oui, product_class, serial_number };
    let mut tree = DeviceTree::new();
    for (path, value) in values {
        let id = tree.ensure(path);
        tree.set_listed(id, false, true, at);
        tree.set_read_value(id, value.clone(), at);
    }
    let head = DeviceHead {
        id: identity.device_id(),
        identity,
        registered: REGISTERED,
        last_inform: at,
        ..DeviceHead::default()
    };
    SessionChange::first(head, tree)
}

fn devices() -> Vec<SessionChange> {
    let text = |text: &str| TypedValue::string(text);
    let count = |number: i64| TypedValue(Value::Int(number), XsdType::UnsignedInt);
    let home_box = [
        ("Device.DeviceInfo.SoftwareVersion", text("1.0.0")),
        ("Device.DeviceInfo.UpTime", count(500)),
        ("Device.ManagementServer.ConnectionRequestPassword", text("hush")),
        ("Device.ManagementServer.ConnectionRequestURL", text("http://192.0.2.7:7547/cr")),
        ("Device.WiFi.SSID.1.SSID", text("Guest")),
    ];
    let radio = [
        ("InternetGatewayDevice.DeviceInfo.SoftwareVersion", text("2.0.0")),
        ("InternetGatewayDevice.DeviceInfo.UpTime", count(50)),
    ];
    let at = |minutes: i64| REGISTERED + minutes * 60_000;
    let operation = Operation {
        command_key: "key1".to_owned(),
        timestamp: REGISTERED,
        instances: vec!["1".to_owned()],
        file_type: "1 Firmware Upgrade Image".to_owned(),
        file_name: "firmware.bin".to_owned(),
        target_file_name: String::new(),
        ..Operation::default()
    };
    vec![
        SessionChange {
            tags: vec![
                ("lab".to_owned(), Some(Value::Bool(true))),
                ("customer".to_owned(), Some(Value::Text("A 12".to_owned()))),
            ],
            ..first_session(["0A1B2C", "Home Box-2", "SN-0.1"], at(1), &home_box)
        },
        SessionChange {
            faults: vec![("wifi".to_owned(), Some(fault(OFFLINE, "wifi")))],
            operations: vec![("key1".to_owned(), Some(operation))],
            ..first_session(["0A1B2C", "Radio", "0002"], at(2), &radio)
        },
        first_session(["0A1B2C", "", "0003"], at(3), &[]),
        first_session(["0A1B2C", "A-B", "C"], at(4), &[]),
        first_session(["0A1B2C", "A", "B-C"], at(5), &[]),
    ]
}

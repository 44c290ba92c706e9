//! Waking devices: what `?connection_request` on the NBI does.
//!
//! One connection request per device at a time, and not too many to one host: the URLs come from devices, and the server must not be
//! used to flood somebody else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_core::device::StoredDevice;
use acs_core::expression::Scalar;
use acs_core::script::SessionFacts;
use acs_core::session::TreeContext;
use acs_core::session::settings::Settings;
use async_trait::async_trait;
use cwmp::connection_request::{self, AddressPolicy, ConnectionRequest};
use cwmp::{SessionEnd, SessionObserver};
use store::Store;
use ui_api::{DeviceWaker, SessionBoard};

use crate::live::LiveConfiguration;

/// Connection requests to one host within [`WINDOW`], at most.
const PER_HOST: usize = 20;
/// The time over which those are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Hosts that are counted at once; more are refused until the window has passed.
const MOST_HOSTS: usize = 10_000;
/// Where devices keep what is needed, the older data model first.
const ROOTS: [&str; 2] = ["InternetGatewayDevice", "Device"];

/// Sends connection requests over HTTP.
pub struct Waker {
    store: Arc<dyn Store>,
    configuration: Arc<LiveConfiguration>,
    policy: AddressPolicy,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    /// Devices with a request under way.
    devices: BTreeSet<String>,
    /// When requests were sent, by host.
    hosts: HashMap<String, Vec<Instant>>,
}

impl Waker {
    /// A waker of the store's devices.
    pub fn new(store: Arc<dyn Store>, configuration: Arc<LiveConfiguration>, policy: AddressPolicy) -> Waker {
        Waker { store, configuration, policy, asked: Mutex::default() }
    }

    async fn request_for(&self, device_id: &str) -> Result<ConnectionRequest, String> {
        let device = self.store.get_device(device_id).await.map_err(|error| error.to_string())?;
        let device = device.ok_or("No such device")?;
        let value = |name: &str| management_server(&device, name);
        let url = value("ConnectionRequestURL").ok_or("The device has not told its connection request URL")?;
        let now = chrono::Utc::now().timestamp_millis();
        let facts = SessionFacts { device_id: device_id.to_owned(), timestamp: now };
        let tree = device.full_tree();
        let context = TreeContext { tree: &tree, facts: &facts, settings: &Settings::default() };
        let snapshot = self.configuration.snapshot();
        let config = snapshot.config();
        let milliseconds = config.number("cwmp.connectionRequestTimeout", &context, 2_000, 1);
        Ok(ConnectionRequest {
            url,
            username: value("ConnectionRequestUsername").unwrap_or_default(),
            password: value("ConnectionRequestPassword").unwrap_or_default(),
            allow_basic: config.boolean("cwmp.connectionRequestAllowBasicAuth", &context, false),
            timeout: Duration::from_millis(milliseconds.unsigned_abs()),
        })
    }

    /// Takes a place for a request, or says why there is none.
    fn enter(&self, device_id: &str, host: &str) -> Result<(), String> {
        let Ok(mut asked) = self.asked.lock() else { return Err("Connection request error: internal".to_owned()) };
        let now = Instant::now();
        asked.hosts.retain(|_, times| {
            times.retain(|time| now.duration_since(*time) < WINDOW);
            !times.is_empty()
        });
        if asked.hosts.len() >= MOST_HOSTS || asked.hosts.get(host).is_some_and(|times| times.len() >= PER_HOST) {
            return Err("Too many connection requests".to_owned());
        }
        if !asked.devices.insert(device_id.to_owned()) {
            return Err("A connection request is under way".to_owned());
        }
        asked.hosts.entry(host.to_owned()).or_default().push(now);
        Ok(())
    }
}

#[async_trait]
impl DeviceWaker for Waker {
    async fn wake(&self, device_id: &str) -> Result<(), String> {
        let request = self.request_for(device_id).await?;
        let host = request.url.split('/').nth(2).unwrap_or_default().to_owned();
        self.enter(device_id, &host)?;
        let result = connection_request::send(&request, &self.policy).await;
        if let Ok(mut asked) = self.asked.lock() {
            asked.devices.remove(device_id);
        }
        match &result {
            Ok(()) => tracing::info!(target: "cwmp", device = device_id, "connection request accepted"),
            Err(reason) => tracing::info!(target: "cwmp", device = device_id, %reason, "connection request failed"),
        }
        result.map_err(|error| error.to_string())
    }
}

fn management_server(device: &StoredDevice, name: &str) -> Option<String> {
    let tree = device.full_tree();
    let of_root = |root: &&str| {
        let node = tree.find(&format!("{root}.ManagementServer.{name}")).map(|id| tree.node(id))?;
        match Scalar::from(&node.typed_value()?.0) {
            Scalar::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    };
    ROOTS.iter().find_map(of_root)
}

/// Tells the NBI which devices come and go, so that it can wait for one that it has woken.
pub struct SessionNews(pub Arc<SessionBoard>);

impl SessionObserver for SessionNews {
    fn session_started(&self, device_id: &str) {
        self.0.session_started(device_id);
    }

    fn session_ended(&self, device_id: &str, _end: SessionEnd) {
        self.0.session_ended(device_id);
    }
}

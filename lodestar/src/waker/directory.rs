//! The devices as the UDP port sees them: whose STUN user name it is, and what lightweight notifications tell.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acs_core::change::{OutboxEvent, SessionChange};
use acs_core::credentials::CredentialRecord;
use acs_core::device::InformedValue;
use acs_core::query::Query;
use async_trait::async_trait;
use cwmp::udp::{SignedNotification, StunAccount, UdpDirectory, parse_notification};
use parking_lot::Mutex;
use serde_json::json;
use store::{Collection, Find, Store, StoreError};

use super::facts::{ROOTS, management_server};
use super::now;

/// How long a binding is believed when the device has not said how often it announces itself.
const BINDING_LIFETIME: Duration = Duration::from_secs(600);
/// How old a notification may be, and how far in the future, in milliseconds.
const FRESH: i64 = 300_000;
/// Notifications that are remembered, so that repeats are told.
const MOST_REMEMBERED: usize = 100_000;
/// How often a device in session is waited for, and how long each time.
const PATIENCE: (u32, Duration) = (20, Duration::from_millis(500));

/// The store's devices.
pub struct Directory {
    store: Arc<dyn Store>,
    /// Signatures of notifications, and when they were made.
    seen: Mutex<HashMap<String, i64>>,
    /// This node among others, for who holds a lease.
    node: u64,
    owners: AtomicU64,
}

impl Directory {
    /// Makes a directory, and has the store find STUN user names quickly.
    ///
    /// # Errors
    /// What the store says.
    pub async fn open(store: Arc<dyn Store>) -> Result<Directory, StoreError> {
        let mut names = store.indexed_parameters().await?;
        names.extend(ROOTS.map(|root| format!("{root}.ManagementServer.STUNUsername")));
        names.sort_unstable();
        names.dedup();
        store.set_indexed_parameters(&names).await?;
        Ok(Directory {
            store,
            seen: Mutex::default(),
            node: RandomState::new().hash_one(0),
            owners: AtomicU64::default(),
        })
    }

    /// Why a notification is not taken in; for the log.
    async fn take(&self, datagram: &[u8]) -> Result<String, String> {
        let signed = parse_notification(datagram).map_err(|error| error.to_string())?;
        let id = signed.notification.device_id.device_id();
        let time = signed.notification.timestamp.saturating_mul(1_000);
        if (now() - time).abs() > FRESH {
            return Err(format!("{id}: it is not fresh"));
        }
        let device = self.store.get_device(&id).await.map_err(|error| error.to_string())?;
        let device = device.ok_or_else(|| format!("{id} is no known device"))?;
        let tree = device.full_tree();
        let own = |name: &str| management_server(&tree, name).map(|(text, _)| text);
        let username = &signed.notification.username;
        let mut pairs = self.credentials(&id).await?;
        pairs.extend(own("Password").map(|password| (own("Username").unwrap_or_default(), password)));
        if !pairs.iter().any(|(known, password)| known == username && signed.is_signed_with(password)) {
            return Err(format!("{id}: the signature is wrong, or its password is not known"));
        }
        if !self.is_first(&signed, time) {
            return Err(format!("{id}: it is a repeat"));
        }
        self.write(&id, &signed).await?;
        Ok(id)
    }

    /// What the device authenticates itself with in its sessions.
    async fn credentials(&self, id: &str) -> Result<Vec<(String, String)>, String> {
        let stored = self.store.get(Collection::DeviceCredentials, id).await.map_err(|error| error.to_string())?;
        let record = stored.and_then(|document| serde_json::from_value::<CredentialRecord>(document).ok());
        let credentials = record.unwrap_or_default().credentials;
        Ok(credentials.into_iter().map(|own| (own.username, own.password)).collect())
    }

    fn is_first(&self, signed: &SignedNotification, time: i64) -> bool {
        let mut seen = self.seen.lock();
        if seen.len() >= MOST_REMEMBERED {
            let now = now();
            seen.retain(|_, at| now - *at <= FRESH);
        }
        // When there is no room left, nothing is taken that might be a repeat.
        seen.len() < MOST_REMEMBERED && seen.insert(signed.signature().to_ascii_lowercase(), time).is_none()
    }

    /// Writes the values as those of an Inform. A running session comes first, since it would write over them.
    async fn write(&self, id: &str, signed: &SignedNotification) -> Result<(), String> {
        let text = |error: StoreError| error.to_string();
        let owner = format!("notification-{:016x}-{}", self.node, self.owners.fetch_add(1, Ordering::Relaxed));
        let mut lease = None;
        for _ in 0..PATIENCE.0 {
            lease = self.store.acquire_lease(id, &owner, Duration::from_secs(10)).await.map_err(text)?;
            if lease.is_some() {
                break;
            }
            tokio::time::sleep(PATIENCE.1).await;
        }
        let lease = lease.ok_or_else(|| format!("{id} stays in session"))?;
        let written = async {
            let Some(device) = self.store.open_device(id).await?.device else { return Ok(()) };
            let mut head = device.head;
            let known = |name: &str| device.tree.find(name).is_some_and(|node| !device.tree.node(node).object);
            // The device tells whole seconds, which may be before what a session has just read.
            let at = now();
            let mut names = Vec::new();
            for (path, value) in signed.notification.values.iter().filter(|(path, _)| known(path)) {
                head.informed.retain(|informed| informed.path != *path);
                head.informed.push(InformedValue { path: path.clone(), value: value.clone(), at });
                names.push(path.clone());
            }
            let detail = json!({ "parameters": names });
            let event = OutboxEvent { kind: "device.notification".to_owned(), device: id.to_owned(), at, detail };
            let change = SessionChange { head, events: vec![event], ..SessionChange::default() };
            self.store.commit_session_under(&lease, change).await
        };
        let result = written.await.map_err(text);
        let released = self.store.release_lease(&lease).await.map_err(text);
        result.and(released.map(|_| ()))
    }
}

#[async_trait]
impl UdpDirectory for Directory {
    async fn stun_account(&self, username: &str) -> Option<StunAccount> {
        let fields = ROOTS.map(|root| format!("{root}.ManagementServer.STUNUsername._value"));
        let filter = Query::any(fields.into_iter().map(|field| Query::equal(field, username)).collect());
        let found = self.store.find_devices(Find { filter, limit: Some(2), ..Find::default() }).await;
        let devices = match found {
            Ok(found) => found.collect().await,
            Err(error) => Err(error),
        };
        let devices = match devices {
            Ok(devices) => devices,
            Err(error) => {
                tracing::warn!(target: "cwmp", %error, "a STUN user name could not be looked up");
                return None;
            }
        };
        // A user name that several devices have tells none of them.
        let [device] = devices.as_slice() else { return None };
        let tree = device.full_tree();
        let value = |name: &str| management_server(&tree, name).map(|(text, _)| text);
        let period = value("STUNMaximumKeepAlivePeriod").and_then(|text| text.parse::<u64>().ok());
        Some(StunAccount {
            device_id: device.head.id.clone(),
            password: value("STUNPassword").unwrap_or_default(),
            lifetime: period.filter(|seconds| *seconds > 0).map_or(BINDING_LIFETIME, |seconds| {
                Duration::from_secs(seconds.saturating_mul(2))
                    .clamp(Duration::from_secs(60), Duration::from_secs(3_600))
            }),
        })
    }

    async fn notified(&self, datagram: Vec<u8>, from: SocketAddr) {
        match self.take(&datagram).await {
            Ok(device) => tracing::info!(target: "cwmp", device, %from, "lightweight notification"),
            Err(reason) => tracing::info!(target: "cwmp", %from, "a notification is not taken in: {reason}"),
        }
    }
}

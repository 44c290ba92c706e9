//! A device as it is stored: a small head that every session rewrites, and a tree that is written only when it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::heartbeat::Heartbeat;
use crate::path::event_segment;
use crate::rpc::{DeviceIdStruct, Inform};
use crate::tree::DeviceTree;
use crate::value::{TypedValue, Value, XsdType};

/// What is rewritten in every session. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct DeviceHead {
    /// [`DeviceIdStruct::device_id`]
    pub id: String,
    /// The parts of the ID as the device spells them.
    pub identity: DeviceIdStruct,
    /// First contact.
    pub registered: i64,
    /// The last session.
    pub last_inform: i64,
    /// The last session with event `1 BOOT`.
    pub last_boot: Option<i64>,
    /// The last session with event `0 BOOTSTRAP`.
    pub last_bootstrap: Option<i64>,
    /// The events of the last session.
    pub events: Vec<String>,
    /// How often the device had tried before the last session's Inform arrived (RetryCount).
    #[serde(default)]
    pub retry_count: u32,
    /// By how many milliseconds the device's clock was ahead of the server's in the last session; `None` when it does not know
    /// the time.
    #[serde(default)]
    pub clock_skew: Option<i64>,
    /// Values that Informs told since the tree was written last; they are newer than the tree's.
    pub informed: Vec<InformedValue>,
    /// Set when something that the device told was not kept, until it starts afresh (`0 BOOTSTRAP`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    /// What the device answered to GetRPCMethods, once it was asked; forgotten when it starts afresh (`0 BOOTSTRAP`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc_methods: Option<Vec<String>>,
    /// The ParameterKey of the last change that the device has acknowledged; `None` when it cannot be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_key: Option<String>,
    /// Parameters that the device has taken and will apply later (Status 1, TR-069 A.3.2.1), until they are read again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pending: BTreeSet<String>,
    /// When the next sign of life is due, of a device that promised heartbeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
}

/// What is known of a device is not all that it told: it exceeds what is kept of one device (`session::quota`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    /// When that happened last.
    pub at: i64,
    /// What there was too much of.
    pub reason: String,
}

/// A value from an Inform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InformedValue {
    /// Without a trailing dot.
    pub path: String,
    /// As the device told it.
    pub value: TypedValue,
    /// When.
    pub at: i64,
}

/// A device's tags: `true`, or a text.
pub type Tags = BTreeMap<String, Value>;

/// A device as loaded from a store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDevice {
    /// The head row.
    pub head: DeviceHead,
    /// The tags.
    pub tags: Tags,
    /// The tree as it was written last, without the head's knowledge.
    pub tree: Arc<DeviceTree>,
}

impl StoredDevice {
    /// The whole tree: what is stored, the Informs' values on top, and the local roots `DeviceID`, `Events` and `Tags`.
    pub fn full_tree(&self) -> DeviceTree {
        let mut tree = (*self.tree).clone();
        self.head.apply_to(&mut tree);
        apply_tags(&mut tree, &self.tags, self.head.last_inform);
        tree
    }
}

impl DeviceHead {
    /// Puts the head's knowledge into a tree.
    pub fn apply_to(&self, tree: &mut DeviceTree) {
        for informed in &self.informed {
            let id = tree.ensure(&informed.path);
            tree.set_read_value(id, informed.value.clone(), informed.at);
        }
        let at = self.last_inform;
        let mut set = |path: &str, value: TypedValue| set_local(tree, path, value, at);
        set("DeviceID.ID", TypedValue::string(&*self.id));
        set("DeviceID.Manufacturer", TypedValue::string(&*self.identity.manufacturer));
        set("DeviceID.OUI", TypedValue::string(&*self.identity.oui));
        set("DeviceID.ProductClass", TypedValue::string(&*self.identity.product_class));
        set("DeviceID.SerialNumber", TypedValue::string(&*self.identity.serial_number));
        let date = |time: i64| TypedValue(Value::Int(time), XsdType::DateTime);
        set("Events.Registered", date(self.registered));
        set("Events.Inform", date(self.last_inform));
        if let Some(time) = self.last_boot {
            set("Events.1_BOOT", date(time));
        }
        if let Some(time) = self.last_bootstrap {
            set("Events.0_BOOTSTRAP", date(time));
        }
    }

    /// Takes over what an Inform says, received at `timestamp`. Values stay in the head, so that a session that learns nothing
    /// else need not write the tree.
    pub fn receive(&mut self, inform: &Inform, timestamp: i64) {
        if self.registered == 0 {
            self.registered = timestamp;
        }
        self.id = inform.device_id.device_id();
        self.identity = inform.device_id.clone();
        self.last_inform = timestamp;
        self.retry_count = inform.retry_count;
        // Times before 1970 are the Unknown Time Value (TR-106 §3.2), and relatives of it.
        self.clock_skew = inform.current_time.filter(|time| *time > 0).map(|time| time.saturating_sub(timestamp));
        self.events = inform.events.iter().map(|event| event.code.clone()).collect();
        for event in &inform.events {
            match event_segment(&event.code).as_str() {
                "1_BOOT" => self.last_boot = Some(timestamp),
                "0_BOOTSTRAP" => {
                    self.last_bootstrap = Some(timestamp);
                    self.rpc_methods = None;
                    self.pending.clear();
                }
                _ => {}
            }
        }
    }
}

/// Sets a value below one of the local roots.
pub fn set_local(tree: &mut DeviceTree, path: &str, value: TypedValue, at: i64) {
    let id = tree.ensure(path);
    let known = tree.node(id).value.as_ref().is_some_and(|stored| stored.value == value && stored.at == at);
    if !known {
        tree.set_written_value(id, value, at, None);
    }
    tree.set_listed(id, false, false, at);
}

/// Puts tags into a tree: `true`, or their text.
pub fn apply_tags(tree: &mut DeviceTree, tags: &Tags, at: i64) {
    for (tag, value) in tags {
        let root = tree.ensure_child(DeviceTree::ROOT, "Tags");
        let id = tree.ensure_child(root, tag);
        tree.set_written_value(id, TypedValue::inferred(value.clone()), at, None);
        tree.set_listed(id, false, true, at);
    }
}

//! What a session gives to the store: one change, written as a whole or not at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::device::{DeviceHead, StoredDevice};
use crate::fault::FaultRecord;
use crate::operation::Operation;
use crate::task::{Task, TaskState};
use crate::transfer::Transfer;
use crate::tree::DeviceTree;
use crate::value::Value;

/// What a session starts from.
#[derive(Debug, Clone, Default)]
pub struct DeviceSnapshot {
    /// The device, unless this is its first contact.
    pub device: Option<StoredDevice>,
    /// Tasks that wait, by time.
    pub tasks: Vec<Task>,
    /// Stored faults.
    pub faults: Vec<FaultRecord>,
    /// Transfers that wait for their TransferComplete.
    pub operations: Vec<Operation>,
    /// Records of transfers of which there may be news.
    pub transfers: Vec<Transfer>,
}

/// What a session changed.
#[derive(Debug, Clone, Default)]
pub struct SessionChange {
    /// The new head.
    pub head: DeviceHead,
    /// Whether the device was unknown. If not, and it is gone meanwhile (an operator deleted it), nothing is written.
    pub is_new: bool,
    /// The new tree, only when it changed beyond what the head holds. The head's `informed` values are then part of it.
    pub tree: Option<Arc<DeviceTree>>,
    /// Tags set (`Some`) and removed (`None`).
    pub tags: Vec<(String, Option<Value>)>,
    /// Faults by channel: stored (`Some`) or cleared (`None`).
    pub faults: Vec<(String, Option<FaultRecord>)>,
    /// Operations by command key: stored (`Some`) or ended (`None`).
    pub operations: Vec<(String, Option<Operation>)>,
    /// Records of transfers that there is news of.
    pub transfers: Vec<Transfer>,
    /// Tasks that changed state.
    pub tasks: Vec<TaskChange>,
    /// For the outbox: what others may want to know.
    pub events: Vec<OutboxEvent>,
}

impl SessionChange {
    /// The change of a first contact that learnt a device with this tree, and nothing else.
    pub fn first(head: DeviceHead, tree: DeviceTree) -> SessionChange {
        SessionChange { head, is_new: true, tree: Some(Arc::new(tree)), ..SessionChange::default() }
    }
}

/// A task's new state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskChange {
    /// Which task.
    pub id: String,
    /// What became of it.
    pub state: TaskState,
    /// Why, for people; may be empty.
    pub reason: String,
    /// When.
    pub at: i64,
    /// What there is to show, if that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// An entry of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxEvent {
    /// E.g. `device.registered`, `fault.created`, `fault.cleared`, `task.done`.
    pub kind: String,
    /// The device concerned; empty when none is.
    pub device: String,
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// More, depending on the kind.
    pub detail: serde_json::Value,
}

//! How much of what a device tells is kept. What is beyond is ignored, and the device is marked with it
//! ([`crate::device::Overflow`]), so that nobody takes a part for the whole.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::device::{DeviceHead, InformedValue, Overflow};
use crate::rpc::ParameterInfo;
use crate::tree::DeviceTree;
use crate::value::{TypedValue, Value};

use super::Session;

/// Parameters and objects that are kept of one device.
pub const MAX_NODES: usize = 200_000;
/// Bytes of names and values that are kept of one device: some ten times what the largest data models hold.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a parameter's full name. The standard allows 256 (TR-069 A.3.2.1).
pub const MAX_NAME: usize = 1_024;
/// Lines that one session may log, of each kind.
pub(super) const MAX_LINES: u32 = 1_000;
/// Informs up to this size are not worth counting the whole tree.
const SMALL_INFORM: usize = 64 * 1024;

/// How much a value takes.
pub(super) fn value_bytes(value: &TypedValue) -> usize {
    match &value.0 {
        Value::Text(text) => text.len(),
        _ => 8,
    }
}

fn tree_bytes(tree: &DeviceTree) -> usize {
    let all = tree.descendants(DeviceTree::ROOT);
    let bytes = all.iter().map(|&id| tree.name(id).len() + tree.node(id).typed_value().map_or(0, value_bytes));
    bytes.sum()
}

/// Room that is left for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn of(tree: &DeviceTree) -> Room {
        Room { nodes: MAX_NODES.saturating_sub(tree.len()), bytes: MAX_BYTES.saturating_sub(tree_bytes(tree)) }
    }

    /// Takes room for a larger value of a name that is known.
    pub(super) fn take_bytes(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }

    /// Takes room for a name, as far as it is new, and a value. `Err`: what there is too much of.
    pub(super) fn take(&mut self, tree: &DeviceTree, name: &str, value: usize) -> Result<(), &'static str> {
        let (nodes, bytes) = missing(tree, name);
        if nodes > self.nodes {
            return Err(TOO_MANY);
        }
        if bytes + value > self.bytes {
            return Err(TOO_LARGE);
        }
        self.nodes -= nodes;
        self.bytes -= bytes + value;
        Ok(())
    }
}

/// How many nodes a name would add, and how many bytes of names.
fn missing(tree: &DeviceTree, name: &str) -> (usize, usize) {
    let mut at = Some(DeviceTree::ROOT);
    let mut missing = (0, 0);
    for segment in name.trim_end_matches('.').split('.') {
        at = at.and_then(|at| tree.child(at, segment));
        if at.is_none() {
            missing = (missing.0 + 1, missing.1 + segment.len());
        }
    }
    missing
}

const TOO_MANY: &str = "more parameters and objects than are kept of one device";
const TOO_LARGE: &str = "more bytes of names and values than are kept of one device";

/// In the order of the tree, so that each new name goes behind what is there. A device could otherwise choose an order that makes
/// each one move all others.
pub(super) fn in_order(list: &[ParameterInfo]) -> Vec<&ParameterInfo> {
    let mut ordered: Vec<&ParameterInfo> = list.iter().collect();
    ordered.sort_by(|left, right| {
        let (mut left, mut right) = (left.name.split('.'), right.name.split('.'));
        loop {
            match (left.next(), right.next()) {
                (Some(left), Some(right)) => match crate::path::compare_names(left, right) {
                    std::cmp::Ordering::Equal => {}
                    other => return other,
                },
                (left, right) => return left.is_some().cmp(&right.is_some()),
            }
        }
    });
    ordered
}

impl Session {
    /// The room that is left for this device's names and values.
    pub(super) fn room(&mut self) -> Room {
        *self.room.get_or_insert_with(|| Room::of(&self.tree))
    }

    /// Marks the device: something was left out.
    pub(super) fn overflowed(&mut self, reason: &'static str, left_out: &str) {
        let at = self.facts.timestamp;
        if self.head.overflow.as_ref().is_none_or(|overflow| overflow.at != at) {
            self.note(format!("the device tells {reason}"), json!({ "first": shortened(left_out) }));
        }
        self.head.overflow = Some(Overflow { at, reason: reason.to_owned() });
    }
}

/// A name for the log.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(256).collect()
}

/// Takes room for an Inform's values. Of a small Inform that names nothing new there is nothing to count.
#[derive(Debug)]
pub(super) struct InformRoom {
    room: Option<Room>,
    /// The values are so large that they belong into the tree, where they are counted in full.
    pub(super) is_large: bool,
}

impl InformRoom {
    pub(super) fn new(informed: &[InformedValue], list: &[(String, TypedValue)]) -> InformRoom {
        let held: usize = informed.iter().map(|informed| informed.path.len() + value_bytes(&informed.value)).sum();
        let told: usize = list.iter().map(|(name, value)| name.len() + value_bytes(value)).sum();
        InformRoom { room: None, is_large: held + told > SMALL_INFORM }
    }

    pub(super) fn take(&mut self, tree: &DeviceTree, name: &str, value: &TypedValue) -> Result<(), &'static str> {
        if !self.is_large && tree.find(name).is_some() {
            return Ok(());
        }
        self.room.get_or_insert_with(|| Room::of(tree)).take(tree, name, value_bytes(value))
    }
}

/// Marks the head of a device whose Inform was not kept in full. A device that starts afresh has no mark.
pub(super) fn mark(head: &mut DeviceHead, timestamp: i64, is_bootstrap: bool, reason: Option<&str>) {
    if is_bootstrap {
        head.overflow = None;
    }
    if let Some(reason) = reason {
        head.overflow = Some(Overflow { at: timestamp, reason: reason.to_owned() });
    }
}

//! Heartbeats: when a device that promised signs of life (TR-181 `Device.ManagementServer.HeartbeatPolicy.`) must give the next one.
//!
//! Any session is a sign of life. When the next one is due is part of the device's head; who looks whether it has come is the server's
//! business.

use serde::{Deserialize, Serialize};

use crate::tree::DeviceTree;
use crate::value::Value;

/// What devices may be late by, at least.
const LEAST_MARGIN: i64 = 60_000;
/// Longest interval that is believed: ten years, beyond any sense.
const MAX_INTERVAL: i64 = 10 * 366 * 24 * 3_600;

/// What is expected of a device. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// How long it may be silent: its ReportingInterval and half of that more, at least a minute. In milliseconds.
    pub patience: i64,
    /// When the next sign of life is due at the latest.
    pub due: i64,
    /// When it was found missing; `None` while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_at: Option<i64>,
}

impl Heartbeat {
    /// What is expected after a sign of life at a time; nothing when the device's policy is not known to be enabled.
    pub fn after(tree: &DeviceTree, at: i64) -> Option<Heartbeat> {
        let policy = tree.find("Device.ManagementServer.HeartbeatPolicy")?;
        let value = |name: &str| {
            let id = tree.child(policy, name)?;
            Some(&tree.node(id).typed_value()?.0)
        };
        if !matches!(value("Enable")?, Value::Bool(true)) {
            return None;
        }
        let Value::Int(interval) = value("ReportingInterval")? else { return None };
        if !(1..=MAX_INTERVAL).contains(interval) {
            return None;
        }
        let interval = interval * 1_000;
        let patience = interval + (interval / 2).max(LEAST_MARGIN);
        // It may be told to begin later.
        let begin = match value("InitiationTime") {
            Some(Value::Int(time)) => at.max(*time),
            _ => at,
        };
        Some(Heartbeat { patience, due: begin.saturating_add(patience), missed_at: None })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::value::{TypedValue, XsdType};

    const NOW: i64 = 1_700_000_000_000;

    fn tree(values: &[(&str, Value, XsdType)]) -> DeviceTree {
        let mut tree = DeviceTree::new();
        for (name, value, xsd_type) in values {
            let id = tree.ensure(&format!("Device.ManagementServer.HeartbeatPolicy.{name}"));
            tree.set_read_value(id, TypedValue(value.clone(), xsd_type.clone()), 1);
        }
        tree
    }

    fn policy(enable: bool, interval: i64, initiation: Option<i64>) -> DeviceTree {
        let mut values = vec![
            ("Enable", Value::Bool(enable), XsdType::Boolean),
            ("ReportingInterval", Value::Int(interval), XsdType::UnsignedInt),
        ];
        values.extend(initiation.map(|time| ("InitiationTime", Value::Int(time), XsdType::DateTime)));
        tree(&values)
    }

    #[test]
    fn the_next_is_due_after_the_interval_and_a_margin() {
        // Interval in seconds, initiation, what is due after now in seconds.
        for (interval, initiation, due) in [
            (20, None, 80),
            (300, None, 450),
            (3_600, None, 5_400),
            // The Unknown Time Value, and a time that is over, change nothing.
            (300, Some(crate::rpc::UNKNOWN_TIME), 450),
            (300, Some(NOW - 1), 450),
            (300, Some(NOW + 1_000_000), 1_450),
        ] {
            let heartbeat = Heartbeat::after(&policy(true, interval, initiation), NOW).unwrap();
            assert_eq!((heartbeat.due - NOW) / 1_000, due, "{interval} {initiation:?}");
            assert_eq!(heartbeat.missed_at, None);
        }
    }

    #[test]
    fn nothing_is_expected_without_a_policy_that_makes_sense() {
        for tree in [
            DeviceTree::new(),
            tree(&[("Enable", Value::Bool(true), XsdType::Boolean)]),
            policy(false, 300, None),
            policy(true, 0, None),
            policy(true, i64::MAX, None),
            tree(&[
                ("Enable", Value::Bool(true), XsdType::Boolean),
                ("ReportingInterval", Value::Text("often".into()), XsdType::String),
            ]),
        ] {
            assert_eq!(Heartbeat::after(&tree, NOW), None);
        }
    }
}

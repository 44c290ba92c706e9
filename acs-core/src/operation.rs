//! Operations: what a device has accepted or was sent, and of which it is still to report how it went.
//!
//! | RPC | what ends it |
//! | --- | --- |
//! | Download, Upload, ScheduleDownload | TransferComplete |
//! | ChangeDUState | DUStateChangeComplete |
//! | Reboot | the events `1 BOOT` and `M Reboot` |
//! | FactoryReset | the event `0 BOOTSTRAP` |
//! | ScheduleInform | the event `M ScheduleInform` |
//!
//! A StarState job is no RPC, but the same to those who wait for it: what ends it is its own report, which each session asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::fault::ProvisionCall;

/// The RPC behind an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub enum OperationKind {
    /// Also what was stored before there were others.
    #[default]
    Download,
    /// A file of the device.
    Upload,
    /// A Download at a time of the operator's choice.
    ScheduleDownload,
    /// Deployment units.
    ChangeDUState,
    /// A restart.
    Reboot,
    /// A restart with the factory's configuration.
    FactoryReset,
    /// An Inform at a time.
    ScheduleInform,
    /// The configuration of a router from a StarState document.
    StarState,
}

impl OperationKind {
    /// The RPC's name.
    pub const fn rpc(self) -> &'static str {
        match self {
            OperationKind::Download => "Download",
            OperationKind::Upload => "Upload",
            OperationKind::ScheduleDownload => "ScheduleDownload",
            OperationKind::ChangeDUState => "ChangeDUState",
            OperationKind::Reboot => "Reboot",
            OperationKind::FactoryReset => "FactoryReset",
            OperationKind::ScheduleInform => "ScheduleInform",
            OperationKind::StarState => "StarState",
        }
    }

    /// The call or the event that ends it.
    pub const fn report(self) -> &'static str {
        match self {
            OperationKind::Download | OperationKind::Upload | OperationKind::ScheduleDownload => "TransferComplete",
            OperationKind::ChangeDUState => "DUStateChangeComplete",
            OperationKind::Reboot => "1 BOOT",
            OperationKind::FactoryReset => "0 BOOTSTRAP",
            OperationKind::ScheduleInform => "M ScheduleInform",
            OperationKind::StarState => "the end of its job",
        }
    }
}

/// A pending operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Operation {
    /// The CommandKey of the request; unique within the device also for RPCs that have none.
    pub command_key: String,
    /// Which RPC.
    #[serde(default)]
    pub kind: OperationKind,
    /// When it was requested, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// How much later the device may begin, in milliseconds.
    #[serde(default)]
    pub delay: i64,
    /// The entries below the RPC's root (`Downloads`, …), in the order of the request; empty for RPCs without entries.
    #[serde(default, alias = "instance", deserialize_with = "one_or_many")]
    pub instances: Vec<String>,
    /// As requested.
    #[serde(default)]
    pub file_type: String,
    /// As requested.
    #[serde(default)]
    pub file_name: String,
    /// As requested.
    #[serde(default)]
    pub target_file_name: String,
    /// The channels to fault if it fails, each with its provisions.
    pub channels: BTreeMap<String, Vec<ProvisionCall>>,
    /// How often each channel had been retried when it was requested.
    pub retries: BTreeMap<String, u32>,
}

/// Downloads used to have one instance, as a text.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::One(instance) => vec![instance],
        Form::Many(instances) => instances,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_download_that_was_stored_before_there_were_kinds_is_still_read() {
        let stored = r#"{"command_key":"18b0a2","timestamp":1700000000000,"instance":"2","file_type":"1 Firmware Upgrade Image",
            "file_name":"fw.bin","target_file_name":"","channels":{"default":[{"name":"p","arguments":[],"weight":0}]},
            "retries":{"default":1}}"#;
        let operation: Operation = serde_json::from_str(stored).unwrap();
        assert_eq!((operation.kind, operation.delay), (OperationKind::Download, 0));
        assert_eq!((operation.instances.as_slice(), operation.file_name.as_str()), (&["2".to_owned()][..], "fw.bin"));
        assert_eq!(operation.retries["default"], 1);
        let again: Operation = serde_json::from_str(&serde_json::to_string(&operation).unwrap()).unwrap();
        assert_eq!(again, operation);
    }
}

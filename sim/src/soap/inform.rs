//! What the device says by itself: Inform, and what became of transfers and deployment units (TR-069 Annex A.3.3, A.4.2).

use crate::model::Identity;
use crate::value::{UNKNOWN_TIME, Value};

/// An EventStruct: an event code and the CommandKey that goes with `M …` events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// E.g. `1 BOOT` or `M Reboot`.
    pub code: String,
    /// Empty unless an RPC with a CommandKey caused the event.
    pub command_key: String,
}

impl Event {
    /// An event caused by an RPC with a CommandKey.
    pub fn with_key(code: &str, command_key: &str) -> Self {
        Self { code: code.to_owned(), command_key: command_key.to_owned() }
    }
}

impl From<&str> for Event {
    fn from(code: &str) -> Self {
        Self::with_key(code, "")
    }
}

impl From<String> for Event {
    fn from(code: String) -> Self {
        Self::with_key(&code, "")
    }
}

impl From<&Event> for Event {
    fn from(event: &Event) -> Self {
        event.clone()
    }
}

/// The arguments of an Inform.
#[derive(Clone, Debug)]
pub struct Inform<'a> {
    /// DeviceId.
    pub identity: &'a Identity,
    /// Event.
    pub events: &'a [Event],
    /// CurrentTime as ISO 8601 text.
    pub current_time: String,
    /// RetryCount.
    pub retry_count: u32,
    /// ParameterList.
    pub parameters: Vec<(&'a str, &'a Value)>,
}

/// The arguments of AutonomousTransferComplete, without its times.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutonomousTransfer {
    /// Where the device heard of the file.
    pub announce_url: String,
    /// Where the file came from, or went.
    pub transfer_url: String,
    /// Else an upload.
    pub is_download: bool,
    /// FileType.
    pub file_type: String,
    /// FileSize in bytes.
    pub file_size: u64,
    /// TargetFileName.
    pub target_file_name: String,
    /// The fault code of a failed transfer, else 0.
    pub fault: u32,
}

/// One result of DUStateChangeComplete or, with `operation`, of AutonomousDUStateChangeComplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationResult {
    /// The unit.
    pub uuid: String,
    /// Its object in the data model.
    pub deployment_unit_ref: String,
    /// Its version.
    pub version: String,
    /// `Installed`, `Uninstalled` or `Failed`.
    pub current_state: &'static str,
    /// StartTime.
    pub start_time: String,
    /// CompleteTime.
    pub complete_time: String,
    /// 0, or the fault code.
    pub fault: u32,
    /// OperationPerformed.
    pub operation: Option<&'static str>,
}

/// The result of a file transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferComplete {
    /// CommandKey of the Download or Upload.
    pub command_key: String,
    /// 0, or the fault code with its text.
    pub fault: Option<(u32, String)>,
    /// StartTime.
    pub start_time: String,
    /// CompleteTime; the unknown time when the transfer failed.
    pub complete_time: String,
}

impl TransferComplete {
    /// A successful transfer.
    pub fn done(command_key: &str, start_time: String, complete_time: String) -> Self {
        Self { command_key: command_key.to_owned(), fault: None, start_time, complete_time }
    }

    /// A failed transfer.
    pub fn failed(command_key: &str, code: u32, text: &str) -> Self {
        Self {
            command_key: command_key.to_owned(),
            fault: Some((code, text.to_owned())),
            start_time: UNKNOWN_TIME.to_owned(),
            complete_time: UNKNOWN_TIME.to_owned(),
        }
    }
}

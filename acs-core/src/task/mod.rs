//! Tasks: one-time jobs for one device, queued by operators (`docs/nbi.md`, "Tasks").

mod document;
mod kind;

pub use kind::TaskKind;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::rpc::ArgumentError;
use crate::value::{format_date_time, parse_date_time};

/// A queued job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The device.
    pub device: String,
    /// What to do.
    pub kind: TaskKind,
    /// Not before this time, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Dropped at this time when it has not been done.
    pub expiry: Option<i64>,
    /// A later task of the device with the same key replaces this one.
    pub unique_key: Option<String>,
    /// Where it stands.
    pub state: TaskState,
    /// Why it stands there, for people.
    pub reason: String,
    /// When its state changed last.
    pub state_at: i64,
    /// What there is to show: an answer of the device, or the outcome of what it reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for the device.
    Queued,
    /// A connection request is on its way.
    Waking,
    /// Being done.
    InSession,
    /// Done.
    Done,
    /// Failed; tried again as its fault says.
    Faulted,
    /// The device has taken it, and is still to report how it went.
    Accepted,
    /// The device was told, and nothing shows whether it has done it.
    Unknown,
    /// Its time has passed.
    Expired,
    /// Deleted by an operator, or replaced.
    Cancelled,
}

impl TaskState {
    /// The states of tasks that are still in the queue.
    pub const OPEN: [TaskState; 4] = [TaskState::Queued, TaskState::Waking, TaskState::InSession, TaskState::Faulted];

    /// Whether the task is still in the queue.
    pub fn is_open(self) -> bool {
        TaskState::OPEN.contains(&self)
    }

    /// Whether the state is the last one, whatever a device still reports.
    pub fn is_final(self) -> bool {
        matches!(self, TaskState::Done | TaskState::Unknown | TaskState::Expired | TaskState::Cancelled)
    }

    /// As documents and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::Queued => "queued",
            TaskState::Waking => "waking",
            TaskState::InSession => "in_session",
            TaskState::Done => "done",
            TaskState::Faulted => "faulted",
            TaskState::Accepted => "accepted",
            TaskState::Unknown => "unknown",
            TaskState::Expired => "expired",
            TaskState::Cancelled => "cancelled",
        }
    }
}

/// A task document that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// No object.
    #[error("A task must be a JSON object")]
    NotAnObject,
    /// No known `name`.
    #[error("Invalid task name")]
    InvalidName,
    /// A property is absent.
    #[error("Missing '{0}' property")]
    Missing(&'static str),
    /// A property has the wrong form.
    #[error("Invalid '{0}' property")]
    Invalid(&'static str),
    /// One of the names.
    #[error("Invalid parameter name '{0}'")]
    InvalidParameterName(String),
    /// One of the values.
    #[error("Invalid parameter value '{0}'")]
    InvalidParameterValue(String),
    /// What no conforming device would take.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A name that can never match.
    #[error("{0}")]
    Path(#[from] crate::path::PathError),
}

impl Task {
    /// Reads a task document as the NBI takes it. `id` and `now` are used where the document does not say.
    pub fn from_document(document: &Json, device: &str, id: String, now: i64) -> Result<Task, TaskError> {
        let map = document.as_object().ok_or(TaskError::NotAnObject)?;
        let kind = TaskKind::from_document(map)?;
        let timestamp = match map.get("timestamp") {
            None | Some(Json::Null) => now,
            Some(value) => time(value).ok_or(TaskError::Invalid("timestamp"))?,
        };
        let expiry = match map.get("expiry") {
            None | Some(Json::Null) => None,
            Some(Json::Number(seconds)) => {
                let seconds = seconds.as_f64().ok_or(TaskError::Invalid("expiry"))?;
                Some(timestamp.saturating_add((seconds * 1000.0) as i64))
            }
            Some(value) => Some(time(value).ok_or(TaskError::Invalid("expiry"))?),
        };
        let unique_key = match map.get("uniqueKey") {
            None | Some(Json::Null) => None,
            Some(Json::String(key)) => Some(key.clone()),
            Some(_) => return Err(TaskError::Invalid("uniqueKey")),
        };
        Ok(Task {
            id,
            device: device.to_owned(),
            kind,
            timestamp,
            expiry,
            unique_key,
            state: TaskState::Queued,
            reason: String::new(),
            state_at: now,
            result: None,
        })
    }

    /// The channel that its fault gets.
    pub fn channel(&self) -> String {
        format!("task_{}", self.id)
    }

    /// The document that the NBI shows.
    pub fn document(&self) -> Json {
        let mut map = Map::new();
        map.insert("_id".into(), self.id.as_str().into());
        map.insert("device".into(), self.device.as_str().into());
        map.insert("name".into(), self.kind.name().into());
        self.kind.write_properties(&mut map);
        map.insert("timestamp".into(), format_date_time(self.timestamp).into());
        if let Some(expiry) = self.expiry {
            map.insert("expiry".into(), format_date_time(expiry).into());
        }
        if let Some(key) = &self.unique_key {
            map.insert("uniqueKey".into(), key.as_str().into());
        }
        map.insert("state".into(), self.state.as_str().into());
        if !self.reason.is_empty() {
            map.insert("reason".into(), self.reason.as_str().into());
        }
        map.insert("stateTimestamp".into(), format_date_time(self.state_at).into());
        if let Some(result) = &self.result {
            map.insert("result".into(), result.clone());
        }
        Json::Object(map)
    }
}

fn time(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Json::String(text) => parse_date_time(text),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fault::ProvisionCall;

    fn parse(document: Json) -> Result<Task, TaskError> {
        Task::from_document(&document, "001122-1", "0123456789abcdef01234567".into(), 1_000)
    }

    // Rule: task-errors.
    #[test]
    fn mistakes_are_named() {
        let cases = [
            (json!({}), "Invalid task name"),
            (json!({"name": "dance"}), "Invalid task name"),
            (json!({"name": "getParameterValues"}), "Missing 'parameterNames' property"),
            (json!({"name": "getParameterValues", "parameterNames": []}), "Missing 'parameterNames' property"),
            (json!({"name": "getParameterValues", "parameterNames": [""]}), "Invalid parameter name ''"),
            (json!({"name": "setParameterValues"}), "Missing 'parameterValues' property"),
            (json!({"name": "setParameterValues", "parameterValues": [["A"]]}), "Invalid parameter value '[\"A\"]'"),
            (
                json!({"name": "setParameterValues", "parameterValues": [["A", null]]}),
                "Invalid parameter value '[\"A\",null]'",
            ),
            (json!({"name": "refreshObject"}), "Missing 'objectName' property"),
            (json!({"name": "deleteObject", "objectName": ""}), "Missing 'objectName' property"),
            (json!({"name": "download"}), "Missing 'fileType' property"),
            (json!({"name": "download", "fileType": "1"}), "Missing 'fileName' property"),
            (
                json!({"name": "download", "fileType": "1", "fileName": "f", "targetFileName": 1}),
                "Invalid 'targetFileName' property",
            ),
            (json!({"name": "provisions", "provisions": [[1]]}), "Invalid 'provisions' property"),
            (json!([]), "A task must be a JSON object"),
            (json!({"name": "upload", "fileType": "2 Vendor Log File"}), "Missing 'fileName' property"),
            (json!({"name": "scheduleInform"}), "Missing 'delaySeconds' property"),
            (json!({"name": "scheduleInform", "delaySeconds": 0}), "DelaySeconds must be at least 1"),
            (json!({"name": "scheduleInform", "delaySeconds": -1}), "Invalid 'delaySeconds' property"),
            (json!({"name": "cancelTransfer"}), "Missing 'commandKey' property"),
            (
                json!({"name": "cancelTransfer", "commandKey": "0123456789012345678901234567890123"}),
                "CommandKey has 34 characters; at most 32 are allowed",
            ),
            (json!({"name": "changeDUState", "operations": []}), "Operations is required"),
            (
                json!({"name": "changeDUState", "operations": [{"operation": "Remove"}]}),
                "an operation is one of Install, Update, Uninstall",
            ),
            (
                json!({"name": "changeDUState", "operations": [{"operation": "Uninstall", "url": "x"}]}),
                "\"Uninstall\" has no \"url\"",
            ),
            (json!({"name": "setVouchers", "voucherList": ["?"]}), "voucher 1 is not in Base64"),
            (
                json!({"name": "scheduleDownload", "fileType": "2 Web Content", "fileName": "f", "timeWindows": []}),
                "one or two time windows are needed, not 0",
            ),
            (json!({"name": "X_0A1B2C Probe"}), "\"X_0A1B2C Probe\" is not the name of a vendor's method or argument"),
            (
                json!({"name": "setParameterValues", "parameterValues": [["A", "a\u{1}"]]}),
                "a parameter's value has the character U+0001, which XML cannot hold",
            ),
        ];
        for (document, message) in cases {
            assert_eq!(parse(document.clone()).unwrap_err().to_string(), message, "{document}");
        }
        let error = parse(json!({"name": "refreshObject", "objectName": "A."})).unwrap_err();
        assert!(error.to_string().contains("empty segment"), "{error}");
    }

    #[test]
    fn tasks_become_provisions() {
        let calls = |document: Json| {
            let provisions = parse(document).unwrap().kind.provisions();
            Json::Array(provisions.iter().map(ProvisionCall::to_json).collect())
        };
        let cases = [
            (
                json!({"name": "getParameterValues", "parameterNames": ["A", "B.C"]}),
                json!([["refresh", "A"], ["refresh", "B.C"]]),
            ),
            (
                json!({"name": "setParameterValues", "parameterValues": [["A", 1], ["B", "x", "xsd:string"]]}),
                json!([["value", "A", "value", 1], ["value", "B", "value", "x", "xsd:string"]]),
            ),
            (
                json!({"name": "addObject", "objectName": "A", "parameterValues": [["K", "a b"], ["P", 80]]}),
                json!([["instances", "A.[K:a b,P:80]", "+1"]]),
            ),
            (json!({"name": "addObject", "objectName": "A"}), json!([["instances", "A.[]", "+1"]])),
            (json!({"name": "deleteObject", "objectName": "A.1"}), json!([["instances", "A.1", 0]])),
            (json!({"name": "reboot"}), json!([["reboot"]])),
            (json!({"name": "provisions", "provisions": [["p", 1, "x"]]}), json!([["p", 1, "x"]])),
            (
                json!({"name": "upload", "fileType": "2 Vendor Log File", "fileName": "log"}),
                json!([["upload", "2 Vendor Log File", "log"]]),
            ),
            (json!({"name": "scheduleInform", "delaySeconds": 60}), json!([["scheduleInform", 60]])),
            (
                json!({"name": "changeDUState", "operations": [
                    {"operation": "Install", "url": "http://h/u"},
                    {"operation": "Uninstall", "uuid": "00112233-4455-6677-8899-aabbccddeeff"},
                ]}),
                json!([[
                    "changeDUState",
                    {"operation": "Install", "url": "http://h/u"},
                    {"operation": "Uninstall", "uuid": "00112233-4455-6677-8899-aabbccddeeff"},
                ]]),
            ),
            (json!({"name": "getRPCMethods"}), json!([["rpc", "GetRPCMethods"]])),
            (
                json!({"name": "cancelTransfer", "commandKey": "k"}),
                json!([["rpc", {"CancelTransfer": {"command_key": "k"}}]]),
            ),
        ];
        for (document, expected) in cases {
            assert_eq!(calls(document), expected);
        }
    }

    #[test]
    fn documents_are_shown_as_they_were_given() {
        let cases = [
            json!({"name": "X_0A1B2C_Probe", "arguments": {"Host": ["a", "b"], "Options": {"Count": "3"}}}),
            json!({"name": "changeDUState", "operations": [{"operation": "Update", "version": "1", "url": "http://h/u"}]}),
            json!({"name": "scheduleDownload", "fileType": "2 Web Content", "fileName": "f", "timeWindows": [{
                "windowStart": 0, "windowEnd": 60, "windowMode": "3 When Idle", "userMessage": "", "maxRetries": -1,
            }]}),
            json!({"name": "getOptions", "optionName": "IPTV"}),
            json!({"name": "setVouchers", "voucherList": ["QUJD"]}),
        ];
        for document in cases {
            let shown = parse(document.clone()).unwrap().document();
            for (key, value) in document.as_object().unwrap() {
                assert_eq!(shown[key], *value, "{key}");
            }
        }
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let task =
            parse(json!({"name": "reboot", "expiry": 60, "timestamp": "1970-01-01T00:00:05Z", "uniqueKey": "k"}))
                .unwrap();
        assert_eq!((task.timestamp, task.expiry), (5_000, Some(65_000)));
        assert_eq!(task.document()["expiry"], "1970-01-01T00:01:05.000Z");
        let task = parse(json!({"name": "reboot", "expiry": "1970-01-01T00:00:09Z"})).unwrap();
        assert_eq!((task.timestamp, task.expiry), (1_000, Some(9_000)));
    }
}

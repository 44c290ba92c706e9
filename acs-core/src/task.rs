//! Tasks: one-time jobs for one device, queued by operators (`docs/nbi.md`, "Tasks").

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::fault::ProvisionCall;
use crate::path::{Alias, Path, Segment};
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

    /// As documents and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::Queued => "queued",
            TaskState::Waking => "waking",
            TaskState::InSession => "in_session",
            TaskState::Done => "done",
            TaskState::Faulted => "faulted",
            TaskState::Expired => "expired",
            TaskState::Cancelled => "cancelled",
        }
    }
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskKind {
    /// Reads parameters; objects with all below them.
    GetParameterValues {
        /// Names.
        parameter_names: Vec<String>,
    },
    /// Sets parameters.
    SetParameterValues {
        /// Name, value, and the type if given.
        parameter_values: Vec<(String, Json, Option<String>)>,
    },
    /// Reads an object with all below it; the empty name is everything.
    RefreshObject {
        /// The object.
        object_name: String,
    },
    /// Adds an instance.
    AddObject {
        /// The multi-instance object.
        object_name: String,
        /// Values of the new instance, relative to it.
        parameter_values: Vec<(String, Json)>,
    },
    /// Deletes an instance, or all that a pattern matches.
    DeleteObject {
        /// The instance.
        object_name: String,
    },
    /// Restarts the device.
    Reboot,
    /// Resets the device.
    FactoryReset,
    /// Has the device fetch a file.
    Download {
        /// E.g. `1 Firmware Upgrade Image`.
        file_type: String,
        /// On the file server.
        file_name: String,
        /// May be empty.
        target_file_name: String,
    },
    /// Runs provisions.
    Provisions {
        /// `[name, …arguments]` each.
        provisions: Vec<Vec<Json>>,
    },
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
        Json::Object(map)
    }
}

impl TaskKind {
    /// The document's `name`.
    pub fn name(&self) -> &'static str {
        match self {
            TaskKind::GetParameterValues { .. } => "getParameterValues",
            TaskKind::SetParameterValues { .. } => "setParameterValues",
            TaskKind::RefreshObject { .. } => "refreshObject",
            TaskKind::AddObject { .. } => "addObject",
            TaskKind::DeleteObject { .. } => "deleteObject",
            TaskKind::Reboot => "reboot",
            TaskKind::FactoryReset => "factoryReset",
            TaskKind::Download { .. } => "download",
            TaskKind::Provisions { .. } => "provisions",
        }
    }

    /// The provisions that do it.
    pub fn provisions(&self) -> Vec<ProvisionCall> {
        let call = |name: &str, arguments: Vec<Json>| ProvisionCall { name: name.to_owned(), arguments, weight: 0 };
        match self {
            TaskKind::GetParameterValues { parameter_names } => {
                parameter_names.iter().map(|name| call("refresh", vec![name.as_str().into()])).collect()
            }
            TaskKind::SetParameterValues { parameter_values } => parameter_values
                .iter()
                .map(|(name, value, xsd_type)| {
                    let mut arguments = vec![Json::from(name.as_str()), Json::from("value"), value.clone()];
                    arguments.extend(xsd_type.iter().map(|xsd_type| Json::from(xsd_type.as_str())));
                    call("value", arguments)
                })
                .collect(),
            TaskKind::RefreshObject { object_name } => vec![call("refresh", vec![object_name.as_str().into()])],
            TaskKind::AddObject { object_name, parameter_values } => {
                let pairs = parameter_values.iter().filter_map(|(key, value)| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    Some((Path::parse(key).ok()?, text))
                });
                let alias = Segment::Alias(Alias { pairs: pairs.collect() }.into());
                let path = Path::parse(object_name).map(|object| object.child(alias).to_string()).unwrap_or_default();
                vec![call("instances", vec![path.into(), "+1".into()])]
            }
            TaskKind::DeleteObject { object_name } => {
                vec![call("instances", vec![object_name.as_str().into(), 0.into()])]
            }
            TaskKind::Reboot => vec![call("reboot", vec![])],
            TaskKind::FactoryReset => vec![call("reset", vec![])],
            TaskKind::Download { file_type, file_name, target_file_name } => {
                let mut arguments = vec![Json::from(file_type.as_str()), Json::from(file_name.as_str())];
                if !target_file_name.is_empty() {
                    arguments.push(target_file_name.as_str().into());
                }
                vec![call("download", arguments)]
            }
            TaskKind::Provisions { provisions } => provisions
                .iter()
                .filter_map(|entry| {
                    let (name, arguments) = entry.split_first()?;
                    Some(call(name.as_str()?, arguments.to_vec()))
                })
                .collect(),
        }
    }

    fn from_document(map: &Map<String, Json>) -> Result<TaskKind, TaskError> {
        match map.get("name").and_then(Json::as_str) {
            Some("getParameterValues") => {
                let names = map.get("parameterNames").ok_or(TaskError::Missing("parameterNames"))?;
                let names =
                    names.as_array().filter(|names| !names.is_empty()).ok_or(TaskError::Missing("parameterNames"))?;
                let parameter_names = names.iter().map(parameter_name).collect::<Result<_, _>>()?;
                Ok(TaskKind::GetParameterValues { parameter_names })
            }
            Some("setParameterValues") => {
                let values = map.get("parameterValues").and_then(Json::as_array).filter(|values| !values.is_empty());
                let values = values.ok_or(TaskError::Missing("parameterValues"))?;
                let parameter_values = values.iter().map(parameter_value).collect::<Result<_, _>>()?;
                Ok(TaskKind::SetParameterValues { parameter_values })
            }
            Some("refreshObject") => {
                let object_name = text(map, "objectName")?.ok_or(TaskError::Missing("objectName"))?;
                Path::parse(&object_name)?;
                Ok(TaskKind::RefreshObject { object_name })
            }
            Some("addObject") => {
                let object_name = text(map, "objectName")?.filter(|name| !name.is_empty());
                let object_name = object_name.ok_or(TaskError::Missing("objectName"))?;
                Path::parse(&object_name)?;
                let mut parameter_values = Vec::new();
                match map.get("parameterValues") {
                    None | Some(Json::Null) => {}
                    Some(Json::Array(values)) => {
                        for value in values {
                            let (name, value, _) = parameter_value(value)?;
                            parameter_values.push((name, value));
                        }
                    }
                    Some(_) => return Err(TaskError::Invalid("parameterValues")),
                }
                Ok(TaskKind::AddObject { object_name, parameter_values })
            }
            Some("deleteObject") => {
                let object_name = text(map, "objectName")?.filter(|name| !name.is_empty());
                let object_name = object_name.ok_or(TaskError::Missing("objectName"))?;
                Path::parse(&object_name)?;
                Ok(TaskKind::DeleteObject { object_name })
            }
            Some("reboot") => Ok(TaskKind::Reboot),
            Some("factoryReset") => Ok(TaskKind::FactoryReset),
            Some("download") => {
                let file_type = text(map, "fileType")?.filter(|text| !text.is_empty());
                let file_name = text(map, "fileName")?.filter(|text| !text.is_empty());
                Ok(TaskKind::Download {
                    file_type: file_type.ok_or(TaskError::Missing("fileType"))?,
                    file_name: file_name.ok_or(TaskError::Missing("fileName"))?,
                    target_file_name: text(map, "targetFileName")?.unwrap_or_default(),
                })
            }
            Some("provisions") => {
                let list = map.get("provisions").and_then(Json::as_array).ok_or(TaskError::Invalid("provisions"))?;
                let provisions = list.iter().map(provision).collect::<Result<_, _>>()?;
                Ok(TaskKind::Provisions { provisions })
            }
            _ => Err(TaskError::InvalidName),
        }
    }

    fn write_properties(&self, map: &mut Map<String, Json>) {
        match self {
            TaskKind::GetParameterValues { parameter_names } => {
                map.insert("parameterNames".into(), json!(parameter_names));
            }
            TaskKind::SetParameterValues { parameter_values } => {
                let list = parameter_values.iter().map(|(name, value, xsd_type)| match xsd_type {
                    Some(xsd_type) => json!([name, value, xsd_type]),
                    None => json!([name, value]),
                });
                map.insert("parameterValues".into(), list.collect());
            }
            TaskKind::RefreshObject { object_name } | TaskKind::DeleteObject { object_name } => {
                map.insert("objectName".into(), object_name.as_str().into());
            }
            TaskKind::AddObject { object_name, parameter_values } => {
                map.insert("objectName".into(), object_name.as_str().into());
                if !parameter_values.is_empty() {
                    map.insert("parameterValues".into(), json!(parameter_values));
                }
            }
            TaskKind::Reboot | TaskKind::FactoryReset => {}
            TaskKind::Download { file_type, file_name, target_file_name } => {
                map.insert("fileType".into(), file_type.as_str().into());
                map.insert("fileName".into(), file_name.as_str().into());
                if !target_file_name.is_empty() {
                    map.insert("targetFileName".into(), target_file_name.as_str().into());
                }
            }
            TaskKind::Provisions { provisions } => {
                map.insert("provisions".into(), json!(provisions));
            }
        }
    }
}

fn text(map: &Map<String, Json>, key: &'static str) -> Result<Option<String>, TaskError> {
    match map.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TaskError::Invalid(key)),
    }
}

fn parameter_name(value: &Json) -> Result<String, TaskError> {
    let name = value.as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| TaskError::InvalidParameterName(plain(value)))?;
    Path::parse(name)?;
    Ok(name.to_owned())
}

fn parameter_value(value: &Json) -> Result<(String, Json, Option<String>), TaskError> {
    let invalid = || TaskError::InvalidParameterValue(plain(value));
    let parts = value.as_array().ok_or_else(invalid)?;
    let (name, new_value, xsd_type) = match parts.as_slice() {
        [name, new_value] => (name, new_value, None),
        [name, new_value, Json::Null] => (name, new_value, None),
        [name, new_value, Json::String(xsd_type)] => (name, new_value, Some(xsd_type.clone())),
        _ => return Err(invalid()),
    };
    if !(new_value.is_string() || new_value.is_number() || new_value.is_boolean()) {
        return Err(invalid());
    }
    Ok((parameter_name(name)?, new_value.clone(), xsd_type))
}

fn provision(value: &Json) -> Result<Vec<Json>, TaskError> {
    let parts = value.as_array().filter(|parts| parts.first().is_some_and(Json::is_string));
    let parts = parts.ok_or(TaskError::Invalid("provisions"))?;
    if parts.iter().any(|part| part.is_array() || part.is_object()) {
        return Err(TaskError::Invalid("provisions"));
    }
    Ok(parts.clone())
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
    use super::*;

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
        ];
        for (document, expected) in cases {
            assert_eq!(calls(document), expected);
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

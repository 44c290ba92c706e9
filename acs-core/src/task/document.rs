//! Task documents: what operators write, and what they are shown.

use serde_json::{Map, Value as Json, json};

use crate::path::Path;
use crate::rpc::{ArgumentError, DUOperation, TimeWindow, VendorArgument, VendorRequest, VendorValue};

use super::kind::operation_document;
use super::{TaskError, TaskKind};

impl TaskKind {
    pub(super) fn from_document(map: &Map<String, Json>) -> Result<TaskKind, TaskError> {
        let kind = TaskKind::read(map)?;
        kind.check()?;
        Ok(kind)
    }

    fn read(map: &Map<String, Json>) -> Result<TaskKind, TaskError> {
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
                let (file_type, file_name) = file(map)?;
                let target_file_name = text(map, "targetFileName")?.unwrap_or_default();
                Ok(TaskKind::Download { file_type, file_name, target_file_name })
            }
            Some("upload") => {
                let (file_type, file_name) = file(map)?;
                Ok(TaskKind::Upload { file_type, file_name })
            }
            Some("scheduleDownload") => {
                let (file_type, file_name) = file(map)?;
                let target_file_name = text(map, "targetFileName")?.unwrap_or_default();
                let windows = map.get("timeWindows").ok_or(TaskError::Missing("timeWindows"))?;
                let windows = windows.as_array().ok_or(TaskError::Invalid("timeWindows"))?;
                let time_windows = windows.iter().map(time_window).collect::<Result<_, _>>()?;
                Ok(TaskKind::ScheduleDownload { file_type, file_name, target_file_name, time_windows })
            }
            Some("cancelTransfer") => {
                let command_key = text(map, "commandKey")?.filter(|key| !key.is_empty());
                Ok(TaskKind::CancelTransfer { command_key: command_key.ok_or(TaskError::Missing("commandKey"))? })
            }
            Some("getQueuedTransfers") => Ok(TaskKind::GetQueuedTransfers),
            Some("scheduleInform") => {
                let seconds = map.get("delaySeconds").ok_or(TaskError::Missing("delaySeconds"))?;
                let seconds = seconds.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
                Ok(TaskKind::ScheduleInform { delay_seconds: seconds.ok_or(TaskError::Invalid("delaySeconds"))? })
            }
            Some("changeDUState") => {
                let list = map.get("operations").ok_or(TaskError::Missing("operations"))?;
                let list = list.as_array().ok_or(TaskError::Invalid("operations"))?;
                let operations = list.iter().map(operation).collect::<Result<_, _>>()?;
                Ok(TaskKind::ChangeDUState { operations })
            }
            Some("getRPCMethods") => Ok(TaskKind::GetRPCMethods),
            Some("getOptions") => {
                Ok(TaskKind::GetOptions { option_name: text(map, "optionName")?.unwrap_or_default() })
            }
            Some("setVouchers") => {
                let list = map.get("voucherList").ok_or(TaskError::Missing("voucherList"))?;
                let list = list.as_array().ok_or(TaskError::Invalid("voucherList"))?;
                let voucher = |voucher: &Json| voucher.as_str().map(str::to_owned);
                let list = list.iter().map(voucher).collect::<Option<Vec<_>>>();
                Ok(TaskKind::SetVouchers { voucher_list: list.ok_or(TaskError::Invalid("voucherList"))? })
            }
            Some(method) if method.starts_with("X_") => {
                let arguments = match map.get("arguments") {
                    None | Some(Json::Null) => Vec::new(),
                    Some(Json::Object(arguments)) => VendorArgument::from_json(arguments),
                    Some(_) => return Err(TaskError::Invalid("arguments")),
                };
                Ok(TaskKind::Vendor(VendorRequest { method: method.to_owned(), arguments }))
            }
            Some("provisions") => {
                let list = map.get("provisions").and_then(Json::as_array).ok_or(TaskError::Invalid("provisions"))?;
                let provisions = list.iter().map(provision).collect::<Result<_, _>>()?;
                Ok(TaskKind::Provisions { provisions })
            }
            _ => Err(TaskError::InvalidName),
        }
    }

    pub(super) fn write_properties(&self, map: &mut Map<String, Json>) {
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
            TaskKind::Reboot | TaskKind::FactoryReset | TaskKind::GetQueuedTransfers | TaskKind::GetRPCMethods => {}
            TaskKind::Upload { file_type, file_name } => {
                map.insert("fileType".into(), file_type.as_str().into());
                map.insert("fileName".into(), file_name.as_str().into());
            }
            TaskKind::ScheduleDownload { file_type, file_name, target_file_name, time_windows } => {
                map.insert("fileType".into(), file_type.as_str().into());
                map.insert("fileName".into(), file_name.as_str().into());
                if !target_file_name.is_empty() {
                    map.insert("targetFileName".into(), target_file_name.as_str().into());
                }
                map.insert("timeWindows".into(), time_windows.iter().map(time_window_document).collect());
            }
            TaskKind::CancelTransfer { command_key } => {
                map.insert("commandKey".into(), command_key.as_str().into());
            }
            TaskKind::ScheduleInform { delay_seconds } => {
                map.insert("delaySeconds".into(), (*delay_seconds).into());
            }
            TaskKind::ChangeDUState { operations } => {
                map.insert("operations".into(), operations.iter().map(operation_document).collect());
            }
            TaskKind::GetOptions { option_name } => {
                map.insert("optionName".into(), option_name.as_str().into());
            }
            TaskKind::SetVouchers { voucher_list } => {
                map.insert("voucherList".into(), json!(voucher_list));
            }
            TaskKind::Vendor(request) => {
                map.insert("arguments".into(), arguments_document(&request.arguments));
            }
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

/// `fileType` and `fileName`.
fn file(map: &Map<String, Json>) -> Result<(String, String), TaskError> {
    let file_type = text(map, "fileType")?.filter(|text| !text.is_empty());
    let file_name = text(map, "fileName")?.filter(|text| !text.is_empty());
    Ok((file_type.ok_or(TaskError::Missing("fileType"))?, file_name.ok_or(TaskError::Missing("fileName"))?))
}

fn time_window(document: &Json) -> Result<TimeWindow, TaskError> {
    const INVALID: TaskError = TaskError::Invalid("timeWindows");
    let map = document.as_object().ok_or(INVALID)?;
    let seconds = |key: &str| map.get(key).and_then(Json::as_u64).and_then(|value| u32::try_from(value).ok());
    let max_retries = match map.get("maxRetries") {
        None | Some(Json::Null) => 0,
        Some(value) => value.as_i64().and_then(|value| i32::try_from(value).ok()).ok_or(INVALID)?,
    };
    Ok(TimeWindow {
        window_start: seconds("windowStart").ok_or(INVALID)?,
        window_end: seconds("windowEnd").ok_or(INVALID)?,
        window_mode: text(map, "windowMode")?.unwrap_or_else(|| "1 At Any Time".to_owned()),
        user_message: text(map, "userMessage")?.unwrap_or_default(),
        max_retries,
    })
}

fn time_window_document(window: &TimeWindow) -> Json {
    json!({
        "windowStart": window.window_start,
        "windowEnd": window.window_end,
        "windowMode": window.window_mode,
        "userMessage": window.user_message,
        "maxRetries": window.max_retries,
    })
}

fn operation(document: &Json) -> Result<DUOperation, TaskError> {
    let map = document.as_object().ok_or(TaskError::Invalid("operations"))?;
    let allowed: &[&str] = match map.get("operation").and_then(Json::as_str) {
        Some("Install") => &["operation", "url", "uuid", "username", "password", "executionEnvRef"],
        Some("Update") => &["operation", "uuid", "version", "url", "username", "password"],
        Some("Uninstall") => &["operation", "uuid", "version", "executionEnvRef"],
        _ => {
            let what = "an operation is one of Install, Update, Uninstall".to_owned();
            return Err(ArgumentError::Operation(what).into());
        }
    };
    if let Some(unknown) = map.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(ArgumentError::Operation(format!("{} has no {unknown:?}", map["operation"])).into());
    }
    let field = |key: &'static str| text(map, key).map(Option::unwrap_or_default);
    Ok(match map["operation"].as_str() {
        Some("Install") => DUOperation::Install {
            url: field("url")?,
            uuid: field("uuid")?,
            username: field("username")?,
            password: field("password")?,
            execution_env_ref: field("executionEnvRef")?,
        },
        Some("Update") => DUOperation::Update {
            uuid: field("uuid")?,
            version: field("version")?,
            url: field("url")?,
            username: field("username")?,
            password: field("password")?,
        },
        _ => DUOperation::Uninstall {
            uuid: field("uuid")?,
            version: field("version")?,
            execution_env_ref: field("executionEnvRef")?,
        },
    })
}

/// A vendor's arguments as they are given: repeated elements are an array.
fn arguments_document(arguments: &[VendorArgument]) -> Json {
    let mut map: Map<String, Json> = Map::new();
    for argument in arguments {
        let value = match &argument.value {
            VendorValue::Text(text) => text.as_str().into(),
            VendorValue::Elements(inner) => arguments_document(inner),
        };
        match map.get_mut(&argument.name) {
            None => {
                map.insert(argument.name.clone(), value);
            }
            Some(Json::Array(list)) => list.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
        }
    }
    Json::Object(map)
}

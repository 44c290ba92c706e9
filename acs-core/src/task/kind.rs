//! What tasks do, and the provisions that do it.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::fault::ProvisionCall;
use crate::path::{Alias, Path, Segment};
use crate::rpc::check::{download_file_type, text, time_windows, upload_file_type};
use crate::rpc::{AcsRequest, ArgumentError, DUOperation, TimeWindow, VendorRequest};

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
    /// Has the device send a file.
    Upload {
        /// E.g. `1 Vendor Configuration File`.
        file_type: String,
        /// Under which it is stored.
        file_name: String,
    },
    /// Has the device fetch a file at some time.
    ScheduleDownload {
        /// As in Download.
        file_type: String,
        /// On the file server.
        file_name: String,
        /// May be empty.
        target_file_name: String,
        /// One or two.
        time_windows: Vec<TimeWindow>,
    },
    /// Takes a transfer back.
    CancelTransfer {
        /// Of the transfer.
        command_key: String,
    },
    /// Lists transfers.
    GetQueuedTransfers,
    /// Has the device inform.
    ScheduleInform {
        /// In how many seconds; at least 1.
        delay_seconds: u32,
    },
    /// Installs, updates and uninstalls deployment units.
    ChangeDUState {
        /// In order.
        operations: Vec<DUOperation>,
    },
    /// Lists what the device can be asked.
    GetRPCMethods,
    /// Lists options.
    GetOptions {
        /// Empty for all.
        option_name: String,
    },
    /// Gives vouchers for options.
    SetVouchers {
        /// Each in Base64.
        voucher_list: Vec<String>,
    },
    /// Calls a method that only a vendor knows.
    Vendor(VendorRequest),
    /// Runs provisions.
    Provisions {
        /// `[name, …arguments]` each.
        provisions: Vec<Vec<Json>>,
    },
}

impl TaskKind {
    /// The document's `name`.
    pub fn name(&self) -> &str {
        match self {
            TaskKind::GetParameterValues { .. } => "getParameterValues",
            TaskKind::SetParameterValues { .. } => "setParameterValues",
            TaskKind::RefreshObject { .. } => "refreshObject",
            TaskKind::AddObject { .. } => "addObject",
            TaskKind::DeleteObject { .. } => "deleteObject",
            TaskKind::Reboot => "reboot",
            TaskKind::FactoryReset => "factoryReset",
            TaskKind::Download { .. } => "download",
            TaskKind::Upload { .. } => "upload",
            TaskKind::ScheduleDownload { .. } => "scheduleDownload",
            TaskKind::CancelTransfer { .. } => "cancelTransfer",
            TaskKind::GetQueuedTransfers => "getQueuedTransfers",
            TaskKind::ScheduleInform { .. } => "scheduleInform",
            TaskKind::ChangeDUState { .. } => "changeDUState",
            TaskKind::GetRPCMethods => "getRPCMethods",
            TaskKind::GetOptions { .. } => "getOptions",
            TaskKind::SetVouchers { .. } => "setVouchers",
            TaskKind::Vendor(request) => &request.method,
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
            TaskKind::Upload { file_type, file_name } => {
                vec![call("upload", vec![file_type.as_str().into(), file_name.as_str().into()])]
            }
            TaskKind::ScheduleDownload { file_type, file_name, target_file_name, time_windows } => {
                let mut arguments: Vec<Json> =
                    vec![file_type.as_str().into(), file_name.as_str().into(), target_file_name.as_str().into()];
                for window in time_windows {
                    arguments.push(window.window_start.into());
                    arguments.push(window.window_end.into());
                    arguments.push(window.window_mode.as_str().into());
                    arguments.push(window.user_message.as_str().into());
                    arguments.push(window.max_retries.into());
                }
                vec![call("scheduleDownload", arguments)]
            }
            TaskKind::ScheduleInform { delay_seconds } => {
                vec![call("scheduleInform", vec![(*delay_seconds).into()])]
            }
            TaskKind::ChangeDUState { operations } => {
                vec![call("changeDUState", operations.iter().map(operation_document).collect())]
            }
            TaskKind::CancelTransfer { .. }
            | TaskKind::GetQueuedTransfers
            | TaskKind::GetRPCMethods
            | TaskKind::GetOptions { .. }
            | TaskKind::SetVouchers { .. }
            | TaskKind::Vendor(_) => {
                let request = self.request().and_then(|request| serde_json::to_value(request).ok());
                request.into_iter().map(|request| call("rpc", vec![request])).collect()
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

    /// The request that a task is, when it is nothing but one.
    fn request(&self) -> Option<AcsRequest> {
        Some(match self {
            TaskKind::CancelTransfer { command_key } => AcsRequest::CancelTransfer { command_key: command_key.clone() },
            TaskKind::GetQueuedTransfers => AcsRequest::GetAllQueuedTransfers,
            TaskKind::GetRPCMethods => AcsRequest::GetRPCMethods,
            TaskKind::GetOptions { option_name } => AcsRequest::GetOptions { option_name: option_name.clone() },
            TaskKind::SetVouchers { voucher_list } => AcsRequest::SetVouchers { voucher_list: voucher_list.clone() },
            TaskKind::Vendor(request) => AcsRequest::Vendor(request.clone()),
            _ => return None,
        })
    }

    /// Whether a conforming device could take it: lengths, characters, file types.
    pub(super) fn check(&self) -> Result<(), ArgumentError> {
        const NAME: usize = 256;
        match self {
            TaskKind::GetParameterValues { parameter_names } => {
                parameter_names.iter().try_for_each(|name| text("a parameter's name", name, NAME))
            }
            TaskKind::SetParameterValues { parameter_values } => {
                parameter_values.iter().try_for_each(|(name, value, _)| check_value(name, value))
            }
            TaskKind::RefreshObject { object_name } | TaskKind::DeleteObject { object_name } => {
                text("objectName", object_name, NAME)
            }
            TaskKind::AddObject { object_name, parameter_values } => {
                text("objectName", object_name, NAME)?;
                parameter_values.iter().try_for_each(|(name, value)| check_value(name, value))
            }
            TaskKind::Download { file_type, file_name, target_file_name } => {
                download_file_type(file_type)?;
                text("fileName", file_name, NAME)?;
                text("targetFileName", target_file_name, NAME)
            }
            TaskKind::Upload { file_type, file_name } => {
                upload_file_type(file_type)?;
                text("fileName", file_name, NAME)
            }
            TaskKind::ScheduleDownload { file_type, file_name, target_file_name, time_windows: windows } => {
                download_file_type(file_type)?;
                text("fileName", file_name, NAME)?;
                text("targetFileName", target_file_name, NAME)?;
                time_windows(windows)
            }
            TaskKind::ScheduleInform { delay_seconds } => {
                AcsRequest::ScheduleInform { delay_seconds: *delay_seconds, command_key: String::new() }.check()
            }
            TaskKind::ChangeDUState { operations } => {
                AcsRequest::ChangeDUState { operations: operations.clone(), command_key: String::new() }.check()
            }
            _ => self.request().map_or(Ok(()), |request| request.check()),
        }
    }
}

fn check_value(name: &str, value: &Json) -> Result<(), ArgumentError> {
    text("a parameter's name", name, 256)?;
    value.as_str().map_or(Ok(()), |value| text("a parameter's value", value, usize::MAX))
}

/// An operation on a deployment unit as documents have it. Texts that are not given are left out.
pub(super) fn operation_document(operation: &DUOperation) -> Json {
    let mut document = match operation {
        DUOperation::Install { url, uuid, username, password, execution_env_ref } => json!({
            "operation": "Install", "url": url, "uuid": uuid, "username": username, "password": password,
            "executionEnvRef": execution_env_ref,
        }),
        DUOperation::Update { uuid, version, url, username, password } => json!({
            "operation": "Update", "uuid": uuid, "version": version, "url": url, "username": username,
            "password": password,
        }),
        DUOperation::Uninstall { uuid, version, execution_env_ref } => json!({
            "operation": "Uninstall", "uuid": uuid, "version": version, "executionEnvRef": execution_env_ref,
        }),
    };
    if let Some(map) = document.as_object_mut() {
        map.retain(|_, value| value.as_str() != Some(""));
    }
    document
}

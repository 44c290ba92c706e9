//! The RPCs that an ACS may call on a device (TR-069 Annex A.3.2, A.4.1), decoded.
//!
//! One variant per method, fields named after the arguments. What cannot be decoded is an [`ArgumentError`], which a
//! device answers with fault 9003.

use serde_json::{Value as Json, json};

use super::schema::{ARGUMENTS, TIME_WINDOW};
use super::unit::{UnitOperation, UnitOperationKind};
use crate::xml::Element;

/// A name and value with its type, as in ParameterValueStruct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterValue {
    /// Full path of the parameter.
    pub name: String,
    /// The value, unescaped.
    pub value: String,
    /// `xsi:type` as written, when given.
    pub xsi_type: Option<String>,
}

/// One SetParameterAttributesStruct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// Parameter or partial path.
    pub name: String,
    /// The new notification, when NotificationChange is true.
    pub notification: Option<u32>,
    /// The new access list, when AccessListChange is true.
    pub access_list: Option<Vec<String>>,
}

/// The arguments of Download, Upload and ScheduleDownload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// True for Upload.
    pub upload: bool,
    /// Start and end of each window, in seconds after the request (ScheduleDownload only).
    pub windows: Vec<(u32, u32)>,
    /// CommandKey, at most 32 characters.
    pub command_key: String,
    /// FileType, e.g. `1 Firmware Upgrade Image`.
    pub file_type: String,
    /// Where to fetch the file, or put it.
    pub url: String,
    /// User name for the file server, or empty.
    pub username: String,
    /// Password for the file server, or empty.
    pub password: String,
    /// FileSize in bytes, 0 when unknown (Download only).
    pub file_size: u64,
    /// TargetFileName (Download only).
    pub target_file_name: String,
    /// DelaySeconds.
    pub delay_seconds: u32,
}

/// A request of the ACS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// GetRPCMethods.
    GetRPCMethods,
    /// GetParameterNames.
    GetParameterNames {
        /// Parameter, partial path, or empty for everything.
        parameter_path: String,
        /// Only one level below the path.
        next_level: bool,
    },
    /// GetParameterValues.
    GetParameterValues {
        /// Parameters and partial paths.
        parameter_names: Vec<String>,
    },
    /// SetParameterValues.
    SetParameterValues {
        /// What to set.
        parameter_list: Vec<ParameterValue>,
        /// ParameterKey.
        parameter_key: String,
    },
    /// GetParameterAttributes.
    GetParameterAttributes {
        /// Parameters and partial paths.
        parameter_names: Vec<String>,
    },
    /// SetParameterAttributes.
    SetParameterAttributes {
        /// What to change.
        parameter_list: Vec<AttributeChange>,
    },
    /// AddObject.
    AddObject {
        /// Multi-instance object, ends in a dot.
        object_name: String,
        /// ParameterKey.
        parameter_key: String,
    },
    /// DeleteObject.
    DeleteObject {
        /// Instance, ends in a dot.
        object_name: String,
        /// ParameterKey.
        parameter_key: String,
    },
    /// Download, Upload, or ScheduleDownload.
    Transfer(Transfer),
    /// CancelTransfer.
    CancelTransfer {
        /// CommandKey.
        command_key: String,
    },
    /// ChangeDUState.
    ChangeDUState {
        /// What to do, in order.
        operations: Vec<UnitOperation>,
        /// CommandKey.
        command_key: String,
    },
    /// SetVouchers.
    SetVouchers {
        /// Each in Base64.
        voucher_list: Vec<String>,
    },
    /// GetOptions.
    GetOptions {
        /// Empty for all.
        option_name: String,
    },
    /// Reboot.
    Reboot {
        /// CommandKey.
        command_key: String,
    },
    /// FactoryReset.
    FactoryReset,
    /// ScheduleInform.
    ScheduleInform {
        /// DelaySeconds, more than 0.
        delay_seconds: u32,
        /// CommandKey.
        command_key: String,
    },
    /// GetQueuedTransfers.
    GetQueuedTransfers,
    /// GetAllQueuedTransfers.
    GetAllQueuedTransfers,
    /// Any other method, by its name.
    Other(String),
}

/// What is wrong with the arguments of an RPC; the device answers fault 9003.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rpc}: {what}")]
pub struct ArgumentError {
    /// The method.
    pub rpc: String,
    /// The argument and what is wrong with it.
    pub what: String,
}

impl Request {
    /// The method's name.
    pub fn rpc(&self) -> &str {
        match self {
            Self::GetRPCMethods => "GetRPCMethods",
            Self::GetParameterNames { .. } => "GetParameterNames",
            Self::GetParameterValues { .. } => "GetParameterValues",
            Self::SetParameterValues { .. } => "SetParameterValues",
            Self::GetParameterAttributes { .. } => "GetParameterAttributes",
            Self::SetParameterAttributes { .. } => "SetParameterAttributes",
            Self::AddObject { .. } => "AddObject",
            Self::DeleteObject { .. } => "DeleteObject",
            Self::Transfer(Transfer { upload: true, .. }) => "Upload",
            Self::Transfer(transfer) if !transfer.windows.is_empty() => "ScheduleDownload",
            Self::Transfer(_) => "Download",
            Self::Reboot { .. } => "Reboot",
            Self::FactoryReset => "FactoryReset",
            Self::ScheduleInform { .. } => "ScheduleInform",
            Self::CancelTransfer { .. } => "CancelTransfer",
            Self::ChangeDUState { .. } => "ChangeDUState",
            Self::SetVouchers { .. } => "SetVouchers",
            Self::GetOptions { .. } => "GetOptions",
            Self::GetQueuedTransfers => "GetQueuedTransfers",
            Self::GetAllQueuedTransfers => "GetAllQueuedTransfers",
            Self::Other(name) => name,
        }
    }

    /// The parameter, object and partial paths that the request names.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::GetParameterNames { parameter_path, .. } => vec![parameter_path],
            Self::GetParameterValues { parameter_names } | Self::GetParameterAttributes { parameter_names } => {
                parameter_names.iter().map(String::as_str).collect()
            }
            Self::SetParameterValues { parameter_list, .. } => {
                parameter_list.iter().map(|item| item.name.as_str()).collect()
            }
            Self::SetParameterAttributes { parameter_list } => {
                parameter_list.iter().map(|item| item.name.as_str()).collect()
            }
            Self::AddObject { object_name, .. } | Self::DeleteObject { object_name, .. } => {
                vec![object_name]
            }
            _ => Vec::new(),
        }
    }

    /// The values that a SetParameterValues sets; empty for other requests.
    pub fn values(&self) -> &[ParameterValue] {
        match self {
            Self::SetParameterValues { parameter_list, .. } => parameter_list,
            _ => &[],
        }
    }

    /// The arguments in a form for people and transcripts: names and values at a glance.
    pub fn arguments(&self) -> Json {
        match self {
            Self::GetParameterNames { parameter_path, next_level } => {
                json!({"ParameterPath": parameter_path, "NextLevel": next_level})
            }
            Self::GetParameterValues { parameter_names } | Self::GetParameterAttributes { parameter_names } => {
                json!({"ParameterNames": parameter_names})
            }
            Self::SetParameterValues { parameter_list, parameter_key } => {
                let list: Vec<Json> =
                    parameter_list.iter().map(|item| json!([item.name, item.value, item.xsi_type])).collect();
                json!({"ParameterList": list, "ParameterKey": parameter_key})
            }
            Self::SetParameterAttributes { parameter_list } => {
                let list: Vec<Json> =
                    parameter_list.iter().map(|item| json!([item.name, item.notification, item.access_list])).collect();
                json!({"ParameterList": list})
            }
            Self::AddObject { object_name, parameter_key } | Self::DeleteObject { object_name, parameter_key } => {
                json!({"ObjectName": object_name, "ParameterKey": parameter_key})
            }
            Self::CancelTransfer { command_key } => json!({"CommandKey": command_key}),
            Self::ChangeDUState { operations, command_key } => {
                let list: Vec<Json> = operations
                    .iter()
                    .map(|operation| json!([operation.kind.name(), operation.uuid, operation.version, operation.url]))
                    .collect();
                json!({"Operations": list, "CommandKey": command_key})
            }
            Self::SetVouchers { voucher_list } => json!({"VoucherList": voucher_list.len()}),
            Self::GetOptions { option_name } => json!({"OptionName": option_name}),
            Self::Transfer(transfer) => json!({
                "CommandKey": transfer.command_key,
                "FileType": transfer.file_type,
                "URL": transfer.url,
                "FileSize": transfer.file_size,
                "TargetFileName": transfer.target_file_name,
                "DelaySeconds": transfer.delay_seconds,
            }),
            Self::Reboot { command_key } => json!({"CommandKey": command_key}),
            Self::ScheduleInform { delay_seconds, command_key } => {
                json!({"DelaySeconds": delay_seconds, "CommandKey": command_key})
            }
            Self::GetRPCMethods
            | Self::FactoryReset
            | Self::GetQueuedTransfers
            | Self::GetAllQueuedTransfers
            | Self::Other(_) => json!({}),
        }
    }

    /// Decodes the RPC element of a Body. Deviations that a device would overlook are added to `violations`.
    pub fn decode(element: &Element, violations: &mut Vec<String>) -> Result<Self, ArgumentError> {
        let mut arguments = Arguments { element, violations };
        let request = Self::read(&mut arguments)?;
        if let Some((_, expected)) = ARGUMENTS.iter().find(|(rpc, _)| *rpc == element.name) {
            arguments.check_order(&element.children, expected);
        }
        Ok(request)
    }

    fn read(arguments: &mut Arguments<'_>) -> Result<Self, ArgumentError> {
        Ok(match arguments.element.name.as_str() {
            "GetRPCMethods" => Self::GetRPCMethods,
            "GetParameterNames" => Self::GetParameterNames {
                parameter_path: arguments.text("ParameterPath")?,
                next_level: arguments.boolean("NextLevel")?,
            },
            "GetParameterValues" => Self::GetParameterValues { parameter_names: arguments.strings("ParameterNames")? },
            "SetParameterValues" => arguments.set_parameter_values()?,
            "GetParameterAttributes" => {
                Self::GetParameterAttributes { parameter_names: arguments.strings("ParameterNames")? }
            }
            "SetParameterAttributes" => arguments.set_parameter_attributes()?,
            "AddObject" => Self::AddObject {
                object_name: arguments.text("ObjectName")?,
                parameter_key: arguments.key("ParameterKey")?,
            },
            "DeleteObject" => Self::DeleteObject {
                object_name: arguments.text("ObjectName")?,
                parameter_key: arguments.key("ParameterKey")?,
            },
            "Download" => Self::Transfer(Transfer {
                upload: false,
                file_size: arguments.number("FileSize")?,
                target_file_name: arguments.text_of_at_most("TargetFileName", 256)?,
                ..arguments.transfer()?
            }),
            "ScheduleDownload" => Self::Transfer(Transfer {
                file_size: arguments.number("FileSize")?,
                target_file_name: arguments.text_of_at_most("TargetFileName", 256)?,
                windows: arguments.windows()?,
                ..arguments.file()?
            }),
            "CancelTransfer" => Self::CancelTransfer { command_key: arguments.key("CommandKey")? },
            "ChangeDUState" => arguments.change_du_state()?,
            "SetVouchers" => Self::SetVouchers { voucher_list: arguments.strings("VoucherList")? },
            "GetOptions" => Self::GetOptions { option_name: arguments.text_of_at_most("OptionName", 64)? },
            "Upload" => Self::Transfer(Transfer { upload: true, ..arguments.transfer()? }),
            "Reboot" => Self::Reboot { command_key: arguments.key("CommandKey")? },
            "FactoryReset" => Self::FactoryReset,
            "ScheduleInform" => Self::ScheduleInform {
                delay_seconds: arguments.number("DelaySeconds")?,
                command_key: arguments.key("CommandKey")?,
            },
            "GetQueuedTransfers" => Self::GetQueuedTransfers,
            "GetAllQueuedTransfers" => Self::GetAllQueuedTransfers,
            other => Self::Other(other.to_owned()),
        })
    }
}

/// Reads the arguments of one RPC element.
struct Arguments<'a> {
    element: &'a Element,
    violations: &'a mut Vec<String>,
}

impl<'a> Arguments<'a> {
    fn error(&self, what: impl Into<String>) -> ArgumentError {
        ArgumentError { rpc: self.element.name.clone(), what: what.into() }
    }

    fn violation(&mut self, what: impl std::fmt::Display) {
        self.violations.push(format!("{}: {what}", self.element.name));
    }

    fn child(&self, name: &str) -> Result<&'a Element, ArgumentError> {
        self.element.child(name).ok_or_else(|| self.error(format!("{name} is missing")))
    }

    fn text(&self, name: &str) -> Result<String, ArgumentError> {
        Ok(self.child(name)?.text.clone())
    }

    /// A CommandKey or ParameterKey: at most 32 characters.
    fn key(&mut self, name: &str) -> Result<String, ArgumentError> {
        self.text_of_at_most(name, 32)
    }

    fn text_of_at_most(&mut self, name: &str, most: usize) -> Result<String, ArgumentError> {
        let text = self.text(name)?;
        if text.chars().count() > most {
            self.violation(format_args!("{name} is longer than {most} characters"));
        }
        Ok(text)
    }

    /// All elements have to be there, in the schema's order.
    fn check_order(&mut self, children: &[Element], expected: &[&str]) {
        let found: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
        if found != expected {
            self.violation(format_args!("has {}, not {}", found.join(" "), expected.join(" ")));
        }
    }

    fn boolean(&self, name: &str) -> Result<bool, ArgumentError> {
        let text = self.text(name)?;
        boolean(&text).ok_or_else(|| self.error(format!("{name} is not a boolean: {text:?}")))
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, ArgumentError> {
        let text = self.text(name)?;
        text.trim().parse().map_err(|_| self.error(format!("{name} is not an unsigned number: {text:?}")))
    }

    /// The items of an array element; its arrayType has to say their number.
    fn items(&mut self, list: &'a Element) -> &'a [Element] {
        let count = list.children.len();
        match list.attribute("arrayType") {
            None => self.violation(format_args!("{} has no arrayType", list.name)),
            Some(kind) if !kind.ends_with(&format!("[{count}]")) => {
                self.violation(format_args!("{} has {count} items but arrayType {kind}", list.name));
            }
            Some(_) => {}
        }
        &list.children
    }

    fn strings(&mut self, name: &str) -> Result<Vec<String>, ArgumentError> {
        let list = self.child(name)?;
        let items = self.items(list);
        Ok(items.iter().map(|item| item.text.clone()).collect())
    }

    fn structs(&mut self, struct_name: &str) -> Result<&'a [Element], ArgumentError> {
        let list = self.child("ParameterList")?;
        let items = self.items(list);
        if let Some(odd) = items.iter().find(|item| item.name != struct_name) {
            self.violation(format_args!("{} in ParameterList instead of {struct_name}", odd.name));
        }
        Ok(items)
    }

    fn set_parameter_values(&mut self) -> Result<Request, ArgumentError> {
        let mut parameter_list = Vec::new();
        for item in self.structs("ParameterValueStruct")? {
            let (Some(name), Some(value)) = (item.child("Name"), item.child("Value")) else {
                return Err(self.error("an item without Name or Value"));
            };
            let xsi_type = value.attribute("type").map(str::to_owned);
            if xsi_type.is_none() {
                self.violation(format_args!("{} has no xsi:type", name.text));
            }
            parameter_list.push(ParameterValue { name: name.text.clone(), value: value.text.clone(), xsi_type });
        }
        let parameter_key = self.key("ParameterKey")?;
        Ok(Request::SetParameterValues { parameter_list, parameter_key })
    }

    fn set_parameter_attributes(&mut self) -> Result<Request, ArgumentError> {
        let mut parameter_list = Vec::new();
        for item in self.structs("SetParameterAttributesStruct")? {
            let field = |name: &str| item.child_text(name).ok_or_else(|| self.error(format!("{name} is missing")));
            let flag = |name: &str| {
                field(name).and_then(|text| boolean(text).ok_or_else(|| self.error(format!("{name} is not a boolean"))))
            };
            let notification = flag("NotificationChange")?
                .then(|| {
                    let text = field("Notification")?;
                    text.parse().map_err(|_| self.error(format!("Notification {text:?}")))
                })
                .transpose()?;
            let name = field("Name")?.to_owned();
            let changes_access = flag("AccessListChange")?;
            let access_list = match item.child("AccessList") {
                Some(list) if changes_access => {
                    let items = self.items(list);
                    Some(items.iter().map(|entry| entry.text.clone()).collect())
                }
                None if changes_access => return Err(self.error("AccessList is missing")),
                _ => None,
            };
            parameter_list.push(AttributeChange { name, notification, access_list });
        }
        Ok(Request::SetParameterAttributes { parameter_list })
    }

    /// What Download and Upload have in common.
    fn transfer(&mut self) -> Result<Transfer, ArgumentError> {
        Ok(Transfer { delay_seconds: self.number("DelaySeconds")?, ..self.file()? })
    }

    /// What all transfers have in common.
    fn file(&mut self) -> Result<Transfer, ArgumentError> {
        Ok(Transfer {
            command_key: self.key("CommandKey")?,
            file_type: self.text_of_at_most("FileType", 64)?,
            url: self.text_of_at_most("URL", 256)?,
            username: self.text_of_at_most("Username", 256)?,
            password: self.text_of_at_most("Password", 256)?,
            ..Transfer::default()
        })
    }

    fn windows(&mut self) -> Result<Vec<(u32, u32)>, ArgumentError> {
        let list = self.child("TimeWindowList")?;
        let mut windows = Vec::new();
        for item in self.items(list) {
            self.check_order(&item.children, TIME_WINDOW);
            let number = |name: &str| {
                let text = item.child_text(name).ok_or_else(|| self.error(format!("{name} is missing")))?;
                text.parse::<u32>().map_err(|_| self.error(format!("{name} {text:?}")))
            };
            let window = (number("WindowStart")?, number("WindowEnd")?);
            let overlaps = windows.last().is_some_and(|&(_, end)| end > window.0);
            if window.0 >= window.1 || overlaps {
                return Err(self.error("the windows are empty or overlap"));
            }
            windows.push(window);
        }
        match windows.len() {
            1 | 2 => Ok(windows),
            count => Err(self.error(format!("{count} time windows"))),
        }
    }

    fn change_du_state(&mut self) -> Result<Request, ArgumentError> {
        let element = self.element;
        let mut operations = Vec::new();
        for item in element.children.iter().filter(|child| child.name == "Operations") {
            let kind = match item.attribute("type").map(|kind| kind.rsplit(':').next().unwrap_or(kind)) {
                Some("InstallOpStruct") => UnitOperationKind::Install,
                Some("UpdateOpStruct") => UnitOperationKind::Update,
                Some("UninstallOpStruct") => UnitOperationKind::Uninstall,
                other => return Err(self.error(format!("Operations of the type {other:?}"))),
            };
            self.check_order(&item.children, kind.fields());
            let text = |name: &str| item.child_text(name).unwrap_or_default().to_owned();
            operations.push(UnitOperation {
                kind,
                url: text("URL"),
                uuid: text("UUID"),
                version: text("Version"),
                username: text("Username"),
                password: text("Password"),
                execution_env_ref: text("ExecutionEnvRef"),
            });
        }
        if operations.is_empty() {
            return Err(self.error("no Operations"));
        }
        if element.children.last().is_none_or(|last| last.name != "CommandKey") {
            self.violation("CommandKey is not the last element");
        }
        Ok(Request::ChangeDUState { operations, command_key: self.key("CommandKey")? })
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

//! What the ACS asks of a CPE (TR-069 Annex A.3.2, A.4.1).

use serde::{Deserialize, Serialize};

use super::vendor::VendorRequest;
use crate::value::TypedValue;

/// A request of the ACS to the CPE (TR-069 Annex A.3.2, A.4.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AcsRequest {
    /// A.3.1.1
    GetRPCMethods,
    /// A.3.2.3. `parameter_path` is empty, a partial path with its trailing dot, or a parameter's name.
    GetParameterNames {
        /// What to list.
        parameter_path: String,
        /// Only the next level, rather than the whole subtree.
        next_level: bool,
    },
    /// A.3.2.2
    GetParameterValues {
        /// Full names, or partial paths with a trailing dot.
        parameter_names: Vec<String>,
    },
    /// A.3.2.1
    SetParameterValues {
        /// Names with the values to set; all or nothing.
        parameter_list: Vec<(String, TypedValue)>,
        /// The ParameterKey that the device is to remember, at most 32 characters.
        parameter_key: String,
    },
    /// A.3.2.5
    GetParameterAttributes {
        /// Full names, or partial paths with a trailing dot.
        parameter_names: Vec<String>,
    },
    /// A.3.2.4
    SetParameterAttributes {
        /// The changes, one entry per parameter.
        parameter_list: Vec<SetParameterAttributesStruct>,
    },
    /// A.3.2.6
    AddObject {
        /// The multi-instance object, with its trailing dot.
        object_name: String,
        /// As in [`AcsRequest::SetParameterValues`].
        parameter_key: String,
    },
    /// A.3.2.7
    DeleteObject {
        /// The instance, with its trailing dot.
        object_name: String,
        /// As in [`AcsRequest::SetParameterValues`].
        parameter_key: String,
    },
    /// A.3.2.8
    Download(Download),
    /// A.3.2.9
    Reboot {
        /// Comes back in the `M Reboot` event.
        command_key: String,
    },
    /// A.4.1.6
    FactoryReset,
    /// A.4.1.5
    Upload(Upload),
    /// A.4.1.2
    ScheduleInform {
        /// In how many seconds the device is to inform; at least 1.
        delay_seconds: u32,
        /// Comes back in the `M ScheduleInform` event.
        command_key: String,
    },
    /// A.4.1.8
    ScheduleDownload(ScheduleDownload),
    /// A.4.1.9
    CancelTransfer {
        /// The key of the transfer, or of all transfers that have it.
        command_key: String,
    },
    /// A.4.1.1; deprecated in favour of GetAllQueuedTransfers.
    GetQueuedTransfers,
    /// A.4.1.7
    GetAllQueuedTransfers,
    /// A.4.1.10
    ChangeDUState {
        /// What to do, in order.
        operations: Vec<DUOperation>,
        /// Ties the later DUStateChangeComplete to this request.
        command_key: String,
    },
    /// A.4.1.3; deprecated.
    SetVouchers {
        /// Each in Base64.
        voucher_list: Vec<String>,
    },
    /// A.4.1.4; deprecated.
    GetOptions {
        /// Empty for all options.
        option_name: String,
    },
    /// A method that only a vendor knows.
    Vendor(VendorRequest),
}

/// The arguments of Download (A.3.2.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Download {
    /// Ties the later TransferComplete to this request; at most 32 characters.
    pub command_key: String,
    /// E.g. `1 Firmware Upgrade Image`.
    pub file_type: String,
    /// Where the device fetches the file.
    pub url: String,
    /// For the file server; empty when none is needed.
    pub username: String,
    /// For the file server; empty when none is needed.
    pub password: String,
    /// Bytes, 0 when unknown.
    pub file_size: u64,
    /// The name to store it under; may be empty.
    pub target_file_name: String,
    /// How long the device should wait before it starts.
    pub delay_seconds: u32,
}

/// The arguments of Upload (A.4.1.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Upload {
    /// Ties the later TransferComplete to this request; at most 32 characters.
    pub command_key: String,
    /// E.g. `1 Vendor Configuration File`, `4 Vendor Log File 2`.
    pub file_type: String,
    /// Where the device puts the file.
    pub url: String,
    /// For the file server; empty when none is needed.
    pub username: String,
    /// For the file server; empty when none is needed.
    pub password: String,
    /// How long the device should wait before it starts.
    pub delay_seconds: u32,
}

/// The arguments of ScheduleDownload (A.4.1.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ScheduleDownload {
    /// Ties the later TransferComplete to this request; at most 32 characters.
    pub command_key: String,
    /// As in [`Download`].
    pub file_type: String,
    /// Where the device fetches the file.
    pub url: String,
    /// For the file server; empty when none is needed.
    pub username: String,
    /// For the file server; empty when none is needed.
    pub password: String,
    /// Bytes, 0 when unknown.
    pub file_size: u64,
    /// The name to store it under; may be empty.
    pub target_file_name: String,
    /// When: one or two windows that do not overlap.
    pub time_window_list: Vec<TimeWindow>,
}

/// TimeWindowStruct (A.4.1.8). Both ends are seconds after the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TimeWindow {
    /// The earliest start.
    pub window_start: u32,
    /// The latest end.
    pub window_end: u32,
    /// `1 At Any Time`, `2 Immediately`, `3 When Idle`, `4 Confirmation Needed`, or `X <OUI> <text>`.
    pub window_mode: String,
    /// For whoever has to confirm.
    pub user_message: String,
    /// -1: as often as the device likes.
    pub max_retries: i32,
}

/// One of the operations of ChangeDUState (A.4.1.10). Texts that are not needed are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DUOperation {
    /// InstallOpStruct.
    Install {
        /// Where the deployment unit is fetched.
        url: String,
        /// The unit's UUID, if the device is not to take the one of its vendor.
        uuid: String,
        /// For the file server.
        username: String,
        /// For the file server.
        password: String,
        /// `Device.SoftwareModules.ExecEnv.{i}.` to install it in.
        execution_env_ref: String,
    },
    /// UpdateOpStruct.
    Update {
        /// The unit; every unit with that URL when empty.
        uuid: String,
        /// Which version to update.
        version: String,
        /// Where the new version is fetched; where the old one came from when empty.
        url: String,
        /// For the file server.
        username: String,
        /// For the file server.
        password: String,
    },
    /// UninstallOpStruct.
    Uninstall {
        /// The unit.
        uuid: String,
        /// Which version; all when empty.
        version: String,
        /// From which execution environment; from all when empty.
        execution_env_ref: String,
    },
}

/// One entry of SetParameterAttributes: an absent part is left as it is (its `…Change` flag is false).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetParameterAttributesStruct {
    /// A full name, or a partial path with a trailing dot.
    pub name: String,
    /// 0 off, 1 passive, 2 active; 3 to 6 since CWMP 1.4.
    pub notification: Option<u8>,
    /// `Subscriber`, or empty.
    pub access_list: Option<Vec<String>>,
}

impl DUOperation {
    /// `Install`, `Update` or `Uninstall`.
    pub fn name(&self) -> &'static str {
        match self {
            DUOperation::Install { .. } => "Install",
            DUOperation::Update { .. } => "Update",
            DUOperation::Uninstall { .. } => "Uninstall",
        }
    }
}

/// Where a request tells a device to fetch or send a file.
#[derive(Debug, PartialEq, Eq)]
pub struct TransferAddress<'a> {
    /// Whether the device sends.
    pub is_upload: bool,
    /// The request's CommandKey.
    pub command_key: &'a str,
    /// The URL.
    pub url: &'a mut String,
    /// How long the device may wait before it begins, in seconds.
    pub delay_seconds: u32,
}

impl AcsRequest {
    /// The address of a transfer's request; `None` for all others.
    pub fn transfer_address(&mut self) -> Option<TransferAddress<'_>> {
        match self {
            AcsRequest::Download(download) => Some(TransferAddress {
                is_upload: false,
                command_key: &download.command_key,
                url: &mut download.url,
                delay_seconds: download.delay_seconds,
            }),
            AcsRequest::Upload(upload) => Some(TransferAddress {
                is_upload: true,
                command_key: &upload.command_key,
                url: &mut upload.url,
                delay_seconds: upload.delay_seconds,
            }),
            AcsRequest::ScheduleDownload(download) => Some(TransferAddress {
                is_upload: false,
                command_key: &download.command_key,
                url: &mut download.url,
                delay_seconds: download.time_window_list.iter().map(|window| window.window_end).max().unwrap_or(0),
            }),
            _ => None,
        }
    }

    /// The RPC's name as the standard spells it.
    pub fn name(&self) -> &str {
        match self {
            AcsRequest::GetRPCMethods => "GetRPCMethods",
            AcsRequest::GetParameterNames { .. } => "GetParameterNames",
            AcsRequest::GetParameterValues { .. } => "GetParameterValues",
            AcsRequest::SetParameterValues { .. } => "SetParameterValues",
            AcsRequest::GetParameterAttributes { .. } => "GetParameterAttributes",
            AcsRequest::SetParameterAttributes { .. } => "SetParameterAttributes",
            AcsRequest::AddObject { .. } => "AddObject",
            AcsRequest::DeleteObject { .. } => "DeleteObject",
            AcsRequest::Download(_) => "Download",
            AcsRequest::Reboot { .. } => "Reboot",
            AcsRequest::FactoryReset => "FactoryReset",
            AcsRequest::Upload(_) => "Upload",
            AcsRequest::ScheduleInform { .. } => "ScheduleInform",
            AcsRequest::ScheduleDownload(_) => "ScheduleDownload",
            AcsRequest::CancelTransfer { .. } => "CancelTransfer",
            AcsRequest::GetQueuedTransfers => "GetQueuedTransfers",
            AcsRequest::GetAllQueuedTransfers => "GetAllQueuedTransfers",
            AcsRequest::ChangeDUState { .. } => "ChangeDUState",
            AcsRequest::SetVouchers { .. } => "SetVouchers",
            AcsRequest::GetOptions { .. } => "GetOptions",
            AcsRequest::Vendor(request) => &request.method,
        }
    }

    /// The ParameterKey that the device is to remember with a change.
    pub fn parameter_key_mut(&mut self) -> Option<&mut String> {
        match self {
            AcsRequest::SetParameterValues { parameter_key, .. }
            | AcsRequest::AddObject { parameter_key, .. }
            | AcsRequest::DeleteObject { parameter_key, .. } => Some(parameter_key),
            _ => None,
        }
    }

    /// The key that ties a later event or report to the request, in RPCs that have one.
    pub fn command_key_mut(&mut self) -> Option<&mut String> {
        match self {
            AcsRequest::Download(Download { command_key, .. })
            | AcsRequest::Upload(Upload { command_key, .. })
            | AcsRequest::ScheduleDownload(ScheduleDownload { command_key, .. })
            | AcsRequest::ScheduleInform { command_key, .. }
            | AcsRequest::ChangeDUState { command_key, .. }
            | AcsRequest::Reboot { command_key } => Some(command_key),
            _ => None,
        }
    }
}

//! What a CPE answers (TR-069 Annex A.3.2, A.4.1).

use serde::{Deserialize, Serialize};

use super::AcsRequest;
use crate::value::TypedValue;

/// A CPE's answer to an [`AcsRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CpeResponse {
    /// The method names.
    GetRPCMethodsResponse(Vec<String>),
    /// What exists, in the device's order.
    GetParameterNamesResponse(Vec<ParameterInfo>),
    /// Names with values, in the device's order.
    GetParameterValuesResponse(Vec<(String, TypedValue)>),
    /// 0: applied; 1: will be applied later.
    SetParameterValuesResponse {
        /// 0 or 1.
        status: u32,
    },
    /// Notification and access list per name.
    GetParameterAttributesResponse(Vec<ParameterAttributes>),
    /// Nothing to say.
    SetParameterAttributesResponse,
    /// The new instance.
    AddObjectResponse {
        /// Chosen by the device, at least 1.
        instance_number: i64,
        /// As in SetParameterValuesResponse.
        status: u32,
    },
    /// As in SetParameterValuesResponse.
    DeleteObjectResponse {
        /// 0 or 1.
        status: u32,
    },
    /// 0: done and applied; 1: a TransferComplete will come.
    DownloadResponse {
        /// 0 or 1.
        status: u32,
        /// Milliseconds since the Unix epoch; the year 1 when unknown.
        start_time: i64,
        /// Like `start_time`.
        complete_time: i64,
    },
    /// Nothing to say.
    RebootResponse,
    /// Nothing to say.
    FactoryResetResponse,
    /// As DownloadResponse.
    UploadResponse {
        /// 0 or 1.
        status: u32,
        /// Milliseconds since the Unix epoch; the year 1 when unknown.
        start_time: i64,
        /// Like `start_time`.
        complete_time: i64,
    },
    /// Nothing to say.
    ScheduleInformResponse,
    /// Nothing to say; a TransferComplete will come.
    ScheduleDownloadResponse,
    /// Nothing to say.
    CancelTransferResponse,
    /// Transfers that have not ended.
    GetQueuedTransfersResponse(Vec<QueuedTransfer>),
    /// Transfers that have not ended, whoever has asked for them.
    GetAllQueuedTransfersResponse(Vec<QueuedTransfer>),
    /// Nothing to say; a DUStateChangeComplete will come.
    ChangeDUStateResponse,
    /// Nothing to say.
    SetVouchersResponse,
    /// The options.
    GetOptionsResponse(Vec<OptionStruct>),
    /// A vendor's answer.
    VendorResponse {
        /// The response's element name.
        name: String,
        /// What is in that element, as the device wrote it.
        xml: String,
    },
}

impl CpeResponse {
    /// The response's element name.
    pub fn name(&self) -> &str {
        match self {
            CpeResponse::GetRPCMethodsResponse(_) => "GetRPCMethodsResponse",
            CpeResponse::GetParameterNamesResponse(_) => "GetParameterNamesResponse",
            CpeResponse::GetParameterValuesResponse(_) => "GetParameterValuesResponse",
            CpeResponse::SetParameterValuesResponse { .. } => "SetParameterValuesResponse",
            CpeResponse::GetParameterAttributesResponse(_) => "GetParameterAttributesResponse",
            CpeResponse::SetParameterAttributesResponse => "SetParameterAttributesResponse",
            CpeResponse::AddObjectResponse { .. } => "AddObjectResponse",
            CpeResponse::DeleteObjectResponse { .. } => "DeleteObjectResponse",
            CpeResponse::DownloadResponse { .. } => "DownloadResponse",
            CpeResponse::RebootResponse => "RebootResponse",
            CpeResponse::FactoryResetResponse => "FactoryResetResponse",
            CpeResponse::UploadResponse { .. } => "UploadResponse",
            CpeResponse::ScheduleInformResponse => "ScheduleInformResponse",
            CpeResponse::ScheduleDownloadResponse => "ScheduleDownloadResponse",
            CpeResponse::CancelTransferResponse => "CancelTransferResponse",
            CpeResponse::GetQueuedTransfersResponse(_) => "GetQueuedTransfersResponse",
            CpeResponse::GetAllQueuedTransfersResponse(_) => "GetAllQueuedTransfersResponse",
            CpeResponse::ChangeDUStateResponse => "ChangeDUStateResponse",
            CpeResponse::SetVouchersResponse => "SetVouchersResponse",
            CpeResponse::GetOptionsResponse(_) => "GetOptionsResponse",
            CpeResponse::VendorResponse { name, .. } => name,
        }
    }

    /// Whether this is the answer to a request of that kind.
    pub fn answers(&self, request: &AcsRequest) -> bool {
        self.name().strip_suffix("Response") == Some(request.name())
    }
}

/// One entry of GetParameterNamesResponse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterInfo {
    /// Objects end with a dot.
    pub name: String,
    /// A parameter: may be set; a multi-instance object: may grow; an instance: may be deleted.
    pub writable: bool,
}

/// One entry of GetParameterAttributesResponse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterAttributes {
    /// A full name.
    pub name: String,
    /// 0 to 6.
    pub notification: u8,
    /// Who may write.
    pub access_list: Vec<String>,
}

/// QueuedTransferStruct (A.4.1.1) and AllQueuedTransferStruct (A.4.1.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct QueuedTransfer {
    /// Of the request that asked for it; empty when nobody did.
    pub command_key: String,
    /// 1: not yet started, 2: in progress, 3: completed, and its TransferComplete is still to come.
    pub state: u32,
    /// Only in AllQueuedTransferStruct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_download: Option<bool>,
    /// Only in AllQueuedTransferStruct, else empty.
    #[serde(default)]
    pub file_type: String,
    /// Bytes; 0 when unknown.
    #[serde(default)]
    pub file_size: u64,
    /// Only in AllQueuedTransferStruct, else empty.
    #[serde(default)]
    pub target_file_name: String,
}

/// OptionStruct (A.4.1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct OptionStruct {
    /// The option.
    pub option_name: String,
    /// The serial number of its voucher.
    pub voucher_sn: u64,
    /// 0: inactive and not set up, 1: active, 2: inactive and set up.
    pub state: u32,
    /// 0: disabled, 1: enabled with expiration, 2: enabled without expiration.
    pub mode: u32,
    /// Milliseconds since the Unix epoch.
    pub start_date: i64,
    /// Likewise; only for mode 1.
    pub expiration_date: Option<i64>,
    /// Whether it may be transferred to another device.
    pub is_transferable: bool,
}

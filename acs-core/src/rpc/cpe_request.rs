//! What a CPE calls by itself (TR-069 Annex A.3.3, A.4.2).

use serde::{Deserialize, Serialize};

use super::fault::CpeFault;
use super::inform::Inform;

/// A call of the CPE to the ACS (Annex A.3.3, A.4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CpeRequest {
    /// A.3.3.1
    Inform(Inform),
    /// A.3.3.2
    TransferComplete(TransferComplete),
    /// A.3.3.3
    AutonomousTransferComplete(AutonomousTransferComplete),
    /// A.4.2.3
    DUStateChangeComplete(DUStateChangeComplete),
    /// A.4.2.4
    AutonomousDUStateChangeComplete(AutonomousDUStateChangeComplete),
    /// A.4.2.2
    RequestDownload(RequestDownload),
    /// A.4.2.1; deprecated, and not offered unless an operator says so.
    Kicked(Kicked),
    /// A.3.1.1
    GetRPCMethods,
    /// A method that the ACS does not offer; answered with fault 8000.
    Unsupported {
        /// The element's local name.
        method: String,
    },
}

impl CpeRequest {
    /// The method's name.
    pub fn name(&self) -> &str {
        match self {
            CpeRequest::Inform(_) => "Inform",
            CpeRequest::TransferComplete(_) => "TransferComplete",
            CpeRequest::AutonomousTransferComplete(_) => "AutonomousTransferComplete",
            CpeRequest::DUStateChangeComplete(_) => "DUStateChangeComplete",
            CpeRequest::AutonomousDUStateChangeComplete(_) => "AutonomousDUStateChangeComplete",
            CpeRequest::RequestDownload(_) => "RequestDownload",
            CpeRequest::Kicked(_) => "Kicked",
            CpeRequest::GetRPCMethods => "GetRPCMethods",
            CpeRequest::Unsupported { method } => method,
        }
    }
}

/// The arguments of TransferComplete (A.3.3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferComplete {
    /// The key of the Download.
    pub command_key: String,
    /// `None` when the transfer succeeded (FaultCode 0).
    pub fault: Option<CpeFault>,
    /// Milliseconds; [`UNKNOWN_TIME`] when absent or unreadable.
    pub start_time: i64,
    /// Like `start_time`.
    pub complete_time: i64,
}

/// The arguments of AutonomousTransferComplete (A.3.3.3): a transfer that the ACS has not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutonomousTransferComplete {
    /// Where the device heard of the file; may be empty.
    pub announce_url: String,
    /// Where the file came from or went.
    pub transfer_url: String,
    /// Else an upload.
    pub is_download: bool,
    /// As in Download and Upload.
    pub file_type: String,
    /// Bytes; 0 when unknown.
    pub file_size: u64,
    /// May be empty.
    pub target_file_name: String,
    /// `None` when the transfer succeeded.
    pub fault: Option<CpeFault>,
    /// As in [`TransferComplete`].
    pub start_time: i64,
    /// As in [`TransferComplete`].
    pub complete_time: i64,
}

/// The arguments of DUStateChangeComplete (A.4.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DUStateChangeComplete {
    /// The key of the ChangeDUState.
    pub command_key: String,
    /// One per operation, in the order of the request. An update without a UUID may give several.
    pub results: Vec<OperationResult>,
}

/// The arguments of AutonomousDUStateChangeComplete (A.4.2.4): changes that the ACS has not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutonomousDUStateChangeComplete {
    /// What was done.
    pub results: Vec<OperationResult>,
}

/// OpResultStruct (A.4.2.3) and AutonOpResultStruct (A.4.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct OperationResult {
    /// The deployment unit.
    pub uuid: String,
    /// Its object, `Device.SoftwareModules.DeploymentUnit.{i}.`
    pub deployment_unit_ref: String,
    /// Its version.
    pub version: String,
    /// `Installed`, `Uninstalled` or `Failed`.
    pub current_state: String,
    /// Whether its dependencies are there.
    pub resolved: bool,
    /// Its execution units, separated by commas.
    pub execution_unit_ref_list: String,
    /// As in [`TransferComplete`].
    pub start_time: i64,
    /// As in [`TransferComplete`].
    pub complete_time: i64,
    /// `None` when the operation succeeded.
    pub fault: Option<CpeFault>,
    /// `Install`, `Update` or `Uninstall`; only in AutonOpResultStruct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_performed: Option<String>,
}

/// The arguments of RequestDownload (A.4.2.2): the device would like to be sent a Download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestDownload {
    /// As in Download.
    pub file_type: String,
    /// Names with values that say more precisely which file; at most 16.
    pub file_type_arg: Vec<(String, String)>,
}

/// The arguments of Kicked (A.4.2.1): a user came to the device by a web page of the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Kicked {
    /// What the page asked for.
    pub command: String,
    /// The page's host.
    pub referer: String,
    /// More of what the page asked for.
    pub arg: String,
    /// Where the user is to be sent.
    pub next: String,
}

//! The RPCs of TR-069 Annex A as plain data, named as the standard names them.
//!
//! XML exists only in `cwmp`. Names of objects keep the standard's trailing dot here; the engine's own paths have none.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::value::TypedValue;

/// What a part of a device ID is percent-encoded for.
const OUTSIDE_DEVICE_ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

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
            _ => None,
        }
    }

    /// The RPC's name as the standard spells it.
    pub fn name(&self) -> &'static str {
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
        }
    }
}

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
}

impl CpeResponse {
    /// The response's element name.
    pub fn name(&self) -> &'static str {
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

/// A CPE's fault (A.5), in answer to a request or inside TransferComplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpeFault {
    /// The CWMP FaultCode as the device wrote it, usually 9000 to 9899.
    pub code: String,
    /// The CWMP FaultString.
    pub message: String,
    /// One entry for each parameter that SetParameterValues refused, as far as the device says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_parameter_values_faults: Vec<SetParameterValuesFault>,
}

/// One SetParameterValuesFault (A.3.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetParameterValuesFault {
    /// The refused parameter.
    pub parameter_name: String,
    /// As [`CpeFault::code`].
    pub code: String,
    /// As [`CpeFault::message`].
    pub message: String,
}

/// The arguments of Inform (A.3.3.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Inform {
    /// Who the device is.
    pub device_id: DeviceIdStruct,
    /// Event codes with their command keys, in the device's order; may be empty.
    pub events: Vec<Event>,
    /// Envelopes that the CPE would take at once; always treated as 1.
    pub max_envelopes: u32,
    /// The CPE's clock in milliseconds, if it could be read. Never trusted for ordering.
    pub current_time: Option<i64>,
    /// How often the CPE has tried since the last complete session.
    pub retry_count: u32,
    /// Values that the CPE tells unasked. A missing type is `xsd:string`.
    pub parameter_list: Vec<(String, TypedValue)>,
}

/// DeviceIdStruct (A.3.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DeviceIdStruct {
    /// Display only.
    pub manufacturer: String,
    /// Six hexadecimal digits.
    pub oui: String,
    /// May be empty.
    pub product_class: String,
    /// Unique within OUI and product class.
    pub serial_number: String,
}

impl DeviceIdStruct {
    /// The device ID: `OUI-ProductClass-SerialNumber`, or `OUI-SerialNumber` when the product class is empty. Each part keeps
    /// `A-Z a-z 0-9 _`; every other character is percent-encoded, per UTF-8 byte and in upper case. So the hyphens between the
    /// parts are unambiguous.
    pub fn device_id(&self) -> String {
        let mut id = String::with_capacity(self.oui.len() + self.product_class.len() + self.serial_number.len() + 8);
        escape_into(&mut id, &self.oui);
        id.push('-');
        if !self.product_class.is_empty() {
            escape_into(&mut id, &self.product_class);
            id.push('-');
        }
        escape_into(&mut id, &self.serial_number);
        id
    }
}

fn escape_into(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, OUTSIDE_DEVICE_ID));
}

/// One EventStruct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// E.g. `2 PERIODIC`, `M Reboot`, `X 001122 Foo`; verbatim.
    pub code: String,
    /// Empty, or the key of the command that caused an `M` event.
    pub command_key: String,
}

/// A call of the CPE to the ACS (Annex A.3.3, A.4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CpeRequest {
    /// A.3.3.1
    Inform(Inform),
    /// A.3.3.2
    TransferComplete(TransferComplete),
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

/// The Unknown Time Value `0001-01-01T00:00:00Z` (A.2) in milliseconds since the Unix epoch.
pub const UNKNOWN_TIME: i64 = -62_135_596_800_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_are_unambiguous() {
        let cases = [
            ("001122", "P C", "S&N-1", "001122-P%20C-S%26N%2D1"),
            ("001122", "", "x.y", "001122-x%2Ey"),
            ("001122", "Röuter", "1", "001122-R%C3%B6uter-1"),
        ];
        for (oui, product_class, serial_number, expected) in cases {
            let id = DeviceIdStruct {
                manufacturer: String::new(),
                oui: oui.into(),
                product_class: product_class.into(),
                serial_number: serial_number.into(),
            };
            assert_eq!(id.device_id(), expected);
        }
    }
}

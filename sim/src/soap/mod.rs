//! The device's side of SOAP as TR-069 uses it (§3.5, Annex A): reading what the ACS sends, writing what devices send.
//!
//! Written apart from the server's own SOAP code on purpose, so that tests compare two readings of the standard. This
//! reader is strict where a server must be strict: what is legal but against the letter goes into a list of
//! violations, so that a test can demand that there are none. Not here: what a device does (`cpe`), HTTP (`http`).

mod inform;
mod read;
mod request;
mod schema;
mod unit;
mod write;

pub use inform::{AutonomousTransfer, Event, Inform, OperationResult, TransferComplete};
pub use read::{Incoming, ReadError};
pub use request::{ArgumentError, AttributeChange, ParameterValue, Request, Transfer};
pub use unit::{UnitOperation, UnitOperationKind};
pub use write::{Attributes, Style, Writer};

/// Namespace of the SOAP 1.1 envelope.
pub const ENVELOPE_NAMESPACE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// A CPE fault: code, text, and the per-parameter faults of SetParameterValues (TR-069 Annex A.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// 9000 to 9899.
    pub code: u32,
    /// Human-readable text.
    pub text: String,
    /// SetParameterValuesFault entries: parameter name and code.
    pub parameters: Vec<(String, u32)>,
}

impl Fault {
    /// A fault with the standard's text for its code.
    pub fn new(code: u32) -> Self {
        Self { code, text: fault_text(code).to_owned(), parameters: Vec::new() }
    }

    /// Fault 9003 with an entry per refused parameter.
    pub fn parameters(parameters: Vec<(String, u32)>) -> Self {
        Self { parameters, ..Self::new(9003) }
    }
}

/// The standard's text of a CPE fault code (TR-069 Annex A.5.1).
pub fn fault_text(code: u32) -> &'static str {
    match code {
        9000 => "Method not supported",
        9001 => "Request denied",
        9002 => "Internal error",
        9003 => "Invalid arguments",
        9004 => "Resources exceeded",
        9005 => "Invalid parameter name",
        9006 => "Invalid parameter type",
        9007 => "Invalid parameter value",
        9008 => "Attempt to set a non-writable parameter",
        9009 => "Notification request rejected",
        9010 => "Download failure",
        9011 => "Upload failure",
        9012 => "File transfer server authentication failure",
        9013 => "Unsupported protocol for file transfer",
        9014 => "Download failure: unable to join multicast group",
        9015 => "Download failure: unable to contact file server",
        9016 => "Download failure: unable to access file",
        9017 => "Download failure: unable to complete download",
        9018 => "Download failure: file corrupted",
        9019 => "Download failure: file authentication failure",
        9020 => "File transfer failure: unable to complete download within specified time windows",
        9021 => "Cancelation of file transfer not permitted in current transfer state",
        9022 => "Invalid UUID format",
        9023 => "Unknown execution environment",
        9024 => "Disabled execution environment",
        9025 => "Deployment unit to execution environment mismatch",
        9026 => "Duplicate deployment unit",
        9027 => "System resources exceeded",
        9028 => "Unknown deployment unit",
        9029 => "Invalid deployment unit state",
        9030 => "Invalid deployment unit update: downgrade not permitted",
        9031 => "Invalid deployment unit update: version not specified",
        9032 => "Invalid deployment unit update: version already exists",
        _ => "Vendor fault",
    }
}

/// As [`fault_text`]; empty for 0, which is no fault.
fn fault_text_or_none(code: u32) -> &'static str {
    if code == 0 { "" } else { fault_text(code) }
}

#[cfg(test)]
mod tests;

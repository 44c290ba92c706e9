//! The RPCs of TR-069 Annex A as plain data, named as the standard names them.
//!
//! XML exists only in `cwmp`. Names of objects keep the standard's trailing dot here; the engine's own paths have none.
//!
//! - [`acs_request`]: what the ACS asks; [`check`]: whether it may be sent so; [`vendor`]: methods that only a vendor knows;
//! - [`cpe_response`]: what a CPE answers; [`fault`]: how it refuses;
//! - [`inform`], [`cpe_request`]: what a CPE calls by itself;
//! - [`version`]: which version of the protocol has what.

pub mod acs_request;
pub mod check;
pub mod cpe_request;
pub mod cpe_response;
pub mod fault;
pub mod inform;
pub mod vendor;
pub mod version;

pub use acs_request::{
    AcsRequest, DUOperation, Download, ScheduleDownload, SetParameterAttributesStruct, TimeWindow, TransferAddress,
    Upload,
};
pub use check::ArgumentError;
pub use cpe_request::{
    AutonomousDUStateChangeComplete, AutonomousTransferComplete, CpeRequest, DUStateChangeComplete, Kicked,
    OperationResult, RequestDownload, TransferComplete,
};
pub use cpe_response::{CpeResponse, OptionStruct, ParameterAttributes, ParameterInfo, QueuedTransfer};
pub use fault::{CpeFault, SetParameterValuesFault, fault_text};
pub use inform::{DeviceIdStruct, Event, Inform};
pub use vendor::{VendorArgument, VendorRequest, VendorValue};
pub use version::{CwmpVersion, is_lightweight, plain_notification};

/// The Unknown Time Value `0001-01-01T00:00:00Z` (A.2) in milliseconds since the Unix epoch.
pub const UNKNOWN_TIME: i64 = -62_135_596_800_000;

//! Operations: downloads that a device has accepted and whose TransferComplete is awaited.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::ProvisionCall;

/// A pending Download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The CommandKey of the request.
    pub command_key: String,
    /// When it was requested, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The entry below `Downloads`.
    pub instance: String,
    /// As requested.
    pub file_type: String,
    /// As requested.
    pub file_name: String,
    /// As requested.
    pub target_file_name: String,
    /// The channels to fault if it fails, each with its provisions.
    pub channels: BTreeMap<String, Vec<ProvisionCall>>,
    /// How often each channel had been retried when it was requested.
    pub retries: BTreeMap<String, u32>,
}

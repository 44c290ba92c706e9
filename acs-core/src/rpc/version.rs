//! Versions of CWMP (TR-069 Annex A.6), and what came with which.

use serde::{Deserialize, Serialize};

use super::AcsRequest;

/// A version of the protocol, as a session uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CwmpVersion {
    /// Amendment 1.
    V1_0,
    /// Amendment 2.
    V1_1,
    /// Amendment 3.
    V1_2,
    /// Amendment 4.
    V1_3,
    /// Amendments 5 and 6.
    V1_4,
}

impl CwmpVersion {
    /// As header elements write it, e.g. `1.4`.
    pub const fn as_str(self) -> &'static str {
        match self {
            CwmpVersion::V1_0 => "1.0",
            CwmpVersion::V1_1 => "1.1",
            CwmpVersion::V1_2 => "1.2",
            CwmpVersion::V1_3 => "1.3",
            CwmpVersion::V1_4 => "1.4",
        }
    }

    /// The version that a header element names.
    pub fn parse(text: &str) -> Option<CwmpVersion> {
        let all = [CwmpVersion::V1_0, CwmpVersion::V1_1, CwmpVersion::V1_2, CwmpVersion::V1_3, CwmpVersion::V1_4];
        all.into_iter().find(|version| version.as_str() == text.trim())
    }
}

/// The newest, for a session that no device holds.
impl Default for CwmpVersion {
    fn default() -> CwmpVersion {
        CwmpVersion::V1_4
    }
}

impl AcsRequest {
    /// The first version that has the RPC.
    pub fn since(&self) -> CwmpVersion {
        match self {
            AcsRequest::GetAllQueuedTransfers => CwmpVersion::V1_1,
            AcsRequest::ScheduleDownload(_) | AcsRequest::CancelTransfer { .. } | AcsRequest::ChangeDUState { .. } => {
                CwmpVersion::V1_2
            }
            _ => CwmpVersion::V1_0,
        }
    }
}

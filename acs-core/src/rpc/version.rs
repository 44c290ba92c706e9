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

/// Whether a notification attribute (A.3.2.4) is one of 3 to 6: those with lightweight notifications, which came with 1.4.
pub fn is_lightweight(notification: u8) -> bool {
    (3..=6).contains(&notification)
}

/// The notification attribute that comes closest without lightweight notifications. What a device would have told at once
/// (active, 5 and 6) it still does, what it would have told by the way (passive, 3 and 4) likewise. Others are themselves.
pub fn plain_notification(notification: u8) -> u8 {
    match notification {
        3 | 4 => 1,
        5 | 6 => 2,
        other => other,
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

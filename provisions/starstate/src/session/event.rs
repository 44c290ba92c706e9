//! What sessions tell. Data.

use serde::{Deserialize, Serialize};

use super::{Failure, Session, new_id};
use crate::orchestrator::{Progress, RollbackResult};

/// Something happened to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEvent {
    /// A ULID.
    pub id: String,
    /// How much it matters.
    pub priority: Priority,
    /// Who tells: `provisioning-service`.
    pub source: String,
    /// Which session.
    pub session_id: String,
    /// Its router.
    pub router_id: String,
    /// When, in milliseconds since 1970.
    pub timestamp: u64,
    /// What.
    #[serde(flatten)]
    pub kind: SessionEventKind,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// As usual.
    Normal,
    /// Somebody has to look.
    Critical,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum SessionEventKind {
    /// Its document has no errors.
    #[serde(rename = "provisioning.session.validated")]
    Validated,
    /// Applying begins, or goes on after an interruption.
    #[serde(rename = "provisioning.session.started")]
    Started {
        /// It goes on.
        resumed: bool,
    },
    /// It goes forward.
    #[serde(rename = "provisioning.session.progress")]
    Progress {
        /// In percent of the operations.
        percent_complete: u8,
        /// How.
        #[serde(flatten)]
        progress: Progress,
    },
    /// `ProvisioningSessionAppliedEvent`: the router is what the document says.
    #[serde(rename = "provisioning.session.applied")]
    ProvisioningSessionAppliedEvent {
        /// How many resources of the document have something on the router.
        resource_count: usize,
        /// Which.
        resource_ids: Vec<String>,
        /// Commands that changed something.
        changes: usize,
        /// How long it took, in milliseconds.
        duration: u64,
    },
    /// An uplink of the document is on the router.
    #[serde(rename = "wan.link.applied")]
    WanLinkApplied {
        /// The resource, such as `wan.link.foreign/fiber`.
        resource_id: String,
        /// The interface that everything else uses.
        interface_name: String,
        /// `dhcp`, `pppoe`, `static` or `lte`.
        connection_type: String,
        /// `Domestic` or `Foreign`.
        wan_type: String,
        /// When, in milliseconds since 1970.
        applied_at: u64,
    },
    /// A WireGuard tunnel to somewhere else is on the router.
    #[serde(rename = "vpn.wireguard.client.applied")]
    WireguardClientApplied {
        /// The resource, such as `vpn.wireguard.client/HQ`.
        resource_id: String,
        /// Its interface.
        interface_name: String,
        /// Host and port of the other end.
        peer_endpoint: String,
        /// The router's public key, as read back.
        #[serde(skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
        /// The group of the uplink by which it leaves, when the document says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        wan_type: Option<String>,
    },
    /// A tunnel between sites is on the router.
    #[serde(rename = "tunnel.applied")]
    TunnelApplied {
        /// The resource, such as `tunnel.gre/branch`.
        resource_id: String,
        /// `ipip`, `eoip`, `gre` or `vxlan`.
        tunnel_type: String,
        /// Its interface.
        interface_name: String,
        /// This end; empty when the router chooses.
        local_address: String,
        /// The other end.
        remote_address: String,
        /// When, in milliseconds since 1970.
        applied_at: u64,
    },
    /// `ProvisioningSessionFailedEvent`: it failed.
    #[serde(rename = "provisioning.session.failed")]
    ProvisioningSessionFailedEvent {
        /// The phase that failed, or `apply` when it was none.
        failed_phase: String,
        /// The step that failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        failed_step: Option<String>,
        /// What happened.
        error_message: String,
        /// The router is as it was before.
        rolled_back: bool,
    },
    /// What was applied was taken back.
    #[serde(rename = "provisioning.session.rolled-back")]
    RolledBack {
        /// What came of it.
        result: RollbackResult,
    },
    /// Nobody wants it any more.
    #[serde(rename = "provisioning.session.discarded")]
    Discarded,
}

impl SessionEvent {
    /// An event of a session. `now`: milliseconds since 1970.
    pub(super) fn new(session: &Session, kind: SessionEventKind, now: u64) -> SessionEvent {
        SessionEvent {
            // Without randomness the time alone tells events apart well enough.
            id: new_id(now).unwrap_or_else(|_| now.to_string()),
            priority: kind.priority(),
            source: "provisioning-service".to_owned(),
            session_id: session.id.clone(),
            router_id: session.router.clone(),
            timestamp: now,
            kind,
        }
    }
}

impl SessionEventKind {
    fn priority(&self) -> Priority {
        match self {
            SessionEventKind::ProvisioningSessionFailedEvent { .. } => Priority::Critical,
            _ => Priority::Normal,
        }
    }

    /// How far something has come.
    pub(super) fn progress(progress: Progress) -> SessionEventKind {
        let percent_complete = match &progress {
            Progress::Operation { done, total, .. } | Progress::TakenBack { done, total, .. } => {
                u8::try_from(done.saturating_mul(100).checked_div(*total).unwrap_or(100)).unwrap_or(100).min(100)
            }
            _ => 0,
        };
        SessionEventKind::Progress { percent_complete, progress }
    }

    /// A failure.
    pub(super) fn failed(session: &Session, failure: &Failure) -> SessionEventKind {
        SessionEventKind::ProvisioningSessionFailedEvent {
            failed_phase: failure.phase.map_or("apply", |phase| phase.name()).to_owned(),
            failed_step: failure.step.clone(),
            error_message: failure.message.clone(),
            rolled_back: session.is_taken_back(),
        }
    }
}

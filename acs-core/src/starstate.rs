//! What a session asks of whoever configures routers from StarState documents, and what it is told: data.
//!
//! A job outlives the session that asked for it. So a session asks for one ([`Ask::Ensure`]) and goes on; while one is under way, each
//! later session asks what became of it ([`Ask::Follow`]). Both travel as extension calls, which are made by the driver, recorded and
//! replayed: those of scripts begin with a name, these are one object. Not here: documents, routers and jobs themselves.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::script::{ExtensionCall, ScriptFault};

/// The root below which a device's tree shows how far its document is.
pub const ROOT: &str = "StarState";
/// What the one argument of a call has.
const KEY: &str = "starstate";

/// A session's question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StarStateCall {
    /// The device.
    pub device: String,
    /// The session's time, in milliseconds since the Unix epoch.
    pub at: i64,
    /// The address that the device connected from; empty until the session knows that it is asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remote_address: String,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The router shall be what the document says: a job begins unless it is, or one is under way.
    Ensure {
        /// The name of a stored document, or a document.
        document: Json,
        /// What the script adds: `address`, `port`; null or an object.
        options: Json,
    },
    /// How far a job is.
    Follow {
        /// Its provisioning session.
        session: String,
    },
}

/// How far a document is on its router.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StarStateReport {
    /// The document's name; empty for one that has none.
    pub document: String,
    /// Tells the document's content from others.
    pub fingerprint: String,
    /// The provisioning session.
    pub session: String,
    /// How far.
    pub status: JobStatus,
    /// The phase that it is in, or failed in.
    pub phase: String,
    /// How much is done, from 0 to 100.
    pub percent: u8,
    /// For people.
    pub message: String,
    /// When the router became what the document says, in milliseconds since the Unix epoch.
    pub applied_at: Option<i64>,
    /// Why it failed: the fault of the channels that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<ScriptFault>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// It waits or is at work.
    #[default]
    Applying,
    /// The router is what the document says.
    Applied,
    /// It failed; the router is as before.
    Failed,
}

impl JobStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobStatus::Applying => "applying",
            JobStatus::Applied => "applied",
            JobStatus::Failed => "failed",
        }
    }
}

impl StarStateCall {
    /// As an extension call.
    pub fn into_call(self) -> ExtensionCall {
        ExtensionCall { arguments: vec![json!({ KEY: self })] }
    }

    /// What an extension call asks, if it is one of these.
    pub fn of(call: &ExtensionCall) -> Option<StarStateCall> {
        let [argument] = call.arguments.as_slice() else { return None };
        serde_json::from_value(argument.get(KEY)?.clone()).ok()
    }

    /// The call's name in logs and traces, if it is one of these.
    pub fn name_of(call: &ExtensionCall) -> Option<&'static str> {
        let is_own = matches!(call.arguments.as_slice(), [argument] if argument.get(KEY).is_some());
        is_own.then_some(KEY)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_those_of_scripts() {
        let ask = Ask::Ensure { document: json!("home"), options: Json::Null };
        let call = StarStateCall { device: "d".into(), at: 5, remote_address: String::new(), ask };
        let sent = call.clone().into_call();
        assert_eq!(StarStateCall::of(&sent), Some(call));
        assert_eq!(StarStateCall::name_of(&sent), Some("starstate"));
        for arguments in [vec![json!("starstate")], vec![json!("starstate"), json!({"starstate": {}})], vec![]] {
            let other = ExtensionCall { arguments };
            assert_eq!((StarStateCall::of(&other), StarStateCall::name_of(&other)), (None, None));
        }
    }
}

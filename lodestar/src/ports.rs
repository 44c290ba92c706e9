//! What connects the rooms: extensions, as sessions call them, and how devices are served, which sessions they have, and what was
//! forgiven in their messages, as the REST API shows it.

use std::sync::Arc;

use acs_core::script::{ExtensionCall, ScriptFault};
use async_trait::async_trait;
use cwmp::{CwmpStatistics, Endpoint, ExtensionCaller, SessionEnd, SessionObserver, SessionTrace};
use serde_json::{Map, Value as Json, json};
use ui_api::{RepairReport, SessionBoard, StatusSource};

use crate::session_history::SessionHistory;

/// Extensions, for sessions.
pub struct Calls(pub Arc<ext::Extensions>);

#[async_trait]
impl ExtensionCaller for Calls {
    async fn call(&self, call: ExtensionCall) -> Result<Json, ScriptFault> {
        self.0.call(call.arguments).await
    }
}

/// The repairs that the endpoint has counted.
pub struct Repairs(pub Arc<CwmpStatistics>);

impl RepairReport for Repairs {
    fn repairs(&self) -> Json {
        let models = self.0.repairs.list().into_iter().map(|(model, repairs)| {
            let repairs: Map<String, Json> = repairs
                .into_iter()
                .map(|(kind, count)| (kind.to_owned(), json!({ "messages": count.messages, "first": count.first })))
                .collect();
            json!({
                "manufacturer": model.manufacturer,
                "oui": model.oui,
                "productClass": model.product_class,
                "softwareVersion": model.software_version,
                "repairs": repairs,
            })
        });
        models.collect()
    }
}

/// How devices are served, for operators.
pub struct Status(pub Arc<Endpoint>);

impl StatusSource for Status {
    fn status(&self) -> Json {
        let cwmp = serde_json::to_value(self.0.status()).unwrap_or_default();
        json!({ "version": env!("CARGO_PKG_VERSION"), "cwmp": cwmp })
    }
}

/// Tells the NBI which devices come and go, so that it can wait for one that it has woken, and what their sessions were.
pub struct SessionNews {
    /// Who waits for sessions.
    pub board: Arc<SessionBoard>,
    /// Who remembers them.
    pub history: Arc<SessionHistory>,
}

impl SessionObserver for SessionNews {
    fn session_started(&self, device_id: &str) {
        self.board.session_started(device_id);
    }

    fn session_ended(&self, device_id: &str, _end: SessionEnd) {
        self.board.session_ended(device_id);
    }

    fn session_traced(&self, trace: SessionTrace) {
        self.history.take(trace);
    }
}

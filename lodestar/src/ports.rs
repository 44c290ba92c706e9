//! What connects the rooms: extensions for sessions, and the news of sessions for whoever waits for a device.

use std::sync::Arc;

use acs_core::script::{ExtensionCall, ScriptFault};
use async_trait::async_trait;
use cwmp::{ExtensionCaller, SessionEnd, SessionObserver};
use serde_json::Value as Json;
use tokio::sync::broadcast;

/// Extensions, for sessions.
pub struct Calls(pub Arc<ext::Extensions>);

#[async_trait]
impl ExtensionCaller for Calls {
    async fn call(&self, call: ExtensionCall) -> Result<Json, ScriptFault> {
        self.0.call(call.arguments).await
    }
}

/// News of a session.
#[derive(Debug, Clone)]
pub enum SessionNews {
    /// A device has come.
    Started {
        /// Its ID.
        device_id: Arc<str>,
    },
    /// Its session is over.
    Ended {
        /// Its ID.
        device_id: Arc<str>,
        /// How.
        end: SessionEnd,
    },
}

/// Tells whoever listens which devices come and go.
pub struct SessionBus(broadcast::Sender<SessionNews>);

impl Default for SessionBus {
    fn default() -> Self {
        SessionBus(broadcast::channel(4_096).0)
    }
}

impl SessionBus {
    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<SessionNews> {
        self.0.subscribe()
    }

    fn tell(&self, news: impl FnOnce() -> SessionNews) {
        // Nobody listening is the usual case, and costs nothing.
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(news());
        }
    }
}

impl SessionObserver for SessionBus {
    fn session_started(&self, device_id: &str) {
        self.tell(|| SessionNews::Started { device_id: device_id.into() });
    }

    fn session_ended(&self, device_id: &str, end: SessionEnd) {
        self.tell(|| SessionNews::Ended { device_id: device_id.into(), end });
    }
}

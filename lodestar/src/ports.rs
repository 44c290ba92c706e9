//! What connects the rooms: extensions, as sessions call them.

use std::sync::Arc;

use acs_core::script::{ExtensionCall, ScriptFault};
use async_trait::async_trait;
use cwmp::ExtensionCaller;
use serde_json::Value as Json;

/// Extensions, for sessions.
pub struct Calls(pub Arc<ext::Extensions>);

#[async_trait]
impl ExtensionCaller for Calls {
    async fn call(&self, call: ExtensionCall) -> Result<Json, ScriptFault> {
        self.0.call(call.arguments).await
    }
}

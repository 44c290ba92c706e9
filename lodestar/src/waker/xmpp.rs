//! Waking over XMPP (TR-069 Annex K).

use std::time::Duration;

use async_trait::async_trait;
use cwmp::connection_request::{ConnectionRequestError, Credentials};

use super::credentials::Presenting;

/// Sends connection requests over XMPP. The client library is not in every build.
#[async_trait]
pub trait XmppRequests: Send + Sync {
    /// Asks the device with this Jabber ID. Returns whether it takes the credentials.
    ///
    /// # Errors
    /// Why it could not be asked.
    async fn request(
        &self,
        jabber_id: &str,
        credentials: &Credentials,
        limit: Duration,
    ) -> Result<bool, ConnectionRequestError>;
}

#[cfg(feature = "xmpp")]
#[async_trait]
impl XmppRequests for cwmp::xmpp::XmppClient {
    async fn request(
        &self,
        jabber_id: &str,
        credentials: &Credentials,
        limit: Duration,
    ) -> Result<bool, ConnectionRequestError> {
        let verdict = cwmp::xmpp::XmppClient::request(self, jabber_id, credentials, limit).await?;
        Ok(verdict == cwmp::connection_request::Verdict::Accepted)
    }
}

/// A request to one device.
pub struct OverXmpp<'a> {
    pub requests: &'a dyn XmppRequests,
    pub jabber_id: &'a str,
    pub limit: Duration,
}

#[async_trait]
impl Presenting for OverXmpp<'_> {
    async fn present(&mut self, credentials: &Credentials) -> Result<bool, ConnectionRequestError> {
        self.requests.request(self.jabber_id, credentials, self.limit).await
    }
}

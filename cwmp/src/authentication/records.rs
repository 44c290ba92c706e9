//! What is kept of devices' own credentials, and when.

use acs_core::credentials::{CredentialRecord, credentials_in};
use acs_core::rpc::AcsRequest;
use serde_json::Value as Json;
use store::{Collection, StoreError};

use crate::endpoint::Endpoint;
use crate::sessions::LiveSession;

/// Credentials in a request to a device.
pub(crate) struct Offer {
    username: Option<String>,
    password: Option<String>,
}

impl Offer {
    /// The credentials that a request gives to its device, if any.
    pub(crate) fn in_request(request: &AcsRequest) -> Option<Offer> {
        let (username, password) = credentials_in(request);
        (username.is_some() || password.is_some()).then_some(Offer { username, password })
    }
}

impl Endpoint {
    /// A request is about to be sent. Credentials in it are kept first: from then on the device may have them. What the request
    /// leaves alone is as the device authenticated itself with.
    pub(crate) async fn keep_offer(&self, live: &LiveSession, offer: Offer) -> Result<(), StoreError> {
        let mut record = self.credential_record(&live.device_id).await?.unwrap_or_default();
        let before = live.origin.authenticated.as_ref().and_then(|who| who.credentials.as_ref());
        let username = offer.username.or_else(|| before.map(|(username, _)| username.clone()));
        let password = offer.password.or_else(|| before.map(|(_, password)| password.0.clone()));
        match (username, password) {
            (Some(username), Some(password)) if !password.is_empty() && record.offer(&username, &password) => {
                self.keep_record(&live.device_id, &record).await
            }
            _ => Ok(()),
        }
    }

    /// What is kept of a device's credentials. `None`: nothing was ever.
    pub(super) async fn credential_record(&self, device: &str) -> Result<Option<CredentialRecord>, StoreError> {
        let document = self.parts.store.get(Collection::DeviceCredentials, device).await?;
        let damaged = |error: serde_json::Error| StoreError::Damaged {
            what: format!("the credentials of device {device}"),
            reason: error.to_string(),
        };
        document.map(|document| serde_json::from_value(document).map_err(damaged)).transpose()
    }

    pub(super) async fn keep_record(&self, device: &str, record: &CredentialRecord) -> Result<(), StoreError> {
        let document = serde_json::to_value(record).unwrap_or(Json::Null);
        self.parts.store.put(Collection::DeviceCredentials, device, document).await
    }
}

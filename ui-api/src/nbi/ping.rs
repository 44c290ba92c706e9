//! `GET /ping/<host>`: whether a device's host can be reached. The binary does it ([`HostPinger`]); here is what comes back.

use async_trait::async_trait;
use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use store::ScopedStore;

use crate::answer::{Answer, Refusal};

/// Why a host was not pinged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// It has no address.
    #[error("{0} has no address")]
    UnknownName(String),
    /// It is not where devices may be.
    #[error("{0} is not an address at which devices may be")]
    Refused(String),
    /// Too many at a time.
    #[error("too many hosts are being pinged")]
    TooMany,
    /// It did not work out here.
    #[error("{0}")]
    Failed(String),
}

/// Sends ICMP echo requests.
#[async_trait]
pub trait HostPinger: Send + Sync {
    /// What came back, as `ping` would say it, whether the host answered or not.
    ///
    /// # Errors
    /// Nothing was sent.
    async fn ping(&self, host: &str) -> Result<String, PingError>;
}

/// GET `/ping/<host>`
pub async fn ping(store: &ScopedStore, pinger: Option<&dyn HostPinger>, host: &str) -> Result<Answer, Refusal> {
    // A host is no device: whether it is one of those that may be seen cannot be told.
    if !store.sees_device("").await? {
        return Err(Refusal::Forbidden("hosts are pinged by those who may see all devices".to_owned()));
    }
    let pinger = pinger.ok_or(Refusal::NotFound)?;
    match pinger.ping(host).await {
        Ok(text) => Ok(Answer::text(StatusCode::OK, text)),
        Err(error @ PingError::UnknownName(_)) => Ok(Answer::text(StatusCode::NOT_FOUND, error.to_string())),
        Err(error @ PingError::Refused(_)) => Err(Refusal::Forbidden(error.to_string())),
        Err(error @ PingError::TooMany) => {
            let text = format!("429 Too Many Requests: {error}");
            Ok(Answer::text(StatusCode::TOO_MANY_REQUESTS, text).header(RETRY_AFTER, "5"))
        }
        Err(PingError::Failed(reason)) => {
            Ok(Answer::text(StatusCode::INTERNAL_SERVER_ERROR, format!("Error: {reason}")))
        }
    }
}

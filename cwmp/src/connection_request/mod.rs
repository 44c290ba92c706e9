//! Connection requests: asking a device to begin a session (TR-069 §3.2.2).
//!
//! ```text
//!  http        GET with Digest: exchanges, one connection kept where the device keeps it
//!    ├ target      what a connection request URL says
//!    ├ guard       where requests may go
//!    ├ reply       what a device answers, read leniently
//!    └ challenge   what it asks for, and the answer
//! ```
//!
//! What lives here: one request to one device. What does not: where URL and credentials come from, how often a device may be asked,
//! and what is waited for afterwards.

pub mod challenge;
mod error;
mod guard;
mod http;
mod reply;
mod target;

pub use error::{ConnectionRequestError, Silence};
pub use guard::{AddressPolicy, PortRange};
pub use http::{HttpOptions, HttpRequest, Verdict};
pub use reply::{Reply, parse_reply};
pub use target::ConnectionRequestTarget;

/// A user name and a password that a device may want.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `ManagementServer.ConnectionRequestUsername`; empty when there is none.
    pub username: String,
    /// `ManagementServer.ConnectionRequestPassword`.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

//! CWMP, the protocol of TR-069: SOAP and the HTTP endpoint that devices visit.
//!
//! ```text
//!  server      sockets, connections, how long each may take
//!    └ endpoint    one HTTP request to one answer: which session, which state
//!        ├ admission   whether there is room for a session
//!        ├ authentication  who an Inform is from
//!        ├ opening     an Inform becomes a session
//!        ├ visit       a session's next turn, on a thread of the pool
//!        └ closing     what a session changed is written, then the device hears that it is over
//! ```
//!
//! What lives here: bytes, HTTP, XML, cookies, timeouts, and who is in a session now. What does not: what a session does
//! (`acs_core::session`), what is stored and how, scripts, configuration, extensions; [`ports`] says what is needed of them.

mod admission;
mod answer;
mod authentication;
mod body;
mod channel;
mod closing;
mod connection;
pub mod connection_request;
pub mod cookies;
mod counts;
pub mod encoding;
mod endpoint;
mod first_message;
mod handshakes;
pub mod limits;
mod listener;
mod log;
pub mod masking;
mod opening;
pub mod pool;
pub mod ports;
pub mod repairs;
mod server;
mod sessions;
pub mod soap;
pub mod statistics;
pub mod status;
mod suspension;
pub mod trace;
pub mod udp;
mod visit;
#[cfg(feature = "xmpp")]
pub mod xmpp;

pub use authentication::{Algorithm, AuthenticationOptions, claimed_username};
pub use counts::{DurationCounts, Durations, NamedCounts};
pub use endpoint::{Endpoint, EndpointParts};
pub use limits::EndpointLimits;
pub use listener::{Listener, ListenerPolicy};
pub use pool::Pool;
pub use ports::{
    Clock, ConfigurationSource, ExtensionCaller, PinnedConfiguration, SessionEnd, SessionObserver, SessionOptions,
    SessionRecorder, SessionRecording, system_clock,
};
pub use server::serve;
pub use statistics::CwmpStatistics;
pub use status::EndpointStatus;
pub use trace::{SessionTrace, TraceLevel};

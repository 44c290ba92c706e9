//! The interfaces for people and their systems: the NBI, with its users and API keys, and the file server.
//!
//! ```text
//!  connection   sockets, request lines, limits
//!    └ nbi        the REST API
//!    │   ├ access     API keys, users, permissions, throttle, guard against other sites
//!    │   └ answer     statuses, reason phrases, bodies
//!    └ files      what devices download and upload
//!    └ metrics    what monitoring fetches
//! ```
//!
//! What does not live here: the protocol of devices (`cwmp`), storage (`store`), the engine (`acs_core`).

mod access;
mod answer;
mod connection;
mod files;
mod metrics;
mod nbi;

pub use access::{ApiKeyError, ApiKeys, KeyInfo, NewKey, PasswordError, Scopes, UserError, UserInfo, Users};
pub use connection::request_line;
pub use files::{Direction, FileServer, Grant, PathRefusal, UploadLimits, UrlSigner, content_mark, serve_files};
pub use metrics::{MetricsSource, serve_metrics};
pub use nbi::{
    Acted, ActionDetails, ConfigurationFollower, DeviceWaker, DocumentPlace, DocumentProblem, HostPinger, Nbi,
    NbiOptions, NbiStatistics, NewRouterSession, PingError, PlanError, PlanRequest, PlanSubject, Planner, RepairReport,
    RouterAction, RouterError, RouterSession, RouterSessions, SessionBoard, SessionHistory, SessionPhase, SessionWatch,
    StatusSource, check_document, serve,
};

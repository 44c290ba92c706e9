//! A client of the RouterOS API: the binary protocol on TCP port 8728, with TLS on 8729, and on any other byte
//! stream that is given to it.
//!
//! From the wire upwards: [`word`] has the length prefixes, [`sentence`] turns bytes into sentences within limits, [`reply`]
//! reads what a router answers and [`trap`] tells its errors apart, [`command`] and [`query`] build what it is asked,
//! [`client`] runs many tagged commands over one connection, [`listener`] follows changes, [`router`] connects again when the
//! connection was lost, [`tls`] makes sure that it is the right router, [`rest`] runs the same commands over HTTP. [`RouterPort`] is what code that provisions a router needs of all this.
//!
//! Values are bytes: a router neither checks nor converts them, and what it sends must be written back unchanged. Secrets are
//! a type of their own, and neither `Debug` nor an error shows them.
//!
//! Not here: what menus exist, and what to configure.

pub mod client;
pub mod command;
mod connection;
pub mod error;
pub mod listener;
mod login;
pub mod port;
pub mod query;
pub mod reply;
pub mod rest;
pub mod router;
pub mod secret;
pub mod sentence;
pub mod tls;
pub mod trap;
pub mod word;

pub use client::{Client, ClientOptions};
pub use command::{Command, CommandError};
pub use error::Error;
pub use listener::Listener;
pub use port::RouterPort;
pub use query::Query;
pub use reply::{Reply, Row};
pub use rest::{REST_PORT, REST_TLS_PORT, RestRouter};
pub use router::{Connector, Router, TcpConnector, Transport};
pub use secret::Secret;
pub use tls::{Fingerprint, TlsConnector, TlsError, Trust};
pub use trap::{Category, ErrorClass, Trap};

/// The port of the API without TLS.
pub const PORT: u16 = 8728;
/// The port of the API with TLS.
pub const TLS_PORT: u16 = 8729;

//! HTTP/1.1 as a device speaks it: a small client for CWMP and file transfers, and reading for the connection-request
//! listener.
//!
//! Written over `TcpStream`, apart from the server's HTTP stack on purpose. No proxies, no compression.

mod client;
mod connection;
mod cookies;
pub mod digest;
mod tls;
mod url;

pub use client::{Authentication, Body, Client, Credentials, Method, Response};
pub use connection::{Connection, Head};
pub use cookies::CookieJar;
pub use tls::{TlsClient, TlsOptions};
pub use url::Url;

/// Why an HTTP exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL cannot be used.
    #[error("{url}: {problem}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The TCP connection could not be made.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// TLS cannot be set up, or the handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// The connection broke while reading or writing.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The other side closed the connection in the middle of a message, or instead of one.
    #[error("the connection was closed {0}")]
    Closed(&'static str),
    /// No answer in time.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// What came is not HTTP.
    #[error("not a valid HTTP message: {0}")]
    Malformed(&'static str),
    /// Larger than any message the simulator expects.
    #[error("HTTP message larger than {0} bytes")]
    TooLarge(usize),
}

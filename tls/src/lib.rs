//! TLS for listeners: certificates from PEM files, taken up anew when the files change, and what client certificates say.
//!
//! What lives here: rustls set up, handshakes, reloading. What does not: sockets, who is let in for which certificate, and
//! anything that is spoken over a connection.

mod certificate;
mod files;
mod server;

pub use certificate::ClientCertificate;
pub use files::{ClientCertificates, TlsOptions, TlsVersion};
pub use server::{HandshakeFailure, TlsServer, TlsStream, client_certificate, follow};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file has not what it should have.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The options contradict each other.
    #[error("{0}")]
    Options(&'static str),
}

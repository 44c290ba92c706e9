//! What a listener is: a socket, perhaps with TLS, and how it treats who comes there.

use std::sync::Arc;

use acs_core::expression::Expression;
use ipnet::IpNet;
use tls::TlsServer;
use tokio::net::TcpListener;

/// A socket with what belongs to it.
pub struct Listener {
    /// Where devices connect.
    pub socket: TcpListener,
    /// How they are treated. Sessions stay with the listeners of their policy.
    pub policy: Arc<ListenerPolicy>,
    /// The certificate; plain connections without.
    pub tls: Option<Arc<TlsServer>>,
}

/// How a listener treats who comes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListenerPolicy {
    /// What `LISTENER()` is in expressions.
    pub name: String,
    /// Who is let in, in place of `cwmp.auth`.
    pub authentication: Option<Expression>,
    /// Whether passwords may come as they are without encryption, whatever `cwmp.allowBasicWithoutTls` says.
    pub allow_basic: bool,
    /// The proxies whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
}

impl From<TcpListener> for Listener {
    /// A plain listener without a policy of its own.
    fn from(socket: TcpListener) -> Listener {
        Listener { socket, policy: Arc::default(), tls: None }
    }
}

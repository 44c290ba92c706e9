//! Handshakes with a client that knows the certificate, and with peers that want something else.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tls::{HandshakeFailure, TlsError, TlsOptions, TlsServer, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes a new certificate, and its key.
fn write_certificate(directory: &Path) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(directory.join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
}

struct Fixture {
    directory: TempDir,
    server: Arc<TlsServer>,
    listener: TcpListener,
}

impl Fixture {
    async fn start() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        write_certificate(directory.path());
        let path = |name: &str| directory.path().join(name);
        let server = TlsServer::load(TlsOptions::new(path("certificate.pem"), path("key.pem"))).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Fixture { directory, server, listener }
    }

    /// A client connects with plain TCP, and the server begins the handshake.
    async fn connect(&self) -> (TcpStream, impl Future<Output = Result<TlsStream, HandshakeFailure>> + use<>) {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = self.listener.accept().await.unwrap();
        let server = self.server.clone();
        (client, async move { server.accept(stream, PATIENCE).await })
    }

    /// A client that trusts the certificate in a file does the handshake.
    async fn handshake(&self, trusted: &Path) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let (client, accepting) = self.connect().await;
        let connector = TlsConnector::from(Arc::new(config));
        let connecting = connector.connect("localhost".try_into().unwrap(), client);
        let (connected, _) = tokio::join!(connecting, accepting);
        connected.is_ok()
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_told_nothing() {
    let fixture = Fixture::start().await;
    let (mut client, accepting) = fixture.connect().await;
    client.shutdown().await.unwrap();
    assert!(matches!(accepting.await, Err(HandshakeFailure::Silent)));
    let mut told = Vec::new();
    assert_eq!(client.read_to_end(&mut told).await.unwrap(), 0, "{told:?}");
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_refused() {
    let fixture = Fixture::start().await;
    let (mut client, accepting) = fixture.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(accepting.await, Err(HandshakeFailure::Refused(_))));
}

#[tokio::test]
async fn a_peer_that_waits_too_long_is_not_waited_for() {
    let fixture = Fixture::start().await;
    let (_client, _) = fixture.connect().await;
    let stream = TcpStream::connect(fixture.listener.local_addr().unwrap()).await.unwrap();
    assert!(matches!(fixture.server.accept(stream, Duration::ZERO).await, Err(HandshakeFailure::TooSlow)));
}

#[tokio::test]
async fn changed_files_are_taken_up_when_they_fit_together() {
    let fixture = Fixture::start().await;
    let directory = fixture.directory.path();
    let path = |name: &str| directory.join(name);
    let old = path("old.pem");
    std::fs::copy(path("certificate.pem"), &old).unwrap();
    assert!(!fixture.server.reload().unwrap(), "nothing has changed");

    // The certificate is there already, its key is not.
    let next = tempfile::tempdir().unwrap();
    write_certificate(next.path());
    std::fs::copy(next.path().join("certificate.pem"), path("certificate.pem")).unwrap();
    let error = fixture.server.reload().unwrap_err();
    assert!(matches!(&error, TlsError::Content { path, .. } if path.ends_with("key.pem")), "{error}");
    assert!(!fixture.server.reload().unwrap(), "it is complained about once");
    assert!(fixture.handshake(&old).await, "what was before stays");

    std::fs::copy(next.path().join("key.pem"), path("key.pem")).unwrap();
    assert!(fixture.server.reload().unwrap());
    assert!(fixture.handshake(&path("certificate.pem")).await && !fixture.handshake(&old).await);
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let directory = tempfile::tempdir().unwrap();
    write_certificate(directory.path());
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty.pem"), "").unwrap();
    let options = |certificate: &str, key: &str| TlsOptions::new(path(certificate), path(key));
    let with_client_ca = TlsOptions { client_ca: Some(path("empty.pem")), ..options("certificate.pem", "key.pem") };
    let cases = [
        (options("missing.pem", "key.pem"), "missing.pem"),
        (options("empty.pem", "key.pem"), "empty.pem: there is no certificate in it"),
        (options("certificate.pem", "empty.pem"), "empty.pem"),
        (options("certificate.pem", "certificate.pem"), "certificate.pem"),
        (with_client_ca, "empty.pem: there is no certificate in it"),
    ];
    for (options, expected) in cases {
        let Err(error) = TlsServer::load(options) else { panic!("{expected} was taken") };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

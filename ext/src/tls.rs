//! TLS toward HTTP endpoints: whose certificates are trusted, and for which name.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What is needed to connect to one host. Its sessions are resumed from one call to the next.
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the certificates in a PEM file, or else those that the system trusts.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn new(host: &str, ca_file: Option<&Path>) -> Result<Tls, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("url: {host}: {error}"))?;
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                let of_file = |error: &dyn std::fmt::Display| format!("ca-file {}: {error}", path.display());
                for certificate in CertificateDer::pem_file_iter(path).map_err(|error| of_file(&error))? {
                    let certificate = certificate.map_err(|error| of_file(&error))?;
                    roots.add(certificate).map_err(|error| of_file(&error))?;
                }
                if roots.is_empty() {
                    return Err(of_file(&"it holds no certificate"));
                }
            }
            None => {
                // A certificate that cannot be used concerns only those who rely on it.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err("this system trusts no certificates; name them with ca-file".to_owned());
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Encrypts a connection.
    ///
    /// # Errors
    /// The host is not trusted, or breaks off.
    pub async fn connect(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Tls").field(&self.name).finish()
    }
}

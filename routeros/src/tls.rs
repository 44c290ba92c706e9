//! TLS to a router: its certificate is known, or signed by somebody who is.
//!
//! Certificates of routers are usually self-signed or of a private authority, so public authorities are never asked. A service
//! `api-ssl` without a certificate offers only anonymous ciphers, which protect from nobody in between; they are not spoken
//! here, and the error says what to do.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::router::{Connector, TcpConnector, Transport};

/// What a router without a certificate is told by.
const ANONYMOUS: &str = "the router refused the handshake. Most likely its service api-ssl has no certificate and offers only \
    anonymous ciphers, which anybody in between can answer, too, and which are not spoken here. Make and sign a certificate on \
    the router and give it to the service: /ip/service set api-ssl certificate=NAME";

/// Which router is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Its certificate is this one. Names and times in it do not matter.
    Fingerprint(Fingerprint),
    /// Its certificate was signed by one of these, is valid now, and has its host's name or address.
    Authorities(Vec<CertificateDer<'static>>),
}

/// The SHA-256 of a certificate, as `/certificate/print` shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// Why TLS cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A fingerprint has another form.
    #[error("{0:?} is no fingerprint: 64 hexadecimal digits, with colons or without, are the SHA-256 of a certificate")]
    Fingerprint(String),
    /// There is no certificate, or none that can sign others.
    #[error("certificates of authorities: {0}")]
    Authorities(String),
    /// A host has a name that cannot be in a certificate.
    #[error("{0:?} is neither a host's name nor an address")]
    Host(String),
    /// The cryptography does not offer what is needed.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// Connects by TCP and TLS.
#[derive(Clone)]
pub struct TlsConnector {
    tcp: TcpConnector,
    name: ServerName<'static>,
    tls: tokio_rustls::TlsConnector,
}

impl Trust {
    /// From the PEM of one or more authorities.
    ///
    /// # Errors
    /// [`TlsError::Authorities`] when there is no certificate in it.
    pub fn authorities(pem: &[u8]) -> Result<Trust, TlsError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match read {
            Ok(certificates) if certificates.is_empty() => Err(TlsError::Authorities("there are none".to_owned())),
            Ok(certificates) => Ok(Trust::Authorities(certificates)),
            Err(error) => Err(TlsError::Authorities(error.to_string())),
        }
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Fingerprint, TlsError> {
        let digits = text.replace(':', "").to_ascii_lowercase();
        let bytes = HEXLOWER.decode(digits.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Fingerprint).ok_or_else(|| TlsError::Fingerprint(text.to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }
}

impl TlsConnector {
    /// `port` is usually [`crate::TLS_PORT`].
    ///
    /// # Errors
    /// When the host has no possible name, or nobody could be trusted.
    pub fn new(host: impl Into<String>, port: u16, trust: &Trust) -> Result<TlsConnector, TlsError> {
        let host = host.into();
        let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::Host(host.clone()))?;
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let config = match trust {
            Trust::Fingerprint(fingerprint) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned { fingerprint: *fingerprint, provider }))
                .with_no_client_auth(),
            Trust::Authorities(certificates) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates {
                    roots.add(certificate.clone()).map_err(|error| TlsError::Authorities(error.to_string()))?;
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        };
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
        Ok(TlsConnector { tcp: TcpConnector::new(host, port), name, tls })
    }
}

impl TlsConnector {
    /// The same, connecting to an address that the host was found to have. The certificate still is the host's.
    #[must_use]
    pub fn at(self, address: std::net::SocketAddr) -> TlsConnector {
        TlsConnector { tcp: TcpConnector::new(address.ip().to_string(), address.port()), ..self }
    }
}

#[async_trait]
impl Connector for TlsConnector {
    async fn connect(&self) -> io::Result<Box<dyn Transport>> {
        let stream = self.tcp.connect().await?;
        let stream = self.tls.connect(self.name.clone(), stream).await.map_err(explain)?;
        Ok(Box::new(stream))
    }

    fn address(&self) -> String {
        self.tcp.address()
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsConnector").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Says what a refused handshake means with a router.
fn explain(error: io::Error) -> io::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)) => {
            io::Error::new(io::ErrorKind::ConnectionRefused, ANONYMOUS)
        }
        _ => error,
    }
}

/// Accepts one certificate, whatever it says.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(end_entity);
        if shown == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        let wanted = self.fingerprint;
        Err(rustls::Error::General(format!("the router's certificate has the SHA-256 {shown}, expected is {wanted}")))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_64_digits_with_colons_or_without() {
        let plain = "00ff".repeat(16);
        let fingerprint: Fingerprint = plain.parse().unwrap();
        assert_eq!(fingerprint.to_string(), plain);
        let pairs: Vec<String> =
            plain.as_bytes().chunks(2).map(|pair| String::from_utf8(pair.to_vec()).unwrap()).collect();
        assert_eq!(pairs.join(":").to_uppercase().parse(), Ok(fingerprint));
        for wrong in ["", "00ff", &"0".repeat(63), &"x".repeat(64)] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(TlsError::Fingerprint(wrong.to_owned())));
        }
    }

    #[test]
    fn nobody_is_trusted_without_a_certificate() {
        assert_eq!(Trust::authorities(b"no PEM"), Err(TlsError::Authorities("there are none".to_owned())));
        let trust = Trust::Fingerprint("00".repeat(32).parse().unwrap());
        assert!(matches!(TlsConnector::new("no host", 8729, &trust), Err(TlsError::Host(_))));
        assert_eq!(TlsConnector::new("2001:db8::1", 8729, &trust).unwrap().address(), "[2001:db8::1]:8729");
    }
}

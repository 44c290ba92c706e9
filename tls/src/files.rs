//! What a listener's TLS is made of: options, and the files they name, as a rustls configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::TlsError;

/// TLS of a listener. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsOptions {
    /// The certificate, then those that lead to one that clients know.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificates that clients' certificates must lead to.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate. Without it they are asked when there is a `client_ca`, and need none.
    #[serde(default)]
    pub client_certificates: Option<ClientCertificates>,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub minimum_version: TlsVersion,
}

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not.
    Off,
    /// They are, and those that have none are served as well.
    Request,
    /// They are, and those that have none are not served.
    Require,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V1_3,
}

impl TlsOptions {
    /// A certificate and its key, and nothing else.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsOptions {
        TlsOptions {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            client_certificates: None,
            minimum_version: TlsVersion::default(),
        }
    }

    fn client_certificates(&self) -> ClientCertificates {
        let by_file = if self.client_ca.is_some() { ClientCertificates::Request } else { ClientCertificates::Off };
        self.client_certificates.unwrap_or(by_file)
    }

    /// Reads the files as they are now.
    pub(crate) fn read(&self) -> Result<Files, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.display().to_string(), source })
        };
        Ok(Files {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
        })
    }

    /// Makes a configuration of the files' content.
    pub(crate) fn configure(&self, files: &Files) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = match self.minimum_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12][..],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| self.wrong(&self.certificate, error))?;
        let builder = match self.client_verifier(files, provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let chain = certificates(&self.certificate, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| self.wrong(&self.key, error))?;
        builder.with_single_cert(chain, key).map_err(|error| self.wrong(&self.key, error))
    }

    fn client_verifier(
        &self,
        files: &Files,
        provider: Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let wanted = self.client_certificates();
        if wanted == ClientCertificates::Off {
            return Ok(None);
        }
        let (Some(path), Some(bytes)) = (&self.client_ca, &files.client_ca) else {
            return Err(TlsError::Options("client certificates need a client-ca that they lead to"));
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path, bytes)? {
            roots.add(certificate).map_err(|error| self.wrong(path, error))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let builder = if wanted == ClientCertificates::Request { builder.allow_unauthenticated() } else { builder };
        builder.build().map(Some).map_err(|error| self.wrong(path, error))
    }

    fn wrong(&self, path: &Path, reason: impl std::fmt::Display) -> TlsError {
        TlsError::Content { path: path.display().to_string(), reason: reason.to_string() }
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = |reason: String| TlsError::Content { path: path.display().to_string(), reason };
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let list = list.map_err(|error| content(error.to_string()))?;
    if list.is_empty() {
        return Err(content("there is no certificate in it".to_owned()));
    }
    Ok(list)
}

/// The files' content.
pub(crate) struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    /// Tells contents apart.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            let part = part.map_or(&[][..], Vec::as_slice);
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Whether clients' certificates are looked at in the same way.
    pub(crate) fn has_same_clients(&self, other: &Files) -> bool {
        self.client_ca == other.client_ca
    }
}

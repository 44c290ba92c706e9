//! Client certificates, whose chain has been verified: the names in them.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Who a client is by its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its common name, then its alternative names (DNS names, URIs, mail addresses).
    pub names: Vec<String>,
    /// SHA-256 of the certificate, in lower-case hexadecimal digits.
    pub fingerprint: String,
}

impl ClientCertificate {
    /// Reads a certificate in DER. One that cannot be read has no names.
    pub fn from_der(der: &[u8]) -> ClientCertificate {
        let fingerprint = HEXLOWER.encode(&Sha256::digest(der));
        let names = Certificate::from_der(der).map(|certificate| names(&certificate)).unwrap_or_default();
        ClientCertificate { names, fingerprint }
    }

    /// What it is called: its first name, or its fingerprint when it has none.
    pub fn subject(&self) -> &str {
        self.names.first().unwrap_or(&self.fingerprint)
    }
}

fn names(certificate: &Certificate) -> Vec<String> {
    let certificate = certificate.tbs_certificate();
    let mut names = Vec::new();
    if let Ok(Some(name)) = certificate.subject().common_name() {
        names.push(name.value().into_owned());
    }
    if let Ok(Some((_, SubjectAltName(alternatives)))) = certificate.get_extension::<SubjectAltName>() {
        names.extend(alternatives.iter().filter_map(|alternative| match alternative {
            GeneralName::DnsName(name)
            | GeneralName::UniformResourceIdentifier(name)
            | GeneralName::Rfc822Name(name) => Some(name.to_string()),
            _ => None,
        }));
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(common_name: Option<&str>, alternatives: &[&str]) -> ClientCertificate {
        let list: Vec<String> = alternatives.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(list).unwrap();
        parameters.distinguished_name = DistinguishedName::new();
        if let Some(name) = common_name {
            parameters.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().unwrap();
        ClientCertificate::from_der(parameters.self_signed(&key).unwrap().der())
    }

    #[test]
    fn names_are_those_of_the_subject_and_its_alternatives() {
        let names = |common_name, alternatives: &[&str]| certificate(common_name, alternatives).names;
        assert_eq!(names(Some("0A1B2C-Box-1"), &[]), ["0A1B2C-Box-1"]);
        assert_eq!(names(Some("ü"), &["cpe.example"]), ["ü", "cpe.example"]);
        assert!(names(None, &[]).is_empty());
    }

    #[test]
    fn what_has_no_name_is_known_by_its_fingerprint() {
        let nameless = certificate(None, &[]);
        assert_eq!(nameless.subject(), nameless.fingerprint);
        assert_eq!(certificate(Some("a"), &["b"]).subject(), "a");
        assert!(ClientCertificate::from_der(b"no certificate").names.is_empty());
    }
}

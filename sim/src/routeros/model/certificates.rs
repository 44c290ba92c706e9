//! Certificates: signed for real, with keys on the curve P-256 whatever size was asked for, since larger ones take seconds.

use chrono::{DateTime, Datelike, Duration, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_cert::der::Decode;

use super::refusal::Refusal;
use super::row::{Row, State, Value};
use super::{Fields, Reply, Router, dynamic};
use crate::routeros::request::Request;

/// A certificate with its key, for a listener.
pub struct Identity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

/// What a certificate says that its signature fixes.
const FIXED: [&str; 8] =
    ["common-name", "country", "days-valid", "key-size", "key-usage", "organization", "subject-alt-name", "unit"];

impl Router {
    /// Signs a certificate: by itself, or by one that may sign others.
    pub(super) fn sign(&mut self, id: u32, ca: Option<u32>) -> Result<Reply, Refusal> {
        if self.options.full_disk {
            return Err(Refusal::failure("not enough space on disk"));
        }
        let row = self.state.row("/certificate", id).ok_or_else(Refusal::no_item)?.clone();
        let issuer = ca.and_then(|id| self.state.row("/certificate", id)).cloned();
        let signed = sign(&row, issuer.as_ref(), self.now())?;
        if let Some(kept) = self.state.row_mut("/certificate", id) {
            *kept = signed;
        }
        self.changed();
        Ok(Reply::default())
    }

    /// Makes and signs a certificate for the API and puts it into use, unless there is one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn give_api_a_certificate(&mut self) -> Result<(), Refusal> {
        if self.api_identity().is_some() {
            return Ok(());
        }
        let mut row = Row { id: self.state.next_id("/certificate"), ..Row::default() };
        row.put("name", "api");
        row.put("common-name", "router.lan");
        row.put("subject-alt-name", "DNS:localhost,IP:127.0.0.1");
        super::factory::fill(&self.state, "/certificate", &mut row);
        row.put("days-valid", "3650");
        let row = sign(&row, None, self.now())?;
        self.state.rows_mut("/certificate").push(row);
        let request = Request::from_words(&["/ip/service/set", "=.id=api-ssl", "=certificate=api"]);
        self.run(&super::Caller::local(), &request).map(drop)
    }

    /// The certificate of the service `api-ssl`.
    pub fn api_identity(&self) -> Option<Identity> {
        let (_, id) = self.state.find("/ip/service", "name", "api-ssl")?.link("certificate")?;
        let row = self.state.row("/certificate", id)?;
        Some(Identity {
            certificate: CertificateDer::from_pem_slice(row.facts.get(".certificate")?.as_bytes()).ok()?,
            key: PrivateKeyDer::from_pem_slice(row.facts.get(".key")?.as_bytes()).ok()?,
        })
    }

    /// Takes the certificates and keys of a file.
    pub(super) fn import_certificates(&mut self, request: &Request) -> Result<Reply, Refusal> {
        let file = request.text("file-name").ok_or_else(|| Refusal::missing(&["file-name"]))?;
        let contents = self.state.find("/file", "name", &file).and_then(|row| row.text("contents"));
        let contents = contents.ok_or_else(|| Refusal::failure("file does not exist"))?;
        let certificates: Vec<CertificateDer> =
            CertificateDer::pem_slice_iter(contents.as_bytes()).filter_map(Result::ok).collect();
        let key = PrivateKeyDer::from_pem_slice(contents.as_bytes()).ok();
        let base = request.text("name").unwrap_or_else(|| file.clone());
        for (number, der) in certificates.iter().enumerate() {
            let mut row = Row { id: self.state.next_id("/certificate"), ..Row::default() };
            let first_of_one = request.text("name").is_some() && number == 0;
            row.put("name", &if first_of_one { base.clone() } else { format!("{base}_{number}") });
            row.put("trusted", if request.text("trusted").as_deref() == Some("no") { "false" } else { "true" });
            note_certificate(&mut row, der)?;
            self.state.rows_mut("/certificate").push(row);
        }
        let mut keys = 0;
        if let Some(key) = key {
            keys = self.give_key(&key);
        }
        let row = dynamic::fields([
            ("certificates-imported", certificates.len().to_string()),
            ("private-keys-imported", keys.to_string()),
            ("files-imported", u8::from(!certificates.is_empty() || keys > 0).to_string()),
            ("decryption-failures", "0".to_owned()),
        ]);
        Ok(Reply { rows: vec![row], ret: None })
    }

    /// A key goes to the certificates that have its public half.
    fn give_key(&mut self, key: &PrivateKeyDer) -> usize {
        let Ok(pair) = KeyPair::try_from(key) else { return 0 };
        let public = HEXLOWER.encode(pair.public_key_raw());
        let mut given = 0;
        for row in self.state.rows_mut("/certificate") {
            if row.facts.get(".public").is_some_and(|known| known.ends_with(&public)) {
                row.note("private-key", "true");
                row.note(".key", pair.serialize_pem());
                given += 1;
            }
        }
        given
    }

    /// Writes a certificate, and with a passphrase its key, to files.
    pub(super) fn export_certificate(&mut self, ids: &[u32], request: &Request) -> Result<Reply, Refusal> {
        if request.text("type").as_deref() == Some("pkcs12") {
            return Err(Refusal::failure("the simulated router writes no pkcs12"));
        }
        for id in ids {
            let row = self.state.row("/certificate", *id).ok_or_else(Refusal::no_item)?;
            let name = row.text("name").unwrap_or_default();
            let base = request.text("file-name").unwrap_or_else(|| format!("cert_export_{name}"));
            let certificate =
                row.facts.get(".certificate").cloned().ok_or_else(|| Refusal::failure("certificate is not signed"))?;
            let key = row
                .facts
                .get(".key")
                .cloned()
                .filter(|_| request.text("export-passphrase").is_some_and(|text| !text.is_empty()));
            self.write_file(&format!("{base}.crt"), certificate.into_bytes())?;
            if let Some(key) = key {
                self.write_file(&format!("{base}.key"), key.into_bytes())?;
            }
        }
        Ok(Reply::default())
    }
}

/// The rows that a signature in progress gives.
pub(super) fn progress() -> Vec<Fields> {
    ["progress", "progress", "done"].map(|step| dynamic::fields([("progress", step.to_owned())])).into()
}

/// The id of the certificate that is to sign another.
pub(super) fn issuer_of(state: &State, request: &Request) -> Result<Option<u32>, Refusal> {
    let Some(name) = request.text("ca").filter(|name| !name.is_empty()) else { return Ok(None) };
    let id = super::row::read_id(&name);
    let found =
        state.rows("/certificate").iter().find(|row| Some(row.id) == id || row.text("name").as_ref() == Some(&name));
    let row = found.ok_or_else(|| Refusal::no_match("ca"))?;
    if row.facts.contains_key(".key") && row.facts.contains_key("fingerprint") {
        Ok(Some(row.id))
    } else {
        Err(Refusal::failure("CA certificate has no private key"))
    }
}

fn sign(row: &Row, issuer: Option<&Row>, now: DateTime<Utc>) -> Result<Row, Refusal> {
    if row.facts.contains_key("fingerprint") {
        return Err(Refusal::failure("already signed"));
    }
    let failed = |error: &dyn std::fmt::Display| Refusal::failure(error);
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let params = params_of(row, now)?;
    let certificate = match issuer {
        Some(issuer) => {
            let pem = issuer.facts.get(".key").map(String::as_str).unwrap_or_default();
            let issuer_key = KeyPair::from_pem(pem).map_err(|error| failed(&error))?;
            let signer = Issuer::new(params_of(issuer, now)?, issuer_key);
            params.signed_by(&key, &signer).map_err(|error| failed(&error))?
        }
        None => params.self_signed(&key).map_err(|error| failed(&error))?,
    };
    let mut signed = row.clone();
    for name in FIXED {
        if let Some(value) = row.text(name) {
            signed.note(&format!(".signed-{name}"), value);
        }
    }
    note_certificate(&mut signed, certificate.der())?;
    signed.note("private-key", "true");
    signed.note(".key", key.serialize_pem());
    signed.note("skid", HEXLOWER.encode(&params.key_identifier(&key)));
    match issuer {
        Some(issuer) => {
            signed.note("ca", issuer.text("name").unwrap_or_default());
            signed.note("akid", issuer.facts.get("skid").cloned().unwrap_or_default());
            signed.note("issued", "true");
        }
        None => signed.note("authority", "true"),
    }
    Ok(signed)
}

/// What can be read from the certificate itself.
fn note_certificate(row: &mut Row, der: &CertificateDer) -> Result<(), Refusal> {
    let parsed = x509_cert::Certificate::from_der(der).map_err(Refusal::failure)?;
    let certificate = parsed.tbs_certificate();
    let time = |time: x509_cert::time::Time| {
        DateTime::<Utc>::from(time.to_system_time()).to_rfc3339_opts(SecondsFormat::Secs, false).replace('T', " ")[..19]
            .to_owned()
    };
    let subject = certificate.subject().to_string();
    let name = subject.split(',').find_map(|part| part.trim().strip_prefix("CN=").map(str::to_owned));
    if let Some(name) = name.filter(|_| !row.values.contains_key("common-name")) {
        row.values.insert("common-name".to_owned(), Value::Bytes(name.into_bytes()));
    }
    row.note("issuer", certificate.issuer().to_string());
    row.note("serial-number", HEXLOWER.encode(certificate.serial_number().as_bytes()));
    row.note("invalid-before", time(certificate.validity().not_before));
    row.note("invalid-after", time(certificate.validity().not_after));
    row.note("fingerprint", HEXLOWER.encode(&Sha256::digest(der)));
    row.note("key-type", "ec");
    row.note(".public", HEXLOWER.encode(certificate.subject_public_key_info().subject_public_key.raw_bytes()));
    row.note(".certificate", pem(der));
    Ok(())
}

fn params_of(row: &Row, now: DateTime<Utc>) -> Result<CertificateParams, Refusal> {
    let failed = |error: rcgen::Error| Refusal::failure(error);
    let mut params = CertificateParams::default();
    let parts = [
        ("common-name", DnType::CommonName),
        ("country", DnType::CountryName),
        ("state", DnType::StateOrProvinceName),
        ("locality", DnType::LocalityName),
        ("organization", DnType::OrganizationName),
        ("unit", DnType::OrganizationalUnitName),
    ];
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (name, kind) in parts {
        if let Some(text) = row.text(name).filter(|text| !text.is_empty()) {
            params.distinguished_name.push(kind, text);
        }
    }
    let days = row.text("days-valid").and_then(|days| days.parse().ok()).unwrap_or(365);
    let date = |time: DateTime<Utc>| date_time_ymd(time.year(), time.month() as u8, time.day() as u8);
    params.not_before = date(now - Duration::days(1));
    params.not_after = date(now + Duration::days(days));
    for name in row.text("subject-alt-name").unwrap_or_default().split(',') {
        params.subject_alt_names.extend(alternative_name(name).map_err(failed)?);
    }
    let usages = row.text("key-usage").unwrap_or_default();
    for usage in usages.split(',') {
        match usage {
            "digital-signature" => params.key_usages.push(KeyUsagePurpose::DigitalSignature),
            "content-commitment" => params.key_usages.push(KeyUsagePurpose::ContentCommitment),
            "key-encipherment" => params.key_usages.push(KeyUsagePurpose::KeyEncipherment),
            "data-encipherment" => params.key_usages.push(KeyUsagePurpose::DataEncipherment),
            "key-agreement" => params.key_usages.push(KeyUsagePurpose::KeyAgreement),
            "key-cert-sign" => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            "crl-sign" => params.key_usages.push(KeyUsagePurpose::CrlSign),
            "tls-server" => params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth),
            "tls-client" => params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth),
            _ => {}
        }
    }
    if matches!(params.is_ca, IsCa::Ca(_)) {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    }
    Ok(params)
}

/// `DNS:name`, `IP:address`, `email:address`.
fn alternative_name(text: &str) -> Result<Option<SanType>, rcgen::Error> {
    Ok(match text.split_once(':') {
        Some(("DNS", name)) => Some(SanType::DnsName(name.try_into()?)),
        Some(("IP", address)) => address.parse().ok().map(SanType::IpAddress),
        Some(("email", address)) => Some(SanType::Rfc822Name(address.try_into()?)),
        _ => None,
    })
}

fn pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> =
        (0..base64.len()).step_by(64).map(|begin| &base64[begin..(begin + 64).min(base64.len())]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

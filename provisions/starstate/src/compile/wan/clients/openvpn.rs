//! OpenVPN: an interface that dials, with certificates.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{dialer, number};
use crate::compile::{Builder, Client, spelling};
use crate::issue::Issue;
use crate::state::{Hidden, OpenVpnClient};
use crate::step::imported_certificate;

pub(super) fn client(builder: &mut Builder<'_>, client: &Client<'_>, config: &OpenVpnClient) {
    let version = spelling::tls_version(&config.tls_version);
    if let Some((known, true)) = version {
        let message = format!("RouterOS knows no version {:?}; it is {known}", config.tls_version);
        builder.report(Issue::warning(format!("{}.tlsVersion", client.source), message));
    }
    let mode = match config.mode.trim() {
        "" | "p2p" | "server" => "ip",
        word => word,
    };
    let certificate = certificate(builder, client, config);
    let row = dialer(builder, client, "/interface/ovpn-client", &config.credentials);
    let row = row
        .some("port", number(config.server.port))
        .text("protocol", &config.protocol.trim().to_ascii_lowercase())
        .arg("mode", mode)
        .text("auth", &spelling::openvpn_digests(std::slice::from_ref(&config.auth)))
        .text("cipher", &spelling::openvpn_ciphers(std::slice::from_ref(&config.cipher)))
        .some("tls-version", version.map(|(version, _)| version))
        .some_flag("verify-server-certificate", config.verify_server_certificate)
        .some("certificate", certificate.as_ref().map(|(name, _)| name));
    let row = certificate.and_then(|(_, imported)| imported).into_iter().fold(row, |row, step| row.needs(step));
    if config.route_no_pull == Some(true) {
        row.flag("route-nopull", true).done()
    } else {
        row.done()
    };
}

/// The certificate by which the router proves who it is, and the step after which it can be used.
fn certificate(
    builder: &mut Builder<'_>,
    client: &Client<'_>,
    config: &OpenVpnClient,
) -> Option<(String, Option<String>)> {
    let certificates = config.certificates.as_ref()?;
    let is_text = |text: &str| text.contains("-----BEGIN ");
    let authority = certificates.ca_certificate_content.trim();
    if is_text(authority) {
        import(builder, "authority", authority, "", &Hidden::default());
    }
    let key = certificates.client_key_content.reveal();
    let texts = [&certificates.client_certificate_content, &certificates.cert].map(|text| text.trim());
    if let Some(text) = texts.into_iter().find(|text| is_text(text)) {
        let (name, imported) = import(builder, "certificate", text, key, &config.key_passphrase);
        return Some((name, Some(imported)));
    }
    if is_text(key) {
        let path = format!("{}.certificates.clientCertificateContent", client.source);
        builder.report(Issue::error(path, "is needed: the certificate of the key"));
    }
    let names = [&certificates.client_certificate_name, &certificates.cert].map(|name| name.trim());
    names.into_iter().find(|name| !name.is_empty()).map(|name| (name.to_owned(), None))
}

/// Brings a certificate to the router, and its key when there is one. The file by which it comes is called after what it says, so another
/// text is another certificate; it is removed again. Gives the certificate's name, and the step.
fn import(
    builder: &mut Builder<'_>,
    what: &str,
    certificate: &str,
    key: &str,
    passphrase: &Hidden,
) -> (String, String) {
    let hash = HEXLOWER.encode(&Sha256::digest(certificate.as_bytes())[..8]);
    let file = format!("nnc-{hash}.pem");
    let text = format!("{certificate}\n{}", key.trim());
    let row = builder.add(&format!("{what}-{hash}-file"), "/file", &["name"]).arg("name", &*file).once();
    let put = row.secret_text("contents", text.trim().to_owned() + "\n").done();
    let run = builder.run(&format!("{what}-{hash}"), "/certificate", "import", &[], None).arg("file-name", &*file);
    let run = if passphrase.is_empty() { run.arg("passphrase", "") } else { run.secret("passphrase", passphrase) };
    let imported = run.read_back(format!("file:{file}")).needs(put).done();
    (imported_certificate(&file), imported)
}

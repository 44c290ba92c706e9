//! OpenVPN: an interface that dials, with certificates.

use super::{dialer, number};
use crate::compile::{Builder, Client, spelling};
use crate::issue::Issue;
use crate::state::OpenVpnClient;

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
        .some("certificate", certificate);
    if config.route_no_pull == Some(true) {
        row.flag("route-nopull", true).done()
    } else {
        row.done()
    };
}

/// The name of the certificate by which the router proves who it is.
fn certificate(builder: &mut Builder<'_>, client: &Client<'_>, config: &OpenVpnClient) -> Option<String> {
    let certificates = config.certificates.as_ref()?;
    let is_text = |text: &str| text.trim().contains(['\n', '\r']) || text.trim().starts_with("-----BEGIN");
    let texts = [
        ("cert", &*certificates.cert),
        ("caCertificateContent", &*certificates.ca_certificate_content),
        ("clientCertificateContent", &*certificates.client_certificate_content),
        ("clientKeyContent", certificates.client_key_content.reveal()),
    ];
    for (field, text) in texts {
        if is_text(text) {
            let path = format!("{}.certificates.{field}", client.source);
            let message = "is not imported: name a certificate that is on the router";
            builder.report(Issue::warning(path, message));
        }
    }
    let names = [&certificates.client_certificate_name, &certificates.cert];
    names.into_iter().map(|name| name.trim()).find(|name| !name.is_empty() && !is_text(name)).map(str::to_owned)
}

//! PPTP, L2TP and SSTP: interfaces that dial.

use super::{dialer, number};
use crate::compile::{Builder, Client, spelling};
use crate::issue::Issue;
use crate::state::{L2tpClient, PptpClient, SstpClient};

pub(super) fn pptp(builder: &mut Builder<'_>, client: &Client<'_>, config: &PptpClient) {
    let row = dialer(builder, client, "/interface/pptp-client", &config.credentials);
    row.text("allow", &spelling::ppp_methods(&config.auth_methods))
        .some("keepalive-timeout", config.keepalive_timeout)
        .some_flag("dial-on-demand", config.dial_on_demand)
        .done();
}

pub(super) fn l2tp(builder: &mut Builder<'_>, client: &Client<'_>, config: &L2tpClient) {
    let has_ipsec = config.use_ipsec == Some(true);
    let version = match config.proto_version.trim() {
        "2" => "l2tpv2",
        "3" | "l2tpv3" => "l2tpv3-udp",
        word => word,
    };
    let cookie = cookie_length(builder, client, config);
    let row = dialer(builder, client, "/interface/l2tp-client", &config.credentials);
    let row = row
        .text("allow", &spelling::ppp_methods(&config.auth_methods))
        .some_flag("use-ipsec", config.use_ipsec)
        .flag("allow-fast-path", !has_ipsec && config.fast_path.unwrap_or(true))
        .flag("random-source-port", true)
        .text("keepalive-timeout", config.keep_alive.trim())
        .some_flag("dial-on-demand", config.dial_on_demand)
        .text("l2tp-proto-version", version);
    let row = if has_ipsec { row.secret("ipsec-secret", &config.ipsec_secret) } else { row };
    if version.starts_with("l2tpv3") {
        row.some("l2tpv3-cookie-length", cookie)
            .text("l2tpv3-digest-hash", config.digest_hash.trim())
            .text("l2tpv3-circuit-id", config.circuit_id.trim())
            .done();
    } else {
        row.done();
    }
}

fn cookie_length(builder: &mut Builder<'_>, client: &Client<'_>, config: &L2tpClient) -> Option<&'static str> {
    match config.cookie_length? {
        0 => Some("0"),
        4 => Some("4-bytes"),
        8 => Some("8-bytes"),
        length => {
            let path = format!("{}.cookieLength", client.source);
            builder.report(Issue::error(path, format!("{length} is none of 0, 4, 8")));
            None
        }
    }
}

pub(super) fn sstp(builder: &mut Builder<'_>, client: &Client<'_>, config: &SstpClient) {
    let version = spelling::tls_version(&config.tls_version);
    if let Some((known, true)) = version {
        let message = format!("RouterOS knows no version {:?}; it is {known}", config.tls_version);
        builder.report(Issue::warning(format!("{}.tlsVersion", client.source), message));
    }
    let is_yes = |word: &str| !matches!(word.trim(), "" | "no" | "false");
    let pfs = match config.pfs.trim() {
        "true" => "yes",
        "false" => "no",
        word => word,
    };
    let proxy = config.proxy.as_ref().filter(|proxy| !proxy.address.trim().is_empty());
    let row = dialer(builder, client, "/interface/sstp-client", &config.credentials);
    let row = row
        .text("authentication", &spelling::ppp_methods(&config.auth_methods))
        .some("port", number(config.server.port))
        .text("ciphers", &spelling::words(&config.ciphers))
        .some("tls-version", version.map(|(version, _)| version))
        .text("pfs", pfs)
        .some_flag("dial-on-demand", config.dial_on_demand)
        .some("keepalive-timeout", config.keep_alive)
        .some_flag("verify-server-certificate", config.verify_server_certificate)
        .some_flag("verify-server-address-from-certificate", config.verify_server_address_from_certificate)
        .text("certificate", config.client_certificate_name.trim());
    let row = if is_yes(&config.sni) { row.flag("add-sni", true) } else { row };
    match proxy {
        Some(proxy) => {
            row.arg("http-proxy", proxy.address.trim()).some("proxy-port", number(proxy.port)).done();
        }
        None => drop(row.done()),
    }
}

//! OpenVPN servers: one until release 7.16, any number from 7.17 on.

use ipnet::Ipv6Net;
use routeros_schema::Release;

use super::{callers, certificates, common, ppp};
use crate::compile::{Builder, Draft, spelling};
use crate::decompose::{Content, Resource};
use crate::form::prefix_length;
use crate::issue::Issue;
use crate::state::OpenVpnServer;

const MENU: &str = "/interface/ovpn-server/server";

/// The first release with several servers.
const SEVERAL: Release = Release { major: 7, minor: 17 };

/// A server.
pub(super) fn server(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &OpenVpnServer) {
    let has_several = builder.facts.release >= SEVERAL;
    let first = first_of(builder);
    let is_first = first.as_ref().is_none_or(|(source, _)| *source == resource.source);
    if !has_several && !is_first {
        let release = builder.facts.release;
        return builder.error(format!("release {release} has one OpenVPN server; several need {SEVERAL}"));
    }
    let of_ppp = of_ppp(server);
    ppp::check(builder, &server.base);
    let profile = ppp::profile(builder, resource, &of_ppp);
    match first.filter(|_| !is_first) {
        // A user has one secret for all servers of OpenVPN, and a secret has one profile.
        Some((_, first)) => {
            let path = format!("{}.network", resource.source);
            let message = format!("users get addresses of {first}, whichever OpenVPN server they call");
            builder.report(Issue::warning(path, message));
        }
        None => ppp::secrets(builder, resource, &of_ppp, &profile),
    }
    let protocol = match server.protocol.trim().to_ascii_lowercase() {
        word if word.is_empty() => "tcp".to_owned(),
        word => word,
    };
    let port = common::port(builder, server.listen_port, callers::usual_port::OPENVPN);
    let named = server.certificates.as_ref().map(|found| found.cert.as_str()).unwrap_or_default();
    let certificate = certificates::for_server(builder, "certificates.cert", named);
    if server.require_client_certificate == Some(true) {
        certificates::for_clients(builder);
    }
    let tls = ppp::tls_version(builder, &server.tls_version);
    let netmask = netmask(builder, &server.netmask);
    let ipv6 = ipv6(builder, server);
    let reneg = common::number(builder, "renegSec", server.reneg_sec, 0..=i64::from(u32::MAX));
    let method = spelling::ppp_methods(&server.base.authentication);
    let row = match has_several {
        true => builder
            .add("server", MENU, &["name"])
            .arg("name", &*resource.name)
            .flag("disabled", false)
            .text("vrf", server.vrf.trim())
            // Which of the methods of PPP; OpenVPN has two, of which one is chosen.
            .text("user-auth-method", if matches!(&*method, "pap" | "mschap2") { &method } else { "" }),
        false => builder.set("server", MENU).flag("enabled", true),
    };
    let row = row
        .arg("certificate", &*certificate.name)
        .needs(certificate.signed)
        .arg("default-profile", &*profile)
        .arg("protocol", &*protocol)
        .arg("port", port.to_string())
        .text("cipher", &spelling::openvpn_ciphers(&server.cipher))
        .text("auth", &spelling::openvpn_digests(&server.auth))
        .some("tls-version", tls)
        .text("mode", &mode(&server.mode))
        .some("netmask", netmask)
        .text("mac-address", server.mac_address.trim())
        .some("keepalive-timeout", server.base.keepalive_timeout)
        .some("max-mtu", server.base.max_mtu)
        .some_flag("require-client-certificate", server.require_client_certificate)
        .text("redirect-gateway", &redirect(&server.redirect_gateway))
        .text("push-routes", &server.push_routes.join(","))
        .some("reneg-sec", reneg);
    with_ipv6(row, ipv6).done();
    common::open(builder, &[(&protocol, Some(port))]);
}

fn of_ppp(server: &OpenVpnServer) -> ppp::Server<'_> {
    ppp::Server {
        service: "ovpn",
        kind: "OpenVPN",
        name: server.name.trim(),
        base: &server.base,
        encryption: "yes",
        pool: server.address_pool.trim(),
    }
}

/// The first server that is switched on: where it is, and its name.
fn first_of(builder: &Builder<'_>) -> Option<(String, String)> {
    let mut all = callers::resources(builder.world.state);
    let first = all.find(|resource| matches!(resource.content, Content::OpenVpnServer(_)))?;
    Some((first.source, first.name))
}

fn mode(word: &str) -> String {
    match word.trim().to_ascii_lowercase().as_str() {
        "p2p" | "server" | "tun" => "ip".to_owned(),
        "tap" => "ethernet".to_owned(),
        other => other.to_owned(),
    }
}

fn redirect(word: &str) -> String {
    match word.trim().to_ascii_lowercase().as_str() {
        "yes" => "def1".to_owned(),
        "no" | "none" => "disabled".to_owned(),
        other => other.to_owned(),
    }
}

/// The length of a netmask, which may be written as an address.
fn netmask(builder: &mut Builder<'_>, text: &str) -> Option<u8> {
    if text.trim().is_empty() {
        return None;
    }
    let length = prefix_length(text);
    length.map_err(|message| builder.report(Issue::error(format!("{}.netmask", builder.source()), message))).ok()
}

fn ipv6(builder: &mut Builder<'_>, server: &OpenVpnServer) -> Option<Ipv6Net> {
    let config = server.ipv6_config.as_ref().filter(|config| config.enabled == Some(true))?;
    let text = config.subnet.trim();
    let subnet = text.parse::<Ipv6Net>().ok();
    if subnet.is_none() {
        let path = format!("{}.ipv6Config.subnet", builder.source());
        builder.report(Issue::error(path, format!("{text:?} is no network such as fd00:1::/64")));
    }
    subnet
}

fn with_ipv6<'b, 'a>(row: Draft<'b, 'a>, subnet: Option<Ipv6Net>) -> Draft<'b, 'a> {
    match subnet {
        Some(subnet) => row
            .flag("enable-tun-ipv6", true)
            .arg("tun-server-ipv6", subnet.network().to_string())
            .arg("ipv6-prefix-len", subnet.prefix_len().to_string()),
        None => row,
    }
}

//! VPN servers: users, certificates and secrets that they cannot do without.

use crate::compile::World;
use crate::issue::Issue;
use crate::state::{StarState, User, VpnServers};

/// Where they stand.
const AT: &str = "$.lan.vpnServer";
/// How users call the servers that they may use.
const KINDS: [&str; 11] =
    ["Wireguard", "OpenVPN", "PPTP", "L2TP", "SSTP", "IKeV2", "Socks5", "SSH", "HTTPProxy", "BackToHome", "ZeroTier"];

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    let Some(servers) = world.state.lan.as_ref().and_then(|lan| lan.vpn_server.as_ref()) else { return };
    callers(servers, issues);
    certificates(world.state, servers, issues);
    if let Some(l2tp) = servers.l2tp_server.as_ref().filter(|server| server.base.enabled) {
        let wants_ipsec = ["yes", "required"].iter().any(|word| l2tp.use_ipsec.trim().eq_ignore_ascii_case(word));
        if wants_ipsec && l2tp.ipsec_secret.is_empty() {
            issues.push(Issue::error(format!("{AT}.l2tpServer.ipsecSecret"), "is needed for IPsec"));
        }
    }
    if servers.pptp_server.as_ref().is_some_and(|server| server.base.enabled) {
        let message = "PPTP can be broken by whoever listens; L2TP with IPsec, SSTP, OpenVPN and WireGuard cannot";
        issues.push(Issue::warning(format!("{AT}.pptpServer"), message));
    }
    for (number, server) in servers.wireguard_servers.iter().enumerate() {
        for (peer, keys) in server.peers.iter().enumerate() {
            let at = |key: &str| format!("{AT}.wireguardServers[{number}].peers[{peer}].{key}");
            super::clients::key(&at("publicKey"), keys.public_key.trim(), issues);
            if !keys.preshared_key.is_empty() {
                super::clients::key(&at("presharedKey"), keys.preshared_key.reveal(), issues);
            }
        }
        if !server.interface.private_key.is_empty() {
            let path = format!("{AT}.wireguardServers[{number}].interface.privateKey");
            super::clients::key(&path, server.interface.private_key.reveal(), issues);
        }
    }
}

/// A server with logins needs somebody who may log in.
fn callers(servers: &VpnServers, issues: &mut Vec<Issue>) {
    for (number, user) in servers.users.iter().enumerate() {
        let is_unknown = |word: &str| !KINDS.iter().any(|kind| word.trim().eq_ignore_ascii_case(kind));
        for (place, word) in user.vpn_type.iter().enumerate().filter(|(_, word)| is_unknown(word)) {
            let message = format!("{word:?} is none of {}; it has no effect", KINDS.join(", "));
            issues.push(Issue::warning(format!("{AT}.users[{number}].vpnType[{place}]"), message));
        }
    }
    let is_for = |user: &User, kind: &str| {
        user.vpn_type.is_empty() || user.vpn_type.iter().any(|word| word.trim().eq_ignore_ascii_case(kind))
    };
    let open_vpn = servers.open_vpn_server.iter().position(|server| server.base.enabled);
    for (kind, path) in [
        ("PPTP", servers.pptp_server.as_ref().filter(|it| it.base.enabled).map(|_| "pptpServer".to_owned())),
        ("L2TP", servers.l2tp_server.as_ref().filter(|it| it.base.enabled).map(|_| "l2tpServer".to_owned())),
        ("SSTP", servers.sstp_server.as_ref().filter(|it| it.base.enabled).map(|_| "sstpServer".to_owned())),
        ("OpenVPN", open_vpn.map(|number| format!("openVpnServer[{number}]"))),
    ] {
        let Some(path) = path else { continue };
        if !servers.users.iter().any(|user| is_for(user, kind)) {
            issues.push(Issue::warning(format!("{AT}.{path}"), format!("there is no user for {kind}")));
        }
    }
}

/// A server with certificates names one, or the document says where the router's own comes from.
fn certificates(state: &StarState, servers: &VpnServers, issues: &mut Vec<Issue>) {
    let config = state.extra.as_ref().and_then(|extra| extra.certificate_config.as_ref());
    if config.is_some_and(|config| config.enabled != Some(false)) {
        return;
    }
    let mut need = |path: String, name: &str| {
        if name.trim().is_empty() {
            let message = "is needed: the name of a certificate, unless $.extra.certificateConfig says how one is made";
            issues.push(Issue::error(format!("{AT}.{path}"), message));
        }
    };
    if let Some(sstp) = servers.sstp_server.as_ref().filter(|server| server.base.enabled) {
        need("sstpServer.certificate".to_owned(), &sstp.certificate);
    }
    for (number, server) in servers.open_vpn_server.iter().enumerate().filter(|(_, server)| server.base.enabled) {
        let name = server.certificates.as_ref().map_or("", |certificates| &certificates.cert);
        need(format!("openVpnServer[{number}].certificates.cert"), name);
    }
    if let Some(ikev2) = servers.ikev2_server.as_ref().filter(|server| server.base.enabled) {
        let kind = ikev2.ipsec_identity.as_ref().map_or("", |identity| identity.kind.trim());
        let is_secret = ["psk", "pre-shared-key"].iter().any(|word| kind.eq_ignore_ascii_case(word));
        // Without either nothing says how callers prove who they are, which is reported where it is needed.
        if !is_secret && !kind.is_empty() {
            let name = ikev2.certificate.as_ref().map_or("", |certificate| &certificate.name);
            need("ikev2Server.certificate.name".to_owned(), name);
        }
    }
}

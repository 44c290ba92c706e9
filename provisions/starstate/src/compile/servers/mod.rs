//! VPN servers, their users, and certificates.
//!
//! [`callers`] knows who calls and which addresses they get, `common` what all servers need; one module per kind of server.
//! `certificates` makes those that servers ask for.

pub(crate) mod callers;
mod certificates;
mod common;
mod ikev2;
mod openvpn;
mod ppp;
mod proxies;
mod wireguard;
mod zerotier;

pub(crate) use certificates::{AUTHORITY, CLIENT, OWN};

use super::Builder;
use crate::decompose::{Content, Resource};

/// The steps of a resource, if it is one of these.
pub(super) fn steps(builder: &mut Builder<'_>, resource: &Resource<'_>) -> bool {
    match resource.content {
        Content::Certificate(config) => certificates::certificate(builder, config),
        Content::WireguardServer(server) => wireguard::server(builder, resource, server),
        Content::BackToHomeServer(server) => wireguard::back_to_home(builder, resource, server),
        Content::PptpServer(server) => ppp::pptp(builder, resource, server),
        Content::L2tpServer(server) => ppp::l2tp(builder, resource, server),
        Content::SstpServer(server) => ppp::sstp(builder, resource, server),
        Content::OpenVpnServer(server) => openvpn::server(builder, resource, server),
        Content::Ikev2Server(server) => ikev2::server(builder, resource, server),
        Content::Socks5Server(server) => proxies::socks5(builder, resource, server),
        Content::SshServer(server) => proxies::ssh(builder, server),
        Content::HttpProxyServer(server) => proxies::http(builder, resource, server),
        Content::ZeroTierServer(server) => zerotier::member(builder, resource, server),
        _ => return false,
    }
    true
}

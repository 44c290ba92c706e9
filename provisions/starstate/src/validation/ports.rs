//! Ports of the router on which something listens: each belongs to one.

use crate::compile::{ClientConfig, World};
use crate::form;
use crate::issue::Issue;
use crate::state::{ServicePort, StarState};

/// Something that listens.
struct Listener {
    protocol: &'static str,
    port: i64,
    who: String,
    path: String,
}

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    let mut listeners = servers(world.state);
    listeners.extend(wireguard(world));
    listeners.extend(services(world.state));
    for (number, listener) in listeners.iter().enumerate() {
        let same = |other: &&Listener| other.protocol == listener.protocol && other.port == listener.port;
        if let Some(first) = listeners[..number].iter().find(same) {
            let Listener { protocol, port, who, path } = listener;
            let message = format!("{who} listens on {protocol} port {port}, and so does {}: {}", first.who, first.path);
            issues.push(Issue::error(path, message));
        }
    }
}

fn listener(protocol: &'static str, port: Option<i64>, usual: i64, who: &str, path: String) -> Listener {
    let port = port.filter(|port| *port != 0).unwrap_or(usual);
    Listener { protocol, port, who: who.to_owned(), path }
}

fn servers(state: &StarState) -> Vec<Listener> {
    let mut found = Vec::new();
    let Some(servers) = state.lan.as_ref().and_then(|lan| lan.vpn_server.as_ref()) else { return found };
    let at = |key: &str| format!("$.lan.vpnServer.{key}");
    if servers.pptp_server.as_ref().is_some_and(|it| it.base.enabled) {
        found.push(listener("tcp", None, 1723, "the PPTP server", at("pptpServer")));
    }
    if servers.l2tp_server.as_ref().is_some_and(|it| it.base.enabled) {
        found.push(listener("udp", None, 1701, "the L2TP server", at("l2tpServer")));
    }
    if let Some(it) = servers.sstp_server.as_ref().filter(|it| it.base.enabled) {
        found.push(listener("tcp", it.listen_port, 443, "the SSTP server", at("sstpServer.listenPort")));
    }
    for (number, it) in servers.open_vpn_server.iter().enumerate().filter(|(_, it)| it.base.enabled) {
        let protocol = if it.protocol.trim().eq_ignore_ascii_case("udp") { "udp" } else { "tcp" };
        let path = at(&format!("openVpnServer[{number}].listenPort"));
        found.push(listener(protocol, it.listen_port, 1194, "an OpenVPN server", path));
    }
    if servers.ikev2_server.as_ref().is_some_and(|it| it.base.enabled) {
        found.push(listener("udp", None, 500, "the IKEv2 server", at("ikev2Server")));
        found.push(listener("udp", None, 4500, "the IKEv2 server", at("ikev2Server")));
    }
    if let Some(it) = servers.socks5_server.as_ref().filter(|it| it.enabled) {
        found.push(listener("tcp", it.listen_port, 1080, "the SOCKS5 server", at("socks5Server.listenPort")));
    }
    if let Some(it) = servers.ssh_server.as_ref().filter(|it| it.enabled) {
        found.push(listener("tcp", it.listen_port, 22, "the SSH server", at("sshServer.listenPort")));
    }
    if let Some(it) = servers.http_proxy_server.as_ref().filter(|it| it.enabled) {
        found.push(listener("tcp", it.listen_port, 8080, "the HTTP proxy", at("httpProxyServer.listenPort")));
    }
    if servers.back_to_home_server.as_ref().is_some_and(|it| it.enabled) {
        found.push(listener("udp", None, 13231, "Back to Home", at("backToHomeServer")));
    }
    found
}

fn wireguard(world: &World<'_>) -> Vec<Listener> {
    let mut found = Vec::new();
    let servers = world.state.lan.as_ref().and_then(|lan| lan.vpn_server.as_ref());
    for (number, it) in servers.map_or(&[][..], |servers| &servers.wireguard_servers).iter().enumerate() {
        let path = format!("$.lan.vpnServer.wireguardServers[{number}].interface.listenPort");
        if let Some(port) = it.interface.listen_port.filter(|port| *port != 0) {
            found.push(listener("udp", Some(port), 0, "a WireGuard server", path));
        }
    }
    for client in &world.clients {
        let ClientConfig::Wireguard(config) = client.config else { continue };
        let path = format!("{}.interfaceListenPort", client.source);
        if let Some(port) = config.interface_listen_port.filter(|port| *port != 0) {
            found.push(listener("udp", Some(port), 0, "a WireGuard client", path));
        }
    }
    found
}

/// The management services that are on. Where they are when nothing is said is not known here, but usual.
fn services(state: &StarState) -> Vec<Listener> {
    let mut found = Vec::new();
    let Some(extra) = &state.extra else { return found };
    let servers = state.lan.as_ref().and_then(|lan| lan.vpn_server.as_ref());
    let has_ssh = servers.and_then(|servers| servers.ssh_server.as_ref()).is_some_and(|it| it.enabled);
    let has_proxy = servers.and_then(|servers| servers.http_proxy_server.as_ref()).is_some_and(|it| it.enabled);
    if let Some(config) = &extra.service_config {
        let services = &config.services;
        let named = [
            ("api", 8728, &services.api),
            ("apiSsl", 8729, &services.api_ssl),
            ("ftp", 21, &services.ftp),
            // The SSH server for users is the same service.
            ("ssh", 22, if has_ssh { &None } else { &services.ssh }),
            ("telnet", 23, &services.telnet),
            ("winbox", 8291, &services.winbox),
            ("web", 80, &services.web),
            ("webSsl", 443, &services.web_ssl),
        ];
        for (key, usual, service) in named {
            let service = service.as_ref().filter(|service| is_on(service));
            let path = format!("$.extra.serviceConfig.services.{key}.port");
            found.extend(
                service.map(|service| listener("tcp", service.port, usual, &format!("the service {key}"), path)),
            );
        }
    }
    let useful = extra.useful_services.as_ref();
    if useful.is_some_and(|useful| useful.proxy_enabled == Some(true)) && !has_proxy {
        let path = "$.extra.usefulServices.proxyEnabled".to_owned();
        found.push(listener("tcp", None, 8080, "the web proxy", path));
    }
    // What is no port is reported where it is used.
    found.retain(|listener| form::is_port(listener.port));
    found
}

fn is_on(service: &ServicePort) -> bool {
    match service.kind.trim().to_ascii_lowercase().as_str() {
        "" => service.enabled == Some(true),
        kind => kind != "disable",
    }
}

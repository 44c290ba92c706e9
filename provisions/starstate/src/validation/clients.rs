//! VPN clients: whom they call, by what they prove who they are, and through which link.

use ipnet::IpNet;
use routeros_schema::value::parse_key;

use crate::compile::{Client, ClientConfig, World};
use crate::form;
use crate::issue::Issue;
use crate::state::{Hidden, Ikev2Client, L2tpClient, WanLinkGroup, WanType, WireguardClient};

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    for client in &world.clients {
        server(client, issues);
        link(world, client, issues);
        match client.config {
            ClientConfig::Wireguard(config) => wireguard(client, config, issues),
            ClientConfig::L2tp(config) => l2tp(client, config, issues),
            ClientConfig::Ikev2(config) => ikev2(client, config, issues),
            ClientConfig::OpenVpn(_) | ClientConfig::Pptp(_) | ClientConfig::Sstp(_) => {}
        }
    }
}

/// The other end.
fn server(client: &Client<'_>, issues: &mut Vec<Issue>) {
    let server_port = |server: &crate::state::Server| server.port.filter(|port| *port != 0);
    let (host, port, number) = match client.config {
        ClientConfig::Wireguard(config) => {
            let number = config.peer_endpoint_port;
            if number.unwrap_or_default() == 0 {
                issues.push(Issue::error(format!("{}.peerEndpointPort", client.source), "is needed"));
            }
            ("peerEndpointAddress", "peerEndpointPort", number.filter(|port| *port != 0))
        }
        ClientConfig::OpenVpn(config) => ("server.address", "server.port", server_port(&config.server)),
        ClientConfig::Pptp(_) => ("connectTo.address", "connectTo.port", None),
        ClientConfig::L2tp(config) => ("server.address", "server.port", server_port(&config.server)),
        ClientConfig::Sstp(config) => ("server.address", "server.port", server_port(&config.server)),
        ClientConfig::Ikev2(config) => {
            let number = config.server.as_ref().and_then(server_port);
            match config.port.filter(|port| *port != 0) {
                Some(port) => ("serverAddress", "port", Some(port)),
                None => ("serverAddress", "server.port", number),
            }
        }
    };
    if client.host.is_empty() {
        issues.push(Issue::error(format!("{}.{host}", client.source), "is needed: whom to call"));
    } else if !form::is_host(client.host) {
        let message = format!("{:?} is neither a host name nor an address", client.host);
        issues.push(Issue::error(format!("{}.{host}", client.source), message));
    }
    if let Some(number) = number.filter(|number| !form::is_port(*number)) {
        issues.push(Issue::error(format!("{}.{port}", client.source), format!("{number} is no port")));
    }
}

/// The link, or other tunnel, that it leaves through.
fn link(world: &World<'_>, client: &Client<'_>, issues: &mut Vec<Issue>) {
    let Some(wanted) = &client.base.wan_interface else { return };
    let links = &world.state.wan.wan_link;
    let has_link = |group: &Option<WanLinkGroup>| {
        group.as_ref().is_some_and(|group| group.wan_configs.iter().any(|link| link.name == wanted.wan_name))
    };
    let is_there = match wanted.wan_type {
        // Also a link that cannot be made is one.
        WanType::Domestic => has_link(&links.domestic),
        WanType::Foreign => has_link(&links.foreign),
        WanType::Vpn => {
            wanted.wan_name != client.base.name && world.clients.iter().any(|it| it.base.name == wanted.wan_name)
        }
    };
    if !is_there {
        let message = format!("there is no {} link {:?}", wanted.wan_type.word(), wanted.wan_name);
        issues.push(Issue::error(format!("{}.wanInterface.wanName", client.source), message));
    }
}

fn wireguard(client: &Client<'_>, config: &WireguardClient, issues: &mut Vec<Issue>) {
    let at = |key: &str| format!("{}.{key}", client.source);
    key(&at("interfacePrivateKey"), config.interface_private_key.reveal(), issues);
    key(&at("peerPublicKey"), config.peer_public_key.trim(), issues);
    if !config.peer_preshared_key.is_empty() {
        key(&at("peerPresharedKey"), config.peer_preshared_key.reveal(), issues);
    }
    let addresses: Vec<&str> = form::items(&config.interface_address).collect();
    if addresses.is_empty() {
        issues.push(Issue::error(at("interfaceAddress"), "is needed: the address inside the tunnel"));
    }
    for address in addresses.into_iter().filter(|address| address.parse::<IpNet>().is_err()) {
        let message = format!("{address:?} is no address with a prefix length such as 10.66.0.2/32");
        issues.push(Issue::error(at("interfaceAddress"), message));
    }
    let allowed: Vec<&str> = form::items(&config.peer_allowed_ips).collect();
    if allowed.is_empty() {
        issues.push(Issue::error(at("peerAllowedIps"), "is needed: what goes through the tunnel, such as 0.0.0.0/0"));
    }
    let is_network = |item: &str| item.parse::<IpNet>().is_ok() || item.parse::<std::net::IpAddr>().is_ok();
    for item in allowed.into_iter().filter(|item| !is_network(item)) {
        issues.push(Issue::error(at("peerAllowedIps"), format!("{item:?} is no network such as 0.0.0.0/0")));
    }
    if let Some(port) = config.interface_listen_port.filter(|port| *port != 0 && !form::is_port(*port)) {
        issues.push(Issue::error(at("interfaceListenPort"), format!("{port} is no port")));
    }
}

/// A key of WireGuard, which is not shown.
pub(super) fn key(path: &str, key: &str, issues: &mut Vec<Issue>) {
    if key.is_empty() {
        issues.push(Issue::error(path, "is needed: a key of WireGuard"));
    } else if parse_key(key.trim()).is_none() {
        issues.push(Issue::error(path, "is no key of WireGuard: 32 bytes in base64"));
    }
}

fn l2tp(client: &Client<'_>, config: &L2tpClient, issues: &mut Vec<Issue>) {
    if config.use_ipsec == Some(true) && config.ipsec_secret.is_empty() {
        issues.push(Issue::error(format!("{}.ipsecSecret", client.source), "is needed for IPsec"));
    }
}

fn ikev2(client: &Client<'_>, config: &Ikev2Client, issues: &mut Vec<Issue>) {
    let credentials = config.credentials.as_ref();
    let has_password = credentials.is_some_and(|login| !login.password.is_empty());
    let has_user = credentials.is_some_and(|login| !login.username.trim().is_empty());
    let is_set = |secret: &Hidden| !secret.is_empty();
    let certificates = [&config.client_certificate_name, &config.certificate];
    let (key, message) = match config.auth_method.trim().to_ascii_lowercase().as_str() {
        "" | "psk" | "pre-shared-key" if !is_set(&config.preshared_key) && !has_password => {
            ("presharedKey", "is needed: the secret of both ends")
        }
        "digital-signature" | "rsa-signature" | "rsa" | "dss" | "ecdsa"
            if certificates.iter().all(|name| name.trim().is_empty()) =>
        {
            ("clientCertificateName", "is needed: the certificate by which the router proves who it is")
        }
        "eap" if !has_user => ("credentials.username", "is needed: the login for EAP"),
        "eap" if !has_password => ("credentials.password", "is needed: the login for EAP"),
        _ => return,
    };
    issues.push(Issue::error(format!("{}.{key}", client.source), message));
}

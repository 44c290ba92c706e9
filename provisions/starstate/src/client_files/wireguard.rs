//! A `.conf` for each peer of a WireGuard server.

use super::{Files, PLAIN, Source, text};
use crate::compile::servers::callers;
use crate::decompose::Resource;
use crate::form::with_port;
use crate::state::{WireguardPeer, WireguardServer};

/// How its `.conf` calls what it leaves to the owner of the device.
const PRIVATE_KEY: &str = "<PRIVATE KEY OF THIS DEVICE>";

pub(super) fn files(source: &Source<'_>, resource: &Resource<'_>, server: &WireguardServer, files: &mut Files) {
    for (number, peer) in server.peers.iter().enumerate() {
        if peer.client.as_ref().is_some_and(|client| client.enabled == Some(false)) {
            continue;
        }
        let named = peer.client.as_ref().map(|client| client.name.trim()).filter(|name| !name.is_empty());
        let named = named.or(Some(peer.comment.trim()).filter(|comment| !comment.is_empty()));
        let name = named.map_or_else(|| format!("peer{}", number + 1), str::to_owned);
        let content = configuration(source, resource, server, peer, &name);
        let name = format!("wireguard-{}-{name}.conf", server.name);
        files.push(&name, PLAIN, content, !peer.preshared_key.is_empty());
    }
}

fn configuration(
    source: &Source<'_>,
    resource: &Resource<'_>,
    server: &WireguardServer,
    peer: &WireguardPeer,
    name: &str,
) -> String {
    let own = &server.interface;
    let client = peer.client.as_ref();
    let router = callers::wireguard_address(source.world.state, resource, server).ok();
    let mut lines = vec![
        format!("# {}: {}", text::line(&server.name), text::line(name)),
        "[Interface]".to_owned(),
        format!("# The private key that belongs to the public key {}", text::key(&peer.public_key).unwrap_or("")),
        format!("PrivateKey = {PRIVATE_KEY}"),
    ];
    let mut put = |name: &str, value: Option<String>| lines.extend(value.map(|value| format!("{name} = {value}")));
    let address = said(client.map(|client| &client.address)).unwrap_or(&peer.allowed_ips);
    put("Address", Some(text::addresses(address).unwrap_or("<ADDRESS OF THIS DEVICE>").to_owned()));
    let dns = said(client.map(|client| &client.dns)).or(said(Some(&own.dns)));
    let dns = dns.and_then(text::resolvers).map(str::to_owned);
    put("DNS", dns.or_else(|| router.map(|router| router.addr().to_string())));
    let port = client.and_then(|client| client.listen_port).filter(|port| *port > 0);
    put("ListenPort", port.map(|port| port.to_string()));
    put("MTU", own.mtu.map(|mtu| mtu.to_string()));
    lines.extend([String::new(), "[Peer]".to_owned()]);
    let mut put = |name: &str, value: Option<String>| lines.extend(value.map(|value| format!("{name} = {value}")));
    let public = source.value(&format!("{}/interface", resource.full_name()), "public-key").and_then(text::key);
    put("PublicKey", Some(public.unwrap_or("<PUBLIC KEY OF THE ROUTER>").to_owned()));
    put("PresharedKey", text::key(peer.preshared_key.reveal()).map(str::to_owned));
    put("AllowedIPs", Some("0.0.0.0/0".to_owned()));
    put("Endpoint", Some(endpoint(source, server, said(client.map(|client| &client.endpoint)))));
    let keepalive = client.and_then(|client| client.keepalive).or(peer.persistent_keepalive);
    put("PersistentKeepalive", keepalive.filter(|seconds| *seconds > 0).map(|seconds| seconds.to_string()));
    lines.join("\n") + "\n"
}

/// A text of the document, unless it is empty.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Where the router is called: as the document says, or under its own address.
fn endpoint(source: &Source<'_>, server: &WireguardServer, said: Option<&str>) -> String {
    let port = server.interface.listen_port.map_or_else(|| "<PORT>".to_owned(), |port| port.to_string());
    let Some(said) = said else { return with_port(&source.router, port) };
    let bracketed = said.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, own_port) = match bracketed {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match said.split_once(':') {
            // Several colons are an address of IPv6.
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (said, None),
        },
    };
    let own_port = own_port.and_then(|port| port.parse::<u16>().ok());
    let host = text::host(host).unwrap_or(&source.router);
    with_port(host, own_port.map_or(port, |port| port.to_string()))
}

//! WireGuard servers, and Back to Home, which is one more.

use super::{callers, common};
use crate::compile::{Builder, spelling};
use crate::decompose::Resource;
use crate::issue::Issue;
use crate::state::{BackToHomeServer, WireguardPeer, WireguardServer};

/// The release from which peers that only answer are marked by another argument.
const RESPONDER: (u16, u16) = (7, 17);

/// A server with its peers.
pub(super) fn server(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &WireguardServer) {
    let target = common::target(builder, resource);
    let name = format!("wireguard-server-{}", server.name);
    let port = common::number(builder, "interface.listenPort", server.interface.listen_port, common::PORTS);
    if server.interface.listen_port.is_none() {
        let path = format!("{}.interface.listenPort", resource.source);
        builder.report(Issue::error(path, "is needed: those who call must know it"));
    }
    let interface = builder.add("interface", "/interface/wireguard", &["name"]);
    interface
        .arg("name", &*name)
        .secret("private-key", &server.interface.private_key)
        .some("listen-port", port)
        .some("mtu", server.interface.mtu)
        .read_back("public-key")
        .done();
    match callers::wireguard_address(builder.world.state, resource, server) {
        Ok(address) => {
            let row = builder.add("address", "/ip/address", &["address", "interface"]);
            row.arg("address", address.to_string()).arg("interface", &*name).done();
            common::join_addresses(builder, &address.trunc().to_string(), &target);
        }
        Err(issue) => builder.report(issue),
    }
    for (number, found) in server.peers.iter().enumerate() {
        peer(builder, &name, number, found);
    }
    common::join(builder, &name, &target);
    if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
        common::open(builder, &[("udp", Some(port))]);
    }
}

fn peer(builder: &mut Builder<'_>, interface: &str, number: usize, peer: &WireguardPeer) {
    let field = |name: &str| format!("peers[{number}].{name}");
    let keepalive = common::number(builder, &field("persistentKeepalive"), peer.persistent_keepalive, 0..=65_535);
    let endpoint = peer.endpoint.as_ref().filter(|endpoint| !endpoint.address.trim().is_empty());
    let port = endpoint.and_then(|endpoint| endpoint.port).filter(|port| *port != 0);
    let port = common::number(builder, &field("endpoint.port"), port, common::PORTS);
    let release = builder.facts.release;
    let responder = if (release.major, release.minor) >= RESPONDER { "responder" } else { "is-responder" };
    let source = format!("{}.peers[{number}]", builder.source());
    let row = builder.add(&format!("peer-{number}"), "/interface/wireguard/peers", &["interface", "public-key"]);
    row.arg("interface", interface)
        .arg("public-key", peer.public_key.trim())
        .arg("allowed-address", peer.allowed_ips.trim())
        .secret("preshared-key", &peer.preshared_key)
        .some("persistent-keepalive", keepalive.map(|seconds| spelling::seconds(seconds.unsigned_abs())))
        .some("endpoint-address", endpoint.map(|endpoint| endpoint.address.trim()))
        .some("endpoint-port", port)
        .some_flag(responder, peer.responder)
        .label(peer.comment.trim())
        .source(source)
        .done();
}

/// A network of its own, whose traffic leaves with the router's address.
pub(super) fn back_to_home(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &BackToHomeServer) {
    const NAME: &str = "bth-server";
    const PORT: u16 = callers::usual_port::BACK_TO_HOME;
    let target = common::target(builder, resource);
    let path = format!("{}.clientSubnet", resource.source);
    let address = match callers::back_to_home_address(&server.client_subnet, &path) {
        Ok(address) => address,
        Err(issue) => return builder.report(issue),
    };
    let subnet = address.trunc().to_string();
    let interface = builder.add("interface", "/interface/wireguard", &["name"]);
    interface.arg("name", NAME).arg("listen-port", PORT.to_string()).read_back("public-key").done();
    let row = builder.add("address", "/ip/address", &["address", "interface"]);
    row.arg("address", address.to_string()).arg("interface", NAME).done();
    let rule = builder.add("masquerade", "/ip/firewall/nat", &[]);
    rule.arg("action", "masquerade").arg("chain", "srcnat").arg("src-address", &*subnet).done();
    common::join(builder, NAME, &target);
    common::join_addresses(builder, &subnet, &target);
    common::open(builder, &[("udp", Some(PORT))]);
}

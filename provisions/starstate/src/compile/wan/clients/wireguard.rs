//! WireGuard: an interface with one peer.

use ipnet::IpNet;

use super::number;
use crate::compile::{Builder, Client};
use crate::form;
use crate::issue::Issue;
use crate::state::WireguardClient;

/// Seconds from one sign of life to the next, unless the document says otherwise.
const KEEPALIVE: i64 = 25;

pub(super) fn client(builder: &mut Builder<'_>, client: &Client<'_>, config: &WireguardClient) {
    let interface = builder.add("interface", "/interface/wireguard", &["name"]).arg("name", &*client.interface);
    interface
        .secret("private-key", &config.interface_private_key)
        .some("listen-port", number(config.interface_listen_port))
        .some("mtu", number(config.interface_mtu))
        .flag("disabled", false)
        .read_back("public-key")
        .done();
    let peer = builder.add("peer", "/interface/wireguard/peers", &["interface", "public-key"]);
    peer.arg("interface", &*client.interface)
        .text("public-key", config.peer_public_key.trim())
        .text("endpoint-address", client.host)
        .some("endpoint-port", number(config.peer_endpoint_port))
        .text("allowed-address", &form::items(&config.peer_allowed_ips).collect::<Vec<_>>().join(","))
        .secret("preshared-key", &config.peer_preshared_key)
        .arg("persistent-keepalive", format!("{}s", config.peer_persistent_keepalive.unwrap_or(KEEPALIVE)))
        .done();
    addresses(builder, client, config);
}

/// The addresses inside the tunnel, as they are given.
fn addresses(builder: &mut Builder<'_>, client: &Client<'_>, config: &WireguardClient) {
    let path = format!("{}.interfaceAddress", client.source);
    let mut texts = form::items(&config.interface_address).peekable();
    if texts.peek().is_none() {
        builder.report(Issue::error(&*path, "is needed: the address inside the tunnel"));
    }
    for text in texts {
        match text.parse::<IpNet>() {
            Ok(IpNet::V4(_)) => {
                let row = builder.add("address", "/ip/address", &["address", "interface"]);
                row.arg("address", text).arg("interface", &*client.interface).done();
            }
            Ok(IpNet::V6(_)) => {
                builder.report(Issue::warning(&*path, format!("{text} is left out: only IPv4 is routed")));
            }
            Err(_) => {
                builder.report(Issue::error(&*path, format!("{text:?} is no address such as 10.66.0.2/32")));
            }
        }
    }
}

//! Uplinks, how they share the traffic, tunnels, and the routes through all of them.

mod applied;
mod clients;
mod links;
mod sharing;

use serde_json::{Value as Json, json};

use super::compiled;
use starstate::compile::Compiled;

/// A document with these uplinks alone.
fn with_links(domestic: Json, foreign: Json) -> Compiled {
    compiled(&json!({ "wan": { "wanLink": { "domestic": domestic, "foreign": foreign } } }))
}

/// Uplinks of a group, each by its name, its port and its connection; the first is preferred.
fn group(links: &[(&str, &str, Json)], sharing: Json) -> Json {
    let configs: Vec<Json> = links
        .iter()
        .zip(1..)
        .map(|((name, port, connection), priority)| {
            let port = json!({ "interfaceName": port });
            json!({ "name": name, "interfaceConfig": port, "connectionConfig": connection, "priority": priority })
        })
        .collect();
    json!({ "wanConfigs": configs, "multiLinkConfig": sharing })
}

fn dhcp() -> Json {
    json!({ "isDhcp": true })
}

fn pppoe() -> Json {
    json!({ "pppoe": { "username": "u", "password": "Fixture-p" } })
}

fn fixed(address: &str, gateway: &str) -> Json {
    json!({ "static": { "ipAddress": address, "subnet": "24", "gateway": gateway } })
}

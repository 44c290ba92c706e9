//! What a session tells of a router's uplinks and tunnels.

use serde_json::{Value as Json, json};
use starstate::documents::Documents;
use starstate::ledger::Kept;
use starstate::orchestrator::Generated;
use starstate::session::Compile;

use crate::texts::documents;

/// What is told of a document, without its type, which is in front.
fn told(name: &str, generated: &[Generated]) -> Vec<(String, Json)> {
    let (_, text) = documents().into_iter().find(|(document, _)| document.starts_with(name)).unwrap();
    let document: Json = serde_json::from_str(&text).unwrap();
    let told = Documents.connections(&document, generated, 7);
    told.into_iter()
        .map(|kind| {
            let mut json = serde_json::to_value(kind).unwrap();
            let kind = json.as_object_mut().unwrap().remove("type").unwrap();
            (kind.as_str().unwrap().to_owned(), json)
        })
        .collect()
}

fn link(resource: &str, interface: &str, connection: &str, wan: &str) -> (String, Json) {
    let json = json!({ "resourceId": resource, "interfaceName": interface, "connectionType": connection, "wanType": wan,
        "appliedAt": 7 });
    ("wan.link.applied".to_owned(), json)
}

#[test]
fn uplinks_and_wireguard_clients_are_told() {
    let key = Generated {
        step: "vpn.wireguard.client/HQ/interface".into(),
        resource: "vpn.wireguard.client".into(),
        name: "public-key".into(),
        value: Kept::plain("RnvAS7jxiNfjuNMl5zM2gBqEsG4lcl50y6FQllMzEjY="),
    };
    let mut wireguard = json!({ "resourceId": "vpn.wireguard.client/HQ", "interfaceName": "wireguard-client-HQ",
        "peerEndpoint": "vpn.hq.example.com:51820", "wanType": "Foreign" });
    let links = [
        link("wan.link.domestic/Line", "pppoe-client-Line", "pppoe", "Domestic"),
        link("wan.link.foreign/Leased", "MacVLAN-VLAN110-sfp-sfpplus1-Leased-Leased", "static", "Foreign"),
    ];
    let of_key = |generated: &[Generated]| {
        let told = told("03", generated);
        assert_eq!(told[..2], links);
        assert_eq!((told.len(), &*told[2].0), (3, "vpn.wireguard.client.applied"));
        told[2].1.clone()
    };
    assert_eq!(of_key(&[]), wireguard);
    wireguard["publicKey"] = "RnvAS7jxiNfjuNMl5zM2gBqEsG4lcl50y6FQllMzEjY=".into();
    assert_eq!(of_key(&[key]), wireguard);
    assert_eq!(told("02", &[]), [link("wan.link.foreign/Cell", "lte1", "lte", "Foreign")]);
}

#[test]
fn tunnels_between_sites_are_told() {
    let tunnels: Vec<Json> =
        told("08", &[]).into_iter().filter(|(kind, _)| kind == "tunnel.applied").map(|(_, json)| json).collect();
    let (_, text) = documents().into_iter().find(|(document, _)| document.starts_with("08")).unwrap();
    let document: Json = serde_json::from_str(&text).unwrap();
    let expected: Vec<Json> = ["ipip", "eoip", "gre", "vxlan"]
        .into_iter()
        .map(|kind| {
            let tunnel = &document["lan"]["tunnel"][kind][0];
            json!({
                "resourceId": format!("tunnel.{kind}/{}", tunnel["name"].as_str().unwrap()),
                "tunnelType": kind,
                "interfaceName": tunnel["name"],
                "localAddress": tunnel["localAddress"],
                "remoteAddress": tunnel["remoteAddress"],
                "appliedAt": 7,
            })
        })
        .collect();
    assert_eq!(tunnels, expected);
}

#[test]
fn a_slave_has_no_uplinks() {
    let (_, text) = documents().into_iter().find(|(document, _)| document.starts_with("06")).unwrap();
    let mut document: Json = serde_json::from_str(&text).unwrap();
    assert!(!Documents.connections(&document, &[], 7).is_empty());
    document["choose"]["router"] = 1.into();
    assert_eq!(Documents.connections(&document, &[], 7), []);
}

//! What is behind the router, on a simulated one.

use serde_json::{Value as Json, json};
use starstate::compile::Facts;
use starstate::role::Role;

use super::kit::{Attempt, assert_same, configuration, reach, start};
use super::{assert_no_errors, compiled_for, lan};

/// Everything that is behind a router.
fn document(trunk: &str, ports: [&str; 2]) -> Json {
    let wireless = |ssid: &str, target: &str, name: &str| json!({"ssid": ssid, "password": "a-good-password", "splitBand": true, "wifiTarget": target, "networkName": name});
    let tunnel = |name: &str, more: Json| {
        let mut tunnel = json!({
            "name": name, "remoteAddress": "203.0.113.9", "networkType": "VPN", "comment": "to the cabin",
            "keepAlive": 10, "dscp": "inherit", "arp": "proxy-arp", "loopProtect": "on",
        });
        tunnel.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([tunnel])
    };
    json!({
        "choose": {"routerMode": "Trunk Mode", "trunkInterfaceType": trunk, "routerModels": [
            {"isMaster": true, "masterSlaveInterface": ports[0]},
            {"isMaster": false, "masterSlaveInterface": ports[1]},
        ]},
        "lan": {
            "wireless": [
                wireless("Home \"5\"", "Split", ""),
                wireless("Guests; $x", "SingleForeign", "Guest"),
                wireless("Far", "VPN", ""),
            ],
            "interface": [
                {"name": "ether3", "bridge": "Split"},
                {"name": "ether4", "bridge": "Guest"},
                {"name": "ether5", "bridge": "bridge"},
            ],
            "tunnel": {
                "ipip": tunnel("ipip-1", json!({"ipsecSecret": "between sites", "dontFragment": "inherit"})),
                "gre": tunnel("gre-1", json!({"localAddress": "192.168.190.2", "clampTcpMss": true, "enabled": false})),
                "eoip": tunnel("eoip-1", json!({"tunnelId": 77, "mtu": 1458, "arpTimeout": 90, "loopProtectSendInterval": 7})),
                "vxlan": tunnel("vxlan-1", json!({"vni": 100, "port": 8472, "bridge": "Foreign", "ttl": 32, "hw": false})),
            },
            "subnets": {
                "baseSubnets": lan::subnets(),
                "foreignSubnets": [{"name": "Guest", "subnet": "192.168.31.0/30"}],
                "vpnClientSubnets": {"wireguard": [{"name": "exit", "subnet": "192.168.41.0/24"}]},
                "tunnelSubnets": {
                    "ipip": [{"name": "ipip-1", "subnet": "192.168.170.0/30"}],
                    "eoip": [{"name": "eoip-1", "subnet": "192.168.180.0/30"}],
                    "gre": [{"name": "gre-1", "subnet": "192.168.190.0/30"}],
                    "vxlan": [{"name": "vxlan-1", "subnet": "192.168.210.0/30"}],
                },
            },
        },
    })
}

#[tokio::test]
async fn what_is_behind_a_router_is_applied_kept_and_taken_back() {
    for (trunk, ports, role) in [
        ("wired", ["ether2", "ether2"], Role::Master),
        ("wired", ["ether2", "ether2"], Role::Slave(1)),
        ("wireless", ["wifi5", "wifi5"], Role::Master),
        ("wireless", ["wifi5", "wifi5"], Role::Slave(1)),
    ] {
        applies_and_is_taken_back(&document(trunk, ports), role, &format!("{trunk} {role:?}")).await;
    }
}

async fn applies_and_is_taken_back(document: &Json, role: Role, context: &str) {
    let router = start().await;
    let port = reach(&router);
    let before = configuration(&router);
    let compiled = compiled_for(document, role, &Facts::read(&port).await.unwrap());
    assert_no_errors(&compiled);
    let attempt = Attempt::new(&port, compiled.steps);
    let applied = attempt.apply().await.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(applied.warnings, [], "{context}");
    let plan = attempt.plan().await;
    assert!(plan.is_empty(), "{context}: {plan}");
    assert_eq!(attempt.roll_back().await.errors, [], "{context}");
    assert_same(&configuration(&router), &before, context);
}

//! The documents of `documents/`, read.

mod texts;

use starstate::issue::Severity;
use starstate::role::Role;
use starstate::state::{self, Secrets};

#[test]
fn every_document_is_read_without_mistakes() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        let errors: Vec<_> = document.issues.iter().filter(|issue| issue.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn no_field_of_a_document_is_unknown() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        let unknown: Vec<_> = document.issues.iter().filter(|issue| issue.message.contains("no such field")).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        let written = document.state.to_json(Secrets::Shown);
        let again = state::read(&written);
        assert_eq!(again.state, document.state, "{name}");
        assert_eq!(again.state.to_json(Secrets::Shown), written, "{name}");
    }
}

#[test]
fn a_masked_document_has_no_secret() {
    for (name, text) in texts::documents() {
        let document = state::parse(&text).unwrap();
        for text in [document.state.to_json(Secrets::Masked).to_string(), format!("{document:?}")] {
            for secret in texts::SECRETS {
                assert!(!text.contains(secret), "{name}: {secret}");
            }
        }
    }
}

#[test]
fn the_smallest_document_is_one_link_besides_what_every_router_gets() {
    let text = texts::documents().into_iter().find(|(name, _)| name == "09-minimal").unwrap().1;
    let document = state::parse(&text).unwrap();
    let resources: Vec<(String, String, String)> = starstate::decompose::decompose(&document.state, Role::Master)
        .into_iter()
        .map(|resource| (resource.resource_type, resource.name, resource.source))
        .collect();
    let expected = [
        ("system.baseconfig", "", "$"),
        ("system.security", "", "$"),
        ("wan.link.foreign", "Up", "$.wan.wanLink.foreign.wanConfigs[0]"),
    ];
    assert_eq!(resources, expected.map(|(kind, name, source)| (kind.to_owned(), name.to_owned(), source.to_owned())));
}

#[test]
fn resources_come_in_a_fixed_order_and_have_distinct_names() {
    let text = texts::documents().into_iter().find(|(name, _)| name == "08-everything-on").unwrap().1;
    let document = state::parse(&text).unwrap();
    let resources = starstate::decompose::decompose(&document.state, Role::Master);
    let mut kinds: Vec<&str> = resources.iter().map(|resource| resource.resource_type.as_str()).collect();
    let mut names: Vec<(&str, &str)> =
        resources.iter().map(|resource| (resource.resource_type.as_str(), resource.name.as_str())).collect();
    kinds.dedup();
    let expected = "system.baseconfig system.security lan.network.split lan.network.domestic lan.network.foreign lan.network.vpn \
        lan.network.foreign lan.network.domestic lan.network.vpn wan.link.domestic wan.multilink.domestic wan.link.foreign \
        wan.multilink.foreign system.dns vpn.wireguard.client vpn.openvpn.client vpn.pptp.client vpn.l2tp.client vpn.sstp.client \
        vpn.ikev2.client wan.multilink.vpn vpn.wireguard.server vpn.pptp.server vpn.l2tp.server vpn.sstp.server \
        vpn.openvpn.server vpn.ikev2.server vpn.socks5.server vpn.ssh.server vpn.httpproxy.server vpn.backtohome.server \
        vpn.zerotier.server tunnel.ipip tunnel.eoip tunnel.gre tunnel.vxlan system.wireless.0 system.wireless.1 \
        lan.interface.0 lan.interface.1 system.identity system.ntp system.services system.ddns system.upnp system.certificate \
        system.graphing system.natpmp system.usefulServices system.game.0 system.game.1 system.scheduler.timezone \
        system.scheduler.reboot system.scheduler.update system.domesticips";
    assert_eq!(kinds, expected.split_whitespace().collect::<Vec<_>>());
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_slave_gets_its_trunk_and_what_is_its_own() {
    let text = texts::documents().into_iter().find(|(name, _)| name == "06-trunk-master-and-slave").unwrap().1;
    let document = state::parse(&text).unwrap();
    let kinds = |role: Role| {
        let resources = starstate::decompose::decompose(&document.state, role).into_iter();
        resources.map(|resource| format!("{} {}", resource.resource_type, resource.source)).collect::<Vec<_>>()
    };
    let slave = kinds(Role::Slave(1));
    assert!(slave.contains(&"lan.trunk.slave $.choose.routerModels[1].masterSlaveInterface".to_owned()), "{slave:?}");
    let allowed = ["lan.trunk.slave", "lan.interface", "system."];
    assert!(slave.iter().all(|kind| allowed.iter().any(|allowed| kind.starts_with(allowed))), "{slave:?}");
    for master in ["system.baseconfig", "system.security", "system.dns"] {
        assert!(!slave.iter().any(|kind| kind.starts_with(master)), "{slave:?}");
    }
    let master = kinds(Role::Master);
    assert!(
        master.contains(&"lan.trunk.master $.choose.routerModels[0].masterSlaveInterface".to_owned()),
        "{master:?}"
    );
    assert!(!master.iter().any(|kind| kind.starts_with("lan.trunk.slave")), "{master:?}");
}

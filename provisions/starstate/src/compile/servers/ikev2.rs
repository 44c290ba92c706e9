//! The IKEv2 server: callers prove who they are by one secret for all, or by certificates.

use std::net::Ipv4Addr;

use super::{callers, certificates, common};
use crate::compile::{Builder, spelling};
use crate::decompose::Resource;
use crate::issue::Issue;
use crate::state::{Hidden, Ikev2Server};

/// In the names of its objects.
const BASE: &str = "ikev2-server";

/// How callers prove who they are.
enum Proof<'s> {
    Secret(&'s Hidden),
    Certificate(certificates::Usable),
}

/// The server.
pub(super) fn server(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &Ikev2Server) {
    let Some(proof) = proof(builder, server) else { return };
    let (pool, addresses) = match pool(builder, resource, server) {
        Some(found) => found,
        None => return,
    };
    let target = common::target(builder, resource);
    let profile = profile(builder, server);
    let proposal = proposal(builder, server);
    let group = format!("ike2-{}-server", label(server.ipsec_policy_group.as_ref().map(|group| group.name.as_str())));
    builder.add("group", "/ip/ipsec/policy/group", &["name"]).arg("name", &*group).done();
    let peer = format!("ike2-server-peer-{BASE}");
    let port = common::number(builder, "listenPort", server.listen_port.filter(|port| *port != 0), common::PORTS);
    let row = builder.add("peer", "/ip/ipsec/peer", &["name"]);
    row.arg("name", &*peer)
        .arg("address", "0.0.0.0/0")
        .flag("passive", true)
        .arg("profile", profile)
        .arg("exchange-mode", "ike2")
        .some("port", port)
        .done();
    let config = format!("ike2-server-modeconf-{BASE}");
    let dns = server.ip_pool.as_ref().map(|pool| pool.dns_server.trim()).unwrap_or_default();
    let row = builder.add("mode-config", "/ip/ipsec/mode-config", &["name"]);
    row.arg("name", &*config)
        .flag("responder", true)
        .arg("address-pool", pool)
        .arg("address-prefix-length", "32")
        .flag("system-dns", dns.is_empty())
        .text("static-dns", dns)
        .done();
    let row = builder.add("identity", "/ip/ipsec/identity", &["peer"]);
    let row = row
        .arg("peer", peer)
        .arg("mode-config", config)
        .arg("generate-policy", "port-strict")
        .arg("policy-template-group", &*group);
    match proof {
        Proof::Secret(secret) => row.arg("auth-method", "pre-shared-key").secret("secret", secret).done(),
        Proof::Certificate(certificate) => row
            .arg("auth-method", "digital-signature")
            .arg("certificate", certificate.name)
            .needs(certificate.signed)
            .done(),
    };
    let template = server.ipsec_policy_template.as_ref();
    let either = |text: Option<&String>| match text.map(|text| text.trim()) {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => "0.0.0.0/0".to_owned(),
    };
    let row = builder.add("policy", "/ip/ipsec/policy", &["group", "template"]);
    row.arg("group", group)
        .flag("template", true)
        .arg("src-address", either(template.map(|template| &template.source_subnet)))
        .arg("dst-address", either(template.map(|template| &template.dest_subnet)))
        .arg("protocol", "all")
        .arg("action", "encrypt")
        .arg("level", "require")
        .arg("ipsec-protocols", "esp")
        .arg("proposal", proposal)
        .done();
    common::join_addresses(builder, &addresses, &target);
    common::open(builder, &[("udp", Some(500)), ("udp", Some(4500)), ("ipsec-esp", None)]);
}

fn proof<'s>(builder: &mut Builder<'_>, server: &'s Ikev2Server) -> Option<Proof<'s>> {
    let identity = server.ipsec_identity.as_ref();
    let kind = identity.map(|identity| identity.kind.trim().to_ascii_lowercase()).unwrap_or_default();
    let at = |builder: &Builder<'_>, field: &str| format!("{}.{field}", builder.source());
    if let ("psk" | "pre-shared-key", Some(identity)) = (&*kind, identity) {
        if identity.content.is_empty() {
            let path = at(builder, "ipsecIdentity.content");
            builder.report(Issue::error(path, "is needed: the secret of those who call"));
            return None;
        }
        return Some(Proof::Secret(&identity.content));
    }
    if kind.contains("eap") {
        let path = at(builder, "ipsecIdentity.type");
        let message = "RouterOS needs a RADIUS server for EAP; callers prove who they are by certificates";
        builder.report(Issue::warning(path, message));
    }
    let named = server.certificate.as_ref().map(|certificate| certificate.name.trim()).unwrap_or_default();
    if kind.is_empty() && named.is_empty() {
        builder.error("nothing says how callers prove who they are: ipsecIdentity or certificate is needed");
        return None;
    }
    let certificate = certificates::for_server(builder, "certificate.name", named);
    certificates::for_clients(builder);
    Some(Proof::Certificate(certificate))
}

/// The pool of the callers, and its addresses.
fn pool(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &Ikev2Server) -> Option<(String, String)> {
    let said = server.ip_pool.as_ref();
    let name = match said.map(|pool| pool.name.trim()) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("{BASE}-pool"),
    };
    let ends = said.map(|pool| (pool.start_ip.trim(), pool.end_ip.trim())).unwrap_or_default();
    let (ranges, addresses) = if ends == ("", "") {
        let subnet = common::subnet(builder, resource)?;
        (common::pool_of(subnet), subnet.to_string())
    } else {
        let address = |text: &str| text.parse::<Ipv4Addr>().ok();
        let (Some(first), Some(last)) = (address(ends.0), address(ends.1)) else {
            let path = format!("{}.ipPool", resource.source);
            builder.report(Issue::error(path, "startIp and endIp must be addresses"));
            return None;
        };
        if first > last {
            let path = format!("{}.ipPool", resource.source);
            builder.report(Issue::error(path, format!("{first} comes after {last}")));
            return None;
        }
        let range = format!("{first}-{last}");
        // The whole network, when the pool is in one that the document names.
        let subnet = callers::said_subnet(builder.world.state, resource).unwrap_or_else(|issue| {
            builder.report(issue);
            None
        });
        let subnet = subnet.filter(|subnet| subnet.contains(&first) && subnet.contains(&last));
        (range.clone(), subnet.map_or(range, |subnet| subnet.to_string()))
    };
    builder.add("pool", "/ip/pool", &["name"]).arg("name", &*name).arg("ranges", ranges).done();
    Some((name, addresses))
}

/// Phase 1. Gives its name.
fn profile(builder: &mut Builder<'_>, server: &Ikev2Server) -> String {
    let own = server.ipsec_profile.as_ref();
    let name = format!("ike2-server-profile-{}", label(own.map(|own| own.name.as_str())));
    let lifetime = time(builder, "ikeLifetime", server.ike_lifetime, own.map(|own| &own.lifetime), 28_800);
    let dpd = time(builder, "dpdTimeout", server.dpd_timeout, own.map(|own| &own.dpd_interval), 30);
    let row = builder.add("profile", "/ip/ipsec/profile", &["name"]);
    row.arg("name", &*name)
        .flag("nat-traversal", own.and_then(|own| own.nat_traversal).unwrap_or(true))
        .arg("enc-algorithm", choose(own.map(|own| &own.enc_algorithm), &server.encryption_algorithm, "aes-256"))
        .arg("hash-algorithm", choose(own.map(|own| &own.hash_algorithm), &server.integrity_algorithm, "sha256"))
        .arg("dh-group", choose(own.map(|own| &own.dh_group), &server.dh_group_ike, "modp2048"))
        .arg("lifetime", lifetime)
        .arg("dpd-interval", dpd)
        .some("dpd-maximum-failures", own.and_then(|own| own.dpd_maximum_failures))
        .some("lifebytes", own.and_then(|own| own.lifebytes))
        .text("proposal-check", own.map(|own| own.proposal_check.trim()).unwrap_or_default())
        .done();
    name
}

/// Phase 2. Gives its name.
fn proposal(builder: &mut Builder<'_>, server: &Ikev2Server) -> String {
    let own = server.ipsec_proposal.as_ref();
    let name = format!("ike2-server-proposal-{}", label(own.map(|own| own.name.as_str())));
    let lifetime = time(builder, "childSaLifetime", server.child_sa_lifetime, None, 1_800);
    let ciphers = choose(own.map(|own| &own.encryption_algorithm), &server.encryption_algorithm, "aes-256");
    let group = own.map(|own| own.dh_group.trim()).filter(|group| !group.is_empty());
    let row = builder.add("proposal", "/ip/ipsec/proposal", &["name"]);
    row.arg("name", &*name)
        .arg("enc-algorithms", spelling::phase2_ciphers(&[ciphers]))
        .arg("auth-algorithms", choose(own.map(|own| &own.auth_algorithm), &server.integrity_algorithm, "sha256"))
        .arg("pfs-group", choose(None, group.unwrap_or(&server.dh_group_esp), "modp2048"))
        .arg("lifetime", lifetime)
        .done();
    name
}

fn label(name: Option<&str>) -> &str {
    name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(BASE)
}

/// The named part of the document wins over the single field, and that over what is usual.
fn choose(named: Option<&Vec<String>>, single: &str, usual: &str) -> String {
    let named = named.map(|words| spelling::words(words)).filter(|words| !words.is_empty());
    named.unwrap_or_else(|| match spelling::words(&[single.to_owned()]) {
        single if single.is_empty() => usual.to_owned(),
        single => single,
    })
}

fn time(builder: &mut Builder<'_>, field: &str, value: Option<i64>, text: Option<&String>, usual: u64) -> String {
    if let Some(text) = text.map(|text| text.trim()).filter(|text| !text.is_empty()) {
        return text.to_owned();
    }
    let value = common::number(builder, field, value.filter(|value| *value != 0), 1..=i64::from(u32::MAX));
    spelling::seconds(value.map_or(usual, i64::unsigned_abs))
}

//! IKEv2: parts of IPsec that make policies of their own; there is no interface, and no route.

use std::net::IpAddr;

use super::number;
use crate::compile::{Builder, Client, Draft, spelling};
use crate::issue::Issue;
use crate::state::Ikev2Client;

/// The port that is meant when none is said.
const PORT: i64 = 500;
/// Seconds that keys of phase 1 and 2 live, and from one sign of life to the next.
const LIFETIMES: [u64; 3] = [8 * 3600, 30 * 60, 30];

/// The names of a client's objects.
struct Names {
    group: String,
    profile: String,
    proposal: String,
    mode_config: String,
    peer: String,
}

pub(super) fn client(builder: &mut Builder<'_>, client: &Client<'_>, config: &Ikev2Client) {
    let behind = format!("VPN-{}", client.base.name);
    if builder.world.network(&behind).is_some() {
        let message = format!("no route leads through IKEv2: what the network {behind} sends is dropped");
        builder.warning(message);
    }
    let names = names(client, config);
    builder.add("group", "/ip/ipsec/policy/group", &["name"]).arg("name", &*names.group).done();
    proposals(builder, client, config, &names);
    let has_config = config.enable_mode_config != Some(false);
    if has_config {
        let row = builder.add("mode-config", "/ip/ipsec/mode-config", &["name"]);
        row.arg("name", &*names.mode_config)
            .flag("responder", false)
            .arg("src-address-list", or(&config.src_address_list, "VPN-LAN"))
            .text("connection-mark", config.connection_mark.trim())
            .done();
    }
    let port = number(config.port).or_else(|| number(config.server.as_ref().and_then(|server| server.port)));
    let row = builder.add("peer", "/ip/ipsec/peer", &["name"]);
    row.arg("name", &*names.peer)
        .text("address", client.host)
        .arg("profile", &*names.profile)
        .arg("exchange-mode", "ike2")
        .some("port", port.filter(|port| *port != PORT))
        .some_flag("send-initial-contact", config.send_initial_contact.or(config.initial_contact_enabled))
        .text("local-address", config.local_address.trim())
        .done();
    identity(builder, client, config, &names, has_config);
    let destination = or(&config.policy_dst_address, or(&config.allowed_subnet, "0.0.0.0/0"));
    let row = builder.add("policy", "/ip/ipsec/policy", &["group", "template"]);
    row.arg("group", &*names.group)
        .flag("template", true)
        .arg("src-address", or(&config.policy_src_address, "0.0.0.0/0"))
        .arg("dst-address", destination)
        .arg("proposal", &*names.proposal)
        .arg("action", or(&config.policy_action, "encrypt"))
        .arg("level", or(&config.policy_level, "require"))
        .done();
}

fn names(client: &Client<'_>, config: &Ikev2Client) -> Names {
    let name = &client.base.name;
    let named = |given: &str, usual: String| if given.trim().is_empty() { usual } else { given.trim().to_owned() };
    Names {
        group: named(&config.policy_group_name, format!("ike2-{name}-client")),
        profile: named(&config.profile_name, format!("ike2-profile-{name}")),
        proposal: named(&config.proposal_name, format!("ike2-proposal-{name}")),
        mode_config: named(&config.mode_config_name, format!("ike2-modeconf-{name}")),
        peer: named(&config.peer_name, format!("ike2-peer-{name}")),
    }
}

/// What both ends agree upon: phase 1 and phase 2.
fn proposals(builder: &mut Builder<'_>, client: &Client<'_>, config: &Ikev2Client, names: &Names) {
    let ciphers = choose(&config.enc_algorithm, &config.encryption_algorithm, "aes-256");
    let mut time = |field: &str, text: &str, number: Option<i64>, usual: u64| {
        if !text.trim().is_empty() {
            return text.trim().to_owned();
        }
        let seconds = number.filter(|number| *number != 0).map_or(Ok(usual), u64::try_from);
        spelling::seconds(seconds.unwrap_or_else(|_| {
            builder.report(Issue::error(format!("{}.{field}", client.source), "must not be negative"));
            usual
        }))
    };
    let [phase1, phase2, dpd] = LIFETIMES;
    let phase1 = time("lifetimeIke", &config.lifetime, config.lifetime_ike, phase1);
    let phase2 = time("lifetimeEsp", &config.proposal_lifetime, config.lifetime_esp, phase2);
    let dpd = time("dpdTimeout", &config.dpd_interval, config.dpd_timeout, dpd);
    let row = builder.add("profile", "/ip/ipsec/profile", &["name"]);
    row.arg("name", &*names.profile)
        .flag("nat-traversal", config.nat_traversal.unwrap_or(true))
        .arg("enc-algorithm", &*ciphers)
        .arg("hash-algorithm", choose(&config.hash_algorithm, &config.integrity_algorithm, "sha256"))
        .arg("dh-group", choose(&config.dh_group, &config.dh_group_ike, "modp2048"))
        .arg("lifetime", phase1)
        .arg("dpd-interval", dpd)
        .done();
    let group = [config.pfs_group.clone()];
    let row = builder.add("proposal", "/ip/ipsec/proposal", &["name"]);
    row.arg("name", &*names.proposal)
        .arg("enc-algorithms", spelling::phase2_ciphers(&[ciphers]))
        .arg("auth-algorithms", choose(&[], &config.integrity_algorithm, "sha256"))
        .arg("pfs-group", choose(&group, &config.dh_group_esp, "modp2048"))
        .arg("lifetime", phase2)
        .done();
}

/// By what the router proves who it is, and knows the other end.
fn identity(builder: &mut Builder<'_>, client: &Client<'_>, config: &Ikev2Client, names: &Names, has_config: bool) {
    let method = config.auth_method.trim().to_ascii_lowercase();
    if !matches!(
        &*method,
        "" | "psk" | "pre-shared-key" | "rsa" | "dss" | "ecdsa" | "digital-signature" | "rsa-signature" | "eap"
    ) {
        let path = format!("{}.authMethod", client.source);
        builder.report(Issue::error(path, format!("{method:?} is none of pre-shared-key, digital-signature, eap")));
        return;
    }
    let row = builder.add("identity", "/ip/ipsec/identity", &["peer"]).arg("peer", &*names.peer);
    let row = if has_config { row.arg("mode-config", &*names.mode_config) } else { row };
    let row = row
        .arg("generate-policy", or(&config.generate_policy, "port-strict"))
        .arg("policy-template-group", &*names.group)
        .text("my-id", &id_of(&config.my_id_type, or(&config.my_id, &config.local_identity)))
        .text("remote-id", &id_of(&config.remote_id_type, or(&config.remote_id, &config.remote_identity)));
    prove(row, config, &method).done();
}

fn prove<'b, 'a>(row: Draft<'b, 'a>, config: &Ikev2Client, method: &str) -> Draft<'b, 'a> {
    let credentials = config.credentials.as_ref();
    let authority = or(&config.ca_certificate_name, &config.certificate_authority);
    match method {
        "eap" => {
            let row = row.arg("auth-method", "eap").arg("eap-methods", choose(&config.eap_methods, "", "eap-mschapv2"));
            let row = row.text("remote-certificate", authority);
            match credentials {
                Some(login) => row.text("username", &login.username).secret("password", &login.password),
                None => row,
            }
        }
        "" | "psk" | "pre-shared-key" => {
            let password = credentials.map(|login| &login.password);
            let secret = Some(&config.preshared_key).filter(|secret| !secret.is_empty()).or(password);
            let row = row.arg("auth-method", "pre-shared-key");
            secret.into_iter().fold(row, |row, secret| row.secret("secret", secret))
        }
        _ => row
            .arg("auth-method", "digital-signature")
            .text("certificate", or(&config.client_certificate_name, &config.certificate))
            .text("remote-certificate", authority),
    }
}

/// `fqdn:vpn.example.net`: the kind of an id, which is found out when it is not said, and the id.
fn id_of(kind: &str, id: &str) -> String {
    const KINDS: [&str; 5] = ["fqdn", "user-fqdn", "key-id", "address", "dn"];
    let (kind, id) = (kind.trim(), id.trim());
    let has_kind = id.split_once(':').is_some_and(|(kind, _)| KINDS.contains(&kind));
    match kind {
        "" if id.is_empty() || has_kind => id.to_owned(),
        "" if id.parse::<IpAddr>().is_ok() => format!("address:{id}"),
        "" if id.contains('@') => format!("user-fqdn:{id}"),
        "" => format!("fqdn:{id}"),
        // `auto` and `ignore` stand alone.
        kind if id.is_empty() => kind.to_owned(),
        kind => format!("{kind}:{id}"),
    }
}

/// The list wins over the single word, and that over what is usual.
fn choose(list: &[String], single: &str, usual: &str) -> String {
    let found = [spelling::words(list), spelling::words(&[single.to_owned()]), usual.to_owned()];
    found.into_iter().find(|words| !words.is_empty()).unwrap_or_default()
}

fn or<'t>(text: &'t str, usual: &'t str) -> &'t str {
    if text.trim().is_empty() { usual.trim() } else { text.trim() }
}

//! What the servers of PPP have in common, and PPTP, L2TP and SSTP.

use super::callers::{self, usual_port};
use super::{certificates, common};
use crate::compile::{Builder, Draft, spelling};
use crate::decompose::{Content, Resource};
use crate::issue::Issue;
use crate::state::{L2tpServer, PptpServer, ServerBase, SstpServer};

/// A server of PPP.
pub(super) struct Server<'s> {
    /// As secrets call it.
    pub service: &'static str,
    /// As documents call it.
    pub kind: &'static str,
    /// Tells the objects of several servers apart; may be empty.
    pub name: &'s str,
    /// Its part of the document.
    pub base: &'s ServerBase,
    /// Whether what callers send is encrypted: a word of RouterOS.
    pub encryption: &'static str,
    /// A pool that the document names.
    pub pool: &'s str,
}

impl Server<'_> {
    fn named(&self, prefix: &str, suffix: &str) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!("-{}", self.name) };
        format!("{prefix}{}{suffix}{name}", self.service)
    }
}

/// Pool, profile and the addresses of the callers. Gives the profile.
pub(super) fn profile(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &Server<'_>) -> String {
    const BUILT_IN: [&str; 2] = ["default", "default-encryption"];
    let target = common::target(builder, resource);
    let chosen = server.base.default_profile.trim();
    let profile = if chosen.is_empty() { server.named("nnc-", "") } else { chosen.to_owned() };
    if BUILT_IN.contains(&&*profile) {
        let path = format!("{}.defaultProfile", resource.source);
        let message = format!("{profile} gives callers no addresses unless somebody has changed it");
        builder.report(Issue::warning(path, message));
        return profile;
    }
    let Some(subnet) = common::subnet(builder, resource) else { return profile };
    let router = callers::first_host(subnet).addr().to_string();
    let pool = if server.pool.is_empty() { server.named("", "-pool") } else { server.pool.to_owned() };
    let row = builder.add("pool", "/ip/pool", &["name"]).arg("name", &*pool).arg("ranges", common::pool_of(subnet));
    // What the document names may be there already, and is used as it is then.
    let row = if server.pool.is_empty() { row } else { row.initial("ranges") };
    row.done();
    let list = callers::lan_of(&target);
    builder.list(&list);
    let values = [
        ("local-address", &*router),
        ("remote-address", &*pool),
        ("dns-server", &*router),
        ("use-encryption", server.encryption),
        ("interface-list", &*list),
        ("address-list", &*list),
        ("use-ipv6", "no"),
        ("use-upnp", "yes"),
    ];
    if chosen.is_empty() || is_first_with_profile(builder, resource, chosen) {
        let mut row = builder.add("profile", "/ppp/profile", &["name"]).arg("name", &*profile);
        for (name, value) in values {
            row = row.arg(name, value);
            row = if chosen.is_empty() { row } else { row.initial(name) };
        }
        row.done();
    }
    common::join_addresses(builder, &subnet.to_string(), &target);
    profile
}

/// Of several servers with the same profile the first one says what is in it.
fn is_first_with_profile(builder: &Builder<'_>, resource: &Resource<'_>, profile: &str) -> bool {
    let base = |content| match content {
        Content::PptpServer(it) => Some(&it.base),
        Content::L2tpServer(it) => Some(&it.base),
        Content::SstpServer(it) => Some(&it.base),
        Content::OpenVpnServer(it) => Some(&it.base),
        _ => None,
    };
    let mut all = callers::resources(builder.world.state);
    let first = all.find(|other| base(other.content).is_some_and(|it| it.default_profile.trim() == profile));
    first.is_some_and(|first| first.source == resource.source)
}

/// A secret for each user of the server.
pub(super) fn secrets(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &Server<'_>, profile: &str) {
    let target = callers::target(builder.world, resource.content).ok();
    for user in common::users(builder, server.kind, true, target.as_deref()) {
        let row = builder.add(&format!("user-{}", user.username), "/ppp/secret", &["name", "service"]);
        row.arg("name", &*user.username)
            .arg("service", server.service)
            .secret("password", &user.password)
            .arg("profile", profile)
            .done();
    }
}

/// The settings that all servers have: profile, methods, limits.
pub(super) fn settings<'b, 'a>(draft: Draft<'b, 'a>, base: &ServerBase, profile: &str) -> Draft<'b, 'a> {
    draft
        .arg("default-profile", profile)
        .text("authentication", &spelling::ppp_methods(&base.authentication))
        .some("keepalive-timeout", base.keepalive_timeout)
        .some("max-mtu", base.max_mtu)
        .some("max-mru", base.max_mru)
        .text("mrru", base.mrru.trim())
}

/// Reports numbers that are none of a server's.
pub(super) fn check(builder: &mut Builder<'_>, base: &ServerBase) {
    common::number(builder, "keepaliveTimeout", base.keepalive_timeout, 1..=65_535);
}

/// The PPTP server.
pub(super) fn pptp(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &PptpServer) {
    let is_demanded = server.require_mppe == Some(true) || server.require_encryption == Some(true);
    let encryption = match server.encryption.trim().to_ascii_lowercase().as_str() {
        _ if is_demanded => "required",
        "" | "yes" | "true" | "default" | "optional" => "yes",
        "required" | "require" | "mppe" | "mppe40" | "mppe56" | "mppe128" => "required",
        "no" | "false" | "none" => "no",
        other => {
            let path = format!("{}.encryption", resource.source);
            builder.report(Issue::error(path, format!("{other:?} is none of required, yes, no")));
            "required"
        }
    };
    let of_ppp = Server { service: "pptp", kind: "PPTP", name: "", base: &server.base, encryption, pool: "" };
    check(builder, &server.base);
    let profile = profile(builder, resource, &of_ppp);
    secrets(builder, resource, &of_ppp, &profile);
    let settings_of = builder.set("server", "/interface/pptp-server/server").flag("enabled", true);
    settings(settings_of, &server.base, &profile).done();
    common::open(builder, &[("tcp", Some(1723)), ("gre", None)]);
}

/// The L2TP server.
pub(super) fn l2tp(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &L2tpServer) {
    let of_ppp = Server { service: "l2tp", kind: "L2TP", name: "", base: &server.base, encryption: "yes", pool: "" };
    check(builder, &server.base);
    let profile = profile(builder, resource, &of_ppp);
    secrets(builder, resource, &of_ppp, &profile);
    let use_ipsec = server.use_ipsec.trim().to_ascii_lowercase();
    let has_ipsec = !matches!(use_ipsec.as_str(), "" | "no");
    let v3 = server.l2tpv3.as_ref();
    let either = |own: &str, of_v3: Option<&String>| match own.trim() {
        "" => of_v3.map(|text| text.trim().to_owned()).unwrap_or_default(),
        own => own.to_owned(),
    };
    let cookie = server.cookie_length.or_else(|| v3.and_then(|v3| v3.cookie_length));
    let cookie = match cookie {
        None => None,
        Some(0) => Some("0"),
        Some(4) => Some("4-bytes"),
        Some(8) => Some("8-bytes"),
        Some(other) => {
            let path = format!("{}.cookieLength", resource.source);
            builder.report(Issue::error(path, format!("{other} is none of 0, 4, 8")));
            None
        }
    };
    let settings_of = builder.set("server", "/interface/l2tp-server/server").flag("enabled", true);
    let settings_of = settings(settings_of, &server.base, &profile)
        .text("use-ipsec", &use_ipsec)
        .some_flag("allow-fast-path", if has_ipsec { Some(false) } else { server.allow_fast_path })
        .text("max-sessions", server.max_sessions.trim())
        .some_flag("one-session-per-host", server.one_session_per_host)
        .text("accept-proto-version", server.accept_proto_version.trim())
        .text("caller-id-type", server.caller_id_type.trim())
        .some("l2tpv3-cookie-length", cookie)
        .text("l2tpv3-circuit-id", &either(&server.circuit_id, v3.map(|v3| &v3.circuit_id)))
        .text("l2tpv3-digest-hash", &either(&server.digest_hash, v3.map(|v3| &v3.digest_hash)))
        .text("l2tpv3-ether-interface-list", v3.map(|v3| v3.ether_interface_list.trim()).unwrap_or_default());
    let settings_of = if has_ipsec { settings_of.secret("ipsec-secret", &server.ipsec_secret) } else { settings_of };
    settings_of.done();
    common::open(builder, &[("udp", Some(1701))]);
    if has_ipsec {
        common::open(builder, &[("udp", Some(500)), ("udp", Some(4500)), ("ipsec-esp", None), ("ipsec-ah", None)]);
    }
}

/// The SSTP server.
pub(super) fn sstp(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &SstpServer) {
    let of_ppp = Server { service: "sstp", kind: "SSTP", name: "", base: &server.base, encryption: "yes", pool: "" };
    check(builder, &server.base);
    let profile = profile(builder, resource, &of_ppp);
    secrets(builder, resource, &of_ppp, &profile);
    let certificate = certificates::for_server(builder, "certificate", &server.certificate);
    if server.verify_client_certificate == Some(true) {
        certificates::for_clients(builder);
    }
    let port = common::port(builder, server.listen_port, usual_port::SSTP);
    let tls = tls_version(builder, &server.tls_version);
    let settings_of = builder.set("server", "/interface/sstp-server/server").flag("enabled", true);
    settings(settings_of, &server.base, &profile)
        .arg("certificate", &*certificate.name)
        .some("tls-version", tls)
        .text("ciphers", &spelling::words(&server.ciphers))
        .arg("port", port.to_string())
        .text("pfs", &server.pfs.trim().to_ascii_lowercase())
        .some_flag("verify-client-certificate", server.verify_client_certificate)
        .needs(certificate.signed)
        .done();
    common::open(builder, &[("tcp", Some(port))]);
}

/// Which versions of TLS a server takes. Others than RouterOS knows are worth a warning.
pub(super) fn tls_version(builder: &mut Builder<'_>, word: &str) -> Option<&'static str> {
    let (version, is_other) = spelling::tls_version(word)?;
    if is_other {
        let path = format!("{}.tlsVersion", builder.source());
        builder.report(Issue::warning(path, format!("RouterOS does not know {word:?}; it is {version}")));
    }
    Some(version)
}

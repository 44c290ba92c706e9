//! Certificates that servers ask for: made by an authority of the router's own, unless they are there already.
//!
//! A certificate that is there is never changed, whoever made it: its signature fixes what it says.

use crate::compile::{Builder, Connection};
use crate::issue::Issue;
use crate::state::{CertificateConfig, VpnCertificate};

use super::{callers, common};

/// The authority that signs all others.
pub(crate) const AUTHORITY: &str = "nnc-ca";
/// The certificate of those who call, one for all.
pub(crate) const CLIENT: &str = "nnc-client";
/// The certificate of servers that name none.
pub(crate) const OWN: &str = "nnc-cert";

const MENU: &str = "/certificate";

/// A certificate that will be there.
pub(super) struct Usable {
    /// Its name.
    pub name: String,
    /// The step after which it can be used.
    pub signed: String,
}

/// How the document wants the router's certificate to be made.
enum Maker {
    Router,
    LetsEncrypt,
}

/// The certificate of the router itself.
pub(super) fn certificate(builder: &mut Builder<'_>, config: &CertificateConfig) {
    if config.enabled == Some(false) {
        return;
    }
    match maker(builder, config) {
        Some(Maker::Router) => {
            made(builder, OWN);
        }
        Some(Maker::LetsEncrypt) => lets_encrypt(builder),
        None => {}
    }
}

fn maker(builder: &mut Builder<'_>, config: &CertificateConfig) -> Option<Maker> {
    let provider = config.certificate_provider.trim().to_ascii_lowercase();
    let letters: String = provider.chars().filter(char::is_ascii_alphanumeric).collect();
    match (config.self_signed, config.lets_encrypt, letters.as_str()) {
        (Some(true), _, _) => Some(Maker::Router),
        (_, Some(true), _) => Some(Maker::LetsEncrypt),
        (_, _, "letsencrypt" | "acme") => Some(Maker::LetsEncrypt),
        (_, _, "selfsigned" | "router" | "local") => Some(Maker::Router),
        (None, _, "") => Some(Maker::Router),
        (Some(false), _, "") => None,
        _ => {
            let path = format!("{}.certificateProvider", builder.source());
            builder.report(Issue::error(path, format!("{provider:?} is none of self-signed, letsencrypt")));
            None
        }
    }
}

/// The router gets a certificate for its name in the cloud of its maker, and renews it. It must be reachable for that.
fn lets_encrypt(builder: &mut Builder<'_>) {
    builder
        .warning("Let's Encrypt asks the router at port 80: it is opened to everybody, and the service www must be on");
    let cloud = builder.set("cloud", "/ip/cloud").arg("ddns-enabled", "yes").done();
    builder.list("WAN");
    let rule = common::accept(builder, "tcp-80", ("in-interface-list", "WAN"), "tcp", Some(80));
    // Without a name it is that of the cloud.
    let run = builder.run("lets-encrypt", MENU, "enable-ssl-certificate", &[], None);
    run.needs(cloud).needs(rule).optional().done();
}

/// The certificate that a server asks for by `name`, which stands in `field`; the router's own when it names none.
pub(super) fn for_server(builder: &mut Builder<'_>, field: &str, name: &str) -> Usable {
    let name = match name.trim() {
        "" => OWN,
        name if name.chars().any(char::is_control) || name.starts_with("-----BEGIN") => {
            let path = format!("{}.{field}", builder.source());
            builder.report(Issue::error(path, "must be the name of a certificate, not the certificate"));
            OWN
        }
        name => name,
    };
    made(builder, name)
}

/// The certificate of those who call, with its key when the document has a passphrase for it.
pub(super) fn for_clients(builder: &mut Builder<'_>) {
    let common_name = format!("{} client", identity(builder));
    let client = signed(builder, CLIENT, &common_name, "digital-signature,key-encipherment,tls-client", &[]);
    let passphrase = callers::servers(builder.world.state).map(|servers| &servers.certificate_passphrase);
    let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
    if passphrase.is_none() {
        let path = "$.lan.vpnServer.certificatePassphrase";
        let message = "is needed for the key of the certificate of those who call; without it they get none";
        builder.report(Issue::warning(path, message));
    }
    let run = builder.run("", MENU, "export-certificate", &[("name", CLIENT)], None).id(&id(CLIENT, "export"));
    let run = run
        .arg("type", "pem")
        .arg("file-name", CLIENT)
        .read_back(format!("file:{CLIENT}.crt"))
        .needs(client.signed)
        .optional();
    match passphrase {
        Some(passphrase) => run.secret("export-passphrase", passphrase).read_back(format!("file:{CLIENT}.key")).done(),
        None => run.done(),
    };
}

/// A certificate for servers.
fn made(builder: &mut Builder<'_>, name: &str) -> Usable {
    let about = about(builder, name);
    let said = about.map(|about| about.common_name.trim()).filter(|name| !name.is_empty());
    let common_name = said.map_or_else(|| identity(builder), str::to_owned);
    let mut details = vec![("subject-alt-name", alternative_names(builder, &common_name, about))];
    if let Some(about) = about {
        let parts = [
            ("country", &about.country),
            ("state", &about.state),
            ("locality", &about.city),
            ("organization", &about.org),
            ("unit", &about.unit),
        ];
        details.extend(parts.map(|(name, text)| (name, text.trim().to_owned())));
        details.extend(days_valid(builder, about).map(|days| ("days-valid", days)));
    }
    signed(builder, name, &common_name, "digital-signature,key-encipherment,tls-server", &details)
}

/// A certificate that the authority has signed.
fn signed(builder: &mut Builder<'_>, name: &str, common_name: &str, usage: &str, details: &[(&str, String)]) -> Usable {
    let authority = authority(builder);
    let added = add(builder, name, common_name, usage, details);
    let run = builder.run("", MENU, "sign", &[("name", name)], Some("fingerprint")).id(&id(name, "sign"));
    let signed = run.arg("ca", AUTHORITY).needs(added).needs(authority).done();
    Usable { name: name.to_owned(), signed }
}

/// The authority. Gives the step after which it can sign.
fn authority(builder: &mut Builder<'_>) -> String {
    let common_name = format!("{} CA", identity(builder));
    let added = add(builder, AUTHORITY, &common_name, "key-cert-sign,crl-sign", &[]);
    let run = builder.run("", MENU, "sign", &[("name", AUTHORITY)], Some("fingerprint"));
    let signed = run.id(&id(AUTHORITY, "sign")).arg("ca-crl-host", "127.0.0.1").needs(added).done();
    // Those who call must know it.
    let run = builder.run("", MENU, "export-certificate", &[("name", AUTHORITY)], None);
    run.id(&id(AUTHORITY, "export"))
        .arg("type", "pem")
        .arg("file-name", AUTHORITY)
        .read_back(format!("file:{AUTHORITY}.crt"))
        .needs(&*signed)
        .optional()
        .done();
    signed
}

fn add(builder: &mut Builder<'_>, name: &str, common_name: &str, usage: &str, details: &[(&str, String)]) -> String {
    let days = details.iter().find(|(name, _)| *name == "days-valid").map_or("3650", |(_, days)| days);
    let values = [("common-name", common_name), ("key-usage", usage), ("key-size", "2048"), ("days-valid", days)];
    let others = details.iter().filter(|(name, value)| *name != "days-valid" && !value.is_empty());
    let others = others.map(|(name, value)| (*name, value.as_str()));
    let mut row = builder.add("", MENU, &["name"]).id(&format!("certificate/{name}")).arg("name", name);
    for (name, value) in values.into_iter().chain(others) {
        row = row.arg(name, value).initial(name);
    }
    // By whom it is signed: who made it himself gives those who call his own authority.
    row.read_back("ca").done()
}

fn id(name: &str, what: &str) -> String {
    format!("certificate/{name}/{what}")
}

/// What the document says of a certificate of this name.
fn about<'a>(builder: &Builder<'a>, name: &str) -> Option<&'a VpnCertificate> {
    let server = callers::servers(builder.world.state)?.ikev2_server.as_ref().filter(|server| server.base.enabled)?;
    server.certificate.as_ref().filter(|certificate| certificate.name.trim() == name)
}

/// The router's name.
fn identity(builder: &Builder<'_>) -> String {
    let found = builder.world.state.extra.as_ref().and_then(|extra| extra.router_identity.as_ref());
    let names = found.map(|found| [found.router_identity.trim(), found.router_name.trim()]).unwrap_or_default();
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("router");
    // What a certificate says has no room for more.
    name.chars().filter(|character| !character.is_control()).take(48).collect()
}

/// The names and addresses under which callers reach the router, as far as the document knows them.
fn alternative_names(builder: &Builder<'_>, common_name: &str, about: Option<&VpnCertificate>) -> String {
    let mut names = Vec::new();
    let is_host = common_name.contains('.')
        && common_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    match common_name.parse::<std::net::IpAddr>() {
        Ok(address) => names.push(format!("IP:{address}")),
        Err(_) if is_host => names.push(format!("DNS:{common_name}")),
        Err(_) => {}
    }
    for link in &builder.world.links {
        if let Connection::Static(config) = link.connection {
            let address = config.ip_address.split('/').next().unwrap_or_default().trim();
            let address = address.parse::<std::net::IpAddr>().ok().map(|address| format!("IP:{address}"));
            names.extend(address.filter(|name| !names.contains(name)));
        }
    }
    let email = about.map(|about| about.email.trim()).filter(|email| !email.is_empty() && !email.contains(','));
    names.extend(email.map(|email| format!("email:{email}")));
    names.join(",")
}

/// How many days it shall be valid.
fn days_valid(builder: &mut Builder<'_>, about: &VpnCertificate) -> Option<String> {
    let text = about.valid_to.trim();
    if text.is_empty() {
        return None;
    }
    let days = text.parse::<u16>().ok().filter(|days| (1..=20_000).contains(days));
    if days.is_none() {
        let path = "$.lan.vpnServer.ikev2Server.certificate.validTo";
        builder.report(Issue::warning(path, "is no number of days; it is 3650"));
    }
    days.map(|days| days.to_string())
}

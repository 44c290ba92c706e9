//! Plain texts with the values that somebody enters by hand: L2TP, PPTP, SSTP, IKEv2, proxies, SSH, Back to Home, ZeroTier.

use super::text::{self, Page};
use super::{Files, Source, certificate_of, wants_certificates};
use crate::compile::servers::callers::{self, usual_port};
use crate::compile::servers::{AUTHORITY, CLIENT};
use crate::compile::spelling;
use crate::decompose::{Content, Resource};
use crate::form::with_port;
use crate::state::{BackToHomeServer, HttpProxyServer, Ikev2Server, L2tpServer, SstpServer, User, ZeroTierServer};

pub(super) fn files(source: &Source<'_>, resource: &Resource<'_>, files: &mut Files) {
    let router = &source.router;
    match resource.content {
        Content::PptpServer(server) => {
            let methods = spelling::ppp_methods(&server.base.authentication);
            for user in source.users("PPTP", true) {
                let page = Page::new(&format!("PPTP: {}", user.username)).row("Server", router);
                files.page(&format!("pptp-{}", user.username), login(page, user).row("Methods", &methods));
            }
        }
        Content::L2tpServer(server) => {
            for user in source.users("L2TP", true) {
                files.page(&format!("l2tp-{}", user.username), l2tp(router, server, user));
            }
        }
        Content::SstpServer(server) => {
            for user in source.users("SSTP", true) {
                files.page(&format!("sstp-{}", user.username), sstp(source, resource, server, user));
            }
        }
        Content::Ikev2Server(server) => files.page("ikev2", ikev2(source, resource, server)),
        Content::Socks5Server(server) => {
            for user in allowed(source.users("Socks5", false), &server.allowed_users) {
                let page = Page::new(&format!("SOCKS5: {}", user.username)).row("Server", inside(source, resource));
                let page = login(page.row("Port", port(server.listen_port, usual_port::SOCKS5)), user);
                files.page(&format!("socks5-{}", user.username), page.note(&for_whom(source, resource)));
            }
        }
        Content::SshServer(server) => {
            for user in allowed(source.users("SSH", false), &server.allowed_users) {
                let port = port(server.listen_port, usual_port::SSH);
                let page = Page::new(&format!("SSH: {}", user.username)).row("Server", router).row("Port", &port);
                let page = login(page, user);
                let page = match text::word(&user.username) {
                    Some(name) if text::host(router).is_some() => {
                        let command = format!("ssh -N -D 1080 -p {port} {name}@{router}");
                        page.note(&format!("SOCKS on port 1080 of your own device: {command}"))
                    }
                    _ => page,
                };
                files.page(&format!("ssh-{}", user.username), page);
            }
        }
        Content::HttpProxyServer(server) => files.page("http-proxy", http(source, resource, server)),
        Content::BackToHomeServer(server) => files.page("back-to-home", back_to_home(source, resource, server)),
        Content::ZeroTierServer(server) => files.page("zerotier", zerotier(server)),
        _ => {}
    }
}

/// Whether those who call share a secret.
pub(super) fn has_secret(server: &Ikev2Server) -> bool {
    let identity = server.ipsec_identity.as_ref();
    let kind = identity.map(|identity| identity.kind.trim().to_ascii_lowercase()).unwrap_or_default();
    matches!(kind.as_str(), "psk" | "pre-shared-key")
}

/// Name and password of somebody.
pub(super) fn login(page: Page, user: &User) -> Page {
    page.row("User", &user.username).secret("Password", user.password.reveal())
}

/// What the key of those who call is encrypted with.
pub(super) fn passphrase<'a>(source: &Source<'a>) -> Option<&'a str> {
    let passphrase = callers::servers(source.world.state)?.certificate_passphrase.reveal();
    Some(passphrase).filter(|passphrase| !passphrase.is_empty())
}

fn l2tp(router: &str, server: &L2tpServer, user: &User) -> Page {
    let ipsec = match server.use_ipsec.trim().to_ascii_lowercase().as_str() {
        "" | "no" => "no",
        "required" => "required",
        _ => "possible",
    };
    let title = if ipsec == "no" { "L2TP" } else { "L2TP with IPsec" };
    let page = login(Page::new(&format!("{title}: {}", user.username)).row("Server", router), user);
    let page = page.row("IPsec", ipsec);
    let page = if ipsec == "no" { page } else { page.secret("Shared secret", server.ipsec_secret.reveal()) };
    page.row("Methods", spelling::ppp_methods(&server.base.authentication))
}

fn sstp(source: &Source<'_>, resource: &Resource<'_>, server: &SstpServer, user: &User) -> Page {
    let page = Page::new(&format!("SSTP: {}", user.username)).row("Server", &source.router);
    let page = login(page.row("Port", port(server.listen_port, usual_port::SSTP)), user);
    let page = page.row("Methods", spelling::ppp_methods(&server.base.authentication));
    let page = page.row("TLS", spelling::tls_version(&server.tls_version).map_or("", |(version, _)| version));
    trust(source, resource, page)
}

fn ikev2(source: &Source<'_>, resource: &Resource<'_>, server: &Ikev2Server) -> Page {
    let page = Page::new("IKEv2").row("Server", &source.router);
    let page =
        page.row("Port", server.listen_port.filter(|port| *port > 0).map_or(String::new(), |port| port.to_string()));
    if has_secret(server) {
        let secret = server.ipsec_identity.as_ref().map(|identity| identity.content.reveal());
        return page.row("Proof", "shared secret").secret("Shared secret", secret.unwrap_or_default());
    }
    let common_name = server.certificate.as_ref().map(|certificate| certificate.common_name.trim());
    let page = page.row("Proof", "certificates").row("Name of the server", common_name.unwrap_or_default());
    trust(source, resource, page)
}

/// What shows who the server is, and who calls.
fn trust(source: &Source<'_>, resource: &Resource<'_>, page: Page) -> Page {
    let Some(certificate) = certificate_of(resource) else { return page };
    let page = match source.authority().filter(|_| source.is_own(certificate)) {
        Some(_) => page.note(&format!("{AUTHORITY}.crt must be among the authorities that your device trusts.")),
        None => {
            page.note(&format!("The authority that signed {certificate} must be among those that your device trusts."))
        }
    };
    if !wants_certificates(resource) {
        return page;
    }
    let secret = passphrase(source).filter(|_| source.client_key().is_some());
    let page = page.secret("Passphrase of the key", secret.unwrap_or_default());
    let page = page.note(&format!("Your device shows {CLIENT}.crt, with the key in {CLIENT}.key."));
    page.note(&format!(
        "Both in one file: openssl pkcs12 -export -in {CLIENT}.crt -inkey {CLIENT}.key -out {CLIENT}.p12"
    ))
}

fn http(source: &Source<'_>, resource: &Resource<'_>, server: &HttpProxyServer) -> Page {
    let others: Vec<&str> = server.allowed_ip_addresses.iter().filter_map(|text| text::addresses(text)).collect();
    let page = Page::new("HTTP proxy").row("Proxy", inside(source, resource));
    let page = page.row("Port", port(server.listen_port, usual_port::HTTP_PROXY)).note(&for_whom(source, resource));
    match others.is_empty() {
        true => page,
        false => page.note(&format!("Also for {}, who reach it at {}.", others.join(", "), source.router)),
    }
}

fn back_to_home(source: &Source<'_>, resource: &Resource<'_>, server: &BackToHomeServer) -> Page {
    let public = source.value(&format!("{}/interface", resource.full_name()), "public-key").and_then(text::key);
    let address = callers::back_to_home_address(&server.client_subnet, "").ok();
    Page::new("Back to Home (WireGuard)")
        .row("Endpoint", with_port(&source.router, usual_port::BACK_TO_HOME))
        .row("Public key", public.unwrap_or("<PUBLIC KEY OF THE ROUTER>"))
        .row("Network", address.map(|address| address.trunc().to_string()).unwrap_or_default())
        .row("Resolver", address.map(|address| address.addr().to_string()).unwrap_or_default())
        .note("Each device needs a peer on the router, with the device's public key and an address of the network.")
}

fn zerotier(server: &ZeroTierServer) -> Page {
    let id = server.network_id.trim().to_ascii_lowercase();
    let page = Page::new("ZeroTier").row("Network", &id);
    let page = match text::key(&id) {
        Some(id) => page.note(&format!("A device joins by: zerotier-cli join {id}")),
        None => page,
    };
    page.note("The router and each device must be permitted in the network's controller.")
}

/// The router's address for those who are in a server's network.
fn inside(source: &Source<'_>, resource: &Resource<'_>) -> String {
    let target = callers::target(&source.world, resource.content).unwrap_or_default();
    let first = callers::addresses_of(&source.world, &target).into_iter().next();
    first.map_or_else(|| source.router.clone(), |subnet| callers::first_host(subnet).addr().to_string())
}

fn for_whom(source: &Source<'_>, resource: &Resource<'_>) -> String {
    let target = callers::target(&source.world, resource.content).unwrap_or_default();
    format!("For devices in the network {target}, and those who have called the router and belong to it.")
}

/// The port of a server, as it is when the document is right.
pub(super) fn port(value: Option<i64>, usual: u16) -> String {
    let said = value.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    said.unwrap_or(usual).to_string()
}

/// Users on a list, or all when it is empty.
fn allowed<'a>(users: impl Iterator<Item = &'a User>, list: &[String]) -> impl Iterator<Item = &'a User> {
    let list: Vec<String> = list.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    users.filter(move |user| list.is_empty() || list.contains(&user.username))
}

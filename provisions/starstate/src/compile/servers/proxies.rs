//! Servers through which single programs reach out: SOCKS5, SSH, HTTP proxy. None of them is open to the world.

use std::net::IpAddr;

use ipnet::IpNet;

use super::callers::{self, usual_port};
use super::common;
use crate::compile::{Builder, Rank};
use crate::decompose::Resource;
use crate::issue::Issue;
use crate::state::{HttpProxyServer, Socks5Server, SshServer, User};

/// The SOCKS5 server, for users with a password in the network of the server.
pub(super) fn socks5(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &Socks5Server) {
    let target = common::target(builder, resource);
    let port = common::port(builder, server.listen_port, usual_port::SOCKS5);
    let settings = builder.set("server", "/ip/socks");
    settings
        .flag("enabled", true)
        .arg("port", port.to_string())
        .arg("version", "5")
        .arg("auth-method", "password")
        .arg("connection-idle-timeout", "2m")
        .done();
    for user in allowed(builder, "Socks5", &server.allowed_users) {
        let row = builder.add(&format!("user-{}", user.username), "/ip/socks/users", &["name"]);
        row.arg("name", &*user.username).secret("password", &user.password).done();
    }
    access(builder, "/ip/socks/access", &target, &[]);
    common::open_inside(builder, &target, port);
}

/// The HTTP proxy, for the network of the server and addresses that the document names.
pub(super) fn http(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &HttpProxyServer) {
    let target = common::target(builder, resource);
    let port = common::port(builder, server.listen_port, usual_port::HTTP_PROXY);
    builder.set("server", "/ip/proxy").flag("enabled", true).arg("port", port.to_string()).done();
    let mut others = Vec::new();
    for (number, text) in server.allowed_ip_addresses.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        match network(text.trim()) {
            Some(network) => others.push(network),
            None => {
                let path = format!("{}.allowedIpAddresses[{number}]", resource.source);
                builder.report(Issue::error(path, format!("{text:?} is neither an address nor a network")));
            }
        }
    }
    access(builder, "/ip/proxy/access", &target, &others);
    common::open_inside(builder, &target, port);
    for other in others {
        common::accept(builder, &other, ("src-address", &other), "tcp", Some(port));
    }
}

/// The SSH server of the router itself, with users who may do nothing but log in and forward.
pub(super) fn ssh(builder: &mut Builder<'_>, server: &SshServer) {
    const GROUP: &str = "SSH";
    let port = common::port(builder, server.listen_port, usual_port::SSH);
    let service = builder.set_row("service", "/ip/service", &[("name", "ssh")]);
    service.flag("disabled", false).arg("port", port.to_string()).done();
    builder.set("server", "/ip/ssh").arg("forwarding-enabled", "both").done();
    builder.add("group", "/user/group", &["name"]).arg("name", GROUP).arg("policy", "ssh").done();
    for user in allowed(builder, "SSH", &server.allowed_users) {
        let row = builder.add(&format!("user-{}", user.username), "/user", &["name"]);
        row.arg("name", &*user.username).arg("group", GROUP).secret("password", &user.password).done();
    }
    common::open(builder, &[("tcp", Some(port))]);
}

/// Users for a kind of server, only those of a list if there is one.
fn allowed<'a>(builder: &mut Builder<'a>, kind: &str, list: &[String]) -> Vec<&'a User> {
    let mut users = common::users(builder, kind, false, None);
    let list: Vec<&str> = list.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    for name in list.iter().filter(|name| !users.iter().any(|user| user.username == **name)) {
        let path = format!("{}.allowedUsers", builder.source());
        builder.report(Issue::warning(path, format!("{name:?} is no user for {kind}")));
    }
    users.retain(|user| list.is_empty() || list.contains(&&*user.username));
    users
}

/// Who may use a proxy: a network behind the router, and some other addresses; nobody else.
fn access(builder: &mut Builder<'_>, menu: &str, target: &str, others: &[String]) {
    let mut networks: Vec<String> =
        callers::addresses_of(builder.world, target).iter().map(ToString::to_string).collect();
    networks.extend_from_slice(others);
    if networks.is_empty() {
        builder.warning(format!("nobody may use it: there are no addresses in {}", callers::lan_of(target)));
    }
    for network in networks {
        let rule = builder.add(&format!("allow-{network}"), menu, &[]);
        rule.arg("action", "allow").arg("src-address", network).done();
    }
    builder.add("deny", menu, &[]).arg("action", "deny").arg("src-address", "0.0.0.0/0").rank(Rank::Last).done();
}

/// A network in the form in which a firewall shows it.
fn network(text: &str) -> Option<String> {
    match text.parse::<IpNet>() {
        Ok(network) if network.prefix_len() == network.max_prefix_len() => Some(network.addr().to_string()),
        Ok(network) => Some(network.trunc().to_string()),
        Err(_) => text.parse::<IpAddr>().ok().map(|address| address.to_string()),
    }
}

//! The router itself: its name, time, management services, graphs, resolver and proxy.

use crate::compile::{Builder, LOCAL, Rank};
use crate::form;
use crate::issue::Issue;
use crate::state::{GraphingConfig, NtpConfig, RouterIdentity, ServicePort, Services, UsefulServices};

/// Its name, and RoMON.
pub(super) fn identity(builder: &mut Builder<'_>, config: &RouterIdentity) {
    let names = [config.router_identity.trim(), config.router_name.trim()];
    if let Some(name) = names.into_iter().find(|name| !name.is_empty()) {
        builder.set("name", "/system/identity").arg("name", name).done();
    }
    if config.romon_enabled.is_some() || !config.romon_secret.is_empty() {
        let romon = builder.set("romon", "/tool/romon");
        romon.some_flag("enabled", config.romon_enabled).secret("secrets", &config.romon_secret).done();
    }
}

/// Where the time comes from.
pub(super) fn ntp(builder: &mut Builder<'_>, config: &NtpConfig) {
    let servers: Vec<&str> = config.servers.iter().map(|it| it.trim()).filter(|it| !it.is_empty()).collect();
    let enabled = config.enabled.or((!servers.is_empty()).then_some(true));
    if let Some(enabled) = enabled {
        builder.set("client", "/system/ntp/client").flag("enabled", enabled).done();
    }
    if enabled == Some(true) && servers.is_empty() {
        builder.warning("no time server is named");
    }
    for server in servers {
        if !form::is_host(server) {
            builder.error(format!("{server:?} is neither the name nor the address of a time server"));
            continue;
        }
        let row = builder.add(&format!("server-{server}"), "/system/ntp/client/servers", &["address"]);
        row.arg("address", server).done();
    }
}

/// The management services. Those that are not named stay as they are.
pub(super) fn services(builder: &mut Builder<'_>, services: &Services) {
    let named = [
        ("api", "api", &services.api),
        ("api-ssl", "apiSsl", &services.api_ssl),
        ("ftp", "ftp", &services.ftp),
        ("ssh", "ssh", &services.ssh),
        ("telnet", "telnet", &services.telnet),
        ("winbox", "winbox", &services.winbox),
        ("www", "web", &services.web),
        ("www-ssl", "webSsl", &services.web_ssl),
    ];
    for (name, key, service) in named {
        if let Some(service) = service {
            one_service(builder, name, key, service);
        }
    }
}

fn one_service(builder: &mut Builder<'_>, name: &str, key: &str, service: &ServicePort) {
    let source = format!("{}.{key}", builder.source());
    let kind = service.kind.trim().to_ascii_lowercase();
    let (enabled, is_local) = match kind.as_str() {
        "enable" => (Some(true), false),
        "disable" => (Some(false), false),
        "local" => (Some(true), true),
        "" => (service.enabled, false),
        _ => {
            let message = format!("{:?} is none of Enable, Disable, Local", service.kind);
            return builder.report(Issue::error(format!("{source}.type"), message));
        }
    };
    if let Some(port) = service.port.filter(|port| !form::is_port(*port)) {
        return builder.report(Issue::error(format!("{source}.port"), format!("{port} is no port")));
    }
    if name == "ssh" && leaves_to_ssh_server(builder, &source, service, enabled, is_local) {
        return;
    }
    if enabled.is_none() && service.port.is_none() {
        return;
    }
    let row = builder.set_row(name, "/ip/service", &[("name", name)]).source(source);
    let row = row.some_flag("disabled", enabled.map(|enabled| !enabled)).some("port", service.port);
    row.text("address", &if is_local { LOCAL.join(",") } else { String::new() }).done();
}

/// The SSH server for users is the same service; what is said of it there wins.
fn leaves_to_ssh_server(
    builder: &mut Builder<'_>,
    source: &str,
    service: &ServicePort,
    enabled: Option<bool>,
    is_local: bool,
) -> bool {
    let lan = builder.world.state.lan.as_ref();
    let servers = lan.and_then(|lan| lan.vpn_server.as_ref());
    let Some(server) = servers.and_then(|servers| servers.ssh_server.as_ref()).filter(|server| server.enabled) else {
        return false;
    };
    let port = server.listen_port.filter(|port| *port != 0).unwrap_or(22);
    if service.port.is_some_and(|other| other != port) || enabled == Some(false) || is_local {
        let message = format!("the SSH server for users decides: open on port {port}");
        builder.report(Issue::warning(source, message));
    }
    true
}

/// Graphs of interfaces, queues, and the router's own load.
pub(super) fn graphing(builder: &mut Builder<'_>, config: &GraphingConfig) {
    if config.enabled == Some(false) {
        return;
    }
    let nothing_said = config.interface.is_none() && config.queue.is_none() && config.resources.is_none();
    let all = config.enabled == Some(true) && nothing_said;
    let on_disk = match config.storage.trim().to_ascii_lowercase().as_str() {
        "" => None,
        "disk" | "flash" => Some(true),
        "memory" | "ram" => Some(false),
        _ => {
            let message = format!("{:?} is neither disk nor memory", config.storage);
            let path = format!("{}.storage", builder.source());
            return builder.report(Issue::error(path, message));
        }
    };
    for (what, wanted, argument, value) in [
        ("interface", config.interface, "interface", "all"),
        ("queue", config.queue, "simple-queue", "all"),
        ("resource", config.resources, "allow-address", "0.0.0.0/0"),
    ] {
        if wanted.unwrap_or(all) {
            let row = builder.add(what, &format!("/tool/graphing/{what}"), &[argument]);
            row.arg(argument, value).some_flag("store-on-disk", on_disk).done();
        }
    }
    let Some(interval) = config.interval.filter(|interval| *interval != 0) else { return };
    // Minutes, as the wizard offers them, or seconds.
    let every = match interval {
        5 | 300 => "5min",
        60 | 3600 => "hour",
        1440 | 86400 => "24hours",
        _ => {
            let message = format!("{interval} is none of 5, 60, 1440 minutes; the router's own interval stays");
            let path = format!("{}.interval", builder.source());
            return builder.report(Issue::warning(path, message));
        }
    };
    builder.set("interval", "/tool/graphing").arg("store-every", every).done();
}

/// The resolver for others, and the web proxy.
pub(super) fn useful_services(builder: &mut Builder<'_>, config: &UsefulServices) {
    let world = builder.world;
    // Networks are told to ask the router; that wins over a switch that is off.
    let is_resolver = world.state.wan.dns_config.is_some() || !world.networks.is_empty();
    if let Some(enabled) = config.dns_relay_enabled.filter(|enabled| *enabled || !is_resolver) {
        builder.set("resolver", "/ip/dns").flag("allow-remote-requests", enabled).done();
    }
    let lan = world.state.lan.as_ref();
    let server = lan.and_then(|lan| lan.vpn_server.as_ref()?.http_proxy_server.as_ref());
    let is_server = server.is_some_and(|server| server.enabled);
    let Some(enabled) = config.proxy_enabled.filter(|_| !is_server) else { return };
    builder.set("proxy", "/ip/proxy").flag("enabled", enabled).done();
    if !enabled {
        return;
    }
    // A proxy for the whole world would be found within the hour.
    for network in LOCAL {
        let row = builder.add(&format!("proxy-{network}"), "/ip/proxy/access", &[]);
        row.arg("action", "allow").arg("src-address", network).done();
    }
    builder.add("proxy-rest", "/ip/proxy/access", &[]).arg("action", "deny").rank(Rank::Last).done();
}

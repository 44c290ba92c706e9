//! Who answers the names that are asked for: the router's own resolver, and whom it asks.
//!
//! A type of network without resolvers of its own asks those of its fixed links, else the first address that is known to answer
//! through one of its links.

use std::net::IpAddr;

use routeros_schema::Release;

use super::region;
use crate::compile::{Builder, ClientConfig, Connection, World};
use crate::decompose::{Content, Resource};
use crate::form;
use crate::issue::Issue;
use crate::state::{DnsConfig, DohConfig, NetworkType};

/// The release from which the resolver knows other resolvers by name.
const FORWARDERS: Release = Release { major: 7, minor: 17 };
/// Hosts with new releases.
const UPDATES: [&str; 2] = ["upgrade.mikrotik.com", "download.mikrotik.com"];
/// Where certificates for the router's own name come from.
const CERTIFICATES: &str = "acme-v02.api.letsencrypt.org";
/// Those who ask all resolvers.
const GENERAL: &str = "General";

/// Types of network, in the order in which their resolvers are asked.
const ORDER: [NetworkType; 4] = [NetworkType::Vpn, NetworkType::Domestic, NetworkType::Foreign, NetworkType::Split];

/// The resolvers of each type of network, in [`ORDER`].
struct Resolvers([Vec<IpAddr>; 4]);

impl Resolvers {
    fn of(&self, kind: NetworkType) -> &[IpAddr] {
        let place = ORDER.iter().position(|other| *other == kind);
        place.and_then(|place| self.0.get(place)).map_or(&[], Vec::as_slice)
    }

    /// Those of all types, each once.
    fn all(&self) -> Vec<IpAddr> {
        let mut all = Vec::new();
        for address in self.0.iter().flatten() {
            if !all.contains(address) {
                all.push(*address);
            }
        }
        all
    }

    /// What a type of network asks.
    fn asked(&self, world: &World<'_>, kind: NetworkType) -> Vec<IpAddr> {
        match self.of(kind) {
            [] => fallback(world, kind),
            own => own.to_vec(),
        }
    }
}

/// The resolver of a router whose document names resolvers.
pub(super) fn dns(builder: &mut Builder<'_>, config: &DnsConfig) {
    let said = said(builder, config);
    let world = builder.world;
    let mut servers = said.all();
    if servers.is_empty() {
        servers = fallbacks(world);
    }
    let doh = config.doh.as_ref().and_then(|doh| over_https(builder, doh));
    let bridges: Vec<String> = world.networks.iter().map(|network| network.bridge()).collect();
    let settings = builder.set("settings", "/ip/dns").flag("allow-remote-requests", true);
    let settings = settings.text("servers", &joined(&servers));
    let settings = match &doh {
        Some(url) => settings.arg("use-doh-server", url).flag("verify-doh-cert", false),
        None => settings,
    };
    settings
        .arg("max-concurrent-queries", "500")
        .arg("max-concurrent-tcp-sessions", "50")
        .arg("cache-size", "20480KiB")
        .arg("cache-max-ttl", "7d")
        .text("mdns-repeat-ifaces", &bridges.join(","))
        .done();
    forwarders(builder, &said, &servers);
    steer(builder, &said, &servers);
}

/// The resolver of a router whose document names none: links do not bring their provider's resolvers, but networks are told to ask the
/// router.
pub(in crate::compile) fn resolvers(builder: &mut Builder<'_>) {
    let world = builder.world;
    if world.state.wan.dns_config.is_some() || world.links.is_empty() {
        return;
    }
    let source = "$.wan".to_owned();
    let (resource_type, name, content) = ("system.dns".to_owned(), String::new(), Content::Base);
    builder.begin(&Resource { resource_type, name, source, content });
    let is_fixed =
        |connection: &Connection<'_>| matches!(connection, Connection::Static(fixed) if !fixed.dns.trim().is_empty());
    // A fixed link sets its own.
    let servers = match world.links.iter().any(|link| is_fixed(&link.connection)) {
        true => Vec::new(),
        false => match said(builder, &DnsConfig::default()).all() {
            none if none.is_empty() => fallbacks(world),
            some => some,
        },
    };
    let has_networks = !world.networks.is_empty();
    if has_networks || !servers.is_empty() {
        let settings =
            builder.set("settings", "/ip/dns").some_flag("allow-remote-requests", has_networks.then_some(true));
        settings.text("servers", &joined(&servers)).done();
    }
}

/// What a document says; what is no address is reported.
fn said(builder: &mut Builder<'_>, config: &DnsConfig) -> Resolvers {
    let texts = [
        ("vpnDns", &config.vpn_dns),
        ("domesticDns", &config.domestic_dns),
        ("foreignDns", &config.foreign_dns),
        ("splitDns", &config.split_dns),
    ];
    let mut said = texts.map(|(key, text)| addresses(builder, &format!("$.wan.dnsConfig.{key}"), text));
    for client in &builder.world.clients {
        let ClientConfig::Wireguard(config) = client.config else { continue };
        let path = format!("{}.interfaceDns", client.source);
        for address in addresses(builder, &path, &config.interface_dns) {
            if !said[0].contains(&address) {
                said[0].push(address);
            }
        }
    }
    Resolvers(said)
}

fn addresses(builder: &mut Builder<'_>, path: &str, text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for item in form::items(text) {
        match item.parse::<IpAddr>() {
            Ok(address) => addresses.push(address),
            Err(_) => builder.report(Issue::error(path, format!("{item:?} is no address of a resolver"))),
        }
    }
    addresses
}

/// What a type of network asks that has no resolvers of its own.
fn fallback(world: &World<'_>, kind: NetworkType) -> Vec<IpAddr> {
    let links = || world.links.iter().filter(|link| link.kind() == kind);
    let of_fixed = links().filter_map(|link| match link.connection {
        Connection::Static(fixed) => Some(form::items(&fixed.dns).filter_map(|item| item.parse().ok())),
        _ => None,
    });
    let mut found: Vec<IpAddr> = of_fixed.flatten().collect();
    if found.is_empty() {
        found.extend(links().next().map(|link| IpAddr::V4(link.check)));
    }
    if found.is_empty() && kind == NetworkType::Vpn {
        found.extend(world.tunnels().next().map(|tunnel| IpAddr::V4(tunnel.check)));
    }
    found
}

fn fallbacks(world: &World<'_>) -> Vec<IpAddr> {
    Resolvers(ORDER.map(|kind| fallback(world, kind))).all()
}

/// DNS over HTTPS: the URL, and the address of its host.
fn over_https(builder: &mut Builder<'_>, config: &DohConfig) -> Option<String> {
    let (domain, pinned) = (config.domain.trim(), config.binding_ip.trim());
    if domain.is_empty() {
        return None;
    }
    let path = format!("{}.doh", builder.source());
    let url = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
    let Some(host) = form::host_of(&url, "https") else {
        let message = format!("{domain:?} is neither a host name nor an https URL");
        builder.report(Issue::error(format!("{path}.domain"), message));
        return None;
    };
    match pinned.parse::<IpAddr>() {
        _ if pinned.is_empty() => {}
        Ok(address) if form::is_host_name(host) => {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let row = builder.add("doh-host", "/ip/dns/static", &["name", "address"]);
            row.arg("name", host).arg("address", address.to_string()).arg("type", kind).done();
        }
        Ok(_) => {
            let message = format!("the server of DNS over HTTPS is {host}, an address already; it needs no other one");
            builder.report(Issue::warning(format!("{path}.bindingIp"), message));
        }
        Err(_) => {
            let message = format!("{pinned:?} is no address");
            builder.report(Issue::error(format!("{path}.bindingIp"), message));
        }
    }
    Some(url)
}

/// Whom the resolver asks for which names.
fn forwarders(builder: &mut Builder<'_>, said: &Resolvers, servers: &[IpAddr]) {
    let world = builder.world;
    let mut ways = Vec::new();
    for kind in [NetworkType::Domestic, NetworkType::Foreign, NetworkType::Vpn] {
        let asked = said.asked(world, kind);
        if world.exists(kind) && !asked.is_empty() {
            ways.push((kind, way(builder, kind.word(), &asked)));
        }
    }
    let to = |kind| ways.iter().find(|(other, _)| *other == kind).map(|(_, way)| way.clone());
    let (domains, wrong) = region::domains(world);
    wrong.into_iter().for_each(|issue| builder.report(issue));
    if let Some(way) = to(NetworkType::Domestic) {
        for domain in domains {
            let pattern = format!("\\.{}$", domain.to_ascii_lowercase().replace('.', "\\."));
            forward(builder, "regexp", &pattern, &way);
        }
    }
    if let Some(way) = to(NetworkType::Foreign) {
        let clients = world.clients.iter().map(|client| client.host);
        let rui = world.state.extra.as_ref().and_then(|extra| extra.rui_config.as_ref());
        let has_list = rui.is_some_and(|rui| rui.ip_address_update.is_some());
        // What is wrong with it is said where it is fetched.
        let list = region::list(world).ok().map(|list| list.host).filter(|_| has_list);
        for host in clients.chain(UPDATES).chain(list).filter(|host| form::is_host_name(host)) {
            forward(builder, "name", host, &way);
        }
    }
    if servers.is_empty() {
        return;
    }
    let general = way(builder, GENERAL, servers);
    let extra = world.state.extra.as_ref();
    let times = extra.and_then(|extra| extra.ntp_config.as_ref()).map_or(&[][..], |ntp| &ntp.servers);
    let certificate = extra.and_then(|extra| extra.certificate_config.as_ref());
    let is_encrypting = certificate.is_some_and(|config| config.lets_encrypt == Some(true));
    let times = times.iter().map(|server| server.trim());
    for host in times.chain(is_encrypting.then_some(CERTIFICATES)).filter(|host| form::is_host_name(host)) {
        forward(builder, "name", host, &general);
    }
}

/// Where a question goes.
#[derive(Clone)]
struct Way {
    to: String,
    needs: Option<String>,
}

/// A named group of resolvers; releases that know none are told the first address.
fn way(builder: &mut Builder<'_>, name: &str, servers: &[IpAddr]) -> Way {
    if builder.facts.release < FORWARDERS {
        return Way { to: servers.first().map(IpAddr::to_string).unwrap_or_default(), needs: None };
    }
    let row = builder.add(&format!("forwarder-{name}"), "/ip/dns/forwarders", &["name"]);
    let step = row.arg("name", name).arg("dns-servers", joined(servers)).flag("verify-doh-cert", false).done();
    Way { to: name.to_owned(), needs: Some(step) }
}

fn forward(builder: &mut Builder<'_>, property: &str, value: &str, way: &Way) {
    let row = builder.add(&format!("forward-{value}"), "/ip/dns/static", &[property, "type"]);
    let row = row.arg(property, value).arg("type", "FWD").arg("forward-to", &way.to);
    match &way.needs {
        Some(step) => row.needs(step).done(),
        None => row.done(),
    };
}

/// Rules for those who ask somebody else: the router answers. Per network there are rules, switched off, that send them to the
/// network's own resolver.
fn steer(builder: &mut Builder<'_>, said: &Resolvers, servers: &[IpAddr]) {
    let world = builder.world;
    for network in &world.networks {
        let asked = said.asked(world, network.kind);
        let resolver = asked.iter().chain(servers).find(|address| address.is_ipv4());
        let Some(resolver) = resolver else { continue };
        for protocol in ["udp", "tcp"] {
            let rule = builder.add(&format!("direct-{protocol}-{}", network.name), "/ip/firewall/nat", &[]);
            rule.arg("action", "dst-nat")
                .arg("chain", "dstnat")
                .arg("protocol", protocol)
                .arg("dst-port", "53")
                .arg("src-address-list", network.lan())
                .arg("to-addresses", resolver.to_string())
                .flag("disabled", true)
                .done();
        }
    }
    for protocol in ["udp", "tcp"] {
        let rule = builder.add(&format!("redirect-{protocol}"), "/ip/firewall/nat", &[]);
        rule.arg("action", "redirect")
            .arg("chain", "dstnat")
            .arg("protocol", protocol)
            .arg("dst-port", "53")
            .arg("in-interface-list", "LAN")
            .done();
    }
}

fn joined(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(",")
}

//! A document split into resources: the things that a router shall have, each with its part of the document. Pure.
//!
//! A master gets nearly all of it. A slave, which is behind the master's trunk port, gets the trunk, wireless networks, ports and
//! settings of its own; whatever makes a router of it is the master's.
//!
//! The order is fixed and is that of storage and display. Not here: what a resource needs on the router, and in which order that is
//! made.

use crate::role::Role;
use crate::state::{
    BackToHomeServer, CertificateConfig, CloudDdnsConfig, DnsConfig, EoipTunnel, Game, GraphingConfig, GreTunnel,
    HttpProxyServer, Ikev2Client, Ikev2Server, IpipTunnel, L2tpClient, L2tpServer, MultiLinkConfig, NatPmpConfig,
    NetworkType, NtpConfig, OpenVpnClient, OpenVpnServer, Port, PptpClient, PptpServer, RouterIdentity, RouterModel,
    Schedule, Services, Socks5Server, SshServer, SstpClient, SstpServer, StarState, Subnet, UpnpConfig, UsefulServices,
    VxlanTunnel, WanLink, WanType, WireguardClient, WireguardServer, Wireless, ZeroTierServer,
};

/// A thing that the router shall have.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource<'a> {
    /// Its type, such as `wan.link.foreign`.
    pub resource_type: String,
    /// Its name among those of its type; empty when there is only one.
    pub name: String,
    /// Where it stands in the document, as a JSON path; `$` for what every router gets.
    pub source: String,
    /// Its part of the document.
    pub content: Content<'a>,
}

impl Resource<'_> {
    /// Its name among all; the names of its steps begin like this.
    pub fn full_name(&self) -> String {
        full_name(&self.resource_type, &self.name)
    }
}

/// The name of a resource among all, by its type and its name among those of its type.
pub fn full_name(resource_type: &str, name: &str) -> String {
    match name {
        "" => resource_type.to_owned(),
        name => format!("{resource_type}/{name}"),
    }
}

/// The part of a document that a resource is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the variants are named like what they hold")]
pub enum Content<'a> {
    /// What every router gets.
    Base,
    /// What every router is protected by.
    Security,
    /// A network of the address plan; the base network of its type when `base`.
    Network {
        network: NetworkType,
        base: bool,
        subnet: &'a Subnet,
    },
    Link {
        group: WanType,
        link: &'a WanLink,
    },
    MultiLink {
        group: WanType,
        config: &'a MultiLinkConfig,
    },
    Dns(&'a DnsConfig),
    WireguardClient(&'a WireguardClient),
    OpenVpnClient(&'a OpenVpnClient),
    PptpClient(&'a PptpClient),
    L2tpClient(&'a L2tpClient),
    SstpClient(&'a SstpClient),
    Ikev2Client(&'a Ikev2Client),
    WireguardServer(&'a WireguardServer),
    PptpServer(&'a PptpServer),
    L2tpServer(&'a L2tpServer),
    SstpServer(&'a SstpServer),
    OpenVpnServer(&'a OpenVpnServer),
    Ikev2Server(&'a Ikev2Server),
    Socks5Server(&'a Socks5Server),
    SshServer(&'a SshServer),
    HttpProxyServer(&'a HttpProxyServer),
    BackToHomeServer(&'a BackToHomeServer),
    ZeroTierServer(&'a ZeroTierServer),
    Ipip(&'a IpipTunnel),
    Eoip(&'a EoipTunnel),
    Gre(&'a GreTunnel),
    Vxlan(&'a VxlanTunnel),
    Wireless(&'a Wireless),
    Port(&'a Port),
    /// The trunk to the slaves.
    TrunkMaster(&'a RouterModel),
    /// The trunk to the master.
    TrunkSlave(&'a RouterModel),
    Identity(&'a RouterIdentity),
    Ntp(&'a NtpConfig),
    Services(&'a Services),
    Ddns(&'a CloudDdnsConfig),
    Upnp(&'a UpnpConfig),
    Certificate(&'a CertificateConfig),
    Graphing(&'a GraphingConfig),
    NatPmp(&'a NatPmpConfig),
    UsefulServices(&'a UsefulServices),
    Game(&'a Game),
    /// The router's time zone, by its IANA name.
    TimeZone(&'a str),
    /// It reboots.
    Reboot(&'a Schedule),
    /// It looks for a new release.
    Update(&'a Schedule),
    /// It renews its list of domestic addresses.
    DomesticIps(&'a Schedule),
}

/// The resources that a document has for a router, in order.
pub fn decompose(state: &StarState, role: Role) -> Vec<Resource<'_>> {
    let mut list = List(Vec::new());
    list.one("system.baseconfig", "$", Content::Base);
    list.one("system.security", "$", Content::Security);
    networks(&mut list, state);
    links(&mut list, state);
    clients(&mut list, state);
    servers(&mut list, state);
    lan(&mut list, state);
    trunk(&mut list, state, role);
    extra(&mut list, state);
    if role != Role::Master {
        list.0.retain(|resource| is_for_slaves(&resource.content));
    }
    list.0
}

fn is_for_slaves(content: &Content<'_>) -> bool {
    matches!(
        content,
        Content::TrunkSlave(_)
            | Content::Wireless(_)
            | Content::Port(_)
            | Content::Identity(_)
            | Content::Services(_)
            | Content::Ntp(_)
            | Content::Graphing(_)
            | Content::TimeZone(_)
            | Content::Reboot(_)
            | Content::Update(_)
    )
}

struct List<'a>(Vec<Resource<'a>>);

impl<'a> List<'a> {
    fn push(&mut self, resource_type: impl Into<String>, name: &str, source: impl Into<String>, content: Content<'a>) {
        let (resource_type, source) = (resource_type.into(), source.into());
        self.0.push(Resource { resource_type, name: name.to_owned(), source, content });
    }

    fn one(&mut self, resource_type: &str, source: &str, content: Content<'a>) {
        self.push(resource_type, "", source, content);
    }

    /// One for each of a list of the document.
    fn each<T>(
        &mut self,
        items: &'a [T],
        resource_type: &str,
        source: &str,
        what: impl Fn(&'a T) -> (&'a str, Content<'a>),
    ) {
        for (number, item) in items.iter().enumerate() {
            let (name, content) = what(item);
            self.push(resource_type, name, format!("{source}[{number}]"), content);
        }
    }

    fn each_numbered<T>(&mut self, items: &'a [T], prefix: &str, source: &str, what: impl Fn(&'a T) -> Content<'a>) {
        for (number, item) in items.iter().enumerate() {
            self.push(format!("{prefix}.{number}"), "", format!("{source}[{number}]"), what(item));
        }
    }

    fn network(&mut self, planned: PlannedNetwork<'a>) {
        let PlannedNetwork { network, base, subnet, source, .. } = planned;
        // A network without addresses is left out; validation says so.
        if subnet.subnet.trim().is_empty() {
            return;
        }
        let kind = format!("lan.network.{}", network.word().to_ascii_lowercase());
        self.push(kind, if base { "" } else { &subnet.name }, source, Content::Network { network, base, subnet });
    }
}

fn networks<'a>(list: &mut List<'a>, state: &'a StarState) {
    for planned in planned_networks(state) {
        list.network(planned);
    }
}

/// A network of the address plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedNetwork<'a> {
    /// Of which type.
    pub network: NetworkType,
    /// Whether it is the base network of its type.
    pub base: bool,
    /// For the network behind a VPN client how the client's protocol is called in names of VLANs.
    pub client: Option<&'static str>,
    /// Its addresses.
    pub subnet: &'a Subnet,
    /// Where it stands in the document.
    pub source: String,
}

/// The networks of the address plan, also those without addresses; base networks first.
pub fn planned_networks(state: &StarState) -> Vec<PlannedNetwork<'_>> {
    let Some(subnets) = state.lan.as_ref().and_then(|lan| lan.subnets.as_ref()) else { return Vec::new() };
    let base = &subnets.base_subnets;
    let of_base = [
        (NetworkType::Split, &base.split, "split"),
        (NetworkType::Domestic, &base.domestic, "domestic"),
        (NetworkType::Foreign, &base.foreign, "foreign"),
        (NetworkType::Vpn, &base.vpn, "vpn"),
    ];
    let mut all = Vec::new();
    for (network, subnet, key) in of_base {
        if let Some(subnet) = subnet {
            let source = format!("$.lan.subnets.baseSubnets.{key}");
            all.push(PlannedNetwork { network, base: true, client: None, subnet, source });
        }
    }
    let mut more = vec![
        (NetworkType::Foreign, None, &subnets.foreign_subnets, "foreignSubnets".to_owned()),
        (NetworkType::Domestic, None, &subnets.domestic_subnets, "domesticSubnets".to_owned()),
    ];
    if let Some(clients) = &subnets.vpn_client_subnets {
        let of_clients = [
            ("WG", &clients.wireguard, "wireguard"),
            ("OVPN", &clients.open_vpn, "openVpn"),
            ("PPTP", &clients.pptp, "pptp"),
            ("L2TP", &clients.l2tp, "l2tp"),
            ("SSTP", &clients.sstp, "sstp"),
            ("IKEv2", &clients.ikev2, "ikev2"),
        ];
        let of_clients = of_clients
            .map(|(client, list, key)| (NetworkType::Vpn, Some(client), list, format!("vpnClientSubnets.{key}")));
        more.extend(of_clients);
    }
    for (network, client, subnets, key) in more {
        for (number, subnet) in subnets.iter().enumerate() {
            let source = format!("$.lan.subnets.{key}[{number}]");
            all.push(PlannedNetwork { network, base: false, client, subnet, source });
        }
    }
    all
}

fn links<'a>(list: &mut List<'a>, state: &'a StarState) {
    let links = &state.wan.wan_link;
    for (group, word, found) in
        [(WanType::Domestic, "domestic", &links.domestic), (WanType::Foreign, "foreign", &links.foreign)]
    {
        let Some(found) = found else { continue };
        let source = format!("$.wan.wanLink.{word}");
        let what = |link: &'a WanLink| (link.name.as_str(), Content::Link { group, link });
        list.each(&found.wan_configs, &format!("wan.link.{word}"), &format!("{source}.wanConfigs"), what);
        if let Some(config) = &found.multi_link_config {
            let kind = format!("wan.multilink.{word}");
            list.one(&kind, &format!("{source}.multiLinkConfig"), Content::MultiLink { group, config });
        }
    }
    if let Some(dns) = &state.wan.dns_config {
        list.one("system.dns", "$.wan.dnsConfig", Content::Dns(dns));
    }
}

fn clients<'a>(list: &mut List<'a>, state: &'a StarState) {
    let Some(clients) = &state.wan.vpn_client else { return };
    let source = |key: &str| format!("$.wan.vpnClient.{key}");
    list.each(&clients.wireguard, "vpn.wireguard.client", &source("wireguard"), |it| {
        (&it.base.name, Content::WireguardClient(it))
    });
    list.each(&clients.open_vpn, "vpn.openvpn.client", &source("openVpn"), |it| {
        (&it.base.name, Content::OpenVpnClient(it))
    });
    list.each(&clients.pptp, "vpn.pptp.client", &source("pptp"), |it| (&it.base.name, Content::PptpClient(it)));
    list.each(&clients.l2tp, "vpn.l2tp.client", &source("l2tp"), |it| (&it.base.name, Content::L2tpClient(it)));
    list.each(&clients.sstp, "vpn.sstp.client", &source("sstp"), |it| (&it.base.name, Content::SstpClient(it)));
    list.each(&clients.ikev2, "vpn.ikev2.client", &source("ikev2"), |it| (&it.base.name, Content::Ikev2Client(it)));
    let tunnels =
        [clients.wireguard.len(), clients.open_vpn.len(), clients.pptp.len(), clients.l2tp.len(), clients.sstp.len()];
    if let Some(config) = clients.multi_link_config.as_ref().filter(|_| tunnels.iter().sum::<usize>() >= 2) {
        let content = Content::MultiLink { group: WanType::Vpn, config };
        list.one("wan.multilink.vpn", &source("multiLinkConfig"), content);
    }
}

/// Servers that are switched off are no resources: what an earlier document switched on is taken back because nothing wants it any
/// longer.
fn servers<'a>(list: &mut List<'a>, state: &'a StarState) {
    let Some(servers) = state.lan.as_ref().and_then(|lan| lan.vpn_server.as_ref()) else { return };
    let source = |key: &str| format!("$.lan.vpnServer.{key}");
    list.each(&servers.wireguard_servers, "vpn.wireguard.server", &source("wireguardServers"), |it| {
        (&it.name, Content::WireguardServer(it))
    });
    let mut server = |protocol: &str, key: &str, content: Option<Content<'a>>| {
        if let Some(content) = content {
            list.push(format!("vpn.{protocol}.server"), protocol, source(key), content);
        }
    };
    let pptp = servers.pptp_server.as_ref().filter(|it| it.base.enabled);
    server("pptp", "pptpServer", pptp.map(Content::PptpServer));
    let l2tp = servers.l2tp_server.as_ref().filter(|it| it.base.enabled);
    server("l2tp", "l2tpServer", l2tp.map(Content::L2tpServer));
    let sstp = servers.sstp_server.as_ref().filter(|it| it.base.enabled);
    server("sstp", "sstpServer", sstp.map(Content::SstpServer));
    for (number, it) in servers.open_vpn_server.iter().enumerate().filter(|(_, it)| it.base.enabled) {
        let name = if it.name.is_empty() { "openvpn" } else { &it.name };
        list.push(
            "vpn.openvpn.server",
            name,
            format!("{}[{number}]", source("openVpnServer")),
            Content::OpenVpnServer(it),
        );
    }
    let mut server = |protocol: &str, key: &str, content: Option<Content<'a>>| {
        if let Some(content) = content {
            list.push(format!("vpn.{protocol}.server"), protocol, source(key), content);
        }
    };
    let ikev2 = servers.ikev2_server.as_ref().filter(|it| it.base.enabled);
    server("ikev2", "ikev2Server", ikev2.map(Content::Ikev2Server));
    let socks5 = servers.socks5_server.as_ref().filter(|it| it.enabled);
    server("socks5", "socks5Server", socks5.map(Content::Socks5Server));
    let ssh = servers.ssh_server.as_ref().filter(|it| it.enabled);
    server("ssh", "sshServer", ssh.map(Content::SshServer));
    let proxy = servers.http_proxy_server.as_ref().filter(|it| it.enabled);
    server("httpproxy", "httpProxyServer", proxy.map(Content::HttpProxyServer));
    let home = servers.back_to_home_server.as_ref().filter(|it| it.enabled);
    server("backtohome", "backToHomeServer", home.map(Content::BackToHomeServer));
    let zerotier = servers.zero_tier_server.as_ref().filter(|it| it.enabled);
    server("zerotier", "zeroTierServer", zerotier.map(Content::ZeroTierServer));
}

fn lan<'a>(list: &mut List<'a>, state: &'a StarState) {
    let Some(lan) = &state.lan else { return };
    if let Some(tunnels) = &lan.tunnel {
        list.each(&tunnels.ipip, "tunnel.ipip", "$.lan.tunnel.ipip", |it| (&it.base.name, Content::Ipip(it)));
        list.each(&tunnels.eoip, "tunnel.eoip", "$.lan.tunnel.eoip", |it| (&it.base.name, Content::Eoip(it)));
        list.each(&tunnels.gre, "tunnel.gre", "$.lan.tunnel.gre", |it| (&it.base.name, Content::Gre(it)));
        list.each(&tunnels.vxlan, "tunnel.vxlan", "$.lan.tunnel.vxlan", |it| (&it.base.name, Content::Vxlan(it)));
    }
    list.each_numbered(&lan.wireless, "system.wireless", "$.lan.wireless", Content::Wireless);
    list.each_numbered(&lan.interface, "lan.interface", "$.lan.interface", Content::Port);
}

fn trunk<'a>(list: &mut List<'a>, state: &'a StarState, role: Role) {
    let Some((entry, model)) = role.trunk(state) else { return };
    let source = format!("$.choose.routerModels[{entry}].masterSlaveInterface");
    match role {
        Role::Master => list.one("lan.trunk.master", &source, Content::TrunkMaster(model)),
        Role::Slave(_) => list.one("lan.trunk.slave", &source, Content::TrunkSlave(model)),
    }
}

fn extra<'a>(list: &mut List<'a>, state: &'a StarState) {
    let Some(extra) = &state.extra else { return };
    let services = extra.service_config.as_ref().map(|config| &config.services);
    let parts = [
        ("system.identity", "routerIdentity", extra.router_identity.as_ref().map(Content::Identity)),
        ("system.ntp", "ntpConfig", extra.ntp_config.as_ref().map(Content::Ntp)),
        ("system.services", "serviceConfig.services", services.map(Content::Services)),
        ("system.ddns", "cloudDdnsConfig", extra.cloud_ddns_config.as_ref().map(Content::Ddns)),
        ("system.upnp", "upnpConfig", extra.upnp_config.as_ref().map(Content::Upnp)),
        ("system.certificate", "certificateConfig", extra.certificate_config.as_ref().map(Content::Certificate)),
        ("system.graphing", "graphingConfig", extra.graphing_config.as_ref().map(Content::Graphing)),
        ("system.natpmp", "natpmpConfig", extra.natpmp_config.as_ref().map(Content::NatPmp)),
        ("system.usefulServices", "usefulServices", extra.useful_services.as_ref().map(Content::UsefulServices)),
    ];
    for (kind, key, content) in parts {
        if let Some(content) = content {
            list.one(kind, &format!("$.extra.{key}"), content);
        }
    }
    list.each_numbered(&extra.games, "system.game", "$.extra.games", Content::Game);
    let Some(rui) = &extra.rui_config else { return };
    if !rui.timezone.is_empty() {
        list.one("system.scheduler.timezone", "$.extra.ruiConfig.timezone", Content::TimeZone(&rui.timezone));
    }
    // A schedule is one only when it says both how often and when.
    let complete = |schedule: &'a Option<Schedule>| {
        schedule.as_ref().filter(|schedule| !schedule.interval.is_empty() && !schedule.time.is_empty())
    };
    let schedules = [
        ("system.scheduler.reboot", "reboot", complete(&rui.reboot).map(Content::Reboot)),
        ("system.scheduler.update", "update", complete(&rui.update).map(Content::Update)),
        ("system.domesticips", "ipAddressUpdate", complete(&rui.ip_address_update).map(Content::DomesticIps)),
    ];
    for (kind, key, content) in schedules {
        if let Some(content) = content {
            list.one(kind, &format!("$.extra.ruiConfig.{key}"), content);
        }
    }
}

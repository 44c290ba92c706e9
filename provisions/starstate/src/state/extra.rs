//! What a router has besides: its name, services, time, certificates, graphs, port forwarding.

use super::part::{Hidden, Unused, Word, structure};

structure! {
    /// All the rest.
    Extra {
        /// Name and RoMON.
        router_identity: Option<RouterIdentity> = "routerIdentity" | "routerIdentityRomon",
        /// Management services.
        service_config: Option<ServiceConfig> = "serviceConfig",
        /// Time zone and schedules.
        rui_config: Option<Rui> = "ruiConfig" | "rui",
        /// Certificate.
        certificate_config: Option<CertificateConfig> = "certificateConfig",
        /// Time.
        ntp_config: Option<NtpConfig> = "ntpConfig",
        /// Graphs.
        graphing_config: Option<GraphingConfig> = "graphingConfig",
        /// DDNS.
        cloud_ddns_config: Option<CloudDdnsConfig> = "cloudDdnsConfig",
        /// UPnP.
        upnp_config: Option<UpnpConfig> = "upnpConfig",
        /// NAT-PMP.
        natpmp_config: Option<NatPmpConfig> = "natpmpConfig",
        /// Relays and proxy.
        useful_services: Option<UsefulServices> = "usefulServices",
        /// Game port steering.
        games: Vec<Game> = "games",
        /// What is domestic where the router stands.
        region: Option<Region> = "region",
    }
}

structure! {
    /// What is domestic where a router stands.
    Region {
        /// Suffixes of domestic names; `ir` when empty.
        domains: Vec<String> = "domains",
        /// Where the list of domestic addresses is: an https URL that takes `format`, `limit` and `offset`.
        addresses: String = "addresses",
        /// A list with fewer entries than this is strange; 38000 when absent.
        usual: Option<i64> = "usual",
        /// A list with fewer entries than this is incomplete; 35000 when absent.
        least: Option<i64> = "least",
    }
}

structure! {
    /// Name and RoMON.
    RouterIdentity {
        /// Alternative name; used when routerIdentity is absent.
        router_name: String = "routerName",
        /// Has no effect.
        router_comment: Unused = "routerComment",
        /// /tool/romon enabled.
        romon_enabled: Option<bool> = "romonEnabled" | "isRomon",
        /// /tool/romon secrets.
        romon_secret: Hidden = "romonSecret",
        /// /system/identity name.
        router_identity: String = "routerIdentity",
    }
}

structure! {
    /// The management services.
    ServiceConfig {
        /// The eight services.
        services: Services = "services",
    }
}

structure! {
    /// The eight services.
    Services {
        /// → api.
        api: Option<ServicePort> = "api",
        /// → api-ssl.
        api_ssl: Option<ServicePort> = "apiSsl",
        /// → ftp.
        ftp: Option<ServicePort> = "ftp",
        /// → ssh.
        ssh: Option<ServicePort> = "ssh",
        /// → telnet.
        telnet: Option<ServicePort> = "telnet",
        /// → winbox.
        winbox: Option<ServicePort> = "winbox",
        /// → www.
        web: Option<ServicePort> = "web",
        /// → www-ssl.
        web_ssl: Option<ServicePort> = "webSsl",
    }
}

structure! {
    /// One service.
    ServicePort {
        /// Two-state form.
        enabled: Option<bool> = "enabled",
        /// Listen port.
        port: Option<i64> = "port",
        /// Tri-state `Enable` / `Disable` / `Local`; wins over enabled.
        kind: String = "type",
    }
}

structure! {
    /// When something happens.
    Schedule {
        /// `Daily` / `Weekly` / `Monthly` / empty.
        interval: String = "interval",
        /// HH:MM.
        time: String = "time",
    }
}

structure! {
    /// Time zone and schedules, besides preferences of the wizard.
    Rui {
        /// Has no effect.
        enabled: Unused = "enabled",
        /// Has no effect.
        port: Unused = "port",
        /// Has no effect.
        theme: Unused = "theme",
        /// Has no effect.
        language_code: Unused = "languageCode",
        /// Has no effect.
        session_timeout: Unused = "sessionTimeout",
        /// IANA zone.
        timezone: String = "timezone",
        /// Scheduled reboot.
        reboot: Option<Schedule> = "reboot",
        /// Scheduled upgrade.
        update: Option<Schedule> = "update",
        /// Domestic-IP list refresh.
        ip_address_update: Option<Schedule> = "ipAddressUpdate",
    }
}

structure! {
    /// Traffic of a game, which takes a network of its own.
    Game {
        /// Game.
        name: String = "name",
        /// Network the traffic must use.
        network: String = "network",
        /// Port lists.
        ports: Option<GamePorts> = "ports",
        /// Has no effect.
        wan2wan: Unused = "wan2wan",
        /// Has no effect.
        dos_protection: Unused = "dosProtection",
        /// Has no effect.
        netflow_enabled: Unused = "netflowEnabled",
    }
}

structure! {
    /// Its ports.
    GamePorts {
        /// Ports or ranges.
        tcp: Vec<String> = "tcp",
        /// Ports or ranges.
        udp: Vec<String> = "udp",
    }
}

structure! {
    /// The router's certificate.
    CertificateConfig {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Free text.
        certificate_provider: String = "certificateProvider",
        /// Has no effect.
        auto_renew: Unused = "autoRenew",
        /// Has no effect.
        renewal_days_before: Unused = "renewalDaysBefore",
        /// Make a self-signed certificate.
        self_signed: Option<bool> = "selfSigned",
        /// Request a Let's Encrypt certificate.
        lets_encrypt: Option<bool> = "letsEncrypt",
    }
}

structure! {
    /// Where the time comes from.
    NtpConfig {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Host names or addresses.
        servers: Vec<String> = "servers",
        /// Has no effect.
        interval: Unused = "interval",
        /// Has no effect.
        synchronize: Unused = "synchronize",
    }
}

structure! {
    /// Graphs.
    GraphingConfig {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Store-every hint.
        interval: Option<i64> = "interval",
        /// Has no effect.
        retention: Unused = "retention",
        /// Store-on-disk hint.
        storage: String = "storage",
        /// /tool/graphing/interface.
        interface: Option<bool> = "interface",
        /// /tool/graphing/queue.
        queue: Option<bool> = "queue",
        /// /tool/graphing/resource.
        resources: Option<bool> = "resources",
    }
}

structure! {
    /// A name that follows the router's address.
    DdnsEntry {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Has no effect.
        interface: Unused = "interface",
        /// Login.
        username: String = "username",
        /// Secret.
        password: Hidden = "password",
        /// `no-ip` `dyndns` `duckdns` `cloudflare` `custom`.
        provider: String = "provider" | "service",
        /// Record.
        hostname: String = "hostname" | "domain",
        /// `5m` `10m` `30m` `1h`.
        update_interval: Word = "updateInterval" | "interval",
        /// URL for custom.
        custom_server_url: String = "customServerURL",
    }
}

structure! {
    /// Names that follow the router's address.
    CloudDdnsConfig {
        /// MikroTik cloud DDNS.
        enabled: Option<bool> = "enabled",
        /// Third-party entries (no generator exists in either source).
        entries: Vec<DdnsEntry> = "entries" | "ddnsEntries",
    }
}

structure! {
    /// UPnP.
    UpnpConfig {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Has no effect.
        allow_device2_device: Unused = "allowDevice2Device",
        /// Has no effect.
        external_ip_address: Unused = "externalIpAddress",
        /// Has no effect.
        allowed_ports: Unused = "allowedPorts",
        /// Has no effect.
        lease_time: Unused = "leaseTime",
        /// `domestic` / `foreign` / `vpn` / empty.
        link_type: String = "linkType",
    }
}

structure! {
    /// NAT-PMP.
    NatPmpConfig {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Has no effect.
        external_ip: Unused = "externalIp",
        /// Has no effect.
        lifetime: Unused = "lifetime",
        /// `domestic` / `foreign` / `vpn` / empty.
        link_type: String = "linkType",
        /// Link name or interface of the external side.
        interface_name: String = "interfaceName",
    }
}

structure! {
    /// Relays and proxy.
    UsefulServices {
        /// Has no effect.
        smtp_relay_enabled: Unused = "smtpRelayEnabled",
        /// /ip/dns allow-remote-requests.
        dns_relay_enabled: Option<bool> = "dnsRelayEnabled",
        /// /ip/proxy enabled.
        proxy_enabled: Option<bool> = "proxyEnabled",
        /// Has no effect.
        dhcp_relay_enabled: Unused = "dhcpRelayEnabled",
        /// Has no effect.
        bandwidth_limit: Unused = "bandwidthLimit",
    }
}

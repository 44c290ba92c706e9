//! Uplinks, how several of them work together, and resolvers.

use super::clients::VpnClients;
use super::part::{Hidden, Unused, structure};
use super::words::{LoadBalanceMethod, Strategy, WanType};

structure! {
    /// All that leads out.
    WanState {
        /// The two link groups.
        wan_link: WanLinks = "wanLink",
        /// Outgoing VPNs.
        vpn_client: Option<VpnClients> = "vpnClient",
        /// DNS per network.
        dns_config: Option<DnsConfig> = "dnsConfig",
    }
}

structure! {
    /// The two groups of uplinks.
    WanLinks {
        /// Foreign group.
        foreign: Option<WanLinkGroup> = "foreign",
        /// Domestic group.
        domestic: Option<WanLinkGroup> = "domestic",
    }
}

structure! {
    /// Uplinks of one kind.
    WanLinkGroup {
        /// The links, in order.
        wan_configs: Vec<WanLink> = "wanConfigs",
        /// How the links of the group work together.
        multi_link_config: Option<MultiLinkConfig> = "multiLinkConfig",
    }
}

structure! {
    /// One uplink.
    WanLink {
        /// Unique inside the group; part of interface names.
        name: String = "name",
        /// Physical side.
        interface_config: InterfaceConfig = "interfaceConfig",
        /// Exactly one connection kind.
        connection_config: Option<ConnectionConfig> = "connectionConfig",
        /// Failover order, lower first; default 0.
        priority: Option<i64> = "priority",
        /// Has no effect.
        weight: Unused = "weight",
    }
}

structure! {
    /// The physical side of an uplink.
    InterfaceConfig {
        /// Physical interface (etherN, sfpN, sfp-sfpplusN, wifi2.4, wifi5, wifi5-2, lteN, or any existing interface).
        interface_name: String = "interfaceName",
        /// Join another network as a station.
        wireless_credentials: Option<WirelessCredentials> = "wirelessCredentials",
        /// VLAN tag 1–4094 as text (accept numbers).
        vlan_id: String = "vlanId",
        /// The MAC address that the provider sees.
        mac_address: String = "macAddress",
    }
}

structure! {
    /// How to join somebody else's wireless network.
    WirelessCredentials {
        /// Network to join.
        ssid: String = "ssid",
        /// Its passphrase.
        password: Hidden = "password",
    }
}

structure! {
    /// How an uplink gets its address: exactly one of these.
    ConnectionConfig {
        /// DHCP client.
        is_dhcp: Option<bool> = "isDhcp",
        /// PPPoE.
        pppoe: Option<PppoeConfig> = "pppoe",
        /// Fixed address.
        fixed: Option<StaticConfig> = "static",
        /// Mobile.
        lte_settings: Option<LteSettings> = "lteSettings",
    }
}

structure! {
    /// A login at the provider.
    PppoeConfig {
        /// Login.
        username: String = "username",
        /// Secret.
        password: Hidden = "password",
    }
}

structure! {
    /// A fixed address.
    StaticConfig {
        /// Address without prefix.
        ip_address: String = "ipAddress",
        /// Dotted mask, prefix length or /n.
        subnet: String = "subnet",
        /// Next hop.
        gateway: String = "gateway",
        /// Comma-separated servers for /ip/dns.
        dns: String = "dns",
    }
}

structure! {
    /// A mobile network.
    LteSettings {
        /// APN; also the profile name.
        apn: String = "apn",
    }
}

structure! {
    /// Resolvers of the networks.
    DnsConfig {
        /// Resolver(s) for Foreign.
        foreign_dns: String = "foreignDns",
        /// For VPN.
        vpn_dns: String = "vpnDns",
        /// For Domestic.
        domestic_dns: String = "domesticDns",
        /// For Split.
        split_dns: String = "splitDns",
        /// DNS over HTTPS.
        doh: Option<DohConfig> = "doh",
    }
}

structure! {
    /// DNS over HTTPS.
    DohConfig {
        /// DoH URL or host.
        domain: String = "domain",
        /// Address the DoH host name is pinned to.
        binding_ip: String = "bindingIp",
    }
}

structure! {
    /// An uplink, by group and name.
    WanInterface {
        /// Enum WANType.
        wan_type: WanType = "wanType",
        /// Link name inside that group.
        wan_name: String = "wanName",
    }
}

structure! {
    /// How several links work together.
    MultiLinkConfig {
        /// Enum.
        strategy: Strategy = "strategy",
        /// Enum; required for LoadBalance.
        load_balance_method: Option<LoadBalanceMethod> = "loadBalanceMethod",
        /// Probe settings.
        failover_config: Option<FailoverConfig> = "failoverConfig",
        /// Has no effect.
        round_robin_interval: Unused = "roundRobinInterval",
    }
}

structure! {
    /// How links are probed.
    FailoverConfig {
        /// Seconds, default 10.
        failover_check_interval: Option<i64> = "failoverCheckInterval",
        /// Seconds, default 2.
        failover_timeout: Option<i64> = "failoverTimeout",
    }
}

//! What the wizard asked first: mode, routers, and which networks there are.

use super::part::structure;
use super::words::{Firmware, Mode, RouterMode, WanLinkType};

structure! {
    /// The first choices.
    Choose {
        /// Enum Mode; stored on the session.
        mode: Mode = "mode",
        /// Enum; only `MikroTik` is provisionable.
        firmware: Firmware = "firmware",
        /// Enum; decides which link groups exist.
        wan_link_type: WanLinkType = "wanLinkType",
        /// Enum; `Trunk Mode` turns on.
        router_mode: RouterMode = "routerMode",
        /// Which networks exist.
        networks: Networks = "networks",
        /// Routers: the master, others are slaves.
        router_models: Vec<RouterModel> = "routerModels",
        /// Which of them this router is, by its place from 0; the master when absent.
        router: Option<i64> = "router",
        /// Kind of trunk.
        trunk_interface_type: String = "trunkInterfaceType",
    }
}

structure! {
    /// A router that the document is about.
    RouterModel {
        /// `isMaster`.
        is_master: bool = "isMaster",
        /// `model`.
        model: String = "model",
        /// `isChr`.
        is_chr: Option<bool> = "isChr",
        /// `cpuArch`.
        cpu_arch: String = "cpuArch",
        /// `masterSlaveInterface`.
        master_slave_interface: String = "masterSlaveInterface",
        /// `interfaces`.
        interfaces: RouterInterfaces = "interfaces",
    }
}

structure! {
    /// Which networks there are.
    Networks {
        /// Which of the four base networks exist.
        base_networks: Option<BaseNetworks> = "baseNetworks",
        /// Extra foreign networks (one per foreign link).
        foreign_networks: Vec<String> = "foreignNetworks",
        /// Extra domestic networks.
        domestic_networks: Vec<String> = "domesticNetworks",
        /// One per VPN client.
        vpn_client_networks: Option<ClientNetworks> = "vpnClientNetworks",
        /// Per VPN server.
        vpn_server_networks: Option<ServerNetworks> = "vpnServerNetworks",
        /// Per tunnel.
        tunnel_networks: Option<TunnelNetworks> = "tunnelNetworks",
    }
}

structure! {
    /// Which of the four base networks there are.
    BaseNetworks {
        /// Split group.
        split: Option<bool> = "split",
        /// Domestic group.
        domestic: Option<bool> = "domestic",
        /// Foreign group.
        foreign: Option<bool> = "foreign",
        /// VPN group.
        vpn: Option<bool> = "vpn",
    }
}

structure! {
    /// Networks behind VPN clients, by name.
    ClientNetworks {
        /// WireGuard.
        wireguard: Vec<String> = "wireguard",
        /// OpenVPN.
        open_vpn: Vec<String> = "openVpn",
        /// L2TP.
        l2tp: Vec<String> = "l2tp",
        /// PPTP.
        pptp: Vec<String> = "pptp",
        /// SSTP.
        sstp: Vec<String> = "sstp",
        /// IKEv2.
        ikev2: Vec<String> = "ikev2",
    }
}

structure! {
    /// Networks of VPN servers.
    ServerNetworks {
        /// WireGuard.
        wireguard: Vec<String> = "wireguard",
        /// OpenVPN.
        open_vpn: Vec<String> = "openVpn",
        /// L2TP.
        l2tp: Option<bool> = "l2tp",
        /// PPTP.
        pptp: Option<bool> = "pptp",
        /// SSTP.
        sstp: Option<bool> = "sstp",
        /// IKEv2.
        ikev2: Option<bool> = "ikev2",
        /// SOCKS5.
        socks5: Option<bool> = "socks5",
        /// SSH.
        ssh: Option<bool> = "ssh",
        /// HTTP proxy.
        http_proxy: Option<bool> = "httpProxy",
        /// Back to Home.
        back_to_home: Option<bool> = "backToHome",
        /// ZeroTier.
        zero_tier: Option<bool> = "zeroTier",
    }
}

structure! {
    /// Networks of tunnels, by name.
    TunnelNetworks {
        /// IPIP.
        ipip: Vec<String> = "ipip",
        /// EoIP.
        eoip: Vec<String> = "eoip",
        /// GRE.
        gre: Vec<String> = "gre",
        /// VXLAN.
        vxlan: Vec<String> = "vxlan",
    }
}

structure! {
    /// The interfaces of a router.
    RouterInterfaces {
        /// By kind.
        interfaces: InterfaceNames = "interfaces",
        /// What some of them are used for.
        occupied_interfaces: Vec<OccupiedInterface> = "occupiedInterfaces",
    }
}

structure! {
    /// Names of interfaces, by kind.
    InterfaceNames {
        /// Ethernet ports.
        ethernet: Vec<String> = "ethernet",
        /// Radios, by the wizard's names: `wifi2.4`, `wifi5`, `wifi5-2`.
        wireless: Vec<String> = "wireless",
        /// SFP ports.
        sfp: Vec<String> = "sfp",
        /// Modems.
        lte: Vec<String> = "lte",
    }
}

structure! {
    /// An interface that is used.
    OccupiedInterface {
        /// Its name.
        interface: String = "interface",
        /// What for.
        used_for: String = "usedFor",
    }
}

//! What is behind the router: wireless networks, ports, address plan.

use super::part::{Hidden, structure};
use super::servers::VpnServers;
use super::tunnels::Tunnels;
use super::words::WifiTarget;

structure! {
    /// All that is behind the router.
    LanState {
        /// SSIDs.
        wireless: Vec<Wireless> = "wireless",
        /// VPN servers and users.
        vpn_server: Option<VpnServers> = "vpnServer",
        /// Site tunnels.
        tunnel: Option<Tunnels> = "tunnel",
        /// Port to network mapping.
        interface: Vec<Port> = "interface",
        /// Address plan.
        subnets: Option<Subnets> = "subnets",
    }
}

structure! {
    /// A wireless network.
    Wireless {
        /// Network name.
        ssid: String = "ssid",
        /// WPA passphrase 8–63.
        password: Hidden = "password",
        /// Hidden SSID.
        is_hide: bool = "isHide",
        /// Skip this SSID.
        is_disabled: bool = "isDisabled",
        /// One SSID per band (suffix).
        split_band: bool = "splitBand",
        /// Enum; network the SSID bridges into.
        wifi_target: WifiTarget = "wifiTarget",
        /// Named network for Single* targets or a custom one.
        network_name: String = "networkName",
    }
}

structure! {
    /// Which network a port belongs to.
    Port {
        /// Port.
        name: String = "name",
        /// Network name (`Split`, `Foreign`, `Foreign-Guest`…) or a bridge name.
        bridge: String = "bridge",
    }
}

structure! {
    /// The addresses of a network.
    Subnet {
        /// Network name.
        name: String = "name",
        /// CIDR; empty = not provisioned (warning).
        subnet: String = "subnet",
    }
}

structure! {
    /// The address plan.
    Subnets {
        /// Base networks.
        base_subnets: BaseSubnets = "baseSubnets",
        /// Extra foreign.
        foreign_subnets: Vec<Subnet> = "foreignSubnets",
        /// Extra domestic.
        domestic_subnets: Vec<Subnet> = "domesticSubnets",
        /// Per VPN client.
        vpn_client_subnets: Option<ClientSubnets> = "vpnClientSubnets",
        /// Per VPN server.
        vpn_server_subnets: Option<ServerSubnets> = "vpnServerSubnets",
        /// Per tunnel.
        tunnel_subnets: Option<TunnelSubnets> = "tunnelSubnets",
    }
}

structure! {
    /// Addresses of the base networks.
    BaseSubnets {
        /// Split group.
        split: Option<Subnet> = "split",
        /// Domestic group.
        domestic: Option<Subnet> = "domestic",
        /// Foreign group.
        foreign: Option<Subnet> = "foreign",
        /// VPN group.
        vpn: Option<Subnet> = "vpn",
    }
}

structure! {
    /// Addresses of networks behind VPN clients.
    ClientSubnets {
        /// WireGuard.
        wireguard: Vec<Subnet> = "wireguard",
        /// OpenVPN.
        open_vpn: Vec<Subnet> = "openVpn",
        /// L2TP.
        l2tp: Vec<Subnet> = "l2tp",
        /// PPTP.
        pptp: Vec<Subnet> = "pptp",
        /// SSTP.
        sstp: Vec<Subnet> = "sstp",
        /// IKEv2.
        ikev2: Vec<Subnet> = "ikev2",
    }
}

structure! {
    /// Addresses of those who call VPN servers.
    ServerSubnets {
        /// WireGuard.
        wireguard: Vec<Subnet> = "wireguard",
        /// OpenVPN.
        open_vpn: Vec<Subnet> = "openVpn",
        /// L2TP.
        l2tp: Option<Subnet> = "l2tp",
        /// PPTP.
        pptp: Option<Subnet> = "pptp",
        /// SSTP.
        sstp: Option<Subnet> = "sstp",
        /// IKEv2.
        ikev2: Option<Subnet> = "ikev2",
        /// SOCKS5.
        socks5: Option<Subnet> = "socks5",
        /// SSH.
        ssh: Option<Subnet> = "ssh",
        /// HTTP proxy.
        http_proxy: Option<Subnet> = "httpProxy",
        /// Back to Home.
        back_to_home: Option<Subnet> = "backToHome",
        /// ZeroTier.
        zero_tier: Option<Subnet> = "zeroTier",
    }
}

structure! {
    /// Addresses of tunnels.
    TunnelSubnets {
        /// IPIP.
        ipip: Vec<Subnet> = "ipip",
        /// EoIP.
        eoip: Vec<Subnet> = "eoip",
        /// GRE.
        gre: Vec<Subnet> = "gre",
        /// VXLAN.
        vxlan: Vec<Subnet> = "vxlan",
    }
}

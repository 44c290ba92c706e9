//! Tunnels between sites.

use serde_json::Value as Json;

use super::part::{Hidden, Part, Reader, Secrets, Unused, Word, structure};

structure! {
    /// All tunnels.
    Tunnels {
        /// IPIP.
        ipip: Vec<IpipTunnel> = "ipip",
        /// EoIP.
        eoip: Vec<EoipTunnel> = "eoip",
        /// GRE.
        gre: Vec<GreTunnel> = "gre",
        /// VXLAN.
        vxlan: Vec<VxlanTunnel> = "vxlan",
    }
}

structure! {
    /// What all tunnels have.
    TunnelBase {
        /// Interface name as is.
        name: String = "name",
        /// Local end; empty = let the router choose, and take the tunnel address from the subnet.
        local_address: String = "localAddress",
        /// Remote end address.
        remote_address: String = "remoteAddress",
        /// False → disabled=yes.
        enabled: Option<bool> = "enabled",
        /// Interface MTU.
        mtu: Option<i64> = "mtu",
        /// Free text, appended to the tag after " | ".
        comment: String = "comment",
        /// Has no effect.
        kind: Unused = "type",
        /// Network the far side belongs to.
        network_type: String = "networkType",
        /// Inverse of enabled.
        disabled: Option<bool> = "disabled",
    }
}

structure! {
    /// An IPIP tunnel.
    IpipTunnel : base TunnelBase {
        /// Fast path allowed (forced off when IPsec is on).
        allow_fast_path: Option<bool> = "allowFastPath",
        /// RouterOS fields of the same name.
        ipsec_secret: Hidden = "ipsecSecret",
        /// `keepalive`.
        keepalive: Word = "keepalive" | "keepAlive",
        /// `clampTcpMss`.
        clamp_tcp_mss: Option<bool> = "clampTcpMss",
        /// `dscp`.
        dscp: Word = "dscp",
        /// `dontFragment`.
        dont_fragment: String = "dontFragment",
    }
}

structure! {
    /// An EoIP tunnel.
    EoipTunnel : base TunnelBase {
        /// Tunnel-id.
        tunnel_id: Option<i64> = "tunnelId",
        /// Fast path allowed (forced off when IPsec is on).
        allow_fast_path: Option<bool> = "allowFastPath",
        /// RouterOS fields of the same name.
        ipsec_secret: Hidden = "ipsecSecret",
        /// `keepalive`.
        keepalive: Word = "keepalive" | "keepAlive",
        /// `clampTcpMss`.
        clamp_tcp_mss: Option<bool> = "clampTcpMss",
        /// `dscp`.
        dscp: Word = "dscp",
        /// `dontFragment`.
        dont_fragment: String = "dontFragment",
        /// `macAddress`.
        mac_address: String = "macAddress",
        /// `arp`.
        arp: String = "arp",
        /// `arpTimeout`.
        arp_timeout: Option<i64> = "arpTimeout",
        /// `loopProtect`.
        loop_protect: String = "loopProtect",
        /// `loopProtectDisableTime`.
        loop_protect_disable_time: Option<i64> = "loopProtectDisableTime",
        /// `loopProtectSendInterval`.
        loop_protect_send_interval: Option<i64> = "loopProtectSendInterval",
    }
}

structure! {
    /// A GRE tunnel.
    GreTunnel : base TunnelBase {
        /// Fast path allowed (forced off when IPsec is on).
        allow_fast_path: Option<bool> = "allowFastPath",
        /// Has no effect.
        key_id: Unused = "keyId",
        /// As for IPIP.
        ipsec_secret: Hidden = "ipsecSecret",
        /// `keepalive`.
        keepalive: Word = "keepalive" | "keepAlive",
        /// `clampTcpMss`.
        clamp_tcp_mss: Option<bool> = "clampTcpMss",
        /// `dscp`.
        dscp: Word = "dscp",
        /// `dontFragment`.
        dont_fragment: String = "dontFragment",
    }
}

structure! {
    /// A VXLAN.
    VxlanTunnel : base TunnelBase {
        /// Vni.
        vni: Option<i64> = "vni",
        /// Has no effect.
        vxlan_id: Unused = "vxlanId",
        /// Remote VTEPs.
        vteps: Vec<Vtep> = "vteps",
        /// Has no effect.
        fdb: Unused = "fdb",
        /// `bumMode` is `unicast` or `multicast`; `vteps` items may be objects {remoteAddress, comment}; `fdb` may
        /// be a list of {interface, remoteAddress, comment}.
        port: Option<i64> = "port",
        /// `interface`.
        interface: String = "interface",
        /// `bumMode`.
        bum_mode: String = "bumMode",
        /// `group`.
        group: String = "group",
        /// Has no effect.
        multicast_interface: Unused = "multicastInterface",
        /// `hw`.
        hw: Option<bool> = "hw",
        /// `learning`.
        learning: Option<bool> = "learning",
        /// Has no effect.
        allow_fast_path: Unused = "allowFastPath",
        /// `arp`.
        arp: String = "arp",
        /// Has no effect.
        arp_timeout: Unused = "arpTimeout",
        /// `bridge`.
        bridge: String = "bridge",
        /// `bridgePvid`.
        bridge_pvid: Option<i64> = "bridgePvid",
        /// `checkSum`.
        check_sum: Option<bool> = "checkSum",
        /// Has no effect.
        dont_fragment: Unused = "dontFragment",
        /// `macAddress`.
        mac_address: String = "macAddress",
        /// `maxFdbSize`.
        max_fdb_size: Option<i64> = "maxFdbSize",
        /// `ttl`.
        ttl: Word = "ttl",
        /// `vrf`.
        vrf: String = "vrf",
        /// `vtepsIpVersion`.
        vteps_ip_version: String = "vtepsIpVersion",
    }
}

structure! {
    /// Another end of a VXLAN.
    VtepKeys {
        /// Its address.
        remote_address: String = "remoteAddress",
        /// Free text, which stands behind the tag.
        comment: String = "comment",
    }
}

/// Another end of a VXLAN: an address, or an object with one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vtep(pub VtepKeys);

impl Part for Vtep {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Vtep {
        Vtep(match json {
            Json::String(address) => VtepKeys { remote_address: address.clone(), ..VtepKeys::default() },
            other => VtepKeys::read(other, at, reader),
        })
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        self.0.write(secrets)
    }
}

//! VPN servers and the users who may call.

use super::clients::Server;
use super::ikev2::Ikev2Server;
use super::part::{Hidden, Unused, Word, structure};

structure! {
    /// All VPN servers.
    VpnServers {
        /// Accounts shared by the servers.
        users: Vec<User> = "users",
        /// PPTP.
        pptp_server: Option<PptpServer> = "pptpServer",
        /// L2TP.
        l2tp_server: Option<L2tpServer> = "l2tpServer",
        /// SSTP.
        sstp_server: Option<SstpServer> = "sstpServer",
        /// OpenVPN (object; a list is accepted).
        open_vpn_server: Vec<OpenVpnServer> = "openVpnServer",
        /// IKEv2.
        ikev2_server: Option<Ikev2Server> = "ikev2Server",
        /// WireGuard, any number.
        wireguard_servers: Vec<WireguardServer> = "wireguardServers",
        /// SOCKS5.
        socks5_server: Option<Socks5Server> = "socks5Server",
        /// SSH.
        ssh_server: Option<SshServer> = "sshServer",
        /// HTTP proxy.
        http_proxy_server: Option<HttpProxyServer> = "httpProxyServer",
        /// Back to Home.
        back_to_home_server: Option<BackToHomeServer> = "backToHomeServer",
        /// ZeroTier.
        zero_tier_server: Option<ZeroTierServer> = "zeroTierServer",
        /// Passphrase for exported client certificates.
        certificate_passphrase: Hidden = "certificatePassphrase",
    }
}

structure! {
    /// Somebody who may call.
    User {
        /// Login.
        username: String = "username",
        /// Secret.
        password: Hidden = "password",
        /// Target network.
        network: String = "network",
        /// Which servers: `Wireguard` `OpenVPN` `PPTP` `L2TP` `SSTP` `IKeV2` `Socks5` `SSH` `HTTPProxy` `BackToHome`
        /// `ZeroTier`; empty = all PPP servers.
        vpn_type: Vec<String> = "vpnType",
    }
}

structure! {
    /// Where callers belong.
    ServerNetwork {
        /// Base network the clients join.
        name: String = "name",
        /// CIDR.
        subnet: String = "subnet",
        /// Same, when the name is custom.
        kind: String = "type",
    }
}

structure! {
    /// What the servers of PPP and IKEv2 have.
    ServerBase {
        /// Switch.
        enabled: bool = "enabled",
        /// Use this PPP profile name.
        default_profile: String = "defaultProfile",
        /// Keepalive, seconds.
        keepalive_timeout: Option<i64> = "keepaliveTimeout",
        /// Single method (list accepted).
        authentication: Vec<String> = "authentication",
        /// Has no effect.
        packet_size: Unused = "packetSize",
        /// Address range and target network.
        network: Option<ServerNetwork> = "network" | "vsNetwork",
        /// Max MTU.
        max_mtu: Option<i64> = "maxMtu",
        /// Max MRU.
        max_mru: Option<i64> = "maxMru",
        /// `disabled` or bytes.
        mrru: Word = "mrru",
    }
}

structure! {
    /// The PPTP server.
    PptpServer : base ServerBase {
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// Not a RouterOS field of the server; map to use-encryption of the profile.
        encryption: String = "encryption",
        /// Has no effect.
        mppe_key_size: Unused = "mppeKeySize",
        /// → use-encryption=required.
        require_mppe: Option<bool> = "requireMppe",
        /// → use-encryption=required.
        require_encryption: Option<bool> = "requireEncryption",
    }
}

structure! {
    /// The L2TP server.
    L2tpServer : base ServerBase {
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// Boolean (also `no`/`yes`/`required`).
        use_ipsec: Word = "useIpsec",
        /// IPsec shared secret.
        ipsec_secret: Hidden = "ipsecSecret",
        /// Has no effect.
        l2tp_version: Unused = "l2tpVersion",
        /// L2TPv3 cookie length 0/4/8.
        cookie_length: Option<i64> = "cookieLength",
        /// L2TPv3 digest `md5`/`none`/`sha1`.
        digest_hash: String = "digestHash",
        /// L2TPv3 circuit id.
        circuit_id: String = "circuitId",
        /// L2TPv3.
        l2tpv3: Option<L2tpv3> = "l2tpv3Config" | "l2tpv3",
        /// Fast path allowed (forced off when IPsec is on).
        allow_fast_path: Option<bool> = "allowFastPath" | "fastPath",
        /// Number (also `unlimited`).
        max_sessions: Word = "maxSessions",
        /// One-session-per-host.
        one_session_per_host: Option<bool> = "oneSessionPerHost",
        /// `all` / `l2tpv2` / `l2tpv3`.
        accept_proto_version: String = "acceptProtoVersion",
        /// `ip-address` / `number`.
        caller_id_type: String = "callerIdType",
    }
}

structure! {
    /// Settings for version 3 of L2TP.
    L2tpv3 {
        /// Has no effect.
        session_id: Unused = "sessionId",
        /// L2TPv3 cookie length 0/4/8.
        cookie_length: Option<i64> = "cookieLength" | "l2tpv3CookieLength",
        /// Has no effect.
        l3_encapsulation: Unused = "l3Encapsulation",
        /// L2tpv3-ether-interface-list.
        ether_interface_list: String = "etherInterfaceList" | "l2tpv3EtherInterfaceList",
        /// The circuit, and the digest..
        circuit_id: String = "circuitId" | "l2tpv3CircuitId",
        /// `digestHash`.
        digest_hash: String = "digestHash" | "l2tpv3DigestHash",
    }
}

structure! {
    /// The SSTP server.
    SstpServer : base ServerBase {
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort" | "port",
        /// Certificate name.
        certificate: String = "certificate",
        /// Cipher suite.
        ciphers: Vec<String> = "ciphers",
        /// TLS version enum.
        tls_version: String = "tlsVersion",
        /// Has no effect.
        require_encryption: Unused = "requireEncryption",
        /// Has no effect.
        compress_data: Unused = "compressData",
        /// Has no effect.
        force_aes: Unused = "forceAes",
        /// Perfect forward secrecy.
        pfs: Word = "pfs",
        /// Verify-client-certificate.
        verify_client_certificate: Option<bool> = "verifyClientCertificate",
    }
}

structure! {
    /// An OpenVPN server.
    OpenVpnServer : base ServerBase {
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort" | "port",
        /// Transport.
        protocol: String = "protocol",
        /// One cipher.
        cipher: Vec<String> = "cipher",
        /// One digest.
        auth: Vec<String> = "auth",
        /// TLS version enum.
        tls_version: String = "tlsVersion",
        /// Certificate names.
        certificates: Option<OpenVpnServerCertificates> = "certificates",
        /// Require-client-certificate.
        require_client_certificate: Option<bool> = "requireClientCertificate",
        /// Has no effect.
        tls_auth: Unused = "tlsAuth",
        /// Has no effect.
        compress_data: Unused = "compressData",
        /// Has no effect.
        allowed_subnets: Unused = "allowedSubnets",
        /// IPv6 tunnel.
        ipv6_config: Option<OpenVpnIpv6> = "ipv6Config",
        /// Has no effect.
        encryption: Unused = "encryption",
        /// Server name (RouterOS ≥ 7.17 instances).
        name: String = "name",
        /// `ip` / `ethernet`.
        mode: String = "mode",
        /// VRF name.
        vrf: String = "vrf",
        /// Redirect-gateway=def1.
        redirect_gateway: Word = "redirectGateway" | "redirectGetway",
        /// Push-routes.
        push_routes: Vec<String> = "pushRoutes",
        /// Reneg-sec.
        reneg_sec: Option<i64> = "renegSec",
        /// Netmask.
        netmask: String = "netmask",
        /// MAC address.
        mac_address: String = "macAddress",
        /// Pool handed to clients.
        address_pool: String = "addressPool",
    }
}

structure! {
    /// Certificates of an OpenVPN server.
    OpenVpnServerCertificates {
        /// Has no effect.
        ca: Unused = "ca",
        /// Name of a certificate on the router (a value with line breaks is PEM text, not a name).
        cert: String = "cert" | "certificate",
        /// Has no effect.
        key: Unused = "key",
        /// Has no effect.
        dh: Unused = "dh",
    }
}

structure! {
    /// IPv6 inside OpenVPN.
    OpenVpnIpv6 {
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// CIDR.
        subnet: String = "subnet",
    }
}

structure! {
    /// A WireGuard server.
    WireguardServer {
        /// Label, becomes part of object names.
        name: String = "name",
        /// Interface.
        interface: WireguardInterface = "interface",
        /// Peers.
        peers: Vec<WireguardPeer> = "peers",
    }
}

structure! {
    /// Its interface.
    WireguardInterface {
        /// Private-key (secret).
        private_key: Hidden = "privateKey",
        /// CIDR on the interface.
        address: String = "address" | "interfaceAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort",
        /// Interface MTU.
        mtu: Option<i64> = "mtu",
        /// DNS offered in client files.
        dns: String = "dns",
        /// Has no effect.
        name: Unused = "name",
        /// Has no effect.
        public_key: Unused = "publicKey",
        /// Target network.
        vs_network: Option<ServerNetwork> = "vsNetwork",
    }
}

structure! {
    /// A peer that may call.
    WireguardPeer {
        /// Public-key.
        public_key: String = "publicKey",
        /// Allowed-address.
        allowed_ips: String = "allowedIps" | "allowedAddress",
        /// Endpoint-address/-port.
        endpoint: Option<Server> = "endpoint",
        /// Preshared-key (secret).
        preshared_key: Hidden = "presharedKey",
        /// Seconds; absent = none.
        persistent_keepalive: Option<i64> = "persistentKeepalive",
        /// Data for a client file.
        client: Option<WireguardPeerClient> = "client",
        /// Responder flag.
        responder: Option<bool> = "responder",
        /// Free text, appended to the tag after " | ".
        comment: String = "comment",
    }
}

structure! {
    /// What a peer's own configuration file says.
    WireguardPeerClient {
        /// Label, becomes part of object names.
        name: String = "name",
        /// Switch.
        enabled: Option<bool> = "enabled",
        /// Host or address.
        address: String = "address",
        /// DNS server(s).
        dns: String = "dns",
        /// Endpoint.
        endpoint: String = "endpoint",
        /// Seconds.
        keepalive: Option<i64> = "keepalive",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort",
    }
}

structure! {
    /// The SOCKS5 proxy.
    Socks5Server {
        /// Switch.
        enabled: bool = "enabled",
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort" | "port",
        /// User names allowed in.
        allowed_users: Vec<String> = "allowedUsers",
        /// Target network.
        network: Option<ServerNetwork> = "network",
    }
}

structure! {
    /// The SSH server, for forwarding.
    SshServer {
        /// Switch.
        enabled: bool = "enabled",
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort" | "port",
        /// User names allowed in.
        allowed_users: Vec<String> = "allowedUsers",
        /// Target network.
        network: Option<ServerNetwork> = "network",
    }
}

structure! {
    /// The HTTP proxy.
    HttpProxyServer {
        /// Switch.
        enabled: bool = "enabled",
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort" | "port",
        /// Has no effect.
        allowed_users: Unused = "allowedUsers",
        /// Target network.
        network: Option<ServerNetwork> = "network",
        /// Source addresses allowed.
        allowed_ip_addresses: Vec<String> = "allowedIpAddresses",
    }
}

structure! {
    /// Back to Home.
    BackToHomeServer {
        /// Switch.
        enabled: bool = "enabled",
        /// CIDR of the interface, default 10.99.0.1/24.
        client_subnet: String = "clientSubnet",
        /// Has no effect.
        allowed_devices: Unused = "allowedDevices",
        /// Target network.
        network: Option<ServerNetwork> = "network",
    }
}

structure! {
    /// Membership in a ZeroTier network.
    ZeroTierServer {
        /// Switch.
        enabled: bool = "enabled",
        /// 16-hex id, required.
        network_id: String = "networkId" | "zeroTierNetworkId",
        /// Has no effect.
        allowed_members: Unused = "allowedMembers",
        /// Target network.
        network: Option<ServerNetwork> = "network",
    }
}

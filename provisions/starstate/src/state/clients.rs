//! VPN clients: tunnels from the router to somewhere else.

use super::part::{Hidden, Unused, Word, structure};
use super::wan::{MultiLinkConfig, WanInterface};

structure! {
    /// All VPN clients.
    VpnClients {
        /// WireGuard clients.
        wireguard: Vec<WireguardClient> = "wireguard",
        /// OpenVPN clients.
        open_vpn: Vec<OpenVpnClient> = "openVpn",
        /// L2TP clients.
        l2tp: Vec<L2tpClient> = "l2tp",
        /// PPTP clients.
        pptp: Vec<PptpClient> = "pptp",
        /// SSTP clients.
        sstp: Vec<SstpClient> = "sstp",
        /// IKEv2 clients.
        ikev2: Vec<Ikev2Client> = "ikev2",
        /// Strategy across the VPN clients.
        multi_link_config: Option<MultiLinkConfig> = "multiLinkConfig",
    }
}

structure! {
    /// A server somewhere else.
    Server {
        /// Host or address.
        address: String = "address",
        /// 0 or absent = protocol default.
        port: Option<i64> = "port",
    }
}

structure! {
    /// A login.
    Credentials {
        /// Login.
        username: String = "username",
        /// Secret.
        password: Hidden = "password",
    }
}

structure! {
    /// What all VPN clients have.
    ClientBase {
        /// Label, becomes part of object names.
        name: String = "name",
        /// Lower is preferred.
        priority: Option<i64> = "priority",
        /// Has no effect.
        weight: Unused = "weight",
        /// Uplink the tunnel should leave through.
        wan_interface: Option<WanInterface> = "wanInterface",
    }
}

structure! {
    /// A WireGuard client: one interface with one peer.
    WireguardClient : base ClientBase {
        /// Private-key (secret).
        interface_private_key: Hidden = "interfacePrivateKey",
        /// CIDR for the interface.
        interface_address: String = "interfaceAddress",
        /// Listen-port; 0/absent = let the router choose.
        interface_listen_port: Option<i64> = "interfaceListenPort",
        /// Mtu.
        interface_mtu: Option<i64> = "interfaceMtu",
        /// Added to the resolvers of VPN.
        interface_dns: String = "interfaceDns",
        /// Public-key.
        peer_public_key: String = "peerPublicKey",
        /// Endpoint-address.
        peer_endpoint_address: String = "peerEndpointAddress",
        /// Endpoint-port.
        peer_endpoint_port: Option<i64> = "peerEndpointPort",
        /// Allowed-address.
        peer_allowed_ips: String = "peerAllowedIps",
        /// Preshared-key (secret).
        peer_preshared_key: Hidden = "peerPresharedKey",
        /// Seconds, default 25.
        peer_persistent_keepalive: Option<i64> = "peerPersistentKeepalive",
    }
}

structure! {
    /// Certificates of an OpenVPN client.
    OpenVpnClientCertificates {
        /// Has no effect.
        ca: Unused = "ca",
        /// Name of a certificate on the router (a value with line breaks is PEM text, not a name).
        cert: String = "cert",
        /// Has no effect.
        key: Unused = "key",
        /// Name of the client certificate on the router.
        client_certificate_name: String = "clientCertificateName",
        /// Name of the CA on the router.
        ca_certificate_name: String = "caCertificateName",
        /// PEM text to import.
        ca_certificate_content: String = "caCertificateContent",
        /// PEM text to import.
        client_certificate_content: String = "clientCertificateContent",
        /// PEM text to import.
        client_key_content: Hidden = "clientKeyContent",
    }
}

structure! {
    /// An OpenVPN client.
    OpenVpnClient : base ClientBase {
        /// Connect-to and port.
        server: Server = "server",
        /// See.
        mode: String = "mode",
        /// UDP/TCP.
        protocol: String = "protocol",
        /// Login.
        credentials: Credentials = "credentials",
        /// Has no effect.
        auth_type: Unused = "authType",
        /// Digest.
        auth: String = "auth",
        /// Cipher.
        cipher: String = "cipher",
        /// TLS version enum.
        tls_version: String = "tlsVersion",
        /// Certificate references.
        certificates: Option<OpenVpnClientCertificates> = "certificates",
        /// Check the server certificate.
        verify_server_certificate: Option<bool> = "verifyServerCertificate",
        /// True → add-default-route=no.
        route_no_pull: Option<bool> = "routeNoPull",
        /// Has no effect.
        ovpn_file_content: Unused = "ovpnFileContent",
        /// Passphrase of the key (secret).
        key_passphrase: Hidden = "keyPassphrase",
    }
}

structure! {
    /// A PPTP client.
    PptpClient : base ClientBase {
        /// Address (port has no RouterOS field).
        connect_to: Option<Server> = "connectTo",
        /// Older plain-string form.
        connect_to_address: String = "connectToAddress",
        /// Login.
        credentials: Credentials = "credentials",
        /// List form; wins over the single value when non-empty.
        auth_methods: Vec<String> = "authMethods" | "authMethod",
        /// Keepalive, seconds.
        keepalive_timeout: Option<i64> = "keepaliveTimeout",
        /// Connect only when traffic flows.
        dial_on_demand: Option<bool> = "dialOnDemand",
    }
}

structure! {
    /// An L2TP client.
    L2tpClient : base ClientBase {
        /// Connect-to.
        server: Server = "server",
        /// Login.
        credentials: Credentials = "credentials",
        /// IPsec on/off.
        use_ipsec: Option<bool> = "useIpsec",
        /// IPsec shared secret.
        ipsec_secret: Hidden = "ipsecSecret",
        /// List form; wins over the single value when non-empty.
        auth_methods: Vec<String> = "authMethods" | "authMethod",
        /// 2 or 3.
        proto_version: Word = "protoVersionStr" | "protoVersion",
        /// Allow-fast-path when IPsec is off.
        fast_path: Option<bool> = "fastPath",
        /// Keepalive, seconds.
        keep_alive: Word = "keepAliveStr" | "keepAlive",
        /// Connect only when traffic flows.
        dial_on_demand: Option<bool> = "dialOnDemand",
        /// L2TPv3 cookie length 0/4/8.
        cookie_length: Option<i64> = "cookieLength",
        /// L2TPv3 digest `md5`/`none`/`sha1`.
        digest_hash: String = "digestHash",
        /// L2TPv3 circuit id.
        circuit_id: String = "circuitId",
    }
}

structure! {
    /// An SSTP client.
    SstpClient : base ClientBase {
        /// Connect-to and port.
        server: Server = "server",
        /// Login.
        credentials: Credentials = "credentials",
        /// List form; wins over the single value when non-empty.
        auth_methods: Vec<String> = "authMethods" | "authMethod",
        /// Cipher suite.
        ciphers: Vec<String> = "ciphersList" | "ciphers",
        /// TLS version enum.
        tls_version: String = "tlsVersion",
        /// HTTP proxy.
        proxy: Option<Server> = "proxy",
        /// Non-empty → add-sni=yes.
        sni: Word = "sniEnabled" | "sni",
        /// Perfect forward secrecy.
        pfs: Word = "pfsStr" | "pfs",
        /// Connect only when traffic flows.
        dial_on_demand: Option<bool> = "dialOnDemand",
        /// Keepalive, seconds.
        keep_alive: Option<i64> = "keepAlive",
        /// Check the server certificate.
        verify_server_certificate: Option<bool> = "verifyServerCertificate",
        /// Check the address in it.
        verify_server_address_from_certificate: Option<bool> = "verifyServerAddressFromCertificate",
        /// Name of the client certificate on the router.
        client_certificate_name: String = "clientCertificateName",
    }
}

structure! {
    /// An IKEv2 client.
    Ikev2Client : base ClientBase {
        /// Peer address and port.
        server: Option<Server> = "server",
        /// Plain-string form; wins.
        server_address: String = "serverAddress",
        /// EAP login; password doubles as PSK.
        credentials: Option<Credentials> = "credentials",
        /// Enum IkeV2AuthMethod.
        auth_method: String = "authMethod",
        /// PSK; wins over credentials.password.
        preshared_key: Hidden = "presharedKey",
        /// Name of the client certificate on the router.
        client_certificate_name: String = "clientCertificateName",
        /// Name of the CA on the router.
        ca_certificate_name: String = "caCertificateName",
        /// List, default eap-mschapv2.
        eap_methods: Vec<String> = "eapMethods",
        /// Phase 1 list; wins.
        enc_algorithm: Vec<String> = "encAlgorithm",
        /// Phase 1 list; wins.
        hash_algorithm: Vec<String> = "hashAlgorithm",
        /// Phase 1 list; wins.
        dh_group: Vec<String> = "dhGroup",
        /// Phase 1 lifetime text; wins.
        lifetime: String = "lifetime",
        /// NAT-T.
        nat_traversal: Option<bool> = "natTraversal",
        /// Dead-peer interval, RouterOS duration.
        dpd_interval: String = "dpdInterval",
        /// Phase 2 group; wins.
        pfs_group: String = "pfsGroup",
        /// Phase 2 lifetime text; wins.
        proposal_lifetime: String = "proposalLifetime",
        /// Policy source, default 0.0.0.0/0.
        policy_src_address: String = "policySrcAddress",
        /// Policy destination; wins over allowedSubnet.
        policy_dst_address: String = "policyDstAddress",
        /// Default encrypt.
        policy_action: String = "policyAction",
        /// Default require.
        policy_level: String = "policyLevel",
        /// False → no mode-config.
        enable_mode_config: Option<bool> = "enableModeConfig",
        /// Has no effect.
        request_address_pool: Unused = "requestAddressPool",
        /// Mode-config src-address-list.
        src_address_list: String = "srcAddressList",
        /// Mode-config connection-mark.
        connection_mark: String = "connectionMark",
        /// Id kind.
        my_id_type: String = "myIdType",
        /// Own id.
        my_id: String = "myId",
        /// Id kind.
        remote_id_type: String = "remoteIdType",
        /// Remote id.
        remote_id: String = "remoteId",
        /// Default port-strict.
        generate_policy: String = "generatePolicy",
        /// Peer port; wins over server.port.
        port: Option<i64> = "port",
        /// Local end address.
        local_address: String = "localAddress",
        /// Peer send-initial-contact; wins.
        send_initial_contact: Option<bool> = "sendInitialContact",
        /// Overrides the object name.
        profile_name: String = "profileName",
        /// Overrides the object name.
        peer_name: String = "peerName",
        /// Overrides the object name.
        proposal_name: String = "proposalName",
        /// Overrides the object name.
        policy_group_name: String = "policyGroupName",
        /// Overrides the object name.
        mode_config_name: String = "modeConfigName",
        /// My-id text.
        local_identity: String = "localIdentity",
        /// Remote-id text.
        remote_identity: String = "remoteIdentity",
        /// Has no effect.
        version: Unused = "version",
        /// Phase 1 cipher, also mapped to phase 2.
        encryption_algorithm: String = "encryptionAlgorithm",
        /// Hash for phase 1 and 2.
        integrity_algorithm: String = "integrityAlgorithm",
        /// Has no effect.
        prf_algorithm: Unused = "prfAlgorithm",
        /// Phase 1 DH group.
        dh_group_ike: String = "dhGroupIke",
        /// Phase 2 PFS group.
        dh_group_esp: String = "dhGroupEsp",
        /// Seconds.
        lifetime_ike: Option<i64> = "lifetimeIke",
        /// Seconds.
        lifetime_esp: Option<i64> = "lifetimeEsp",
        /// Has no effect.
        rekey_interval: Unused = "rekeyInterval",
        /// Dead-peer interval, seconds.
        dpd_timeout: Option<i64> = "dpdTimeout",
        /// Has no effect.
        mobike_enabled: Unused = "mobikeEnabled",
        /// Has no effect.
        eager_mode_enabled: Unused = "eagerModeEnabled",
        /// Has no effect.
        child_sa_lifetime: Unused = "childSaLifetime",
        /// Has no effect.
        child_sa_rekey_margin: Unused = "childSaRekeyMargin",
        /// Has no effect.
        child_sa_rekey_fuzz: Unused = "childSaRekeyFuzz",
        /// Older form.
        initial_contact_enabled: Option<bool> = "initialContactEnabled",
        /// Has no effect.
        force_encapsulation: Unused = "forceEncapsulation",
        /// Has no effect.
        install_policy: Unused = "installPolicy",
        /// Certificate.
        certificate: String = "certificate",
        /// Has no effect.
        private_key_password: Unused = "privateKeyPassword",
        /// Remote-certificate.
        certificate_authority: String = "certificateAuthority",
        /// Policy destination.
        allowed_subnet: String = "allowedSubnet",
        /// Has no effect.
        dial_on_demand: Unused = "dialOnDemand",
    }
}

//! The IKEv2 server and the parts of IPsec that it may name.

use super::part::{Hidden, Unused, structure};
use super::servers::ServerBase;

structure! {
    /// The IKEv2 server.
    Ikev2Server : base ServerBase {
        /// Has no effect.
        listen_address: Unused = "listenAddress",
        /// TCP/UDP port.
        listen_port: Option<i64> = "listenPort",
        /// Certificate of the responder.
        certificate: Option<VpnCertificate> = "certificate",
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
        /// Seconds, phase 2.
        child_sa_lifetime: Option<i64> = "childSaLifetime",
        /// Seconds, phase 1.
        ike_lifetime: Option<i64> = "ikeLifetime",
        /// Has no effect.
        rekey_interval: Unused = "rekeyInterval",
        /// Dead-peer interval, seconds.
        dpd_timeout: Option<i64> = "dpdTimeout",
        /// Has no effect.
        mobike_enabled: Unused = "mobikeEnabled",
        /// Has no effect.
        force_encapsulation: Unused = "forceEncapsulation",
        /// Has no effect.
        install_policy: Unused = "installPolicy",
        /// Named overrides, phase 1.
        ipsec_profile: Option<IpsecProfile> = "ipsecProfile" | "profile",
        /// Named overrides, phase 2.
        ipsec_proposal: Option<IpsecProposal> = "ipsecProposal" | "proposal",
        /// Has no effect.
        ipsec_peers: Unused = "ipsecPeers",
        /// Auth.
        ipsec_identity: Option<IpsecIdentity> = "ipsecIdentity",
        /// Has no effect.
        ipsec_mode_config: Unused = "ipsecModeConfig",
        /// Has no effect.
        ipsec_policy_group: Option<IpsecPolicyGroup> = "ipsecPolicyGroup" | "policyGroup",
        /// Template addresses.
        ipsec_policy_template: Option<IpsecPolicyTemplate> = "ipsecPolicyTemplate",
        /// Addresses for clients.
        ip_pool: Option<IpPool> = "ipPool",
    }
}

structure! {
    /// Phase 1.
    IpsecProfile {
        /// Label, becomes part of object names.
        name: String = "name",
        /// Has no effect.
        phase1: Unused = "phase1",
        /// Has no effect.
        phase2: Unused = "phase2",
        /// Hash.
        hash_algorithm: Vec<String> = "hashAlgorithm",
        /// Cipher.
        enc_algorithm: Vec<String> = "encAlgorithm",
        /// DH group.
        dh_group: Vec<String> = "dhGroup",
        /// RouterOS duration.
        lifetime: String = "lifetime",
        /// NAT-T.
        nat_traversal: Option<bool> = "natTraversal",
        /// Dead-peer interval, RouterOS duration.
        dpd_interval: String = "dpdInterval",
        /// Dpd-maximum-failures.
        dpd_maximum_failures: Option<i64> = "dpdMaximumFailures",
        /// Lifebytes.
        lifebytes: Option<i64> = "lifebytes",
        /// Proposal-check.
        proposal_check: String = "proposalCheck",
    }
}

structure! {
    /// Phase 2.
    IpsecProposal {
        /// Label, becomes part of object names.
        name: String = "name",
        /// Phase 1 cipher, also mapped to phase 2.
        encryption_algorithm: Vec<String> = "encryptionAlgorithm" | "encAlgorithms",
        /// Auth-algorithms.
        auth_algorithm: Vec<String> = "authAlgorithm" | "authAlgorithms",
        /// DH group.
        dh_group: String = "dhGroup" | "pfsGroup",
    }
}

structure! {
    /// How callers prove who they are.
    IpsecIdentity {
        /// `psk` / `pre-shared-key` → PSK, anything else → certificate.
        kind: String = "type",
        /// PSK text (secret).
        content: Hidden = "content",
    }
}

structure! {
    /// The group of policies.
    IpsecPolicyGroup {
        /// Label, becomes part of object names.
        name: String = "name",
        /// Has no effect.
        direction: Unused = "direction",
        /// Has no effect.
        source_subnet: Unused = "sourceSubnet",
        /// Has no effect.
        destination_subnet: Unused = "destinationSubnet",
        /// Has no effect.
        protocol: Unused = "protocol",
        /// Has no effect.
        source_port: Unused = "sourcePort",
        /// Has no effect.
        destination_port: Unused = "destinationPort",
    }
}

structure! {
    /// The template of policies.
    IpsecPolicyTemplate {
        /// Has no effect.
        name: Unused = "name",
        /// Has no effect.
        source_subnet_type: Unused = "sourceSubnetType",
        /// Source CIDR.
        source_subnet: String = "sourceSubnet",
        /// Has no effect.
        dest_subnet_type: Unused = "destSubnetType",
        /// Destination CIDR.
        dest_subnet: String = "destSubnet",
    }
}

structure! {
    /// Addresses for callers.
    IpPool {
        /// Label, becomes part of object names.
        name: String = "name",
        /// First address.
        start_ip: String = "startIp",
        /// Last address.
        end_ip: String = "endIp",
        /// Mode-config static-dns.
        dns_server: String = "dnsServer",
        /// Has no effect.
        ntp_server: Unused = "ntpServer",
    }
}

structure! {
    /// A certificate.
    VpnCertificate {
        /// Certificate name.
        name: String = "name",
        /// CN.
        common_name: String = "commonName",
        /// `country`.
        country: String = "country",
        /// `state`.
        state: String = "state",
        /// Locality.
        city: String = "city",
        /// `org`.
        org: String = "org",
        /// `unit`.
        unit: String = "unit",
        /// Subject-alt-name.
        email: String = "email",
        /// Has no effect.
        valid_from: Unused = "validFrom",
        /// → days-valid.
        valid_to: String = "validTo",
    }
}

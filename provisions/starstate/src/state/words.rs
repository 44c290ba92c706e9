//! The words of a document that decide what is made.

use super::part::words;

words! {
    /// How much the wizard asked.
    Mode {
        /// Little.
        #[default]
        Easy = "easy",
        /// All.
        Advance = "advance" | "advanced",
    }
}

words! {
    /// The system of the router.
    Firmware {
        /// RouterOS.
        #[default]
        MikroTik = "MikroTik",
        /// Known, but not configured by us.
        OpenWrt = "OpenWRT",
    }
}

words! {
    /// Which groups of uplinks there are.
    WanLinkType {
        /// Domestic links.
        #[default]
        Domestic = "domestic",
        /// Foreign links.
        Foreign = "foreign",
        /// Both.
        Both = "both",
    }
}

words! {
    /// Whether there is one router or several.
    RouterMode {
        /// One.
        #[default]
        Ap = "AP Mode",
        /// A master and slaves behind its trunk port.
        Trunk = "Trunk Mode",
    }
}

words! {
    /// A group of links.
    WanType {
        /// Domestic uplinks.
        #[default]
        Domestic = "Domestic",
        /// Foreign uplinks.
        Foreign = "Foreign",
        /// VPN clients.
        Vpn = "VPN",
    }
}

words! {
    /// How several links share the traffic.
    Strategy {
        /// It is spread.
        #[default]
        LoadBalance = "LoadBalance",
        /// The first that works carries all.
        Failover = "Failover",
        /// New connections go round.
        RoundRobin = "RoundRobin",
        /// It is spread over those that work.
        Both = "Both",
    }
}

words! {
    /// How traffic is spread.
    LoadBalanceMethod {
        /// By a hash of the addresses.
        #[default]
        Pcc = "PCC",
        /// Every n-th connection.
        Nth = "NTH",
        /// By routes of equal cost.
        Ecmp = "ECMP",
        /// Ports joined to one; known, but refused.
        Bonding = "Bonding",
    }
}

words! {
    /// The network of a wireless network.
    WifiTarget {
        /// The base network.
        #[default]
        Domestic = "Domestic",
        /// The base network.
        Foreign = "Foreign",
        /// The base network.
        Vpn = "VPN",
        /// The base network.
        Split = "Split",
        /// One of several domestic networks.
        SingleDomestic = "SingleDomestic",
        /// One of several foreign networks.
        SingleForeign = "SingleForeign",
        /// The network behind a VPN client.
        SingleVpn = "SingleVPN",
    }
}

/// A type of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkType {
    /// Decides by destination.
    Split,
    /// Leaves by domestic uplinks.
    Domestic,
    /// Leaves by foreign uplinks.
    Foreign,
    /// Leaves through VPN clients.
    Vpn,
}

impl NetworkType {
    /// All, in the order in which they are made.
    pub const ALL: [NetworkType; 4] =
        [NetworkType::Split, NetworkType::Domestic, NetworkType::Foreign, NetworkType::Vpn];

    /// As it stands in names on the router.
    pub fn word(self) -> &'static str {
        match self {
            NetworkType::Split => "Split",
            NetworkType::Domestic => "Domestic",
            NetworkType::Foreign => "Foreign",
            NetworkType::Vpn => "VPN",
        }
    }

    /// The type that a word names, in any case.
    pub fn from_word(word: &str) -> Option<NetworkType> {
        NetworkType::ALL.into_iter().find(|network| network.word().eq_ignore_ascii_case(word))
    }
}

impl From<WanType> for NetworkType {
    fn from(wan: WanType) -> NetworkType {
        match wan {
            WanType::Domestic => NetworkType::Domestic,
            WanType::Foreign => NetworkType::Foreign,
            WanType::Vpn => NetworkType::Vpn,
        }
    }
}

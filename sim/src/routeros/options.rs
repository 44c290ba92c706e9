//! What kind of router it is.

use std::path::PathBuf;
use std::time::Duration;

use routeros_schema::Release;

/// What kind of router it is, and who may log in. `Debug` does not show the password.
#[derive(Clone)]
pub struct RouterOptions {
    /// The first user, of the group `full`.
    pub user: String,
    /// That user's password.
    pub password: String,
    /// Which release of RouterOS.
    pub release: Release,
    /// Ports, radios, modems.
    pub hardware: Hardware,
    /// Menus that are not there, as if a package was missing.
    pub without: Vec<String>,
    /// It begins with the configuration that home routers get on their first start, not with an empty one.
    pub default_configuration: bool,
    /// What the device-mode permits.
    pub device_mode: DeviceMode,
    /// Clients of DHCP get leases.
    pub leases: bool,
    /// Everything that needs room on the disk fails.
    pub full_disk: bool,
    /// How long it takes to sign a certificate.
    pub sign_time: Duration,
    /// How long it is away when it reboots.
    pub reboot_time: Duration,
    /// Where its state is kept; nowhere when `None`.
    pub state: Option<PathBuf>,
}

/// Ports, radios, modems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardware {
    /// `ether1` and further.
    pub ethernets: u32,
    /// `sfp-sfpplus1` and further.
    pub sfps: u32,
    /// `wifi1` and further.
    pub radios: u32,
    /// `lte1` and further.
    pub modems: u32,
    /// It has the menus that only ARM64 has.
    pub arm64: bool,
}

/// What a device may do until somebody presses a button on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceMode {
    /// Nearly everything.
    #[default]
    Advanced,
    /// What a home needs: no scheduler, no proxies, no ZeroTier and others.
    Home,
}

impl RouterOptions {
    /// The newest release on hardware with eight ports, an SFP cage, two radios and a modem.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> RouterOptions {
        RouterOptions {
            user: user.into(),
            password: password.into(),
            release: routeros_schema::Schema::get().release(),
            hardware: Hardware { ethernets: 8, sfps: 1, radios: 2, modems: 1, arm64: true },
            without: Vec::new(),
            default_configuration: false,
            device_mode: DeviceMode::Advanced,
            leases: true,
            full_disk: false,
            sign_time: Duration::from_millis(200),
            reboot_time: Duration::from_millis(500),
            state: None,
        }
    }
}

impl std::fmt::Debug for RouterOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RouterOptions")
            .field("user", &self.user)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

impl DeviceMode {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            DeviceMode::Advanced => "advanced",
            DeviceMode::Home => "home",
        }
    }

    /// The features that it switches off.
    pub fn forbids(self, feature: &str) -> bool {
        const HOME: [&str; 11] = [
            "scheduler",
            "socks",
            "fetch",
            "bandwidth-test",
            "traffic-gen",
            "sniffer",
            "romon",
            "proxy",
            "hotspot",
            "email",
            "zerotier",
        ];
        match self {
            DeviceMode::Advanced => matches!(feature, "container" | "traffic-gen" | "partitions" | "routerboard"),
            DeviceMode::Home => feature == "container" || HOME.contains(&feature),
        }
    }
}

impl std::str::FromStr for DeviceMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "advanced" => Ok(DeviceMode::Advanced),
            "home" => Ok(DeviceMode::Home),
            _ => Err(format!("{text:?} is not a device-mode: advanced or home")),
        }
    }
}

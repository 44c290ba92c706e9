//! The document itself.

use super::choose::Choose;
use super::extra::Extra;
use super::lan::LanState;
use super::part::{Opaque, structure};
use super::wan::WanState;

structure! {
    /// The whole document.
    StarState {
        /// Mode, firmware, link type, router mode, networks.
        choose: Choose = "choose",
        /// Uplinks, VPN clients, DNS.
        wan: WanState = "wan",
        /// Wifi, VPN servers, tunnels, ports, subnets.
        lan: Option<LanState> = "lan",
        /// System extras.
        extra: Option<Extra> = "extra" | "extraConfig",
        /// Opaque wizard UI data; keep, never interpret.
        show_config: Opaque = "showConfig",
    }
}

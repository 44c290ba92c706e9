//! Uplinks of a group, or tunnels, and how they share the traffic. Pure.

use super::hop::{Hop, all};
use crate::compile::World;
use crate::compile::sharing::{Probe, Sharing};
use crate::state::NetworkType;

/// The uplinks of a type, or the tunnels.
#[derive(Debug)]
pub(super) struct Group<'w> {
    /// Its type.
    pub kind: NetworkType,
    /// In the order of preference.
    pub hops: Vec<Hop<'w>>,
    /// How they share the traffic; what makes no sense counts as not said.
    pub sharing: Sharing,
    /// What makes no sense.
    pub mistake: Option<String>,
    /// Where it is said.
    pub source: String,
}

impl<'w> Group<'w> {
    /// The uplinks of a type, or the tunnels.
    pub fn of(world: &'w World<'_>, kind: NetworkType) -> Group<'w> {
        let mut hops: Vec<Hop<'w>> = all(world).into_iter().filter(|hop| hop.kind == kind).collect();
        hops.sort_by_key(|hop| hop.priority);
        let (sharing, mistake) = match world.sharing(kind) {
            Ok(sharing) => (sharing, None),
            Err(mistake) => (Sharing::Unsaid, Some(mistake)),
        };
        let place = match kind {
            NetworkType::Vpn => "vpnClient".to_owned(),
            kind => format!("wanLink.{}", kind.word().to_ascii_lowercase()),
        };
        Group { kind, hops, sharing, mistake, source: format!("$.wan.{place}.multiLinkConfig") }
    }

    /// The type of the resource that says how they share the traffic.
    pub fn resource(&self) -> String {
        format!("wan.multilink.{}", self.kind.word().to_ascii_lowercase())
    }

    /// The table by which the traffic of its networks is routed.
    pub fn table(&self) -> String {
        format!("to-{}", self.kind.word())
    }

    /// How its links are probed.
    pub fn probe(&self) -> Option<Probe> {
        match self.sharing {
            Sharing::Failover(probe) | Sharing::Both(probe) => probe,
            _ => None,
        }
    }

    /// Whether its traffic is spread by marks, so that nothing else may mark it.
    pub fn is_marked(&self) -> bool {
        matches!(self.sharing, Sharing::Pcc | Sharing::Nth | Sharing::Both(_))
    }

    /// Whether what is said of it says which of its links the router itself uses.
    pub fn rules_main(&self) -> bool {
        matches!(self.sharing, Sharing::Failover(_) | Sharing::Both(_))
    }
}

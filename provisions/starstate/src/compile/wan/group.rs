//! Uplinks of a group, or tunnels, and how they share the traffic. Pure.

use super::hop::{Hop, all};
use crate::compile::World;
use crate::state::{LoadBalanceMethod, MultiLinkConfig, NetworkType, Strategy};

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

/// How links share the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// It is not said: the first that works carries all.
    Unsaid,
    /// The first that works carries all.
    Failover(Option<Probe>),
    /// New connections are spread by their addresses.
    Pcc,
    /// New connections go round.
    Nth,
    /// The routes are of equal cost.
    Ecmp,
    /// As with `Pcc`, over those that work.
    Both(Option<Probe>),
}

/// How links are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// Seconds from one to the next.
    pub interval: i64,
    /// Seconds to wait for an answer.
    pub timeout: i64,
}

impl<'w> Group<'w> {
    /// The uplinks of a type, or the tunnels.
    pub fn of(world: &'w World<'_>, kind: NetworkType) -> Group<'w> {
        let mut hops: Vec<Hop<'w>> = all(world).into_iter().filter(|hop| hop.kind == kind).collect();
        hops.sort_by_key(|hop| hop.priority);
        let links = &world.state.wan.wan_link;
        let (config, source) = match kind {
            NetworkType::Domestic => {
                (links.domestic.as_ref().map(|group| &group.multi_link_config), "wanLink.domestic")
            }
            NetworkType::Foreign => (links.foreign.as_ref().map(|group| &group.multi_link_config), "wanLink.foreign"),
            // One tunnel alone has nobody to share with.
            NetworkType::Vpn => {
                let clients = world.state.wan.vpn_client.as_ref().filter(|_| hops.len() >= 2);
                (clients.map(|clients| &clients.multi_link_config), "vpnClient")
            }
            NetworkType::Split => (None, ""),
        };
        let sharing = config.and_then(Option::as_ref).map_or(Ok(Sharing::Unsaid), |config| sharing(config, hops.len()));
        let (sharing, mistake) = match sharing {
            Ok(sharing) => (sharing, None),
            Err(mistake) => (Sharing::Unsaid, Some(mistake)),
        };
        Group { kind, hops, sharing, mistake, source: format!("$.wan.{source}.multiLinkConfig") }
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

    /// Whether what is said of it says which of its links the router itself uses.
    pub fn rules_main(&self) -> bool {
        matches!(self.sharing, Sharing::Failover(_) | Sharing::Both(_))
    }
}

fn sharing(config: &MultiLinkConfig, links: usize) -> Result<Sharing, String> {
    if links < 2 {
        return Err(format!("several links are needed to share the traffic, but there are {links}"));
    }
    let method = config.load_balance_method;
    Ok(match config.strategy {
        Strategy::Failover => Sharing::Failover(probe(config)?),
        Strategy::Both => Sharing::Both(probe(config)?),
        Strategy::RoundRobin => Sharing::Nth,
        Strategy::LoadBalance => match method.ok_or("strategy LoadBalance needs a loadBalanceMethod")? {
            LoadBalanceMethod::Pcc => Sharing::Pcc,
            LoadBalanceMethod::Nth => Sharing::Nth,
            LoadBalanceMethod::Ecmp => Sharing::Ecmp,
            LoadBalanceMethod::Bonding => return Err("loadBalanceMethod Bonding is not implemented".to_owned()),
        },
    })
}

fn probe(config: &MultiLinkConfig) -> Result<Option<Probe>, String> {
    let Some(config) = &config.failover_config else { return Ok(None) };
    let seconds = |field: &str, value: Option<i64>, usual: i64| match value.filter(|value| *value != 0) {
        None => Ok(usual),
        Some(value @ 1..=86_400) => Ok(value),
        Some(value) => Err(format!("failoverConfig.{field} must be 1 to 86400 seconds, but is {value}")),
    };
    let interval = seconds("failoverCheckInterval", config.failover_check_interval, 10)?;
    let timeout = seconds("failoverTimeout", config.failover_timeout, 2)?;
    Ok(Some(Probe { interval, timeout }))
}

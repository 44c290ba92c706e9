//! How several links share the traffic, as a document says it. Pure.
//!
//! Not here: what that becomes on the router.

use super::world::World;
use crate::state::{LoadBalanceMethod, MultiLinkConfig, NetworkType, Strategy, WanType};

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

impl World<'_> {
    /// How the links of a type, or the tunnels, share the traffic.
    ///
    /// # Errors
    /// When what is said makes no sense; says why.
    pub(super) fn sharing(&self, kind: NetworkType) -> Result<Sharing, String> {
        let links = &self.state.wan.wan_link;
        let (config, count) = match kind {
            NetworkType::Split => return Ok(Sharing::Unsaid),
            NetworkType::Domestic => (
                links.domestic.as_ref().map(|group| &group.multi_link_config),
                self.links_of(WanType::Domestic).count(),
            ),
            NetworkType::Foreign => {
                (links.foreign.as_ref().map(|group| &group.multi_link_config), self.links_of(WanType::Foreign).count())
            }
            // One tunnel alone has nobody to share with.
            NetworkType::Vpn => {
                let clients = self.state.wan.vpn_client.as_ref().filter(|_| self.tunnels().count() > 1);
                (clients.map(|clients| &clients.multi_link_config), self.tunnels().count())
            }
        };
        config.and_then(Option::as_ref).map_or(Ok(Sharing::Unsaid), |config| sharing(config, count))
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

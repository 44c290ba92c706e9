//! How the router is reached, and which changes may cut that way: they come last and are checked. Pure.
//!
//! It is a judgement from outside: rather a change too many is taken for dangerous than one too few. Not here: what is done about it
//! ([`crate::orchestrator`]).

use std::net::IpAddr;

use crate::compare::is_same;
use crate::plan::Change;
use crate::snapshot::{Found, Snapshot};
use crate::step::{Action, Step, Value};

/// How the router is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Management {
    /// `api` or `api-ssl`.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// The user who logs in.
    pub user: String,
    /// The router's own address, when it is known.
    pub router: Option<IpAddr>,
    /// Our address as the router sees it, when it is known.
    pub peer: Option<IpAddr>,
}

/// Menus that must be read to judge changes.
pub const MENUS: [&str; 5] = ["/ip/service", "/ip/address", "/ip/dhcp-client", "/user", "/user/group"];

/// Properties that must be read to judge changes, besides those that can be written.
pub const ALSO: [(&str, &str); 2] = [("/ip/service", "name"), ("/ip/dhcp-client", "address")];

/// What is done to a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Add,
    Set,
    Remove,
}

type Values<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

impl Management {
    /// Whether the router shows secrets to the user who logs in: the policy `sensitive`. When nothing is known, it does.
    pub fn sees_secrets(&self, router: &Snapshot) -> bool {
        let named = |path: &str, name: &str| {
            router.rows(path).iter().find(|row| row.text("name").as_deref() == Some(name)).cloned()
        };
        let group = named("/user", &self.user).and_then(|user| Some(user.text("group")?.into_owned()));
        let policies = group.and_then(|group| Some(named("/user/group", &group)?.text("policy")?.into_owned()));
        policies.is_none_or(|policies| policies.split(',').any(|policy| policy == "sensitive"))
    }

    /// Why carrying out a step may cut the way; `None` when it will not.
    pub fn danger_of(&self, step: &Step, router: &Snapshot) -> Option<String> {
        let values = |name: &str| step.argument(name).map(Value::text);
        let is_meant = |row: &&Found| {
            step.target.iter().all(|(name, value)| is_same(&step.path, name, value.as_bytes(), row.value(name)))
        };
        let deed = match &step.action {
            Action::Add => return self.danger(&step.path, None, Deed::Add, &values, router),
            Action::Set => Deed::Set,
            Action::Remove => Deed::Remove,
            Action::Run { command, .. } => {
                let ends = step.path == "/system" && matches!(command.as_str(), "reboot" | "shutdown");
                return ends.then(|| format!("the router goes away for a {command}"));
            }
        };
        let rows = router.rows(&step.path).iter().filter(is_meant);
        rows.filter_map(|row| self.danger(&step.path, Some(row), deed, &values, router)).next()
    }

    /// Why a change to a row that is there may cut the way.
    pub fn danger_of_change(&self, path: &str, id: Option<&str>, change: &Change, router: &Snapshot) -> Option<String> {
        let row = router.row(path, id)?;
        match change {
            Change::Remove { .. } => self.danger(path, Some(row), Deed::Remove, &|_| None, router),
            Change::Set { values, .. } => {
                let value = |name: &str| {
                    let difference = values.iter().find(|difference| difference.name == name)?;
                    let text = difference.after.as_ref().map_or(Ok(""), |after| std::str::from_utf8(after.bytes()));
                    Some(text.unwrap_or_default())
                };
                self.danger(path, Some(row), Deed::Set, &value, router)
            }
            _ => None,
        }
    }

    fn danger(
        &self,
        path: &str,
        row: Option<&Found>,
        deed: Deed,
        values: &Values<'_>,
        router: &Snapshot,
    ) -> Option<String> {
        match path {
            "/ip/service" => self.danger_of_service(row?, values),
            "/user" => {
                let is_own = row.and_then(|row| row.text("name")).as_deref() == Some(self.user.as_str());
                is_own.then(|| format!("{} is the user who logs in", self.user))
            }
            "/ip/address" if deed != Deed::Add => {
                let is_own = self.is_own_address(row?);
                is_own.then(|| "the router is reached at this address".to_owned())
            }
            "/ip/dhcp-client" if deed != Deed::Add => {
                let leased = row?.text("address")?.into_owned();
                let address = leased.split('/').next()?.parse::<IpAddr>().ok()?;
                (self.router == Some(address)).then(|| "the router is reached at the address of this lease".to_owned())
            }
            "/ip/firewall/filter" | "/ip/firewall/raw" if deed == Deed::Add => self.danger_of_rule(path, values),
            "/interface/bridge/port" => self.danger_of_port(row, deed, values, router),
            _ if path.starts_with("/interface/") && deed != Deed::Add => {
                let own = self.interface(router)?;
                let is_own = row?.text("name").as_deref() == Some(own.as_str());
                let hurts = deed == Deed::Remove || is_off(values("disabled")) || values("mac-address").is_some();
                (is_own && hurts).then(|| format!("{own} carries the address of the router"))
            }
            _ => None,
        }
    }

    /// Nobody can tell by which port of a bridge the router is reached, so each that leaves the bridge may be the one.
    fn danger_of_port(
        &self,
        row: Option<&Found>,
        deed: Deed,
        values: &Values<'_>,
        router: &Snapshot,
    ) -> Option<String> {
        let own = self.interface(router)?;
        let row_of = |interface: &str| {
            let ports = router.rows("/interface/bridge/port").iter();
            ports.into_iter().find(|row| row.text("interface").as_deref() == Some(interface))
        };
        let row = row.or_else(|| row_of(values("interface")?));
        let interface = match values("interface") {
            Some(interface) => interface.to_owned(),
            None => row?.text("interface")?.into_owned(),
        };
        if deed == Deed::Add && interface == own {
            return Some(format!("{interface} carries the address of the router"));
        }
        let is_there = row.and_then(|row| row.text("bridge")).as_deref() == Some(own.as_str());
        let leaves = deed == Deed::Remove || values("bridge").is_some_and(|bridge| bridge != own);
        (is_there && leaves).then(|| format!("{interface} leaves {own}, by which the router is reached"))
    }

    fn danger_of_service(&self, row: &Found, values: &Values<'_>) -> Option<String> {
        const PROPERTIES: [&str; 6] = ["disabled", "port", "address", "certificate", "vrf", "tls-version"];
        let what = PROPERTIES.into_iter().find_map(|name| self.effect_on_service(row, name, values(name)?));
        what.map(|what| format!("{}, by which the router is reached, {what}", self.service))
    }

    /// What another value does to the service by which the router is reached; `None` when it is another service's, or harmless.
    fn effect_on_service(&self, row: &Found, name: &str, value: &str) -> Option<&'static str> {
        let is_own = row.text("name").as_deref() == Some(self.service.as_str());
        if !is_own || is_same("/ip/service", name, value.as_bytes(), row.value(name)) {
            return None;
        }
        let lets_in = || {
            let networks = || value.split(',').map(str::trim);
            value.is_empty() || self.peer.is_some_and(|peer| networks().any(|network| contains(network, peer)))
        };
        match name {
            "disabled" => is_off(Some(value)).then_some("is switched off"),
            "port" => Some("gets another port"),
            "address" => (!lets_in()).then_some("is closed to this address"),
            "certificate" | "vrf" | "tls-version" => Some("changes"),
            _ => None,
        }
    }

    /// The values of a step that close the very service by which the router is reached, or move it: nobody can come back by it then, so
    /// that takes consent. With what each does.
    pub fn closing(&self, step: &Step, router: &Snapshot) -> Vec<(String, String)> {
        if step.path != "/ip/service" || step.action != Action::Set {
            return Vec::new();
        }
        let is_meant = |row: &&Found| {
            step.target.iter().all(|(name, value)| is_same(&step.path, name, value.as_bytes(), row.value(name)))
        };
        let rows = || router.rows(&step.path).iter().filter(is_meant);
        let closes = |name: &str, value: &str| match name {
            "disabled" | "port" => rows().find_map(|row| self.effect_on_service(row, name, value)),
            // Without knowing our address, it has to be tried.
            "address" => self.peer.and_then(|_| rows().find_map(|row| self.effect_on_service(row, name, value))),
            _ => None,
        };
        let closing = step.arguments.iter().filter_map(|(name, value)| {
            let what = closes(name, value.text())?;
            Some((name.clone(), format!("{}, by which the router is reached, {what}", self.service)))
        });
        closing.collect()
    }

    /// A rule that could drop the connection itself.
    fn danger_of_rule(&self, path: &str, values: &Values<'_>) -> Option<String> {
        let chain = if path == "/ip/firewall/raw" { "prerouting" } else { "input" };
        let drops = matches!(values("action"), Some("drop" | "reject" | "tarpit"));
        let other_protocol = values("protocol").is_some_and(|protocol| !matches!(protocol, "tcp" | "6"));
        let other_port = values("dst-port").is_some_and(|ports| !ports.split(',').any(|port| self.is_own_port(port)));
        let from = values("src-address").filter(|from| !from.is_empty());
        let other_peer = from.zip(self.peer).is_some_and(|(from, peer)| match from.strip_prefix('!') {
            Some(network) => contains(network, peer),
            None => !contains(from, peer),
        });
        let only_invalid = values("connection-state") == Some("invalid");
        let can_hit = values("chain") == Some(chain) && drops && !other_protocol && !other_port && !other_peer;
        (can_hit && !only_invalid).then(|| "the rule may drop the connection to the router".to_owned())
    }

    fn is_own_port(&self, ports: &str) -> bool {
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&self.port),
            _ => true,
        }
    }

    fn is_own_address(&self, row: &Found) -> bool {
        let address = row.text("address").and_then(|text| text.split('/').next().and_then(|text| text.parse().ok()));
        self.router.is_some() && address == self.router
    }

    /// The interface that has the router's address.
    fn interface(&self, router: &Snapshot) -> Option<String> {
        let row = router.rows("/ip/address").iter().find(|row| self.is_own_address(row))?;
        Some(row.text("interface")?.into_owned())
    }
}

fn is_off(disabled: Option<&str>) -> bool {
    matches!(disabled, Some("yes" | "true"))
}

fn contains(network: &str, peer: IpAddr) -> bool {
    let (address, length) = network.split_once('/').unwrap_or((network, ""));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32_u32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let peer = peer.to_canonical();
    if address.is_ipv4() != peer.is_ipv4() {
        return false;
    }
    let ((network, most), (peer, _)) = (bits(address), bits(peer));
    let length = length.parse::<u32>().unwrap_or(most).min(most);
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    network & mask == peer & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.7", true),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("192.0.2.0/24", "192.0.3.7", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("0.0.0.0/0", "192.0.2.7", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:db8::/32", "192.0.2.7", false),
            ("x", "192.0.2.7", false),
        ];
        for (network, peer, expected) in cases {
            assert_eq!(contains(network, peer.parse().unwrap()), expected, "{network} {peer}");
        }
    }
}

//! A wireless network, on every radio of the router.
//!
//! The first one is the radio's own, further ones are virtual interfaces on it. A radio that is connected to somebody else's network
//! has virtual ones alone.

use routeros_schema::Schema;

use super::{bridge_port, join};
use crate::compile::{Builder, Network, Radio, World};
use crate::role::Role;
use crate::state::{Hidden, NetworkType, WifiTarget, Wireless};

/// One network on every radio.
pub(super) fn wireless(builder: &mut Builder<'_>, wireless: &Wireless) {
    if wireless.is_disabled {
        return;
    }
    let (world, facts) = (builder.world, builder.facts);
    let network = match network_of(world, wireless) {
        Ok(network) => network,
        Err(name) => {
            return builder.error(format!("there is no network {name}: lan.subnets has no addresses for it"));
        }
    };
    if facts.radios.is_empty() {
        return no_radios(builder);
    }
    let is_first = first(world).is_some_and(|first| std::ptr::eq(first, wireless));
    for radio in &facts.radios {
        let band = radio.band.word();
        let is_master = is_first && !is_station(world, radio);
        let ssid = if wireless.split_band { format!("{}-{band}", wireless.ssid) } else { wireless.ssid.clone() };
        let name = wireless.ssid.replace([',', '%'], "_");
        let suffix = if is_master { "" } else { "-slave" };
        let access_point = AccessPoint {
            radio,
            interface: (!is_master).then(|| format!("{}-{name}", radio.band.interface())),
            names: format!("{name}-{band}{suffix}"),
            ssid,
            password: &wireless.password,
            is_hidden: wireless.is_hide,
        };
        let interface = access_point.steps(builder);
        bridge_port(builder, &interface, &network.bridge()).done();
        join(builder, "LAN", &interface);
        join(builder, &network.lan(), &interface);
    }
}

/// The first wireless network that is not switched off.
pub(super) fn first<'a>(world: &World<'a>) -> Option<&'a Wireless> {
    world.state.lan.as_ref()?.wireless.iter().find(|wireless| !wireless.is_disabled)
}

/// A network in the air that others connect to.
pub(super) struct AccessPoint<'a> {
    /// By which radio.
    pub radio: &'a Radio,
    /// The virtual interface; the radio itself when `None`.
    pub interface: Option<String>,
    /// How the names of its settings end.
    pub names: String,
    /// Its name in the air.
    pub ssid: String,
    /// What it takes to connect.
    pub password: &'a Hidden,
    /// Whether it tells its name.
    pub is_hidden: bool,
}

impl AccessPoint<'_> {
    /// Makes it. Gives its interface.
    pub fn steps(self, builder: &mut Builder<'_>) -> String {
        let AccessPoint { radio, interface, names, ssid, password, is_hidden } = self;
        let band = radio.band.word();
        let (security, configuration) = (format!("sec-{names}"), format!("cfg-{names}"));
        let keys = builder.add(&format!("security-{band}"), "/interface/wifi/security", &["name"]);
        let keys = keys.arg("name", &security).arg("authentication-types", "wpa2-psk,wpa3-psk");
        keys.secret("passphrase", password).done();
        let menu = "/interface/wifi/configuration";
        // Releases before 7.17 do not ask where the router stands.
        let asks =
            Schema::get().menu(menu).and_then(|menu| menu.argument_of("add", "installation", builder.facts.release));
        let settings = builder.add(&format!("configuration-{band}"), menu, &["name"]).arg("name", &configuration);
        let settings = settings.arg("ssid", ssid).arg("security", &security).flag("hide-ssid", is_hidden);
        settings.arg("mode", "ap").text("installation", asks.map_or("", |_| "indoor")).done();
        builder.radio(radio);
        let of_radio = radio.band.interface();
        let (draft, interface) = match interface {
            Some(name) => {
                let draft = builder.add(&format!("interface-{band}"), "/interface/wifi", &["name"]);
                (draft.arg("name", &name).arg("master-interface", of_radio), name)
            }
            None => {
                let target = [("default-name", radio.default_name.as_str())];
                (builder.set_row(&format!("interface-{band}"), "/interface/wifi", &target), of_radio)
            }
        };
        draft.arg("configuration", configuration).arg("security", security).flag("disabled", false).done();
        interface
    }
}

/// The network that it leads to, or the name that should be there.
fn network_of<'w>(world: &'w World<'_>, wireless: &Wireless) -> Result<&'w Network, String> {
    let kind = match wireless.wifi_target {
        WifiTarget::Domestic | WifiTarget::SingleDomestic => NetworkType::Domestic,
        WifiTarget::Foreign | WifiTarget::SingleForeign => NetworkType::Foreign,
        WifiTarget::Vpn | WifiTarget::SingleVpn => NetworkType::Vpn,
        WifiTarget::Split => NetworkType::Split,
    };
    let (base, own) = (kind.word(), wireless.network_name.trim());
    if own.is_empty() || own.eq_ignore_ascii_case(base) {
        return world.base(kind).ok_or_else(|| base.to_owned());
    }
    let name = format!("{base}-{own}");
    let whole = world.network(own).filter(|network| network.kind == kind);
    world.network(&name).or(whole).ok_or(name)
}

/// Whether a radio is connected to a network of others: an uplink's, or the master's.
fn is_station(world: &World<'_>, radio: &Radio) -> bool {
    match world.role {
        Role::Master => world.links.iter().any(|link| radio.is_called(link.port())),
        Role::Slave(_) => {
            let trunk = world.role.trunk(world.state).filter(|_| super::trunk::is_wireless(world));
            trunk.is_some_and(|(_, model)| radio.is_called(&model.master_slave_interface))
        }
    }
}

fn no_radios(builder: &mut Builder<'_>) {
    let (world, release) = (builder.world, builder.facts.release);
    if !Schema::get().menu("/interface/wifi").is_some_and(|menu| menu.is_in(release)) {
        return builder.error(format!("RouterOS {release} has no /interface/wifi, which wireless networks need"));
    }
    let models = &world.state.choose.router_models;
    let elsewhere = models.iter().any(|model| !model.is_master && !model.interfaces.interfaces.wireless.is_empty());
    if world.role == Role::Master && world.role.trunk(world.state).is_some() && elsewhere {
        return builder.warning("this router has no radios; the wireless network is on its slaves alone");
    }
    builder.error("this router has no radios that /interface/wifi knows");
}

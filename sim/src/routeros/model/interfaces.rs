//! Interfaces: rows of many menus, which `/interface` shows together.

use super::row::{Row, State};

/// Menus whose rows are interfaces: the menu, the word for its type, and how names begin that the router makes up.
const KINDS: [(&str, &str, &str); 32] = [
    ("/interface/ethernet", "ether", "ether"),
    ("/interface/lte", "lte", "lte"),
    ("/interface/wifi", "wifi", "wifi"),
    ("/interface/wireless", "wlan", "wlan"),
    ("/interface/6to4", "6to4-tunnel", "sit"),
    ("/interface/bonding", "bond", "bonding"),
    ("/interface/bridge", "bridge", "bridge"),
    ("/interface/eoip", "eoip", "eoip-tunnel"),
    ("/interface/eoipv6", "eoipv6", "eoipv6-tunnel"),
    ("/interface/gre", "gre-tunnel", "gre-tunnel"),
    ("/interface/gre6", "gre6-tunnel", "gre6-tunnel"),
    ("/interface/ipip", "ipip-tunnel", "ipip-tunnel"),
    ("/interface/ipipv6", "ipipv6-tunnel", "ipipv6-tunnel"),
    ("/interface/l2tp-client", "l2tp-out", "l2tp-out"),
    ("/interface/l2tp-ether", "l2tp-ether", "l2tp-ether"),
    ("/interface/l2tp-server", "l2tp-in", "l2tp-in"),
    ("/interface/macsec", "macsec", "macsec"),
    ("/interface/macvlan", "macvlan", "macvlan"),
    ("/interface/ovpn-client", "ovpn-out", "ovpn-out"),
    ("/interface/ovpn-server", "ovpn-in", "ovpn-in"),
    ("/interface/ppp-client", "ppp-out", "ppp-out"),
    ("/interface/pppoe-client", "pppoe-out", "pppoe-out"),
    ("/interface/pptp-client", "pptp-out", "pptp-out"),
    ("/interface/pptp-server", "pptp-in", "pptp-in"),
    ("/interface/sstp-client", "sstp-out", "sstp-out"),
    ("/interface/sstp-server", "sstp-in", "sstp-in"),
    ("/interface/veth", "veth", "veth"),
    ("/interface/vlan", "vlan", "vlan"),
    ("/interface/vrrp", "vrrp", "vrrp"),
    ("/interface/vxlan", "vxlan", "vxlan"),
    ("/interface/wireguard", "wg", "wireguard"),
    ("/zerotier/interface", "zerotier", "zerotier"),
];

/// The word for the type of a menu's interfaces; `None` for menus whose rows are none.
pub fn kind_of(menu: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, ..)| *known == menu).map(|(_, kind, _)| *kind)
}

/// How the names of a menu's rows begin that the router makes up.
pub fn prefix_of(menu: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, ..)| *known == menu).map(|(.., prefix)| *prefix)
}

/// All interfaces: their menus and rows.
pub fn all(state: &State) -> impl Iterator<Item = (&'static str, &Row)> {
    KINDS.iter().flat_map(|(menu, ..)| state.rows(menu).iter().map(move |row| (*menu, row)))
}

/// The menu in which an interface really is.
pub fn home_of(state: &State, id: u32) -> Option<&'static str> {
    all(state).find(|(_, row)| row.id == id).map(|(menu, _)| menu)
}

/// Whether an interface's name is taken.
pub fn is_taken(state: &State, name: &str) -> bool {
    all(state).any(|(_, row)| row.text("name").as_deref() == Some(name))
}

/// A MAC address of the router's own, always the same for the same interface.
pub fn mac_of(id: u32) -> String {
    let [_, high, middle, low] = id.to_be_bytes();
    format!("02:0C:42:{high:02X}:{middle:02X}:{low:02X}")
}

/// Whether an interface is up: nothing in between is disabled, and what needs a peer is said to have found it.
pub fn is_running(state: &State, menu: &str, row: &Row) -> bool {
    if row.is_disabled() {
        return false;
    }
    // Those that sit on another interface are up when that is. The depth is bounded by the number of interfaces.
    let mut below = row.link("interface");
    for _ in 0..all(state).count() {
        let Some((_, id)) = below else { break };
        match all(state).find(|(_, other)| other.id == id) {
            Some((_, other)) if other.is_disabled() => return false,
            Some((_, other)) => below = other.link("interface"),
            None => return false,
        }
    }
    // Servers' bindings wait for a client.
    !matches!(
        menu,
        "/interface/l2tp-server" | "/interface/ovpn-server" | "/interface/pptp-server" | "/interface/sstp-server"
    )
}

//! Rows that come by themselves: addresses of leases, and the routes that follow from addresses.

use std::net::Ipv4Addr;

use super::interfaces;
use super::links::text_of;
use super::row::{Row, State, write_id};
use super::{Fields, canonical};

/// What a server of DHCP gave to a client of this router.
pub struct Lease {
    /// With prefix length.
    pub address: String,
    /// The next hop.
    pub gateway: String,
}

/// Where the ids of dynamic rows begin.
const CONNECTED: u32 = 0x2018_0000;
const OTHER: u32 = 0x8000_0000;

/// The lease of a client; `None` while it has none.
pub fn lease_of(state: &State, client: &Row) -> Option<Lease> {
    let (_, interface) = client.link("interface")?;
    let (menu, row) = interfaces::all(state).find(|(_, row)| row.id == interface)?;
    if client.is_disabled() || !interfaces::is_running(state, menu, row) {
        return None;
    }
    // A network of its own for each client, from the range for providers (RFC 6598).
    let network = u32::from(Ipv4Addr::new(100, 64, 0, 0)) + ((client.id & 0x3FFF) << 8);
    let host = |number: u32| Ipv4Addr::from(network + number);
    Some(Lease { address: format!("{}/24", host(10)), gateway: host(1).to_string() })
}

/// The dynamic rows of a menu.
pub fn rows_of(state: &State, menu: &str, leases: bool) -> Vec<Fields> {
    match menu {
        "/ip/address" if leases => {
            leased(state).map(|(id, interface, lease)| address_row(id, &interface, &lease)).collect()
        }
        "/ip/route" => route_rows(state, leases),
        _ => Vec::new(),
    }
}

fn leased(state: &State) -> impl Iterator<Item = (u32, String, Lease)> {
    state.rows("/ip/dhcp-client").iter().filter_map(|client| {
        let interface = text_of(state, client, "interface")?;
        lease_of(state, client).map(|lease| (client.id, interface, lease))
    })
}

fn address_row(id: u32, interface: &str, lease: &Lease) -> Fields {
    let network = canonical::network_of(&lease.address).map_or(Ipv4Addr::UNSPECIFIED, |(network, _)| network);
    fields([
        (".id", write_id(OTHER + id)),
        ("address", lease.address.clone()),
        ("network", network.to_string()),
        ("interface", interface.to_owned()),
        ("actual-interface", interface.to_owned()),
        ("dynamic", "true".to_owned()),
        ("invalid", "false".to_owned()),
        ("disabled", "false".to_owned()),
    ])
}

fn route_rows(state: &State, leases: bool) -> Vec<Fields> {
    let configured = state.rows("/ip/address").iter().filter(|row| !row.is_disabled()).filter_map(|row| {
        let (_, interface) = row.link("interface")?;
        let (menu, below) = interfaces::all(state).find(|(_, other)| other.id == interface)?;
        let address = row.text("address").filter(|_| interfaces::is_running(state, menu, below))?;
        Some((row.id, address, below.text("name")?))
    });
    let given: Vec<(u32, String, Lease)> = if leases { leased(state).collect() } else { Vec::new() };
    let by_lease = given.iter().map(|(id, interface, lease)| (0x8000 + id, lease.address.clone(), interface.clone()));
    let mut rows: Vec<Fields> = configured
        .chain(by_lease)
        .filter_map(|(id, address, interface)| {
            let (network, length) = canonical::network_of(&address)?;
            let local = format!("{}%{interface}", address.split('/').next().unwrap_or_default());
            let own = [("connect", "true".to_owned()), ("local-address", local), ("immediate-gw", interface.clone())];
            Some(route_row(CONNECTED + id, &format!("{network}/{length}"), &interface, "0", own))
        })
        .collect();
    rows.extend(given.iter().filter_map(|(id, interface, lease)| {
        let client = state.row("/ip/dhcp-client", *id)?;
        let wanted = client.text("add-default-route").is_some_and(|word| word != "no" && word != "false");
        let distance = client.text("default-route-distance").unwrap_or_else(|| "1".to_owned());
        let through = format!("{}%{interface}", lease.gateway);
        let own = [("dhcp", "true".to_owned()), ("immediate-gw", through), ("vrf-interface", interface.clone())];
        wanted.then(|| route_row(OTHER + id, "0.0.0.0/0", &lease.gateway, &distance, own))
    }));
    rows
}

fn route_row(id: u32, to: &str, gateway: &str, distance: &str, own: [(&'static str, String); 3]) -> Fields {
    let mut row = fields([
        (".id", write_id(id)),
        ("dst-address", to.to_owned()),
        ("gateway", gateway.to_owned()),
        ("distance", distance.to_owned()),
        ("routing-table", "main".to_owned()),
        ("scope", if distance == "0" { "10" } else { "30" }.to_owned()),
        ("target-scope", if distance == "0" { "5" } else { "10" }.to_owned()),
        ("active", "true".to_owned()),
        ("dynamic", "true".to_owned()),
        ("disabled", "false".to_owned()),
        ("inactive", "false".to_owned()),
    ]);
    row.extend(fields(own));
    row
}

/// Names and texts as a row.
pub fn fields<const N: usize>(pairs: [(&str, String); N]) -> Fields {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect()
}

//! How values are written when they are shown, whatever way they came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use routeros_schema::value::parse_mac;
use routeros_schema::{Kind, Type, interval};

/// The value as the router keeps it; `None` when it means that there is none. It was checked before.
pub fn canonical(menu: &str, name: &str, kind: &Type, value: &[u8]) -> Option<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(value) else { return Some(value.to_vec()) };
    let (negated, bare) = match text.strip_prefix('!').filter(|_| kind.negatable) {
        Some(bare) => ("!", bare),
        None => ("", text),
    };
    if kind.kind == Kind::Flag {
        return (!matches!(bare, "no" | "false")).then(Vec::new);
    }
    if text.is_empty() {
        return None;
    }
    let word = kind.words.contains(&bare);
    let written = match kind.kind {
        _ if is_address_matcher(menu, name) => write_matcher(bare),
        Kind::Boolean => boolean(bare).to_owned(),
        Kind::Interval if !word => interval::parse(bare).map_or_else(|| bare.to_owned(), interval::format),
        Kind::Mac if !word => parse_mac(bare).map_or_else(|| bare.to_owned(), |mac| write_mac(&mac)),
        Kind::Integer if !word => bare.parse::<i128>().map_or_else(|_| bare.to_owned(), |number| number.to_string()),
        Kind::Words => write_words(kind, bare),
        Kind::Prefix | Kind::Prefix4 | Kind::Prefix6 => write_prefix(bare, true),
        Kind::Prefixes => list(bare, |prefix| write_prefix(prefix, false)),
        Kind::Addresses | Kind::Ports | Kind::Ranges4 => list(bare, str::to_owned),
        Kind::Address4 if (menu, name) == ("/ip/address", "address") => write_prefix(bare, false),
        _ => bare.to_owned(),
    };
    Some(format!("{negated}{written}").into_bytes())
}

/// The other form of every value: what the router would print.
pub fn boolean(text: &str) -> &'static str {
    if matches!(text, "yes" | "true") { "true" } else { "false" }
}

/// As the router writes it.
pub fn write_mac(bytes: &[u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02X}")).join(":")
}

/// The network of an address with a prefix length.
pub fn network_of(address: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, length) = address.split_once('/').unwrap_or((address, "32"));
    let (address, length): (Ipv4Addr, u8) = (address.parse().ok()?, length.parse().ok()?);
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(u32::from(length))?).unwrap_or(0);
    Some((Ipv4Addr::from(u32::from(address) & mask), length))
}

/// Firewalls and their address lists show single addresses without a prefix length.
fn is_address_matcher(menu: &str, name: &str) -> bool {
    menu.starts_with("/ip/firewall/") && matches!(name, "src-address" | "dst-address" | "address")
}

fn write_matcher(text: &str) -> String {
    let written = write_prefix(text, true);
    written.strip_suffix("/32").map(str::to_owned).unwrap_or(written)
}

/// An address gets a prefix length; anything else stays.
fn write_prefix(text: &str, masked: bool) -> String {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let Ok(address) = address.parse::<IpAddr>() else { return text.to_owned() };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = length.parse::<u32>().unwrap_or(bits).min(bits);
    let address = match address {
        IpAddr::V4(v4) if masked => {
            Ipv4Addr::from(u32::from(v4) & u32::MAX.checked_shl(32 - length).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) if masked => {
            Ipv6Addr::from(u128::from(v6) & u128::MAX.checked_shl(128 - length).unwrap_or(0)).into()
        }
        other => other,
    };
    format!("{address}/{length}")
}

/// In the router's own order.
fn write_words(kind: &Type, text: &str) -> String {
    let place = |word: &&str| kind.words.iter().position(|known| *known == word.trim_start_matches('!'));
    let mut words: Vec<&str> = text.split(',').collect();
    words.sort_by_key(place);
    words.dedup();
    words.join(",")
}

fn list(text: &str, write: impl Fn(&str) -> String) -> String {
    text.split(',').map(|part| write(part.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use routeros_schema::Schema;

    use super::*;

    #[test]
    fn values_are_shown_in_one_form() {
        let cases = [
            ("/ip/address", "disabled", "yes", "true"),
            ("/ip/address", "address", "192.0.2.1", "192.0.2.1/32"),
            ("/ip/address", "address", "192.0.2.1/24", "192.0.2.1/24"),
            ("/ip/dhcp-server", "lease-time", "86400", "1d"),
            ("/ip/dns", "cache-max-ttl", "168:00:00", "1w"),
            ("/ip/route", "dst-address", "192.0.2.7/24", "192.0.2.0/24"),
            ("/ip/route", "dst-address", "2001:db8::1/32", "2001:db8::/32"),
            ("/ip/route", "dst-address", "0.0.0.0/0", "0.0.0.0/0"),
            ("/ip/route", "distance", "010", "10"),
            ("/ip/firewall/filter", "src-address", "!192.0.2.7/32", "!192.0.2.7"),
            ("/ip/firewall/filter", "src-address", "192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"),
            ("/ip/firewall/filter", "connection-state", "new,established", "established,new"),
            ("/ip/firewall/address-list", "address", "ntp.example", "ntp.example"),
            ("/ip/service", "address", "192.0.2.0/24, 10.0.0.1", "192.0.2.0/24,10.0.0.1/32"),
            ("/interface/bridge", "admin-mac", "02-0c-42-aa-bb-cc", "02:0C:42:AA:BB:CC"),
            ("/routing/table", "fib", "yes", ""),
        ];
        for (menu, name, value, shown) in cases {
            let kind = &Schema::get().menu(menu).unwrap().argument(name).unwrap().kind;
            let written = canonical(menu, name, kind, value.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), shown, "{menu} {name}={value}");
        }
    }

    #[test]
    fn what_is_empty_is_not_there() {
        for (menu, name, value) in [("/ip/address", "comment", ""), ("/routing/table", "fib", "no")] {
            let kind = &Schema::get().menu(menu).unwrap().argument(name).unwrap().kind;
            assert_eq!(canonical(menu, name, kind, value.as_bytes()), None);
        }
    }

    #[test]
    fn a_network_is_an_address_without_its_host() {
        assert_eq!(network_of("192.0.2.77/26"), Some((Ipv4Addr::new(192, 0, 2, 64), 26)));
        assert_eq!(network_of("192.0.2.77/0"), Some((Ipv4Addr::UNSPECIFIED, 0)));
        assert_eq!(network_of("192.0.2.77"), Some((Ipv4Addr::new(192, 0, 2, 77), 32)));
        assert_eq!(network_of("x"), None);
    }
}

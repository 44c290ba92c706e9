//! Whether a value on a router is the value that is wanted, though the router writes it in its own way. Pure.
//!
//! Routers show `true` for `yes`, `1h30m` for `5400`, networks without host bits, MAC addresses in capitals, and leave out what is
//! unset. Not here: which properties are compared, and what follows from a difference ([`crate::plan`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use routeros_schema::value::parse_mac;
use routeros_schema::{Argument, Kind, Schema, interval};

/// Whether a row has a wanted value; `found` is `None` when the row does not show the property.
///
/// What is absent is the same as what is empty, and as `no` where only yes and no are possible.
pub fn is_same(menu: &str, name: &str, wanted: &[u8], found: Option<&[u8]>) -> bool {
    let argument = Schema::get().menu(menu).and_then(|menu| menu.argument(name));
    if argument.is_some_and(|argument| argument.kind.kind == Kind::Flag) {
        return is_flag_set(Some(wanted)) == is_flag_set(found);
    }
    let found = found.unwrap_or_default();
    if wanted == found {
        return true;
    }
    let (Ok(wanted), Ok(found)) = (std::str::from_utf8(wanted), std::str::from_utf8(found)) else { return false };
    if wanted.is_empty() || found.is_empty() {
        let is_boolean = argument.is_some_and(|argument| argument.kind.kind == Kind::Boolean);
        return is_boolean && [wanted, found].iter().all(|text| text.is_empty() || as_boolean(text) == Some(false));
    }
    let argument = Form { menu, name, argument };
    argument.canonical(wanted) == argument.canonical(found)
}

/// A flag is there with an empty value, or not at all.
fn is_flag_set(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value != b"no" && value != b"false")
}

struct Form<'a> {
    menu: &'a str,
    name: &'a str,
    argument: Option<&'a Argument>,
}

impl Form<'_> {
    /// One text for all texts with the same meaning. Neither text is empty.
    fn canonical(&self, text: &str) -> String {
        if (self.menu, self.name) == ("/user/group", "policy") {
            // What a group may not do is shown, too.
            return sorted(text.split(',').map(str::trim).filter(|word| !word.starts_with('!')).map(str::to_owned));
        }
        let kind = self.argument.map(|argument| &argument.kind);
        let (mark, bare) = match text.strip_prefix('!').filter(|_| kind.is_some_and(|kind| kind.negatable)) {
            Some(bare) => ("!", bare),
            None => ("", text),
        };
        let Some(kind) = kind.filter(|kind| !kind.words.contains(&bare)) else {
            return format!("{mark}{}", loosely(bare));
        };
        let written = match kind.kind {
            _ if self.is_matcher() => strip_host(&prefix(bare, true)),
            Kind::Boolean => as_boolean(bare).map_or_else(|| bare.to_owned(), |value| value.to_string()),
            Kind::Interval => interval::parse(bare).map_or_else(|| bare.to_owned(), interval::format),
            Kind::Mac => parse_mac(bare).map_or_else(|| bare.to_owned(), |mac| format!("{mac:02X?}")),
            Kind::Integer => bare.parse::<i128>().map_or_else(|_| bare.to_owned(), |number| number.to_string()),
            Kind::Hexadecimal => bare.to_ascii_lowercase(),
            Kind::Words => sorted(bare.split(',').map(|word| word.trim().to_owned())),
            Kind::Ports => sorted(bare.split(',').map(|port| port.trim().to_owned())),
            Kind::Prefix | Kind::Prefix4 | Kind::Prefix6 | Kind::Network4 => strip_host(&prefix(bare, true)),
            Kind::Prefixes => sorted(bare.split(',').map(|part| prefix(part.trim(), true))),
            Kind::Addresses | Kind::Ranges4 => list(bare, |part| prefix(part, false)),
            Kind::Address4 | Kind::Address => prefix(bare, false),
            Kind::Text | Kind::Key | Kind::Id => bare.to_owned(),
            Kind::Reference => list(bare, str::to_owned),
            Kind::Word | Kind::Range4 | Kind::Flag | Kind::Any | Kind::Open => loosely(bare),
        };
        format!("{mark}{written}")
    }

    /// Firewalls show single addresses without a prefix length.
    fn is_matcher(&self) -> bool {
        self.menu.starts_with("/ip/firewall/") && matches!(self.name, "src-address" | "dst-address" | "address")
    }
}

/// For values whose form is not known: what surely means the same.
fn loosely(text: &str) -> String {
    if let Some(value) = as_boolean(text) {
        return value.to_string();
    }
    if let Some(mac) = parse_mac(text) {
        return format!("{mac:02X?}");
    }
    if let Some(number) = as_quantity(text) {
        return number.to_string();
    }
    let is_time = text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    match interval::parse(text).filter(|_| is_time) {
        // A number alone may be seconds.
        Some(length) if length.subsec_nanos() == 0 => length.as_secs().to_string(),
        Some(length) => interval::format(length),
        None => text.to_owned(),
    }
}

fn as_boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

/// `25M` is 25000000, `2048KiB` 2097152.
fn as_quantity(text: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 7] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("k", 1_000),
        ("K", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ];
    let found = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (digits, size) = found.unwrap_or((text, 1));
    digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+')).map(|number| u128::from(number) * size)
}

/// An address gets a prefix length, and perhaps loses its host bits; anything else stays.
fn prefix(text: &str, is_network: bool) -> String {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let Ok(address) = address.parse::<IpAddr>() else { return text.to_owned() };
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = (if length.is_empty() { Some(bits) } else { length.parse().ok() }) else {
        return text.to_owned();
    };
    let host = bits.saturating_sub(length);
    let address = match address {
        IpAddr::V4(v4) if is_network => Ipv4Addr::from(u32::from(v4) & u32::MAX.checked_shl(host).unwrap_or(0)).into(),
        IpAddr::V6(v6) if is_network => {
            Ipv6Addr::from(u128::from(v6) & u128::MAX.checked_shl(host).unwrap_or(0)).into()
        }
        other => other,
    };
    format!("{address}/{length}")
}

fn strip_host(text: &str) -> String {
    text.strip_suffix("/32").unwrap_or(text).to_owned()
}

fn list(text: &str, write: impl Fn(&str) -> String) -> String {
    text.split(',').map(|part| write(part.trim())).collect::<Vec<_>>().join(",")
}

fn sorted(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.sort_unstable();
    parts.dedup();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_other_words() {
        let cases = [
            ("/ip/address", "disabled", "yes", Some("true")),
            ("/ip/address", "disabled", "no", None),
            ("/ip/address", "comment", "", None),
            ("/ip/address", "address", "192.0.2.1", Some("192.0.2.1/32")),
            ("/ip/dhcp-server", "lease-time", "86400", Some("1d")),
            ("/ip/dhcp-server", "lease-time", "1d00:00:00", Some("1d")),
            ("/ip/route", "dst-address", "192.0.2.7/24", Some("192.0.2.0/24")),
            ("/ip/route", "distance", "010", Some("10")),
            ("/ip/route", "blackhole", "", Some("")),
            ("/ip/route", "blackhole", "yes", Some("")),
            ("/ip/route", "blackhole", "no", None),
            ("/ip/firewall/filter", "src-address", "!192.0.2.7/32", Some("!192.0.2.7")),
            ("/ip/firewall/filter", "connection-state", "new,established", Some("established,new")),
            ("/ip/firewall/address-list", "address", "192.0.2.0/24", Some("192.0.2.0/24")),
            ("/ip/service", "address", "192.0.2.0/24,10.0.0.1", Some("10.0.0.1/32,192.0.2.0/24")),
            ("/interface/bridge", "admin-mac", "02-0c-42-aa-bb-cc", Some("02:0C:42:AA:BB:CC")),
            ("/interface/wireguard/peers", "persistent-keepalive", "25s", Some("25s")),
            ("/interface/wireguard/peers", "persistent-keepalive", "25", Some("25s")),
            ("/user/group", "policy", "ssh,read", Some("!local,!telnet,read,ssh,!ftp")),
            ("/system/unknown", "rate", "25M", Some("25000000")),
            ("/system/unknown", "time", "90", Some("1m30s")),
        ];
        for (menu, name, wanted, found) in cases {
            assert!(
                is_same(menu, name, wanted.as_bytes(), found.map(str::as_bytes)),
                "{menu} {name} {wanted} {found:?}"
            );
        }
    }

    #[test]
    fn not_the_same() {
        let cases = [
            ("/ip/address", "disabled", "yes", None),
            ("/ip/address", "comment", "a", None),
            ("/ip/address", "address", "192.0.2.1/24", Some("192.0.2.1/25")),
            ("/ip/address", "address", "192.0.2.1/24", Some("192.0.2.2/24")),
            ("/ip/route", "blackhole", "", None),
            ("/ip/route", "dst-address", "0.0.0.0/0", Some("192.0.2.0/24")),
            ("/ip/firewall/filter", "src-address", "!192.0.2.7", Some("192.0.2.7")),
            ("/ip/firewall/filter", "chain", "input", Some("Input")),
            ("/user/group", "policy", "ssh", Some("!local,!ssh")),
            ("/interface/bridge", "name", "1d", Some("24h")),
            ("/ip/dns", "servers", "192.0.2.1,192.0.2.2", Some("192.0.2.2,192.0.2.1")),
            ("/ip/dhcp-server", "address-pool", "a", Some("*1")),
        ];
        for (menu, name, wanted, found) in cases {
            assert!(
                !is_same(menu, name, wanted.as_bytes(), found.map(str::as_bytes)),
                "{menu} {name} {wanted} {found:?}"
            );
        }
    }

    #[test]
    fn any_bytes_can_be_compared() {
        assert!(is_same("/ip/address", "comment", b"\xFF", Some(b"\xFF")));
        assert!(!is_same("/ip/address", "comment", b"\xFF", Some(b"\xFE")));
        assert!(!is_same("/ip/address", "address", b"1/99999999999", Some(b"\xF0")));
        assert!(!is_same("/ip/address", "address", b"::/999", Some(b"::1/998")));
    }
}

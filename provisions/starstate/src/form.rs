//! Forms of texts in documents: hosts, addresses, ports, times. Pure.
//!
//! Not here: what the texts are for, and the words of RouterOS.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};

/// The most characters that a host name has (RFC 1035 §2.3.4).
const HOST_NAME_LENGTH: usize = 253;

/// The parts of a list in a text, without those that are empty.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Whether a text is a host name: labels of letters, digits, `-` and `_`, with dots between them.
pub fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_mark = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_mark)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() <= HOST_NAME_LENGTH && !is_number && text.split('.').all(is_label)
}

/// Whether a text is a host name or an address.
pub fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_host_name(text)
}

/// The host in an URL such as `https://user@host:443/path`; `None` when it is none with this scheme.
pub fn host_of<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let is_printable = url.bytes().all(|byte| byte.is_ascii_graphic());
    let head = url.get(..scheme.len()).filter(|head| is_printable && head.eq_ignore_ascii_case(scheme))?;
    let rest = url[head.len()..].strip_prefix("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => host.split(':').next()?,
    };
    is_host(host).then_some(host)
}

/// A host with a port, an address of IPv6 in brackets (RFC 3986 §3.2.2).
pub fn with_port(host: &str, port: impl Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Whether a number is that of a port.
pub fn is_port(number: i64) -> bool {
    (1..=65535).contains(&number)
}

/// The prefix length in a dotted mask, a length, or a length behind a `/`.
///
/// # Errors
/// When it is none of these; says so.
pub fn prefix_length(text: &str) -> Result<u8, String> {
    let text = text.trim();
    let bare = text.strip_prefix('/').unwrap_or(text);
    let wrong = || format!("{text:?} is no mask: 255.255.255.0, 24 and /24 are");
    if let Ok(length) = bare.parse::<u8>() {
        return (1..=32).contains(&length).then_some(length).ok_or_else(wrong);
    }
    let mask = u32::from(bare.parse::<Ipv4Addr>().map_err(|_| wrong())?);
    let length = mask.leading_ones() as u8;
    match mask.checked_shl(length.into()).unwrap_or(0) {
        0 if length > 0 => Ok(length),
        _ => Err(format!("{text:?} is no mask: its ones must stand together in front")),
    }
}

/// Whether a text is a port or a range of ports, such as `27000-27031`.
pub fn is_port_range(text: &str) -> bool {
    let port = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| is_number && is_port(*port))
    };
    match text.split_once('-') {
        Some((first, last)) => port(first).zip(port(last)).is_some_and(|(first, last)| first <= last),
        None => port(text).is_some(),
    }
}

/// A time of day such as `4:05`, as routers write it: `04:05:00`.
pub fn time_of_day(text: &str) -> Option<String> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, below: u32| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number < below)
    };
    (minute.len() == 2).then_some(())?;
    let (hour, minute): (u32, u32) = (number(hour, 24)?, number(minute, 60)?);
    Some(format!("{hour:02}:{minute:02}:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for (text, is_name, is_any) in [
            ("pool.ntp.org", true, true),
            ("router", true, true),
            ("a_b.example.com.", true, true),
            ("192.0.2.1", false, true),
            ("2001:db8::1", false, true),
            ("192.0.2.300", false, false),
            ("", false, false),
            ("a..b", false, false),
            ("-a.example", false, false),
            ("a b", false, false),
            ("x\"; /system reset", false, false),
        ] {
            assert_eq!((is_host_name(text), is_host(text)), (is_name, is_any), "{text}");
        }
        assert!(!is_host_name(&vec!["a".repeat(63); 5].join(".")));
    }

    #[test]
    fn urls_have_hosts() {
        for (url, host) in [
            ("https://dns.example.com/dns-query", Some("dns.example.com")),
            ("HTTPS://user:pass@dns.example.com:8443?x", Some("dns.example.com")),
            ("https://[2001:db8::1]:443/x", Some("2001:db8::1")),
            ("http://dns.example.com/", None),
            ("https://", None),
            ("https://a b/", None),
            ("ftp", None),
        ] {
            assert_eq!(host_of(url, "https"), host, "{url}");
        }
    }

    #[test]
    fn ports_and_ranges() {
        for (text, expected) in [
            ("80", true),
            ("27000-27031", true),
            ("65535", true),
            ("0", false),
            ("65536", false),
            ("9-8", false),
            ("+9", false),
            ("a", false),
            ("1-", false),
            ("", false),
        ] {
            assert_eq!(is_port_range(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_routers_do() {
        for (text, expected) in [
            ("04:00", Some("04:00:00")),
            ("4:05", Some("04:05:00")),
            ("23:59", Some("23:59:00")),
            ("24:00", None),
            ("12:60", None),
            ("12:5", None),
            ("12", None),
            ("12:00:00", None),
            ("+1:00", None),
        ] {
            assert_eq!(time_of_day(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn masks_become_lengths() {
        for (text, length) in
            [("255.255.255.240", 28), ("28", 28), ("/28", 28), (" 255.255.255.255 ", 32), ("128.0.0.0", 1)]
        {
            assert_eq!(prefix_length(text), Ok(length), "{text}");
        }
        for text in ["", "0", "33", "/", "0.0.0.0", "255.0.255.0", "0.255.255.255", "24 ,", "-1", "255.255.255"] {
            assert!(prefix_length(text).is_err(), "{text}");
        }
    }
}

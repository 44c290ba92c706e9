//! Where a request comes from: the connection's peer, or whom a trusted proxy names in `Forwarded` (RFC 7239) or `X-Forwarded-…`.
//!
//! Proxies add to these headers at the end, and whoever is before them may have written anything at the beginning. So they are read
//! from the end on, as long as they name trusted proxies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::header::HeaderMap;
use ipnet::IpNet;

use crate::connection::Connection;

/// Where a request comes from.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) address: IpAddr,
    /// The address as text.
    pub(crate) remote: Arc<str>,
    /// Nobody reads along, as far as is known.
    pub(crate) is_encrypted: bool,
    /// The host that the device called, when a proxy tells it.
    pub(crate) host: Option<Box<str>>,
    /// The connection is a proxy's, and may carry requests of several devices.
    pub(crate) is_forwarded: bool,
}

impl Channel {
    /// The channel of a request on a connection.
    pub(crate) fn of(connection: &Connection, headers: &HeaderMap) -> Channel {
        let direct = Channel {
            address: connection.address,
            remote: connection.remote.clone(),
            is_encrypted: connection.is_encrypted,
            host: None,
            is_forwarded: false,
        };
        let proxies = &connection.policy.trusted_proxies;
        if !is_among(proxies, direct.address) {
            return direct;
        }
        let hops = match elements(headers, "forwarded") {
            elements if !elements.is_empty() => elements.iter().map(|element| Hop::forwarded(element)).collect(),
            _ => x_forwarded(headers),
        };
        match origin(hops, proxies) {
            Some((address, hop)) => Channel {
                address,
                remote: address.to_string().into(),
                is_encrypted: hop.is_https.unwrap_or(direct.is_encrypted),
                host: hop.host.map(Box::from),
                is_forwarded: true,
            },
            None => Channel { is_forwarded: true, ..direct },
        }
    }
}

/// What one proxy says of whom it serves.
#[derive(Debug, Default, PartialEq)]
struct Hop<'a> {
    address: Option<IpAddr>,
    is_https: Option<bool>,
    host: Option<&'a str>,
}

impl<'a> Hop<'a> {
    /// An element of `Forwarded`.
    fn forwarded(element: &'a str) -> Hop<'a> {
        let mut hop = Hop::default();
        for pair in element.split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop.address = address_of(value),
                "proto" => hop.is_https = Some(value.eq_ignore_ascii_case("https")),
                "host" => hop.host = host_of(value),
                _ => {}
            }
        }
        hop
    }
}

/// The last hop that is no trusted proxy; the first of all when they all are. `None` when a proxy does not say.
fn origin<'a>(hops: Vec<Hop<'a>>, proxies: &[IpNet]) -> Option<(IpAddr, Hop<'a>)> {
    let mut found = None;
    for hop in hops.into_iter().rev() {
        let Some(address) = hop.address else { break };
        let goes_on = is_among(proxies, address);
        found = Some((address, hop));
        if !goes_on {
            break;
        }
    }
    found
}

fn x_forwarded(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let last = |name| elements(headers, name).pop();
    let is_https = last("x-forwarded-proto").map(|proto| proto.eq_ignore_ascii_case("https"));
    let host = last("x-forwarded-host").and_then(host_of);
    let addresses = elements(headers, "x-forwarded-for").into_iter();
    addresses.map(|address| Hop { address: address_of(address), is_https, host }).collect()
}

/// The comma-separated elements of all headers of a name.
fn elements<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// An address with or without a port, an IPv6 one with or without brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bracketed).map(|address| address.to_canonical())
}

/// A host with or without a port, of which URLs can be made.
fn host_of(text: &str) -> Option<&str> {
    let host = match text.find(']') {
        Some(end) => &text[..=end],
        None => text.split(':').next()?,
    };
    let is_host = |character: char| character.is_ascii_alphanumeric() || "-._[]:".contains(character);
    (!host.is_empty() && host.chars().all(is_host)).then_some(host)
}

fn is_among(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::listener::ListenerPolicy;

    type Headers<'a> = &'a [(&'static str, &'a str)];
    /// Address, whether it is encrypted, host.
    type Seen = (String, bool, Option<String>);

    fn channel(peer: &str, headers: Headers<'_>) -> Seen {
        let trusted = ["10.0.0.0/8", "::1/128"];
        let policy = ListenerPolicy {
            trusted_proxies: trusted.iter().map(|network| network.parse().unwrap()).collect(),
            ..ListenerPolicy::default()
        };
        let peer = format!("{peer}:1").parse().unwrap();
        let connection = Connection::test(peer, policy);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let channel = Channel::of(&connection, &map);
        (channel.remote.to_string(), channel.is_encrypted, channel.host.map(String::from))
    }

    #[test]
    fn proxies_are_believed_as_far_as_they_are_trusted() {
        let plain = |remote: &str| (remote.to_owned(), false, None);
        let https = |remote: &str, host: &str| (remote.to_owned(), true, Some(host.to_owned()));
        let forwarded = "for=192.0.2.7;proto=https;host=acs.example:443";
        let cases: &[(&str, Headers<'_>, Seen)] = &[
            ("192.0.2.1", &[("forwarded", forwarded)], plain("192.0.2.1")),
            ("10.1.1.1", &[], plain("10.1.1.1")),
            ("10.1.1.1", &[("forwarded", forwarded)], https("192.0.2.7", "acs.example")),
            (
                "[::1]",
                &[("forwarded", "For=\"[2001:db8::1]:4711\";Proto=HTTPS;Host=\"[2001:db8::2]:1\"")],
                https("2001:db8::1", "[2001:db8::2]"),
            ),
            // What the device wrote itself is before what the proxy added.
            (
                "10.1.1.1",
                &[("forwarded", "for=1.1.1.1;proto=https"), ("forwarded", "for=192.0.2.7")],
                plain("192.0.2.7"),
            ),
            // Through two proxies of which both are trusted, and through one that hides the device.
            (
                "10.1.1.1",
                &[("forwarded", "for=192.0.2.7;proto=https;host=a, for=10.2.2.2;proto=http")],
                https("192.0.2.7", "a"),
            ),
            ("10.1.1.1", &[("forwarded", "for=1.1.1.1, for=unknown;proto=https")], plain("10.1.1.1")),
            (
                "10.1.1.1",
                &[("x-forwarded-for", "1.1.1.1, 192.0.2.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a")],
                https("192.0.2.7", "a"),
            ),
            ("10.1.1.1", &[("x-forwarded-for", "::ffff:192.0.2.7")], plain("192.0.2.7")),
            ("10.1.1.1", &[("forwarded", "for=192.0.2.7;host=\"a b\"")], plain("192.0.2.7")),
            ("192.0.2.1", &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")], plain("192.0.2.1")),
        ];
        for (peer, headers, expected) in cases {
            assert_eq!(&channel(peer, headers), expected, "{peer} {headers:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read(text in "[ -~]{0,60}") {
            let (remote, ..) = channel("10.1.1.1", &[("forwarded", &text), ("x-forwarded-for", &text)]);
            remote.parse::<IpAddr>().unwrap();
        }
    }
}

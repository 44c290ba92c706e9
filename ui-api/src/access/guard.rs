//! Keeps pages of other sites, in the browser of somebody who may reach this server, from using it.
//!
//! Three ways are closed: a name that an attacker points at this server's address (DNS rebinding: the `Host` is not ours), a
//! request from a page of another origin (`Origin`, `Sec-Fetch-Site`), and a form, whose content types need no permission.
//! Programs that are no browsers send none of these headers and are not held up.

use std::net::IpAddr;

use hyper::Method;
use hyper::header::{self, HeaderMap};

use crate::answer::Refusal;

/// Content types that a page may send to any site without asking (Fetch standard, "CORS-safelisted request-header").
const FORM_TYPES: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Refuses a `Host` that is neither an address, nor `localhost`, nor one of the allowed names.
pub fn check_host(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let Some(host) = header_text(headers, "host") else { return Ok(()) };
    let (name, _) = split_port(host);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    if is_address || is_local || name.is_empty() || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name)) {
        return Ok(());
    }
    Err(Refusal::Misdirected(format!(
        "421 Misdirected Request: this server does not answer as {name:?}; add it to the allowed host names if it should"
    )))
}

/// Refuses changes that a page of another origin asks for, and bodies of forms.
pub fn check_browser(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = header_text(headers, "origin");
    let fetch_site = header_text(headers, "sec-fetch-site");
    if origin.is_none() && fetch_site.is_none() {
        return Ok(());
    }
    let is_foreign_origin = origin.is_some_and(|origin| !is_same_origin(origin, header_text(headers, "host")));
    let is_foreign_site = fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    if is_foreign_origin || is_foreign_site {
        return Err(Refusal::Forbidden("requests from pages of other origins are refused".to_owned()));
    }
    let content_type = header_text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_empty = header_text(headers, "content-length").is_none_or(|length| length == "0")
        && !headers.contains_key(header::TRANSFER_ENCODING);
    if !is_empty && (essence.is_empty() || FORM_TYPES.contains(&essence.as_str())) {
        return Err(Refusal::UnsupportedMediaType(
            "415 Unsupported Media Type: browsers must send application/json, or application/octet-stream for scripts"
                .to_owned(),
        ));
    }
    Ok(())
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    // What is no text is something, too, and equals nothing that is allowed.
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}").trim())
}

fn is_same_origin(origin: &str, host: Option<&str>) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = if scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
    let (origin_name, origin_port) = split_port(authority);
    let (host_name, host_port) = split_port(host.unwrap_or_default());
    origin_name.eq_ignore_ascii_case(host_name)
        && origin_port.unwrap_or(default_port) == host_port.unwrap_or(default_port)
}

/// `name:port` or `[address]:port`; the port may be absent.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && (!name.contains(':') || name.ends_with(']')) => (name, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
        };
        list.iter().map(pair).collect()
    }

    #[test]
    fn only_known_names_are_answered_to() {
        let allowed = ["acs.example.net".to_owned()];
        for host in
            ["127.0.0.1", "127.0.0.1:7557", "[::1]:7557", "localhost:7557", "LOCALHOST", "ACS.example.net.:80", ""]
        {
            assert!(check_host(&headers(&[("host", host)]), &allowed).is_ok(), "{host}");
        }
        for host in ["evil.example", "evil.example:7557", "acs.example.net.evil.example", "127.0.0.1.evil.example", "é"]
        {
            assert!(check_host(&headers(&[("host", host)]), &allowed).is_err(), "{host}");
        }
        assert!(check_host(&headers(&[]), &allowed).is_ok());
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let host = ("host", "127.0.0.1:7557");
        let json = ("content-type", "application/json; charset=utf-8");
        let length = ("content-length", "5");
        let status = |method: &Method, list: &[(&'static str, &str)]| match check_browser(method, &headers(list)) {
            Ok(()) => 200,
            Err(Refusal::Forbidden(_)) => 403,
            Err(Refusal::UnsupportedMediaType(_)) => 415,
            Err(other) => panic!("{other:?}"),
        };
        let cases: [(u16, &[(&str, &str)]); 13] = [
            (200, &[host]),
            (200, &[host, ("content-type", "application/x-www-form-urlencoded"), length]),
            (200, &[host, ("origin", "http://127.0.0.1:7557"), json, length]),
            (200, &[host, ("origin", "http://127.0.0.1:7557")]),
            (200, &[("host", "acs.example"), ("origin", "https://acs.example"), json, length]),
            (403, &[host, ("origin", "http://evil.example"), json, length]),
            (403, &[host, ("origin", "http://127.0.0.1:8080"), json]),
            (403, &[host, ("origin", "null"), json]),
            (403, &[host, ("sec-fetch-site", "cross-site"), json]),
            (403, &[host, ("sec-fetch-site", "same-site"), json]),
            (415, &[host, ("origin", "http://127.0.0.1:7557"), ("content-type", "text/plain"), length]),
            (415, &[host, ("sec-fetch-site", "same-origin"), length]),
            (415, &[host, ("sec-fetch-site", "same-origin"), ("transfer-encoding", "chunked")]),
        ];
        for (expected, list) in cases {
            assert_eq!(status(&Method::POST, list), expected, "{list:?}");
        }
        assert_eq!(status(&Method::GET, &[host, ("origin", "http://evil.example")]), 200);
    }
}

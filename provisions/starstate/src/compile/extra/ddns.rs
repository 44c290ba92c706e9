//! Names that follow the router's address: the maker's cloud, and providers that are told by a script.

use std::time::Duration;

use routeros_schema::{Release, interval};

use super::scripts::{Script, fill};
use crate::compile::Builder;
use crate::form;
use crate::issue::Issue;
use crate::state::{CloudDdnsConfig, DdnsEntry};

/// How often providers are told when nothing else is said.
const INTERVAL: Duration = Duration::from_secs(600);
/// More often than this annoys providers.
const SHORTEST: Duration = Duration::from_secs(60);
/// The release from which scripts can read JSON.
const JSON: Release = Release { major: 7, minor: 13 };
/// The release from which routers know the usual authorities.
const AUTHORITIES: Release = Release { major: 7, minor: 19 };

/// Who is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    NoIp,
    Dyn,
    DuckDns,
    Cloudflare,
    Custom,
}

/// The router's name in the cloud, and a script for each other name.
pub(super) fn ddns(builder: &mut Builder<'_>, config: &CloudDdnsConfig) {
    if config.enabled != Some(false) {
        let cloud = builder.set("cloud", "/ip/cloud");
        cloud.arg("ddns-enabled", "yes").arg("ddns-update-interval", "1m").done();
    }
    for (number, entry) in config.entries.iter().enumerate() {
        if entry.enabled == Some(false) {
            continue;
        }
        let path = format!("{}.entries[{number}]", builder.source());
        if let Err((key, message)) = one_name(builder, &path, entry) {
            builder.report(Issue::error(format!("{path}.{key}"), message));
        }
    }
}

/// The script for a name. What is wrong is said with its key.
fn one_name(builder: &mut Builder<'_>, path: &str, entry: &DdnsEntry) -> Result<(), (&'static str, String)> {
    let host = entry.hostname.trim();
    if !form::is_host_name(host) {
        return Err(("hostname", format!("{host:?} is no host name")));
    }
    let provider = provider_of(entry)?;
    let every = interval_of(entry)?;
    let source = match provider {
        Provider::Cloudflare => cloudflare(builder.facts.release, host, entry)?,
        _ => {
            let (url, answer) = request(provider, host, entry)?;
            let login = provider != Provider::DuckDns;
            let (user, password) = if login { (entry.username.trim(), entry.password.reveal()) } else { ("", "") };
            let places = [("host", host), ("url", &url), ("user", user), ("password", password), ("answer", answer)];
            let login = if user.is_empty() { "" } else { " user={{user}} password={{password}}" };
            with_checks(&include_str!("ddns_request.rsc").replace("{{login}}", login), &places)
        }
    };
    let is_secret = !entry.password.is_empty();
    if is_secret && builder.facts.release < AUTHORITIES {
        let message = format!(
            "release {} does not know whose certificates to trust: the provider is not checked before it gets the password",
            builder.facts.release
        );
        builder.report(Issue::warning(path, message));
    }
    if is_secret && provider == Provider::Custom && form::host_of(entry.custom_server_url.trim(), "http").is_some() {
        let message = "the password goes to the provider without encryption: the URL should begin with https";
        builder.report(Issue::warning(format!("{path}.customServerURL"), message));
    }
    let name = format!("DDNS-{host}");
    let script = Script { what: &format!("name-{host}"), name: &name, source: &source, is_secret, is_optional: false };
    let step = script.add(builder);
    script.schedule(builder, &step, &name, &[("interval", &interval::format(every))]);
    Ok(())
}

/// A script behind what all of them begin with.
fn with_checks(template: &str, places: &[(&str, &str)]) -> String {
    format!("{}{}", fill(include_str!("ddns.rsc"), places), fill(template, places))
}

fn provider_of(entry: &DdnsEntry) -> Result<Provider, (&'static str, String)> {
    let provider = match entry.provider.trim().to_ascii_lowercase().as_str() {
        "no-ip" | "noip" => Provider::NoIp,
        "dyndns" | "dyn" => Provider::Dyn,
        "duckdns" => Provider::DuckDns,
        "cloudflare" => Provider::Cloudflare,
        "custom" => Provider::Custom,
        "" if !entry.custom_server_url.trim().is_empty() => Provider::Custom,
        other => {
            let message = format!("{other:?} is none of no-ip, dyndns, duckdns, cloudflare, custom");
            return Err(("provider", message));
        }
    };
    let with_user = matches!(provider, Provider::NoIp | Provider::Dyn);
    if with_user && entry.username.trim().is_empty() {
        return Err(("username", "this provider wants a login".to_owned()));
    }
    if provider != Provider::Custom && entry.password.is_empty() {
        return Err(("password", "this provider wants a password or token".to_owned()));
    }
    Ok(provider)
}

fn interval_of(entry: &DdnsEntry) -> Result<Duration, (&'static str, String)> {
    let text = entry.update_interval.trim();
    if text.is_empty() || text == "0" {
        return Ok(INTERVAL);
    }
    match interval::parse(text) {
        Some(every) if every >= SHORTEST => Ok(every),
        Some(_) => Err(("updateInterval", format!("{text:?} is less than a minute"))),
        None => Err(("updateInterval", format!("{text:?} is no length of time such as 10m"))),
    }
}

/// What is fetched to tell a provider, and how an answer begins that means yes.
fn request(
    provider: Provider,
    host: &str,
    entry: &DdnsEntry,
) -> Result<(String, &'static str), (&'static str, String)> {
    Ok(match provider {
        Provider::NoIp => (format!("https://dynupdate.no-ip.com/nic/update?hostname={host}"), "^(good|nochg)"),
        Provider::Dyn => (format!("https://members.dyndns.org/nic/update?hostname={host}"), "^(good|nochg)"),
        Provider::DuckDns => {
            let token = token_of(entry)?;
            let name = host.strip_suffix(".duckdns.org").unwrap_or(host);
            (format!("https://www.duckdns.org/update?domains={name}&token={token}"), "^OK")
        }
        // Whatever it says; a status that means no is a failure of its own.
        Provider::Custom | Provider::Cloudflare => (custom_url(host, entry)?, "^"),
    })
}

/// A token, which stands in an URL or in a header.
fn token_of(entry: &DdnsEntry) -> Result<&str, (&'static str, String)> {
    let token = entry.password.reveal().trim();
    let is_mark = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    match token.bytes().all(is_mark) {
        true => Ok(token),
        false => Err(("password", "a token has letters, digits, - and _ only".to_owned())),
    }
}

/// The URL of a provider that we do not know: `{hostname}` in it stands for the name; without it the name is a parameter.
fn custom_url(host: &str, entry: &DdnsEntry) -> Result<String, (&'static str, String)> {
    let url = entry.custom_server_url.trim();
    let filled = url.replace("{hostname}", host);
    if form::host_of(&filled, "https").or(form::host_of(&filled, "http")).is_none() {
        return Err(("customServerURL", format!("{url:?} is no URL")));
    }
    Ok(match (url.contains("{hostname}"), url.contains('?')) {
        (true, _) => filled,
        (false, false) => format!("{url}?hostname={host}"),
        (false, true) => format!("{url}&hostname={host}"),
    })
}

fn cloudflare(release: Release, host: &str, entry: &DdnsEntry) -> Result<String, (&'static str, String)> {
    if release < JSON {
        return Err(("provider", format!("cloudflare needs release {JSON}; the router has {release}")));
    }
    let token = token_of(entry)?;
    Ok(with_checks(include_str!("ddns_cloudflare.rsc"), &[("host", host), ("token", token)]))
}

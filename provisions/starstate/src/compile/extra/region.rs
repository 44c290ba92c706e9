//! What is domestic where a router stands: what the document says of it, else what is usual.

use crate::compile::World;
use crate::form;
use crate::issue::Issue;

/// Where it stands in a document.
const AT: &str = "$.extra.region";
/// Suffixes of domestic names.
const DOMAINS: &[&str] = &["ir"];
/// Where the list of domestic addresses is.
const ADDRESSES: &str = "https://s4i.co/irip";
/// How many entries the list has, about.
const USUAL: i64 = 38_000;
/// How many entries it has at least.
const LEAST: i64 = 35_000;

/// Suffixes of domestic names; those that are none are reported.
pub(super) fn domains<'w>(world: &World<'w>) -> (Vec<&'w str>, Vec<Issue>) {
    let said = said(world).map_or(&[][..], |region| &region.domains);
    if said.is_empty() {
        return (DOMAINS.to_vec(), Vec::new());
    }
    let (mut domains, mut issues) = (Vec::new(), Vec::new());
    for (number, domain) in said.iter().enumerate() {
        match domain.trim().trim_start_matches('.') {
            bare if form::is_host_name(bare) => domains.push(bare),
            _ => {
                let message = format!("{domain:?} is no end of names such as example or co.example");
                issues.push(Issue::error(format!("{AT}.domains[{number}]"), message));
            }
        }
    }
    (domains, issues)
}

/// The list of domestic addresses.
pub(super) struct List<'w> {
    /// An URL, and the host in it.
    pub url: &'w str,
    /// The host in the URL.
    pub host: &'w str,
    /// With fewer entries it is strange.
    pub usual: i64,
    /// With fewer entries it is incomplete.
    pub least: i64,
}

/// Where the list of domestic addresses is, and how long.
///
/// # Errors
/// What of it makes no sense.
pub(super) fn list<'w>(world: &World<'w>) -> Result<List<'w>, Issue> {
    let said = said(world);
    let url = said.map(|region| region.addresses.trim()).filter(|url| !url.is_empty()).unwrap_or(ADDRESSES);
    let host = form::host_of(url, "https");
    let host = host.ok_or_else(|| Issue::error(format!("{AT}.addresses"), format!("{url:?} is no https URL")))?;
    let number = |key: &str, value: Option<i64>, usual: i64| match value.unwrap_or(usual) {
        number @ 0.. => Ok(number),
        number => Err(Issue::error(format!("{AT}.{key}"), format!("{number} is no number of entries"))),
    };
    let usual = number("usual", said.and_then(|region| region.usual), USUAL)?;
    let least = number("least", said.and_then(|region| region.least), LEAST)?;
    Ok(List { url, host, usual, least })
}

fn said<'w>(world: &World<'w>) -> Option<&'w crate::state::Region> {
    world.state.extra.as_ref()?.region.as_ref()
}

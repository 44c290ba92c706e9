//! The list of domestic addresses, which the router renews by itself.
//!
//! The requests come from an address of their own where there are foreign uplinks, so that they can be sent through those.

use super::region::{self, List};
use super::schedules::{Times, times};
use super::scripts::{Script, fill};
use crate::compile::{Builder, Rank};
use crate::state::{NetworkType, Schedule};

/// The address that requests come from.
const HOLDER: &str = "192.168.39.12";

/// A script, its scheduler, and the same once when the router starts next.
pub(super) fn domestic_ips(builder: &mut Builder<'_>, schedule: &Schedule) {
    let Some(Times { interval, start }) = times(builder, schedule) else { return };
    let List { url, usual, least, .. } = match region::list(builder.world) {
        Ok(list) => list,
        Err(issue) => return builder.report(issue),
    };
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}format=addresses&limit=1000&offset=");
    let has_foreign = builder.world.exists(NetworkType::Foreign);
    let places = [
        ("url", url.as_str()),
        ("holder", if has_foreign { HOLDER } else { "" }),
        ("usual", &usual.to_string()),
        ("least", &least.to_string()),
    ];
    let body = fill(include_str!("domestic.rsc"), &places);
    let regular =
        Script { what: "regular", name: "DomesticIPUpdate", source: &body, is_secret: false, is_optional: false };
    let script = regular.add(builder);
    let times = [("interval", interval), ("start-time", start.as_str())];
    regular.schedule(builder, &script, "DomesticIPUpdate-schedule", &times);

    const ONE_TIME: &str = "DomesticIPUpdate-OneTime-schedule";
    let last = fill("/system/scheduler/remove [find where name={{name}}]", &[("name", ONE_TIME)]);
    let source = format!(":delay 120s\n{body}\n{last}");
    let first = Script {
        what: "one-time",
        name: "DomesticIPUpdate-OneTime",
        source: &source,
        is_secret: false,
        is_optional: true,
    };
    let script = first.add(builder);
    first.schedule(builder, &script, ONE_TIME, &[("start-time", "startup")]);
    if has_foreign {
        holder(builder);
    }
}

/// The address that requests come from, and the way that they take.
fn holder(builder: &mut Builder<'_>) {
    builder.add("holder", "/interface/bridge", &["name"]).arg("name", "FTAH").done();
    let address = builder.add("holder-address", "/ip/address", &["address", "interface"]);
    address.arg("address", format!("{HOLDER}/32")).arg("interface", "FTAH").done();
    let table = builder.table("to-Foreign");
    let rule = builder.add("holder-route", "/ip/firewall/mangle", &[]);
    rule.arg("action", "mark-routing")
        .arg("chain", "output")
        .arg("src-address", HOLDER)
        .arg("new-routing-mark", "to-Foreign")
        .arg("passthrough", "no")
        .rank(Rank::Output)
        .needs(table)
        .done();
}

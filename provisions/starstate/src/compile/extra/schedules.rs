//! The time zone, and what happens at certain times.

use crate::compile::Builder;
use crate::form;
use crate::issue::Issue;
use crate::state::Schedule;

/// What a scheduler may do that restarts the router.
const POLICY: &str = "reboot,read,write,policy,test";

/// How long the router gets to ask for a new release.
const UPDATE: &str = "/system/package/update/check-for-updates once\n\
    :delay 9s\n\
    :if ([/system/package/update/get status] = \"New version is available\") do={ /system/package/update/install }";

/// The router's time zone, by its IANA name.
pub(super) fn time_zone(builder: &mut Builder<'_>, zone: &str) {
    let zone = zone.trim();
    let is_mark = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    if zone.is_empty() || !zone.bytes().all(is_mark) {
        return builder.error(format!("{zone:?} is no time zone such as Europe/Berlin"));
    }
    let clock = builder.set("zone", "/system/clock");
    clock.flag("time-zone-autodetect", false).arg("time-zone-name", zone).done();
}

/// It restarts.
pub(super) fn reboot(builder: &mut Builder<'_>, schedule: &Schedule) {
    scheduler(builder, "reboot", schedule, "/system reboot");
}

/// It looks for a new release and installs it.
pub(super) fn update(builder: &mut Builder<'_>, schedule: &Schedule) {
    scheduler(builder, "update", schedule, UPDATE);
}

fn scheduler(builder: &mut Builder<'_>, what: &str, schedule: &Schedule, event: &str) {
    let Some(Times { interval, start }) = times(builder, schedule) else { return };
    let name = format!("{what}-{}", &start[.."00:00".len()]);
    let row = builder.add("scheduler", "/system/scheduler", &["name"]);
    row.arg("name", name)
        .arg("interval", interval)
        .arg("start-time", start)
        .arg("on-event", event)
        .arg("policy", POLICY)
        .done();
}

/// How often, and when, as routers write it.
pub(super) struct Times {
    /// `1d`, `7d`, `30d`.
    pub interval: &'static str,
    /// `04:00:00`.
    pub start: String,
}

/// The times of a schedule; what is wrong with them is reported.
pub(super) fn times(builder: &mut Builder<'_>, schedule: &Schedule) -> Option<Times> {
    let interval = match schedule.interval.trim().to_ascii_lowercase().as_str() {
        "daily" => Some("1d"),
        "weekly" => Some("7d"),
        "monthly" => Some("30d"),
        _ => None,
    };
    if interval.is_none() {
        let message = format!("{:?} is none of Daily, Weekly, Monthly", schedule.interval);
        builder.report(Issue::error(format!("{}.interval", builder.source()), message));
    }
    let start = form::time_of_day(&schedule.time);
    if start.is_none() {
        let message = format!("{:?} is no time of day such as 04:30", schedule.time);
        builder.report(Issue::error(format!("{}.time", builder.source()), message));
    }
    Some(Times { interval: interval?, start: start? })
}

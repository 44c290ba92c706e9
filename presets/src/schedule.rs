//! At which times a preset applies.
//!
//! A schedule does not wake devices: it says during which times a session that takes place anyway fits.

use std::fmt::Display;

use acs_core::clock::{parse_cron, previous_firing};
use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;
use serde_json::{Map, Value as Json};

use crate::problem::Problems;

/// When a preset applies, in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    when: When,
    zone: Tz,
}

#[derive(Debug, Clone)]
enum When {
    /// From each firing on, for a time in milliseconds.
    AfterFiring { cron: Box<Cron>, duration: i64 },
    /// During the minutes that are in all three sets.
    Minutes { days: NumberSet, hours: NumberSet, minutes: NumberSet },
}

/// Numbers from 0 to 63, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NumberSet(u64);

const CRON_FORM: &[&str] = &["cron", "duration", "timezone"];
const MINUTES_FORM: &[&str] = &["md", "h", "m", "timezone"];

impl Schedule {
    /// Reads any form of a schedule; `None` when there is none, or none that can be used.
    ///
    /// | form | applies |
    /// | --- | --- |
    /// | `"<seconds> <cron>"` | for so many seconds after each firing; 5 fields, or 6 with leading seconds |
    /// | `{cron, duration, timezone?}` | the same, the duration in seconds |
    /// | `{md?, h?, m?, timezone?}` | during these minutes: days of the month 1–31, hours 0–23, minutes 0–59; what is left out is any |
    ///
    /// `timezone` is the document's own field of that name, an IANA name; without any, times are UTC.
    pub fn read(
        json: &Json,
        timezone: &Json,
        path: &str,
        timezone_path: &str,
        problems: &mut Problems,
    ) -> Option<Schedule> {
        let outer = read_zone(timezone, timezone_path, problems);
        match json {
            Json::Null => {
                warn_of_lonely_zone(outer, timezone_path, problems);
                None
            }
            Json::String(text) if text.trim().is_empty() => {
                warn_of_lonely_zone(outer, timezone_path, problems);
                None
            }
            Json::String(text) => {
                let when = read_text(text, path, problems)?;
                Some(Schedule { when, zone: outer.unwrap_or(Tz::UTC) })
            }
            Json::Object(map) => {
                let inner_path = format!("{path}.timezone");
                let inner = read_zone(map.get("timezone").unwrap_or(&Json::Null), &inner_path, problems);
                if let (Some(inner), Some(outer)) = (inner, outer)
                    && inner != outer
                {
                    problems.error(&inner_path, format!("differs from {timezone_path}, {outer}; give one of them"));
                }
                let when = if map.contains_key("cron") || map.contains_key("duration") {
                    problems.unknown_keys(path, map, CRON_FORM);
                    read_cron_form(map, path, problems)
                } else {
                    problems.unknown_keys(path, map, MINUTES_FORM);
                    read_minutes_form(map, path, problems)
                };
                Some(Schedule { when: when?, zone: inner.or(outer).unwrap_or(Tz::UTC) })
            }
            _ => {
                problems.error(
                    path,
                    r#"must be text like "3600 0 2 * * *", or an object of {cron, duration} or {md, h, m}"#,
                );
                None
            }
        }
    }

    /// Whether it covers a time in milliseconds since the Unix epoch.
    pub fn covers(&self, timestamp: i64) -> bool {
        match &self.when {
            When::AfterFiring { cron, duration } => previous_firing(cron, timestamp, &self.zone)
                .is_some_and(|firing| firing.saturating_add(*duration) > timestamp),
            When::Minutes { days, hours, minutes } => {
                let Some(time) = DateTime::<Utc>::from_timestamp_millis(timestamp) else {
                    return false;
                };
                let local = time.with_timezone(&self.zone);
                days.contains(local.day()) && hours.contains(local.hour()) && minutes.contains(local.minute())
            }
        }
    }
}

impl NumberSet {
    const ANY: NumberSet = NumberSet(u64::MAX);

    fn contains(self, number: u32) -> bool {
        1u64.checked_shl(number).is_some_and(|bit| self.0 & bit != 0)
    }
}

fn read_zone(json: &Json, path: &str, problems: &mut Problems) -> Option<Tz> {
    match json {
        Json::Null => None,
        Json::String(name) if name.trim().is_empty() => None,
        Json::String(name) => match name.trim().parse() {
            Ok(zone) => Some(zone),
            Err(_) => {
                problems.error(path, format!("{name:?} is no IANA time zone, such as Europe/Warsaw or UTC"));
                None
            }
        },
        _ => {
            problems.error(path, "must be the text of an IANA time zone, such as Europe/Warsaw");
            None
        }
    }
}

fn warn_of_lonely_zone(zone: Option<Tz>, path: &str, problems: &mut Problems) {
    if zone.is_some() {
        problems.warning(path, "has no effect without a schedule");
    }
}

fn read_text(text: &str, path: &str, problems: &mut Problems) -> Option<When> {
    let text = text.trim();
    let Some((duration, cron)) = text.split_once(char::is_whitespace) else {
        problems.error(path, r#"must be "<seconds> <cron>", such as "3600 0 2 * * *""#);
        return None;
    };
    let duration = read_duration(duration.parse().ok(), format!("{duration:?}"), path, problems);
    let cron = read_cron(cron, path, problems);
    Some(When::AfterFiring { cron: cron?, duration: duration? })
}

fn read_cron_form(map: &Map<String, Json>, path: &str, problems: &mut Problems) -> Option<When> {
    let duration_path = format!("{path}.duration");
    let duration = match map.get("duration") {
        None => {
            problems.error(&duration_path, "is missing: for how many seconds after each firing the preset applies");
            None
        }
        Some(json) => {
            let seconds = json.as_i64().or_else(|| json.as_str()?.trim().parse().ok());
            read_duration(seconds, json, &duration_path, problems)
        }
    };
    let cron_path = format!("{path}.cron");
    let cron = match map.get("cron") {
        Some(Json::String(text)) => read_cron(text, &cron_path, problems),
        _ => {
            problems.error(&cron_path, "must be text with a cron expression");
            None
        }
    };
    Some(When::AfterFiring { cron: cron?, duration: duration? })
}

fn read_duration(seconds: Option<i64>, given: impl Display, path: &str, problems: &mut Problems) -> Option<i64> {
    let milliseconds = seconds.filter(|&seconds| seconds > 0).and_then(|seconds| seconds.checked_mul(1_000));
    if milliseconds.is_none() {
        problems.error(path, format!("the duration must be a whole number of seconds above 0, not {given}"));
    }
    milliseconds
}

fn read_cron(text: &str, path: &str, problems: &mut Problems) -> Option<Box<Cron>> {
    let text = text.trim();
    let fields = text.split_whitespace().count();
    if !text.starts_with('@') && fields != 5 && fields != 6 {
        problems
            .error(path, format!("a cron expression has 5 fields, or 6 with leading seconds; {text:?} has {fields}"));
        return None;
    }
    let cron = match parse_cron(text) {
        Ok(cron) => cron,
        Err(error) => {
            problems.error(path, error.to_string());
            return None;
        }
    };
    // A date that no calendar has, such as 30 February, is searched for long, so no session shall start the search. Every date
    // that there is has occurred before.
    let reference = Utc.with_ymd_and_hms(2025, 1, 1, 0, 0, 0).single()?.timestamp_millis();
    if previous_firing(&cron, reference, &Utc).is_none() {
        problems.error(path, format!("{text:?} never fires"));
        return None;
    }
    Some(Box::new(cron))
}

fn read_minutes_form(map: &Map<String, Json>, path: &str, problems: &mut Problems) -> Option<When> {
    if ["md", "h", "m"].iter().all(|key| map.get(*key).unwrap_or(&Json::Null).is_null()) {
        return None;
    }
    let mut set =
        |key: &str, least: u64, most: u64| read_numbers(map.get(key), least, most, &format!("{path}.{key}"), problems);
    let (days, hours, minutes) = (set("md", 1, 31), set("h", 0, 23), set("m", 0, 59));
    Some(When::Minutes { days: days?, hours: hours?, minutes: minutes? })
}

fn read_numbers(json: Option<&Json>, least: u64, most: u64, path: &str, problems: &mut Problems) -> Option<NumberSet> {
    let numbers = match json {
        None | Some(Json::Null) => return Some(NumberSet::ANY),
        Some(Json::Array(numbers)) if numbers.is_empty() => {
            problems.error(path, "an empty list never matches; leave it out for any");
            return None;
        }
        Some(Json::Array(numbers)) => numbers,
        Some(_) => {
            problems.error(path, format!("must be a list of numbers from {least} to {most}"));
            return None;
        }
    };
    let mut set = NumberSet(0);
    let mut complete = true;
    for (index, json) in numbers.iter().enumerate() {
        match json.as_u64().filter(|number| (least..=most).contains(number)) {
            Some(number) => set.0 |= 1 << number,
            None => {
                problems
                    .error(&format!("{path}[{index}]"), format!("must be a number from {least} to {most}, not {json}"));
                complete = false;
            }
        }
    }
    complete.then_some(set)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acs_core::value::parse_date_time;
    use serde_json::json;

    fn read(schedule: &Json, timezone: &Json) -> Result<Option<Schedule>, Vec<String>> {
        let mut problems = Problems::default();
        let schedule = Schedule::read(schedule, timezone, "$.schedule", "$.timezone", &mut problems);
        let problems = problems.into_list();
        if problems.is_empty() { Ok(schedule) } else { Err(problems.iter().map(ToString::to_string).collect()) }
    }

    #[test]
    fn it_covers_its_windows() {
        // 2024-03-15 was a Friday.
        let cases = [
            (json!("3600 0 2 * * *"), json!(null), "2024-03-15T01:59:59.999Z", false),
            (json!("3600 0 2 * * *"), json!(null), "2024-03-15T02:00:00.000Z", true),
            (json!("3600 0 2 * * *"), json!(null), "2024-03-15T02:59:59.999Z", true),
            (json!("3600 0 2 * * *"), json!(null), "2024-03-15T03:00:00.000Z", false),
            (json!("  60  30 0 2 * * * "), json!(null), "2024-03-15T02:00:29Z", false),
            (json!("  60  30 0 2 * * * "), json!(null), "2024-03-15T02:00:30Z", true),
            (json!("86400 0 0 * * FRI"), json!(null), "2024-03-15T23:59:59Z", true),
            (json!("86400 0 0 * * 5"), json!(null), "2024-03-15T12:00:00Z", true),
            (json!("86400 0 0 * * 1-4"), json!(null), "2024-03-15T12:00:00Z", false),
            (json!("60 @hourly"), json!(null), "2024-03-15T12:00:59Z", true),
            // Longer than a period: always.
            (json!("7200 0 * * * *"), json!(null), "2024-03-15T12:34:56Z", true),
            // Warsaw is one hour ahead in winter, two in summer.
            (json!("3600 0 2 * * *"), json!("Europe/Warsaw"), "2024-03-15T01:30:00Z", true),
            (json!("3600 0 2 * * *"), json!("Europe/Warsaw"), "2024-03-15T02:30:00Z", false),
            (json!("3600 0 2 * * *"), json!("Europe/Warsaw"), "2024-07-15T00:30:00Z", true),
            // In the night when the clock goes forward, 02:30 does not exist; the next time that does stands in.
            (json!("600 30 2 * * *"), json!("Europe/Warsaw"), "2024-03-31T01:05:00Z", true),
            (json!({"cron": "0 2 * * *", "duration": 3600}), json!(null), "2024-03-15T02:30:00Z", true),
            (json!({"cron": "0 2 * * *", "duration": "3600"}), json!(""), "2024-03-15T03:30:00Z", false),
            (
                json!({"cron": "0 2 * * *", "duration": 3600, "timezone": "America/New_York"}),
                json!(null),
                "2024-03-15T06:30:00Z",
                true,
            ),
            (json!({"md": [15], "h": [2, 3], "m": [0, 30]}), json!(null), "2024-03-15T03:30:59Z", true),
            (json!({"md": [15], "h": [2, 3], "m": [0, 30]}), json!(null), "2024-03-15T03:31:00Z", false),
            (json!({"md": [15], "h": [2, 3], "m": [0, 30]}), json!(null), "2024-03-15T04:30:00Z", false),
            (json!({"md": [15], "h": [2, 3], "m": [0, 30]}), json!(null), "2024-03-16T03:30:00Z", false),
            (json!({"h": [2]}), json!(null), "2024-03-15T02:59:00Z", true),
            (json!({"md": [31], "m": null}), json!(null), "2024-03-31T12:00:00Z", true),
            (json!({"h": [4], "timezone": "Asia/Tokyo"}), json!("Asia/Tokyo"), "2024-03-14T19:10:00Z", true),
        ];
        for (schedule, timezone, time, expected) in cases {
            let read = read(&schedule, &timezone).unwrap().unwrap();
            assert_eq!(read.covers(parse_date_time(time).unwrap()), expected, "{schedule} in {timezone} at {time}");
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_not_covered() {
        for schedule in [json!("3600 0 * * * *"), json!({"h": [0]})] {
            assert!(!read(&schedule, &json!(null)).unwrap().unwrap().covers(i64::MAX));
        }
    }

    #[test]
    fn nothing_is_no_schedule() {
        for schedule in [json!(null), json!(""), json!("  "), json!({}), json!({"md": null})] {
            assert!(read(&schedule, &json!(null)).unwrap().is_none(), "{schedule}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (json!(5), json!(null), vec!["$.schedule: must be text like"]),
            (json!("3600"), json!(null), vec![r#"$.schedule: must be "<seconds> <cron>""#]),
            (
                json!("1h 0 2 * * *"),
                json!(null),
                vec![r#"$.schedule: the duration must be a whole number of seconds above 0, not "1h""#],
            ),
            (json!("0 0 2 * * *"), json!(null), vec!["$.schedule: the duration"]),
            (json!("-5 0 2 * * *"), json!(null), vec!["$.schedule: the duration"]),
            (json!("9223372036854775807 0 2 * * *"), json!(null), vec!["$.schedule: the duration"]),
            (json!("60 0 2 * *"), json!(null), vec!["$.schedule: a cron expression has 5 fields"]),
            (json!("60 0 0 2 * * * 2030"), json!(null), vec!["$.schedule: a cron expression has 5 fields"]),
            (json!("60 0 25 * * *"), json!(null), vec![r#"$.schedule: invalid cron expression "0 25 * * *""#]),
            (json!("x 0 25 * * *"), json!(null), vec!["$.schedule: the duration", "$.schedule: invalid cron"]),
            (json!("60 0 0 30 2 *"), json!(null), vec![r#"$.schedule: "0 0 30 2 *" never fires"#]),
            (json!("60 0 0 * * *"), json!("Mars/Olympus"), vec![r#"$.timezone: "Mars/Olympus" is no IANA time zone"#]),
            (json!("60 0 0 * * *"), json!(1), vec!["$.timezone: must be the text"]),
            (json!(""), json!("UTC"), vec!["$.timezone: has no effect without a schedule"]),
            (json!({"cron": "0 0 * * *"}), json!(null), vec!["$.schedule.duration: is missing"]),
            (
                json!({"duration": 1.5}),
                json!(null),
                vec!["$.schedule.duration: the duration", "$.schedule.cron: must be text"],
            ),
            (
                json!({"cron": "0 0 * * *", "duration": 60, "timezone": "UTC"}),
                json!("Europe/Warsaw"),
                vec!["$.schedule.timezone: differs from $.timezone, Europe/Warsaw"],
            ),
            (
                json!({"md": [0, 32]}),
                json!(null),
                vec!["$.schedule.md[0]: must be a number from 1 to 31, not 0", "$.schedule.md[1]"],
            ),
            (
                json!({"h": [24], "m": [60, "5"]}),
                json!(null),
                vec!["$.schedule.h[0]", "$.schedule.m[0]", "$.schedule.m[1]"],
            ),
            (json!({"h": []}), json!(null), vec!["$.schedule.h: an empty list never matches"]),
            (json!({"h": 5}), json!(null), vec!["$.schedule.h: must be a list of numbers from 0 to 23"]),
            (json!({"h": [5], "w": [1]}), json!(null), vec!["$.schedule.w: unknown field"]),
        ];
        for (schedule, timezone, expected) in cases {
            let problems = read(&schedule, &timezone).unwrap_err();
            assert_eq!(problems.len(), expected.len(), "{schedule}: {problems:?}");
            for (problem, start) in problems.iter().zip(expected) {
                assert!(problem.starts_with(start), "{schedule}: {problem}");
            }
        }
    }
}

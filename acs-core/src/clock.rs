//! The three forms of `now()` in scripts: a session's time, rounded so that devices spread (`docs/engine.md`, "Time").
//!
//! All are pure functions of the session's timestamp and the device's ID.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use md5::{Digest, Md5};

/// A cron expression or an interval that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The text is not a cron expression of 5 or 6 fields.
    #[error("invalid cron expression {expression:?}: {reason}")]
    Cron {
        /// What was given.
        expression: String,
        /// What the parser says.
        reason: String,
    },
    /// The interval is not a positive number of milliseconds.
    #[error("invalid interval {0}: expected a positive number of milliseconds")]
    Interval(i64),
}

/// A number from the device's ID that spreads devices evenly: the four little-endian words of its MD5, XORed.
pub fn device_hash(device_id: &str) -> u32 {
    let digest = Md5::digest(device_id.as_bytes());
    digest.chunks_exact(4).fold(0, |hash, word| hash ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

/// The latest multiple of `interval` milliseconds not after `timestamp`, shifted per device within `spread` milliseconds.
pub fn now_interval(timestamp: i64, device_id: &str, interval: i64, spread: i64) -> Result<i64, ClockError> {
    if interval <= 0 {
        return Err(ClockError::Interval(interval));
    }
    let offset = spread_offset(device_id, spread);
    Ok((timestamp + offset) / interval * interval - offset)
}

/// The most recent firing of a cron expression (UTC) not after `timestamp`, shifted per device within `spread` milliseconds.
pub fn now_cron(timestamp: i64, device_id: &str, expression: &str, spread: i64) -> Result<i64, ClockError> {
    let cron = parse_cron(expression)?;
    let offset = spread_offset(device_id, spread);
    match previous_firing(&cron, timestamp + offset, &Utc) {
        Some(firing) => Ok(firing - offset),
        None => Err(ClockError::Cron { expression: expression.to_owned(), reason: "it never fires".to_owned() }),
    }
}

/// Parses a cron expression of 5 fields, or 6 with leading seconds.
pub fn parse_cron(expression: &str) -> Result<Cron, ClockError> {
    CronParser::builder()
        .seconds(Seconds::Optional)
        .build()
        .parse(expression)
        .map_err(|error| ClockError::Cron { expression: expression.to_owned(), reason: error.to_string() })
}

/// The most recent firing at or before a time in milliseconds, in a time zone. `None` when there is none.
pub fn previous_firing<Zone: chrono::TimeZone>(cron: &Cron, at: i64, zone: &Zone) -> Option<i64> {
    let time = DateTime::<Utc>::from_timestamp_millis(at)?.with_timezone(zone);
    cron.find_previous_occurrence(&time, true).ok().map(|firing| firing.timestamp_millis())
}

fn spread_offset(device_id: &str, spread: i64) -> i64 {
    if spread > 0 { i64::from(device_hash(device_id)) % spread } else { 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn devices_spread_by_their_id() {
        assert_eq!(i64::from(device_hash("001122-PC-SN1")) % DAY, 69_222_906);
        let now = 1_700_000_000_000;
        assert_eq!(now_interval(now, "any", 3_600_000, 0).unwrap(), now / 3_600_000 * 3_600_000);
        let shifted = now_interval(now, "001122-PC-SN1", DAY, DAY).unwrap();
        assert!(shifted <= now && now - shifted < DAY);
        assert_eq!((shifted + 69_222_906) % DAY, 0);
        assert_eq!(now_interval(now, "any", 0, 0), Err(ClockError::Interval(0)));
    }

    #[test]
    fn cron_gives_the_most_recent_firing() {
        // 2023-11-14 22:13:20 UTC was a Tuesday.
        let now = 1_700_000_000_000;
        assert_eq!(now_cron(now, "any", "0 22 * * *", 0).unwrap(), 1_699_999_200_000);
        assert_eq!(now_cron(now, "any", "20 13 22 * * *", 0).unwrap(), now);
        assert_eq!(now_cron(now, "any", "0 0 * * 1-5", 0).unwrap(), 1_699_920_000_000);
        assert!(now_cron(now, "any", "nonsense", 0).is_err());
    }
}

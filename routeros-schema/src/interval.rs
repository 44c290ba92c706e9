//! Lengths of time as RouterOS writes them: `1w2d3h4m5s`, `150ms`, and also `90`, `00:01:30`, `1d00:00:00`.

use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads any of the forms; a number alone is seconds. `None` when it is none of them, or longer than about 500 million years.
pub fn parse(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    if text.contains(':') {
        return parse_clock(text);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    parse_units(text).map(Duration::from_millis)
}

/// The form in which a router shows it. Parts of a millisecond are left out.
pub fn format(length: Duration) -> String {
    let mut rest = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

/// Numbers with units, from large to small, each at most once; a last number without a unit is seconds.
fn parse_units(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..digits].parse().ok()?;
        let letters = &rest[digits..];
        let end = letters.find(|character: char| character.is_ascii_digit()).unwrap_or(letters.len());
        let unit = if end == 0 { "s" } else { &letters[..end] };
        let place = UNITS.iter().position(|(name, _)| *name == unit)?;
        if place < next_unit {
            return None;
        }
        next_unit = place + 1;
        total = total.checked_add(count.checked_mul(UNITS[place].1)?)?;
        rest = &letters[end..];
    }
    Some(total)
}

/// `hh:mm:ss` or `hh:mm`, with weeks and days before it and a fraction behind it.
fn parse_clock(text: &str) -> Option<Duration> {
    let days_end = text.rfind(['w', 'd']).map_or(0, |place| place + 1);
    let days = if days_end == 0 { 0 } else { parse_units(&text[..days_end])? };
    let (clock, fraction) = match text[days_end..].split_once('.') {
        Some((clock, fraction)) => (clock, fraction),
        None => (&text[days_end..], ""),
    };
    let mut parts = clock.split(':');
    let mut number = |limit: u64| -> Option<u64> {
        let part = parts.next()?;
        let short = part.len() <= 9 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        short.then(|| part.parse().ok()).flatten().filter(|value| *value < limit)
    };
    let (hours, minutes) = (number(1_000_000)?, number(60)?);
    let seconds = if clock.matches(':').count() == 1 { 0 } else { number(60)? };
    if parts.next().is_some() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let clock = (hours * 3600 + minutes * 60 + seconds) * 1000 + millis;
    days.checked_add(clock).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_one_is_written() {
        let cases = [
            ("1w2d3h4m5s", "1w2d3h4m5s"),
            ("150ms", "150ms"),
            ("0", "0s"),
            ("0s", "0s"),
            ("90", "1m30s"),
            ("5400s", "1h30m"),
            ("00:01:30", "1m30s"),
            ("12:30", "12h30m"),
            ("1d00:00:00", "1d"),
            ("00:00:00.5", "500ms"),
            ("1w1d01:00:00", "1w1d1h"),
            ("30d", "4w2d"),
            ("1m30", "1m30s"),
        ];
        for (read, written) in cases {
            assert_eq!(parse(read).map(format).as_deref(), Some(written), "{read}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in
            ["", "s", "1x", "1s1m", "1m1m", "-1", "1:2:3:4", "1:60", "a:b", "99999999999999999999w", "1.5s", "é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

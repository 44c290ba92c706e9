//! `Range` headers (RFC 9110 §14.2): one range of bytes; several are answered with the whole file, as is allowed.

/// What of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// From the first to the last byte, both included.
    Part(u64, u64),
    /// Nothing that exists.
    Unsatisfiable,
}

/// Reads a header for a file of this length. Ranges in other units are no ranges; what is none in bytes is refused.
pub fn read(header: &str, length: u64) -> Wanted {
    let Some((unit, ranges)) = header.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = ranges.split_once('-') else { return Wanted::Unsatisfiable };
    let (first, last) = (first.trim(), last.trim());
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (number(first), number(last)) {
        (None, Some(suffix)) if first.is_empty() && suffix > 0 && length > 0 => {
            Wanted::Part(length - suffix.min(length), length - 1)
        }
        (Some(first), Some(last)) if first <= last && first < length => Wanted::Part(first, last.min(length - 1)),
        (Some(first), None) if last.is_empty() && first < length => Wanted::Part(first, length - 1),
        _ => Wanted::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let cases = [
            ("bytes=0-3", Wanted::Part(0, 3)),
            ("Bytes = 0 - 3", Wanted::Part(0, 3)),
            ("bytes=4-", Wanted::Part(4, 9)),
            ("bytes=9-9", Wanted::Part(9, 9)),
            ("bytes=-3", Wanted::Part(7, 9)),
            ("bytes=-30", Wanted::Part(0, 9)),
            ("bytes=5-50", Wanted::Part(5, 9)),
            ("bytes=5-18446744073709551615", Wanted::Part(5, 9)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::Unsatisfiable),
            ("bytes=x-y", Wanted::Unsatisfiable),
            ("bytes=+1-2", Wanted::Unsatisfiable),
            ("bytes=-", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes", Wanted::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(read(header, 10), expected, "{header}");
        }
        for header in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            assert_eq!(read(header, 0), Wanted::Unsatisfiable, "{header}");
        }
    }
}

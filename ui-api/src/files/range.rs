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

/// Reads a header for a file of this length.
pub fn read(header: &str, length: u64) -> Wanted {
    let Some(ranges) = header.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    if ranges.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (number(first), number(last)) {
        (None, Some(suffix)) if first.trim().is_empty() => {
            if suffix == 0 || length == 0 {
                Wanted::Unsatisfiable
            } else {
                Wanted::Part(length - suffix.min(length), length - 1)
            }
        }
        (Some(first), _) if first >= length => Wanted::Unsatisfiable,
        (Some(first), Some(last)) if last >= first => Wanted::Part(first, last.min(length - 1)),
        (Some(first), None) if last.trim().is_empty() => Wanted::Part(first, length - 1),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let cases = [
            ("bytes=0-3", Wanted::Part(0, 3)),
            ("bytes=4-", Wanted::Part(4, 9)),
            ("bytes=-3", Wanted::Part(7, 9)),
            ("bytes=-30", Wanted::Part(0, 9)),
            ("bytes=5-50", Wanted::Part(5, 9)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=x-y", Wanted::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(read(header, 10), expected, "{header}");
        }
        assert_eq!(read("bytes=0-", 0), Wanted::Unsatisfiable);
    }
}

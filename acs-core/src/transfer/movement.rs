//! The file server's half of a transfer record: which bytes went over the wire.

use serde::{Deserialize, Serialize};

/// Gaps between the parts of a file that went over the wire. Devices fetch from the beginning, or go on where they were.
const MOST_PARTS: usize = 64;

/// Something that the file server sent or received for a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementReport {
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Whether the device sends, and does not fetch.
    pub is_upload: bool,
    /// Whether a request begins with this; else it goes on or ends.
    pub is_new_request: bool,
    /// The HTTP status of its answer.
    pub status: u16,
    /// The address that it came from.
    pub remote_address: String,
    /// The bytes that moved: the first, and the one behind the last.
    pub part: (u64, u64),
    /// The whole file's length in bytes; `None` while that is not known.
    pub length: Option<u64>,
}

/// What the file server knows of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Movement {
    /// When the device came first, in milliseconds since the Unix epoch.
    pub first_at: i64,
    /// When something moved last.
    pub last_at: i64,
    /// How many requests it made.
    pub requests: u32,
    /// The HTTP status of the last answer.
    pub last_status: u16,
    /// The address that the last request came from.
    pub remote_address: String,
    /// The parts of the file that moved, in order and without overlaps: the first byte, and the one behind the last.
    pub parts: Vec<(u64, u64)>,
    /// The whole file's length in bytes, once it is known.
    pub length: Option<u64>,
}

impl Movement {
    /// Takes in a report. Returns whether the file is complete by that, and was not before.
    pub fn take(&mut self, report: &MovementReport) -> bool {
        let was_complete = self.is_complete();
        if self.requests == 0 {
            self.first_at = report.at;
        }
        self.last_at = self.last_at.max(report.at);
        self.requests = self.requests.saturating_add(u32::from(report.is_new_request));
        self.last_status = report.status;
        self.remote_address.clone_from(&report.remote_address);
        self.length = report.length.or(self.length);
        self.cover(report.part);
        self.is_complete() && !was_complete
    }

    /// How many bytes of the file moved, each counted once.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|(first, behind)| behind - first).sum()
    }

    /// Whether all of it did.
    pub fn is_complete(&self) -> bool {
        self.requests > 0 && self.length.is_some_and(|length| self.bytes() >= length)
    }

    fn cover(&mut self, (mut first, mut behind): (u64, u64)) {
        if first >= behind {
            return;
        }
        let mut parts = Vec::with_capacity(self.parts.len() + 1);
        for &(other_first, other_behind) in &self.parts {
            if other_behind < first || other_first > behind {
                parts.push((other_first, other_behind));
            } else {
                (first, behind) = (first.min(other_first), behind.max(other_behind));
            }
        }
        parts.push((first, behind));
        parts.sort_unstable();
        // Whoever fetches in tiny pieces everywhere is not followed: what is left out counts as not moved.
        parts.truncate(MOST_PARTS);
        self.parts = parts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(part: (u64, u64), is_new_request: bool) -> MovementReport {
        let remote_address = "192.0.2.7".to_owned();
        let length = Some(100);
        MovementReport { at: 10, is_upload: false, is_new_request, status: 200, remote_address, part, length }
    }

    /// Parts in their order, each from one byte to before another.
    type Parts = &'static [(u64, u64)];

    #[test]
    fn every_byte_counts_once() {
        // With the bytes that have moved then, and whether these are all.
        let cases: [(Parts, u64, bool); 7] = [
            (&[(0, 100)], 100, true),
            (&[(0, 40), (40, 100)], 100, true),
            (&[(0, 40), (60, 100)], 80, false),
            (&[(60, 100), (0, 40), (30, 70)], 100, true),
            (&[(0, 40), (0, 40)], 40, false),
            (&[(10, 20), (0, 50), (50, 50)], 50, false),
            (&[(0, 0)], 0, false),
        ];
        for (parts, bytes, is_complete) in cases {
            let mut movement = Movement::default();
            let completions = parts.iter().filter(|part| movement.take(&report(**part, true))).count();
            assert_eq!((movement.bytes(), movement.is_complete()), (bytes, is_complete), "{parts:?}");
            assert_eq!(completions, usize::from(is_complete), "{parts:?}");
        }
    }

    #[test]
    fn countless_pieces_do_not_grow_a_record() {
        let mut movement = Movement::default();
        for piece in 0..1_000 {
            movement.take(&report((piece * 2, piece * 2 + 1), true));
        }
        assert_eq!(movement.parts.len(), MOST_PARTS);
        assert_eq!(movement.requests, 1_000);
    }

    #[test]
    fn an_empty_file_is_complete_once_it_was_asked_for() {
        let mut movement = Movement::default();
        assert!(!movement.is_complete());
        assert!(movement.take(&MovementReport { length: Some(0), ..report((0, 0), true) }));
    }
}

//! Counters that are several: by name, and by how long something took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What names that have no counter of their own are counted as.
const OTHER: &str = "other";

/// Counters by name. Names come from devices and scripts, so only known ones have a counter; all others share one.
#[derive(Debug)]
pub struct NamedCounts {
    names: &'static [&'static str],
    /// In the order of the names, and behind them that of the others.
    counts: Vec<AtomicU64>,
}

impl NamedCounts {
    /// Counters of these names, and one for all others.
    pub fn new(names: &'static [&'static str]) -> NamedCounts {
        NamedCounts { names, counts: (0..=names.len()).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Adds one.
    pub fn count(&self, name: &str) {
        let place = self.names.iter().position(|known| *known == name).unwrap_or(self.names.len());
        if let Some(counter) = self.counts.get(place) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Names and counts; `other` comes last.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = self.names.iter().copied().chain([OTHER]);
        names.zip(self.counts.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}

/// The bounds of [`Durations`], in seconds.
const BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// How long things took.
#[derive(Debug, Default)]
pub struct Durations {
    /// Not beyond each bound but beyond the one before it, and beyond all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

/// What [`Durations`] have counted.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationCounts {
    /// Bounds in seconds, and how many took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long all took together, in seconds.
    pub sum: f64,
}

impl Durations {
    /// Adds one.
    pub(crate) fn count(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted.
    pub fn read(&self) -> DurationCounts {
        let mut count = 0;
        let mut add = |counter: &AtomicU64| {
            count += counter.load(Ordering::Relaxed);
            count
        };
        let buckets = BOUNDS.into_iter().zip(&self.counts).map(|(bound, counter)| (bound, add(counter))).collect();
        let count = add(&self.counts[BOUNDS.len()]);
        DurationCounts { buckets, count, sum: self.microseconds.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_knows_share_a_counter() {
        let counts = NamedCounts::new(&["a", "b"]);
        for name in ["a", "X_0A1B2C_Reset", "b", "a", ""] {
            counts.count(name);
        }
        assert_eq!(counts.list().collect::<Vec<_>>(), [("a", 2), ("b", 1), ("other", 2)]);
    }

    #[test]
    fn each_bound_counts_what_is_not_beyond_it() {
        let durations = Durations::default();
        for milliseconds in [5, 6, 400, 500_000] {
            durations.count(Duration::from_millis(milliseconds));
        }
        let read = durations.read();
        let at = |bound: f64| read.buckets.iter().find(|(known, _)| *known == bound).map(|(_, count)| *count);
        assert_eq!((at(0.005), at(0.01), at(0.25), at(0.5), at(120.0)), (Some(1), Some(2), Some(2), Some(3), Some(3)));
        assert_eq!((read.count, read.sum), (4, 500.411));
    }
}

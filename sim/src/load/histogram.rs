//! Session lengths in buckets that grow with the value: about 6 % wide, constant memory.

use std::time::Duration;

/// Buckets per power of two.
const STEPS: u64 = 16;
const BUCKETS: usize = 64 * STEPS as usize;

/// Counts of durations in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Box<[u64]>,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), longest: 0 }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let value = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(value)] += 1;
        self.longest = self.longest.max(value);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.longest = self.longest.max(other.longest);
    }

    /// The duration that this share of all does not exceed, rounded up to its bucket's end.
    #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let total: u64 = self.counts.iter().sum();
        let wanted = ((total as f64) * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_micros(bucket_end(index).min(self.longest));
            }
        }
        Duration::ZERO
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let exponent = u64::from(value.ilog2()) - 4;
    let mantissa = (value >> exponent) - STEPS;
    usize::try_from((exponent + 1) * STEPS + mantissa).unwrap_or(BUCKETS - 1).min(BUCKETS - 1)
}

fn bucket_end(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let exponent = index / STEPS - 1;
    let mantissa = index % STEPS + STEPS;
    ((u128::from(mantissa) + 1) << exponent).try_into().unwrap_or(u64::MAX).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_at_or_above_its_values_and_not_far() {
        for value in (0..200).chain((1..50).map(|shift| (1u64 << shift) + 3)) {
            let end = bucket_end(bucket(value));
            assert!(end >= value && end - value <= value / 16 + 1, "{value} {end}");
        }
    }

    #[test]
    fn quantiles_of_known_durations() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for milliseconds in 1..=100 {
            histogram.add(Duration::from_millis(milliseconds));
        }
        let median = histogram.quantile(0.5);
        assert!((50..=54).contains(&median.as_millis()), "{median:?}");
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(100));
    }
}

//! What the NBI counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::answer::Refusal;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct NbiStatistics {
    /// Answers by the first digit of their status, from 1.
    answers: [AtomicU64; 5],
    failures: AtomicU64,
}

impl NbiStatistics {
    pub(super) fn note(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, self.answers.len());
        self.answers[class - 1].fetch_add(1, Ordering::Relaxed);
    }

    /// Whoever asked is nobody who is known; without credentials he has not claimed to be.
    pub(super) fn note_refusal(&self, refusal: &Refusal, headers: &HeaderMap) {
        let has_claimed = headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key");
        if has_claimed && matches!(refusal, Refusal::Unauthorized | Refusal::TooManyFailures(_)) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers by class: `2xx` and how many.
    pub fn answers(&self) -> [(&'static str, u64); 5] {
        let names = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        std::array::from_fn(|class| (names[class], self.answers[class].load(Ordering::Relaxed)))
    }

    /// Requests with wrong credentials, and those that were refused since there were too many.
    pub fn authentication_failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

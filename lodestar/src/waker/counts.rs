//! How many connection requests came to what, since the start.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cwmp::connection_request::ConnectionRequestError;

use super::methods::Method;

/// Counters by method and result. Both have few values.
#[derive(Debug, Default)]
pub struct RequestCounts(Mutex<BTreeMap<(Method, &'static str), u64>>);

impl RequestCounts {
    pub(super) fn count<T>(&self, method: Method, result: &Result<T, ConnectionRequestError>) {
        let result = result.as_ref().map_or_else(|error| error.code(), |_| "accepted");
        if let Ok(mut counts) = self.0.lock() {
            *counts.entry((method, result)).or_default() += 1;
        }
    }

    /// Method and `accepted` or why it failed, with how many there were.
    pub fn list(&self) -> Vec<((String, &'static str), u64)> {
        let Ok(counts) = self.0.lock() else { return Vec::new() };
        counts.iter().map(|((method, result), count)| ((method.to_string(), *result), *count)).collect()
    }
}

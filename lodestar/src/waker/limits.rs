//! How often this server asks: the addresses come from devices, and it must not be used to flood somebody else.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cwmp::connection_request::ConnectionRequestError;

/// The time over which requests to one address are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Addresses that are counted at once; requests to more are refused until the window has passed.
const MOST_ADDRESSES: usize = 10_000;

/// How often this server asks, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRates {
    /// Requests to one address within ten seconds.
    pub per_address: usize,
    /// Requests in a second.
    pub per_second: usize,
}

impl Default for RequestRates {
    fn default() -> RequestRates {
        RequestRates { per_address: 20, per_second: 100 }
    }
}

/// Counts requests.
#[derive(Debug)]
pub struct Limiter {
    rates: RequestRates,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    addresses: HashMap<IpAddr, VecDeque<Instant>>,
    all: VecDeque<Instant>,
}

impl Limiter {
    /// Counts nothing yet.
    pub fn new(rates: RequestRates) -> Limiter {
        Limiter { rates, counted: Mutex::default() }
    }

    /// Counts a request to these addresses, one of which will be asked.
    ///
    /// # Errors
    /// [`ConnectionRequestError::TooMany`]
    pub fn enter(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
        now: Instant,
    ) -> Result<(), ConnectionRequestError> {
        let Ok(mut counted) = self.counted.lock() else { return Err(ConnectionRequestError::TooMany) };
        let Counted { addresses: known, all } = &mut *counted;
        forget(all, now, Duration::from_secs(1));
        known.retain(|_, times| {
            forget(times, now, WINDOW);
            !times.is_empty()
        });
        let mut addresses: Vec<IpAddr> = addresses.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        let is_full = |address: &IpAddr| known.get(address).is_some_and(|times| times.len() >= self.rates.per_address);
        if all.len() >= self.rates.per_second || known.len() >= MOST_ADDRESSES || addresses.iter().any(is_full) {
            return Err(ConnectionRequestError::TooMany);
        }
        all.push_back(now);
        for address in addresses {
            known.entry(address).or_default().push_back(now);
        }
        Ok(())
    }
}

fn forget(times: &mut VecDeque<Instant>, now: Instant, window: Duration) {
    while times.front().is_some_and(|time| now.duration_since(*time) >= window) {
        times.pop_front();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_address_and_all_together_are_asked_so_often_and_no_more() {
        let limiter = Limiter::new(RequestRates { per_address: 2, per_second: 5 });
        let start = Instant::now();
        let ask = |address: u8, after: u64| {
            limiter.enter([IpAddr::from([192, 0, 2, address])], start + Duration::from_millis(after)).is_ok()
        };
        let asked: Vec<bool> =
            [(1, 0), (1, 0), (1, 0), (2, 0), (2, 0), (3, 0), (4, 0), (4, 1_000), (1, 1_000), (1, 10_000)]
                .into_iter()
                .map(|(address, after)| ask(address, after))
                .collect();
        assert_eq!(asked, [true, true, false, true, true, true, false, true, false, true]);
    }
}

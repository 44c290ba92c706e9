//! Failed attempts, counted per device and per address, so that passwords cannot be tried out. Bounded in memory.
//!
//! A device that somebody else claims to be must not be locked out by that, nor one whose neighbours behind the same address have
//! wrong passwords: where a device was let in last, it has a count of its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures in a row before attempts are refused unseen.
const BURST: u32 = 10;
/// One more attempt per this time.
const REFILL: Duration = Duration::from_secs(10);
/// Devices, and addresses, that are counted at a time. When there are more, those whose count has gone longest without a failure
/// are dropped.
const MOST: usize = 20_000;

/// Counts failures.
#[derive(Default)]
pub(crate) struct Failures {
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    by_device: HashMap<Box<str>, Count>,
    by_address: HashMap<IpAddr, Count>,
    /// Where devices were let in from last.
    welcome: HashMap<Box<str>, Welcome>,
}

/// When all of somebody's failures will be forgotten: each adds a [`REFILL`].
#[derive(Clone, Copy)]
struct Count {
    until: Instant,
}

struct Welcome {
    address: IpAddr,
    count: Option<Count>,
}

impl Count {
    fn is_spent(self, now: Instant) -> bool {
        self.until > now + REFILL * (BURST - 1)
    }

    /// Failures beyond the burst do not prolong the wait without end.
    fn one_more(before: Option<Count>, now: Instant) -> Count {
        let before = before.map_or(now, |count| count.until.max(now));
        Count { until: (before + REFILL).min(now + REFILL * BURST) }
    }
}

impl Failures {
    /// Whether an attempt is to be looked at.
    pub(crate) fn allow(&self, device: &str, address: IpAddr) -> bool {
        let now = Instant::now();
        let address = network(address);
        let counted = self.counted.lock();
        let is_spent = |count: Option<&Count>| count.is_some_and(|count| count.is_spent(now));
        match counted.welcome.get(device).filter(|welcome| welcome.address == address) {
            Some(welcome) => !is_spent(welcome.count.as_ref()),
            None => !is_spent(counted.by_address.get(&address)) && !is_spent(counted.by_device.get(device)),
        }
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self, device: &str, address: IpAddr) {
        let now = Instant::now();
        let address = network(address);
        let mut counted = self.counted.lock();
        if let Some(welcome) = counted.welcome.get_mut(device).filter(|welcome| welcome.address == address) {
            welcome.count = Some(Count::one_more(welcome.count, now));
            return;
        }
        add(&mut counted.by_device, device.into(), now);
        add(&mut counted.by_address, address, now);
    }

    /// A device was let in. Failures in its name, with an old password for example, are forgotten.
    pub(crate) fn succeeded(&self, device: &str, address: IpAddr) {
        let address = network(address);
        let mut counted = self.counted.lock();
        counted.by_device.remove(device);
        if let Some(welcome) = counted.welcome.get_mut(device) {
            *welcome = Welcome { address, count: None };
            return;
        }
        if counted.welcome.len() >= MOST {
            // Whom this hits is counted like everybody else.
            counted.welcome.clear();
        }
        counted.welcome.insert(device.into(), Welcome { address, count: None });
    }
}

fn add<K: Hash + Eq>(counts: &mut HashMap<K, Count>, key: K, now: Instant) {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        counts.retain(|_, count| count.until > now);
        if counts.len() >= MOST {
            let mut ends: Vec<Instant> = counts.values().map(|count| count.until).collect();
            let (_, middle, _) = ends.select_nth_unstable(MOST / 2);
            let middle = *middle;
            counts.retain(|_, count| count.until > middle);
        }
    }
    let count = Count::one_more(counts.get(&key).copied(), now);
    counts.insert(key, count);
}

/// An IPv4 address, or the network of an IPv6 one: who has one of those has them all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_refused_after_too_many_failures_and_allowed_again() {
        let failures = Failures::default();
        let here = address("192.0.2.1");
        for _ in 0..BURST {
            assert!(failures.allow("d", here));
            failures.failed("d", here);
        }
        assert!(!failures.allow("d", here));
        assert!(!failures.allow("d", address("192.0.2.2")), "the device, from wherever");
        assert!(!failures.allow("e", here), "the address, for whatever");
        assert!(failures.allow("e", address("192.0.2.2")));
        tokio::time::advance(REFILL + Duration::from_secs(1)).await;
        assert!(failures.allow("d", here), "one more");
        failures.failed("d", here);
        assert!(!failures.allow("d", here));
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_is_not_locked_out_by_others() {
        let failures = Failures::default();
        let (home, abroad) = (address("2001:db8::1"), address("192.0.2.1"));
        failures.succeeded("d", home);
        for _ in 0..BURST * 2 {
            failures.failed("d", abroad);
        }
        assert!(!failures.allow("d", address("192.0.2.9")));
        assert!(failures.allow("d", address("2001:db8::2")), "the same network as before");
        for _ in 0..BURST {
            failures.failed("d", home);
        }
        assert!(!failures.allow("d", home), "its own failures count all the same");
        failures.succeeded("d", home);
        assert!(failures.allow("d", home) && failures.allow("d", address("192.0.2.9")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_does_not_suffer_for_its_neighbours() {
        let failures = Failures::default();
        let shared = address("192.0.2.1");
        failures.succeeded("good", shared);
        for number in 0..BURST {
            failures.failed(&format!("bad {number}"), shared);
        }
        assert!(!failures.allow("new", shared));
        assert!(failures.allow("good", shared));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let mut counts = HashMap::new();
        let now = Instant::now();
        for key in 0..MOST * 3 {
            add(&mut counts, key, now + Duration::from_micros(key as u64));
            assert!(counts.len() <= MOST);
        }
        assert!(counts.contains_key(&(MOST * 3 - 1)));
    }
}

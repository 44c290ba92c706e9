//! Slows guessing down: each source address may be wrong a few times, then only now and then.
//!
//! An address that has used up its guesses is refused without a look at its key, with one exception: a key that was right from
//! there before. So somebody who guesses from behind the same gateway cannot shut out those who know their keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

/// Wrong keys in a row that are answered at once.
const BURST: f64 = 10.0;
/// Milliseconds until another guess is given back.
const REFILL: f64 = 6_000.0;
/// Keys that are remembered as right, per address.
const TRUSTED: usize = 16;
/// Addresses that are remembered. Beyond, the ones with the most guesses left are forgotten.
const ADDRESSES: usize = 20_000;

/// The failures of all source addresses.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<IpAddr, Source>>);

#[derive(Debug)]
struct Source {
    guesses: f64,
    updated_at: i64,
    /// Fingerprints of keys that were right.
    trusted: Vec<u64>,
}

impl Source {
    fn guesses_at(&self, now: i64) -> f64 {
        let passed = now.saturating_sub(self.updated_at).max(0) as f64;
        (self.guesses + passed / REFILL).min(BURST)
    }
}

impl Throttle {
    /// Whether a key from an address shall be looked at; if not, the seconds until one will be. Times are in milliseconds.
    pub fn admit(&self, address: IpAddr, key: u64, now: i64) -> Result<(), u64> {
        let Ok(sources) = self.0.lock() else { return Ok(()) };
        match sources.get(&network(address)) {
            Some(source) if source.guesses_at(now) < 1.0 && !source.trusted.contains(&key) => {
                let wait = (1.0 - source.guesses_at(now)) * REFILL / 1_000.0;
                Err(wait.ceil() as u64)
            }
            _ => Ok(()),
        }
    }

    /// A key from an address was wrong.
    pub fn note_failure(&self, address: IpAddr, key: u64, now: i64) {
        let Ok(mut sources) = self.0.lock() else { return };
        if sources.len() >= ADDRESSES {
            forget_harmless(&mut sources, now);
        }
        let source = entry(&mut sources, address, now);
        source.guesses = (source.guesses_at(now) - 1.0).max(0.0);
        source.updated_at = now;
        // It was right once and is not any more: revoked, or expired.
        source.trusted.retain(|trusted| *trusted != key);
    }

    /// A key from an address was right.
    pub fn note_success(&self, address: IpAddr, key: u64, now: i64) {
        let Ok(mut sources) = self.0.lock() else { return };
        if sources.len() >= ADDRESSES && !sources.contains_key(&network(address)) {
            return;
        }
        let source = entry(&mut sources, address, now);
        if !source.trusted.contains(&key) {
            if source.trusted.len() >= TRUSTED {
                source.trusted.remove(0);
            }
            source.trusted.push(key);
        }
    }
}

fn entry(sources: &mut HashMap<IpAddr, Source>, address: IpAddr, now: i64) -> &mut Source {
    let fresh = || Source { guesses: BURST, updated_at: now, trusted: Vec::new() };
    sources.entry(network(address)).or_insert_with(fresh)
}

/// Makes room: first those with all their guesses, and if that is not enough, everybody.
fn forget_harmless(sources: &mut HashMap<IpAddr, Source>, now: i64) {
    sources.retain(|_, source| source.guesses_at(now) < BURST);
    if sources.len() >= ADDRESSES {
        sources.clear();
    }
}

/// What one client can change at will is one source: a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & (u128::MAX << 64);
            std::net::Ipv6Addr::from(prefix).into()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_thousand_guesses_are_few_looks() {
        let throttle = Throttle::default();
        let source = address("192.0.2.1");
        let mut looks = 0;
        for guess in 0..1_000u64 {
            let now = guess as i64 * 10;
            if throttle.admit(source, guess, now).is_ok() {
                looks += 1;
                throttle.note_failure(source, guess, now);
            }
        }
        // Ten at once, and one more after six of these ten seconds.
        assert_eq!(looks, 11);
        assert_eq!(throttle.admit(source, 1, 9_990), Err(3));
        assert_eq!(throttle.admit(source, 1, 60_000), Ok(()));
        assert_eq!(throttle.admit(address("192.0.2.2"), 1, 9_990), Ok(()));
    }

    #[test]
    fn a_known_key_is_let_in_until_it_is_wrong() {
        let throttle = Throttle::default();
        let source = address("2001:db8::1");
        throttle.note_success(source, 7, 0);
        for guess in 100..200 {
            throttle.note_failure(address(&format!("2001:db8::{guess}")), guess, 0);
        }
        assert!(throttle.admit(source, 8, 0).is_err());
        assert!(throttle.admit(source, 7, 0).is_ok());
        throttle.note_failure(source, 7, 0);
        assert!(throttle.admit(source, 7, 0).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..(ADDRESSES as u32 + 10) {
            throttle.note_failure(std::net::Ipv4Addr::from(number).into(), 0, 0);
        }
        assert!(throttle.0.lock().unwrap().len() <= ADDRESSES);
    }
}

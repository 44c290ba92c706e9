//! Slows guessing down: each source address, and each account, may be wrong a few times, then only now and then.
//!
//! Who has used up the guesses is refused without a look at the credentials, with one exception: those that were right before. So
//! somebody who guesses from behind the same gateway, or at the same account, cannot shut out those who know their credentials.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Mutex;

/// Wrong credentials in a row that are answered at once.
const BURST: f64 = 10.0;
/// Milliseconds until another guess is given back.
const REFILL: f64 = 6_000.0;
/// Credentials that are remembered as right, per source.
const TRUSTED: usize = 16;
/// Sources that are remembered. Beyond, the ones with the most guesses left are forgotten.
const SOURCES: usize = 20_000;

/// The failures of all sources.
#[derive(Debug, Default)]
pub struct Throttle {
    sources: Mutex<HashMap<Source, Allowance>>,
    /// Makes marks that mean nothing outside this process.
    marks: RandomState,
}

/// Where guesses come from, or what they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address, see [`Source::address`].
    Network(IpAddr),
    /// An account, by the mark of its name.
    Account(Mark),
}

/// Tells names or credentials apart, without being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(u64);

#[derive(Debug)]
struct Allowance {
    guesses: f64,
    updated_at: i64,
    /// Marks of credentials that were right.
    trusted: Vec<Mark>,
}

impl Allowance {
    fn guesses_at(&self, now: i64) -> f64 {
        let passed = now.saturating_sub(self.updated_at).max(0) as f64;
        (self.guesses + passed / REFILL).min(BURST)
    }
}

impl Source {
    /// What one client can change at will is one source: a whole /64 of IPv6.
    pub fn address(address: IpAddr) -> Source {
        Source::Network(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let prefix = u128::from(address) & (u128::MAX << 64);
                std::net::Ipv6Addr::from(prefix).into()
            }
        })
    }
}

impl Throttle {
    /// The mark of a name or of credentials.
    pub fn mark(&self, what: impl Hash) -> Mark {
        Mark(self.marks.hash_one(what))
    }

    /// Whether credentials from a source shall be looked at; if not, the seconds until some will be. Times are in milliseconds.
    pub fn admit(&self, source: Source, credentials: Mark, now: i64) -> Result<(), u64> {
        let Ok(sources) = self.sources.lock() else { return Ok(()) };
        match sources.get(&source) {
            Some(known) if known.guesses_at(now) < 1.0 && !known.trusted.contains(&credentials) => {
                let wait = (1.0 - known.guesses_at(now)) * REFILL / 1_000.0;
                Err(wait.ceil() as u64)
            }
            _ => Ok(()),
        }
    }

    /// Credentials from a source were wrong.
    pub fn note_failure(&self, source: Source, credentials: Mark, now: i64) {
        let Ok(mut sources) = self.sources.lock() else { return };
        if sources.len() >= SOURCES {
            forget_harmless(&mut sources, now);
        }
        let known = entry(&mut sources, source, now);
        known.guesses = (known.guesses_at(now) - 1.0).max(0.0);
        known.updated_at = now;
        // They were right once and are not any more: revoked, expired, or changed.
        known.trusted.retain(|trusted| *trusted != credentials);
    }

    /// Credentials from a source were right.
    pub fn note_success(&self, source: Source, credentials: Mark, now: i64) {
        let Ok(mut sources) = self.sources.lock() else { return };
        if sources.len() >= SOURCES && !sources.contains_key(&source) {
            return;
        }
        let known = entry(&mut sources, source, now);
        if !known.trusted.contains(&credentials) {
            if known.trusted.len() >= TRUSTED {
                known.trusted.remove(0);
            }
            known.trusted.push(credentials);
        }
    }
}

fn entry(sources: &mut HashMap<Source, Allowance>, source: Source, now: i64) -> &mut Allowance {
    let fresh = || Allowance { guesses: BURST, updated_at: now, trusted: Vec::new() };
    sources.entry(source).or_insert_with(fresh)
}

/// Makes room: first those with all their guesses, and if that is not enough, everybody.
fn forget_harmless(sources: &mut HashMap<Source, Allowance>, now: i64) {
    sources.retain(|_, known| known.guesses_at(now) < BURST);
    if sources.len() >= SOURCES {
        sources.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> Source {
        Source::address(text.parse().unwrap())
    }

    #[test]
    fn a_thousand_guesses_are_few_looks() {
        let throttle = Throttle::default();
        for source in [address("192.0.2.1"), Source::Account(throttle.mark("admin"))] {
            let mut looks = 0;
            for guess in 0..1_000i64 {
                let (now, mark) = (guess * 10, throttle.mark(guess));
                if throttle.admit(source, mark, now).is_ok() {
                    looks += 1;
                    throttle.note_failure(source, mark, now);
                }
            }
            // Ten at once, and one more after six of these ten seconds.
            assert_eq!(looks, 11);
            assert_eq!(throttle.admit(source, throttle.mark(1), 9_990), Err(3));
            assert_eq!(throttle.admit(source, throttle.mark(1), 60_000), Ok(()));
        }
        assert_eq!(throttle.admit(address("192.0.2.2"), throttle.mark(1), 9_990), Ok(()));
        assert_eq!(throttle.admit(Source::Account(throttle.mark("other")), throttle.mark(1), 9_990), Ok(()));
    }

    #[test]
    fn known_credentials_are_let_in_until_they_are_wrong() {
        let throttle = Throttle::default();
        let source = address("2001:db8::1");
        let (known, other) = (throttle.mark("known"), throttle.mark("other"));
        throttle.note_success(source, known, 0);
        for guess in 100..200 {
            throttle.note_failure(address(&format!("2001:db8::{guess}")), throttle.mark(guess), 0);
        }
        assert!(throttle.admit(source, other, 0).is_err());
        assert!(throttle.admit(source, known, 0).is_ok());
        throttle.note_failure(source, known, 0);
        assert!(throttle.admit(source, known, 0).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        let mark = throttle.mark(0);
        for number in 0..(SOURCES as u32 + 10) {
            throttle.note_failure(Source::address(std::net::Ipv4Addr::from(number).into()), mark, 0);
        }
        assert!(throttle.sources.lock().unwrap().len() <= SOURCES);
    }
}

//! Nonces of Digest authentication (RFC 7616 §3.3). They are stateless: a nonce says itself when it was made, and that it was made
//! here. So it is bound to no connection, and giving it out costs no memory.
//!
//! Only nonces that were used successfully are remembered, until they expire, so that a request cannot be sent again by somebody
//! who overheard it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// How long a nonce is good for.
const LIFETIME: Duration = Duration::from_secs(300);
/// Nonces that are remembered at a time. When there are more, the oldest are taken for expired.
const MOST_USED: usize = 50_000;
/// Seconds since the start, and a random part.
const STAMP: usize = 4 + 6;
/// As much of the MAC as is sent. The whole is 40 digits, which old devices have room for.
const PROOF: usize = 10;

/// When a nonce was made, and what tells it from others of the same second.
type Stamp = [u8; STAMP];

/// A nonce that was made here and has not expired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nonce(Stamp);

/// What a use of a nonce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// For all that is known the device's own.
    Granted,
    /// The same count was used before: on another connection, or anywhere when counts are strict.
    Repeated,
}

/// Makes nonces, and knows those that were used.
pub(crate) struct Nonces {
    /// Made when it is first needed.
    key: OnceLock<[u8; 32]>,
    started: Instant,
    used: Mutex<Used>,
    most_used: usize,
}

#[derive(Default)]
struct Used {
    counts: BTreeMap<Stamp, Counts>,
    /// Nonces up to this one are expired, since it is no longer known whether they were used.
    forgotten: Option<Stamp>,
}

/// The counts that were used with a nonce.
struct Counts {
    /// The connection that used it last.
    connection: u64,
    highest: u32,
    /// The highest count and those before it, from the lowest bit.
    window: u64,
}

impl Default for Nonces {
    fn default() -> Nonces {
        Nonces { key: OnceLock::new(), started: Instant::now(), used: Mutex::default(), most_used: MOST_USED }
    }
}

impl Nonces {
    /// A new nonce's text.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub(crate) fn issue(&self) -> Result<String, getrandom::Error> {
        let mut stamp = [0; STAMP];
        let (time, random) = stamp.split_at_mut(4);
        time.copy_from_slice(&self.seconds().to_be_bytes());
        getrandom::fill(random)?;
        let mut bytes = [0; STAMP + PROOF];
        bytes[..STAMP].copy_from_slice(&stamp);
        bytes[STAMP..].copy_from_slice(&proof(self.key()?, &stamp));
        Ok(HEXLOWER_PERMISSIVE.encode(&bytes))
    }

    /// Reads a nonce. `None`: it was not made here, or has expired.
    pub(crate) fn read(&self, text: &str) -> Option<Nonce> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        let (stamp, given) = bytes.split_at_checked(STAMP)?;
        let stamp: Stamp = stamp.try_into().ok()?;
        let is_ours: bool = proof(self.key.get()?, &stamp).as_slice().ct_eq(given).into();
        let is_young = self.seconds().saturating_sub(made_at(&stamp)) <= LIFETIME.as_secs() as u32;
        let is_known = self.used.lock().forgotten.is_none_or(|forgotten| stamp > forgotten);
        (is_ours && is_young && is_known).then_some(Nonce(stamp))
    }

    /// Uses a nonce with its count, `None` in the form of RFC 2069. To be called for requests that are otherwise right.
    ///
    /// Some devices never count up. That is tolerated on one connection unless counts are strict; on another connection it may be
    /// anybody's copy.
    pub(crate) fn spend(&self, nonce: Nonce, count: Option<u32>, connection: u64, is_strict: bool) -> Use {
        let count = count.unwrap_or(0);
        let mut used = self.used.lock();
        used.forget_expired(self.seconds());
        if used.forgotten.is_some_and(|forgotten| nonce.0 <= forgotten) {
            return Use::Repeated;
        }
        let Some(counts) = used.counts.get_mut(&nonce.0) else {
            used.counts.insert(nonce.0, Counts { connection, highest: count, window: 1 });
            used.keep_within(self.most_used);
            return Use::Granted;
        };
        let is_new = counts.take(count);
        if !is_new && (is_strict || counts.connection != connection) {
            return Use::Repeated;
        }
        counts.connection = connection;
        Use::Granted
    }

    fn seconds(&self) -> u32 {
        self.started.elapsed().as_secs().min(u64::from(u32::MAX)) as u32
    }

    fn key(&self) -> Result<&[u8; 32], getrandom::Error> {
        if self.key.get().is_none() {
            let mut key = [0; 32];
            getrandom::fill(&mut key)?;
            // Another thread may have been first.
            let _ = self.key.set(key);
        }
        self.key.get().ok_or(getrandom::Error::UNEXPECTED)
    }
}

fn proof(key: &[u8; 32], stamp: &Stamp) -> [u8; PROOF] {
    let mut proof = [0; PROOF];
    // A key of any length is taken.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(stamp);
        proof.copy_from_slice(&mac.finalize().into_bytes()[..PROOF]);
    }
    proof
}

fn made_at(stamp: &Stamp) -> u32 {
    u32::from_be_bytes([stamp[0], stamp[1], stamp[2], stamp[3]])
}

impl Used {
    fn forget_expired(&mut self, now: u32) {
        while let Some(oldest) = self.counts.first_entry() {
            if now.saturating_sub(made_at(oldest.key())) <= LIFETIME.as_secs() as u32 {
                break;
            }
            oldest.remove();
        }
    }

    fn keep_within(&mut self, most: usize) {
        while self.counts.len() > most {
            let Some((oldest, _)) = self.counts.pop_first() else { break };
            self.forgotten = self.forgotten.max(Some(oldest));
        }
    }
}

impl Counts {
    /// Notes a count. Returns whether it is new; one too far behind the highest is taken for old.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            self.window = self.window.checked_shl(step).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - count) else { return false };
        let is_new = self.window & bit == 0;
        self.window |= bit;
        is_new
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn issued(nonces: &Nonces) -> Nonce {
        nonces.read(&nonces.issue().unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_nonce_is_read_until_it_expires_in_any_case_and_nowhere_else() {
        let nonces = Nonces::default();
        let text = nonces.issue().unwrap();
        assert_eq!(text.len(), 40);
        assert!(nonces.read(&text).is_some());
        assert!(nonces.read(&text.to_ascii_uppercase()).is_some());
        assert!(Nonces::default().read(&text).is_none(), "another server's");
        for damaged in ["", "00", &text[2..], &format!("{text}00"), &text.replace(&text[..8], "00000001"), "ü"] {
            assert!(nonces.read(damaged).is_none(), "{damaged}");
        }
        tokio::time::advance(LIFETIME + Duration::from_secs(2)).await;
        assert!(nonces.read(&text).is_none());
    }

    #[tokio::test]
    async fn counts_are_used_once_per_connection_or_once_at_all() {
        // Uses of one nonce, in order: count, connection, and what becomes of it tolerantly and strictly.
        let (yes, no) = (Use::Granted, Use::Repeated);
        let uses = [
            (Some(1), 1, yes, yes),
            (Some(2), 1, yes, yes),
            (Some(2), 1, yes, no),
            (Some(2), 2, no, no),
            (Some(1), 2, no, no),
            (Some(4), 2, yes, yes),
            (Some(3), 2, yes, yes),
            (Some(3), 1, no, no),
            (Some(200), 1, yes, yes),
            (Some(5), 3, no, no),
            (None, 1, yes, no),
            (None, 4, no, no),
        ];
        for is_strict in [false, true] {
            let nonces = Nonces::default();
            let nonce = issued(&nonces);
            for (count, connection, tolerant, strict) in uses {
                let expected = if is_strict { strict } else { tolerant };
                let found = nonces.spend(nonce, count, connection, is_strict);
                assert_eq!(found, expected, "count {count:?} on connection {connection}, strict: {is_strict}");
            }
        }
    }

    #[tokio::test]
    async fn a_frozen_count_is_no_device_s_own_on_another_connection() {
        let nonces = Nonces::default();
        let nonce = issued(&nonces);
        for _ in 0..3 {
            assert_eq!(nonces.spend(nonce, Some(1), 7, false), Use::Granted);
        }
        assert_eq!(nonces.spend(nonce, Some(1), 8, false), Use::Repeated);
    }

    #[tokio::test]
    async fn what_was_forgotten_is_expired() {
        let nonces = Nonces { most_used: 2, ..Nonces::default() };
        let mut made: Vec<_> = (0..3).map(|_| issued(&nonces)).collect();
        made.sort_by_key(|nonce| nonce.0);
        for nonce in &made {
            assert_eq!(nonces.spend(*nonce, Some(1), 1, false), Use::Granted);
        }
        assert_eq!(nonces.spend(made[0], Some(1), 2, false), Use::Repeated);
        assert_eq!(nonces.spend(made[2], Some(2), 1, false), Use::Granted);
    }

    #[tokio::test(start_paused = true)]
    async fn expired_nonces_take_no_room() {
        let nonces = Nonces::default();
        for _ in 0..10 {
            nonces.spend(issued(&nonces), Some(1), 1, false);
        }
        tokio::time::advance(LIFETIME + Duration::from_secs(2)).await;
        nonces.spend(issued(&nonces), Some(1), 1, false);
        assert_eq!(nonces.used.lock().counts.len(), 1);
    }
}

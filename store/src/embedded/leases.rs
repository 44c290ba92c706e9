//! Leases, in memory: this process is the only one that has the database open.
//!
//! Times are those of the monotonic clock, so setting the system's clock neither ends nor prolongs a lease. A lease that a commit
//! is using cannot pass to another owner before that commit has its answer. Sessions are kept beside their leases: neither outlives
//! the process.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::{Lease, Resumption, StoreError};

/// Below this many entries nothing is looked through for expired ones.
const SMALLEST_PURGE: usize = 1_024;

pub struct Leases {
    table: Mutex<Table>,
    /// A commit has got its answer.
    settled: Notify,
}

struct Table {
    held: HashMap<String, Held>,
    /// By owner.
    suspended: HashMap<String, Suspended>,
    last_token: u64,
    purge_at: usize,
}

struct Held {
    owner: String,
    token: u64,
    expires: Instant,
    /// Commits under this lease that have no answer yet.
    committing: u32,
}

struct Suspended {
    device: String,
    token: u64,
    content: Vec<u8>,
}

/// Keeps a lease from passing to another owner while a commit under it is under way.
pub struct Committing {
    leases: Arc<Leases>,
    device: String,
    token: u64,
}

impl Leases {
    /// `epoch` grows with each start, so that tokens grow across restarts.
    pub fn new(epoch: u32) -> Leases {
        let last_token = u64::from(epoch) << 32;
        let table = Table { held: HashMap::new(), suspended: HashMap::new(), last_token, purge_at: SMALLEST_PURGE };
        Leases { table: Mutex::new(table), settled: Notify::new() }
    }

    pub fn acquire(&self, device: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = Instant::now();
        let mut table = self.table()?;
        table.purge(now);
        let expires = later(now, ttl);
        if let Some(held) = table.held.get_mut(device) {
            if held.owner == owner {
                held.expires = held.expires.max(expires);
                return Ok(Some(lease(device, held)));
            }
            if held.is_held(now) {
                return Ok(None);
            }
        }
        Ok(Some(table.give(device, owner, expires)))
    }

    /// Takes a lease, whoever holds it. Waits for a commit that is under way.
    pub async fn seize(&self, device: &str, owner: &str, ttl: Duration) -> Result<Lease, StoreError> {
        loop {
            let mut settled = pin!(self.settled.notified());
            settled.as_mut().enable();
            if let Some(lease) = self.seize_settled(device, owner, ttl)? {
                return Ok(lease);
            }
            settled.await;
        }
    }

    /// `None` when a commit is under way.
    fn seize_settled(&self, device: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = Instant::now();
        let mut table = self.table()?;
        table.purge(now);
        let is_settled = table.held.get(device).is_none_or(|held| held.committing == 0);
        Ok(is_settled.then(|| table.give(device, owner, later(now, ttl))))
    }

    pub fn suspend(&self, lease: &Lease, content: Vec<u8>, ttl: Duration) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut table = self.table()?;
        let held = table.current(&lease.device, lease.token);
        let held = held.ok_or_else(|| StoreError::LeaseLost(lease.device.clone()))?;
        held.expires = held.expires.max(later(now, ttl));
        let Table { held, suspended, .. } = &mut *table;
        suspended.retain(|_, kept| kept.is_current(held, now));
        let kept = Suspended { device: lease.device.clone(), token: lease.token, content };
        suspended.insert(lease.owner.clone(), kept);
        Ok(())
    }

    pub fn resume(&self, owner: &str, ttl: Duration) -> Result<Resumption, StoreError> {
        let now = Instant::now();
        let mut table = self.table()?;
        if let Some(kept) = table.suspended.remove(owner)
            && kept.is_current(&table.held, now)
        {
            let lease = table.give(&kept.device, owner, later(now, ttl));
            return Ok(Resumption::Resumed { lease, content: kept.content });
        }
        let is_live = table.held.values().any(|held| held.owner == owner && held.is_held(now));
        Ok(if is_live { Resumption::Elsewhere } else { Resumption::Unknown })
    }

    pub fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        let expires = later(Instant::now(), ttl);
        let mut table = self.table()?;
        let Some(held) = table.current(&lease.device, lease.token) else { return Ok(false) };
        held.expires = held.expires.max(expires);
        Ok(true)
    }

    pub fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        let mut table = self.table()?;
        let Some(held) = table.current(&lease.device, lease.token) else { return Ok(false) };
        if held.committing > 0 {
            // The commit's end makes it free.
            held.expires = Instant::now();
        } else {
            table.held.remove(&lease.device);
        }
        Ok(true)
    }

    pub fn owner(&self, device: &str) -> Result<Option<String>, StoreError> {
        let now = Instant::now();
        let table = self.table()?;
        Ok(table.held.get(device).filter(|held| held.is_held(now)).map(|held| held.owner.clone()))
    }

    /// Says that a commit under a lease begins. An expired lease still counts when nobody else has got it since.
    pub fn begin_commit(self: &Arc<Self>, lease: &Lease) -> Result<Committing, StoreError> {
        let mut table = self.table()?;
        let held = table.current(&lease.device, lease.token);
        held.ok_or_else(|| StoreError::LeaseLost(lease.device.clone()))?.committing += 1;
        Ok(Committing { leases: self.clone(), device: lease.device.clone(), token: lease.token })
    }

    fn table(&self) -> Result<MutexGuard<'_, Table>, StoreError> {
        self.table.lock().map_err(|_| StoreError::Closed)
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        if let Ok(mut table) = self.leases.table()
            && let Some(held) = table.current(&self.device, self.token)
        {
            held.committing -= 1;
        }
        self.leases.settled.notify_waiters();
    }
}

impl Table {
    fn current(&mut self, device: &str, token: u64) -> Option<&mut Held> {
        self.held.get_mut(device).filter(|held| held.token == token)
    }

    /// A new lease, whatever was there.
    fn give(&mut self, device: &str, owner: &str, expires: Instant) -> Lease {
        self.last_token += 1;
        let held = Held { owner: owner.to_owned(), token: self.last_token, expires, committing: 0 };
        let lease = lease(device, &held);
        self.held.insert(device.to_owned(), held);
        lease
    }

    fn purge(&mut self, now: Instant) {
        if self.held.len() >= self.purge_at {
            self.held.retain(|_, held| held.is_held(now));
            self.purge_at = (self.held.len() * 2).max(SMALLEST_PURGE);
        }
    }
}

impl Held {
    fn is_held(&self, now: Instant) -> bool {
        self.committing > 0 || self.expires > now
    }
}

impl Suspended {
    fn is_current(&self, held: &HashMap<String, Held>, now: Instant) -> bool {
        held.get(&self.device).is_some_and(|held| held.token == self.token && held.is_held(now))
    }
}

fn lease(device: &str, held: &Held) -> Lease {
    Lease { device: device.to_owned(), owner: held.owner.clone(), token: held.token }
}

fn later(now: Instant, ttl: Duration) -> Instant {
    // A time beyond what the clock can tell means "for a very long time".
    now.checked_add(ttl).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn an_expired_lease_does_not_pass_on_while_a_commit_uses_it() {
        let leases = Arc::new(Leases::new(1));
        let lease = leases.acquire("d", "a", Duration::ZERO).unwrap().unwrap();
        let committing = leases.begin_commit(&lease).unwrap();
        assert!(leases.release(&lease).unwrap());
        assert_eq!(leases.acquire("d", "b", LONG).unwrap(), None);
        drop(committing);
        let next = leases.acquire("d", "b", LONG).unwrap().unwrap();
        assert!(next.token > lease.token);
        assert!(matches!(leases.begin_commit(&lease), Err(StoreError::LeaseLost(_))));
    }

    #[tokio::test]
    async fn who_seizes_a_lease_waits_for_a_commit_under_it() {
        let leases = Arc::new(Leases::new(1));
        let lease = leases.acquire("d", "a", LONG).unwrap().unwrap();
        let committing = leases.begin_commit(&lease).unwrap();
        let seizing = leases.seize("d", "b", LONG);
        let commit_ends = async {
            assert_eq!(leases.owner("d").unwrap().as_deref(), Some("a"), "not before the commit's end");
            drop(committing);
        };
        // The first of the two is tried first.
        let (next, ()) = tokio::join!(biased; seizing, commit_ends);
        assert!(next.unwrap().token > lease.token);
    }

    #[test]
    fn a_later_start_gives_greater_tokens() {
        let token = |epoch| Leases::new(epoch).acquire("d", "a", LONG).unwrap().unwrap().token;
        assert!(token(1) < token(2));
    }

    #[test]
    fn expired_leases_do_not_pile_up() {
        let leases = Leases::new(1);
        for device in 0..10 * SMALLEST_PURGE {
            leases.acquire(&device.to_string(), "a", Duration::ZERO).unwrap();
        }
        assert!(leases.table().unwrap().held.len() <= SMALLEST_PURGE);
    }
}

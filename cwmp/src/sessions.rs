//! The table of live sessions: found by cookie, one per device, dropped when their device falls silent.
//!
//! What happens in a session is not known here; a session's content is behind its own lock, which the one who works on it holds
//! for as long. A device that begins anew replaces its own entry at once, then ends its old session before it goes on.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use hyper::header::HeaderValue;
use parking_lot::Mutex;
use store::Lease;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::authentication::Authenticated;
use crate::cookies::Token;
use crate::listener::ListenerPolicy;
use crate::visit::Visit;

/// How often silent sessions are looked for.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// A session in the table.
pub(crate) struct LiveSession {
    pub(crate) token: Token,
    pub(crate) device_id: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) started: Instant,
    /// `None` before it has begun, while a thread of the pool has it, and when it is over.
    pub(crate) visit: tokio::sync::Mutex<Option<Box<Visit>>>,
    /// Set when the device has begun another session: no time is to be lost on this one.
    pub(crate) superseded: CancellationToken,
    /// The Set-Cookie header of its answers.
    pub(crate) cookie: OnceLock<HeaderValue>,
    /// The right to the device. Here rather than in the visit, which is lost when a turn's work panics.
    pub(crate) lease: OnceLock<Lease>,
    /// How long the device may be silent.
    timeout: OnceLock<Duration>,
    /// Milliseconds since the table was made; [`BUSY`] while the server has the turn.
    deadline: AtomicU64,
    /// The number of the connection on which its device spoke last.
    connection: AtomicU64,
}

/// Where a session began, and whose it is. Its cookie is good for nobody else, and nowhere else.
pub(crate) struct Origin {
    pub(crate) policy: Arc<ListenerPolicy>,
    /// `None` when nobody asked.
    pub(crate) authenticated: Option<Arc<Authenticated>>,
}

/// The number of no connection.
const NO_CONNECTION: u64 = u64::MAX;
/// A deadline that never comes.
const BUSY: u64 = u64::MAX;

impl LiveSession {
    pub(crate) fn new(token: Token, device_id: Arc<str>, origin: Origin) -> Arc<LiveSession> {
        LiveSession::begun(token, device_id, origin, Duration::ZERO)
    }

    /// A session that has begun a while ago, elsewhere.
    pub(crate) fn begun(token: Token, device_id: Arc<str>, origin: Origin, age: Duration) -> Arc<LiveSession> {
        let now = Instant::now();
        Arc::new(LiveSession {
            token,
            device_id,
            origin,
            started: now.checked_sub(age).unwrap_or(now),
            visit: tokio::sync::Mutex::new(None),
            superseded: CancellationToken::new(),
            cookie: OnceLock::new(),
            lease: OnceLock::new(),
            timeout: OnceLock::new(),
            deadline: AtomicU64::new(BUSY),
            connection: AtomicU64::new(NO_CONNECTION),
        })
    }

    /// Its device speaks on this connection.
    pub(crate) fn set_connection(&self, id: u64) {
        self.connection.store(id, Ordering::Relaxed);
    }

    pub(crate) fn connection(&self) -> u64 {
        self.connection.load(Ordering::Relaxed)
    }

    /// Sets what is known only once the session has begun.
    pub(crate) fn set_terms(&self, cookie: HeaderValue, lease: Lease, timeout: Duration) {
        // Set once, by the one who begins the session.
        let _ = self.cookie.set(cookie);
        let _ = self.lease.set(lease);
        let _ = self.timeout.set(timeout);
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.get().copied().unwrap_or_default()
    }

    /// The server has the turn.
    pub(crate) fn set_busy(&self) {
        self.deadline.store(BUSY, Ordering::Relaxed);
    }
}

/// Splits a lock's contention.
const SHARDS: usize = 16;

struct Sharded<K> {
    shards: [Mutex<HashMap<K, Arc<LiveSession>>>; SHARDS],
    hasher: RandomState,
}

impl<K: Hash + Eq> Sharded<K> {
    fn new() -> Sharded<K> {
        Sharded { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }

    fn shard(&self, key: &(impl Hash + ?Sized)) -> &Mutex<HashMap<K, Arc<LiveSession>>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

/// All live sessions.
pub(crate) struct SessionTable {
    by_token: Sharded<Token>,
    by_device: Sharded<Arc<str>>,
    /// Each session is in one bucket: that of its deadline, or an earlier one, from which it is moved on when that comes.
    buckets: Mutex<BTreeMap<u64, Vec<Weak<LiveSession>>>>,
    started: Instant,
}

impl SessionTable {
    pub(crate) fn new() -> SessionTable {
        SessionTable {
            by_token: Sharded::new(),
            by_device: Sharded::new(),
            buckets: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Enters a session. Returns the one that the device had: it is told that it is superseded, and still to be ended.
    pub(crate) fn insert(&self, live: &Arc<LiveSession>) -> Option<Arc<LiveSession>> {
        let mut shard = self.by_token.shard(&live.token).lock();
        shard.insert(live.token, live.clone());
        drop(shard);
        let mut shard = self.by_device.shard(&*live.device_id).lock();
        let previous = shard.insert(live.device_id.clone(), live.clone());
        drop(shard);
        if let Some(previous) = &previous {
            previous.superseded.cancel();
        }
        previous
    }

    /// Takes a session out.
    pub(crate) fn remove(&self, live: &Arc<LiveSession>) {
        self.by_token.shard(&live.token).lock().remove(&live.token);
        let mut shard = self.by_device.shard(&*live.device_id).lock();
        if shard.get(&live.device_id).is_some_and(|current| Arc::ptr_eq(current, live)) {
            shard.remove(&live.device_id);
        }
    }

    pub(crate) fn by_token(&self, token: Token) -> Option<Arc<LiveSession>> {
        self.by_token.shard(&token).lock().get(&token).cloned()
    }

    pub(crate) fn has_device(&self, device_id: &str) -> bool {
        self.by_device.shard(device_id).lock().contains_key(device_id)
    }

    /// Everyone, for the shutdown.
    pub(crate) fn all(&self) -> Vec<Arc<LiveSession>> {
        let shards = self.by_token.shards.iter();
        shards.flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// The device has the turn, and as long as its timeout says.
    pub(crate) fn start_waiting(&self, live: &LiveSession) {
        let deadline = self.now().saturating_add(milliseconds(live.timeout()));
        live.deadline.store(deadline, Ordering::Relaxed);
    }

    /// From now on the session's silence is noticed. Once per session, and again when an expired one turned out not to be.
    pub(crate) fn watch(&self, live: &Arc<LiveSession>) {
        let deadline = match live.deadline.load(Ordering::Relaxed) {
            BUSY => self.now().saturating_add(milliseconds(live.timeout())),
            deadline => deadline,
        };
        self.enter_bucket(Arc::downgrade(live), deadline);
    }

    /// Whether the device has been silent for too long.
    pub(crate) fn is_expired(&self, live: &LiveSession) -> bool {
        live.deadline.load(Ordering::Relaxed) <= self.now()
    }

    /// Sessions that are due to be looked at and expired. They are watched no more.
    pub(crate) fn expired(&self) -> Vec<Arc<LiveSession>> {
        let now = self.now();
        let mut due = Vec::new();
        let mut buckets = self.buckets.lock();
        while let Some(bucket) = buckets.first_entry().filter(|bucket| *bucket.key() <= tick(now)) {
            due.extend(bucket.remove());
        }
        drop(buckets);
        let mut expired = Vec::new();
        for live in due.iter().filter_map(Weak::upgrade) {
            if self.is_expired(&live) {
                expired.push(live);
            } else {
                self.watch(&live);
            }
        }
        expired
    }

    fn enter_bucket(&self, live: Weak<LiveSession>, deadline: u64) {
        // One tick later: a bucket comes only when all deadlines in it have passed.
        self.buckets.lock().entry(tick(deadline) + 1).or_default().push(live);
    }

    fn now(&self) -> u64 {
        milliseconds(self.started.elapsed())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1).min(u64::MAX - 1)
}

fn tick(milliseconds_since_start: u64) -> u64 {
    milliseconds_since_start / SWEEP_INTERVAL.as_millis() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn live(device_id: &str, timeout: u64) -> Arc<LiveSession> {
        let origin = Origin { policy: Arc::default(), authenticated: None };
        let live = LiveSession::new(Token::random().unwrap(), device_id.into(), origin);
        let lease = Lease { device: device_id.to_owned(), owner: "test".to_owned(), token: 1 };
        live.set_terms(HeaderValue::from_static("x"), lease, Duration::from_millis(timeout));
        live
    }

    #[test]
    fn a_device_has_one_session_and_the_newest_wins() {
        let table = SessionTable::new();
        let (old, new) = (live("a", 1_000), live("a", 1_000));
        assert!(table.insert(&old).is_none());
        let previous = table.insert(&new).unwrap();
        assert!(Arc::ptr_eq(&previous, &old) && old.superseded.is_cancelled());
        table.remove(&old);
        assert!(table.by_token(old.token).is_none());
        let next = live("a", 1_000);
        assert!(Arc::ptr_eq(&table.insert(&next).unwrap(), &new), "removing the old one left the new one in place");
        assert_eq!(table.all().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_expire_when_their_device_is_silent_and_only_then() {
        let table = SessionTable::new();
        let (silent, busy, talking) = (live("silent", 1_000), live("busy", 1_000), live("talking", 1_000));
        for session in [&silent, &busy, &talking] {
            table.insert(session);
            table.start_waiting(session);
            table.watch(session);
        }
        busy.set_busy();
        tokio::time::advance(Duration::from_millis(900)).await;
        table.start_waiting(&talking);
        assert!(table.expired().is_empty());
        tokio::time::advance(Duration::from_millis(300)).await;
        let expired: Vec<_> = table.expired().iter().map(|session| session.device_id.to_string()).collect();
        assert_eq!(expired, ["silent"]);
        assert!(table.is_expired(&silent) && !table.is_expired(&busy) && !table.is_expired(&talking));
        tokio::time::advance(Duration::from_millis(1_000)).await;
        let expired: Vec<_> = table.expired().iter().map(|session| session.device_id.to_string()).collect();
        assert_eq!(expired, ["talking"], "the server still has the busy one's turn");
    }
}

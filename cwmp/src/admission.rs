//! Which new sessions there is room for.
//!
//! A session that is admitted is a promise: all its work will be done, however much else comes. So what counts is not how many
//! sessions there are but what they cost. The cost of a session, in time of the pool's threads, is learnt for each kind of session
//! from those that have ended. A new session is refused when it would have to wait for too long until it has begun, by how many others
//! are about to begin and how fast they get there (the store's reading is part of it) or by the work that waits for a thread; or
//! when the running ones are still owed more than the threads can do while a session lasts. Costly kinds are refused
//! earlier than cheap ones, so that in a storm of first contacts devices that are known still get through.
//!
//! Whoever is refused is told when to come again. Each gets the place behind the one before, as far as the server will have got by then,
//! so that they do not all return at once. Nothing is kept of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acs_core::path::event_segment;
use acs_core::rpc::Inform;
use serde::{Deserialize, Serialize};

use crate::limits::EndpointLimits;

/// What a session is likely to cost, by what its Inform says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionKind {
    /// `0 BOOTSTRAP`: the device is discovered and set up.
    FirstContact,
    /// `1 BOOT`.
    Boot,
    /// Anything else.
    Ordinary,
}

impl SessionKind {
    pub(crate) fn of(inform: &Inform) -> SessionKind {
        let has = |wanted| inform.events.iter().any(|event| event_segment(&event.code) == wanted);
        if has("0_BOOTSTRAP") {
            SessionKind::FirstContact
        } else if has("1_BOOT") {
            SessionKind::Boot
        } else {
            SessionKind::Ordinary
        }
    }

    /// What is assumed before any has ended, in microseconds.
    const FIRST_GUESS: [u64; 3] = [20_000, 2_000, 1_000];

    /// The share of all room that this kind may fill, in percent.
    fn share(self) -> u64 {
        match self {
            SessionKind::FirstContact => 60,
            SessionKind::Boot => 80,
            SessionKind::Ordinary => 100,
        }
    }
}

/// A new session weighs so much in the mean of its kind: one sixteenth.
const WEIGHT: i64 = 16;

/// Decides, and learns.
#[derive(Debug)]
pub(crate) struct Admission {
    threads: u64,
    started: Instant,
    /// Microseconds of a thread's time per session, by kind.
    costs: [AtomicU64; 3],
    /// Microseconds that running sessions are still owed.
    promised: AtomicU64,
    /// Sessions that are let in and have not begun.
    opening: AtomicU64,
    /// Microseconds from one beginning to the next, when many want to begin.
    opening_time: AtomicU64,
    /// Up to when the server is taken by those that were refused, in microseconds since the start.
    booked: AtomicU64,
}

impl Admission {
    pub(crate) fn new(threads: usize) -> Arc<Admission> {
        Arc::new(Admission {
            threads: threads.max(1) as u64,
            started: Instant::now(),
            costs: SessionKind::FIRST_GUESS.map(AtomicU64::new),
            promised: AtomicU64::new(0),
            opening: AtomicU64::new(0),
            opening_time: AtomicU64::new(0),
            booked: AtomicU64::new(0),
        })
    }

    /// What a session of a kind costs.
    pub(crate) fn cost(&self, kind: SessionKind) -> Duration {
        Duration::from_micros(self.costs[kind as usize].load(Ordering::Relaxed))
    }

    /// What running sessions are still owed.
    pub(crate) fn promised(&self) -> Duration {
        Duration::from_micros(self.promised.load(Ordering::Relaxed))
    }

    /// How long a session that comes now will wait until it has begun, by those that come before it.
    pub(crate) fn opening_wait(&self) -> Duration {
        let each = self.opening_time.load(Ordering::Relaxed);
        Duration::from_micros(self.opening.load(Ordering::Relaxed).saturating_mul(each))
    }

    /// Admits a session whose work would wait for a thread for `wait`. `None`: there is no room.
    pub(crate) fn admit(
        self: &Arc<Admission>,
        kind: SessionKind,
        wait: Duration,
        limits: &EndpointLimits,
    ) -> Option<Promise> {
        if !self.has_room(kind, wait, limits) {
            return None;
        }
        let cost = self.costs[kind as usize].load(Ordering::Relaxed);
        self.promised.fetch_add(cost, Ordering::Relaxed);
        let before = self.opening.fetch_add(1, Ordering::Relaxed);
        let opening = Some((Instant::now(), before + 1));
        Some(Promise { admission: self.clone(), kind, owed: cost, spent: 0, opening, is_handed_over: false })
    }

    /// Goes on with a session that was admitted elsewhere. It is owed what its kind costs, less what it has had.
    pub(crate) fn take_over(self: &Arc<Admission>, spent: Spent) -> Promise {
        let Spent { kind, time } = spent;
        let owed = self.costs[kind as usize].load(Ordering::Relaxed).saturating_sub(time);
        self.promised.fetch_add(owed, Ordering::Relaxed);
        Promise { admission: self.clone(), kind, owed, spent: time, opening: None, is_handed_over: false }
    }

    /// Whether a session whose work would wait for a thread for `wait` would be admitted.
    pub(crate) fn has_room(&self, kind: SessionKind, wait: Duration, limits: &EndpointLimits) -> bool {
        let wait = wait.max(self.opening_wait());
        let cost = self.costs[kind as usize].load(Ordering::Relaxed);
        let room = micros(limits.max_promised_time) * self.threads * kind.share() / 100;
        let longest_wait = micros(limits.max_queue_time) * kind.share() / 100;
        let promised = self.promised.load(Ordering::Relaxed);
        // With nothing else to do even the most costly session is begun.
        micros(wait) <= longest_wait && (promised + cost <= room || promised == 0)
    }

    /// When a session that is refused shall try again.
    pub(crate) fn retry_after(&self, kind: SessionKind, limits: &EndpointLimits) -> Duration {
        let cost = self.costs[kind as usize].load(Ordering::Relaxed);
        let now = micros(self.started.elapsed());
        // A quarter of the time is left to those that come unasked.
        let taken = (cost * 5 / 4 / self.threads).max(1);
        let latest = now + micros(limits.max_retry_after);
        let place = |booked: u64| booked.max(now).saturating_add(taken).min(latest);
        // The closure always gives a value.
        let before = self.booked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |booked| Some(place(booked)));
        let place = place(before.unwrap_or(now));
        jittered(Duration::from_micros(place - now), limits)
    }
}

/// Moves a mean towards a new measurement, both in microseconds.
fn learn(mean: &AtomicU64, measured: u64) {
    let moved = |mean: u64| {
        let (mean, measured) = (mean as i64, measured.min(i64::MAX as u64) as i64);
        // Away from zero, so that small differences count, too.
        let step = (measured - mean) / WEIGHT + (measured - mean).signum();
        Some((mean + step).max(1) as u64)
    };
    // The closure always gives a value.
    let _ = mean.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
}

/// The time to wait, at least the shortest that is configured, and up to half as much again by chance: devices that lost their power
/// together shall not come back together.
pub(crate) fn jittered(wait: Duration, limits: &EndpointLimits) -> Duration {
    let wait = wait.clamp(limits.retry_after, limits.max_retry_after.max(limits.retry_after));
    // Without random numbers there is no jitter, which is better than no answer.
    let chance = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
    wait.mul_f64(1.0 + chance / 2.0)
}

fn micros(duration: Duration) -> u64 {
    // Half a million years; sums of a few do not overflow.
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(1 << 54)
}

/// What a session has cost on the node that it leaves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spent {
    kind: SessionKind,
    /// In microseconds.
    time: u64,
}

/// A session's claim on the threads. Given back when it is dropped, however the session ended.
#[derive(Debug)]
pub(crate) struct Promise {
    admission: Arc<Admission>,
    kind: SessionKind,
    /// What is left of what was expected.
    owed: u64,
    spent: u64,
    /// Until it has begun: since when, and how many wanted to begin then, itself included.
    opening: Option<(Instant, u64)>,
    /// The session has gone elsewhere.
    is_handed_over: bool,
}

impl Promise {
    /// The session goes on elsewhere. What it costs in all is learnt there.
    pub(crate) fn hand_over(mut self) -> Spent {
        self.is_handed_over = true;
        Spent { kind: self.kind, time: self.spent }
    }

    /// A thread has worked for the session.
    pub(crate) fn spend(&mut self, time: Duration) {
        let time = micros(time);
        self.spent += time;
        let done = time.min(self.owed);
        self.owed -= done;
        self.admission.promised.fetch_sub(done, Ordering::Relaxed);
    }

    /// The session has begun.
    pub(crate) fn begin(&mut self) {
        if let Some((since, among)) = self.opening.take() {
            self.admission.opening.fetch_sub(1, Ordering::Relaxed);
            learn(&self.admission.opening_time, micros(since.elapsed()) / among);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.admission.promised.fetch_sub(self.owed, Ordering::Relaxed);
        match self.opening {
            Some(_) => _ = self.admission.opening.fetch_sub(1, Ordering::Relaxed),
            None if self.is_handed_over => {}
            None => learn(&self.admission.costs[self.kind as usize], self.spent),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::rpc::Event;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn limits() -> EndpointLimits {
        EndpointLimits {
            max_queue_time: Duration::from_secs(1),
            max_promised_time: Duration::from_secs(10),
            ..EndpointLimits::default()
        }
    }

    fn ended(admission: &Arc<Admission>, kind: SessionKind, milliseconds: u64) {
        let mut promise = admission.admit(kind, NOW, &limits()).unwrap();
        promise.begin();
        promise.spend(Duration::from_millis(milliseconds));
    }

    #[test]
    fn the_events_tell_the_kind() {
        let kind = |codes: &[&str]| {
            let events = codes.iter().map(|code| Event { code: (*code).into(), command_key: String::new() }).collect();
            SessionKind::of(&Inform { events, ..Inform::default() })
        };
        assert_eq!(kind(&["0 BOOTSTRAP", "1 BOOT"]), SessionKind::FirstContact);
        assert_eq!(kind(&["1 BOOT", "M Reboot"]), SessionKind::Boot);
        assert_eq!(kind(&["2 PERIODIC"]), SessionKind::Ordinary);
        assert_eq!(kind(&[]), SessionKind::Ordinary);
    }

    #[test]
    fn the_cost_of_each_kind_is_learnt_from_sessions_that_ended() {
        let admission = Admission::new(1);
        for _ in 0..200 {
            ended(&admission, SessionKind::Boot, 40);
        }
        let cost = admission.cost(SessionKind::Boot).as_millis();
        assert!((39..=40).contains(&cost), "{cost}");
        assert_eq!(admission.cost(SessionKind::Ordinary), Duration::from_millis(1), "others are others");
        assert_eq!(admission.promised(), Duration::ZERO);
    }

    #[test]
    fn a_promise_is_kept_as_it_is_worked_off_and_given_back_at_the_end() {
        let admission = Admission::new(1);
        let mut promise = admission.admit(SessionKind::Boot, NOW, &limits()).unwrap();
        promise.begin();
        assert_eq!(admission.promised(), Duration::from_millis(2));
        promise.spend(Duration::from_micros(500));
        assert_eq!(admission.promised(), Duration::from_micros(1_500));
        promise.spend(Duration::from_secs(1));
        assert_eq!(admission.promised(), Duration::ZERO, "more than was expected is nobody's debt");
        drop(promise);
        drop(admission.admit(SessionKind::Ordinary, NOW, &limits()));
        assert_eq!(admission.promised(), Duration::ZERO);
        assert_eq!(
            admission.cost(SessionKind::Ordinary),
            Duration::from_millis(1),
            "it never began, and teaches nothing"
        );
    }

    #[test]
    fn who_would_wait_for_too_long_is_refused_the_costly_first() {
        let admission = Admission::new(1);
        let is_admitted =
            |kind, milliseconds| admission.admit(kind, Duration::from_millis(milliseconds), &limits()).is_some();
        assert!(is_admitted(SessionKind::FirstContact, 600) && !is_admitted(SessionKind::FirstContact, 601));
        assert!(is_admitted(SessionKind::Boot, 800) && !is_admitted(SessionKind::Boot, 801));
        assert!(is_admitted(SessionKind::Ordinary, 1_000) && !is_admitted(SessionKind::Ordinary, 1_001));
    }

    #[test]
    fn a_crowd_that_is_about_to_begin_keeps_others_out_until_it_has() {
        let admission = Admission::new(1);
        admission.opening_time.store(100_000, Ordering::Relaxed);
        let mut crowd: Vec<Promise> = Vec::new();
        while let Some(promise) = admission.admit(SessionKind::Ordinary, NOW, &limits()) {
            crowd.push(promise);
        }
        assert_eq!((crowd.len(), admission.opening_wait()), (11, Duration::from_millis(1_100)));
        crowd[0].begin();
        drop(crowd.pop());
        assert!(admission.opening_wait() < Duration::from_millis(1_000));
        assert!(admission.admit(SessionKind::Ordinary, NOW, &limits()).is_some());
    }

    #[test]
    fn no_more_is_promised_than_the_threads_can_do_and_cheap_sessions_still_find_room() {
        let admission = Admission::new(2);
        let mut running: Vec<Promise> = Vec::new();
        while let Some(promise) = admission.admit(SessionKind::FirstContact, NOW, &limits()) {
            running.push(promise);
        }
        assert_eq!(running.len(), 600, "12 s of 20 ms: six tenths of what two threads do in 10 s");
        assert!(admission.admit(SessionKind::Boot, NOW, &limits()).is_some());
        running.pop();
        assert!(admission.admit(SessionKind::FirstContact, NOW, &limits()).is_some());
    }

    #[test]
    fn a_session_that_is_too_costly_for_all_room_runs_alone() {
        let admission = Admission::new(1);
        let tight = EndpointLimits { max_promised_time: Duration::from_millis(5), ..limits() };
        let alone = admission.admit(SessionKind::FirstContact, NOW, &tight).unwrap();
        assert!(admission.admit(SessionKind::FirstContact, NOW, &tight).is_none());
        drop(alone);
    }

    #[test]
    fn those_who_are_refused_come_again_one_after_the_other() {
        let admission = Admission::new(1);
        let limits = EndpointLimits {
            retry_after: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(100),
            ..limits()
        };
        let waits: Vec<Duration> =
            (0..8_000).map(|_| admission.retry_after(SessionKind::FirstContact, &limits)).collect();
        assert!(waits.iter().all(|wait| (10..=150).contains(&wait.as_secs())));
        // 25 ms for each: the 2,000th has its place behind 50 s, the last behind the longest wait.
        assert!((49..=76).contains(&waits[1_999].as_secs()), "{:?}", waits[1_999]);
        assert!(waits[7_999].as_secs() >= 99, "{:?}", waits[7_999]);
        let mut different = waits[..100].to_vec();
        different.dedup();
        assert!(different.len() > 90, "chance spreads them");
    }
}

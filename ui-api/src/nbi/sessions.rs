//! What the NBI needs of the CWMP side: a way to wake a device, to hear when its session begins and ends, and to know when sessions
//! get what was configured. The binary brings the two together.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value as Json;
use store::StoreError;
use tokio::sync::{Notify, watch};

/// Sends connection requests (TR-069 §3.2.2).
#[async_trait]
pub trait DeviceWaker: Send + Sync {
    /// Asks a device to begin a session; returns when it has said that it will.
    ///
    /// # Errors
    /// Why it could not be asked, for people; it becomes the answer's reason phrase.
    async fn wake(&self, device_id: &str) -> Result<(), String>;

    /// What came of a device's connection requests so far, as a document without secrets.
    async fn connection_requests(&self, device_id: &str) -> Result<Json, StoreError>;
}

/// Tells what had to be forgiven in devices' messages.
pub trait RepairReport: Send + Sync {
    /// A list of documents, one per model.
    fn repairs(&self) -> Json;
}

/// Follows what operators configure.
#[async_trait]
pub trait ConfigurationFollower: Send + Sync {
    /// Returns when sessions that begin from then on get what is stored now. It does not wait for long.
    async fn catch_up(&self);
}

/// Where a follower's session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPhase {
    /// None has begun since it was asked for.
    Awaited,
    /// It has begun.
    Running,
    /// It is over, and what it changed is stored.
    Ended,
}

/// Tells of sessions.
pub trait SessionWatch: Send + Sync {
    /// Follows the next session of a device that begins after this call. A session that runs already is passed over: it has taken
    /// its tasks at its start.
    fn follow(&self, device_id: &str) -> watch::Receiver<SessionPhase>;
}

/// The [`SessionWatch`] of one process: the CWMP side reports to it.
#[derive(Debug, Default)]
pub struct SessionBoard {
    followers: Mutex<HashMap<String, Vec<watch::Sender<SessionPhase>>>>,
    /// The number of followed devices, so that a session that nobody waits for costs no lock.
    followed: AtomicUsize,
    /// Somebody has begun to follow.
    joined: Notify,
}

impl SessionBoard {
    /// A device's session has begun.
    pub fn session_started(&self, device_id: &str) {
        self.advance(device_id, SessionPhase::Awaited, SessionPhase::Running);
    }

    /// A device's session is over, and what it changed is stored.
    pub fn session_ended(&self, device_id: &str) {
        self.advance(device_id, SessionPhase::Running, SessionPhase::Ended);
    }

    /// The devices whose sessions somebody follows.
    pub fn followed(&self) -> Vec<String> {
        if self.followed.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let Ok(mut followers) = self.followers.lock() else { return Vec::new() };
        self.sweep(&mut followers);
        followers.keys().cloned().collect()
    }

    /// Returns when somebody begins to follow a device, or has done so since this returned last.
    pub async fn joined(&self) {
        self.joined.notified().await;
    }

    fn advance(&self, device_id: &str, from: SessionPhase, to: SessionPhase) {
        if self.followed.load(Ordering::Acquire) == 0 {
            return;
        }
        let Ok(mut followers) = self.followers.lock() else { return };
        for sender in followers.get(device_id).into_iter().flatten() {
            sender.send_if_modified(|phase| {
                let moves = *phase == from;
                if moves {
                    *phase = to;
                }
                moves
            });
        }
        self.sweep(&mut followers);
    }

    /// Forgets those who wait no more.
    fn sweep(&self, followers: &mut HashMap<String, Vec<watch::Sender<SessionPhase>>>) {
        followers.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        self.followed.store(followers.len(), Ordering::Release);
    }
}

impl SessionWatch for SessionBoard {
    fn follow(&self, device_id: &str) -> watch::Receiver<SessionPhase> {
        let (sender, receiver) = watch::channel(SessionPhase::Awaited);
        if let Ok(mut followers) = self.followers.lock() {
            self.sweep(&mut followers);
            followers.entry(device_id.to_owned()).or_default().push(sender);
            self.followed.store(followers.len(), Ordering::Release);
        }
        self.joined.notify_one();
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_sees_the_next_session_only() {
        let board = SessionBoard::default();
        board.session_started("a");
        let follower = board.follow("a");
        let other = board.follow("b");
        board.session_ended("a");
        assert_eq!(*follower.borrow(), SessionPhase::Awaited);
        board.session_started("a");
        assert_eq!(*follower.borrow(), SessionPhase::Running);
        let late = board.follow("a");
        board.session_ended("a");
        board.session_started("a");
        assert_eq!(*follower.borrow(), SessionPhase::Ended);
        assert_eq!(*late.borrow(), SessionPhase::Running);
        assert_eq!(*other.borrow(), SessionPhase::Awaited);
    }

    #[test]
    fn those_who_left_are_forgotten() {
        let board = SessionBoard::default();
        for number in 0..100 {
            drop(board.follow(&number.to_string()));
        }
        let stays = board.follow("x");
        assert_eq!(board.followed.load(Ordering::Acquire), 1);
        drop(stays);
        board.session_ended("y");
        assert_eq!(board.followed.load(Ordering::Acquire), 0);
    }
}

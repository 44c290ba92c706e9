//! A session: one document on its way to one router, as data. Draft → Validated → Applying → Applied or Failed.
//!
//! Transitions are functions that refuse what is not their turn. A session holds its ledger, so that after a crash at any moment it is
//! known what is on the router. The rows of a router's sessions carry one tag, that of the first ([`Session::owner`]): a later session
//! takes over what an earlier one holds, and applying the same document again changes nothing.
//!
//! `service` drives sessions and is the only place with effects, `store` says what it needs of a store, `event` what it tells.
//!
//! Not here: what a document means ([`Compile`] is given), and who may do what.

mod event;
mod id;
mod service;
mod store;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use event::{Priority, SessionEvent, SessionEventKind};
pub use id::new_id;
pub use service::{ServiceError, Sessions, Target};
pub use store::{SessionStore, StoreError};

pub use crate::issue::{Issue, Severity};

use crate::compile::{Compiled, Facts};
use crate::issue::permits;
use crate::ledger::{Entry, Holding, fold};
use crate::orchestrator::{Applied, ApplyError, Generated, RollbackResult};
use crate::phase::Phase;
use crate::plan::Note;

/// How long a draft lives that is not applied, in milliseconds.
pub const LIFETIME: u64 = 3_600_000;

/// One document on its way to one router. It holds secrets; [`Session::summary`] is what may be shown. Times are milliseconds since
/// 1970.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// A ULID.
    pub id: String,
    /// The router.
    pub router: String,
    /// The document, in JSON.
    pub document: serde_json::Value,
    /// How far it came.
    pub status: Status,
    /// What validation found.
    pub issues: Vec<Issue>,
    /// The session whose tag the rows carry.
    pub owner: String,
    /// The session that had the router before.
    pub supersedes: Option<String>,
    /// What is on the router is this session's; of the sessions of a router the one that no other one of them supersedes.
    pub holds: bool,
    /// What of ours was on the router before.
    pub base: Vec<Holding>,
    /// What was done since.
    pub entries: Vec<Entry>,
    /// What the router made itself.
    pub generated: Vec<Generated>,
    /// What did not matter, or was left out.
    pub warnings: Vec<Note>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What came of taking it back.
    pub rolled_back: Option<RollbackResult>,
    /// When it was created.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
    /// When a draft is no longer valid.
    pub expires_at: u64,
    /// When applying began, and when it ended.
    pub applied: Option<(u64, Option<u64>)>,
}

/// How far a session came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It can be changed.
    Draft,
    /// Its document has no errors.
    Validated,
    /// Commands are being sent, or were when everything stopped.
    Applying,
    /// The router is what the document says.
    Applied,
    /// The router is what it was before, unless the rollback tells otherwise.
    Failed,
    /// Nobody wants it any more.
    Discarded,
}

/// Why a session failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step that failed, when it was one.
    pub step: Option<String>,
    /// Its resource.
    pub resource: Option<String>,
    /// Its phase.
    pub phase: Option<Phase>,
    /// What happened.
    pub message: String,
}

/// Not now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The session has another status.
    #[error("session {id} is {status}, it must be {needed} to {verb}")]
    Status {
        /// Which.
        id: String,
        /// What it is.
        status: Status,
        /// What was to be done.
        verb: &'static str,
        /// What it would have to be.
        needed: &'static str,
    },
    /// It was not applied in time.
    #[error("session {0} has expired")]
    Expired(String),
}

/// What a document means. Pure.
pub trait Compile: Send + Sync {
    /// What is wrong with it.
    fn validate(&self, document: &serde_json::Value) -> Vec<Issue>;

    /// What it wants of a router. With errors among the issues it cannot be carried out there.
    fn steps(&self, document: &serde_json::Value, facts: &Facts) -> Compiled;

    /// What it connects the router to, to tell once the router has it: uplinks and tunnels. `generated` is what was read back then,
    /// `applied_at` when that was, in milliseconds since 1970.
    fn connections(
        &self,
        document: &serde_json::Value,
        generated: &[Generated],
        applied_at: u64,
    ) -> Vec<SessionEventKind>;
}

impl Session {
    /// A draft.
    pub fn new(id: String, router: String, document: serde_json::Value, now: u64) -> Session {
        Session {
            owner: id.clone(),
            id,
            router,
            document,
            status: Status::Draft,
            issues: Vec::new(),
            supersedes: None,
            holds: false,
            base: Vec::new(),
            entries: Vec::new(),
            generated: Vec::new(),
            warnings: Vec::new(),
            failure: None,
            rolled_back: None,
            created_at: now,
            updated_at: now,
            expires_at: now + LIFETIME,
            applied: None,
        }
    }

    /// Another document. It has to be validated again.
    ///
    /// # Errors
    /// When it is applied, or being applied.
    pub fn update(&mut self, document: serde_json::Value, now: u64) -> Result<(), TransitionError> {
        self.check_time(now)?;
        self.check(&[Status::Draft, Status::Validated], "be changed", "draft or validated")?;
        self.document = document;
        self.issues.clear();
        self.go(Status::Draft, now);
        Ok(())
    }

    /// What validation found. Without errors the session can be applied.
    ///
    /// # Errors
    /// When it is no draft.
    pub fn validate(&mut self, issues: Vec<Issue>, now: u64) -> Result<(), TransitionError> {
        self.check_time(now)?;
        self.check(&[Status::Draft], "be validated", "draft")?;
        let is_good = permits(&issues);
        self.issues = issues;
        self.go(if is_good { Status::Validated } else { Status::Draft }, now);
        Ok(())
    }

    /// Applying begins. `before` is the session that has the router.
    ///
    /// # Errors
    /// When it is not validated.
    pub fn begin(&mut self, before: Option<&Session>, now: u64) -> Result<(), TransitionError> {
        self.check_time(now)?;
        self.check(&[Status::Validated], "be applied", "validated")?;
        let before = before.filter(|before| before.id != self.id);
        self.base = before.map(Session::holdings).unwrap_or_default();
        let has_rows = before.filter(|_| !self.base.is_empty());
        self.owner = has_rows.map_or_else(|| self.id.clone(), |before| before.owner.clone());
        self.supersedes = before.map(|before| before.id.clone());
        self.holds = true;
        self.entries.clear();
        self.generated = has_rows.map(|before| before.generated.clone()).unwrap_or_default();
        self.failure = None;
        self.rolled_back = None;
        self.applied = Some((now, None));
        self.go(Status::Applying, now);
        Ok(())
    }

    /// The router is what the document says.
    ///
    /// # Errors
    /// When it was not being applied.
    pub fn succeed(&mut self, applied: Applied, now: u64) -> Result<(), TransitionError> {
        self.check(&[Status::Applying], "be finished", "applying")?;
        // What was made when a command was run is not made again as long as it stands.
        let stands = |made: &Generated| {
            let is_new = applied.generated.iter().any(|new| new.step == made.step && new.name == made.name);
            !is_new
                && made.name.starts_with("file:")
                && applied.holdings.iter().any(|holding| holding.step == made.step)
        };
        self.generated.retain(stands);
        self.generated.extend(applied.generated);
        self.warnings = applied.warnings;
        self.end(now);
        self.go(Status::Applied, now);
        Ok(())
    }

    /// It failed, and was taken back as far as possible.
    ///
    /// # Errors
    /// When it was not being applied.
    pub fn fail(
        &mut self,
        failure: Failure,
        rolled_back: Option<RollbackResult>,
        now: u64,
    ) -> Result<(), TransitionError> {
        self.check(&[Status::Applying], "fail", "applying")?;
        self.failure = Some(failure);
        self.rolled_back = rolled_back;
        self.holds = !self.is_taken_back();
        self.end(now);
        self.go(Status::Failed, now);
        Ok(())
    }

    /// What was applied was taken back. When nothing is left of it, it can be applied again.
    ///
    /// # Errors
    /// When it was not applied.
    pub fn take_back(&mut self, result: RollbackResult, now: u64) -> Result<(), TransitionError> {
        self.check(
            &[Status::Applied, Status::Failed, Status::Applying],
            "be taken back",
            "applied, failed or applying",
        )?;
        self.rolled_back = Some(result);
        let is_back = self.is_taken_back();
        self.holds = !is_back;
        self.expires_at = now + LIFETIME;
        self.go(if is_back { Status::Validated } else { Status::Failed }, now);
        Ok(())
    }

    /// A failed session may be tried again.
    ///
    /// # Errors
    /// When it has not failed, or something of it is still on the router.
    pub fn retry(&mut self, now: u64) -> Result<(), TransitionError> {
        self.check(&[Status::Failed], "be tried again", "failed")?;
        if !self.is_taken_back() {
            return Err(self.refusal("be tried again", "taken back"));
        }
        self.expires_at = now + LIFETIME;
        self.go(Status::Validated, now);
        Ok(())
    }

    /// Nobody wants it any more.
    ///
    /// # Errors
    /// When something of it is on the router.
    pub fn discard(&mut self, now: u64) -> Result<(), TransitionError> {
        self.check(&[Status::Draft, Status::Validated, Status::Failed], "be discarded", "draft, validated or failed")?;
        if !self.is_taken_back() {
            return Err(self.refusal("be discarded", "taken back"));
        }
        self.go(Status::Discarded, now);
        Ok(())
    }

    /// All of ours was taken from the router.
    ///
    /// # Errors
    /// When it does not hold the router.
    pub fn remove(&mut self, left: Vec<Holding>, now: u64) -> Result<(), TransitionError> {
        self.check(&[Status::Applied, Status::Failed], "be removed", "applied or failed")?;
        self.holds = !left.is_empty();
        self.base = left;
        self.entries.clear();
        self.go(if self.holds { Status::Failed } else { Status::Discarded }, now);
        Ok(())
    }

    /// What of ours is on the router.
    pub fn holdings(&self) -> Vec<Holding> {
        fold(&self.base, &self.entries)
    }

    /// Whether nothing that this session did is on the router.
    pub fn is_taken_back(&self) -> bool {
        !self.entries.iter().any(|entry| entry.is_effective() && !matches!(entry.deed, crate::ledger::Deed::Run { .. }))
    }

    /// What may be shown: no document, no secrets.
    pub fn summary(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.id,
            "router": self.router,
            "status": self.status,
            "issues": self.issues,
            "supersedes": self.supersedes,
            "holds": self.holds,
            "entries": self.entries.iter().map(Entry::masked).collect::<Vec<_>>(),
            "generated": self.generated.iter().map(Generated::masked).collect::<Vec<_>>(),
            "warnings": self.warnings,
            "failure": self.failure,
            "rolledBack": self.rolled_back,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "expiresAt": self.expires_at,
        })
    }

    fn check(&self, allowed: &[Status], verb: &'static str, needed: &'static str) -> Result<(), TransitionError> {
        if allowed.contains(&self.status) { Ok(()) } else { Err(self.refusal(verb, needed)) }
    }

    fn refusal(&self, verb: &'static str, needed: &'static str) -> TransitionError {
        TransitionError::Status { id: self.id.clone(), status: self.status, verb, needed }
    }

    fn check_time(&self, now: u64) -> Result<(), TransitionError> {
        let is_waiting = matches!(self.status, Status::Draft | Status::Validated);
        if is_waiting && now > self.expires_at { Err(TransitionError::Expired(self.id.clone())) } else { Ok(()) }
    }

    fn go(&mut self, status: Status, now: u64) {
        self.status = status;
        self.updated_at = now;
    }

    fn end(&mut self, now: u64) {
        self.applied = self.applied.map(|(begin, _)| (begin, Some(now)));
    }
}

/// Without the document, which holds secrets.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .field("router", &self.router)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Status::Draft => "draft",
            Status::Validated => "validated",
            Status::Applying => "applying",
            Status::Applied => "applied",
            Status::Failed => "failed",
            Status::Discarded => "discarded",
        })
    }
}

impl From<&ApplyError> for Failure {
    fn from(error: &ApplyError) -> Failure {
        let (step, resource, phase) = match error {
            ApplyError::Step { step, resource, phase, .. } => {
                (Some(step.clone()), Some(resource.clone()), Some(*phase))
            }
            _ => (None, None, None),
        };
        Failure { step, resource, phase, message: error.to_string() }
    }
}

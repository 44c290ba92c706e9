//! Drives sessions: plans, applies, takes back, resumes, one at a time per router; `edit` is what happens to them without a router.

mod edit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Compile, Failure, Session, SessionEvent, SessionEventKind, SessionStore, Status, StoreError, TransitionError,
};
use crate::compile::{Compiled, Facts};
use crate::issue::{Severity, permits};
use crate::ledger::{Entry, Fingerprints, Holding, LedgerSink, SinkError};
use crate::management::Management;
use crate::orchestrator::{Applied, ApplyError, Job, Options, Orchestrator, RollbackError, RollbackResult};
use crate::plan::{Note, Plan};
use crate::port::Reach;
use crate::step::Step;

/// A router as it is reached now.
#[derive(Clone)]
pub struct Target<'a> {
    /// The connection.
    pub port: &'a dyn Reach,
    /// How it is reached.
    pub management: Management,
    /// How plans are carried out.
    pub options: Options,
    /// The plan that was reviewed, by [`Sessions::fingerprint_of`]: only this one is applied. Any when `None`.
    pub reviewed: Option<String>,
}

/// Drives sessions.
pub struct Sessions {
    store: Arc<dyn SessionStore>,
    compile: Arc<dyn Compile>,
    tell: Box<dyn Fn(SessionEvent) + Send + Sync>,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    fingerprints: Fingerprints,
    /// Sessions at work here, by router.
    running: Mutex<BTreeMap<String, (String, CancellationToken)>>,
    /// Drafts are changed one after the other.
    editing: tokio::sync::Mutex<()>,
}

/// Why something cannot be done with a session.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ServiceError {
    /// There is none of this name.
    #[error("there is no session {0}")]
    Unknown(String),
    /// It is not its turn.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// Another session is at work on the router.
    #[error("session {session} is at work on router {router}")]
    Busy {
        /// The router.
        router: String,
        /// Who.
        session: String,
    },
    /// A later session has taken over what it did.
    #[error("session {0} was superseded by a later one")]
    Superseded(String),
    /// What would be done is no longer what was reviewed.
    #[error("the plan of session {0} has changed since it was reviewed")]
    Stale(String),
    /// The document means nothing.
    #[error("the document cannot be carried out: {0}")]
    Document(String),
    /// The router cannot be read, or the steps contradict each other.
    #[error(transparent)]
    Router(#[from] ApplyError),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no randomness for a new name.
    #[error("no name for a session: {0}")]
    Name(String),
}

/// The ledger of a session, in the store.
struct Ledger<'a> {
    store: &'a dyn SessionStore,
    session: &'a str,
}

#[async_trait]
impl LedgerSink for Ledger<'_> {
    async fn record(&self, entries: &[Entry]) -> Result<(), SinkError> {
        self.store.record(self.session, entries).await.map_err(|error| SinkError(error.0))
    }
}

/// A router is taken as long as this lives.
struct Occupied<'a> {
    sessions: &'a Sessions,
    router: String,
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.sessions.running.lock().remove(&self.router);
    }
}

impl Sessions {
    /// `tell` must not take long. `now` gives milliseconds since 1970. `fingerprints` must stay the same over restarts.
    pub fn new(
        store: Arc<dyn SessionStore>,
        compile: Arc<dyn Compile>,
        fingerprints: Fingerprints,
        tell: impl Fn(SessionEvent) + Send + Sync + 'static,
        now: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Sessions {
        let (tell, now) = (Box::new(tell), Box::new(now));
        let (running, editing) = (Mutex::default(), tokio::sync::Mutex::default());
        Sessions { store, compile, tell, now, fingerprints, running, editing }
    }

    /// What applying would do; of an applied session what somebody has changed since. Only reads.
    ///
    /// # Errors
    /// When the router cannot be read.
    pub async fn plan(&self, id: &str, target: &Target<'_>) -> Result<Plan, ServiceError> {
        self.plan_of(&self.get(id).await?, target).await
    }

    /// The same for a session that need not be stored: what its document would do.
    ///
    /// # Errors
    /// When the router cannot be read.
    pub async fn plan_of(&self, session: &Session, target: &Target<'_>) -> Result<Plan, ServiceError> {
        let holder = self.holder(&session.router).await?;
        let (owner, holdings) = match holder.as_ref().map(|holder| (holder, holder.holdings())) {
            Some((holder, holdings)) if !holdings.is_empty() => (holder.owner.clone(), holdings),
            _ => (session.id.clone(), Vec::new()),
        };
        let (steps, notes) = self.steps(session, target).await?;
        let (sink, cancel) = (Ledger { store: &*self.store, session: &session.id }, CancellationToken::new());
        let orchestrator = Orchestrator::new(target.port, &sink, &|_| {}, &cancel, target.options.clone());
        let mut plan = orchestrator.plan(&self.job(&steps, &holdings, &owner, target), &holdings).await?;
        plan.notes.extend(notes);
        Ok(plan)
    }

    /// Tells a plan from others, for [`Target::reviewed`].
    pub fn fingerprint_of(&self, plan: &Plan) -> String {
        Orchestrator::fingerprint_of(plan, &self.fingerprints)
    }

    /// What somebody has changed by hand since a router was configured; `None` when it was not.
    ///
    /// # Errors
    /// When the router cannot be read.
    pub async fn drift(&self, router: &str, target: &Target<'_>) -> Result<Option<(Session, Plan)>, ServiceError> {
        let Some(holder) = self.holder(router).await?.filter(|holder| holder.status == Status::Applied) else {
            return Ok(None);
        };
        let plan = self.plan(&holder.id, target).await?;
        Ok(Some((holder, plan)))
    }

    /// Makes the router what the document says, or leaves it as it was: the session that is given back is applied or failed.
    ///
    /// # Errors
    /// When it is not validated, or another session is at work on the router.
    pub async fn apply(&self, id: &str, target: &Target<'_>) -> Result<Session, ServiceError> {
        let cancel = CancellationToken::new();
        self.alone(id, &cancel, self.apply_alone(id, target, &cancel)).await
    }

    async fn apply_alone(
        &self,
        id: &str,
        target: &Target<'_>,
        cancel: &CancellationToken,
    ) -> Result<Session, ServiceError> {
        let mut session = self.get(id).await?;
        let holder = self.holder(&session.router).await?;
        if let Some(holder) = holder.as_ref().filter(|holder| holder.status == Status::Applying && holder.id != id) {
            // Interrupted: it has to be resumed or taken back first.
            return Err(ServiceError::Busy { router: session.router.clone(), session: holder.id.clone() });
        }
        if let Some(reviewed) = &target.reviewed
            && self.fingerprint_of(&self.plan(id, target).await?) != *reviewed
        {
            return Err(ServiceError::Stale(id.to_owned()));
        }
        session.begin(holder.as_ref(), (self.now)())?;
        let (steps, notes) = self.steps(&session, target).await?;
        self.store.save(&session).await?;
        if let Some(mut before) = holder.filter(|before| before.id != session.id) {
            before.holds = false;
            self.store.save(&before).await?;
        }
        self.emit(&session, SessionEventKind::Started { resumed: false });
        let session = self.carry_out(session, (&steps, notes), target, cancel).await?;
        Ok(session)
    }

    /// Goes on with a session that was interrupted: by the end of this process, or of another one that drove it.
    ///
    /// # Errors
    /// When it was not being applied.
    pub async fn resume(&self, id: &str, target: &Target<'_>) -> Result<Session, ServiceError> {
        let cancel = CancellationToken::new();
        self.alone(id, &cancel, self.resume_alone(id, target, &cancel)).await
    }

    async fn resume_alone(
        &self,
        id: &str,
        target: &Target<'_>,
        cancel: &CancellationToken,
    ) -> Result<Session, ServiceError> {
        let session = self.get(id).await?;
        self.need(&session, Status::Applying, "be resumed", "applying")?;
        let (steps, notes) = self.steps(&session, target).await?;
        self.emit(&session, SessionEventKind::Started { resumed: true });
        let session = self.carry_out(session, (&steps, notes), target, cancel).await?;
        Ok(session)
    }

    /// The sessions that were interrupted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn interrupted(&self) -> Result<Vec<Session>, ServiceError> {
        let running: BTreeSet<String> = self.running.lock().values().map(|(session, _)| session.clone()).collect();
        let mut sessions = self.store.list(None).await?;
        sessions.retain(|session| session.status == Status::Applying && !running.contains(&session.id));
        Ok(sessions)
    }

    /// Stops a session that is at work here; what it did is taken back. Whether it was.
    pub fn cancel(&self, id: &str) -> bool {
        let running = self.running.lock();
        let found = running.values().find(|(session, _)| session == id);
        found.inspect(|(_, cancel)| cancel.cancel()).is_some()
    }

    /// Takes back what a session did: the router is what it was before it. Also of a session that was interrupted.
    ///
    /// # Errors
    /// When a later session has taken over, or the router cannot be read.
    pub async fn roll_back(&self, id: &str, target: &Target<'_>) -> Result<Session, ServiceError> {
        let cancel = CancellationToken::new();
        self.alone(id, &cancel, self.roll_back_alone(id, target)).await
    }

    async fn roll_back_alone(&self, id: &str, target: &Target<'_>) -> Result<Session, ServiceError> {
        let mut session = self.get(id).await?;
        self.check_holds(&session).await?;
        let mut entries = session.entries.clone();
        let result = self.undo(&session, &mut entries, target).await?;
        session.entries = entries;
        session.take_back(result.clone(), (self.now)())?;
        self.store.save(&session).await?;
        self.hand_back(&session).await?;
        self.emit(&session, SessionEventKind::RolledBack { result });
        Ok(session)
    }

    /// Takes all of ours from the router, also what earlier sessions did; what others did stays.
    ///
    /// # Errors
    /// When a later session has taken over, or the router cannot be read or refuses.
    pub async fn remove(&self, id: &str, target: &Target<'_>) -> Result<Session, ServiceError> {
        let cancel = CancellationToken::new();
        self.alone(id, &cancel, self.remove_alone(id, target, &cancel)).await
    }

    async fn remove_alone(
        &self,
        id: &str,
        target: &Target<'_>,
        cancel: &CancellationToken,
    ) -> Result<Session, ServiceError> {
        let mut session = self.get(id).await?;
        self.check_holds(&session).await?;
        // What was done until now can no longer be told apart from what was there before.
        session.base = session.holdings();
        session.entries.clear();
        self.store.save(&session).await?;
        let mut entries = Vec::new();
        let result = self.run(&session, &[], &mut entries, target, cancel).await;
        session.entries = entries;
        match result {
            Ok(applied) => {
                session.warnings = applied.warnings;
                session.remove(applied.holdings, (self.now)())?;
                self.store.save(&session).await?;
                self.emit(&session, SessionEventKind::Discarded);
            }
            Err(error) => {
                self.store.save(&session).await?;
                return Err(error.into());
            }
        }
        Ok(session)
    }

    async fn carry_out(
        &self,
        mut session: Session,
        (steps, notes): (&[Step], Vec<Note>),
        target: &Target<'_>,
        cancel: &CancellationToken,
    ) -> Result<Session, ServiceError> {
        let mut entries = session.entries.clone();
        let result = self.run(&session, steps, &mut entries, target, cancel).await;
        session.entries = entries;
        match result {
            Ok(mut applied) => {
                applied.warnings.extend(notes);
                let changes = applied.changes;
                session.succeed(applied, (self.now)())?;
                self.store.save(&session).await?;
                let resources: BTreeSet<String> =
                    session.holdings().into_iter().map(|holding| holding.resource).collect();
                let (begin, end) = session.applied.map_or((0, 0), |(begin, end)| (begin, end.unwrap_or(begin)));
                let kind = SessionEventKind::ProvisioningSessionAppliedEvent {
                    resource_count: resources.len(),
                    resource_ids: resources.into_iter().collect(),
                    changes,
                    duration: end.saturating_sub(begin),
                };
                self.emit(&session, kind);
                for kind in self.compile.connections(&session.document, &session.generated, end) {
                    self.emit(&session, kind);
                }
            }
            Err(error) => {
                let failure = Failure::from(&error);
                let rolled_back = if session.is_taken_back() {
                    None
                } else {
                    let mut entries = session.entries.clone();
                    let result = self.undo(&session, &mut entries, target).await;
                    session.entries = entries;
                    Some(result.unwrap_or_else(|error| not_undone(&session.entries, &error)))
                };
                session.fail(failure.clone(), rolled_back, (self.now)())?;
                self.store.save(&session).await?;
                self.hand_back(&session).await?;
                self.emit(&session, SessionEventKind::failed(&session, &failure));
            }
        }
        Ok(session)
    }

    async fn run(
        &self,
        session: &Session,
        steps: &[Step],
        entries: &mut Vec<Entry>,
        target: &Target<'_>,
        cancel: &CancellationToken,
    ) -> Result<Applied, ApplyError> {
        let sink = Ledger { store: &*self.store, session: &session.id };
        let progress = |progress| self.emit(session, SessionEventKind::progress(progress));
        let orchestrator = Orchestrator::new(target.port, &sink, &progress, cancel, target.options.clone());
        orchestrator.apply(&self.job(steps, &session.base, &session.owner, target), entries).await
    }

    /// Takes back entries. Nothing cancels this.
    async fn undo(
        &self,
        session: &Session,
        entries: &mut [Entry],
        target: &Target<'_>,
    ) -> Result<RollbackResult, ApplyError> {
        let sink = Ledger { store: &*self.store, session: &session.id };
        let progress = |progress| self.emit(session, SessionEventKind::progress(progress));
        let cancel = CancellationToken::new();
        Orchestrator::new(target.port, &sink, &progress, &cancel, target.options.clone()).roll_back(entries).await
    }

    fn job<'j>(&'j self, steps: &'j [Step], base: &'j [Holding], session: &'j str, target: &'j Target<'_>) -> Job<'j> {
        Job { steps, base, session, fingerprints: &self.fingerprints, management: &target.management }
    }

    /// What a session's document wants of its router, and what of it the router lacks.
    async fn steps(&self, session: &Session, target: &Target<'_>) -> Result<(Vec<Step>, Vec<Note>), ServiceError> {
        let facts = Facts::read(target.port).await.map_err(ApplyError::from)?;
        let Compiled { steps, issues } = self.compile.steps(&session.document, &facts);
        if !permits(&issues) {
            let errors = issues.iter().filter(|issue| issue.severity == Severity::Error);
            let errors = errors.map(|issue| format!("{}: {}", issue.path, issue.message)).collect::<Vec<_>>();
            return Err(ServiceError::Document(errors.join("; ")));
        }
        // What validation has said already is not said again.
        let new = issues.into_iter().filter(|issue| !session.issues.contains(issue));
        Ok((steps, new.map(|issue| Note { step: issue.path, message: issue.message }).collect()))
    }

    /// The session that has a router: what is on it is what this one holds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn holder(&self, router: &str) -> Result<Option<Session>, ServiceError> {
        let holders: Vec<Session> =
            self.store.list(Some(router)).await?.into_iter().filter(|session| session.holds).collect();
        // Two of them hold it when everything stopped just as one took over from the other.
        let superseded: BTreeSet<String> = holders.iter().filter_map(|session| session.supersedes.clone()).collect();
        Ok(holders.into_iter().rfind(|session| !superseded.contains(&session.id)))
    }

    async fn check_holds(&self, session: &Session) -> Result<(), ServiceError> {
        match self.holder(&session.router).await? {
            Some(holder) if holder.id != session.id => Err(ServiceError::Superseded(session.id.clone())),
            _ => Ok(()),
        }
    }

    /// When nothing of a session is left, the one before it has the router again.
    async fn hand_back(&self, session: &Session) -> Result<(), ServiceError> {
        let Some(before) = session.supersedes.as_deref().filter(|_| !session.holds) else { return Ok(()) };
        if let Some(mut before) = self.store.load(before).await? {
            before.holds = true;
            self.store.save(&before).await?;
        }
        Ok(())
    }

    /// Does something while the router is the session's alone: here, and in the store, against others.
    async fn alone(
        &self,
        id: &str,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<Session, ServiceError>>,
    ) -> Result<Session, ServiceError> {
        let router = self.get(id).await?.router;
        let busy = |session: String| ServiceError::Busy { router: router.clone(), session };
        let occupied = {
            let mut running = self.running.lock();
            if let Some((session, _)) = running.get(&router) {
                return Err(busy(session.clone()));
            }
            running.insert(router.clone(), (id.to_owned(), cancel.clone()));
            Occupied { sessions: self, router: router.clone() }
        };
        if let Some(other) = self.store.claim(&router, id).await? {
            return Err(busy(other));
        }
        let result = work.await;
        drop(occupied);
        self.store.release(&router, id).await?;
        result
    }

    fn need(
        &self,
        session: &Session,
        status: Status,
        verb: &'static str,
        needed: &'static str,
    ) -> Result<(), ServiceError> {
        match session.status == status {
            true => Ok(()),
            false => {
                let id = session.id.clone();
                Err(TransitionError::Status { id, status: session.status, verb, needed }.into())
            }
        }
    }

    fn emit(&self, session: &Session, kind: SessionEventKind) {
        (self.tell)(SessionEvent::new(session, kind, (self.now)()));
    }
}

/// Taking back could not even begin.
fn not_undone(entries: &[Entry], error: &ApplyError) -> RollbackResult {
    let left = entries.iter().filter(|entry| entry.is_effective()).count();
    let message = error.to_string();
    let errors = vec![RollbackError { step: String::new(), path: String::new(), id: None, error: message }];
    RollbackResult { total: left, removed: 0, failed: left, errors }
}

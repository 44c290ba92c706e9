//! Jobs: put on their way, carried out a few at a time, taken up again after an interruption.

use std::sync::Arc;
use std::time::Duration;

use acs_core::expression::Scalar;
use acs_core::query::{Operand, Query};
use parking_lot::Mutex;
use starstate::session::{ServiceError, Session, SessionStore, Status, Target};
use store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::{Job, JobFailure, Work};
use super::reach::{Access, AccessError};
use super::sessions::Head;
use super::{Routers, date, now};

/// Jobs at a time, unless `starstate.concurrency` says otherwise.
const CONCURRENCY: usize = 8;
/// Sessions that are kept of each router besides those that matter, unless `starstate.keptSessions` says otherwise.
const KEPT: usize = 20;
/// How often it is looked for what another node has left.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether a first session is over.
const SESSION_LOOK: Duration = Duration::from_millis(100);
/// How long jobs may go on when the server stops; what is not done then goes on at the next start.
const LAST_WAIT: Duration = Duration::from_secs(15);

/// Places for jobs, as many as are configured when one is wanted.
#[derive(Default)]
pub struct Places(Mutex<Option<(usize, Arc<Semaphore>)>>);

impl Places {
    async fn take(&self, wanted: usize) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut places = self.0.lock();
            let (size, semaphore) = places.get_or_insert_with(|| (wanted, Arc::new(Semaphore::new(wanted))));
            if wanted > *size {
                semaphore.add_permits(wanted - *size);
                *size = wanted;
            } else {
                // Those that are taken go when they are given back, at a later call.
                *size -= semaphore.forget_permits(*size - wanted);
            }
            semaphore.clone()
        };
        semaphore.acquire_owned().await.ok()
    }
}

/// A session's place among those at work here, left also when the work panics.
struct AtWork {
    routers: Arc<Routers>,
    session: String,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.routers.at_work.lock().remove(&self.session);
        self.routers.counts.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Why a job came to nothing.
enum Failed {
    Access(AccessError),
    NoDevice,
    Service(ServiceError),
    Store(StoreError),
}

impl Routers {
    /// Carries a router's job out, in the background. Nothing happens when it is on its way here already.
    pub fn put_to_work(self: &Arc<Self>, router: &str, job: Job) {
        let session = job.session.clone();
        if self.parts.stop.is_cancelled() || !self.at_work.lock().insert(session.clone()) {
            return;
        }
        self.counts.open.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let place = AtWork { routers: self.clone(), session };
        let (routers, router) = (self.clone(), router.to_owned());
        self.tasks.spawn(async move {
            let permit = async {
                routers.wait_until_known(&router).await;
                routers.places.take(routers.concurrency()).await
            };
            let permit = tokio::select! {
                permit = permit => permit,
                () = routers.parts.stop.cancelled() => return,
            };
            let wakes = routers.carry_out(&router, job).await;
            drop((permit, place));
            if wakes && let Some(waker) = routers.waker.get() {
                // Who cannot be woken hears of it when it comes by itself.
                if let Err(reason) = waker.wake(&router).await {
                    tracing::info!(target: "starstate", device = router, reason, "the device is not woken for its job's end");
                }
            }
        });
    }

    /// A device that asks in its very first session is stored when that ends.
    async fn wait_until_known(&self, device: &str) {
        let store = &self.parts.store;
        loop {
            // In this order: the device is stored before its lease ends.
            let is_in_session = store.lease_owner(device).await.is_ok_and(|owner| owner.is_some());
            let is_known = store.get_device(device).await.is_ok_and(|device| device.is_some());
            if is_known || !is_in_session {
                return;
            }
            tokio::time::sleep(SESSION_LOOK).await;
        }
    }

    /// Whether a session waits or is at work here.
    pub(super) fn is_at_work(&self, session: &str) -> bool {
        self.at_work.lock().contains(session)
    }

    /// Follows what is left to do until the server stops: what was interrupted before, and what other nodes have left.
    pub async fn run(self: Arc<Self>) {
        loop {
            if let Err(error) = self.take_up().await {
                tracing::error!(target: "starstate", %error, "interrupted provisioning sessions cannot be looked for");
            }
            tokio::select! {
                () = self.parts.stop.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY), if self.parts.store.is_shared() => {}
                () = std::future::pending(), if !self.parts.store.is_shared() => {}
            }
        }
        self.tasks.close();
        if tokio::time::timeout(LAST_WAIT, self.tasks.wait()).await.is_err() {
            tracing::info!(target: "starstate", "provisioning sessions are interrupted; they go on at the next start");
        }
        self.teller.end();
    }

    /// Takes up what nobody does: interrupted sessions, and jobs that had not begun.
    async fn take_up(self: &Arc<Self>) -> Result<(), StoreError> {
        let unfinished = Query::In {
            field: "status".to_owned(),
            values: ["applying", "validated"].map(|status| Operand::Text(status.to_owned())).to_vec(),
        };
        for (id, head) in self.stored.heads(unfinished).await? {
            if self.is_at_work(&id) || self.stored.is_reserved(&head.router).await? {
                continue;
            }
            self.take_up_one(&id, &head).await?;
        }
        Ok(())
    }

    /// Takes up a session, when it is wanted and nobody does it.
    pub(super) async fn take_up_one(self: &Arc<Self>, id: &str, head: &Head) -> Result<(), StoreError> {
        let Some(job) = Job::of(&*self.parts.store, &head.router).await?.filter(|job| job.session == id) else {
            return Ok(());
        };
        if !job.is_open {
            return Ok(());
        }
        let work = match (head.status, &job.work) {
            (Status::Applying, Work::Apply { .. } | Work::Resume) => {
                let how = self.setting("starstate.interrupted").to_text().map(|text| text.into_owned());
                match how.as_deref() {
                    Some("wait") => return Ok(()),
                    Some("rollBack") => Work::RollBack,
                    _ => Work::Resume,
                }
            }
            (_, work) => work.clone(),
        };
        tracing::info!(target: "starstate", session = id, router = head.router, ?work, "a provisioning session goes on");
        self.put_to_work(&head.router, Job { work, ..job });
        Ok(())
    }

    fn concurrency(&self) -> usize {
        match self.setting("starstate.concurrency") {
            Scalar::Number(number) if number >= 1.0 => number as usize,
            _ => CONCURRENCY,
        }
    }

    /// Does it, and writes down what came of it. Returns whether the device is to be woken.
    async fn carry_out(self: &Arc<Self>, router: &str, job: Job) -> bool {
        if !self.is_wanted(router, &job).await {
            return false;
        }
        let result = self.try_to(router, &job).await;
        let failure = match result {
            Ok(session) => {
                tracing::info!(target: "starstate", session = session.id, router, status = %session.status, "a provisioning session has ended");
                None
            }
            // Another node does it.
            Err(Failed::Service(ServiceError::Busy { session, .. })) if session == job.session => return false,
            Err(failed) => {
                let failure = failed.describe();
                tracing::warn!(target: "starstate", session = job.session, router, code = failure.code, "{}", failure.message);
                self.counts.fail(&failure.code);
                Some(failure)
            }
        };
        let wakes = job.wakes;
        let id = job.session.clone();
        let ended = Job { is_open: false, failure, ..job };
        let written = async {
            // Something else may be wanted of the router by now.
            let _one = self.deciding.lock().await;
            if Job::of(&*self.parts.store, router).await?.is_some_and(|now| now.session == id) {
                ended.keep(&*self.parts.store, router).await?;
            }
            self.prune(router).await
        };
        if let Err(error) = written.await {
            tracing::error!(target: "starstate", session = id, router, %error, "what came of a provisioning session is not written");
        }
        wakes
    }

    /// Whether a job that has waited is still to be done.
    async fn is_wanted(&self, router: &str, job: &Job) -> bool {
        match Job::of(&*self.parts.store, router).await {
            Ok(now) => now.is_some_and(|now| now.session == job.session && now.is_open),
            Err(error) => {
                tracing::error!(target: "starstate", session = job.session, router, %error, "a job cannot be read");
                false
            }
        }
    }

    async fn try_to(&self, router: &str, job: &Job) -> Result<Session, Failed> {
        let access = self.access(router, job).await?;
        let (port, management) = access.router(&self.parts.policy).await.map_err(Failed::Access)?;
        let mut target = Target { port: &port, management, options: access.options.clone(), reviewed: None };
        let sessions = &self.sessions;
        let id = job.session.as_str();
        let done = match &job.work {
            Work::Apply { reviewed } => {
                target.reviewed = reviewed.clone();
                sessions.apply(id, &target).await
            }
            Work::Resume => sessions.resume(id, &target).await,
            Work::RollBack => sessions.roll_back(id, &target).await,
            Work::Remove => sessions.remove(id, &target).await,
        };
        done.map_err(Failed::Service)
    }

    async fn access(&self, router: &str, job: &Job) -> Result<Access, Failed> {
        let device = self.parts.store.get_device(router).await.map_err(Failed::Store)?.ok_or(Failed::NoDevice)?;
        let snapshot = self.parts.configuration.snapshot();
        let extensions = &*self.parts.extensions;
        let access = Access::of(&device, &job.remote_address, &job.options, snapshot.config(), extensions);
        access.await.map_err(Failed::Access)
    }

    /// Reads a router for a session: does something with it that changes nothing.
    pub(super) async fn with_target<T>(
        &self,
        router: &str,
        job: &Job,
        work: impl AsyncFnOnce(&Target<'_>) -> Result<T, ServiceError>,
    ) -> Result<T, JobFailure> {
        let target = async {
            let access = self.access(router, job).await?;
            let (port, management) = access.router(&self.parts.policy).await.map_err(Failed::Access)?;
            Ok::<_, Failed>((port, management, access.options))
        };
        let (port, management, options) = target.await.map_err(|failed| failed.describe())?;
        let target = Target { port: &port, management, options, reviewed: None };
        work(&target).await.map_err(|error| Failed::Service(error).describe())
    }

    /// Forgets old sessions of a router that no longer matter.
    async fn prune(&self, router: &str) -> Result<(), StoreError> {
        let kept = match self.setting("starstate.keptSessions") {
            Scalar::Number(number) if number >= 0.0 => number as usize,
            _ => KEPT,
        };
        let heads = self.stored.heads(Query::equal("device", router)).await?;
        // What the holder took over from is needed to take it back.
        let needed: Vec<&String> =
            heads.iter().filter(|(_, head)| head.holds).filter_map(|(_, head)| head.supersedes.as_ref()).collect();
        let expired = date(u64::try_from(now()).unwrap_or_default().saturating_sub(starstate::session::LIFETIME));
        let mut old: Vec<&(String, Head)> = heads
            .iter()
            .filter(|(id, head)| !head.holds && !needed.contains(&id) && !self.is_at_work(id))
            .filter(|(_, head)| match head.status {
                Status::Draft | Status::Validated => head.updated_at < expired,
                Status::Applying => false,
                Status::Applied | Status::Failed | Status::Discarded => true,
            })
            .collect();
        old.truncate(old.len().saturating_sub(kept));
        for (id, head) in old {
            self.stored.forget(id, head).await?;
        }
        Ok(())
    }

    /// A session; `None` when there is none.
    pub(super) async fn load(&self, id: &str) -> Result<Option<Session>, StoreError> {
        let damaged = |error: starstate::session::StoreError| StoreError::Damaged {
            what: format!("the provisioning session {id}"),
            reason: error.0,
        };
        self.stored.load(id).await.map_err(damaged)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error)
    }
}

impl Failed {
    fn describe(self) -> JobFailure {
        let (code, message) = match self {
            Failed::Access(error) => (error.code(), error.to_string()),
            Failed::NoDevice => ("starstate.no_device", "the device is not known".to_owned()),
            Failed::Store(error) => ("starstate.failed", error.to_string()),
            Failed::Service(error) => {
                let code = match &error {
                    ServiceError::Busy { .. } => "starstate.busy",
                    ServiceError::Stale(_) => "starstate.stale",
                    ServiceError::Superseded(_) => "starstate.superseded",
                    ServiceError::Document(_) => "starstate.invalid_document",
                    ServiceError::Unknown(_) | ServiceError::Transition(_) => "starstate.not_now",
                    ServiceError::Router(_) => "starstate.router",
                    ServiceError::Store(_) | ServiceError::Name(_) => "starstate.failed",
                };
                (code, error.to_string())
            }
        };
        JobFailure { code: code.to_owned(), message }
    }
}

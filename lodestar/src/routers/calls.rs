//! What devices' sessions ask: that a router is what a document says, and what became of it.

use std::sync::Arc;

use acs_core::script::{ExtensionCall, ScriptFault};
use acs_core::starstate::{Ask, JobStatus, StarStateCall, StarStateReport};
use async_trait::async_trait;
use cwmp::ExtensionCaller;
use serde_json::{Value as Json, json};
use starstate::issue::{Severity, permits};
use starstate::session::Status;
use store::StoreError;

use super::Routers;
use super::job::{Job, Work, failed, report};
use super::reach::AccessOptions;

/// Extensions, and what is asked about StarState documents.
pub struct RouterCalls {
    /// Those of scripts.
    pub extensions: Arc<dyn ExtensionCaller>,
    /// `None` when the key of the secrets is not there: then nothing is configured.
    pub routers: Option<Arc<Routers>>,
}

#[async_trait]
impl ExtensionCaller for RouterCalls {
    async fn call(&self, call: ExtensionCall) -> Result<Json, ScriptFault> {
        let Some(asked) = StarStateCall::of(&call) else { return self.extensions.call(call).await };
        let fault = |code: &str, message: String| ScriptFault { code: code.to_owned(), message, detail: None };
        let Some(routers) = &self.routers else {
            let message = "this server cannot read the routers' secrets; its log says why".to_owned();
            return Err(fault("starstate.unavailable", message));
        };
        let answered = match &asked.ask {
            Ask::Ensure { document, options } => routers.ensure(&asked, document, options).await,
            Ask::Follow { session } => routers.follow(&asked, session).await,
        };
        answered.map(|report| json!(report)).map_err(|error| fault("starstate.failed", error.to_string()))
    }
}

impl Routers {
    /// Puts a document on its way, unless the router is what it says, or it is on its way already.
    async fn ensure(
        self: &Arc<Self>,
        asked: &StarStateCall,
        document: &Json,
        options: &Json,
    ) -> Result<StarStateReport, StoreError> {
        let mut known = StarStateReport::default();
        let options = match AccessOptions::read(options) {
            Ok(options) => options,
            Err(message) => return Ok(failed(known, "starstate.options", &message, Json::Null)),
        };
        let document = match document {
            Json::String(name) => {
                known.document.clone_from(name);
                match self.documents().get(name).await? {
                    Some(stored) => stored.content,
                    None => {
                        let message = format!("there is no StarState document {name:?}");
                        return Ok(failed(known, "starstate.no_document", &message, Json::Null));
                    }
                }
            }
            document => document.clone(),
        };
        known.fingerprint = self.fingerprint(&document);
        let _one = self.deciding.lock().await;
        if let Some(report) = self.report_of_same(asked, &known).await? {
            return Ok(report);
        }
        let issues = self.issues(&document);
        if !permits(&issues) {
            let errors: Vec<String> = issues
                .iter()
                .filter(|issue| issue.severity == Severity::Error)
                .map(|issue| format!("{}: {}", issue.path, issue.message))
                .collect();
            let message = format!("the StarState document has mistakes: {}", errors.join("; "));
            return Ok(failed(known, "starstate.invalid_document", &message, json!({ "issues": issues })));
        }
        let session = match self.sessions.import(&asked.device, document).await {
            Ok(session) => session,
            Err(error) => return Ok(failed(known, "starstate.failed", &error.to_string(), Json::Null)),
        };
        let job = Job {
            session: session.id.clone(),
            document: known.document,
            fingerprint: known.fingerprint,
            options,
            remote_address: asked.remote_address.clone(),
            work: Work::Apply { reviewed: None },
            is_open: true,
            failure: None,
            told_at: None,
            wakes: true,
        };
        job.keep(&*self.parts.store, &asked.device).await?;
        let report = report(&job, &session, None);
        self.put_to_work(&asked.device, job);
        Ok(report)
    }

    /// What is known of the router's job, when that is about the same content and nothing new is to be begun.
    async fn report_of_same(
        self: &Arc<Self>,
        asked: &StarStateCall,
        wanted: &StarStateReport,
    ) -> Result<Option<StarStateReport>, StoreError> {
        let Some(job) = Job::of(&*self.parts.store, &asked.device).await? else { return Ok(None) };
        let Some(session) = self.load(&job.session).await? else { return Ok(None) };
        let is_at_work = job.is_open || session.status == Status::Applying;
        if is_at_work {
            // One at a time: whatever it is about, it ends before another begins.
            self.see_to(&job, &asked.device).await?;
            let job = if job.wakes { job } else { Job { wakes: true, ..job } };
            job.keep(&*self.parts.store, &asked.device).await?;
            return Ok(Some(report(&job, &session, self.teller.moving(&session.id))));
        }
        if job.fingerprint != wanted.fingerprint {
            return Ok(None);
        }
        let known = report(&job, &session, None);
        let known = StarStateReport { document: wanted.document.clone(), ..known };
        match known.status {
            JobStatus::Applied | JobStatus::Applying => Ok(Some(known)),
            // Somebody has taken it back, and the document is wanted all the same.
            JobStatus::Failed if job.failure.is_none() && session.failure.is_none() => Ok(None),
            // A failure is told once; who asks again after that wants another attempt.
            JobStatus::Failed => match job.told_at {
                Some(told) if told < asked.at => Ok(None),
                _ => {
                    self.tell_failure(asked, job).await?;
                    Ok(Some(known))
                }
            },
        }
    }

    /// What became of a job.
    async fn follow(self: &Arc<Self>, asked: &StarStateCall, id: &str) -> Result<StarStateReport, StoreError> {
        let _one = self.deciding.lock().await;
        let job = Job::of(&*self.parts.store, &asked.device).await?;
        let (Some(job), Some(session)) = (job, self.load(id).await?) else {
            let message = "the provisioning session is no longer known";
            let lost = StarStateReport { session: id.to_owned(), ..StarStateReport::default() };
            return Ok(failed(lost, "starstate.lost", message, json!({ "session": id })));
        };
        if job.session != id {
            // Another job has come after it.
            let past = Job { session: id.to_owned(), is_open: false, failure: None, ..job };
            return Ok(report(&past, &session, None));
        }
        self.see_to(&job, &asked.device).await?;
        let known = report(&job, &session, self.teller.moving(id));
        if known.status == JobStatus::Failed {
            self.tell_failure(asked, job).await?;
        }
        Ok(known)
    }

    /// Goes on with a job that nobody does.
    async fn see_to(self: &Arc<Self>, job: &Job, router: &str) -> Result<(), StoreError> {
        if !job.is_open || self.is_at_work(&job.session) || self.stored.is_reserved(router).await? {
            return Ok(());
        }
        match self.stored.head_of(&job.session).await {
            Ok(Some(head)) => self.take_up_one(&job.session, &head).await,
            Ok(None) | Err(_) => Ok(()),
        }
    }

    async fn tell_failure(&self, asked: &StarStateCall, job: Job) -> Result<(), StoreError> {
        if job.told_at.is_some() {
            return Ok(());
        }
        Job { told_at: Some(asked.at), ..job }.keep(&*self.parts.store, &asked.device).await
    }
}

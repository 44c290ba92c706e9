//! What is wanted of a router now, as a record in the store: one per router, which survives this process.

use acs_core::script::ScriptFault;
use acs_core::starstate::{JobStatus, StarStateReport};
use serde::{Deserialize, Serialize};
use serde_json::json;
use starstate::session::{Session, Status};
use store::{Collection, Store, StoreError};

use super::reach::AccessOptions;

/// What is done with a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Work {
    /// The router becomes what the document says.
    Apply {
        /// The fingerprint of the plan that was reviewed; any when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reviewed: Option<String>,
    },
    /// What was interrupted goes on.
    Resume,
    /// What the session did is taken back.
    RollBack,
    /// All of ours is taken from the router.
    Remove,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The provisioning session.
    pub session: String,
    /// The document's name; empty for one that has none.
    #[serde(default)]
    pub document: String,
    /// Tells the document's content from others.
    #[serde(default)]
    pub fingerprint: String,
    /// Besides the configuration.
    #[serde(default)]
    pub options: AccessOptions,
    /// Where the device connected from when it was asked for; empty when nobody knows.
    #[serde(default)]
    pub remote_address: String,
    /// What is done.
    pub work: Work,
    /// Whether it still is to be done, or is being done.
    pub is_open: bool,
    /// Why nothing came of it, when its session does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<JobFailure>,
    /// The time of the device's session in which a failure was told first, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<i64>,
    /// A device's session waits for it: when it is over, the device is woken.
    #[serde(default)]
    pub wakes: bool,
}

/// Why nothing came of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// The fault's code.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Job {
    /// The job of a router.
    pub async fn of(store: &dyn Store, router: &str) -> Result<Option<Job>, StoreError> {
        let Some(document) = store.get(Collection::StarstateJobs, router).await? else { return Ok(None) };
        let damaged = |error: serde_json::Error| StoreError::Damaged {
            what: format!("the StarState job of {router}"),
            reason: error.to_string(),
        };
        serde_json::from_value(document).map(Some).map_err(damaged)
    }

    /// Makes it the router's.
    pub async fn keep(&self, store: &dyn Store, router: &str) -> Result<(), StoreError> {
        store.put(Collection::StarstateJobs, router, json!(self)).await
    }
}

/// What a device's session is told of a job.
pub fn report(job: &Job, session: &Session, moving: Option<(String, u8)>) -> StarStateReport {
    let mut report = StarStateReport {
        document: job.document.clone(),
        fingerprint: job.fingerprint.clone(),
        session: session.id.clone(),
        ..StarStateReport::default()
    };
    if job.is_open || session.status == Status::Applying {
        let (phase, percent) = moving.unwrap_or_default();
        return StarStateReport { phase, percent, message: "at work".to_owned(), ..report };
    }
    if let Some(JobFailure { code, message }) = &job.failure {
        return failed(report, code, message, json!({ "session": session.id }));
    }
    match (session.status, &session.failure) {
        (Status::Applied, _) => {
            report.status = JobStatus::Applied;
            report.percent = 100;
            report.applied_at = session.applied.and_then(|(begin, end)| i64::try_from(end.unwrap_or(begin)).ok());
            report.message = match session.warnings.len() {
                0 => "the router is what the document says".to_owned(),
                count => format!("the router is what the document says, with {count} warnings"),
            };
            report
        }
        (_, Some(failure)) => {
            let code = if failure.step.is_some() { "starstate.step_failed" } else { "starstate.failed" };
            report.phase = failure.phase.map_or("", |phase| phase.name()).to_owned();
            let detail = json!({
                "session": session.id,
                "phase": failure.phase.map(|phase| phase.name()),
                "step": failure.step,
                "rolledBack": session.is_taken_back(),
            });
            failed(report, code, &failure.message, detail)
        }
        (status, None) => {
            let message = format!("the session is {status}: somebody has taken it back or removed it");
            failed(report, "starstate.taken_back", &message, json!({ "session": session.id }))
        }
    }
}

/// A failure, without a session when there is none yet.
pub fn failed(report: StarStateReport, code: &str, message: &str, detail: serde_json::Value) -> StarStateReport {
    let fault = ScriptFault { code: code.to_owned(), message: message.to_owned(), detail: Some(detail) };
    StarStateReport { status: JobStatus::Failed, message: message.to_owned(), fault: Some(fault), ..report }
}

//! Tasks: queued for a device, perhaps with a connection request and a wait for the session that does them.

use std::sync::Arc;
use std::time::Duration;

use acs_core::task::{Task, TaskState};
use hyper::StatusCode;
use serde_json::{Value as Json, json};
use store::{ScopedStore, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinError;

use super::documents::read_json;
use super::lists::View;
use super::sessions::{DeviceWaker, SessionPhase, SessionWatch};
use super::target::{Parameters, Segment};
use super::{Nbi, device_id, task_body};
use crate::answer::{Answer, Refusal};

/// No client waits longer for a session to begin, whatever `timeout` says.
const LONGEST_WAIT: u64 = 120_000;
/// The reason phrase when no session, or none that got as far as the task, came in time.
const NOT_PROCESSED: &str = "Task queued but not processed";
/// The reason phrase when the task failed.
const FAULTED: &str = "Task faulted";

/// POST `/devices/<id>/tasks[?connection_request][&timeout=ms]`
pub async fn post(
    nbi: &Nbi,
    store: &ScopedStore,
    given: &Segment,
    parameters: &Parameters,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let wakes = parameters.has("connection_request");
    let document = if body.trim_ascii().is_empty() { None } else { Some(read_json(body)?) };
    if document.is_none() && !wakes {
        let message = "Error: a task or the parameter connection_request is required";
        return Err(Refusal::BadRequest(message.to_owned()));
    }
    let timeout = parameters.number("timeout").map_err(Refusal::BadRequest)?;
    let timeout = timeout.map_or(nbi.options.online_threshold, |time| Duration::from_millis(time.min(LONGEST_WAIT)));

    let found = device_id::require(store, given).await?;
    let answer = match document {
        Some(document) => {
            let task = queue(store, &found.id, document).await?;
            if wakes { wake_and_wait(nbi, task, timeout).await? } else { accepted(&task) }
        }
        None => {
            nbi.wake(&found.id).await.map_err(Refusal::NotReached)?;
            Answer::empty(StatusCode::OK)
        }
    };
    Ok(answer.warnings(found.warning()))
}

/// POST `/devices/<id>/objects/<name>/refresh[?connection_request][&timeout=ms]`: the task refreshObject in short.
pub async fn refresh(
    nbi: &Nbi,
    store: &ScopedStore,
    given: &Segment,
    object: &str,
    parameters: &Parameters,
) -> Result<Answer, Refusal> {
    let task = json!({ "name": "refreshObject", "objectName": object });
    post(nbi, store, given, parameters, task.to_string().as_bytes()).await
}

async fn queue(store: &ScopedStore, device: &str, document: Json) -> Result<Task, Refusal> {
    let now = chrono::Utc::now().timestamp_millis();
    let id =
        new_id(now).map_err(|reason| Refusal::Store(StoreError::Database { doing: "numbering a task", reason }))?;
    let mut document = task_body::normalize(document);
    name_file(store, &mut document).await?;
    let task = Task::from_document(&document, device, id, now)
        .map_err(|error| Refusal::BadRequest(format!("Error: {error}")))?;
    store.insert_task(task.clone()).await?;
    Ok(task)
}

/// An old form of download names a stored file only, as `file`; its type is known here.
async fn name_file(store: &ScopedStore, document: &mut Json) -> Result<(), Refusal> {
    let is_download = document.get("name").and_then(Json::as_str) == Some("download");
    let Some(name) = document.get("file").and_then(Json::as_str).filter(|_| is_download).map(str::to_owned) else {
        return Ok(());
    };
    let Some(file) = store.get_file(&name).await? else {
        return Err(Refusal::BadRequest(format!("Error: there is no file {name:?}")));
    };
    let known = [("fileType", file.metadata.file_type), ("fileName", file.metadata.name)];
    for (field, value) in known {
        if document.get(field).is_none() {
            document[field] = value.into();
        }
    }
    Ok(())
}

/// 24 hexadecimal digits: the time in seconds, and 64 random bits.
fn new_id(now: i64) -> Result<String, String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let seconds = (now / 1_000) as u32;
    Ok(format!("{seconds:08x}{:016x}", u64::from_be_bytes(random)))
}

fn accepted(task: &Task) -> Answer {
    Answer::json(StatusCode::ACCEPTED, &task.document())
}

/// 202, and why the task is not done: as reason phrase, as header, and in the document, unless that knows better.
fn not_done(task: &Task, reason: &str) -> Answer {
    let mut document = task.document();
    if task.reason.is_empty() {
        document["reason"] = reason.into();
    }
    Answer::json(StatusCode::ACCEPTED, &document).reason(reason)
}

/// 200 when a session did the task, else 202.
async fn wake_and_wait(nbi: &Nbi, task: Task, timeout: Duration) -> Result<Answer, Refusal> {
    let waking = Waking {
        store: nbi.store.clone(),
        waker: nbi.waker.clone(),
        sessions: nbi.sessions.clone(),
        task,
        to_begin: timeout,
        to_end: nbi.options.session_limit,
    };
    // On its own, so that the task's state stays true when the client goes away.
    let outcome = tokio::spawn(waking.run()).await;
    let broken = |error: JoinError| StoreError::Database { doing: "waking a device", reason: error.to_string() };
    let (task, reason) = outcome.map_err(broken)??;
    Ok(match task.state {
        TaskState::Done | TaskState::Accepted => Answer::json(StatusCode::OK, &task.document()),
        TaskState::Faulted => not_done(&task, FAULTED),
        _ => not_done(&task, &reason),
    })
}

/// A task whose device is woken, and its session awaited.
struct Waking {
    store: Arc<dyn Store>,
    waker: Arc<dyn DeviceWaker>,
    sessions: Arc<dyn SessionWatch>,
    task: Task,
    /// How long the session may take to begin.
    to_begin: Duration,
    /// How long it may take then.
    to_end: Duration,
}

impl Waking {
    /// Returns the task as it is then, and why it is not done if it is not.
    async fn run(self) -> Result<(Task, String), StoreError> {
        // Followed before the device is woken: its session may be over before its answer has been read.
        let mut follower = self.sessions.follow(&self.task.device);
        self.advance(&[TaskState::Queued], TaskState::Waking, "A connection request is on its way").await?;
        let reason = match self.waker.wake(&self.task.device).await {
            Ok(()) => {
                // The session says so itself when it does the task.
                wait_for_end(&mut follower, self.to_begin, self.to_end).await;
                NOT_PROCESSED.to_owned()
            }
            Err(reason) => reason,
        };
        self.advance(&[TaskState::Waking, TaskState::InSession], TaskState::Queued, &reason).await?;
        let task = self.store.get_task(&self.task.id).await?;
        Ok((task.unwrap_or(self.task), reason))
    }

    /// Brings the task into a state, unless a session has brought it further.
    async fn advance(&self, from: &[TaskState], to: TaskState, reason: &str) -> Result<(), StoreError> {
        let now = chrono::Utc::now().timestamp_millis();
        self.store.move_task(&self.task.id, from, to, reason, now).await.map(|_| ())
    }
}

/// Waits until the session has begun, at most `to_begin`, and until it is over, at most `to_end`. Whether it ended in time shows
/// in the task.
async fn wait_for_end(follower: &mut watch::Receiver<SessionPhase>, to_begin: Duration, to_end: Duration) {
    if is_reached(follower, to_begin, |phase| phase != SessionPhase::Awaited).await {
        is_reached(follower, to_end, |phase| phase == SessionPhase::Ended).await;
    }
}

async fn is_reached(
    follower: &mut watch::Receiver<SessionPhase>,
    limit: Duration,
    wanted: fn(SessionPhase) -> bool,
) -> bool {
    matches!(tokio::time::timeout(limit, follower.wait_for(|phase| wanted(*phase))).await, Ok(Ok(_)))
}

/// GET `/tasks/<id>`; tasks that are over stay for a while.
pub async fn get(store: &ScopedStore, id: &str, view: &View) -> Result<Answer, Refusal> {
    match store.get_task(id).await? {
        Some(task) => Ok(Answer::json(StatusCode::OK, &view.show(task.document()))),
        None => Err(Refusal::Missing("Task not found")),
    }
}

/// DELETE `/tasks/<id>`: with its fault.
pub async fn delete(store: &ScopedStore, id: &str) -> Result<Answer, Refusal> {
    let now = chrono::Utc::now().timestamp_millis();
    done(store.cancel_task(id, now).await?)
}

/// POST `/tasks/<id>/retry`: its fault is deleted, so the next session tries again.
pub async fn retry(store: &ScopedStore, id: &str) -> Result<Answer, Refusal> {
    let now = chrono::Utc::now().timestamp_millis();
    done(store.retry_task(id, now).await?)
}

fn done(found: bool) -> Result<Answer, Refusal> {
    if found { Ok(Answer::empty(StatusCode::OK)) } else { Err(Refusal::Missing("Task not found")) }
}

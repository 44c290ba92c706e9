//! What the REST API asks of routers.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64;
use serde_json::{Value as Json, json};
use starstate::client_files::client_files;
use starstate::issue::permits;
use starstate::orchestrator::Generated;
use starstate::plan::Plan;
use starstate::session::{ServiceError, Session, Status};
use starstate::state::{self, Secrets};
use ui_api::{Acted, ActionDetails, NewRouterSession, RouterAction, RouterError, RouterSession, RouterSessions};

use super::documents::check_name;
use super::job::{Job, JobFailure, Work};
use super::reach::AccessOptions;
use super::{Routers, date, now};

/// What stands in place of a secret that may not be seen.
const MASK: &str = "<secret>";

/// Answers the REST API.
pub struct RouterDesk(pub Arc<Routers>);

#[async_trait]
impl RouterSessions for RouterDesk {
    async fn document(&self, name: &str, reveal: bool) -> Result<Option<Json>, RouterError> {
        let Some(stored) = self.0.documents().get(name).await? else { return Ok(None) };
        let document = match reveal {
            true => stored.content,
            false => state::read(&stored.content).state.to_json(Secrets::Masked),
        };
        Ok(Some(json!({
            "_id": name,
            "updatedAt": stored.updated_at,
            "warnings": stored.warnings,
            "document": document,
        })))
    }

    async fn put_document(&self, name: &str, content: Json) -> Result<Json, RouterError> {
        check_name(name).map_err(RouterError::Invalid)?;
        refuse_masks(&content)?;
        let issues = self.0.issues(&content);
        if !permits(&issues) {
            return Err(RouterError::Mistakes(json!(issues)));
        }
        self.0.documents().put(name, &content, &issues, u64::try_from(now()).unwrap_or_default()).await?;
        Ok(json!(issues))
    }

    async fn delete_document(&self, name: &str) -> Result<bool, RouterError> {
        Ok(self.0.documents().delete(name).await?)
    }

    async fn create(&self, device: &str, wanted: NewRouterSession) -> Result<Json, RouterError> {
        let document = self.meant(wanted.document).await?;
        let session = self.0.sessions.import(device, document).await.map_err(refused)?;
        Ok(self.show(&session, None))
    }

    async fn session(&self, id: &str) -> Result<Option<RouterSession>, RouterError> {
        let Some(session) = self.0.load(id).await? else { return Ok(None) };
        let job = Job::of(&*self.0.parts.store, &session.router).await?.filter(|job| job.session == id);
        let summary = self.show(&session, job.as_ref());
        Ok(Some(RouterSession { device: session.router, summary }))
    }

    async fn act(&self, id: &str, action: RouterAction, details: ActionDetails) -> Result<Acted, RouterError> {
        let sessions = &self.0.sessions;
        let options = match &details.options {
            Json::Null => None,
            given => Some(AccessOptions::read(given).map_err(RouterError::Invalid)?),
        };
        let session = self.0.load(id).await?.ok_or(RouterError::Missing("No such session"))?;
        let at_once = match action {
            RouterAction::Update => {
                let document = self.meant(details.document).await?;
                sessions.update(id, document).await.map_err(refused)?
            }
            RouterAction::Validate => {
                let session = sessions.validate(id).await.map_err(refused)?;
                if session.status != Status::Validated {
                    return Err(RouterError::Mistakes(json!(session.issues)));
                }
                session
            }
            RouterAction::Plan => return self.plan(&session, options).await,
            RouterAction::Retry => sessions.retry(id).await.map_err(refused)?,
            RouterAction::Discard => {
                let session = sessions.discard(id).await.map_err(refused)?;
                self.0.close(&session).await?;
                session
            }
            RouterAction::Cancel => return self.cancel(session).await,
            RouterAction::Apply => {
                let is_ready = [Status::Validated];
                return self.begin(session, Work::Apply { reviewed: details.fingerprint }, options, &is_ready).await;
            }
            RouterAction::Resume => {
                return self.begin(session, Work::Resume, options, &[Status::Applying]).await;
            }
            RouterAction::Rollback => {
                let can_be = [Status::Applied, Status::Failed, Status::Applying];
                return self.begin(session, Work::RollBack, options, &can_be).await;
            }
            RouterAction::Remove => {
                return self.begin(session, Work::Remove, options, &[Status::Applied, Status::Failed]).await;
            }
        };
        Ok(Acted { is_under_way: false, answer: self.show(&at_once, None) })
    }

    async fn generated(&self, id: &str, host: &str, reveal: bool) -> Result<Option<Json>, RouterError> {
        let Some(session) = self.0.load(id).await? else { return Ok(None) };
        let generated: Vec<Json> = session.generated.iter().map(|made| show_generated(made, reveal)).collect();
        let document = state::read(&session.document).state;
        let files: Vec<Json> = client_files(&document, &session.generated, host)
            .iter()
            .map(|file| {
                let content = (reveal || !file.is_secret).then(|| file.content.reveal());
                json!({
                    "name": file.name,
                    "mediaType": file.media_type,
                    "isSecret": file.is_secret,
                    "content": content,
                })
            })
            .collect();
        Ok(Some(json!({ "_id": id, "device": session.router, "generated": generated, "clientFiles": files })))
    }

    async fn state(&self, device: &str, drift: bool) -> Result<Json, RouterError> {
        let store = &*self.0.parts.store;
        let job = Job::of(store, device).await?;
        let session = match &job {
            Some(job) => self.0.load(&job.session).await?,
            None => None,
        };
        let mut state = json!({
            "_id": device,
            "job": job,
            "session": session.as_ref().map(|session| self.show(session, job.as_ref())),
            "drift": null,
        });
        if drift && let Some(job) = &job {
            let routers = &self.0;
            let found = routers.with_target(device, job, async |target| routers.sessions.drift(device, target).await);
            let found = found.await.map_err(not_reached)?;
            state["drift"] = found.map_or(Json::Null, |(holder, plan)| {
                json!({ "session": holder.id, "isClean": plan.shown().is_empty(), "plan": self.show_plan(&plan) })
            });
        }
        Ok(state)
    }
}

impl RouterDesk {
    /// A document, from the name of a stored one or itself.
    async fn meant(&self, document: Json) -> Result<Json, RouterError> {
        match document {
            Json::String(name) => {
                let stored = self.0.documents().get(&name).await?.ok_or(RouterError::Missing("No such document"))?;
                Ok(stored.content)
            }
            Json::Object(_) => refuse_masks(&document).map(|()| document),
            _ => Err(RouterError::Invalid("$.document: must be the name of a document, or a document".to_owned())),
        }
    }

    /// Puts something on its way.
    async fn begin(
        &self,
        session: Session,
        work: Work,
        options: Option<AccessOptions>,
        allowed: &[Status],
    ) -> Result<Acted, RouterError> {
        let routers = &self.0;
        if !allowed.contains(&session.status) {
            let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let (id, status) = (&session.id, session.status);
            return Err(RouterError::Conflict(format!("session {id} is {status}, it must be {}", names.join(" or "))));
        }
        let store = &*routers.parts.store;
        let _one = routers.deciding.lock().await;
        let before = Job::of(store, &session.router).await?;
        if let Some(other) = before.as_ref().filter(|job| job.is_open)
            && self.is_alive(other, &session.router).await?
        {
            let message = format!("session {} is at work on the router of {}", other.session, session.router);
            return Err(RouterError::Conflict(message));
        }
        let mut job = routers.job_of(&session, before, options);
        job.work = work;
        job.is_open = true;
        job.keep(store, &session.router).await?;
        routers.put_to_work(&session.router, job.clone());
        Ok(Acted { is_under_way: true, answer: self.show(&session, Some(&job)) })
    }

    /// Whether a job is being done, here or on another node.
    async fn is_alive(&self, job: &Job, router: &str) -> Result<bool, RouterError> {
        Ok(self.0.is_at_work(&job.session) || self.0.stored.is_reserved(router).await?)
    }

    /// Stops what is under way, or takes it out of the queue.
    async fn cancel(&self, session: Session) -> Result<Acted, RouterError> {
        let store = &*self.0.parts.store;
        if self.0.sessions.cancel(&session.id) {
            return Ok(Acted { is_under_way: true, answer: self.show(&session, None) });
        }
        let _one = self.0.deciding.lock().await;
        let waiting = Job::of(store, &session.router).await?.filter(|job| job.session == session.id && job.is_open);
        match waiting {
            Some(job) if session.status == Status::Validated => {
                let message = "somebody has cancelled it before it began".to_owned();
                let failure = Some(JobFailure { code: "starstate.cancelled".to_owned(), message });
                let job = Job { is_open: false, failure, ..job };
                job.keep(store, &session.router).await?;
                Ok(Acted { is_under_way: false, answer: self.show(&session, Some(&job)) })
            }
            _ => Err(RouterError::Conflict(format!("session {} is not at work on this server", session.id))),
        }
    }

    async fn plan(&self, session: &Session, options: Option<AccessOptions>) -> Result<Acted, RouterError> {
        let routers = &self.0;
        let before = Job::of(&*routers.parts.store, &session.router).await?;
        let job = routers.job_of(session, before, options);
        let id = session.id.as_str();
        let planned =
            routers.with_target(&session.router, &job, async |target| routers.sessions.plan(id, target).await);
        let plan = planned.await.map_err(not_reached)?;
        let mut answer = self.show_plan(&plan);
        answer["_id"] = id.into();
        Ok(Acted { is_under_way: false, answer })
    }

    fn show_plan(&self, plan: &Plan) -> Json {
        json!({
            "fingerprint": self.0.sessions.fingerprint_of(plan),
            "operations": plan.shown(),
            "notes": plan.notes,
            "text": plan.to_string(),
        })
    }

    fn show(&self, session: &Session, job: Option<&Job>) -> Json {
        let mut shown = session.summary();
        let Some(map) = shown.as_object_mut() else { return shown };
        let (id, router) = (map.remove("id"), map.remove("router"));
        let mut out = json!({ "_id": id, "device": router });
        for (key, value) in std::mem::take(map) {
            out[key] = value;
        }
        for (key, time) in
            [("createdAt", session.created_at), ("updatedAt", session.updated_at), ("expiresAt", session.expires_at)]
        {
            out[key] = date(time).into();
        }
        if let Some(job) = job {
            out["work"] = json!(job.work);
            out["isAtWork"] = job.is_open.into();
            out["problem"] = json!(job.failure);
        }
        if let Some((phase, percent)) = self.0.teller.moving(&session.id) {
            out["phase"] = phase.into();
            out["percent"] = percent.into();
        }
        out
    }
}

impl Routers {
    /// A job for a session that does nothing yet. What was known of how the router is reached counts as long as nothing else is said.
    fn job_of(&self, session: &Session, before: Option<Job>, options: Option<AccessOptions>) -> Job {
        let own = before.as_ref().filter(|job| job.session == session.id);
        let (document, fingerprint) = match own {
            Some(job) => (job.document.clone(), job.fingerprint.clone()),
            None => (String::new(), self.fingerprint(&session.document)),
        };
        let (known, remote_address) = before.map(|job| (job.options, job.remote_address)).unwrap_or_default();
        Job {
            session: session.id.clone(),
            document,
            fingerprint,
            options: options.unwrap_or(known),
            remote_address,
            work: Work::Apply { reviewed: None },
            is_open: false,
            failure: None,
            told_at: None,
            wakes: false,
        }
    }

    /// Nothing is wanted of a discarded session any more.
    async fn close(&self, session: &Session) -> Result<(), RouterError> {
        let _one = self.deciding.lock().await;
        let store = &*self.parts.store;
        if let Some(job) = Job::of(store, &session.router).await?.filter(|job| job.session == session.id) {
            Job { is_open: false, ..job }.keep(store, &session.router).await?;
        }
        Ok(())
    }
}

fn show_generated(made: &Generated, reveal: bool) -> Json {
    let is_shown = reveal || !made.value.is_secret();
    let value = match std::str::from_utf8(made.value.bytes()) {
        _ if !is_shown => json!({ "value": null }),
        Ok(text) => json!({ "value": text }),
        Err(_) => json!({ "base64": BASE64.encode(made.value.bytes()) }),
    };
    let mut shown =
        json!({ "step": made.step, "resource": made.resource, "name": made.name, "isSecret": made.value.is_secret() });
    if let (Some(shown), Json::Object(value)) = (shown.as_object_mut(), value) {
        shown.extend(value);
    }
    shown
}

/// A document as it was shown to somebody who may not see secrets is not one to be stored.
fn refuse_masks(document: &Json) -> Result<(), RouterError> {
    match mask_in(document, "$") {
        Some(path) => {
            let message = format!("{path}: {MASK} stands for a secret that was not shown; give the secret itself");
            Err(RouterError::Invalid(message))
        }
        None => Ok(()),
    }
}

fn mask_in(json: &Json, path: &str) -> Option<String> {
    match json {
        Json::String(text) => (text == MASK).then(|| path.to_owned()),
        Json::Array(list) => {
            list.iter().enumerate().find_map(|(index, item)| mask_in(item, &format!("{path}[{index}]")))
        }
        Json::Object(map) => map.iter().find_map(|(key, value)| mask_in(value, &format!("{path}.{key}"))),
        _ => None,
    }
}

fn refused(error: ServiceError) -> RouterError {
    match error {
        ServiceError::Unknown(_) => RouterError::Missing("No such session"),
        ServiceError::Transition(_)
        | ServiceError::Busy { .. }
        | ServiceError::Superseded(_)
        | ServiceError::Stale(_) => RouterError::Conflict(error.to_string()),
        ServiceError::Document(message) => RouterError::Invalid(message),
        ServiceError::Router(_) => RouterError::NotReached(error.to_string()),
        ServiceError::Store(_) | ServiceError::Name(_) => RouterError::Store(store::StoreError::Database {
            doing: "working on a provisioning session",
            reason: error.to_string(),
        }),
    }
}

fn not_reached(failure: JobFailure) -> RouterError {
    match failure.code.as_str() {
        "starstate.busy" | "starstate.not_now" | "starstate.superseded" | "starstate.stale" => {
            RouterError::Conflict(failure.message)
        }
        "starstate.invalid_document" => RouterError::Invalid(failure.message),
        _ => RouterError::NotReached(failure.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_documents_are_told_from_others() {
        let masked = json!({ "a": [{ "password": "x" }, { "password": MASK }] });
        assert_eq!(mask_in(&masked, "$").as_deref(), Some("$.a[1].password"));
        assert_eq!(mask_in(&json!({ "a": "<secrets>" }), "$"), None);
    }
}

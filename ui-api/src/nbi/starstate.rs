//! StarState: documents that say what routers are to be, and provisioning sessions that make them so (`docs/starstate-server.md`). Here
//! are the requests and who may make them; the binary, which reaches routers, does the work ([`RouterSessions`]).

use std::str::FromStr;

use async_trait::async_trait;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::{ChangeKind, Collection, Find, Listing, Object, ScopedStore, StoreError};

use super::documents::read_json;
use super::routes::{Listed, StarStateRoute};
use super::target::{Parameters, Segment};
use super::{device_id, lists};
use crate::answer::{Answer, Refusal};

/// What a list of sessions is taken of: their heads.
const SESSIONS: Listed = Listed::Documents(Listing::Documents(Collection::StarstateSessions));

/// Configures routers. The binary brings it, see [`super::Nbi::with_router_sessions`].
#[async_trait]
pub trait RouterSessions: Send + Sync {
    /// A stored document, its secrets masked unless they may be seen: `{_id, updatedAt, warnings, document}`.
    async fn document(&self, name: &str, reveal: bool) -> Result<Option<Json>, RouterError>;

    /// Stores a document. Returns what is odd about it, as a list of issues.
    async fn put_document(&self, name: &str, content: Json) -> Result<Json, RouterError>;

    /// Removes a document. Returns whether it was there.
    async fn delete_document(&self, name: &str) -> Result<bool, RouterError>;

    /// Makes a draft for a device's router.
    async fn create(&self, device: &str, wanted: NewRouterSession) -> Result<Json, RouterError>;

    /// A session without its secrets.
    async fn session(&self, id: &str) -> Result<Option<RouterSession>, RouterError>;

    /// Does something with a session.
    async fn act(&self, id: &str, action: RouterAction, details: ActionDetails) -> Result<Acted, RouterError>;

    /// What routers made in a session: keys, certificates, and the files for those who call their VPN servers at `host`, which may be
    /// empty. Secrets are shown to those who may see them.
    async fn generated(&self, id: &str, host: &str, reveal: bool) -> Result<Option<Json>, RouterError>;

    /// How far a device's router is; with `drift`, the router is asked what somebody has changed by hand.
    async fn state(&self, device: &str, drift: bool) -> Result<Json, RouterError>;
}

/// What a session is made of: the name of a stored document, or one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRouterSession {
    /// A name, or a document.
    pub document: Json,
}

/// A session as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterSession {
    /// The device whose router it is about.
    pub device: String,
    /// `{_id, device, status, …}`
    pub summary: Json,
}

/// What may be done with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterAction {
    /// Another document for a draft.
    Update,
    /// Its document is checked.
    Validate,
    /// What applying would do.
    Plan,
    /// The router becomes what the document says.
    Apply,
    /// What is under way stops, and is taken back.
    Cancel,
    /// A failed session may be applied again.
    Retry,
    /// What was interrupted goes on.
    Resume,
    /// What it did is taken back.
    Rollback,
    /// All of ours is taken from the router.
    Remove,
    /// Nobody wants it any more.
    Discard,
}

/// What is said with an action.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDetails {
    /// With `apply`: the fingerprint of the plan that was reviewed.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// With `update`: the document, or a name.
    #[serde(default)]
    pub document: Json,
    /// `address` and `port` of the router, when the configuration does not tell; null or an object.
    #[serde(default)]
    pub options: Json,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Acted {
    /// It goes on in the background.
    pub is_under_way: bool,
    /// The session, or the plan.
    pub answer: Json,
}

/// Why something is not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RouterError {
    /// The document has mistakes; a list of `{path, severity, message}`.
    #[error("the document has mistakes")]
    Mistakes(Json),
    /// The request cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// There is nothing of that name.
    #[error("{0}")]
    Missing(&'static str),
    /// It is not its turn.
    #[error("{0}")]
    Conflict(String),
    /// The router cannot be reached, or does not answer as it should.
    #[error("{0}")]
    NotReached(String),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RouterError> for Refusal {
    fn from(error: RouterError) -> Refusal {
        match error {
            RouterError::Mistakes(issues) => Refusal::Issues(issues),
            RouterError::Invalid(message) => Refusal::BadRequest(format!("Error: {message}")),
            RouterError::Missing(what) => Refusal::Missing(what),
            RouterError::Conflict(message) => Refusal::Conflict(message),
            RouterError::NotReached(message) => Refusal::NotReached(message),
            RouterError::Store(error) => error.into(),
        }
    }
}

impl FromStr for RouterAction {
    type Err = ();

    fn from_str(text: &str) -> Result<RouterAction, ()> {
        Ok(match text {
            "update" => RouterAction::Update,
            "validate" => RouterAction::Validate,
            "plan" => RouterAction::Plan,
            "apply" => RouterAction::Apply,
            "cancel" => RouterAction::Cancel,
            "retry" => RouterAction::Retry,
            "resume" => RouterAction::Resume,
            "rollback" => RouterAction::Rollback,
            "remove" => RouterAction::Remove,
            "discard" => RouterAction::Discard,
            _ => return Err(()),
        })
    }
}

/// Who asks for what.
pub struct Asked<'a> {
    pub routers: &'a dyn RouterSessions,
    pub store: &'a ScopedStore,
    pub reveal: bool,
    pub is_head: bool,
}

impl Asked<'_> {
    /// GET.
    pub async fn get(&self, route: &StarStateRoute, parameters: &Parameters) -> Result<Answer, Refusal> {
        match route {
            StarStateRoute::Documents => self.list_documents().await,
            StarStateRoute::Document(name) => {
                self.check_seen(name).await?;
                let document = self.routers.document(name, self.reveal).await?;
                let document = document.ok_or(Refusal::Missing("No such document"))?;
                Ok(Answer::json(StatusCode::OK, &document))
            }
            StarStateRoute::Sessions => lists::list(self.store, SESSIONS, parameters, self.reveal, self.is_head).await,
            StarStateRoute::Session(id) => Ok(Answer::json(StatusCode::OK, &self.session(id).await?.summary)),
            StarStateRoute::Generated(id) => {
                self.session(id).await?;
                let generated = self.routers.generated(id, parameters.get("host"), self.reveal).await?;
                Ok(Answer::json(StatusCode::OK, &generated.ok_or(Refusal::Missing("No such session"))?))
            }
            StarStateRoute::OfDevice(id) => {
                let found = device_id::require(self.store, id).await?;
                let state = self.routers.state(&found.id, parameters.has("drift")).await?;
                Ok(Answer::json(StatusCode::OK, &state).warnings(found.warning()))
            }
            StarStateRoute::Action(..) => Err(Refusal::NotFound),
        }
    }

    /// PUT and POST.
    pub async fn write(&self, route: &StarStateRoute, body: &[u8]) -> Result<Answer, Refusal> {
        match route {
            StarStateRoute::Document(name) => {
                let before = self.stored(name).await?;
                let content = read_json(body)?;
                let object = before.as_ref().map_or(Object::None, Object::Document);
                self.store.permit(ChangeKind::Put, &json!({ "_id": name }), object)?;
                let issues = self.routers.put_document(name, content).await?;
                let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                Ok(Answer::json(status, &json!({ "_id": name, "warnings": issues })))
            }
            StarStateRoute::Sessions => self.create(body).await,
            StarStateRoute::Action(id, given) => {
                let action: RouterAction = given.parse().map_err(|()| Refusal::NotFound)?;
                let session = self.session(id).await?;
                let content = json!({ "device": session.device, "action": given });
                self.store.permit(ChangeKind::Put, &content, Object::Document(&session.summary))?;
                let details = match body.iter().all(u8::is_ascii_whitespace) {
                    true => ActionDetails::default(),
                    false => read(body)?,
                };
                let acted = self.routers.act(id, action, details).await?;
                let status = if acted.is_under_way { StatusCode::ACCEPTED } else { StatusCode::OK };
                Ok(Answer::json(status, &acted.answer))
            }
            _ => Err(Refusal::NotFound),
        }
    }

    /// DELETE.
    pub async fn delete(&self, route: &StarStateRoute) -> Result<Answer, Refusal> {
        let StarStateRoute::Document(name) = route else { return Err(Refusal::NotFound) };
        let stored = self.stored(name).await?.ok_or(Refusal::Missing("No such document"))?;
        self.store.permit(ChangeKind::Delete, &Json::Null, Object::Document(&stored))?;
        match self.routers.delete_document(name).await? {
            true => Ok(Answer::empty(StatusCode::OK)),
            false => Err(Refusal::Missing("No such document")),
        }
    }

    async fn list_documents(&self) -> Result<Answer, Refusal> {
        let listing = Listing::Documents(Collection::StarstateDocuments);
        let stored = self.store.find(listing, Find::default()).await?.collect().await?;
        let list: Vec<Json> = stored.iter().map(head_of_document).collect();
        let total = list.len().to_string();
        Ok(Answer::json(StatusCode::OK, &list.into()).header(lists::TOTAL, &total))
    }

    /// What may be seen of a stored document within the scope.
    async fn stored(&self, name: &str) -> Result<Option<Json>, Refusal> {
        let found = self.store.find_one(Listing::Documents(Collection::StarstateDocuments), name).await?;
        Ok(found.as_ref().map(head_of_document))
    }

    async fn check_seen(&self, name: &str) -> Result<(), Refusal> {
        self.stored(name).await?.map(|_| ()).ok_or(Refusal::Missing("No such document"))
    }

    async fn create(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let mut given = read_json(body)?;
        let device = given.as_object_mut().and_then(|map| map.remove("device"));
        let Some(Json::String(device)) = device else {
            return Err(Refusal::BadRequest("Error: $.device: must be the ID of a device".to_owned()));
        };
        let wanted: NewRouterSession =
            serde_json::from_value(given).map_err(|error| Refusal::BadRequest(format!("Error: {error}")))?;
        if let Json::String(name) = &wanted.document
            && !self.sees_document(name).await?
        {
            return Err(Refusal::Missing("No such document"));
        }
        let found = device_id::require(self.store, &Segment { raw: device.clone(), text: device }).await?;
        self.store.permit(ChangeKind::Put, &json!({ "device": found.id }), Object::None)?;
        let session = self.routers.create(&found.id, wanted).await?;
        Ok(Answer::json(StatusCode::CREATED, &session).warnings(found.warning()))
    }

    /// Documents are named by those who may make sessions, whatever they may see of them.
    async fn sees_document(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.store.unscoped().get(Collection::StarstateDocuments, name).await?.is_some())
    }

    /// A session of a device within the scope.
    async fn session(&self, id: &str) -> Result<RouterSession, Refusal> {
        let missing = Refusal::Missing("No such session");
        let listing = Listing::Documents(Collection::StarstateSessions);
        if self.store.find_one(listing, id).await?.is_none() {
            return Err(missing);
        }
        self.routers.session(id).await?.ok_or(missing)
    }
}

fn head_of_document(stored: &Json) -> Json {
    json!({ "_id": stored["_id"], "updatedAt": stored["updatedAt"], "warnings": stored["warnings"] })
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_value(read_json(body)?).map_err(|error| Refusal::BadRequest(format!("Error: {error}")))
}

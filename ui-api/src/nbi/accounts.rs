//! Users, permissions and API keys, managed by those who may. No secret is ever shown, but a new key once.

use std::net::IpAddr;

use acs_core::value::parse_date_time;
use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::{ChangeKind, Collection, Find, Listing, Object, ScopedStore, StoreError};

use super::Nbi;
use super::documents::read_json;
use super::routes::plain_name;
use super::target::Segment;
use crate::access::{
    ApiKeyError, ApiKeys, Principal, Scopes, Subject, UserError, Users, key_info, last_used, permission_document,
    read_roles, user_document, user_info,
};
use crate::answer::{Answer, Refusal};

const TOTAL: HeaderName = HeaderName::from_static("total");

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountRoute {
    /// `/users`, `/permissions` or `/api_keys`
    List(Collection),
    /// `/users/<name>`, `/permissions/<role>:<resource>:<access>` or `/api_keys/<id>`
    One(Collection, String),
    /// `/users/<name>/password`
    Password(String),
}

/// The body of PUT `/users/<name>`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenUser {
    #[serde(rename = "_id")]
    _id: Option<String>,
    roles: Option<Json>,
    password: Option<String>,
}

/// The body of PUT `/users/<name>/password`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GivenPassword {
    new_password: String,
    auth_password: Option<String>,
}

/// The body of POST `/api_keys`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenKey {
    name: String,
    methods: Vec<String>,
    collections: Vec<String>,
    devices: Option<String>,
    #[serde(default)]
    reveal: bool,
    expires: Option<String>,
}

impl AccountRoute {
    /// What a path names; `None` when nothing of this.
    pub fn find(first: &str, rest: &[Segment]) -> Option<AccountRoute> {
        let collection = match plain_name(first).as_str() {
            "users" => Collection::Users,
            "permissions" => Collection::Permissions,
            "apikeys" => Collection::ApiKeys,
            _ => return None,
        };
        match (collection, rest) {
            (_, []) => Some(AccountRoute::List(collection)),
            (_, [name]) => Some(AccountRoute::One(collection, name.text.clone())),
            (Collection::Users, [name, what]) if what.text == "password" => {
                Some(AccountRoute::Password(name.text.clone()))
            }
            _ => None,
        }
    }

    /// The methods that it takes.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            AccountRoute::List(Collection::ApiKeys) => &[Method::GET, Method::HEAD, Method::POST],
            AccountRoute::List(_) => &[Method::GET, Method::HEAD],
            AccountRoute::One(Collection::ApiKeys, _) => &[Method::GET, Method::HEAD, Method::DELETE],
            AccountRoute::One(..) => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE],
            AccountRoute::Password(_) => &[Method::PUT],
        }
    }

    /// The path's template in the description of the API.
    pub fn template(&self) -> &'static str {
        match self {
            AccountRoute::List(Collection::ApiKeys) => "/api_keys",
            AccountRoute::One(Collection::ApiKeys, _) => "/api_keys/{id}",
            AccountRoute::List(Collection::Permissions) => "/permissions",
            AccountRoute::One(Collection::Permissions, _) => "/permissions/{id}",
            AccountRoute::List(_) => "/users",
            AccountRoute::One(..) => "/users/{name}",
            AccountRoute::Password(_) => "/users/{name}/password",
        }
    }

    fn collection(&self) -> Collection {
        match self {
            AccountRoute::List(collection) | AccountRoute::One(collection, _) => *collection,
            AccountRoute::Password(_) => Collection::Users,
        }
    }
}

/// Who asks, and from where.
pub struct Asker<'p> {
    /// Who.
    pub principal: &'p Principal,
    /// From where.
    pub address: IpAddr,
    /// When, in milliseconds since the Unix epoch.
    pub now: i64,
}

/// Answers a request for an account.
pub async fn answer(
    nbi: &Nbi,
    route: &AccountRoute,
    method: &Method,
    asker: &Asker<'_>,
    body: &[u8],
) -> Result<Answer, Refusal> {
    if let (AccountRoute::Password(name), Principal::User(user)) = (route, asker.principal)
        && *name == user.name
    {
        return change_own_password(nbi, name, asker, body).await;
    }
    let name = route.collection().name();
    let scope = asker.principal.scope(method, Subject { collection: name, resource: name }, asker.now)?;
    let store = ScopedStore::new(nbi.store.clone(), scope);
    match (route, method) {
        (AccountRoute::List(_), &Method::POST) => add_key(&store, body, asker.now).await,
        (AccountRoute::List(collection), method) => list(&store, *collection, *method == Method::HEAD).await,
        (AccountRoute::One(collection, id), &Method::DELETE) => match store.delete(*collection, id).await? {
            true => {
                if *collection == Collection::ApiKeys {
                    nbi.store.delete(Collection::ApiKeyUses, id).await?;
                }
                Ok(Answer::empty(StatusCode::OK))
            }
            false => Err(Refusal::NotFound),
        },
        (AccountRoute::One(Collection::Users, name), &Method::PUT) => put_user(&store, name, body).await,
        (AccountRoute::One(Collection::Permissions, id), &Method::PUT) => put_permission(&store, id, body).await,
        (AccountRoute::One(collection, id), _) => match store.get(*collection, id).await? {
            Some(document) => Ok(Answer::json(StatusCode::OK, &shown(&store, *collection, document).await?)),
            None => Err(Refusal::NotFound),
        },
        (AccountRoute::Password(name), _) => {
            let given: GivenPassword = read(body)?;
            let before = store.get(Collection::Users, name).await?.ok_or(Refusal::NotFound)?;
            write_user(&store, name, Some(&before), None, Some(&given.new_password)).await
        }
    }
}

async fn list(store: &ScopedStore, collection: Collection, is_head: bool) -> Result<Answer, Refusal> {
    let documents = store.find(Listing::Documents(collection), Find::default()).await?.collect().await?;
    let total = documents.len().to_string();
    let mut list = Vec::with_capacity(documents.len());
    for document in documents {
        list.push(shown(store, collection, document).await?);
    }
    let answer = if is_head { Answer::empty(StatusCode::OK) } else { Answer::json(StatusCode::OK, &list.into()) };
    Ok(answer.header(TOTAL, &total))
}

/// What may be seen of a document: each field is named here, so that none is shown by accident.
async fn shown(store: &ScopedStore, collection: Collection, document: Json) -> Result<Json, StoreError> {
    let shown = match collection {
        Collection::Users => match user_info(&document) {
            Some(user) => json!({ "_id": user.name, "roles": user.roles.join(",") }),
            None => json!({ "_id": document["_id"] }),
        },
        Collection::ApiKeys => match key_info(&document) {
            Some(key) => {
                let used = last_used(&**store.unscoped(), &key.id).await?;
                let mut shown =
                    json!({ "_id": key.id, "name": key.name, "created": document["created"], "lastUsed": used });
                let scopes = serde_json::to_value(&key.scopes).unwrap_or_default();
                if let (Json::Object(shown), Json::Object(scopes)) = (&mut shown, scopes) {
                    shown.extend(scopes);
                    shown.extend(key.expires_at.map(|_| ("expires".to_owned(), document["expires"].clone())));
                }
                shown
            }
            None => json!({ "_id": document["_id"], "damaged": true }),
        },
        _ => {
            let fields = ["_id", "role", "resource", "access", "filter", "validate"];
            let known = fields.into_iter().filter_map(|name| Some((name.to_owned(), document.get(name)?.clone())));
            Json::Object(known.collect())
        }
    };
    Ok(shown)
}

async fn put_user(store: &ScopedStore, name: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let given: GivenUser = read(body)?;
    let roles = given
        .roles
        .as_ref()
        .map(|roles| read_roles(roles).ok_or_else(|| bad("$.roles: must be a list, or text with commas")));
    let before = store.get(Collection::Users, name).await?;
    write_user(store, name, before.as_ref(), roles.transpose()?.as_deref(), given.password.as_deref()).await
}

async fn write_user(
    store: &ScopedStore,
    name: &str,
    before: Option<&Json>,
    roles: Option<&[String]>,
    password: Option<&str>,
) -> Result<Answer, Refusal> {
    if password.is_some() {
        store.permit(ChangeKind::Password, &json!({ "_id": name }), before.map_or(Object::None, Object::Document))?;
    }
    let document = user_document(name, before, roles, password).await?;
    if roles.is_some() || before.is_none() {
        store.put(Collection::Users, name, document).await?;
    } else {
        // A new password and nothing else, which was permitted above.
        store.unscoped().put(Collection::Users, name, document).await?;
    }
    let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Answer::empty(status))
}

/// Everybody may change his own password who knows the old one.
async fn change_own_password(nbi: &Nbi, name: &str, asker: &Asker<'_>, body: &[u8]) -> Result<Answer, Refusal> {
    let given: GivenPassword = read(body)?;
    let old = given.auth_password.ok_or_else(|| bad("$.authPassword: the present password is required"))?;
    if !nbi.authenticator.is_password_of(name, &old, asker.address, asker.now).await? {
        return Err(Refusal::Unauthorized);
    }
    Users::write(&*nbi.store, name, None, Some(&given.new_password)).await?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn put_permission(store: &ScopedStore, id: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let given = if body.trim_ascii().is_empty() { json!({}) } else { read_json(body)? };
    let document = permission_document(id, &given).map_err(bad)?;
    store.put(Collection::Permissions, id, document).await?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn add_key(store: &ScopedStore, body: &[u8], now: i64) -> Result<Answer, Refusal> {
    let GivenKey { name, methods, collections, devices, reveal, expires } = read(body)?;
    let expires_at = match expires {
        None => None,
        Some(text) => {
            let time = parse_date_time(&text).filter(|time| *time > now);
            Some(time.ok_or_else(|| bad("$.expires: must be a date to come, as 2030-01-31T12:00:00Z"))?)
        }
    };
    let (new, document) = ApiKeys::make(&name, &Scopes { methods, collections, reveal, devices }, expires_at)?;
    store.put(Collection::ApiKeys, &new.id, document).await?;
    Ok(Answer::json(StatusCode::CREATED, &json!({ "_id": new.id, "name": name, "key": new.key })))
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_value(read_json(body)?).map_err(|error| bad(error.to_string()))
}

fn bad(message: impl std::fmt::Display) -> Refusal {
    Refusal::BadRequest(format!("Error: {message}"))
}

impl From<UserError> for Refusal {
    fn from(error: UserError) -> Refusal {
        match error {
            UserError::Store(error) => error.into(),
            UserError::Password(error) => error.into(),
            UserError::Invalid(reason) => bad(reason),
        }
    }
}

impl From<ApiKeyError> for Refusal {
    fn from(error: ApiKeyError) -> Refusal {
        match error {
            ApiKeyError::Store(error) => error.into(),
            ApiKeyError::Scope(_) | ApiKeyError::Unusable => bad(error),
            ApiKeyError::Random(reason) => Refusal::Store(StoreError::Database { doing: "making a key", reason }),
        }
    }
}

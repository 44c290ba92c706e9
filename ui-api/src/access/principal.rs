//! Who asks, and what he may do: nobody in particular on an open NBI, a key, or a user.

use acs_core::query::Query;
use hyper::Method;
use store::Scope;

use super::api_keys::KeyInfo;
use super::permissions::{Level, Permissions, is_of_devices};
use crate::answer::Refusal;

/// Who asks.
#[derive(Debug)]
pub enum Principal {
    /// Anybody: the NBI is open.
    Open,
    /// Who has a key.
    Key(KeyInfo),
    /// Who has logged in.
    User(User),
}

/// A user who has logged in.
#[derive(Debug)]
pub struct User {
    /// His name.
    pub name: String,
    /// What his roles permit.
    pub permissions: Permissions,
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The collection that a key's scope must name.
    pub collection: &'static str,
    /// The resource that a user needs a permission for.
    pub resource: &'static str,
}

impl Principal {
    /// For the log.
    pub fn name(&self) -> &str {
        match self {
            Principal::Open => "",
            Principal::Key(key) => &key.name,
            Principal::User(user) => &user.name,
        }
    }

    /// Whether values of secret parameters are shown.
    pub fn reveals(&self, now: i64) -> bool {
        match self {
            Principal::Open => true,
            Principal::Key(key) => key.scopes.reveal,
            Principal::User(user) => user.permissions.reveal(now),
        }
    }

    /// Within which scope a request may be answered. `now` is in milliseconds.
    ///
    /// # Errors
    /// It may not be answered at all.
    pub fn scope(&self, method: &Method, subject: Subject, now: i64) -> Result<Scope, Refusal> {
        match self {
            Principal::Open => Ok(Scope::everything()),
            Principal::Key(key) => scope_of_key(key, method, subject.collection, now),
            Principal::User(User { name, permissions }) => {
                let level = Level::of(method);
                permissions.scope(subject.resource, level, now).ok_or_else(|| {
                    let (verb, resource) = (level.verb(), subject.resource);
                    Refusal::Forbidden(format!("the user {name} has no permission to {verb} {resource}"))
                })
            }
        }
    }
}

fn scope_of_key(key: &KeyInfo, method: &Method, collection: &str, now: i64) -> Result<Scope, Refusal> {
    let forbidden = |message: String| Err(Refusal::Forbidden(message));
    if !key.scopes.allow(method, collection) {
        return forbidden(format!("this API key may not use {method} on {collection}"));
    }
    let devices = key.scopes.device_query(now).map_err(Refusal::Forbidden)?;
    let is_account = matches!(collection, "users" | "permissions" | "apiKeys");
    if is_account && !(devices == Query::True && key.scopes.reveal) {
        return forbidden("an API key that may not see all devices and all secrets may not manage accounts".to_owned());
    }
    if devices != Query::True && !is_of_devices(collection) && Level::of(method) == Level::Write {
        return forbidden(format!(
            "this API key is for some devices only: it may not change {collection}, which concern all"
        ));
    }
    Ok(Scope::of(devices, Query::True))
}

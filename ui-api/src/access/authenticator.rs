//! Finds out who asks: looks credentials up, unless too many were wrong before.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value as Json;
use store::{Collection, Store};

use super::api_keys::ApiKeys;
use super::key_uses::KeyUses;
use super::passwords::{PasswordError, Passwords, Proof};
use super::permissions::Permissions;
use super::presented::Credentials;
use super::principal::{Principal, User};
use super::throttle::{Source, Throttle};
use super::users;
use crate::answer::Refusal;
use hyper::header::HeaderMap;

/// Knows the keys and users of a store.
pub struct Authenticator {
    store: Arc<dyn Store>,
    passwords: Passwords,
    throttle: Throttle,
    key_uses: KeyUses,
}

impl Authenticator {
    /// For the keys and users of a store.
    pub fn new(store: Arc<dyn Store>) -> Authenticator {
        Authenticator {
            store,
            passwords: Passwords::default(),
            throttle: Throttle::default(),
            key_uses: KeyUses::default(),
        }
    }

    /// Who sends a request with these headers from this address. `now` is in milliseconds.
    ///
    /// # Errors
    /// Nobody who is known, or too many failures.
    pub async fn authenticate(&self, headers: &HeaderMap, address: IpAddr, now: i64) -> Result<Principal, Refusal> {
        for credentials in Credentials::of(headers) {
            let network = Source::address(address);
            let mark = self.throttle.mark(&credentials);
            self.throttle.admit(network, mark, now).map_err(Refusal::TooManyFailures)?;
            if let Some(key) = ApiKeys::find(&*self.store, &credentials.secret, now).await? {
                self.throttle.note_success(network, mark, now);
                self.key_uses.note(&self.store, &key.id, now);
                return Ok(Principal::Key(key));
            }
            if credentials.name.is_empty() {
                self.throttle.note_failure(network, mark, now);
                continue;
            }
            let account = Source::Account(self.throttle.mark(&credentials.name));
            self.throttle.admit(account, mark, now).map_err(Refusal::TooManyFailures)?;
            let user = self.log_in(&credentials, now).await?;
            for source in [network, account] {
                match &user {
                    Some(_) => self.throttle.note_success(source, mark, now),
                    None => self.throttle.note_failure(source, mark, now),
                }
            }
            if let Some(user) = user {
                return Ok(Principal::User(user));
            }
        }
        Err(Refusal::Unauthorized)
    }

    /// Whether a password is a user's: to be asked again before he changes it. Wrong ones count as failures.
    ///
    /// # Errors
    /// Too many failures.
    pub async fn is_password_of(&self, name: &str, password: &str, address: IpAddr, now: i64) -> Result<bool, Refusal> {
        let credentials = Credentials { name: name.to_owned(), secret: password.to_owned() };
        let mark = self.throttle.mark(&credentials);
        let sources = [Source::address(address), Source::Account(self.throttle.mark(name))];
        for source in sources {
            self.throttle.admit(source, mark, now).map_err(Refusal::TooManyFailures)?;
        }
        let is_right = self.log_in(&credentials, now).await?.is_some();
        if !is_right {
            sources.into_iter().for_each(|source| self.throttle.note_failure(source, mark, now));
        }
        Ok(is_right)
    }

    async fn log_in(&self, credentials: &Credentials, now: i64) -> Result<Option<User>, Refusal> {
        let name = credentials.name.as_str();
        let document = self.store.get(Collection::Users, name).await?;
        let proof = self.passwords.check(document.as_ref(), &credentials.secret, now).await?;
        let Some(document) = document.filter(|_| proof != Proof::Wrong) else { return Ok(None) };
        if let Proof::RightWithOldHash(hash) = proof {
            self.renew_hash(name, &document, hash).await?;
        }
        let roles = users::info(&document).map(|user| user.roles).unwrap_or_default();
        let permissions = Permissions::of_roles(&*self.store, &roles).await?;
        Ok(Some(User { name: name.to_owned(), permissions }))
    }

    /// Stores a better hash, unless somebody has changed the user meanwhile.
    async fn renew_hash(&self, name: &str, proved: &Json, hash: String) -> Result<(), Refusal> {
        if self.store.get(Collection::Users, name).await?.as_ref() == Some(proved) {
            let document = users::with_hash(proved.clone(), hash);
            self.store.put(Collection::Users, name, document).await?;
            tracing::info!(target: "nbi", user = name, "the password's hash was an old one, and is renewed");
        }
        Ok(())
    }
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Refusal {
        match error {
            PasswordError::Busy => Refusal::Busy,
            PasswordError::Failed(reason) => {
                Refusal::Store(store::StoreError::Database { doing: "checking a password", reason })
            }
        }
    }
}

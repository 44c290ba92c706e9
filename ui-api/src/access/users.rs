//! Users: names, passwords, roles. Their documents have the shape that older databases have: `{_id, password, roles}`, the roles
//! separated by commas; the password is a hash in PHC form, or an old one with its `salt`.

use acs_core::query::Query;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use store::{Collection, Find, Listing, Store, StoreError};

use super::passwords::{self, MAX_LENGTH, PasswordError};
use super::permissions;

/// The user, and the role, that a first start makes.
const ADMINISTRATOR: &str = "admin";
/// Shorter passwords are refused.
const MIN_LENGTH: usize = 8;
/// Longer names of users and roles are refused.
const MAX_NAME: usize = 128;

/// What is known of a user, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The name.
    pub name: String,
    /// What he may do, see the permissions.
    pub roles: Vec<String>,
}

/// Why a user was not written.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A name, a role or a password that cannot be used; says why.
    #[error("{0}")]
    Invalid(String),
}

/// The users in a store.
#[derive(Debug, Clone, Copy)]
pub struct Users;

impl Users {
    /// On a first start, when there is no user: makes an administrator and the permissions of his role. With `given`
    /// (`LODESTAR_INITIAL_PASSWORD`) that is the password, and `None` is returned, since who gave it knows it; else the password
    /// that was made up is returned to be printed once.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn ensure_initial(store: &dyn Store, given: Option<String>) -> Result<Option<String>, UserError> {
        if store.count(Listing::Documents(Collection::Users), Query::True).await? > 0 {
            return Ok(None);
        }
        let (password, made) = match given {
            Some(password) => (password, None),
            None => {
                let password = made_up_password()?;
                (password.clone(), Some(password))
            }
        };
        if password.is_empty() || password.len() > MAX_LENGTH {
            return Err(UserError::Invalid(format!("the initial password must have 1 to {MAX_LENGTH} bytes")));
        }
        if password.len() < MIN_LENGTH {
            tracing::warn!(target: "nbi", "the initial password is so short that it can be guessed");
        }
        permissions::seed(store, ADMINISTRATOR).await?;
        let document = json!({ "password": hash(password).await?, "roles": ADMINISTRATOR });
        store.put(Collection::Users, ADMINISTRATOR, document).await?;
        Ok(made)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The store fails.
    pub async fn list(store: &dyn Store) -> Result<Vec<UserInfo>, StoreError> {
        let documents = store.find(Listing::Documents(Collection::Users), Find::default()).await?.collect().await?;
        Ok(documents.iter().filter_map(info).collect())
    }

    /// Makes a user, or changes one: what is `None` stays. A new user needs a password. Returns whether he is new.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn write(
        store: &dyn Store,
        name: &str,
        roles: Option<&[String]>,
        password: Option<&str>,
    ) -> Result<bool, UserError> {
        let before = store.get(Collection::Users, name).await?;
        let document = document(name, before.as_ref(), roles, password).await?;
        store.put(Collection::Users, name, document).await?;
        Ok(before.is_none())
    }

    /// Removes a user. Returns whether he was there.
    ///
    /// # Errors
    /// The store fails.
    pub async fn remove(store: &dyn Store, name: &str) -> Result<bool, StoreError> {
        store.delete(Collection::Users, name).await
    }
}

/// A user's document as it is to be stored, from the one before.
pub async fn document(
    name: &str,
    before: Option<&Json>,
    roles: Option<&[String]>,
    password: Option<&str>,
) -> Result<Json, UserError> {
    let invalid = |reason: String| Err(UserError::Invalid(reason));
    if name.is_empty() || name.len() > MAX_NAME || name.contains(':') || name.chars().any(char::is_control) {
        return invalid(format!("a user's name has 1 to {MAX_NAME} bytes, and neither a colon nor control characters"));
    }
    for role in roles.unwrap_or_default() {
        check_role(role).map_err(UserError::Invalid)?;
    }
    if let Some(password) = password
        && !(MIN_LENGTH..=MAX_LENGTH).contains(&password.len())
    {
        return invalid(format!("a password has {MIN_LENGTH} to {MAX_LENGTH} bytes"));
    }
    let mut document = match (before, password) {
        (Some(before), _) => before.clone(),
        (None, Some(_)) => json!({ "roles": "" }),
        (None, None) => return invalid("a new user needs a password".to_owned()),
    };
    if let Some(roles) = roles {
        document["roles"] = roles.join(",").into();
    }
    if let Some(password) = password {
        document = with_hash(document, hash(password.to_owned()).await?);
    }
    Ok(document)
}

/// The same user with another hash.
pub fn with_hash(mut document: Json, hash: String) -> Json {
    document["password"] = hash.into();
    if let Json::Object(map) = &mut document {
        map.shift_remove("salt");
    }
    document
}

/// What a stored document says of a user.
pub fn info(document: &Json) -> Option<UserInfo> {
    let name = document.get("_id")?.as_str()?.to_owned();
    Some(UserInfo { name, roles: read_roles(document.get("roles").unwrap_or(&Json::Null)).unwrap_or_default() })
}

/// Roles as a list, or as text with commas.
pub fn read_roles(roles: &Json) -> Option<Vec<String>> {
    let trimmed = |text: &str| text.trim().to_owned();
    match roles {
        Json::String(text) => Some(text.split(',').map(trimmed).filter(|role| !role.is_empty()).collect()),
        Json::Array(list) => list.iter().map(|role| role.as_str().map(trimmed)).collect(),
        _ => None,
    }
}

/// Whether a role's name can be used.
pub fn check_role(role: &str) -> Result<(), String> {
    let is_usable = !role.trim().is_empty()
        && role.len() <= MAX_NAME
        && !role.contains([':', ','])
        && !role.chars().any(char::is_control);
    if is_usable { Ok(()) } else { Err(format!("{role:?} is no role: neither empty, nor with a colon or a comma")) }
}

async fn hash(password: String) -> Result<String, PasswordError> {
    let hashed = tokio::task::spawn_blocking(move || passwords::hash(&password)).await;
    hashed.unwrap_or_else(|error| Err(PasswordError::Failed(error.to_string())))
}

/// 120 random bits as 20 characters.
fn made_up_password() -> Result<String, PasswordError> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_no_client_can_send_is_no_user() {
        let roles = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (name, role, password) in [
            ("", "admin", Some("long enough")),
            ("a:b", "admin", Some("long enough")),
            ("a\nb", "admin", Some("long enough")),
            ("a", "admin,support", Some("long enough")),
            ("a", "", Some("long enough")),
            ("a", "admin", Some("short")),
            ("a", "admin", None),
        ] {
            let result = document(name, None, Some(&roles(&[role])), password).await;
            assert!(matches!(result, Err(UserError::Invalid(_))), "{name:?} {role:?} {password:?}");
        }
        let document = document("a", None, Some(&roles(&["x", "y"])), Some("long enough")).await.unwrap();
        assert_eq!(document["roles"], "x,y");
        assert!(!document.to_string().contains("long enough"));
    }

    #[test]
    fn roles_are_a_list_or_text() {
        for (given, expected) in [
            (json!("a, b,,c"), Some(vec!["a", "b", "c"])),
            (json!(["a", " b"]), Some(vec!["a", "b"])),
            (json!(""), Some(vec![])),
            (json!(5), None),
            (json!([5]), None),
        ] {
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(read_roles(&given), expected, "{given}");
        }
    }
}

//! Who may do what: API keys and their scopes, users with their roles and permissions, the throttle against guessing, and the guard
//! against other sites' pages.
//!
//! What lives here: who asks, and within which [`store::Scope`] he is answered. What does not: keeping reads and changes within the
//! scope ([`store::ScopedStore`]).

mod api_keys;
mod authenticator;
mod guard;
mod key_uses;
mod passwords;
mod permissions;
mod presented;
mod principal;
mod throttle;
mod users;

pub(crate) use api_keys::info as key_info;
pub use api_keys::{ApiKeyError, ApiKeys, KeyInfo, NewKey, Scopes};
pub(crate) use authenticator::Authenticator;
pub(crate) use guard::{check_browser, check_host};
pub(crate) use key_uses::last_used;
pub use passwords::PasswordError;
pub(crate) use permissions::document as permission_document;
pub(crate) use principal::{Principal, Subject};
pub use users::{UserError, UserInfo, Users};
pub(crate) use users::{document as user_document, info as user_info, read_roles};

//! Who may do what: API keys and their scopes, the throttle against guessing, and the guard against other sites' pages.

mod api_keys;
mod guard;
mod throttle;

pub use api_keys::{ApiKeyError, ApiKeys, KeyInfo, NewKey, Scopes};
pub(crate) use api_keys::{Presented, fingerprint};
pub(crate) use guard::{check_browser, check_host};
pub(crate) use throttle::Throttle;

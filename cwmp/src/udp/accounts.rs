//! Who has which STUN user name, as far as it was asked a short while ago. Keep-alives come every minute from every device, and must not
//! each cost a query.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bindings::StunAccount;

/// How long an answer counts.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long it counts that nobody has a user name.
const LIFETIME_OF_NOBODY: Duration = Duration::from_secs(30);
/// After this time, what does not fit is asked again: the device may have got another password.
const DOUBT: Duration = Duration::from_secs(5);
/// User names that are remembered at once.
const MOST: usize = 200_000;

/// Answers by user name.
#[derive(Debug, Default)]
pub struct Accounts(HashMap<String, (Option<Arc<StunAccount>>, Instant)>);

impl Accounts {
    /// What is known of a user name; `None`: it is to be asked. `fits` says whether an account explains what came.
    pub fn get(
        &self,
        username: &str,
        now: Instant,
        fits: impl FnOnce(&StunAccount) -> bool,
    ) -> Option<Option<Arc<StunAccount>>> {
        let (account, at) = self.0.get(username)?;
        let age = now.duration_since(*at);
        let lifetime = match account {
            None => LIFETIME_OF_NOBODY,
            Some(account) if age >= DOUBT && !fits(account) => return None,
            Some(_) => LIFETIME,
        };
        (age < lifetime).then(|| account.clone())
    }

    /// Remembers an answer.
    pub fn put(&mut self, username: &str, account: Option<Arc<StunAccount>>, now: Instant) {
        if self.0.len() >= MOST {
            self.0.retain(|_, (account, at)| account.is_some() && now.duration_since(*at) < LIFETIME);
        }
        if self.0.len() < MOST {
            self.0.insert(username.to_owned(), (account, now));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_count_for_a_while_and_less_when_they_do_not_fit() {
        let account = Arc::new(StunAccount { device_id: "d".into(), password: "p".into(), lifetime: LIFETIME });
        let (mut accounts, start) = (Accounts::default(), Instant::now());
        accounts.put("somebody", Some(account.clone()), start);
        accounts.put("nobody", None, start);
        let get = |name: &str, seconds, fits: bool| accounts.get(name, start + Duration::from_secs(seconds), |_| fits);
        assert_eq!(get("somebody", 599, true), Some(Some(account.clone())));
        assert_eq!(get("somebody", 600, true), None);
        assert_eq!(get("somebody", 4, false), Some(Some(account)));
        assert_eq!(get("somebody", 5, false), None);
        assert_eq!(get("nobody", 29, false), Some(None));
        assert_eq!(get("nobody", 30, false), None);
        assert_eq!(get("unknown", 0, true), None);
    }
}

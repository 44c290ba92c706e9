//! The credentials by which a device authenticates itself, as the server knows them, and whom its ID belongs to.
//!
//! What lives here: the record and how it changes. What does not: how credentials are proved, and where records are kept.
//!
//! New credentials are offered by SetParameterValues (ManagementServer.Username and .Password). Whether the device has taken them is
//! only certain when it uses them. Until then the old ones are good, too: else a session that breaks at the wrong moment would lock
//! the device out (TR-069 §3.4.4).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::expression::Scalar;
use crate::rpc::AcsRequest;

/// Credentials that were offered and not seen yet, at most. The device has at most one of them; more come only from scripts that
/// change their mind.
const MOST_OFFERED: usize = 8;

/// Where devices keep their user name toward the server, the newer data model first.
pub const USERNAMES: [&str; 2] =
    ["Device.ManagementServer.Username", "InternetGatewayDevice.ManagementServer.Username"];
/// Where they keep the password.
pub const PASSWORDS: [&str; 2] =
    ["Device.ManagementServer.Password", "InternetGatewayDevice.ManagementServer.Password"];

/// What is known of a device's credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CredentialRecord {
    /// The user or certificate that the device ID is bound to, such as `user:acs` or `certificate:0A1B2C-Box-1`.
    pub identity: Option<String>,
    /// The device's own credentials, the oldest first.
    pub credentials: Vec<OwnCredentials>,
}

/// One pair of credentials that belongs to the device alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCredentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Whether the device has used them, or an operator says that it will.
    pub seen: bool,
}

impl fmt::Debug for OwnCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, password: _, seen } = self;
        formatter.debug_struct("OwnCredentials").field("username", username).field("seen", seen).finish_non_exhaustive()
    }
}

impl CredentialRecord {
    /// Whether the device is certain to have credentials of its own, so that it needs no others.
    pub fn is_enrolled(&self) -> bool {
        self.credentials.iter().any(|credentials| credentials.seen)
    }

    /// Credentials are about to be offered to the device. Returns whether that is new.
    pub fn offer(&mut self, username: &str, password: &str) -> bool {
        let is_same = |known: &OwnCredentials| known.username == username && known.password == password;
        if self.credentials.iter().any(is_same) {
            return false;
        }
        let offered = self.credentials.iter().filter(|credentials| !credentials.seen).count();
        if offered >= MOST_OFFERED
            && let Some(oldest) = self.credentials.iter().position(|credentials| !credentials.seen)
        {
            self.credentials.remove(oldest);
        }
        self.credentials.push(OwnCredentials {
            username: username.to_owned(),
            password: password.to_owned(),
            seen: false,
        });
        true
    }

    /// The device has used the credentials at this place. Returns whether that is new: what it had before is good no more.
    pub fn saw(&mut self, place: usize) -> bool {
        let Some(credentials) = self.credentials.get_mut(place) else { return false };
        let is_new = !credentials.seen || place > 0;
        credentials.seen = true;
        self.credentials.drain(..place);
        is_new
    }
}

/// What a SetParameterValues says of the device's user name and password toward the server; `None` for each that it leaves alone.
pub fn credentials_in(request: &AcsRequest) -> (Option<String>, Option<String>) {
    let AcsRequest::SetParameterValues { parameter_list, .. } = request else { return (None, None) };
    let find = |names: [&str; 2]| {
        let (_, value) = parameter_list.iter().find(|(path, _)| names.contains(&path.as_str()))?;
        Some(Scalar::from(&value.0).to_text()?.into_owned())
    };
    (find(USERNAMES), find(PASSWORDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::TypedValue;

    fn names(record: &CredentialRecord) -> Vec<(&str, bool)> {
        record.credentials.iter().map(|known| (known.username.as_str(), known.seen)).collect()
    }

    #[test]
    fn the_old_are_good_until_the_new_are_seen() {
        let mut record = CredentialRecord::default();
        assert!(record.offer("a", "1") && !record.offer("a", "1"));
        assert!(!record.is_enrolled());
        assert!(record.saw(0) && !record.saw(0));
        assert!(record.is_enrolled());
        assert!(record.offer("b", "2") && record.offer("c", "3"));
        assert_eq!(names(&record), [("a", true), ("b", false), ("c", false)]);
        // The first offer got lost; the second was taken.
        assert!(record.saw(2));
        assert_eq!(names(&record), [("c", true)]);
        assert!(!record.saw(7));
    }

    #[test]
    fn what_was_seen_is_kept_however_much_is_offered() {
        let mut record = CredentialRecord::default();
        record.offer("a", "1");
        record.saw(0);
        for number in 0..100 {
            record.offer(&number.to_string(), "p");
        }
        assert_eq!(record.credentials.len(), MOST_OFFERED + 1);
        assert_eq!(names(&record)[0], ("a", true));
        assert_eq!(record.credentials[MOST_OFFERED].username, "99");
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut record = CredentialRecord::default();
        record.offer("a", "hush");
        assert!(!format!("{record:?}").contains("hush"));
    }

    #[test]
    fn credentials_are_found_in_either_data_model() {
        let request = |list: &[(&str, &str)]| AcsRequest::SetParameterValues {
            parameter_list: list.iter().map(|(path, text)| ((*path).into(), TypedValue::string(*text))).collect(),
            parameter_key: String::new(),
        };
        let both = request(&[
            ("Device.ManagementServer.Username", "u"),
            ("Device.ManagementServer.ConnectionRequestPassword", "other"),
            ("Device.ManagementServer.Password", "p"),
        ]);
        assert_eq!(credentials_in(&both), (Some("u".into()), Some("p".into())));
        let one = request(&[("InternetGatewayDevice.ManagementServer.Password", "p")]);
        assert_eq!(credentials_in(&one), (None, Some("p".into())));
        assert_eq!(credentials_in(&AcsRequest::FactoryReset), (None, None));
    }
}

//! What came of a device's connection requests so far, kept in the store.

use std::collections::BTreeMap;

use acs_core::value::format_date_time;
use cwmp::connection_request::{ConnectionRequestError, Credentials};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::methods::Method;

/// A device's connection requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WakingRecord {
    methods: BTreeMap<Method, MethodRecord>,
    /// The number of the last request over UDP; the next one's is greater.
    udp_id: u32,
    /// What the device took last. After a factory reset, or when an operator's change did not reach it, it may still want this.
    accepted: Option<AcceptedCredentials>,
}

/// Connection requests by one method. Times are milliseconds since the Unix epoch, 0 for never.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct MethodRecord {
    tried: u64,
    accepted: u64,
    informed: u64,
    last_tried: i64,
    last_accepted: i64,
    last_informed: i64,
    last_failure: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Failure {
    reason: String,
    text: String,
    at: i64,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct AcceptedCredentials {
    username: String,
    password: String,
}

impl std::fmt::Debug for AcceptedCredentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AcceptedCredentials")
    }
}

impl WakingRecord {
    /// What the device took last.
    pub fn accepted_credentials(&self) -> Option<Credentials> {
        let accepted = self.accepted.as_ref()?;
        Some(Credentials { username: accepted.username.clone(), password: accepted.password.clone() })
    }

    /// The number of the next request over UDP: it grows also across restarts, since it is not less than the time in seconds.
    pub fn next_udp_id(&mut self, seconds: i64) -> u32 {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        self.udp_id = seconds.max(self.udp_id.saturating_add(1));
        self.udp_id
    }

    /// A request was accepted: with these credentials, if it asked for any.
    pub fn note_accepted(&mut self, method: Method, credentials: Option<&Credentials>, at: i64) {
        let record = self.methods.entry(method).or_default();
        record.tried += 1;
        record.accepted += 1;
        record.last_tried = at;
        record.last_accepted = at;
        if let Some(Credentials { username, password }) = credentials {
            self.accepted = Some(AcceptedCredentials { username: username.clone(), password: password.clone() });
        }
    }

    /// A request failed.
    pub fn note_failed(&mut self, method: Method, error: &ConnectionRequestError, at: i64) {
        let record = self.methods.entry(method).or_default();
        record.tried += 1;
        record.last_tried = at;
        record.last_failure = Some(Failure { reason: error.code().to_owned(), text: error.to_string(), at });
    }

    /// An Inform with the event `6 CONNECTION REQUEST` followed.
    pub fn note_informed(&mut self, method: Method, at: i64) {
        let record = self.methods.entry(method).or_default();
        record.informed += 1;
        record.last_informed = at;
    }

    /// What operators see: no credentials.
    pub fn document(&self, device_id: &str) -> Json {
        let mut methods = Map::new();
        for (method, record) in &self.methods {
            let mut map = Map::new();
            for (name, count) in [("tried", record.tried), ("accepted", record.accepted), ("informed", record.informed)]
            {
                map.insert(name.to_owned(), count.into());
            }
            for (name, at) in [
                ("lastTried", record.last_tried),
                ("lastAccepted", record.last_accepted),
                ("lastInformed", record.last_informed),
            ] {
                if at > 0 {
                    map.insert(name.to_owned(), format_date_time(at).into());
                }
            }
            if let Some(Failure { reason, text, at }) = &record.last_failure {
                let failure = json!({ "reason": reason, "text": text, "timestamp": format_date_time(*at) });
                map.insert("lastFailure".to_owned(), failure);
            }
            methods.insert(method.to_string(), map.into());
        }
        json!({ "_id": device_id, "methods": methods })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_and_shows_no_credentials() {
        let mut record = WakingRecord::default();
        let credentials = Credentials { username: "acs".into(), password: "s3cret".into() };
        record.note_failed(Method::Http, &ConnectionRequestError::WrongCredentials, 1_000);
        record.note_accepted(Method::Http, Some(&credentials), 2_000);
        record.note_informed(Method::Http, 3_000);
        record.note_accepted(Method::Udp, None, 4_000);
        assert_eq!([record.next_udp_id(7), record.next_udp_id(7), record.next_udp_id(3)], [7, 8, 9]);
        assert_eq!(record.accepted_credentials(), Some(credentials));
        let stored = serde_json::to_value(&record).unwrap();
        assert_eq!(serde_json::from_value::<WakingRecord>(stored).unwrap(), record);
        let shown = record.document("0A1B2C-Box-1");
        let expected = json!({"_id": "0A1B2C-Box-1", "methods": {
            "HTTP": {"tried": 2, "accepted": 1, "informed": 1, "lastTried": "1970-01-01T00:00:02.000Z",
                "lastAccepted": "1970-01-01T00:00:02.000Z", "lastInformed": "1970-01-01T00:00:03.000Z",
                "lastFailure": {"reason": "wrong_credentials", "text": "Incorrect connection request credentials",
                    "timestamp": "1970-01-01T00:00:01.000Z"}},
            "UDP": {"tried": 1, "accepted": 1, "informed": 0, "lastTried": "1970-01-01T00:00:04.000Z",
                "lastAccepted": "1970-01-01T00:00:04.000Z"},
        }});
        assert_eq!(shown, expected);
        assert!(!format!("{record:?}").contains("s3cret"));
    }
}

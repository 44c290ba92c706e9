//! When API keys were used last, so that those that nobody needs are found. Written once a minute and key at most, and beside the
//! request: in a collection of its own, so that a key that is revoked meanwhile does not come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use acs_core::value::format_date_time;
use serde_json::{Value as Json, json};
use store::{Collection, Store, StoreError};

/// Milliseconds within which further uses of a key are not written.
const OFTEN_ENOUGH: i64 = 60_000;

/// What this process has written.
#[derive(Debug, Default)]
pub struct KeyUses {
    written: Mutex<HashMap<String, i64>>,
}

impl KeyUses {
    /// A key is used. It need not be waited for.
    pub fn note(&self, store: &Arc<dyn Store>, key: &str, now: i64) {
        if !self.is_news(key, now) {
            return;
        }
        let (store, key) = (store.clone(), key.to_owned());
        tokio::spawn(async move {
            let used = json!({ "lastUsed": format_date_time(now) });
            if let Err(error) = store.put(Collection::ApiKeyUses, &key, used).await {
                tracing::warn!(target: "nbi", key, "when the API key was used is not written: {error}");
            }
        });
    }

    fn is_news(&self, key: &str, now: i64) -> bool {
        let Ok(mut written) = self.written.lock() else { return false };
        match written.get_mut(key) {
            Some(last) if now < last.saturating_add(OFTEN_ENOUGH) => false,
            Some(last) => {
                *last = now;
                true
            }
            None => {
                written.insert(key.to_owned(), now);
                true
            }
        }
    }
}

/// When a key was used last, as text; null when it never was.
pub async fn last_used(store: &dyn Store, key: &str) -> Result<Json, StoreError> {
    let used = store.get(Collection::ApiKeyUses, key).await?;
    Ok(used.map_or(Json::Null, |used| used["lastUsed"].clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_news_once_a_minute_and_key() {
        let uses = KeyUses::default();
        let news = [("a", 0), ("a", 59_999), ("b", 59_999), ("a", 60_000), ("a", 119_999), ("b", 200_000)]
            .map(|(key, now)| uses.is_news(key, now));
        assert_eq!(news, [true, false, true, true, false, true]);
    }
}

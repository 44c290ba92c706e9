//! API keys: made once, shown once, stored as hashes, each with what it may do.
//!
//! A key has 256 random bits, so a plain SHA-256 is all the hashing that it needs. Its document is found by the first bits of
//! that hash and compared by all of them, in constant time.

use acs_core::query::Query;
use acs_core::value::{format_date_time, parse_date_time};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use store::{Collection, Find, Listing, Store, StoreError};
use subtle::ConstantTimeEq;

use super::permissions::device_query;

/// The hexadecimal digits of the hash that are a key's id.
const FINGERPRINT: usize = 16;
/// Shorter keys that an operator chose himself can be guessed.
const SHORT_KEY: usize = 20;

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scopes {
    /// HTTP methods in upper case; `*` is all, `GET` includes `HEAD`.
    pub methods: Vec<String>,
    /// Collections as the NBI spells them in paths (`devices`, `tasks`, `virtual_parameters`, …); `*` is all.
    pub collections: Vec<String>,
    /// Whether values of secret parameters (passwords, passphrases, keys) are shown, and may be searched and sorted by.
    #[serde(default)]
    pub reveal: bool,
    /// An expression that devices must satisfy; `None` is all. Tasks, faults and whatever else belongs to a device go with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<String>,
}

impl Scopes {
    /// Everything.
    pub fn all() -> Scopes {
        Scopes { methods: vec!["*".to_owned()], collections: vec!["*".to_owned()], reveal: true, devices: None }
    }

    /// Reading everything but secrets.
    pub fn read_only() -> Scopes {
        Scopes { methods: vec!["GET".to_owned()], collections: vec!["*".to_owned()], reveal: false, devices: None }
    }

    /// Whether a method may be used on a collection.
    pub fn allow(&self, method: &Method, collection: &str) -> bool {
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        let names = |list: &[String], wanted: &str| list.iter().any(|name| name == "*" || plain(name) == plain(wanted));
        let is_read = method == Method::HEAD && names(&self.methods, "GET");
        (is_read || names(&self.methods, method.as_str())) && names(&self.collections, collection)
    }

    /// The devices as a query.
    ///
    /// # Errors
    /// The expression cannot be used; says why.
    pub fn device_query(&self, now: i64) -> Result<Query, String> {
        self.devices.as_deref().map_or(Ok(Query::True), |devices| device_query(devices, now))
    }

    /// Whether the scope can be used.
    fn check(&self) -> Result<(), ApiKeyError> {
        let wrong = |reason: String| Err(ApiKeyError::Scope(reason));
        const METHODS: [&str; 6] = ["*", "GET", "HEAD", "POST", "PUT", "DELETE"];
        if let Some(method) = self.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return wrong(format!("the method {method:?} is none of {}", METHODS.join(", ")));
        }
        self.device_query(0).map_or_else(|reason| wrong(format!("devices: {reason}")), |_| Ok(()))
    }
}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What clients present. It cannot be had again.
    pub key: String,
    /// Names the key in lists and in [`ApiKeys::revoke`].
    pub id: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// For people, and for the log.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When it ends to be valid.
    pub expires_at: Option<i64>,
}

/// Why a key was not made, or not read.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// An empty key, or one with characters that no header can carry.
    #[error("an API key must have visible ASCII characters only, and at least one")]
    Unusable,
    /// A scope that cannot be used; says why.
    #[error("{0}")]
    Scope(String),
}

/// The keys in a store.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeys;

impl ApiKeys {
    /// Makes a key and stores its hash. `expires_at` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The store or the system's random numbers fail, or the scope cannot be used.
    pub async fn create(
        store: &dyn Store,
        name: &str,
        scopes: &Scopes,
        expires_at: Option<i64>,
    ) -> Result<NewKey, ApiKeyError> {
        let (new, document) = ApiKeys::make(name, scopes, expires_at)?;
        store.put(Collection::ApiKeys, &new.id, document).await?;
        Ok(new)
    }

    /// Makes a key, and the document to be stored for it.
    ///
    /// # Errors
    /// The system's random numbers fail, or the scope cannot be used.
    pub fn make(name: &str, scopes: &Scopes, expires_at: Option<i64>) -> Result<(NewKey, Json), ApiKeyError> {
        scopes.check()?;
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| ApiKeyError::Random(error.to_string()))?;
        let key = URL_SAFE_NO_PAD.encode(bytes);
        let (id, document) = document(&key, name, scopes, expires_at);
        Ok((NewKey { key, id }, document))
    }

    /// On a first start, when there is no key: makes one that may do everything. With `given` (`LODESTAR_INITIAL_API_KEY`) that is
    /// the key, and `None` is returned, since who gave it knows it; else the new key is returned to be printed once.
    ///
    /// # Errors
    /// The store or the system's random numbers fail, or the given key cannot be used.
    pub async fn ensure_initial(store: &dyn Store, given: Option<String>) -> Result<Option<String>, ApiKeyError> {
        if store.count(Listing::Documents(Collection::ApiKeys), Query::True).await? > 0 {
            return Ok(None);
        }
        let Some(key) = given else {
            return Ok(Some(ApiKeys::create(store, "initial", &Scopes::all(), None).await?.key));
        };
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiKeyError::Unusable);
        }
        if key.len() < SHORT_KEY {
            tracing::warn!(target: "nbi", "the initial API key is so short that it can be guessed");
        }
        let (id, document) = document(key, "initial", &Scopes::all(), None);
        store.put(Collection::ApiKeys, &id, document).await?;
        Ok(None)
    }

    /// All keys, by id.
    ///
    /// # Errors
    /// The store fails.
    pub async fn list(store: &dyn Store) -> Result<Vec<KeyInfo>, StoreError> {
        let documents = store.find(Listing::Documents(Collection::ApiKeys), Find::default()).await?.collect().await?;
        Ok(documents.iter().filter_map(info).collect())
    }

    /// Removes a key; its next request is refused. Returns whether it was there.
    ///
    /// # Errors
    /// The store fails.
    pub async fn revoke(store: &dyn Store, id: &str) -> Result<bool, StoreError> {
        store.delete(Collection::ApiKeys, id).await
    }

    /// The key that a text is, when it is one and has not expired.
    ///
    /// # Errors
    /// The store fails.
    pub async fn find(store: &dyn Store, key: &str, now: i64) -> Result<Option<KeyInfo>, StoreError> {
        let hash = hash(key);
        let Some(document) = store.get(Collection::ApiKeys, &hash[..FINGERPRINT]).await? else { return Ok(None) };
        let stored = document.get("hash").and_then(Json::as_str).unwrap_or_default();
        let is_same: bool = stored.as_bytes().ct_eq(hash.as_bytes()).into();
        let known = info(&document).filter(|_| is_same);
        Ok(known.filter(|known| known.expires_at.is_none_or(|end| now < end)))
    }
}

/// A key's id and document.
fn document(key: &str, name: &str, scopes: &Scopes, expires_at: Option<i64>) -> (String, Json) {
    let hash = hash(key);
    let id = hash[..FINGERPRINT].to_owned();
    let mut document = json!({
        "name": name,
        "hash": hash,
        "scopes": scopes,
        "created": format_date_time(chrono::Utc::now().timestamp_millis()),
    });
    if let Some(time) = expires_at {
        document["expires"] = format_date_time(time).into();
    }
    (id, document)
}

/// A key's document as it is stored. One that cannot be read in every part is no key: an expiry or a scope that was lost must not
/// widen it.
pub(crate) fn info(document: &Json) -> Option<KeyInfo> {
    let text = |field: &str| document.get(field).and_then(Json::as_str);
    let expires_at = match document.get("expires") {
        None | Some(Json::Null) => None,
        Some(expires) => Some(parse_date_time(expires.as_str()?)?),
    };
    let scopes = Scopes::deserialize(document.get("scopes")?).ok()?;
    scopes.check().ok()?;
    Some(KeyInfo {
        id: text("_id")?.to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
        scopes,
        created_at: text("created").and_then(parse_date_time).unwrap_or_default(),
        expires_at,
    })
}

fn hash(key: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(key.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scopes_limit_methods_and_collections() {
        let cases = [
            (Scopes::all(), Method::DELETE, "devices", true),
            (Scopes::read_only(), Method::HEAD, "devices", true),
            (Scopes::read_only(), Method::POST, "tasks", false),
            (Scopes { collections: vec!["tasks".into()], ..Scopes::all() }, Method::POST, "tasks", true),
            (Scopes { collections: vec!["tasks".into()], ..Scopes::all() }, Method::GET, "devices", false),
            (Scopes { methods: vec![], ..Scopes::all() }, Method::GET, "devices", false),
        ];
        for (scopes, method, collection, expected) in cases {
            assert_eq!(scopes.allow(&method, collection), expected, "{method} {collection} by {scopes:?}");
        }
    }

    #[test]
    fn a_document_that_is_damaged_is_no_key() {
        let good = json!({"_id": "a", "hash": "b", "scopes": {"methods": ["GET"], "collections": ["*"]}});
        assert!(info(&good).is_some());
        for (field, value) in [
            ("expires", json!("soon")),
            ("expires", json!(5)),
            ("scopes", json!(null)),
            ("scopes", json!({"methods": ["GET"]})),
            ("scopes", json!({"methods": ["GET"], "collections": ["*"], "tenant": "a"})),
            ("scopes", json!({"methods": ["GET"], "collections": ["*"], "devices": "Tags.lab IS"})),
            ("scopes", json!({"methods": ["GET"], "collections": ["*"], "devices": "A = B"})),
            ("scopes", json!({"methods": ["get"], "collections": ["*"]})),
        ] {
            let mut document = good.clone();
            document[field] = value;
            assert_eq!(info(&document), None, "{document}");
        }
    }
}

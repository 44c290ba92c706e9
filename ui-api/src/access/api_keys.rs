//! API keys: made once, shown once, stored as hashes, each with what it may do.
//!
//! A key has 256 random bits, so a plain SHA-256 is all the hashing that it needs. Its document is found by the first bits of
//! that hash and compared by all of them, in constant time.

use acs_core::query::Query;
use acs_core::value::{format_date_time, parse_date_time};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use store::{Collection, Find, Listing, Store, StoreError};
use subtle::ConstantTimeEq;

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
}

impl Scopes {
    /// Everything.
    pub fn all() -> Scopes {
        Scopes { methods: vec!["*".to_owned()], collections: vec!["*".to_owned()], reveal: true }
    }

    /// Reading everything but secrets.
    pub fn read_only() -> Scopes {
        Scopes { methods: vec!["GET".to_owned()], collections: vec!["*".to_owned()], reveal: false }
    }

    /// Whether a method may be used on a collection.
    pub fn allow(&self, method: &Method, collection: &str) -> bool {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        let names = |list: &[String], wanted: &str| list.iter().any(|name| name == "*" || plain(name) == plain(wanted));
        names(&self.methods, method) && names(&self.collections, collection)
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
}

/// The keys in a store.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeys;

impl ApiKeys {
    /// Makes a key and stores its hash. `expires_at` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The store or the system's random numbers fail.
    pub async fn create(
        store: &dyn Store,
        name: &str,
        scopes: &Scopes,
        expires_at: Option<i64>,
    ) -> Result<NewKey, ApiKeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| ApiKeyError::Random(error.to_string()))?;
        let key = URL_SAFE_NO_PAD.encode(bytes);
        let id = put(store, &key, name, scopes, expires_at).await?;
        Ok(NewKey { key, id })
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
        put(store, key, "initial", &Scopes::all(), None).await?;
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

async fn put(
    store: &dyn Store,
    key: &str,
    name: &str,
    scopes: &Scopes,
    expires_at: Option<i64>,
) -> Result<String, StoreError> {
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
    store.put(Collection::ApiKeys, &id, document).await?;
    Ok(id)
}

/// A key's document as it is stored. One that cannot be read in every part is no key: an expiry or a scope that was lost must not
/// widen it.
fn info(document: &Json) -> Option<KeyInfo> {
    let text = |field: &str| document.get(field).and_then(Json::as_str);
    let expires_at = match document.get("expires") {
        None | Some(Json::Null) => None,
        Some(expires) => Some(parse_date_time(expires.as_str()?)?),
    };
    Some(KeyInfo {
        id: text("_id")?.to_owned(),
        name: text("name").unwrap_or_default().to_owned(),
        scopes: Scopes::deserialize(document.get("scopes")?).ok()?,
        created_at: text("created").and_then(parse_date_time).unwrap_or_default(),
        expires_at,
    })
}

fn hash(key: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(key.as_bytes()))
}

/// What tells keys apart in the throttle, without being one.
pub(crate) fn fingerprint(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The keys that a request presents, in any of the ways that clients know.
#[derive(Debug, PartialEq)]
pub(crate) struct Presented(pub Vec<String>);

impl Presented {
    /// `X-API-Key: KEY`, `Authorization: Bearer KEY`, or `Authorization: Basic …` with the key as password and any user name.
    pub fn of(headers: &HeaderMap) -> Presented {
        let mut keys: Vec<String> = Vec::new();
        let api_keys = headers.get_all("x-api-key").iter().filter_map(|value| value.to_str().ok());
        keys.extend(api_keys.map(|key| key.trim().to_owned()));
        for value in headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok()) {
            let Some((scheme, credentials)) = value.trim().split_once(' ') else { continue };
            let credentials = credentials.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                keys.push(credentials.to_owned());
            } else if scheme.eq_ignore_ascii_case("basic") {
                keys.extend(basic_password(credentials));
            }
        }
        keys.retain(|key| !key.is_empty());
        // A request is one guess, or two: not a list of them.
        keys.truncate(2);
        Presented(keys)
    }
}

fn basic_password(credentials: &str) -> Option<String> {
    let bytes = STANDARD.decode(credentials).or_else(|_| STANDARD_NO_PAD.decode(credentials)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
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
        ] {
            let mut document = good.clone();
            document[field] = value;
            assert_eq!(info(&document), None, "{document}");
        }
    }

    #[test]
    fn keys_are_found_in_every_header() {
        let presented = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (hyper::header::HeaderName::from_static(name), hyper::header::HeaderValue::from_str(value).unwrap())
            });
            Presented::of(&headers.collect()).0
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(presented(&[("x-api-key", " k ")]), ["k"]);
        assert_eq!(presented(&[("authorization", "bearer k")]), ["k"]);
        assert_eq!(presented(&[("authorization", &basic("anyone:k:with:colons"))]), ["k:with:colons"]);
        assert_eq!(presented(&[("authorization", &basic(":k")), ("x-api-key", "l")]), ["l", "k"]);
        for value in ["Basic !", "Basic", "Digest username=\"x\"", "Bearer ", "k", &basic("no colon")] {
            assert_eq!(presented(&[("authorization", value)]), [""; 0], "{value}");
        }
    }
}

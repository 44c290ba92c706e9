//! `GET /health`: whether this server can do its work, for load balancers and supervisors. Anybody may ask, so the answer tells
//! nothing but that, and asking often costs nothing: the store is looked at once a second at most.

use std::time::Duration;

use hyper::header::{ACCEPT, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::json;
use store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::answer::{Answer, Refusal};

/// How long an outcome holds.
const VALIDITY: Duration = Duration::from_secs(1);
/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of the last look.
#[derive(Debug, Default)]
pub struct HealthCheck(Mutex<Option<(Instant, Option<&'static str>)>>);

impl HealthCheck {
    /// GET `/health`
    pub async fn answer(
        &self,
        store: &dyn Store,
        is_closing: bool,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Answer, Refusal> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Refusal::MethodNotAllowed("GET, HEAD".to_owned()));
        }
        let closing = is_closing.then_some("the server is stopping");
        let reasons: Vec<&str> = closing.into_iter().chain(self.look(store).await).collect();
        let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(if accept.contains("application/json") {
            Answer::json(status, &json!({ "ready": reasons.is_empty(), "reasons": reasons }))
        } else if reasons.is_empty() {
            Answer::text(status, "OK")
        } else {
            Answer::text(status, format!("503 Service Unavailable: {}", reasons.join("; ")))
        })
    }

    /// What is wrong with the store. Who asks while somebody looks gets his outcome.
    async fn look(&self, store: &dyn Store) -> Option<&'static str> {
        let mut last = self.0.lock().await;
        if let Some((at, outcome)) = *last
            && at.elapsed() < VALIDITY
        {
            return outcome;
        }
        let outcome = match timeout(PATIENCE, store.health()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::error!(target: "nbi", %error, "the store is not healthy");
                Some(if matches!(error, StoreError::Closed) { "the store is closed" } else { "the store fails" })
            }
            Err(_) => Some("the store does not answer in time"),
        };
        *last = Some((Instant::now(), outcome));
        outcome
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::header::HeaderValue;
    use store::EmbeddedStore;

    use super::*;

    async fn ask(store: &dyn Store, is_closing: bool, accept: &'static str) -> (u16, String) {
        use http_body_util::BodyExt;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let answer = HealthCheck::default().answer(store, is_closing, &Method::GET, &headers).await.unwrap();
        let response = answer.into_response();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_or_not_and_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lodestar.db");
        let store = EmbeddedStore::open(&path).unwrap();
        let stopping = "503 Service Unavailable: the server is stopping";
        for (is_closing, accept, expected) in [
            (false, "*/*", (200, "OK")),
            (false, "application/json", (200, r#"{"ready":true,"reasons":[]}"#)),
            (true, "*/*", (503, stopping)),
            (true, "application/json", (503, r#"{"ready":false,"reasons":["the server is stopping"]}"#)),
        ] {
            let (status, text) = ask(&store, is_closing, accept).await;
            assert_eq!((status, text.as_str()), expected, "{is_closing} {accept}");
        }
        // A store that cannot be read says nothing of why to those who may be anybody.
        let readers = EmbeddedStore::open_read_only(&path).unwrap();
        drop(store);
        rename_tables(&path);
        assert_eq!(ask(&readers, false, "*/*").await, (503, "503 Service Unavailable: the store fails".to_owned()));
    }

    /// Makes a database unreadable.
    fn rename_tables(path: &std::path::Path) {
        std::fs::write(path, b"no database any more").unwrap();
    }

    #[tokio::test]
    async fn the_store_is_looked_at_once_in_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
        let check = HealthCheck::default();
        let before = store.statistics().await.unwrap().changes;
        for _ in 0..20 {
            check.answer(&store, false, &Method::GET, &HeaderMap::new()).await.unwrap();
        }
        assert_eq!(store.statistics().await.unwrap().changes - before, 1);
    }
}

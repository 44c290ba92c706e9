//! API keys, the throttle, and who may listen without them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use store::{Collection, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use ui_api::{ApiKeyError, ApiKeys, Nbi, NbiOptions, Scopes, serve};

use crate::fixture::Fixture;

#[tokio::test]
async fn without_a_key_nothing_is_told() {
    let fixture = Fixture::start().await;
    for (method, target) in [
        ("GET", "/devices"),
        ("GET", "/"),
        ("GET", "/nothing"),
        ("DELETE", "/devices/x"),
        ("POST", "/devices/x/tasks"),
        ("PATCH", "/"),
    ] {
        let answer = fixture.request_with(method, target, &[], "").await;
        assert_eq!(answer.status, 401, "{method} {target}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="), "{answer:?}");
    }
}

#[tokio::test]
async fn a_key_is_taken_in_every_header_that_clients_use() {
    let fixture = Fixture::start().await;
    let key = &fixture.key;
    let bearer = format!("Bearer {key}");
    let basic = format!("Basic {}", STANDARD.encode(format!("anyone:{key}")));
    for header in [("x-api-key", key), ("Authorization", &bearer), ("AUTHORIZATION", &basic)] {
        assert_eq!(fixture.request_with("GET", "/devices?limit=1", &[(header.0, header.1)], "").await.status, 200);
    }
    let basic_user = format!("Basic {}", STANDARD.encode(format!("{key}:")));
    for header in [("X-API-Key", "wrong"), ("Authorization", &basic_user), ("Authorization", key)] {
        assert_eq!(fixture.request_with("GET", "/devices?limit=1", &[header], "").await.status, 401);
    }
}

#[tokio::test]
async fn expired_and_revoked_keys_are_refused() {
    let fixture = Fixture::start().await;
    let now = chrono::Utc::now().timestamp_millis();
    let expired = fixture.new_key(&Scopes::all(), Some(now - 1)).await;
    let valid = fixture.new_key(&Scopes::all(), Some(now + 3_600_000)).await;
    let revoked = ApiKeys::create(&*fixture.store, "revoked", &Scopes::all(), None).await.unwrap();
    let status = async |key: &str| fixture.request_with("GET", "/devices", &[("X-API-Key", key)], "").await.status;
    assert_eq!(status(&expired).await, 401);
    assert_eq!(status(&valid).await, 200);
    assert_eq!(status(&revoked.key).await, 200);
    assert!(ApiKeys::revoke(&*fixture.store, &revoked.id).await.unwrap());
    assert_eq!(status(&revoked.key).await, 401);
}

#[tokio::test]
async fn keys_are_stored_as_hashes_only() {
    let fixture = Fixture::start().await;
    let new = ApiKeys::create(&*fixture.store, "billing", &Scopes::read_only(), Some(5)).await.unwrap();
    let document = fixture.store.get(Collection::ApiKeys, &new.id).await.unwrap().unwrap();
    assert!(!document.to_string().contains(&new.key), "{document}");
    assert!(new.key.len() >= 43, "256 bits need so many digits");
    let listed = ApiKeys::list(&*fixture.store).await.unwrap();
    let info = listed.iter().find(|info| info.id == new.id).unwrap();
    assert_eq!((info.name.as_str(), &info.scopes, info.expires_at), ("billing", &Scopes::read_only(), Some(5)));
}

#[tokio::test]
async fn the_first_start_makes_one_key() {
    let fixture = Fixture::start().await;
    assert_eq!(ApiKeys::ensure_initial(&*fixture.store, None).await.unwrap(), None);
    // There is a key: one that is given does not become valid.
    assert_eq!(ApiKeys::ensure_initial(&*fixture.store, Some("given".into())).await.unwrap(), None);
    assert_eq!(fixture.request_with("GET", "/devices", &[("X-API-Key", "given")], "").await.status, 401);

    let empty = || {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(store::EmbeddedStore::open(&directory.path().join("store.db")).unwrap());
        (directory, store)
    };
    let (_directory, store) = empty();
    assert_eq!(ApiKeys::ensure_initial(&*store, Some(" given\n".into())).await.unwrap(), None);
    assert!(ApiKeys::find(&*store, "given", 0).await.unwrap().is_some());
    let (_directory, store) = empty();
    for unusable in ["", " ", "a b", "é"] {
        let result = ApiKeys::ensure_initial(&*store, Some(unusable.into())).await;
        assert!(matches!(result, Err(ApiKeyError::Unusable)), "{unusable:?}");
    }
}

#[tokio::test]
async fn guessing_is_throttled_and_known_keys_go_on() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.request("GET", "/devices?limit=1", "").await.status, 200);
    let mut statuses = Vec::new();
    for guess in 0..40 {
        let answer = fixture.request_with("GET", "/devices", &[("X-API-Key", &format!("guess{guess}"))], "").await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert!(statuses.contains(&429), "{statuses:?}");
    // One that was right from here before still is; another, though right, has to wait.
    assert_eq!(fixture.request("GET", "/devices?limit=1", "").await.status, 200);
    let late = fixture.new_key(&Scopes::all(), None).await;
    let mut refused = false;
    for guess in 0..5 {
        fixture.request_with("GET", "/devices", &[("X-API-Key", &format!("more{guess}"))], "").await;
        refused |= fixture.request_with("GET", "/devices", &[("X-API-Key", &late)], "").await.status == 429;
    }
    assert!(refused);
}

#[tokio::test]
async fn an_open_nbi_asks_for_nothing_but_only_on_loopback() {
    let options = NbiOptions { open: true, ..NbiOptions::default() };
    let fixture = Fixture::start_with(options.clone()).await;
    let answer = fixture.request_with("GET", "/devices", &[], "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("hush"));
    assert_eq!(fixture.request_with("GET", "/devices", &[("Host", "evil.example")], "").await.status, 421);

    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let nbi = Arc::new(Nbi::new(fixture.store.clone(), options));
    let error = serve(listener, nbi, CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn allowed_host_names_are_answered_to() {
    let options = NbiOptions { allowed_hosts: vec!["acs.example.net".into()], ..NbiOptions::default() };
    let fixture = Fixture::start_with(options).await;
    let status = async |host: &str| {
        fixture.request_with("GET", "/devices", &[("Host", host), ("X-API-Key", &fixture.key)], "").await.status
    };
    assert_eq!(status("acs.example.net:7557").await, 200);
    assert_eq!(status("evil.example").await, 421);
}

//! Streams on a store in memory; whole requests are in the end-to-end tests.

use acs_core::change::{OutboxEvent, SessionChange};
use acs_core::device::DeviceHead;
use acs_core::query::Query;
use acs_core::tree::DeviceTree;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::Value as Json;
use store::{EmbeddedStore, Scope, StoreOptions};

use super::*;

/// A store that keeps about ten events beyond those that wait to be pruned together.
fn store(directory: &tempfile::TempDir) -> Arc<dyn Store> {
    let options = StoreOptions { outbox_length: 10, ..StoreOptions::default() };
    Arc::new(EmbeddedStore::open_with(&directory.path().join("lodestar.db"), options).unwrap())
}

fn event(kind: &str, device: &str) -> OutboxEvent {
    OutboxEvent { kind: kind.to_owned(), device: device.to_owned(), at: 1_000, detail: json!({"a": "b\nc"}) }
}

async fn add(store: &Arc<dyn Store>, kinds: &[&str]) {
    store.add_events(kinds.iter().map(|kind| event(kind, "d")).collect()).await.unwrap();
}

/// The store as somebody sees it who may see everything.
fn whole(store: &Arc<dyn Store>) -> ScopedStore {
    ScopedStore::new(store.clone(), Scope::everything())
}

async fn stream(store: &Arc<dyn Store>, feed: &Arc<EventFeed>, query: &str, last: Option<&'static str>) -> String {
    let mut headers = HeaderMap::new();
    if let Some(last) = last {
        headers.insert(LAST_EVENT_ID, last.parse().unwrap());
    }
    let answer = open(&whole(store), feed, &Parameters::parse(query), &headers, false).await.unwrap();
    let bytes = answer.into_response().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The events of a stream: (id, type, data).
fn blocks(text: &str) -> Vec<(String, String, Json)> {
    let block = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let data = field("data: ");
        (!data.is_empty()).then(|| (field("id: "), field("event: "), serde_json::from_str(&data).unwrap()))
    };
    text.split("\n\n").filter_map(block).collect()
}

fn ids(text: &str) -> Vec<i64> {
    blocks(text).iter().filter(|(_, kind, _)| kind.is_empty()).map(|(id, ..)| id.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_client_goes_on_behind_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let (store, feed) = (store(&directory), Arc::default());
    add(&store, &["task.queued", "task.done", "fault.created", "device.registered"]).await;
    let cases = [
        ("wait=0&after=0", None, vec![1, 2, 3, 4]),
        ("wait=0&after=2", None, vec![3, 4]),
        ("wait=0&after=4", None, vec![]),
        // What a client says that comes again is newer than its URL.
        ("wait=0&after=0", Some("3"), vec![4]),
        // Without a cursor, from now on.
        ("wait=0", None, vec![]),
        ("wait=0&after=0&kinds=task.*,device.registered", None, vec![1, 2, 4]),
        ("wait=0&after=0&kinds=fault.created", None, vec![3]),
        ("wait=0&after=0&device=d", None, vec![1, 2, 3, 4]),
        ("wait=0&after=0&device=e", None, vec![]),
    ];
    for (query, last, expected) in cases {
        assert_eq!(ids(&stream(&store, &feed, query, last).await), expected, "{query} {last:?}");
    }
    let all = stream(&store, &feed, "wait=0&after=3", None).await;
    let data = json!({"cursor": 4, "kind": "device.registered", "device": "d", "at": "1970-01-01T00:00:01.000Z", "detail": {"a": "b\nc"}});
    assert_eq!(blocks(&all), [("4".to_owned(), String::new(), data)]);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (store, feed) = (store(&directory), Arc::default());
    add(&store, &["x"; 20]).await;
    store.prune_events(15).await.unwrap();
    let text = stream(&store, &feed, "wait=0&after=7", None).await;
    let expected = json!({"reason": "pruned", "after": 7, "first": 16});
    assert_eq!(blocks(&text)[0], ("15".to_owned(), "gap".to_owned(), expected));
    assert_eq!(ids(&text), [16, 17, 18, 19, 20]);
    // Nothing is missing behind the last one that was pruned, nor from all that are kept.
    for query in ["wait=0&after=15", "wait=0&after=0"] {
        let text = stream(&store, &feed, query, None).await;
        assert!(!text.contains("gap"), "{text}");
        assert_eq!(ids(&text), [16, 17, 18, 19, 20]);
    }
    store.prune_events(20).await.unwrap();
    let text = stream(&store, &feed, "wait=0&after=18", None).await;
    assert_eq!(blocks(&text)[0].2, json!({"reason": "pruned", "after": 18, "first": 21}));
    assert!(!stream(&store, &feed, "wait=0&after=20", None).await.contains("gap"));
    // A cursor of another database, or of this one before an older state came back.
    let text = stream(&store, &feed, "wait=0&after=99", None).await;
    assert_eq!(
        blocks(&text),
        [("20".to_owned(), "gap".to_owned(), json!({"reason": "unknown", "after": 99, "last": 20}))]
    );
}

#[tokio::test]
async fn retention_is_enforced() {
    let directory = tempfile::tempdir().unwrap();
    let (store, feed) = (store(&directory), Arc::default());
    for _ in 0..30 {
        add(&store, &["x"; 100]).await;
    }
    let text = stream(&store, &feed, "wait=0&after=1", None).await;
    assert!(text.contains("\"pruned\""));
    let kept = ids(&text);
    assert!(kept.len() <= 1_110 && kept.last() == Some(&3_000), "{} are kept", kept.len());
}

#[tokio::test]
async fn many_clients_at_different_places_get_every_event_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions::default();
    let store: Arc<dyn Store> =
        Arc::new(EmbeddedStore::open_with(&directory.path().join("lodestar.db"), options).unwrap());
    let feed: Arc<EventFeed> = Arc::default();
    add(&store, &["early"; 300]).await;
    let follow = |after: i64| {
        let (store, feed) = (store.clone(), feed.clone());
        let query = format!("after={after}");
        tokio::spawn(async move {
            let answer =
                open(&whole(&store), &feed, &Parameters::parse(&query), &HeaderMap::new(), false).await.unwrap();
            let mut body = answer.into_response().into_body().into_data_stream();
            let (mut seen, mut text) = (Vec::new(), String::new());
            while seen.last() != Some(&5_300) {
                text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
                seen.extend(ids(&text));
                text.clear();
            }
            seen
        })
    };
    let clients: Vec<_> =
        [0, 1, 150, 299, 300].into_iter().cycle().take(40).map(|after| (after, follow(after))).collect();
    for _ in 0..50 {
        add(&store, &["late"; 100]).await;
    }
    for (after, client) in clients {
        let expected: Vec<i64> = (after.max(0) + 1..=5_300).collect();
        assert_eq!(client.await.unwrap(), expected, "after {after}");
    }
    assert_eq!(feed.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_life_and_moves_the_cursor() {
    let directory = tempfile::tempdir().unwrap();
    let (store, feed) = (store(&directory), Arc::default());
    let parameters = Parameters::parse("kinds=wanted");
    let answer = open(&whole(&store), &feed, &parameters, &HeaderMap::new(), false).await.unwrap();
    let mut body = answer.into_response().into_body().into_data_stream();
    let mut next = async || String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert_eq!(next().await, "retry: 2000\nid: 0\n\n");
    assert_eq!(next().await, ":\n\n");
    add(&store, &["other"]).await;
    assert_eq!(next().await, ":\nid: 1\n\n");
    feed.close();
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (store, feed) = (store(&directory), Arc::default());
    for (query, last, expected) in [
        ("after=x", None, "after must be"),
        ("after=-1", None, "after must be"),
        ("after=99999999999999999999", None, "after must be"),
        ("", Some("x"), "Last-Event-ID must be"),
        ("kinds=*.done", None, "kinds"),
        ("wait=-1", None, "wait must be"),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert(LAST_EVENT_ID, hyper::header::HeaderValue::from_static(last));
        }
        let refused = open(&whole(&store), &feed, &Parameters::parse(query), &headers, false).await.unwrap_err();
        assert!(matches!(&refused, Refusal::BadRequest(message) if message.contains(expected)), "{query}: {refused:?}");
    }
}

#[tokio::test]
async fn whoever_sees_some_devices_gets_their_events() {
    let directory = tempfile::tempdir().unwrap();
    let (store, feed) = (store(&directory), Arc::default());
    for id in ["mine", "theirs"] {
        let head = DeviceHead { id: id.to_owned(), ..DeviceHead::default() };
        store.commit_session(SessionChange::first(head, DeviceTree::default())).await.unwrap();
        store.add_events(vec![event("x", id), event("y", id)]).await.unwrap();
    }
    store.add_events(vec![event("store.restored", "")]).await.unwrap();
    let limited = ScopedStore::new(store, Scope::of(Query::equal("_id", "mine"), Query::True));
    let parameters = Parameters::parse("after=0&wait=0");
    let answer = open(&limited, &feed, &parameters, &HeaderMap::new(), false).await.unwrap();
    let bytes = answer.into_response().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(ids(std::str::from_utf8(&bytes).unwrap()), [1, 2, 5]);
}

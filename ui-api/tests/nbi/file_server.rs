//! The file server as devices see it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use store::{EmbeddedStore, FileMetadata, Find, Listing, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use ui_api::{Direction, FileServer, Grant, UrlSigner, content_mark, serve_files};

use crate::client::{self, Answer};

pub const DEVICE: &str = "0A1B2C-Box%20X-1";
/// When the tests happen.
pub const NOW: i64 = 1_700_000_000_000;
/// When the file was uploaded: Tue, 14 Nov 2023 22:12:20 GMT and a bit.
const UPLOADED: i64 = NOW - 59_500;
const UPLOADED_TEXT: &str = "Tue, 14 Nov 2023 22:12:20 GMT";

pub struct Server {
    pub address: SocketAddr,
    pub store: Arc<dyn Store>,
    _stop: DropGuard,
    _directory: TempDir,
}

impl Server {
    /// With the file `fw 1.bin`, whose content is `0123456789`.
    pub async fn start(change: impl FnOnce(FileServer) -> FileServer) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&directory.path().join("store.db")).unwrap());
        let files = Arc::new(change(FileServer::new(store.clone(), signer(), || NOW)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve_files(listener, None, files, stop.clone()));
        let server = Server { address, store, _stop: stop.drop_guard(), _directory: directory };
        server.put("fw 1.bin", b"0123456789").await;
        server
    }

    async fn put(&self, name: &str, content: &[u8]) {
        let metadata = FileMetadata { name: name.into(), uploaded_at: UPLOADED, ..FileMetadata::default() };
        let mut file = self.store.create_file(metadata).await.unwrap();
        file.write(content).await.unwrap();
        file.finish().await.unwrap();
    }

    /// What allows the device to fetch a file as it is now.
    pub async fn grant(&self, name: &str) -> Grant {
        let file = self.store.get_file(name).await.unwrap();
        Grant {
            direction: Direction::Fetch,
            device_id: DEVICE.into(),
            command_key: "key1".into(),
            expires_at: NOW,
            content: file.map(|file| content_mark(&file.sha256).to_owned()).unwrap_or_default(),
            file_name: name.into(),
        }
    }

    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        client::request(self.address, method, path, &headers, b"").await
    }
}

fn signer() -> UrlSigner {
    UrlSigner::new([7; 32])
}

pub fn path(grant: &Grant) -> String {
    format!("/{}", signer().path(grant))
}

#[tokio::test]
async fn a_file_is_served_whole_in_part_or_not_again() {
    let server = Server::start(|files| files).await;
    let path = path(&server.grant("fw 1.bin").await);
    let tag = server.request("GET", &path, &[]).await.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let (tag, none) = (tag.as_str(), None);
    // Method, headers; status, Content-Length, Content-Range, body.
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16, &'a str, Option<&'a str>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("GET", vec![], 200, "10", none, "0123456789"),
        ("HEAD", vec![], 200, "10", none, ""),
        ("HEAD", vec![("Range", "bytes=2-4")], 200, "10", none, ""),
        ("GET", vec![("Range", "bytes=2-4")], 206, "3", Some("bytes 2-4/10"), "234"),
        ("GET", vec![("Range", "bytes=7-")], 206, "3", Some("bytes 7-9/10"), "789"),
        ("GET", vec![("Range", "bytes=-4")], 206, "4", Some("bytes 6-9/10"), "6789"),
        ("GET", vec![("Range", "bytes=0-99")], 206, "10", Some("bytes 0-9/10"), "0123456789"),
        ("GET", vec![("Range", "bytes=10-")], 416, "0", Some("bytes */10"), ""),
        ("GET", vec![("Range", "bytes=4-2")], 416, "0", Some("bytes */10"), ""),
        ("GET", vec![("Range", "bytes=0-1,5-6")], 200, "10", none, "0123456789"),
        ("GET", vec![("Range", "bytes=7-"), ("If-Range", tag)], 206, "3", Some("bytes 7-9/10"), "789"),
        ("GET", vec![("Range", "bytes=7-"), ("If-Range", UPLOADED_TEXT)], 206, "3", Some("bytes 7-9/10"), "789"),
        ("GET", vec![("Range", "bytes=7-"), ("If-Range", "\"other\"")], 200, "10", none, "0123456789"),
        ("GET", vec![("If-Match", tag)], 200, "10", none, "0123456789"),
        ("GET", vec![("If-Match", "\"other\"")], 412, "0", none, ""),
        ("GET", vec![("If-Unmodified-Since", "Tue, 14 Nov 2023 22:12:19 GMT")], 412, "0", none, ""),
        ("GET", vec![("If-Modified-Since", "Tue, 14 Nov 2023 22:12:19 GMT")], 200, "10", none, "0123456789"),
        ("GET", vec![("Range", "bytes=7-"), ("If-Match", "\"other\"")], 412, "0", none, ""),
    ];
    for (method, headers, status, length, range, body) in cases {
        let answer = server.request(method, &path, &headers).await;
        let case = format!("{method} {headers:?}: {answer:?}");
        assert_eq!(answer.status, status, "{case}");
        assert_eq!(answer.header("content-length"), Some(length), "{case}");
        assert_eq!(answer.header("content-range"), range, "{case}");
        assert_eq!(answer.body, body, "{case}");
        assert_eq!(answer.header("etag"), Some(tag), "{case}");
        assert_eq!(answer.header("last-modified"), Some(UPLOADED_TEXT), "{case}");
        if matches!(status, 200 | 206) {
            assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{case}");
            assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{case}");
        }
    }
    for headers in [[("If-None-Match", tag)], [("If-Modified-Since", UPLOADED_TEXT)]] {
        for method in ["GET", "HEAD"] {
            let answer = server.request(method, &path, &headers).await;
            assert_eq!((answer.status, answer.header("etag")), (304, Some(tag)), "{method} {headers:?}");
        }
    }
}

/// Waits until something is so.
pub async fn eventually<T, Asked: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> Asked) -> T {
    for _ in 0..1_000 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

/// The device's only transfer, as the NBI shows it.
pub async fn transfer(store: &dyn Store) -> Json {
    let list = store.find(Listing::Transfers, Find::default()).await.unwrap().collect().await.unwrap();
    assert!(list.len() <= 1, "{list:?}");
    list.into_iter().next().unwrap_or_default()
}

#[tokio::test]
async fn a_fetch_in_parts_is_in_the_transfers_record() {
    let server = Server::start(|files| files).await;
    let path = path(&server.grant("fw 1.bin").await);
    server.request("HEAD", &path, &[]).await;
    assert_eq!(transfer(&*server.store).await, Json::Null, "nothing is fetched by HEAD");
    server.request("GET", &path, &[("Range", "bytes=0-3")]).await;
    let moved = async |bytes: u64| {
        let record = transfer(&*server.store).await;
        (record["movement"]["bytes"] == bytes).then_some(record)
    };
    let record = eventually("the first part", || moved(4)).await;
    assert_eq!((&record["_id"], &record["state"]), (&json!("0A1B2C-Box%20X-1:key1"), &json!("requested")));
    server.request("GET", &path, &[("Range", "bytes=2-6")]).await;
    eventually("the second part", || moved(7)).await;
    assert!(fetched(&server).await.is_none());
    server.request("GET", &path, &[("Range", "bytes=7-")]).await;
    let movement = &eventually("the last part", || moved(10)).await["movement"];
    let expected = json!({
        "firstAt": "2023-11-14T22:13:20.000Z", "lastAt": "2023-11-14T22:13:20.000Z", "requests": 3, "lastStatus": 206,
        "remoteAddress": "127.0.0.1", "bytes": 10, "length": 10, "complete": true,
    });
    assert_eq!(*movement, expected);
    let event = eventually("the event", || fetched(&server)).await;
    assert_eq!(event, json!({"transfer": "0A1B2C-Box%20X-1:key1", "bytes": 10}));

    server.put("fw 1.bin", b"replaced").await;
    assert_eq!(server.request("GET", &path, &[]).await.status, 404);
    assert_eq!(
        transfer(&*server.store).await["movement"]["lastStatus"],
        404,
        "the record tells why the device has nothing"
    );
}

async fn fetched(server: &Server) -> Option<Json> {
    let events = server.store.events_after(0, 100).await.unwrap();
    events.into_iter().find(|stored| stored.event.kind == "transfer.fetched").map(|stored| stored.event.detail)
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let server = Server::start(|files| files).await;
    let path = path(&server.grant("fw 1.bin").await);
    for method in ["PUT", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = server.request(method, &path, &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[tokio::test]
async fn only_what_a_path_was_signed_for_is_served() {
    let server = Server::start(|files| files).await;
    server.put("secret.cfg", b"password").await;
    let grant = server.grant("fw 1.bin").await;
    let good = path(&grant);
    let other_key = format!("/{}", UrlSigner::new([8; 32]).path(&grant));
    let cases = [
        (good.clone(), 200),
        // Another spelling of the same name.
        (good.replace("fw%201.bin", "%66w%201%2Ebin"), 200),
        (path(&Grant { expires_at: NOW - 1, ..grant.clone() }), 403),
        (path(&Grant { content: String::new(), ..grant.clone() }), 404),
        (path(&Grant { direction: Direction::Send, ..grant.clone() }), 405),
        (path(&Grant { file_name: "nothing".into(), ..grant.clone() }), 404),
        (other_key, 403),
        (good.replace("0A1B2C", "0A1B2D"), 403),
        (good.replace("key1", "key2"), 403),
        (good.replace("fw%201.bin", "secret.cfg"), 403),
        (good.replace("fw%201.bin", "../../../../secret.cfg"), 403),
        (good.replace("fw%201.bin", "..%2fsecret.cfg"), 403),
        (good.replace("fw%201.bin", "fw%25201.bin"), 403),
        (good.replace("fw%201.bin", "fw%201.bin%00"), 403),
        (good.replace("fw%201.bin", "%c3%28"), 404),
        ("/secret.cfg".to_owned(), 404),
        ("//secret.cfg".to_owned(), 404),
        ("/d/../secret.cfg".to_owned(), 404),
        ("/".to_owned(), 404),
    ];
    for (path, status) in cases {
        let answer = server.request("GET", &path, &[]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(!answer.body.contains("password"), "{path}");
    }
    // A file that has got the name since is another file.
    server.put("fw 1.bin", b"abcdefghij").await;
    for method in ["GET", "HEAD"] {
        assert_eq!(server.request(method, &good, &[]).await.status, 404, "{method}");
    }
    let now = path(&server.grant("fw 1.bin").await);
    assert_eq!(server.request("GET", &now, &[]).await.body, "abcdefghij");
}

#[tokio::test]
async fn plain_paths_are_served_when_they_are_allowed() {
    let server = Server::start(FileServer::with_plain_paths).await;
    server.put("d/x.cfg", b"in a folder").await;
    let cases =
        [("/fw%201.bin", 200), ("/fw%201.bi%6e", 200), ("/d/x.cfg", 200), ("/nothing", 404), ("/", 404), ("/%ff", 404)];
    for (path, status) in cases {
        assert_eq!(server.request("GET", path, &[]).await.status, status, "{path}");
    }
    // A signature that is there must be right.
    let expired = Grant { expires_at: NOW - 1, ..server.grant("fw 1.bin").await };
    assert_eq!(server.request("GET", &path(&expired), &[]).await.status, 403);
}

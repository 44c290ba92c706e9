//! Requests that are not quite HTTP (trap: raw JSON in the request target).

use crate::client::exchange;
use crate::fixture::{Fixture, HOME_BOX, OFFLINE, SILENT};

#[tokio::test]
async fn raw_json_works_in_every_request_of_a_connection() {
    let fixture = Fixture::start().await;
    let key = &fixture.key;
    let line_in_body = "GET /devices/?query={\"_id\":\"x\"} HTTP/1.1\r\n";
    let requests = [
        format!(
            "GET /devices/?query={{\"_id\":\"{OFFLINE}\"}} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n"
        ),
        // With spaces, and a body that looks like a request.
        format!(
            "PUT /provisions/raw?x={{\"a\": [1, 2]}} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: {}\r\n\r\n// {line_in_body}",
            line_in_body.len() + 3
        ),
        format!(
            "POST /devices/{SILENT}/tags/<b> HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{{ }}\r\n0\r\n\r\n"
        ),
        format!(
            "GET /devices/?query={{\"_tags\": \"<b>\"}}&projection=_id HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n"
        ),
        format!("GET /provisions/raw HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n"),
    ];
    let answers = exchange(fixture.address, requests.concat().as_bytes(), requests.len()).await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200; 5], "{answers:?}");
    assert_eq!(answers[0].ids(), [OFFLINE]);
    assert_eq!(answers[3].ids(), [SILENT]);
    assert_eq!(answers[4].json()["script"], format!("// {line_in_body}"));
}

#[tokio::test]
async fn a_request_line_may_come_in_pieces() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fixture = Fixture::start().await;
    let request = format!(
        "HEAD /devices?query={{\"_id\":\"{HOME_BOX}\"}} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\nConnection: close\r\n\r\n",
        fixture.key
    );
    let mut stream = tokio::net::TcpStream::connect(fixture.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in request.as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // The ID's own escapes were decoded as the target's: still the one device that is meant.
    assert!(answer.contains("total: 1\r\n"), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_harms_nobody() {
    let fixture = Fixture::start().await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "{".repeat(300_000));
    let garbage =
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "G{T / HTTP/1.1\r\n\r\n", long.as_str()];
    for bytes in garbage {
        for answer in exchange(fixture.address, bytes.as_bytes(), 1).await {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    assert_eq!(fixture.request("GET", "/health", "").await.status, 200);
}

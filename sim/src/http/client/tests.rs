//! The client against scripted servers.
#![allow(clippy::unwrap_used)]

use tokio::net::TcpListener;

use super::*;

/// Serves the given answers in turn, one list per connection; returns the heads it got.
async fn serve(connections: Vec<Vec<&'static str>>) -> (Client, tokio::task::JoinHandle<Vec<(Head, Vec<u8>)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/acs", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answers in connections {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = Connection::new(stream);
            for answer in answers {
                let head = connection.read_head().await.unwrap().unwrap();
                let body = connection.read_body(&head, false).await.unwrap();
                seen.push((head, body));
                connection.write(answer.as_bytes()).await.unwrap();
            }
        }
        seen
    });
    let credentials = Credentials { username: "u".into(), password: "p".into() };
    (Client::new(url, credentials, Duration::from_secs(20)), server)
}

#[tokio::test]
async fn answers_in_every_framing_are_read_on_one_connection() {
    let (mut client, server) = serve(vec![vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nSet-Cookie: s=1; Path=/\r\n\r\nabc",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nabc",
    ]])
    .await;
    for expected in ["abc", "abc", "", "abc"] {
        let response = client.send(Method::Post, Body::Sized(b"<x/>")).await.unwrap();
        assert_eq!(response.text(), expected);
    }
    let seen = server.await.unwrap();
    assert_eq!(seen[0].0.header("Cookie"), None);
    assert_eq!(seen[1].0.header("cookie"), Some("s=1"));
    let (sent, received) = client.traffic();
    assert!(sent > 400 && received > 200, "{sent} {received}");
}

#[tokio::test]
async fn bodies_are_sent_in_the_wanted_framing() {
    const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    let (mut client, server) = serve(vec![vec![EMPTY; 4]]).await;
    let long = vec![b'x'; 5_000];
    for body in [Body::Unframed, Body::Sized(b""), Body::Chunked(&long), Body::Sized(&long)] {
        client.send(Method::Post, body).await.unwrap();
    }
    let seen = server.await.unwrap();
    assert_eq!(seen[0].0.header("Content-Length"), None);
    assert_eq!(seen[1].0.header("Content-Length"), Some("0"));
    assert_eq!(seen[1].0.header("Content-Type"), None);
    assert_eq!(seen[2].0.header("Transfer-Encoding"), Some("chunked"));
    assert!(seen[2].1 == long && seen[3].1 == long);
}

#[tokio::test]
async fn digest_is_answered_and_then_sent_unasked_with_growing_nc() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (mut client, server) = serve(vec![vec![
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n",
        OK,
        OK,
    ]])
    .await;
    for _ in 0..2 {
        let response = client.send(Method::Post, Body::Sized(b"<x/>")).await.unwrap();
        assert_eq!(response.status, 200);
    }
    let seen = server.await.unwrap();
    let challenge = Challenge { realm: "r".into(), nonce: "n".into(), qop_auth: true, ..Challenge::default() };
    let signed = Signed { username: "u", password: "p", method: "POST", uri: "/acs" };
    assert_eq!(seen[0].0.header("Authorization"), None);
    for (at, count) in [(1, "nc=00000001"), (2, "nc=00000002")] {
        let header = seen[at].0.header("Authorization");
        assert_eq!(challenge.verify(header, signed), Ok(()));
        assert!(header.unwrap().contains(count));
    }
}

#[tokio::test]
async fn basic_is_answered_and_wrong_credentials_end_with_401() {
    const BASIC: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n";
    let (mut client, server) = serve(vec![vec![BASIC; 2]]).await;
    let response = client.send(Method::Post, Body::Sized(b"")).await.unwrap();
    assert_eq!(response.status, 401);
    let seen = server.await.unwrap();
    assert_eq!(seen[1].0.header("Authorization"), Some("Basic dTpw"));
}

#[tokio::test]
async fn a_closed_connection_is_replaced_but_an_unanswered_first_request_is_an_error() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (mut client, server) = serve(vec![vec![OK], vec![OK]]).await;
    for _ in 0..2 {
        assert_eq!(client.send(Method::Post, Body::Sized(b"x")).await.unwrap().text(), "ok");
    }
    server.await.unwrap();

    let (mut client, server) = serve(vec![vec![""]]).await;
    let error = client.send(Method::Post, Body::Sized(b"x")).await.unwrap_err();
    assert!(matches!(error, HttpError::Closed(_)), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn broken_answers_are_errors() {
    for answer in [
        "FTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    ] {
        let (mut client, server) = serve(vec![vec![answer]]).await;
        assert!(client.send(Method::Post, Body::Sized(b"x")).await.is_err(), "{answer}");
        server.await.unwrap();
    }
}

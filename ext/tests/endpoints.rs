//! HTTP endpoints of the configuration.
#![allow(clippy::unwrap_used)]

mod kit;

use std::sync::Arc;
use std::time::Duration;

use ext::{ConfigError, Extensions, HttpEndpoint};
use kit::{Directory, call, fault};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Answers one request with these bytes; gives the request.
async fn serve(answer: impl Into<Vec<u8>>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/lookup?key=k-1", listener.local_addr().unwrap());
    let answer = answer.into();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        // The client may hang up on an answer that is too long.
        let _ = stream.write_all(&answer).await;
        String::from_utf8(request).unwrap()
    });
    (url, serving)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() >= length.parse().unwrap()
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn extensions(endpoint: HttpEndpoint) -> Extensions {
    let directory = Directory::new();
    let mut config = directory.config();
    config.max_output = 1000;
    config.endpoints.insert("books".to_owned(), endpoint);
    Extensions::new(config).unwrap()
}

#[tokio::test]
async fn arguments_are_posted_and_the_answer_is_the_result() {
    let (url, serving) = serve(http("200 OK", r#"{"plan":"gold"}"#)).await;
    let mut endpoint = HttpEndpoint::new(url);
    endpoint.headers.insert("Authorization".to_owned(), "Bearer sesame".into());
    let result = extensions(endpoint).call(vec![json!("books"), json!("SN1"), json!(2)]).await;
    assert_eq!(result, Ok(json!({"plan": "gold"})));
    let request = serving.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /lookup?key=k-1 http/1.1\r\n"), "{head}");
    for line in ["content-type: application/json", "authorization: bearer sesame", "host: 127.0.0.1:"] {
        assert!(head.contains(&format!("\r\n{line}")), "{head}");
    }
    assert_eq!(body, r#"{"arguments":["SN1",2]}"#);
}

/// Answers one request over TLS; gives the port, and the certificate that is to be trusted.
async fn serve_encrypted(host: &str) -> (u16, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // The client may refuse the certificate.
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
        let mut request = Vec::new();
        while !is_whole(&request) {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        stream.write_all(http("200 OK", r#"{"plan":"gold"}"#).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    (port, cert.pem())
}

#[tokio::test]
async fn https_endpoints_are_asked_when_their_certificate_is_trusted_for_their_name() {
    let directory = Directory::new();
    let trusted = directory.path("books.pem");
    for (host, expected) in [("localhost", Ok(())), ("other.example", Err("not valid for name"))] {
        let (port, certificate) = serve_encrypted(host).await;
        std::fs::write(&trusted, certificate).unwrap();
        let mut endpoint = HttpEndpoint::new(format!("https://localhost:{port}/lookup"));
        endpoint.ca_file = Some(trusted.clone());
        match (extensions(endpoint).call(vec![json!("books")]).await, expected) {
            (Ok(result), Ok(())) => assert_eq!(result, json!({"plan": "gold"})),
            (Err(fault), Err(reason)) => assert!(fault.message.contains(reason), "{host}: {}", fault.message),
            (other, _) => panic!("{host}: {other:?}"),
        }
    }
    // The certificate of another server is not trusted, whatever name it has.
    let (port, _) = serve_encrypted("localhost").await;
    let mut endpoint = HttpEndpoint::new(format!("https://localhost:{port}/lookup"));
    endpoint.ca_file = Some(trusted);
    let fault = extensions(endpoint).call(vec![json!("books")]).await.unwrap_err();
    assert!(fault.message.contains("is not trusted"), "{}", fault.message);
}

#[tokio::test]
async fn an_endpoint_comes_before_a_file_of_its_name() {
    let (url, serving) = serve(http("204 No Content", "")).await;
    let directory = Directory::new();
    directory.program("books", "exit 1");
    let mut config = directory.config();
    config.endpoints.insert("books".to_owned(), HttpEndpoint::new(url));
    assert_eq!(call(&Extensions::new(config).unwrap(), &["books"]).await, Ok(json!(null)));
    serving.await.unwrap();
}

#[tokio::test]
async fn everything_but_json_with_a_success_is_a_fault() {
    let reported = r#"{"error":{"name":"NoCustomer","message":"not in the books"}}"#;
    let cases = [
        (http("503 Service Unavailable", "busy"), "ext", "its endpoint answered 503 Service Unavailable"),
        (http("302 Found", ""), "ext", "its endpoint answered 302 Found (redirects are not followed)"),
        (http("404 Not Found", reported), "ext.NoCustomer", "not in the books"),
        (http("200 OK", "<html>"), "ext", "its endpoint sent an answer that is not JSON: "),
        (
            http("200 OK", &format!("\"{}\"", "x".repeat(2000))),
            "ext",
            "its endpoint sent an answer of more than 1000 bytes",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n\"cut".to_owned(), "ext", "its endpoint broke off its answer: "),
        ("nonsense\r\n\r\n".to_owned(), "ext", "its endpoint did not answer: "),
        (String::new(), "ext", "its endpoint did not answer: "),
    ];
    for (answer, code, expected) in cases {
        let (url, _serving) = serve(answer.clone()).await;
        let (found, message) = fault(&extensions(HttpEndpoint::new(url)), &["books"]).await;
        assert_eq!(found, code, "{answer}");
        assert!(message.starts_with(&format!("extension 'books': {expected}")), "{answer}: {message}");
    }
}

#[tokio::test]
async fn the_detail_of_a_refusal_shows_status_and_body() {
    let (url, _serving) = serve(http("500 Internal Server Error", &"é".repeat(400))).await;
    let fault = call(&extensions(HttpEndpoint::new(url)), &["books"]).await.unwrap_err();
    assert_eq!(fault.detail, Some(json!({"extension": "books", "status": 500, "body": "é".repeat(300)})));
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (code, message) = fault(&extensions(HttpEndpoint::new(url)), &["books"]).await;
    assert_eq!(code, "ext");
    assert!(message.starts_with("extension 'books': its endpoint cannot be reached: "), "{message}");
}

#[tokio::test]
async fn an_endpoint_has_its_own_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut endpoint = HttpEndpoint::new(format!("http://{}/", listener.local_addr().unwrap()));
    endpoint.timeout = Some(Duration::from_millis(50));
    let expected = "Extension timed out: 'books' did not answer within 50 ms";
    assert_eq!(fault(&extensions(endpoint), &["books"]).await, ("timeout".to_owned(), expected.to_owned()));
}

#[test]
fn endpoints_that_cannot_work_are_refused_at_the_start() {
    let build = |name: &str, change: &dyn Fn(&mut HttpEndpoint)| {
        let mut config = Directory::new().config();
        let mut endpoint = HttpEndpoint::new("http://books.example/");
        change(&mut endpoint);
        config.endpoints.insert(name.to_owned(), endpoint);
        Extensions::new(config).map(|_| ())
    };
    assert_eq!(build("books", &|_| ()), Ok(()));
    for url in
        ["ftp://books.example/", "books.example", "/path", "http://", "http://user:pass@books.example/", "http://a b/"]
    {
        let error = build("books", &|endpoint| endpoint.url = url.to_owned()).unwrap_err();
        assert!(matches!(error, ConfigError::Url { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("pass"), "{error}");
    }
    let error = build("books", &|endpoint| endpoint.method = "GET".to_owned()).unwrap_err();
    assert_eq!(error.to_string(), "extension endpoint \"books\": method \"GET\" is not one of POST, PUT, PATCH");
    for (header, value) in [("X Y", "v"), ("Host", "v"), ("Content-Length", "1"), ("X-Y", "se\ncret")] {
        let error = build("books", &|endpoint| {
            endpoint.headers.insert(header.to_owned(), value.into());
        })
        .unwrap_err();
        assert!(matches!(error, ConfigError::Header { .. }), "{header}: {error}");
        assert!(!error.to_string().contains("cret"), "{error}");
    }
    let error = build("books", &|endpoint| {
        endpoint.url = "https://books.example/".to_owned();
        endpoint.ca_file = Some("/nowhere/ca.pem".into());
    })
    .unwrap_err();
    assert!(matches!(error, ConfigError::Trust { .. }) && error.to_string().contains("/nowhere/ca.pem"), "{error}");
    assert!(matches!(build("../books", &|_| ()), Err(ConfigError::Name { .. })));
    let mut config = Directory::new().config();
    config.max_concurrent = 0;
    assert_eq!(Extensions::new(config).map(|_| ()), Err(ConfigError::Zero { limit: "max_concurrent" }));
}

#[test]
fn secrets_are_not_shown() {
    let mut endpoint = HttpEndpoint::new("http://books.example/lookup?key=sesame");
    endpoint.headers.insert("Authorization".to_owned(), "Bearer sesame".into());
    assert!(format!("{endpoint:?}").contains("http://books.example/lookup"));
    assert!(!format!("{endpoint:?}").contains("sesame"));
    assert!(!format!("{:?}", HttpEndpoint::new("http://user:sesame@books.example/")).contains("sesame"));
    assert!(!format!("{:?}", extensions(endpoint)).contains("sesame"));
}

#[test]
fn an_endpoint_is_read_from_the_configuration() {
    let text = json!({"url": "http://books.example/", "headers": {"X-Key": "k"}, "timeout_ms": 500});
    let endpoint: HttpEndpoint = serde_json::from_value(text).unwrap();
    assert_eq!(endpoint.method, "POST");
    assert_eq!(endpoint.timeout, Some(Duration::from_millis(500)));
    assert_eq!(endpoint.headers["X-Key"].reveal(), "k");
    assert!(serde_json::from_value::<HttpEndpoint>(json!({"url": "http://x/", "methods": "PUT"})).is_err());
}

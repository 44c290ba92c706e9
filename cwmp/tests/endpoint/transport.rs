//! HTTP: methods, framing, compression, character sets, keep-alive.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use tokio::io::AsyncWriteExt;

use super::kit::*;

#[tokio::test]
async fn only_post_is_allowed_on_any_path() {
    let server = Server::start(Scripts::none()).await;
    for method in ["GET", "PUT", "OPTIONS", "DELETE", "PROPFIND"] {
        let mut device = server.device("1").await;
        let answer = device.send(format!("{method} / HTTP/1.1\r\nHost: acs\r\n\r\n").as_bytes()).await;
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("POST")), "{method}");
        assert!(answer.closes());
        assert!(device.closed().await.is_empty(), "{method}");
    }
    for target in ["/", "/acs", "/a/b?c=d", "http://acs/x", "*"] {
        let mut device = server.device("1").await;
        let request = format!("POST {target} HTTP/1.1\r\nHost: acs\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(device.send(request.as_bytes()).await.status, 204, "{target}");
    }
}

#[tokio::test]
async fn every_form_of_nothing_is_the_empty_message() {
    let server = Server::start(Scripts::none()).await;
    let forms = [
        "\r\n",
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 3\r\n\r\n \r\n",
        "Content-Type:\r\nContent-Length: 1\r\n\r\n\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\nX-Trailer: 1\r\n\r\n",
    ];
    let mut device = server.device("1").await;
    for form in forms {
        // Before the Inform: nothing to say, and no session.
        let request = |cookie: &str| format!("POST / HTTP/1.1\r\nHost: acs\r\n{cookie}{form}");
        let answer = device.send(request("").as_bytes()).await;
        assert_eq!((answer.status, answer.closes()), (204, false), "{form:?}");
        assert!(answer.cookie().is_none());
        // After it: the device has nothing more to say.
        assert_eq!(device.inform().await.rpc(), "InformResponse");
        let cookie = format!("Cookie: {}\r\n", device.cookie.clone().unwrap());
        assert_eq!(device.send(request(&cookie).as_bytes()).await.status, 204, "{form:?}");
        assert!(!server.endpoint.is_in_session(&device.id()), "{form:?}");
    }
}

#[tokio::test]
async fn answers_have_the_house_style() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let answer = device.inform().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("text/xml; charset=\"utf-8\""));
    assert_eq!(answer.header("Content-Length"), Some(&*answer.body.len().to_string()));
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.header("Content-Encoding"), None);
    assert_eq!(answer.header("Server"), Some(concat!("Lodestar/", env!("CARGO_PKG_VERSION"))));
    assert!(answer.head.contains("\r\nContent-Type:"), "header names as old devices spell them");
    assert!(answer.text().starts_with("<soap-env:Envelope"), "no XML declaration");
    assert_eq!(answer.cwmp_id(), "77");
    let last = device.post("").await;
    assert_eq!((last.status, last.closes(), last.body.len()), (204, false, 0));
    // The connection is as good as new.
    assert_eq!(device.begin().await.status, 204);
}

#[tokio::test]
async fn the_namespace_of_the_inform_is_kept() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    for version in ["1-0", "1-1", "1-2", "1-3", "1-4"] {
        let mut device = server.device(version).await;
        let namespace = format!("urn:dslforum-org:cwmp-{version}");
        let inform = inform(version).replace("urn:dslforum-org:cwmp-1-0", &namespace);
        assert!(device.post(&inform).await.text().contains(&namespace));
        assert!(device.post("").await.text().contains(&namespace), "{version}");
    }
}

#[tokio::test]
async fn an_http_1_0_device_is_answered_and_its_session_survives_by_cookie() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    let request = format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(device.send(request.as_bytes()).await.rpc(), "InformResponse");
    assert!(device.closed().await.is_empty());
    device.reconnect().await;
    assert!(server.endpoint.is_in_session(&device.id()));
    assert_eq!(device.post("").await.status, 204);
    assert!(!server.endpoint.is_in_session(&device.id()));
}

#[tokio::test]
async fn an_http_1_0_device_may_keep_its_connection() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    for (body, status) in [(&*body, 200), ("", 204)] {
        let request =
            format!("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(device.send(request.as_bytes()).await.status, status);
    }
}

#[tokio::test]
async fn chunked_requests_are_read() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    let mut request = "POST / HTTP/1.1\r\nHost: acs\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for piece in body.as_bytes().chunks(100) {
        request += &format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap());
    }
    request += "0\r\n\r\n";
    assert_eq!(device.send(request.as_bytes()).await.rpc(), "InformResponse");
}

#[tokio::test]
async fn expect_100_continue_is_answered_first() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    let head =
        format!("POST / HTTP/1.1\r\nHost: acs\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    assert_eq!(device.send(head.as_bytes()).await.status, 100);
    assert_eq!(device.send(body.as_bytes()).await.rpc(), "InformResponse");
}

#[tokio::test]
async fn a_device_that_half_closes_gets_its_answer() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    let request = format!("POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    device.write(request.as_bytes()).await;
    device.stream.shutdown().await.unwrap();
    assert_eq!(device.receive().await.rpc(), "InformResponse");
    assert!(device.closed().await.is_empty());
}

#[tokio::test]
async fn an_answer_is_compressed_as_its_request() {
    let server = Server::start(Scripts::none()).await;
    let body = inform("1");
    let gzip = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let deflate = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for (coding, request) in [("gzip", &gzip), ("deflate", &deflate)] {
        let mut device = server.device("1").await;
        let answer = device.post_with(&format!("Content-Encoding: {coding}\r\n"), request).await;
        assert_eq!((answer.status, answer.header("Content-Encoding")), (200, Some(coding)));
        let mut text = String::new();
        match coding {
            "gzip" => GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap(),
            _ => ZlibDecoder::new(&*answer.body).read_to_string(&mut text).unwrap(),
        };
        assert!(text.contains("InformResponse"), "{text}");
        assert_eq!(device.post("").await.status, 204);
    }
    let mut device = server.device("1").await;
    let answer = device.post_with("Accept-Encoding: gzip\r\n", body.as_bytes()).await;
    assert_eq!(answer.header("Content-Encoding"), None, "never unasked");
}

#[tokio::test]
async fn headers_that_mean_nothing_are_ignored() {
    let server = Server::start(Scripts::none()).await;
    let ignored = [
        "",
        "Content-Type: text/xml; charset=\"utf-8\"\r\n",
        "Content-Type: text/xml; charset=utf-8\r\n",
        "Content-Type: text/xml; encoding=utf-8\r\n",
        "Content-Type: application/xml\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type:\r\n",
        "SOAPAction:\r\n",
        "SOAPAction: \"\"\r\n",
        "SOAPAction: cwmp:Inform\r\n",
        "Authorization: Basic dXNlcjpwYXNz\r\n",
        "no header at all\r\n",
        "X-Caf\u{e9}: \u{e9}\r\n",
    ];
    for headers in ignored {
        let mut device = server.device("1").await;
        let answer = device.post_with(headers, inform("1").as_bytes()).await;
        assert_eq!(answer.rpc(), "InformResponse", "{headers:?}");
    }
}

#[tokio::test]
async fn characters_are_read_in_the_set_that_is_declared() {
    let server = Server::start(Scripts::none()).await;
    let value = |text: &str| inform("1").replace("<Value>1.0<", &format!("<Value>{text}<"));
    let latin_1: Vec<u8> = value("é").chars().map(|c| c as u8).collect();
    let declared = [b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>".as_slice(), &latin_1].concat();
    let utf_16: Vec<u8> = format!("\u{feff}{}", value("é")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = format!("\u{feff}\r\n{}", value("é"));
    let bodies = [
        ("", declared),
        ("Content-Type: text/xml; charset=iso-8859-1\r\n", latin_1),
        ("", utf_16),
        ("", with_mark.into_bytes()),
        ("", value("é").into_bytes()),
    ];
    for (index, (headers, body)) in bodies.into_iter().enumerate() {
        let mut device = server.device("1").await;
        assert_eq!(device.post_with(headers, &body).await.rpc(), "InformResponse", "{index}");
        device.post("").await;
        let head = server.stored(&device).await.device.unwrap().full_tree();
        let id = head.find("Device.DeviceInfo.SoftwareVersion").unwrap();
        assert_eq!(head.node(id).typed_value().unwrap().0.to_text(), "é", "{index}");
    }
    let mut device = server.device("1").await;
    let answer = device.post_with("Content-Type: text/xml; charset=klingon\r\n", inform("1").as_bytes()).await;
    assert_eq!((answer.status, answer.text()), (400, "Unknown encoding 'klingon'"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.returns_cookies = false;
    let body = inform("1");
    let one = format!("POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let two = "POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 0\r\n\r\n";
    device.write(format!("{one}{two}").as_bytes()).await;
    assert_eq!(device.receive().await.rpc(), "InformResponse");
    assert_eq!(device.receive().await.status, 204);
    assert!(!server.endpoint.is_in_session(&device.id()));
}

#[tokio::test]
async fn connections_without_a_byte_are_closed_without_a_word() {
    let server = Server::start(Scripts::none()).await;
    for _ in 0..10 {
        let mut device = server.device("1").await;
        device.stream.shutdown().await.unwrap();
        assert!(device.closed().await.is_empty());
    }
    assert_eq!(server.device("1").await.begin().await.status, 204);
}

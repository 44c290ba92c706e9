//! Limits: size, time, number. What breaches one is refused, and harms nobody else.

use std::time::Duration;

use cwmp::EndpointLimits;
use cwmp::encoding::BodyLimits;

use super::kit::*;

/// The answer says when to come again: the shortest time, and up to half as much again by chance.
fn assert_retries_later(answer: &Answer) {
    let seconds: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((10..=15).contains(&seconds), "{seconds}");
}

fn small() -> EndpointLimits {
    EndpointLimits { body: BodyLimits { max_bytes: 4_096, max_ratio: 200 }, ..EndpointLimits::default() }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_and_ends_the_session() {
    let server = Server::start_with(Scripts::none().with("reboot", reboot), small()).await;
    let large = "x".repeat(10_000);
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let announced = "Content-Length: 99999999999\r\n\r\n".to_owned();
    let sent = format!("Content-Length: {}\r\n\r\n{large}", large.len());
    for rest in [chunked, announced, sent] {
        let mut device = server.device("1").await;
        device.inform().await;
        let cookie = device.cookie.clone().unwrap();
        let answer =
            device.send(format!("POST / HTTP/1.1\r\nHost: acs\r\nCookie: {cookie}\r\n{rest}").as_bytes()).await;
        assert_eq!((answer.status, answer.closes()), (413, true));
        assert!(answer.text().contains("4096"));
        assert!(!server.endpoint.is_in_session(&device.id()));
        device.closed().await;
    }
}

#[tokio::test]
async fn a_body_that_grows_when_decompressed_is_413() {
    use std::io::Write;
    let server = Server::start_with(Scripts::none(), small()).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 1_000_000]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 4_096);
    let mut device = server.device("1").await;
    assert_eq!(device.post_with("Content-Encoding: gzip\r\n", &bomb).await.status, 413);
}

#[tokio::test]
async fn bodies_that_find_no_room_are_503() {
    let limits = EndpointLimits { body_memory: 64 * 1024, ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none(), limits).await;
    let mut device = server.device("1").await;
    let answer = device.post(&" ".repeat(200_000)).await;
    assert_eq!(answer.status, 503);
    assert_retries_later(&answer);
    assert_eq!(server.device("1").await.begin().await.status, 204);
}

#[tokio::test]
async fn strangers_can_be_refused_while_known_devices_are_served() {
    let server = Server::start(Scripts::none()).await;
    assert_eq!(server.device("1").await.begin().await.status, 204);
    server.endpoint.refuse_new_devices(true);
    let mut stranger = server.device("2").await;
    let answer = stranger.inform().await;
    assert_eq!(answer.status, 503);
    assert_retries_later(&answer);
    assert!(server.stored(&stranger).await.device.is_none());
    assert_eq!(server.device("1").await.begin().await.status, 204);
    server.endpoint.refuse_new_devices(false);
    assert_eq!(server.device("2").await.begin().await.status, 204);
}

#[tokio::test]
async fn a_large_answer_of_a_device_is_taken() {
    let server = Server::start(Scripts::none().with("read", read("Device.X"))).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    assert_eq!(request.rpc(), "GetParameterNames");
    let info = |index| {
        format!(
            "<ParameterInfoStruct><Name>Device.Table.{index}.Value</Name><Writable>1</Writable></ParameterInfoStruct>"
        )
    };
    let list: String = (0..20_000).map(info).collect();
    let response = format!(
        "<cwmp:GetParameterNamesResponse><ParameterList>{list}</ParameterList></cwmp:GetParameterNamesResponse>"
    );
    let mut answer = device.post(&envelope(request.cwmp_id(), &response)).await;
    while answer.status == 200 {
        answer = device.post(&fault(answer.cwmp_id(), "9005")).await;
    }
    assert_eq!(answer.status, 204);
    let tree = server.stored(&device).await.device.unwrap().tree;
    assert!(tree.find("Device.Table.19999.Value").is_some());
}

#[tokio::test]
async fn a_slow_head_is_cut_off_and_a_silent_connection_is_not() {
    let limits = EndpointLimits { header_time: Duration::from_millis(200), ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none().with("reboot", reboot), limits).await;
    let mut silent = server.device("silent").await;
    silent.returns_cookies = false;
    let request = silent.begin().await;
    let mut slow = server.device("slow").await;
    slow.write(b"POST / HTTP/1.1\r\nHos").await;
    assert!(slow.closed().await.is_empty());
    // Longer ago than a head may take, and on the same connection.
    assert_eq!(silent.respond(&request).await.status, 204);
}

#[tokio::test]
async fn a_silent_connection_without_a_session_is_closed() {
    let limits = EndpointLimits { idle_time: Duration::from_millis(200), ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none(), limits).await;
    let mut fresh = server.device("1").await;
    assert!(fresh.closed().await.is_empty());
    let mut done = server.device("1").await;
    assert_eq!(done.begin().await.status, 204);
    assert!(done.closed().await.is_empty());
}

#[tokio::test]
async fn a_slow_body_is_408() {
    let limits = EndpointLimits { body_time: Duration::from_millis(200), ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none(), limits).await;
    let mut device = server.device("1").await;
    let answer = device.send(b"POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 100\r\n\r\n<soap").await;
    assert_eq!((answer.status, answer.closes()), (408, true));
    assert!(device.closed().await.is_empty());
}

#[tokio::test]
async fn malformed_http_is_refused() {
    let server = Server::start(Scripts::none()).await;
    let long = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("POST / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(200));
    let malformed = [
        ("e>POST / HTTP/1.1\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", 400),
        ("POST / HTTP/9.9\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (&long, 431),
        (&many, 431),
    ];
    for (request, status) in malformed {
        let mut device = server.device("1").await;
        let answer = device.send(request.as_bytes()).await;
        assert_eq!(answer.status, status, "{:?}", &request[..request.len().min(60)]);
        device.closed().await;
    }
    assert_eq!(server.device("1").await.begin().await.status, 204);
}

#[tokio::test]
async fn a_hundred_connections_of_garbage_do_not_matter() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut good = server.device("good").await;
    let request = good.begin().await;
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let whole = format!("POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: {}\r\n\r\n{}", inform("1").len(), inform("1"));
    for round in 0..100 {
        let mut device = server.device("1").await;
        let mut bytes = if round % 2 == 0 { whole.clone().into_bytes() } else { Vec::new() };
        if bytes.is_empty() {
            bytes.extend((0..200).map(|_| next() as u8));
        } else {
            for _ in 0..=next() % 8 {
                let place = next() as usize % bytes.len();
                bytes[place] = next() as u8;
            }
            bytes.truncate(next() as usize % bytes.len() + 1);
        }
        // The server may have closed already.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut device.stream, &bytes).await;
    }
    assert_eq!(good.respond(&request).await.status, 204);
    assert_eq!(server.device("other").await.begin().await.rpc(), "Reboot");
}

#[tokio::test]
async fn with_too_many_sessions_informs_are_503_and_sessions_go_on() {
    let limits = EndpointLimits { max_sessions: 1, ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none().with("reboot", reboot), limits).await;
    let mut first = server.device("1").await;
    let request = first.begin().await;
    let mut second = server.device("2").await;
    let answer = second.inform().await;
    assert_eq!((answer.status, answer.closes()), (503, true));
    assert_retries_later(&answer);
    assert!(!server.endpoint.is_in_session(&second.id()), "no state was made");
    assert_eq!(first.respond(&request).await.status, 204);
    second.reconnect().await;
    assert_eq!(second.inform().await.rpc(), "InformResponse");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let limits = EndpointLimits { max_connections: 1, ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none(), limits).await;
    let first = server.device("1").await;
    let mut second = server.device("2").await;
    second.write(b"POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 0\r\n\r\n").await;
    drop(first);
    assert_eq!(second.receive().await.status, 204);
}

#[tokio::test]
async fn what_happens_is_counted() {
    use std::sync::atomic::Ordering::Relaxed;
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    let statistics = server.endpoint.statistics().clone();
    assert_eq!(statistics.live_sessions.load(Relaxed), 1);
    device.post(&fault(request.cwmp_id(), "9001")).await;
    device.post("<a").await;
    let counted = [
        &statistics.requests,
        &statistics.sessions_started,
        &statistics.sessions_finished,
        &statistics.sessions_failed,
        &statistics.live_sessions,
        &statistics.acs_requests,
        &statistics.cpe_requests,
        &statistics.cpe_faults,
        &statistics.unreadable,
    ];
    assert_eq!(counted.map(|counter| counter.load(Relaxed)), [4, 1, 1, 0, 0, 1, 1, 1, 1]);
}

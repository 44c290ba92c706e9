//! Sessions on several nodes that share a store (S): they go on wherever their devices come to, and a device has one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cwmp::{AuthenticationOptions, EndpointLimits, ListenerPolicy, SessionEnd, SessionOptions};
use store::Store;

use super::kit::*;

/// Two scripts, so two requests in a session.
fn two_requests() -> Scripts {
    Scripts::none().with("a", reboot).with("b", factory_reset)
}

fn shared() -> EndpointLimits {
    EndpointLimits { shared_sessions: true, ..EndpointLimits::default() }
}

async fn two_nodes(scripts: impl Fn() -> Scripts) -> (Server, Server) {
    let one = Server::start_with(scripts(), shared()).await;
    let other = one.other_node(scripts(), ListenerPolicy::default()).await;
    (one, other)
}

fn counts(server: &Server) -> (u64, u64, u64) {
    let statistics = server.endpoint.statistics();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    (count(&statistics.sessions_suspended), count(&statistics.sessions_resumed), count(&statistics.live_sessions))
}

fn completed(device: &Device) -> Seen {
    Seen::Ended(device.id(), SessionEnd { completed: true, had_faults: false })
}

/// With a request outstanding, so that its channels fault.
fn broken_off(device: &Device) -> Seen {
    Seen::Ended(device.id(), SessionEnd { completed: false, had_faults: true })
}

#[tokio::test]
async fn a_session_goes_on_where_its_device_comes_to() {
    let (one, mut other) = two_nodes(two_requests).await;
    let mut device = one.device("1").await;
    let first = device.begin().await;
    assert_eq!(first.rpc(), "Reboot");
    device.move_to(&other).await;
    let second = device.respond(&first).await;
    assert_eq!(second.rpc(), "FactoryReset");
    assert_eq!((counts(&one), counts(&other)), ((1, 0, 0), (0, 1, 1)));
    assert!(!one.endpoint.is_in_session(&device.id()));
    // And back again.
    device.move_to(&one).await;
    assert_eq!(device.respond(&second).await.status, 204);
    assert_eq!((counts(&one), counts(&other)), ((1, 1, 0), (1, 1, 0)));
    assert!(one.stored(&device).await.device.is_some());
    assert_eq!(one.store.lease_owner(&device.id()).await.unwrap(), None);
    assert_eq!(other.seen().await, Seen::Started(device.id()));
}

#[tokio::test]
async fn the_empty_post_after_an_inform_may_come_to_another_node() {
    let (one, other) = two_nodes(Scripts::none).await;
    let mut device = one.device("1").await;
    assert_eq!(device.inform().await.rpc(), "InformResponse");
    device.move_to(&other).await;
    assert_eq!(device.post("").await.status, 204);
    assert!(other.stored(&device).await.device.is_some());
}

#[tokio::test]
async fn each_message_may_come_to_another_node() {
    let (one, other) = two_nodes(two_requests).await;
    let mut device = one.device("1").await;
    let mut answer = device.inform().await;
    let mut message = String::new();
    let mut requests = Vec::new();
    for node in [&other, &one, &other] {
        device.move_to(node).await;
        answer = device.post(&message).await;
        requests.push(answer.rpc());
        if answer.status == 200 {
            message = envelope(answer.cwmp_id(), &format!("<cwmp:{}Response/>", answer.rpc()));
        }
    }
    assert_eq!(requests, ["Reboot", "FactoryReset", "204"]);
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn a_session_whose_device_comes_to_no_node_is_ended_and_what_it_learnt_is_kept() {
    let impatient = || {
        let session_timeout = Duration::from_millis(300);
        two_requests().options(move |_| SessionOptions { session_timeout, ..SessionOptions::default() })
    };
    let (mut one, _other) = two_nodes(impatient).await;
    let mut device = one.device("1").await;
    assert_eq!(device.begin().await.rpc(), "Reboot");
    assert_eq!(one.seen().await, Seen::Started(device.id()));
    tokio::io::AsyncWriteExt::shutdown(&mut device.stream).await.unwrap();
    assert_eq!(one.seen().await, broken_off(&device));
    let faults = one.faults(&device).await;
    assert!(faults.iter().all(|(_, code)| code == "session_terminated") && !faults.is_empty(), "{faults:?}");
    assert!(one.stored(&device).await.device.is_some());
    assert_eq!(one.store.lease_owner(&device.id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_device_that_begins_anew_elsewhere_has_only_its_new_session() {
    let (one, mut other) = two_nodes(two_requests).await;
    // Its old session is still live: the node there does not know that the device is gone.
    let mut device = one.device("1").await;
    let old_request = device.begin().await;
    let mut again = other.device("1").await;
    let request = again.begin().await;
    assert_eq!(request.rpc(), "Reboot");
    let stale = device.respond(&old_request).await;
    // The old session may still be asked for the second script's request; it writes nothing in the end.
    let end = if stale.status == 200 { device.respond(&stale).await } else { stale };
    assert!(end.status >= 400, "{end:?}");
    let next = again.respond(&request).await;
    assert_eq!(again.respond(&next).await.status, 204);
    assert_eq!(other.seen().await, Seen::Started(device.id()));
    assert_eq!(other.seen().await, completed(&device));
}

#[tokio::test]
async fn a_kept_session_is_ended_when_its_device_begins_anew() {
    let (one, mut other) = two_nodes(two_requests).await;
    let mut device = one.device("1").await;
    let old_request = device.begin().await;
    let old_cookie = device.cookie.clone();
    device.move_to(&other).await;
    while counts(&one).0 == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What the old session was about has faulted, and waits before it is tried again.
    assert_eq!(device.begin().await.status, 204);
    assert_eq!(other.seen().await, broken_off(&device));
    assert_eq!(other.seen().await, Seen::Started(device.id()));
    let mut late = one.device("1").await;
    late.cookie = old_cookie;
    assert_eq!(late.respond(&old_request).await.status, 400);
}

#[tokio::test]
async fn a_cookie_alone_does_not_continue_the_session_of_a_device_with_a_password() {
    let guarded = || {
        let options = AuthenticationOptions { allow_basic_without_tls: true, ..AuthenticationOptions::default() };
        Scripts::guarded("AUTH('acs', 'sesame')").authentication(options).with("a", reboot)
    };
    let (one, other) = two_nodes(guarded).await;
    let header = |password: &str| format!("Authorization: Basic {}\r\n", BASE64.encode(format!("acs:{password}")));
    let mut device = one.device("1").await;
    let informed = device.post_with(&header("sesame"), inform("1").as_bytes()).await;
    assert_eq!(informed.rpc(), "InformResponse");
    device.move_to(&other).await;
    let wrong = device.post_with(&header("guessed"), b"").await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    // The device is still let in, on any node.
    device.move_to(&one).await;
    let request = device.post_with(&header("sesame"), b"").await;
    assert_eq!(request.rpc(), "Reboot");
}

#[tokio::test]
async fn a_session_stays_with_the_listeners_of_its_name() {
    let one = Server::start_with(two_requests(), shared()).await;
    let strange = ListenerPolicy { name: "residential".to_owned(), ..ListenerPolicy::default() };
    let other = one.other_node(two_requests(), strange).await;
    let mut device = one.device("1").await;
    let request = device.begin().await;
    device.move_to(&other).await;
    assert_eq!(device.respond(&request).await.status, 400);
    device.move_to(&one).await;
    assert_eq!(device.respond(&request).await.rpc(), "FactoryReset");
}

#[tokio::test]
async fn when_a_node_stops_its_sessions_go_on_on_another() {
    let (one, other) = two_nodes(two_requests).await;
    let mut device = one.device("1").await;
    let request = device.begin().await;
    let (_store, _directory) = one.stop().await;
    device.move_to(&other).await;
    assert_eq!(device.respond(&request).await.rpc(), "FactoryReset");
}

#[tokio::test]
async fn an_unknown_cookie_leads_to_no_session() {
    let (one, _other) = two_nodes(two_requests).await;
    let mut device = one.device("1").await;
    device.cookie = Some(format!("session={}", "0".repeat(32)));
    assert_eq!(device.respond(&device_request()).await.status, 400);
    device.reconnect().await;
    assert_eq!(device.post("").await.status, 204);
    assert_eq!(device.begin().await.rpc(), "Reboot");
}

fn device_request() -> Answer {
    Answer { status: 200, head: String::new(), body: envelope("1", "<cwmp:Reboot/>").into_bytes() }
}

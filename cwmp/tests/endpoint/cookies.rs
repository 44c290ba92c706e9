//! How a message finds its session (C).

use cwmp::{EndpointLimits, SessionOptions};

use super::kit::*;

#[tokio::test]
async fn one_plain_cookie_comes_with_each_answer_of_a_session() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let informed = device.inform().await;
    let cookie = informed.cookie().unwrap().to_owned();
    let token = cookie.strip_prefix("session=").unwrap();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{cookie}");
    let request = device.post("").await;
    let last = device.respond(&request).await;
    for answer in [informed, request, last] {
        assert_eq!(answer.cookie(), Some(&*cookie));
        assert_eq!(answer.head.matches("Cookie").count(), 1);
    }
    device.inform().await;
    assert_ne!(device.cookie, Some(cookie), "each session has its own");
}

#[tokio::test]
async fn the_path_is_named_only_where_it_is_configured() {
    let options = |_: &dyn acs_core::expression::Context| SessionOptions {
        cookies_path: Some("/acs".into()),
        ..SessionOptions::default()
    };
    let server = Server::start(Scripts::none().options(options)).await;
    assert!(server.device("1").await.inform().await.cookie().unwrap().ends_with("; Path=/acs"));
}

#[tokio::test]
async fn the_cookie_is_found_however_it_is_returned() {
    let forms = [
        "{}",
        "{}; Path=/; HttpOnly",
        "JSESSIONID=1; Path=/acs; {}",
        "b=zz;Version=1;Path=/,{};Version=1",
        "$Version=1; {quoted}; $Path=/",
        "session=0123; {}",
    ];
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    for form in forms {
        let mut device = server.device(&form.len().to_string()).await;
        let cookie = device.inform().await.cookie().unwrap().to_owned();
        let quoted = cookie.replace("session=", "session=\"") + "\"";
        device.cookie = Some(form.replace("{quoted}", &quoted).replace("{}", &cookie));
        device.reconnect().await;
        assert_eq!(device.post("").await.rpc(), "Reboot", "{form}");
    }
}

#[tokio::test]
async fn a_device_without_cookies_is_known_by_its_connection() {
    let server = Server::start(Scripts::none().with("a", reboot).with("b", factory_reset)).await;
    let mut device = server.device("1").await;
    device.returns_cookies = false;
    let first = device.begin().await;
    let second = device.respond(&first).await;
    assert_eq!(second.rpc(), "FactoryReset");
    assert_eq!(device.respond(&second).await.status, 204);
}

#[tokio::test]
async fn a_strange_cookie_does_not_hide_the_connections_session() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    device.inform().await;
    device.cookie = Some("session=00000000000000000000000000000000".into());
    assert_eq!(device.post("").await.rpc(), "Reboot");
}

#[tokio::test]
async fn behind_a_proxy_only_the_cookie_counts() {
    let limits = EndpointLimits { connection_sessions: false, ..EndpointLimits::default() };
    let server = Server::start_with(Scripts::none().with("reboot", reboot), limits).await;
    // Two devices over one connection.
    let mut one = server.device("1").await;
    one.inform().await;
    let (cookie, other) = (one.cookie.clone(), inform("2"));
    one.cookie = None;
    one.post(&other).await;
    assert!(server.endpoint.is_in_session(&one.id()), "the first device's session lives on");
    assert!(server.endpoint.is_in_session("0A1B2C-Box-2"));
    one.cookie = cookie;
    assert_eq!(one.post("").await.rpc(), "Reboot");
    one.returns_cookies = false;
    assert_eq!(one.post("").await.status, 204, "nobody's");
}

#[tokio::test]
async fn two_devices_on_one_connection_keep_apart_by_cookie() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let cookie_of_one = device.cookie.take();
    device.post(&inform("2")).await;
    assert!(server.endpoint.is_in_session("0A1B2C-Box-1") && server.endpoint.is_in_session("0A1B2C-Box-2"));
    let cookie_of_two = std::mem::replace(&mut device.cookie, cookie_of_one);
    let request_of_one = device.post("").await;
    device.cookie = cookie_of_two;
    let request_of_two = device.post("").await;
    assert_eq!((request_of_one.rpc(), request_of_two.rpc()), ("Reboot".into(), "Reboot".into()));
}

#[tokio::test]
async fn a_stale_cookie_on_an_inform_is_ignored() {
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    let request = device.begin().await;
    device.respond(&request).await;
    let stale = device.cookie.clone();
    device.inform().await;
    assert_ne!(device.cookie, stale);
    assert_eq!(device.post("").await.rpc(), "Reboot");
}

#[tokio::test]
async fn a_device_that_informs_with_anothers_cookie_ends_that_session() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.inform().await;
    let mut other = server.device("2").await;
    other.cookie = device.cookie.clone();
    assert_eq!(other.inform().await.rpc(), "InformResponse");
    assert!(!server.endpoint.is_in_session(&device.id()));
    assert!(server.endpoint.is_in_session(&other.id()));
}

#[tokio::test]
async fn after_its_session_a_cookie_is_worth_nothing() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    device.begin().await;
    device.reconnect().await;
    let answer = device.post(&envelope("1", "<cwmp:RebootResponse/>")).await;
    assert_eq!((answer.status, answer.text()), (400, "Invalid session"));
}

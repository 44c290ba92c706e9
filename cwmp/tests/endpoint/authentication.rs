//! Who is let in: HTTP authentication as devices do it, whom a device ID belongs to, and whom a session.

use std::net::Ipv4Addr;

use acs_core::script::ScriptRun;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cwmp::{Algorithm, AuthenticationOptions, EndpointLimits, ListenerPolicy};
use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use store::Store;

use crate::kit::*;

const SHARED: &str = "AUTH('acs', 'sesame')";

/// How a device makes its digests.
#[derive(Clone)]
struct Client {
    username: &'static str,
    password: &'static str,
    nonce: String,
    algorithm: &'static str,
    /// `None` is the form of RFC 2069.
    qop: Option<&'static str>,
    uri: &'static str,
    count: u32,
}

impl Client {
    /// Answers the first challenge for its algorithm.
    fn answering(challenge: &Answer, username: &'static str, password: &'static str) -> Client {
        let nonce = parameter(challenge.header("WWW-Authenticate").unwrap(), "nonce");
        Client { username, password, nonce, algorithm: "MD5", qop: Some("auth"), uri: "/acs", count: 1 }
    }

    fn header(&self, body: &str) -> String {
        let hash = |text: String| match self.algorithm {
            "SHA-256" => HEXLOWER.encode(&Sha256::digest(text)),
            _ => HEXLOWER.encode(&Md5::digest(text)),
        };
        let Client { username, password, nonce, algorithm, qop, uri, count } = self;
        let mut who = hash(format!("{username}:Lodestar:{password}"));
        if algorithm.ends_with("-sess") {
            who = hash(format!("{who}:{nonce}:c0ffee"));
        }
        let what = match qop {
            Some("auth-int") => hash(format!("POST:{uri}:{}", hash(body.to_owned()))),
            _ => hash(format!("POST:{uri}")),
        };
        let mut header = format!(
            "Authorization: Digest username=\"{username}\", realm=\"Lodestar\", nonce=\"{nonce}\", uri=\"{uri}\""
        );
        let response = match qop {
            None => hash(format!("{who}:{nonce}:{what}")),
            Some(qop) => {
                header += &format!(", qop={qop}, nc={count:08x}, cnonce=\"c0ffee\", algorithm={algorithm}");
                hash(format!("{who}:{nonce}:{count:08x}:c0ffee:{qop}:{what}"))
            }
        };
        header + &format!(", response=\"{response}\"\r\n")
    }
}

fn parameter(challenge: &str, name: &str) -> String {
    let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn basic(username: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{username}:{password}")))
}

impl Device {
    /// Informs with these headers.
    async fn inform_with(&mut self, headers: &str) -> Answer {
        let inform = inform(&self.serial_number);
        self.post_with(headers, inform.as_bytes()).await
    }

    /// Informs, is challenged, and informs with a digest.
    async fn authenticate(&mut self, username: &'static str, password: &'static str) -> Answer {
        let challenge = self.inform().await;
        assert_eq!(challenge.status, 401);
        let header = Client::answering(&challenge, username, password).header("");
        self.inform_with(&header).await
    }

    /// Answers a request for names or values as a device that has nothing but its credentials.
    async fn tell_credentials(&mut self, request: &Answer) -> Answer {
        let pairs = ["Username", "Password"].map(|name| format!("Device.ManagementServer.{name}"));
        let list: String = match request.rpc().as_str() {
            "GetParameterNames" => ["Device.", "Device.ManagementServer.", &pairs[0], &pairs[1]]
                .map(|name| {
                    format!("<ParameterInfoStruct><Name>{name}</Name><Writable>1</Writable></ParameterInfoStruct>")
                })
                .concat(),
            "GetParameterValues" => pairs
                .map(|name| format!("<ParameterValueStruct><Name>{name}</Name><Value/></ParameterValueStruct>"))
                .concat(),
            other => panic!("{other}"),
        };
        let rpc = request.rpc();
        let response = format!("<cwmp:{rpc}Response><ParameterList>{list}</ParameterList></cwmp:{rpc}Response>");
        self.post(&envelope(request.cwmp_id(), &response)).await
    }
}

#[tokio::test]
async fn a1_plain_connections_are_challenged_with_digest() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let challenge = device.inform().await;
    assert_eq!((challenge.status, challenge.closes(), challenge.text()), (401, false, "Unauthorized"));
    let offered: Vec<_> = challenge.headers("WWW-Authenticate").collect();
    assert_eq!(offered.len(), 2);
    for (offer, algorithm) in offered.iter().zip(["MD5", "SHA-256"]) {
        assert!(offer.starts_with("Digest realm=\"Lodestar\", qop=\"auth\", nonce=\""), "{offer}");
        assert!(offer.ends_with(&format!("algorithm={algorithm}")), "{offer}");
    }
    assert!(!server.endpoint.is_in_session(&device.id()));
    let header = Client::answering(&challenge, "acs", "sesame").header("");
    assert_eq!(device.inform_with(&header).await.rpc(), "InformResponse");
    assert_eq!(device.post("").await.status, 204);
}

#[tokio::test]
async fn a1_basic_is_taken_in_clear_only_when_that_is_allowed() {
    let allowed = AuthenticationOptions { allow_basic_without_tls: true, ..AuthenticationOptions::default() };
    let policy = ListenerPolicy { allow_basic: true, ..ListenerPolicy::default() };
    for (options, policy, is_allowed) in [
        (AuthenticationOptions::default(), ListenerPolicy::default(), false),
        (allowed, ListenerPolicy::default(), true),
        (AuthenticationOptions::default(), policy, true),
    ] {
        let scripts = Scripts::guarded(SHARED).authentication(options);
        let server = Server::start_listening(scripts, EndpointLimits::default(), policy, None).await;
        let mut device = server.device("1").await;
        let challenge = device.inform().await;
        assert_eq!(challenge.headers("WWW-Authenticate").any(|offer| offer.starts_with("Basic ")), is_allowed);
        let answer = device.inform_with(&basic("acs", "sesame")).await;
        assert_eq!(answer.status, if is_allowed { 200 } else { 401 });
    }
}

#[tokio::test]
async fn a4_digests_come_in_many_forms() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let body = inform("1");
    let base = Client::answering(&device.inform().await, "acs", "sesame");
    let forms = [
        Client { qop: None, ..base.clone() },
        Client { qop: None, uri: "", ..base.clone() },
        Client { qop: Some("auth-int"), ..base.clone() },
        Client { algorithm: "SHA-256", ..base.clone() },
        Client { algorithm: "SHA-256", qop: Some("auth-int"), ..base.clone() },
        Client { uri: "http://acs/acs", ..base.clone() },
    ];
    let spellings: [fn(String) -> String; 4] = [
        |header| header,
        |header| header.replace("qop=auth,", "qop=\"auth\","),
        |header| {
            let (rest, response) = header.split_once("response=").unwrap();
            format!("{rest}response={}", response.to_ascii_uppercase())
        },
        |header| header.replace(", ", ","),
    ];
    for form in forms {
        for spelling in spellings {
            // A nonce each, so that no count comes twice.
            device.reconnect().await;
            let nonce = parameter(device.inform().await.header("WWW-Authenticate").unwrap(), "nonce");
            let header = spelling(Client { nonce, ..form.clone() }.header(&body));
            assert_eq!(device.inform_with(&header).await.rpc(), "InformResponse", "{header}");
        }
    }
}

#[tokio::test]
async fn a5_an_unknown_nonce_is_stale_and_the_same_request_succeeds_with_a_new_one() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let mut client = Client::answering(&device.inform().await, "acs", "sesame");
    client.nonce = "00".repeat(20);
    let stale = device.inform_with(&client.header("")).await;
    assert_eq!((stale.status, stale.closes()), (401, false), "it is no failure");
    assert!(stale.header("WWW-Authenticate").unwrap().ends_with("stale=true"));
    let header = Client::answering(&stale, "acs", "sesame").header("");
    assert_eq!(device.inform_with(&header).await.rpc(), "InformResponse");
}

#[tokio::test]
async fn a5_a_nonce_is_bound_to_no_connection() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let challenge = device.inform().await;
    device.reconnect().await;
    let header = Client::answering(&challenge, "acs", "sesame").header("");
    assert_eq!(device.inform_with(&header).await.rpc(), "InformResponse");
}

#[tokio::test]
async fn a6_a_frozen_count_is_tolerated_on_its_connection_and_refused_on_another() {
    for is_strict in [false, true] {
        let options = AuthenticationOptions { strict_nonce_count: is_strict, ..AuthenticationOptions::default() };
        let server = Server::start(Scripts::guarded(SHARED).authentication(options)).await;
        let mut device = server.device("1").await;
        let client = Client::answering(&device.inform().await, "acs", "sesame");
        assert_eq!(device.inform_with(&client.header("")).await.status, 200);
        assert_eq!(device.inform_with(&client.header("")).await.status, if is_strict { 401 } else { 200 });
        let mut thief = server.device("1").await;
        let replayed = thief.inform_with(&client.header("")).await;
        assert_eq!(replayed.status, 401);
        assert!(replayed.header("WWW-Authenticate").unwrap().ends_with("stale=true"), "the device itself tries again");
        let counted = Client { count: 2, ..client };
        device.reconnect().await;
        assert_eq!(device.inform_with(&counted.header("")).await.status, 200);
    }
}

#[tokio::test]
async fn a7_a_session_is_authenticated_once() {
    let server = Server::start(Scripts::guarded(SHARED).with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    assert_eq!(device.authenticate("acs", "sesame").await.status, 200);
    // By its connection, then by its cookie on another one.
    let cookie = device.cookie.take();
    let request = device.post("").await;
    assert_eq!(request.rpc(), "Reboot");
    (device.cookie, _) = (cookie, device.reconnect().await);
    assert_eq!(device.respond(&request).await.status, 204);
}

#[tokio::test]
async fn a8_wrong_passwords_are_refused_each_time_told_and_limited() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    assert_eq!(device.authenticate("acs", "guess").await.status, 401);
    assert!(device.closed().await.is_empty(), "the second time on a connection");
    let events = server.store.events_after(0, 10).await.unwrap();
    let event = &events[0].event;
    assert_eq!((event.kind.as_str(), event.device.as_str()), ("device.authentication_failed", device.id().as_str()));
    assert_eq!(event.detail["username"], "acs");
    assert_eq!(event.detail["remote"], Ipv4Addr::LOCALHOST.to_string());
    assert!(!event.detail.to_string().contains("guess"), "{event:?}");
    for _ in 0..15 {
        device.reconnect().await;
        assert_eq!(device.authenticate("acs", "guess").await.status, 401);
    }
    assert!(server.store.events_after(0, 100).await.unwrap().len() < 12, "what is not looked at is not told");
    device.reconnect().await;
    assert_eq!(device.authenticate("acs", "sesame").await.status, 401, "the right one must wait, too");
    assert!(server.stored(&device).await.device.is_none());
}

#[tokio::test]
async fn a9_credentials_are_ignored_when_nobody_asks() {
    let server = Server::start(Scripts::none()).await;
    let mut device = server.device("1").await;
    for header in [basic("any", "thing"), "Authorization: Digest nonsense\r\n".into(), "Authorization: \r\n".into()] {
        assert_eq!(device.inform_with(&header).await.rpc(), "InformResponse");
        assert_eq!(device.post_with(&header, b"").await.status, 204);
    }
}

#[tokio::test]
async fn a12_session_variants_are_no_wrong_acceptance() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let base = Client::answering(&device.inform().await, "acs", "sesame");
    for algorithm in ["MD5-sess", "SHA-256-sess"] {
        device.reconnect().await;
        let header = Client { algorithm, ..base.clone() }.header("");
        assert_eq!(device.inform_with(&header).await.status, 401, "{algorithm}");
    }
    let options = AuthenticationOptions { algorithms: vec![Algorithm::Sha256], ..AuthenticationOptions::default() };
    let server = Server::start(Scripts::guarded(SHARED).authentication(options)).await;
    let mut device = server.device("1").await;
    let challenge = device.inform().await;
    assert_eq!(challenge.headers("WWW-Authenticate").count(), 1);
    let client = Client::answering(&challenge, "acs", "sesame");
    assert_eq!(device.inform_with(&client.header("")).await.status, 401, "what is not offered is not taken");
    device.reconnect().await;
    let client = Client { algorithm: "SHA-256", ..client };
    assert_eq!(device.inform_with(&client.header("")).await.status, 200);
}

#[tokio::test]
async fn a16_user_names_are_compared_decoded() {
    let server = Server::start(Scripts::guarded("AUTH('0A1B2C-My%20Box-ü', 'sesame')")).await;
    for username in ["0A1B2C-My%20Box-ü", "0A1B2C-My Box-ü", "0A1B2C-My%20Box-%C3%BC"] {
        let mut device = server.device("1").await;
        assert_eq!(device.authenticate(username, "sesame").await.status, 200, "{username}");
    }
    for username in ["0A1B2C-My%2520Box-ü", "0A1B2C-My+Box-ü", "0a1b2c-My Box-ü"] {
        let mut device = server.device("1").await;
        assert_eq!(device.authenticate(username, "sesame").await.status, 401, "{username}");
    }
}

#[tokio::test]
async fn s2_an_empty_post_before_the_inform_fetches_the_challenge() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let challenge = device.post("").await;
    assert_eq!((challenge.status, challenge.closes()), (401, false));
    let header = Client::answering(&challenge, "acs", "sesame").header("");
    assert_eq!(device.inform_with(&header).await.rpc(), "InformResponse");
    assert_eq!(device.post("").await.status, 204, "in the session nobody asks again");
    assert_eq!(device.post("").await.status, 401, "after it somebody does");
}

#[tokio::test]
async fn s1_other_messages_outside_of_a_session_get_no_further_with_credentials() {
    let server = Server::start(Scripts::guarded(SHARED)).await;
    let mut device = server.device("1").await;
    let client = Client::answering(&device.inform().await, "acs", "sesame");
    let answer = device.post_with(&client.header(""), transfer_complete().as_bytes()).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn c7_a_cookie_is_good_only_for_whoever_the_session_is() {
    let gate = "AUTH('acs', 'sesame') OR AUTH('other', 'open')";
    let server = Server::start(Scripts::guarded(gate).with("reboot", reboot)).await;
    let mut device = server.device("1").await;
    assert_eq!(device.authenticate("acs", "sesame").await.status, 200);

    let mut thief = server.device("2").await;
    let client = Client::answering(&thief.inform().await, "other", "open");
    thief.cookie = device.cookie.clone();
    assert_eq!(thief.post_with(&client.header(""), b"").await.status, 401);
    thief.cookie = None;
    thief.reconnect().await;
    assert_eq!(thief.inform_with(&client.header("")).await.status, 200, "it may have a session of its own");

    // On another listener the cookie is as none.
    let mut elsewhere = Device::connect(server.listen_too().await, "1").await;
    elsewhere.cookie = device.cookie.clone();
    assert_eq!(elsewhere.post("").await.status, 401);

    // The device itself may present its credentials again, and the session was not touched.
    let mut fetching = server.device("3").await;
    let own = Client::answering(&fetching.post("").await, "acs", "sesame");
    device.reconnect().await;
    assert_eq!(device.post_with(&own.header(""), b"").await.rpc(), "Reboot");
}

#[tokio::test]
async fn a10_a_device_acts_as_itself_only() {
    let gate = "AUTH(DeviceID.ID, 'sesame')";
    let server = Server::start(Scripts::guarded(gate)).await;
    let mut one = server.device("1").await;
    assert_eq!(one.authenticate("0A1B2C-Box-1", "sesame").await.status, 200);
    let mut other = server.device("1").await;
    assert_eq!(other.authenticate("0A1B2C-Box-2", "sesame").await.status, 401);
    assert!(server.endpoint.is_in_session(&one.id()), "its session goes on");
    assert_eq!(one.post("").await.status, 204);
}

#[tokio::test]
async fn a10_a_bound_device_belongs_to_the_first_who_proved_it() {
    let options = AuthenticationOptions { bind_identity: true, ..AuthenticationOptions::default() };
    let gate = "AUTH('first', '1') OR AUTH('second', '2')";
    let server = Server::start(Scripts::guarded(gate).authentication(options)).await;
    let mut device = server.device("1").await;
    assert_eq!(device.authenticate("first", "1").await.rpc(), "InformResponse");
    let before = server.store.lease_owner(&device.id()).await.unwrap();

    let mut claimant = server.device("1").await;
    let denied = claimant.authenticate("second", "2").await;
    assert_eq!((denied.status, denied.fault_code()), (200, Some("8001")));
    assert_eq!(server.store.lease_owner(&device.id()).await.unwrap(), before);
    let events = server.store.events_after(0, 10).await.unwrap();
    assert_eq!(events.last().unwrap().event.kind, "device.authentication_failed");
    assert_eq!(device.post("").await.status, 204, "the session in between is as it was");

    let mut neighbour = server.device("2").await;
    assert_eq!(neighbour.authenticate("second", "2").await.rpc(), "InformResponse");
    let mut back = server.device("1").await;
    assert_eq!(back.authenticate("first", "1").await.rpc(), "InformResponse");
}

#[tokio::test]
async fn a_session_is_not_ended_by_whoever_has_its_cookie_and_informs_as_another() {
    let gate = "AUTH(DeviceID.ID, 'sesame')";
    let server = Server::start(Scripts::guarded(gate)).await;
    let mut device = server.device("1").await;
    assert_eq!(device.authenticate("0A1B2C-Box-1", "sesame").await.status, 200);
    let mut thief = server.device("2").await;
    thief.cookie = device.cookie.clone();
    assert_eq!(thief.inform().await.status, 401);
    assert!(server.endpoint.is_in_session(&device.id()));
    assert_eq!(device.post("").await.status, 204);
}

#[tokio::test]
async fn extensions_say_who_is_let_in_and_their_failure_lets_nobody_in() {
    let mut server = Server::start(Scripts::guarded("AUTH('acs', EXT('lookup', DeviceID.SerialNumber))")).await;
    let address = server.address;
    let informing = async |password| Device::connect(address, "1").await.authenticate("acs", password).await.status;
    // One call for the challenge, one for the answer to it.
    assert_eq!(server.answering("sesame", informing("sesame")).await, 200);
    assert_eq!(server.answering("", informing("sesame")).await, 401);
}

/// Gives the device credentials of its own.
fn enrol(username: &'static str, password: &'static str) -> impl Fn(&mut ScriptRun) -> acs_core::script::Outcome {
    move |run| {
        for (name, text) in [("Username", username), ("Password", password)] {
            write(run, &format!("Device.ManagementServer.{name}"), text);
        }
        acs_core::script::Outcome::Finished(serde_json::Value::Null)
    }
}

#[tokio::test]
async fn a11_shared_credentials_are_good_until_the_devices_own_were_seen() {
    let gate = "COALESCE(OWN_CREDENTIALS(), AUTH('enrol', 'shared'))";
    let server = Server::start(Scripts::guarded(gate).with("enrol", enrol("own", "secret"))).await;
    let is_let_in = async |username, password| {
        let mut device = server.device("1").await;
        device.authenticate(username, password).await.status == 200
    };
    // The device is told its new credentials, and vanishes.
    let mut device = server.device("1").await;
    assert_eq!(device.authenticate("enrol", "shared").await.status, 200);
    let mut request = device.post("").await;
    while request.rpc() != "SetParameterValues" {
        request = device.tell_credentials(&request).await;
    }
    assert!(request.text().contains(">secret<"), "{}", request.text());
    assert!(!is_let_in("own", "wrong").await);
    drop(device);
    assert!(is_let_in("enrol", "shared").await, "it has not taken them");
    assert!(is_let_in("own", "secret").await, "it has");
    assert!(!is_let_in("enrol", "shared").await, "from then on they are its only ones");
    assert!(is_let_in("own", "secret").await);
    let mut neighbour = server.device("2").await;
    assert_eq!(neighbour.authenticate("enrol", "shared").await.status, 200);
}

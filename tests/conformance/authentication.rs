//! Authentication and TLS: rows A.

use sim::FaultRule;
use sim::http::digest::{Algorithm, Challenge, Protection, Signed};

use crate::kit::{Answer, Certificates, Device, Inform, Server, Setup, TlsClient, eventually};
use crate::test_store::is_embedded_or_skips;

const SHARED: &str = "AUTH('acs', 'sesame')";
const ID: &str = "0A1B2C-SimCPE-1";

fn guarded(gate: &str) -> Setup {
    Setup::default().config("cwmp.auth", gate)
}

/// An Authorization header that answers the first challenge of an answer.
fn answer_to(challenge: &Answer, username: &str, password: &str) -> String {
    let header = challenge.header("WWW-Authenticate").expect("a challenge");
    let signed = Signed { username, password, method: "POST", uri: "/acs" };
    format!("Authorization: {}\r\n", Challenge::parse(header).unwrap().answer(signed, 1, "c0ffee"))
}

/// Informs with these header lines.
fn inform_with(device: &mut Device, headers: &str) -> Answer {
    let inform = Inform::of(&device.serial_number).envelope("1");
    device.post_with(headers, inform.as_bytes())
}

/// Informs, is challenged, and informs with these credentials.
#[track_caller]
fn authenticate(device: &mut Device, username: &str, password: &str) -> Answer {
    let challenge = inform_with(device, "").expect_status(401);
    let header = answer_to(&challenge, username, password);
    inform_with(device, &header)
}

/// A simulated device with credentials.
fn simulated(server: &Server, change: impl FnOnce(&mut sim::Options)) -> sim::Device {
    server.simulated("1", |options| {
        (options.username, options.password) = ("acs".into(), "sesame".into());
        change(options);
    })
}

#[track_caller]
fn is_let_in(server: &Server, device: &mut sim::Device) -> bool {
    let report = server.run(device.session(["2 PERIODIC"]));
    let is_let_in = report.completed();
    assert_eq!(report.final_status == Some(401), !is_let_in, "{report:?}");
    is_let_in
}

#[test]
fn a1_plain_connections_are_challenged_with_digest() {
    let server = guarded(SHARED).start();
    let mut device = server.device("1");
    let challenge = inform_with(&mut device, "").expect_status(401);
    let offered = challenge.headers("WWW-Authenticate");
    assert!(offered[0].starts_with("Digest realm=\"Lodestar\", qop=\"auth\", nonce=\""), "{offered:?}");
    assert!(offered[0].ends_with("algorithm=MD5") && offered.iter().all(|offer| offer.starts_with("Digest")));
    inform_with(&mut device, &answer_to(&challenge, "acs", "sesame")).expect("InformResponse");
    let basic = "Authorization: Basic YWNzOnNlc2FtZQ==\r\n";
    inform_with(&mut server.device("2"), basic).expect_status(401);
    let allowing = guarded(SHARED).config("cwmp.allowBasicWithoutTls", "true").start();
    inform_with(&mut allowing.device("2"), basic).expect("InformResponse");
}

#[test]
fn a2_basic_and_digest_are_taken_over_tls() {
    let certificates = Certificates::new();
    let server = certificates.server(guarded(SHARED));
    let mut basic = simulated(&server, |options| {
        certificates.trust(&server, options);
        options.habits.http.basic_unasked = true;
    });
    assert!(is_let_in(&server, &mut basic));
    let mut digest = simulated(&server, |options| certificates.trust(&server, options));
    assert!(is_let_in(&server, &mut digest));
}

#[test]
fn a3_a_client_certificate_is_the_devices_identity() {
    let certificates = Certificates::new();
    let server = certificates.server(guarded("CLIENT_CERTIFICATE(DeviceID.ID)"));
    for (name, expected) in [(Some(ID), true), (Some("0A1B2C-SimCPE-2"), false), (None, false)] {
        let mut device = simulated(&server, |options| {
            certificates.trust(&server, options);
            if let Some(name) = name {
                certificates.certify(name, options);
            }
        });
        assert_eq!(is_let_in(&server, &mut device), expected, "{name:?}");
    }
    // One that a class of devices shares does not say which it is.
    let server = certificates.server(guarded("CLIENT_CERTIFICATE('class') AND AUTH(DeviceID.ID, 'sesame')"));
    for (username, expected) in [(ID, true), ("0A1B2C-SimCPE-2", false)] {
        let mut device = simulated(&server, |options| {
            certificates.trust(&server, options);
            certificates.certify("class", options);
            options.username = username.into();
        });
        assert_eq!(is_let_in(&server, &mut device), expected, "{username}");
    }
}

#[test]
fn a4_digests_come_in_many_forms() {
    let server = guarded(SHARED).start();
    let forms: [fn(&mut sim::Options); 4] = [
        |options| options.habits.http.digest_without_qop = true,
        |options| options.habits.http.digest_empty_uri = true,
        |options| (options.habits.http.digest_without_qop, options.habits.http.digest_empty_uri) = (true, true),
        |options| options.authentication.protection = Protection::AuthInt,
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let mut device = simulated(&server, form);
        assert!(is_let_in(&server, &mut device), "form {number}");
    }
    let mut device = server.device("2");
    for spelling in [str::to_ascii_uppercase as fn(&str) -> String, |response| response.to_owned()] {
        let header = answer_to(&inform_with(&mut device, ""), "acs", "sesame").replace("qop=auth", "qop=\"auth\"");
        let (before, rest) = header.split_once("response=\"").unwrap();
        let (response, after) = rest.split_at(32);
        inform_with(&mut device, &format!("{before}response=\"{}{after}", spelling(response))).expect("InformResponse");
        device.reconnect();
    }
}

#[test]
fn a5_an_unknown_nonce_is_stale_and_nothing_is_lost() {
    let mut server = guarded(SHARED).start();
    let mut device = server.device("1");
    let header = answer_to(&inform_with(&mut device, ""), "acs", "sesame");
    // After a restart no nonce is known.
    server.restart();
    let mut device = server.device("1");
    let stale = inform_with(&mut device, &header).expect_status(401);
    assert!(stale.header("WWW-Authenticate").unwrap().contains("stale=true") && !stale.closes());
    inform_with(&mut device, &answer_to(&stale, "acs", "sesame")).expect("InformResponse");
    device.empty().expect_end();
}

#[test]
fn a6_a_count_that_stands_still_is_tolerated_on_its_connection() {
    let server = guarded(SHARED).start();
    let mut frozen = simulated(&server, |options| options.habits.http.digest_frozen_count = true);
    assert!(is_let_in(&server, &mut frozen));
    let mut device = server.device("2");
    let header = answer_to(&inform_with(&mut device, ""), "acs", "sesame");
    for _ in 0..2 {
        inform_with(&mut device, &header).expect("InformResponse");
    }
    device.reconnect();
    device.cookie = None;
    inform_with(&mut device, &header).expect_status(401);
    let strict = guarded(SHARED).config("cwmp.strictNonceCount", "true").start();
    let mut device = strict.device("2");
    let header = answer_to(&inform_with(&mut device, ""), "acs", "sesame");
    inform_with(&mut device, &header).expect("InformResponse");
    inform_with(&mut device, &header).expect_status(401);
}

#[test]
fn a7_a_session_is_authenticated_once() {
    let script = r#"declare("Device.DeviceInfo.ProvisioningCode", #{value: now()});"#;
    let server = guarded(SHARED).script("read", script).start();
    let mut only_with_bodies = simulated(&server, |options| options.habits.http.bodies_only_authorization = true);
    assert!(is_let_in(&server, &mut only_with_bodies));
    let mut device = server.device("2");
    authenticate(&mut device, "acs", "sesame").expect("InformResponse");
    // On a new connection by its cookie, and without one by its connection.
    device.reconnect();
    let request = device.empty().expect("GetParameterNames");
    device.returns_cookies = false;
    device.fault(&request, "9005").expect_status(200);
}

#[test]
fn a8_who_guesses_is_slowed_down_and_no_password_is_kept() {
    let server = guarded(SHARED).start();
    for attempt in 0..14 {
        let guess = format!("guess-{attempt}");
        authenticate(&mut server.device("1"), "acs", &guess).expect_status(401);
    }
    // What is right is not looked at now, from here.
    authenticate(&mut server.device("1"), "acs", "sesame").expect_status(401);
    assert!(server.stored("0A1B2C-Box-1").is_null());
    if !is_embedded_or_skips() {
        return;
    }
    let kept = std::fs::read(server.data_dir().join("lodestar.db-wal")).unwrap();
    let has = |text: &str| kept.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("device.authentication_failed") && !has("guess-"));
}

#[test]
fn a9_credentials_are_ignored_when_nobody_asks() {
    let server = Server::start();
    let mut device = server.device("1");
    for header in ["Authorization: Basic YTpi\r\n", "Authorization: Digest nonsense\r\n", "Authorization:\r\n"] {
        inform_with(&mut device, header).expect("InformResponse");
        device.post_with(header, b"").expect_end();
    }
}

#[test]
fn a10_no_device_acts_as_another() {
    let server = guarded("AUTH(DeviceID.ID, 'sesame')").start();
    let mut device = server.device("1");
    authenticate(&mut device, "0A1B2C-Box-1", "sesame").expect("InformResponse");
    authenticate(&mut server.device("1"), "0A1B2C-Box-2", "sesame").expect_status(401);
    device.empty().expect_end();

    let gate = "AUTH('one', '1') OR AUTH('two', '2')";
    let server = guarded(gate).config("cwmp.bindIdentity", "true").start();
    let mut device = server.device("1");
    authenticate(&mut device, "one", "1").expect("InformResponse");
    authenticate(&mut server.device("1"), "two", "2").expect_fault("8001");
    device.empty().expect_end();
    authenticate(&mut server.device("1"), "one", "1").expect("InformResponse");
}

#[test]
fn a11_old_and_new_credentials_are_good_while_they_change() {
    let set = r#"declare("Device.ManagementServer.Username", (), #{value: "own"});
                 declare("Device.ManagementServer.Password", (), #{value: "secret"});"#;
    let gate = "COALESCE(OWN_CREDENTIALS(), AUTH('acs', 'sesame'))";
    let server = guarded(gate).script("credentials", set).start();
    // It takes the new ones, and the session breaks before it can say so.
    let mut device =
        simulated(&server, |options| options.faults = vec![FaultRule::parse("SetParameterValues#1=close").unwrap()]);
    let report = server.run(device.session(["0 BOOTSTRAP"]));
    assert!(!report.completed(), "{report:?}");
    let mut old = simulated(&server, |_| {});
    let mut new = simulated(&server, |options| (options.username, options.password) = ("own".into(), "secret".into()));
    assert!(is_let_in(&server, &mut new), "it has them");
    assert!(!is_let_in(&server, &mut old), "they were seen, so the old ones are good no more");
    assert!(is_let_in(&server, &mut device), "the device itself");
}

#[test]
fn a12_only_offered_algorithms_are_taken() {
    let server = guarded(SHARED).start();
    let mut modern = simulated(&server, |options| options.authentication.algorithm = Algorithm::Sha256);
    assert!(is_let_in(&server, &mut modern));
    let mut device = server.device("2");
    let header = answer_to(&inform_with(&mut device, ""), "acs", "sesame");
    inform_with(&mut device, &header.replace("algorithm=MD5", "algorithm=MD5-sess")).expect_status(401);
    let server = guarded(SHARED).config("cwmp.digestAlgorithms", "'SHA-256'").start();
    let challenge = inform_with(&mut server.device("2"), "");
    assert_eq!(challenge.headers("WWW-Authenticate").len(), 1);
    let as_md5 = |challenge: &Answer| {
        let header = challenge.header("WWW-Authenticate").unwrap().replace("SHA-256", "MD5");
        let signed = Signed { username: "acs", password: "sesame", method: "POST", uri: "/acs" };
        format!("Authorization: {}\r\n", Challenge::parse(&header).unwrap().answer(signed, 1, "c"))
    };
    inform_with(&mut server.device("2"), &as_md5(&challenge)).expect_status(401);
}

#[test]
fn a13_tls_1_2_and_1_3_are_spoken_with_the_whole_chain() {
    let certificates = Certificates::new();
    for (minimum, version, expected) in [("1.2", "1.2", true), ("1.2", "1.3", true), ("1.3", "1.2", false)] {
        let server = certificates.server_with(Setup::default(), &format!("minimum-version = \"{minimum}\""));
        let (client, address) = (TlsClient::new(&certificates.path("ca.pem"), version), certificates.address(&server));
        let connected = client.connect(address);
        assert_eq!(connected.is_ok(), expected, "{version} where {minimum} is the oldest");
        let Ok(mut connection) = connected else { continue };
        assert_eq!(connection.chain_length(), 2, "the certificate, and the one that it leads to");
        assert_eq!(connection.session("1"), [200, 204]);
        assert!(!connection.is_resumed());
        let mut again = client.connect(address).unwrap();
        assert_eq!(again.session("1"), [200, 204]);
        assert!(again.is_resumed(), "{version}");
    }
}

#[test]
fn a14_a_client_certificate_may_be_asked_for_and_not_required() {
    let certificates = Certificates::new();
    for (policy, expected) in [("request", true), ("require", false)] {
        let client = format!(
            "client-ca = {:?}\nclient-certificates = \"{policy}\"",
            certificates.path("ca.pem").display().to_string()
        );
        let server = certificates.server_with(Setup::default(), &client);
        let mut without = simulated(&server, |options| certificates.trust(&server, options));
        assert_eq!(server.run(without.session(["2 PERIODIC"])).completed(), expected, "{policy}");
        let mut with = simulated(&server, |options| {
            certificates.trust(&server, options);
            certificates.certify("any", options);
        });
        assert!(server.run(with.session(["2 PERIODIC"])).completed());
    }
}

#[test]
fn a15_a_renewed_certificate_needs_no_restart() {
    let certificates = Certificates::new();
    let server = certificates.server(Setup::default());
    let connect =
        |root: &Certificates| TlsClient::new(&root.path("ca.pem"), "1.3").connect(certificates.address(&server));
    let mut running = connect(&certificates).unwrap();
    assert_eq!(running.inform("2"), 200);
    // Another authority: who trusts only the first is served no more.
    let renewed = Certificates::new();
    for name in ["server.pem", "server.key"] {
        std::fs::copy(renewed.path(name), certificates.path(name)).unwrap();
    }
    eventually("the new certificate", || connect(&renewed).is_ok());
    assert!(connect(&certificates).is_err());
    assert_eq!(running.post(""), 204, "what runs goes on");
}

#[test]
fn a16_user_names_are_compared_decoded() {
    let server = guarded("AUTH('0A1B2C-My%20Box-ü', 'sesame')").start();
    for (username, expected) in [
        ("0A1B2C-My%20Box-ü", true),
        ("0A1B2C-My Box-ü", true),
        ("0A1B2C-My%20Box-%C3%BC", true),
        ("0a1b2c-My Box-ü", false),
    ] {
        let mut device = simulated(&server, |options| options.username = username.into());
        assert_eq!(is_let_in(&server, &mut device), expected, "{username}");
    }
}

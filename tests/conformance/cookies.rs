//! Cookies: rows C.

use serde_json::json;

use crate::kit::{Answer, Device, Inform, Server, Setup};

/// A device with a reboot to do, in the middle of its session: the request, and the token.
fn in_session(server: &Server, serial_number: &str) -> (Device, Answer, String) {
    let mut device = server.device(serial_number);
    device.register();
    server.task(&device.id(), json!({"name": "reboot"}));
    let request = device.begin().expect("Reboot");
    let token = device.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    (device, request, token)
}

const REBOOT_RESPONSE: &str = "<cwmp:RebootResponse/>";

#[test]
fn c1_one_short_plain_cookie_is_set() {
    let server = Server::start();
    let answer = server.device("C1").inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let cookies = answer.headers("Set-Cookie");
    assert_eq!(cookies.len(), 1);
    let (name, token) = cookies[0].split_once('=').unwrap();
    assert_eq!(name, "session");
    assert!(token.len() <= 40 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
}

#[test]
fn c2_the_cookie_comes_with_every_answer_of_the_session() {
    let server = Server::start();
    let mut device = server.device("C2");
    device.register();
    server.task(&device.id(), json!({"name": "reboot"}));
    let mut answers = vec![device.inform(&["2 PERIODIC"], &[])];
    answers.push(device.call("<cwmp:GetRPCMethods/>"));
    answers.push(device.call("<cwmp:Nonsense/>"));
    let request = device.empty().expect("Reboot");
    answers.push(request.clone());
    answers.push(device.answer(&request, REBOOT_RESPONSE).expect_end());
    let cookies: Vec<Option<&str>> = answers.iter().map(Answer::cookie).collect();
    assert!(cookies[0].is_some() && cookies.iter().all(|cookie| *cookie == cookies[0]), "{cookies:?}");
}

#[test]
fn c3_the_token_is_found_whatever_is_around_it() {
    let server = Server::start();
    let spellings = [
        "session=TOKEN; Path=/acs; HttpOnly",
        "b=zz;Version=1;Path=/,session=TOKEN;Version=1",
        "$Version=1; session=\"TOKEN\"; $Path=\"/\"",
        "JSESSIONID=00112233445566778899aabbccddeeff; session=TOKEN; lang=en",
        "session=00112233445566778899aabbccddeeff; session=TOKEN",
        "Session=TOKEN",
    ];
    for (index, spelling) in spellings.iter().enumerate() {
        let (mut device, request, token) = in_session(&server, &format!("C3{index}"));
        device.cookie = Some(spelling.replace("TOKEN", &token));
        device.reconnect();
        device.answer(&request, REBOOT_RESPONSE).expect_end();
    }
}

#[test]
fn c4_without_cookies_the_connection_stands_for_the_session() {
    let server = Server::start();
    let mut device = server.device("C4");
    device.returns_cookies = false;
    device.register();
    server.task(&device.id(), json!({"name": "reboot"}));
    let request = device.begin().expect("Reboot");
    device.answer(&request, REBOOT_RESPONSE).expect_end();
}

#[test]
fn c5_a_stale_or_forged_cookie_on_an_inform_is_ignored() {
    let server = Server::start();
    let mut device = server.device("C5");
    device.register();
    let stale = device.cookie.clone().unwrap();
    for cookie in [stale.clone(), "session=00112233445566778899aabbccddeeff".into(), "session=nonsense".into()] {
        device.cookie = Some(cookie.clone());
        device.reconnect();
        let answer = device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
        assert!(answer.cookie().is_some_and(|fresh| fresh != cookie), "{answer:?}");
        device.empty().expect_end();
    }

    // The cookie of another device's session does not make the two one: the thief gets a session of its own, and the
    // session whose cookie is in other hands is over.
    let (victim, _, _) = in_session(&server, "C5victim");
    let mut thief = server.device("C5thief");
    thief.cookie.clone_from(&victim.cookie);
    thief.send_inform(&Inform::of("C5thief")).expect("InformResponse");
    thief.empty().expect_end();
    assert_eq!(server.stored("0A1B2C-Box-C5thief")["_deviceId"]["_SerialNumber"], "C5thief");
}

#[test]
fn c6_a_stale_or_forged_cookie_on_anything_else_is_none() {
    let server = Server::start();
    let (mut device, request, _) = in_session(&server, "C6");
    let stale = {
        let mut other = server.device("C6other");
        other.register();
        other.cookie.unwrap()
    };
    for cookie in [stale, "session=00112233445566778899aabbccddeeff".to_owned(), "session=".to_owned()] {
        let mut stranger = server.device("C6");
        stranger.cookie = Some(cookie);
        stranger.answer(&request, REBOOT_RESPONSE).expect_status(400);
        stranger.reconnect();
        stranger.empty().expect_status(204);
    }
    // The device's own session has not noticed.
    device.answer(&request, REBOOT_RESPONSE).expect_end();
}

#[test]
fn c7_cookies_cannot_be_guessed() {
    let server = Server::start();
    let tokens: Vec<u128> = (0..64)
        .map(|number| {
            let answer = server.device(&format!("C7{number}")).inform(&["2 PERIODIC"], &[]).expect("InformResponse");
            let token = answer.cookie().and_then(|cookie| cookie.strip_prefix("session=")).unwrap().to_owned();
            u128::from_str_radix(&token, 16).unwrap()
        })
        .collect();
    let (ones, zeros) = tokens.iter().fold((0, 0), |(ones, zeros), token| (ones | token, zeros | !token));
    assert_eq!((ones, zeros), (u128::MAX, u128::MAX), "each of 128 bits is sometimes 1 and sometimes 0");
}

#[test]
fn c7_a_cookie_is_worth_nothing_after_its_session() {
    let server = Server::start();
    let (mut device, request, _) = in_session(&server, "C7");
    let cookie = device.cookie.clone();
    device.answer(&request, REBOOT_RESPONSE).expect_end();
    server.task(&device.id(), json!({"name": "reboot"}));
    for is_new in [false, true] {
        if is_new {
            device.reconnect();
        }
        device.cookie.clone_from(&cookie);
        device.empty().expect_status(204);
        device.cookie.clone_from(&cookie);
        device.answer(&request, REBOOT_RESPONSE).expect_status(400);
        device.reconnect();
    }
    // The work waits for a session.
    device.begin().expect("Reboot");
}

#[test]
fn c7_a_cookie_is_worth_nothing_for_another_device_or_identity() {
    const OWN: &str = "Authorization: Basic YWNzOnNlc2FtZQ==\r\n";
    const OTHER: &str = "Authorization: Basic b3RoZXI6b3Blbg==\r\n";
    let server = Setup::default()
        .config("cwmp.auth", "AUTH('acs', 'sesame') OR AUTH('other', 'open')")
        .config("cwmp.allowBasicWithoutTls", "true")
        .script("restarting", "declare(\"Reboot\", (), #{value: now()});")
        .start();
    let inform = |device: &mut Device, headers: &str| {
        let envelope = Inform::of(&device.serial_number).envelope("1");
        device.post_with(headers, envelope.as_bytes())
    };
    let mut device = server.device("C7");
    inform(&mut device, OWN).expect("InformResponse");

    let mut thief = server.device("C7thief");
    thief.cookie.clone_from(&device.cookie);
    thief.post_with(OTHER, b"").expect_status(401);
    thief.reconnect();
    thief.cookie.clone_from(&device.cookie);
    inform(&mut thief, "").expect_status(401);
    // It may have a session of its own, which is another.
    thief.reconnect();
    thief.cookie = None;
    inform(&mut thief, OTHER).expect("InformResponse");
    assert_ne!(thief.cookie, device.cookie);

    // The device itself may say again who it is; its session was not touched.
    device.reconnect();
    device.post_with(OWN, b"").expect("Reboot");
    thief.post_with(OTHER, b"").expect("Reboot");
}

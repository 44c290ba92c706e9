//! Connection requests over HTTP against devices as they are met: what is sent to the letter, and what is read however it comes.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use cwmp::connection_request::{
    AddressPolicy, ConnectionRequestError, Credentials, HttpOptions, HttpRequest, Silence, Verdict,
};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const DIGEST: &str =
    "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What a device does with a connection's requests.
#[derive(Clone, Copy)]
enum Does {
    /// Answers, and waits for the next request on the connection.
    Answer(&'static str),
    /// Answers and closes.
    Last(&'static str),
    /// Answers, and keeps the connection open without reading on.
    Silent(&'static str),
    /// Closes without an answer.
    Drop,
}

/// A device that does these things in order, request by request, and keeps what it was sent: connection number and request.
struct Device {
    url: String,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Device {
    async fn start(address: &str, plan: &'static [Does]) -> Device {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/cr", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        tokio::spawn(async move {
            let mut plan = plan.iter();
            let mut held = Vec::new();
            for connection in 1.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                loop {
                    let mut buffer = vec![0; 4096];
                    let count = stream.read(&mut buffer).await.unwrap_or(0);
                    if count == 0 {
                        break;
                    }
                    sink.lock().push((connection, String::from_utf8_lossy(&buffer[..count]).into_owned()));
                    let (text, stays, reads) = match plan.next().copied() {
                        Some(Does::Answer(text)) => (text, true, true),
                        Some(Does::Last(text)) => (text, false, false),
                        Some(Does::Silent(text)) => (text, true, false),
                        Some(Does::Drop) | None => ("", false, false),
                    };
                    stream.write_all(text.as_bytes()).await.unwrap();
                    if !reads {
                        if stays {
                            held.push(stream);
                        }
                        break;
                    }
                }
            }
        });
        Device { url, seen }
    }

    fn seen(&self) -> Vec<(usize, String)> {
        self.seen.lock().clone()
    }
}

fn options() -> HttpOptions {
    HttpOptions { timeout: Duration::from_secs(5), allow_basic: false }
}

fn credentials() -> Credentials {
    Credentials { username: "user".into(), password: "secret".into() }
}

async fn prepare(url: &str, options: HttpOptions) -> Result<HttpRequest, ConnectionRequestError> {
    HttpRequest::prepare(url, &AddressPolicy::default().with_this_machine(), options).await
}

/// Asks, and presents the credentials when they are wanted.
async fn send(url: &str, options: HttpOptions) -> Result<Verdict, ConnectionRequestError> {
    let mut request = prepare(url, options).await?;
    match request.ask().await? {
        Verdict::Accepted => Ok(Verdict::Accepted),
        Verdict::Unauthorized => request.present(&credentials()).await,
    }
}

/// Header names are matched to the letter by some devices; the uri is the path; qop stands without quotes.
#[tokio::test]
async fn what_is_sent_is_spelled_as_devices_want_it() {
    let device = Device::start("127.0.0.1:0", &[Does::Answer(DIGEST), Does::Answer(OK)]).await;
    assert_eq!(send(&device.url, options()).await, Ok(Verdict::Accepted));
    let seen = device.seen();
    let authority = device.url.trim_start_matches("http://").trim_end_matches("/cr");
    assert_eq!(seen[0].1, format!("GET /cr HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    let lines: Vec<&str> = seen[1].1.split("\r\n").collect();
    assert_eq!(lines[..2], ["GET /cr HTTP/1.1", &format!("Host: {authority}")]);
    let header = lines[2].strip_prefix("Authorization: Digest ").unwrap();
    for part in
        ["username=\"user\"", "realm=\"r\"", "nonce=\"n\"", "uri=\"/cr\"", "qop=auth,", "nc=00000001", "cnonce=\""]
    {
        assert!(header.contains(part), "{part} is missing in {header}");
    }
    assert!(!seen[1].1.contains("secret"));
}

#[tokio::test]
async fn answers_are_read_however_they_come() {
    use Does::{Answer, Last, Silent};
    // Recorded shapes: bare LF, folded, without an end; no commas and an empty opaque; nothing but a status.
    let folded = "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest\n   realm=\"box\",\n   qop=\"auth\",\n   nonce=\"jGt4\",\n   opaque=\"uGG\"\n";
    let no_commas = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest qop=\"auth\" nonce=\"c4ca\" opaque=\"\" realm=\"cwmpd\"\r\nServer: Agent\r\nContent-Length: 0\r\n\r\n";
    let plans: &[&'static [Does]] = &[
        Vec::leak(vec![Last(folded), Last("HTTP/1.1 200 OK\nDate: x\nContent-Length: 0")]),
        Vec::leak(vec![Answer(no_commas), Last("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK")]),
        &[Last("HTTP/1.1 200 OK")],
        // The connection stays open, and nothing more comes.
        &[Silent("HTTP/1.1 200 OK")],
        &[Silent("HTTP/1.1 204 No Content\r\n")],
        &[
            Last(
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Digest realm=\"b\", nonce=\"n\", algorithm=SHA-256\r\n\r\n",
            ),
            Last(OK),
        ],
        &[
            Last(
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"b\", nonce=\"n\"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            Last(OK),
        ],
    ];
    for (number, plan) in plans.iter().enumerate() {
        let device = Device::start("127.0.0.1:0", plan).await;
        assert_eq!(send(&device.url, options()).await, Ok(Verdict::Accepted), "plan {number}");
        assert_eq!(device.seen().len(), plan.len(), "plan {number}");
    }
}

#[tokio::test]
async fn failures_have_their_reason() {
    use Does::{Answer, Drop, Last};
    const BASIC: &str = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\n";
    type Expected = Result<Verdict, ConnectionRequestError>;
    let cases: [(&'static [Does], Expected); 9] = [
        (&[Answer(DIGEST), Answer(DIGEST)], Ok(Verdict::Unauthorized)),
        (&[Last(BASIC)], Err(ConnectionRequestError::BasicNotAllowed)),
        (&[Last("HTTP/1.1 503 Busy\r\n\r\n")], Err(ConnectionRequestError::Offline(Silence::Busy))),
        (&[Last("HTTP/1.1 404 Not Found\r\n\r\n")], Err(ConnectionRequestError::UnexpectedStatus(404))),
        // Never followed, wherever it leads.
        (
            &[Last("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")],
            Err(ConnectionRequestError::UnexpectedStatus(302)),
        ),
        (&[Last("HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\n\r\n")], Err(ConnectionRequestError::UnknownMethod)),
        (&[Last("HTTP/1.1 401 No\r\n\r\n")], Err(ConnectionRequestError::UnreadableChallenge)),
        (
            &[Last("HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\"\r\n\r\n")],
            Err(ConnectionRequestError::UnreadableChallenge),
        ),
        (&[Drop], Err(ConnectionRequestError::Offline(Silence::Dropped))),
    ];
    for (plan, expected) in cases {
        let device = Device::start("127.0.0.1:0", plan).await;
        assert_eq!(send(&device.url, options()).await, expected);
        assert_eq!(device.seen().len(), plan.len(), "{expected:?}");
    }
    let device = Device::start("127.0.0.1:0", &[Last("gibberish\r\n\r\n")]).await;
    assert!(matches!(send(&device.url, options()).await, Err(ConnectionRequestError::Failed(_))));
    let impatient = HttpOptions { timeout: Duration::from_millis(50), ..options() };
    let device = Device::start("127.0.0.1:0", &[Does::Silent("")]).await;
    assert_eq!(send(&device.url, impatient).await, Err(ConnectionRequestError::Offline(Silence::TimedOut)));
}

#[tokio::test]
async fn basic_goes_out_only_when_it_is_allowed() {
    let plan = &[Does::Last("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\n"), Does::Last(OK)];
    let device = Device::start("127.0.0.1:0", plan).await;
    assert_eq!(send(&device.url, HttpOptions { allow_basic: true, ..options() }).await, Ok(Verdict::Accepted));
    assert!(device.seen()[1].1.contains("\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
}

#[tokio::test]
async fn a_connection_that_the_device_keeps_is_used_again() {
    let device = Device::start("127.0.0.1:0", &[Does::Answer(DIGEST), Does::Answer(DIGEST), Does::Answer(OK)]).await;
    let mut request = prepare(&device.url, options()).await.unwrap();
    assert_eq!(request.ask().await, Ok(Verdict::Unauthorized));
    assert_eq!(request.present(&credentials()).await, Ok(Verdict::Unauthorized));
    assert_eq!(request.present(&credentials()).await, Ok(Verdict::Accepted));
    let connections: Vec<usize> = device.seen().iter().map(|(connection, _)| *connection).collect();
    assert_eq!(connections, [1, 1, 1]);
}

#[tokio::test]
async fn a_connection_that_drops_after_the_challenge_is_tried_once_more() {
    use Does::{Answer, Drop, Last};
    let device = Device::start("127.0.0.1:0", &[Last(DIGEST), Drop, Answer(OK)]).await;
    assert_eq!(send(&device.url, options()).await, Ok(Verdict::Accepted));
    let device = Device::start("127.0.0.1:0", &[Last(DIGEST), Drop, Drop]).await;
    assert_eq!(send(&device.url, options()).await, Err(ConnectionRequestError::Offline(Silence::Dropped)));
    assert_eq!(device.seen().len(), 3);
}

#[tokio::test]
async fn names_and_addresses_of_both_families_are_asked() {
    let device = Device::start("127.0.0.1:0", &[Does::Answer(OK)]).await;
    let url = device.url.replace("127.0.0.1", "localhost");
    assert_eq!(send(&url, options()).await, Ok(Verdict::Accepted));
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let device = Device::start("[::1]:0", &[Does::Answer(OK)]).await;
    assert_eq!(send(&device.url, options()).await, Ok(Verdict::Accepted));
    assert!(device.seen()[0].1.contains("\r\nHost: [::1]:"));
}

/// However an address is written, what counts is where it leads.
#[tokio::test]
async fn no_url_leads_to_this_machine() {
    for host in
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]
    {
        let url = format!("http://{host}:7547/");
        let refused = HttpRequest::prepare(&url, &AddressPolicy::default(), options()).await;
        assert!(matches!(refused, Err(ConnectionRequestError::AddressRefused(_))), "{host}: {refused:?}");
    }
    for (url, expected) in [
        ("https://192.0.2.1/", ConnectionRequestError::UnsupportedProtocol),
        ("http://192.0.2.1:22/", ConnectionRequestError::PortRefused(22)),
        ("nonsense", ConnectionRequestError::InvalidUrl),
    ] {
        let refused = HttpRequest::prepare(url, &AddressPolicy::default(), options()).await;
        assert_eq!(refused.map(|_| ()), Err(expected), "{url}");
    }
}

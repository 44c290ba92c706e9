//! A client that sends what it is told, byte by byte.

use serde_json::Value as Json;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn ids(&self) -> Vec<String> {
        let list = self.json();
        list.as_array().unwrap().iter().map(|document| document["_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Sends bytes and reads until the server closes, or `answers` answers have come.
pub async fn exchange(server: SocketAddr, bytes: &[u8], answers: usize) -> Vec<Answer> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut received = Vec::new();
    loop {
        let (parsed, _) = parse(&received);
        if parsed.len() >= answers {
            return parsed;
        }
        let mut piece = [0; 16 * 1024];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return parsed,
            Ok(length) => received.extend_from_slice(&piece[..length]),
        }
    }
}

/// One request on a connection of its own. `target` and headers are sent as they are.
pub async fn request(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {server}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    let is_head = method == "HEAD";
    let mut stream = TcpStream::connect(server).await.unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(&bytes).await;
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    if is_head {
        let text = String::from_utf8_lossy(&received).into_owned();
        return parse_head(text.split("\r\n\r\n").next().unwrap());
    }
    let (mut answers, _) = parse(&received);
    assert_eq!(answers.len(), 1, "{method} {target}: {}", String::from_utf8_lossy(&received));
    answers.remove(0)
}

/// The whole answers at the start of what was received, and how many bytes they are.
fn parse(received: &[u8]) -> (Vec<Answer>, usize) {
    let mut answers = Vec::new();
    let mut start = 0;
    while let Some(end) = find(&received[start..], b"\r\n\r\n") {
        let head = String::from_utf8(received[start..start + end].to_vec()).unwrap();
        let mut answer = parse_head(&head);
        let rest = &received[start + end + 4..];
        let taken = if answer.header("transfer-encoding") == Some("chunked") {
            unchunk(rest)
        } else {
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            (rest.len() >= length).then(|| (rest[..length].to_vec(), length))
        };
        let Some((body, taken)) = taken else { break };
        answer.body = String::from_utf8(body).unwrap();
        answers.push(answer);
        start += end + 4 + taken;
    }
    (answers, start)
}

fn parse_head(head: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap();
    let mut parts = status_line.splitn(3, ' ');
    assert_eq!(parts.next(), Some("HTTP/1.1"), "{head}");
    let status = parts.next().unwrap().parse().unwrap();
    let reason = parts.next().unwrap_or_default().to_owned();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer { status, reason, headers: headers.collect(), body: String::new() }
}

fn unchunk(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let whole = rest.len();
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if rest.len() < size + 2 {
            return None;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
        if size == 0 {
            return Some((body, whole - rest.len()));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

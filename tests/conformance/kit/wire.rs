//! HTTP by hand: bytes out, an answer in.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use roxmltree::Document;
use serde_json::Value as Json;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the server.
pub struct Connection {
    stream: TcpStream,
    /// What was read beyond the last answer.
    ahead: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, ahead: Vec::new() }
    }

    /// How long an answer is waited for.
    pub fn set_patience(&mut self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub fn finish_writing(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Sends bytes, and takes the answer in.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.write(bytes);
        self.receive()
    }

    /// The next answer.
    pub fn receive(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.read_more(),
                "the connection ended before an answer: {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        if answer.status / 100 == 1 || answer.status == 204 {
            return answer;
        }
        if answer.header("Transfer-Encoding").is_some() {
            answer.body = self.receive_chunks();
            return answer;
        }
        let length: usize = answer.header("Content-Length").expect("an answer with a length").parse().unwrap();
        answer.body = self.receive_bytes(length);
        answer
    }

    /// Waits until the server closes the connection. Returns what it still sent.
    pub fn closed(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.ahead)
    }

    fn receive_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = self.ahead.windows(2).position(|bytes| bytes == b"\r\n") {
                    break self.receive_bytes(end + 2);
                }
                assert!(self.read_more(), "the connection ended within a chunk");
            };
            let size = usize::from_str_radix(String::from_utf8(line).unwrap().trim(), 16).unwrap();
            body.extend(self.receive_bytes(size));
            self.receive_bytes(2);
            if size == 0 {
                return body;
            }
        }
    }

    fn receive_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            assert!(self.read_more(), "the connection ended within an answer");
        }
        self.ahead.drain(..count).collect()
    }

    /// Reads on. False: the server has closed the connection; a reset is a close, too.
    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.ahead.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the server says nothing: {error}"),
        }
    }
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// All headers of a name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn document(&self) -> Document<'_> {
        Document::parse(self.text()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The local name of the element in the Body; the status when there is no envelope.
    pub fn rpc(&self) -> String {
        if self.status != 200 || !self.text().contains("Envelope") {
            return self.status.to_string();
        }
        let document = self.document();
        let body = document.root_element().children().find(|child| child.tag_name().name() == "Body").unwrap();
        body.children().find(|child| child.is_element()).unwrap().tag_name().name().to_owned()
    }

    /// The namespace of the element in the Body.
    pub fn namespace(&self) -> String {
        let document = self.document();
        let body = document.root_element().children().find(|child| child.tag_name().name() == "Body").unwrap();
        let rpc = body.children().find(|child| child.is_element()).unwrap();
        rpc.tag_name().namespace().unwrap_or_default().to_owned()
    }

    /// The text of the first element of that local name.
    pub fn element(&self, name: &str) -> Option<String> {
        self.elements(name).into_iter().next()
    }

    /// The texts of all elements of that local name.
    pub fn elements(&self, name: &str) -> Vec<String> {
        let document = self.document();
        let found = document.descendants().filter(|node| node.is_element() && node.tag_name().name() == name);
        found.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    /// The text of `cwmp:ID`.
    pub fn id(&self) -> String {
        self.element("ID").unwrap_or_default()
    }

    /// The CWMP fault's code.
    pub fn fault_code(&self) -> Option<String> {
        (self.rpc() == "Fault").then(|| self.element("FaultCode")).flatten()
    }

    /// Whether the server closes the connection after it.
    pub fn closes(&self) -> bool {
        self.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The cookie to return, without its attributes.
    pub fn cookie(&self) -> Option<&str> {
        self.header("Set-Cookie").map(|cookie| cookie.split(';').next().unwrap_or_default())
    }

    /// It must be this RPC: the name of the element in the Body.
    #[track_caller]
    pub fn expect(self, rpc: &str) -> Answer {
        assert_eq!(self.rpc(), rpc, "{}{}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    /// It must have this status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}{}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    /// It must end the session: 204, or 200 without a body.
    #[track_caller]
    pub fn expect_end(self) -> Answer {
        let ends = self.status == 204 || (self.status == 200 && self.body.is_empty());
        assert!(ends, "not the end of the session: {}{}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    /// It must be a SOAP fault with this CWMP fault code.
    #[track_caller]
    pub fn expect_fault(self, code: &str) -> Answer {
        assert_eq!(self.fault_code().as_deref(), Some(code), "{}{}", self.head, String::from_utf8_lossy(&self.body));
        self
    }
}

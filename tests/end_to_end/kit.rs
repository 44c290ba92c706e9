//! Starting the binary, and talking to its REST API with nothing but a socket.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::test_store::{DataDir, address_of};

/// The key that the server is given at its first start.
pub const KEY: &str = "end-to-end-key-0123456789abcdef0123456789";
/// The password of its administrator.
pub const PASSWORD: &str = "end-to-end-password";

/// The binary, running.
pub struct Server {
    process: Child,
    pub cwmp: SocketAddr,
    pub nbi: SocketAddr,
    files: SocketAddr,
    directory: Directory,
}

enum Directory {
    Own(DataDir),
    Given(PathBuf),
}

/// An answer of the REST API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Server {
    /// Starts on free ports with a directory of its own and without the seed presets.
    pub fn start() -> Server {
        Server::start_bare_with(&[])
    }

    /// The same with further arguments.
    pub fn start_bare_with(arguments: &[&str]) -> Server {
        let server = Server::start_in(Directory::Own(DataDir::new()), arguments);
        for name in ["bootstrap", "default", "inform"] {
            server.request("DELETE", &format!("/presets/{name}"), "");
        }
        server
    }

    /// Starts with the seed presets, and further arguments.
    pub fn start_with(arguments: &[&str]) -> Server {
        Server::start_in(Directory::Own(DataDir::new()), arguments)
    }

    /// Starts on a directory that outlives the server.
    pub fn start_on(directory: &Path) -> Server {
        Server::start_on_with(directory, &[])
    }

    /// The same with further arguments.
    pub fn start_on_with(directory: &Path, arguments: &[&str]) -> Server {
        Server::start_in(Directory::Given(directory.to_owned()), arguments)
    }

    fn start_in(directory: Directory, arguments: &[&str]) -> Server {
        let (cwmp, nbi) = (free_address(), free_address());
        let command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
        let server = Server::spawn(command, directory, cwmp, nbi, arguments);
        eventually("the server to listen for devices", || TcpStream::connect(cwmp).is_ok());
        server
    }

    /// Starts within a network namespace, at addresses there; the REST API's must be reachable from here.
    pub fn start_within(namespace: &str, cwmp: SocketAddr, nbi: SocketAddr, arguments: &[&str]) -> Server {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_lodestar")]);
        Server::spawn(command, Directory::Own(DataDir::new()), cwmp, nbi, arguments)
    }

    fn spawn(
        mut command: Command,
        directory: Directory,
        cwmp: SocketAddr,
        nbi: SocketAddr,
        arguments: &[&str],
    ) -> Server {
        let files = free_address();
        let data_dir = directory.path().to_owned();
        let process = command
            .arg("serve")
            .args(["--log", "warn"])
            .arg("--data-dir")
            .arg(&data_dir)
            .args(["--cwmp-listen", &cwmp.to_string(), "--nbi-listen", &nbi.to_string()])
            .args(["--files-listen", &files.to_string()])
            .args(arguments)
            .envs(store_of(&data_dir))
            .env("LODESTAR_INITIAL_API_KEY", KEY)
            .env("LODESTAR_INITIAL_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { process, cwmp, nbi, files, directory };
        eventually("the server to listen", || TcpStream::connect(nbi).is_ok());
        server
    }

    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The bytes of memory that the process holds for itself: neither shared nor backed by a file.
    pub fn own_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    /// Ends the process without warning.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// A request with the API key.
    pub fn request(&self, method: &str, target: &str, body: &str) -> Answer {
        self.request_with(method, target, &format!("X-API-Key: {KEY}\r\n"), body)
    }

    /// A request with these header lines.
    pub fn request_with(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        self.request_at(self.nbi, method, target, headers, body)
    }

    /// A GET at the file server.
    pub fn fetch(&self, target: &str) -> Answer {
        self.request_at(self.files, "GET", target, "", "")
    }

    /// A PUT at the file server.
    pub fn send_file(&self, target: &str, content: &str) -> Answer {
        self.request_at(self.files, "PUT", target, "", content)
    }

    /// A request at any of the server's addresses.
    pub fn request_at(&self, address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = body.len();
        let host = if headers.starts_with("Host:") || headers.contains("\nHost:") {
            String::new()
        } else {
            format!("Host: {address}\r\n")
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(body.as_bytes());
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer to {method} {target}: {text}"));
        let mut lines = head.split("\r\n");
        let mut status_line = lines.next().unwrap().splitn(3, ' ').skip(1);
        let status = status_line.next().unwrap().parse().unwrap();
        let reason = status_line.next().unwrap_or_default().to_owned();
        let header =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let headers = lines.filter_map(header).collect();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Answer { status, reason, headers, body: if chunked { unchunk(body) } else { body.to_owned() } }
    }

    /// A GET that must succeed, as JSON.
    pub fn get(&self, target: &str) -> Json {
        let answer = self.request("GET", target, "");
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// A PUT that must succeed.
    pub fn put(&self, target: &str, body: &str) {
        let answer = self.request("PUT", target, body);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
    }

    /// Stores a provision and a preset that runs it. Sessions that begin after the answer follow it.
    pub fn preset(&self, name: &str, preset: Json, script: &str) {
        self.put(&format!("/provisions/{name}"), script);
        let mut preset = preset;
        preset["provisions"] = serde_json::json!([name]);
        self.put(&format!("/presets/{name}"), &preset.to_string());
    }

    /// A simulated device that talks to this server.
    pub fn device(&self, serial: &str, change: impl FnOnce(&mut sim::Options)) -> sim::Device {
        let mut options = sim::Options {
            acs_url: format!("http://{}/", self.cwmp),
            model: sim::ModelKind::Tr181,
            parameters: 120,
            ..Default::default()
        };
        options.identity.serial_number = serial.to_owned();
        options.retry.attempts = 0;
        change(&mut options);
        sim::Device::new(options).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Directory::Own(directory) => directory.path(),
            Directory::Given(path) => path,
        }
    }
}

/// The sequence number of each device's last session that is stored, as the load generator stamps them, by serial number.
pub fn stored_sequences(server: &Server) -> BTreeMap<String, u64> {
    let stored = server.get("/devices?projection=_id,InternetGatewayDevice.DeviceInfo.ProvisioningCode");
    let sequence = |device: &Json| {
        let serial = device["_id"].as_str()?.rsplit('-').next()?.to_owned();
        let code = &device["InternetGatewayDevice"]["DeviceInfo"]["ProvisioningCode"]["_value"];
        Some((serial, code.as_str()?.parse().ok()?))
    };
    stored.as_array().unwrap().iter().filter_map(sequence).collect()
}

/// Waits until something is so, and says what it was when it never is.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A device that runs until it is dropped: it comes when it is woken.
pub struct RunningDevice {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl RunningDevice {
    /// Returns once the device's first session, which it begins by itself, is over.
    pub async fn start(mut device: sim::Device) -> RunningDevice {
        let stop = CancellationToken::new();
        let (stopped, first) = (stop.clone(), Arc::new(Notify::new()));
        let over = first.clone();
        let running = tokio::spawn(async move {
            device.run(["2 PERIODIC"], None, stopped, |_| over.notify_one()).await;
        });
        first.notified().await;
        RunningDevice { stop, running }
    }
}

impl Drop for RunningDevice {
    fn drop(&mut self) {
        self.stop.cancel();
        self.running.abort();
    }
}

/// The variables that name the store of a data directory, for commands that work on it.
pub fn store_of(data_dir: &Path) -> Option<(&'static str, String)> {
    address_of(data_dir).map(|address| ("LODESTAR_STORE", address))
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    out
}

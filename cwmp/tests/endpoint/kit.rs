//! A server with a store in a temporary directory, and devices that speak to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use acs_core::change::DeviceSnapshot;
use acs_core::declaration::{Freshness, Named, Wanted};
use acs_core::expression::{Context, Expression, parse};
use acs_core::script::{ExtensionCall, Interrupt, Outcome, ScriptFault, ScriptKind, ScriptRun, ScriptRunner};
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset, SelectedProvision};
use acs_core::value::Value;
use cwmp::{
    AuthenticationOptions, ConfigurationSource, Endpoint, EndpointLimits, EndpointParts, ExtensionCaller, Listener,
    ListenerPolicy, PinnedConfiguration, Pool, SessionEnd, SessionObserver, SessionOptions, SessionTrace, serve,
};
use serde_json::Value as Json;
use store::{EmbeddedStore, Store};
use tls::TlsServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

type Script = Box<dyn Fn(&mut ScriptRun) -> Outcome + Send + Sync>;
type Options = Box<dyn Fn(&dyn Context) -> SessionOptions + Send + Sync>;

/// A configuration of closures. Each script is a provision of its own preset and channel, both named like it.
pub struct Scripts {
    scripts: HashMap<String, Script>,
    options: Options,
    gate: Option<Expression>,
    authentication: AuthenticationOptions,
}

impl Scripts {
    pub fn none() -> Scripts {
        Scripts {
            scripts: HashMap::new(),
            options: Box::new(|_| SessionOptions::default()),
            gate: None,
            authentication: AuthenticationOptions::default(),
        }
    }

    /// No scripts, and only devices for which `cwmp.auth` is true.
    pub fn guarded(gate: &str) -> Scripts {
        Scripts { gate: Some(parse(gate).unwrap()), ..Scripts::none() }
    }

    pub fn authentication(mut self, options: AuthenticationOptions) -> Scripts {
        self.authentication = options;
        self
    }

    pub fn with(mut self, name: &str, script: impl Fn(&mut ScriptRun) -> Outcome + Send + Sync + 'static) -> Scripts {
        self.scripts.insert(name.to_owned(), Box::new(script));
        self
    }

    pub fn options(mut self, options: impl Fn(&dyn Context) -> SessionOptions + Send + Sync + 'static) -> Scripts {
        self.options = Box::new(options);
        self
    }
}

/// Asks for a Reboot in each session, which is one request.
pub fn reboot(run: &mut ScriptRun) -> Outcome {
    command(run, "Reboot")
}

/// Asks for a FactoryReset in each session, which is one request.
pub fn factory_reset(run: &mut ScriptRun) -> Outcome {
    command(run, "FactoryReset")
}

fn command(run: &mut ScriptRun, name: &str) -> Outcome {
    let wanted = Wanted { value: Some((Value::Int(run.now()), None)), ..Wanted::default() };
    run.declare(name, Freshness::default(), wanted, Named::default(), 1, 1).unwrap();
    Outcome::Finished(Json::Null)
}

/// Sets a parameter to a text.
pub fn write(run: &mut ScriptRun, path: &str, text: &str) {
    let wanted = Wanted { value: Some((Value::Text(text.into()), None)), ..Wanted::default() };
    run.declare(path, Freshness::default(), wanted, Named::default(), 1, 1).unwrap();
}

/// Reads a parameter anew in each session.
pub fn read(path: &'static str) -> impl Fn(&mut ScriptRun) -> Outcome + Send + Sync {
    move |run| {
        let fresh = Freshness { value: run.now(), ..Freshness::default() };
        run.declare(path, fresh, Wanted::default(), Named::default(), 1, 1).unwrap();
        Outcome::Finished(Json::Null)
    }
}

/// Calls an extension, and tags the device with what it says.
pub fn extension(run: &mut ScriptRun) -> Outcome {
    match run.extension(vec!["lookup".into()]) {
        Ok(result) => {
            let path = format!("Tags.{}", result.as_str().unwrap());
            let wanted = Wanted { value: Some((Value::Bool(true), None)), ..Wanted::default() };
            run.declare(&path, Freshness::default(), wanted, Named::default(), 1, 1).unwrap();
            Outcome::Finished(Json::Null)
        }
        Err(Interrupt::Suspended) => Outcome::WaitingForExtension,
        Err(Interrupt::Error(error)) => {
            Outcome::Failed(ScriptFault { code: "ext".into(), message: error.to_string(), detail: None })
        }
    }
}

impl ScriptRunner for Scripts {
    fn run(&self, _: ScriptKind, name: &str, mut run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        let outcome = self.scripts.get(name).map(|script| script(&mut run));
        (run, outcome)
    }
}

impl Configuration for Scripts {
    fn select_presets(&self, _: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        let mut names: Vec<_> = self.scripts.keys().collect();
        names.sort();
        let preset = |name: &String| SelectedPreset {
            name: name.as_str().into(),
            weight: 0,
            channel: name.as_str().into(),
            precondition: None,
            provisions: vec![SelectedProvision { name: name.as_str().into(), arguments: Vec::new() }],
        };
        names.into_iter().map(preset).collect()
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        &[]
    }

    fn script_fingerprint(&self, _: ScriptKind, _: &str) -> Option<u64> {
        Some(1)
    }

    fn file_size(&self, _: &str) -> Option<u64> {
        None
    }
}

impl PinnedConfiguration for Scripts {
    fn session_options(&self, context: &dyn Context) -> SessionOptions {
        (self.options)(context)
    }

    fn authentication(&self) -> Option<&Expression> {
        self.gate.as_ref()
    }

    fn authentication_options(&self, _: &dyn Context) -> AuthenticationOptions {
        self.authentication.clone()
    }
}

struct Source(Arc<Scripts>);

impl ConfigurationSource for Source {
    fn current(&self) -> Arc<dyn PinnedConfiguration> {
        self.0.clone()
    }
}

/// The extension `lookup`: each call is given to the test, which answers it.
struct Extensions(mpsc::UnboundedSender<oneshot::Sender<Json>>);

#[async_trait::async_trait]
impl ExtensionCaller for Extensions {
    async fn call(&self, _: ExtensionCall) -> Result<Json, ScriptFault> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(sender).unwrap();
        let failed = |_| ScriptFault { code: "ext".into(), message: "no answer".into(), detail: None };
        receiver.await.map_err(failed)
    }
}

/// What a [`SessionObserver`] was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Started(String),
    Ended(String, SessionEnd),
}

struct Observer(mpsc::UnboundedSender<Seen>, mpsc::UnboundedSender<SessionTrace>);

impl SessionObserver for Observer {
    fn session_started(&self, device_id: &str) {
        // After the test nobody listens.
        let _ = self.0.send(Seen::Started(device_id.to_owned()));
    }

    fn session_ended(&self, device_id: &str, end: SessionEnd) {
        let _ = self.0.send(Seen::Ended(device_id.to_owned(), end));
    }

    fn session_traced(&self, trace: SessionTrace) {
        let _ = self.1.send(trace);
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub endpoint: Arc<Endpoint>,
    pub store: EmbeddedStore,
    pub directory: tempfile::TempDir,
    pub extension_calls: mpsc::UnboundedReceiver<oneshot::Sender<Json>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    traces: mpsc::UnboundedReceiver<SessionTrace>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start(scripts: Scripts) -> Server {
        Server::start_with(scripts, EndpointLimits::default()).await
    }

    pub async fn start_with(scripts: Scripts, limits: EndpointLimits) -> Server {
        Server::start_listening(scripts, limits, ListenerPolicy::default(), None).await
    }

    pub async fn start_listening(
        scripts: Scripts,
        limits: EndpointLimits,
        policy: ListenerPolicy,
        tls: Option<Arc<TlsServer>>,
    ) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&directory.path().join("store.db")).unwrap();
        Server::start_on(store, directory, scripts, limits, policy, tls).await
    }

    /// Another node on the same store.
    pub async fn other_node(&self, scripts: Scripts, policy: ListenerPolicy) -> Server {
        let (store, limits) = (self.store.clone(), self.endpoint.limits().clone());
        Server::start_on(store, tempfile::tempdir().unwrap(), scripts, limits, policy, None).await
    }

    async fn start_on(
        store: EmbeddedStore,
        directory: tempfile::TempDir,
        scripts: Scripts,
        limits: EndpointLimits,
        policy: ListenerPolicy,
        tls: Option<Arc<TlsServer>>,
    ) -> Server {
        let (observer, seen) = mpsc::unbounded_channel();
        let (extensions, extension_calls) = mpsc::unbounded_channel();
        let (tracer, traces) = mpsc::unbounded_channel();
        let clock = AtomicI64::new(1_700_000_000_000);
        let endpoint = Endpoint::new(EndpointParts {
            store: Arc::new(store.clone()),
            configuration: Arc::new(Source(Arc::new(scripts))),
            extensions: Arc::new(Extensions(extensions)),
            observer: Some(Arc::new(Observer(observer, tracer))),
            clock: Arc::new(move || clock.fetch_add(1_000, Ordering::SeqCst)),
            pool: Pool::start(2, None).unwrap(),
            limits,
        });
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let listener = Listener { socket, policy: Arc::new(policy), tls };
        let serving = tokio::spawn(serve(listener, endpoint.clone(), shutdown.clone()));
        Server { address, endpoint, store, directory, extension_calls, seen, traces, shutdown, serving }
    }

    pub async fn device(&self, serial_number: &str) -> Device {
        Device::connect(self.address, serial_number).await
    }

    /// The next thing that the observer is told.
    pub async fn seen(&mut self) -> Seen {
        timeout(PATIENCE, self.seen.recv()).await.expect("nothing happened").unwrap()
    }

    /// What happened in the next session that is over.
    pub async fn trace(&mut self) -> SessionTrace {
        timeout(PATIENCE, self.traces.recv()).await.expect("no session ended").unwrap()
    }

    /// Does something while every extension call gets the same answer.
    pub async fn answering<T>(&mut self, answer: &str, work: impl Future<Output = T>) -> T {
        let calls = &mut self.extension_calls;
        let answering = async {
            while let Some(call) = calls.recv().await {
                // The one who called may have given up.
                let _ = call.send(answer.into());
            }
        };
        tokio::select! {
            done = work => done,
            () = answering => panic!("the endpoint is gone"),
        }
    }

    /// Another listener of the same endpoint, with a policy of its own.
    pub async fn listen_too(&self) -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(serve(socket, self.endpoint.clone(), self.shutdown.clone()));
        address
    }

    /// What is stored of a device.
    pub async fn stored(&self, device: &Device) -> DeviceSnapshot {
        self.store.open_device(&device.id()).await.unwrap()
    }

    /// The codes of a device's stored faults, by channel.
    pub async fn faults(&self, device: &Device) -> Vec<(String, String)> {
        let faults = self.stored(device).await.faults.into_iter();
        faults.map(|fault| (fault.channel, fault.fault.code)).collect()
    }

    pub async fn stop(self) -> (EmbeddedStore, tempfile::TempDir) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.serving).await.expect("the server does not stop").unwrap();
        (self.store, self.directory)
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
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The name of the RPC in the envelope; the status when there is none.
    pub fn rpc(&self) -> String {
        let text = self.text();
        match text.split_once("<soap-env:Body><") {
            Some((_, rest)) => rest.split(['>', '/', ' ']).next().unwrap().trim_start_matches("cwmp:").to_owned(),
            None => self.status.to_string(),
        }
    }

    pub fn cwmp_id(&self) -> &str {
        let (_, rest) = self.text().split_once("<cwmp:ID soap-env:mustUnderstand=\"1\">").unwrap();
        rest.split('<').next().unwrap()
    }

    pub fn fault_code(&self) -> Option<&str> {
        self.text().split_once("<FaultCode>")?.1.split('<').next()
    }

    pub fn closes(&self) -> bool {
        self.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// All headers of a name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The cookie to return.
    pub fn cookie(&self) -> Option<&str> {
        self.header("Set-Cookie")
    }
}

/// A device with its connection. It speaks HTTP by hand.
pub struct Device {
    pub serial_number: String,
    pub address: SocketAddr,
    pub stream: TcpStream,
    pub cookie: Option<String>,
    /// Whether it returns cookies.
    pub returns_cookies: bool,
}

impl Device {
    pub async fn connect(address: SocketAddr, serial_number: &str) -> Device {
        let stream = TcpStream::connect(address).await.unwrap();
        Device { serial_number: serial_number.to_owned(), address, stream, cookie: None, returns_cookies: true }
    }

    pub fn id(&self) -> String {
        format!("0A1B2C-Box-{}", self.serial_number)
    }

    /// Goes to another node.
    pub async fn move_to(&mut self, server: &Server) {
        self.address = server.address;
        self.reconnect().await;
    }

    pub async fn reconnect(&mut self) {
        self.stream = TcpStream::connect(self.address).await.unwrap();
    }

    /// Sends a body as one request.
    pub async fn post(&mut self, body: &str) -> Answer {
        self.post_with("", body.as_bytes()).await
    }

    /// Sends a body with further header lines, each ending in CR LF.
    pub async fn post_with(&mut self, headers: &str, body: &[u8]) -> Answer {
        let cookie = match &self.cookie {
            Some(cookie) if self.returns_cookies => format!("Cookie: {cookie}\r\n"),
            _ => String::new(),
        };
        let head =
            format!("POST /acs HTTP/1.1\r\nHost: acs\r\n{cookie}{headers}Content-Length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends bytes, and takes the answer in.
    pub async fn send(&mut self, bytes: &[u8]) -> Answer {
        self.write(bytes).await;
        self.receive().await
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn receive(&mut self) -> Answer {
        let answer =
            timeout(PATIENCE, read_answer(&mut self.stream)).await.expect("no answer").expect("no whole answer");
        if let Some(cookie) = answer.cookie() {
            self.cookie = Some(cookie.to_owned());
        }
        answer
    }

    /// Waits until the server closes the connection. Returns what it still sent.
    pub async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is a close, too.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the connection stays open");
        rest
    }

    pub async fn inform(&mut self) -> Answer {
        let inform = inform(&self.serial_number);
        self.post(&inform).await
    }

    /// Informs and sends the empty POST: the answer to it.
    pub async fn begin(&mut self) -> Answer {
        assert_eq!(self.inform().await.rpc(), "InformResponse");
        self.post("").await
    }

    /// Answers a request with the empty response of that name.
    pub async fn respond(&mut self, request: &Answer) -> Answer {
        let response = envelope(request.cwmp_id(), &format!("<cwmp:{}Response/>", request.rpc()));
        self.post(&response).await
    }
}

async fn read_answer(stream: &mut TcpStream) -> std::io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: Vec::new() };
    if status == 100 {
        return Ok(answer);
    }
    let length = answer.header("Content-Length").map_or(0, |length| length.parse().unwrap());
    answer.body.resize(length, 0);
    stream.read_exact(&mut answer.body).await?;
    Ok(answer)
}

/// An envelope of version 1.0.
pub fn envelope(id: &str, rpc: &str) -> String {
    envelope_with(&format!("<cwmp:ID soap-env:mustUnderstand=\"1\">{id}</cwmp:ID>"), rpc)
}

/// An envelope with its header's elements.
pub fn envelope_with(header: &str, rpc: &str) -> String {
    format!(
        "<soap-env:Envelope xmlns:soap-env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:cwmp=\"urn:dslforum-org:cwmp-1-0\"><soap-env:Header>{header}</soap-env:Header>\
         <soap-env:Body>{rpc}</soap-env:Body></soap-env:Envelope>"
    )
}

pub fn inform(serial_number: &str) -> String {
    envelope("77", &inform_rpc(serial_number))
}

pub fn inform_rpc(serial_number: &str) -> String {
    format!(
        "<cwmp:Inform><DeviceId><Manufacturer>ExampleCorp</Manufacturer><OUI>0A1B2C</OUI><ProductClass>Box</ProductClass>\
         <SerialNumber>{serial_number}</SerialNumber></DeviceId><Event><EventStruct><EventCode>2 PERIODIC</EventCode>\
         <CommandKey/></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2024-01-01T00:00:00Z</CurrentTime>\
         <RetryCount>0</RetryCount><ParameterList><ParameterValueStruct><Name>Device.DeviceInfo.SoftwareVersion</Name>\
         <Value>1.0</Value></ParameterValueStruct></ParameterList></cwmp:Inform>"
    )
}

pub fn transfer_complete() -> String {
    envelope(
        "78",
        "<cwmp:TransferComplete><CommandKey>unknown</CommandKey><FaultStruct><FaultCode>0</FaultCode><FaultString/>\
         </FaultStruct><StartTime>2024-01-01T00:00:00Z</StartTime><CompleteTime>2024-01-01T00:00:00Z</CompleteTime>\
         </cwmp:TransferComplete>",
    )
}

pub fn fault(id: &str, code: &str) -> String {
    envelope(
        id,
        &format!(
            "<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>\
             <FaultCode>{code}</FaultCode><FaultString>no</FaultString></cwmp:Fault></detail></soap-env:Fault>"
        ),
    )
}

//! How many quiet sessions (Inform, empty POST) the endpoint holds per second, on the embedded store and with clients in the same
//! process: `cargo run --release -p cwmp --example sessions -- [connections] [sessions] [devices]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acs_core::expression::Context;
use acs_core::script::{ExtensionCall, Outcome, ScriptFault, ScriptKind, ScriptRun, ScriptRunner};
use acs_core::session::configuration::{Configuration, PresetFacts, SelectedPreset};
use cwmp::{
    ConfigurationSource, Endpoint, EndpointLimits, EndpointParts, ExtensionCaller, PinnedConfiguration, Pool,
    SessionOptions, serve, system_clock,
};
use store::EmbeddedStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// No scripts at all.
struct Quiet;

impl ScriptRunner for Quiet {
    fn run(&self, _: ScriptKind, _: &str, run: ScriptRun) -> (ScriptRun, Option<Outcome>) {
        (run, None)
    }
}

impl Configuration for Quiet {
    fn select_presets(&self, _: &PresetFacts<'_>) -> Vec<SelectedPreset> {
        Vec::new()
    }

    fn virtual_parameters(&self) -> &[Arc<str>] {
        &[]
    }

    fn script_fingerprint(&self, _: ScriptKind, _: &str) -> Option<u64> {
        None
    }

    fn file_size(&self, _: &str) -> Option<u64> {
        None
    }
}

impl PinnedConfiguration for Quiet {
    fn session_options(&self, _: &dyn Context) -> SessionOptions {
        SessionOptions::default()
    }
}

impl ConfigurationSource for Quiet {
    fn current(&self) -> Arc<dyn PinnedConfiguration> {
        Arc::new(Quiet)
    }
}

#[async_trait::async_trait]
impl ExtensionCaller for Quiet {
    async fn call(&self, _: ExtensionCall) -> Result<serde_json::Value, ScriptFault> {
        Ok(serde_json::Value::Null)
    }
}

fn inform(device: usize) -> String {
    let parameters: String = (0..12)
        .map(|index| {
            format!(
                "<ParameterValueStruct><Name>Device.ManagementServer.Parameter{index}</Name>\
                 <Value xsi:type=\"xsd:string\">a value of some length</Value></ParameterValueStruct>"
            )
        })
        .collect();
    format!(
        "<soap-env:Envelope xmlns:soap-env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:soap-enc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-0\">\
         <soap-env:Header><cwmp:ID soap-env:mustUnderstand=\"1\">1</cwmp:ID></soap-env:Header><soap-env:Body><cwmp:Inform>\
         <DeviceId><Manufacturer>ExampleCorp</Manufacturer><OUI>0A1B2C</OUI><ProductClass>Box</ProductClass>\
         <SerialNumber>{device}</SerialNumber></DeviceId><Event soap-enc:arrayType=\"cwmp:EventStruct[1]\"><EventStruct>\
         <EventCode>2 PERIODIC</EventCode><CommandKey/></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes>\
         <CurrentTime>2024-01-01T00:00:00Z</CurrentTime><RetryCount>0</RetryCount>\
         <ParameterList soap-enc:arrayType=\"cwmp:ParameterValueStruct[12]\">{parameters}</ParameterList></cwmp:Inform>\
         </soap-env:Body></soap-env:Envelope>"
    )
}

/// Sends one request. The answers are known, so they are only looked at for their status and their end.
async fn post(stream: &mut TcpStream, buffer: &mut Vec<u8>, body: &str, status: &str) -> Result<(), Error> {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: acs\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    buffer.clear();
    let end: &[u8] = if status == "204" { b"\r\n\r\n" } else { b"</soap-env:Envelope>" };
    while !buffer.ends_with(end) {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
    match buffer.get(9..12) == Some(status.as_bytes()) {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(buffer).into_owned().into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut next = |default| arguments.next().unwrap_or(Ok(default));
    let (connections, sessions, devices) = (next(64)?, next(50_000)?, next(10_000)?);
    let path = std::env::temp_dir().join(format!("cwmp-sessions-{}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    let endpoint = Endpoint::new(EndpointParts {
        store: Arc::new(EmbeddedStore::open(&path.join("store.db"))?),
        configuration: Arc::new(Quiet),
        extensions: Arc::new(Quiet),
        observer: None,
        clock: system_clock(),
        pool: Pool::start(std::thread::available_parallelism()?.get(), None)?,
        limits: EndpointLimits::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, endpoint, shutdown.clone()));
    for (name, count) in [("first contact", devices), ("known devices", sessions)] {
        let (taken, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let clients: Vec<_> = (0..connections)
            .map(|_| {
                let taken = taken.clone();
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    let (mut buffer, mut times) = (Vec::new(), Vec::new());
                    loop {
                        let number = taken.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return Ok::<_, Error>(times);
                        }
                        let begun = Instant::now();
                        post(&mut stream, &mut buffer, &inform(number % devices), "200").await?;
                        post(&mut stream, &mut buffer, "", "204").await?;
                        times.push(begun.elapsed());
                    }
                })
            })
            .collect();
        let mut times: Vec<Duration> = Vec::with_capacity(count);
        for client in clients {
            times.extend(client.await??);
        }
        times.sort_unstable();
        let rate = count as f64 / started.elapsed().as_secs_f64();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        println!("{name}: {rate:.0} sessions/s, p50 {:?}, p99 {:?}", at(50), at(99));
    }
    shutdown.cancel();
    serving.await?;
    std::fs::remove_dir_all(&path)?;
    Ok(())
}

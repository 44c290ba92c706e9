//! A boot storm: every device wants a session within a few seconds, as after a power cut, while operators work on.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use sim::Identity;
use sim::load::{LoadKind, LoadOptions, StormOptions, StormReport, storm};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::fleet::{BOOT_EVENT, prepare};
use super::load_options;
use super::server::Server;
use crate::command_line::BenchArguments;

/// How often an operator asks something.
const PAUSE: Duration = Duration::from_millis(50);
/// No operator waits for longer.
const LONGEST: Duration = Duration::from_secs(30);
/// A device comes again for so long.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How a storm went, and how the NBI did meanwhile. Times are milliseconds unless their name says otherwise.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    devices: u64,
    within_seconds: u64,
    #[serde(flatten)]
    report: StormReport,
    server_cpu_seconds: f64,
    server_memory_mib: f64,
    /// Before the storm.
    quiet_nbi: NbiFigures,
    /// During it.
    nbi: NbiFigures,
}

/// How long requests to the NBI took, each with a connection of its own.
#[derive(Debug, Default, Serialize)]
struct NbiFigures {
    requests: usize,
    failed: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

impl Figures {
    pub(super) fn print(&self) {
        let report = &self.report;
        println!("storm: {} devices with 1 BOOT within {} s", self.devices, self.within_seconds);
        println!(
            "  served {} in {:.1} s ({} given up), {} refused with 503, {} errors, {} retries",
            report.served, report.seconds, report.given_up, report.refused, report.errors, report.retries
        );
        println!(
            "  served after: p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms; a session itself: p50 {:.0} ms, p99 {:.0} ms",
            report.served_after_p50,
            report.served_after_p99,
            report.served_after_max,
            report.session_p50,
            report.session_p99
        );
        println!("  server: {:.1} s of CPU, {:.0} MiB", self.server_cpu_seconds, self.server_memory_mib);
        for (when, nbi) in [("before", &self.quiet_nbi), ("meanwhile", &self.nbi)] {
            println!(
                "  NBI {when}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms ({} requests, {} failed)",
                nbi.p50, nbi.p99, nbi.max, nbi.requests, nbi.failed
            );
        }
        for error in &report.first_errors {
            println!("  error: {error}");
        }
    }
}

/// Lets the storm loose on a server that knows all devices.
pub(super) async fn measure(
    devices: u64,
    arguments: &BenchArguments,
    data_dir: &Path,
    stop: &CancellationToken,
) -> Result<Figures> {
    let options = LoadOptions { devices, ..load_options(arguments) };
    prepare(data_dir, &options, arguments.json).await?;
    let server = Server::start(data_dir, None)?;
    let quiet = CancellationToken::new();
    let known = format!("{}{:08}", options.identity.serial_number, options.first_serial);
    let known = Identity { serial_number: known, ..options.identity.clone() }.device_id();
    let operator = tokio::spawn(operate(server.nbi, known.clone(), quiet.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    quiet.cancel();
    let quiet_nbi = operator.await?;

    let cpu_before = server.cpu_seconds()?;
    let over = CancellationToken::new();
    let operator = tokio::spawn(operate(server.nbi, known, over.clone()));
    let load = LoadOptions {
        url: format!("http://{}/", server.cwmp),
        kind: LoadKind::Read,
        event: BOOT_EVENT.to_owned(),
        ..options
    };
    let options = StormOptions {
        load,
        within_milliseconds: arguments.within * 1_000,
        patience_milliseconds: u64::try_from(PATIENCE.as_millis())?,
    };
    let report = storm(options, stop.clone()).await?;
    over.cancel();
    Ok(Figures {
        devices,
        within_seconds: arguments.within,
        report,
        server_cpu_seconds: server.cpu_seconds()? - cpu_before,
        server_memory_mib: server.memory_mib()?,
        quiet_nbi,
        nbi: operator.await?,
    })
}

/// Asks for a device and for a list in turns, until `over`.
async fn operate(nbi: SocketAddr, known: String, over: CancellationToken) -> NbiFigures {
    let paths = [
        format!("/devices/{known}?projection=_lastInform"),
        "/devices?limit=20&projection=_lastInform".to_owned(),
        "/presets".to_owned(),
    ];
    let mut times = Vec::new();
    let mut failed = 0;
    for path in paths.iter().cycle() {
        if over.is_cancelled() {
            break;
        }
        let begun = Instant::now();
        match tokio::time::timeout(LONGEST, get(nbi, path)).await {
            Ok(Ok(())) => times.push(begun.elapsed().as_secs_f64() * 1_000.0),
            _ => failed += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
    times.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let index = (times.len() as f64 * share).ceil() as usize;
        times.get(index.saturating_sub(1)).copied().unwrap_or_default()
    };
    NbiFigures { requests: times.len() + failed, failed, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1.0) }
}

/// One request whose answer must be a document or a list.
async fn get(nbi: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect(nbi).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {nbi}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    answer.starts_with(b"HTTP/1.1 200 ").then_some(()).context("the NBI answers something else than 200")
}

//! Sessions per second, one after the other on each connection.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;
use sim::http::TlsOptions;
use sim::load::{self, LoadKind, LoadOptions};
use tokio_util::sync::CancellationToken;

use super::fleet::{READ_EVENT, REFRESH_EVENT, prepare};
use super::load_options;
use super::server::Server;
use crate::command_line::BenchArguments;

/// One measurement.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    name: String,
    sessions: u64,
    failed: u64,
    sessions_per_second: f64,
    requests_per_session: f64,
    server_cpu_milliseconds_per_session: f64,
    server_bytes_written_per_session: f64,
    p50_milliseconds: f64,
    p99_milliseconds: f64,
    tls_handshakes: u64,
    tls_resumed: u64,
}

/// All measurements of one server.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    memory_idle_mib: f64,
    memory_with_devices_mib: f64,
    devices: u64,
    measurements: Vec<Figure>,
}

impl Figures {
    pub(super) fn print(&self) {
        let Figures { memory_idle_mib, memory_with_devices_mib, devices, .. } = self;
        println!(
            "memory: {memory_idle_mib:.1} MiB idle, {memory_with_devices_mib:.1} MiB with {devices} devices stored"
        );
        print_table(&self.measurements);
    }
}

/// Prints measurements, one per line.
pub(super) fn print_table(figures: &[Figure]) {
    println!(
        "{:<32} {:>10} {:>9} {:>11} {:>12} {:>9} {:>9} {:>9} {:>7}",
        "", "sessions/s", "requests", "CPU ms/sess", "KiB wr./sess", "p50 ms", "p99 ms", "sessions", "failed"
    );
    for figure in figures {
        println!(
            "{:<32} {:>10.0} {:>9.1} {:>11.3} {:>12.1} {:>9.2} {:>9.2} {:>9} {:>7}",
            figure.name,
            figure.sessions_per_second,
            figure.requests_per_session,
            figure.server_cpu_milliseconds_per_session,
            figure.server_bytes_written_per_session / 1024.0,
            figure.p50_milliseconds,
            figure.p99_milliseconds,
            figure.sessions,
            figure.failed,
        );
        if figure.tls_handshakes > 0 {
            println!(
                "{:<32} {} of {} TLS handshakes took up an earlier session",
                "", figure.tls_resumed, figure.tls_handshakes
            );
        }
    }
}

/// What is measured.
struct Kind {
    name: &'static str,
    kind: LoadKind,
    event: &'static str,
    /// Whether each session has a connection of its own.
    reconnect: bool,
    /// Over TLS, whose sessions are resumed by new connections. Only with a certificate.
    is_encrypted: bool,
    /// Which part of the sessions.
    share: u64,
}

const QUIET: Kind = Kind {
    name: "quiet, connections kept",
    kind: LoadKind::Quiet,
    event: "2 PERIODIC",
    reconnect: false,
    is_encrypted: false,
    share: 1,
};
const KINDS: [Kind; 5] = [
    QUIET,
    Kind { name: "quiet, a new connection each", reconnect: true, ..QUIET },
    Kind { name: "quiet, TLS, connections kept", is_encrypted: true, ..QUIET },
    Kind { name: "quiet, TLS, a new one each", reconnect: true, is_encrypted: true, ..QUIET },
    Kind { name: "read of all values", kind: LoadKind::Read, event: READ_EVENT, share: 10, ..QUIET },
];

/// Measures each kind of session.
pub(super) async fn measure(arguments: &BenchArguments, data_dir: &Path, stop: &CancellationToken) -> Result<Figures> {
    let empty_dir = data_dir.join("idle");
    std::fs::create_dir_all(&empty_dir)?;
    let idle = Server::start(&empty_dir, None)?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let memory_idle_mib = idle.memory_mib()?;
    drop(idle);

    let options = load_options(arguments);
    prepare(data_dir, &options, arguments.json).await?;
    let server = Server::start(data_dir, arguments.tls())?;
    let mut measurements = Vec::new();
    for Kind { name, kind, event, reconnect, is_encrypted, share } in KINDS {
        if stop.is_cancelled() {
            break;
        }
        let url = match (is_encrypted, server.cwmp_tls) {
            (false, _) => format!("http://{}/", server.cwmp),
            (true, Some(address)) => format!("https://{address}/"),
            (true, None) => continue,
        };
        let sessions = (arguments.sessions / share).max(1);
        let options = LoadOptions {
            url,
            kind,
            event: event.to_owned(),
            reconnect,
            // It is this program's own server.
            tls: TlsOptions { insecure: true, ..TlsOptions::default() },
            sessions: Some(sessions),
            stamp: arguments.acknowledged.is_some(),
            ..options.clone()
        };
        measurements.push(warm_and_measure(name.to_owned(), options, &server, arguments, stop).await?);
    }
    let memory_with_devices_mib = server.memory_mib()?;
    Ok(Figures { memory_idle_mib, memory_with_devices_mib, devices: arguments.devices, measurements })
}

/// Measures sessions that learn all names and values of large devices anew.
pub(super) async fn measure_refresh(
    parameters: usize,
    arguments: &BenchArguments,
    data_dir: &Path,
    stop: &CancellationToken,
) -> Result<Figure> {
    const DEVICES: u64 = 20;
    let options = LoadOptions { devices: DEVICES, parameters, ..load_options(arguments) };
    prepare(data_dir, &options, arguments.json).await?;
    let server = Server::start(data_dir, None)?;
    let options = LoadOptions {
        url: format!("http://{}/", server.cwmp),
        kind: LoadKind::Read,
        event: REFRESH_EVENT.to_owned(),
        sessions: Some(5 * DEVICES),
        // One session at a time, so that the time of a session is its own.
        connections: 1,
        ..options
    };
    let name = format!("full refresh of {parameters} parameters");
    warm_and_measure(name, options, &server, arguments, stop).await
}

async fn warm_and_measure(
    name: String,
    options: LoadOptions,
    server: &Server,
    arguments: &BenchArguments,
    stop: &CancellationToken,
) -> Result<Figure> {
    // Connections, caches and compiled scripts are warm in a server that runs.
    let sessions = options.sessions.map(|sessions| (sessions / 10).max(1));
    load::run(LoadOptions { sessions, ..options.clone() }, stop.clone(), |_| {}).await?;
    one(name, options, server, arguments, stop).await
}

async fn one(
    name: String,
    options: LoadOptions,
    server: &Server,
    arguments: &BenchArguments,
    stop: &CancellationToken,
) -> Result<Figure> {
    let progress = if arguments.json { ProgressBar::hidden() } else { ProgressBar::new(options.sessions.unwrap_or(0)) };
    let acknowledged = match &arguments.acknowledged {
        Some(path) => Some(Arc::new(Mutex::new(
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| path.display().to_string())?,
        ))),
        None => None,
    };
    let (cpu_before, written_before) = (server.cpu_seconds()?, server.bytes_written()?);
    let begun = Instant::now();
    let bar = progress.clone();
    let report = load::run(options, stop.clone(), move |outcome| {
        bar.inc(1);
        if let (Some(file), true) = (&acknowledged, outcome.acknowledged())
            && let Ok(mut file) = file.lock()
        {
            // A reader may look at any moment, also after this process was killed.
            let _ = writeln!(file, "{} {:010}", outcome.serial_number, outcome.sequence);
        }
    })
    .await?;
    let seconds = begun.elapsed().as_secs_f64();
    progress.finish_and_clear();
    let sessions = report.acknowledged.max(1) as f64;
    Ok(Figure {
        name,
        sessions: report.acknowledged,
        failed: report.failed,
        sessions_per_second: report.acknowledged as f64 / seconds,
        // Inform and the empty POST, and the answers to the server's requests.
        requests_per_session: 2.0 + report.answered as f64 / sessions,
        server_cpu_milliseconds_per_session: (server.cpu_seconds()? - cpu_before) * 1_000.0 / sessions,
        server_bytes_written_per_session: (server.bytes_written()? - written_before) / sessions,
        p50_milliseconds: report.p50_milliseconds,
        p99_milliseconds: report.p99_milliseconds,
        tls_handshakes: report.handshakes,
        tls_resumed: report.resumed,
    })
}

//! `lodestar bench`: what this machine can do. Starts the server as a process of its own on a fresh database, and loads it from
//! this process, on the same cores.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acs_core::change::SessionChange;
use acs_core::device::DeviceHead;
use acs_core::rpc::DeviceIdStruct;
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;
use sim::load::{self, LoadKind, LoadOptions};
use sim::{DataModel, Identity, ModelKind};
use store::{Collection, EmbeddedStore, Store};
use tokio_util::sync::CancellationToken;

use crate::command_line::BenchArguments;

/// The preset that a quiet session satisfies: it reads a little and wants what is so already.
const QUIET: &str = r#"
let version = declare("*.DeviceInfo.SoftwareVersion", #{value: 1});
if version.value != () && version.value[0] != "" {
    declare("*.ManagementServer.PeriodicInformEnable", #{value: 1}, #{value: true});
    declare("*.ManagementServer.PeriodicInformInterval", #{value: 1});
}
"#;
/// The preset of sessions that read: everything, now.
const READ: &str = r#"declare("InternetGatewayDevice.**", #{value: now()});"#;

/// One measurement.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    sessions: u64,
    failed: u64,
    sessions_per_second: f64,
    server_cpu_milliseconds_per_session: f64,
    server_bytes_written_per_session: f64,
    p50_milliseconds: f64,
    p99_milliseconds: f64,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Figures {
    memory_idle_mib: f64,
    memory_with_devices_mib: f64,
    devices: u64,
    measurements: Vec<Figure>,
}

/// Measures and prints.
pub async fn run(arguments: BenchArguments, stop: CancellationToken) -> Result<()> {
    let temporary = std::env::temp_dir().join(format!("lodestar-bench-{}", std::process::id()));
    let data_dir = arguments.data_dir.clone().unwrap_or_else(|| temporary.clone());
    std::fs::create_dir_all(&data_dir).with_context(|| format!("creating {}", data_dir.display()))?;
    let result = measure(&arguments, &data_dir, stop).await;
    if arguments.data_dir.is_none() {
        std::fs::remove_dir_all(&temporary).context("removing the temporary directory")?;
    }
    let figures = result?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(());
    }
    println!(
        "memory: {:.1} MiB idle, {:.1} MiB with {} devices stored",
        figures.memory_idle_mib, figures.memory_with_devices_mib, figures.devices
    );
    for figure in &figures.measurements {
        println!(
            "{}: {:.0} sessions/s, {:.3} ms CPU per session, {:.1} KiB written per session, p50 {:.2} ms, p99 {:.2} ms ({} sessions, {} failed)",
            figure.name,
            figure.sessions_per_second,
            figure.server_cpu_milliseconds_per_session,
            figure.server_bytes_written_per_session / 1024.0,
            figure.p50_milliseconds,
            figure.p99_milliseconds,
            figure.sessions,
            figure.failed,
        );
    }
    Ok(())
}

async fn measure(arguments: &BenchArguments, data_dir: &Path, stop: CancellationToken) -> Result<Figures> {
    let empty_dir = data_dir.join("idle");
    std::fs::create_dir_all(&empty_dir)?;
    let idle = Server::start(&empty_dir)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory_idle_mib = idle.memory_mib()?;
    drop(idle);

    let options = load_options(arguments);
    prepare(data_dir, arguments, &options).await?;
    let server = Server::start(data_dir)?;
    let mut measurements = Vec::new();
    for (name, kind, event, share) in
        [("quiet", LoadKind::Quiet, "2 PERIODIC", 1), ("read 200 values", LoadKind::Read, "4 VALUE CHANGE", 10)]
    {
        if stop.is_cancelled() {
            break;
        }
        let sessions = (arguments.sessions / share).max(1);
        let options = LoadOptions {
            url: format!("http://{}/", server.cwmp),
            kind,
            event: event.to_owned(),
            sessions: Some(sessions),
            stamp: arguments.acknowledged.is_some(),
            ..options.clone()
        };
        // Connections, caches and compiled scripts are warm in a server that runs.
        let warm = LoadOptions { sessions: Some((sessions / 10).max(1)), ..options.clone() };
        load::run(warm, stop.clone(), |_| {}).await?;
        measurements.push(one(name, options, &server, arguments, &stop).await?);
    }
    let memory_with_devices_mib = server.memory_mib()?;
    Ok(Figures { memory_idle_mib, memory_with_devices_mib, devices: arguments.devices, measurements })
}

async fn one(
    name: &'static str,
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
        server_cpu_milliseconds_per_session: (server.cpu_seconds()? - cpu_before) * 1_000.0 / sessions,
        server_bytes_written_per_session: (server.bytes_written()? - written_before) / sessions,
        p50_milliseconds: report.p50_milliseconds,
        p99_milliseconds: report.p99_milliseconds,
    })
}

fn load_options(arguments: &BenchArguments) -> LoadOptions {
    LoadOptions {
        connections: arguments.connections,
        devices: arguments.devices,
        parameters: arguments.parameters,
        model: ModelKind::Tr098,
        identity: Identity { serial_number: "BENCH".into(), ..Identity::default() },
        ..LoadOptions::default()
    }
}

/// Fills the database with known devices, and the presets.
async fn prepare(data_dir: &Path, arguments: &BenchArguments, options: &LoadOptions) -> Result<()> {
    let store = EmbeddedStore::open(&data_dir.join("lodestar.db"))?;
    store.put(Collection::Provisions, "bench-quiet", json!({ "script": QUIET })).await?;
    store.put(Collection::Provisions, "bench-read", json!({ "script": READ })).await?;
    let quiet = json!({ "events": { "4 VALUE CHANGE": false }, "provisions": ["bench-quiet"] });
    store.put(Collection::Presets, "bench-quiet", quiet).await?;
    let read = json!({ "events": { "4 VALUE CHANGE": true }, "provisions": ["bench-read"] });
    store.put(Collection::Presets, "bench-read", read).await?;
    let model = DataModel::generate(options.model, options.parameters, options.seed);
    let progress = if arguments.json { ProgressBar::hidden() } else { ProgressBar::new(arguments.devices) };
    let store = Arc::new(store);
    let mut pending = tokio::task::JoinSet::new();
    for number in options.first_serial..options.first_serial + options.devices {
        let identity = Identity { serial_number: format!("BENCH{number:08}"), ..options.identity.clone() };
        let change = known_device(&model, &identity);
        let store = store.clone();
        pending.spawn(async move { store.commit_session(change).await });
        if pending.len() >= 512
            && let Some(done) = pending.join_next().await
        {
            done??;
        }
        progress.inc(1);
    }
    while let Some(done) = pending.join_next().await {
        done??;
    }
    progress.finish_and_clear();
    Ok(())
}

/// A device of which every name and value was learnt a day ago.
fn known_device(model: &DataModel, identity: &Identity) -> SessionChange {
    let at = chrono::Utc::now().timestamp_millis() - 86_400_000;
    let mut personal = model.clone();
    personal.personalise(identity);
    let mut tree = DeviceTree::new();
    tree.set_enumerated(DeviceTree::ROOT, at);
    for (path, node) in personal.walk("") {
        let id = tree.ensure(path);
        match &node.value {
            None => {
                tree.set_listed(id, true, node.writable, at);
                tree.set_enumerated(id, at);
            }
            Some(value) => {
                tree.set_listed(id, false, node.writable, at);
                let xsd_type = XsdType::parse(&value.xsd.name());
                let typed = Value::from(&*value.text).coerce(&xsd_type);
                tree.set_read_value(id, TypedValue(typed, xsd_type), at);
            }
        }
    }
    let identity = DeviceIdStruct {
        manufacturer: identity.manufacturer.clone(),
        oui: identity.oui.clone(),
        product_class: identity.product_class.clone(),
        serial_number: identity.serial_number.clone(),
    };
    let head = DeviceHead { id: identity.device_id(), identity, registered: at, last_inform: at, ..Default::default() };
    SessionChange::first(head, tree)
}

/// The server as a process of its own; stopped when dropped.
struct Server {
    process: Child,
    cwmp: SocketAddr,
}

impl Server {
    fn start(data_dir: &Path) -> Result<Server> {
        let (cwmp, nbi, files) = (free_address()?, free_address()?, free_address()?);
        let binary = std::env::current_exe().context("finding this program")?;
        let log: PathBuf = data_dir.join("server.log");
        let process = Command::new(binary)
            .arg("serve")
            .args(["--log", "warn"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--cwmp-listen", &cwmp.to_string(), "--nbi-listen", &nbi.to_string()])
            .args(["--files-listen", &files.to_string()])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("starting the server")?;
        let server = Server { process, cwmp };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(cwmp).is_err() {
            if Instant::now() > deadline {
                bail!("the server does not answer on {cwmp}; see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn proc_file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.process.id());
        std::fs::read_to_string(&path).with_context(|| format!("{path}: measuring needs Linux"))
    }

    /// User and system time so far.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc_file("stat")?;
        // The name in parentheses may hold anything; the fields behind it are fixed: utime and stime are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).context("/proc/stat");
        let ticks_per_second = 100.0;
        Ok((ticks(11)? + ticks(12)?) / ticks_per_second)
    }

    fn memory_mib(&self) -> Result<f64> {
        let status = self.proc_file("status")?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }

    fn bytes_written(&self) -> Result<f64> {
        let io = self.proc_file("io")?;
        let line = io.lines().find(|line| line.starts_with("write_bytes:")).context("write_bytes")?;
        Ok(line.split_whitespace().nth(1).context("write_bytes")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port")?;
    Ok(listener.local_addr()?)
}

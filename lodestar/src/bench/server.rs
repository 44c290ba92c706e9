//! The server that is measured: a process of its own, and what the system says of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The server as a process of its own; stopped when dropped.
pub(super) struct Server {
    process: Child,
    /// Where devices connect.
    pub(super) cwmp: SocketAddr,
    /// Where they connect over TLS, if anywhere.
    pub(super) cwmp_tls: Option<SocketAddr>,
    /// The NBI, which asks for no key.
    pub(super) nbi: SocketAddr,
}

impl Server {
    /// Starts it on a data directory, also with TLS when there is a certificate and its key.
    pub(super) fn start(data_dir: &Path, tls: Option<(&Path, &Path)>) -> Result<Server> {
        let (cwmp, nbi, files) = (free_address()?, free_address()?, free_address()?);
        let binary = std::env::current_exe().context("finding this program")?;
        let log: PathBuf = data_dir.join("server.log");
        let mut command = Command::new(binary);
        command.arg("serve");
        let mut cwmp_tls = None;
        if let Some((certificate, key)) = tls {
            let address = cwmp_tls.insert(free_address()?);
            command.args(["--cwmp-tls-listen", &address.to_string()]);
            command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(key);
        }
        let process = command
            .args(["--log", "warn"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--cwmp-listen", &cwmp.to_string(), "--nbi-listen", &nbi.to_string()])
            .args(["--files-listen", &files.to_string(), "--nbi-open"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("starting the server")?;
        let server = Server { process, cwmp, cwmp_tls, nbi };
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
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc_file("stat")?;
        // The name in parentheses may hold anything; the fields behind it are fixed: utime and stime are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).context("/proc/stat");
        let ticks_per_second = 100.0;
        Ok((ticks(11)? + ticks(12)?) / ticks_per_second)
    }

    /// Resident memory of its own. The mapped part of the database is the system's cache, which it takes back when it needs to.
    pub(super) fn memory_mib(&self) -> Result<f64> {
        let status = self.proc_file("status")?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).context("RssAnon")?;
        let kib: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Bytes written to storage so far.
    pub(super) fn bytes_written(&self) -> Result<f64> {
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

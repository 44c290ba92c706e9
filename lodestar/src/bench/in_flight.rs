//! The memory of sessions that wait for their device.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use sim::load::{LoadKind, LoadOptions, hold};

use super::fleet::{READ_EVENT, prepare};
use super::load_options;
use super::server::Server;
use crate::command_line::BenchArguments;

/// What sessions in flight take.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    sessions: usize,
    parameters: usize,
    memory_before_mib: f64,
    memory_mib: f64,
    bytes_per_session: f64,
}

impl Figures {
    pub(super) fn print(&self) {
        println!(
            "{} sessions in flight, of devices with {} parameters: {:.0} bytes each ({:.1} MiB before, {:.1} MiB with them)",
            self.sessions, self.parameters, self.bytes_per_session, self.memory_before_mib, self.memory_mib
        );
    }
}

/// Opens sessions on connections of their own, each up to a request that is left unanswered.
pub(super) async fn measure(sessions: u64, arguments: &BenchArguments, data_dir: &Path) -> Result<Figures> {
    const OTHERS: u64 = 200;
    let options = LoadOptions { devices: sessions + OTHERS, ..load_options(arguments) };
    prepare(data_dir, &options, arguments.json).await?;
    let server = Server::start(data_dir, None)?;
    let options = LoadOptions {
        url: format!("http://{}/", server.cwmp),
        kind: LoadKind::Read,
        event: READ_EVENT.to_owned(),
        devices: sessions,
        ..options
    };
    // Caches and compiled scripts are no matter of sessions. By others: whose session was broken off is asked nothing for a while.
    let others = LoadOptions { devices: OTHERS, first_serial: options.first_serial + sessions, ..options.clone() };
    drop(hold(others).await.context("opening the first sessions")?);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let memory_before_mib = server.memory_mib()?;
    let held = hold(options).await.context("opening sessions")?;
    let memory_mib = server.memory_mib()?;
    Ok(Figures {
        sessions: held.len(),
        parameters: arguments.parameters,
        memory_before_mib,
        memory_mib,
        bytes_per_session: (memory_mib - memory_before_mib) * 1024.0 * 1024.0 / held.len().max(1) as f64,
    })
}

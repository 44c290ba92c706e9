//! `lodestar bench`: what this machine can do. Starts the server as a process of its own on a fresh database, and loads it from
//! this process, on the same cores.
//!
//! [`sessions`] measures how many there are per second, [`storm`] devices that all come at once, [`in_flight`] the memory of sessions
//! that wait for their device, [`routers`] a document on a simulated router. `docs/benchmarks.md` says what the figures mean.

mod fleet;
mod in_flight;
mod routers;
mod server;
mod sessions;
mod storm;

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use sim::load::LoadOptions;
use sim::{Identity, ModelKind};
use tokio_util::sync::CancellationToken;

use crate::command_line::BenchArguments;

/// All figures; those that were not measured are left out.
#[derive(Debug, Default, Serialize)]
struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<sessions::Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<sessions::Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storm: Option<storm::Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<in_flight::Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starstate: Option<Vec<routers::Figure>>,
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
    if let Some(sessions) = &figures.sessions {
        sessions.print();
    }
    if let Some(refresh) = &figures.refresh {
        sessions::print_table(std::slice::from_ref(refresh));
    }
    if let Some(storm) = &figures.storm {
        storm.print();
    }
    if let Some(in_flight) = &figures.in_flight {
        in_flight.print();
    }
    if let Some(starstate) = &figures.starstate {
        routers::print(starstate);
    }
    Ok(())
}

async fn measure(arguments: &BenchArguments, data_dir: &Path, stop: CancellationToken) -> Result<Figures> {
    let mut figures = Figures::default();
    let is_special = arguments.refresh.is_some()
        || arguments.storm.is_some()
        || arguments.in_flight.is_some()
        || arguments.starstate.is_some();
    if !is_special {
        figures.sessions = Some(sessions::measure(arguments, data_dir, &stop).await?);
    }
    // Each on a database of its own: what one leaves behind must not slow down the next.
    let part = |name: &str| -> Result<std::path::PathBuf> {
        let path = data_dir.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(path)
    };
    if let Some(file) = &arguments.starstate {
        figures.starstate = Some(routers::measure(file, data_dir).await?);
    }
    if let Some(parameters) = arguments.refresh {
        figures.refresh = Some(sessions::measure_refresh(parameters, arguments, &part("refresh")?, &stop).await?);
    }
    if let Some(devices) = arguments.storm {
        figures.storm = Some(storm::measure(devices, arguments, &part("storm")?, &stop).await?);
    }
    if let Some(sessions) = arguments.in_flight {
        figures.in_flight = Some(in_flight::measure(sessions, arguments, &part("in-flight")?).await?);
    }
    Ok(figures)
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

//! How long it takes to plan and to apply a StarState document on a simulated router, with nothing and with 20 ms on the way, and how
//! many commands that is. Sessions are kept as the command line keeps them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use routeros::ClientOptions;
use serde::Serialize;
use sim::{RouterOptions, Simulator, SimulatorOptions};
use starstate::documents::Documents;
use starstate::management::Management;
use starstate::orchestrator::Options;
use starstate::port::ReachableRouter;
use starstate::session::{Sessions, Status, Target};

use crate::starstate::directory::SessionDirectory;

const LATENCIES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(20)];

/// One line of the table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    latency_milliseconds: u128,
    what: &'static str,
    milliseconds: f64,
    commands: u64,
    writes: u64,
}

/// Measures on a router for each latency.
pub(super) async fn measure(file: &Path, data_dir: &Path) -> Result<Vec<Figure>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let document: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let mut figures = Vec::new();
    for latency in LATENCIES {
        let mut options = RouterOptions::new("bench", "bench");
        options.default_configuration = true;
        // Signing takes a router seconds; it is not what is measured.
        options.sign_time = Duration::ZERO;
        let router = Simulator::start(SimulatorOptions { latency, ..SimulatorOptions::new(options) }).await?;
        let folder = data_dir.join(format!("starstate-{}", latency.as_millis()));
        measure_on(&router, latency, &document, &folder, &mut figures).await?;
        router.stop().await;
    }
    Ok(figures)
}

async fn measure_on(
    router: &Simulator,
    latency: Duration,
    document: &serde_json::Value,
    folder: &Path,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let store = SessionDirectory::open(folder.to_owned())?;
    let fingerprints = store.fingerprints()?;
    let now = crate::starstate::now;
    let sessions = Sessions::new(Arc::new(store), Arc::new(Documents), fingerprints, |_| {}, now);
    let address = router.address();
    let options = ClientOptions::new("bench", "bench".into());
    let port = ReachableRouter::over_tcp(address.ip().to_string(), address.port(), options);
    let management = Management {
        service: "api".to_owned(),
        port: address.port(),
        user: "bench".to_owned(),
        router: Some(address.ip()),
        peer: Some(address.ip()),
    };
    let target = Target { port: &port, management, options: Options::default(), reviewed: None };
    let session = sessions.import("bench", document.clone()).await?;
    if session.status != Status::Validated {
        bail!("the document has errors: see lodestar starstate validate");
    }
    let mut note = |what, begun: Instant| {
        let counts = router.counts();
        figures.push(Figure {
            latency_milliseconds: latency.as_millis(),
            what,
            milliseconds: begun.elapsed().as_secs_f64() * 1e3,
            commands: counts.commands,
            writes: counts.writes,
        });
        router.set_faults(Vec::new());
    };
    for what in ["plan", "apply", "plan again", "roll back"] {
        let begun = Instant::now();
        match what {
            "apply" => {
                let applied = sessions.apply(&session.id, &target).await?;
                if applied.status != Status::Applied {
                    bail!("it was not applied: {:?}", applied.failure);
                }
            }
            "roll back" => drop(sessions.roll_back(&session.id, &target).await?),
            _ => drop(sessions.plan(&session.id, &target).await?),
        }
        note(what, begun);
    }
    Ok(())
}

/// For people.
pub(super) fn print(figures: &[Figure]) {
    println!("{:<12} {:>10} {:>12} {:>10} {:>8}", "", "latency ms", "ms", "commands", "writes");
    for figure in figures {
        let Figure { latency_milliseconds, what, milliseconds, commands, writes } = figure;
        println!("{what:<12} {latency_milliseconds:>10} {milliseconds:>12.1} {commands:>10} {writes:>8}");
    }
}

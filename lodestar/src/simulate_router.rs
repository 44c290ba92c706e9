//! `lodestar sim routeros`: a simulated router from the command line.

use std::time::Duration;

use anyhow::{Context, Result};
use sim::routeros::options::Hardware;
use sim::{RouterOptions, Simulator, SimulatorOptions};
use tokio_util::sync::CancellationToken;

use crate::command_line::SimRouterosArguments;

/// Runs the router until the process is told to stop. Where it listens is on standard output, a line for each.
pub async fn run(arguments: SimRouterosArguments, stop: CancellationToken) -> Result<bool> {
    let simulator = Simulator::start(options(arguments)?).await.context("starting the simulated router")?;
    println!("api {}", simulator.address());
    if let Some(address) = simulator.tls_address() {
        match simulator.fingerprint() {
            Some(fingerprint) => println!("api-ssl {address} sha256 {fingerprint}"),
            None => println!("api-ssl {address} without a certificate"),
        }
    }
    if let Some(address) = simulator.rest_address() {
        println!("rest {address}");
    }
    stop.cancelled().await;
    simulator.stop().await;
    Ok(true)
}

fn options(arguments: SimRouterosArguments) -> Result<SimulatorOptions> {
    let mut router = RouterOptions::new(arguments.user, arguments.password);
    if let Some(release) = arguments.release {
        router.release = release.parse().map_err(anyhow::Error::msg)?;
    }
    router.hardware = Hardware {
        ethernets: arguments.ethernets,
        sfps: arguments.sfps,
        radios: arguments.radios,
        modems: arguments.modems,
        ..router.hardware
    };
    router.without = arguments.without;
    router.default_configuration = arguments.default_configuration;
    router.device_mode = arguments.device_mode;
    router.full_disk = arguments.full_disk;
    router.leases = !arguments.without_leases;
    router.state = arguments.state;
    Ok(SimulatorOptions {
        tls_listen: arguments.tls_listen,
        rest_listen: arguments.rest_listen,
        without_certificate: arguments.without_certificate,
        latency: Duration::from_millis(arguments.latency),
        faults: [arguments.fail_command, arguments.cut_at_command].concat(),
        listen: arguments.listen,
        router,
    })
}

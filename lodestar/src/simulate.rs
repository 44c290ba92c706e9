//! `lodestar sim cpe`: simulated devices from the command line.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use sim::fleet::FleetOptions;
use sim::transcript::Transcript;
use sim::{Fleet, Options};
use tokio_util::sync::CancellationToken;

use crate::command_line::SimCpeArguments;

/// Runs the devices until they have done what they should, or the process is told to stop. Returns whether all sessions ended
/// properly.
pub async fn run(arguments: SimCpeArguments, stop: CancellationToken) -> Result<bool> {
    let json = arguments.json;
    let to_standard_output = arguments.transcript.as_deref().is_some_and(|path| path.as_os_str() == "-");
    let devices = u64::from(arguments.devices);
    let transcript = open_transcript(&arguments)?;
    let mut fleet = Fleet::new(fleet_options(arguments)?).context("the data model")?;
    if let Some(transcript) = transcript {
        fleet.set_transcript(transcript);
    }
    let progress = if json || to_standard_output { ProgressBar::hidden() } else { ProgressBar::new(devices) };
    let style = "{bar:40} {pos}/{len} sessions, {per_sec}, {elapsed}";
    progress.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress.enable_steady_tick(Duration::from_millis(250));
    let bar = progress.clone();
    fleet.on_session(move |_| {
        bar.inc(1);
        if bar.length().is_some_and(|length| bar.position() > length) {
            bar.set_length(bar.position());
        }
    });
    let report = fleet.run(stop).await?;
    progress.finish_and_clear();
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else if !to_standard_output {
        println!("{} sessions completed, {} failed", report.completed, report.failed);
        for (rpc, count) in &report.rpcs {
            println!("  {count:>8} {rpc}");
        }
        for (error, count) in &report.errors {
            println!("  {count:>8} failed: {error}");
        }
        for (violation, count) in &report.violations {
            println!("  {count:>8} times the server departed from the standard: {violation}");
        }
    }
    Ok(report.failed == 0)
}

fn fleet_options(arguments: SimCpeArguments) -> Result<FleetOptions> {
    let mut device = match &arguments.options {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            Options::from_json(&text).with_context(|| format!("{} is no options file", path.display()))?
        }
        None => Options::default(),
    };
    if let Some(acs) = arguments.acs {
        device.acs_url = acs;
    }
    device.model = arguments.model.unwrap_or(device.model);
    device.parameters = arguments.parameters.unwrap_or(device.parameters);
    device.faults.extend(arguments.fault);
    device.quirks.extend(arguments.quirk);
    device.client = arguments.client.or(device.client);
    if !arguments.username.is_empty() {
        device.username = arguments.username;
    }
    device.tls.insecure |= arguments.insecure;
    device.tls.ca = arguments.ca.or(device.tls.ca);
    if arguments.certificate.is_some() {
        (device.tls.certificate, device.tls.key) = (arguments.certificate, arguments.key);
    }
    if let Some(path) = &arguments.password_file {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        device.password = text.trim_end().to_owned();
    }
    Ok(FleetOptions {
        device,
        devices: arguments.devices,
        serial_prefix: arguments.serial_prefix,
        first_serial: arguments.first_serial,
        events: arguments.events,
        spread_milliseconds: arguments.spread,
        concurrency: arguments.concurrency,
        keep_running: arguments.keep_running,
        interval_seconds: arguments.interval,
    })
}

fn open_transcript(arguments: &SimCpeArguments) -> Result<Option<Transcript>> {
    let Some(path) = &arguments.transcript else { return Ok(None) };
    let writer: Box<dyn Write + Send> = if path.as_os_str() == "-" {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(path).with_context(|| format!("creating {}", path.display()))?)
    };
    Ok(Some(Transcript::new(writer, arguments.bodies)))
}

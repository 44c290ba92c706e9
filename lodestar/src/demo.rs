//! `lodestar serve --demo`: three simulated devices that come every ten seconds, and presets that show what presets do.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use provisions::demo;
use serde_json::json;
use sim::cpe::{ConnectionRequest, ConnectionRequestMode};
use sim::fleet::FleetOptions;
use sim::transcript::Transcript;
use sim::{Fleet, ModelKind, Options};
use store::{Collection, Store};
use tokio_util::sync::CancellationToken;

/// Seconds between the devices' sessions, and before the first retry of a fault.
const INTERVAL: u64 = 10;
/// The device that gets the preset with a mistake.
const FAULTY_SERIAL: &str = "DEMO00000003";
/// The device that gets the tag for the Wi-Fi preset.
const TAGGED: &str = "0A1B2C-SimCPE-DEMO00000001";

/// Stores the demonstration's presets and provisions.
pub async fn prepare(store: &dyn Store) -> Result<()> {
    for provision in demo::PROVISIONS {
        store.put(Collection::Provisions, provision.name, json!({ "script": provision.script })).await?;
    }
    for (name, preset) in demo::presets(FAULTY_SERIAL) {
        store.put(Collection::Presets, name, preset).await?;
    }
    store.put(Collection::Config, "cwmp.retryDelay", json!({ "value": INTERVAL.to_string() })).await?;
    Ok(())
}

/// Starts the devices. What they say and hear is in `transcript.jsonl`.
pub fn start(cwmp: SocketAddr, data_dir: &Path, stop: &CancellationToken) -> Result<()> {
    let path = data_dir.join("transcript.jsonl");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let transcript = Transcript::new(file, false);
    for (model, first_serial, devices) in [(ModelKind::Tr181, 1, 1), (ModelKind::Tr098, 2, 2)] {
        let device = Options {
            acs_url: format!("http://{cwmp}/"),
            model,
            parameters: 120,
            connection_request: ConnectionRequest { mode: ConnectionRequestMode::Open, ..ConnectionRequest::default() },
            ..Options::default()
        };
        let mut fleet = Fleet::new(FleetOptions {
            device,
            devices,
            serial_prefix: "DEMO".to_owned(),
            first_serial,
            events: vec!["0 BOOTSTRAP".to_owned(), "1 BOOT".to_owned()],
            spread_milliseconds: 2_000,
            keep_running: true,
            interval_seconds: Some(INTERVAL),
            ..FleetOptions::default()
        })?;
        fleet.set_transcript(transcript.clone());
        let stop = stop.clone();
        tokio::spawn(async move {
            if let Err(error) = fleet.run(stop).await {
                tracing::error!(%error, "the simulated devices stopped");
            }
        });
    }
    Ok(())
}

/// What to look at, for the terminal.
pub fn guide(nbi: SocketAddr, data_dir: &Path) -> String {
    let directory = data_dir.display();
    format!(
        "
Three simulated devices come every {INTERVAL} seconds. In another shell:

  KEY=$(cat {directory}/api-key)

  # a device with its values (TR-181), and the names of all
  curl -sg -H \"X-API-Key: $KEY\" 'http://{nbi}/devices/{tagged}'
  curl -sg -H \"X-API-Key: $KEY\" 'http://{nbi}/devices?projection=_id,_lastInform,_tags'

  # tag it: the preset demo-wifi-name then sets its Wi-Fi name; the request is in the transcript
  curl -sg -H \"X-API-Key: $KEY\" -X POST 'http://{nbi}/devices/{tagged}/tags/demo_wifi'
  grep SetParameterValues {directory}/transcript.jsonl

  # a script with a mistake: its fault names the line, and its retries come later and later
  curl -sg -H \"X-API-Key: $KEY\" 'http://{nbi}/faults'

  # a task, done in the device's next session
  curl -sg -H \"X-API-Key: $KEY\" -X POST 'http://{nbi}/devices/{tagged}/tasks' \\
       -d '{{\"name\":\"setParameterValues\",\"parameterValues\":[[\"Device.DeviceInfo.ProvisioningCode\",\"demo\"]]}}'

  # presets and provisions
  curl -sg -H \"X-API-Key: $KEY\" 'http://{nbi}/presets'
  curl -sg -H \"X-API-Key: $KEY\" 'http://{nbi}/provisions/demo-mistake'
",
        tagged = TAGGED.replace('%', "%25"),
    )
}

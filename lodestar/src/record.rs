//! `serve --record`: every session becomes a file, `DEVICE-TIME.jsonl`, that `lodestar replay` understands (`docs/replay.md`).
//!
//! Secrets are taken out before anything is written. Not here: the format ([`acs_core::recording`]).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::recording::Tape;
use acs_core::rpc::Inform;
use acs_core::script::ScriptKind;
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output};
use anyhow::{Context, Result};
use cwmp::{PinnedConfiguration, SessionRecorder, SessionRecording};
use serde_json::{Map, Value as Json, json};

/// Names of files are cut to this length, without their endings.
const LONGEST_NAME: usize = 160;

/// Writes recordings into a directory.
#[derive(Debug)]
pub struct Recorder {
    directory: PathBuf,
    /// The devices whose sessions are recorded; none are all.
    devices: Vec<String>,
}

impl Recorder {
    /// Records into a directory, which is made if need be.
    pub fn new(directory: PathBuf, devices: Vec<String>) -> Result<Recorder> {
        crate::serve::create_private_directory(&directory)?;
        Ok(Recorder { directory, devices })
    }

    /// What `serve` was asked to record with.
    pub fn from_options(options: &crate::options::ServeOptions) -> Result<Option<Arc<dyn SessionRecorder>>> {
        let Some(directory) = options.record.clone() else { return Ok(None) };
        Ok(Some(Arc::new(Recorder::new(directory, options.record_device.clone())?)))
    }
}

impl SessionRecorder for Recorder {
    fn begin(
        &self,
        snapshot: &DeviceSnapshot,
        inform: &Inform,
        timestamp: i64,
        settings: &Settings,
        configuration: &dyn PinnedConfiguration,
    ) -> Option<Box<dyn SessionRecording>> {
        let device = inform.device_id.device_id();
        if !self.devices.is_empty() && !self.devices.contains(&device) {
            return None;
        }
        let mut documents = configuration.documents();
        documents["fingerprints"] = fingerprints(&documents, configuration);
        let tape = Tape::begin(snapshot, inform, timestamp, settings, documents);
        let name: String = device.chars().take(LONGEST_NAME).collect();
        Some(Box::new(Recording { tape: Some(tape), path: self.directory.join(format!("{name}-{timestamp}")) }))
    }
}

/// The fingerprints of the scripts, by kind and name: they are part of what a session decides by, and literals in the scripts
/// may be redacted.
fn fingerprints(documents: &Json, configuration: &dyn PinnedConfiguration) -> Json {
    let of = |kind, key: &str| -> Map<String, Json> {
        let names = documents[key].as_object().into_iter().flatten().map(|(name, _)| name);
        names.filter_map(|name| Some((name.clone(), configuration.script_fingerprint(kind, name)?.into()))).collect()
    };
    json!({
        "provisions": of(ScriptKind::Provision, "provisions"),
        "virtual_parameters": of(ScriptKind::VirtualParameter, "virtual_parameters"),
    })
}

struct Recording {
    /// Taken at the end.
    tape: Option<Tape>,
    path: PathBuf,
}

impl SessionRecording for Recording {
    fn input(&mut self, input: &Input) {
        self.tape.iter_mut().for_each(|tape| tape.input(input));
    }

    fn output(&mut self, output: &Output) {
        self.tape.iter_mut().for_each(|tape| tape.output(output));
    }

    fn end(mut self: Box<Self>, change: &SessionChange) {
        let Some(tape) = self.tape.take() else { return };
        if let Err(error) = write(&self.path, &tape.end(change)) {
            tracing::error!("a session's recording is lost: {error:#}");
        }
    }
}

/// Writes a new file that only its owner can read. A name that is taken (two sessions in one millisecond) gets a number.
fn write(path: &Path, lines: &[Json]) -> Result<()> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.to_string());
        text.push('\n');
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut number = 0;
    loop {
        let ending = if number == 0 { ".jsonl".to_owned() } else { format!("-{number}.jsonl") };
        let file = PathBuf::from(format!("{}{ending}", path.display()));
        match options.open(&file) {
            Ok(mut opened) => {
                return opened.write_all(text.as_bytes()).with_context(|| format!("writing {}", file.display()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error).with_context(|| format!("creating {}", file.display())),
        }
    }
}

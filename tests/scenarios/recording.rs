//! Records sessions as the server does, and replays them as the command line does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acs_core::change::{DeviceSnapshot, SessionChange};
use acs_core::rpc::Inform;
use acs_core::session::settings::Settings;
use acs_core::session::{Input, Output};
use cwmp::{SessionRecorder, SessionRecording};
use lodestar::record::Recorder;
use lodestar::replay::replay_file;
use lodestar::snapshot::Snapshot;
use sandbox::Limits;

use crate::kit::Observer;

/// The usual limits, but none of time: how fast the machine is shall not matter.
pub fn limits() -> Limits {
    Limits { cpu_time: Duration::from_secs(60), wall_time: Duration::from_secs(60), ..Limits::default() }
}

/// Records what a session does.
pub struct Tape<'a> {
    configuration: &'a Snapshot,
    folder: PathBuf,
    recording: Option<Box<dyn SessionRecording>>,
}

impl<'a> Tape<'a> {
    /// Records into a folder of its own.
    pub fn new(configuration: &'a Snapshot, folder: &Path) -> Tape<'a> {
        Tape { configuration, folder: folder.to_owned(), recording: None }
    }
}

impl Observer for Tape<'_> {
    fn begin(&mut self, snapshot: &DeviceSnapshot, inform: &Inform, timestamp: i64, settings: &Settings) {
        let recorder = Recorder::new(self.folder.clone(), Vec::new()).unwrap();
        self.recording = recorder.begin(snapshot, inform, timestamp, settings, self.configuration);
    }

    fn input(&mut self, input: &Input) {
        self.recording.iter_mut().for_each(|recording| recording.input(input));
    }

    fn output(&mut self, output: &Output) {
        self.recording.iter_mut().for_each(|recording| recording.output(output));
    }

    fn end(&mut self, change: &SessionChange) {
        if let Some(recording) = self.recording.take() {
            recording.end(change);
        }
    }
}

/// Replays a session's recording; what is different.
pub fn replayed(folder: &Path) -> Option<String> {
    let file = std::fs::read_dir(folder).unwrap().next().expect("the session was recorded").unwrap().path();
    match replay_file(&file, &[], &limits()) {
        Ok(report) if report.is_as_recorded() => None,
        Ok(report) => Some(report.to_text("replay")),
        Err(error) => Some(format!("replay: {error:#}")),
    }
}

//! An extension that runs in a process of its own: started at the first call, started again after it ended, replaced when its
//! file changed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acs_core::script::ScriptFault;
use serde_json::Value as Json;
use tokio::process::Command;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::bridge::BRIDGE;
use crate::lookup::Target;
use crate::process::{End, Process};
use crate::{Lifetime, fault};

/// The second crash in a row delays the next start by this, each further one by twice as much.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A process that lived so long did not crash in a row.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// Variables of the server itself, with credentials among them, are not for extensions.
const OWN_VARIABLES: &str = "LODESTAR_";
/// How often a start is tried while somebody is still writing the file.
const BUSY_TRIES: u32 = 20;

/// An extension with its process, when it has one.
#[derive(Debug)]
pub(crate) struct Worker {
    extension: Arc<str>,
    directory: PathBuf,
    node: PathBuf,
    timeout: Duration,
    max_output: usize,
    lifetime: Lifetime,
    slot: tokio::sync::Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    running: Option<Running>,
    crashes: u32,
    /// The earliest next start, and the reason for it.
    delayed: Option<(Instant, ScriptFault)>,
}

#[derive(Debug)]
struct Running {
    process: Arc<Process>,
    target: Target,
    since: Instant,
}

impl Worker {
    pub(crate) fn new(
        extension: &str,
        directory: &Path,
        node: &Path,
        timeout: Duration,
        max_output: usize,
        lifetime: Lifetime,
    ) -> Worker {
        Worker {
            extension: extension.into(),
            directory: directory.to_owned(),
            node: node.to_owned(),
            timeout,
            max_output,
            lifetime,
            slot: tokio::sync::Mutex::default(),
        }
    }

    /// Calls the extension in its process; starts that when needed.
    pub(crate) async fn call(
        &self,
        target: Target,
        arguments: &[Json],
        deadline: Instant,
    ) -> Result<Json, ScriptFault> {
        loop {
            let process = timeout_at(deadline, self.process(&target, deadline)).await;
            let process = process.map_err(|_| fault::timeout(&self.extension, self.timeout))??;
            // A process that closes in between has not seen the call, so another one may have it.
            if let Some(result) = process.call(arguments, deadline, self.timeout).await {
                return result;
            }
        }
    }

    async fn process(&self, target: &Target, deadline: Instant) -> Result<Arc<Process>, ScriptFault> {
        let mut slot = self.slot.lock().await;
        if let Some(running) = &slot.running {
            if !running.process.is_open() {
                let end = running.process.ended().await;
                let since = running.since;
                slot.running = None;
                slot.note_end(end, since);
            } else if running.target == *target {
                return Ok(running.process.clone());
            } else {
                running.process.retire(self.timeout, &self.lifetime);
                slot.running = None;
                slot.forgive();
            }
        }
        if let Some((at, reason)) = &slot.delayed {
            if *at > deadline {
                let mut reason = reason.clone();
                let crashes = slot.crashes;
                reason
                    .message
                    .push_str(&format!(" (it ended so {crashes} times in a row and is not started again yet)"));
                return Err(reason);
            }
            sleep_until(*at).await;
            slot.delayed = None;
        }
        let process = match self.start(target).await {
            Ok(process) => process,
            Err(fault) => {
                slot.note_crash(Instant::now(), &fault);
                return Err(fault);
            }
        };
        slot.running = Some(Running { process: process.clone(), target: target.clone(), since: Instant::now() });
        Ok(process)
    }

    async fn start(&self, target: &Target) -> Result<Arc<Process>, ScriptFault> {
        let mut tries = 0;
        let error = loop {
            match Process::start(&self.extension, self.command(target), self.max_output, &self.lifetime) {
                Ok(process) => return Ok(process),
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                    tries += 1;
                    sleep(Duration::from_millis(10)).await;
                }
                Err(error) => break error,
            }
        };
        let message = match target {
            Target::Module { .. } if error.kind() == ErrorKind::NotFound => {
                format!("it is a Node.js module, but Node.js was not found as '{}'", self.node.display())
            }
            Target::Module { .. } => format!("Node.js cannot be started: {error}"),
            Target::Program { .. } => format!("its program cannot be started: {error}"),
        };
        Err(fault::of(&self.extension, message))
    }

    fn command(&self, target: &Target) -> Command {
        let mut command = match target {
            Target::Program { file, .. } => Command::new(file),
            Target::Module { file, .. } => {
                let mut command = Command::new(&self.node);
                command.arg("-e").arg(BRIDGE).arg("--").arg(file).arg(&*self.extension);
                command
            }
        };
        command.current_dir(&self.directory);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OWN_VARIABLES) {
                command.env_remove(name);
            }
        }
        command
    }
}

impl Slot {
    fn note_end(&mut self, end: Option<End>, since: Instant) {
        let Some(end) = end else { return };
        if end.at.duration_since(since) >= STABLE_AFTER || !end.crashed {
            self.forgive();
        }
        if end.crashed {
            self.note_crash(end.at, &end.fault);
        }
    }

    fn note_crash(&mut self, at: Instant, fault: &ScriptFault) {
        self.crashes = self.crashes.saturating_add(1);
        self.delayed = delay(self.crashes).map(|delay| (at + delay, fault.clone()));
    }

    fn forgive(&mut self) {
        self.crashes = 0;
        self.delayed = None;
    }
}

/// None after the first crash; then longer with each.
fn delay(crashes: u32) -> Option<Duration> {
    let doublings = crashes.checked_sub(2)?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::lookup;

    #[tokio::test]
    async fn a_program_that_keeps_crashing_is_not_started_again_before_its_delay_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("broken");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let lifetime = Lifetime { stop: Default::default(), abandon: Default::default(), tasks: Default::default() };
        let seconds = Duration::from_secs;
        let worker = Worker::new("broken", directory.path(), Path::new("node"), seconds(3), 1000, lifetime);
        let reason = fault::of("broken", "its process ended (exit status: 3)");
        *worker.slot.lock().await =
            Slot { running: None, crashes: 7, delayed: Some((Instant::now() + seconds(3600), reason)) };
        let target = lookup::find(directory.path(), "broken").unwrap();
        let fault = worker.call(target, &[], Instant::now() + seconds(3)).await.unwrap_err();
        assert_eq!(fault.code, "ext");
        let expected = "extension 'broken': its process ended (exit status: 3) \
            (it ended so 7 times in a row and is not started again yet)";
        assert_eq!(fault.message, expected);
    }

    #[test]
    fn the_delay_grows_with_each_crash_in_a_row_up_to_a_limit() {
        let delays: Vec<_> =
            [0, 1, 2, 3, 4, 7, 8, 1000, u32::MAX].map(|crashes| delay(crashes).map(|delay| delay.as_millis())).into();
        let expected = [None, None, Some(100), Some(200), Some(400), Some(3200), Some(5000), Some(5000), Some(5000)];
        assert_eq!(delays, expected);
    }
}

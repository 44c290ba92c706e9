//! What the command line shows of a session at work: phase by phase, a bar for eyes and lines for everything else.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use starstate::orchestrator::{OperationState, Progress};
use starstate::phase::Phase;
use starstate::session::{SessionEvent, SessionEventKind};

/// Shows what happens to one session.
pub struct Show {
    json: bool,
    bar: Option<ProgressBar>,
    phase: Mutex<Option<Phase>>,
}

impl Show {
    /// With `json` every event is a line of JSON on standard output; otherwise people read standard error.
    pub fn new(json: bool) -> Show {
        let is_watched = !json && std::io::stderr().is_terminal();
        let bar = is_watched.then(|| {
            let style = ProgressStyle::with_template("{prefix:<22} [{bar:30}] {pos}/{len} {msg}");
            let bar = ProgressBar::new(0);
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Show { json, bar, phase: Mutex::default() }
    }

    /// Something happened.
    pub fn tell(&self, event: &SessionEvent) {
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                // A reader that is gone is no reason to leave a router half done.
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            return;
        }
        match &event.kind {
            SessionEventKind::Started { resumed: true } => self.line("going on with what was interrupted"),
            SessionEventKind::Progress { progress, .. } => self.progress(progress),
            _ => {}
        }
    }

    /// The bar is in nobody's way any longer.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn progress(&self, progress: &Progress) {
        match progress {
            Progress::Planned { total } => self.line(&format!("{total} operations")),
            Progress::Phase { phase, number } => {
                if self.phase.lock().replace(*phase) != Some(*phase) {
                    self.line(&format!("phase {number}: {}", phase.definition().title));
                }
            }
            Progress::Operation { step, path, state, message, done, total, phase, .. } => {
                self.go_to(*done, *total, phase.definition().title, step);
                let what = match state {
                    OperationState::Done => return,
                    OperationState::Warning => "warning",
                    OperationState::Failed => "failed",
                };
                self.line(&format!("{what}: {path} ({step}): {}", message.as_deref().unwrap_or_default()));
            }
            Progress::Reconnecting { reason } => self.line(&format!("connecting again: {reason}")),
            Progress::RollingBack { total } => self.line(&format!("taking back {total} changes")),
            Progress::TakenBack { step, path, message, done, total } => {
                self.go_to(*done, *total, "Rollback", step);
                if let Some(message) = message {
                    self.line(&format!("not taken back: {path} ({step}): {message}"));
                }
            }
        }
    }

    fn go_to(&self, done: usize, total: usize, prefix: &'static str, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            bar.set_prefix(prefix);
            bar.set_message(step.to_owned());
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }
}

//! What extensions print to standard error goes to the log, and its end into the message when they crash.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use crate::lines::{Line, Lines};

/// Longer lines are cut.
const MAX_LINE: usize = 4096;
/// More lines in one second are counted but not logged.
const MAX_LINES_PER_SECOND: u32 = 200;
/// How many lines are remembered for the message of a crash, and how much of each.
const LAST_LINES: usize = 3;
const MAX_LAST_LINE: usize = 300;

/// What a process said last.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    fn push(&self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let mut lines = self.0.lock();
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(MAX_LAST_LINE).collect());
    }

    /// The last lines in one, empty when there were none.
    pub(crate) fn text(&self) -> String {
        self.0.lock().iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
}

/// Logs everything until the end.
pub(crate) async fn log(extension: Arc<str>, pid: u32, output: impl AsyncRead + Unpin, last_words: LastWords) {
    let mut lines = Lines::new(output, MAX_LINE, usize::MAX);
    let mut second = Instant::now();
    let mut logged = 0;
    let mut left_out = 0_u64;
    loop {
        let line = match lines.next().await {
            Line::Whole(line) | Line::TooLong(line) => line,
            Line::Endless | Line::End => break,
        };
        // Control characters could forge or hide lines of the log.
        let line: String = String::from_utf8_lossy(&line)
            .trim_end()
            .chars()
            .map(|character| if character.is_control() && character != '\t' { '\u{FFFD}' } else { character })
            .collect();
        last_words.push(&line);
        if second.elapsed() >= Duration::from_secs(1) {
            report_left_out(&extension, pid, &mut left_out);
            second = Instant::now();
            logged = 0;
        }
        if logged < MAX_LINES_PER_SECOND {
            logged += 1;
            tracing::warn!(target: "ext", extension = &*extension, pid, "{line}");
        } else {
            left_out += 1;
        }
    }
    report_left_out(&extension, pid, &mut left_out);
}

fn report_left_out(extension: &str, pid: u32, left_out: &mut u64) {
    if *left_out > 0 {
        tracing::warn!(target: "ext", extension, pid, lines = *left_out, "printed more to standard error than is logged");
        *left_out = 0;
    }
}

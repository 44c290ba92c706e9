//! The life of one operating system process: its pipes, its end, and that nothing of it stays behind.
//!
//! The process has a process group of its own. The whole group is killed when the process ended, and when the supervisor is
//! dropped, as it is when the server ends in disorder.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::answer::{self, Answer};
use crate::fault;
use crate::lines::{Line, Lines};
use crate::process::{End, HUNG_AFTER, Process};
use crate::standard_error::LastWords;

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long a process that does not work may take to end by itself.
const SHORT_GRACE: Duration = Duration::from_secs(1);
/// How long the pipes are read after the process ended.
const GRACE_OF_PIPES: Duration = Duration::from_secs(1);
/// A line of output that is so many times longer than allowed is not waited for.
const ENDLESS: usize = 16;

/// Why the supervisor ends a process, or lets it end.
enum Cause {
    /// It ended, or closed a pipe, which it does when it ends.
    Ended(&'static str),
    Misbehaved(&'static str),
    Asked,
}

/// Why no more answers come.
pub(crate) enum OutputEnd {
    Closed,
    Misbehaved(&'static str),
}

/// Sees one process to its end.
pub(crate) struct Supervisor {
    pub(crate) process: Arc<Process>,
    pub(crate) group: Group,
    pub(crate) abandon: CancellationToken,
}

impl Supervisor {
    /// Runs until the process is gone, and then tells its calls.
    pub(crate) async fn run(
        mut self,
        reading: impl Future<Output = OutputEnd> + Send + 'static,
        writing: impl Future<Output = Option<&'static str>> + Send + 'static,
        logging: impl Future<Output = ()> + Send + 'static,
        last_words: LastWords,
    ) {
        let mut reading = AbortOnDrop(tokio::spawn(reading));
        let mut logging = AbortOnDrop(tokio::spawn(logging));
        let mut writing = AbortOnDrop(tokio::spawn(writing));
        let mut is_read = false;
        let cause = tokio::select! {
            _ = self.group.child.wait() => Cause::Ended("it ended"),
            end = &mut reading.0 => {
                is_read = true;
                match end {
                    Ok(OutputEnd::Misbehaved(reason)) => Cause::Misbehaved(reason),
                    Ok(OutputEnd::Closed) => Cause::Ended("it closed its standard output"),
                    Err(_) => Cause::Misbehaved("its output could not be read"),
                }
            }
            end = &mut writing.0 => match end {
                Ok(Some(reason)) => Cause::Ended(reason),
                _ => Cause::Asked,
            },
            () = self.process.stop.cancelled() => Cause::Asked,
            () = self.abandon.cancelled() => Cause::Asked,
        };
        let hung = self.process.close();
        if matches!(cause, Cause::Asked) {
            self.group.signal(Signal::TERM);
        }
        let patience = if hung || !matches!(cause, Cause::Asked) { SHORT_GRACE } else { GRACE };
        let (status, killed) = self.group.end(patience, &self.abandon).await;
        // What it printed before its end counts.
        if !is_read {
            let _ = timeout(GRACE_OF_PIPES, &mut reading.0).await;
        }
        let _ = timeout(GRACE_OF_PIPES, &mut logging.0).await;

        let failed = killed || !status.is_some_and(|status| status.success());
        let asked = matches!(cause, Cause::Asked);
        let crashed = hung || (!asked && (failed || self.process.is_busy()));
        let how = match (cause, status) {
            _ if hung => {
                format!("its process was ended, since it answered none of {HUNG_AFTER} calls in a row")
            }
            (Cause::Asked, _) => "its process was asked to end".to_owned(),
            (Cause::Ended(_), Some(status)) if !killed => format!("its process ended ({status})"),
            (Cause::Ended(reason) | Cause::Misbehaved(reason), _) => {
                format!("its process was ended, since {reason}")
            }
        };
        let message = match last_words.text() {
            words if words.is_empty() => how,
            words => format!("{how}; it said last: {words}"),
        };
        let fault = fault::of(self.process.extension(), message);
        if crashed {
            tracing::warn!(target: "ext", pid = self.group.pid(), "{}", fault.message);
        }
        self.process.end(End { at: Instant::now(), crashed, fault });
    }
}

/// A process and all that it started and that did not leave its process group.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    leader: Option<Pid>,
    over: bool,
}

impl Group {
    pub(crate) fn new(child: Child) -> Group {
        let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Group { child, leader, over: false }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.leader.map_or(0, |leader| leader.as_raw_nonzero().get().cast_unsigned())
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader
            && !self.over
        {
            // It fails when nothing of the group is left, which is as well.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Waits for the leader's end, then kills what is left of the group. Tells whether the leader had to be killed.
    async fn end(&mut self, patience: Duration, abandon: &CancellationToken) -> (Option<ExitStatus>, bool) {
        let ended = tokio::select! {
            status = timeout(patience, self.child.wait()) => status.ok(),
            () = abandon.cancelled() => None,
        };
        self.signal(Signal::KILL);
        let killed = ended.is_none();
        let status = match ended {
            Some(status) => status.ok(),
            None => timeout(GRACE, self.child.wait()).await.ok().and_then(Result::ok),
        };
        self.over = true;
        (status, killed)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A task that must not outlive its owner.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads answers until there are no more, and says why.
pub(crate) async fn read_answers(
    process: Arc<Process>,
    output: impl AsyncRead + Unpin,
    max_output: usize,
) -> OutputEnd {
    let mut lines = Lines::new(output, max_output, max_output.saturating_mul(ENDLESS));
    loop {
        let answer = match lines.next().await {
            Line::Whole(line) => answer::read(&line),
            Line::TooLong(start) => {
                let reason = format!("an answer of more than {max_output} bytes");
                match answer::number_at_start(&start) {
                    Some(number) => Answer::Malformed(number, reason),
                    None => Answer::Stray(reason),
                }
            }
            Line::Endless => return OutputEnd::Misbehaved("it printed a line without end"),
            Line::End => return OutputEnd::Closed,
        };
        if !process.take(answer) {
            return OutputEnd::Misbehaved("it printed too many lines that are no answers");
        }
    }
}

/// Writes requests until it is told to stop (nothing to report) or the process does not take them any longer.
pub(crate) async fn write_requests(
    mut queue: mpsc::Receiver<Vec<u8>>,
    mut input: impl AsyncWrite + Unpin,
    stop: CancellationToken,
) -> Option<&'static str> {
    let writing = async {
        while let Some(request) = queue.recv().await {
            input.write_all(&request).await?;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        () = stop.cancelled() => None,
        written = writing => written.is_err().then_some("it closed its standard input"),
    }
}

//! One running program, as its callers see it: the calls under way. Its life is in `supervisor`.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use acs_core::script::ScriptFault;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::answer::{self, Answer};
use crate::standard_error::{self, LastWords};
use crate::supervisor::{Group, Supervisor, read_answers, write_requests};
use crate::{Lifetime, fault};

/// After so many calls in a row that timed out without any answer in between, the process is considered hung.
pub(crate) const HUNG_AFTER: u32 = 5;
/// Bytes that a call's arguments may have.
const MAX_REQUEST: usize = 1024 * 1024;
/// So many lines in a row that are no answers end the process.
const MAX_STRAY_LINES: u32 = 100;
/// Requests on their way into the process.
const REQUEST_QUEUE: usize = 64;

/// A running program, as its callers see it.
#[derive(Debug)]
pub(crate) struct Process {
    extension: Arc<str>,
    requests: mpsc::Sender<Vec<u8>>,
    calls: Mutex<Calls>,
    /// Asks the process to end.
    pub(crate) stop: CancellationToken,
    /// Cancelled when it has ended.
    over: CancellationToken,
}

#[derive(Debug, Default)]
struct Calls {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Json, ScriptFault>>>,
    timeouts_in_a_row: u32,
    stray_lines_in_a_row: u32,
    hung: bool,
    /// No more calls: the process ends or has ended.
    closed: bool,
    end: Option<End>,
}

/// How a process ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// When.
    pub(crate) at: Instant,
    /// It ended though it should not have.
    pub(crate) crashed: bool,
    /// For the calls that were running, and for those that come too soon after.
    pub(crate) fault: ScriptFault,
}

impl Process {
    /// Starts the program. Its supervisor runs as one of the tasks of `lifetime`.
    pub(crate) fn start(
        extension: &Arc<str>,
        mut command: Command,
        max_output: usize,
        lifetime: &Lifetime,
    ) -> std::io::Result<Arc<Process>> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("the pipes to the process are missing"));
        };
        let group = Group::new(child);
        tracing::debug!(target: "ext", extension = &**extension, pid = group.pid(), "started");
        let (requests, queue) = mpsc::channel(REQUEST_QUEUE);
        let process = Arc::new(Process {
            extension: extension.clone(),
            requests,
            calls: Mutex::default(),
            stop: lifetime.stop.child_token(),
            over: CancellationToken::new(),
        });
        let supervisor = Supervisor { process: process.clone(), group, abandon: lifetime.abandon.clone() };
        let last_words = LastWords::default();
        let logging = standard_error::log(extension.clone(), supervisor.group.pid(), errors, last_words.clone());
        let reading = read_answers(process.clone(), output, max_output);
        let writing = write_requests(queue, input, process.stop.clone());
        lifetime.tasks.spawn(supervisor.run(reading, writing, logging, last_words));
        Ok(process)
    }

    /// Whether calls may be given to it.
    pub(crate) fn is_open(&self) -> bool {
        !self.calls.lock().closed
    }

    /// Waits until it has ended, and tells how.
    pub(crate) async fn ended(&self) -> Option<End> {
        self.over.cancelled().await;
        self.calls.lock().end.clone()
    }

    /// Lets running calls end, for this long, and then the process.
    pub(crate) fn retire(self: &Arc<Self>, patience: Duration, lifetime: &Lifetime) {
        self.calls.lock().closed = true;
        let process = self.clone();
        lifetime.tasks.spawn(async move {
            let _ = timeout(patience, process.stop.cancelled()).await;
            process.stop.cancel();
        });
    }

    /// Asks, and waits for the answer until the deadline. `allowed` is what the message calls the time. `None` when the
    /// process takes no more calls; then nothing was sent.
    pub(crate) async fn call(
        &self,
        arguments: &[Json],
        deadline: Instant,
        allowed: Duration,
    ) -> Option<Result<Json, ScriptFault>> {
        let (call, answer) = self.register()?;
        let request = match self.request(call.number, arguments) {
            Ok(request) => request,
            Err(fault) => return Some(Err(fault)),
        };
        let exchange = async {
            // When nobody takes it the process is ending, and its supervisor answers.
            let _ = self.requests.send(request).await;
            answer.await
        };
        Some(match timeout_at(deadline, exchange).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(fault::of(&self.extension, "its process ended")),
            Err(_) => {
                self.note_timeout();
                Err(fault::timeout(&self.extension, allowed))
            }
        })
    }

    fn request(&self, number: u64, arguments: &[Json]) -> Result<Vec<u8>, ScriptFault> {
        let request = answer::write_request(number, arguments)
            .map_err(|error| fault::of(&self.extension, format_args!("its arguments are not JSON: {error}")))?;
        match request.len() {
            size if size > MAX_REQUEST => {
                let message =
                    format_args!("its arguments are too large: {size} bytes, at most {MAX_REQUEST} are allowed");
                Err(fault::of(&self.extension, message))
            }
            _ => Ok(request),
        }
    }

    fn register(&self) -> Option<(Call<'_>, oneshot::Receiver<Result<Json, ScriptFault>>)> {
        let mut calls = self.calls.lock();
        if calls.closed {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        calls.last += 1;
        let number = calls.last;
        calls.waiting.insert(number, sender);
        Some((Call { process: self, number }, receiver))
    }

    fn note_timeout(&self) {
        let mut calls = self.calls.lock();
        calls.timeouts_in_a_row += 1;
        if calls.timeouts_in_a_row >= HUNG_AFTER && !calls.closed {
            calls.hung = true;
            calls.closed = true;
            self.stop.cancel();
        }
    }

    /// The name of the extension.
    pub(crate) fn extension(&self) -> &str {
        &self.extension
    }

    /// Takes no more calls. Tells whether that is because it hangs.
    pub(crate) fn close(&self) -> bool {
        let mut calls = self.calls.lock();
        calls.closed = true;
        calls.hung
    }

    /// Whether calls wait for answers.
    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.lock().waiting.is_empty()
    }

    /// Gives a line that the program printed to whom it concerns. False when the program is past help.
    pub(crate) fn take(&self, answer: Answer) -> bool {
        let mut calls = self.calls.lock();
        let (number, result) = match answer {
            Answer::Result(number, result) => (number, Ok(result)),
            Answer::Error(number, error) => (number, Err(fault::reported(&self.extension, error))),
            Answer::Malformed(number, reason) => {
                (number, Err(fault::of(&self.extension, format_args!("it printed {reason}"))))
            }
            Answer::Stray(reason) => return self.take_stray(&mut calls, &reason),
        };
        if number == 0 || number > calls.last {
            let reason = format!("an answer to call {number}, which was never made");
            return self.take_stray(&mut calls, &reason);
        }
        calls.timeouts_in_a_row = 0;
        calls.stray_lines_in_a_row = 0;
        // Nobody waits when the call timed out meanwhile.
        if let Some(waiting) = calls.waiting.remove(&number) {
            let _ = waiting.send(result);
        }
        true
    }

    /// Bad output concerns every running call, since nobody can tell whose answer it should have been.
    fn take_stray(&self, calls: &mut Calls, reason: &str) -> bool {
        tracing::warn!(target: "ext", extension = &*self.extension, reason, "bad output");
        let message = format_args!(
            "it printed {reason}; standard output is for answers only, everything else belongs to standard error"
        );
        let fault = fault::of(&self.extension, message);
        for (_, waiting) in calls.waiting.drain() {
            let _ = waiting.send(Err(fault.clone()));
        }
        calls.stray_lines_in_a_row += 1;
        calls.stray_lines_in_a_row < MAX_STRAY_LINES
    }

    /// It is gone: its calls fail, and whoever waits for its end goes on.
    pub(crate) fn end(&self, end: End) {
        let mut calls = self.calls.lock();
        calls.closed = true;
        for (_, waiting) in calls.waiting.drain() {
            let _ = waiting.send(Err(end.fault.clone()));
        }
        calls.end = Some(end);
        self.over.cancel();
    }
}

/// A call under way; forgotten when its caller gives up.
struct Call<'a> {
    process: &'a Process,
    number: u64,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.process.calls.lock().waiting.remove(&self.number);
    }
}

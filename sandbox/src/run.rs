//! One execution of a compiled script: its state, its limits, and how it ends.
//!
//! A script stops at a commit that is not satisfied yet. The stop is *sticky*: array functions may swallow the error that a
//! closure ends with, so the state remembers the stop, every host function answers with it again, the next operation ends
//! the script, and the outcome is read from the state, not from what the script returned.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use acs_core::script::{HostError, Interrupt, Outcome, ScriptFault, ScriptKind, ScriptRun};
use parking_lot::Mutex;
use rhai::{Dynamic, EvalAltResult, EvalContext, Position};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;

use crate::compile::CompiledScript;
use crate::engine;
use crate::fault::{self, Kind, Problem};
use crate::inspect::{Excess, MAX_DEPTH, inspect, measure};
use crate::limits::Limits;
use crate::values::{self, Unconvertible};

/// How often the memory probe is asked, in operations. One operation allocates one text at most.
const MEMORY_INTERVAL: u64 = 16;
/// How often the thread's clock is read, in operations. Reading it costs as much as some ten operations.
const TIME_INTERVAL: u64 = 64;
/// How much processor time may pass before the variables are inspected (again). At least as much as the last inspection
/// took, so that inspecting takes half of the time at most.
const INSPECTION_INTERVAL: Duration = Duration::from_micros(250);

/// What a native function or a getter returns.
pub type Native<T> = Result<T, Box<EvalAltResult>>;

/// The state of one execution, shared by the engine, its callbacks and the results of `declare()`.
#[derive(Clone)]
pub struct RunRef(Arc<RunState>);

struct RunState {
    run: Mutex<Option<ScriptRun>>,
    stopped: AtomicBool,
    stop: Mutex<Option<Stop>>,
    operations: AtomicU64,
    handed_out: AtomicU64,
    started_at: Duration,
    started_at_clock: Instant,
    /// Processor time, in nanoseconds since the start, at which the variables are due for inspection.
    next_inspection: AtomicU64,
    inspection_due: AtomicBool,
    /// What the functions held that are called one inside the other, outermost first, when each was inspected last.
    held: Mutex<Vec<u64>>,
    memory_before: i64,
    arguments: OnceLock<Dynamic>,
    exit_value: OnceLock<Dynamic>,
    limits: Limits,
}

/// Why an execution stopped before its end.
#[derive(Debug, Clone, PartialEq)]
enum Stop {
    Suspended,
    Extension,
    Limit(Kind, String),
    Exit,
    Fault(Problem),
}

impl RunRef {
    fn new(run: ScriptRun, limits: &Limits) -> RunRef {
        RunRef(Arc::new(RunState {
            run: Mutex::new(Some(run)),
            stopped: AtomicBool::new(false),
            stop: Mutex::new(None),
            operations: AtomicU64::new(0),
            handed_out: AtomicU64::new(0),
            started_at: thread_time(),
            started_at_clock: Instant::now(),
            next_inspection: AtomicU64::new(nanoseconds(INSPECTION_INTERVAL)),
            inspection_due: AtomicBool::new(false),
            held: Mutex::new(Vec::new()),
            memory_before: limits.memory_probe.map_or(0, |probe| probe()),
            arguments: OnceLock::new(),
            exit_value: OnceLock::new(),
            limits: limits.clone(),
        }))
    }

    /// Does something with the run, unless the script has stopped already.
    pub fn with<T>(&self, position: Position, work: impl FnOnce(&mut ScriptRun) -> Result<T, Interrupt>) -> Native<T> {
        if self.0.stopped.load(Relaxed) {
            return Err(terminated(position));
        }
        let result = match self.0.run.lock().as_mut() {
            Some(run) => work(run),
            None => return Err(terminated(position)),
        };
        result.map_err(|interrupt| self.interrupt(interrupt, position))
    }

    /// Ends the script for good: it waits, or a call was wrong.
    pub fn interrupt(&self, interrupt: Interrupt, position: Position) -> Box<EvalAltResult> {
        let stop = match interrupt {
            Interrupt::Suspended => {
                let waits = self.0.run.lock().as_ref().is_some_and(|run| !run.wanted_extensions().is_empty());
                if waits { Stop::Extension } else { Stop::Suspended }
            }
            Interrupt::Error(error) => Stop::Fault(Problem::of_host(error, position)),
        };
        self.stop(stop);
        terminated(position)
    }

    /// `exit()`: ends the script quietly, also from inside a closure.
    pub fn exit(&self, value: Dynamic, position: Position) -> Box<EvalAltResult> {
        let _ = self.0.exit_value.set(value);
        self.stop(Stop::Exit);
        terminated(position)
    }

    /// Ends the script because a call was wrong.
    pub fn refuse(&self, message: impl Into<String>, position: Position) -> Box<EvalAltResult> {
        self.interrupt(Interrupt::Error(HostError::Argument(message.into())), position)
    }

    /// Ends the script because it exceeds a limit.
    pub fn exceed(&self, kind: Kind, message: impl Into<String>, position: Position) -> Box<EvalAltResult> {
        self.stop(Stop::Limit(kind, message.into()));
        terminated(position)
    }

    /// Counts bytes that the script hands to its host, where they stay until the session has ended.
    pub fn hand_out(&self, bytes: usize, position: Position) -> Native<()> {
        let total = self.0.handed_out.load(Relaxed).saturating_add(bytes as u64 + 128);
        self.0.handed_out.store(total, Relaxed);
        if total > self.0.limits.memory {
            return Err(self.exceed(Kind::OutOfMemory, self.memory_message(), position));
        }
        Ok(())
    }

    /// A script value as JSON for the host.
    pub fn to_json(&self, what: &str, value: &Dynamic, position: Position) -> Native<Json> {
        values::to_json(value, self.0.limits.memory).map_err(|error| match error {
            Unconvertible::Kind(kind) => self.refuse(format!("{what} cannot be {kind}"), position),
            Unconvertible::TooLarge => self.exceed(Kind::OutOfMemory, self.memory_message(), position),
        })
    }

    /// The limits of this execution.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// `print()` and `debug()` are logs.
    pub fn print(&self, text: &str) {
        // A stop is remembered; the next operation ends the script.
        let _ = self.log(text.to_owned(), Json::Null, Position::NONE);
    }

    /// `log()`.
    pub fn log(&self, message: String, meta: Json, position: Position) -> Native<()> {
        self.hand_out(message.len(), position)?;
        self.with(position, |run| {
            run.log(message, meta);
            Ok(())
        })
    }

    /// `args`.
    pub fn arguments(&self) -> Dynamic {
        let convert = || {
            let arguments = self.0.run.lock().as_ref().map(|run| run.arguments().clone());
            Dynamic::from_array(arguments.iter().flat_map(|list| list.iter()).map(values::from_json).collect())
        };
        self.0.arguments.get_or_init(convert).clone()
    }

    /// Called for each operation: whether the script must end now.
    pub fn must_stop(&self) -> bool {
        let state = &*self.0;
        if state.stopped.load(Relaxed) {
            return true;
        }
        // One thread runs the script; load and store are cheaper than an atomic addition.
        let operations = state.operations.load(Relaxed) + 1;
        state.operations.store(operations, Relaxed);
        if operations.is_multiple_of(MEMORY_INTERVAL) { self.check_limits(operations) } else { false }
    }

    #[cold]
    fn check_limits(&self, operations: u64) -> bool {
        let limits = &self.0.limits;
        if let Some(probe) = limits.memory_probe
            && probe().saturating_sub(self.0.memory_before) > i64::try_from(limits.memory).unwrap_or(i64::MAX)
        {
            self.stop(Stop::Limit(Kind::OutOfMemory, self.memory_message()));
        } else if operations > limits.operations {
            let message = format!("more than {} operations; is there an endless loop?", limits.operations);
            self.stop(Stop::Limit(Kind::TooManyOperations, message));
        } else if operations.is_multiple_of(TIME_INTERVAL) {
            return self.check_time();
        } else {
            return false;
        }
        true
    }

    fn check_time(&self) -> bool {
        let limits = &self.0.limits;
        let used = thread_time().saturating_sub(self.0.started_at);
        if used > limits.cpu_time {
            let message = format!("the script took more than {} ms of processor time", limits.cpu_time.as_millis());
            self.stop(Stop::Limit(Kind::Timeout, message));
            return true;
        }
        if self.0.started_at_clock.elapsed() > limits.wall_time {
            let message = format!(
                "the script took more than {} ms; does a closure use the variable whose method calls it?",
                limits.wall_time.as_millis()
            );
            self.stop(Stop::Limit(Kind::Timeout, message));
            return true;
        }
        if nanoseconds(used) >= self.0.next_inspection.load(Relaxed) {
            self.0.inspection_due.store(true, Relaxed);
        }
        false
    }

    /// Called for each use of a variable: looks at all variables, when it is time.
    pub fn inspect_if_due(&self, context: &EvalContext) {
        if !self.0.inspection_due.load(Relaxed) || self.0.stopped.load(Relaxed) {
            return;
        }
        let before = thread_time();
        if let Err(excess) = self.inspect_level(context) {
            let (kind, message) = self.excess(excess);
            self.stop(Stop::Limit(kind, message));
        }
        let after = thread_time();
        let next = after.saturating_sub(self.0.started_at) + INSPECTION_INTERVAL.max(after.saturating_sub(before));
        self.0.next_inspection.store(nanoseconds(next), Relaxed);
        self.0.inspection_due.store(false, Relaxed);
    }

    /// Only the innermost function's variables can be seen; those further out count as they were when they could.
    fn inspect_level(&self, context: &EvalContext) -> Result<(), Excess> {
        let mut held = self.0.held.lock();
        held.resize(context.call_level(), 0);
        let left = self.0.limits.memory.saturating_sub(held.iter().sum());
        held.push(inspect(context, left)?);
        Ok(())
    }

    /// Measures a value that is not in a variable yet.
    pub fn measure(&self, value: &Dynamic, left: &mut u64, position: Position) -> Native<()> {
        measure(value, left).map_err(|excess| {
            let (kind, message) = self.excess(excess);
            self.exceed(kind, message, position)
        })
    }

    fn excess(&self, excess: Excess) -> (Kind, String) {
        match excess {
            Excess::Size => (Kind::OutOfMemory, self.memory_message()),
            Excess::Depth => (Kind::TooDeep, format!("values are nested deeper than {MAX_DEPTH} levels")),
        }
    }

    fn memory_message(&self) -> String {
        format!("the script needs more than {} KB of memory", self.0.limits.memory / 1024)
    }

    fn stop(&self, stop: Stop) {
        self.0.stop.lock().get_or_insert(stop);
        self.0.stopped.store(true, Relaxed);
    }
}

impl fmt::Debug for RunRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RunRef")
    }
}

/// The error that no script can catch; what it means is in the state.
pub fn terminated(position: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
}

/// Runs a script once, on a thread that is large enough for it.
pub fn execute(script: &CompiledScript, kind: ScriptKind, run: ScriptRun, limits: &Limits) -> (ScriptRun, Outcome) {
    let state = RunRef::new(run, limits);
    let ended = catch_unwind(AssertUnwindSafe(|| evaluate(script, kind, &state)));
    let taken = state.0.run.lock().take();
    let outcome = match (ended, state.0.stop.lock().take()) {
        (_, Some(stop @ (Stop::Suspended | Stop::Extension))) => {
            if stop == Stop::Suspended {
                Outcome::Suspended
            } else {
                Outcome::WaitingForExtension
            }
        }
        (_, Some(Stop::Fault(problem))) => failed(script, problem),
        (Ok(Err(problem)), Some(Stop::Limit(kind, message))) => failed(script, Problem { kind, message, ..*problem }),
        (_, Some(Stop::Limit(kind, message))) => failed(script, Problem::new(kind, message, Position::NONE)),
        (Ok(Ok(result)), None | Some(Stop::Exit)) => Outcome::Finished(result),
        (Ok(Err(problem)), None | Some(Stop::Exit)) => failed(script, *problem),
        (Err(_), None | Some(Stop::Exit)) => {
            failed(script, Problem::new(Kind::Internal, "the script engine failed", Position::NONE))
        }
    };
    match taken {
        Some(run) => (run, outcome),
        // Only this function takes the run out.
        None => unreachable!("the run was taken twice"),
    }
}

fn failed(script: &CompiledScript, problem: Problem) -> Outcome {
    Outcome::Failed(problem.into_fault(script.name()))
}

/// The fault of a script that cannot run at all because its host has no thread for it.
pub fn no_thread(script: &CompiledScript, error: &std::io::Error) -> ScriptFault {
    Problem::new(Kind::Internal, format!("no thread for the script: {error}"), Position::NONE).into_fault(script.name())
}

/// Evaluates, and lets go of all the script's values before it returns.
fn evaluate(script: &CompiledScript, kind: ScriptKind, state: &RunRef) -> Result<Json, Box<Problem>> {
    let engine = engine::for_run(state);
    let value = match (engine.eval_ast::<Dynamic>(script.ast()), state.0.exit_value.get()) {
        (_, Some(value)) => value.clone(),
        (Ok(value), None) => value,
        (Err(error), None) => return Err(fault::explain(error).into()),
    };
    match kind {
        ScriptKind::Provision => Ok(Json::Null),
        ScriptKind::VirtualParameter => values::to_json(&value, state.0.limits.memory).map_err(|error| {
            let (kind, message) = match error {
                Unconvertible::TooLarge => (Kind::OutOfMemory, state.memory_message()),
                Unconvertible::Kind(kind) => {
                    (Kind::TypeError, format!("a virtual parameter returns #{{writable: …, value: …}}, not {kind}"))
                }
            };
            Problem::new(kind, message, Position::NONE).into()
        }),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

//! Rhai provision scripts: the script API, its limits, suspend and resume (`docs/scripts.md`).
//!
//! [`Scripts`] is an immutable, compiled set that runs scripts by name. A script sees only its [`ScriptRun`]: no files,
//! network, clock, randomness, modules or `eval`. [`compile`] and [`check`] are for the moment a script is saved. Not here:
//! what declarations mean (`acs_core`), and when scripts run again.
//!
//! [`ScriptRun`]: acs_core::script::ScriptRun

mod api;
mod bench;
mod check;
mod compile;
mod engine;
mod fault;
mod hints;
mod inspect;
mod limits;
mod literals;
mod run;
mod scripts;
mod thread;
mod values;

pub use bench::{Cost, SAMPLE_SCRIPT, measure};
pub use check::{Finding, Severity, check};
pub use compile::{CompiledScript, ScriptError, compile};
pub use limits::Limits;
pub use literals::{LiteralDeclaration, literal_declarations};
pub use scripts::{ScriptSource, Scripts};
pub use thread::{STACK_SIZE, mark_script_thread, on_script_thread, spawn_script_thread};

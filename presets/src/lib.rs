//! Presets: which provisions a session runs.
//!
//! What lives here: reading preset documents ([`Preset`]) with every problem named by its place, the rules for events
//! ([`EventRules`], over the event codes of TR-069 §3.7.1.5) and for times ([`Schedule`]), the older configuration types, and
//! the set of all presets that answers which of them fit ([`PresetSet`]).
//!
//! What does not: evaluating preconditions and arguments, which the session does, since they may need values that the device
//! must be asked for first; what a provision does (`provisions`, `sandbox`); where documents are kept (`store`).
//!
//! A preset document:
//!
//! ```json
//! {
//!   "weight": 10,
//!   "channel": "default",
//!   "events": { "1 BOOT": true, "0 BOOTSTRAP": false },
//!   "schedule": "7200 0 2 * * *",
//!   "timezone": "Europe/Warsaw",
//!   "precondition": "Tags.lab IS NOT NULL",
//!   "configurations": [{ "type": "provision", "name": "wifi", "args": [3600, ["PARAM", "DeviceID.SerialNumber"]] }],
//!   "provisions": ["default", ["inform", 300]]
//! }
//! ```

mod argument;
mod configuration;
mod events;
mod object;
mod preset;
mod problem;
mod schedule;
mod set;
#[cfg(test)]
mod tests;

pub use argument::{read_argument, read_arguments};
pub use configuration::Configuration;
pub use events::{EventRule, EventRules};
pub use object::ObjectTemplate;
pub use preset::Preset;
pub use problem::{PresetProblem, Problems, Severity};
pub use schedule::Schedule;
pub use set::{Explanation, Mismatch, PresetSet, SetProblem};

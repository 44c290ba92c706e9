//! Provisions that come with the program.
//!
//! What lives here: the [built-ins](Builtins), written in Rust, which presets and tasks call by name; the presets and scripts
//! that a new installation starts with ([`seeds`]); and those that explain the product ([`demo`]).
//!
//! What does not: the script language (`sandbox`), when presets apply (`presets`), and what declarations mean (`acs_core`).

mod builtins;
pub mod demo;
pub mod seeds;

pub use builtins::{BUILTIN_NAMES, Builtins, is_builtin};

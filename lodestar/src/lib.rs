//! Lodestar's wiring: what the binary is made of, as a library so that tests can put the same parts together.
//!
//! What lives here: configuration snapshots, the command line's commands, starting and stopping. What does not: any protocol,
//! the engine, the stores.

pub mod snapshot;

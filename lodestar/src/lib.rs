//! Lodestar's wiring: what the binary is made of, as a library so that tests can put the same parts together.
//!
//! What lives here: configuration snapshots, the command line's commands, starting and stopping. What does not: any protocol,
//! the engine, the stores.

pub mod accounts;
pub mod backup;
pub mod bench;
pub mod check;
pub mod command_line;
pub mod configuration_files;
pub mod demo;
mod disk_space;
mod elsewhere;
pub mod file_urls;
pub mod first_start;
mod heartbeats;
pub mod known_paths;
pub mod limit_options;
pub mod listeners;
pub mod live;
pub mod metrics;
mod nbi_client;
pub mod options;
mod outside;
mod own_threads;
mod pinger;
pub mod plan;
pub mod planning;
pub mod ports;
pub mod record;
pub mod replay;
pub mod routers;
pub mod serve;
pub mod session_history;
pub mod simulate;
pub mod simulate_router;
pub mod snapshot;
pub mod starstate;
pub mod stores;
pub mod waker;

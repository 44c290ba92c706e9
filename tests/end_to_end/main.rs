//! End-to-end tests: the real binary as a process, spoken to from outside by HTTP and SOAP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod authenticating;
mod backing_up;
mod checking;
mod configuration_files;
mod crash;
mod demo;
mod downloads;
mod events;
mod kit;
mod monitoring;
mod nat;
mod nbi;
mod nodes;
mod operations;
mod overload;
mod planning;
mod provisioning;
mod replaying;
mod session_history;
mod simulating_router;
mod starstate;
mod starstate_cli;
#[path = "../test_store.rs"]
mod test_store;
mod transfers;
mod uploads;
mod waking;

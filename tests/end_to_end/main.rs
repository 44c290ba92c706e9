//! End-to-end tests: the real binary as a process, spoken to from outside by HTTP and SOAP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod authenticating;
mod checking;
mod crash;
mod demo;
mod downloads;
mod kit;
mod nat;
mod nbi;
mod operations;
mod overload;
mod planning;
mod provisioning;
mod replaying;
mod transfers;
mod uploads;
mod waking;

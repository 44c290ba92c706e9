//! The engine with its script language: given a device, presets and scripts, expect these requests, values and faults.
//!
//! Each scenario names the rule that it shows. Devices here are data models without a wire; end-to-end tests are beside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../acs-core/tests/kit/mod.rs"]
mod kit;

mod bench;
mod channels;
mod operations;
mod properties;
mod reading;
mod recorded;
mod recording;
mod seed_examples;
mod suite;
mod transfers;
mod writing;

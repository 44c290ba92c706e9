//! The conformance suite: one test per row of `docs/conformance.md`, against the whole server in this process. Devices speak to it
//! byte by byte over a socket, operators over the REST API; whole devices are those of the simulator.
//!
//! Each test is named by its row's id: `s13_…` is row S13, `q04_…` quirk 4. [`checklist`] keeps the document and the tests together.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod authentication;
mod checklist;
mod connection_requests;
mod cookies;
mod faults;
mod http;
mod inform;
mod kit;
mod methods;
mod notifications;
mod other_rpcs;
mod parameters;
mod quirks;
mod sessions;
mod software_modules;
#[path = "../test_store.rs"]
mod test_store;
mod tolerance;
mod transfers;
mod udp;
mod versions;
#[cfg(feature = "xmpp")]
mod xmpp;

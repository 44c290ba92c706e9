//! The endpoint over real sockets: HTTP bytes written by hand, the embedded store, scripts that are Rust closures.
//!
//! Tests are named after the rule that they show; the letters in brackets are those of TR-069's own topics: S session, C cookies,
//! T transport, A authentication.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authentication;
mod bounds;
mod cookies;
mod kit;
mod logging;
mod nodes;
mod refusals;
mod requests;
mod sessions;
mod strictness;
mod tracing;
mod transport;

//! The NBI as its clients see it: over a socket, against a server with the embedded store.
//!
//! `cases/*.json` are conversations as data; the other modules test what cannot be told as request and answer.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod cases;
mod client;
mod file_server;
mod fixture;
mod lists;
mod raw;
mod tasks;
mod uploads;
mod users;

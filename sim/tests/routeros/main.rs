//! The simulated router, driven by the project's own client: each checks the other.
#![allow(clippy::unwrap_used)]

mod kit;

mod faults;
mod menus;
mod protocol;
mod recovery;
mod rest;
mod tables;
mod tls;

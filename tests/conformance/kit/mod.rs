//! What the tests are written with: a server of their own, and devices that say exactly what a test wants.
//!
//! ```text
//! Setup ──start──► Server ──device──► Device ──► Answer
//!                    └── NBI, stored values     └── expect("GetParameterValues"), expect_end()
//! ```
// Not each helper has its test yet.
#![allow(dead_code, unused_imports)]

mod certificates;
mod device;
mod server;
mod soap;
mod wire;

pub use certificates::{Certificates, TlsClient};
pub use device::Device;
pub use server::{Server, Setup, eventually};
pub use soap::{Inform, envelope, envelope_with, parameter};
pub use wire::{Answer, Connection};

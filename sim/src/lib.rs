//! Simulated CPE: devices with realistic data models that speak TR-069, one or thousands, well-behaved or not; and a simulated router
//! that speaks the RouterOS API.
//!
//! - [`cpe`]: one device. It has its own SOAP and HTTP code, shares none with the server, and so checks the server
//!   against a second reading of the standard.
//! - [`fleet`]: many devices as tasks that share one data model.
//! - [`load`]: the cheapest possible sessions, for benchmarks and crash tests.
//! - [`habits`]: how a device speaks, where real ones are odd; [`fault`]: injected faults; [`transcript`]: readable recordings; [`model`] and [`value`]: data models.
//! - [`routeros`]: the router.
//!
//! Not here: command-line flags, progress bars, and anything of the server.

pub mod cpe;
pub mod fault;
pub mod fleet;
pub mod habits;
pub mod http;
pub mod load;
pub mod model;
pub mod routeros;
pub mod soap;
#[cfg(test)]
mod testing;
pub mod transcript;
pub mod value;
mod xml;

pub use cpe::{Device, Options, SessionReport};
pub use fault::FaultRule;
pub use fleet::Fleet;
pub use model::{DataModel, Identity, ModelKind};
pub use routeros::{RouterFault, RouterOptions, Simulator, SimulatorOptions};

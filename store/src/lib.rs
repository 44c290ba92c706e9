//! Where devices, configuration, tasks and faults are kept.
//!
//! [`Store`] says what every store does; [`embedded`] is the one inside the binary, on SQLite. [`conformance`] is the suite that
//! every store must pass. Not here: what the records mean (`acs-core`), who may see them (`ui-api`).

pub mod conformance;
mod contract;
mod document;
pub mod embedded;
mod record;

pub use contract::{Collection, Find, Listing, Records, Statistics, Store, StoreError, StoredEvent};
pub use document::{device_document, value_json};
pub use embedded::EmbeddedStore;
pub use record::DeviceRecord;
